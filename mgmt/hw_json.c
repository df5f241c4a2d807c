/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/hw_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "hal/look.h"
#include "lib/flow_text.h"
#include "mgmt/method.h"

static const char *const states[HAL_N_STATES] = {
    [HAL_ABSENT] = "software", [HAL_PENDING] = "pending", [HAL_IN_HARDWARE] = "hardware",
    [HAL_LEAVING] = "leaving", [HAL_FAILED] = "refused", [HAL_LIMBO] = "limbo",
};

const char *
hw_json_state(enum hal_state state)
{
    return states[state];
}

json_t *
hw_json_verdict(const struct hal_verdict *v)
{
    const char *name = v->reason ? hal_reason_name(v->reason) : NULL;
    const char *field = hal_field_name(v->field);
    const char *action = hal_action_name(v->action);
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
hw_json_entry(const struct hal_entry_info *info, size_t *bytes)
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
        "{s:s, s:s, s:s, s:o, s:b, s:i, s:s, s:I, s:o, s:I, s:f, s:o, s:o, s:o}",
        "device", info->device, "table", info->table, "state", states[info->state],
        "match", method_take_text(&match), "whole", (int) info->is_whole, "priority", (int) info->priority, "cookie", cookie,
        "packets", (json_int_t) info->packets, "bytes", method_counter(info->bytes),
        "packets_per_s", (json_int_t) info->packets_per_s, "age_s", (double) info->age_ms / 1000,
        "used_s", used, "actions", info->actions ? method_take_text(&actions) : json_null(),
        "reason", hw_json_verdict(&info->verdict));
}

/* --- devices -------------------------------------------------------------------------------- */

json_t *
hw_json_device(const struct hal_device_info *info)
{
    json_t *tables = json_array();
    for (unsigned i = 0; i < info->caps->n_tables; i++) {
        const struct hal_table_info *t = &info->table[i];
        json_array_append_new(tables, json_pack(
            "{s:s, s:I, s:I, s:o}", "name", t->caps->name, "entries", (json_int_t) t->entries,
            "foreign", (json_int_t) t->foreign, "capacity",
            t->caps->capacity ? json_integer(t->caps->capacity) : json_null()));
    }
    return json_pack(
        "{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}",
        "driver", info->driver, "options", info->options, "tables", tables,
        "pending", (json_int_t) info->pending, "limbo", (json_int_t) info->limbo,
        "failed", (json_int_t) info->failed, "added", (json_int_t) info->added,
        "changed", (json_int_t) info->changed, "removed", (json_int_t) info->removed,
        "refused", (json_int_t) info->refused, "lost", (json_int_t) info->lost,
        "repaired", (json_int_t) info->repaired, "moves", (json_int_t) info->moves,
        "promoted", (json_int_t) info->promoted, "demoted", (json_int_t) info->demoted,
        "packets", (json_int_t) info->packets,
        "fenced", info->fenced,
        "why_fenced", info->fenced ? rpc_string(info->why_fenced) : json_null());
}

static void
add_fact(const char *name, const char *value, void *facts)
{
    json_object_set_new(facts, name, rpc_string(value));
}

json_t *
hw_json_facts(struct hal_device *device)
{
    json_t *facts = json_object();
    hal_describe(device, add_fact, facts);
    return facts;
}

/* --- capabilities ----------------------------------------------------------------------------- */

static const char *const mask_modes[N_FIELD_MASK_MODES] = {
    [FIELD_MASK_NONE] = "none", [FIELD_MASK_EXACT] = "exact", [FIELD_MASK_PREFIX] = "prefix",
    [FIELD_MASK_ANY] = "mask",
};

static json_t *
limit(uint32_t n)
{
    return n ? json_integer(n) : json_null();
}

/* {"in_port": "exact", ...}: the most general mask that each field takes. */
static json_t *
table_fields(const struct hal_table_caps *caps)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < N_FIELDS; i++) {
        unsigned mode = caps->field[i] < N_FIELD_MASK_MODES ? caps->field[i] : FIELD_MASK_NONE;
        json_object_set_new(object, hal_field_name(i), json_string(mask_modes[mode]));
    }
    return object;
}

static json_t *
table_required(const struct hal_table_caps *caps)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < N_FIELDS; i++) {
        if (caps->required >> i & 1) {
            json_array_append_new(array, json_string(hal_field_name(i)));
        }
    }
    return array;
}

/* {"set-dl-src": "yes", ...}; "before-output": not after one. */
static json_t *
table_actions(const struct hal_table_caps *caps)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < N_ACTION_TYPES; i++) {
        bool sends = i == ACTION_OUTPUT || i == ACTION_ENQUEUE;
        bool can = caps->actions >> i & 1 && i != ACTION_CONTROLLER;
        bool anywhere = sends || caps->ordered >> i & 1;
        json_object_set_new(object, hal_action_name(i),
                            json_string(!can ? "no" : anywhere ? "yes" : "before-output"));
    }
    return object;
}

static json_t *
table_caps(const struct hal_table_caps *caps)
{
    static const char *const known[] = { "declared", "probed", "quirk" };
    static const char *const counters[] = { "none", "packets", "both" };
    json_t *outputs = json_pack(
        "{s:b, s:b, s:b, s:b}", "port", (caps->outputs & HAL_OUTPUT_PORT) != 0,
        "in-port", (caps->outputs & HAL_OUTPUT_IN_PORT) != 0,
        "other-device", (caps->outputs & HAL_OUTPUT_OTHER_DEVICE) != 0,
        "nowhere", (caps->outputs & HAL_OUTPUT_NOWHERE) != 0);
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:I, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
        "name", caps->name, "known", known[caps->learnt <= HAL_QUIRK ? caps->learnt : 0],
        "capacity", limit(caps->capacity), "max_masks", limit(caps->max_masks),
        "max_actions", limit(caps->max_actions), "max_outputs", limit(caps->max_outputs),
        "counters", counters[caps->counters <= HAL_COUNT_BOTH ? caps->counters : 0],
        "counter_lag_ms", (json_int_t) caps->counter_lag_ms, "priorities", (int) caps->priorities,
        "whole_rules", (int) caps->whole_rules,
        "changes", (int) caps->changes, "fields", table_fields(caps),
        "required", table_required(caps), "actions", table_actions(caps), "outputs", outputs);
}

json_t *
hw_json_probe(const struct hal_device_info *info)
{
    json_t *tables = json_array();
    for (unsigned i = 0; i < info->caps->n_tables; i++) {
        json_array_append_new(tables, table_caps(&info->caps->table[i]));
    }
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "driver", info->driver, "options",
                     info->options, "misses_behind", info->caps->misses_behind, "max_ports",
                     limit(info->caps->max_ports), "rate", limit(info->caps->rate), "tables",
                     tables);
}
