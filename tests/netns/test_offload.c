/* SPDX-License-Identifier: Apache-2.0 */
/* What local senders leave to the device: tags in metadata, checksums to complete,
 * super-frames to cut. TCP with offloads at their defaults, veth and TAP. */
#include <config.h>    /* _GNU_SOURCE, for accept4() */

#include "tests/netns/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"
#include "sw-datapath/pktio_offload.h"

/* A received frame as the kernel describes it: it takes tags off before sockets see them. */
struct seen {
    uint8_t bytes[2000];
    uint32_t size;
    bool tagged;
    uint16_t tci, tpid;
    bool csum_not_ready;
};

static struct seen
see_frame(int fd)
{
    struct seen seen = { .size = 0 };
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct iovec iov = { seen.bytes, sizeof seen.bytes };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                          .msg_controllen = sizeof control };
    ssize_t n = recvmsg(fd, &msg, 0);
    assert_true(n > 0);
    seen.size = (uint32_t) n;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    assert_non_null(cmsg);
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(cmsg), sizeof aux);
    seen.tagged = aux.tp_status & TP_STATUS_VLAN_VALID;
    seen.tci = aux.tp_vlan_tci;
    seen.tpid = aux.tp_vlan_tpid;
    seen.csum_not_ready = aux.tp_status & TP_STATUS_CSUMNOTREADY;
    return seen;
}

/* A frame with a tag behind the addresses; the rest as make_frame() has it. */
static void
make_tagged(uint8_t *frame, uint32_t size, uint16_t tpid, uint16_t tci)
{
    make_frame(frame, size, 1);
    memmove(frame + 16, frame + 12, size - 16);
    uint8_t tag[] = { tpid >> 8, tpid & 0xff, tci >> 8, tci & 0xff };
    memcpy(frame + 12, tag, sizeof tag);
}

static void
a_tag_in_metadata_is_put_back(void **state)
{
    (void) state;
    static const struct { uint16_t tpid, tci; } tags[] = {
        { 0x8100, 7 }, { 0x8100, 0xefff }, { 0x8100, 0 }, { 0x88a8, 0x2064 },
    };
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    for (unsigned i = 0; i < sizeof tags / sizeof *tags; i++) {
        uint8_t frame[1514];
        make_tagged(frame, sizeof frame, tags[i].tpid, tags[i].tci);
        send_frame(a, frame, sizeof frame);
        struct packet packet = receive_packet(wire.port[0]);
        assert_int_equal(packet.size, sizeof frame);
        assert_memory_equal(packet.data, frame, sizeof frame);

        send_frame(a, frame, sizeof frame);
        wire_run(&wire);
        struct seen seen = see_frame(b);
        assert_true(seen.tagged);
        assert_int_equal(seen.tci, tags[i].tci);
        assert_int_equal(seen.tpid, tags[i].tpid);
        assert_int_equal(seen.size, sizeof frame - 4);
        assert_memory_equal(seen.bytes, frame, 12);
        assert_memory_equal(seen.bytes + 12, frame + 16, sizeof frame - 16);
    }
    close(a);
    close(b);
    wire_close(&wire);
}

/* ---- Partial checksums ---- */

static uint32_t
sum16(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t) bytes[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

enum { UDP_PAYLOAD = 101, UDP_FRAME = 14 + 20 + 8 + UDP_PAYLOAD };

/* A UDP frame to B's MAC address, but not for B to answer, whose checksum has the pseudo
 * header's sum only. */
static void
make_udp(uint8_t frame[UDP_FRAME])
{
    make_frame(frame, UDP_FRAME, 3);
    static const uint8_t ip[] = {
        8, 0, 0x45, 0, 0, 28 + UDP_PAYLOAD, 0, 1, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 99,
        0x12, 0x34, 0x43, 0x21, 0, 8 + UDP_PAYLOAD, 0, 0,
    };
    memcpy(frame + 12, ip, sizeof ip);
    uint16_t check = htons((uint16_t) ~sum16(frame + 14, 20, 0));
    memcpy(frame + 24, &check, 2);
    uint16_t pseudo = htons((uint16_t) sum16(frame + 26, 8, 17 + 8 + UDP_PAYLOAD));
    memcpy(frame + 40, &pseudo, 2);
}

/* True if the UDP checksum of the frame is complete and right. */
static bool
udp_is_right(const uint8_t frame[UDP_FRAME])
{
    return sum16(frame + 34, 8 + UDP_PAYLOAD, sum16(frame + 26, 8, 17 + 8 + UDP_PAYLOAD))
           == 0xffff;
}

static void
send_partial(int fd, const uint8_t *frame, uint32_t size, uint16_t csum_start)
{
    uint8_t message[sizeof(struct virtio_net_hdr) + 2000];
    struct virtio_net_hdr vnet = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_start = csum_start,
        .csum_offset = 6,
    };
    memcpy(message, &vnet, sizeof vnet);
    memcpy(message + sizeof vnet, frame, size);
    send_frame(fd, message, (uint32_t) sizeof vnet + size);
}

