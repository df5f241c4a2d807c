/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: handshakes, probes, back-off, and peers that flood, stall and lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "lib/flow_text.h"
#include "lib/resolver.h"
#include "tests/unit/agent_rig.h"

struct fixture {
    struct rig rig;
    struct peer peer;
    uint8_t frame[2048];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rig_init(&f->rig, NULL);
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

static void
hello(struct fixture *f)
{
    peer_hello(&f->peer, &f->rig, f->rig.path);
}

/* --- HELLO ------------------------------------------------------------------------------- */

static void
version_1_is_agreed_on(struct fixture *f, const uint8_t *msg, size_t size)
{
    peer_connect(&f->peer, &f->rig, f->rig.path);
    peer_expect(&f->peer, OFPT_HELLO);
    peer_send_bytes(&f->peer, msg, size);
    peer_barrier(&f->peer);
    peer_close(&f->peer);
}

static void
higher_versions_and_bitmaps_are_fine(void **state)
{
    struct fixture *f = *state;
    static const uint8_t plain[] = { 1, 0, 0, 8, 0, 0, 0, 1 };
    static const uint8_t higher[] = { 4, 0, 0, 8, 0, 0, 0, 1 };
    static const uint8_t bitmap[] = { 4, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x12 };
    static const uint8_t body[] = { 1, 0, 0, 12, 0, 0, 0, 1, 'a', 'n', 'y', 0 };
    version_1_is_agreed_on(f, plain, sizeof plain);
    version_1_is_agreed_on(f, higher, sizeof higher);
    version_1_is_agreed_on(f, bitmap, sizeof bitmap);
    version_1_is_agreed_on(f, body, sizeof body);
}

static void
refused_with_hello_failed(struct fixture *f, const uint8_t *msg, size_t size)
{
    peer_connect(&f->peer, &f->rig, f->rig.path);
    peer_expect(&f->peer, OFPT_HELLO);
    peer_send_bytes(&f->peer, msg, size);
    struct ofp_header header;
    ofp_header_decode(msg, &header);
    peer_expect_error(&f->peer, OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE, header.xid);
    peer_expect_closed(&f->peer);
    peer_close(&f->peer);
    assert_int_equal(rig_n_sessions(&f->rig), 0);
}

static void
no_common_version_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zero[] = { 0, 0, 0, 8, 0, 0, 0, 1 };
    static const uint8_t bitmap[] = { 4, 0, 0, 16, 0, 0, 0, 2, 0, 1, 0, 8, 0, 0, 0, 0x10 };
    static const uint8_t not_hello[] = { 1, OFPT_FEATURES_REQUEST, 0, 8, 0, 0, 0, 3 };
    refused_with_hello_failed(f, zero, sizeof zero);
    refused_with_hello_failed(f, bitmap, sizeof bitmap);
    refused_with_hello_failed(f, not_hello, sizeof not_hello);
}

static void
silence_instead_of_hello_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    peer_connect(&f->peer, &f->rig, f->rig.path);
    peer_expect(&f->peer, OFPT_HELLO);
    rig_pass_ms(&f->rig, 4900);
    assert_int_equal(rig_n_sessions(&f->rig), 1);
    rig_pass_ms(&f->rig, 600);
    peer_expect_closed(&f->peer);
    peer_close(&f->peer);
}

/* --- probes -------------------------------------------------------------------------------- */

static void
an_idle_peer_is_probed_and_dropped_when_it_is_silent(void **state)
{
    struct fixture *f = *state;
    hello(f);
    rig_pass_ms(&f->rig, 4700);
    peer_expect_nothing(&f->peer);
    rig_pass_ms(&f->rig, 600);
    peer_expect(&f->peer, OFPT_ECHO_REQUEST);
    peer_send_header(&f->peer, OFPT_ECHO_REPLY, f->peer.header.xid);
    rig_pass_ms(&f->rig, 5600);
    peer_expect(&f->peer, OFPT_ECHO_REQUEST);
    rig_pass_ms(&f->rig, 4000);
    peer_expect_nothing(&f->peer);
    uint64_t before = counter_read(COUNTER_conn_probe_lost);
    rig_pass_ms(&f->rig, 1700);
    peer_expect_closed(&f->peer);
    assert_int_equal(counter_read(COUNTER_conn_probe_lost) - before, 1);
    peer_close(&f->peer);
}

static void
without_probes_silence_is_fine(void **state)
{
    struct fixture *f = *state;
    struct agent_config config = rig_config;
    config.inactivity_probe_s = 0;
    agent_set_config(f->rig.agent, &config);
    hello(f);
    rig_pass_ms(&f->rig, 60000);
    peer_expect_nothing(&f->peer);
    peer_close(&f->peer);
}

/* --- framing ---------------------------------------------------------------------------------- */

