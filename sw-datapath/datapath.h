/* SPDX-License-Identifier: Apache-2.0 */
/* The software datapath: bridges of ports, packet workers, and what a barrier waits for.
 *
 * A datapath has W packet workers (threads) and any number of bridges. Each port's ring
 * is owned by one worker. A worker takes a batch from a port, parses it, finds each
 * packet's rule (cache, then classifier), executes, flushes what it sent, and is then
 * quiescent: it holds nothing of the state it used. Workers without traffic sleep and
 * count as having left every state.
 *
 * The control thread changes a bridge (rules through its classifier, ports, modes) by
 * publishing and never waits for workers; dp_barrier() tells when the state before is
 * no longer used by anyone. What workers have for the control thread (packets for the
 * controller) comes through bounded queues; a full one drops and counts.
 *
 * Everything here is called by the control thread alone.
 */
#ifndef SW_DATAPATH_DATAPATH_H
#define SW_DATAPATH_DATAPATH_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/governor/governor.h"
#include "sw-datapath/cache.h"
#include "sw-datapath/classifier.h"
#include "sw-datapath/fdb.h"
#include "sw-datapath/pktio.h"
#include "turnout/action.h"
#include "turnout/port.h"

struct event_base;
struct dp;
struct dp_bridge;

enum { DP_CACHE_ENTRIES_DEFAULT = 262144, DP_MAX_WORKERS = 32 };

struct hal;
struct hal_bridge;
struct hal_policy_rule;
struct hal_device;

struct dp_config {
    const char *cpus;          /* "0,2-3": one pinned worker each; NULL: one, not pinned */
    uint32_t cache_entries;    /* each worker and bridge */
    bool threads;              /* false: no threads; the caller runs dp_run_once() (tests) */
    struct hal *hal;           /* NULL: no offload. The caller's; must outlive the datapath */
    uint32_t promote_pps;      /* packets a second from which on a flow is offered to the HAL */
    struct governor_config governor;   /* zero: off */
};

/* Starts the workers. Returns NULL and *err on failure. */
struct dp *dp_new(struct event_base *, const struct dp_config *, struct errmsg *err);
/* Stops the workers and frees everything that is left, ports and TAPs included. */
void dp_free(struct dp *);

/* Without threads: handles what is there on all ports once, in this thread. Returns the
 * number of frames. */
unsigned dp_run_once(struct dp *);

unsigned dp_n_workers(const struct dp *);
/* Counter slots a rule has: the workers' and, last, the control thread's. */
unsigned dp_n_slots(const struct dp *);

/* Why a packet goes to the controller. */
enum dp_packet_in_reason { DP_TABLE_MISS, DP_ACTION, DP_INVALID_TTL };
enum { N_DP_PACKET_IN_REASONS = DP_INVALID_TTL + 1 };
/* What an output to CONTROLLER says the reason is (OFPR_ACTION). */
enum { DP_SAID_ACTION = 1 };
#define DP_NO_COOKIE UINT64_MAX

struct dp_packet_in {
    enum dp_packet_in_reason reason;
    uint16_t in_port;
    uint16_t max_len;          /* DP_ACTION; the agent knows miss_send_len */
    uint16_t controller_id;    /* whose it is */
    uint8_t said;              /* DP_ACTION: the reason that the action gives, OFPR_* */
    uint64_t cookie;           /* of the rule whose action it is; DP_NO_COOKIE: of none */
    bool seen;                 /* DP_TABLE_MISS: the governor knows the flow from before; it does
                                * not wait behind those that it sees first */
    const struct packet *packet; /* whole frame with its offload state; valid in the call only */
};

enum dp_port_event { DP_PORT_ADDED, DP_PORT_REMOVED, DP_PORT_MODIFIED };

/* What the datapath tells its user, in the event loop, and asks of it. */
struct dp_bridge_ops {
    void (*packet_in)(void *aux, const struct dp_packet_in *);
    void (*port_event)(void *aux, enum dp_port_event, const struct port_info *);
    /* The OpenFlow cookie of a rule. NULL: rules have none. Called by any thread that may use
     * the rule. */
    uint64_t (*rule_cookie)(void *aux, const struct rule *);
};

