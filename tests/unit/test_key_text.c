/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "mgmt/key_text.h"

enum { MAX_ACTIONS = 16 };

/* What 'actions' (ovs-ofctl's syntax) on the packet 'flow' look like in ovs-dpctl's. */
static void
expect_actions(const char *flow, const char *actions, const char *wanted)
{
    struct action_list *list = calloc(1, sizeof *list + MAX_ACTIONS * sizeof list->actions[0]);
    struct flow_key key;
    struct strbuf text = { 0 };
    assert_int_equal(flow_key_parse(flow, NULL, &key, NULL), 0);
    int n = flow_actions_parse(actions, NULL, list->actions, MAX_ACTIONS, NULL);
    assert_true(n >= 0);
    list->len = (uint32_t) n;
    key_print_actions(&text, list, &key);
    assert_string_equal(strbuf_text(&text), wanted);
    strbuf_fini(&text);
    free(list);
}

static void
actions_are_shown_as_dpctl_does(void **state)
{
    (void) state;
    expect_actions("ip", "drop", "drop");
    expect_actions("ip", "output:2,output:3", "2,3");
    expect_actions("ip", "normal", "normal");
    expect_actions("ip", "flood", "flood");
    expect_actions("ip", "all", "all");
    expect_actions("ip", "in_port", "in_port");
    expect_actions("ip", "local", "65534");
    expect_actions("ip", "controller:77", "controller(max_len=77)");
    expect_actions("ip", "enqueue:2:5", "set_queue(5),2");
    expect_actions("ip", "mod_dl_src:02:00:00:00:00:01,output:1",
                   "set(eth(src=02:00:00:00:00:01)),1");
    expect_actions("ip", "mod_nw_dst:10.0.0.1,mod_nw_tos:32,output:1",
                   "set(ipv4(dst=10.0.0.1)),set(ipv4(tos=0x20)),1");
    expect_actions("tcp", "mod_tp_dst:80,output:1", "set(tcp(dst=80)),1");
    expect_actions("udp", "mod_tp_src:53,output:1", "set(udp(src=53)),1");
}

static void
what_a_packet_lacks_is_left_out(void **state)
{
    (void) state;
    expect_actions("arp", "mod_nw_dst:10.0.0.1,mod_nw_tos:32,mod_tp_dst:80,output:1", "1");
    expect_actions("icmp", "mod_tp_dst:80,output:1", "1");
    expect_actions("ip", "strip_vlan,output:1", "1");
    expect_actions("arp", "mod_nw_dst:10.0.0.1", "drop");
}

static void
tags_follow_the_packet(void **state)
{
    (void) state;
    expect_actions("ip", "mod_vlan_vid:5,output:1", "push_vlan(vid=5,pcp=0),1");
    expect_actions("ip", "mod_vlan_pcp:3,output:1", "push_vlan(vid=0,pcp=3),1");
    expect_actions("ip,dl_vlan=7", "mod_vlan_vid:5,output:1", "set(vlan(vid=5)),1");
    expect_actions("ip", "mod_vlan_vid:5,mod_vlan_pcp:3,output:1,strip_vlan,output:2,strip_vlan",
                   "push_vlan(vid=5,pcp=0),set(vlan(pcp=3)),1,pop_vlan,2");
}

static void
a_rewritten_key_is_that_of_the_packet(void **state)
{
    (void) state;
    static const struct {
        const char *before, *action, *after;
    } rows[] = {
        { "ip", "mod_vlan_vid:5", "ip,dl_vlan=5,dl_vlan_pcp=0" },
        { "ip,dl_vlan=7,dl_vlan_pcp=2", "mod_vlan_vid:5", "ip,dl_vlan=5,dl_vlan_pcp=2" },
        { "ip,dl_vlan=7", "mod_vlan_pcp:6", "ip,dl_vlan=7,dl_vlan_pcp=6" },
        { "ip,dl_vlan=7", "strip_vlan", "ip" },
        { "tcp,nw_src=1.2.3.4", "mod_nw_src:5.6.7.8", "tcp,nw_src=5.6.7.8" },
        { "tcp,tp_src=1", "mod_tp_src:2", "tcp,tp_src=2" },
        { "icmp,icmp_type=8", "mod_tp_src:2", "icmp,icmp_type=8" },
        { "arp,nw_src=1.2.3.4", "mod_nw_src:5.6.7.8", "arp,nw_src=1.2.3.4" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct flow_key before, after;
        struct action action;
        assert_int_equal(flow_key_parse(rows[i].before, NULL, &before, NULL), 0);
        assert_int_equal(flow_key_parse(rows[i].after, NULL, &after, NULL), 0);
        assert_int_equal(flow_actions_parse(rows[i].action, NULL, &action, 1, NULL), 1);
        key_rewrite(&before, &action);
        if (!flow_key_equal(&before, &after)) {
            fail_msg("%s %s is not %s", rows[i].before, rows[i].action, rows[i].after);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_are_shown_as_dpctl_does),
        cmocka_unit_test(what_a_packet_lacks_is_left_out),
        cmocka_unit_test(tags_follow_the_packet),
        cmocka_unit_test(a_rewritten_key_is_that_of_the_packet),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