static void
a_length_below_8_closes_the_connection(void **state)
{
    struct fixture *f = *state;
    static const uint8_t msg[] = { 1, OFPT_ECHO_REQUEST, 0, 7, 0, 0, 0, 1 };
    uint64_t before = counter_read(COUNTER_conn_bad_length);
    hello(f);
    peer_send_bytes(&f->peer, msg, sizeof msg);
    peer_expect_closed(&f->peer);
    assert_int_equal(counter_read(COUNTER_conn_bad_length) - before, 1);
    peer_close(&f->peer);
}

static void
messages_in_pieces_are_put_together(void **state)
{
    struct fixture *f = *state;
    struct writer w;
    writer_init(&w);
    hello(f);
    for (uint32_t i = 0; i < 20; i++) {
        ofp_encode_echo(&w, OFPT_ECHO_REQUEST, i, "0123456789", i % 11);
    }
    for (size_t i = 0; i < w.size; i++) {
        peer_send_bytes(&f->peer, w.data + i, 1);
        if (i % 3 == 0) {
            rig_turn(&f->rig);
        }
    }
    for (uint32_t i = 0; i < 20; i++) {
        const uint8_t *msg = peer_expect(&f->peer, OFPT_ECHO_REPLY);
        assert_int_equal(f->peer.header.xid, i);
        assert_int_equal(f->peer.header.length, 8 + i % 11);
        assert_memory_equal(msg + 8, "0123456789", i % 11);
    }
    writer_fini(&w);
    peer_close(&f->peer);
}

static void
the_longest_message_is_taken(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = malloc(65535 - 8);
    hello(f);
    for (unsigned i = 0; i < 65535 - 8; i++) {
        data[i] = (uint8_t) (i * 7);
    }
    for (uint32_t xid = 0; xid < 5; xid++) {
        ofp_encode_echo(&f->peer.out, OFPT_ECHO_REQUEST, xid, data, 65535 - 8);
    }
    peer_send(&f->peer);
    for (uint32_t xid = 0; xid < 5; xid++) {
        const uint8_t *msg = peer_expect(&f->peer, OFPT_ECHO_REPLY);
        assert_int_equal(f->peer.header.xid, xid);
        assert_memory_equal(msg + 8, data, 65535 - 8);
    }
    free(data);
    peer_close(&f->peer);
}

/* A peer that sends and then only reads still gets its answers. */
static void
what_was_sent_before_the_end_is_answered(void **state)
{
    struct fixture *f = *state;
    hello(f);
    for (uint32_t i = 0; i < 3000; i++) {
        ofp_encode_header_only(&f->peer.out, OFPT_ECHO_REQUEST, i);
    }
    peer_send(&f->peer);
    shutdown(f->peer.fd, SHUT_WR);
    for (uint32_t i = 0; i < 3000; i++) {
        peer_expect(&f->peer, OFPT_ECHO_REPLY);
        assert_int_equal(f->peer.header.xid, i);
    }
    peer_expect_closed(&f->peer);
    peer_close(&f->peer);
}

static void
half_a_message_waits_until_the_probe_ends_it(void **state)
{
    struct fixture *f = *state;
    static const uint8_t msg[] = { 1, OFPT_ECHO_REQUEST, 0xff, 0xff, 0, 0, 0, 1, 'x' };
    hello(f);
    peer_send_bytes(&f->peer, msg, sizeof msg);
    rig_pass_ms(&f->rig, 12000);
    peer_expect_closed(&f->peer);
    peer_close(&f->peer);
}

/* --- peers that do not read ------------------------------------------------------------------- */

/* Sends requests whose answers are big, and does not read, until the switch takes no more. */
static void
flood_without_reading(struct peer *peer)
{
    static uint8_t data[60000];
    size_t at = 0, total = 0;
    ofp_encode_echo(&peer->out, OFPT_ECHO_REQUEST, 1, data, sizeof data);
    for (unsigned stuck = 0; stuck < 200; stuck++) {
        ssize_t n = send(peer->fd, peer->out.data + at, peer->out.size - at, MSG_NOSIGNAL);
        rig_turn(peer->rig);
        if (n > 0) {
            at = (at + (size_t) n) % peer->out.size;
            total += (size_t) n;
            stuck = 0;
            assert_true(total < 16 * 1024 * 1024);
        }
    }
    writer_clear(&peer->out);
}

static uint32_t
most_queued(const struct rig *rig)
{
    uint32_t most = 0;
    for (const struct session *s = rig->agent->sessions; s; s = s->next) {
        struct conn_info info;
        conn_get_info(s->conn, &info);
        most = info.queued_bytes > most ? info.queued_bytes : most;
    }
    return most;
}

