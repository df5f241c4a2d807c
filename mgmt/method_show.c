/* SPDX-License-Identifier: Apache-2.0 */
/* The summaries: the daemon, its bridges, their controllers, the event counters, the log. */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"

enum rpc_code
method_version(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    enum rpc_code code = method_unpack(params, err, "{!}");
    if (!code) {
        *result = json_pack("{s:s, s:i, s:I, s:I}", "version", PACKAGE_VERSION,
                            "protocol", CONTROL_PROTOCOL_VERSION, "pid", (json_int_t) getpid(),
                            "uptime_s", (json_int_t) (clock_ms() - env->started_ms) / 1000);
    }
    return code;
}

struct port_rows {
    const struct dp_bridge *bridge;
    json_t *rows;
};

static bool
append_port(const struct port_info *info, void *aux)
{
    struct port_rows *ports = aux;
    json_array_append_new(ports->rows, port_to_json(ports->bridge, info));
    return true;
}

static bool
count_connected(const struct agent_connection_info *info, void *aux)
{
    int *n = aux;
    *n += !info->listener && !info->management && !strcmp(info->state, "active");
    return true;
}

static const char *
miss_mode_name(enum dp_miss_mode mode)
{
    switch (mode) {
    case DP_MISS_CONTROLLER:
        return "controller";
    case DP_MISS_NORMAL:
        return "normal";
    case DP_MISS_DROP:
        return "drop";
    }
    return "?";
}

/* Who decides about packets, and what there is in case of an emergency. */
static json_t *
control_to_json(const struct agent *agent)
{
    struct agent_status status;
    agent_get_status(agent, &status);
    return json_pack("{s:s, s:s, s:s, s:I, s:b, s:I, s:{s:I, s:I, s:I}}",
                     "controllers", status.controllers,
                     "fail_mode",
                     status.fail_mode == AGENT_FAIL_SECURE ? "secure" : "standalone",
                     "mode", agent_mode_name(status.mode),
                     "since_s", (json_int_t) (clock_ms() - status.mode_ms) / 1000,
                     "in_band", status.in_band,
                     "in_band_rules", (json_int_t) status.in_band_rules,
                     "emergency_flows", "count", (json_int_t) status.emergency_flows,
                     "max", (json_int_t) status.emergency_max,
                     "acting", (json_int_t) status.emergency_acting);
}

static json_t *
bridge_to_json(const struct bridge *bridge)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct dp_bridge_stats stats;
    struct flow_table *flows = agent_flows(bridge->agent);
    dp_bridge_get_stats(dp_bridge, &stats);
    struct port_rows ports = { dp_bridge, json_array() };
    dp_port_for_each(dp_bridge, append_port, &ports);
    int n_connected = 0;
    agent_for_each_connection(bridge->agent, count_connected, &n_connected);
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long) agent_datapath_id(bridge->agent));
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:o, s:{s:I, s:I}, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:o}",
        "name", bridge->name, "datapath_id", id,
        "table_miss", miss_mode_name(dp_bridge_miss_mode(dp_bridge)),
        "controllers_connected", n_connected, "control", control_to_json(bridge->agent),
        "flows", "count", (json_int_t) flow_table_count(flows),
        "max", (json_int_t) flow_table_max(flows),
        "lookups", "hit", (json_int_t) stats.hits, "missed", (json_int_t) stats.misses,
        "lost", (json_int_t) stats.lost,
        "cache", "entries", (json_int_t) stats.cache.entries,
        "capacity", (json_int_t) stats.cache.capacity,
        "evictions", (json_int_t) stats.cache.evictions,
        "ports", ports.rows);
}

enum rpc_code
method_show(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    if (code || (name && !method_bridge(env, name, &code, err))) {
        return code;
    }
    json_t *list = json_array();
    for (struct bridge *b = bridges_first(env->bridges); b; b = b->next) {
        if (!name || !strcmp(name, b->name)) {
            json_array_append_new(list, bridge_to_json(b));
        }
    }
    *result = json_pack("{s:o}", "bridges", list);
    return RPC_OK;
}

/* The names of the reasons whose bits are set. */
static json_t *
reasons_to_json(enum nx_async what, uint32_t mask)
{
    json_t *list = json_array();
    for (unsigned reason = 0; reason < 32; reason++) {
        const char *name = nx_reason_name(what, reason);
        if (mask >> reason & 1) {
            json_array_append_new(list, name ? json_string(name) : json_integer(reason));
        }
    }
    return list;
}

/* What an established connection has become by its controller's wish. */
static void
set_role(json_t *row, const struct agent_connection_info *info)
{
    json_t *async = json_object();
    bool changed = false;
    for (enum nx_async what = 0; what < N_NX_ASYNC; what++) {
        uint32_t mask = info->async.masks[what][info->slave];
        json_object_set_new(async, nx_async_name(what), reasons_to_json(what, mask));
        changed = changed || mask != nx_async_default.masks[what][info->slave];
    }
    json_object_set_new(row, "role", json_string(info->role));
    json_object_set_new(row, "controller_id", json_integer(info->controller_id));
    json_object_set_new(row, "async", async);
    json_object_set_new(row, "async_changed", json_boolean(changed));
}

