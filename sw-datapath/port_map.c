/* SPDX-License-Identifier: Apache-2.0 */
/* What is published about ports: where a number leads, and who receives from which. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sw-datapath/dp_internal.h"

LOG_MODULE(port_map);

/* Makes a map of the bridge's ports, of which 'add' is one more and 'del' one less. */
static struct port_map *
map_new(const struct port_map *old, struct dp_port *add, const struct dp_port *del)
{
    unsigned limit = old->limit;
    if (add && add->no != PORT_LOCAL && add->no >= limit) {
        limit = add->no + 1u;
    }
    struct port_map *map = calloc(1, sizeof *map + limit * sizeof map->by_no[0]
                                         + (old->n + 1) * sizeof map->ports[0]);
    if (!map) {
        return NULL;
    }
    map->limit = limit;
    map->ports = &map->by_no[limit];
    map->local = old->local == del ? NULL : old->local;
    memcpy(map->by_no, old->by_no, old->limit * sizeof map->by_no[0]);
    if (add && add->no == PORT_LOCAL) {
        map->local = add;
    } else if (add) {
        map->by_no[add->no] = add;
    }
    if (del && del->no != PORT_LOCAL) {
        map->by_no[del->no] = NULL;
    }
    for (unsigned i = 0; i < limit; i++) {
        if (map->by_no[i]) {
            map->ports[map->n++] = map->by_no[i];
        }
    }
    return map;
}

int
port_map_publish(struct dp_bridge *bridge, struct dp_port *add, const struct dp_port *del)
{
    struct port_map *old = atomic_load(&bridge->map);
    struct port_map *map = map_new(old, add, del);
    if (!map) {
        return -ENOMEM;
    }
    atomic_store(&bridge->map, map);
    epoch_defer(free, old);
    return 0;
}

void
dp_visit_ports(const struct dp *dp, void (*visit)(struct dp_port *, void *aux), void *aux)
{
    for (struct dp_bridge *bridge = dp->bridges; bridge; bridge = bridge->next) {
        const struct port_map *map = atomic_load(&bridge->map);
        for (unsigned i = 0; i <= map->n; i++) {
            struct dp_port *port = i < map->n ? map->ports[i] : map->local;
            if (port) {
                visit(port, aux);
            }
        }
    }
}

struct rx_build {
    const struct worker *worker;
    struct rx_list *list;
};

static void
rx_build_visit(struct dp_port *port, void *aux)
{
    struct rx_build *build = aux;
    struct pktio *io = atomic_load(&port->io);
    if (port->worker == build->worker && io) {
        build->list->ports[build->list->n_ports++] =
            (struct rx_port) { .bridge = port->bridge, .port = port, .io = io };
    }
}

static void
count_visit(struct dp_port *port, void *aux)
{
    (void) port;
    ++*(unsigned *) aux;
}

/* What a worker has when there is no memory for its list: what the old one leads to may be
 * freed, so it must not go on with that. */
static struct rx_list no_ports;

void
rx_list_free(void *list)
{
    if (list != &no_ports) {
        free(list);
    }
}

static struct rx_list *
rx_list_new(const struct dp *dp, const struct worker *worker, unsigned n_ports)
{
    unsigned n_bridges = 0;
    for (const struct dp_bridge *bridge = dp->bridges; bridge; bridge = bridge->next) {
        n_bridges++;
    }
    struct rx_list *list = calloc(1, sizeof *list + n_ports * sizeof list->ports[0]
                                         + n_bridges * sizeof list->bridges[0]);
    if (!list) {
        return NULL;
    }
    list->bridges = (struct dp_bridge **) &list->ports[n_ports];
    for (struct dp_bridge *bridge = dp->bridges; bridge; bridge = bridge->next) {
        list->bridges[list->n_bridges++] = bridge;
    }
    struct rx_build build = { .worker = worker, .list = list };
    dp_visit_ports(dp, rx_build_visit, &build);
    return list;
}

void
dp_publish_rx(struct dp *dp)
{
    unsigned n_ports = 0;
    dp_visit_ports(dp, count_visit, &n_ports);
    dp->rx_incomplete = false;
    for (unsigned i = 0; i < dp->n_workers; i++) {
        struct worker *w = dp->workers[i];
        struct rx_list *list = rx_list_new(dp, w, n_ports);
        if (!list) {
            log_error("no memory to publish the ports: worker %u receives nothing until there is",
                      i);
            dp->rx_incomplete = true;
            list = &no_ports;
        } else {
            w->n_ports = list->n_ports;
        }
        epoch_defer(rx_list_free, atomic_exchange(&w->ports, list));
        if (w->running) {
            worker_wake(w);
        }
    }
}
