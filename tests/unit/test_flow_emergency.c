/* SPDX-License-Identifier: Apache-2.0 */
/* The emergency table: FLOW_MODs on it, and its flows when they act. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/flow_text.h"
#include "ofagent/flow_emergency.h"
#include "tests/unit/fake_clock.h"

enum { MAX_FLOWS = 6000, MAX_EMERGENCY = 4, MAX_MASKS = 4096 };

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    struct flow_table *main, *emergency;
    struct ofp_flow_mod fm;
    struct ofp_refusal refusal;
    unsigned n_removed;
    uint8_t reason;                /* of the latest flow removed */
};

static void
ignore_packet_in(void *aux, const struct dp_packet_in *in)
{
    (void) aux;
    (void) in;
}

static void
ignore_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    (void) info;
}

static void
on_removed(void *aux, const struct ofp_flow_removed *removed)
{
    struct fixture *f = aux;
    f->n_removed++;
    f->reason = removed->reason;
}

static int
set_up(void **state)
{
    static const struct dp_bridge_ops ops = { ignore_packet_in, ignore_port_event };
    static const struct flow_table_ops table_ops = { on_removed };
    static const struct dp_config config = { .cache_entries = 64 };
    static const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    struct fixture *f = calloc(1, sizeof *f);
    fake_clock_install();
    f->base = event_base_new();
    f->dp = dp_new(f->base, &config, NULL);
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, NULL);
    f->main = flow_table_new(f->dp, f->bridge, MAX_FLOWS, &table_ops, f);
    f->emergency = flow_emergency_new(f->main, MAX_EMERGENCY);
    assert_non_null(f->emergency);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    flow_table_free(f->emergency);
    flow_table_free(f->main);
    dp_bridge_free(f->bridge);
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    return 0;
}

/* --- messages ------------------------------------------------------------------------------ */

/* Begins a message: priority 100, one output. */
static struct ofp_flow_mod *
message(struct fixture *f, uint16_t command, const char *match, uint16_t port)
{
    struct errmsg err;
    struct ofp_flow_mod *fm = &f->fm;
    memset(fm, 0, offsetof(struct ofp_flow_mod, actions));
    if (flow_match_parse(match, NULL, &fm->match.match, &err)) {
        fail_msg("%s: %s", match, err.text);
    }
    fm->command = command;
    fm->priority = 100;
    fm->out_port = PORT_NONE;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->n_actions = 1;
    memset(&fm->actions[0], 0, sizeof fm->actions[0]);
    fm->actions[0].type = ACTION_OUTPUT;
    fm->actions[0].output.port = port;
    return fm;
}

static struct flow *
run(struct fixture *f, struct flow_table *table)
{
    struct flow *flow = NULL;
    if (flow_table_mod(table, &f->fm, &flow, &f->refusal)) {
        fail_msg("refused: %s", f->refusal.why);
    }
    flow_table_settle(f->main);
    return flow;
}

static struct flow *
change(struct fixture *f, struct flow_table *table, uint16_t command, const char *match,
       uint16_t port)
{
    message(f, command, match, port);
    return run(f, table);
}

static struct flow *
add(struct fixture *f, struct flow_table *table, const char *match, uint16_t port)
{
    return change(f, table, OFPFC_ADD, match, port);
}

static void
refused(struct fixture *f, uint16_t code)
{
    struct flow *flow;
    size_t before = flow_table_count(f->emergency);
    assert_int_equal(flow_table_mod(f->emergency, &f->fm, &flow, &f->refusal), OFP_REFUSED);
    assert_null(flow);
    assert_int_equal(f->refusal.type, OFPET_FLOW_MOD_FAILED);
    assert_int_equal(f->refusal.code, code);
    assert_int_equal(flow_table_count(f->emergency), before);
}

static bool
note(const struct flow *flow, void *found)
{
    *(const struct flow **) found = flow;
    return true;
}

/* The only flow that 'match' covers, or NULL. */
static const struct flow *
find(struct flow_table *table, const char *text)
{
    const struct flow *flow = NULL;
    struct ofp_match match = { .exact = false };
    assert_int_equal(flow_match_parse(text, NULL, &match.match, NULL), 0);
    flow_table_for_each(table, &match, PORT_NONE, note, &flow);
    return flow;
}

/* Where the flow sends, 0 if there is none. */
static uint16_t
goes_to(struct flow_table *table, const char *match)
{
    const struct flow *flow = find(table, match);
    return flow ? flow_actions(flow)->actions[0].output.port : 0;
}

