/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/verdict.h"

#include <stddef.h>

struct reason {
    unsigned number;
    const char *name, *summary, *remedy;
};

static const struct reason reasons[] = {
#define HAL_REASON(NUMBER, ID, NAME, SUMMARY, REMEDY) { NUMBER, NAME, SUMMARY, REMEDY },
#include "hal/reasons.def"
#undef HAL_REASON
};

static const struct reason *
find(unsigned number)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].number == number) {
            return &reasons[i];
        }
    }
    return NULL;
}

const char *
hal_reason_name(unsigned number)
{
    const struct reason *reason = find(number);
    return reason ? reason->name : NULL;
}

const char *
hal_reason_summary(unsigned number)
{
    const struct reason *reason = find(number);
    return reason ? reason->summary : NULL;
}

const char *
hal_reason_remedy(unsigned number)
{
    const struct reason *reason = find(number);
    return reason ? reason->remedy : NULL;
}
