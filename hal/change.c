/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of entries: on their way to devices, and what comes back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal);

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
    if (engine_is_at_rest(e)) {
        engine_at_rest(hal, index);
        return false;
    }
    enum hal_change_kind kind = next_change(device, e);
    if (whole_must_wait(hal, index, kind) || order_holds(device, index, kind, now_ms)) {
        return false;
    }
    e->slot = take_off(device, index, now_ms);
    struct flow_match *match = &device->slots[e->slot].match;
    entry_get_match(hal->store, e, match);
    e->sent = kind == HAL_REMOVE ? 0 : kind == HAL_ADOPT ? e->has : e->wanted;
    entry_actions_ref(hal->store, e->sent);
    e->flags |= ENTRY_IN_FLIGHT;
    e->flags &= (uint16_t) (kind == HAL_ADOPT ? ~ENTRY_ADOPT : ~0);
    e->in_flight = (uint8_t) kind;
    device->n_removing += kind == HAL_REMOVE;
    static const struct action_list nothing;
    const struct action_list *list = entry_actions_list(hal->store, e->sent ? e->sent : e->has);
    list = list ? list : &nothing;       /* of a removal of what may not be there */
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
    whole_settle(device->hal);
    order_release(device, now_ms);
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
    whole_settle(device->hal);
}

/* --- completions ---------------------------------------------------------------------------- */

static void
added(struct hal_device *device, struct entry *e, const struct hal_completion *c)
{
    e->handle = c->handle;
    e->flags &= (uint16_t) ~ENTRY_OLD;
    e->packets = e->bytes = 0;
    e->created_ms = e->read_ms = (uint32_t) clock_ms();
    e->reason = 0;
    engine_set_has(device, e, e->sent);
    device->added++;
}

static void
removed(struct hal_device *device, struct entry *e, const struct hal_completion *c)
{
    if (!c->error) {
        ledger_credit(device->hal, e, &c->final, clock_ms());
    }
    e->flags &= (uint16_t) ~ENTRY_UNKNOWN;
    engine_set_has(device, e, 0);
    device->removed++;
}

/* The policy wants a flow in hardware whose entry the device has refused, which nobody knew
 * before: said, since software forwards it now. */
static void
warn_if_required(const struct hal_device *device, const struct entry *e,
                 const struct hal_verdict *verdict)
{
    static struct log_limit limit;
    const struct hal_bridge *bridge = device->hal->bridges[e->bridge];
    const struct entry_owner *owner = entry_owner(device->hal->store, e);
    if (owner && hal_policy_of(bridge, owner->cookie)->policy == HAL_REQUIRE_HW) {
        counter_inc(COUNTER_hal_required_refused);
        log_warn_limited(&limit, "bridge %s: %s refused an entry of a flow with cookie 0x%" PRIx64
                         ", whose policy is require-hw: %s: it is forwarded in software",
                         bridge->name, device->driver->name, owner->cookie,
                         verdict->words[0] ? verdict->words : hal_reason_summary(verdict->reason));
    }
}

/* A refusal that the entry's derivation can't change: it stays, to say why, if anybody still
 * wants it. */
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
    verdict.error = -c->error;
    if (c->error == -ENOSPC && verdict.reason == HAL_REASON_TABLE_FULL) {
        device->full_at[e->table] = device->entries[e->table];
        device->full_ms[e->table] = clock_ms();
    }
    device->refused++;
    counter_inc(COUNTER_hal_refused);
    if (e->wanted) {
        engine_set_verdict(hal, e, &verdict);
        e->reason = (uint8_t) verdict.reason;
        e->used_ms = (uint32_t) clock_ms();
        warn_if_required(device, e, &verdict);
        engine_set_wanted(hal, e, 0);
    }
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
        e->handle = c->kind == HAL_ADD ? c->handle : e->handle;
        audit_soon(device);
        account_owe(device->hal, e);
        engine_set_wanted(device->hal, e, 0);
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
        engine_set_has(device, e, 0);
        e->flags &= (uint16_t) ~ENTRY_LIMBO;
        device->lost++;
    } else if (c->error) {
        failed(device, index, c);
    } else if (c->kind == HAL_ADD) {
        added(device, e, c);
    } else {
        if (c->kind == HAL_CHANGE && (c->final.packets || c->final.bytes)) {
            ledger_credit(device->hal, e, &c->final, clock_ms());
        }
        engine_set_has(device, e, e->sent);
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
    whole_release(hal, index);
    engine_settle(hal, index);
}
