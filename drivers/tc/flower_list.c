/* SPDX-License-Identifier: Apache-2.0 */
/* From ops back to a list of actions, and to what was counted. */
#include <linux/if_ether.h>
#include <linux/tc_act/tc_pedit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drivers/tc/flower_private.h"
#include "turnout/port.h"

struct listing {
    const struct flower_ports *ports;
    uint16_t in_port;
    struct action_list *list;
    char *more;
    bool ended;                  /* nothing goes on from here */
    struct action beyond;        /* for what the list has no room for */
};

static void __attribute__((format(printf, 2, 3)))
say_more(struct listing *l, const char *format, ...)
{
    size_t len = strlen(l->more);
    va_list args;
    len += (size_t) snprintf(l->more + len, FLOWER_WORDS_SIZE - len, "%s", len ? ", " : "");
    if (len < FLOWER_WORDS_SIZE) {
        va_start(args, format);
        vsnprintf(l->more + len, FLOWER_WORDS_SIZE - len, format, args);
        va_end(args);
    }
}

static struct action *
append(struct listing *l, enum action_type type)
{
    struct action *a = l->list->len < FLOWER_MAX_ACTIONS ? &l->list->actions[l->list->len++] : NULL;
    if (!a) {
        say_more(l, "...");
        return &l->beyond;
    }
    *a = (struct action) { .type = (uint8_t) type };
    return a;
}

static void
list_output(struct listing *l, const struct flower_op *op)
{
    uint16_t port = l->ports ? l->ports->port(l->ports->aux, op->ifindex) : 0;
    l->ended |= op->kind == FLOWER_OP_REDIRECT;
    if (!port || op->ingress) {
        say_more(l, "output to %sdevice %d", op->ingress ? "the ingress of " : "", op->ifindex);
    } else {
        append(l, ACTION_OUTPUT)->output.port = port == l->in_port ? PORT_IN_PORT : port;
    }
}

/* A push without a priority gives it 0. */
static void
list_vlan(struct listing *l, const struct flower_op *op)
{
    bool push = op->kind == FLOWER_OP_VLAN_PUSH, has_pcp = push ? op->pcp : op->has_pcp;
    if (op->tpid != ETH_P_8021Q) {
        say_more(l, "vlan protocol 0x%04x", op->tpid);
        return;
    }
    if (!push || op->vid || !has_pcp) {
        append(l, ACTION_SET_VLAN_VID)->vlan_vid.vid = op->vid & 0xfff;
    }
    if (has_pcp) {
        append(l, ACTION_SET_VLAN_PCP)->vlan_pcp.pcp = op->pcp;
    }
}

/* --- pedit --------------------------------------------------------------------------------------- */

enum { HEADER_SIZE = 20 };

struct bytes {
    uint8_t value[HEADER_SIZE], mask[HEADER_SIZE];
};

/* True if those bytes, under 'wanted', are written, which they then no longer are. */
static bool
take(struct bytes *b, unsigned offset, unsigned size, uint8_t wanted)
{
    bool all = true;
    for (unsigned i = offset; i < offset + size; i++) {
        all &= b->mask[i] == wanted;
    }
    if (all) {
        memset(b->mask + offset, 0, size);
    }
    return all;
}

static void
list_ethernet(struct listing *l, struct bytes *b)
{
    if (take(b, 6, 6, 0xff)) {
        memcpy(append(l, ACTION_SET_DL_SRC)->dl.addr, b->value + 6, 6);
    }
    if (take(b, 0, 6, 0xff)) {
        memcpy(append(l, ACTION_SET_DL_DST)->dl.addr, b->value, 6);
    }
}

static void
list_ipv4(struct listing *l, struct bytes *b)
{
    struct be32 addr;
    if (take(b, 12, 4, 0xff)) {
        memcpy(&addr, b->value + 12, sizeof addr);
        append(l, ACTION_SET_NW_SRC)->nw.addr = addr;
    }
    if (take(b, 16, 4, 0xff)) {
        memcpy(&addr, b->value + 16, sizeof addr);
        append(l, ACTION_SET_NW_DST)->nw.addr = addr;
    }
    if (take(b, 1, 1, 0xfc)) {
        append(l, ACTION_SET_NW_TOS)->nw_tos.tos = b->value[1] & 0xfc;
    }
}

static void
list_transport(struct listing *l, struct bytes *b)
{
    struct be16 port;
    if (take(b, 0, 2, 0xff)) {
        memcpy(&port, b->value, sizeof port);
        append(l, ACTION_SET_TP_SRC)->tp.port = port;
    }
    if (take(b, 2, 2, 0xff)) {
        memcpy(&port, b->value + 2, sizeof port);
        append(l, ACTION_SET_TP_DST)->tp.port = port;
    }
}

