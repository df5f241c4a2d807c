/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a device's table could hold an entry at all, by its capabilities: pure. */
#ifndef HAL_FIT_H
#define HAL_FIT_H 1

#include <stdbool.h>

#include "hal/capability.h"
#include "hal/verdict.h"
#include "turnout/action.h"
#include "turnout/flow.h"

/* What an output port is, seen from the ingress port's device. */
enum hal_port_kind {
    HAL_PORT_HERE,         /* a port of the same device */
    HAL_PORT_ELSEWHERE,    /* of another device */
    HAL_PORT_SOFTWARE,     /* of none: LOCAL, or a port without a driver */
    HAL_PORT_DOWN,         /* down, or not forwarding */
    HAL_PORT_BYPASSED,     /* of the same device, which would go past what is configured on it */
};

struct hal_ports_view {
    enum hal_port_kind (*kind)(const void *aux, uint16_t port);
    const void *aux;
};

/* True if it fits; else *verdict has the first thing that does not: fields in the order of
 * enum field_id, then the actions in their order. */
bool hal_fits(const struct hal_table_caps *, const struct flow_match *, const struct action_list *,
              const struct hal_ports_view *, struct hal_verdict *verdict);

#endif /* hal/fit.h */
