/* SPDX-License-Identifier: Apache-2.0 */
/* Options about offload drivers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers/builtin.h"
#include "hal/contract.h"
#include "mgmt/option_values.h"

enum { MAX_RESTART_GRACE_S = 3600, MAX_HW_MOVES = 100000000 };

static const struct hal_driver *
find_builtin(const char *name)
{
    for (size_t i = 0; builtin_drivers[i]; i++) {
        if (!strcmp(builtin_drivers[i]->name, name)) {
            return builtin_drivers[i];
        }
    }
    return NULL;
}

static void
refuse_driver(const char *name, struct errmsg *err)
{
    char names[200] = "none";
    size_t used = strlen(names);
    for (size_t i = 0; builtin_drivers[i] && used < sizeof names; i++) {
        used += (size_t) snprintf(names + used, sizeof names - used, ", %s",
                                  builtin_drivers[i]->name);
    }
    errmsg_set(err, "unknown driver '%.40s'; valid: %s, or the path of a shared object", name,
               names);
}

/* Whether the driver has options of these names; what their values may be is for open(). */
static int
check_options(const struct hal_driver *driver, const char *options, struct errmsg *err)
{
    char error[HAL_ERROR_SIZE] = "";
    int result = contract_check_options(driver, options, error);
    if (result) {
        errmsg_set(err, "%s: %s", driver->name, error);
    }
    return result;
}

/* "none", which stands alone, or a built-in driver's name and options. */
static int
check_named(const char *name, const char *options, struct errmsg *err)
{
    if (!strcmp(name, "none")) {
        if (*options) {
            errmsg_set(err, "driver none has no settings, there is '%.40s'", options);
        }
        return *options ? -EINVAL : 0;
    }
    const struct hal_driver *driver = find_builtin(name);
    if (!driver) {
        refuse_driver(name, err);
        return -EINVAL;
    }
    return check_options(driver, options, err);
}

static int
check_twice(const struct config *config, const char *name, struct errmsg *err)
{
    for (size_t i = 0; i < config->n_drivers; i++) {
        if (!strcmp(config->drivers[i].name, name)) {
            errmsg_set(err, "driver '%.40s' is given already", name);
            return -EINVAL;
        }
    }
    return 0;
}

int
option_set_driver(struct config_parser *parser, const char *value, struct errmsg *err)
{
    size_t len = strcspn(value, ":");
    const char *options = value[len] ? value + len + 1 : "";
    char *name = config_realloc(NULL, len + 1, 1);
    snprintf(name, len + 1, "%s", value);
    bool is_path = strchr(name, '/');
    int error = 0;
    if (is_path) {
        char *path = config_parser_path(parser, name);
        free(name);
        name = path;
        if (access(name, R_OK)) {
            errmsg_set(err, "%s: %s", name, strerror(errno));
            error = -EINVAL;
        }
    } else {
        error = check_named(name, options, err);
    }
    error = error ? error : check_twice(parser->config, name, err);
    if (!error && (is_path || strcmp(name, "none"))) {
        config_add_driver(parser->config, name, options, is_path);
    }
    free(name);
    return error;
}

static int
set_number(const char *value, uint32_t max, uint32_t *number, struct errmsg *err)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || n > max) {
        errmsg_set(err, "'%.40s' is not a number from 0 to %u", value, max);
        return -EINVAL;
    }
    *number = (uint32_t) n;
    return 0;
}

int
option_set_restart_grace(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return set_number(value, MAX_RESTART_GRACE_S, &parser->config->restart_grace_s, err);
}

int
option_set_hw_moves(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return set_number(value, MAX_HW_MOVES, &parser->config->hw_moves, err);
}

int
option_set_on_exit(struct config_parser *parser, const char *value, struct errmsg *err)
{
    if (strcmp(value, "clean") && strcmp(value, "keep")) {
        errmsg_set(err, "'%.40s' is not valid; valid: clean keep", value);
        return -EINVAL;
    }
    parser->config->keep_on_exit = !strcmp(value, "keep");
    return 0;
}

int
option_set_hw_policy(struct config_parser *parser, const char *value, struct errmsg *err)
{
    struct hal_policy_rule rule;
    if (hw_policy_parse(value, &rule, err)
        || hw_policies_put(&config_parser_bridge(parser)->policies, &rule, err)) {
        return -EINVAL;
    }
    return 0;
}

/* Without a driver nothing could be in hardware. */
static int
check_policies(const struct config *config, const struct config_bridge *bridge, struct errmsg *err)
{
    for (unsigned i = 0; i < bridge->policies.n && !config->n_drivers; i++) {
        if (bridge->policies.rules[i].policy == HAL_REQUIRE_HW) {
            errmsg_set(err, "bridge %s: hw-policy require-hw: there is no driver: it takes --driver",
                       bridge->name);
            return -EINVAL;
        }
    }
    return 0;
}

int
option_check_port_drivers(const struct config *config, struct errmsg *err)
{
    for (size_t i = 0; i < config->n_bridges; i++) {
        if (check_policies(config, &config->bridges[i], err)) {
            return -EINVAL;
        }
        for (size_t k = 0; k < config->bridges[i].n_ports; k++) {
            const struct config_port *port = &config->bridges[i].ports[k];
            if (port->driver[0] && !config_may_have_driver(config, port->driver)) {
                errmsg_set(err, "bridge %s: port %s: driver '%s' is not given: it takes "
                           "--driver %s", config->bridges[i].name, port->name, port->driver,
                           port->driver);
                return -EINVAL;
            }
        }
    }
    return 0;
}

void
options_help_drivers(FILE *out)
{
    fputs("\nDrivers for --driver:\n  none: no offload (default)\n", out);
    for (size_t i = 0; builtin_drivers[i]; i++) {
        const struct hal_driver *driver = builtin_drivers[i];
        fprintf(out, "  %s: %s\n", driver->name, driver->summary);
        for (const char *line = driver->options_help; *line;) {
            size_t len = strcspn(line, "\n");
            fprintf(out, "    %.*s\n", (int) len, line);
            line += len + (line[len] == '\n');
        }
    }
}
