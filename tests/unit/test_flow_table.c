/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/epoch.h"
#include "lib/flow_text.h"
#include "ofagent/flow_table.h"
#include "tests/unit/fake_clock.h"

enum { MAX_FLOWS = 6000 };

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    struct flow_table *ft;
    struct ofp_flow_mod fm;
    struct ofp_refusal refusal;
    struct ofp_flow_removed removed[8];   /* the first ones told */
    unsigned n_removed;
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
    if (f->n_removed < 8) {
        f->removed[f->n_removed] = *removed;
    }
    f->n_removed++;
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
    f->ft = flow_table_new(f->dp, f->bridge, MAX_FLOWS, &table_ops, f);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    flow_table_free(f->ft);
    dp_bridge_free(f->bridge);
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    return 0;
}

/* --- messages ---------------------------------------------------------------------------- */

static void
match_of(const char *text, struct ofp_match *match)
{
    struct errmsg err;
    match->exact = false;
    if (flow_match_parse(text, NULL, &match->match, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
}

/* Begins a message: priority 100, one output to port 2, nothing else. */
static struct ofp_flow_mod *
message(struct fixture *f, uint16_t command, const char *match)
{
    struct ofp_flow_mod *fm = &f->fm;
    memset(fm, 0, offsetof(struct ofp_flow_mod, actions));
    match_of(match, &fm->match);
    fm->command = command;
    fm->priority = 100;
    fm->out_port = PORT_NONE;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->n_actions = 1;
    memset(&fm->actions[0], 0, sizeof fm->actions[0]);
    fm->actions[0].type = ACTION_OUTPUT;
    fm->actions[0].output.port = 2;
    return fm;
}

static struct flow *
run(struct fixture *f)
{
    struct flow *flow = NULL;
    assert_int_equal(flow_table_mod(f->ft, &f->fm, &flow, &f->refusal), 0);
    return flow;
}

static void
refused(struct fixture *f, uint16_t code)
{
    struct flow *flow = (struct flow *) 1;
    size_t before = flow_table_count(f->ft);
    assert_int_equal(flow_table_mod(f->ft, &f->fm, &flow, &f->refusal), OFP_REFUSED);
    assert_null(flow);
    assert_int_equal(f->refusal.type, OFPET_FLOW_MOD_FAILED);
    assert_int_equal(f->refusal.code, code);
    assert_non_null(f->refusal.why);
    assert_int_equal(flow_table_count(f->ft), before);
}

static struct flow *
add(struct fixture *f, const char *match, uint16_t priority, uint16_t out_port)
{
    message(f, OFPFC_ADD, match);
    f->fm.priority = priority;
    f->fm.actions[0].output.port = out_port;
    return run(f);
}

static void
count(struct fixture *f, struct flow *flow, uint64_t packets, uint64_t bytes)
{
    rule_count(&flow->rule, dp_n_workers(f->dp), packets, bytes, clock_ms());
}

/* --- what is in the table ------------------------------------------------------------------ */

struct found {
    unsigned n;
    const struct flow *flow[16];
};

static bool
note(const struct flow *flow, void *found_)
{
    struct found *found = found_;
    if (found->n < 16) {
        found->flow[found->n] = flow;
    }
    found->n++;
    return true;
}

static struct found
find(struct fixture *f, const char *match_text, uint16_t out_port)
{
    struct ofp_match match;
    struct found found = { 0 };
    match_of(match_text, &match);
    flow_table_for_each(f->ft, &match, out_port, note, &found);
    return found;
}

static uint16_t
out_port(const struct flow *flow)
{
    return flow_actions(flow)->actions[0].output.port;
}

/* --- ADD ------------------------------------------------------------------------------------ */

static void
add_puts_a_flow_in(void **state)
{
    struct fixture *f = *state;
    struct flow *flow = add(f, "tcp,tp_dst=80", 7, 3);
    assert_int_equal(flow_table_count(f->ft), 1);
    struct found found = find(f, "", PORT_NONE);
    assert_int_equal(found.n, 1);
    assert_ptr_equal(found.flow[0], flow);
    struct ofp_match match, expected;
    flow_get_match(f->ft, flow, &match);
    match_of("tcp,tp_dst=80", &expected);
    assert_memory_equal(&match.match, &expected.match, sizeof match.match);
    assert_false(match.exact);
    assert_int_equal(flow->priority, 7);
    assert_int_equal(out_port(flow), 3);
}

static void
add_replaces_the_identical_flow_and_zeroes_its_counters(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1")->flags = OFPFF_SEND_FLOW_REM;
    f->fm.cookie = 1;
    count(f, run(f), 5, 500);
    fake_clock_advance_ms(5000);
    struct flow *flow = add(f, "in_port=1", 100, 4);
    struct flow_stats stats;
    flow_get_stats(flow, &stats);
    assert_int_equal(stats.packets, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.duration_ns, 0);
    assert_int_equal(flow->cookie, 0);
    assert_int_equal(out_port(flow), 4);
    assert_int_equal(flow_table_count(f->ft), 1);
    flow_table_settle(f->ft);
    assert_int_equal(f->n_removed, 0);
}

static void
flows_of_other_priorities_are_other_flows(void **state)
{
    struct fixture *f = *state;
    add(f, "in_port=1", 100, 2);
    add(f, "in_port=1", 101, 2);
    add(f, "in_port=2", 100, 2);
    assert_int_equal(flow_table_count(f->ft), 3);
}

/* A match without wildcards outranks everything, so its priority tells no flows apart. */
static void
exact_flows_are_identical_whatever_their_priority(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1")->match.exact = true;
    memset(&f->fm.match.match.mask.bits, 0, sizeof(struct flow_key));
    for (int i = 0; i < FLOW_LANES; i++) {
        f->fm.match.match.mask.bits.lane[i] = UINT64_MAX;
    }
    f->fm.priority = 5;
    run(f);
    f->fm.priority = 6;
    struct flow *flow = run(f);
    assert_int_equal(flow_table_count(f->ft), 1);
    assert_int_equal(flow->priority, 6);
    assert_int_equal(flow->rule.rank, RULE_RANK_EXACT);
    f->fm.command = OFPFC_DELETE_STRICT;
    f->fm.priority = 99;
    run(f);
    assert_int_equal(flow_table_count(f->ft), 0);
}

static void
check_overlap_compares_flows_of_the_same_priority(void **state)
{
    struct fixture *f = *state;
    add(f, "tcp,tp_dst=80", 100, 2);
    message(f, OFPFC_ADD, "in_port=1")->flags = OFPFF_CHECK_OVERLAP;
    refused(f, OFPFMFC_OVERLAP);
    f->fm.priority = 99;
    run(f);                                 /* other priority */
    message(f, OFPFC_ADD, "udp,tp_dst=80")->flags = OFPFF_CHECK_OVERLAP;
    run(f);                                 /* no common packet */
    message(f, OFPFC_ADD, "tcp,tp_dst=80")->flags = OFPFF_CHECK_OVERLAP;
    refused(f, OFPFMFC_OVERLAP);             /* with itself */
    assert_int_equal(flow_table_count(f->ft), 3);
}

static void
a_full_table_refuses_but_still_replaces(void **state)
{
    struct fixture *f = *state;
    flow_table_set_max(f->ft, 2);
    add(f, "in_port=1", 1, 2);
    add(f, "in_port=2", 1, 2);
    message(f, OFPFC_ADD, "in_port=3");
    refused(f, OFPFMFC_ALL_TABLES_FULL);
    message(f, OFPFC_MODIFY, "in_port=3");
    refused(f, OFPFMFC_ALL_TABLES_FULL);
    assert_int_equal(out_port(add(f, "in_port=2", 1, 9)), 9);
    assert_int_equal(flow_table_count(f->ft), 2);
}

static void
an_unknown_command_is_refused(void **state)
{
    struct fixture *f = *state;
    message(f, 5, "in_port=1");
    refused(f, OFPFMFC_BAD_COMMAND);
}

/* --- MODIFY ---------------------------------------------------------------------------------- */

static void
modify_changes_actions_and_cookie_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "tcp,tp_dst=80")->idle_timeout = 10;
    f->fm.flags = OFPFF_SEND_FLOW_REM;
    struct flow *flow = run(f);
    count(f, flow, 3, 300);
    fake_clock_advance_ms(4000);
    message(f, OFPFC_MODIFY, "tcp")->cookie = 42;
    f->fm.idle_timeout = 1000;
    f->fm.out_port = 77;                      /* ignored */
    f->fm.actions[0].output.port = 9;
    assert_ptr_equal(run(f), flow);
    struct flow_stats stats;
    flow_get_stats(flow, &stats);
    assert_int_equal(stats.packets, 3);
    assert_int_equal(stats.bytes, 300);
    assert_int_equal(stats.duration_ns, 4000000000);
    assert_int_equal(flow->idle_timeout, 10);
    assert_int_equal(flow->flags, OFPFF_SEND_FLOW_REM);
    assert_int_equal(flow->cookie, 42);
    assert_int_equal(out_port(flow), 9);
    assert_int_equal(flow_table_count(f->ft), 1);
    fake_clock_advance_ms(6200);
    flow_table_expire(f->ft);
    assert_int_equal(flow_table_count(f->ft), 0);
}

