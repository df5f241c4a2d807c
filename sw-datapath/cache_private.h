/* SPDX-License-Identifier: Apache-2.0 */
/* What the cache's parts share: sets, entries, and how they are found and changed.
 *
 * At a million entries the cost of a hit is that of the cache lines that it reads from
 * memory. So a hit reads one of the set (tags and where the entries are), which is kept so
 * small that the processor's cache has most of them, and one line with all that the hit
 * needs and changes. What is needed once in a while is elsewhere. */
#ifndef SW_DATAPATH_CACHE_PRIVATE_H
#define SW_DATAPATH_CACHE_PRIVATE_H 1

#include <stdalign.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sw-datapath/cache.h"
#include "sw-datapath/classifier_private.h"
#include "sw-datapath/packet.h"

enum {
    CACHE_WAYS = 8,
    CACHE_TICK_SHIFT = 8,        /* recency in a set is compared in units of 256 ms */
    CACHE_MIN_TAG_SHIFT = 16,    /* a tag has at most 16 bits */
    CACHE_MAX_TAG_SHIFT = 24,    /* and at least 8 */
    CACHE_NO_ENTRY = UINT32_MAX,
    CACHE_KEY_WORDS = 5,         /* of an entry that tell whose it is */
    CACHE_MORE_WORDS = 3,
};

/* Half a cache line: the fewer bytes the sets of all entries have, the more of them are
 * in the processor's cache when their entries are not. A way is 0 if it is free, else a
 * tag of the hash, which is never 0, above the entry's index. Worker only. */
struct cache_set {
    alignas(32) uint32_t way[CACHE_WAYS];
};
static_assert(sizeof(struct cache_set) == 32, "two sets are one cache line");

/* One cache line. The worker alone writes; what other threads read is atomic.
 *
 *   0, 1, 2  lanes 0 to 2 of the masked key
 *   3        the IPv4 addresses: lower halves of lanes 4 and 6
 *   4        lane 3 in 34 bits (tunnel key and FLOW_FRAG_*), and the profile's serial in
 *            30; 0: the entry is free
 *   5        the rule (48 bits), and whether the key has more (cache_rest.more)
 *   6        the version (40 bits), and the ms of the last use (24)
 *   7        packets (24 bits) and bytes (40) that are not in cache_rest yet
 *
 * Numbers that are cut off are completed from the present, which they are never that far
 * behind, because entries that are idle or of dead profiles are swept within seconds:
 * ms wrap in 4.6 hours, versions in 12 days of a million changes a second, serials after
 * 2^30 distinct profiles. */
struct cache_entry {
    union {
        alignas(64) _Atomic uint64_t word[8];
        lane_pair pair[4];       /* as the worker may read it */
    };
};
static_assert(sizeof(struct cache_entry) == 64, "an entry is one cache line");

#define CACHE_LANE3_BITS 34
#define CACHE_LANE3 ((UINT64_C(1) << CACHE_LANE3_BITS) - 1)
#define CACHE_RULE ((UINT64_C(1) << 48) - 1)
#define CACHE_MORE (UINT64_C(1) << 63)
#define CACHE_USED_BITS 24
#define CACHE_USED ((UINT64_C(1) << CACHE_USED_BITS) - 1)
#define CACHE_VERSION_BITS 40
#define CACHE_VERSION ((UINT64_C(1) << CACHE_VERSION_BITS) - 1)
#define CACHE_BYTES_BITS 40
#define CACHE_BYTES ((UINT64_C(1) << CACHE_BYTES_BITS) - 1)

/* The rest of an entry. 'seq' is odd while the entry's identity (key, profile, rule) or
 * its sums are being changed. */
struct cache_rest {
    alignas(64) _Atomic uint32_t seq;
    uint32_t set;                /* in use: which; free: the next free one */
    _Atomic uint64_t serial;     /* of the profile, whole */
    _Atomic uint64_t packets, bytes;
    _Atomic uint64_t profile;    /* id */
    _Atomic uint64_t more[CACHE_MORE_WORDS];  /* of a key that is not in five words */
};
static_assert(sizeof(struct cache_rest) == 64, "the rest of an entry is one cache line");

