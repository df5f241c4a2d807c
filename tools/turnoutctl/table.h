/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for terminals: columns as wide as they need, cut where the terminal ends. */
#ifndef TOOLS_TURNOUTCTL_TABLE_H
#define TOOLS_TURNOUTCTL_TABLE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
    const char *title;
    enum table_align align;
    size_t min;                /* may be cut to this many characters; 0: never */
    bool optional;             /* left out unless table_show_optional() was called */
};

struct strbuf;
struct table;

/* 'columns' must outlive the table. NULL without memory. */
struct table *table_new(const struct table_column *columns, size_t n_columns);
void table_free(struct table *);
void table_show_optional(struct table *);
/* Appends a cell, row by row from the left. Any control character in it is shown as '?'. */
void table_add(struct table *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints titles and rows, each behind 'indent' blanks. Lines fit 'width' columns (0:
 * unlimited): first columns with a 'min' are cut, the widest first; what is still too
 * long is cut at the end. A cut shows as an ellipsis. */
void table_print(const struct table *, FILE *, size_t indent, size_t width);

/* Appends 'text' (NULL: none) in at most 'width' columns, the last of which is an ellipsis if it
 * is longer. */
void table_cut(struct strbuf *, const char *text, size_t width);

/* The columns of the terminal that is standard output; 0 if it is none. */
size_t table_terminal_width(void);

#endif /* tools/turnoutctl/table.h */
