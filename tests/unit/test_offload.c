/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath with the simulated ASIC in front of it: memory ports, no threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "drivers/builtin.h"
#include "hal/hal.h"
#include "lib/clock.h"
#include "lib/epoch.h"
#include "sw-datapath/datapath.h"
#include "sw-datapath/packet.h"

enum { N_PORTS = 4, FRAME_SIZE = 60, PROMOTE_PPS = 10 };

struct fixture {
    struct event_base *base;
    struct hal *hal;
    struct hal_device *device;
    struct dp *dp;
    struct dp_bridge *bridge;
    unsigned n_packet_ins;
};

static uint64_t now_ns;

static uint64_t
now(void)
{
    return now_ns;
}

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct fixture *f = aux;
    assert_non_null(in->packet);
    f->n_packet_ins++;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    assert_true(info->port_no > 0);
}

static const struct dp_bridge_ops ops = { .packet_in = on_packet_in, .port_event = on_port_event };

static void
begin(struct fixture *f, const char *driver)
{
    char error[HAL_ERROR_SIZE];
    struct errmsg err;
    *f = (struct fixture) { .base = event_base_new() };
    now_ns = UINT64_C(5000000000);
    clock_set_source(now);
    struct hal_config hal_config = { .stepped = true, .n_workers = 1, .promote_pps = PROMOTE_PPS,
                                     .demote_pps = 1 };
    f->hal = hal_new(&hal_config);
    assert_int_equal(hal_add_driver(f->hal, builtin_drivers[0], error), 0);
    assert_int_equal(hal_device_open(f->hal, driver, &f->device, error), 0);
    const struct dp_config config = { .cache_entries = 1024, .hal = f->hal,
                                      .promote_pps = PROMOTE_PPS };
    f->dp = dp_new(f->base, &config, &err);
    assert_non_null(f->dp);
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, &err);
    for (unsigned i = 1; i <= N_PORTS; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(f->bridge, name, 0, PKTIO_MEMORY, &no, &err), 0);
        assert_int_equal(dp_port_set_device(f->bridge, no, f->device, &err), 0);
    }
}

static void
end(struct fixture *f)
{
    dp_free(f->dp);
    hal_free(f->hal, false);
    event_base_free(f->base);
    clock_set_source(NULL);
}

/* Lets everything happen that is due. */
static void
settle(struct fixture *f)
{
    for (unsigned i = 0; i < 20; i++) {
        hal_step(f->hal);
        dp_run_once(f->dp);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        now_ns += 1000000;
    }
}

static void
send_udp(struct fixture *f, uint16_t port, uint16_t tp_dst, unsigned n)
{
    uint8_t frame[FRAME_SIZE] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 7, (uint8_t) (tp_dst >> 8), (uint8_t) tp_dst, 0, 26,
    };
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, port), frame, sizeof frame), 0);
        dp_run_once(f->dp);
    }
}

/* Frames that the port has sent since the last time. */
static unsigned
n_sent(struct fixture *f, uint16_t port)
{
    unsigned n = 0;
    uint8_t frame[2048];
    while (pktio_memory_take(dp_port_pktio(f->bridge, port), frame, sizeof frame)) {
        n++;
    }
    return n;
}

/* --- rules ------------------------------------------------------------------------------- */

static struct flow_match
udp_to(uint16_t tp_dst)
{
    struct flow_match m = { .mask.bits = { .in_port = 0xffff, .dl_type.raw = 0xffff, .nw_proto = 0xff },
                            .value = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17 } };
    if (tp_dst) {
        m.mask.bits.tp_dst.raw = 0xffff;
        m.value.tp_dst.raw = htobe16(tp_dst);
    }
    return m;
}

static const struct action_list *
output_list(uint16_t port)
{
    struct action_list *list = calloc(1, sizeof *list + sizeof list->actions[0]);
    list->len = port != 0;
    list->actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = port };
    return list;
}

