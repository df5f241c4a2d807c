/* SPDX-License-Identifier: Apache-2.0 */
/* From a packet's key to an entry for hardware: the rule that it gets, under the mask that
 * decides this, and the actions with every output made a port. */
#include <string.h>

#include "lib/field.h"
#include "sw-datapath/in_band.h"
#include "sw-datapath/offload.h"

static bool
refuse(struct hal_derivation *d, enum hal_reason reason, unsigned action, uint16_t port)
{
    d->actions = NULL;
    d->verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                        .action = (uint8_t) action, .port = port };
    return true;
}

/* The list being made. */
struct resolver {
    const struct port_map *map;
    struct hal_derivation *d;
    struct action_list *room;
    uint16_t in_port;
    enum hal_reason refusal;
    uint16_t refused_port;
};

static void
append(struct resolver *r, const struct action *a)
{
    if (r->room->len == DERIVE_MAX_ACTIONS) {
        r->refusal = HAL_REASON_TOO_MANY_ACTIONS;
    } else {
        r->room->actions[r->room->len++] = *a;
    }
}

static void
append_output(struct resolver *r, uint16_t port)
{
    append(r, &(struct action) { .type = ACTION_OUTPUT, .output.port = port });
}

/* FLOOD and ALL: the ports that would get the packet now. */
static void
append_flood(struct resolver *r, uint32_t path)
{
    r->d->depends.flood = true;
    for (unsigned i = 0; i <= r->map->n; i++) {
        const struct dp_port *port = i < r->map->n ? r->map->ports[i] : r->map->local;
        uint32_t has = port ? atomic_load_explicit(&port->path, memory_order_relaxed) : 0;
        if (port && port->no != r->in_port && (has & (path | PORT_PATH_TX)) == (path | PORT_PATH_TX)) {
            append_output(r, port->no);
        }
    }
}

static void
append_to_port(struct resolver *r, const struct action *a)
{
    switch (a->output.port) {
    case PORT_FLOOD:
        append_flood(r, PORT_PATH_FLOOD);
        break;
    case PORT_ALL:
        append_flood(r, 0);
        break;
    case PORT_NORMAL:
        r->refusal = HAL_REASON_PER_PACKET;
        r->refused_port = PORT_NORMAL;
        break;
    case PORT_TABLE:               /* means nothing in a flow */
        break;
    default:
        if (a->output.port != r->in_port) {
            append(r, a);
        }
        break;
    }
}

static bool
resolve(struct resolver *r, const struct action_list *actions)
{
    r->room->len = 0;
    for (uint32_t i = 0; i < actions->len && !r->refusal; i++) {
        const struct action *a = &actions->actions[i];
        if (a->type == ACTION_OUTPUT) {
            append_to_port(r, a);
        } else if (a->type != ACTION_ENQUEUE || a->enqueue.port != r->in_port) {
            append(r, a);
        }
    }
    /* What is rewritten after the last output is never seen. */
    while (r->room->len && r->room->actions[r->room->len - 1].type != ACTION_OUTPUT
           && r->room->actions[r->room->len - 1].type != ACTION_ENQUEUE) {
        r->room->len--;
    }
    return !r->refusal;
}

/* The mask under which every packet gets this rule. */
static void
set_match(const struct dp_bridge *bridge, const struct flow_key *key, const struct rule *rule,
          bool drop_fragments, struct hal_derivation *d)
{
    d->exact_rule = rule->rank == RULE_RANK_EXACT;
    if (d->exact_rule) {
        classifier_rule_match(bridge->classifier, rule, &d->match);
        return;
    }
    d->match.mask = classifier_profiles(bridge->classifier, key)->profile[0]->mask;
    if (classifier_has_exact(bridge->classifier)) {
        /* A rule without wildcards may take single packets out of any entry. */
        for (unsigned i = 0; i < N_FIELDS; i++) {
            field_mask_exact(&fields[i], &d->match.mask);
        }
    }
    /* Tables that hold many entries compare whole fields: the mask of each field that
     * counts at all becomes exact. */
    for (unsigned i = 0; i < N_FIELDS; i++) {
        if (field_mask_mode(&fields[i], &d->match.mask) != FIELD_MASK_NONE) {
            field_mask_exact(&fields[i], &d->match.mask);
        }
    }
    if (drop_fragments) {
        d->match.mask.bits.nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    }
}

static bool
receives_all(const struct dp_port *port)
{
    const uint32_t both = PORT_PATH_RX | PORT_PATH_RX_STP;
    return port && (atomic_load_explicit(&port->path, memory_order_relaxed) & both) == both;
}

bool
derive_entry(const struct dp_bridge *bridge, const struct flow_key *key, struct action_list *room,
             struct hal_derivation *d)
{
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    bool drop_fragments = atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed);
    struct rule *rule = classifier_lookup(bridge->classifier, key);
    memset(d, 0, sizeof *d);
    d->verdict.field = d->verdict.action = HAL_OBJECT_NONE;
    if (!rule) {
        return false;
    }
    d->owner = rule;
    d->cookie = bridge->ops->rule_cookie ? bridge->ops->rule_cookie(bridge->ops_aux, rule) : 0;
    d->priority = (uint16_t) (rule->rank < RULE_RANK_EXACT ? rule->rank : UINT16_MAX);
    set_match(bridge, key, rule, drop_fragments, d);
    if (in_band_narrow(bridge, key, &d->match.mask)) {
        return refuse(d, HAL_REASON_PER_PACKET, HAL_OBJECT_NONE, 0);
    }
    flow_key_mask(key, &d->match.mask, &d->match.value);
    if (drop_fragments && key->nw_frag) {
        return refuse(d, HAL_REASON_FRAGMENT, HAL_OBJECT_NONE, 0);
    }
    if (!receives_all(port_map_find(map, key->in_port))) {
        return refuse(d, HAL_REASON_INGRESS_BLOCKED, HAL_OBJECT_NONE, key->in_port);
    }
    struct resolver r = { .map = map, .d = d, .room = room, .in_port = key->in_port };
    if (!resolve(&r, atomic_load_explicit(&rule->actions, memory_order_relaxed))) {
        return refuse(d, r.refusal, ACTION_OUTPUT, r.refused_port);
    }
    d->actions = room;
    return true;
}
