/* SPDX-License-Identifier: Apache-2.0 */
/* Epoch-based reclamation: one writer, readers that never wait.
 *
 * Readers are the packet workers, which register once. A reader is *offline* (it
 * holds no reference to shared state: asleep, or not started) or *online*. An
 * online reader calls epoch_quiescent() between batches, when it holds no
 * reference to anything shared. The writer is the control thread: it unpublishes an
 * object (release store), then calls epoch_advance() and has a number; when
 * epoch_passed(number) is true, every reader has either been through a quiescent
 * state since, or was offline and will see the new state when it comes online. So:
 *
 *  - the object may be freed (epoch_defer does that), and
 *  - no packet is handled by the state before it: this is what a barrier waits for.
 *
 * An idle reader counts without being woken. A writer never blocks a reader.
 *
 * Only acquire, release and seq_cst operations on atomics are used, no fences, so
 * ThreadSanitizer sees every ordering.
 */
#ifndef LIB_EPOCH_H
#define LIB_EPOCH_H 1

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Most readers at a time. */
#define EPOCH_MAX_READERS 64

struct epoch_reader {
    alignas(64) _Atomic uint64_t seen;  /* 0: offline; else the epoch last seen */
    _Atomic bool used;
};

/* Reader side.  Each reader is used by one thread. */

/* Returns a new reader, offline; NULL when EPOCH_MAX_READERS exist. Control thread. */
struct epoch_reader *epoch_reader_new(void);
void epoch_reader_free(struct epoch_reader *);

/* The reader is about to read shared state. */
void epoch_online(struct epoch_reader *);

/* The online reader holds no reference now. Cheap: a load and a store. */
void epoch_quiescent(struct epoch_reader *);

/* The reader holds no reference and will call epoch_online() before it reads again. */
void epoch_offline(struct epoch_reader *);

/* Writer side: the control thread only. */

/* Begins a grace period for everything unpublished so far; returns its number. */
uint64_t epoch_advance(void);

/* True when the grace period 'number' is over. Never blocks. */
bool epoch_passed(uint64_t number);

/* Calls free_fn(ptr) once a grace period that begins now is over: from a later call of
 * this, epoch_poll() or epoch_drain(), or before this returns, in the order of the calls.
 * Cheap; grace periods are shared by a batch. Without memory it waits for the readers. */
void epoch_defer(void (*free_fn)(void *), void *ptr);

/* Runs what is due. Returns the number of objects that still wait. */
unsigned epoch_poll(void);

/* Waits until everything deferred has been freed. For shutdown and tests: it needs
 * the readers to make progress, or to be offline. */
void epoch_drain(void);

#endif /* lib/epoch.h */
