/* SPDX-License-Identifier: Apache-2.0 */
/* One controller: its connection, and which handler gets its messages. */
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/stream.h"
#include "ofagent/agent_private.h"
#include "ofagent/flow_emergency.h"
#include "ofagent/snoop.h"

LOG_MODULE(agent);

/* 'writes': it changes the switch, and is refused from a slave. */
static const struct {
    session_handler *handler;
    bool writes;
} handlers[N_OFP_TYPES] = {
    [OFPT_VENDOR] = { session_vendor, false },   /* agent_vendor.c knows which ones do */
    [OFPT_FEATURES_REQUEST] = { session_features, false },
    [OFPT_GET_CONFIG_REQUEST] = { session_get_config, false },
    [OFPT_SET_CONFIG] = { session_set_config, true },
    [OFPT_PACKET_OUT] = { session_packet_out, true },
    [OFPT_FLOW_MOD] = { session_flow_mod, true },
    [OFPT_PORT_MOD] = { session_port_mod, true },
    [OFPT_STATS_REQUEST] = { session_stats, false },
    [OFPT_BARRIER_REQUEST] = { session_barrier, false },
    [OFPT_QUEUE_GET_CONFIG_REQUEST] = { session_queue_get_config, false },
};

bool
session_is_live(const struct session *s)
{
    return s->featured && !endpoint_is_management(s->endpoint);
}

void
session_hold(struct session *s, bool hold)
{
    if (hold != s->held) {
        s->held = hold;
        (hold ? conn_park : conn_unpark)(s->conn);
    }
}

/* --- what the connection tells ------------------------------------------------------- */

static void
on_ready(void *session_)
{
    struct session *s = session_;
    s->ready = true;
    target_peer(stream_fd(s->stream), s->peer);
    /* Tools come and go at the management socket: that is no news. */
    static struct log_limit limit;
    log_at_limited(&limit, endpoint_is_management(s->endpoint) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
                   "%s: %s: connected with %s", dp_bridge_name(s->agent->bridge),
                   endpoint_name(s->endpoint), s->peer);
    agent_update_miss_mode(s->agent);
}

static void
on_message(void *session_, const struct ofp_header *header, const uint8_t *msg)
{
    struct session *s = session_;
    session_handler *handler = header->type < N_OFP_TYPES ? handlers[header->type].handler : NULL;
    if (!handler) {
        session_refuse(s, header, msg, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE,
                       "a type that a switch does not take");
    } else if (!handlers[header->type].writes || session_may_write(s, header, msg)) {
        handler(s, header, msg);
    }
}

static void
on_slice_end(void *session_)
{
    struct session *s = session_;
    flow_table_settle(s->agent->flows);
}

static void
on_seen(void *session_, bool sent, const uint8_t *msg, size_t size)
{
    struct session *s = session_;
    if (!s->local[0]) {
        target_local(stream_fd(s->stream), s->local);
        target_peer(stream_fd(s->stream), s->peer);
    }
    const struct snooped snooped = {
        .id = s->id,
        .bridge = dp_bridge_name(s->agent->bridge),
        .target = endpoint_name(s->endpoint),
        .peer = s->peer,
        .local = s->local,
        .listener = endpoint_listens(s->endpoint),
        .management = endpoint_is_management(s->endpoint),
    };
    snoop_tell(&snooped, sent, msg, size);
}

/* Takes the session out of the agent; its connection goes on its own. */
static void
detach(struct session *s)
{
    session_finish_flow_mod(s);
    session_barrier_cancel(s);
    session_drop_role(s);
    dump_free(s->dump);
    pktbuf_disown(s->agent->buffers, &s->buffers);
    packet_queue_free(s->packet_ins);
    *s->prev = s->next;
    if (s->next) {
        s->next->prev = s->prev;
    }
}

static void
on_closed(void *session_, const char *why)
{
    struct session *s = session_;
    struct agent *agent = s->agent;
    struct endpoint *endpoint = s->endpoint;
    detach(s);
    endpoint_session_ended(endpoint, s->peer, s->ready, why);
    free(s);
    agent_update_miss_mode(agent);
}

static void
on_room(void *session_)
{
    struct session *s = session_;
    if (packet_queue_len(s->packet_ins)) {
        session_drain(s, clock_ms());
    }
}

static const struct conn_ops conn_ops = {
    .room = on_room,
    .ready = on_ready,
    .message = on_message,
    .slice_end = on_slice_end,
    .seen = on_seen,
    .closed = on_closed,
};

/* --- life ------------------------------------------------------------------------------ */

struct session *
session_new(struct endpoint *endpoint, struct agent *agent, struct stream *stream)
{
    struct session *s = calloc(1, sizeof *s);
    struct packet_queue *packet_ins = s ? packet_queue_new(session_packet_in_dropped, s) : NULL;
    if (!packet_ins) {
        counter_inc(COUNTER_conn_no_memory);
        stream_free(stream);
        free(s);
        return NULL;
    }
    static uint32_t latest_id;
    s->id = ++latest_id;
    s->stream = stream;
    if (stream_state(stream) != STREAM_CONNECTING) {
        target_peer(stream_fd(stream), s->peer);
    }
    s->agent = agent;
    s->endpoint = endpoint;
    s->packet_ins = packet_ins;
    packet_queue_set_rate(packet_ins, agent->config.packet_in_rate, agent->config.packet_in_burst);
    s->miss_send_len = endpoint_is_management(endpoint) ? 0 : AGENT_DEFAULT_MISS_SEND_LEN;
    s->async = nx_async_default;
    s->next = agent->sessions;
    s->prev = &agent->sessions;
    if (s->next) {
        s->next->prev = &s->next;
    }
    agent->sessions = s;
    const struct conn_config config = {
        .name = endpoint_name(endpoint),
        .probe_ms = agent_probe_ms(agent),
        .ops = &conn_ops,
        .aux = s,
    };
    s->conn = conn_new(agent->base, stream, &config);
    if (!s->conn) {
        counter_inc(COUNTER_conn_no_memory);
        detach(s);
        free(s);
        return NULL;
    }
    session_hold(s, flow_emergency_is_clearing(agent->emergency));
    agent_run_within(agent, 250);
    return s;
}

void
session_free(struct session *s)
{
    detach(s);
    conn_free(s->conn);
    free(s);
}

/* --- answers --------------------------------------------------------------------------- */

void
session_reply(struct session *s)
{
    struct writer *w = &s->agent->reply;
    if (w->failed) {
        conn_fail(s->conn, "no memory for a reply");
    } else {
        conn_send(s->conn, w->data, w->size);
    }
    writer_clear(w);
}

void
session_refuse(struct session *s, const struct ofp_header *header, const uint8_t *msg,
               uint16_t type, uint16_t code, const char *why)
{
    const struct ofp_refusal refusal = { type, code, why, 0 };
    conn_send_error(s->conn, &refusal, msg, header->length);
}
