/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "sw-datapath/parse.h"

enum { GSO_UDP_L4 = 5 };

/* 14 + 20 + 32 bytes of headers: TCP with 12 bytes of options; checksums are not set. */
static const uint8_t tcp4[] = {
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
    0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    0x30, 0x39, 0, 80, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1, 0x80, 0x99, 4, 0, 0, 0, 0, 0,
    1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2,
};
/* 14 + 40 + 20. */
static const uint8_t tcp6[] = {
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd,
    0x60, 0, 0, 0, 0, 0, 6, 64,
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0x50, 0x18, 4, 0, 0, 0, 0, 0,
};

/* A super-frame with 'payload' bytes 0, 1, 2, ... behind 'headers'. */
static void
super_make(struct packet *packet, const uint8_t *headers, uint32_t header_size, uint32_t payload,
           uint8_t gso_type, uint16_t gso_size)
{
    uint32_t size = header_size + payload;
    uint8_t *frame = malloc(size);
    memcpy(frame, headers, header_size);
    for (uint32_t i = 0; i < payload; i++) {
        frame[header_size + i] = (uint8_t) (i * 31 + (i >> 8));
    }
    if (headers == tcp4) {
        frame[16] = (uint8_t) ((size - 14) >> 8);
        frame[17] = (uint8_t) (size - 14);
    }
    *packet = (struct packet) { .data = frame, .size = size };
    packet->offload.gso_type = gso_type;
    packet->offload.gso_size = gso_size;
    struct flow_key key;
    assert_int_equal(packet_parse(packet, &key), 0);
}

static void
an_ordinary_frame_is_itself(void **state)
{
    (void) state;
    struct packet packet;
    super_make(&packet, tcp4, sizeof tcp4, 100, 0, 0);
    assert_int_equal(packet_n_segments(&packet), 1);
    assert_int_equal(packet_wire_bytes(&packet), sizeof tcp4 + 100);
    free(packet.data);
}