struct dp_bridge_config {
    uint32_t fdb_max;
    uint32_t fdb_age_s;
    bool stp;                  /* ports have spanning tree states: dp_port_set_stp_state() */
    bool forward_bpdu;         /* NORMAL forwards frames to IEEE 802.1D's reserved addresses */
};

/* A bridge named 'name', without ports but LOCAL, a TAP of that name ('local_kind'
 * PKTIO_TAP, or PKTIO_MEMORY in tests). NULL and *err if the TAP can't be made. */
struct dp_bridge *dp_bridge_new(struct dp *, const char *name, const struct dp_bridge_config *,
                                enum pktio_kind local_kind, const struct dp_bridge_ops *, void *aux,
                                struct errmsg *err);
/* Takes it out of the datapath. Its classifier must be empty. Freed after a grace period. */
void dp_bridge_free(struct dp_bridge *);
const char *dp_bridge_name(const struct dp_bridge *);
void dp_bridge_set_config(struct dp_bridge *, const struct dp_bridge_config *);
bool dp_bridge_has_stp(const struct dp_bridge *);
bool dp_bridge_forwards_bpdu(const struct dp_bridge *);

struct classifier *dp_bridge_classifier(struct dp_bridge *);
struct fdb *dp_bridge_fdb(struct dp_bridge *);

/* In-band control. Rules above all others that are not in the flow table, in a classifier of
 * their own, of these ranks: taken by packets from LOCAL (the rule has it as in_port), or by
 * packets from elsewhere. NULL without memory. It must be empty when the bridge is freed. */
enum { DP_HIDDEN_TO_LOCAL = 1, DP_HIDDEN_FROM_LOCAL = 2 };
struct classifier *dp_bridge_hidden(struct dp_bridge *);
/* Turns them on, with LOCAL's address, or (NULL) off. To be called after each change of the
 * hidden rules as well. Acts by the next barrier. */
void dp_bridge_set_in_band(struct dp_bridge *, const uint8_t local[6]);
/* The hidden rule that a packet with this key gets, or NULL. (DHCP's also depend on what is in
 * the packet.) */
const struct rule *dp_bridge_find_hidden(const struct dp_bridge *, const struct flow_key *);

/* What a table miss does. */
enum dp_miss_mode { DP_MISS_CONTROLLER, DP_MISS_NORMAL, DP_MISS_DROP };
void dp_bridge_set_miss_mode(struct dp_bridge *, enum dp_miss_mode);
enum dp_miss_mode dp_bridge_miss_mode(const struct dp_bridge *);

/* Fragments: forwarded like others, or dropped (OFPC_FRAG_NORMAL, OFPC_FRAG_DROP). */
void dp_bridge_set_drop_fragments(struct dp_bridge *, bool);
bool dp_bridge_drop_fragments(const struct dp_bridge *);

/* Whether packets whose TTL is at its end are told of (DP_INVALID_TTL): at first not. They
 * are dropped in any case. */
void dp_bridge_set_invalid_ttl(struct dp_bridge *, bool tell);

/* Adds device 'name'. 'want' is the port number, 0 for the lowest free one, which goes
 * to *port_no. -ENODEV, -EEXIST (number taken), -EBUSY (device is in a bridge), ...
 * A device that goes away later keeps its number, link down, and is taken up again when
 * it comes back. */
int dp_port_add(struct dp_bridge *, const char *name, uint16_t want, enum pktio_kind,
                uint16_t *port_no, struct errmsg *err);
/* The same for a device that does not exist yet: the port is there, link down, and takes
 * the device up when it appears. -EEXIST, -EBUSY, -ENOMEM. */
int dp_port_reserve(struct dp_bridge *, const char *name, uint16_t want, enum pktio_kind,
                    uint16_t *port_no, struct errmsg *err);
int dp_port_del(struct dp_bridge *, uint16_t port_no, struct errmsg *err);

/* False if there is no such port. PORT_LOCAL is one. */
bool dp_port_get(const struct dp_bridge *, uint16_t port_no, struct port_info *);
bool dp_port_find(const struct dp_bridge *, const char *name, uint16_t *port_no);
bool dp_port_get_counters(const struct dp_bridge *, uint16_t port_no, struct port_counters *);
/* Packets that came in by the port and were dropped on their way to a controller, by
 * reason: here, for want of room, and what the user of the datapath told of. */
