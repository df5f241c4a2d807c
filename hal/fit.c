/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/fit.h"

#include "lib/field.h"
#include "turnout/port.h"

static bool
refuse(struct hal_verdict *verdict, enum hal_reason reason)
{
    *verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                      .action = HAL_OBJECT_NONE };
    return false;
}

static bool
refuse_field(struct hal_verdict *verdict, enum hal_reason reason, enum field_id id)
{
    refuse(verdict, reason);
    verdict->field = (uint8_t) id;
    return false;
}

static bool
refuse_action(struct hal_verdict *verdict, enum hal_reason reason, enum action_type type)
{
    refuse(verdict, reason);
    verdict->action = (uint8_t) type;
    return false;
}

/* A match that says "no tunnel", or "not a fragment", does so by a zero value: a table that
 * does not have the field can't promise it. */
static bool
fits_fields(const struct hal_table_caps *caps, const struct flow_match *match,
            struct hal_verdict *verdict)
{
    for (unsigned id = 0; id < N_FIELDS; id++) {
        enum field_mask_mode wanted = field_mask_mode(&fields[id], &match->mask);
        if (wanted > FIELD_MASK_NONE && caps->field[id] == FIELD_MASK_NONE) {
            bool fragment = id == FIELD_NW_FRAG && match->value.nw_frag;
            return refuse_field(verdict, fragment ? HAL_REASON_FRAGMENT
                                                  : HAL_REASON_FIELD_UNSUPPORTED, id);
        }
        if (wanted > caps->field[id]) {
            return refuse_field(verdict, HAL_REASON_MASK_UNSUPPORTED, id);
        }
        if (wanted != FIELD_MASK_EXACT && caps->required >> id & 1) {
            return refuse_field(verdict, HAL_REASON_FIELD_REQUIRED, id);
        }
    }
    return true;
}

static bool
fits_port(const struct hal_table_caps *caps, uint16_t port, enum action_type type,
          const struct hal_ports_view *ports, struct hal_verdict *verdict)
{
    enum hal_reason reason = 0;
    if (port == PORT_IN_PORT) {
        reason = caps->outputs & HAL_OUTPUT_IN_PORT ? 0 : HAL_REASON_ACTION_UNSUPPORTED;
    } else if (port >= PORT_MAX) {
        reason = HAL_REASON_OUTPUT_SPECIAL;
    } else {
        switch (ports->kind(ports->aux, port)) {
        case HAL_PORT_HERE:
            reason = caps->outputs & HAL_OUTPUT_PORT ? 0 : HAL_REASON_ACTION_UNSUPPORTED;
            break;
        case HAL_PORT_ELSEWHERE:
            reason = caps->outputs & HAL_OUTPUT_OTHER_DEVICE ? 0 : HAL_REASON_OUTPUT_OTHER_DEVICE;
            break;
        case HAL_PORT_SOFTWARE: reason = HAL_REASON_OUTPUT_SPECIAL; break;
        case HAL_PORT_DOWN: reason = HAL_REASON_OUTPUT_DOWN; break;
        case HAL_PORT_BYPASSED:
            reason = caps->actions >> ACTION_ENQUEUE & 1 ? 0 : HAL_REASON_BYPASS;
            break;
        }
    }
    if (reason) {
        refuse_action(verdict, reason, type);
        verdict->port = port;
    }
    return !reason;
}

static bool
is_output(enum action_type type)
{
    return type == ACTION_OUTPUT || type == ACTION_ENQUEUE;
}

/* Fragments have no ports to rewrite, and a checksum over more than they hold. */
static bool
rewrites_transport(enum action_type type)
{
    return type == ACTION_SET_TP_SRC || type == ACTION_SET_TP_DST || type == ACTION_SET_NW_SRC
           || type == ACTION_SET_NW_DST;
}

/* Why an action that the table does not have stays in software. */
static enum hal_reason
reason_without(enum action_type type)
{
    switch (type) {
    case ACTION_ENQUEUE: return HAL_REASON_OUTPUT_QUEUE;
    case ACTION_DEC_TTL: return HAL_REASON_PER_PACKET;
    default: return HAL_REASON_ACTION_UNSUPPORTED;
    }
}

static bool
fits_action(const struct hal_table_caps *caps, const struct flow_match *match,
            const struct action *a, bool after_output, struct hal_verdict *verdict)
{
    if (a->type == ACTION_CONTROLLER) {
        return refuse_action(verdict, HAL_REASON_OUTPUT_SPECIAL, a->type);
    }
    if (!(caps->actions >> a->type & 1)) {
        return refuse_action(verdict, reason_without(a->type), a->type);
    }
    if (after_output && !is_output(a->type) && !(caps->ordered >> a->type & 1)) {
        return refuse_action(verdict, HAL_REASON_ACTION_ORDER, a->type);
    }
    if (match->value.nw_frag && rewrites_transport(a->type)) {
        return refuse_action(verdict, HAL_REASON_FRAGMENT, a->type);
    }
    return true;
}

static bool
fits_actions(const struct hal_table_caps *caps, const struct flow_match *match,
             const struct action_list *actions, const struct hal_ports_view *ports,
             struct hal_verdict *verdict)
{
    unsigned n_outputs = 0;
    for (uint32_t i = 0; i < actions->len; i++) {
        const struct action *a = &actions->actions[i];
        if (!fits_action(caps, match, a, n_outputs, verdict)) {
            return false;
        }
        if (is_output(a->type)) {
            n_outputs++;
            uint16_t port = a->type == ACTION_OUTPUT ? a->output.port : a->enqueue.port;
            if (!fits_port(caps, port, a->type, ports, verdict)) {
                return false;
            }
        }
    }
    if ((caps->max_actions && actions->len > caps->max_actions)
        || (caps->max_outputs && n_outputs > caps->max_outputs)) {
        return refuse(verdict, HAL_REASON_TOO_MANY_ACTIONS);
    }
    if (!n_outputs && !(caps->outputs & HAL_OUTPUT_NOWHERE)) {
        return refuse(verdict, HAL_REASON_OUTPUT_NONE);
    }
    return true;
}

bool
hal_fits(const struct hal_table_caps *caps, const struct flow_match *match,
         const struct action_list *actions, const struct hal_ports_view *ports,
         struct hal_verdict *verdict)
{
    return fits_fields(caps, match, verdict)
           && fits_actions(caps, match, actions, ports, verdict);
}
