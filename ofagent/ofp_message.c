/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as such: headers, names, who may send what and how long it can be. */
#include <stdio.h>

#include "ofagent/ofp_internal.h"

/* What each type is called, who sends it, and how long it is: exactly 'min' bytes, or,
 * with 'step', 'min' and any multiple of 'step' more. */
static const struct {
    const char *name;
    uint8_t senders;
    uint8_t step;
    uint16_t min;
} types[N_OFP_TYPES] = {
    [OFPT_HELLO] = { "HELLO", OF10_CONTROLLER | OF10_SWITCH, 1, 8 },
    [OFPT_ERROR] = { "ERROR", OF10_CONTROLLER | OF10_SWITCH, 1, sizeof(struct of10_error) },
    [OFPT_ECHO_REQUEST] = { "ECHO_REQUEST", OF10_CONTROLLER | OF10_SWITCH, 1, 8 },
    [OFPT_ECHO_REPLY] = { "ECHO_REPLY", OF10_CONTROLLER | OF10_SWITCH, 1, 8 },
    [OFPT_VENDOR] = { "VENDOR", OF10_CONTROLLER | OF10_SWITCH, 1, sizeof(struct of10_vendor) },
    [OFPT_FEATURES_REQUEST] = { "FEATURES_REQUEST", OF10_CONTROLLER, 0, 8 },
    [OFPT_FEATURES_REPLY] = { "FEATURES_REPLY", OF10_SWITCH, sizeof(struct of10_phy_port),
                              sizeof(struct of10_switch_features) },
    [OFPT_GET_CONFIG_REQUEST] = { "GET_CONFIG_REQUEST", OF10_CONTROLLER, 0, 8 },
    [OFPT_GET_CONFIG_REPLY] = { "GET_CONFIG_REPLY", OF10_SWITCH, 0,
                                sizeof(struct of10_switch_config) },
    [OFPT_SET_CONFIG] = { "SET_CONFIG", OF10_CONTROLLER, 0, sizeof(struct of10_switch_config) },
    [OFPT_PACKET_IN] = { "PACKET_IN", OF10_SWITCH, 1, sizeof(struct of10_packet_in) },
    [OFPT_FLOW_REMOVED] = { "FLOW_REMOVED", OF10_SWITCH, 0, sizeof(struct of10_flow_removed) },
    [OFPT_PORT_STATUS] = { "PORT_STATUS", OF10_SWITCH, 0, sizeof(struct of10_port_status) },
    [OFPT_PACKET_OUT] = { "PACKET_OUT", OF10_CONTROLLER, 1, sizeof(struct of10_packet_out) },
    [OFPT_FLOW_MOD] = { "FLOW_MOD", OF10_CONTROLLER, 1, sizeof(struct of10_flow_mod) },
    [OFPT_PORT_MOD] = { "PORT_MOD", OF10_CONTROLLER, 0, sizeof(struct of10_port_mod) },
    [OFPT_STATS_REQUEST] = { "STATS_REQUEST", OF10_CONTROLLER, 1, sizeof(struct of10_stats) },
    [OFPT_STATS_REPLY] = { "STATS_REPLY", OF10_SWITCH, 1, sizeof(struct of10_stats) },
    [OFPT_BARRIER_REQUEST] = { "BARRIER_REQUEST", OF10_CONTROLLER, 0, 8 },
    [OFPT_BARRIER_REPLY] = { "BARRIER_REPLY", OF10_SWITCH, 0, 8 },
    [OFPT_QUEUE_GET_CONFIG_REQUEST] = { "QUEUE_GET_CONFIG_REQUEST", OF10_CONTROLLER, 0,
                                        sizeof(struct of10_queue_config_request) },
    [OFPT_QUEUE_GET_CONFIG_REPLY] = { "QUEUE_GET_CONFIG_REPLY", OF10_SWITCH, 8,
                                      sizeof(struct of10_queue_config_reply) },
};

void
ofp_header_decode(const uint8_t *p, struct ofp_header *out)
{
    struct of10_header wire;
    memcpy(&wire, p, sizeof wire);
    *out = (struct ofp_header) {
        .version = wire.version,
        .type = wire.type,
        .length = be16_to_host(wire.length),
        .xid = be32_to_host(wire.xid),
    };
}

const char *
ofp_type_name(uint8_t type)
{
    static _Thread_local char number[16];
    if (type < N_OFP_TYPES) {
        return types[type].name;
    }
    snprintf(number, sizeof number, "type %u", type);
    return number;
}

