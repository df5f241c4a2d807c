/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that lose entries, stay mute, or break their contract. */
#include <errno.h>
#include <stdio.h>

#include "hal/contract.h"
#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal_fence);

/* --- losses ------------------------------------------------------------------------------------ */

void
engine_lost(struct hal_device *device, uint32_t index)
{
    struct entry *e = entry_at(device->hal->store, index);
    engine_set_has(device, e, 0);
    e->flags &= (uint16_t) ~(ENTRY_LIMBO | ENTRY_ADOPT | ENTRY_UNKNOWN);
    e->reason = HAL_REASON_ENTRY_LOST;
    if (!entry_owner(device->hal->store, e)) {   /* it was in limbo: nobody wants it back */
        engine_set_wanted(device->hal, e, 0);
    }
    whole_lost(device->hal, index);
    engine_settle(device->hal, index);
}

/* No change is on its way any more, whatever is said of it later. */
static void
free_slots(struct hal_device *device)
{
    device->n_in_flight = device->n_removing = 0;
    for (uint16_t slot = 0; slot < HAL_WINDOW; slot++) {
        device->slots[slot].entry = ENTRY_NONE;
        device->slots[slot].order = slot;
    }
}

/* The change that it was on its way with is over; the device has nothing of it. */
static void
lost_on_its_way(struct hal_device *device, struct entry *e)
{
    entry_actions_put(device->hal->store, e->sent);
    e->sent = 0;
    e->flags &= (uint16_t) ~ENTRY_IN_FLIGHT;
}

/* 0, or -errno and *error. */
static int
empty_and_probe(struct hal_device *device, char *error)
{
    struct hal_call flush = call_flush();
    if (!device_call(device, HAL_OP_MS, &flush)) {
        snprintf(error, HAL_ERROR_SIZE, "%.*s", HAL_ERROR_SIZE - 1, flush.error);
        return -ETIMEDOUT;
    }
    device_discard(device);
    snprintf(error, HAL_ERROR_SIZE, "it can't be emptied after a reset");
    return flush.result ? flush.result : device_probe(device, error);
}

/* Some of what is on its way was done before, some after, some is not done yet: so the device is
 * emptied once more, and filled from nothing. */
void
engine_reset(struct hal_device *device)
{
    struct hal *hal = device->hal;
    char error[HAL_ERROR_SIZE] = "";
    int result = -EBUSY;
    if (device_enter(device, HAL_OP_MS, error)) {
        result = empty_and_probe(device, error);
        device_leave_unless_hung(device);
    }
    if (device->fenced) {
        return;
    }
    if (result) {
        engine_fence(device, HAL_REASON_DRIVER_FAULT, error);
        return;
    }
    free_slots(device);
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (!(e->flags & ENTRY_USED) || hal->devices[e->device] != device
            || !(e->has || e->flags & ENTRY_IN_FLIGHT)) {
            continue;
        }
        device->lost += e->has != 0;
        lost_on_its_way(device, e);
        engine_lost(device, i);
    }
}

