/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods about hardware share. */
#ifndef MGMT_METHOD_HW_H
#define MGMT_METHOD_HW_H 1

#include "hal/hal.h"
#include "mgmt/method.h"

/* RPC_OK, or RPC_FAILED and *err: there is no driver. */
enum rpc_code method_hw_check(const struct method_env *, struct errmsg *err);
/* {"name", "number", "field", "action", "port", "error", "words", "summary", "remedy"}; null for
 * reason 0. */
json_t *method_hw_verdict(const struct hal_verdict *);
/* A row of hw-entries, and about how long its text is. */
json_t *method_hw_entry(const struct hal_entry_info *, size_t *bytes);

#endif /* mgmt/method_hw.h */
