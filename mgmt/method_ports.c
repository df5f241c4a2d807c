/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: list them with their counters, add and remove them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"

LOG_MODULE(mgmt);

static const struct {
    uint32_t bit;
    const char *name;
} config_names[] = {
    { PORT_CONFIG_DOWN, "down" },
    { PORT_CONFIG_NO_STP, "no-stp" },
    { PORT_CONFIG_NO_RECV, "no-receive" },
    { PORT_CONFIG_NO_RECV_STP, "no-receive-stp" },
    { PORT_CONFIG_NO_FLOOD, "no-flood" },
    { PORT_CONFIG_NO_FWD, "no-forward" },
    { PORT_CONFIG_NO_PACKET_IN, "no-packet-in" },
};

static json_t *
config_to_json(uint32_t config)
{
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof config_names / sizeof config_names[0]; i++) {
        if (config & config_names[i].bit) {
            json_array_append_new(names, json_string(config_names[i].name));
        }
    }
    return names;
}

json_t *
port_to_json(const struct port_info *info)
{
    const uint8_t *a = info->hw_addr;
    char address[18];
    snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3],
             a[4], a[5]);
    return json_pack("{s:i, s:o, s:s, s:s, s:o, s:I}", "number", (int) info->port_no,
                     "name", rpc_string(info->name), "address", address,
                     "link", info->state & PORT_STATE_LINK_DOWN ? "down" : "up",
                     "config", config_to_json(info->config),
                     "speed_mbps", (json_int_t) info->speed_mbps);
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
    json_t *port = port_to_json(info);
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
    const char *name = NULL, *device;
    json_int_t number = 0;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s, s?I !}", "bridge", &name,
                                       "device", &device, "number", &number);
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
    if (bridge_add_port(env->bridges, bridge, device, number, &port_no, err)) {
        return RPC_FAILED;
    }
    log_info("bridge %s: port %u (%s) added by hand", bridge->name, port_no, device);
    *result = json_pack("{s:s, s:s, s:i}", "bridge", bridge->name, "device", device,
                        "number", (int) port_no);
    return RPC_OK;
}

bool
method_find_port(const struct dp_bridge *bridge, const char *text, uint16_t *port_no)
{
    if (dp_port_find(bridge, text, port_no)) {
        return true;
    }
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    struct port_info info;
    *port_no = number;
    return text[0] >= '0' && text[0] <= '9' && !*end && number && number < PORT_MAX
           && dp_port_get(bridge, number, &info);
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
    if (!method_find_port(dp_bridge, port, &port_no)) {
        errmsg_set(err, "bridge %s has no port '%.40s'", bridge->name, port);
        return RPC_FAILED;
    }
    if (dp_port_del(dp_bridge, port_no, err)) {
        return RPC_FAILED;
    }
    log_info("bridge %s: port %u (%s) removed by hand", bridge->name, port_no, port);
    *result = json_pack("{s:s, s:i}", "bridge", bridge->name, "number", (int) port_no);
    return RPC_OK;
}
