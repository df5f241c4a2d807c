/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/epoch.h"

#include <sched.h>
#include <stdlib.h>

/* Deferred calls are kept in blocks; a block is closed, and its grace period begun,
 * when it is full or when epoch_poll() finds it not empty. */
#define BLOCK_LEN 510

struct deferred {
    void (*free_fn)(void *);
    void *ptr;
};

struct block {
    struct block *next;
    uint64_t number;   /* grace period to wait for; 0 while open */
    unsigned n;
    struct deferred calls[BLOCK_LEN];
};

static _Atomic uint64_t current = 1;
static struct epoch_reader readers[EPOCH_MAX_READERS];

static struct block *oldest, *newest;
static unsigned n_waiting;

struct epoch_reader *
epoch_reader_new(void)
{
    for (int i = 0; i < EPOCH_MAX_READERS; i++) {
        bool expected = false;
        if (atomic_compare_exchange_strong(&readers[i].used, &expected, true)) {
            atomic_store(&readers[i].seen, 0);
            return &readers[i];
        }
    }
    return NULL;
}

void
epoch_reader_free(struct epoch_reader *reader)
{
    if (reader) {
        atomic_store(&reader->seen, 0);
        atomic_store(&reader->used, false);
    }
}

void
epoch_online(struct epoch_reader *reader)
{
    /* Announce first, then look at the epoch again: in the single order of seq_cst
     * operations either the writer's look at 'seen' comes after the announcement, or
     * the second load here comes after the writer's advance and so sees what it
     * unpublished before. */
    atomic_store(&reader->seen, atomic_load(&current));
    atomic_store_explicit(&reader->seen, atomic_load(&current), memory_order_release);
}

void
epoch_quiescent(struct epoch_reader *reader)
{
    uint64_t now = atomic_load_explicit(&current, memory_order_acquire);
    if (atomic_load_explicit(&reader->seen, memory_order_relaxed) != now) {
        atomic_store_explicit(&reader->seen, now, memory_order_release);
    }
}

void
epoch_offline(struct epoch_reader *reader)
{
    /* In the single order, so that a reader that next looks for somebody who waits for it
     * and that somebody, who looks here after asking, can't both miss the other. */
    atomic_store(&reader->seen, 0);
}

uint64_t
epoch_advance(void)
{
    return atomic_fetch_add(&current, 1) + 1;
}

bool
epoch_passed(uint64_t number)
{
    for (int i = 0; i < EPOCH_MAX_READERS; i++) {
        /* Acquire: what a reader that is gone read came before it went. */
        if (!atomic_load_explicit(&readers[i].used, memory_order_acquire)) {
            continue;
        }
        uint64_t seen = atomic_load(&readers[i].seen);
        if (seen && seen < number) {
            return false;
        }
    }
    return true;
}

/* There is nowhere to remember the call: waits for the readers now. */
static void
call_now(void (*free_fn)(void *), void *ptr)
{
    uint64_t number = epoch_advance();
    while (!epoch_passed(number)) {
        sched_yield();
    }
    epoch_poll();    /* what was deferred before it may still use what this frees */
    free_fn(ptr);
}

void
epoch_defer(void (*free_fn)(void *), void *ptr)
{
    if (!newest || newest->number) {
        struct block *block = malloc(sizeof *block);
        if (!block) {
            call_now(free_fn, ptr);
            return;
        }
        block->next = NULL;
        block->number = 0;
        block->n = 0;
        if (newest) {
            newest->next = block;
        } else {
            oldest = block;
        }
        newest = block;
    }
    newest->calls[newest->n++] = (struct deferred) { free_fn, ptr };
    n_waiting++;
    if (newest->n == BLOCK_LEN) {
        newest->number = epoch_advance();
        epoch_poll();
    }
}

unsigned
epoch_poll(void)
{
    if (newest && !newest->number) {
        newest->number = epoch_advance();
    }
    while (oldest && oldest->number && epoch_passed(oldest->number)) {
        struct block *block = oldest;
        oldest = block->next;
        if (!oldest) {
            newest = NULL;
        }
        for (unsigned i = 0; i < block->n; i++) {
            block->calls[i].free_fn(block->calls[i].ptr);
        }
        n_waiting -= block->n;
        free(block);
    }
    return n_waiting;
}

void
epoch_drain(void)
{
    while (epoch_poll()) {
        sched_yield();
    }
}
