/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/flow_table.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/epoch.h"
#include "ofagent/flow_emergency.h"
#include "ofagent/flow_table_private.h"

/* Flows that one call of flow_table_expire() handles: a bound on how long the event loop
 * waits, a few milliseconds. */
enum { EXPIRE_BATCH = 4096 };

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* When the flow was last used, or else made: ns. */
static uint64_t
last_use(const struct flow *flow, const struct rule_counters *counters)
{
    uint64_t used = counters->used_ms * NS_PER_MS;
    return used > flow->created_ns ? used : flow->created_ns;
}

static uint64_t
used_ns(const struct flow *flow)
{
    struct rule_counters counters;
    rule_get_counters(&flow->rule, &counters);
    return last_use(flow, &counters);
}

static uint64_t
hard_due_ns(const struct flow *flow)
{
    return flow->hard_timeout ? flow->created_ns + flow->hard_timeout * NS_PER_S : UINT64_MAX;
}

static uint64_t
due_ns(const struct flow *flow)
{
    uint64_t hard = hard_due_ns(flow);
    uint64_t idle = flow->idle_timeout ? used_ns(flow) + flow->idle_timeout * NS_PER_S
                                       : UINT64_MAX;
    return hard < idle ? hard : idle;
}

/* A table over 'classifier', which stays the caller's on failure. */
static struct flow_table *
table_new(struct dp *dp, struct classifier *classifier, uint32_t max_flows,
          const struct flow_table_ops *ops, void *aux)
{
    struct flow_table *ft = calloc(1, sizeof *ft);
    if (!ft) {
        return NULL;
    }
    ft->actions = action_intern_new();
    if (!ft->actions) {
        free(ft);
        return NULL;
    }
    ft->dp = dp;
    ft->classifier = classifier;
    ft->max_flows = max_flows;
    ft->ops = ops;
    ft->aux = aux;
    ft->departed_end = &ft->departed;
    flow_timer_init(&ft->timer, clock_ns(), due_ns);
    return ft;
}

struct flow_table *
flow_table_new(struct dp *dp, struct dp_bridge *bridge, uint32_t max_flows,
               const struct flow_table_ops *ops, void *aux)
{
    struct flow_table *ft = table_new(dp, dp_bridge_classifier(bridge), max_flows, ops, aux);
    if (ft) {
        ft->bridge = bridge;
    }
    return ft;
}

struct flow_table *
flow_table_new_hidden(struct dp *dp, struct dp_bridge *bridge, uint32_t max_flows)
{
    struct classifier *hidden = dp_bridge_hidden(bridge);
    return hidden ? table_new(dp, hidden, max_flows, NULL, NULL) : NULL;
}

struct flow_table *
flow_emergency_new(struct flow_table *acting, uint32_t max_flows)
{
    struct classifier *classifier = classifier_new(dp_n_slots(acting->dp));
    struct flow_table *ft = classifier ? table_new(acting->dp, classifier, max_flows, NULL, NULL)
                                       : NULL;
    if (ft) {
        ft->acting = acting;
    } else if (classifier) {
        classifier_free(classifier);
    }
    return ft;
}

void
flow_table_dispose(struct flow_table *ft, struct flow *flow)
{
    action_intern_put(ft->actions, flow_actions(flow));
    if (ft->bridge && dp_rule_is_in_hardware(ft->bridge, &flow->rule)) {
        flow->list_next = ft->lingering;   /* hardware is still counting for it */
        ft->lingering = flow;
    } else {
        epoch_defer(free, flow);
    }
}

/* Frees the flows that hardware has left. */
static void
free_lingering(struct flow_table *ft, bool all)
{
    for (struct flow **p = &ft->lingering, *flow; (flow = *p);) {
        if (all || !dp_rule_is_in_hardware(ft->bridge, &flow->rule)) {
            *p = flow->list_next;
            epoch_defer(free, flow);
        } else {
            p = &flow->list_next;
        }
    }
}

static void
take_out(struct flow_table *ft, struct flow *flow)
{
    struct flow_match match;
    classifier_rule_match(ft->classifier, &flow->rule, &match);
    classifier_remove(ft->classifier, &flow->rule);
    flow_timer_remove(&ft->timer, flow);
    flow_list_remove(ft, flow);
    ft->n_flows--;
    ft->n_acting -= flow->flags & OFPFF_EMERG ? 1 : 0;
    if (ft->bridge) {
        dp_rule_removed(ft->bridge, &flow->rule, &match);
    }
}

