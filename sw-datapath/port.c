/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: their numbers and names, and their life. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/offload.h"
#include "sw-datapath/port_private.h"

LOG_MODULE(port);

static struct worker *
least_loaded(const struct dp *dp)
{
    struct worker *best = dp->workers[0];
    for (unsigned i = 1; i < dp->n_workers; i++) {
        if (dp->workers[i]->n_ports < best->n_ports) {
            best = dp->workers[i];
        }
    }
    return best;
}

static void
port_destroy(void *arg)
{
    struct dp_port *port = arg;
    port_queues_free(port);
    govern_port_free(port->governed);
    free(port->slots);
    free(port);
}

static struct dp_port *
port_new(struct dp_bridge *bridge, const char *name, uint16_t no, enum pktio_kind kind)
{
    unsigned n_slots = dp_n_slots(bridge->dp);
    struct dp_port *port = calloc(1, sizeof *port);
    if (!port) {
        return NULL;
    }
    port->slots = aligned_alloc(64, n_slots * sizeof *port->slots);
    port->governed = govern_port_new();
    if (!port->slots || !port->governed) {
        govern_port_free(port->governed);
        free(port->slots);
        free(port);
        return NULL;
    }
    memset(port->slots, 0, n_slots * sizeof *port->slots);
    port->bridge = bridge;
    port->kind = kind;
    port->no = no;
    port->info.port_no = no;
    snprintf(port->info.name, sizeof port->info.name, "%s", name);
    port->worker = least_loaded(bridge->dp);
    port_update_info(port);
    return port;
}

int
port_open_local(struct dp_bridge *bridge, enum pktio_kind kind, struct errmsg *err)
{
    struct dp_port *port = port_new(bridge, bridge->name, PORT_LOCAL, kind);
    if (!port) {
        errmsg_set(err, "no memory for the local port");
        return -ENOMEM;
    }
    int error = port_attach(port, err);
    if (!error) {
        error = port_map_publish(bridge, port, NULL);
    }
    if (error) {
        pktio_close(atomic_load(&port->io));
        port_destroy(port);
    }
    return error;
}

/* --- the calls of datapath.h --------------------------------------------------------- */

struct search {
    const char *name;
    const struct dp_port *found;
};

static void
search_visit(struct dp_port *port, void *aux)
{
    struct search *search = aux;
    if (!strcmp(port->info.name, search->name)) {
        search->found = port;
    }
}

static int
choose_number(const struct dp_bridge *bridge, uint16_t want, uint16_t *no, struct errmsg *err)
{
    const struct port_map *map = atomic_load(&bridge->map);
    if (want) {
        if (want >= PORT_MAX) {
            errmsg_set(err, "port number %u: not between 1 and %u", want, PORT_MAX - 1);
            return -EINVAL;
        }
        const struct dp_port *other = port_map_find(map, want);
        if (other) {
            errmsg_set(err, "port number %u is taken by %s", want, other->info.name);
            return -EEXIST;
        }
        *no = want;
        return 0;
    }
    uint16_t free_no = 1;
    while (port_map_find(map, free_no)) {
        free_no++;
    }
    if (free_no >= PORT_MAX) {
        errmsg_set(err, "bridge %s has no port number left", bridge->name);
        return -ENOSPC;
    }
    *no = free_no;
    return 0;
}

