/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl: one table of commands that gives the tool its help and its parsing. */
#ifndef TOOLS_TURNOUTCTL_CTL_H
#define TOOLS_TURNOUTCTL_CTL_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

enum { CTL_MAX_ARGS = 7 };

struct client;
struct rates;
struct strbuf;

/* One invocation. */
struct ctl {
    const char *control;           /* the socket's path */
    bool json;
    bool all;                      /* counters: also those that are 0 */
    const char *dir, *days;        /* pki; NULL: not given */
    const char *min_rate, *max_rate, *burst;    /* of a queue; NULL: not given */
    const char *table;             /* flows: which; NULL: those that packets go through */
    const char *bridge;            /* NULL: the only one */
    const char *args[CTL_MAX_ARGS + 1];   /* what follows the bridge; NULL behind them */
    struct client *client;
    size_t width;                  /* columns to fit; 0: as wide as it gets */
    uint64_t count;                /* snoop: messages to end after; hw watch: refreshes; 0: no end */
    const char *write;             /* snoop: a capture file; NULL: print */
    const char *binary;            /* upgrade-check: the new turnoutd; NULL: the installed one */
    const char *flows;             /* upgrade-check: what save-flows wrote; NULL: nothing */
    const char *cookie;            /* hw explain: whose flows; NULL: not given */
    bool repair;                   /* hw audit: put right what differs */
    const char *direct;            /* hw: the device to look at itself, "DRIVER[:...]"; NULL: turnoutd;
                                    * hw doctor: "" */
    bool fix;                      /* hw doctor: change what it may */
    const char *driver;            /* add-port: whose device its flows may go into; NULL: none */
    bool replace;                  /* restore-flows: delete the flows that are not in the file */
    bool diff;                     /* restore-flows: only show what would change */
    bool remaining;                /* save-flows: hard time-outs as what is left of them */
    uint64_t seconds;              /* hw capture: how long at most; 0: not given */
    uint32_t interval_ms;          /* hw watch: between two refreshes; 0: not given */
    uint32_t watch_ms;             /* between two refreshes; 0: print once */
    struct rates *rates;           /* while watching: where rates come from; else NULL */
    size_t max_rows;               /* of a list that is printed; 0: all */
    const char *schema, *schema_command;   /* first members of what --json prints; NULL: none */
};

struct ctl_command {
    const char *name;
    const char *synopsis;          /* its arguments, as --help shows them */
    const char *help;
    unsigned min_args, max_args;   /* not counting the bridge */
    bool takes_bridge;             /* optionally, as the first argument */
    int (*run)(struct ctl *);      /* an enum ctl_exit; errors are printed */
    unsigned flags;                /* CTL_* */
};

enum {
    CTL_WATCH = 1,                 /* a list: --watch shows it again and again */
    CTL_OFFLINE = 2,               /* it connects by itself, if at all: client is NULL */
};

struct ctl_option {
    const char *name;              /* without dashes */
    const char *arg;               /* NULL: it takes none; "[=...]": it may be left out */
    const char *help;
    const char *commands;          /* whose option it is, separated by blanks; NULL: of all */
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_n_commands;
extern const struct ctl_option ctl_options[];
extern const size_t ctl_n_options;

bool ctl_option_applies(const struct ctl_option *, const struct ctl_command *);

/* Prints what --help prints: for the tool, for a command. */
void ctl_help(void);
void ctl_command_help(const struct ctl_command *);

/* Connects to the daemon. CTL_OK and ctl->client, for the caller to free; or the error is
 * printed. */
int ctl_connect(struct ctl *);

/* The tool, from its command line to its exit status. */
int ctl_main(int argc, char *argv[]);

int ctl_show(struct ctl *), ctl_ports(struct ctl *), ctl_flows(struct ctl *);
int ctl_cache(struct ctl *), ctl_fdb(struct ctl *), ctl_controllers(struct ctl *);
int ctl_counters(struct ctl *), ctl_add_port(struct ctl *), ctl_del_port(struct ctl *);
int ctl_snoop(struct ctl *), ctl_completion(struct ctl *), ctl_pki(struct ctl *);
int ctl_save_flows(struct ctl *), ctl_restore_flows(struct ctl *), ctl_upgrade_check(struct ctl *);
int ctl_queues(struct ctl *), ctl_add_queue(struct ctl *), ctl_mod_queue(struct ctl *);
int ctl_del_queue(struct ctl *);
int ctl_set_port(struct ctl *), ctl_flush_fdb(struct ctl *);
int ctl_hw(struct ctl *), ctl_governor(struct ctl *);
int ctl_trace(struct ctl *), ctl_log_level(struct ctl *), ctl_version(struct ctl *);

/* --- what the commands share --------------------------------------------------- */

/* Calls a method with 'params' (taken; NULL: none) and stores its result, for the caller
 * to free. CTL_OK, or the error is printed. */
int ctl_call(struct ctl *, const char *method, json_t *params, json_t **result);

/* The same for one who prints the result: with --json that is done, and *result is NULL, as it is after
 * an error. */
int ctl_ask(struct ctl *, const char *method, json_t *params, json_t **result);

/* Like ctl_call(), but errors begin with 'what' (NULL: nothing). */
int ctl_call_about(struct ctl *, const char *what, const char *method, json_t *params,
                   json_t **result);

/* {"bridge": NAME}, or {} if none was given. */
json_t *ctl_params(const struct ctl *);

/* Prints a result, an object, as JSON; one line while watching. */
void ctl_print_json(const struct ctl *, json_t *);

/* Calls 'method' page by page and gives each row of the list 'name' to 'print'; with
 * --json prints one object of all pages instead. 'params' is taken. */
int ctl_each_row(struct ctl *, const char *method, json_t *params, const char *name,
                 void (*print)(const json_t *row, void *aux), void *aux);

/* Members of a row; "" or 0 where there is none. */
const char *ctl_text(const json_t *row, const char *name);
json_int_t ctl_number(const json_t *row, const char *name);
double ctl_real(const json_t *row, const char *name);

/* Appends a rate to 'out', as rates_add() has it: "12", "0.5", or "-" if it is not known. */
void ctl_put_rate(struct strbuf *out, const json_t *row, const char *name);
/* "no-flood no-packet-in", or "": a list of texts, in 'buffer'. */
const char *ctl_join(const json_t *names, char *buffer, size_t size);

/* "LOCAL", "1", ...: how a port is called. The buffer has room for it. */
enum { CTL_PORT_SIZE = 16 };
const char *ctl_port_text(json_int_t number, char buffer[CTL_PORT_SIZE]);

#endif /* tools/turnoutctl/ctl.h */
