/* SPDX-License-Identifier: Apache-2.0 */
/* From a packet's key to an entry for hardware: the rule that it gets, under the mask that
 * decides this, and the actions with every output made a port. */
#include <string.h>

#include "lib/clock.h"
#include "lib/field.h"
#include "sw-datapath/frame.h"
#include "sw-datapath/in_band.h"
#include "sw-datapath/offload_whole.h"

static void
refuse(struct hal_derivation *d, enum hal_reason reason, unsigned action, uint16_t port)
{
    d->verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                        .action = (uint8_t) action, .port = port };
}

/* --- what NORMAL looks at -------------------------------------------------------------- */

/* The addresses and VLAN that a frame has by now, after the actions so far. */
struct frame_now {
    uint16_t vid;
    bool vid_unknown;            /* the tag was stripped, and there is another one behind it */
    bool addrs_changed;
};

static struct frame_now
frame_begin(const struct flow_key *key)
{
    return (struct frame_now) { .vid = be16_to_host(key->vlan_tci) & FLOW_VLAN_VID_MASK };
}

static void
frame_step(struct frame_now *now, const struct flow_key *key, const struct action *a)
{
    bool has_inner_tag = be16_to_host(key->dl_type) == FRAME_TYPE_TAG;
    switch (a->type) {
    case ACTION_SET_VLAN_VID:
        now->vid = a->vlan_vid.vid;
        now->vid_unknown = false;
        break;
    case ACTION_STRIP_VLAN:
        now->vid = 0;
        now->vid_unknown = has_inner_tag;
        break;
    case ACTION_SET_DL_SRC:
    case ACTION_SET_DL_DST:
        now->addrs_changed = true;
        break;
    default:
        break;
    }
}

static bool
is_normal(const struct action *a)
{
    return a->type == ACTION_OUTPUT && a->output.port == PORT_NORMAL;
}

bool
derive_learns(const struct action_list *actions)
{
    uint32_t i = 0;
    while (i < actions->len && !is_normal(&actions->actions[i])) {
        i++;
    }
    return i < actions->len;
}

void
derive_refresh(const struct dp_bridge *bridge, const struct rule *rule,
               const struct flow_match *match, uint64_t used_ms)
{
    const struct action_list *list = atomic_load_explicit(&rule->actions, memory_order_relaxed);
    const struct flow_key *key = &match->value;
    struct frame_now now = frame_begin(key);
    for (uint32_t i = 0; i < list->len; i++) {
        if (is_normal(&list->actions[i]) && !now.vid_unknown) {
            fdb_refresh(bridge->fdb, key->dl_src, now.vid, key->in_port, used_ms);
        }
        frame_step(&now, key, &list->actions[i]);
    }
}

/* --- the list ------------------------------------------------------------------------------ */

/* The list being made. */
struct resolver {
    const struct dp_bridge *bridge;
    const struct flow_key *key;
    const struct port_map *map;
    struct hal_derivation *d;
    struct action_list *room;
    struct frame_now now;
    bool is_sample;
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
        if (port && port->no != r->key->in_port && (has & (path | PORT_PATH_TX)) == (path | PORT_PATH_TX)) {
            append_output(r, port->no);
        }
    }
}

static uint32_t
path_of(const struct dp_port *port)
{
    return port ? atomic_load_explicit(&port->path, memory_order_relaxed) : 0;
}

/* Learning would do something for the packet: its source is not known to be where it is. */
static bool
has_to_learn(const struct resolver *r, uint32_t path, uint64_t now_ms)
{
    const struct flow_key *key = r->key;
    return path & PORT_PATH_LEARN && !(key->dl_src[0] & 1)
           && fdb_watch(r->bridge->fdb, key->dl_src, r->now.vid, now_ms) != key->in_port;
}

/* To a destination that is not a group. False: it has not been learnt; its packets are flooded
 * by software, which lasts until it answers. */
static bool
append_learnt(struct resolver *r, uint64_t now_ms)
{
    uint16_t no = fdb_watch(r->bridge->fdb, r->key->dl_dst, r->now.vid, now_ms);
    const struct dp_port *port = no ? port_map_find(r->map, no) : NULL;
    if (!port) {
        return false;
    }
    if (!(path_of(port) & PORT_PATH_RELAY)) {
        r->d->depends.flood = true;     /* it goes nowhere, and waits for the port's state */
    } else if (no != r->key->in_port) {
        append_output(r, no);
    }
    return true;
}

/* A sample's source and destination are taken to be learnt, the latter behind the first port that
 * it could be behind. */
static void
append_as_learnt(struct resolver *r)
{
    for (unsigned i = 0; i < r->map->n; i++) {
        uint16_t no = r->map->ports[i]->no;
        if (no != r->key->in_port && path_of(r->map->ports[i]) & PORT_PATH_RELAY) {
            append_output(r, no);
            return;
        }
    }
}

