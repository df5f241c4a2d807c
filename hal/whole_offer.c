/* SPDX-License-Identifier: Apache-2.0 */
/* Whole rules that come: offered, found at start, or above what is there. See hal/whole.c. */
#include <stdlib.h>

#include "hal/entry_private.h"
#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/hash.h"

enum { MAX_MASKS = 512 };        /* of the store's: exact matches need some, too */

/* --- offers --------------------------------------------------------------------------------- */

static bool
refuse(struct hal_verdict *verdict, enum hal_reason reason)
{
    *verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                      .action = HAL_OBJECT_NONE };
    return false;
}

bool
hal_takes_whole(const struct hal_bridge *bridge, uint16_t port, uint64_t cookie)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    const struct hal_policy_rule *policy = hal_policy_of(bridge, cookie);
    bool takes = false;
    if (!bridge->source->derive_whole || !rec || !rec->device || rec->device->fenced
        || policy->whole_rules == HAL_WHOLE_NO || policy->policy == HAL_SW_ONLY) {
        return false;
    }
    for (unsigned t = 0; t < rec->device->caps.n_tables; t++) {
        const struct hal_table_caps *caps = &rec->device->caps.table[t];
        takes |= caps->priorities && (caps->whole_rules || policy->whole_rules == HAL_WHOLE_YES);
    }
    return takes;
}

bool
hal_has_priorities(const struct hal_bridge *bridge, uint16_t port)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    bool has = false;
    for (unsigned t = 0; rec && rec->device && t < rec->device->caps.n_tables; t++) {
        has |= rec->device->caps.table[t].priorities;
    }
    return has;
}

bool
hal_whole_has_fragments(const struct hal_bridge *bridge, uint16_t port)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    bool has = false;
    for (unsigned t = 0; rec && rec->device && t < rec->device->caps.n_tables; t++) {
        has |= rec->device->caps.table[t].priorities && rec->device->caps.table[t].fragments;
    }
    return has;
}

/* Where it would go; false: nowhere. The derivation has actions. */
static bool
find_place(struct hal_bridge *bridge, const struct hal_derivation *d, const struct entry *at,
           struct hal_placement *out, struct hal_device **device, uint32_t *cold,
           struct hal_verdict *verdict)
{
    *cold = stream_place(bridge, d, UINT32_MAX, at, NULL, out, device);
    *verdict = out->verdict;
    if (out->table < 0) {
        return false;
    }
    if (!whole_would_be_guarded(bridge, d, *device, (unsigned) out->table)) {
        refuse(verdict, HAL_REASON_OVERLAPPED);
        verdict->table = (uint8_t) out->table;
        verdict->has_table = true;
        return false;
    }
    return true;
}

/* The rule as it is; false: there is none, or it can't be. */
static bool
derive(struct hal_bridge *bridge, const struct flow_match *whole, uint16_t priority,
       struct hal_derivation *d, struct hal_verdict *verdict)
{
    memset(d, 0, sizeof *d);
    if (!bridge->source->derive_whole
        || !bridge->source->derive_whole(bridge->aux, whole, priority, d)) {
        return refuse(verdict, HAL_REASON_TABLE_MISS);
    }
    *verdict = d->verdict;
    return d->actions;
}

bool
hal_check_whole(struct hal_bridge *bridge, const struct flow_match *whole, uint16_t priority,
                struct hal_verdict *verdict)
{
    struct hal_placement out;
    struct hal_derivation d;
    struct hal_device *device;
    uint32_t cold;
    if (!derive(bridge, whole, priority, &d, verdict)) {
        return false;
    }
    const struct entry_store *store = bridge->hal->store;
    uint32_t index = entry_find(store, bridge->id, &d.match);
    const struct entry *e = index ? entry_at(store, index) : NULL;
    return find_place(bridge, &d, e && e->wanted ? e : NULL, &out, &device, &cold, verdict);
}

/* What was refused is not asked about again until something of the source changes, or for a
 * second. */
static struct hal_no_whole *
memory_of(struct hal_bridge *bridge, const struct flow_match *whole, uint16_t priority, uint64_t *hash)
{
    *hash = hash_word((uint64_t) bridge->id << 16 | priority, 1);
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        *hash = hash_fold(*hash ^ whole->value.lane[i],
                          whole->mask.bits.lane[i] ^ UINT64_C(0x9e3779b97f4a7c15)) ^ *hash << 1;
    }
    return &bridge->hal->no_whole[*hash % HAL_NO_WHOLE_SLOTS];
}

/* False: there can't be an entry now. */
static bool
make_way(struct hal *hal, uint32_t index, bool *wanted)
{
    struct entry *e = entry_at(hal->store, index);
    *wanted = false;
    if (e->flags & ENTRY_LIMBO) {
        engine_rederive(hal, index);
        e = entry_at(hal->store, index);
        *wanted = e->flags & ENTRY_USED && e->wanted && !(e->flags & ENTRY_LIMBO);
        return false;
    }
    if (e->flags & ENTRY_WHOLE && e->wanted) {
        *wanted = true;
        return false;
    }
    if (e->has || e->wanted || e->flags & (ENTRY_IN_FLIGHT | ENTRY_QUEUED | ENTRY_UNKNOWN)) {
        e->flags |= e->wanted ? 0 : ENTRY_AGAIN;     /* once it is out */
        return false;
    }
    if (engine_is_refused_yet(e)) {
        return false;
    }
    engine_set_verdict(hal, e, NULL);
    engine_settle(hal, index);       /* it goes */
    return true;
}

