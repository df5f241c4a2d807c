/* SPDX-License-Identifier: Apache-2.0 */
/* The whole product with an offload device in front, against the naive switch: whatever the
 * device can and can't do, however slow it is and whatever goes wrong with it, frames, counters,
 * FLOW_REMOVEDs and errors are the same as without it.
 *
 *     tests/property/test_hardware [--hardware NAME] [the options of test_switch]
 *     TURNOUT_DRIVER=PATH.so:OPTIONS tests/property/test_hardware ...
 *
 * Each kind of hardware (below) gets trials of shapes in turn (shapes.h), with seeds from 1 or
 * TURNOUT_SEED on, until enough frames went through; TURNOUT_LONG=1 makes it many times as many.
 * With TURNOUT_DRIVER all kinds have that device, built in or loaded from a file; the faults, which
 * device_under_test.h makes, are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"
#include "tests/property/runner.h"

enum { PLANT_STEPS = 3000 };             /* a planted bug is found within so many */
enum { STEPS = 300, FRAMES = 2000000, FLOOR_STEPS = 500, FLOOR_FRAMES = 20000, LONG_FACTOR = 10 };
enum { ATTACHED_STEPS = 10000 };
/* Processor time that they take together at most, however slow the machine. */
enum { LIMIT_S = 120, LONG_LIMIT_S = 600 };

#define FAULT(NAME) (1u << DUT_##NAME)

