/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ofagent/packet_queue.h"

struct fixture {
    struct packet_queue *q;
    uint64_t now_ms;
    unsigned n_dropped[N_DP_PACKET_IN_REASONS][256];
    unsigned n_pushed_out;
};

static void
count_dropped(void *fixture, enum dp_packet_in_reason reason, uint16_t in_port)
{
    struct fixture *f = fixture;
    f->n_dropped[reason][in_port]++;
    f->n_pushed_out++;
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->q = packet_queue_new(count_dropped, f);
    f->now_ms = 1000000;
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    packet_queue_free(f->q);
    free(f);
    return 0;
}

/* Offers a packet as its user does. True if it is to be sent now. */
static bool
offer(struct fixture *f, enum dp_packet_in_reason reason, uint16_t in_port, uint32_t number,
      bool room)
{
    switch (packet_queue_admit(f->q, reason, in_port, room, f->now_ms)) {
    case PACKET_QUEUE_SEND:
        return true;
    case PACKET_QUEUE_WAIT:
        assert_true(packet_queue_push(f->q, reason, in_port, &number, sizeof number));
        break;
    case PACKET_QUEUE_DROP:
        f->n_dropped[reason][in_port]++;
        break;
    }
    return false;
}

/* The number of the next that may be sent; 0: none. */
static uint32_t
next(struct fixture *f)
{
    uint32_t number = 0;
    struct packet_queue_message *m = packet_queue_take(f->q, f->now_ms);
    if (m) {
        assert_int_equal(m->size, sizeof number);
        memcpy(&number, m->data, sizeof number);
        free(m);
    }
    return number;
}

/* --- rate -------------------------------------------------------------------------------------- */

static void
without_a_rate_all_is_sent(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 100000; i++) {
        assert_true(offer(f, DP_TABLE_MISS, 1, i, true));
    }
    assert_int_equal(packet_queue_wait_ms(f->q, f->now_ms), UINT32_MAX);
}

static void
the_rate_is_exact(void **state)
{
    static const struct {
        uint32_t rate, burst, at_once;
    } cases[] = {
        { 40, 0, 10 }, { 40, 1, 1 }, { 100, 7, 7 }, { 1, 0, 1 }, { 3, 0, 1 }, { 1000, 50, 50 },
        { 99999, 0, 24999 }, { 1000, 1, 10 },      /* 10 ms worth: it could not be kept else */
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        packet_queue_clear(f->q);
        packet_queue_set_rate(f->q, cases[i].rate, cases[i].burst);
        unsigned n = 0;
        while (offer(f, DP_TABLE_MISS, 1, 1, true)) {
            n++;
        }
        assert_int_equal(n, cases[i].at_once);
        /* A flood for ten seconds, with a look whenever the queue wants one. */
        uint64_t end = f->now_ms + 10000;
        for (n = 0; f->now_ms < end;) {
            uint32_t ms = packet_queue_wait_ms(f->q, f->now_ms);
            assert_true(ms > 0 && ms <= 1000);
            f->now_ms += ms < end - f->now_ms ? ms : end - f->now_ms;
            while (next(f)) {
                n++;
            }
            for (uint32_t k = 0; k < 2048; k++) {
                n += offer(f, DP_TABLE_MISS, 1, 1, true);
            }
        }
        uint32_t waits = packet_queue_len(f->q);
        assert_in_range(n, 10 * cases[i].rate - 1, 10 * cases[i].rate);
        assert_in_range(waits, 1, PACKET_QUEUE_PORT_MAX);
    }
}

static void
tokens_add_up_over_small_steps(void **state)
{
    struct fixture *f = *state;
    packet_queue_set_rate(f->q, 7, 1);
    assert_true(offer(f, DP_ACTION, 1, 1, true));
    unsigned n = 0;
    for (int ms = 0; ms < 100000; ms++) {
        f->now_ms++;
        n += offer(f, DP_ACTION, 1, 5, true);
        n += next(f) != 0;
    }
    assert_in_range(n, 699, 700);
}

static void
a_pause_gives_a_burst_and_no_more(void **state)
{
    struct fixture *f = *state;
    packet_queue_set_rate(f->q, 100, 20);
    f->now_ms += 3600000;
    unsigned n = 0;
    while (offer(f, DP_ACTION, 1, 1, true)) {
        n++;
    }
    assert_int_equal(n, 20);
    f->now_ms += 100;
    packet_queue_set_rate(f->q, 100, 20);     /* the same again is no new burst */
    assert_int_equal(next(f), 1);
    packet_queue_clear(f->q);
    for (n = 0; offer(f, DP_ACTION, 1, 1, true);) {
        n++;
    }
    assert_int_equal(n, 9);
}

