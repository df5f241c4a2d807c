/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of variable-size records between two threads.
 *
 * One producer thread, one consumer thread. A record is a contiguous run of bytes in the
 * ring itself: the producer reserves room, fills it in place and commits; the consumer
 * peeks at the oldest record, uses it in place and consumes it. Nothing is allocated or
 * copied, nobody waits for the other: a full ring says so to the producer, who drops and
 * counts. Waking the consumer is the caller's (an eventfd, say).
 *
 * Memory is touched only as the ring fills for the first time.
 */
#ifndef LIB_RING_H
#define LIB_RING_H 1

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* A ring of 'capacity' bytes, rounded up to a power of two and at least 64; each record
 * takes its size, rounded up to 8, and 8 more. NULL without memory. */
struct ring *ring_new(size_t capacity);

/* Frees the ring and what is in it; no thread may use it any more. NULL does nothing. */
void ring_free(struct ring *);

/* The largest record that the ring can always take once it is empty: half its capacity,
 * less 8. */
size_t ring_max_record(const struct ring *);

/* Producer. Room for a record of 'size' bytes, aligned to 8, to be filled by the caller;
 * the consumer sees it after ring_commit(). NULL when there is no room now, or 'size' is
 * over ring_max_record(). Reserving again without a commit gives up the former room. */
void *ring_reserve(struct ring *, size_t size);

/* Producer. Hands what was reserved to the consumer. Without a reservation it does
 * nothing. */
void ring_commit(struct ring *);

/* Consumer. The oldest record and, in *size, its size as it was reserved; it stays where
 * it is, and may be written to, until ring_consume(). NULL when there is none. */
void *ring_peek(struct ring *, size_t *size);

/* Consumer. Gives the oldest record's room back. Without a record it does nothing. */
void ring_consume(struct ring *);

/* True when nothing is committed that was not consumed. Either thread. Sequentially
 * consistent with ring_commit(), so a consumer that announces that it sleeps and then
 * finds the ring empty can't miss a record whose producer looks for sleepers after its
 * commit. */
bool ring_empty(const struct ring *);

#endif /* lib/ring.h */
