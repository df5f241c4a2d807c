/* SPDX-License-Identifier: Apache-2.0 */
/* Ports in memory: two bounded queues and a descriptor that says when there is something.
 * A frame's storage stays with its place in the queue, so nothing is allocated once the
 * places have seen frames of that size. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sw-datapath/pktio_impl.h"

enum { QUEUE_LEN = 4096 };

struct stored {
    uint8_t *bytes;               /* PACKET_HEADROOM, the frame, PACKET_TAILROOM */
    uint32_t capacity;            /* of the frame */
    uint32_t size;
    uint32_t queue_id;            /* UINT32_MAX: sent through none */
    struct packet_offload offload;
};

struct queue {
    pthread_mutex_t lock;
    struct stored *places;        /* QUEUE_LEN */
    unsigned head, n;             /* oldest; how many */
};

struct memory_queue {
    struct pktio_queue queue;
    struct memory_queue *next;
};

struct memory {
    struct pktio io;              /* fd: an eventfd, readable while 'rx' has frames */
    struct queue rx, tx;
    struct memory_queue *queues;
    struct stored taken[PACKET_BATCH_MAX];
};

static struct memory *
memory_cast(struct pktio *io)
{
    return (struct memory *) io;
}

/* Stores a frame at the end. 0, -ENOBUFS or -ENOMEM. The caller has the lock. */
static int
queue_put(struct queue *queue, const void *frame, uint32_t size,
          const struct packet_offload *offload, uint32_t queue_id)
{
    if (queue->n == QUEUE_LEN) {
        return -ENOBUFS;
    }
    struct stored *place = &queue->places[(queue->head + queue->n) % QUEUE_LEN];
    if (place->capacity < size) {
        uint8_t *bytes = realloc(place->bytes, PACKET_HEADROOM + size + PACKET_TAILROOM);
        if (!bytes) {
            return -ENOMEM;
        }
        place->bytes = bytes;
        place->capacity = size;
    }
    memcpy(place->bytes + PACKET_HEADROOM, frame, size);
    place->size = size;
    place->offload = *offload;
    place->queue_id = queue_id;
    queue->n++;
    return 0;
}

/* Swaps the oldest frame for 'out', whose storage its place gets. False if there is none.
 * The caller has the lock. */
static bool
queue_take(struct queue *queue, struct stored *out)
{
    if (!queue->n) {
        return false;
    }
    struct stored *place = &queue->places[queue->head];
    struct stored frame = *place;
    *place = *out;
    *out = frame;
    queue->head = (queue->head + 1) % QUEUE_LEN;
    queue->n--;
    return true;
}

static bool
queue_init(struct queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    queue->places = calloc(QUEUE_LEN, sizeof *queue->places);
    return queue->places;
}

static void
queue_fini(struct queue *queue)
{
    for (unsigned i = 0; queue->places && i < QUEUE_LEN; i++) {
        free(queue->places[i].bytes);
    }
    free(queue->places);
    pthread_mutex_destroy(&queue->lock);
}

static unsigned
memory_rx(struct pktio *io, struct packet *packets, unsigned max)
{
    struct memory *memory = memory_cast(io);
    unsigned n = 0;
    pthread_mutex_lock(&memory->rx.lock);
    bool had_some = memory->rx.n;
    while (n < max && queue_take(&memory->rx, &memory->taken[n])) {
        packets[n].data = memory->taken[n].bytes + PACKET_HEADROOM;
        packets[n].size = memory->taken[n].size;
        packets[n].offload = memory->taken[n].offload;
        n++;
    }
    if (had_some && !memory->rx.n) {
        /* Read and written under the lock, or it could say the opposite of what is. */
        eventfd_t unused;
        eventfd_read(io->fd, &unused);
    }
    pthread_mutex_unlock(&memory->rx.lock);
    return n;
}

static void
memory_rx_release(struct pktio *io)
{
    (void) io;    /* storage goes back to the queue by exchange, with the next frames */
}

static void
memory_tx(struct pktio_tx *tx, struct pktio *io, struct tx_frame *const frames[],
          unsigned n)
{
    (void) tx;
    struct queue *queue = &memory_cast(io)->tx;
    uint32_t queue_id = frames[0]->queue ? frames[0]->queue->id : UINT32_MAX;
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < n; i++) {
        int rc = queue_put(queue, frames[i]->data, frames[i]->size, &frames[i]->offload, queue_id);
        if (rc) {
            pktio_lose_errno(io, -rc, frames + i, 1);
        }
    }
    pthread_mutex_unlock(&queue->lock);
}

