/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/property/sut_wire.h"
#include "tests/property/trial.h"

enum {
    BATCH = 40,                  /* more than the product takes at a time */
    LEAST = 64,                  /* of a cable's frames: tags may come off */
};

/* Frames of one port, on their way in. */
struct arrival {
    struct trial *t;
    uint16_t in_port;
    unsigned n, max;
    const struct input *came[BATCH];
};

/* True if the specification says which flow decides. */
static bool
is_decided(struct trial *t, uint16_t in_port, const struct ref_frame *frame)
{
    struct ref_fields fields;
    bool ambiguous;
    if (frame->size < 14) {
        return true;
    }
    ref_parse(frame, in_port, &fields);
    const struct ref_flow *flow = ref_table_lookup(&t->ref->table, &fields, &ambiguous);
    if (ambiguous) {
        tally.ambiguous++;
        return false;
    }
    tally.exact_hits += flow && flow->exact;
    tally.fragments_dropped += fields.is_fragment && t->ref->drop_fragments;
    return true;
}

uint32_t
trial_pad(const struct trial *t, uint8_t *frame, uint32_t size)
{
    if (!t->sut_config.attached || size >= LEAST) {
        return size;
    }
    memset(frame + size, 0, LEAST - size);
    return LEAST;
}

/* Puts one frame in on both sides; false if it can't be compared. */
static bool
arrive(struct arrival *a, const uint8_t *data, uint32_t size)
{
    struct trial *t = a->t;
    struct ref_frame frame = { .size = size };
    memcpy(frame.data, data, size);
    frame.size = size = trial_pad(t, frame.data, size);
    bool recomputed = t->hardware && t->sut_config.attached;
    if ((recomputed && !sut_wire_is_sound(frame.data, size)) || !is_decided(t, a->in_port, &frame)) {
        return false;
    }
    unsigned origin = trial_add_input(t, a->in_port, frame.data, size);
    ref_receive(t->ref, a->in_port, frame.data, size, t->out);
    trial_expect_output(t, origin);
    if (t->config->verbose) {
        fprintf(stderr, "#   port %u gets %u bytes: ", a->in_port, size);
        for (uint32_t i = 0; i < size && i < 64; i++) {
            fprintf(stderr, "%02x", frame.data[i]);
        }
        fprintf(stderr, "; %zu go out\n", t->out->n);
    }
    plant_frame(t, frame.data, size);
    sut_inject(t->sut, a->in_port, frame.data, size);
    tally.frames++;
    a->came[a->n++] = &t->input[origin];
    return true;
}

static bool
forward(struct arrival *a)
{
    struct trial *t = a->t;
    sut_forward(t->sut);
    for (unsigned i = 0; i < a->n; i++) {
        trial_offer(t, a->came[i]);
    }
    sut_run_hardware(t->sut);
    a->n = 0;
    if (!trial_compare_frames(t)) {
        return false;
    }
    if (t->hardware && a->max == 1) {
        return trial_settle(t);      /* what was learnt has an effect by the next barrier */
    }
    /* Connections keep only so many PACKET_INs, and we only so many frames. */
    bool has_room = t->packet_in_bytes < PACKET_INS_AT_A_TIME / 2 && t->n_sent < SENT_MAX / 4;
    return has_room || trial_settle(t);
}

/* Frames that are there at the same time; their PACKET_INs fit into the connection. */
static bool
is_full(const struct arrival *a)
{
    return a->n >= a->max || a->t->packet_in_bytes > PACKET_INS_AT_A_TIME;
}

/* With a device, what software learns from one frame of a batch the others do not feel. */
static unsigned
batch_size(const struct trial *t)
{
    bool learns = false;
    for (size_t i = 0; t->hardware && i < t->ref->table.n_flows; i++) {
        const struct ref_flow *flow = &t->ref->table.flows[i];
        for (size_t at = 0; at < flow->actions_size; at += flow->actions[at + 3]) {
            learns = learns || (!flow->actions[at + 1] && wire_get(flow->actions + at + 4, 2) == P_NORMAL);
        }
    }
    return learns ? 1 : BATCH;
}

