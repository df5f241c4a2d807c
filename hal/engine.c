/* SPDX-License-Identifier: Apache-2.0 */
/* From what is wanted to what devices have: see hal/internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal_engine);

/* --- queues ------------------------------------------------------------------------------- */

static bool
fifo_push(struct entry_fifo *fifo, uint32_t index)
{
    if (fifo->n == fifo->max) {
        uint32_t max = fifo->max ? fifo->max * 2 : 256;
        uint32_t *at = malloc(max * sizeof *at);
        if (!at) {
            return false;
        }
        for (uint32_t i = 0; i < fifo->n; i++) {
            at[i] = fifo->at[(fifo->head + i) & (fifo->max - 1)];
        }
        free(fifo->at);
        *fifo = (struct entry_fifo) { at, 0, fifo->n, max };
    }
    fifo->at[(fifo->head + fifo->n++) & (fifo->max - 1)] = index;
    return true;
}

static uint32_t
fifo_pop(struct entry_fifo *fifo)
{
    if (!fifo->n) {
        return ENTRY_NONE;
    }
    uint32_t index = fifo->at[fifo->head];
    fifo->head = (fifo->head + 1) & (fifo->max - 1);
    fifo->n--;
    return index;
}

/* --- settling ------------------------------------------------------------------------------ */

void
engine_count_table(struct hal_device *device, const struct entry *e, int change)
{
    uint32_t *refs = &device->mask_refs[e->table][e->mask];
    device->entries[e->table] += (uint32_t) change;
    device->n_masks[e->table] += change > 0 ? !*refs : 0;
    *refs += (uint32_t) change;
    device->n_masks[e->table] -= change < 0 ? !*refs : 0;
}