static struct rule *
add_rule(struct fixture *f, const struct flow_match *match, uint32_t rank, uint16_t port)
{
    struct classifier *classifier = dp_bridge_classifier(f->bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, match));
    assert_int_equal(classifier_rule_init(classifier, rule, match, rank, output_list(port)), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    dp_rule_added(f->bridge, rule);
    return rule;
}

static void
set_output(struct fixture *f, struct rule *rule, uint16_t port)
{
    const struct action_list *old = atomic_load(&rule->actions);
    atomic_store(&rule->actions, output_list(port));
    dp_rule_changed(f->bridge, rule);
    epoch_defer(free, (void *) (uintptr_t) old);
}

static bool barrier_over;

static void
barrier_done(void *aux)
{
    (void) aux;
    barrier_over = true;
}

static void
barrier(struct fixture *f)
{
    struct dp_barrier b = { .done = barrier_done };
    barrier_over = false;
    dp_barrier(f->dp, &b);
    for (unsigned i = 0; i < 1000 && !barrier_over; i++) {
        settle(f);
    }
    assert_true(barrier_over);
    assert_int_equal(b.error, 0);
}

static void
remove_rule(struct fixture *f, struct rule *rule)
{
    classifier_remove(dp_bridge_classifier(f->bridge), rule);
    dp_rule_removed(f->bridge, rule);
    barrier(f);
    assert_false(dp_rule_is_in_hardware(f->bridge, rule));
    epoch_defer(free, (void *) (uintptr_t) atomic_load(&rule->actions));
    epoch_defer(free, rule);
}

static uint64_t
packets_of(const struct rule *rule)
{
    struct rule_counters counters;
    rule_get_counters(rule, &counters);
    assert_int_equal(counters.bytes, counters.packets * FRAME_SIZE);
    return counters.packets;
}

static struct hal_device_info info;
static uint32_t n_entries;

static void
look_at(struct hal_device *device, const struct hal_device_info *i, void *aux)
{
    (void) device;
    (void) aux;
    info = *i;
    n_entries = i->table[0].entries + i->table[1].entries;
}

static uint32_t
n_in_hardware(struct fixture *f)
{
    settle(f);
    hal_visit_devices(f->hal, look_at, NULL);
    return n_entries;
}

static uint64_t
n_looked_up_in_software(struct fixture *f)
{
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(f->bridge, &stats);
    return stats.hits + stats.misses;
}

/* --- tests ------------------------------------------------------------------------------- */

static void
a_busy_flow_moves_to_hardware(void **state)
{
    (void) state;
    struct fixture f;
    begin(&f, "sim");
    struct flow_match match = udp_to(0);
    struct rule *rule = add_rule(&f, &match, 5, 2);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_sent(&f, 2), 40);
    assert_int_equal(n_in_hardware(&f), 1);
    uint64_t before = n_looked_up_in_software(&f);
    send_udp(&f, 1, 80, 100);
    assert_int_equal(n_sent(&f, 2), 100);
    assert_int_equal(n_looked_up_in_software(&f), before);
    /* The rule's mask decides: another port number is the same entry. */
    send_udp(&f, 1, 81, 10);
    assert_int_equal(n_sent(&f, 2), 10);
    assert_int_equal(n_looked_up_in_software(&f), before);
    for (unsigned i = 0; i < 10; i++) {
        now_ns += 50000000;
        settle(&f);
    }
    assert_int_equal(packets_of(rule), 150);
    remove_rule(&f, rule);
    assert_int_equal(n_in_hardware(&f), 0);
    send_udp(&f, 1, 80, 3);
    assert_int_equal(f.n_packet_ins, 3);
    end(&f);
}

