/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table: OpenFlow 1.0's semantics over the datapath's classifier.
 *
 * The only truth about what the switch should do. A flow is one allocation: OpenFlow's
 * attributes and, last, the rule with its key and counters; its action list is another,
 * shared by flows with the same actions. Time-outs are kept in a hierarchical wheel, so
 * a million idle flows cost nothing until they are due.
 *
 * Control thread only. A removed flow lives until a grace period after its removal; the
 * counters in FLOW_REMOVED are read when workers have left it, so they are final.
 */
#ifndef OFAGENT_FLOW_TABLE_H
#define OFAGENT_FLOW_TABLE_H 1

#include "ofagent/ofp.h"
#include "sw-datapath/datapath.h"

struct flow_table;

struct flow {
    uint64_t cookie;
    uint64_t created_ns;           /* clock_ns() of its ADD */
    uint16_t priority;             /* as given */
    uint16_t idle_timeout, hard_timeout; /* seconds, 0: none */
    uint16_t flags;                /* OFPFF_SEND_FLOW_REM */
    struct flow *timer_next;
    struct flow **timer_prev;      /* NULL: no time-out */
    struct rule rule;              /* last: the key and counters follow */
};

struct flow_table_ops {
    /* A flow with SEND_FLOW_REM is gone, its counters final. */
    void (*removed)(void *aux, const struct ofp_flow_removed *);
};

struct flow_table *flow_table_new(struct dp *, struct dp_bridge *, uint32_t max_flows,
                                  const struct flow_table_ops *, void *aux);
/* Removes every flow silently and frees. */
void flow_table_free(struct flow_table *);

/* Does what the message says. 0, or OFP_REFUSED and *refusal with nothing changed. For
 * ADD and MODIFY with a buffer, *flow is the flow that the buffered packet goes through
 * (NULL for deletes). Buffers and port numbers are the caller's. */
int flow_table_mod(struct flow_table *, const struct ofp_flow_mod *, struct flow **flow,
                   struct ofp_refusal *);

/* Removes what has timed out. Returns the ms until it wants to be called again, or
 * UINT32_MAX. */
uint32_t flow_table_expire(struct flow_table *);

/* Calls visit for each flow that 'match' covers and, unless out_port is PORT_NONE, that
 * has an output to it; stops when it returns false. */
void flow_table_for_each(struct flow_table *, const struct ofp_match *match, uint16_t out_port,
                         bool (*visit)(const struct flow *, void *aux), void *aux);


struct flow_stats {
    uint64_t packets, bytes;
    uint64_t duration_ns;
    uint64_t idle_ms;              /* since the last packet, or since it was added */
};
void flow_get_stats(const struct flow *, struct flow_stats *);
void flow_get_match(const struct flow_table *, const struct flow *, struct ofp_match *);
const struct action_list *flow_actions(const struct flow *);

size_t flow_table_count(const struct flow_table *);
uint32_t flow_table_max(const struct flow_table *);

#endif /* ofagent/flow_table.h */
