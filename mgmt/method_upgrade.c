/* SPDX-License-Identifier: Apache-2.0 */
/* "upgrade-check": what a restart would lose, because the configuration does not say it; and how
 * this daemon was started, so that another one can be asked whether it understands that. Flows
 * are told by number: whether they are saved is the client's to know. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/method.h"
#include "mgmt/reload.h"

struct check {
    json_t *findings;
    const struct bridge *bridge;
    const struct config_bridge *config;
    uint16_t *numbers;             /* of config->ports, as a start would give them */
};

/* Something that a restart loses. */
static void __attribute__((format(printf, 2, 3)))
lose(struct check *check, const char *format, ...)
{
    struct strbuf text = { 0 };
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    json_t *finding = json_pack("{s:s, s:b, s:o}", "bridge", check->bridge->name, "lost", true,
                                "text", rpc_string(strbuf_text(&text)));
    strbuf_fini(&text);
    json_array_append_new(check->findings, finding);
}

static bool
is_taken(const struct check *check, uint16_t number)
{
    for (size_t i = 0; i < check->config->n_ports; i++) {
        if (check->numbers[i] == number) {
            return true;
        }
    }
    return false;
}

/* As bridges_apply() does it: ports with a number of their own first, the others get the
 * lowest that is free, in their order. */
static bool
number_ports(struct check *check)
{
    const struct config_bridge *config = check->config;
    check->numbers = calloc(config->n_ports + 1, sizeof *check->numbers);
    if (!check->numbers) {
        return false;
    }
    for (size_t i = 0; i < config->n_ports; i++) {
        check->numbers[i] = config->ports[i].number;
    }
    for (size_t i = 0; i < config->n_ports; i++) {
        uint16_t number = 1;
        while (!check->numbers[i] && is_taken(check, number)) {
            number++;
        }
        check->numbers[i] = check->numbers[i] ? check->numbers[i] : number;
    }
    return true;
}

/* --- ports and queues ----------------------------------------------------------------- */

static void
check_flags(struct check *check, const struct port_info *info, uint32_t wanted)
{
    if (info->config != wanted) {
        lose(check, "port %s: flags that a controller or set-port has changed", info->name);
    }
}

static bool
check_port(const struct port_info *info, void *check_)
{
    struct check *check = check_;
    if (info->port_no == PORT_LOCAL) {
        check_flags(check, info, 0);
        return true;
    }
    const struct config_port *port = config_find_port(check->config, info->name);
    if (!port) {
        lose(check, "port %s, number %u: was added by hand", info->name, info->port_no);
        return true;
    }
    uint16_t number = check->numbers[port - check->config->ports];
    if (number != info->port_no) {
        lose(check, "port %s: its number is %u, and would be %u", info->name, info->port_no, number);
    }
    check_flags(check, info, port->flags);
    return true;
}

static void
check_missing_ports(struct check *check, const struct dp_bridge *dp_bridge)
{
    for (size_t i = 0; i < check->config->n_ports; i++) {
        uint16_t number;
        const char *name = check->config->ports[i].name;
        if (!dp_port_find(dp_bridge, name, &number)) {
            lose(check, "port %s: was removed by hand, and would be there again", name);
        }
    }
}

struct port_queues {
    struct check *check;
    const struct port_info *port;
};

static void
check_queue(const struct dp_queue_info *info, void *queues_)
{
    const struct port_queues *queues = queues_;
    const struct pktio_queue_config *is = &info->config;
    const struct config_queue *queue = config_find_queue(queues->check->config,
                                                         queues->port->name, is->id);
    if (!queue) {
        lose(queues->check, "port %s: queue %u was added by hand", queues->port->name, is->id);
    } else if (queue->queue.min_rate != is->min_rate || queue->queue.max_rate != is->max_rate
               || queue->queue.burst != is->burst) {
        lose(queues->check, "port %s: queue %u was changed by hand", queues->port->name, is->id);
    }
}

static bool
check_queues(const struct port_info *info, void *check_)
{
    struct check *check = check_;
    struct port_queues queues = { check, info };
    dp_queue_for_each(agent_bridge(check->bridge->agent), info->port_no, false, check_queue,
                      &queues);
    return true;
}

static void
check_missing_queues(struct check *check, const struct dp_bridge *dp_bridge)
{
    for (size_t i = 0; i < check->config->n_queues; i++) {
        const struct config_queue *queue = &check->config->queues[i];
        uint16_t number;
        if (dp_port_find(dp_bridge, queue->port, &number)
            && !dp_queue_exists(dp_bridge, number, queue->queue.id)) {
            lose(check, "port %s: queue %u was removed by hand, and would be there again",
                 queue->port, queue->queue.id);
        }
    }
}

/* --- bridges -------------------------------------------------------------------------- */

static void
check_bridge(struct check *check)
{
    struct dp_bridge *dp_bridge = agent_bridge(check->bridge->agent);
    struct agent_status status;
    agent_get_status(check->bridge->agent, &status);
    if (!check->config) {
        lose(check, "the bridge is not in the configuration");
        return;
    }
    if (!number_ports(check)) {
        lose(check, "no memory to check its ports");
        return;
    }
    dp_port_for_each(dp_bridge, check_port, check);
    check_missing_ports(check, dp_bridge);
    dp_port_for_each(dp_bridge, check_queues, check);
    check_missing_queues(check, dp_bridge);
    if (status.drops_fragments) {
        lose(check, "a controller has set that fragments are dropped");
    }
    if (status.mode == AGENT_EMERGENCY) {
        lose(check, "emergency flows act; a new start waits for the controllers first");
    }
    free(check->numbers);
    check->numbers = NULL;
}

static bool
count_controllers(const struct agent_connection_info *info, void *n_)
{
    int *n = n_;
    *n += info->live && !info->management;
    return true;
}

/* Flows that FLOW_MODs have made: copies of emergency flows that act are not. */
static json_t *
bridge_to_json(const struct bridge *bridge)
{
    struct agent_status status;
    int n_controllers = 0;
    agent_get_status(bridge->agent, &status);
    agent_for_each_connection(bridge->agent, count_controllers, &n_controllers);
    return json_pack("{s:s, s:I, s:I, s:i}", "name", bridge->name, "flows",
                     (json_int_t) (flow_table_count(agent_flows(bridge->agent))
                                   - status.emergency_acting),
                     "emergency_flows", (json_int_t) status.emergency_flows,
                     "controllers", n_controllers);
}

static json_t *
arguments(const struct reload *reload)
{
    json_t *list = json_array();
    for (int i = 1; reload && i < reload->argc; i++) {
        json_array_append_new(list, rpc_string(reload->argv[i]));
    }
    return list;
}

enum rpc_code
method_upgrade_check(const struct method_env *env, json_t *params, json_t **result,
                     struct errmsg *err)
{
    const char *name = NULL;
    const struct reload *reload = env->reload;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    if (code || (name && !method_bridge(env, name, &code, err))) {
        return code;
    }
    struct check check = { .findings = json_array() };
    json_t *list = json_array();
    for (struct bridge *b = bridges_first(env->bridges); b; b = b->next) {
        if (!name || !strcmp(name, b->name)) {
            check.bridge = b;
            check.config = reload ? config_find_bridge(reload->config, b->name) : NULL;
            check_bridge(&check);
            json_array_append_new(list, bridge_to_json(b));
        }
    }
    *result = json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "version", PACKAGE_VERSION,
                        "pid", (json_int_t) getpid(), "arguments", arguments(reload),
                        "directory", rpc_string(reload ? reload->base_dir : "/"),
                        "bridges", list, "findings", check.findings);
    return RPC_OK;
}