static void
a_peer_that_does_not_read_is_throttled_then_dropped(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    hello(f);
    peer_hello(&other, &f->rig, f->rig.path);
    flood_without_reading(&f->peer);
    assert_true(most_queued(&f->rig) >= CONN_HIGH_WATER);
    assert_true(most_queued(&f->rig) <= CONN_HIGH_WATER + OFP_MAX_SIZE);
    peer_barrier(&other);              /* nobody else notices */

    uint64_t before = counter_read(COUNTER_conn_stalled);
    for (int s = 0; s < 14; s++) {
        rig_pass_ms(&f->rig, 1000);
        peer_barrier(&other);
    }
    assert_int_equal(rig_n_sessions(&f->rig), 2);
    rig_pass_ms(&f->rig, 1300);
    assert_int_equal(rig_n_sessions(&f->rig), 1);
    assert_int_equal(counter_read(COUNTER_conn_stalled) - before, 1);
    peer_close(&f->peer);
    peer_barrier(&other);
    peer_close(&other);
}

static void
a_throttled_peer_goes_on_when_it_reads(void **state)
{
    struct fixture *f = *state;
    enum { N = 20000 };
    hello(f);
    uint64_t before = counter_read(COUNTER_conn_throttled);
    static uint8_t data[200];
    struct writer w;
    writer_init(&w);
    for (uint32_t i = 0; i < N; i++) {
        ofp_encode_echo(&w, OFPT_ECHO_REQUEST, i, data, sizeof data);
    }
    size_t sent = 0;
    for (uint32_t i = 0, refused = 0; i < N;) {
        ssize_t n = sent < w.size ? send(f->peer.fd, w.data + sent, w.size - sent,
                                         MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t) n : 0;
        refused = n > 0 ? 0 : refused + 1;
        for (int turn = 0; turn < 50 && n < 0; turn++) {
            rig_turn(&f->rig);         /* it takes what it can, and is throttled */
        }
        while ((!n || refused > 1) && i < sent / (w.size / N)) {
            peer_expect(&f->peer, OFPT_ECHO_REPLY);
            assert_int_equal(f->peer.header.xid, i);
            i++;
        }
    }
    assert_true(counter_read(COUNTER_conn_throttled) > before);
    writer_fini(&w);
    peer_close(&f->peer);
}

static void
packet_ins_to_a_peer_that_does_not_read_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    hello(f);
    peer_hello(&other, &f->rig, f->rig.path);
    memset(f->frame, 2, sizeof f->frame);
    uint64_t before = counter_read(COUNTER_conn_async_dropped);
    for (unsigned i = 0; i < 20000; i++) {
        rig_inject(&f->rig, 1, f->frame, 1000);
        if (i % 16 == 0) {             /* the other one reads */
            peer_send_header(&other, OFPT_ECHO_REQUEST, i);
            while (peer_next(&other) && other.header.type == OFPT_PACKET_IN) {
                continue;
            }
            assert_int_equal(other.header.type, OFPT_ECHO_REPLY);
            assert_int_equal(other.header.xid, i);
        }
        if (counter_read(COUNTER_conn_async_dropped) > before + 10) {
            break;
        }
    }
    assert_true(counter_read(COUNTER_conn_async_dropped) > before);
    assert_true(most_queued(&f->rig) <= CONN_HIGH_WATER + 2000);
    peer_close(&f->peer);
    peer_close(&other);
}

/* FLOW_REMOVED has a mark of its own, far above: a controller that reads loses none of a
 * burst, one that does not loses what is above the mark and costs no more memory. */
static void
flow_removed_to_a_peer_that_does_not_read_has_a_bound(void **state)
{
    enum { N = 60000, ROUNDS = 3 };
    struct fixture *f = *state;
    struct peer other;
    hello(f);
    peer_hello(&other, &f->rig, f->rig.path);
    uint64_t before = counter_read(COUNTER_conn_async_dropped);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < N; i++) {
            char text[32];
            snprintf(text, sizeof text, "tcp,tp_dst=%u", i);
            struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, text, 2);
            fm->flags = OFPFF_SEND_FLOW_REM;
            ofp_encode_flow_mod(&other.out, i, fm);
        }
        put_flow_mod(&other, OFPFC_DELETE, "", PORT_NONE);
        ofp_encode_header_only(&other.out, OFPT_BARRIER_REQUEST, 1);
        peer_send(&other);
        unsigned n = 0;
        while (peer_next(&other) && other.header.type == OFPT_FLOW_REMOVED) {
            n++;
        }
        assert_int_equal(other.header.type, OFPT_BARRIER_REPLY);
        assert_int_equal(n, N);
    }
    assert_true(counter_read(COUNTER_conn_async_dropped) > before);
    assert_true(most_queued(&f->rig) <= CONN_STATE_MARK + 100);
    assert_int_equal(rig_n_sessions(&f->rig), 2);
    peer_close(&f->peer);
    peer_close(&other);
}

/* Messages of every type with any content: each is answered or ignored, and the
 * connection goes on. */
