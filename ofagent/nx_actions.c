/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's actions, from the wire and back: those that this switch has. */
#include "ofagent/nicira.h"
#include "ofagent/ofp_internal.h"

static int
refuse(struct ofp_refusal *refusal, uint16_t code, const char *why)
{
    return ofp_refuse(refusal, OFPET_BAD_ACTION, code, why);
}

static int
refuse_size(struct ofp_refusal *refusal)
{
    return refuse(refusal, OFPBAC_BAD_LEN, "action length is not that of Nicira's subtype");
}

static size_t
cnt_ids_size(unsigned n)
{
    size_t size = sizeof(struct nicira_action_cnt_ids) + n * sizeof(struct be16);
    return (size + OF10_ACTION_ALIGN - 1) / OF10_ACTION_ALIGN * OF10_ACTION_ALIGN;
}

/* One without arguments. */
static int
decode_bare(size_t len, enum action_type type, struct action *out, struct ofp_refusal *refusal)
{
    if (len != sizeof(struct nicira_action)) {
        return refuse_size(refusal);
    }
    out->type = type;
    return 0;
}

static int
decode_set_queue(const uint8_t *p, size_t len, struct action *out, struct ofp_refusal *refusal)
{
    struct nicira_action_set_queue wire;
    if (len != sizeof wire) {
        return refuse_size(refusal);
    }
    memcpy(&wire, p, sizeof wire);
    uint32_t id = be32_to_host(wire.queue_id);
    out->type = ACTION_SET_QUEUE;
    out->queue.hi = (uint16_t) (id >> 16);
    out->queue.lo = (uint16_t) id;
    return 0;
}

static int
decode_controller(const uint8_t *p, size_t len, struct action *out, struct ofp_refusal *refusal)
{
    struct nicira_action_controller wire;
    if (len != sizeof wire) {
        return refuse_size(refusal);
    }
    memcpy(&wire, p, sizeof wire);
    if (wire.zero) {
        return nx_refuse(refusal, OFPET_BAD_ACTION, NXBAC_MUST_BE_ZERO,
                         "controller action with a byte that must be zero");
    }
    if (wire.reason > ACTION_CONTROLLER_REASON_MAX) {
        return refuse(refusal, OFPBAC_BAD_ARGUMENT, "controller action with a reason above 31");
    }
    if (wire.reason == OFPR_ACTION && !be16_to_host(wire.controller_id)) {
        /* It means what an output does, and comes back as one. */
        out->type = ACTION_OUTPUT;
        out->output.port = PORT_CONTROLLER;
        out->output.max_len = be16_to_host(wire.max_len);
        return 0;
    }
    out->type = ACTION_CONTROLLER;
    out->controller.max_len = be16_to_host(wire.max_len);
    out->controller.id = be16_to_host(wire.controller_id);
    out->controller.reason = wire.reason;
    return 0;
}

static int
decode_cnt_ids(const uint8_t *p, size_t len, struct action *out, struct ofp_refusal *refusal)
{
    static const uint8_t zeros[4];
    struct nicira_action_cnt_ids wire;
    memcpy(&wire, p, sizeof wire);
    unsigned n = be16_to_host(wire.n_controllers);
    if (memcmp(wire.zero, zeros, sizeof zeros)) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO,
                         "dec_ttl with bytes that must be zero");
    }
    if (len != cnt_ids_size(n)) {
        return refuse(refusal, OFPBAC_BAD_LEN, "dec_ttl's length is not that of its ids");
    }
    if (!n || n > ACTION_DEC_TTL_IDS) {
        return refuse(refusal, n ? OFPBAC_TOO_MANY : OFPBAC_BAD_ARGUMENT,
                      "dec_ttl with no controller ids, or more than there is room for");
    }
    out->type = ACTION_DEC_TTL;
    out->n_ids = (uint8_t) n;
    for (unsigned i = 0; i < n; i++) {
        struct be16 id;
        memcpy(&id, p + sizeof wire + i * sizeof id, sizeof id);
        out->dec_ttl.ids[i] = be16_to_host(id);
    }
    return 0;
}

