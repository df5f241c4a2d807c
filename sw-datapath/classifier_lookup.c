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

/* The best of 'best' and what the candidates in word w have. */
static struct rule *
lookup_word(const struct classifier *cls, const struct flow_key *key, unsigned w,
            uint64_t candidates, struct rule *best)
{
    for (; candidates; candidates &= candidates - 1) {
        const struct subtable *st = subtable_at(cls, w * 64 + (unsigned) __builtin_ctzll(candidates));
        uint32_t bound = atomic_load_explicit(&st->rank_bound, memory_order_acquire);
        if (bound <= (best ? best->rank + 1 : 0)) {
            continue;
        }
        uint64_t words[FLOW_LANES];
        subtable_words(st, key, words);
        uint64_t hash = lane_hash_words(&cls->hash, words, st->n_lanes, 0);
        struct rule *rule = rule_table_find(&st->table, hash, words, st->n_lanes);
        if (rule && (!best || rule->rank > best->rank)) {
            best = rule;
        }
    }
    return best;
}

void
classifier_lookup_wildcard_batch(const struct classifier *cls, const struct flow_key *keys[],
                                 unsigned n, struct rule *rules[])
{
    const struct index *index = index_current(&cls->index);
    for (unsigned i = 0; i < n; i++) {
        rules[i] = NULL;
        for (unsigned w = 0; w < index->n_words; w++) {
            rules[i] = lookup_word(cls, keys[i], w, index_candidates(index, keys[i], w), rules[i]);
        }
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
