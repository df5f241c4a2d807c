/* SPDX-License-Identifier: Apache-2.0 */
/* The classifier on rule sets and packets made from a seed.
 *
 * The main set resembles an access list with some switching: 10,000 rules over 30 masks,
 * of which most rules are on networks, hosts and services, priorities mostly by how
 * specific a rule is. Most packets are made from a rule, so that they match at least
 * that; the others go to random addresses. About nine in ten match something. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench_util.h"
#include "lib/epoch.h"
#include "sw-datapath/classifier_private.h"

enum {
    N_RULES = 10000,
    N_PACKETS = 100000,
    BATCH = 64,
    RUNS = 5,
    N_HOSTS = 20000, N_NETS = 4000,
};

/* What a mask looks at. */
struct shape {
    bool in_port, dl_src, dl_dst, vlan, tp_src, tp_dst, proto;
    int src, dst;            /* prefix lengths; -1 and no proto: not even the type */
    unsigned weight;         /* share of the rules */
    unsigned priority;       /* middle */
};

static const struct shape shapes[30] = {
    { .dl_dst = true, .src = -1, .dst = -1, .weight = 500, .priority = 2000 },
    { .in_port = true, .dl_dst = true, .src = -1, .dst = -1, .weight = 200, .priority = 2500 },
    { .dl_src = true, .dl_dst = true, .src = -1, .dst = -1, .weight = 300, .priority = 3000 },
    { .vlan = true, .dl_dst = true, .src = -1, .dst = -1, .weight = 300, .priority = 2600 },
    { .in_port = true, .vlan = true, .src = -1, .dst = -1, .weight = 20, .priority = 500 },
    { .src = 0, .dst = 8, .weight = 10, .priority = 1000 },
    { .src = 0, .dst = 16, .weight = 200, .priority = 1600 },
    { .src = 0, .dst = 20, .weight = 200, .priority = 2000 },
    { .src = 0, .dst = 24, .weight = 800, .priority = 2400 },
    { .src = 0, .dst = 32, .weight = 800, .priority = 3200 },
    { .src = 16, .dst = 0, .weight = 100, .priority = 1700 },
    { .src = 24, .dst = 0, .weight = 300, .priority = 2500 },
    { .src = 32, .dst = 0, .weight = 300, .priority = 3300 },
    { .src = 16, .dst = 16, .weight = 200, .priority = 3200 },
    { .src = 24, .dst = 24, .weight = 600, .priority = 4800 },
    { .src = 32, .dst = 24, .weight = 200, .priority = 5600 },
    { .src = 24, .dst = 32, .weight = 400, .priority = 5600 },
    { .src = 32, .dst = 32, .weight = 500, .priority = 6400 },
    { .proto = true, .tp_dst = true, .src = 0, .dst = 0, .weight = 30, .priority = 1200 },
    { .proto = true, .tp_dst = true, .src = 0, .dst = 16, .weight = 200, .priority = 3000 },
    { .proto = true, .tp_dst = true, .src = 0, .dst = 24, .weight = 700, .priority = 4000 },
    { .proto = true, .tp_dst = true, .src = 0, .dst = 32, .weight = 900, .priority = 5000 },
    { .proto = true, .tp_dst = true, .src = 16, .dst = 24, .weight = 300, .priority = 5200 },
    { .proto = true, .tp_dst = true, .src = 24, .dst = 24, .weight = 400, .priority = 6000 },
    { .proto = true, .tp_dst = true, .src = 24, .dst = 32, .weight = 500, .priority = 6800 },
    { .proto = true, .tp_dst = true, .src = 32, .dst = 32, .weight = 500, .priority = 7600 },
    { .in_port = true, .proto = true, .tp_dst = true, .src = 0, .dst = 24, .weight = 200,
      .priority = 4600 },
    { .in_port = true, .src = 24, .dst = 0, .weight = 150, .priority = 3000 },
    { .proto = true, .tp_src = true, .src = 32, .dst = 0, .weight = 90, .priority = 4400 },
    { .proto = true, .tp_src = true, .tp_dst = true, .src = 32, .dst = 32, .weight = 100,
      .priority = 8600 },
};

