/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/wire/samples.h"

uint32_t
sample_u32(struct sample_rng *rng)
{
    /* splitmix64 */
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) ((z ^ z >> 31) >> 16);
}

uint32_t
sample_below(struct sample_rng *rng, uint32_t limit)
{
    return (uint32_t) ((uint64_t) sample_u32(rng) * limit >> 32);
}

static bool
chance(struct sample_rng *rng, uint32_t in_ten)
{
    return sample_below(rng, 10) < in_ten;
}

static void
sample_bytes(struct sample_rng *rng, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t) sample_u32(rng);
    }
}

static uint16_t
sample_physical(struct sample_rng *rng)
{
    return (uint16_t) (1 + sample_below(rng, chance(rng, 8) ? 48 : PORT_MAX - 1));
}

static void
sample_vlan(struct sample_rng *rng, bool exact, struct flow_key *value, struct flow_key *mask)
{
    uint16_t vid = (uint16_t) sample_below(rng, 4096), pcp = (uint16_t) sample_below(rng, 8);
    uint16_t v = 0, m = 0;
    switch (exact ? sample_below(rng, 2) : sample_below(rng, 5)) {
    case 0:
        m = 0xffff;
        break;
    case 1:
        v = (uint16_t) (FLOW_VLAN_PRESENT | pcp << FLOW_VLAN_PCP_SHIFT | vid);
        m = 0xffff;
        break;
    case 2:
        v = (uint16_t) (FLOW_VLAN_PRESENT | vid);
        m = 0x1fff;
        break;
    case 3:
        v = (uint16_t) (FLOW_VLAN_PRESENT | pcp << FLOW_VLAN_PCP_SHIFT);
        m = 0xf000;
        break;
    default:
        break;
    }
    value->vlan_tci = be16_from_host(v);
    mask->vlan_tci = be16_from_host(m);
}

static void
sample_link(struct sample_rng *rng, bool exact, struct flow_key *value, struct flow_key *mask)
{
    if (exact || chance(rng, 5)) {
        value->in_port = sample_physical(rng);
        mask->in_port = 0xffff;
    }
    if (exact || chance(rng, 5)) {
        sample_bytes(rng, value->dl_src, 6);
        memset(mask->dl_src, 0xff, 6);
    }
    if (exact || chance(rng, 5)) {
        sample_bytes(rng, value->dl_dst, 6);
        memset(mask->dl_dst, 0xff, 6);
    }
    sample_vlan(rng, exact, value, mask);
}

static void
sample_prefix(struct sample_rng *rng, bool exact, union flow_addr *value, union flow_addr *mask)
{
    uint32_t len = exact ? 32 : sample_below(rng, 33);
    uint32_t bits = len ? UINT32_MAX << (32 - len) : 0;
    value->ip4 = be32_from_host(sample_u32(rng) & bits);
    mask->ip4 = be32_from_host(bits);
}

static void
sample_transport(struct sample_rng *rng, bool exact, struct flow_key *value, struct flow_key *mask)
{
    /* ICMP has its type and code there, of 8 bits. */
    uint32_t limit = value->nw_proto == 1 ? 0x100 : 0x10000;
    if (exact || chance(rng, 6)) {
        value->tp_src = be16_from_host((uint16_t) sample_below(rng, limit));
        mask->tp_src = be16_from_host(0xffff);
    }
    if (exact || chance(rng, 6)) {
        value->tp_dst = be16_from_host((uint16_t) sample_below(rng, limit));
        mask->tp_dst = be16_from_host(0xffff);
    }
}

