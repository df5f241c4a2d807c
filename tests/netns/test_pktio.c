/* SPDX-License-Identifier: Apache-2.0 */
/* Ports on real devices: bytes in and out, order, errors, devices that go. */
#include "tests/netns/rig.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"

static void
send_by(struct pktio_tx *tx, struct pktio *port, uint8_t *frame, uint32_t size)
{
    struct packet packet = { .data = frame, .size = size };
    pktio_tx(tx, port, &packet, false);
    pktio_tx_flush(tx);
}

static void
assert_frame(int fd, uint32_t size, uint8_t seed)
{
    static uint8_t expected[70000], got[70000];
    make_frame(expected, size, seed);
    assert_int_equal(receive_frame(fd, got, sizeof got), size);
    assert_memory_equal(got, expected, size);
}

static void
frames_pass_byte_by_byte_in_order(void **state)
{
    (void) state;
    static const uint32_t sizes[] = { 14, 15, 59, 60, 64, 65, 128, 577, 1000, 1513, 1514 };
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    uint8_t frame[1514];
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            make_frame(frame, sizes[i], (uint8_t) (round + i));
            send_frame(round % 2 ? a : b, frame, sizes[i]);
        }
        wire_run(&wire);
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_frame(round % 2 ? b : a, sizes[i], (uint8_t) (round + i));
        }
    }
    close(a);
    close(b);
    wire_close(&wire);
}

static void
what_we_send_we_do_not_receive(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int b = raw_socket(AT_B, "e0", false);
    uint8_t frame[100], sentinel[90];
    make_frame(frame, sizeof frame, 1);
    make_frame(sentinel, sizeof sentinel, 2);
    send_by(wire.tx, wire.port[1], frame, sizeof frame);
    assert_frame(b, sizeof frame, 1);
    send_frame(b, sentinel, sizeof sentinel);
    assert_int_equal(receive_packet(wire.port[1]).size, sizeof sentinel);
    close(b);
    wire_close(&wire);
}

static void
received_frames_have_room_and_may_be_changed(void **state)
{
    (void) state;
    struct pktio *io = open_port(PKTIO_AFPACKET, "p1");
    int a = raw_socket(AT_A, "e0", false);
    uint8_t frame[1514];
    make_frame(frame, sizeof frame, 3);
    for (int i = 0; i < 3; i++) {
        send_frame(a, frame, sizeof frame);
    }
    struct packet packets[3];
    unsigned n = 0;
    while (n < 3) {
        /* Held back until all three are there: they were sent before. */
        n = pktio_rx(io, packets, 3);
    }
    for (unsigned i = 0; i < n; i++) {
        memset(packets[i].data - PACKET_HEADROOM, 0xee, PACKET_HEADROOM);
        memset(packets[i].data + packets[i].size, 0xee, PACKET_TAILROOM);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_memory_equal(packets[i].data, frame, sizeof frame);
    }
    pktio_rx_release(io);
    send_frame(a, frame, sizeof frame);
    assert_int_equal(receive_packet(io).size, sizeof frame);
    close(a);
    pktio_close(io);
}

static void
a_full_ring_drops_the_newest_and_counts(void **state)
{
    (void) state;
    struct pktio *io = open_port(PKTIO_AFPACKET, "p1");
    int a = raw_socket(AT_A, "e0", false);
    enum { SENT = 5000 };
    uint8_t frame[64];
    make_frame(frame, sizeof frame, 0);
    for (uint32_t i = 0; i < SENT; i++) {
        memcpy(frame + 20, &i, sizeof i);
        send_frame(a, frame, sizeof frame);
    }
    uint32_t got = 0;
    struct packet packets[PACKET_BATCH_MAX];
    unsigned n;
    while ((n = pktio_rx(io, packets, PACKET_BATCH_MAX))) {
        for (unsigned i = 0; i < n; i++, got++) {
            assert_memory_equal(packets[i].data + 20, &got, sizeof got);
        }
        pktio_rx_release(io);
    }
    struct pktio_stats stats;
    pktio_get_stats(io, &stats);
    pktio_get_stats(io, &stats);
    assert_true(got > 1000 && got < SENT);
    assert_int_equal(stats.rx_dropped, SENT - got);
    close(a);
    pktio_close(io);
}

