/* SPDX-License-Identifier: Apache-2.0 */
/* Each request and each message of the switch's own, over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "lib/flow_text.h"
#include "tests/unit/agent_rig.h"

struct fixture {
    struct rig rig;
    struct peer peer;
    struct ofp_refusal refusal;
    uint8_t frame[PACKET_MAX_SIZE], got[PACKET_MAX_SIZE];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rig_init(&f->rig, NULL);
    peer_hello(&f->peer, &f->rig, f->rig.path);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    peer_close(&f->peer);
    rig_fini(&f->rig);
    free(f);
    return 0;
}

static void
send_flow_mod(struct fixture *f, uint16_t command, const char *match, uint16_t port)
{
    put_flow_mod(&f->peer, command, match, port);
    peer_send(&f->peer);
}

static void
add_flow(struct fixture *f, const char *match, uint16_t port)
{
    send_flow_mod(f, OFPFC_ADD, match, port);
    peer_barrier(&f->peer);
}

static struct ofp_packet_in
expect_packet_in(struct fixture *f, struct peer *peer)
{
    struct ofp_packet_in in;
    const uint8_t *msg = peer_expect(peer, OFPT_PACKET_IN);
    assert_int_equal(ofp_decode_packet_in(msg, peer->header.length, &in, &f->refusal), 0);
    return in;
}

static void
set_config(struct peer *peer, uint16_t flags, uint16_t miss_send_len)
{
    const struct ofp_switch_config config = { flags, miss_send_len };
    ofp_encode_set_config(&peer->out, 9, &config);
    peer_send(peer);
}

/* --- the switch as a whole ------------------------------------------------------------------ */

static void
echo_comes_back_unchanged(void **state)
{
    struct fixture *f = *state;
    const char data[] = "any bytes at all";
    ofp_encode_echo(&f->peer.out, OFPT_ECHO_REQUEST, 77, data, sizeof data);
    peer_send(&f->peer);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_ECHO_REPLY);
    assert_int_equal(f->peer.header.xid, 77);
    assert_int_equal(f->peer.header.length, OFP_HEADER_SIZE + sizeof data);
    assert_memory_equal(msg + OFP_HEADER_SIZE, data, sizeof data);
}

static void
features_tell_what_is_real(void **state)
{
    struct fixture *f = *state;
    struct ofp_features features;
    struct reader ports;
    struct port_info info, local;
    peer_send_header(&f->peer, OFPT_FEATURES_REQUEST, 5);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_FEATURES_REPLY);
    assert_int_equal(f->peer.header.xid, 5);
    assert_int_equal(ofp_decode_features(msg, f->peer.header.length, &features, &ports,
                                         &f->refusal), 0);
    assert_true(dp_port_get(agent_bridge(f->rig.agent), PORT_LOCAL, &local));
    uint64_t id = 0;
    for (int i = 0; i < 6; i++) {
        id = id << 8 | local.hw_addr[i];
    }
    assert_int_equal(features.datapath_id, id);
    assert_int_equal(features.n_tables, 1);
    assert_int_equal(features.n_buffers, PKTBUF_SLOTS);
    assert_int_equal(features.capabilities, OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS
                                            | OFPC_QUEUE_STATS | OFPC_ARP_MATCH_IP);
    assert_int_equal(features.actions, 0xfff);
    unsigned n = 0;
    while (ofp_take_phy_port(&ports, &info)) {
        assert_int_equal(info.port_no, n < RIG_PORTS ? n + 1 : PORT_LOCAL);
        n++;
    }
    assert_int_equal(n, RIG_PORTS + 1);
}

static void
a_given_datapath_id_is_used(void **state)
{
    struct fixture *f = *state;
    struct ofp_features features;
    struct reader ports;
    struct agent_config config = rig_config;
    config.datapath_id = 0x123456789abcdef0;
    agent_set_config(f->rig.agent, &config);
    peer_expect_closed(&f->peer);      /* it knew another switch */
    peer_close(&f->peer);
    peer_hello(&f->peer, &f->rig, f->rig.path);
    peer_send_header(&f->peer, OFPT_FEATURES_REQUEST, 5);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_FEATURES_REPLY);
    ofp_decode_features(msg, f->peer.header.length, &features, &ports, &f->refusal);
    assert_int_equal(features.datapath_id, 0x123456789abcdef0);
}

static struct ofp_switch_config
get_config(struct fixture *f)
{
    struct ofp_switch_config config;
    peer_send_header(&f->peer, OFPT_GET_CONFIG_REQUEST, 6);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_GET_CONFIG_REPLY);
    assert_int_equal(ofp_decode_set_config(msg, f->peer.header.length, &config, &f->refusal), 0);
    return config;
}

static void
configuration_is_kept(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(get_config(f).miss_send_len, 128);
    assert_int_equal(get_config(f).flags, OFPC_FRAG_NORMAL);
    set_config(&f->peer, OFPC_FRAG_DROP, 1000);
    assert_int_equal(get_config(f).miss_send_len, 1000);
    assert_int_equal(get_config(f).flags, OFPC_FRAG_DROP);
    set_config(&f->peer, OFPC_FRAG_REASM, 200);
    assert_int_equal(get_config(f).miss_send_len, 200);
    assert_int_equal(get_config(f).flags, OFPC_FRAG_DROP);   /* stays as it was */
    peer_expect_nothing(&f->peer);
}

static void
what_is_not_known_is_refused_and_the_connection_lives(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t msg[12];
        size_t size;
        uint16_t code;
    } cases[] = {
        { { 1, 99, 0, 8, 0, 0, 0, 7 }, 8, OFPBRC_BAD_TYPE },
        { { 1, OFPT_PACKET_IN, 0, 8, 0, 0, 0, 7 }, 8, OFPBRC_BAD_TYPE },
        { { 4, OFPT_ECHO_REQUEST, 0, 8, 0, 0, 0, 7 }, 8, OFPBRC_BAD_VERSION },
        { { 1, OFPT_FLOW_MOD, 0, 8, 0, 0, 0, 7 }, 8, OFPBRC_BAD_LEN },
        { { 1, OFPT_BARRIER_REQUEST, 0, 9, 0, 0, 0, 7 }, 9, OFPBRC_BAD_LEN },
        { { 1, OFPT_STATS_REQUEST, 0, 12, 0, 0, 0, 7, 0, 77 }, 12, OFPBRC_BAD_STAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer_send_bytes(&f->peer, cases[i].msg, cases[i].size);
        peer_expect_error(&f->peer, OFPET_BAD_REQUEST, cases[i].code, 7);
    }
    peer_barrier(&f->peer);
}

static void
an_error_is_never_answered(void **state)
{
    struct fixture *f = *state;
    const uint8_t error[] = { 1, OFPT_ERROR, 0, 12, 0, 0, 0, 1, 0, 1, 0, 1 };
    const uint8_t too_short[] = { 1, OFPT_ERROR, 0, 9, 0, 0, 0, 1, 0 };
    peer_send_bytes(&f->peer, error, sizeof error);
    peer_send_bytes(&f->peer, too_short, sizeof too_short);
    peer_expect_nothing(&f->peer);
}

/* --- FLOW_MOD and FLOW_REMOVED ---------------------------------------------------------------- */

