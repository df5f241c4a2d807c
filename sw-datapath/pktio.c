/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/pktio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "sw-datapath/pktio_impl.h"

/* A buffer is a whole number of pages, so that untouched ones cost nothing. */
enum {
    BUFFER_PAGE = 4096,
    BUFFER_HEADROOM = 64,    /* PACKET_HEADROOM, a tag, and an aligned frame */
    BUFFER_SIZE = (BUFFER_HEADROOM + PACKET_MAX_SIZE + PACKET_TAILROOM + BUFFER_PAGE - 1)
                  / BUFFER_PAGE * BUFFER_PAGE,
};
static_assert(BUFFER_HEADROOM >= PACKET_HEADROOM + 4, "room for a tag put back");

int
frame_buffers_init(struct frame_buffers *buffers, unsigned n)
{
    void *base = mmap(NULL, (size_t) n * BUFFER_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return -ENOMEM;
    }
    *buffers = (struct frame_buffers) { base, n };
    return 0;
}

void
frame_buffers_fini(struct frame_buffers *buffers)
{
    if (buffers->base) {
        munmap(buffers->base, (size_t) buffers->n * BUFFER_SIZE);
        buffers->base = NULL;
    }
}

uint8_t *
frame_buffers_get(const struct frame_buffers *buffers, unsigned i)
{
    return buffers->base + (size_t) i * BUFFER_SIZE + BUFFER_HEADROOM;
}

void
pktio_init(struct pktio *io, const struct pktio_ops *ops, const char *name, int ifindex, int fd)
{
    io->ops = ops;
    snprintf(io->name, sizeof io->name, "%s", name);
    io->ifindex = ifindex;
    io->fd = fd;
    atomic_init(&io->error, 0);
    atomic_init(&io->mtu, 1500);
    atomic_init(&io->stats.rx_dropped, 0);
    atomic_init(&io->stats.rx_errors, 0);
    atomic_init(&io->stats.tx_dropped, 0);
    atomic_init(&io->stats.tx_errors, 0);
    atomic_init(&io->stats.tx_packets, 0);
    atomic_init(&io->stats.tx_bytes, 0);
}

int
pktio_open(enum pktio_kind kind, const char *name, struct pktio **out, struct errmsg *err)
{
    if (!name[0] || strlen(name) >= PORT_NAME_SIZE || strpbrk(name, "/%: \t\n")) {
        errmsg_set(err, "\"%s\" is not a device name", name);
        return -EINVAL;
    }
    switch (kind) {
    case PKTIO_AFPACKET:
        return pktio_afpacket_open(name, out, err);
    case PKTIO_TAP:
        return pktio_tap_open(name, NULL, out, err);
    case PKTIO_BEHIND:
        return pktio_behind_open(name, out, err);
    case PKTIO_MEMORY:
        return pktio_memory_open(name, out, err);
    }
    return -EINVAL;
}

void
pktio_close(struct pktio *io)
{
    if (io) {
        io->ops->close(io);
    }
}

const char *
pktio_name(const struct pktio *io)
{
    return io->name;
}

int
pktio_ifindex(const struct pktio *io)
{
    return io->ifindex;
}

int
pktio_fd(const struct pktio *io)
{
    return atomic_load_explicit(&io->error, memory_order_acquire) ? -1 : io->fd;
}

int
pktio_error(struct pktio *io)
{
    if (io->ops->error && !atomic_load_explicit(&io->error, memory_order_acquire)) {
        io->ops->error(io);
    }
    return atomic_load_explicit(&io->error, memory_order_acquire);
}

int
pktio_set_up(struct pktio *io, bool up, struct errmsg *err)
{
    return io->ops->set_up ? io->ops->set_up(io, up, err) : 0;
}

void
pktio_set_mtu(struct pktio *io, unsigned mtu)
{
    unsigned before = atomic_exchange_explicit(&io->mtu, mtu, memory_order_relaxed);
    if (mtu != before && io->ops->mtu_changed) {
        io->ops->mtu_changed(io, mtu);
    }
}

unsigned
pktio_rx(struct pktio *io, struct packet *packets, unsigned max)
{
    return io->ops->rx(io, packets, max < PACKET_BATCH_MAX ? max : PACKET_BATCH_MAX);
}

void
pktio_rx_release(struct pktio *io)
{
    io->ops->rx_release(io);
}

static void
add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void
pktio_count_rx_error(struct pktio *io, enum counter counter)
{
    add(&io->stats.rx_errors, 1);
    counter_inc(counter);
}

/* Returns how many frames on the wire they would have been. */
static uint64_t
mark_lost(struct tx_frame *const frames[], unsigned n)
{
    uint64_t n_segments = 0;
    for (unsigned i = 0; i < n; i++) {
        frames[i]->lost = true;
        n_segments += frames[i]->n_segments;
        if (frames[i]->queue) {
            add(&frames[i]->queue->tx_errors, frames[i]->n_segments);
        }
    }
    return n_segments;
}

void
pktio_lose_dropped(struct pktio *io, enum counter counter, struct tx_frame *const frames[],
                   unsigned n)
{
    add(&io->stats.tx_dropped, mark_lost(frames, n));
    counter_add(counter, n);
}

