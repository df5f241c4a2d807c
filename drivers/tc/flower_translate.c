/* SPDX-License-Identifier: Apache-2.0 */
/* From a list of actions to ops: see flower.h for how. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tc_act/tc_pedit.h>
#include <netinet/in.h>
#include <string.h>

#include "drivers/tc/flower_private.h"
#include "turnout/port.h"

enum {
    VLAN_WAITING_MAX = 4,
    IP4_TOS = 1, IP4_SRC = 12, IP4_DST = 16,     /* bytes into the header */
    DSCP_BITS = 0xfc,
    VID_MAX = 4094,                              /* that act_vlan takes */
};

/* Bytes of a header that wait to be rewritten. */
struct rewrite {
    uint8_t value[20], mask[20];
};

struct translation {
    const struct flower_ports *ports;
    const struct flower_options *options;
    struct flower_shape *shape;
    struct flower_ops *out;
    struct hal_verdict *verdict;
    uint16_t in_port;
    unsigned n_ops;                  /* also beyond what there is room for */

    /* The packet as it is by now. */
    enum flower_tag tag;
    bool has_vid, has_pcp, layers_unknown;
    uint16_t vid;
    uint8_t pcp;
    bool has_queue;
    uint32_t queue, priority;

    /* What waits for an output. */
    struct flower_op vlan[VLAN_WAITING_MAX];
    unsigned n_vlan;
    struct rewrite eth, ip, transport;
    uint32_t csum;
};

static int
refuse(struct translation *t, enum hal_reason reason, const struct action *a, const char *words)
{
    return flower_refuse(t->verdict, reason, HAL_OBJECT_NONE, a->type, "%s", words);
}

static int
refuse_field(struct translation *t, enum field_id field, const struct action *a, const char *words)
{
    return flower_refuse(t->verdict, HAL_REASON_FIELD_REQUIRED, field, a->type, "%s", words);
}

static struct flower_op *
append(struct translation *t, enum flower_op_kind kind)
{
    struct flower_op *op = t->n_ops < FLOWER_MAX_OPS ? &t->out->op[t->n_ops] : NULL;
    t->n_ops++;
    if (!op) {
        return NULL;
    }
    *op = (struct flower_op) { .kind = (uint8_t) kind };
    t->out->n_ops = (uint16_t) t->n_ops;
    return op;
}

/* --- VLAN ------------------------------------------------------------------------------------- */

static struct flower_op *
wait_vlan(struct translation *t, enum flower_op_kind kind)
{
    if (t->n_vlan == VLAN_WAITING_MAX) {
        flower_refuse(t->verdict, HAL_REASON_TOO_MANY_ACTIONS, HAL_OBJECT_NONE, HAL_OBJECT_NONE,
                      "tags are put on and taken off too often");
        return NULL;
    }
    struct flower_op *op = &t->vlan[t->n_vlan++];
    *op = (struct flower_op) { .kind = (uint8_t) kind, .tpid = kind == FLOWER_OP_VLAN_POP ? 0 : ETH_P_8021Q };
    return op;
}

/* The op that the tag's next change goes into: a push or a modify. */
static struct flower_op *
tag_op(struct translation *t, const struct action *a)
{
    struct flower_op *last = t->n_vlan ? &t->vlan[t->n_vlan - 1] : NULL;
    if (t->tag == FLOWER_TAG_ANY) {
        refuse_field(t, FIELD_VLAN, a, "a tag is pushed or modified: the match must say which");
        return NULL;
    }
    if (last && last->kind != FLOWER_OP_VLAN_POP) {
        return last;
    }
    if (t->tag == FLOWER_TAG_SOME) {
        last = wait_vlan(t, FLOWER_OP_VLAN_MODIFY);
        if (last) {
            last->vid = t->vid;
            last->has_pcp = t->has_pcp;
            last->pcp = t->pcp;
        }
        return last;
    }
    last = wait_vlan(t, FLOWER_OP_VLAN_PUSH);
    if (last) {
        last->has_pcp = true;
        t->tag = FLOWER_TAG_SOME;
        t->has_vid = t->has_pcp = true;
        t->vid = t->pcp = 0;
    }
    return last;
}

