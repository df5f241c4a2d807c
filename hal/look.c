/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/look.h"

#include <errno.h>
#include <stdio.h>

#include "hal/contract.h"
#include "hal/fit.h"
#include "hal/internal.h"

void
hal_describe(struct hal_device *device,
             void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    if (!device->driver->describe || device->gone) {
        return;
    }
    if (device_enter(device, HAL_FENCE_OP_MS, NULL)) {
        struct hal_call call = call_describe();
        if (device_call(device, HAL_OP_MS, &call)) {
            device_leave(device);
            facts_visit(call.facts, fact, aux);
            facts_free(call.facts);
        } else {
            engine_fence(device, HAL_REASON_DEVICE_MUTE, call.error);
        }
    }
}

void
device_read_occupancy(struct hal_device *device)
{
    if (device->gone || !device->driver->occupancy || !device_enter(device, HAL_FENCE_OP_MS, NULL)) {
        return;
    }
    struct hal_call call = call_occupancy();
    memcpy(call.occupied, device->occupied, sizeof call.occupied);
    if (device_call(device, HAL_OP_MS, &call)) {
        device_leave(device);
        memcpy(device->occupied, call.occupied, sizeof device->occupied);
    } else {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, call.error);
    }
}

void
hal_occupancy(struct hal_device *device, uint32_t entries[HAL_MAX_TABLES])
{
    device_read_occupancy(device);
    memcpy(entries, device->occupied, sizeof device->occupied);
}

/* --- entries -------------------------------------------------------------------------------- */

struct looking {
    const struct hal_caps *caps;
    const char *broken;
    bool (*visit)(const struct hal_dumped *, void *aux);
    void *aux;
    bool more;
};

static bool
look_at(const struct hal_dumped *dumped, void *aux)
{
    struct looking *l = aux;
    l->broken = contract_check_dumped(l->caps, dumped);
    l->more = !l->broken && l->visit(dumped, l->aux);
    return l->more;
}

int
hal_dump(struct hal_device *device, bool (*visit)(const struct hal_dumped *, void *aux), void *aux,
         char *error)
{
    struct looking l = { .caps = &device->caps, .visit = visit, .aux = aux, .more = true };
    uint64_t position = 0;
    if (device->gone || !device_enter(device, HAL_OP_MS, error)) {
        snprintf(error, HAL_ERROR_SIZE, "the device is gone, or does not answer");
        return -EBUSY;
    }
    int result = device->driver->dump(device->state, &position, look_at, &l);
    device_leave(device);
    if (l.broken || !contract_error_is_possible(result)) {
        snprintf(error, HAL_ERROR_SIZE, "the driver breaks its contract: %s",
                 l.broken ? l.broken : "dump() said what is no error");
        return -EPROTO;
    }
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "its entries can't be read: %s", strerror(-result));
    }
    return result;
}

/* --- judging --------------------------------------------------------------------------------- */

/* All ports are taken for the device's: who looks does not know which are. */
static enum hal_port_kind
any_port(const void *aux, uint16_t port)
{
    (void) aux;
    (void) port;
    return HAL_PORT_HERE;
}

static bool
can_be_port(uint16_t port)
{
    return port && port < PORT_MAX;
}

static bool
ports_can_be(const struct hal_dumped *d)
{
    if (!can_be_port(d->entry.match->value.in_port)) {
        return false;
    }
    for (uint32_t i = 0; i < d->entry.actions->len; i++) {
        const struct action *a = &d->entry.actions->actions[i];
        uint16_t port = a->type == ACTION_ENQUEUE ? a->enqueue.port : a->output.port;
        bool sends = a->type == ACTION_OUTPUT || a->type == ACTION_ENQUEUE;
        if (sends && !can_be_port(port) && port != PORT_IN_PORT) {
            return false;
        }
    }
    return true;
}

static bool
is_well_formed(const struct hal_dumped *d)
{
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        if (d->entry.match->value.lane[i] & ~d->entry.match->mask.bits.lane[i]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < d->entry.actions->len; i++) {
        if (d->entry.actions->actions[i].type >= N_ACTION_TYPES) {
            return false;
        }
    }
    return true;
}

const char *
hal_judge_dumped(const struct hal_caps *caps, const struct hal_dumped *d, struct hal_verdict *verdict)
{
    static const struct hal_ports_view ports = { any_port, NULL };
    *verdict = (struct hal_verdict) { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    if (!is_well_formed(d)) {
        return "malformed";
    }
    if (!ports_can_be(d)) {
        return "bad-port";
    }
    if (!d->in_hardware) {
        return "not-in-hardware";
    }
    return hal_fits(&caps->table[d->entry.table], d->entry.match, d->entry.actions, &ports, verdict)
           ? NULL : "misfit";
}
