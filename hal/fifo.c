/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "hal/internal.h"

bool
fifo_push(struct entry_fifo *fifo, uint32_t index)
{
    if (fifo->n == fifo->max) {
        uint32_t max = fifo->max ? fifo->max * 2 : 256;
        uint32_t *at = malloc(max * sizeof *at);
        if (!at) {
            return false;
        }
        for (uint32_t i = 0; i < fifo->n; i++) {
            at[i] = fifo->at[(fifo->head + i) & (fifo->max - 1)];
        }
        free(fifo->at);
        *fifo = (struct entry_fifo) { at, 0, fifo->n, max };
    }
    fifo->at[(fifo->head + fifo->n++) & (fifo->max - 1)] = index;
    return true;
}

uint32_t
fifo_pop(struct entry_fifo *fifo)
{
    if (!fifo->n) {
        return ENTRY_NONE;
    }
    uint32_t index = fifo->at[fifo->head];
    fifo->head = (fifo->head + 1) & (fifo->max - 1);
    fifo->n--;
    return index;
}
