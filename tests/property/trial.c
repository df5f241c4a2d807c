/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "ofagent/ofp_print.h"
#include "sw-datapath/datapath.h"
#include "tests/property/sut_wire.h"

enum {
    START_MS = 1000000,
    TIMER_SLACK_MS = 135,       /* flow time-outs come up so late at most */
    READING_MS = 250,           /* counters are read, and time-outs wait for that */
    FDB_SLACK_MS = 1000,        /* an address seen again is put down once in this time */
};

struct tally tally;
uint64_t tally_faults[N_DUT_FAULTS];

/* --- failures --------------------------------------------------------------------------- */

static void
append(struct trial *t, const char *format, va_list args)
{
    size_t at = strlen(t->failure);
    vsnprintf(t->failure + at, sizeof t->failure - at, format, args);
}

bool
trial_fail(struct trial *t, const char *format, ...)
{
    if (!t->failed) {
        va_list args;
        va_start(args, format);
        append(t, format, args);
        va_end(args);
        t->failed = true;
    }
    return false;
}

void
trial_explain(struct trial *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(t, format, args);
    va_end(args);
}

void
trial_explain_bytes(struct trial *t, const char *what, const uint8_t *p, size_t size)
{
    trial_explain(t, "\n  %s, %zu bytes: ", what, size);
    for (size_t i = 0; i < size && i < 200; i++) {
        trial_explain(t, "%02x", p[i]);
    }
}

static void
explain_message(struct trial *t, const char *what, const uint8_t *msg, size_t size)
{
    struct strbuf text = { 0 };
    ofp_print(&text, msg, size);
    trial_explain(t, "\n  %s: %s", what, strbuf_text(&text));
    strbuf_fini(&text);
}

/* A flow as the FLOW_MOD that would add it. */
static void
explain_flow(struct trial *t, const struct ref_flow *flow)
{
    uint8_t msg[MESSAGE_MAX] = { 1, 14 };
    size_t size = 72 + flow->actions_size;
    wire_put(msg + 2, 2, size);
    if (!flow->match.is_nxm) {
        memcpy(msg + 8, flow->match.bytes, 40);
    }
    wire_put(msg + 62, 2, flow->priority);
    wire_put(msg + 64, 4, UINT32_MAX);
    wire_put(msg + 68, 2, P_NONE);
    memcpy(msg + 72, flow->actions, flow->actions_size);
    if (flow->match.is_nxm) {
        size = trial_nxm_flow_mod(msg, size, &flow->match);
    }
    explain_message(t, flow->exact ? "matches, exact" : "matches", msg, size);
}

void
trial_explain_input(struct trial *t, unsigned origin)
{
    const struct input *input = &t->input[origin];
    if (!input->in_port) {
        explain_message(t, "by the message", input->data, input->size);
        return;
    }
    trial_explain(t, "\n  by the frame that came in by port %u", input->in_port);
    trial_explain_bytes(t, "which is", input->data, input->size);
    if (input->size < 14) {
        return;
    }
    struct ref_frame frame = { .size = input->size };
    struct ref_fields fields;
    memcpy(frame.data, input->data, input->size);
    ref_parse(&frame, input->in_port, &fields);
    for (size_t i = 0; i < t->ref->table.n_flows; i++) {
        if (ref_match_packet(&t->ref->table.flows[i].match, &fields)) {
            explain_flow(t, &t->ref->table.flows[i]);
        }
    }
}

void
trial_verbose_message(const struct trial *t, const char *what, const uint8_t *msg, size_t size)
{
    if (t->config->verbose) {
        struct strbuf text = { 0 };
        ofp_print(&text, msg, size);
        fprintf(stderr, "#   %s %s\n", what, strbuf_text(&text));
        strbuf_fini(&text);
    }
}

/* --- what is expected ------------------------------------------------------------------- */

