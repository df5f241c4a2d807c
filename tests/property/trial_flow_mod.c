/* SPDX-License-Identifier: Apache-2.0 */
/* Random FLOW_MODs: a table of some size, whose flows are added, replaced, changed and
 * deleted again and again. */
#include <string.h>

#include "tests/property/trial.h"

enum { ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT };
enum { FLAG_REM = 1, FLAG_OVERLAP = 2, FLAG_EMERG = 4 };
enum { W_ALL = 0x3fffff };

static int
pick_command(struct trial *t)
{
    static const uint8_t growing[] = { 65, 8, 9, 4, 14 }, shrinking[] = { 36, 8, 9, 9, 38 };
    const uint8_t *weights = t->ref->table.n_flows < t->target_flows ? growing : shrinking;
    uint32_t roll = gen_below(&t->g, 100);
    int command = 0;
    while (roll >= weights[command]) {
        roll -= weights[command++];
    }
    return command;
}

/* The match and priority of a flow that is there, as it came or with more wildcards. */
static bool
take_existing(struct trial *t, int command, uint8_t *msg, struct ref_match *m)
{
    struct ref_table *table = &t->ref->table;
    if (!table->n_flows || (command == ADD ? !once_in(&t->g, 6) : once_in(&t->g, 3))) {
        return false;
    }
    const struct ref_flow *flow = &table->flows[gen_below(&t->g, (uint32_t) table->n_flows)];
    *m = flow->match;
    wire_put(msg + 62, 2, flow->priority);
    bool widen = (command == MODIFY || command == DELETE) && once_in(&t->g, 2);
    if (widen && m->is_nxm) {
        trial_nxm_widen(t, m);
    } else if (widen) {
        uint32_t more = gen_below(&t->g, W_ALL) & gen_below(&t->g, W_ALL);
        wire_put(m->bytes, 4, wire_get(m->bytes, 4) | more);
    }
    return true;
}

/* In Nicira's dialect, as it is or under masks. */
static void
translate(struct trial *t, bool thin, struct ref_match *m)
{
    uint8_t wire[40];
    memcpy(wire, m->bytes, sizeof wire);
    trial_nxm_match(t, wire, thin, m);
}

static void
put_match(struct trial *t, int command, uint8_t *msg, struct ref_match *m)
{
    if (take_existing(t, command, msg, m)) {
        if (t->masked && !m->is_nxm && once_in(&t->g, 3)) {
            translate(t, false, m);
        }
        return;
    }
    uint8_t wire[40] = { 0 };
    bool plain = t->shape.plain_percent;
    if (once_in(&t->g, command == ADD ? (plain ? 20 : 200) : plain ? 150 : 40)) {
        wire_put(wire, 4, W_ALL);
    } else {
        shape_match(&t->shape, &t->g, wire);
    }
    ref_match_openflow10(m, wire);
    if (t->masked && once_in(&t->g, 2)) {
        translate(t, !once_in(&t->g, 3), m);
    }
    wire_put(msg + 62, 2, once_in(&t->g, 16) ? (once_in(&t->g, 2) ? 0 : 0xffff)
                          : gen_below(&t->g, 16) * 100);
}

/* In tidy trials, another priority for what would overlap a flow of its rank. */
static void
make_tidy(struct trial *t, uint8_t *msg, const struct ref_match *m)
{
    struct ref_table *table = &t->ref->table;
    for (unsigned tries = 0; tries < 10; tries++) {
        uint16_t priority = (uint16_t) wire_get(msg + 62, 2);
        if (!ref_table_overlaps(table, m, priority) || ref_table_find(table, m, priority)) {
            return;
        }
        wire_put(msg + 62, 2, gen_below(&t->g, 1 << 16));
    }
}

/* What only Nicira's FLOW_MOD says: of which flows by cookie, that cookies stay. Which flow
 * gets a buffered packet is plain without them. */
