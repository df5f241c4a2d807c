/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "turnout/action.h"

enum { MAX_ERRNO = 4095, NAME_MAX_LEN = 31 };

/* --- drivers -------------------------------------------------------------------------- */

/* The name of an op that every driver must have and this one lacks, NULL: none. */
static const char *
missing_op(const struct hal_driver *d)
{
    const struct { const char *name; bool is_there; } ops[] = {
        { "open", d->open }, { "close", d->close }, { "probe", d->probe },
        { "port_add", d->port_add }, { "port_change", d->port_change },
        { "port_del", d->port_del }, { "submit", d->submit }, { "fence", d->fence },
        { "stats", d->stats }, { "dump", d->dump }, { "flush", d->flush },
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!ops[i].is_there) {
            return ops[i].name;
        }
    }
    return NULL;
}

static bool
is_name(const char *name)
{
    size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;
    return len && len <= NAME_MAX_LEN && !name[len] && strcmp(name, "none") != 0;
}

int
contract_check_driver(const struct hal_driver *driver, const char *from, char *error)
{
    if (driver->abi != HAL_DRIVER_ABI) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: the driver has ABI %u, this program has %u", from,
                 driver->abi, HAL_DRIVER_ABI);
        return -EPROTO;
    }
    if (!is_name(driver->name)) {
        snprintf(error, HAL_ERROR_SIZE, "%.120s: the driver's name '%.40s' is none: it takes 1 to %d of "
                 "a-z, 0-9, _ and -", from, driver->name ? driver->name : "(null)", NAME_MAX_LEN);
        return -EINVAL;
    }
    const char *missing = missing_op(driver);
    if (missing) {
        snprintf(error, HAL_ERROR_SIZE, "%.120s: the driver '%s' lacks %s(), which every driver must have",
                 from, driver->name, missing);
        return -EINVAL;
    }
    return 0;
}

/* --- options --------------------------------------------------------------------------- */

/* True if 'name' is one of those that the lines "NAME=VALUE: what it is" have; those that begin
 * with a space go on with the one before. All of them go to 'names'. */
static bool
has_option(const char *lines, const char *name, size_t len, char *names, size_t size)
{
    bool found = false;
    size_t used = 0;
    for (const char *line = lines; *line;) {
        size_t name_len = strcspn(line, "=:\n");
        found |= name_len == len && !memcmp(line, name, len);
        if (used < size && *line != ' ') {
            used += (size_t) snprintf(names + used, size - used, "%s%.*s", used ? ", " : "",
                                      (int) name_len, line);
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return found;
}

int
contract_check_options(const struct hal_driver *driver, const char *options, char *error)
{
    const char *lines = driver->options_help ? driver->options_help : "";
    for (const char *p = options; *p;) {
        char names[192] = "none";
        size_t len = strcspn(p, ","), name_len = strcspn(p, "=,");
        if (name_len == len) {
            snprintf(error, HAL_ERROR_SIZE, "'%.*s' is not KEY=VALUE", len < 40 ? (int) len : 40, p);
            return -EINVAL;
        }
        if (!has_option(lines, p, name_len, names, sizeof names)) {
            snprintf(error, HAL_ERROR_SIZE, "unknown option '%.*s'; valid: %s",
                     name_len < 40 ? (int) name_len : 40, p, names);
            return -EINVAL;
        }
        p += len + (p[len] == ',');
    }
    return 0;
}

/* --- capabilities ------------------------------------------------------------------------ */

static bool
name_is_taken(const struct hal_caps *caps, unsigned table)
{
    for (unsigned i = 0; i < table; i++) {
        if (!strcmp(caps->table[i].name, caps->table[table].name)) {
            return true;
        }
    }
    return false;
}

/* What is wrong with a table; NULL: nothing. */
static const char *
check_table(const struct hal_caps *caps, unsigned table)
{
    const struct hal_table_caps *t = &caps->table[table];
    const unsigned outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_OTHER_DEVICE
                             | HAL_OUTPUT_NOWHERE;
    if (!t->name[0] || !memchr(t->name, '\0', sizeof t->name)) {
        return "a name that is none";
    }
    if (name_is_taken(caps, table)) {
        return "the name of another table";
    }
    for (unsigned id = 0; id < N_FIELDS; id++) {
        if (t->field[id] >= N_FIELD_MASK_MODES) {
            return "a mask mode that is none";
        }
        if (t->required >> id & 1 && t->field[id] == FIELD_MASK_NONE) {
            return "a required field that it can't match";
        }
    }
    if (t->required >> N_FIELDS) {
        return "a required field that is none";
    }
    if ((t->actions | t->ordered) >> N_ACTION_TYPES) {
        return "an action that is none";
    }
    if (t->counters > HAL_COUNT_BOTH || t->learnt > HAL_QUIRK) {
        return "counters, or an origin, of a kind that is none";
    }
    return t->outputs & ~outputs ? "an output of a kind that is none" : NULL;
}

int
contract_check_caps(const struct hal_caps *caps, char *error)
{
    if (caps->n_tables > HAL_MAX_TABLES) {
        snprintf(error, HAL_ERROR_SIZE, "it says that it has %u tables; at most %d can be", caps->n_tables,
                 HAL_MAX_TABLES);
        return -EPROTO;
    }
    for (unsigned i = 0; i < caps->n_tables; i++) {
        const char *wrong = check_table(caps, i);
        if (wrong) {
            snprintf(error, HAL_ERROR_SIZE, "what it says of table %u (%.*s) makes no sense: %s", i,
                     HAL_NAME_SIZE, caps->table[i].name, wrong);
            return -EPROTO;
        }
    }
    return 0;
}

/* --- in use -------------------------------------------------------------------------------- */

const char *
contract_check_dumped(const struct hal_caps *caps, const struct hal_dumped *d)
{
    if (!d->entry.match || !d->entry.actions) {
        return "it showed an entry without a match or actions";
    }
    if (d->entry.actions->len > ACTION_LIST_MAX) {
        return "it showed an entry with more actions than can be";
    }
    return d->entry.table >= caps->n_tables ? "it showed an entry of a table that is none" : NULL;
}

bool
contract_error_is_possible(int error)
{
    return error <= 0 && error >= -MAX_ERRNO;
}
