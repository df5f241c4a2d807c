/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's messages as such: headers, names, who sends them and how long they can be; and
 * the small ones. */
#include <inttypes.h>
#include <stdio.h>

#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_internal.h"

/* As ofp_message.c's table, of bodies: exactly 'min' bytes, or with 'step' 'min' and any
 * multiple of 'step' more. */
struct nx_type {
    const char *name;
    uint8_t senders, step, min;
};

static const struct nx_type messages[N_NXT] = {
    [NXT_ROLE_REQUEST] = { "NXT_ROLE_REQUEST", OF10_CONTROLLER, 0, sizeof(struct nicira_role) },
    [NXT_ROLE_REPLY] = { "NXT_ROLE_REPLY", OF10_SWITCH, 0, sizeof(struct nicira_role) },
    [NXT_SET_FLOW_FORMAT] = { "NXT_SET_FLOW_FORMAT", OF10_CONTROLLER, 0,
                              sizeof(struct nicira_set_flow_format) },
    [NXT_FLOW_MOD] = { "NXT_FLOW_MOD", OF10_CONTROLLER, 8, sizeof(struct nicira_flow_mod) },
    [NXT_FLOW_REMOVED] = { "NXT_FLOW_REMOVED", OF10_SWITCH, 8,
                           sizeof(struct nicira_flow_removed) },
    [NXT_FLOW_MOD_TABLE_ID] = { "NXT_FLOW_MOD_TABLE_ID", OF10_CONTROLLER, 0,
                                sizeof(struct nicira_flow_mod_table_id) },
    [NXT_SET_PACKET_IN_FORMAT] = { "NXT_SET_PACKET_IN_FORMAT", OF10_CONTROLLER, 0,
                                   sizeof(struct nicira_set_packet_in_format) },
    [NXT_PACKET_IN] = { "NXT_PACKET_IN", OF10_SWITCH, 1, sizeof(struct nicira_packet_in) },
    [NXT_FLOW_AGE] = { "NXT_FLOW_AGE", OF10_CONTROLLER, 0, 0 },
    [NXT_SET_ASYNC_CONFIG] = { "NXT_SET_ASYNC_CONFIG", OF10_CONTROLLER, 0,
                               sizeof(struct nicira_async_config) },
    [NXT_SET_CONTROLLER_ID] = { "NXT_SET_CONTROLLER_ID", OF10_CONTROLLER, 0,
                                sizeof(struct nicira_controller_id) },
    [NXT_FLOW_MONITOR_CANCEL] = { "NXT_FLOW_MONITOR_CANCEL", OF10_CONTROLLER, 0,
                                  sizeof(struct nicira_flow_monitor_cancel) },
    [NXT_FLOW_MONITOR_PAUSED] = { "NXT_FLOW_MONITOR_PAUSED", OF10_SWITCH, 0, 0 },
    [NXT_FLOW_MONITOR_RESUMED] = { "NXT_FLOW_MONITOR_RESUMED", OF10_SWITCH, 0, 0 },
};

static const struct nx_type requests[N_NXST] = {
    [NXST_FLOW] = { "NXST_FLOW", OF10_CONTROLLER, 8, sizeof(struct nicira_flow_stats_request) },
    [NXST_AGGREGATE] = { "NXST_AGGREGATE", OF10_CONTROLLER, 8,
                         sizeof(struct nicira_flow_stats_request) },
    [NXST_FLOW_MONITOR] = { "NXST_FLOW_MONITOR", OF10_CONTROLLER, 8, 0 },
};

static const struct nx_type replies[N_NXST] = {
    [NXST_FLOW] = { "NXST_FLOW", OF10_SWITCH, 8, 0 },
    [NXST_AGGREGATE] = { "NXST_AGGREGATE", OF10_SWITCH, 0, sizeof(struct of10_aggregate_stats) },
    [NXST_FLOW_MONITOR] = { "NXST_FLOW_MONITOR", OF10_SWITCH, 8, 0 },
};

/* NULL if it is not known. */
static const struct nx_type *
find_type(const struct nx_message *nx, bool from_switch)
{
    if (nx->stats) {
        return nx->subtype < N_NXST ? &(from_switch ? replies : requests)[nx->subtype] : NULL;
    }
    return nx->subtype < N_NXT && messages[nx->subtype].name ? &messages[nx->subtype] : NULL;
}

static int
refuse_vendor(struct ofp_refusal *refusal)
{
    return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR, "a vendor that is not known");
}

