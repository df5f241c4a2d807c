/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/governor/sources.h"

void
governor_sources_add(struct governor_sources *sources, uint64_t key)
{
    struct governor_source *least = &sources->at[0];
    sources->total++;
    for (unsigned i = 0; i < GOVERNOR_SOURCES; i++) {
        struct governor_source *s = &sources->at[i];
        if (s->key == key) {
            s->count += s->count < UINT32_MAX;
            return;
        }
        least = s->count < least->count ? s : least;
    }
    least->key = key;
    least->error = least->count;
    least->count += least->count < UINT32_MAX;
}

void
governor_sources_age(struct governor_sources *sources)
{
    sources->total /= 2;
    for (unsigned i = 0; i < GOVERNOR_SOURCES; i++) {
        struct governor_source *s = &sources->at[i];
        s->count /= 2;
        s->error /= 2;
        s->key = s->count ? s->key : 0;
    }
}
