/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of ports: configuration and spanning tree state; and forgetting what was learnt
 * behind them. */
#include "lib/log.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"
#include "mgmt/port_flags.h"

LOG_MODULE(mgmt);

/* What a request wants. */
struct change {
    uint32_t config, mask;
    bool sets_stp;
    enum port_stp_state stp;
};

/* {"no-flood": true, ...} */
static enum rpc_code
read_config(json_t *config, struct change *change, struct errmsg *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(config, name, value) {
        uint32_t bit = port_flag_find(name, err);
        if (!bit) {
            return RPC_INVALID_PARAMS;
        }
        if (!json_is_boolean(value)) {
            errmsg_set(err, "params: config: %s is true or false", name);
            return RPC_INVALID_PARAMS;
        }
        change->mask |= bit;
        change->config |= json_is_true(value) ? bit : 0;
    }
    return RPC_OK;
}

static enum rpc_code
read_change(json_t *config, const char *stp, struct change *change, struct errmsg *err)
{
    if (config && !json_is_object(config)) {
        errmsg_set(err, "params: config is an object");
        return RPC_INVALID_PARAMS;
    }
    enum rpc_code code = read_config(config, change, err);
    if (!code && stp) {
        change->sets_stp = true;
        code = port_stp_state_parse(stp, &change->stp, err) ? RPC_INVALID_PARAMS : RPC_OK;
    }
    if (!code && !change->mask && !stp) {
        errmsg_set(err, "params: neither config nor stp_state is given");
        code = RPC_INVALID_PARAMS;
    }
    return code;
}

enum rpc_code
method_set_port(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *port, *stp = NULL;
    json_t *config = NULL;
    struct change change = { .mask = 0 };
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s, s?o, s?s !}", "bridge", &name,
                                       "port", &port, "config", &config, "stp_state", &stp);
    code = code ? code : read_change(config, stp, &change, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    uint16_t port_no;
    if (!method_find_port(dp_bridge, port, &port_no, err)) {
        return RPC_FAILED;
    }
    dp_port_set_config(dp_bridge, port_no, change.config, change.mask);
    if (change.sets_stp && dp_port_set_stp_state(dp_bridge, port_no, change.stp, err)) {
        return RPC_FAILED;
    }
    struct port_info info;
    dp_port_get(dp_bridge, port_no, &info);
    if (change.mask) {
        log_info("bridge %s: port %u (%s) configured by hand", bridge->name, port_no, info.name);
    }
    *result = json_pack("{s:s, s:o}", "bridge", bridge->name, "port",
                        port_to_json(dp_bridge, &info));
    return RPC_OK;
}

enum rpc_code
method_flush_fdb(const struct method_env *env, json_t *params, json_t **result,
                 struct errmsg *err)
{
    const char *name = NULL, *port = NULL;
    uint16_t port_no = 0;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s !}", "bridge", &name,
                                       "port", &port);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    if (port && !method_find_port(dp_bridge, port, &port_no, err)) {
        return RPC_FAILED;
    }
    *result = json_pack("{s:s, s:I}", "bridge", bridge->name, "flushed",
                        (json_int_t) dp_bridge_flush_fdb(dp_bridge, port_no));
    return RPC_OK;
}
