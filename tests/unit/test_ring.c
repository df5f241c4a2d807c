/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ring.h"

static void
put(struct ring *ring, const char *text)
{
    char *room = ring_reserve(ring, strlen(text));
    assert_non_null(room);
    memcpy(room, text, strlen(text));
    ring_commit(ring);
}

static void
expect(struct ring *ring, const char *text)
{
    size_t size;
    const char *record = ring_peek(ring, &size);
    assert_non_null(record);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(record, text, size);
    ring_consume(ring);
}

static void
records_come_out_in_order(void **state)
{
    (void) state;
    struct ring *ring = ring_new(256);
    size_t size;
    assert_true(ring_empty(ring));
    assert_null(ring_peek(ring, &size));
    put(ring, "one");
    put(ring, "");
    put(ring, "three and something");
    assert_false(ring_empty(ring));
    expect(ring, "one");
    expect(ring, "");
    expect(ring, "three and something");
    assert_true(ring_empty(ring));
    ring_consume(ring);
    assert_true(ring_empty(ring));
    ring_free(ring);
    ring_free(NULL);
}

static void
what_is_not_committed_is_not_seen(void **state)
{
    (void) state;
    struct ring *ring = ring_new(256);
    assert_non_null(ring_reserve(ring, 10));
    assert_true(ring_empty(ring));
    /* The second reservation takes the first one's place. */
    char *room = ring_reserve(ring, 3);
    memcpy(room, "abc", 3);
    ring_commit(ring);
    ring_commit(ring);
    expect(ring, "abc");
    assert_true(ring_empty(ring));
    /* A reservation that failed leaves nothing to commit. */
    assert_non_null(ring_reserve(ring, 10));
    assert_null(ring_reserve(ring, 1000));
    ring_commit(ring);
    assert_true(ring_empty(ring));
    ring_free(ring);
}

static void
a_full_ring_refuses_and_then_takes_again(void **state)
{
    (void) state;
    struct ring *ring = ring_new(64);
    for (int i = 0; i < 4; i++) {
        put(ring, "8 bytes.");
    }
    assert_null(ring_reserve(ring, 0));
    expect(ring, "8 bytes.");
    assert_null(ring_reserve(ring, 9));
    put(ring, "again");
    assert_null(ring_reserve(ring, 0));
    ring_free(ring);
}

static void
the_largest_record_fits_an_empty_ring_wherever_it_stands(void **state)
{
    (void) state;
    struct ring *ring = ring_new(1000);
    size_t max = ring_max_record(ring), size;
    assert_int_equal(max, 1024 / 2 - 8);
    assert_null(ring_reserve(ring, max + 1));
    assert_null(ring_reserve(ring, SIZE_MAX));
    for (int i = 0; i < 300; i++) {
        put(ring, &"moves the position on by some bytes"[i % 35]);
        ring_consume(ring);
        uint8_t *room = ring_reserve(ring, max);
        assert_non_null(room);
        assert_int_equal((uintptr_t) room % 8, 0);
        memset(room, i, max);
        ring_commit(ring);
        const uint8_t *record = ring_peek(ring, &size);
        assert_int_equal(size, max);
        for (size_t j = 0; j < max; j++) {
            assert_int_equal(record[j], (uint8_t) i);
        }
        ring_consume(ring);
        assert_true(ring_empty(ring));
    }
    ring_free(ring);
}

static void
an_absurd_capacity_is_refused(void **state)
{
    (void) state;
    assert_null(ring_new(SIZE_MAX));
}

/* A producer and a consumer at full speed: each record's bytes and size follow from its
 * number. */
enum { N_RECORDS = 60000 };

static size_t
size_of_record(unsigned i)
{
    return i % 97 ? i * 7 % 200 : i * 31 % 4000;
}

static void *
produce(void *arg)
{
    struct ring *ring = arg;
    for (unsigned i = 0; i < N_RECORDS; i++) {
        size_t size = size_of_record(i);
        uint8_t *room;
        while (!(room = ring_reserve(ring, size))) {
            sched_yield();
        }
        memset(room, (int) i, size);
        ring_commit(ring);
    }
    return NULL;
}

static void
nothing_is_lost_or_torn_between_threads(void **state)
{
    (void) state;
    struct ring *ring = ring_new(16384);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, ring), 0);
    unsigned bad = 0;
    for (unsigned i = 0; i < N_RECORDS; i++) {
        size_t size;
        const uint8_t *record;
        while (!(record = ring_peek(ring, &size))) {
            sched_yield();
        }
        bad += size != size_of_record(i);
        for (size_t j = 0; j < size; j++) {
            bad += record[j] != (uint8_t) i;
        }
        ring_consume(ring);
    }
    pthread_join(thread, NULL);
    assert_int_equal(bad, 0);
    assert_true(ring_empty(ring));
    ring_free(ring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_in_order),
        cmocka_unit_test(what_is_not_committed_is_not_seen),
        cmocka_unit_test(a_full_ring_refuses_and_then_takes_again),
        cmocka_unit_test(the_largest_record_fits_an_empty_ring_wherever_it_stands),
        cmocka_unit_test(an_absurd_capacity_is_refused),
        cmocka_unit_test(nothing_is_lost_or_torn_between_threads),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
