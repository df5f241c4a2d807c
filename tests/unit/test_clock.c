/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>

#include "lib/clock.h"

static void
time_never_goes_back_and_is_never_0(void **state)
{
    (void) state;
    uint64_t last = clock_ns();
    assert_true(last > 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_ms() >= last / 1000000);
}

static uint64_t
fake(void)
{
    return 5999999;
}

static void
a_test_can_set_the_time(void **state)
{
    (void) state;
    clock_set_source(fake);
    assert_int_equal(clock_ns(), 5999999);
    assert_int_equal(clock_ms(), 5);
    clock_set_source(NULL);
    assert_int_not_equal(clock_ns(), 5999999);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_never_goes_back_and_is_never_0),
        cmocka_unit_test(a_test_can_set_the_time),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