static void
a_flow_forwards_packets(void **state)
{
    struct fixture *f = *state;
    add_flow(f, "in_port=1", 2);
    rig_frame(f->frame, 100, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 100);
    assert_int_equal(rig_take(&f->rig, 2, f->got, sizeof f->got), 100);
    assert_memory_equal(f->frame, f->got, 100);
}

static void
a_refused_flow_mod_says_why_and_carries_the_request(void **state)
{
    struct fixture *f = *state;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 2);
    fm->flags = OFPFF_EMERG;
    ofp_encode_flow_mod(&f->peer.out, 41, fm);
    uint8_t request[64];
    memcpy(request, f->peer.out.data, sizeof request);
    peer_send(&f->peer);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_ERROR);
    assert_int_equal(f->peer.header.xid, 41);
    assert_memory_equal(msg + 12, request, sizeof request);
    fm->flags = 0;
    fm->actions[0].type = ACTION_ENQUEUE;
    fm->actions[0].enqueue.port = 2;
    fm->actions[0].enqueue.queue_hi = 0;
    fm->actions[0].enqueue.queue_lo = 1;
    ofp_encode_flow_mod(&f->peer.out, 42, fm);
    peer_send(&f->peer);
    peer_expect_error(&f->peer, OFPET_BAD_ACTION, OFPBAC_BAD_QUEUE, 42);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
}

static void
flow_removed_goes_before_the_barrier_reply(void **state)
{
    struct fixture *f = *state;
    struct epoch_reader *worker = epoch_reader_new();
    struct ofp_flow_removed removed;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 2);
    fm->flags = OFPFF_SEND_FLOW_REM;
    fm->cookie = 4711;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    epoch_online(worker);                /* a busy worker: the barrier has to wait */
    send_flow_mod(f, OFPFC_DELETE, "", PORT_NONE);
    peer_send_header(&f->peer, OFPT_BARRIER_REQUEST, 50);
    peer_send_header(&f->peer, OFPT_ECHO_REQUEST, 51);
    peer_expect_nothing(&f->peer);
    epoch_offline(worker);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_FLOW_REMOVED);
    assert_int_equal(ofp_decode_flow_removed(msg, f->peer.header.length, &removed, &f->refusal), 0);
    assert_int_equal(removed.cookie, 4711);
    assert_int_equal(removed.reason, OFPRR_DELETE);
    peer_expect(&f->peer, OFPT_BARRIER_REPLY);
    assert_int_equal(f->peer.header.xid, 50);
    peer_expect(&f->peer, OFPT_ECHO_REPLY);
    epoch_reader_free(worker);
}

/* A barrier that waits holds up its own connection and nobody else's. */
static void
a_barrier_parks_its_own_connection_only(void **state)
{
    struct fixture *f = *state;
    struct epoch_reader *worker = epoch_reader_new();
    struct peer other;
    peer_hello(&other, &f->rig, f->rig.path);
    epoch_online(worker);
    peer_send_header(&f->peer, OFPT_BARRIER_REQUEST, 50);
    peer_send_header(&f->peer, OFPT_ECHO_REQUEST, 51);
    peer_expect_nothing(&f->peer);
    peer_send_header(&other, OFPT_ECHO_REQUEST, 1);
    peer_expect(&other, OFPT_ECHO_REPLY);
    peer_expect_nothing(&f->peer);
    peer_send_header(&other, OFPT_BARRIER_REQUEST, 2);
    peer_expect_nothing(&other);
    peer_close(&other);                  /* its barrier is forgotten */
    epoch_offline(worker);
    peer_expect(&f->peer, OFPT_BARRIER_REPLY);
    peer_expect(&f->peer, OFPT_ECHO_REPLY);
    epoch_reader_free(worker);
}

static void
time_outs_tell_all_controllers(void **state)
{
    struct fixture *f = *state;
    struct peer other, tool;
    struct ofp_flow_removed removed;
    peer_hello(&other, &f->rig, f->rig.path);
    peer_hello(&tool, &f->rig, f->rig.mgmt_path);
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 2);
    fm->flags = OFPFF_SEND_FLOW_REM;
    fm->idle_timeout = 2;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    rig_pass_ms(&f->rig, 1900);
    peer_expect_nothing(&f->peer);
    rig_pass_ms(&f->rig, 300);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_FLOW_REMOVED);
    assert_int_equal(ofp_decode_flow_removed(msg, f->peer.header.length, &removed, &f->refusal), 0);
    assert_int_equal(removed.reason, OFPRR_IDLE_TIMEOUT);
    peer_expect(&other, OFPT_FLOW_REMOVED);
    peer_expect_nothing(&tool);          /* a management tool did not ask */
    peer_close(&other);
    peer_close(&tool);
}

/* --- PACKET_IN -------------------------------------------------------------------------------- */

static void
a_miss_sends_miss_send_len_bytes_and_a_buffer(void **state)
{
    struct fixture *f = *state;
    rig_frame(f->frame, 500, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 500);
    struct ofp_packet_in in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.reason, OFPR_NO_MATCH);
    assert_int_equal(in.in_port, 1);
    assert_int_equal(in.total_len, 500);
    assert_int_equal(in.data_size, 128);
    assert_memory_equal(in.data, f->frame, 128);
    assert_int_not_equal(in.buffer_id, OFP_NO_BUFFER);

    set_config(&f->peer, 0, 0);
    peer_barrier(&f->peer);
    rig_inject(&f->rig, 1, f->frame, 500);
    in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.data_size, 0);
    assert_int_not_equal(in.buffer_id, OFP_NO_BUFFER);

    set_config(&f->peer, 0, 0xffff);
    peer_barrier(&f->peer);
    rig_inject(&f->rig, 1, f->frame, 500);
    in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.data_size, 500);
    assert_int_equal(in.buffer_id, OFP_NO_BUFFER);
}

static void
the_controller_action_sends_max_len_bytes(void **state)
{
    struct fixture *f = *state;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", PORT_CONTROLLER);
    fm->actions[0].output.max_len = 50;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    rig_frame(f->frame, 500, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 500);
    struct ofp_packet_in in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.reason, OFPR_ACTION);
    assert_int_equal(in.data_size, 50);
    assert_int_equal(in.total_len, 500);
    fm->actions[0].output.max_len = 0xffff;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    rig_inject(&f->rig, 1, f->frame, 500);
    in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.data_size, 500);
    assert_int_equal(in.buffer_id, OFP_NO_BUFFER);
}

static void
each_connection_has_its_own_miss_send_len(void **state)
{
    struct fixture *f = *state;
    struct peer other, tool;
    peer_hello(&other, &f->rig, f->rig.path);
    peer_hello(&tool, &f->rig, f->rig.mgmt_path);
    set_config(&other, 0, 64);
    peer_barrier(&other);
    rig_frame(f->frame, 500, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 500);
    struct ofp_packet_in a = expect_packet_in(f, &f->peer);
    struct ofp_packet_in b = expect_packet_in(f, &other);
    assert_int_equal(a.data_size, 128);
    assert_int_equal(b.data_size, 64);
    assert_int_equal(a.buffer_id, b.buffer_id);
    peer_expect_nothing(&tool);

    set_config(&tool, 0, 96);            /* as `ovs-ofctl monitor` asks */
    peer_barrier(&tool);
    rig_inject(&f->rig, 1, f->frame, 500);
    assert_int_equal(expect_packet_in(f, &tool).data_size, 96);
    peer_close(&other);
    peer_close(&tool);
}

