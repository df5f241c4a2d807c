/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of ports: what was asked for, and on which device it is now. */
#include <errno.h>
#include <stdlib.h>

#include "lib/counters.h"
#include "lib/log.h"
#include "sw-datapath/offload.h"
#include "sw-datapath/port_private.h"

LOG_MODULE(port);

/* In bits a second: the kernel counts in bytes, and packets are thousands of them. */
#define MIN_RATE UINT64_C(8000)
#define MAX_RATE UINT64_C(1000000000000)
enum { MIN_BURST = 1500, MAX_BURST = 1 << 30 };

/* --- what the packet path finds -------------------------------------------------------- */

/* Publishes the queues that the device has, but for 'except'. 0, or -ENOMEM with nothing
 * changed. */
static int
publish(struct dp_port *port, const struct dp_queue *except)
{
    unsigned n = 0;
    for (const struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        n += queue->io && queue != except;
    }
    struct queue_map *map = NULL;
    if (n) {
        map = calloc(1, sizeof *map + n * sizeof map->entries[0]);
        if (!map) {
            return -ENOMEM;
        }
    }
    for (const struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        if (queue->io && queue != except) {
            map->entries[map->n].id = queue->config.id;
            map->entries[map->n++].io = queue->io;
        }
    }
    struct queue_map *old = atomic_exchange(&port->queue_map, map);
    if (old) {
        epoch_defer(free, old);
    }
    return 0;
}

static void
free_io(void *io)
{
    pktio_queue_free(io);
}

/* Lets go of the queue on the device, which must be published no more; what it has taken stays
 * the queue's. */
static void
retire(struct dp_queue *queue)
{
    struct pktio_queue_stats taken;
    pktio_queue_get_taken(queue->io, &taken);
    queue->gone.tx_packets += taken.tx_packets;
    queue->gone.tx_bytes += taken.tx_bytes;
    queue->gone.tx_errors += taken.tx_errors;
    epoch_defer(free_io, queue->io);
    queue->io = NULL;
}

void
port_queues_attach(struct dp_port *port)
{
    struct pktio *io = atomic_load(&port->io);
    for (struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        struct errmsg err;
        if (pktio_queue_new(io, &queue->config, &queue->io, &err)) {
            counter_inc(COUNTER_queue_not_made);
            log_warn("bridge %s: port %u: no queue %u: %s; what is for it goes through no queue",
                     port->bridge->name, port->no, queue->config.id, err.text);
        }
    }
    if (port->queues && publish(port, NULL)) {
        log_error("bridge %s: port %u: no memory for its queues; nothing goes through them",
                  port->bridge->name, port->no);
    }
}

void
port_queues_detach(struct dp_port *port)
{
    struct queue_map *old = atomic_exchange(&port->queue_map, NULL);
    if (old) {
        epoch_defer(free, old);
    }
    for (struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        if (queue->io) {
            retire(queue);
        }
    }
}

void
port_queues_free(struct dp_port *port)
{
    free(atomic_load(&port->queue_map));
    while (port->queues) {
        struct dp_queue *queue = port->queues;
        port->queues = queue->next;
        free(queue);
    }
}

/* --- the calls of datapath.h ------------------------------------------------------------- */

static struct dp_port *
find_port(const struct dp_bridge *bridge, uint16_t port_no, struct errmsg *err)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        errmsg_set(err, "bridge %s has no port %u", bridge->name, port_no);
    }
    return port;
}

/* The place of queue 'id', or where it would be. */
static struct dp_queue **
find_place(struct dp_port *port, uint32_t id)
{
    struct dp_queue **p = &port->queues;
    while (*p && (*p)->config.id < id) {
        p = &(*p)->next;
    }
    return p;
}

static bool
is_there(struct dp_queue *const *place, uint32_t id)
{
    return *place && (*place)->config.id == id;
}

static bool
rate_is_good(uint64_t rate)
{
    return !rate || (rate >= MIN_RATE && rate <= MAX_RATE);
}

int
dp_queue_check(const struct pktio_queue_config *config, struct errmsg *err)
{
    if (config->id == DP_QUEUE_ALL) {
        errmsg_set(err, "queue %u: that number stands for all queues", config->id);
    } else if (!rate_is_good(config->min_rate) || !rate_is_good(config->max_rate)) {
        errmsg_set(err, "queue %u: a rate is from 8 kbit/s to 1 Tbit/s", config->id);
    } else if (config->max_rate && config->min_rate > config->max_rate) {
        errmsg_set(err, "queue %u: its minimum rate is above its maximum", config->id);
    } else if (config->burst && (config->burst < MIN_BURST || config->burst > MAX_BURST)) {
        errmsg_set(err, "queue %u: a burst is from %d to %d bytes", config->id, MIN_BURST,
                   MAX_BURST);
    } else {
        return 0;
    }
    return -EINVAL;
}

static int
check_config(const struct dp_port *port, const struct pktio_queue_config *config,
             struct errmsg *err)
{
    if (port->no == PORT_LOCAL) {
        errmsg_set(err, "LOCAL has no queues: it is the host's own side of the bridge");
        return -EOPNOTSUPP;
    }
    return dp_queue_check(config, err);
}

static unsigned
count(const struct dp_port *port)
{
    unsigned n = 0;
    for (const struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        n++;
    }
    return n;
}

