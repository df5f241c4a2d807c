/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WIRE_EXERCISE_H
#define TESTS_WIRE_EXERCISE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ofagent/nx.h"

/* Runs every decoder on the 'size' bytes, which can be anything, whatever their type. What
 * a decoder takes is encoded and decoded again and must be the same; aborts, saying what,
 * if it is not. */
void ofp_exercise_decoders(const uint8_t *msg, size_t size);

/* That, and the printer, which takes most of the time. */
void ofp_exercise(const uint8_t *msg, size_t size);

/* Nicira's about flows and packets: exercise_nx.c. */
void exercise_nx_flows(const struct nx_message *);
/* Aborts, saying what, unless it holds. */
void exercise_check(bool holds, const char *what);

bool match_equal(const struct ofp_match *, const struct ofp_match *);
bool flow_mod_equal(const struct ofp_flow_mod *, const struct ofp_flow_mod *);

#endif /* tests/wire/exercise.h */
