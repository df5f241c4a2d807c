/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/lockstep.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/clock.h"

struct lockstep {
    struct event *poll;          /* at once, again and again: the loop does not sleep */
    uint64_t answered_ns;        /* 0: never */
};

static void
go_on(struct lockstep *lockstep)
{
    evtimer_add(lockstep->poll, &(struct timeval) { 0 });
}

static void
polled(evutil_socket_t fd, short what, void *aux)
{
    struct lockstep *lockstep = aux;
    (void) fd;
    (void) what;
    if (clock_ns() - lockstep->answered_ns < LOCKSTEP_POLL_US * UINT64_C(1000)) {
        go_on(lockstep);
    }
}

struct lockstep *
lockstep_new(struct event_base *base)
{
    struct lockstep *lockstep = calloc(1, sizeof *lockstep);
    if (lockstep) {
        lockstep->poll = evtimer_new(base, polled, lockstep);
    }
    if (lockstep && !lockstep->poll) {
        free(lockstep);
        lockstep = NULL;
    }
    return lockstep;
}

void
lockstep_free(struct lockstep *lockstep)
{
    if (lockstep) {
        event_free(lockstep->poll);
        free(lockstep);
    }
}

void
lockstep_answered(struct lockstep *lockstep)
{
    uint64_t now_ns = clock_ns();
    if (now_ns - lockstep->answered_ns < LOCKSTEP_GAP_US * UINT64_C(1000)) {
        go_on(lockstep);
    }
    lockstep->answered_ns = now_ns;
}
