/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "lib/counters.h"

static void
rows_have_unique_names_and_help(void **state)
{
    (void) state;
    for (int i = 0; i < N_COUNTERS; i++) {
        const char *name = counter_name((enum counter) i);
        assert_true(strlen(name) > 0);
        assert_true(strlen(counter_help((enum counter) i)) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(name, counter_name((enum counter) j));
        }
    }
}

static void
counting_adds_to_one_counter_alone(void **state)
{
    (void) state;
    uint64_t before[N_COUNTERS];
    for (int i = 0; i < N_COUNTERS; i++) {
        before[i] = counter_read((enum counter) i);
    }
    counter_inc((enum counter) 0);
    counter_add((enum counter) (N_COUNTERS - 1), 41);
    for (int i = 0; i < N_COUNTERS; i++) {
        uint64_t expected = before[i] + (i == 0) + (i == N_COUNTERS - 1 ? 41 : 0);
        assert_true(counter_read((enum counter) i) == expected);
    }
}

enum { N_THREADS = 4, N_EVENTS = 20000 };

/* Two threads have slots of their own, one an impossible one, one none at all. */
static void *
count(void *arg)
{
    int thread = *(int *) arg;
    if (thread < 3) {
        counters_thread_register(thread < 2 ? (unsigned) thread + 1 : COUNTERS_MAX_THREADS);
    }
    for (int i = 0; i < N_EVENTS; i++) {
        counter_inc((enum counter) 0);
    }
    return NULL;
}

static void
nothing_is_lost_between_threads(void **state)
{
    (void) state;
    pthread_t threads[N_THREADS];
    int numbers[N_THREADS];
    uint64_t before = counter_read((enum counter) 0), last = before;
    for (int i = 0; i < N_THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, count, &numbers[i]), 0);
    }
    for (int i = 0; i < 1000; i++) {
        uint64_t now = counter_read((enum counter) 0);
        assert_true(now >= last);
        last = now;
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(counter_read((enum counter) 0) == before + (uint64_t) N_THREADS * N_EVENTS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_unique_names_and_help),
        cmocka_unit_test(counting_adds_to_one_counter_alone),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