void
pktio_lose_error(struct pktio *io, enum counter counter, struct tx_frame *const frames[],
                 unsigned n)
{
    add(&io->stats.tx_errors, mark_lost(frames, n));
    counter_add(counter, n);
}

/* 'packets' and 'bytes' are those of all frames that are not lost. */
static void
count_taken(struct tx_frame *const frames[], unsigned n, uint64_t packets, uint64_t bytes)
{
    struct pktio_queue *queue = frames[0]->queue;
    uint64_t n_segments = 0;
    for (unsigned i = 0; i < n; i++) {
        n_segments += !frames[i]->lost && frames[i]->offload.gso_type ? frames[i]->n_segments : 0;
    }
    add(&queue->taken_frames, packets - n_segments);
    add(&queue->taken_segments, n_segments);
    add(&queue->taken_bytes, bytes);
}

void
pktio_count_sent(struct pktio *io, struct tx_frame *const frames[], unsigned n)
{
    uint64_t packets = 0, bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!frames[i]->lost) {
            packets += frames[i]->n_segments;
            bytes += frames[i]->wire_bytes;
        }
    }
    if (packets) {
        add(&io->stats.tx_packets, packets);
        add(&io->stats.tx_bytes, bytes);
    }
    if (n && frames[0]->queue) {
        count_taken(frames, n, packets, bytes);
    }
}

bool
pktio_is_device_error(int error)
{
    return error == ENETDOWN || error == ENXIO || error == ENODEV || error == EIO
           || error == EBADFD;
}

void
pktio_lose_errno(struct pktio *io, int error, struct tx_frame *const frames[], unsigned n)
{
    if (error == ENOBUFS || error == EAGAIN || error == ENOMEM) {
        pktio_lose_dropped(io, COUNTER_tx_no_room, frames, n);
    } else if (error == EMSGSIZE) {
        pktio_lose_error(io, COUNTER_tx_too_long, frames, n);
    } else if (pktio_is_device_error(error)) {
        pktio_lose_error(io, COUNTER_tx_device_down, frames, n);
    } else {
        pktio_lose_error(io, COUNTER_tx_refused, frames, n);
    }
}

void
pktio_get_stats(struct pktio *io, struct pktio_stats *out)
{
    if (io->ops->collect) {
        io->ops->collect(io);
    }
    *out = (struct pktio_stats) {
        .rx_dropped = atomic_load_explicit(&io->stats.rx_dropped, memory_order_relaxed),
        .rx_errors = atomic_load_explicit(&io->stats.rx_errors, memory_order_relaxed),
        .tx_dropped = atomic_load_explicit(&io->stats.tx_dropped, memory_order_relaxed),
        .tx_errors = atomic_load_explicit(&io->stats.tx_errors, memory_order_relaxed),
        .tx_packets = atomic_load_explicit(&io->stats.tx_packets, memory_order_relaxed),
        .tx_bytes = atomic_load_explicit(&io->stats.tx_bytes, memory_order_relaxed),
    };
}

void
pktio_mend(struct pktio *io)
{
    if (io->ops->mend) {
        io->ops->mend(io);
    }
}

/* ---- Queues ---- */

int
pktio_queue_new(struct pktio *io, const struct pktio_queue_config *config,
                struct pktio_queue **out, struct errmsg *err)
{
    if (!io->ops->queue_new) {
        errmsg_set(err, "%s: a TAP has no queues", io->name);
        return -EOPNOTSUPP;
    }
    int rc = io->ops->queue_new(io, config, out, err);
    if (!rc) {
        (*out)->port = io;
        (*out)->id = config->id;
    }
    return rc;
}

int
pktio_queue_change(struct pktio_queue *queue, const struct pktio_queue_config *config,
                   struct errmsg *err)
{
    return queue->port->ops->queue_change(queue, config, err);
}

void
pktio_queue_free(struct pktio_queue *queue)
{
    if (queue) {
        queue->port->ops->queue_free(queue);
    }
}

void
pktio_queues_collect(struct pktio *io)
{
    if (io->ops->queues_collect) {
        io->ops->queues_collect(io);
    }
}

void
pktio_queue_get_stats(const struct pktio_queue *queue, struct pktio_queue_stats *out)
{
    *out = (struct pktio_queue_stats) {
        .tx_packets = queue->lost ? UINT64_MAX : queue->tx_packets,
        .tx_bytes = queue->lost ? UINT64_MAX : queue->tx_bytes,
        .tx_errors = atomic_load_explicit(&queue->tx_errors, memory_order_relaxed),
    };
}

void
pktio_queue_get_taken(const struct pktio_queue *queue, struct pktio_queue_stats *out)
{
    uint64_t packets = atomic_load_explicit(&queue->taken_frames, memory_order_relaxed)
                       + atomic_load_explicit(&queue->taken_segments, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&queue->taken_bytes, memory_order_relaxed);
    *out = (struct pktio_queue_stats) {
        .tx_packets = packets > queue->tx_packets ? packets : queue->tx_packets,
        .tx_bytes = bytes > queue->tx_bytes ? bytes : queue->tx_bytes,
        .tx_errors = atomic_load_explicit(&queue->tx_errors, memory_order_relaxed),
    };
}

const struct pktio *
pktio_queue_port(const struct pktio_queue *queue)
{
    return queue->port;
}
