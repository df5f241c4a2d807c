/* SPDX-License-Identifier: Apache-2.0 */
/* The devices behind ports: they are opened, let go of, and come and go by themselves. */
#include <stdlib.h>
#include <string.h>

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

int
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
    port_update_info(port);
    atomic_store(&port->io, io);
    port_queues_attach(port);
    return 0;
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
        port_update_info(port);
    } else if (named && !change->gone) {
        if (port->link.ifindex) {
            let_go(port); /* deleted and made again: the old index is dead */
        }
        take_up(port, change);
    }
    if (memcmp(&before, &port->info, sizeof before)) {
        port_tell(port, DP_PORT_MODIFIED);
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
