/* SPDX-License-Identifier: Apache-2.0 */
/* What the HAL knows, as JSON: the same whether a daemon says it or a tool looks itself.
 * turnout-control(7) describes the members. Each function makes a new value; NULL without
 * memory. */
#ifndef MGMT_HW_JSON_H
#define MGMT_HW_JSON_H 1

#include <jansson.h>

#include "hal/hal.h"

/* A device as hw-show has it: settings, tables with how full they are, what was done. */
json_t *hw_json_device(const struct hal_device_info *);
/* {"kind": "simulated ASIC", ...}: what the driver says of it. */
json_t *hw_json_facts(struct hal_device *);
/* ... as hw-probe has it: what its tables can do. */
json_t *hw_json_probe(const struct hal_device_info *);

/* "hardware", "pending", ... */
const char *hw_json_state(enum hal_state);
/* A row of hw-entries, and about how long its text is. */
json_t *hw_json_entry(const struct hal_entry_info *, size_t *bytes);
/* {"name", "number", "field", "action", "port", "error", "words", "summary", "remedy"}; null for
 * reason 0. */
json_t *hw_json_verdict(const struct hal_verdict *);

#endif /* mgmt/hw_json.h */
