/* SPDX-License-Identifier: Apache-2.0 */
/* The HAL under load: FLOW_MODs that end in a device, a million entries and what they cost,
 * explaining, auditing, promotion.
 *
 *   bench/bench_hal [--seed N] [--json]
 *
 * FLOW_MODs are decoded and go through flow table, datapath and HAL, as a controller's do. The
 * device is the simulated ASIC where it says so, and else one that says yes at once and keeps
 * nothing, so that what is measured is the HAL's own. Stepped: all in this thread, by its own
 * time; a device's thread, and latencies, by the wall clock. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_util.h"
#include "bench/flow_mods.h"
#include "bench/null_driver.h"
#include "drivers/builtin.h"
#include "hal/hal.h"
#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/log.h"
#include "ofagent/agent.h"
#include "sw-datapath/datapath.h"
#include "sw-datapath/packet.h"

enum { MILLION = 1000000, FRAME_SIZE = 60, PROMOTE_PPS = 100, RATE_PPS = 1000 };

static void
fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* --- a switch ---------------------------------------------------------------------------------- */

struct rig {
    struct event_base *base;
    struct hal *hal;
    struct hal_device *device;
    struct dp *dp;
    struct agent *agent;
    struct dp_bridge *bridge;
    struct flow_table *flows;
};

static void
rig_init(struct rig *rig, const char *driver, bool stepped)
{
    static const struct agent_config config = { .max_flows = 2 * MILLION };
    static const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    struct hal_config hal_config = { .stepped = stepped, .n_workers = 1, .promote_pps = PROMOTE_PPS };
    char error[HAL_ERROR_SIZE];
    struct errmsg err;
    *rig = (struct rig) { .base = event_base_new(), .hal = hal_new(&hal_config) };
    const struct dp_config dp_config = { .cache_entries = 65536, .hal = rig->hal,
                                         .promote_pps = PROMOTE_PPS };
    if (!rig->hal || hal_add_driver(rig->hal, &null_driver, error)
        || hal_add_driver(rig->hal, builtin_drivers[0], error)
        || hal_device_open(rig->hal, driver, &rig->device, error)
        || !(rig->dp = dp_new(rig->base, &dp_config, &err))
        || !(rig->agent = agent_new(rig->base, rig->dp, "bench", &bridge_config, PKTIO_MEMORY,
                                    &config, &err))) {
        fail("no switch");
    }
    rig->bridge = agent_bridge(rig->agent);
    rig->flows = agent_flows(rig->agent);
    for (unsigned i = 1; i <= 4; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        if (dp_port_add(rig->bridge, name, 0, PKTIO_MEMORY, &no, &err)
            || dp_port_set_device(rig->bridge, no, rig->device, &err)) {
            fail(err.text);
        }
    }
}

static void
rig_fini(struct rig *rig)
{
    agent_free(rig->agent);
    dp_free(rig->dp);
    hal_free(rig->hal, false);
    event_base_free(rig->base);
    epoch_drain();
}

