/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/option_values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cpulist.h"
#include "lib/log.h"
#include "mgmt/config_file.h"
#include "mgmt/port_flags.h"

/* A decimal number from 'min' to 'max'. 0 and *out, or -EINVAL. */
static int
parse_number(const char *value, uint32_t min, uint32_t max, uint32_t *out, struct errmsg *err)
{
    size_t len = strlen(value);
    unsigned long long number = 0;
    bool valid = len > 0 && len <= 10 && strspn(value, "0123456789") == len;
    if (valid) {
        number = strtoull(value, NULL, 10);
    }
    if (!valid || number < min || number > max) {
        errmsg_set(err, "'%.40s' is not a number from %u to %u", value, min, max);
        return -EINVAL;
    }
    *out = number;
    return 0;
}

/* What the kernel takes as a network device's name. */
static int
check_device_name(const char *name, const char *what, struct errmsg *err)
{
    size_t len = strlen(name);
    const char *why = NULL;
    if (!len) {
        why = "it is empty";
    } else if (len >= PORT_NAME_SIZE) {
        why = "it is longer than 15 characters";
    } else if (!strcmp(name, ".") || !strcmp(name, "..")) {
        why = "it is a directory's";
    }
    for (size_t i = 0; i < len && !why; i++) {
        if (!isgraph((unsigned char) name[i]) || strchr("/:@,", name[i])) {
            why = "it has a blank, '/', ':', '@', ',' or a character that is not ASCII";
        }
    }
    if (why) {
        errmsg_set(err, "'%.40s' can't be a %s name: %s", name, what, why);
        return -EINVAL;
    }
    return 0;
}

static int
replace_text(char **to, const char *value, struct errmsg *err)
{
    if (!value[0]) {
        errmsg_set(err, "the value is empty");
        return -EINVAL;
    }
    free(*to);
    *to = config_strdup(value);
    return 0;
}

static int
replace_path(struct config_parser *parser, char **to, const char *value, struct errmsg *err)
{
    if (!value[0]) {
        errmsg_set(err, "the path is empty");
        return -EINVAL;
    }
    free(*to);
    *to = config_parser_path(parser, value);
    return 0;
}

int
option_set_bridge(struct config_parser *parser, const char *value, struct errmsg *err)
{
    struct config *config = parser->config;
    if (check_device_name(value, "bridge", err)) {
        return -EINVAL;
    }
    if (config_find_bridge(config, value)) {
        errmsg_set(err, "there is a bridge '%s' already", value);
        return -EINVAL;
    }
    for (size_t i = 0; i < config->n_bridges; i++) {
        if (config_find_port(&config->bridges[i], value)) {
            errmsg_set(err, "'%s' is a port of bridge '%s'", value, config->bridges[i].name);
            return -EINVAL;
        }
    }
    if (config->n_bridges == CONFIG_MAX_BRIDGES) {
        errmsg_set(err, "more than %d bridges", CONFIG_MAX_BRIDGES);
        return -EINVAL;
    }
    config_add_bridge(config, value, &parser->defaults);
    parser->bridge = config->n_bridges;
    return 0;
}

int
option_set_datapath_id(struct config_parser *parser, const char *value, struct errmsg *err)
{
    const char *digits = strncasecmp(value, "0x", 2) ? value : value + 2;
    size_t len = strlen(digits);
    uint64_t id = 0;
    if (len > 0 && len <= 16 && strspn(digits, "0123456789abcdefABCDEF") == len) {
        id = strtoull(digits, NULL, 16);
    }
    if (!id) {
        errmsg_set(err, "'%.40s' is not a number of 1 to 16 hexadecimal digits, or is 0", value);
        return -EINVAL;
    }
    struct config_bridge *bridge = config_parser_bridge(parser);
    for (size_t i = 0; i < parser->config->n_bridges; i++) {
        const struct config_bridge *other = &parser->config->bridges[i];
        if (other != bridge && other->agent.datapath_id == id) {
            errmsg_set(err, "bridge '%s' has %016llx already", other->name,
                       (unsigned long long) id);
            return -EINVAL;
        }
    }
    bridge->agent.datapath_id = id;
    return 0;
}

static int
set_port_driver(struct config_port *port, const char *value, struct errmsg *err)
{
    if (!value || !value[0] || strlen(value) >= sizeof port->driver) {
        errmsg_set(err, "%s: driver takes a driver's name, of 1 to %zu characters", port->name,
                   sizeof port->driver - 1);
        return -EINVAL;
    }
    snprintf(port->driver, sizeof port->driver, "%s", strcmp(value, "none") ? value : "");
    return 0;
}

