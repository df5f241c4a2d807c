/* SPDX-License-Identifier: Apache-2.0 */
/* What flow_table.c and flow_mod.c share: the table's inside. */
#ifndef OFAGENT_FLOW_TABLE_PRIVATE_H
#define OFAGENT_FLOW_TABLE_PRIVATE_H 1

#include "ofagent/action_intern.h"
#include "ofagent/flow_table.h"
#include "ofagent/flow_timer.h"

/* A removed flow whose FLOW_REMOVED waits for a grace period. Its match is kept here:
 * the mask that its rule's key needs may go with the flow. */
struct departed {
    struct departed *next;
    struct flow *flow;
    uint64_t epoch;              /* 0: the grace period has not begun */
    uint64_t removed_ns;
    struct ofp_match match;
    uint8_t reason;              /* OFPRR_* */
};

struct flow_table {
    struct dp *dp;
    struct dp_bridge *bridge;    /* whose rules these are; NULL: the flows don't act */
    struct classifier *classifier;
    const struct flow_table_ops *ops;
    void *aux;
    struct action_intern *actions;
    uint32_t max_flows;
    size_t n_flows;
    struct flow *first, *last;   /* in the order of their ADDs */
    struct flow_cursor *cursors;
    struct flow_timer timer;

    /* A table of emergency flows (flow_emergency.h): */
    struct flow_table *acting;   /* where they act; NULL: this is no such table */
    bool in_force;               /* each of them acts */
    bool clearing;               /* what does not belong to them is being removed: */
    struct flow_cursor others;   /* how far this has come */
    /* The table that they act in: */
    size_t n_acting;             /* flows with OFPFF_EMERG */

    struct departed *departed, **departed_end;
    struct departed *unsettled;  /* the first with epoch 0 */
    struct dp_barrier barrier;   /* for the departed */
    struct flow *lingering;      /* removed, and hardware is still counting; by list_next */
    bool barrier_armed;
};

static inline struct flow *
flow_of_rule(const struct rule *rule)
{
    return (struct flow *) ((uintptr_t) rule - offsetof(struct flow, rule));
}

static inline uint32_t
flow_rank(const struct ofp_match *match, uint16_t priority)
{
    return match->exact ? RULE_RANK_EXACT : priority;
}

/* True if 'list' has an output to 'port', or 'port' is PORT_NONE. */
bool flow_actions_output_to(const struct action_list *list, uint16_t port);

/* flow_list.c: the list of all flows and the cursors on it. 'replace' gives 'flow' the
 * place of 'old'. */
void flow_list_append(struct flow_table *, struct flow *);
void flow_list_replace(struct flow_table *, struct flow *old, struct flow *flow);
void flow_list_remove(struct flow_table *, struct flow *);

/* flow_hardware.c. Whether the policy for the cookie lets a rule, made or published, have these
 * actions: 0, or OFP_REFUSED. See dp_rule_may_be(). */
int flow_table_check_hardware(const struct flow_table *, const struct rule *, uint64_t cookie,
                              const struct action_list *, struct ofp_refusal *);

/* flow_mod.c. The flow of this match and rank, or NULL. */
struct flow *flow_table_find(const struct flow_table *, const struct flow_match *, uint32_t rank);
/* A flow in nothing yet, its attributes 0; NULL and *refusal. */
struct flow *flow_table_make(struct flow_table *, const struct flow_match *, uint32_t rank,
                             uint16_t priority, const struct action *, uint32_t n_actions,
                             struct ofp_refusal *);
/* Puts 'flow' into the table, in the place of 'old' if that is not NULL. 0; or OFP_REFUSED
 * and *refusal, and the flow is freed. */
int flow_table_publish(struct flow_table *, struct flow *, struct flow *old, struct ofp_refusal *);
/* Replaces the actions of a flow by a list of this table's. */
void flow_table_set_actions(struct flow_table *, struct flow *, const struct action_list *);
/* Sets or clears OFPFF_EMERG of a flow that is in the table. */
void flow_table_set_acting(struct flow_table *, struct flow *, bool acting);

/* flow_emergency.c: an emergency flow was added, modified, or goes. */
void flow_emergency_added(struct flow_table *, const struct flow *);
void flow_emergency_modified(struct flow_table *, const struct flow *);
void flow_emergency_removed(struct flow_table *, const struct flow *);

/* Takes a flow out of classifier, list and wheel and disposes of it after a grace
 * period; FLOW_REMOVED with 'reason' follows if it has SEND_FLOW_REM. */
void flow_table_remove(struct flow_table *, struct flow *, uint8_t reason);
/* Disposes of a flow that is in nothing any more but may still be in use by packets. */
void flow_table_dispose(struct flow_table *, struct flow *);

#endif /* ofagent/flow_table_private.h */
