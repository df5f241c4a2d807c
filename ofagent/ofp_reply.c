/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of what a switch sends. */
#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"

int
ofp_check_size_from_switch(const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    return of10_check_size(msg, size, OF10_SWITCH, refusal);
}

/* Copies a field of fixed size, which may lack its end, to terminated text. */
static void
get_text(char *out, size_t size, const char *wire)
{
    memcpy(out, wire, size);
    out[size - 1] = '\0';
}

void
of10_decode_phy_port(const struct of10_phy_port *wire, struct port_info *out)
{
    *out = (struct port_info) {
        .port_no = be16_to_host(wire->port_no),
        .config = be32_to_host(wire->config),
        .state = be32_to_host(wire->state),
        .current = be32_to_host(wire->curr),
        .advertised = be32_to_host(wire->advertised),
        .supported = be32_to_host(wire->supported),
        .peer = be32_to_host(wire->peer),
    };
    memcpy(out->hw_addr, wire->hw_addr, sizeof out->hw_addr);
    static_assert(sizeof out->name == sizeof wire->name, "a port's name is as long as on the wire");
    get_text(out->name, sizeof out->name, wire->name);
}

int
ofp_decode_features(const uint8_t *msg, size_t size, struct ofp_features *out,
                    struct reader *ports, struct ofp_refusal *refusal)
{
    struct of10_switch_features wire;
    if (size < sizeof wire || (size - sizeof wire) % sizeof(struct of10_phy_port)) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *out = (struct ofp_features) {
        .datapath_id = be64_to_host(wire.datapath_id),
        .n_buffers = be32_to_host(wire.n_buffers),
        .n_tables = wire.n_tables,
        .capabilities = be32_to_host(wire.capabilities),
        .actions = be32_to_host(wire.actions),
    };
    reader_init(ports, msg + sizeof wire, size - sizeof wire);
    return 0;
}

bool
ofp_take_phy_port(struct reader *ports, struct port_info *out)
{
    struct of10_phy_port wire;
    if (reader_left(ports) < sizeof wire) {
        return false;
    }
    reader_bytes(ports, &wire, sizeof wire);
    of10_decode_phy_port(&wire, out);
    return true;
}

int
ofp_decode_packet_in(const uint8_t *msg, size_t size, struct ofp_packet_in *out,
                     struct ofp_refusal *refusal)
{
    struct of10_packet_in wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *out = (struct ofp_packet_in) {
        .buffer_id = be32_to_host(wire.buffer_id),
        .total_len = be16_to_host(wire.total_len),
        .in_port = be16_to_host(wire.in_port),
        .reason = wire.reason,
        .cookie = OFP_NO_COOKIE,
        .data = msg + sizeof wire,
        .data_size = (uint32_t) (size - sizeof wire),
    };
    return 0;
}

int
ofp_decode_flow_removed(const uint8_t *msg, size_t size, struct ofp_flow_removed *out,
                        struct ofp_refusal *refusal)
{
    struct of10_flow_removed wire;
    if (size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *out = (struct ofp_flow_removed) {
        .cookie = be64_to_host(wire.cookie),
        .packets = be64_to_host(wire.packet_count),
        .bytes = be64_to_host(wire.byte_count),
        .priority = be16_to_host(wire.priority),
        .idle_timeout = be16_to_host(wire.idle_timeout),
        .reason = wire.reason,
        .duration_s = be32_to_host(wire.duration_sec),
        .duration_ns = be32_to_host(wire.duration_nsec),
    };
    of10_decode_match(&wire.match, &out->match);
    return 0;
}

int
ofp_decode_port_status(const uint8_t *msg, size_t size, uint8_t *reason, struct port_info *out,
                       struct ofp_refusal *refusal)
{
    struct of10_port_status wire;
    if (size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *reason = wire.reason;
    of10_decode_phy_port(&wire.desc, out);
    return 0;
}

int
ofp_decode_stats_reply(const uint8_t *msg, size_t size, struct ofp_stats_part *out,
                       struct ofp_refusal *refusal)
{
    struct of10_stats wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    out->type = be16_to_host(wire.type);
    out->more = be16_to_host(wire.flags) & OFPSF_REPLY_MORE;
    reader_init(&out->body, msg + sizeof wire, size - sizeof wire);
    return 0;
}

/* Takes 'size' bytes to 'entry'; refuses if there are fewer. */
static int
take(struct reader *r, void *entry, size_t size, struct ofp_refusal *refusal)
{
    if (reader_left(r) < size) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                          "an entry reaches past the end of its message");
    }
    reader_bytes(r, entry, size);
    return 0;
}

int
ofp_take_desc(struct reader *r, struct ofp_desc_text *out, struct ofp_refusal *refusal)
{
    struct of10_desc_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (error) {
        return error;
    }
    get_text(out->mfr, sizeof out->mfr, wire.mfr_desc);
    get_text(out->hw, sizeof out->hw, wire.hw_desc);
    get_text(out->sw, sizeof out->sw, wire.sw_desc);
    get_text(out->serial, sizeof out->serial, wire.serial_num);
    get_text(out->dp, sizeof out->dp, wire.dp_desc);
    return 0;
}