static void
turn(struct rig *rig)
{
    hal_step(rig->hal);
    dp_run_once(rig->dp);
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

static void
done(void *aux)
{
    *(bool *) aux = true;
}

static void
barrier(struct rig *rig)
{
    bool is_done = false;
    struct dp_barrier b = { .done = done, .aux = &is_done };
    dp_barrier(rig->dp, &b);
    while (!is_done) {
        turn(rig);
    }
}

/* --- flow-mods ---------------------------------------------------------------------------------- */

struct shape {
    uint16_t in_port, priority;
    bool exact;
    unsigned prefix;             /* bits of nw_src */
    bool tp_dst;                 /* 4789 is matched */
};

static void
make_flow_mod(struct flow_mod *mod, const struct shape *shape)
{
    static struct ofp_flow_mod fm;
    flow_mod_begin(&fm, OFPFC_ADD, shape->in_port, shape->priority);
    struct flow_key *mask = &fm.match.match.mask.bits;
    mask->nw_src.ip4 = be32_from_host(shape->prefix ? UINT32_MAX << (32 - shape->prefix) : 0);
    if (shape->tp_dst) {
        fm.match.match.value.tp_dst = be16_from_host(4789);
        mask->tp_dst.raw = 0xffff;
    }
    fm.match.exact = shape->exact;
    flow_mod_encode(mod, &fm);
}

static void
mod(struct rig *rig, struct flow_mod *m, uint32_t nw_src)
{
    static struct ofp_flow_mod fm;
    struct ofp_refusal refusal;
    struct flow *flow;
    flow_mod_set_nw_src(m->bytes, nw_src);
    if (ofp_decode_flow_mod(m->bytes, m->size, &fm, &refusal)
        || flow_table_mod(rig->flows, &fm, &flow, &refusal)) {
        fail(refusal.why);
    }
}

/* n rules without wildcards, and the barrier after them: decoded to completed. */
static double
to_completion(struct rig *rig, uint32_t n, uint64_t (*clock)(void))
{
    enum { TURN = 512 };
    struct flow_mod exact;
    make_flow_mod(&exact, &(struct shape) { .in_port = 1, .exact = true, .prefix = 32 });
    uint64_t start = clock();
    for (uint32_t i = 0; i < n; i++) {
        mod(rig, &exact, 0x0b000000 + i);
        if (i % TURN == TURN - 1) {
            hal_step(rig->hal);
        }
    }
    barrier(rig);
    return n * 1e6 / (double) (clock() - start);
}

static uint32_t n_entries;

static void
count_entries(struct hal_device *device, const struct hal_device_info *info, void *aux)
{
    (void) device;
    (void) aux;
    n_entries = info->table[0].entries;
}

static void
check_entries(struct rig *rig, uint32_t n)
{
    hal_visit_devices(rig->hal, count_entries, NULL);
    if (n_entries < n - n / 100) {   /* buckets of the simulated ASIC may collide */
        fprintf(stderr, "%u entries where %u should be\n", n_entries, n);
        exit(1);
    }
}

static void
bench_to_completion(struct bench *b)
{
    enum { N = 300000 };
    static const struct { const char *what; bool stepped; } modes[] = {
        { "FLOW_MOD to completion in sim, stepped", true },
        { "FLOW_MOD to completion in sim, a thread of its own", false },
    };
    for (unsigned i = 0; i < 2; i++) {
        struct rig rig;
        rig_init(&rig, "sim:exact=2097152", modes[i].stepped);
        double rate = to_completion(&rig, N, modes[i].stepped ? bench_now : bench_wall);
        check_entries(&rig, N);
        rig_fini(&rig);
        bench_row(b, modes[i].what, rate, "k/s", ">= 300", "300,000 exact rules, one barrier");
    }
}

/* --- many entries --------------------------------------------------------------------------------- */

static struct flow_key
key_of(uint32_t i)
{
    struct flow_key key = { .in_port = 1, .dl_type = be16_from_host(0x0800), .nw_proto = 17 };
    key.dl_dst[5] = 2;
    key.dl_src[5] = 1;
    key.nw_src.ip4 = be32_from_host(0x0a000000 + i);
    key.nw_dst.ip4 = be32_from_host(0xac100001);
    key.tp_src = be16_from_host((uint16_t) (i * 7));
    key.tp_dst = be16_from_host(4789);
    return key;
}

/* Entries of flows that two rules with wildcards forward. */
static void
add_entries(struct rig *rig, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct flow_key key = key_of(i);
        hal_offer(dp_bridge_hal(rig->bridge), &key, 1000, NULL);
        if (i % 512 == 0) {
            hal_step(rig->hal);
        }
    }
    barrier(rig);
    for (unsigned i = 0; i < 20; i++) {
        turn(rig);
    }
}

static void
add_rules(struct rig *rig)
{
    struct flow_mod m;
    make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = 1 });
    mod(rig, &m, 0);
    make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = 100, .prefix = 32, .tp_dst = true });
    mod(rig, &m, 0x0a000000);        /* makes profiles look at nw_src and tp_dst */
}

static void
latency(struct bench *b, const char *what, const char *bar, double *us, size_t n)
{
    double median = bench_median(us, n);
    char remark[64];
    snprintf(remark, sizeof remark, "p99 %.1f, longest %.1f us", us[n * 99 / 100], us[n - 1]);
    bench_row(b, what, median, "us", bar, remark);
}

