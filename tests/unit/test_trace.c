/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/flow_text.h"
#include "mgmt/trace.h"
#include "tests/unit/mgmt_world.h"

static int
set_up(void **state)
{
    struct world *world = malloc(sizeof *world);
    world_init(world, "bridge br0\nport p1@1 p2@2 p3@3,no-flood=yes p4@4,down=yes p5@5,"
                      "no-forward=yes p6@6,no-receive=yes,no-packet-in=yes");
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static json_t *
trace(struct world *world, const char *flow)
{
    struct flow_key key;
    struct errmsg err = { "" };
    if (flow_key_parse(flow, NULL, &key, &err)) {
        fail_msg("%s", err.text);
    }
    json_t *result = trace_packet(world_bridge(world, "br0"), &key);
    assert_non_null(result);
    return result;
}

/* Joins the result's output ports: "2 65534". */
static void
join_outputs(const json_t *result, char *text, size_t size)
{
    const json_t *output;
    size_t i, len = 0;
    text[0] = '\0';
    json_array_foreach(json_object_get(result, "outputs"), i, output) {
        len += snprintf(text + len, size - len, "%s%d", i ? " " : "",
                        (int) json_integer_value(json_object_get(output, "port")));
        assert_true(len < size);
    }
}

static bool
has_step(const json_t *result, const char *kind, const char *text)
{
    const json_t *step;
    size_t i;
    json_array_foreach(json_object_get(result, "steps"), i, step) {
        if (!strcmp(json_string_value(json_object_get(step, "step")), kind)
            && strstr(json_string_value(json_object_get(step, "text")), text)) {
            return true;
        }
    }
    return false;
}

static void
expect_outputs(struct world *world, const char *flow, const char *wanted)
{
    char ports[100];
    json_t *result = trace(world, flow);
    join_outputs(result, ports, sizeof ports);
    if (strcmp(ports, wanted)) {
        fail_msg("%s: sent to '%s', not to '%s'", flow, ports, wanted);
    }
    assert_int_equal(json_is_true(json_object_get(result, "dropped")), !wanted[0]);
    json_decref(result);
}

static void
expect_drop(struct world *world, const char *flow, const char *reason)
{
    json_t *result = trace(world, flow);
    const char *given = json_string_value(json_object_get(result, "reason"));
    if (!given || !strstr(given, reason)) {
        fail_msg("%s: '%s' is not '%s'", flow, given ? given : "sent", reason);
    }
    json_decref(result);
}

static void
expect_step(struct world *world, const char *flow, const char *kind, const char *text)
{
    json_t *result = trace(world, flow);
    if (!has_step(result, kind, text)) {
        char *dump = json_dumps(result, JSON_INDENT(1));
        fail_msg("%s: no step %s '%s' in %s", flow, kind, text, dump);
    }
    json_decref(result);
}

static void
the_flow_of_highest_rank_wins(void **state)
{
    struct world *w = *state;
    world_add_flow(w, "br0", "priority=5,in_port=1,actions=output:2", false);
    world_add_flow(w, "br0", "priority=7,ip,actions=output:3", false);
    world_add_flow(w, "br0", "priority=1,actions=drop", false);
    expect_outputs(w, "arp,in_port=1", "2");
    expect_outputs(w, "ip,in_port=1", "3");
    expect_step(w, "ip,in_port=1", "rule", "flow priority=7,ip actions=output:3");
    expect_step(w, "ip,in_port=1", "beats", "beats priority=5,in_port=1 actions=output:2");
    expect_step(w, "ip,in_port=1", "beats", "beats priority=1 actions=drop");
    expect_drop(w, "arp,in_port=2", "the flow has no actions");
    expect_step(w, "tcp,in_port=1,tp_dst=80", "profile", "in_port(1)");
}

static void
a_flow_without_wildcards_comes_first(void **state)
{
    struct world *w = *state;
    const char *exact = "icmp,in_port=1,dl_vlan=0xffff,dl_src=00:00:00:00:00:01,"
                        "dl_dst=00:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,"
                        "icmp_type=8,icmp_code=0";
    char flow[300];
    snprintf(flow, sizeof flow, "priority=1,%s,actions=output:2", exact);
    world_add_flow(w, "br0", flow, true);
    world_add_flow(w, "br0", "priority=65535,actions=output:3", false);
    expect_outputs(w, exact, "2");
    expect_step(w, exact, "exact", "one matches");
    expect_step(w, exact, "beats", "priority=65535 actions=output:3");
    expect_step(w, "icmp,in_port=1", "exact", "none");
    expect_outputs(w, "icmp,in_port=1", "3");
}

static void
actions_change_the_packet_in_order(void **state)
{
    struct world *w = *state;
    world_add_flow(w, "br0", "in_port=1,actions=mod_vlan_vid:5,output:2,mod_nw_dst:10.9.9.9,"
                             "mod_tp_dst:99,strip_vlan,mod_dl_src:02:00:00:00:00:01,output:3",
                   false);
    json_t *result = trace(w, "tcp,in_port=1,nw_dst=10.0.0.1,tp_dst=80");
    json_t *outputs = json_object_get(result, "outputs");
    assert_int_equal(json_array_size(outputs), 2);
    const char *first = json_string_value(json_object_get(json_array_get(outputs, 0), "packet"));
    const char *second = json_string_value(json_object_get(json_array_get(outputs, 1), "packet"));
    assert_non_null(strstr(first, "dl_vlan=5"));
    assert_non_null(strstr(first, "tp_dst=80"));
    assert_null(strstr(second, "dl_vlan=5"));
    assert_non_null(strstr(second, "nw_dst=10.9.9.9"));
    assert_non_null(strstr(second, "tp_dst=99"));
    assert_non_null(strstr(second, "dl_src=02:00:00:00:00:01"));
    json_decref(result);
    expect_step(w, "arp,in_port=1", "packet", "unchanged");
    expect_step(w, "icmp,in_port=1,icmp_type=8", "packet", "unchanged");
}

static void
outputs_are_resolved(void **state)
{
    struct world *w = *state;
    world_add_flow(w, "br0", "dl_type=0x1001,actions=all", false);
    world_add_flow(w, "br0", "dl_type=0x1002,actions=flood", false);
    world_add_flow(w, "br0", "dl_type=0x1003,actions=in_port", false);
    world_add_flow(w, "br0", "dl_type=0x1004,actions=local", false);
    world_add_flow(w, "br0", "dl_type=0x1005,actions=controller:64", false);
    world_add_flow(w, "br0", "dl_type=0x1006,actions=output:2", false);
    world_add_flow(w, "br0", "dl_type=0x1007,actions=output:77", false);
    world_add_flow(w, "br0", "dl_type=0x1008,actions=output:4,output:5,output:2", false);
    world_add_flow(w, "br0", "dl_type=0x1009,actions=output:4", false);
    expect_outputs(w, "in_port=1,dl_type=0x1001", "2 3 6 65534");
    expect_outputs(w, "in_port=1,dl_type=0x1002", "2 6 65534");
    expect_outputs(w, "in_port=1,dl_type=0x1003", "1");
    expect_outputs(w, "in_port=1,dl_type=0x1004", "65534");
    expect_outputs(w, "in_port=1,dl_type=0x1005", "65533");
    expect_outputs(w, "in_port=1,dl_type=0x1006", "2");
    expect_drop(w, "in_port=2,dl_type=0x1006", "only in_port sends it back");
    expect_drop(w, "in_port=1,dl_type=0x1007", "there is no port 77");
    expect_outputs(w, "in_port=1,dl_type=0x1008", "2");
    expect_step(w, "in_port=1,dl_type=0x1008", "drop", "port 4 (p4): it is configured down");
    expect_step(w, "in_port=1,dl_type=0x1008", "drop", "port 5 (p5): it is configured no-forward");
    expect_drop(w, "in_port=1,dl_type=0x1009", "configured down");
}

static void
normal_is_resolved_by_what_was_learnt(void **state)
{
    struct world *w = *state;
    static const uint8_t a[6] = { 2, 0, 0, 0, 0, 1 }, b[6] = { 2, 0, 0, 0, 0, 2 };
    world_add_flow(w, "br0", "actions=normal", false);
    expect_outputs(w, "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02",
                   "2 6 65534");
    world_receive(w, "br0", 2, a, b);
    expect_outputs(w, "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02", "2");
    expect_step(w, "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02", "learn",
                "would learn that 02:00:00:00:00:01, VLAN 0, is behind port 1 (p1)");
    expect_step(w, "in_port=1,dl_src=02:00:00:00:00:02", "learn", "would move");
    expect_drop(w, "in_port=2,dl_dst=02:00:00:00:00:02", "which it came in by");
    /* Another VLAN, a group address, a reserved one. */
    expect_outputs(w, "in_port=1,dl_vlan=5,dl_dst=02:00:00:00:00:02", "2 6 65534");
    expect_outputs(w, "in_port=2,dl_dst=ff:ff:ff:ff:ff:ff", "1 6 65534");
    expect_drop(w, "in_port=2,dl_dst=01:80:c2:00:00:0e", "802.1D");
    /* The trace itself has learnt nothing. */
    struct fdb_stats stats;
    fdb_get_stats(dp_bridge_fdb(agent_bridge(world_bridge(w, "br0")->agent)), &stats);
    assert_int_equal(stats.entries, 1);
}

static void
ingress_ports_and_misses_drop(void **state)
{
    struct world *w = *state;
    struct dp_bridge *bridge = agent_bridge(world_bridge(w, "br0")->agent);
    expect_drop(w, "in_port=4", "port 4 (p4) is configured down");
    expect_drop(w, "in_port=6", "configured no-receive");
    expect_drop(w, "in_port=1", "the fail mode is secure");
    dp_bridge_set_miss_mode(bridge, DP_MISS_CONTROLLER);
    expect_outputs(w, "in_port=1", "65533");
    expect_drop(w, "in_port=6,dl_dst=01:80:c2:00:00:00", "no-packet-in");
    dp_bridge_set_miss_mode(bridge, DP_MISS_NORMAL);
    expect_outputs(w, "in_port=1", "2 6 65534");
    expect_step(w, "in_port=99", "ingress", "port 99, which does not exist");
}

static void
fragments_drop_in_that_mode(void **state)
{
    struct world *w = *state;
    struct dp_bridge *bridge = agent_bridge(world_bridge(w, "br0")->agent);
    world_add_flow(w, "br0", "actions=output:2", false);
    expect_outputs(w, "ip,in_port=1,nw_frag=first", "2");
    dp_bridge_set_drop_fragments(bridge, true);
    expect_drop(w, "ip,in_port=1,nw_frag=first", "fragment mode is DROP");
    expect_drop(w, "ip,in_port=1,nw_frag=later", "fragment mode is DROP");
    expect_outputs(w, "ip,in_port=1", "2");
}

static void
spanning_tree_holds_back_flood_and_normal(void **state)
{
    struct world *w = *state;
    struct errmsg err;
    struct dp_bridge *bridge = agent_bridge(world_bridge(w, "br0")->agent);
    dp_bridge_set_config(bridge, &(struct dp_bridge_config) {
        .fdb_max = 64, .fdb_age_s = 300, .stp = true });
    dp_port_set_stp_state(bridge, 1, PORT_STP_FORWARD, &err);
    dp_port_set_stp_state(bridge, 2, PORT_STP_FORWARD, &err);
    world_add_flow(w, "br0", "dl_type=0x1001,actions=all", false);
    world_add_flow(w, "br0", "dl_type=0x1002,actions=flood", false);
    world_add_flow(w, "br0", "dl_type=0x1003,actions=normal", false);
    expect_outputs(w, "in_port=1,dl_type=0x1001", "2 3 6 65534");
    expect_outputs(w, "in_port=1,dl_type=0x1002", "2 65534");
    expect_outputs(w, "in_port=1,dl_type=0x1003", "2 65534");
    expect_step(w, "in_port=1,dl_type=0x1002", "output", "p6): its spanning tree state is listen");
    expect_outputs(w, "in_port=3,dl_type=0x1002", "1 2 65534");
    expect_drop(w, "in_port=3,dl_type=0x1003", "NORMAL takes nothing from port 3 (p3)");
}

static void
actions_of_nicira_are_told(void **state)
{
    struct world *w = *state;
    world_add_flow(w, "br0", "priority=9,ip,actions=dec_ttl,dec_ttl(3,4),output:2", false);
    world_add_flow(w, "br0", "priority=8,actions=dec_ttl,controller(id=7,reason=no_match,max_len=9)",
                   false);
    expect_step(w, "ip,in_port=1", "packet", "controllers of id 0 that asked");
    expect_step(w, "ip,in_port=1", "packet", "controllers of ids 3, 4 that asked");
    expect_outputs(w, "ip,in_port=1", "2");
    expect_step(w, "arp,in_port=1", "packet", "the packet has no TTL");
    expect_step(w, "arp,in_port=1", "output", "id 7, the first 9 bytes, with reason 0 no_match");
    expect_outputs(w, "arp,in_port=1", "65533");
}

static void
nothing_is_counted(void **state)
{
    struct world *w = *state;
    uint64_t before[N_COUNTERS];
    struct dp_bridge *bridge = agent_bridge(world_bridge(w, "br0")->agent);
    world_add_flow(w, "br0", "in_port=1,actions=output:77,output:4,normal", false);
    for (int i = 0; i < N_COUNTERS; i++) {
        before[i] = counter_read(i);
    }
    json_decref(trace(w, "in_port=1"));
    json_decref(trace(w, "in_port=2"));
    json_decref(trace(w, "in_port=4"));
    for (int i = 0; i < N_COUNTERS; i++) {
        assert_true(counter_read(i) == before[i]);
    }
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(bridge, &stats);
    assert_true(!stats.lookups && !stats.hits && !stats.misses && !stats.cache.entries);
}

/* What the trace says is what the datapath does. */
static void
the_datapath_agrees(void **state)
{
    struct world *w = *state;
    static const uint8_t a[6] = { 2, 0, 0, 0, 0, 1 }, b[6] = { 2, 0, 0, 0, 0, 2 };
    static const char *const actions[] = { "normal", "flood", "all", "in_port", "local",
                                           "output:2,output:4,output:5", "output:1", "drop" };
    struct dp_bridge *bridge = agent_bridge(world_bridge(w, "br0")->agent);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        char flow[100], traced[100], sent[100] = "";
        size_t len = 0;
        snprintf(flow, sizeof flow, "actions=%s", actions[i]);
        world_add_flow(w, "br0", flow, false);
        json_t *result = trace(w, "in_port=1,dl_type=0x88b5,dl_src=02:00:00:00:00:02,"
                                  "dl_dst=02:00:00:00:00:01");
        join_outputs(result, traced, sizeof traced);
        json_decref(result);
        world_receive(w, "br0", 1, a, b);
        static const uint16_t ports[] = { 1, 2, 3, 4, 5, 6, PORT_LOCAL };
        for (size_t p = 0; p < sizeof ports / sizeof ports[0]; p++) {
            uint8_t frame[100];
            while (pktio_memory_take(dp_port_pktio(bridge, ports[p]), frame, sizeof frame)) {
                len += snprintf(sent + len, sizeof sent - len, "%s%u", len ? " " : "", ports[p]);
            }
        }
        if (strcmp(traced, sent)) {
            fail_msg("%s: traced to '%s', sent to '%s'", actions[i], traced, sent);
        }
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_flow_of_highest_rank_wins),
        TEST(a_flow_without_wildcards_comes_first),
        TEST(actions_change_the_packet_in_order),
        TEST(outputs_are_resolved),
        TEST(normal_is_resolved_by_what_was_learnt),
        TEST(ingress_ports_and_misses_drop),
        TEST(fragments_drop_in_that_mode),
        TEST(spanning_tree_holds_back_flood_and_normal),
        TEST(actions_of_nicira_are_told),
        TEST(nothing_is_counted),
        TEST(the_datapath_agrees),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
