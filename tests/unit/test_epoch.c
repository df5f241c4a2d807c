/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/epoch.h"

static void
an_offline_reader_holds_nobody_up(void **state)
{
    (void) state;
    struct epoch_reader *reader = epoch_reader_new();
    assert_true(epoch_passed(epoch_advance()));
    epoch_reader_free(reader);
}

static void
an_online_reader_is_waited_for(void **state)
{
    (void) state;
    struct epoch_reader *reader = epoch_reader_new();
    epoch_online(reader);
    uint64_t number = epoch_advance();
    assert_false(epoch_passed(number));
    epoch_quiescent(reader);
    assert_true(epoch_passed(number));

    number = epoch_advance();
    assert_false(epoch_passed(number));
    epoch_offline(reader);
    assert_true(epoch_passed(number));
    epoch_reader_free(reader);
}

static unsigned n_freed;

static void
count_free(void *ptr)
{
    free(ptr);
    n_freed++;
}

static void
deferred_objects_are_freed_after_the_grace_period(void **state)
{
    (void) state;
    struct epoch_reader *reader = epoch_reader_new();
    epoch_online(reader);
    n_freed = 0;
    for (int i = 0; i < 1500; i++) {
        epoch_defer(count_free, malloc(1));
    }
    assert_int_equal(epoch_poll(), 1500);
    assert_int_equal(n_freed, 0);
    epoch_quiescent(reader);
    assert_int_equal(epoch_poll(), 0);
    assert_int_equal(n_freed, 1500);
    epoch_offline(reader);
    epoch_reader_free(reader);
}

/* Linked in place of malloc(). */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
static _Atomic bool no_memory;

void *
__wrap_malloc(size_t size)
{
    return atomic_load(&no_memory) ? NULL : __real_malloc(size);
}

static uintptr_t last_called;

static void
must_follow(void *number)
{
    assert_int_equal((uintptr_t) number, last_called + 1);
    last_called++;
}

static void
without_memory_calls_keep_their_order(void **state)
{
    (void) state;
    struct epoch_reader *reader = epoch_reader_new();
    epoch_online(reader);
    uintptr_t n = 0;
    while (n < 510) {    /* a whole block, which waits for the reader */
        epoch_defer(must_follow, (void *) ++n);
    }
    assert_int_equal(epoch_poll(), n);
    epoch_offline(reader);
    atomic_store(&no_memory, true);
    epoch_defer(must_follow, (void *) ++n);
    atomic_store(&no_memory, false);
    assert_int_equal(last_called, n);
    assert_int_equal(epoch_poll(), 0);
    epoch_reader_free(reader);
}

/* Readers follow a pointer that the writer replaces and frees all the time; each object
 * is poisoned before it is freed. */
struct object {
    int alive;
};
static _Atomic(struct object *) published;
static _Atomic bool stop;

static void
poison_and_free(void *ptr)
{
    struct object *object = ptr;
    object->alive = 0;
    free(object);
}

static void *
read_all_the_time(void *arg)
{
    (void) arg;
    struct epoch_reader *reader = epoch_reader_new();
    size_t bad = 0;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        epoch_online(reader);
        for (int j = 0; j < 20; j++) {
            struct object *object = atomic_load_explicit(&published, memory_order_acquire);
            bad += object->alive != 1;
            epoch_quiescent(reader);
        }
        epoch_offline(reader);
    }
    epoch_reader_free(reader);
    return (void *) bad;
}

static void
readers_never_see_what_was_freed(void **state)
{
    (void) state;
    struct object *first = malloc(sizeof *first);
    first->alive = 1;
    atomic_store(&published, first);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, NULL), 0);
    }
    for (int i = 0; i < 20000; i++) {
        struct object *object = malloc(sizeof *object);
        object->alive = 1;
        struct object *old = atomic_exchange(&published, object);
        epoch_defer(poison_and_free, old);
        epoch_poll();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        assert_int_equal((size_t) bad, 0);
    }
    epoch_drain();
    free(atomic_load(&published));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offline_reader_holds_nobody_up),
        cmocka_unit_test(an_online_reader_is_waited_for),
        cmocka_unit_test(deferred_objects_are_freed_after_the_grace_period),
        cmocka_unit_test(without_memory_calls_keep_their_order),
        cmocka_unit_test(readers_never_see_what_was_freed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
