/* SPDX-License-Identifier: Apache-2.0 */
/* Staying awake for a controller that asks again as soon as it has its answer.
 *
 * To go to sleep between two barriers of a controller that waits for each, and to be woken by
 * another CPU, takes longer than all that the barrier needs. So after an answer that came soon
 * after the one before it the loop polls for a moment: everything else goes on meanwhile, and
 * when no request comes in that time it sleeps as always. Controllers that do not ask in
 * lock-step never make it poll.
 *
 * The loop's thread. */
#ifndef OFAGENT_LOCKSTEP_H
#define OFAGENT_LOCKSTEP_H 1

struct event_base;
struct lockstep;

enum {
    LOCKSTEP_POLL_US = 100,      /* polled for so long after an answer ... */
    LOCKSTEP_GAP_US = 250,       /* ... that came at most so long after the one before */
};

/* NULL without memory. */
struct lockstep *lockstep_new(struct event_base *);
void lockstep_free(struct lockstep *);
/* A request that others wait behind was answered. */
void lockstep_answered(struct lockstep *);

#endif /* ofagent/lockstep.h */
