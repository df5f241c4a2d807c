/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's memory: sets, entries, and which go when room is needed. */
#include "sw-datapath/cache_private.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE_SIZE = 2 << 20,
    VICTIM_CANDIDATES = 8,      /* entries looked at when storage is exhausted */
    MIN_CAPACITY = 16,
    MAX_CAPACITY = 1 << 28,
};

/* --- memory --------------------------------------------------------------------- */

/* Zero pages that are there when touched; NULL without memory. */
static void *
pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    if (size >= 2 * HUGE_PAGE_SIZE) {
        madvise(pages, size, MADV_HUGEPAGE);    /* a wish: without it, it is only slower */
    }
    return pages;
}

static void
pages_free(void *pages, size_t size)
{
    if (pages) {
        munmap(pages, size);
    }
}

static size_t
sets_size(const struct cache *cache)
{
    return ((size_t) cache->set_mask + 1) * sizeof *cache->sets;
}

static size_t
entries_size(const struct cache *cache)
{
    return (size_t) cache->capacity * sizeof *cache->entries;
}

struct cache *
cache_new(struct classifier *classifier, uint32_t capacity)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        return NULL;
    }
    cache->capacity = MIN_CAPACITY;
    while (cache->capacity < capacity && cache->capacity < MAX_CAPACITY) {
        cache->capacity *= 2;
    }
    /* Twice as many ways as entries: few sets overflow before storage does. */
    cache->set_mask = cache->capacity * 2 / CACHE_WAYS - 1;
    cache->classifier = classifier;
    cache->free_head = CACHE_NO_ENTRY;
    lane_hash_init(&cache->hash);
    cache->sets = pages_new(sets_size(cache));
    cache->entries = pages_new(entries_size(cache));
    if (!cache->sets || !cache->entries) {
        cache_free(cache);
        return NULL;
    }
    return cache;
}

void
cache_free(struct cache *cache)
{
    if (cache) {
        pages_free(cache->sets, sets_size(cache));
        pages_free(cache->entries, entries_size(cache));
        free(cache);
    }
}

/* --- single-writer atomics ------------------------------------------------------ */

static void
add_u64(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static void
set_n_entries(struct cache *cache, int change)
{
    uint32_t n = atomic_load_explicit(&cache->n_entries, memory_order_relaxed);
    atomic_store_explicit(&cache->n_entries, n + (uint32_t) change, memory_order_relaxed);
}

static uint32_t
touched(const struct cache *cache)
{
    return atomic_load_explicit(&cache->touched, memory_order_relaxed);
}

/* Around a change of identity. Every store in between releases, so whoever sees one of
 * them sees that 'seq' is odd, or has moved on. */
static void
change_begin(struct cache_entry *e)
{
    uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed);
    atomic_store_explicit(&e->seq, seq + 1, memory_order_relaxed);
}

static void
change_end(struct cache_entry *e)
{
    uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed);
    atomic_store_explicit(&e->seq, seq + 1, memory_order_release);
}

static void
store_key(struct cache_entry *e, const struct cache_key *key)
{
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        atomic_store_explicit(&e->key[i], key->key.lane[i], memory_order_release);
    }
    atomic_store_explicit(&e->serial, key->profile->serial, memory_order_release);
    atomic_store_explicit(&e->profile, key->profile->id, memory_order_release);
}

void
cache_set_rule(struct cache_entry *e, struct rule *rule, uint64_t version)
{
    change_begin(e);
    atomic_store_explicit(&e->rule, rule, memory_order_release);
    atomic_store_explicit(&e->version, version, memory_order_release);
    change_end(e);
}

/* --- sets ----------------------------------------------------------------------- */

static uint32_t
find_in_set(const struct cache *cache, const struct cache_set *set, const struct cache_key *key,
            unsigned *way)
{
    uint64_t ways = cache_ways_with_tag(set, cache_tag(key->hash));
    for (; ways; ways &= ways - 1) {
        unsigned w = cache_way(ways);
        if (cache_entry_has(&cache->entries[set->entry[w]], key)) {
            *way = w;
            return set->entry[w];
        }
    }
    return CACHE_NO_ENTRY;
}

uint32_t
cache_find(const struct cache *cache, const struct cache_key *key, struct cache_set **set,
           unsigned *way)
{
    *set = cache_set_of(cache, key->hash);
    uint32_t entry = find_in_set(cache, *set, key, way);
    if (entry == CACHE_NO_ENTRY) {
        *set = cache_neighbour(cache, *set);
        entry = find_in_set(cache, *set, key, way);
    }
    return entry;
}

