/* SPDX-License-Identifier: Apache-2.0 */
/* One frame on its way through the datapath.
 *
 * The bytes belong to whoever received the frame (a ring slot, a TAP buffer, a
 * PACKET_OUT); 'packet' only points at them, and they may be changed in place. There is
 * room for PACKET_HEADROOM bytes in front of 'data' and for PACKET_TAILROOM behind
 * 'data + size', so that a VLAN tag can be pushed.
 *
 * Frames from local senders may carry work that their sender left to the device: a
 * checksum to complete and a super-frame to cut. 'offload' says which, in the meaning
 * of struct virtio_net_hdr (linux/virtio_net.h); offsets count from 'data'. It goes
 * with the frame to the port it leaves by.
 */
#ifndef SW_DATAPATH_PACKET_H
#define SW_DATAPATH_PACKET_H 1

#include <stdbool.h>
#include <stdint.h>

#include "turnout/byteorder.h"
#include "turnout/flow.h"

enum { PACKET_HEADROOM = 32, PACKET_TAILROOM = 32 };

/* Longest frame that is switched: a GSO super-frame with its headers and a tag. */
enum { PACKET_MAX_SIZE = 65536 + 64 };

/* Frames that go through parser, cache and actions together. */
enum { PACKET_BATCH_MAX = 64 };

struct packet_offload {
    uint8_t gso_type;       /* VIRTIO_NET_HDR_GSO_*, ECN bit included; 0: not a super-frame */
    bool csum_partial;      /* the checksum at csum_start + csum_offset holds the pseudo
                             * header's sum only; whoever sends completes it */
    uint16_t gso_size;      /* payload bytes a segment */
    uint16_t hdr_len;       /* bytes of headers that each segment repeats */
    uint16_t csum_start;
    uint16_t csum_offset;
};

/* What a frame's layers are; PACKET_L4_NONE also for later fragments and for headers
 * that are cut short. */
enum packet_l3 { PACKET_L3_NONE, PACKET_L3_IPV4, PACKET_L3_ARP };
enum packet_l4 { PACKET_L4_NONE, PACKET_L4_TCP, PACKET_L4_UDP, PACKET_L4_ICMP };

struct packet {
    uint8_t *data;          /* Ethernet header */
    uint32_t size;          /* bytes from 'data' on */
    uint16_t in_port;       /* host order */
    struct packet_offload offload;

    /* Written by packet_parse(), kept true by the actions. Offsets from 'data'; an
     * offset counts only with its layer. */
    uint8_t l3;             /* enum packet_l3 */
    uint8_t l4;             /* enum packet_l4: complete enough to be rewritten */
    uint8_t nw_frag;        /* FLOW_FRAG_* */
    bool tagged;            /* an 802.1Q header follows the addresses */
    uint16_t l3_offset;
    uint16_t l4_offset;
    uint32_t l4_limit;      /* end of what IP's total length covers, capped to the frame:
                             * nothing behind it (padding) is ever looked at */
};

/* Frames that 'packet' (parsed) stands for on the wire: 1, or the segments of a
 * super-frame. What its headers say decides; offload.hdr_len, which senders often leave
 * too long, counts only where they say nothing. */
uint32_t packet_n_segments(const struct packet *);

/* Bytes on the wire (Ethernet header to payload, no FCS): each segment's headers count. */
uint64_t packet_wire_bytes(const struct packet *);

/* Both in one go, for counters. */
void packet_get_wire_size(const struct packet *, uint32_t *n_segments, uint64_t *bytes);

/* Does the checksum that the sender left to the device, for a frame that goes where no
 * device will: to a controller, into a file. A super-frame stays one, with the checksum
 * of the whole. False, with the frame unchanged, if the checksum's place is outside of
 * the frame (counted); true also where there was nothing to do. */
bool packet_complete_checksum(struct packet *);

/* Cuts segment 'index' (from 0) out of a TCP super-frame over IPv4 or IPv6, as a device
 * would: lengths, IP identification, sequence number, flags and checksums are the
 * segment's own. Writes it to 'out', which has room for 'capacity' bytes. Returns its
 * size; 0 if there is no such segment, it has no room, or the frame is not a TCP
 * super-frame that can be cut (another kind, a tunnel, IPv6 extension headers). */
uint32_t packet_segment(const struct packet *, uint32_t index, uint8_t *out, uint32_t capacity);

#endif /* sw-datapath/packet.h */
