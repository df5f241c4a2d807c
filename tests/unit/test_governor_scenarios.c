/* SPDX-License-Identifier: Apache-2.0 */
/* The governor as a whole, in traffic on a clock of the test's: floods, scans, crowds, elephants.
 *
 * A world has one worker's ports and the governor's state. The world's cache is without bounds:
 * a flow that was given an entry asks for no other. What is asserted is who got entries, what was
 * held back and why, and that memory is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/governor/governor.h"

enum { SYN = 0x02, SYN_ACK = 0x12, ACK = 0x10, NONE = -1 };
enum { N_PORTS = 4, RATE = 4000, START_MS = 1000000 };

struct world {
    struct governor governor;
    uint8_t after[64];               /* nothing is written here */
    struct governor_port port[N_PORTS];
    uint64_t now_ms;
    uint32_t random;
    uint64_t setup_ns;               /* that each batch is told to take */
    bool backlog;
    unsigned n_packets;              /* in each of them */
};

static struct world *world;

static void
roll(void)
{
    if (governor_roll(&world->governor, N_PORTS, world->now_ms)) {
        for (unsigned p = 0; p < N_PORTS; p++) {
            governor_roll_port(&world->governor, &world->port[p], world->now_ms);
        }
    }
}

static int
setup(void **state)
{
    (void) state;
    world = calloc(1, sizeof *world);
    world->now_ms = START_MS;
    world->random = 12345;
    memset(world->after, 0x5a, sizeof world->after);
    struct governor_config config = { .mode = GOVERNOR_ON, .setups = { RATE, RATE } };
    governor_init(&world->governor, &config, 99, world->now_ms);
    roll();
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    for (unsigned i = 0; i < sizeof world->after; i++) {
        assert_int_equal(world->after[i], 0x5a);
    }
    free(world);
    return 0;
}

static void
configure(enum governor_mode mode, bool drop, uint32_t rate)
{
    struct governor_config config = { .mode = mode, .drop = drop, .setups = { rate, rate } };
    governor_set_config(&world->governor, &config);
}

static uint32_t
next_random(void)
{
    world->random = world->random * 1664525 + 1013904223;
    return world->random >> 8;
}

/* A millisecond goes by. */
static void
tick(void)
{
    world->now_ms++;
    for (unsigned i = 0; world->setup_ns && i < 4; i++) {
        governor_note_batch(&world->governor, world->n_packets, world->backlog, world->setup_ns / 4);
    }
    roll();
}

static void
idle(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        tick();
    }
}

static struct flow_key
key_of(uint32_t from, uint32_t to, uint16_t sport, uint16_t dport, uint8_t proto)
{
    struct flow_key key = {
        .dl_type = be16_from_host(0x800), .nw_proto = proto,
        .tp_src = be16_from_host(sport), .tp_dst = be16_from_host(dport),
        .dl_src = { 2, 0, 0, 0, 0, (uint8_t) (from >> 24) },
        .dl_dst = { 2, 0, 0, 0, 0, (uint8_t) (to >> 24) },
    };
    key.nw_src.ip4 = be32_from_host(from);
    key.nw_dst.ip4 = be32_from_host(to);
    return key;
}

static enum governor_verdict
packet(unsigned port, const struct flow_key *key, int flags)
{
    struct flow_key in = *key;
    in.in_port = (uint16_t) (port + 1);
    struct governor_flow flow;
    governor_prepare(&world->governor, &in, flags, &flow);
    struct governor_judgement j = governor_judge(&world->governor, &world->port[port], &in, &flow,
                                                 world->now_ms);
    assert_int_equal(j.verdict == GOVERNOR_INSTALL, j.reason == GOVERNOR_NO_REASON);
    return j.verdict;
}

/* A SYN that nobody ever sent. */
static enum governor_verdict
random_syn(unsigned port)
{
    struct flow_key key = key_of(0xac000000 | (next_random() & 0xffffff), 0x0a000001,
                                 (uint16_t) next_random(), 80, 6);
    return packet(port, &key, SYN);
}

static void
flood(unsigned port, unsigned per_ms, unsigned ms)
{
    for (unsigned t = 0; t < ms; t++) {
        for (unsigned i = 0; i < per_ms; i++) {
            random_syn(port);
        }
        tick();
    }
}

