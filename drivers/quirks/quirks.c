/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/quirks/quirks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct kernel_driver kernel_drivers[] = {
#define KERNEL_DRIVER(NAME, OFFLOADS, DEVICES, SOURCE) { NAME, OFFLOADS, DEVICES, SOURCE },
#include "drivers/quirks/kernels.def"
#undef KERNEL_DRIVER
};

static const struct quirk quirks[] = {
#define QUIRK(DRIVER, FIRMWARE, EFFECT, VALUE, WORDS, SOURCE) \
    { DRIVER, FIRMWARE, QUIRK_##EFFECT, VALUE, WORDS, SOURCE },
#include "drivers/quirks/quirks.def"
#undef QUIRK
};

enum {
    N_KERNEL_DRIVERS = sizeof kernel_drivers / sizeof kernel_drivers[0],
    N_QUIRKS = sizeof quirks / sizeof quirks[0],
};

const struct kernel_driver *
kernel_driver_at(size_t i)
{
    return i < N_KERNEL_DRIVERS ? &kernel_drivers[i] : NULL;
}

const struct kernel_driver *
kernel_driver_find(const char *name)
{
    for (size_t i = 0; i < N_KERNEL_DRIVERS; i++) {
        if (!strcmp(kernel_drivers[i].name, name)) {
            return &kernel_drivers[i];
        }
    }
    return NULL;
}

/* The next number of a version, behind whatever is none; false at its end. */
static bool
take_number(const char **text, unsigned long long *number)
{
    while (**text && !isdigit((unsigned char) **text)) {
        (*text)++;
    }
    if (!**text) {
        return false;
    }
    char *end;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return true;
}

int
quirk_compare_versions(const char *a, const char *b)
{
    unsigned long long x, y;
    while (take_number(&a, &x) && take_number(&b, &y)) {
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return 0;
}

static bool
is_of(const struct quirk *quirk, const char *driver, const char *firmware)
{
    return !strcmp(quirk->driver, driver)
           && (!quirk->firmware || !*firmware
               || quirk_compare_versions(firmware, quirk->firmware) < 0);
}

const struct quirk *
quirk_at(size_t i)
{
    return i < N_QUIRKS ? &quirks[i] : NULL;
}

const struct quirk *
quirk_next(const char *driver, const char *firmware, const struct quirk *after)
{
    for (const struct quirk *quirk = after ? after + 1 : quirks; quirk < quirks + N_QUIRKS;
         quirk++) {
        if (is_of(quirk, driver, firmware)) {
            return quirk;
        }
    }
    return NULL;
}

const struct quirk *
quirk_find(const char *driver, const char *firmware, enum quirk_effect effect)
{
    const struct quirk *quirk = NULL;
    while ((quirk = quirk_next(driver, firmware, quirk)) && quirk->effect != effect) {
    }
    return quirk;
}

static const struct {
    const char *name, *summary;
} effects[QUIRK_N_EFFECTS] = {
#define QUIRK_EFFECT(NAME, WORD, SUMMARY) [QUIRK_##NAME] = { WORD, SUMMARY },
#include "drivers/quirks/effects.def"
#undef QUIRK_EFFECT
};

const char *
quirk_effect_name(enum quirk_effect effect)
{
    return effects[effect].name;
}

const char *
quirk_effect_summary(enum quirk_effect effect)
{
    return effects[effect].summary;
}
