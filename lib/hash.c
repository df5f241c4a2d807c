/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hash.h"

#include <pthread.h>
#include <sys/random.h>

#include "lib/clock.h"

static uint64_t seed;

static void
make_seed(void)
{
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        /* No entropy source at all: the clock and the address space's layout. */
        seed = clock_ns() ^ (uintptr_t) &seed;
    }
}

uint64_t
hash_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_seed);
    return seed;
}
