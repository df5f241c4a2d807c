/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *data, size_t size, char *out)
{
    const uint8_t *p = data;
    for (; size >= 3; size -= 3, p += 3) {
        uint32_t bits = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = alphabet[bits >> 6 & 63];
        *out++ = alphabet[bits & 63];
    }
    if (size) {
        uint32_t bits = (uint32_t) p[0] << 16 | (size == 2 ? (uint32_t) p[1] << 8 : 0);
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = size == 2 ? alphabet[bits >> 6 & 63] : '=';
        *out++ = '=';
    }
    *out = '\0';
}

static int
value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    } else if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    } else if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* The 'n' characters (2 to 4) at 'text' as 24 bits; -1 if one is none of the alphabet. */
static int32_t
take_group(const char *text, int n)
{
    int32_t bits = 0;
    for (int i = 0; i < 4; i++) {
        int value = i < n ? value_of(text[i]) : 0;
        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | value;
    }
    return bits;
}

ssize_t
base64_decode(const char *text, size_t len, uint8_t *out)
{
    uint8_t *begin = out;
    if (len % 4) {
        return -1;
    }
    for (; len; len -= 4, text += 4) {
        int n = len > 4 || text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
        int32_t bits = take_group(text, n);
        /* Bits that no byte has are 0, so that each text has one meaning and each
         * meaning one text. */
        if (bits < 0 || (n == 3 && bits & 0xff) || (n == 2 && bits & 0xffff)) {
            return -1;
        }
        for (int i = 0; i < n - 1; i++) {
            *out++ = (uint8_t) (bits >> (16 - 8 * i));
        }
    }
    return out - begin;
}