static const uint8_t *
keep(struct trial *t, const uint8_t *p, size_t size)
{
    if (t->arena_size + size > ARENA_SIZE) {
        trial_fail(t, "the test's own fault: a step is too big");
        return p;
    }
    uint8_t *copy = t->arena + t->arena_size;
    memcpy(copy, p, size);
    t->arena_size += size;
    return copy;
}

/* A number that frames with the same fields have. */
static uint64_t
flow_of(uint16_t in_port, const uint8_t *p, size_t size)
{
    struct ref_frame frame = { .size = (uint32_t) size };
    struct ref_fields f;
    memcpy(frame.data, p, size);
    ref_parse(&frame, in_port, &f);
    uint64_t parts[] = { wire_get(f.dl_src, 6), wire_get(f.dl_dst, 6), f.dl_vlan, f.dl_vlan_pcp,
                         f.dl_type, f.nw_tos, f.nw_proto, f.nw_src, f.nw_dst, f.tp_src, f.tp_dst,
                         in_port, f.is_fragment, f.is_later_fragment };
    uint64_t sum = 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        sum = (sum ^ parts[i]) * UINT64_C(0x100000001b3) + (sum >> 29);
    }
    return sum;
}

unsigned
trial_add_input(struct trial *t, uint16_t in_port, const uint8_t *p, size_t size)
{
    /* For explanations only: when there are too many, the last one stands for the rest. */
    unsigned i = t->n_inputs < INPUTS_MAX - 1 ? t->n_inputs++ : INPUTS_MAX - 1;
    t->input[i] = (struct input) { in_port, (uint32_t) size, keep(t, p, size), 0 };
    if (t->hardware && in_port && size >= 14) {
        t->input[i].flow = flow_of(in_port, p, size);
    }
    return i;
}

static void
expect_sent(struct trial *t, const struct ref_sent *from, unsigned origin)
{
    if (t->n_sent == SENT_MAX) {
        trial_fail(t, "the test's own fault: a step sends too much");
        return;
    }
    t->sent[t->n_sent++] = (struct sent) {
        .port = from->port,
        .queue = from->queue,
        .in_port = from->in_port,
        .reason = from->reason,
        .prefix = from->prefix,
        .size = from->frame.size,
        .data = keep(t, from->frame.data, from->frame.size),
        .origin = origin,
    };
    if (from->port == P_CONTROLLER) {
        t->n_packet_ins++;
        trial_crowd(t);
        t->packet_in_bytes += 18 + from->frame.size;
        tally.packet_ins_miss += from->reason == 0;
        tally.packet_ins_action += from->reason == 1;
        tally.packet_ins_ttl += from->reason == 2;
    } else {
        tally.frames_out++;
        tally.frames_enqueued += from->queue != REF_NO_QUEUE;
    }
}

void
trial_expect_output(struct trial *t, unsigned origin)
{
    for (size_t i = 0; i < t->out->n; i++) {
        if (t->out->sent[i].port != P_CONTROLLER || t->async) {
            expect_sent(t, &t->out->sent[i], origin);
        }
    }
}

void
trial_expect_error(struct trial *t, const uint8_t *msg, size_t size, struct ref_error error)
{
    if (t->n_errors == ERRORS_MAX) {
        trial_fail(t, "the test's own fault: a step has too many errors");
        return;
    }
    struct expected_error *e = &t->error[t->n_errors++];
    e->xid = (uint32_t) wire_get(msg + 4, 4);
    e->error = error;
    e->size = (uint16_t) (size < sizeof e->head ? size : sizeof e->head);
    memcpy(e->head, msg, e->size);
    tally.errors++;
}

void
trial_expect_status(struct trial *t, uint8_t reason, const struct ref_port *port)
{
    if (t->async && t->n_statuses < STATUSES_MAX) {
        t->status[t->n_statuses++] = (struct expected_status) {
            reason, port->number, port->config, ref_port_state(t->ref, port) };
        tally.port_statuses++;
    }
}

