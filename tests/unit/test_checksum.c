/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sw-datapath/checksum.h"

/* The definition, byte by byte: the field's value in host order. */
static uint16_t
naive_checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += i & 1 ? data[i] : (uint32_t) data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) ~sum;
}

static void
the_example_of_rfc_1071(void **state)
{
    (void) state;
    static const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    struct be16 field = checksum_finish(checksum_add(0, data, sizeof data));
    assert_int_equal(be16_to_host(field), (uint16_t) ~0xddf2);
}

static void
sums_are_right_at_any_size_and_alignment(void **state)
{
    (void) state;
    srand(2);
    for (uint32_t size = 0; size < 300; size++) {
        for (uint32_t align = 0; align < 8; align++) {
            uint8_t *buffer = malloc(align + size + 1);
            for (uint32_t i = 0; i < size; i++) {
                buffer[align + i] = rand() % 3 ? (uint8_t) rand() : 0xff;
            }
            uint8_t *exact = malloc(size ? size : 1);
            memcpy(exact, buffer + align, size);
            uint16_t want = naive_checksum(exact, size);
            uint32_t split = size ? (uint32_t) rand() % size & ~1u : 0;
            uint64_t sum = checksum_add(0, exact, split);
            sum = checksum_add(sum, exact + split, size - split);
            assert_int_equal(be16_to_host(checksum_finish(sum)), want);
            sum = checksum_add(0, buffer + align, size);
            assert_int_equal(be16_to_host(checksum_finish(sum)), want);
            free(exact);
            free(buffer);
        }
    }
}

static void
long_sums_do_not_overflow(void **state)
{
    (void) state;
    size_t size = 1 << 17;
    uint8_t *ones = malloc(size);
    memset(ones, 0xff, size);
    assert_int_equal(checksum_finish(checksum_add(0, ones, size)).raw, 0);
    free(ones);
    assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
    assert_int_equal(checksum_fold(UINT64_C(0xffffffff00000001)), 1);
    assert_int_equal(checksum_fold(0), 0);
}

/* A field that is right stays right, to the bit: RFC 1624's corner cases are those in
 * which a sum is 0 or 0xffff. */
static void
updates_equal_sums_from_scratch(void **state)
{
    (void) state;
    static const uint16_t corners[] = { 0x0000, 0x0001, 0xffff, 0xfffe, 0x8000, 0x7fff, 0x5555 };
    srand(3);
    for (int round = 0; round < 200000; round++) {
        uint8_t data[20];
        for (size_t i = 0; i < sizeof data; i += 2) {
            uint16_t word = rand() & 1 ? corners[(uint32_t) rand() % 7] : (uint16_t) rand();
            memcpy(data + i, &word, 2);
        }
        data[0] = 0x45; /* not all zeros, as no IP header or pseudo-header is */
        struct be16 field = be16_from_host(naive_checksum(data, sizeof data));
        struct be16 sum = { (uint16_t) ~field.raw };
        uint16_t now16 = corners[(uint32_t) rand() % 7];
        uint32_t now32 = (uint32_t) now16 << 16 | corners[(uint32_t) rand() % 7];
        struct be16 old2;
        struct be32 old4;
        memcpy(&old2, data + 2, 2);
        memcpy(data + 2, &now16, 2);
        field = checksum_update_be16(field, old2, (struct be16) { now16 });
        sum = checksum_sum_update_be16(sum, old2, (struct be16) { now16 });
        assert_int_equal(be16_to_host(field), naive_checksum(data, sizeof data));
        memcpy(&old4, data + 8, 4);
        memcpy(data + 8, &now32, 4);
        field = checksum_update_be32(field, old4, (struct be32) { now32 });
        sum = checksum_sum_update_be32(sum, old4, (struct be32) { now32 });
        assert_int_equal(be16_to_host(field), naive_checksum(data, sizeof data));
        assert_int_equal(sum.raw, (uint16_t) ~field.raw);
    }
}

static void
the_pseudo_header_counts(void **state)
{
    (void) state;
    /* 10.0.0.1 > 10.0.0.2, UDP, 9 bytes of it: ports 1 and 2, length 9, "x". */
    static const uint8_t pseudo[] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 9,
                                      0, 1, 0, 2, 0, 9, 0, 0, 'x' };
    uint64_t sum = checksum_add(0, pseudo, 8);
    sum = checksum_add_pseudo(sum, 17, 9);
    sum = checksum_add(sum, pseudo + 12, 9);
    assert_int_equal(be16_to_host(checksum_finish(sum)), naive_checksum(pseudo, sizeof pseudo));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_1071),
        cmocka_unit_test(sums_are_right_at_any_size_and_alignment),
        cmocka_unit_test(long_sums_do_not_overflow),
        cmocka_unit_test(updates_equal_sums_from_scratch),
        cmocka_unit_test(the_pseudo_header_counts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