static void
set_verdict(struct hal *hal, struct entry *e, const struct hal_verdict *verdict)
{
    if (e->verdict) {
        hal->verdicts[e->verdict].error = (int32_t) hal->free_verdict;
        hal->free_verdict = e->verdict;
        e->verdict = 0;
    }
    if (!verdict) {
        return;
    }
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

static void
set_wanted(struct hal *hal, struct entry *e, uint32_t actions)
{
    entry_actions_put(hal->store, e->wanted);
    e->wanted = actions;
}

/* The entry is where it should be. One that is nowhere, and has nothing to remember, goes. */
static void
at_rest(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    uint32_t debt = account_take(e);
    bool is_out = !e->has && !(e->flags & ENTRY_LIMBO);
    if (is_out && e->flags & ENTRY_AGAIN) {
        e->flags &= (uint16_t) ~ENTRY_AGAIN;
        engine_rederive(hal, index);
    } else if (is_out && !(e->flags & ENTRY_REFUSED)) {
        set_verdict(hal, e, NULL);
        entry_free(hal->store, index);
    }
    account_pay(hal, debt, 0);
}

static bool
is_at_rest(const struct entry *e)
{
    return e->has == e->wanted && !(e->flags & (ENTRY_UNKNOWN | ENTRY_ADOPT));
}

void
engine_settle(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->flags & (ENTRY_IN_FLIGHT | ENTRY_QUEUED)) {
        return;
    }
    if (is_at_rest(e)) {
        at_rest(hal, index);
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
    set_wanted(hal, e, 0);
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
    e->flags &= (uint16_t) ~(ENTRY_LIMBO | ENTRY_REFUSED);
    engine_want_nothing(hal, index, reason);
}

void
engine_note_dependencies(struct entry *e, const struct hal_derivation *d)
{
    e->flags &= (uint16_t) ~(ENTRY_EXACT_RULE | ENTRY_DEP_ADDRESS | ENTRY_DEP_FLOOD);
    e->flags |= (uint16_t) ((d->exact_rule ? ENTRY_EXACT_RULE : 0)
                            | (d->depends.address ? ENTRY_DEP_ADDRESS : 0)
                            | (d->depends.flood ? ENTRY_DEP_FLOOD : 0));
    e->priority = d->priority;
}

/* A limbo entry that the source says the same of becomes an entry like others; what the
 * device counted before is its base, credited to nobody. */
static bool
adopt(struct hal *hal, uint32_t index, const struct hal_derivation *d, uint32_t actions)
{
    struct entry *e = entry_at(hal->store, index);
    if (e->has != actions || !entry_set_owner(hal->store, index, d->owner, d->cookie)) {
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
    uint32_t actions = entry_actions_get(hal->store, d->actions);
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
    if (is_replaced_by(e, actions)) {
        account_owe(hal, e);
    }
    /* Where the entry is must be able to hold what it becomes. */
    struct hal_verdict verdict;
    engine_place(hal, index, d, &verdict);
    if (verdict.reason) {
        entry_actions_put(hal->store, actions);
        engine_leave(hal, index, false, verdict.reason);
        return;
    }
    set_wanted(hal, e, actions);
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
    bool found = bridge->source->derive(bridge->aux, &match.value, &d);
    counter_inc(COUNTER_hal_rederived);
    if (!found && e->flags & ENTRY_LIMBO) {
        return;                      /* no rule yet: it stays until the grace ends */
    }
    if (!found || !d.actions) {
        engine_leave(hal, index, false, d.verdict.reason ? d.verdict.reason : HAL_REASON_TABLE_MISS);
        return;
    }
    if (e->has || e->flags & (ENTRY_IN_FLIGHT | ENTRY_LIMBO | ENTRY_UNKNOWN)) {
        take_derivation(hal, index, &d);
        return;
    }
    /* Out of the device: a new beginning, possibly under another mask. */
    uint32_t pps = e->pps;
    if (pps >= hal->config.demote_pps && pps < hal->config.promote_pps) {
        pps = hal->config.promote_pps;   /* it was worth its place, and keeps it */
    }
    struct flow_key key = match.value;
    e->flags &= (uint16_t) ~(ENTRY_REFUSED | ENTRY_AGAIN);
    set_wanted(hal, e, 0);
    if (!(e->flags & ENTRY_QUEUED)) {
        engine_settle(hal, index);
        hal_offer(bridge, &key, pps, NULL);
    } else {
        e->flags |= ENTRY_AGAIN;
    }
}

/* --- changes on their way ------------------------------------------------------------------ */

bool
engine_may_move(struct hal *hal)
{
    return hal->config.max_moves_per_s == 0 || hal->moves_left > 0;
}

static enum hal_change_kind
next_change(const struct hal_device *device, const struct entry *e)
{
    if (e->flags & ENTRY_ADOPT) {
        return HAL_ADOPT;
    }
    if (e->flags & ENTRY_UNKNOWN || (e->has && !e->wanted)) {
        return HAL_REMOVE;
    }
    if (!e->has) {
        return HAL_ADD;
    }
    return device->caps.table[e->table].changes ? HAL_CHANGE : HAL_REMOVE;
}

static uint16_t
take_off(struct hal_device *device, uint32_t index, uint64_t now_ms)
{
    uint16_t slot = device->slots[device->n_in_flight++].order;
    device->slots[slot].entry = index;
    device->slots[slot].sent_ms = now_ms;
    return slot;
}

static void
land(struct hal_device *device, uint16_t slot)
{
    device->slots[slot].entry = ENTRY_NONE;
    device->slots[--device->n_in_flight].order = slot;
}

/* Puts the entry's next change into 'change'. False: there is nothing to do any more. */
static bool
make_change(struct hal_device *device, uint32_t index, struct hal_change *change, uint64_t now_ms)
{
    struct hal *hal = device->hal;
    struct entry *e = entry_at(hal->store, index);
    e->flags &= (uint16_t) ~ENTRY_QUEUED;
    if (is_at_rest(e)) {
        at_rest(hal, index);
        return false;
    }
    enum hal_change_kind kind = next_change(device, e);
    e->slot = take_off(device, index, now_ms);
    struct flow_match *match = &device->slots[e->slot].match;
    entry_get_match(hal->store, e, match);
    e->sent = kind == HAL_REMOVE ? 0 : kind == HAL_ADOPT ? e->has : e->wanted;
    entry_actions_ref(hal->store, e->sent);
    e->flags |= ENTRY_IN_FLIGHT;
    e->flags &= (uint16_t) (kind == HAL_ADOPT ? ~ENTRY_ADOPT : ~0);
    e->in_flight = (uint8_t) kind;
    device->n_removing += kind == HAL_REMOVE;
    const struct action_list *list = entry_actions_list(hal->store, e->sent ? e->sent : e->has);
    *change = (struct hal_change) { hal_cookie(hal, index), e->handle, kind,
                                    { match, list, e->priority, e->table } };
    return true;
}

static void
hand_out(struct hal_device *device, size_t n)
{
    if (n && !device_submit(device, device->out, n)) {
        engine_fence(device, HAL_REASON_NO_MEMORY, "no memory for changes");
    }
}

void
engine_pump(struct hal_device *device)
{
    uint64_t now_ms = clock_ms();
    size_t n = 0;
    while (!device->fenced && !device->hal->held && device->n_in_flight < HAL_WINDOW) {
        uint32_t index = fifo_pop(&device->urgent);
        index = index ? index : fifo_pop(&device->normal);
        if (!index) {
            break;
        }
        n += make_change(device, index, &device->out[n], now_ms);
        if (n == HAL_SUBMIT_MAX) {
            hand_out(device, n);
            n = 0;
        }
    }
    hand_out(device, n);
}

/* --- completions ---------------------------------------------------------------------------- */

static void
set_has(struct hal_device *device, struct entry *e, uint32_t actions)
{
    struct hal *hal = device->hal;
    if (!e->has != !actions) {
        engine_count_table(device, e, actions ? 1 : -1);
    }
    entry_actions_ref(hal->store, actions);
    entry_actions_put(hal->store, e->has);
    e->has = actions;
}

static void
added(struct hal_device *device, struct entry *e, const struct hal_completion *c)
{
    e->handle = c->handle;
    e->packets = e->bytes = 0;
    e->created_ms = e->read_ms = (uint32_t) clock_ms();
    e->reason = 0;
    set_has(device, e, e->sent);
    device->added++;
}

static void
removed(struct hal_device *device, struct entry *e, const struct hal_completion *c)
{
    if (!c->error) {
        ledger_credit(device->hal, e, &c->final, clock_ms());
    }
    e->flags &= (uint16_t) ~ENTRY_UNKNOWN;
    set_has(device, e, 0);
    device->removed++;
}

/* A refusal that the entry's derivation can't change: it stays, to say why. */
static void
refused(struct hal_device *device, uint32_t index, const struct hal_completion *c)
{
    struct hal *hal = device->hal;
    struct entry *e = entry_at(hal->store, index);
    struct hal_verdict verdict = c->verdict;
    if (!hal_reason_name(verdict.reason)) {
        verdict.reason = HAL_REASON_DRIVER_REFUSED;
    }
    verdict.words[sizeof verdict.words - 1] = '\0';
    if (c->error == -ENOSPC && verdict.reason == HAL_REASON_TABLE_FULL) {
        device->full_at[e->table] = device->entries[e->table];
        device->full_ms[e->table] = clock_ms();
    }
    set_verdict(hal, e, &verdict);
    e->reason = (uint8_t) verdict.reason;
    e->flags |= ENTRY_REFUSED;
    e->used_ms = (uint32_t) clock_ms();
    set_wanted(hal, e, 0);
    device->refused++;
    counter_inc(COUNTER_hal_refused);
}

/* What a change that failed leaves. */
static void
failed(struct hal_device *device, uint32_t index, const struct hal_completion *c)
{
    struct entry *e = entry_at(device->hal->store, index);
    if (c->error == -EAGAIN || (c->error == -ENOSPC && (device->n_removing || device->urgent.n))) {
        return;                      /* it is settled again, behind the others that make room */
    }
    if (c->error == -EIO || c->kind != HAL_ADD) {
        e->flags |= ENTRY_UNKNOWN | ENTRY_AGAIN;
        account_owe(device->hal, e);
        set_wanted(device->hal, e, 0);
        device->lost++;
        if (c->kind == HAL_REMOVE) {
            engine_fence(device, HAL_REASON_DEVICE_MUTE, c->verdict.words);
        }
        return;
    }
    refused(device, index, c);
}

static bool
error_is_known(const struct hal_completion *c)
{
    return c->error == 0 || c->error == -ENOSPC || c->error == -EOPNOTSUPP || c->error == -EEXIST
           || c->error == -EAGAIN || c->error == -EIO || (c->error == -ENOENT && c->kind != HAL_ADD);
}

/* The change is over: sets what the device has. */
static void
apply(struct hal_device *device, uint32_t index, const struct hal_completion *c)
{
    struct entry *e = entry_at(device->hal->store, index);
    bool gone = c->error == -ENOENT;
    if (c->kind == HAL_REMOVE && (!c->error || gone)) {
        removed(device, e, c);
    } else if (gone) {               /* HAL_CHANGE, HAL_ADOPT: it is lost; put it back */
        set_has(device, e, 0);
        e->flags &= (uint16_t) ~ENTRY_LIMBO;
        device->lost++;
    } else if (c->error) {
        failed(device, index, c);
    } else if (c->kind == HAL_ADD) {
        added(device, e, c);
    } else {
        set_has(device, e, e->sent);
        device->changed++;
    }
}

void
engine_complete(struct hal_device *device, const struct hal_completion *c)
{
    struct hal *hal = device->hal;
    uint32_t index = hal_entry_of(hal, c->cookie);
    struct entry *e = index ? entry_at(hal->store, index) : NULL;
    if (!e || !(e->flags & ENTRY_IN_FLIGHT) || e->in_flight != c->kind
        || hal->devices[e->device] != device || !error_is_known(c)) {
        char why[HAL_WORDS_SIZE];
        snprintf(why, sizeof why, "it completed a change (cookie %#llx, kind %d, error %d) that %s",
                 (unsigned long long) c->cookie, (int) c->kind, c->error,
                 e && !error_is_known(c) ? "can't end so" : "was not on its way");
        counter_inc(COUNTER_hal_contract);
        engine_fence(device, HAL_REASON_DRIVER_FAULT, why);
        return;
    }
    land(device, e->slot);
    device->n_removing -= c->kind == HAL_REMOVE;
    apply(device, index, c);
    if (device->fenced) {            /* for what it said just now: it has no entries any more */
        return;
    }
    entry_actions_put(hal->store, e->sent);
    e->sent = 0;
    e->flags &= (uint16_t) ~ENTRY_IN_FLIGHT;
    engine_settle(hal, index);
}

/* --- losses ------------------------------------------------------------------------------------ */

void
engine_lost(struct hal_device *device, uint32_t index)
{
    struct entry *e = entry_at(device->hal->store, index);
    set_has(device, e, 0);
    e->flags &= (uint16_t) ~(ENTRY_LIMBO | ENTRY_ADOPT | ENTRY_UNKNOWN);
    e->reason = HAL_REASON_ENTRY_LOST;
    if (!e->owner) {                 /* it was in limbo: nobody wants it back */
        set_wanted(device->hal, e, 0);
    }
    engine_settle(device->hal, index);
}

void
engine_reset(struct hal_device *device)
{
    struct hal *hal = device->hal;
    pthread_mutex_lock(&device->op);
    device->driver->probe(device->state, &device->caps);
    pthread_mutex_unlock(&device->op);
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        const struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && hal->devices[e->device] == device && e->has
            && !(e->flags & ENTRY_IN_FLIGHT)) {
            device->lost++;
            engine_lost(device, i);
        }
    }
}

