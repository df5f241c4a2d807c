/* SPDX-License-Identifier: Apache-2.0 */
/* The message of an entry: TCA_OPTIONS as cls_flower and the actions read them. Attributes that are
 * nests have no NLA_F_NESTED unless the kernel wants it, as tc's have none. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_pedit.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/tc_act/tc_vlan.h>
#include <netinet/in.h>
#include <string.h>

#include "drivers/tc/flower_private.h"

/* --- attributes -------------------------------------------------------------------------------- */

void
flower_put(struct flower_put *p, uint16_t type, size_t size, const void *data)
{
    size_t at = MNL_ALIGN(p->nlh->nlmsg_len), step = MNL_ALIGN(NLA_HDRLEN + size);
    p->full |= at + step > p->room;
    if (p->full) {
        return;
    }
    uint8_t *to = (uint8_t *) p->nlh + at;
    const struct nlattr attr = { .nla_type = type, .nla_len = (uint16_t) (NLA_HDRLEN + size) };
    memset(to + step - NLA_HDRLEN, 0, NLA_HDRLEN);   /* what pads it */
    memcpy(to, &attr, sizeof attr);
    if (size) {
        memcpy(to + NLA_HDRLEN, data, size);
    }
    p->nlh->nlmsg_len = (uint32_t) (at + step);
}

void
flower_put_u8(struct flower_put *p, uint16_t type, uint8_t x)
{
    flower_put(p, type, sizeof x, &x);
}

void
flower_put_u16(struct flower_put *p, uint16_t type, uint16_t raw)
{
    flower_put(p, type, sizeof raw, &raw);
}

void
flower_put_u32(struct flower_put *p, uint16_t type, uint32_t raw)
{
    flower_put(p, type, sizeof raw, &raw);
}

void
flower_put_string(struct flower_put *p, uint16_t type, const char *text)
{
    flower_put(p, type, strlen(text) + 1, text);
}

struct nlattr *
flower_nest(struct flower_put *p, uint16_t type)
{
    struct nlattr *nest = mnl_nlmsg_get_payload_tail(p->nlh);
    flower_put(p, type, 0, NULL);
    return p->full ? NULL : nest;
}

void
flower_nest_end(struct flower_put *p, struct nlattr *nest)
{
    if (!p->full) {
        mnl_attr_nest_end(p->nlh, nest);
    }
}

/* --- the match ------------------------------------------------------------------------------------ */

static void
put_masked(struct flower_put *p, uint16_t type, uint16_t mask_type, const void *value,
           const void *mask, size_t size)
{
    static const uint8_t zeros[6];
    if (memcmp(mask, zeros, size)) {
        flower_put(p, type, size, value);
        flower_put(p, mask_type, size, mask);
    }
}

static void
put_ethernet(struct flower_put *p, const struct flow_match *m, const struct flower_shape *shape)
{
    uint16_t tci = be16_to_host(m->value.vlan_tci), mask = be16_to_host(m->mask.bits.vlan_tci);
    uint16_t protocol = flower_shape_protocol(shape);
    put_masked(p, TCA_FLOWER_KEY_ETH_DST, TCA_FLOWER_KEY_ETH_DST_MASK, m->value.dl_dst,
               m->mask.bits.dl_dst, 6);
    put_masked(p, TCA_FLOWER_KEY_ETH_SRC, TCA_FLOWER_KEY_ETH_SRC_MASK, m->value.dl_src,
               m->mask.bits.dl_src, 6);
    if (protocol != ETH_P_ALL) {
        flower_put_u16(p, TCA_FLOWER_KEY_ETH_TYPE, be16_from_host(protocol).raw);
    } else if (shape->tag == FLOWER_TAG_NONE) {
        flower_put_u8(p, TCA_FLOWER_KEY_NUM_OF_VLANS, 0);
    }
    if (shape->tag != FLOWER_TAG_SOME) {
        return;
    }
    if (shape->has_vid) {
        flower_put_u16(p, TCA_FLOWER_KEY_VLAN_ID, shape->vid);
    }
    if (mask & FLOW_VLAN_PCP_MASK) {
        flower_put_u8(p, TCA_FLOWER_KEY_VLAN_PRIO, (uint8_t) (tci >> FLOW_VLAN_PCP_SHIFT));
    }
    if (shape->has_type) {
        flower_put_u16(p, TCA_FLOWER_KEY_VLAN_ETH_TYPE, m->value.dl_type.raw);
    }
}

