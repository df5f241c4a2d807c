/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw --direct: looks at a device itself, through its driver and without turnoutd.
 * Nothing is changed: the HAL opens the device for reading only, and has no bridges. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/builtin.h"
#include "hal/look.h"
#include "hal/text.h"
#include "lib/hash.h"
#include "mgmt/hw_json.h"
#include "tools/turnoutctl/hw.h"
#include "tools/turnoutctl/hw_caps.h"

enum { AUDIT_DIFFERS = 1, AUDIT_FAILED = 2, MAX_TRIES = 3 };

/* What an audit has seen: hashes, none of them 0. */
struct seen {
    uint64_t *at;
    size_t n, max;                 /* a power of two */
};

struct direct {
    struct ctl *ctl;
    struct hal *hal;
    struct hal_device *device;
    struct hal_device_info info;
    json_t *rows;                  /* NULL: rows are printed as they come */
    struct seen matches, cookies;  /* of an audit */
    size_t n_differences;
    bool failed;                   /* no memory */
};

/* --- the device ------------------------------------------------------------------------------ */

static void
take_name(const struct hal_driver *driver, void *name)
{
    *(const char **) name = driver->name;
}

/* Makes the driver of "NAME:OPTIONS" or "PATH:OPTIONS" known; 0 and *name, or *error. */
static int
find_driver(struct hal *hal, const char *what, size_t len, const char **name, char *error)
{
    char *path = strndup(what, len);
    int result = path ? 0 : -ENOMEM;
    for (size_t i = 0; builtin_drivers[i] && !result; i++) {
        result = hal_add_driver(hal, builtin_drivers[i], error);
    }
    *name = path;
    if (!result && strchr(path, '/')) {
        result = hal_load_driver(hal, path, error);
        hal_visit_drivers(hal, take_name, name);
        *name = strdup(*name);
        free(path);
    }
    return result;
}

/* The directory of the control socket: where turnoutd has its drivers' files. */
static char *
state_dir(const struct ctl *ctl)
{
    const char *slash = strrchr(ctl->control, '/');
    return slash ? strndup(ctl->control, (size_t) (slash - ctl->control)) : strdup(".");
}

static void
take_info(struct hal_device *device, const struct hal_device_info *info, void *aux)
{
    struct direct *d = aux;
    d->device = device;
    d->info = *info;
}

static int
open_device(struct direct *d, const char *dir)
{
    struct hal_config config = { .stepped = true, .read_only = true, .n_workers = 1,
                                 .state_dir = dir };
    const char *what = d->ctl->direct, *name = NULL;
    char error[HAL_ERROR_SIZE] = "no memory", text[1024];
    size_t len = strcspn(what, ":");
    d->hal = hal_new(&config);
    int result = d->hal ? find_driver(d->hal, what, len, &name, error) : -ENOMEM;
    if (!result) {
        snprintf(text, sizeof text, "%s%s", name ? name : "", what + len);
        result = hal_device_open(d->hal, text, &d->device, error);
    }
    if (result) {
        fprintf(stderr, "turnoutctl: driver %.*s: %s\n", (int) len, what, error);
    } else {
        hal_visit_devices(d->hal, take_info, d);
    }
    free((char *) name);
    return result;
}

/* --- show, probe ------------------------------------------------------------------------------- */

static void
add_fact(const char *name, const char *value, void *facts)
{
    json_object_set_new(facts, name, json_string(value));
}

static json_t *
device_json(struct direct *d)
{
    uint32_t entries[HAL_MAX_TABLES];
    json_t *tables = json_array(), *facts = json_object();
    hal_occupancy(d->device, entries);
    hal_describe(d->device, add_fact, facts);
    for (unsigned i = 0; i < d->info.caps->n_tables; i++) {
        const struct hal_table_caps *caps = &d->info.caps->table[i];
        json_array_append_new(tables, json_pack(
            "{s:s, s:I, s:o}", "name", caps->name, "entries", (json_int_t) entries[i],
            "capacity", caps->capacity ? json_integer(caps->capacity) : json_null()));
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "driver", d->info.driver, "options", d->info.options,
                     "tables", tables, "facts", facts);
}

static void
print_json(struct direct *d, const char *member, json_t *value)
{
    json_t *all = json_pack("{s:s, s:o}", "direct", d->ctl->direct, member, value);
    ctl_print_json(d->ctl, all);
    json_decref(all);
}

