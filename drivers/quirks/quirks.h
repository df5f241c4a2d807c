/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of kernel drivers before anything is tried: what kinds of offload each has, and
 * where it differs from what tc or switchdev promise. Facts, each with its source (kernels.def,
 * quirks.def); what could not be read in a source is not in here. docs/HARDWARE.md shows both
 * tables. Pure; any thread.
 *
 * Kernel drivers are called as ETHTOOL_GDRVINFO (`ethtool -i`) calls them. */
#ifndef DRIVERS_QUIRKS_QUIRKS_H
#define DRIVERS_QUIRKS_QUIRKS_H 1

#include <stdbool.h>
#include <stddef.h>

/* What a kernel driver can offload. */
enum kernel_offload {
    KERNEL_FLOWER = 1,               /* tc flower rules that forward between its ports */
    KERNEL_FLOWER_LOCAL = 2,         /* tc flower rules that drop, police, or choose a queue */
    KERNEL_BRIDGE = 4,               /* a bridge's address table (switchdev) */
    KERNEL_ESWITCH = 8,              /* it has an eswitch that has to be in switchdev mode */
};

struct kernel_driver {
    const char *name;
    unsigned offloads;               /* KERNEL_* */
    const char *devices;             /* for a person */
    const char *source;              /* where in the kernel's sources that is read */
};

/* The row of a kernel driver; NULL if nothing is known of it. */
const struct kernel_driver *kernel_driver_find(const char *name);

/* All of them: 'i' from 0; NULL behind the last. */
const struct kernel_driver *kernel_driver_at(size_t i);

/* What a quirk means for whoever makes rules. 'value' is of those that say so, else 0. */
enum quirk_effect {
#define QUIRK_EFFECT(NAME, WORD, SUMMARY) QUIRK_##NAME,
#include "drivers/quirks/effects.def"
#undef QUIRK_EFFECT
    QUIRK_N_EFFECTS
};

struct quirk {
    const char *driver;
    const char *firmware;            /* of firmware older than this; NULL: of all */
    enum quirk_effect effect;
    unsigned value;
    const char *words, *source;
};

/* The first quirk of this effect that a driver with this firmware (ETHTOOL_GDRVINFO; "" if it is
 * not known, which counts as the oldest) has; NULL: none. */
const struct quirk *quirk_find(const char *driver, const char *firmware, enum quirk_effect effect);

/* All quirks of a driver with this firmware: start with 'after' NULL; NULL behind the last. */
const struct quirk *quirk_next(const char *driver, const char *firmware, const struct quirk *after);

/* All there are: 'i' from 0; NULL behind the last. */
const struct quirk *quirk_at(size_t i);

/* "classify-only", and what it means. */
const char *quirk_effect_name(enum quirk_effect);
const char *quirk_effect_summary(enum quirk_effect);

/* Compares two versions number by number, as far as both go: negative if 'a' is older than 'b', 0 if
 * they are equal. What is no number is skipped. */
int quirk_compare_versions(const char *a, const char *b);

#endif /* drivers/quirks/quirks.h */
