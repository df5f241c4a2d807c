/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MODs of benchmarks: encoded once, with a source address that is filled in each time. */
#ifndef BENCH_FLOW_MODS_H
#define BENCH_FLOW_MODS_H 1

#include <stddef.h>
#include <stdint.h>

#include "ofagent/ofp.h"

struct flow_mod {
    uint8_t bytes[128];
    size_t size;
};

/* UDP over IPv4; what adds or modifies outputs to port 2. Source and destination match whatever the
 * caller makes them match. */
void flow_mod_begin(struct ofp_flow_mod *, uint16_t command, uint16_t in_port, uint16_t priority);
void flow_mod_encode(struct flow_mod *, const struct ofp_flow_mod *);
/* In an encoded one; host order. */
void flow_mod_set_nw_src(uint8_t *message, uint32_t nw_src);

#endif /* bench/flow_mods.h */