static void
count(struct fixture *f, const struct flow *flow, uint64_t packets)
{
    rule_count(&flow->rule, dp_n_workers(f->dp), packets, packets * 100, clock_ms());
}

static uint64_t
packets_of(const struct flow *flow)
{
    struct flow_stats stats;
    assert_non_null(flow);
    flow_get_stats(flow, &stats);
    return stats.packets;
}

static void
begin(struct fixture *f)
{
    flow_emergency_begin(f->emergency);
    while (!flow_emergency_clear_some(f->emergency, 2)) {
        flow_table_settle(f->main);
    }
    flow_table_settle(f->main);
}

/* --- the table ----------------------------------------------------------------------------- */

static void
it_is_a_table_of_its_own(void **state)
{
    struct fixture *f = *state;
    add(f, f->main, "in_port=1", 2);
    add(f, f->emergency, "in_port=1", 3);
    assert_int_equal(goes_to(f->main, "in_port=1"), 2);
    assert_int_equal(goes_to(f->emergency, "in_port=1"), 3);
    change(f, f->emergency, OFPFC_DELETE, "", 0);
    assert_int_equal(flow_table_count(f->emergency), 0);
    assert_int_equal(flow_table_count(f->main), 1);
    change(f, f->main, OFPFC_DELETE, "", 0);
    assert_int_equal(flow_table_count(f->main), 0);
}

static void
it_has_a_bound_of_its_own(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= MAX_EMERGENCY; i++) {
        char match[20];
        snprintf(match, sizeof match, "in_port=%d", i);
        add(f, f->emergency, match, 9);
    }
    message(f, OFPFC_ADD, "in_port=9", 2);
    refused(f, OFPFMFC_ALL_TABLES_FULL);
    message(f, OFPFC_MODIFY_STRICT, "in_port=9", 2);
    refused(f, OFPFMFC_ALL_TABLES_FULL);
    add(f, f->emergency, "in_port=2", 7);             /* in the place of another */
    assert_int_equal(goes_to(f->emergency, "in_port=2"), 7);
    add(f, f->main, "in_port=9", 2);
}

static void
time_outs_are_refused(void **state)
{
    static const uint16_t commands[] = { OFPFC_ADD, OFPFC_MODIFY, OFPFC_MODIFY_STRICT };
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        message(f, commands[i], "in_port=1", 2)->idle_timeout = 1;
        refused(f, OFPFMFC_BAD_EMERG_TIMEOUT);
        message(f, commands[i], "in_port=1", 2)->hard_timeout = 1;
        refused(f, OFPFMFC_BAD_EMERG_TIMEOUT);
    }
    add(f, f->emergency, "in_port=1", 2);
    message(f, OFPFC_DELETE, "", 0)->idle_timeout = 5;   /* a DELETE has none */
    run(f, f->emergency);
    assert_int_equal(flow_table_count(f->emergency), 0);
}

static void
overlap_is_checked_within_it(void **state)
{
    struct fixture *f = *state;
    add(f, f->main, "in_port=1", 2);
    message(f, OFPFC_ADD, "tcp", 3)->flags = OFPFF_CHECK_OVERLAP | OFPFF_EMERG;
    run(f, f->emergency);
    message(f, OFPFC_ADD, "in_port=1", 3)->flags = OFPFF_CHECK_OVERLAP | OFPFF_EMERG;
    refused(f, OFPFMFC_OVERLAP);
    f->fm.priority = 101;
    run(f, f->emergency);
    message(f, OFPFC_ADD, "udp", 3)->flags = OFPFF_CHECK_OVERLAP;
    f->fm.priority = 99;                              /* nothing there in the main table */
    run(f, f->main);
}

static void
commands_work_on_it(void **state)
{
    struct fixture *f = *state;
    add(f, f->emergency, "tcp,in_port=1", 2);
    add(f, f->emergency, "tcp,in_port=2", 2);
    add(f, f->emergency, "udp", 3);
    change(f, f->emergency, OFPFC_MODIFY, "tcp", 5);
    assert_int_equal(goes_to(f->emergency, "tcp,in_port=1"), 5);
    assert_int_equal(goes_to(f->emergency, "tcp,in_port=2"), 5);
    assert_int_equal(goes_to(f->emergency, "udp"), 3);
    change(f, f->emergency, OFPFC_MODIFY_STRICT, "udp", 6);
    assert_int_equal(goes_to(f->emergency, "udp"), 6);
    change(f, f->emergency, OFPFC_MODIFY, "icmp", 7);    /* finds nothing: an ADD */
    assert_int_equal(goes_to(f->emergency, "icmp"), 7);
    change(f, f->emergency, OFPFC_DELETE_STRICT, "tcp", 0);
    assert_int_equal(flow_table_count(f->emergency), 4);
    change(f, f->emergency, OFPFC_DELETE_STRICT, "udp", 0);
    assert_int_equal(flow_table_count(f->emergency), 3);
    message(f, OFPFC_DELETE, "", 0)->out_port = 7;
    run(f, f->emergency);
    assert_int_equal(flow_table_count(f->emergency), 2);
    change(f, f->emergency, OFPFC_DELETE, "tcp", 0);
    assert_int_equal(flow_table_count(f->emergency), 0);
}