static void
garbage_is_survived(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 99;
    hello(f);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t msg[200];
        unsigned size = 8 + rand_r(&seed) % 24 * 8;
        for (unsigned k = 0; k < size; k++) {
            /* Small numbers are what types, lengths and ports are made of. */
            msg[k] = (uint8_t) (rand_r(&seed) % 3 ? rand_r(&seed) % 16 : rand_r(&seed));
        }
        msg[0] = OFP_VERSION;
        msg[1] = (uint8_t) (rand_r(&seed) % 24);
        msg[2] = 0;
        msg[3] = (uint8_t) size;
        peer_send_bytes(&f->peer, msg, size);
        if (i % 100 == 0) {
            peer_send_header(&f->peer, OFPT_BARRIER_REQUEST, 0xfeed0000 + i);
            do {
                assert_non_null(peer_next(&f->peer));
            } while (f->peer.header.xid != 0xfeed0000 + i);
        }
    }
    peer_close(&f->peer);
}

/* Someone who sends FLOW_MODs as fast as he can does not keep another's ECHO waiting for
 * more than a few turns of the loop. */
static void
a_flood_of_flow_mods_starves_nobody(void **state)
{
    struct fixture *f = *state;
    struct peer other;
    struct writer w;
    writer_init(&w);
    hello(f);
    peer_hello(&other, &f->rig, f->rig.path);
    for (unsigned i = 0; i < 2000; i++) {
        char text[32];
        snprintf(text, sizeof text, "tcp,tp_dst=%u", i);
        ofp_encode_flow_mod(&w, i, flow_mod_of(OFPFC_ADD, text, 2));
    }
    size_t at = 0;
    unsigned worst = 0;
    for (unsigned round = 0; round < 20; round++) {
        peer_send_header(&other, OFPT_ECHO_REQUEST, round);
        unsigned turns = 0;
        uint8_t reply[8];
        while (recv(other.fd, reply, 8, MSG_DONTWAIT) != 8) {
            ssize_t n = send(f->peer.fd, w.data + at, w.size - at, MSG_NOSIGNAL);
            at += n > 0 ? (size_t) n : 0;
            at = at == w.size ? 0 : at;
            rig_turn(&f->rig);
            turns++;
            assert_true(turns < 100);
        }
        worst = turns > worst ? turns : worst;
    }
    assert_true(worst <= 4);
    writer_fini(&w);
    peer_close(&f->peer);
    peer_close(&other);
}

/* --- many connections ------------------------------------------------------------------------- */

static void
connections_have_a_limit_and_the_idle_go_first(void **state)
{
    struct fixture *f = *state;
    enum { EXTRA = 40 };
    static int fds[AGENT_DEFAULT_MAX_CONNECTIONS + EXTRA];
    struct peer good;
    uint64_t before = counter_read(COUNTER_conn_evicted);
    peer_hello(&good, &f->rig, f->rig.path);
    for (unsigned i = 0; i < AGENT_DEFAULT_MAX_CONNECTIONS + EXTRA - 1; i++) {
        struct peer peer;
        peer_connect(&peer, &f->rig, f->rig.path);
        fds[i] = peer.fd;
        free(peer.in);
    }
    for (int i = 0; i < 10; i++) {
        rig_turn(&f->rig);
    }
    assert_int_equal(rig_n_sessions(&f->rig), AGENT_DEFAULT_MAX_CONNECTIONS);
    assert_int_equal(counter_read(COUNTER_conn_evicted) - before, EXTRA);
    peer_barrier(&good);               /* it had said HELLO: it stays */
    for (unsigned i = 0; i < AGENT_DEFAULT_MAX_CONNECTIONS + EXTRA - 1; i++) {
        close(fds[i]);
    }
    peer_close(&good);
}

static void
who_only_says_hello_drives_no_controller_out(void **state)
{
    struct fixture *f = *state;
    static int fds[AGENT_DEFAULT_MAX_CONNECTIONS];
    struct peer good;
    peer_hello(&good, &f->rig, f->rig.path);
    peer_send_header(&good, OFPT_FEATURES_REQUEST, 1);
    peer_expect(&good, OFPT_FEATURES_REPLY);
    for (unsigned i = 0; i < AGENT_DEFAULT_MAX_CONNECTIONS; i++) {
        struct peer peer;
        rig_pass_ms(&f->rig, 1);
        peer_hello(&peer, &f->rig, f->rig.path);
        fds[i] = peer.fd;
        writer_fini(&peer.out);
        free(peer.in);
    }
    assert_int_equal(rig_n_sessions(&f->rig), AGENT_DEFAULT_MAX_CONNECTIONS);
    peer_barrier(&good);               /* idle for longest, but a controller */
    for (unsigned i = 0; i < AGENT_DEFAULT_MAX_CONNECTIONS; i++) {
        close(fds[i]);
    }
    peer_close(&good);
}

enum { FEW = 8 };

static void
allow_few(struct fixture *f)
{
    struct agent_config config = rig_config;
    config.max_connections = FEW;
    agent_set_config(f->rig.agent, &config);
}

static void
peer_feature(struct peer *peer)
{
    peer_send_header(peer, OFPT_FEATURES_REQUEST, 1);
    peer_expect(peer, OFPT_FEATURES_REPLY);
}

