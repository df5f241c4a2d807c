/* SPDX-License-Identifier: Apache-2.0 */
/* Questions: statistics, features, configuration; and their answers. */
#include <stdlib.h>
#include <string.h>

#include "tests/property/trial.h"

enum {
    STATS_FLOW = 1, STATS_AGGREGATE, STATS_TABLE, STATS_PORT, STATS_QUEUE, STATS_VENDOR = 0xffff
};
enum { P_ALL = 0xfffc, QUEUE_ALL = -1 };
enum { FEATURES_REPLY = 6, GET_CONFIG_REPLY = 8, STATS_REPLY = 17, MORE = 1 };
enum { EMERGENCY = 0xfe };      /* the number of its table */
enum { ANSWER_MAX = 1 << 20, ACTIONS_MAX = 4096 };

/* --- asking ----------------------------------------------------------------------------- */

/* The bodies of the answer's parts, behind one another. */
struct answer {
    size_t size;
    uint8_t body[ANSWER_MAX];
};

static bool
add_part(struct trial *t, struct answer *answer, const uint8_t *msg, size_t size, bool *more)
{
    bool stats = msg[1] == STATS_REPLY;
    size_t head = !stats ? 8 : wire_get(msg + 8, 2) == STATS_VENDOR ? 24 : 12;
    *more = stats && wire_get(msg + 10, 2) & MORE;
    if (size < head || answer->size + size - head > ANSWER_MAX
        || wire_get(msg + 4, 4) != t->xid) {
        return trial_fail(t, "an answer that is too long, too short, or not to this question");
    }
    memcpy(answer->body + answer->size, msg + head, size - head);
    answer->size += size - head;
    return true;
}

/* Sends the question; NULL if there is not just its answer, of one type. The caller frees. */
static struct answer *
ask(struct trial *t, uint8_t *question, size_t question_size, uint8_t type)
{
    const uint8_t *msg;
    size_t size;
    bool more = true, ok = true;
    struct answer *answer = malloc(sizeof *answer);
    answer->size = 0;
    wire_put(question + 4, 4, ++t->xid);
    trial_verbose_message(t, "ask", question, question_size);
    sut_send(t->sut, question, question_size);
    ok = sut_fence(t->sut, once_in(&t->g, 2)) || trial_fail(t, "no reply to a question");
    while (ok && (msg = sut_next_message(t->sut, &size))) {
        plant_reply(t, (uint8_t *) (uintptr_t) msg, size);
        if (msg[1] == type && more) {
            trial_verbose_message(t, "came", msg, size);
            ok = add_part(t, answer, msg, size, &more);
        } else {
            ok = trial_take_message(t, msg, size);
        }
    }
    if (ok && more) {
        ok = trial_fail(t, "no answer to a question");
    }
    if (!ok) {
        trial_explain_bytes(t, "the question", question, question_size);
        free(answer);
        return NULL;
    }
    return answer;
}

/* A question for statistics; 'body' bytes follow. */
static void
put_stats(uint8_t *msg, uint16_t type, size_t body)
{
    memset(msg, 0, 12 + body);
    msg[0] = 1;
    msg[1] = STATS_REPLY - 1;
    wire_put(msg + 2, 2, 12 + body);
    wire_put(msg + 8, 2, type);
}

/* --- FLOW, AGGREGATE ---------------------------------------------------------------------- */

static void
told_vendor_action(uint8_t *a)
{
    uint64_t subtype = wire_get(a + 8, 2);
    if (subtype == 4) {
        memset(a + 10, 0, 2);
    } else if (subtype == 5 || subtype == 18) {
        memset(a + 10, 0, 6);
    } else if (subtype == 21) {
        size_t used = 16 + 2 * wire_get(a + 10, 2);
        memset(a + used, 0, a[3] - used);
    }
}

/* What a flow's actions look like when the switch tells of them: without what is in their
 * padding; and max_len has a meaning for CONTROLLER only. */
static void
told_actions(const struct ref_flow *flow, uint8_t *actions)
{
    static const uint8_t argument[12] = { 4, 2, 1, 0, 6, 6, 4, 4, 1, 2, 2, 12 };
    memcpy(actions, flow->actions, flow->actions_size);
    for (size_t at = 0; at < flow->actions_size; at += actions[at + 3]) {
        uint8_t type = actions[at + 1];
        if (type == 0xff) {
            told_vendor_action(actions + at);
            continue;
        }
        size_t used = 4u + argument[type];
        if (type == 0 && wire_get(actions + at + 4, 2) != P_CONTROLLER) {
            used = 6;
        }
        memset(actions + at + used, 0, actions[at + 3] - used);
        if (type == 11) {
            memset(actions + at + 6, 0, 6);
        }
    }
}

