/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that change something, but for FLOW_MODs; and messages that are wrong. */
#include <string.h>

#include "tests/property/trial.h"

enum { KNOWN_CONFIG = 0x7f, BIG_BURST = 65, PACKET_OUTS_AT_A_TIME = 6 };

/* --- PACKET_OUT --------------------------------------------------------------------------- */

static uint16_t
out_in_port(struct trial *t)
{
    static const uint16_t odd[] = { P_NONE, P_NONE, P_CONTROLLER, 99, 0, 0xff00, P_TABLE };
    return once_in(&t->g, 2) ? shape_in_port(&t->shape, &t->g) : odd[gen_below(&t->g, 7)];
}

/* Actions, of which one in a few is an output to TABLE; outputs to ports that are not there
 * are rare. */
static size_t
out_actions(struct trial *t, uint8_t *actions)
{
    size_t size = shape_actions(&t->shape, &t->g, actions);
    for (size_t at = 0; at < size; at += actions[at + 3]) {
        uint16_t port = (uint16_t) wire_get(actions + at + 4, 2);
        if (actions[at + 1] == 0 && once_in(&t->g, 4)) {
            wire_put(actions + at + 4, 2, P_TABLE);
        } else if (actions[at + 1] == 0 && port < 0xff00 && !ref_find_port(t->ref, port)
                   && !once_in(&t->g, 8)) {
            wire_put(actions + at + 4, 2, P_IN_PORT);
        }
    }
    return size;
}

static size_t
make_packet_out(struct trial *t, uint8_t *msg)
{
    uint16_t unused;
    const struct held *held = once_in(&t->g, 3) ? trial_pick_held(t) : NULL;
    memset(msg, 0, 16);
    msg[0] = 1;
    msg[1] = 13;
    wire_put(msg + 8, 4, held ? held->id : UINT32_MAX);
    wire_put(msg + 12, 2, out_in_port(t));
    size_t actions_size = out_actions(t, msg + 16);
    size_t size = 16 + actions_size;
    size += trial_pad(t, msg + size, shape_frame(&t->shape, &t->g, msg + size, &unused));
    wire_put(msg + 14, 2, actions_size);
    if (once_in(&t->g, 40)) {
        wire_put(msg + 14, 2, once_in(&t->g, 2) ? size : actions_size + 4);
    } else if (once_in(&t->g, 20)) {
        msg[12 + gen_below(&t->g, 4 + (uint32_t) actions_size)] ^= (uint8_t) (1 << gen_below(&t->g, 8));
    }
    wire_put(msg + 2, 2, size);
    return size;
}

/* The message with the packet in it: what the naive switch, which has no buffers, is given. */
static size_t
fill_in(struct trial *t, const uint8_t *msg, size_t size, uint8_t *out, struct held **held)
{
    uint32_t id = (uint32_t) wire_get(msg + 8, 4);
    size_t head = 16 + wire_get(msg + 14, 2);
    memcpy(out, msg, size);
    *held = NULL;
    if (id == UINT32_MAX || head > size) {
        return size;
    }
    *held = t->held;
    while ((*held)->id != id) {
        ++*held;
    }
    wire_put(out + 8, 4, UINT32_MAX);
    size = head;
    if (!(*held)->gone) {
        memcpy(out + head, (*held)->frame.data, (*held)->frame.size);
        size += (*held)->frame.size;
    }
    wire_put(out + 2, 2, size);
    return size;
}

/* True if it runs a packet through the table for which flows of one rank decide. */
static bool
is_ambiguous(struct trial *t, const uint8_t *msg, size_t size)
{
    struct ref_error error;
    struct ref_fields fields;
    struct ref_frame frame;
    bool ambiguous = false;
    size_t end = 16 + wire_get(msg + 14, 2);
    if (end + 14 > size || !ref_check_actions(msg + 16, end - 16, true, &error)) {
        return false;
    }
    frame.size = (uint32_t) (size - end);
    memcpy(frame.data, msg + end, frame.size);
    for (size_t at = 16; at < end && !ambiguous; at += msg[at + 3]) {
        if (msg[at + 1] == 0 && wire_get(msg + at + 4, 2) == P_TABLE) {
            ref_parse(&frame, ref_ingress(t->ref, (uint16_t) wire_get(msg + 12, 2)), &fields);
            ref_table_lookup(&t->ref->table, &fields, &ambiguous);
            tally.table_outputs++;
        }
        if (msg[at + 1] == 0xff && msg[at + 9] != 20 && ref_ttl_is_over(&frame)) {
            break;
        }
        ref_rewrite(&frame, msg + at);
    }
    tally.ambiguous += ambiguous;
    return ambiguous;
}