/* One "KEY=VALUE" of a port; 'text' is changed. */
static int
set_port_key(struct config_port *port, char *text, struct errmsg *err)
{
    char *value = strchr(text, '=');
    if (value) {
        *value++ = '\0';
    }
    if (!strcmp(text, "driver")) {
        return set_port_driver(port, value, err);
    }
    uint32_t bit = port_flag_find(text, err);
    if (!bit) {
        struct errmsg why = *err;
        errmsg_set(err, "%s: %s driver", port->name, why.text);
        return -EINVAL;
    }
    if (!value || (strcmp(value, "yes") && strcmp(value, "no"))) {
        errmsg_set(err, "%s: %s takes yes or no", port->name, text);
        return -EINVAL;
    }
    port->flags = !strcmp(value, "yes") ? port->flags | bit : port->flags & ~bit;
    return 0;
}

/* "DEV[@N][,KEY=VALUE]...", which is changed. */
static int
parse_port(char *text, struct config_port *port, struct errmsg *err)
{
    char *rest = text;
    char *head = strsep(&rest, ",");
    char *number = strchr(head, '@');
    if (number) {
        *number++ = '\0';
    }
    if (check_device_name(head, "device", err)) {
        return -EINVAL;
    }
    snprintf(port->name, sizeof port->name, "%s", head);
    if (number) {
        uint32_t n;
        if (parse_number(number, 1, PORT_MAX - 1, &n, err)) {
            errmsg_prefix(err, "%s: port number", head);
            return -EINVAL;
        }
        port->number = n;
    }
    while (rest) {
        if (set_port_key(port, strsep(&rest, ","), err)) {
            return -EINVAL;
        }
    }
    return 0;
}

/* A device is in one bridge once, a number belongs to one device. */
static int
check_port_is_free(const struct config_parser *parser, const struct config_bridge *bridge,
                   const struct config_port *port, struct errmsg *err)
{
    const struct config *config = parser->config;
    if (config_find_bridge(config, port->name)) {
        errmsg_set(err, "'%s' is a bridge; its own interface is its LOCAL port", port->name);
        return -EINVAL;
    }
    for (size_t i = 0; i < config->n_bridges; i++) {
        if (config_find_port(&config->bridges[i], port->name)) {
            errmsg_set(err, "device '%s' is in bridge '%s' already", port->name,
                       config->bridges[i].name);
            return -EINVAL;
        }
    }
    for (size_t i = 0; i < bridge->n_ports && port->number; i++) {
        if (bridge->ports[i].number == port->number) {
            errmsg_set(err, "'%s': number %u is that of '%s' already", port->name, port->number,
                       bridge->ports[i].name);
            return -EINVAL;
        }
    }
    return 0;
}

int
option_set_port(struct config_parser *parser, const char *value, struct errmsg *err)
{
    struct config_bridge *bridge = config_parser_bridge(parser);
    struct config_port port = { .number = 0 };
    char *text = config_strdup(value);
    int error = parse_port(text, &port, err);
    free(text);
    if (!error) {
        error = check_port_is_free(parser, bridge, &port, err);
    }
    if (!error) {
        config_add_port(bridge, &port);
    }
    return error;
}

/* The target with a socket's path made absolute; the caller frees it. */
static char *
absolute_target(const struct config_parser *parser, const char *target)
{
    const char *colon = strchr(target, ':');
    if (!colon || !colon[1]
        || (strncmp(target, "unix:", 5) && strncmp(target, "punix:", 6))) {
        return config_strdup(target);
    }
    char *path = config_parser_path(parser, colon + 1);
    size_t head = colon + 1 - target;
    size_t size = head + strlen(path) + 1;
    char *absolute = config_realloc(NULL, size, 1);
    snprintf(absolute, size, "%.*s%s", (int) head, target, path);
    free(path);
    return absolute;
}

static int
add_target(struct config_parser *parser, const char *value, bool listen, struct errmsg *err)
{
    struct config_bridge *bridge = config_parser_bridge(parser);
    char *target = absolute_target(parser, value);
    int error = agent_check_target(target, listen, err) ? -EINVAL : 0;
    /* Several bridges may have one controller, but one address has one listener. */
    for (size_t i = 0; i < parser->config->n_bridges && !error; i++) {
        const struct config_bridge *other = &parser->config->bridges[i];
        if ((listen || other == bridge) && config_has_target(other, target)) {
            errmsg_set(err, "'%.80s' is given already, for bridge '%s'", target, other->name);
            error = -EINVAL;
        }
    }
    if (!error) {
        config_add_target(bridge, target, listen);
    }
    free(target);
    return error;
}

