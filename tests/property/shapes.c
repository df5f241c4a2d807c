/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/shapes.h"

#include <string.h>

enum {
    W_IN_PORT = 1 << 0, W_VLAN = 1 << 1, W_DL_SRC = 1 << 2, W_DL_DST = 1 << 3, W_DL_TYPE = 1 << 4,
    W_PROTO = 1 << 5, W_TP_SRC = 1 << 6, W_TP_DST = 1 << 7, W_PCP = 1 << 20, W_TOS = 1 << 21,
    W_ALL = 0x3fffff, W_ADDRS = 0xfff00,
};
enum { P_NORMAL = 0xfffa, P_FLOOD = 0xfffb, P_LOCAL = 0xfffe };

static bool
any_frame(const struct ref_fields *f)
{
    (void) f;
    return true;
}

static bool
is_ip_with_ports(const struct ref_fields *f)
{
    return f->dl_type == 0x800 && (f->tp_src || f->tp_dst) && !f->is_fragment;
}

static bool
is_tagged(const struct ref_fields *f)
{
    return f->dl_vlan != 0xffff;
}

static bool
is_fragment_mostly(const struct ref_fields *f)
{
    return f->dl_type == 0x800 && (f->is_fragment || (f->tp_dst & 3) == 1);
}

/* Clears wildcard bits, each once in 'n' times. */
static uint32_t
keep_some(struct gen *g, uint32_t wildcards, uint32_t bits, uint32_t n)
{
    for (uint32_t bit = 1; bit <= W_TOS; bit <<= 1) {
        if (bits & bit && once_in(g, n)) {
            wildcards &= ~bit;
        }
    }
    return wildcards;
}

static uint32_t
l2_wildcards(struct gen *g)
{
    return keep_some(g, W_ALL, W_IN_PORT | W_DL_SRC | W_DL_DST | W_DL_TYPE, 2);
}

/* With prefixes of 'lengths' different lengths, for both addresses. */
static uint32_t
prefixes(struct gen *g, uint32_t lengths)
{
    uint32_t step = 33 / lengths;
    uint32_t src = once_in(g, 3) ? 32 : gen_below(g, lengths) * step;
    uint32_t dst = once_in(g, 3) ? 32 : gen_below(g, lengths) * step;
    return src << 8 | dst << 14;
}

static uint32_t
l3l4_wildcards(struct gen *g)
{
    uint32_t wildcards = (W_ALL & ~(W_ADDRS | W_DL_TYPE)) | prefixes(g, 4);
    wildcards = keep_some(g, wildcards, W_PROTO, 1 + gen_below(g, 2));
    wildcards = keep_some(g, wildcards, W_TP_SRC | W_TP_DST, 2);
    return keep_some(g, wildcards, W_IN_PORT | W_TOS | W_DL_SRC, 8);
}

static uint32_t
acl_wildcards(struct gen *g)
{
    uint32_t wildcards = (W_ALL & ~(W_ADDRS | W_DL_TYPE)) | prefixes(g, 33);
    wildcards = keep_some(g, wildcards, W_PROTO | W_TP_DST, 2);
    return keep_some(g, wildcards, W_IN_PORT | W_TP_SRC | W_TOS | W_VLAN | W_DL_DST, 4);
}

static uint32_t
exact_wildcards(struct gen *g)
{
    return once_in(g, 4) ? l3l4_wildcards(g) : 0;
}

static uint32_t
vlan_wildcards(struct gen *g)
{
    uint32_t wildcards = keep_some(g, W_ALL, W_VLAN | W_PCP, 2);
    return keep_some(g, wildcards, W_IN_PORT | W_DL_DST | W_DL_TYPE, 3);
}

static uint32_t
mixed_wildcards(struct gen *g)
{
    uint32_t (*const kinds[])(struct gen *) = {
        l2_wildcards, l3l4_wildcards, acl_wildcards, exact_wildcards, vlan_wildcards,
    };
    return kinds[gen_below(g, sizeof kinds / sizeof kinds[0])](g);
}

