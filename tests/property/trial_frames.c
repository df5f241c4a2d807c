/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/property/trial.h"

enum { BATCH = 40 };             /* more than the product takes at a time */

/* Frames of one port, on their way in. */
struct arrival {
    struct trial *t;
    uint16_t in_port;
    unsigned n;
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

/* Puts one frame in on both sides; false if it can't be compared. */
static bool
arrive(struct arrival *a, const uint8_t *data, uint32_t size)
{
    struct trial *t = a->t;
    struct ref_frame frame = { .size = size };
    memcpy(frame.data, data, size);
    if (!is_decided(t, a->in_port, &frame)) {
        return false;
    }
    unsigned origin = trial_add_input(t, a->in_port, data, size);
    ref_receive(t->ref, a->in_port, data, size, t->out);
    trial_expect_output(t, origin);
    if (t->config->verbose) {
        fprintf(stderr, "#   port %u gets %u bytes: ", a->in_port, size);
        for (uint32_t i = 0; i < size && i < 64; i++) {
            fprintf(stderr, "%02x", data[i]);
        }
        fprintf(stderr, "; %zu go out\n", t->out->n);
    }
    plant_frame(t, frame.data, size);
    sut_inject(t->sut, a->in_port, frame.data, size);
    tally.frames++;
    a->n++;
    return true;
}

static bool
forward(struct arrival *a)
{
    struct trial *t = a->t;
    sut_forward(t->sut);
    a->n = 0;
    if (!trial_compare_frames(t)) {
        return false;
    }
    /* Connections keep only so many PACKET_INs, and we only so many frames. */
    bool has_room = t->packet_in_bytes < PACKET_INS_AT_A_TIME / 2 && t->n_sent < SENT_MAX / 4;
    return has_room || trial_settle(t);
}

/* Frames that are there at the same time; their PACKET_INs fit into the connection. */
static bool
is_full(const struct arrival *a)
{
    return a->n == BATCH || a->t->packet_in_bytes > PACKET_INS_AT_A_TIME;
}

bool
trial_frames(struct trial *t)
{
    uint8_t frame[SHAPE_MAX_SIZE];
    uint32_t kind = gen_below(&t->g, 8);
    uint32_t n = kind < 2 ? 1 : kind < 6 ? 2 + gen_below(&t->g, 12) : gen_below(&t->g, 60);
    struct arrival a = { .t = t };
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

bool
trial_warm(struct trial *t)
{
    for (size_t p = 0; p < t->ref->n_ports; p++) {
        struct arrival a = { .t = t, .in_port = t->ref->ports[p].number };
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
        if (!compare_port(t, t->ref->ports[i].number)) {
            return false;
        }
    }
    t->n_compared = t->n_sent;
    return true;
}
