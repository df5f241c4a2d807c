/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* In front of each record. 'size' is SKIP where the rest of the buffer, up to its end, is
 * unused because the next record did not fit there in one piece. */
struct header {
    size_t size;
};
#define SKIP SIZE_MAX

/* Positions count bytes since the ring was made and never wrap in practice; the place in
 * the buffer is position & mask. Each side keeps its own cache line and remembers what it
 * last saw of the other's position, so a busy ring seldom moves a line between CPUs. */
struct ring {
    size_t mask;
    uint8_t *buffer;

    alignas(64) _Atomic size_t head;  /* producer: end of what is committed */
    size_t reserved;                  /* where 'head' goes at the commit */
    size_t tail_seen;

    alignas(64) _Atomic size_t tail;  /* consumer: start of what is not consumed */
    size_t head_seen;
};

static size_t
record_room(size_t size)
{
    return sizeof(struct header) + ((size + 7) & ~(size_t) 7);
}

static struct header *
header_at(const struct ring *ring, size_t position)
{
    return (void *) &ring->buffer[position & ring->mask];
}

struct ring *
ring_new(size_t capacity)
{
    if (capacity > SIZE_MAX / 4) {
        return NULL;
    }
    size_t size = 64;
    while (size < capacity) {
        size *= 2;
    }
    struct ring *ring = aligned_alloc(alignof(struct ring), sizeof *ring);
    if (!ring) {
        return NULL;
    }
    *ring = (struct ring) { .mask = size - 1, .buffer = malloc(size) };
    if (!ring->buffer) {
        free(ring);
        return NULL;
    }
    return ring;
}

void
ring_free(struct ring *ring)
{
    if (ring) {
        free(ring->buffer);
        free(ring);
    }
}

size_t
ring_max_record(const struct ring *ring)
{
    return (ring->mask + 1) / 2 - sizeof(struct header);
}

void *
ring_reserve(struct ring *ring, size_t size)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    ring->reserved = head;
    if (size > ring_max_record(ring)) {
        return NULL;
    }

    /* A record of at most half the buffer fits behind 'head' or, when it does not, in
     * front of it: an empty ring always takes it. */
    size_t room = record_room(size);
    size_t to_end = ring->mask + 1 - (head & ring->mask);
    size_t skip = room > to_end ? to_end : 0;
    size_t end = head + skip + room;
    if (end - ring->tail_seen > ring->mask + 1) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (end - ring->tail_seen > ring->mask + 1) {
            return NULL;
        }
    }
    if (skip) {
        header_at(ring, head)->size = SKIP;
    }
    struct header *header = header_at(ring, head + skip);
    header->size = size;
    ring->reserved = end;
    return header + 1;
}

void
ring_commit(struct ring *ring)
{
    atomic_store(&ring->head, ring->reserved);
}

/* The position of the oldest record's header, past a gap; false if there is none. */
static bool
find_oldest(struct ring *ring, size_t *position)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == ring->head_seen) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail == ring->head_seen) {
            return false;
        }
    }
    if (header_at(ring, tail)->size == SKIP) {
        tail += ring->mask + 1 - (tail & ring->mask);
    }
    *position = tail;
    return true;
}

void *
ring_peek(struct ring *ring, size_t *size)
{
    size_t position;
    if (!find_oldest(ring, &position)) {
        return NULL;
    }
    struct header *header = header_at(ring, position);
    *size = header->size;
    return header + 1;
}

void
ring_consume(struct ring *ring)
{
    size_t position;
    if (find_oldest(ring, &position)) {
        position += record_room(header_at(ring, position)->size);
        atomic_store_explicit(&ring->tail, position, memory_order_release);
    }
}

bool
ring_empty(const struct ring *ring)
{
    return atomic_load(&ring->head) == atomic_load(&ring->tail);
}
