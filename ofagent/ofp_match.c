/* SPDX-License-Identifier: Apache-2.0 */
/* The match of OpenFlow 1.0 (5.2.3, 3.4): from the wire to value and mask, and back.
 *
 * Decoding normalises: a field counts only if the fields that it depends on are matched
 * exactly with a value that gives it a meaning. So two ways of writing the same set of
 * packets become the same struct ofp_match. */
#include "ofagent/ofp_internal.h"

enum {
    DL_TYPE_IP = 0x0800,
    DL_TYPE_ARP = 0x0806,
    NW_PROTO_ICMP = 1,
    NW_PROTO_TCP = 6,
    NW_PROTO_UDP = 17,
    NW_TOS_MASK = 0xfc,          /* the ECN bits are no part of it */
};

static const struct be16 all_ones16 = { 0xffff };

static void
decode_vlan(const struct of10_match *wire, uint32_t wildcards, struct flow_key *value,
            struct flow_key *mask)
{
    uint16_t v = 0, m = 0;
    if (!(wildcards & OFPFW_DL_VLAN)) {
        if (be16_to_host(wire->dl_vlan) == OFP_VLAN_NONE) {
            /* No tag, so no PCP whatever the match says of it. */
            mask->vlan_tci = all_ones16;
            return;
        }
        /* The four bits above a VID mean nothing, and are left out. */
        v = FLOW_VLAN_PRESENT | (be16_to_host(wire->dl_vlan) & FLOW_VLAN_VID_MASK);
        m = FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK;
    }
    if (!(wildcards & OFPFW_DL_VLAN_PCP)) {
        v |= FLOW_VLAN_PRESENT
             | ((wire->dl_vlan_pcp << FLOW_VLAN_PCP_SHIFT) & FLOW_VLAN_PCP_MASK);
        m |= FLOW_VLAN_PRESENT | FLOW_VLAN_PCP_MASK;
    }
    value->vlan_tci = be16_from_host(v);
    mask->vlan_tci = be16_from_host(m);
}

static void
decode_link(const struct of10_match *wire, uint32_t wildcards, struct flow_key *value,
            struct flow_key *mask)
{
    if (!(wildcards & OFPFW_IN_PORT)) {
        value->in_port = be16_to_host(wire->in_port);
        mask->in_port = 0xffff;
    }
    if (!(wildcards & OFPFW_DL_SRC)) {
        memcpy(value->dl_src, wire->dl_src, sizeof value->dl_src);
        memset(mask->dl_src, 0xff, sizeof mask->dl_src);
    }
    if (!(wildcards & OFPFW_DL_DST)) {
        memcpy(value->dl_dst, wire->dl_dst, sizeof value->dl_dst);
        memset(mask->dl_dst, 0xff, sizeof mask->dl_dst);
    }
    decode_vlan(wire, wildcards, value, mask);
    if (!(wildcards & OFPFW_DL_TYPE)) {
        value->dl_type = wire->dl_type;
        mask->dl_type = all_ones16;
    }
}

/* 'wild_bits' low bits don't count. */
static void
decode_address(struct be32 wire, uint32_t wild_bits, union flow_addr *value, union flow_addr *mask)
{
    if (wild_bits < 32) {
        struct be32 bits = be32_from_host(UINT32_MAX << wild_bits);
        value->ip4.raw = wire.raw & bits.raw;
        mask->ip4 = bits;
    }
}

static void
decode_transport(const struct of10_match *wire, uint32_t wildcards, struct flow_key *value,
                 struct flow_key *mask)
{
    if (!(wildcards & OFPFW_TP_SRC)) {
        value->tp_src = wire->tp_src;
        mask->tp_src = all_ones16;
    }
    if (!(wildcards & OFPFW_TP_DST)) {
        value->tp_dst = wire->tp_dst;
        mask->tp_dst = all_ones16;
    }
}

static bool
has_ports(uint8_t nw_proto)
{
    return nw_proto == NW_PROTO_TCP || nw_proto == NW_PROTO_UDP || nw_proto == NW_PROTO_ICMP;
}

