/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/strbuf.h"
#include "mgmt/rpc.h"
#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/rates.h"
#include "turnout/port.h"

/* Rows asked for at a time: few enough that the daemon is soon back at its other work. */
#define PAGE_ROWS 2000

int
ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result)
{
    return ctl_call_about(ctl, NULL, method, params, result);
}

int
ctl_call_about(struct ctl *ctl, const char *what, const char *method, json_t *params,
               json_t **result)
{
    struct errmsg err = { "" };
    int code = client_call(ctl->client, method, params, result, &err);
    if (!code) {
        if (ctl->rates) {
            rates_add(ctl->rates, method, *result, clock_ns());
        }
        return CTL_OK;
    }
    fprintf(stderr, "turnoutctl: %s%s%s\n", what ? what : "", what ? ": " : "", err.text);
    return code == RPC_INVALID_PARAMS ? CTL_USAGE : CTL_FAILED;
}

int
ctl_ask(struct ctl *ctl, const char *method, json_t *params, json_t **result)
{
    int status = ctl_call(ctl, method, params, result);
    if (status) {
        *result = NULL;
    } else if (ctl->json) {
        ctl_print_json(ctl, *result);
        json_decref(*result);
        *result = NULL;
    }
    return status;
}

json_t *
ctl_params(const struct ctl *ctl)
{
    return ctl->bridge ? json_pack("{s:s}", "bridge", ctl->bridge) : json_object();
}

void
ctl_print_json(const struct ctl *ctl, json_t *value)
{
    json_t *all = value;
    if (ctl->schema) {
        all = json_pack("{s:s, s:s}", "schema", ctl->schema, "command", ctl->schema_command);
        json_object_update(all, value);
    }
    json_dumpf(all, stdout, ctl->watch_ms ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    if (all != value) {
        json_decref(all);
    }
}

/* A list that is printed as one JSON object, a row a line; while watching all on one. */
struct json_list {
    const char *name;
    const char *newline;           /* "" while watching */
    size_t n;                      /* rows printed */
};

static void
begin_json(const struct ctl *ctl, const struct json_list *list, const json_t *result)
{
    putchar('{');
    if (ctl->schema) {
        printf("\"schema\": \"%s\", \"command\": \"%s\", ", ctl->schema, ctl->schema_command);
    }
    printf("\"bridge\": ");
    json_dumpf(json_object_get(result, "bridge"), stdout, JSON_ENCODE_ANY);
    printf(", \"%s\": [", list->name);
}

static void
print_json_row(const json_t *row, void *list_)
{
    struct json_list *list = list_;
    printf("%s%s", list->n++ ? "," : "", list->newline);
    json_dumpf(row, stdout, JSON_COMPACT);
}

/* Prints a page; false if that was enough. */
static bool
print_page(const struct ctl *ctl, const json_t *rows, size_t *n,
           void (*print)(const json_t *row, void *aux), void *aux)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        print(row, aux);
        if (++*n == ctl->max_rows) {
            return false;
        }
    }
    return true;
}

int
ctl_each_row(struct ctl *ctl, const char *method, json_t *params, const char *name,
             void (*print)(const json_t *row, void *aux), void *aux)
{
    struct json_list list = { .name = name, .newline = ctl->watch_ms ? "" : "\n" };
    size_t n = 0, limit = ctl->max_rows && ctl->max_rows < PAGE_ROWS ? ctl->max_rows : PAGE_ROWS;
    bool first = true, more = true;
    int status = CTL_OK;
    if (ctl->json) {
        print = print_json_row;
        aux = &list;
    }
    json_object_set_new(params, "limit", json_integer((json_int_t) limit));
    while (more && !status) {
        json_t *result;
        status = ctl_call(ctl, method, json_incref(params), &result);
        if (status) {
            break;
        }
        if (ctl->json && first) {
            begin_json(ctl, &list, result);
        }
        more = print_page(ctl, json_object_get(result, name), &n, print, aux);
        json_t *next = json_object_get(result, "next");
        more = more && json_is_integer(next);
        json_object_set(params, "cursor", next);
        first = false;
        json_decref(result);
    }
    if (ctl->json && !first) {
        printf("%s]}\n", list.newline);
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

void
ctl_put_rate(struct strbuf *out, const json_t *row, const char *name)
{
    const json_t *rate = json_object_get(row, name);
    double value = json_number_value(rate);
    if (json_is_number(rate)) {
        strbuf_printf(out, "%.*f", value > 0 && value < 10 ? 1 : 0, value);
    } else {
        strbuf_puts(out, "-");
    }
}

const char *
ctl_port_text(json_int_t number, char buffer[CTL_PORT_SIZE])
{
    static const struct {
        uint16_t number;
        const char *name;
    } names[] = {
        { PORT_LOCAL, "LOCAL" }, { PORT_CONTROLLER, "CONTROLLER" }, { PORT_NORMAL, "NORMAL" },
        { PORT_FLOOD, "FLOOD" }, { PORT_ALL, "ALL" }, { PORT_IN_PORT, "IN_PORT" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    snprintf(buffer, CTL_PORT_SIZE, "%u", (unsigned) number);
    return buffer;
}

const char *
ctl_join(const json_t *names, char *buffer, size_t size)
{
    const json_t *name;
    size_t i, len = 0;
    buffer[0] = '\0';
    json_array_foreach(names, i, name) {
        if (len < size) {
            len += snprintf(buffer + len, size - len, "%s%s", i ? " " : "",
                            json_string_value(name));
        }
    }
    return buffer;
}
