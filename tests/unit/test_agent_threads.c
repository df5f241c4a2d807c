/* SPDX-License-Identifier: Apache-2.0 */
/* A switch whose packet worker runs while flows change: what barriers and counters promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/agent_rig.h"

enum { FRAME_SIZE = 64, ROUNDS = 300, BURST = 40 };

struct fixture {
    struct rig rig;
    struct peer peer;
    struct ofp_refusal refusal;
    uint64_t injected;
    uint64_t removed_packets, removed_bytes;  /* as FLOW_REMOVED says */
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rig_init_threads(&f->rig, NULL);
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

/* Puts frames into port 1, marked with tp_dst; does not wait for them. */
static void
inject(struct fixture *f, unsigned n, uint16_t mark)
{
    uint8_t frame[FRAME_SIZE];
    struct pktio *io = dp_port_pktio(agent_bridge(f->rig.agent), 1);
    rig_frame(frame, sizeof frame, 1, 2, mark);
    for (unsigned i = 0; i < n; i++) {
        while (pktio_memory_inject(io, frame, sizeof frame) == -ENOBUFS) {
            rig_turn(&f->rig);
        }
    }
    f->injected += n;
}

/* Takes what was sent to the port; returns how many frames have this mark. */
static unsigned
take(struct fixture *f, uint16_t port, uint16_t mark)
{
    uint8_t frame[2048];
    unsigned n = 0;
    uint32_t size;
    while ((size = rig_take(&f->rig, port, frame, sizeof frame))) {
        assert_int_equal(size, FRAME_SIZE);
        n += frame[36] == mark >> 8 && frame[37] == (mark & 0xff);
    }
    return n;
}

static void
put_flow(struct fixture *f, uint16_t command, uint16_t priority, uint16_t port)
{
    struct ofp_flow_mod *fm = flow_mod_of(command, "in_port=1", port);
    fm->priority = priority;
    fm->flags = OFPFF_SEND_FLOW_REM;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
}

/* Reads FLOW_REMOVED messages up to the reply of a barrier. */
static void
barrier(struct fixture *f)
{
    peer_send_header(&f->peer, OFPT_BARRIER_REQUEST, 1);
    for (;;) {
        struct ofp_flow_removed removed;
        const uint8_t *msg = peer_next(&f->peer);
        assert_non_null(msg);
        if (f->peer.header.type == OFPT_BARRIER_REPLY) {
            return;
        }
        assert_int_equal(f->peer.header.type, OFPT_FLOW_REMOVED);
        assert_int_equal(ofp_decode_flow_removed(msg, f->peer.header.length, &removed,
                                                 &f->refusal), 0);
        f->removed_packets += removed.packets;
        f->removed_bytes += removed.bytes;
    }
}

/* One flow after another takes the traffic, always before the last one goes: each packet is
 * in exactly one FLOW_REMOVED. */
static void
final_counters_have_every_packet(void **state)
{
    struct fixture *f = *state;
    put_flow(f, OFPFC_ADD, 100, 2);
    peer_send(&f->peer);
    barrier(f);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint16_t next = i & 1 ? 100 : 200, last = i & 1 ? 200 : 100;
        inject(f, BURST, 80);
        put_flow(f, OFPFC_ADD, next, 2);
        put_flow(f, OFPFC_DELETE_STRICT, last, PORT_NONE);
        peer_send(&f->peer);
        if (i % 10 == 0) {
            barrier(f);
        }
        take(f, 2, 0);
    }
    struct dp_bridge_stats stats;
    do {
        rig_turn(&f->rig);
        take(f, 2, 0);
        dp_bridge_get_stats(agent_bridge(f->rig.agent), &stats);
    } while (stats.lookups < f->injected);
    put_flow(f, OFPFC_DELETE, 0, PORT_NONE);
    peer_send(&f->peer);
    barrier(f);
    assert_int_equal(stats.matched, f->injected);
    assert_int_equal(f->removed_packets, f->injected);
    assert_int_equal(f->removed_bytes, f->injected * FRAME_SIZE);
}

/* A packet that comes in after a barrier's reply goes where the flows before the barrier
 * say, while others are on their way all the time. */
static void
a_barrier_is_the_truth(void **state)
{
    struct fixture *f = *state;
    put_flow_mod(&f->peer, OFPFC_ADD, "in_port=1", 3);
    peer_send(&f->peer);
    barrier(f);
    for (uint16_t i = 1; i <= ROUNDS; i++) {
        static const uint16_t commands[] = { OFPFC_ADD, OFPFC_MODIFY, OFPFC_MODIFY_STRICT };
        uint16_t now = i & 1 ? 2 : 3, before = i & 1 ? 3 : 2;
        inject(f, BURST, 0);
        struct ofp_flow_mod *fm = flow_mod_of(commands[i % 3], "in_port=1", now);
        ofp_encode_flow_mod(&f->peer.out, 1, fm);
        peer_send(&f->peer);
        barrier(f);
        inject(f, 5, i);
        for (unsigned n = 0; n < 5;) {
            rig_turn(&f->rig);
            n += take(f, now, i);
            assert_int_equal(take(f, before, i), 0);
        }
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(final_counters_have_every_packet),
        TEST(a_barrier_is_the_truth),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