int
nx_decode_action(const uint8_t *p, size_t len, struct action *out, struct ofp_refusal *refusal)
{
    struct nicira_action wire = { 0 };
    memcpy(&wire, p, len < sizeof wire ? len : sizeof wire);
    if (be32_to_host(wire.vendor) != NICIRA_VENDOR_ID) {
        return refuse(refusal, OFPBAC_BAD_VENDOR, "action of an unknown vendor");
    }
    if (len < sizeof wire) {
        return refuse_size(refusal);
    }
    switch (be16_to_host(wire.subtype)) {
    case NXAST_SET_QUEUE: return decode_set_queue(p, len, out, refusal);
    case NXAST_POP_QUEUE: return decode_bare(len, ACTION_POP_QUEUE, out, refusal);
    case NXAST_DEC_TTL: return decode_bare(len, ACTION_DEC_TTL, out, refusal);
    case NXAST_CONTROLLER: return decode_controller(p, len, out, refusal);
    case NXAST_DEC_TTL_CNT_IDS: return decode_cnt_ids(p, len, out, refusal);
    default: return refuse(refusal, OFPBAC_BAD_VENDOR_TYPE, "one of Nicira's actions that this"
                           " switch does not have");
    }
}

bool
nx_is_action(const struct action *action)
{
    return action->type == ACTION_CONTROLLER || action->type == ACTION_DEC_TTL
           || action->type == ACTION_SET_QUEUE || action->type == ACTION_POP_QUEUE;
}

size_t
nx_action_size(const struct action *action)
{
    return action->n_ids ? cnt_ids_size(action->n_ids) : sizeof(struct nicira_action);
}

static void
encode_cnt_ids(const struct action *action, uint8_t *out)
{
    size_t size = cnt_ids_size(action->n_ids);
    struct nicira_action_cnt_ids wire = {
        .type = be16_from_host(OF10_ACTION_VENDOR),
        .len = be16_from_host((uint16_t) size),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be16_from_host(NXAST_DEC_TTL_CNT_IDS),
        .n_controllers = be16_from_host(action->n_ids),
    };
    memset(out, 0, size);
    memcpy(out, &wire, sizeof wire);
    for (unsigned i = 0; i < action->n_ids; i++) {
        struct be16 id = be16_from_host(action->dec_ttl.ids[i]);
        memcpy(out + sizeof wire + i * sizeof id, &id, sizeof id);
    }
}

static void
encode_controller(const struct action *action, uint8_t *out)
{
    struct nicira_action_controller wire = {
        .type = be16_from_host(OF10_ACTION_VENDOR),
        .len = be16_from_host(sizeof wire),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be16_from_host(NXAST_CONTROLLER),
        .max_len = be16_from_host(action->controller.max_len),
        .controller_id = be16_from_host(action->controller.id),
        .reason = action->controller.reason,
    };
    memcpy(out, &wire, sizeof wire);
}

static void
encode_set_queue(const struct action *action, uint8_t *out)
{
    struct nicira_action_set_queue wire = {
        .type = be16_from_host(OF10_ACTION_VENDOR),
        .len = be16_from_host(sizeof wire),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be16_from_host(NXAST_SET_QUEUE),
        .queue_id = be32_from_host((uint32_t) action->queue.hi << 16 | action->queue.lo),
    };
    memcpy(out, &wire, sizeof wire);
}

static void
encode_bare(uint16_t subtype, uint8_t *out)
{
    struct nicira_action wire = {
        .type = be16_from_host(OF10_ACTION_VENDOR),
        .len = be16_from_host(sizeof wire),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be16_from_host(subtype),
    };
    memcpy(out, &wire, sizeof wire);
}

void
nx_encode_action(const struct action *action, uint8_t *out)
{
    if (action->type == ACTION_CONTROLLER) {
        encode_controller(action, out);
    } else if (action->type == ACTION_SET_QUEUE) {
        encode_set_queue(action, out);
    } else if (action->type == ACTION_POP_QUEUE) {
        encode_bare(NXAST_POP_QUEUE, out);
    } else if (action->n_ids) {
        encode_cnt_ids(action, out);
    } else {
        encode_bare(NXAST_DEC_TTL, out);
    }
}
