/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of offload: their text, lists of them, and which counts for a cookie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/hw_policy.h"

static void
expect(const char *text, enum hal_policy policy, bool uncounted, uint64_t cookie, uint64_t mask)
{
    struct hal_policy_rule rule;
    struct errmsg err = { "" };
    if (hw_policy_parse(text, &rule, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_int_equal(rule.policy, policy);
    assert_int_equal(rule.allow_uncounted, uncounted);
    bool yes = strstr(text, "whole-rules=yes"), no = strstr(text, "whole-rules=no");
    assert_int_equal(rule.whole_rules, yes ? HAL_WHOLE_YES : no ? HAL_WHOLE_NO : HAL_WHOLE_DEFAULT);
    assert_int_equal(rule.cookie, cookie);
    assert_int_equal(rule.mask, mask);
}

static void
text_is_understood(void **state)
{
    (void) state;
    expect("prefer-hw", HAL_PREFER_HW, false, 0, 0);
    expect("sw-only,cookie=0", HAL_SW_ONLY, false, 0, UINT64_MAX);
    expect("require-hw,cookie=0x10/0xf0", HAL_REQUIRE_HW, false, 0x10, 0xf0);
    expect("prefer-hw,allow-uncounted=yes,cookie=0/0", HAL_PREFER_HW, true, 0, 0);
    expect("prefer-hw,whole-rules=yes,allow-uncounted=yes,cookie=0/0", HAL_PREFER_HW, true, 0, 0);
    expect("require-hw,whole-rules=no", HAL_REQUIRE_HW, false, 0, 0);
    expect("prefer-hw,cookie=18446744073709551615,allow-uncounted=no", HAL_PREFER_HW, false,
           UINT64_MAX, UINT64_MAX);
}

static void
nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "hard", "sw-only,", "sw-only,cookie", "sw-only,cookie=", "sw-only,cookie=-1",
        "sw-only,cookie= 1", "sw-only,cookie=1/", "sw-only,cookie=1/x", "sw-only,cookie=1/2",
        "sw-only,cookie=0x10000000000000000", "sw-only,cookie=1x", "sw-only,allow-uncounted",
        "sw-only,allow-uncounted=maybe", "prefer-hw,whole-rules", "prefer-hw,whole-rules=1", "sw-only,colour=red",
    };
    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hal_policy_rule rule = { .cookie = 42 };
        struct errmsg err = { "" };
        if (hw_policy_parse(texts[i], &rule, &err) != -EINVAL || !err.text[0]) {
            fail_msg("'%s' is accepted", texts[i]);
        }
        assert_int_equal(rule.cookie, 42);
    }
}

static void
a_list_has_each_once_and_the_last_counts(void **state)
{
    struct hw_policies list = { .n = 0 };
    struct hal_policy_rule rule = { .policy = HAL_SW_ONLY };
    struct errmsg err;
    (void) state;
    assert_int_equal(hw_policies_put(&list, &rule, &err), 0);
    rule = (struct hal_policy_rule) { 0x10, 0xf0, HAL_REQUIRE_HW, false };
    assert_int_equal(hw_policies_put(&list, &rule, &err), 0);
    rule = (struct hal_policy_rule) { .policy = HAL_PREFER_HW, .allow_uncounted = true };
    assert_int_equal(hw_policies_put(&list, &rule, &err), 0);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.rules[1].policy, HAL_PREFER_HW);
    assert_false(hw_policies_take(&list, 0x10, 0xff));
    assert_true(hw_policies_take(&list, 0x10, 0xf0));
    assert_int_equal(list.n, 1);
    for (uint64_t i = 1; i < HAL_MAX_POLICIES; i++) {
        rule = (struct hal_policy_rule) { i, UINT64_MAX, HAL_SW_ONLY, false };
        assert_int_equal(hw_policies_put(&list, &rule, &err), 0);
    }
    rule.cookie = 1000;
    assert_int_equal(hw_policies_put(&list, &rule, &err), -ENOSPC);
    rule.cookie = 7;
    assert_int_equal(hw_policies_put(&list, &rule, &err), 0);
    assert_int_equal(list.rules[list.n - 1].cookie, 7);
}

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    (void) aux;
    (void) key;
    (void) d;
    return false;
}

static void
cookies_find_their_policy(void **state)
{
    static const struct hal_source source = { .derive = derive };
    static const struct hal_policy_rule rules[] = {
        { 0, 0, HAL_SW_ONLY, false }, { 0x10, 0xf0, HAL_REQUIRE_HW, true },
        { 0x12, UINT64_MAX, HAL_PREFER_HW, false },
    };
    static const struct hal_policy_rule many[HAL_MAX_POLICIES + 1];
    const struct hal_config config = { .stepped = true, .n_workers = 1 };
    struct hal *hal = hal_new(&config);
    struct hal_bridge *bridge = hal_bridge_new(hal, "br0", &source, NULL);
    unsigned n;
    (void) state;
    assert_int_equal(hal_policy_of(bridge, 5)->policy, HAL_PREFER_HW);
    assert_int_equal(hal_policies_set(bridge, rules, 3), 0);
    assert_int_equal(hal_policy_of(bridge, 5)->policy, HAL_SW_ONLY);
    assert_int_equal(hal_policy_of(bridge, 0x1234)->policy, HAL_SW_ONLY);
    assert_int_equal(hal_policy_of(bridge, 0x1213)->policy, HAL_REQUIRE_HW);
    assert_true(hal_policy_of(bridge, 0x1213)->allow_uncounted);
    assert_int_equal(hal_policy_of(bridge, 0x12)->policy, HAL_PREFER_HW);
    assert_int_equal(hal_policies_set(bridge, many, HAL_MAX_POLICIES + 1), -ENOSPC);
    assert_int_equal(hal_policies(bridge, &n)[1].cookie, 0x10);
    assert_int_equal(n, 3);
    assert_int_equal(hal_policies_set(bridge, NULL, 0), 0);
    assert_int_equal(hal_policy_of(bridge, 0x1213)->policy, HAL_PREFER_HW);
    hal_bridge_free(bridge);
    hal_free(hal, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_understood),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_list_has_each_once_and_the_last_counts),
        cmocka_unit_test(cookies_find_their_policy),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
