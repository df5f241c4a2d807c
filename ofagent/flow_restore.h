/* SPDX-License-Identifier: Apache-2.0 */
/* Putting many flows into a bridge's table: all of them, or none.
 *
 * First the flows are *staged*, one by one, checked as the codec checks a FLOW_MOD. Nothing
 * changes yet, and the difference to the table can be looked at. Then the restore *runs*, in
 * slices of about a millisecond between which the event loop goes on: what is in the table
 * and the same stays untouched, with its counters; what has other actions or another cookie is
 * modified; the rest is added; and if the set is to *replace* the table, what is not in it
 * is deleted, after the others are in (before, if there is no room otherwise). When a flow is
 * refused, all that was done is undone. It is done when no packet uses what was before, as
 * with a barrier.
 *
 * Emergency flows go into their own table; to replace concerns the main one.
 *
 * Controllers may change the table meanwhile; what they do last counts. A flow that is put back
 * after its deletion begins with counters of 0. Control thread. */
#ifndef OFAGENT_FLOW_RESTORE_H
#define OFAGENT_FLOW_RESTORE_H 1

#include "ofagent/flow_set.h"

struct agent;
struct flow_restore;

/* Bytes of flows that may be staged, or kept to undo. */
#define FLOW_RESTORE_MAX_BYTES ((size_t) 512 << 20)

struct flow_restore *flow_restore_new(struct agent *, bool replace);
/* Not of one that runs, but by its agent. NULL does nothing. */
void flow_restore_free(struct flow_restore *);

/* Stages an ADD; its CHECK_OVERLAP is not looked at. 0, or OFP_REFUSED. */
int flow_restore_stage(struct flow_restore *, uint32_t line, const struct ofp_flow_mod *,
                       struct ofp_refusal *);

/* The first that was staged, superseded ones too; by 'next' to the others. NULL: none. */
const struct flow_copy *flow_restore_first(const struct flow_restore *);

/* Where the set differs from the table. */
enum flow_restore_op { FLOW_RESTORE_ADD, FLOW_RESTORE_CHANGE, FLOW_RESTORE_DELETE };
struct flow_difference {
    enum flow_restore_op op;
    const struct flow_copy *copy;  /* as it is asked for; NULL for DELETE */
    const struct flow *flow;       /* as it is; NULL for ADD */
};

/* The next difference: true; or false, at the end if *budget is not 0, else because that
 * many flows were looked at. Takes those from *budget. What it shows is valid until the table
 * changes. The first call, and the first after the end, begin anew. */
bool flow_restore_next_difference(struct flow_restore *, uint32_t *budget,
                                  struct flow_difference *);

enum flow_restore_state {
    FLOW_RESTORE_NONE,             /* nothing ran yet */
    FLOW_RESTORE_RUNNING, FLOW_RESTORE_UNDOING, FLOW_RESTORE_DONE, FLOW_RESTORE_FAILED,
};
struct flow_restore_status {
    uint32_t id;
    enum flow_restore_state state;
    uint32_t added, changed, unchanged, deleted;
    uint32_t line;                 /* that failed; 0: none in particular */
    char why[160];
};

/* Runs it; the agent takes it over. 0 and *id, or -EBUSY, with nothing done, if another one
 * runs. */
int flow_restore_run(struct flow_restore *, uint32_t *id);
/* Of the one that runs, or the latest that did. */
const struct flow_restore_status *agent_restore_status(const struct agent *);

#endif /* ofagent/flow_restore.h */
