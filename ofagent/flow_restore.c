/* SPDX-License-Identifier: Apache-2.0 */
/* Staging, and the difference to the table. */
#include "ofagent/flow_restore.h"

#include <errno.h>
#include <stdlib.h>

#include "ofagent/flow_restore_private.h"

struct flow_restore *
flow_restore_new(struct agent *agent, bool replace)
{
    struct flow_restore *r = calloc(1, sizeof *r);
    if (!r) {
        return NULL;
    }
    r->agent = agent;
    r->replace = replace;
    r->set = flow_set_new(FLOW_RESTORE_MAX_BYTES);
    if (!r->set) {
        free(r);
        return NULL;
    }
    return r;
}

void
flow_restore_free(struct flow_restore *r)
{
    if (r) {
        restore_stop(r);
        restore_close_walk(r);
        flow_set_free(r->set);
        free(r);
    }
}

static int
refuse_full(struct ofp_refusal *refusal, const char *why)
{
    *refusal = (struct ofp_refusal) { OFPET_FLOW_MOD_FAILED, OFPFMFC_ALL_TABLES_FULL, why };
    return OFP_REFUSED;
}

int
flow_restore_stage(struct flow_restore *r, uint32_t line, const struct ofp_flow_mod *fm,
                   struct ofp_refusal *refusal)
{
    if (flow_set_count(r->set) >= flow_table_max(r->agent->flows)) {
        return refuse_full(refusal, "more flows than the table may have");
    }
    if (ofp_check_actions(fm->actions, fm->n_actions, refusal)) {
        return OFP_REFUSED;
    }
    int error = flow_set_add(r->set, line, fm);
    return error ? refuse_full(refusal, error == -E2BIG ? "more memory than may be used for this"
                               : "no memory") : 0;
}

const struct flow_copy *
flow_restore_first(const struct flow_restore *r)
{
    return flow_set_first(r->set);
}

/* --- the table --------------------------------------------------------------------------- */

struct flow *
restore_find(const struct flow_restore *r, const struct flow_copy *copy)
{
    const struct flow_table *ft = copy->flags & OFPFF_EMERG ? r->agent->emergency
                                                           : r->agent->flows;
    return flow_table_find(ft, &copy->match.match, flow_rank(&copy->match, copy->priority));
}

bool
restore_is_stranger(const struct flow_restore *r, const struct flow *flow)
{
    struct ofp_match match;
    flow_get_match(r->agent->flows, flow, &match);
    return !(flow->flags & OFPFF_EMERG) && !flow_set_find(r->set, &match, flow->priority, false);
}

/* --- walks ------------------------------------------------------------------------------ */

void
restore_open_walk(struct flow_restore *r)
{
    static const struct ofp_match all;
    restore_close_walk(r);
    flow_cursor_open(r->agent->flows, &r->cursor, &all, PORT_NONE);
    r->walking = true;
}

void
restore_close_walk(struct flow_restore *r)
{
    if (r->walking) {
        flow_cursor_close(&r->cursor);
        r->walking = false;
    }
}

/* Flows of the set that are not in the table, or differ there. */
static bool
next_of_set(struct flow_restore *r, uint32_t *budget, struct flow_difference *difference)
{
    while (r->next && *budget) {
        const struct flow_copy *copy = r->next;
        r->next = copy->next;
        (*budget)--;
        const struct flow *flow = copy->superseded ? NULL : restore_find(r, copy);
        if (!copy->superseded && (!flow || flow_compare(copy, flow) != FLOW_SAME)) {
            *difference = (struct flow_difference) {
                flow ? FLOW_RESTORE_CHANGE : FLOW_RESTORE_ADD, copy, flow,
            };
            return true;
        }
    }
    return false;
}

/* Flows of the table that are not in the set. */
static bool
next_of_table(struct flow_restore *r, uint32_t *budget, struct flow_difference *difference)
{
    const struct flow *flow;
    while ((flow = flow_cursor_next(r->agent->flows, &r->cursor, budget))) {
        if (restore_is_stranger(r, flow)) {
            *difference = (struct flow_difference) { FLOW_RESTORE_DELETE, NULL, flow };
            return true;
        }
    }
    return false;
}

bool
flow_restore_next_difference(struct flow_restore *r, uint32_t *budget,
                             struct flow_difference *difference)
{
    if (!r->begun) {
        r->begun = true;
        r->next = flow_set_first(r->set);
        if (r->replace) {
            restore_open_walk(r);
        }
    }
    if (next_of_set(r, budget, difference)
        || (r->walking && *budget && next_of_table(r, budget, difference))) {
        return true;
    }
    if (*budget) {
        restore_close_walk(r);
        r->begun = false;
    }
    return false;
}