static int
set_vid(struct translation *t, const struct action *a)
{
    if (a->vlan_vid.vid > VID_MAX) {
        return refuse(t, HAL_REASON_ACTION_UNSUPPORTED, a, "the kernel takes VLANs up to 4094");
    }
    /* The kernel's software leaves the priority alone then; a NIC is told that it is 0. */
    if (t->tag == FLOWER_TAG_SOME && !t->has_pcp && t->options->flags & TCA_CLS_FLAGS_SKIP_SW) {
        return refuse_field(t, FIELD_VLAN, a, "a VLAN is set together with a priority that is known");
    }
    struct flower_op *op = tag_op(t, a);
    if (!op) {
        return -EOPNOTSUPP;
    }
    op->vid = t->vid = a->vlan_vid.vid;
    t->has_vid = true;
    return 0;
}

/* A modify says the VID in any case. */
static int
set_pcp(struct translation *t, const struct action *a)
{
    if (t->tag == FLOWER_TAG_SOME && t->has_vid && t->vid > VID_MAX) {
        return refuse(t, HAL_REASON_ACTION_UNSUPPORTED, a, "the kernel takes VLANs up to 4094");
    }
    if (t->tag == FLOWER_TAG_SOME && !t->has_vid) {
        return refuse_field(t, FIELD_VLAN, a, "a priority is set together with a VLAN that is known");
    }
    struct flower_op *op = tag_op(t, a);
    if (!op) {
        return -EOPNOTSUPP;
    }
    op->has_pcp = t->has_pcp = true;
    op->pcp = t->pcp = a->vlan_pcp.pcp;
    return 0;
}

static int
strip(struct translation *t, const struct action *a)
{
    struct flower_op *last = t->n_vlan ? &t->vlan[t->n_vlan - 1] : NULL;
    if (t->tag == FLOWER_TAG_NONE) {
        return 0;
    }
    if (t->tag == FLOWER_TAG_ANY) {
        return refuse_field(t, FIELD_VLAN, a, "the match must say that there is a tag");
    }
    t->has_vid = t->has_pcp = false;
    t->vid = t->pcp = 0;
    if (last && last->kind == FLOWER_OP_VLAN_PUSH) {
        t->n_vlan--;
        t->tag = FLOWER_TAG_NONE;
        return 0;
    }
    if (last && last->kind == FLOWER_OP_VLAN_MODIFY) {
        t->n_vlan--;
    }
    if (!wait_vlan(t, FLOWER_OP_VLAN_POP)) {
        return -EOPNOTSUPP;
    }
    /* Behind two tags there is one, and who knows what behind that. */
    bool inner_tag = t->shape->has_type && t->shape->type == ETH_P_8021Q && !t->layers_unknown;
    t->tag = inner_tag ? FLOWER_TAG_SOME : t->shape->has_type && !t->layers_unknown
                                         ? FLOWER_TAG_NONE : FLOWER_TAG_ANY;
    t->layers_unknown |= inner_tag || !t->shape->has_type;
    return 0;
}

/* --- headers -------------------------------------------------------------------------------------- */

static void
rewrite(struct rewrite *r, unsigned offset, const void *value, size_t size)
{
    memcpy(r->value + offset, value, size);
    memset(r->mask + offset, 0xff, size);
}

/* 1: the packets have an IPv4 header; 0: they have none, and the action does nothing. */
static int
has_ip(struct translation *t, const struct action *a)
{
    if (!t->shape->has_type || t->layers_unknown) {
        return refuse_field(t, FIELD_DL_TYPE, a, "the match must say that there is an IPv4 header");
    }
    return t->shape->type == ETH_P_IP;
}

static bool
has_transport_sum(const struct flower_shape *shape)
{
    return !shape->has_proto || shape->proto == IPPROTO_TCP || shape->proto == IPPROTO_UDP;
}

static uint32_t
transport_sum(const struct flower_shape *shape)
{
    uint32_t tcp = TCA_CSUM_UPDATE_FLAG_TCP, udp = TCA_CSUM_UPDATE_FLAG_UDP;
    return !shape->has_proto ? tcp | udp : shape->proto == IPPROTO_TCP ? tcp
                                         : shape->proto == IPPROTO_UDP ? udp : 0;
}

/* The checksum of TCP and UDP is over the addresses too. */
static int
set_address(struct translation *t, const struct action *a, unsigned offset)
{
    int result = has_ip(t, a);
    if (result <= 0) {
        return result;
    }
    if (has_transport_sum(t->shape)
        && flower_shape_no_fragments(t->shape, t->options, HAL_OBJECT_NONE, a->type, t->verdict)) {
        return -EOPNOTSUPP;
    }
    rewrite(&t->ip, offset, &a->nw.addr, sizeof a->nw.addr);
    t->csum |= TCA_CSUM_UPDATE_FLAG_IPV4HDR | transport_sum(t->shape);
    return 0;
}

