/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/epoch.h"
#include "sw-datapath/cache.h"
#include "sw-datapath/classifier_log.h"
#include "sw-datapath/packet.h"
#include "tests/unit/classifier_model.h"

enum { TICK_MS = 256 };

static struct model model;
static struct cache *cache;
static uint64_t now_ms;

static void
begin(uint64_t seed, unsigned max_rules, uint32_t capacity)
{
    model_init(&model, seed, max_rules);
    cache = cache_new(model.cls, capacity);
    assert_non_null(cache);
    now_ms = 1000;
}

static void
end(void)
{
    cache_free(cache);
    model_fini(&model);
}

static struct cache_stats
stats(void)
{
    struct cache_stats s;
    cache_get_stats(cache, &s);
    return s;
}

static void
look_up(const struct flow_key *keys, unsigned n, struct cache_hit hits[])
{
    const struct flow_key *pointers[PACKET_BATCH_MAX];
    for (unsigned i = 0; i < n; i++) {
        pointers[i] = &keys[i];
    }
    cache_lookup_batch(cache, NULL, pointers, n, hits, now_ms);
}

static enum cache_result
look_up_one(const struct flow_key *key, struct rule **rule)
{
    struct cache_hit hit;
    look_up(key, 1, &hit);
    if (rule) {
        *rule = hit.rule;
    }
    return hit.result;
}

static struct flow_key
udp_key(uint32_t nw_dst, uint16_t tp_dst)
{
    struct flow_key key = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17 };
    key.nw_dst.ip4.raw = htobe32(nw_dst);
    key.tp_dst.raw = htobe16(tp_dst);
    return key;
}

/* A match on UDP and, where not 0, destination address and port. */
static struct flow_match
udp_match(uint32_t nw_dst, uint16_t tp_dst)
{
    struct flow_match match = { .value = udp_key(nw_dst, tp_dst) };
    match.value.in_port = 0;
    match.mask.bits.dl_type.raw = 0xffff;
    match.mask.bits.nw_proto = 0xff;
    match.mask.bits.nw_dst.ip4.raw = nw_dst ? 0xffffffff : 0;
    match.mask.bits.tp_dst.raw = tp_dst ? 0xffff : 0;
    return match;
}

static void
put(uint32_t nw_dst, uint16_t tp_dst, uint32_t rank)
{
    struct flow_match match = udp_match(nw_dst, tp_dst);
    model_put(&model, &match, rank);
}

static unsigned n_dumped;
static struct cache_dump_entry last_dumped;

static bool
take_dumped(const struct cache_dump_entry *entry, void *aux)
{
    (void) aux;
    last_dumped = *entry;
    n_dumped++;
    return true;
}

/* --- answers -------------------------------------------------------------------- */

/* Cached or not, after any changes, an answer is what the list says. */
static void
answers_are_those_of_the_list(void **state)
{
    (void) state;
    for (unsigned round = 0; round < 6; round++) {
        begin(200 + round, round % 2 ? 20 : 300, round < 2 ? 16 : 4096);
        for (unsigned step = 0; step < 6000; step++) {
            for (unsigned n = model_below(&model, 3); n; n--) {
                model_change(&model);
            }
            struct flow_key keys[PACKET_BATCH_MAX];
            struct cache_hit hits[PACKET_BATCH_MAX];
            unsigned n = step % 20 ? 4 : PACKET_BATCH_MAX;
            for (unsigned i = 0; i < n; i++) {
                model_key(&model, &keys[i]);
            }
            look_up(keys, n, hits);
            for (unsigned i = 0; i < n; i++) {
                assert_true(model_is_right(&model, &keys[i], hits[i].rule));
                assert_int_equal(hits[i].result == CACHE_NO_RULE, !hits[i].rule);
                assert_int_equal(hits[i].result == CACHE_EXACT_RULE,
                                 hits[i].rule && hits[i].rule->rank == RULE_RANK_EXACT);
            }
            now_ms += model_below(&model, 100);
            epoch_poll();
        }
        end();
    }
}

/* What one packet's entry is under, to tell whether a change overlaps it. */
struct cached {
    struct flow_key key;
    struct flow_match entry;
    uint64_t serial;
};

static void
cache_all(struct cached *cached, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        model_key(&model, &cached[i].key);
    }
    for (unsigned i = 0; i < n; i++) {
        look_up_one(&cached[i].key, NULL);
        const struct mask_profile *p = classifier_profiles(model.cls, &cached[i].key)->profile[0];
        cached[i].entry.mask = p->mask;
        cached[i].serial = p->serial;
        flow_key_mask(&cached[i].key, &p->mask, &cached[i].entry.value);
    }
}