static int
decode_stats(const uint8_t *msg, size_t size, struct nx_message *out, struct ofp_refusal *refusal)
{
    struct nicira_stats wire;
    if (size < offsetof(struct nicira_stats, subtype)) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, size < sizeof wire ? size : sizeof wire);
    if (be32_to_host(wire.vendor) != NICIRA_VENDOR_ID) {
        return refuse_vendor(refusal);
    }
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    *out = (struct nx_message) {
        .stats = true,
        .subtype = be32_to_host(wire.subtype),
        .body = msg + sizeof wire,
        .body_size = (uint32_t) (size - sizeof wire),
    };
    return 0;
}

int
nx_decode(const uint8_t *msg, size_t size, struct nx_message *out, struct ofp_refusal *refusal)
{
    struct nicira_header wire;
    struct ofp_header header;
    if (size < sizeof wire.vendor) {
        return ofp_refuse_size(refusal);
    }
    ofp_header_decode(msg, &header);
    if (header.type != OFPT_VENDOR) {
        return decode_stats(msg, size, out, refusal);
    }
    memcpy(&wire, msg, size < sizeof wire ? size : sizeof wire);
    if (be32_to_host(wire.vendor.vendor) != NICIRA_VENDOR_ID) {
        return refuse_vendor(refusal);
    }
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    *out = (struct nx_message) {
        .subtype = be32_to_host(wire.subtype),
        .body = msg + sizeof wire,
        .body_size = (uint32_t) (size - sizeof wire),
    };
    return 0;
}

static int
check(const struct nx_message *nx, bool from_switch, unsigned senders,
      struct ofp_refusal *refusal)
{
    const struct nx_type *type = find_type(nx, from_switch);
    if (!type) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE,
                          "an unknown one of Nicira's messages");
    }
    if (!(type->senders & senders)) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE,
                          "one of Nicira's messages that only a switch sends");
    }
    bool fits = type->step ? nx->body_size >= type->min
                             && (nx->body_size - type->min) % type->step == 0
                           : nx->body_size == type->min;
    return fits ? 0 : ofp_refuse_size(refusal);
}

int
nx_check_size(const struct nx_message *nx, struct ofp_refusal *refusal)
{
    return check(nx, false, OF10_CONTROLLER, refusal);
}

int
nx_check_any(const struct nx_message *nx, bool from_switch, struct ofp_refusal *refusal)
{
    return check(nx, from_switch, OF10_CONTROLLER | OF10_SWITCH, refusal);
}

const char *
nx_name(const struct nx_message *nx)
{
    static _Thread_local char number[32];
    const struct nx_type *type = find_type(nx, false);
    if (type) {
        return type->name;
    }
    snprintf(number, sizeof number, "%s subtype %"PRIu32, nx->stats ? "NXST" : "NXT", nx->subtype);
    return number;
}

size_t
nx_begin(struct writer *w, uint32_t xid, uint32_t subtype)
{
    size_t begin = w->size;
    struct nicira_header wire = {
        .vendor.header = of10_header(OFPT_VENDOR, sizeof wire, xid),
        .vendor.vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be32_from_host(subtype),
    };
    writer_bytes(w, &wire, sizeof wire);
    return begin;
}

/* --- roles ------------------------------------------------------------------------------- */

const char *
nx_role_name(enum nx_role role)
{
    static const char *const names[] = {
        [NX_ROLE_OTHER] = "other", [NX_ROLE_MASTER] = "master", [NX_ROLE_SLAVE] = "slave",
    };
    static_assert(sizeof names / sizeof names[0] == N_NX_ROLES, "a name a role");
    return names[role];
}

int
nx_decode_role(const struct nx_message *nx, enum nx_role *role, struct ofp_refusal *refusal)
{
    struct nicira_role wire;
    if (nx->body_size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, nx->body, sizeof wire);
    uint32_t number = be32_to_host(wire.role);
    if (number >= N_NX_ROLES) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_BAD_ROLE, "no such role");
    }
    *role = (enum nx_role) number;
    return 0;
}

static void
encode_role(struct writer *w, uint32_t xid, uint32_t subtype, enum nx_role role)
{
    size_t begin = nx_begin(w, xid, subtype);
    struct nicira_role wire = { .role = be32_from_host(role) };
    writer_bytes(w, &wire, sizeof wire);
    ofp_end(w, begin);
}

