/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "lib/errmsg.h"

static void
messages_are_set_and_prefixed(void **state)
{
    (void) state;
    struct errmsg err;
    errmsg_set(&err, "port %d: %s", 5, "gone");
    assert_string_equal(err.text, "port 5: gone");
    errmsg_prefix(&err, "bridge %s", "br0");
    assert_string_equal(err.text, "bridge br0: port 5: gone");
    errmsg_set(&err, "%s", err.text[0] ? "other" : "");
    assert_string_equal(err.text, "other");
}

static void
nobody_has_to_listen(void **state)
{
    (void) state;
    errmsg_set(NULL, "%d", 1);
    errmsg_prefix(NULL, "%d", 1);
}

static void
what_is_too_long_is_cut(void **state)
{
    (void) state;
    struct errmsg err;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    errmsg_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    errmsg_prefix(&err, "ab");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "ab: xx", 6);
    errmsg_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_set_and_prefixed),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
