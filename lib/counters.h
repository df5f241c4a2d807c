/* SPDX-License-Identifier: Apache-2.0 */
/* Named event counters, one set a thread, summed when read.
 *
 * A thread that counts calls counters_thread_register() once with a slot of its own;
 * until then its events go to slot 0, the control thread's, which is shared by atomic
 * addition so nothing is lost. counter_inc() takes no lock. */
#ifndef LIB_COUNTERS_H
#define LIB_COUNTERS_H 1

#include <stdint.h>

enum counter {
#define COUNTER(NAME, HELP) COUNTER_##NAME,
#include "lib/counters.def"
#undef COUNTER
    N_COUNTERS
};

/* Most threads with a slot of their own. */
#define COUNTERS_MAX_THREADS 64

/* The calling thread counts in 'slot' (0 .. COUNTERS_MAX_THREADS - 1) from now on. */
void counters_thread_register(unsigned slot);

void counter_add(enum counter, uint64_t n);
static inline void counter_inc(enum counter c) { counter_add(c, 1); }

/* Sum over all threads. Any thread; never goes back. */
uint64_t counter_read(enum counter);

const char *counter_name(enum counter);
const char *counter_help(enum counter);

#endif /* lib/counters.h */
