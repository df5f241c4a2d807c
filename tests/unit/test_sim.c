/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated ASIC under the HAL: its options, each of its faults on demand and by plan, and
 * that a seed is a run. Whatever goes wrong: after a barrier no packet is forwarded by what was
 * replaced, and no packet is credited twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/sim/sim.h"
#include "hal/hal.h"
#include "lib/clock.h"
#include "lib/counters.h"

enum { N_RULES = 8, N_FLOWS = 32, PORTS_USED = 4, LOG_MAX = 1 << 20 };

static struct hal *hal;
static struct hal_bridge *bridge;
static struct hal_device *device;
static uint64_t now_ns, random_state;

static uint32_t
below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (random_state >> 33) % n;
}

static uint64_t
now(void)
{
    return now_ns;
}

/* --- what happened, event for event -------------------------------------------------------- */

static struct run_log {
    char text[LOG_MAX];
    size_t size;
} *event_log;

static void __attribute__((format(printf, 1, 2)))
note(const char *format, ...)
{
    if (event_log) {
        va_list args;
        va_start(args, format);
        event_log->size += (size_t) vsnprintf(event_log->text + event_log->size,
                                              LOG_MAX - event_log->size, format, args);
        va_end(args);
        assert_true(event_log->size < LOG_MAX);
    }
}

/* --- rules: rule i is for packets to address i ---------------------------------------------- */

struct test_rule {
    uint16_t output;             /* 0: there is no rule */
    uint64_t credited;
};

static struct test_rule rules[N_RULES];
static uint64_t credited, in_hardware, in_software;
static unsigned ports_failed;

static struct flow_key
key_of(unsigned flow)
{
    return (struct flow_key) { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17,
                               .nw_dst.ip4.raw = htobe32(0x0a000000 + flow % N_RULES),
                               .tp_dst.raw = htobe16((uint16_t) (flow / N_RULES)) };
}

static unsigned
rule_of(const struct flow_key *key)
{
    return be32toh(key->nw_dst.ip4.raw) & 0xff;
}

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    static union { struct action_list list; uint64_t words[2]; } actions;
    struct test_rule *rule = &rules[rule_of(key)];
    (void) aux;
    d->match.mask.bits = (struct flow_key) { .in_port = 0xffff, .dl_type.raw = 0xffff,
                                             .nw_dst.ip4.raw = UINT32_MAX, .tp_dst.raw = 0xffff };
    flow_key_mask(key, &d->match.mask, &d->match.value);
    actions.list.len = 1;
    actions.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = rule->output };
    d->actions = &actions.list;
    d->owner = rule;
    return rule->output != 0;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) used_ms;
    assert_int_equal(bytes, packets * 100);
    ((struct test_rule *) owner)->credited += packets;
    credited += packets;
    note("credit %zu %llu\n", (size_t) ((struct test_rule *) owner - rules),
         (unsigned long long) packets);
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    assert_int_not_equal(port, 0);
    assert_non_null(why);
    ports_failed++;
}

static const struct hal_source source = { .derive = derive, .credit = credit,
                                          .port_failed = port_failed };

/* --- the driver, with its words noted --------------------------------------------------------- */

static struct hal_host *real_host, noting_host;

static void
noting_complete(struct hal_host *host, const struct hal_completion *c, size_t n)
{
    (void) host;
    for (size_t i = 0; i < n; i++) {
        note("done %llx %d %d\n", (unsigned long long) c[i].cookie, (int) c[i].kind, c[i].error);
    }
    real_host->complete(real_host, c, n);
}

static void
noting_event(struct hal_host *host, enum hal_event_kind kind, const char *why)
{
    (void) host;
    note("event %d %s\n", (int) kind, why ? why : "");
    real_host->event(real_host, kind, why);
}

static void *
noting_open(const struct hal_open *open, char *error)
{
    struct hal_open with = *open;
    real_host = open->host;
    noting_host = *real_host;
    noting_host.complete = noting_complete;
    noting_host.event = noting_event;
    with.host = &noting_host;
    return sim_driver.open(&with, error);
}

