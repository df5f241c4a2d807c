/* SPDX-License-Identifier: Apache-2.0 */
/* What is in hardware: devices with their tables, and entries. */
#include <string.h>

#include "mgmt/hardware.h"
#include "mgmt/method_hw.h"

enum rpc_code
method_hw_check(const struct method_env *env, struct errmsg *err)
{
    if (!env->hardware) {
        errmsg_set(err, "turnoutd has no offload driver: it was started without --driver");
        return RPC_FAILED;
    }
    return RPC_OK;
}

struct hal_device *
method_hw_device(const struct method_env *env, const char *driver, struct errmsg *err)
{
    struct hal_device *device = method_hw_check(env, err)
                                ? NULL : hal_device_find(hardware_hal(env->hardware), driver);
    if (!device && env->hardware) {
        errmsg_set(err, "no device of a driver '%.40s'; 'hw-show' lists them", driver);
    }
    return device;
}

/* --- devices -------------------------------------------------------------------------------- */

static void
list_device(struct hal_device *device, const struct hal_device_info *info, void *rows)
{
    json_t *row = hw_json_device(info);
    json_object_set_new(row, "facts", hw_json_facts(device));
    json_array_append_new(rows, row);
}

/* Of the bridges that have some. */
static json_t *
list_policies(const struct method_env *env)
{
    json_t *rows = json_array();
    for (struct bridge *b = bridges_first(env->bridges); b && env->hardware; b = b->next) {
        json_t *policies = method_hw_policies(b);
        if (json_array_size(policies)) {
            json_array_append_new(rows, json_pack("{s:s, s:O}", "bridge", b->name, "policies",
                                                  policies));
        }
        json_decref(policies);
    }
    return rows;
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
        *result = json_pack("{s:o, s:o}", "devices", rows, "policies", list_policies(env));
    }
    return code;
}

/* What a device can do, of all or of one. */
struct probe {
    const char *driver;            /* NULL: all */
    json_t *rows;
};

static void
probe_device(struct hal_device *device, const struct hal_device_info *info, void *aux)
{
    struct probe *probe = aux;
    (void) device;
    if (!probe->driver || !strcmp(probe->driver, info->driver)) {
        json_array_append_new(probe->rows, hw_json_probe(info));
    }
}

enum rpc_code
method_hw_probe(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    struct probe probe = { NULL, NULL };
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "driver", &probe.driver);
    if (!code && probe.driver) {
        code = method_hw_device(env, probe.driver, err) ? RPC_OK : RPC_FAILED;
    }
    if (!code) {
        probe.rows = json_array();
        if (env->hardware) {
            hal_visit_devices(hardware_hal(env->hardware), probe_device, &probe);
        }
        *result = json_pack("{s:o}", "devices", probe.rows);
    }
    return code;
}

/* --- entries -------------------------------------------------------------------------------- */

static bool
list_entry(const struct hal_entry_info *info, void *aux)
{
    struct page *page = aux;
    size_t bytes;
    json_t *row = hw_json_entry(info, &bytes);
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
