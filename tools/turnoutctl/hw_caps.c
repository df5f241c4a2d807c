/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/hw_caps.h"

#include <string.h>

#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/table.h"

enum { WHAT_SIZE = 64, VALUE_SIZE = 32, MAX_TABLES = 16 };

/* --- facts ------------------------------------------------------------------------------------ */

/* A table, or a device, as facts: an object of texts, in the order in which they are shown. */
static void
put(json_t *facts, const char *what, const char *value)
{
    json_object_set_new(facts, what, json_string(value));
}

static void
put_limit(json_t *facts, const json_t *from, const char *name, const char *what, const char *none)
{
    char text[VALUE_SIZE];
    const json_t *value = json_object_get(from, name);
    snprintf(text, sizeof text, "%lld", (long long) json_integer_value(value));
    put(facts, what, json_is_integer(value) ? text : none);
}

static void
put_flag(json_t *facts, const json_t *from, const char *name, const char *what)
{
    put(facts, what, json_is_true(json_object_get(from, name)) ? "yes" : "no");
}

static bool
has_word(const json_t *array, const char *word)
{
    const json_t *one;
    size_t i;
    json_array_foreach(array, i, one) {
        if (json_is_string(one) && !strcmp(json_string_value(one), word)) {
            return true;
        }
    }
    return false;
}

static void
put_fields(json_t *facts, const json_t *table)
{
    char what[WHAT_SIZE], text[VALUE_SIZE];
    const char *name;
    json_t *mode;
    json_object_foreach(json_object_get(table, "fields"), name, mode) {
        bool required = has_word(json_object_get(table, "required"), name);
        snprintf(what, sizeof what, "field %s", name);
        snprintf(text, sizeof text, "%s%s", json_is_string(mode) ? json_string_value(mode) : "?",
                 required ? ", always" : "");
        put(facts, what, text);
    }
}

static void
put_words(json_t *facts, const json_t *table, const char *member, const char *prefix)
{
    char what[WHAT_SIZE];
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(table, member), name, value) {
        snprintf(what, sizeof what, "%s %s", prefix, name);
        put(facts, what, json_is_string(value) ? json_string_value(value)
                         : json_is_true(value) ? "yes" : "no");
    }
}

static json_t *
table_facts(const json_t *table, size_t place)
{
    char text[VALUE_SIZE];
    json_t *facts = json_object();
    snprintf(text, sizeof text, "%zu", place + 1);
    put(facts, "preference", text);
    put_limit(facts, table, "capacity", "capacity", "unknown");
    put_limit(facts, table, "max_masks", "distinct masks", "any");
    put_limit(facts, table, "max_actions", "actions of an entry", "any");
    put_limit(facts, table, "max_outputs", "outputs of an entry", "any");
    put_flag(facts, table, "priorities", "priorities");
    put_flag(facts, table, "whole_rules", "whole rules by default");
    put_flag(facts, table, "changes", "changes in place");
    put(facts, "counters", ctl_text(table, "counters"));
    put_limit(facts, table, "counter_lag_ms", "counter lag, ms", "0");
    put_fields(facts, table);
    put_words(facts, table, "actions", "action");
    put_words(facts, table, "outputs", "output to");
    put(facts, "known", ctl_text(table, "known"));
    return facts;
}

static json_t *
device_facts(const json_t *device)
{
    json_t *facts = json_object();
    put_flag(facts, device, "misses_behind", "forwards in the kernel");
    put_limit(facts, device, "max_ports", "ports", "any");
    put_limit(facts, device, "rate", "changes a second", "unknown");
    return facts;
}

/* --- as a matrix -------------------------------------------------------------------------------- */

static void
fill(struct table *out, json_t *const facts[], size_t n)
{
    const char *what;
    json_t *value;
    json_object_foreach(facts[0], what, value) {
        table_add(out, "%s", what);
        for (size_t t = 0; t < n; t++) {
            table_add(out, "%s", ctl_text(facts[t], what));
        }
    }
}

