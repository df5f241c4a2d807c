/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/flow_timer.h"

#include "ofagent/flow_table.h"

#define SLOT_BITS 6
#define SLOT_MASK (FLOW_TIMER_SLOTS - 1)
static_assert(FLOW_TIMER_SLOTS == 1 << SLOT_BITS, "a slot number has SLOT_BITS bits");

static uint64_t
tick_at_or_after(uint64_t ns)
{
    const uint64_t below = (UINT64_C(1) << FLOW_TIMER_TICK_SHIFT) - 1;
    return (ns + below) >> FLOW_TIMER_TICK_SHIFT;
}

void
flow_timer_init(struct flow_timer *t, uint64_t now_ns, uint64_t (*due_ns)(const struct flow *))
{
    *t = (struct flow_timer) { .tick = now_ns >> FLOW_TIMER_TICK_SHIFT, .due_ns = due_ns };
}

/* Puts a flow into the slot for 'due', which is not before the current tick. */
static void
put(struct flow_timer *t, struct flow *flow, uint64_t due)
{
    const uint64_t reach = UINT64_C(1) << (SLOT_BITS * FLOW_TIMER_LEVELS);
    if (due - t->tick >= reach) {
        due = t->tick + reach - 1;   /* it will be asked again */
    }
    int level = 0;
    while ((due - t->tick) >> (SLOT_BITS * (level + 1))) {
        level++;
    }
    unsigned i = due >> (SLOT_BITS * level) & SLOT_MASK;
    struct flow **slot = &t->slot[level][i];
    flow->timer_next = *slot;
    flow->timer_prev = slot;
    if (*slot) {
        (*slot)->timer_prev = &flow->timer_next;
    }
    *slot = flow;
    t->used[level] |= UINT64_C(1) << i;
    t->n++;
}

void
flow_timer_add_at(struct flow_timer *t, struct flow *flow, uint64_t due_ns)
{
    uint64_t due = tick_at_or_after(due_ns);
    put(t, flow, due > t->tick ? due : t->tick + 1);
}

void
flow_timer_add(struct flow_timer *t, struct flow *flow)
{
    flow_timer_add_at(t, flow, t->due_ns(flow));
}

void
flow_timer_remove(struct flow_timer *t, struct flow *flow)
{
    if (!flow->timer_prev) {
        return;
    }
    struct flow **slots = &t->slot[0][0];
    if (!flow->timer_next && flow->timer_prev >= slots
        && flow->timer_prev < slots + FLOW_TIMER_LEVELS * FLOW_TIMER_SLOTS) {
        size_t i = (size_t) (flow->timer_prev - slots);
        t->used[i / FLOW_TIMER_SLOTS] &= ~(UINT64_C(1) << i % FLOW_TIMER_SLOTS);
    }
    *flow->timer_prev = flow->timer_next;
    if (flow->timer_next) {
        flow->timer_next->timer_prev = flow->timer_prev;
    }
    flow->timer_next = NULL;
    flow->timer_prev = NULL;
    t->n--;
}

/* The first tick after the current one at which a slot comes up or is handed down;
 * UINT64_MAX if there is none. */
static uint64_t
next_tick(const struct flow_timer *t)
{
    uint64_t next = UINT64_MAX;
    for (int level = 0; level < FLOW_TIMER_LEVELS; level++) {
        if (!t->used[level]) {
            continue;
        }
        uint64_t first = (t->tick >> (SLOT_BITS * level)) + 1;
        unsigned turn = first & SLOT_MASK;
        uint64_t bits = t->used[level] >> turn | t->used[level] << (-turn & SLOT_MASK);
        uint64_t tick = (first + (unsigned) __builtin_ctzll(bits)) << (SLOT_BITS * level);
        next = tick < next ? tick : next;
    }
    return next;
}

/* Hands the slots whose span begins with the current tick down to lower levels. */
static void
hand_down(struct flow_timer *t)
{
    for (int level = FLOW_TIMER_LEVELS - 1; level > 0; level--) {
        if (t->tick & ((UINT64_C(1) << (SLOT_BITS * level)) - 1)) {
            continue;
        }
        unsigned i = t->tick >> (SLOT_BITS * level) & SLOT_MASK;
        struct flow *flow = t->slot[level][i];
        t->slot[level][i] = NULL;
        t->used[level] &= ~(UINT64_C(1) << i);
        while (flow) {
            struct flow *next = flow->timer_next;
            uint64_t due = tick_at_or_after(t->due_ns(flow));
            t->n--;
            put(t, flow, due > t->tick ? due : t->tick);
            flow = next;
        }
    }
}

struct flow *
flow_timer_take(struct flow_timer *t, uint64_t now_ns)
{
    uint64_t now = now_ns >> FLOW_TIMER_TICK_SHIFT;
    for (;;) {
        struct flow *flow = t->slot[0][t->tick & SLOT_MASK];
        if (flow) {
            flow_timer_remove(t, flow);
            return flow;
        }
        uint64_t next = next_tick(t);
        if (next > now) {
            t->tick = now > t->tick ? now : t->tick;
            return NULL;
        }
        t->tick = next;
        hand_down(t);
    }
}

uint32_t
flow_timer_wait_ms(const struct flow_timer *t, uint64_t now_ns)
{
    if (t->slot[0][t->tick & SLOT_MASK]) {
        return 0;
    }
    uint64_t next = next_tick(t);
    if (next == UINT64_MAX) {
        return UINT32_MAX;
    }
    uint64_t ns = next << FLOW_TIMER_TICK_SHIFT;
    uint64_t ms = ns > now_ns ? (ns - now_ns + 999999) / 1000000 : 0;
    return ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX - 1;
}
