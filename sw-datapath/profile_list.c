/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles, each of another mask, and the lists of generations that refer to them. */
#include "sw-datapath/profile_private.h"

#include <stdlib.h>

#include "lib/epoch.h"

struct mask_profile *
profile_new(struct profile_set *set, unsigned id, const struct flow_mask *mask)
{
    struct mask_profile *profile = calloc(1, sizeof *profile);
    if (!profile) {
        return NULL;
    }
    profile->mask = *mask;
    profile->id = (uint16_t) id;
    /* Its lower 30 bits are never 0: a cache entry has those, 0 stands for none. */
    set->serial += !((set->serial + 1) & ((1u << 30) - 1)) ? 2 : 1;
    profile->serial = set->serial;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        if (mask->bits.lane[i]) {
            profile->lanes[profile->n_lanes++] = (uint8_t) i;
        }
    }
    atomic_store_explicit(&set->profile[id], profile, memory_order_release);
    return profile;
}

/* An id that nobody uses or may still see in use; 0 if there is none. */
static unsigned
free_id(const struct profile_set *set)
{
    for (unsigned id = 1; id < CLASSIFIER_MAX_PROFILES; id++) {
        if (!profile_at(set, id) && (!set->retired[id] || epoch_passed(set->retired[id]))) {
            return id;
        }
    }
    return 0;
}

struct mask_profile *
profile_intern(struct profile_set *set, const struct flow_mask *mask)
{
    for (unsigned id = 0; id < CLASSIFIER_MAX_PROFILES; id++) {
        struct mask_profile *profile = profile_at(set, id);
        if (profile && flow_key_equal(&profile->mask.bits, &mask->bits)) {
            return profile;
        }
    }
    unsigned id = free_id(set);
    return id ? profile_new(set, id, mask) : NULL;
}

void
profile_unref(struct profile_set *set, const struct mask_profile *profile)
{
    unsigned id = profile->id;
    if (id && !--set->refs[id]) {
        struct mask_profile *old = profile_at(set, id);
        atomic_store_explicit(&set->profile[id], NULL, memory_order_release);
        set->retired[id] = epoch_advance();
        epoch_defer(free, old);
    }
}

/* --- lists ---------------------------------------------------------------------- */

void
profile_list_append(struct profile_list *list, const struct mask_profile *profile)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (list->profile[i] == profile) {
            return;
        }
    }
    if (list->n < CLASSIFIER_PROFILE_GENERATIONS) {
        list->profile[list->n++] = profile;
    }
}

void
profile_list_release(struct profile_set *set, const struct profile_list *list)
{
    if (!list || list == &set->full) {
        return;
    }
    for (unsigned i = 0; i < list->n; i++) {
        profile_unref(set, list->profile[i]);
    }
    epoch_defer(free, (void *) (uintptr_t) list);
}

bool
profile_list_equal(const struct profile_list *a, const struct profile_list *b)
{
    bool equal = a->n == b->n;
    for (unsigned i = 0; equal && i < a->n; i++) {
        equal = a->profile[i] == b->profile[i];
    }
    return equal;
}
