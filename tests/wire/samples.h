/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of every OpenFlow 1.0 message and action, made by the codec's encoders from a
 * seed: what the tests of the codec, its cross-check with ovs-ofctl and the fuzzer's first
 * corpus are made of. */
#ifndef TESTS_WIRE_SAMPLES_H
#define TESTS_WIRE_SAMPLES_H 1

#include <stddef.h>
#include <stdint.h>

#include "ofagent/ofp.h"

/* A generator that gives the same numbers on every machine. */
struct sample_rng {
    uint64_t state;
};
uint32_t sample_u32(struct sample_rng *);
/* 0 .. limit - 1. */
uint32_t sample_below(struct sample_rng *, uint32_t limit);

/* A match as a decoder would give it: normalised. */
void sample_match(struct sample_rng *, struct ofp_match *);
/* One that nx_match has as well, with every kind of mask. */
void sample_nx_match(struct sample_rng *, struct ofp_match *);
/* Valid actions, 'n' of them; OFPP_TABLE only in a PACKET_OUT's. */
void sample_actions(struct sample_rng *, bool packet_out, struct action *, uint32_t n);
void sample_flow_mod(struct sample_rng *, struct ofp_flow_mod *);
void sample_flow_stats(struct sample_rng *, struct ofp_flow_stats *, struct action *actions);
void sample_port(struct sample_rng *, struct port_info *);

/* Calls visit for one sample of each message, statistic and action, in both directions;
 * 'name' is unique. */
void samples_for_each(uint64_t seed,
                      void (*visit)(const char *name, const uint8_t *msg, size_t size, void *aux),
                      void *aux);

#endif /* tests/wire/samples.h */