static void
a_frame_longer_than_a_slot_comes_whole_and_in_turn(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    run(AT_S, "ip link set p1 mtu 9000 && ip link set p2 mtu 9000");
    run(AT_A, "ip link set e0 mtu 9000");
    run(AT_B, "ip link set e0 mtu 9000");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    static const uint32_t sizes[] = { 60, 1890, 1900, 1910, 1930, 1940, 1950, 61, 9014, 2048, 62 };
    static uint8_t frame[9014];
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_frame(frame, sizes[i], (uint8_t) i);
        send_frame(a, frame, sizes[i]);
    }
    wire_run(&wire);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_frame(b, sizes[i], (uint8_t) i);
    }
    close(a);
    close(b);
    wire_close(&wire);
}

static void
frames_too_long_for_the_device_are_counted(void **state)
{
    (void) state;
    run(AT_S, "ip link set p2 mtu 1000");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    static const uint32_t sizes[] = { 60, 1015, 1014, 1400, 61 };
    uint8_t frame[1514];
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_frame(frame, sizes[i], 0);
        send_frame(a, frame, sizes[i]);
    }
    uint64_t counted = counter_read(COUNTER_tx_too_long);
    wire_run(&wire);
    assert_frame(b, 60, 0);
    assert_frame(b, 1014, 0);
    assert_frame(b, 61, 0);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[1], &stats);
    assert_int_equal(stats.tx_errors, 2);
    assert_int_equal(counter_read(COUNTER_tx_too_long), counted + 2);

    /* Nobody says that the MTU has changed. */
    run(AT_S, "ip link set p2 mtu 1400");
    make_frame(frame, 1400, 9);
    send_frame(a, frame, 1400);
    wire_run(&wire);
    assert_frame(b, 1400, 9);
    close(a);
    close(b);
    wire_close(&wire);
}

static void
a_frame_that_the_kernel_refuses_stops_no_other(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int b = raw_socket(AT_B, "e0", false);
    uint8_t good[100], bad[100];
    make_frame(good, sizeof good, 1);
    make_frame(bad, sizeof bad, 2);
    struct packet packets[] = {
        { .data = good, .size = sizeof good },
        { .data = bad, .size = sizeof bad,
          .offload = { .csum_partial = true, .csum_start = 99, .csum_offset = 99 } },
        { .data = good, .size = 90 },
        { .data = bad, .size = 13 },
        { .data = good, .size = 80 },
    };
    for (unsigned round = 1; round <= 100; round++) {
        for (unsigned i = 0; i < sizeof packets / sizeof *packets; i++) {
            pktio_tx(wire.tx, wire.port[1], &packets[i], false);
        }
        pktio_tx_flush(wire.tx);
        assert_frame(b, 100, 1);
        assert_frame(b, 90, 1);
        assert_frame(b, 80, 1);
        struct pktio_stats stats;
        pktio_get_stats(wire.port[1], &stats);
        assert_int_equal(stats.tx_errors, 2 * round);
        assert_int_equal(stats.tx_dropped, 0);
    }
    /* What was behind the refused frame went by the socket; others use the ring again. */
    uint64_t fallbacks = counter_read(COUNTER_tx_ring_fallback);
    for (unsigned i = 0; i < 1000; i++) {
        pktio_tx(wire.tx, wire.port[1], &packets[0], false);
        pktio_tx_flush(wire.tx);
        assert_frame(b, 100, 1);
    }
    assert_int_equal(counter_read(COUNTER_tx_ring_fallback), fallbacks);
    close(b);
    wire_close(&wire);
}

/* A queueing discipline holds frames: the ring must not be blocked by them, nor may frames
 * that go another way overtake. */
static void
a_device_that_holds_frames_keeps_their_order(void **state)
{
    (void) state;
    run(AT_S, "tc qdisc add dev p2 root tbf rate 40mbit burst 4kb limit 1mb");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    uint8_t frame[1000];
    unsigned sent = 0, got = 0;
    uint64_t end = now_ms() + DEADLINE_MS;
    while (got < 600) {
        for (unsigned i = 0; i < 50 && sent < 600; i++, sent++) {
            make_frame(frame, sizeof frame, (uint8_t) sent);
            send_frame(a, frame, sizeof frame);
        }
        wire_run(&wire);
        struct pollfd poll_fd = { .fd = b, .events = POLLIN };
        while (poll(&poll_fd, 1, sent < 600 ? 0 : 100) == 1) {
            assert_frame(b, sizeof frame, (uint8_t) got);
            got++;
        }
        assert_true(now_ms() < end);
    }
    struct pktio_stats stats;
    pktio_get_stats(wire.port[1], &stats);
    assert_int_equal(stats.tx_dropped + stats.tx_errors, 0);
    close(a);
    close(b);
    wire_close(&wire);
}

