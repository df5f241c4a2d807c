/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/quirks/quirks.h"
#include "drivers/tc/tc.h"

static void
versions_are_compared_by_numbers(void **state)
{
    (void) state;
    assert_true(quirk_compare_versions("16.28.1002", "16.32.1010") < 0);
    assert_true(quirk_compare_versions("16.32.1010", "16.28.1002") > 0);
    assert_true(quirk_compare_versions("9.2", "10.1") < 0);
    assert_int_equal(quirk_compare_versions("16.28", "16.28.1002 (MT_0000000080)"), 0);
    assert_true(quirk_compare_versions("fw-1.2", "1.3") < 0);
    assert_int_equal(quirk_compare_versions("", "1"), 0);
}

static void
drivers_are_known_by_name(void **state)
{
    (void) state;
    assert_true(kernel_driver_find("mlx5_core")->offloads & KERNEL_FLOWER);
    assert_true(kernel_driver_find("mlx5_core")->offloads & KERNEL_ESWITCH);
    assert_int_equal(kernel_driver_find("rocker")->offloads, KERNEL_BRIDGE);
    assert_null(kernel_driver_find("veth"));
    assert_null(kernel_driver_find(""));
}

static void
quirks_are_found_by_driver_and_effect(void **state)
{
    (void) state;
    const struct quirk *quirk = quirk_find("cxgb4", "1.2.3", QUIRK_STATS_INTERVAL);
    assert_non_null(quirk);
    assert_int_equal(quirk->value, 500);
    assert_null(quirk_find("cxgb4", "", QUIRK_NO_ARP));
    assert_null(quirk_find("veth", "", QUIRK_STATS_INTERVAL));
    unsigned n = 0;
    for (quirk = NULL; (quirk = quirk_next("bnxt_en", "", quirk)); n++) {
        assert_string_equal(quirk->driver, "bnxt_en");
    }
    assert_int_equal(n, 4);
    assert_string_equal(quirk_effect_name(QUIRK_CSUM_REQUIRED), "csum-required");
}

/* Each row has a source, is of a driver that is known, and both tables are sorted. */
static void
rows_are_in_order(void **state)
{
    (void) state;
    for (size_t i = 0; kernel_driver_at(i); i++) {
        const struct kernel_driver *driver = kernel_driver_at(i);
        assert_true(driver->offloads && *driver->devices && *driver->source);
        assert_true(!i || strcmp(kernel_driver_at(i - 1)->name, driver->name) < 0);
    }
    for (size_t i = 0; quirk_at(i); i++) {
        const struct quirk *quirk = quirk_at(i);
        assert_true(*quirk->source && *quirk->words);
        assert_non_null(kernel_driver_find(quirk->driver));
    }
    for (int e = 0; e < QUIRK_N_EFFECTS; e++) {
        assert_true(*quirk_effect_name((enum quirk_effect) e)
                    && *quirk_effect_summary((enum quirk_effect) e));
    }
}

/* docs/HARDWARE.md, as one text. */
static char *
read_page(void)
{
    char path[512];
    const char *top = getenv("TURNOUT_SRCDIR");
    snprintf(path, sizeof path, "%s/docs/HARDWARE.md", top ? top : ".");
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void
the_page_has_all_rows(void **state)
{
    (void) state;
    char *page = read_page(), row[512];
    for (size_t i = 0; kernel_driver_at(i); i++) {
        snprintf(row, sizeof row, "| %s |", kernel_driver_at(i)->name);
        if (!strstr(page, row)) {
            fail_msg("docs/HARDWARE.md has no row for %s", kernel_driver_at(i)->name);
        }
    }
    for (size_t i = 0; quirk_at(i); i++) {
        const struct quirk *quirk = quirk_at(i);
        char value[16] = "";
        if (quirk->value) {
            snprintf(value, sizeof value, " %u", quirk->value);
        }
        snprintf(row, sizeof row, "| %s | %s%s | %s |", quirk->driver,
                 quirk_effect_name(quirk->effect), value, quirk->source);
        if (!strstr(page, row)) {
            fail_msg("docs/HARDWARE.md lacks: %s", row);
        }
    }
    free(page);
}

/* What the tc driver makes of them. */
static void
the_tc_driver_keeps_to_them(void **state)
{
    (void) state;
    struct tc_limits none = tc_limits_of("simnic", ""), all = none;
    assert_true(!none.max_actions && !none.max_outputs && !none.lag_ms && !none.uncounted);
    struct tc_limits bnxt = tc_limits_of("bnxt_en", "1"), mlx5 = tc_limits_of("mlx5e_rep", "16.35.1012");
    struct tc_limits mlxsw = tc_limits_of("mlxsw_spectrum2", "29.2010"), dpaa2 = tc_limits_of("fsl_dpaa2_switch", "");
    assert_int_equal(bnxt.max_outputs, 1);
    assert_int_equal(mlxsw.max_outputs, 2);
    assert_int_equal(mlx5.lag_ms, 1000);
    assert_true(dpaa2.uncounted && dpaa2.max_actions == 1 && !mlx5.uncounted);
    tc_limits_both(&all, &mlxsw);
    assert_int_equal(all.max_outputs, 2);
    tc_limits_both(&all, &bnxt);
    tc_limits_both(&all, &mlx5);
    tc_limits_both(&all, &none);
    assert_true(all.max_outputs == 1 && all.lag_ms == 1000 && !all.uncounted && !all.max_actions);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_by_numbers),
        cmocka_unit_test(drivers_are_known_by_name),
        cmocka_unit_test(quirks_are_found_by_driver_and_effect),
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(the_page_has_all_rows),
        cmocka_unit_test(the_tc_driver_keeps_to_them),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