static void
put_cookies(struct trial *t, int command, uint8_t *msg, struct ref_match *m)
{
    if (command != ADD && once_in(&t->g, 4)) {
        trial_nxm_cookie(t, m);
        wire_put(msg + 64, 4, UINT32_MAX);
    }
    if ((command == MODIFY || command == MODIFY_STRICT) && once_in(&t->g, 5)) {
        wire_put(msg + 48, 8, UINT64_MAX);
    }
}

static void
put_timeouts(struct trial *t, uint8_t *msg)
{
    if (once_in(&t->g, 5)) {
        wire_put(msg + 58, 2, 1 + gen_below(&t->g, 4));
    }
    if (once_in(&t->g, 12)) {
        wire_put(msg + 60, 2, 1 + gen_below(&t->g, 12));
    }
}

static void
put_flags(struct trial *t, uint8_t *msg)
{
    uint16_t flags = once_in(&t->g, 2) ? FLAG_REM : 0;
    flags |= once_in(&t->g, 6) ? FLAG_OVERLAP : 0;
    if (once_in(&t->g, 15)) {
        flags |= FLAG_EMERG;
        if (once_in(&t->g, 3)) {
            return wire_put(msg + 70, 2, flags);    /* with the time-outs, if there are any */
        }
        wire_put(msg + 58, 4, 0);
    }
    wire_put(msg + 70, 2, flags);
}

/* Deletes honour out_port; the others must not. */
static void
put_out_port(struct trial *t, int command, uint8_t *msg)
{
    uint16_t port = P_NONE;
    if (once_in(&t->g, command >= DELETE ? 4 : 20)) {
        port = once_in(&t->g, 3) ? 0xfffa : (uint16_t) (1 + gen_below(&t->g, t->shape.n_ports));
    }
    wire_put(msg + 68, 2, port);
}

/* Not for MODIFY: which of the flows that it changes gets the packet is not said. */
static void
put_buffer(struct trial *t, int command, uint8_t *msg)
{
    wire_put(msg + 64, 4, UINT32_MAX);
    if (command != MODIFY && once_in(&t->g, 12)) {
        const struct held *held = trial_pick_held(t);
        wire_put(msg + 64, 4, held ? held->id : UINT32_MAX);
    }
}

/* Any bits but those of the header and the buffer id, of which the naive switch knows
 * nothing. */
static void
damage(struct gen *g, uint8_t *msg, size_t size)
{
    for (uint32_t n = 1 + gen_below(g, 3); n; n--) {
        uint32_t at = 8 + gen_below(g, (uint32_t) size - 8);
        if (at < 64 || at >= 68) {
            msg[at] ^= (uint8_t) (1 << gen_below(g, 8));
        }
    }
}

static size_t
make_flow_mod(struct trial *t, uint8_t *msg)
{
    if (once_in(&t->g, 25)) {
        return gen_flow_mod(&t->g, t->shape.n_ports, msg);
    }
    int command = pick_command(t);
    size_t size = 72;
    memset(msg, 0, size);
    msg[0] = 1;
    msg[1] = 14;
    struct ref_match match;
    put_match(t, command, msg, &match);
    if (t->tidy && command < DELETE) {
        make_tidy(t, msg, &match);
    }
    wire_put(msg + 48, 8, (uint64_t) gen_below(&t->g, UINT32_MAX) << 32 | t->xid);
    wire_put(msg + 56, 2, (uint64_t) command);
    put_timeouts(t, msg);
    put_flags(t, msg);
    put_out_port(t, command, msg);
    put_buffer(t, command, msg);
    if (command < DELETE || once_in(&t->g, 10)) {
        size += shape_actions(&t->shape, &t->g, msg + 72);
    }
    if (match.is_nxm) {
        put_cookies(t, command, msg, &match);
        return trial_nxm_flow_mod(msg, size, &match);
    }
    memcpy(msg + 8, match.bytes, 40);
    if (once_in(&t->g, 30)) {
        damage(&t->g, msg, size);
        if (wire_get(msg + 56, 2) == MODIFY) {
            wire_put(msg + 64, 4, UINT32_MAX);
        }
    }
    wire_put(msg + 2, 2, size);
    return size;
}

