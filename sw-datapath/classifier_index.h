/* SPDX-License-Identifier: Apache-2.0 */
/* Which subtables can hold a match for a key: a bitmap, from summaries of fields.
 *
 * A *summary* is a field, or the first bits of one, that lies in one lane. It has a row
 * of bits, one a subtable, for each hash of the field's value: set if that subtable has
 * a rule whose value hashes so. A subtable whose mask leaves the field (or a part of it)
 * out can match any value: its bit is in the summary's 'wild' words instead. The AND over
 * the summaries in use are the subtables worth a look.
 *
 * Of an address's prefixes a subtable takes part in the longest that its mask covers.
 *
 * Bits are set before a rule is published and cleared after it is unpublished, by counts.
 * Growing (more than 64, 128, ... subtables) and the first or last use of a summary
 * publish a new index; readers of the old one miss nothing that is there throughout. */
#ifndef SW_DATAPATH_CLASSIFIER_INDEX_H
#define SW_DATAPATH_CLASSIFIER_INDEX_H 1

#include "sw-datapath/classifier.h"
#include "sw-datapath/classifier_counts.h"

enum {
    INDEX_MAX_SUBTABLES = 4096,
    INDEX_MAX_WORDS = INDEX_MAX_SUBTABLES / 64,
    INDEX_N_SUMMARIES = 22,
    INDEX_ROW_BITS = 11,
};

struct index_summary {
    uint64_t bits;                      /* of the lane */
    uint64_t multiplier;                /* hashes the masked lane */
    const _Atomic uint64_t *rows;       /* [1 << INDEX_ROW_BITS][n_words] */
    const _Atomic uint64_t *wild;       /* [n_words] */
    uint8_t lane;
    uint8_t which;                      /* of all summaries */
};

/* What readers use; replaced as a whole when its shape changes. */
struct index {
    unsigned n_words, n_summaries;
    _Atomic uint64_t *present;          /* [n_words]: subtables of wildcarded rules */
    struct index_summary summary[INDEX_N_SUMMARIES];
    _Atomic uint64_t words[];           /* present, then wild of each summary */
};

struct classifier_index {
    _Atomic(struct index *) current;

    /* Writer only from here. */
    struct counts counts;               /* rules by (subtable, summary, row) */
    uint32_t users[INDEX_N_SUMMARIES];  /* subtables that take part */
    uint64_t multiplier[INDEX_N_SUMMARIES];
};

int classifier_index_init(struct classifier_index *);
void classifier_index_fini(struct classifier_index *);

/* Adds subtable 'id' (below INDEX_MAX_SUBTABLES), without rules. Stores which summaries
 * it takes part in. 0 or -ENOMEM. */
int classifier_index_add(struct classifier_index *, unsigned id, const struct flow_mask *,
                         uint32_t *summaries);
/* Takes out a subtable that has no rules. */
void classifier_index_remove(struct classifier_index *, unsigned id, uint32_t summaries);

/* Makes sure that the next classifier_index_add_rule() can't fail. 0 or -ENOMEM. */
int classifier_index_reserve(struct classifier_index *);
void classifier_index_add_rule(struct classifier_index *, unsigned id, uint32_t summaries,
                               const struct flow_key *value);
void classifier_index_remove_rule(struct classifier_index *, unsigned id, uint32_t summaries,
                                  const struct flow_key *value);

static inline const struct index *
index_current(const struct classifier_index *ci)
{
    return atomic_load_explicit(&ci->current, memory_order_acquire);
}

static inline uint64_t
index_row_number(const struct index_summary *s, const struct flow_key *key)
{
    return (key->lane[s->lane] & s->bits) * s->multiplier >> (64 - INDEX_ROW_BITS);
}

/* The row of a summary that a key's value is in. */
static inline const _Atomic uint64_t *
index_row(const struct index_summary *s, unsigned n_words, const struct flow_key *key)
{
    return &s->rows[index_row_number(s, key) * n_words];
}

/* Word w of the subtables that may hold a match for 'key'. */
static inline uint64_t
index_candidates(const struct index *index, const struct flow_key *key, unsigned w)
{
    uint64_t found = atomic_load_explicit(&index->present[w], memory_order_acquire);
    for (unsigned i = 0; i < index->n_summaries && found; i++) {
        const struct index_summary *s = &index->summary[i];
        found &= atomic_load_explicit(&s->wild[w], memory_order_relaxed)
                 | atomic_load_explicit(&index_row(s, index->n_words, key)[w],
                                        memory_order_relaxed);
    }
    return found;
}

/* The same for a set of packets: subtables that may have a rule which overlaps it. */
uint64_t index_candidates_of_match(const struct index *, const struct flow_match *, unsigned w);

#endif /* sw-datapath/classifier_index.h */