unsigned
trial_add_message(struct trial *t, uint8_t *msg, size_t size)
{
    trial_verbose_message(t, "send", msg, size);
    unsigned origin = trial_add_input(t, 0, msg, size);
    size = plant_message(t, msg, size);
    if (t->messages_size + size > MESSAGES_MAX) {
        trial_fail(t, "the test's own fault: a step has too many messages");
        return origin;
    }
    memcpy(t->messages + t->messages_size, msg, size);
    t->messages_size += size;
    return origin;
}

/* --- time ------------------------------------------------------------------------------- */

static bool
falls_due_now(const struct trial *t, uint64_t since, uint16_t seconds)
{
    uint64_t due = since + seconds * 1000u;
    uint64_t slack = TIMER_SLACK_MS + (t->hardware ? t->hardware->lag_ms * UINT64_C(2) + t->hardware->late_ms + READING_MS
                                         : 0);
    return seconds && due <= t->now_ms && due + slack > t->now_ms;
}

/* True if the product may have done what the naive switch does at this moment, or not yet. */
static bool
moment_is_vague(const struct trial *t)
{
    const struct ref_switch *ref = t->ref;
    for (size_t i = 0; i < ref->table.n_flows; i++) {
        const struct ref_flow *flow = &ref->table.flows[i];
        if (falls_due_now(t, flow->created_ms, flow->hard_timeout)
            || falls_due_now(t, flow->used_ms, flow->idle_timeout)) {
            return true;
        }
    }
    for (size_t i = 0; ref->fdb_age_ms && i < ref->n_fdb; i++) {
        uint64_t idle = t->now_ms - ref->fdb[i].used_ms;
        if (idle < ref->fdb_age_ms && idle + FDB_SLACK_MS >= ref->fdb_age_ms) {
            return true;
        }
    }
    return false;
}

/* Goes on to a moment at which it is clear what has timed out, on both sides. */
static void
clear_up(struct trial *t)
{
    for (unsigned i = 0; moment_is_vague(t); i++) {
        if (i == 10000) {
            trial_fail(t, "the test's own fault: no clear moment comes");
            return;
        }
        t->now_ms += TIMER_SLACK_MS;
        sut_set_time(t->sut, t->now_ms);
    }
    t->ref->now_ms = t->now_ms;
    for (unsigned i = 0; i < t->n_held; i++) {
        struct held *held = &t->held[i];
        held->gone = held->gone || t->now_ms - held->since_ms >= BUFFER_LIFETIME_MS;
    }
    ref_table_expire(&t->ref->table, t->now_ms);
}

bool
trial_catch_up(struct trial *t)
{
    uint64_t now_ms = sut_now_ms(t->sut);
    if (now_ms == t->now_ms) {
        return false;
    }
    tally.hw_late_ms += now_ms - t->now_ms;
    t->now_ms = now_ms;
    sut_set_time(t->sut, now_ms);
    clear_up(t);
    return true;
}

void
trial_pass(struct trial *t, uint64_t ms)
{
    t->now_ms += ms;
    sut_set_time(t->sut, t->now_ms);
    clear_up(t);
    if (t->config->verbose) {
        fprintf(stderr, "#   it is %llu ms\n", (unsigned long long) t->now_ms);
    }
}

bool
trial_time(struct trial *t)
{
    uint32_t kind = gen_below(&t->g, 10);
    trial_refresh(t);
    trial_pass(t, kind < 4 ? 1 + gen_below(&t->g, 50)
                  : kind < 9 ? 100 + gen_below(&t->g, 1500) : 3000 + gen_below(&t->g, 12000));
    return trial_settle(t);
}

/* --- life ------------------------------------------------------------------------------- */

