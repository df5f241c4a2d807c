/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mgmt/rpc.h"
#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/ctl.h"
#include "turnout/port.h"

/* Rows asked for at a time: few enough that the daemon is soon back at its other work. */
#define PAGE_ROWS 2000

int
ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result)
{
    struct errmsg err = { "" };
    int code = client_call(ctl->client, method, params, result, &err);
    if (!code) {
        return CTL_OK;
    }
    fprintf(stderr, "turnoutctl: %s\n", err.text);
    return code == RPC_INVALID_PARAMS ? CTL_USAGE : CTL_FAILED;
}

json_t *
ctl_params(const struct ctl *ctl)
{
    return ctl->bridge ? json_pack("{s:s}", "bridge", ctl->bridge) : json_object();
}

void
ctl_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

/* A page of a list that is printed as one JSON object, a row a line. */
static void
print_rows_json(const json_t *result, const char *name, bool first)
{
    const json_t *row;
    size_t i;
    if (first) {
        printf("{\"bridge\": ");
        json_dumpf(json_object_get(result, "bridge"), stdout, JSON_ENCODE_ANY);
        printf(", \"%s\": [", name);
    }
    json_array_foreach(json_object_get(result, name), i, row) {
        fputs(first && !i ? "\n" : ",\n", stdout);
        json_dumpf(row, stdout, JSON_COMPACT);
    }
}

int
ctl_each_row(struct ctl *ctl, const char *method, json_t *params, const char *name,
             void (*print)(const json_t *row, void *aux), void *aux)
{
    bool first = true, more = true;
    int status = CTL_OK;
    json_object_set_new(params, "limit", json_integer(PAGE_ROWS));
    while (more && !status) {
        json_t *result;
        status = ctl_call(ctl, method, json_incref(params), &result);
        if (status) {
            break;
        }
        const json_t *row;
        size_t i;
        if (ctl->json) {
            print_rows_json(result, name, first);
        } else {
            json_array_foreach(json_object_get(result, name), i, row) {
                print(row, aux);
            }
        }
        json_t *next = json_object_get(result, "next");
        more = json_is_integer(next);
        json_object_set(params, "cursor", next);
        first = false;
        json_decref(result);
    }
    if (ctl->json && !first) {
        puts("\n]}");
    }
    json_decref(params);
    return status;
}

const char *
ctl_text(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

json_int_t
ctl_number(const json_t *row, const char *name)
{
    return json_integer_value(json_object_get(row, name));
}

double
ctl_real(const json_t *row, const char *name)
{
    return json_number_value(json_object_get(row, name));
}

const char *
ctl_port_text(json_int_t number, char buffer[CTL_PORT_SIZE])
{
    if (number == PORT_LOCAL) {
        return "LOCAL";
    }
    if (number == PORT_CONTROLLER) {
        return "CONTROLLER";
    }
    snprintf(buffer, CTL_PORT_SIZE, "%u", (unsigned) number);
    return buffer;
}