static struct hardware kinds[] = {
    { .name = "able", .driver = "sim:seed=1", .plain_percent = 97, .min_hit_percent = 50 },
    { .name = "any-traffic", .driver = "sim:seed=2", .min_hit_percent = 10 },
    { .name = "tiny", .driver = "sim:exact=8,tcam=4,seed=3", .plain_percent = 97 },
    { .name = "collisions", .driver = "sim:exact=24,tcam=0,seed=4", .plain_percent = 97 },
    { .name = "tcam-only", .driver = "sim:exact=0,tcam=512,seed=5", .plain_percent = 97,
      .min_hit_percent = 50 },
    { .name = "two-masks", .driver = "sim:exact=512,tcam=0,masks=2,seed=6", .plain_percent = 97,
      .min_hit_percent = 40 },
    { .name = "few-actions", .driver = "sim:max-actions=2,max-outputs=1,without=set-vlan-vid,"
      "without=set-vlan-pcp,without=strip-vlan,without=set-nw-tos,seed=7", .plain_percent = 97,
      .min_hit_percent = 30 },
    { .name = "few-fields", .driver = "sim:without=nw_tos,without=tp_src,seed=8",
      .plain_percent = 97 },
    { .name = "no-changes", .driver = "sim:changes=no,seed=9", .plain_percent = 97,
      .min_hit_percent = 50 },
    { .name = "slow", .driver = "sim:latency-us=3000,rate=2000,seed=10", .plain_percent = 97,
      .demote_pps = 1, .late_ms = 100, .min_hit_percent = 25 },
    { .name = "late-counters", .driver = "sim:lag-ms=300,seed=11", .plain_percent = 97,
      .lag_ms = 300, .min_hit_percent = 50 },
    { .name = "restless", .driver = "sim:exact=32,tcam=8,seed=12", .plain_percent = 97,
      .demote_pps = 20 },
    { .name = "refusing", .driver = "sim:seed=13", .plain_percent = 97, .min_hit_percent = 40,
      .faults = FAULT(REFUSE) | FAULT(AGAIN) | FAULT(IO_ERROR) },
    { .name = "late", .driver = "sim:latency-us=500,seed=14", .plain_percent = 97,
      .min_hit_percent = 40, .faults = FAULT(LATE_ACK) | FAULT(AGAIN), .late_ms = 250 },
    { .name = "forgetful", .driver = "sim:seed=15", .plain_percent = 97, .min_hit_percent = 40,
      .faults = FAULT(LOSE_ENTRY) | FAULT(RESET) },
    { .name = "lying", .driver = "sim:seed=16", .plain_percent = 97, .min_hit_percent = 40,
      .faults = FAULT(ACK_ONLY) },
    { .name = "idle", .driver = "sim:plan=idle:300,seed=28", .plain_percent = 97 },
    { .name = "mute", .driver = "sim:seed=17", .plain_percent = 97, .min_hit_percent = 20,
      .faults = FAULT(LOSE_ACK) | FAULT(STALL) },
    { .name = "bad", .driver = "sim:exact=64,tcam=16,latency-us=1000,changes=no,seed=18",
      .plain_percent = 90, .demote_pps = 1, .late_ms = 250,
      .faults = FAULT(REFUSE) | FAULT(AGAIN) | FAULT(IO_ERROR) | FAULT(LATE_ACK) | FAULT(LOSE_ACK)
                | FAULT(STALL) },
    { .name = "whole", .driver = "sim:rules=yes,tcam=512,seed=20", .plain_percent = 97,
      .min_hit_percent = 50 },
    { .name = "whole-tiny", .driver = "sim:rules=yes,exact=8,tcam=6,seed=21", .plain_percent = 97 },
    { .name = "whole-only", .driver = "sim:rules=yes,exact=0,tcam=64,seed=22", .plain_percent = 97,
      .min_hit_percent = 30 },
    { .name = "whole-slow", .driver = "sim:rules=yes,latency-us=3000,rate=2000,seed=23",
      .plain_percent = 97, .demote_pps = 1, .late_ms = 100, .min_hit_percent = 25 },
    { .name = "whole-no-changes", .driver = "sim:rules=yes,changes=no,seed=24",
      .plain_percent = 97, .min_hit_percent = 40 },
    { .name = "whole-late", .driver = "sim:rules=yes,latency-us=500,seed=25", .plain_percent = 97,
      .min_hit_percent = 30, .faults = FAULT(LATE_ACK) | FAULT(AGAIN), .late_ms = 250 },
    { .name = "whole-bad", .driver = "sim:rules=yes,exact=64,tcam=32,latency-us=1000,seed=26",
      .plain_percent = 90, .demote_pps = 1, .late_ms = 250,
      .faults = FAULT(REFUSE) | FAULT(AGAIN) | FAULT(IO_ERROR) | FAULT(LATE_ACK) | FAULT(LOSE_ACK)
                | FAULT(STALL) },
    { .name = "whole-forgetful", .driver = "sim:rules=yes,seed=27", .plain_percent = 97,
      .min_hit_percent = 30, .faults = FAULT(LOSE_ENTRY) | FAULT(RESET) | FAULT(ACK_ONLY) },
    { .name = "reset", .driver = "sim:latency-us=2500,seed=19", .plain_percent = 97,
      .late_ms = 100, .min_hit_percent = 25, .faults = FAULT(RESET) },
};
/* With --attached; the driver is TURNOUT_DRIVER's. */
static struct hardware attached = { .name = "attached", .plain_percent = 97 };
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* With TURNOUT_DRIVER, kinds that differ by their options only are left out; and those whose faults
 * end in fences, since with one goes what a device counted after it was last read. */
static bool one_driver;

static bool
is_wanted(unsigned i)
{
    const struct hardware *kind = &kinds[i];
    if (runner.hardware) {
        return runner.hardware == kind;
    }
    if (one_driver && kind->faults & (FAULT(LOSE_ACK) | FAULT(STALL))) {
        return false;
    }
    return !one_driver || !i || kind->faults || kind->demote_pps || kind->plain_percent != 97;
}

static unsigned
count_wanted(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_KINDS; i++) {
        n += is_wanted(i);
    }
    return n;
}

