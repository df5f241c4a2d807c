/* SPDX-License-Identifier: Apache-2.0 */
/* Flow keys, masks and matches: the type that every layer shares.
 *
 * A flow_key is what the parser says about one packet. It is 64 bytes, one cache
 * line, without padding, and always fully initialised, so that it can be hashed,
 * masked and compared as eight 64-bit lanes. A flow_mask has the same layout; a
 * one bit in it means "this bit counts".
 *
 * Fields that a packet does not have are 0: network fields of a frame that is
 * neither IPv4 nor ARP, transport ports of anything but TCP, UDP and ICMP, and
 * both transport ports of a later fragment.
 */
#ifndef TURNOUT_FLOW_H
#define TURNOUT_FLOW_H 1

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "turnout/byteorder.h"

/* Room for an IPv6 address; an IPv4 address sits in the first four bytes, the
 * rest is 0. */
union flow_addr {
    struct be32 ip4;
    uint8_t bytes[16];
};

#define FLOW_LANES 8

/* flow_key.vlan_tci: 0 for an untagged frame, else FLOW_VLAN_PRESENT | TCI (the
 * frame's own CFI/DEI bit is not kept). Host-order constants. */
enum {
    FLOW_VLAN_PRESENT = 0x1000,
    FLOW_VLAN_VID_MASK = 0x0fff,
    FLOW_VLAN_PCP_MASK = 0xe000,
    FLOW_VLAN_PCP_SHIFT = 13,
};

/* flow_key.nw_frag: 0 for a whole datagram. */
enum {
    FLOW_FRAG_ANY = 1 << 0,   /* a fragment */
    FLOW_FRAG_LATER = 1 << 1, /* with a non-zero offset: it has no ports */
};

/* flow_key.dl_type of a frame that has no Ethernet II or SNAP type (OpenFlow 1.0,
 * OFP_DL_TYPE_NOT_ETH_TYPE). Host order. */
#define FLOW_DL_TYPE_NONE 0x05ff

struct flow_key {
    union {
        struct {
            uint16_t in_port;      /* host order */
            uint8_t dl_dst[6];     /* lane 0 */
            uint8_t dl_src[6];
            struct be16 vlan_tci;  /* lane 1 */
            struct be16 dl_type;
            uint8_t nw_proto;      /* IP protocol, or low byte of the ARP opcode */
            uint8_t nw_tos;        /* DSCP in bits 7..2; the ECN bits are 0 */
            struct be16 tp_src;    /* port, or ICMP type */
            struct be16 tp_dst;    /* lane 2; port, or ICMP code */
            struct be32 tun_key;   /* tunnel key, 0 without a tunnel */
            uint8_t nw_frag;       /* FLOW_FRAG_* */
            uint8_t zero[3];       /* lane 3 */
            union flow_addr nw_src; /* lanes 4, 5; ARP: sender protocol address */
            union flow_addr nw_dst; /* lanes 6, 7; ARP: target protocol address */
        };
        uint64_t lane[FLOW_LANES];
    };
};
static_assert(sizeof(struct flow_key) == 64, "a flow key is one cache line");
static_assert(offsetof(struct flow_key, vlan_tci) == 14, "no padding in lanes 0 and 1");
static_assert(offsetof(struct flow_key, tp_dst) == 22, "no padding in lane 2");
static_assert(offsetof(struct flow_key, nw_src) == 32, "addresses begin at lane 4");

/* Same layout as flow_key; a type of its own so that the two are not mixed up. */
struct flow_mask {
    struct flow_key bits;
};

/* A set of packets: those whose key, under 'mask', equals 'value'. 'value' has no
 * bit set outside of 'mask'. */
struct flow_match {
    struct flow_key value;
    struct flow_mask mask;
};

static inline bool
flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
    uint64_t diff = 0;
    for (int i = 0; i < FLOW_LANES; i++) {
        diff |= a->lane[i] ^ b->lane[i];
    }
    return diff == 0;
}

static inline void
flow_key_mask(const struct flow_key *key, const struct flow_mask *mask, struct flow_key *out)
{
    for (int i = 0; i < FLOW_LANES; i++) {
        out->lane[i] = key->lane[i] & mask->bits.lane[i];
    }
}

/* True if the packet with 'key' is in the set. */
static inline bool
flow_match_contains(const struct flow_match *m, const struct flow_key *key)
{
    uint64_t diff = 0;
    for (int i = 0; i < FLOW_LANES; i++) {
        diff |= (key->lane[i] ^ m->value.lane[i]) & m->mask.bits.lane[i];
    }
    return diff == 0;
}

/* True if some packet could be in both sets. */
static inline bool
flow_match_overlaps(const struct flow_match *a, const struct flow_match *b)
{
    uint64_t diff = 0;
    for (int i = 0; i < FLOW_LANES; i++) {
        diff |= (a->value.lane[i] ^ b->value.lane[i])
                & a->mask.bits.lane[i] & b->mask.bits.lane[i];
    }
    return diff == 0;
}

/* True if every packet of 'b' is also in 'a' ('b' is at least as specific). */
static inline bool
flow_match_covers(const struct flow_match *a, const struct flow_match *b)
{
    uint64_t diff = 0;
    for (int i = 0; i < FLOW_LANES; i++) {
        diff |= (a->mask.bits.lane[i] & ~b->mask.bits.lane[i])
                | ((a->value.lane[i] ^ b->value.lane[i]) & a->mask.bits.lane[i]);
    }
    return diff == 0;
}

#endif /* turnout/flow.h */
