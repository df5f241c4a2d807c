/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads may ask a cache. */
#include "sw-datapath/cache_private.h"

void
cache_unpack_key(const uint64_t word[CACHE_KEY_WORDS], const uint64_t *more, struct flow_key *key)
{
    *key = (struct flow_key) { .lane = { word[0], word[1], word[2], word[4] & CACHE_LANE3 } };
    key->lane[4] = (uint32_t) word[3];
    key->lane[6] = word[3] >> 32;
    if (more) {
        key->lane[4] |= more[0] << 32;
        key->lane[6] |= more[0] & ~UINT64_C(0xffffffff);
        key->lane[5] = more[1];
        key->lane[7] = more[2];
    }
}

/* What another thread reads of an entry. */
struct snapshot {
    uint64_t word[8], more[CACHE_MORE_WORDS];
    uint64_t serial, packets, bytes, profile;
};

/* False if the entry is free, or the worker was changing it. */
static bool
read_snapshot(const struct cache_entry *e, const struct cache_rest *rest, struct snapshot *s)
{
    uint32_t seq = atomic_load_explicit(&rest->seq, memory_order_acquire);
    for (unsigned i = 0; i < 8; i++) {
        s->word[i] = atomic_load_explicit(&e->word[i], memory_order_acquire);
    }
    for (unsigned i = 0; i < CACHE_MORE_WORDS; i++) {
        s->more[i] = atomic_load_explicit(&rest->more[i], memory_order_acquire);
    }
    s->serial = atomic_load_explicit(&rest->serial, memory_order_acquire);
    s->profile = atomic_load_explicit(&rest->profile, memory_order_acquire);
    s->packets = atomic_load_explicit(&rest->packets, memory_order_acquire);
    s->bytes = atomic_load_explicit(&rest->bytes, memory_order_acquire);
    return !(seq & 1) && atomic_load_explicit(&rest->seq, memory_order_relaxed) == seq
           && s->word[4];
}

/* False if it is free, its profile is gone, or the worker kept changing it. */
static bool
read_entry(const struct cache *cache, uint32_t entry, struct cache_dump_entry *out)
{
    struct snapshot s;
    if (!read_snapshot(&cache->entries[entry], &cache->rests[entry], &s)) {
        return false;
    }
    const struct mask_profile *profile = classifier_profile(cache->classifier,
                                                            (unsigned) s.profile);
    if (!profile || profile->serial != s.serial) {
        return false;
    }
    uint64_t now_ms = atomic_load_explicit(&cache->now_ms, memory_order_relaxed);
    uint64_t age = (now_ms - s.word[6]) & CACHE_USED;
    cache_unpack_key(s.word, s.word[5] & CACHE_MORE ? s.more : NULL, &out->match.value);
    out->match.mask = profile->mask;
    out->rule = (struct rule *) (uintptr_t) (s.word[5] & CACHE_RULE);
    out->version = cache_complete(s.word[6] >> CACHE_USED_BITS,
                                  classifier_version(cache->classifier), CACHE_VERSION);
    out->packets = s.packets + (s.word[7] >> CACHE_BYTES_BITS);
    out->bytes = s.bytes + (s.word[7] & CACHE_BYTES);
    /* Used since 'now' was read: the greatest ages are none. */
    out->used_ms = now_ms - (age > CACHE_USED / 2 || age > now_ms ? 0 : age);
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
            found = read_entry(cache, i, &entry);
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
