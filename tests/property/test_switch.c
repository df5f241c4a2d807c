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
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/property/trial.h"

enum {
    STEPS = 1000, FRAMES = 2000000, FLOOR_FRAMES = 1000000, LONG_FACTOR = 10,
    PLANT_STEPS = 3000,                  /* a planted bug is found within so many */
    SHRINK_TRIALS = 2000, SHRINK_S = 60,
    TOLD_STEPS = 10,                     /* a failure of so few steps is told in full */
};
/* Processor time that the shapes take together at most, however slow the machine. */
enum { LIMIT_S = 170, LONG_LIMIT_S = 600 };

static struct {
    uint64_t seed;
    unsigned steps;
    enum shape_id shape;
    uint64_t frames;
    double limit_s;
    const char *only;
    int plant, ref_plant;
    bool one, verbose;
} options = { .seed = 1, .steps = STEPS, .shape = N_SHAPES, .frames = FRAMES,
              .limit_s = LIMIT_S };

static char failure[8192];

static double
cpu_s(void)
{
    return (double) clock() / CLOCKS_PER_SEC;
}

/* --- making a failure small --------------------------------------------------------------- */

static unsigned
n_kept(const bool *skip, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        kept += !skip[i];
    }
    return kept;
}

/* Leaves out 'length' steps from 'at' on, if it fails without them too. */
static bool
try_without(struct trial_config *config, bool *skip, unsigned at, unsigned length)
{
    bool *fewer = calloc(config->n_steps + 1, sizeof *fewer);
    unsigned step;
    memcpy(fewer, skip, config->n_steps * sizeof *skip);
    for (unsigned i = at; i < at + length && i < config->n_steps; i++) {
        fewer[i] = true;
    }
    bool fails = false;
    if (n_kept(fewer, config->n_steps) < n_kept(skip, config->n_steps)) {
        config->skip = fewer;
        fails = !trial_run(config, &step, failure, sizeof failure);
    }
    if (fails) {
        config->n_steps = step < config->n_steps ? step + 1 : config->n_steps;
        memcpy(skip, fewer, config->n_steps * sizeof *skip);
    }
    config->skip = skip;
    free(fewer);
    return fails;
}

static void
shrink(struct trial_config *config, bool *skip)
{
    double start = cpu_s();
    unsigned n_trials = 0;
    for (unsigned length = config->n_steps / 2; length; length = length == 1 ? 0 : (length + 1) / 2) {
        unsigned at = 0;
        while (at < config->n_steps && n_trials < SHRINK_TRIALS && cpu_s() - start < SHRINK_S) {
            n_trials++;
            try_without(config, skip, at, length);
            at += length;
        }
    }
}

/* The command line that replays it. */
static void
describe(const struct trial_config *config, char *out, size_t size)
{
    size_t n = (size_t) snprintf(out, size, "tests/property/test_switch --seed %llu --shape %s "
                                 "--steps %u --verbose", (unsigned long long) config->seed,
                                 shape_name(config->shape), config->n_steps);
    const char *separator = " --only ";
    for (unsigned i = 0; i < config->n_steps && n < size; i++) {
        if (config->skip && !config->skip[i]) {
            n += (size_t) snprintf(out + n, size - n, "%s%u", separator, i);
            separator = ",";
        }
    }
    if (config->plant || config->ref_plant) {
        snprintf(out + n, size - n, " --plant %d --ref-plant %d", (int) config->plant,
                 (int) config->ref_plant);
    }
}

static void
report(struct trial_config *config, unsigned step)
{
    char command[2048], small[2048];
    unsigned unused;
    config->n_steps = step < config->n_steps ? step + 1 : config->n_steps;
    describe(config, command, sizeof command);
    bool *skip = calloc(config->n_steps + 1, sizeof *skip);
    if (!config->skip) {
        shrink(config, skip);
        config->skip = skip;
    }
    config->verbose = n_kept(config->skip, config->n_steps) <= TOLD_STEPS;
    trial_run(config, &unused, failure, sizeof failure);
    describe(config, small, sizeof small);
    free(skip);
    fail_msg("%s\n  replay with: %s\n  with fewer steps: %s", failure, command, small);
}

/* --- trials ------------------------------------------------------------------------------- */

static void
run_one(struct trial_config *config)
{
    unsigned step;
    if (!trial_run(config, &step, failure, sizeof failure)) {
        report(config, step);
    }
}

static void
run_shape(enum shape_id shape)
{
    uint64_t enough = tally.frames + options.frames / N_SHAPES;
    double end = cpu_s() + options.limit_s / N_SHAPES;
    for (uint64_t seed = options.seed; tally.frames < enough && cpu_s() < end; seed++) {
        struct trial_config config = { .seed = seed, .shape = shape, .n_steps = options.steps,
                                       .verbose = options.verbose };
        run_one(&config);
    }
}

