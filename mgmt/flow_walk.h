/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a bridge's flows that goes on over several requests of one client.
 *
 * The flow table may change between them. The walk ends with its client, or when the
 * bridge goes. Control thread. */
#ifndef MGMT_FLOW_WALK_H
#define MGMT_FLOW_WALK_H 1

#include "ofagent/flow_table.h"

struct bridge;

struct flow_walk {
    struct flow_table *table;
    struct flow_cursor cursor;
    struct bridge *bridge;
    struct flow_walk **owner;                 /* the client's pointer; NULL when it ended */
    struct flow_walk *next, **prev;           /* of the bridge's walks */
};

/* Begins a walk over the flows of a table of the bridge that 'match' covers and stores it in *owner, which must
 * stay where it is. Ends the walk that was there. 0 or -ENOMEM. */
int flow_walk_open(struct flow_walk **owner, struct bridge *, struct flow_table *,
                   const struct ofp_match *match);
/* Ends it: *owner becomes NULL. NULL does nothing. */
void flow_walk_close(struct flow_walk *);
/* The bridge goes: ends all its walks. */
void flow_walk_close_all(struct bridge *);

#endif /* mgmt/flow_walk.h */