static void
packet_ins_have_a_rate(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    config.packet_in_rate = 40;
    agent_set_config(f->rig.agent, &config);
    uint64_t before = counter_read(COUNTER_packet_in_rate);
    rig_frame(f->frame, 100, 1, 2, 80);
    for (int i = 0; i < 30; i++) {
        rig_inject(&f->rig, 1, f->frame, 100);
    }
    for (int i = 0; i < 10; i++) {       /* a quarter of a second's worth at once */
        expect_packet_in(f, &f->peer);
    }
    peer_expect_nothing(&f->peer);
    rig_pass_ms(&f->rig, 100);
    for (int i = 0; i < 4; i++) {
        expect_packet_in(f, &f->peer);
    }
    peer_expect_nothing(&f->peer);
    assert_int_equal(counter_read(COUNTER_packet_in_rate) - before, 0);
    for (int i = 0; i < 30; i++) {       /* 16 wait of the 40 that may */
        rig_inject(&f->rig, 1, f->frame, 100);
    }
    assert_int_equal(counter_read(COUNTER_packet_in_rate) - before, 6);
    rig_pass_ms(&f->rig, 2000);
    for (int i = 0; i < 40; i++) {
        expect_packet_in(f, &f->peer);
    }
    peer_expect_nothing(&f->peer);
}

struct drops {
    uint64_t here[N_DP_PACKET_IN_REASONS];
    uint64_t sent;
    uint32_t waiting;
};

/* What `turnoutctl controllers` tells of the first connection that is not a listener. */
static bool
get_drops(const struct agent_connection_info *info, void *drops_)
{
    struct drops *drops = drops_;
    if (info->listener) {
        return true;
    }
    memcpy(drops->here, info->packet_ins_dropped, sizeof drops->here);
    drops->sent = info->packet_ins;
    drops->waiting = info->packet_ins_waiting;
    return false;
}

static void
a_flood_leaves_the_rate_to_other_ports_and_to_actions(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    struct drops drops;
    uint64_t of_port[N_DP_PACKET_IN_REASONS];
    unsigned n[4] = { 0 }, n_actions = 0;
    config.packet_in_rate = 100;
    config.packet_in_burst = 10;
    add_flow(f, "in_port=3", PORT_CONTROLLER);
    agent_set_config(f->rig.agent, &config);
    rig_frame(f->frame, 100, 1, 2, 80);
    for (int i = 0; i < 500; i++) {
        rig_inject(&f->rig, 1, f->frame, 100);
    }
    for (int i = 0; i < 3; i++) {
        rig_inject(&f->rig, 2, f->frame, 100);
        rig_inject(&f->rig, 3, f->frame, 100);
    }
    agent_for_each_connection(f->rig.agent, get_drops, &drops);
    assert_int_equal(drops.here[DP_TABLE_MISS], 500 - 10 - PACKET_QUEUE_PORT_MAX);
    assert_int_equal(drops.here[DP_ACTION], 0);
    assert_int_equal(drops.waiting, PACKET_QUEUE_PORT_MAX + 6);
    assert_int_equal(drops.sent, 10);
    assert_true(dp_port_get_packet_in_drops(agent_bridge(f->rig.agent), 1, of_port));
    assert_int_equal(of_port[DP_TABLE_MISS], drops.here[DP_TABLE_MISS]);
    assert_true(dp_port_get_packet_in_drops(agent_bridge(f->rig.agent), 2, of_port));
    assert_int_equal(of_port[DP_TABLE_MISS], 0);
    assert_false(dp_port_get_packet_in_drops(agent_bridge(f->rig.agent), 9, of_port));
    rig_pass_ms(&f->rig, 150);
    for (int i = 0; i < 10 + 15; i++) {
        struct ofp_packet_in in = expect_packet_in(f, &f->peer);
        n[in.in_port]++;
        n_actions += in.reason == OFPR_ACTION;
    }
    assert_int_equal(n[2], 3);
    assert_int_equal(n[3], 3);
    assert_int_equal(n_actions, 3);
}

static void
waiting_packet_ins_go_with_their_connection(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    struct peer other;
    config.packet_in_rate = 10;
    agent_set_config(f->rig.agent, &config);
    peer_hello(&other, &f->rig, f->rig.path);
    rig_frame(f->frame, 100, 1, 2, 80);
    for (int i = 0; i < 20; i++) {
        rig_inject(&f->rig, 1, f->frame, 100);
    }
    peer_close(&other);
    rig_pass_ms(&f->rig, 2000);
    for (int i = 0; i < 12; i++) {
        expect_packet_in(f, &f->peer);
    }
    peer_expect_nothing(&f->peer);
}

static void
a_rate_is_each_controllers_own(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    struct peer other;
    config.packet_in_rate = 20;
    agent_set_config(f->rig.agent, &config);
    rig_frame(f->frame, 100, 1, 2, 80);
    for (int i = 0; i < 5; i++) {
        rig_inject(&f->rig, 1, f->frame, 100);
        expect_packet_in(f, &f->peer);
    }
    peer_hello(&other, &f->rig, f->rig.path);
    rig_inject(&f->rig, 1, f->frame, 100);
    expect_packet_in(f, &other);
    peer_expect_nothing(&f->peer);
    config.packet_in_rate = 0;           /* a limit that is lifted lets go what waits */
    agent_set_config(f->rig.agent, &config);
    expect_packet_in(f, &f->peer);
    peer_close(&other);
}

/* --- buffers ---------------------------------------------------------------------------------- */

static void
send_packet_out(struct fixture *f, uint32_t xid, uint32_t buffer_id, uint16_t in_port,
                uint16_t port,
                uint32_t size)
{
    static struct ofp_packet_out out;
    memset(&out, 0, sizeof out);
    out.buffer_id = buffer_id;
    out.in_port = in_port;
    out.data = f->frame;
    out.data_size = buffer_id == OFP_NO_BUFFER ? size : 0;
    out.n_actions = 1;
    out.actions[0].type = ACTION_OUTPUT;
    out.actions[0].output.port = port;
    out.actions[0].output.max_len = port == PORT_CONTROLLER ? 0xffff : 0;
    ofp_encode_packet_out(&f->peer.out, xid, &out);
    peer_send(&f->peer);
}

static uint32_t
buffered(struct fixture *f)
{
    rig_frame(f->frame, 300, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 300);
    return expect_packet_in(f, &f->peer).buffer_id;
}

static void
a_buffered_packet_is_sent_once(void **state)
{
    struct fixture *f = *state;
    uint32_t id = buffered(f);
    send_packet_out(f, 60, id, 1, 2, 0);
    peer_barrier(&f->peer);
    assert_int_equal(rig_take(&f->rig, 2, f->got, sizeof f->got), 300);
    assert_memory_equal(f->frame, f->got, 300);
    send_packet_out(f, 61, id, 1, 2, 0);
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_EMPTY, 61);
    send_packet_out(f, 62, id + 1, 1, 2, 0);
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN, 62);
    assert_int_equal(rig_take(&f->rig, 2, f->got, sizeof f->got), 0);
}

