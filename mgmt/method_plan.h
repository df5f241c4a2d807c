/* SPDX-License-Identifier: Apache-2.0 */
/* "hw-plan": where the flows that a client staged would go, in hardware. */
#ifndef MGMT_METHOD_PLAN_H
#define MGMT_METHOD_PLAN_H 1

#include "mgmt/method_restore.h"

/* NULL does nothing. */
void hw_plan_free(struct hw_plan *);

#endif /* mgmt/method_plan.h */
