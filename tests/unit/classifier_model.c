/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/classifier_model.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/epoch.h"

uint64_t
model_random(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

unsigned
model_below(struct model *m, unsigned n)
{
    return (unsigned) (model_random(m) % n);
}

void
model_init(struct model *m, uint64_t seed, unsigned max_rules)
{
    m->random = seed * 2 + 1;
    m->n = 0;
    m->max = max_rules;
    m->cls = classifier_new(2);
    assert_non_null(m->cls);
}

void
model_fini(struct model *m)
{
    while (m->n) {
        model_remove(m, m->n - 1);
    }
    assert_int_equal(classifier_count(m->cls), 0);
    assert_int_equal(classifier_n_subtables(m->cls), 0);
    epoch_drain();
    classifier_free(m->cls);
}

/* --- random packets and matches ------------------------------------------------- */

static bool
has_ports(const struct flow_key *key)
{
    return key->dl_type.raw == htobe16(0x0800)
           && (key->nw_proto == 1 || key->nw_proto == 6 || key->nw_proto == 17);
}

static void
random_address(struct model *m, union flow_addr *addr)
{
    static const uint8_t bytes[4] = { 0, 1, 16, 255 };
    addr->bytes[0] = 10;
    for (unsigned i = 1; i < 4; i++) {
        addr->bytes[i] = bytes[model_below(m, 4)];
    }
}

static void
random_network(struct model *m, struct flow_key *key)
{
    static const uint8_t protos[] = { 6, 6, 17, 17, 1, 47 };
    bool arp = key->dl_type.raw == htobe16(0x0806);
    key->nw_proto = arp ? (uint8_t) (1 + model_below(m, 2)) : protos[model_below(m, 6)];
    random_address(m, &key->nw_src);
    random_address(m, &key->nw_dst);
    if (!arp) {
        key->nw_tos = (uint8_t) (model_below(m, 2) * 0x20);
        key->nw_frag = model_below(m, 8) ? 0 : FLOW_FRAG_ANY;
    }
    if (has_ports(key)) {
        key->tp_src.raw = htobe16((uint16_t) model_below(m, 3));
        key->tp_dst.raw = htobe16((uint16_t) (80 + model_below(m, 3)));
    }
}

void
model_key(struct model *m, struct flow_key *key)
{
    static const uint16_t types[] = { 0x0800, 0x0800, 0x0800, 0x0806, 0x88cc };
    *key = (struct flow_key) { 0 };
    key->in_port = (uint16_t) (1 + model_below(m, 4) * 300);
    key->dl_dst[5] = (uint8_t) model_below(m, 3);
    key->dl_src[5] = (uint8_t) model_below(m, 3);
    if (model_below(m, 2)) {
        unsigned pcp = model_below(m, 2) << FLOW_VLAN_PCP_SHIFT;
        key->vlan_tci.raw = htobe16((uint16_t) (FLOW_VLAN_PRESENT | pcp | model_below(m, 3)));
    }
    key->dl_type.raw = htobe16(types[model_below(m, 5)]);
    if (key->dl_type.raw != htobe16(0x88cc)) {
        random_network(m, key);
    }
}

static void
prefix_mask(union flow_addr *mask, unsigned len)
{
    mask->ip4.raw = len ? htobe32(UINT32_MAX << (32 - len)) : 0;
}

static void
network_mask(struct model *m, const struct flow_key *key, struct flow_key *mask)
{
    static const uint8_t lens[] = { 0, 0, 0, 7, 8, 12, 16, 22, 24, 31, 32, 32 };
    mask->nw_proto = model_below(m, 2) ? 0xff : 0;
    prefix_mask(&mask->nw_src, lens[model_below(m, 12)]);
    prefix_mask(&mask->nw_dst, lens[model_below(m, 12)]);
    if (key->dl_type.raw == htobe16(0x0800) && !model_below(m, 6)) {
        mask->nw_tos = 0xfc;
    }
    if (mask->nw_proto && has_ports(key)) {
        mask->tp_src.raw = model_below(m, 4) ? 0 : 0xffff;
        mask->tp_dst.raw = model_below(m, 2) ? 0 : 0xffff;
    }
}

static void
apply_mask(struct flow_match *match)
{
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        match->value.lane[i] &= match->mask.bits.lane[i];
    }
}

void
model_match(struct model *m, struct flow_match *match)
{
    static const uint16_t vlan_masks[] = { 0, 0, 0, 0x1000, 0x1fff, 0xffff };
    model_key(m, &match->value);
    match->mask = (struct flow_mask) { 0 };
    struct flow_key *mask = &match->mask.bits;
    mask->in_port = model_below(m, 2) ? 0xffff : 0;
    memset(mask->dl_dst, model_below(m, 4) ? 0 : 0xff, 6);
    memset(mask->dl_src, model_below(m, 5) ? 0 : 0xff, 6);
    mask->vlan_tci.raw = htobe16(vlan_masks[model_below(m, 6)]);
    mask->dl_type.raw = model_below(m, 5) ? 0xffff : 0;
    if (mask->dl_type.raw && match->value.dl_type.raw != htobe16(0x88cc)) {
        network_mask(m, &match->value, mask);
    }
    apply_mask(match);
}

