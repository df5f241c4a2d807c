/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on their way from a worker to the control thread: a bounded ring a worker. */
#include <string.h>

#include "lib/counters.h"
#include "sw-datapath/dp_internal.h"
#include "sw-datapath/parse.h"

/* A record in the ring; the frame follows, with headroom before it and tailroom behind,
 * so that it can be executed on from where it lies. */
struct upcall {
    uint32_t bridge_id;
    uint32_t size;
    uint16_t in_port;
    uint16_t max_len;
    enum dp_packet_in_reason reason;
    struct packet_offload offload;
};

static size_t
record_size(uint32_t frame_size)
{
    return sizeof(struct upcall) + PACKET_HEADROOM + frame_size + PACKET_TAILROOM;
}

static void
deliver(struct dp_bridge *bridge, const struct packet *packet, enum dp_packet_in_reason reason,
        uint16_t max_len)
{
    struct dp_packet_in in = {
        .reason = reason,
        .in_port = packet->in_port,
        .max_len = max_len,
        .packet = packet,
    };
    bridge->ops->packet_in(bridge->ops_aux, &in);
}

void
upcall_send(struct dp_thread *thread, struct dp_bridge *bridge, const struct packet *packet,
            enum dp_packet_in_reason reason, uint16_t max_len)
{
    if (!thread->upcalls) {
        deliver(bridge, packet, reason, max_len);
        return;
    }
    struct upcall *up = ring_reserve(thread->upcalls, record_size(packet->size));
    if (!up) {
        slot_add(&bridge->slots[thread->slot].lost, packet_n_segments(packet));
        counter_inc(COUNTER_packet_in_queue_full);
        return;
    }
    *up = (struct upcall) {
        .bridge_id = bridge->id,
        .size = packet->size,
        .in_port = packet->in_port,
        .max_len = max_len,
        .reason = reason,
        .offload = packet->offload,
    };
    memcpy((uint8_t *) (up + 1) + PACKET_HEADROOM, packet->data, packet->size);
    ring_commit(thread->upcalls);
    dp_notify(thread->dp);
}

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
        .in_port = up->in_port,
        .offload = up->offload,
    };
    struct flow_key key;
    if (!packet_parse(&packet, &key)) {
        deliver(bridge, &packet, up->reason, up->max_len);
    }
}

bool
upcall_deliver(struct dp *dp, unsigned n)
{
    bool more = false;
    for (unsigned i = 0; i < dp->n_workers; i++) {
        struct ring *ring = dp->workers[i]->thread.upcalls;
        unsigned left = n;
        size_t size;
        struct upcall *up;
        while (left && (up = ring_peek(ring, &size))) {
            deliver_record(dp, up);
            ring_consume(ring);
            left--;
        }
        more = more || !ring_empty(ring);
    }
    return more;
}
