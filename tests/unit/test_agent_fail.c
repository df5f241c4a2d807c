/* SPDX-License-Identifier: Apache-2.0 */
/* What holds while nobody controls the switch: over sockets, under numbered packets, on a clock
 * that the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/flow_text.h"
#include "ofagent/flow_emergency.h"
#include "tests/unit/agent_rig.h"

enum { LOST_MS = 15000, STEP_MS = 250, MANY = 120000, TABLE_EMERGENCY = 0xfe };

struct fixture {
    struct rig rig;
    struct peer one, two;
    struct ofp_refusal refusal;
    uint16_t sent;                 /* number of the latest packet */
    uint8_t frame[128], got[128];
};

static const struct agent_config *
config_of(enum agent_fail_mode mode, uint32_t max_emergency_flows)
{
    static struct agent_config config;
    config = rig_config;
    config.fail_mode = mode;
    config.max_emergency_flows = max_emergency_flows;
    return &config;
}

static void
become_live(struct peer *peer)
{
    peer_send_header(peer, OFPT_FEATURES_REQUEST, 1);
    peer_expect(peer, OFPT_FEATURES_REPLY);
}

static void
connect_live(struct fixture *f, struct peer *peer)
{
    peer_hello(peer, &f->rig, f->rig.path);
    become_live(peer);
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rig_init(&f->rig, config_of(AGENT_FAIL_SECURE, 100));
    connect_live(f, &f->one);
    connect_live(f, &f->two);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    rig_fini(&f->rig);
    free(f);
    return 0;
}

/* --- the controllers -------------------------------------------------------------------------- */

static void
change(struct fixture *f, struct peer *peer, uint16_t command, const char *match, uint16_t port,
       uint16_t flags)
{
    struct ofp_flow_mod *fm = flow_mod_of(command, match, port);
    (void) f;
    fm->flags = flags;
    ofp_encode_flow_mod(&peer->out, 7, fm);
    peer_send(peer);
    peer_barrier(peer);
}

static void
lose_both(struct fixture *f)
{
    peer_close(&f->one);
    peer_close(&f->two);
}

static enum agent_mode
mode(const struct fixture *f)
{
    struct agent_status status;
    agent_get_status(f->rig.agent, &status);
    return status.mode;
}

static const char *
controllers(const struct fixture *f)
{
    struct agent_status status;
    agent_get_status(f->rig.agent, &status);
    return status.controllers;
}

static size_t
n_flows(const struct fixture *f)
{
    return flow_table_count(agent_flows(f->rig.agent));
}

/* Statistics of a table: how many flows there are, and the output of the latest. */
static unsigned
ask_flows(struct fixture *f, struct peer *peer, uint8_t table, uint16_t *port)
{
    static struct action actions[ACTION_LIST_MAX];
    struct ofp_stats_request request = { .type = OFPST_FLOW, .table_id = table,
                                         .out_port = PORT_NONE };
    struct ofp_stats_part part;
    struct ofp_flow_stats flow;
    unsigned n = 0;
    ofp_encode_stats_request(&peer->out, 3, &request);
    peer_send(peer);
    do {
        const uint8_t *msg = peer_expect(peer, OFPT_STATS_REPLY);
        assert_int_equal(ofp_decode_stats_reply(msg, peer->header.length, &part, &f->refusal), 0);
        while (reader_left(&part.body)) {
            assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &f->refusal), 0);
            assert_int_equal(flow.table_id, table == TABLE_EMERGENCY ? TABLE_EMERGENCY : 0);
            *port = flow.actions[0].output.port;
            n++;
        }
    } while (part.more);
    return n;
}

/* --- traffic ---------------------------------------------------------------------------------- */

