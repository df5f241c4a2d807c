/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the exact-match cache.
 *
 * A packet goes through stages, so that memory is on its way while other packets are
 * worked on: (1) find its mask profile; (2) mask, hash, prefetch the set; (3) compare
 * tags, prefetch the entry; (4) compare the key and check the version. What is left (no
 * entry under the newest profile, or a change that may overlap) takes the slow way
 * together: (5) older generations; (6) one classifier look-up each, as a batch; (7)
 * install.
 *
 * What makes an install right while the control thread changes rules: its version is
 * read before the look-up and its profile after it. A profile widens before the rule
 * that needs it is published, so the look-up's result never depends on a field that
 * the profile lacks; it narrows after the version of the removal is published, so who
 * has seen the narrow profile sees that version too, and checks the entry, which is
 * older, against that removal before it is used again. For that, hits are compared with
 * a version that was read after the profiles of all installs: at the start of the call,
 * for installs come last; or afresh, on the slow way. */
#include "sw-datapath/cache_private.h"
#include "sw-datapath/classifier_race.h"

/* How many packets a stage is behind the first. */
enum { TAGS_BEHIND = 16, CHECK_BEHIND = 32 };

/* One call's work; index i is a packet in the caller's arrays. */
struct batch {
    struct cache *cache;
    struct cache_gate *gate;
    const struct flow_key **keys;
    struct cache_hit *hits;
    uint64_t now_ms;
    uint64_t version;                            /* read at the start */
    uint64_t class;                              /* what 'profile' was found from */
    const struct mask_profile *profile;
    unsigned n_missed, n_rederived, n_revalidated, n_dropped;
    struct cache_key newest[PACKET_BATCH_MAX];
    uint32_t entry[PACKET_BATCH_MAX];
    unsigned n_slow;
    uint8_t slow[PACKET_BATCH_MAX];
};

static void
add_u64(_Atomic uint64_t *counter, uint64_t n)
{
    if (n) {
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
    }
}

/* Stage 1. Packets of a batch come from one port and are mostly of one protocol, so they
 * mostly have the profile of the one before. */
static inline const struct mask_profile *
find_profile(struct batch *b, const struct flow_key *key)
{
    uint64_t class = (uint64_t) key->in_port << 24 | (uint64_t) key->dl_type.raw << 8
                     | key->nw_proto;
    if (class != b->class) {
        b->class = class;
        b->profile = profile_set_list(&b->cache->classifier->profiles, key)->profile[0];
    }
    return b->profile;
}

/* Stage 2. */
static inline void
mask_and_hash(struct batch *b, unsigned i)
{
    cache_key_make(b->cache, b->keys[i], find_profile(b, b->keys[i]), &b->newest[i]);
    __builtin_prefetch(cache_set_of(b->cache, b->newest[i].hash));
}

/* Stage 3. */
static inline void
compare_tags(struct batch *b, unsigned i)
{
    uint64_t hash = b->newest[i].hash;
    const struct cache_set *set = cache_set_of(b->cache, hash);
    unsigned ways = cache_ways_with_tag(b->cache, set, cache_tag(b->cache, hash));
    uint32_t entry = CACHE_NO_ENTRY;
    if (ways) {
        entry = cache_way_entry(b->cache, set->way[(unsigned) __builtin_ctz(ways)]);
        __builtin_prefetch(&b->cache->entries[entry]);
    }
    b->entry[i] = entry;
}

static inline void
report_entry(struct batch *b, unsigned i, uint32_t entry, enum cache_result result)
{
    struct rule *rule = cache_rule(&b->cache->entries[entry]);
    b->entry[i] = entry;
    b->hits[i] = (struct cache_hit) { rule, entry, rule ? result : CACHE_NO_RULE };
}

/* True if the derivation of the entry for packet i stands, as of now; its version is then
 * of now. */
static bool
revalidate(struct batch *b, unsigned i, struct cache_entry *e, const struct mask_profile *profile)
{
    const struct classifier *cls = b->cache->classifier;
    uint64_t now, version = cache_complete(cache_word(e, 6) >> CACHE_USED_BITS,
                                           classifier_version(cls), CACHE_VERSION);
    if (classifier_changed(cls, b->keys[i], &profile->mask, version, &now)
        != CLASSIFIER_UNCHANGED) {
        return false;
    }
    if (now != version) {
        cache_set_version(e, now);
        b->n_revalidated++;
    }
    return true;
}

