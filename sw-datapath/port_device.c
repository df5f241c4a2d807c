/* SPDX-License-Identifier: Apache-2.0 */
/* The devices behind ports: they are opened, let go of, and come and go by themselves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"
#include "lib/counters.h"
#include "lib/log.h"
#include "sw-datapath/port_private.h"

LOG_MODULE(port);

/* A device that a port has let go of; workers may still be sending to it. */
struct detached {
    struct dp_port *port;       /* freed after this, if at all */
    struct pktio *io;
    struct pktio_stats counted; /* what the port has taken over so far */
};

static void
detached_close(void *arg)
{
    struct detached *d = arg;
    struct pktio_stats now;
    pktio_get_stats(d->io, &now);
    port_stats_add(&d->port->gone, &now, &d->counted);
    /* Once more: a batch that was on its way may have taught addresses behind the port. */
    fdb_flush_port(d->port->bridge->fdb, d->port->no);
    pktio_close(d->io);
    free(d);
}

static void
close_io(void *io)
{
    pktio_close(io);
}

/* Whether the port's device is somebody's, which comes and goes. */
static bool
port_is_found(const struct dp_port *port)
{
    return port->kind == PKTIO_AFPACKET || port->kind == PKTIO_BEHIND;
}

/* A driver's own bridge sends nothing by itself. */
static bool
is_free(const struct dp_port *port, int master)
{
    return !master || (port->bridge->hal && hal_owns_link(port->bridge->hal, master));
}

/* Refuses a device that somebody's bridge or bond has: both would send by it. */
static int
check_master(const struct dp_port *port, struct errmsg *err)
{
    const char *name = port->info.name;
    struct link_info link, master;
    if (link_get(name, &link, NULL) || is_free(port, link.master)) {
        return 0;       /* opening it tells what is wrong, if anything is */
    }
    if (link_get_by_index(link.master, &master, NULL)) {
        errmsg_set(err, "%s is a slave of device %d", name, link.master);
    } else {
        errmsg_set(err, "%s is a slave of %s%s%s%s: take it out of there (ip link set %s nomaster)",
                   name, master.name, master.kind[0] ? " (" : "", master.kind,
                   master.kind[0] ? ")" : "", name);
    }
    return -EBUSY;
}

/* The link of a device that was just opened. A TAP that is made again has its old address. */
static int
look_at_link(struct dp_port *port, const struct pktio *io, struct errmsg *err)
{
    static const uint8_t none[6];
    const uint8_t *addr = port->info.hw_addr;
    if (port->kind == PKTIO_MEMORY) {
        port->link = (struct link_info) { .up = true, .running = true };
        return 0;
    }
    if (port->kind == PKTIO_TAP && memcmp(addr, none, sizeof none)) {
        int error = link_set_address(pktio_ifindex(io), addr, err);
        if (error) {
            return error;
        }
    }
    return link_get(port->info.name, &port->link, err);
}

static int
open_device(struct dp_port *port, struct pktio **io, struct errmsg *err)
{
    int error = port_is_found(port) ? check_master(port, err) : 0;
    error = error ? error : pktio_open(port->kind, port->info.name, io, err);
    if (error) {
        return error;
    }
    error = look_at_link(port, *io, err);
    if (error) {
        pktio_close(*io);
    }
    return error;
}

int
port_attach(struct dp_port *port, struct errmsg *err)
{
    struct pktio *io;
    int error = open_device(port, &io, err);
    if (error) {
        return error;
    }
    port->problem.text[0] = '\0';
    port->master[0] = '\0';
    port_update_info(port);
    atomic_store(&port->io, io);
    port_queues_attach(port);
    if (port->info.config & PORT_CONFIG_DOWN) {
        port_follow_config(port);
    }
    return 0;
}

void
port_follow_config(struct dp_port *port)
{
    struct pktio *io = atomic_load(&port->io);
    bool up = !(port->info.config & PORT_CONFIG_DOWN);
    struct link_info link;
    struct errmsg err;
    if (!io || !port->link.ifindex || link_get(port->info.name, &link, &err)
        || link.ifindex != port->link.ifindex || link.up == up) {
        return;
    }
    if (pktio_set_up(io, up, &err) || link_get(port->info.name, &link, &err)) {
        counter_inc(COUNTER_port_device_failed);
        log_warn("bridge %s: port %u, %s, cannot be %s: %s; %s", port->bridge->name, port->no,
                 port->info.name, up ? "brought up" : "taken down", err.text,
                 up ? "it stays as it is" : "nothing is taken from it or sent by it");
        return;
    }
    port->link = link;
    port_update_info(port);
}

void
port_retire(struct dp_port *port, struct pktio *io)
{
    if (!io) {
        return;
    }
    port_queues_detach(port);
    static const struct pktio_stats none;
    struct detached *d = calloc(1, sizeof *d);
    struct pktio_stats stats;
    pktio_get_stats(io, &stats);
    port_stats_add(&port->gone, &stats, &none);
    port->link = (struct link_info) { 0 };
    port_update_info(port);
    if (d) {
        *d = (struct detached) { .port = port, .io = io, .counted = stats };
        epoch_defer(detached_close, d);
    } else {
        epoch_defer(close_io, io);
    }
}

/* --- links come, change and go ------------------------------------------------------- */

struct link_change {
    const struct link_info *link;
    bool gone;
    bool republish;
};