static void
what_a_full_queue_does_not_take_is_counted(void **state)
{
    (void) state;
    run(AT_S, "tc qdisc add dev p2 root tbf rate 8kbit burst 2kb limit 10kb");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    uint8_t frame[1000];
    make_frame(frame, sizeof frame, 1);
    struct packet packet = { .data = frame, .size = sizeof frame };
    for (int i = 0; i < 200; i++) {
        pktio_tx(wire.tx, wire.port[1], &packet, i % 2);
    }
    pktio_tx_flush(wire.tx);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[1], &stats);
    assert_in_range(stats.tx_dropped, 150, 199);
    assert_int_equal(stats.tx_errors, 0);

    /* The other port goes on meanwhile. */
    int a = raw_socket(AT_A, "e0", false);
    for (int i = 0; i < 300; i++) {
        send_by(wire.tx, wire.port[0], frame, sizeof frame);
        assert_frame(a, sizeof frame, 1);
    }
    close(a);
    wire_close(&wire);
}

/* Readies that poll() reports before the descriptor is silent. */
static unsigned
count_wakeups(struct pktio *io, int fd)
{
    unsigned n = 0;
    struct packet packets[PACKET_BATCH_MAX];
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    while (n < 1000 && poll(&poll_fd, 1, 0) > 0) {
        pktio_rx(io, packets, PACKET_BATCH_MAX);
        pktio_rx_release(io);
        n++;
    }
    return n;
}

static void
a_device_that_goes_down_comes_back(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    uint8_t frame[100];
    make_frame(frame, sizeof frame, 5);
    send_frame(a, frame, sizeof frame);
    wire_run(&wire);
    assert_frame(b, sizeof frame, 5);

    run(AT_S, "ip link set p1 down && ip link set p2 down");
    assert_true(count_wakeups(wire.port[0], pktio_fd(wire.port[0])) < 200);
    assert_true(count_wakeups(wire.port[1], pktio_fd(wire.port[1])) < 200);
    struct packet packet = { .data = frame, .size = sizeof frame };
    for (int i = 0; i < 3; i++) {
        pktio_tx(wire.tx, wire.port[1], &packet, false);
    }
    pktio_tx_flush(wire.tx);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[1], &stats);
    assert_int_equal(stats.tx_errors, 3);
    assert_int_equal(pktio_error(wire.port[0]), 0);

    run(AT_S, "ip link set p1 up && ip link set p2 up");
    make_frame(frame, sizeof frame, 6);
    send_frame(a, frame, sizeof frame);
    wire_run(&wire);
    assert_frame(b, sizeof frame, 6);
    close(a);
    close(b);
    wire_close(&wire);
}

static void
a_device_that_is_deleted_ends_quietly_and_may_come_again(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int fd = pktio_fd(wire.port[0]);
    run(AT_S, "ip link del p1");
    assert_true(count_wakeups(wire.port[0], fd) < 200);
    assert_int_equal(pktio_error(wire.port[0]), -ENODEV);
    assert_int_equal(pktio_fd(wire.port[0]), -1);
    uint8_t frame[100];
    make_frame(frame, sizeof frame, 7);
    send_by(wire.tx, wire.port[0], frame, sizeof frame);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[0], &stats);
    assert_int_equal(stats.tx_errors, 1);

    /* Another one of its name: closing the old one leaves it alone. */
    run(AT_S, "ip link add p1 type veth peer name q1 && ip link set p1 up && ip link set q1 up");
    struct pktio *again = open_port(PKTIO_AFPACKET, "p1");
    pktio_close(wire.port[0]);
    wire.port[0] = again;
    assert_true(output_has(AT_S, "bpf", "tc filter show dev p1 ingress"));
    int b = raw_socket(AT_B, "e0", false), q = raw_socket(AT_S, "q1", false);
    send_frame(q, frame, sizeof frame);
    uint8_t seen[200];
    uint64_t end = now_ms() + DEADLINE_MS;
    do {
        wire_run(&wire);    /* q1's own IPv6 may come first */
        assert_true(now_ms() < end);
    } while (recv(b, seen, sizeof seen, 0) != sizeof frame || memcmp(seen, frame, sizeof frame));
    close(b);
    close(q);
    wire_close(&wire);
}

