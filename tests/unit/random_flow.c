/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/random_flow.h"

#include <stdlib.h>
#include <string.h>

#include "lib/field.h"
#include "turnout/port.h"

uint64_t
random_seed(void)
{
    const char *seed = getenv("TEST_SEED");
    return seed ? strtoull(seed, NULL, 0) : 20260701;
}

/* splitmix64 */
static uint64_t
next(uint64_t *rng)
{
    uint64_t z = (*rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t
random_below(uint64_t *rng, uint64_t n)
{
    return next(rng) % n;
}

static bool
one_in(uint64_t *rng, unsigned n)
{
    return random_below(rng, n) == 0;
}

static void
random_prefix(uint64_t *rng, const struct field *f, uint8_t *mask)
{
    unsigned len = (unsigned) random_below(rng, f->size * 8u + 1);
    for (unsigned i = 0; i < f->size; i++) {
        unsigned bits = len > i * 8 ? len - i * 8 : 0;
        mask[i] = bits >= 8 ? 0xff : (uint8_t) (0xff00 >> bits);
    }
}

/* Random bytes under a random mask of at most 'mode'. */
static void
random_field(uint64_t *rng, enum field_id id, enum field_mask_mode mode, struct flow_match *match)
{
    const struct field *f = &fields[id];
    uint8_t *value = field_bytes_mutable(f, &match->value);
    uint8_t *mask = field_bytes_mutable(f, &match->mask.bits);
    bool partial = one_in(rng, 2);
    field_mask_exact(f, &match->mask);
    if (mode == FIELD_MASK_PREFIX && partial) {
        random_prefix(rng, f, mask);
    }
    for (unsigned i = 0; i < f->size; i++) {
        if (id == FIELD_NW_FRAG && partial) {
            /* One of the two bits, or none: both can say what no packet is. */
            mask[i] = (uint8_t) random_below(rng, 3);
        } else if (id == FIELD_NW_FRAG) {
            value[i] = (uint8_t) (random_below(rng, 2) ? 3 : random_below(rng, 2));
            break;
        } else if (mode == FIELD_MASK_ANY && partial) {
            mask[i] &= (uint8_t) (one_in(rng, 3) ? 0 : next(rng));
        }
        value[i] = (uint8_t) next(rng) & mask[i];
    }
}

static void
random_vlan_openflow10(uint64_t *rng, struct flow_match *match)
{
    static const uint16_t masks[] = { 0xffff, 0x1fff, 0xf000, 0xffff };
    size_t kind = random_below(rng, 4);
    uint16_t value = (uint16_t) (next(rng) | FLOW_VLAN_PRESENT) & masks[kind];
    match->mask.bits.vlan_tci = be16_from_host(masks[kind]);
    match->value.vlan_tci = be16_from_host(kind ? value : 0);
}

static void
set_exact(struct flow_match *match, enum field_id id, unsigned x)
{
    const struct field *f = &fields[id];
    field_mask_exact(f, &match->mask);
    uint8_t *value = field_bytes_mutable(f, &match->value);
    for (int i = f->size; i-- > 0; x >>= 8) {
        value[i] = (uint8_t) x;
    }
}

static void
random_types(uint64_t *rng, struct flow_match *match)
{
    static const uint16_t types[] = { 0x0800, 0x0800, 0x0800, 0x0806, 0x86dd, 0x8035, 0x8847,
                                      0x8848, 0x05ff, 0x88cc };
    static const uint8_t protos[] = { 1, 6, 17, 132, 47 };
    if (one_in(rng, 5)) {
        return;
    }
    unsigned type = types[random_below(rng, sizeof types / sizeof types[0])];
    set_exact(match, FIELD_DL_TYPE, type);
    if (type == 0x0800 && !one_in(rng, 3)) {
        set_exact(match, FIELD_NW_PROTO, protos[random_below(rng, sizeof protos)]);
    } else if (type == 0x0806 && one_in(rng, 2)) {
        set_exact(match, FIELD_NW_PROTO, (unsigned) random_below(rng, 256));
    }
}

void
random_match(uint64_t *rng, enum random_match_kind kind, struct flow_match *match)
{
    memset(match, 0, sizeof *match);
    random_types(rng, match);
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        enum field_mask_mode mode = kind == RANDOM_OPENFLOW10 ? f->openflow10
                                    : kind == RANDOM_FLOW ? f->flow : f->maskable;
        if (id == FIELD_DL_TYPE || id == FIELD_NW_PROTO || mode == FIELD_MASK_NONE
            || !field_prereq_met(f->prereq, match) || one_in(rng, 2)) {
            continue;
        }
        if (kind == RANDOM_FLOW && f->prereq == FIELD_PREREQ_PORTS
            && match->value.nw_frag & FLOW_FRAG_LATER) {
            continue;
        }
        bool icmp = f->prereq == FIELD_PREREQ_PORTS && match->value.nw_proto == 1;
        if (id == FIELD_VLAN && kind == RANDOM_OPENFLOW10) {
            random_vlan_openflow10(rng, match);
        } else {
            random_field(rng, (enum field_id) id, icmp ? FIELD_MASK_EXACT : mode, match);
        }
        if (icmp) {
            /* An ICMP type or code has one byte. */
            field_bytes_mutable(f, &match->value)[0] = 0;
        }
    }
    field_canonicalize(match);
}

static uint16_t
random_port(uint64_t *rng, const uint16_t *reserved, size_t n)
{
    return one_in(rng, 2) ? reserved[random_below(rng, n)]
                          : (uint16_t) (1 + random_below(rng, PORT_MAX - 1));
}

static void
random_action(uint64_t *rng, struct action *a)
{
    static const uint16_t outputs[] = { PORT_IN_PORT, PORT_TABLE, PORT_NORMAL, PORT_FLOOD,
                                        PORT_ALL, PORT_CONTROLLER, PORT_LOCAL };
    static const uint16_t queued[] = { PORT_IN_PORT, PORT_LOCAL };
    uint64_t x = next(rng);
    memset(a, 0, sizeof *a);
    a->type = (uint8_t) random_below(rng, N_ACTION_TYPES);
    switch ((enum action_type) a->type) {
    case ACTION_OUTPUT:
        a->output.port = random_port(rng, outputs, sizeof outputs / sizeof outputs[0]);
        a->output.max_len = a->output.port == PORT_CONTROLLER ? (uint16_t) x : 0;
        break;
    case ACTION_ENQUEUE:
        a->enqueue.port = random_port(rng, queued, 2);
        a->enqueue.queue_hi = (uint16_t) x;
        a->enqueue.queue_lo = (uint16_t) (x >> 16);
        break;
    case ACTION_SET_VLAN_VID:
        a->vlan_vid.vid = x & 0xfff;
        break;
    case ACTION_SET_VLAN_PCP:
        a->vlan_pcp.pcp = x & 7;
        break;
    case ACTION_SET_QUEUE:
        a->queue.hi = (uint16_t) x;
        a->queue.lo = (uint16_t) (x >> 16);
        break;
    case ACTION_POP_QUEUE:
    case ACTION_STRIP_VLAN:
    case N_ACTION_TYPES:
        break;
    case ACTION_CONTROLLER:
        a->controller.max_len = one_in(rng, 2) ? 0xffff : (uint16_t) x;
        a->controller.reason = (uint8_t) random_below(rng, 6);
        a->controller.id = a->controller.reason == 1 ? 1 + (uint16_t) random_below(rng, 9)
                                                     : (uint16_t) random_below(rng, 3);
        break;
    case ACTION_DEC_TTL:
        a->n_ids = (uint8_t) random_below(rng, ACTION_DEC_TTL_IDS + 1);
        for (unsigned i = 0; i < a->n_ids; i++) {
            a->dec_ttl.ids[i] = (uint16_t) (x >> 16 * i);
        }
        break;
    case ACTION_SET_DL_SRC:
    case ACTION_SET_DL_DST:
        memcpy(a->dl.addr, &x, sizeof a->dl.addr);
        break;
    case ACTION_SET_NW_SRC:
    case ACTION_SET_NW_DST:
        a->nw.addr = be32_from_host((uint32_t) x);
        break;
    case ACTION_SET_NW_TOS:
        a->nw_tos.tos = x & 0xfc;
        break;
    case ACTION_SET_TP_SRC:
    case ACTION_SET_TP_DST:
        a->tp.port = be16_from_host((uint16_t) x);
        break;
    }
}

size_t
random_actions(uint64_t *rng, struct action *actions, size_t max)
{
    size_t n = random_below(rng, max + 1);
    for (size_t i = 0; i < n; i++) {
        random_action(rng, &actions[i]);
    }
    return n;
}
