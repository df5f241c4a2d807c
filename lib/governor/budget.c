/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/governor/budget.h"

enum { ONE = 1000, MAX_GAP_MS = 1000, STEPS = 16 };

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Limits of the buckets at the present rate. */
static void
set_caps(struct governor_budget *b)
{
    uint64_t burst = (uint64_t) b->rate * GOVERNOR_BURST_MS;
    b->spare_cap = max_u64(burst, GOVERNOR_MIN_BURST * ONE);
    b->cap = max_u64(burst / (b->n_ports ? b->n_ports : 1), GOVERNOR_MIN_BURST * ONE);
}

void
governor_budget_init(struct governor_budget *b, const struct governor_bounds *bounds,
                     uint64_t now_ms)
{
    *b = (struct governor_budget) { .bounds = *bounds, .rate = bounds->max, .refilled_ms = now_ms };
    set_caps(b);
    b->spare = b->spare_cap;
}

void
governor_budget_set_bounds(struct governor_budget *b, const struct governor_bounds *bounds)
{
    b->bounds = *bounds;
    b->rate = b->rate < bounds->min ? bounds->min : b->rate > bounds->max ? bounds->max : b->rate;
    set_caps(b);
}

/* What nobody is short of may be drawn by anybody later, up to a limit. */
static void
save_pot(struct governor_budget *b)
{
    b->bonus = b->n_hungry ? b->pot / b->n_hungry : 0;
    b->pot -= b->bonus * b->n_hungry;
    b->spare = min_u64(b->spare + b->pot, b->spare_cap);
    b->pot = 0;
}

bool
governor_budget_refill(struct governor_budget *b, uint32_t n_ports, uint64_t now_ms)
{
    uint64_t gap_ms = now_ms - b->refilled_ms;
    if (!n_ports || (gap_ms < GOVERNOR_REFILL_MS && n_ports == b->n_ports)) {
        return false;
    }
    uint64_t amount = b->rate * min_u64(gap_ms, MAX_GAP_MS);
    b->refilled_ms = now_ms;
    b->n_ports = n_ports;
    set_caps(b);
    b->each = amount / n_ports;
    b->pot += amount % n_ports;
    b->credited += amount;
    save_pot(b);
    b->n_hungry = 0;
    return true;
}

static void
make_known(const struct governor_budget *b, struct governor_bucket *bucket)
{
    if (!bucket->known) {
        bucket->known = true;
        bucket->tokens = b->cap;
    }
}

void
governor_budget_credit(struct governor_budget *b, struct governor_bucket *bucket)
{
    make_known(b, bucket);
    bucket->tokens += b->each;
    if (bucket->hungry) {
        bucket->hungry = false;
        bucket->tokens += b->bonus;
        b->n_hungry++;
    } else if (bucket->tokens > b->cap) {
        b->pot += bucket->tokens - b->cap;
        bucket->tokens = b->cap;
    }
}

/* How much has to stay behind. */
static uint64_t
floor_of(uint64_t cap, enum governor_evidence evidence)
{
    return evidence == GOVERNOR_NEW ? cap / 4 : evidence == GOVERNOR_SEEN ? cap / 8 : 0;
}

enum governor_take
governor_budget_take(struct governor_budget *b, struct governor_bucket *bucket,
                     enum governor_evidence evidence)
{
    make_known(b, bucket);
    if (bucket->tokens >= floor_of(b->cap, evidence) + ONE) {
        bucket->tokens -= ONE;
    } else if (b->spare >= floor_of(b->spare_cap, evidence) + ONE) {
        b->spare -= ONE;
    } else {
        bucket->hungry = true;
        return bucket->tokens >= ONE || b->spare >= ONE ? GOVERNOR_RESERVED : GOVERNOR_SHORT;
    }
    b->taken += ONE;
    return GOVERNOR_TAKEN;
}

void
governor_budget_adapt(struct governor_budget *b, bool congested)
{
    uint32_t range = b->bounds.max - b->bounds.min;
    if (congested) {
        uint32_t less = b->rate - b->rate / 4;
        b->rate = less > b->bounds.min ? less : b->bounds.min;
    } else {
        uint32_t step = range / STEPS ? range / STEPS : 1;
        b->rate = b->bounds.max - b->rate > step ? b->rate + step : b->bounds.max;
    }
    set_caps(b);
}

uint64_t
governor_budget_unused(struct governor_budget *b)
{
    uint64_t unused = b->credited > b->taken ? b->credited - b->taken : 0;
    b->credited = b->taken = 0;
    return unused;
}

uint64_t
governor_budget_share(const struct governor_budget *b, uint64_t ms)
{
    return b->rate * ms / (b->n_ports ? b->n_ports : 1);
}
