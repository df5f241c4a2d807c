/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics. What can be long (FLOW, AGGREGATE) is made step by step, as the controller
 * takes it. */
#include <stdlib.h>

#include "config.h"
#include "lib/clock.h"
#include "ofagent/agent_private.h"
#include "ofagent/nicira.h"

/* Flows that one step looks at, and the messages that it counts as. */
enum { STEP_FLOWS = 256, STEP_COST = 32 };

#define NS_PER_S UINT64_C(1000000000)

enum { TABLE_ALL = 0xff, TABLE_EMERGENCY = 0xfe };

/* Every wildcard there is: what this table can leave out of a match. */
enum { WILDCARDS_ALL = (1 << 22) - 1 };

/* --- FLOW and AGGREGATE --------------------------------------------------------------- */

struct dump {
    struct session *session;
    struct flow_table *table;
    struct flow_cursor cursor;
    struct ofp_cookie_filter only;
    struct writer out;
    struct ofp_stats_reply reply;
    bool aggregate;                  /* else FLOW */
    void (*put_flow)(struct ofp_stats_reply *, const struct ofp_flow_stats *);
    uint64_t now_ns;                 /* of the step */
    uint64_t packets, bytes;
    uint32_t flows;
};

void
dump_free(struct dump *d)
{
    if (d) {
        flow_cursor_close(&d->cursor);
        writer_fini(&d->out);
        free(d);
    }
}

static void
put_flow(struct dump *d, const struct flow *flow, const struct flow_stats *stats)
{
    const struct action_list *actions = flow_actions(flow);
    struct ofp_flow_stats entry = {
        .table_id = d->table == d->session->agent->flows ? 0 : TABLE_EMERGENCY,
        .cookie = flow->cookie,
        .packets = stats->packets,
        .bytes = stats->bytes,
        .duration_s = (uint32_t) (stats->duration_ns / NS_PER_S),
        .duration_ns = (uint32_t) (stats->duration_ns % NS_PER_S),
        .priority = flow->priority,
        .idle_timeout = flow->idle_timeout,
        .hard_timeout = flow->hard_timeout,
        .idle_age_s = (uint32_t) (stats->idle_ms / 1000),
        .hard_age_s = (uint32_t) (stats->unchanged_ms / 1000),
        .actions = actions->actions,
        .n_actions = actions->len,
    };
    flow_get_match(d->table, flow, &entry.match);
    d->put_flow(&d->reply, &entry);
}

static bool
put(const struct flow *flow, void *dump_)
{
    struct dump *d = dump_;
    struct flow_stats stats;
    if (!ofp_cookie_fits(&d->only, flow->cookie)) {
        return true;
    }
    flow_get_stats_at(flow, d->now_ns, &stats);
    if (!d->aggregate) {
        put_flow(d, flow, &stats);
        return true;
    }
    d->packets += stats.packets;
    d->bytes += stats.bytes;
    d->flows++;
    return true;
}

/* Sends the whole messages that there are. */
static void
send_parts(struct dump *d)
{
    if (d->out.failed) {
        conn_fail(d->session->conn, "no memory for statistics");
    } else if (d->reply.begin) {
        conn_send(d->session->conn, d->out.data, d->reply.begin);
        ofp_stats_flush(&d->reply);
    }
}

static void
finish(struct dump *d)
{
    struct session *s = d->session;
    if (d->aggregate) {
        ofp_put_aggregate(&d->reply, d->packets, d->bytes, d->flows);
    }
    ofp_stats_end(&d->reply);
    if (d->out.failed) {
        conn_fail(s->conn, "no memory for statistics");
    } else {
        conn_send(s->conn, d->out.data, d->out.size);
    }
    s->dump = NULL;
    dump_free(d);
}

static bool
step(void *dump_)
{
    struct dump *d = dump_;
    uint32_t budget = STEP_FLOWS;
    struct flow *flow;
    d->now_ns = clock_ns();
    while ((flow = flow_cursor_next(d->table, &d->cursor, &budget))) {
        put(flow, d);
    }
    if (!budget) {
        send_parts(d);
        return false;
    }
    finish(d);
    return true;
}

/* Begins the reply in the dialect of the request. */
static void
begin_reply(struct dump *d, uint32_t xid, const struct ofp_stats_request *request, bool nxm)
{
    writer_init(&d->out);
    d->only = request->only;
    d->aggregate = request->type == OFPST_AGGREGATE;
    if (nxm) {
        d->put_flow = nx_put_flow;
        nx_stats_begin(&d->reply, &d->out, xid, d->aggregate ? NXST_AGGREGATE : NXST_FLOW);
    } else {
        d->put_flow = ofp_put_flow;
        ofp_stats_begin(&d->reply, &d->out, xid, request->type);
    }
}