/* For matches on IPv4 or ARP alone. */
static void
decode_network(const struct of10_match *wire, uint32_t wildcards, bool ip, struct flow_key *value,
               struct flow_key *mask)
{
    decode_address(wire->nw_src, wildcards >> OFPFW_NW_SRC_SHIFT & OFPFW_NW_BITS, &value->nw_src,
                   &mask->nw_src);
    decode_address(wire->nw_dst, wildcards >> OFPFW_NW_DST_SHIFT & OFPFW_NW_BITS, &value->nw_dst,
                   &mask->nw_dst);
    if (ip && !(wildcards & OFPFW_NW_TOS)) {
        value->nw_tos = wire->nw_tos & NW_TOS_MASK;
        mask->nw_tos = NW_TOS_MASK;
    }
    if (!(wildcards & OFPFW_NW_PROTO)) {
        value->nw_proto = wire->nw_proto;
        mask->nw_proto = 0xff;
        if (ip && has_ports(wire->nw_proto)) {
            decode_transport(wire, wildcards, value, mask);
        }
    }
}

void
of10_decode_match(const struct of10_match *wire, struct ofp_match *out)
{
    uint32_t wildcards = be32_to_host(wire->wildcards) & OFPFW_ALL;
    memset(out, 0, sizeof *out);
    out->exact = !wildcards;

    struct flow_key *value = &out->match.value, *mask = &out->match.mask.bits;
    decode_link(wire, wildcards, value, mask);
    if (!(wildcards & OFPFW_DL_TYPE)) {
        uint16_t dl_type = be16_to_host(wire->dl_type);
        if (dl_type == DL_TYPE_IP || dl_type == DL_TYPE_ARP) {
            decode_network(wire, wildcards, dl_type == DL_TYPE_IP, value, mask);
        }
    }
}

/* The encoders below return the wildcards of their fields, whose bytes stay zero. */

static uint32_t
encode_vlan(const struct flow_key *value, const struct flow_key *mask, struct of10_match *wire)
{
    uint16_t v = be16_to_host(value->vlan_tci), m = be16_to_host(mask->vlan_tci);
    if (!(m & FLOW_VLAN_PRESENT)) {
        return OFPFW_DL_VLAN | OFPFW_DL_VLAN_PCP;
    }
    if (!(v & FLOW_VLAN_PRESENT)) {
        wire->dl_vlan = be16_from_host(OFP_VLAN_NONE);
        return OFPFW_DL_VLAN_PCP;
    }
    uint32_t wildcards = 0;
    if ((m & FLOW_VLAN_VID_MASK) == FLOW_VLAN_VID_MASK) {
        wire->dl_vlan = be16_from_host(v & FLOW_VLAN_VID_MASK);
    } else {
        wildcards |= OFPFW_DL_VLAN;
    }
    if ((m & FLOW_VLAN_PCP_MASK) == FLOW_VLAN_PCP_MASK) {
        wire->dl_vlan_pcp = (uint8_t) ((v & FLOW_VLAN_PCP_MASK) >> FLOW_VLAN_PCP_SHIFT);
    } else {
        wildcards |= OFPFW_DL_VLAN_PCP;
    }
    return wildcards;
}

static uint32_t
encode_mac(const uint8_t value[6], const uint8_t mask[6], uint32_t wildcard, uint8_t wire[6])
{
    for (int i = 0; i < 6; i++) {
        if (mask[i] != 0xff) {
            return wildcard;
        }
    }
    memcpy(wire, value, 6);
    return 0;
}

static uint32_t
encode_link(const struct flow_key *value, const struct flow_key *mask, struct of10_match *wire)
{
    uint32_t wildcards = 0;
    if (mask->in_port == 0xffff) {
        wire->in_port = be16_from_host(value->in_port);
    } else {
        wildcards |= OFPFW_IN_PORT;
    }
    wildcards |= encode_mac(value->dl_src, mask->dl_src, OFPFW_DL_SRC, wire->dl_src);
    wildcards |= encode_mac(value->dl_dst, mask->dl_dst, OFPFW_DL_DST, wire->dl_dst);
    wildcards |= encode_vlan(value, mask, wire);
    if (be16_equal(mask->dl_type, all_ones16)) {
        wire->dl_type = value->dl_type;
    } else {
        wildcards |= OFPFW_DL_TYPE;
    }
    return wildcards;
}