static void
nobody_is_told_when_one_goes(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1", 2)->flags = OFPFF_SEND_FLOW_REM | OFPFF_EMERG;
    run(f, f->emergency);
    begin(f);
    change(f, f->main, OFPFC_DELETE, "", 0);            /* nor when its copy does */
    begin(f);
    change(f, f->emergency, OFPFC_DELETE, "", 0);
    assert_int_equal(flow_table_count(f->main), 0);
    assert_int_equal(f->n_removed, 0);
}

/* --- when they act --------------------------------------------------------------------------- */

static void
they_act_and_the_others_go(void **state)
{
    struct fixture *f = *state;
    add(f, f->main, "in_port=1", 2);
    message(f, OFPFC_ADD, "udp", 2)->flags = OFPFF_SEND_FLOW_REM;
    run(f, f->main);
    for (int i = 2; i < 9; i++) {
        char match[20];
        snprintf(match, sizeof match, "in_port=%d", i);
        add(f, f->main, match, 9);
    }
    message(f, OFPFC_ADD, "in_port=1", 3)->cookie = 77;  /* in the place of the other */
    run(f, f->emergency);
    add(f, f->emergency, "tcp", 4);
    assert_int_equal(flow_emergency_n_acting(f->main), 0);
    begin(f);
    assert_int_equal(flow_table_count(f->main), 2);
    assert_int_equal(flow_emergency_n_acting(f->main), 2);
    assert_int_equal(goes_to(f->main, "in_port=1"), 3);
    assert_int_equal(goes_to(f->main, "tcp"), 4);
    assert_true(find(f->main, "in_port=1")->cookie == 77);
    assert_int_equal(f->n_removed, 1);
    assert_int_equal(f->reason, OFPRR_DELETE);
    assert_int_equal(flow_table_count(f->emergency), 2);   /* and stay for the next time */
}

/* So that there is no moment in which packets find nothing. */
static void
they_act_before_the_others_go(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i < 20; i++) {
        char match[20];
        snprintf(match, sizeof match, "in_port=%d", i);
        add(f, f->main, match, 9);
    }
    add(f, f->emergency, "tcp", 4);
    flow_emergency_begin(f->emergency);
    assert_int_equal(goes_to(f->main, "tcp"), 4);
    assert_int_equal(flow_table_count(f->main), 20);
    assert_true(flow_emergency_is_clearing(f->emergency));
    assert_false(flow_emergency_clear_some(f->emergency, 10));
    assert_int_equal(flow_table_count(f->main), 10);
    assert_true(flow_emergency_clear_some(f->emergency, 11));
    assert_int_equal(flow_table_count(f->main), 1);
    assert_false(flow_emergency_is_clearing(f->emergency));
    assert_true(flow_emergency_clear_some(f->emergency, 1));
}

static void
a_table_may_go_while_it_is_cleared(void **state)
{
    struct fixture *f = *state;
    add(f, f->main, "in_port=1", 2);
    add(f, f->main, "in_port=2", 2);
    add(f, f->emergency, "tcp", 4);
    flow_emergency_begin(f->emergency);
    assert_false(flow_emergency_clear_some(f->emergency, 1));
}

static void
a_full_table_takes_them(void **state)
{
    struct fixture *f = *state;
    flow_table_set_max(f->main, 2);
    add(f, f->main, "in_port=1", 2);
    add(f, f->main, "in_port=2", 2);
    add(f, f->emergency, "tcp", 4);
    add(f, f->emergency, "udp", 4);
    add(f, f->emergency, "icmp", 4);
    begin(f);
    assert_int_equal(flow_table_count(f->main), 3);
}