static json_t *
drops_to_json(const uint64_t drops[N_DP_PACKET_IN_REASONS])
{
    static const char *const names[] = {
        [DP_TABLE_MISS] = "miss", [DP_ACTION] = "action", [DP_INVALID_TTL] = "invalid_ttl",
    };
    static_assert(sizeof names / sizeof *names == N_DP_PACKET_IN_REASONS, "each has a name");
    json_t *object = json_object();
    for (unsigned i = 0; i < N_DP_PACKET_IN_REASONS; i++) {
        json_object_set_new(object, names[i], json_integer((json_int_t) drops[i]));
    }
    return object;
}

static json_t *
packet_ins_to_json(const struct agent_connection_info *info)
{
    return json_pack("{s:I, s:I, s:o}", "sent", (json_int_t) info->packet_ins,
                     "waiting", (json_int_t) info->packet_ins_waiting,
                     "dropped", drops_to_json(info->packet_ins_dropped));
}

struct list_drops {
    const struct dp_bridge *bridge;
    json_t *list;
};

/* Ports that lost packet-ins, on their way to us or to a controller. */
static bool
append_drops(const struct port_info *info, void *aux)
{
    struct list_drops *drops = aux;
    uint64_t n[N_DP_PACKET_IN_REASONS], total = 0;
    dp_port_get_packet_in_drops(drops->bridge, info->port_no, n);
    for (unsigned i = 0; i < N_DP_PACKET_IN_REASONS; i++) {
        total += n[i];
    }
    if (total) {
        json_array_append_new(drops->list, json_pack("{s:i, s:o}", "port", (int) info->port_no,
                                                     "dropped", drops_to_json(n)));
    }
    return true;
}

/* null without TLS. */
static json_t *
tls_to_json(const struct agent_connection_info *info)
{
    if (!info->has_tls) {
        return json_null();
    }
    return json_pack("{s:o, s:o, s:o}", "protocol", rpc_string(info->tls.protocol),
                     "cipher", rpc_string(info->tls.cipher),
                     "peer_subject", rpc_string(info->tls.subject));
}

static bool
append_connection(const struct agent_connection_info *info, void *list)
{
    json_t *row = json_pack(
        "{s:o, s:o, s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
        "target", rpc_string(info->target), "peer", rpc_string(info->peer),
        "state", info->state, "listener", info->listener, "management", info->management,
        "live", info->live,
        "since_s", (json_int_t) (clock_ms() - info->since_ms) / 1000,
        "messages_in", (json_int_t) info->messages_in,
        "messages_out", (json_int_t) info->messages_out,
        "errors_sent", (json_int_t) info->errors_sent, "dropped", (json_int_t) info->dropped,
        "queued_bytes", (json_int_t) info->queued_bytes,
        "packet_ins", packet_ins_to_json(info),
        "last_error", rpc_string(info->last_error));
    json_object_set_new(row, "tls", tls_to_json(info));
    if (info->role) {
        set_role(row, info);
    }
    json_array_append_new(list, row);
    return true;
}

enum rpc_code
method_controllers(const struct method_env *env, json_t *params, json_t **result,
                   struct errmsg *err)
{
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    if (code || (name && !method_bridge(env, name, &code, err))) {
        return code;
    }
    json_t *bridges = json_array();
    for (struct bridge *b = bridges_first(env->bridges); b; b = b->next) {
        if (!name || !strcmp(name, b->name)) {
            json_t *list = json_array();
            agent_for_each_connection(b->agent, append_connection, list);
            struct list_drops drops = { agent_bridge(b->agent), json_array() };
            dp_port_for_each(drops.bridge, append_drops, &drops);
            json_array_append_new(bridges, json_pack("{s:s, s:o, s:o, s:o}", "name", b->name,
                                                     "control", control_to_json(b->agent),
                                                     "connections", list,
                                                     "packet_in_drops", drops.list));
        }
    }
    *result = json_pack("{s:o}", "bridges", bridges);
    return RPC_OK;
}

enum rpc_code
method_counters(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    (void) env;
    enum rpc_code code = method_unpack(params, err, "{!}");
    if (code) {
        return code;
    }
    json_t *list = json_array();
    for (int i = 0; i < N_COUNTERS; i++) {
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name", counter_name(i),
                                              "value", (json_int_t) counter_read(i),
                                              "help", counter_help(i)));
    }
    *result = json_pack("{s:o}", "counters", list);
    return RPC_OK;
}

enum rpc_code
method_log_level(const struct method_env *env, json_t *params, json_t **result,
                 struct errmsg *err)
{
    (void) env;
    const char *spec;
    enum rpc_code code = method_unpack(params, err, "{s:s !}", "level", &spec);
    if (code) {
        return code;
    }
    if (log_set_level(spec, err)) {
        return RPC_INVALID_PARAMS;
    }
    *result = json_pack("{s:s}", "level", spec);
    return RPC_OK;
}
