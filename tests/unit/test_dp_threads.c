/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath with its workers running, while everything changes under them: rules in every
 * way there is, ports and bridges that come and go with frames on their way, and dumps. What
 * a barrier promises is looked for in each frame that comes out.
 *
 * Frames for port 1 are steered to another port in each round. A frame bears the number of
 * the round in which it was put in, after that round's barrier: so it may leave by that
 * round's port or by a later one's, never by an earlier one's. */
#include <config.h>    /* _GNU_SOURCE, for sched_getaffinity() */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/log.h"
#include "sw-datapath/datapath.h"
#include "sw-datapath/packet.h"

enum {
    ROUNDS = 400, BURST = 100,
    N_FLOWS = 4,
    STEERED = 1, NOISY = 2, SINK = 3, PASSING = 50,   /* ports */
    FIRST_OUT = 10, N_OUT = 8,
    N_NOISE = 48,
    FRAME_SIZE = 60, ROUND_AT = 42, SEQ_AT = 46,
    DEADLINE_MS = 120000,
};

/* Rules that do one thing: one, or one for each flow when they have no wildcards. */
struct rule_set {
    unsigned n;
    struct rule *rules[N_FLOWS];
    unsigned kind;
};

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    struct rule_set steering;
    struct rule *noise[N_NOISE];
    uint32_t round, seq, random;
    uint32_t last_seq[N_OUT];
    uint64_t injected, taken;    /* steered */
    uint64_t sent;               /* all that left by the ports of rounds */
    uint64_t n_packet_ins;
    struct dp_bridge_stats stats;
    struct port_counters port[64];
    struct pktio *noisy;    /* fed by */
    pthread_t feeder;
    bool feeding;
    _Atomic bool stop;
};

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct fixture *f = aux;
    assert_true(in->packet->size >= FRAME_SIZE);
    f->n_packet_ins++;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    assert_true(info->port_no);
}

static const struct dp_bridge_ops ops = { on_packet_in, on_port_event };

/* Runs the event loop once, and fails when that has gone on for too long. */
static void
turn(struct fixture *f, uint64_t begun_ms)
{
    assert_true(clock_ms() - begun_ms < DEADLINE_MS);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    sched_yield();
}

static void
set_true(void *flag)
{
    *(bool *) flag = true;
}

static void
wait_for_barrier(struct fixture *f)
{
    bool done = false;
    struct dp_barrier barrier = { .done = set_true, .aux = &done };
    uint64_t begun = clock_ms();
    dp_barrier(f->dp, &barrier);
    while (!done) {
        turn(f, begun);
    }
}

/* --- frames ----------------------------------------------------------------------- */

static void
make_frame(uint8_t frame[FRAME_SIZE], unsigned flow)
{
    static const uint8_t start[] = {
        2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 0,
        0, 7, 0, 80, 0, 26, 0, 0,
    };
    memset(frame, 0, FRAME_SIZE);
    memcpy(frame, start, sizeof start);
    frame[33] = (uint8_t) flow;    /* nw_dst */
    frame[37] = (uint8_t) (80 + flow % 2);    /* tp_dst */
}

static void
inject_steered(struct fixture *f, unsigned n)
{
    struct pktio *io = dp_port_pktio(f->bridge, STEERED);
    uint8_t frame[FRAME_SIZE];
    uint64_t begun = clock_ms();
    for (unsigned i = 0; i < n; i++) {
        make_frame(frame, f->seq % N_FLOWS);
        f->seq++;
        memcpy(frame + ROUND_AT, &f->round, sizeof f->round);
        memcpy(frame + SEQ_AT, &f->seq, sizeof f->seq);
        while (pktio_memory_inject(io, frame, sizeof frame)) {
            turn(f, begun);
        }
    }
    f->injected += n;
}

