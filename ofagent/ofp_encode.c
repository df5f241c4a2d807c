/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders of what a switch sends, statistics (ofp_stats.c) and errors (ofp_errors.c)
 * apart. */
#include "lib/counters.h"
#include "ofagent/nicira.h"
#include "ofagent/ofp_internal.h"

void
of10_encode_phy_port(const struct port_info *port, struct of10_phy_port *wire)
{
    *wire = (struct of10_phy_port) {
        .port_no = be16_from_host(port->port_no),
        .config = be32_from_host(port->config),
        .state = be32_from_host(port->state),
        .curr = be32_from_host(port->current),
        .advertised = be32_from_host(port->advertised),
        .supported = be32_from_host(port->supported),
        .peer = be32_from_host(port->peer),
    };
    memcpy(wire->hw_addr, port->hw_addr, sizeof wire->hw_addr);
    of10_put_text(wire->name, sizeof wire->name, port->name);
}

void
ofp_end(struct writer *w, size_t begin)
{
    writer_patch_u16(w, begin + offsetof(struct of10_header, length),
                     (uint16_t) (w->size - begin));
}

size_t
ofp_begin_features(struct writer *w, uint32_t xid, const struct ofp_features *features)
{
    size_t begin = w->size;
    struct of10_switch_features wire = {
        .header = of10_header(OFPT_FEATURES_REPLY, sizeof wire, xid),
        .datapath_id = be64_from_host(features->datapath_id),
        .n_buffers = be32_from_host(features->n_buffers),
        .n_tables = features->n_tables,
        .capabilities = be32_from_host(features->capabilities),
        .actions = be32_from_host(features->actions),
    };
    writer_bytes(w, &wire, sizeof wire);
    return begin;
}

/* True if the message that began at 'begin' has room for 'size' bytes more. */
static bool
has_room(const struct writer *w, size_t begin, size_t size)
{
    return w->size - begin + size <= OFP_MAX_SIZE;
}

bool
ofp_put_phy_port(struct writer *w, size_t begin, const struct port_info *port)
{
    struct of10_phy_port wire;
    if (!has_room(w, begin, sizeof wire)) {
        counter_inc(COUNTER_openflow_features_ports_left_out);
        return false;
    }
    of10_encode_phy_port(port, &wire);
    writer_bytes(w, &wire, sizeof wire);
    return true;
}

void
ofp_encode_config(struct writer *w, uint32_t xid, const struct ofp_switch_config *config)
{
    struct of10_switch_config wire = {
        .header = of10_header(OFPT_GET_CONFIG_REPLY, sizeof wire, xid),
        .flags = be16_from_host(config->flags),
        .miss_send_len = be16_from_host(config->miss_send_len),
    };
    writer_bytes(w, &wire, sizeof wire);
}

void
ofp_encode_packet_in(struct writer *w, const struct ofp_packet_in *in)
{
    size_t data_size = in->data_size;
    if (data_size > OFP_PACKET_IN_MAX) {
        data_size = OFP_PACKET_IN_MAX;
        counter_inc(COUNTER_openflow_packet_in_cut);
    }
    struct of10_packet_in wire = {
        /* Nobody asked for it, so it has no transaction. */
        .header = of10_header(OFPT_PACKET_IN, sizeof wire + data_size, 0),
        .buffer_id = be32_from_host(in->buffer_id),
        .total_len = be16_from_host(in->total_len),
        .in_port = be16_from_host(in->in_port),
        .reason = in->reason,
    };
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, in->data, data_size);
}

uint8_t
ofp_packet_in_reason(const uint8_t *msg, size_t size)
{
    size_t at = msg[offsetof(struct of10_header, type)] == OFPT_PACKET_IN
                ? offsetof(struct of10_packet_in, reason)
                : sizeof(struct nicira_header) + offsetof(struct nicira_packet_in, reason);
    return at < size ? msg[at] : OFPR_NO_MATCH;
}

void
ofp_encode_flow_removed(struct writer *w, const struct ofp_flow_removed *removed)
{
    struct of10_flow_removed wire = {
        .header = of10_header(OFPT_FLOW_REMOVED, sizeof wire, 0),
        .cookie = be64_from_host(removed->cookie),
        .priority = be16_from_host(removed->priority),
        .reason = removed->reason,
        .duration_sec = be32_from_host(removed->duration_s),
        .duration_nsec = be32_from_host(removed->duration_ns),
        .idle_timeout = be16_from_host(removed->idle_timeout),
        .packet_count = be64_from_host(removed->packets),
        .byte_count = be64_from_host(removed->bytes),
    };
    of10_encode_match(&removed->match, &wire.match);
    if (of10_match_is_wider(&wire.match, &removed->match)) {
        counter_inc(COUNTER_openflow_match_widened);
    }
    writer_bytes(w, &wire, sizeof wire);
}

void
ofp_encode_port_status(struct writer *w, uint8_t reason, const struct port_info *port)
{
    struct of10_port_status wire = {
        .header = of10_header(OFPT_PORT_STATUS, sizeof wire, 0),
        .reason = reason,
    };
    of10_encode_phy_port(port, &wire.desc);
    writer_bytes(w, &wire, sizeof wire);
}

size_t
ofp_begin_queue_config(struct writer *w, uint32_t xid, uint16_t port_no)
{
    size_t begin = w->size;
    struct of10_queue_config_reply wire = {
        .header = of10_header(OFPT_QUEUE_GET_CONFIG_REPLY, sizeof wire, xid),
        .port = be16_from_host(port_no),
    };
    writer_bytes(w, &wire, sizeof wire);
    return begin;
}

bool
ofp_put_queue_config(struct writer *w, size_t begin, const struct ofp_queue *queue)
{
    struct of10_queue_prop_min_rate min_rate = {
        .prop.property = be16_from_host(OF10_QUEUE_PROP_MIN_RATE),
        .prop.len = be16_from_host(sizeof min_rate),
        .rate = be16_from_host(queue->min_rate),
    };
    size_t props_size = queue->min_rate == OFP_MIN_RATE_NONE ? 0 : sizeof min_rate;
    struct of10_packet_queue wire = {
        .queue_id = be32_from_host(queue->queue_id),
        .len = be16_from_host((uint16_t) (sizeof wire + props_size)),
    };
    if (!has_room(w, begin, sizeof wire + props_size)) {
        counter_inc(COUNTER_openflow_queues_left_out);
        return false;
    }
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, &min_rate, props_size);
    return true;
}