static size_t
noting_submit(void *state, const struct hal_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        note("change %llx %d\n", (unsigned long long) changes[i].cookie, (int) changes[i].kind);
    }
    return sim_driver.submit(state, changes, n);
}

static struct hal_driver noting_driver;

static void
begin(const char *options, uint64_t seed)
{
    char error[HAL_ERROR_SIZE], name[200];
    struct hal_config config = { .stepped = true, .n_workers = 1, .promote_pps = 10 };
    random_state = seed;
    now_ns = UINT64_C(1000000000);
    clock_set_source(now);
    memset(rules, 0, sizeof rules);
    credited = in_hardware = in_software = ports_failed = 0;
    noting_driver = sim_driver;
    noting_driver.open = noting_open;
    noting_driver.submit = noting_submit;
    hal = hal_new(&config);
    assert_non_null(hal);
    assert_int_equal(hal_add_driver(hal, &noting_driver, error), 0);
    snprintf(name, sizeof name, "sim:%s", options);
    if (hal_device_open(hal, name, &device, error)) {
        fail_msg("%s", error);
    }
    bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no <= PORTS_USED; no++) {
        struct hal_port port = { .no = no };
        assert_int_equal(hal_port_add(bridge, device, &port, error), 0);
    }
}

static void
end(void)
{
    hal_free(hal, false);
    clock_set_source(NULL);
}

static void
let_happen(const char *fault)
{
    char error[HAL_ERROR_SIZE];
    if (hal_fault(device, fault, error)) {
        fail_msg("%s: %s", fault, error);
    }
}

/* --- time, packets, barriers ------------------------------------------------------------------- */

static void
run_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        hal_step(hal);
        now_ns += 1000000;
    }
    hal_step(hal);
}

static uint16_t went_to;

static void
execute(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    (void) out;
    assert_int_equal(packet->n_segments, 1);
    went_to = list->actions[0].output.port;
}

/* Where hardware sends a packet; 0: it is for software. */
static uint16_t
send(unsigned flow)
{
    struct flow_key key = key_of(flow);
    uint8_t data[64] = { 0 };
    struct hal_packet packet = { .data = data, .size = sizeof data, .n_segments = 1,
                                 .wire_bytes = 100, .key = &key };
    struct hal_packet_out out = { .execute = execute };
    bool miss = false;
    went_to = 0;
    hal_process(device, 1, &packet, 1, &miss, &out);
    assert_int_equal(miss, went_to == 0);
    in_hardware += !miss;
    in_software += miss;
    return went_to;
}

static bool barrier_done;

static void
done(void *aux, int error)
{
    (void) aux;
    assert_int_equal(error, 0);
    barrier_done = true;
}

/* Every packet after it goes by the rules as they are, or through software. */
static void
barrier(void)
{
    barrier_done = false;
    hal_barrier(hal, done, NULL);
    for (unsigned i = 0; i < 10000 && !barrier_done; i++) {
        hal_step(hal);
        now_ns += 1000000;
    }
    assert_true(barrier_done);
    for (unsigned flow = 0; flow < N_FLOWS; flow++) {
        uint16_t to = send(flow);
        if (to && to != rules[flow % N_RULES].output) {
            fail_msg("flow %u goes to %u, its rule says %u", flow, to, rules[flow % N_RULES].output);
        }
    }
}

static void
set_rule(unsigned i, uint16_t output)
{
    rules[i].output = output;
    hal_changed_owner(bridge, &rules[i]);
    note("rule %u %u\n", i, output);
}

static void
offer_all(void)
{
    for (unsigned flow = 0; flow < N_FLOWS; flow++) {
        struct flow_key key = key_of(flow);
        hal_offer(bridge, &key, 1000, NULL);
    }
}

static void
visit_device(struct hal_device *d, const struct hal_device_info *info, void *aux)
{
    (void) d;
    *(struct hal_device_info *) aux = *info;
}

static struct hal_device_info
device_info(void)
{
    struct hal_device_info info;
    hal_visit_devices(hal, visit_device, &info);
    return info;
}

static void
everything_into_hardware(void)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, (uint16_t) (2 + i % 3));
    }
    offer_all();
    run_ms(5);
    assert_int_equal(device_info().table[0].entries, N_FLOWS);
}

