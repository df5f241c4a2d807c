/* SPDX-License-Identifier: Apache-2.0 */
/* Where an entry should be: a pure function of the entry, what devices can do, how full they
 * are, how busy the flow is, and policy. */
#ifndef HAL_PLACE_H
#define HAL_PLACE_H 1

#include "hal/fit.h"
#include "hal/hal.h"

/* A table as it is now. */
struct hal_room {
    uint32_t entries;            /* in it or on their way, strangers' included */
    uint32_t full_at;            /* entries at which it last refused one; 0: it never did */
    uint32_t coldest_pps;        /* of the coldest of ours that may leave; UINT32_MAX: none may */
    uint32_t n_masks;            /* distinct masks in it */
    bool has_mask;               /* the entry's mask is one of them */
};

struct hal_place_input {
    const struct hal_caps *caps; /* NULL: the ingress port has no device */
    const struct hal_room *room; /* of each table */
    const struct flow_match *match;
    const struct action_list *actions;
    const struct hal_ports_view *ports;
    enum hal_policy policy;
    bool allow_uncounted;
    bool exact_rule;             /* wants its place whatever its traffic */
    bool whole;                  /* a rule as a whole: it does, too, where there are priorities */
    enum hal_whole whole_rules;  /* what the policy says of those */
    bool placed;                 /* it is in hardware now: the lower threshold counts */
    bool may_move;               /* the budget for moves is not used up */
    uint32_t pps;                /* packets a second, lately */
    uint32_t promote_pps, demote_pps; /* thresholds; demote below promote */
};

struct hal_placement {
    int table;                   /* index, or -1: software */
    bool evict;                  /* the table's coldest entry has to make room */
    struct hal_verdict verdict;  /* why software; with a table: zero */
};

/* True if the table takes no more: it has what it can hold, or what it could lately. */
bool hal_room_is_full(const struct hal_table_caps *, const struct hal_room *);

void hal_place(const struct hal_place_input *, struct hal_placement *);

/* A flow must be so many times busier than the coldest entry to take its place, so that two
 * of about the same rate do not take turns. */
enum { HAL_EVICT_FACTOR = 2 };

#endif /* hal/place.h */
