/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders of what a controller sends. */
#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"

void
ofp_encode_set_config(struct writer *w, uint32_t xid, const struct ofp_switch_config *config)
{
    struct of10_switch_config wire = {
        .header = of10_header(OFPT_SET_CONFIG, sizeof wire, xid),
        .flags = be16_from_host(config->flags),
        .miss_send_len = be16_from_host(config->miss_send_len),
    };
    writer_bytes(w, &wire, sizeof wire);
}

static void
put_actions(struct writer *w, const struct action *actions, uint32_t n_actions, size_t size)
{
    uint8_t *out = writer_reserve(w, size);
    if (out) {
        of10_encode_actions(actions, n_actions, out);
    }
}

void
ofp_encode_flow_mod(struct writer *w, uint32_t xid, const struct ofp_flow_mod *mod)
{
    size_t actions_size = of10_actions_size(mod->actions, mod->n_actions);
    struct of10_flow_mod wire = {
        .header = of10_header(OFPT_FLOW_MOD, sizeof wire + actions_size, xid),
        .cookie = be64_from_host(mod->cookie),
        .command = be16_from_host(mod->command),
        .idle_timeout = be16_from_host(mod->idle_timeout),
        .hard_timeout = be16_from_host(mod->hard_timeout),
        .priority = be16_from_host(mod->priority),
        .buffer_id = be32_from_host(mod->buffer_id),
        .out_port = be16_from_host(mod->out_port),
        .flags = be16_from_host(mod->flags),
    };
    of10_encode_match(&mod->match, &wire.match);
    writer_bytes(w, &wire, sizeof wire);
    put_actions(w, mod->actions, mod->n_actions, actions_size);
}

void
ofp_encode_packet_out(struct writer *w, uint32_t xid, const struct ofp_packet_out *out)
{
    size_t actions_size = of10_actions_size(out->actions, out->n_actions);
    size_t room = OFP_MAX_SIZE - sizeof(struct of10_packet_out) - actions_size;
    size_t data_size = out->data_size < room ? out->data_size : room;
    struct of10_packet_out wire = {
        .header = of10_header(OFPT_PACKET_OUT, sizeof wire + actions_size + data_size, xid),
        .buffer_id = be32_from_host(out->buffer_id),
        .in_port = be16_from_host(out->in_port),
        .actions_len = be16_from_host((uint16_t) actions_size),
    };
    writer_bytes(w, &wire, sizeof wire);
    put_actions(w, out->actions, out->n_actions, actions_size);
    writer_bytes(w, out->data, data_size);
}

void
ofp_encode_port_mod(struct writer *w, uint32_t xid, const struct ofp_port_mod *mod)
{
    struct of10_port_mod wire = {
        .header = of10_header(OFPT_PORT_MOD, sizeof wire, xid),
        .port_no = be16_from_host(mod->port_no),
        .config = be32_from_host(mod->config),
        .mask = be32_from_host(mod->mask),
        .advertise = be32_from_host(mod->advertise),
    };
    memcpy(wire.hw_addr, mod->hw_addr, sizeof wire.hw_addr);
    writer_bytes(w, &wire, sizeof wire);
}

/* Appends the body that the type has. */
static void
put_stats_request_body(struct writer *w, const struct ofp_stats_request *request)
{
    if (request->type == OFPST_FLOW || request->type == OFPST_AGGREGATE) {
        struct of10_flow_stats_request body = {
            .table_id = request->table_id,
            .out_port = be16_from_host(request->out_port),
        };
        of10_encode_match(&request->match, &body.match);
        writer_bytes(w, &body, sizeof body);
    } else if (request->type == OFPST_PORT) {
        struct of10_port_stats_request body = { .port_no = be16_from_host(request->port_no) };
        writer_bytes(w, &body, sizeof body);
    } else if (request->type == OFPST_QUEUE) {
        struct of10_queue_stats_request body = {
            .port_no = be16_from_host(request->port_no),
            .queue_id = be32_from_host(request->queue_id),
        };
        writer_bytes(w, &body, sizeof body);
    }
}

void
ofp_encode_stats_request(struct writer *w, uint32_t xid, const struct ofp_stats_request *request)
{
    size_t begin = w->size;
    struct of10_stats wire = {
        .header = of10_header(OFPT_STATS_REQUEST, sizeof wire, xid),
        .type = be16_from_host(request->type),
    };
    writer_bytes(w, &wire, sizeof wire);
    put_stats_request_body(w, request);
    ofp_end(w, begin);
}

void
ofp_encode_queue_get_config(struct writer *w, uint32_t xid, uint16_t port_no)
{
    struct of10_queue_config_request wire = {
        .header = of10_header(OFPT_QUEUE_GET_CONFIG_REQUEST, sizeof wire, xid),
        .port = be16_from_host(port_no),
    };
    writer_bytes(w, &wire, sizeof wire);
}
