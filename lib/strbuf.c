/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

/* Room for 'len' more characters and the terminator. */
static bool
make_room(struct strbuf *s, size_t len)
{
    if (s->failed || s->capacity - s->len > len) {
        return !s->failed;
    }
    size_t capacity = s->capacity ? s->capacity : FIRST_CAPACITY;
    while (capacity - s->len <= len && capacity <= SIZE_MAX / 2) {
        capacity *= 2;
    }
    char *text = capacity - s->len <= len ? NULL : realloc(s->text, capacity);
    if (!text) {
        s->failed = true;
        return false;
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

void
strbuf_vprintf(struct strbuf *s, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = s->capacity - s->len;
    int n = s->failed ? -1 : vsnprintf(room ? s->text + s->len : NULL, room, format, args);
    if (n >= 0 && (size_t) n >= room) {
        if (room) {
            s->text[s->len] = '\0';
        }
        if (make_room(s, (size_t) n)) {
            vsnprintf(s->text + s->len, s->capacity - s->len, format, again);
        } else {
            n = -1;
        }
    }
    if (n >= 0) {
        s->len += (size_t) n;
    } else {
        s->failed = true;
    }
    va_end(again);
}

void
strbuf_printf(struct strbuf *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_vprintf(s, format, args);
    va_end(args);
}

void
strbuf_puts(struct strbuf *s, const char *text)
{
    size_t len = strlen(text);
    if (make_room(s, len)) {
        memcpy(s->text + s->len, text, len + 1);
        s->len += len;
    }
}

void
strbuf_putc(struct strbuf *s, char c)
{
    if (make_room(s, 1)) {
        s->text[s->len++] = c;
        s->text[s->len] = '\0';
    }
}

void
strbuf_fini(struct strbuf *s)
{
    free(s->text);
    *s = (struct strbuf) { 0 };
}

void
strbuf_clear(struct strbuf *s)
{
    s->len = 0;
    s->failed = false;
    if (s->text) {
        s->text[0] = '\0';
    }
}

const char *
strbuf_text(const struct strbuf *s)
{
    return s->text ? s->text : "";
}

char *
strbuf_steal(struct strbuf *s)
{
    char *text = NULL;
    if (make_room(s, 0)) {
        text = s->text;
        text[s->len] = '\0';
        s->text = NULL;
    }
    strbuf_fini(s);
    return text;
}
