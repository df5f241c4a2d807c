/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SHRINK_TRIALS = 2000, SHRINK_S = 60,
    TOLD_STEPS = 10,                     /* a failure of so few steps is told in full */
};

struct runner runner;
char runner_failure[8192];

double
runner_cpu_s(void)
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
        fails = !trial_run(config, &step, runner_failure, sizeof runner_failure);
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
    double start = runner_cpu_s();
    unsigned n_trials = 0;
    for (unsigned length = config->n_steps / 2; length; length = length == 1 ? 0 : (length + 1) / 2) {
        unsigned at = 0;
        while (at < config->n_steps && n_trials < SHRINK_TRIALS && runner_cpu_s() - start < SHRINK_S) {
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
    size_t n = (size_t) snprintf(out, size, "%s --seed %llu --shape %s --steps %u --verbose",
                                 runner.program, (unsigned long long) config->seed,
                                 shape_name(config->shape), config->n_steps);
    if (config->hardware && n < size) {
        n += (size_t) snprintf(out + n, size - n, " --hardware %s", config->hardware->name);
    }
    if (config->attached && n < size) {
        n += (size_t) snprintf(out + n, size - n, " --attached");
    }
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
    trial_run(config, &unused, runner_failure, sizeof runner_failure);
    describe(config, small, sizeof small);
    free(skip);
    printf("# replay with: %s\n# with fewer steps: %s\n", command, small);
    fail_msg("%s", runner_failure);      /* the end of a long one is cut off */
}

/* --- trials ------------------------------------------------------------------------------- */

void
runner_run(struct trial_config *config)
{
    unsigned step;
    if (!trial_run(config, &step, runner_failure, sizeof runner_failure)) {
        report(config, step);
    }
}

void
runner_one_trial(void **state)
{
    (void) state;
    struct trial_config config = {
        .hardware = runner.hardware,
        .seed = runner.seed,
        .shape = runner.shape < N_SHAPES ? runner.shape : SHAPE_MIXED,
        .n_steps = runner.steps,
        .plant = (enum plant) runner.plant,
        .ref_plant = (enum ref_plant) runner.ref_plant,
        .verbose = runner.verbose,
        .attached = runner.attached,
    };
    bool *skip = NULL;
    if (runner.only) {
        skip = calloc(config.n_steps + 1, sizeof *skip);
        memset(skip, true, config.n_steps * sizeof *skip);
        char *end;
        for (const char *p = runner.only; *p; p = *end ? end + 1 : end) {
            unsigned long step = strtoul(p, &end, 10);
            if (end == p || step >= config.n_steps) {
                fail_msg("--only %s: not step numbers below %u", runner.only, config.n_steps);
            }
            skip[step] = false;
        }
        config.skip = skip;
    }
    runner_run(&config);
    free(skip);
}

static void
usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seed N] [--steps N] [--shape NAME] [--frames N] [--total-steps N] [--only N,N...] "
            "[--plant N] [--ref-plant N] [--hardware NAME] [--attached[=STEPS]] [--verbose]\nshapes:", program);
    for (enum shape_id id = 0; id < N_SHAPES; id++) {
        fprintf(stderr, " %s", shape_name(id));
    }
    fprintf(stderr, "\n");
    exit(2);
}

void
runner_parse(int argc, char **argv)
{
    enum { SEED = 1, STEPS_, SHAPE, FRAMES_, TOTAL, ONLY, PLANT, REF_PLANT, HARDWARE, ATTACHED,
           VERBOSE };
    static const struct option longs[] = {
        { "seed", required_argument, NULL, SEED }, { "steps", required_argument, NULL, STEPS_ },
        { "shape", required_argument, NULL, SHAPE }, { "frames", required_argument, NULL, FRAMES_ },
        { "total-steps", required_argument, NULL, TOTAL },
        { "only", required_argument, NULL, ONLY }, { "plant", required_argument, NULL, PLANT },
        { "ref-plant", required_argument, NULL, REF_PLANT },
        { "hardware", required_argument, NULL, HARDWARE },
        { "attached", optional_argument, NULL, ATTACHED },
        { "verbose", no_argument, NULL, VERBOSE }, { NULL, 0, NULL, 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case SEED: runner.seed = strtoull(optarg, NULL, 0); runner.one = true; break;
        case STEPS_: runner.steps = (unsigned) strtoul(optarg, NULL, 0); break;
        case SHAPE: runner.shape = shape_find(optarg); break;
        case FRAMES_: runner.frames = strtoull(optarg, NULL, 0); runner.limit_s = 1e9; break;
        case TOTAL: runner.total_steps = strtoull(optarg, NULL, 0); runner.limit_s = 1e9; break;
        case ONLY: runner.only = optarg; break;
        case PLANT: runner.plant = atoi(optarg); break;
        case REF_PLANT: runner.ref_plant = atoi(optarg); break;
        case HARDWARE:
            runner.hardware = runner.find_hardware ? runner.find_hardware(optarg) : NULL;
            break;
        case ATTACHED:
            runner.attached = true;
            runner.attached_steps = optarg ? strtoull(optarg, NULL, 0) : runner.attached_steps;
            break;
        case VERBOSE: runner.verbose = true; break;
        default: usage(argv[0]);
        }
        if ((c == SHAPE && runner.shape == N_SHAPES) || (c == HARDWARE && !runner.hardware)) {
            usage(argv[0]);
        }
    }
}
