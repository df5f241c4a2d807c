/* SPDX-License-Identifier: Apache-2.0 */
/* PACKET_IN and PACKET_OUT. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/agent_private.h"
#include "sw-datapath/checksum.h"

/* --- packets to run ------------------------------------------------------------------ */

static void
refuse_buffer(struct session *s, const struct ofp_header *header, const uint8_t *msg, bool empty)
{
    counter_inc(empty ? COUNTER_buffer_empty : COUNTER_buffer_unknown);
    session_refuse(s, header, msg, OFPET_BAD_REQUEST,
                   empty ? OFPBRC_BUFFER_EMPTY : OFPBRC_BUFFER_UNKNOWN,
                   empty ? "the buffer's packet was used, or made room for another"
                         : "the buffer id was never given out");
}

void
session_run_buffer(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                   uint32_t id, struct flow *flow, uint16_t in_port)
{
    struct agent *agent = s->agent;
    struct pktbuf_packet held;
    switch (pktbuf_take(agent->buffers, id, &held)) {
    case PKTBUF_EMPTY:
        refuse_buffer(s, header, msg, true);
        return;
    case PKTBUF_UNKNOWN:
        refuse_buffer(s, header, msg, false);
        return;
    case PKTBUF_FOUND:
        break;
    }
    if (flow) {
        dp_execute_rule(agent->bridge, &held.packet, &flow->rule);
    } else {
        held.packet.in_port = in_port;
        dp_execute(agent->bridge, &held.packet, agent->list);
    }
    free(held.memory);
}

/* True if the actions can be done now. */
static bool
check_actions(const struct agent *agent, const struct ofp_packet_out *out,
              struct ofp_refusal *refusal)
{
    struct port_info info;
    for (uint32_t i = 0; i < out->n_actions; i++) {
        const struct action *a = &out->actions[i];
        if (a->type == ACTION_ENQUEUE
            && agent_check_enqueue(agent, a, out->in_port, refusal)) {
            return false;
        }
        if (a->type == ACTION_OUTPUT && a->output.port < PORT_MAX
            && !dp_port_get(agent->bridge, a->output.port, &info)) {
            *refusal = (struct ofp_refusal) { OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT,
                                              "output to a port that is not there" };
            return false;
        }
    }
    return true;
}

/* The port that the packet is to have come in by; one that is not there is none, so that
 * nothing is learnt about it. */
static uint16_t
ingress(const struct agent *agent, uint16_t in_port)
{
    struct port_info info;
    if (in_port == PORT_NONE || in_port == PORT_CONTROLLER
        || dp_port_get(agent->bridge, in_port, &info)) {
        return in_port;
    }
    counter_inc(COUNTER_packet_out_in_port);
    return PORT_NONE;
}