static void
modify_covers_more_specific_flows_of_any_priority(void **state)
{
    struct fixture *f = *state;
    add(f, "tcp,tp_dst=80,in_port=1", 1, 2);
    add(f, "tcp,tp_dst=80", 200, 2);
    add(f, "tcp", 100, 2);
    add(f, "udp,tp_dst=80", 100, 2);
    message(f, OFPFC_MODIFY, "tcp,tp_dst=80")->actions[0].output.port = 5;
    run(f);
    assert_int_equal(find(f, "", 5).n, 2);
    assert_int_equal(find(f, "", 2).n, 2);
}

static void
modify_strict_changes_the_identical_flow_only(void **state)
{
    struct fixture *f = *state;
    add(f, "tcp,tp_dst=80", 100, 2);
    add(f, "tcp,tp_dst=80", 101, 2);
    add(f, "tcp", 100, 2);
    message(f, OFPFC_MODIFY_STRICT, "tcp,tp_dst=80")->actions[0].output.port = 5;
    run(f);
    struct found found = find(f, "", 5);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.flow[0]->priority, 100);
    assert_int_equal(flow_table_count(f->ft), 3);
}

static void
modify_of_nothing_adds(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_MODIFY, "tcp");
    assert_non_null(run(f));
    message(f, OFPFC_MODIFY_STRICT, "tcp")->priority = 5;
    assert_non_null(run(f));
    assert_int_equal(flow_table_count(f->ft), 2);
    message(f, OFPFC_MODIFY_STRICT, "in_port=1")->flags = OFPFF_CHECK_OVERLAP;
    refused(f, OFPFMFC_OVERLAP);
}

