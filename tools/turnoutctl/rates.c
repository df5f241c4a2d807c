/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"

enum { MAX_KEYS = 3, MAX_COUNTERS = 10 };

/* What can be counted. */
static const struct list {
    const char *method;
    const char *outer;             /* the rows are in each of this list's objects; NULL: no */
    const char *rows;
    const char *inner;             /* the counters are in this object of a row; NULL: no */
    const char *keys[MAX_KEYS];    /* members that say which row it is */
    const char *counters[MAX_COUNTERS];
} lists[] = {
    { "show", NULL, "bridges", "lookups", { "name" }, { "hit", "missed", "lost" } },
    { "ports", NULL, "ports", NULL, { "number", "name" },
      { "rx_packets", "rx_bytes", "rx_dropped", "rx_errors",
        "tx_packets", "tx_bytes", "tx_dropped", "tx_errors" } },
    { "queues", NULL, "queues", NULL, { "port", "queue" }, { "tx_packets", "tx_bytes", "tx_errors" } },
    { "flows", NULL, "flows", NULL, { "match", "priority", "exact" }, { "packets", "bytes" } },
    { "cache", NULL, "entries", NULL, { "worker", "match" }, { "packets", "bytes" } },
    { "governor", NULL, "ports", NULL, { "bridge", "port" },
      { "asked", "installed", "uncached", "dropped" } },
    { "hw-show", NULL, "devices", NULL, { "driver" },
      { "packets", "promoted", "demoted", "added", "changed", "removed", "refused", "lost",
        "repaired", "moves" } },
    { "hw-entries", NULL, "entries", NULL, { "device", "match", "priority" }, { "bytes" } },
    { "controllers", "bridges", "connections", NULL, { "target", "peer" },
      { "messages_in", "messages_out" } },
    { "counters", NULL, "counters", NULL, { "name" }, { "value" } },
};

/* Key of a row: an array of the time and the counters. */
struct rates {
    json_t *before, *now;
};

struct rates *
rates_new(void)
{
    struct rates *rates = calloc(1, sizeof *rates);
    if (rates) {
        rates->before = json_object();
        rates->now = json_object();
    }
    return rates;
}

void
rates_free(struct rates *rates)
{
    if (rates) {
        json_decref(rates->before);
        json_decref(rates->now);
        free(rates);
    }
}

void
rates_next(struct rates *rates)
{
    json_decref(rates->before);
    rates->before = rates->now;
    rates->now = json_object();
}

static void
make_key(struct strbuf *key, const struct list *list, const char *outer, const json_t *row)
{
    strbuf_printf(key, "%s", outer);
    for (int i = 0; i < MAX_KEYS && list->keys[i]; i++) {
        char *text = json_dumps(json_object_get(row, list->keys[i]), JSON_ENCODE_ANY);
        strbuf_printf(key, "\n%s", text ? text : "");
        free(text);
    }
}

static json_t *
rate_of(const json_t *before, size_t i, const json_t *value, uint64_t now_ns)
{
    const json_t *old = json_array_get(before, i + 1);
    json_int_t began_ns = json_integer_value(json_array_get(before, 0));
    json_int_t grown = json_integer_value(value) - json_integer_value(old);
    if (!json_is_integer(value) || !json_is_integer(old) || grown < 0
        || (json_int_t) now_ns <= began_ns) {
        return json_null();
    }
    return json_real((double) grown * 1e9 / (double) ((json_int_t) now_ns - began_ns));
}

static void
add_row(struct rates *rates, const struct list *list, const char *outer, json_t *row,
        uint64_t now_ns)
{
    struct strbuf key = { 0 };
    make_key(&key, list, outer, row);
    json_t *counted = list->inner ? json_object_get(row, list->inner) : row;
    json_t *seen = json_array();
    const json_t *before = json_object_get(rates->before, strbuf_text(&key));
    json_array_append_new(seen, json_integer((json_int_t) now_ns));
    for (size_t i = 0; i < MAX_COUNTERS && list->counters[i]; i++) {
        char name[40];
        json_t *value = json_object_get(counted, list->counters[i]);
        json_array_append(seen, value ? value : json_null());
        snprintf(name, sizeof name, "%s_per_s", list->counters[i]);
        json_object_set_new(counted, name, rate_of(before, i, value, now_ns));
    }
    if (!key.failed) {
        json_object_set_new(rates->now, strbuf_text(&key), seen);
    } else {
        json_decref(seen);
    }
    strbuf_fini(&key);
}

static void
add_rows(struct rates *rates, const struct list *list, const json_t *object, const char *outer,
         uint64_t now_ns)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(object, list->rows), i, row) {
        add_row(rates, list, outer, row, now_ns);
    }
}

void
rates_add(struct rates *rates, const char *method, json_t *result, uint64_t now_ns)
{
    for (const struct list *list = lists; list < lists + sizeof lists / sizeof *lists; list++) {
        if (strcmp(list->method, method)) {
            continue;
        }
        const json_t *object;
        size_t i;
        if (!list->outer) {
            add_rows(rates, list, result, "", now_ns);
        }
        json_array_foreach(json_object_get(result, list->outer), i, object) {
            const char *name = json_string_value(json_object_get(object, "name"));
            add_rows(rates, list, object, name ? name : "", now_ns);
        }
    }
}