static void
make_config(struct trial *t)
{
    static const uint32_t cache_entries[] = { 8, 64, 512, 4096, 4096 };
    static const uint16_t ages[] = { 0, 0, 30 };
    static const char *const cpus[] = { NULL, NULL, "0", "0,1" };
    struct gen *g = &t->g;
    t->sut_config = (struct sut_config) {
        .peer = once_in(g, 8) ? SUT_STANDALONE : once_in(g, 12) ? SUT_SECURE : SUT_CONTROLLER,
        .n_ports = (uint16_t) (2 + gen_below(g, 5)),
        .cache_entries = cache_entries[gen_below(g, 5)],
        .fdb_age_s = ages[gen_below(g, 3)],
        .cpus = cpus[gen_below(g, 4)],
        .stp = once_in(g, 3),
        .forward_bpdu = once_in(g, 6),
    };
    t->sut_config.attached = t->config->attached;
    t->target_flows = 5 + gen_below(g, once_in(g, 24) ? 800 : once_in(g, 4) ? 250 : 60);
    t->sut_config.max_emergency_flows = 1 + gen_below(g, 20);
    t->sut_config.max_flows = once_in(g, 3) ? t->target_flows + 10 : REF_MAX_FLOWS;
    t->tidy = !once_in(g, 4);
    t->masked = once_in(g, 2);
    t->async = t->sut_config.peer != SUT_SECURE;
    if (t->hardware) {
        t->sut_config.driver = t->hardware->driver;
        t->sut_config.demote_pps = t->hardware->demote_pps;
        /* It tells how long flows are idle. */
        t->masked = t->masked && !t->hardware->lag_ms && !t->hardware->late_ms;
    }
}

static void
make_reference(struct trial *t)
{
    static const enum ref_miss misses[] = {
        [SUT_CONTROLLER] = REF_MISS_CONTROLLER,
        [SUT_STANDALONE] = REF_MISS_NORMAL,
        [SUT_SECURE] = REF_MISS_DROP,
    };
    struct ref_switch *ref = ref_switch_new();
    for (uint16_t port = 1; port <= t->sut_config.n_ports; port++) {
        ref_add_port(ref, port, 0);
    }
    ref_add_port(ref, P_LOCAL, 0);
    ref->plant = ref->table.plant = t->config->ref_plant;
    ref->table.max_flows = t->sut_config.max_flows;
    ref->table.queues_of = ref;
    ref->emergency.plant = ref->plant;
    ref->emergency.max_flows = t->sut_config.max_emergency_flows;
    ref->emergency.queues_of = ref;
    ref->miss = misses[t->sut_config.peer];
    ref->has_stp = t->sut_config.stp;
    ref->forward_bpdu = t->sut_config.forward_bpdu;
    ref->fdb_age_ms = t->sut_config.fdb_age_s * 1000u;
    ref->now_ms = t->now_ms;
    t->ref = ref;
}

static void
seed(struct trial *t, unsigned step)
{
    gen_init(&t->g, t->config->seed * 1000003 + t->config->shape * UINT64_C(0x100000001) + step);
}

/* SET_CONFIG as a peer's first words: management is told of packets only when it asks. And
 * FEATURES, so that a controller is live: lost, it would be an emergency one day. */
static void
begin(struct trial *t)
{
    uint8_t msg[12] = { 1, 9, 0, 12, 0, 0, 0, 1, 0, 0, 0, 128 };
    t->ref->miss_send_len = t->async ? 128 : 0;
    msg[11] = (uint8_t) t->ref->miss_send_len;
    trial_add_message(t, msg, sizeof msg);
    trial_settle(t);
    trial_ask_features(t);
    trial_mend_ports(t);
}

static struct trial *
trial_new(const struct trial_config *config)
{
    struct trial *t = calloc(1, sizeof *t);
    t->config = config;
    t->hardware = config->hardware;
    t->out = calloc(1, sizeof *t->out);
    t->now_ms = START_MS;
    seed(t, UINT32_MAX);
    make_config(t);
    make_reference(t);
    t->shape.plain_percent = t->hardware ? t->hardware->plain_percent : 0;
    shape_init(&t->shape, config->shape, t->sut_config.n_ports, &t->g);
    t->sut = sut_new(&t->sut_config, t->now_ms);
    dut_set_plant(config->dut_plant);
    sut_set_plant(t->sut, config->dut_plant);
    trial_queues(t);
    begin(t);
    return t;
}

