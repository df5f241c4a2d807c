/* SPDX-License-Identifier: Apache-2.0 */
/* "hw-policy...": which flows may, must or must not be in hardware. */
#include "mgmt/hw_policy.h"
#include "mgmt/method_hw.h"

json_t *
method_hw_policies(const struct bridge *bridge)
{
    struct hw_policies policies;
    json_t *rows = json_array();
    bridge_get_policies(bridge, &policies);
    for (unsigned i = 0; i < policies.n; i++) {
        json_array_append_new(rows, hw_policy_json(&policies.rules[i]));
    }
    return rows;
}

enum rpc_code
method_hw_policy(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *name = NULL;
    enum rpc_code code = method_unpack(params, err, "{s?s !}", "bridge", &name);
    code = code ? code : method_hw_check(env, err);
    if (!code && name) {
        method_bridge(env, name, &code, err);
    }
    if (code) {
        return code;
    }
    json_t *rows = json_array();
    for (struct bridge *b = name ? bridges_find(env->bridges, name, err)
                                 : bridges_first(env->bridges); b; b = name ? NULL : b->next) {
        json_array_append_new(rows, json_pack("{s:s, s:o}", "bridge", b->name, "policies",
                                              method_hw_policies(b)));
    }
    *result = json_pack("{s:o}", "bridges", rows);
    return RPC_OK;
}

/* The bridge's list as it is to be. */
static enum rpc_code
apply(const struct method_env *env, struct bridge *bridge, const struct hw_policies *policies,
      json_t **result, struct errmsg *err)
{
    if (bridge_set_policies(bridges_event_base(env->bridges), bridge, policies)) {
        errmsg_set(err, "no memory to offer the flows; they come with traffic");
        return RPC_INTERNAL_ERROR;
    }
    *result = json_pack("{s:s, s:o}", "bridge", bridge->name, "policies",
                        method_hw_policies(bridge));
    return RPC_OK;
}

enum rpc_code
method_hw_policy_set(const struct method_env *env, json_t *params, json_t **result,
                     struct errmsg *err)
{
    const char *name = NULL, *text;
    struct hw_policies policies;
    struct hal_policy_rule rule;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s !}", "bridge", &name,
                                       "policy", &text);
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    if (hw_policy_parse(text, &rule, err)) {
        return RPC_INVALID_PARAMS;
    }
    bridge_get_policies(bridge, &policies);
    return hw_policies_put(&policies, &rule, err) ? RPC_FAILED
                                                  : apply(env, bridge, &policies, result, err);
}

enum rpc_code
method_hw_policy_del(const struct method_env *env, json_t *params, json_t **result,
                     struct errmsg *err)
{
    const char *name = NULL, *text = "0/0";
    struct hw_policies policies;
    struct hal_policy_rule rule;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s !}", "bridge", &name,
                                       "cookie", &text);
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    if (hw_policy_parse_cookie(text, &rule, err)) {
        return RPC_INVALID_PARAMS;
    }
    bridge_get_policies(bridge, &policies);
    if (!hw_policies_take(&policies, rule.cookie, rule.mask)) {
        errmsg_set(err, "bridge %s has no policy for cookie %.40s; 'hw policy show' lists them",
                   bridge->name, text);
        return RPC_FAILED;
    }
    return apply(env, bridge, &policies, result, err);
}