static uint64_t
held(unsigned port)
{
    const struct governor_totals *t = &world->port[port].totals;
    return t->held[GOVERNOR_NOT_PROVEN] + t->held[GOVERNOR_OVER_BUDGET] + t->held[GOVERNOR_FLOOD];
}

/* What is counted adds up. */
static void
check_totals(unsigned port)
{
    const struct governor_totals *t = &world->port[port].totals;
    assert_int_equal(t->asked, t->installed + t->passed + t->dropped);
    assert_int_equal(held(port), t->passed + t->dropped);
    assert_int_equal(t->floods - t->flood_ended, world->port[port].flood);
}

/* --- connections ------------------------------------------------------------------------------ */

/* A TCP connection between a client's port and a server's, a packet each few ms: SYN, SYN+ACK,
 * ACK, then data both ways. Where a packet is dropped it is sent again, a second later. */
struct connection {
    struct flow_key there, back;
    unsigned client, server;
    uint64_t next_ms;
    unsigned step;
    bool cached[2];
    unsigned n_uncached;             /* packets that went without an entry */
};

enum { HANDSHAKE = 3, DONE = 13, RTT_MS = 2, RETRY_MS = 1000 };

static void
connection_init(struct connection *c, unsigned n, unsigned client, unsigned server)
{
    memset(c, 0, sizeof *c);
    c->there = key_of(0x0b000000 + n, 0x0a000001, (uint16_t) (1024 + n), 80, 6);
    c->back = key_of(0x0a000001, 0x0b000000 + n, 80, (uint16_t) (1024 + n), 6);
    c->client = client;
    c->server = server;
    c->next_ms = world->now_ms;
}

static void
connection_run(struct connection *c)
{
    if (c->step == DONE || world->now_ms < c->next_ms) {
        return;
    }
    bool back = c->step & 1;
    if (!c->cached[back]) {
        int flags = c->step == 0 ? SYN : c->step == 1 ? SYN_ACK : ACK;
        enum governor_verdict v = packet(back ? c->server : c->client, back ? &c->back : &c->there,
                                         flags);
        c->cached[back] = v == GOVERNOR_INSTALL;
        c->n_uncached += v == GOVERNOR_PASS;
        if (v == GOVERNOR_SHED) {
            c->next_ms = world->now_ms + RETRY_MS;
            return;
        }
    }
    c->step++;
    c->next_ms = world->now_ms + RTT_MS;
}

/* Runs them, a new one every 'every_ms', beside a flood of 'per_ms' on port 0. */
static void
run_connections(struct connection *c, unsigned n, unsigned client, unsigned server,
                unsigned every_ms, unsigned per_ms, unsigned ms)
{
    unsigned begun = 0;
    for (unsigned t = 0; t < ms; t++) {
        if (begun < n && t % every_ms == 0) {
            connection_init(&c[begun], begun, client, server);
            begun++;
        }
        for (unsigned i = 0; i < per_ms; i++) {
            random_syn(0);
        }
        for (unsigned i = 0; i < begun; i++) {
            connection_run(&c[i]);
        }
        tick();
    }
}

/* How many have an entry both ways. */
static unsigned
count_cached(const struct connection *c, unsigned n)
{
    unsigned both = 0;
    for (unsigned i = 0; i < n; i++) {
        both += c[i].cached[0] && c[i].cached[1];
    }
    return both;
}

/* --- scenarios ---------------------------------------------------------------------------------- */

/* One port is flooded at a hundred times the budget: others don't notice. */
static void
test_flood_on_one_port(void **state)
{
    (void) state;
    static struct connection c[500];
    run_connections(c, 500, 1, 2, 4, 400, 3000);
    assert_int_equal(count_cached(c, 500), 500);
    assert_int_equal(held(1) + held(2) + held(3), 0);
    const struct governor_port *port = &world->port[0];
    assert_true(port->flood);
    assert_int_equal(port->totals.floods, 1);
    assert_true(port->totals.held[GOVERNOR_FLOOD] > 1000000);
    assert_true(port->totals.installed < RATE);
    assert_int_equal(port->macs.at[0].key, UINT64_C(0x10200000000ac));
    assert_int_equal(port->macs.at[0].error, 0);
    /* It is over: two seconds later, once. */
    idle(1900);
    assert_true(port->flood);
    assert_true(governor_is_busy(&world->governor));
    idle(400);
    assert_false(port->flood);
    assert_false(governor_is_busy(&world->governor));
    assert_int_equal(port->totals.flood_ended, 1);
    for (unsigned p = 0; p < N_PORTS; p++) {
        check_totals(p);
    }
}