/* Stage 4. False: the slow way. */
static inline bool
check_entry(struct batch *b, unsigned i)
{
    uint32_t entry = b->entry[i];
    if (entry == CACHE_NO_ENTRY || !cache_entry_has(b->cache, entry, &b->newest[i])) {
        entry = cache_find(b->cache, &b->newest[i]);
        if (entry == CACHE_NO_ENTRY) {
            return false;
        }
    }
    struct cache_entry *e = &b->cache->entries[entry];
    if (cache_word(e, 6) >> CACHE_USED_BITS != (b->version & CACHE_VERSION)
        && !revalidate(b, i, e, b->newest[i].profile)) {
        return false;
    }
    report_entry(b, i, entry, CACHE_HIT);
    return true;
}

/* Stages 1 to 4, each some packets behind the one before: all the time, work on some
 * packets fills the wait for the memory of others. */
static void
go_the_fast_way(struct batch *b, unsigned n)
{
    b->n_slow = 0;
    for (unsigned i = 0; i < n + CHECK_BEHIND; i++) {
        if (i < n) {
            mask_and_hash(b, i);
        }
        if (i - TAGS_BEHIND < n) {
            compare_tags(b, i - TAGS_BEHIND);
        }
        unsigned last = i - CHECK_BEHIND;
        if (last < n && !check_entry(b, last)) {
            b->entry[last] = CACHE_NO_ENTRY;
            b->hits[last] = (struct cache_hit) { NULL, CACHE_NO_ENTRY, CACHE_MISS };
            b->slow[b->n_slow++] = (uint8_t) last;
        }
    }
}

/* Where a packet's entry is. */
struct found {
    uint32_t entry;              /* CACHE_NO_ENTRY: nowhere */
    unsigned generation;
    struct cache_key key;        /* of the entry, or of the oldest generation */
};

/* Looks in generations from 'first' on: the newest is 0. */
static void
find_from(const struct cache *cache, const struct flow_key *key, const struct profile_list *list,
          unsigned first, struct found *f)
{
    f->entry = CACHE_NO_ENTRY;
    for (f->generation = first; f->generation < list->n; f->generation++) {
        cache_key_make(cache, key, list->profile[f->generation], &f->key);
        f->entry = cache_find(cache, &f->key);
        if (f->entry != CACHE_NO_ENTRY) {
            return;
        }
    }
}

/* True if 'a' has a bit that 'b' has not. */
static bool
looks_at_more(const struct flow_mask *a, const struct flow_mask *b)
{
    uint64_t more = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        more |= a->bits.lane[i] & ~b->bits.lane[i];
    }
    return more != 0;
}

/* Brings an older generation's entry to the newest, and returns the one to use. Where
 * the newest looks at more, the old entry is for other packets too: it stays for them.
 * The profile is read after the entry's version was: see the top of this file. */
static uint32_t
promote(struct batch *b, unsigned i, const struct found *f)
{
    struct cache *cache = b->cache;
    const struct profile_list *list = classifier_profiles(cache->classifier, b->keys[i]);
    struct cache_key key;
    const struct cache_entry *e = &cache->entries[f->entry];
    struct rule *rule = cache_rule(e);
    uint64_t version = cache_word(e, 6) >> CACHE_USED_BITS;
    race_point();
    cache_key_make(cache, b->keys[i], list->profile[0], &key);
    add_u64(&cache->promoted, 1);
    uint32_t newest = cache_find(cache, &key);
    if (newest != CACHE_NO_ENTRY) {     /* of a time when this profile was the newest before */
        cache_set_rule(cache, newest, rule, version);
        return newest;
    }
    if (!looks_at_more(&key.profile->mask, &f->key.profile->mask)) {
        cache_rekey(cache, f->entry, &key, b->now_ms);
        return f->entry;
    }
    return cache_install(cache, &key, rule, version, b->now_ms);
}

/* What stage 5 finds: an entry that is valid, one that has to be derived again, or none. */
enum old_entry { OLD_VALID, OLD_STALE, OLD_NONE };

