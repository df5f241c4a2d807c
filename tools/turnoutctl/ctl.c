/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/ctl.h"

#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/config.h"
#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/table.h"
#include "tools/turnoutctl/watch.h"

#define WATCH_SECONDS 2.0
#define WATCH_SECONDS_MIN 0.1
#define WATCH_SECONDS_MAX 86400.0

const struct ctl_command ctl_commands[] = {
    { "show", "[BRIDGE]", "bridges with their ports, look-ups and flows", 0, 0, true, ctl_show,
      CTL_WATCH },
    { "ports", "[BRIDGE]", "ports with their counters", 0, 0, true, ctl_ports,
      CTL_WATCH },
    { "flows", "[BRIDGE] [MATCH]", "flows, or those that MATCH covers", 0, 1, true, ctl_flows,
      CTL_WATCH },
    { "cache", "[BRIDGE]", "exact matches cached by the workers", 0, 0, true, ctl_cache,
      CTL_WATCH },
    { "fdb", "[BRIDGE]", "addresses that NORMAL has learnt", 0, 0, true, ctl_fdb,
      CTL_WATCH },
    { "controllers", "[BRIDGE]", "OpenFlow connections", 0, 0, true, ctl_controllers,
      CTL_WATCH },
    { "counters", "", "drops, refusals and other events", 0, 0, false, ctl_counters,
      CTL_WATCH },
    { "add-port", "[BRIDGE] DEV[@N]", "attach a device, as port number N", 1, 1, true,
      ctl_add_port },
    { "del-port", "[BRIDGE] DEV|N", "detach a device", 1, 1, true, ctl_del_port },
    { "queues", "[BRIDGE]", "queues with their rates and counters", 0, 0, true, ctl_queues,
      CTL_WATCH },
    { "add-queue", "[BRIDGE] PORT ID", "make queue ID on a port", 2, 2, true, ctl_add_queue },
    { "mod-queue", "[BRIDGE] PORT ID", "give a queue other rates", 2, 2, true, ctl_mod_queue },
    { "del-queue", "[BRIDGE] PORT ID", "remove a queue", 2, 2, true, ctl_del_queue },
    { "set-port", "[BRIDGE] DEV|N KEY=VALUE,...",
      "change a port's flags (yes or no) or its stp-state", 2, 2, true, ctl_set_port },
    { "flush-fdb", "[BRIDGE] [DEV|N]", "forget the addresses that NORMAL has learnt", 0, 1, true,
      ctl_flush_fdb },
    { "trace", "[BRIDGE] FLOW", "what happens to the packet that FLOW describes", 1, 1, true,
      ctl_trace },
    { "hw", "show|entries|explain|watch|capture|policy|plan|probe|doctor|diff|fault|audit [ARGUMENT...]",
      "what is in hardware, and why not", 1, CTL_MAX_ARGS, false, ctl_hw, CTL_WATCH | CTL_OFFLINE },
    { "governor", "[BRIDGE] [DEV|N]", "new flows: budgets, floods, and what was held back", 0, 1,
      true, ctl_governor, CTL_WATCH },
    { "log-level", "[MODULE:]LEVEL", "set a log level: error, warn, info or debug", 1, 1, false,
      ctl_log_level },
    { "save-flows", "[BRIDGE] [FILE]", "flows, as add-flows of ovs-ofctl reads them", 0, 1, true,
      ctl_save_flows },
    { "restore-flows", "[BRIDGE] [FILE]", "put the flows of a file in, all or none", 0, 1, true,
      ctl_restore_flows },
    { "upgrade-check", "[BRIDGE]", "whether a restart would lose anything", 0, 0, true,
      ctl_upgrade_check, CTL_OFFLINE },
    { "snoop", "[BRIDGE] [CONTROLLER]", "OpenFlow messages as they come and go", 0, 1, true,
      ctl_snoop },
    { "pki", "init|req|sign [NAME] [HOST...]", "keys and certificates for a lab", 1, CTL_MAX_ARGS,
      false, ctl_pki, CTL_OFFLINE },
    { "completion", "bash|bridges|ports|connections [BRIDGE]",
      "a script for bash; the names that it completes", 1, 2, false, ctl_completion, CTL_OFFLINE },
    { "version", "", "versions of turnoutd and its protocol", 0, 0, false, ctl_version },
};
const size_t ctl_n_commands = sizeof ctl_commands / sizeof ctl_commands[0];