/* The rules go; what was counted, was credited, but for at most so many packets. */
static void
all_is_credited(uint64_t lost)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, 0);
    }
    uint64_t before = in_hardware;
    barrier();
    assert_int_equal(in_hardware, before);
    run_ms(300);
    assert_in_range(credited, in_hardware - lost, in_hardware);
}

/* --- each fault ---------------------------------------------------------------------------------- */

static void
a_refusal_is_explained(void **state)
{
    (void) state;
    begin("", 1);
    set_rule(0, 2);
    let_happen("refuse=1");
    struct flow_key key = key_of(0);
    struct hal_entry_info info;
    hal_offer(bridge, &key, 1000, NULL);
    run_ms(2);
    assert_true(hal_find(bridge, &key, &info));
    assert_int_equal(info.state, HAL_FAILED);
    assert_int_equal(info.verdict.reason, HAL_REASON_DRIVER_REFUSED);
    assert_string_equal(info.verdict.words, "sim: refused, as asked for");
    assert_int_equal(send(0), 0);
    run_ms(1100);
    hal_offer(bridge, &key, 1000, NULL);     /* later it is tried again */
    run_ms(2);
    assert_int_equal(send(0), 2);
    all_is_credited(0);
    end();
}

/* A change that is never acknowledged: the barrier waits until the device is fenced. */
static void
a_lost_acknowledgement_fences(void **state)
{
    (void) state;
    begin("", 1);
    everything_into_hardware();
    let_happen("lose-ack=1");
    set_rule(0, 4);
    barrier();
    struct hal_device_info info = device_info();
    assert_true(info.fenced);
    assert_non_null(strstr(info.why_fenced, "no answer"));
    for (unsigned flow = 0; flow < N_FLOWS; flow++) {
        assert_int_equal(send(flow), 0);
    }
    struct hal_verdict verdict;
    struct flow_key key = key_of(3);
    hal_offer(bridge, &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_DEVICE_MUTE);
    assert_int_equal(ports_failed, 0);
    end();
}

static void
ignore_difference(const char *kind, const char *name, const struct hal_entry_info *info, void *aux)
{
    (void) name;
    (void) info;
    note("audit %s\n", kind);
    ++*(unsigned *) aux;
}

static void
audited(unsigned n, void *aux)
{
    assert_int_equal(n, *(unsigned *) aux);
}

static unsigned
audit(bool repair)
{
    unsigned n = 0;
    run_ms(5);
    hal_audit(hal, repair, ignore_difference, audited, &n);
    run_ms(5);
    return n;
}

/* A device that lies: nobody can know before the tables are compared. */
static void
an_audit_mends_what_was_only_acknowledged(void **state)
{
    (void) state;
    begin("", 1);
    everything_into_hardware();
    assert_int_equal(audit(false), 0);
    let_happen("ack-only=2");
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, (uint16_t) (2 + (i + 1) % 3));
    }
    run_ms(5);
    assert_int_equal(audit(true), 2);
    barrier();
    assert_int_equal(audit(false), 0);
    offer_all();
    run_ms(5);
    barrier();
    all_is_credited(in_hardware);
    end();
}

static void
lost_entries_come_back(void **state)
{
    static const char *const faults[] = { "lose-entry=3", "lose-now=3" };
    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        begin("", 1 + i);
        everything_into_hardware();
        barrier();
        let_happen(faults[i]);
        for (unsigned r = 0; r < N_RULES; r++) {
            set_rule(r, (uint16_t) (2 + (r + 1) % 3));
        }
        barrier();
        run_ms(200);
        assert_int_equal(audit(false), 0);
        assert_int_equal(device_info().lost, 3);
        assert_int_equal(device_info().table[0].entries, N_FLOWS);
        all_is_credited(3 * 2);
        end();
    }
}

/* Additions that are reported as failed may be there: they are taken out first. */
static void
failed_additions_are_settled(void **state)
{
    (void) state;
    begin("", 1);
    let_happen("io-error=5");
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, 2);
    }
    offer_all();
    run_ms(20);
    assert_int_equal(device_info().table[0].entries, N_FLOWS);
    assert_int_equal(audit(false), 0);
    barrier();
    all_is_credited(0);
    end();
}

