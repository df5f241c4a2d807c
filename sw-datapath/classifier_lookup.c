/* SPDX-License-Identifier: Apache-2.0 */
/* The readers' side of the classifier. */
#include "sw-datapath/classifier_private.h"

#include "sw-datapath/packet.h"

bool
classifier_has_exact(const struct classifier *cls)
{
    return atomic_load_explicit(&cls->n_exact, memory_order_acquire) != 0;
}

struct rule *
classifier_lookup_exact(const struct classifier *cls, const struct flow_key *key)
{
    struct rule *rule;
    classifier_lookup_exact_batch(cls, &key, 1, &rule);
    return rule;
}

static void
lookup_exact_chunk(const struct classifier *cls, const struct flow_key *keys[], unsigned n,
                   struct rule *rules[])
{
    uint64_t words[PACKET_BATCH_MAX][FLOW_LANES];
    uint64_t hashes[PACKET_BATCH_MAX];
    for (unsigned i = 0; i < n; i++) {
        exact_words(keys[i], words[i]);
        hashes[i] = lane_hash_words(&cls->hash, words[i], EXACT_N_LANES, 0);
        __builtin_prefetch(rule_table_home(&cls->exact, hashes[i]));
    }
    for (unsigned i = 0; i < n; i++) {
        rules[i] = rule_table_find(&cls->exact, hashes[i], words[i], EXACT_N_LANES);
    }
}

void
classifier_lookup_exact_batch(const struct classifier *cls, const struct flow_key *keys[],
                              unsigned n, struct rule *rules[])
{
    for (unsigned i = 0; i < n; i += PACKET_BATCH_MAX) {
        unsigned left = n - i < PACKET_BATCH_MAX ? n - i : PACKET_BATCH_MAX;
        lookup_exact_chunk(cls, keys + i, left, rules + i);
    }
}

/* --- rules with wildcards --------------------------------------------------------
 *
 * A batch goes through rounds. In each round every packet probes one subtable, the one
 * of highest rank among its candidates; what ranks no higher than the best match so far
 * is dropped, and packets without candidates leave. Within a round, memory is on its
 * way to all packets at a time. */

struct lookup {
    const struct classifier *cls;
    const struct flow_key **keys;
    struct rule **best;
    unsigned n_active;
    uint8_t active[PACKET_BATCH_MAX];
    uint64_t candidates[PACKET_BATCH_MAX];
    const struct subtable *subtable[PACKET_BATCH_MAX];
    uint64_t hash[PACKET_BATCH_MAX];
    uint64_t words[PACKET_BATCH_MAX][FLOW_LANES];
};

/* Word w of the candidates of all n packets: a summary at a time, so that what it is
 * about stays in registers. */
static void
find_candidates(struct lookup *l, const struct index *index, unsigned n, unsigned w)
{
    uint64_t present = atomic_load_explicit(&index->present[w], memory_order_acquire);
    unsigned n_words = index->n_words;
    for (unsigned i = 0; i < n; i++) {
        l->candidates[i] = present;
    }
    for (unsigned j = 0; j < index->n_summaries; j++) {
        struct index_summary s = index->summary[j];
        uint64_t wild = atomic_load_explicit(&s.wild[w], memory_order_relaxed);
        for (unsigned i = 0; i < n; i++) {
            l->candidates[i] &= wild | atomic_load_explicit(&index_row(&s, n_words, l->keys[i])[w],
                                                            memory_order_relaxed);
        }
    }
}

/* Takes the candidate of highest rank, and drops those that can't be better than the
 * packet's best. Returns its bit, -1 if there is none. */
static int
take_candidate(struct lookup *l, unsigned i, unsigned w)
{
    const _Atomic uint32_t *bounds = &l->cls->rank_bound[w * 64];
    uint32_t floor = l->best[i] ? l->best[i]->rank + 1 : 0;
    uint32_t top = floor;
    uint64_t keep = 0, taken = 0;
    for (uint64_t left = l->candidates[i]; left; left &= left - 1) {
        uint32_t bound = atomic_load_explicit(&bounds[__builtin_ctzll(left)], memory_order_acquire);
        uint64_t bit = left & -left;
        keep |= bound > floor ? bit : 0;
        taken = bound > top ? bit : taken;
        top = bound > top ? bound : top;
    }
    l->candidates[i] = keep & ~taken;
    return taken ? __builtin_ctzll(taken) : -1;
}

/* Chooses each active packet's subtable, and hashes and prefetches. */
static void
choose_subtables(struct lookup *l, unsigned w)
{
    unsigned n = 0;
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        int bit = take_candidate(l, i, w);
        if (bit < 0) {
            continue;
        }
        const struct subtable *st = subtable_at(l->cls, w * 64 + (unsigned) bit);
        subtable_words(st, l->keys[i], l->words[i]);
        l->hash[i] = lane_hash_words(&l->cls->hash, l->words[i], st->n_lanes, 0);
        l->subtable[i] = st;
        __builtin_prefetch(rule_table_home(&st->table, l->hash[i]));
        l->active[n++] = (uint8_t) i;
    }
    l->n_active = n;
}

static void
probe_subtables(struct lookup *l)
{
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        __builtin_prefetch(rule_table_peek(&l->subtable[i]->table, l->hash[i]));
    }
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        const struct subtable *st = l->subtable[i];
        struct rule *rule = rule_table_find(&st->table, l->hash[i], l->words[i], st->n_lanes);
        if (rule && (!l->best[i] || rule->rank > l->best[i]->rank)) {
            l->best[i] = rule;
        }
    }
}

static void
lookup_chunk(const struct classifier *cls, const struct flow_key *keys[], unsigned n,
             struct rule *rules[])
{
    struct lookup l;
    l.cls = cls;
    l.keys = keys;
    l.best = rules;
    const struct index *index = index_current(&cls->index);
    for (unsigned i = 0; i < n; i++) {
        rules[i] = NULL;
    }
    for (unsigned w = 0; w < index->n_words; w++) {
        find_candidates(&l, index, n, w);
        for (unsigned i = 0; i < n; i++) {
            l.active[i] = (uint8_t) i;
        }
        l.n_active = n;
        for (choose_subtables(&l, w); l.n_active; choose_subtables(&l, w)) {
            probe_subtables(&l);
        }
    }
}

void
classifier_lookup_wildcard_batch(const struct classifier *cls, const struct flow_key *keys[],
                                 unsigned n, struct rule *rules[])
{
    for (unsigned i = 0; i < n; i += PACKET_BATCH_MAX) {
        unsigned left = n - i < PACKET_BATCH_MAX ? n - i : PACKET_BATCH_MAX;
        lookup_chunk(cls, keys + i, left, rules + i);
    }
}

void
classifier_lookup_batch(const struct classifier *cls, const struct flow_key *keys[], unsigned n,
                        struct rule *rules[])
{
    classifier_lookup_wildcard_batch(cls, keys, n, rules);
    if (!classifier_has_exact(cls)) {
        return;
    }
    for (unsigned i = 0; i < n; i += PACKET_BATCH_MAX) {
        struct rule *exact[PACKET_BATCH_MAX];
        unsigned left = n - i < PACKET_BATCH_MAX ? n - i : PACKET_BATCH_MAX;
        lookup_exact_chunk(cls, keys + i, left, exact);
        for (unsigned j = 0; j < left; j++) {
            rules[i + j] = exact[j] ? exact[j] : rules[i + j];
        }
    }
}

struct rule *
classifier_lookup(const struct classifier *cls, const struct flow_key *key)
{
    struct rule *rule;
    classifier_lookup_batch(cls, &key, 1, &rule);
    return rule;
}
