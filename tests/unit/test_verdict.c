/* SPDX-License-Identifier: Apache-2.0 */
/* The list of reasons is sound, and a driver can be built from the contract's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hal/driver.h"

static const enum hal_reason numbers[] = {
#define HAL_REASON(NUMBER, ID, NAME, SUMMARY, REMEDY) HAL_REASON_##ID,
#include "hal/reasons.def"
#undef HAL_REASON
};

enum { N = sizeof numbers / sizeof numbers[0] };

static void
names_and_numbers_are_unique(void **state)
{
    (void) state;
    for (unsigned i = 0; i < N; i++) {
        assert_int_not_equal(numbers[i], 0);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
            assert_string_not_equal(hal_reason_name(numbers[i]), hal_reason_name(numbers[j]));
        }
    }
}

static void
texts_are_sentences(void **state)
{
    (void) state;
    for (unsigned i = 0; i < N; i++) {
        const char *name = hal_reason_name(numbers[i]);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
        const char *texts[] = { hal_reason_summary(numbers[i]), hal_reason_remedy(numbers[i]) };
        for (unsigned j = 0; j < 2; j++) {
            assert_true(strlen(texts[j]) > 4);
            assert_int_equal(texts[j][strlen(texts[j]) - 1], '.');
        }
    }
}

static void
what_is_no_reason_has_no_name(void **state)
{
    (void) state;
    assert_null(hal_reason_name(0));
    assert_null(hal_reason_summary(65535));
    assert_null(hal_reason_remedy(999));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_unique),
        cmocka_unit_test(texts_are_sentences),
        cmocka_unit_test(what_is_no_reason_has_no_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