static void
sample_network(struct sample_rng *rng, bool exact, uint16_t dl_type, struct flow_key *value,
               struct flow_key *mask)
{
    static const uint8_t protocols[] = { 1, 6, 17, 6, 17, 47, 132 };
    sample_prefix(rng, exact, &value->nw_src, &mask->nw_src);
    sample_prefix(rng, exact, &value->nw_dst, &mask->nw_dst);
    if (dl_type == 0x0800 && (exact || chance(rng, 5))) {
        value->nw_tos = (uint8_t) (sample_u32(rng) & 0xfc);
        mask->nw_tos = 0xfc;
    }
    if (exact || chance(rng, 8)) {
        value->nw_proto = dl_type == 0x0800 ? protocols[sample_below(rng, sizeof protocols)]
                                            : (uint8_t) (1 + sample_below(rng, 2));
        mask->nw_proto = 0xff;
        if (dl_type == 0x0800 && value->nw_proto <= 17) {
            sample_transport(rng, exact, value, mask);
        }
    }
}

/* False if some field that could count is wild. */
static bool
all_matched(const struct ofp_match *match)
{
    const struct flow_key *m = &match->match.mask.bits;
    return m->in_port && m->dl_src[0] && m->dl_dst[0] && m->dl_type.raw && m->vlan_tci.raw
           && m->nw_tos && m->nw_proto && m->nw_src.ip4.raw == UINT32_MAX
           && m->nw_dst.ip4.raw == UINT32_MAX && m->tp_src.raw && m->tp_dst.raw
           && m->vlan_tci.raw == 0xffff && match->match.value.vlan_tci.raw;
}

void
sample_match(struct sample_rng *rng, struct ofp_match *out)
{
    static const uint16_t types[] = { 0x0800, 0x0800, 0x0800, 0x0806, 0x86dd, 0x05ff, 0x88cc };
    struct flow_key *value = &out->match.value, *mask = &out->match.mask.bits;
    memset(out, 0, sizeof *out);
    bool exact = chance(rng, 2);
    sample_link(rng, exact, value, mask);
    if (exact || chance(rng, 8)) {
        uint16_t dl_type = types[sample_below(rng, sizeof types / sizeof types[0])];
        value->dl_type = be16_from_host(dl_type);
        mask->dl_type = be16_from_host(0xffff);
        if (dl_type == 0x0800 || dl_type == 0x0806) {
            sample_network(rng, exact, dl_type, value, mask);
        }
    }
    out->exact = exact || all_matched(out);
}

static uint16_t
sample_output(struct sample_rng *rng, bool packet_out)
{
    static const uint16_t reserved[] = {
        PORT_IN_PORT, PORT_NORMAL, PORT_FLOOD, PORT_ALL, PORT_CONTROLLER, PORT_LOCAL, PORT_TABLE,
    };
    if (chance(rng, 5)) {
        return sample_physical(rng);
    }
    return reserved[sample_below(rng, packet_out ? 7 : 6)];
}

/* Not with reason action and id 0: that is an output. */
static void
sample_controller(struct sample_rng *rng, struct action *out)
{
    out->controller.max_len = chance(rng, 2) ? 0xffff : (uint16_t) sample_u32(rng);
    out->controller.reason = (uint8_t) sample_below(rng, 6);
    out->controller.id = (uint16_t) (out->controller.reason == 1 ? 1 + sample_below(rng, 1000)
                                                                 : sample_below(rng, 2));
}

