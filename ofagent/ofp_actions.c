/* SPDX-License-Identifier: Apache-2.0 */
/* Actions of OpenFlow 1.0 (5.2.4): from the wire, with every argument checked, and back.
 *
 * FLOW_MODs go through here by the hundred thousand a second: the length of an action is
 * checked once, against a table, and its bytes are then read by memcpy(). */
#include "ofagent/ofp_internal.h"

/* Size on the wire of each type. */
static const uint8_t wire_size[N_OFP_ACTION_TYPES] = {
    [OFPAT_OUTPUT] = 8,
    [OFPAT_SET_VLAN_VID] = 8,
    [OFPAT_SET_VLAN_PCP] = 8,
    [OFPAT_STRIP_VLAN] = 8,
    [OFPAT_SET_DL_SRC] = sizeof(struct of10_action_dl_addr),
    [OFPAT_SET_DL_DST] = sizeof(struct of10_action_dl_addr),
    [OFPAT_SET_NW_SRC] = 8,
    [OFPAT_SET_NW_DST] = 8,
    [OFPAT_SET_NW_TOS] = 8,
    [OFPAT_SET_TP_SRC] = 8,
    [OFPAT_SET_TP_DST] = 8,
    [OFPAT_ENQUEUE] = sizeof(struct of10_action_enqueue),
};

/* Of those that are not Nicira's. */
static const uint8_t type_on_wire[N_ACTION_TYPES] = {
    [ACTION_OUTPUT] = OFPAT_OUTPUT,
    [ACTION_ENQUEUE] = OFPAT_ENQUEUE,
    [ACTION_SET_VLAN_VID] = OFPAT_SET_VLAN_VID,
    [ACTION_SET_VLAN_PCP] = OFPAT_SET_VLAN_PCP,
    [ACTION_STRIP_VLAN] = OFPAT_STRIP_VLAN,
    [ACTION_SET_DL_SRC] = OFPAT_SET_DL_SRC,
    [ACTION_SET_DL_DST] = OFPAT_SET_DL_DST,
    [ACTION_SET_NW_SRC] = OFPAT_SET_NW_SRC,
    [ACTION_SET_NW_DST] = OFPAT_SET_NW_DST,
    [ACTION_SET_NW_TOS] = OFPAT_SET_NW_TOS,
    [ACTION_SET_TP_SRC] = OFPAT_SET_TP_SRC,
    [ACTION_SET_TP_DST] = OFPAT_SET_TP_DST,
};

static int
refuse(struct ofp_refusal *refusal, uint16_t code, const char *why)
{
    return ofp_refuse(refusal, OFPET_BAD_ACTION, code, why);
}

static uint16_t
get16(const uint8_t *p)
{
    struct be16 x;
    memcpy(&x, p, sizeof x);
    return be16_to_host(x);
}

static bool
is_physical(uint16_t port)
{
    return port && port < PORT_MAX;
}

static int
decode_output(const uint8_t *p, enum of10_action_place place, struct action *out,
              struct ofp_refusal *refusal)
{
    struct of10_action_output wire;
    memcpy(&wire, p, sizeof wire);
    uint16_t port = be16_to_host(wire.port);
    if (!is_physical(port)) {
        if (port < PORT_IN_PORT || port == PORT_NONE) {
            return refuse(refusal, OFPBAC_BAD_OUT_PORT, "output to a number that no port can have");
        }
        if (port == PORT_TABLE && place != OF10_IN_PACKET_OUT) {
            return refuse(refusal, OFPBAC_BAD_OUT_PORT, "output to TABLE from a flow");
        }
    }
    out->type = ACTION_OUTPUT;
    out->output.port = port;
    out->output.max_len = port == PORT_CONTROLLER ? be16_to_host(wire.max_len) : 0;
    return 0;
}

static int
decode_enqueue(const uint8_t *p, struct action *out, struct ofp_refusal *refusal)
{
    struct of10_action_enqueue wire;
    memcpy(&wire, p, sizeof wire);
    uint16_t port = be16_to_host(wire.port);
    if (!is_physical(port) && port != PORT_IN_PORT) {
        return refuse(refusal, OFPBAC_BAD_OUT_PORT, "enqueue to a port that is not physical");
    }
    uint32_t queue_id = be32_to_host(wire.queue_id);
    out->type = ACTION_ENQUEUE;
    out->enqueue.port = port;
    out->enqueue.queue_hi = (uint16_t) (queue_id >> 16);
    out->enqueue.queue_lo = (uint16_t) queue_id;
    return 0;
}

static int
decode_vlan_vid(const uint8_t *arg, struct action *out, struct ofp_refusal *refusal)
{
    uint16_t vid = get16(arg);
    if (vid > FLOW_VLAN_VID_MASK) {
        return refuse(refusal, OFPBAC_BAD_ARGUMENT, "VLAN id above 4095");
    }
    out->type = ACTION_SET_VLAN_VID;
    out->vlan_vid.vid = vid;
    return 0;
}

