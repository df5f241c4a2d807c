/* SPDX-License-Identifier: Apache-2.0 */
/* Sources, and the ports that they have on devices. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hal/contract.h"
#include "hal/internal.h"

struct hal_bridge *
hal_bridge_new(struct hal *hal, const char *name, const struct hal_source *source, void *aux)
{
    uint16_t id = 0;
    while (id < HAL_MAX_BRIDGES && hal->bridges[id]) {
        id++;
    }
    struct hal_bridge *bridge = id < HAL_MAX_BRIDGES ? calloc(1, sizeof *bridge) : NULL;
    if (bridge) {
        bridge->hal = hal;
        bridge->id = id;
        snprintf(bridge->name, sizeof bridge->name, "%s", name);
        bridge->source = source;
        bridge->aux = aux;
        hal->bridges[id] = bridge;
    }
    return bridge;
}

struct hal_port_rec *
bridge_port(const struct hal_bridge *bridge, uint16_t no)
{
    unsigned low = 0, high = bridge->n_ports;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bridge->ports[middle].port.no < no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < bridge->n_ports && bridge->ports[low].port.no == no ? &bridge->ports[low] : NULL;
}

static bool
insert_port(struct hal_bridge *bridge, struct hal_device *device, const struct hal_port *port)
{
    if (bridge->n_ports == bridge->max_ports) {
        unsigned max = bridge->max_ports ? bridge->max_ports * 2 : 8;
        void *more = realloc(bridge->ports, max * sizeof *bridge->ports);
        if (!more) {
            return false;
        }
        bridge->ports = more;
        bridge->max_ports = max;
    }
    unsigned at = bridge->n_ports++;
    while (at && bridge->ports[at - 1].port.no > port->no) {
        bridge->ports[at] = bridge->ports[at - 1];
        at--;
    }
    bridge->ports[at] = (struct hal_port_rec) { bridge, *port, device };
    return true;
}

/* The port with that number on the device, of whatever bridge; NULL. */
static const struct hal_port_rec *
device_port(const struct hal_device *device, uint16_t no)
{
    const struct hal_port_rec *found = NULL;
    for (unsigned b = 0; b < HAL_MAX_BRIDGES && !found; b++) {
        const struct hal_bridge *bridge = device->hal->bridges[b];
        const struct hal_port_rec *rec = bridge ? bridge_port(bridge, no) : NULL;
        found = rec && rec->device == device ? rec : NULL;
    }
    return found;
}

static void
forget_port(struct hal_device *device, uint16_t no)
{
    if (device->gone || device->hal->held) {
        return;                      /* what is held stays, and goes on without us */
    }
    if (device_enter(device, HAL_OP_MS, NULL)) {
        struct hal_call call = call_port(HAL_PORT_DEL, &(struct hal_port) { .no = no });
        if (device_call(device, HAL_OP_MS, &call)) {
            device_leave(device);
            return;
        }
        engine_fence(device, HAL_REASON_DEVICE_MUTE, call.error);
    } else {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, "it does not return, and a port is to go");
    }
}

int
hal_port_add(struct hal_bridge *bridge, struct hal_device *device, const struct hal_port *port,
             char *error)
{
    if (bridge_port(bridge, port->no)) {
        snprintf(error, HAL_ERROR_SIZE, "port %u is there already", port->no);
        return -EEXIST;
    }
    const struct hal_port_rec *taken = device_port(device, port->no);
    if (taken) {                     /* the device tells its ports apart by their numbers */
        snprintf(error, HAL_ERROR_SIZE, "port %u of bridge %.20s would be port %u of bridge %.20s on "
                 "device %.20s: number one of them otherwise", port->no, bridge->name, port->no,
                 taken->bridge->name, device->driver->name);
        return -EEXIST;
    }
    if (!device_enter(device, HAL_OP_MS, error)) {
        return -EBUSY;
    }
    struct hal_call call = call_port(HAL_PORT_ADD, port);
    bool over = device_call(device, HAL_OP_MS, &call);
    snprintf(error, HAL_ERROR_SIZE, "%.*s", HAL_ERROR_SIZE - 1, call.error);
    if (!over) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, error);
        return -EBUSY;
    }
    device_leave(device);
    int result = call.result;
    if (!contract_error_is_possible(result)) {
        device_broken(device, "port_add() said %d, which is no error", result);
        snprintf(error, HAL_ERROR_SIZE, "the driver said %d, which is no error", result);
        result = -EPROTO;
    }
    if (!result && !insert_port(bridge, device, port)) {
        forget_port(device, port->no);
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        result = -ENOMEM;
    }
    return result;
}

void
hal_port_del(struct hal_bridge *bridge, uint16_t no)
{
    struct hal_port_rec *rec = bridge_port(bridge, no);
    if (!rec) {
        return;
    }
    struct hal_device *device = rec->device;
    struct hal_port port = rec->port;
    port.config |= PORT_CONFIG_DOWN;
    unsigned at = (unsigned) (rec - bridge->ports);
    memmove(rec, rec + 1, (bridge->n_ports - at - 1) * sizeof *rec);
    bridge->n_ports--;
    forget_port(device, no);
    hal_changed_port(bridge, &port);
}

struct hal_device *
hal_port_device(const struct hal_bridge *bridge, uint16_t port)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    return rec ? rec->device : NULL;
}

static bool
no_derivation(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    (void) aux;
    (void) key;
    (void) d;
    return false;
}

static bool
no_whole(void *aux, const struct flow_match *whole, uint16_t priority, struct hal_derivation *d)
{
    (void) aux;
    (void) whole;
    (void) priority;
    (void) d;
    return false;
}

static void
no_credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) owner;
    (void) packets;
    (void) bytes;
    (void) used_ms;
}

static void
no_port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    (void) port;
    (void) why;
}

void
hal_bridge_free(struct hal_bridge *bridge)
{
    static const struct hal_source nobody = { .derive = no_derivation, .derive_whole = no_whole,
                                              .credit = no_credit,
                                              .port_failed = no_port_failed };
    struct hal *hal = bridge->hal;
    bridge->source = &nobody;
    while (bridge->n_ports) {
        hal_port_del(bridge, bridge->ports[0].port.no);
    }
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && e->bridge == bridge->id) {
            e->flags &= (uint16_t) ~(ENTRY_LIMBO | ENTRY_AGAIN);
            engine_set_verdict(hal, e, NULL);
            engine_want_nothing(hal, i, HAL_REASON_DEVICE_GONE);
        }
    }
    free(bridge->ports);
    bridge->ports = NULL;
    bridge->max_ports = 0;
    bridge->is_gone = true;          /* its last entries may still be on their way out */
}

/* --- captures ----------------------------------------------------------------------------------- */

void
hal_capture(struct hal_bridge *bridge, const struct flow_match *match)
{
    bridge->is_capturing = match;
    if (match) {
        bridge->captured = *match;
        hal_changed_match(bridge, match);
    }
}
