/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from the product, read by hand, against what is expected. */
#include <string.h>

#include "tests/property/trial.h"

enum { MSG_ERROR = 1, MSG_PACKET_IN = 10, MSG_FLOW_REMOVED = 11, MSG_PORT_STATUS = 12 };

/* --- PACKET_IN -------------------------------------------------------------------------- */

static struct sent *
next_packet_in(struct trial *t)
{
    for (unsigned i = 0; i < t->n_sent; i++) {
        if (t->sent[i].port == P_CONTROLLER) {
            t->sent[i].port = 0;         /* found once */
            return &t->sent[i];
        }
    }
    return NULL;
}

static void
hold(struct trial *t, uint32_t id, const struct sent *sent)
{
    struct held *held = &t->held[t->next_held];
    t->next_held = (t->next_held + 1) % HELD_MAX;
    t->n_held += t->n_held < HELD_MAX;
    held->vague = t->crowded;
    held->id = id;
    held->in_port = sent->in_port;
    held->gone = false;
    held->since_ms = t->now_ms;
    held->frame.size = sent->size;
    memcpy(held->frame.data, sent->data, sent->size);
    tally.buffered++;
}

static bool
packet_in_is(const uint8_t *msg, size_t size, const struct sent *want)
{
    uint32_t id = (uint32_t) wire_get(msg + 8, 4);
    uint32_t length = id == UINT32_MAX ? want->size : want->prefix;
    return size == 18 + length && wire_get(msg + 12, 2) == want->size
           && wire_get(msg + 14, 2) == want->in_port && msg[16] == want->reason
           && !memcmp(msg + 18, want->data, length)
           && (id != UINT32_MAX || want->prefix == want->size);
}

/* What a device gives up and what it does not see have no order. */
static const struct sent *
find_packet_in(struct trial *t, const uint8_t *msg, size_t size)
{
    for (unsigned i = 0; i < t->n_sent && size >= 18; i++) {
        if (t->sent[i].port == P_CONTROLLER && packet_in_is(msg, size, &t->sent[i])) {
            t->sent[i].port = 0;         /* found once */
            return &t->sent[i];
        }
    }
    return next_packet_in(t);
}

static bool
take_packet_in(struct trial *t, const uint8_t *msg, size_t size)
{
    const struct sent *want = t->hardware ? find_packet_in(t, msg, size) : next_packet_in(t);
    if (want && size >= 18 && packet_in_is(msg, size, want)) {
        if (wire_get(msg + 8, 4) != UINT32_MAX) {
            hold(t, (uint32_t) wire_get(msg + 8, 4), want);
        }
        return true;
    }
    trial_fail(t, "PACKET_IN that %s", want ? "differs" : "the reference does not send");
    trial_explain_bytes(t, "the product's", msg, size);
    if (want) {
        trial_explain(t, "\n  the reference's: reason %u, in_port %u, total length %u, %u of them",
                      want->reason, want->in_port, want->size, want->prefix);
        trial_explain_bytes(t, "its frame", want->data, want->size);
        trial_explain_input(t, want->origin);
    }
    return false;
}

/* --- ERROR ------------------------------------------------------------------------------ */

/* A planted bug that changes what the product is told is not to be found by that alone. */
static bool
error_is(const struct trial *t, const uint8_t *msg, size_t size, const struct expected_error *e)
{
    size_t head = e->error.is_nicira ? 20 : 12;
    bool vendor = size >= head && wire_get(msg + 8, 4) == 0xb0c20000
                  && wire_get(msg + 12, 4) == 0x2320;
    return size >= head && vendor == e->error.is_nicira
           && wire_get(msg + head - 4, 2) == e->error.type
           && wire_get(msg + head - 2, 2) == e->error.code
           && (t->config->plant
               || (size - head == e->size && !memcmp(msg + head, e->head, e->size)));
}

static bool
take_error(struct trial *t, const uint8_t *msg, size_t size)
{
    for (unsigned i = 0; i < t->n_errors; i++) {
        struct expected_error *e = &t->error[i];
        if (size >= 12 && e->size && e->xid == wire_get(msg + 4, 4)) {
            bool same = error_is(t, msg, size, e);
            if (!same) {
                trial_fail(t, "ERROR that differs: the reference says type %u, code %u",
                           e->error.type, e->error.code);
                trial_explain_bytes(t, "the product's", msg, size);
                trial_explain_bytes(t, "for the message", e->head, e->size);
            }
            e->size = 0;                 /* found once */
            return same;
        }
    }
    trial_fail(t, "ERROR that the reference does not give");
    trial_explain_bytes(t, "the product's", msg, size);
    return false;
}