/* New connections on the flooded port itself: with the packets that go uncached they come about,
 * and have their entries as soon as they are connections. */
static void
test_connections_in_a_flood(void **state)
{
    (void) state;
    static struct connection c[200];
    flood(0, 400, 1000);
    assert_true(world->port[0].flood);
    run_connections(c, 200, 0, 2, 10, 400, 3000);
    assert_int_equal(count_cached(c, 200), 200);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(c[i].step, DONE);
        assert_true(c[i].n_uncached <= HANDSHAKE);
    }
    assert_int_equal(held(2), 0);
    check_totals(0);
}

/* The same where first packets are dropped: the second SYN gets through. */
static void
test_connections_in_a_dropped_flood(void **state)
{
    (void) state;
    static struct connection c[200];
    configure(GOVERNOR_ON, true, RATE);
    flood(0, 200, 1000);
    run_connections(c, 200, 0, 2, 10, 200, 4000);
    assert_int_equal(count_cached(c, 200), 200);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(c[i].step, DONE);
    }
    assert_true(world->port[0].totals.dropped > 900000);
    /* Nothing that was dropped is told to have passed. */
    assert_true(world->port[0].totals.passed <= 400);
    check_totals(0);
}

/* Every port is flooded: each has its share, and flows that prove themselves have entries. */
static void
test_flood_on_all_ports(void **state)
{
    (void) state;
    static struct connection c[N_PORTS][50];
    for (unsigned t = 0; t < 3000; t++) {
        for (unsigned p = 0; p < N_PORTS; p++) {
            for (unsigned i = 0; i < 100; i++) {
                random_syn(p);
            }
            if (t >= 1000 && t % 20 == 0 && t < 2000) {
                connection_init(&c[p][(t - 1000) / 20], p * 1000 + t, p, (p + 1) % N_PORTS);
            }
            for (unsigned i = 0; i < 50 && t >= 1000 && i <= (t - 1000) / 20; i++) {
                connection_run(&c[p][i]);
            }
        }
        tick();
    }
    uint64_t installed = 0;
    for (unsigned p = 0; p < N_PORTS; p++) {
        assert_true(world->port[p].flood);
        assert_int_equal(world->port[p].totals.floods, 1);
        assert_int_equal(count_cached(c[p], 50), 50);
        installed += world->port[p].totals.installed;
        check_totals(p);
    }
    assert_true(installed <= RATE * 3 + RATE / 2);
}

/* Ten SYNs a second that nobody answers: no flood, nothing is held back, and nothing of it is
 * worth hardware. */
static void
test_slow_scan(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 600; i++) {
        struct flow_key key = key_of(0xac000001, 0x0a000000 + i, 40000, 22, 6);
        assert_int_equal(packet(0, &key, SYN), GOVERNOR_INSTALL);
        assert_int_equal(governor_worth(&world->governor, &world->port[0], &key, SYN, 32,
                                        world->now_ms), GOVERNOR_NOT_PROVEN);
        idle(100);
    }
    assert_int_equal(held(0), 0);
    assert_int_equal(world->port[0].totals.floods, 0);
}

/* Twice as many connections at once as there is budget for: no flood, and all get entries. */
static void
test_crowd(void **state)
{
    (void) state;
    enum { N = 16000 };
    struct connection *c = calloc(N, sizeof *c);
    unsigned begun = 0;
    for (unsigned t = 0; t < 8000; t++) {
        for (unsigned i = 0; t < 2000 && i < N / 2000; i++) {
            connection_init(&c[begun], begun, 1, 1 + begun % 2 * 2);
            begun++;
        }
        for (unsigned i = 0; i < begun; i++) {
            connection_run(&c[i]);
            if (c[i].step == DONE && !(c[i].cached[0] && c[i].cached[1])) {
                c[i].step = DONE - 2;    /* it goes on */
            }
        }
        tick();
    }
    assert_int_equal(count_cached(c, N), N);
    assert_int_equal(world->port[1].totals.floods + world->port[3].totals.floods, 0);
    assert_true(held(1) > 0);
    check_totals(1);
    free(c);
}