static void
packet_out(struct trial *t)
{
    uint8_t msg[MESSAGE_MAX], whole[MESSAGE_MAX];
    struct ref_error error;
    struct held *held;
    size_t size = make_packet_out(t, msg);
    size_t whole_size = fill_in(t, msg, size, whole, &held);
    if (is_ambiguous(t, whole, whole_size)) {
        return;
    }
    wire_put(msg + 4, 4, ++t->xid);
    unsigned origin = trial_add_message(t, msg, size);
    tally.packet_outs++;
    if (!ref_packet_out(t->ref, whole, whole_size, t->out, &error)) {
        tally.packet_outs_refused++;
        trial_expect_error(t, msg, size, error);
    } else if (held && held->gone) {
        tally.buffers_refused++;
        trial_expect_error(t, msg, size, (struct ref_error) { 1, 7, false });
    } else {
        trial_expect_output(t, origin);
        if (held) {
            held->gone = true;
            tally.buffers_used++;
        }
    }
}

/* --- configuration -------------------------------------------------------------------------- */

static void
set_config(struct trial *t)
{
    static const uint16_t lengths[] = { 0, 1, 60, 128, 1500, 0xffff };
    uint8_t msg[12] = { 1, 9, 0, 12 };
    uint16_t flags = (uint16_t) (once_in(&t->g, 8) ? 2 + gen_below(&t->g, 2) : gen_below(&t->g, 2));
    uint16_t length = lengths[gen_below(&t->g, 6)];
    if (t->sut_config.peer != SUT_CONTROLLER) {
        length = t->async ? length | 1 : 0;    /* with 0, management is not told of packets */
    }
    wire_put(msg + 4, 4, ++t->xid);
    bool wants_ttl = !once_in(&t->g, 3);
    wire_put(msg + 8, 2, flags | (wants_ttl ? 4 : 0));
    wire_put(msg + 10, 2, length);
    trial_add_message(t, msg, sizeof msg);
    t->ref->miss_send_len = length;
    t->ref->wants_ttl = wants_ttl;
    if (flags < 2) {                           /* other modes are not there */
        t->ref->drop_fragments = flags == 1;
        t->fragment_flags = flags;
    }
    tally.set_configs++;
}

/* Mostly 0, for which table misses are. */
static void
set_controller_id(struct trial *t)
{
    uint8_t msg[24] = { 1, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0x23, 0x20, 0, 0, 0, 20 };
    uint16_t id = once_in(&t->g, 4);
    wire_put(msg + 4, 4, ++t->xid);
    wire_put(msg + 22, 2, id);
    trial_add_message(t, msg, sizeof msg);
    t->ref->controller_id = id;
}

static void
port_mod(struct trial *t)
{
    static const uint32_t bits[] = { 1, 2, 4, 8, 16, 16, 32, 64, 64, 128, 1u << 31 };
    uint8_t msg[32] = { 1, 15, 0, 32 };
    uint16_t number = once_in(&t->g, 10) ? 99 : shape_in_port(&t->shape, &t->g);
    struct ref_port *port = ref_find_port(t->ref, number);
    uint32_t mask = bits[gen_below(&t->g, sizeof bits / sizeof bits[0])];
    bool mend = t->shape.plain_percent && !once_in(&t->g, 4);
    uint32_t config = !mend && once_in(&t->g, 2) ? mask : 0;
    mask = once_in(&t->g, 8) || mend ? UINT32_MAX : mask;
    if (t->sut_config.attached) {
        mask &= ~1u;                     /* a device that is down does not count */
    }
    wire_put(msg + 4, 4, ++t->xid);
    wire_put(msg + 8, 2, number);
    bool misaddressed = once_in(&t->g, 20);
    sut_get_address(t->sut, number, msg + 10);
    msg[15] ^= misaddressed;
    wire_put(msg + 16, 4, config);
    wire_put(msg + 20, 4, mask);
    tally.port_mods++;
    if (!port || misaddressed) {
        trial_expect_error(t, msg, sizeof msg, (struct ref_error) { 4, port ? 1 : 0, false });
    } else {
        uint32_t old = port->config;
        mask &= KNOWN_CONFIG;
        ref_set_config(t->ref, port, (old & ~mask) | (config & mask));
        if (port->config != old) {
            trial_expect_status(t, 2, port);
        }
    }
    trial_add_message(t, msg, sizeof msg);
}

