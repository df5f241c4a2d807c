/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath with the simulated ASIC in front of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/epoch.h"
#include "tests/unit/offload_rig.h"

/* --- tests ------------------------------------------------------------------------------- */

static void
a_busy_flow_moves_to_hardware(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim");
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_sent(&f, 2), 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    uint64_t before = rig_n_in_software(&f);
    rig_send_udp(&f, 1, 80, 100);
    assert_int_equal(rig_n_sent(&f, 2), 100);
    assert_int_equal(rig_n_in_software(&f), before);
    /* The rule's mask decides: another port number is the same entry. */
    rig_send_udp(&f, 1, 81, 10);
    assert_int_equal(rig_n_sent(&f, 2), 10);
    assert_int_equal(rig_n_in_software(&f), before);
    for (unsigned i = 0; i < 10; i++) {
        rig_now_ns += 50000000;
        rig_settle(&f);
    }
    assert_int_equal(rig_packets_of(rule), 150);
    rig_remove_rule(&f, rule);
    assert_int_equal(rig_n_in_hardware(&f), 0);
    rig_send_udp(&f, 1, 80, 3);
    assert_int_equal(f.n_packet_ins, 3);
    rig_end(&f);
}

static void
a_rule_above_takes_its_part_before_the_barrier(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:latency-us=5000");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    struct rule *above = rig_add_rule(&f, &narrow, 6, 3);
    rig_barrier(&f);
    rig_n_sent(&f, 2);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_sent(&f, 3), 5);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    rig_now_ns += UINT64_C(200000000);     /* a flow is offered again after a while only */
    rig_send_udp(&f, 1, 81, 40);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 2);
    rig_remove_rule(&f, above);
    rig_n_sent(&f, 2);
    rig_n_sent(&f, 3);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_sent(&f, 2), 5);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

