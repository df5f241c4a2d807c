/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, injected so that time-outs are tested without sleeping.
 *
 * Monotonic time in nanoseconds since an arbitrary start; never goes back. Any
 * thread. A test installs its own source with clock_set_source() before it starts
 * threads. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H 1

#include <stdint.h>

/* Monotonic nanoseconds, never 0. */
uint64_t clock_ns(void);

/* Monotonic milliseconds. */
uint64_t clock_ms(void);

/* Replaces the source of clock_ns(); NULL puts the system's back. Not thread-safe:
 * call it before there are other threads. */
void clock_set_source(uint64_t (*source)(void));

#endif /* lib/clock.h */
