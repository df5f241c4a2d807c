/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that stands still until the test moves it. Include once in a program. */
#ifndef TESTS_UNIT_FAKE_CLOCK_H
#define TESTS_UNIT_FAKE_CLOCK_H 1

#include "lib/clock.h"

static uint64_t fake_now_ns = UINT64_C(1000000000000);

static uint64_t fake_creep_ns;     /* it goes on by this with each look at it */

static uint64_t
fake_clock(void)
{
    if (fake_creep_ns) {
        fake_now_ns += fake_creep_ns;
    }
    return fake_now_ns;
}

static inline void
fake_clock_install(void)
{
    clock_set_source(fake_clock);
}

static inline void
fake_clock_advance_ms(uint64_t ms)
{
    fake_now_ns += ms * 1000000;
}

#endif /* tests/unit/fake_clock.h */
