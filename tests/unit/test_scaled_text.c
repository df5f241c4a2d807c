/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/scaled_text.h"

static void
numbers_have_units(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {
        { "0", 0 }, { "7", 7 }, { "1500", 1500 }, { "10k", 10000 }, { "10K", 10000 },
        { "3M", 3000000 }, { "1G", 1000000000 }, { "2T", 2000000000000 },
        { "999999999999999999", 999999999999999999 }, { "18446744T", 18446744000000000000u },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 1;
        assert_true(scaled_parse(rows[i].text, UINT64_MAX, &value));
        assert_true(value == rows[i].value);
    }
}

static void
what_is_no_number_is_refused(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "", "k", "-1", "+1", " 1", "1 ", "1.5M", "1kk", "1m", "1x", "0x10", "1e3", "18446745T",
        "1000000000000000000000", "M1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t value = 42;
        assert_false(scaled_parse(texts[i], UINT64_MAX, &value));
        assert_true(value == 42);
    }
    uint64_t value;
    assert_true(scaled_parse("255", 255, &value));
    assert_false(scaled_parse("256", 255, &value));
    assert_true(scaled_parse("1k", 1000, &value));
    assert_false(scaled_parse("1k", 999, &value));
}

static void
what_is_printed_is_exact(void **state)
{
    (void) state;
    static const struct {
        uint64_t value;
        const char *text;
    } rows[] = {
        { 0, "0" }, { 1, "1" }, { 1000, "1k" }, { 1001, "1001" }, { 1500000, "1500k" },
        { 10000000, "10M" }, { 2500000000, "2500M" }, { 1000000000000, "1T" },
        { 5000000000000000, "5000T" }, { UINT64_MAX, "18446744073709551615" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[SCALED_TEXT_SIZE];
        assert_string_equal(scaled_print(rows[i].value, text), rows[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_units),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(what_is_printed_is_exact),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
