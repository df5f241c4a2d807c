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
    struct flow_key masked[PACKET_BATCH_MAX];
    uint64_t hashes[PACKET_BATCH_MAX];
    for (unsigned i = 0; i < n; i++) {
        lanes_mask(keys[i], &exact_mask, &masked[i]);
        hashes[i] = classifier_hash(cls, &masked[i]);
        __builtin_prefetch(rule_table_home(&cls->exact, hashes[i]));
    }
    for (unsigned i = 0; i < n; i++) {
        rules[i] = rule_table_find(&cls->exact, hashes[i], &masked[i], &exact_lanes);
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
 * A batch goes through rounds. In each round every packet probes its first candidate;
 * a packet leaves when it has no more, or none that could rank above its best match.
 * Within a round, memory is on its way to all packets at a time. */

struct lookup {
    const struct classifier *cls;
    const struct index *index;
    const struct flow_key **keys;
    struct rule **best;
    unsigned n_active;
    uint8_t active[PACKET_BATCH_MAX];
    uint32_t floor[PACKET_BATCH_MAX];          /* best's rank + 1, or 0 */
    uint64_t candidates[PACKET_BATCH_MAX];
    const struct subtable *subtable[PACKET_BATCH_MAX];
    uint64_t hash[PACKET_BATCH_MAX];
    struct flow_key masked[PACKET_BATCH_MAX];
};

/* What a summary leaves over of word w. */
static inline uint64_t
summary_word(const struct index_summary *s, const struct flow_key *key, uint64_t wild,
             unsigned n_words, unsigned w)
{
    return wild | atomic_load_explicit(&s->rows[index_row(s, key) * n_words + w],
                                       memory_order_relaxed);
}

/* Word w of the candidates of all n packets: two summaries at a time, so that what they
 * are about stays in registers. */
static void
find_candidates(struct lookup *l, unsigned n, unsigned w)
{
    const struct index *index = l->index;
    uint64_t present = atomic_load_explicit(&index->present[w], memory_order_acquire);
    unsigned n_words = index->n_words;
    for (unsigned i = 0; i < n; i++) {
        l->candidates[i] = present;
    }
    for (unsigned j = 0; j < index->n_summaries; j += 2) {
        /* An odd one out is its own partner. */
        struct index_summary s = index->summary[j];
        struct index_summary t = index->summary[j + 1 < index->n_summaries ? j + 1 : j];
        uint64_t wild_s = atomic_load_explicit(&s.wild[w], memory_order_relaxed);
        uint64_t wild_t = atomic_load_explicit(&t.wild[w], memory_order_relaxed);
        for (unsigned i = 0; i < n; i++) {
            l->candidates[i] &= summary_word(&s, l->keys[i], wild_s, n_words, w)
                                & summary_word(&t, l->keys[i], wild_t, n_words, w);
        }
    }
}

/* Makes those packets active that word w, or a later one, may have something better for. */
static bool
begin_word(struct lookup *l, unsigned n, unsigned w)
{
    uint32_t bound = atomic_load_explicit(&l->index->word_bound[w], memory_order_acquire);
    l->n_active = 0;
    for (unsigned i = 0; i < n; i++) {
        l->active[l->n_active] = (uint8_t) i;
        l->n_active += bound > l->floor[i];
    }
    return l->n_active;
}

/* The position of the first candidate that could be better than the best so far, which is
 * taken; -1 if there is none. */
static int
take_candidate(struct lookup *l, unsigned i, unsigned w)
{
    const _Atomic uint32_t *bound = &l->index->bound[w * 64];
    uint64_t left = l->candidates[i];
    while (left) {
        int bit = __builtin_ctzll(left);
        left &= left - 1;
        if (atomic_load_explicit(&bound[bit], memory_order_acquire) > l->floor[i]) {
            l->candidates[i] = left;
            return (int) w * 64 + bit;
        }
    }
    return -1;
}

/* Chooses each active packet's subtable, and hashes and prefetches. */
static void
choose_subtables(struct lookup *l, unsigned w)
{
    unsigned n = 0;
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        int position = take_candidate(l, i, w);
        if (position < 0) {
            continue;
        }
        const struct subtable *st = atomic_load_explicit(&l->index->subtable[position],
                                                         memory_order_acquire);
        lanes_mask(l->keys[i], &st->mask, &l->masked[i]);
        l->hash[i] = classifier_hash(l->cls, &l->masked[i]);
        l->subtable[i] = st;
        __builtin_prefetch(rule_table_home(&st->table, l->hash[i]));
        l->active[n++] = (uint8_t) i;
    }
    l->n_active = n;
}

/* What a subtable has for the packet, given the rule that its tag leads to. */
static struct rule *
check_guess(const struct lookup *l, unsigned i, struct rule *guess)
{
    const struct subtable *st = l->subtable[i];
    if (rule_has_key(guess, &l->masked[i], &st->lanes)) {
        return guess;
    }
    return rule_table_find(&st->table, l->hash[i], &l->masked[i], &st->lanes);
}

static void
probe_subtables(struct lookup *l)
{
    struct rule *guess[PACKET_BATCH_MAX];
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        guess[a] = rule_table_guess(&l->subtable[i]->table, l->hash[i]);
    }
    for (unsigned a = 0; a < l->n_active; a++) {
        unsigned i = l->active[a];
        struct rule *rule = guess[a] ? check_guess(l, i, guess[a]) : NULL;
        if (rule && rule->rank + 1 > l->floor[i]) {
            l->best[i] = rule;
            l->floor[i] = rule->rank + 1;
        }
    }
}

static void
lookup_chunk(const struct classifier *cls, const struct flow_key *keys[], unsigned n,
             struct rule *rules[])
{
    struct lookup l;
    l.cls = cls;
    l.index = index_current(&cls->index);
    l.keys = keys;
    l.best = rules;
    for (unsigned i = 0; i < n; i++) {
        rules[i] = NULL;
        l.floor[i] = 0;
    }
    for (unsigned w = 0; w < l.index->n_words; w++) {
        if (!begin_word(&l, n, w)) {
            continue;
        }
        find_candidates(&l, n, w);
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
