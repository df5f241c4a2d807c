/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/quirks/quirks.h"
#include "drivers/tc/tc.h"

static unsigned
value_of(const char *driver, const char *firmware, enum quirk_effect effect)
{
    const struct quirk *quirk = quirk_find(driver, firmware, effect);
    return quirk ? quirk->value : 0;
}

struct tc_limits
tc_limits_of(const char *driver, const char *firmware)
{
    unsigned mirrors = value_of(driver, firmware, QUIRK_MAX_MIRRORS);
    bool one = quirk_find(driver, firmware, QUIRK_NO_MIRROR) || quirk_find(driver, firmware, QUIRK_IGNORES_ACTIONS);
    return (struct tc_limits) {
        .max_actions = (uint16_t) value_of(driver, firmware, QUIRK_MAX_ACTIONS),
        .max_outputs = (uint16_t) (one ? 1 : mirrors ? mirrors + 1 : 0),
        .lag_ms = value_of(driver, firmware, QUIRK_STATS_INTERVAL),
        .uncounted = quirk_find(driver, firmware, QUIRK_NO_COUNTERS) != NULL,
    };
}

/* Of two limits of which 0 is none. */
static uint16_t
lower(uint16_t a, uint16_t b)
{
    return !a || (b && b < a) ? b : a;
}

void
tc_limits_both(struct tc_limits *all, const struct tc_limits *one)
{
    all->max_actions = lower(all->max_actions, one->max_actions);
    all->max_outputs = lower(all->max_outputs, one->max_outputs);
    all->lag_ms = one->lag_ms > all->lag_ms ? one->lag_ms : all->lag_ms;
    all->uncounted |= one->uncounted;
}