/* A question for FLOW or AGGREGATE, in either dialect. */
struct flow_question {
    struct ref_match match;
    uint16_t out_port;
    uint8_t table;
    bool aggregate;
    uint8_t bytes[32 + REF_MATCH_MAX + 8];
    size_t size;
};

/* The table that a question is about; NULL if there is none. */
static struct ref_table *
asked_table(const struct trial *t, const struct flow_question *q)
{
    return q->table == EMERGENCY ? &t->ref->emergency
           : q->table == 0 || q->table == 0xff ? &t->ref->table : NULL;
}

static bool
entry_is(const struct trial *t, const struct told *told, const struct ref_flow *flow)
{
    uint8_t actions[ACTIONS_MAX];
    told_actions(flow, actions);
    return told_is(t, told, flow) && told->actions_size == flow->actions_size
           && !memcmp(told->actions, actions, flow->actions_size);
}

/* Several flows can look the same in 1.0, which does not have their masks. */
static bool
compare_entry(struct trial *t, const struct told *told, const struct flow_question *q, bool *seen)
{
    struct ref_table *table = asked_table(t, q);
    uint8_t id = table == &t->ref->emergency ? EMERGENCY : 0;
    const struct ref_flow *like = NULL;
    for (size_t i = 0; i < table->n_flows; i++) {
        const struct ref_flow *flow = &table->flows[i];
        if (!seen[i] && told->table == id && ref_flow_is_asked_for(flow, &q->match, q->out_port)
            && entry_is(t, told, flow)) {
            seen[i] = true;
            tally.flow_stats++;
            tally.nxm_flow_stats += told->match.is_nxm;
            tally.emergency_flow_stats += id != 0;
            return true;
        }
        bool alike = ref_match_is_told_as(&flow->match, &told->match);
        like = alike && (!like || flow->priority == told->priority) ? flow : like;
    }
    trial_fail(t, "FLOW statistics: %s", like ? "an entry differs" : "a flow that is not there");
    if (like) {
        trial_explain(t, "\n  the reference's: cookie %llx, priority %u, time-outs %u %u, "
                      "%llu packets, %llu bytes, %llu ms old", (unsigned long long) like->cookie,
                      like->priority, like->idle_timeout, like->hard_timeout,
                      (unsigned long long) like->packets, (unsigned long long) like->bytes,
                      (unsigned long long) (t->now_ms - like->created_ms));
        trial_explain_bytes(t, "its actions", like->actions, like->actions_size);
    }
    return false;
}

static bool
compare_flows(struct trial *t, const struct answer *answer, const struct flow_question *q)
{
    static bool seen[REF_MAX_FLOWS];
    const struct ref_table *table = asked_table(t, q);
    struct told told;
    memset(seen, 0, sizeof seen);
    for (size_t at = 0; at < answer->size; at += told.size) {
        const uint8_t *e = answer->body + at;
        if (!told_read(e, answer->size - at, q->match.is_nxm, &told) || !table) {
            return trial_fail(t, "FLOW statistics: an entry of a wrong size");
        }
        if (!compare_entry(t, &told, q, seen)) {
            trial_explain_bytes(t, "the product's", e, told.size);
            return false;
        }
    }
    for (size_t i = 0; table && i < table->n_flows; i++) {
        const struct ref_flow *flow = &table->flows[i];
        if (!seen[i] && ref_flow_is_asked_for(flow, &q->match, q->out_port)) {
            trial_fail(t, "FLOW statistics: a flow of priority %u is missing", flow->priority);
            trial_explain_bytes(t, "its match", flow->match.bytes, flow->match.size);
            return false;
        }
    }
    return true;
}

