/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as a whole, in tables with priorities.
 *
 * An entry of a whole rule takes all packets of its match that no entry above it takes. So it is
 * right only while every rule above it that overlaps it is in the device too: as a whole in the
 * same table or an earlier one, or without wildcards. These are its *guards*. An exact match that
 * was derived from a packet is right by itself, and guards nothing.
 *
 * What is wanted follows that (a rule whose guards are not all wanted is not wanted as a whole),
 * and so does the order of changes: an entry is added once its guards are there, and a guard goes
 * once nothing below it is left, unless its rule was deleted, since what is below is right for
 * its packets then. An entry that has to wait for another one is in that one's list of waiters.
 *
 * A guard that is not wanted any more leaves something below it that must go too: it is noted,
 * and done before a barrier closes its account and before anything goes to a device. If the guard
 * owed, what has to go owes in its place. */
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/counters.h"

/* --- guards ------------------------------------------------------------------------------- */

/* Where a whole rule is, or is to go. */
struct place {
    struct hal_bridge *bridge;
    const struct flow_match *match;
    const void *owner;
    uint16_t priority;
    uint8_t device, table;
    uint32_t pending;            /* a guard that the device has yet to get; ENTRY_NONE: none */
    bool owes;                   /* such guards owe */
};

/* True if the rule above guards the place. */
static bool
guards(const struct hal_above *above, void *place_)
{
    struct place *p = place_;
    struct hal *hal = p->bridge->hal;
    uint32_t index = entry_find(hal->store, p->bridge->id, above->match);
    struct entry *e = index ? entry_at(hal->store, index) : NULL;
    const struct entry_owner *owner = e ? entry_owner(hal->store, e) : NULL;
    if (!e || !e->wanted || !whole_is_guard(e) || !owner || owner->owner != above->owner
        || e->device != p->device || !whole_outranks(e, p->table, p->priority)) {
        return false;
    }
    if (!e->has || e->flags & ENTRY_UNKNOWN) {
        p->pending = p->pending ? p->pending : index;
        if (p->owes) {
            account_owe(hal, e);
        }
    }
    return true;
}

static bool
is_guarded(struct place *p)
{
    const struct hal_source *source = p->bridge->source;
    return source->each_above
           && source->each_above(p->bridge->aux, p->match, p->priority, p->owner, guards, p);
}

static struct place
place_of(const struct hal *hal, const struct entry *e, const struct flow_match *match)
{
    const struct entry_owner *owner = entry_owner(hal->store, e);
    return (struct place) { .bridge = hal->bridges[e->bridge], .match = match,
                            .owner = owner ? owner->owner : NULL, .priority = e->priority,
                            .device = e->device, .table = e->table };
}

bool
whole_is_guarded(struct hal *hal, uint32_t index, const struct hal_derivation *d)
{
    const struct entry *e = entry_at(hal->store, index);
    struct place place = place_of(hal, e, &d->match);
    place.owner = d->owner;
    place.owes = e->has || e->flags & ENTRY_IN_FLIGHT;
    return is_guarded(&place);
}

bool
whole_would_be_guarded(struct hal_bridge *bridge, const struct hal_derivation *d,
                       const struct hal_device *device, unsigned table)
{
    struct place place = { .bridge = bridge, .match = &d->match, .owner = d->owner,
                           .priority = d->priority, .device = device->index,
                           .table = (uint8_t) table };
    return is_guarded(&place);
}

/* --- guards that go ------------------------------------------------------------------------ */

void
whole_unguard(struct hal *hal, const struct entry *e)
{
    if (!hal->has_whole || !whole_is_guard(e) || e->flags & ENTRY_RULE_GONE) {
        return;
    }
    if (hal->n_unguarded == hal->max_unguarded) {
        uint32_t max = hal->max_unguarded ? hal->max_unguarded * 2 : 64;
        void *more = realloc(hal->unguarded, max * sizeof *hal->unguarded);
        if (!more) {
            hal->unguarded_lost = true;
            return;
        }
        hal->unguarded = more;
        hal->max_unguarded = max;
    }
    struct hal_unguarded *u = &hal->unguarded[hal->n_unguarded++];
    *u = (struct hal_unguarded) { .bridge = e->bridge, .device = e->device, .table = e->table,
                                  .priority = e->priority, .debt = e->debt };
    entry_get_match(hal->store, e, &u->match);
    account_hold(hal, u->debt);
}

struct leaving {
    struct hal *hal;
    const struct hal_unguarded *guard;
    uint32_t *at;
    size_t n, max;
    bool lost;
};

static void
collect_below(uint32_t index, void *aux)
{
    struct leaving *l = aux;
    const struct hal_unguarded *g = l->guard;
    const struct entry *e = entry_at(l->hal->store, index);
    struct entry guard = { .table = g->table, .priority = g->priority };
    bool below = e->flags & (ENTRY_WHOLE | ENTRY_LIMBO) && e->wanted && e->device == g->device
                 && whole_outranks(&guard, e->table, e->priority);
    if (below && l->n == l->max) {
        size_t max = l->max ? l->max * 2 : 64;
        void *more = realloc(l->at, max * sizeof *l->at);
        l->lost |= !more;
        l->at = more ? more : l->at;
        l->max = more ? max : l->max;
    }
    if (below && l->n < l->max) {
        l->at[l->n++] = index;
    }
}

