/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 };

static void
values_are_big_endian(void **state)
{
    (void) state;
    struct reader r;
    reader_init(&r, bytes, sizeof bytes);
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    uint8_t out[2];
    reader_bytes(&r, out, 2);
    assert_int_equal(out[0], 16);
    assert_int_equal(reader_left(&r), 1);
    reader_skip(&r, 1);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
}

/* Each kind of read, one byte short of what it needs, from exact heap copies so that a
 * sanitizer sees an overrun. */
static void
a_failure_sticks_and_gives_zeros(void **state)
{
    (void) state;
    const size_t sizes[] = { 1, 2, 4, 8, 5, 6 };
    for (unsigned kind = 0; kind < 6; kind++) {
        size_t size = sizes[kind] - 1;
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, bytes, size);
        struct reader r;
        reader_init(&r, copy, size);
        uint8_t out[5] = { 9, 9, 9, 9, 9 };
        switch (kind) {
        case 0: assert_int_equal(reader_u8(&r), 0); break;
        case 1: assert_int_equal(reader_u16(&r), 0); break;
        case 2: assert_int_equal(reader_u32(&r), 0); break;
        case 3: assert_true(reader_u64(&r) == 0); break;
        case 4: reader_bytes(&r, out, 5); assert_int_equal(out[0] | out[4], 0); break;
        case 5: reader_skip(&r, 6); break;
        }
        assert_true(r.failed);
        assert_int_equal(reader_left(&r), 0);
        assert_int_equal(reader_u8(&r), 0);
        reader_bytes(&r, out, 0);
        assert_true(r.failed);
        free(copy);
    }
}

static void
a_huge_size_does_not_overflow(void **state)
{
    (void) state;
    struct reader r;
    reader_init(&r, bytes, sizeof bytes);
    reader_u8(&r);
    reader_skip(&r, SIZE_MAX);
    assert_true(r.failed);
}

static void
a_sub_reader_ends_where_it_should(void **state)
{
    (void) state;
    struct reader r;
    reader_init(&r, bytes, sizeof bytes);
    struct reader sub = reader_sub(&r, 3);
    assert_int_equal(reader_u16(&sub), 0x0102);
    assert_int_equal(reader_u16(&sub), 0);
    assert_true(sub.failed);
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 4);

    struct reader empty = reader_sub(&r, 0);
    assert_false(empty.failed);
    assert_int_equal(reader_left(&empty), 0);

    struct reader too_long = reader_sub(&r, 100);
    assert_true(too_long.failed);
    assert_true(r.failed);
    assert_int_equal(reader_left(&too_long), 0);
    assert_true(reader_sub(&r, 0).failed);
}

static void
an_empty_reader_is_fine(void **state)
{
    (void) state;
    struct reader r;
    reader_init(&r, NULL, 0);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
}

static void
what_is_written_reads_back(void **state)
{
    (void) state;
    struct writer w;
    writer_init(&w);
    for (unsigned i = 0; i < 1000; i++) {
        size_t begin = w.size;
        writer_u8(&w, (uint8_t) i);
        writer_u16(&w, 0);
        writer_u32(&w, i * 0x01010101u);
        writer_u64(&w, i * UINT64_C(0x0123456789abcdef));
        writer_bytes(&w, bytes, i % sizeof bytes);
        writer_zeros(&w, i % 5);
        uint8_t *room = writer_reserve(&w, 1);
        assert_non_null(room);
        *room = 0xee;
        writer_patch_u16(&w, begin + 1, (uint16_t) (w.size - begin));
    }
    assert_false(w.failed);
    struct reader r;
    reader_init(&r, w.data, w.size);
    for (unsigned i = 0; i < 1000; i++) {
        size_t left = reader_left(&r);
        assert_int_equal(reader_u8(&r), (uint8_t) i);
        size_t size = reader_u16(&r);
        assert_int_equal(reader_u32(&r), i * 0x01010101u);
        assert_true(reader_u64(&r) == i * UINT64_C(0x0123456789abcdef));
        const uint8_t *p = reader_take(&r, i % sizeof bytes);
        assert_memory_equal(p, bytes, i % sizeof bytes);
        for (unsigned j = 0; j < i % 5; j++) {
            assert_int_equal(reader_u8(&r), 0);
        }
        assert_int_equal(reader_u8(&r), 0xee);
        assert_int_equal(left - reader_left(&r), size);
    }
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);

    size_t capacity = w.capacity;
    writer_clear(&w);
    assert_int_equal(w.size, 0);
    assert_int_equal(w.capacity, capacity);
    writer_fini(&w);
    assert_null(w.data);
    writer_fini(&w);
}

static void
a_writer_without_memory_fails_and_stays_whole(void **state)
{
    (void) state;
    struct writer w;
    writer_init(&w);
    writer_u16(&w, 0x1234);
    assert_null(writer_reserve(&w, SIZE_MAX - 1));
    assert_true(w.failed);
    assert_int_equal(w.size, 2);
    writer_u8(&w, 1);
    writer_bytes(&w, bytes, 3);
    writer_patch_u16(&w, 0, 0x5678);
    assert_int_equal(w.size, 2);
    assert_int_equal(w.data[0], 0x12);
    writer_clear(&w);
    writer_u8(&w, 7);
    assert_int_equal(w.size, 1);
    writer_fini(&w);
}

static void
a_patch_outside_of_what_was_written_does_nothing(void **state)
{
    (void) state;
    struct writer w;
    writer_init(&w);
    writer_u16(&w, 1);
    writer_patch_u16(&w, 1, 0xffff);
    writer_patch_u16(&w, SIZE_MAX, 0xffff);
    assert_int_equal(w.data[1], 1);
    writer_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_big_endian),
        cmocka_unit_test(a_failure_sticks_and_gives_zeros),
        cmocka_unit_test(a_huge_size_does_not_overflow),
        cmocka_unit_test(a_sub_reader_ends_where_it_should),
        cmocka_unit_test(an_empty_reader_is_fine),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_writer_without_memory_fails_and_stays_whole),
        cmocka_unit_test(a_patch_outside_of_what_was_written_does_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