/* The two bits of congestion notification stay. */
static int
set_tos(struct translation *t, const struct action *a)
{
    int result = has_ip(t, a);
    if (result > 0) {
        t->ip.value[IP4_TOS] = a->nw_tos.tos & DSCP_BITS;
        t->ip.mask[IP4_TOS] = DSCP_BITS;
        t->csum |= TCA_CSUM_UPDATE_FLAG_IPV4HDR;
    }
    return result < 0 ? result : 0;
}

static int
set_port(struct translation *t, const struct action *a, unsigned offset)
{
    int result = has_ip(t, a);
    if (result <= 0) {
        return result;
    }
    if (!t->shape->has_proto) {
        return refuse_field(t, FIELD_NW_PROTO, a, "the match must say that there are ports");
    }
    if (!transport_sum(t->shape)) {
        return 0;
    }
    if (flower_shape_no_fragments(t->shape, t->options, HAL_OBJECT_NONE, a->type, t->verdict)) {
        return -EOPNOTSUPP;
    }
    rewrite(&t->transport, offset, &a->tp.port, sizeof a->tp.port);
    t->csum |= transport_sum(t->shape);
    return 0;
}

/* --- what an output sets off ------------------------------------------------------------------------ */

/* The words of a header that have bits to write. */
static void
put_edits(struct translation *t, struct flower_op *op, enum pedit_header_type header,
          struct rewrite *r)
{
    for (unsigned at = 0; at < sizeof r->mask; at += 4) {
        struct flower_edit edit = { .header = (uint8_t) header, .offset = (uint16_t) at };
        memcpy(&edit.mask, r->mask + at, 4);
        memcpy(&edit.value, r->value + at, 4);
        if (edit.mask.raw && t->out->n_edits < FLOWER_MAX_EDITS) {
            t->out->edit[t->out->n_edits++] = edit;
            op->n_edits++;
        }
    }
    memset(r, 0, sizeof *r);
}

static bool
has_edits(const struct rewrite *r)
{
    uint8_t any = 0;
    for (unsigned i = 0; i < sizeof r->mask; i++) {
        any |= r->mask[i];
    }
    return any;
}

static void
flush(struct translation *t)
{
    for (unsigned i = 0; i < t->n_vlan; i++) {
        struct flower_op *op = append(t, t->vlan[i].kind);
        if (op) {
            *op = t->vlan[i];
        }
    }
    t->n_vlan = 0;
    if (has_edits(&t->eth) || has_edits(&t->ip) || has_edits(&t->transport)) {
        struct flower_op *op = append(t, FLOWER_OP_PEDIT);
        if (op) {
            bool tcp = t->shape->proto == IPPROTO_TCP;
            op->first_edit = t->out->n_edits;
            put_edits(t, op, TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, &t->eth);
            put_edits(t, op, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, &t->ip);
            put_edits(t, op, tcp ? TCA_PEDIT_KEY_EX_HDR_TYPE_TCP : TCA_PEDIT_KEY_EX_HDR_TYPE_UDP,
                      &t->transport);
        }
    }
    if (t->csum) {
        struct flower_op *op = append(t, FLOWER_OP_CSUM);
        if (op) {
            op->flags = t->csum;
        }
        t->csum = 0;
    }
}

/* The packet's priority, which chooses the class of a qdisc: that of the queue, or none. */
static int
use_queue(struct translation *t, const struct action *a, uint16_t port)
{
    uint32_t priority = 0;
    if (t->has_queue && (!t->ports || !t->ports->queue
                         || !t->ports->queue(t->ports->aux, port, t->queue, &priority))) {
        refuse(t, HAL_REASON_OUTPUT_QUEUE, a, "there is no such queue to send through");
        t->verdict->port = port;
        return -EOPNOTSUPP;
    }
    if (priority != t->priority) {
        struct flower_op *op = append(t, FLOWER_OP_SKBEDIT);
        if (op) {
            op->priority = priority;
        }
        t->priority = priority;
    }
    return 0;
}

static int
output(struct translation *t, const struct action *a, uint16_t port)
{
    uint16_t to = port == PORT_IN_PORT ? t->in_port : port;
    int ifindex = 1;
    if (port == t->in_port) {
        return 0;
    }
    if (to >= PORT_MAX || !to) {
        refuse(t, HAL_REASON_OUTPUT_SPECIAL, a, port == PORT_IN_PORT ? "a shared block has many ports"
                                                                     : "it is software's");
        t->verdict->port = port;
        return -EOPNOTSUPP;
    }
    if (t->ports) {
        ifindex = t->ports->ifindex(t->ports->aux, to);
    }
    if (ifindex <= 0) {
        refuse(t, HAL_REASON_DEVICE_GONE, a, "the port has no network device");
        t->verdict->port = to;
        return -EOPNOTSUPP;
    }
    flush(t);
    if (use_queue(t, a, to)) {
        return -EOPNOTSUPP;
    }
    struct flower_op *op = append(t, FLOWER_OP_MIRROR);
    if (op) {
        op->ifindex = ifindex;
    }
    return 0;
}

