/* SPDX-License-Identifier: Apache-2.0 */
/* The loop stays awake between requests in lock-step, and for no longer. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "ofagent/lockstep.h"

static uint64_t now_us;
static struct event_base *base;
static struct lockstep *lockstep;

static uint64_t
now(void)
{
    return now_us * 1000;
}

static int
set_up(void **state)
{
    (void) state;
    now_us = 1000000;
    clock_set_source(now);
    base = event_base_new();
    lockstep = lockstep_new(base);
    return !base || !lockstep;
}

static int
tear_down(void **state)
{
    (void) state;
    lockstep_free(lockstep);
    event_base_free(base);
    clock_set_source(NULL);
    return 0;
}

static bool
is_awake(void)
{
    return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0;
}

/* An answer 'us' after what came before. */
static void
answer(uint64_t us)
{
    now_us += us;
    lockstep_answered(lockstep);
}

static void
single_requests_let_it_sleep(void **state)
{
    (void) state;
    answer(0);
    assert_false(is_awake());
    answer(LOCKSTEP_GAP_US);
    assert_false(is_awake());
    answer(1000);
    assert_false(is_awake());
}

static void
lock_step_keeps_it_awake_for_a_moment(void **state)
{
    (void) state;
    answer(0);
    answer(LOCKSTEP_GAP_US - 1);
    for (unsigned us = 0; us < LOCKSTEP_POLL_US; us += 10) {
        assert_true(is_awake());
        event_base_loop(base, EVLOOP_ONCE);    /* comes back at once */
        now_us += 10;
    }
    event_base_loop(base, EVLOOP_ONCE);
    assert_false(is_awake());
    answer(0);
    assert_true(is_awake());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(single_requests_let_it_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lock_step_keeps_it_awake_for_a_moment, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