static bool
compare_aggregate(struct trial *t, const struct answer *answer, const struct flow_question *q)
{
    uint64_t packets = 0, bytes = 0;
    uint32_t flows = 0;
    if (asked_table(t, q)) {
        ref_table_aggregate(asked_table(t, q), &q->match, q->out_port, &packets, &bytes, &flows);
    }
    tally.aggregates++;
    if (answer->size == 24 && wire_get(answer->body, 8) == packets
        && wire_get(answer->body + 8, 8) == bytes && wire_get(answer->body + 16, 4) == flows) {
        return true;
    }
    trial_fail(t, "AGGREGATE: the reference has %llu packets, %llu bytes, %u flows",
               (unsigned long long) packets, (unsigned long long) bytes, flows);
    trial_explain_bytes(t, "the product's", answer->body, answer->size);
    return false;
}

/* Which flows are asked for. */
static void
pick_flows(struct trial *t, bool all, struct flow_question *q)
{
    uint8_t wire[40] = { 0 };
    bool nxm = t->masked && once_in(&t->g, 2);
    if (all || once_in(&t->g, 4) || (q->table == EMERGENCY && once_in(&t->g, 2))) {
        wire_put(wire, 4, 0x3fffff);
    } else if (t->ref->table.n_flows && once_in(&t->g, 3)) {
        uint32_t i = gen_below(&t->g, (uint32_t) t->ref->table.n_flows);
        q->match = t->ref->table.flows[i].match;
        if (q->match.is_nxm) {
            return;
        }
        memcpy(wire, q->match.bytes, 40);
    } else {
        shape_match(&t->shape, &t->g, wire);
    }
    ref_match_openflow10(&q->match, wire);
    if (nxm) {
        trial_nxm_match(t, wire, !all && once_in(&t->g, 2), &q->match);
        if (!all && once_in(&t->g, 4)) {
            trial_nxm_cookie(t, &q->match);
        }
    }
}

static void
write_question(struct flow_question *q)
{
    uint16_t type = q->aggregate ? STATS_AGGREGATE : STATS_FLOW;
    if (!q->match.is_nxm) {
        q->size = 56;
        put_stats(q->bytes, type, 44);
        memcpy(q->bytes + 12, q->match.bytes, 40);
        q->bytes[52] = q->table;
        wire_put(q->bytes + 54, 2, q->out_port);
        return;
    }
    size_t padded = (q->match.size + 7u) / 8 * 8;
    q->size = 32 + padded;
    put_stats(q->bytes, STATS_VENDOR, 20 + padded);
    wire_put(q->bytes + 12, 4, 0x2320);
    wire_put(q->bytes + 16, 4, type - 1u);
    wire_put(q->bytes + 24, 2, q->out_port);
    wire_put(q->bytes + 26, 2, q->match.size);
    q->bytes[28] = q->table;
    memcpy(q->bytes + 32, q->match.bytes, q->match.size);
}

static bool
ask_flows(struct trial *t, bool all)
{
    static const uint8_t tables[] = { 0, 0xff, 0xff, EMERGENCY, EMERGENCY, 1 };
    struct flow_question q = { .aggregate = !all && !once_in(&t->g, 2) };
    q.table = all ? 0xff : tables[gen_below(&t->g, sizeof tables)];
    q.out_port = (uint16_t) (all || !once_in(&t->g, 4) ? P_NONE : 1 + gen_below(&t->g, t->shape.n_ports));
    pick_flows(t, all, &q);
    write_question(&q);
    struct answer *answer = ask(t, q.bytes, q.size, STATS_REPLY);
    bool ok = answer && (q.aggregate ? compare_aggregate(t, answer, &q)
                                     : compare_flows(t, answer, &q));
    if (answer && !ok) {
        trial_explain_bytes(t, "the question", q.bytes, q.size);
    }
    free(answer);
    return ok;
}

/* --- TABLE, PORT ------------------------------------------------------------------------ */

static bool
ask_table(struct trial *t)
{
    uint8_t msg[12];
    const struct ref_switch *ref = t->ref;
    put_stats(msg, STATS_TABLE, 0);
    struct answer *answer = ask(t, msg, sizeof msg, STATS_REPLY);
    if (!answer) {
        return false;
    }
    const uint8_t *e = answer->body;
    tally.table_stats++;
    if (answer->size != 128 || e[0] != 0 || wire_get(e + 40, 4) != ref->table.max_flows
        || e[64] != EMERGENCY || wire_get(e + 104, 4) != ref->emergency.max_flows
        || wire_get(e + 108, 4) != ref->emergency.n_flows || wire_get(e + 112, 8)
        || wire_get(e + 120, 8) || wire_get(e + 44, 4) != ref->table.n_flows || wire_get(e + 48, 8) != ref->lookups
        || wire_get(e + 56, 8) != ref->matched) {
        trial_fail(t, "TABLE: the reference has %zu flows of %zu, %llu look-ups, %llu matched",
                   ref->table.n_flows, ref->table.max_flows, (unsigned long long) ref->lookups,
                   (unsigned long long) ref->matched);
        trial_explain_bytes(t, "the product's", answer->body, answer->size);
    }
    free(answer);
    return !t->failed;
}

