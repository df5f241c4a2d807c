/* SPDX-License-Identifier: Apache-2.0 */
/* The actions of a filter as ops, and what they counted. */
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_pedit.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/tc_act/tc_vlan.h>
#include <stdio.h>
#include <string.h>

#include "drivers/tc/flower_private.h"

enum { PARMS_MAX = 16, MS_A_TICK = 10 /* USER_HZ is 100 */ };

/* An action that is no op of ours. */
static void
set_other(struct flower_op *op, const char *kind, const char *what)
{
    *op = (struct flower_op) { .kind = FLOWER_OP_OTHER };
    snprintf(op->name, sizeof op->name, "%s%s%s", kind, *what ? " " : "", what);
}

/* --- one of each kind: false if it is not well-formed --------------------------------------------- */

static bool
get_mirred(const struct nlattr *attrs[], struct flower_op *op)
{
    struct tc_mirred parms;
    if (!flower_get(attrs[TCA_MIRRED_PARMS], &parms, sizeof parms)) {
        return false;
    }
    bool redirect = parms.eaction == TCA_EGRESS_REDIR || parms.eaction == TCA_INGRESS_REDIR;
    op->kind = redirect ? FLOWER_OP_REDIRECT : FLOWER_OP_MIRROR;
    op->ingress = parms.eaction == TCA_INGRESS_REDIR || parms.eaction == TCA_INGRESS_MIRROR;
    op->ifindex = (int) parms.ifindex;
    if (parms.action != (redirect ? TC_ACT_STOLEN : TC_ACT_PIPE)) {
        set_other(op, "mirred", "and more");
    }
    return true;
}

static bool
get_gact(const struct nlattr *attrs[], struct flower_op *op)
{
    struct tc_gact parms;
    if (!flower_get(attrs[TCA_GACT_PARMS], &parms, sizeof parms)) {
        return false;
    }
    bool jumps = TC_ACT_EXT_CMP(parms.action, TC_ACT_GOTO_CHAIN);
    switch (parms.action) {
    case TC_ACT_SHOT: case TC_ACT_STOLEN: case TC_ACT_QUEUED: op->kind = FLOWER_OP_DROP; break;
    case TC_ACT_OK: op->kind = FLOWER_OP_PASS; break;
    case TC_ACT_TRAP: op->kind = FLOWER_OP_TRAP; break;
    default: set_other(op, "gact", jumps ? "goto" : "control"); break;
    }
    if (attrs[TCA_GACT_PROB]) {
        set_other(op, "gact", "random");
    }
    return true;
}

static bool
get_vlan(const struct nlattr *attrs[], struct flower_op *op)
{
    struct tc_vlan parms;
    struct be16 tpid = be16_from_host(ETH_P_8021Q);
    if (!flower_get(attrs[TCA_VLAN_PARMS], &parms, sizeof parms)) {
        return false;
    }
    switch (parms.v_action) {
    case TCA_VLAN_ACT_POP: op->kind = FLOWER_OP_VLAN_POP; break;
    case TCA_VLAN_ACT_PUSH: op->kind = FLOWER_OP_VLAN_PUSH; break;
    case TCA_VLAN_ACT_MODIFY: op->kind = FLOWER_OP_VLAN_MODIFY; break;
    default: set_other(op, "vlan", ""); break;
    }
    if (parms.action != TC_ACT_PIPE) {
        set_other(op, "vlan", "control");
    }
    if (op->kind != FLOWER_OP_VLAN_PUSH && op->kind != FLOWER_OP_VLAN_MODIFY) {
        return true;
    }
    flower_get(attrs[TCA_VLAN_PUSH_VLAN_PROTOCOL], &tpid, sizeof tpid);
    op->tpid = be16_to_host(tpid);
    op->has_pcp = flower_get(attrs[TCA_VLAN_PUSH_VLAN_PRIORITY], &op->pcp, sizeof op->pcp);
    op->pcp &= 7;
    return flower_get(attrs[TCA_VLAN_PUSH_VLAN_ID], &op->vid, sizeof op->vid);
}

