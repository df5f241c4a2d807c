/* SPDX-License-Identifier: Apache-2.0 */
/* Which subtables can hold a match for a key, the most promising first.
 *
 * Subtables have *positions*, by descending rank as far as that is kept up: a bitmap of
 * candidates is taken from its lowest bit on. Bounds of the rank, for a position and for
 * all words from one on, tell what can't be better than the best match so far.
 *
 * A *summary* is a field, or the first bits of one, that lies in one lane. It has a row
 * of bits, one a position, for each hash of the field's value: set if that subtable has
 * a rule whose value hashes so. A subtable whose mask leaves the field (or a part of it)
 * out can match any value: its bit is in the summary's 'wild' words instead. The AND over
 * the summaries in use are the candidates. Of an address's prefixes a subtable takes part
 * in the longest that its mask covers.
 *
 * Bits are set and bounds raised before a rule is published; bits are cleared, by counts,
 * and bounds lowered after it is unpublished. More subtables than there are positions, the
 * first or last use of a summary, and a new order publish a new index. Readers of the old
 * one miss nothing that is there throughout. */
#ifndef SW_DATAPATH_CLASSIFIER_INDEX_H
#define SW_DATAPATH_CLASSIFIER_INDEX_H 1

#include "sw-datapath/classifier.h"
#include "sw-datapath/classifier_counts.h"

struct subtable;

enum {
    INDEX_N_SUMMARIES = 22,
    INDEX_MAX_ROW_BITS = 13, INDEX_MIN_ROW_BITS = 9,
};

struct index_summary {
    uint64_t bits;                      /* of the lane */
    uint64_t multiplier;                /* hashes the masked lane */
    _Atomic uint64_t *rows;             /* [1 << row_bits][n_words] */
    _Atomic uint64_t *wild;             /* [n_words] */
    uint8_t lane;
    uint8_t shift;                      /* of the product, 64 - row_bits */
    uint8_t which;                      /* of all summaries */
};

/* What readers use: one allocation. */
struct index {
    unsigned n_words;                   /* positions / 64 */
    unsigned n_summaries;
    _Atomic uint64_t *present;          /* [n_words]: positions that have a subtable */
    _Atomic(struct subtable *) *subtable;   /* by position */
    _Atomic uint32_t *bound;            /* by position: above no rank + 1 there */
    _Atomic uint32_t *word_bound;       /* by word: the greatest there and later */
    struct index_summary summary[INDEX_N_SUMMARIES];
    _Atomic uint64_t words[];
};

struct classifier_index {
    _Atomic(struct index *) current;

    /* Writer only from here. */
    struct counts counts;               /* rules by (subtable, summary, row) */
    uint32_t users[INDEX_N_SUMMARIES];  /* subtables that take part */
    uint64_t multiplier[INDEX_N_SUMMARIES];
    unsigned row_bits;                  /* fewer rows when they are long: memory is bounded */
    bool stale;                         /* has a summary without users */
    uint64_t changes;                   /* of rules since the order was last looked at */
};

struct classifier;

int classifier_index_init(struct classifier *);
void classifier_index_fini(struct classifier *);

/* Adds a subtable that has no rules. 0 or -ENOMEM. */
int classifier_index_add(struct classifier *, struct subtable *);
/* Takes out a subtable that has no rules. */
void classifier_index_remove(struct classifier *, struct subtable *);
/* Drops summaries that are not used any more, unless a walk is going on: it would lose its
 * place. */
void classifier_index_tidy(struct classifier *);

/* Makes sure that the next classifier_index_add_rule() can't fail. 0 or -ENOMEM. */
int classifier_index_reserve(struct classifier *);
void classifier_index_add_rule(struct classifier *, struct subtable *,
                               const struct flow_key *value, uint32_t rank);
void classifier_index_remove_rule(struct classifier *, struct subtable *,
                                  const struct flow_key *value, uint32_t rank);

/* The next subtable in which a rule may overlap 'match', without regard to rank. 'cursor'
 * begins at 0. NULL at the end. Subtables may go meanwhile, but not come. Writer. */
struct subtable *classifier_index_next(const struct classifier *, const struct flow_match *,
                                       unsigned *cursor);

static inline const struct index *
index_current(const struct classifier_index *ci)
{
    return atomic_load_explicit(&ci->current, memory_order_acquire);
}

/* The row of a summary that a value is in. */
static inline uint64_t
index_row(const struct index_summary *s, const struct flow_key *key)
{
    return (key->lane[s->lane] & s->bits) * s->multiplier >> s->shift;
}

/* What summary s leaves over of word w. */
static inline uint64_t
index_summary_word(const struct index *index, const struct index_summary *s,
                   const struct flow_key *key, unsigned w)
{
    return atomic_load_explicit(&s->wild[w], memory_order_relaxed)
           | atomic_load_explicit(&s->rows[index_row(s, key) * index->n_words + w],
                                  memory_order_relaxed);
}

#endif /* sw-datapath/classifier_index.h */