static void
a_rule_above_takes_its_part_before_the_barrier(void **state)
{
    (void) state;
    struct fixture f;
    begin(&f, "sim:latency-us=5000");
    struct flow_match wide = udp_to(0), narrow = udp_to(80);
    struct rule *below = add_rule(&f, &wide, 5, 2);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    struct rule *above = add_rule(&f, &narrow, 6, 3);
    barrier(&f);
    n_sent(&f, 2);
    send_udp(&f, 1, 80, 5);
    assert_int_equal(n_sent(&f, 3), 5);
    assert_int_equal(n_sent(&f, 2), 0);
    now_ns += UINT64_C(200000000);     /* a flow is offered again after a while only */
    send_udp(&f, 1, 81, 40);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 2);
    remove_rule(&f, above);
    n_sent(&f, 2);
    n_sent(&f, 3);
    send_udp(&f, 1, 80, 5);
    assert_int_equal(n_sent(&f, 2), 5);
    remove_rule(&f, below);
    end(&f);
}

static void
changed_actions_hold_after_the_barrier(const char *driver)
{
    struct fixture f;
    begin(&f, driver);
    struct flow_match match = udp_to(0);
    struct rule *rule = add_rule(&f, &match, 5, 2);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    for (uint16_t port = 3; port <= 4; port++) {
        set_output(&f, rule, port);
        barrier(&f);
        n_sent(&f, port);
        send_udp(&f, 1, 80, 7);
        assert_int_equal(n_sent(&f, port), 7);
    }
    for (unsigned i = 0; i < 4; i++) {
        now_ns += 50000000;
        settle(&f);
    }
    assert_int_equal(packets_of(rule), 54);
    remove_rule(&f, rule);
    end(&f);
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
    struct fixture f;
    begin(&f, "sim:latency-us=2000");
    struct flow_match match = udp_to(0);
    struct rule *rule = add_rule(&f, &match, 5, PORT_FLOOD);
    dp_port_set_config(f.bridge, PORT_LOCAL, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    dp_port_set_config(f.bridge, 3, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    barrier(&f);
    for (uint16_t port = 2; port <= 4; port++) {
        n_sent(&f, port);
    }
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_sent(&f, 2), 40);
    assert_int_equal(n_sent(&f, 3), 0);
    assert_int_equal(n_sent(&f, 4), 40);
    /* The ingress: nothing is received. */
    assert_int_equal(n_in_hardware(&f), 1);
    dp_port_set_config(f.bridge, 1, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
    send_udp(&f, 1, 80, 4);
    assert_int_equal(n_sent(&f, 2), 0);
    assert_int_equal(n_in_hardware(&f), 0);
    remove_rule(&f, rule);
    end(&f);
}

static void
dropped_fragments_are_not_for_hardware(void **state)
{
    (void) state;
    struct fixture f;
    struct hal_verdict verdict;
    begin(&f, "sim");
    struct flow_match match = udp_to(0);
    struct rule *rule = add_rule(&f, &match, 5, 2);
    struct flow_key key = match.value;
    key.nw_frag = FLOW_FRAG_ANY;
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, 0);
    assert_int_equal(n_in_hardware(&f), 1);
    dp_bridge_set_drop_fragments(f.bridge, true);
    barrier(&f);
    assert_int_equal(n_in_hardware(&f), 0);
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_FRAGMENT);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    remove_rule(&f, rule);
    end(&f);
}

static void
what_does_not_fit_stays_in_software(void **state)
{
    (void) state;
    struct fixture f;
    struct hal_verdict verdict;
    begin(&f, "sim:without=output");
    struct flow_match match = udp_to(0);
    struct rule *rule = add_rule(&f, &match, 5, 2);
    send_udp(&f, 1, 80, 60);
    assert_int_equal(n_sent(&f, 2), 60);
    assert_int_equal(n_in_hardware(&f), 0);
    struct flow_key key = match.value;
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_ACTION_UNSUPPORTED);
    assert_int_equal(verdict.action, ACTION_OUTPUT);
    set_output(&f, rule, PORT_CONTROLLER);
    hal_offer(dp_bridge_hal(f.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_ACTION_UNSUPPORTED);
    remove_rule(&f, rule);
    end(&f);
}

