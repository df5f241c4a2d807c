/* SPDX-License-Identifier: Apache-2.0 */
/* Finding rules by their matches: for flow table operations, not for packets. */
#include "sw-datapath/classifier_private.h"

static struct rule *
chain_next(const struct rule *rule)
{
    return atomic_load_explicit(&rule->next, memory_order_relaxed);
}

/* The chain of rules in 'st' whose value is the match's, as far as its mask goes. */
static struct rule *
find_chain(const struct classifier *cls, const struct subtable *st, const struct flow_key *value)
{
    struct flow_key masked;
    flow_key_mask(value, &st->mask, &masked);
    return rule_table_find(&st->table, classifier_hash(cls, &masked), &masked, &st->lanes);
}

static struct rule *
find_exact_chain(const struct classifier *cls, const struct flow_key *value)
{
    return rule_table_find(&cls->exact, classifier_hash(cls, value), value, &exact_lanes);
}

struct rule *
classifier_find(const struct classifier *cls, const struct flow_match *match, uint32_t rank)
{
    bool exact = rank == RULE_RANK_EXACT && match_is_exact(match);
    const struct subtable *st = subtable_find(cls, &match->mask, exact);
    if (!st) {
        return NULL;
    }
    struct rule *rule = exact ? find_exact_chain(cls, &match->value)
                              : find_chain(cls, st, &match->value);
    while (rule && !(rule->rank == rank && rule->subtable == st->id)) {
        rule = chain_next(rule);
    }
    return rule;
}

/* --- rules that a match covers -------------------------------------------------- */

struct covered_walk {
    const struct classifier *cls;
    const struct flow_match *match;
    bool (*visit)(struct rule *, void *aux);
    void *aux;
};

static bool
visit_if_covered(struct rule *rule, void *walk_)
{
    const struct covered_walk *walk = walk_;
    struct flow_match match;
    classifier_rule_match(walk->cls, rule, &match);
    return !flow_match_covers(walk->match, &match) || walk->visit(rule, walk->aux);
}

static bool
visit_chain(struct rule *rule, struct covered_walk *walk)
{
    while (rule) {
        struct rule *next = chain_next(rule);
        if (!visit_if_covered(rule, walk)) {
            return false;
        }
        rule = next;
    }
    return true;
}

static bool
mask_includes(const struct flow_mask *mask, const struct flow_mask *part)
{
    uint64_t missing = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        missing |= part->bits.lane[i] & ~mask->bits.lane[i];
    }
    return missing == 0;
}

static bool
walk_subtable(struct subtable *st, struct covered_walk *walk)
{
    if (!mask_includes(&st->mask, &walk->match->mask)) {
        return true;
    }
    if (flow_key_equal(&st->mask.bits, &walk->match->mask.bits)) {
        return visit_chain(find_chain(walk->cls, st, &walk->match->value), walk);
    }
    return rule_table_for_each(&st->table, visit_if_covered, walk);
}

static bool
walk_exact(struct covered_walk *walk)
{
    if (match_is_exact(walk->match)) {
        return visit_chain(find_exact_chain(walk->cls, &walk->match->value), walk);
    }
    return rule_table_for_each(&walk->cls->exact, visit_if_covered, walk);
}

void
classifier_for_each_covered(struct classifier *cls, const struct flow_match *match,
                            bool (*visit)(struct rule *, void *aux), void *aux)
{
    struct covered_walk walk = { cls, match, visit, aux };
    cls->walks++;
    bool more = walk_exact(&walk);
    struct subtable *st;
    for (unsigned cursor = 0; more && (st = classifier_index_next(cls, match, &cursor)); ) {
        st->refs++;      /* it must outlive the removal of its last rule */
        more = walk_subtable(st, &walk);
        subtable_put(cls, st);
    }
    cls->walks--;
    classifier_index_tidy(cls);
    if (!cls->walks && !cls->exact.n_rules) {
        rule_table_trim(&cls->exact);
    }
}

static size_t
chain_len(const struct rule *rule)
{
    size_t n = 0;
    for (; rule; rule = chain_next(rule)) {
        n++;
    }
    return n;
}

size_t
classifier_count_candidates(const struct classifier *cls, const struct flow_match *match)
{
    size_t n = match_is_exact(match) ? chain_len(find_exact_chain(cls, &match->value))
                                     : cls->exact.n_rules;
    const struct subtable *st;
    for (unsigned cursor = 0; (st = classifier_index_next(cls, match, &cursor)); ) {
        if (mask_includes(&st->mask, &match->mask)) {
            n += flow_key_equal(&st->mask.bits, &match->mask.bits)
                 ? chain_len(find_chain(cls, st, &match->value)) : st->refs;
        }
    }
    return n;
}

