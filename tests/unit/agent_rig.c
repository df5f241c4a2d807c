/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/flow_text.h"
#include "tests/unit/agent_rig.h"
#include "tests/unit/fake_clock.h"

enum { IN_MAX = 4 * 1024 * 1024, TURNS_MAX = 2000, THREADED_TURNS_MAX = 2000000, QUIET_TURNS = 20 };

const struct agent_config rig_config = {
    .datapath_id = 0,
    .fail_mode = AGENT_FAIL_SECURE,
    .inactivity_probe_s = 5,
    .max_backoff_s = 8,
};

/* --- the switch ------------------------------------------------------------------------- */

static void
init(struct rig *rig, const struct agent_config *config, bool threads)
{
    const struct dp_config dp_config = { .cache_entries = 64, .threads = threads };
    static const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    struct errmsg err;
    memset(rig, 0, sizeof *rig);
    rig->threads = threads;
    signal(SIGPIPE, SIG_IGN);
    fake_clock_install();
    fake_creep_ns = 0;
    strcpy(rig->dir, "/tmp/turnout-agent-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof rig->path, "%s/c", rig->dir);
    snprintf(rig->target, sizeof rig->target, "punix:%s", rig->path);
    snprintf(rig->mgmt_path, sizeof rig->mgmt_path, "%s/m", rig->dir);
    snprintf(rig->mgmt_target, sizeof rig->mgmt_target, "punix:%s", rig->mgmt_path);
    rig->base = event_base_new();
    rig->dp = dp_new(rig->base, &dp_config, &err);
    assert_non_null(rig->dp);
    rig->agent = agent_new(rig->base, rig->dp, "br0", &bridge_config, PKTIO_MEMORY,
                           config ? config : &rig_config, &err);
    assert_non_null(rig->agent);
    for (unsigned i = 1; i <= RIG_PORTS; i++) {
        char name[8];
        uint16_t no = 0;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(agent_bridge(rig->agent), name, 0, PKTIO_MEMORY, &no, &err),
                         0);
        assert_int_equal(no, i);
    }
    assert_int_equal(agent_add_target(rig->agent, rig->target, &err), 0);
    assert_int_equal(agent_add_management(rig->agent, rig->mgmt_target, &err), 0);
}

void
rig_init(struct rig *rig, const struct agent_config *config)
{
    init(rig, config, false);
}

void
rig_init_threads(struct rig *rig, const struct agent_config *config)
{
    init(rig, config, true);
}

void
rig_fini(struct rig *rig)
{
    agent_free(rig->agent);
    dp_free(rig->dp);
    event_base_free(rig->base);
    assert_int_equal(rmdir(rig->dir), 0);   /* the socket files are gone */
}

void
rig_turn(struct rig *rig)
{
    event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    if (rig->threads) {
        sched_yield();
    } else {
        dp_run_once(rig->dp);
    }
}

void
rig_pass_ms(struct rig *rig, uint64_t ms)
{
    while (ms) {
        uint64_t step = ms < 50 ? ms : 50;
        fake_clock_advance_ms(step);
        ms -= step;
        agent_run(rig->agent);
        rig_turn(rig);
    }
}

void
rig_creep(uint64_t ns)
{
    fake_creep_ns = ns;
}

void
rig_inject(struct rig *rig, uint16_t port, const void *frame, uint32_t size)
{
    struct pktio *io = dp_port_pktio(agent_bridge(rig->agent), port);
    assert_int_equal(pktio_memory_inject(io, frame, size), 0);
    rig_turn(rig);
}

uint32_t
rig_take(struct rig *rig, uint16_t port, void *frame, uint32_t capacity)
{
    return pktio_memory_take(dp_port_pktio(agent_bridge(rig->agent), port), frame, capacity);
}

void
rig_frame(uint8_t *frame, uint32_t size, uint8_t a, uint8_t b, uint16_t tp_dst)
{
    const uint8_t head[] = {
        2, 0, 0, 0, 0, b,  2, 0, 0, 0, 0, a,  0x08, 0x00,
        0x45, 0, (uint8_t) ((size - 14) >> 8), (uint8_t) (size - 14), 0, 0, 0, 0, 64, 6, 0, 0,
        10, 0, 0, a,  10, 0, 0, b,
        0x04, 0, (uint8_t) (tp_dst >> 8), (uint8_t) tp_dst, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2,
    };
    memset(frame, 0x5a, size);
    memcpy(frame, head, sizeof head);
}

unsigned
rig_n_sessions(const struct rig *rig)
{
    unsigned n = 0;
    for (const struct session *s = rig->agent->sessions; s; s = s->next) {
        n++;
    }
    return n;
}

/* --- a controller -------------------------------------------------------------------------- */

