/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the hardware: where a flow is and why, whether devices have what they should;
 * and faults on demand. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "mgmt/hardware.h"
#include "mgmt/hw_policy.h"
#include "mgmt/method_hw.h"

LOG_MODULE(mgmt);

/* --- explain --------------------------------------------------------------------------------- */

/* Packets that could be in hardware but are not: what there is to say. */
static void
judge(struct dp_bridge *bridge, const struct flow_key *key, struct hal_verdict *verdict)
{
    static const enum hal_reason reasons[] = {
        [GOVERNOR_NOT_PROVEN] = HAL_REASON_NOT_PROVEN,
        [GOVERNOR_OVER_BUDGET] = HAL_REASON_OVER_BUDGET,
        [GOVERNOR_FLOOD] = HAL_REASON_FLOOD,
        [GOVERNOR_NO_REASON] = HAL_REASON_NOT_WORTH_IT,
    };
    dp_check_offload(bridge, key, verdict);
    if (!verdict->reason) {
        verdict->reason = (uint16_t) reasons[dp_held_back(bridge, key)];
    }
}

enum rpc_code
method_hw_explain(const struct method_env *env, json_t *params, json_t **result,
                  struct errmsg *err)
{
    const char *name = NULL, *flow;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s !}", "bridge", &name, "flow", &flow);
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct flow_text_ports ports = method_port_names(bridge);
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct flow_key key;
    struct hal_entry_info info;
    struct hal_verdict verdict;
    size_t bytes;
    if (flow_key_parse(flow, &ports, &key, err)) {
        return RPC_INVALID_PARAMS;
    }
    json_t *entry = NULL;
    if (hal_find(dp_bridge_hal(dp_bridge), &key, &info)) {
        entry = hw_json_entry(&info, &bytes);
        verdict = info.verdict;
    } else {
        judge(dp_bridge, &key, &verdict);
    }
    const char *state = entry ? json_string_value(json_object_get(entry, "state")) : "software";
    *result = json_pack("{s:s, s:s, s:o}", "bridge", bridge->name, "state", state,
                        "reason", hw_json_verdict(&verdict));
    json_object_set_new(*result, "entry", entry ? entry : json_null());
    const struct hal_policy_rule *policy = dp_policy_for(dp_bridge, &key);
    json_object_set_new(*result, "policy", policy ? hw_policy_json(policy) : json_null());
    return RPC_OK;
}

/* --- faults ---------------------------------------------------------------------------------- */

enum rpc_code
method_hw_fault(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *driver, *what;
    char error[HAL_ERROR_SIZE] = "it did not say why";
    enum rpc_code code = method_unpack(params, err, "{s:s, s:s !}", "driver", &driver,
                                       "what", &what);
    struct hal_device *device = code ? NULL : method_hw_device(env, driver, err);
    if (!device) {
        return code ? code : RPC_FAILED;
    }
    if (hal_fault(device, what, error)) {
        errmsg_set(err, "driver %s: %s", driver, error);
        return RPC_FAILED;
    }
    log_warn("driver %s: fault by hand: %.80s", driver, what);
    *result = json_pack("{s:s, s:s}", "driver", driver, "what", what);
    return RPC_OK;
}

/* --- audits ---------------------------------------------------------------------------------- */

static json_t *
difference_row(const char *kind, const struct hal_entry_info *info)
{
    size_t bytes;
    json_t *row = hw_json_entry(info, &bytes);
    json_object_set_new(row, "difference", json_string(kind));
    return row;
}

static json_t *
audit_status(const struct hardware *hardware)
{
    bool running = hardware_audit_is_running(hardware);
    int64_t n = hardware_audit_differences(hardware);
    return json_pack("{s:b, s:o, s:o}", "running", running,
                     "count", running || n < 0 ? json_null() : json_integer(n),
                     "differences", json_copy(hardware_audit_rows(hardware)));
}

enum rpc_code
method_hw_audit(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    int repair = 0;
    enum rpc_code code = method_unpack(params, err, "{s?b !}", "repair", &repair);
    code = code ? code : method_hw_check(env, err);
    if (!code && hardware_audit(env->hardware, repair, difference_row, err)) {
        code = RPC_FAILED;
    }
    if (!code) {
        *result = audit_status(env->hardware);
    }
    return code;
}

enum rpc_code
method_hw_audit_status(const struct method_env *env, json_t *params, json_t **result,
                       struct errmsg *err)
{
    enum rpc_code code = method_unpack(params, err, "{!}");
    code = code ? code : method_hw_check(env, err);
    if (!code && !hardware_audit_rows(env->hardware)) {
        errmsg_set(err, "there was no audit yet");
        code = RPC_FAILED;
    }
    if (!code) {
        *result = audit_status(env->hardware);
    }
    return code;
}