/* Other traffic, from a thread of its own. */
static void *
feed(void *f_)
{
    struct fixture *f = f_;
    uint32_t random = 1;
    while (!atomic_load(&f->stop)) {
        uint8_t frame[FRAME_SIZE];
        make_frame(frame, next_random(&random) % N_FLOWS);
        frame[5] = (uint8_t) (next_random(&random) % 16);
        frame[11] = (uint8_t) (next_random(&random) % 16);
        frame[32] = (uint8_t) next_random(&random);
        if (pktio_memory_inject(f->noisy, frame, sizeof frame) || next_random(&random) % 8 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void
start_feeding(struct fixture *f)
{
    f->noisy = dp_port_pktio(f->bridge, NOISY);
    assert_int_equal(pthread_create(&f->feeder, NULL, feed, f), 0);
    f->feeding = true;
}

static void
stop_feeding(struct fixture *f)
{
    if (f->feeding) {
        atomic_store(&f->stop, true);
        pthread_join(f->feeder, NULL);
        f->feeding = false;
    }
}

/* --- rules ------------------------------------------------------------------------ */

static void
free_rule(void *rule)
{
    free((void *) (uintptr_t) atomic_load(&((struct rule *) rule)->actions));
    free(rule);
}

static const struct action_list *
output_list(uint16_t port)
{
    struct action_list *list = calloc(1, sizeof *list + sizeof list->actions[0]);
    assert_non_null(list);
    list->len = 1;
    list->actions[0].type = ACTION_OUTPUT;
    list->actions[0].output.port = port;
    return list;
}

static struct rule *
make_rule(struct fixture *f, const struct flow_match *match, uint32_t rank, uint16_t port)
{
    struct classifier *classifier = dp_bridge_classifier(f->bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, match));
    assert_non_null(rule);
    assert_int_equal(classifier_rule_init(classifier, rule, match, rank, output_list(port)), 0);
    return rule;
}

static void
add_rule(struct fixture *f, struct rule *rule)
{
    assert_int_equal(classifier_insert(dp_bridge_classifier(f->bridge), rule), 0);
}

static void
remove_rule(struct fixture *f, struct rule *rule)
{
    classifier_remove(dp_bridge_classifier(f->bridge), rule);
    epoch_defer(free_rule, rule);
}

enum { KIND_PORT, KIND_ANY_IP, KIND_PREFIX, KIND_TP_SRC, KIND_MAC, KIND_EXACT, N_KINDS };

/* What 'kind' looks at in the steered frames. */
static struct flow_match
steering_match(unsigned kind, unsigned flow)
{
    struct flow_match m = { 0 };
    struct flow_key *bits = &m.mask.bits;
    if (kind != KIND_ANY_IP) {
        bits->in_port = 0xffff;
    }
    if (kind != KIND_PORT && kind != KIND_MAC) {
        bits->dl_type.raw = 0xffff;
        bits->nw_proto = 0xff;
    }
    if (kind == KIND_PREFIX) {
        memset(bits->nw_dst.bytes, 0xff, 3);
    } else if (kind == KIND_TP_SRC) {
        bits->tp_src.raw = 0xffff;
    } else if (kind == KIND_MAC) {
        memset(bits->dl_src, 0xff, 6);
    } else if (kind == KIND_EXACT) {
        memset(bits->dl_src, 0xff, 6);
        memset(bits->dl_dst, 0xff, 6);
        memset(bits->nw_src.bytes, 0xff, 4);
        memset(bits->nw_dst.bytes, 0xff, 4);
        bits->vlan_tci.raw = 0xffff;
        bits->nw_tos = 0xfc;
        bits->tp_src.raw = bits->tp_dst.raw = 0xffff;
    }
    struct flow_key key = {
        .in_port = STEERED, .dl_dst = { 2, 0, 0, 0, 0, 9 }, .dl_src = { 2, 0, 0, 0, 0, 1 },
        .dl_type = be16_from_host(0x0800), .nw_proto = 17,
        .nw_src.bytes = { 10, 0, 0, 1 }, .nw_dst.bytes = { 10, 0, 0, (uint8_t) flow },
        .tp_src = be16_from_host(7), .tp_dst = be16_from_host((uint16_t) (80 + flow % 2)),
    };
    flow_key_mask(&key, &m.mask, &m.value);
    return m;
}

static struct rule_set
make_steering(struct fixture *f, unsigned kind, uint32_t rank, uint16_t port)
{
    struct rule_set set = { .n = kind == KIND_EXACT ? N_FLOWS : 1, .kind = kind };
    for (unsigned i = 0; i < set.n; i++) {
        struct flow_match match = steering_match(kind, i);
        set.rules[i] = make_rule(f, &match, kind == KIND_EXACT ? RULE_RANK_EXACT : rank, port);
    }
    return set;
}

static void
add_set(struct fixture *f, const struct rule_set *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        add_rule(f, set->rules[i]);
    }
}

static void
remove_set(struct fixture *f, struct rule_set *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        remove_rule(f, set->rules[i]);
    }
    set->n = 0;
}