bool
bridge_has_entries(const struct hal *hal, unsigned bridge)
{
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        const struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && e->bridge == bridge) {
            return true;
        }
    }
    return false;
}

/* --- fences ------------------------------------------------------------------------------------ */

void
engine_check_mute(struct hal_device *device, uint64_t now_ms)
{
    uint32_t seen = 0;
    for (uint32_t slot = 0; slot < HAL_WINDOW && seen < device->n_in_flight; slot++) {
        if (device->slots[slot].entry == ENTRY_NONE) {
            continue;
        }
        seen++;
        if (now_ms - device->slots[slot].sent_ms > HAL_COMPLETE_MS) {
            char why[HAL_WORDS_SIZE];
            snprintf(why, sizeof why, "no answer to a change for %llu ms",
                     (unsigned long long) (now_ms - device->slots[slot].sent_ms));
            engine_fence(device, HAL_REASON_DEVICE_MUTE, why);
            return;
        }
    }
}

/* Its entries are no one's any more; whatever it has will be flushed before it is used again. */
static void
forget_entries(struct hal_device *device, int error)
{
    struct hal *hal = device->hal;
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (!(e->flags & ENTRY_USED) || hal->devices[e->device] != device) {
            continue;
        }
        uint32_t debt = account_take(e);
        if (e->has) {
            set_has(device, e, 0);
        }
        set_verdict(hal, e, NULL);
        entry_free(hal->store, i);
        account_pay(hal, debt, error);
    }
}

