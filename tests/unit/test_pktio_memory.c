/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "sw-datapath/pktio.h"

static struct pktio *
open_memory(const char *name)
{
    struct pktio *io = NULL;
    assert_int_equal(pktio_open(PKTIO_MEMORY, name, &io, NULL), 0);
    return io;
}

static bool
readable(struct pktio *io)
{
    struct pollfd poll_fd = { .fd = pktio_fd(io), .events = POLLIN };
    return poll(&poll_fd, 1, 0) == 1;
}

static void
fill(uint8_t *frame, uint32_t size, unsigned seed)
{
    for (uint32_t i = 0; i < size; i++) {
        frame[i] = (uint8_t) (i * 3 + seed);
    }
}

static void
frames_come_out_as_they_were_put_in(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    static const uint32_t sizes[] = { 14, 60, 1514, 65550, 1, 60 };
    enum { N = sizeof sizes / sizeof *sizes };
    static uint8_t frame[65550];
    for (unsigned i = 0; i < N; i++) {
        fill(frame, sizes[i], i);
        assert_int_equal(pktio_memory_inject(io, frame, sizes[i]), 0);
    }
    struct packet packets[PACKET_BATCH_MAX];
    assert_int_equal(pktio_rx(io, packets, PACKET_BATCH_MAX), N);
    for (unsigned i = 0; i < N; i++) {
        fill(frame, sizes[i], i);
        assert_int_equal(packets[i].size, sizes[i]);
        assert_memory_equal(packets[i].data, frame, sizes[i]);
        assert_false(packets[i].offload.csum_partial);
        memset(packets[i].data - PACKET_HEADROOM, 1, PACKET_HEADROOM);
        memset(packets[i].data + sizes[i], 1, PACKET_TAILROOM);
    }
    pktio_rx_release(io);
    assert_int_equal(pktio_rx(io, packets, PACKET_BATCH_MAX), 0);
    pktio_close(io);
}

static void
frames_of_a_batch_stay_while_others_come(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    uint8_t frame[100], other[100];
    fill(frame, sizeof frame, 1);
    fill(other, sizeof other, 2);
    /* All places of the queue are used again and again meanwhile. */
    for (int round = 0; round < 20; round++) {
        pktio_memory_inject(io, frame, sizeof frame);
        struct packet packet;
        assert_int_equal(pktio_rx(io, &packet, 1), 1);
        int n = 0;
        while (!pktio_memory_inject(io, other, sizeof other)) {
            n++;
        }
        assert_memory_equal(packet.data, frame, sizeof frame);
        pktio_rx_release(io);
        struct packet packets[PACKET_BATCH_MAX];
        for (int got = 0; got < n;) {
            unsigned more = pktio_rx(io, packets, PACKET_BATCH_MAX);
            assert_in_range(more, 1, PACKET_BATCH_MAX);
            assert_memory_equal(packets[more - 1].data, other, sizeof other);
            pktio_rx_release(io);
            got += (int) more;
        }
    }
    pktio_close(io);
}

static void
the_descriptor_is_readable_while_there_are_frames(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    uint8_t frame[60] = { 0 };
    struct packet packets[2];
    assert_false(readable(io));
    for (int i = 0; i < 3; i++) {
        pktio_memory_inject(io, frame, sizeof frame);
    }
    assert_true(readable(io));
    assert_int_equal(pktio_rx(io, packets, 2), 2);
    assert_true(readable(io));
    assert_int_equal(pktio_rx(io, packets, 2), 1);
    assert_false(readable(io));
    pktio_memory_inject(io, frame, sizeof frame);
    assert_true(readable(io));
    pktio_close(io);
}

