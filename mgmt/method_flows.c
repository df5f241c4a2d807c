/* SPDX-License-Identifier: Apache-2.0 */
/* The flow tables, page by page. */
#include <stdio.h>
#include <string.h>

#include "mgmt/flow_walk.h"
#include "mgmt/method.h"

/* Flows looked at for one page: bounds the time that a match that few flows have takes. */
#define PAGE_BUDGET 50000

static const struct flow_table_name {
    const char *name;
    struct flow_table *(*get)(struct agent *);
    int number;                    /* as in OpenFlow's statistics */
} tables[] = {
    { "main", agent_flows, 0 },
    { "emergency", agent_emergency_flows, 0xfe },
    { "in-band", agent_in_band_flows, 0 },
};

static const struct flow_table_name *
find_table(const char *name, struct errmsg *err)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (!strcmp(name, tables[i].name)) {
            return &tables[i];
        }
    }
    errmsg_set(err, "params: there is no table '%.20s'; valid: main emergency in-band", name);
    return NULL;
}

static void
append_flow(struct page *page, const struct flow_table *table, int number,
            const struct flow *flow)
{
    struct ofp_match match;
    struct flow_stats stats;
    struct strbuf match_text = { 0 }, actions_text = { 0 };
    flow_get_match(table, flow, &match);
    flow_get_stats(flow, &stats);
    flow_match_print(&match_text, &match.match, NULL);
    const struct action_list *actions = flow_actions(flow);
    flow_actions_print(&actions_text, actions->actions, actions->len, NULL);
    size_t bytes = 250 + match_text.len + actions_text.len;
    char cookie[19];
    snprintf(cookie, sizeof cookie, "0x%llx", (unsigned long long) flow->cookie);
    json_t *row = json_pack(
        "{s:i, s:b, s:o, s:i, s:b, s:s, s:I, s:I, s:f, s:i, s:i, s:f, s:o}",
        "table", number, "emergency", number == 0xfe || flow->flags & OFPFF_EMERG,
        "match", method_take_text(&match_text), "priority", (int) flow->priority,
        "exact", flow->rule.rank == RULE_RANK_EXACT, "cookie", cookie,
        "packets", (json_int_t) stats.packets, "bytes", (json_int_t) stats.bytes,
        "duration_s", (double) (stats.duration_ns / 1000000) / 1000,
        "idle_timeout", (int) flow->idle_timeout, "hard_timeout", (int) flow->hard_timeout,
        "idle_s", (double) stats.idle_ms / 1000, "actions", method_take_text(&actions_text));
    json_t *flags = json_array();
    if (flow->flags & OFPFF_SEND_FLOW_REM) {
        json_array_append_new(flags, json_string("send_flow_rem"));
    }
    json_object_set_new(row, "flags", flags);
    page_append(page, row, bytes);
}

/* The client's walk that 'cursor' goes on with, or a new one. */
static enum rpc_code
find_walk(struct method_session *session, struct bridge *bridge, const char *text,
          struct flow_table *table, json_int_t cursor, struct errmsg *err)
{
    if (cursor) {
        if (!session->walk || cursor != session->cursor || session->walk->bridge != bridge
            || session->walk->table != table) {
            errmsg_set(err, "params: this cursor is not, or no longer, one of a list of flows");
            return RPC_INVALID_PARAMS;
        }
        return RPC_OK;
    }
    const struct flow_text_ports ports = method_port_names(bridge);
    struct ofp_match match = { .exact = false };
    if (flow_match_parse(text, &ports, &match.match, err)) {
        return RPC_INVALID_PARAMS;
    }
    if (flow_walk_open(&session->walk, bridge, table, &match)) {
        errmsg_set(err, "no memory");
        return RPC_INTERNAL_ERROR;
    }
    return RPC_OK;
}

/* Fills the page. The walk is closed at its end. */
static void
fill_page(struct method_session *session, int number, struct page *page)
{
    struct flow_walk *walk = session->walk;
    uint32_t budget = PAGE_BUDGET;
    const struct flow *flow = NULL;
    while (!page_is_full(page) && (flow = flow_cursor_next(walk->table, &walk->cursor, &budget))) {
        append_flow(page, walk->table, number, flow);
    }
    if (!flow && budget) {
        flow_walk_close(walk);
    } else {
        page->next = ++session->cursor;
    }
}

enum rpc_code
method_flows(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL, *match = "", *table_name = "main";
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    struct page page;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s, s?s, s?I, s?I !}", "bridge", &name,
                                       "table", &table_name, "match", &match, "cursor", &cursor,
                                       "limit", &limit);
    code = code ? code : page_check(cursor, limit, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct flow_table_name *table = find_table(table_name, err);
    if (!table) {
        return RPC_INVALID_PARAMS;
    }
    if (!table->get(bridge->agent)) {
        errmsg_set(err, "bridge %s: in-band control is off", bridge->name);
        return RPC_FAILED;
    }
    code = find_walk(env->session, bridge, match, table->get(bridge->agent), cursor, err);
    if (!code) {
        page_init(&page, 0, limit);
        fill_page(env->session, table->number, &page);
        *result = page_result(&page, "flows", bridge);
    }
    return code;
}