/* What learning and what was learnt make of the packets now. */
static bool
append_normal(struct resolver *r)
{
    const struct flow_key *key = r->key;
    uint32_t path = path_of(port_map_find(r->map, key->in_port));
    uint64_t now_ms = clock_ms();
    if (r->now.addrs_changed || r->now.vid_unknown) {
        return false;
    }
    if (forward_is_reserved(key->dl_dst)
        && !atomic_load_explicit(&r->bridge->forward_bpdu, memory_order_relaxed)) {
        return true;
    }
    r->d->depends.address = true;
    if (r->is_sample) {
        append_as_learnt(r);
        return true;
    }
    if (has_to_learn(r, path, now_ms)) {
        return false;
    }
    if (!(path & PORT_PATH_RELAY)) {
        return true;
    }
    if (key->dl_dst[0] & 1) {
        append_flood(r, PORT_PATH_FLOOD);
        return true;
    }
    return append_learnt(r, now_ms);
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
        if (!append_normal(r)) {
            r->refusal = HAL_REASON_PER_PACKET;
            r->refused_port = PORT_NORMAL;
        }
        break;
    case PORT_TABLE:               /* means nothing in a flow */
        break;
    default:
        if (a->output.port != r->key->in_port) {
            append(r, a);
        }
        break;
    }
}

/* What is rewritten after the last output is never seen; but controllers are told of a TTL at
 * its end. */
static bool
is_seen(const struct action *a)
{
    return a->type == ACTION_OUTPUT || a->type == ACTION_ENQUEUE || a->type == ACTION_CONTROLLER
           || a->type == ACTION_DEC_TTL;
}

static bool
resolve(struct resolver *r, const struct action_list *actions)
{
    r->room->len = 0;
    for (uint32_t i = 0; i < actions->len && !r->refusal; i++) {
        const struct action *a = &actions->actions[i];
        if (a->type == ACTION_OUTPUT) {
            append_to_port(r, a);
        } else if (a->type != ACTION_ENQUEUE || a->enqueue.port != r->key->in_port) {
            append(r, a);
        }
        frame_step(&r->now, r->key, a);
    }
    while (r->room->len && !is_seen(&r->room->actions[r->room->len - 1])) {
        r->room->len--;
    }
    return !r->refusal;
}

/* What kind of frame it is, its type and whether it has a tag, is looked at for a device that must
 * know (every table of it compares that), though no rule asks: packets of another kind are another
 * entry's. Addresses that a device must have are not added: they would make an entry for each pair. */
static void
add_kind_of_frame(const struct dp_bridge *bridge, uint16_t in_port, struct flow_mask *mask)
{
    const struct hal_device *device = bridge->hal ? hal_port_device(bridge->hal, in_port) : NULL;
    const struct hal_caps *caps = device ? hal_device_caps(device) : NULL;
    uint32_t required = caps && caps->n_tables ? 1u << FIELD_DL_TYPE | 1u << FIELD_VLAN : 0;
    for (unsigned i = 0; caps && i < caps->n_tables; i++) {
        required &= caps->table[i].required;
    }
    for (unsigned i = 0; i < N_FIELDS; i++) {
        if (required >> i & 1) {
            field_mask_exact(&fields[i], mask);
        }
    }
}

/* The mask under which every packet gets this rule, which has wildcards. Rules that have none
 * may take single packets out of any entry: then all fields count. Tables that hold many
 * entries compare whole fields: the mask of each field that counts at all becomes exact. */
static void
set_mask(const struct dp_bridge *bridge, const struct flow_key *key,
         const struct derive_rule *rule, struct flow_mask *mask)
{
    bool all = classifier_has_exact(bridge->classifier) || rule->has_exact;
    bool learns = derive_learns(rule->actions);
    *mask = classifier_profiles(bridge->classifier, key)->profile[0]->mask;
    for (unsigned i = 0; rule->also && i < FLOW_LANES; i++) {
        mask->bits.lane[i] |= rule->also->bits.lane[i];
    }
    for (unsigned i = 0; i < N_FIELDS; i++) {
        bool learnt = i == FIELD_DL_SRC || i == FIELD_DL_DST || i == FIELD_VLAN;
        if (all || (learns && learnt) || field_mask_mode(&fields[i], mask)) {
            field_mask_exact(&fields[i], mask);
        }
    }
    add_kind_of_frame(bridge, key->in_port, mask);
}