struct set {
    struct classifier *cls;
    struct flow_match *matches;
    struct rule **rules;
    unsigned n;
    struct flow_key *packets;
    const struct flow_key **pointers;
    uint32_t nets[N_NETS], hosts[N_HOSTS];
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
make_addresses(struct bench *b, struct set *set)
{
    for (unsigned i = 0; i < N_NETS; i++) {
        uint32_t first = bench_below(b, 3) ? 10 : 100 + bench_below(b, 30);
        set->nets[i] = first << 24 | bench_below(b, 40) << 16 | bench_below(b, 256) << 8;
    }
    for (unsigned i = 0; i < N_HOSTS; i++) {
        set->hosts[i] = set->nets[bench_below(b, N_NETS)] | bench_below(b, 256);
    }
}

static uint32_t
address(struct bench *b, const struct set *set)
{
    return bench_below(b, 4) ? set->hosts[bench_below(b, N_HOSTS)]
                             : set->nets[bench_below(b, N_NETS)] | bench_below(b, 256);
}

static void
random_mac(struct bench *b, uint8_t mac[6])
{
    uint32_t n = bench_below(b, 2000);
    uint8_t bytes[6] = { 2, 0x12, 0x34, 0, (uint8_t) (n >> 8), (uint8_t) n };
    memcpy(mac, bytes, 6);
}

static void
random_packet(struct bench *b, const struct set *set, struct flow_key *key)
{
    static const uint16_t services[] = { 22, 25, 53, 80, 110, 123, 143, 161, 389, 443, 445, 993 };
    *key = (struct flow_key) { .in_port = (uint16_t) (1 + bench_below(b, 48)) };
    random_mac(b, key->dl_dst);
    random_mac(b, key->dl_src);
    if (bench_below(b, 2)) {
        key->vlan_tci = be16_from_host((uint16_t) (FLOW_VLAN_PRESENT | (1 + bench_below(b, 100))));
    }
    key->dl_type = be16_from_host(0x0800);
    key->nw_proto = bench_below(b, 3) ? 6 : 17;
    key->nw_src.ip4 = be32_from_host(address(b, set));
    key->nw_dst.ip4 = be32_from_host(address(b, set));
    key->tp_src = be16_from_host((uint16_t) (1024 + bench_below(b, 60000)));
    key->tp_dst = be16_from_host(bench_below(b, 3) ? services[bench_below(b, 12)]
                                                   : (uint16_t) bench_below(b, 10000));
}

static struct be32
prefix(int len)
{
    return be32_from_host(len > 0 ? UINT32_MAX << (32 - len) : 0);
}

static void
make_match(struct bench *b, const struct set *set, const struct shape *shape,
           struct flow_match *match)
{
    struct flow_key key, *mask = &match->mask.bits;
    random_packet(b, set, &key);
    *match = (struct flow_match) { 0 };
    mask->in_port = shape->in_port ? 0xffff : 0;
    memset(mask->dl_src, shape->dl_src ? 0xff : 0, 6);
    memset(mask->dl_dst, shape->dl_dst ? 0xff : 0, 6);
    mask->vlan_tci.raw = shape->vlan ? htobe16(FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK) : 0;
    if (shape->vlan) {
        key.vlan_tci = be16_from_host((uint16_t) (FLOW_VLAN_PRESENT | (1 + bench_below(b, 100))));
    }
    mask->dl_type.raw = shape->src >= 0 ? 0xffff : 0;
    mask->nw_proto = shape->proto ? 0xff : 0;
    mask->nw_src.ip4 = prefix(shape->src);
    mask->nw_dst.ip4 = prefix(shape->dst);
    mask->tp_src.raw = shape->tp_src ? 0xffff : 0;
    mask->tp_dst.raw = shape->tp_dst ? 0xffff : 0;
    flow_key_mask(&key, &match->mask, &match->value);
}

static bool
add_rule(struct set *set, const struct flow_match *match, uint32_t rank)
{
    if (classifier_find(set->cls, match, rank)) {
        return false;
    }
    struct rule *rule = zeroed(1, classifier_rule_size(set->cls, match));
    if (classifier_rule_init(set->cls, rule, match, rank, NULL)
        || classifier_insert(set->cls, rule)) {
        fprintf(stderr, "a rule was refused\n");
        exit(1);
    }
    set->matches[set->n] = *match;
    set->rules[set->n++] = rule;
    return true;
}

static void
make_rules(struct bench *b, struct set *set)
{
    for (unsigned s = 0; s < 30; s++) {
        /* Small domains (port and VLAN, a service) may be exhausted; the last shape
         * makes up for it. */
        unsigned room = N_RULES - set->n;
        unsigned n = s == 29 || shapes[s].weight > room ? room : shapes[s].weight;
        for (unsigned tries = 0; n && tries < 100000; tries++) {
            struct flow_match match;
            make_match(b, set, &shapes[s], &match);
            n -= add_rule(set, &match, shapes[s].priority + bench_below(b, 1000));
        }
    }
}

static void
make_packets(struct bench *b, struct set *set)
{
    for (unsigned i = 0; i < N_PACKETS; i++) {
        random_packet(b, set, &set->packets[i]);
        set->packets[i].dl_dst[2] = 0x99;       /* a stranger's, unless a rule says other */
        set->packets[i].nw_src.ip4 = be32_from_host((uint32_t) bench_random(b));
        set->packets[i].nw_dst.ip4 = be32_from_host((uint32_t) bench_random(b));
        set->packets[i].tp_dst = be16_from_host((uint16_t) (10000 + bench_below(b, 50000)));
        if (bench_below(b, 100) < 88) {
            const struct flow_match *match = &set->matches[bench_below(b, set->n)];
            struct flow_key *key = &set->packets[i];
            for (unsigned l = 0; l < FLOW_LANES; l++) {
                key->lane[l] = (key->lane[l] & ~match->mask.bits.lane[l]) | match->value.lane[l];
            }
        }
        set->pointers[i] = &set->packets[i];
    }
}

static void
set_init(struct bench *b, struct set *set, unsigned max_rules)
{
    *set = (struct set) { 0 };
    set->cls = classifier_new(2);
    set->matches = zeroed(max_rules, sizeof *set->matches);
    set->rules = zeroed(max_rules, sizeof *set->rules);
    set->packets = zeroed(N_PACKETS, sizeof *set->packets);
    set->pointers = zeroed(N_PACKETS, sizeof *set->pointers);
    make_addresses(b, set);
}

static void
set_fini(struct set *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        classifier_remove(set->cls, set->rules[i]);
        epoch_defer(free, set->rules[i]);
    }
    epoch_drain();
    classifier_free(set->cls);
    free(set->matches);
    free(set->rules);
    free(set->packets);
    free(set->pointers);
}

