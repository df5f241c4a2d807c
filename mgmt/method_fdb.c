/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that NORMAL has learnt. */
#include <stdio.h>

#include "lib/clock.h"
#include "mgmt/method.h"

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
    code = code ? code : page_check(cursor, limit, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    struct page page;
    page_init(&page, cursor, limit);
    fdb_for_each(dp_bridge_fdb(agent_bridge(bridge->agent)), list_address, &page);
    *result = page_result(&page, "addresses", bridge);
    return RPC_OK;
}