void
peer_adopt(struct peer *peer, struct rig *rig, int fd)
{
    *peer = (struct peer) { .rig = rig, .fd = fd, .in = malloc(IN_MAX) };
    writer_init(&peer->out);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

void
peer_connect(struct peer *peer, struct rig *rig, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    peer_adopt(peer, rig, fd);
    rig_turn(rig);
}

void
peer_hello(struct peer *peer, struct rig *rig, const char *path)
{
    peer_connect(peer, rig, path);
    peer_send_header(peer, OFPT_HELLO, 1);
    peer_expect(peer, OFPT_HELLO);
    for (int i = 0; i < 3; i++) {
        rig_turn(rig);
    }
}

void
peer_close(struct peer *peer)
{
    close(peer->fd);
    writer_fini(&peer->out);
    free(peer->in);
    for (int i = 0; i < 5; i++) {
        rig_turn(peer->rig);
    }
}

void
peer_send_bytes(struct peer *peer, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (unsigned turns = 0; size; turns++) {
        ssize_t n = send(peer->fd, p, size, MSG_NOSIGNAL);
        if (n > 0) {
            p += n;
            size -= (size_t) n;
            turns = 0;
        } else {
            assert_true(errno == EAGAIN && turns < TURNS_MAX);
            rig_turn(peer->rig);
        }
    }
}

void
peer_send(struct peer *peer)
{
    assert_false(peer->out.failed);
    peer_send_bytes(peer, peer->out.data, peer->out.size);
    writer_clear(&peer->out);
}

void
peer_send_header(struct peer *peer, uint8_t type, uint32_t xid)
{
    ofp_encode_header_only(&peer->out, type, xid);
    peer_send(peer);
}

static void
receive(struct peer *peer)
{
    assert_true(peer->have < IN_MAX);
    ssize_t n = recv(peer->fd, peer->in + peer->have, IN_MAX - peer->have, 0);
    if (n > 0) {
        peer->have += (size_t) n;
    } else if (!n || errno != EAGAIN) {
        peer->closed = true;
    }
}

static const uint8_t *
next_within(struct peer *peer, unsigned turns)
{
    memmove(peer->in, peer->in + peer->taken, peer->have - peer->taken);
    peer->have -= peer->taken;
    peer->taken = 0;
    for (unsigned i = 0;; i++) {
        if (peer->have >= OFP_HEADER_SIZE) {
            ofp_header_decode(peer->in, &peer->header);
            if (peer->have >= peer->header.length) {
                peer->taken = peer->header.length;
                return peer->in;
            }
        }
        if (i == turns || peer->closed) {
            return NULL;
        }
        rig_turn(peer->rig);
        receive(peer);
    }
}

const uint8_t *
peer_next(struct peer *peer)
{
    return next_within(peer, peer->rig->threads ? THREADED_TURNS_MAX : TURNS_MAX);
}

const uint8_t *
peer_expect(struct peer *peer, uint8_t type)
{
    struct ofp_refusal refusal;
    const uint8_t *msg = peer_next(peer);
    if (!msg) {
        fail_msg("no %s came%s", ofp_type_name(type), peer->closed ? ": closed" : "");
    }
    if (peer->header.type != type) {
        uint16_t error_type = 0, code = 0;
        if (peer->header.type == OFPT_ERROR) {
            ofp_decode_error(msg, peer->header.length, &error_type, &code, &refusal);
        }
        fail_msg("type %u instead of %s (%s)", peer->header.type, ofp_type_name(type),
                 ofp_error_name(error_type, code));
    }
    if (ofp_check_size_from_switch(msg, peer->header.length, &refusal)) {
        fail_msg("%s: %s", ofp_type_name(type), refusal.why);
    }
    return msg;
}

void
peer_expect_error(struct peer *peer, uint16_t type, uint16_t code, uint32_t xid)
{
    struct ofp_refusal refusal;
    uint16_t got_type, got_code;
    const uint8_t *msg = peer_expect(peer, OFPT_ERROR);
    assert_int_equal(ofp_decode_error(msg, peer->header.length, &got_type, &got_code, &refusal), 0);
    assert_string_equal(ofp_error_name(got_type, got_code), ofp_error_name(type, code));
    assert_int_equal(peer->header.xid, xid);
}

void
peer_expect_nx_error(struct peer *peer, uint16_t type, uint16_t code, uint32_t xid)
{
    struct ofp_refusal what, refusal;
    struct reader data;
    const uint8_t *msg = peer_expect(peer, OFPT_ERROR);
    assert_int_equal(ofp_decode_any_error(msg, peer->header.length, &what, &data, &refusal), 0);
    assert_int_equal(what.vendor, NX_VENDOR);
    assert_string_equal(ofp_refusal_name(&what), nx_error_name(type, code));
    assert_int_equal(peer->header.xid, xid);
}

void
peer_expect_nothing(struct peer *peer)
{
    const uint8_t *msg = next_within(peer, QUIET_TURNS);
    if (msg) {
        fail_msg("%s came", ofp_type_name(msg[1]));
    }
    assert_false(peer->closed);
}

void
peer_expect_closed(struct peer *peer)
{
    while (peer_next(peer)) {
        continue;
    }
    assert_true(peer->closed);
}

void
peer_barrier(struct peer *peer)
{
    static uint32_t xid = 0xba000000;
    peer_send_header(peer, OFPT_BARRIER_REQUEST, ++xid);
    peer_expect(peer, OFPT_BARRIER_REPLY);
    assert_int_equal(peer->header.xid, xid);
}

struct ofp_flow_mod *
flow_mod_of(uint16_t command, const char *match, uint16_t port)
{
    static struct ofp_flow_mod fm;
    struct errmsg err;
    memset(&fm, 0, sizeof fm);
    if (flow_match_parse(match, NULL, &fm.match.match, &err)) {
        fail_msg("%s: %s", match, err.text);
    }
    fm.command = command;
    fm.priority = 100;
    fm.out_port = PORT_NONE;
    fm.buffer_id = OFP_NO_BUFFER;
    fm.n_actions = port != PORT_NONE;
    fm.actions[0].type = ACTION_OUTPUT;
    fm.actions[0].output.port = port;
    fm.actions[0].output.max_len = port == PORT_CONTROLLER ? 50 : 0;
    return &fm;
}

void
put_flow_mod(struct peer *peer, uint16_t command, const char *match, uint16_t port)
{
    ofp_encode_flow_mod(&peer->out, 0xf10, flow_mod_of(command, match, port));
}
