/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/table.h"

static void
expect(const struct table *table, size_t indent, size_t width, const char *wanted)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    table_print(table, out, indent, width);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static struct table *
make_table(void)
{
    static const struct table_column columns[] = {
        { "N", TABLE_RIGHT }, { "NAME", TABLE_LEFT, 4 }, { "WHAT IT IS", TABLE_LEFT, 6 },
    };
    struct table *table = table_new(columns, 3);
    table_add(table, "%d", 1);
    table_add(table, "short");
    table_add(table, "a text of some length");
    table_add(table, "%d", 1000);
    table_add(table, "a\tlong\x7fname");
    table_add(table, "%s", "");
    return table;
}

static void
without_a_width_nothing_is_cut(void **state)
{
    (void) state;
    struct table *table = make_table();
    expect(table, 0, 0,
           "   N  NAME         WHAT IT IS\n"
           "   1  short        a text of some length\n"
           "1000  a?long?name\n");
    table_free(table);
}

static void
optional_columns_are_shown_on_request(void **state)
{
    (void) state;
    static const struct table_column columns[] = {
        { "A", TABLE_LEFT, 0, true }, { "B" }, { "WIDE OPTIONAL", TABLE_LEFT, 5, true },
        { "C", TABLE_LEFT, 3 },
    };
    struct table *table = table_new(columns, 4);
    table_add(table, "a");
    table_add(table, "b");
    table_add(table, "o");
    table_add(table, "cccccc");
    expect(table, 0, 0, "B  C\nb  cccccc\n");
    expect(table, 0, 7, "B  C\nb  ccc\u2026\n");
    table_show_optional(table);
    expect(table, 0, 0, "A  B  WIDE OPTIONAL  C\na  b  o              cccccc\n");
    expect(table, 0, 20, "A  B  WIDE \u2026  C\na  b  o       cccccc\n");
    table_free(table);
}

static void
wide_columns_are_cut_first(void **state)
{
    (void) state;
    struct table *table = make_table();
    expect(table, 2, 34,
           "     N  NAME         WHAT IT IS\n"
           "     1  short        a text of so\u2026\n"
           "  1000  a?long?name\n");
    expect(table, 0, 20,
           "   N  NAME    WHAT \u2026\n"
           "   1  short   a tex\u2026\n"
           "1000  a?lon\u2026\n");
    table_free(table);
}

static void
what_is_still_too_long_is_cut_at_the_end(void **state)
{
    (void) state;
    struct table *table = make_table();
    expect(table, 0, 9,
           "   N  NA\u2026\n"
           "   1  sh\u2026\n"
           "1000  a?\u2026\n");
    table_free(table);
}

static void
width_counts_characters(void **state)
{
    (void) state;
    static const struct table_column columns[] = { { "A", TABLE_LEFT, 1 }, { "B" } };
    struct table *table = table_new(columns, 2);
    table_add(table, "\u00e4\u00f6\u00fc");
    table_add(table, "x");
    expect(table, 0, 0, "A    B\n\u00e4\u00f6\u00fc  x\n");
    expect(table, 0, 5, "A   B\n\u00e4\u2026  x\n");
    table_free(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_width_nothing_is_cut),
        cmocka_unit_test(optional_columns_are_shown_on_request),
        cmocka_unit_test(wide_columns_are_cut_first),
        cmocka_unit_test(what_is_still_too_long_is_cut_at_the_end),
        cmocka_unit_test(width_counts_characters),
    };
    setlocale(LC_ALL, "C.UTF-8");
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