static void
a_crowd_of_controllers_drives_no_busy_one_out(void **state)
{
    struct fixture *f = *state;
    struct peer peers[FEW], newcomer;
    uint64_t refused = counter_read(COUNTER_conn_refused);
    allow_few(f);
    for (int i = 0; i < FEW; i++) {
        peer_hello(&peers[i], &f->rig, f->rig.path);
        peer_feature(&peers[i]);
    }
    for (int i = 0; i < 3; i++) {
        peer_connect(&newcomer, &f->rig, f->rig.path);
        peer_expect_closed(&newcomer);
        peer_close(&newcomer);
    }
    assert_int_equal(counter_read(COUNTER_conn_refused) - refused, 3);
    /* Sixteen seconds later all but one have only answered probes. */
    for (int ms = 0; ms < 16000; ms += 1000) {
        rig_pass_ms(&f->rig, 1000);
        for (int i = 0; i < FEW; i++) {
            peer_send_header(&peers[i], i == 2 ? OFPT_ECHO_REQUEST : OFPT_ECHO_REPLY, 0);
        }
    }
    /* They make room, one each; then there are none but busy ones. */
    struct peer newer[FEW - 1];
    for (int i = 0; i < FEW - 1; i++) {
        peer_hello(&newer[i], &f->rig, f->rig.path);
        peer_feature(&newer[i]);
    }
    peer_connect(&newcomer, &f->rig, f->rig.path);
    peer_expect_closed(&newcomer);
    peer_close(&newcomer);
    assert_int_equal(counter_read(COUNTER_conn_refused) - refused, 4);
    for (int i = 0; i < FEW; i++) {
        while (peer_next(&peers[i])) {
            continue;
        }
        assert_int_equal(peers[i].closed, i != 2);
        peer_close(&peers[i]);
    }
    for (int i = 0; i < FEW - 1; i++) {
        peer_barrier(&newer[i]);
        peer_close(&newer[i]);
    }
}

static void
who_does_not_say_hello_goes_first_however_busy(void **state)
{
    struct fixture *f = *state;
    struct peer controller, silent, newcomer;
    allow_few(f);
    peer_connect(&silent, &f->rig, f->rig.path);
    rig_pass_ms(&f->rig, 1000);
    peer_hello(&controller, &f->rig, f->rig.path);
    peer_feature(&controller);
    struct peer others[FEW - 2];
    for (int i = 0; i < FEW - 2; i++) {
        peer_hello(&others[i], &f->rig, f->rig.path);
    }
    rig_pass_ms(&f->rig, 1000);
    peer_send_bytes(&silent, "\1\0\0", 3);  /* the beginning of a HELLO */
    rig_turn(&f->rig);
    assert_int_equal(rig_n_sessions(&f->rig), FEW);
    peer_hello(&newcomer, &f->rig, f->rig.path);
    assert_int_equal(rig_n_sessions(&f->rig), FEW);
    peer_expect_closed(&silent);
    peer_barrier(&controller);
    for (int i = 0; i < FEW - 2; i++) {
        peer_barrier(&others[i]);
        peer_close(&others[i]);
    }
    peer_close(&newcomer);
    peer_close(&controller);
    peer_close(&silent);
}

static void
the_bound_is_of_all_listeners_and_tools_have_their_own(void **state)
{
    struct fixture *f = *state;
    struct peer peers[2 * FEW], tool;
    char path[100], target[120];
    uint64_t before = counter_read(COUNTER_conn_evicted);
    allow_few(f);
    snprintf(path, sizeof path, "%s/second", f->rig.dir);
    snprintf(target, sizeof target, "punix:%s", path);
    assert_int_equal(agent_add_target(f->rig.agent, target, NULL), 0);
    peer_hello(&tool, &f->rig, f->rig.mgmt_path);
    for (int i = 0; i < 2 * FEW; i++) {
        peer_hello(&peers[i], &f->rig, i % 2 ? path : f->rig.path);
    }
    assert_int_equal(rig_n_sessions(&f->rig), FEW + 1);
    assert_int_equal(counter_read(COUNTER_conn_evicted) - before, FEW);
    peer_barrier(&tool);
    for (int i = 0; i < 2 * FEW; i++) {
        peer_close(&peers[i]);
    }
    peer_close(&tool);
}

