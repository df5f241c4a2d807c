/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted of an entry, and what its device has: see hal/internal.h. */
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"

void
engine_count_table(struct hal_device *device, const struct entry *e, int change)
{
    uint32_t *refs = &device->mask_refs[e->table][e->mask];
    device->entries[e->table] += (uint32_t) change;
    device->n_masks[e->table] += change > 0 ? !*refs : 0;
    *refs += (uint32_t) change;
    device->n_masks[e->table] -= change < 0 ? !*refs : 0;
}

void
engine_set_verdict(struct hal *hal, struct entry *e, const struct hal_verdict *verdict)
{
    if (e->flags & ENTRY_REFUSED) {
        if (e->verdict) {
            hal->verdicts[e->verdict].error = (int32_t) hal->free_verdict;
            hal->free_verdict = e->verdict;
        }
        e->verdict = 0;
        e->reason = 0;
        e->flags &= (uint16_t) ~ENTRY_REFUSED;
    }
    if (!verdict) {
        return;
    }
    e->handle = 0;
    e->flags |= ENTRY_REFUSED;
    uint32_t v = hal->free_verdict;
    if (v) {
        hal->free_verdict = (uint32_t) hal->verdicts[v].error;
    } else {
        if (hal->n_verdicts + 1 >= hal->max_verdicts) {
            uint32_t max = hal->max_verdicts ? hal->max_verdicts * 2 : 64;
            void *more = realloc(hal->verdicts, max * sizeof *hal->verdicts);
            if (!more) {
                return;              /* the reason is still there, without words */
            }
            hal->verdicts = more;
            hal->max_verdicts = max;
        }
        v = ++hal->n_verdicts;
    }
    hal->verdicts[v] = *verdict;
    e->verdict = v;
}

uint32_t
engine_demote_pps(const struct hal *hal)
{
    return hal->keep_used_ms ? 0 : hal->config.demote_pps;
}

bool
engine_is_refused_yet(const struct entry *e)
{
    uint32_t ms = e->reason == HAL_REASON_IDLE ? HAL_IDLE_RETRY_MS : HAL_REFUSED_MS;
    return e->flags & ENTRY_REFUSED && (uint32_t) clock_ms() - e->used_ms <= ms;
}

void
engine_set_wanted(struct hal *hal, struct entry *e, uint32_t actions)
{
    uint32_t before = e->wanted;
    uint32_t *n = &hal->devices[e->device]->n_wanted[e->table];
    *n += (uint32_t) (actions != 0) - (uint32_t) (before != 0);
    if (before && !actions) {
        whole_unguard(hal, e);
    }
    e->wanted = actions;
    entry_regroup(hal->store, entry_index(hal->store, e));
    entry_actions_put(hal->store, before);
}

/* The entry is where it should be. One that is nowhere, and has nothing to remember, goes. */
void
engine_at_rest(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    uint32_t debt = account_take(e);
    whole_release(hal, index);
    bool is_out = !e->has && !(e->flags & ENTRY_LIMBO);
    if (is_out && e->flags & ENTRY_AGAIN) {
        e->flags &= (uint16_t) ~ENTRY_AGAIN;
        engine_rederive(hal, index);
    } else if (is_out && e->reason == HAL_REASON_IDLE && !(e->flags & ENTRY_REFUSED)) {
        idle_is_out(hal, index);
    } else if (is_out && !(e->flags & ENTRY_REFUSED)) {
        entry_free(hal->store, index);
    }
    account_pay(hal, debt, 0);
}

bool
engine_is_at_rest(const struct entry *e)
{
    return e->has == e->wanted && !(e->flags & (ENTRY_UNKNOWN | ENTRY_ADOPT));
}

void
engine_set_has(struct hal_device *device, struct entry *e, uint32_t actions)
{
    struct hal *hal = device->hal;
    if (!e->has != !actions) {
        engine_count_table(device, e, actions ? 1 : -1);
    }
    uint32_t before = e->has;
    entry_actions_ref(hal->store, actions);
    e->has = actions;
    entry_regroup(hal->store, entry_index(hal->store, e));
    entry_actions_put(hal->store, before);
}