static void
a_partial_checksum_leaves_right(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", true), b = raw_socket(AT_B, "e0", false);
    uint8_t frame[UDP_FRAME];
    make_udp(frame);
    assert_false(udp_is_right(frame));

    /* Partial all the way, if the devices can. */
    send_partial(a, frame, sizeof frame, 34);
    wire_run(&wire);
    struct seen seen = see_frame(b);
    assert_true(seen.csum_not_ready);
    assert_memory_equal(seen.bytes, frame, sizeof frame);

    /* Completed by the kernel, if the way out can not. */
    run(AT_S, "ethtool -K p2 tx off > /dev/null");
    send_partial(a, frame, sizeof frame, 34);
    wire_run(&wire);
    seen = see_frame(b);
    assert_false(seen.csum_not_ready);
    assert_true(udp_is_right(seen.bytes));
    close(a);
    close(b);
    wire_close(&wire);
}

static void
a_partial_checksum_behind_a_tag_leaves_right(void **state)
{
    (void) state;
    run(AT_S, "ethtool -K p2 tx off > /dev/null");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    int a = raw_socket(AT_A, "e0", true), b = raw_socket(AT_B, "e0", false);
    uint8_t plain[UDP_FRAME], frame[UDP_FRAME + 4];
    make_udp(plain);
    memcpy(frame, plain, 12);
    memcpy(frame + 12, (uint8_t[]) { 0x81, 0, 0x20, 5 }, 4);
    memcpy(frame + 16, plain + 12, sizeof plain - 12);

    send_partial(a, frame, sizeof frame, 38);
    struct packet packet = receive_packet(wire.port[0]);
    assert_int_equal(packet.size, sizeof frame);
    assert_true(packet.offload.csum_partial);
    assert_int_equal(packet.offload.csum_start, 38);
    assert_int_equal(packet.offload.csum_offset, 6);

    send_partial(a, frame, sizeof frame, 38);
    wire_run(&wire);
    struct seen seen = see_frame(b);
    assert_true(seen.tagged);
    assert_int_equal(seen.tci, 0x2005);
    assert_false(seen.csum_not_ready);
    assert_true(udp_is_right(seen.bytes));
    close(a);
    close(b);
    wire_close(&wire);
}

/* ---- TCP ---- */

static int
tcp_socket(enum place place)
{
    enter(place);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enter(AT_S);
    assert_true(fd >= 0);
    return fd;
}