static void
changed_actions_hold_after_the_barrier(const char *driver)
{
    struct rig f;
    rig_begin(&f, driver);
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    for (uint16_t port = 3; port <= 4; port++) {
        rig_set_output(&f, rule, port);
        rig_barrier(&f);
        rig_n_sent(&f, port);
        rig_send_udp(&f, 1, 80, 7);
        assert_int_equal(rig_n_sent(&f, port), 7);
    }
    for (unsigned i = 0; i < 4; i++) {
        rig_now_ns += 50000000;
        rig_settle(&f);
    }
    assert_int_equal(rig_packets_of(rule), 54);
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

static void
actions_change_in_place(void **state)
{
    (void) state;
    changed_actions_hold_after_the_barrier("sim");
}

static void
actions_change_by_removal(void **state)
{
    (void) state;
    changed_actions_hold_after_the_barrier("sim:changes=no,latency-us=3000");
}

static void
ports_stop_hardware_at_once(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:latency-us=2000");
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, PORT_FLOOD);
    dp_port_set_config(f.bridge, PORT_LOCAL, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    dp_port_set_config(f.bridge, 3, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    rig_barrier(&f);
    for (uint16_t port = 2; port <= 4; port++) {
        rig_n_sent(&f, port);
    }
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_sent(&f, 2), 40);
    assert_int_equal(rig_n_sent(&f, 3), 0);
    assert_int_equal(rig_n_sent(&f, 4), 40);
    /* The ingress: nothing is received. */
    assert_int_equal(rig_n_in_hardware(&f), 1);
    dp_port_set_config(f.bridge, 1, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
    rig_send_udp(&f, 1, 80, 4);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    assert_int_equal(rig_n_in_hardware(&f), 0);
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

static void
dropped_fragments_are_not_for_hardware(void **state)
{
    (void) state;
    struct rig f;
    struct hal_verdict verdict;
    rig_begin(&f, "sim");
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    struct flow_key key = match.value;
    key.nw_frag = FLOW_FRAG_ANY;
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, 0);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    dp_bridge_set_drop_fragments(f.bridge, true);
    rig_barrier(&f);
    assert_int_equal(rig_n_in_hardware(&f), 0);
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_FRAGMENT);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

static void
what_does_not_fit_stays_in_software(void **state)
{
    (void) state;
    struct rig f;
    struct hal_verdict verdict;
    rig_begin(&f, "sim:without=output");
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    rig_send_udp(&f, 1, 80, 60);
    assert_int_equal(rig_n_sent(&f, 2), 60);
    assert_int_equal(rig_n_in_hardware(&f), 0);
    struct flow_key key = match.value;
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_ACTION_UNSUPPORTED);
    assert_int_equal(verdict.action, ACTION_OUTPUT);
    rig_set_output(&f, rule, PORT_CONTROLLER);
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_ACTION_UNSUPPORTED);
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

/* All that OpenFlow 1.0 knows of rig_send_udp()'s packets to port 80. */
static struct flow_match
exact_udp(void)
{
    return (struct flow_match) {
        .mask.bits = {
            .in_port = 0xffff, .dl_dst = { 255, 255, 255, 255, 255, 255 },
            .dl_src = { 255, 255, 255, 255, 255, 255 }, .vlan_tci.raw = 0xffff,
            .dl_type.raw = 0xffff, .nw_proto = 0xff, .nw_tos = 0xfc, .tp_src.raw = 0xffff,
            .tp_dst.raw = 0xffff, .nw_src.ip4.raw = UINT32_MAX, .nw_dst.ip4.raw = UINT32_MAX,
        },
        .value = {
            .in_port = 1, .dl_dst = { 2, 0, 0, 0, 0, 2 }, .dl_src = { 2, 0, 0, 0, 0, 1 },
            .dl_type.raw = htobe16(0x0800), .nw_proto = 17, .tp_src.raw = htobe16(7),
            .tp_dst.raw = htobe16(80), .nw_src.ip4.raw = htobe32(0x0a000001),
            .nw_dst.ip4.raw = htobe32(0x0a000002),
        },
    };
}

/* Fragments have a rule's ports, too, if they are the first: dropped ones are no one's. */
static void
exact_rules_say_whether_fragments_count(void **state)
{
    (void) state;
    struct rig f;
    struct hal_entry_info entry;
    rig_begin(&f, "sim");
    struct flow_match exact = exact_udp();
    struct rule *rule = rig_add_rule(&f, &exact, RULE_RANK_EXACT, 3);
    struct flow_key fragment = exact.value;
    fragment.nw_frag = FLOW_FRAG_ANY;
    rig_settle(&f);
    assert_true(hal_find(dp_bridge_hal(f.bridge), &fragment, &entry));
    dp_bridge_set_drop_fragments(f.bridge, true);
    rig_barrier(&f);
    assert_false(hal_find(dp_bridge_hal(f.bridge), &fragment, &entry));
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    assert_true(hal_find(dp_bridge_hal(f.bridge), &exact.value, &entry));
    assert_false(hal_find(dp_bridge_hal(f.bridge), &fragment, &entry));
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

/* A rule without wildcards is placed without traffic, and takes its packets out of a wider
 * entry. */
static void
exact_rules_are_placed_at_once(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim");
    struct flow_match wide = rig_udp_to(0), exact = exact_udp();
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    struct rule *above = rig_add_rule(&f, &exact, RULE_RANK_EXACT, 3);
    rig_barrier(&f);
    rig_n_sent(&f, 2);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_sent(&f, 3), 5);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    rig_send_udp(&f, 1, 81, 5);
    assert_int_equal(rig_n_sent(&f, 2), 5);
    rig_remove_rule(&f, above);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

/* What stood in the way when it was added has gone: traffic, however little, tells. */
static void
exact_rules_are_placed_when_they_can_be(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim");
    struct flow_match exact = exact_udp();
    dp_port_set_config(f.bridge, 3, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
    struct rule *rule = rig_add_rule(&f, &exact, RULE_RANK_EXACT, 3);
    assert_int_equal(rig_n_in_hardware(&f), 0);
    dp_port_set_config(f.bridge, 3, 0, PORT_CONFIG_DOWN);
    rig_barrier(&f);
    for (unsigned i = 0; i < 33; i++) {
        rig_send_udp(&f, 1, 80, 1);
        rig_now_ns += UINT64_C(500000000);      /* 2 packets/s */
    }
    assert_int_equal(rig_n_in_hardware(&f), 1);
    rig_remove_rule(&f, rule);
    rig_end(&f);
}

/* Whatever the lag: all that was forwarded until the time that the HAL tells is counted, and
 * that time goes on. */
static void
counts_are_complete_until(const char *driver, uint64_t lag_ms)
{
    struct rig f;
    enum { STEPS = 600 };
    uint64_t sent_ms[STEPS], n_sent[STEPS];
    rig_begin(&f, driver);
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    uint64_t total = 40;
    for (unsigned i = 0; i < STEPS; i++) {
        sent_ms[i] = rig_now_ns / 1000000;
        n_sent[i] = total += i % 3;
        rig_send_udp(&f, 1, 80, i % 3);
        rig_settle(&f);
        uint64_t until = hal_counted_until(dp_bridge_hal(f.bridge));
        assert_in_range(rig_now_ns / 1000000 - until, 0, i < 10 ? UINT64_MAX : lag_ms + 200);
        for (unsigned k = 0; k <= i && sent_ms[k] < until; k++) {
            assert_true(rig_packets_of(rule) >= n_sent[k]);
        }
    }
    rig_remove_rule(&f, rule);
    assert_in_range(rig_now_ns / 1000000 - hal_counted_until(dp_bridge_hal(f.bridge)), 0,
                    lag_ms + 200);
    rig_end(&f);
}

static void
counters_tell_how_late_they_are(void **state)
{
    (void) state;
    counts_are_complete_until("sim", 0);
    counts_are_complete_until("sim:lag-ms=300", 300);
    counts_are_complete_until("sim:lag-ms=3000", 3000);
}

/* An entry for port 80 comes while a batch is half through: what else of port 80 is in the batch
 * stays behind its first packet, which missed. */
struct half_through {
    struct hal_packet_out out;
    struct rig *rig;
    struct flow_key key;
    unsigned n;
};

static void
half_through(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    struct half_through *h = (struct half_through *) out;
    assert_int_equal(list->len, 1);
    assert_int_equal(packet->key->tp_dst.raw, htobe16(81));
    h->n++;
    hal_offer(dp_bridge_hal(h->rig->bridge), &h->key, 1000, NULL);
    hal_step(h->rig->hal);
}

static void
a_batch_keeps_its_order(void **state)
{
    (void) state;
    struct rig f;
    uint8_t frame[RIG_FRAME_SIZE] = { 0 };
    rig_begin(&f, "sim");
    struct flow_match match[2] = { rig_udp_to(80), rig_udp_to(81) };
    struct rule *rules[2] = { rig_add_rule(&f, &match[0], 5, 2), rig_add_rule(&f, &match[1], 5, 2) };
    hal_offer(dp_bridge_hal(f.bridge), &match[1].value, 1000, NULL);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    struct half_through h = { { .execute = half_through }, &f, match[0].value, 0 };
    static const unsigned order[6] = { 0, 1, 0, 1, 0, 0 };
    for (unsigned batch = 0; batch < 2; batch++) {
        struct hal_packet packets[6];
        bool miss[6] = { false };
        for (unsigned i = 0; i < 6; i++) {
            packets[i] = (struct hal_packet) { frame, sizeof frame, 1, sizeof frame,
                                               &match[batch ? 1 : order[i]].value, frame };
        }
        hal_process(f.device, 1, packets, 6, miss, &h.out);
        for (unsigned i = 0; i < 6; i++) {
            assert_int_equal(miss[i], !batch && !order[i]);
        }
    }
    assert_int_equal(h.n, 8);
    assert_int_equal(rig_n_in_hardware(&f), 2);
    rig_remove_rule(&f, rules[0]);
    rig_remove_rule(&f, rules[1]);
    rig_end(&f);
}

/* A driver that is not in the packet path: it tells what its ports did, here by itself. */
static struct hal_port_counters port_5;
static int port_5_error;

static int
port_stats(void *device, uint16_t port, struct hal_port_counters *out)
{
    assert_non_null(device);
    assert_int_equal(port, 5);
    *out = port_5;
    return port_5_error;
}

static void
ports_count_what_devices_forwarded(void **state)
{
    (void) state;
    struct rig f;
    struct errmsg err;
    char error[HAL_ERROR_SIZE];
    struct hal_device *device;
    struct port_counters counters;
    uint16_t no;
    rig_begin(&f, "sim");
    struct hal_driver apart = *hal_find_driver(f.hal, "sim");
    apart.name = "apart";
    apart.process = NULL;
    apart.port_stats = port_stats;
    assert_int_equal(hal_add_driver(f.hal, &apart, error), 0);
    assert_int_equal(hal_device_open(f.hal, "apart", &device, error), 0);
    assert_int_equal(dp_port_add(f.bridge, "m5", 5, PKTIO_MEMORY, &no, &err), 0);
    assert_int_equal(dp_port_set_device(f.bridge, 5, device, &err), 0);
    rig_send_udp(&f, 5, 80, 3);
    for (unsigned i = 0; i < 3; i++) {
        /* The second does not count, nor does what goes back. */
        port_5 = (struct hal_port_counters) { 10 + i, 1000 + i, i == 2 ? 3 : 20, 2000 + i };
        port_5_error = i == 1 ? -EIO : 0;
        rig_now_ns += UINT64_C(100000000);
        rig_settle(&f);
        assert_true(dp_port_get_counters(f.bridge, 5, &counters));
        unsigned n = i == 2 ? 2 : 0;
        assert_int_equal(counters.rx_packets, 3 + 10 + n);
        assert_int_equal(counters.rx_bytes, 3 * RIG_FRAME_SIZE + 1000 + n);
        assert_int_equal(counters.tx_packets, 20);
        assert_int_equal(counters.tx_bytes, 2000 + n);
    }
    assert_true(dp_port_get_counters(f.bridge, 1, &counters));
    assert_int_equal(counters.rx_packets, 0);
    /* A port that comes back begins anew. */
    assert_int_equal(dp_port_del(f.bridge, 5, &err), 0);
    port_5 = (struct hal_port_counters) { 1, 1, 1, 1 };
    assert_int_equal(dp_port_add(f.bridge, "m5", 5, PKTIO_MEMORY, &no, &err), 0);
    assert_int_equal(dp_port_set_device(f.bridge, 5, device, &err), 0);
    rig_now_ns += UINT64_C(100000000);
    rig_settle(&f);
    assert_true(dp_port_get_counters(f.bridge, 5, &counters));
    assert_int_equal(counters.rx_packets, 1);
    rig_end(&f);
}

/* In-band control's traffic is LOCAL's, also where an entry of hardware would have taken it. */
static void
hidden_rules_come_before_hardware(void **state)
{
    (void) state;
    static const uint8_t local[6] = { 2, 0, 0, 0, 0, 2 };
    struct rig f;
    rig_begin(&f, "sim");
    struct flow_match wide = rig_udp_to(0), hidden = rig_udp_to(53);
    hidden.mask.bits.in_port = hidden.value.in_port = 0;
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_send_udp(&f, 1, 53, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    rig_n_sent(&f, 2);
    struct classifier *classifier = dp_bridge_hidden(f.bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, &hidden));
    assert_int_equal(classifier_rule_init(classifier, rule, &hidden, DP_HIDDEN_TO_LOCAL,
                                          rig_output_list(PORT_LOCAL)), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    dp_bridge_set_in_band(f.bridge, local);
    rig_barrier(&f);
    rig_send_udp(&f, 1, 53, 40);
    assert_int_equal(rig_n_sent(&f, PORT_LOCAL), 40);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    rig_now_ns += UINT64_C(200000000);
    rig_send_udp(&f, 1, 80, 40);
    assert_int_equal(rig_n_in_hardware(&f), 1);
    uint64_t before = rig_n_in_software(&f);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_in_software(&f), before);
    assert_int_equal(rig_n_sent(&f, 2), 45);
    rig_send_udp(&f, 1, 53, 40);
    assert_int_equal(rig_n_sent(&f, PORT_LOCAL), 40);
    assert_int_equal(rig_packets_of(rule), 80);
    dp_bridge_set_in_band(f.bridge, NULL);
    rig_barrier(&f);
    rig_send_udp(&f, 1, 53, 5);
    assert_int_equal(rig_n_sent(&f, 2), 5);
    classifier_remove(classifier, rule);
    epoch_defer(free, (void *) (uintptr_t) atomic_load(&rule->actions));
    epoch_defer(free, rule);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_flow_moves_to_hardware),
        cmocka_unit_test(a_rule_above_takes_its_part_before_the_barrier),
        cmocka_unit_test(actions_change_in_place),
        cmocka_unit_test(actions_change_by_removal),
        cmocka_unit_test(ports_stop_hardware_at_once),
        cmocka_unit_test(dropped_fragments_are_not_for_hardware),
        cmocka_unit_test(what_does_not_fit_stays_in_software),
        cmocka_unit_test(exact_rules_are_placed_at_once),
        cmocka_unit_test(exact_rules_say_whether_fragments_count),
        cmocka_unit_test(exact_rules_are_placed_when_they_can_be),
        cmocka_unit_test(counters_tell_how_late_they_are),
        cmocka_unit_test(a_batch_keeps_its_order),
        cmocka_unit_test(ports_count_what_devices_forwarded),
        cmocka_unit_test(hidden_rules_come_before_hardware),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