static void
a_flow_mod_runs_its_buffered_packet(void **state)
{
    struct fixture *f = *state;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 3);
    fm->buffer_id = buffered(f);
    ofp_encode_flow_mod(&f->peer.out, 70, fm);
    ofp_encode_flow_mod(&f->peer.out, 71, fm);
    peer_send(&f->peer);
    /* The second flow is in, but its buffer is gone. */
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_EMPTY, 71);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 1);
    assert_int_equal(rig_take(&f->rig, 3, f->got, sizeof f->got), 300);
    assert_int_equal(rig_take(&f->rig, 3, f->got, sizeof f->got), 0);
}

static void
a_flow_mod_counts_its_buffered_packet(void **state)
{
    struct fixture *f = *state;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 3);
    fm->buffer_id = buffered(f);
    fm->flags = OFPFF_SEND_FLOW_REM;
    ofp_encode_flow_mod(&f->peer.out, 70, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    send_flow_mod(f, OFPFC_DELETE, "", PORT_NONE);
    struct ofp_flow_removed removed;
    const uint8_t *msg = peer_expect(&f->peer, OFPT_FLOW_REMOVED);
    assert_int_equal(ofp_decode_flow_removed(msg, f->peer.header.length, &removed, &f->refusal), 0);
    assert_int_equal(removed.packets, 1);
    assert_int_equal(removed.bytes, 300);
}

static void
a_buffer_expires(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    config.inactivity_probe_s = 0;
    agent_set_config(f->rig.agent, &config);
    uint32_t id = buffered(f);
    uint64_t before = counter_read(COUNTER_pktbuf_expired);
    rig_pass_ms(&f->rig, PKTBUF_LIFETIME_MS - 50);
    uint32_t later = buffered(f);
    assert_int_equal(counter_read(COUNTER_pktbuf_expired) - before, 0);
    rig_pass_ms(&f->rig, 50);
    assert_int_equal(counter_read(COUNTER_pktbuf_expired) - before, 1);   /* nobody asked */
    send_packet_out(f, 63, id, 1, 2, 0);
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_EMPTY, 63);
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1", 3);
    fm->buffer_id = id;
    ofp_encode_flow_mod(&f->peer.out, 64, fm);
    peer_send(&f->peer);
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_EMPTY, 64);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 1);
    send_packet_out(f, 65, later, 1, 2, 0);
    peer_barrier(&f->peer);
    assert_int_equal(rig_take(&f->rig, 2, f->got, sizeof f->got), 300);
    assert_int_equal(rig_take(&f->rig, 3, f->got, sizeof f->got), 0);
}

static void
a_greedy_controller_leaves_others_their_buffers(void **state)
{
    struct fixture *f = *state;
    struct peer modest;
    peer_hello(&modest, &f->rig, f->rig.path);
    set_config(&f->peer, 0, AGENT_WHOLE_PACKET);     /* nothing is kept for it */
    peer_barrier(&f->peer);
    rig_frame(f->frame, 300, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 300);
    assert_int_equal(expect_packet_in(f, &f->peer).buffer_id, OFP_NO_BUFFER);
    uint32_t id = expect_packet_in(f, &modest).buffer_id;
    set_config(&modest, 0, AGENT_WHOLE_PACKET);
    peer_barrier(&modest);
    set_config(&f->peer, 0, 0);
    peer_barrier(&f->peer);
    for (int i = 0; i < 2 * PKTBUF_SLOTS; i++) {
        rig_inject(&f->rig, 1, f->frame, 300);
        expect_packet_in(f, &f->peer);
        expect_packet_in(f, &modest);
    }
    send_packet_out(f, 66, id, 1, 2, 0);
    peer_barrier(&f->peer);
    assert_int_equal(rig_take(&f->rig, 2, f->got, sizeof f->got), 300);
    peer_close(&modest);
}

/* --- PACKET_OUT ------------------------------------------------------------------------------- */

static unsigned
n_taken(struct fixture *f)
{
    unsigned ports = 0;
    for (uint16_t i = 1; i <= RIG_PORTS; i++) {
        while (rig_take(&f->rig, i, f->got, sizeof f->got)) {
            ports |= 1u << i;
        }
    }
    return ports;
}

static void
packet_out_knows_the_reserved_ports(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint16_t in_port, out_port;
        unsigned ports;
    } cases[] = {
        { PORT_NONE, 2, 1 << 2 },
        { PORT_CONTROLLER, 2, 1 << 2 },
        { 1, PORT_IN_PORT, 1 << 1 },
        { PORT_NONE, PORT_ALL, 1 << 1 | 1 << 2 | 1 << 3 },
        { 1, PORT_ALL, 1 << 2 | 1 << 3 },
        { 2, PORT_FLOOD, 1 << 1 | 1 << 3 },
        { 1, 1, 0 },                          /* only IN_PORT goes back */
        { 77, 3, 1 << 3 },                    /* not there: as NONE */
        { 1, PORT_TABLE, 1 << 3 },            /* by the flow below */
    };
    add_flow(f, "in_port=1", 3);
    rig_frame(f->frame, 200, 1, 2, 80);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_packet_out(f, 80, OFP_NO_BUFFER, cases[i].in_port, cases[i].out_port, 200);
        peer_barrier(&f->peer);
        assert_int_equal(n_taken(f), cases[i].ports);
    }
    send_packet_out(f, 81, OFP_NO_BUFFER, PORT_NONE, PORT_LOCAL, 200);
    peer_barrier(&f->peer);
    assert_int_equal(rig_take(&f->rig, PORT_LOCAL, f->got, sizeof f->got), 200);
    send_packet_out(f, 82, OFP_NO_BUFFER, 1, PORT_CONTROLLER, 200);
    struct ofp_packet_in in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.data_size, 200);
    assert_int_equal(in.reason, OFPR_ACTION);
    send_packet_out(f, 83, OFP_NO_BUFFER, 2, PORT_TABLE, 200);   /* a miss */
    in = expect_packet_in(f, &f->peer);
    assert_int_equal(in.reason, OFPR_NO_MATCH);
    assert_int_equal(in.in_port, 2);
}