static int
enqueue(struct translation *t, const struct action *a)
{
    bool had_queue = t->has_queue;
    uint32_t queue = t->queue;
    t->has_queue = true;
    t->queue = (uint32_t) a->enqueue.queue_hi << 16 | a->enqueue.queue_lo;
    int result = output(t, a, a->enqueue.port);
    t->has_queue = had_queue;
    t->queue = queue;
    return result;
}

/* --- the list ----------------------------------------------------------------------------------------- */

static int
translate(struct translation *t, const struct action *a)
{
    switch ((enum action_type) a->type) {
    case ACTION_OUTPUT: return output(t, a, a->output.port);
    case ACTION_ENQUEUE: return enqueue(t, a);
    case ACTION_CONTROLLER: return refuse(t, HAL_REASON_OUTPUT_SPECIAL, a, "it is software's");
    case ACTION_SET_QUEUE:
        t->has_queue = true;
        t->queue = (uint32_t) a->queue.hi << 16 | a->queue.lo;
        return 0;
    case ACTION_POP_QUEUE:
        t->has_queue = false;
        return 0;
    case ACTION_SET_VLAN_VID: return set_vid(t, a);
    case ACTION_SET_VLAN_PCP: return set_pcp(t, a);
    case ACTION_STRIP_VLAN: return strip(t, a);
    case ACTION_SET_DL_SRC: rewrite(&t->eth, 6, a->dl.addr, sizeof a->dl.addr); return 0;
    case ACTION_SET_DL_DST: rewrite(&t->eth, 0, a->dl.addr, sizeof a->dl.addr); return 0;
    case ACTION_SET_NW_SRC: return set_address(t, a, IP4_SRC);
    case ACTION_SET_NW_DST: return set_address(t, a, IP4_DST);
    case ACTION_SET_NW_TOS: return set_tos(t, a);
    case ACTION_SET_TP_SRC: return set_port(t, a, 0);
    case ACTION_SET_TP_DST: return set_port(t, a, 2);
    case ACTION_DEC_TTL:
        return refuse(t, HAL_REASON_PER_PACKET, a, "tc can't look at what is left of each packet's");
    case N_ACTION_TYPES: break;
    }
    return refuse(t, HAL_REASON_ACTION_UNSUPPORTED, a, "tc has no such action");
}

/* Rewrites behind the last output are for nobody: they need not be possible. */
static uint32_t
up_to_last_output(const struct action_list *list)
{
    uint32_t len = list->len;
    while (len && (list->actions[len - 1].type > ACTION_CONTROLLER)
           && list->actions[len - 1].type != ACTION_DEC_TTL) {
        len--;
    }
    return len;
}

int
flower_translate(const struct action_list *list, uint16_t in_port, const struct flower_ports *ports,
                 const struct flower_options *options, struct flower_shape *shape,
                 struct flower_ops *out, struct hal_verdict *verdict)
{
    struct translation t = {
        .ports = ports, .options = options, .shape = shape, .out = out, .verdict = verdict,
        .in_port = in_port, .tag = shape->tag, .has_vid = shape->has_vid, .vid = shape->vid,
        .has_pcp = shape->has_pcp, .pcp = shape->pcp,
    };
    unsigned max = options->max_ops && options->max_ops < FLOWER_MAX_OPS ? options->max_ops
                                                                         : FLOWER_MAX_OPS;
    uint32_t len = up_to_last_output(list);
    out->n_ops = out->n_edits = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (translate(&t, &list->actions[i])) {
            return -EOPNOTSUPP;
        }
    }
    if (t.n_ops > max) {
        return flower_refuse(verdict, HAL_REASON_TOO_MANY_ACTIONS, HAL_OBJECT_NONE, HAL_OBJECT_NONE,
                             "they are %u of tc's, of at most %u", t.n_ops, max);
    }
    if (!t.n_ops) {
        append(&t, FLOWER_OP_DROP);
    } else {
        out->op[out->n_ops - 1].kind = FLOWER_OP_REDIRECT;
    }
    return 0;
}
