/* SPDX-License-Identifier: Apache-2.0 */
/* A rule as a whole, seen from hardware: the kinds of packets that it may match.
 *
 * What hardware gets is derived packet by packet, and depends on the rule, the ingress port and
 * the class of traffic (profile.h), besides the packet's own fields, which capabilities don't
 * look at. So a *sample* of each port and class stands for all packets of the rule.
 *
 * Fragments have no samples of their own: what can't be done with them is said when they
 * come. Control thread. */
#ifndef SW_DATAPATH_OFFLOAD_RULE_H
#define SW_DATAPATH_OFFLOAD_RULE_H 1

#include "sw-datapath/offload.h"
#include "sw-datapath/profile.h"

/* Calls visit for a sample of each kind of packets that the rule may match, until it returns
 * false. A rule that names no port can match those of any port but LOCAL. False if visit did. */
bool offload_each_sample(const struct dp_bridge *, const struct flow_match *, uint32_t rank,
                         bool (*visit)(const struct flow_key *sample, enum traffic_class,
                                       void *aux), void *aux);

#endif /* sw-datapath/offload_rule.h */
