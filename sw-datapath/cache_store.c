/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's memory: sets, entries, and which go when room is needed. */
#include "sw-datapath/cache_private.h"
#include "sw-datapath/classifier_race.h"
#include "sw-datapath/heat.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE_SIZE = 2 << 20,
    VICTIM_CANDIDATES = 8,      /* entries looked at when storage is exhausted */
    MIN_CAPACITY = 16,
    MAX_CAPACITY = 1 << CACHE_MAX_TAG_SHIFT,
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

static size_t
rests_size(const struct cache *cache)
{
    return (size_t) cache->capacity * sizeof *cache->rests;
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
    cache->tag_shift = CACHE_MIN_TAG_SHIFT;
    while (cache->capacity >> cache->tag_shift > 1) {
        cache->tag_shift++;
    }
    /* Twice as many ways as entries: few sets overflow before storage does. */
    cache->set_mask = cache->capacity * 2 / CACHE_WAYS - 1;
    cache->classifier = classifier;
    cache->free_head = CACHE_NO_ENTRY;
    for (unsigned i = 0; i < sizeof cache->secret / sizeof cache->secret[0]; i++) {
        cache->secret[i] = hash_word(i + 1000, hash_seed());
    }
    cache->sets = pages_new(sets_size(cache));
    cache->entries = pages_new(entries_size(cache));
    cache->rests = pages_new(rests_size(cache));
    if (!cache->sets || !cache->entries || !cache->rests) {
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
        pages_free(cache->rests, rests_size(cache));
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

static void
store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/* Around a change of identity or sums. Every store in between releases, so whoever sees
 * one of them sees that 'seq' is odd, or has moved on. */
static void
change_begin(struct cache_rest *rest)
{
    uint32_t seq = atomic_load_explicit(&rest->seq, memory_order_relaxed);
    atomic_store_explicit(&rest->seq, seq + 1, memory_order_relaxed);
}

static void
change_end(struct cache_rest *rest)
{
    uint32_t seq = atomic_load_explicit(&rest->seq, memory_order_relaxed);
    atomic_store_explicit(&rest->seq, seq + 1, memory_order_release);
}

static void
store_key(struct cache *cache, uint32_t entry, const struct cache_key *key)
{
    struct cache_entry *e = &cache->entries[entry];
    struct cache_rest *rest = &cache->rests[entry];
    for (unsigned i = 0; i < CACHE_KEY_WORDS; i++) {
        store(&e->word[i], key->word[i]);
        race_point();
    }
    bool has_more = key->hash & CACHE_HASH_MORE;
    uint64_t more[CACHE_MORE_WORDS];
    cache_key_more(key, more);
    for (unsigned i = 0; has_more && i < CACHE_MORE_WORDS; i++) {
        store(&rest->more[i], more[i]);
    }
    store(&e->word[5], (cache_word(e, 5) & ~CACHE_MORE) | (has_more ? CACHE_MORE : 0));
    store(&rest->serial, key->profile->serial);
    store(&rest->profile, key->profile->id);
}

static void
store_rule(struct cache_entry *e, struct rule *rule)
{
    store(&e->word[5], (cache_word(e, 5) & ~CACHE_RULE) | (uintptr_t) rule);
}

void
cache_set_version(struct cache_entry *e, uint64_t version)
{
    store(&e->word[6], (cache_word(e, 6) & CACHE_USED) | version << CACHE_USED_BITS);
}

void
cache_set_rule(struct cache *cache, uint32_t entry, struct rule *rule, uint64_t version)
{
    change_begin(&cache->rests[entry]);
    store_rule(&cache->entries[entry], rule);
    cache_set_version(&cache->entries[entry], version);
    change_end(&cache->rests[entry]);
}

/* What is counted in the entry does not fit there any more. */
static void
spill(struct cache_entry *e, struct cache_rest *rest, uint64_t packets, uint64_t bytes)
{
    change_begin(rest);
    store(&rest->packets, atomic_load_explicit(&rest->packets, memory_order_relaxed) + packets);
    store(&rest->bytes, atomic_load_explicit(&rest->bytes, memory_order_relaxed) + bytes);
    store(&e->word[7], 0);
    change_end(rest);
}

bool
cache_count(struct cache *cache, uint32_t entry, uint64_t packets, uint64_t bytes, uint64_t now_ms)
{
    if (entry == CACHE_NO_ENTRY) {
        return false;
    }
    struct cache_entry *e = &cache->entries[entry];
    uint64_t used = cache_word(e, 6), counted = cache_word(e, 7);
    packets += counted >> CACHE_BYTES_BITS;
    bytes += counted & CACHE_BYTES;
    if (packets >> (64 - CACHE_BYTES_BITS) || bytes >> CACHE_BYTES_BITS) {
        spill(e, &cache->rests[entry], packets, bytes);
    } else {
        store(&e->word[7], packets << CACHE_BYTES_BITS | bytes);
    }
    store(&e->word[6], (used & ~CACHE_USED) | (now_ms & CACHE_USED));
    return packets / HEAT_STEP != (counted >> CACHE_BYTES_BITS) / HEAT_STEP;
}

/* --- sets ----------------------------------------------------------------------- */

bool
cache_same_more(const struct cache *cache, uint32_t entry, const struct cache_key *key)
{
    bool has_more = key->hash & CACHE_HASH_MORE;
    bool same = has_more == !!(cache_word(&cache->entries[entry], 5) & CACHE_MORE);
    uint64_t more[CACHE_MORE_WORDS];
    cache_key_more(key, more);
    for (unsigned i = 0; same && has_more && i < CACHE_MORE_WORDS; i++) {
        same = atomic_load_explicit(&cache->rests[entry].more[i], memory_order_relaxed) == more[i];
    }
    return same;
}

static uint32_t
find_in_set(const struct cache *cache, const struct cache_set *set, const struct cache_key *key)
{
    unsigned ways = cache_ways_with_tag(cache, set, cache_tag(cache, key->hash));
    for (; ways; ways &= ways - 1) {
        uint32_t entry = cache_way_entry(cache, set->way[(unsigned) __builtin_ctz(ways)]);
        if (cache_entry_has(cache, entry, key)) {
            return entry;
        }
    }
    return CACHE_NO_ENTRY;
}

uint32_t
cache_find(const struct cache *cache, const struct cache_key *key)
{
    const struct cache_set *set = cache_set_of(cache, key->hash);
    uint32_t entry = find_in_set(cache, set, key);
    return entry != CACHE_NO_ENTRY ? entry : find_in_set(cache, cache_neighbour(cache, set), key);
}

/* Takes an entry out of its set. */
static void
unlink_entry(struct cache *cache, uint32_t entry)
{
    struct cache_set *set = &cache->sets[cache->rests[entry].set];
    for (unsigned w = 0; w < CACHE_WAYS; w++) {
        if (set->way[w] && cache_way_entry(cache, set->way[w]) == entry) {
            set->way[w] = 0;
        }
    }
}

void
cache_drop(struct cache *cache, uint32_t entry)
{
    struct cache_rest *rest = &cache->rests[entry];
    unlink_entry(cache, entry);
    change_begin(rest);
    store(&cache->entries[entry].word[4], 0);
    change_end(rest);
    rest->set = cache->free_head;
    cache->free_head = entry;
    set_n_entries(cache, -1);
}

/* True if the call has given out a handle of the entry. All of the array is looked at, so
 * that it is a few vector instructions: a flood evicts with each packet. */
static bool
is_given_out(const struct cache *cache, uint32_t entry)
{
    bool found = false;
    for (unsigned i = 0; i < PACKET_BATCH_MAX; i++) {
        found |= cache->out_entry[i] == entry;
    }
    return found;
}

/* The entry goes; nobody counts in it by a handle that this call gave out. */
static void
evict(struct cache *cache, uint32_t entry)
{
    for (unsigned i = 0; is_given_out(cache, entry) && i < cache->n_out; i++) {
        if (cache->out_entry[i] == entry) {
            cache->out_entry[i] = CACHE_NO_ENTRY;
            cache->out[i].entry = CACHE_NO_ENTRY;
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
    while (w < CACHE_WAYS && set->way[w]) {
        w++;
    }
    return w;
}

/* How long ago the entry was used, in ticks. One that had a single packet counts as older
 * than one that was hit in the same tick: a packet of a flood does not push out an entry
 * that is in use. */
static uint64_t
idle_ticks(const struct cache *cache, uint32_t entry, uint64_t now_ms)
{
    const struct cache_entry *e = &cache->entries[entry];
    const struct cache_rest *rest = &cache->rests[entry];
    uint64_t packets = (cache_word(e, 7) >> CACHE_BYTES_BITS)
                       + atomic_load_explicit(&rest->packets, memory_order_relaxed);
    return (cache_age(e, now_ms) >> CACHE_TICK_SHIFT) + (packets <= 1);
}

/* Frees the way of the set's least recently used entry. */
static unsigned
evict_oldest(struct cache *cache, const struct cache_set *set, uint64_t now_ms)
{
    uint64_t most = 0;
    unsigned oldest = 0;
    for (unsigned w = 0; w < CACHE_WAYS; w++) {
        uint64_t idle = idle_ticks(cache, cache_way_entry(cache, set->way[w]), now_ms);
        if (idle > most) {
            most = idle;
            oldest = w;
        }
    }
    evict(cache, cache_way_entry(cache, set->way[oldest]));
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
        w = evict_oldest(cache, set, now_ms);
    }
    set->way[w] = cache_tag(cache, hash) << cache->tag_shift | entry;
    cache->rests[entry].set = (uint32_t) (set - cache->sets);
}

/* --- entries -------------------------------------------------------------------- */

/* Storage is exhausted: the least recently used of the next few goes. */
static void
evict_some(struct cache *cache, uint64_t now_ms)
{
    uint32_t victim = cache->hand & (cache->capacity - 1);
    uint64_t oldest = 0;
    for (unsigned i = 0; i < VICTIM_CANDIDATES; i++) {
        uint32_t entry = cache->hand++ & (cache->capacity - 1);
        uint64_t age = cache_age(&cache->entries[entry], now_ms);
        if (age > oldest) {
            oldest = age;
            victim = entry;
        }
    }
    evict(cache, victim);
}

static uint32_t
take_entry(struct cache *cache, uint64_t now_ms)
{
    if (cache->free_head == CACHE_NO_ENTRY) {
        uint32_t n = touched(cache);
        if (n < cache->capacity) {
            atomic_store_explicit(&cache->touched, n + 1, memory_order_release);
            return n;
        }
        evict_some(cache, now_ms);
    }
    uint32_t entry = cache->free_head;
    cache->free_head = cache->rests[entry].set;
    return entry;
}

uint32_t
cache_install(struct cache *cache, const struct cache_key *key, struct rule *rule,
              uint64_t version, uint64_t now_ms)
{
    uint32_t entry = take_entry(cache, now_ms);
    struct cache_entry *e = &cache->entries[entry];
    struct cache_rest *rest = &cache->rests[entry];
    change_begin(rest);
    store_key(cache, entry, key);
    store_rule(e, rule);
    store(&e->word[6], version << CACHE_USED_BITS | (now_ms & CACHE_USED));
    store(&e->word[7], 0);
    store(&rest->packets, 0);
    store(&rest->bytes, 0);
    change_end(rest);
    set_n_entries(cache, 1);
    link_entry(cache, entry, key->hash, now_ms);
    return entry;
}

void
cache_rekey(struct cache *cache, uint32_t entry, const struct cache_key *key, uint64_t now_ms)
{
    unlink_entry(cache, entry);
    change_begin(&cache->rests[entry]);
    store_key(cache, entry, key);
    change_end(&cache->rests[entry]);
    link_entry(cache, entry, key->hash, now_ms);
}

/* True if no look-up comes by the entry any more: its profile is not among those of the
 * packets that it is for. All profiles have the fields that this is told from. */
static bool
is_dead(const struct cache *cache, uint32_t entry)
{
    uint64_t word[CACHE_KEY_WORDS];
    struct flow_key key;
    for (unsigned i = 0; i < CACHE_KEY_WORDS; i++) {
        word[i] = cache_word(&cache->entries[entry], i);
    }
    cache_unpack_key(word, NULL, &key);
    uint64_t serial = atomic_load_explicit(&cache->rests[entry].serial, memory_order_relaxed);
    const struct profile_list *list = classifier_profiles(cache->classifier, &key);
    bool dead = true;
    for (unsigned i = 0; i < list->n; i++) {
        dead = dead && list->profile[i]->serial != serial;
    }
    return dead;
}

static bool
is_in_use(const struct cache_entry *e)
{
    return cache_word(e, 4) != 0;
}

uint32_t
cache_sweep(struct cache *cache, uint32_t n, uint64_t now_ms, uint64_t max_idle_ms)
{
    uint32_t end = touched(cache);
    n = n < end ? n : end;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = cache->sweep_hand < end ? cache->sweep_hand : 0;
        const struct cache_entry *e = &cache->entries[entry];
        cache->sweep_hand = entry + 1;
        if (is_in_use(e) && (cache_age(e, now_ms) > max_idle_ms || is_dead(cache, entry))) {
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
        if (is_in_use(&cache->entries[entry])) {
            cache_drop(cache, entry);
        }
    }
}
