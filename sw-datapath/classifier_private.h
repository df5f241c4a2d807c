/* SPDX-License-Identifier: Apache-2.0 */
/* What the classifier's parts share: the classifier itself and its subtables. */
#ifndef SW_DATAPATH_CLASSIFIER_PRIVATE_H
#define SW_DATAPATH_CLASSIFIER_PRIVATE_H 1

#include "sw-datapath/classifier.h"
#include "sw-datapath/classifier_hash.h"
#include "sw-datapath/classifier_index.h"
#include "sw-datapath/classifier_log.h"
#include "sw-datapath/classifier_table.h"
#include "sw-datapath/profile.h"

enum {
    CLASSIFIER_MAX_SUBTABLES = INDEX_MAX_SUBTABLES,
    MASK_HASH_SLOTS = 1024,
    RANK_BAND_SHIFT = 8,
    N_RANK_BANDS = (RULE_RANK_EXACT >> RANK_BAND_SHIFT) + 1,
};
static_assert((int) CLASSIFIER_MAX_SUBTABLES == (int) PROFILE_MAX_SOURCES,
              "a subtable is a source of profiles");

/* The rules of one mask. Rules without wildcards have a subtable only for the mask that
 * they were given; they are in classifier.exact. */
struct subtable {
    /* What a look-up reads, in two cache lines, mostly one. */
    struct rule_table table;
    uint16_t id;
    uint8_t n_lanes;
    bool exact;
    uint8_t lanes[FLOW_LANES];
    uint64_t lane_mask[FLOW_LANES];

    /* Writer only, but for 'mask', which does not change. */
    struct flow_mask mask;
    uint32_t refs;                    /* initialised rules, and walks */
    uint32_t summaries;               /* of the index that it takes part in */
    struct subtable *mask_next;       /* same hash of mask */
    uint32_t band[N_RANK_BANDS];      /* rules by rank >> RANK_BAND_SHIFT */
};

struct classifier {
    struct lane_hash hash;
    struct classifier_index index;
    struct rule_table exact;          /* rules without wildcards */
    _Atomic size_t n_exact;
    _Atomic(struct subtable *) by_id[CLASSIFIER_MAX_SUBTABLES];
    /* By id: no rule's rank + 1 is above; 0: no rules. Apart from the subtables, so that
     * a look-up that has many to choose from reads few cache lines. */
    _Atomic uint32_t rank_bound[CLASSIFIER_MAX_SUBTABLES];
    struct profile_set profiles;
    struct change_log log;

    /* Writer only from here. */
    unsigned n_slots;
    size_t n_rules;
    unsigned n_subtables;             /* with rules' references, exact ones included */
    unsigned id_limit;                /* ids from here on were never used */
    unsigned walks;                   /* calls of classifier_for_each_covered() */
    uint64_t retired[CLASSIFIER_MAX_SUBTABLES];  /* epoch since when an id is free */
    struct subtable *by_mask[MASK_HASH_SLOTS];
};

/* The lanes of the mask that says "no wildcards": OpenFlow 1.0's twelve fields. */
enum { EXACT_N_LANES = 5 };
extern const uint8_t exact_lanes[EXACT_N_LANES];
extern const struct flow_mask exact_mask;

/* True if 'match' fixes each of the twelve fields that its packets have. */
bool match_is_exact(const struct flow_match *);

static inline void
exact_words(const struct flow_key *key, uint64_t words[FLOW_LANES])
{
    for (unsigned i = 0; i < EXACT_N_LANES; i++) {
        words[i] = key->lane[exact_lanes[i]] & exact_mask.bits.lane[exact_lanes[i]];
    }
}

static inline void
subtable_words(const struct subtable *st, const struct flow_key *key, uint64_t words[FLOW_LANES])
{
    for (unsigned i = 0; i < st->n_lanes; i++) {
        words[i] = key->lane[st->lanes[i]] & st->lane_mask[i];
    }
}

static inline struct subtable *
subtable_at(const struct classifier *cls, unsigned id)
{
    return atomic_load_explicit(&cls->by_id[id], memory_order_acquire);
}

/* The subtable for a mask, or NULL. */
struct subtable *subtable_find(const struct classifier *, const struct flow_mask *, bool exact);
/* The same, made if need be; the caller has a reference. 0, -ENOMEM or -ENOSPC. */
int subtable_get(struct classifier *, const struct flow_mask *, bool exact, struct subtable **);
/* The last reference takes it out, for a grace period to free. */
void subtable_put(struct classifier *, struct subtable *);

/* Keep rank_bound: before a rule is published, and after it is unpublished. */
void subtable_add_rank(struct classifier *, struct subtable *, uint32_t rank);
void subtable_remove_rank(struct classifier *, struct subtable *, uint32_t rank);

/* The next subtable of wildcarded rules in which some may overlap 'match'. 'cursor' begins
 * at 0. NULL at the end. Subtables may go meanwhile. */
struct subtable *subtable_next(const struct classifier *, const struct flow_match *,
                               unsigned *cursor);

/* The value of an initialised rule's match. */
void rule_value(const struct rule *, const struct subtable *, struct flow_key *value);

#endif /* sw-datapath/classifier_private.h */
