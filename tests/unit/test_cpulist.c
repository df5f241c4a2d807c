/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/cpulist.h"

static void
numbers_and_ranges(void **state)
{
    (void) state;
    unsigned cpus[8];
    assert_int_equal(cpulist_parse("0", cpus, 8, NULL), 1);
    assert_int_equal(cpus[0], 0);
    assert_int_equal(cpulist_parse("7,0,2-4,1023", cpus, 8, NULL), 6);
    const unsigned expected[] = { 7, 0, 2, 3, 4, 1023 };
    assert_memory_equal(cpus, expected, sizeof expected);
    assert_int_equal(cpulist_parse("5-5", cpus, 1, NULL), 1);
    assert_int_equal(cpus[0], 5);
}

static void
what_is_wrong_is_said(void **state)
{
    (void) state;
    const struct {
        const char *list, *says;
    } rows[] = {
        { "", "at 1: not a CPU number" },
        { "a", "at 1: not a CPU number" },
        { "1,", "at 3: not a CPU number" },
        { "1,,2", "at 3: not a CPU number" },
        { "1-", "at 3: not a CPU number" },
        { "-1", "at 1: not a CPU number" },
        { " 1", "at 1: not a CPU number" },
        { "1 ,2", "at 2: a comma should be here" },
        { "1-2-3", "at 4: a comma should be here" },
        { "3-2", "backwards" },
        { "1024", "at 1: not a CPU number below 1024" },
        { "99999999999999999999", "at 1: not a CPU number below 1024" },
        { "0-99999999999999999999", "at 3: not a CPU number below 1024" },
        { "1,0-3", "at 3: a CPU is there twice" },
    };
    unsigned cpus[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct errmsg err = { "" };
        assert_int_equal(cpulist_parse(rows[i].list, cpus, 1024, &err), -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            fail_msg("\"%s\": %s", rows[i].list, err.text);
        }
    }
}

static void
too_many_are_refused(void **state)
{
    (void) state;
    unsigned cpus[2];
    struct errmsg err;
    assert_int_equal(cpulist_parse("0-2", cpus, 2, &err), -E2BIG);
    assert_non_null(strstr(err.text, "more than 2 CPUs"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_ranges),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(too_many_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
