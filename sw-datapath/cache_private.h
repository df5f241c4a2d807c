/* SPDX-License-Identifier: Apache-2.0 */
/* What the cache's parts share: sets, entries, and how they are found and changed. */
#ifndef SW_DATAPATH_CACHE_PRIVATE_H
#define SW_DATAPATH_CACHE_PRIVATE_H 1

#include <stdalign.h>

#include "sw-datapath/cache.h"
#include "sw-datapath/classifier_private.h"
#include "sw-datapath/packet.h"

enum {
    CACHE_WAYS = 8,
    CACHE_TICK_SHIFT = 8,        /* recency is kept in units of 256 ms */
    CACHE_NO_ENTRY = UINT32_MAX,
};

/* One cache line. Worker only. */
struct cache_set {
    alignas(64) uint32_t entry[CACHE_WAYS];
    uint16_t tag[CACHE_WAYS];    /* of the hash; 0: free */
    uint16_t used[CACHE_WAYS];   /* tick of the last use */
};
static_assert(sizeof(struct cache_set) == 64, "a set is one cache line");

/* Two cache lines: the key, and the rest. The worker alone writes; what other threads
 * read is atomic. 'seq' is odd while identity (key, profile, rule) is being changed. */
struct cache_entry {
    union {
        alignas(64) _Atomic uint64_t key[FLOW_LANES];
        lane_pair key_pairs[FLOW_LANES / 2];    /* as the worker may read it */
    };
    _Atomic uint64_t serial;     /* of the profile that 'key' is under; 0: free */
    _Atomic uint64_t version;
    _Atomic(struct rule *) rule;
    _Atomic uint64_t packets, bytes, used_ms;
    _Atomic uint32_t seq;
    uint32_t set;                /* in use: which; free: the next free one */
    _Atomic uint16_t profile;    /* id */
    uint16_t batch;              /* the call that last gave its handle out */
};
static_assert(sizeof(struct cache_entry) == 128, "an entry is two cache lines");

struct cache {
    const struct classifier *classifier;
    struct lane_hash hash;
    struct cache_set *sets;
    struct cache_entry *entries;
    uint32_t set_mask;
    uint32_t capacity;
    uint32_t free_head;          /* of entries that were used before */
    uint32_t hand;               /* where the search for a victim goes on */
    uint32_t sweep_hand;
    uint16_t batch;              /* number of the call */
    struct cache_hit *out;       /* its results so far, to void handles in */
    unsigned n_out;
    _Atomic uint32_t touched;    /* entries from here on were never used */
    _Atomic uint32_t n_entries;
    _Atomic uint64_t hits, revalidated, rederived, misses, evictions, promoted;
};

/* A key under a profile: what is looked for. */
struct cache_key {
    struct flow_key key;         /* masked */
    uint64_t hash;
    const struct mask_profile *profile;
};

static inline void
cache_key_make(const struct cache *cache, const struct flow_key *key,
               const struct mask_profile *profile, struct cache_key *out)
{
    lanes_mask(key, &profile->mask, &out->key);
    out->profile = profile;
    out->hash = lane_hash_key(&cache->hash, &out->key,
                              profile->serial * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint16_t
cache_tick(uint64_t now_ms)
{
    return (uint16_t) (now_ms >> CACHE_TICK_SHIFT);
}

static inline uint16_t
cache_tag(uint64_t hash)
{
    uint16_t tag = (uint16_t) (hash >> 48);
    return tag ? tag : 1;
}

static inline struct cache_set *
cache_set_of(const struct cache *cache, uint64_t hash)
{
    return &cache->sets[(uint32_t) hash & cache->set_mask];
}

/* Where entries go that their own set has no room for: the other half of two cache lines
 * side by side. */
static inline struct cache_set *
cache_neighbour(const struct cache *cache, const struct cache_set *set)
{
    return &cache->sets[(uint32_t) (set - cache->sets) ^ 1];
}

/* The ways of a set that have the tag, in an order of their own: cache_way() takes the
 * first. Each of a word's four tags that equals leaves its highest bit. */
static inline uint64_t
cache_ways_with_tag(const struct cache_set *set, uint16_t tag)
{
    const uint64_t low = UINT64_C(0x7fff7fff7fff7fff);
    uint64_t word[2];
    memcpy(word, set->tag, sizeof word);
    uint64_t a = word[0] ^ tag * UINT64_C(0x0001000100010001);
    uint64_t b = word[1] ^ tag * UINT64_C(0x0001000100010001);
    a = ~(((a & low) + low) | a | low);
    b = ~(((b & low) + low) | b | low);
    return a >> 15 | b >> 14;
}

static inline unsigned
cache_way(uint64_t ways)
{
    unsigned bit = (unsigned) __builtin_ctzll(ways);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return bit / 16 + (bit & 1) * 4;
#else
    return 3 - bit / 16 + (bit & 1) * 4;
#endif
}

/* Worker. */
static inline bool
cache_entry_has(const struct cache_entry *e, const struct cache_key *key)
{
    const lane_pair *k = (const lane_pair *) (const void *) key->key.lane;
    lane_pair diff = (e->key_pairs[0] ^ k[0]) | (e->key_pairs[1] ^ k[1])
                     | (e->key_pairs[2] ^ k[2]) | (e->key_pairs[3] ^ k[3]);
    uint64_t serial = atomic_load_explicit(&e->serial, memory_order_relaxed);
    return (diff[0] | diff[1] | (serial ^ key->profile->serial)) == 0;
}

/* The entry with this key, its set and way; or CACHE_NO_ENTRY. */
uint32_t cache_find(const struct cache *, const struct cache_key *, struct cache_set **,
                    unsigned *way);

/* An entry for a key that has none: free, never used, or another's that goes. Rule and
 * version are the caller's to set. */
uint32_t cache_install(struct cache *, const struct cache_key *, struct rule *, uint64_t version,
                       uint64_t now_ms);
/* Puts an entry under another key, which has none; counters stay. */
void cache_rekey(struct cache *, uint32_t entry, const struct cache_key *, uint64_t now_ms);
/* Gives an entry a new derivation. */
void cache_set_rule(struct cache_entry *, struct rule *, uint64_t version);
/* Frees an entry. */
void cache_drop(struct cache *, uint32_t entry);

#endif /* sw-datapath/cache_private.h */
