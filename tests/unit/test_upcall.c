/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a worker to the control thread: shares of the ring, and turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "sw-datapath/dp_internal.h"
#include "tests/unit/fake_clock.h"

enum { N_PORTS = 5, FRAME_SIZE = 100, LOST_ENOUGH = 1000 };

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    unsigned n[N_PORTS + 1][N_DP_PACKET_IN_REASONS];
    unsigned n_total, n_last_size;
    uint64_t cost_ns;            /* of each delivery */
};

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct fixture *f = aux;
    f->n[in->in_port][in->reason]++;
    f->n_total++;
    f->n_last_size = in->packet->size;
    fake_now_ns += f->cost_ns;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    (void) info;
}

static const struct dp_bridge_ops ops = { on_packet_in, on_port_event };

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct dp_config config = { .cache_entries = 1024, .threads = false };
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->base = event_base_new();
    f->dp = dp_new(f->base, &config, NULL);
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, NULL);
    for (unsigned i = 1; i <= N_PORTS; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(f->bridge, name, 0, PKTIO_MEMORY, &no, NULL), 0);
        assert_int_equal(no, i);
    }
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    return 0;
}

static void
put_size(struct fixture *f, uint16_t in_port, enum dp_packet_in_reason reason, uint32_t size)
{
    static uint8_t frame[PACKET_MAX_SIZE];
    struct packet packet = { .data = frame, .size = size, .in_port = in_port };
    struct dp_packet_in in = { .reason = reason };
    upcall_send(&f->dp->workers[0]->thread, f->bridge, atomic_load(&f->bridge->map), &packet, &in);
}

static void
put(struct fixture *f, uint16_t in_port, enum dp_packet_in_reason reason)
{
    put_size(f, in_port, reason, FRAME_SIZE);
}

static uint64_t
lost(struct fixture *f, uint16_t port_no, enum dp_packet_in_reason reason)
{
    uint64_t drops[N_DP_PACKET_IN_REASONS];
    assert_true(dp_port_get_packet_in_drops(f->bridge, port_no, drops));
    return drops[reason];
}

/* As many as are needed for LOST_ENOUGH to be dropped. */
static void
flood(struct fixture *f, uint16_t in_port, enum dp_packet_in_reason reason)
{
    while (lost(f, in_port, reason) < LOST_ENOUGH) {
        put(f, in_port, reason);
    }
}

static void
deliver_all(struct fixture *f)
{
    while (upcall_deliver(f->dp, 64)) {
        continue;
    }
}

/* A flood of first packets leaves room for flows that the governor has seen, of the same port. */
static void
a_flood_leaves_room_for_flows_that_are_known(void **state)
{
    static uint8_t frame[FRAME_SIZE];
    struct fixture *f = *state;
    struct packet packet = { .data = frame, .size = sizeof frame, .in_port = 1 };
    const struct dp_packet_in known = { .reason = DP_TABLE_MISS, .seen = true };
    flood(f, 1, DP_TABLE_MISS);
    for (int i = 0; i < 100; i++) {
        upcall_send(&f->dp->workers[0]->thread, f->bridge, atomic_load(&f->bridge->map), &packet,
                    &known);
    }
    assert_int_equal(lost(f, 1, DP_TABLE_MISS), LOST_ENOUGH);
}

static void
a_flood_leaves_room_for_other_ports_and_reasons(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_packet_in_queue_full);
    flood(f, 1, DP_TABLE_MISS);
    for (int i = 0; i < 100; i++) {
        put(f, 2, DP_TABLE_MISS);
        put(f, 1, DP_ACTION);
    }
    assert_int_equal(lost(f, 2, DP_TABLE_MISS), 0);
    assert_int_equal(lost(f, 1, DP_ACTION), 0);
    assert_int_equal(counter_read(COUNTER_packet_in_queue_full) - before, LOST_ENOUGH);
    deliver_all(f);
    assert_int_equal(f->n[2][DP_TABLE_MISS], 100);
    assert_int_equal(f->n[1][DP_ACTION], 100);
    assert_true(f->n[1][DP_TABLE_MISS] > 1000);
    assert_int_equal(f->n_last_size, FRAME_SIZE);
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(f->bridge, &stats);
    assert_int_equal(stats.lost, LOST_ENOUGH);
}

static void
floods_have_equal_shares_and_leave_one(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100000; i++) {
        for (uint16_t port = 1; port <= 4; port++) {
            put(f, port, DP_TABLE_MISS);
        }
    }
    for (int i = 0; i < 100; i++) {
        put(f, 5, DP_TABLE_MISS);
    }
    deliver_all(f);
    assert_int_equal(f->n[5][DP_TABLE_MISS], 100);
    for (uint16_t port = 2; port <= 4; port++) {
        assert_in_range(f->n[port][DP_TABLE_MISS], f->n[1][DP_TABLE_MISS] - 2,
                        f->n[1][DP_TABLE_MISS] + 2);
    }
}

static void
what_was_delivered_makes_room_for_ever(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 1000; i++) {
            put(f, (uint16_t) (1 + i % N_PORTS), i % 2 ? DP_ACTION : DP_TABLE_MISS);
        }
        put_size(f, 3, DP_TABLE_MISS, PACKET_MAX_SIZE);
        assert_int_equal(f->n_total, round * 1001);
        deliver_all(f);
        assert_int_equal(f->n_total, (round + 1) * 1001);
    }
}

static void
a_turn_ends_when_its_time_is_up(void **state)
{
    struct fixture *f = *state;
    fake_clock_install();
    f->cost_ns = 500000;         /* a thousand controllers, say */
    for (int i = 0; i < 50; i++) {
        put(f, 1, DP_TABLE_MISS);
    }
    assert_true(upcall_deliver(f->dp, 64));
    assert_in_range(f->n_total, 1, 8);
    deliver_all(f);
    assert_int_equal(f->n_total, 50);
    clock_set_source(NULL);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flood_leaves_room_for_flows_that_are_known),
        TEST(a_flood_leaves_room_for_other_ports_and_reasons),
        TEST(floods_have_equal_shares_and_leave_one),
        TEST(what_was_delivered_makes_room_for_ever),
        TEST(a_turn_ends_when_its_time_is_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