int
ofp_take_flow(struct reader *r, struct ofp_flow_stats *out, struct action *actions,
              struct ofp_refusal *refusal)
{
    struct of10_flow_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (error) {
        return error;
    }
    size_t size = be16_to_host(wire.length);
    if (size < sizeof wire || size - sizeof wire > reader_left(r)) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                          "a flow's length is not that of its contents");
    }
    *out = (struct ofp_flow_stats) {
        .table_id = wire.table_id,
        .cookie = be64_to_host(wire.cookie),
        .packets = be64_to_host(wire.packet_count),
        .bytes = be64_to_host(wire.byte_count),
        .duration_s = be32_to_host(wire.duration_sec),
        .duration_ns = be32_to_host(wire.duration_nsec),
        .priority = be16_to_host(wire.priority),
        .idle_timeout = be16_to_host(wire.idle_timeout),
        .hard_timeout = be16_to_host(wire.hard_timeout),
        .actions = actions,
    };
    of10_decode_match(&wire.match, &out->match);
    struct reader list = reader_sub(r, size - sizeof wire);
    return of10_decode_actions(list.p, reader_left(&list), OF10_IN_FLOW, actions,
                               &out->n_actions, refusal);
}

int
ofp_take_aggregate(struct reader *r, struct ofp_aggregate_stats *out, struct ofp_refusal *refusal)
{
    struct of10_aggregate_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (!error) {
        out->packets = be64_to_host(wire.packet_count);
        out->bytes = be64_to_host(wire.byte_count);
        out->flows = be32_to_host(wire.flow_count);
    }
    return error;
}

int
ofp_take_table(struct reader *r, struct ofp_table_stats *out, struct ofp_refusal *refusal)
{
    struct of10_table_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (error) {
        return error;
    }
    out->id = wire.table_id;
    get_text(out->name, sizeof out->name, wire.name);
    out->wildcards = be32_to_host(wire.wildcards);
    out->max = be32_to_host(wire.max_entries);
    out->active = be32_to_host(wire.active_count);
    out->lookups = be64_to_host(wire.lookup_count);
    out->matched = be64_to_host(wire.matched_count);
    return 0;
}

int
ofp_take_port(struct reader *r, struct ofp_port_stats *out, struct ofp_refusal *refusal)
{
    struct of10_port_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (error) {
        return error;
    }
    out->port_no = be16_to_host(wire.port_no);
    out->counters = (struct port_counters) {
        .rx_packets = be64_to_host(wire.rx_packets),
        .tx_packets = be64_to_host(wire.tx_packets),
        .rx_bytes = be64_to_host(wire.rx_bytes),
        .tx_bytes = be64_to_host(wire.tx_bytes),
        .rx_dropped = be64_to_host(wire.rx_dropped),
        .tx_dropped = be64_to_host(wire.tx_dropped),
        .rx_errors = be64_to_host(wire.rx_errors),
        .tx_errors = be64_to_host(wire.tx_errors),
        .rx_frame_err = be64_to_host(wire.rx_frame_err),
        .rx_over_err = be64_to_host(wire.rx_over_err),
        .rx_crc_err = be64_to_host(wire.rx_crc_err),
        .collisions = be64_to_host(wire.collisions),
    };
    return 0;
}

int
ofp_take_queue(struct reader *r, struct ofp_queue_stats *out, struct ofp_refusal *refusal)
{
    struct of10_queue_stats wire;
    int error = take(r, &wire, sizeof wire, refusal);
    if (!error) {
        out->port_no = be16_to_host(wire.port_no);
        out->queue_id = be32_to_host(wire.queue_id);
        out->bytes = be64_to_host(wire.tx_bytes);
        out->packets = be64_to_host(wire.tx_packets);
        out->errors = be64_to_host(wire.tx_errors);
    }
    return error;
}

int
ofp_decode_queue_config(const uint8_t *msg, size_t size, uint16_t *port_no,
                        struct reader *queues, struct ofp_refusal *refusal)
{
    struct of10_queue_config_reply wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *port_no = be16_to_host(wire.port);
    reader_init(queues, msg + sizeof wire, size - sizeof wire);
    return 0;
}

static int
refuse_queue(struct ofp_refusal *refusal)
{
    return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                      "a queue's or a property's length is not that of its contents");
}

static int
take_queue_property(struct reader *props, struct ofp_queue *out, struct ofp_refusal *refusal)
{
    struct of10_queue_prop_min_rate wire;
    int error = take(props, &wire.prop, sizeof wire.prop, refusal);
    if (error) {
        return error;
    }
    size_t size = be16_to_host(wire.prop.len);
    if (size < sizeof wire.prop || size - sizeof wire.prop > reader_left(props)) {
        return refuse_queue(refusal);
    }
    struct reader value = reader_sub(props, size - sizeof wire.prop);
    if (be16_to_host(wire.prop.property) == OF10_QUEUE_PROP_MIN_RATE) {
        out->min_rate = reader_u16(&value);
        return value.failed ? refuse_queue(refusal) : 0;
    }
    return 0;
}

int
ofp_take_queue_config(struct reader *queues, struct ofp_queue *out, struct ofp_refusal *refusal)
{
    struct of10_packet_queue wire;
    int error = take(queues, &wire, sizeof wire, refusal);
    if (error) {
        return error;
    }
    size_t size = be16_to_host(wire.len);
    if (size < sizeof wire || size - sizeof wire > reader_left(queues)) {
        return refuse_queue(refusal);
    }
    *out = (struct ofp_queue) {
        .queue_id = be32_to_host(wire.queue_id),
        .min_rate = OFP_MIN_RATE_NONE,
    };
    struct reader props = reader_sub(queues, size - sizeof wire);
    while (!error && reader_left(&props)) {
        error = take_queue_property(&props, out, refusal);
    }
    return error;
}