/* Sends the next numbered packet into port 1. Returns the port that it left by, 0 for none. */
static uint16_t
send_one(struct fixture *f)
{
    uint16_t port = 0;
    rig_frame(f->frame, 100, 1, 2, 80);
    f->frame[60] = (uint8_t) (++f->sent >> 8);
    f->frame[61] = (uint8_t) f->sent;
    rig_inject(&f->rig, 1, f->frame, 100);
    for (uint16_t i = 1; i <= RIG_PORTS; i++) {
        while (rig_take(&f->rig, i, f->got, sizeof f->got)) {
            assert_memory_equal(f->got, f->frame, 100);       /* this one, and not late */
            assert_int_equal(port, 0);
            port = i;
        }
    }
    return port;
}

/* Lets time pass with a packet at each step, until one leaves by another port than 'port'.
 * Returns that, and in *ms how long it took. None is lost or doubled on the way. */
static uint16_t
until_other_port(struct fixture *f, uint16_t port, uint32_t *ms)
{
    uint16_t now = port;
    for (*ms = 0; now == port; *ms += STEP_MS) {
        assert_in_range(*ms, 0, 10 * LOST_MS);
        rig_pass_ms(&f->rig, STEP_MS);
        now = send_one(f);
    }
    return now;
}

/* --- lost, and back ------------------------------------------------------------------------------ */

static void
lost_means_all_of_them(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_mode_secure);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    assert_string_equal(controllers(f), "live");
    peer_close(&f->one);
    rig_pass_ms(&f->rig, 4000);
    peer_barrier(&f->two);                     /* it answers: it stays */
    rig_pass_ms(&f->rig, 4000);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    peer_close(&f->two);
    assert_int_equal(mode(f), AGENT_WAITING);
    assert_string_equal(controllers(f), "waiting");
    rig_pass_ms(&f->rig, LOST_MS - 250);
    assert_int_equal(mode(f), AGENT_WAITING);
    rig_pass_ms(&f->rig, 500);
    assert_int_equal(mode(f), AGENT_SECURE);
    assert_string_equal(controllers(f), "lost");
    rig_pass_ms(&f->rig, 60000);
    assert_true(counter_read(COUNTER_mode_secure) == before + 1);
    connect_live(f, &f->one);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    peer_close(&f->one);
}

static void
one_that_is_back_in_time_changes_nothing(void **state)
{
    struct fixture *f = *state;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 2, 0);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    for (int i = 0; i < 3; i++) {
        lose_both(f);
        for (int j = 0; j < 14; j++) {
            rig_pass_ms(&f->rig, 1000);
            assert_int_equal(send_one(f), 2);
        }
        connect_live(f, &f->one);
        connect_live(f, &f->two);
    }
    assert_int_equal(n_flows(f), 1);
    lose_both(f);
}

static void
a_silent_controller_is_lost(void **state)
{
    struct fixture *f = *state;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 2, 0);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    uint32_t ms;
    assert_int_equal(until_other_port(f, 2, &ms), 3);
    /* 5 s until it is asked, 5 s for the answer, and then 15 s. */
    assert_in_range(ms, 10000 + LOST_MS, 10000 + LOST_MS + 2 * STEP_MS);
    peer_expect_closed(&f->one);
    peer_expect_closed(&f->two);
    lose_both(f);
}

/* The agent's timer comes up in time although nothing was due when it last ran: the connections
 * had failed then, but were not gone yet. */
static void
the_end_of_the_last_connection_starts_the_clock(void **state)
{
    struct fixture *f = *state;
    for (struct session *s = f->rig.agent->sessions; s; s = s->next) {
        conn_fail(s->conn, "a test");
    }
    agent_run(f->rig.agent);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    lose_both(f);
    assert_int_equal(mode(f), AGENT_WAITING);
    assert_in_range(f->rig.agent->timer_ms, clock_ms(), clock_ms() + LOST_MS);
}

static void
a_tool_is_no_controller(void **state)
{
    struct fixture *f = *state;
    struct peer tool;
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    peer_hello(&tool, &f->rig, f->rig.mgmt_path);
    become_live(&tool);
    assert_int_equal(mode(f), AGENT_SECURE);
    peer_close(&tool);
}

static void
hello_alone_makes_no_controller(void **state)
{
    struct fixture *f = *state;
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS - 1000);
    peer_hello(&f->one, &f->rig, f->rig.path);
    rig_pass_ms(&f->rig, 1500);
    assert_int_equal(mode(f), AGENT_SECURE);
    become_live(&f->one);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    peer_close(&f->one);
}

