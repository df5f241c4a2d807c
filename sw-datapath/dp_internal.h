/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the datapath share: included by sw-datapath/ only.
 *
 * Published state, read by workers while they are online, is reached through the atomic
 * pointers below and replaced as a whole; what it replaced is freed after a grace period:
 *
 *   worker.ports   which ports this worker receives from (struct rx_list)
 *   bridge.map     where a port number leads (struct port_map)
 *   port.io        the device behind a port, NULL while it is absent
 *   port.queue_map the queues that this device has
 *
 * Everything else is the control thread's, or a counter slot of one thread.
 */
#ifndef SW_DATAPATH_DP_INTERNAL_H
#define SW_DATAPATH_DP_INTERNAL_H 1

#include <event2/event.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "lib/epoch.h"
#include "lib/netdev/link.h"
#include "lib/ring.h"
#include "sw-datapath/datapath.h"

/* Adds to a counter that only this thread writes. */
static inline void
slot_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* --- threads --------------------------------------------------------------------- */

/* What any thread that forwards has: the workers and the control thread. */
struct dp_thread {
    struct dp *dp;
    unsigned slot;              /* its counter slot: rules', ports', bridges' */
    struct pktio_tx *tx;
    struct upcalls *upcalls;    /* to the control thread; NULL in the control thread */
    struct govern *govern;      /* NULL in the control thread */
    uint64_t now_ms;            /* of the batch */
    uint8_t *again;             /* the control thread's, else NULL: room for the longest frame,
                                 * a copy that runs through the table */
};

/* A port and its bridge, as a worker polls them. */
struct rx_port {
    struct dp_bridge *bridge;
    struct dp_port *port;
    struct pktio *io;
};

struct rx_list {
    unsigned n_ports, n_bridges;
    struct dp_bridge **bridges; /* in the same allocation, behind 'ports' */
    struct rx_port ports[];
};

struct worker {
    struct dp_thread thread;
    struct epoch_reader *reader;
    pthread_t pthread;
    bool running;
    int cpu;                            /* to pin to, or -1 */
    int wake_fd;                        /* eventfd: look at 'ports' and 'stop' again */
    unsigned n_ports;                   /* control thread: how many it was given */
    _Atomic(struct rx_list *) ports;
    _Atomic bool stop;
    _Atomic bool notify;                /* a barrier waits for this worker */
    _Atomic uint32_t drain_rounds;      /* an entry waits for so many rounds in which nothing came; 0: none */
    struct heat *heat;                  /* NULL without offload, as the next */
    struct ring *offers;                /* to the control thread: busy flows (offload.c) */
    struct packet packets[PACKET_BATCH_MAX];
    struct flow_key keys[PACKET_BATCH_MAX];
};

/* The worker's thread function, and one round of it for callers without threads: handles
 * up to a batch from each port; returns the number of frames. */
void *worker_main(void *worker);
unsigned worker_round(struct worker *);
/* Makes a sleeping worker look again. Control thread. */
void worker_wake(struct worker *);

/* --- ports ----------------------------------------------------------------------- */

/* One thread's share of a port's counters. */
struct port_slot {
    alignas(64) _Atomic uint64_t rx_packets, rx_bytes, rx_dropped;
    _Atomic uint64_t tx_dropped;        /* what was sent, the device counts (pktio.h) */
    _Atomic uint64_t packet_ins_dropped[N_DP_PACKET_IN_REASONS];
};

/* What the packet path needs to know of a port's configuration and state, in one word. */
enum {
    PORT_PATH_RX = 1 << 0,          /* receives ordinary frames */
    PORT_PATH_RX_STP = 1 << 1,      /* receives spanning tree frames */
    PORT_PATH_TX = 1 << 2,
    PORT_PATH_FLOOD = 1 << 3,       /* takes part in FLOOD: neither NO_FLOOD nor spanning tree */
    PORT_PATH_PACKET_IN = 1 << 4,   /* its table misses go to the controller */
    PORT_PATH_LEARN = 1 << 5,       /* NORMAL learns the addresses behind it */
    PORT_PATH_RELAY = 1 << 6,       /* the spanning tree lets NORMAL take from it and send to it */
};

/* A queue of a port. Control thread. */
struct dp_queue {
    struct dp_queue *next;              /* ascending by number */
    struct pktio_queue_config config;
    struct pktio_queue *io;             /* NULL while the device is absent or refused it */
    struct pktio_queue_stats gone;      /* of devices that were behind the port before */
};

