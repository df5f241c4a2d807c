/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of what a controller sends. */
#include "ofagent/ofp_internal.h"

int
ofp_decode_set_config(const uint8_t *msg, size_t size, struct ofp_switch_config *out,
                      struct ofp_refusal *refusal)
{
    struct of10_switch_config wire;
    if (size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    out->flags = be16_to_host(wire.flags) & (OFPC_FRAG_MASK | OFPC_INVALID_TTL_TO_CONTROLLER);
    out->miss_send_len = be16_to_host(wire.miss_send_len);
    return 0;
}

static void
decode_flow_mod_fixed(const struct of10_flow_mod *wire, struct ofp_flow_mod *out)
{
    of10_decode_match(&wire->match, &out->match);
    out->cookie = be64_to_host(wire->cookie);
    out->command = be16_to_host(wire->command);
    out->idle_timeout = be16_to_host(wire->idle_timeout);
    out->hard_timeout = be16_to_host(wire->hard_timeout);
    out->priority = be16_to_host(wire->priority);
    out->buffer_id = be32_to_host(wire->buffer_id);
    out->out_port = be16_to_host(wire->out_port);
    out->flags = be16_to_host(wire->flags);
    out->nxm = false;
    out->only = (struct ofp_cookie_filter) { 0, 0 };
}

int
of10_check_flow_mod(const struct ofp_flow_mod *mod, struct ofp_refusal *refusal)
{
    if (mod->command > OFPFC_DELETE_STRICT) {
        return ofp_refuse(refusal, OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND,
                          "unknown FLOW_MOD command");
    }
    if (mod->command >= OFPFC_DELETE) {
        return 0;
    }
    /* A flag that we don't know could change what the flow means. */
    if (mod->flags & ~(OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF_EMERG)) {
        if (mod->nxm) {
            return nx_refuse(refusal, OFPET_FLOW_MOD_FAILED, NXFMFC_BAD_FLAGS,
                             "unknown NXT_FLOW_MOD flag");
        }
        return ofp_refuse(refusal, OFPET_FLOW_MOD_FAILED, OFPFMFC_UNSUPPORTED,
                          "unknown FLOW_MOD flag");
    }
    if (mod->flags & OFPFF_EMERG && (mod->idle_timeout || mod->hard_timeout)) {
        return ofp_refuse(refusal, OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_EMERG_TIMEOUT,
                          "emergency flow with a time-out");
    }
    return 0;
}

int
of10_take_table_id(uint16_t *command, struct ofp_refusal *refusal)
{
    enum { TABLE_ANY = 0xff };
    unsigned table = *command >> 8;
    if (table && table != TABLE_ANY) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_BAD_TABLE_ID,
                         "FLOW_MOD for a table that is not there");
    }
    *command &= 0xff;
    return 0;
}

static int
decode_flow_mod(const uint8_t *msg, size_t size, bool has_table_id, struct ofp_flow_mod *out,
                struct ofp_refusal *refusal)
{
    struct of10_flow_mod wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    decode_flow_mod_fixed(&wire, out);
    int error = has_table_id ? of10_take_table_id(&out->command, refusal) : 0;
    if (!error) {
        error = of10_check_flow_mod(out, refusal);
    }
    if (error) {
        return error;
    }
    if (out->command >= OFPFC_DELETE) {
        out->buffer_id = OFP_NO_BUFFER;
        out->n_actions = 0;
        return 0;
    }
    out->out_port = PORT_NONE;
    return of10_decode_actions(msg + sizeof wire, size - sizeof wire, OF10_IN_FLOW, out->actions,
                               &out->n_actions, refusal);
}

int
ofp_decode_flow_mod(const uint8_t *msg, size_t size, struct ofp_flow_mod *out,
                    struct ofp_refusal *refusal)
{
    return decode_flow_mod(msg, size, false, out, refusal);
}

int
ofp_decode_flow_mod_table_id(const uint8_t *msg, size_t size, struct ofp_flow_mod *out,
                             struct ofp_refusal *refusal)
{
    return decode_flow_mod(msg, size, true, out, refusal);
}

/* The port that a PACKET_OUT's frame is to have come in by. 1.0 has no error code of its
 * own for a wrong one. */
static int
decode_in_port(uint16_t wire, uint16_t *out, struct ofp_refusal *refusal)
{
    if (wire >= PORT_MAX && wire != PORT_LOCAL && wire != PORT_CONTROLLER && wire != PORT_NONE) {
        return ofp_refuse(refusal, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT,
                          "PACKET_OUT's in_port is a number that no port can have");
    }
    *out = wire ? wire : PORT_NONE;
    return 0;
}