static const struct hardware *
find_kind(const char *name)
{
    for (unsigned i = 0; i < N_KINDS; i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    return !strcmp(name, attached.name) && attached.driver ? &attached : NULL;
}

static uint64_t
percent(uint64_t part, uint64_t whole)
{
    return whole ? part * 100 / whole : 0;
}

/* All faults that this hardware has must have happened. */
static void
check_faults(const struct hardware *hardware, const uint64_t before[N_DUT_FAULTS])
{
    for (unsigned i = 0; i < N_DUT_FAULTS; i++) {
        uint64_t n = tally_faults[i] - before[i];
        if (hardware->faults >> i & 1 && runner.frames >= FRAMES && !runner.total_steps) {
            printf("# %s: %llu times %s\n", hardware->name, (unsigned long long) n,
                   dut_fault_names[i]);
            assert_true(n >= 5);
        }
    }
}

static void
check_kind(const struct hardware *hardware, const struct tally *before)
{
    uint64_t frames = tally.frames - before->frames, hits = tally.hw_hits - before->hw_hits;
    uint64_t steps = tally.steps - before->steps;
    printf("# %s: %llu trials, %llu steps, %llu frames, %llu%% of them forwarded by the device; %llu "
           "entries put in, %llu changed, %llu taken out, %llu refused; %llu fences, %llu "
           "differences, %llu ms late\n", hardware->name,
           (unsigned long long) (tally.trials - before->trials), (unsigned long long) steps,
           (unsigned long long) frames, (unsigned long long) percent(hits, frames),
           (unsigned long long) (tally.hw_adds - before->hw_adds),
           (unsigned long long) (tally.hw_changes - before->hw_changes),
           (unsigned long long) (tally.hw_removes - before->hw_removes),
           (unsigned long long) (tally.hw_refused - before->hw_refused),
           (unsigned long long) (tally.hw_fenced - before->hw_fenced),
           (unsigned long long) (tally.hw_differences - before->hw_differences),
           (unsigned long long) (tally.hw_late_ms - before->hw_late_ms));
    if (frames < FLOOR_FRAMES) {
        return;                          /* --frames: too few to say */
    }
    assert_true(steps >= FLOOR_STEPS);
    assert_true(hits > 100 || !hardware->driver);
    assert_true(percent(hits, frames) >= hardware->min_hit_percent);
}

static void
kind_agrees(void **state)
{
    const struct hardware *hardware = *state;
    const struct tally before = tally;
    uint64_t faults[N_DUT_FAULTS], enough = tally.frames + runner.frames / count_wanted();
    uint64_t steps = tally.steps + runner.total_steps / count_wanted();
    double end = runner_cpu_s() + runner.limit_s / count_wanted();
    /* One driver does the same with the same seed, whatever the kind is called. */
    uint64_t seed = runner.seed + (one_driver ? (uint64_t) (hardware - kinds) * 1000003 : 0);
    memcpy(faults, tally_faults, sizeof faults);
    for (; (runner.total_steps ? tally.steps < steps : tally.frames < enough) && runner_cpu_s() < end; seed++) {
        struct trial_config config = { .hardware = hardware, .seed = seed,
                                       .shape = runner.shape < N_SHAPES ? runner.shape : seed % N_SHAPES,
                                       .n_steps = runner.steps, .verbose = runner.verbose };
        runner_run(&config);
    }
    check_kind(hardware, &before);
    check_faults(hardware, faults);
}

/* --- planted bugs ------------------------------------------------------------------------- */

/* Steps until the bug is found; PLANT_STEPS if it isn't. */
static unsigned
steps_to_find(enum dut_plant plant)
{
    unsigned n = 0, step;
    for (uint64_t i = 0; n < PLANT_STEPS; i++) {
        const char *kind = plant == DUT_PLANT_FORGETS_EXACT ? "whole-tiny" : "whole";
        struct trial_config config = { .hardware = find_kind(kind), .seed = 1 + i,
                                       .shape = i % N_SHAPES, .n_steps = 100, .dut_plant = plant };
        bool found = !trial_run(&config, &step, runner_failure, sizeof runner_failure);
        n += step;
        if (found) {
            break;
        }
    }
    return n;
}

static void
bugs_of_whole_rules_are_found(void **state)
{
    (void) state;
    for (int plant = DUT_PLANT_NONE + 1; plant < N_DUT_PLANTS; plant++) {
        unsigned n = steps_to_find((enum dut_plant) plant);
        runner_failure[strcspn(runner_failure, "\n")] = 0;
        printf("# planted bug %d: %u steps: %s\n", plant, n, runner_failure);
        if (n >= PLANT_STEPS) {
            fail_msg("planted bug %d was not found in %d steps", plant, PLANT_STEPS);
        }
    }
}

/* --- over real devices --------------------------------------------------------------------- */

/* The product on the devices of TURNOUT_PORTS, with the driver of TURNOUT_DRIVER or none. */
static void
attached_agrees(void **state)
{
    const struct hardware *hardware = *state;
    const struct tally before = tally;
    for (uint64_t seed = runner.seed; tally.steps - before.steps < runner.attached_steps; seed++) {
        struct trial_config config = { .hardware = hardware->driver ? hardware : NULL, .seed = seed,
                                       .attached = true,
                                       .shape = runner.shape < N_SHAPES ? runner.shape : seed % N_SHAPES,
                                       .n_steps = runner.steps, .verbose = runner.verbose };
        runner_run(&config);
    }
    check_kind(hardware, &before);
}

static int
run_attached(void)
{
    const struct CMUnitTest test = { "attached_agrees", attached_agrees, NULL, NULL, &attached };
    return _cmocka_run_group_tests("attached", &test, 1, NULL, NULL);
}

static int
run_all(void)
{
    struct CMUnitTest tests[N_KINDS + 1];
    char names[N_KINDS][48];
    size_t n = 0;
    for (unsigned i = 0; i < N_KINDS; i++) {
        if (is_wanted(i)) {
            snprintf(names[n], sizeof names[n], "%s_agrees", kinds[i].name);
            tests[n] = (struct CMUnitTest) { names[n], kind_agrees, NULL, NULL, &kinds[i] };
            n++;
        }
    }
    if (!runner.hardware && !getenv("TURNOUT_DRIVER")) {
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(bugs_of_whole_rules_are_found);
    }
    return _cmocka_run_group_tests("hardware", tests, n, NULL, NULL);
}

/* How late the device's counters may be. */
static uint32_t
lag_of(const char *spec)
{
    const struct hal_config config = { .stepped = true };
    char error[HAL_ERROR_SIZE], name[256];
    const char *options;
    const struct hal_driver *driver = dut_wrap(spec, &options, error);
    struct hal *hal = hal_new(&config);
    struct hal_device *device;
    uint32_t lag_ms = 0;
    snprintf(name, sizeof name, "%s:%s", driver ? driver->name : "", options);
    if (!driver || hal_add_driver(hal, driver, error) || hal_device_open(hal, name, &device, error)) {
        fprintf(stderr, "TURNOUT_DRIVER: %s\n", error);
        exit(2);
    }
    const struct hal_caps *caps = hal_device_caps(device);
    for (unsigned i = 0; i < caps->n_tables; i++) {
        lag_ms = caps->table[i].counter_lag_ms > lag_ms ? caps->table[i].counter_lag_ms : lag_ms;
    }
    hal_free(hal, true);
    return lag_ms;
}

/* All kinds get the device that is to be tested instead. */
static void
use_driver(const char *spec)
{
    uint32_t lag_ms = lag_of(spec);
    one_driver = true;
    for (unsigned i = 0; i < N_KINDS; i++) {
        kinds[i].driver = spec;
        kinds[i].min_hit_percent = 0;
        kinds[i].lag_ms = kinds[i].lag_ms > lag_ms ? kinds[i].lag_ms : lag_ms;
    }
    attached.driver = spec;
    attached.lag_ms = lag_ms;
}

int
main(int argc, char **argv)
{
    const char *is_long = getenv("TURNOUT_LONG"), *seed = getenv("TURNOUT_SEED");
    const char *driver = getenv("TURNOUT_DRIVER");
    const struct CMUnitTest one[] = { cmocka_unit_test(runner_one_trial) };
    runner = (struct runner) { .program = "tests/property/test_hardware", .seed = 1, .steps = STEPS,
                               .shape = N_SHAPES, .frames = FRAMES, .limit_s = LIMIT_S,
                               .attached_steps = ATTACHED_STEPS,
                               .find_hardware = find_kind };
    if (is_long && atoi(is_long)) {
        runner.frames *= LONG_FACTOR;
        runner.limit_s = LONG_LIMIT_S;
    }
    if (seed) {
        runner.seed = strtoull(seed, NULL, 0);
    }
    if (driver && *driver) {
        use_driver(driver);
    }
    runner_parse(argc, argv);
    printf("# seed %llu\n", (unsigned long long) runner.seed);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (runner.attached && !runner.one) {
        return run_attached();
    }
    return runner.one ? cmocka_run_group_tests(one, NULL, NULL) : run_all();
}