/* A flow that is busy, begun in the midst of a flood of small ones that are not TCP. */
static void
test_elephant_among_mice(void **state)
{
    (void) state;
    uint32_t mouse = 0;
    for (unsigned t = 0; t < 2000; t++) {
        for (unsigned i = 0; i < 100; i++) {
            struct flow_key key = key_of(0xac000000 + mouse++, 0x0a000001, 53, 53, 17);
            packet(0, &key, NONE);
        }
        tick();
    }
    assert_true(world->port[0].flood);
    struct flow_key elephant = key_of(0x0b000001, 0x0a000001, 9, 9, 17);
    assert_int_equal(packet(0, &elephant, NONE), GOVERNOR_PASS);
    assert_int_equal(packet(0, &elephant, NONE), GOVERNOR_INSTALL);
    assert_int_equal(governor_worth(&world->governor, &world->port[0], &elephant, NONE, 32,
                                    world->now_ms), GOVERNOR_FLOOD);
    assert_int_equal(governor_worth(&world->governor, &world->port[0], &elephant, NONE,
                                    GOVERNOR_FLOOD_PACKETS, world->now_ms), GOVERNOR_NO_REASON);
    assert_int_equal(governor_worth(&world->governor, &world->port[1], &elephant, NONE, 32,
                                    world->now_ms), GOVERNOR_NO_REASON);
    assert_int_equal(governor_worth(&world->governor, &world->port[0], &elephant, ACK, 32,
                                    world->now_ms), GOVERNOR_NO_REASON);
}

/* --- what floods are made of ------------------------------------------------------------------ */

static void
vary_ports(struct flow_key *key, uint32_t i)
{
    key->tp_src = be16_from_host((uint16_t) i);
    key->tp_dst = be16_from_host((uint16_t) (i >> 16));
}

static void
vary_addresses(struct flow_key *key, uint32_t i)
{
    key->nw_src.ip4 = be32_from_host(i * 2654435761u);
}

static void
vary_fragments(struct flow_key *key, uint32_t i)
{
    key->nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    key->tp_src = key->tp_dst = be16_from_host(0);
    key->nw_dst.ip4 = be32_from_host(i);
}

static void
vary_macs(struct flow_key *key, uint32_t i)
{
    memcpy(key->dl_src + 2, &i, sizeof i);
}

static void
vary_destinations(struct flow_key *key, uint32_t i)
{
    memcpy(key->dl_dst + 2, &i, sizeof i);
}

static void
vary_ipv6(struct flow_key *key, uint32_t i)
{
    key->dl_type = be16_from_host(0x86dd);
    memcpy(key->nw_src.bytes + 10, &i, sizeof i);
}

/* A trace that makes a mask-per-packet cache make as many masks as it can: from a base packet,
 * single bits of each field are turned, all pairs of them (tuple space explosion). */
static void
vary_bits(struct flow_key *key, uint32_t i)
{
    uint32_t a = i % 32, b = i / 32 % 16, c = i / 512 % 16, d = i / 8192 % 32;
    key->nw_src.ip4.raw ^= 1u << a;
    key->tp_src.raw ^= (uint16_t) (1u << b);
    key->tp_dst.raw ^= (uint16_t) (1u << c);
    key->nw_dst.ip4.raw ^= 1u << d;
}

static const struct {
    const char *what;
    void (*vary)(struct flow_key *, uint32_t i);
    uint8_t proto;
    int flags;
} makers[] = {
    { "5-tuples, SYN", vary_ports, 6, SYN },
    { "5-tuples, ACK", vary_ports, 6, ACK },
    { "5-tuples, no flags", vary_ports, 6, 0 },
    { "5-tuples, UDP", vary_ports, 17, NONE },
    { "source addresses", vary_addresses, 17, NONE },
    { "fragments", vary_fragments, 17, NONE },
    { "source MACs", vary_macs, 17, NONE },
    { "destination MACs", vary_destinations, 17, NONE },
    { "IPv6 addresses", vary_ipv6, 58, NONE },
    { "tuple space explosion", vary_bits, 17, NONE },
};

