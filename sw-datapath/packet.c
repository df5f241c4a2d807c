/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/packet.h"

#include <linux/virtio_net.h>

#include "lib/counters.h"
#include "sw-datapath/checksum.h"
#include "sw-datapath/frame.h"

/* Newer than the oldest kernel headers that we build with. */
#define GSO_UDP_L4 5

static uint8_t
gso_kind(const struct packet *packet)
{
    return packet->offload.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
}

/* Where the header is whose payload is cut; 0 if that is not known. The device is told by
 * the checksum's start, which holds for IPv6 and tunnels as well. */
static uint32_t
cut_header(const struct packet *packet)
{
    if (packet->offload.csum_partial) {
        return packet->offload.csum_start;
    }
    return packet->l4 != PACKET_L4_NONE ? packet->l4_offset : 0;
}

/* Bytes of headers that each segment repeats; 0 if they are not all there. */
static uint32_t
repeated_size(const struct packet *packet)
{
    uint32_t start = cut_header(packet);
    uint32_t size = 0;

    switch (gso_kind(packet)) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
        if (start && start + FRAME_TCP_SIZE <= packet->size) {
            uint32_t tcp = (packet->data[start + FRAME_TCP_OFFSET] >> 4) * 4u;
            size = tcp >= FRAME_TCP_SIZE ? start + tcp : 0;
        }
        break;
    case VIRTIO_NET_HDR_GSO_UDP:
        size = start; /* cut into IP fragments: UDP's header is payload of the first */
        break;
    case GSO_UDP_L4:
        size = start ? start + FRAME_UDP_SIZE : 0;
        break;
    default:
        break;
    }
    if (!size) {
        size = packet->offload.hdr_len;
    }
    return size < packet->size ? size : 0;
}

void
packet_get_wire_size(const struct packet *packet, uint32_t *n_segments, uint64_t *bytes)
{
    uint32_t gso_size = packet->offload.gso_size;

    *n_segments = 1;
    *bytes = packet->size;
    if (gso_kind(packet) && gso_size) {
        uint32_t repeated = repeated_size(packet);
        uint32_t payload = packet->size - repeated;
        *n_segments = payload ? (payload - 1) / gso_size + 1 : 1;
        *bytes += (uint64_t) (*n_segments - 1) * repeated;
    }
}

uint32_t
packet_n_segments(const struct packet *packet)
{
    uint32_t n_segments;
    uint64_t bytes;
    packet_get_wire_size(packet, &n_segments, &bytes);
    return n_segments;
}

uint64_t
packet_wire_bytes(const struct packet *packet)
{
    uint32_t n_segments;
    uint64_t bytes;
    packet_get_wire_size(packet, &n_segments, &bytes);
    return bytes;
}

bool
packet_complete_checksum(struct packet *packet)
{
    struct packet_offload *offload = &packet->offload;

    if (!offload->csum_partial) {
        return true;
    }
    uint32_t field = (uint32_t) offload->csum_start + offload->csum_offset;
    if (field + 2 > packet->size) {
        counter_inc(COUNTER_checksum_outside_frame);
        return false;
    }
    /* The field holds the pseudo-header's sum, so summing over it includes that. */
    uint64_t sum = checksum_add(0, packet->data + offload->csum_start,
                                packet->size - offload->csum_start);
    struct be16 checksum = checksum_finish(sum);
    if (!checksum.raw && offload->csum_offset == FRAME_UDP_CSUM) {
        checksum.raw = 0xffff; /* 0 would be "none" */
    }
    frame_put_be16(packet->data + field, checksum);
    offload->csum_partial = false;
    offload->csum_start = 0;
    offload->csum_offset = 0;
    return true;
}