/* A rule without wildcards is placed without traffic, and takes its packets out of a wider
 * entry. */
static void
exact_rules_are_placed_at_once(void **state)
{
    (void) state;
    struct fixture f;
    begin(&f, "sim");
    struct flow_match wide = udp_to(0), exact;
    struct rule *below = add_rule(&f, &wide, 5, 2);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    memset(&exact, 0, sizeof exact);
    memset(&exact.mask, 0xff, sizeof exact.mask);
    exact.value = (struct flow_key) {
        .in_port = 1, .dl_dst = { 2, 0, 0, 0, 0, 2 }, .dl_src = { 2, 0, 0, 0, 0, 1 },
        .dl_type.raw = htobe16(0x0800), .nw_proto = 17, .tp_src.raw = htobe16(7),
        .tp_dst.raw = htobe16(80), .nw_src.ip4.raw = htobe32(0x0a000001),
        .nw_dst.ip4.raw = htobe32(0x0a000002),
    };
    struct rule *above = add_rule(&f, &exact, RULE_RANK_EXACT, 3);
    barrier(&f);
    n_sent(&f, 2);
    send_udp(&f, 1, 80, 5);
    assert_int_equal(n_sent(&f, 3), 5);
    assert_int_equal(n_sent(&f, 2), 0);
    assert_int_equal(n_in_hardware(&f), 1);
    send_udp(&f, 1, 81, 5);
    assert_int_equal(n_sent(&f, 2), 5);
    remove_rule(&f, above);
    remove_rule(&f, below);
    end(&f);
}

/* In-band control's traffic is LOCAL's, also where an entry of hardware would have taken it. */
static void
hidden_rules_come_before_hardware(void **state)
{
    (void) state;
    static const uint8_t local[6] = { 2, 0, 0, 0, 0, 2 };
    struct fixture f;
    begin(&f, "sim");
    struct flow_match wide = udp_to(0), hidden = udp_to(53);
    hidden.mask.bits.in_port = hidden.value.in_port = 0;
    struct rule *below = add_rule(&f, &wide, 5, 2);
    send_udp(&f, 1, 53, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    n_sent(&f, 2);
    struct classifier *classifier = dp_bridge_hidden(f.bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, &hidden));
    assert_int_equal(classifier_rule_init(classifier, rule, &hidden, DP_HIDDEN_TO_LOCAL,
                                          output_list(PORT_LOCAL)), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    dp_bridge_set_in_band(f.bridge, local);
    barrier(&f);
    send_udp(&f, 1, 53, 40);
    assert_int_equal(n_sent(&f, PORT_LOCAL), 40);
    assert_int_equal(n_sent(&f, 2), 0);
    now_ns += UINT64_C(200000000);
    send_udp(&f, 1, 80, 40);
    assert_int_equal(n_in_hardware(&f), 1);
    uint64_t before = n_looked_up_in_software(&f);
    send_udp(&f, 1, 80, 5);
    assert_int_equal(n_looked_up_in_software(&f), before);
    assert_int_equal(n_sent(&f, 2), 45);
    send_udp(&f, 1, 53, 40);
    assert_int_equal(n_sent(&f, PORT_LOCAL), 40);
    assert_int_equal(packets_of(rule), 80);
    dp_bridge_set_in_band(f.bridge, NULL);
    barrier(&f);
    send_udp(&f, 1, 53, 5);
    assert_int_equal(n_sent(&f, 2), 5);
    classifier_remove(classifier, rule);
    epoch_defer(free, (void *) (uintptr_t) atomic_load(&rule->actions));
    epoch_defer(free, rule);
    remove_rule(&f, below);
    end(&f);
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
        cmocka_unit_test(hidden_rules_come_before_hardware),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