/* What it can do has changed; what is placed by that is placed again. */
void
engine_probe_again(struct hal_device *device)
{
    struct hal *hal = device->hal;
    char error[HAL_ERROR_SIZE] = "";
    unsigned before = device->caps.n_tables;
    if (!device_enter(device, HAL_OP_MS, error)) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, error);
        return;
    }
    int result = device_probe(device, error);
    device_leave(device);
    if (!result && device->caps.n_tables < before) {
        snprintf(error, sizeof error, "it says that it has fewer tables than before");
        result = -EPROTO;
    }
    if (result) {
        engine_fence(device, HAL_REASON_DRIVER_FAULT, error);
        return;
    }
    for (unsigned b = 0; b < HAL_MAX_BRIDGES; b++) {
        if (hal->bridges[b] && !hal->bridges[b]->is_gone) {
            hal_changed_config(hal->bridges[b]);
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

/* What began then should be over: a driver that says that it goes on has more time. */
static bool
is_late(const struct hal_device *device, uint64_t began_ms, uint64_t now_ms)
{
    uint64_t sign_ms = atomic_load(&device->sign_ms);
    bool goes_on = now_ms <= sign_ms + HAL_COMPLETE_MS && now_ms <= began_ms + HAL_WORKING_MS;
    return now_ms > began_ms + HAL_COMPLETE_MS && !goes_on;
}

void
engine_check_mute(struct hal_device *device, uint64_t now_ms)
{
    uint32_t seen = 0;
    uint64_t began_ms = atomic_load(&device->op_began_ms);
    if (began_ms && is_late(device, began_ms, now_ms) && !device->fenced) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, "it does not return from what it was asked");
        return;
    }
    for (uint32_t slot = 0; slot < HAL_WINDOW && seen < device->n_in_flight; slot++) {
        if (device->slots[slot].entry == ENTRY_NONE) {
            continue;
        }
        seen++;
        if (is_late(device, device->slots[slot].sent_ms, now_ms)) {
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
            engine_set_has(device, e, 0);
        }
        engine_set_wanted(hal, e, 0);
        engine_set_verdict(hal, e, NULL);
        whole_forget(hal, i);
        entry_free(hal->store, i);
        account_pay(hal, debt, error);
    }
}

/* An op hangs in the device's thread, with changes that it may still look at: what they point
 * to stays, for good. */
static void
leave_alone(struct hal_device *device)
{
    struct hal *hal = device->hal;
    device->hung = device->gone = true;
    pthread_mutex_lock(&device->lock);
    device->stop = true;
    pthread_mutex_unlock(&device->lock);
    audit_abandon(device);
    for (uint32_t slot = 0; slot < HAL_WINDOW; slot++) {
        uint32_t index = device->slots[slot].entry;
        if (index != ENTRY_NONE) {
            entry_actions_ref(hal->store, entry_at(hal->store, index)->sent);
            entry_actions_ref(hal->store, entry_at(hal->store, index)->has);
        }
    }
    log_error("%s: it does not return from what it was asked; it is not used any more",
              device->driver->name);
}

/* Packets miss from now on. 0, or what the driver's fence() said. */
static int
stop_forwarding(struct hal_device *device)
{
    bool gone = device->gone, entered = device_enter(device, HAL_FENCE_OP_MS, NULL);
    atomic_store(&device->bypassed, true);
    struct hal_call fence = call_fence(true);
    if (!gone && !device_call(device, HAL_OP_MS, &fence)) {
        fence.result = -EIO;
    }
    if (entered && !device->hung) {
        device_discard(device);
        device_leave(device);
    } else {
        leave_alone(device);
    }
    return fence.result;
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
    int error = stop_forwarding(device);
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
    device->urgent.n = device->normal.n = device->n_held = 0;
    free_slots(device);
    forget_entries(device, error ? -EIO : 0);
    audit_forget_losses(device);
}

void
engine_unfence(struct hal_device *device)
{
    char words[HAL_ERROR_SIZE];
    if (!device_enter(device, HAL_OP_MS, words)) {
        log_warn("%s: it stays fenced: %s", device->driver->name, words);
        return;
    }
    struct hal_call flush = call_flush(), fence = call_fence(false);
    bool over = device_call(device, HAL_OP_MS, &flush);
    int error = over ? flush.result : -ETIMEDOUT;
    if (over) {
        device_discard(device);
    }
    if (!error) {
        error = device_call(device, HAL_OP_MS, &fence) ? fence.result : -ETIMEDOUT;
    }
    device_leave_unless_hung(device);
    if (device->hung) {
        device->gone = true;
    }
    if (error) {
        log_warn("%s: it stays fenced: %s", device->driver->name,
                 strerror(contract_error_is_possible(error) ? -error : EPROTO));
        return;
    }
    atomic_store(&device->bypassed, false);
    device->fenced = false;
    device->why_fenced[0] = '\0';
    log_info("%s: in use again", device->driver->name);
}
