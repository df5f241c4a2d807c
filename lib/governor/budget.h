/* SPDX-License-Identifier: Apache-2.0 */
/* A budget of something a second, shared by ports: a token bucket a port and one for all.
 *
 * Each port is given the same share. What a port does not use (its bucket is full) goes in equal
 * parts to the ports that came up short since the last time, and what these leave to a spare
 * bucket that anybody may draw from whose own is empty. So one port alone has the whole budget,
 * no port gets less than its share, and a port that was idle has a burst.
 *
 * The rate adapts between bounds: a sixteenth of the range up each time all is well, a quarter
 * down when whoever does the work can't keep up.
 *
 * Not all of a bucket is for everybody: the last quarter is for flows that were seen before,
 * half of that for those that have proven themselves.
 *
 * Pure: the time is the caller's; integers only. One thread. */
#ifndef LIB_GOVERNOR_BUDGET_H
#define LIB_GOVERNOR_BUDGET_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/governor/sketch.h"

enum {
    GOVERNOR_BURST_MS = 250,         /* a bucket holds what comes in this time */
    GOVERNOR_MIN_BURST = 8,          /* or so many, if that is less */
    GOVERNOR_REFILL_MS = 10,
    GOVERNOR_MAX_RATE = 100000000,
};

struct governor_bounds {
    uint32_t min, max;               /* a second; equal: a fixed budget */
};

/* A port's. All zero to begin with. Amounts are in thousandths. */
struct governor_bucket {
    uint64_t tokens;
    bool known;                      /* a port begins with a full bucket */
    bool hungry;                     /* it came up short since the last credit */
};

struct governor_budget {
    struct governor_bounds bounds;
    uint32_t rate;                   /* a second, all ports */
    uint32_t n_ports;
    uint32_t n_hungry;               /* ports that come up short, as of the last credits */
    uint64_t refilled_ms;
    uint64_t each, bonus, cap;       /* of the present credits: share, extra for the hungry, limit */
    uint64_t pot;                    /* what full buckets left over */
    uint64_t spare, spare_cap;
    uint64_t credited, taken;        /* since governor_budget_unused() */
};

void governor_budget_init(struct governor_budget *, const struct governor_bounds *, uint64_t now_ms);
/* The rate is brought between other bounds. */
void governor_budget_set_bounds(struct governor_budget *, const struct governor_bounds *);

/* Hands out what came since the last time among 'n_ports': if it returns true (at most once in
 * GOVERNOR_REFILL_MS, unless their number changed), credit() is called for the bucket of each. */
bool governor_budget_refill(struct governor_budget *, uint32_t n_ports, uint64_t now_ms);
void governor_budget_credit(struct governor_budget *, struct governor_bucket *);

enum governor_take {
    GOVERNOR_TAKEN,
    GOVERNOR_SHORT,                  /* there is nothing left */
    GOVERNOR_RESERVED,               /* what is left is for flows that have shown more */
};
enum governor_take governor_budget_take(struct governor_budget *, struct governor_bucket *,
                                        enum governor_evidence);

/* Once in a while: whoever does the work could not keep up since the last time, or could. */
void governor_budget_adapt(struct governor_budget *, bool congested);

/* What was not used since the last time, in thousandths. */
uint64_t governor_budget_unused(struct governor_budget *);

/* What a port has for sure in 'ms', in thousandths. */
uint64_t governor_budget_share(const struct governor_budget *, uint64_t ms);

#endif /* lib/governor/budget.h */
