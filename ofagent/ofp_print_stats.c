/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics requests and replies as text. */
#include <inttypes.h>

#include "lib/flow_text.h"
#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"
#include "ofagent/ofp_print.h"
#include "ofagent/ofp_print_internal.h"

static const char *
stats_name(uint16_t type)
{
    static const char *const names[] = {
        [OFPST_DESC] = "DESC", [OFPST_FLOW] = "FLOW", [OFPST_AGGREGATE] = "AGGREGATE",
        [OFPST_TABLE] = "TABLE", [OFPST_PORT] = "PORT", [OFPST_QUEUE] = "QUEUE",
    };
    if (type < sizeof names / sizeof names[0]) {
        return names[type];
    }
    return type == OFPST_VENDOR ? "VENDOR" : "unknown statistics";
}

static void
print_port_and(struct strbuf *out, const char *before, uint16_t port)
{
    strbuf_printf(out, "%s", before);
    ofp_print_port(out, port);
}

void
ofp_print_flow_request(struct strbuf *out, const struct ofp_stats_request *request)
{
    strbuf_printf(out, " table=%u ", request->table_id);
    ofp_print_match(out, &request->match);
    ofp_print_cookie_filter(out, &request->only);
    if (request->out_port != PORT_NONE) {
        print_port_and(out, " out_port=", request->out_port);
    }
}

int
ofp_print_stats_request(struct strbuf *out, const uint8_t *msg, size_t size,
                        struct ofp_refusal *refusal)
{
    struct ofp_stats_request request;
    struct nx_message nx;
    if (ofp_stats_type(msg, size) == OFPST_VENDOR && !nx_decode(msg, size, &nx, refusal)) {
        return nx_print(out, &nx, false, refusal);
    }
    int error = ofp_decode_stats_request(msg, size, &request, refusal);
    if (error) {
        return error;
    }
    strbuf_printf(out, " %s", stats_name(request.type));
    if (request.type == OFPST_FLOW || request.type == OFPST_AGGREGATE) {
        ofp_print_flow_request(out, &request);
    } else if (request.type == OFPST_PORT) {
        print_port_and(out, " port=", request.port_no);
    } else if (request.type == OFPST_QUEUE) {
        print_port_and(out, " port=", request.port_no);
        strbuf_printf(out, " queue=%"PRIu32, request.queue_id);
    }
    return 0;
}

/* Printers of one entry each. 'actions' has room for ACTION_LIST_MAX. */

static int
print_desc(struct strbuf *out, struct reader *r, struct action *actions,
           struct ofp_refusal *refusal)
{
    (void) actions;
    struct ofp_desc_text desc;
    int error = ofp_take_desc(r, &desc, refusal);
    if (!error) {
        const char *const texts[] = { desc.mfr, desc.hw, desc.sw, desc.serial, desc.dp };
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            strbuf_printf(out, i ? " " : "");
            ofp_print_text(out, texts[i]);
        }
    }
    return error;
}

void
ofp_print_flow(struct strbuf *out, const struct ofp_flow_stats *flow)
{
    strbuf_printf(out, "priority=%u ", flow->priority);
    ofp_print_match(out, &flow->match);
    strbuf_printf(out, " cookie=0x%"PRIx64" duration=%"PRIu32".%09"PRIu32"s idle=%u hard=%u"
                  " packets=%"PRIu64" bytes=%"PRIu64, flow->cookie, flow->duration_s,
                  flow->duration_ns, flow->idle_timeout, flow->hard_timeout, flow->packets,
                  flow->bytes);
    if (flow->idle_age_s) {
        strbuf_printf(out, " idle_age=%"PRIu32, flow->idle_age_s);
    }
    if (flow->hard_age_s != flow->duration_s && flow->hard_age_s) {
        strbuf_printf(out, " hard_age=%"PRIu32, flow->hard_age_s);
    }
    ofp_print_actions(out, flow->actions, flow->n_actions);
}

static int
print_flow(struct strbuf *out, struct reader *r, struct action *actions,
           struct ofp_refusal *refusal)
{
    struct ofp_flow_stats flow;
    int error = ofp_take_flow(r, &flow, actions, refusal);
    if (!error) {
        ofp_print_flow(out, &flow);
    }
    return error;
}

void
ofp_print_aggregate(struct strbuf *out, uint64_t packets, uint64_t bytes, uint32_t flows)
{
    strbuf_printf(out, "packets=%"PRIu64" bytes=%"PRIu64" flows=%"PRIu32, packets, bytes, flows);
}

