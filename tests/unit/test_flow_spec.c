/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/field.h"
#include "lib/flow_spec.h"
#include "tests/unit/random_flow.h"
#include "turnout/port.h"

static struct flow_spec spec, again;

static void
parse(const char *text, enum flow_spec_use use)
{
    struct errmsg err = { "" };
    if (flow_spec_parse(text, use, NULL, &spec, &err)) {
        fail_msg("\"%s\": %s", text, err.text);
    }
}

static void
a_whole_line_is_read(void **state)
{
    (void) state;
    parse("priority=100,cookie=0x1f,idle_timeout=5,hard_timeout=6,send_flow_rem,check_overlap,"
          "in_port=1,tcp,actions=output:2,mod_vlan_vid:3", FLOW_SPEC_ADD);
    assert_int_equal(spec.priority, 100);
    assert_int_equal(spec.cookie, 0x1f);
    assert_int_equal(spec.idle_timeout, 5);
    assert_int_equal(spec.hard_timeout, 6);
    assert_int_equal(spec.flags, FLOW_SPEC_SEND_FLOW_REM | FLOW_SPEC_CHECK_OVERLAP);
    assert_int_equal(spec.out_port, PORT_NONE);
    assert_int_equal(spec.match.value.in_port, 1);
    assert_int_equal(spec.match.value.nw_proto, 6);
    assert_int_equal(spec.n_actions, 2);
    assert_int_equal(spec.actions[0].output.port, 2);
    assert_int_equal(spec.actions[1].vlan_vid.vid, 3);
}

static void
what_is_not_given_has_defaults(void **state)
{
    (void) state;
    parse("actions=", FLOW_SPEC_ADD);
    assert_int_equal(spec.priority, 0x8000);
    assert_int_equal(spec.cookie, 0);
    assert_int_equal(spec.flags, 0);
    assert_int_equal(spec.n_actions, 0);
    parse("", FLOW_SPEC_SELECT);
    assert_int_equal(spec.out_port, PORT_NONE);
}

/* As `ovs-ofctl dump-flows` prints it. */
static void
a_dump_can_be_fed_back(void **state)
{
    (void) state;
    parse(" cookie=0x1, duration=12.345s, table=0, n_packets=10, n_bytes=1000, idle_timeout=5, "
          "hard_timeout=6, idle_age=3, send_flow_rem priority=7,in_port=1 "
          "actions=output:2,CONTROLLER:128", FLOW_SPEC_ADD);
    assert_int_equal(spec.priority, 7);
    assert_int_equal(spec.cookie, 1);
    assert_int_equal(spec.actions[1].output.max_len, 128);

    struct strbuf out = { 0 };
    flow_spec_print(&out, &spec, FLOW_SPEC_ADD, NULL);
    assert_string_equal(out.text, "cookie=0x1, idle_timeout=5, hard_timeout=6, send_flow_rem "
                        "priority=7,in_port=1 actions=output:2,CONTROLLER:128");
    strbuf_fini(&out);
}

/* Every field of OpenFlow 1.0 is given: the flow has no wildcards, also where some of the
 * fields mean nothing and are 0. */
static void
a_flow_without_wildcards_is_told(void **state)
{
    (void) state;
#define LINK "in_port=1,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02"
    static const char *const exact[] = {
        "cookie=0x0, tcp," LINK ",nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,tp_src=3,tp_dst=4"
        " actions=output:2",
        "cookie=0x0, " LINK ",dl_type=0x88cc,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,"
        "tp_src=0,tp_dst=0 actions=output:2",
        "cookie=0x0, arp," LINK ",arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,nw_tos=0,tp_src=0,"
        "tp_dst=0 actions=output:2",
        "cookie=0x0, ip," LINK ",nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=47,nw_tos=0,tp_src=0,"
        "tp_dst=0 actions=output:2",
    };
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        struct strbuf out = { 0 };
        parse(exact[i], FLOW_SPEC_ADD);
        assert_true(spec.exact);
        assert_int_equal(field_check_prereqs(&spec.match, NULL), 0);
        flow_spec_print(&out, &spec, FLOW_SPEC_ADD, NULL);
        assert_string_equal(out.text, exact[i]);
        strbuf_fini(&out);
    }
    static const char *const other[] = {
        LINK ",dl_type=0x88cc,actions=1",
        LINK ",tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,tp_src=3,actions=1",
        LINK ",tcp,nw_src=10.0.0.1,nw_dst=10.0.0.0/31,nw_tos=0,tp_src=3,tp_dst=4,actions=1",
        LINK ",tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,tp_src=3,tp_dst=4,nw_frag=no,actions=1",
    };
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        parse(other[i], FLOW_SPEC_ADD);
        assert_false(spec.exact);
    }
}

