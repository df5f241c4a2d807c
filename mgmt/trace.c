/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/flow_text.h"
#include "mgmt/key_text.h"
#include "mgmt/rpc.h"

/* Rules that lost against the one that was found: how many are named, and how many flows
 * are looked at for them. */
enum { BEATEN_MAX = 8, BEATEN_SEARCH_MAX = 100000 };

void
trace_step(struct trace *trace, const char *kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text;
    if (vasprintf(&text, format, args) >= 0) {
        json_array_append_new(trace->steps, json_pack("{s:s, s:o}", "step", kind,
                                                      "text", rpc_string(text)));
        free(text);
    }
    va_end(args);
}

void
trace_drop(struct trace *trace, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(trace->reason, sizeof trace->reason, format, args);
    va_end(args);
    trace_step(trace, "drop", "%s", trace->reason);
}

static void
step_key(struct trace *trace, const char *kind, const char *prefix)
{
    struct strbuf text = { 0 };
    struct flow_match match;
    key_to_match(&trace->key, &match);
    flow_match_print(&text, &match, NULL);
    trace_step(trace, kind, "%s%s", prefix, strbuf_text(&text));
    strbuf_fini(&text);
}

static void
step_profile(struct trace *trace, const struct classifier *classifier)
{
    const struct profile_list *list = classifier_profiles(classifier, &trace->key);
    struct flow_match match = { .mask = list->profile[0]->mask };
    flow_key_mask(&trace->key, &match.mask, &match.value);
    struct strbuf text = { 0 };
    flow_key_print_dpctl(&text, &match);
    trace_step(trace, "profile", "cache key: %s", strbuf_text(&text));
    strbuf_fini(&text);
}

static const struct flow *
flow_of(const struct rule *rule)
{
    return (const struct flow *) (const void *) ((const char *) rule - offsetof(struct flow, rule));
}

/* "priority=10,tcp,in_port=1 actions=output:2" */
static void
print_flow(struct strbuf *out, const struct trace *trace, const struct flow *flow)
{
    struct ofp_match match;
    struct strbuf text = { 0 };
    flow_get_match(agent_flows(trace->bridge->agent), flow, &match);
    flow_match_print(&text, &match.match, NULL);
    strbuf_printf(out, "priority=%u%s%s actions=", flow->priority, text.len ? "," : "",
                  strbuf_text(&text));
    strbuf_fini(&text);
    const struct action_list *actions = flow_actions(flow);
    flow_actions_print(out, actions->actions, actions->len, NULL);
}

struct beaten {
    const struct trace *trace;
    const struct flow *winner;
    const struct flow *flows[BEATEN_MAX];   /* by rank, the highest first */
    unsigned n, n_more, n_seen;
};

static void
keep_beaten(struct beaten *beaten, const struct flow *flow)
{
    unsigned at = beaten->n;
    while (at && beaten->flows[at - 1]->rule.rank < flow->rule.rank) {
        at--;
    }
    if (beaten->n == BEATEN_MAX) {
        beaten->n_more++;
    } else {
        beaten->n++;
    }
    for (unsigned i = beaten->n - 1; i > at; i--) {
        beaten->flows[i] = beaten->flows[i - 1];
    }
    if (at < beaten->n) {
        beaten->flows[at] = flow;
    }
}

static bool
visit_flow(const struct flow *flow, void *aux)
{
    struct beaten *beaten = aux;
    struct ofp_match match;
    if (beaten->n_seen++ == BEATEN_SEARCH_MAX) {
        return false;
    }
    flow_get_match(agent_flows(beaten->trace->bridge->agent), flow, &match);
    if (flow != beaten->winner && flow_match_contains(&match.match, &beaten->trace->key)) {
        keep_beaten(beaten, flow);
    }
    return true;
}

static void
step_beaten(struct trace *trace, const struct flow *winner)
{
    struct beaten beaten = { .trace = trace, .winner = winner };
    const struct ofp_match all = { .exact = false };
    flow_table_for_each(agent_flows(trace->bridge->agent), &all, PORT_NONE, visit_flow, &beaten);
    for (unsigned i = 0; i < beaten.n; i++) {
        struct strbuf text = { 0 };
        print_flow(&text, trace, beaten.flows[i]);
        trace_step(trace, "beats", "beats %s", strbuf_text(&text));
        strbuf_fini(&text);
    }
    if (beaten.n_more) {
        trace_step(trace, "beats", "beats %u more", beaten.n_more);
    }
    if (beaten.n_seen > BEATEN_SEARCH_MAX) {
        trace_step(trace, "beats", "only %d flows were searched for others that match",
                   BEATEN_SEARCH_MAX);
    }
}

