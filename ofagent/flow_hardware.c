/* SPDX-License-Identifier: Apache-2.0 */
/* The policy require-hw: flows that hardware could not forward are refused. */
#include "hal/verdict.h"
#include "lib/counters.h"
#include "ofagent/flow_table_private.h"

/* The true error for what hardware can't take: 4.6 of the specification for a match that no table
 * takes, or has room for; BAD_ACTION where the action's argument is at fault. */
static struct ofp_refusal
hardware_refusal(enum hal_reason reason)
{
    struct ofp_refusal r = { OFPET_FLOW_MOD_FAILED, OFPFMFC_ALL_TABLES_FULL,
                             hal_reason_summary(reason) };
    switch ((unsigned) reason) {
    case HAL_REASON_ACTION_UNSUPPORTED:
    case HAL_REASON_ACTION_ORDER:
    case HAL_REASON_OUTPUT_NONE:
    case HAL_REASON_PER_PACKET:
    case HAL_REASON_FRAGMENT:
    case HAL_REASON_DRIVER_REFUSED:
        r.code = OFPFMFC_UNSUPPORTED;
        break;
    case HAL_REASON_UNCOUNTED:
    case HAL_REASON_INGRESS_SOFTWARE:
        r.code = OFPFMFC_EPERM;
        break;
    case HAL_REASON_TOO_MANY_ACTIONS:
        r = (struct ofp_refusal) { OFPET_BAD_ACTION, OFPBAC_TOO_MANY, r.why };
        break;
    case HAL_REASON_OUTPUT_SPECIAL:
    case HAL_REASON_OUTPUT_OTHER_DEVICE:
    case HAL_REASON_OUTPUT_DOWN:
    case HAL_REASON_BYPASS:
        r = (struct ofp_refusal) { OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT, r.why };
        break;
    case HAL_REASON_OUTPUT_QUEUE:
        r = (struct ofp_refusal) { OFPET_BAD_ACTION, OFPBAC_BAD_QUEUE, r.why };
        break;
    }
    return r;
}

int
flow_table_check_hardware(const struct flow_table *ft, const struct rule *rule, uint64_t cookie,
                          const struct action_list *actions, struct ofp_refusal *refusal)
{
    struct flow_match match;
    struct hal_verdict verdict;
    if (!ft->bridge || !dp_requires_hardware(ft->bridge, cookie)) {
        return 0;
    }
    classifier_rule_match(ft->classifier, rule, &match);
    if (dp_rule_may_be(ft->bridge, &match, rule->rank, cookie, actions, &verdict)) {
        return 0;
    }
    counter_inc(COUNTER_flow_mod_hardware);
    *refusal = hardware_refusal(verdict.reason);
    return OFP_REFUSED;
}
