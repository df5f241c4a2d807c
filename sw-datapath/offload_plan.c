/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/offload_plan.h"

#include <stdlib.h>

enum { N_PORTS = 1 << 16 };

/* What rules look at in packets of each class. */
struct class_masks {
    struct flow_mask mask[N_TRAFFIC_CLASSES];
};

struct offload_plan {
    struct dp_bridge *bridge;
    struct hal_plan *tables;
    struct action_list *room;
    bool has_exact;
    struct class_masks any_port;
    struct class_masks *port[N_PORTS];   /* of rules that name it; NULL: none */
};

struct offload_plan *
offload_plan_new(struct dp_bridge *bridge)
{
    struct offload_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        return NULL;
    }
    plan->bridge = bridge;
    plan->tables = hal_plan_new(bridge->dp->config.hal);
    plan->room = malloc(sizeof *plan->room + DERIVE_MAX_ACTIONS * sizeof plan->room->actions[0]);
    if (!plan->tables || !plan->room) {
        offload_plan_free(plan);
        return NULL;
    }
    return plan;
}

void
offload_plan_free(struct offload_plan *plan)
{
    if (plan) {
        for (unsigned i = 0; i < N_PORTS; i++) {
            free(plan->port[i]);
        }
        hal_plan_free(plan->tables);
        free(plan->room);
        free(plan);
    }
}

static void
mask_or(struct flow_mask *mask, const struct flow_mask *other)
{
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        mask->bits.lane[i] |= other->bits.lane[i];
    }
}

bool
offload_plan_expect(struct offload_plan *plan, const struct flow_match *match, uint32_t rank)
{
    if (rank == RULE_RANK_EXACT) {
        plan->has_exact = true;
        return true;
    }
    struct class_masks *masks = &plan->any_port;
    if (match->mask.bits.in_port == UINT16_MAX) {
        struct class_masks **port = &plan->port[match->value.in_port];
        *port = *port ? *port : calloc(1, sizeof **port);
        masks = *port;
    }
    for (unsigned left = masks ? profile_classes_of(match) : 0; left; left &= left - 1) {
        mask_or(&masks->mask[__builtin_ctz(left)], &match->mask);
    }
    return masks;
}

/* --- questions ------------------------------------------------------------------------------- */

struct question {
    struct offload_plan *plan;
    const struct derive_rule *rule;
    void (*tell)(uint16_t in_port, const struct hal_planned *, void *aux);
    void *aux;
    unsigned n;
    bool is_expected;            /* one of its entries is */
};

static bool
ask(const struct flow_key *sample, enum traffic_class c, void *aux)
{
    struct question *q = aux;
    const struct class_masks *port = q->plan->port[sample->in_port];
    struct flow_mask also = q->plan->any_port.mask[c];
    struct derive_rule rule = *q->rule;
    struct hal_derivation d;
    struct hal_planned planned;
    if (port) {
        mask_or(&also, &port->mask[c]);
    }
    rule.also = &also;
    rule.has_exact = q->plan->has_exact;
    rule.is_sample = true;
    derive_from(q->plan->bridge, sample, &rule, q->plan->room, &d);
    if (!hal_plan_add(q->plan->tables, q->plan->bridge->hal, &d, !q->is_expected, &planned)) {
        q->n = 0;
        return false;
    }
    q->is_expected |= planned.device != NULL;
    q->tell(sample->in_port, &planned, q->aux);
    q->n++;
    return true;
}

unsigned
offload_plan_ask(struct offload_plan *plan, const struct derive_rule *rule,
                 void (*tell)(uint16_t in_port, const struct hal_planned *, void *aux), void *aux)
{
    struct question question = { plan, rule, tell, aux, 0, false };
    offload_each_sample(plan->bridge, rule->match, rule->rank, ask, &question);
    return question.n;
}

const struct hal_plan *
offload_plan_tables(const struct offload_plan *plan)
{
    return plan->tables;
}
