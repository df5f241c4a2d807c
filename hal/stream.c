/* SPDX-License-Identifier: Apache-2.0 */
/* What the source says: offers, changes, policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"

/* --- placement ---------------------------------------------------------------------------- */

static enum hal_port_kind
port_kind(const void *aux, uint16_t no)
{
    const struct hal_port_rec *ingress = aux;
    const struct hal_bridge *bridge = ingress->bridge;
    const struct hal_port_rec *port = bridge_port(bridge, no);
    if (!port || !port->device) {
        return HAL_PORT_SOFTWARE;
    }
    if (port->port.config & (PORT_CONFIG_DOWN | PORT_CONFIG_NO_FWD)) {
        return HAL_PORT_DOWN;
    }
    /* A driver in the packet path sends by the port as software does, queues and all. */
    if (port->device == ingress->device && port->port.has_queues && !port->device->driver->process) {
        return HAL_PORT_BYPASSED;
    }
    return port->device == ingress->device ? HAL_PORT_HERE : HAL_PORT_ELSEWHERE;
}

/* The slowest of some entries in the table that may leave it. */
static uint32_t
find_cold(struct hal_device *device, unsigned table)
{
    struct hal *hal = device->hal;
    uint32_t coldest = ENTRY_NONE, limit = entry_limit(hal->store), seen = 0;
    for (unsigned tries = 0; limit > 1 && tries < 512 && seen < 32; tries++) {
        hal->random = hal->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t index = 1 + (uint32_t) ((hal->random >> 33) % (limit - 1));
        const struct entry *e = entry_at(hal->store, index);
        if (!(e->flags & ENTRY_USED) || e->device != device->index || e->table != table || !e->has
            || !e->wanted || e->flags & (ENTRY_EXACT_RULE | ENTRY_WHOLE | ENTRY_IN_FLIGHT | ENTRY_QUEUED)) {
            continue;
        }
        seen++;
        coldest = !coldest || e->pps < entry_at(hal->store, coldest)->pps ? index : coldest;
    }
    return coldest;
}

struct rooms {
    struct hal_room room[HAL_MAX_TABLES];
    uint32_t cold[HAL_MAX_TABLES];
};

static uint32_t
mask_refs(const struct hal_device *device, unsigned table, const struct flow_mask *mask)
{
    uint32_t id = entry_mask_find(device->hal->store, mask);
    return id ? device->mask_refs[table][id - 1] : 0;
}

static void
look_at_rooms(struct hal_device *device, const struct flow_mask *mask, struct rooms *rooms)
{
    uint64_t now_ms = clock_ms();
    for (unsigned t = 0; t < device->caps.n_tables; t++) {
        bool lately = now_ms - device->full_ms[t] < HAL_FULL_MS;
        struct hal_room *room = &rooms->room[t];
        *room = (struct hal_room) {
            .entries = device->n_wanted[t], .full_at = lately ? device->full_at[t] : 0,
            .coldest_pps = UINT32_MAX,
            .n_masks = device->n_masks[t], .has_mask = mask_refs(device, t, mask) > 0,
        };
        bool full = hal_room_is_full(&device->caps.table[t], room);
        rooms->cold[t] = full ? find_cold(device, t) : ENTRY_NONE;
        if (rooms->cold[t]) {
            room->coldest_pps = entry_at(device->hal->store, rooms->cold[t])->pps;
        }
    }
}

/* Where it goes by what is known of the device: see stream_place(). */
static uint32_t
place(struct hal_bridge *bridge, const struct hal_derivation *d, uint32_t pps,
      const struct entry *at, const struct hal_plan *plan, struct hal_placement *out,
      struct hal_device **device)
{
    struct hal *hal = bridge->hal;
    const struct hal_port_rec *ingress = bridge_port(bridge, d->match.value.in_port);
    const struct hal_policy_rule *policy = hal_policy_of(bridge, d->cookie);
    struct rooms rooms;
    *out = (struct hal_placement) { .table = -1 };
    out->verdict.field = out->verdict.action = HAL_OBJECT_NONE;
    *device = ingress ? ingress->device : NULL;
    if (*device && (*device)->fenced) {
        out->verdict.reason = (uint16_t) (*device)->fenced_for;
        snprintf(out->verdict.words, sizeof out->verdict.words, "%s", (*device)->why_fenced);
        return ENTRY_NONE;
    }
    if (*device && bridge->is_capturing && flow_match_overlaps(&bridge->captured, &d->match)) {
        out->verdict.reason = HAL_REASON_CAPTURED;
        return ENTRY_NONE;
    }
    if (*device) {
        look_at_rooms(*device, &d->match.mask, &rooms);
    }
    if (*device && plan) {
        plan_fill_rooms(plan, *device, &d->match.mask, rooms.room);
    }
    struct hal_place_input in = {
        .caps = *device ? &(*device)->caps : NULL, .room = rooms.room, .match = &d->match,
        .actions = d->actions, .ports = &(struct hal_ports_view) { port_kind, ingress },
        .policy = policy->policy, .allow_uncounted = policy->allow_uncounted,
        .exact_rule = d->exact_rule, .whole = d->is_whole, .whole_rules = policy->whole_rules,
        .placed = at != NULL, .may_move = plan || engine_may_move(hal),
        .pps = pps, .promote_pps = hal->config.promote_pps, .demote_pps = engine_demote_pps(hal),
    };
    hal_place(&in, out);
    return out->table >= 0 && out->evict ? rooms.cold[out->table] : ENTRY_NONE;
}