/* Takes an entry out of its set. */
static void
unlink_entry(struct cache *cache, uint32_t entry)
{
    struct cache_set *set = &cache->sets[cache->entries[entry].set];
    for (unsigned w = 0; w < CACHE_WAYS; w++) {
        if (set->tag[w] && set->entry[w] == entry) {
            set->tag[w] = 0;
        }
    }
}

void
cache_drop(struct cache *cache, uint32_t entry)
{
    struct cache_entry *e = &cache->entries[entry];
    unlink_entry(cache, entry);
    change_begin(e);
    atomic_store_explicit(&e->serial, 0, memory_order_release);
    change_end(e);
    e->set = cache->free_head;
    cache->free_head = entry;
    set_n_entries(cache, -1);
}

/* The entry goes; nobody counts in it by a handle that this call gave out. */
static void
evict(struct cache *cache, uint32_t entry)
{
    if (cache->entries[entry].batch == cache->batch) {
        for (unsigned i = 0; i < cache->n_out; i++) {
            if (cache->out[i].entry == entry) {
                cache->out[i].entry = CACHE_NO_ENTRY;
            }
        }
    }
    cache_drop(cache, entry);
    add_u64(&cache->evictions, 1);
}

/* A way without an entry, CACHE_WAYS if there is none. */
static unsigned
free_way(const struct cache_set *set)
{
    unsigned w = 0;
    while (w < CACHE_WAYS && set->tag[w]) {
        w++;
    }
    return w;
}

/* Frees the way of the set's least recently used entry. */
static unsigned
evict_oldest(struct cache *cache, const struct cache_set *set, uint16_t tick)
{
    unsigned oldest = 0;
    for (unsigned w = 1; w < CACHE_WAYS; w++) {
        if ((uint16_t) (tick - set->used[w]) > (uint16_t) (tick - set->used[oldest])) {
            oldest = w;
        }
    }
    evict(cache, set->entry[oldest]);
    return oldest;
}

/* Goes into its own set, if that is full into the neighbour, if that is full too in
 * place of another. */
static void
link_entry(struct cache *cache, uint32_t entry, uint64_t hash, uint64_t now_ms)
{
    struct cache_set *set = cache_set_of(cache, hash);
    unsigned w = free_way(set);
    if (w == CACHE_WAYS) {
        set = cache_neighbour(cache, set);
        w = free_way(set);
    }
    if (w == CACHE_WAYS) {
        set = cache_set_of(cache, hash);
        w = evict_oldest(cache, set, cache_tick(now_ms));
    }
    set->entry[w] = entry;
    set->tag[w] = cache_tag(hash);
    /* Older than an entry that was hit in this tick: one packet of a flood does not
     * push out an entry that is in use. */
    set->used[w] = (uint16_t) (cache_tick(now_ms) - 1);
    cache->entries[entry].set = (uint32_t) (set - cache->sets);
}

/* --- entries -------------------------------------------------------------------- */

/* Storage is exhausted: the least recently used of the next few goes. */
static void
evict_some(struct cache *cache)
{
    uint32_t victim = CACHE_NO_ENTRY;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < VICTIM_CANDIDATES; i++) {
        uint32_t entry = cache->hand++ & (cache->capacity - 1);
        uint64_t used = atomic_load_explicit(&cache->entries[entry].used_ms, memory_order_relaxed);
        if (used < oldest) {
            oldest = used;
            victim = entry;
        }
    }
    evict(cache, victim);
}

static uint32_t
take_entry(struct cache *cache)
{
    if (cache->free_head == CACHE_NO_ENTRY) {
        uint32_t n = touched(cache);
        if (n < cache->capacity) {
            atomic_store_explicit(&cache->touched, n + 1, memory_order_release);
            return n;
        }
        evict_some(cache);
    }
    uint32_t entry = cache->free_head;
    cache->free_head = cache->entries[entry].set;
    return entry;
}

uint32_t
cache_install(struct cache *cache, const struct cache_key *key, struct rule *rule,
              uint64_t version, uint64_t now_ms)
{
    uint32_t entry = take_entry(cache);
    struct cache_entry *e = &cache->entries[entry];
    change_begin(e);
    store_key(e, key);
    atomic_store_explicit(&e->rule, rule, memory_order_release);
    atomic_store_explicit(&e->version, version, memory_order_release);
    atomic_store_explicit(&e->packets, 0, memory_order_release);
    atomic_store_explicit(&e->bytes, 0, memory_order_release);
    atomic_store_explicit(&e->used_ms, now_ms, memory_order_release);
    change_end(e);
    set_n_entries(cache, 1);
    link_entry(cache, entry, key->hash, now_ms);
    return entry;
}

