/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/builtin.h"

#include "drivers/sim/sim.h"

const struct hal_driver *const builtin_drivers[] = { &sim_driver, NULL };