/* The one that has no room among 4096 masks gets it when the others are gone. */
static void
masks_that_ran_out_are_there_again(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_emergency_flow_failed);
    for (int i = 0; i < MAX_MASKS; i++) {
        message(f, OFPFC_ADD, "in_port=1", 2);
        f->fm.match.match.mask.bits.tun_key.raw = (uint32_t) i;
        run(f, f->main);
    }
    add(f, f->emergency, "tcp", 4);
    flow_emergency_begin(f->emergency);
    assert_int_equal(goes_to(f->main, "tcp"), 0);
    assert_true(flow_emergency_clear_some(f->emergency, MAX_FLOWS));
    assert_int_equal(goes_to(f->main, "tcp"), 4);
    assert_int_equal(flow_table_count(f->main), 1);
    assert_true(counter_read(COUNTER_emergency_flow_failed) == before);
}

static void
an_acting_flow_follows_its_original(void **state)
{
    struct fixture *f = *state;
    add(f, f->emergency, "tcp", 4);
    add(f, f->emergency, "udp", 4);
    begin(f);
    flow_emergency_end(f->emergency);
    message(f, OFPFC_MODIFY_STRICT, "tcp", 5)->cookie = 3;
    run(f, f->emergency);
    assert_int_equal(goes_to(f->main, "tcp"), 5);
    assert_true(find(f->main, "tcp")->cookie == 3);
    add(f, f->emergency, "udp", 6);
    assert_int_equal(goes_to(f->main, "udp"), 6);
    change(f, f->emergency, OFPFC_DELETE, "tcp", 0);
    assert_int_equal(goes_to(f->main, "tcp"), 0);
    assert_int_equal(flow_emergency_n_acting(f->main), 1);
}

static void
a_flow_that_was_changed_is_the_controllers(void **state)
{
    struct fixture *f = *state;
    add(f, f->emergency, "tcp", 4);
    add(f, f->emergency, "udp", 4);
    begin(f);
    flow_emergency_end(f->emergency);
    change(f, f->main, OFPFC_MODIFY, "tcp", 5);
    add(f, f->main, "udp", 6);
    assert_int_equal(flow_emergency_n_acting(f->main), 0);
    assert_int_equal(goes_to(f->emergency, "tcp"), 4);
    change(f, f->emergency, OFPFC_MODIFY, "", 7);
    assert_int_equal(goes_to(f->main, "tcp"), 5);
    assert_int_equal(goes_to(f->main, "udp"), 6);
    change(f, f->emergency, OFPFC_DELETE, "", 0);
    assert_int_equal(flow_table_count(f->main), 2);
}

static void
what_is_added_acts_in_an_emergency_only(void **state)
{
    struct fixture *f = *state;
    add(f, f->emergency, "tcp", 4);
    begin(f);
    add(f, f->emergency, "udp", 5);
    assert_int_equal(goes_to(f->main, "udp"), 5);
    flow_emergency_end(f->emergency);
    add(f, f->emergency, "icmp", 6);
    assert_int_equal(goes_to(f->main, "icmp"), 0);
}

static void
the_next_time_keeps_what_still_acts(void **state)
{
    struct fixture *f = *state;
    add(f, f->emergency, "tcp", 4);
    add(f, f->emergency, "udp", 4);
    begin(f);
    flow_emergency_end(f->emergency);
    count(f, find(f->main, "tcp"), 10);
    count(f, find(f->main, "udp"), 10);
    change(f, f->main, OFPFC_MODIFY, "udp", 9);
    add(f, f->main, "in_port=1", 2);
    begin(f);
    assert_int_equal(flow_table_count(f->main), 2);
    assert_int_equal(packets_of(find(f->main, "tcp")), 10);
    assert_int_equal(goes_to(f->main, "udp"), 4);
    assert_int_equal(packets_of(find(f->main, "udp")), 0);     /* another flow */
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_a_table_of_its_own),
        TEST(it_has_a_bound_of_its_own),
        TEST(time_outs_are_refused),
        TEST(overlap_is_checked_within_it),
        TEST(commands_work_on_it),
        TEST(nobody_is_told_when_one_goes),
        TEST(they_act_and_the_others_go),
        TEST(they_act_before_the_others_go),
        TEST(a_table_may_go_while_it_is_cleared),
        TEST(a_full_table_takes_them),
        TEST(masks_that_ran_out_are_there_again),
        TEST(an_acting_flow_follows_its_original),
        TEST(a_flow_that_was_changed_is_the_controllers),
        TEST(what_is_added_acts_in_an_emergency_only),
        TEST(the_next_time_keeps_what_still_acts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