static int
decode_vlan_pcp(const uint8_t *arg, struct action *out, struct ofp_refusal *refusal)
{
    if (*arg > 7) {
        return refuse(refusal, OFPBAC_BAD_ARGUMENT, "VLAN priority above 7");
    }
    out->type = ACTION_SET_VLAN_PCP;
    out->vlan_pcp.pcp = *arg;
    return 0;
}

static int
decode_nw_tos(const uint8_t *arg, struct action *out, struct ofp_refusal *refusal)
{
    if (*arg & 3) {
        return refuse(refusal, OFPBAC_BAD_ARGUMENT, "ToS with ECN bits");
    }
    out->type = ACTION_SET_NW_TOS;
    out->nw_tos.tos = *arg;
    return 0;
}

static int
decode_dl_addr(const uint8_t *arg, enum action_type type, struct action *out)
{
    out->type = (uint8_t) type;
    memcpy(out->dl.addr, arg, sizeof out->dl.addr);
    return 0;
}

static int
decode_nw_addr(const uint8_t *arg, enum action_type type, struct action *out)
{
    struct be32 addr;
    memcpy(&addr, arg, sizeof addr);
    out->type = (uint8_t) type;
    out->nw.addr = addr;
    return 0;
}

static int
decode_tp_port(const uint8_t *arg, enum action_type type, struct action *out)
{
    out->type = (uint8_t) type;
    memcpy(&out->tp.port, arg, sizeof out->tp.port);
    return 0;
}

/* 'p' has wire_size[type] bytes, 'out' is zeroed. */
static int
decode_one(enum ofp_action_type type, const uint8_t *p, enum of10_action_place place,
           struct action *out, struct ofp_refusal *refusal)
{
    const uint8_t *arg = p + offsetof(struct of10_action, arg);
    switch (type) {
    case OFPAT_OUTPUT: return decode_output(p, place, out, refusal);
    case OFPAT_SET_VLAN_VID: return decode_vlan_vid(arg, out, refusal);
    case OFPAT_SET_VLAN_PCP: return decode_vlan_pcp(arg, out, refusal);
    case OFPAT_STRIP_VLAN: out->type = ACTION_STRIP_VLAN; return 0;
    case OFPAT_SET_DL_SRC: return decode_dl_addr(arg, ACTION_SET_DL_SRC, out);
    case OFPAT_SET_DL_DST: return decode_dl_addr(arg, ACTION_SET_DL_DST, out);
    case OFPAT_SET_NW_SRC: return decode_nw_addr(arg, ACTION_SET_NW_SRC, out);
    case OFPAT_SET_NW_DST: return decode_nw_addr(arg, ACTION_SET_NW_DST, out);
    case OFPAT_SET_NW_TOS: return decode_nw_tos(arg, out, refusal);
    case OFPAT_SET_TP_SRC: return decode_tp_port(arg, ACTION_SET_TP_SRC, out);
    case OFPAT_SET_TP_DST: return decode_tp_port(arg, ACTION_SET_TP_DST, out);
    case OFPAT_ENQUEUE: return decode_enqueue(p, out, refusal);
    case N_OFP_ACTION_TYPES:
    case OFPAT_ALL: break;
    }
    return refuse(refusal, OFPBAC_BAD_TYPE, "unknown action type");
}

/* Checks the action at the start of 'left' bytes, which are 8 or more. */
static int
check_one(const uint8_t *p, size_t left, uint16_t *type, uint16_t *len,
          struct ofp_refusal *refusal)
{
    *type = get16(p);
    *len = get16(p + 2);
    if (!*len || *len % OF10_ACTION_ALIGN) {
        return refuse(refusal, OFPBAC_BAD_LEN, "action length 0 or not a multiple of 8");
    }
    if (*len > left) {
        return refuse(refusal, OFPBAC_BAD_LEN, "action reaches past the end of its list");
    }
    if (*type == OF10_ACTION_VENDOR) {
        return 0;
    }
    if (*type >= N_OFP_ACTION_TYPES) {
        return refuse(refusal, OFPBAC_BAD_TYPE, "unknown action type");
    }
    if (*len != wire_size[*type]) {
        return refuse(refusal, OFPBAC_BAD_LEN, "action length is not that of its type");
    }
    return 0;
}

int
of10_decode_actions(const uint8_t *wire, size_t size, enum of10_action_place place,
                    struct action *actions, uint32_t *n_actions, struct ofp_refusal *refusal)
{
    if (size % OF10_ACTION_ALIGN) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                          "length of the action list is not a multiple of 8");
    }
    uint32_t n = 0;
    while (size) {
        uint16_t type, len;
        int error = check_one(wire, size, &type, &len, refusal);
        if (error) {
            return error;
        }
        if (n == ACTION_LIST_MAX) {
            return refuse(refusal, OFPBAC_TOO_MANY, "more actions than a list may have");
        }
        memset(&actions[n], 0, sizeof actions[n]);
        error = type == OF10_ACTION_VENDOR
                ? nx_decode_action(wire, len, &actions[n], refusal)
                : decode_one((enum ofp_action_type) type, wire, place, &actions[n], refusal);
        if (error) {
            return error;
        }
        n++;
        wire += len;
        size -= len;
    }
    *n_actions = n;
    return 0;
}

