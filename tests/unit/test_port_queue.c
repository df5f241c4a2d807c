/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of ports in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "sw-datapath/datapath.h"

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
};

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    (void) aux;
    (void) in;
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
    f->base = event_base_new();
    const struct dp_config config = { .cache_entries = 1024, .threads = false };
    f->dp = dp_new(f->base, &config, NULL);
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, NULL, NULL);
    uint16_t no;
    assert_int_equal(dp_port_add(f->bridge, "m1", 1, PKTIO_MEMORY, &no, NULL), 0);
    assert_int_equal(dp_port_add(f->bridge, "m2", 2, PKTIO_MEMORY, &no, NULL), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    epoch_drain();
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    return 0;
}

static int
add(struct fixture *f, uint16_t port_no, uint32_t id)
{
    const struct pktio_queue_config config = { .id = id };
    struct errmsg err = { "" };
    int error = dp_queue_add(f->bridge, port_no, &config, &err);
    assert_int_equal(!error, !err.text[0]);
    return error;
}

static int
del(struct fixture *f, uint16_t port_no, uint32_t id)
{
    struct errmsg err;
    return dp_queue_del(f->bridge, port_no, id, &err);
}

/* ENQUEUE to port 2, queue 'id'; the caller frees it. */
static struct action_list *
enqueue_list(uint32_t id)
{
    struct action_list *list = calloc(1, sizeof *list + sizeof list->actions[0]);
    list->len = 1;
    list->actions[0].type = ACTION_ENQUEUE;
    list->actions[0].enqueue.port = 2;
    list->actions[0].enqueue.queue_hi = (uint16_t) (id >> 16);
    list->actions[0].enqueue.queue_lo = (uint16_t) id;
    return list;
}

/* Sends a frame to port 2, queue 'id', and returns the number of the queue it left by. */
static uint32_t
enqueue(struct fixture *f, uint32_t id)
{
    static uint8_t room[PACKET_HEADROOM + 60 + PACKET_TAILROOM], got[60];
    struct action_list *list = enqueue_list(id);
    struct packet packet = { .data = room + PACKET_HEADROOM, .size = 60, .in_port = 1 };
    dp_execute(f->bridge, &packet, list);
    free(list);
    uint32_t queue_id = 0;
    assert_int_equal(pktio_memory_take_queued(dp_port_pktio(f->bridge, 2), got, sizeof got,
                                              &queue_id), 60);
    return queue_id;
}

static void
frames_leave_by_their_queue(void **state)
{
    struct fixture *f = *state;
    uint64_t fallbacks = counter_read(COUNTER_enqueue_no_queue);
    static const uint32_t ids[] = { 70000, 3, 0, 4294967294, 9 };
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(add(f, 2, ids[i]), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_true(enqueue(f, ids[i]) == ids[i]);
    }
    assert_int_equal(counter_read(COUNTER_enqueue_no_queue), fallbacks);
    static const uint32_t others[] = { 1, 4, 69999, 70001, UINT32_MAX };
    for (size_t i = 0; i < 5; i++) {
        assert_true(enqueue(f, others[i]) == UINT32_MAX);
    }
    assert_int_equal(counter_read(COUNTER_enqueue_no_queue), fallbacks + 5);
    assert_int_equal(del(f, 2, 3), 0);
    assert_true(enqueue(f, 3) == UINT32_MAX);
    assert_true(enqueue(f, 0) == 0);
    assert_true(enqueue(f, 9) == 9);
}

struct list {
    unsigned n;
    struct dp_queue_info rows[8];
};

static void
collect(const struct dp_queue_info *info, void *aux)
{
    struct list *list = aux;
    list->rows[list->n++] = *info;
}

static void
they_are_listed_in_order_with_what_they_sent(void **state)
{
    struct fixture *f = *state;
    struct list list = { 0 };
    dp_queue_for_each(f->bridge, 2, true, collect, &list);
    assert_int_equal(list.n, 0);
    add(f, 2, 5);
    add(f, 2, 1);
    add(f, 2, 3);
    enqueue(f, 3);
    enqueue(f, 3);
    enqueue(f, 5);
    dp_queue_for_each(f->bridge, 2, true, collect, &list);
    assert_int_equal(list.n, 3);
    static const struct {
        uint32_t id;
        uint64_t packets;
    } rows[] = { { 1, 0 }, { 3, 2 }, { 5, 1 } };
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(list.rows[i].config.id, rows[i].id);
        assert_int_equal(list.rows[i].stats.tx_packets, rows[i].packets);
        assert_int_equal(list.rows[i].stats.tx_bytes, rows[i].packets * 60);
        assert_int_equal(list.rows[i].stats.tx_errors, 0);
        assert_true(list.rows[i].active);
    }
    /* One that is made again begins anew. */
    del(f, 2, 3);
    add(f, 2, 3);
    list.n = 0;
    dp_queue_for_each(f->bridge, 2, true, collect, &list);
    assert_int_equal(list.rows[1].stats.tx_packets, 0);
    assert_int_equal(list.rows[2].stats.tx_packets, 1);
}

