/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"

static struct loop *loop;
static char order[64];
static char a_text[] = "a", b_text[] = "b", gone_text[] = "gone", end_text[] = ".";

static int
setup(void **state)
{
    (void) state;
    order[0] = '\0';
    loop = loop_new(NULL);
    return !loop;
}

static int
teardown(void **state)
{
    (void) state;
    loop_free(loop);
    return 0;
}

/* Callbacks write their letter; "." stops the loop. */
static void
note(void *aux)
{
    strcat(order, aux);
    if (*(char *) aux == '.') {
        loop_stop(loop);
    }
}

static void
timers_fire_in_time_order(void **state)
{
    (void) state;
    struct loop_timer *a = loop_timer_new(loop, note, a_text);
    struct loop_timer *b = loop_timer_new(loop, note, b_text);
    struct loop_timer *end = loop_timer_new(loop, note, end_text);
    loop_timer_set(end, 60);
    loop_timer_set(b, 20);
    loop_timer_set(a, 1);
    assert_true(loop_timer_is_set(a));
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "ab.");
    assert_false(loop_timer_is_set(a));
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(end);
    loop_timer_free(NULL);
}

static void
a_timer_is_cancelled_and_replaced(void **state)
{
    (void) state;
    struct loop_timer *a = loop_timer_new(loop, note, a_text);
    struct loop_timer *b = loop_timer_new(loop, note, b_text);
    struct loop_timer *end = loop_timer_new(loop, note, end_text);
    loop_timer_set(a, 0);
    loop_timer_cancel(a);
    assert_false(loop_timer_is_set(a));
    loop_timer_set(b, UINT64_MAX);
    loop_timer_set(b, 1);
    loop_timer_set(end, 30);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "b.");
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(end);
}

static struct loop_timer *periodic;

static void
three_times(void *aux)
{
    (void) aux;
    strcat(order, "p");
    if (strlen(order) == 3) {
        loop_timer_cancel(periodic);
        loop_stop(loop);
    }
}

static void
a_periodic_timer_goes_on_until_cancelled(void **state)
{
    (void) state;
    periodic = loop_timer_new(loop, three_times, NULL);
    loop_timer_set_periodic(periodic, 0);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "ppp");
    assert_false(loop_timer_is_set(periodic));
    /* Set once again, it fires once. */
    struct loop_timer *end = loop_timer_new(loop, note, end_text);
    loop_timer_set(periodic, 0);
    loop_timer_set(end, 20);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "pppp.");
    loop_timer_free(end);
    loop_timer_free(periodic);
}

static void
free_itself(void *aux)
{
    (void) aux;
    loop_timer_free(periodic);
    loop_stop(loop);
}

static void
a_timer_may_free_itself(void **state)
{
    (void) state;
    periodic = loop_timer_new(loop, free_itself, NULL);
    loop_timer_set_periodic(periodic, 1);
    assert_int_equal(loop_run(loop), 0);
}

static void
call_again(void *aux)
{
    strcat(order, aux);
    assert_int_equal(loop_call(loop, note, end_text), 0);
}

static void
deferred_calls_run_in_order_and_once(void **state)
{
    (void) state;
    assert_int_equal(loop_call(loop, note, a_text), 0);
    assert_int_equal(loop_call(loop, call_again, b_text), 0);
    assert_int_equal(loop_call(loop, note, a_text), 0);
    assert_string_equal(order, "");
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "aba.");
    assert_int_equal(loop_poll(loop), 0);
    assert_string_equal(order, "aba.");
}

static void
cancel_the_next(void *aux)
{
    strcat(order, aux);
    loop_call_cancel(loop, note, gone_text);
}

static void
deferred_calls_can_be_cancelled(void **state)
{
    (void) state;
    loop_call(loop, note, gone_text);
    loop_call_cancel(loop, note, gone_text);
    loop_call(loop, note, a_text);
    loop_call(loop, cancel_the_next, b_text);
    loop_call(loop, note, gone_text);
    loop_call(loop, note, end_text);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "ab.");
    /* What never runs is freed with the loop. */
    loop_call(loop, note, gone_text);
}

