/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>

#include "lib/hash.h"

static void
the_seed_stays(void **state)
{
    (void) state;
    assert_true(hash_seed() == hash_seed());
    assert_true(hash_word(1, 2) == hash_word(1, 2));
}

enum { N_BUCKETS = 1024, N_KEYS = 100 * N_BUCKETS };

/* Chi-squared over the buckets that some ten bits of the hash give. For 1023 degrees of
 * freedom the mean is 1023 and the deviation 45: 1323 is over six deviations off. */
static void
expect_even(uint64_t stride, uint64_t seed, unsigned shift)
{
    static unsigned buckets[N_BUCKETS];
    for (int i = 0; i < N_BUCKETS; i++) {
        buckets[i] = 0;
    }
    for (uint64_t i = 0; i < N_KEYS; i++) {
        buckets[(hash_word(i * stride, seed) >> shift) % N_BUCKETS]++;
    }
    double chi = 0;
    for (int i = 0; i < N_BUCKETS; i++) {
        double diff = buckets[i] - 100.0;
        chi += diff * diff / 100.0;
    }
    if (chi > 1323) {
        fail_msg("stride %llx, seed %llx, shift %u: chi squared %g", (unsigned long long) stride,
                 (unsigned long long) seed, shift, chi);
    }
}

/* Keys as they come: counters in each byte of a word, so that low, high and middle bits
 * change alone. */
static void
regular_keys_spread_evenly(void **state)
{
    (void) state;
    static const uint64_t seeds[] = { 0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0 };
    for (unsigned byte = 0; byte < 6; byte++) {
        for (unsigned s = 0; s < 3; s++) {
            for (unsigned shift = 0; shift <= 54; shift += 27) {
                expect_even(UINT64_C(1) << 8 * byte, seeds[s], shift);
            }
        }
    }
}

/* One bit of the key changes half the bits of the hash, whichever it is. */
static void
each_bit_counts(void **state)
{
    (void) state;
    for (unsigned bit = 0; bit < 64; bit++) {
        unsigned flipped = 0;
        for (uint64_t i = 0; i < 256; i++) {
            uint64_t key = i * UINT64_C(0x9e3779b97f4a7c15);
            flipped += (unsigned) __builtin_popcountll(hash_word(key, 77)
                                                       ^ hash_word(key ^ UINT64_C(1) << bit, 77));
        }
        assert_in_range(flipped, 256 * 27, 256 * 37);
    }
}

static void
the_seed_changes_the_hash(void **state)
{
    (void) state;
    unsigned same = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        same += hash_word(i, 1) % 64 == hash_word(i, 2) % 64;
    }
    /* One in 64 by chance: 156 of 10000. */
    assert_in_range(same, 80, 240);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_stays),
        cmocka_unit_test(regular_keys_spread_evenly),
        cmocka_unit_test(each_bit_counts),
        cmocka_unit_test(the_seed_changes_the_hash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