/* --- FLOW_REMOVED ----------------------------------------------------------------------- */

static bool
has_passed(const struct trial *t, uint64_t since, uint16_t seconds)
{
    return seconds && since + seconds * 1000u <= t->now_ms;
}

/* The product may tell of time-outs a bit later than it could, or earlier in the same wait,
 * which can make it another reason. */
static bool
reason_is(const struct trial *t, const struct ref_removed *want, uint8_t reason, uint64_t duration_ms)
{
    const struct ref_flow *flow = &want->flow;
    switch (reason) {
    case 0:
        return want->reason < 2 && has_passed(t, flow->used_ms, flow->idle_timeout)
               && duration_ms >= flow->idle_timeout * 1000u && duration_ms <= t->now_ms - flow->created_ms;
    case 1:
        return want->reason < 2 && has_passed(t, flow->created_ms, flow->hard_timeout)
               && duration_ms >= flow->hard_timeout * 1000u && duration_ms <= t->now_ms - flow->created_ms;
    default:
        return reason == want->reason && duration_ms <= t->now_ms - flow->created_ms
               && duration_ms >= t->settled_ms - flow->created_ms;
    }
}

static bool
removed_is(const struct trial *t, const uint8_t *msg, const struct ref_removed *want)
{
    const struct ref_flow *flow = &want->flow;
    struct ref_match told;
    ref_match_openflow10(&told, msg + 8);
    uint64_t duration_ms = wire_get(msg + 60, 4) * 1000 + wire_get(msg + 64, 4) / 1000000;
    return wire_get(msg + 48, 8) == flow->cookie && wire_get(msg + 56, 2) == flow->priority
           && wire_get(msg + 68, 2) == flow->idle_timeout
           && wire_get(msg + 72, 8) == flow->packets && wire_get(msg + 80, 8) == flow->bytes
           && ref_match_is_told_as(&flow->match, &told)
           && ref_match_is_exact(&told) == flow->exact
           && reason_is(t, want, msg[58], duration_ms);
}

static bool
take_removed(struct trial *t, const uint8_t *msg, size_t size)
{
    struct ref_table *table = &t->ref->table;
    for (size_t i = 0; i < table->n_removed && size == 88; i++) {
        if (table->removed[i].flow.packets != UINT64_MAX && removed_is(t, msg, &table->removed[i])) {
            uint64_t *const counts[] = { &tally.removed_idle, &tally.removed_hard,
                                         &tally.removed_delete };
            ++*counts[msg[58]];
            table->removed[i].flow.packets = UINT64_MAX;    /* found once */
            return true;
        }
    }
    trial_fail(t, "FLOW_REMOVED that differs from the %zu that the reference sends",
               table->n_removed);
    trial_explain_bytes(t, "the product's", msg, size);
    struct ref_match told;
    ref_match_openflow10(&told, msg + 8);
    for (size_t i = 0; i < table->n_removed; i++) {
        const struct ref_flow *flow = &table->removed[i].flow;
        if (ref_match_is_told_as(&flow->match, &told)) {
            trial_explain(t, "\n  the reference's: reason %u, cookie %llx, priority %u, "
                          "idle time-out %u, %llu packets, %llu bytes, %llu ms old",
                          table->removed[i].reason, (unsigned long long) flow->cookie,
                          flow->priority, flow->idle_timeout, (unsigned long long) flow->packets,
                          (unsigned long long) flow->bytes,
                          (unsigned long long) (t->now_ms - flow->created_ms));
        }
    }
    return false;
}

/* --- PORT_STATUS ------------------------------------------------------------------------ */

static bool
take_status(struct trial *t, const uint8_t *msg, size_t size)
{
    for (unsigned i = 0; i < t->n_statuses; i++) {
        struct expected_status *s = &t->status[i];
        if (s->port) {
            bool same = size == 64 && msg[8] == s->reason && wire_get(msg + 16, 2) == s->port
                        && wire_get(msg + 40, 4) == s->config && wire_get(msg + 44, 4) == s->state;
            if (!same) {
                trial_fail(t, "PORT_STATUS that differs: reason %u, port %u, configuration %x, state %x",
                           s->reason, s->port, s->config, s->state);
                trial_explain_bytes(t, "the product's", msg, size);
            }
            s->port = 0;                 /* in order */
            return same;
        }
    }
    trial_fail(t, "PORT_STATUS that the reference does not send");
    trial_explain_bytes(t, "the product's", msg, size);
    return false;
}