/* --- DELETE ----------------------------------------------------------------------------------- */

static void
delete_covers_more_specific_flows(void **state)
{
    struct fixture *f = *state;
    add(f, "tcp,nw_src=10.1.0.0/16,tp_dst=80", 1, 2);
    add(f, "tcp,nw_src=10.1.2.0/24", 2, 2);
    add(f, "tcp,nw_src=10.0.0.0/8", 3, 2);
    add(f, "udp", 4, 2);
    message(f, OFPFC_DELETE, "tcp,nw_src=10.1.0.0/16");
    assert_null(run(f));
    assert_int_equal(flow_table_count(f->ft), 2);
    message(f, OFPFC_DELETE, "");
    run(f);
    assert_int_equal(flow_table_count(f->ft), 0);
    run(f);
    assert_int_equal(flow_table_count(f->ft), 0);
}

static void
delete_strict_takes_the_identical_flow_only(void **state)
{
    struct fixture *f = *state;
    add(f, "tcp,tp_dst=80", 100, 2);
    add(f, "tcp,tp_dst=80", 101, 2);
    add(f, "tcp", 100, 2);
    message(f, OFPFC_DELETE_STRICT, "tcp,tp_dst=80");
    run(f);
    assert_int_equal(flow_table_count(f->ft), 2);
    assert_int_equal(find(f, "tcp,tp_dst=80", PORT_NONE).flow[0]->priority, 101);
    run(f);
    assert_int_equal(flow_table_count(f->ft), 2);
}

static void
deletes_honour_out_port(void **state)
{
    struct fixture *f = *state;
    add(f, "in_port=1", 100, 2);
    add(f, "in_port=2", 100, 3);
    message(f, OFPFC_ADD, "in_port=3");
    f->fm.n_actions = 2;                       /* 2, then 3 */
    f->fm.actions[1] = f->fm.actions[0];
    f->fm.actions[1].output.port = 3;
    run(f);
    message(f, OFPFC_ADD, "in_port=4")->n_actions = 0;
    run(f);
    message(f, OFPFC_DELETE_STRICT, "in_port=1")->out_port = 3;
    run(f);
    assert_int_equal(flow_table_count(f->ft), 4);
    message(f, OFPFC_DELETE, "")->out_port = 3;
    run(f);
    assert_int_equal(flow_table_count(f->ft), 2);
    assert_int_equal(find(f, "", 2).n, 1);
}