static bool
offer(struct hal_bridge *bridge, const struct flow_match *whole, uint16_t priority,
      struct hal_verdict *verdict)
{
    struct hal *hal = bridge->hal;
    struct hal_placement out;
    struct hal_derivation d;
    struct hal_device *device;
    uint32_t cold;
    bool wanted;
    if (!derive(bridge, whole, priority, &d, verdict)) {
        return false;
    }
    uint32_t index = entry_find(hal->store, bridge->id, &d.match);
    if (index && !make_way(hal, index, &wanted)) {
        refuse(verdict, wanted ? 0 : HAL_REASON_PENDING);
        return wanted;
    }
    if (!entry_mask_find(hal->store, &d.match.mask) && entry_n_masks(hal->store) >= MAX_MASKS) {
        return refuse(verdict, HAL_REASON_TOO_MANY_MASKS);
    }
    if (!find_place(bridge, &d, NULL, &out, &device, &cold, verdict)) {
        return false;
    }
    return stream_take_place(bridge, &d, device, (unsigned) out.table, cold)
           || refuse(verdict, HAL_REASON_NO_MEMORY);
}

/* The first one makes room for lists of waiters. */
static bool
begin(struct hal *hal)
{
    if (!hal->has_whole) {
        hal->first_waiter = pages_reserve(ENTRY_MAX * sizeof *hal->first_waiter);
        hal->next_waiter = pages_reserve(ENTRY_MAX * sizeof *hal->next_waiter);
        hal->no_whole = calloc(HAL_NO_WHOLE_SLOTS, sizeof *hal->no_whole);
        hal->has_whole = hal->first_waiter && hal->next_waiter && hal->no_whole;
        if (!hal->has_whole) {
            whole_fini(hal);
        }
    }
    return hal->has_whole;
}

void
whole_fini(struct hal *hal)
{
    pages_release(hal->first_waiter, ENTRY_MAX * sizeof *hal->first_waiter);
    pages_release(hal->next_waiter, ENTRY_MAX * sizeof *hal->next_waiter);
    free(hal->no_whole);
    free(hal->unguarded);
    hal->first_waiter = hal->next_waiter = NULL;
    hal->no_whole = NULL;
    hal->unguarded = NULL;
}

bool
hal_offer_whole(struct hal_bridge *bridge, const struct flow_match *whole, uint16_t priority,
                struct hal_verdict *verdict)
{
    struct hal *hal = bridge->hal;
    struct hal_verdict unused;
    uint64_t hash, now_ms = clock_ms();
    verdict = verdict ? verdict : &unused;
    if (!begin(hal)) {
        return refuse(verdict, HAL_REASON_NO_MEMORY);
    }
    struct hal_no_whole *no = memory_of(bridge, whole, priority, &hash);
    if (no->hash == hash && no->version == hal->version && now_ms - no->when_ms < 1000) {
        return refuse(verdict, no->reason);
    }
    bool taken = offer(bridge, whole, priority, verdict);
    if (!taken) {
        *no = (struct hal_no_whole) { hash, hal->version, now_ms, (enum hal_reason) verdict->reason };
    }
    return taken;
}

bool
whole_is_limbo(struct hal *hal, uint32_t index, struct hal_derivation *d)
{
    const struct entry *e = entry_at(hal->store, index);
    struct hal_bridge *bridge = hal->bridges[e->bridge];
    struct hal_verdict verdict;
    struct flow_match match;
    bool may_be = e->flags & ENTRY_LIMBO && hal->devices[e->device]->caps.table[e->table].priorities
                  && begin(hal);
    if (may_be) {
        entry_get_match(hal->store, e, &match);
    }
    return may_be && (derive(bridge, &match, e->priority, d, &verdict) || d->owner);
}

/* --- rules that come ------------------------------------------------------------------------- */

struct looked_for {
    struct hal *hal;
    uint16_t port;
    uint32_t found;
};

static void
look(uint32_t index, void *aux)
{
    struct looked_for *l = aux;
    const struct entry *e = entry_at(l->hal->store, index);
    struct flow_match match;
    entry_get_match(l->hal->store, e, &match);
    if (whole_is_guard(e) && e->wanted && match.value.in_port == l->port) {
        l->found = index;
    }
}

/* The entry of the owner's that guards this one; NULL: none does. */
static struct entry *
find_guard(struct hal *hal, const struct entry *e, const void *owner)
{
    struct flow_match match;
    entry_get_match(hal->store, e, &match);
    struct looked_for l = { hal, match.value.in_port, ENTRY_NONE };
    entry_for_each_of_owner(hal->store, e->bridge, owner, look, &l);
    struct entry *guard = l.found ? entry_at(hal->store, l.found) : NULL;
    bool guards = guard && guard->device == e->device && whole_outranks(guard, e->table, e->priority);
    return guards ? guard : NULL;
}

void
whole_rule_above(struct hal *hal, uint32_t index, const void *owner, uint32_t rank)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->priority > rank) {
        return;
    }
    struct entry *guard = find_guard(hal, e, owner);
    if (!guard) {
        engine_leave(hal, index, false, HAL_REASON_OVERLAPPED);
    } else if (!guard->has && (e->has || e->flags & ENTRY_IN_FLIGHT)) {
        account_owe(hal, guard);     /* until it is there, its packets go as before */
    }
}

bool
whole_stays_in_limbo(struct hal *hal, uint32_t index, const void *owner, uint32_t rank)
{
    const struct entry *e = entry_at(hal->store, index);
    bool above = hal->has_whole && hal->devices[e->device]->caps.table[e->table].priorities
                 && rank > e->priority;
    struct entry *guard = above ? find_guard(hal, e, owner) : NULL;
    if (guard && !guard->has) {
        account_owe(hal, guard);
    }
    return guard;
}
