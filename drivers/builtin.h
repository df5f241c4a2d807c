/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers that are built in. */
#ifndef DRIVERS_BUILTIN_H
#define DRIVERS_BUILTIN_H 1

#include "hal/driver.h"

/* Ends with NULL. */
extern const struct hal_driver *const builtin_drivers[];

#endif /* drivers/builtin.h */