static int
port_add(struct dp_bridge *bridge, const char *name, uint16_t want, enum pktio_kind kind,
         bool absent, uint16_t *port_no, struct errmsg *err)
{
    struct dp *dp = bridge->dp;
    if (!*name || strlen(name) >= PORT_NAME_SIZE) {
        errmsg_set(err, "device '%s': a name has 1 to %d characters", name, PORT_NAME_SIZE - 1);
        return -EINVAL;
    }
    struct search search = { .name = name };
    dp_visit_ports(dp, search_visit, &search);
    if (search.found) {
        errmsg_set(err, "device %s is port %u of bridge %s already", name, search.found->no,
                   search.found->bridge->name);
        return -EBUSY;
    }
    uint16_t no;
    int error = choose_number(bridge, want, &no, err);
    if (error) {
        return error;
    }
    /* When the grace period of a port that went a moment ago is over, its device is let go
     * and its addresses are forgotten once more: before this port, not after, because it may
     * have the same device or number. */
    epoch_drain();
    struct dp_port *port = port_new(bridge, name, no, kind);
    if (!port) {
        errmsg_set(err, "no memory for port %s", name);
        return -ENOMEM;
    }
    if (!absent) {
        error = port_attach(port, err);
    }
    if (!error) {
        error = port_map_publish(bridge, port, NULL);
    }
    if (error) {
        pktio_close(atomic_load(&port->io));
        port_destroy(port);
        return error;
    }
    dp_publish_rx(dp);
    offload_port_changed(port);
    *port_no = no;
    log_info("bridge %s: port %u is %s%s", bridge->name, no, name,
             absent ? ", which does not exist yet" : "");
    port_tell(port, DP_PORT_ADDED);
    return 0;
}

int
dp_port_add(struct dp_bridge *bridge, const char *name, uint16_t want, enum pktio_kind kind,
            uint16_t *port_no, struct errmsg *err)
{
    return port_add(bridge, name, want, kind, false, port_no, err);
}

int
dp_port_reserve(struct dp_bridge *bridge, const char *name, uint16_t want, enum pktio_kind kind,
                uint16_t *port_no, struct errmsg *err)
{
    return port_add(bridge, name, want, kind, true, port_no, err);
}

/* The port is in no map and in no worker's list. */
static void
port_remove(struct dp_port *port)
{
    port_retire(port, atomic_exchange(&port->io, NULL));
    fdb_flush_port(port->bridge->fdb, port->no);
    epoch_defer(port_destroy, port);
}

int
dp_port_del(struct dp_bridge *bridge, uint16_t port_no, struct errmsg *err)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port || port_no == PORT_LOCAL) {
        errmsg_set(err, port ? "bridge %s: LOCAL goes with the bridge"
                             : "bridge %s has no port %u", bridge->name, port_no);
        return port ? -EPERM : -ENODEV;
    }
    if (port_map_publish(bridge, NULL, port)) {
        errmsg_set(err, "no memory to remove port %u", port_no);
        return -ENOMEM;
    }
    log_info("bridge %s: port %u, %s, removed", bridge->name, port_no, port->info.name);
    offload_port_removed(port);
    struct port_info info = port->info;
    dp_publish_rx(bridge->dp);
    port_remove(port);
    bridge->ops->port_event(bridge->ops_aux, DP_PORT_REMOVED, &info);
    return 0;
}

void
port_close_all(struct dp_bridge *bridge)
{
    const struct port_map *map = atomic_load(&bridge->map);
    for (unsigned i = 0; i <= map->n; i++) {
        struct dp_port *port = i < map->n ? map->ports[i] : map->local;
        if (port) {
            port_remove(port);
        }
    }
}

bool
dp_port_get(const struct dp_bridge *bridge, uint16_t port_no, struct port_info *info)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (port) {
        *info = port->info;
    }
    return port;
}

bool
dp_port_find(const struct dp_bridge *bridge, const char *name, uint16_t *port_no)
{
    const struct port_map *map = atomic_load(&bridge->map);
    for (unsigned i = 0; i <= map->n; i++) {
        const struct dp_port *port = i < map->n ? map->ports[i] : map->local;
        if (port && !strcmp(port->info.name, name)) {
            *port_no = port->no;
            return true;
        }
    }
    return false;
}

void
dp_port_for_each(const struct dp_bridge *bridge,
                 bool (*visit)(const struct port_info *, void *aux), void *aux)
{
    const struct port_map *map = atomic_load(&bridge->map);
    for (unsigned i = 0; i <= map->n; i++) {
        const struct dp_port *port = i < map->n ? map->ports[i] : map->local;
        if (port && !visit(&port->info, aux)) {
            return;
        }
    }
}

struct pktio *
dp_port_pktio(const struct dp_bridge *bridge, uint16_t port_no)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    return port && port->kind == PKTIO_MEMORY ? atomic_load(&port->io) : NULL;
}
