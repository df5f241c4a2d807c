/* SPDX-License-Identifier: Apache-2.0 */
/* What is in hardware: devices with their tables, and entries. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/field.h"
#include "mgmt/hardware.h"
#include "mgmt/method.h"
#include "mgmt/method_hw.h"

static const char *const states[HAL_N_STATES] = {
    [HAL_ABSENT] = "software", [HAL_PENDING] = "pending", [HAL_IN_HARDWARE] = "hardware",
    [HAL_LEAVING] = "leaving", [HAL_FAILED] = "refused", [HAL_LIMBO] = "limbo",
};

static const char *const action_names[N_ACTION_TYPES] = {
    [ACTION_OUTPUT] = "output", [ACTION_ENQUEUE] = "enqueue", [ACTION_SET_VLAN_VID] = "set-vlan-vid",
    [ACTION_SET_VLAN_PCP] = "set-vlan-pcp", [ACTION_STRIP_VLAN] = "strip-vlan",
    [ACTION_SET_DL_SRC] = "set-dl-src", [ACTION_SET_DL_DST] = "set-dl-dst",
    [ACTION_SET_NW_SRC] = "set-nw-src", [ACTION_SET_NW_DST] = "set-nw-dst",
    [ACTION_SET_NW_TOS] = "set-nw-tos", [ACTION_SET_TP_SRC] = "set-tp-src",
    [ACTION_SET_TP_DST] = "set-tp-dst",
};

enum rpc_code
method_hw_check(const struct method_env *env, struct errmsg *err)
{
    if (!env->hardware) {
        errmsg_set(err, "turnoutd has no offload driver: it was started without --driver");
        return RPC_FAILED;
    }
    return RPC_OK;
}

json_t *
method_hw_verdict(const struct hal_verdict *v)
{
    const char *name = v->reason ? hal_reason_name(v->reason) : NULL;
    const char *field = v->field < N_FIELDS ? fields[v->field].name : NULL;
    const char *action = v->action < N_ACTION_TYPES ? action_names[v->action] : NULL;
    if (!name) {
        return json_null();
    }
    return json_pack("{s:s, s:i, s:s?, s:s?, s:o, s:o, s:o, s:s, s:s}", "name", name,
                     "number", (int) v->reason, "field", field, "action", action,
                     "port", v->port ? json_integer(v->port) : json_null(),
                     "error", v->error ? json_integer(v->error) : json_null(),
                     "words", v->words[0] ? rpc_string(v->words) : json_null(),
                     "summary", hal_reason_summary(v->reason),
                     "remedy", hal_reason_remedy(v->reason));
}

json_t *
method_hw_entry(const struct hal_entry_info *info, size_t *bytes)
{
    struct strbuf match = { 0 }, actions = { 0 };
    char cookie[19];
    flow_match_print(&match, &info->match, NULL);
    if (info->actions) {
        flow_actions_print(&actions, info->actions->actions, info->actions->len, NULL);
    }
    *bytes = 300 + match.len + actions.len;
    snprintf(cookie, sizeof cookie, "0x%" PRIx64, info->cookie);
    json_t *used = info->used_ms == UINT64_MAX ? json_null()
                                               : json_real((double) info->used_ms / 1000);
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:i, s:s, s:I, s:o, s:I, s:f, s:o, s:o, s:o}",
        "device", info->device, "table", info->table, "state", states[info->state],
        "match", method_take_text(&match), "priority", (int) info->priority, "cookie", cookie,
        "packets", (json_int_t) info->packets, "bytes", method_counter(info->bytes),
        "packets_per_s", (json_int_t) info->packets_per_s, "age_s", (double) info->age_ms / 1000,
        "used_s", used, "actions", method_take_text(&actions),
        "reason", method_hw_verdict(&info->verdict));
}

/* --- devices -------------------------------------------------------------------------------- */

static void
list_device(struct hal_device *device, const struct hal_device_info *info, void *rows)
{
    json_t *tables = json_array();
    (void) device;
    for (unsigned i = 0; i < info->caps->n_tables; i++) {
        const struct hal_table_info *t = &info->table[i];
        json_array_append_new(tables, json_pack(
            "{s:s, s:I, s:I, s:o}", "name", t->caps->name, "entries", (json_int_t) t->entries,
            "foreign", (json_int_t) t->foreign, "capacity",
            t->caps->capacity ? json_integer(t->caps->capacity) : json_null()));
    }
    json_array_append_new(rows, json_pack(
        "{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}",
        "driver", info->driver, "options", info->options, "tables", tables,
        "pending", (json_int_t) info->pending, "limbo", (json_int_t) info->limbo,
        "failed", (json_int_t) info->failed, "added", (json_int_t) info->added,
        "changed", (json_int_t) info->changed, "removed", (json_int_t) info->removed,
        "refused", (json_int_t) info->refused, "lost", (json_int_t) info->lost,
        "repaired", (json_int_t) info->repaired, "moves", (json_int_t) info->moves,
        "fenced", info->fenced,
        "why_fenced", info->fenced ? rpc_string(info->why_fenced) : json_null()));
}

enum rpc_code
method_hw_show(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    enum rpc_code code = method_unpack(params, err, "{!}");
    if (!code) {
        json_t *rows = json_array();
        if (env->hardware) {
            hal_visit_devices(hardware_hal(env->hardware), list_device, rows);
        }
        *result = json_pack("{s:o}", "devices", rows);
    }
    return code;
}

/* --- entries -------------------------------------------------------------------------------- */

static bool
list_entry(const struct hal_entry_info *info, void *aux)
{
    struct page *page = aux;
    size_t bytes;
    json_t *row = method_hw_entry(info, &bytes);
    page_append(page, row, bytes);
    return !page_is_full(page);
}

enum rpc_code
method_hw_entries(const struct method_env *env, json_t *params, json_t **result,
                  struct errmsg *err)
{
    const char *name = NULL;
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?I, s?I !}", "bridge", &name,
                                       "cursor", &cursor, "limit", &limit);
    code = code ? code : page_check(cursor, limit, err);
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct page page;
    uint64_t position = (uint64_t) cursor;
    page_init(&page, 0, limit);
    hal_visit(hardware_hal(env->hardware), dp_bridge_hal(agent_bridge(bridge->agent)), NULL,
              &position, list_entry, &page);
    page.next = page_is_full(&page) ? (json_int_t) position : 0;
    *result = page_result(&page, "entries", bridge);
    return RPC_OK;
}