/* Each of them is a flood, gets no more than the budget, then nothing, and is over in the end. */
static void
test_makers(void **state)
{
    for (unsigned m = 0; m < sizeof makers / sizeof makers[0]; m++) {
        teardown(state);
        setup(state);
        uint32_t n = 0;
        for (unsigned t = 0; t < 1500; t++) {
            for (unsigned i = 0; i < 150; i++) {
                struct flow_key key = key_of(0xac000001, 0x0a000001, 1, 2, makers[m].proto);
                makers[m].vary(&key, n++);
                packet(0, &key, makers[m].flags);
            }
            tick();
        }
        const struct governor_port *port = &world->port[0];
        uint64_t before = port->totals.installed;
        if (!port->flood || port->totals.floods != 1 || before > RATE) {
            print_message("# %s: flood %d, %llu installed\n", makers[m].what, port->flood,
                          (unsigned long long) before);
        }
        assert_true(port->flood);
        assert_int_equal(port->totals.floods, 1);
        assert_true(before <= RATE);
        assert_true(port->totals.held[GOVERNOR_FLOOD] > n / 2);
        idle(2500);
        assert_false(port->flood);
        check_totals(0);
    }
}

/* --- hysteresis ---------------------------------------------------------------------------------- */

/* A flood that comes and goes twice a second is one flood; so is one that wavers. */
static void
test_hysteresis(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 20; i++) {
        flood(0, 100, 350);
        idle(150);
    }
    assert_true(world->port[0].flood);
    assert_int_equal(world->port[0].totals.floods, 1);
    for (unsigned i = 0; i < 20; i++) {
        flood(0, i % 2 ? 3 : 20, 500);    /* below the budget, but not far below */
    }
    assert_int_equal(world->port[0].totals.floods, 1);
    assert_int_equal(world->port[0].totals.flood_ended, 0);
    flood(0, 1, 3000);                    /* a quarter of it */
    assert_false(world->port[0].flood);
    assert_int_equal(world->port[0].totals.flood_ended, 1);
}

/* A burst that is over before it is a flood. */
static void
test_short_burst(void **state)
{
    (void) state;
    flood(0, 200, 150);
    idle(3000);
    assert_int_equal(world->port[0].totals.floods, 0);
    assert_true(held(0) > 0);
}

/* --- modes ------------------------------------------------------------------------------------------ */

/* Without proofs the budget is all that counts, for the second packet as for the first. */
static void
test_first_packet(void **state)
{
    (void) state;
    configure(GOVERNOR_FIRST_PACKET, false, RATE);
    flood(0, 100, 3000);
    const struct governor_totals *t = &world->port[0].totals;
    assert_true(t->installed > RATE * 3 - RATE / 10 && t->installed < RATE * 3 + RATE);
    assert_int_equal(t->held[GOVERNOR_FLOOD], 0);
    assert_int_equal(t->held[GOVERNOR_NOT_PROVEN], 0);
    assert_int_equal(held(1), 0);
    struct flow_key key = key_of(1, 2, 3, 4, 6);
    assert_int_equal(governor_worth(&world->governor, &world->port[0], &key, SYN, 1, world->now_ms),
                     GOVERNOR_NO_REASON);
    check_totals(0);
}

/* Another port gets its share of what first packets may have within the flood, too. */
static void
test_settings_change(void **state)
{
    (void) state;
    flood(0, 100, 1000);
    assert_true(world->port[0].flood);
    configure(GOVERNOR_FIRST_PACKET, false, 2 * RATE);
    uint64_t before = world->port[0].totals.installed;
    flood(0, 100, 1000);
    assert_true(world->port[0].totals.installed - before > 2 * RATE - RATE / 5);
    configure(GOVERNOR_ON, true, 2 * RATE);
    before = world->port[0].totals.dropped;
    flood(0, 100, 1000);
    assert_int_equal(world->port[0].totals.dropped - before, 100000);
    check_totals(0);
}

