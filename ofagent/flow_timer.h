/* SPDX-License-Identifier: Apache-2.0 */
/* Time-outs of flows: a hierarchical timing wheel.
 *
 * Four levels of 64 slots; a slot of the lowest is one tick (67 ms), one of the next is
 * 64 of those, and so on, which reaches past the longest time-out there is (65535 s).
 * Adding and removing cost the same for any number of flows. An idle time-out that
 * traffic has moved is not touched per packet: when its slot comes up the flow is asked
 * again when it is due.
 *
 * A flow never comes up early, and at most two ticks late. Control thread only. */
#ifndef OFAGENT_FLOW_TIMER_H
#define OFAGENT_FLOW_TIMER_H 1

#include <stddef.h>
#include <stdint.h>

struct flow;

enum { FLOW_TIMER_LEVELS = 4, FLOW_TIMER_SLOTS = 64, FLOW_TIMER_TICK_SHIFT = 26 };

struct flow_timer {
    uint64_t tick;                      /* everything up to here has come up */
    size_t n;                           /* flows in the wheel */
    uint64_t (*due_ns)(const struct flow *);
    uint64_t used[FLOW_TIMER_LEVELS];   /* bitmap: slots with flows */
    struct flow *slot[FLOW_TIMER_LEVELS][FLOW_TIMER_SLOTS];
};

/* 'due_ns' tells when a flow wants to come up, on clock_ns()'s scale, as of now. */
void flow_timer_init(struct flow_timer *, uint64_t now_ns, uint64_t (*due_ns)(const struct flow *));

/* Adds a flow, by its due time; it must not be in the wheel. */
void flow_timer_add(struct flow_timer *, struct flow *);

/* The same, to come up at 'due_ns', or before it. */
void flow_timer_add_at(struct flow_timer *, struct flow *, uint64_t due_ns);

/* Takes a flow out; does nothing if it is not in the wheel. */
void flow_timer_remove(struct flow_timer *, struct flow *);

/* Takes out and returns a flow whose slot has come up by now_ns, NULL when there are no
 * more. Its due time may have moved since: the caller looks. */
struct flow *flow_timer_take(struct flow_timer *, uint64_t now_ns);

/* Milliseconds from now_ns until flow_timer_take() has something to do; UINT32_MAX for
 * an empty wheel. */
uint32_t flow_timer_wait_ms(const struct flow_timer *, uint64_t now_ns);

#endif /* ofagent/flow_timer.h */