static void
who_never_came_is_lost_too(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void) state;
    rig_init(&f->rig, config_of(AGENT_FAIL_STANDALONE, 0));
    rig_pass_ms(&f->rig, LOST_MS - 500);
    assert_int_equal(mode(f), AGENT_WAITING);
    rig_pass_ms(&f->rig, 750);
    assert_int_equal(mode(f), AGENT_STANDALONE);
    rig_fini(&f->rig);
    free(f);
}

static void
the_probe_sets_the_time(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = *config_of(AGENT_FAIL_SECURE, 100);
    config.inactivity_probe_s = 1;
    agent_set_config(f->rig.agent, &config);
    lose_both(f);
    rig_pass_ms(&f->rig, 2750);
    assert_int_equal(mode(f), AGENT_WAITING);
    rig_pass_ms(&f->rig, 500);
    assert_int_equal(mode(f), AGENT_SECURE);
    config.inactivity_probe_s = 0;            /* never asked: the time is the default's */
    agent_set_config(f->rig.agent, &config);
    connect_live(f, &f->one);
    rig_pass_ms(&f->rig, 60000);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    peer_close(&f->one);
    rig_pass_ms(&f->rig, LOST_MS - 250);
    assert_int_equal(mode(f), AGENT_WAITING);
    rig_pass_ms(&f->rig, 500);
    assert_int_equal(mode(f), AGENT_SECURE);
}

/* --- secure, standalone ---------------------------------------------------------------------------- */

static void
secure_keeps_flows_and_drops_misses(void **state)
{
    struct fixture *f = *state;
    change(f, &f->one, OFPFC_ADD, "in_port=1,udp", 2, 0);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    uint64_t before = counter_read(COUNTER_miss_no_controller);
    assert_int_equal(send_one(f), 0);
    assert_true(counter_read(COUNTER_miss_no_controller) == before + 1);
    assert_int_equal(n_flows(f), 1);
}

static void
standalone_takes_misses_below_the_flows(void **state)
{
    struct fixture *f = *state;
    uint32_t ms;
    agent_set_config(f->rig.agent, config_of(AGENT_FAIL_STANDALONE, 100));
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1,tcp", 2);
    fm->hard_timeout = 40;
    ofp_encode_flow_mod(&f->one.out, 7, fm);
    change(f, &f->one, OFPFC_ADD, "in_port=3", PORT_NONE, 0);
    rig_frame(f->frame, 100, 2, 1, 80);       /* where host 2 is: behind port 3 */
    agent_set_config(f->rig.agent, config_of(AGENT_FAIL_STANDALONE, 100));
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    assert_int_equal(mode(f), AGENT_STANDALONE);
    rig_inject(&f->rig, 2, f->frame, 100);    /* learnt: 2 is behind port 2 */
    for (uint16_t i = 1; i <= RIG_PORTS; i++) {
        rig_take(&f->rig, i, f->got, sizeof f->got);
    }
    assert_int_equal(send_one(f), 2);          /* by the flow, while it lasts */
    rig_pass_ms(&f->rig, 30000);
    assert_int_equal(n_flows(f), 1);
    assert_int_equal(send_one(f), 2);          /* by NORMAL */
    connect_live(f, &f->one);
    peer_barrier(&f->one);
    assert_int_equal(send_one(f), 0);          /* and that is for the controller */
    peer_expect(&f->one, OFPT_PACKET_IN);
    peer_close(&f->one);
    assert_int_equal(until_other_port(f, 0, &ms), 2);
    assert_in_range(ms, LOST_MS, LOST_MS + 2 * STEP_MS);
}

static void
the_fail_mode_may_change_while_they_are_lost(void **state)
{
    struct fixture *f = *state;
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    agent_set_config(f->rig.agent, config_of(AGENT_FAIL_STANDALONE, 100));
    rig_pass_ms(&f->rig, 50);
    assert_int_equal(mode(f), AGENT_STANDALONE);
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_NORMAL);
    agent_set_config(f->rig.agent, config_of(AGENT_FAIL_SECURE, 100));
    rig_pass_ms(&f->rig, 50);
    assert_int_equal(mode(f), AGENT_SECURE);
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_DROP);
}