static void
what_does_not_get_in_is_an_error(void **state)
{
    struct fixture *f = *state;
    static uint8_t room[PACKET_HEADROOM + 60 + PACKET_TAILROOM];
    struct action_list *enqueue_7 = enqueue_list(7);
    add(f, 2, 7);
    for (unsigned i = 0; i < 4100; i++) {    /* a port in memory holds 4096 */
        struct packet packet = { .data = room + PACKET_HEADROOM, .size = 60, .in_port = 1 };
        dp_execute(f->bridge, &packet, enqueue_7);
    }
    free(enqueue_7);
    struct list list = { 0 };
    dp_queue_for_each(f->bridge, 2, true, collect, &list);
    assert_int_equal(list.rows[0].stats.tx_packets, 4096);
    assert_int_equal(list.rows[0].stats.tx_errors, 4);
}

static void
what_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 9, 1), -ENODEV);
    assert_int_equal(add(f, PORT_LOCAL, 1), -EOPNOTSUPP);
    assert_int_equal(add(f, 1, DP_QUEUE_ALL), -EINVAL);
    assert_int_equal(add(f, 1, 1), 0);
    assert_int_equal(add(f, 1, 1), -EEXIST);
    assert_int_equal(del(f, 1, 2), -ENOENT);
    assert_int_equal(del(f, 9, 1), -ENODEV);
    static const struct pktio_queue_config wrong[] = {
        { .id = 1, .min_rate = 7999 }, { .id = 1, .max_rate = 7999 },
        { .id = 1, .max_rate = UINT64_C(1000000000001) },
        { .id = 1, .min_rate = 20000, .max_rate = 10000 }, { .id = 1, .burst = 1499 },
        { .id = 1, .burst = (1 << 30) + 1 },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(dp_queue_change(f->bridge, 1, &wrong[i], NULL), -EINVAL);
    }
    const struct pktio_queue_config none = { .id = 2 }, good = { .id = 1, .min_rate = 8000 };
    assert_int_equal(dp_queue_change(f->bridge, 1, &none, NULL), -ENOENT);
    assert_int_equal(dp_queue_change(f->bridge, 9, &none, NULL), -ENODEV);
    struct pktio_queue_config got;
    assert_true(dp_queue_get(f->bridge, 1, 1, &got));
    assert_int_equal(got.min_rate, 0);
    assert_int_equal(dp_queue_change(f->bridge, 1, &good, NULL), 0);
    assert_true(dp_queue_get(f->bridge, 1, 1, &got));
    assert_int_equal(got.min_rate, 8000);
    assert_false(dp_queue_get(f->bridge, 2, 1, &got));
    assert_true(dp_queue_exists(f->bridge, 0, 1));
    assert_false(dp_queue_exists(f->bridge, 0, 2));
    assert_false(dp_queue_exists(f->bridge, 2, 1));
}

static void
a_port_has_so_many_and_no_more(void **state)
{
    struct fixture *f = *state;
    for (uint32_t id = 0; id < PKTIO_MAX_QUEUES; id++) {
        assert_int_equal(add(f, 2, id * 3), 0);
    }
    assert_int_equal(add(f, 2, 1), -ENOSPC);
    assert_int_equal(add(f, 1, 1), 0);
    for (uint32_t id = 0; id < PKTIO_MAX_QUEUES; id++) {
        assert_true(enqueue(f, id * 3) == id * 3);
    }
    assert_int_equal(del(f, 2, 30), 0);
    assert_int_equal(add(f, 2, 1), 0);
    assert_true(enqueue(f, 1) == 1);
}

static void
queues_go_with_their_port(void **state)
{
    struct fixture *f = *state;
    uint16_t no;
    add(f, 2, 7);
    enqueue(f, 7);
    assert_int_equal(dp_port_del(f->bridge, 2, NULL), 0);
    assert_false(dp_queue_exists(f->bridge, 0, 7));
    assert_int_equal(dp_port_add(f->bridge, "m2", 2, PKTIO_MEMORY, &no, NULL), 0);
    assert_true(enqueue(f, 7) == UINT32_MAX);
    /* One that waits for its device keeps them. */
    assert_int_equal(dp_port_reserve(f->bridge, "tn-none", 5, PKTIO_AFPACKET, &no, NULL), 0);
    assert_int_equal(add(f, 5, 1), 0);
    struct list list = { 0 };
    dp_queue_for_each(f->bridge, 5, true, collect, &list);
    assert_int_equal(list.n, 1);
    assert_false(list.rows[0].active);
    assert_int_equal(list.rows[0].stats.tx_packets, 0);
    assert_int_equal(del(f, 5, 1), 0);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_leave_by_their_queue),
        TEST(they_are_listed_in_order_with_what_they_sent),
        TEST(what_does_not_get_in_is_an_error),
        TEST(what_cannot_be_is_refused),
        TEST(a_port_has_so_many_and_no_more),
        TEST(queues_go_with_their_port),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
