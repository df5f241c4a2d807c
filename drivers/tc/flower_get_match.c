/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a filter as a match. The kernel tells them otherwise than it was told: of a tagged
 * frame's, TCA_FLOWER_KEY_ETH_TYPE is the type behind the tag, and only the protocol in tcm_info says
 * that there is a tag. */
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "drivers/tc/flower_private.h"

struct reading {
    const struct nlattr **attrs;     /* those that were understood are taken out */
    struct flower_filter *f;
    bool malformed;
};

static void
say_more(struct flower_filter *f, const char *what)
{
    size_t len = strlen(f->more);
    snprintf(f->more + len, sizeof f->more - len, "%s%s", len ? ", " : "", what);
}

/* Takes an attribute of 'size' bytes; false if it is not there. */
static bool
take(struct reading *r, unsigned type, void *out, size_t size)
{
    const struct nlattr *attr = r->attrs[type];
    r->attrs[type] = NULL;
    if (attr && !flower_get(attr, out, size)) {
        r->malformed = true;
    }
    return attr && !r->malformed;
}

/* A value and its mask, which is all ones if it is left out. */
static bool
take_masked(struct reading *r, unsigned type, unsigned mask_type, void *value, void *mask,
            size_t size)
{
    uint8_t v[16], k[16];
    memset(k, 0xff, size);
    if (!take(r, type, v, size)) {
        return false;
    }
    take(r, mask_type, k, size);
    for (size_t i = 0; i < size; i++) {
        v[i] &= k[i];
    }
    memcpy(value, v, size);
    memcpy(mask, k, size);
    return true;
}

/* --- Ethernet ---------------------------------------------------------------------------------- */

static void
set_type(struct flow_match *m, struct be16 type)
{
    m->value.dl_type = type;
    m->mask.bits.dl_type.raw = UINT16_MAX;
}

static void
get_tag(struct reading *r, struct flow_match *m)
{
    uint16_t tci = FLOW_VLAN_PRESENT, mask = FLOW_VLAN_PRESENT, vid;
    uint8_t pcp;
    struct be16 type;
    if (take(r, TCA_FLOWER_KEY_VLAN_ID, &vid, sizeof vid)) {
        tci |= vid & FLOW_VLAN_VID_MASK;
        mask |= FLOW_VLAN_VID_MASK;
    }
    if (take(r, TCA_FLOWER_KEY_VLAN_PRIO, &pcp, sizeof pcp)) {
        tci |= (uint16_t) ((pcp & 7) << FLOW_VLAN_PCP_SHIFT);
        mask |= FLOW_VLAN_PCP_MASK;
    }
    m->value.vlan_tci = be16_from_host(tci);
    m->mask.bits.vlan_tci = be16_from_host(mask);
    if (take(r, TCA_FLOWER_KEY_VLAN_ETH_TYPE, &type, sizeof type)) {
        set_type(m, type);
    }
}

static void
get_ethernet(struct reading *r, uint16_t protocol, struct flow_match *m)
{
    struct be16 type = { 0 };
    uint8_t n_vlans;
    take_masked(r, TCA_FLOWER_KEY_ETH_DST, TCA_FLOWER_KEY_ETH_DST_MASK, m->value.dl_dst,
                m->mask.bits.dl_dst, 6);
    take_masked(r, TCA_FLOWER_KEY_ETH_SRC, TCA_FLOWER_KEY_ETH_SRC_MASK, m->value.dl_src,
                m->mask.bits.dl_src, 6);
    bool has_type = take(r, TCA_FLOWER_KEY_ETH_TYPE, &type, sizeof type);
    if (protocol == ETH_P_8021Q) {
        get_tag(r, m);
        if (has_type && be16_to_host(type) != ETH_P_8021Q && !m->mask.bits.dl_type.raw) {
            set_type(m, type);
        }
    } else if (protocol == ETH_P_ALL) {
        if (has_type) {
            set_type(m, type);
        }
        if (take(r, TCA_FLOWER_KEY_NUM_OF_VLANS, &n_vlans, sizeof n_vlans)) {
            m->mask.bits.vlan_tci.raw = UINT16_MAX;
            m->value.vlan_tci = be16_from_host(n_vlans ? FLOW_VLAN_PRESENT : 0);
            m->mask.bits.vlan_tci = be16_from_host(n_vlans ? FLOW_VLAN_PRESENT : UINT16_MAX);
            if (n_vlans) {
                say_more(r->f, "num_of_vlans");
            }
        }
    } else {
        m->mask.bits.vlan_tci.raw = UINT16_MAX;
        set_type(m, be16_from_host(protocol));
    }
}

