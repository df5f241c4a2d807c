/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the mask profiles share. Writer. */
#ifndef SW_DATAPATH_PROFILE_PRIVATE_H
#define SW_DATAPATH_PROFILE_PRIVATE_H 1

#include "sw-datapath/profile.h"

static inline struct mask_profile *
profile_at(const struct profile_set *set, unsigned id)
{
    return atomic_load_explicit(&set->profile[id], memory_order_relaxed);
}

/* A profile with an id that is free; NULL without memory. */
struct mask_profile *profile_new(struct profile_set *, unsigned id, const struct flow_mask *);

/* The profile with this mask, made if need be; NULL without a free id, or memory. The
 * caller puts it into a list, which then has a reference. */
struct mask_profile *profile_intern(struct profile_set *, const struct flow_mask *);
void profile_unref(struct profile_set *, const struct mask_profile *);

/* Appends unless it is there already or the list is full. */
void profile_list_append(struct profile_list *, const struct mask_profile *);
/* Gives up an unpublished list and its references. NULL, or the list that is always
 * there, does nothing. */
void profile_list_release(struct profile_set *, const struct profile_list *);
bool profile_list_equal(const struct profile_list *, const struct profile_list *);

#endif /* sw-datapath/profile_private.h */
