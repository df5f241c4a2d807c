/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: list them with their counters, add and remove them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"
#include "mgmt/port_flags.h"
#include "mgmt/port_reason.h"

LOG_MODULE(mgmt);

static json_t *
config_to_json(uint32_t config)
{
    json_t *names = json_array();
    for (size_t i = 0; i < n_port_flags; i++) {
        if (config & port_flags[i].bit) {
            json_array_append_new(names, json_string(port_flags[i].name));
        }
    }
    return names;
}

/* Null in a bridge without spanning tree. */
static json_t *
stp_to_json(const struct dp_bridge *bridge, uint32_t state)
{
    enum port_stp_state stp = (state & PORT_STATE_STP_MASK) >> PORT_STATE_STP_SHIFT;
    return dp_bridge_has_stp(bridge) ? json_string(port_stp_state_name(stp)) : json_null();
}

static json_t *
reason_to_json(const struct dp_bridge *bridge, const struct port_info *info)
{
    struct strbuf text = { 0 };
    port_reason(bridge, info, &text);
    json_t *reason = text.len ? rpc_string(strbuf_text(&text)) : json_null();
    strbuf_fini(&text);
    return reason;
}

json_t *
port_to_json(const struct dp_bridge *bridge, const struct port_info *info)
{
    const uint8_t *a = info->hw_addr;
    char address[18];
    const char *driver = dp_port_driver(bridge, info->port_no);
    snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3],
             a[4], a[5]);
    return json_pack("{s:i, s:o, s:s, s:s, s:o, s:I, s:o, s:o, s:o}", "number", (int) info->port_no,
                     "name", rpc_string(info->name), "address", address,
                     "link", info->state & PORT_STATE_LINK_DOWN ? "down" : "up",
                     "config", config_to_json(info->config),
                     "speed_mbps", (json_int_t) info->speed_mbps,
                     "stp_state", stp_to_json(bridge, info->state),
                     "reason", reason_to_json(bridge, info),
                     "driver", driver ? json_string(driver) : json_null());
}

static void
add_counters(json_t *port, const struct port_counters *c)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "rx_packets", c->rx_packets }, { "rx_bytes", c->rx_bytes },
        { "rx_dropped", c->rx_dropped }, { "rx_errors", c->rx_errors },
        { "tx_packets", c->tx_packets }, { "tx_bytes", c->tx_bytes },
        { "tx_dropped", c->tx_dropped }, { "tx_errors", c->tx_errors },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_object_set_new(port, rows[i].name, method_counter(rows[i].value));
    }
}

struct list_ports {
    const struct dp_bridge *bridge;
    json_t *ports;
};

static bool
list_port(const struct port_info *info, void *aux)
{
    struct list_ports *list = aux;
    struct port_counters counters;
    json_t *port = port_to_json(list->bridge, info);
    if (port && dp_port_get_counters(list->bridge, info->port_no, &counters)) {
        add_counters(port, &counters);
    }
    json_array_append_new(list->ports, port);
    return true;
}

enum rpc_code
method_ports(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    if (code) {
        return code;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (bridge) {
        struct list_ports list = { agent_bridge(bridge->agent), json_array() };
        dp_port_for_each(list.bridge, list_port, &list);
        *result = json_pack("{s:s, s:o}", "bridge", bridge->name, "ports", list.ports);
    }
    return code;
}

enum rpc_code
method_add_port(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *device, *driver = "";
    json_int_t number = 0;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s, s?I, s?s !}", "bridge", &name,
                                       "device", &device, "number", &number, "driver", &driver);
    if (code) {
        return code;
    }
    if (number < 0 || number >= PORT_MAX) {
        errmsg_set(err, "params: number is from 1 to %d, or 0 for any", PORT_MAX - 1);
        return RPC_INVALID_PARAMS;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    uint16_t port_no;
    if (bridge_add_port(env->bridges, bridge, device, number, driver, &port_no, err)) {
        return RPC_FAILED;
    }
    log_info("bridge %s: port %u (%s) added by hand", bridge->name, port_no, device);
    *result = json_pack("{s:s, s:s, s:i}", "bridge", bridge->name, "device", device,
                        "number", (int) port_no);
    return RPC_OK;
}

bool
method_find_port(const struct dp_bridge *bridge, const char *text, uint16_t *port_no,
                 struct errmsg *err)
{
    if (dp_port_find(bridge, text, port_no)) {
        return true;
    }
    if (!strcasecmp(text, "local")) {
        *port_no = PORT_LOCAL;
        return true;
    }
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    struct port_info info;
    if (text[0] >= '0' && text[0] <= '9' && !*end && number && number < PORT_MAX
        && dp_port_get(bridge, number, &info)) {
        *port_no = number;
        return true;
    }
    errmsg_set(err, "bridge %s has no port '%.40s'", dp_bridge_name(bridge), text);
    return false;
}

enum rpc_code
method_del_port(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *port;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s !}", "bridge", &name,
                                       "port", &port);
    if (code) {
        return code;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    uint16_t port_no;
    if (!method_find_port(dp_bridge, port, &port_no, err)) {
        return RPC_FAILED;
    }
    if (dp_port_del(dp_bridge, port_no, err)) {
        return RPC_FAILED;
    }
    log_info("bridge %s: port %u (%s) removed by hand", bridge->name, port_no, port);
    *result = json_pack("{s:s, s:i}", "bridge", bridge->name, "number", (int) port_no);
    return RPC_OK;
}