void
cache_rekey(struct cache *cache, uint32_t entry, const struct cache_key *key, uint64_t now_ms)
{
    struct cache_entry *e = &cache->entries[entry];
    unlink_entry(cache, entry);
    change_begin(e);
    store_key(e, key);
    change_end(e);
    link_entry(cache, entry, key->hash, now_ms);
}

/* True if no look-up comes by the entry any more: its profile is not among those of the
 * packets that it is for. All profiles have the fields that this is told from. */
static bool
is_dead(const struct cache *cache, const struct cache_entry *e)
{
    struct flow_key key;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        key.lane[i] = atomic_load_explicit(&e->key[i], memory_order_relaxed);
    }
    uint64_t serial = atomic_load_explicit(&e->serial, memory_order_relaxed);
    const struct profile_list *list = classifier_profiles(cache->classifier, &key);
    bool dead = true;
    for (unsigned i = 0; i < list->n; i++) {
        dead = dead && list->profile[i]->serial != serial;
    }
    return dead;
}

uint32_t
cache_sweep(struct cache *cache, uint32_t n, uint64_t now_ms, uint64_t max_idle_ms)
{
    uint32_t end = touched(cache);
    n = n < end ? n : end;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = cache->sweep_hand < end ? cache->sweep_hand : 0;
        struct cache_entry *e = &cache->entries[entry];
        uint64_t used = atomic_load_explicit(&e->used_ms, memory_order_relaxed);
        cache->sweep_hand = entry + 1;
        if (atomic_load_explicit(&e->serial, memory_order_relaxed)
            && ((now_ms > used && now_ms - used > max_idle_ms) || is_dead(cache, e))) {
            cache_drop(cache, entry);
        }
    }
    return atomic_load_explicit(&cache->n_entries, memory_order_relaxed);
}

void
cache_clear(struct cache *cache)
{
    uint32_t end = touched(cache);
    for (uint32_t entry = 0; entry < end; entry++) {
        if (atomic_load_explicit(&cache->entries[entry].serial, memory_order_relaxed)) {
            cache_drop(cache, entry);
        }
    }
}

/* --- for other threads ---------------------------------------------------------- */

/* Reads one entry whole. False if it is free, its profile is gone, or the worker kept
 * changing it. */
static bool
read_entry(const struct cache *cache, const struct cache_entry *e, struct cache_dump_entry *out)
{
    uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        out->match.value.lane[i] = atomic_load_explicit(&e->key[i], memory_order_acquire);
    }
    uint64_t serial = atomic_load_explicit(&e->serial, memory_order_acquire);
    unsigned id = atomic_load_explicit(&e->profile, memory_order_acquire);
    out->rule = atomic_load_explicit(&e->rule, memory_order_acquire);
    out->version = atomic_load_explicit(&e->version, memory_order_acquire);
    out->packets = atomic_load_explicit(&e->packets, memory_order_acquire);
    out->bytes = atomic_load_explicit(&e->bytes, memory_order_acquire);
    out->used_ms = atomic_load_explicit(&e->used_ms, memory_order_acquire);
    if (seq & 1 || atomic_load_explicit(&e->seq, memory_order_relaxed) != seq || !serial) {
        return false;
    }
    const struct mask_profile *profile = classifier_profile(cache->classifier, id);
    if (!profile || profile->serial != serial) {
        return false;
    }
    out->match.mask = profile->mask;
    return true;
}

void
cache_dump(const struct cache *cache, bool (*visit)(const struct cache_dump_entry *, void *aux),
           void *aux)
{
    enum { TRIES = 4 };
    uint32_t end = atomic_load_explicit(&cache->touched, memory_order_acquire);
    for (uint32_t i = 0; i < end; i++) {
        struct cache_dump_entry entry;
        bool found = false;
        for (unsigned t = 0; t < TRIES && !found; t++) {
            found = read_entry(cache, &cache->entries[i], &entry);
        }
        if (found && !visit(&entry, aux)) {
            return;
        }
    }
}

void
cache_get_stats(const struct cache *cache, struct cache_stats *stats)
{
    *stats = (struct cache_stats) {
        .hits = atomic_load_explicit(&cache->hits, memory_order_relaxed),
        .revalidated = atomic_load_explicit(&cache->revalidated, memory_order_relaxed),
        .rederived = atomic_load_explicit(&cache->rederived, memory_order_relaxed),
        .misses = atomic_load_explicit(&cache->misses, memory_order_relaxed),
        .evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed),
        .promoted = atomic_load_explicit(&cache->promoted, memory_order_relaxed),
        .entries = atomic_load_explicit(&cache->n_entries, memory_order_relaxed),
        .capacity = cache->capacity,
    };
}