const struct ctl_option ctl_options[] = {
    { "control", "PATH", "turnoutd's control socket (default " CONFIG_RUNDIR_DEFAULT
      "/" CONFIG_CONTROL_NAME ")" },
    { "json", NULL, "print JSON" },
    { "all", NULL, "counters: also those that are 0; hw explain: all flows, counted",
      "counters hw" },
    { "cookie", "COOKIE", "hw explain: the flows with this cookie, counted", "hw" },
    { "binary", "FILE", "upgrade-check: the new turnoutd (default " TURNOUTD_PATH ")",
      "upgrade-check" },
    { "flows", "FILE", "upgrade-check: the flows as they were saved", "upgrade-check" },
    { "burst", "BYTES", "a queue: what may leave at once", "add-queue mod-queue" },
    { "count", "N", "snoop, hw capture, hw watch: end after N messages, packets, refreshes", "snoop hw" },
    { "days", "N", "pki: how long a certificate is valid (default 365, a CA's 3650)", "pki" },
    { "dir", "DIR", "pki: where the files are (default: here)", "pki" },
    { "interval", "SECONDS", "hw watch: time between two refreshes (default 1)", "hw" },
    { "max-rate", "RATE", "a queue: bit/s that it has at most", "add-queue mod-queue" },
    { "min-rate", "RATE", "a queue: bit/s that it has for sure, as in 10M",
      "add-queue mod-queue" },
    { "seconds", "N", "hw capture: how long, at most 300 (default 10)", "hw" },
    { "table", "NAME", "flows: main (default), emergency or in-band", "flows" },
    { "driver", "NAME", "add-port: the driver whose device flows may go into", "add-port" },
    { "direct", "DRIVER", "hw show, entries, probe, audit: look at the device itself; hw doctor (without "
      "DRIVER): devices of this machine, not turnoutd's ports", "hw" },
    { "fix", NULL, "hw doctor: switch hw-tc-offload on and add clsact; says how to undo it", "hw" },
    { "repair", NULL, "hw audit: put right what differs", "hw" },
    { "diff", NULL, "restore-flows: show what would change, change nothing", "restore-flows" },
    { "remaining", NULL, "save-flows: of hard time-outs what is left", "save-flows" },
    { "replace", NULL, "restore-flows: delete all other flows", "restore-flows" },
    { "watch", "[=SECONDS]", "lists: again and again, with rates; every 2 seconds" },
    { "write", "FILE", "snoop, hw capture: write a capture file for Wireshark ('-': standard output)",
      "snoop hw" },
    { "version", NULL, "print this tool's version and exit" },
    { "help", NULL, "print this help and exit" },
};
const size_t ctl_n_options = sizeof ctl_options / sizeof ctl_options[0];

static int __attribute__((format(printf, 1, 2)))
refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("turnoutctl: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry 'turnoutctl --help'.\n", stderr);
    return CTL_USAGE;
}

/* What the command line says, before it is known to make sense. */
struct line {
    const char *words[1 + CTL_MAX_ARGS];   /* without options */
    unsigned n_words;
    bool help, version;
    uint64_t options;              /* a bit for each row of ctl_options that was given */
};
static_assert(sizeof ctl_options / sizeof ctl_options[0] <= 64, "a bit each");

static int
parse_count(const char *option, const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || !*count) {
        return refuse("--%s is a number, from 1 on, not '%s'", option, text);
    }
    return CTL_OK;
}