/* Millions of look-ups a second over the first n packets; the median of some runs. */
static double
measure(const struct set *set, unsigned n)
{
    double rates[RUNS];
    struct rule *rules[BATCH];
    for (unsigned run = 0; run < RUNS; run++) {
        unsigned rounds = 3 * N_PACKETS / n;
        uint64_t start = bench_now();
        for (unsigned round = 0; round < rounds; round++) {
            for (unsigned i = 0; i + BATCH <= n; i += BATCH) {
                classifier_lookup_batch(set->cls, &set->pointers[i], BATCH, rules);
                bench_use(rules);
            }
        }
        rates[run] = (double) rounds * (n / BATCH * BATCH) * 1e3 / (double) (bench_now() - start);
    }
    return bench_median(rates, RUNS);
}

static double
hit_ratio(const struct set *set)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_PACKETS; i++) {
        n += classifier_lookup(set->cls, &set->packets[i]) != NULL;
    }
    return 100.0 * n / N_PACKETS;
}

/* Subtables that the summaries leave over for a packet. */
static unsigned
candidates(const struct set *set, const struct flow_key *key)
{
    const struct index *index = index_current(&set->cls->index);
    unsigned n = 0;
    for (unsigned w = 0; w < index->n_words; w++) {
        uint64_t found = index->present[w];
        for (unsigned i = 0; i < index->n_summaries; i++) {
            found &= index_summary_word(index, &index->summary[i], key, w);
        }
        n += (unsigned) __builtin_popcountll(found);
    }
    return n;
}

static double
mean_candidates(const struct set *set, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++) {
        sum += candidates(set, set->pointers[i]);
    }
    return sum / n;
}

static const struct set *sorted_set;

static int
by_candidates(const void *a, const void *b)
{
    unsigned x = candidates(sorted_set, *(const struct flow_key *const *) a);
    unsigned y = candidates(sorted_set, *(const struct flow_key *const *) b);
    return (x < y) - (x > y);
}

static void
bench_access_list(struct bench *b)
{
    struct set set;
    char remark[96];
    set_init(b, &set, N_RULES);
    make_rules(b, &set);
    make_packets(b, &set);
    snprintf(remark, sizeof remark, "%u rules, %zu masks, %.1f %% hit, %.2f candidates", set.n,
             classifier_n_subtables(set.cls), hit_ratio(&set), mean_candidates(&set, N_PACKETS));
    bench_row(b, "access list", measure(&set, N_PACKETS), "M/s", ">= 9", remark);
    sorted_set = &set;
    qsort(set.pointers, N_PACKETS, sizeof *set.pointers, by_candidates);
    snprintf(remark, sizeof remark, "%.2f candidates", mean_candidates(&set, N_PACKETS / 100));
    bench_row(b, "... its worst 1 % of packets", measure(&set, N_PACKETS / 100), "M/s", "",
              remark);
    set_fini(&set);
}

