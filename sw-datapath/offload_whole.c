/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/offload_whole.h"

#include "lib/counters.h"

enum { ANY_FRAGMENT = FLOW_FRAG_ANY | FLOW_FRAG_LATER };

bool
offload_whole_match(const struct dp_bridge *bridge, const struct flow_match *rule, uint16_t in_port,
                    struct flow_match *whole)
{
    const struct flow_key *mask = &rule->mask.bits;
    bool other_port = mask->in_port == UINT16_MAX && rule->value.in_port != in_port;
    bool fragments = bridge->hal && hal_whole_has_fragments(bridge->hal, in_port);
    if (other_port || (rule->value.nw_frag && !fragments)) {
        return false;
    }
    *whole = *rule;
    whole->value.in_port = in_port;
    whole->mask.bits.in_port = UINT16_MAX;
    whole->mask.bits.nw_frag = fragments ? mask->nw_frag : ANY_FRAGMENT;
    return true;
}

/* The rule whose whole match this is, or NULL: it may leave the port open, and what it says of
 * fragments. */
static struct rule *
find_rule(const struct dp_bridge *bridge, const struct flow_match *whole, uint32_t rank)
{
    static const uint8_t fragments[] = { 0, ANY_FRAGMENT, FLOW_FRAG_ANY, FLOW_FRAG_LATER };
    bool all = !whole->mask.bits.nw_frag;     /* as the rule itself has it: the first */
    struct rule *rule = NULL;
    if (whole->value.nw_frag || (!all && whole->mask.bits.nw_frag != ANY_FRAGMENT)) {
        return NULL;
    }
    for (unsigned i = 0; !rule && i < (all ? 2 : 2 * sizeof fragments); i++) {
        struct flow_match match = *whole;
        match.mask.bits.nw_frag = fragments[i / 2];
        if (i % 2) {
            match.value.in_port = match.mask.bits.in_port = 0;
        }
        rule = classifier_find(bridge->classifier, &match, rank);
    }
    return rule;
}

bool
offload_derive_whole(void *aux, const struct flow_match *whole, uint16_t priority,
                     struct hal_derivation *d)
{
    const struct dp_bridge *bridge = aux;
    struct rule *rule = find_rule(bridge, whole, priority);
    if (!rule) {
        return false;
    }
    const struct derive_rule from = {
        .match = whole, .rank = priority,
        .cookie = bridge->ops->rule_cookie ? bridge->ops->rule_cookie(bridge->ops_aux, rule) : 0,
        .actions = atomic_load_explicit(&rule->actions, memory_order_relaxed),
    };
    derive_whole(bridge, &from, offload_room_of_whole(bridge->dp->offload), d);
    d->owner = rule;
    return true;
}

/* --- what is above ------------------------------------------------------------------------- */

struct above {
    const struct dp_bridge *bridge;
    const void *owner;
    uint16_t in_port;
    bool (*visit)(const struct hal_above *, void *aux);
    void *aux;
    bool stopped;
};

static bool
visit_above(struct rule *rule, void *above_)
{
    struct above *a = above_;
    struct flow_match match, whole;
    if (rule == a->owner) {
        return true;
    }
    classifier_rule_match(a->bridge->classifier, rule, &match);
    if (rule->rank == RULE_RANK_EXACT) {
        derive_exact_match(a->bridge, &match, &whole);
    } else if (!offload_whole_match(a->bridge, &match, a->in_port, &whole)) {
        return true;                 /* fragments only, which no whole rule has */
    }
    a->stopped = !a->visit(&(struct hal_above) { &whole, rule }, a->aux);
    return !a->stopped;
}

bool
offload_each_above(void *aux, const struct flow_match *whole, uint16_t priority, const void *owner,
                   bool (*visit)(const struct hal_above *, void *aux), void *aux2)
{
    const struct dp_bridge *bridge = aux;
    struct above above = { bridge, owner, whole->value.in_port, visit, aux2, false };
    bool all = classifier_for_each_overlap(bridge->classifier, whole, priority, RULE_RANK_EXACT,
                                           WHOLE_MAX_ABOVE, visit_above, &above);
    if (!all && !above.stopped) {
        counter_inc(COUNTER_offload_whole_too_many);
    }
    return all;
}

/* --- offers ---------------------------------------------------------------------------------- */

static void
offer_on(struct dp_bridge *bridge, const struct rule *rule, const struct flow_match *match,
         uint64_t cookie, uint16_t in_port)
{
    struct flow_match whole;
    if (hal_takes_whole(bridge->hal, in_port, cookie)
        && offload_whole_match(bridge, match, in_port, &whole)) {
        hal_offer_whole(bridge->hal, &whole, (uint16_t) rule->rank, NULL);
    }
}

void
offload_offer_whole(struct dp_bridge *bridge, const struct rule *rule)
{
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    uint64_t cookie = bridge->ops->rule_cookie ? bridge->ops->rule_cookie(bridge->ops_aux, rule) : 0;
    struct flow_match match;
    classifier_rule_match(bridge->classifier, rule, &match);
    if (match.mask.bits.in_port == UINT16_MAX) {
        offer_on(bridge, rule, &match, cookie, match.value.in_port);
        return;
    }
    for (unsigned i = 0, n = 0; i < map->n && n < WHOLE_MAX_PORTS; i++) {
        n += hal_port_device(bridge->hal, map->ports[i]->no) != NULL;
        offer_on(bridge, rule, &match, cookie, map->ports[i]->no);
    }
}

static bool
offer_one(struct rule *rule, void *bridge)
{
    offload_offer_whole(bridge, rule);
    return true;
}

/* True if some port may have whole rules at all. */
static bool
may_have_whole(const struct dp_bridge *bridge)
{
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    unsigned i = 0;
    while (i < map->n && !hal_has_priorities(bridge->hal, map->ports[i]->no)) {
        i++;
    }
    return i < map->n;
}

void
offload_offer_below(struct dp_bridge *bridge, const struct flow_match *match, uint32_t rank)
{
    uint32_t high = rank < RULE_RANK_EXACT ? rank : RULE_RANK_EXACT - 1;
    if (may_have_whole(bridge)) {
        classifier_for_each_overlap(bridge->classifier, match, 0, high, WHOLE_MAX_BELOW, offer_one,
                                    bridge);
    }
}