void
model_exact_match(const struct flow_key *key, struct flow_match *match)
{
    struct flow_key *mask = &match->mask.bits;
    bool arp = key->dl_type.raw == htobe16(0x0806), ip = key->dl_type.raw == htobe16(0x0800);
    *match = (struct flow_match) { .value = *key };
    mask->in_port = 0xffff;
    memset(mask->dl_dst, 0xff, 6);
    memset(mask->dl_src, 0xff, 6);
    mask->vlan_tci.raw = key->vlan_tci.raw ? 0xffff : htobe16(FLOW_VLAN_PRESENT);
    mask->dl_type.raw = 0xffff;
    if (arp || ip) {
        mask->nw_proto = 0xff;
        prefix_mask(&mask->nw_src, 32);
        prefix_mask(&mask->nw_dst, 32);
    }
    mask->nw_tos = ip ? 0xfc : 0;
    mask->tp_src.raw = mask->tp_dst.raw = has_ports(key) ? 0xffff : 0;
    apply_mask(match);
}

void
model_key_in(struct model *m, const struct flow_match *match, struct flow_key *key)
{
    model_key(m, key);
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        key->lane[i] = (key->lane[i] & ~match->mask.bits.lane[i]) | match->value.lane[i];
    }
    /* What its type lacks is 0. */
    bool ip = key->dl_type.raw == htobe16(0x0800), arp = key->dl_type.raw == htobe16(0x0806);
    if (!(key->vlan_tci.raw & htobe16(FLOW_VLAN_PRESENT))) {
        key->vlan_tci.raw = 0;
    }
    if (!ip) {
        key->nw_tos = 0;
        key->nw_frag = 0;
    }
    if (!ip && !arp) {
        key->nw_proto = 0;
        key->nw_src = key->nw_dst = (union flow_addr) { .bytes = { 0 } };
    }
    if (!has_ports(key)) {
        key->tp_src.raw = key->tp_dst.raw = 0;
    }
}

/* --- the list ------------------------------------------------------------------- */

struct rule *
model_rule_new(struct classifier *cls, const struct flow_match *match, uint32_t rank)
{
    struct rule *rule = calloc(1, classifier_rule_size(cls, match));
    assert_non_null(rule);
    assert_int_equal(classifier_rule_init(cls, rule, match, rank, NULL), 0);
    return rule;
}

int
model_find(const struct model *m, const struct flow_match *match, uint32_t rank)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->rules[i].rank == rank && !memcmp(&m->rules[i].match, match, sizeof *match)) {
            return (int) i;
        }
    }
    return -1;
}

void
model_put(struct model *m, const struct flow_match *match, uint32_t rank)
{
    int i = model_find(m, match, rank);
    struct rule *rule = model_rule_new(m->cls, match, rank);
    if (i >= 0) {
        classifier_replace(m->cls, m->rules[i].rule, rule);
        epoch_defer(free, m->rules[i].rule);
        m->rules[i].rule = rule;
    } else {
        assert_int_equal(classifier_insert(m->cls, rule), 0);
        m->rules[m->n++] = (struct model_rule) { *match, rank, rule };
    }
}

void
model_remove(struct model *m, unsigned i)
{
    classifier_remove(m->cls, m->rules[i].rule);
    epoch_defer(free, m->rules[i].rule);
    m->rules[i] = m->rules[--m->n];
}

void
model_change(struct model *m)
{
    if (model_below(m, m->max) < m->n) {
        model_remove(m, model_below(m, m->n));
        return;
    }
    struct flow_match match;
    if (!model_below(m, 6)) {
        struct flow_key key;
        model_key(m, &key);
        key.nw_frag = 0;
        model_exact_match(&key, &match);
        model_put(m, &match, RULE_RANK_EXACT);
        return;
    }
    static const uint32_t ranks[] = { 0, 1, 2, 255, 256, 0x8000, 0xffff };
    model_match(m, &match);
    model_put(m, &match, model_below(m, 3) ? ranks[model_below(m, 7)] : model_below(m, 0x10000));
}

long
model_best_rank(const struct model *m, const struct flow_key *key, bool wildcarded)
{
    long best = -1;
    for (unsigned i = 0; i < m->n; i++) {
        const struct model_rule *r = &m->rules[i];
        if (r->rank > best && !(wildcarded && r->rank == RULE_RANK_EXACT)
            && flow_match_contains(&r->match, key)) {
            best = r->rank;
        }
    }
    return best;
}

static bool
is_right(const struct model *m, const struct flow_key *key, const struct rule *rule,
         bool wildcarded)
{
    long best = model_best_rank(m, key, wildcarded);
    if (!rule || best < 0) {
        return !rule && best < 0;
    }
    for (unsigned i = 0; i < m->n; i++) {
        if (m->rules[i].rule == rule) {
            return m->rules[i].rank == best && flow_match_contains(&m->rules[i].match, key);
        }
    }
    return false;
}

bool
model_is_right(const struct model *m, const struct flow_key *key, const struct rule *rule)
{
    return is_right(m, key, rule, false);
}

bool
model_is_right_wildcarded(const struct model *m, const struct flow_key *key,
                          const struct rule *rule)
{
    return is_right(m, key, rule, true);
}
