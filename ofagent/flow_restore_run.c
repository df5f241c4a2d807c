/* SPDX-License-Identifier: Apache-2.0 */
/* A restore as it runs: counting, putting in, deleting, undoing, in slices. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/flow_restore_private.h"

LOG_MODULE(restore);

enum { SLICE_US = 1000, LOOK_EVERY = 16 };

static void
begin_step(struct flow_restore *r, enum restore_step step)
{
    r->step = step;
    restore_close_walk(r);
    if (step == RESTORE_COUNT || step == RESTORE_PUT) {
        r->next = flow_set_first(r->set);
    } else if (step == RESTORE_COUNT_DELETIONS || step == RESTORE_DELETE) {
        restore_open_walk(r);
    }
}

/* It can't be done: what was done is undone. */
static void
fail(struct flow_restore *r, uint32_t line, const char *why)
{
    struct flow_restore_status *status = &r->agent->restored;
    status->state = FLOW_RESTORE_UNDOING;
    status->line = line;
    snprintf(status->why, sizeof status->why, "%s", why);
    counter_inc(COUNTER_restore_undone);
    begin_step(r, RESTORE_UNDO);
}

/* --- what is done, and how it is undone ------------------------------------------------- */

/* Makes sure that what is about to be done can be undone. */
static bool
remember(struct flow_restore *r, const struct flow_copy *now, const struct flow *before)
{
    struct flow_copy *copy = NULL;
    struct undo *undo = malloc(sizeof *undo);
    bool emergency = now && now->flags & OFPFF_EMERG;
    if (undo && before) {
        copy = flow_set_copy(r->copies, emergency ? r->agent->emergency : r->agent->flows, before);
    }
    if (!undo || (before && !copy)) {
        free(undo);
        return false;
    }
    if (copy) {
        copy->flags |= emergency ? OFPFF_EMERG : 0;
    }
    *undo = (struct undo) { r->undo, now, copy };
    r->undo = undo;
    return true;
}

static void
forget_latest(struct flow_restore *r)
{
    struct undo *undo = r->undo;
    r->undo = undo->next;
    free(undo);
}

/* Makes the table have the flow, or its present actions and cookie where only they differ. */
static int
put(struct flow_restore *r, const struct flow_copy *copy, const struct flow *flow,
    struct ofp_refusal *refusal)
{
    struct ofp_flow_mod *fm = &r->agent->flow_mod;
    struct flow *made;
    flow_copy_to_mod(copy, fm);
    if (flow && flow_compare(copy, flow) == FLOW_OTHER_ACTIONS) {
        fm->command = OFPFC_MODIFY_STRICT;
    }
    return agent_flow_mod(r->agent, fm, &made, refusal);
}

static void
delete(struct flow_restore *r, const struct ofp_match *match, uint16_t priority, uint16_t flags)
{
    struct ofp_flow_mod *fm = &r->agent->flow_mod;
    struct ofp_refusal refusal;
    struct flow *none;
    memset(fm, 0, offsetof(struct ofp_flow_mod, actions));
    fm->match = *match;
    fm->command = OFPFC_DELETE_STRICT;
    fm->priority = priority;
    fm->flags = flags & OFPFF_EMERG;
    fm->out_port = PORT_NONE;
    fm->buffer_id = OFP_NO_BUFFER;
    agent_flow_mod(r->agent, fm, &none, &refusal);
}

static void
put_next(struct flow_restore *r)
{
    struct flow_restore_status *status = &r->agent->restored;
    const struct flow_copy *copy = r->next;
    struct ofp_refusal refusal;
    r->next = copy->next;
    if (copy->superseded) {
        return;
    }
    const struct flow *flow = restore_find(r, copy);
    if (flow && flow_compare(copy, flow) == FLOW_SAME) {
        status->unchanged++;
    } else if (!remember(r, copy, flow)) {
        fail(r, copy->line, "no memory to undo it with");
    } else if (put(r, copy, flow, &refusal)) {
        forget_latest(r);
        fail(r, copy->line, refusal.why);
    } else {
        *(flow ? &status->changed : &status->added) += 1;
    }
}

