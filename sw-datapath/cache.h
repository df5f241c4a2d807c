/* SPDX-License-Identifier: Apache-2.0 */
/* The exact-match cache: one a worker and bridge, in front of the classifier.
 *
 * Keys are packets' keys under a mask profile (classifier.h). Set-associative and of
 * fixed capacity: work and memory have bounds that no traffic moves; a full set evicts
 * its least recently used entry, where one that was never hit again counts as older than
 * those that were (in units of 256 ms); without free storage the least recently used of
 * a few entries goes. Storage is touched only as it fills.
 *
 * Validity is checked, never pushed: each entry has the version of the classifier it was
 * derived at. A hit on an older one asks classifier_changed(); if the changes since do
 * not overlap it, it is current again without a look-up, otherwise it is derived again
 * by one look-up. So a change needs no scan, an idle worker needs no wake-up, and a
 * worker that has been quiescent since a change was published never uses what was
 * there before it.
 *
 * Hits in an older profile generation are brought to the newest without a look-up.
 *
 * Threads: the worker that owns it looks up, inserts and sweeps. Any other thread may
 * only call cache_dump() and cache_get_stats(); what they see of one entry is
 * consistent (a sequence count), of several is not one moment.
 */
#ifndef SW_DATAPATH_CACHE_H
#define SW_DATAPATH_CACHE_H 1

#include "sw-datapath/classifier.h"

struct cache;

/* At most 'capacity' entries (rounded up to a power of two); 'classifier' must outlive
 * it. NULL without memory. Control thread. */
struct cache *cache_new(struct classifier *, uint32_t capacity);
void cache_free(struct cache *);

/* Where a key's answer came from. */
enum cache_result {
    CACHE_HIT,          /* entry, current or revalidated without a look-up */
    CACHE_EXACT_RULE,   /* a rule without wildcards */
    CACHE_REDERIVED,    /* entry, after one classifier look-up */
    CACHE_MISS,         /* no entry: classifier look-up; now cached */
    CACHE_NO_RULE,      /* nothing matches: the table miss. Cached too, as a NULL rule; whether
                         * it took a look-up is in the statistics. */
    CACHE_UNCACHED,     /* no entry: classifier look-up; the gate let no entry be made */
    CACHE_DROPPED,      /* no entry, and the gate wants the packet dropped: no look-up either */
};

/* What happened to one packet. 'rule' is NULL on a table miss. 'entry' is a handle to
 * count in with cache_count(), valid until the next call that changes the cache; it is
 * UINT32_MAX when there is none (exact rules, or an entry that made room for a later
 * packet of the batch). */
struct cache_hit {
    struct rule *rule;
    uint32_t entry;
    enum cache_result result;
};

/* Who says which packets without an entry get one. */
enum cache_verdict { CACHE_ADMIT, CACHE_PASS, CACHE_SHED };
struct cache_gate;

/* Judges n packets that have no entry: verdicts[i] is an enum cache_verdict. The keys are those
 * that cache_lookup_batch() was given, in their order; its caller may know more of the packets by
 * their addresses. */
typedef void cache_gate_fn(struct cache_gate *, const struct flow_key *const keys[], unsigned n,
                           uint8_t verdicts[]);
struct cache_gate {
    cache_gate_fn *judge;
};

/* Finds the rules for n (at most PACKET_BATCH_MAX) keys, installing what is missing.
 * A packet in a batch sees the entries that earlier ones of the batch made. 'gate' (NULL: all are
 * admitted) is asked about those that have no entry; an entry that a change overtook is one.
 * Worker. */
void cache_lookup_batch(struct cache *, struct cache_gate *gate, const struct flow_key *keys[],
                        unsigned n, struct cache_hit hits[], uint64_t now_ms);

/* Counts packets in the entry (for the display; rules have counters of their own), and
 * keeps it from being swept as idle. UINT32_MAX does nothing. True with each HEAT_STEP-th
 * packet (heat.h). Worker. */
bool cache_count(struct cache *, uint32_t entry, uint64_t packets, uint64_t bytes, uint64_t now_ms);

/* Looks at up to 'n' slots from where the last sweep ended, and frees entries unused for
 * 'max_idle_ms' or of generations that are gone. Returns how many entries there are. */
uint32_t cache_sweep(struct cache *, uint32_t n, uint64_t now_ms, uint64_t max_idle_ms);

/* Forgets everything (a bridge mode changed). Worker. */
void cache_clear(struct cache *);

struct cache_stats {
    uint64_t hits;           /* includes exact rules */
    uint64_t revalidated;    /* hits made current from the change log: no look-up */
    uint64_t rederived;      /* hits that cost a look-up because of a change */
    uint64_t misses;
    uint64_t evictions;
    uint64_t promoted;       /* brought from an older profile generation */
    uint32_t entries, capacity;
};
void cache_get_stats(const struct cache *, struct cache_stats *);

struct cache_dump_entry {
    struct flow_match match;  /* masked key and the profile's mask */
    uint64_t packets, bytes, used_ms;
    uint64_t version;
    struct rule *rule;        /* as it was derived; NULL: table miss. Do not follow it unless
                               * classifier_changed() says UNCHANGED and you are the control
                               * thread: look the key up instead. */
};
/* Calls visit for each entry; stops when it returns false. Control thread. */
void cache_dump(const struct cache *, bool (*visit)(const struct cache_dump_entry *, void *aux),
                void *aux);

#endif /* sw-datapath/cache.h */
