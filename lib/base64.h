/* SPDX-License-Identifier: Apache-2.0 */
/* Base 64 (RFC 4648, section 4): with padding, without line breaks. Pure functions. */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H 1

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Characters for 'SIZE' bytes, without a terminator. */
#define BASE64_LEN(SIZE) (((size_t) (SIZE) + 2) / 3 * 4)

/* Writes BASE64_LEN(size) characters and a terminator. */
void base64_encode(const void *data, size_t size, char *out);

/* Decodes 'len' characters into 'out', which has room for len / 4 * 3 bytes. Returns how
 * many there are; -1 if the text is anything but what base64_encode() writes. */
ssize_t base64_decode(const char *text, size_t len, uint8_t *out);

#endif /* lib/base64.h */