/* The same matches and ranks, other rules. */
static void
replace_set(struct fixture *f, uint16_t port)
{
    struct rule_set *set = &f->steering;
    struct rule_set now = make_steering(f, set->kind, set->rules[0]->rank, port);
    for (unsigned i = 0; i < set->n; i++) {
        classifier_replace(dp_bridge_classifier(f->bridge), set->rules[i], now.rules[i]);
        epoch_defer(free_rule, set->rules[i]);
    }
    *set = now;
}

static void
replace_actions(struct fixture *f, uint16_t port)
{
    for (unsigned i = 0; i < f->steering.n; i++) {
        const struct action_list *old = atomic_exchange(&f->steering.rules[i]->actions,
                                                        output_list(port));
        epoch_defer(free, (void *) (uintptr_t) old);
    }
}

static uint16_t
port_of_round(uint32_t round)
{
    return (uint16_t) (FIRST_OUT + round % N_OUT);
}

/* The next round: port 1's frames go elsewhere, once the barrier is done. */
static void
steer(struct fixture *f)
{
    uint16_t port = port_of_round(++f->round);
    unsigned how = next_random(&f->random) % 4, kind = next_random(&f->random) % N_KINDS;
    if (how == 0) {
        replace_actions(f, port);
    } else if (how == 1 || (kind == KIND_EXACT && f->steering.kind == KIND_EXACT)) {
        replace_set(f, port);
    } else {
        struct rule_set now = make_steering(f, kind, 100 + f->round, port), old = f->steering;
        if (how == 2) {
            add_set(f, &now);
            remove_set(f, &old);
        } else {
            remove_set(f, &old);
            add_set(f, &now);
        }
        f->steering = now;
    }
    wait_for_barrier(f);
}

/* Rules below the steering ones, for all traffic: masks and profiles come and go. */
static void
churn_noise(struct fixture *f)
{
    static const uint16_t outs[] = { SINK, PASSING, PORT_NORMAL, PORT_CONTROLLER, PORT_FLOOD };
    struct rule **rule = &f->noise[next_random(&f->random) % N_NOISE];
    if (*rule) {
        remove_rule(f, *rule);
        *rule = NULL;
        return;
    }
    struct flow_match m = steering_match(next_random(&f->random) % N_KINDS, 0);
    if (next_random(&f->random) % 2 && m.mask.bits.in_port) {
        m.value.in_port = NOISY;
    }
    if (next_random(&f->random) % 2) {
        m.mask.bits.nw_src.bytes[next_random(&f->random) % 4] = 0xff;
        m.mask.bits.dl_type.raw = 0xffff;
        m.value.dl_type = be16_from_host(0x0800);
    }
    /* A rank of its own: no two noise rules are one. */
    *rule = make_rule(f, &m, (uint32_t) (1 + (rule - f->noise)),
                      outs[next_random(&f->random) % 5]);
    add_rule(f, *rule);
}

/* --- ports and bridges ------------------------------------------------------------ */

static void
add_port(struct dp_bridge *bridge, uint16_t want)
{
    char name[16];
    uint16_t no;
    snprintf(name, sizeof name, "m%u-%.4s", want, dp_bridge_name(bridge));
    assert_int_equal(dp_port_add(bridge, name, want, PKTIO_MEMORY, &no, NULL), 0);
}

static void
fill(struct pktio *io)
{
    uint8_t frame[FRAME_SIZE];
    for (unsigned i = 0; i < 20; i++) {
        make_frame(frame, i % N_FLOWS);
        pktio_memory_inject(io, frame, sizeof frame);
    }
}

