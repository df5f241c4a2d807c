/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on their way from a worker to the control thread: a bounded ring a worker.
 *
 * What is in the ring is accounted by class: ingress port, reason, and whether the governor knows
 * the flow from before (so a flood of first packets leaves room for flows that go on). A class may use as much
 * as is free (so alone half of the ring; n floods leave 1/(n + 1) of it), which leaves room
 * for the first frames of any other: a flood by one port, or of table misses, does not keep
 * the rest from the controller. Each account is two counters that one thread each writes.
 * Ports share an account if their numbers are equal in the low bits, which takes more ports
 * than there are or several bridges, and costs them nothing but some of the fairness. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "sw-datapath/dp_internal.h"
#include "sw-datapath/parse.h"

/* A record in the ring; the frame follows, with headroom before it and tailroom behind,
 * so that it can be executed on from where it lies. */
struct upcall {
    uint32_t bridge_id;
    uint32_t size;
    struct dp_packet_in in;   /* the packet's place is filled in when it is delivered */
    struct packet_offload offload;
};

enum { N_CLASSES = 16384, TURN_NS = 1000000, LOOK_EVERY = 4 };

struct upcalls {
    struct ring *ring;
    uint32_t capacity;
    /* Bytes since the start, modulo 2^32, of each class and of all. */
    uint32_t put[N_CLASSES], total_put;                     /* worker */
    _Atomic uint32_t taken[N_CLASSES], total_taken;         /* control thread */
};

struct upcalls *
upcalls_new(uint32_t capacity)
{
    struct upcalls *u = calloc(1, sizeof *u);
    if (u) {
        u->capacity = capacity;
        u->ring = ring_new(capacity);
    }
    if (u && !u->ring) {
        free(u);
        return NULL;
    }
    return u;
}

void
upcalls_free(struct upcalls *u)
{
    if (u) {
        ring_free(u->ring);
        free(u);
    }
}

static uint32_t
class_of(uint32_t bridge_id, uint16_t in_port, const struct dp_packet_in *in)
{
    uint32_t kind = in->reason * 2u + in->seen;
    return ((bridge_id * 1021 + in_port) * (N_DP_PACKET_IN_REASONS * 2u) + kind) % N_CLASSES;
}

/* What a record takes of the ring. */
static uint32_t
share_of(uint32_t record_size)
{
    return ((record_size + 7) & ~7u) + 8;
}

static bool
may_put(const struct upcalls *u, uint32_t class, uint32_t share)
{
    uint32_t used = u->put[class]
                    - atomic_load_explicit(&u->taken[class], memory_order_relaxed);
    uint32_t total = u->total_put - atomic_load_explicit(&u->total_taken, memory_order_relaxed);
    return !used || used + share + total <= u->capacity;
}

static void
account_put(struct upcalls *u, uint32_t class, uint32_t share)
{
    u->put[class] += share;
    u->total_put += share;
}

static void
account_taken(struct upcalls *u, uint32_t class, uint32_t share)
{
    atomic_store_explicit(&u->taken[class], u->taken[class] + share, memory_order_relaxed);
    atomic_store_explicit(&u->total_taken, u->total_taken + share, memory_order_relaxed);
}

static uint32_t
record_size(uint32_t frame_size)
{
    return (uint32_t) sizeof(struct upcall) + PACKET_HEADROOM + frame_size + PACKET_TAILROOM;
}

static void
deliver(struct dp_bridge *bridge, const struct packet *packet, const struct dp_packet_in *why)
{
    struct dp_packet_in in = *why;
    in.in_port = packet->in_port;
    in.packet = packet;
    bridge->ops->packet_in(bridge->ops_aux, &in);
}

/* --- worker ----------------------------------------------------------------------------- */