static void
a_full_queue_refuses_and_counts(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    struct pktio_tx *tx = pktio_tx_new(NULL);
    uint8_t frame[60] = { 0 };
    int n = 0;
    while (!pktio_memory_inject(io, frame, sizeof frame)) {
        n++;
    }
    assert_int_equal(pktio_memory_inject(io, frame, sizeof frame), -ENOBUFS);
    struct packet packet = { .data = frame, .size = sizeof frame };
    for (int i = 0; i < n + 5; i++) {
        pktio_tx(tx, io, &packet, false);
    }
    pktio_tx_flush(tx);
    struct pktio_stats stats;
    pktio_get_stats(io, &stats);
    assert_int_equal(stats.rx_dropped, 2);
    assert_int_equal(stats.tx_dropped, 5);
    assert_int_equal(stats.rx_errors + stats.tx_errors, 0);
    pktio_tx_free(tx);
    pktio_close(io);
}

static void
what_is_sent_keeps_its_order_for_each_port(void **state)
{
    (void) state;
    enum { PORTS = 5, FRAMES = 3000 };
    struct pktio *port[PORTS];
    for (int i = 0; i < PORTS; i++) {
        port[i] = open_memory("m");
    }
    struct pktio_tx *tx = pktio_tx_new(NULL);
    unsigned sent[PORTS] = { 0 };
    unsigned random = 1;
    for (int i = 0; i < FRAMES; i++) {
        random = random * 1103515245 + 12345;
        unsigned p = (random >> 16) % PORTS;
        uint8_t frame[64] = { 0 };
        memcpy(frame, &sent[p], sizeof sent[p]);
        sent[p]++;
        struct packet packet = { .data = frame, .size = sizeof frame };
        pktio_tx(tx, port[p], &packet, true);    /* 'frame' is gone at once */
    }
    pktio_tx_flush(tx);
    for (int i = 0; i < PORTS; i++) {
        uint8_t frame[64];
        for (unsigned n = 0; n < sent[i]; n++) {
            assert_int_equal(pktio_memory_take(port[i], frame, sizeof frame), sizeof frame);
            assert_memory_equal(frame, &n, sizeof n);
        }
        assert_int_equal(pktio_memory_take(port[i], frame, sizeof frame), 0);
        pktio_close(port[i]);
    }
    pktio_tx_free(tx);
}

static void
a_frame_without_copy_is_read_at_the_flush(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    struct pktio_tx *tx = pktio_tx_new(NULL);
    static uint8_t large[60000];
    struct packet packet = { .data = large, .size = sizeof large };
    large[20] = 1;
    pktio_tx(tx, io, &packet, true);
    large[20] = 2;
    pktio_tx(tx, io, &packet, false);
    large[20] = 3;
    /* More copies than the context has room for: it flushes by itself. */
    for (int i = 0; i < 10; i++) {
        pktio_tx(tx, io, &packet, true);
    }
    pktio_tx_flush(tx);
    uint8_t got[100];
    assert_int_equal(pktio_memory_take(io, got, sizeof got), sizeof large);
    assert_int_equal(got[20], 1);
    assert_int_equal(pktio_memory_take(io, got, sizeof got), sizeof large);
    assert_int_equal(got[20], 3);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pktio_memory_take(io, got, sizeof got), sizeof large);
    }
    assert_int_equal(pktio_memory_take(io, got, sizeof got), 0);
    pktio_tx_free(tx);
    pktio_close(io);
}

static void
the_offload_goes_with_the_frame(void **state)
{
    (void) state;
    struct pktio *io = open_memory("m0");
    uint8_t frame[200] = { 0 };
    struct packet packet = {
        .data = frame,
        .size = sizeof frame,
        .offload = { .gso_type = 1, .csum_partial = true, .gso_size = 50, .hdr_len = 54,
                     .csum_start = 34, .csum_offset = 16 },
    };
    assert_int_equal(pktio_memory_inject_packet(io, &packet), 0);
    struct packet got;
    assert_int_equal(pktio_rx(io, &got, 1), 1);
    assert_memory_equal(&got.offload, &packet.offload, sizeof got.offload);
    pktio_close(io);
}

