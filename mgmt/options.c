/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/config_file.h"
#include "mgmt/option_values.h"

const struct option_row option_rows[] = {
    {
        "config", "FILE", OPTION_COMMAND_LINE, false,
        "read options from FILE: one a line, without the dashes",
        option_set_config,
    }, {
        "driver", "NAME[:KEY=VALUE,...]", OPTION_GLOBAL, true,
        "offload driver: its name, or the path of a shared object; see below",
        option_set_driver,
    }, {
        "bridge", "NAME", OPTION_GLOBAL, false,
        "begin a bridge; its own interface has the same name",
        option_set_bridge,
    }, {
        "datapath-id", "HEX", OPTION_MEMBER, false,
        "64-bit identifier (default: made from the bridge's address)",
        option_set_datapath_id,
    }, {
        "port", "DEV[@N][,KEY=VALUE,...]", OPTION_MEMBER, true,
        "attach device DEV, as port number N; keys: no-flood, no-forward, no-receive, "
        "no-receive-stp, no-packet-in, no-stp, down (each yes or no), driver (its name)",
        option_set_port,
    }, {
        "queue", "DEV:ID[,KEY=VALUE,...]", OPTION_MEMBER, true,
        "queue ID of port DEV; keys: min-rate, max-rate (bit/s, as in 10M), burst (bytes)",
        option_set_queue,
    }, {
        "hw-policy", "POLICY[,KEY=VALUE,...]", OPTION_BRIDGE, true,
        "flows may (prefer-hw, default), must (require-hw) or must not (sw-only) be in hardware; "
        "keys: cookie (VALUE[/MASK]: only of these), allow-uncounted, "
        "whole-rules (yes or no)",
        option_set_hw_policy,
    }, {
        "controller", "TARGET", OPTION_MEMBER, true,
        "connect to a controller: tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH",
        option_set_controller,
    }, {
        "listen", "TARGET", OPTION_MEMBER, true,
        "listen for controllers: ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH",
        option_set_listen,
    }, {
        "fail-mode", "MODE", OPTION_BRIDGE, false,
        "when the controllers are lost: secure (default) or standalone",
        option_set_fail_mode,
    }, {
        "in-band", NULL, OPTION_BRIDGE, false,
        "let controllers through that are reached through the bridge's own interface",
        option_set_in_band,
    }, {
        "inactivity-probe", "SECONDS", OPTION_BRIDGE, false,
        "idle time before a controller is probed; 0: never (default 5)",
        option_set_inactivity_probe,
    }, {
        "max-backoff", "SECONDS", OPTION_BRIDGE, false,
        "longest wait between connection attempts (default 8)",
        option_set_max_backoff,
    }, {
        "packet-in-rate", "N", OPTION_BRIDGE, false,
        "packets a second for each controller; 0: no limit (default)",
        option_set_packet_in_rate,
    }, {
        "packet-in-burst", "N", OPTION_BRIDGE, false,
        "packets at once after a pause (default: a quarter of the rate)",
        option_set_packet_in_burst,
    }, {
        "fdb-max", "N", OPTION_BRIDGE, false,
        "most addresses that NORMAL learns (default 8192)",
        option_set_fdb_max,
    }, {
        "fdb-age", "SECONDS", OPTION_BRIDGE, false,
        "idle time before a learnt address is forgotten (default 300)",
        option_set_fdb_age,
    }, {
        "stp", "MODE", OPTION_BRIDGE, false,
        "spanning tree: off (default), or external: port states are set by turnoutctl",
        option_set_stp,
    }, {
        "forward-bpdu", "YES|NO", OPTION_BRIDGE, false,
        "NORMAL forwards frames to IEEE 802.1D's reserved addresses: yes or no (default)",
        option_set_forward_bpdu,
    }, {
        "max-flows", "N", OPTION_BRIDGE, false,
        "most flows in the table (default 1000000)",
        option_set_max_flows,
    }, {
        "max-connections", "N", OPTION_BRIDGE, false,
        "most connections to its listeners; the idle make room (default 1024)",
        option_set_max_connections,
    }, {
        "max-emergency-flows", "N", OPTION_BRIDGE, false,
        "most emergency flows, which act when the controllers are lost (default 1024)",
        option_set_max_emergency_flows,
    }, {
        "control", "PATH", OPTION_GLOBAL, false,
        "control socket for turnoutctl (default RUNDIR/" CONFIG_CONTROL_NAME ")",
        option_set_control,
    }, {
        "control-group", "GROUP", OPTION_GLOBAL, false,
        "let the members of GROUP use the control socket",
        option_set_control_group,
    }, {
        "rundir", "DIR", OPTION_GLOBAL, false,
        "directory for sockets (default " CONFIG_RUNDIR_DEFAULT ")",
        option_set_rundir,
    }, {
        "cpu", "LIST", OPTION_GLOBAL, false,
        "a packet worker on each of these CPUs, as in 0,2-3 (default: one, anywhere)",
        option_set_cpu,
    }, {
        "cache-entries", "N", OPTION_GLOBAL, false,
        "exact matches cached by each worker and bridge (default 262144)",
        option_set_cache_entries,
    }, {
        "governor", "MODE", OPTION_GLOBAL, false,
        "which new flows get cache entries and go to hardware: on (default: those that prove "
        "themselves first), first-packet (any, within the budgets) or off (any)",
        option_set_governor,
    }, {
        "over-budget", "WHAT", OPTION_GLOBAL, false,
        "packets over the governor's budget go uncached (default), or drop",
        option_set_over_budget,
    }, {
        "setup-budget", "[MIN-]MAX", OPTION_GLOBAL, false,
        "flows a second that each worker sets up, adapting within the bounds "
        "(default 20000-200000)",
        option_set_setup_budget,
    }, {
        "entry-budget", "[MIN-]MAX", OPTION_GLOBAL, false,
        "flows a second that are offered to hardware, adapting within the bounds "
        "(default 500-50000)",
        option_set_entry_budget,
    }, {
        "restart-grace", "SECONDS", OPTION_GLOBAL, false,
        "time for flows to come again before what hardware has from before goes (default 30)",
        option_set_restart_grace,
    }, {
        "hw-moves", "N", OPTION_GLOBAL, false,
        "flows that move into hardware for their traffic, a second; 0: no limit (default 10000)",
        option_set_hw_moves,
    }, {
        "on-exit", "MODE", OPTION_GLOBAL, false,
        "what hardware has when turnoutd ends: clean, it goes (default), or keep",
        option_set_on_exit,
    }, {
        "private-key", "FILE", OPTION_GLOBAL, false,
        "our private key for TLS, in PEM",
        option_set_private_key,
    }, {
        "certificate", "FILE", OPTION_GLOBAL, false,
        "our certificate for TLS, in PEM",
        option_set_certificate,
    }, {
        "ca-cert", "FILE", OPTION_GLOBAL, false,
        "certificates, in PEM, of the CAs that sign the controllers'",
        option_set_ca_cert,
    }, {
        "peer-ca-bootstrap", NULL, OPTION_GLOBAL, false,
        "if there is no --ca-cert FILE yet, trust the first controller's CA and keep it there",
        option_set_peer_ca_bootstrap,
    }, {
        "pidfile", "FILE", OPTION_GLOBAL, false,
        "write the process id to FILE and keep it locked",
        option_set_pidfile,
    }, {
        "detach", NULL, OPTION_GLOBAL, false,
        "run in the background; returns when the switch is ready",
        option_set_detach,
    }, {
        "log", "[MODULE:]LEVEL", OPTION_GLOBAL, true,
        "log at LEVEL: error, warn, info (default) or debug",
        option_set_log,
    }, {
        "log-to", "DEST", OPTION_GLOBAL, false,
        "stderr (default), syslog (default with --detach), journal or a file",
        option_set_log_to,
    }, {
        "check-config", NULL, OPTION_COMMAND_LINE, false,
        "check the options and exit",
        option_set_check_config,
    }, {
        "version", NULL, OPTION_COMMAND_LINE, false,
        "print the version and exit",
        option_set_version,
    }, {
        "help", NULL, OPTION_COMMAND_LINE, false,
        "print this help and exit",
        option_set_help,
    },
};
const size_t n_option_rows = sizeof option_rows / sizeof option_rows[0];

