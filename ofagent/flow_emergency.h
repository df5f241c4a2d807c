/* SPDX-License-Identifier: Apache-2.0 */
/* Emergency flows (OpenFlow 1.0, 4.3): a flow table of its own, made by FLOW_MODs with
 * OFPFF_EMERG, and what comes of it when the controllers are lost.
 *
 * No packet goes through the emergency table. When emergency begins, a copy of each of its
 * flows is put into the table that packets go through, in the place of a flow of the same match
 * and priority, and every other flow there is removed: the copies first, so that there is no
 * moment without any. A copy has OFPFF_EMERG in its flags for as long as it is one: while it is,
 * it follows its original (a FLOW_MOD with OFPFF_EMERG changes both); a FLOW_MOD without it makes
 * the copy an ordinary flow, or removes it, and leaves the original for the next time. So
 * emergency flows act on after the controllers are back, until they change them.
 *
 * Counters are those of the copies: an original has counted only the buffered packet of its
 * FLOW_MOD. Control thread only. */
#ifndef OFAGENT_FLOW_EMERGENCY_H
#define OFAGENT_FLOW_EMERGENCY_H 1

#include "ofagent/flow_table.h"

/* A table for the emergency flows of 'acting'. Everything in flow_table.h works on it; time-outs
 * are refused, and nobody is told of a flow that goes. It is freed before 'acting'. NULL without
 * memory. */
struct flow_table *flow_emergency_new(struct flow_table *acting, uint32_t max_flows);

/* Emergency begins: every emergency flow acts, also those that are added from now on. The other
 * flows go by flow_emergency_clear_some(). */
void flow_emergency_begin(struct flow_table *);

/* Removes up to 'max' of the flows that are no emergency flows. True when there are none left;
 * at once, if there is nothing to do. The caller calls flow_table_settle(). */
bool flow_emergency_clear_some(struct flow_table *, uint32_t max);
bool flow_emergency_is_clearing(const struct flow_table *);

/* A controller is back: flows that are added act no more. Those that act go on. */
void flow_emergency_end(struct flow_table *);

/* How many emergency flows act in 'acting'. */
size_t flow_emergency_n_acting(const struct flow_table *acting);

#endif /* ofagent/flow_emergency.h */
