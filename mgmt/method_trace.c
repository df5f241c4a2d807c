/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a packet that is described as a flow. */
#include "mgmt/method.h"
#include "mgmt/trace.h"

static uint16_t
port_number(void *bridge, const char *name)
{
    uint16_t port_no;
    return dp_port_find(bridge, name, &port_no) ? port_no : 0;
}

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
    const struct flow_text_ports ports = {
        .number = port_number, .aux = agent_bridge(bridge->agent),
    };
    struct flow_key key;
    if (flow_key_parse(flow, &ports, &key, err)) {
        return RPC_INVALID_PARAMS;
    }
    *result = trace_packet(bridge, &key);
    return RPC_OK;
}