/* Stage 5. */
static enum old_entry
use_old_entry(struct batch *b, unsigned i)
{
    struct cache *cache = b->cache;
    const struct profile_list *list = classifier_profiles(cache->classifier, b->keys[i]);
    struct found f = { .entry = CACHE_NO_ENTRY };
    race_point();
    bool valid = false, stale = false;
    for (unsigned g = 0; g < list->n && !valid; g++) {
        find_from(cache, b->keys[i], list, g, &f);
        valid = f.entry != CACHE_NO_ENTRY
                && revalidate(b, i, &cache->entries[f.entry], f.key.profile);
        stale |= f.entry != CACHE_NO_ENTRY && !valid;
        g = f.generation;
    }
    if (!valid) {
        return stale ? OLD_STALE : OLD_NONE;
    }
    if (f.generation) {
        f.entry = promote(b, i, &f);
    }
    report_entry(b, i, f.entry, CACHE_HIT);
    return OLD_VALID;
}

/* Packet i's rule, looked up at 'version', goes into the entry that it has, or a new one. */
static void
install(struct batch *b, unsigned i, struct rule *rule, uint64_t version)
{
    struct cache *cache = b->cache;
    const struct profile_list *list = classifier_profiles(cache->classifier, b->keys[i]);
    struct found f;
    race_point();
    find_from(cache, b->keys[i], list, 0, &f);
    if (f.entry == CACHE_NO_ENTRY) {
        cache_key_make(cache, b->keys[i], list->profile[0], &f.key);
        f.entry = cache_install(cache, &f.key, rule, version, b->now_ms);
        report_entry(b, i, f.entry, CACHE_MISS);
        b->n_missed++;
        return;
    }
    const struct cache_entry *e = &cache->entries[f.entry];
    if (!f.generation && cache_word(e, 6) >> CACHE_USED_BITS == (version & CACHE_VERSION)
        && cache_rule(e) == rule) {
        report_entry(b, i, f.entry, CACHE_HIT);    /* an earlier packet of this batch did it */
        return;
    }
    if (f.generation) {
        cache_key_make(cache, b->keys[i], list->profile[0], &f.key);
        cache_rekey(cache, f.entry, &f.key, b->now_ms);
    }
    cache_set_rule(cache, f.entry, rule, version);
    report_entry(b, i, f.entry, CACHE_REDERIVED);
    b->n_rederived++;
}

/* Packets on the slow way, and what the gate says of each. */
struct slow {
    unsigned n;
    uint8_t which[PACKET_BATCH_MAX];
    uint8_t verdict[PACKET_BATCH_MAX];       /* enum cache_verdict */
    const struct flow_key *keys[PACKET_BATCH_MAX];
};

/* Asks the gate about those of 'slow' whose verdict is not known: it is CACHE_PASS so far. */
static void
ask_gate(struct batch *b, struct slow *slow)
{
    const struct flow_key *keys[PACKET_BATCH_MAX];
    uint8_t at[PACKET_BATCH_MAX], verdicts[PACKET_BATCH_MAX];
    unsigned n = 0;
    for (unsigned j = 0; j < slow->n; j++) {
        if (slow->verdict[j] != CACHE_ADMIT) {
            at[n] = (uint8_t) j;
            keys[n++] = slow->keys[j];
        }
    }
    if (n) {
        b->gate->judge(b->gate, keys, n, verdicts);
    }
    for (unsigned j = 0; j < n; j++) {
        slow->verdict[at[j]] = verdicts[j];
    }
}

/* Takes those out that are to be dropped. */
static void
drop_shed(struct batch *b, struct slow *slow)
{
    unsigned kept = 0;
    for (unsigned j = 0; j < slow->n; j++) {
        if (slow->verdict[j] == CACHE_SHED) {
            b->hits[slow->which[j]].result = CACHE_DROPPED;
            continue;
        }
        slow->which[kept] = slow->which[j];
        slow->verdict[kept] = slow->verdict[j];
        slow->keys[kept++] = slow->keys[j];
    }
    b->n_dropped = slow->n - kept;
    slow->n = kept;
}