/* One flow-mod that overlaps no entry, and its barrier: addresses, and prefixes of all kinds. */
static void
single_mods(struct bench *b, struct rig *rig)
{
    enum { N = 2000 };
    static const unsigned prefixes[] = { 32, 24, 20, 16, 12, 8 };
    for (unsigned p = 0; p < 6; p++) {
        static double us[N];
        char what[80];
        struct flow_mod m;
        make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = (uint16_t) (200 + p),
                                            .prefix = prefixes[p], .tp_dst = true });
        for (uint32_t i = 0; i < N; i++) {
            uint64_t start = bench_wall();
            mod(rig, &m, 0x10000000 + (i << (32 - prefixes[p])));
            barrier(rig);
            us[i] = (double) (bench_wall() - start) / 1e3;
            if (prefixes[p] == 8 && i == 200) {
                latency(b, "... of a prefix of 8 bits", "< 1000", us, i);
                break;
            }
        }
        snprintf(what, sizeof what, p ? "... of a prefix of %u bits"
                 : "FLOW_MOD and barrier, no overlap, 1,000,000 entries", prefixes[p]);
        if (prefixes[p] != 8) {
            latency(b, what, "< 1000", us, N);
        }
    }
}

static void
overlapping_mods(struct bench *b, struct rig *rig)
{
    static const unsigned prefixes[] = { 32, 29, 26, 22, 18 };
    for (unsigned p = 0; p < 5; p++) {
        enum { RUNS = 5 };
        double us[RUNS];
        uint32_t k = UINT32_C(1) << (32 - prefixes[p]);
        char what[64], remark[64];
        struct flow_mod m;
        make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = 300, .prefix = prefixes[p],
                                            .tp_dst = true });
        for (uint32_t i = 0; i < RUNS; i++) {
            uint64_t start = bench_now();
            mod(rig, &m, 0x0a000000 + (i + p * RUNS + 1) * 0x4000);
            barrier(rig);
            us[i] = (double) (bench_now() - start) / 1e3;
        }
        double median = bench_median(us, RUNS);
        snprintf(what, sizeof what, "FLOW_MOD that overlaps %u entries, each", k);
        snprintf(remark, sizeof remark, "%.0f us together; left, derived again, placed", median);
        bench_row(b, what, median / k, "us", "stated", remark);
    }
}

static void
explain(struct bench *b, struct rig *rig)
{
    enum { N = 2000 };
    static double us[N];
    for (uint32_t i = 0; i < N; i++) {
        struct flow_key key = key_of(MILLION / 2 + bench_below(b, MILLION / 2));
        struct hal_entry_info info;
        struct hal_verdict verdict;
        uint64_t start = bench_wall();
        bool found = hal_find(dp_bridge_hal(rig->bridge), &key, &info);
        dp_check_offload(rig->bridge, &key, &verdict);
        us[i] = (double) (bench_wall() - start) / 1e3;
        if (!found || verdict.reason) {
            fail("an entry is not found");
        }
    }
    latency(b, "explain: one of 1,000,000 entries", "< 1000", us, N);
}

static void
bench_million(struct bench *b)
{
    struct rig rig;
    struct flow_mod m;
    rig_init(&rig, "null", true);
    add_rules(&rig);
    add_entries(&rig, 0, 100000);
    make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = 200, .prefix = 32, .tp_dst = true });
    uint64_t start = bench_now();
    for (uint32_t i = 0; i < 200000; i++) {
        mod(&rig, &m, 0x0d000000 + i);
    }
    barrier(&rig);
    double rate = 200000 * 1e6 / (double) (bench_now() - start);
    bench_row(b, "FLOW_MODs pipelined, no overlap, 100,000 entries", rate, "k/s", ">= 500",
              "200,000, one barrier");
    add_entries(&rig, 100000, MILLION);
    check_entries(&rig, MILLION);
    single_mods(b, &rig);
    explain(b, &rig);
    overlapping_mods(b, &rig);
    rig_fini(&rig);
}

/* --- whole rules ------------------------------------------------------------------------------ */