static const struct kind {
    const char *name;
    bool (*wants)(const struct ref_fields *);
    uint32_t (*wildcards)(struct gen *);
    uint8_t universe;            /* frames */
    uint8_t normal_percent;      /* of action lists: NORMAL or FLOOD alone */
    uint8_t vlan_percent;        /* of action lists: begin with a change of the tag */
} kinds[N_SHAPES] = {
    [SHAPE_MIXED] = { "mixed", any_frame, mixed_wildcards, 96, 10, 5 },
    [SHAPE_L2] = { "l2", any_frame, l2_wildcards, 48, 15, 5 },
    [SHAPE_L3L4] = { "l3l4", is_ip_with_ports, l3l4_wildcards, 64, 5, 5 },
    [SHAPE_ACL] = { "acl", is_ip_with_ports, acl_wildcards, 96, 5, 2 },
    [SHAPE_EXACT] = { "exact", any_frame, exact_wildcards, 64, 5, 5 },
    [SHAPE_NORMAL] = { "normal", any_frame, l2_wildcards, 64, 70, 10 },
    [SHAPE_VLAN] = { "vlan", is_tagged, vlan_wildcards, 48, 20, 50 },
    [SHAPE_FRAGMENTS] = { "fragments", is_fragment_mostly, l3l4_wildcards, 48, 5, 5 },
};

const char *
shape_name(enum shape_id id)
{
    return kinds[id].name;
}

enum shape_id
shape_find(const char *name)
{
    enum shape_id id = 0;
    while (id < N_SHAPES && strcmp(kinds[id].name, name)) {
        id++;
    }
    return id;
}

/* --- frames --------------------------------------------------------------------------- */

uint16_t
shape_in_port(const struct shape *shape, struct gen *g)
{
    return (uint16_t) (once_in(g, shape->plain_percent ? 80 : 16) ? P_LOCAL : 1 + gen_below(g, shape->n_ports));
}

static void
parse_item(const struct shape_item *item, struct ref_fields *fields)
{
    struct ref_frame frame = { .size = item->size };
    memcpy(frame.data, item->data, item->size);
    ref_parse(&frame, item->in_port, fields);
}

/* One in eight need not be of the kind. */
static void
draw_item(struct shape *shape, struct shape_item *item, struct gen *g)
{
    enum { TRIES = 300 };
    struct ref_fields fields;
    unsigned tries = once_in(g, 8) ? TRIES : 0;
    item->in_port = shape_in_port(shape, g);
    do {
        item->size = gen_frame(g, item->data);
        parse_item(item, &fields);
    } while (!kinds[shape->id].wants(&fields) && ++tries < TRIES);
}

void
shape_init(struct shape *shape, enum shape_id id, uint16_t n_ports, struct gen *g)
{
    shape->id = id;
    shape->n_ports = n_ports;
    shape->n = kinds[id].universe;
    for (unsigned i = 0; i < shape->n; i++) {
        draw_item(shape, &shape->item[i], g);
    }
}

/* Another frame of the same talk: the way back, from other hosts, or a byte is different. */
static void
vary(struct gen *g, uint8_t *frame, uint32_t size)
{
    uint8_t swap[6];
    switch (gen_below(g, 3)) {
    case 0:
        memcpy(swap, frame, 6);
        memcpy(frame, frame + 6, 6);
        memcpy(frame + 6, swap, 6);
        break;
    case 1:
        frame[5 + 6 * gen_below(g, 2)] = (uint8_t) gen_below(g, 6);
        break;
    case 2:
        for (uint32_t n = 1 + gen_below(g, 3); n; n--) {
            frame[12 + gen_below(g, (size < 60 ? size : 60) - 12)] ^= (uint8_t) (1 << gen_below(g, 8));
        }
        break;
    }
}

/* Short ones that are no frames, and long ones. */
static uint32_t
odd_frame(struct gen *g, uint8_t *frame)
{
    uint32_t size = gen_frame(g, frame);
    if (once_in(g, 2)) {
        return 1 + gen_below(g, 13);
    }
    memset(frame + size, 0x5a, SHAPE_MAX_SIZE - size);
    return size + gen_below(g, SHAPE_MAX_SIZE - size + 1);
}