/* A port's queues as the packet path finds them. */
struct queue_map {
    unsigned n;
    struct {
        uint32_t id;
        struct pktio_queue *io;
    } entries[];
};

struct dp_port {
    struct dp_bridge *bridge;
    struct port_info info;              /* control thread */
    enum pktio_kind kind;
    struct link_info link;              /* zeros while the device is absent; ifindex 0 in memory */
    char master[PORT_NAME_SIZE];        /* whose slave the device was made meanwhile, or "" */
    struct errmsg problem;              /* why the device can't be used, or "" */
    enum port_stp_state stp_state;      /* as it was set; port_state.c says what counts */
    bool was_down;                      /* when it was last looked at */
    struct worker *worker;
    uint16_t no;
    _Atomic uint32_t path;              /* PORT_PATH_* */
    _Atomic(struct pktio *) io;
    _Atomic(struct hal_device *) device; /* flows may go there; NULL: nowhere */
    _Atomic uint32_t emptied;           /* times that the worker took all that was there, if it may */
    struct pktio_stats gone;            /* of devices that were behind this port before */
    struct port_slot *slots;            /* dp_n_slots() of them */
    struct govern_port *governed;       /* the worker's; see govern.h */
    uint64_t floods_logged, flood_held; /* control thread: flood mode's changes told, and what was
                                         * held back before the latest */
    struct governor_bucket offers;      /* control thread: of the budget for entries */
    struct dp_queue *queues;
    _Atomic(struct queue_map *) queue_map;   /* NULL: none */
};

struct port_map {
    unsigned n;                         /* ports but LOCAL, ascending by number */
    unsigned limit;                     /* 'by_no' has this many */
    struct dp_port *local;
    struct dp_port **ports;             /* in the same allocation */
    struct dp_port *by_no[];
};

static inline struct dp_port *
port_map_find(const struct port_map *map, uint16_t no)
{
    if (no < map->limit) {
        return map->by_no[no];
    }
    return no == PORT_LOCAL ? map->local : NULL;
}

/* Publishes a map with 'add' as one more and 'del' as one less (either may be NULL). 0 or
 * -ENOMEM with nothing changed. */
int port_map_publish(struct dp_bridge *, struct dp_port *add, const struct dp_port *del);
/* Every port of every bridge, LOCAL included. */
void dp_visit_ports(const struct dp *, void (*visit)(struct dp_port *, void *aux), void *aux);

/* Opens the bridge's own port. 0 or -errno. */
int port_open_local(struct dp_bridge *, enum pktio_kind, struct errmsg *);
/* Takes all ports out; they are freed after a grace period. */
void port_close_all(struct dp_bridge *);
/* A device changed, or has gone. */
void port_link_changed(struct dp *, const struct link_info *, bool gone);
/* A device's link settings changed; 0: perhaps those of any. */
void port_features_changed(struct dp *, int ifindex);
/* Makes LOCAL TAPs that could not be made again when they had gone. */
void port_retry_locals(struct dp *);
/* The bridge's configuration has changed. */
void port_update_all(struct dp_bridge *);

