/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/wire.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void
writer_fini(struct writer *w)
{
    free(w->data);
    writer_init(w);
}

bool
writer_grow(struct writer *w, size_t size)
{
    size_t capacity = w->capacity ? w->capacity : FIRST_CAPACITY;
    while (capacity - w->size < size && capacity <= SIZE_MAX / 2) {
        capacity *= 2;
    }
    uint8_t *data = capacity - w->size < size ? NULL : realloc(w->data, capacity);
    if (!data) {
        w->failed = true;
        return false;
    }
    w->data = data;
    w->capacity = capacity;
    return true;
}