static int
tcp_listen(enum place place)
{
    int fd = tcp_socket(place);
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(4321) };
    assert_int_equal(bind(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int
tcp_connect(enum place place, const char *address)
{
    int fd = tcp_socket(place);
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(4321),
        .sin_addr.s_addr = inet_addr(address),
    };
    connect(fd, (struct sockaddr *) &addr, sizeof addr);
    return fd;
}

static uint8_t
stream_byte(size_t i)
{
    return (uint8_t) (i * 131 + (i >> 11));
}

/* Sends what the socket takes of a stream of 'total' bytes. */
static void
stream_send(int fd, size_t *sent, size_t total)
{
    static uint8_t buffer[256 << 10];
    size_t n = total - *sent < sizeof buffer ? total - *sent : sizeof buffer;
    for (size_t i = 0; i < n; i++) {
        buffer[i] = stream_byte(*sent + i);
    }
    ssize_t done = send(fd, buffer, n, MSG_NOSIGNAL);
    *sent += done > 0 ? (size_t) done : 0;
}

static void
stream_receive(int fd, size_t *got)
{
    static uint8_t buffer[256 << 10];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    for (ssize_t i = 0; i < n; i++) {
        if (buffer[i] != stream_byte(*got + (size_t) i)) {
            fail_msg("byte %zu of the stream is wrong", *got + (size_t) i);
        }
    }
    *got += n > 0 ? (size_t) n : 0;
}

/* A TCP connection to 'address' at 'to', with everything passing the wire. */
static void
tcp_passes(struct wire *wire, enum place from, enum place to, const char *address)
{
    enum { TOTAL = 16 << 20 };
    int listener = tcp_listen(to), client = tcp_connect(from, address), server = -1;
    size_t sent = 0, got = 0;
    uint64_t end = now_ms() + 3 * DEADLINE_MS;
    while (got < TOTAL) {
        wire_run(wire);
        if (server < 0) {
            server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        } else {
            stream_receive(server, &got);
        }
        stream_send(client, &sent, TOTAL);
        assert_true(now_ms() < end);
    }
    assert_int_equal(got, TOTAL);
    close(listener);
    close(client);
    close(server);
}

static void
assert_nothing_lost(struct wire *wire)
{
    for (int i = 0; i < 2; i++) {
        struct pktio_stats stats;
        pktio_get_stats(wire->port[i], &stats);
        assert_int_equal(stats.rx_errors, 0);
        assert_int_equal(stats.tx_errors, 0);
    }
}

static void
tcp_with_super_frames_passes_between_veths(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    tcp_passes(&wire, AT_A, AT_B, "10.9.0.2");
    assert_true(wire.n_super > 10);
    assert_true(wire.n_frames < 20000);
    assert_nothing_lost(&wire);
    wire_close(&wire);
}

static void
super_frames_are_cut_for_a_device_that_can_not(void **state)
{
    (void) state;
    run(AT_S, "ethtool -K p2 tso off gso off tx off sg off > /dev/null");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    tcp_passes(&wire, AT_A, AT_B, "10.9.0.2");
    assert_true(wire.n_super > 10);
    assert_nothing_lost(&wire);
    wire_close(&wire);
}

static void
tcp_passes_without_offloads(void **state)
{
    (void) state;
    run(AT_A, "ethtool -K e0 tso off gso off tx off > /dev/null");
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    tcp_passes(&wire, AT_A, AT_B, "10.9.0.2");
    assert_int_equal(wire.n_super, 0);
    assert_nothing_lost(&wire);
    wire_close(&wire);
}

static void
tcp_passes_from_tap_to_veth_and_back(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_TAP, "br0", PKTIO_AFPACKET, "p2");
    run(AT_S, "ip addr add 10.9.0.3/24 dev br0");
    tcp_passes(&wire, AT_S, AT_B, "10.9.0.2");
    assert_true(wire.n_super > 10);
    wire.n_super = 0;
    tcp_passes(&wire, AT_B, AT_S, "10.9.0.3");
    assert_true(wire.n_super > 10);
    assert_nothing_lost(&wire);
    wire_close(&wire);
}

static void
push_tag(struct packet *packet)
{
    assert_true(offload_push_tag(packet, 0x8100, 0x0007));
}

static void
pop_tag(struct packet *packet)
{
    assert_int_equal(packet->data[12] << 8 | packet->data[13], 0x8100);
    memmove(packet->data + 4, packet->data, 12);
    packet->data += 4;
    packet->size -= 4;
    packet->offload.csum_start -= packet->offload.csum_partial ? 4 : 0;
}

/* Forwards what is there by one of a wire's ports to the other, changed. */
static void
forward(struct wire *wire, int from, void (*change)(struct packet *))
{
    struct packet packets[PACKET_BATCH_MAX];
    unsigned n = pktio_rx(wire->port[from], packets, PACKET_BATCH_MAX);
    for (unsigned i = 0; i < n; i++) {
        wire->n_super += packets[i].offload.gso_type != 0;
        change(&packets[i]);
        pktio_tx(wire->tx, wire->port[!from], &packets[i], true);
    }
    pktio_tx_flush(wire->tx);
    pktio_rx_release(wire->port[from]);
}

