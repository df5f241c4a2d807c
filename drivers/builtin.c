/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/builtin.h"

#include "drivers/sim/sim.h"
#include "drivers/switchdev/switchdev.h"
#include "drivers/tc/driver.h"

const struct hal_driver *const builtin_drivers[] = {
    &sim_driver, &tc_driver, &switchdev_driver, NULL,
};
