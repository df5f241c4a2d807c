/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program to see what it says. */
#ifndef TOOLS_TURNOUTCTL_RUN_PROGRAM_H
#define TOOLS_TURNOUTCTL_RUN_PROGRAM_H 1

#include <stddef.h>

#include "lib/errmsg.h"

/* Runs argv[0] with arguments up to NULL in 'directory', without input. Its output and errors
 * come into 'text', cut to its size, without a line's end behind. The exit status; 128 and more
 * for a signal; or -errno and *err if it can't be run. */
int run_program(const char *const argv[], const char *directory, char *text, size_t size,
                struct errmsg *err);

#endif /* tools/turnoutctl/run_program.h */
