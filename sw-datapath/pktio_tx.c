/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's transmit context: frames wait here until a flush hands each port its own. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sw-datapath/pktio_impl.h"
#include "sw-datapath/pktio_tx_ring.h"

enum {
    QUEUE_LEN = 256,
    COPIES_SIZE = 4 * (PACKET_MAX_SIZE + 64),  /* bytes of frames queued with 'copy' */
};

struct pktio_tx {
    unsigned slot;
    unsigned n;
    struct tx_frame queue[QUEUE_LEN];
    struct tx_ring *ring;
    bool ring_failed;
    uint8_t *copies;                /* allocated when first needed */
    size_t copies_used;
};

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t slots_used;
static_assert(PKTIO_MAX_TX == 64, "one bit a context");

static int
slot_alloc(void)
{
    pthread_mutex_lock(&slots_lock);
    int slot = ~slots_used ? __builtin_ctzll(~slots_used) : -1;
    if (slot >= 0) {
        slots_used |= UINT64_C(1) << slot;
    }
    pthread_mutex_unlock(&slots_lock);
    return slot;
}

static void
slot_free(unsigned slot)
{
    pthread_mutex_lock(&slots_lock);
    slots_used &= ~(UINT64_C(1) << slot);
    pthread_mutex_unlock(&slots_lock);
}

struct pktio_tx *
pktio_tx_new(struct errmsg *err)
{
    int slot = slot_alloc();
    if (slot < 0) {
        errmsg_set(err, "no more than %d threads can send", PKTIO_MAX_TX);
        return NULL;
    }
    struct pktio_tx *tx = calloc(1, sizeof *tx);
    if (!tx) {
        slot_free((unsigned) slot);
        errmsg_set(err, "out of memory for a transmit queue");
        return NULL;
    }
    tx->slot = (unsigned) slot;
    return tx;
}

void
pktio_tx_free(struct pktio_tx *tx)
{
    if (tx) {
        tx_ring_free(tx->ring);
        slot_free(tx->slot);
        free(tx->copies);
        free(tx);
    }
}

unsigned
pktio_tx_slot(const struct pktio_tx *tx)
{
    return tx->slot;
}

struct tx_ring *
pktio_tx_ring(struct pktio_tx *tx)
{
    if (!tx->ring && !tx->ring_failed) {
        tx->ring = tx_ring_new();
        tx->ring_failed = !tx->ring;
    }
    return tx->ring;
}

/* Where the bytes to be sent are: a copy of the caller's, or the caller's own. NULL
 * without memory. */
static const uint8_t *
frame_bytes(struct pktio_tx *tx, const struct packet *packet, bool copy)
{
    if (!copy) {
        return packet->data;
    }
    if (!tx->copies) {
        tx->copies = malloc(COPIES_SIZE);
        if (!tx->copies) {
            return NULL;
        }
    }
    if (tx->copies_used + packet->size > COPIES_SIZE) {
        pktio_tx_flush(tx);
    }
    uint8_t *bytes = tx->copies + tx->copies_used;
    memcpy(bytes, packet->data, packet->size);
    tx->copies_used += packet->size;
    return bytes;
}

void
pktio_tx(struct pktio_tx *tx, struct pktio *port, const struct packet *packet, bool copy)
{
    pktio_tx_queued(tx, port, NULL, packet, copy);
}

void
pktio_tx_queued(struct pktio_tx *tx, struct pktio *port, struct pktio_queue *queue,
                const struct packet *packet, bool copy)
{
    if (tx->n == QUEUE_LEN) {
        pktio_tx_flush(tx);
    }
    struct tx_frame frame = { .port = port, .queue = queue, .size = packet->size,
                              .offload = packet->offload };
    packet_get_wire_size(packet, &frame.n_segments, &frame.wire_bytes);
    if (packet->size > PACKET_MAX_SIZE) {
        pktio_lose_error(port, COUNTER_tx_too_long, (struct tx_frame *[]) { &frame }, 1);
        return;
    }
    frame.data = frame_bytes(tx, packet, copy);
    if (!frame.data) {
        pktio_lose_dropped(port, COUNTER_tx_no_room, (struct tx_frame *[]) { &frame }, 1);
        return;
    }
    tx->queue[tx->n++] = frame;
}

void
pktio_tx_flush(struct pktio_tx *tx)
{
    struct tx_frame *frames[QUEUE_LEN];
    unsigned first = 0;
    while (first < tx->n) {
        /* All that go to the first one's port and queue, in their order. */
        struct pktio *port = tx->queue[first].port;
        const struct pktio_queue *queue = tx->queue[first].queue;
        unsigned n = 0, next = tx->n;
        for (unsigned i = first; i < tx->n; i++) {
            if (tx->queue[i].port == port && tx->queue[i].queue == queue) {
                frames[n++] = &tx->queue[i];
                tx->queue[i].port = NULL;
            } else if (tx->queue[i].port && next == tx->n) {
                next = i;
            }
        }
        port->ops->tx(tx, port, frames, n);
        pktio_count_sent(port, frames, n);
        first = next;
    }
    tx->n = 0;
    tx->copies_used = 0;
}
