/* SPDX-License-Identifier: Apache-2.0 */
/* What programs that run trials share: their options, and making a failure small. */
#ifndef TESTS_PROPERTY_RUNNER_H
#define TESTS_PROPERTY_RUNNER_H 1

#include "tests/property/trial.h"

struct runner {
    const char *program;                 /* as it is called in the build folder */
    uint64_t seed;
    unsigned steps;
    enum shape_id shape;                 /* N_SHAPES: all */
    uint64_t frames, total_steps;        /* of all trials; total_steps 0: frames count */
    double limit_s;                      /* processor time, however slow the machine */
    const char *only;
    int plant, ref_plant;
    bool one, verbose, attached;
    uint64_t attached_steps;             /* of all trials, when attached */
    const struct hardware *hardware;     /* of --hardware; NULL */
    /* Finds --hardware's; NULL: there are none. */
    const struct hardware *(*find_hardware)(const char *name);
};
extern struct runner runner;
/* How the latest trial that failed did. */
extern char runner_failure[8192];

void runner_parse(int argc, char **argv);
/* Processor time used. */
double runner_cpu_s(void);
/* Runs a trial. If it fails it is made smaller by leaving steps out, and the test fails with
 * the command that replays it. */
void runner_run(struct trial_config *);
/* The one trial that --seed and the others say; a cmocka test. */
void runner_one_trial(void **state);

#endif /* tests/property/runner.h */
