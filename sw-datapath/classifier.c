/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's side of the classifier. */
#include "sw-datapath/classifier_private.h"
#include "sw-datapath/classifier_race.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/epoch.h"

struct classifier *
classifier_new(unsigned n_slots)
{
    struct classifier *cls = aligned_alloc(64, (sizeof *cls + 63) / 64 * 64);
    if (!cls) {
        return NULL;
    }
    memset(cls, 0, sizeof *cls);
    cls->n_slots = n_slots;
    lane_hash_init(&cls->hash);
    change_log_init(&cls->log);
    if (profile_set_init(&cls->profiles)) {
        free(cls);
        return NULL;
    }
    if (classifier_index_init(cls)) {
        profile_set_fini(&cls->profiles);
        free(cls);
        return NULL;
    }
    return cls;
}

void
classifier_free(struct classifier *cls)
{
    if (!cls) {
        return;
    }
    assert(!cls->n_rules && !cls->n_subtables);
    rule_table_fini(&cls->exact);
    classifier_index_fini(cls);
    profile_set_fini(&cls->profiles);
    free(cls);
}

/* --- rules ---------------------------------------------------------------------- */

static unsigned
mask_n_lanes(const struct flow_mask *mask)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        n += mask->bits.lane[i] != 0;
    }
    return n;
}

size_t
classifier_rule_size(const struct classifier *cls, const struct flow_match *match)
{
    /* Without wildcards, the rank decides which of two forms the key has. */
    unsigned n_lanes = mask_n_lanes(&match->mask);
    if (match_is_exact(match) && n_lanes < exact_lanes.n) {
        n_lanes = exact_lanes.n;
    }
    return sizeof(struct rule) + n_lanes * sizeof(uint64_t)
           + cls->n_slots * sizeof(struct rule_slot);
}

static const struct key_lanes *
lanes_of(const struct subtable *st)
{
    return st->exact ? &exact_lanes : &st->lanes;
}

int
classifier_rule_init(struct classifier *cls, struct rule *rule, const struct flow_match *match,
                     uint32_t rank, const struct action_list *actions)
{
    struct subtable *st;
    bool exact = rank == RULE_RANK_EXACT && match_is_exact(match);
    int error = subtable_get(cls, &match->mask, exact, &st);
    if (error) {
        return error;
    }
    atomic_init(&rule->next, NULL);
    atomic_init(&rule->actions, actions);
    rule->rank = rank;
    rule->subtable = st->id;
    const struct key_lanes *lanes = lanes_of(st);
    rule->n_lanes = lanes->n;
    rule->n_slots = (uint8_t) cls->n_slots;
    rule->published = 0;
    for (unsigned i = 0; i < lanes->n; i++) {
        rule->words[i] = match->value.lane[lanes->index[i]];
    }
    return 0;
}

static struct subtable *
subtable_of(const struct classifier *cls, const struct rule *rule)
{
    return subtable_at(cls, rule->subtable);
}

void
classifier_rule_fini(struct classifier *cls, struct rule *rule)
{
    assert(!rule->published);
    subtable_put(cls, subtable_of(cls, rule));
}

void
rule_value(const struct rule *rule, const struct subtable *st, struct flow_key *value)
{
    const struct key_lanes *lanes = lanes_of(st);
    *value = (struct flow_key) { 0 };
    for (unsigned i = 0; i < lanes->n; i++) {
        value->lane[lanes->index[i]] = rule->words[i];
    }
}

void
classifier_rule_match(const struct classifier *cls, const struct rule *rule,
                      struct flow_match *match)
{
    const struct subtable *st = subtable_of(cls, rule);
    rule_value(rule, st, &match->value);
    match->mask = st->mask;
}

/* --- changes -------------------------------------------------------------------- */

static struct rule_table *
table_of(struct classifier *cls, struct subtable *st)
{
    return st->exact ? &cls->exact : &st->table;
}

static void
publish_wildcarded(struct classifier *cls, struct subtable *st, struct rule *rule,
                   const struct flow_match *match, uint64_t hash)
{
    classifier_index_add_rule(cls, st, &match->value, rule->rank);
    race_point();
    profile_add_rule(&cls->profiles, st->id, match);
    race_point();
    rule_table_add(&st->table, rule, hash);
    race_point();
    change_log_add(&cls->log, match);
}