static void
shape_agrees(void **state)
{
    run_shape(*(const enum shape_id *) *state);
}

static void
the_trial_agrees(void **state)
{
    (void) state;
    struct trial_config config = {
        .seed = options.seed,
        .shape = options.shape < N_SHAPES ? options.shape : SHAPE_MIXED,
        .n_steps = options.steps,
        .plant = (enum plant) options.plant,
        .ref_plant = (enum ref_plant) options.ref_plant,
        .verbose = options.verbose,
    };
    bool *skip = NULL;
    if (options.only) {
        skip = calloc(config.n_steps + 1, sizeof *skip);
        memset(skip, true, config.n_steps * sizeof *skip);
        char *end;
        for (const char *p = options.only; *p; p = *end ? end + 1 : end) {
            unsigned long step = strtoul(p, &end, 10);
            if (end == p || step >= config.n_steps) {
                fail_msg("--only %s: not step numbers below %u", options.only, config.n_steps);
            }
            skip[step] = false;
        }
        config.skip = skip;
    }
    run_one(&config);
    free(skip);
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
    printf("# %12.1f seconds\n", cpu_s());
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
        bool found = !trial_run(&config, &step, failure, sizeof failure);
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
        failure[strcspn(failure, "\n")] = 0;
        printf("# planted bug %d: %u steps: %s\n", plant, n, failure);
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
        failure[strcspn(failure, "\n")] = 0;
        printf("# bug %d planted in the reference: %u steps: %s\n", plant, n, failure);
        if (n >= PLANT_STEPS) {
            fail_msg("planted bug %d was not found in %d steps", plant, PLANT_STEPS);
        }
    }
}

/* --- the program -------------------------------------------------------------------------- */

static void
usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seed N] [--steps N] [--shape NAME] [--frames N] [--only N,N...] "
            "[--plant N] [--ref-plant N] [--verbose]\nshapes:", program);
    for (enum shape_id id = 0; id < N_SHAPES; id++) {
        fprintf(stderr, " %s", shape_name(id));
    }
    fprintf(stderr, "\n");
    exit(2);
}

static void
parse_options(int argc, char **argv)
{
    enum { SEED = 1, STEPS_, SHAPE, FRAMES_, ONLY, PLANT, REF_PLANT, VERBOSE };
    static const struct option longs[] = {
        { "seed", required_argument, NULL, SEED }, { "steps", required_argument, NULL, STEPS_ },
        { "shape", required_argument, NULL, SHAPE }, { "frames", required_argument, NULL, FRAMES_ },
        { "only", required_argument, NULL, ONLY }, { "plant", required_argument, NULL, PLANT },
        { "ref-plant", required_argument, NULL, REF_PLANT },
        { "verbose", no_argument, NULL, VERBOSE }, { NULL, 0, NULL, 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case SEED: options.seed = strtoull(optarg, NULL, 0); options.one = true; break;
        case STEPS_: options.steps = (unsigned) strtoul(optarg, NULL, 0); break;
        case SHAPE: options.shape = shape_find(optarg); break;
        case FRAMES_: options.frames = strtoull(optarg, NULL, 0); options.limit_s = 1e9; break;
        case ONLY: options.only = optarg; break;
        case PLANT: options.plant = atoi(optarg); break;
        case REF_PLANT: options.ref_plant = atoi(optarg); break;
        case VERBOSE: options.verbose = true; break;
        default: usage(argv[0]);
        }
        if (c == SHAPE && options.shape == N_SHAPES) {
            usage(argv[0]);
        }
    }
}

static int
run_all(void)
{
    static enum shape_id ids[N_SHAPES];
    struct CMUnitTest tests[N_SHAPES + 3];
    char names[N_SHAPES][32];
    size_t n = 0;
    for (enum shape_id id = 0; id < N_SHAPES; id++) {
        ids[id] = id;
        if (options.shape == N_SHAPES || options.shape == id) {
            snprintf(names[id], sizeof names[id], "%s_agrees", shape_name(id));
            tests[n++] = (struct CMUnitTest) { names[id], shape_agrees, NULL, NULL, &ids[id] };
        }
    }
    if (options.shape == N_SHAPES) {
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
    const struct CMUnitTest one[] = { cmocka_unit_test(the_trial_agrees) };
    const char *seed = getenv("TURNOUT_SEED");
    if (is_long && atoi(is_long)) {
        options.frames *= LONG_FACTOR;
        options.limit_s = LONG_LIMIT_S;
    }
    if (seed) {
        options.seed = strtoull(seed, NULL, 0);
    }
    parse_options(argc, argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return options.one ? cmocka_run_group_tests(one, NULL, NULL) : run_all();
}