static void
do_nothing(void *ptr)
{
    (void) ptr;
}

/* Deferred calls have a grace period in common that begins when there are 510 of them: lets
 * it begin after one of the next few. */
static void
begin_grace_period_soon(struct fixture *f)
{
    epoch_drain();
    for (unsigned left = 504 + next_random(&f->random) % 6; left; left--) {
        epoch_defer(do_nothing, NULL);
    }
}

/* A port that goes while frames are in it and others are sent to it. */
static void
pass_port(struct fixture *f)
{
    struct port_info info;
    if (dp_port_get(f->bridge, PASSING, &info)) {
        fill(dp_port_pktio(f->bridge, PASSING));
        begin_grace_period_soon(f);
        assert_int_equal(dp_port_del(f->bridge, PASSING, NULL), 0);
        epoch_poll();
        memset(&f->port[PASSING], 0, sizeof f->port[PASSING]);
    } else {
        add_port(f->bridge, PASSING);
    }
}

static const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };

/* A bridge that goes while its frames are with the worker, and on their way to us. */
static void
pass_bridge(struct fixture *f)
{
    struct dp_bridge *bridge = dp_bridge_new(f->dp, "br1", &bridge_config, PKTIO_MEMORY, &ops, f,
                                             NULL);
    assert_non_null(bridge);
    add_port(bridge, 1);
    add_port(bridge, 2);
    fill(dp_port_pktio(bridge, 1));
    fill(dp_port_pktio(bridge, 2));
    if (next_random(&f->random) % 2) {
        wait_for_barrier(f);
    }
    dp_bridge_free(bridge);
}

/* --- what must hold --------------------------------------------------------------- */

/* Takes what was steered out: none by the port of a round before its own, and each port's in
 * their order. */
static void
check_frames(struct fixture *f)
{
    for (unsigned out = 0; out < N_OUT; out++) {
        struct pktio *io = dp_port_pktio(f->bridge, (uint16_t) (FIRST_OUT + out));
        uint8_t frame[FRAME_SIZE];
        while (pktio_memory_take(io, frame, sizeof frame)) {
            uint32_t round, seq;
            memcpy(&round, frame + ROUND_AT, sizeof round);
            memcpy(&seq, frame + SEQ_AT, sizeof seq);
            f->sent++;
            if (!seq) {
                continue;    /* other traffic, by a rule for any port */
            }
            uint32_t left = round;
            while (left <= f->round && port_of_round(left) != FIRST_OUT + out) {
                left++;
            }
            assert_true(left <= f->round);
            assert_true(seq > f->last_seq[out]);
            f->last_seq[out] = seq;
            f->taken++;
        }
    }
    uint8_t frame[FRAME_SIZE];
    const uint16_t others[] = { STEERED, NOISY, SINK, PORT_LOCAL };
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        while (pktio_memory_take(dp_port_pktio(f->bridge, others[i]), frame, sizeof frame)) {
            continue;
        }
    }
}

static void
check_counters(struct fixture *f)
{
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(f->bridge, &stats);
    assert_true(stats.lookups >= f->stats.lookups && stats.matched >= f->stats.matched);
    assert_true(stats.hits >= f->stats.hits && stats.misses >= f->stats.misses);
    assert_true(stats.lost >= f->stats.lost);
    f->stats = stats;
    for (uint16_t no = 1; no < 64; no++) {
        struct port_counters c;
        if (dp_port_get_counters(f->bridge, no, &c)) {
            const struct port_counters *before = &f->port[no];
            assert_true(c.rx_packets >= before->rx_packets && c.rx_bytes >= before->rx_bytes);
            assert_true(c.tx_packets >= before->tx_packets && c.tx_bytes >= before->tx_bytes);
            assert_true(c.tx_dropped >= before->tx_dropped);
            f->port[no] = c;
        }
    }
}

static bool
look_at(const struct dp_cache_entry *entry, void *n)
{
    if (entry->actions) {
        assert_true(entry->actions->len == 1);
    }
    ++*(unsigned *) n;
    return true;
}

