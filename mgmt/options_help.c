/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mgmt/option_values.h"

/* Column at which the descriptions begin. */
#define HELP_COLUMN 28

/* Prints 'text' in the column from HELP_COLUMN to 'width', cut between words; the cursor
 * is at 'column' now. */
static void
print_wrapped(FILE *out, const char *text, size_t column, size_t width)
{
    if (column >= HELP_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", (int) (HELP_COLUMN - column), "");
    column = HELP_COLUMN;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + len > width) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        bool first = column == HELP_COLUMN;
        fprintf(out, "%s%.*s", first ? "" : " ", (int) len, text);
        column += len + !first;
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void
print_row(FILE *out, const struct option_row *row, size_t width)
{
    int column = fprintf(out, "  --%s%s%s%s", row->name, row->arg ? " " : "",
                         row->arg ? row->arg : "", row->repeats ? "..." : "");
    print_wrapped(out, row->help, column, width);
}

static void
print_group(FILE *out, const char *title, size_t width, enum option_scope a, enum option_scope b)
{
    fprintf(out, "\n%s\n", title);
    for (size_t i = 0; i < n_option_rows; i++) {
        if (option_rows[i].scope == a || option_rows[i].scope == b) {
            print_row(out, &option_rows[i], width);
        }
    }
}

void
options_help(FILE *out, size_t width)
{
    fputs("usage: turnoutd [OPTION]... --bridge NAME [BRIDGE-OPTION]... [--bridge NAME ...]\n"
          "An OpenFlow 1.0 switch.\n", out);
    print_group(out, "The daemon:", width, OPTION_GLOBAL, OPTION_COMMAND_LINE);
    print_group(out, "The bridge named before; settings before the first are defaults for all:",
                width, OPTION_BRIDGE, OPTION_MEMBER);
    options_help_drivers(out);
    fputs("\nThe manual page turnoutd(8) has the details.\n", out);
}