int
ofp_decode_packet_out(const uint8_t *msg, size_t size, struct ofp_packet_out *out,
                      struct ofp_refusal *refusal)
{
    struct of10_packet_out wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    size_t actions_size = be16_to_host(wire.actions_len);
    if (actions_size > size - sizeof wire) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                          "PACKET_OUT's actions reach past its end");
    }
    int error = decode_in_port(be16_to_host(wire.in_port), &out->in_port, refusal);
    if (error) {
        return error;
    }
    const uint8_t *actions = msg + sizeof wire;
    out->buffer_id = be32_to_host(wire.buffer_id);
    out->data = out->buffer_id == OFP_NO_BUFFER ? actions + actions_size : NULL;
    out->data_size = out->data ? (uint32_t) (size - sizeof wire - actions_size) : 0;
    return of10_decode_actions(actions, actions_size, OF10_IN_PACKET_OUT, out->actions,
                               &out->n_actions, refusal);
}

int
ofp_decode_port_mod(const uint8_t *msg, size_t size, struct ofp_port_mod *out,
                    struct ofp_refusal *refusal)
{
    struct of10_port_mod wire;
    if (size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *out = (struct ofp_port_mod) {
        .port_no = be16_to_host(wire.port_no),
        .config = be32_to_host(wire.config),
        .mask = be32_to_host(wire.mask),
        .advertise = be32_to_host(wire.advertise),
    };
    memcpy(out->hw_addr, wire.hw_addr, sizeof out->hw_addr);
    return 0;
}

/* Of FLOW and AGGREGATE. */
static void
decode_flow_stats_request(const uint8_t *body, struct ofp_stats_request *out)
{
    struct of10_flow_stats_request wire;
    memcpy(&wire, body, sizeof wire);
    of10_decode_match(&wire.match, &out->match);
    out->table_id = wire.table_id;
    out->out_port = be16_to_host(wire.out_port);
}

static void
decode_port_stats_request(const uint8_t *body, struct ofp_stats_request *out)
{
    struct of10_port_stats_request wire;
    memcpy(&wire, body, sizeof wire);
    out->port_no = be16_to_host(wire.port_no);
}

static void
decode_queue_stats_request(const uint8_t *body, struct ofp_stats_request *out)
{
    struct of10_queue_stats_request wire;
    memcpy(&wire, body, sizeof wire);
    out->port_no = be16_to_host(wire.port_no);
    out->queue_id = be32_to_host(wire.queue_id);
}

static const struct {
    size_t size;                 /* of the body */
    void (*decode)(const uint8_t *body, struct ofp_stats_request *);
} stats_requests[] = {
    [OFPST_DESC] = { 0, NULL },
    [OFPST_FLOW] = { sizeof(struct of10_flow_stats_request), decode_flow_stats_request },
    [OFPST_AGGREGATE] = { sizeof(struct of10_flow_stats_request), decode_flow_stats_request },
    [OFPST_TABLE] = { 0, NULL },
    [OFPST_PORT] = { sizeof(struct of10_port_stats_request), decode_port_stats_request },
    [OFPST_QUEUE] = { sizeof(struct of10_queue_stats_request), decode_queue_stats_request },
};

uint16_t
ofp_stats_type(const uint8_t *msg, size_t size)
{
    struct of10_stats wire = { 0 };
    if (size >= sizeof wire) {
        memcpy(&wire, msg, sizeof wire);
    }
    return be16_to_host(wire.type);
}

int
ofp_decode_stats_request(const uint8_t *msg, size_t size, struct ofp_stats_request *out,
                         struct ofp_refusal *refusal)
{
    struct of10_stats wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    uint16_t type = be16_to_host(wire.type);
    if (type == OFPST_VENDOR) {
        return size - sizeof wire < sizeof(struct be32)
               ? ofp_refuse_size(refusal)
               : ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR,
                            "statistics of an unknown vendor");
    }
    if (type >= sizeof stats_requests / sizeof stats_requests[0]) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_STAT, "unknown statistics type");
    }
    if (size - sizeof wire != stats_requests[type].size) {
        return ofp_refuse_size(refusal);
    }
    memset(out, 0, sizeof *out);
    out->type = type;
    if (stats_requests[type].decode) {
        stats_requests[type].decode(msg + sizeof wire, out);
    }
    return 0;
}

int
ofp_decode_queue_get_config(const uint8_t *msg, size_t size, uint16_t *port_no,
                            struct ofp_refusal *refusal)
{
    struct of10_queue_config_request wire;
    if (size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *port_no = be16_to_host(wire.port);
    return 0;
}
