/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/flow_text.h"
#include "tests/unit/random_flow.h"
#include "turnout/port.h"

enum { MAX = 16 };

static void
expect(const char *text, const char *printed)
{
    struct action actions[MAX];
    struct errmsg err = { "" };
    struct strbuf out = { 0 };
    int n = flow_actions_parse(text, NULL, actions, MAX, &err);
    if (n < 0) {
        fail_msg("\"%s\": %s", text, err.text);
    }
    flow_actions_print(&out, actions, (size_t) n, NULL);
    assert_string_equal(strbuf_text(&out), printed);
    strbuf_fini(&out);
}

/* What ovs-ofctl 3.1 prints for the same text. */
static void
actions_are_printed_as_ovs_ofctl_does(void **state)
{
    (void) state;
    static const struct { const char *text, *printed; } rows[] = {
        { "", "drop" },
        { "drop", "drop" },
        { "2", "output:2" },
        { "output:2", "output:2" },
        { "output=2", "output:2" },
        { "output(2)", "output:2" },
        { "output:NORMAL", "NORMAL" },
        { "all,flood,local,in_port,normal,table", "ALL,FLOOD,LOCAL,IN_PORT,NORMAL,TABLE" },
        { "65528", "IN_PORT" },
        { "controller", "CONTROLLER:65535" },
        { "output:CONTROLLER", "CONTROLLER:65535" },
        { "controller:65", "CONTROLLER:65" },
        { "controller(max_len=100)", "CONTROLLER:100" },
        { "controller()", "CONTROLLER:65535" },
        { "controller(reason=action,id=0,max_len=9)", "CONTROLLER:9" },
        { "controller(id=3)", "controller(id=3)" },
        { "controller(id=7,reason=no_match,max_len=9)",
          "controller(reason=no_match,max_len=9,id=7)" },
        { "CONTROLLER(reason=invalid_ttl)", "controller(reason=invalid_ttl)" },
        { "set_queue:7,1,set_queue(4294967295),pop_queue", "set_queue:7,output:1,"
          "set_queue:4294967295,pop_queue" },
        { "dec_ttl", "dec_ttl" },
        { "dec_ttl()", "dec_ttl" },
        { "dec_ttl(1,2)", "dec_ttl(1,2)" },
        { "dec_ttl:4,dec_ttl(0),dec_ttl(1 65535 3)", "dec_ttl(4),dec_ttl(0),dec_ttl(1,65535,3)" },
        { "strip_vlan 2", "strip_vlan,output:2" },
        { "pop_vlan", "strip_vlan" },
        { "set_vlan_vid:5,set_vlan_pcp:3", "mod_vlan_vid:5,mod_vlan_pcp:3" },
        { "mod_dl_src:0:11:22:33:44:55,mod_dl_dst=00:11:22:33:44:66",
          "mod_dl_src:00:11:22:33:44:55,mod_dl_dst:00:11:22:33:44:66" },
        { "mod_nw_src:1.2.3.4,mod_nw_dst:5.6.7.8", "mod_nw_src:1.2.3.4,mod_nw_dst:5.6.7.8" },
        { "mod_nw_tos:32,mod_tp_src:1,mod_tp_dst:65535",
          "mod_nw_tos:32,mod_tp_src:1,mod_tp_dst:65535" },
        { "enqueue:1:2,enqueue(3,4),enqueue:LOCAL:4294967295",
          "enqueue:1:2,enqueue:3:4,enqueue:LOCAL:4294967295" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(rows[i].text, rows[i].printed);
        expect(rows[i].printed, rows[i].printed);
    }
}

static void
wrong_actions_are_refused(void **state)
{
    (void) state;
    static const struct { const char *text, *says; } rows[] = {
        { "foo", "foo at 1: no such action or port" },
        { "1,foo:2", "foo at 3: no such action" },
        { "drop,1", "drop stands alone" },
        { "1,drop", "drop stands alone" },
        { "drop,drop", "drop stands alone" },
        { "output", "output at 1: an argument is missing" },
        { "output:", "output at 1: \"\" is no port" },
        { "output:2:3", "output at 1: \"2:3\" is no port" },
        { "0", "0 at 1: 0 is no port to send to" },
        { "65280", "65280 at 1: 65280 is no port to send to" },
        { "output:65527", "output at 1: 65527 is no port to send to" },
        { "none", "none at 1: 65535 is no port to send to" },
        { "controller:65536", "controller at 1: \"65536\" is not a number" },
        { "controller(reason=32)", "controller at 1: \"32\" is no reason" },
        { "controller(reason=foo)", "controller at 1: \"foo\" is no reason" },
        { "controller(id=65536)", "controller at 1: \"65536\" is not a number" },
        { "controller(max_len=-1)", "controller at 1: \"-1\" is not a number" },
        { "controller(foo=1)", "controller at 1: \"foo\" is no part of it" },
        { "controller(id=)", "controller at 1: \"\" is not a number" },
        { "set_queue:4294967296", "set_queue at 1: \"4294967296\" is not a number" },
        { "set_queue", "set_queue at 1: an argument is missing" },
        { "pop_queue:1", "pop_queue at 1: takes no argument" },
        { "dec_ttl(65536)", "dec_ttl at 1: \"65536\" is not a number" },
        { "dec_ttl(1,2,3,4)", "dec_ttl at 1: more than 3 controller ids" },
        { "dec_ttl(a=1)", "dec_ttl at 1: \"\" is not a number" },
        { "normal:1", "normal at 1: no such action" },
        { "enqueue:1", "enqueue at 1: \"1\" is not PORT:QUEUE" },
        { "enqueue::1", "enqueue at 1: \":1\" is not PORT:QUEUE" },
        { "enqueue:1:", "enqueue at 1: \"\" is not a number" },
        { "enqueue:NORMAL:1", "enqueue at 1: NORMAL has no queues" },
        { "enqueue:1:4294967296", "enqueue at 1: \"4294967296\" is not a number" },
        { "strip_vlan:1", "strip_vlan at 1: takes no argument" },
        { "mod_vlan_vid:4096", "mod_vlan_vid at 1: \"4096\" is not a number from 0 to 4095" },
        { "mod_vlan_pcp:8", "mod_vlan_pcp at 1: \"8\" is not a number from 0 to 7" },
        { "mod_nw_tos:33", "mod_nw_tos at 1: 33 has ECN bits" },
        { "mod_nw_tos:256", "mod_nw_tos at 1: \"256\" is not a number" },
        { "mod_tp_src:65536", "mod_tp_src at 1: \"65536\" is not a number" },
        { "mod_dl_src:1:2", "mod_dl_src at 1: \"1:2\" is not an Ethernet address" },
        { "mod_nw_dst:1.2", "mod_nw_dst at 1: \"1.2\" is not an IPv4 address" },
        { "output(2", "at 1: a parenthesis or quote is not closed" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct action actions[MAX];
        struct errmsg err = { "" };
        assert_int_equal(flow_actions_parse(rows[i].text, NULL, actions, MAX, &err), -EINVAL);
        if (strncmp(err.text, rows[i].says, strlen(rows[i].says))) {
            fail_msg("\"%s\": %s", rows[i].text, err.text);
        }
        assert_int_equal(flow_actions_parse(rows[i].text, NULL, actions, MAX, NULL), -EINVAL);
    }
}

static void
too_many_are_refused(void **state)
{
    (void) state;
    struct action actions[2];
    struct errmsg err;
    assert_int_equal(flow_actions_parse("1,2", NULL, actions, 2, &err), 2);
    assert_int_equal(flow_actions_parse("1,2,3", NULL, actions, 2, &err), -E2BIG);
    assert_string_equal(err.text, "more than 2 actions");
    assert_int_equal(flow_actions_parse("drop", NULL, NULL, 0, &err), 0);
}

static const char *
name_of(void *aux, uint16_t port_no)
{
    (void) aux;
    return port_no == 1 ? "s1-eth1" : port_no == 2 ? "veth-b" : NULL;
}

static uint16_t
number_of(void *aux, const char *name)
{
    (void) aux;
    return !strcmp(name, "s1-eth1") ? 1 : !strcmp(name, "veth-b") ? 2 : 0;
}

static void
ports_may_have_names(void **state)
{
    (void) state;
    const struct flow_text_ports ports = { name_of, number_of, NULL };
    struct action actions[MAX];
    struct strbuf out = { 0 };
    int n = flow_actions_parse("s1-eth1,veth-b,output:\"s1-eth1\",enqueue:veth-b:7,"
                               "enqueue(\"s1-eth1\",8),3", &ports, actions, MAX, NULL);
    assert_int_equal(n, 6);
    flow_actions_print(&out, actions, 6, &ports);
    assert_string_equal(out.text, "output:\"s1-eth1\",output:veth-b,output:\"s1-eth1\","
                        "enqueue:veth-b:7,enqueue:\"s1-eth1\":8,output:3");
    struct action again[MAX];
    assert_int_equal(flow_actions_parse(out.text, &ports, again, MAX, NULL), 6);
    assert_memory_equal(actions, again, 6 * sizeof actions[0]);
    strbuf_fini(&out);
}

/* All bytes, padding included: lists are compared with memcmp. */
static void
random_actions_survive_text(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 5000; i++) {
        struct action actions[MAX], again[MAX];
        struct strbuf out = { 0 };
        memset(again, 0xa5, sizeof again);
        size_t n = random_actions(&rng, actions, MAX);
        flow_actions_print(&out, actions, n, NULL);
        assert_int_equal(flow_actions_parse(out.text, NULL, again, MAX, NULL), n);
        assert_memory_equal(actions, again, n * sizeof actions[0]);
        strbuf_fini(&out);
    }
}

static void
an_unknown_type_is_printed_as_such(void **state)
{
    (void) state;
    struct action action;
    memset(&action, 0, sizeof action);
    action.type = 200;
    struct strbuf out = { 0 };
    flow_actions_print(&out, &action, 1, NULL);
    assert_string_equal(out.text, "unknown(200)");
    strbuf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_are_printed_as_ovs_ofctl_does),
        cmocka_unit_test(wrong_actions_are_refused),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(ports_may_have_names),
        cmocka_unit_test(random_actions_survive_text),
        cmocka_unit_test(an_unknown_type_is_printed_as_such),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
