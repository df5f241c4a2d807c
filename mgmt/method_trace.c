/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a packet that is described as a flow. */
#include "mgmt/method.h"
#include "mgmt/trace.h"

enum rpc_code
method_trace(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *flow;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s !}", "bridge", &name,
                                       "flow", &flow);
    if (code) {
        return code;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct flow_text_ports ports = method_port_names(bridge);
    struct flow_key key;
    if (flow_key_parse(flow, &ports, &key, err)) {
        return RPC_INVALID_PARAMS;
    }
    *result = trace_packet(bridge, &key);
    return RPC_OK;
}