static void
count_refusal(struct ref_error error)
{
    tally.flow_mods_refused++;
    tally.overlaps_refused += error.type == 3 && error.code == 1;
    tally.full_refused += error.type == 3 && error.code == 0;
    tally.queues_refused += error.type == 2 && error.code == 8;
}

void
trial_crowd(struct trial *t)
{
    unsigned n = t->n_packet_ins;
    for (unsigned i = 0; i < t->n_held; i++) {
        n += !t->held[i].gone;
    }
    t->crowded = t->crowded || n > BUFFERS;
    for (unsigned i = 0; t->crowded && i < t->n_held; i++) {
        t->held[i].vague = true;
    }
}

struct held *
trial_pick_held(struct trial *t)
{
    if (!t->n_held) {
        return NULL;
    }
    unsigned age = gen_below(&t->g, once_in(&t->g, 2) && t->n_held > 32 ? 32 : t->n_held);
    struct held *held = &t->held[(t->next_held + HELD_MAX - 1 - age) % HELD_MAX];
    return held->vague && !held->gone ? NULL : held;
}

/* The packet that waits in the message's buffer goes through the new flow. */
static void
run_buffer(struct trial *t, const uint8_t *msg, size_t size, unsigned origin)
{
    struct ref_flow_mod mod;
    ref_read_flow_mod(msg, size, &mod);
    uint32_t id = mod.buffer_id;
    struct ref_table *table = mod.flags & FLAG_EMERG ? &t->ref->emergency : &t->ref->table;
    struct ref_flow *flow = ref_table_find(table, &mod.match, mod.priority);
    struct held *held = t->held;
    if (id == UINT32_MAX || mod.command >= DELETE || !flow) {
        return;
    }
    while (held->id != id) {
        held++;
    }
    if (held->gone) {
        tally.buffers_refused++;
        trial_expect_error(t, msg, size, (struct ref_error) { 1, 7, false });
        return;
    }
    held->gone = true;
    tally.buffers_used++;
    ref_run_flow(t->ref, flow, held->in_port, &held->frame, t->out);
    trial_expect_output(t, origin);
}

static void
do_flow_mod(struct trial *t, uint8_t *msg, size_t size)
{
    struct ref_error error;
    uint8_t sent[MESSAGE_MAX];
    wire_put(msg + 4, 4, ++t->xid);
    memcpy(sent, msg, size);
    unsigned origin = trial_add_message(t, sent, size);
    tally.flow_mods++;
    tally.nxt_flow_mods += msg[1] == 4;
    if (ref_flow_mod(t->ref, msg, size, &error)) {
        tally.emergency_flow_mods += wire_get(msg + (msg[1] == 4 ? 38 : 70), 2) & FLAG_EMERG ? 1 : 0;
        run_buffer(t, msg, size, origin);
    } else {
        count_refusal(error);
        trial_expect_error(t, msg, size, error);
    }
}

void
trial_flow_mod(struct trial *t)
{
    uint8_t msg[MESSAGE_MAX];
    do_flow_mod(t, msg, make_flow_mod(t, msg));
}

void
trial_far_flow_mods(struct trial *t, unsigned n)
{
    uint8_t msg[MESSAGE_MAX];
    uint32_t wildcards = W_ALL & ~(uint32_t) (1 << 4 | 63 << 14);
    for (unsigned i = 0; i < n && !t->failed; i++) {
        memset(msg, 0, 72);
        msg[0] = 1;
        msg[1] = 14;
        msg[3] = 72;
        wire_put(msg + 8, 4, wildcards);
        wire_put(msg + 30, 2, 0x0800);
        wire_put(msg + 40, 4, 0xac100000 + i / 2);
        wire_put(msg + 56, 2, i % 2 ? DELETE_STRICT : ADD);
        wire_put(msg + 64, 4, UINT32_MAX);
        wire_put(msg + 68, 2, P_NONE);
        do_flow_mod(t, msg, 72);
    }
}
