/* SPDX-License-Identifier: Apache-2.0 */
/* What tc-flower can say of a match, and what not. What its dissector makes of frames is in the
 * kernel's net/core/flow_dissector.c and net/sched/cls_flower.c. */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drivers/tc/flower_private.h"

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

int
flower_refuse(struct hal_verdict *verdict, enum hal_reason reason, unsigned field, unsigned action,
              const char *words, ...)
{
    va_list args;
    *verdict = (struct hal_verdict) { .reason = reason, .field = (uint8_t) field,
                                      .action = (uint8_t) action };
    va_start(args, words);
    vsnprintf(verdict->words, sizeof verdict->words, words, args);
    va_end(args);
    return -EOPNOTSUPP;
}

static int
refuse(struct hal_verdict *verdict, enum hal_reason reason, enum field_id field, const char *words)
{
    return flower_refuse(verdict, reason, field, HAL_OBJECT_NONE, "%s", words);
}

static bool
is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return !any;
}

/* --- Ethernet ---------------------------------------------------------------------------------- */

static int
look_at_type(const struct flow_match *m, struct flower_shape *shape, struct hal_verdict *verdict)
{
    uint16_t mask = be16_to_host(m->mask.bits.dl_type), type = be16_to_host(m->value.dl_type);
    if (mask && mask != 0xffff) {
        return refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_DL_TYPE,
                      "the type is matched whole");
    }
    shape->has_type = mask;
    shape->type = type;
    if (mask && type < ETH_P_802_3_MIN) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_DL_TYPE,
                      "the kernel can't tell LLC and SNAP frames apart");
    }
    return 0;
}

static int
look_at_tag(const struct flow_match *m, struct flower_shape *shape, struct hal_verdict *verdict)
{
    uint16_t mask = be16_to_host(m->mask.bits.vlan_tci), tci = be16_to_host(m->value.vlan_tci);
    uint16_t vid = mask & FLOW_VLAN_VID_MASK, pcp = mask & FLOW_VLAN_PCP_MASK;
    if (!mask) {
        shape->tag = FLOWER_TAG_ANY;
        return 0;
    }
    if (!tci) {
        shape->tag = FLOWER_TAG_NONE;
        return mask & FLOW_VLAN_PRESENT
               ? 0 : refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_VLAN,
                            "no filter takes both untagged frames and those of a VLAN");
    }
    if (mask & FLOW_VLAN_PRESENT && !(tci & FLOW_VLAN_PRESENT)) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_VLAN,
                      "a VLAN without a tag is none");
    }
    if ((vid && vid != FLOW_VLAN_VID_MASK) || (pcp && pcp != FLOW_VLAN_PCP_MASK)) {
        return refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_VLAN,
                      "VLAN and priority are matched whole");
    }
    shape->tag = FLOWER_TAG_SOME;
    shape->has_vid = vid;
    shape->vid = tci & FLOW_VLAN_VID_MASK;
    shape->has_pcp = pcp;
    shape->pcp = (uint8_t) (tci >> FLOW_VLAN_PCP_SHIFT);
    return 0;
}

/* "protocol all" with a type would also take the type behind two tags, or an 802.1ad tag. */
static int
look_at_ethernet(const struct flow_match *m, const struct flower_options *options,
                 struct flower_shape *shape, struct hal_verdict *verdict)
{
    if (look_at_type(m, shape, verdict) || look_at_tag(m, shape, verdict)) {
        return -EOPNOTSUPP;
    }
    if (!shape->has_type && options->whole) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE,
                      "it would take SNAP frames that an entry above should have");
    }
    if (shape->has_type && shape->tag == FLOWER_TAG_ANY) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
                      "a type with and without a tag takes two filters");
    }
    if (shape->tag == FLOWER_TAG_NONE && shape->type == ETH_P_8021Q) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_DL_TYPE,
                      "a cut tag is none for the kernel");
    }
    if (!shape->has_type && shape->tag == FLOWER_TAG_NONE && !options->num_of_vlans) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE,
                      "the kernel can't say \"untagged\" without a type");
    }
    return 0;
}