static int
parse_seconds(const char *option, const char *text, uint32_t *ms)
{
    char *end;
    double seconds = text ? strtod(text, &end) : WATCH_SECONDS;
    if (text && (!*text || *end || !(seconds >= WATCH_SECONDS_MIN && seconds <= WATCH_SECONDS_MAX))) {
        return refuse("--%s is a number of seconds, from %g to %g, not '%s'", option,
                      WATCH_SECONDS_MIN, WATCH_SECONDS_MAX, text);
    }
    *ms = (uint32_t) (seconds * 1000);
    return CTL_OK;
}

static int
store_option(struct ctl *ctl, struct line *line, const char *name, const char *value)
{
    int status = CTL_OK;
    if (!strcmp(name, "control")) {
        ctl->control = value;
    } else if (!strcmp(name, "min-rate")) {
        ctl->min_rate = value;
    } else if (!strcmp(name, "max-rate")) {
        ctl->max_rate = value;
    } else if (!strcmp(name, "burst")) {
        ctl->burst = value;
    } else if (!strcmp(name, "cookie")) {
        ctl->cookie = value;
    } else if (!strcmp(name, "direct")) {
        ctl->direct = value;
    } else if (!strcmp(name, "driver")) {
        ctl->driver = value;
    } else if (!strcmp(name, "table")) {
        ctl->table = value;
    } else if (!strcmp(name, "dir")) {
        ctl->dir = value;
    } else if (!strcmp(name, "days")) {
        ctl->days = value;
    } else if (!strcmp(name, "binary")) {
        ctl->binary = value;
    } else if (!strcmp(name, "flows")) {
        ctl->flows = value;
    } else if (!strcmp(name, "write")) {
        ctl->write = value;
    } else if (!strcmp(name, "count")) {
        status = parse_count(name, value, &ctl->count);
    } else if (!strcmp(name, "seconds")) {
        status = parse_count(name, value, &ctl->seconds);
    } else if (!strcmp(name, "watch")) {
        status = parse_seconds(name, value, &ctl->watch_ms);
    } else if (!strcmp(name, "interval")) {
        status = parse_seconds(name, value, &ctl->interval_ms);
    }
    ctl->json |= !strcmp(name, "json");
    ctl->all |= !strcmp(name, "all");
    ctl->diff |= !strcmp(name, "diff");
    ctl->fix |= !strcmp(name, "fix");
    ctl->remaining |= !strcmp(name, "remaining");
    ctl->repair |= !strcmp(name, "repair");
    ctl->replace |= !strcmp(name, "replace");
    line->help |= !strcmp(name, "help");
    line->version |= !strcmp(name, "version");
    return status;
}

/* True if the option takes no value here: --direct behind "hw doctor" looks at any device. */
static bool
stands_alone(const struct line *line, const struct ctl_option *option)
{
    return !strcmp(option->name, "direct") && line->n_words >= 2 && !strcmp(line->words[0], "hw")
           && !strcmp(line->words[1], "doctor");
}

/* One "--NAME", "--NAME=VALUE" or "--NAME VALUE" at argv[*i]; moves *i behind it. */
static int
take_option(struct ctl *ctl, struct line *line, char *argv[], int *i)
{
    const char *arg = argv[(*i)++] + 2;
    size_t len = strcspn(arg, "=");
    const struct ctl_option *option = ctl_options;
    while (option < ctl_options + ctl_n_options
           && (strlen(option->name) != len || memcmp(option->name, arg, len))) {
        option++;
    }
    if (option == ctl_options + ctl_n_options) {
        return refuse("unknown option '--%.*s'", (int) len, arg);
    }
    const char *value = arg[len] ? arg + len + 1 : NULL;
    bool alone = !option->arg || stands_alone(line, option);
    if (alone && value) {
        return refuse("--%s takes no value", option->name);
    }
    if (!alone && *option->arg != '[' && !value) {
        value = argv[*i];
        if (!value) {
            return refuse("--%s needs a value: %s", option->name, option->arg);
        }
        (*i)++;
    }
    line->options |= UINT64_C(1) << (option - ctl_options);
    return store_option(ctl, line, option->name, alone && option->arg ? "" : value);
}

