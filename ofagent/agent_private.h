/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's files share: included by ofagent/ and its tests only.
 *
 *   agent.c            the agent's life, its clock, targets
 *   agent_fail.c       what holds while no controller is live
 *   agent_in_band.c    the rules that let controllers through LOCAL
 *   endpoint*.c        targets: listening, connecting, back-off
 *   session.c          one controller: what it is told, which handler gets a message
 *   flow_restore*.c    sets of flows that are put in, all or none
 *   snoop_socket.c     BR.snoop: those who watch what is said
 *   agent_*.c          the handlers, by what they are about
 */
#ifndef OFAGENT_AGENT_PRIVATE_H
#define OFAGENT_AGENT_PRIVATE_H 1

#include "lib/log.h"
#include "ofagent/agent.h"
#include "ofagent/conn.h"
#include "ofagent/flow_restore.h"
#include "ofagent/lockstep.h"
#include "ofagent/nx.h"
#include "ofagent/packet_queue.h"
#include "ofagent/pktbuf.h"
#include "ofagent/target.h"

struct event;
struct endpoint;
struct dump;
struct stream;
struct tls;

enum {
    AGENT_DEFAULT_MISS_SEND_LEN = 128,
    AGENT_DEFAULT_MAX_FLOWS = 1000000,
    AGENT_FIRST_BACKOFF_MS = 100,
    AGENT_WHOLE_PACKET = 0xffff,     /* as a length: all of it, and not buffered */
};

struct agent {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    struct tls *tls;                 /* NULL: no target may have TLS */
    struct lockstep *lockstep;       /* NULL: the loop sleeps */
    struct flow_table *flows;
    struct flow_table *emergency;    /* flow_emergency.h */
    struct flow_table *hidden;       /* in-band control's; NULL until it was first on */
    struct address_monitor *addresses;   /* the same */
    struct pktbuf *buffers;
    struct agent_config config;
    struct endpoint *endpoints;
    struct session *sessions;
    struct session *master;          /* the one whose role that is, or NULL */
    struct snoop_socket *snoop_socket;   /* BR.snoop, or NULL */
    struct flow_restore *restore;        /* the one that runs, or NULL */
    struct flow_restore_status restored; /* of that one, or of the latest that ran */
    struct event *timer;
    uint64_t timer_ms;               /* when it comes up, clock_ms(); 0: not armed */
    struct event *drain;             /* packet-ins that wait are due */
    uint64_t drain_ms;               /* when, clock_ms(); 0: not armed */
    uint64_t live_ms;                /* when a controller was last live, or the start */
    enum agent_mode mode;
    uint64_t mode_ms;                /* when it began, clock_ms() */
    uint16_t fragment_mode;          /* OFPC_FRAG_* */
    bool warned_reasm;

    /* Scratch of the handlers, big or used for each message. */
    struct ofp_flow_mod flow_mod;
    struct ofp_packet_out packet_out;
    struct writer reply;             /* what the handler that runs answers */
    struct writer async;             /* PACKET_IN and the like, which may come in between */
    uint8_t *frame;                  /* PACKET_MAX_SIZE and its room: a packet to execute */
    struct action_list *list;        /* ACTION_LIST_MAX: its actions */
    uint8_t *upcall;                 /* PACKET_MAX_SIZE: a packet whose checksum we complete */
};

/* One connection, as OpenFlow sees it. */
struct session {
    struct agent *agent;
    struct endpoint *endpoint;
    struct session *next, **prev;
    struct conn *conn;
    uint32_t id;                     /* no other session of the process has or had it */
    struct stream *stream;           /* the connection's, to ask about */
    char peer[TARGET_PEER_SIZE];
    char local[TARGET_PEER_SIZE];    /* our end, once somebody snooped; "" before */
    bool ready;                      /* HELLO is done */
    bool featured;                   /* FEATURES is done: a live controller */
    bool held;                       /* its requests wait: the table is being cleared */
    enum nx_role role;
    uint16_t controller_id;          /* packet-ins for this id are for it */
    bool nxm_flows, nxm_packet_ins;  /* FLOW_REMOVED and PACKET_IN in Nicira's formats */
    bool flow_mod_table_id;          /* a FLOW_MOD's command has a table's number */
    struct nx_async_config async;
    uint16_t miss_send_len;          /* management with 0 gets no asynchronous messages */
    struct packet_queue *packet_ins; /* which of them wait */
    struct pktbuf_owner buffers;     /* what packets it holds */
    uint64_t n_packet_ins, n_packet_ins_dropped[N_DP_PACKET_IN_REASONS];
    struct dp_barrier barrier;
    bool barrier_pending;
    uint32_t barrier_xid;
    struct dump *dump;               /* statistics under way */
    struct long_flow_mod *long_flow_mod; /* one over very many flows, under way */
};