/* Until the device has everything. */
static void
install(struct rig *rig)
{
    barrier(rig);
    for (struct hal_load load = { .waiting = 1 }; load.waiting;) {
        hal_step(rig->hal);
        hal_get_load(rig->hal, &load);
    }
}

/* 'n' rules of the shape, by ascending address, each decoded to completed, per second. */
static double
rules_to_completion(struct rig *rig, const struct shape *shape, uint32_t n)
{
    enum { TURN = 512 };
    struct flow_mod m;
    make_flow_mod(&m, shape);
    uint64_t start = bench_now();
    for (uint32_t i = 0; i < n; i++) {
        mod(rig, &m, 0x0a000000 + (i << (32 - shape->prefix)));
        if (i % TURN == TURN - 1) {
            hal_step(rig->hal);
        }
    }
    install(rig);
    return n * 1e6 / (double) (bench_now() - start);
}

/* Rules above two others, which they overlap, or above none; whole or not. */
static void
bench_whole_above(struct bench *b, bool whole, bool others, const char *what)
{
    enum { N = 100000 };
    const struct shape shape = { .in_port = 1, .priority = 30000, .prefix = 32, .tp_dst = true };
    char remark[64];
    struct rig rig;
    null_takes_whole = whole;
    rig_init(&rig, "null", true);
    for (unsigned prefix = 7; others && prefix < 9; prefix++) {
        struct flow_mod m;
        make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = (uint16_t) prefix,
                                            .prefix = prefix });
        mod(&rig, &m, 0x0a000000);
    }
    install(&rig);
    double rate = rules_to_completion(&rig, &shape, N);
    hal_visit_devices(rig.hal, count_entries, NULL);
    snprintf(remark, sizeof remark, "100,000 rules; %u whole entries", n_entries);
    bench_row(b, what, rate, "k/s", "stated", remark);
    if (whole && n_entries < N) {
        fail("rules that should be whole are not");
    }
    rig_fini(&rig);
    null_takes_whole = false;
}

/* A rule under 100,000, which can't all be looked at: it is not whole, and quickly told. */
static void
bench_whole_below(struct bench *b)
{
    enum { N = 100000, TRIES = 2000 };
    static double us[TRIES];
    const struct shape above = { .in_port = 1, .priority = 30000, .prefix = 32, .tp_dst = true };
    struct rig rig;
    struct flow_mod m;
    null_takes_whole = true;
    rig_init(&rig, "null", true);
    rules_to_completion(&rig, &above, N);
    for (uint32_t i = 0; i < TRIES; i++) {
        make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = (uint16_t) (1 + i), .prefix = 8 });
        uint64_t start = bench_now();
        mod(&rig, &m, 0x0a000000);
        us[i] = (double) (bench_now() - start) / 1e3;
    }
    latency(b, "FLOW_MOD of a rule below 100,000 whole ones", "stated", us, TRIES);
    rig_fini(&rig);
    null_takes_whole = false;
}

static void
bench_whole(struct bench *b)
{
    bench_whole_above(b, false, false, "FLOW_MOD of a rule that gets exact matches");
    bench_whole_above(b, true, false, "FLOW_MOD of a whole rule, to completion");
    bench_whole_above(b, true, true, "... above 2 whole rules that it overlaps");
    bench_whole_below(b);
}

static void
bench_memory(struct bench *b)
{
    struct rig rig;
    rig_init(&rig, "null", true);
    add_rules(&rig);
    add_entries(&rig, 0, 1000);
    size_t before = bench_resident();
    uint64_t start = bench_now();
    add_entries(&rig, 1000, MILLION);
    double rate = (MILLION - 1000) * 1e6 / (double) (bench_now() - start);
    double bytes = (double) (bench_resident() - before) / (MILLION - 1000);
    check_entries(&rig, MILLION);
    bench_row(b, "resident memory of a derived entry", bytes, "bytes", "<= 200",
              "1,000,000 entries of one rule, indexes included");
    bench_row(b, "offers, derived and placed, up to 1,000,000", rate, "k/s", "", "");
    rig_fini(&rig);
}

/* --- audit ------------------------------------------------------------------------------------------- */

