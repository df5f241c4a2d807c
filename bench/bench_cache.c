/* SPDX-License-Identifier: Apache-2.0 */
/* The exact-match cache: a million entries, hit in random order in batches.
 *
 * Keys are made as a parser would leave them, in a batch that is in the first-level cache
 * when the look-up begins; making them is not in the time. Counting each packet in its
 * entry is. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench_util.h"
#include "lib/epoch.h"
#include "sw-datapath/cache.h"
#include "sw-datapath/packet.h"

enum { N = 1000000, BATCH = PACKET_BATCH_MAX, RUNS = 7, PACKET_SIZE = 60 };

struct rig {
    struct classifier *cls;
    struct cache *cache;
    struct rule *rules[4];
    unsigned n_rules;
    uint32_t *order;
    uint64_t now_ms;
    double overhead;            /* ns to read the clock twice */
};

static void *
zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

static void
make_key(uint32_t i, struct flow_key *key)
{
    *key = (struct flow_key) { .in_port = 1, .nw_proto = 17 };
    key->dl_dst[5] = key->dl_src[5] = (uint8_t) i;
    key->dl_type = be16_from_host(0x0800);
    key->nw_src.ip4 = be32_from_host(i * 2654435761u);
    key->nw_dst.ip4 = be32_from_host(0x0a000000 + i);
    key->tp_src = be16_from_host((uint16_t) (i * 7));
    key->tp_dst = be16_from_host(4789);
}

static void
add_rule(struct rig *rig, const struct flow_match *match, uint32_t rank)
{
    struct rule *rule = zeroed(1, classifier_rule_size(rig->cls, match));
    if (classifier_rule_init(rig->cls, rule, match, rank, NULL)
        || classifier_insert(rig->cls, rule)) {
        fprintf(stderr, "a rule was refused\n");
        exit(1);
    }
    rig->rules[rig->n_rules++] = rule;
}

/* Rules that make the profile look at addresses and ports. */
static void
rig_init(struct bench *b, struct rig *rig, uint32_t capacity)
{
    *rig = (struct rig) { .now_ms = 1000 };
    rig->cls = classifier_new(2);
    rig->cache = cache_new(rig->cls, capacity);
    rig->order = zeroed(N, sizeof *rig->order);
    struct flow_match match = { .mask.bits = { .dl_type = { 0xffff } } };
    match.value.dl_type = be16_from_host(0x0800);
    add_rule(rig, &match, 1);
    match.mask.bits.nw_proto = 0xff;
    match.mask.bits.tp_src.raw = match.mask.bits.tp_dst.raw = 0xffff;
    match.mask.bits.nw_src.ip4.raw = match.mask.bits.nw_dst.ip4.raw = 0xffffffff;
    match.value.nw_proto = 17;
    add_rule(rig, &match, 2);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t j = bench_below(b, i + 1);
        rig->order[i] = rig->order[j];
        rig->order[j] = i;
    }
    uint64_t start = bench_wall();
    for (unsigned i = 0; i < 100000; i++) {
        bench_wall();
    }
    rig->overhead = (double) (bench_wall() - start) / 100000;
}