static void
delete_flow(struct flow_restore *r, const struct flow *flow)
{
    struct ofp_match match;
    uint16_t priority = flow->priority;
    if (!remember(r, NULL, flow)) {
        fail(r, 0, "no memory to undo it with");
        return;
    }
    flow_get_match(r->agent->flows, flow, &match);
    delete(r, &match, priority, 0);
    r->agent->restored.deleted++;
}

/* Undoes the latest thing, unless somebody has changed that flow since. */
static void
undo_latest(struct flow_restore *r)
{
    const struct undo *undo = r->undo;
    const struct flow_copy *any = undo->now ? undo->now : undo->before;
    const struct flow *flow = restore_find(r, any);
    bool ours = undo->now ? flow && flow_compare(undo->now, flow) == FLOW_SAME : !flow;
    struct ofp_refusal refusal;
    if (ours && !undo->before) {
        delete(r, &any->match, any->priority, any->flags);
    } else if (ours && put(r, undo->before, flow, &refusal)) {
        static struct log_limit limit;
        counter_inc(COUNTER_restore_not_undone);
        log_error_limited(&limit, "%s: a flow can't be put back as it was: %s",
                          dp_bridge_name(r->agent->bridge), refusal.why);
    }
    forget_latest(r);
}

/* --- steps -------------------------------------------------------------------------------- */

/* All is counted: whether there is room, and in which order. */
static void
plan(struct flow_restore *r)
{
    struct flow_table *ft = r->agent->flows;
    size_t after = flow_table_count(ft) + r->n_to_add, max = flow_table_max(ft);
    if (after - r->n_to_delete > max) {
        char why[100];
        snprintf(why, sizeof why, "the table would have %zu flows, and may have %zu",
                 after - r->n_to_delete, max);
        fail(r, 0, why);
        return;
    }
    r->delete_first = after > max;
    begin_step(r, r->delete_first ? RESTORE_DELETE : RESTORE_PUT);
}

static void
end_step(struct flow_restore *r)
{
    bool deletes = r->replace;
    switch (r->step) {
    case RESTORE_COUNT:
        if (deletes) {
            begin_step(r, RESTORE_COUNT_DELETIONS);
            break;
        }
        plan(r);
        break;
    case RESTORE_COUNT_DELETIONS:
        plan(r);
        break;
    case RESTORE_PUT:
        begin_step(r, deletes && !r->delete_first ? RESTORE_DELETE : RESTORE_SETTLE);
        break;
    case RESTORE_DELETE:
        begin_step(r, r->delete_first ? RESTORE_PUT : RESTORE_SETTLE);
        break;
    case RESTORE_UNDO:
        begin_step(r, RESTORE_SETTLE);
        break;
    case RESTORE_SETTLE:
    case RESTORE_OVER:
        break;
    }
}

/* The table's next flow that is not in the set; NULL at the end. */
static const struct flow *
next_stranger(struct flow_restore *r, bool *at_end)
{
    uint32_t budget = 1;
    const struct flow *flow = flow_cursor_next(r->agent->flows, &r->cursor, &budget);
    *at_end = !flow && budget;
    return flow && restore_is_stranger(r, flow) ? flow : NULL;
}

