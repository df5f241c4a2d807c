/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that change what ports do, and what was learnt behind them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"

/* One "KEY=VALUE", which is changed, into the params. */
static bool
take_key(json_t *params, json_t *config, char *text)
{
    char *value = strchr(text, '=');
    if (!value) {
        fprintf(stderr, "turnoutctl: '%s' is not KEY=VALUE\n", text);
        return false;
    }
    *value++ = '\0';
    if (!strcmp(text, "stp-state")) {
        json_object_set_new(params, "stp_state", json_string(value));
    } else if (!strcmp(value, "yes") || !strcmp(value, "no")) {
        json_object_set_new(config, text, json_boolean(!strcmp(value, "yes")));
    } else {
        fprintf(stderr, "turnoutctl: %s takes yes or no, not '%s'\n", text, value);
        return false;
    }
    return true;
}

/* NULL, and said, if the argument makes no sense. */
static json_t *
set_port_params(const struct ctl *ctl)
{
    json_t *params = ctl_params(ctl), *config = json_object();
    char *text = strdup(ctl->args[1]), *rest = text;
    bool ok = text;
    json_object_set_new(params, "port", json_string(ctl->args[0]));
    json_object_set_new(params, "config", config);
    while (ok && rest) {
        ok = take_key(params, config, strsep(&rest, ","));
    }
    free(text);
    if (!ok) {
        json_decref(params);
    }
    return ok ? params : NULL;
}

int
ctl_set_port(struct ctl *ctl)
{
    json_t *params = set_port_params(ctl), *result;
    if (!params) {
        return CTL_USAGE;
    }
    int status = ctl_ask(ctl, "set-port", params, &result);
    if (result) {
        const json_t *port = json_object_get(result, "port");
        char number[CTL_PORT_SIZE], config[128];
        const char *stp = ctl_text(port, "stp_state");
        ctl_join(json_object_get(port, "config"), config, sizeof config);
        printf("bridge %s: port %s (%s): config %s%s%s\n", ctl_text(result, "bridge"),
               ctl_port_text(ctl_number(port, "number"), number), ctl_text(port, "name"),
               config[0] ? config : "none", stp[0] ? "; spanning tree " : "", stp);
        json_decref(result);
    }
    return status;
}

int
ctl_flush_fdb(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl), *result;
    if (ctl->args[0]) {
        json_object_set_new(params, "port", json_string(ctl->args[0]));
    }
    int status = ctl_ask(ctl, "flush-fdb", params, &result);
    if (result) {
        printf("bridge %s: %lld addresses forgotten\n", ctl_text(result, "bridge"),
               (long long) ctl_number(result, "flushed"));
        json_decref(result);
    }
    return status;
}