bool
trial_frames(struct trial *t)
{
    uint8_t frame[SHAPE_MAX_SIZE];
    uint32_t kind = gen_below(&t->g, 8);
    uint32_t n = kind < 2 ? 1 : kind < 6 ? 2 + gen_below(&t->g, 12) : gen_below(&t->g, 60);
    struct arrival a = { .t = t, .max = batch_size(t) };
    shape_frame(&t->shape, &t->g, frame, &a.in_port);
    for (uint32_t i = 0; i < n && !t->failed; i++) {
        uint16_t port;
        uint32_t size = shape_frame(&t->shape, &t->g, frame, &port);
        for (unsigned tries = 0; port != a.in_port && tries < 6; tries++) {
            size = shape_frame(&t->shape, &t->g, frame, &port);
        }
        if (ref_find_port(t->ref, a.in_port)) {
            arrive(&a, frame, size);
        }
        if (is_full(&a) && !forward(&a)) {
            return false;
        }
    }
    if (!forward(&a)) {
        return false;
    }
    plant_release(t);
    bool quiet = !t->packet_in_bytes && !once_in(&t->g, 8);
    return quiet ? trial_compare_end(t) : trial_settle(t);
}

static bool
send_universe(struct trial *t, unsigned max)
{
    for (size_t p = 0; p < t->ref->n_ports; p++) {
        struct arrival a = { .t = t, .in_port = t->ref->ports[p].number, .max = max };
        for (unsigned i = 0; i < t->shape.n; i++) {
            const struct shape_item *item = &t->shape.item[i];
            if (item->in_port == a.in_port) {
                arrive(&a, item->data, item->size);
            }
            if (is_full(&a) && !forward(&a)) {
                return false;
            }
        }
        if (!forward(&a)) {
            return false;
        }
    }
    return trial_settle(t);
}

/* With a device, again: it has them now. */
bool
trial_warm(struct trial *t)
{
    unsigned max = batch_size(t);
    return send_universe(t, max) && (!t->shape.plain_percent || send_universe(t, max));
}

/* --- frames that left -------------------------------------------------------------------- */

static struct sent *
next_to(struct trial *t, unsigned *at, uint16_t port, uint8_t queue)
{
    while (*at < t->n_sent) {
        struct sent *sent = &t->sent[(*at)++];
        if (sent->port == port && sent->queue == queue) {
            return sent;
        }
    }
    return NULL;
}

/* What the product sent by the port, against what is expected next by it and that queue:
 * frames of different queues have no order. */
static bool
compare_frame(struct trial *t, uint16_t port, const uint8_t *frame, uint32_t size, uint8_t queue,
              const struct sent *want)
{
    if (want && size == want->size && !memcmp(frame, want->data, size)) {
        return true;
    }
    trial_fail(t, "port %u, queue %u: the product sent %u bytes, the reference %u", port, queue, size,
               want ? want->size : 0);
    trial_explain_bytes(t, "the product's frame", frame, size);
    if (want) {
        trial_explain_bytes(t, "the reference's", want->data, want->size);
        trial_explain_input(t, want->origin);
    } else if (t->n_inputs) {
        trial_explain(t, "\n  after, last of %u inputs,", t->n_inputs);
        trial_explain_input(t, t->n_inputs - 1);
    }
    return false;
}

/* With a device the order is that of each flow: what it forwards overtakes what it does not.
 * The frame that it must be, or could have been, or NULL. */
static struct sent *
find_sent(struct trial *t, uint16_t port, uint8_t queue, const uint8_t *frame, uint32_t size)
{
    for (unsigned i = t->n_compared; i < t->n_sent; i++) {
        struct sent *sent = &t->sent[i];
        if (sent->port == port && sent->queue == queue && !sent->found && size == sent->size
            && !memcmp(frame, sent->data, size)) {
            return sent;
        }
    }
    return NULL;
}

