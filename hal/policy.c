/* SPDX-License-Identifier: Apache-2.0 */
/* Which policy counts for a flow. */
#include <string.h>

#include "hal/internal.h"

static const char *const names[HAL_N_POLICIES] = {
    [HAL_PREFER_HW] = "prefer-hw", [HAL_REQUIRE_HW] = "require-hw", [HAL_SW_ONLY] = "sw-only",
};

const char *
hal_policy_name(enum hal_policy policy)
{
    return names[policy];
}

bool
hal_policy_parse(const char *name, enum hal_policy *policy)
{
    for (unsigned i = 0; i < HAL_N_POLICIES; i++) {
        if (!strcmp(name, names[i])) {
            *policy = (enum hal_policy) i;
            return true;
        }
    }
    return false;
}

const struct hal_policy_rule *
hal_policy_in(const struct hal_policy_rule rules[], unsigned n, uint64_t cookie)
{
    static const struct hal_policy_rule standard = { 0, 0, HAL_PREFER_HW, false, HAL_WHOLE_DEFAULT };
    while (n-- > 0) {
        if (!((cookie ^ rules[n].cookie) & rules[n].mask)) {
            return &rules[n];
        }
    }
    return &standard;
}

bool
hal_policy_same(const struct hal_policy_rule *a, const struct hal_policy_rule *b)
{
    return a->policy == b->policy && a->allow_uncounted == b->allow_uncounted
           && a->whole_rules == b->whole_rules;
}

const struct hal_policy_rule *
hal_policies(const struct hal_bridge *bridge, unsigned *n)
{
    *n = bridge->n_policies;
    return bridge->policies;
}

const struct hal_policy_rule *
hal_policy_of(const struct hal_bridge *bridge, uint64_t cookie)
{
    return hal_policy_in(bridge->policies, bridge->n_policies, cookie);
}
