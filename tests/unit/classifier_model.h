/* SPDX-License-Identifier: Apache-2.0 */
/* A naive flow table for the tests of classifier, profiles and cache: a list that is
 * searched from end to end, and random matches and packets for it to disagree about. */
#ifndef TESTS_UNIT_CLASSIFIER_MODEL_H
#define TESTS_UNIT_CLASSIFIER_MODEL_H 1

#include <stddef.h>

#include "sw-datapath/classifier.h"

enum { MODEL_MAX_RULES = 2000 };

struct model_rule {
    struct flow_match match;
    uint32_t rank;
    struct rule *rule;
};

/* The list, kept in step with a classifier. */
struct model {
    struct classifier *cls;
    uint64_t random;
    unsigned n, max;
    struct model_rule rules[MODEL_MAX_RULES];
};

void model_init(struct model *, uint64_t seed, unsigned max_rules);
/* Removes everything and checks that nothing is left. */
void model_fini(struct model *);

uint64_t model_random(struct model *);
/* 0 .. n - 1 */
unsigned model_below(struct model *, unsigned n);

/* Few values a field, so that things collide; normalised as OpenFlow 1.0 has it. */
void model_key(struct model *, struct flow_key *);
void model_match(struct model *, struct flow_match *);
/* A match that fixes all that 'key' has, and its rank. */
void model_exact_match(const struct flow_key *key, struct flow_match *);
/* A random key in the match. */
void model_key_in(struct model *, const struct flow_match *, struct flow_key *);

/* The match or rank is there already: replaces; else inserts. */
void model_put(struct model *, const struct flow_match *, uint32_t rank);
void model_remove(struct model *, unsigned i);
/* One random change: mostly insertions while few, mostly removals while many. */
void model_change(struct model *);

/* Highest rank of a rule that has 'key', -1 if there is none; wildcarded rules only, or
 * all. */
long model_best_rank(const struct model *, const struct flow_key *, bool wildcarded);
/* True if 'rule' is a right answer for 'key'. */
bool model_is_right(const struct model *, const struct flow_key *, const struct rule *);
bool model_is_right_wildcarded(const struct model *, const struct flow_key *,
                               const struct rule *);

/* Index of a rule of the list, or -1. */
int model_find(const struct model *, const struct flow_match *, uint32_t rank);

/* A rule of its own, initialised, in zeroed memory. */
struct rule *model_rule_new(struct classifier *, const struct flow_match *, uint32_t rank);

#endif /* tests/unit/classifier_model.h */
