/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs as the kernel writes them: "0,2-3". */
#ifndef LIB_CPULIST_H
#define LIB_CPULIST_H 1

#include <stddef.h>

#include "lib/errmsg.h"

/* CPU numbers are below this (that of a cpu_set_t). */
enum { CPULIST_MAX_CPUS = 1024 };

/* Puts the CPUs of 'list' into cpus[], in the order given; at most 'max'. Returns how many
 * (at least one); or -EINVAL (nothing, not a list, a range backwards, a CPU twice, a number
 * too high) or -E2BIG with a message and cpus[] undefined. Whether the CPUs exist is the
 * caller's to find out. */
int cpulist_parse(const char *list, unsigned cpus[], size_t max, struct errmsg *);

#endif /* lib/cpulist.h */