/* Headers and commands of the keys, in order; those of older kernels have none. */
static bool
get_pedit_headers(const struct nlattr *keys, struct flower_edit *edits, unsigned n)
{
    const struct nlattr *attrs[TCA_PEDIT_KEY_EX_MAX + 1];
    const struct nlattr *key;
    unsigned i = 0;
    mnl_attr_for_each_nested(key, keys) {
        uint16_t header, command;
        if (i == n || !flower_parse_nest(key, attrs, TCA_PEDIT_KEY_EX_MAX)
            || !flower_get(attrs[TCA_PEDIT_KEY_EX_HTYPE], &header, sizeof header)
            || !flower_get(attrs[TCA_PEDIT_KEY_EX_CMD], &command, sizeof command)
            || header > UINT8_MAX) {
            return false;
        }
        edits[i].header = (uint8_t) header;
        edits[i].add = command == TCA_PEDIT_KEY_EX_CMD_ADD;
        i++;
    }
    return i == n;
}

static bool
get_pedit(const struct nlattr *attrs[], struct flower_ops *ops, struct flower_op *op)
{
    const struct nlattr *attr = attrs[TCA_PEDIT_PARMS_EX] ? attrs[TCA_PEDIT_PARMS_EX]
                                                          : attrs[TCA_PEDIT_PARMS];
    struct tc_pedit_sel sel;
    size_t size = attr ? mnl_attr_get_payload_len(attr) : 0;
    if (size < sizeof sel) {
        return false;
    }
    const uint8_t *payload = mnl_attr_get_payload(attr);
    memcpy(&sel, payload, sizeof sel);
    if (size < sizeof sel + sel.nkeys * sizeof(struct tc_pedit_key)) {
        return false;
    }
    op->kind = FLOWER_OP_PEDIT;
    op->first_edit = ops->n_edits;
    op->n_edits = sel.nkeys;
    bool understood = sel.nkeys <= FLOWER_MAX_EDITS - ops->n_edits && sel.action == TC_ACT_PIPE;
    for (unsigned i = 0; i < sel.nkeys && understood; i++) {
        struct tc_pedit_key key;
        memcpy(&key, payload + sizeof sel + i * sizeof key, sizeof key);
        ops->edit[ops->n_edits + i] = (struct flower_edit) {
            .offset = (uint16_t) key.off, .mask = { ~key.mask }, .value = { key.val },
        };
        understood = !key.offmask && key.off <= UINT16_MAX;
    }
    if (!understood) {
        set_other(op, "pedit", "of its own");
        return true;
    }
    ops->n_edits += sel.nkeys;
    return !attrs[TCA_PEDIT_KEYS_EX]
           || get_pedit_headers(attrs[TCA_PEDIT_KEYS_EX], &ops->edit[op->first_edit], sel.nkeys);
}

static bool
get_csum(const struct nlattr *attrs[], struct flower_op *op)
{
    struct tc_csum parms;
    if (!flower_get(attrs[TCA_CSUM_PARMS], &parms, sizeof parms)) {
        return false;
    }
    op->kind = FLOWER_OP_CSUM;
    op->flags = parms.update_flags;
    if (parms.action != TC_ACT_PIPE) {
        set_other(op, "csum", "control");
    }
    return true;
}

static bool
get_skbedit(const struct nlattr *attrs[], struct flower_op *op)
{
    struct tc_skbedit parms;
    if (!flower_get(attrs[TCA_SKBEDIT_PARMS], &parms, sizeof parms)) {
        return false;
    }
    op->kind = FLOWER_OP_SKBEDIT;
    bool more = attrs[TCA_SKBEDIT_QUEUE_MAPPING] || attrs[TCA_SKBEDIT_MARK]
                || attrs[TCA_SKBEDIT_PTYPE] || attrs[TCA_SKBEDIT_FLAGS];
    if (!flower_get(attrs[TCA_SKBEDIT_PRIORITY], &op->priority, sizeof op->priority) || more
        || parms.action != TC_ACT_PIPE) {
        set_other(op, "skbedit", "");
    }
    return true;
}

static bool
get_parms(const char *kind, const struct nlattr *attrs[], struct flower_ops *ops,
          struct flower_op *op)
{
    static const struct {
        const char *kind;
        bool (*get)(const struct nlattr *attrs[], struct flower_op *);
    } kinds[] = {
        { "mirred", get_mirred }, { "gact", get_gact }, { "vlan", get_vlan }, { "csum", get_csum },
        { "skbedit", get_skbedit },
    };
    *op = (struct flower_op) { .kind = FLOWER_OP_OTHER };
    if (!strcmp(kind, "pedit")) {
        return get_pedit(attrs, ops, op);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!strcmp(kind, kinds[i].kind)) {
            return kinds[i].get(attrs, op);
        }
    }
    set_other(op, kind, "");
    return true;
}