static bool
is_in_a_generation(const struct cached *cached)
{
    const struct profile_list *list = classifier_profiles(model.cls, &cached->key);
    bool found = false;
    for (unsigned i = 0; i < list->n; i++) {
        found = found || list->profile[i]->serial == cached->serial;
    }
    return found;
}

/* A change costs the entries that it does not overlap no look-up, as long as the log
 * reaches back to it and their profile is among the generations. */
static void
changes_elsewhere_cost_no_lookup(void **state)
{
    (void) state;
    enum { N = 40 };
    unsigned n_free = 0, n_promoted = 0;
    begin(301, 60, 65536);
    for (unsigned round = 0; round < 2500; round++) {
        static struct cached cached[N];
        struct flow_match changes[CHANGE_LOG_LEN];
        unsigned n_changes = 1 + model_below(&model, round % 2 ? 3 : CHANGE_LOG_LEN);
        if (round % 100 == 0) {
            cache_clear(cache);     /* nothing is evicted here */
        }
        cache_all(cached, N);
        for (unsigned i = 0; i < n_changes; i++) {
            if (model.n == model.max) {
                unsigned r = model_below(&model, model.n);
                changes[i] = model.rules[r].match;
                model_remove(&model, r);
            } else {
                model_match(&model, &changes[i]);
                model_put(&model, &changes[i], model_below(&model, 4));
            }
        }
        for (unsigned i = 0; i < N; i++) {
            bool overlapped = false;
            for (unsigned c = 0; c < n_changes; c++) {
                overlapped = overlapped || flow_match_overlaps(&cached[i].entry, &changes[c]);
            }
            if (overlapped || !is_in_a_generation(&cached[i])) {
                continue;
            }
            struct cache_stats before = stats();
            struct rule *rule;
            look_up_one(&cached[i].key, &rule);
            struct cache_stats after = stats();
            assert_true(model_is_right(&model, &cached[i].key, rule));
            assert_int_equal(after.misses + after.rederived, before.misses + before.rederived);
            assert_int_equal(after.hits, before.hits + 1);
            n_promoted += after.promoted != before.promoted;
            n_free++;
        }
        epoch_poll();
    }
    assert_true(n_free > 10000);
    assert_true(n_promoted > 100);
    end();
}

/* An overlapped entry costs one look-up, the first time that it is hit. */
static void
an_overlapped_entry_is_derived_again_once(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_key key = udp_key(0x0a000001, 53);
    struct rule *rule;
    put(0x0a000001, 0, 5);
    assert_int_equal(look_up_one(&key, &rule), CACHE_MISS);
    assert_int_equal(look_up_one(&key, &rule), CACHE_HIT);
    put(0x0a000001, 0, 6);
    assert_int_equal(look_up_one(&key, &rule), CACHE_REDERIVED);
    assert_ptr_equal(rule, model.rules[1].rule);
    assert_int_equal(look_up_one(&key, &rule), CACHE_HIT);
    put(0x0a000001, 0, 6);      /* replaced: another rule of the same match */
    assert_int_equal(look_up_one(&key, &rule), CACHE_REDERIVED);
    assert_ptr_equal(rule, model.rules[1].rule);
    model_remove(&model, 1);
    model_remove(&model, 0);
    assert_int_equal(look_up_one(&key, &rule), CACHE_NO_RULE);
    struct cache_stats s = stats();
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.rederived, 3);
    end();
}

static void
a_packet_sees_the_entries_of_its_batch(void **state)
{
    (void) state;
    begin(1, 10, 64);
    put(0x0a000001, 0, 5);
    struct flow_key keys[3] = {
        udp_key(0x0a000001, 1), udp_key(0x0a000001, 2), udp_key(0x0a000002, 2),
    };
    struct cache_hit hits[3];
    look_up(keys, 3, hits);
    assert_int_equal(hits[0].result, CACHE_MISS);
    assert_int_equal(hits[1].result, CACHE_HIT);    /* ports don't count here */
    assert_int_equal(hits[1].entry, hits[0].entry);
    assert_int_equal(hits[2].result, CACHE_NO_RULE);
    assert_int_equal(stats().entries, 2);
    end();
}