static void
stopping_first_returns_at_once(void **state)
{
    (void) state;
    loop_call(loop, note, a_text);
    loop_stop(loop);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "");
    /* What was deferred is not lost. */
    assert_int_equal(loop_poll(loop), 0);
    assert_string_equal(order, "a");
}

static void
defer_and_stop(void *aux)
{
    (void) aux;
    loop_call(loop, note, a_text);
    loop_stop(loop);
}

static void
what_is_deferred_before_a_stop_waits_for_the_next_run(void **state)
{
    (void) state;
    struct loop_timer *stop = loop_timer_new(loop, defer_and_stop, NULL);
    struct loop_timer *end = loop_timer_new(loop, note, end_text);
    loop_timer_set(stop, 0);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "");
    loop_timer_set(end, 20);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "a.");
    loop_timer_free(stop);
    loop_timer_free(end);
}

static void
got_signal(void *aux, int number)
{
    assert_int_equal(number, SIGUSR1);
    note(aux);
}

static void
signals_come_through_the_loop(void **state)
{
    (void) state;
    struct loop_signal *signal = loop_signal_new(loop, SIGUSR1, got_signal, end_text);
    assert_non_null(signal);
    for (int i = 0; i < 2; i++) {
        raise(SIGUSR1);
        assert_int_equal(loop_run(loop), 0);
    }
    assert_string_equal(order, "..");
    loop_signal_free(signal);
    loop_signal_free(NULL);
}

static void
read_one(void *aux, int fd)
{
    char c[2] = { 0 };
    (void) aux;
    assert_int_equal(read(fd, c, 1), 1);
    note(c);
}

static void
a_readable_fd_is_told_until_it_is_read(void **state)
{
    (void) state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct loop_watch *watch = loop_watch_new(loop, fds[0], read_one, NULL);
    assert_non_null(watch);
    assert_int_equal(loop_poll(loop), 0);
    assert_string_equal(order, "");
    assert_int_equal(write(fds[1], "abc.", 4), 4);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(order, "abc.");
    loop_watch_free(watch);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(loop_poll(loop), 0);
    assert_string_equal(order, "abc.");
    close(fds[0]);
    close(fds[1]);
    loop_watch_free(NULL);
    /* An fd that is not one; libevent's own warning goes to the log. */
    log_set_level("loop:error", NULL);
    assert_null(loop_watch_new(loop, 12345, read_one, NULL));
}

enum { N_CALLS = 5000 };
static unsigned n_called;

static void
count_call(void *aux)
{
    (void) aux;
    if (++n_called == 2 * N_CALLS) {
        loop_stop(loop);
    }
}

static void *
call_a_lot(void *arg)
{
    (void) arg;
    for (int i = 0; i < N_CALLS; i++) {
        loop_call(loop, count_call, NULL);
    }
    return NULL;
}

static void
other_threads_wake_the_loop(void **state)
{
    (void) state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_a_lot, NULL), 0);
    }
    assert_int_equal(loop_run(loop), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(n_called, 2 * N_CALLS);
}

int
main(void)
{
#define TEST(FUNCTION) cmocka_unit_test_setup_teardown(FUNCTION, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_time_order),
        TEST(a_timer_is_cancelled_and_replaced),
        TEST(a_periodic_timer_goes_on_until_cancelled),
        TEST(a_timer_may_free_itself),
        TEST(deferred_calls_run_in_order_and_once),
        TEST(deferred_calls_can_be_cancelled),
        TEST(stopping_first_returns_at_once),
        TEST(what_is_deferred_before_a_stop_waits_for_the_next_run),
        TEST(signals_come_through_the_loop),
        TEST(a_readable_fd_is_told_until_it_is_read),
        TEST(other_threads_wake_the_loop),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    loop_free(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
