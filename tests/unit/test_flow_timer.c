/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/flow_table.h"
#include "ofagent/flow_timer.h"

#define NS_PER_S UINT64_C(1000000000)
#define TICK_NS (UINT64_C(1) << FLOW_TIMER_TICK_SHIFT)
#define START_NS (123456 * NS_PER_S + 789)

/* Here a flow's cookie is when it is due. */
static uint64_t
due(const struct flow *flow)
{
    return flow->cookie;
}

static void
a_flow_comes_up_when_it_is_due_and_not_before(void **state)
{
    (void) state;
    static const uint64_t waits_s[] = {
        1, 2, 4, 5, 60, 261, 262, 263, 300, 3600, 16777, 16778, 65535,
    };
    for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
        struct flow_timer t;
        struct flow flow = { .cookie = START_NS + waits_s[i] * NS_PER_S };
        flow_timer_init(&t, START_NS, due);
        flow_timer_add(&t, &flow);
        assert_null(flow_timer_take(&t, START_NS));
        assert_null(flow_timer_take(&t, flow.cookie - 1));
        assert_ptr_equal(flow_timer_take(&t, flow.cookie + 2 * TICK_NS), &flow);
        assert_null(flow.timer_prev);
        assert_int_equal(t.n, 0);
    }
}

/* Again and again, although it is due: each time it comes up when it was asked for. */
static void
a_flow_that_is_due_can_be_put_off(void **state)
{
    (void) state;
    struct flow_timer t;
    struct flow flow = { .cookie = START_NS + NS_PER_S };
    uint64_t now = START_NS + 2 * NS_PER_S;
    flow_timer_init(&t, START_NS, due);
    flow_timer_add(&t, &flow);
    assert_ptr_equal(flow_timer_take(&t, now), &flow);
    for (unsigned i = 1; i < 100; i++) {
        uint64_t again = now + i * NS_PER_S / 10;
        unsigned n = 0;
        flow_timer_add_at(&t, &flow, again);
        /* Where a coarse slot ends it is asked for its due time, and is early. */
        while (flow_timer_take(&t, again - 1)) {
            assert_true(n++ < 3);
            flow_timer_add_at(&t, &flow, again);
        }
        now = again + 2 * TICK_NS;
        assert_ptr_equal(flow_timer_take(&t, now), &flow);
    }
    assert_int_equal(t.n, 0);
}

static void
a_jump_of_the_clock_brings_all_up(void **state)
{
    (void) state;
    struct flow_timer t;
    struct flow flows[500] = { 0 };
    flow_timer_init(&t, START_NS, due);
    for (unsigned i = 0; i < 500; i++) {
        flows[i].cookie = START_NS + (i * 131 + 1) * NS_PER_S;
        flow_timer_add(&t, &flows[i]);
    }
    unsigned n = 0;
    uint64_t last = 0;
    struct flow *flow;
    while ((flow = flow_timer_take(&t, START_NS + 70000 * NS_PER_S))) {
        assert_true(flow->cookie + TICK_NS >= last);
        last = flow->cookie;
        n++;
    }
    assert_int_equal(n, 500);
}

static void
a_flow_that_was_taken_out_does_not_come_up(void **state)
{
    (void) state;
    struct flow_timer t;
    struct flow flows[3] = { 0 };
    flow_timer_init(&t, START_NS, due);
    for (int i = 0; i < 3; i++) {
        flows[i].cookie = START_NS + 5 * NS_PER_S;
        flow_timer_add(&t, &flows[i]);
    }
    flow_timer_remove(&t, &flows[1]);
    flow_timer_remove(&t, &flows[1]);
    flow_timer_remove(&t, &flows[0]);
    assert_ptr_equal(flow_timer_take(&t, START_NS + 6 * NS_PER_S), &flows[2]);
    assert_null(flow_timer_take(&t, START_NS + 6 * NS_PER_S));
    flow_timer_remove(&t, &flows[2]);
    assert_int_equal(flow_timer_wait_ms(&t, START_NS), UINT32_MAX);
}

/* An idle time-out that packets move: the wheel asks again when its slot comes up or is
 * handed down. */
static void
a_due_time_that_moved_is_found_where_it_is(void **state)
{
    (void) state;
    struct flow_timer t;
    struct flow flow = { .cookie = START_NS + 300 * NS_PER_S };
    flow_timer_init(&t, START_NS, due);
    flow_timer_add(&t, &flow);
    flow.cookie = START_NS + 900 * NS_PER_S;
    uint64_t now = START_NS;
    struct flow *taken;
    while (!(taken = flow_timer_take(&t, now)) || taken->cookie > now) {
        if (taken) {
            flow_timer_add(&t, taken);
        }
        uint32_t ms = flow_timer_wait_ms(&t, now);
        assert_true(ms > 0 && ms < UINT32_MAX);
        now += ms * UINT64_C(1000000);
    }
    assert_true(now >= flow.cookie && now <= flow.cookie + 2 * TICK_NS);
}

/* Against a plain list: whatever is added and removed, each flow comes up once, in its
 * time, when the loop sleeps for as long as it is told. */
static void
it_agrees_with_a_plain_list(void **state)
{
    (void) state;
    enum { N = 300 };
    struct flow_timer t;
    struct flow flows[N] = { 0 };
    unsigned seed = 42;
    uint64_t now = START_NS;
    flow_timer_init(&t, now, due);
    size_t in = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct flow *flow = &flows[rand_r(&seed) % N];
        if (flow->timer_prev) {
            if (rand_r(&seed) % 4 == 0) {
                flow_timer_remove(&t, flow);
                in--;
            }
        } else {
            unsigned scale = rand_r(&seed) % 17;
            flow->cookie = now + (uint64_t) (rand_r(&seed) % (1 << scale) + 1) * NS_PER_S;
            flow_timer_add(&t, flow);
            in++;
        }
        if (rand_r(&seed) % 8 == 0) {
            uint32_t ms = flow_timer_wait_ms(&t, now);
            now += ms == UINT32_MAX ? 0 : (uint64_t) ms * 1000000;
            while ((flow = flow_timer_take(&t, now))) {
                assert_true(flow->cookie <= now);
                in--;
            }
        }
        assert_int_equal(t.n, in);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_true(!flows[i].timer_prev || flows[i].cookie + 2 * TICK_NS >= now);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_comes_up_when_it_is_due_and_not_before),
        cmocka_unit_test(a_flow_that_is_due_can_be_put_off),
        cmocka_unit_test(a_jump_of_the_clock_brings_all_up),
        cmocka_unit_test(a_flow_that_was_taken_out_does_not_come_up),
        cmocka_unit_test(a_due_time_that_moved_is_found_where_it_is),
        cmocka_unit_test(it_agrees_with_a_plain_list),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