/* --- FLOW_REMOVED ----------------------------------------------------------------------------- */

static void
flow_removed_says_what_the_flow_was(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "udp,tp_src=53")->flags = OFPFF_SEND_FLOW_REM;
    f->fm.cookie = 0x1122334455667788;
    f->fm.priority = 1234;
    f->fm.idle_timeout = 60;
    f->fm.hard_timeout = 600;
    struct ofp_match match = f->fm.match;
    count(f, run(f), 7, 700);
    add(f, "udp,tp_src=54", 1, 2);              /* without the flag: nothing is told */
    fake_clock_advance_ms(2500);
    message(f, OFPFC_DELETE, "udp");
    run(f);
    assert_int_equal(f->n_removed, 0);
    flow_table_settle(f->ft);
    assert_int_equal(f->n_removed, 1);
    const struct ofp_flow_removed *r = &f->removed[0];
    assert_memory_equal(&r->match.match, &match.match, sizeof match.match);
    assert_int_equal(r->cookie, 0x1122334455667788);
    assert_int_equal(r->priority, 1234);
    assert_int_equal(r->idle_timeout, 60);
    assert_int_equal(r->reason, OFPRR_DELETE);
    assert_int_equal(r->packets, 7);
    assert_int_equal(r->bytes, 700);
    assert_int_equal(r->duration_s, 2);
    assert_int_equal(r->duration_ns, 500000000);
}

/* A worker that is busy may still count in a flow that was removed: FLOW_REMOVED waits for
 * it, and what it counts is in. */
static void
flow_removed_has_final_counters(void **state)
{
    struct fixture *f = *state;
    struct epoch_reader *worker = epoch_reader_new();
    message(f, OFPFC_ADD, "in_port=1")->flags = OFPFF_SEND_FLOW_REM;
    struct flow *flow = run(f);
    epoch_online(worker);
    message(f, OFPFC_DELETE, "");
    run(f);
    flow_table_settle(f->ft);
    flow_table_poll(f->ft);
    assert_int_equal(f->n_removed, 0);
    count(f, flow, 9, 900);
    epoch_quiescent(worker);
    flow_table_poll(f->ft);
    assert_int_equal(f->n_removed, 1);
    assert_int_equal(f->removed[0].packets, 9);
    epoch_offline(worker);
    epoch_reader_free(worker);
    dp_run_once(f->dp);                          /* its barrier is over too */
    assert_int_equal(f->n_removed, 1);
}

/* Also when a barrier of its own ends the wait, and in order. */
static void
flow_removed_comes_by_itself(void **state)
{
    struct fixture *f = *state;
    struct epoch_reader *worker = epoch_reader_new();
    epoch_online(worker);
    for (int i = 0; i < 2; i++) {
        message(f, OFPFC_ADD, i ? "in_port=2" : "in_port=1")->flags = OFPFF_SEND_FLOW_REM;
        f->fm.cookie = (uint64_t) i;
        run(f);
        f->fm.command = OFPFC_DELETE_STRICT;
        run(f);
        flow_table_settle(f->ft);
    }
    dp_run_once(f->dp);
    assert_int_equal(f->n_removed, 0);
    epoch_offline(worker);
    dp_run_once(f->dp);
    dp_run_once(f->dp);
    assert_int_equal(f->n_removed, 2);
    assert_int_equal(f->removed[0].cookie, 0);
    assert_int_equal(f->removed[1].cookie, 1);
    epoch_reader_free(worker);
}

static void
a_table_is_freed_with_flows_that_wait_to_be_told_of(void **state)
{
    struct fixture *f = *state;
    struct epoch_reader *worker = epoch_reader_new();
    epoch_online(worker);
    message(f, OFPFC_ADD, "in_port=1")->flags = OFPFF_SEND_FLOW_REM;
    run(f);
    f->fm.command = OFPFC_DELETE;
    run(f);
    flow_table_settle(f->ft);
    add(f, "in_port=2", 1, 2);
    epoch_offline(worker);
    epoch_reader_free(worker);
}

