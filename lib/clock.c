/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t
system_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec + 1;
}

static uint64_t (*clock_source)(void) = system_ns;

uint64_t
clock_ns(void)
{
    return clock_source();
}

uint64_t
clock_ms(void)
{
    return clock_source() / 1000000u;
}

void
clock_set_source(uint64_t (*source)(void))
{
    clock_source = source ? source : system_ns;
}
