/* SPDX-License-Identifier: Apache-2.0 */
/* What would become, in hardware, of rules that are not in the table: nothing changes, and no
 * device is told.
 *
 * First every rule is *expected*: the fields that it looks at count for the entries of the
 * others. Then each is asked about. Rules without wildcards have one entry each, which takes its
 * place in the plan, in the order of the questions; the entries of others come with traffic,
 * and it is told whether they could be placed. The rules that are in the table stay.
 *
 * Control thread; the plan lives no longer than its bridge. Between two calls anything may
 * happen: the answers are about things as they are at the call. */
#ifndef SW_DATAPATH_OFFLOAD_PLAN_H
#define SW_DATAPATH_OFFLOAD_PLAN_H 1

#include "sw-datapath/offload_rule.h"

struct offload_plan;

/* NULL without memory. The bridge must have a HAL. */
struct offload_plan *offload_plan_new(struct dp_bridge *);
void offload_plan_free(struct offload_plan *);

/* False without memory. */
bool offload_plan_expect(struct offload_plan *, const struct flow_match *, uint32_t rank);

/* Tells of each kind of packets of the rule (its last three members are ignored) where their
 * entries would go. How many kinds it were; 0 also without memory. */
unsigned offload_plan_ask(struct offload_plan *, const struct derive_rule *,
                          void (*tell)(uint16_t in_port, const struct hal_planned *, void *aux),
                          void *aux);

/* The tables as they would be: for hal_plan_visit(). */
const struct hal_plan *offload_plan_tables(const struct offload_plan *);

#endif /* sw-datapath/offload_plan.h */