/* A connection by A - p1, x1 - x2, p2 - B: on the link in the middle, frames have a tag. */
static void
tcp_passes_tagged(struct wire *left, struct wire *right)
{
    enum { TOTAL = 4 << 20 };
    int listener = tcp_listen(AT_B), client = tcp_connect(AT_A, "10.9.0.2"), server = -1;
    size_t sent = 0, got = 0;
    uint64_t end = now_ms() + 3 * DEADLINE_MS;
    while (got < TOTAL) {
        forward(left, 0, push_tag);
        forward(right, 0, pop_tag);
        forward(right, 1, push_tag);
        forward(left, 1, pop_tag);
        if (server < 0) {
            server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        } else {
            stream_receive(server, &got);
        }
        stream_send(client, &sent, TOTAL);
        assert_true(now_ms() < end);
    }
    assert_int_equal(got, TOTAL);
    close(listener);
    close(client);
    close(server);
}

static void
run_tagged(const char *features)
{
    run(AT_S, "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    run(AT_S, "ip link add x1 type veth peer name x2 && ip link set x1 up && ip link set x2 up");
    run(AT_S, "ethtool -K x1 %s > /dev/null && ethtool -K x2 %s > /dev/null", features, features);
    struct wire left, right;
    wire_open(&left, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "x1");
    wire_open(&right, PKTIO_AFPACKET, "x2", PKTIO_AFPACKET, "p2");
    tcp_passes_tagged(&left, &right);
    assert_true(left.n_super > 10);
    assert_nothing_lost(&left);
    assert_nothing_lost(&right);
    wire_close(&left);
    wire_close(&right);
}

static void
tagged_super_frames_leave_whole(void **state)
{
    (void) state;
    run_tagged("tx on");
}

static void
tagged_super_frames_are_cut_by_the_kernel(void **state)
{
    (void) state;
    run_tagged("tso off gso off tx off sg off");
}

static void
segments_too_long_for_the_device_are_counted(void **state)
{
    (void) state;
    struct wire wire;
    wire_open(&wire, PKTIO_AFPACKET, "p1", PKTIO_AFPACKET, "p2");
    run(AT_S, "ip link set p2 mtu 600");
    static uint8_t frame[14 + 20 + 20 + 3000];
    make_frame(frame, sizeof frame, 0);
    memcpy(frame + 12, (uint8_t[]) { 8, 0, 0x45 }, 3);
    frame[14 + 20 + 12] = 5 << 4;
    struct packet packet = {
        .data = frame,
        .size = sizeof frame,
        .offload = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_partial = true, .gso_size = 1400,
                     .hdr_len = 54, .csum_start = 34, .csum_offset = 16 },
    };
    pktio_set_mtu(wire.port[1], 600);
    pktio_tx(wire.tx, wire.port[1], &packet, false);
    pktio_tx_flush(wire.tx);
    struct pktio_stats stats;
    pktio_get_stats(wire.port[1], &stats);
    assert_int_equal(stats.tx_errors, 3);    /* segments */
    packet.offload.gso_size = 500;
    pktio_tx(wire.tx, wire.port[1], &packet, false);
    pktio_tx_flush(wire.tx);
    pktio_get_stats(wire.port[1], &stats);
    assert_int_equal(stats.tx_errors, 3);
    wire_close(&wire);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_tag_in_metadata_is_put_back),
        RIG_TEST(a_partial_checksum_leaves_right),
        RIG_TEST(a_partial_checksum_behind_a_tag_leaves_right),
        RIG_TEST(tcp_with_super_frames_passes_between_veths),
        RIG_TEST(super_frames_are_cut_for_a_device_that_can_not),
        RIG_TEST(tcp_passes_without_offloads),
        RIG_TEST(tcp_passes_from_tap_to_veth_and_back),
        RIG_TEST(tagged_super_frames_leave_whole),
        RIG_TEST(tagged_super_frames_are_cut_by_the_kernel),
        RIG_TEST(segments_too_long_for_the_device_are_counted),
    };
    return rig_run("offload", tests, sizeof tests / sizeof *tests);
}