static void
without_descriptors_accepting_pauses(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, small;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct peer good, late;
    uint64_t before = counter_read(COUNTER_conn_accept_failed);
    peer_hello(&good, &f->rig, f->rig.path);
    peer_feature(&good);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = limit;
    small.rlim_cur = (rlim_t) fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    strcpy(addr.sun_path, f->rig.path);
    assert_int_equal(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    for (int i = 0; i < 20; i++) {
        rig_turn(&f->rig);
    }
    assert_int_equal(counter_read(COUNTER_conn_accept_failed) - before, 1);
    peer_barrier(&good);
    rig_pass_ms(&f->rig, 100);
    for (int i = 0; i < 20; i++) {
        rig_turn(&f->rig);
    }
    assert_int_equal(counter_read(COUNTER_conn_accept_failed) - before, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    rig_pass_ms(&f->rig, 150);
    peer_adopt(&late, &f->rig, fd);
    peer_expect(&late, OFPT_HELLO);
    peer_barrier(&good);
    peer_close(&late);
    peer_close(&good);
}

/* --- connecting ------------------------------------------------------------------------------- */

struct controller {
    int fd;
    char path[100], target[110];
};

static void
controller_listen(struct controller *c, struct rig *rig)
{
    struct target t;
    struct target_file file;
    char text[110];
    snprintf(c->path, sizeof c->path, "%s/controller", rig->dir);
    snprintf(c->target, sizeof c->target, "unix:%s", c->path);
    snprintf(text, sizeof text, "p%s", c->target);
    assert_int_equal(target_parse(text, &t, NULL), 0);
    c->fd = target_listen(&t, &file, NULL);
    assert_true(c->fd >= 0);
}

/* How long until the switch connects; -1 if it does not. */
static int
connects_within(struct fixture *f, struct controller *c, int ms)
{
    for (int i = 0; i <= ms; i += 25) {
        int fd = accept(c->fd, NULL, NULL);
        if (fd >= 0) {
            peer_adopt(&f->peer, &f->rig, fd);
            return i;
        }
        rig_pass_ms(&f->rig, 25);
    }
    return -1;
}

static const struct agent_connection_info *
row_of(struct fixture *f, const char *target);

static void
a_lost_controller_is_connected_to_again_with_back_off(void **state)
{
    struct fixture *f = *state;
    struct controller c;
    controller_listen(&c, &f->rig);
    assert_int_equal(agent_add_target(f->rig.agent, c.target, NULL), 0);
    assert_true(connects_within(f, &c, 200) >= 0);
    peer_send_header(&f->peer, OFPT_HELLO, 1);
    peer_expect(&f->peer, OFPT_HELLO);
    peer_barrier(&f->peer);
    rig_pass_ms(&f->rig, 1000);
    assert_string_equal(row_of(f, c.target)->state, "active");
    peer_close(&f->peer);
    assert_string_equal(row_of(f, c.target)->state, "backoff");
    assert_string_equal(row_of(f, c.target)->last_error, "closed by the peer");

    /* It connects and is closed before it has said HELLO, again and again. */
    static const int waits[] = { 100, 200, 400, 800, 1600, 3200, 6400, 8000, 8000 };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        int ms = connects_within(f, &c, waits[i] + 100);
        assert_true(ms >= waits[i] - 75);
        peer_close(&f->peer);
    }
    assert_int_equal(agent_del_target(f->rig.agent, c.target), 0);
    assert_int_equal(agent_del_target(f->rig.agent, c.target), -ENOENT);
    close(c.fd);
    unlink(c.path);
}

static void
a_controller_that_is_not_there_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct controller c;
    struct errmsg err;
    char target[100];
    snprintf(target, sizeof target, "unix:%s/controller", f->rig.dir);
    assert_int_equal(agent_add_target(f->rig.agent, target, &err), 0);
    assert_int_equal(agent_add_target(f->rig.agent, target, &err), -EEXIST);
    rig_pass_ms(&f->rig, 1000);
    assert_string_equal(row_of(f, target)->state, "backoff");
    assert_non_null(strstr(row_of(f, target)->last_error, "No such file"));
    controller_listen(&c, &f->rig);
    assert_true(connects_within(f, &c, 1000) >= 0);
    peer_close(&f->peer);
    agent_del_target(f->rig.agent, target);
    close(c.fd);
    unlink(c.path);
}

static void
a_refused_connection_says_so(void **state)
{
    struct fixture *f = *state;
    struct target t;
    struct target_file file;
    char text[32];
    assert_int_equal(target_parse("ptcp:0:127.0.0.1", &t, NULL), 0);
    int fd = target_listen(&t, &file, NULL);
    assert_int_equal(getsockname(fd, &t.addr.sa, &(socklen_t) { sizeof t.addr }), 0);
    close(fd);                         /* a port that nobody listens on */
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", ntohs(t.addr.in.sin_port));
    assert_int_equal(agent_add_target(f->rig.agent, text, NULL), 0);
    rig_pass_ms(&f->rig, 150);
    assert_string_equal(row_of(f, text)->state, "backoff");
    assert_string_equal(row_of(f, text)->last_error, "Connection refused");
    agent_del_target(f->rig.agent, text);
}

/* With a clock that moves while the agent looks at it twice. */
static void
a_connection_just_begun_has_its_time(void **state)
{
    struct fixture *f = *state;
    struct controller c;
    controller_listen(&c, &f->rig);
    rig_creep(1000000);
    assert_int_equal(agent_add_target(f->rig.agent, c.target, NULL), 0);
    for (int i = 0; i < 10; i++) {
        agent_run(f->rig.agent);
    }
    assert_true(connects_within(f, &c, 200) >= 0);
    peer_send_header(&f->peer, OFPT_HELLO, 1);
    peer_expect(&f->peer, OFPT_HELLO);
    peer_barrier(&f->peer);
    assert_string_equal(row_of(f, c.target)->last_error, "");
    peer_close(&f->peer);
    agent_del_target(f->rig.agent, c.target);
    close(c.fd);
    unlink(c.path);
}