struct cache {
    const struct classifier *classifier;
    uint64_t secret[CACHE_KEY_WORDS + 1 + CACHE_MORE_WORDS];
    struct cache_set *sets;
    struct cache_entry *entries;
    struct cache_rest *rests;    /* by the same index */
    uint32_t set_mask;
    uint32_t capacity;
    unsigned tag_shift;          /* where the tag begins in a way */
    uint32_t free_head;          /* of entries that were used before */
    uint32_t hand;               /* where the search for a victim goes on */
    uint32_t sweep_hand;
    struct cache_hit *out;       /* results of the call so far, to void handles in */
    uint32_t *out_entry;         /* their entries: PACKET_BATCH_MAX of them */
    unsigned n_out;
    _Atomic uint64_t now_ms;     /* of the last call */
    _Atomic uint32_t touched;    /* entries from here on were never used */
    _Atomic uint32_t n_entries;
    _Atomic uint64_t hits, revalidated, rederived, misses, evictions, promoted;
};

/* A key under a profile: what is looked for. */
struct cache_key {
    alignas(64) uint64_t word[CACHE_KEY_WORDS];
    uint64_t hash;               /* with CACHE_HASH_MORE if more than the words is in it */
    const struct mask_profile *profile;
    const struct flow_key *key;  /* the packet's, whole */
};

/* A bit of the hash that neither set nor tag is made from. */
#define CACHE_HASH_MORE (UINT64_C(1) << 47)

/* The words that only IPv6 addresses fill. */
static inline void
cache_key_more(const struct cache_key *key, uint64_t more[CACHE_MORE_WORDS])
{
    const uint64_t *lane = key->key->lane, *mask = key->profile->mask.bits.lane;
    more[0] = (lane[4] & mask[4]) >> 32 | (lane[6] & mask[6] & ~UINT64_C(0xffffffff));
    more[1] = lane[5] & mask[5];
    more[2] = lane[7] & mask[7];
}

static inline uint64_t
cache_hash_more(const struct cache *cache, const struct cache_key *key)
{
    const uint64_t *secret = &cache->secret[CACHE_KEY_WORDS + 1];
    uint64_t more[CACHE_MORE_WORDS];
    cache_key_more(key, more);
    uint64_t hash = hash_fold(more[1] ^ secret[1], more[2] ^ secret[2]);
    return hash_fold(key->hash ^ more[0] ^ secret[0], hash ^ secret[1]) | CACHE_HASH_MORE;
}

static inline __attribute__((always_inline)) void
cache_key_make(const struct cache *cache, const struct flow_key *key,
               const struct mask_profile *profile, struct cache_key *out)
{
    const lane_pair *lane = (const void *) key->lane;
    const lane_pair *mask = (const void *) profile->mask.bits.lane;
    const uint64_t *secret = cache->secret;
    lane_pair w01 = lane[0] & mask[0], w2 = lane[1] & mask[1];
    lane_pair src = lane[2] & mask[2], dst = lane[3] & mask[3];
    lane_pair addresses = src | dst;
    uint64_t w3 = (uint32_t) src[0] | dst[0] << 32;
    uint64_t w4 = (w2[1] & CACHE_LANE3) | profile->serial << CACHE_LANE3_BITS;
    uint64_t a = hash_fold(w01[0] ^ secret[0], w01[1] ^ secret[1]);
    uint64_t b = hash_fold(w2[0] ^ secret[2], w3 ^ secret[3]);
    lane_pair *word = (void *) out->word;
    word[0] = w01;
    word[1] = (lane_pair) { w2[0], w3 };
    out->word[4] = w4;
    out->hash = hash_fold(a ^ b ^ secret[5], w4 ^ secret[4]) & ~CACHE_HASH_MORE;
    out->profile = profile;
    out->key = key;
    if (__builtin_expect((addresses[0] >> 32 | addresses[1]) != 0, 0)) {
        out->hash = cache_hash_more(cache, out);
    }
}

/* The tag of a hash: at most 16 bits, not 0. */
static inline uint32_t
cache_tag(const struct cache *cache, uint64_t hash)
{
    uint32_t tag = (uint32_t) (hash >> 32 >> cache->tag_shift);
    return tag ? tag : 1;
}