static void
put_ports(struct flower_put *p, const struct flow_match *m, const struct flower_shape *shape)
{
    static const uint16_t tcp[] = { TCA_FLOWER_KEY_TCP_SRC, TCA_FLOWER_KEY_TCP_SRC_MASK,
                                    TCA_FLOWER_KEY_TCP_DST, TCA_FLOWER_KEY_TCP_DST_MASK };
    static const uint16_t udp[] = { TCA_FLOWER_KEY_UDP_SRC, TCA_FLOWER_KEY_UDP_SRC_MASK,
                                    TCA_FLOWER_KEY_UDP_DST, TCA_FLOWER_KEY_UDP_DST_MASK };
    const struct flow_key *value = &m->value, *mask = &m->mask.bits;
    if (shape->proto == IPPROTO_ICMP) {
        const uint8_t *v = (const uint8_t *) &value->tp_src + 1, *k = (const uint8_t *) &mask->tp_src + 1;
        put_masked(p, TCA_FLOWER_KEY_ICMPV4_TYPE, TCA_FLOWER_KEY_ICMPV4_TYPE_MASK, v, k, 1);
        v = (const uint8_t *) &value->tp_dst + 1;
        k = (const uint8_t *) &mask->tp_dst + 1;
        put_masked(p, TCA_FLOWER_KEY_ICMPV4_CODE, TCA_FLOWER_KEY_ICMPV4_CODE_MASK, v, k, 1);
        return;
    }
    const uint16_t *types = shape->proto == IPPROTO_TCP ? tcp : udp;
    put_masked(p, types[0], types[1], &value->tp_src, &mask->tp_src, 2);
    put_masked(p, types[2], types[3], &value->tp_dst, &mask->tp_dst, 2);
}

static void
put_ipv4(struct flower_put *p, const struct flow_match *m, const struct flower_shape *shape)
{
    const struct flow_key *value = &m->value, *mask = &m->mask.bits;
    uint8_t tos_mask = mask->nw_tos & 0xfc;
    if (shape->has_proto) {
        flower_put_u8(p, TCA_FLOWER_KEY_IP_PROTO, shape->proto);
    }
    put_masked(p, TCA_FLOWER_KEY_IP_TOS, TCA_FLOWER_KEY_IP_TOS_MASK, &value->nw_tos, &tos_mask, 1);
    put_masked(p, TCA_FLOWER_KEY_IPV4_SRC, TCA_FLOWER_KEY_IPV4_SRC_MASK, &value->nw_src.ip4,
               &mask->nw_src.ip4, 4);
    put_masked(p, TCA_FLOWER_KEY_IPV4_DST, TCA_FLOWER_KEY_IPV4_DST_MASK, &value->nw_dst.ip4,
               &mask->nw_dst.ip4, 4);
    if (shape->looks_at_ports) {
        put_ports(p, m, shape);
    }
}

static void
put_arp(struct flower_put *p, const struct flow_match *m)
{
    const struct flow_key *value = &m->value, *mask = &m->mask.bits;
    put_masked(p, TCA_FLOWER_KEY_ARP_SIP, TCA_FLOWER_KEY_ARP_SIP_MASK, &value->nw_src.ip4,
               &mask->nw_src.ip4, 4);
    put_masked(p, TCA_FLOWER_KEY_ARP_TIP, TCA_FLOWER_KEY_ARP_TIP_MASK, &value->nw_dst.ip4,
               &mask->nw_dst.ip4, 4);
    put_masked(p, TCA_FLOWER_KEY_ARP_OP, TCA_FLOWER_KEY_ARP_OP_MASK, &value->nw_proto,
               &mask->nw_proto, 1);
}

