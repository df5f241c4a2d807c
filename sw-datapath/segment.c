/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting TCP super-frames in software: packet_segment(). */
#include <linux/virtio_net.h>

#include "sw-datapath/checksum.h"
#include "sw-datapath/frame.h"
#include "sw-datapath/packet.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

/* Where a super-frame's headers are, and which part of it one segment is. */
struct cut {
    bool ipv6;
    uint32_t ip, tcp, payload;   /* offsets in the super-frame */
    uint32_t begin, size;        /* the segment's payload, from 'payload' on */
    bool first, last;
};

static bool
find_ipv6(const struct packet *packet, struct cut *cut)
{
    cut->ip = FRAME_ETH_SIZE + (packet->tagged ? FRAME_TAG_SIZE : 0);
    cut->tcp = cut->ip + FRAME_IP6_SIZE;
    return packet->l3 == PACKET_L3_NONE && cut->tcp <= packet->size
           && frame_get_u16(packet->data + cut->ip - 2) == FRAME_TYPE_IPV6
           && packet->data[cut->ip] >> 4 == 6
           && packet->data[cut->ip + FRAME_IP6_PROTO] == FRAME_PROTO_TCP;
}

static bool
find_headers(const struct packet *packet, struct cut *cut)
{
    const struct packet_offload *offload = &packet->offload;
    uint8_t kind = offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

    if (kind == VIRTIO_NET_HDR_GSO_TCPV4 && packet->l4 == PACKET_L4_TCP) {
        cut->ip = packet->l3_offset;
        cut->tcp = packet->l4_offset;
    } else if (kind == VIRTIO_NET_HDR_GSO_TCPV6 && find_ipv6(packet, cut)) {
        cut->ipv6 = true;
    } else {
        return false;
    }
    /* A checksum that starts elsewhere is an inner one: a tunnel. */
    if ((offload->csum_partial && offload->csum_start != cut->tcp)
        || cut->tcp + FRAME_TCP_SIZE > packet->size) {
        return false;
    }
    uint32_t tcp_size = (packet->data[cut->tcp + FRAME_TCP_OFFSET] >> 4) * 4u;
    cut->payload = cut->tcp + tcp_size;
    return tcp_size >= FRAME_TCP_SIZE && cut->payload < packet->size && offload->gso_size;
}

static void
fix_ip(const struct cut *cut, uint32_t index, uint8_t *out)
{
    uint8_t *ip = out + cut->ip;
    uint32_t end = cut->payload + cut->size;

    if (cut->ipv6) {
        frame_put_u16(ip + FRAME_IP6_PAYLOAD, end - cut->tcp);
        return;
    }
    frame_put_u16(ip + FRAME_IP4_TOTAL, end - cut->ip);
    frame_put_u16(ip + FRAME_IP4_ID, frame_get_u16(ip + FRAME_IP4_ID) + index);
    frame_put_u16(ip + FRAME_IP4_CSUM, 0);
    frame_put_be16(ip + FRAME_IP4_CSUM, checksum_finish(checksum_add(0, ip, cut->tcp - cut->ip)));
}

static void
fix_tcp(const struct cut *cut, uint8_t *out)
{
    uint8_t *tcp = out + cut->tcp;
    uint32_t tcp_size = cut->payload - cut->tcp + cut->size;

    frame_put_u32(tcp + FRAME_TCP_SEQ, frame_get_u32(tcp + FRAME_TCP_SEQ) + cut->begin);
    if (!cut->first) {
        tcp[FRAME_TCP_FLAGS] &= ~TCP_CWR;
    }
    if (!cut->last) {
        tcp[FRAME_TCP_FLAGS] &= ~(TCP_FIN | TCP_PSH);
    }
    frame_put_u16(tcp + FRAME_TCP_CSUM, 0);
    uint64_t sum = cut->ipv6 ? checksum_add(0, out + cut->ip + FRAME_IP6_SRC, 32)
                             : checksum_add(0, out + cut->ip + FRAME_IP4_SRC, 8);
    sum = checksum_add_pseudo(sum, FRAME_PROTO_TCP, tcp_size);
    frame_put_be16(tcp + FRAME_TCP_CSUM, checksum_finish(checksum_add(sum, tcp, tcp_size)));
}

uint32_t
packet_segment(const struct packet *packet, uint32_t index, uint8_t *out, uint32_t capacity)
{
    struct cut cut = { 0 };

    if (!find_headers(packet, &cut)) {
        return 0;
    }
    uint32_t gso_size = packet->offload.gso_size;
    uint32_t payload_size = packet->size - cut.payload;
    if (index > (payload_size - 1) / gso_size) {
        return 0;
    }
    cut.begin = index * gso_size;
    cut.size = payload_size - cut.begin < gso_size ? payload_size - cut.begin : gso_size;
    cut.first = index == 0;
    cut.last = cut.begin + cut.size == payload_size;
    if (cut.payload + cut.size > capacity) {
        return 0;
    }
    memcpy(out, packet->data, cut.payload);
    memcpy(out + cut.payload, packet->data + cut.payload + cut.begin, cut.size);
    fix_ip(&cut, index, out);
    fix_tcp(&cut, out);
    return cut.payload + cut.size;
}