static void
packet_out_to_no_port_is_refused(void **state)
{
    struct fixture *f = *state;
    rig_frame(f->frame, 200, 1, 2, 80);
    send_packet_out(f, 90, OFP_NO_BUFFER, PORT_NONE, 55, 200);
    peer_expect_error(&f->peer, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT, 90);
    uint32_t id = buffered(f);
    send_packet_out(f, 91, id, PORT_NONE, 55, 0);
    peer_expect_error(&f->peer, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT, 91);
    send_packet_out(f, 92, id, PORT_NONE, 2, 0);     /* it was not used up */
    peer_barrier(&f->peer);
    assert_int_equal(n_taken(f), 1 << 2);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void
send_port_mod(struct fixture *f, uint32_t xid, uint16_t port, const uint8_t hw_addr[6],
              uint32_t config,
              uint32_t mask)
{
    struct ofp_port_mod mod = { .port_no = port, .config = config, .mask = mask };
    memcpy(mod.hw_addr, hw_addr, 6);
    ofp_encode_port_mod(&f->peer.out, xid, &mod);
    peer_send(&f->peer);
}

static struct port_info
expect_port_status(struct fixture *f, struct peer *peer, uint8_t expected)
{
    struct port_info info;
    uint8_t reason;
    const uint8_t *msg = peer_expect(peer, OFPT_PORT_STATUS);
    assert_int_equal(ofp_decode_port_status(msg, peer->header.length, &reason, &info,
                                            &f->refusal), 0);
    assert_int_equal(reason, expected);
    return info;
}

static void
port_mod_changes_flags_and_tells(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    struct port_info info;
    peer_hello(&other, &f->rig, f->rig.path);
    assert_true(dp_port_get(agent_bridge(f->rig.agent), 2, &info));
    send_port_mod(f, 1, 2, info.hw_addr, PORT_CONFIG_NO_FLOOD | PORT_CONFIG_DOWN,
                  PORT_CONFIG_NO_FLOOD);
    assert_int_equal(expect_port_status(f, &f->peer, OFPPR_MODIFY).config, PORT_CONFIG_NO_FLOOD);
    info = expect_port_status(f, &other, OFPPR_MODIFY);
    assert_int_equal(info.port_no, 2);
    rig_frame(f->frame, 200, 1, 2, 80);
    send_packet_out(f, 2, OFP_NO_BUFFER, PORT_NONE, PORT_FLOOD, 200);
    peer_barrier(&f->peer);
    assert_int_equal(n_taken(f), 1 << 1 | 1 << 3);
    peer_close(&other);
}

static void
a_wrong_port_mod_is_refused(void **state)
{
    struct fixture *f = *state;
    struct port_info info;
    assert_true(dp_port_get(agent_bridge(f->rig.agent), 2, &info));
    send_port_mod(f, 3, 44, info.hw_addr, 0, 0);
    peer_expect_error(&f->peer, OFPET_PORT_MOD_FAILED, OFPPMFC_BAD_PORT, 3);
    info.hw_addr[5] ^= 1;
    send_port_mod(f, 4, 2, info.hw_addr, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    peer_expect_error(&f->peer, OFPET_PORT_MOD_FAILED, OFPPMFC_BAD_HW_ADDR, 4);
    peer_expect_nothing(&f->peer);
}

static void
ports_that_come_and_go_are_told(void **state)
{
    struct fixture *f = *state;
    struct dp_bridge *bridge = agent_bridge(f->rig.agent);
    uint16_t no;
    assert_int_equal(dp_port_add(bridge, "m9", 9, PKTIO_MEMORY, &no, NULL), 0);
    assert_string_equal(expect_port_status(f, &f->peer, OFPPR_ADD).name, "m9");
    assert_int_equal(dp_port_del(bridge, 9, NULL), 0);
    assert_int_equal(expect_port_status(f, &f->peer, OFPPR_DELETE).port_no, 9);
}

static void
queues_are_none(void **state)
{
    struct fixture *f = *state;
    struct reader queues;
    uint16_t port;
    ofp_encode_queue_get_config(&f->peer.out, 1, 2);
    peer_send(&f->peer);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_QUEUE_GET_CONFIG_REPLY);
    assert_int_equal(ofp_decode_queue_config(msg, f->peer.header.length, &port, &queues,
                                             &f->refusal), 0);
    assert_int_equal(port, 2);
    assert_int_equal(reader_left(&queues), 0);
    ofp_encode_queue_get_config(&f->peer.out, 2, 44);
    peer_send(&f->peer);
    peer_expect_error(&f->peer, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT, 2);
}

/* --- statistics ------------------------------------------------------------------------------- */

static void
ask(struct fixture *f, const struct ofp_stats_request *request, uint32_t xid)
{
    ofp_encode_stats_request(&f->peer.out, xid, request);
    peer_send(&f->peer);
}

static struct ofp_stats_part
expect_part(struct fixture *f, uint16_t type)
{
    struct ofp_stats_part part;
    const uint8_t *msg = peer_expect(&f->peer, OFPT_STATS_REPLY);
    assert_int_equal(ofp_decode_stats_reply(msg, f->peer.header.length, &part, &f->refusal), 0);
    assert_int_equal(part.type, type);
    return part;
}

static struct ofp_stats_request
flow_request(uint16_t type, const char *match, uint16_t out_port)
{
    struct ofp_stats_request request = { .type = type, .table_id = 0xff, .out_port = out_port };
    assert_int_equal(flow_match_parse(match, NULL, &request.match.match, NULL), 0);
    return request;
}

static void
desc_names_the_switch(void **state)
{
    struct fixture *f = *state;
    struct ofp_desc_text desc;
    const struct ofp_stats_request request = { .type = OFPST_DESC };
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_DESC);
    assert_int_equal(ofp_take_desc(&part.body, &desc, &f->refusal), 0);
    assert_string_equal(desc.mfr, "Turnout");
    assert_string_equal(desc.dp, "br0");
}

static void
flow_statistics_tell_each_flow(void **state)
{
    static struct action actions[ACTION_LIST_MAX];
    struct fixture *f = *state;
    struct ofp_flow_stats flow;
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=1,tcp,tp_dst=80", 3);
    fm->cookie = 99;
    fm->idle_timeout = 30;
    fm->hard_timeout = 40;
    const struct ofp_match match = fm->match;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    add_flow(f, "udp", 2);
    rig_frame(f->frame, 200, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 200);
    rig_pass_ms(&f->rig, 2500);
    struct ofp_stats_request request = flow_request(OFPST_FLOW, "tcp", PORT_NONE);
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_FLOW);
    assert_false(part.more);
    assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &f->refusal), 0);
    assert_int_equal(flow.cookie, 99);
    assert_int_equal(flow.packets, 1);
    assert_int_equal(flow.bytes, 200);
    assert_int_equal(flow.duration_s, 2);
    assert_int_equal(flow.duration_ns, 500000000);
    assert_int_equal(flow.priority, 100);
    assert_int_equal(flow.idle_timeout, 30);
    assert_int_equal(flow.hard_timeout, 40);
    assert_int_equal(flow.n_actions, 1);
    assert_int_equal(flow.actions[0].output.port, 3);
    assert_memory_equal(&flow.match.match, &match.match, sizeof flow.match.match);
    assert_int_equal(reader_left(&part.body), 0);

    request = flow_request(OFPST_FLOW, "", 2);        /* by output */
    ask(f, &request, 2);
    part = expect_part(f, OFPST_FLOW);
    assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &f->refusal), 0);
    assert_int_equal(flow.actions[0].output.port, 2);
    assert_int_equal(reader_left(&part.body), 0);
    request.table_id = 0xfe;                          /* the emergency table */
    ask(f, &request, 3);
    part = expect_part(f, OFPST_FLOW);
    assert_int_equal(reader_left(&part.body), 0);
}

static struct ofp_aggregate_stats
aggregate(struct fixture *f, const char *match, uint16_t out_port)
{
    struct ofp_aggregate_stats stats;
    const struct ofp_stats_request request = flow_request(OFPST_AGGREGATE, match, out_port);
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_AGGREGATE);
    assert_int_equal(ofp_take_aggregate(&part.body, &stats, &f->refusal), 0);
    return stats;
}