/* The driver's own word on what capabilities can't say. */
static void
ask_driver(const struct hal_device *device, const struct hal_derivation *d,
           struct hal_placement *out)
{
    struct hal_entry entry = { &d->match, d->actions, d->priority, (uint8_t) out->table };
    if (out->table >= 0 && device->driver->check
        && device->driver->check(device->state, &entry, &out->verdict)) {
        out->verdict.reason = hal_reason_name(out->verdict.reason) ? out->verdict.reason
                                                                   : HAL_REASON_DRIVER_REFUSED;
        out->verdict.table = (uint8_t) out->table;
        out->verdict.has_table = true;
        out->table = -1;
    }
}

uint32_t
stream_place(struct hal_bridge *bridge, const struct hal_derivation *d, uint32_t pps,
             const struct entry *at, const struct hal_plan *plan, struct hal_placement *out,
             struct hal_device **device)
{
    uint32_t cold = place(bridge, d, pps, at, plan, out, device);
    ask_driver(*device, d, out);
    return cold;
}

const struct entry *
stream_place_anew(struct hal_bridge *bridge, const struct hal_derivation *d,
                  const struct hal_plan *plan, struct hal_placement *out,
                  struct hal_device **device)
{
    const struct entry_store *store = bridge->hal->store;
    uint32_t index = entry_find(store, bridge->id, &d->match);
    const struct entry *e = index ? entry_at(store, index) : NULL;
    const struct entry *at = e && e->wanted ? e : NULL;
    stream_place(bridge, d, UINT32_MAX, at, plan, out, device);
    return at;
}

/* An entry that is in a table, for the actions it is to have now: whether it is worth its
 * place is not asked here. */
void
engine_place(struct hal *hal, uint32_t index, const struct hal_derivation *d,
             struct hal_verdict *verdict)
{
    struct entry *e = entry_at(hal->store, index);
    struct hal_placement out;
    struct hal_device *device;
    stream_place(hal->bridges[e->bridge], d, UINT32_MAX, e, NULL, &out, &device);
    if (out.table >= 0 && (device->index != e->device || out.table != e->table)) {
        /* It would go to another table now: what it is in must do as well, or it moves. */
        struct hal_ports_view view = { port_kind, bridge_port(hal->bridges[e->bridge],
                                                              d->match.value.in_port) };
        hal_fits(&hal->devices[e->device]->caps.table[e->table], &d->match, d->actions, &view,
                 &out.verdict);
    }
    *verdict = out.verdict;
}

bool
hal_check(struct hal_bridge *bridge, const struct hal_derivation *d, struct hal_verdict *verdict)
{
    struct hal_placement out;
    struct hal_device *device;
    *verdict = d->verdict;
    if (!d->actions) {
        return false;
    }
    stream_place_anew(bridge, d, NULL, &out, &device);
    *verdict = out.verdict;
    if (out.table >= 0) {
        verdict->table = (uint8_t) out.table;
        verdict->has_table = true;
    }
    return out.table >= 0 && out.evict;
}

/* --- offers ---------------------------------------------------------------------------------- */

static void
evict(struct hal *hal, uint32_t index)
{
    counter_inc(COUNTER_hal_evicted);
    hal->devices[entry_at(hal->store, index)->device]->demoted++;
    engine_want_nothing(hal, index, HAL_REASON_TABLE_FULL);
}