/* One flow of the present step. True when there is none. */
static bool
do_one(struct flow_restore *r)
{
    const struct flow *flow;
    bool at_end = false;
    switch (r->step) {
    case RESTORE_COUNT:
        if (r->next) {
            r->n_to_add += !r->next->superseded && !(r->next->flags & OFPFF_EMERG)
                           && !restore_find(r, r->next);
            r->next = r->next->next;
            return false;
        }
        return true;
    case RESTORE_COUNT_DELETIONS:
        r->n_to_delete += next_stranger(r, &at_end) != NULL;
        return at_end;
    case RESTORE_PUT:
        if (r->next) {
            put_next(r);
            return false;
        }
        return true;
    case RESTORE_DELETE:
        flow = next_stranger(r, &at_end);
        if (flow) {
            delete_flow(r, flow);
        }
        return at_end;
    case RESTORE_UNDO:
        if (r->undo) {
            undo_latest(r);
        }
        return !r->undo;
    case RESTORE_SETTLE:
    case RESTORE_OVER:
        break;
    }
    return true;
}

/* --- slices ------------------------------------------------------------------------------- */

static void
on_settled(void *restore_)
{
    static const struct timeval now = { 0, 0 };
    struct flow_restore *r = restore_;
    r->barrier_pending = false;
    r->step = RESTORE_OVER;
    evtimer_add(r->turn, &now);
}

static void
finish(struct flow_restore *r)
{
    struct agent *agent = r->agent;
    struct flow_restore_status *status = &agent->restored;
    bool undone = status->state == FLOW_RESTORE_UNDOING;
    status->state = undone ? FLOW_RESTORE_FAILED : FLOW_RESTORE_DONE;
    if (undone) {
        status->added = status->changed = status->unchanged = status->deleted = 0;
        log_warn("%s: flows were not restored: %s; the table is as it was",
                 dp_bridge_name(agent->bridge), status->why);
    } else {
        log_info("%s: flows restored: %u added, %u changed, %u the same, %u deleted",
                 dp_bridge_name(agent->bridge), status->added, status->changed, status->unchanged,
                 status->deleted);
    }
    agent->restore = NULL;
    flow_restore_free(r);
}

static void
on_turn(evutil_socket_t fd, short what, void *restore_)
{
    static const struct timeval now = { 0, 0 };
    struct flow_restore *r = restore_;
    (void) fd;
    (void) what;
    if (r->step == RESTORE_OVER) {
        finish(r);
        return;
    }
    uint64_t end = clock_ns() + SLICE_US * UINT64_C(1000);
    for (unsigned n = 1; r->step != RESTORE_SETTLE; n++) {
        if (do_one(r)) {
            end_step(r);
        }
        if (n % LOOK_EVERY == 0 && clock_ns() >= end) {
            break;
        }
    }
    flow_table_settle(r->agent->flows);
    if (r->step == RESTORE_SETTLE) {
        r->barrier = (struct dp_barrier) { .done = on_settled, .aux = r };
        r->barrier_pending = true;
        dp_barrier(r->agent->dp, &r->barrier);
    } else {
        evtimer_add(r->turn, &now);
    }
}

int
flow_restore_run(struct flow_restore *r, uint32_t *id)
{
    static const struct timeval now = { 0, 0 };
    struct agent *agent = r->agent;
    if (agent->restore) {
        return -EBUSY;
    }
    r->copies = flow_set_new(FLOW_RESTORE_MAX_BYTES);
    r->turn = evtimer_new(agent->base, on_turn, r);
    if (!r->copies || !r->turn) {
        restore_stop(r);
        return -ENOMEM;
    }
    *id = agent->restored.id + 1;
    agent->restored = (struct flow_restore_status) { .id = *id, .state = FLOW_RESTORE_RUNNING };
    agent->restore = r;
    begin_step(r, RESTORE_COUNT);
    evtimer_add(r->turn, &now);
    return 0;
}

void
restore_stop(struct flow_restore *r)
{
    if (r->barrier_pending) {
        dp_barrier_cancel(r->agent->dp, &r->barrier);
    }
    while (r->undo) {
        forget_latest(r);
    }
    if (r->turn) {
        event_free(r->turn);
        r->turn = NULL;
    }
    flow_set_free(r->copies);
    r->copies = NULL;
}

const struct flow_restore_status *
agent_restore_status(const struct agent *agent)
{
    return &agent->restored;
}