static int
show(struct direct *d)
{
    json_t *device = device_json(d);
    if (d->ctl->json) {
        print_json(d, "devices", json_pack("[o]", device));
    } else {
        hw_print_looked_at(device);
        json_decref(device);
    }
    return CTL_OK;
}

static int
probe(struct direct *d)
{
    json_t *device = hw_json_probe(&d->info);
    if (d->ctl->json) {
        json_t *all = json_pack("{s:[o]}", "devices", device);
        ctl_print_json(d->ctl, all);
        json_decref(all);
    } else {
        hw_caps_print(device, stdout, d->ctl->width);
        json_decref(device);
    }
    return CTL_OK;
}

/* --- entries ------------------------------------------------------------------------------------- */

static json_t *
entry_json(const struct direct *d, const struct hal_dumped *e)
{
    char match[512], actions[1024], cookie[19], handle[19];
    hal_match_text(e->entry.match, match, sizeof match);
    hal_actions_text(e->entry.actions, actions, sizeof actions);
    snprintf(cookie, sizeof cookie, "0x%" PRIx64, e->cookie);
    snprintf(handle, sizeof handle, "0x%" PRIx64, e->handle);
    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:s, s:s, s:I, s:o, s:s, s:s*}",
                     "device", d->info.driver, "table", d->info.caps->table[e->entry.table].name,
                     "state", e->in_hardware ? "hardware" : "software", "foreign", (int) e->foreign,
                     "match", match, "priority", (int) e->entry.priority, "cookie", cookie,
                     "handle", handle, "packets", (json_int_t) e->counters.packets,
                     "bytes", e->counters.bytes == UINT64_MAX
                              ? json_null() : json_integer((json_int_t) e->counters.bytes),
                     "actions", actions, "more", e->more);
}

static void
print_entry(const json_t *row)
{
    printf("%s/%s %s%s: packets=%lld, bytes=", ctl_text(row, "device"), ctl_text(row, "table"),
           ctl_text(row, "state"), json_is_true(json_object_get(row, "foreign")) ? ", foreign" : "",
           (long long) ctl_number(row, "packets"));
    if (json_is_integer(json_object_get(row, "bytes"))) {
        printf("%lld", (long long) ctl_number(row, "bytes"));
    } else {
        putchar('?');
    }
    const char *more = ctl_text(row, "more");
    printf(", cookie=%s, priority=%lld,%s actions=%s%s%s%s\n", ctl_text(row, "cookie"),
           (long long) ctl_number(row, "priority"), ctl_text(row, "match"), ctl_text(row, "actions"),
           *more ? " (" : "", more, *more ? ")" : "");
}

/* Prints or keeps a row, which it takes over. */
static void
put_row(struct direct *d, json_t *row)
{
    if (d->rows) {
        d->failed |= json_array_append_new(d->rows, row) != 0;
        return;
    }
    const char *difference = ctl_text(row, "difference"), *why = ctl_text(row, "why");
    if (*difference) {
        printf("%s%s%s: ", difference, *why ? ": " : "", why);
    }
    print_entry(row);
    json_decref(row);
}

static bool
list_entry(const struct hal_dumped *e, void *aux)
{
    put_row(aux, entry_json(aux, e));
    return true;
}

static void
forget(struct seen *seen)
{
    free(seen->at);
    *seen = (struct seen) { NULL, 0, 0 };
}

/* Visits all entries, again if the table changed too much. 0, or the error is printed. */
static int
visit_all(struct direct *d, bool (*visit)(const struct hal_dumped *, void *aux))
{
    char error[HAL_ERROR_SIZE] = "no memory";
    int result = -EINTR;
    for (int tries = 0; result == -EINTR && tries < MAX_TRIES; tries++) {
        forget(&d->matches);
        forget(&d->cookies);
        d->n_differences = 0;
        if (d->rows) {
            json_array_clear(d->rows);
        }
        result = hal_dump(d->device, visit, d, error);
    }
    if (result || d->failed) {
        fprintf(stderr, "turnoutctl: driver %s: %s\n", d->info.driver, d->failed ? "no memory" : error);
    }
    return result || d->failed;
}

static int
entries(struct direct *d)
{
    if (visit_all(d, list_entry)) {
        return CTL_FAILED;
    }
    if (d->ctl->json) {
        print_json(d, "entries", json_incref(d->rows));
    }
    return CTL_OK;
}

/* --- audit ---------------------------------------------------------------------------------------- */