bool dp_port_get_packet_in_drops(const struct dp_bridge *, uint16_t port_no,
                                 uint64_t drops[N_DP_PACKET_IN_REASONS]);
/* A packet-in was dropped by the user of the datapath. */
void dp_port_count_packet_in_drop(struct dp_bridge *, uint16_t port_no,
                                  enum dp_packet_in_reason);
/* Ascending by number, LOCAL last; stops when visit returns false. */
void dp_port_for_each(const struct dp_bridge *, bool (*visit)(const struct port_info *, void *aux),
                      void *aux);
/* Sets the PORT_CONFIG_* bits in 'mask' to those of 'config'; takes effect with the next
 * barrier at the latest. With DOWN in 'mask' the device is taken down or brought up, too, so
 * that the other end sees it; one that was taken down comes up again when it is let go of.
 * False if there is no such port. */
bool dp_port_set_config(struct dp_bridge *, uint16_t port_no, uint32_t config, uint32_t mask);

/* Sets the port's spanning tree state, as 802.1D's implementation, which is elsewhere, found
 * it to be. It counts for FLOOD and NORMAL, and not for other outputs (OpenFlow 1.0, 4.5);
 * with the next barrier at the latest. A port that goes down, or has PORT_CONFIG_NO_STP taken
 * away, begins anew in LISTEN; one with NO_STP, and LOCAL, always forwards. 0, or -ENODEV (no
 * such port), -EOPNOTSUPP (dp_bridge_config.stp is false), -EINVAL (LOCAL, NO_STP, not a
 * state), -ENETDOWN (LEARN or FORWARD while the port is down). */
int dp_port_set_stp_state(struct dp_bridge *, uint16_t port_no, enum port_stp_state,
                          struct errmsg *err);

/* Makes the device advertise just these PORT_FEATURE_*, as far as it has them. 0 or -errno. */
int dp_port_advertise(struct dp_bridge *, uint16_t port_no, uint32_t features, struct errmsg *err);

/* Forgets the addresses that NORMAL has learnt behind the port (0: behind all). Returns how
 * many there were. */
uint32_t dp_bridge_flush_fdb(struct dp_bridge *, uint16_t port_no);

/* The device behind a port. */
struct dp_port_device {
    bool present;
    bool up;                      /* administratively */
    bool carrier;
    char master[PORT_NAME_SIZE];  /* another's bridge or bond that it is in; "" if it is not */
    char problem[160];            /* why it can't be used, in the words of the attempt; or "" */
};
/* False if there is no such port. */
bool dp_port_get_device(const struct dp_bridge *, uint16_t port_no, struct dp_port_device *);

/* --- queues (port_queue.c) ---
 *
 * A port has at most PKTIO_MAX_QUEUES, with any number but DP_QUEUE_ALL; LOCAL has none. The
 * rates are as in pktio.h. While a port's device is absent its queues are kept, and made when
 * it is there again. What is sent through a queue that is not there goes through none, and is
 * counted. */
enum { DP_QUEUE_ALL = 0xffffffff };

struct dp_queue_info {
    struct pktio_queue_config config;
    struct pktio_queue_stats stats;   /* since it was added; 0 if not asked for */
    bool active;                /* the device has it */
};

/* 0, or -EINVAL and what is wrong with the number or the rates. Any thread. */
int dp_queue_check(const struct pktio_queue_config *, struct errmsg *err);

/* 0 or -errno: -ENODEV (no such port), -EOPNOTSUPP (LOCAL), -EINVAL (number, rates), -EEXIST
 * or -ENOENT (the queue), -ENOSPC, or what the device says. The next barrier's reply leaves
 * when no packet is forwarded by what was before. */
int dp_queue_add(struct dp_bridge *, uint16_t port_no, const struct pktio_queue_config *,
                 struct errmsg *err);
int dp_queue_change(struct dp_bridge *, uint16_t port_no, const struct pktio_queue_config *,
                    struct errmsg *err);
int dp_queue_del(struct dp_bridge *, uint16_t port_no, uint32_t id, struct errmsg *err);

