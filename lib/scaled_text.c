/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scaled_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char units[] = "kMGT";

bool
scaled_parse(const char *text, uint64_t max, uint64_t *out)
{
    size_t len = strspn(text, "0123456789");
    if (!len || len > 18 || (text[len] && text[len + 1])) {
        return false;
    }
    uint64_t value = strtoull(text, NULL, 10), scale = 1;
    if (text[len]) {
        const char *unit = strchr(units, text[len] == 'K' ? 'k' : text[len]);
        if (!unit) {
            return false;
        }
        for (const char *p = units; p <= unit; p++) {
            scale *= 1000;
        }
    }
    if (value > max / scale) {
        return false;
    }
    *out = value * scale;
    return true;
}

const char *
scaled_print(uint64_t value, char buffer[SCALED_TEXT_SIZE])
{
    unsigned n = 0;
    while (value && value % 1000 == 0 && n < sizeof units - 1) {
        value /= 1000;
        n++;
    }
    snprintf(buffer, SCALED_TEXT_SIZE, "%" PRIu64 "%.1s", value, n ? &units[n - 1] : "");
    return buffer;
}