static bool
compare_port(struct trial *t, const uint8_t *e, uint16_t asked, bool *seen)
{
    uint16_t number = (uint16_t) wire_get(e, 2);
    const struct ref_port *port = ref_find_port(t->ref, number);
    tally.port_stats++;
    if (port && (asked == P_NONE || asked == number) && !seen[port - t->ref->ports]
        && wire_get(e + 8, 8) == port->rx_packets && wire_get(e + 16, 8) == port->tx_packets
        && wire_get(e + 24, 8) == port->rx_bytes && wire_get(e + 32, 8) == port->tx_bytes
        && wire_get(e + 40, 8) == port->rx_dropped && !wire_get(e + 56, 8)
        && !wire_get(e + 64, 8)) {
        seen[port - t->ref->ports] = true;
        return true;
    }
    trial_fail(t, "PORT statistics differ for port %u", number);
    trial_explain_bytes(t, "the product's", e, 104);
    if (port) {
        trial_explain(t, "\n  the reference's: rx %llu, tx %llu packets, rx %llu, tx %llu bytes, "
                      "rx %llu dropped", (unsigned long long) port->rx_packets,
                      (unsigned long long) port->tx_packets, (unsigned long long) port->rx_bytes,
                      (unsigned long long) port->tx_bytes, (unsigned long long) port->rx_dropped);
    }
    return false;
}

static bool
ask_ports(struct trial *t, uint16_t asked)
{
    uint8_t msg[20];
    bool seen[REF_MAX_PORTS] = { false };
    put_stats(msg, STATS_PORT, 8);
    wire_put(msg + 12, 2, asked);
    struct answer *answer = ask(t, msg, sizeof msg, STATS_REPLY);
    if (!answer) {
        return false;
    }
    size_t n = asked == P_NONE ? t->ref->n_ports : ref_find_port(t->ref, asked) ? 1 : 0;
    if (answer->size != n * 104) {
        trial_fail(t, "PORT statistics: %zu bytes for %zu ports", answer->size, n);
    }
    for (size_t i = 0; i < n && !t->failed; i++) {
        compare_port(t, answer->body + i * 104, asked, seen);
    }
    free(answer);
    return !t->failed;
}

/* --- QUEUE ------------------------------------------------------------------------------ */

/* How many queues the naive switch has of those. */
static size_t
count_queues(const struct trial *t, uint16_t port, int queue)
{
    size_t n = 0;
    for (size_t i = 0; i < t->ref->n_ports; i++) {
        for (int id = 0; id < REF_MAX_QUEUES; id++) {
            n += t->ref->ports[i].queues[id].is_there
                 && (port == P_ALL || port == t->ref->ports[i].number)
                 && (queue == QUEUE_ALL || queue == id);
        }
    }
    return n;
}

static void
compare_queue(struct trial *t, const uint8_t *e, uint16_t asked, int asked_queue)
{
    uint16_t number = (uint16_t) wire_get(e, 2);
    uint32_t id = (uint32_t) wire_get(e + 4, 4);
    const struct ref_port *port = ref_find_port(t->ref, number);
    tally.queue_stats++;
    if (!port || id >= REF_MAX_QUEUES || !port->queues[id].is_there
        || (asked != P_ALL && asked != number) || (asked_queue >= 0 && id != (uint32_t) asked_queue)
        || wire_get(e + 8, 8) != port->queues[id].bytes
        || wire_get(e + 16, 8) != port->queues[id].packets || wire_get(e + 24, 8)) {
        trial_fail(t, "QUEUE statistics differ for port %u, queue %u", number, id);
        trial_explain_bytes(t, "the product's", e, 32);
    }
}