static void
rig_fini(struct rig *rig)
{
    for (unsigned i = 0; i < rig->n_rules; i++) {
        classifier_remove(rig->cls, rig->rules[i]);
        epoch_defer(free, rig->rules[i]);
    }
    cache_free(rig->cache);
    epoch_drain();
    classifier_free(rig->cls);
    free(rig->order);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

struct pass {
    double mean, median;        /* ns a packet, over the batches */
    unsigned n_hits;
};

/* All N keys once, in random order. */
static void
pass(struct rig *rig, bool count, struct pass *out)
{
    static double took[N / BATCH];
    static struct flow_key keys[BATCH];
    const struct flow_key *pointers[BATCH];
    struct cache_hit hits[BATCH];
    double sum = 0;
    out->n_hits = 0;
    for (unsigned t = 0; t < N / BATCH; t++) {
        for (unsigned i = 0; i < BATCH; i++) {
            make_key(rig->order[t * BATCH + i], &keys[i]);
            pointers[i] = &keys[i];
        }
        uint64_t start = bench_wall();
        cache_lookup_batch(rig->cache, NULL, pointers, BATCH, hits, rig->now_ms);
        for (unsigned i = 0; count && i < BATCH; i++) {
            cache_count(rig->cache, hits[i].entry, 1, PACKET_SIZE, rig->now_ms);
        }
        took[t] = ((double) (bench_wall() - start) - rig->overhead) / BATCH;
        sum += took[t];
        rig->now_ms += t % 780 == 0;     /* a millisecond at 50 M/s */
        for (unsigned i = 0; i < BATCH; i++) {
            out->n_hits += hits[i].result == CACHE_HIT;
        }
    }
    qsort(took, N / BATCH, sizeof took[0], compare);
    out->mean = sum / (N / BATCH);
    out->median = took[N / BATCH / 2];
}

static void
bench_hits(struct bench *b, struct rig *rig, const char *what, bool count, const char *bar)
{
    double rates[RUNS], means[RUNS];
    struct pass p;
    char remark[96];
    for (unsigned run = 0; run < RUNS; run++) {
        pass(rig, count, &p);
        rates[run] = 1e3 / p.median;
        means[run] = 1e3 / p.mean;
    }
    snprintf(remark, sizeof remark, "%.2f %% hits; %.1f over all batches, preempted ones included",
             100.0 * p.n_hits / (N / BATCH * BATCH), bench_median(means, RUNS));
    bench_row(b, what, bench_median(rates, RUNS), "M/s", bar, remark);
}

/* What a rule that comes and goes costs the entries that it does not overlap, and those
 * that it does. */
static void
bench_change(struct bench *b, struct rig *rig, const char *what, uint8_t proto)
{
    struct flow_match match = { .mask.bits = { .dl_type = { 0xffff }, .nw_proto = 0xff } };
    struct pass p;
    struct cache_stats before, after;
    char remark[96];
    match.value.dl_type = be16_from_host(0x0800);
    match.value.nw_proto = proto;
    uint64_t start = bench_wall();
    add_rule(rig, &match, 3);
    uint64_t took = bench_wall() - start;
    cache_get_stats(rig->cache, &before);
    pass(rig, true, &p);
    cache_get_stats(rig->cache, &after);
    snprintf(remark, sizeof remark, "change %.1f us; %llu revalidated, %llu looked up",
             (double) took / 1e3, (unsigned long long) (after.revalidated - before.revalidated),
             (unsigned long long) (after.rederived + after.misses - before.rederived
                                   - before.misses));
    bench_row(b, what, 1e3 / p.median, "M/s", "", remark);
}

int
main(int argc, char *argv[])
{
    static struct rig rig;
    struct bench b;
    struct pass p;
    char remark[96];
    bench_init(&b, argc, argv, "exact-match cache, 1,000,000 entries in random order");
    rig_init(&b, &rig, N);
    size_t before = bench_resident();
    pass(&rig, true, &p);
    struct cache_stats s;
    cache_get_stats(rig.cache, &s);
    snprintf(remark, sizeof remark, "%u entries of %u, %.0f B each", s.entries, s.capacity,
             (double) (bench_resident() - before) / s.entries);
    bench_row(&b, "first packets: misses", 1e3 / p.median, "M/s", "", remark);
    bench_hits(&b, &rig, "hits, counted", true, ">= 50");
    bench_hits(&b, &rig, "hits, not counted", false, "");
    bench_change(&b, &rig, "hits after a change elsewhere", 6);
    bench_change(&b, &rig, "hits after a change of all", 17);
    rig_fini(&rig);
    bench_fini(&b);
    return 0;
}
