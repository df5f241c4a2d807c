/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text_token.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define SEPARATORS BLANKS ","

static bool
is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

void
text_cursor_init(struct text_cursor *cursor, const char *text)
{
    *cursor = (struct text_cursor) { text, text };
}

/* The end of the quoted string that starts at p, or NULL if it is not closed. */
static const char *
skip_quoted(const char *p)
{
    for (p++; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
        } else if (*p == '"') {
            return p + 1;
        }
    }
    return NULL;
}

/* The end of a value: the first character of 'ends' (or the text's end) that is outside
 * of quotes and parentheses. NULL if something is not closed. */
static const char *
skip_value(const char *p, const char *ends)
{
    unsigned depth = 0;
    while (*p && (depth || !is_one_of(*p, ends))) {
        if (*p == '"') {
            p = skip_quoted(p);
            if (!p) {
                return NULL;
            }
            continue;
        }
        if (*p == '(') {
            depth++;
        } else if (*p == ')') {
            if (!depth) {
                return NULL;
            }
            depth--;
        }
        p++;
    }
    return depth ? NULL : p;
}

static bool
copy_part(char *out, size_t capacity, const char *start, const char *end)
{
    size_t len = (size_t) (end - start);
    if (len >= capacity) {
        return false;
    }
    memcpy(out, start, len);
    out[len] = '\0';
    return true;
}

static int
refuse(const struct text_token *token, const char *why, struct errmsg *err)
{
    errmsg_set(err, "at %zu: %s", token->at, why);
    return -EINVAL;
}

int
text_token_next(struct text_cursor *cursor, struct text_token *token, struct errmsg *err)
{
    const char *p = cursor->p + strspn(cursor->p, SEPARATORS);
    cursor->p = p;
    token->at = (size_t) (p - cursor->start) + 1;
    token->value[0] = '\0';
    token->has_value = false;
    if (!*p) {
        return 0;
    }

    const char *end = *p == '"' ? skip_quoted(p) : p + strcspn(p, SEPARATORS "=:()");
    if (!end) {
        return refuse(token, "a quote is not closed", err);
    }
    if (end == p) {
        return refuse(token, "a field or action should begin here", err);
    }
    if (!copy_part(token->key, sizeof token->key, p, end)) {
        return refuse(token, "too long", err);
    }

    p = end;
    if (is_one_of(*p, "=:(")) {
        bool parenthesis = *p++ == '(';
        end = skip_value(p, parenthesis ? ")" : SEPARATORS);
        if (!end || (parenthesis && *end != ')')) {
            return refuse(token, "a parenthesis or quote is not closed", err);
        }
        if (!copy_part(token->value, sizeof token->value, p, end)) {
            return refuse(token, "its value is too long", err);
        }
        token->has_value = true;
        p = end + parenthesis;
    }
    if (*p && !is_one_of(*p, SEPARATORS)) {
        return refuse(token, "a comma is missing behind it", err);
    }
    cursor->p = p;
    return 1;
}

bool
text_parse_number(const char *text, uint64_t max, uint64_t *out)
{
    if (!isdigit((unsigned char) text[0])) {
        return false;
    }
    errno = 0;
    char *end;
    unsigned long long x = strtoull(text, &end, 0);
    if (*end || errno || x > max) {
        return false;
    }
    *out = x;
    return true;
}

static int
hex_digit(char c)
{
    return isdigit((unsigned char) c) ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
text_parse_mac(const char *text, uint8_t mac[6])
{
    uint8_t bytes[6];
    for (int i = 0; i < 6; i++) {
        int digit = hex_digit(*text);
        if (digit < 0) {
            return false;
        }
        bytes[i] = (uint8_t) digit;
        digit = hex_digit(*++text);
        if (digit >= 0) {
            bytes[i] = (uint8_t) (bytes[i] << 4 | digit);
            text++;
        }
        if (*text != (i < 5 ? ':' : '\0')) {
            return false;
        }
        text += i < 5;
    }
    memcpy(mac, bytes, sizeof bytes);
    return true;
}

bool
text_parse_ip4(const char *text, uint8_t ip[4])
{
    return inet_pton(AF_INET, text, ip) == 1;
}

bool
text_split_mask(char *text, char **after)
{
    char *slash = strchr(text, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    *after = slash + 1;
    return true;
}