/* True if the port has the queue; with port_no 0, if any port has. Cheap. */
bool dp_queue_exists(const struct dp_bridge *, uint16_t port_no, uint32_t id);
/* What was asked for; false if the port does not have the queue. */
bool dp_queue_get(const struct dp_bridge *, uint16_t port_no, uint32_t id,
                  struct pktio_queue_config *);
/* The port's queues, ascending by number. With 'stats' the device is asked for what they have
 * sent. */
void dp_queue_for_each(const struct dp_bridge *, uint16_t port_no, bool stats,
                       void (*visit)(const struct dp_queue_info *, void *aux), void *aux);

/* --- offload (offload.c) ---
 *
 * Of no effect without dp_config.hal. */

/* The port's flows may go into the device. 0, or what the HAL and the driver say. */
int dp_port_set_device(struct dp_bridge *, uint16_t port_no, struct hal_device *, struct errmsg *err);

/* The name of the driver of that device; NULL if the port has none, or is not there. */
const char *dp_port_driver(const struct dp_bridge *, uint16_t port_no);

/* Who changes rules says so in the same turn, after publishing: a rule was inserted, or took
 * another's place; its actions were replaced; it was removed, or replaced. */
void dp_rule_added(struct dp_bridge *, struct rule *);
void dp_rule_changed(struct dp_bridge *, struct rule *);
/* 'match': what it matched; NULL: another rule of the same match and rank took its place. */
void dp_rule_removed(struct dp_bridge *, struct rule *, const struct flow_match *match);
/* A rule that gets entries without traffic has none, for a reason that may be gone. */
void dp_rule_offer(struct dp_bridge *, const struct rule *);
/* All rules that 'match' covers were removed by name. */
void dp_rules_deleted(struct dp_bridge *, const struct flow_match *);
/* A removed rule that is may still be counted in, and must not be freed. It is not any more
 * when a dp_barrier() begun after its removal is done. */
bool dp_rule_is_in_hardware(const struct dp_bridge *, const struct rule *);
/* Until when (clock_ms()) the counters of rules that are in hardware have all packets: devices
 * tell late (hal_counted_until()). */
uint64_t dp_counted_until(const struct dp_bridge *);
/* A rule that is to be added, or an added one that is to have other actions or another cookie.
 * False: the policy for its cookie is that hardware forwards all its packets, and it could not;
 * *verdict says why. It could if every entry that packets of the rule, whole ones, may lead to,
 * from ports that have a device, fits one of the device's tables by its capabilities; and that
 * of a rule without wildcards has room there now. It gets this room if the rule is added in
 * the same turn. */
struct hal_verdict;
bool dp_rule_may_be(struct dp_bridge *, const struct flow_match *, uint32_t rank, uint64_t cookie,
                    const struct action_list *, struct hal_verdict *verdict);
/* False: it would say yes to everything with this cookie. */
bool dp_requires_hardware(const struct dp_bridge *, uint64_t cookie);
/* ... with any cookie. */
bool dp_may_require_hardware(const struct dp_bridge *);
/* Whether packets with this key could be in hardware as the rules are, apart from how many
 * there are: *verdict is why not (reason 0: they could). True if they only could in place of
 * others that are less busy. Nothing changes. Of no effect without offload. */
bool dp_check_offload(struct dp_bridge *, const struct flow_key *, struct hal_verdict *);
/* Whether the rule that packets with this key get is in hardware as a whole, for their port, or
 * would be if it were offered now: *is_whole, or *verdict is why not. False: the question is moot,
 * since there is no such rule, it has no wildcards, or the port has no device. */
bool dp_check_whole(struct dp_bridge *, const struct flow_key *, bool *is_whole,
                    struct hal_verdict *);
/* The policy that counts for packets with this key; NULL: no rule matches them, or no offload. */
const struct hal_policy_rule *dp_policy_for(struct dp_bridge *, const struct flow_key *);
/* The rule that packets with this key get, as entries name it, and its cookie. False: none.
 * Control thread. */
bool dp_find_offload_rule(const struct dp_bridge *, const struct flow_key *, void **owner,
                          uint64_t *cookie);
/* NULL without offload. */
struct hal_bridge *dp_bridge_hal(struct dp_bridge *);

