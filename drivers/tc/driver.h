/* SPDX-License-Identifier: Apache-2.0 */
/* The tc driver: see docs/HARDWARE.md. */
#ifndef DRIVERS_TC_DRIVER_H
#define DRIVERS_TC_DRIVER_H 1

#include "hal/driver.h"

extern const struct hal_driver tc_driver;

#endif /* drivers/tc/driver.h */