/* --- emergency --------------------------------------------------------------------------------------- */

static void
emergency_begins_when_all_are_lost(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    uint32_t ms;
    uint64_t before = counter_read(COUNTER_mode_emergency);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 2, OFPFF_SEND_FLOW_REM);
    change(f, &f->two, OFPFC_ADD, "in_port=1,tcp", 3, OFPFF_EMERG | OFPFF_SEND_FLOW_REM);
    assert_int_equal(send_one(f), 2);
    peer_close(&f->one);
    rig_pass_ms(&f->rig, 3000);
    peer_close(&f->two);
    assert_int_equal(until_other_port(f, 2, &ms), 3);
    assert_in_range(ms, LOST_MS, LOST_MS + 2 * STEP_MS);
    assert_int_equal(mode(f), AGENT_EMERGENCY);
    assert_int_equal(n_flows(f), 1);
    rig_pass_ms(&f->rig, 60000);
    assert_int_equal(send_one(f), 3);

    connect_live(f, &f->one);
    peer_barrier(&f->one);
    assert_int_equal(mode(f), AGENT_CONTROLLED);
    assert_int_equal(send_one(f), 3);          /* they act on */
    assert_int_equal(ask_flows(f, &f->one, 0xff, &port), 1);
    assert_int_equal(port, 3);
    change(f, &f->one, OFPFC_ADD, "in_port=1,tcp", 2, 0);
    assert_int_equal(send_one(f), 2);          /* until it changes them */
    assert_int_equal(ask_flows(f, &f->one, TABLE_EMERGENCY, &port), 1);
    assert_int_equal(port, 3);
    change(f, &f->one, OFPFC_DELETE, "", PORT_NONE, 0);
    assert_int_equal(send_one(f), 0);
    peer_expect(&f->one, OFPT_PACKET_IN);
    assert_int_equal(ask_flows(f, &f->one, TABLE_EMERGENCY, &port), 1);
    assert_true(counter_read(COUNTER_mode_emergency) == before + 1);
    peer_close(&f->one);
    assert_int_equal(until_other_port(f, 0, &ms), 3);   /* and once more */
}

static void
no_emergency_flows_no_emergency(void **state)
{
    struct fixture *f = *state;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 2, 0);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    change(f, &f->one, OFPFC_DELETE, "", PORT_NONE, OFPFF_EMERG);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    assert_int_equal(mode(f), AGENT_SECURE);
    assert_int_equal(send_one(f), 2);
}

static void
emergency_wins_over_standalone(void **state)
{
    struct fixture *f = *state;
    agent_set_config(f->rig.agent, config_of(AGENT_FAIL_STANDALONE, 100));
    change(f, &f->one, OFPFC_ADD, "in_port=1,udp", 3, OFPFF_EMERG);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    assert_int_equal(mode(f), AGENT_EMERGENCY);
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_DROP);
    assert_int_equal(send_one(f), 0);
}

/* A tool takes the last one away, and puts one in again. */
static void
a_tool_changes_emergency_flows_while_they_act(void **state)
{
    struct fixture *f = *state;
    struct peer tool;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 250);
    assert_int_equal(send_one(f), 3);
    peer_hello(&tool, &f->rig, f->rig.mgmt_path);
    change(f, &tool, OFPFC_MODIFY, "", 2, OFPFF_EMERG);
    assert_int_equal(send_one(f), 2);
    change(f, &tool, OFPFC_DELETE, "", PORT_NONE, OFPFF_EMERG);
    assert_int_equal(send_one(f), 0);
    rig_pass_ms(&f->rig, 50);
    assert_int_equal(mode(f), AGENT_SECURE);
    change(f, &tool, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    rig_pass_ms(&f->rig, 50);
    assert_int_equal(mode(f), AGENT_EMERGENCY);
    assert_int_equal(send_one(f), 3);
    peer_close(&tool);
}