static size_t
size_on_wire(const struct action *action)
{
    return nx_is_action(action) ? nx_action_size(action) : wire_size[type_on_wire[action->type]];
}

size_t
of10_actions_size(const struct action *actions, uint32_t n_actions)
{
    size_t size = 0;
    for (uint32_t i = 0; i < n_actions; i++) {
        size += size_on_wire(&actions[i]);
    }
    return size;
}

static void
encode_output(const struct action *action, uint8_t *out)
{
    struct of10_action_output wire = {
        .type = be16_from_host(OFPAT_OUTPUT),
        .len = be16_from_host(sizeof wire),
        .port = be16_from_host(action->output.port),
        .max_len = be16_from_host(action->output.max_len),
    };
    memcpy(out, &wire, sizeof wire);
}

static void
encode_enqueue(const struct action *action, uint8_t *out)
{
    struct of10_action_enqueue wire = {
        .type = be16_from_host(OFPAT_ENQUEUE),
        .len = be16_from_host(sizeof wire),
        .port = be16_from_host(action->enqueue.port),
        .queue_id = be32_from_host((uint32_t) action->enqueue.queue_hi << 16
                                   | action->enqueue.queue_lo),
    };
    memcpy(out, &wire, sizeof wire);
}

static void
encode_dl_addr(const struct action *action, uint16_t type, uint8_t *out)
{
    struct of10_action_dl_addr wire = {
        .type = be16_from_host(type),
        .len = be16_from_host(sizeof wire),
    };
    memcpy(wire.addr, action->dl.addr, sizeof wire.addr);
    memcpy(out, &wire, sizeof wire);
}

/* The argument of an action of 8 bytes. */
static void
encode_arg(const struct action *action, uint8_t arg[4])
{
    switch ((enum action_type) action->type) {
    case ACTION_SET_VLAN_VID: {
        struct be16 vid = be16_from_host(action->vlan_vid.vid);
        memcpy(arg, &vid, sizeof vid);
        break;
    }
    case ACTION_SET_VLAN_PCP: arg[0] = action->vlan_pcp.pcp; break;
    case ACTION_SET_NW_TOS: arg[0] = action->nw_tos.tos; break;
    case ACTION_SET_NW_SRC:
    case ACTION_SET_NW_DST: memcpy(arg, &action->nw.addr, 4); break;
    case ACTION_SET_TP_SRC:
    case ACTION_SET_TP_DST: memcpy(arg, &action->tp.port, 2); break;
    case ACTION_STRIP_VLAN:
    case ACTION_OUTPUT:
    case ACTION_ENQUEUE:
    case ACTION_CONTROLLER:
    case ACTION_SET_QUEUE:
    case ACTION_POP_QUEUE:
    case ACTION_DEC_TTL:
    case ACTION_SET_DL_SRC:
    case ACTION_SET_DL_DST:
    case N_ACTION_TYPES: break;
    }
}

static void
encode_short(const struct action *action, uint16_t type, uint8_t *out)
{
    struct of10_action wire = {
        .type = be16_from_host(type),
        .len = be16_from_host(sizeof wire),
    };
    encode_arg(action, wire.arg);
    memcpy(out, &wire, sizeof wire);
}

void
of10_encode_actions(const struct action *actions, uint32_t n_actions, uint8_t *out)
{
    for (uint32_t i = 0; i < n_actions; i++) {
        uint8_t type = type_on_wire[actions[i].type];
        if (nx_is_action(&actions[i])) {
            nx_encode_action(&actions[i], out);
        } else if (type == OFPAT_OUTPUT) {
            encode_output(&actions[i], out);
        } else if (type == OFPAT_ENQUEUE) {
            encode_enqueue(&actions[i], out);
        } else if (type == OFPAT_SET_DL_SRC || type == OFPAT_SET_DL_DST) {
            encode_dl_addr(&actions[i], type, out);
        } else {
            encode_short(&actions[i], type, out);
        }
        out += size_on_wire(&actions[i]);
    }
}

int
ofp_check_actions(const struct action *actions, uint32_t n_actions, struct ofp_refusal *refusal)
{
    for (uint32_t i = 0; i < n_actions; i++) {
        uint8_t wire[64];
        struct action decoded[sizeof wire / OF10_ACTION_ALIGN];
        uint32_t n;
        size_t size = of10_actions_size(&actions[i], 1);
        assert(size <= sizeof wire);
        of10_encode_actions(&actions[i], 1, wire);
        if (of10_decode_actions(wire, size, OF10_IN_FLOW, decoded, &n, refusal)) {
            return OFP_REFUSED;
        }
    }
    return 0;
}
