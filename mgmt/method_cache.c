/* SPDX-License-Identifier: Apache-2.0 */
/* The exact matches that the workers have cached. */
#include "lib/clock.h"
#include "mgmt/key_text.h"
#include "mgmt/method.h"

struct list_cache {
    struct page page;
    enum dp_miss_mode miss_mode;
    uint64_t now_ms;
};

/* What a table miss does, in place of actions. */
static const char *
miss_actions(enum dp_miss_mode mode)
{
    switch (mode) {
    case DP_MISS_CONTROLLER:
        return "miss(controller)";
    case DP_MISS_NORMAL:
        return "miss(normal)";
    case DP_MISS_DROP:
        return "miss(drop)";
    }
    return "miss";
}

static void
append_entry(struct list_cache *list, const struct dp_cache_entry *entry)
{
    struct strbuf match = { 0 }, actions = { 0 };
    flow_key_print_dpctl(&match, &entry->match);
    if (entry->actions) {
        key_print_actions(&actions, entry->actions, &entry->match.value);
    } else {
        strbuf_printf(&actions, "%s", miss_actions(list->miss_mode));
    }
    size_t bytes = 100 + match.len + actions.len;
    json_t *used = json_null();
    if (entry->used_ms) {
        uint64_t ago = list->now_ms > entry->used_ms ? list->now_ms - entry->used_ms : 0;
        used = json_real((double) ago / 1000);
    }
    json_t *row = json_pack("{s:i, s:o, s:I, s:I, s:o, s:o}", "worker", (int) entry->worker,
                            "match", method_take_text(&match),
                            "packets", (json_int_t) entry->packets,
                            "bytes", (json_int_t) entry->bytes, "used_s", used,
                            "actions", method_take_text(&actions));
    page_append(&list->page, row, bytes);
}

static bool
list_entry(const struct dp_cache_entry *entry, void *aux)
{
    struct list_cache *list = aux;
    enum page_step step = page_step(&list->page);
    if (step == PAGE_TAKE) {
        append_entry(list, entry);
    }
    return step != PAGE_STOP;
}

enum rpc_code
method_cache(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?I, s?I !}", "bridge", &name,
                                       "cursor", &cursor, "limit", &limit);
    code = code ? code : page_check(cursor, limit, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct list_cache list = {
        .miss_mode = dp_bridge_miss_mode(dp_bridge),
        .now_ms = clock_ms(),
    };
    page_init(&list.page, cursor, limit);
    dp_bridge_dump_cache(dp_bridge, list_entry, &list);
    *result = page_result(&list.page, "entries", bridge);
    return RPC_OK;
}