static void
a_buffered_packet_goes_through_an_emergency_flow(void **state)
{
    struct fixture *f = *state;
    struct ofp_packet_in in;
    assert_int_equal(send_one(f), 0);
    const uint8_t *msg = peer_expect(&f->one, OFPT_PACKET_IN);
    assert_int_equal(ofp_decode_packet_in(msg, f->one.header.length, &in, &f->refusal), 0);
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 3);
    fm->flags = OFPFF_EMERG;
    fm->buffer_id = in.buffer_id;
    ofp_encode_flow_mod(&f->one.out, 7, fm);
    peer_send(&f->one);
    peer_barrier(&f->one);
    assert_int_equal(rig_take(&f->rig, 3, f->got, sizeof f->got), 100);
    assert_int_equal(send_one(f), 0);           /* but no other does */
    lose_both(f);
}

static void
add_many(struct fixture *f, struct peer *peer)
{
    for (int i = 0; i < MANY; i++) {
        char match[40];
        snprintf(match, sizeof match, "tcp,nw_src=10.%d.%d.%d", i >> 16, i >> 8 & 255,
                 i & 255);
        put_flow_mod(peer, OFPFC_ADD, match, 2);
        if (peer->out.size > 60000) {
            peer_send(peer);
        }
    }
    peer_send(peer);
    peer_barrier(peer);
    (void) f;
}

/* The table is cleared in pieces; a controller that is back meanwhile finds it cleared. */
static void
who_is_back_early_waits_until_the_table_is_cleared(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    add_many(f, &f->one);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS - 50);
    rig_creep(UINT64_C(100000000));
    agent_run(f->rig.agent);
    rig_creep(0);
    assert_int_equal(mode(f), AGENT_EMERGENCY);
    assert_true(n_flows(f) > MANY / 8);
    peer_connect(&f->one, &f->rig, f->rig.path);
    peer_send_header(&f->one, OFPT_HELLO, 1);
    peer_send_header(&f->one, OFPT_FEATURES_REQUEST, 2);
    put_flow_mod(&f->one, OFPFC_ADD, "in_port=2", 1);
    peer_send(&f->one);
    assert_true(flow_emergency_is_clearing(agent_emergency_flows(f->rig.agent)));
    peer_expect(&f->one, OFPT_HELLO);
    peer_expect(&f->one, OFPT_FEATURES_REPLY);
    peer_barrier(&f->one);
    assert_int_equal(n_flows(f), 2);
    assert_int_equal(ask_flows(f, &f->one, 0xff, &port), 2);
    assert_int_equal(send_one(f), 3);
    peer_close(&f->one);
}

static void
table_statistics_have_both_tables(void **state)
{
    struct fixture *f = *state;
    struct ofp_stats_request request = { .type = OFPST_TABLE };
    struct ofp_table_stats table;
    struct ofp_stats_part part;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    change(f, &f->one, OFPFC_ADD, "in_port=2", 3, OFPFF_EMERG);
    ofp_encode_stats_request(&f->one.out, 3, &request);
    peer_send(&f->one);
    const uint8_t *msg = peer_expect(&f->one, OFPT_STATS_REPLY);
    assert_int_equal(ofp_decode_stats_reply(msg, f->one.header.length, &part, &f->refusal), 0);
    assert_int_equal(ofp_take_table(&part.body, &table, &f->refusal), 0);
    assert_int_equal(table.id, 0);
    assert_int_equal(table.active, 0);
    assert_int_equal(ofp_take_table(&part.body, &table, &f->refusal), 0);
    assert_int_equal(table.id, TABLE_EMERGENCY);
    assert_string_equal(table.name, "emergency");
    assert_int_equal(table.max, 100);
    assert_int_equal(table.active, 2);
    assert_int_equal(reader_left(&part.body), 0);
    request = (struct ofp_stats_request) { .type = OFPST_AGGREGATE, .table_id = TABLE_EMERGENCY,
                                           .out_port = PORT_NONE };
    ofp_encode_stats_request(&f->one.out, 4, &request);
    peer_send(&f->one);
    struct ofp_aggregate_stats sum;
    msg = peer_expect(&f->one, OFPT_STATS_REPLY);
    assert_int_equal(ofp_decode_stats_reply(msg, f->one.header.length, &part, &f->refusal), 0);
    assert_int_equal(ofp_take_aggregate(&part.body, &sum, &f->refusal), 0);
    assert_int_equal(sum.flows, 2);
    lose_both(f);
}

