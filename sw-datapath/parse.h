/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: Ethernet II, 802.3 with LLC or SNAP, one 802.1Q tag, ARP, IPv4 with
 * options and fragments, TCP, UDP, ICMP. Anything else is its ethertype. */
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

#endif /* sw-datapath/parse.h */
