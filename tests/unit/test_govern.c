/* SPDX-License-Identifier: Apache-2.0 */
/* The governor in the datapath, on memory ports, without threads and on a clock of the test's:
 * what is held back is forwarded by the table as it is, or dropped and counted; what is
 * established does not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "lib/log.h"
#include "sw-datapath/datapath.h"
#include "sw-datapath/packet.h"
#include "tests/unit/fake_clock.h"

enum { N_PORTS = 2, FRAME_SIZE = 60, RATE = 1000, MAX_RULES = 8 };

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    unsigned n_packet_ins;
    struct dp_packet_in last;
    struct rule *rules[MAX_RULES];
    unsigned n_rules;
};

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct fixture *f = aux;
    f->n_packet_ins++;
    f->last = *in;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    (void) info;
}

static const struct dp_bridge_ops ops = { on_packet_in, on_port_event, NULL };

static struct governor_config
config_of(enum governor_mode mode, bool drop)
{
    struct governor_config config;
    governor_config_init(&config);
    config.mode = mode;
    config.drop = drop;
    config.setups = (struct governor_bounds) { RATE, RATE };
    return config;
}

/* --- rules ------------------------------------------------------------------------------- */

static void
free_rule(void *rule)
{
    free((void *) atomic_load(&((struct rule *) rule)->actions));
    free(rule);
}

/* Outputs UDP to 'port', 0: drops it. */
static void
add_rule(struct fixture *f, const struct flow_match *match, uint32_t rank, uint16_t port)
{
    struct classifier *classifier = dp_bridge_classifier(f->bridge);
    struct action_list *list = calloc(1, sizeof *list + sizeof list->actions[0]);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, match));
    if (port) {
        list->len = 1;
        list->actions[0].type = ACTION_OUTPUT;
        list->actions[0].output.port = port;
    }
    assert_int_equal(classifier_rule_init(classifier, rule, match, rank, list), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    f->rules[f->n_rules++] = rule;
}

/* A match on UDP; with 'fine' on a 5-tuple that nobody has, so that every one is an entry. */
static struct flow_match
udp_match(bool fine)
{
    struct flow_match match = { 0 };
    match.value.dl_type = be16_from_host(0x800);
    match.mask.bits.dl_type = be16_from_host(0xffff);
    match.value.nw_proto = 17;
    match.mask.bits.nw_proto = 0xff;
    if (fine) {
        match.value.tp_src = match.value.tp_dst = be16_from_host(1);
        match.mask.bits.tp_src = match.mask.bits.tp_dst = be16_from_host(0xffff);
        match.value.nw_src.ip4 = be32_from_host(1);
        match.mask.bits.nw_src.ip4 = be32_from_host(0xffffffff);
    }
    return match;
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fake_clock_install();
    log_set_level("error", NULL);
    f->base = event_base_new();
    const struct dp_config config = { .cache_entries = 65536, .governor = config_of(GOVERNOR_ON, false) };
    f->dp = dp_new(f->base, &config, NULL);
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, NULL);
    for (unsigned i = 1; i <= N_PORTS; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(f->bridge, name, 0, PKTIO_MEMORY, &no, NULL), 0);
    }
    struct flow_match fine = udp_match(true), all = udp_match(false);
    add_rule(f, &fine, 10, 0);
    add_rule(f, &all, 1, 2);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < f->n_rules; i++) {
        classifier_remove(dp_bridge_classifier(f->bridge), f->rules[i]);
        epoch_defer(free_rule, f->rules[i]);
    }
    epoch_drain();
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    clock_set_source(NULL);
    return 0;
}

static void
configure(struct fixture *f, enum governor_mode mode, bool drop)
{
    struct governor_config config = config_of(mode, drop);
    assert_int_equal(dp_set_governor(f->dp, &config), 0);
    fake_clock_advance_ms(GOVERNOR_REFILL_MS);
}

/* --- traffic ----------------------------------------------------------------------------- */