void
engine_settle(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->flags & (ENTRY_IN_FLIGHT | ENTRY_QUEUED)) {
        return;
    }
    if (engine_is_at_rest(e)) {
        engine_at_rest(hal, index);
        return;
    }
    struct hal_device *device = hal->devices[e->device];
    if (device->fenced) {            /* nothing of it forwards: engine_fence() has seen to that */
        account_pay(hal, account_take(e), 0);
        return;
    }
    bool urgent = e->has || e->flags & ENTRY_UNKNOWN;
    if (fifo_push(urgent ? &device->urgent : &device->normal, index)) {
        e->flags |= ENTRY_QUEUED;
        if (device->urgent.n + device->normal.n == 1) {
            hal_wake(hal);           /* the others go with this one */
        }
    } else {
        engine_fence(device, HAL_REASON_NO_MEMORY, "no memory for the changes that wait");
    }
}

void
engine_want_nothing(struct hal *hal, uint32_t index, enum hal_reason reason)
{
    struct entry *e = entry_at(hal->store, index);
    e->reason = (uint8_t) reason;
    engine_set_wanted(hal, e, 0);
    engine_settle(hal, index);
}

/* Whether something other than 'actions' is, or will be, in the device for the entry. */
static bool
is_replaced_by(const struct entry *e, uint32_t actions)
{
    return (e->has && e->has != actions) || (e->flags & ENTRY_IN_FLIGHT && e->sent && e->sent != actions)
           || e->flags & ENTRY_UNKNOWN;
}

/* The source has a derivation with other owner or mask, or none: out, and in again later. */
void
engine_leave(struct hal *hal, uint32_t index, bool again, enum hal_reason reason)
{
    struct entry *e = entry_at(hal->store, index);
    if (is_replaced_by(e, 0)) {
        account_owe(hal, e);
    }
    e->flags = (uint16_t) (again ? e->flags | ENTRY_AGAIN : e->flags & ~ENTRY_AGAIN);
    e->flags &= (uint16_t) ~ENTRY_LIMBO;
    engine_set_verdict(hal, e, NULL);
    if (!e->has && !(e->flags & (ENTRY_IN_FLIGHT | ENTRY_UNKNOWN | ENTRY_ADOPT))) {
        /* It was never told of: nothing will be counted for the owner, who need not wait. */
        entry_set_owner(hal->store, index, NULL, 0);
    }
    engine_want_nothing(hal, index, reason);
}

void
engine_note_dependencies(struct entry *e, const struct hal_derivation *d)
{
    e->flags &= (uint16_t) ~(ENTRY_EXACT_RULE | ENTRY_DEP_ADDRESS | ENTRY_DEP_FLOOD | ENTRY_WHOLE
                             | ENTRY_RULE_GONE);
    e->flags |= (uint16_t) ((d->exact_rule ? ENTRY_EXACT_RULE : 0) | (d->is_whole ? ENTRY_WHOLE : 0)
                            | (d->depends.address ? ENTRY_DEP_ADDRESS : 0)
                            | (d->depends.flood ? ENTRY_DEP_FLOOD : 0));
    e->priority = d->priority;
}

/* What packets of the entry get can't differ if the source looks at nothing else in them. */
static bool
looks_at_all(const struct hal *hal, const struct entry *e, const struct flow_mask *mask)
{
    const struct flow_mask *has = entry_mask(hal->store, e);
    uint64_t missing = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        missing |= mask->bits.lane[i] & ~has->bits.lane[i];
    }
    return !missing;
}

/* A limbo entry that the source says the same of becomes an entry like others; what the
 * device counted before is its base, credited to nobody. */
static bool
adopt(struct hal *hal, uint32_t index, const struct hal_derivation *d, uint32_t actions)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->has != actions || !looks_at_all(hal, e, &d->match.mask)
        || !entry_set_owner(hal->store, index, d->owner, d->cookie)) {
        return false;
    }
    e->flags &= (uint16_t) ~ENTRY_LIMBO;
    counter_inc(COUNTER_hal_adopted);
    return true;
}