static void
a_stall_delays_and_a_long_one_fences(void **state)
{
    (void) state;
    begin("", 1);
    everything_into_hardware();
    let_happen("stall=500");
    set_rule(0, 4);
    uint64_t before = now_ns;
    barrier();
    assert_in_range(now_ns - before, UINT64_C(450000000), UINT64_C(600000000));
    assert_int_equal(send(0), 4);
    assert_false(device_info().fenced);
    let_happen("stall=60000");
    set_rule(0, 3);
    barrier();
    assert_true(device_info().fenced);
    assert_int_equal(send(0), 0);
    end();
}

static void
late_counters_lose_nothing(void **state)
{
    (void) state;
    begin("", 1);
    everything_into_hardware();
    barrier();
    run_ms(200);
    uint64_t before = credited;
    assert_int_equal(before, in_hardware);
    let_happen("count-late=1000");
    send(1);
    run_ms(500);
    assert_int_equal(credited, before);
    set_rule(0, 0);                  /* what goes is counted to its end at once */
    send(1);
    run_ms(700);
    assert_int_equal(credited, before + 2);
    all_is_credited(0);
    end();
}

static void
after_a_reset_all_comes_back(void **state)
{
    (void) state;
    begin("latency-us=2000", 1);
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, (uint16_t) (2 + i % 3));
    }
    offer_all();
    run_ms(10);
    run_ms(200);
    /* In the middle of changes of all of them, some of which are removals. */
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, (uint16_t) (i % 4 ? 2 + (i + 1) % 3 : 0));
    }
    hal_step(hal);
    let_happen("reset");
    barrier();
    run_ms(20);
    assert_int_equal(device_info().table[0].entries, N_FLOWS * 3 / 4);
    assert_int_equal(audit(false), 0);
    assert_false(device_info().fenced);
    barrier();
    all_is_credited(in_hardware);
    end();
}

static void
unknown_faults_are_refused(void **state)
{
    static const char *const bad[] = { "explode", "", "stall=", "stall=soon", "refuse=-1", "reset=2",
                                       "lose-ack=10000000", "refuse=1x" };
    char error[HAL_ERROR_SIZE];
    (void) state;
    begin("", 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error[0] = '\0';
        assert_int_equal(hal_fault(device, bad[i], error), -EINVAL);
        assert_true(strlen(error) > 10);
    }
    hal_fault(device, "explode", error);
    for (unsigned f = 0; f < SIM_N_FAULTS; f++) {
        assert_non_null(strstr(error, sim_fault_names[f]));
    }
    end();
}

/* Software gets packets of flow 0 for so long, ten times a second. */
static void
software_gets_packets(unsigned ms)
{
    struct flow_key key = key_of(0);
    for (; ms >= 100; ms -= 100) {
        if (!send(0)) {
            hal_offer(bridge, &key, 1000, NULL);
        }
        run_ms(100);
    }
}

static unsigned
reason_of_flow_0(void)
{
    struct flow_key key = key_of(0);
    struct hal_entry_info info;
    return hal_find(bridge, &key, &info) ? info.verdict.reason : HAL_REASON_TABLE_MISS;
}

static void
what_is_not_used_goes(void **state)
{
    (void) state;
    begin("lag-ms=200", 1);
    set_rule(0, 2);
    let_happen("idle=1");
    uint64_t idle = counter_read(COUNTER_hal_idle);
    software_gets_packets(1500);             /* it is given time */
    assert_int_equal(device_info().table[0].entries, 1);
    assert_int_equal(reason_of_flow_0(), 0);
    software_gets_packets(1500);
    assert_int_equal(device_info().table[0].entries, 0);
    assert_int_equal(reason_of_flow_0(), HAL_REASON_IDLE);
    assert_int_equal(counter_read(COUNTER_hal_idle), idle + 1);
    software_gets_packets(28000);
    assert_int_equal(reason_of_flow_0(), HAL_REASON_IDLE);
    software_gets_packets(3000);             /* it was tried again, and is used */
    assert_int_equal(reason_of_flow_0(), 0);
    assert_int_equal(send(0), 2);
    assert_int_equal(counter_read(COUNTER_hal_idle), idle + 1);
    set_rule(0, 0);
    end();
}