static void
step_rule(struct trace *trace, const struct rule *rule)
{
    struct strbuf text = { 0 };
    print_flow(&text, trace, flow_of(rule));
    trace_step(trace, "rule", "%s %s",
               rule->rank == RULE_RANK_EXACT ? "flow without wildcards, above all priorities:"
                                             : "flow", strbuf_text(&text));
    strbuf_fini(&text);
    step_beaten(trace, flow_of(rule));
}

static void
run_action(struct trace *trace, const struct action *action)
{
    struct strbuf text = { 0 };
    flow_actions_print(&text, action, 1, NULL);
    trace_step(trace, "action", "%s", strbuf_text(&text));
    strbuf_fini(&text);
    if (action->type == ACTION_OUTPUT) {
        trace_output(trace, action->output.port, action->output.max_len);
    } else if (action->type == ACTION_ENQUEUE) {
        trace_enqueue(trace, action->enqueue.port,
                      (uint32_t) action->enqueue.queue_hi << 16 | action->enqueue.queue_lo);
    } else if (action->type == ACTION_SET_QUEUE) {
        trace->queued = true;
        trace->queue_id = (uint32_t) action->queue.hi << 16 | action->queue.lo;
    } else if (action->type == ACTION_POP_QUEUE) {
        trace->queued = false;
    } else if (action->type == ACTION_CONTROLLER) {
        trace_controller(trace, action);
    } else if (action->type == ACTION_DEC_TTL) {
        trace_dec_ttl(trace, action);
    } else if (key_rewrite(&trace->key, action)) {
        step_key(trace, "packet", "now ");
    } else {
        trace_step(trace, "packet", "unchanged: the packet has no such field");
    }
}

static void
run_actions(struct trace *trace, const struct action_list *actions)
{
    for (uint32_t i = 0; i < actions->len; i++) {
        run_action(trace, &actions->actions[i]);
    }
}

/* A hidden rule of in-band control: the flow table is not asked. */
static void
run_hidden(struct trace *trace, const struct rule *rule)
{
    struct flow_match match;
    struct strbuf text = { 0 };
    classifier_rule_match(dp_bridge_hidden(trace->dp), rule, &match);
    flow_match_print(&text, &match, NULL);
    trace_step(trace, "in-band", "in-band control takes it before any flow: %s",
               strbuf_text(&text));
    strbuf_fini(&text);
    run_actions(trace, atomic_load(&rule->actions));
    if (!trace->n_sent && !trace->reason[0]) {
        trace_drop(trace, "in-band control does not output the packet");
    }
}

static void
run_rule(struct trace *trace, const struct rule *rule)
{
    const struct action_list *actions = atomic_load(&rule->actions);
    step_rule(trace, rule);
    run_actions(trace, actions);
    if (!actions->len) {
        trace_drop(trace, "the flow has no actions");
    } else if (!trace->n_sent && !trace->reason[0]) {
        trace_drop(trace, "no action of the flow outputs the packet");
    }
}

static void
run_table(struct trace *trace)
{
    const struct classifier *classifier = dp_bridge_classifier(trace->dp);
    struct rule *rule = NULL;
    if (classifier_has_exact(classifier)) {
        rule = classifier_lookup_exact(classifier, &trace->key);
        trace_step(trace, "exact", "flows without wildcards: %s", rule ? "one matches" : "none");
    }
    if (!rule) {
        step_profile(trace, classifier);
        rule = classifier_lookup(classifier, &trace->key);
    }
    if (rule) {
        run_rule(trace, rule);
    } else {
        trace_miss(trace);
    }
}

json_t *
trace_packet(const struct bridge *bridge, const struct flow_key *key)
{
    struct trace trace = {
        .bridge = bridge,
        .dp = agent_bridge(bridge->agent),
        .key = *key,
        .steps = json_array(),
        .outputs = json_array(),
    };
    struct strbuf flow = { 0 };
    struct flow_match match;
    key_to_match(key, &match);
    flow_match_print(&flow, &match, NULL);
    trace_ingress(&trace);
    const struct rule *hidden = dp_bridge_find_hidden(trace.dp, key);
    if (trace.admitted && hidden) {
        run_hidden(&trace, hidden);
    } else if (trace.admitted) {
        run_table(&trace);
    }
    bool dropped = !trace.n_sent;
    json_t *reason = dropped ? rpc_string(trace.reason) : json_null();
    json_t *result = json_pack("{s:s, s:o, s:o, s:o, s:b, s:o}", "bridge", bridge->name,
                               "flow", rpc_string(strbuf_text(&flow)), "steps", trace.steps,
                               "outputs", trace.outputs, "dropped", dropped, "reason", reason);
    strbuf_fini(&flow);
    return result;
}