static void
aggregate_and_table_statistics_add_up(void **state)
{
    struct fixture *f = *state;
    struct ofp_table_stats table;
    add_flow(f, "in_port=1", 3);
    add_flow(f, "in_port=2", 3);
    add_flow(f, "in_port=3", 2);
    rig_frame(f->frame, 200, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 200);
    rig_inject(&f->rig, 2, f->frame, 100);
    rig_inject(&f->rig, 3, f->frame, 100);
    struct ofp_aggregate_stats all = aggregate(f, "", PORT_NONE), to_3 = aggregate(f, "", 3);
    assert_int_equal(all.flows, 3);
    assert_int_equal(all.packets, 3);
    assert_int_equal(all.bytes, 400);
    assert_int_equal(to_3.flows, 2);
    assert_int_equal(to_3.bytes, 300);
    assert_int_equal(aggregate(f, "tcp", PORT_NONE).flows, 0);
    const struct ofp_stats_request request = { .type = OFPST_TABLE };
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_TABLE);
    assert_int_equal(ofp_take_table(&part.body, &table, &f->refusal), 0);
    assert_int_equal(table.id, 0);
    assert_int_equal(table.active, 3);
    assert_int_equal(table.max, 1000000);
    assert_int_equal(table.wildcards, 0x3fffff);
    assert_int_equal(table.lookups, 3);
    assert_int_equal(table.matched, 3);
}

static void
port_statistics_tell_one_or_all(void **state)
{
    struct fixture *f = *state;
    struct ofp_port_stats port;
    add_flow(f, "in_port=1", 3);
    rig_frame(f->frame, 200, 1, 2, 80);
    rig_inject(&f->rig, 1, f->frame, 200);
    struct ofp_stats_request request = { .type = OFPST_PORT, .port_no = 3 };
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_PORT);
    assert_int_equal(ofp_take_port(&part.body, &port, &f->refusal), 0);
    assert_int_equal(port.port_no, 3);
    assert_int_equal(port.counters.tx_packets, 1);
    assert_int_equal(port.counters.tx_bytes, 200);
    assert_int_equal(reader_left(&part.body), 0);
    request.port_no = PORT_NONE;
    ask(f, &request, 2);
    part = expect_part(f, OFPST_PORT);
    unsigned n = 0;
    while (reader_left(&part.body)) {
        assert_int_equal(ofp_take_port(&part.body, &port, &f->refusal), 0);
        n++;
    }
    assert_int_equal(n, RIG_PORTS + 1);
    request.port_no = 44;
    ask(f, &request, 3);
    part = expect_part(f, OFPST_PORT);
    assert_int_equal(reader_left(&part.body), 0);
}

/* --- queues ---------------------------------------------------------------------------- */

static void
add_queue(struct fixture *f, uint16_t port_no, uint32_t id)
{
    const struct pktio_queue_config config = { .id = id, .min_rate = 1000000 };
    assert_int_equal(dp_queue_add(agent_bridge(f->rig.agent), port_no, &config, NULL), 0);
}

static struct action
enqueue(uint16_t port, uint32_t id)
{
    struct action action;
    memset(&action, 0, sizeof action);
    action.type = ACTION_ENQUEUE;
    action.enqueue.port = port;
    action.enqueue.queue_hi = (uint16_t) (id >> 16);
    action.enqueue.queue_lo = (uint16_t) id;
    return action;
}

/* Asks to enqueue by a flow and by a PACKET_OUT from port 1; 'code' is BAD_ACTION's, or -1. */
static void
expect_enqueue(struct fixture *f, const char *match, uint16_t port, uint32_t id, int code)
{
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, match, 2);
    fm->actions[0] = enqueue(port, id);
    ofp_encode_flow_mod(&f->peer.out, 42, fm);
    peer_send(&f->peer);
    if (code >= 0) {
        peer_expect_error(&f->peer, OFPET_BAD_ACTION, (uint16_t) code, 42);
    }
    peer_barrier(&f->peer);
}

static void
a_flow_enqueues_to_queues_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct pktio *two = dp_port_pktio(agent_bridge(f->rig.agent), 2);
    uint32_t id = 0;
    add_queue(f, 2, 0x10002);
    expect_enqueue(f, "in_port=1", 2, 2, OFPBAC_BAD_QUEUE);
    expect_enqueue(f, "in_port=1", 1, 0x10002, OFPBAC_BAD_QUEUE);
    expect_enqueue(f, "in_port=1", 44, 0x10002, OFPBAC_BAD_OUT_PORT);
    expect_enqueue(f, "in_port=1", PORT_IN_PORT, 0x10002, OFPBAC_BAD_QUEUE);
    expect_enqueue(f, "", PORT_IN_PORT, 2, OFPBAC_BAD_QUEUE);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
    expect_enqueue(f, "in_port=2", PORT_IN_PORT, 0x10002, -1);
    expect_enqueue(f, "dl_type=0x1234", PORT_IN_PORT, 0x10002, -1);
    expect_enqueue(f, "in_port=1", 2, 0x10002, -1);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 3);
    rig_inject(&f->rig, 1, f->frame, 60);
    rig_turn(&f->rig);
    assert_int_equal(pktio_memory_take_queued(two, f->got, sizeof f->got, &id), 60);
    assert_int_equal(id, 0x10002);
    /* The queue goes; the flow stays, and sends to the port. */
    assert_int_equal(dp_queue_del(agent_bridge(f->rig.agent), 2, 0x10002, NULL), 0);
    rig_inject(&f->rig, 1, f->frame, 60);
    rig_turn(&f->rig);
    assert_int_equal(pktio_memory_take_queued(two, f->got, sizeof f->got, &id), 60);
    assert_int_equal(id, UINT32_MAX);
}

static void
queues_are_told_with_their_rates(void **state)
{
    struct fixture *f = *state;
    struct reader queues;
    struct ofp_queue queue;
    uint16_t port_no;
    add_queue(f, 2, 9);
    add_queue(f, 2, 4);
    ofp_encode_queue_get_config(&f->peer.out, 7, 2);
    peer_send(&f->peer);
    const uint8_t *msg = peer_expect(&f->peer, OFPT_QUEUE_GET_CONFIG_REPLY);
    assert_int_equal(ofp_decode_queue_config(msg, f->peer.header.length, &port_no, &queues,
                                             &f->refusal), 0);
    assert_int_equal(port_no, 2);
    /* A port in memory does not know its speed: nothing can be said in parts of it. */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ofp_take_queue_config(&queues, &queue, &f->refusal), 0);
        assert_int_equal(queue.queue_id, i ? 9 : 4);
        assert_int_equal(queue.min_rate, OFP_MIN_RATE_NONE);
    }
    assert_int_equal(reader_left(&queues), 0);
    static const uint16_t wrong[] = { 44, PORT_LOCAL };
    for (unsigned i = 0; i < 2; i++) {
        ofp_encode_queue_get_config(&f->peer.out, 8, wrong[i]);
        peer_send(&f->peer);
        peer_expect_error(&f->peer, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT, 8);
    }
}

