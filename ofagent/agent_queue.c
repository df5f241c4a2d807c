/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: QUEUE_GET_CONFIG, their statistics, and whether an ENQUEUE can be done. */
#include "ofagent/agent_private.h"

static int
refuse(struct ofp_refusal *refusal, uint16_t type, uint16_t code, const char *why)
{
    *refusal = (struct ofp_refusal) { type, code, why };
    return OFP_REFUSED;
}

/* A port that is there and may have queues: not LOCAL, which is the host's. */
static bool
has_port(const struct agent *agent, uint16_t port_no)
{
    struct port_info info;
    return port_no < PORT_MAX && dp_port_get(agent->bridge, port_no, &info);
}

int
agent_check_enqueue(const struct agent *agent, const struct action *action, uint16_t in_port,
                    struct ofp_refusal *refusal)
{
    uint16_t port_no = action->enqueue.port;
    uint32_t id = (uint32_t) action->enqueue.queue_hi << 16 | action->enqueue.queue_lo;
    if (port_no == PORT_IN_PORT) {
        /* What it stands for is known only if the flow is about one port. */
        port_no = in_port;
    } else if (!has_port(agent, port_no)) {
        return refuse(refusal, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT,
                      "ENQUEUE to a port that is not there");
    }
    if (!dp_queue_exists(agent->bridge, port_no, id)) {
        return refuse(refusal, OFPET_BAD_ACTION, OFPBAC_BAD_QUEUE,
                      "ENQUEUE to a queue that the port does not have");
    }
    return 0;
}

/* --- QUEUE_GET_CONFIG ------------------------------------------------------------------ */

struct queue_config {
    struct writer *w;
    size_t begin;
    uint64_t speed;             /* of the port, bit/s; 0: not known */
};

/* A rate in tenths of a per cent of the port's speed. What is less than half of one is told as
 * one: none at all would say that nothing is for sure. */
static uint16_t
tenths(uint64_t rate, uint64_t speed)
{
    if (!rate || !speed) {
        return OFP_MIN_RATE_NONE;
    }
    double x = (double) rate * 1000 / (double) speed + 0.5;
    return x < 1 ? 1 : x >= 1000 ? 1000 : (uint16_t) x;
}

static void
put_config(const struct dp_queue_info *info, void *aux)
{
    struct queue_config *reply = aux;
    const struct ofp_queue queue = {
        .queue_id = info->config.id,
        .min_rate = tenths(info->config.min_rate, reply->speed),
    };
    ofp_put_queue_config(reply->w, reply->begin, &queue);
}

void
session_queue_get_config(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct dp_bridge *bridge = s->agent->bridge;
    struct ofp_refusal refusal;
    struct port_info info;
    uint16_t port_no;
    if (ofp_decode_queue_get_config(msg, header->length, &port_no, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    if (!has_port(s->agent, port_no) || !dp_port_get(bridge, port_no, &info)) {
        session_refuse(s, header, msg, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT,
                       "the port is not there, or not one that can have queues");
        return;
    }
    struct queue_config reply = {
        .w = &s->agent->reply,
        .speed = info.speed_mbps * UINT64_C(1000000),
    };
    reply.begin = ofp_begin_queue_config(reply.w, header->xid, port_no);
    dp_queue_for_each(bridge, port_no, false, put_config, &reply);
    ofp_end(reply.w, reply.begin);
    session_reply(s);
}

/* --- statistics -------------------------------------------------------------------------- */

int
queue_stats_check(const struct session *s, const struct ofp_stats_request *request,
                  struct ofp_refusal *refusal)
{
    bool all_ports = request->port_no == PORT_ALL;
    if (!all_ports && !has_port(s->agent, request->port_no)) {
        return refuse(refusal, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_PORT,
                      "the port is not there, or not one that can have queues");
    }
    if (request->queue_id != DP_QUEUE_ALL
        && !dp_queue_exists(s->agent->bridge, all_ports ? 0 : request->port_no,
                            request->queue_id)) {
        return refuse(refusal, OFPET_QUEUE_OP_FAILED, OFPQOFC_BAD_QUEUE,
                      all_ports ? "no port has the queue" : "the port does not have the queue");
    }
    return 0;
}

struct put {
    const struct session *session;
    struct ofp_stats_reply *reply;
    const struct ofp_stats_request *request;
    uint16_t port_no;
};

static void
put_stats(const struct dp_queue_info *info, void *aux)
{
    const struct put *put = aux;
    if (put->request->queue_id == DP_QUEUE_ALL || put->request->queue_id == info->config.id) {
        const struct ofp_queue_stats entry = {
            .port_no = put->port_no,
            .queue_id = info->config.id,
            .bytes = info->stats.tx_bytes,
            .packets = info->stats.tx_packets,
            .errors = info->stats.tx_errors,
        };
        ofp_put_queue(put->reply, &entry);
    }
}

static bool
put_port(const struct port_info *info, void *aux)
{
    struct put *put = aux;
    const struct ofp_stats_request *request = put->request;
    struct dp_bridge *bridge = put->session->agent->bridge;
    if ((request->port_no == PORT_ALL || request->port_no == info->port_no)
        && (request->queue_id == DP_QUEUE_ALL
            || dp_queue_exists(bridge, info->port_no, request->queue_id))) {
        put->port_no = info->port_no;
        dp_queue_for_each(bridge, info->port_no, true, put_stats, put);
    }
    return true;
}

void
queue_stats_put(const struct session *s, struct ofp_stats_reply *reply,
                const struct ofp_stats_request *request)
{
    struct put put = { s, reply, request, 0 };
    dp_port_for_each(s->agent->bridge, put_port, &put);
}
