/* SPDX-License-Identifier: Apache-2.0 */
/* The whole product against the naive switch: random rules, frames, messages and time;
 * frames out, counters and errors must be equal.
 *
 *     tests/property/test_switch [--seed N] [--steps N] [--shape NAME] [--frames N]
 *                                [--only STEP,STEP,...] [--plant N] [--ref-plant N] [--verbose]
 *
 * With --seed it is that one trial. Without, each shape (shapes.h) gets trials, with seeds
 * from 1 or TURNOUT_SEED on, until enough frames went through; TURNOUT_LONG=1 makes it many
 * times as many. A trial that fails is
 * made smaller by leaving steps out, and the command that replays it is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/property/runner.h"

enum {
    STEPS = 1000, FRAMES = 2000000, FLOOR_FRAMES = 1000000, LONG_FACTOR = 10,
    PLANT_STEPS = 3000,                  /* a planted bug is found within so many */
};
/* Processor time that the shapes take together at most, however slow the machine. */
enum { LIMIT_S = 170, LONG_LIMIT_S = 600 };

/* --- trials ------------------------------------------------------------------------------- */

static void
run_shape(enum shape_id shape)
{
    uint64_t enough = tally.frames + runner.frames / N_SHAPES;
    double end = runner_cpu_s() + runner.limit_s / N_SHAPES;
    for (uint64_t seed = runner.seed; tally.frames < enough && runner_cpu_s() < end; seed++) {
        struct trial_config config = { .seed = seed, .shape = shape, .n_steps = runner.steps,
                                       .verbose = runner.verbose };
        runner_run(&config);
    }
}

static void
shape_agrees(void **state)
{
    run_shape(*(const enum shape_id *) *state);
}

/* --- what has to have happened ------------------------------------------------------------ */

/* At least so many for each million frames. */
static const struct {
    const char *name;
    const uint64_t *n;
    uint64_t floor;
} floors[] = {
#define FLOOR(NAME, N) { #NAME, &tally.NAME, N }
    FLOOR(frames_out, 500000), FLOOR(flow_hits, 200000), FLOOR(exact_hits, 15000),
    FLOOR(table_misses, 50000), FLOOR(fragments_dropped, 2000), FLOOR(packet_ins_miss, 20000),
    FLOOR(packet_ins_action, 15000), FLOOR(packet_ins_ttl, 500), FLOOR(buffered, 20000),
    FLOOR(flow_mods, 50000), FLOOR(nxt_flow_mods, 10000), FLOOR(nxm_flow_stats, 1000),
    FLOOR(emergency_flow_mods, 1000), FLOOR(emergency_flow_stats, 500),
    FLOOR(flow_mods_refused, 1000), FLOOR(overlaps_refused, 500), FLOOR(full_refused, 500),
    FLOOR(queues_refused, 100), FLOOR(frames_enqueued, 1000), FLOOR(big_bursts, 100),
    FLOOR(far_bursts, 50), FLOOR(packet_outs, 2000), FLOOR(queue_stats, 500),
    FLOOR(packet_outs_refused, 200), FLOOR(table_outputs, 200), FLOOR(buffers_used, 200),
    FLOOR(buffers_refused, 200), FLOOR(set_configs, 500), FLOOR(port_mods, 500),
    FLOOR(port_statuses, 200), FLOOR(ports_removed, 50), FLOOR(odd_messages, 500),
    FLOOR(removed_idle, 100), FLOOR(removed_hard, 100), FLOOR(removed_delete, 1000),
    FLOOR(flow_stats, 5000), FLOOR(aggregates, 200), FLOOR(table_stats, 200),
    FLOOR(port_stats, 500), FLOOR(features, 50), FLOOR(get_configs, 50), FLOOR(barriers, 1000),
    FLOOR(echoes, 1000), FLOOR(cache_hits, 200000), FLOOR(cache_revalidated, 5000),
    FLOOR(cache_rederived, 5000), FLOOR(cache_misses, 20000), FLOOR(cache_evictions, 5000),
    FLOOR(cache_promoted, 1000), FLOOR(learnt, 500),
    FLOOR(links_changed, 100), FLOOR(stp_changed, 100), FLOOR(stp_refused, 20),
    FLOOR(held_by_stp, 2000),
#undef FLOOR
};