static void
selections_have_an_out_port_and_no_actions(void **state)
{
    (void) state;
    parse("tcp,out_port=3", FLOW_SPEC_SELECT);
    assert_int_equal(spec.out_port, 3);
    struct strbuf out = { 0 };
    flow_spec_print(&out, &spec, FLOW_SPEC_SELECT, NULL);
    assert_string_equal(out.text, "out_port=3, tcp");
    strbuf_fini(&out);
    parse("udp,cookie=1/-1", FLOW_SPEC_SELECT);
    assert_int_equal(spec.cookie, 1);
    assert_true(spec.cookie_mask == UINT64_MAX);
    parse("cookie=0x10/0xf0,udp", FLOW_SPEC_SELECT);
    flow_spec_print(&out, &spec, FLOW_SPEC_SELECT, NULL);
    assert_string_equal(out.text, "cookie=0x10/0xf0, udp");
    strbuf_fini(&out);
}

static void
what_is_wrong_is_said(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        enum flow_spec_use use;
        const char *says;
    } rows[] = {
        { LINK ",dl_type=0x88cc,nw_src=10.0.0.1,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,tp_src=0,"
          "tp_dst=0,actions=1", FLOW_SPEC_ADD, "nw_src needs ip or arp" },
        { LINK ",dl_type=0x88cc,arp_spa=0.0.0.0,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,tp_src=0,"
          "tp_dst=0,actions=1", FLOW_SPEC_ADD, "arp_spa at 92: needs arp" },
        { LINK ",nw_src=0.0.0.0,actions=1", FLOW_SPEC_ADD, "nw_src at 77: needs ip or arp" },
        { "in_port=1", FLOW_SPEC_ADD, "actions=... is missing" },
        { "in_port=1,actions=1", FLOW_SPEC_SELECT, "actions are out of place here" },
        { "out_port=1,actions=1", FLOW_SPEC_ADD, "out_port at 1: only" },
        { "out_port=x", FLOW_SPEC_SELECT, "out_port at 1: \"x\" is no port" },
        { "priority=65536,actions=1", FLOW_SPEC_ADD, "priority at 1: \"65536\" is not a number" },
        { "in_port=1,priority,actions=1", FLOW_SPEC_ADD, "priority at 11: a value is missing" },
        { "cookie=-1,actions=1", FLOW_SPEC_ADD, "cookie at 1: \"-1\" is not a number" },
        { "table=1,actions=1", FLOW_SPEC_ADD, "table at 1: \"1\" is not a number from 0 to 0" },
        { "send_flow_rem=1,actions=1", FLOW_SPEC_ADD, "send_flow_rem at 1: no such field" },
        { "foo=1,actions=1", FLOW_SPEC_ADD, "foo at 1: no such field" },
        { "nw_src=1.2.3.4,actions=1", FLOW_SPEC_ADD, "nw_src at 1: needs ip or arp" },
        { "cookie=1/2,actions=1", FLOW_SPEC_ADD, "cookie at 1: only what selects" },
        { "cookie=1", FLOW_SPEC_SELECT, "cookie at 1: to select by cookie takes a mask" },
        { "cookie=1/x", FLOW_SPEC_SELECT, "cookie at 1: \"1/x\" is not a number" },
        { "tun_id=5,actions=1", FLOW_SPEC_ADD, "tun_id: a flow can't match it" },
        { "icmp,tp_src=8/0xf,actions=1", FLOW_SPEC_ADD,
          "tp_src: a flow can't match it under this mask" },
        { "actions=1,foo", FLOW_SPEC_ADD, "actions: foo at 3: no such action or port" },
        { "in_port=(1 actions=1", FLOW_SPEC_ADD, "at 1: a parenthesis" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct errmsg err = { "" };
        assert_int_equal(flow_spec_parse(rows[i].text, rows[i].use, NULL, &spec, &err), -EINVAL);
        if (strncmp(err.text, rows[i].says, strlen(rows[i].says))) {
            fail_msg("\"%s\": %s", rows[i].text, err.text);
        }
    }
}

