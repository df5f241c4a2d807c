/* SPDX-License-Identifier: Apache-2.0 */
/* "restore-...": many flows at once, all or none; see ofagent/flow_restore.h. */
#include "mgmt/method_restore.h"

#include <stdlib.h>
#include <string.h>

#include "lib/flow_spec.h"
#include "mgmt/method_plan.h"

/* Flows looked at for one page of differences. */
enum { PAGE_BUDGET = 50000 };

struct restore {
    struct flow_restore *set;
    struct bridge *bridge;
    struct hw_plan *plan;              /* NULL: none was asked for */
    struct restore **owner;            /* the client's pointer */
    struct restore *next, **prev;      /* of the bridge's */
    json_int_t cursor;                 /* the page of differences that comes next; 0: the first */
    uint32_t n[FLOW_RESTORE_DELETE + 1];   /* differences shown, by kind */
    struct flow_spec spec;             /* scratch: */
    struct ofp_flow_mod flow_mod;
};

/* Takes it out of everything; the set stays. */
static void
detach(struct restore *restore)
{
    *restore->prev = restore->next;
    if (restore->next) {
        restore->next->prev = restore->prev;
    }
    *restore->owner = NULL;
    hw_plan_free(restore->plan);
    free(restore);
}

void
restore_close(struct restore *restore)
{
    if (restore) {
        flow_restore_free(restore->set);
        detach(restore);
    }
}

void
restore_close_all(struct bridge *bridge)
{
    while (bridge->restores) {
        restore_close(bridge->restores);
    }
}

enum rpc_code
method_restore_begin(const struct method_env *env, json_t *params, json_t **result,
                     struct errmsg *err)
{
    const char *name = NULL;
    int replace = 0;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?b !}", "bridge", &name,
                                       "replace", &replace);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    restore_close(env->session->restore);
    struct restore *restore = calloc(1, sizeof *restore);
    struct flow_restore *set = restore ? flow_restore_new(bridge->agent, replace) : NULL;
    if (!set) {
        free(restore);
        errmsg_set(err, "no memory");
        return RPC_INTERNAL_ERROR;
    }
    restore->set = set;
    restore->bridge = bridge;
    restore->owner = &env->session->restore;
    restore->next = bridge->restores;
    restore->prev = &bridge->restores;
    if (restore->next) {
        restore->next->prev = &restore->next;
    }
    bridge->restores = restore;
    env->session->restore = restore;
    *result = json_pack("{s:s, s:I}", "bridge", bridge->name, "max",
                        (json_int_t) flow_table_max(agent_flows(bridge->agent)));
    return RPC_OK;
}

struct restore *
restore_of_client(const struct method_env *env, struct errmsg *err)
{
    if (!env->session->restore) {
        errmsg_set(err, "there is no \"restore-begin\" that holds");
    }
    return env->session->restore;
}

struct bridge *
restore_bridge(const struct restore *restore)
{
    return restore->bridge;
}

const struct flow_copy *
restore_first(const struct restore *restore)
{
    return flow_restore_first(restore->set);
}

struct hw_plan **
restore_plan(struct restore *restore)
{
    return &restore->plan;
}

static enum rpc_code
stage(struct restore *restore, json_int_t line, const char *text, struct errmsg *err)
{
    const struct flow_text_ports ports = method_port_names(restore->bridge);
    struct flow_spec *spec = &restore->spec;
    struct ofp_flow_mod *fm = &restore->flow_mod;
    struct ofp_refusal refusal;
    if (flow_spec_parse(text, FLOW_SPEC_ADD, &ports, spec, err)) {
        errmsg_prefix(err, "line %lld", (long long) line);
        return RPC_INVALID_PARAMS;
    }
    memset(fm, 0, offsetof(struct ofp_flow_mod, actions));
    fm->match = (struct ofp_match) { .match = spec->match, .exact = spec->exact };
    fm->cookie = spec->cookie;
    fm->command = OFPFC_ADD;
    fm->idle_timeout = spec->idle_timeout;
    fm->hard_timeout = spec->hard_timeout;
    fm->priority = spec->priority;
    fm->out_port = PORT_NONE;
    fm->flags = spec->flags;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->n_actions = spec->n_actions;
    memcpy(fm->actions, spec->actions, spec->n_actions * sizeof spec->actions[0]);
    if (flow_restore_stage(restore->set, (uint32_t) line, fm, &refusal)) {
        errmsg_set(err, "line %lld: %s", (long long) line, refusal.why);
        return RPC_FAILED;
    }
    return RPC_OK;
}

enum rpc_code
method_restore_add(const struct method_env *env, json_t *params, json_t **result,
                   struct errmsg *err)
{
    json_t *flows, *row;
    size_t i;
    enum rpc_code code = method_unpack(params, err, "{s:o !}", "flows", &flows);
    if (code) {
        return code;
    }
    struct restore *restore = restore_of_client(env, err);
    if (!restore) {
        return RPC_FAILED;
    }
    json_array_foreach(flows, i, row) {
        json_int_t line;
        const char *text;
        code = method_unpack(row, err, "{s:I, s:s !}", "line", &line, "flow", &text);
        code = code ? code : stage(restore, line, text, err);
        if (code) {
            return code;
        }
    }
    *result = json_pack("{s:i}", "staged", (int) json_array_size(flows));
    return RPC_OK;
}

/* --- differences ---------------------------------------------------------------------- */