static void
flow_stats(struct session *s, const struct ofp_header *header,
           const struct ofp_stats_request *request, bool nxm)
{
    bool emergency = request->table_id == TABLE_EMERGENCY;
    struct flow_table *ft = emergency ? s->agent->emergency : s->agent->flows;
    struct dump *d = calloc(1, sizeof *d);
    if (!d) {
        conn_fail(s->conn, "no memory for statistics");
        return;
    }
    d->session = s;
    d->table = ft;
    begin_reply(d, header->xid, request, nxm);
    flow_cursor_open(ft, &d->cursor, &request->match, request->out_port);
    s->dump = d;
    bool here = request->table_id == 0 || request->table_id == TABLE_ALL || emergency;
    if (here && !request->match.exact) {
        conn_set_job(s->conn, STEP_COST, step, d);
        return;
    }
    if (here) {
        /* One flow at most: found by its key. */
        d->now_ns = clock_ns();
        flow_table_for_each(ft, &request->match, request->out_port, put, d);
    }
    finish(d);
}

void
session_nx_flow_stats(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                      const struct nx_message *nx)
{
    struct ofp_stats_request request;
    struct ofp_refusal refusal;
    if (nx_decode_flow_request(nx, &request, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
    } else {
        flow_stats(s, header, &request, true);
    }
}

/* --- the short ones ---------------------------------------------------------------------- */

static void
desc_stats(struct session *s, struct ofp_stats_reply *reply)
{
    const struct ofp_desc desc = {
        .mfr = "Turnout",
        .hw = "software datapath",
        .sw = PACKAGE_STRING,
        .serial = "None",
        .dp = dp_bridge_name(s->agent->bridge),
    };
    ofp_put_desc(reply, &desc);
}

static void
table_stats(struct session *s, struct ofp_stats_reply *reply)
{
    struct dp_bridge_stats stats;
    const struct flow_table *ft = s->agent->flows;
    dp_bridge_get_stats(s->agent->bridge, &stats);
    ofp_put_table(reply, 0, "classifier", WILDCARDS_ALL, flow_table_max(ft),
                  (uint32_t) flow_table_count(ft), stats.lookups, stats.matched);
    /* No packet is looked up there: its flows act in the other one. */
    ft = s->agent->emergency;
    ofp_put_table(reply, TABLE_EMERGENCY, "emergency", WILDCARDS_ALL, flow_table_max(ft),
                  (uint32_t) flow_table_count(ft), 0, 0);
}

struct port_stats {
    struct session *session;
    struct ofp_stats_reply *reply;
};

static bool
put_port(const struct port_info *info, void *aux)
{
    struct port_stats *ps = aux;
    struct port_counters counters;
    if (dp_port_get_counters(ps->session->agent->bridge, info->port_no, &counters)) {
        ofp_put_port(ps->reply, info->port_no, &counters);
    }
    return true;
}

/* A port that is not there gives an empty reply: 1.0 has no error for it. */
static void
port_stats(struct session *s, struct ofp_stats_reply *reply, uint16_t port_no)
{
    struct port_stats ps = { s, reply };
    struct port_info info;
    if (port_no == PORT_NONE) {
        dp_port_for_each(s->agent->bridge, put_port, &ps);
    } else if (dp_port_get(s->agent->bridge, port_no, &info)) {
        put_port(&info, &ps);
    }
}

void
session_stats(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct ofp_stats_request request;
    struct ofp_refusal refusal;
    if (ofp_stats_type(msg, header->length) == OFPST_VENDOR) {
        session_vendor(s, header, msg);
        return;
    }
    if (ofp_decode_stats_request(msg, header->length, &request, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    if (request.type == OFPST_FLOW || request.type == OFPST_AGGREGATE) {
        flow_stats(s, header, &request, false);
        return;
    }
    if (request.type == OFPST_QUEUE && queue_stats_check(s, &request, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &s->agent->reply, header->xid, request.type);
    switch (request.type) {
    case OFPST_DESC:
        desc_stats(s, &reply);
        break;
    case OFPST_TABLE:
        table_stats(s, &reply);
        break;
    case OFPST_PORT:
        port_stats(s, &reply, request.port_no);
        break;
    case OFPST_QUEUE:
        queue_stats_put(s, &reply, &request);
        break;
    default: /* the decoder refuses others */
        break;
    }
    ofp_stats_end(&reply);
    session_reply(s);
}