static void
a_super_frame_counts_as_its_segments(void **state)
{
    (void) state;
    static const struct { uint32_t payload; uint32_t n; } cases[] = {
        { 1, 1 }, { 1447, 1 }, { 1448, 1 }, { 1449, 2 }, { 2896, 2 }, { 2897, 3 }, { 0, 1 },
        { 60000, 42 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct packet packet;
        super_make(&packet, tcp4, sizeof tcp4, cases[i].payload,
                   VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 1448);
        /* The linear part of a socket buffer, which is what senders give. */
        static const uint16_t hints[] = { 0, 54, 66, 200, 65535 };
        for (size_t j = 0; j < sizeof hints / sizeof *hints; j++) {
            packet.offload.hdr_len = hints[j];
            assert_int_equal(packet_n_segments(&packet), cases[i].n);
            assert_int_equal(packet_wire_bytes(&packet),
                             cases[i].n * sizeof tcp4 + cases[i].payload);
        }
        free(packet.data);
    }
}

static void
headers_behind_ipv6_are_found_by_the_checksum(void **state)
{
    (void) state;
    struct packet packet;
    super_make(&packet, tcp6, sizeof tcp6, 3000, VIRTIO_NET_HDR_GSO_TCPV6, 1000);
    packet.offload.csum_partial = true;
    packet.offload.csum_start = 54;
    packet.offload.csum_offset = 16;
    packet.offload.hdr_len = 1000;
    assert_int_equal(packet_n_segments(&packet), 3);
    assert_int_equal(packet_wire_bytes(&packet), 3 * sizeof tcp6 + 3000);
    /* Nothing tells where they are: the hint serves. */
    packet.offload.csum_partial = false;
    packet.offload.hdr_len = sizeof tcp6;
    assert_int_equal(packet_wire_bytes(&packet), 3 * sizeof tcp6 + 3000);
    free(packet.data);
}

static void
udp_is_cut_in_two_ways(void **state)
{
    (void) state;
    uint8_t udp4[42];
    memcpy(udp4, tcp4, sizeof udp4);
    udp4[23] = 17;
    udp4[16] = 2000 >> 8;
    udp4[17] = 2000 & 0xff;
    struct packet packet;
    super_make(&packet, udp4, sizeof udp4, 1000, GSO_UDP_L4, 300);
    assert_int_equal(packet_n_segments(&packet), 4);
    assert_int_equal(packet_wire_bytes(&packet), 4 * 42 + 1000);
    /* Into IP fragments: the 8 bytes of UDP's header are payload, once. */
    packet.offload.gso_type = VIRTIO_NET_HDR_GSO_UDP;
    assert_int_equal(packet_n_segments(&packet), 4);
    assert_int_equal(packet_wire_bytes(&packet), 4 * 34 + 1008);
    free(packet.data);
}

static void
nonsense_from_the_sender_is_survived(void **state)
{
    (void) state;
    srand(5);
    for (int round = 0; round < 100000; round++) {
        struct packet packet;
        super_make(&packet, tcp4, sizeof tcp4, (uint32_t) rand() % 64, 0, 0);
        packet.offload = (struct packet_offload) {
            .gso_type = (uint8_t) rand(), .csum_partial = rand() & 1, .gso_size = (uint16_t) rand(),
            .hdr_len = (uint16_t) rand(), .csum_start = (uint16_t) (rand() % (rand() & 1 ? 80 : 65536)),
            .csum_offset = (uint16_t) (rand() % 65536),
        };
        assert_true(packet_n_segments(&packet) >= 1);
        assert_true(packet_wire_bytes(&packet) >= packet.size);
        uint64_t outside = counter_read(COUNTER_checksum_outside_frame);
        bool done = packet_complete_checksum(&packet);
        assert_int_equal(counter_read(COUNTER_checksum_outside_frame), outside + !done);
        uint8_t out[200];
        packet_segment(&packet, (uint32_t) rand() % 3, out, sizeof out);
        free(packet.data);
    }
}

static uint16_t
naive_sum(const uint8_t *data, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++) {
        sum += i & 1 ? data[i] : (uint32_t) data[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) sum;
}

static uint32_t
get(const uint8_t *p, int size)
{
    uint32_t value = 0;
    while (size--) {
        value = value << 8 | *p++;
    }
    return value;
}

/* Checks segment 'index' of 'packet': what is not a segment's own is the super-frame's,
 * every checksum holds. */
static void
assert_segment(const struct packet *packet, uint32_t ip, uint32_t tcp, uint32_t index, bool last)
{
    uint8_t out[2000];
    uint32_t payload = tcp + (packet->data[tcp + 12] >> 4) * 4u;
    uint32_t gso_size = packet->offload.gso_size;
    uint32_t want = last ? packet->size - payload - index * gso_size : gso_size;
    uint32_t size = packet_segment(packet, index, out, sizeof out);

    assert_int_equal(size, payload + want);
    assert_int_equal(packet_segment(packet, index, out, size - 1), 0);
    assert_memory_equal(out + payload, packet->data + payload + index * gso_size, want);
    assert_memory_equal(out, packet->data, 14);
    assert_int_equal(get(out + tcp + 4, 4), get(packet->data + tcp + 4, 4) + index * gso_size);
    uint8_t flags = packet->data[tcp + 13];
    flags &= last ? 0xff : (uint8_t) ~0x09;
    flags &= index == 0 ? 0xff : (uint8_t) ~0x80;
    assert_int_equal(out[tcp + 13], flags);
    if (out[ip] >> 4 == 4) {
        assert_int_equal(get(out + ip + 2, 2), size - ip);
        assert_int_equal(get(out + ip + 4, 2), (get(packet->data + ip + 4, 2) + index) & 0xffff);
        assert_int_equal(naive_sum(out + ip, tcp - ip, 0), 0xffff);
    } else {
        assert_int_equal(get(out + ip + 4, 2), size - tcp);
    }
    uint32_t addrs = out[ip] >> 4 == 4 ? 8 : 32;
    uint32_t pseudo = naive_sum(out + tcp - addrs, addrs, 6 + size - tcp);
    assert_int_equal(naive_sum(out + tcp, size - tcp, pseudo), 0xffff);
}

static void
tcp_super_frames_are_cut(void **state)
{
    (void) state;
    static const uint32_t payloads[] = { 1, 999, 1000, 1001, 2000, 2001, 8765 };
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        for (int v6 = 0; v6 < 2; v6++) {
            struct packet packet;
            super_make(&packet, v6 ? tcp6 : tcp4, v6 ? sizeof tcp6 : sizeof tcp4, payloads[i],
                       v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4, 1000);
            uint32_t tcp = v6 ? 54 : 34;
            packet.offload.csum_partial = true;
            packet.offload.csum_start = (uint16_t) tcp;
            packet.offload.csum_offset = 16;
            uint32_t n = packet_n_segments(&packet);
            for (uint32_t index = 0; index < n; index++) {
                assert_segment(&packet, 14, tcp, index, index == n - 1);
            }
            uint8_t out[2000];
            assert_int_equal(packet_segment(&packet, n, out, sizeof out), 0);
            assert_int_equal(packet_segment(&packet, UINT32_MAX, out, sizeof out), 0);
            packet.offload.csum_start += 30; /* an inner header: a tunnel */
            assert_int_equal(packet_segment(&packet, 0, out, sizeof out), 0);
            free(packet.data);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_frame_is_itself),
        cmocka_unit_test(a_super_frame_counts_as_its_segments),
        cmocka_unit_test(headers_behind_ipv6_are_found_by_the_checksum),
        cmocka_unit_test(udp_is_cut_in_two_ways),
        cmocka_unit_test(nonsense_from_the_sender_is_survived),
        cmocka_unit_test(tcp_super_frames_are_cut),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