static void
sample_action(struct sample_rng *rng, bool packet_out, enum action_type type, struct action *out)
{
    memset(out, 0, sizeof *out);
    out->type = (uint8_t) type;
    switch (type) {
    case ACTION_OUTPUT:
        out->output.port = sample_output(rng, packet_out);
        out->output.max_len = out->output.port == PORT_CONTROLLER ? (uint16_t) sample_u32(rng) : 0;
        break;
    case ACTION_ENQUEUE:
        out->enqueue.port = chance(rng, 2) ? PORT_IN_PORT : sample_physical(rng);
        out->enqueue.queue_hi = chance(rng, 2) ? (uint16_t) sample_u32(rng) : 0;
        out->enqueue.queue_lo = (uint16_t) sample_u32(rng);
        break;
    case ACTION_SET_VLAN_VID: out->vlan_vid.vid = (uint16_t) sample_below(rng, 4096); break;
    case ACTION_SET_VLAN_PCP: out->vlan_pcp.pcp = (uint8_t) sample_below(rng, 8); break;
    case ACTION_SET_DL_SRC:
    case ACTION_SET_DL_DST: sample_bytes(rng, out->dl.addr, 6); break;
    case ACTION_SET_NW_SRC:
    case ACTION_SET_NW_DST: out->nw.addr = be32_from_host(sample_u32(rng)); break;
    case ACTION_SET_NW_TOS: out->nw_tos.tos = (uint8_t) (sample_u32(rng) & 0xfc); break;
    case ACTION_SET_TP_SRC:
    case ACTION_SET_TP_DST: out->tp.port = be16_from_host((uint16_t) sample_u32(rng)); break;
    case ACTION_CONTROLLER: sample_controller(rng, out); break;
    case ACTION_DEC_TTL:
        out->n_ids = (uint8_t) sample_below(rng, ACTION_DEC_TTL_IDS + 1);
        for (unsigned i = 0; i < out->n_ids; i++) {
            out->dec_ttl.ids[i] = (uint16_t) sample_u32(rng);
        }
        break;
    case ACTION_SET_QUEUE:
        out->queue.hi = chance(rng, 2) ? (uint16_t) sample_u32(rng) : 0;
        out->queue.lo = (uint16_t) sample_u32(rng);
        break;
    case ACTION_POP_QUEUE:
    case ACTION_STRIP_VLAN:
    case N_ACTION_TYPES: break;
    }
}

void
sample_actions(struct sample_rng *rng, bool packet_out, struct action *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        sample_action(rng, packet_out, (enum action_type) sample_below(rng, N_ACTION_TYPES),
                      &out[i]);
    }
}

void
sample_flow_mod(struct sample_rng *rng, struct ofp_flow_mod *out)
{
    sample_match(rng, &out->match);
    out->cookie = (uint64_t) sample_u32(rng) << 32 | sample_u32(rng);
    out->command = (uint16_t) sample_below(rng, 5);
    out->priority = (uint16_t) sample_u32(rng);
    out->idle_timeout = (uint16_t) sample_below(rng, 100);
    out->hard_timeout = (uint16_t) sample_below(rng, 100);
    out->flags = (uint16_t) sample_below(rng, 4);
    bool deletes = out->command >= OFPFC_DELETE;
    out->out_port = deletes && chance(rng, 5) ? sample_physical(rng) : PORT_NONE;
    out->buffer_id = !deletes && chance(rng, 3) ? sample_u32(rng) : OFP_NO_BUFFER;
    out->n_actions = deletes ? 0 : sample_below(rng, 8);
    sample_actions(rng, false, out->actions, out->n_actions);
}

void
sample_flow_stats(struct sample_rng *rng, struct ofp_flow_stats *out, struct action *actions)
{
    memset(out, 0, sizeof *out);
    sample_match(rng, &out->match);
    out->cookie = (uint64_t) sample_u32(rng) << 32 | sample_u32(rng);
    out->packets = sample_u32(rng);
    out->bytes = out->packets * 64;
    out->duration_s = sample_below(rng, 100000);
    out->duration_ns = sample_below(rng, 1000000000);
    out->priority = (uint16_t) sample_u32(rng);
    out->idle_timeout = (uint16_t) sample_below(rng, 100);
    out->hard_timeout = (uint16_t) sample_below(rng, 100);
    out->n_actions = sample_below(rng, 6);
    out->actions = actions;
    sample_actions(rng, false, actions, out->n_actions);
}

void
sample_port(struct sample_rng *rng, struct port_info *out)
{
    *out = (struct port_info) {
        .port_no = sample_physical(rng),
        .config = sample_below(rng, 1 << 7),
        .state = sample_below(rng, 2) | sample_below(rng, 4) << PORT_STATE_STP_SHIFT,
        .current = sample_below(rng, 1 << 12),
        .advertised = sample_below(rng, 1 << 12),
        .supported = sample_below(rng, 1 << 12),
        .peer = sample_below(rng, 1 << 12),
    };
    sample_bytes(rng, out->hw_addr, sizeof out->hw_addr);
    snprintf(out->name, sizeof out->name, "port%u", out->port_no);
}
