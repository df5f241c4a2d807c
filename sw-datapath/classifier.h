/* SPDX-License-Identifier: Apache-2.0 */
/* The classifier: finds the rule of highest rank that a packet's key matches.
 *
 * Tuple space search: one hash table ("subtable") for each distinct mask. Two things
 * keep a look-up from visiting them all: per-field summaries tell which subtables can
 * hold a match for this key at all, and a subtable whose highest rank is not above the
 * best match so far is skipped. Rules without wildcards (rank RULE_RANK_EXACT) have a
 * table of their own, looked at first and skipped when empty.
 *
 * From the rules alone it also makes *mask profiles* for the exact-match cache: for
 * (in_port, class of traffic) the union of the fields that wildcarded rules reaching
 * that class look at. A packet's key under its profile decides which rule it gets, so
 * traffic can't widen a cache. Over-wide is always right; the set of distinct profile
 * masks is bounded, and the full mask serves when it is exhausted.
 *
 * Changes are numbered. A cache entry remembers the number it was derived at
 * (classifier_version() read *before* the look-up); classifier_changed() tells whether a
 * change since then overlaps it, from a short log of the latest changes. Replacing a
 * rule's actions is not a change: entries point at the rule, not at its actions.
 *
 * Threads: one writer, the control thread. Readers are online in the epoch sense; they
 * never wait and never see a state in which a rule that is published throughout can't
 * be found. The version is published after the change it numbers.
 */
#ifndef SW_DATAPATH_CLASSIFIER_H
#define SW_DATAPATH_CLASSIFIER_H 1

#include "sw-datapath/rule.h"

struct classifier;

/* 'n_slots' counter slots for each rule (one a worker and one for the control thread). */
struct classifier *classifier_new(unsigned n_slots);
/* Frees the classifier; it must be empty and no reader may use it. */
void classifier_free(struct classifier *);

/* Bytes from the start of struct rule on that a rule with 'match' needs: allocate
 * offsetof(outer, rule) + this, zeroed. */
size_t classifier_rule_size(const struct classifier *, const struct flow_match *);

/* Makes 'rule' (in memory of that size) one for 'match' and 'rank', not yet published.
 * Takes over 'actions'. May create the subtable: 0 or -ENOMEM, -ENOSPC (too many
 * distinct masks). Control thread. */
int classifier_rule_init(struct classifier *, struct rule *, const struct flow_match *,
                         uint32_t rank, const struct action_list *actions);
/* A rule that was initialised but is not published goes: gives its subtable back. The
 * memory and the action list are the caller's. */
void classifier_rule_fini(struct classifier *, struct rule *);

/* Publishes. No rule of the same match and rank may be there. 0 or -ENOMEM (nothing
 * changed). Control thread. */
int classifier_insert(struct classifier *, struct rule *);
/* Publishes 'rule' in place of 'old', of the same match and rank: readers find one or
 * the other. Never fails. */
void classifier_replace(struct classifier *, struct rule *old, struct rule *rule);
/* Unpublishes; the caller frees it after a grace period (epoch_defer). */
void classifier_remove(struct classifier *, struct rule *);

/* The rule with exactly this match and rank, or NULL. Control thread. */
struct rule *classifier_find(const struct classifier *, const struct flow_match *, uint32_t rank);

/* Calls visit(rule, aux) for each rule that 'match' covers (itself included); visit may
 * remove the rule it is given, nothing else. Stops when visit returns false. Control
 * thread. With a full mask equal to a subtable's it is a hash look-up, not a scan. */
void classifier_for_each_covered(struct classifier *, const struct flow_match *match,
                                 bool (*visit)(struct rule *, void *aux), void *aux);

/* How many rules classifier_for_each_covered() would look at, at most: what it costs. */
size_t classifier_count_candidates(const struct classifier *, const struct flow_match *match);

/* A rule of 'rank' that some packet of 'match' could also match, or NULL (CHECK_OVERLAP).
 * 'match' with that rank itself counts as well. Control thread. */
struct rule *classifier_find_overlap(const struct classifier *, const struct flow_match *,
                                     uint32_t rank);

/* Calls visit for each rule that some packet of 'match' also matches and whose rank is from 'low' to
 * 'high', until it returns false; visit changes nothing. False if it did, or if more than 'budget'
 * rules would have to be looked at. Control thread. */
bool classifier_for_each_overlap(const struct classifier *, const struct flow_match *match,
                                 uint32_t low, uint32_t high, size_t budget,
                                 bool (*visit)(struct rule *, void *aux), void *aux);

/* The match of an initialised rule. Any thread that may use the rule. */
void classifier_rule_match(const struct classifier *, const struct rule *, struct flow_match *);

size_t classifier_count(const struct classifier *);
size_t classifier_n_subtables(const struct classifier *);

/* Look-ups; NULL where nothing matches. Readers. */
struct rule *classifier_lookup(const struct classifier *, const struct flow_key *);
void classifier_lookup_batch(const struct classifier *, const struct flow_key *keys[], unsigned n,
                             struct rule *rules[]);
/* Only among the rules without wildcards. */
struct rule *classifier_lookup_exact(const struct classifier *, const struct flow_key *);
void classifier_lookup_exact_batch(const struct classifier *, const struct flow_key *keys[],
                                   unsigned n, struct rule *rules[]);
bool classifier_has_exact(const struct classifier *);
/* Only among the others: what cache entries are made from. */
void classifier_lookup_wildcard_batch(const struct classifier *, const struct flow_key *keys[],
                                      unsigned n, struct rule *rules[]);

/* Mask profiles. A profile id stands for one mask while anything refers to it; ids are
 * small (below CLASSIFIER_MAX_PROFILES) and an id is not given another mask before a
 * grace period has passed and every cache was told (see cache.h). */
enum { CLASSIFIER_MAX_PROFILES = 256, CLASSIFIER_PROFILE_GENERATIONS = 3 };

struct mask_profile {
    struct flow_mask mask;
    uint16_t id;
    uint8_t n_lanes;
    uint8_t lanes[FLOW_LANES];   /* indexes of the lanes with bits in 'mask' */
    uint64_t serial;             /* never reused: tells two uses of an id apart */
};

/* The profiles of the class that 'key' is in, newest first; the others are older
 * generations whose entries still serve. All are readable until the reader is next
 * quiescent. */
struct profile_list {
    unsigned n;                  /* 1 .. CLASSIFIER_PROFILE_GENERATIONS */
    const struct mask_profile *profile[CLASSIFIER_PROFILE_GENERATIONS];
};
const struct profile_list *classifier_profiles(const struct classifier *, const struct flow_key *);

/* The profile that has this id now, or NULL. Readers and control thread. */
const struct mask_profile *classifier_profile(const struct classifier *, unsigned id);

/* The number of the latest published change. Acquire. */
uint64_t classifier_version(const struct classifier *);

enum classifier_change {
    CLASSIFIER_UNCHANGED,   /* nothing since 'version' overlaps: the derivation stands */
    CLASSIFIER_OVERLAPPED,  /* something overlaps: derive again */
    CLASSIFIER_UNKNOWN,     /* too much has changed to tell cheaply: derive again */
};
/* About an entry for 'key' under 'mask', derived at 'version'. Stores the version that the
 * answer holds for in *now. Readers. */
enum classifier_change classifier_changed(const struct classifier *, const struct flow_key *key,
                                          const struct flow_mask *mask, uint64_t version,
                                          uint64_t *now);

#endif /* sw-datapath/classifier.h */
