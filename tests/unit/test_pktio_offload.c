/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "sw-datapath/pktio_offload.h"

static void
a_tag_goes_between_addresses_and_type(void **state)
{
    (void) state;
    uint8_t room[PACKET_HEADROOM + 60], before[60];
    for (unsigned i = 0; i < sizeof before; i++) {
        before[i] = (uint8_t) (i + 1);
    }
    memcpy(room + PACKET_HEADROOM, before, sizeof before);
    struct packet packet = { .data = room + PACKET_HEADROOM, .size = sizeof before };
    assert_true(offload_push_tag(&packet, 0x88a8, 0xeabc));
    assert_ptr_equal(packet.data, room + PACKET_HEADROOM - 4);
    assert_int_equal(packet.size, sizeof before + 4);
    assert_memory_equal(packet.data, before, 12);
    assert_memory_equal(packet.data + 12, "\x88\xa8\xea\xbc", 4);
    assert_memory_equal(packet.data + 16, before + 12, sizeof before - 12);
    /* Nothing was left to the device, so nothing is counted from its start. */
    assert_int_equal(packet.offload.csum_start, 0);
    assert_int_equal(packet.offload.hdr_len, 0);
}

static void
a_tag_shifts_what_counts_from_the_start(void **state)
{
    (void) state;
    uint8_t room[PACKET_HEADROOM + 200] = { 0 };
    struct packet packet = {
        .data = room + PACKET_HEADROOM,
        .size = 200,
        .offload = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_partial = true, .gso_size = 50,
                     .hdr_len = 54, .csum_start = 34, .csum_offset = 16 },
    };
    assert_true(offload_push_tag(&packet, 0x8100, 1));
    assert_int_equal(packet.offload.csum_start, 38);
    assert_int_equal(packet.offload.csum_offset, 16);
    assert_int_equal(packet.offload.hdr_len, 58);
    assert_int_equal(packet.offload.gso_size, 50);
}

static void
an_offset_that_would_overflow_is_refused(void **state)
{
    (void) state;
    uint8_t room[PACKET_HEADROOM + 60] = { 0 };
    struct packet packet = {
        .data = room + PACKET_HEADROOM,
        .size = 60,
        .offload = { .csum_partial = true, .hdr_len = UINT16_MAX, .csum_start = UINT16_MAX - 3 },
    };
    assert_false(offload_push_tag(&packet, 0x8100, 1));
    assert_ptr_equal(packet.data, room + PACKET_HEADROOM);
    assert_int_equal(packet.size, 60);
    packet.offload.csum_start--;
    assert_true(offload_push_tag(&packet, 0x8100, 1));
    assert_int_equal(packet.offload.csum_start, UINT16_MAX);
    assert_int_equal(packet.offload.hdr_len, UINT16_MAX);
}

static void
the_kernels_header_is_read(void **state)
{
    (void) state;
    struct packet_offload out;
    memset(&out, 0xff, sizeof out);
    struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
    assert_true(offload_from_vnet(&vnet, 60, &out));
    assert_int_equal(out.gso_type, 0);
    assert_false(out.csum_partial);
    assert_int_equal(out.csum_start, 0);

    vnet = (struct virtio_net_hdr) {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN,
        .hdr_len = 74, .gso_size = 1440, .csum_start = 54, .csum_offset = 16,
    };
    assert_true(offload_from_vnet(&vnet, 5000, &out));
    assert_int_equal(out.gso_type, VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
    assert_true(out.csum_partial);
    assert_int_equal(out.gso_size, 1440);
    assert_int_equal(out.hdr_len, 74);
    assert_int_equal(out.csum_start, 54);
    assert_int_equal(out.csum_offset, 16);
}

static void
a_header_that_points_outside_is_refused(void **state)
{
    (void) state;
    struct packet_offload out = { .gso_size = 7 };
    struct virtio_net_hdr vnet = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 50, .csum_offset = 8,
    };
    assert_true(offload_from_vnet(&vnet, 60, &out));
    out.gso_size = 7;
    assert_false(offload_from_vnet(&vnet, 59, &out));
    assert_int_equal(out.gso_size, 7);
    vnet.csum_start = 0xffff;
    vnet.csum_offset = 0xffff;
    assert_false(offload_from_vnet(&vnet, 65600, &out));
}

static void
a_header_survives_both_ways(void **state)
{
    (void) state;
    struct virtio_net_hdr in = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
        .hdr_len = 42, .gso_size = 1000, .csum_start = 34, .csum_offset = 6,
    }, out;
    struct packet_offload offload;
    assert_true(offload_from_vnet(&in, 3000, &offload));
    offload_to_vnet(&offload, 3000, &out);
    assert_memory_equal(&in, &out, sizeof in);

    /* A sender's header length is a hint that may be longer than the frame. */
    offload.hdr_len = 4000;
    offload_to_vnet(&offload, 3000, &out);
    assert_int_equal(out.hdr_len, 3000);
    offload_to_vnet(&(struct packet_offload) { 0 }, 60, &out);
    assert_memory_equal(&out, &(struct virtio_net_hdr) { 0 }, sizeof out);
}

static void
the_headers_of_segments_are_measured(void **state)
{
    (void) state;
    uint8_t frame[200] = { 0 };
    struct packet_offload tcp = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_partial = true,
                                  .csum_start = 34, .csum_offset = 16, .hdr_len = 180 };
    frame[34 + 12] = 8 << 4;
    assert_int_equal(offload_header_len(frame, sizeof frame, &tcp), 34 + 32);
    assert_int_equal(offload_header_len(frame, 60, &tcp), 0);
    assert_int_equal(offload_header_len(frame, 40, &tcp), 0);
    struct packet_offload udp = tcp;
    udp.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
    assert_int_equal(offload_header_len(frame, sizeof frame, &udp), 42);
    udp.csum_partial = false;
    assert_int_equal(offload_header_len(frame, sizeof frame, &udp), 180);
}

static void
the_mtu_counts_for_each_segment(void **state)
{
    (void) state;
    static uint8_t frame[4000];
    struct packet_offload none = { 0 };
    assert_true(offload_fits_mtu(frame, 1514, &none, 1500));
    assert_false(offload_fits_mtu(frame, 1515, &none, 1500));
    frame[12] = 0x81;
    assert_true(offload_fits_mtu(frame, 1518, &none, 1500));
    assert_false(offload_fits_mtu(frame, 1519, &none, 1500));
    frame[12] = 0;

    struct packet_offload tcp = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_partial = true,
                                  .csum_start = 34, .csum_offset = 16, .gso_size = 1460 };
    frame[34 + 12] = 5 << 4;
    assert_true(offload_fits_mtu(frame, sizeof frame, &tcp, 1500));
    tcp.gso_size = 1461;
    assert_false(offload_fits_mtu(frame, sizeof frame, &tcp, 1500));
    /* One segment only, shorter than gso_size allows. */
    assert_true(offload_fits_mtu(frame, 100, &tcp, 86));
    assert_false(offload_fits_mtu(frame, 101, &tcp, 86));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_goes_between_addresses_and_type),
        cmocka_unit_test(a_tag_shifts_what_counts_from_the_start),
        cmocka_unit_test(an_offset_that_would_overflow_is_refused),
        cmocka_unit_test(the_kernels_header_is_read),
        cmocka_unit_test(a_header_that_points_outside_is_refused),
        cmocka_unit_test(a_header_survives_both_ways),
        cmocka_unit_test(the_headers_of_segments_are_measured),
        cmocka_unit_test(the_mtu_counts_for_each_segment),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
