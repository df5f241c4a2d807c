/* SPDX-License-Identifier: Apache-2.0 */
/* Why flows are where they are: a packet's, those of a cookie, all of them.
 *
 * Flows are counted as entries, which the HAL knows, and as what workers have cached and no
 * entry serves: for each of those the verdict is made anew. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_text.h"
#include "mgmt/hardware.h"
#include "mgmt/hw_json.h"
#include "mgmt/hw_policy.h"
#include "mgmt/method_hw.h"

/* Verdicts made for one answer: each takes some microseconds of the control thread. */
enum { MAX_VERDICTS = 4096 };

/* Packets that could be in hardware but are not: what there is to say. */
static void
judge(struct dp_bridge *bridge, const struct flow_key *key, struct hal_verdict *verdict)
{
    static const enum hal_reason reasons[] = {
        [GOVERNOR_NOT_PROVEN] = HAL_REASON_NOT_PROVEN,
        [GOVERNOR_OVER_BUDGET] = HAL_REASON_OVER_BUDGET,
        [GOVERNOR_FLOOD] = HAL_REASON_FLOOD,
        [GOVERNOR_NO_REASON] = HAL_REASON_NOT_WORTH_IT,
    };
    bool is_full = dp_check_offload(bridge, key, verdict);
    if (!verdict->reason) {
        enum governor_reason held = dp_held_back(bridge, key);
        is_full &= held == GOVERNOR_NO_REASON;
        *verdict = (struct hal_verdict) {
            .reason = (uint16_t) (is_full ? HAL_REASON_TABLE_FULL : reasons[held]),
            .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE,
            .table = verdict->table, .has_table = is_full,
        };
    }
}

/* --- counting --------------------------------------------------------------------------------- */

struct count {
    struct dp_bridge *bridge;
    struct hal_selection which;
    struct hal_census census;      /* of entries; by_reason also of flows in software */
    uint32_t in_software, judged;
    bool partial;
};

static bool
is_selected(const struct count *count, const struct flow_key *key)
{
    void *owner;
    uint64_t cookie;
    const struct hal_selection *which = &count->which;
    if (!which->owner && !which->by_cookie) {
        return true;
    }
    return dp_find_offload_rule(count->bridge, key, &owner, &cookie)
           && (!which->owner || which->owner == owner) && (!which->by_cookie || which->cookie == cookie);
}

/* A flow that software has cached: it is in software if no entry serves it. */
static bool
count_cached(const struct dp_cache_entry *cached, void *aux)
{
    struct count *count = aux;
    struct hal_entry_info info;
    struct hal_verdict verdict;
    const struct flow_key *key = &cached->match.value;
    if (count->judged++ == MAX_VERDICTS) {
        count->partial = true;
        return false;
    }
    if (is_selected(count, key) && !hal_find(dp_bridge_hal(count->bridge), key, &info)) {
        judge(count->bridge, key, &verdict);
        count->in_software++;
        count->census.by_reason[verdict.reason]++;
    }
    return true;
}

/* {"hardware": 3, ..., "software": 2, "reasons": [{"name": ..., "number": ..., "count": ...}]} */
static json_t *
count_to_json(struct count *count)
{
    json_t *reasons = json_array(), *object = json_object();
    for (unsigned i = 0; i < HAL_N_STATES; i++) {
        uint32_t n = count->census.in_state[i] + (i == HAL_ABSENT ? count->in_software : 0);
        json_object_set_new(object, hw_json_state(i), json_integer(n));
    }
    for (unsigned i = 0; i < HAL_MAX_REASONS; i++) {
        if (count->census.by_reason[i] && hal_reason_name(i)) {
            json_array_append_new(reasons, json_pack(
                "{s:s, s:i, s:I, s:s}", "name", hal_reason_name(i), "number", (int) i,
                "count", (json_int_t) count->census.by_reason[i],
                "summary", hal_reason_summary(i)));
        }
    }
    json_object_set_new(object, "reasons", reasons);
    json_object_set_new(object, "partial", json_boolean(count->partial));
    return object;
}

static json_t *
count_flows(struct dp_bridge *bridge, const struct hal_selection *which)
{
    struct count count = { .bridge = bridge, .which = *which };
    hal_count(dp_bridge_hal(bridge), which, &count.census);
    dp_bridge_dump_cache(bridge, count_cached, &count);
    return count_to_json(&count);
}

