/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/counters.h"

#include <stdalign.h>
#include <stdatomic.h>

struct slot {
    alignas(64) _Atomic uint64_t value[N_COUNTERS];
};

static struct slot slots[COUNTERS_MAX_THREADS];
static _Thread_local unsigned thread_slot;

static const struct {
    const char *name, *help;
} rows[] = {
#define COUNTER(NAME, HELP) [COUNTER_##NAME] = { #NAME, HELP },
#include "lib/counters.def"
#undef COUNTER
};

void
counters_thread_register(unsigned slot)
{
    thread_slot = slot < COUNTERS_MAX_THREADS ? slot : 0;
}

void
counter_add(enum counter c, uint64_t n)
{
    atomic_fetch_add_explicit(&slots[thread_slot].value[c], n, memory_order_relaxed);
}

uint64_t
counter_read(enum counter c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < COUNTERS_MAX_THREADS; i++) {
        sum += atomic_load_explicit(&slots[i].value[c], memory_order_relaxed);
    }
    return sum;
}

const char *
counter_name(enum counter c)
{
    return rows[c].name;
}

const char *
counter_help(enum counter c)
{
    return rows[c].help;
}
