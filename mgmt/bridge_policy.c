/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of a bridge in force. The HAL sees to what is in hardware; flows that have no entry
 * and may have one now are offered here, in slices, between which the event loop goes on. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "mgmt/bridges.h"
#include "mgmt/flow_walk.h"
#include "mgmt/hw_policy.h"

LOG_MODULE(mgmt);

/* Flows that are looked at in one go, less than a millisecond. */
enum { SLICE = 2000 };

struct policy_walk {
    struct bridge *bridge;
    struct flow_walk *walk;        /* NULL: at the end */
    struct event *turn;
};

static void
on_turn(evutil_socket_t fd, short what, void *aux)
{
    struct policy_walk *w = aux;
    struct dp_bridge *dp_bridge = agent_bridge(w->bridge->agent);
    const struct flow *flow;
    uint32_t budget = SLICE;
    (void) fd;
    (void) what;
    while (w->walk && (flow = flow_cursor_next(w->walk->table, &w->walk->cursor, &budget))) {
        dp_rule_offer(dp_bridge, &flow->rule);
    }
    if (!w->walk || budget) {
        bridge_stop_policies(w->bridge);
    } else {
        event_active(w->turn, 0, 0);
    }
}

void
bridge_stop_policies(struct bridge *bridge)
{
    struct policy_walk *w = bridge->policy_walk;
    if (w) {
        flow_walk_close(w->walk);
        if (w->turn) {
            event_free(w->turn);
        }
        free(w);
        bridge->policy_walk = NULL;
    }
}

int
bridge_offer_flows(struct event_base *base, struct bridge *bridge)
{
    static const struct ofp_match all;
    bridge_stop_policies(bridge);
    struct policy_walk *w = calloc(1, sizeof *w);
    if (!w) {
        return -ENOMEM;
    }
    bridge->policy_walk = w;
    w->bridge = bridge;
    w->turn = evtimer_new(base, on_turn, w);
    if (!w->turn || flow_walk_open(&w->walk, bridge, agent_flows(bridge->agent), &all)) {
        bridge_stop_policies(bridge);
        return -ENOMEM;
    }
    event_active(w->turn, 0, 0);
    return 0;
}

void
bridge_get_policies(const struct bridge *bridge, struct hw_policies *policies)
{
    struct hal_bridge *hal = dp_bridge_hal(agent_bridge(bridge->agent));
    policies->n = 0;
    if (hal) {
        const struct hal_policy_rule *rules = hal_policies(hal, &policies->n);
        memcpy(policies->rules, rules, policies->n * sizeof rules[0]);
    }
}

static bool
is_same(const struct hw_policies *a, const struct hw_policies *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; i < a->n && same; i++) {
        const struct hal_policy_rule *one = &a->rules[i], *other = &b->rules[i];
        same = one->cookie == other->cookie && one->mask == other->mask
               && one->policy == other->policy && one->allow_uncounted == other->allow_uncounted
               && one->whole_rules == other->whole_rules;
    }
    return same;
}

int
bridge_set_policies(struct event_base *base, struct bridge *bridge,
                    const struct hw_policies *policies)
{
    struct hal_bridge *hal = dp_bridge_hal(agent_bridge(bridge->agent));
    struct hw_policies before;
    bridge_get_policies(bridge, &before);
    if (!hal || is_same(&before, policies)) {
        return 0;
    }
    hal_policies_set(hal, policies->rules, policies->n);
    log_info("bridge %s: %u offload polic%s in force", bridge->name, policies->n,
             policies->n == 1 ? "y" : "ies");
    return bridge_offer_flows(base, bridge);
}