/* Where the hash is, or would be. */
static uint64_t *
place_of(const struct seen *seen, uint64_t hash)
{
    size_t i = hash & (seen->max - 1);
    while (seen->at[i] && seen->at[i] != hash) {
        i = (i + 1) & (seen->max - 1);
    }
    return &seen->at[i];
}

static bool
grow(struct seen *seen)
{
    struct seen more = { .n = seen->n, .max = seen->max ? seen->max * 2 : 1024 };
    more.at = calloc(more.max, sizeof *more.at);
    for (size_t i = 0; more.at && i < seen->max; i++) {
        if (seen->at[i]) {
            *place_of(&more, seen->at[i]) = seen->at[i];
        }
    }
    if (more.at) {
        free(seen->at);
        *seen = more;
    }
    return more.at;
}

/* True if it was there before; now it is. */
static bool
has_seen(struct direct *d, struct seen *seen, uint64_t hash)
{
    hash |= !hash;
    if (seen->n * 2 >= seen->max && !grow(seen)) {
        d->failed = true;
        return false;
    }
    uint64_t *place = place_of(seen, hash);
    bool before = *place == hash;
    seen->n += !before;
    *place = hash;
    return before;
}

static uint64_t
hash_of(const struct hal_dumped *e)
{
    uint64_t hash = hash_word((uint64_t) e->entry.table << 16 | e->entry.priority, 1);
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        hash = hash_word(e->entry.match->value.lane[i], hash);
        hash = hash_word(e->entry.match->mask.bits.lane[i], hash);
    }
    return hash;
}

static void
differs(struct direct *d, const struct hal_dumped *e, const char *what, const char *why)
{
    json_t *row = entry_json(d, e);
    json_object_set_new(row, "difference", json_string(what));
    json_object_set_new(row, "why", why ? json_string(why) : json_null());
    put_row(d, row);
    d->n_differences++;
}

/* What a stranger has is not ours to judge, but it must not be what we have as well. */
static bool
judge(const struct hal_dumped *e, void *aux)
{
    struct direct *d = aux;
    struct hal_verdict verdict;
    const char *wrong = e->foreign ? NULL : hal_judge_dumped(d->info.caps, e, &verdict);
    if (wrong) {
        differs(d, e, wrong, verdict.reason ? hal_reason_name(verdict.reason) : NULL);
    }
    if (has_seen(d, &d->matches, hash_of(e))) {
        differs(d, e, "duplicate", "another entry has the same match and priority");
    }
    if (e->cookie && has_seen(d, &d->cookies, hash_word(e->cookie, 1))) {
        differs(d, e, "duplicate-cookie", "another entry has the same cookie");
    }
    return !d->failed;
}

static int
audit(struct direct *d)
{
    if (visit_all(d, judge)) {
        return AUDIT_FAILED;
    }
    if (d->ctl->json) {
        json_t *all = json_pack("{s:s, s:I, s:O}", "direct", d->ctl->direct, "count",
                                (json_int_t) d->n_differences, "differences", d->rows);
        ctl_print_json(d->ctl, all);
        json_decref(all);
    } else {
        printf("%zu differences\n", d->n_differences);
    }
    return d->n_differences ? AUDIT_DIFFERS : CTL_OK;
}

/* --- the command ----------------------------------------------------------------------------------- */

int
hw_direct(struct ctl *ctl, const char *command)
{
    static const struct {
        const char *name, *schema;     /* a probe is one as turnoutd's, for hw diff */
        int (*run)(struct direct *);
        int failed;
    } commands[] = {
        { "show", "direct-show", show, CTL_FAILED },
        { "entries", "direct-entries", entries, CTL_FAILED },
        { "probe", "probe", probe, CTL_FAILED },
        { "audit", "direct-audit", audit, AUDIT_FAILED },
    };
    struct direct d = { .ctl = ctl, .rows = ctl->json ? json_array() : NULL };
    char *dir = state_dir(ctl);
    size_t i = 0;
    while (strcmp(commands[i].name, command)) {
        i++;
    }
    ctl->schema_command = commands[i].schema;
    int status = hal_set_log(NULL, "error", (char[HAL_ERROR_SIZE]) { "" });
    status = status || open_device(&d, dir) ? commands[i].failed : commands[i].run(&d);
    hal_free(d.hal, true);
    forget(&d.matches);
    forget(&d.cookies);
    json_decref(d.rows);
    free(dir);
    return status;
}