void
engine_fence(struct hal_device *device, enum hal_reason reason, const char *why)
{
    struct hal *hal = device->hal;
    if (device->fenced) {
        return;
    }
    device->fenced = true;
    device->fenced_for = reason;
    snprintf(device->why_fenced, sizeof device->why_fenced, "%s", why && why[0] ? why : "no reason given");
    pthread_mutex_lock(&device->op);
    int error = device->gone ? 0 : device->driver->fence(device->state, 0, true);
    device_discard(device);
    pthread_mutex_unlock(&device->op);
    counter_inc(COUNTER_hal_fenced);
    log_error("%s: fenced off (%s): %s%s", device->driver->name, hal_reason_name(reason),
              device->why_fenced, error ? "; the fence failed, its ports go down" : "");
    for (unsigned b = 0; error && b < HAL_MAX_BRIDGES; b++) {
        struct hal_bridge *bridge = hal->bridges[b];
        for (unsigned p = 0; bridge && p < bridge->n_ports; p++) {
            if (bridge->ports[p].device == device) {
                bridge->source->port_failed(bridge->aux, bridge->ports[p].port.no, device->why_fenced);
            }
        }
    }
    device->urgent.n = device->normal.n = device->n_in_flight = device->n_removing = 0;
    for (uint16_t slot = 0; slot < HAL_WINDOW; slot++) {
        device->slots[slot].entry = ENTRY_NONE;
        device->slots[slot].order = slot;
    }
    forget_entries(device, error ? -EIO : 0);
}

void
engine_unfence(struct hal_device *device)
{
    pthread_mutex_lock(&device->op);
    int error = device->driver->flush(device->state);
    device_discard(device);
    error = error ? error : device->driver->fence(device->state, 0, false);
    pthread_mutex_unlock(&device->op);
    if (error) {
        log_warn("%s: it stays fenced: %s", device->driver->name, strerror(-error));
        return;
    }
    device->fenced = false;
    device->why_fenced[0] = '\0';
    log_info("%s: in use again", device->driver->name);
}