static void
more_actions_than_a_list_holds_are_refused(void **state)
{
    (void) state;
    static char text[4 * ACTION_LIST_MAX];
    size_t n = (size_t) sprintf(text, "actions=");
    for (int i = 0; i < ACTION_LIST_MAX; i++) {
        n += (size_t) sprintf(text + n, "1,");
    }
    parse(text, FLOW_SPEC_ADD);
    assert_int_equal(spec.n_actions, ACTION_LIST_MAX);
    strcpy(text + n, "1");
    struct errmsg err;
    assert_int_equal(flow_spec_parse(text, FLOW_SPEC_ADD, NULL, &spec, &err), -E2BIG);
}

static void
random_flows_survive_text(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 3000; i++) {
        memset(&spec, 0, offsetof(struct flow_spec, actions));
        enum flow_spec_use use = i % 2 ? FLOW_SPEC_ADD : FLOW_SPEC_SELECT;
        random_match(&rng, i % 4 < 2 ? RANDOM_OPENFLOW10 : RANDOM_FLOW, &spec.match);
        if (use == FLOW_SPEC_ADD || i % 3) {
            spec.cookie = random_below(&rng, UINT64_MAX);
        }
        if (use == FLOW_SPEC_SELECT && i % 3) {
            spec.cookie_mask = 1 + random_below(&rng, UINT64_MAX);
            spec.cookie &= spec.cookie_mask;
        }
        spec.priority = random_below(&rng, 3) ? (uint16_t) random_below(&rng, 65536) : 0x8000;
        spec.idle_timeout = (uint16_t) random_below(&rng, 3);
        spec.hard_timeout = (uint16_t) random_below(&rng, 3);
        spec.flags = (uint16_t) random_below(&rng, 8);
        spec.out_port = i % 4 ? PORT_NONE : (uint16_t) random_below(&rng, 65536);
        spec.n_actions = i % 2 ? (uint32_t) random_actions(&rng, spec.actions, 8) : 0;
        spec.out_port = i % 2 ? PORT_NONE : spec.out_port;
        struct strbuf out = { 0 };
        struct errmsg err = { "" };
        flow_spec_print(&out, &spec, use, NULL);
        if (flow_spec_parse(out.text, use, NULL, &again, &err)) {
            fail_msg("\"%s\": %s", out.text, err.text);
        }
        spec.exact = again.exact;   /* a match may by chance have all fields */
        assert_memory_equal(&spec, &again, offsetof(struct flow_spec, actions));
        assert_memory_equal(spec.actions, again.actions, spec.n_actions * sizeof spec.actions[0]);
        strbuf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_line_is_read),
        cmocka_unit_test(what_is_not_given_has_defaults),
        cmocka_unit_test(a_dump_can_be_fed_back),
        cmocka_unit_test(a_flow_without_wildcards_is_told),
        cmocka_unit_test(selections_have_an_out_port_and_no_actions),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(more_actions_than_a_list_holds_are_refused),
        cmocka_unit_test(random_flows_survive_text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
