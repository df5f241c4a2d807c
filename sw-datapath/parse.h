/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: Ethernet II, 802.3 with LLC or SNAP, one 802.1Q tag, ARP, IPv4 with
 * options and fragments, TCP, UDP, ICMP. Anything else is its ethertype.
 *
 * What it makes of frames that are not as they should be:
 *  - Only TPID 0x8100 begins a tag, and only if the type behind the tag is there too; a
 *    second tag is ethertype 0x8100 inside of the first.
 *  - A type below 0x600 is an 802.3 length. SNAP with OUI 0 gives its type, if that is
 *    0x600 or more; everything else is FLOW_DL_TYPE_NONE. Bytes behind the length are
 *    padding.
 *  - ARP counts only for IPv4 over Ethernet, with address lengths 6 and 4, and whole.
 *  - An IPv4 header counts only with version 4, a length of 20 or more, all of it there,
 *    and a total length that covers it; otherwise every network field is 0. What lies
 *    behind the total length is padding; a total length that goes past the frame ends
 *    with the frame. A super-frame too long for the field has 0 there: it ends with the
 *    frame as well.
 *  - Ports (ICMP: type and code) count if they are there, also in the first fragment
 *    and when the rest of their header is cut off. */
#ifndef SW_DATAPATH_PARSE_H
#define SW_DATAPATH_PARSE_H 1

#include "sw-datapath/packet.h"

/* Fills *key (all of it) and the packet's layer fields from its bytes and 'in_port'.
 *
 * Reads nothing past packet->size and takes nothing from padding: a header that is cut
 * short leaves the fields that it would give at 0. Every frame of 14 bytes or more has
 * a key. Worker threads; no state.
 *
 * Returns 0, or -EINVAL for a frame shorter than an Ethernet header, with *key
 * unchanged. */
int packet_parse(struct packet *, struct flow_key *key);

/* The half of it that fills the layer fields only; 'packet' has 14 bytes or more.
 * Returns the key's dl_type, host order. */
uint16_t packet_find_layers(struct packet *);

#endif /* sw-datapath/parse.h */
