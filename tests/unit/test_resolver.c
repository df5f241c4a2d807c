/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in threads: answers, answers that come too late, and too many questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/resolver.h"

static sem_t may_answer;
static _Atomic unsigned n_asked, n_left;
static unsigned n_questions;    /* for slow_source() */
static bool is_slow;

struct asker {
    struct event_base *base;
    unsigned n_answers;
    struct resolver_answer answer;
};

static void
done(void *asker_, const struct resolver_answer *answer)
{
    struct asker *asker = asker_;
    asker->n_answers++;
    asker->answer = *answer;
}

/* Waits for the test's leave; knows two hosts. */
static void
slow_source(const char *name, struct resolver_answer *answer)
{
    atomic_fetch_add(&n_asked, 1);
    sem_wait(&may_answer);
    for (uint8_t i = 1; i <= 2 && !strcmp(name, "host.example"); i++) {
        struct sockaddr_in addr = { .sin_family = AF_INET };
        addr.sin_addr.s_addr = htonl(0xc0000200u + i);
        memcpy(&answer->addresses[answer->n_addresses].addr, &addr, sizeof addr);
        answer->addresses[answer->n_addresses++].size = sizeof addr;
    }
    if (!answer->n_addresses) {
        strcpy(answer->why, "nobody knows it");
    }
    atomic_fetch_add(&n_left, 1);
}

static int
set_up(void **state)
{
    static struct asker asker;
    asker = (struct asker) { .base = event_base_new() };
    assert_int_equal(sem_init(&may_answer, 0, 0), 0);
    atomic_store(&n_asked, 0);
    atomic_store(&n_left, 0);
    n_questions = 0;
    is_slow = true;
    resolver_set_source(slow_source);
    *state = &asker;
    return 0;
}

static int
tear_down(void **state)
{
    struct asker *asker = *state;
    /* Threads of questions that were given up may still wait for leave that they have: they
     * must not take that of the next test. */
    while (atomic_load(&n_left) < n_questions) {
        sched_yield();
    }
    event_base_free(asker->base);
    resolver_set_source(NULL);
    return 0;
}

/* One turn of the loop that waits for something to happen. */
static void
turn(struct asker *asker)
{
    event_base_loop(asker->base, EVLOOP_ONCE);
}

static struct resolver_query *
ask(struct asker *asker, const char *name)
{
    struct errmsg err;
    struct resolver_query *query;
    while (!(query = resolver_ask(asker->base, name, done, asker, &err))) {
        sched_yield();                       /* the last thread of the test before ends */
    }
    n_questions += is_slow;
    return query;
}

static void
an_answer_comes_while_the_loop_goes_on(void **state)
{
    struct asker *asker = *state;
    ask(asker, "host.example");
    event_base_loop(asker->base, EVLOOP_NONBLOCK);
    assert_int_equal(asker->n_answers, 0);
    sem_post(&may_answer);
    turn(asker);
    assert_int_equal(asker->n_answers, 1);
    assert_int_equal(asker->answer.n_addresses, 2);
    struct sockaddr_in addr;
    char text[INET_ADDRSTRLEN];
    memcpy(&addr, &asker->answer.addresses[1].addr, sizeof addr);
    assert_string_equal(inet_ntop(AF_INET, &addr.sin_addr, text, sizeof text), "192.0.2.2");
}

static void
no_answer_says_why(void **state)
{
    struct asker *asker = *state;
    ask(asker, "elsewhere.example");
    sem_post(&may_answer);
    turn(asker);
    assert_int_equal(asker->answer.n_addresses, 0);
    assert_string_equal(asker->answer.why, "nobody knows it");
}

static void
what_is_given_up_is_forgotten(void **state)
{
    struct asker *asker = *state;
    struct resolver_query *query = ask(asker, "host.example");
    resolver_cancel(query);
    resolver_cancel(NULL);
    sem_post(&may_answer);
    ask(asker, "elsewhere.example");
    sem_post(&may_answer);
    turn(asker);
    assert_int_equal(asker->n_answers, 1);
    assert_int_equal(asker->answer.n_addresses, 0);
}

/* Those that are given up count until their threads end. */
static void
there_are_only_so_many_at_a_time(void **state)
{
    struct asker *asker = *state;
    struct errmsg err;
    for (int i = 0; i < RESOLVER_MAX; i++) {
        struct resolver_query *query = ask(asker, "host.example");
        if (i % 2) {
            resolver_cancel(query);
        }
    }
    uint64_t before = counter_read(COUNTER_resolver_busy);
    assert_null(resolver_ask(asker->base, "host.example", done, asker, &err));
    assert_non_null(strstr(err.text, "looking up host.example: 8 questions"));
    assert_int_equal(counter_read(COUNTER_resolver_busy) - before, 1);
    for (int i = 0; i < RESOLVER_MAX; i++) {
        sem_post(&may_answer);
    }
    while (asker->n_answers < RESOLVER_MAX / 2) {
        turn(asker);
    }
    struct resolver_query *query;
    while (!(query = resolver_ask(asker->base, "host.example", done, asker, &err))) {
        sched_yield();                       /* the last of the others ends */
    }
    n_questions++;
    sem_post(&may_answer);
    turn(asker);
    assert_int_equal(asker->n_answers, RESOLVER_MAX / 2 + 1);
}

static void
the_system_is_asked(void **state)
{
    struct asker *asker = *state;
    resolver_set_source(NULL);
    is_slow = false;
    ask(asker, "127.0.0.1");                 /* no server is needed for that */
    turn(asker);
    assert_int_equal(asker->answer.n_addresses, 1);
    assert_int_equal(asker->answer.addresses[0].addr.ss_family, AF_INET);
    ask(asker, "not a name");
    turn(asker);
    assert_int_equal(asker->answer.n_addresses, 0);
    assert_true(asker->answer.why[0]);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_while_the_loop_goes_on),
        TEST(no_answer_says_why),
        TEST(what_is_given_up_is_forgotten),
        TEST(there_are_only_so_many_at_a_time),
        TEST(the_system_is_asked),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
