/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of offloads: between struct packet_offload and virtio_net_hdr, tags that
 * come and go in front of them, and what a super-frame's segments measure. No state. */
#ifndef SW_DATAPATH_PKTIO_OFFLOAD_H
#define SW_DATAPATH_PKTIO_OFFLOAD_H 1

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "sw-datapath/packet.h"

/* Linux 6.2; older headers do not have it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* The kernel's header, in host byte order, for a frame of 'size' bytes. False if the
 * header points outside of the frame; *out is then unchanged. */
bool offload_from_vnet(const struct virtio_net_hdr *, uint32_t size, struct packet_offload *out);

/* The header to send a frame of 'size' bytes with. */
void offload_to_vnet(const struct packet_offload *, uint32_t size, struct virtio_net_hdr *out);

/* Puts the tag that the kernel held in metadata in front of the ethertype again: four
 * bytes of the headroom are used. 'tpid' and 'tci' in host order. The frame has at least
 * its two addresses. False, with nothing changed, if the checksum's place can't be told
 * any more, so far back is it. */
bool offload_push_tag(struct packet *, uint16_t tpid, uint16_t tci);

/* Bytes of headers that each segment of a super-frame repeats, from the frame itself (the
 * sender's hdr_len is only a hint). The frame is one with a gso_type; 0 if it is too
 * short for its own headers. */
uint32_t offload_header_len(const uint8_t *data, uint32_t size, const struct packet_offload *);

/* True if the frame, or each segment of it, fits a device with this MTU: the Ethernet
 * header and one 802.1Q tag come on top. */
bool offload_fits_mtu(const uint8_t *data, uint32_t size, const struct packet_offload *,
                      unsigned mtu);

#endif /* sw-datapath/pktio_offload.h */