/* --- turns ------------------------------------------------------------------------------------- */

static void
ports_take_turns_and_keep_their_order(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 30; i++) {
        assert_false(offer(f, DP_TABLE_MISS, 1, 100 + i, false));
    }
    for (uint32_t port = 2; port <= 4; port++) {
        for (uint32_t i = 1; i <= 2; i++) {
            offer(f, DP_TABLE_MISS, (uint16_t) port, port * 100 + i, false);
        }
    }
    static const uint32_t expected[] = { 101, 201, 301, 401, 102, 202, 302, 402, 103, 104, 105 };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(next(f), expected[i]);
    }
}

static void
reasons_take_turns_whatever_ports_they_have(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 200; i++) {
        offer(f, DP_TABLE_MISS, (uint16_t) (i % 100), 1, false);
    }
    for (uint32_t i = 0; i < 20; i++) {
        offer(f, DP_ACTION, 7, 2, false);
    }
    unsigned n_actions = 0;
    for (int i = 0; i < 40; i++) {
        n_actions += next(f) == 2;
    }
    assert_int_equal(n_actions, 20);
}

static void
a_message_behind_others_waits_though_there_is_room(void **state)
{
    struct fixture *f = *state;
    offer(f, DP_TABLE_MISS, 1, 1, false);
    assert_false(offer(f, DP_TABLE_MISS, 1, 2, true));
    assert_int_equal(next(f), 1);
    assert_int_equal(next(f), 2);
    assert_int_equal(next(f), 0);
    assert_true(offer(f, DP_TABLE_MISS, 1, 3, true));
}

/* --- bounds ------------------------------------------------------------------------------------ */

static void
a_port_has_a_bound(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 1000; i++) {
        offer(f, DP_TABLE_MISS, 9, i, false);
    }
    assert_int_equal(packet_queue_len(f->q), PACKET_QUEUE_PORT_MAX);
    assert_int_equal(f->n_dropped[DP_TABLE_MISS][9], 1000 - PACKET_QUEUE_PORT_MAX);
    assert_int_equal(next(f), 0);     /* number 0, the first */
    assert_int_equal(next(f), 1);
}

static void
a_slow_rate_has_a_second_of_waiting(void **state)
{
    struct fixture *f = *state;
    packet_queue_set_rate(f->q, 30, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        offer(f, DP_TABLE_MISS, (uint16_t) (i % 100), 1, true);
    }
    assert_int_equal(packet_queue_len(f->q), 30);
    packet_queue_clear(f->q);
    packet_queue_set_rate(f->q, 1, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        offer(f, DP_TABLE_MISS, (uint16_t) (i % 100), 1, true);
    }
    assert_int_equal(packet_queue_len(f->q), PACKET_QUEUE_MIN);
}

static void
a_flood_by_many_ports_makes_room_for_another(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 1000; i++) {
        offer(f, DP_TABLE_MISS, (uint16_t) (1 + i % 4), 1, false);
    }
    assert_int_equal(packet_queue_len(f->q), PACKET_QUEUE_MAX);
    for (uint32_t i = 0; i < 10; i++) {
        offer(f, DP_TABLE_MISS, 77, 7, false);
    }
    assert_int_equal(packet_queue_len(f->q), PACKET_QUEUE_MAX);
    assert_int_equal(f->n_dropped[DP_TABLE_MISS][77], 0);
    assert_int_equal(f->n_pushed_out, 10);
    unsigned n = 0;
    for (int i = 0; i < 5 * 10; i++) {
        n += next(f) == 7;
    }
    assert_int_equal(n, 10);
}

static void
a_flood_of_misses_makes_room_for_actions(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 1000; i++) {
        offer(f, DP_TABLE_MISS, (uint16_t) (i % 200), 1, false);
    }
    for (uint32_t i = 0; i < 50; i++) {
        offer(f, DP_ACTION, 5, 7, false);
    }
    assert_int_equal(f->n_dropped[DP_ACTION][5], 0);
    unsigned n = 0;
    for (int i = 0; i < 100; i++) {
        n += next(f) == 7;
    }
    assert_int_equal(n, 50);
}

