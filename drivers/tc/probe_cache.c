/* SPDX-License-Identifier: Apache-2.0 */
/* What devices were found to take, in a file in the state directory: by the kernel, and by the
 * device's driver and firmware, since with each of these it may differ. A file that is not as it is
 * written here is not believed, and is written anew. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#include "drivers/tc/tc.h"
#include "lib/netdev/feature.h"

enum { VERSION = 2, MAX_RECORDS = 64 };

/* Under which name a device's abilities are kept; false: it does not tell who it is. */
static bool
key_of(const struct tc_port *port, char *key, size_t size)
{
    struct driver_info info;
    struct utsname kernel;
    if (driver_info_get(port->name, &info, NULL) || !info.driver[0] || uname(&kernel)) {
        return false;
    }
    snprintf(key, size, "%s %s %s, driver %s, firmware %s", kernel.release, kernel.version,
             kernel.machine, info.driver, info.firmware);
    return true;
}

static void
file_name(const struct tc *tc, const char *end, char *name, size_t size)
{
    snprintf(name, size, "%s/tc-probe.json%s", tc->state_dir, end);
}

/* --- one record -------------------------------------------------------------------------------------------- */

static bool
take_number(const json_t *record, const char *name, unsigned max, unsigned *out)
{
    const json_t *number = json_object_get(record, name);
    json_int_t value = json_is_integer(number) ? json_integer_value(number) : -1;
    *out = (unsigned) value;
    return value >= 0 && value <= (json_int_t) max;
}

/* False: it is not well-formed. */
static bool
from_record(const json_t *record, struct tc_abilities *able)
{
    unsigned actions, outputs, max_ops;
    const json_t *modes = json_object_get(record, "fields"), *tags = json_object_get(record, "num-of-vlans");
    if (!take_number(record, "actions", (1u << N_ACTION_TYPES) - 1, &actions)
        || !take_number(record, "outputs", HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_NOWHERE, &outputs)
        || !take_number(record, "max-actions", FLOWER_MAX_OPS, &max_ops) || !max_ops
        || !json_is_object(modes) || !json_is_boolean(tags)) {
        return false;
    }
    *able = (struct tc_abilities) { .actions = actions, .outputs = (uint8_t) outputs,
                                    .max_ops = (uint16_t) max_ops, .num_of_vlans = json_is_true(tags) };
    for (unsigned id = 0; id < N_FIELDS; id++) {
        unsigned mode;
        if (!take_number(modes, hal_field_name(id), N_FIELD_MASK_MODES - 1, &mode)) {
            return false;
        }
        able->field[id] = (uint8_t) mode;
    }
    return true;
}

static json_t *
to_record(const struct tc_abilities *able)
{
    json_t *modes = json_object();
    for (unsigned id = 0; id < N_FIELDS; id++) {
        json_object_set_new(modes, hal_field_name(id), json_integer(able->field[id]));
    }
    return json_pack("{s:i, s:i, s:i, s:b, s:o}", "actions", (int) able->actions,
                     "outputs", (int) able->outputs, "max-actions", (int) able->max_ops,
                     "num-of-vlans", (int) able->num_of_vlans, "fields", modes);
}

/* --- the file ---------------------------------------------------------------------------------------------- */

/* The records, NULL: there are none that can be read. */
static json_t *
load(const struct tc *tc)
{
    char name[512];
    json_error_t error;
    file_name(tc, "", name, sizeof name);
    if (access(name, F_OK)) {
        return NULL;
    }
    json_t *file = json_load_file(name, 0, &error);
    const json_t *version = json_object_get(file, "version");
    json_t *records = json_object_get(file, "records");
    if (!json_is_object(records) || json_integer_value(version) != VERSION) {
        tc->host->log(tc->host, LOG_WARNING, "%s is not believed (%s): devices are tried again", name,
                      file ? "it is not as this version writes it" : error.text);
        records = NULL;
    }
    json_incref(records);
    json_decref(file);
    return records;
}

static void
store(const struct tc *tc, json_t *records)
{
    char name[512], next[512];
    file_name(tc, "", name, sizeof name);
    file_name(tc, ".new", next, sizeof next);
    json_t *file = json_pack("{s:i, s:O}", "version", VERSION, "records", records);
    if (!file || json_dump_file(file, next, JSON_INDENT(2) | JSON_SORT_KEYS) || rename(next, name)) {
        tc->host->log(tc->host, LOG_WARNING, "%s can't be written: devices will be tried again", name);
    }
    json_decref(file);
}

bool
tc_probe_recall(struct tc *tc, const struct tc_port *port, struct tc_abilities *able)
{
    char key[640] = "";
    json_t *records = tc->state_dir && key_of(port, key, sizeof key) ? load(tc) : NULL;
    const json_t *record = json_object_get(records, key);
    bool found = record && from_record(record, able);
    if (record && !found) {
        tc->host->log(tc->host, LOG_WARNING, "what is remembered of %s is not believed: it is tried again",
                      port->name);
    }
    json_decref(records);
    return found;
}

void
tc_probe_remember(struct tc *tc, const struct tc_port *port)
{
    char key[640];
    if (!tc->state_dir || !key_of(port, key, sizeof key)) {
        return;
    }
    json_t *records = load(tc);
    if (!records || json_object_size(records) >= MAX_RECORDS) {
        json_decref(records);        /* of kernels and firmwares that were */
        records = json_object();
    }
    if (!json_object_set_new(records, key, to_record(&port->able))) {
        store(tc, records);
    }
    json_decref(records);
}