static void
add_to_tally(const struct trial *t)
{
    struct dp_bridge_stats stats;
    sut_get_stats(t->sut, &stats);
    tally.trials++;
    tally.flow_hits += t->ref->matched;
    tally.table_misses += t->ref->lookups - t->ref->matched;
    tally.learnt += t->ref->n_fdb;
    tally.held_by_stp += t->ref->n_held_by_stp;
    tally.cache_hits += stats.cache.hits;
    tally.cache_revalidated += stats.cache.revalidated;
    tally.cache_rederived += stats.cache.rederived;
    tally.cache_misses += stats.cache.misses;
    tally.cache_evictions += stats.cache.evictions;
    tally.cache_promoted += stats.cache.promoted;
    if (t->hardware) {
        const struct dut_counts *counts = dut_get_counts();
        struct sut_wire_counts wire;
        sut_get_wire_counts(t->sut, &wire);
        tally.hw_packets += counts->packets + wire.sent;
        tally.hw_hits += counts->hits + wire.sent - wire.came_up;
        tally.hw_adds += counts->adds;
        tally.hw_changes += counts->changes;
        tally.hw_removes += counts->removes;
        tally.hw_refused += counts->refused;
        for (unsigned i = 0; i < N_DUT_FAULTS; i++) {
            tally_faults[i] += counts->done[i];
        }
    }
}

static void
trial_free(struct trial *t)
{
    sut_free(t->sut);
    ref_switch_free(t->ref);
    free(t->out);
    free(t);
}

/* --- steps ------------------------------------------------------------------------------ */

static const struct step {
    const char *name;
    bool (*run)(struct trial *);
    uint8_t weight;              /* sum 100 */
} steps[] = {
    { "frames", trial_frames, 50 },
    { "messages", trial_messages, 21 },
    { "the universe", trial_warm, 6 },
    { "time", trial_time, 10 },
    { "a question", trial_question, 7 },
    { "ports", trial_ports, 4 },
    { "queues", trial_queues, 2 },
};

static const struct step *
choose(struct trial *t)
{
    static const struct step fault = { "a fault", trial_fault, 0 };
    if (t->hardware && t->hardware->faults && once_in(&t->g, 12)) {
        return &fault;
    }
    uint32_t roll = gen_below(&t->g, 100);
    const struct step *step = steps;
    while (roll >= step->weight) {
        roll -= step->weight;
        step++;
    }
    return step;
}

/* What the product does by the way, when it has time. */
static void
upkeep(struct trial *t)
{
    if (once_in(&t->g, 8)) {
        sut_poll_epoch(t->sut);
    }
    if (once_in(&t->g, 32)) {
        sut_sweep(t->sut, gen_below(&t->g, 1 << 12), gen_below(&t->g, 10000));
    }
}

static bool
run_step(struct trial *t)
{
    seed(t, t->step);
    const struct step *step = choose(t);
    if (t->config->verbose) {
        fprintf(stderr, "# step %u: %s\n", t->step, step->name);
    }
    upkeep(t);
    if (!step->run(t) || t->failed) {
        trial_explain(t, "\n  in step %u: %s", t->step, step->name);
        return false;
    }
    tally.steps++;
    return true;
}

static bool
run_steps(struct trial *t)
{
    const struct trial_config *config = t->config;
    for (t->step = 0; t->step < config->n_steps; t->step++) {
        if ((!config->skip || !config->skip[t->step]) && !run_step(t)) {
            return false;
        }
    }
    seed(t, t->step);
    plant_release(t);
    return trial_settle(t) && trial_compare_all(t);
}

bool
trial_run(const struct trial_config *config, unsigned *step, char *failure, size_t size)
{
    struct trial *t = trial_new(config);
    bool ok = !t->failed && run_steps(t);
    add_to_tally(t);
    *step = t->step;
    snprintf(failure, size, "%s", t->failure);
    trial_free(t);
    return ok;
}