static bool
same_owner(const struct hal *hal, const struct entry *e, const struct hal_derivation *d)
{
    const struct entry_owner *owner = entry_owner(hal->store, e);
    return owner && owner->owner == d->owner;
}

/* What the source says of an entry that is, or will be, in a device. */
static void
take_derivation(struct hal *hal, uint32_t index, const struct hal_derivation *d)
{
    struct entry *e = entry_at(hal->store, index);
    uint32_t actions = entry_actions_get(hal->store, e->bridge, d->actions);
    bool limbo = e->flags & ENTRY_LIMBO;
    bool same_mask = flow_key_equal(&entry_mask(hal->store, e)->bits, &d->match.mask.bits);
    bool mine = actions && (limbo ? adopt(hal, index, d, actions) : same_mask && same_owner(hal, e, d));
    if (!mine) {
        /* Under another mask the entry is not what packets would get now; who has such
         * packets offers them anew. */
        entry_actions_put(hal->store, actions);
        engine_leave(hal, index, same_mask, HAL_REASON_DEPENDS_CHANGED);
        return;
    }
    engine_note_dependencies(e, d);
    entry_set_owner(hal->store, index, d->owner, d->cookie);   /* which is its owner: the cookie */
    entry_regroup(hal->store, index);
    if (is_replaced_by(e, actions)) {
        account_owe(hal, e);
    }
    /* Where the entry is must be able to hold what it becomes. */
    struct hal_verdict verdict;
    engine_place(hal, index, d, &verdict);
    if (!verdict.reason && d->is_whole && !whole_is_guarded(hal, index, d)) {
        verdict.reason = HAL_REASON_OVERLAPPED;
    }
    if (verdict.reason) {
        entry_actions_put(hal->store, actions);
        engine_leave(hal, index, false, verdict.reason);
        return;
    }
    engine_set_wanted(hal, e, actions);
    engine_settle(hal, index);
}

void
engine_rederive(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    struct hal_bridge *bridge = hal->bridges[e->bridge];
    struct hal_derivation d;
    struct flow_match match;
    memset(&d, 0, sizeof d);
    entry_get_match(hal->store, e, &match);
    bool whole = e->flags & ENTRY_WHOLE, found = whole_is_limbo(hal, index, &d);
    if (!found) {
        found = whole ? bridge->source->derive_whole(bridge->aux, &match, e->priority, &d)
                      : bridge->source->derive(bridge->aux, &match.value, &d);
    }
    counter_inc(COUNTER_hal_rederived);
    if (!found && e->flags & ENTRY_LIMBO) {
        return;                      /* no rule yet: it stays until the grace ends */
    }
    if (!found || !d.actions) {
        engine_leave(hal, index, false, d.verdict.reason ? d.verdict.reason : HAL_REASON_TABLE_MISS);
        return;
    }
    if (e->has || (whole && e->wanted)
        || e->flags & (ENTRY_IN_FLIGHT | ENTRY_LIMBO | ENTRY_UNKNOWN)) {
        take_derivation(hal, index, &d);
        return;
    }
    /* Out of the device: a new beginning, possibly under another mask. */
    uint32_t pps = e->pps;
    if (pps >= engine_demote_pps(hal) && pps < hal->config.promote_pps) {
        pps = hal->config.promote_pps;   /* it was worth its place, and keeps it */
    }
    uint16_t priority = e->priority;
    e->flags &= (uint16_t) ~ENTRY_AGAIN;
    engine_set_verdict(hal, e, NULL);
    engine_set_wanted(hal, e, 0);
    if (!(e->flags & ENTRY_QUEUED)) {
        engine_settle(hal, index);
        if (whole) {
            hal_offer_whole(bridge, &match, priority, NULL);
        } else {
            hal_offer(bridge, &match.value, pps, NULL);
        }
    } else {
        e->flags |= ENTRY_AGAIN;
    }
}

bool
engine_may_move(struct hal *hal)
{
    return hal->config.max_moves_per_s == 0 || hal->moves_left > 0;
}