/* Opens the port's device, which is there; if it can't be used, that is said once. */
static void
take_up(struct dp_port *port, bool *republish)
{
    struct errmsg err;
    /* If it is a device that was let go of a moment ago, then what was done to it is undone
     * after the grace period only, and until then the device is taken. */
    epoch_drain();
    if (!port_attach(port, &err)) {
        log_info("bridge %s: port %u, %s, is there", port->bridge->name, port->no,
                 port->info.name);
        *republish = true;
        return;
    }
    if (strcmp(port->problem.text, err.text)) {
        counter_inc(COUNTER_port_device_failed);
        log_warn("bridge %s: port %u, %s, is there but cannot be used: %s", port->bridge->name,
                 port->no, port->info.name, err.text);
    }
    port->problem = err;
}

static void
release(struct dp_port *port)
{
    struct pktio *io = atomic_exchange(&port->io, NULL);
    dp_publish_rx(port->bridge->dp);
    port_retire(port, io);
    fdb_flush_port(port->bridge->fdb, port->no);
}

static void
let_go(struct dp_port *port)
{
    if (port->kind == PKTIO_TAP) {
        log_warn("bridge %s: its own device was removed or renamed; it is made again, but its IP "
                 "addresses and routes are gone", port->bridge->name);
    } else {
        log_warn("bridge %s: port %u, %s, has gone; its number waits for it", port->bridge->name,
                 port->no, port->info.name);
    }
    release(port);
}

/* The device that has the port's misses was removed: without it nothing is received. */
static void
renew_misses(struct dp_port *port, bool *republish)
{
    counter_inc(COUNTER_port_misses_renewed);
    log_warn("bridge %s: port %u, %s: the device of its misses was removed; it is made again",
             port->bridge->name, port->no, port->info.name);
    release(port);
    take_up(port, republish);
}

/* The device was made a slave of a bridge or bond, or is free of it. */
static void
note_master(struct dp_port *port, int index)
{
    struct link_info master;
    if (!index) {
        port->master[0] = '\0';
        log_info("bridge %s: port %u, %s, is no slave any more", port->bridge->name, port->no,
                 port->info.name);
        return;
    }
    if (link_get_by_index(index, &master, NULL)) {
        snprintf(master.name, sizeof master.name, "device %d", index);
    }
    memcpy(port->master, master.name, sizeof port->master);
    counter_inc(COUNTER_port_enslaved);
    log_warn("bridge %s: port %u, %s, was made a slave of %s, which sends by it too but gets "
             "nothing that it receives; take it out of one of them", port->bridge->name, port->no,
             port->info.name, port->master);
}

/* The port's own device is not as it was. */
static void
link_changed(struct dp_port *port, const struct link_info *link)
{
    if (link->mtu != port->link.mtu) {
        pktio_set_mtu(atomic_load(&port->io), link->mtu);
    }
    bool was_free = is_free(port, port->link.master), now_free = is_free(port, link->master);
    if (!(was_free && now_free) && link->master != port->link.master) {
        note_master(port, now_free ? 0 : link->master);
    }
    port->link = *link;
    port_update_info(port);
}

static void
link_visit(struct dp_port *port, void *aux)
{
    struct link_change *change = aux;
    const struct link_info *link = change->link;
    bool ours = port->link.ifindex && port->link.ifindex == link->ifindex;
    bool named = !strcmp(port->info.name, link->name);
    struct port_info before = port->info;
    const struct pktio *io = atomic_load(&port->io);
    if (change->gone && io && pktio_miss_ifindex(io) == link->ifindex) {
        renew_misses(port, &change->republish);
        port_tell_change(port, &before);
        return;
    }
    if (!port_is_found(port) && !ours) {
        return; /* a TAP is made, never found */
    }
    if (ours && !change->gone && named) {
        link_changed(port, link);
    } else if (ours) {
        let_go(port);
    } else if (named && !change->gone && port->link.ifindex) {
        let_go(port); /* deleted and made again: the old index is dead */
    }
    if (!port->link.ifindex && (port->kind == PKTIO_TAP || (named && !change->gone))) {
        port_tell_change(port, &before);
        before = port->info;
        take_up(port, &change->republish);
    }
    port_tell_change(port, &before);
}

void
port_link_changed(struct dp *dp, const struct link_info *link, bool gone)
{
    struct link_change change = { .link = link, .gone = gone };
    dp_visit_ports(dp, link_visit, &change);
    if (change.republish) {
        dp_publish_rx(dp);
    }
}

void
port_retry_locals(struct dp *dp)
{
    bool republish = false;
    for (struct dp_bridge *bridge = dp->bridges; bridge; bridge = bridge->next) {
        struct port_map *map = atomic_load(&bridge->map);
        struct dp_port *port = map->local;
        if (port && port->kind == PKTIO_TAP && !atomic_load(&port->io)) {
            struct port_info before = port->info;
            take_up(port, &republish);
            port_tell_change(port, &before);
        }
    }
    if (republish) {
        dp_publish_rx(dp);
    }
}

bool
dp_port_get_device(const struct dp_bridge *bridge, uint16_t port_no, struct dp_port_device *out)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (port) {
        *out = (struct dp_port_device) {
            .present = atomic_load(&port->io),
            .up = port->link.up,
            .carrier = port->link.running,
        };
        snprintf(out->master, sizeof out->master, "%s", port->master);
        snprintf(out->problem, sizeof out->problem, "%.*s", (int) sizeof out->problem - 1,
                 port->problem.text);
    }
    return port;
}

void
dp_port_set_memory_link(struct dp_bridge *bridge, uint16_t port_no, bool up)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (port && port->kind == PKTIO_MEMORY) {
        struct port_info before = port->info;
        port->link.running = up;
        port_update_info(port);
        port_tell_change(port, &before);
    }
}