static int
print_aggregate(struct strbuf *out, struct reader *r, struct action *actions,
                struct ofp_refusal *refusal)
{
    (void) actions;
    struct ofp_aggregate_stats aggregate;
    int error = ofp_take_aggregate(r, &aggregate, refusal);
    if (!error) {
        ofp_print_aggregate(out, aggregate.packets, aggregate.bytes, aggregate.flows);
    }
    return error;
}

static int
print_table(struct strbuf *out, struct reader *r, struct action *actions,
            struct ofp_refusal *refusal)
{
    (void) actions;
    struct ofp_table_stats table;
    int error = ofp_take_table(r, &table, refusal);
    if (!error) {
        strbuf_printf(out, "%u ", table.id);
        ofp_print_text(out, table.name);
        strbuf_printf(out, " wildcards=0x%"PRIx32" max=%"PRIu32" active=%"PRIu32
                      " lookups=%"PRIu64" matched=%"PRIu64, table.wildcards, table.max,
                      table.active, table.lookups, table.matched);
    }
    return error;
}

/* A counter, or "?" when the port can't tell. */
static void
print_counter(struct strbuf *out, const char *name, uint64_t value)
{
    if (value == UINT64_MAX) {
        strbuf_printf(out, " %s=?", name);
    } else {
        strbuf_printf(out, " %s=%"PRIu64, name, value);
    }
}

static int
print_port(struct strbuf *out, struct reader *r, struct action *actions,
           struct ofp_refusal *refusal)
{
    (void) actions;
    struct ofp_port_stats port;
    int error = ofp_take_port(r, &port, refusal);
    if (error) {
        return error;
    }
    const struct port_counters *c = &port.counters;
    print_port_and(out, "", port.port_no);
    print_counter(out, "rx_packets", c->rx_packets);
    print_counter(out, "rx_bytes", c->rx_bytes);
    print_counter(out, "rx_dropped", c->rx_dropped);
    print_counter(out, "rx_errors", c->rx_errors);
    print_counter(out, "rx_frame_err", c->rx_frame_err);
    print_counter(out, "rx_over_err", c->rx_over_err);
    print_counter(out, "rx_crc_err", c->rx_crc_err);
    print_counter(out, "tx_packets", c->tx_packets);
    print_counter(out, "tx_bytes", c->tx_bytes);
    print_counter(out, "tx_dropped", c->tx_dropped);
    print_counter(out, "tx_errors", c->tx_errors);
    print_counter(out, "collisions", c->collisions);
    return 0;
}

static int
print_queue(struct strbuf *out, struct reader *r, struct action *actions,
            struct ofp_refusal *refusal)
{
    (void) actions;
    struct ofp_queue_stats queue;
    int error = ofp_take_queue(r, &queue, refusal);
    if (!error) {
        print_port_and(out, "", queue.port_no);
        strbuf_printf(out, " queue %"PRIu32, queue.queue_id);
        print_counter(out, "bytes", queue.bytes);
        print_counter(out, "packets", queue.packets);
        print_counter(out, "errors", queue.errors);
    }
    return error;
}

static int (*const entry_printers[])(struct strbuf *, struct reader *, struct action *actions,
                                     struct ofp_refusal *) = {
    [OFPST_DESC] = print_desc,
    [OFPST_FLOW] = print_flow,
    [OFPST_AGGREGATE] = print_aggregate,
    [OFPST_TABLE] = print_table,
    [OFPST_PORT] = print_port,
    [OFPST_QUEUE] = print_queue,
};

int
ofp_print_stats_reply(struct strbuf *out, const uint8_t *msg, size_t size,
                      struct ofp_refusal *refusal)
{
    struct ofp_stats_part part;
    struct nx_message nx;
    int error = ofp_decode_stats_reply(msg, size, &part, refusal);
    if (error) {
        return error;
    }
    if (part.type == OFPST_VENDOR && !nx_decode(msg, size, &nx, refusal)) {
        strbuf_printf(out, part.more ? " more" : "");
        return nx_print(out, &nx, true, refusal);
    }
    strbuf_printf(out, " %s%s", stats_name(part.type), part.more ? " more" : "");
    if (part.type >= sizeof entry_printers / sizeof entry_printers[0]) {
        strbuf_printf(out, " %zu bytes", reader_left(&part.body));
        return 0;
    }
    struct action actions[ACTION_LIST_MAX];
    for (unsigned n = 0; !error && reader_left(&part.body); n++) {
        if (n == OFP_PRINT_MAX_ENTRIES) {
            strbuf_printf(out, " and %zu bytes of more", reader_left(&part.body));
            break;
        }
        strbuf_printf(out, " [");
        error = entry_printers[part.type](out, &part.body, actions, refusal);
        strbuf_printf(out, "]");
    }
    return error;
}
