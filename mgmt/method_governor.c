/* SPDX-License-Identifier: Apache-2.0 */
/* What the flow governor does: settings, budgets, and what it held back of each port. */
#include <stdio.h>

#include "lib/clock.h"
#include "mgmt/method.h"
#include "mgmt/method_ports.h"
#include "mgmt/option_values.h"

static json_t *
bounds_to_json(const struct governor_bounds *bounds)
{
    return json_pack("{s:I, s:I}", "min", (json_int_t) bounds->min, "max",
                     (json_int_t) bounds->max);
}

static json_t *
workers_to_json(const struct dp *dp)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < dp_n_workers(dp); i++) {
        struct dp_worker_governor w;
        dp_worker_get_governor(dp, i, &w);
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I}", "worker", (json_int_t) i,
                                              "setups_per_s", (json_int_t) w.rate,
                                              "ports", (json_int_t) w.n_ports,
                                              "flooded", (json_int_t) w.n_flooded));
    }
    return list;
}

/* The text of an address. */
typedef void print_fn(uint64_t key, char text[18]);

static void
print_mac(uint64_t key, char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned) (key >> 40) & 0xff,
             (unsigned) (key >> 32) & 0xff, (unsigned) (key >> 24) & 0xff,
             (unsigned) (key >> 16) & 0xff, (unsigned) (key >> 8) & 0xff, (unsigned) key & 0xff);
}

static void
print_ip(uint64_t key, char text[18])
{
    snprintf(text, 18, "%u.%u.%u.%u", (unsigned) (key >> 24) & 0xff, (unsigned) (key >> 16) & 0xff,
             (unsigned) (key >> 8) & 0xff, (unsigned) key & 0xff);
}

/* Those that sent most first; not what may be nothing but error. */
static json_t *
sources_to_json(const struct governor_sources *sources, print_fn *print)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < GOVERNOR_SOURCES; i++) {
        const struct governor_source *s = &sources->at[i];
        char text[18];
        size_t at = 0;
        if (!s->key || s->count < 2 * s->error) {
            continue;
        }
        while (at < json_array_size(list)
               && (uint64_t) json_integer_value(json_object_get(json_array_get(list, at),
                                                                "packets")) >= s->count) {
            at++;
        }
        print(s->key, text);
        json_array_insert_new(list, at, json_pack("{s:s, s:I, s:I}", "address", text,
                                                  "packets", (json_int_t) s->count,
                                                  "error", (json_int_t) s->error));
    }
    return json_pack("{s:I, s:o}", "of", (json_int_t) sources->total, "list", list);
}

struct list_ports {
    const struct bridge *bridge;
    uint16_t only;                   /* 0: all */
    json_t *rows;
};

static bool
append_port(const struct port_info *info, void *aux)
{
    struct list_ports *ports = aux;
    struct dp_port_governor p;
    if ((ports->only && info->port_no != ports->only)
        || !dp_port_get_governor(agent_bridge(ports->bridge->agent), info->port_no, &p)) {
        return true;
    }
    const struct governor_totals *t = &p.totals;
    json_t *held = json_pack("{s:I, s:I, s:I}",
                             "not_proven", (json_int_t) t->held[GOVERNOR_NOT_PROVEN],
                             "over_budget", (json_int_t) t->held[GOVERNOR_OVER_BUDGET],
                             "flood", (json_int_t) t->held[GOVERNOR_FLOOD]);
    json_t *since = p.since_ms ? json_real((double) (clock_ms() - p.since_ms) / 1000) : json_null();
    json_array_append_new(ports->rows, json_pack(
        "{s:s, s:i, s:s, s:i, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:{s:o, s:o}}",
        "bridge", ports->bridge->name, "port", (int) info->port_no, "name", info->name,
        "worker", (int) p.worker, "state", p.flood ? "flood" : "calm", "since_s", since,
        "floods", (json_int_t) t->floods, "share_per_s", (json_int_t) p.share,
        "asked", (json_int_t) t->asked, "installed", (json_int_t) t->installed,
        "uncached", (json_int_t) t->passed, "dropped", (json_int_t) t->dropped, "held", held,
        "sources", "macs", sources_to_json(&p.macs, print_mac),
        "addresses", sources_to_json(&p.addresses, print_ip)));
    return true;
}

static void
append_bridge(json_t *rows, const struct bridge *bridge, uint16_t only)
{
    struct list_ports ports = { bridge, only, rows };
    dp_port_for_each(agent_bridge(bridge->agent), append_port, &ports);
}

/* The ports of one bridge, or of all. */
static enum rpc_code
list_ports(const struct method_env *env, const char *name, const char *port, json_t *rows,
           struct errmsg *err)
{
    enum rpc_code code = RPC_OK;
    uint16_t port_no = 0;
    if (!name && !port) {
        for (struct bridge *b = bridges_first(env->bridges); b; b = b->next) {
            append_bridge(rows, b, 0);
        }
        return RPC_OK;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    if (port && !method_find_port(agent_bridge(bridge->agent), port, &port_no, err)) {
        return RPC_FAILED;
    }
    append_bridge(rows, bridge, port_no);
    return RPC_OK;
}

enum rpc_code
method_governor(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *port = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s !}", "bridge", &name,
                                       "port", &port);
    if (code) {
        return code;
    }
    json_t *rows = json_array();
    code = list_ports(env, name, port, rows, err);
    if (code) {
        json_decref(rows);
        return code;
    }
    const struct governor_config *config = dp_get_governor(env->dp);
    uint32_t entries = dp_entry_rate(env->dp);
    *result = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}",
                        "mode", option_governor_mode_name(config->mode),
                        "over_budget", config->drop ? "drop" : "uncached",
                        "setup_budget", bounds_to_json(&config->setups),
                        "entry_budget", bounds_to_json(&config->entries),
                        "entries_per_s", entries ? json_integer(entries) : json_null(),
                        "workers", workers_to_json(env->dp), "ports", rows);
    return RPC_OK;
}
