/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table: OpenFlow 1.0's semantics over the datapath's classifier. A second one may
 * hold emergency flows (flow_emergency.h), which no packet goes through.
 *
 * The only truth about what the switch should do. A flow is one allocation: OpenFlow's
 * attributes and, last, the rule with its key and counters; its action list is another,
 * shared by flows with the same actions. Time-outs are kept in a hierarchical wheel, so
 * a million idle flows cost nothing until they are due.
 *
 * Control thread only. A removed flow lives until a grace period after its removal; the
 * counters in FLOW_REMOVED are read when workers have left it, so they are final.
 *
 * Points that the specification leaves open, decided as Open vSwitch does: MODIFY sets
 * the cookie of the flows that it changes but leaves their flags, counters and
 * time-outs; a MODIFY that finds nothing is an ADD, CHECK_OVERLAP included. By the
 * letter of the specification an ADD with CHECK_OVERLAP of a flow that is there already
 * is refused: one packet may match both.
 *
 * Flows are the same whatever dialect they are told in. nx_match can't say whether a match
 * had no wildcards on the wire, so what names one flow in it (ADD, MODIFY_STRICT,
 * DELETE_STRICT) names a flow without wildcards too, if that has the same match and, as
 * given, the same priority, and no other flow has.
 */
#ifndef OFAGENT_FLOW_TABLE_H
#define OFAGENT_FLOW_TABLE_H 1

#include "ofagent/ofp.h"
#include "sw-datapath/datapath.h"

struct flow_table;

struct flow {
    _Atomic uint64_t cookie;       /* workers read it: packet-ins tell it */
    uint64_t created_ns;           /* clock_ns() of its ADD */
    uint64_t changed_ns;           /* of its ADD, or of the last MODIFY */
    uint16_t priority;             /* as given */
    uint16_t idle_timeout, hard_timeout; /* seconds, 0: none */
    uint16_t flags;                /* OFPFF_SEND_FLOW_REM; OFPFF_EMERG: of an emergency flow */
    struct flow *list_prev, *list_next;  /* all flows, for cursors */
    struct flow *timer_next;
    struct flow **timer_prev;      /* NULL: no time-out */
    struct rule rule;              /* last: the key and counters follow */
};

struct flow_table_ops {
    /* A flow with SEND_FLOW_REM is gone, its counters final. Called from
     * flow_table_settle(), flow_table_poll() or the event loop, never from
     * flow_table_mod(); it must not change the table. */
    void (*removed)(void *aux, const struct ofp_flow_removed *);
};

struct flow_table *flow_table_new(struct dp *, struct dp_bridge *, uint32_t max_flows,
                                  const struct flow_table_ops *, void *aux);
/* A table of the bridge's hidden rules (dp_bridge_hidden()), whose priorities are their ranks. */
struct flow_table *flow_table_new_hidden(struct dp *, struct dp_bridge *, uint32_t max_flows);
/* Removes every flow silently and frees. */
void flow_table_free(struct flow_table *);

/* Does what the message says, 1.0's or Nicira's (nx_decode_flow_mod() has the differences), on
 * this table: which one OFPFF_EMERG means is the caller's to know. 0, or OFP_REFUSED and
 * *refusal with nothing changed. For ADD and MODIFY, *flow is the flow that a buffered
 * packet goes through (NULL for deletes, and a MODIFY that found and added none): the new
 * one, or the first that was modified. Buffers and port numbers are the caller's. After a change the caller calls flow_table_settle(), at the latest when
 * it goes back to the event loop. */
int flow_table_mod(struct flow_table *, const struct ofp_flow_mod *, struct flow **flow,
                   struct ofp_refusal *);

/* A MODIFY or DELETE (not strict) that has to look at very many flows, in pieces. Between them
 * the table may change: a flow that is there throughout is looked at exactly once, also one
 * that an ADD replaces; what is added after the beginning is left alone. */