const struct option_row *
option_find(const char *name)
{
    for (size_t i = 0; i < n_option_rows; i++) {
        if (!strcmp(option_rows[i].name, name)) {
            return &option_rows[i];
        }
    }
    return NULL;
}

static bool
is_valid_here(const struct config_parser *parser, const struct option_row *row)
{
    return !parser->file || row->scope != OPTION_COMMAND_LINE;
}

/* Names every option that could have been meant. */
static void
refuse_unknown(const struct config_parser *parser, const char *name, struct errmsg *err)
{
    char names[600] = "";
    size_t len = 0;
    for (size_t i = 0; i < n_option_rows; i++) {
        if (is_valid_here(parser, &option_rows[i])) {
            len += snprintf(names + len, sizeof names - len, "%s%s", len ? " " : "",
                            option_rows[i].name);
        }
    }
    errmsg_set(err, "unknown option '%.24s'; valid: %s", name, names);
}

/* How the option is called where it stands: with dashes on the command line. */
static const char *
dashes(const struct config_parser *parser)
{
    return parser->file ? "" : "--";
}

static int
check_place(const struct config_parser *parser, const struct option_row *row, size_t n_values,
            struct errmsg *err)
{
    const char *prefix = dashes(parser);
    if (!is_valid_here(parser, row)) {
        errmsg_set(err, "%s is for the command line only", row->name);
    } else if (row->scope == OPTION_MEMBER && !parser->bridge) {
        errmsg_set(err, "%s%s belongs to a bridge: give %sbridge NAME before it", prefix,
                   row->name, prefix);
    } else if (!row->arg && n_values) {
        errmsg_set(err, "%s%s takes no value", prefix, row->name);
    } else if (row->arg && !n_values) {
        errmsg_set(err, "%s%s needs a value: %s%s %s", prefix, row->name, prefix, row->name,
                   row->arg);
    } else if (n_values > 1 && !row->repeats) {
        errmsg_set(err, "%s%s takes one value, there are %zu", prefix, row->name, n_values);
    } else {
        return 0;
    }
    return -EINVAL;
}