/* Waits until the workers have looked at all that was put into port 1, and have sent it. */
static void
wait_for_steered(struct fixture *f, uint64_t n)
{
    struct port_counters c;
    uint64_t begun = clock_ms();
    while (dp_port_get_counters(f->bridge, STEERED, &c) && c.rx_packets < n) {
        turn(f, begun);
    }
    wait_for_barrier(f);
}

/* --- the tests -------------------------------------------------------------------- */

/* Up to three CPUs that we may use, as a list; NULL where there is one only. */
static const char *
cpu_list(char *list, size_t size)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    unsigned n = 0;
    int len = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < 3; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            len += snprintf(list + len, size - (size_t) len, "%s%u", n++ ? "," : "", cpu);
        }
    }
    return n > 1 ? list : NULL;
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char cpus[32];
    const struct dp_config config = {
        .cpus = cpu_list(cpus, sizeof cpus), .cache_entries = 256, .threads = true,
    };
    f->random = 42;
    f->base = event_base_new();
    f->dp = dp_new(f->base, &config, NULL);
    assert_non_null(f->dp);
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, NULL);
    assert_non_null(f->bridge);
    for (uint16_t no = STEERED; no <= SINK; no++) {
        add_port(f->bridge, no);
    }
    for (uint16_t no = FIRST_OUT; no < FIRST_OUT + N_OUT; no++) {
        add_port(f->bridge, no);
        dp_port_set_config(f->bridge, no, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    }
    f->steering = make_steering(f, KIND_PORT, 100, port_of_round(0));
    add_set(f, &f->steering);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    stop_feeding(f);
    remove_set(f, &f->steering);
    for (unsigned i = 0; i < N_NOISE; i++) {
        if (f->noise[i]) {
            remove_rule(f, f->noise[i]);
        }
    }
    dp_free(f->dp);    /* with frames on their way */
    event_base_free(f->base);
    free(f);
    return 0;
}

static void
nothing_replaced_is_used_after_a_barrier(void **state)
{
    struct fixture *f = *state;
    start_feeding(f);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t before = f->injected;
        inject_steered(f, BURST);
        if (i % 3 == 0) {
            pass_port(f);
        }
        if (i % 16 == 0) {
            pass_bridge(f);
        }
        churn_noise(f);
        steer(f);
        inject_steered(f, BURST / 4);
        wait_for_steered(f, before);
        check_frames(f);
        check_counters(f);
        if (i % 8 == 0) {
            unsigned n = 0;
            dp_bridge_dump_cache(f->bridge, look_at, &n);
            fdb_flush(dp_bridge_fdb(f->bridge));
        }
    }
    stop_feeding(f);
    wait_for_steered(f, f->injected);
    check_frames(f);
    check_counters(f);
    uint64_t sent = 0;
    for (unsigned out = 0; out < N_OUT; out++) {
        sent += f->port[FIRST_OUT + out].tx_packets;
    }
    assert_int_equal(f->port[STEERED].rx_packets, f->injected);
    assert_int_equal(sent, f->sent);
    assert_true(f->taken > f->injected / 2);    /* the others met a gap between two rules */
}

/* Each frame finds a worker that is about to sleep, or asleep. */
static void
a_frame_wakes_the_worker(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t begun = clock_ms(), taken = f->taken;
        for (unsigned spin = 0; spin < i % 500 * 20; spin++) {
            atomic_thread_fence(memory_order_seq_cst);
        }
        inject_steered(f, 1);
        while (f->taken == taken) {
            turn(f, begun);
            check_frames(f);
        }
    }
}

/* Stopping does not wait for a worker to have nothing to do, nor for ever. */
static void
starts_and_stops_under_traffic(void **state)
{
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(set_up(state), 0);
        struct fixture *f = *state;
        inject_steered(f, i % 2 ? BURST : 1);
        tear_down(state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_replaced_is_used_after_a_barrier, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_frame_wakes_the_worker, set_up, tear_down),
        cmocka_unit_test(starts_and_stops_under_traffic),
    };
    log_set_level("warn", NULL);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
