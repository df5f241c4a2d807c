/* SPDX-License-Identifier: Apache-2.0 */
/* What flow_restore.c and flow_restore_run.c share. */
#ifndef OFAGENT_FLOW_RESTORE_PRIVATE_H
#define OFAGENT_FLOW_RESTORE_PRIVATE_H 1

#include "ofagent/agent_private.h"
#include "ofagent/flow_restore.h"
#include "ofagent/flow_table_private.h"

/* Something that was done: 'now' took the place of 'before', one of which may be missing. */
struct undo {
    struct undo *next;             /* what was done before it */
    const struct flow_copy *now, *before;
};

/* What a slice does, in this order but that deletions may come before additions. */
enum restore_step {
    RESTORE_COUNT, RESTORE_COUNT_DELETIONS, RESTORE_PUT, RESTORE_DELETE, RESTORE_SETTLE,
    RESTORE_UNDO, RESTORE_OVER,
};

struct flow_restore {
    struct agent *agent;
    bool replace;
    struct flow_set *set;

    /* A walk: over the set, then over the table. */
    const struct flow_copy *next;
    bool walking;                  /* 'cursor' is open */
    bool begun;                    /* a walk over differences */
    struct flow_cursor cursor;

    /* Running. */
    enum restore_step step;
    bool delete_first;
    uint32_t n_to_add, n_to_delete;
    struct flow_set *copies;       /* memory for what 'undo' needs */
    struct undo *undo;
    struct event *turn;
    struct dp_barrier barrier;
    bool barrier_pending;
};

/* The flow of the copy's match and priority that is in its table now, or NULL. */
struct flow *restore_find(const struct flow_restore *, const struct flow_copy *);
/* Whether a flow of the main table is one that is to go: not in the set, and no copy of an
 * emergency flow. */
bool restore_is_stranger(const struct flow_restore *, const struct flow *);
/* Begins, or ends, a walk over all flows of the table. */
void restore_open_walk(struct flow_restore *);
void restore_close_walk(struct flow_restore *);
/* Frees what running needed. */
void restore_stop(struct flow_restore *);

#endif /* ofagent/flow_restore_private.h */