int
option_give(struct config_parser *parser, const char *name, char *const values[],
            size_t n_values, struct errmsg *err)
{
    const struct option_row *row = option_find(name);
    if (!row) {
        refuse_unknown(parser, name, err);
        return -EINVAL;
    }
    if (check_place(parser, row, n_values, err)) {
        return -EINVAL;
    }
    size_t n = row->arg ? n_values : 1;
    for (size_t i = 0; i < n; i++) {
        if (row->set(parser, row->arg ? values[i] : "", err)) {
            /* What a file complains about already begins with its own place. */
            if (row->scope != OPTION_COMMAND_LINE) {
                errmsg_prefix(err, "%s%s", dashes(parser), row->name);
            }
            return -EINVAL;
        }
    }
    return 0;
}

struct config_bridge *
config_parser_bridge(struct config_parser *parser)
{
    return parser->bridge ? &parser->config->bridges[parser->bridge - 1] : &parser->defaults;
}

char *
config_parser_path(const struct config_parser *parser, const char *path)
{
    if (path[0] == '/') {
        return config_strdup(path);
    }
    size_t size = strlen(parser->base_dir) + 1 + strlen(path) + 1;
    char *absolute = config_realloc(NULL, size, 1);
    snprintf(absolute, size, "%s/%s", strcmp(parser->base_dir, "/") ? parser->base_dir : "", path);
    return absolute;
}

/* One option of the command line and its values, from argv[*i] on; moves *i behind them. */
static int
take_argument(struct config_parser *parser, int argc, char *const argv[], int *i,
              struct errmsg *err)
{
    const char *arg = argv[(*i)++];
    if (strncmp(arg, "--", 2) || !arg[2]) {
        errmsg_set(err, "'%s' is not an option: options begin with --", arg);
        return -EINVAL;
    }
    char name[64];
    size_t len = strcspn(arg + 2, "=");
    snprintf(name, sizeof name, "%.*s", len < sizeof name ? (int) len : 63, arg + 2);
    if (arg[2 + len] == '=') {
        char *value = config_strdup(arg + 2 + len + 1);
        int error = option_give(parser, name, &value, 1, err);
        free(value);
        return error;
    }
    int begin = *i;
    while (*i < argc && strncmp(argv[*i], "--", 2)) {
        (*i)++;
    }
    return option_give(parser, name, &argv[begin], *i - begin, err);
}