void
nx_encode_role_request(struct writer *w, uint32_t xid, enum nx_role role)
{
    encode_role(w, xid, NXT_ROLE_REQUEST, role);
}

void
nx_encode_role_reply(struct writer *w, uint32_t xid, enum nx_role role)
{
    encode_role(w, xid, NXT_ROLE_REPLY, role);
}

/* --- asynchronous messages ------------------------------------------------------------------ */

const struct nx_async_config nx_async_default = {
    .masks = {
        [NX_PACKET_IN] = { 1 << OFPR_NO_MATCH | 1 << OFPR_ACTION, 0 },
        [NX_PORT_STATUS] = { 1 << OFPPR_ADD | 1 << OFPPR_DELETE | 1 << OFPPR_MODIFY,
                             1 << OFPPR_ADD | 1 << OFPPR_DELETE | 1 << OFPPR_MODIFY },
        [NX_FLOW_REMOVED] = { 1 << OFPRR_IDLE_TIMEOUT | 1 << OFPRR_HARD_TIMEOUT
                              | 1 << OFPRR_DELETE, 0 },
    },
};

const char *
nx_async_name(enum nx_async what)
{
    static const char *const names[] = {
        [NX_PACKET_IN] = "packet_in", [NX_PORT_STATUS] = "port_status",
        [NX_FLOW_REMOVED] = "flow_removed",
    };
    static_assert(sizeof names / sizeof names[0] == N_NX_ASYNC, "a name each");
    return names[what];
}

const char *
nx_reason_name(enum nx_async what, unsigned reason)
{
    static const char *const names[N_NX_ASYNC][3] = {
        [NX_PACKET_IN] = { [OFPR_NO_MATCH] = "no_match", [OFPR_ACTION] = "action",
                           [OFPR_INVALID_TTL] = "invalid_ttl" },
        [NX_PORT_STATUS] = { [OFPPR_ADD] = "add", [OFPPR_DELETE] = "delete",
                             [OFPPR_MODIFY] = "modify" },
        [NX_FLOW_REMOVED] = { [OFPRR_IDLE_TIMEOUT] = "idle", [OFPRR_HARD_TIMEOUT] = "hard",
                              [OFPRR_DELETE] = "delete" },
    };
    return reason < sizeof names[0] / sizeof names[0][0] ? names[what][reason] : NULL;
}

int
nx_decode_async_config(const struct nx_message *nx, struct nx_async_config *out,
                       struct ofp_refusal *refusal)
{
    struct nicira_async_config wire;
    if (nx->body_size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, nx->body, sizeof wire);
    for (int i = 0; i < 2; i++) {
        out->masks[NX_PACKET_IN][i] = be32_to_host(wire.packet_in_mask[i]);
        out->masks[NX_PORT_STATUS][i] = be32_to_host(wire.port_status_mask[i]);
        out->masks[NX_FLOW_REMOVED][i] = be32_to_host(wire.flow_removed_mask[i]);
    }
    return 0;
}

void
nx_encode_async_config(struct writer *w, uint32_t xid, const struct nx_async_config *config)
{
    size_t begin = nx_begin(w, xid, NXT_SET_ASYNC_CONFIG);
    struct nicira_async_config wire;
    for (int i = 0; i < 2; i++) {
        wire.packet_in_mask[i] = be32_from_host(config->masks[NX_PACKET_IN][i]);
        wire.port_status_mask[i] = be32_from_host(config->masks[NX_PORT_STATUS][i]);
        wire.flow_removed_mask[i] = be32_from_host(config->masks[NX_FLOW_REMOVED][i]);
    }
    writer_bytes(w, &wire, sizeof wire);
    ofp_end(w, begin);
}

int
nx_decode_controller_id(const struct nx_message *nx, uint16_t *id, struct ofp_refusal *refusal)
{
    static const uint8_t zeros[6];
    struct nicira_controller_id wire;
    if (nx->body_size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, nx->body, sizeof wire);
    if (memcmp(wire.zero, zeros, sizeof zeros)) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO,
                         "NXT_SET_CONTROLLER_ID with bytes that must be zero");
    }
    *id = be16_to_host(wire.controller_id);
    return 0;
}

void
nx_encode_controller_id(struct writer *w, uint32_t xid, uint16_t id)
{
    size_t begin = nx_begin(w, xid, NXT_SET_CONTROLLER_ID);
    struct nicira_controller_id wire = { .controller_id = be16_from_host(id) };
    writer_bytes(w, &wire, sizeof wire);
    ofp_end(w, begin);
}