/* --- agent.c ------------------------------------------------------------------------ */

/* Time passes: what the agent's timer does. Tests with a clock of their own call it. */
void agent_run(struct agent *);
/* Sees to it that agent_run() comes within 'ms'. */
void agent_run_within(struct agent *, uint32_t ms);
uint32_t agent_probe_ms(const struct agent *);

/* --- agent_fail.c --------------------------------------------------------------------- */

/* Controllers came or went, or time passed: the mode, and what a table miss does, may change. */
void agent_update_miss_mode(struct agent *);
/* The ms until that may be because of the time; UINT32_MAX: it may not. */
uint32_t agent_mode_wait_ms(const struct agent *, uint64_t now_ms);
/* Goes on with removing the flows that are no emergency flows, if that is under way. Returns
 * the ms until it wants to be called again. */
uint32_t agent_run_emergency(struct agent *);

/* --- agent_in_band.c ------------------------------------------------------------------ */

/* Targets, LOCAL's addresses or the configuration changed: the hidden rules follow. */
void agent_update_in_band(struct agent *);
void agent_free_in_band(struct agent *);

/* --- endpoint.c ----------------------------------------------------------------------- */

/* Adds one to the agent. 0 or -errno. */
int endpoint_new(struct agent *, const char *target, bool management, struct errmsg *err);
/* Closes what belongs to it. */
void endpoint_free(struct endpoint *);
struct endpoint *endpoint_find(struct agent *, const char *target);
/* Time passes. Returns the ms until it wants to be called again. */
uint32_t endpoints_run(struct agent *, uint64_t now_ms);
/* A session of it, with 'peer', has ended, and is off the list. */
void endpoint_session_ended(struct endpoint *, const char *peer, bool was_active, const char *why);
bool endpoint_is_management(const struct endpoint *);
const char *endpoint_name(const struct endpoint *);
bool agent_has_controllers(const struct agent *);
/* True if peers connect to it. */
bool endpoint_listens(const struct endpoint *);
/* The TCP port that a "ptcp:" or "pssl:" target listens on; 0 for others. */
uint16_t endpoint_tcp_port(const struct endpoint *);

/* --- agent_admission.c ---------------------------------------------------------------- */

/* Of the connections to the bridge's listeners, or to its management socket, the one to be
 * closed for another; NULL if all are in use. 'controllers': live ones may be, too. */
struct session *agent_least_worth(const struct agent *, bool management, bool controllers);

/* --- session.c ------------------------------------------------------------------------ */

/* Takes the stream over. NULL without memory. */
struct session *session_new(struct endpoint *, struct agent *, struct stream *);
/* Closes at once; the endpoint is not told. */
void session_free(struct session *);
/* True if it is a controller, and FEATURES is done. */
bool session_is_live(const struct session *);
/* Requests wait from now on, or go on. */
void session_hold(struct session *, bool hold);
/* Sends agent->reply, one or more messages. */
void session_reply(struct session *);
void session_refuse(struct session *, const struct ofp_header *, const uint8_t *msg,
                    uint16_t type, uint16_t code, const char *why);

/* --- agent_role.c, agent_async.c: who may write, and who is told what -------------------- */

