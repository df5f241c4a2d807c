/* SPDX-License-Identifier: Apache-2.0 */
/* Splits the "key=value,key(value),key:value key" lists of flow syntax, and reads numbers
 * and addresses. */
#ifndef LIB_TEXT_TOKEN_H
#define LIB_TEXT_TOKEN_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"

/* One element. The key ends at '=', ':' or '('; the value at a comma or blank outside of
 * quotes and parentheses. */
struct text_token {
    char key[128];
    char value[128];
    bool has_value;
    size_t at;           /* where the key starts in the whole text, from 1 */
};

struct text_cursor {
    const char *start, *p;
};

/* Begins at 'text', which must outlive the cursor. */
void text_cursor_init(struct text_cursor *, const char *text);

/* The next element: 1 and *token; 0 at the end; -EINVAL with a message for one that is too
 * long or not closed. */
int text_token_next(struct text_cursor *, struct text_token *, struct errmsg *);

/* A number in C's notation (decimal, 0x..., 0...), at most 'max'. */
bool text_parse_number(const char *, uint64_t max, uint64_t *out);

/* "aa:bb:cc:dd:ee:ff", each byte of one or two digits. */
bool text_parse_mac(const char *, uint8_t mac[6]);

/* "10.0.0.1"; 4 bytes in network order. */
bool text_parse_ip4(const char *, uint8_t ip[4]);

/* Cuts 'text' at its first '/': true if there is one, and *after points behind it. */
bool text_split_mask(char *text, char **after);

#endif /* lib/text_token.h */
