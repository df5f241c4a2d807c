/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/fdb.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "sw-datapath/fdb_table.h"

/* An entry seen again is refreshed at most so often: most packets store nothing. */
enum { REFRESH_MS = 1000 };

/* Slots that a sweep looks at under one lock: workers that would learn skip meanwhile. */
enum { SWEEP_CHUNK = 64 };

/* What every look-up reads has a cache line that learning does not write. */
struct fdb {
    alignas(64) _Atomic(struct fdb_table *) table;
    _Atomic uint64_t max_age_ms;
    alignas(64) _Atomic bool locked;
    _Atomic uint64_t learned, moved, expired, evicted, skipped;
    uint64_t changes[FDB_MAX_CHANGES];   /* keys of watched addresses; under the lock */
    unsigned n_changes;
    bool too_many_changes;
    _Atomic bool has_changes;
};

static void
count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool
try_lock(struct fdb *fdb)
{
    return !atomic_exchange_explicit(&fdb->locked, true, memory_order_acquire);
}

static void
lock(struct fdb *fdb)
{
    while (!try_lock(fdb)) {
        sched_yield();
    }
}

static void
unlock(struct fdb *fdb)
{
    atomic_store_explicit(&fdb->locked, false, memory_order_release);
}

static struct fdb_table *
get_table(const struct fdb *fdb)
{
    return atomic_load_explicit(&fdb->table, memory_order_acquire);
}

static uint64_t
get_max_age(const struct fdb *fdb)
{
    return atomic_load_explicit(&fdb->max_age_ms, memory_order_relaxed);
}

/* What the table says of a change: the key, if it is watched. Under the lock. */
static void
note_change(struct fdb *fdb, uint64_t key)
{
    if (!key) {
        return;
    }
    if (fdb->n_changes == FDB_MAX_CHANGES) {
        fdb->too_many_changes = true;
    } else {
        fdb->changes[fdb->n_changes++] = key;
    }
    atomic_store_explicit(&fdb->has_changes, true, memory_order_relaxed);
}

/* Time since the entry was seen; 0 if another thread's clock was ahead of ours. */
static uint64_t
idle_ms(uint64_t value, uint64_t now_ms)
{
    uint64_t used = fdb_value_used(value);
    return now_ms > used ? now_ms - used : 0;
}

static bool
has_aged(uint64_t value, uint64_t now_ms, uint64_t max_age_ms)
{
    return max_age_ms && idle_ms(value, now_ms) >= max_age_ms;
}

static uint32_t
bounded(uint32_t max_entries)
{
    return max_entries < 1 ? 1 : max_entries > FDB_MAX_LIMIT ? FDB_MAX_LIMIT : max_entries;
}

struct fdb *
fdb_new(uint32_t max_entries, uint64_t max_age_ms)
{
    struct fdb *fdb = aligned_alloc(alignof(struct fdb), sizeof *fdb);
    struct fdb_table *table = fdb_table_new(bounded(max_entries));
    if (!fdb || !table) {
        free(fdb);
        fdb_table_free(table);
        return NULL;
    }
    memset(fdb, 0, sizeof *fdb);
    atomic_init(&fdb->table, table);
    atomic_init(&fdb->max_age_ms, max_age_ms);
    return fdb;
}

void
fdb_free(struct fdb *fdb)
{
    if (fdb) {
        fdb_table_free(get_table(fdb));
        free(fdb);
    }
}

uint16_t
fdb_lookup(const struct fdb *fdb, const uint8_t addr[6], uint16_t vid, uint64_t now_ms)
{
    uint64_t value;
    if (!fdb_table_find(get_table(fdb), fdb_key(addr, vid), &value)
        || has_aged(value, now_ms, get_max_age(fdb))) {
        return 0;
    }
    return fdb_value_port(value);
}

/* The entry is there with the right port. Without lock. */
static bool
refresh(struct fdb *fdb, struct fdb_table *table, uint32_t slot, uint64_t value, uint64_t now_ms)
{
    uint64_t max_age_ms = get_max_age(fdb);
    uint64_t every = max_age_ms && max_age_ms < 4 * REFRESH_MS ? max_age_ms / 4 : REFRESH_MS;

    if (idle_ms(value, now_ms) < every
        || !fdb_table_refresh(table, slot, value, fdb_value(fdb_value_port(value), now_ms))
        || !has_aged(value, now_ms, max_age_ms)) {
        return false;
    }
    count(&fdb->expired);
    count(&fdb->learned);
    return true;
}