/* --- a packet --------------------------------------------------------------------------------- */

/* Names the device, and the table that came nearest. */
static void
name_place(json_t *result, const struct hal_bridge *hal, uint16_t in_port,
           const struct hal_verdict *verdict)
{
    const struct hal_device *device = hal_port_device(hal, in_port);
    const struct hal_caps *caps = device ? hal_device_caps(device) : NULL;
    bool known = caps && verdict->has_table && verdict->table < caps->n_tables;
    json_object_set_new(result, "device",
                        device ? json_string(hal_device_driver(device)) : json_null());
    json_object_set_new(result, "table",
                        known ? json_string(caps->table[verdict->table].name) : json_null());
}

/* {"is", "table", "reason"}: whether the packet's rule is there as a whole; null: it has no
 * wildcards, or there is none. */
static json_t *
whole_to_json(struct dp_bridge *bridge, const struct flow_key *key)
{
    struct hal_verdict verdict;
    bool is;
    if (!dp_check_whole(bridge, key, &is, &verdict)) {
        return json_null();
    }
    json_t *whole = json_pack("{s:b, s:o}", "is", (int) is, "reason", hw_json_verdict(&verdict));
    name_place(whole, dp_bridge_hal(bridge), key->in_port, &verdict);
    return whole;
}

static enum rpc_code
explain_packet(struct bridge *bridge, const char *flow, json_t **result, struct errmsg *err)
{
    const struct flow_text_ports ports = method_port_names(bridge);
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct hal_bridge *hal = dp_bridge_hal(dp_bridge);
    struct flow_key key;
    struct hal_entry_info info;
    struct hal_verdict verdict;
    struct hal_selection rule = { .by_cookie = false };
    size_t bytes;
    if (flow_key_parse(flow, &ports, &key, err)) {
        return RPC_INVALID_PARAMS;
    }
    json_t *entry = NULL;
    if (hal_find(hal, &key, &info)) {
        entry = hw_json_entry(&info, &bytes);
        verdict = info.verdict;
    } else {
        judge(dp_bridge, &key, &verdict);
    }
    const char *state = entry ? hw_json_state(info.state) : "software";
    *result = json_pack("{s:s, s:s, s:o}", "bridge", bridge->name, "state", state,
                        "reason", hw_json_verdict(&verdict));
    name_place(*result, hal, key.in_port, &verdict);
    json_object_set_new(*result, "entry", entry ? entry : json_null());
    json_object_set_new(*result, "whole", whole_to_json(dp_bridge, &key));
    const struct hal_policy_rule *policy = dp_policy_for(dp_bridge, &key);
    json_object_set_new(*result, "policy", policy ? hw_policy_json(policy) : json_null());
    bool found = dp_find_offload_rule(dp_bridge, &key, &rule.owner, &rule.cookie);
    json_object_set_new(*result, "flows", found ? count_flows(dp_bridge, &rule) : json_null());
    return RPC_OK;
}

/* --- the method ------------------------------------------------------------------------------- */

static bool
read_cookie(const char *text, uint64_t *cookie, struct errmsg *err)
{
    char *end;
    errno = 0;
    *cookie = strtoull(text, &end, 0);
    bool good = text[0] >= '0' && text[0] <= '9' && !*end && !errno;
    if (!good) {
        errmsg_set(err, "params: '%.40s' is not a cookie, as in 0x1f", text);
    }
    return good;
}

enum rpc_code
method_hw_explain(const struct method_env *env, json_t *params, json_t **result,
                  struct errmsg *err)
{
    const char *name = NULL, *flow = NULL, *cookie = NULL;
    int all = 0;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s, s?s, s?b !}", "bridge", &name,
                                       "flow", &flow, "cookie", &cookie, "all", &all);
    if (!code && !flow + !cookie + !all != 2) {
        errmsg_set(err, "params: one of flow, cookie and all");
        code = RPC_INVALID_PARAMS;
    }
    struct hal_selection which = { .by_cookie = cookie != NULL };
    if (!code && cookie && !read_cookie(cookie, &which.cookie, err)) {
        code = RPC_INVALID_PARAMS;
    }
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge || flow) {
        return bridge ? explain_packet(bridge, flow, result, err) : code;
    }
    *result = json_pack("{s:s, s:o}", "bridge", bridge->name, "flows",
                        count_flows(agent_bridge(bridge->agent), &which));
    return RPC_OK;
}
