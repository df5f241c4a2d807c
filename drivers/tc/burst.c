/* SPDX-License-Identifier: Apache-2.0 */
/* Many changes at once. As long as somebody listens the kernel makes a message of each, which takes
 * it as long as the change. So the watch does not listen to filters while many are made; what others
 * did meanwhile is seen when the counters are read. */
#include "drivers/tc/tc.h"
#include "lib/clock.h"

enum {
    MANY = 32,                   /* changes in a call */
    QUIET_MS = 20,               /* without as many */
};

void
tc_burst_note(struct tc *tc, size_t n)
{
    if (n < MANY) {
        return;
    }
    if (!tc->in_burst) {
        tc_watch_listen(tc->watch, false);
    }
    tc->in_burst = tc->has_missed = true;
    tc->burst_ms = clock_ms();
}

int
tc_burst_step(struct tc *tc)
{
    uint64_t now_ms = clock_ms();
    if (tc->in_burst && now_ms < tc->burst_ms + QUIET_MS) {
        return (int) (tc->burst_ms + QUIET_MS - now_ms);
    }
    if (tc->in_burst) {
        tc->in_burst = false;
        tc_watch_listen(tc->watch, true);
    }
    return tc->has_missed ? tc_catch_up(tc) : -1;
}