static void
put_fragments(struct flower_put *p, const struct flow_match *m, const struct flower_shape *shape)
{
    uint32_t value = 0, mask = 0;
    if (shape->whole_datagrams) {
        mask = TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT;
    } else if (shape->fragments) {
        mask = value = TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT;
        if (m->mask.bits.nw_frag & FLOW_FRAG_LATER) {
            mask |= TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
            value |= m->value.nw_frag & FLOW_FRAG_LATER ? 0 : TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
        }
    }
    if (mask) {
        flower_put_u32(p, TCA_FLOWER_KEY_FLAGS, be32_from_host(value).raw);
        flower_put_u32(p, TCA_FLOWER_KEY_FLAGS_MASK, be32_from_host(mask).raw);
    }
}

void
flower_put_match(struct flower_put *p, const struct flow_match *m, const struct flower_shape *shape)
{
    put_ethernet(p, m, shape);
    if (shape->has_type && shape->type == ETH_P_IP) {
        put_ipv4(p, m, shape);
    } else if (shape->has_type && shape->type == ETH_P_ARP) {
        put_arp(p, m);
    }
    put_fragments(p, m, shape);
}

/* --- ops ------------------------------------------------------------------------------------------- */

static void
put_mirred(struct flower_put *p, const struct flower_op *op)
{
    bool last = op->kind == FLOWER_OP_REDIRECT;
    struct tc_mirred parms = {
        .action = last ? TC_ACT_STOLEN : TC_ACT_PIPE,
        .eaction = last ? TCA_EGRESS_REDIR : TCA_EGRESS_MIRROR,
        .ifindex = (uint32_t) op->ifindex,
    };
    flower_put(p, TCA_MIRRED_PARMS, sizeof parms, &parms);
}

static void
put_gact(struct flower_put *p, const struct flower_op *op)
{
    struct tc_gact parms = { .action = op->kind == FLOWER_OP_DROP ? TC_ACT_SHOT
                                       : op->kind == FLOWER_OP_TRAP ? TC_ACT_TRAP : TC_ACT_OK };
    flower_put(p, TCA_GACT_PARMS, sizeof parms, &parms);
}

static void
put_vlan(struct flower_put *p, const struct flower_op *op)
{
    struct tc_vlan parms = {
        .action = TC_ACT_PIPE,
        .v_action = op->kind == FLOWER_OP_VLAN_POP ? TCA_VLAN_ACT_POP
                    : op->kind == FLOWER_OP_VLAN_PUSH ? TCA_VLAN_ACT_PUSH : TCA_VLAN_ACT_MODIFY,
    };
    flower_put(p, TCA_VLAN_PARMS, sizeof parms, &parms);
    if (op->kind != FLOWER_OP_VLAN_POP) {
        flower_put_u16(p, TCA_VLAN_PUSH_VLAN_ID, op->vid);
        flower_put_u16(p, TCA_VLAN_PUSH_VLAN_PROTOCOL, be16_from_host(op->tpid).raw);
        if (op->has_pcp) {
            flower_put_u8(p, TCA_VLAN_PUSH_VLAN_PRIORITY, op->pcp);
        }
    }
}

