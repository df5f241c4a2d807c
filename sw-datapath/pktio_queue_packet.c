/* SPDX-License-Identifier: Apache-2.0 */
/* AF_PACKET: queues as classes on the device. Control thread; sending through one is in
 * pktio_tx_packet.c. */
#include <errno.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/netdev/htb.h"
#include "sw-datapath/pktio_afpacket.h"

LOG_MODULE(pktio);

static struct htb_rates
rates_of(const struct pktio_queue_config *config)
{
    return (struct htb_rates) {
        .rate = config->min_rate / 8,
        .ceil = config->max_rate / 8,
        .burst = config->burst,
    };
}

/* The lowest class number that is free, or 0. */
static uint16_t
choose_minor(const struct afpacket *a)
{
    for (uint16_t minor = 1; minor <= PKTIO_MAX_QUEUES; minor++) {
        const struct afpacket_queue *queue = a->queues;
        while (queue && queue->minor != minor) {
            queue = queue->next;
        }
        if (!queue) {
            return minor;
        }
    }
    return 0;
}

/* With its first queue a device gets a queueing discipline that keeps frames: they can't use
 * the ring any more, not even those of no queue. */
static int
make_class(struct afpacket *a, uint16_t minor, const struct pktio_queue_config *config,
           struct errmsg *err)
{
    int rc = a->queues ? 0 : htb_add_root(a->io.ifindex, err);
    if (rc) {
        return rc;
    }
    atomic_store_explicit(&a->holds_frames, true, memory_order_relaxed);
    const struct htb_rates rates = rates_of(config);
    rc = htb_add_class(a->io.ifindex, minor, &rates, err);
    if (rc && !a->queues) {
        htb_del_root(a->io.ifindex);
        atomic_store_explicit(&a->holds_frames, false, memory_order_relaxed);
    }
    return rc;
}

int
afpacket_queue_new(struct pktio *io, const struct pktio_queue_config *config,
                   struct pktio_queue **out, struct errmsg *err)
{
    struct afpacket *a = afpacket_cast(io);
    uint16_t minor = choose_minor(a);
    if (!minor) {
        errmsg_set(err, "%s: more than %d queues", io->name, PKTIO_MAX_QUEUES);
        return -ENOSPC;
    }
    struct afpacket_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        errmsg_set(err, "%s: out of memory", io->name);
        return -ENOMEM;
    }
    int rc = make_class(a, minor, config, err);
    if (rc) {
        errmsg_prefix(err, "%s", io->name);
        free(queue);
        return rc;
    }
    queue->minor = minor;
    queue->next = a->queues;
    a->queues = queue;
    *out = &queue->queue;
    return 0;
}

int
afpacket_queue_change(struct pktio_queue *queue, const struct pktio_queue_config *config,
                      struct errmsg *err)
{
    const struct htb_rates rates = rates_of(config);
    int rc = htb_change_class(queue->port->ifindex, ((struct afpacket_queue *) queue)->minor,
                              &rates, err);
    if (rc) {
        errmsg_prefix(err, "%s", queue->port->name);
    }
    return rc;
}

void
afpacket_queue_free(struct pktio_queue *queue)
{
    struct afpacket *a = afpacket_cast(queue->port);
    struct afpacket_queue **p = &a->queues;
    while (&(*p)->queue != queue) {
        p = &(*p)->next;
    }
    struct afpacket_queue *gone = *p;
    *p = gone->next;
    if (a->queues) {
        htb_del_class(a->io.ifindex, gone->minor);
    } else {
        htb_del_root(a->io.ifindex);
        atomic_store_explicit(&a->holds_frames, false, memory_order_relaxed);
    }
    afpacket_close_sockets(gone->tx_socket);
    free(gone);
}

/* The kernel's number of packets. Of super-frames from a packet socket older kernels (6.1 does,
 * 6.18 does) count the bytes but no packet at all, newer ones their segments; which it is shows
 * when there are more than we have sent whole. Segments that are still waiting are counted, too:
 * at most what is in the queue. */
static uint64_t
count_packets(const struct pktio_queue *queue, uint64_t packets)
{
    uint64_t n_frames = atomic_load_explicit(&queue->taken_frames, memory_order_relaxed);
    uint64_t n_segments = atomic_load_explicit(&queue->taken_segments, memory_order_relaxed);
    if (packets <= n_frames) {
        packets += n_segments;
        packets = packets < n_frames + n_segments ? packets : n_frames + n_segments;
    }
    return packets > queue->tx_packets ? packets : queue->tx_packets;
}

static void
got_class(const struct htb_class_stats *stats, void *afpacket)
{
    struct afpacket_queue *queue = ((struct afpacket *) afpacket)->queues;
    while (queue && queue->minor != stats->minor) {
        queue = queue->next;
    }
    if (queue) {
        queue->seen = true;
        queue->queue.tx_packets = count_packets(&queue->queue, stats->packets);
        queue->queue.tx_bytes = stats->bytes;
    }
}

void
afpacket_queues_collect(struct pktio *io)
{
    struct afpacket *a = afpacket_cast(io);
    for (struct afpacket_queue *queue = a->queues; queue; queue = queue->next) {
        queue->seen = false;
    }
    struct errmsg err;
    if (!a->queues || htb_for_each_class(io->ifindex, got_class, a, &err)) {
        return;    /* what is known stays */
    }
    for (struct afpacket_queue *queue = a->queues; queue; queue = queue->next) {
        if (!queue->seen && !queue->queue.lost) {
            queue->queue.lost = true;
            counter_inc(COUNTER_queue_lost);
            log_warn("%s: somebody removed queue %u from the device: what it has sent is not known "
                     "any more, and its rates do not hold; remove the port's queues and add them again",
                     io->name, queue->queue.id);
        }
    }
}

void
afpacket_clear_queues(struct afpacket *a)
{
    struct htb_root root;
    if (!htb_find_root(a->io.ifindex, &root, NULL) && root.owner == HTB_OWNER_US) {
        log_info("%s: removing the queues that a process left that ended without doing so",
                 a->io.name);
        htb_del_root(a->io.ifindex);
    }
}