/* Makes an entry of a derivation that has a place. */
static bool
make_entry(struct hal_bridge *bridge, const struct hal_derivation *d, uint32_t pps,
           const struct hal_device *device, unsigned table)
{
    struct hal *hal = bridge->hal;
    uint32_t actions = entry_actions_get(hal->store, bridge->id, d->actions);
    uint32_t index = actions ? entry_new(hal->store, bridge->id, &d->match) : ENTRY_NONE;
    if (!index) {
        entry_actions_put(hal->store, actions);
        counter_inc(COUNTER_hal_no_memory);
        return false;
    }
    struct entry *e = entry_at(hal->store, index);
    e->device = device->index;
    e->table = (uint8_t) table;
    e->pps = pps;
    engine_set_wanted(hal, e, actions);
    e->reason = HAL_REASON_PENDING;
    engine_note_dependencies(e, d);
    if (!entry_set_owner(hal->store, index, d->owner, d->cookie)) {
        engine_set_wanted(hal, e, 0);
        entry_free(hal->store, index);
        counter_inc(COUNTER_hal_no_memory);
        return false;
    }
    engine_settle(hal, index);
    return true;
}

static void
offer_new(struct hal_bridge *bridge, const struct hal_derivation *d, uint32_t pps,
          struct hal_verdict *verdict)
{
    struct hal_placement out;
    struct hal_device *device;
    uint32_t cold = stream_place(bridge, d, pps, NULL, NULL, &out, &device);
    *verdict = out.verdict;
    if (out.table < 0) {
        return;
    }
    if (cold) {
        evict(bridge->hal, cold);
    }
    if (!make_entry(bridge, d, pps, device, (unsigned) out.table)) {
        verdict->reason = HAL_REASON_NO_MEMORY;
        return;
    }
    device->moves += !d->exact_rule;
    device->promoted += !d->exact_rule;
    bridge->hal->moves_left -= !d->exact_rule && bridge->hal->moves_left > 0;
}

bool
stream_take_place(struct hal_bridge *bridge, const struct hal_derivation *d,
                  struct hal_device *device, unsigned table, uint32_t cold)
{
    if (cold) {
        evict(bridge->hal, cold);
    }
    return make_entry(bridge, d, 0, device, table);
}

/* Offers the rule as a whole; to a table whose entries are for all ports, on all of them, since none
 * can have it without the others. */
static bool
offer_whole(struct hal_bridge *bridge, const struct hal_derivation *d, struct hal_verdict *verdict)
{
    struct flow_match whole = d->whole;
    uint16_t in_port = whole.value.in_port, priority = d->priority;
    const struct hal_device *device = hal_port_device(bridge, in_port);
    for (unsigned i = 0; device && device->caps.table[0].all_ports && i < bridge->n_ports; i++) {
        whole.value.in_port = bridge->ports[i].port.no;
        if (bridge->ports[i].device == device && whole.value.in_port != in_port) {
            hal_offer_whole(bridge, &whole, priority, NULL);
        }
    }
    whole.value.in_port = in_port;
    return hal_offer_whole(bridge, &whole, priority, verdict);
}

/* The entry of that match, of which software got packets, if it was offered for these. */
static uint32_t
note_packets(struct hal_bridge *bridge, const struct flow_match *match, uint32_t pps)
{
    uint32_t index = entry_find(bridge->hal->store, bridge->id, match);
    if (index && pps) {
        idle_offered(bridge->hal, index);
    }
    return index;
}