/* Software gets some packets of the flow, for whatever reason. */
static void
what_counts_now_and_then_is_used(void **state)
{
    struct flow_key key = key_of(0);
    (void) state;
    begin("lag-ms=200", 1);
    set_rule(0, 2);
    hal_offer(bridge, &key, 1000, NULL);
    run_ms(600);
    for (unsigned i = 0; i < 100; i++) {
        hal_offer(bridge, &key, 1000, NULL);
        run_ms(100);
        if (i % 10 == 0) {
            assert_int_equal(send(0), 2);
        }
    }
    assert_int_equal(reason_of_flow_0(), 0);
    set_rule(0, 0);
    end();
}

/* --- plans ----------------------------------------------------------------------------------------- */

/* Random changes and packets, with everything going wrong that the device tells of. */
static void
random_run(const char *options, uint64_t seed, unsigned steps)
{
    begin(options, seed);
    for (unsigned step = 0; step < steps; step++) {
        struct flow_key key = key_of(below(N_FLOWS));
        hal_offer(bridge, &key, 1000, NULL);
        note("packet %u\n", send(below(N_FLOWS)));
        if (below(4) == 0) {
            set_rule(below(N_RULES), (uint16_t) (below(4) ? 2 + below(3) : 0));
        }
        if (below(20) == 0) {
            barrier();
        }
        run_ms(below(4));
    }
    assert_false(device_info().fenced);
    assert_true(in_hardware > steps / 4);
    for (unsigned i = 0; i < N_RULES; i++) {
        set_rule(i, 0);
    }
    barrier();
    run_ms(300);
    assert_true(credited <= in_hardware);
    end();
}

static const char plan[] = "exact=24,tcam=4,latency-us=300,plan=refuse:20+lose-entry:10+lose-now:5+"
                           "io-error:20+stall:5+count-late:5+reset:3,seed=";

static void
whatever_is_planned_barriers_hold(void **state)
{
    char options[200];
    (void) state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        snprintf(options, sizeof options, "%s%u%s", plan, seed, seed % 3 ? "" : ",changes=no,lag-ms=30");
        random_run(options, seed, 1500);
    }
}

static struct run_log *
logged(unsigned seed)
{
    char options[200];
    struct run_log *log = event_log = calloc(1, sizeof *log);
    assert_non_null(log);
    snprintf(options, sizeof options, "%s%u", plan, seed);
    random_run(options, 5, 1500);
    event_log = NULL;
    return log;
}

/* Only the device's seed differs in the third. */
static void
a_seed_is_a_run(void **state)
{
    (void) state;
    struct run_log *a = logged(7), *b = logged(7), *c = logged(8);
    assert_true(a->size > 50000);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->text, b->text, a->size);
    assert_string_not_equal(a->text, c->text);
    assert_non_null(strstr(a->text, "as asked for"));
    free(a);
    free(b);
    free(c);
}

/* --- options ---------------------------------------------------------------------------------------- */

static void
options_are_taken(void **state)
{
    struct sim_options o;
    char error[HAL_ERROR_SIZE];
    (void) state;
    assert_int_equal(sim_options_parse("exact=7,tcam=3,masks=2,latency-us=5,rate=9,lag-ms=4,seed=11,"
                                       "max-actions=3,max-outputs=2,faults=1,counters=packets,"
                                       "changes=no,file=yes,without=nw_dst,without=set-nw-dst,"
                                       "plan=reset:1+stall:1000", &o, error), 0);
    assert_int_equal(o.exact, 7);
    assert_int_equal(o.tcam, 3);
    assert_int_equal(o.masks, 2);
    assert_int_equal(o.latency_us, 5);
    assert_int_equal(o.rate, 9);
    assert_int_equal(o.lag_ms, 4);
    assert_int_equal(o.seed, 11);
    assert_int_equal(o.max_actions, 3);
    assert_int_equal(o.max_outputs, 2);
    assert_int_equal(o.faults, 1);
    assert_int_equal(o.counters, HAL_COUNT_PACKETS);
    assert_true(o.file && !o.changes);
    assert_int_equal(o.without_fields, 1u << FIELD_NW_DST);
    assert_int_equal(o.without_actions, 1u << ACTION_SET_NW_DST);
    assert_int_equal(o.plan[SIM_RESET], 1);
    assert_int_equal(o.plan[SIM_STALL], 1000);
    assert_int_equal(o.plan[SIM_REFUSE], 0);
    assert_int_equal(sim_options_parse("", &o, error), 0);
    assert_int_equal(o.exact, 65536);
}