static void
no_difference(const char *kind, const char *device, const struct hal_entry_info *info, void *aux)
{
    (void) device;
    (void) info;
    (void) aux;
    fail(kind);
}

static void
audited(unsigned n, void *aux)
{
    *(bool *) aux = n == 0;
}

static void
bench_audit(struct bench *b)
{
    enum { N = 100000, RUNS = 5 };
    double ms[RUNS];
    struct rig rig;
    rig_init(&rig, "sim:exact=4194304", true);
    add_rules(&rig);
    add_entries(&rig, 0, N);
    check_entries(&rig, N);
    for (unsigned i = 0; i < RUNS; i++) {
        bool is_done = false;
        uint64_t start = bench_now();
        hal_audit(rig.hal, false, no_difference, audited, &is_done);
        while (!is_done) {
            hal_step(rig.hal);
        }
        ms[i] = (double) (bench_now() - start) / 1e6;
    }
    rig_fini(&rig);
    bench_row(b, "audit of 100,000 entries in sim", bench_median(ms, RUNS), "ms", "< 1000", "stepped");
}

/* --- promotion ---------------------------------------------------------------------------------------- */

static bool
is_in_hardware(struct rig *rig, const struct flow_key *key)
{
    struct hal_entry_info info;
    return hal_find(dp_bridge_hal(rig->bridge), key, &info) && info.state == HAL_IN_HARDWARE;
}

/* A flow that begins with RATE_PPS: from its first packet until the device has it. */
static double
promote(struct rig *rig, uint16_t tp_dst)
{
    uint8_t frame[FRAME_SIZE] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 7, (uint8_t) (tp_dst >> 8), (uint8_t) tp_dst, 0, 26,
    };
    struct flow_key key = { .in_port = 1, .dl_type = be16_from_host(0x0800), .nw_proto = 17,
                            .dl_dst = { 2, 0, 0, 0, 0, 2 }, .dl_src = { 2, 0, 0, 0, 0, 1 },
                            .nw_src.ip4 = be32_from_host(0x0a000001),
                            .nw_dst.ip4 = be32_from_host(0x0a000002),
                            .tp_src = be16_from_host(7), .tp_dst = be16_from_host(tp_dst) };
    uint64_t start = bench_wall(), next = start;
    while (!is_in_hardware(rig, &key)) {
        if (bench_wall() >= next) {
            next += 1000000000 / RATE_PPS;
            pktio_memory_inject(dp_port_pktio(rig->bridge, 1), frame, sizeof frame);
        }
        turn(rig);
        if (bench_wall() - start > UINT64_C(10000000000)) {
            fail("a flow is not promoted");
        }
    }
    return (double) (bench_wall() - start) / 1e6;
}

static void
bench_promotion(struct bench *b)
{
    enum { RUNS = 21 };
    double ms[RUNS];
    char what[80], remark[64];
    struct rig rig;
    rig_init(&rig, "sim:exact=1024", false);
    add_rules(&rig);
    for (unsigned i = 0; i < RUNS; i++) {
        struct flow_mod m;           /* a rule that looks at the port makes flows of it */
        make_flow_mod(&m, &(struct shape) { .in_port = 1, .priority = 50, .tp_dst = true });
        mod(&rig, &m, 0);
        ms[i] = promote(&rig, (uint16_t) (5000 + i));
    }
    rig_fini(&rig);
    double median = bench_median(ms, RUNS);
    snprintf(what, sizeof what, "promotion: first packet of a flow of %d/s to its entry", RATE_PPS);
    snprintf(remark, sizeof remark, "longest %.1f ms; the threshold is %d/s", ms[RUNS - 1], PROMOTE_PPS);
    bench_row(b, what, median, "ms", "<= 100", remark);
}

int
main(int argc, char *argv[])
{
    struct bench b;
    bench_init(&b, argc, argv, "the HAL under load");
    log_set_level("error", NULL);
    bench_memory(&b);                /* first: nothing is left over in the heap */
    bench_to_completion(&b);
    bench_million(&b);
    bench_whole(&b);
    bench_audit(&b);
    bench_promotion(&b);
    bench_fini(&b);
    return 0;
}