/* --- IPv4 and ARP -------------------------------------------------------------------------------- */

/* A type or code is a byte, in a field of two. */
static void
take_icmp(struct reading *r, unsigned type, struct be16 *value, struct be16 *mask)
{
    uint8_t v, k;
    if (take_masked(r, type, type + 1, &v, &k, sizeof v)) {
        *value = be16_from_host(v);
        *mask = be16_from_host(k == UINT8_MAX ? UINT16_MAX : k);
    }
}

static void
get_ports(struct reading *r, struct flow_match *m)
{
    struct flow_key *value = &m->value, *mask = &m->mask.bits;
    switch (value->nw_proto) {
    case IPPROTO_TCP:
        take_masked(r, TCA_FLOWER_KEY_TCP_SRC, TCA_FLOWER_KEY_TCP_SRC_MASK, &value->tp_src,
                    &mask->tp_src, 2);
        take_masked(r, TCA_FLOWER_KEY_TCP_DST, TCA_FLOWER_KEY_TCP_DST_MASK, &value->tp_dst,
                    &mask->tp_dst, 2);
        break;
    case IPPROTO_UDP:
        take_masked(r, TCA_FLOWER_KEY_UDP_SRC, TCA_FLOWER_KEY_UDP_SRC_MASK, &value->tp_src,
                    &mask->tp_src, 2);
        take_masked(r, TCA_FLOWER_KEY_UDP_DST, TCA_FLOWER_KEY_UDP_DST_MASK, &value->tp_dst,
                    &mask->tp_dst, 2);
        break;
    case IPPROTO_ICMP:
        take_icmp(r, TCA_FLOWER_KEY_ICMPV4_TYPE, &value->tp_src, &mask->tp_src);
        take_icmp(r, TCA_FLOWER_KEY_ICMPV4_CODE, &value->tp_dst, &mask->tp_dst);
        break;
    default:
        break;
    }
}

static void
get_ipv4(struct reading *r, struct flow_match *m)
{
    struct flow_key *value = &m->value, *mask = &m->mask.bits;
    if (take(r, TCA_FLOWER_KEY_IP_PROTO, &value->nw_proto, 1)) {
        mask->nw_proto = UINT8_MAX;
    }
    if (take_masked(r, TCA_FLOWER_KEY_IP_TOS, TCA_FLOWER_KEY_IP_TOS_MASK, &value->nw_tos,
                    &mask->nw_tos, 1) && mask->nw_tos & 0x03) {
        say_more(r->f, "ip_ecn");
        value->nw_tos &= 0xfc;
        mask->nw_tos &= 0xfc;
    }
    take_masked(r, TCA_FLOWER_KEY_IPV4_SRC, TCA_FLOWER_KEY_IPV4_SRC_MASK, &value->nw_src.ip4,
                &mask->nw_src.ip4, 4);
    take_masked(r, TCA_FLOWER_KEY_IPV4_DST, TCA_FLOWER_KEY_IPV4_DST_MASK, &value->nw_dst.ip4,
                &mask->nw_dst.ip4, 4);
    if (mask->nw_proto) {
        get_ports(r, m);
    }
}

static void
get_arp(struct reading *r, struct flow_match *m)
{
    struct flow_key *value = &m->value, *mask = &m->mask.bits;
    take_masked(r, TCA_FLOWER_KEY_ARP_OP, TCA_FLOWER_KEY_ARP_OP_MASK, &value->nw_proto,
                &mask->nw_proto, 1);
    take_masked(r, TCA_FLOWER_KEY_ARP_SIP, TCA_FLOWER_KEY_ARP_SIP_MASK, &value->nw_src.ip4,
                &mask->nw_src.ip4, 4);
    take_masked(r, TCA_FLOWER_KEY_ARP_TIP, TCA_FLOWER_KEY_ARP_TIP_MASK, &value->nw_dst.ip4,
                &mask->nw_dst.ip4, 4);
}

