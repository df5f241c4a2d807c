/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes base 64: what can be decoded is encoded to the same text, and any bytes come back. */
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* As big as it has to be, so that a byte more is found. */
    uint8_t *bytes = malloc(size / 4 * 3 + 1);
    char *text = malloc(BASE64_LEN(size) + 1);
    uint8_t *back = malloc(BASE64_LEN(size) / 4 * 3 + 1);
    ssize_t n = base64_decode((const char *) data, size, bytes);
    if (n >= 0) {
        base64_encode(bytes, (size_t) n, text);
        FUZZ_CHECK(strlen(text) == size && !memcmp(text, data, size));
    }
    base64_encode(data, size, text);
    FUZZ_CHECK(strlen(text) == BASE64_LEN(size));
    FUZZ_CHECK(base64_decode(text, BASE64_LEN(size), back) == (ssize_t) size);
    FUZZ_CHECK(!size || !memcmp(back, data, size));
    free(back);
    free(text);
    free(bytes);
    return 0;
}