/* The queue on device 'io', or NULL. */
static inline struct pktio_queue *
port_find_queue(const struct dp_port *port, const struct pktio *io, uint32_t id)
{
    const struct queue_map *map = atomic_load_explicit(&port->queue_map, memory_order_acquire);
    for (unsigned first = 0, end = map ? map->n : 0; first < end;) {
        unsigned middle = (first + end) / 2;
        if (map->entries[middle].id == id) {
            struct pktio_queue *queue = map->entries[middle].io;
            /* Device and queues are published one after the other. */
            return pktio_queue_port(queue) == io ? queue : NULL;
        }
        if (map->entries[middle].id < id) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return NULL;
}

/* --- bridges --------------------------------------------------------------------- */

/* One thread's share of a bridge's counters. */
struct bridge_slot {
    alignas(64) _Atomic uint64_t lookups, matched, lost;
};

struct dp_bridge {
    struct dp *dp;
    struct dp_bridge *next;
    uint32_t id;                        /* never reused: names the bridge in upcalls */
    char name[PORT_NAME_SIZE];
    struct dp_bridge_config config;
    const struct dp_bridge_ops *ops;
    void *ops_aux;
    struct classifier *classifier;
    struct classifier *hidden;          /* in-band control's rules; NULL until first wanted */
    struct hal_bridge *hal;             /* NULL without offload */
    struct fdb *fdb;
    struct cache *caches[DP_MAX_WORKERS];
    struct bridge_slot *slots;
    _Atomic uint64_t in_band;           /* 0: off; see in_band.h */
    _Atomic int miss_mode;
    _Atomic bool drop_fragments;
    _Atomic bool forward_bpdu;          /* config's, for the packet path */
    _Atomic bool invalid_ttl;           /* such packets are told of */
    _Atomic(struct port_map *) map;
    _Atomic(struct dp_capture *) capture;   /* NULL: none */
};

struct dp {
    struct event_base *base;
    struct dp_config config;
    struct dp_bridge *bridges;
    uint32_t next_bridge_id;
    unsigned n_workers;
    struct worker *workers[DP_MAX_WORKERS];
    bool rx_incomplete;                 /* a worker's ports could not be published */
    struct dp_thread control;           /* the control thread's own forwarding */
    struct link_monitor *links;         /* NULL without threads */
    struct ethtool_monitor *settings;   /* NULL without threads, or if the kernel does not tell */
    struct event *tick;
    int event_fd;                       /* workers write it: upcalls, or a barrier is due */
    struct event *event;                /* event_fd is readable */
    struct event *again;                /* more upcalls wait: the next turn */
    _Atomic bool event_set;
    struct dp_barrier *barriers, **barriers_tail;
    struct offload *offload;            /* NULL: there is none */
    _Atomic(struct govern_settings *) governor;
    struct dp_capture *captures;
};

struct dp_bridge *dp_find_bridge(const struct dp *, uint32_t id);
/* The ports changed: publishes which worker receives from which. Without memory a worker
 * receives nothing, and the tick tries again (dp.rx_incomplete). */
void dp_publish_rx(struct dp *);
/* Frees a worker's list that nobody uses any more. */
void rx_list_free(void *list);
/* From a worker: there is something for the control thread. */
void dp_notify(struct dp *);

/* --- the way of a packet --------------------------------------------------------- */

/* Executes what 'rule' (NULL: the table miss) says on a parsed packet, and counts it. */
void forward_packet(struct dp_thread *, struct dp_bridge *, const struct port_map *,
                    struct packet *, struct rule *rule);
/* Executes a rule of in-band control, and counts it there alone: it is not in the table. */
void forward_hidden(struct dp_thread *, struct dp_bridge *, const struct port_map *,
                    struct packet *, struct rule *rule);
/* Executes a list on a parsed packet; 'table': OFPP_TABLE is allowed. 'rule' is whose list it
 * is, for what controllers are told; NULL: nobody's. */
void forward_actions(struct dp_thread *, struct dp_bridge *, const struct port_map *,
                     struct packet *, const struct rule *rule, const struct action_list *,
                     bool table);
/* Addresses that a bridge must not forward (IEEE 802.1D, table 7-10). */
bool forward_is_reserved(const uint8_t addr[6]);
/* Counts a frame received by 'port' and says whether it goes on. */
bool forward_admit(struct dp_thread *, struct dp_port *, const struct packet *);

/* Copies those of a batch that the capture matches: capture.h. Worker. */
void capture_take(struct dp_thread *, struct dp_capture *, const struct packet packets[],
                  const struct flow_key keys[], unsigned n);
/* Control thread: hands out some of what was copied; true if there is more. */
bool capture_deliver(struct dp *);
/* The bridge goes. */
void capture_bridge_gone(struct dp_bridge *);

/* Hands a frame to the control thread (or, in it, to the user at once). 'in' says why; its
 * packet and in_port need not be set. */
void upcall_send(struct dp_thread *, struct dp_bridge *, const struct port_map *,
                 const struct packet *, const struct dp_packet_in *in);
/* Control thread: delivers up to 'n' from each worker, or for a millisecond; true if there
 * are more. */
bool upcall_deliver(struct dp *, unsigned n);
/* A worker's queue, of 'capacity' bytes (a power of two). NULL without memory. */
struct upcalls *upcalls_new(uint32_t capacity);
void upcalls_free(struct upcalls *);

#endif /* sw-datapath/dp_internal.h */