struct flow_mod_walk;
/* True if the message would look at more than 'n' flows in one go. */
bool flow_table_mod_is_long(const struct flow_table *, const struct ofp_flow_mod *, size_t n);
/* Begins one; 'fm' is copied. NULL and *refusal. */
struct flow_mod_walk *flow_mod_walk_new(struct flow_table *, const struct ofp_flow_mod *fm,
                                        struct ofp_refusal *);
/* Looks at up to 'n' flows. True when that was all. If the first flow that a MODIFY changes is
 * among them, *first is that one, until the table changes; else NULL. */
bool flow_mod_walk_step(struct flow_mod_walk *, uint32_t n, struct flow **first);
/* At the end, a MODIFY that has found nothing adds, as flow_table_mod() does. */
int flow_mod_walk_finish(struct flow_mod_walk *, struct flow **flow, struct ofp_refusal *);
const struct ofp_flow_mod *flow_mod_walk_message(const struct flow_mod_walk *);
void flow_mod_walk_free(struct flow_mod_walk *);

/* Begins the grace period of the flows removed so far whose FLOW_REMOVED is due, and
 * sees to it that they are told when it is over (at once, if no worker is busy). Cheap
 * when there are none. */
void flow_table_settle(struct flow_table *);

/* Tells of every removed flow whose grace period is over. A dp_barrier() begun after a
 * flow_table_settle() is done only when this tells of all flows removed before it. */
void flow_table_poll(struct flow_table *);

/* Removes what has timed out, a bounded number at a time. Returns the ms until it wants
 * to be called again (0: there is more), or UINT32_MAX. */
uint32_t flow_table_expire(struct flow_table *);

/* Calls visit for each flow that 'match' covers and, unless out_port is PORT_NONE, that
 * has an output to it; stops when it returns false. All in one go: for lists that may be
 * long use a cursor. */
void flow_table_for_each(struct flow_table *, const struct ofp_match *match, uint16_t out_port,
                         bool (*visit)(const struct flow *, void *aux), void *aux);

/* A walk over the flows that may be interrupted and survives changes of the table: each
 * flow that is there throughout comes exactly once, also one that an ADD replaces; flows
 * added after the walk began don't come. */
struct flow_cursor {
    struct flow *next, *last;      /* what comes next; where the walk ends */
    struct flow_cursor *chain_next, **chain_prev;
    struct ofp_match match;
    uint16_t out_port;
    bool all;                      /* 'match' is of every packet, and any output will do */
};
void flow_cursor_open(struct flow_table *, struct flow_cursor *, const struct ofp_match *match,
                      uint16_t out_port);
void flow_cursor_close(struct flow_cursor *);
/* The next flow, or NULL: at the end if *budget is not 0, else because *budget flows
 * were looked at. Takes those from *budget. The flow is valid until the table changes. */
struct flow *flow_cursor_next(struct flow_table *, struct flow_cursor *, uint32_t *budget);

struct flow_stats {
    uint64_t packets, bytes;
    uint64_t duration_ns;
    uint64_t idle_ms;              /* since the last packet, or since it was added */
    uint64_t unchanged_ms;         /* since it was added or modified */
};
void flow_get_stats(const struct flow *, struct flow_stats *);
/* The same for a caller that knows the time, clock_ns(). */
void flow_get_stats_at(const struct flow *, uint64_t now_ns, struct flow_stats *);
void flow_get_match(const struct flow_table *, const struct flow *, struct ofp_match *);
const struct action_list *flow_actions(const struct flow *);

/* The cookie of the flow that a rule is of: dp_bridge_ops.rule_cookie. Any thread that may
 * use the rule. */
uint64_t flow_table_cookie_of(void *aux, const struct rule *);

size_t flow_table_count(const struct flow_table *);
uint32_t flow_table_max(const struct flow_table *);
/* Holds for ADDs from now on; flows over it stay. */
void flow_table_set_max(struct flow_table *, uint32_t max_flows);

#endif /* ofagent/flow_table.h */
