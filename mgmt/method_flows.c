/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that can be long: the flow table and the learnt addresses. */
#include <string.h>

#include "lib/clock.h"
#include "mgmt/method.h"

/* Port names in a match that a person types. */
static uint16_t
port_number(void *bridge, const char *name)
{
    uint16_t port_no;
    return dp_port_find(bridge, name, &port_no) ? port_no : 0;
}

struct list_flows {
    struct page page;
    const struct flow_table *table;
};

static void
append_flow(struct list_flows *list, const struct flow *flow)
{
    struct ofp_match match;
    struct flow_stats stats;
    struct strbuf match_text = { 0 }, actions_text = { 0 };
    flow_get_match(list->table, flow, &match);
    flow_get_stats(flow, &stats);
    flow_match_print(&match_text, &match.match, NULL);
    const struct action_list *actions = flow_actions(flow);
    flow_actions_print(&actions_text, actions->actions, actions->len, NULL);
    size_t bytes = 250 + match_text.len + actions_text.len;
    char cookie[19];
    snprintf(cookie, sizeof cookie, "0x%llx", (unsigned long long) flow->cookie);
    json_t *row = json_pack(
        "{s:o, s:i, s:b, s:s, s:I, s:I, s:f, s:i, s:i, s:f, s:o}",
        "match", method_take_text(&match_text), "priority", (int) flow->priority,
        "exact", flow->rule.rank == RULE_RANK_EXACT, "cookie", cookie,
        "packets", (json_int_t) stats.packets, "bytes", (json_int_t) stats.bytes,
        "duration_s", (double) (stats.duration_ns / 1000000) / 1000,
        "idle_timeout", (int) flow->idle_timeout, "hard_timeout", (int) flow->hard_timeout,
        "idle_s", (double) stats.idle_ms / 1000, "actions", method_take_text(&actions_text));
    page_append(&list->page, row, bytes);
}

static bool
list_flow(const struct flow *flow, void *aux)
{
    struct list_flows *list = aux;
    enum page_step step = page_step(&list->page);
    if (step == PAGE_TAKE) {
        append_flow(list, flow);
    }
    return step != PAGE_STOP;
}

enum rpc_code
method_flows(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *text = "";
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s, s?I, s?I !}", "bridge", &name,
                                       "match", &text, "cursor", &cursor, "limit", &limit);
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
    struct ofp_match match = { .exact = false };
    if (flow_match_parse(text, &ports, &match.match, err)) {
        return RPC_INVALID_PARAMS;
    }
    struct flow_table *table = agent_flows(bridge->agent);
    struct list_flows list = { .table = table };
    code = page_init(&list.page, cursor, limit, err);
    if (!code) {
        flow_table_for_each(table, &match, PORT_NONE, list_flow, &list);
        *result = page_result(&list.page, "flows", bridge);
    }
    return code;
}

static bool
list_address(const struct fdb_entry *entry, void *aux)
{
    struct page *page = aux;
    enum page_step step = page_step(page);
    if (step == PAGE_TAKE) {
        const uint8_t *a = entry->addr;
        char address[18];
        snprintf(address, sizeof address, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2],
                 a[3], a[4], a[5]);
        page_append(page, json_pack("{s:i, s:i, s:s, s:f}", "port", (int) entry->port,
                                    "vlan", (int) entry->vid, "address", address,
                                    "age_s", (double) (clock_ms() - entry->used_ms) / 1000), 80);
    }
    return step != PAGE_STOP;
}

enum rpc_code
method_fdb(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?I, s?I !}", "bridge", &name,
                                       "cursor", &cursor, "limit", &limit);
    if (code) {
        return code;
    }
    struct bridge *bridge = method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct page page;
    code = page_init(&page, cursor, limit, err);
    if (!code) {
        fdb_for_each(dp_bridge_fdb(agent_bridge(bridge->agent)), list_address, &page);
        *result = page_result(&page, "addresses", bridge);
    }
    return code;
}