static void
tcp_works_as_well(void **state)
{
    struct fixture *f = *state;
    struct endpoint *endpoint;
    struct target t;
    assert_int_equal(agent_add_target(f->rig.agent, "ptcp:0:127.0.0.1", NULL), 0);
    endpoint = endpoint_find(f->rig.agent, "ptcp:0:127.0.0.1");
    char text[32];
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", endpoint_tcp_port(endpoint));
    assert_int_equal(target_parse(text, &t, NULL), 0);
    int fd = target_connect(&t, NULL);
    assert_true(fd >= 0);
    peer_adopt(&f->peer, &f->rig, fd);
    peer_expect(&f->peer, OFPT_HELLO);
    peer_send_header(&f->peer, OFPT_HELLO, 1);
    peer_barrier(&f->peer);
    assert_int_equal(strncmp(row_of(f, "ptcp:0:127.0.0.1")->peer, "127.0.0.1:", 10), 0);
    peer_close(&f->peer);
}

static void
bad_targets_are_refused(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    assert_int_equal(agent_add_target(f->rig.agent, "tcp:no where", &err), -EINVAL);
    assert_int_equal(agent_add_target(f->rig.agent, "ptcp:0:192.0.2.1", &err), -EADDRNOTAVAIL);
    assert_int_equal(agent_add_target(f->rig.agent, "ssl:127.0.0.1", &err), -EINVAL);
    assert_non_null(strstr(err.text, "no TLS"));
    assert_int_equal(agent_check_target("ptcp:6653", true, &err), 0);
    assert_int_equal(agent_check_target("pssl:6653", true, &err), 0);
    assert_true(agent_target_has_tls("pssl:6653"));
    assert_false(agent_target_has_tls("ptcp:6653"));
    assert_int_equal(agent_check_target("ptcp:6653", false, &err), -EINVAL);
    assert_int_equal(agent_check_target("tcp:127.0.0.1", true, &err), -EINVAL);
    assert_non_null(strstr(err.text, "connects"));
    char other[100];
    struct peer peer;
    snprintf(other, sizeof other, "punix:%s//c", f->rig.dir);   /* the same, said otherwise */
    assert_int_equal(agent_add_target(f->rig.agent, other, &err), -EADDRINUSE);
    peer_hello(&peer, &f->rig, f->rig.path);
    peer_close(&peer);
}

struct wanted {
    const char *target;
    struct agent_connection_info info;
    bool found;
};

static bool
note_row(const struct agent_connection_info *info, void *wanted_)
{
    struct wanted *wanted = wanted_;
    if (!strcmp(info->target, wanted->target)) {
        wanted->info = *info;          /* the last row: a session rather than its listener */
        wanted->found = true;
    }
    return true;
}

static const struct agent_connection_info *
row_of(struct fixture *f, const char *target)
{
    static struct wanted wanted;
    wanted = (struct wanted) { .target = target };
    agent_for_each_connection(f->rig.agent, note_row, &wanted);
    assert_true(wanted.found);
    return &wanted.info;
}

static void
connections_are_described(void **state)
{
    struct fixture *f = *state;
    const struct agent_connection_info *row = row_of(f, f->rig.target);
    assert_string_equal(row->state, "listening");
    assert_true(row->listener);
    assert_false(row->management);
    assert_true(row_of(f, f->rig.mgmt_target)->management);
    hello(f);
    peer_barrier(&f->peer);
    row = row_of(f, f->rig.target);
    assert_string_equal(row->state, "active");
    assert_false(row->listener);
    assert_int_equal(row->messages_in, 2);
    assert_int_equal(row->messages_out, 2);
    assert_int_equal(strncmp(row->peer, "unix", 4), 0);
    peer_close(&f->peer);
}

/* --- names ------------------------------------------------------------------------------- */

static _Atomic int look_ups;

/* Nobody there, nobody there, somebody at the other address. */
static void
two_addresses(const char *name, struct resolver_answer *answer)
{
    atomic_fetch_add(&look_ups, 1);
    assert_string_equal(name, "of.example");
    for (uint8_t i = 0; i < 2; i++) {
        struct sockaddr_in addr = { .sin_family = AF_INET };
        addr.sin_addr.s_addr = htonl(0x7f000063u - 0x62u * i);     /* 127.0.0.99, 127.0.0.1 */
        memcpy(&answer->addresses[i].addr, &addr, sizeof addr);
        answer->addresses[i].size = sizeof addr;
    }
    answer->n_addresses = 2;
}