/* --- time-outs -------------------------------------------------------------------------------- */

static void
idle_and_hard_time_outs_end_flows(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1")->idle_timeout = 5;
    f->fm.flags = OFPFF_SEND_FLOW_REM;
    struct flow *idle = run(f);
    message(f, OFPFC_ADD, "in_port=2")->hard_timeout = 8;
    f->fm.flags = OFPFF_SEND_FLOW_REM;
    struct flow *hard = run(f);
    add(f, "in_port=3", 1, 2);
    uint32_t wait = flow_table_expire(f->ft);
    assert_true(wait > 0 && wait <= 5200);

    fake_clock_advance_ms(4000);
    flow_table_expire(f->ft);
    count(f, idle, 1, 60);                        /* the idle one is used */
    count(f, hard, 1, 60);
    fake_clock_advance_ms(4200);
    flow_table_expire(f->ft);
    assert_int_equal(f->n_removed, 1);
    assert_int_equal(f->removed[0].reason, OFPRR_HARD_TIMEOUT);
    assert_int_equal(f->removed[0].duration_s, 8);
    fake_clock_advance_ms(700);
    flow_table_expire(f->ft);
    assert_int_equal(f->n_removed, 1);            /* 4.9 s idle */
    fake_clock_advance_ms(300);
    assert_int_equal(flow_table_expire(f->ft), UINT32_MAX);
    assert_int_equal(f->n_removed, 2);
    assert_int_equal(f->removed[1].reason, OFPRR_IDLE_TIMEOUT);
    assert_int_equal(flow_table_count(f->ft), 1);
}

static void
the_earlier_of_both_time_outs_counts(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1")->idle_timeout = 2;
    f->fm.hard_timeout = 3;
    f->fm.flags = OFPFF_SEND_FLOW_REM;
    struct flow *flow = run(f);
    fake_clock_advance_ms(1500);
    flow_table_expire(f->ft);
    count(f, flow, 1, 60);
    fake_clock_advance_ms(1700);
    flow_table_expire(f->ft);
    assert_int_equal(f->n_removed, 1);
    assert_int_equal(f->removed[0].reason, OFPRR_HARD_TIMEOUT);
}

static void
a_replaced_flow_has_the_new_time_out(void **state)
{
    struct fixture *f = *state;
    message(f, OFPFC_ADD, "in_port=1")->idle_timeout = 2;
    run(f);
    add(f, "in_port=1", 100, 2);
    fake_clock_advance_ms(10000);
    assert_int_equal(flow_table_expire(f->ft), UINT32_MAX);
    assert_int_equal(flow_table_count(f->ft), 1);
}

static void
many_time_outs_are_handled_in_pieces(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 5000; i++) {
        char text[32];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i);
        message(f, OFPFC_ADD, text)->hard_timeout = 1;
        run(f);
    }
    fake_clock_advance_ms(1200);
    assert_int_equal(flow_table_expire(f->ft), 0);
    size_t left = flow_table_count(f->ft);
    assert_true(left > 0 && left < 5000);
    assert_int_equal(flow_table_expire(f->ft), UINT32_MAX);
    assert_int_equal(flow_table_count(f->ft), 0);
}

/* --- cursors ---------------------------------------------------------------------------------- */

static void
add_many(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i);
        message(f, OFPFC_ADD, text)->cookie = i;
        run(f);
    }
}

static void
open_all(struct fixture *f, struct flow_cursor *cursor)
{
    struct ofp_match all;
    match_of("", &all);
    flow_cursor_open(f->ft, cursor, &all, PORT_NONE);
}

/* Walks up to 'n' flows; adds 1 to seen[cookie] of each. */
static unsigned
walk(struct fixture *f, struct flow_cursor *cursor, unsigned n, unsigned seen[])
{
    unsigned walked = 0;
    uint32_t budget = n;
    struct flow *flow;
    while ((flow = flow_cursor_next(f->ft, cursor, &budget))) {
        seen[flow->cookie]++;
        walked++;
    }
    return walked;
}

static void
a_walk_may_be_interrupted(void **state)
{
    struct fixture *f = *state;
    struct flow_cursor cursor;
    unsigned seen[20] = { 0 };
    add_many(f, 20);
    open_all(f, &cursor);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(walk(f, &cursor, 5, seen), 5);
    }
    uint32_t budget = 1;
    assert_null(flow_cursor_next(f->ft, &cursor, &budget));
    assert_int_equal(budget, 1);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(seen[i], 1);
    }
    flow_cursor_close(&cursor);
}