static void
expect_queue(struct fixture *f, struct ofp_stats_part *part, uint16_t port_no, uint32_t id,
             uint64_t packets)
{
    struct ofp_queue_stats stats;
    assert_int_equal(ofp_take_queue(&part->body, &stats, &f->refusal), 0);
    assert_int_equal(stats.port_no, port_no);
    assert_int_equal(stats.queue_id, id);
    assert_int_equal(stats.packets, packets);
    assert_int_equal(stats.bytes, packets * 60);
    assert_int_equal(stats.errors, 0);
}

static void
queue_statistics_count_what_was_sent(void **state)
{
    struct fixture *f = *state;
    struct ofp_stats_request request = { .type = OFPST_QUEUE, .port_no = PORT_ALL,
                                         .queue_id = 0xffffffff };
    add_queue(f, 2, 9);
    add_queue(f, 2, 4);
    add_queue(f, 1, 9);
    expect_enqueue(f, "in_port=1", 2, 9, -1);
    rig_inject(&f->rig, 1, f->frame, 60);
    rig_turn(&f->rig);
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_QUEUE);
    expect_queue(f, &part, 1, 9, 0);
    expect_queue(f, &part, 2, 4, 0);
    expect_queue(f, &part, 2, 9, 1);
    assert_int_equal(reader_left(&part.body), 0);
    request.queue_id = 9;
    ask(f, &request, 2);
    part = expect_part(f, OFPST_QUEUE);
    expect_queue(f, &part, 1, 9, 0);
    expect_queue(f, &part, 2, 9, 1);
    request.port_no = 2;
    ask(f, &request, 3);
    part = expect_part(f, OFPST_QUEUE);
    expect_queue(f, &part, 2, 9, 1);
    assert_int_equal(reader_left(&part.body), 0);
}

static void
queue_statistics_of_nothing_are_refused(void **state)
{
    struct fixture *f = *state;
    struct ofp_stats_request request = { .type = OFPST_QUEUE, .port_no = PORT_ALL,
                                         .queue_id = 0xffffffff };
    ask(f, &request, 1);
    struct ofp_stats_part part = expect_part(f, OFPST_QUEUE);
    assert_int_equal(reader_left(&part.body), 0);
    request.port_no = PORT_LOCAL;
    ask(f, &request, 4);
    peer_expect_error(&f->peer, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT, 4);
    request.port_no = 44;
    ask(f, &request, 2);
    peer_expect_error(&f->peer, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT, 2);
    request.port_no = 1;
    request.queue_id = 5;
    ask(f, &request, 3);
    peer_expect_error(&f->peer, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_QUEUE, 3);
}

/* Thousands of flows: many parts; the table changes in between; requests behind the dump
 * are answered behind it. */
static void
long_statistics_come_in_parts_while_the_table_changes(void **state)
{
    enum { N = 5000 };
    static struct action actions[ACTION_LIST_MAX];
    static unsigned seen[N + 1];
    struct fixture *f = *state;
    struct peer other;
    peer_hello(&other, &f->rig, f->rig.path);
    for (unsigned i = 0; i < N; i++) {
        char text[40];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i + 1);
        struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, text, 2);
        fm->cookie = i;
        ofp_encode_flow_mod(&f->peer.out, i, fm);
    }
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    memset(seen, 0, sizeof seen);
    const struct ofp_stats_request request = flow_request(OFPST_FLOW, "", PORT_NONE);
    ask(f, &request, 77);
    peer_send_header(&f->peer, OFPT_ECHO_REQUEST, 78);
    unsigned parts = 0, n = 0;
    bool more = true;
    while (more) {
        struct ofp_flow_stats flow;
        struct ofp_stats_part part = expect_part(f, OFPST_FLOW);
        assert_int_equal(f->peer.header.xid, 77);
        while (reader_left(&part.body)) {
            assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &f->refusal), 0);
            seen[flow.cookie]++;
            n++;
        }
        more = part.more;
        if (!parts++) {
            put_flow_mod(&other, OFPFC_DELETE, "tcp,tp_dst=1", PORT_NONE);
            put_flow_mod(&other, OFPFC_DELETE, "tcp,tp_dst=4999", PORT_NONE);
            struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "udp", 2);
            fm->cookie = N;
            ofp_encode_flow_mod(&other.out, 1, fm);
            peer_send(&other);
            peer_barrier(&other);
        }
    }
    assert_true(parts > 5);
    assert_true(n >= N - 2);
    for (unsigned i = 0; i < N; i++) {
        assert_true(seen[i] <= 1);
        assert_true(seen[i] == 1 || i == 0 || i == 4998);
    }
    peer_expect(&f->peer, OFPT_ECHO_REPLY);
    peer_close(&other);
}

static void
a_dump_ends_with_its_connection(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    for (unsigned i = 0; i < 4000; i++) {
        char text[40];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i + 1);
        put_flow_mod(&f->peer, OFPFC_ADD, text, 2);
    }
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    peer_hello(&other, &f->rig, f->rig.path);
    const struct ofp_stats_request request = flow_request(OFPST_FLOW, "", PORT_NONE);
    ofp_encode_stats_request(&other.out, 1, &request);
    peer_send(&other);
    rig_turn(&f->rig);
    rig_turn(&f->rig);
    peer_close(&other);
    send_flow_mod(f, OFPFC_DELETE, "", PORT_NONE);
    peer_barrier(&f->peer);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
}

static void
add_40000(struct fixture *f)
{
    for (unsigned i = 0; i < 40000; i++) {
        char text[40];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i + 1);
        put_flow_mod(&f->peer, OFPFC_ADD, text, 2);
    }
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 40000);
}

/* In pieces: the other controller is served in between, what follows is done behind. */
static void
a_long_delete_leaves_time_for_others(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    peer_hello(&other, &f->rig, f->rig.path);
    add_40000(f);
    put_flow_mod(&f->peer, OFPFC_DELETE, "tcp", PORT_NONE);
    put_flow_mod(&f->peer, OFPFC_ADD, "tcp,tp_dst=7", 2);
    peer_send(&f->peer);
    peer_send_header(&other, OFPT_ECHO_REQUEST, 1);
    peer_expect(&other, OFPT_ECHO_REPLY);
    size_t left = flow_table_count(agent_flows(f->rig.agent));
    assert_true(left > 1 && left < 40000);
    peer_barrier(&f->peer);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 1);
    peer_close(&other);
}

static void
a_long_delete_is_finished_when_its_connection_ends(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    add_40000(f);
    peer_hello(&other, &f->rig, f->rig.path);
    put_flow_mod(&other, OFPFC_DELETE, "", PORT_NONE);
    peer_send(&other);
    peer_close(&other);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
}

static bool
count_one(const struct flow *flow, void *n)
{
    (void) flow;
    ++*(unsigned *) n;
    return true;
}

/* Flows with an output to 'port'. */
static unsigned
count_to(struct fixture *f, uint16_t port)
{
    static const struct ofp_match all;
    unsigned n = 0;
    flow_table_for_each(agent_flows(f->rig.agent), &all, port, count_one, &n);
    return n;
}

