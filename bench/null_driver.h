/* SPDX-License-Identifier: Apache-2.0 */
/* A driver whose device takes everything at once and keeps nothing: what is left is the HAL's
 * own time and memory. */
#ifndef BENCH_NULL_DRIVER_H
#define BENCH_NULL_DRIVER_H 1

#include "hal/driver.h"

extern const struct hal_driver null_driver;

#endif /* bench/null_driver.h */