/* The first of the flow that was not sent yet. */
static struct sent *
first_of_flow(struct trial *t, const struct sent *like)
{
    uint64_t flow = t->input[like->origin].flow;
    for (unsigned i = t->n_compared; i < t->n_sent; i++) {
        struct sent *sent = &t->sent[i];
        if (sent->port == like->port && sent->queue == like->queue && !sent->found
            && t->input[sent->origin].flow == flow) {
            return sent;
        }
    }
    return NULL;
}

/* Frames of two flows can be the same when they leave: 'sent' may be what another one was taken
 * for. */
static bool
swap_found(struct trial *t, struct sent *sent)
{
    for (unsigned i = t->n_compared; i < t->n_sent; i++) {
        struct sent *other = &t->sent[i];
        if (other->found && other->port == sent->port && other->queue == sent->queue
            && t->input[other->origin].flow != t->input[sent->origin].flow
            && other->size == sent->size && !memcmp(other->data, sent->data, sent->size)) {
            other->found = false;
            sent->found = true;
            return true;
        }
    }
    return false;
}

/* Inputs beyond those that are remembered share the last one's place. */
static bool
is_remembered(const struct sent *sent)
{
    return sent->origin < INPUTS_MAX - 1;
}

static bool
compare_port_by_flow(struct trial *t, uint16_t port)
{
    static uint8_t frame[REF_MAX_FRAME];
    uint32_t size, queue;
    while ((size = sut_take(t->sut, port, frame, sizeof frame, &queue))) {
        uint8_t q = queue < REF_MAX_QUEUES ? (uint8_t) queue : REF_NO_QUEUE;
        unsigned at = t->n_compared;
        struct sent *sent = find_sent(t, port, q, frame, size), *first = NULL;
        if (!sent) {
            do {
                first = next_to(t, &at, port, q);
            } while (first && first->found);
            return compare_frame(t, port, frame, size, q, first);
        }
        do {
            first = is_remembered(sent) ? first_of_flow(t, sent) : sent;
        } while (first != sent && swap_found(t, first));
        if (first != sent && is_remembered(first)) {
            return compare_frame(t, port, frame, size, q, first);
        }
        sent->found = true;
    }
    for (unsigned i = t->n_compared; i < t->n_sent; i++) {
        if (t->sent[i].port == port && !t->sent[i].found) {
            return compare_frame(t, port, frame, 0, t->sent[i].queue, &t->sent[i]);
        }
    }
    return true;
}

static bool
compare_port(struct trial *t, uint16_t port)
{
    static uint8_t frame[REF_MAX_FRAME];
    unsigned at[REF_NO_QUEUE + 1];
    uint32_t size, queue;
    for (unsigned i = 0; i <= REF_NO_QUEUE; i++) {
        at[i] = t->n_compared;
    }
    while ((size = sut_take(t->sut, port, frame, sizeof frame, &queue))) {
        uint8_t q = queue < REF_MAX_QUEUES ? (uint8_t) queue : REF_NO_QUEUE;
        if (!compare_frame(t, port, frame, size, q, next_to(t, &at[q], port, q))) {
            return false;
        }
    }
    for (uint8_t q = 0; q <= REF_NO_QUEUE; q++) {
        const struct sent *want = next_to(t, &at[q], port, q);
        if (want) {
            return compare_frame(t, port, frame, 0, q, want);
        }
    }
    return true;
}

bool
trial_compare_frames(struct trial *t)
{
    for (size_t i = 0; i < t->ref->n_ports; i++) {
        uint16_t port = t->ref->ports[i].number;
        if (!(t->hardware ? compare_port_by_flow(t, port) : compare_port(t, port))) {
            return false;
        }
    }
    t->n_compared = t->n_sent;
    return true;
}
