/* SPDX-License-Identifier: Apache-2.0 */
/* Random matches and actions, for property tests. The same seed gives the same. */
#ifndef TESTS_UNIT_RANDOM_FLOW_H
#define TESTS_UNIT_RANDOM_FLOW_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "turnout/action.h"
#include "turnout/flow.h"

/* The seed of this run: the environment's TEST_SEED, or a fixed one. */
uint64_t random_seed(void);

/* The next number below 'n' (n > 0). */
uint64_t random_below(uint64_t *rng, uint64_t n);

/* A canonical match whose prerequisites are met: any at all, one that a flow can have, or
 * one that OpenFlow 1.0 can say. */
enum random_match_kind { RANDOM_ANY, RANDOM_FLOW, RANDOM_OPENFLOW10 };
void random_match(uint64_t *rng, enum random_match_kind, struct flow_match *);

/* Up to 'max' valid actions; returns how many. */
size_t random_actions(uint64_t *rng, struct action *, size_t max);

#endif /* tests/unit/random_flow.h */