static inline uint32_t
cache_way_entry(const struct cache *cache, uint32_t way)
{
    return way & ((UINT32_C(1) << cache->tag_shift) - 1);
}

static inline struct cache_set *
cache_set_of(const struct cache *cache, uint64_t hash)
{
    return &cache->sets[(uint32_t) hash & cache->set_mask];
}

/* Where entries go that their own set has no room for: the other half of its cache line. */
static inline struct cache_set *
cache_neighbour(const struct cache *cache, const struct cache_set *set)
{
    return &cache->sets[(uint32_t) (set - cache->sets) ^ 1];
}

/* Bit i of the result: the tag is that of way i. */
static inline unsigned
cache_ways_with_tag(const struct cache *cache, const struct cache_set *set, uint32_t tag)
{
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32((int) tag), *ways = (const void *) set->way;
    const __m128i shift = _mm_cvtsi32_si128((int) cache->tag_shift);
    __m128i a = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(&ways[0]), shift), wanted);
    __m128i b = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(&ways[1]), shift), wanted);
    return (unsigned) _mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(a, b),
                                                        _mm_setzero_si128()));
#else
    unsigned found = 0;
    for (unsigned w = 0; w < CACHE_WAYS; w++) {
        found |= (unsigned) (set->way[w] >> cache->tag_shift == tag) << w;
    }
    return found;
#endif
}

static inline uint64_t
cache_word(const struct cache_entry *e, unsigned i)
{
    return atomic_load_explicit(&e->word[i], memory_order_relaxed);
}

static inline struct rule *
cache_rule(const struct cache_entry *e)
{
    return (struct rule *) (uintptr_t) (cache_word(e, 5) & CACHE_RULE);
}

/* Of a number of which only the lower bits were kept, the one at or before 'now'. */
static inline uint64_t
cache_complete(uint64_t kept, uint64_t now, uint64_t mask)
{
    return now - ((now - kept) & mask);
}

/* How long ago the entry was used, in ms. */
static inline uint64_t
cache_age(const struct cache_entry *e, uint64_t now_ms)
{
    return (now_ms - cache_word(e, 6)) & CACHE_USED;
}

/* True if the words that every entry has are the key's. Worker. */
static inline bool
cache_entry_resembles(const struct cache_entry *e, const struct cache_key *key)
{
    const lane_pair *k = (const lane_pair *) (const void *) key->word;
    lane_pair diff = (e->pair[0] ^ k[0]) | (e->pair[1] ^ k[1]);
    return (diff[0] | diff[1] | (cache_word(e, 4) ^ key->word[4])) == 0;
}

/* True if a key that has more, or an entry that has, is the same there. Worker. */
bool cache_same_more(const struct cache *, uint32_t entry, const struct cache_key *);

static inline bool
cache_entry_has(const struct cache *cache, uint32_t entry, const struct cache_key *key)
{
    const struct cache_entry *e = &cache->entries[entry];
    uint64_t more = (key->hash & CACHE_HASH_MORE) | (cache_word(e, 5) & CACHE_MORE);
    return cache_entry_resembles(e, key) && (!more || cache_same_more(cache, entry, key));
}

/* The entry with this key, or CACHE_NO_ENTRY. */
uint32_t cache_find(const struct cache *, const struct cache_key *);

/* An entry for a key that has none: free, never used, or another's that goes. Rule and
 * version are the caller's to set. */
uint32_t cache_install(struct cache *, const struct cache_key *, struct rule *, uint64_t version,
                       uint64_t now_ms);
/* Puts an entry under another key, which has none; counters stay. */
void cache_rekey(struct cache *, uint32_t entry, const struct cache_key *, uint64_t now_ms);
/* Gives an entry a new derivation. */
void cache_set_rule(struct cache *, uint32_t entry, struct rule *, uint64_t version);
/* The old derivation stands at 'version'. */
void cache_set_version(struct cache_entry *, uint64_t version);
/* The masked key that an entry's first words, and 'more' unless it is NULL, stand for. */
void cache_unpack_key(const uint64_t word[CACHE_KEY_WORDS], const uint64_t *more,
                      struct flow_key *);
/* Frees an entry. */
void cache_drop(struct cache *, uint32_t entry);

#endif /* sw-datapath/cache_private.h */
