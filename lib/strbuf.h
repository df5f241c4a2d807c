/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string. */
#ifndef LIB_STRBUF_H
#define LIB_STRBUF_H 1

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts zeroed; 'text' is NULL or terminated, and owned. Without memory 'failed' is set,
 * the text stays what it was, and nothing is appended from then on. */
struct strbuf {
    char *text;
    size_t len, capacity;
    bool failed;
};

void strbuf_printf(struct strbuf *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *, const char *format, va_list)
    __attribute__((format(printf, 2, 0)));
void strbuf_puts(struct strbuf *, const char *text);
void strbuf_putc(struct strbuf *, char);

/* Frees; the buffer is empty and may be used again. */
void strbuf_fini(struct strbuf *);

/* Forgets the text, keeps the memory, clears 'failed'. */
void strbuf_clear(struct strbuf *);

/* The text, "" if there is none; valid until the next call that appends. */
const char *strbuf_text(const struct strbuf *);

/* The text, now the caller's to free(); NULL if the buffer had failed. The buffer is empty
 * then. */
char *strbuf_steal(struct strbuf *);

#endif /* lib/strbuf.h */
