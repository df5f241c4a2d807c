/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/port_text.h"

/* Port N is called names[N - 1]. */
static const char *const names[] = { "veth-a", "s1-eth1", "LOCAL", "12", "a\"\\b", "t\tx",
                                     "drop", "a.b_c" };
enum { N_NAMES = sizeof names / sizeof names[0] };

static const char *
name_of(void *aux, uint16_t port_no)
{
    assert_string_equal(aux, "aux");
    return port_no >= 1 && port_no <= N_NAMES ? names[port_no - 1] : NULL;
}

static uint16_t
number_of(void *aux, const char *name)
{
    assert_string_equal(aux, "aux");
    for (uint16_t i = 0; i < N_NAMES; i++) {
        if (!strcmp(name, names[i])) {
            return i + 1;
        }
    }
    return 0;
}

static char aux[] = "aux";
static const struct flow_text_ports ports = { name_of, number_of, aux };

static void
expect_printed(uint16_t port_no, const struct flow_text_ports *table, const char *text)
{
    struct strbuf out = { 0 };
    port_text_print(&out, port_no, table);
    assert_string_equal(out.text, text);
    uint16_t again = 0;
    assert_int_equal(port_text_parse(out.text, table, &again, NULL), 0);
    assert_int_equal(again, port_no);
    strbuf_fini(&out);
}

static void
names_are_quoted_where_they_must(void **state)
{
    (void) state;
    expect_printed(1, &ports, "veth-a");
    expect_printed(2, &ports, "\"s1-eth1\"");
    expect_printed(3, &ports, "\"LOCAL\"");
    expect_printed(4, &ports, "\"12\"");
    expect_printed(5, &ports, "\"a\\\"\\\\b\"");
    expect_printed(6, &ports, "\"t\\u0009x\"");
    expect_printed(7, &ports, "\"drop\"");
    expect_printed(8, &ports, "a.b_c");
    expect_printed(9, &ports, "9");
    expect_printed(2, NULL, "2");
}

static void
reserved_ports_have_names(void **state)
{
    (void) state;
    const struct { uint16_t port_no; const char *name; } rows[] = {
        { PORT_IN_PORT, "IN_PORT" }, { PORT_TABLE, "TABLE" }, { PORT_NORMAL, "NORMAL" },
        { PORT_FLOOD, "FLOOD" }, { PORT_ALL, "ALL" }, { PORT_CONTROLLER, "CONTROLLER" },
        { PORT_LOCAL, "LOCAL" }, { PORT_NONE, "ANY" }, { 0xff00, "65280" }, { 0, "0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_printed(rows[i].port_no, &ports, rows[i].name);
        expect_printed(rows[i].port_no, NULL, rows[i].name);
    }
    uint16_t port_no;
    assert_int_equal(port_text_parse("in_port", NULL, &port_no, NULL), 0);
    assert_int_equal(port_no, PORT_IN_PORT);
    assert_int_equal(port_text_parse("None", NULL, &port_no, NULL), 0);
    assert_int_equal(port_no, PORT_NONE);
}

static void
a_name_is_looked_up_bare_and_quoted(void **state)
{
    (void) state;
    uint16_t port_no = 0;
    assert_int_equal(port_text_parse("s1-eth1", &ports, &port_no, NULL), 0);
    assert_int_equal(port_no, 2);
    /* What is not quoted is a number or reserved first. */
    assert_int_equal(port_text_parse("local", &ports, &port_no, NULL), 0);
    assert_int_equal(port_no, PORT_LOCAL);
    assert_int_equal(port_text_parse("12", &ports, &port_no, NULL), 0);
    assert_int_equal(port_no, 12);
}

static void
what_is_no_port_is_refused(void **state)
{
    (void) state;
    const char *wrong[] = { "", "nobody", "65536", "-1", "1.5", "\"nobody\"", "\"veth-a", "\"",
                            "\"veth-a\"x", "\"\\q\"", "\"\\u12\"", "\"\\u0000\"" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct errmsg err = { "" };
        uint16_t port_no = 77;
        assert_int_equal(port_text_parse(wrong[i], &ports, &port_no, &err), -EINVAL);
        assert_int_equal(port_no, 77);
        assert_true(err.text[0]);
        assert_int_equal(port_text_parse(wrong[i], NULL, &port_no, NULL), -EINVAL);
    }
    char huge[300];
    memset(huge, 'x', sizeof huge);
    huge[0] = huge[298] = '"';
    huge[299] = '\0';
    uint16_t port_no;
    assert_int_equal(port_text_parse(huge, &ports, &port_no, NULL), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_quoted_where_they_must),
        cmocka_unit_test(reserved_ports_have_names),
        cmocka_unit_test(a_name_is_looked_up_bare_and_quoted),
        cmocka_unit_test(what_is_no_port_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
