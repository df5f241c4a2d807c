/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods about hardware share. */
#ifndef MGMT_METHOD_HW_H
#define MGMT_METHOD_HW_H 1

#include "hal/hal.h"
#include "mgmt/hw_json.h"
#include "mgmt/method.h"

/* RPC_OK, or RPC_FAILED and *err: there is no driver. */
enum rpc_code method_hw_check(const struct method_env *, struct errmsg *err);
/* The policies of a bridge, in their order. */
json_t *method_hw_policies(const struct bridge *);
/* The device of a driver; NULL and *err: there is none. */
struct hal_device *method_hw_device(const struct method_env *, const char *driver, struct errmsg *);

#endif /* mgmt/method_hw.h */
