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
    CLASSIFIER_MAX_SUBTABLES = 4096,
    MASK_HASH_SLOTS = 1024,
    RANK_BAND_SHIFT = 8,
    N_RANK_BANDS = (RULE_RANK_EXACT >> RANK_BAND_SHIFT) + 1,
};
static_assert((int) CLASSIFIER_MAX_SUBTABLES == (int) PROFILE_MAX_SOURCES,
              "a subtable is a source of profiles");

/* The rules of one mask. Rules without wildcards have a subtable only for the mask that
 * they were given; they are in classifier.exact. */
struct subtable {
    /* What a look-up reads, in two cache lines. */
    struct flow_mask mask;
    struct rule_table table;
    struct key_lanes lanes;           /* of the mask */
    uint16_t id;
    bool exact;

    /* Writer only from here. */
    uint32_t refs;                    /* initialised rules, and walks */
    uint32_t summaries;               /* of the index that it takes part in */
    uint32_t position;                /* in the index */
    uint32_t rank_bound;              /* no rule's rank + 1 is above; 0: no rules */
    struct subtable *mask_next;       /* same hash of mask */
    uint32_t band[N_RANK_BANDS];      /* rules by rank >> RANK_BAND_SHIFT */
};

struct classifier {
    struct lane_hash hash;
    struct classifier_index index;
    struct rule_table exact;          /* rules without wildcards */
    _Atomic size_t n_exact;
    _Atomic(struct subtable *) by_id[CLASSIFIER_MAX_SUBTABLES];
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

/* The mask that says "no wildcards": OpenFlow 1.0's twelve fields. */
extern const struct flow_mask exact_mask;
extern const struct key_lanes exact_lanes;

/* True if 'match' fixes each of the twelve fields that its packets have. */
bool match_is_exact(const struct flow_match *);

static inline uint64_t
classifier_hash(const struct classifier *cls, const struct flow_key *masked)
{
    return lane_hash_key(&cls->hash, masked, 0);
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

/* The value of an initialised rule's match. */
void rule_value(const struct rule *, const struct subtable *, struct flow_key *value);

#endif /* sw-datapath/classifier_private.h */