static void
a_long_modify_leaves_time_for_others(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    peer_hello(&other, &f->rig, f->rig.path);
    add_40000(f);
    put_flow_mod(&f->peer, OFPFC_MODIFY, "tcp", 3);
    peer_send(&f->peer);
    peer_send_header(&other, OFPT_ECHO_REQUEST, 1);
    peer_expect(&other, OFPT_ECHO_REPLY);
    unsigned left = count_to(f, 2);
    assert_true(left > 0 && left < 40000);
    put_flow_mod(&other, OFPFC_ADD, "udp", 2);          /* came later: stays as it is */
    peer_send(&other);
    peer_barrier(&other);
    peer_barrier(&f->peer);
    assert_int_equal(count_to(f, 3), 40000);
    assert_int_equal(count_to(f, 2), 1);
    peer_close(&other);
}

static void
a_long_modify_that_finds_nothing_adds(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    add_40000(f);
    config.max_flows = 40000;
    agent_set_config(f->rig.agent, &config);
    ofp_encode_flow_mod(&f->peer.out, 0x77, flow_mod_of(OFPFC_MODIFY, "udp", 3));
    peer_send(&f->peer);
    peer_expect_error(&f->peer, OFPET_FLOW_MOD_FAILED, OFPFMFC_ALL_TABLES_FULL, 0x77);
    config.max_flows = 40001;
    agent_set_config(f->rig.agent, &config);
    send_flow_mod(f, OFPFC_MODIFY, "udp", 3);
    peer_barrier(&f->peer);
    assert_int_equal(count_to(f, 3), 1);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 40001);
}

static void
a_long_modify_runs_its_buffered_packet(void **state)
{
    struct fixture *f = *state;
    add_40000(f);
    rig_frame(f->frame, 200, 1, 2, 80);
    f->frame[23] = 17;
    rig_inject(&f->rig, 1, f->frame, 200);
    struct ofp_packet_in in = expect_packet_in(f, &f->peer);
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_MODIFY, "tcp", 3);
    fm->buffer_id = in.buffer_id;
    ofp_encode_flow_mod(&f->peer.out, 5, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    assert_int_equal(rig_take(&f->rig, 3, f->got, sizeof f->got), 200);
    ofp_encode_flow_mod(&f->peer.out, 6, fm);           /* it is gone: an error, and the flows */
    peer_send(&f->peer);
    peer_expect_error(&f->peer, OFPET_BAD_REQUEST, OFPBRC_BUFFER_EMPTY, 6);
    assert_int_equal(count_to(f, 3), 40000);
}

static void
a_long_delete_by_output_leaves_time_for_others(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    peer_hello(&other, &f->rig, f->rig.path);
    add_40000(f);
    add_flow(f, "udp", 3);
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_DELETE, "", PORT_NONE);
    fm->out_port = 2;
    ofp_encode_flow_mod(&f->peer.out, 5, fm);
    peer_send(&f->peer);
    peer_send_header(&other, OFPT_ECHO_REQUEST, 1);
    peer_expect(&other, OFPT_ECHO_REPLY);
    size_t left = flow_table_count(agent_flows(f->rig.agent));
    assert_true(left > 1 && left < 40000);
    peer_barrier(&f->peer);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 1);
    peer_close(&other);
}

/* --- fail modes ------------------------------------------------------------------------------- */

static void
secure_drops_misses_without_a_controller(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_CONTROLLER);
    peer_close(&f->peer);
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_DROP);
    rig_pass_ms(&f->rig, 60000);
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_DROP);
    peer_hello(&f->peer, &f->rig, f->rig.mgmt_path);     /* a tool is no controller */
    assert_int_equal(dp_bridge_miss_mode(agent_bridge(f->rig.agent)), DP_MISS_DROP);
}

static void
standalone_switches_when_controllers_are_lost(void **state)
{
    struct fixture *f = *state;
    struct dp_bridge *bridge = agent_bridge(f->rig.agent);
    struct agent_config config = rig_config;
    config.fail_mode = AGENT_FAIL_STANDALONE;
    agent_set_config(f->rig.agent, &config);
    peer_send_header(&f->peer, OFPT_FEATURES_REQUEST, 1);
    peer_expect(&f->peer, OFPT_FEATURES_REPLY);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_CONTROLLER);
    peer_close(&f->peer);
    rig_pass_ms(&f->rig, 14500);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_DROP);
    rig_pass_ms(&f->rig, 1000);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_NORMAL);
    peer_hello(&f->peer, &f->rig, f->rig.path);
    peer_barrier(&f->peer);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_NORMAL);   /* not live yet */
    peer_send_header(&f->peer, OFPT_FEATURES_REQUEST, 1);
    peer_expect(&f->peer, OFPT_FEATURES_REPLY);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_CONTROLLER);
    assert_int_equal(agent_del_target(f->rig.agent, f->rig.target), 0);
    peer_expect_closed(&f->peer);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_NORMAL);   /* none is configured */
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(echo_comes_back_unchanged),
        TEST(features_tell_what_is_real),
        TEST(a_given_datapath_id_is_used),
        TEST(configuration_is_kept),
        TEST(what_is_not_known_is_refused_and_the_connection_lives),
        TEST(an_error_is_never_answered),
        TEST(a_flow_forwards_packets),
        TEST(a_refused_flow_mod_says_why_and_carries_the_request),
        TEST(flow_removed_goes_before_the_barrier_reply),
        TEST(a_barrier_parks_its_own_connection_only),
        TEST(time_outs_tell_all_controllers),
        TEST(a_miss_sends_miss_send_len_bytes_and_a_buffer),
        TEST(the_controller_action_sends_max_len_bytes),
        TEST(each_connection_has_its_own_miss_send_len),
        TEST(packet_ins_have_a_rate),
        TEST(a_flood_leaves_the_rate_to_other_ports_and_to_actions),
        TEST(waiting_packet_ins_go_with_their_connection),
        TEST(a_rate_is_each_controllers_own),
        TEST(a_buffered_packet_is_sent_once),
        TEST(a_flow_mod_runs_its_buffered_packet),
        TEST(a_flow_mod_counts_its_buffered_packet),
        TEST(a_buffer_expires),
        TEST(a_greedy_controller_leaves_others_their_buffers),
        TEST(packet_out_knows_the_reserved_ports),
        TEST(packet_out_to_no_port_is_refused),
        TEST(port_mod_changes_flags_and_tells),
        TEST(a_wrong_port_mod_is_refused),
        TEST(ports_that_come_and_go_are_told),
        TEST(queues_are_none),
        TEST(desc_names_the_switch),
        TEST(flow_statistics_tell_each_flow),
        TEST(aggregate_and_table_statistics_add_up),
        TEST(port_statistics_tell_one_or_all),
        TEST(a_flow_enqueues_to_queues_that_are_there),
        TEST(queues_are_told_with_their_rates),
        TEST(queue_statistics_count_what_was_sent),
        TEST(queue_statistics_of_nothing_are_refused),
        TEST(long_statistics_come_in_parts_while_the_table_changes),
        TEST(a_dump_ends_with_its_connection),
        TEST(a_long_delete_leaves_time_for_others),
        TEST(a_long_delete_is_finished_when_its_connection_ends),
        TEST(a_long_modify_leaves_time_for_others),
        TEST(a_long_modify_that_finds_nothing_adds),
        TEST(a_long_modify_runs_its_buffered_packet),
        TEST(a_long_delete_by_output_leaves_time_for_others),
        TEST(secure_drops_misses_without_a_controller),
        TEST(standalone_switches_when_controllers_are_lost),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