/* Exact rules are not numbered: no cache entry is made from one, and readers look
 * among them first. */
static void
publish_exact(struct classifier *cls, struct rule *rule, uint64_t hash)
{
    rule_table_add(&cls->exact, rule, hash);
    atomic_store_explicit(&cls->n_exact, cls->exact.n_rules, memory_order_release);
}

int
classifier_insert(struct classifier *cls, struct rule *rule)
{
    struct subtable *st = subtable_of(cls, rule);
    struct flow_match match;
    classifier_rule_match(cls, rule, &match);
    uint64_t hash = classifier_hash(cls, &match.value);
    if (rule_table_reserve(table_of(cls, st), hash) || classifier_index_reserve(cls)
        || profile_reserve(&cls->profiles)) {
        return -ENOMEM;
    }
    rule->published = 1;
    cls->n_rules++;
    if (st->exact) {
        publish_exact(cls, rule, hash);
    } else {
        publish_wildcarded(cls, st, rule, &match, hash);
    }
    return 0;
}

void
classifier_replace(struct classifier *cls, struct rule *old, struct rule *rule)
{
    struct subtable *st = subtable_of(cls, old);
    struct flow_match match;
    assert(old->subtable == rule->subtable && old->rank == rule->rank);
    classifier_rule_match(cls, rule, &match);
    rule_table_replace(table_of(cls, st), old, rule, classifier_hash(cls, &match.value));
    rule->published = 1;
    old->published = 0;
    race_point();
    if (!st->exact) {
        change_log_add(&cls->log, &match);
    }
    subtable_put(cls, st);
}

static void
unpublish_wildcarded(struct classifier *cls, struct subtable *st, struct rule *rule,
                     const struct flow_match *match, uint64_t hash)
{
    rule_table_remove(&st->table, rule, hash);
    race_point();
    classifier_index_remove_rule(cls, st, &match->value, rule->rank);
    race_point();
    change_log_add(&cls->log, match);
    race_point();
    profile_remove_rule(&cls->profiles, st->id, match);
}

static void
unpublish_exact(struct classifier *cls, struct rule *rule, uint64_t hash)
{
    rule_table_remove(&cls->exact, rule, hash);
    atomic_store_explicit(&cls->n_exact, cls->exact.n_rules, memory_order_release);
    if (!cls->exact.n_rules && !cls->walks) {
        rule_table_trim(&cls->exact);
    }
}

void
classifier_remove(struct classifier *cls, struct rule *rule)
{
    struct subtable *st = subtable_of(cls, rule);
    struct flow_match match;
    assert(rule->published);
    classifier_rule_match(cls, rule, &match);
    uint64_t hash = classifier_hash(cls, &match.value);
    if (st->exact) {
        unpublish_exact(cls, rule, hash);
    } else {
        unpublish_wildcarded(cls, st, rule, &match, hash);
    }
    rule->published = 0;
    cls->n_rules--;
    subtable_put(cls, st);
}

size_t
classifier_count(const struct classifier *cls)
{
    return cls->n_rules;
}

size_t
classifier_n_subtables(const struct classifier *cls)
{
    return cls->n_subtables;
}

uint64_t
classifier_version(const struct classifier *cls)
{
    return atomic_load_explicit(&cls->log.version, memory_order_acquire);
}

enum classifier_change
classifier_changed(const struct classifier *cls, const struct flow_key *key,
                   const struct flow_mask *mask, uint64_t version, uint64_t *now)
{
    return change_log_check(&cls->log, key, mask, version, now);
}

const struct profile_list *
classifier_profiles(const struct classifier *cls, const struct flow_key *key)
{
    return profile_set_list(&cls->profiles, key);
}

const struct mask_profile *
classifier_profile(const struct classifier *cls, unsigned id)
{
    return id < CLASSIFIER_MAX_PROFILES
           ? atomic_load_explicit(&cls->profiles.profile[id], memory_order_acquire) : NULL;
}