/* Every packet matches in every subtable: summaries can't help, only ranks can. 'up':
 * the rank is higher the later a subtable was made, so none is skipped. */
static void
bench_nested(struct bench *b, const char *what, unsigned n_masks, bool up)
{
    struct set set;
    set_init(b, &set, n_masks);
    for (unsigned i = 0; i < n_masks; i++) {
        struct flow_match match = { .mask.bits.dl_type.raw = 0xffff };
        match.mask.bits.nw_src.ip4 = prefix((int) (i % 32) + 1);
        match.mask.bits.nw_dst.ip4 = prefix((int) (i / 32) + 1);
        match.value.dl_type = be16_from_host(0x0800);
        add_rule(&set, &match, up ? i * 10 : (n_masks - i) * 10);
    }
    for (unsigned i = 0; i < N_PACKETS; i++) {
        random_packet(b, &set, &set.packets[i]);
        set.packets[i].nw_src.ip4.raw = set.packets[i].nw_dst.ip4.raw = 0;
        set.pointers[i] = &set.packets[i];
    }
    bench_row(b, what, measure(&set, N_PACKETS / 10), "M/s", "", "");
    set_fini(&set);
}

/* --- changes -------------------------------------------------------------------- */

static void
bench_inserts(struct bench *b, unsigned n, const char *what, bool vary_rank)
{
    struct classifier *cls = classifier_new(2);
    struct rule **rules = zeroed(n, sizeof *rules);
    struct flow_match match = { .mask.bits = {
        .in_port = 0xffff, .dl_type = { 0xffff }, .nw_proto = 0xff, .tp_dst = { 0xffff },
        .nw_src.bytes = { 255, 255, 255, 255 }, .nw_dst.bytes = { 255, 255, 255, 255 },
    } };
    size_t before = bench_resident(), outer = 56;
    for (unsigned i = 0; i < n; i++) {
        match.value = (struct flow_key) { .in_port = (uint16_t) (1 + i % 48), .nw_proto = 6 };
        match.value.dl_type = be16_from_host(0x0800);
        match.value.tp_dst = be16_from_host((uint16_t) i);
        match.value.nw_src.ip4 = be32_from_host((uint32_t) bench_random(b));
        match.value.nw_dst.ip4 = be32_from_host((uint32_t) bench_random(b));
        char *flow = zeroed(1, outer + classifier_rule_size(cls, &match));
        rules[i] = (struct rule *) (void *) (flow + outer);
        classifier_rule_init(cls, rules[i], &match, vary_rank ? i & 0xffff : 1000, NULL);
    }
    uint64_t start = bench_now();
    for (unsigned i = 0; i < n; i++) {
        classifier_insert(cls, rules[i]);
    }
    uint64_t took = bench_now() - start;
    epoch_drain();
    char remark[96];
    bench_row(b, what, n * 1e3 / (double) took, "M/s", ">= 1.5", "");
    if (!vary_rank) {      /* the second time, memory is there already */
        snprintf(remark, sizeof remark, "key, counters of 2 threads, %zu B of a flow's own", outer);
        bench_row(b, "... memory a rule", (double) (bench_resident() - before) / n, "B", "",
                  remark);
    }
    start = bench_now();
    for (unsigned i = 0; i < n; i++) {
        classifier_remove(cls, rules[i]);
    }
    bench_row(b, "... removals", n * 1e3 / (double) (bench_now() - start), "M/s", "", "");
    for (unsigned i = 0; i < n; i++) {
        free((char *) rules[i] - outer);
    }
    free(rules);
    epoch_drain();
    classifier_free(cls);
}

int
main(int argc, char *argv[])
{
    struct bench b;
    bench_init(&b, argc, argv, "classifier");
    bench_access_list(&b);
    bench_nested(&b, "30 nested masks, best match found first", 30, false);
    bench_nested(&b, "30 nested masks, best match found last", 30, true);
    bench_nested(&b, "500 nested masks, best match found last", 500, true);
    bench_inserts(&b, 1000000, "1,000,000 inserts, one priority", false);
    bench_inserts(&b, 1000000, "1,000,000 inserts, 65,536 priorities", true);
    bench_fini(&b);
    return 0;
}
