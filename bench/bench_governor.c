/* SPDX-License-Identifier: Apache-2.0 */
/* What new flows cost with the governor and without: cache, classifier and policy of one worker,
 * without packet I/O. Every packet is of a flow of its own, under rules that make each an entry of
 * its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_util.h"
#include "lib/epoch.h"
#include "lib/governor/governor.h"
#include "sw-datapath/cache.h"
#include "sw-datapath/packet.h"

enum { N_RULES = 32, ROUNDS = 8192, RUNS = 5, PACKETS_A_MS = 400, TCP_SYN = 2 };

struct rig {
    struct cache_gate gate;          /* first */
    struct classifier *cls;
    struct cache *cache;
    struct rule *rules[N_RULES];
    struct governor *governor;
    struct governor_port port;
    uint64_t now_ms;
    uint32_t next;                   /* number of the next flow */
};

static const struct action_list no_actions;

static void
add_rule(struct rig *rig, unsigned i)
{
    struct flow_match match = { 0 };
    if (i) {
        match.value.dl_type = be16_from_host(0x800);
        match.mask.bits.dl_type = be16_from_host(0xffff);
        match.value.nw_proto = 6;
        match.mask.bits.nw_proto = 0xff;
        match.value.nw_src.ip4 = be32_from_host(0xac100000 + i);
        match.mask.bits.nw_src.ip4 = be32_from_host(0xffffffff);
        match.value.tp_src = match.value.tp_dst = be16_from_host((uint16_t) i);
        match.mask.bits.tp_src = match.mask.bits.tp_dst = be16_from_host(0xffff);
    }
    struct rule *rule = calloc(1, classifier_rule_size(rig->cls, &match));
    if (!rule || classifier_rule_init(rig->cls, rule, &match, i, &no_actions)
        || classifier_insert(rig->cls, rule)) {
        fprintf(stderr, "bench_governor: no memory\n");
        exit(1);
    }
    rig->rules[i] = rule;
}

static void
judge(struct cache_gate *gate, const struct flow_key *const keys[], unsigned n, uint8_t verdicts[])
{
    struct rig *rig = (struct rig *) (void *) gate;
    struct governor_flow flows[PACKET_BATCH_MAX];
    for (unsigned i = 0; i < n; i++) {
        governor_prepare(rig->governor, keys[i], TCP_SYN, &flows[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        verdicts[i] = (uint8_t) governor_judge(rig->governor, &rig->port, keys[i], &flows[i],
                                               rig->now_ms).verdict;
    }
}

static_assert((int) GOVERNOR_INSTALL == (int) CACHE_ADMIT
              && (int) GOVERNOR_PASS == (int) CACHE_PASS
              && (int) GOVERNOR_SHED == (int) CACHE_SHED, "verdicts are the same numbers");

static void
rig_init(struct rig *rig, enum governor_mode mode, bool drop, uint32_t rate)
{
    memset(rig, 0, sizeof *rig);
    rig->gate.judge = judge;
    rig->cls = classifier_new(2);
    rig->cache = rig->cls ? cache_new(rig->cls, 1 << 18) : NULL;
    rig->governor = calloc(1, sizeof *rig->governor);
    if (!rig->cache || !rig->governor) {
        fprintf(stderr, "bench_governor: no memory\n");
        exit(1);
    }
    for (unsigned i = 0; i < N_RULES; i++) {
        add_rule(rig, i);
    }
    rig->now_ms = 1000;
    struct governor_config config = { .mode = mode, .drop = drop, .setups = { rate, rate } };
    governor_init(rig->governor, &config, 1, rig->now_ms);
}

static void
rig_fini(struct rig *rig)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        classifier_remove(rig->cls, rig->rules[i]);
        epoch_defer(free, rig->rules[i]);
    }
    cache_free(rig->cache);
    epoch_drain();
    classifier_free(rig->cls);
    free(rig->governor);
}

/* A flow's packet: 400,000 of them come each second. */
static void
make_key(struct rig *rig, struct flow_key *key)
{
    uint32_t n = rig->next++;
    *key = (struct flow_key) { .in_port = 1, .nw_proto = 6 };
    key->dl_type = be16_from_host(0x800);
    key->nw_src.ip4 = be32_from_host(n * 2654435761u);
    key->nw_dst.ip4 = be32_from_host(0x0a000002);
    key->tp_src = be16_from_host((uint16_t) n);
    key->tp_dst = be16_from_host(80);
    key->dl_src[0] = key->dl_dst[0] = 2;
    if (n % PACKETS_A_MS == 0) {
        rig->now_ms++;
        if (governor_roll(rig->governor, 1, rig->now_ms)) {
            governor_roll_port(rig->governor, &rig->port, rig->now_ms);
        }
    }
}

/* Nanoseconds a packet. */
static double
run(struct rig *rig, bool gated)
{
    static struct flow_key keys[PACKET_BATCH_MAX];
    const struct flow_key *pointers[PACKET_BATCH_MAX];
    struct cache_hit hits[PACKET_BATCH_MAX];
    uint64_t sum = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PACKET_BATCH_MAX; i++) {
            make_key(rig, &keys[i]);
            pointers[i] = &keys[i];
        }
        uint64_t start = bench_wall();
        cache_lookup_batch(rig->cache, gated ? &rig->gate : NULL, pointers, PACKET_BATCH_MAX, hits,
                           rig->now_ms);
        bench_use(hits);
        sum += bench_wall() - start;
    }
    return (double) sum / ROUNDS / PACKET_BATCH_MAX;
}

static void
measure(struct bench *b, const char *what, enum governor_mode mode, bool drop, uint32_t rate)
{
    static struct rig rig;
    double rates[RUNS];
    char remark[96];
    rig_init(&rig, mode, drop, rate);
    run(&rig, mode != GOVERNOR_OFF);
    for (unsigned i = 0; i < RUNS; i++) {
        rates[i] = 1e3 / run(&rig, mode != GOVERNOR_OFF);
    }
    struct cache_stats stats;
    cache_get_stats(rig.cache, &stats);
    snprintf(remark, sizeof remark, "%u entries at the end%s", stats.entries,
             rig.port.flood ? ", flood mode" : "");
    bench_row(b, what, bench_median(rates, RUNS), "M/s", "", remark);
    rig_fini(&rig);
}

int
main(int argc, char *argv[])
{
    struct bench b;
    bench_init(&b, argc, argv, "new flows of one worker, without packet I/O");
    measure(&b, "set-ups, governor off", GOVERNOR_OFF, false, 1);
    measure(&b, "set-ups, governor on, within its budget", GOVERNOR_ON, false, GOVERNOR_MAX_RATE);
    measure(&b, "set-ups, first-packet, within its budget", GOVERNOR_FIRST_PACKET, false,
            GOVERNOR_MAX_RATE);
    measure(&b, "a flood, uncached", GOVERNOR_ON, false, GOVERNOR_SETUPS_MAX);
    measure(&b, "a flood, dropped", GOVERNOR_ON, true, GOVERNOR_SETUPS_MAX);
    bench_fini(&b);
    return 0;
}