static void
unknown(const char *name, struct resolver_answer *answer)
{
    (void) name;
    strcpy(answer->why, "no such host");
}

static _Atomic bool silent;

static void
says_nothing(const char *name, struct resolver_answer *answer)
{
    (void) name;
    (void) answer;
    while (atomic_load(&silent)) {
        sched_yield();
    }
}

static uint16_t
listen_on_loopback(int *fd)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *) &addr, size), 0);
    assert_int_equal(listen(*fd, 1), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *) &addr, &size), 0);
    return ntohs(addr.sin_port);
}

static void
a_controller_is_found_by_its_name(void **state)
{
    struct fixture *f = *state;
    char target[64];
    int listener, fd = -1;
    snprintf(target, sizeof target, "tcp:of.example:%u", listen_on_loopback(&listener));
    atomic_store(&look_ups, 0);
    resolver_set_source(two_addresses);
    assert_int_equal(agent_add_target(f->rig.agent, target, NULL), 0);
    for (int i = 0; i < 20000 && fd < 0; i++) {
        rig_pass_ms(&f->rig, 1);
        fd = accept(listener, NULL, NULL);
    }
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(atomic_load(&look_ups), 2);   /* one for each attempt */
    struct peer peer;
    peer_adopt(&peer, &f->rig, fd);
    peer_expect(&peer, OFPT_HELLO);
    peer_close(&peer);
    close(listener);
    agent_del_target(f->rig.agent, target);
    resolver_set_source(NULL);
}

static void
a_name_that_is_not_known_is_tried_again(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_resolver_failed);
    resolver_set_source(unknown);
    assert_int_equal(agent_add_target(f->rig.agent, "tcp:of.example", NULL), 0);
    while (counter_read(COUNTER_resolver_failed) - before < 3) {
        rig_pass_ms(&f->rig, 1);
        sched_yield();
    }
    assert_string_equal(row_of(f, "tcp:of.example")->last_error,
                        "of.example can't be looked up: no such host");
    agent_del_target(f->rig.agent, "tcp:of.example");
    resolver_set_source(NULL);
}

static void
a_silent_resolver_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_resolver_failed);
    atomic_store(&silent, true);
    resolver_set_source(says_nothing);
    assert_int_equal(agent_add_target(f->rig.agent, "tcp:of.example", NULL), 0);
    rig_pass_ms(&f->rig, 100);
    assert_string_equal(row_of(f, "tcp:of.example")->state, "resolving");
    hello(f);
    peer_barrier(&f->peer);
    peer_close(&f->peer);
    rig_pass_ms(&f->rig, 4800);
    assert_int_equal(counter_read(COUNTER_resolver_failed), before);
    rig_pass_ms(&f->rig, 200);
    assert_int_equal(counter_read(COUNTER_resolver_failed) - before, 1);
    assert_non_null(strstr(row_of(f, "tcp:of.example")->last_error, "no answer in 5 s"));
    agent_del_target(f->rig.agent, "tcp:of.example");
    atomic_store(&silent, false);
    resolver_set_source(NULL);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(higher_versions_and_bitmaps_are_fine),
        TEST(no_common_version_ends_the_connection),
        TEST(silence_instead_of_hello_ends_the_connection),
        TEST(an_idle_peer_is_probed_and_dropped_when_it_is_silent),
        TEST(without_probes_silence_is_fine),
        TEST(a_length_below_8_closes_the_connection),
        TEST(messages_in_pieces_are_put_together),
        TEST(the_longest_message_is_taken),
        TEST(what_was_sent_before_the_end_is_answered),
        TEST(half_a_message_waits_until_the_probe_ends_it),
        TEST(a_peer_that_does_not_read_is_throttled_then_dropped),
        TEST(a_throttled_peer_goes_on_when_it_reads),
        TEST(packet_ins_to_a_peer_that_does_not_read_are_dropped),
        TEST(flow_removed_to_a_peer_that_does_not_read_has_a_bound),
        TEST(garbage_is_survived),
        TEST(a_flood_of_flow_mods_starves_nobody),
        TEST(connections_have_a_limit_and_the_idle_go_first),
        TEST(who_only_says_hello_drives_no_controller_out),
        TEST(a_crowd_of_controllers_drives_no_busy_one_out),
        TEST(who_does_not_say_hello_goes_first_however_busy),
        TEST(the_bound_is_of_all_listeners_and_tools_have_their_own),
        TEST(without_descriptors_accepting_pauses),
        TEST(a_lost_controller_is_connected_to_again_with_back_off),
        TEST(a_controller_that_is_not_there_is_tried_again),
        TEST(a_refused_connection_says_so),
        TEST(a_connection_just_begun_has_its_time),
        TEST(tcp_works_as_well),
        TEST(bad_targets_are_refused),
        TEST(connections_are_described),
        TEST(a_controller_is_found_by_its_name),
        TEST(a_name_that_is_not_known_is_tried_again),
        TEST(a_silent_resolver_holds_nobody_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
