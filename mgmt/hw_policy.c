/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/hw_policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- text ------------------------------------------------------------------------------------- */

static bool
parse_number(const char *text, const char **end, uint64_t *number)
{
    char *stop;
    errno = 0;
    *number = strtoull(text, &stop, 0);
    *end = stop;
    return *text >= '0' && *text <= '9' && !errno;
}

int
hw_policy_parse_cookie(const char *text, struct hal_policy_rule *rule, struct errmsg *err)
{
    uint64_t cookie, mask = UINT64_MAX;
    const char *end;
    bool valid = parse_number(text, &end, &cookie);
    if (valid && *end == '/') {
        valid = parse_number(end + 1, &end, &mask);
    }
    if (!valid || *end) {
        errmsg_set(err, "cookie: '%.40s' is not VALUE or VALUE/MASK, numbers of 64 bits", text);
        return -EINVAL;
    }
    if (cookie & ~mask) {
        errmsg_set(err, "cookie: 0x%"PRIx64" has bits that the mask 0x%"PRIx64" has not", cookie,
                   mask);
        return -EINVAL;
    }
    rule->cookie = cookie;
    rule->mask = mask;
    return 0;
}

static int
set_key(struct hal_policy_rule *rule, const char *key, const char *value, struct errmsg *err)
{
    if (!strcmp(key, "cookie")) {
        return hw_policy_parse_cookie(value ? value : "", rule, err);
    }
    bool is_whole = !strcmp(key, "whole-rules"), yes = value && !strcmp(value, "yes");
    if (!is_whole && strcmp(key, "allow-uncounted")) {
        errmsg_set(err, "unknown key '%.40s'; valid: cookie allow-uncounted whole-rules", key);
        return -EINVAL;
    }
    if (!yes && (!value || strcmp(value, "no"))) {
        errmsg_set(err, "%s: '%.40s' is not yes or no", key, value ? value : "");
        return -EINVAL;
    }
    if (is_whole) {
        rule->whole_rules = yes ? HAL_WHOLE_YES : HAL_WHOLE_NO;
    } else {
        rule->allow_uncounted = yes;
    }
    return 0;
}

int
hw_policy_parse(const char *text, struct hal_policy_rule *rule, struct errmsg *err)
{
    char *copy = strdup(text), *rest = copy;
    struct hal_policy_rule parsed = { .cookie = 0 };
    if (!copy) {
        errmsg_set(err, "no memory");
        return -EINVAL;
    }
    const char *name = strsep(&rest, ",");
    int error = hal_policy_parse(name, &parsed.policy) ? 0 : -EINVAL;
    if (error) {
        errmsg_set(err, "'%.40s' is no policy; valid: prefer-hw require-hw sw-only", name);
    }
    while (rest && !error) {
        char *value = strsep(&rest, ",");
        const char *key = strsep(&value, "=");
        error = set_key(&parsed, key, value, err);
    }
    if (!error) {
        *rule = parsed;
    }
    free(copy);
    return error;
}

static json_t *
hex(uint64_t number)
{
    char text[19];
    snprintf(text, sizeof text, "0x%"PRIx64, number);
    return json_string(text);
}

json_t *
hw_policy_json(const struct hal_policy_rule *rule)
{
    static const char *const whole[] = {
        [HAL_WHOLE_DEFAULT] = "default", [HAL_WHOLE_YES] = "yes", [HAL_WHOLE_NO] = "no",
    };
    return json_pack("{s:s, s:b, s:s, s:o, s:o}", "policy", hal_policy_name(rule->policy),
                     "allow_uncounted", (int) rule->allow_uncounted, "whole_rules",
                     whole[rule->whole_rules], "cookie", hex(rule->cookie), "mask", hex(rule->mask));
}

/* --- lists ------------------------------------------------------------------------------------ */

bool
hw_policies_take(struct hw_policies *policies, uint64_t cookie, uint64_t mask)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < policies->n; i++) {
        const struct hal_policy_rule *rule = &policies->rules[i];
        if (rule->cookie != cookie || rule->mask != mask) {
            policies->rules[kept++] = *rule;
        }
    }
    bool found = kept < policies->n;
    policies->n = kept;
    return found;
}

int
hw_policies_put(struct hw_policies *policies, const struct hal_policy_rule *rule,
                struct errmsg *err)
{
    hw_policies_take(policies, rule->cookie, rule->mask);
    if (policies->n == HAL_MAX_POLICIES) {
        errmsg_set(err, "there are %d policies already, the most that a bridge may have",
                   HAL_MAX_POLICIES);
        return -ENOSPC;
    }
    policies->rules[policies->n++] = *rule;
    return 0;
}