/* Returns how many low bits don't count: 32 when all. */
static uint32_t
encode_address(const union flow_addr *value, const union flow_addr *mask, struct be32 *wire)
{
    uint32_t zeros = ~be32_to_host(mask->ip4);
    uint32_t wild_bits = zeros ? 32 - (uint32_t) __builtin_clz(zeros) : 0;
    if (wild_bits < 32) {
        wire->raw = value->ip4.raw & be32_from_host(UINT32_MAX << wild_bits).raw;
    }
    return wild_bits;
}

static uint32_t
encode_port(struct be16 value, struct be16 mask, uint32_t wildcard, struct be16 *wire)
{
    if (!be16_equal(mask, all_ones16)) {
        return wildcard;
    }
    *wire = value;
    return 0;
}

static uint32_t
encode_network(const struct flow_key *value, const struct flow_key *mask, struct of10_match *wire)
{
    uint32_t wildcards = 0;
    if ((mask->nw_tos & NW_TOS_MASK) == NW_TOS_MASK) {
        wire->nw_tos = value->nw_tos & NW_TOS_MASK;
    } else {
        wildcards |= OFPFW_NW_TOS;
    }
    if (mask->nw_proto == 0xff) {
        wire->nw_proto = value->nw_proto;
    } else {
        wildcards |= OFPFW_NW_PROTO;
    }
    wildcards |= encode_address(&value->nw_src, &mask->nw_src, &wire->nw_src)
                 << OFPFW_NW_SRC_SHIFT;
    wildcards |= encode_address(&value->nw_dst, &mask->nw_dst, &wire->nw_dst)
                 << OFPFW_NW_DST_SHIFT;
    wildcards |= encode_port(value->tp_src, mask->tp_src, OFPFW_TP_SRC, &wire->tp_src);
    wildcards |= encode_port(value->tp_dst, mask->tp_dst, OFPFW_TP_DST, &wire->tp_dst);
    return wildcards;
}

void
of10_encode_match(const struct ofp_match *match, struct of10_match *wire)
{
    const struct flow_key *value = &match->match.value, *mask = &match->match.mask.bits;
    memset(wire, 0, sizeof *wire);
    uint32_t wildcards = encode_link(value, mask, wire);
    wildcards |= encode_network(value, mask, wire);
    /* Without wildcards on the wire it was sent, and so it goes back: fields that don't
     * count are zero rather than wild, or the flow would seem to have lost its rank. */
    wire->wildcards = be32_from_host(match->exact ? 0 : wildcards);
}

bool
of10_match_is_wider(const struct of10_match *wire, const struct ofp_match *match)
{
    struct ofp_match again;
    of10_decode_match(wire, &again);
    return !flow_key_equal(&again.match.mask.bits, &match->match.mask.bits);
}

/* The mask that is read back depends on the one that was written and, of the values, on
 * those that fields depend on. */
static uint32_t
likeness(const struct ofp_match *match)
{
    const struct flow_key *value = &match->match.value;
    bool tagged = be16_to_host(value->vlan_tci) & FLOW_VLAN_PRESENT;
    return 1u << 31 | (uint32_t) match->exact << 25 | (uint32_t) tagged << 24
           | (uint32_t) value->nw_proto << 16 | be16_to_host(value->dl_type);
}

bool
of10_match_is_wider_again(struct ofp_width *width, const struct of10_match *wire,
                          const struct ofp_match *match)
{
    uint32_t like = likeness(match);
    if (like != width->like || !flow_key_equal(&match->match.mask.bits, &width->mask)) {
        width->like = like;
        width->mask = match->match.mask.bits;
        width->wider = of10_match_is_wider(wire, match);
    }
    return width->wider;
}

void
ofp_encode_match(struct writer *w, const struct ofp_match *match)
{
    struct of10_match wire;
    of10_encode_match(match, &wire);
    writer_bytes(w, &wire, sizeof wire);
}

int
ofp_decode_match(struct reader *r, struct ofp_match *out)
{
    struct of10_match wire;
    if (reader_left(r) < sizeof wire) {
        r->failed = true;
        return OFP_REFUSED;
    }
    reader_bytes(r, &wire, sizeof wire);
    of10_decode_match(&wire, out);
    return 0;
}