/* The message names the option, the value, and what would do. */
static void
bad_options_are_named(void **state)
{
    static const struct { const char *text, *named, *valid; } bad[] = {
        { "exact=many", "exact: 'many'", "0 to 4194304" }, { "exact=4194305", "exact", "4194304" },
        { "tcam=4097", "tcam: '4097'", "0 to 4096" }, { "masks=0", "masks: '0'", "1 to 16" },
        { "masks=17", "masks", "1 to 16" }, { "latency-us=-1", "latency-us: '-1'", "1000000" },
        { "rate=fast", "rate: 'fast'", "a number" }, { "lag-ms=10001", "lag-ms", "10000" },
        { "seed=", "seed: ''", "a number" }, { "max-actions=17", "max-actions", "1 to 16" },
        { "max-outputs=1e3", "max-outputs: '1e3'", "0 to 16" }, { "faults=101", "faults", "0 to 100" },
        { "counters=some", "counters: 'some'", "none, packets or both" },
        { "changes=1", "changes: '1'", "yes or no" }, { "file=on", "file: 'on'", "yes or no" },
        { "without=colour", "without: 'colour'", "nw_dst" },
        { "plan=explode:1", "plan: 'explode:1'", "count-late" }, { "plan=", "plan", "refuse" },
        { "plan=refuse", "plan", "FAULT:N" }, { "plan=refuse:1001", "plan", "0 to 1000" },
        { "plan=refuse:1+", "plan", "FAULT:N" }, { "plan=refuse:1x", "plan", "FAULT:N" },
        { "colour=1", "unknown option 'colour'", "exact, tcam, masks" }, { "exact", "'exact'", "NAME=VALUE" },
    };
    struct sim_options o;
    char error[HAL_ERROR_SIZE];
    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sim_options_parse(bad[i].text, &o, error), -EINVAL);
        if (!strstr(error, bad[i].named) || !strstr(error, bad[i].valid)) {
            fail_msg("%s: %s", bad[i].text, error);
        }
    }
}

static void
each_option_has_its_help(void **state)
{
    struct sim_options o;
    char error[HAL_ERROR_SIZE], name[40];
    unsigned n = 0;
    (void) state;
    sim_options_parse("colour=1", &o, error);
    for (const char *at = strstr(error, "valid: ") + 7; *at; n++) {
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s=", (int) length, at);
        assert_non_null(strstr(sim_options_help, name));
        at += length + strspn(at + length, ", ");
    }
    assert_int_equal(n, 16);
    for (unsigned f = 0; f < SIM_N_FAULTS; f++) {
        assert_non_null(strstr(sim_options_help, sim_fault_names[f]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_explained),
        cmocka_unit_test(a_lost_acknowledgement_fences),
        cmocka_unit_test(an_audit_mends_what_was_only_acknowledged),
        cmocka_unit_test(lost_entries_come_back),
        cmocka_unit_test(failed_additions_are_settled),
        cmocka_unit_test(a_stall_delays_and_a_long_one_fences),
        cmocka_unit_test(late_counters_lose_nothing),
        cmocka_unit_test(after_a_reset_all_comes_back),
        cmocka_unit_test(what_is_not_used_goes),
        cmocka_unit_test(what_counts_now_and_then_is_used),
        cmocka_unit_test(unknown_faults_are_refused),
        cmocka_unit_test(whatever_is_planned_barriers_hold),
        cmocka_unit_test(a_seed_is_a_run),
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(each_option_has_its_help),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