void
flow_table_free(struct flow_table *ft)
{
    if (!ft) {
        return;
    }
    if (ft->clearing) {
        flow_cursor_close(&ft->others);
    }
    if (ft->barrier_armed) {
        dp_barrier_cancel(ft->dp, &ft->barrier);
    }
    while (ft->first) {
        struct flow *flow = ft->first;
        take_out(ft, flow);
        flow_table_dispose(ft, flow);
    }
    while (ft->departed) {
        struct departed *d = ft->departed;
        ft->departed = d->next;
        epoch_defer(free, d->flow);
        free(d);
    }
    free_lingering(ft, true);
    action_intern_free(ft->actions);
    if (ft->acting) {
        classifier_free(ft->classifier);   /* its own: no packet goes through it */
    }
    free(ft);
}

void
flow_table_set_acting(struct flow_table *ft, struct flow *flow, bool acting)
{
    bool before = flow->flags & OFPFF_EMERG;
    if (acting && !before) {
        flow->flags |= OFPFF_EMERG;
        ft->n_acting++;
    } else if (!acting && before) {
        flow->flags &= (uint16_t) ~OFPFF_EMERG;
        ft->n_acting--;
    }
}

void
flow_table_remove(struct flow_table *ft, struct flow *flow, uint8_t reason)
{
    struct departed *d = NULL;
    if (ft->acting) {
        flow_emergency_removed(ft, flow);
    }
    if (flow->flags & OFPFF_SEND_FLOW_REM) {
        d = malloc(sizeof *d);
        if (!d) {
            counter_inc(COUNTER_flow_removed_no_memory);
        }
    }
    if (!d) {
        take_out(ft, flow);
        flow_table_dispose(ft, flow);
        return;
    }
    flow_get_match(ft, flow, &d->match);
    take_out(ft, flow);
    action_intern_put(ft->actions, flow_actions(flow));
    d->next = NULL;
    d->flow = flow;
    d->epoch = 0;
    d->removed_ns = clock_ns();
    d->reason = reason;
    *ft->departed_end = d;
    ft->departed_end = &d->next;
    if (!ft->unsettled) {
        ft->unsettled = d;
    }
}

static void
settled(void *ft_)
{
    struct flow_table *ft = ft_;
    ft->barrier_armed = false;
    flow_table_poll(ft);
    /* What else is left is in hardware, and another barrier might be over at once, again and
     * again: it is looked at with the next change, or expiry. */
    if (ft->unsettled || (ft->departed && !epoch_passed(ft->departed->epoch))) {
        flow_table_settle(ft);
    }
}

void
flow_table_settle(struct flow_table *ft)
{
    if (ft->unsettled) {
        uint64_t epoch = epoch_advance();
        for (struct departed *d = ft->unsettled; d; d = d->next) {
            d->epoch = epoch;
        }
        ft->unsettled = NULL;
    }
    if ((ft->departed || ft->lingering) && !ft->barrier_armed) {
        ft->barrier_armed = true;
        ft->barrier = (struct dp_barrier) { .done = settled, .aux = ft };
        dp_barrier(ft->dp, &ft->barrier);
    }
}

/* The counters are final: no packet uses the flow any more. */
static void
tell(struct flow_table *ft, const struct departed *d)
{
    struct rule_counters counters;
    rule_get_counters(&d->flow->rule, &counters);
    uint64_t duration = d->removed_ns - d->flow->created_ns;
    const struct ofp_flow_removed message = {
        .match = d->match,
        .cookie = d->flow->cookie,
        .packets = counters.packets,
        .bytes = counters.bytes,
        .priority = d->flow->priority,
        .idle_timeout = d->flow->idle_timeout,
        .reason = d->reason,
        .duration_s = (uint32_t) (duration / NS_PER_S),
        .duration_ns = (uint32_t) (duration % NS_PER_S),
    };
    ft->ops->removed(ft->aux, &message);
}

void
flow_table_poll(struct flow_table *ft)
{
    uint64_t passed = 0;
    while (ft->departed && ft->departed->epoch) {
        struct departed *d = ft->departed;
        if (d->epoch != passed) {
            if (!epoch_passed(d->epoch)) {
                break;
            }
            passed = d->epoch;
        }
        if (ft->bridge && dp_rule_is_in_hardware(ft->bridge, &d->flow->rule)) {
            break;
        }
        ft->departed = d->next;
        if (!ft->departed) {
            ft->departed_end = &ft->departed;
        }
        tell(ft, d);
        free(d->flow);
        free(d);
    }
}