static void
print_tables(const json_t *tables, FILE *stream, size_t width)
{
    struct table_column columns[1 + MAX_TABLES] = { { "TABLE", TABLE_LEFT, 0, false } };
    json_t *facts[MAX_TABLES];
    size_t n = json_array_size(tables);
    n = n < MAX_TABLES ? n : MAX_TABLES;
    for (size_t t = 0; t < n; t++) {
        const json_t *table = json_array_get(tables, t);
        columns[1 + t] = (struct table_column) { ctl_text(table, "name"), TABLE_LEFT, 0, false };
        facts[t] = table_facts(table, t);
    }
    struct table *out = n ? table_new(columns, 1 + n) : NULL;
    if (out) {
        fill(out, facts, n);
        table_print(out, stream, 2, width);
    }
    table_free(out);
    for (size_t t = 0; t < n; t++) {
        json_decref(facts[t]);
    }
}

void
hw_caps_print(const json_t *device, FILE *stream, size_t width)
{
    const char *options = ctl_text(device, "options");
    json_t *facts = device_facts(device);
    fprintf(stream, "%s%s%s: ports: %s, changes a second: %s\n", ctl_text(device, "driver"),
            *options ? ":" : "", options, ctl_text(facts, "ports"),
            ctl_text(facts, "changes a second"));
    json_decref(facts);
    print_tables(json_object_get(device, "tables"), stream, width);
}

/* --- differences ---------------------------------------------------------------------------------- */

/* What is being compared. */
struct diff {
    json_t *rows;
    const char *driver, *table;  /* table NULL: the device */
};

static json_t *
text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static void
add(const struct diff *diff, const char *what, const char *a, const char *b)
{
    json_array_append_new(diff->rows, json_pack(
        "{s:s, s:o, s:s, s:o, s:o}", "driver", diff->driver, "table", text_or_null(diff->table),
        "what", what, "a", text_or_null(a), "b", text_or_null(b)));
}

static void
compare_facts(const struct diff *diff, json_t *a, json_t *b)
{
    const char *what;
    json_t *value;
    json_object_foreach(a, what, value) {
        const char *other = json_string_value(json_object_get(b, what));
        if (!other || strcmp(other, json_string_value(value))) {
            add(diff, what, json_string_value(value), other);
        }
    }
    json_object_foreach(b, what, value) {
        if (!json_object_get(a, what)) {
            add(diff, what, NULL, json_string_value(value));
        }
    }
    json_decref(a);
    json_decref(b);
}

/* The row whose member 'key' is 'name', and its place. */
static const json_t *
find(const json_t *rows, const char *key, const char *name, size_t *place)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        if (!strcmp(ctl_text(row, key), name)) {
            *place = i;
            return row;
        }
    }
    return NULL;
}

static void
compare_devices(struct diff *diff, const json_t *a, const json_t *b)
{
    const json_t *tables[2] = { json_object_get(a, "tables"), json_object_get(b, "tables") };
    const json_t *table, *other;
    size_t i, at;
    diff->table = NULL;
    compare_facts(diff, device_facts(a), device_facts(b));
    json_array_foreach(tables[0], i, table) {
        diff->table = ctl_text(table, "name");
        other = find(tables[1], "name", diff->table, &at);
        if (other) {
            compare_facts(diff, table_facts(table, i), table_facts(other, at));
        } else {
            add(diff, "table", diff->table, NULL);
        }
    }
    json_array_foreach(tables[1], i, table) {
        diff->table = ctl_text(table, "name");
        if (!find(tables[0], "name", diff->table, &at)) {
            add(diff, "table", NULL, diff->table);
        }
    }
}

json_t *
hw_caps_diff(const json_t *a, const json_t *b)
{
    struct diff diff = { .rows = json_array() };
    const json_t *device, *other;
    size_t i, at;
    json_array_foreach(a, i, device) {
        diff.driver = ctl_text(device, "driver");
        other = find(b, "driver", diff.driver, &at);
        if (other) {
            compare_devices(&diff, device, other);
        } else {
            diff.table = NULL;
            add(&diff, "device", diff.driver, NULL);
        }
    }
    diff.table = NULL;
    json_array_foreach(b, i, device) {
        diff.driver = ctl_text(device, "driver");
        if (!find(a, "driver", diff.driver, &at)) {
            add(&diff, "device", NULL, diff.driver);
        }
    }
    return diff.rows;
}
