/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that ask about one thing, or change it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"

int
ctl_add_port(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl);
    const char *number = strchr(ctl->args[0], '@');
    size_t len = number ? (size_t) (number - ctl->args[0]) : strlen(ctl->args[0]);
    json_object_set_new(params, "device", json_stringn(ctl->args[0], len));
    if (number) {
        char *end;
        unsigned long n = strtoul(number + 1, &end, 10);
        if (number[1] < '1' || number[1] > '9' || *end || n > 0xffff) {
            fprintf(stderr, "turnoutctl: '%s' is not a port number\n", number + 1);
            json_decref(params);
            return CTL_USAGE;
        }
        json_object_set_new(params, "number", json_integer(n));
    }
    if (ctl->driver) {
        json_object_set_new(params, "driver", json_string(ctl->driver));
    }
    json_t *result;
    int status = ctl_ask(ctl, "add-port", params, &result);
    if (result) {
        printf("bridge %s: %s is port %lld\n", ctl_text(result, "bridge"),
               ctl_text(result, "device"), (long long) ctl_number(result, "number"));
        json_decref(result);
    }
    return status;
}

int
ctl_del_port(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl), *result;
    json_object_set_new(params, "port", json_string(ctl->args[0]));
    int status = ctl_ask(ctl, "del-port", params, &result);
    if (result) {
        printf("bridge %s: port %lld removed\n", ctl_text(result, "bridge"),
               (long long) ctl_number(result, "number"));
        json_decref(result);
    }
    return status;
}

/* How far each kind of step stands to the right. */
static int
indent_of(const char *kind)
{
    static const struct {
        const char *kind;
        int indent;
    } rows[] = {
        { "beats", 6 }, { "action", 4 }, { "packet", 6 }, { "output", 6 }, { "drop", 6 },
        { "normal", 6 }, { "learn", 6 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!strcmp(rows[i].kind, kind)) {
            return rows[i].indent;
        }
    }
    return 2;
}

static void
print_trace(const json_t *result)
{
    const json_t *row;
    size_t i;
    printf("packet %s\n", ctl_text(result, "flow"));
    json_array_foreach(json_object_get(result, "steps"), i, row) {
        printf("%*s%s\n", indent_of(ctl_text(row, "step")), "", ctl_text(row, "text"));
    }
    if (json_is_true(json_object_get(result, "dropped"))) {
        printf("dropped: %s\n", ctl_text(result, "reason"));
        return;
    }
    printf("sent to:");
    json_array_foreach(json_object_get(result, "outputs"), i, row) {
        char port[CTL_PORT_SIZE];
        const char *number = ctl_port_text(ctl_number(row, "port"), port);
        const char *name = ctl_text(row, "name");
        if (!strcmp(name, "controller")) {
            printf("%s %s", i ? "," : "", name);
        } else {
            printf("%s %s (%s)", i ? "," : "", number, name);
        }
    }
    putchar('\n');
}

int
ctl_trace(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl), *result;
    json_object_set_new(params, "flow", json_string(ctl->args[0]));
    int status = ctl_ask(ctl, "trace", params, &result);
    if (result) {
        print_trace(result);
        json_decref(result);
    }
    return status;
}

int
ctl_log_level(struct ctl *ctl)
{
    json_t *result;
    int status = ctl_ask(ctl, "log-level", json_pack("{s:s}", "level", ctl->args[0]), &result);
    json_decref(result);
    return status;
}

int
ctl_version(struct ctl *ctl)
{
    json_t *result;
    int status = ctl_ask(ctl, "version", NULL, &result);
    if (result) {
        printf("turnoutd %s, protocol %lld, process %lld, up for %lld s\n",
               ctl_text(result, "version"), (long long) ctl_number(result, "protocol"),
               (long long) ctl_number(result, "pid"), (long long) ctl_number(result, "uptime_s"));
        json_decref(result);
    }
    return status;
}
