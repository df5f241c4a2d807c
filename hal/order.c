/* SPDX-License-Identifier: Apache-2.0 */
/* Order between software and hardware.
 *
 * Once a device that is not in the packet path has an entry, it forwards the flow's packets at
 * once, while packets that came before still wait in software, for a worker to take them. So an
 * entry is put in only when the workers have taken what waited on its ingress port when it was
 * decided, or HAL_DRAIN_MS later at the latest. What comes in between the last look of a worker
 * and the device's beginning can still be overtaken: that is a batch or so, where it would have
 * been a whole queue. Drivers in the packet path see packets in their order themselves. */
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"

static bool
is_drained(const struct hal *hal, const struct hal_held *held)
{
    const struct hal_bridge *bridge = hal->bridges[entry_at(hal->store, held->entry)->bridge];
    return bridge->is_gone || bridge->source->drained(bridge->aux, held->port, held->mark);
}

static bool
push(struct hal_device *device, const struct hal_held *held)
{
    struct hal_held *more = device->held;
    if (device->n_held == device->max_held) {
        uint32_t max = device->max_held ? device->max_held * 2 : 256;
        more = realloc(device->held, max * sizeof *more);
        device->max_held = more ? max : device->max_held;
    }
    if (!more) {
        return false;                /* it is not held back, then */
    }
    device->held = more;
    device->held[device->n_held++] = *held;
    return true;
}

bool
order_holds(struct hal_device *device, uint32_t index, enum hal_change_kind kind, uint64_t now_ms)
{
    struct hal *hal = device->hal;
    struct entry *e = entry_at(hal->store, index);
    const struct hal_bridge *bridge = hal->bridges[e->bridge];
    bool was_held = e->flags & ENTRY_DRAINED;
    e->flags &= (uint16_t) ~ENTRY_DRAINED;
    if (kind != HAL_ADD || was_held || device->driver->process || !bridge->source->queued) {
        return false;
    }
    struct flow_match match;
    entry_get_match(hal->store, e, &match);
    struct hal_held held = { .entry = index, .port = match.value.in_port, .since_ms = now_ms };
    held.mark = bridge->source->queued(bridge->aux, held.port);
    if (is_drained(hal, &held) || !push(device, &held)) {
        return false;
    }
    e->flags |= ENTRY_QUEUED;
    return true;
}

void
order_release(struct hal_device *device, uint64_t now_ms)
{
    struct hal *hal = device->hal;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < device->n_held && !device->fenced; i++) {
        const struct hal_held *held = &device->held[i];
        bool late = now_ms - held->since_ms >= HAL_DRAIN_MS;
        if (!late && !is_drained(hal, held)) {
            device->held[kept++] = *held;
            continue;
        }
        if (late) {
            counter_inc(COUNTER_hal_not_drained);
        }
        struct entry *e = entry_at(hal->store, held->entry);
        e->flags &= (uint16_t) ~ENTRY_QUEUED;
        e->flags |= ENTRY_DRAINED;
        engine_settle(hal, held->entry);
    }
    device->n_held = device->fenced ? 0 : kept;
}