static void
table_misses_are_cached(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_key key = udp_key(1, 1);
    assert_int_equal(look_up_one(&key, NULL), CACHE_NO_RULE);
    assert_int_equal(look_up_one(&key, NULL), CACHE_NO_RULE);
    assert_int_equal(stats().misses, 1);
    assert_int_equal(stats().hits, 1);
    put(1, 0, 3);
    struct rule *rule;
    assert_int_equal(look_up_one(&key, &rule), CACHE_REDERIVED);
    assert_ptr_equal(rule, model.rules[0].rule);
    end();
}

static void
exact_rules_are_found_and_not_cached(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_key key = udp_key(1, 1);
    struct flow_match match;
    put(1, 0, 0xffff);
    assert_int_equal(look_up_one(&key, NULL), CACHE_MISS);
    model_exact_match(&key, &match);
    model_put(&model, &match, RULE_RANK_EXACT);
    struct cache_hit hit;
    look_up(&key, 1, &hit);
    assert_int_equal(hit.result, CACHE_EXACT_RULE);
    assert_int_equal(hit.entry, UINT32_MAX);
    assert_ptr_equal(hit.rule, model.rules[1].rule);
    cache_count(cache, hit.entry, 1, 60, now_ms);
    model_remove(&model, 1);
    assert_int_equal(look_up_one(&key, NULL), CACHE_HIT);
    end();
}

/* A wider profile: the entries of the narrow one serve on, and move. */
static void
older_generations_are_promoted(void **state)
{
    (void) state;
    begin(1, 10, 64);
    put(0x0a000001, 0, 5);
    struct flow_key key = udp_key(0x0a000001, 53);
    struct cache_hit hit;
    look_up(&key, 1, &hit);
    cache_count(cache, hit.entry, 3, 300, now_ms);
    put(0x0a000002, 80, 5);     /* widens; does not overlap */
    assert_int_equal(look_up_one(&key, NULL), CACHE_HIT);
    assert_int_equal(stats().promoted, 1);
    assert_int_equal(look_up_one(&key, NULL), CACHE_HIT);
    assert_int_equal(stats().promoted, 1);
    assert_int_equal(stats().entries, 2);
    /* The old entry serves packets that only the wider profile tells apart. */
    key.tp_dst.raw = htobe16(54);
    assert_int_equal(look_up_one(&key, NULL), CACHE_HIT);
    assert_int_equal(stats().promoted, 2);
    model_remove(&model, 1);    /* narrow again */
    assert_int_equal(look_up_one(&key, NULL), CACHE_HIT);
    assert_int_equal(stats().misses, 1);
    assert_int_equal(stats().rederived, 0);
    end();
}

/* --- bounds --------------------------------------------------------------------- */

static void
entries_are_bounded(void **state)
{
    (void) state;
    begin(1, 10, 100);
    put(1, 0, 5);               /* so that addresses count */
    assert_int_equal(stats().capacity, 128);
    struct flow_key keys[PACKET_BATCH_MAX];
    struct cache_hit hits[PACKET_BATCH_MAX];
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = 0; j < PACKET_BATCH_MAX; j++) {
            keys[j] = udp_key(i * 1000 + j, 0);
        }
        look_up(keys, PACKET_BATCH_MAX, hits);
        for (unsigned j = 0; j < PACKET_BATCH_MAX; j++) {
            for (unsigned k = 0; k < j; k++) {
                assert_true(hits[j].entry == UINT32_MAX || hits[j].entry != hits[k].entry);
            }
        }
        assert_in_range(stats().entries, 1, 128);
    }
    struct cache_stats s = stats();
    assert_int_equal(s.misses, 200 * PACKET_BATCH_MAX);
    assert_int_equal(s.evictions + s.entries, s.misses);
    end();
}

/* Indices that take bits from the tag: a cache of more than 65,536 entries. */
static void
a_large_cache_keeps_what_it_has_room_for(void **state)
{
    (void) state;
    enum { N = 200000, CAPACITY = 1 << 18 };
    begin(1, 10, CAPACITY);
    put(1, 0, 5);
    for (unsigned i = 0; i < 2 * N; i++) {
        struct flow_key key = udp_key(i % N, 0);
        look_up_one(&key, NULL);
    }
    struct cache_stats s = stats();
    assert_int_equal(s.capacity, CAPACITY);
    assert_int_equal(s.misses + s.hits, 2 * N);
    assert_in_range(s.entries, N - N / 100, N);
    assert_in_range(s.misses, N, N + N / 50);
    end();
}