static int
take_line(struct ctl *ctl, struct line *line, int argc, char *argv[])
{
    for (int i = 1; i < argc;) {
        if (!strncmp(argv[i], "--", 2) && argv[i][2]) {
            int status = take_option(ctl, line, argv, &i);
            if (status) {
                return status;
            }
        } else if (line->n_words == sizeof line->words / sizeof line->words[0]) {
            return refuse("too many arguments");
        } else {
            line->words[line->n_words++] = argv[i++];
        }
    }
    return CTL_OK;
}

static const struct ctl_command *
find_command(const char *name)
{
    for (size_t i = 0; i < ctl_n_commands; i++) {
        if (!strcmp(ctl_commands[i].name, name)) {
            return &ctl_commands[i];
        }
    }
    return NULL;
}

/* Options that the command does not have. */
static int
check_options(const struct line *line, const struct ctl_command *command)
{
    for (size_t i = 0; i < ctl_n_options; i++) {
        const struct ctl_option *option = &ctl_options[i];
        if (line->options & UINT64_C(1) << i && !ctl_option_applies(option, command)) {
            return refuse("'%s' has no option --%s", command->name, option->name);
        }
    }
    return CTL_OK;
}

/* True if the daemon has a bridge of that name. */
static bool
is_bridge(struct ctl *ctl, const char *name)
{
    json_t *result = NULL, *bridge;
    size_t i;
    bool found = false;
    if (client_call(ctl->client, "show", NULL, &result, NULL)) {
        return false;
    }
    json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
        found |= !strcmp(ctl_text(bridge, "name"), name);
    }
    json_decref(result);
    return found;
}

/* Whether the first of 'n' arguments is the bridge. With an argument that may be left out
 * as well, one word alone is a bridge if there is one of that name. */
static bool
begins_with_bridge(struct ctl *ctl, const struct ctl_command *command, const char *const args[],
                   unsigned n)
{
    if (!command->takes_bridge || n <= command->min_args) {
        return false;
    }
    return n > command->max_args || is_bridge(ctl, args[0]);
}

int
ctl_connect(struct ctl *ctl)
{
    struct errmsg err = { "" };
    ctl->client = client_connect(ctl->control, &err);
    if (!ctl->client) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
    }
    return ctl->client ? CTL_OK : CTL_FAILED;
}

static int
run_command(struct ctl *ctl, const struct ctl_command *command, const struct line *line)
{
    const char *const *args = line->words + 1;
    unsigned n = line->n_words - 1;
    if (n < command->min_args || n > command->max_args + command->takes_bridge) {
        return refuse("usage: turnoutctl %s %s", command->name, command->synopsis);
    }
    if (!(command->flags & CTL_OFFLINE) && ctl_connect(ctl)) {
        return CTL_FAILED;
    }
    if (begins_with_bridge(ctl, command, args, n)) {
        ctl->bridge = *args++;
        n--;
    }
    for (unsigned i = 0; i < n; i++) {
        ctl->args[i] = args[i];
    }
    int status = ctl->watch_ms ? watch_run(ctl, command) : command->run(ctl);
    client_free(ctl->client);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "turnoutctl: can't write the output\n");
        status = CTL_FAILED;
    }
    return status;
}

int
ctl_main(int argc, char *argv[])
{
    struct ctl ctl = { .control = CONFIG_RUNDIR_DEFAULT "/" CONFIG_CONTROL_NAME };
    struct line line = { .n_words = 0 };
    setlocale(LC_CTYPE, "");
    int status = take_line(&ctl, &line, argc, argv);
    if (status) {
        return status;
    }
    const struct ctl_command *command = line.n_words ? find_command(line.words[0]) : NULL;
    if (line.help && (command || !line.n_words)) {
        command ? ctl_command_help(command) : ctl_help();
        return CTL_OK;
    }
    if (line.version) {
        puts("turnoutctl " PACKAGE_VERSION);
        return CTL_OK;
    }
    if (!line.n_words) {
        return refuse("no command given");
    }
    if (!command) {
        return refuse("unknown command '%s'", line.words[0]);
    }
    status = check_options(&line, command);
    if (status) {
        return status;
    }
    ctl.width = table_terminal_width();
    return run_command(&ctl, command, &line);
}