/* Inserts or moves. Under the lock. */
static bool
learn_locked(struct fdb *fdb, uint64_t key, uint64_t value)
{
    struct fdb_table *table = get_table(fdb);
    uint64_t old;
    uint32_t slot = fdb_table_find(table, key, &old);

    if (slot) {
        bool has_moved = fdb_value_port(old) != fdb_value_port(value);
        note_change(fdb, fdb_table_move(table, slot, value));
        if (has_moved) {
            count(&fdb->moved);
        }
        return has_moved;
    }
    if (fdb_table_count(table) == fdb_table_max(table)) {
        note_change(fdb, fdb_table_evict(table, fdb_value_port(value)));
        count(&fdb->evicted);
        counter_inc(COUNTER_fdb_evicted);
    }
    fdb_table_insert(table, key, value);
    count(&fdb->learned);
    return true;
}

bool
fdb_learn(struct fdb *fdb, const uint8_t addr[6], uint16_t vid, uint16_t port, uint64_t now_ms)
{
    if (addr[0] & 1 || !port) {
        return false;
    }
    struct fdb_table *table = get_table(fdb);
    uint64_t key = fdb_key(addr, vid);
    uint64_t value;
    uint32_t slot = fdb_table_find(table, key, &value);
    if (slot && fdb_value_port(value) == port) {
        return refresh(fdb, table, slot, value, now_ms);
    }
    if (!try_lock(fdb)) {
        count(&fdb->skipped);
        counter_inc(COUNTER_fdb_learning_skipped);
        return false;
    }
    bool is_news = learn_locked(fdb, key, fdb_value(port, now_ms));
    unlock(fdb);
    return is_news;
}

void
fdb_refresh(struct fdb *fdb, const uint8_t addr[6], uint16_t vid, uint16_t port, uint64_t now_ms)
{
    struct fdb_table *table = get_table(fdb);
    uint64_t value;
    uint32_t slot = fdb_table_find(table, fdb_key(addr, vid), &value);
    if (slot && fdb_value_port(value) == port) {
        refresh(fdb, table, slot, value, now_ms);
    }
}

uint16_t
fdb_watch(struct fdb *fdb, const uint8_t addr[6], uint16_t vid, uint64_t now_ms)
{
    uint64_t value;
    lock(fdb);
    struct fdb_table *table = get_table(fdb);
    uint32_t slot = fdb_table_find(table, fdb_key(addr, vid), &value);
    bool known = slot && !has_aged(value, now_ms, get_max_age(fdb))
                 && fdb_table_watch(table, slot, now_ms);
    unlock(fdb);
    return known ? fdb_value_port(value) : 0;
}

bool
fdb_has_changes(const struct fdb *fdb)
{
    return atomic_load_explicit(&fdb->has_changes, memory_order_relaxed);
}

static void
split_key(uint64_t key, uint8_t addr[6], uint16_t *vid)
{
    *vid = (key >> 48) & 0x0fff;
    for (int byte = 0; byte < 6; byte++) {
        addr[byte] = (uint8_t) (key >> (40 - 8 * byte));
    }
}

unsigned
fdb_take_changes(struct fdb *fdb, struct fdb_address out[FDB_MAX_CHANGES], bool *all)
{
    lock(fdb);
    unsigned n = fdb->n_changes;
    for (unsigned i = 0; i < n; i++) {
        split_key(fdb->changes[i], out[i].addr, &out[i].vid);
    }
    *all = fdb->too_many_changes;
    fdb->n_changes = 0;
    fdb->too_many_changes = false;
    atomic_store_explicit(&fdb->has_changes, false, memory_order_relaxed);
    unlock(fdb);
    return n;
}

/* What a sweep removes: entries of 'port' (0: any) that have not been seen for
 * 'min_idle_ms' at 'now_ms'. */