static void
floods_share_what_there_is(void **state)
{
    struct fixture *f = *state;
    unsigned n[8] = { 0 };
    srand(7);
    for (uint32_t i = 0; i < 100000; i++) {
        uint16_t port = (uint16_t) (rand() % 100 ? 0 : 1 + rand() % 7);
        offer(f, DP_TABLE_MISS, port, port + 1u, false);
    }
    for (uint32_t number; (number = next(f));) {
        n[number - 1]++;
    }
    for (int i = 1; i < 8; i++) {
        assert_in_range(n[i], 31, 33);
    }
}

static void
bytes_have_a_bound(void **state)
{
    struct fixture *f = *state;
    static uint8_t big[60000];
    unsigned n = 0;
    for (uint16_t i = 0; i < 64; i++) {
        n += packet_queue_push(f->q, DP_TABLE_MISS, 1, big, sizeof big);
    }
    assert_int_equal(n, PACKET_QUEUE_MAX_BYTES / sizeof big);
    assert_in_range(packet_queue_size(f->q), 1, PACKET_QUEUE_MAX_BYTES);
    assert_true(packet_queue_push(f->q, DP_TABLE_MISS, 2, big, sizeof big));
    assert_false(packet_queue_push(f->q, DP_TABLE_MISS, 2, big, sizeof big));
}

static void
all_controllers_together_have_a_bound(void **state)
{
    struct fixture *f = *state;
    enum { N = 64 };
    static uint8_t big[60000];
    struct packet_queue *q[N];
    size_t total = 0;
    for (int i = 0; i < N; i++) {
        q[i] = packet_queue_new(count_dropped, f);
        while (packet_queue_push(q[i], DP_TABLE_MISS, 1, big, sizeof big)) {
            continue;
        }
        assert_int_not_equal(packet_queue_len(q[i]), 0);
        total += packet_queue_size(q[i]);
    }
    assert_in_range(total, PACKET_QUEUE_TOTAL_BYTES / 2,
                    PACKET_QUEUE_TOTAL_BYTES + N * sizeof big);
    for (int i = 0; i < N; i++) {
        packet_queue_free(q[i]);
    }
    assert_true(packet_queue_push(f->q, DP_TABLE_MISS, 1, big, sizeof big));
    assert_true(packet_queue_push(f->q, DP_TABLE_MISS, 1, big, sizeof big));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

/* Flows that the governor has seen have a queue of their own beside their port's first packets; who
 * is told of a drop is told the port. */
static void
known_flows_do_not_wait_behind_first_packets(void **state)
{
    struct fixture *f = *state;
    const struct dp_packet_in known = { .in_port = 1, .seen = true };
    const uint32_t source = packet_queue_source(&known), number = 7777;
    for (uint32_t i = 1; i <= 100; i++) {
        offer(f, DP_TABLE_MISS, 1, i, false);
    }
    assert_int_equal(packet_queue_admit(f->q, DP_TABLE_MISS, source, false, f->now_ms),
                     PACKET_QUEUE_WAIT);
    assert_true(packet_queue_push(f->q, DP_TABLE_MISS, source, &number, sizeof number));
    assert_int_equal(next(f), 1);
    assert_int_equal(next(f), number);
    assert_int_equal(next(f), 2);
    assert_true(packet_queue_push(f->q, DP_TABLE_MISS, source, &number, sizeof number));
    unsigned before = f->n_dropped[DP_TABLE_MISS][1];
    uint32_t waiting = packet_queue_len(f->q);
    packet_queue_clear(f->q);
    assert_int_equal(f->n_dropped[DP_TABLE_MISS][1] - before, waiting);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(known_flows_do_not_wait_behind_first_packets),
        TEST(without_a_rate_all_is_sent),
        TEST(the_rate_is_exact),
        TEST(tokens_add_up_over_small_steps),
        TEST(a_pause_gives_a_burst_and_no_more),
        TEST(ports_take_turns_and_keep_their_order),
        TEST(reasons_take_turns_whatever_ports_they_have),
        TEST(a_message_behind_others_waits_though_there_is_room),
        TEST(a_port_has_a_bound),
        TEST(a_slow_rate_has_a_second_of_waiting),
        TEST(a_flood_by_many_ports_makes_room_for_another),
        TEST(a_flood_of_misses_makes_room_for_actions),
        TEST(floods_share_what_there_is),
        TEST(bytes_have_a_bound),
        TEST(all_controllers_together_have_a_bound),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