static const char *
header_name(uint8_t header)
{
    static const char *const names[] = { "network", "eth", "ip", "ip6", "tcp", "udp" };
    return header < sizeof names / sizeof names[0] ? names[header] : "?";
}

/* The bytes of one header that a pedit writes. What is no plain write of ours is told. */
static bool
gather(struct listing *l, const struct flower_ops *ops, const struct flower_op *op, uint8_t header,
       struct bytes *b)
{
    bool any = false;
    memset(b, 0, sizeof *b);
    for (unsigned i = op->first_edit; i < op->first_edit + op->n_edits; i++) {
        const struct flower_edit *e = &ops->edit[i];
        if (e->header != header) {
            continue;
        }
        any = true;
        if (e->add || e->offset + 4 > HEADER_SIZE || e->offset % 4) {
            say_more(l, "pedit %s+%u %s", header_name(header), e->offset, e->add ? "add" : "set");
            continue;
        }
        for (unsigned j = 0; j < 4; j++) {
            uint8_t mask = ((const uint8_t *) &e->mask)[j], value = ((const uint8_t *) &e->value)[j];
            b->mask[e->offset + j] |= mask;
            b->value[e->offset + j] = (uint8_t) ((b->value[e->offset + j] & ~mask) | (value & mask));
        }
    }
    return any;
}

static void
list_pedit(struct listing *l, const struct flower_ops *ops, const struct flower_op *op)
{
    static void (*const by_header[])(struct listing *, struct bytes *) = {
        [TCA_PEDIT_KEY_EX_HDR_TYPE_ETH] = list_ethernet,
        [TCA_PEDIT_KEY_EX_HDR_TYPE_IP4] = list_ipv4,
        [TCA_PEDIT_KEY_EX_HDR_TYPE_TCP] = list_transport,
        [TCA_PEDIT_KEY_EX_HDR_TYPE_UDP] = list_transport,
    };
    for (unsigned header = 0; header <= UINT8_MAX; header++) {
        struct bytes b;
        if (!gather(l, ops, op, (uint8_t) header, &b)) {
            continue;
        }
        if (header <= TCA_PEDIT_KEY_EX_HDR_TYPE_UDP && by_header[header]) {
            by_header[header](l, &b);
        }
        for (unsigned i = 0; i < HEADER_SIZE; i++) {
            if (b.mask[i]) {
                say_more(l, "pedit %s+%u", header_name((uint8_t) header), i);
                break;
            }
        }
    }
}

/* --- all ops ---------------------------------------------------------------------------------------- */

static void
list_op(struct listing *l, const struct flower_ops *ops, const struct flower_op *op)
{
    switch ((enum flower_op_kind) op->kind) {
    case FLOWER_OP_MIRROR: case FLOWER_OP_REDIRECT: list_output(l, op); break;
    case FLOWER_OP_DROP: l->ended = true; break;
    case FLOWER_OP_PASS: say_more(l, "pass"); l->ended = true; break;
    case FLOWER_OP_TRAP: say_more(l, "trap"); l->ended = true; break;
    case FLOWER_OP_VLAN_POP: append(l, ACTION_STRIP_VLAN); break;
    case FLOWER_OP_VLAN_PUSH: case FLOWER_OP_VLAN_MODIFY: list_vlan(l, op); break;
    case FLOWER_OP_PEDIT: list_pedit(l, ops, op); break;
    case FLOWER_OP_CSUM: break;      /* what rewrites of ours mean anyway */
    case FLOWER_OP_SKBEDIT: say_more(l, "priority 0x%x", op->priority); break;
    case FLOWER_OP_OTHER: say_more(l, "%s", op->name); break;
    }
}

bool
flower_actions(const struct flower_ops *ops, uint16_t in_port, const struct flower_ports *ports,
               struct action_list *list, char *more)
{
    struct listing l = { .ports = ports, .in_port = in_port, .list = list, .more = more };
    *more = '\0';
    list->len = list->zero = 0;
    for (unsigned i = 0; i < ops->n_ops && !l.ended; i++) {
        list_op(&l, ops, &ops->op[i]);
    }
    if (!l.ended) {
        say_more(&l, "goes on");
    }
    return !*more;
}

void
flower_counters(const struct flower_stats *s, bool tagged, bool hw_has_header,
                struct hal_counters *hardware, struct hal_counters *software)
{
    const uint64_t header = tagged ? ETH_HLEN + 4 : ETH_HLEN;
    uint64_t hw_packets = s->hw_packets < s->packets ? s->hw_packets : s->packets;
    uint64_t hw_bytes = s->hw_bytes < s->bytes ? s->hw_bytes : s->bytes;
    *hardware = (struct hal_counters) { hw_packets, hw_bytes };
    *software = (struct hal_counters) { s->packets - hw_packets, s->bytes - hw_bytes };
    software->bytes += software->packets * header;
    if (!hw_has_header) {
        hardware->bytes += hardware->packets * header;
    }
}