static bool
size_is_possible(uint8_t type, size_t size)
{
    size_t min = types[type].min, step = types[type].step;
    return step ? size >= min && (size - min) % step == 0 : size == min;
}

int
of10_check_size(const uint8_t *msg, size_t size, enum of10_sender sender,
                struct ofp_refusal *refusal)
{
    struct ofp_header header;
    if (size < sizeof(struct of10_header)) {
        return ofp_refuse_size(refusal);
    }
    ofp_header_decode(msg, &header);
    if (header.version != OFP_VERSION && header.type != OFPT_HELLO && header.type != OFPT_ERROR) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION,
                          "not a message of OpenFlow 1.0");
    }
    if (header.type >= N_OFP_TYPES) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE, "unknown message type");
    }
    if (!(types[header.type].senders & sender)) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE,
                          sender == OF10_CONTROLLER ? "a message that only a switch sends"
                                                    : "a message that only a controller sends");
    }
    if (header.length != size || !size_is_possible(header.type, size)) {
        return ofp_refuse_size(refusal);
    }
    return 0;
}

int
ofp_check_size(const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    return of10_check_size(msg, size, OF10_CONTROLLER, refusal);
}

/* HELLO's version bitmap, an element that came with OpenFlow 1.3.1: bit N of its first
 * word is version N. True if the element is there. */
enum { HELLO_ELEMENT_VERSIONS = 1 };

static bool
find_version_bitmap(const uint8_t *msg, size_t size, uint32_t *bitmap)
{
    struct reader r;
    reader_init(&r, msg, size);
    reader_skip(&r, sizeof(struct of10_header));
    while (reader_left(&r) >= 4) {
        uint16_t type = reader_u16(&r), len = reader_u16(&r);
        if (len < 4) {
            return false;
        }
        struct reader element = reader_sub(&r, len - 4u);
        if (type == HELLO_ELEMENT_VERSIONS && reader_left(&element) >= 4) {
            *bitmap = reader_u32(&element);
            return true;
        }
        reader_skip(&r, (8 - len % 8) % 8);
    }
    return false;
}

uint8_t
ofp_decode_hello(const uint8_t *msg, size_t size)
{
    if (size < sizeof(struct of10_header)) {
        return 0;
    }
    uint32_t bitmap;
    if (find_version_bitmap(msg, size, &bitmap)) {
        return bitmap >> OFP_VERSION & 1 ? OFP_VERSION : 0;
    }
    /* Without one, the lower of both sides' highest versions is meant (5.5.1). */
    struct ofp_header header;
    ofp_header_decode(msg, &header);
    return header.version >= OFP_VERSION ? OFP_VERSION : 0;
}

void
ofp_encode_header_only(struct writer *w, uint8_t type, uint32_t xid)
{
    struct of10_header wire = of10_header(type, sizeof wire, xid);
    writer_bytes(w, &wire, sizeof wire);
}

/* Bytes of 'data_size' that a message with a fixed part of 'fixed' bytes has room for. */
static size_t
clamp_data(size_t fixed, size_t data_size)
{
    size_t room = OFP_MAX_SIZE - fixed;
    return data_size < room ? data_size : room;
}

void
ofp_encode_echo(struct writer *w, uint8_t type, uint32_t xid, const void *data, size_t size)
{
    size_t data_size = clamp_data(sizeof(struct of10_header), size);
    struct of10_header wire = of10_header(type, sizeof wire + data_size, xid);
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, data, data_size);
}

int
ofp_decode_vendor(const uint8_t *msg, size_t size, struct ofp_vendor *out,
                  struct ofp_refusal *refusal)
{
    struct of10_vendor wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *out = (struct ofp_vendor) {
        .vendor = be32_to_host(wire.vendor),
        .data = msg + sizeof wire,
        .data_size = (uint32_t) (size - sizeof wire),
    };
    return 0;
}

void
ofp_encode_vendor(struct writer *w, uint32_t xid, const struct ofp_vendor *vendor)
{
    size_t data_size = clamp_data(sizeof(struct of10_vendor), vendor->data_size);
    struct of10_vendor wire = {
        .header = of10_header(OFPT_VENDOR, sizeof wire + data_size, xid),
        .vendor = be32_from_host(vendor->vendor),
    };
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, vendor->data, data_size);
}
