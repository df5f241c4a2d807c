/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenFlow agent of one bridge: connections, the flow table, and what goes between.
 * docs/OPENFLOW.md says what it does with each message, and what bounds it has.
 *
 * Control thread (event loop) only. The process must ignore SIGPIPE. */
#ifndef OFAGENT_AGENT_H
#define OFAGENT_AGENT_H 1

#include "lib/errmsg.h"
#include "lib/tls.h"
#include "ofagent/flow_table.h"
#include "ofagent/nx.h"
#include "sw-datapath/datapath.h"

struct agent;
struct event_base;
struct lockstep;

enum { AGENT_ERROR_SIZE = 256, AGENT_DEFAULT_MAX_CONNECTIONS = 1024 };
enum agent_fail_mode { AGENT_FAIL_SECURE, AGENT_FAIL_STANDALONE };

/* Who decides about packets, as agent_fail.c has it. */
enum agent_mode {
    AGENT_WAITING,                 /* no controller is live, and not yet for long */
    AGENT_CONTROLLED,              /* a controller is */
    AGENT_SECURE,                  /* the flows alone */
    AGENT_STANDALONE,              /* the flows, and NORMAL */
    AGENT_EMERGENCY,               /* emergency flows alone */
    N_AGENT_MODES,
};
const char *agent_mode_name(enum agent_mode);

/* They are put to work in one go, which takes some ten milliseconds for so many. */
enum { AGENT_MAX_EMERGENCY_FLOWS = 16384 };

struct agent_config {
    uint64_t datapath_id;          /* 0: made from the LOCAL port's address. A change of it
                                    * drops the controllers, who knew another switch */
    enum agent_fail_mode fail_mode;
    uint32_t inactivity_probe_s;   /* idle seconds before an echo request; 0: never */
    uint32_t max_backoff_s;
    uint32_t packet_in_rate;       /* a second and controller; 0: no limit */
    uint32_t packet_in_burst;      /* at once after a pause; 0: a quarter of the rate */
    uint32_t max_flows;            /* 0: 1,000,000 */
    uint32_t max_connections;      /* to its listeners; 0: AGENT_DEFAULT_MAX_CONNECTIONS */
    bool in_band;                  /* controllers are reached through LOCAL as well */
    uint32_t max_emergency_flows;  /* at most AGENT_MAX_EMERGENCY_FLOWS; 0: none */
};

/* Makes the agent and its bridge ('name', LOCAL). NULL and *err on failure. */
struct agent *agent_new(struct event_base *, struct dp *, const char *name,
                        const struct dp_bridge_config *, enum pktio_kind local_kind,
                        const struct agent_config *, struct errmsg *err);
void agent_free(struct agent *);
struct dp_bridge *agent_bridge(struct agent *);
struct flow_table *agent_flows(struct agent *);
struct flow_table *agent_emergency_flows(struct agent *);
/* In-band control's hidden rules; NULL if it never was on. */
struct flow_table *agent_in_band_flows(struct agent *);
uint64_t agent_datapath_id(const struct agent *);
void agent_set_config(struct agent *, const struct agent_config *);
/* What "ssl:" and "pssl:" targets need; must outlive the agent. Before these are added. */
void agent_set_tls(struct agent *, struct tls *);
/* Is told of each barrier's answer, so that the loop stays awake for the next one; must outlive
 * the agent. Without, the loop sleeps. */
void agent_set_lockstep(struct agent *, struct lockstep *);

/* Targets: "tcp:HOST[:PORT]", "ssl:HOST[:PORT]" and "unix:PATH" (we connect, and again when
 * lost), "ptcp:[PORT][:HOST]", "pssl:[PORT][:HOST]" and "punix:PATH" (we listen). PORT
 * defaults to 6653; an IPv6 HOST is in brackets. agent_check_target() returns 0 or -EINVAL
 * and says what is wrong. */
int agent_check_target(const char *target, bool listen, struct errmsg *err);
bool agent_target_has_tls(const char *target);
int agent_add_target(struct agent *, const char *target, struct errmsg *err);
int agent_del_target(struct agent *, const char *target);
/* A service socket that controllers' roles and fail modes do not count (BR.mgmt). */
int agent_add_management(struct agent *, const char *punix_target, struct errmsg *err);

/* The socket of `ovs-ofctl snoop` (BR.snoop): whoever connects is sent what the bridge and
 * its controllers say to each other; what it sends is not looked at. One a bridge. */
int agent_add_snoop_socket(struct agent *, const char *punix_target, struct errmsg *err);

struct agent_status {
    enum agent_fail_mode fail_mode;
    enum agent_mode mode;
    uint64_t mode_ms;              /* clock_ms() when it began */
    const char *controllers;       /* "live", "waiting" (soon lost), "lost", "none" configured */
    size_t emergency_flows, emergency_max;
    bool in_band;
    size_t in_band_rules;          /* that are hidden */
    size_t emergency_acting;       /* of the flows in the table that packets go through */
    bool drops_fragments;          /* by a SET_CONFIG */
};
void agent_get_status(const struct agent *, struct agent_status *);

/* One row of `turnoutctl controllers`. */
struct agent_connection_info {
    const char *target;            /* as configured */
    char peer[64];                 /* address of the other end, "" if not connected */
    const char *state;             /* "backoff", "resolving", "connecting", "tls-handshake",
                                    * "hello", "active", "listening" */
    bool listener, management;
    bool live;                     /* a controller that has asked for FEATURES */
    uint64_t since_ms;             /* clock_ms() when the state began */
    uint64_t messages_in, messages_out, errors_sent;
    uint64_t dropped;              /* asynchronous messages, all kinds */
    uint64_t packet_ins;           /* sent */
    uint64_t packet_ins_dropped[N_DP_PACKET_IN_REASONS];
    uint32_t packet_ins_waiting;
    uint32_t queued_bytes;         /* output that waits */
    bool has_tls;                  /* the connection is secured by */
    struct tls_info tls;
    char last_error[AGENT_ERROR_SIZE];
    const char *role;              /* "other", "master", "slave"; NULL if not connected */
    bool slave;
    uint16_t controller_id;
    struct nx_async_config async;  /* what it is told */
};
void agent_for_each_connection(const struct agent *,
                               bool (*visit)(const struct agent_connection_info *, void *aux),
                               void *aux);

#endif /* ofagent/agent.h */
