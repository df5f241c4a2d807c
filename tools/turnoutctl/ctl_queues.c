/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about queues. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scaled_text.h"
#include "tools/turnoutctl/ctl_cells.h"

/* A rate or a size; "-" if it is not set. */
static void
add_setting(struct table *table, const json_t *row, const char *name)
{
    char text[SCALED_TEXT_SIZE];
    json_int_t value = ctl_number(row, name);
    table_add(table, "%s", value ? scaled_print((uint64_t) value, text) : "-");
}

static void
print_queues(const struct ctl *ctl, const json_t *rows)
{
    static const struct table_column columns[] = {
        { "PORT", TABLE_RIGHT }, { "NAME" }, { "QUEUE", TABLE_RIGHT }, { "STATE" },
        { "PKT/S", TABLE_RIGHT, 0, true }, { "BYTE/S", TABLE_RIGHT, 0, true },
        { "MIN-RATE", TABLE_RIGHT }, { "MAX-RATE", TABLE_RIGHT }, { "BURST", TABLE_RIGHT },
        { "TX-PACKETS", TABLE_RIGHT }, { "TX-BYTES", TABLE_RIGHT }, { "TX-ERR", TABLE_RIGHT },
    };
    struct table *table = ctl_table_new(ctl, columns, sizeof columns / sizeof columns[0]);
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        table_add(table, "%lld", (long long) ctl_number(row, "port"));
        table_add(table, "%s", ctl_text(row, "name"));
        table_add(table, "%lld", (long long) ctl_number(row, "queue"));
        table_add(table, json_is_true(json_object_get(row, "active")) ? "active" : "waiting");
        ctl_add_rate(table, row, "tx_packets_per_s");
        ctl_add_rate(table, row, "tx_bytes_per_s");
        add_setting(table, row, "min_rate");
        add_setting(table, row, "max_rate");
        add_setting(table, row, "burst");
        ctl_add_counter(table, row, "tx_packets");
        ctl_add_counter(table, row, "tx_bytes");
        ctl_add_counter(table, row, "tx_errors");
    }
    table_print(table, stdout, 0, ctl->width);
    table_free(table);
}

int
ctl_queues(struct ctl *ctl)
{
    json_t *result;
    int status = ctl_ask(ctl, "queues", ctl_params(ctl), &result);
    if (json_array_size(json_object_get(result, "queues"))) {
        print_queues(ctl, json_object_get(result, "queues"));
    } else if (result) {
        puts("No port has queues.");
    }
    json_decref(result);
    return status;
}

static int
refuse(json_t *params, const char *what, const char *text)
{
    fprintf(stderr, "turnoutctl: '%s' is not %s\n", text, what);
    json_decref(params);
    return CTL_USAGE;
}

/* Calls 'method' about port args[0], queue args[1], and says what was 'done'. */
static int
call(struct ctl *ctl, const char *method, json_t *params, const char *done)
{
    uint64_t id;
    const char *text = ctl->args[1];
    if (strspn(text, "0123456789") != strlen(text)
        || !scaled_parse(text, UINT32_MAX - 1, &id)) {
        return refuse(params, "a queue's number", text);
    }
    json_object_set_new(params, "port", json_string(ctl->args[0]));
    json_object_set_new(params, "queue", json_integer((json_int_t) id));
    json_t *result;
    int status = ctl_ask(ctl, method, params, &result);
    if (result) {
        printf("bridge %s: port %lld: queue %lld %s\n", ctl_text(result, "bridge"),
               (long long) ctl_number(result, "port"), (long long) ctl_number(result, "queue"),
               done);
        json_decref(result);
    }
    return status;
}

static int
set(struct ctl *ctl, const char *method, const char *done)
{
    const struct {
        const char *name, *text, *what;
        uint64_t max;
    } settings[] = {
        { "min_rate", ctl->min_rate, "a rate in bit/s, such as 10M", UINT64_C(1000000000000) },
        { "max_rate", ctl->max_rate, "a rate in bit/s, such as 10M", UINT64_C(1000000000000) },
        { "burst", ctl->burst, "a number of bytes, such as 20k", INT32_MAX },
    };
    json_t *params = ctl_params(ctl);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        uint64_t value;
        if (settings[i].text && !scaled_parse(settings[i].text, settings[i].max, &value)) {
            return refuse(params, settings[i].what, settings[i].text);
        }
        if (settings[i].text) {
            json_object_set_new(params, settings[i].name, json_integer((json_int_t) value));
        }
    }
    return call(ctl, method, params, done);
}

int
ctl_add_queue(struct ctl *ctl)
{
    return set(ctl, "add-queue", "added");
}

int
ctl_mod_queue(struct ctl *ctl)
{
    return set(ctl, "mod-queue", "changed");
}

int
ctl_del_queue(struct ctl *ctl)
{
    return call(ctl, "del-queue", ctl_params(ctl), "removed");
}