void
hal_offer(struct hal_bridge *bridge, const struct flow_key *key, uint32_t pps,
          struct hal_verdict *verdict)
{
    struct hal *hal = bridge->hal;
    struct hal_verdict unused;
    struct hal_derivation d;
    memset(&d, 0, sizeof d);
    verdict = verdict ? verdict : &unused;
    if (!bridge->source->derive(bridge->aux, key, &d)) {
        *verdict = (struct hal_verdict) { .reason = HAL_REASON_TABLE_MISS,
                                          .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
        return;
    }
    if (!d.actions) {
        *verdict = d.verdict;
        return;
    }
    if (d.has_whole && hal_takes_whole(bridge, key->in_port, d.cookie)
        && offer_whole(bridge, &d, verdict)) {
        note_packets(bridge, &d.whole, pps);
        return;
    }
    uint32_t index = note_packets(bridge, &d.match, pps);
    if (!index) {
        offer_new(bridge, &d, pps, verdict);
        return;
    }
    struct entry *e = entry_at(hal->store, index);
    memset(verdict, 0, sizeof *verdict);
    verdict->reason = e->reason;
    if (e->flags & ENTRY_REFUSED && e->verdict) {
        *verdict = hal->verdicts[e->verdict];
    }
    bool retry = e->flags & ENTRY_REFUSED && !engine_is_refused_yet(e);
    if (retry || (!e->has && !e->wanted && !(e->flags & (ENTRY_IN_FLIGHT | ENTRY_REFUSED)))) {
        engine_rederive(hal, index);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Entries are collected first: deriving again may make and free others. */
struct found {
    uint32_t *at;
    size_t n, max;
    struct hal *hal;
    bool lost;
};

static void
collect(uint32_t index, void *aux)
{
    struct found *found = aux;
    if (found->n == found->max) {
        size_t max = found->max ? found->max * 2 : 256;
        void *more = realloc(found->at, max * sizeof *found->at);
        if (!more) {
            found->lost = true;
            return;
        }
        found->at = more;
        found->max = max;
    }
    found->at[found->n++] = index;
}

/* Without memory to remember them all, the devices are fenced: what is not known to be right
 * must not forward. */
static void
for_found(struct found *found, void (*act)(struct hal *, uint32_t index))
{
    struct hal *hal = found->hal;
    for (size_t i = 0; i < found->n; i++) {
        if (entry_at(hal->store, found->at[i])->flags & ENTRY_USED) {
            act(hal, found->at[i]);
        }
    }
    for (unsigned d = 0; found->lost && d < hal->n_devices; d++) {
        engine_fence(hal->devices[d], HAL_REASON_NO_MEMORY, "no memory to find what a change overlaps");
    }
    free(found->at);
}

static void
rederive_found(struct found *found)
{
    for_found(found, engine_rederive);
}

static void
end_limbo(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->flags & ENTRY_LIMBO) {
        e->flags &= (uint16_t) ~ENTRY_LIMBO;
        account_owe(hal, e);
        engine_want_nothing(hal, index, HAL_REASON_TABLE_MISS);
    }
}

static void
leave_again(struct hal *hal, uint32_t index)
{
    entry_at(hal->store, index)->flags |= ENTRY_RULE_GONE;
    engine_leave(hal, index, true, HAL_REASON_DEPENDS_CHANGED);
}

static void
leave_replaced(struct hal *hal, uint32_t index)
{
    engine_leave(hal, index, true, HAL_REASON_DEPENDS_CHANGED);
}

/* A rule came that has some of the entry's packets; its own entry is as it should be. */
static void
rule_overlaps(struct hal *hal, uint32_t index, const void *owner, uint32_t rank)
{
    struct entry *e = entry_at(hal->store, index);
    const struct entry_owner *of = entry_owner(hal->store, e);
    bool was_limbo = e->flags & ENTRY_LIMBO;
    if (!(e->flags & ENTRY_USED) || (of && of->owner == owner)) {
        return;
    }
    if (e->flags & ENTRY_WHOLE && e->wanted) {
        whole_rule_above(hal, index, owner, rank);
        return;
    }
    engine_rederive(hal, index);
    if (was_limbo && e->flags & ENTRY_LIMBO && !whole_stays_in_limbo(hal, index, owner, rank)) {
        end_limbo(hal, index);       /* it is not known to have none of the rule's packets */
    }
}

void
hal_rule_added(struct hal_bridge *bridge, const void *owner, const struct flow_match *match,
               uint32_t rank)
{
    struct hal *hal = bridge->hal;
    struct found found = { .hal = hal };
    hal->version++;
    entry_for_each_overlap(hal->store, bridge->id, match, collect, &found);
    for (size_t i = 0; i < found.n; i++) {
        rule_overlaps(hal, found.at[i], owner, rank);
    }
    found.n = 0;                     /* they are done; without memory for all, devices are fenced */
    for_found(&found, engine_rederive);
}

void
hal_changed_match(struct hal_bridge *bridge, const struct flow_match *match)
{
    struct found found = { .hal = bridge->hal };
    bridge->hal->version++;
    entry_for_each_overlap(bridge->hal->store, bridge->id, match, collect, &found);
    rederive_found(&found);
}

void
hal_deleted_match(struct hal_bridge *bridge, const struct flow_match *match)
{
    struct hal *hal = bridge->hal;
    struct found found = { .hal = hal };
    hal->version++;
    entry_for_each_overlap(hal->store, bridge->id, match, collect, &found);
    for (size_t i = 0; i < found.n; i++) {
        end_limbo(hal, found.at[i]);
    }
    rederive_found(&found);
}

void
hal_changed_owner(struct hal_bridge *bridge, void *owner)
{
    struct found found = { .hal = bridge->hal };
    bridge->hal->version++;
    entry_for_each_of_owner(bridge->hal->store, bridge->id, owner, collect, &found);
    rederive_found(&found);
}

void
hal_owner_gone(struct hal_bridge *bridge, void *owner)
{
    struct found found = { .hal = bridge->hal };
    bridge->hal->version++;
    entry_for_each_of_owner(bridge->hal->store, bridge->id, owner, collect, &found);
    for_found(&found, leave_again);
}

void
hal_owner_replaced(struct hal_bridge *bridge, void *owner)
{
    struct found found = { .hal = bridge->hal };
    bridge->hal->version++;
    entry_for_each_of_owner(bridge->hal->store, bridge->id, owner, collect, &found);
    for_found(&found, leave_replaced);
}

bool
hal_owner_is_used(const struct hal_bridge *bridge, const void *owner)
{
    return entry_owner_is_used(bridge->hal->store, bridge->id, owner);
}

static void
collect_address(uint32_t index, void *aux)
{
    const struct found *found = aux;
    if (entry_at(found->hal->store, index)->flags & ENTRY_DEP_ADDRESS) {
        collect(index, aux);
    }
}

/* Actions may change the VLAN before they ask for the address: those of other VLANs are derived
 * again for nothing. */
void
hal_changed_address(struct hal_bridge *bridge, const uint8_t addr[6])
{
    struct found found = { .hal = bridge->hal };
    entry_for_each_of_address(bridge->hal->store, bridge->id, addr, collect_address, &found);
    rederive_found(&found);
}

void
hal_changed_config(struct hal_bridge *bridge)
{
    struct found found = { .hal = bridge->hal };
    struct flow_match all = { 0 };
    bridge->hal->version++;
    entry_for_each_overlap(bridge->hal->store, bridge->id, &all, collect, &found);
    rederive_found(&found);
}

/* A port's flags are the driver's to follow: one that can't, or does not answer, is stopped. */
static void
tell_driver(struct hal_device *device, const struct hal_port *port)
{
    char error[HAL_ERROR_SIZE] = "it did not say why";
    if (!device_enter(device, HAL_OP_MS, error)) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, error);
        return;
    }
    struct hal_call call = call_port(HAL_PORT_CHANGE, port);
    if (!device_call(device, HAL_OP_MS, &call)) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, call.error);
        return;
    }
    device_leave(device);
    if (call.result) {
        char why[HAL_WORDS_SIZE];
        snprintf(why, sizeof why, "it did not take a change of port %u: %.60s", port->no, call.error);
        counter_inc(COUNTER_hal_contract);
        engine_fence(device, HAL_REASON_DRIVER_FAULT, why);
    }
}