uint16_t
flower_shape_protocol(const struct flower_shape *shape)
{
    if (shape->tag == FLOWER_TAG_SOME) {
        return ETH_P_8021Q;
    }
    return shape->has_type ? shape->type : ETH_P_ALL;
}

/* --- IPv4 and ARP -------------------------------------------------------------------------------- */

/* True if the match looks at a network or transport field for something that not all packets of
 * another type have: 0. */
static bool
wants(const uint8_t *value, const uint8_t *mask, size_t size, bool zero_too)
{
    return zero_too ? !is_zero(mask, size) : !is_zero(value, size);
}

static int
look_for_fields_without_layer(const struct flow_match *m, bool zero_too, enum hal_reason reason,
                              enum field_id blame, struct hal_verdict *verdict)
{
    const struct flow_key *v = &m->value, *k = &m->mask.bits;
    const struct { enum field_id id; const void *value, *mask; size_t size; } rows[] = {
        { FIELD_NW_SRC, &v->nw_src, &k->nw_src, sizeof v->nw_src },
        { FIELD_NW_DST, &v->nw_dst, &k->nw_dst, sizeof v->nw_dst },
        { FIELD_NW_PROTO, &v->nw_proto, &k->nw_proto, 1 },
        { FIELD_NW_TOS, &v->nw_tos, &k->nw_tos, 1 },
        { FIELD_TP_SRC, &v->tp_src, &k->tp_src, 2 },
        { FIELD_TP_DST, &v->tp_dst, &k->tp_dst, 2 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (wants(rows[i].value, rows[i].mask, rows[i].size, zero_too)) {
            return flower_refuse(verdict, reason, blame < N_FIELDS ? blame : rows[i].id,
                                 HAL_OBJECT_NONE, "it is matched for a type that has it");
        }
    }
    return 0;
}

static int
look_at_arp(const struct flow_match *m, const struct flower_options *options,
            struct hal_verdict *verdict)
{
    uint8_t mask = m->mask.bits.nw_proto, op = m->value.nw_proto;
    bool addresses = m->mask.bits.nw_src.ip4.raw || m->mask.bits.nw_dst.ip4.raw;
    if (mask && (mask != 0xff || (op != ARP_REQUEST && op != ARP_REPLY))) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_NW_PROTO,
                      "of ARP the kernel knows requests and replies");
    }
    if (addresses && !mask && options->whole) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_NW_PROTO,
                      "of ARP the kernel knows requests and replies");
    }
    if (m->value.nw_tos || m->value.tp_src.raw || m->value.tp_dst.raw) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_NW_TOS, "ARP has none");
    }
    return 0;
}

int
flower_shape_no_fragments(struct flower_shape *shape, const struct flower_options *options,
                          unsigned field, unsigned action, struct hal_verdict *verdict)
{
    if (shape->fragments) {
        return flower_refuse(verdict, HAL_REASON_FRAGMENT, field, action,
                             "the kernel sees no ports in fragments, and breaks their checksums");
    }
    if (!shape->whole_datagrams && options->whole && !options->fragments_apart) {
        return flower_refuse(verdict, HAL_REASON_FRAGMENT, field, action,
                             "fragments would go to an entry below");
    }
    shape->whole_datagrams = true;
    return 0;
}

static int
look_at_fragments(const struct flow_match *m, struct flower_shape *shape,
                  struct hal_verdict *verdict)
{
    uint8_t mask = m->mask.bits.nw_frag, frag = m->value.nw_frag;
    if (shape->has_type && shape->type != ETH_P_IP) {
        return frag ? refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_NW_FRAG,
                             "only IPv4 has fragments here") : 0;
    }
    if (mask == FLOW_FRAG_LATER && !frag) {
        return refuse(verdict, HAL_REASON_FRAGMENT, FIELD_NW_FRAG,
                      "no filter takes all but later fragments");
    }
    if (mask & FLOW_FRAG_ANY && frag == FLOW_FRAG_LATER) {
        return refuse(verdict, HAL_REASON_FRAGMENT, FIELD_NW_FRAG, "a later fragment is a fragment");
    }
    shape->fragments = frag;
    shape->whole_datagrams = mask && !frag;
    return 0;
}