uint32_t
shape_frame(const struct shape *shape, struct gen *g, uint8_t frame[SHAPE_MAX_SIZE],
            uint16_t *in_port)
{
    const struct shape_item *item = &shape->item[gen_below(g, shape->n)];
    uint32_t kind = gen_below(g, 100);
    if (shape->plain_percent && !once_in(g, 6)) {
        kind = 99;
    }
    *in_port = once_in(g, shape->plain_percent ? 60 : 12) ? shape_in_port(shape, g) : item->in_port;
    if (kind < 1) {
        return odd_frame(g, frame);
    }
    if (kind < 9) {
        return gen_frame(g, frame);
    }
    memcpy(frame, item->data, item->size);
    if (kind < 24) {
        vary(g, frame, item->size);
    }
    return item->size;
}

/* --- rules ---------------------------------------------------------------------------- */

void
shape_match(const struct shape *shape, struct gen *g, uint8_t match[40])
{
    struct ref_fields fields;
    if (once_in(g, 12)) {
        gen_match(g, shape->n_ports, match);
        return;
    }
    parse_item(&shape->item[gen_below(g, shape->n)], &fields);
    gen_match_of(&fields, kinds[shape->id].wildcards(g), match);
    if (once_in(g, 24)) {
        match[4 + gen_below(g, 36)] ^= (uint8_t) (1 << gen_below(g, 8));
    }
}

static size_t
put_action(uint8_t *a, uint8_t type, uint32_t value)
{
    memset(a, 0, 8);
    a[1] = type;
    a[3] = 8;
    a[4] = (uint8_t) (value >> 8);
    a[5] = (uint8_t) value;
    return 8;
}

/* Sets, changes or strips the tag. */
static size_t
change_tag(struct gen *g, uint8_t *a)
{
    static const uint16_t vids[] = { 0, 1, 5, 100, 4095 };
    switch (gen_below(g, 3)) {
    case 0:
        return put_action(a, 1, vids[gen_below(g, 5)]);
    case 1:
        return put_action(a, 2, gen_below(g, 8) << 8);
    default:
        return put_action(a, 3, 0);
    }
}

static bool
has_enqueue(const uint8_t *actions, size_t size)
{
    size_t at = 0;
    while (at < size && actions[at + 1] != 11) {
        at += actions[at + 3];
    }
    return at < size;
}

/* What devices can do: some fields are set, and it goes out by a port or two, or nowhere. */
static size_t
plain_actions(const struct shape *shape, struct gen *g, uint8_t *a)
{
    size_t size = 0;
    if (once_in(g, 12)) {
        return 0;
    }
    for (uint32_t n = once_in(g, 2) ? gen_below(g, 3) : 0; n; n--) {
        switch (gen_below(g, 4)) {
        case 0:
            size += put_action(a + size, 8, gen_below(g, 64) << 10);
            break;
        case 1:
            size += put_action(a + size, 9 + (uint8_t) gen_below(g, 2), gen_below(g, 1 << 16));
            break;
        default:
            size += change_tag(g, a + size);
            break;
        }
    }
    for (uint32_t n = once_in(g, 6) ? 2 : 1; n; n--) {
        size += put_action(a + size, 0, 1 + gen_below(g, shape->n_ports));
    }
    return size;
}

size_t
shape_actions(const struct shape *shape, struct gen *g, uint8_t actions[GEN_ACTIONS_MAX])
{
    const struct kind *kind = &kinds[shape->id];
    if (shape->plain_percent && gen_below(g, 100) < shape->plain_percent) {
        return plain_actions(shape, g, actions);
    }
    uint32_t roll = gen_below(g, 100);
    size_t size = gen_below(g, 100) < kind->vlan_percent ? change_tag(g, actions) : 0;
    if (roll < kind->normal_percent) {
        return size + put_action(actions + size, 0, once_in(g, 5) ? P_FLOOD : P_NORMAL);
    }
    if (roll < 75u + kind->normal_percent / 4u && roll > 40) {
        return size + put_action(actions + size, 0, 1 + gen_below(g, shape->n_ports));
    }
    if (roll > 96) {
        return 0;
    }
    do {
        size = gen_actions(g, shape->n_ports, actions);
    } while (has_enqueue(actions, size) && once_in(g, 2));
    return size;
}