/* --- statistics ------------------------------------------------------------------------------------ */

static bool
get_basic(const struct nlattr *attr, uint64_t *packets, uint64_t *bytes)
{
    struct gnet_stats_basic basic;
    const size_t size = offsetof(struct gnet_stats_basic, packets) + sizeof basic.packets;
    if (mnl_attr_get_payload_len(attr) < size) {
        return false;
    }
    memcpy(&basic, mnl_attr_get_payload(attr), size);
    *packets = basic.packets;
    *bytes = basic.bytes;
    return true;
}

/* TCA_STATS_PKT64 follows what it is the whole number of. */
static bool
get_counts(const struct nlattr *nest, struct flower_stats *s)
{
    const struct nlattr *attr;
    uint64_t *packets = NULL;
    *s = (struct flower_stats) { .known = false };
    mnl_attr_for_each_nested(attr, nest) {
        switch (mnl_attr_get_type(attr)) {
        case TCA_STATS_BASIC:
            s->known = get_basic(attr, &s->packets, &s->bytes);
            packets = &s->packets;
            break;
        case TCA_STATS_BASIC_HW:
            if (!get_basic(attr, &s->hw_packets, &s->hw_bytes)) {
                return false;
            }
            packets = &s->hw_packets;
            break;
        case TCA_STATS_PKT64:
            if (packets && !flower_get(attr, packets, sizeof *packets)) {
                return false;
            }
            break;
        default:
            break;
        }
    }
    return s->known;
}

/* When the action was used last. A new one says the time of its making. */
static void
get_times(const char *kind, const struct nlattr *attrs[], struct flower_stats *s)
{
    struct tcf_t times;
    unsigned type = !strcmp(kind, "csum") ? TCA_CSUM_TM : TCA_GACT_TM;
    s->used = s->packets;
    if (s->used && flower_get(attrs[type], &times, sizeof times)) {
        s->idle_ms = times.lastuse * MS_A_TICK;
    }
}

static bool
get_stats(const char *kind, const struct nlattr *nest, const struct nlattr *parms[],
          struct flower_stats *best)
{
    struct flower_stats s;
    if (!get_counts(nest, &s)) {
        return false;
    }
    get_times(kind, parms, &s);
    if (!best->known || s.packets > best->packets
        || (s.packets == best->packets && s.hw_packets > best->hw_packets)) {
        *best = s;
    }
    return true;
}

/* --- all of them --------------------------------------------------------------------------------------- */

static bool
get_action(const struct nlattr *nest, struct flower_filter *f)
{
    const struct nlattr *attrs[TCA_ACT_MAX + 1], *parms[PARMS_MAX + 1] = { NULL };
    char kind[FLOWER_KIND_SIZE];
    if (!flower_parse_nest(nest, attrs, TCA_ACT_MAX) || !attrs[TCA_ACT_KIND]) {
        return false;
    }
    flower_get_string(attrs[TCA_ACT_KIND], kind, sizeof kind);
    const struct nlattr *options = attrs[TCA_ACT_OPTIONS], *cookie = attrs[TCA_ACT_COOKIE];
    if (options && !flower_parse_nest(options, parms, PARMS_MAX)) {
        return false;
    }
    if (cookie && !f->cookie_size && mnl_attr_get_payload_len(cookie) <= sizeof f->cookie) {
        f->cookie_size = (uint8_t) mnl_attr_get_payload_len(cookie);
        memcpy(f->cookie, mnl_attr_get_payload(cookie), f->cookie_size);
    }
    if (attrs[TCA_ACT_STATS] && !get_stats(kind, attrs[TCA_ACT_STATS], parms, &f->stats)) {
        return false;
    }
    if (!options) {
        f->terse = true;
        return true;
    }
    return get_parms(kind, parms, &f->ops, &f->ops.op[f->ops.n_ops++]);
}

bool
flower_get_ops(const struct nlattr *acts, struct flower_filter *f)
{
    const struct nlattr *attrs[FLOWER_MAX_OPS + 1];
    if (!flower_parse_nest(acts, attrs, FLOWER_MAX_OPS) || attrs[0]) {
        return false;
    }
    for (unsigned i = 1; i <= FLOWER_MAX_OPS; i++) {
        if (attrs[i] && !get_action(attrs[i], f)) {
            return false;
        }
    }
    if (f->terse) {
        f->ops.n_ops = f->ops.n_edits = 0;
    }
    return true;
}