static void
get_fragments(struct reading *r, struct flow_match *m)
{
    struct be32 be_value = { 0 }, be_mask = { 0 };
    if (!take_masked(r, TCA_FLOWER_KEY_FLAGS, TCA_FLOWER_KEY_FLAGS_MASK, &be_value, &be_mask, 4)) {
        return;
    }
    uint32_t value = be32_to_host(be_value), mask = be32_to_host(be_mask);
    const uint32_t frag = TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT, first = TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
    if (mask & ~(frag | first) || (mask & first && !(value & frag))) {
        say_more(r->f, "ip_flags");
    }
    if (mask & frag) {
        uint8_t later = mask & first && !(value & first) ? FLOW_FRAG_LATER : 0;
        m->value.nw_frag = value & frag ? FLOW_FRAG_ANY | later : 0;
        m->mask.bits.nw_frag = value & frag && !(mask & first) ? FLOW_FRAG_ANY
                                                               : FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    }
}

/* --- the rest --------------------------------------------------------------------------------------- */

/* Names for what is left, by the first attribute of each group. */
static const char *
group_of(unsigned type)
{
    static const struct { uint16_t first; const char *name; } groups[] = {
        { TCA_FLOWER_INDEV, "indev" }, { TCA_FLOWER_KEY_ETH_DST, "eth" },
        { TCA_FLOWER_KEY_IP_PROTO, "ip_proto" }, { TCA_FLOWER_KEY_IPV4_SRC, "ipv4" },
        { TCA_FLOWER_KEY_IPV6_SRC, "ipv6" }, { TCA_FLOWER_KEY_TCP_SRC, "ports" },
        { TCA_FLOWER_KEY_VLAN_ID, "vlan" }, { TCA_FLOWER_KEY_ENC_KEY_ID, "tunnel" },
        { TCA_FLOWER_KEY_TCP_SRC_MASK, "ports" }, { TCA_FLOWER_KEY_SCTP_SRC_MASK, "sctp" },
        { TCA_FLOWER_KEY_ENC_UDP_SRC_PORT, "tunnel" }, { TCA_FLOWER_KEY_FLAGS, "ip_flags" },
        { TCA_FLOWER_KEY_ICMPV4_CODE, "icmp" }, { TCA_FLOWER_KEY_ICMPV6_CODE, "icmpv6" },
        { TCA_FLOWER_KEY_ARP_SIP, "arp" }, { TCA_FLOWER_KEY_MPLS_TTL, "mpls" },
        { TCA_FLOWER_KEY_TCP_FLAGS, "tcp_flags" }, { TCA_FLOWER_KEY_IP_TOS, "ip_tos" },
        { TCA_FLOWER_KEY_IP_TTL, "ip_ttl" }, { TCA_FLOWER_KEY_CVLAN_ID, "cvlan" },
        { TCA_FLOWER_KEY_ENC_IP_TOS, "tunnel" }, { TCA_FLOWER_KEY_PORT_SRC_MIN, "port_range" },
        { TCA_FLOWER_KEY_CT_STATE, "ct" }, { TCA_FLOWER_KEY_MPLS_OPTS, "mpls" },
        { TCA_FLOWER_KEY_HASH, "hash" }, { TCA_FLOWER_KEY_NUM_OF_VLANS, "num_of_vlans" },
        { TCA_FLOWER_KEY_PPPOE_SID, "pppoe" }, { TCA_FLOWER_KEY_L2TPV3_SID, "l2tpv3" },
        { TCA_FLOWER_KEY_L2TPV3_SID + 1, "a newer key" },
    };
    const char *name = groups[0].name;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0] && groups[i].first <= type; i++) {
        name = groups[i].name;
    }
    return name;
}

static bool
is_no_key(unsigned type)
{
    return type == TCA_FLOWER_CLASSID || type == TCA_FLOWER_ACT || type == TCA_FLOWER_FLAGS
           || type == TCA_FLOWER_IN_HW_COUNT;
}

static void
name_the_rest(struct reading *r)
{
    const char *last = NULL;
    for (unsigned type = 1; type <= UINT8_MAX; type++) {
        const char *name = r->attrs[type] && !is_no_key(type) ? group_of(type) : NULL;
        if (name && (!last || strcmp(name, last))) {
            say_more(r->f, name);
            last = name;
        }
    }
    if (r->attrs[0]) {
        say_more(r->f, "a newer key");
    }
}

bool
flower_get_match(const struct nlattr *attrs[], uint16_t protocol, struct flower_filter *f)
{
    struct reading r = { .attrs = attrs, .f = f };
    get_ethernet(&r, protocol, &f->match);
    switch (be16_to_host(f->match.value.dl_type)) {
    case ETH_P_IP: get_ipv4(&r, &f->match); break;
    case ETH_P_ARP: get_arp(&r, &f->match); break;
    default: break;
    }
    get_fragments(&r, &f->match);
    name_the_rest(&r);
    return !r.malformed;
}
