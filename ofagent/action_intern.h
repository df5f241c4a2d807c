/* SPDX-License-Identifier: Apache-2.0 */
/* Shared action lists: flows with the same actions have the same list, counted.
 *
 * A list that nobody refers to any more is freed after a grace period, because packets
 * in flight may still use it. Control thread only. */
#ifndef OFAGENT_ACTION_INTERN_H
#define OFAGENT_ACTION_INTERN_H 1

#include <stddef.h>

#include "turnout/action.h"

struct action_intern;

/* NULL without memory. */
struct action_intern *action_intern_new(void);
/* Every list must have been given back. */
void action_intern_free(struct action_intern *);

/* The list with these actions, with a reference for the caller; NULL without memory. */
const struct action_list *action_intern_get(struct action_intern *, const struct action *,
                                            uint32_t len);
/* Another reference to a list that the caller has one of. */
void action_intern_ref(const struct action_list *);
/* Gives a reference back. */
void action_intern_put(struct action_intern *, const struct action_list *);

/* How many different lists there are. */
size_t action_intern_count(const struct action_intern *);

#endif /* ofagent/action_intern.h */