static void
send_udp(struct fixture *f, uint32_t source, uint16_t port)
{
    uint8_t frame[FRAME_SIZE] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0,
        (uint8_t) (source >> 24), (uint8_t) (source >> 16), (uint8_t) (source >> 8),
        (uint8_t) source, 10, 0, 0, 2, (uint8_t) (port >> 8), (uint8_t) port,
        0, 9, 0, 26,
    };
    assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, 1), frame, sizeof frame), 0);
}

static unsigned
run(struct fixture *f)
{
    uint8_t frame[PACKET_MAX_SIZE];
    unsigned n = 0;
    while (dp_run_once(f->dp)) {
        continue;
    }
    while (pktio_memory_take(dp_port_pktio(f->bridge, 2), frame, sizeof frame)) {
        n++;
    }
    return n;
}

/* 'n' packets of as many flows, 'per_ms' each ms; returns how many came out. */
static unsigned
flood(struct fixture *f, unsigned n, unsigned per_ms)
{
    static uint32_t source = 0xac100000;
    unsigned out = 0;
    for (unsigned i = 0; i < n; i++) {
        send_udp(f, source++, 5000);
        if (i % per_ms == per_ms - 1) {
            out += run(f);
            fake_clock_advance_ms(1);
        }
    }
    return out + run(f);
}

static struct dp_port_governor
look(struct fixture *f)
{
    struct dp_port_governor state;
    fake_clock_advance_ms(GOVERNOR_WINDOW_MS);
    run(f);
    assert_true(dp_port_get_governor(f->bridge, 1, &state));
    return state;
}

static unsigned
n_cached(struct fixture *f)
{
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(f->bridge, &stats);
    return stats.cache.entries;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void
all_of_a_flood_is_forwarded_and_little_cached(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flood(f, 20000, 20), 20000);
    struct dp_port_governor g = look(f);
    assert_true(g.flood);
    assert_true(dp_port_is_flooded(f->bridge, 1));
    assert_int_equal(g.totals.asked, 20000);
    assert_int_equal(g.totals.installed + g.totals.passed, 20000);
    assert_true(g.totals.installed < RATE);
    assert_int_equal(n_cached(f), g.totals.installed);
    assert_int_equal(g.macs.at[0].key & UINT64_C(0xffffffffffff), UINT64_C(0x020000000001));
    struct dp_worker_governor worker;
    dp_worker_get_governor(f->dp, 0, &worker);
    assert_int_equal(worker.n_flooded, 1);
    assert_int_equal(worker.rate, RATE);
    /* It is over without a packet more. */
    for (unsigned i = 0; i < 30; i++) {
        g = look(f);
    }
    assert_false(g.flood);
    assert_int_equal(g.totals.flood_ended, 1);
}

static void
what_is_held_back_obeys_the_table_as_it_is(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flood(f, 10000, 20), 10000);
    assert_true(look(f).flood);
    struct flow_match all = udp_match(false);
    add_rule(f, &all, 20, 0);
    assert_int_equal(flood(f, 1000, 20), 0);
}

static void
established_flows_ask_for_nothing(void **state)
{
    struct fixture *f = *state;
    send_udp(f, 7, 7);
    assert_int_equal(run(f), 1);
    flood(f, 10000, 20);
    uint64_t asked = look(f).totals.asked;
    for (unsigned i = 0; i < 100; i++) {
        send_udp(f, 7, 7);
    }
    assert_int_equal(run(f), 100);
    assert_int_equal(look(f).totals.asked, asked);
}

/* An entry whose rule was replaced is derived again, whatever the budget says. */
static void
a_change_makes_no_flow_new(void **state)
{
    struct fixture *f = *state;
    configure(f, GOVERNOR_ON, true);
    send_udp(f, 7, 7);
    assert_int_equal(run(f), 1);
    flood(f, 10000, 20);
    uint64_t asked = look(f).totals.asked;
    struct flow_match all = udp_match(false);
    add_rule(f, &all, 20, 2);
    send_udp(f, 7, 7);
    assert_int_equal(run(f), 1);
    struct rule_counters counters;
    rule_get_counters(f->rules[2], &counters);
    assert_int_equal(counters.packets, 1);
    assert_int_equal(look(f).totals.asked, asked);
}