/* False, and refused with EPERM, if the session is a slave. */
bool session_may_write(struct session *, const struct ofp_header *, const uint8_t *msg);
/* The session ends: it is nobody's master any more. */
void session_drop_role(struct session *);
/* True if it gets messages of this kind and reason. */
bool session_wants(const struct session *, enum nx_async, unsigned reason);
/* True if it gets PACKET_INs of this reason that are for the controllers of this id. */
bool session_wants_packet_in(const struct session *, unsigned reason, uint16_t controller_id);
/* SET_CONFIG's flag about them, which is a bit of the session's packet-in mask. */
bool session_asks_invalid_ttl(const struct session *);
void session_ask_invalid_ttl(struct session *, bool);
/* Sends agent->async, a message of this kind and reason, to everybody who wants it. */
void agent_tell_all(struct agent *, enum nx_async, unsigned reason);

/* --- snoop_socket.c ------------------------------------------------------------------- */

/* Cuts all who snoop there off and removes the socket. NULL does nothing. */
void snoop_socket_free(struct snoop_socket *);

/* --- handlers ------------------------------------------------------------------------- */

typedef void session_handler(struct session *, const struct ofp_header *, const uint8_t *msg);

session_handler session_features, session_get_config, session_set_config, session_barrier;
session_handler session_vendor;     /* and vendor statistics: agent_vendor.c */
session_handler session_flow_mod;                                     /* agent_flow_mod.c */
session_handler session_packet_out;                                   /* agent_packet.c */
session_handler session_port_mod;                                     /* agent_port.c */
session_handler session_queue_get_config;                             /* agent_queue.c */
session_handler session_stats;                                        /* agent_stats.c */

/* Of one of Nicira's messages, whose size is possible; agent_vendor.c has the table. */
typedef void nx_handler(struct session *, const struct ofp_header *, const uint8_t *msg,
                        const struct nx_message *);

nx_handler session_role_request;                                      /* agent_role.c */
nx_handler session_set_async_config, session_set_controller_id;       /* agent_async.c */
nx_handler session_nx_flow_mod;                                       /* agent_flow_mod.c */
nx_handler session_nx_flow_stats;                                     /* agent_stats.c */
nx_handler session_set_flow_format, session_set_packet_in_format;     /* agent_format.c */
nx_handler session_flow_mod_table_id, session_flow_age;

void session_barrier_cancel(struct session *);
/* The session ends: what it asked for is done all the same. */
void session_finish_flow_mod(struct session *);
/* Does what the message says, of which the codec has checked all that it can, but for its
 * buffer. 0 and *flow as flow_table_mod(), or OFP_REFUSED. */
int agent_flow_mod(struct agent *, const struct ofp_flow_mod *, struct flow **flow,
                   struct ofp_refusal *);
void agent_flow_removed(void *agent, const struct ofp_flow_removed *);
void agent_packet_in(void *agent, const struct dp_packet_in *);
/* --- agent_packet_queue.c: packet-ins that wait --- */

/* Counts one that was dropped: packet_queue_dropped() of a session. */
packet_queue_dropped session_packet_in_dropped;
/* Sends what may be sent now; sees to it that the rest follows. */
void session_drain(struct session *, uint64_t now_ms);
void session_drain_later(struct session *, uint64_t now_ms);
/* The same for all sessions; the agent's timer for it. */
void agent_drain(struct agent *, uint64_t now_ms);
void agent_on_drain(int fd, short what, void *agent);

void agent_port_event(void *agent, enum dp_port_event, const struct port_info *);
/* Executes the packet in buffer 'id': through 'flow', or by agent->list as if it had come
 * in by 'in_port'. Refuses an id that is not good any more. */
void session_run_buffer(struct session *, const struct ofp_header *, const uint8_t *msg,
                        uint32_t id, struct flow *flow, uint16_t in_port);
void dump_free(struct dump *);

/* Whether QUEUE statistics can be given: 0, or OFP_REFUSED and *refusal; and the entries. */
int queue_stats_check(const struct session *, const struct ofp_stats_request *,
                      struct ofp_refusal *);
void queue_stats_put(const struct session *, struct ofp_stats_reply *,
                     const struct ofp_stats_request *);
/* Whether an ENQUEUE's queue is there: 0, or OFP_REFUSED and *refusal. 'in_port' is what IN_PORT
 * stands for, 0 if that is open. */
int agent_check_enqueue(const struct agent *, const struct action *, uint16_t in_port,
                        struct ofp_refusal *);

#define log_debug_limited(LIMIT, ...) log_at_limited(LIMIT, LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif /* ofagent/agent_private.h */