/* --- targets that come and go ------------------------------------------------------------------------- */

static void
without_a_configured_controller_none_is_lost(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 2, 0);
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    assert_int_equal(agent_del_target(f->rig.agent, f->rig.target), 0);
    assert_int_equal(mode(f), AGENT_SECURE);
    assert_string_equal(controllers(f), "none");
    rig_pass_ms(&f->rig, LOST_MS + 1000);
    assert_int_equal(send_one(f), 2);
    /* One that is configured now has its time to come. */
    assert_int_equal(agent_add_target(f->rig.agent, f->rig.target, &err), 0);
    rig_pass_ms(&f->rig, LOST_MS - 500);
    assert_int_equal(send_one(f), 2);
    assert_string_equal(controllers(f), "waiting");
    rig_pass_ms(&f->rig, 750);
    assert_int_equal(mode(f), AGENT_EMERGENCY);
    assert_int_equal(send_one(f), 3);
    /* When it is taken away again, the flows stay as they are. */
    assert_int_equal(agent_del_target(f->rig.agent, f->rig.target), 0);
    assert_int_equal(mode(f), AGENT_SECURE);
    assert_int_equal(send_one(f), 3);
    lose_both(f);
}

static void
a_target_more_does_not_give_more_time(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    char target[120];
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS - 1000);
    snprintf(target, sizeof target, "unix:%s/none", f->rig.dir);
    assert_int_equal(agent_add_target(f->rig.agent, target, &err), 0);
    rig_pass_ms(&f->rig, 1250);
    assert_int_equal(mode(f), AGENT_SECURE);
}

static void
the_status_tells_all_of_it(void **state)
{
    struct fixture *f = *state;
    struct agent_status status;
    change(f, &f->one, OFPFC_ADD, "in_port=1", 3, OFPFF_EMERG);
    lose_both(f);
    rig_pass_ms(&f->rig, LOST_MS + 1250);
    agent_get_status(f->rig.agent, &status);
    assert_int_equal(status.fail_mode, AGENT_FAIL_SECURE);
    assert_string_equal(agent_mode_name(status.mode), "emergency");
    assert_in_range(clock_ms() - status.mode_ms, 900, 1300);
    assert_int_equal(status.emergency_flows, 1);
    assert_int_equal(status.emergency_max, 100);
    assert_int_equal(status.emergency_acting, 1);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_means_all_of_them),
        TEST(one_that_is_back_in_time_changes_nothing),
        TEST(a_silent_controller_is_lost),
        TEST(the_end_of_the_last_connection_starts_the_clock),
        TEST(a_tool_is_no_controller),
        TEST(hello_alone_makes_no_controller),
        cmocka_unit_test(who_never_came_is_lost_too),
        TEST(the_probe_sets_the_time),
        TEST(secure_keeps_flows_and_drops_misses),
        TEST(standalone_takes_misses_below_the_flows),
        TEST(the_fail_mode_may_change_while_they_are_lost),
        TEST(emergency_begins_when_all_are_lost),
        TEST(no_emergency_flows_no_emergency),
        TEST(emergency_wins_over_standalone),
        TEST(a_tool_changes_emergency_flows_while_they_act),
        TEST(a_buffered_packet_goes_through_an_emergency_flow),
        TEST(who_is_back_early_waits_until_the_table_is_cleared),
        TEST(table_statistics_have_both_tables),
        TEST(without_a_configured_controller_none_is_lost),
        TEST(a_target_more_does_not_give_more_time),
        TEST(the_status_tells_all_of_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