/* A flow in use outlives a flood of packets that come once each. */
static void
a_flood_does_not_push_out_what_is_used(void **state)
{
    (void) state;
    begin(1, 10, 1024);
    put(1, 0, 5);
    struct flow_key used[8];
    unsigned n_missed = 0;
    for (unsigned i = 0; i < 8; i++) {
        used[i] = udp_key(0xff000000 + i, 0);
        look_up_one(&used[i], NULL);
    }
    uint64_t misses = stats().misses;
    for (unsigned i = 0; i < 50000; i++) {
        if (i % 64 == 0) {
            struct cache_hit hits[8];
            look_up(used, 8, hits);
            for (unsigned j = 0; j < 8; j++) {
                cache_count(cache, hits[j].entry, 1, 60, now_ms);
            }
            n_missed = (unsigned) (stats().misses - misses - i);
            now_ms += 5;
        }
        struct flow_key key = udp_key(i, 0);
        look_up_one(&key, NULL);
    }
    assert_true(n_missed <= 4);
    end();
}

static void
idle_entries_are_swept(void **state)
{
    (void) state;
    begin(1, 10, 64);
    put(1, 0, 5);
    struct flow_key a = udp_key(1, 0), b = udp_key(2, 0);
    struct cache_hit hit;
    look_up(&a, 1, &hit);
    look_up(&b, 1, &hit);
    now_ms += 5000;
    look_up(&b, 1, &hit);
    cache_count(cache, hit.entry, 1, 60, now_ms);
    assert_int_equal(cache_sweep(cache, 100, now_ms + 5000, 10000), 2);
    assert_int_equal(cache_sweep(cache, 100, now_ms + 6000, 10000), 1);
    assert_int_equal(look_up_one(&b, NULL), CACHE_NO_RULE);
    assert_int_equal(stats().misses, 2);
    cache_clear(cache);
    assert_int_equal(stats().entries, 0);
    assert_int_equal(look_up_one(&a, NULL), CACHE_MISS);
    end();
}

/* After a fourth generation the first one's entries are not found, and are swept. */
static void
dead_generations_are_swept(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_key key = udp_key(9, 9);
    look_up_one(&key, NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct flow_match match = udp_match(1, 0);
        match.mask.bits.nw_src.ip4.raw = match.value.nw_src.ip4.raw = htobe32(1u << i);
        model_put(&model, &match, 5);
    }
    assert_int_equal(stats().entries, 1);
    assert_int_equal(cache_sweep(cache, 100, now_ms, 10000), 0);
    assert_int_equal(look_up_one(&key, NULL), CACHE_NO_RULE);
    assert_int_equal(stats().misses, 2);
    end();
}

/* What does not fit into an entry's first line: IPv6 addresses. */
static void
long_addresses_are_told_apart(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_match match = { .value = udp_key(1, 1) };
    match.value.dl_type.raw = match.mask.bits.dl_type.raw = 0xffff;
    memset(&match.mask.bits.nw_src, 0xff, sizeof match.mask.bits.nw_src);
    memset(&match.mask.bits.nw_dst, 0xff, sizeof match.mask.bits.nw_dst);
    flow_key_mask(&match.value, &match.mask, &match.value);
    model_put(&model, &match, 5);
    struct flow_key keys[33] = { match.value };
    struct cache_hit hits[33];
    for (unsigned i = 1; i < 33; i++) {
        keys[i] = match.value;
        uint8_t *addr = i <= 16 ? keys[i].nw_src.bytes : keys[i].nw_dst.bytes;
        addr[(i - 1) % 16] ^= 0x80;
    }
    for (unsigned round = 0; round < 3; round++) {
        look_up(keys, 33, hits);
        for (unsigned i = 0; i < 33; i++) {
            assert_ptr_equal(hits[i].rule, i ? NULL : model.rules[0].rule);
            for (unsigned j = 0; j < i; j++) {
                assert_int_not_equal(hits[i].entry, hits[j].entry);
            }
        }
    }
    assert_int_equal(stats().entries, 33);
    assert_int_equal(stats().misses, 33);
    n_dumped = 0;
    cache_dump(cache, take_dumped, NULL);
    assert_int_equal(n_dumped, 33);
    assert_memory_equal(&last_dumped.match.value.nw_dst, &keys[32].nw_dst, sizeof keys[32].nw_dst);
    end();
}

