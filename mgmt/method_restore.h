/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that a control client stages, until it has them put into the table or goes. */
#ifndef MGMT_METHOD_RESTORE_H
#define MGMT_METHOD_RESTORE_H 1

#include <jansson.h>

#include "mgmt/method.h"
#include "ofagent/flow_restore.h"

struct hw_plan;

/* Forgets what is staged: the client's pointer becomes NULL. NULL does nothing. */
void restore_close(struct restore *);
/* The bridge goes: for all its clients. */
void restore_close_all(struct bridge *);

/* What the client has staged, or NULL and *err. */
struct restore *restore_of_client(const struct method_env *, struct errmsg *err);
struct bridge *restore_bridge(const struct restore *);
const struct flow_copy *restore_first(const struct restore *);
/* A flow as add-flow has it; NULL without memory. */
json_t *restore_copy_text(struct restore *, const struct flow_copy *);
/* Where the plan for them is kept; it goes with them. */
struct hw_plan **restore_plan(struct restore *);

#endif /* mgmt/method_restore.h */