static void
set_match(const struct dp_bridge *bridge, const struct flow_key *key,
          const struct derive_rule *rule, bool drop_fragments, struct hal_derivation *d)
{
    d->exact_rule = rule->rank == RULE_RANK_EXACT;
    if (d->exact_rule) {
        d->match = *rule->match;
    } else {
        set_mask(bridge, key, rule, &d->match.mask);
    }
    if (drop_fragments) {
        d->match.mask.bits.nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    }
}

static bool
receives_all(const struct dp_port *port)
{
    const uint32_t both = PORT_PATH_RX | PORT_PATH_RX_STP;
    return (path_of(port) & both) == both;
}

void
derive_from(const struct dp_bridge *bridge, const struct flow_key *key,
            const struct derive_rule *rule, struct action_list *room, struct hal_derivation *d)
{
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    bool drop_fragments = atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed);
    *d = (struct hal_derivation) {
        .cookie = rule->cookie,
        .priority = (uint16_t) (rule->rank < RULE_RANK_EXACT ? rule->rank : UINT16_MAX),
        .verdict = { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE },
    };
    set_match(bridge, key, rule, drop_fragments, d);
    if (in_band_narrow(bridge, key, &d->match.mask)) {
        refuse(d, HAL_REASON_PER_PACKET, HAL_OBJECT_NONE, 0);
        return;
    }
    flow_key_mask(key, &d->match.mask, &d->match.value);
    if (drop_fragments && key->nw_frag) {
        refuse(d, HAL_REASON_FRAGMENT, HAL_OBJECT_NONE, 0);
        return;
    }
    if (!receives_all(port_map_find(map, key->in_port))) {
        refuse(d, HAL_REASON_INGRESS_BLOCKED, HAL_OBJECT_NONE, key->in_port);
        return;
    }
    struct resolver r = { .bridge = bridge, .key = key, .map = map, .d = d, .room = room,
                          .now = frame_begin(key), .is_sample = rule->is_sample };
    if (resolve(&r, rule->actions)) {
        d->actions = room;
    } else {
        refuse(d, r.refusal, ACTION_OUTPUT, r.refused_port);
    }
}

void
derive_exact_match(const struct dp_bridge *bridge, const struct flow_match *rule,
                   struct flow_match *out)
{
    *out = *rule;
    if (atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed)) {
        out->mask.bits.nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    }
}

void
derive_whole(const struct dp_bridge *bridge, const struct derive_rule *rule,
             struct action_list *room, struct hal_derivation *d)
{
    const struct flow_key *key = &rule->match->value;
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    *d = (struct hal_derivation) {
        .match = *rule->match, .cookie = rule->cookie, .priority = (uint16_t) rule->rank,
        .is_whole = true,
        .verdict = { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE },
    };
    if (derive_learns(rule->actions)) {
        refuse(d, HAL_REASON_PER_PACKET, ACTION_OUTPUT, PORT_NORMAL);
        return;
    }
    if (in_band_overlaps(bridge, rule->match)) {
        refuse(d, HAL_REASON_PER_PACKET, HAL_OBJECT_NONE, 0);
        return;
    }
    if (!key->nw_frag && !rule->match->mask.bits.nw_frag
        && atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed)) {
        refuse(d, HAL_REASON_FRAGMENT, HAL_OBJECT_NONE, 0);
        return;
    }
    if (!receives_all(port_map_find(map, key->in_port))) {
        refuse(d, HAL_REASON_INGRESS_BLOCKED, HAL_OBJECT_NONE, key->in_port);
        return;
    }
    struct resolver r = { .bridge = bridge, .key = key, .map = map, .d = d, .room = room,
                          .now = frame_begin(key) };
    if (resolve(&r, rule->actions)) {
        d->actions = room;
    } else {
        refuse(d, r.refusal, ACTION_OUTPUT, r.refused_port);
    }
}

bool
derive_entry(const struct dp_bridge *bridge, const struct flow_key *key, struct action_list *room,
             struct hal_derivation *d)
{
    struct rule *rule = classifier_lookup(bridge->classifier, key);
    struct flow_match match;
    if (!rule) {
        memset(d, 0, sizeof *d);
        d->verdict.field = d->verdict.action = HAL_OBJECT_NONE;
        return false;
    }
    classifier_rule_match(bridge->classifier, rule, &match);
    const struct derive_rule from = {
        .match = &match, .rank = rule->rank,
        .cookie = bridge->ops->rule_cookie ? bridge->ops->rule_cookie(bridge->ops_aux, rule) : 0,
        .actions = atomic_load_explicit(&rule->actions, memory_order_relaxed),
    };
    derive_from(bridge, key, &from, room, d);
    d->owner = rule;
    d->has_whole = !d->exact_rule && offload_whole_match(bridge, &match, key->in_port, &d->whole)
                   && flow_match_contains(&d->whole, key);
    return true;
}