static void
what_is_dropped_is_counted(void **state)
{
    struct fixture *f = *state;
    configure(f, GOVERNOR_ON, true);
    uint64_t before = counter_read(COUNTER_governor_dropped);
    unsigned out = flood(f, 20000, 20);
    struct dp_port_governor g = look(f);
    struct port_counters port;
    assert_true(dp_port_get_counters(f->bridge, 1, &port));
    assert_true(g.totals.dropped > 15000);
    assert_int_equal(out + g.totals.dropped, 20000);
    assert_int_equal(port.rx_dropped, g.totals.dropped);
    assert_int_equal(counter_read(COUNTER_governor_dropped) - before, g.totals.dropped);
    /* The second packet of a flow gets through, the third hits its entry. */
    for (unsigned i = 0; i < 3; i++) {
        send_udp(f, 9, 9);
        assert_int_equal(run(f), i > 0);
    }
}

static void
settings_are_taken_up(void **state)
{
    struct fixture *f = *state;
    configure(f, GOVERNOR_OFF, false);
    assert_int_equal(flood(f, 5000, 20), 5000);
    assert_int_equal(look(f).totals.asked, 0);
    assert_int_equal(n_cached(f), 5000);
    configure(f, GOVERNOR_FIRST_PACKET, false);
    flood(f, 5000, 20);
    struct dp_port_governor g = look(f);
    assert_int_equal(g.totals.asked, 5000);
    assert_int_equal(g.totals.held[GOVERNOR_NOT_PROVEN] + g.totals.held[GOVERNOR_FLOOD], 0);
    assert_true(g.totals.held[GOVERNOR_OVER_BUDGET] > 4000);
    assert_int_equal(dp_get_governor(f->dp)->mode, GOVERNOR_FIRST_PACKET);
}

/* A table miss says whether its flow was seen before: whether it was judged just now, or the
 * answer was cached. */
static void
table_misses_tell_whether_their_flow_is_known(void **state)
{
    struct fixture *f = *state;
    while (f->n_rules) {
        classifier_remove(dp_bridge_classifier(f->bridge), f->rules[--f->n_rules]);
        epoch_defer(free_rule, f->rules[f->n_rules]);
    }
    for (uint16_t flow = 1; flow < 5; flow++) {
        for (unsigned i = 0; i < 3; i++) {
            send_udp(f, flow, flow);
            run(f);
            assert_int_equal(f->last.reason, DP_TABLE_MISS);
            assert_int_equal(f->last.seen, i > 0);
        }
    }
    assert_int_equal(f->n_packet_ins, 12);
    configure(f, GOVERNOR_OFF, false);
    send_udp(f, 1, 1);
    run(f);
    assert_false(f->last.seen);
}

static void
a_port_that_is_not_there_has_no_governor(void **state)
{
    struct fixture *f = *state;
    struct dp_port_governor g;
    assert_false(dp_port_get_governor(f->bridge, 77, &g));
    assert_false(dp_port_is_flooded(f->bridge, 77));
    flood(f, 10000, 20);
    assert_true(look(f).flood);
    assert_int_equal(dp_port_del(f->bridge, 1, NULL), 0);
    assert_false(dp_port_get_governor(f->bridge, 1, &g));
    fake_clock_advance_ms(1000);
    run(f);
    struct dp_worker_governor worker;
    dp_worker_get_governor(f->dp, 0, &worker);
    assert_int_equal(worker.n_flooded, 0);
}

int
main(void)
{
#define GOVERN_TEST(TEST) cmocka_unit_test_setup_teardown(TEST, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        GOVERN_TEST(all_of_a_flood_is_forwarded_and_little_cached),
        GOVERN_TEST(what_is_held_back_obeys_the_table_as_it_is),
        GOVERN_TEST(established_flows_ask_for_nothing),
        GOVERN_TEST(a_change_makes_no_flow_new),
        GOVERN_TEST(what_is_dropped_is_counted),
        GOVERN_TEST(settings_are_taken_up),
        GOVERN_TEST(table_misses_tell_whether_their_flow_is_known),
        GOVERN_TEST(a_port_that_is_not_there_has_no_governor),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
