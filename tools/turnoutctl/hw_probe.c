/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw probe and hw diff: what devices can do, here and elsewhere. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/hw.h"
#include "tools/turnoutctl/hw_caps.h"

enum { DIFFERS = 1, DIFF_FAILED = 2 };

static int
call_probe(struct ctl *ctl, const char *driver, json_t **result)
{
    json_t *params = json_object();
    if (driver) {
        json_object_set_new(params, "driver", json_string(driver));
    }
    return ctl_call(ctl, "hw-probe", params, result);
}

int
hw_probe(struct ctl *ctl, const char *const args[], unsigned n)
{
    json_t *result;
    int status = call_probe(ctl, n ? args[0] : NULL, &result);
    if (status) {
        return status;
    }
    const json_t *devices = json_object_get(result, "devices"), *device;
    size_t i;
    if (ctl->json) {
        ctl_print_json(ctl, result);
    } else if (!json_array_size(devices)) {
        puts("No offload driver (turnoutd --driver).");
    } else {
        json_array_foreach(devices, i, device) {
            hw_caps_print(device, stdout, ctl->width);
        }
    }
    json_decref(result);
    return CTL_OK;
}

/* --- diff ------------------------------------------------------------------------------------ */

static int
refuse(const char *name, const char *why)
{
    fprintf(stderr, "turnoutctl: %s: %s\n", name, why);
    return DIFF_FAILED;
}

static bool
is_device(const json_t *device)
{
    const json_t *tables = json_object_get(device, "tables"), *table;
    size_t i;
    json_array_foreach(tables, i, table) {
        if (!json_is_string(json_object_get(table, "name"))
            || !json_is_object(json_object_get(table, "fields"))) {
            return false;
        }
    }
    return json_is_string(json_object_get(device, "driver")) && json_is_array(tables);
}

/* 0 if it is what hw probe --json prints. */
static int
check_probe(const char *name, const json_t *probe)
{
    const json_t *devices = json_object_get(probe, "devices"), *device;
    const char *schema = ctl_text(probe, "schema");
    char why[160];
    size_t i;
    bool right = json_is_array(devices) && !strcmp(ctl_text(probe, "command"), "probe");
    json_array_foreach(devices, i, device) {
        right = right && is_device(device);
    }
    if (right && !strcmp(schema, HW_SCHEMA)) {
        return CTL_OK;
    }
    snprintf(why, sizeof why, right ? "its schema is '%.40s', this program knows " HW_SCHEMA
                                    : "not what 'turnoutctl hw probe --json' prints", schema);
    return refuse(name, why);
}

/* A saved probe. 0 and *probe, or the error is printed. */
static int
load_probe(const char *name, json_t **probe)
{
    json_error_t error;
    bool is_input = !strcmp(name, "-");
    *probe = is_input ? json_loadf(stdin, 0, &error) : json_load_file(name, 0, &error);
    name = is_input ? "standard input" : name;
    if (!*probe && error.line > 0) {
        fprintf(stderr, "turnoutctl: %s:%d: %s\n", name, error.line, error.text);
        return DIFF_FAILED;
    }
    if (!*probe) {
        return refuse(name, error.text);
    }
    return check_probe(name, *probe);
}

static int
load_second(struct ctl *ctl, const char *name, json_t **probe)
{
    if (name) {
        return load_probe(name, probe);
    }
    return hw_connect(ctl) || call_probe(ctl, NULL, probe) ? DIFF_FAILED : 0;
}

static void
print_difference(const json_t *row, const char *const names[2])
{
    const json_t *a = json_object_get(row, "a"), *b = json_object_get(row, "b");
    const char *table = ctl_text(row, "table"), *what = ctl_text(row, "what");
    printf("%s%s%s: ", ctl_text(row, "driver"), *table ? "/" : "", table);
    if (json_is_null(a) || json_is_null(b)) {
        const json_t *value = json_is_null(a) ? b : a;
        bool is_value = strcmp(what, "table") && strcmp(what, "device");
        printf("%s: only in %s%s%s\n", what, names[json_is_null(a)], is_value ? ": " : "",
               is_value ? json_string_value(value) : "");
    } else {
        printf("%s: %s in %s, %s in %s\n", what, json_string_value(a), names[0],
               json_string_value(b), names[1]);
    }
}

static int
print_diff(struct ctl *ctl, json_t *rows, const char *const names[2])
{
    const json_t *row;
    size_t i, n = json_array_size(rows);
    if (ctl->json) {
        json_t *all = json_pack("{s:s, s:s, s:O}", "a", names[0], "b", names[1], "differences",
                                rows);
        ctl_print_json(ctl, all);
        json_decref(all);
    } else {
        json_array_foreach(rows, i, row) {
            print_difference(row, names);
        }
    }
    return n ? DIFFERS : CTL_OK;
}

int
hw_diff(struct ctl *ctl, const char *const args[], unsigned n)
{
    json_t *a = NULL, *b = NULL;
    const char *names[2] = { strcmp(args[0], "-") ? args[0] : "standard input",
                             n < 2 ? "this host" : strcmp(args[1], "-") ? args[1]
                                                                        : "standard input" };
    int status = n == 2 && !strcmp(args[0], "-") && !strcmp(args[1], "-")
                 ? refuse("hw diff", "only one of them can be the standard input") : CTL_OK;
    status = status ? status : load_probe(args[0], &a);
    status = status ? status : load_second(ctl, n == 2 ? args[1] : NULL, &b);
    if (!status) {
        json_t *rows = hw_caps_diff(json_object_get(a, "devices"), json_object_get(b, "devices"));
        status = rows ? print_diff(ctl, rows, names) : refuse("hw diff", "no memory");
        json_decref(rows);
    }
    json_decref(a);
    json_decref(b);
    return status;
}