/* --- rules that a match overlaps ------------------------------------------------ */

struct overlap_walk {
    const struct classifier *cls;
    const struct flow_match *match;
    uint32_t rank;
    struct rule *found;
};

/* Goes on until one is found. */
static bool
visit_if_no_overlap(struct rule *rule, void *walk_)
{
    struct overlap_walk *walk = walk_;
    if (rule->rank == walk->rank) {
        struct flow_match match;
        classifier_rule_match(walk->cls, rule, &match);
        if (flow_match_overlaps(walk->match, &match)) {
            walk->found = rule;
        }
    }
    return !walk->found;
}

static void
overlap_in_subtable(const struct subtable *st, struct overlap_walk *walk)
{
    if (!st->band[walk->rank >> RANK_BAND_SHIFT]) {
        return;
    }
    if (!mask_includes(&walk->match->mask, &st->mask)) {
        rule_table_for_each(&st->table, visit_if_no_overlap, walk);
        return;
    }
    struct rule *rule = find_chain(walk->cls, st, &walk->match->value);
    while (rule && visit_if_no_overlap(rule, walk)) {
        rule = chain_next(rule);
    }
}

static void
overlap_in_exact(struct overlap_walk *walk)
{
    if (!match_is_exact(walk->match)) {
        rule_table_for_each(&walk->cls->exact, visit_if_no_overlap, walk);
        return;
    }
    struct rule *rule = find_exact_chain(walk->cls, &walk->match->value);
    while (rule && visit_if_no_overlap(rule, walk)) {
        rule = chain_next(rule);
    }
}

struct rule *
classifier_find_overlap(const struct classifier *cls, const struct flow_match *match,
                        uint32_t rank)
{
    struct overlap_walk walk = { cls, match, rank, NULL };
    if (rank == RULE_RANK_EXACT) {
        overlap_in_exact(&walk);
    }
    const struct subtable *st;
    for (unsigned cursor = 0; !walk.found && (st = classifier_index_next(cls, match, &cursor)); ) {
        overlap_in_subtable(st, &walk);
    }
    return walk.found;
}

/* --- all of them -------------------------------------------------------------------- */

struct overlaps {
    const struct classifier *cls;
    const struct flow_match *match;
    uint32_t low, high;
    size_t left;                     /* rules that may be looked at */
    bool (*visit)(struct rule *, void *aux);
    void *aux;
};

static bool
visit_if_overlaps(struct rule *rule, void *overlaps)
{
    const struct overlaps *o = overlaps;
    struct flow_match match;
    if (rule->rank < o->low || rule->rank > o->high) {
        return true;
    }
    classifier_rule_match(o->cls, rule, &match);
    return !flow_match_overlaps(o->match, &match) || o->visit(rule, o->aux);
}

static bool
take_from_budget(struct overlaps *o, size_t n)
{
    bool enough = n <= o->left;
    o->left -= enough ? n : 0;
    return enough;
}

/* The rules with one value, which are all that may overlap. */
static bool
overlaps_in_chain(struct rule *rule, struct overlaps *o)
{
    for (; rule; rule = chain_next(rule)) {
        if (!take_from_budget(o, 1) || !visit_if_overlaps(rule, o)) {
            return false;
        }
    }
    return true;
}

static bool
overlaps_in_subtable(const struct subtable *st, struct overlaps *o)
{
    if (st->rank_bound <= o->low) {
        return true;
    }
    if (mask_includes(&o->match->mask, &st->mask)) {
        return overlaps_in_chain(find_chain(o->cls, st, &o->match->value), o);
    }
    return take_from_budget(o, st->table.n_rules)
           && rule_table_for_each(&st->table, visit_if_overlaps, o);
}

static bool
overlaps_in_exact(struct overlaps *o)
{
    if (o->high < RULE_RANK_EXACT || !o->cls->exact.n_rules) {
        return true;
    }
    if (mask_includes(&o->match->mask, &exact_mask)) {
        return overlaps_in_chain(find_exact_chain(o->cls, &o->match->value), o);
    }
    return take_from_budget(o, o->cls->exact.n_rules)
           && rule_table_for_each(&o->cls->exact, visit_if_overlaps, o);
}

bool
classifier_for_each_overlap(const struct classifier *cls, const struct flow_match *match,
                            uint32_t low, uint32_t high, size_t budget,
                            bool (*visit)(struct rule *, void *aux), void *aux)
{
    struct overlaps o = { cls, match, low, high, budget, visit, aux };
    bool more = overlaps_in_exact(&o);
    const struct subtable *st;
    for (unsigned cursor = 0; more && (st = classifier_index_next(cls, match, &cursor)); ) {
        more = overlaps_in_subtable(st, &o);
    }
    return more;
}