static void
memory_close(struct pktio *io)
{
    struct memory *memory = memory_cast(io);
    queue_fini(&memory->rx);
    queue_fini(&memory->tx);
    for (unsigned i = 0; i < PACKET_BATCH_MAX; i++) {
        free(memory->taken[i].bytes);
    }
    if (io->fd >= 0) {
        close(io->fd);
    }
    free(memory);
}

static int
memory_queue_new(struct pktio *io, const struct pktio_queue_config *config,
                 struct pktio_queue **out, struct errmsg *err)
{
    (void) config;
    struct memory *memory = memory_cast(io);
    struct memory_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        errmsg_set(err, "%s: out of memory", io->name);
        return -ENOMEM;
    }
    queue->next = memory->queues;
    memory->queues = queue;
    *out = &queue->queue;
    return 0;
}

static int
memory_queue_change(struct pktio_queue *queue, const struct pktio_queue_config *config,
                    struct errmsg *err)
{
    (void) queue;
    (void) config;
    (void) err;    /* nothing is slow here */
    return 0;
}

static void
memory_queue_free(struct pktio_queue *queue)
{
    struct memory_queue **p = &memory_cast(queue->port)->queues;
    while (&(*p)->queue != queue) {
        p = &(*p)->next;
    }
    struct memory_queue *gone = *p;
    *p = gone->next;
    free(gone);
}

static void
memory_queues_collect(struct pktio *io)
{
    for (struct memory_queue *queue = memory_cast(io)->queues; queue; queue = queue->next) {
        struct pktio_queue_stats taken;
        pktio_queue_get_taken(&queue->queue, &taken);
        queue->queue.tx_packets = taken.tx_packets;
        queue->queue.tx_bytes = taken.tx_bytes;
    }
}

static const struct pktio_ops memory_ops = {
    .rx = memory_rx,
    .rx_release = memory_rx_release,
    .tx = memory_tx,
    .close = memory_close,
    .queue_new = memory_queue_new,
    .queue_change = memory_queue_change,
    .queue_free = memory_queue_free,
    .queues_collect = memory_queues_collect,
};

int
pktio_memory_open(const char *name, struct pktio **out, struct errmsg *err)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory) {
        errmsg_set(err, "%s: out of memory", name);
        return -ENOMEM;
    }
    pktio_init(&memory->io, &memory_ops, name, 0, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    bool ok = queue_init(&memory->rx);
    ok = queue_init(&memory->tx) && ok && memory->io.fd >= 0;
    if (!ok) {
        memory_close(&memory->io);
        errmsg_set(err, "%s: out of memory or descriptors", name);
        return -ENOMEM;
    }
    *out = &memory->io;
    return 0;
}

int
pktio_memory_inject_packet(struct pktio *io, const struct packet *packet)
{
    if (packet->size > PACKET_MAX_SIZE) {
        return -EMSGSIZE;
    }
    struct queue *queue = &memory_cast(io)->rx;
    pthread_mutex_lock(&queue->lock);
    int rc = queue_put(queue, packet->data, packet->size, &packet->offload, UINT32_MAX);
    if (!rc && queue->n == 1) {
        eventfd_write(io->fd, 1);
    }
    pthread_mutex_unlock(&queue->lock);
    if (rc) {
        atomic_fetch_add_explicit(&io->stats.rx_dropped, 1, memory_order_relaxed);
        counter_inc(COUNTER_rx_ring_full);
    }
    return rc;
}

int
pktio_memory_inject(struct pktio *io, const void *frame, uint32_t size)
{
    struct packet packet = { .data = (uint8_t *) (uintptr_t) frame, .size = size };
    return pktio_memory_inject_packet(io, &packet);
}

uint32_t
pktio_memory_take(struct pktio *io, void *frame, uint32_t capacity)
{
    uint32_t queue_id;
    return pktio_memory_take_queued(io, frame, capacity, &queue_id);
}

uint32_t
pktio_memory_take_queued(struct pktio *io, void *frame, uint32_t capacity, uint32_t *queue_id)
{
    struct queue *queue = &memory_cast(io)->tx;
    uint32_t size = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->n) {
        const struct stored *place = &queue->places[queue->head];
        size = place->size;
        *queue_id = place->queue_id;
        memcpy(frame, place->bytes + PACKET_HEADROOM, size < capacity ? size : capacity);
        queue->head = (queue->head + 1) % QUEUE_LEN;
        queue->n--;
    }
    pthread_mutex_unlock(&queue->lock);
    return size;
}
