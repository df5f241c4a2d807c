/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/method.h"

#include <string.h>

#include "mgmt/flow_walk.h"
#include "mgmt/method_restore.h"
#include "mgmt/method_capture.h"
#include "mgmt/method_snoop.h"

const struct method methods[] = {
    { "version", method_version },
    { "show", method_show },
    { "ports", method_ports },
    { "add-port", method_add_port },
    { "del-port", method_del_port },
    { "queues", method_queues },
    { "add-queue", method_add_queue },
    { "mod-queue", method_mod_queue },
    { "del-queue", method_del_queue },
    { "set-port", method_set_port },
    { "flows", method_flows },
    { "cache", method_cache },
    { "fdb", method_fdb },
    { "flush-fdb", method_flush_fdb },
    { "controllers", method_controllers },
    { "counters", method_counters },
    { "governor", method_governor },
    { "trace", method_trace },
    { "log-level", method_log_level },
    { "snoop", method_snoop },
    { "upgrade-check", method_upgrade_check },
    { "restore-begin", method_restore_begin },
    { "restore-add", method_restore_add },
    { "restore-diff", method_restore_diff },
    { "restore-run", method_restore_run },
    { "restore-status", method_restore_status },
    { "hw-show", method_hw_show },
    { "hw-probe", method_hw_probe },
    { "hw-policy", method_hw_policy },
    { "hw-policy-set", method_hw_policy_set },
    { "hw-policy-del", method_hw_policy_del },
    { "hw-plan", method_hw_plan },
    { "hw-entries", method_hw_entries },
    { "hw-explain", method_hw_explain },
    { "hw-fault", method_hw_fault },
    { "hw-audit", method_hw_audit },
    { "hw-audit-status", method_hw_audit_status },
    { "hw-capture", method_hw_capture },
};
const size_t n_methods = sizeof methods / sizeof methods[0];

const struct method *
method_find(const char *name)
{
    for (size_t i = 0; i < n_methods; i++) {
        if (!strcmp(methods[i].name, name)) {
            return &methods[i];
        }
    }
    return NULL;
}

enum rpc_code
method_unpack(json_t *params, struct errmsg *err, const char *format, ...)
{
    json_t *empty = params ? NULL : json_object();
    json_error_t why;
    va_list args;
    va_start(args, format);
    int error = json_vunpack_ex(params ? params : empty, &why, 0, format, args);
    va_end(args);
    json_decref(empty);
    if (error) {
        errmsg_set(err, "params: %s", why.text);
        return RPC_INVALID_PARAMS;
    }
    return RPC_OK;
}

struct bridge *
method_bridge(const struct method_env *env, const char *name, enum rpc_code *code,
              struct errmsg *err)
{
    struct bridge *bridge = bridges_find(env->bridges, name, err);
    *code = bridge ? RPC_OK : RPC_FAILED;
    return bridge;
}

static uint16_t
port_number(void *bridge, const char *name)
{
    uint16_t port_no;
    return dp_port_find(bridge, name, &port_no) ? port_no : 0;
}

struct flow_text_ports
method_port_names(const struct bridge *bridge)
{
    return (struct flow_text_ports) {
        .number = port_number,
        .aux = agent_bridge(bridge->agent),
    };
}

void
method_session_fini(struct method_session *session)
{
    flow_walk_close(session->walk);
    restore_close(session->restore);
    snoop_stream_free(session->snoop);
    session->snoop = NULL;
    capture_stream_free(session->capture);
    session->capture = NULL;
}

void
method_session_written(struct method_session *session)
{
    snoop_stream_written(session->snoop);
}

enum rpc_code
page_check(json_int_t cursor, json_int_t limit, struct errmsg *err)
{
    if (cursor < 0 || limit < 1 || limit > PAGE_LIMIT_MAX) {
        errmsg_set(err, "params: cursor is 0 or more, limit is from 1 to %d", PAGE_LIMIT_MAX);
        return RPC_INVALID_PARAMS;
    }
    return RPC_OK;
}

void
page_init(struct page *page, json_int_t begin, json_int_t limit)
{
    *page = (struct page) { .rows = json_array(), .begin = begin, .limit = limit };
}

bool
page_is_full(const struct page *page)
{
    return (json_int_t) json_array_size(page->rows) >= page->limit
           || page->bytes >= PAGE_MAX_BYTES;
}

enum page_step
page_step(struct page *page)
{
    if (page->seen < page->begin) {
        page->seen++;
        return PAGE_SKIP;
    }
    if (page_is_full(page)) {
        page->next = page->seen;
        return PAGE_STOP;
    }
    page->seen++;
    return PAGE_TAKE;
}

void
page_append(struct page *page, json_t *row, size_t bytes)
{
    json_array_append_new(page->rows, row);
    page->bytes += bytes;
}

json_t *
page_result(struct page *page, const char *name, const struct bridge *bridge)
{
    json_t *next = page->next ? json_integer(page->next) : json_null();
    return json_pack("{s:s, s:o, s:o}", "bridge", bridge->name, name, page->rows, "next", next);
}
