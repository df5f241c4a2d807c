/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends most of what is held back: "space saving" of fixed size.
 *
 * Of n packets, a source that sent more than n / GOVERNOR_SOURCES is in it for sure; its count
 * is at most 'error' too high. Senders that forge their address show as many sources with an
 * error about as large as their count. Pure; one thread. */
#ifndef LIB_GOVERNOR_SOURCES_H
#define LIB_GOVERNOR_SOURCES_H 1

#include <stdint.h>

enum { GOVERNOR_SOURCES = 8 };

struct governor_source {
    uint64_t key;                /* an address; never 0 in use */
    uint32_t count;              /* packets, at least count - error of them its own */
    uint32_t error;
};

struct governor_sources {
    struct governor_source at[GOVERNOR_SOURCES];
    uint64_t total;              /* packets that the counts are of */
};

void governor_sources_add(struct governor_sources *, uint64_t key);
/* Halves every count, so that what was long ago weighs little. */
void governor_sources_age(struct governor_sources *);

#endif /* lib/governor/sources.h */