static void
put_pedit(struct flower_put *p, const struct flower_ops *ops, const struct flower_op *op)
{
    struct {
        struct tc_pedit_sel sel;
        struct tc_pedit_key keys[FLOWER_MAX_EDITS];
    } parms = { .sel = { .action = TC_ACT_PIPE, .nkeys = (uint8_t) op->n_edits } };
    const struct flower_edit *edits = &ops->edit[op->first_edit];
    for (unsigned i = 0; i < op->n_edits; i++) {
        parms.keys[i] = (struct tc_pedit_key) { .mask = ~edits[i].mask.raw, .val = edits[i].value.raw,
                                                .off = edits[i].offset };
    }
    flower_put(p, TCA_PEDIT_PARMS_EX, sizeof parms.sel + op->n_edits * sizeof parms.keys[0], &parms);
    struct nlattr *all = flower_nest(p, TCA_PEDIT_KEYS_EX | NLA_F_NESTED);
    for (unsigned i = 0; i < op->n_edits; i++) {
        struct nlattr *one = flower_nest(p, TCA_PEDIT_KEY_EX | NLA_F_NESTED);
        flower_put_u16(p, TCA_PEDIT_KEY_EX_HTYPE, edits[i].header);
        flower_put_u16(p, TCA_PEDIT_KEY_EX_CMD, edits[i].add ? TCA_PEDIT_KEY_EX_CMD_ADD
                                                             : TCA_PEDIT_KEY_EX_CMD_SET);
        flower_nest_end(p, one);
    }
    flower_nest_end(p, all);
}

static void
put_csum(struct flower_put *p, const struct flower_op *op)
{
    struct tc_csum parms = { .action = TC_ACT_PIPE, .update_flags = op->flags };
    flower_put(p, TCA_CSUM_PARMS, sizeof parms, &parms);
}

static void
put_skbedit(struct flower_put *p, const struct flower_op *op)
{
    struct tc_skbedit parms = { .action = TC_ACT_PIPE };
    flower_put(p, TCA_SKBEDIT_PARMS, sizeof parms, &parms);
    flower_put_u32(p, TCA_SKBEDIT_PRIORITY, op->priority);
}

static const char *
kind_of(const struct flower_op *op)
{
    switch ((enum flower_op_kind) op->kind) {
    case FLOWER_OP_MIRROR: case FLOWER_OP_REDIRECT: return "mirred";
    case FLOWER_OP_DROP: case FLOWER_OP_PASS: case FLOWER_OP_TRAP: return "gact";
    case FLOWER_OP_VLAN_POP: case FLOWER_OP_VLAN_PUSH: case FLOWER_OP_VLAN_MODIFY: return "vlan";
    case FLOWER_OP_PEDIT: return "pedit";
    case FLOWER_OP_CSUM: return "csum";
    case FLOWER_OP_SKBEDIT: return "skbedit";
    case FLOWER_OP_OTHER: break;
    }
    return op->name;
}

static void
put_parms(struct flower_put *p, const struct flower_ops *ops, const struct flower_op *op)
{
    switch ((enum flower_op_kind) op->kind) {
    case FLOWER_OP_MIRROR: case FLOWER_OP_REDIRECT: put_mirred(p, op); break;
    case FLOWER_OP_DROP: case FLOWER_OP_PASS: case FLOWER_OP_TRAP: put_gact(p, op); break;
    case FLOWER_OP_VLAN_POP: case FLOWER_OP_VLAN_PUSH: case FLOWER_OP_VLAN_MODIFY:
        put_vlan(p, op);
        break;
    case FLOWER_OP_PEDIT: put_pedit(p, ops, op); break;
    case FLOWER_OP_CSUM: put_csum(p, op); break;
    case FLOWER_OP_SKBEDIT: put_skbedit(p, op); break;
    case FLOWER_OP_OTHER: break;
    }
}

void
flower_put_ops(struct flower_put *p, const struct flower_ops *ops, const uint8_t *cookie)
{
    struct nlattr *acts = flower_nest(p, TCA_FLOWER_ACT);
    for (unsigned i = 0; i < ops->n_ops; i++) {
        struct nlattr *act = flower_nest(p, (uint16_t) (i + 1));
        flower_put_string(p, TCA_ACT_KIND, kind_of(&ops->op[i]));
        struct nlattr *parms = flower_nest(p, TCA_ACT_OPTIONS | NLA_F_NESTED);
        put_parms(p, ops, &ops->op[i]);
        flower_nest_end(p, parms);
        if (cookie && !i) {
            flower_put(p, TCA_ACT_COOKIE, FLOWER_COOKIE_SIZE, cookie);
        }
        flower_nest_end(p, act);
    }
    flower_nest_end(p, acts);
}