/* Counts go far beyond what an entry's first line holds of them. */
static void
counts_do_not_overflow(void **state)
{
    (void) state;
    begin(1, 10, 64);
    struct flow_key key = udp_key(1, 77);
    struct cache_hit hit;
    look_up(&key, 1, &hit);
    uint64_t packets = 0, bytes = 0;
    for (uint64_t n = 1; n < UINT64_C(1) << 36; n *= 3) {
        cache_count(cache, hit.entry, n, n * 1000, now_ms);
        cache_count(cache, hit.entry, 0, n, now_ms);
        packets += n;
        bytes += n * 1001;
    }
    for (unsigned i = 0; i < 3000000; i++) {
        cache_count(cache, hit.entry, 7, 400000, now_ms);
    }
    cache_dump(cache, take_dumped, NULL);
    assert_int_equal(last_dumped.packets, packets + 21000000);
    assert_int_equal(last_dumped.bytes, bytes + UINT64_C(1200000000000));
    end();
}

/* --- dumps ---------------------------------------------------------------------- */

static void
entries_are_dumped_with_their_counts(void **state)
{
    (void) state;
    begin(1, 10, 64);
    put(1, 0, 5);
    struct flow_key key = udp_key(1, 77);
    struct cache_hit hit;
    for (unsigned i = 0; i < 3; i++) {
        now_ms += TICK_MS;
        look_up(&key, 1, &hit);
        cache_count(cache, hit.entry, 2, 200, now_ms);
    }
    n_dumped = 0;
    cache_dump(cache, take_dumped, NULL);
    assert_int_equal(n_dumped, 1);
    assert_int_equal(last_dumped.packets, 6);
    assert_int_equal(last_dumped.bytes, 600);
    assert_int_equal(last_dumped.used_ms, now_ms);
    assert_ptr_equal(last_dumped.rule, model.rules[0].rule);
    assert_int_equal(last_dumped.match.value.nw_dst.ip4.raw, htobe32(1));
    assert_int_equal(last_dumped.match.value.tp_dst.raw, 0);
    assert_int_equal(last_dumped.match.mask.bits.nw_dst.ip4.raw, 0xffffffff);
    assert_int_equal(last_dumped.match.mask.bits.tp_dst.raw, 0);
    end();
}

/* --- a worker beside the control thread ------------------------------------------ */

static _Atomic bool stop;
static _Atomic uint64_t n_batches;

/* The worker: port 22 has the rule of rank 1 all the time, whatever happens to port
 * 80; address 9 has that of rank 7; others come and go. */
static void *
work(void *arg)
{
    struct epoch_reader *reader = arg;
    size_t n_bad = 0;
    epoch_online(reader);
    for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
        struct flow_key keys[8] = {
            udp_key(1, 80), udp_key(1, 22), udp_key(9, 22), udp_key(9, 80),
            udp_key(1, 80), udp_key(1, 22), udp_key(2 + i % 500, 22), udp_key(2 + i % 500, 80),
        };
        struct cache_hit hits[8];
        look_up(keys, 8, hits);
        n_bad += !hits[1].rule || hits[1].rule->rank != 1;
        n_bad += !hits[5].rule || hits[5].rule->rank != 1;
        n_bad += !hits[2].rule || hits[2].rule->rank != 7;
        n_bad += !hits[3].rule || hits[3].rule->rank != 7;
        for (unsigned j = 0; j < 8; j++) {
            n_bad += !hits[j].rule;
            cache_count(cache, hits[j].entry, 1, 60, 1000);
        }
        cache_sweep(cache, 4, 1000, 10000);
        epoch_quiescent(reader);
        atomic_fetch_add_explicit(&n_batches, 1, memory_order_relaxed);
    }
    epoch_offline(reader);
    return (void *) n_bad;
}

static bool
check_dumped(const struct cache_dump_entry *entry, void *aux)
{
    (void) aux;
    struct flow_key masked;
    flow_key_mask(&entry->match.value, &entry->match.mask, &masked);
    assert_true(flow_key_equal(&masked, &entry->match.value));
    assert_int_equal(entry->match.value.dl_type.raw, htobe16(0x0800));
    assert_true(entry->version <= classifier_version(model.cls));
    assert_true(entry->bytes % 60 == 0);
    return true;
}

static void
a_worker_is_right_while_rules_change(void **state)
{
    (void) state;
    begin(401, 100, 256);
    struct epoch_reader *reader = epoch_reader_new();
    pthread_t thread;
    put(0, 0, 1);
    put(9, 0, 7);
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, work, reader), 0);
    while (!atomic_load(&n_batches)) {
        sched_yield();
    }
    for (unsigned i = 0; i < 20000; i++) {
        put(0, 80, 2);          /* widens for all, overlaps some */
        if (i % 3 == 0) {
            put(0, 80, 2);      /* replaced */
        }
        put(2 + i % 500, 0, 3);
        if (i % 64 == 0) {
            cache_dump(cache, check_dumped, NULL);
        }
        model_remove(&model, model.n - 1);
        model_remove(&model, model.n - 1);
        epoch_poll();
    }
    atomic_store(&stop, true);
    void *n_bad;
    pthread_join(thread, &n_bad);
    assert_int_equal((size_t) n_bad, 0);
    epoch_reader_free(reader);
    end();
}

