/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all flows, and the cursors that walk it while the table changes. */
#include "ofagent/flow_table_private.h"

void
flow_list_append(struct flow_table *ft, struct flow *flow)
{
    flow->list_next = NULL;
    flow->list_prev = ft->last;
    if (ft->last) {
        ft->last->list_next = flow;
    } else {
        ft->first = flow;
    }
    ft->last = flow;
}

/* Makes what is before and behind 'old' point at these instead. */
static void
relink(struct flow_table *ft, const struct flow *old, struct flow *for_prev, struct flow *for_next)
{
    if (old->list_prev) {
        old->list_prev->list_next = for_prev;
    } else {
        ft->first = for_prev;
    }
    if (old->list_next) {
        old->list_next->list_prev = for_next;
    } else {
        ft->last = for_next;
    }
}

void
flow_list_replace(struct flow_table *ft, struct flow *old, struct flow *flow)
{
    flow->list_prev = old->list_prev;
    flow->list_next = old->list_next;
    relink(ft, old, flow, flow);
    for (struct flow_cursor *c = ft->cursors; c; c = c->chain_next) {
        c->next = c->next == old ? flow : c->next;
        c->last = c->last == old ? flow : c->last;
    }
}

void
flow_list_remove(struct flow_table *ft, struct flow *flow)
{
    for (struct flow_cursor *c = ft->cursors; c; c = c->chain_next) {
        if (c->next == flow && c->last == flow) {
            c->next = c->last = NULL;
        } else if (c->next == flow) {
            c->next = flow->list_next;
        } else if (c->last == flow) {
            c->last = flow->list_prev;
        }
    }
    relink(ft, flow, flow->list_next, flow->list_prev);
}

void
flow_cursor_open(struct flow_table *ft, struct flow_cursor *c, const struct ofp_match *match,
                 uint16_t out_port)
{
    c->next = ft->first;
    c->last = ft->last;
    static const struct flow_match anything;
    c->match = *match;
    c->out_port = out_port;
    c->all = out_port == PORT_NONE && flow_match_covers(&match->match, &anything);
    c->chain_next = ft->cursors;
    c->chain_prev = &ft->cursors;
    if (c->chain_next) {
        c->chain_next->chain_prev = &c->chain_next;
    }
    ft->cursors = c;
}

void
flow_cursor_close(struct flow_cursor *c)
{
    *c->chain_prev = c->chain_next;
    if (c->chain_next) {
        c->chain_next->chain_prev = c->chain_prev;
    }
}

static bool
selects(const struct flow_table *ft, const struct flow_cursor *c, const struct flow *flow)
{
    struct flow_match match;
    classifier_rule_match(ft->classifier, &flow->rule, &match);
    return flow_match_covers(&c->match.match, &match)
           && flow_actions_output_to(flow_actions(flow), c->out_port);
}

struct flow *
flow_cursor_next(struct flow_table *ft, struct flow_cursor *c, uint32_t *budget)
{
    while (c->next && *budget) {
        struct flow *flow = c->next;
        --*budget;
        if (flow == c->last) {
            c->next = c->last = NULL;
        } else {
            c->next = flow->list_next;
        }
        if (c->all || selects(ft, c, flow)) {
            return flow;
        }
    }
    return NULL;
}
