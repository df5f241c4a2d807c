/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of ports: list them with their counters, add, change and remove them. */
#include "lib/log.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"

LOG_MODULE(mgmt);

struct list {
    json_t *rows;
    const struct dp_bridge *bridge;
    const struct port_info *port;
};

/* A setting; null for 0, "not set". */
static json_t *
setting(uint64_t value)
{
    return value ? json_integer((json_int_t) value) : json_null();
}

static void
list_queue(const struct dp_queue_info *info, void *aux)
{
    struct list *list = aux;
    json_array_append_new(list->rows, json_pack(
        "{s:i, s:o, s:I, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "port", (int) list->port->port_no,
        "name", rpc_string(list->port->name), "queue", (json_int_t) info->config.id,
        "min_rate", setting(info->config.min_rate), "max_rate", setting(info->config.max_rate),
        "burst", setting(info->config.burst), "active", info->active,
        "tx_packets", method_counter(info->stats.tx_packets),
        "tx_bytes", method_counter(info->stats.tx_bytes),
        "tx_errors", method_counter(info->stats.tx_errors)));
}

static bool
list_port(const struct port_info *info, void *aux)
{
    struct list *list = aux;
    list->port = info;
    dp_queue_for_each(list->bridge, info->port_no, true, list_queue, list);
    return true;
}

enum rpc_code
method_queues(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (bridge) {
        struct list list = { .rows = json_array(), .bridge = agent_bridge(bridge->agent) };
        dp_port_for_each(list.bridge, list_port, &list);
        *result = json_pack("{s:s, s:o}", "bridge", bridge->name, "queues", list.rows);
    }
    return code;
}

/* What a request names: a port of a bridge, and a queue. */
struct target {
    struct dp_bridge *bridge;
    const char *bridge_name;
    uint16_t port_no;
};

static enum rpc_code
find_target(const struct method_env *env, const char *bridge_name, const char *port,
            json_int_t queue, struct target *out, struct errmsg *err)
{
    if (queue < 0 || queue >= (json_int_t) DP_QUEUE_ALL) {
        errmsg_set(err, "params: queue is from 0 to %u", DP_QUEUE_ALL - 1);
        return RPC_INVALID_PARAMS;
    }
    enum rpc_code code;
    struct bridge *bridge = method_bridge(env, bridge_name, &code, err);
    if (!bridge) {
        return code;
    }
    out->bridge = agent_bridge(bridge->agent);
    out->bridge_name = bridge->name;
    if (!method_find_port(out->bridge, port, &out->port_no, err)) {
        return RPC_FAILED;
    }
    return RPC_OK;
}

static json_t *
target_to_json(const struct target *target, json_int_t queue)
{
    return json_pack("{s:s, s:i, s:I}", "bridge", target->bridge_name,
                     "port", (int) target->port_no, "queue", queue);
}

/* Takes over what is given, which is not -1. */
static void
give(struct pktio_queue_config *config, json_int_t min_rate, json_int_t max_rate,
     json_int_t burst)
{
    config->min_rate = min_rate < 0 ? config->min_rate : (uint64_t) min_rate;
    config->max_rate = max_rate < 0 ? config->max_rate : (uint64_t) max_rate;
    config->burst = burst < 0 ? config->burst : (uint32_t) burst;
}

/* What is not given is not set, or, with 'change', stays as it is. */
static enum rpc_code
set_queue(const struct method_env *env, json_t *params, json_t **result, bool change,
          struct errmsg *err)
{
    const char *name = NULL, *port;
    json_int_t queue, min_rate = -1, max_rate = -1, burst = -1;
    enum rpc_code code = method_unpack(
        params, err, "{s?s, s:s, s:I, s?I, s?I, s?I !}", "bridge", &name, "port", &port,
        "queue", &queue, "min_rate", &min_rate, "max_rate", &max_rate, "burst", &burst);
    if (code) {
        return code;
    }
    if (min_rate < -1 || max_rate < -1 || burst < -1 || burst > INT32_MAX) {
        errmsg_set(err, "params: a rate or a burst is below 0, or too large");
        return RPC_INVALID_PARAMS;
    }
    struct target target;
    code = find_target(env, name, port, queue, &target, err);
    if (code) {
        return code;
    }
    struct pktio_queue_config config = { .id = (uint32_t) queue };
    if (change) {
        dp_queue_get(target.bridge, target.port_no, config.id, &config);
    }
    give(&config, min_rate, max_rate, burst);
    if (change ? dp_queue_change(target.bridge, target.port_no, &config, err)
               : dp_queue_add(target.bridge, target.port_no, &config, err)) {
        return RPC_FAILED;
    }
    *result = target_to_json(&target, queue);
    return RPC_OK;
}

enum rpc_code
method_add_queue(const struct method_env *env, json_t *params, json_t **result,
                 struct errmsg *err)
{
    return set_queue(env, params, result, false, err);
}

enum rpc_code
method_mod_queue(const struct method_env *env, json_t *params, json_t **result,
                 struct errmsg *err)
{
    return set_queue(env, params, result, true, err);
}

enum rpc_code
method_del_queue(const struct method_env *env, json_t *params, json_t **result,
                 struct errmsg *err)
{
    const char *name = NULL, *port;
    json_int_t queue;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s, s:I !}", "bridge", &name,
                                       "port", &port, "queue", &queue);
    struct target target;
    code = code ? code : find_target(env, name, port, queue, &target, err);
    if (code) {
        return code;
    }
    if (dp_queue_del(target.bridge, target.port_no, (uint32_t) queue, err)) {
        return RPC_FAILED;
    }
    *result = target_to_json(&target, queue);
    return RPC_OK;
}