/* Makes it on the device, if there is one, and publishes it: it is in port->queues. */
static int
activate(struct dp_port *port, struct dp_queue *queue, struct errmsg *err)
{
    struct pktio *io = atomic_load(&port->io);
    if (!io) {
        return 0;
    }
    /* A queue that went a moment ago may still be on the device, and, if it was the last one,
     * would take with it what this one needs. */
    epoch_drain();
    int error = pktio_queue_new(io, &queue->config, &queue->io, err);
    if (!error && publish(port, NULL)) {
        errmsg_set(err, "no memory for a queue");
        error = -ENOMEM;
        pktio_queue_free(queue->io);
    }
    return error;
}

int
dp_queue_add(struct dp_bridge *bridge, uint16_t port_no, const struct pktio_queue_config *config,
             struct errmsg *err)
{
    struct dp_port *port = find_port(bridge, port_no, err);
    int error = port ? check_config(port, config, err) : -ENODEV;
    if (error) {
        return error;
    }
    struct dp_queue **place = find_place(port, config->id);
    if (is_there(place, config->id)) {
        errmsg_set(err, "port %u has a queue %u already", port_no, config->id);
        return -EEXIST;
    }
    if (count(port) == PKTIO_MAX_QUEUES) {
        errmsg_set(err, "port %u has %d queues, which is the most", port_no, PKTIO_MAX_QUEUES);
        return -ENOSPC;
    }
    struct dp_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        errmsg_set(err, "no memory for a queue");
        return -ENOMEM;
    }
    queue->config = *config;
    queue->next = *place;
    *place = queue;
    error = activate(port, queue, err);
    if (error) {
        *place = queue->next;
        free(queue);
        return error;
    }
    offload_port_changed(port);
    log_info("bridge %s: port %u, %s, has queue %u", bridge->name, port_no, port->info.name,
             config->id);
    return 0;
}

/* The port's queue; NULL and *err. */
static struct dp_queue *
find_queue(struct dp_port *port, uint32_t id, struct errmsg *err)
{
    struct dp_queue **place = find_place(port, id);
    if (is_there(place, id)) {
        return *place;
    }
    errmsg_set(err, "port %u has no queue %u", port->no, id);
    return NULL;
}

int
dp_queue_change(struct dp_bridge *bridge, uint16_t port_no,
                const struct pktio_queue_config *config, struct errmsg *err)
{
    struct dp_port *port = find_port(bridge, port_no, err);
    int error = port ? check_config(port, config, err) : -ENODEV;
    if (error) {
        return error;
    }
    struct dp_queue *queue = find_queue(port, config->id, err);
    if (!queue) {
        return -ENOENT;
    }
    error = queue->io ? pktio_queue_change(queue->io, config, err) : 0;
    if (!error) {
        queue->config = *config;
        log_info("bridge %s: port %u, %s: queue %u has other rates", bridge->name, port_no,
                 port->info.name, config->id);
    }
    return error;
}

int
dp_queue_del(struct dp_bridge *bridge, uint16_t port_no, uint32_t id, struct errmsg *err)
{
    struct dp_port *port = find_port(bridge, port_no, err);
    struct dp_queue *queue = port ? find_queue(port, id, err) : NULL;
    if (!queue) {
        return port ? -ENOENT : -ENODEV;
    }
    if (publish(port, queue)) {
        errmsg_set(err, "no memory to remove a queue");
        return -ENOMEM;
    }
    *find_place(port, id) = queue->next;
    if (queue->io) {
        retire(queue);
    }
    free(queue);
    offload_port_changed(port);
    log_info("bridge %s: port %u, %s: queue %u removed", bridge->name, port_no, port->info.name,
             id);
    return 0;
}

/* The queue, or NULL. */
static const struct dp_queue *
port_has(const struct dp_port *port, uint32_t id)
{
    const struct dp_queue *queue = port->queues;
    while (queue && queue->config.id != id) {
        queue = queue->next;
    }
    return queue;
}

bool
dp_queue_get(const struct dp_bridge *bridge, uint16_t port_no, uint32_t id,
             struct pktio_queue_config *config)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    const struct dp_queue *queue = port ? port_has(port, id) : NULL;
    if (queue) {
        *config = queue->config;
    }
    return queue;
}

bool
dp_queue_exists(const struct dp_bridge *bridge, uint16_t port_no, uint32_t id)
{
    const struct port_map *map = atomic_load(&bridge->map);
    if (port_no) {
        const struct dp_port *port = port_map_find(map, port_no);
        return port && port_has(port, id);
    }
    unsigned i = 0;
    while (i < map->n && !port_has(map->ports[i], id)) {
        i++;
    }
    return i < map->n;
}

/* What the queue has sent since it was added. */
static void
sum_stats(const struct dp_queue *queue, struct pktio_queue_stats *out)
{
    struct pktio_queue_stats now = { 0 };
    if (queue->io) {
        pktio_queue_get_stats(queue->io, &now);
    }
    bool known = now.tx_packets != UINT64_MAX;
    *out = (struct pktio_queue_stats) {
        .tx_packets = known ? queue->gone.tx_packets + now.tx_packets : UINT64_MAX,
        .tx_bytes = known ? queue->gone.tx_bytes + now.tx_bytes : UINT64_MAX,
        .tx_errors = queue->gone.tx_errors + now.tx_errors,
    };
}

void
dp_queue_for_each(const struct dp_bridge *bridge, uint16_t port_no, bool stats,
                  void (*visit)(const struct dp_queue_info *, void *aux), void *aux)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port || !port->queues) {
        return;
    }
    struct pktio *io = atomic_load(&port->io);
    if (stats && io) {
        pktio_queues_collect(io);
    }
    for (const struct dp_queue *queue = port->queues; queue; queue = queue->next) {
        struct dp_queue_info info = { .config = queue->config, .active = queue->io };
        if (stats) {
            sum_stats(queue, &info.stats);
        }
        visit(&info, aux);
    }
}