static void
contexts_are_bounded_and_given_back(void **state)
{
    (void) state;
    struct pktio_tx *tx[PKTIO_MAX_TX];
    for (int i = 0; i < PKTIO_MAX_TX; i++) {
        tx[i] = pktio_tx_new(NULL);
        assert_non_null(tx[i]);
    }
    struct errmsg err = { "" };
    assert_null(pktio_tx_new(&err));
    assert_true(err.text[0]);
    for (int i = 0; i < PKTIO_MAX_TX; i++) {
        pktio_tx_free(tx[i]);
    }
    tx[0] = pktio_tx_new(NULL);
    assert_non_null(tx[0]);
    pktio_tx_free(tx[0]);
}

static void
what_has_no_right_name_is_refused(void **state)
{
    (void) state;
    static const char *const names[] = { "", "sixteen-letters-", "a/b", "a b", "a%d", "a:1" };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct pktio *io = NULL;
        struct errmsg err = { "" };
        assert_int_equal(pktio_open(PKTIO_MEMORY, names[i], &io, &err), -EINVAL);
        assert_null(io);
        assert_true(err.text[0]);
    }
}

/* One thread puts frames in, one forwards, one takes them out. */
enum { MOVED = 50000 };
static struct pktio *left, *right;

static void *
put_in(void *arg)
{
    for (unsigned i = 0; i < MOVED;) {
        uint8_t frame[64] = { 0 };
        memcpy(frame, &i, sizeof i);
        i += pktio_memory_inject(left, frame, sizeof frame) == 0;
    }
    return arg;
}

static void *
move(void *arg)
{
    struct pktio_tx *tx = arg;
    struct packet packets[PACKET_BATCH_MAX];
    for (unsigned n = 0; n < MOVED;) {
        struct pollfd poll_fd = { .fd = pktio_fd(left), .events = POLLIN };
        poll(&poll_fd, 1, -1);    /* sleeps: news must not be lost */
        unsigned got = pktio_rx(left, packets, PACKET_BATCH_MAX);
        for (unsigned i = 0; i < got; i++) {
            pktio_tx(tx, right, &packets[i], false);
        }
        pktio_tx_flush(tx);
        pktio_rx_release(left);
        n += got;
    }
    return NULL;
}

static void
threads_may_put_move_and_take(void **state)
{
    (void) state;
    left = open_memory("left");
    right = open_memory("right");
    struct pktio_tx *tx = pktio_tx_new(NULL);
    pthread_t putter, mover;
    pthread_create(&putter, NULL, put_in, NULL);
    pthread_create(&mover, NULL, move, tx);
    unsigned expected = 0, lost = 0;
    struct pktio_stats stats = { 0 };
    while (expected + lost < MOVED) {
        uint8_t frame[64];
        unsigned number;
        if (pktio_memory_take(right, frame, sizeof frame)) {
            memcpy(&number, frame, sizeof number);
            assert_true(number >= expected);
            expected++;
        }
        pktio_get_stats(right, &stats);
        lost = (unsigned) stats.tx_dropped;
    }
    pthread_join(putter, NULL);
    pthread_join(mover, NULL);
    pktio_tx_free(tx);
    pktio_close(left);
    pktio_close(right);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_were_put_in),
        cmocka_unit_test(frames_of_a_batch_stay_while_others_come),
        cmocka_unit_test(the_descriptor_is_readable_while_there_are_frames),
        cmocka_unit_test(a_full_queue_refuses_and_counts),
        cmocka_unit_test(what_is_sent_keeps_its_order_for_each_port),
        cmocka_unit_test(a_frame_without_copy_is_read_at_the_flush),
        cmocka_unit_test(the_offload_goes_with_the_frame),
        cmocka_unit_test(contexts_are_bounded_and_given_back),
        cmocka_unit_test(what_has_no_right_name_is_refused),
        cmocka_unit_test(threads_may_put_move_and_take),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
