/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/table.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/strbuf.h"

/* Columns between two cells. */
#define GAP 2

struct table {
    const struct table_column *columns;
    size_t n_columns;
    bool all_columns;          /* those that are optional as well */
    char **cells;              /* row by row */
    size_t n_cells, capacity;
};

struct table *
table_new(const struct table_column *columns, size_t n_columns)
{
    struct table *table = calloc(1, sizeof *table);
    if (table) {
        table->columns = columns;
        table->n_columns = n_columns;
    }
    return table;
}

void
table_free(struct table *table)
{
    if (table) {
        for (size_t i = 0; i < table->n_cells; i++) {
            free(table->cells[i]);
        }
        free(table->cells);
        free(table);
    }
}

void
table_show_optional(struct table *table)
{
    table->all_columns = true;
}

static bool
is_shown(const struct table *table, size_t column)
{
    return table->all_columns || !table->columns[column].optional;
}

void
table_add(struct table *table, const char *format, ...)
{
    if (table->n_cells == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        char **cells = reallocarray(table->cells, capacity, sizeof *cells);
        if (!cells) {
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    va_list args;
    va_start(args, format);
    char *cell;
    int len = vasprintf(&cell, format, args);
    va_end(args);
    for (char *p = cell; len >= 0 && *p; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    table->cells[table->n_cells++] = len < 0 ? NULL : cell;
}

static bool
is_continuation(char c)
{
    return ((unsigned char) c & 0xc0) == 0x80;
}

/* Characters, not bytes: text is UTF-8. */
static size_t
length(const char *text)
{
    size_t n = 0;
    for (; text && *text; text++) {
        n += !is_continuation(*text);
    }
    return n;
}

static const char *
ellipsis(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") ? "~" : "\u2026";
}

void
table_cut(struct strbuf *out, const char *text, size_t width)
{
    size_t keep = length(text);
    bool cut = keep > width;
    if (cut) {
        keep = width ? width - 1 : 0;
    }
    for (const char *p = text; p && *p; p++) {
        if (!is_continuation(*p) && keep-- == 0) {
            break;
        }
        strbuf_putc(out, *p);
    }
    if (cut && width) {
        strbuf_puts(out, ellipsis());
    }
}

static void
measure(const struct table *table, size_t widths[])
{
    for (size_t i = 0; i < table->n_columns; i++) {
        widths[i] = length(table->columns[i].title);
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t len = length(table->cells[i]);
        size_t *width = &widths[i % table->n_columns];
        *width = len > *width ? len : *width;
    }
}

static size_t
total_width(const struct table *table, const size_t widths[], size_t indent)
{
    size_t total = indent, n = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        total += is_shown(table, i) ? widths[i] + (n++ ? GAP : 0) : 0;
    }
    return total;
}

/* Takes from the columns that may be cut, the widest first. */
static void
shrink(const struct table *table, size_t widths[], size_t indent, size_t width)
{
    for (size_t total = total_width(table, widths, indent); total > width; total--) {
        size_t widest = SIZE_MAX;
        for (size_t i = 0; i < table->n_columns; i++) {
            if (is_shown(table, i) && table->columns[i].min && widths[i] > table->columns[i].min
                && (widest == SIZE_MAX || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == SIZE_MAX) {
            return;
        }
        widths[widest]--;
    }
}

static void
append_cell(struct strbuf *line, const char *text, size_t width, enum table_align align)
{
    size_t len = length(text);
    int pad = len < width ? (int) (width - len) : 0;
    strbuf_printf(line, "%*s", align == TABLE_RIGHT ? pad : 0, "");
    table_cut(line, text, width);
    strbuf_printf(line, "%*s", align == TABLE_RIGHT ? 0 : pad, "");
}

/* One line, of titles or of a row's cells, in at most 'limit' columns. */
static void
print_line(const struct table *table, FILE *out, const char *const cells[],
           const size_t widths[], size_t indent, size_t limit)
{
    struct strbuf line = { 0 }, cut = { 0 };
    strbuf_printf(&line, "%*s", (int) indent, "");
    for (size_t i = 0, n = 0; i < table->n_columns; i++) {
        if (is_shown(table, i)) {
            strbuf_printf(&line, "%*s", n++ ? GAP : 0, "");
            append_cell(&line, cells[i], widths[i], table->columns[i].align);
        }
    }
    while (line.len && line.text[line.len - 1] == ' ') {
        line.text[--line.len] = '\0';
    }
    table_cut(&cut, strbuf_text(&line), limit);
    fprintf(out, "%s\n", strbuf_text(&cut));
    strbuf_fini(&line);
    strbuf_fini(&cut);
}

void
table_print(const struct table *table, FILE *out, size_t indent, size_t width)
{
    size_t n = table->n_columns;
    size_t *widths = calloc(n, sizeof *widths);
    const char **titles = calloc(n, sizeof *titles);
    size_t limit = width ? width : SIZE_MAX;
    if (widths && titles) {
        measure(table, widths);
        shrink(table, widths, indent, limit);
        for (size_t i = 0; i < n; i++) {
            titles[i] = table->columns[i].title;
        }
        print_line(table, out, titles, widths, indent, limit);
        for (size_t i = 0; i + n <= table->n_cells; i += n) {
            print_line(table, out, (const char *const *) &table->cells[i], widths, indent, limit);
        }
    }
    free(widths);
    free(titles);
}

size_t
table_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col) {
        return size.ws_col;
    }
    const char *columns = getenv("COLUMNS");
    return columns ? strtoul(columns, NULL, 10) : 80;
}