struct sweep {
    uint16_t port;
    uint64_t now_ms, min_idle_ms;
};

static bool
sweep_takes(const struct sweep *sweep, uint64_t value)
{
    return (!sweep->port || fdb_value_port(value) == sweep->port)
           && idle_ms(value, sweep->now_ms) >= sweep->min_idle_ms;
}

static uint32_t
sweep(struct fdb *fdb, const struct sweep *what)
{
    struct fdb_table *table = get_table(fdb);
    uint32_t max = fdb_table_max(table);
    uint32_t n_removed = 0;

    for (uint32_t begin = 1; begin <= max; begin += SWEEP_CHUNK) {
        lock(fdb);
        for (uint32_t i = begin; i <= max && i < begin + SWEEP_CHUNK; i++) {
            uint64_t key, value;
            if (fdb_table_read(table, i, &key, &value) && sweep_takes(what, value)) {
                note_change(fdb, fdb_table_remove(table, i));
                n_removed++;
            }
        }
        unlock(fdb);
    }
    return n_removed;
}

uint32_t
fdb_expire(struct fdb *fdb, uint64_t now_ms)
{
    const struct sweep what = { .now_ms = now_ms, .min_idle_ms = get_max_age(fdb) };
    if (!what.min_idle_ms) {
        return 0;
    }
    uint32_t n = sweep(fdb, &what);
    atomic_fetch_add_explicit(&fdb->expired, n, memory_order_relaxed);
    return n;
}

uint32_t
fdb_flush_port(struct fdb *fdb, uint16_t port)
{
    const struct sweep what = { .port = port };
    return port ? sweep(fdb, &what) : 0;
}

uint32_t
fdb_flush(struct fdb *fdb)
{
    const struct sweep what = { 0 };
    return sweep(fdb, &what);
}

int
fdb_set_limits(struct fdb *fdb, uint32_t max_entries, uint64_t max_age_ms)
{
    struct fdb_table *old = get_table(fdb);
    uint32_t max = bounded(max_entries);

    if (max != fdb_table_max(old)) {
        struct fdb_table *table = fdb_table_new(max);
        if (!table) {
            return -ENOMEM;
        }
        lock(fdb);
        while (fdb_table_count(old) > max) {
            fdb_table_evict(old, 0);
            count(&fdb->evicted);
            counter_inc(COUNTER_fdb_evicted);
        }
        fdb_table_copy(table, old);
        fdb->too_many_changes = true;
        atomic_store_explicit(&fdb->has_changes, true, memory_order_relaxed);
        atomic_store_explicit(&fdb->table, table, memory_order_release);
        unlock(fdb);
        epoch_defer(fdb_table_free, old);
    }
    atomic_store_explicit(&fdb->max_age_ms, max_age_ms, memory_order_relaxed);
    return 0;
}

void
fdb_for_each(const struct fdb *fdb, bool (*visit)(const struct fdb_entry *, void *aux), void *aux)
{
    const struct fdb_table *table = get_table(fdb);

    for (uint32_t i = 1; i <= fdb_table_max(table); i++) {
        uint64_t key, value;
        if (!fdb_table_read(table, i, &key, &value)) {
            continue;
        }
        struct fdb_entry entry = {
            .port = fdb_value_port(value),
            .used_ms = fdb_value_used(value),
        };
        split_key(key, entry.addr, &entry.vid);
        if (!visit(&entry, aux)) {
            return;
        }
    }
}

void
fdb_get_stats(const struct fdb *fdb, struct fdb_stats *stats)
{
    const struct fdb_table *table = get_table(fdb);

    *stats = (struct fdb_stats) {
        .entries = fdb_table_count(table),
        .max_entries = fdb_table_max(table),
        .learned = atomic_load_explicit(&fdb->learned, memory_order_relaxed),
        .moved = atomic_load_explicit(&fdb->moved, memory_order_relaxed),
        .expired = atomic_load_explicit(&fdb->expired, memory_order_relaxed),
        .evicted = atomic_load_explicit(&fdb->evicted, memory_order_relaxed),
        .skipped = atomic_load_explicit(&fdb->skipped, memory_order_relaxed),
    };
}