/* The pktio behind a port of kind PKTIO_MEMORY; NULL for others. Tests. */
struct pktio *dp_port_pktio(const struct dp_bridge *, uint16_t port_no);
/* Plugs the cable of a port of that kind in or out. Tests. */
void dp_port_set_memory_link(struct dp_bridge *, uint16_t port_no, bool up);

/* Executes 'actions' on the packet in the control thread, as if it had come in by
 * packet->in_port (PORT_NONE and PORT_CONTROLLER are none). OFPP_TABLE runs it through
 * the table. The packet may be changed. Bytes from packet->data on need the head- and
 * tailroom of packet.h. Sent when this returns. */
void dp_execute(struct dp_bridge *, struct packet *, const struct action_list *);

/* Runs the packet through 'rule' in the control thread, counting it there. */
void dp_execute_rule(struct dp_bridge *, struct packet *, struct rule *);

/* A barrier. done(aux) is called once no packet is forwarded by any state published
 * before this call: at once, before dp_barrier() returns, if every worker is idle or
 * there is none, else from the event loop. The object is the caller's, until done. */
struct dp_barrier {
    struct dp_barrier *next;
    uint64_t epoch;
    void (*done)(void *aux);
    void *aux;
    int error;           /* 0; with offload also -EIO: a device may forward by what was before,
                          * its ports go down */
    void *parked;        /* the datapath's */
};
void dp_barrier(struct dp *, struct dp_barrier *);
/* The owner goes away: done() is not called any more. */
void dp_barrier_cancel(struct dp *, struct dp_barrier *);

struct dp_bridge_stats {
    uint64_t hits;      /* look-ups that found a cache entry or an exact rule */
    uint64_t misses;    /* look-ups that went to the classifier */
    uint64_t lost;      /* packets for the controller dropped before they got there */
    uint64_t matched;   /* packets that had a rule: TABLE statistics */
    uint64_t lookups;   /* all packets looked up */
    struct cache_stats cache; /* summed over the workers */
};
void dp_bridge_get_stats(const struct dp_bridge *, struct dp_bridge_stats *);

/* --- the governor (govern.c) --- */

/* Other settings, taken up by the workers within GOVERNOR_REFILL_MS. 0 or -ENOMEM. */
int dp_set_governor(struct dp *, const struct governor_config *);
const struct governor_config *dp_get_governor(const struct dp *);

/* What a port's governor has done, as of its last window. */
struct dp_port_governor {
    unsigned worker;
    bool flood;
    uint64_t since_ms;         /* clock_ms() when flood mode began or ended; 0: never */
    uint32_t share;            /* set-ups a second that the port has for sure */
    struct governor_totals totals;
    struct governor_sources macs, addresses;   /* of packets held back; MACs and IPv4 addresses as
                                                * numbers, MACs with bit 48 set */
};
/* False if there is no such port. */
bool dp_port_get_governor(const struct dp_bridge *, uint16_t port_no, struct dp_port_governor *);
bool dp_port_is_flooded(const struct dp_bridge *, uint16_t port_no);

struct dp_worker_governor {
    uint32_t rate;             /* set-ups a second, all ports */
    uint32_t n_ports, n_flooded;
};
void dp_worker_get_governor(const struct dp *, unsigned worker, struct dp_worker_governor *);

/* Offers to hardware a second, of all ports; 0 without offload. */
uint32_t dp_entry_rate(const struct dp *);
/* Why the governor held the flow of packets with this key back from hardware, as far as it was
 * lately: GOVERNOR_NO_REASON if it was not. */
enum governor_reason dp_held_back(struct dp_bridge *, const struct flow_key *);

/* Every cache entry of every worker, and every rule without wildcards that was hit. Only
 * valid ones: those that changes overtook are left out. 'actions' is what the entry's
 * rule does now, NULL for a table miss. */
struct dp_cache_entry {
    unsigned worker;
    struct flow_match match;
    uint64_t packets, bytes, used_ms;
    const struct action_list *actions;
};
void dp_bridge_dump_cache(const struct dp_bridge *,
                          bool (*visit)(const struct dp_cache_entry *, void *aux), void *aux);

#endif /* sw-datapath/datapath.h */