static void
count_lost(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
           const struct packet *packet, enum dp_packet_in_reason reason)
{
    struct dp_port *port = port_map_find(map, packet->in_port);
    uint32_t n = packet_n_segments(packet);
    slot_add(&bridge->slots[thread->slot].lost, n);
    if (port) {
        slot_add(&port->slots[thread->slot].packet_ins_dropped[reason], n);
    }
    counter_inc(COUNTER_packet_in_queue_full);
}

void
upcall_send(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
            const struct packet *packet, const struct dp_packet_in *in)
{
    struct upcalls *u = thread->upcalls;
    if (!u) {
        deliver(bridge, packet, in);
        return;
    }
    uint32_t size = record_size(packet->size), share = share_of(size);
    uint32_t class = class_of(bridge->id, packet->in_port, in);
    struct upcall *up = may_put(u, class, share) ? ring_reserve(u->ring, size) : NULL;
    if (!up) {
        count_lost(thread, bridge, map, packet, in->reason);
        return;
    }
    *up = (struct upcall) {
        .bridge_id = bridge->id,
        .size = packet->size,
        .in = *in,
        .offload = packet->offload,
    };
    up->in.in_port = packet->in_port;
    memcpy((uint8_t *) (up + 1) + PACKET_HEADROOM, packet->data, packet->size);
    account_put(u, class, share);
    ring_commit(u->ring);
    dp_notify(thread->dp);
}

/* --- control thread ---------------------------------------------------------------------- */

static void
deliver_record(struct dp *dp, struct upcall *up)
{
    struct dp_bridge *bridge = dp_find_bridge(dp, up->bridge_id);
    if (!bridge) {
        counter_inc(COUNTER_packet_in_bridge_gone);
        return;
    }
    struct packet packet = {
        .data = (uint8_t *) (up + 1) + PACKET_HEADROOM,
        .size = up->size,
        .in_port = up->in.in_port,
        .offload = up->offload,
    };
    struct flow_key key;
    if (!packet_parse(&packet, &key)) {
        deliver(bridge, &packet, &up->in);
    }
}

/* Up to 'n' of one worker, or until the time is up. */
static void
deliver_some(struct dp *dp, struct upcalls *u, unsigned n, uint64_t end_ns)
{
    size_t size;
    struct upcall *up;
    for (unsigned i = 0; i < n && (up = ring_peek(u->ring, &size)); i++) {
        uint32_t class = class_of(up->bridge_id, up->in.in_port, &up->in);
        deliver_record(dp, up);
        ring_consume(u->ring);
        account_taken(u, class, share_of((uint32_t) size));
        if (i % LOOK_EVERY == LOOK_EVERY - 1 && clock_ns() >= end_ns) {
            break;
        }
    }
}

bool
upcall_deliver(struct dp *dp, unsigned n)
{
    bool more = false;
    for (unsigned i = 0; i < dp->n_workers; i++) {
        struct upcalls *u = dp->workers[i]->thread.upcalls;
        deliver_some(dp, u, n, clock_ns() + TURN_NS / dp->n_workers);
        more = more || !ring_empty(u->ring);
    }
    return more;
}

/* --- drops by port ----------------------------------------------------------------------- */

bool
dp_port_get_packet_in_drops(const struct dp_bridge *bridge, uint16_t port_no,
                            uint64_t drops[N_DP_PACKET_IN_REASONS])
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        return false;
    }
    for (unsigned r = 0; r < N_DP_PACKET_IN_REASONS; r++) {
        drops[r] = 0;
        for (unsigned i = 0; i < dp_n_slots(bridge->dp); i++) {
            drops[r] += atomic_load_explicit(&port->slots[i].packet_ins_dropped[r],
                                             memory_order_relaxed);
        }
    }
    return true;
}

void
dp_port_count_packet_in_drop(struct dp_bridge *bridge, uint16_t port_no,
                             enum dp_packet_in_reason reason)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (port) {
        slot_add(&port->slots[bridge->dp->control.slot].packet_ins_dropped[reason], 1);
    }
}