/* --- messages that are wrong ------------------------------------------------------------ */

#define ODD(SIZE, TYPE, CODE, ...) { { TYPE, CODE, false }, SIZE, { __VA_ARGS__ } }

static const struct odd {
    struct ref_error error;
    uint8_t size;
    uint8_t bytes[24];
} odd_messages[] = {
    ODD(12, 1, 3, 1, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0x23, 0x21),     /* an unknown VENDOR */
    ODD(12, 1, 6, 1, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0x23, 0x20),     /* Nicira's, no subtype */
    ODD(20, 1, 4, 1, 4, 0, 20, 0, 0, 0, 0, 0, 0, 0x23, 0x20, 0, 0, 0, 9),
    ODD(8, 1, 1, 1, 30, 0, 8),                                    /* no such type */
    ODD(18, 1, 1, 1, 10, 0, 18),                                  /* PACKET_IN */
    ODD(8, 1, 0, 4, 18, 0, 8),                                    /* another version */
    ODD(12, 1, 6, 1, 18, 0, 12),                                  /* a barrier, too long */
    ODD(8, 1, 6, 1, 13, 0, 8),                                    /* PACKET_OUT, too short */
    ODD(10, 1, 6, 1, 9, 0, 10),                                   /* SET_CONFIG, too short */
    ODD(12, 1, 2, 1, 16, 0, 12, 0, 0, 0, 0, 0, 9),                /* no such statistics */
    ODD(16, 1, 3, 1, 16, 0, 16, 0, 0, 0, 0, 0xff, 0xff),          /* a vendor's statistics */
    ODD(16, 1, 6, 1, 16, 0, 16, 0, 0, 0, 0, 0, 1),                /* FLOW without match */
    ODD(20, 5, 1, 1, 16, 0, 20, 0, 0, 0, 0, 0, 5, 0, 0, 0xff, 0xfc, 0, 0, 0, 0, 0, 9),
    ODD(12, 5, 0, 1, 20, 0, 12, 0, 0, 0, 0, 0, 99),               /* queues of port 99 */
    ODD(16, 2, 4, 1, 13, 0, 16, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
};

static void
odd_message(struct trial *t)
{
    const struct odd *odd = &odd_messages[gen_below(&t->g, sizeof odd_messages / sizeof *odd)];
    uint8_t msg[sizeof odd->bytes];
    memcpy(msg, odd->bytes, sizeof msg);
    wire_put(msg + 4, 4, ++t->xid);
    trial_expect_error(t, msg, odd->size, odd->error);
    trial_add_message(t, msg, odd->size);
    tally.odd_messages++;
}

/* --- steps -------------------------------------------------------------------------------- */

static unsigned
burst_length(struct gen *g)
{
    uint32_t roll = gen_below(g, 100);
    return roll < 50 ? 1 + gen_below(g, 3) : roll < 85 ? 4 + gen_below(g, 13)
           : roll < 97 ? 17 + gen_below(g, 64) : BIG_BURST + 40 + gen_below(g, 150);
}

bool
trial_messages(struct trial *t)
{
    unsigned n = burst_length(&t->g), n_packet_outs = 0;
    bool others = n < BIG_BURST;
    tally.big_bursts += !others;
    if (!others && !once_in(&t->g, 4)) {
        tally.far_bursts++;
        trial_far_flow_mods(t, n);
        return trial_settle(t);
    }
    for (unsigned i = 0; i < n && !t->failed; i++) {
        uint32_t roll = others ? gen_below(&t->g, 100) : 0;
        if (roll < 76) {
            trial_flow_mod(t);
        } else if (roll < 88) {
            if (n_packet_outs++ < PACKET_OUTS_AT_A_TIME) {
                packet_out(t);
            }
        } else if (roll < 91) {
            once_in(&t->g, 4) ? set_controller_id(t) : set_config(t);
        } else if (roll < 97) {
            port_mod(t);
        } else {
            odd_message(t);
        }
    }
    return trial_settle(t);
}
