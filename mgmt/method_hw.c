/* SPDX-License-Identifier: Apache-2.0 */
/* Whether devices have what they should, and faults on demand. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "mgmt/hardware.h"
#include "mgmt/method_hw.h"

LOG_MODULE(mgmt);

/* --- faults ---------------------------------------------------------------------------------- */

enum rpc_code
method_hw_fault(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *driver, *what;
    char error[HAL_ERROR_SIZE] = "it did not say why";
    enum rpc_code code = method_unpack(params, err, "{s:s, s:s !}", "driver", &driver,
                                       "what", &what);
    struct hal_device *device = code ? NULL : method_hw_device(env, driver, err);
    if (!device) {
        return code ? code : RPC_FAILED;
    }
    if (hal_fault(device, what, error)) {
        errmsg_set(err, "driver %s: %s", driver, error);
        return RPC_FAILED;
    }
    log_warn("driver %s: fault by hand: %.80s", driver, what);
    *result = json_pack("{s:s, s:s}", "driver", driver, "what", what);
    return RPC_OK;
}

/* --- audits ---------------------------------------------------------------------------------- */

static json_t *
difference_row(const char *kind, const struct hal_entry_info *info)
{
    size_t bytes;
    json_t *row = hw_json_entry(info, &bytes);
    json_object_set_new(row, "difference", json_string(kind));
    return row;
}

static json_t *
audit_status(const struct hardware *hardware)
{
    bool running = hardware_audit_is_running(hardware);
    int64_t n = hardware_audit_differences(hardware);
    return json_pack("{s:b, s:o, s:o}", "running", running,
                     "count", running || n < 0 ? json_null() : json_integer(n),
                     "differences", json_copy(hardware_audit_rows(hardware)));
}

enum rpc_code
method_hw_audit(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    int repair = 0;
    enum rpc_code code = method_unpack(params, err, "{s?b !}", "repair", &repair);
    code = code ? code : method_hw_check(env, err);
    if (!code && hardware_audit(env->hardware, repair, difference_row, err)) {
        code = RPC_FAILED;
    }
    if (!code) {
        *result = audit_status(env->hardware);
    }
    return code;
}

enum rpc_code
method_hw_audit_status(const struct method_env *env, json_t *params, json_t **result,
                       struct errmsg *err)
{
    enum rpc_code code = method_unpack(params, err, "{!}");
    code = code ? code : method_hw_check(env, err);
    if (!code && !hardware_audit_rows(env->hardware)) {
        errmsg_set(err, "there was no audit yet");
        code = RPC_FAILED;
    }
    if (!code) {
        *result = audit_status(env->hardware);
    }
    return code;
}
