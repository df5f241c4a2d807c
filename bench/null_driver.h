/* SPDX-License-Identifier: Apache-2.0 */
/* A driver whose device takes everything at once and keeps nothing: what is left is the HAL's
 * own time and memory. */
#ifndef BENCH_NULL_DRIVER_H
#define BENCH_NULL_DRIVER_H 1

#include "hal/driver.h"

extern const struct hal_driver null_driver;
/* Its table has priorities, and gets whole rules. Set before the device is opened. */
extern bool null_takes_whole;

#endif /* bench/null_driver.h */