static void
parser_init(struct config_parser *parser, const char *base_dir)
{
    *parser = (struct config_parser) {
        .config = config_new(),
        .base_dir = base_dir,
        .defaults = {
            .agent = {
                .fail_mode = AGENT_FAIL_SECURE,
                .inactivity_probe_s = 5,
                .max_backoff_s = 8,
                .max_flows = 1000000,
                .max_connections = AGENT_DEFAULT_MAX_CONNECTIONS,
                .max_emergency_flows = 1024,
            },
            .datapath = { .fdb_max = FDB_MAX_DEFAULT, .fdb_age_s = FDB_AGE_DEFAULT_S },
        },
    };
}

/* The longest path that a socket's address holds, with its terminator. */
#define SOCKET_PATH_SIZE 108

/* Fills in what depends on several options, and checks it. */
static int
parser_finish(struct config_parser *parser, struct errmsg *err)
{
    struct config *config = parser->config;
    if (!config->rundir) {
        config->rundir = config_strdup(CONFIG_RUNDIR_DEFAULT);
    }
    if (!config->control) {
        size_t size = strlen(config->rundir) + sizeof "/" CONFIG_CONTROL_NAME;
        config->control = config_realloc(NULL, size, 1);
        snprintf(config->control, size, "%s/%s", config->rundir, CONFIG_CONTROL_NAME);
    }
    if (strlen(config->control) >= SOCKET_PATH_SIZE) {
        errmsg_set(err, "control socket %s: the path is longer than %d characters",
                   config->control, SOCKET_PATH_SIZE - 1);
        return -EINVAL;
    }
    if (!config->n_bridges) {
        errmsg_set(err, "there is no bridge: give --bridge NAME, or a file with a line "
                   "'bridge NAME' by --config");
        return -EINVAL;
    }
    for (size_t i = 0; i < config->n_bridges; i++) {
        if (strlen(config->rundir) + strlen(config->bridges[i].name) + sizeof "/.mgmt"
            > SOCKET_PATH_SIZE) {
            errmsg_set(err, "%s/%s.mgmt: the path is longer than %d characters",
                       config->rundir, config->bridges[i].name, SOCKET_PATH_SIZE - 1);
            return -EINVAL;
        }
    }
    if (config->detach && config->log_to && !strcmp(config->log_to, "stderr")) {
        errmsg_set(err, "--log-to: there is no stderr with --detach; "
                   "valid: syslog, journal or a file");
        return -EINVAL;
    }
    return option_check_port_drivers(config, err) ? -EINVAL : option_check_tls(config, err);
}

static bool
ends_reading(const struct config_parser *parser)
{
    return parser->request == CONFIG_HELP || parser->request == CONFIG_VERSION;
}

int
config_parse(int argc, char *const argv[], const char *base_dir, struct config **out,
             enum config_request *request, struct errmsg *err)
{
    struct config_parser parser;
    parser_init(&parser, base_dir);
    int error = 0;
    for (int i = 1; i < argc && !error && !ends_reading(&parser);) {
        error = take_argument(&parser, argc, argv, &i, err);
    }
    if (!error && !ends_reading(&parser)) {
        error = parser_finish(&parser, err);
    }
    if (error) {
        config_free(parser.config);
        return error;
    }
    *out = parser.config;
    *request = parser.request;
    return 0;
}

int
config_parse_text(const char *text, size_t size, const char *name, const char *base_dir,
                  struct config **out, struct errmsg *err)
{
    struct config_parser parser;
    parser_init(&parser, base_dir);
    parser.file = name;
    int error = config_file_read_text(&parser, text, size, err);
    if (!error) {
        error = parser_finish(&parser, err);
    }
    if (error) {
        config_free(parser.config);
        return error;
    }
    *out = parser.config;
    return 0;
}