void
session_packet_out(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct agent *agent = s->agent;
    struct ofp_packet_out *out = &agent->packet_out;
    struct ofp_refusal refusal;
    if (ofp_decode_packet_out(msg, header->length, out, &refusal)
        || !check_actions(agent, out, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    agent->list->len = out->n_actions;
    memcpy(agent->list->actions, out->actions, out->n_actions * sizeof *out->actions);
    uint16_t in_port = ingress(agent, out->in_port);
    if (out->buffer_id != OFP_NO_BUFFER) {
        session_run_buffer(s, header, msg, out->buffer_id, NULL, in_port);
        return;
    }
    uint8_t *frame = agent->frame + PACKET_HEADROOM;
    memcpy(frame, out->data, out->data_size);
    struct packet packet = { .data = frame, .size = out->data_size, .in_port = in_port };
    dp_execute(agent->bridge, &packet, agent->list);
}

/* --- PACKET_IN ------------------------------------------------------------------------- */

/* The frame's bytes as they would be on the wire: a checksum that its sender left to the
 * device is completed, in a copy. A controller may send it back as data, and then nobody
 * would know that something is missing. */
static const uint8_t *
wire_bytes(struct agent *agent, const struct packet *packet)
{
    const struct packet_offload *o = &packet->offload;
    uint32_t at = (uint32_t) o->csum_start + o->csum_offset;
    if (!o->csum_partial || o->gso_type || at + 2 > packet->size
        || o->csum_start >= packet->size || packet->size > PACKET_MAX_SIZE) {
        return packet->data;
    }
    uint8_t *copy = agent->upcall;
    memcpy(copy, packet->data, packet->size);
    struct be16 sum = checksum_finish(checksum_add(0, copy + o->csum_start,
                                                   packet->size - o->csum_start));
    if (!sum.raw) {
        sum = be16_from_host(0xffff);   /* UDP: 0 would say that there is none */
    }
    memcpy(copy + at, &sum, sizeof sum);
    return copy;
}

/* OFPR_* */
static uint8_t
reason_of(const struct dp_packet_in *in)
{
    switch (in->reason) {
    case DP_TABLE_MISS:
        return OFPR_NO_MATCH;
    case DP_INVALID_TTL:
        return OFPR_INVALID_TTL;
    case DP_ACTION:
        break;
    }
    return in->said;
}

struct sending {
    struct agent *agent;
    const struct dp_packet_in *in;
    const uint8_t *bytes;       /* NULL: not looked at yet */
    bool saved;
    uint32_t buffer_id;
    uint64_t now_ms;
};

/* The id under which the packet is kept for this controller among others. */
static uint32_t
keep(struct sending *sending, struct session *s)
{
    struct pktbuf *buffers = sending->agent->buffers;
    if (sending->saved) {
        pktbuf_share(buffers, sending->buffer_id, &s->buffers);
    } else {
        sending->buffer_id = pktbuf_save(buffers, sending->in->packet, &s->buffers);
        sending->saved = true;
    }
    return sending->buffer_id;
}

/* Makes the message for one controller in agent->async: the packet whole, or its first
 * bytes and the buffer that keeps the rest. */
static void
encode(struct sending *sending, struct session *s)
{
    struct agent *agent = sending->agent;
    const struct packet *packet = sending->in->packet;
    const struct dp_packet_in *in = sending->in;
    uint16_t max_len = in->reason == DP_ACTION ? in->max_len : s->miss_send_len;
    if (!sending->bytes) {
        sending->bytes = wire_bytes(agent, packet);
    }
    uint32_t buffer_id = max_len == AGENT_WHOLE_PACKET ? OFP_NO_BUFFER : keep(sending, s);
    uint32_t size = packet->size;
    if (buffer_id != OFP_NO_BUFFER && max_len < size) {
        size = max_len;
    }
    const struct ofp_packet_in message = {
        .buffer_id = buffer_id,
        .total_len = packet->size < UINT16_MAX ? (uint16_t) packet->size : UINT16_MAX,
        .in_port = sending->in->in_port,
        .reason = reason_of(in),
        .cookie = in->cookie,
        .data = sending->bytes,
        .data_size = size,
    };
    (s->nxm_packet_ins ? nx_encode_packet_in : ofp_encode_packet_in)(&agent->async, &message);
}

/* The packet is for this controller: now, or in its turn, or it has had as many as it may. */
static void
offer(struct sending *sending, struct session *s)
{
    const struct dp_packet_in *in = sending->in;
    struct writer *w = &sending->agent->async;
    uint32_t source = packet_queue_source(in);
    bool room = conn_has_room(s->conn, CONN_ASYNC_PACKET_IN);
    enum packet_queue_verdict verdict =
        packet_queue_admit(s->packet_ins, in->reason, source, room, sending->now_ms);
    if (verdict != PACKET_QUEUE_DROP) {
        encode(sending, s);
    }
    if (verdict == PACKET_QUEUE_SEND && !w->failed) {
        conn_send_async(s->conn, CONN_ASYNC_PACKET_IN, w->data, w->size);
        s->n_packet_ins++;
    } else if (verdict != PACKET_QUEUE_WAIT || w->failed
               || !packet_queue_push(s->packet_ins, in->reason, source, w->data, w->size)) {
        session_packet_in_dropped(s, in->reason, in->in_port);
    } else if (room) {
        session_drain_later(s, sending->now_ms);
    }
    writer_clear(w);
}

void
agent_packet_in(void *agent_, const struct dp_packet_in *in)
{
    struct agent *agent = agent_;
    struct sending sending = { .agent = agent, .in = in, .now_ms = clock_ms() };
    bool anybody = false;
    for (struct session *s = agent->sessions; s; s = s->next) {
        if (session_wants_packet_in(s, reason_of(in), in->controller_id)) {
            anybody = true;
            offer(&sending, s);
        }
    }
    if (!anybody) {
        counter_inc(COUNTER_packet_in_no_controller);
    } else if (sending.saved) {
        agent_run_within(agent, PKTBUF_LIFETIME_MS);
    }
}