static void
it_all_happened(void **state)
{
    (void) state;
#define TELL(NAME) printf("# %12llu " #NAME "\n", (unsigned long long) tally.NAME);
    TALLIES(TELL)
#undef TELL
    printf("# %12.1f seconds\n", runner_cpu_s());
    for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
        if ((double) *floors[i].n < (double) floors[i].floor * (double) tally.frames / FLOOR_FRAMES) {
            fail_msg("too few for %llu frames: %llu %s", (unsigned long long) tally.frames,
                     (unsigned long long) *floors[i].n, floors[i].name);
        }
    }
}

/* --- planted bugs ------------------------------------------------------------------------- */

/* Steps until the bug is found, in trials of all shapes in turn; PLANT_STEPS if it isn't. */
static unsigned
steps_to_find(enum plant plant, enum ref_plant ref_plant)
{
    enum { TRIAL_STEPS = 100 };
    char unused[1];
    unsigned n = 0, step;
    for (uint64_t i = 0; n < PLANT_STEPS; i++) {
        struct trial_config config = {
            .seed = 1 + i, .shape = i % N_SHAPES, .n_steps = TRIAL_STEPS,
            .plant = plant, .ref_plant = ref_plant,
        };
        bool found = !trial_run(&config, &step, runner_failure, sizeof runner_failure);
        n += step;
        if (found) {
            config.plant = PLANT_NONE;
            config.ref_plant = REF_PLANT_NONE;
            assert_true(trial_run(&config, &step, unused, sizeof unused));
            break;
        }
    }
    return n;
}

static void
bugs_in_the_product_are_found(void **state)
{
    (void) state;
    for (int plant = PLANT_NONE + 1; plant < N_PLANTS; plant++) {
        unsigned n = steps_to_find((enum plant) plant, REF_PLANT_NONE);
        runner_failure[strcspn(runner_failure, "\n")] = 0;
        printf("# planted bug %d: %u steps: %s\n", plant, n, runner_failure);
        if (n >= PLANT_STEPS) {
            fail_msg("planted bug %d was not found in %d steps", plant, PLANT_STEPS);
        }
    }
}

static void
bugs_in_the_reference_are_found(void **state)
{
    (void) state;
    for (int plant = REF_PLANT_NONE + 1; plant < N_REF_PLANTS; plant++) {
        unsigned n = steps_to_find(PLANT_NONE, (enum ref_plant) plant);
        runner_failure[strcspn(runner_failure, "\n")] = 0;
        printf("# bug %d planted in the reference: %u steps: %s\n", plant, n, runner_failure);
        if (n >= PLANT_STEPS) {
            fail_msg("planted bug %d was not found in %d steps", plant, PLANT_STEPS);
        }
    }
}

/* --- the program -------------------------------------------------------------------------- */

static int
run_all(void)
{
    static enum shape_id ids[N_SHAPES];
    struct CMUnitTest tests[N_SHAPES + 3];
    char names[N_SHAPES][32];
    size_t n = 0;
    for (enum shape_id id = 0; id < N_SHAPES; id++) {
        ids[id] = id;
        if (runner.shape == N_SHAPES || runner.shape == id) {
            snprintf(names[id], sizeof names[id], "%s_agrees", shape_name(id));
            tests[n++] = (struct CMUnitTest) { names[id], shape_agrees, NULL, NULL, &ids[id] };
        }
    }
    if (runner.shape == N_SHAPES) {
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(it_all_happened);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(bugs_in_the_product_are_found);
        tests[n++] = (struct CMUnitTest) cmocka_unit_test(bugs_in_the_reference_are_found);
    }
    return _cmocka_run_group_tests("switch", tests, n, NULL, NULL);
}

int
main(int argc, char **argv)
{
    const char *is_long = getenv("TURNOUT_LONG");
    const struct CMUnitTest one[] = { cmocka_unit_test(runner_one_trial) };
    const char *seed = getenv("TURNOUT_SEED");
    runner = (struct runner) { .program = "tests/property/test_switch", .seed = 1, .steps = STEPS,
                               .shape = N_SHAPES, .frames = FRAMES, .limit_s = LIMIT_S };
    if (is_long && atoi(is_long)) {
        runner.frames *= LONG_FACTOR;
        runner.limit_s = LONG_LIMIT_S;
    }
    if (seed) {
        runner.seed = strtoull(seed, NULL, 0);
    }
    runner_parse(argc, argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return runner.one ? cmocka_run_group_tests(one, NULL, NULL) : run_all();
}