static void
a_walk_sees_only_what_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct flow_cursor cursor;
    struct ofp_match match;
    unsigned seen[50] = { 0 };
    add_many(f, 20);
    add(f, "udp", 1, 2)->cookie = 30;
    add(f, "tcp,tp_dst=5,in_port=1", 1, 7)->cookie = 31;
    match_of("tcp,tp_dst=5", &match);
    flow_cursor_open(f->ft, &cursor, &match, PORT_NONE);
    assert_int_equal(walk(f, &cursor, 100, seen), 2);
    assert_int_equal(seen[5] + seen[31], 2);
    flow_cursor_close(&cursor);
    flow_cursor_open(f->ft, &cursor, &match, 7);
    assert_int_equal(walk(f, &cursor, 100, seen), 1);
    flow_cursor_close(&cursor);
}

/* Random changes in the middle of walks: what is there throughout comes exactly once. */
static void
a_walk_survives_changes(void **state)
{
    enum { N = 60 };
    struct fixture *f = *state;
    unsigned seed = 7;
    for (unsigned round = 0; round < 300; round++) {
        struct flow_cursor cursors[2];
        unsigned seen[2][2 * N] = { 0 };
        bool there[2 * N] = { false };
        message(f, OFPFC_DELETE, "");
        run(f);
        add_many(f, N);
        open_all(f, &cursors[0]);
        walk(f, &cursors[0], rand_r(&seed) % N, seen[0]);
        open_all(f, &cursors[1]);
        memset(there, true, N);
        for (unsigned i = 0; i < 40; i++) {
            char text[32];
            unsigned k = rand_r(&seed) % N, what = rand_r(&seed) % 4;
            snprintf(text, sizeof text, "tcp,tp_dst=%u", k);
            if (what == 0) {
                message(f, OFPFC_DELETE, text);
                run(f);
                there[k] = false;
            } else if (what == 1 && there[k]) {
                message(f, OFPFC_ADD, text)->cookie = k;    /* replaced */
                run(f);
            } else if (what == 2) {
                snprintf(text, sizeof text, "udp,tp_dst=%u", k);
                message(f, OFPFC_ADD, text)->cookie = N + k; /* new: not seen */
                run(f);
            } else {
                walk(f, &cursors[i & 1], 3, seen[i & 1]);
            }
        }
        for (unsigned c = 0; c < 2; c++) {
            walk(f, &cursors[c], 1000, seen[c]);
            for (unsigned k = 0; k < N; k++) {
                assert_true(seen[c][k] <= 1);
                assert_true(!there[k] || seen[c][k] == 1);
                assert_int_equal(seen[c][N + k], 0);
            }
            flow_cursor_close(&cursors[c]);
        }
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(add_puts_a_flow_in),
        TEST(add_replaces_the_identical_flow_and_zeroes_its_counters),
        TEST(flows_of_other_priorities_are_other_flows),
        TEST(exact_flows_are_identical_whatever_their_priority),
        TEST(check_overlap_compares_flows_of_the_same_priority),
        TEST(a_full_table_refuses_but_still_replaces),
        TEST(an_unknown_command_is_refused),
        TEST(modify_changes_actions_and_cookie_and_nothing_else),
        TEST(modify_covers_more_specific_flows_of_any_priority),
        TEST(modify_strict_changes_the_identical_flow_only),
        TEST(modify_of_nothing_adds),
        TEST(delete_covers_more_specific_flows),
        TEST(delete_strict_takes_the_identical_flow_only),
        TEST(deletes_honour_out_port),
        TEST(flow_removed_says_what_the_flow_was),
        TEST(flow_removed_has_final_counters),
        TEST(flow_removed_comes_by_itself),
        TEST(a_table_is_freed_with_flows_that_wait_to_be_told_of),
        TEST(idle_and_hard_time_outs_end_flows),
        TEST(the_earlier_of_both_time_outs_counts),
        TEST(a_replaced_flow_has_the_new_time_out),
        TEST(many_time_outs_are_handled_in_pieces),
        TEST(a_walk_may_be_interrupted),
        TEST(a_walk_sees_only_what_was_asked_for),
        TEST(a_walk_survives_changes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