json_t *
restore_copy_text(struct restore *restore, const struct flow_copy *copy)
{
    struct flow_spec *spec = &restore->spec;
    struct strbuf text = { 0 };
    spec->match = copy->match.match;
    spec->exact = copy->match.exact;
    spec->cookie = copy->cookie;
    spec->priority = copy->priority;
    spec->idle_timeout = copy->idle_timeout;
    spec->hard_timeout = copy->hard_timeout;
    spec->flags = copy->flags;
    spec->n_actions = copy->n_actions;
    memcpy(spec->actions, copy->actions, copy->n_actions * sizeof copy->actions[0]);
    flow_spec_print(&text, spec, FLOW_SPEC_ADD, NULL);
    return method_take_text(&text);
}

static json_t *
flow_text(struct restore *restore, const struct flow *flow)
{
    struct flow_spec *spec = &restore->spec;
    const struct action_list *list = flow_actions(flow);
    struct strbuf text = { 0 };
    struct ofp_match match;
    flow_get_match(agent_flows(restore->bridge->agent), flow, &match);
    spec->match = match.match;
    spec->exact = match.exact;
    spec->cookie = flow->cookie;
    spec->priority = flow->priority;
    spec->idle_timeout = flow->idle_timeout;
    spec->hard_timeout = flow->hard_timeout;
    spec->flags = flow->flags;
    spec->n_actions = list->len;
    memcpy(spec->actions, list->actions, list->len * sizeof list->actions[0]);
    flow_spec_print(&text, spec, FLOW_SPEC_ADD, NULL);
    return method_take_text(&text);
}

static void
append_difference(struct restore *restore, struct page *page, const struct flow_difference *d)
{
    static const char *const names[] = {
        [FLOW_RESTORE_ADD] = "add", [FLOW_RESTORE_CHANGE] = "change",
        [FLOW_RESTORE_DELETE] = "delete",
    };
    json_t *row = json_pack("{s:s}", "op", names[d->op]);
    json_t *is = d->flow ? flow_text(restore, d->flow) : NULL;
    json_t *wanted = d->copy ? restore_copy_text(restore, d->copy) : NULL;
    size_t bytes = 60 + json_string_length(is) + json_string_length(wanted);
    if (is) {
        json_object_set_new(row, "is", is);
    }
    if (wanted) {
        json_object_set_new(row, "wanted", wanted);
        json_object_set_new(row, "line", json_integer(d->copy->line));
    }
    restore->n[d->op]++;
    page_append(page, row, bytes);
}

static json_t *
sum_of(const struct restore *restore)
{
    return json_pack("{s:I, s:I, s:I}", "add", (json_int_t) restore->n[FLOW_RESTORE_ADD],
                     "change", (json_int_t) restore->n[FLOW_RESTORE_CHANGE],
                     "delete", (json_int_t) restore->n[FLOW_RESTORE_DELETE]);
}

enum rpc_code
method_restore_diff(const struct method_env *env, json_t *params, json_t **result,
                    struct errmsg *err)
{
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    uint32_t budget = PAGE_BUDGET;
    struct flow_difference difference;
    struct page page;
    enum rpc_code code = method_unpack(params, err, "{s?I, s?I !}", "cursor", &cursor,
                                       "limit", &limit);
    code = code ? code : page_check(cursor, limit, err);
    struct restore *restore = code ? NULL : restore_of_client(env, err);
    if (!restore) {
        return code ? code : RPC_FAILED;
    }
    if (cursor != restore->cursor) {
        errmsg_set(err, "params: this cursor is not that of the next page");
        return RPC_INVALID_PARAMS;
    }
    if (!cursor) {
        memset(restore->n, 0, sizeof restore->n);
    }
    page_init(&page, 0, limit);
    bool more = true;
    while (more && !page_is_full(&page)) {
        more = flow_restore_next_difference(restore->set, &budget, &difference);
        if (more) {
            append_difference(restore, &page, &difference);
        }
    }
    restore->cursor = page.next = more || !budget ? cursor + 1 : 0;
    *result = page_result(&page, "differences", restore->bridge);
    json_object_set_new(*result, "sum", sum_of(restore));
    return RPC_OK;
}

/* --- running -------------------------------------------------------------------------- */

enum rpc_code
method_restore_run(const struct method_env *env, json_t *params, json_t **result,
                   struct errmsg *err)
{
    uint32_t id;
    enum rpc_code code = method_unpack(params, err, "{!}");
    struct restore *restore = code ? NULL : restore_of_client(env, err);
    if (!restore) {
        return code ? code : RPC_FAILED;
    }
    if (flow_restore_run(restore->set, &id)) {
        errmsg_set(err, "bridge %s: flows are being restored already, or there is no memory",
                   restore->bridge->name);
        return RPC_FAILED;
    }
    *result = json_pack("{s:s, s:I}", "bridge", restore->bridge->name, "id", (json_int_t) id);
    detach(restore);
    return RPC_OK;
}

enum rpc_code
method_restore_status(const struct method_env *env, json_t *params, json_t **result,
                      struct errmsg *err)
{
    static const char *const names[] = {
        [FLOW_RESTORE_NONE] = "none", [FLOW_RESTORE_RUNNING] = "running",
        [FLOW_RESTORE_UNDOING] = "undoing", [FLOW_RESTORE_DONE] = "done",
        [FLOW_RESTORE_FAILED] = "failed",
    };
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct flow_restore_status *status = agent_restore_status(bridge->agent);
    *result = json_pack(
        "{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "bridge", bridge->name,
        "id", (json_int_t) status->id, "state", names[status->state],
        "added", (json_int_t) status->added, "changed", (json_int_t) status->changed,
        "unchanged", (json_int_t) status->unchanged, "deleted", (json_int_t) status->deleted,
        "line", (json_int_t) status->line, "error", status->why);
    return RPC_OK;
}