/* --- gates -------------------------------------------------------------------------------- */

struct test_gate {
    struct cache_gate gate;
    enum cache_verdict verdict;
    unsigned n_asked;
    const struct flow_key *first;
};

static void
judge(struct cache_gate *gate, const struct flow_key *const keys[], unsigned n, uint8_t verdicts[])
{
    struct test_gate *test = (struct test_gate *) (void *) gate;
    test->first = keys[0];
    test->n_asked += n;
    for (unsigned i = 0; i < n; i++) {
        verdicts[i] = (uint8_t) test->verdict;
    }
}

static enum cache_result
look_through(struct test_gate *gate, const struct flow_key *key, struct rule **rule)
{
    struct cache_hit hit;
    const struct flow_key *pointers[1] = { key };
    cache_lookup_batch(cache, &gate->gate, pointers, 1, &hit, now_ms);
    *rule = hit.rule;
    assert_true(hit.result == CACHE_HIT || hit.result == CACHE_REDERIVED || hit.entry == UINT32_MAX
                || hit.result == CACHE_MISS);
    return hit.result;
}

/* Who has no entry is asked about; who has one, a stale one too, and exact rules are not. */
static void
a_gate_decides_about_new_entries(void **state)
{
    (void) state;
    struct test_gate gate = { .gate.judge = judge, .verdict = CACHE_PASS };
    struct rule *rule, *wide, *narrow;
    begin(1, 10, 256);
    struct flow_match match = { .mask.bits.tp_dst.raw = 0xffff, .value.tp_dst.raw = htobe16(80) };
    model_put(&model, &match, 10);
    wide = model.rules[model_find(&model, &match, 10)].rule;
    struct flow_key key = udp_key(1, 80);
    assert_int_equal(look_through(&gate, &key, &rule), CACHE_UNCACHED);
    assert_ptr_equal(rule, wide);
    assert_ptr_equal(gate.first, &key);
    assert_int_equal(stats().entries, 0);
    gate.verdict = CACHE_SHED;
    assert_int_equal(look_through(&gate, &key, &rule), CACHE_DROPPED);
    assert_null(rule);
    assert_int_equal(stats().misses, 1);
    assert_int_equal(stats().hits, 0);
    gate.verdict = CACHE_ADMIT;
    assert_int_equal(look_through(&gate, &key, &rule), CACHE_MISS);
    assert_int_equal(stats().entries, 1);
    assert_int_equal(gate.n_asked, 3);
    gate.verdict = CACHE_SHED;
    assert_int_equal(look_through(&gate, &key, &rule), CACHE_HIT);
    model_put(&model, &match, 20);
    narrow = model.rules[model_find(&model, &match, 20)].rule;
    assert_int_equal(look_through(&gate, &key, &rule), CACHE_REDERIVED);
    assert_ptr_equal(rule, narrow);
    assert_int_equal(gate.n_asked, 3);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_decides_about_new_entries),
        cmocka_unit_test(answers_are_those_of_the_list),
        cmocka_unit_test(changes_elsewhere_cost_no_lookup),
        cmocka_unit_test(an_overlapped_entry_is_derived_again_once),
        cmocka_unit_test(a_packet_sees_the_entries_of_its_batch),
        cmocka_unit_test(table_misses_are_cached),
        cmocka_unit_test(exact_rules_are_found_and_not_cached),
        cmocka_unit_test(older_generations_are_promoted),
        cmocka_unit_test(entries_are_bounded),
        cmocka_unit_test(a_large_cache_keeps_what_it_has_room_for),
        cmocka_unit_test(a_flood_does_not_push_out_what_is_used),
        cmocka_unit_test(idle_entries_are_swept),
        cmocka_unit_test(dead_generations_are_swept),
        cmocka_unit_test(long_addresses_are_told_apart),
        cmocka_unit_test(counts_do_not_overflow),
        cmocka_unit_test(entries_are_dumped_with_their_counts),
        cmocka_unit_test(a_worker_is_right_while_rules_change),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