/* Stage 5 of all. */
static void
collect_slow(struct batch *b, struct slow *slow)
{
    slow->n = 0;
    for (unsigned j = 0; j < b->n_slow; j++) {
        enum old_entry old = use_old_entry(b, b->slow[j]);
        if (old != OLD_VALID) {
            slow->which[slow->n] = b->slow[j];
            slow->verdict[slow->n] = b->gate && old == OLD_NONE ? CACHE_PASS : CACHE_ADMIT;
            slow->keys[slow->n++] = b->keys[b->slow[j]];
        }
    }
    if (b->gate) {
        ask_gate(b, slow);
        drop_shed(b, slow);
    }
}

static void
go_the_slow_way(struct batch *b)
{
    struct rule *rules[PACKET_BATCH_MAX];
    struct slow slow;
    collect_slow(b, &slow);
    race_point();
    uint64_t version = classifier_version(b->cache->classifier);
    race_point();
    classifier_lookup_wildcard_batch(b->cache->classifier, slow.keys, slow.n, rules);
    for (unsigned j = 0; j < slow.n; j++) {
        race_point();
        if (slow.verdict[j] == CACHE_ADMIT) {
            install(b, slow.which[j], rules[j], version);
        } else {
            b->hits[slow.which[j]] = (struct cache_hit) { rules[j], CACHE_NO_ENTRY, CACHE_UNCACHED };
            b->n_missed++;
        }
    }
}

/* Evictions look at the results so far. */
static void
prepare_slow_way(struct batch *b, unsigned n)
{
    for (unsigned i = n; i < PACKET_BATCH_MAX; i++) {
        b->entry[i] = CACHE_NO_ENTRY;
    }
    b->cache->out = b->hits;
    b->cache->out_entry = b->entry;
    b->cache->n_out = n;
}

static void
lookup_wildcarded(struct cache *cache, struct cache_gate *gate, const struct flow_key *keys[],
                  unsigned n, struct cache_hit hits[], uint64_t now_ms)
{
    struct batch b;
    b.cache = cache;
    b.gate = gate;
    b.keys = keys;
    b.hits = hits;
    b.now_ms = now_ms;
    b.class = UINT64_MAX;
    b.profile = NULL;
    b.n_missed = b.n_rederived = b.n_revalidated = b.n_dropped = 0;
    b.version = classifier_version(cache->classifier);
    race_point();
    atomic_store_explicit(&cache->now_ms, now_ms, memory_order_relaxed);
    go_the_fast_way(&b, n);
    if (b.n_slow) {
        prepare_slow_way(&b, n);
        go_the_slow_way(&b);
    }
    add_u64(&cache->hits, n - b.n_missed - b.n_rederived - b.n_dropped);
    add_u64(&cache->misses, b.n_missed);
    add_u64(&cache->rederived, b.n_rederived);
    add_u64(&cache->revalidated, b.n_revalidated);
}

/* Rules without wildcards come first and are in no entry; the other packets are looked
 * up together. */
static void
lookup_exact_first(struct cache *cache, struct cache_gate *gate, const struct flow_key *keys[],
                   unsigned n, struct cache_hit hits[], uint64_t now_ms)
{
    struct rule *rules[PACKET_BATCH_MAX];
    const struct flow_key *other_keys[PACKET_BATCH_MAX];
    struct cache_hit other_hits[PACKET_BATCH_MAX];
    uint8_t which[PACKET_BATCH_MAX];
    unsigned n_others = 0;
    classifier_lookup_exact_batch(cache->classifier, keys, n, rules);
    for (unsigned i = 0; i < n; i++) {
        if (rules[i]) {
            hits[i] = (struct cache_hit) { rules[i], CACHE_NO_ENTRY, CACHE_EXACT_RULE };
        } else {
            which[n_others] = (uint8_t) i;
            other_keys[n_others++] = keys[i];
        }
    }
    lookup_wildcarded(cache, gate, other_keys, n_others, other_hits, now_ms);
    for (unsigned i = 0; i < n_others; i++) {
        hits[which[i]] = other_hits[i];
    }
    add_u64(&cache->hits, n - n_others);
}

void
cache_lookup_batch(struct cache *cache, struct cache_gate *gate, const struct flow_key *keys[],
                   unsigned n, struct cache_hit hits[], uint64_t now_ms)
{
    if (classifier_has_exact(cache->classifier)) {
        lookup_exact_first(cache, gate, keys, n, hits, now_ms);
    } else {
        lookup_wildcarded(cache, gate, keys, n, hits, now_ms);
    }
}
