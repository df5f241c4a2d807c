/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw policy: which flows may, must or must not be in hardware. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/hw.h"

void
hw_print_policy(const json_t *policy)
{
    const char *mask = ctl_text(policy, "mask"), *whole = ctl_text(policy, "whole_rules");
    printf("%s%s", ctl_text(policy, "policy"),
           json_is_true(json_object_get(policy, "allow_uncounted")) ? ",allow-uncounted=yes" : "");
    if (strcmp(whole, "default")) {
        printf(",whole-rules=%s", whole);
    }
    if (!strcmp(mask, "0xffffffffffffffff")) {
        printf(",cookie=%s", ctl_text(policy, "cookie"));
    } else if (strcmp(mask, "0x0")) {
        printf(",cookie=%s/%s", ctl_text(policy, "cookie"), mask);
    }
}

void
hw_print_policies(const json_t *bridge)
{
    const json_t *policy;
    size_t i;
    json_array_foreach(json_object_get(bridge, "policies"), i, policy) {
        printf("policy of bridge %s: ", ctl_text(bridge, "bridge"));
        hw_print_policy(policy);
        putchar('\n');
    }
}

static int
show(struct ctl *ctl)
{
    json_t *result;
    const json_t *bridge;
    size_t i;
    int status = ctl_ask(ctl, "hw-policy", ctl_params(ctl), &result);
    if (result) {
        json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
            if (!json_array_size(json_object_get(bridge, "policies"))) {
                printf("policy of bridge %s: prefer-hw, as nothing else is set\n",
                       ctl_text(bridge, "bridge"));
            }
            hw_print_policies(bridge);
        }
        json_decref(result);
    }
    return status;
}

static int
change(struct ctl *ctl, const char *method, const char *name, const char *value)
{
    json_t *params = ctl_params(ctl), *result;
    if (value) {
        json_object_set_new(params, name, json_string(value));
    }
    int status = ctl_ask(ctl, method, params, &result);
    if (result) {
        hw_print_policies(result);
        json_decref(result);
    }
    return status;
}

static int
usage(void)
{
    fputs("turnoutctl: usage: turnoutctl hw policy show [BRIDGE] | set [BRIDGE] POLICY | "
          "del [BRIDGE] [cookie=VALUE[/MASK]]\n", stderr);
    return CTL_USAGE;
}

int
hw_policy(struct ctl *ctl, const char *const args[], unsigned n)
{
    static const char key[] = "cookie=";
    const char *last = args[n - 1];
    if (!strcmp(args[0], "show")) {
        ctl->bridge = n > 1 ? last : NULL;
        return n > 2 ? usage() : show(ctl);
    }
    if (!strcmp(args[0], "set")) {
        ctl->bridge = n > 2 ? args[1] : NULL;
        return n < 2 ? usage() : change(ctl, "hw-policy-set", "policy", last);
    }
    if (strcmp(args[0], "del")) {
        return usage();
    }
    bool has_cookie = n > 1 && !strncmp(last, key, sizeof key - 1);
    ctl->bridge = n - has_cookie > 1 ? args[1] : NULL;
    if (n - has_cookie > 2) {
        return usage();
    }
    return change(ctl, "hw-policy-del", "cookie", has_cookie ? last + sizeof key - 1 : NULL);
}
