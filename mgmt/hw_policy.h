/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of offload as text, and lists of them: of the configuration, and of those in force. */
#ifndef MGMT_HW_POLICY_H
#define MGMT_HW_POLICY_H 1

#include <jansson.h>

#include "hal/hal.h"
#include "lib/errmsg.h"

struct bridge;
struct event_base;

/* The order counts: of those that cover a cookie, the last. */
struct hw_policies {
    struct hal_policy_rule rules[HAL_MAX_POLICIES];
    unsigned n;
};

/* "POLICY[,allow-uncounted=yes|no][,whole-rules=yes|no][,cookie=VALUE[/MASK]]". 0, or -EINVAL and *err. */
int hw_policy_parse(const char *text, struct hal_policy_rule *, struct errmsg *err);
/* "VALUE[/MASK]", numbers as in C; without a mask all bits count. 0, or -EINVAL and *err. */
int hw_policy_parse_cookie(const char *text, struct hal_policy_rule *, struct errmsg *err);
/* {"policy", "allow_uncounted", "whole_rules", "cookie", "mask"}. */
json_t *hw_policy_json(const struct hal_policy_rule *);

/* Puts one at the end; one for the same cookies goes. 0, or -ENOSPC and *err. */
int hw_policies_put(struct hw_policies *, const struct hal_policy_rule *, struct errmsg *err);
/* Takes out the one for just these cookies; false: there is none. */
bool hw_policies_take(struct hw_policies *, uint64_t cookie, uint64_t mask);

/* --- in force (bridge_policy.c) -------------------------------------------------------------- */

/* The bridge has these from now on. What is to leave hardware has left with the next barrier;
 * flows without wildcards that may go there now do so little by little. No more than nothing
 * without drivers. 0 or -ENOMEM. */
int bridge_set_policies(struct event_base *, struct bridge *, const struct hw_policies *);
void bridge_get_policies(const struct bridge *, struct hw_policies *);
/* The bridge goes. */
void bridge_stop_policies(struct bridge *);
/* Offers hardware the bridge's flows that have no wildcards, in slices, since what kept them out
 * may have changed. 0, or -ENOMEM: with traffic they go there anyway. */
int bridge_offer_flows(struct event_base *, struct bridge *);

#endif /* mgmt/hw_policy.h */