static void
what_can_not_be_opened_is_said(void **state)
{
    (void) state;
    struct pktio *io = NULL;
    struct errmsg err;
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "nosuch", &io, &err), -ENODEV);
    assert_non_null(strstr(err.text, "nosuch"));
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "lo", &io, &err), -EOPNOTSUPP);
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "../p1", &io, &err), -EINVAL);
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "sixteen-letters-", &io, &err), -EINVAL);
    assert_int_equal(pktio_open(PKTIO_TAP, "tap%d", &io, &err), -EINVAL);
    assert_int_equal(pktio_open(PKTIO_TAP, "p1", &io, &err), -EBUSY);
    assert_int_equal(pktio_open(PKTIO_TAP, "lo", &io, &err), -EBUSY);
    assert_null(io);
}

static void
a_tap_is_up_and_goes_with_us(void **state)
{
    (void) state;
    struct pktio *tap = open_port(PKTIO_TAP, "br0");
    struct pktio *second = NULL;
    assert_true(output_has(AT_S, ",UP", "ip link show br0"));
    assert_int_equal(pktio_open(PKTIO_TAP, "br0", &second, NULL), -EBUSY);
    pktio_close(tap);
    assert_false(output_has(AT_S, "br0", "ip link show"));
    /* Somebody's TAP that lasts is not ours either. */
    run(AT_S, "ip tuntap add br0 mode tap");
    assert_int_equal(pktio_open(PKTIO_TAP, "br0", &second, NULL), -EBUSY);
}

static void
a_tap_that_is_deleted_ends_quietly(void **state)
{
    (void) state;
    struct pktio *tap = open_port(PKTIO_TAP, "br0");
    struct pktio_tx *tx = pktio_tx_new(NULL);
    int fd = pktio_fd(tap);
    run(AT_S, "ip link del br0");
    assert_int_equal(pktio_error(tap), -ENODEV);
    assert_int_equal(pktio_fd(tap), -1);
    assert_true(count_wakeups(tap, fd) < 200);
    uint8_t frame[100];
    make_frame(frame, sizeof frame, 7);
    send_by(tx, tap, frame, sizeof frame);
    struct pktio_stats stats;
    pktio_get_stats(tap, &stats);
    assert_int_equal(stats.tx_errors, 1);
    pktio_tx_free(tx);
    pktio_close(tap);
}

static void
a_tap_passes_frames_both_ways(void **state)
{
    (void) state;
    run(AT_S, "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    struct wire wire;
    wire_open(&wire, PKTIO_TAP, "br0", PKTIO_AFPACKET, "p2");
    int host = raw_socket(AT_S, "br0", false), b = raw_socket(AT_B, "e0", false);
    uint8_t frame[1514];
    for (unsigned i = 0; i < 300; i++) {
        uint32_t size = 60 + i;
        make_frame(frame, size, (uint8_t) i);
        send_frame(host, frame, size);
        while (!wire_run(&wire)) {
            continue;
        }
        assert_frame(b, size, (uint8_t) i);
        send_frame(b, frame, size);
        while (!wire_run(&wire)) {
            continue;
        }
        assert_frame(host, size, (uint8_t) i);
    }
    run(AT_S, "ip link set br0 down");
    send_by(wire.tx, wire.port[0], frame, 100);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[0], &stats);
    assert_int_equal(stats.tx_errors, 1);
    close(host);
    close(b);
    wire_close(&wire);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(frames_pass_byte_by_byte_in_order),
        RIG_TEST(what_we_send_we_do_not_receive),
        RIG_TEST(received_frames_have_room_and_may_be_changed),
        RIG_TEST(a_full_ring_drops_the_newest_and_counts),
        RIG_TEST(a_frame_longer_than_a_slot_comes_whole_and_in_turn),
        RIG_TEST(frames_too_long_for_the_device_are_counted),
        RIG_TEST(a_frame_that_the_kernel_refuses_stops_no_other),
        RIG_TEST(a_device_that_holds_frames_keeps_their_order),
        RIG_TEST(what_a_full_queue_does_not_take_is_counted),
        RIG_TEST(a_device_that_goes_down_comes_back),
        RIG_TEST(a_device_that_is_deleted_ends_quietly_and_may_come_again),
        RIG_TEST(what_can_not_be_opened_is_said),
        RIG_TEST(a_tap_is_up_and_goes_with_us),
        RIG_TEST(a_tap_that_is_deleted_ends_quietly),
        RIG_TEST(a_tap_passes_frames_both_ways),
    };
    return rig_run("pktio", tests, sizeof tests / sizeof *tests);
}
