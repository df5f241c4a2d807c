/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/checksum.h"

#include <string.h>

uint64_t
checksum_add(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *p = data;

    /* 32-bit words into a 64-bit sum: 2^32 of them fit before a carry is lost, and
     * folding 32 bits to 16 keeps the value. */
    for (; size >= 4; p += 4, size -= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
    }
    if (size) {
        uint32_t word = 0;
        memcpy(&word, p, size);
        sum += word;
    }
    return sum;
}
