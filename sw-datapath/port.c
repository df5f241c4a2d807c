/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: a number, the device behind it while there is one, and what the packet path may
 * do with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sw-datapath/dp_internal.h"

LOG_MODULE(port);

/* --- configuration and state -------------------------------------------------------- */

/* What the packet path may do, from configuration and link. */
static void
update_path(struct dp_port *port)
{
    uint32_t config = port->info.config;
    uint32_t path = 0;
    if (!(config & PORT_CONFIG_DOWN)) {
        path |= config & PORT_CONFIG_NO_RECV ? 0 : PORT_PATH_RX;
        path |= config & PORT_CONFIG_NO_RECV_STP ? 0 : PORT_PATH_RX_STP;
        if (!(config & PORT_CONFIG_NO_FWD) && !(port->info.state & PORT_STATE_LINK_DOWN)) {
            path |= PORT_PATH_TX;
        }
    }
    path |= config & PORT_CONFIG_NO_FLOOD ? 0 : PORT_PATH_FLOOD;
    path |= config & PORT_CONFIG_NO_PACKET_IN ? 0 : PORT_PATH_PACKET_IN;
    atomic_store_explicit(&port->path, path, memory_order_relaxed);
}

static void
update_info(struct dp_port *port)
{
    struct port_info *info = &port->info;
    struct link_features features = { 0 };
    if (port->link.ifindex) {
        link_get_features(info->name, &features, NULL);
        memcpy(info->hw_addr, port->link.hw_addr, sizeof info->hw_addr);
    }
    info->current = features.current;
    info->advertised = features.advertised;
    info->supported = features.supported;
    info->peer = features.peer;
    info->speed_mbps = features.speed_mbps;
    bool up = port->kind == PKTIO_MEMORY || (port->link.ifindex && port->link.running);
    info->state = up ? 0 : PORT_STATE_LINK_DOWN;
    update_path(port);
}

static void
tell(const struct dp_port *port, enum dp_port_event event)
{
    port->bridge->ops->port_event(port->bridge->ops_aux, event, &port->info);
}

/* --- devices ----------------------------------------------------------------------- */

/* Adds what 'now' has more than 'then'. */
static void
add_stats(struct pktio_stats *sum, const struct pktio_stats *now, const struct pktio_stats *then)
{
    sum->tx_packets += now->tx_packets - then->tx_packets;
    sum->tx_bytes += now->tx_bytes - then->tx_bytes;
    sum->rx_dropped += now->rx_dropped - then->rx_dropped;
    sum->rx_errors += now->rx_errors - then->rx_errors;
    sum->tx_dropped += now->tx_dropped - then->tx_dropped;
    sum->tx_errors += now->tx_errors - then->tx_errors;
}

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
    add_stats(&d->port->gone, &now, &d->counted);
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

/* Opens the device behind the port. */
static int
port_attach(struct dp_port *port, struct errmsg *err)
{
    struct pktio *io;
    int error = pktio_open(port->kind, port->info.name, &io, err);
    if (error) {
        return error;
    }
    if (port->kind != PKTIO_MEMORY) {
        error = link_get(port->info.name, &port->link, err);
        if (error) {
            pktio_close(io);
            return error;
        }
    }
    update_info(port);
    atomic_store(&port->io, io);
    return 0;
}

/* Closes the device after a grace period; its counters stay the port's. No worker may find
 * its way to it any more when this is called, neither to send nor to receive: the grace
 * period may begin at once. */
static void
port_retire(struct dp_port *port, struct pktio *io)
{
    if (!io) {
        return;
    }
    static const struct pktio_stats none;
    struct detached *d = calloc(1, sizeof *d);
    struct pktio_stats stats;
    pktio_get_stats(io, &stats);
    add_stats(&port->gone, &stats, &none);
    port->link = (struct link_info) { 0 };
    update_info(port);
    if (d) {
        *d = (struct detached) { .port = port, .io = io, .counted = stats };
        epoch_defer(detached_close, d);
    } else {
        epoch_defer(close_io, io);
    }
}

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
    if (!port->slots) {
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
    update_info(port);
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
    *port_no = no;
    log_info("bridge %s: port %u is %s%s", bridge->name, no, name,
             absent ? ", which does not exist yet" : "");
    tell(port, DP_PORT_ADDED);
    return 0;
}

int
dp_port_add(struct dp_bridge *bridge, const char *name, uint16_t want, enum pktio_kind kind,
            uint16_t *port_no, struct errmsg *err)
{
    return port_add(bridge, name, want, kind, false, port_no, err);
}

