/* SPDX-License-Identifier: Apache-2.0 */
/* What turnoutd is asked to do: the result of its command line and configuration file.
 *
 * Plain data, fully checked: whoever has a 'struct config' need not look for a duplicate
 * bridge or a number out of range. It owns all its strings. Read by config_parse() in
 * options.h; compared with its successor by the daemon when it is read again. */
#ifndef MGMT_CONFIG_H
#define MGMT_CONFIG_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "mgmt/hw_policy.h"
#include "ofagent/agent.h"
#include "sw-datapath/datapath.h"
#include "turnout/port.h"

/* Where the daemon and its tool meet unless told otherwise. */
#define CONFIG_RUNDIR_DEFAULT "/run/turnout"
#define CONFIG_CONTROL_NAME "control.sock"

enum { CONFIG_MAX_BRIDGES = 256, CONFIG_DRIVER_SIZE = 32, CONFIG_RESTART_GRACE_S = 30,
       CONFIG_HW_MOVES = 10000 };

struct config_port {
    char name[PORT_NAME_SIZE];
    uint16_t number;            /* 0: the lowest free one */
    uint32_t flags;             /* PORT_CONFIG_* that the port starts with */
    char driver[CONFIG_DRIVER_SIZE];    /* whose device its flows may go into; "": none */
};

struct config_queue {
    char port[PORT_NAME_SIZE];
    struct pktio_queue_config queue;
};

struct config_target {
    char *target;               /* "tcp:...", as agent_add_target() takes it */
    bool listen;
};

struct config_bridge {
    char name[PORT_NAME_SIZE];
    struct config_port *ports;
    size_t n_ports;
    struct config_queue *queues;
    size_t n_queues;
    struct config_target *targets;
    size_t n_targets;
    struct hw_policies policies;
    struct agent_config agent;
    struct dp_bridge_config datapath;
};

struct config_driver {
    char *name;                 /* of a built-in one, or the path of a shared object */
    char *options;              /* "KEY=VALUE,...", or "" */
    bool is_path;
};

struct config {
    struct config_bridge *bridges;
    size_t n_bridges;
    char *rundir;
    char *control;
    char *control_group;        /* NULL: nobody but the owner */
    char *cpus;                 /* NULL: one worker, not pinned */
    uint32_t cache_entries;
    struct governor_config governor;
    struct config_driver *drivers;
    size_t n_drivers;
    uint32_t restart_grace_s;
    uint32_t hw_moves;          /* a second; 0: no limit */
    bool keep_on_exit;          /* entries stay in hardware when the daemon ends */
    char *pidfile;              /* NULL: none */
    char *private_key;          /* for TLS, as the next two: all or none are NULL */
    char *certificate;
    char *ca_cert;
    bool peer_ca_bootstrap;
    char **log_levels;          /* each "LEVEL" or "MODULE:LEVEL", in order */
    size_t n_log_levels;
    char *log_to;               /* NULL: stderr, or syslog when detached */
    bool detach;
    bool check_only;
};

/* An empty configuration with every default. Never NULL: running out of memory while
 * reading the configuration ends the process with a message. */
struct config *config_new(void);
void config_free(struct config *);

/* The bridge of that name, or NULL. */
struct config_bridge *config_find_bridge(const struct config *, const char *name);

/* A new bridge at the end, a copy of 'defaults' but for its name. Pointers to earlier
 * bridges are no longer valid. */
struct config_bridge *config_add_bridge(struct config *, const char *name,
                                        const struct config_bridge *defaults);
void config_add_driver(struct config *, const char *name, const char *options, bool is_path);
/* Whether a driver of that name is given. One in a shared object has the name that it says
 * when it is loaded: with one of these it may be. */
bool config_may_have_driver(const struct config *, const char *name);
void config_add_port(struct config_bridge *, const struct config_port *);
void config_add_queue(struct config_bridge *, const struct config_queue *);
void config_add_target(struct config_bridge *, const char *target, bool listen);

const struct config_port *config_find_port(const struct config_bridge *, const char *name);
const struct config_queue *config_find_queue(const struct config_bridge *, const char *port,
                                             uint32_t id);
bool config_has_target(const struct config_bridge *, const char *target);

/* Take one out, when it could not be done: it is tried again with the next configuration. */
void config_drop_bridge(struct config *, size_t i);
void config_drop_port(struct config_bridge *, size_t i);
void config_drop_queue(struct config_bridge *, size_t i);
void config_drop_target(struct config_bridge *, size_t i);

/* malloc() and friends that end the process when there is no memory: for what is read at
 * start, where there is nothing to go on with. */
void *config_realloc(void *, size_t n, size_t size);
char *config_strdup(const char *);

#endif /* mgmt/config.h */