/* --- load -------------------------------------------------------------------------------------------- */

static void
set_bounds(uint32_t min, uint32_t max)
{
    struct governor_config config = { .mode = GOVERNOR_ON, .setups = { min, max } };
    governor_set_config(&world->governor, &config);
    governor_init(&world->governor, &config, 99, world->now_ms);
}

/* The budget goes down to its lower bound while set-ups take the worker's time, not for other
 * work, and comes back. */
static void
test_load(void **state)
{
    (void) state;
    set_bounds(1000, 16000);
    world->n_packets = 64;
    world->setup_ns = 900000;
    idle(1000);
    assert_int_equal(world->governor.setups.rate, 16000);     /* busy, but no backlog */
    world->backlog = true;
    world->setup_ns = 300000;
    idle(1000);
    assert_int_equal(world->governor.setups.rate, 16000);     /* a backlog of other work */
    world->setup_ns = 600000;
    idle(400);
    assert_true(world->governor.setups.rate < 8000);
    idle(5000);
    assert_int_equal(world->governor.setups.rate, 1000);
    world->backlog = false;
    idle(2000);
    assert_int_equal(world->governor.setups.rate, 16000);
}

/* A worker that has no time for more packets, most of them of new flows: the budget follows what it
 * manages, and the flood is one, though there was budget for it; and stays one, though there is
 * budget again. */
static void
test_saturation(void **state)
{
    (void) state;
    set_bounds(1000, 1000000);
    world->backlog = true;
    world->n_packets = 25;
    world->setup_ns = 100000;
    flood(0, 100, 5000);
    assert_true(world->port[0].flood);
    assert_int_equal(world->port[0].totals.floods, 1);
    flood(0, 100, 5000);
    assert_int_equal(world->governor.setups.rate, 1000000);
    assert_true(world->port[0].flood);
    assert_int_equal(world->port[0].totals.floods, 1);
    /* It is over, and the worker busy with other things. */
    world->n_packets = 64;
    idle(2500);
    assert_false(world->port[0].flood);
}

/* --- table misses ------------------------------------------------------------------------------------ */

/* Packets for the controller whose rule is cached: their flows prove themselves all the same, and
 * a flood of them is one. */
static void
test_table_misses(void **state)
{
    (void) state;
    for (unsigned t = 0; t < 1000; t++) {
        for (unsigned i = 0; i < 100; i++) {
            struct flow_key key = key_of(0xac000000 | (t * 100 + i), 1, 2, 3, 17);
            governor_miss(&world->governor, &world->port[0], &key, NONE, world->now_ms);
        }
        tick();
    }
    assert_true(world->port[0].flood);
    assert_int_equal(world->port[0].totals.asked, 0);
    struct flow_key key = key_of(0x0b000001, 1, 2, 3, 6);
    assert_false(governor_miss(&world->governor, &world->port[0], &key, SYN, world->now_ms));
    assert_true(governor_miss(&world->governor, &world->port[0], &key, SYN, world->now_ms));
}

/* Memory is what it is, whatever comes. */
static void
test_memory(void **state)
{
    (void) state;
    assert_true(sizeof(struct governor) < (2 << 20) + 1024);
    assert_true(sizeof(struct governor_port) <= 512);
    print_message("# %zu bytes a worker, %zu a port\n", sizeof(struct governor),
                  sizeof(struct governor_port));
}

int
main(void)
{
#define SCENARIO(TEST) cmocka_unit_test_setup_teardown(TEST, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCENARIO(test_flood_on_one_port),
        SCENARIO(test_connections_in_a_flood),
        SCENARIO(test_connections_in_a_dropped_flood),
        SCENARIO(test_flood_on_all_ports),
        SCENARIO(test_slow_scan),
        SCENARIO(test_crowd),
        SCENARIO(test_elephant_among_mice),
        SCENARIO(test_makers),
        SCENARIO(test_hysteresis),
        SCENARIO(test_short_burst),
        SCENARIO(test_first_packet),
        SCENARIO(test_settings_change),
        SCENARIO(test_load),
        SCENARIO(test_saturation),
        SCENARIO(test_table_misses),
        SCENARIO(test_memory),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