int
option_set_controller(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return add_target(parser, value, false, err);
}

int
option_set_listen(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return add_target(parser, value, true, err);
}

int
option_set_fail_mode(struct config_parser *parser, const char *value, struct errmsg *err)
{
    struct agent_config *agent = &config_parser_bridge(parser)->agent;
    if (!strcmp(value, "secure")) {
        agent->fail_mode = AGENT_FAIL_SECURE;
    } else if (!strcmp(value, "standalone")) {
        agent->fail_mode = AGENT_FAIL_STANDALONE;
    } else {
        errmsg_set(err, "unknown mode '%.40s'; valid: secure standalone", value);
        return -EINVAL;
    }
    return 0;
}

int
option_set_in_band(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    config_parser_bridge(parser)->agent.in_band = true;
    return 0;
}

int
option_set_inactivity_probe(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 0, 86400,
                        &config_parser_bridge(parser)->agent.inactivity_probe_s, err);
}

int
option_set_max_backoff(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 1, 3600, &config_parser_bridge(parser)->agent.max_backoff_s, err);
}

int
option_set_packet_in_rate(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 0, 100000000,
                        &config_parser_bridge(parser)->agent.packet_in_rate, err);
}

int
option_set_packet_in_burst(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 0, 100000000,
                        &config_parser_bridge(parser)->agent.packet_in_burst, err);
}

int
option_set_max_connections(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 1, 65536,
                        &config_parser_bridge(parser)->agent.max_connections, err);
}

int
option_set_fdb_max(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 16, 1 << 20, &config_parser_bridge(parser)->datapath.fdb_max, err);
}

int
option_set_fdb_age(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 1, 1000000, &config_parser_bridge(parser)->datapath.fdb_age_s,
                        err);
}

int
option_set_max_flows(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 1, 16 << 20, &config_parser_bridge(parser)->agent.max_flows, err);
}

int
option_set_max_emergency_flows(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 0, AGENT_MAX_EMERGENCY_FLOWS,
                        &config_parser_bridge(parser)->agent.max_emergency_flows, err);
}

int
option_set_control(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->control, value, err);
}

int
option_set_control_group(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_text(&parser->config->control_group, value, err);
}

int
option_set_rundir(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->rundir, value, err);
}

int
option_set_cpu(struct config_parser *parser, const char *value, struct errmsg *err)
{
    unsigned cpus[DP_MAX_WORKERS];
    if (cpulist_parse(value, cpus, DP_MAX_WORKERS, err) < 0) {
        return -EINVAL;
    }
    return replace_text(&parser->config->cpus, value, err);
}

int
option_set_cache_entries(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_number(value, 64, 16 << 20, &parser->config->cache_entries, err);
}

int
option_set_pidfile(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->pidfile, value, err);
}

int
option_set_detach(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    parser->config->detach = true;
    return 0;
}

int
option_set_log(struct config_parser *parser, const char *value, struct errmsg *err)
{
    /* The modules are known to the logger alone, so it is asked by setting the level. */
    if (log_set_level(value, err)) {
        return -EINVAL;
    }
    struct config *config = parser->config;
    config->log_levels = config_realloc(config->log_levels, config->n_log_levels + 1,
                                        sizeof *config->log_levels);
    config->log_levels[config->n_log_levels++] = config_strdup(value);
    return 0;
}

int
option_set_log_to(struct config_parser *parser, const char *value, struct errmsg *err)
{
    char **log_to = &parser->config->log_to;
    if (!strcmp(value, "stderr") || !strcmp(value, "syslog") || !strcmp(value, "journal")) {
        return replace_text(log_to, value, err);
    }
    if (!strchr(value, '/')) {
        errmsg_set(err, "unknown destination '%.40s'; valid: stderr syslog journal, or a file's "
                   "path with a '/'", value);
        return -EINVAL;
    }
    return replace_path(parser, log_to, value, err);
}

int
option_set_config(struct config_parser *parser, const char *value, struct errmsg *err)
{
    char *path = config_parser_path(parser, value);
    size_t bridge = parser->bridge;
    parser->bridge = 0;
    int error = config_file_read(parser, path, err);
    /* Options behind --config on the command line belong to the bridge named there. */
    parser->bridge = bridge;
    free(path);
    return error;
}

int
option_set_check_config(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    parser->request = CONFIG_CHECK;
    return 0;
}

int
option_set_version(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    parser->request = CONFIG_VERSION;
    return 0;
}

int
option_set_help(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    parser->request = CONFIG_HELP;
    return 0;
}
