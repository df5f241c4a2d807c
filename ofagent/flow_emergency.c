/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/flow_emergency.h"

#include "lib/counters.h"
#include "ofagent/flow_table_private.h"

/* The copy of an emergency flow that acts, or NULL. */
static struct flow *
find_copy(const struct flow_table *emergency, const struct flow *original)
{
    struct ofp_match match;
    flow_get_match(emergency, original, &match);
    struct flow *flow = flow_table_find(emergency->acting, &match.match, original->rule.rank);
    return flow && flow->flags & OFPFF_EMERG ? flow : NULL;
}

/* Makes an emergency flow act, in the place of whatever has its match and priority. 0 or
 * OFP_REFUSED. The bound on flows does not count: the others go. */
static int
make_copy(struct flow_table *emergency, const struct flow *original)
{
    struct flow_table *acting = emergency->acting;
    const struct action_list *actions = flow_actions(original);
    struct ofp_refusal refusal;
    struct ofp_match match;
    flow_get_match(emergency, original, &match);
    struct flow *flow = flow_table_make(acting, &match.match, original->rule.rank,
                                        original->priority, actions->actions, actions->len,
                                        &refusal);
    if (!flow) {
        return OFP_REFUSED;
    }
    flow->cookie = original->cookie;
    struct flow *old = flow_table_find(acting, &match.match, original->rule.rank);
    int error = flow_table_publish(acting, flow, old, &refusal);
    if (!error) {
        flow_table_set_acting(acting, flow, true);
    }
    return error;
}

/* Makes copies of the flows that have none. Returns how many could not be made. */
static unsigned
make_copies(struct flow_table *emergency)
{
    unsigned n_failed = 0;
    for (const struct flow *flow = emergency->first; flow; flow = flow->list_next) {
        if (!find_copy(emergency, flow) && make_copy(emergency, flow)) {
            n_failed++;
        }
    }
    return n_failed;
}

void
flow_emergency_begin(struct flow_table *emergency)
{
    static const struct ofp_match all;
    emergency->in_force = true;
    make_copies(emergency);
    if (emergency->clearing) {
        flow_cursor_close(&emergency->others);
    }
    emergency->clearing = true;
    flow_cursor_open(emergency->acting, &emergency->others, &all, PORT_NONE);
}

bool
flow_emergency_clear_some(struct flow_table *emergency, uint32_t max)
{
    struct flow *flow;
    if (!emergency->clearing) {
        return true;
    }
    while ((flow = flow_cursor_next(emergency->acting, &emergency->others, &max))) {
        if (!(flow->flags & OFPFF_EMERG)) {
            flow_table_remove(emergency->acting, flow, OFPRR_DELETE);
        }
    }
    if (!max) {
        return false;
    }
    flow_cursor_close(&emergency->others);
    emergency->clearing = false;
    if (emergency->acting->bridge) {
        dp_rules_deleted(emergency->acting->bridge, &emergency->others.match.match);
    }
    if (emergency->in_force) {
        /* Those for which there was no room, of masks or memory, before the others went. */
        counter_add(COUNTER_emergency_flow_failed, make_copies(emergency));
    }
    return true;
}

bool
flow_emergency_is_clearing(const struct flow_table *emergency)
{
    return emergency->clearing;
}

void
flow_emergency_end(struct flow_table *emergency)
{
    emergency->in_force = false;
}

size_t
flow_emergency_n_acting(const struct flow_table *acting)
{
    return acting->n_acting;
}

/* --- FLOW_MODs with OFPFF_EMERG --------------------------------------------------------- */

void
flow_emergency_added(struct flow_table *emergency, const struct flow *flow)
{
    if ((emergency->in_force || find_copy(emergency, flow)) && make_copy(emergency, flow)) {
        counter_inc(COUNTER_emergency_flow_failed);
    }
}

void
flow_emergency_modified(struct flow_table *emergency, const struct flow *flow)
{
    struct flow *copy = find_copy(emergency, flow);
    if (!copy) {
        return;
    }
    const struct action_list *actions = flow_actions(flow);
    actions = action_intern_get(emergency->acting->actions, actions->actions, actions->len);
    if (!actions) {
        counter_inc(COUNTER_emergency_flow_failed);
        return;
    }
    flow_table_set_actions(emergency->acting, copy, actions);
    action_intern_put(emergency->acting->actions, actions);
    copy->cookie = flow->cookie;
    copy->changed_ns = flow->changed_ns;
}

void
flow_emergency_removed(struct flow_table *emergency, const struct flow *flow)
{
    struct flow *copy = find_copy(emergency, flow);
    if (copy) {
        flow_table_remove(emergency->acting, copy, OFPRR_DELETE);
    }
}