/* When to look again whether the flow, which is due, was idle: hardware tells late what it
 * forwarded, so its counters must have all packets until then. 0: now. */
static uint64_t
look_again_ns(const struct flow_table *ft, const struct flow *flow, uint64_t now)
{
    uint64_t hard = hard_due_ns(flow);
    if (hard <= now || !ft->bridge || !dp_rule_is_in_hardware(ft->bridge, &flow->rule)) {
        return 0;
    }
    uint64_t due = due_ns(flow), counted = dp_counted_until(ft->bridge) * NS_PER_MS;
    uint64_t again = now + (due - counted);
    return counted >= due ? 0 : again < hard ? again : hard;
}

uint32_t
flow_table_expire(struct flow_table *ft)
{
    uint64_t now = clock_ns();
    uint32_t n = 0;
    while (n++ < EXPIRE_BATCH) {
        struct flow *flow = flow_timer_take(&ft->timer, now);
        if (!flow) {
            break;
        }
        if (due_ns(flow) > now) {
            flow_timer_add(&ft->timer, flow);
            continue;
        }
        uint64_t again = look_again_ns(ft, flow, now);
        if (again) {
            flow_timer_add_at(&ft->timer, flow, again);
            continue;
        }
        flow_table_remove(ft, flow,
                          hard_due_ns(flow) <= now ? OFPRR_HARD_TIMEOUT : OFPRR_IDLE_TIMEOUT);
    }
    flow_table_settle(ft);
    return flow_timer_wait_ms(&ft->timer, now);
}

struct visit_aux {
    bool (*visit)(const struct flow *, void *aux);
    void *aux;
    uint16_t out_port;
};

static bool
visit_rule(struct rule *rule, void *visit_)
{
    const struct visit_aux *v = visit_;
    const struct flow *flow = flow_of_rule(rule);
    return !flow_actions_output_to(flow_actions(flow), v->out_port) || v->visit(flow, v->aux);
}

void
flow_table_for_each(struct flow_table *ft, const struct ofp_match *match, uint16_t out_port,
                    bool (*visit)(const struct flow *, void *aux), void *aux)
{
    struct visit_aux v = { visit, aux, out_port };
    classifier_for_each_covered(ft->classifier, &match->match, visit_rule, &v);
}

bool
flow_actions_output_to(const struct action_list *list, uint16_t port)
{
    if (port == PORT_NONE) {
        return true;
    }
    for (uint32_t i = 0; i < list->len; i++) {
        const struct action *a = &list->actions[i];
        if ((a->type == ACTION_OUTPUT && a->output.port == port)
            || (a->type == ACTION_ENQUEUE && a->enqueue.port == port)
            || (a->type == ACTION_CONTROLLER && port == PORT_CONTROLLER)) {
            return true;
        }
    }
    return false;
}

void
flow_get_stats_at(const struct flow *flow, uint64_t now, struct flow_stats *stats)
{
    struct rule_counters counters;
    rule_get_counters(&flow->rule, &counters);
    uint64_t used = last_use(flow, &counters);
    *stats = (struct flow_stats) {
        .packets = counters.packets,
        .bytes = counters.bytes,
        .duration_ns = now - flow->created_ns,
        .idle_ms = now > used ? (now - used) / NS_PER_MS : 0,
        .unchanged_ms = (now - flow->changed_ns) / NS_PER_MS,
    };
}

void
flow_get_stats(const struct flow *flow, struct flow_stats *stats)
{
    flow_get_stats_at(flow, clock_ns(), stats);
}

void
flow_get_match(const struct flow_table *ft, const struct flow *flow, struct ofp_match *match)
{
    classifier_rule_match(ft->classifier, &flow->rule, &match->match);
    match->exact = flow->rule.rank == RULE_RANK_EXACT;
}

const struct action_list *
flow_actions(const struct flow *flow)
{
    return atomic_load_explicit(&flow->rule.actions, memory_order_relaxed);
}

uint64_t
flow_table_cookie_of(void *aux, const struct rule *rule)
{
    (void) aux;
    return atomic_load_explicit(&flow_of_rule(rule)->cookie, memory_order_relaxed);
}

size_t
flow_table_count(const struct flow_table *ft)
{
    return ft->n_flows;
}

uint32_t
flow_table_max(const struct flow_table *ft)
{
    return ft->max_flows;
}

void
flow_table_set_max(struct flow_table *ft, uint32_t max_flows)
{
    ft->max_flows = max_flows;
}