/* --- all of it ---------------------------------------------------------------------------- */

bool
trial_take_message(struct trial *t, const uint8_t *msg, size_t size)
{
    trial_verbose_message(t, "came", msg, size);
    switch (msg[1]) {
    case MSG_ERROR:
        return take_error(t, msg, size);
    case MSG_PACKET_IN:
        return take_packet_in(t, msg, size);
    case MSG_FLOW_REMOVED:
        return take_removed(t, msg, size);
    case MSG_PORT_STATUS:
        return take_status(t, msg, size);
    default:
        trial_fail(t, "a message of type %u that nobody asked for", msg[1]);
        trial_explain_bytes(t, "the product's", msg, size);
        return false;
    }
}

static bool
nothing_is_missing(struct trial *t)
{
    const struct sent *packet_in = next_packet_in(t);
    if (packet_in) {
        trial_fail(t, "PACKET_IN (reason %u) that the product does not send", packet_in->reason);
        trial_explain_bytes(t, "the frame", packet_in->data, packet_in->size);
        trial_explain_input(t, packet_in->origin);
    }
    for (unsigned i = 0; i < t->n_errors && !t->failed; i++) {
        if (t->error[i].size) {
            trial_fail(t, "ERROR %u/%u that the product does not give", t->error[i].error.type,
                       t->error[i].error.code);
            trial_explain_bytes(t, "for the message", t->error[i].head, t->error[i].size);
        }
    }
    for (unsigned i = 0; i < t->n_statuses && !t->failed; i++) {
        if (t->status[i].port) {
            trial_fail(t, "PORT_STATUS of port %u that the product does not send", t->status[i].port);
        }
    }
    const struct ref_table *table = &t->ref->table;
    for (size_t i = 0; i < table->n_removed && t->async && !t->failed; i++) {
        const struct ref_flow *flow = &table->removed[i].flow;
        if (flow->packets != UINT64_MAX) {
            trial_fail(t, "FLOW_REMOVED that the product does not send: reason %u, cookie %llx, "
                       "priority %u", table->removed[i].reason, (unsigned long long) flow->cookie,
                       flow->priority);
            trial_explain_bytes(t, "its match", flow->match.bytes, flow->match.size);
        }
    }
    return !t->failed;
}

bool
trial_compare_end(struct trial *t)
{
    bool ok = nothing_is_missing(t);
    if (ok) {
        t->n_sent = t->n_compared = t->n_errors = t->n_statuses = t->n_inputs = 0;
        t->n_packet_ins = t->packet_in_bytes = 0;
        t->crowded = false;
        t->arena_size = 0;
        t->ref->table.n_removed = 0;
    }
    return ok;
}

/* True, and *moved, if all that came is right; time can go on meanwhile. */
static bool
fence(struct trial *t, bool barrier, bool *moved)
{
    const uint8_t *msg;
    size_t size;
    if (!sut_fence(t->sut, barrier)) {
        return trial_fail(t, "no reply to a %s", barrier ? "barrier" : "echo");
    }
    *moved = trial_catch_up(t);
    *(barrier ? &tally.barriers : &tally.echoes) += 1;
    while ((msg = sut_next_message(t->sut, &size))) {
        plant_reply(t, (uint8_t *) (uintptr_t) msg, size);
        if (!trial_take_message(t, msg, size)) {
            return false;
        }
    }
    return true;
}

bool
trial_settle(struct trial *t)
{
    bool barrier = once_in(&t->g, 2) || t->hardware, moved;
    if (t->failed) {
        return false;
    }
    t->settled_ms = t->now_ms;
    trial_refresh(t);
    sut_send(t->sut, t->messages, t->messages_size);
    t->messages_size = 0;
    /* FLOW_REMOVED of what an echo request follows may come behind the reply, and so may what
     * timed out meanwhile. */
    bool again = !barrier && t->ref->table.n_removed;
    if (!fence(t, barrier, &moved) || (again && !fence(t, false, &moved))) {
        return false;
    }
    while (moved) {
        if (!fence(t, true, &moved)) {
            return false;
        }
    }
    if (sut_n_dropped(t->sut)) {
        return trial_fail(t, "the test's own fault: more PACKET_INs than a connection keeps");
    }
    return trial_compare_frames(t) && trial_compare_end(t);
}