/* What relied on the guard leaves; true if there was memory to find it all. */
static bool
let_leave(struct hal *hal, const struct hal_unguarded *guard)
{
    struct leaving l = { .hal = hal, .guard = guard };
    entry_for_each_overlap(hal->store, guard->bridge, &guard->match, collect_below, &l);
    hal->owe_to = guard->debt;
    for (size_t i = 0; i < l.n; i++) {
        if (entry_at(hal->store, l.at[i])->flags & ENTRY_USED) {
            counter_inc(COUNTER_hal_whole_unguarded);
            engine_leave(hal, l.at[i], false, HAL_REASON_OVERLAPPED);
        }
    }
    hal->owe_to = 0;
    free(l.at);
    return !l.lost;
}

void
whole_settle(struct hal *hal)
{
    bool ok = !hal->unguarded_lost;
    hal->unguarded_lost = false;
    while (hal->n_unguarded) {
        struct hal_unguarded guard = hal->unguarded[--hal->n_unguarded];
        uint32_t index = entry_find(hal->store, guard.bridge, &guard.match);
        bool back = index && entry_at(hal->store, index)->wanted;
        ok &= back || let_leave(hal, &guard);
        account_pay(hal, guard.debt, 0);
    }
    for (unsigned d = 0; !ok && d < hal->n_devices; d++) {
        engine_fence(hal->devices[d], HAL_REASON_NO_MEMORY, "no memory to find what relies on a rule");
    }
}

/* --- order --------------------------------------------------------------------------------- */

/* Something below the guard that the device has, or is about to get. What is wanted though the
 * guard is not does not rely on it: the guard's rule is in the source no more. */
static bool
is_below(const struct entry *e, const void *guard_)
{
    const struct entry *guard = guard_;
    return e->flags & (ENTRY_WHOLE | ENTRY_LIMBO) && e->device == guard->device
           && whole_outranks(guard, e->table, e->priority) && (guard->wanted || !e->wanted)
           && (e->has || e->flags & (ENTRY_IN_FLIGHT | ENTRY_UNKNOWN));
}

static uint32_t
find_below(struct hal *hal, const struct entry *e)
{
    struct flow_match match;
    entry_get_match(hal->store, e, &match);
    return entry_find_overlap(hal->store, e->bridge, &match, is_below, e);
}

static void
wait_for(struct hal *hal, uint32_t index, uint32_t other)
{
    entry_at(hal->store, index)->flags |= ENTRY_QUEUED;
    hal->next_waiter[index] = hal->first_waiter[other];
    hal->first_waiter[other] = index;
    counter_inc(COUNTER_hal_whole_waited);
}

/* Adding: true if a guard is not there yet. One that will never be makes it leave. */
static bool
must_wait_for_guard(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    struct flow_match match;
    entry_get_match(hal->store, e, &match);
    struct place place = place_of(hal, e, &match);
    if (!is_guarded(&place)) {
        engine_leave(hal, index, false, HAL_REASON_OVERLAPPED);
        whole_settle(hal);
        return true;
    }
    if (place.pending) {
        wait_for(hal, index, place.pending);
    }
    return place.pending != ENTRY_NONE;
}

static bool
must_wait_for_below(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    uint32_t below = e->flags & ENTRY_RULE_GONE ? ENTRY_NONE : find_below(hal, e);
    if (below && e->wanted) {        /* to be put in again; what is below can't stay meanwhile */
        engine_leave(hal, index, true, HAL_REASON_DEPENDS_CHANGED);
        whole_settle(hal);
    } else if (below) {
        wait_for(hal, index, below);
    }
    return below != ENTRY_NONE;
}

bool
whole_must_wait(struct hal *hal, uint32_t index, enum hal_change_kind kind)
{
    const struct entry *e = entry_at(hal->store, index);
    if (!hal->has_whole) {
        return false;
    }
    if (kind == HAL_ADD) {
        return e->flags & ENTRY_WHOLE && must_wait_for_guard(hal, index);
    }
    return kind == HAL_REMOVE && whole_is_guard(e) && must_wait_for_below(hal, index);
}

void
whole_release(struct hal *hal, uint32_t index)
{
    uint32_t waiter = hal->has_whole ? hal->first_waiter[index] : ENTRY_NONE;
    if (waiter) {
        hal->first_waiter[index] = ENTRY_NONE;
    }
    for (uint32_t next; waiter; waiter = next) {
        next = hal->next_waiter[waiter];
        hal->next_waiter[waiter] = ENTRY_NONE;
        entry_at(hal->store, waiter)->flags &= (uint16_t) ~ENTRY_QUEUED;
        engine_settle(hal, waiter);
    }
}

void
whole_forget(struct hal *hal, uint32_t index)
{
    if (hal->has_whole) {
        hal->first_waiter[index] = hal->next_waiter[index] = ENTRY_NONE;
    }
}

void
whole_lost(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    if (hal->has_whole && whole_is_guard(e) && e->wanted && find_below(hal, e)) {
        account_owe(hal, e);
    }
}