static bool
ask_queues(struct trial *t, uint16_t port, int queue)
{
    uint8_t msg[20];
    put_stats(msg, STATS_QUEUE, 8);
    wire_put(msg + 12, 2, port);
    wire_put(msg + 16, 4, (uint32_t) queue);
    size_t n = count_queues(t, port, queue);
    bool no_port = port != P_ALL && (port == P_LOCAL || !ref_find_port(t->ref, port));
    if (no_port || (!n && queue != QUEUE_ALL)) {
        wire_put(msg + 4, 4, ++t->xid);
        trial_add_message(t, msg, sizeof msg);
        trial_expect_error(t, msg, sizeof msg, (struct ref_error) { 5, !no_port, false });
        return true;
    }
    struct answer *answer = ask(t, msg, sizeof msg, STATS_REPLY);
    if (answer && answer->size != n * 32) {
        trial_fail(t, "QUEUE statistics: %zu bytes for %zu queues", answer->size, n);
    }
    for (size_t i = 0; answer && i < n && !t->failed; i++) {
        compare_queue(t, answer->body + i * 32, port, queue);
    }
    free(answer);
    return !t->failed;
}

/* Any port, or all; a queue, or all. */
static bool
ask_some_queues(struct trial *t)
{
    uint16_t port = once_in(&t->g, 3) ? P_ALL : shape_in_port(&t->shape, &t->g);
    return ask_queues(t, port, once_in(&t->g, 2) ? QUEUE_ALL : (int) gen_below(&t->g, REF_MAX_QUEUES));
}

/* --- FEATURES, GET_CONFIG --------------------------------------------------------------- */

bool
trial_ask_features(struct trial *t)
{
    uint8_t msg[8] = { 1, FEATURES_REPLY - 1, 0, 8 };
    struct answer *answer = ask(t, msg, sizeof msg, FEATURES_REPLY);
    if (!answer) {
        return false;
    }
    tally.features++;
    if (answer->size != 24 + 48 * t->ref->n_ports) {
        trial_fail(t, "FEATURES: %zu bytes for %zu ports", answer->size, t->ref->n_ports);
    }
    for (size_t i = 0; i < t->ref->n_ports && !t->failed; i++) {
        const uint8_t *e = answer->body + 24 + 48 * i;
        const struct ref_port *port = ref_find_port(t->ref, (uint16_t) wire_get(e, 2));
        if (!port || wire_get(e + 24, 4) != port->config
            || wire_get(e + 28, 4) != ref_port_state(t->ref, port)) {
            trial_fail(t, "FEATURES: a port differs");
            trial_explain_bytes(t, "the product's", e, 48);
        }
    }
    free(answer);
    return !t->failed;
}

static bool
ask_config(struct trial *t)
{
    uint8_t msg[8] = { 1, GET_CONFIG_REPLY - 1, 0, 8 };
    unsigned flags = t->fragment_flags | (t->ref->wants_ttl ? 4 : 0);
    struct answer *answer = ask(t, msg, sizeof msg, GET_CONFIG_REPLY);
    if (!answer) {
        return false;
    }
    tally.get_configs++;
    if (answer->size != 4 || wire_get(answer->body, 2) != flags
        || wire_get(answer->body + 2, 2) != t->ref->miss_send_len) {
        trial_fail(t, "GET_CONFIG: the reference has flags %u, miss_send_len %u",
                   flags, t->ref->miss_send_len);
        trial_explain_bytes(t, "the product's", answer->body, answer->size);
    }
    free(answer);
    return !t->failed;
}

/* --- steps ------------------------------------------------------------------------------ */

bool
trial_question(struct trial *t)
{
    uint32_t roll = gen_below(&t->g, 20);
    trial_show_counters(t);
    bool ok = roll < 9 ? ask_flows(t, false)
              : roll < 11 ? ask_some_queues(t)
              : roll < 14 ? ask_table(t)
              : roll < 16 ? ask_ports(t, P_NONE)
              : roll < 18 ? ask_ports(t, shape_in_port(&t->shape, &t->g))
              : roll < 19 ? trial_ask_features(t) : ask_config(t);
    return ok && trial_settle(t);
}

bool
trial_compare_all(struct trial *t)
{
    trial_show_counters(t);
    return ask_flows(t, true) && ask_table(t) && ask_ports(t, P_NONE)
           && ask_queues(t, P_ALL, QUEUE_ALL) && ask_config(t)
           && trial_settle(t);
}