static int
look_at_ports(const struct flow_match *m, const struct flower_options *options,
              struct flower_shape *shape, struct hal_verdict *verdict)
{
    uint16_t src = be16_to_host(m->mask.bits.tp_src), dst = be16_to_host(m->mask.bits.tp_dst);
    bool none = !m->value.tp_src.raw && !m->value.tp_dst.raw;
    enum field_id field = src ? FIELD_TP_SRC : FIELD_TP_DST;
    if (!src && !dst) {
        return 0;
    }
    if (!shape->has_proto) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_NW_PROTO,
                      "ports are looked at for a protocol that has them");
    }
    bool has_ports = shape->proto == IPPROTO_TCP || shape->proto == IPPROTO_UDP
                     || shape->proto == IPPROTO_ICMP;
    if (!has_ports || m->value.nw_frag & FLOW_FRAG_LATER) {
        return none ? 0 : refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, field,
                                 "the packets have no ports");
    }
    if (shape->proto == IPPROTO_ICMP && (be16_to_host(m->value.tp_src) > UINT8_MAX
                                         || be16_to_host(m->value.tp_dst) > UINT8_MAX)) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, field, "ICMP has no such type or code");
    }
    shape->looks_at_ports = true;
    return flower_shape_no_fragments(shape, options, field, HAL_OBJECT_NONE, verdict);
}

static int
look_at_ipv4(const struct flow_match *m, const struct flower_options *options,
             struct flower_shape *shape, struct hal_verdict *verdict)
{
    uint8_t mask = m->mask.bits.nw_proto;
    if (mask && mask != 0xff) {
        return refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_NW_PROTO,
                      "the protocol is matched whole");
    }
    shape->has_proto = mask;
    shape->proto = m->value.nw_proto;
    return look_at_ports(m, options, shape, verdict);
}

static int
look_at_network(const struct flow_match *m, const struct flower_options *options,
                struct flower_shape *shape, struct hal_verdict *verdict)
{
    if (look_at_fragments(m, shape, verdict)) {
        return -EOPNOTSUPP;
    }
    if (!shape->has_type) {
        if (shape->fragments) {
            return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE,
                          "only IPv4 has fragments here");
        }
        return look_for_fields_without_layer(m, true, HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE,
                                             verdict);
    }
    switch (shape->type) {
    case ETH_P_IP: return look_at_ipv4(m, options, shape, verdict);
    case ETH_P_ARP: return look_at_arp(m, options, verdict);
    default:
        return look_for_fields_without_layer(m, false, HAL_REASON_FIELD_UNSUPPORTED, N_FIELDS,
                                             verdict);
    }
}

int
flower_shape(const struct flow_match *m, const struct flower_options *options,
             struct flower_shape *shape, struct hal_verdict *verdict)
{
    memset(shape, 0, sizeof *shape);
    if (m->value.tun_key.raw) {
        return refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_TUN_KEY, "ports have no tunnels");
    }
    if (m->mask.bits.in_port && m->mask.bits.in_port != UINT16_MAX) {
        return refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_IN_PORT,
                      "a filter is a port's, or all ports'");
    }
    if (look_at_ethernet(m, options, shape, verdict)) {
        return -EOPNOTSUPP;
    }
    return look_at_network(m, options, shape, verdict);
}

int
flower_protocol(const struct flow_match *match, const struct flower_options *options,
                uint16_t *protocol, struct hal_verdict *verdict)
{
    struct flower_shape shape;
    int result = flower_shape(match, options, &shape, verdict);
    if (!result) {
        *protocol = flower_shape_protocol(&shape);
    }
    return result;
}
