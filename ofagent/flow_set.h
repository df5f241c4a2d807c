/* SPDX-License-Identifier: Apache-2.0 */
/* Flows apart from any table: by match and priority, in the order in which they came.
 *
 * A flow is in the set once, as it would be in a table: a later one takes the place of an
 * earlier one. Memory comes in large blocks, and the index is many small tables, so that
 * neither adding a flow nor freeing a million of them takes long. One thread. */
#ifndef OFAGENT_FLOW_SET_H
#define OFAGENT_FLOW_SET_H 1

#include "ofagent/flow_table.h"

/* One flow as it is asked for, or as it was. */
struct flow_copy {
    struct flow_copy *next;        /* in the set's order */
    uint64_t hash;
    uint64_t cookie;
    uint32_t line;                 /* of the text that it came from; 0: none */
    uint16_t priority, idle_timeout, hard_timeout;
    uint16_t flags;                /* OFPFF_SEND_FLOW_REM, OFPFF_EMERG */
    struct ofp_match match;
    uint32_t n_actions;
    bool superseded;               /* a later one is in the set */
    struct action actions[];
};

struct flow_set;

/* With 'max_bytes' of flows at most. NULL without memory. */
struct flow_set *flow_set_new(size_t max_bytes);
/* NULL does nothing. */
void flow_set_free(struct flow_set *);

/* Adds a copy of the flow that the message asks for. 0, -ENOMEM, or -E2BIG at the bound. */
int flow_set_add(struct flow_set *, uint32_t line, const struct ofp_flow_mod *);
/* A copy of the table's flow that lives as long as the set but is not in it; NULL at the
 * bound and without memory. */
struct flow_copy *flow_set_copy(struct flow_set *, const struct flow_table *,
                                const struct flow *);
/* The flow, which is an emergency flow or none; NULL if it is not there. */
const struct flow_copy *flow_set_find(const struct flow_set *, const struct ofp_match *,
                                      uint16_t priority, bool emergency);
/* The first of all, superseded ones too. */
const struct flow_copy *flow_set_first(const struct flow_set *);
/* Flows in it. */
size_t flow_set_count(const struct flow_set *);

/* An ADD of the flow. */
void flow_copy_to_mod(const struct flow_copy *, struct ofp_flow_mod *);

/* How far a table's flow is what the copy says. A copy of an emergency flow that acts is
 * another one than any. */
enum flow_likeness {
    FLOW_OTHER,                    /* the time-outs or flags differ */
    FLOW_OTHER_ACTIONS,            /* only the actions or the cookie: MODIFY makes it the same */
    FLOW_SAME,
};
enum flow_likeness flow_compare(const struct flow_copy *, const struct flow *);

#endif /* ofagent/flow_set.h */