void
hal_changed_port(struct hal_bridge *bridge, const struct hal_port *port)
{
    struct found found = { .hal = bridge->hal };
    struct hal_port_rec *rec = bridge_port(bridge, port->no);
    bridge->hal->version++;
    if (rec) {
        rec->port = *port;
        if (rec->device && !rec->device->gone) {
            tell_driver(rec->device, port);
        }
    }
    entry_for_each_on_port(bridge->hal->store, bridge->id, port->no, collect, &found);
    rederive_found(&found);
}

/* --- policy ------------------------------------------------------------------------------------ */

/* Whether entries of flows with the cookie are placed in another way by the one list than by the
 * other. */
struct policies {
    struct found found;
    const struct hal_bridge *bridge;
    const struct hal_policy_rule *before;
    unsigned n_before;
};

static void
collect_policy(uint32_t index, void *aux)
{
    struct policies *p = aux;
    const struct entry_store *store = p->bridge->hal->store;
    const struct entry_owner *owner = entry_owner(store, entry_at(store, index));
    if (owner && !hal_policy_same(hal_policy_in(p->before, p->n_before, owner->cookie),
                                  hal_policy_of(p->bridge, owner->cookie))) {
        collect(index, &p->found);
    }
}

int
hal_policies_set(struct hal_bridge *bridge, const struct hal_policy_rule rules[], unsigned n)
{
    struct hal_policy_rule before[HAL_MAX_POLICIES];
    struct policies p = { { .hal = bridge->hal }, bridge, before, bridge->n_policies };
    struct flow_match all = { 0 };
    if (n > HAL_MAX_POLICIES) {
        return -ENOSPC;
    }
    memcpy(before, bridge->policies, sizeof before);
    if (n) {
        memmove(bridge->policies, rules, n * sizeof rules[0]);
    }
    bridge->n_policies = n;
    bridge->hal->version++;
    entry_for_each_overlap(bridge->hal->store, bridge->id, &all, collect_policy, &p.found);
    rederive_found(&p.found);
    return 0;
}