int
dp_port_reserve(struct dp_bridge *bridge, const char *name, uint16_t want, uint16_t *port_no,
                struct errmsg *err)
{
    return port_add(bridge, name, want, PKTIO_AFPACKET, true, port_no, err);
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

static uint64_t
load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

bool
dp_port_get_counters(const struct dp_bridge *bridge, uint16_t port_no, struct port_counters *out)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        return false;
    }
    struct pktio_stats io = { 0 };
    if (atomic_load(&port->io)) {
        pktio_get_stats(atomic_load(&port->io), &io);
    }
    *out = (struct port_counters) {
        .rx_dropped = io.rx_dropped + port->gone.rx_dropped,
        .tx_packets = io.tx_packets + port->gone.tx_packets,
        .tx_bytes = io.tx_bytes + port->gone.tx_bytes,
        .tx_dropped = io.tx_dropped + port->gone.tx_dropped,
        .rx_errors = io.rx_errors + port->gone.rx_errors,
        .tx_errors = io.tx_errors + port->gone.tx_errors,
        .rx_frame_err = UINT64_MAX,
        .rx_over_err = UINT64_MAX,
        .rx_crc_err = UINT64_MAX,
        .collisions = UINT64_MAX,
    };
    for (unsigned i = 0; i < dp_n_slots(bridge->dp); i++) {
        const struct port_slot *slot = &port->slots[i];
        out->rx_packets += load(&slot->rx_packets);
        out->rx_bytes += load(&slot->rx_bytes);
        out->rx_dropped += load(&slot->rx_dropped);
        out->tx_dropped += load(&slot->tx_dropped);
    }
    return true;
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

bool
dp_port_set_config(struct dp_bridge *bridge, uint16_t port_no, uint32_t config, uint32_t mask)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        return false;
    }
    uint32_t changed = (port->info.config ^ config) & mask;
    if (changed) {
        port->info.config ^= changed;
        update_path(port);
        tell(port, DP_PORT_MODIFIED);
    }
    return true;
}

struct pktio *
dp_port_pktio(const struct dp_bridge *bridge, uint16_t port_no)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    return port && port->kind == PKTIO_MEMORY ? atomic_load(&port->io) : NULL;
}

/* --- links come, change and go ------------------------------------------------------- */

struct link_change {
    const struct link_info *link;
    bool gone;
    bool republish;
};

static void
take_up(struct dp_port *port, struct link_change *change)
{
    struct errmsg err;
    /* If it is a device that was let go of a moment ago, then what was done to it is undone
     * after the grace period only, and until then the device is taken. */
    epoch_drain();
    if (port_attach(port, &err)) {
        log_warn("bridge %s: port %u, %s, is there but cannot be used: %s", port->bridge->name,
                 port->no, port->info.name, err.text);
        return;
    }
    log_info("bridge %s: port %u, %s, is there", port->bridge->name, port->no, port->info.name);
    change->republish = true;
}

static void
let_go(struct dp_port *port)
{
    log_warn("bridge %s: port %u, %s, has gone; %s", port->bridge->name, port->no,
             port->info.name, port->kind == PKTIO_TAP ? "it comes back when the bridge is made again"
                                                      : "its number waits for it");
    struct pktio *io = atomic_exchange(&port->io, NULL);
    dp_publish_rx(port->bridge->dp);
    port_retire(port, io);
    fdb_flush_port(port->bridge->fdb, port->no);
}

static void
link_visit(struct dp_port *port, void *aux)
{
    struct link_change *change = aux;
    const struct link_info *link = change->link;
    bool ours = port->link.ifindex && port->link.ifindex == link->ifindex;
    bool named = !strcmp(port->info.name, link->name);
    if (port->kind != PKTIO_AFPACKET && !ours) {
        return; /* a TAP is made, never found */
    }
    struct port_info before = port->info;
    if (ours && (change->gone || !named)) {
        let_go(port);
    } else if (ours) {
        if (link->mtu != port->link.mtu) {
            pktio_set_mtu(atomic_load(&port->io), link->mtu);
        }
        port->link = *link;
        update_info(port);
    } else if (named && !change->gone) {
        if (port->link.ifindex) {
            let_go(port); /* deleted and made again: the old index is dead */
        }
        take_up(port, change);
    }
    if (memcmp(&before, &port->info, sizeof before)) {
        tell(port, DP_PORT_MODIFIED);
    }
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
