/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/pktio_offload.h"

#include <linux/if_ether.h>
#include <string.h>

enum { TAG_SIZE = 4, TCP_MIN_SIZE = 20, UDP_SIZE = 8 };

bool
offload_from_vnet(const struct virtio_net_hdr *vnet, uint32_t size, struct packet_offload *out)
{
    bool partial = vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    if (partial && (uint32_t) vnet->csum_start + vnet->csum_offset + 2 > size) {
        return false;
    }
    if (!partial && vnet->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        *out = (struct packet_offload) { 0 };
        return true;
    }
    *out = (struct packet_offload) {
        .gso_type = vnet->gso_type,
        .csum_partial = partial,
        .gso_size = vnet->gso_type ? vnet->gso_size : 0,
        .hdr_len = vnet->hdr_len,
        .csum_start = partial ? vnet->csum_start : 0,
        .csum_offset = partial ? vnet->csum_offset : 0,
    };
    return true;
}

void
offload_to_vnet(const struct packet_offload *offload, uint32_t size, struct virtio_net_hdr *out)
{
    *out = (struct virtio_net_hdr) { .gso_type = offload->gso_type };
    if (offload->csum_partial) {
        out->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        out->csum_start = offload->csum_start;
        out->csum_offset = offload->csum_offset;
    }
    if (offload->gso_type) {
        out->gso_size = offload->gso_size;
        out->hdr_len = offload->hdr_len < size ? offload->hdr_len : (uint16_t) size;
    }
}

bool
offload_push_tag(struct packet *packet, uint16_t tpid, uint16_t tci)
{
    struct packet_offload *offload = &packet->offload;
    if (offload->csum_partial && offload->csum_start > UINT16_MAX - TAG_SIZE) {
        return false;
    }
    uint8_t *data = packet->data - TAG_SIZE;
    memmove(data, packet->data, 2 * ETH_ALEN);
    data[12] = tpid >> 8;
    data[13] = tpid & 0xff;
    data[14] = tci >> 8;
    data[15] = tci & 0xff;
    packet->data = data;
    packet->size += TAG_SIZE;
    if (offload->csum_partial) {
        offload->csum_start += TAG_SIZE;
    }
    if ((offload->gso_type || offload->csum_partial) && offload->hdr_len <= UINT16_MAX - TAG_SIZE) {
        offload->hdr_len += TAG_SIZE;    /* else it says no more than it did */
    }
    return true;
}

uint32_t
offload_header_len(const uint8_t *data, uint32_t size, const struct packet_offload *offload)
{
    if (!offload->csum_partial) {
        return offload->hdr_len <= size ? offload->hdr_len : 0;
    }
    uint32_t l4 = offload->csum_start;
    if ((offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_UDP_L4) {
        return l4 + UDP_SIZE <= size ? l4 + UDP_SIZE : 0;
    }
    if (l4 + TCP_MIN_SIZE > size) {
        return 0;
    }
    uint32_t len = l4 + (data[l4 + 12] >> 4) * 4u;
    return len <= size ? len : 0;
}

bool
offload_fits_mtu(const uint8_t *data, uint32_t size, const struct packet_offload *offload,
                 unsigned mtu)
{
    uint32_t longest = size;
    if (offload->gso_type) {
        uint32_t headers = offload_header_len(data, size, offload);
        longest = headers ? headers + offload->gso_size : size;
        longest = longest < size ? longest : size;
    }
    bool tagged = size >= ETH_HLEN
                  && ((data[12] == 0x81 && data[13] == 0x00)
                      || (data[12] == 0x88 && data[13] == 0xa8));
    return longest <= mtu + ETH_HLEN + (tagged ? TAG_SIZE : 0);
}
