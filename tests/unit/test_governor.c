/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the governor's policy: what proves a flow, whom the sources' sketch finds, how a
 * budget is shared and adapts. What they do together is in test_governor_scenarios.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/governor/governor.h"

enum { SYN = 0x02, SYN_ACK = 0x12, ACK = 0x10, DATA = 0x18, RST = 0x04, FIN = 0x01, NONE = -1 };

#define SECRET UINT64_C(0x123456789abcdef)

/* --- evidence ------------------------------------------------------------------------------ */

static struct flow_key
key_of(uint32_t from, uint32_t to, uint16_t sport, uint16_t dport, uint8_t proto)
{
    struct flow_key key = {
        .in_port = 1, .dl_type = be16_from_host(0x800), .nw_proto = proto,
        .tp_src = be16_from_host(sport), .tp_dst = be16_from_host(dport),
        .dl_src = { 2, 0, 0, 0, 0, (uint8_t) from }, .dl_dst = { 2, 0, 0, 0, 0, (uint8_t) to },
    };
    key.nw_src.ip4 = be32_from_host(from);
    key.nw_dst.ip4 = be32_from_host(to);
    return key;
}

/* Packets of one conversation, '>' from the client, '<' back, and what is known of the last. */
struct proof_case {
    const char *what;
    struct { char way; int flags; } packets[6];
    enum governor_evidence known;
};

static const struct proof_case proofs[] = {
    { "first datagram", { { '>', NONE } }, GOVERNOR_NEW },
    { "second datagram", { { '>', NONE }, { '>', NONE } }, GOVERNOR_PROVEN },
    { "datagram's answer", { { '>', NONE }, { '<', NONE } }, GOVERNOR_PROVEN },
    { "SYN", { { '>', SYN } }, GOVERNOR_NEW },
    { "SYN again", { { '>', SYN }, { '>', SYN } }, GOVERNOR_SEEN },
    { "SYN for ever", { { '>', SYN }, { '>', SYN }, { '>', SYN }, { '>', SYN }, { '>', SYN } },
      GOVERNOR_SEEN },
    { "SYN+ACK that answers", { { '>', SYN }, { '<', SYN_ACK } }, GOVERNOR_SEEN },
    { "SYN+ACK that answers, again", { { '>', SYN }, { '<', SYN_ACK }, { '<', SYN_ACK } },
      GOVERNOR_PROVEN },
    { "SYN after the answer", { { '>', SYN }, { '<', SYN_ACK }, { '>', SYN } }, GOVERNOR_PROVEN },
    { "SYN+ACK from the same end", { { '>', SYN }, { '>', SYN_ACK }, { '>', SYN } },
      GOVERNOR_SEEN },
    { "SYN+ACK alone", { { '<', SYN_ACK }, { '<', SYN_ACK } }, GOVERNOR_SEEN },
    { "ACK after SYN, the answer seen elsewhere", { { '>', SYN }, { '>', ACK } }, GOVERNOR_PROVEN },
    { "data the other way", { { '>', SYN }, { '<', DATA } }, GOVERNOR_PROVEN },
    { "handshake", { { '>', SYN }, { '<', SYN_ACK }, { '>', ACK } }, GOVERNOR_PROVEN },
    { "ACK in the middle of a connection", { { '>', ACK } }, GOVERNOR_NEW },
    { "two of them", { { '>', ACK }, { '>', DATA } }, GOVERNOR_PROVEN },
    { "SYN and RST", { { '>', SYN }, { '>', RST } }, GOVERNOR_SEEN },
    { "SYN and RST the other way", { { '>', SYN }, { '<', RST }, { '>', SYN } }, GOVERNOR_SEEN },
    { "SYN+FIN is a SYN", { { '>', SYN | FIN }, { '>', SYN | FIN } }, GOVERNOR_SEEN },
    { "no flags", { { '>', 0 }, { '>', 0 } }, GOVERNOR_SEEN },
};

static enum governor_evidence
play(struct governor_sketch *sketch, const struct proof_case *c, uint32_t client)
{
    enum governor_evidence known = GOVERNOR_NEW;
    for (unsigned i = 0; i < 6 && c->packets[i].way; i++) {
        uint8_t proto = c->packets[i].flags == NONE ? 17 : 6;
        struct flow_key there = key_of(client, 9, 1000, 80, proto);
        struct flow_key back = key_of(9, client, 80, 1000, proto);
        struct governor_flow flow;
        governor_identify(SECRET, c->packets[i].way == '>' ? &there : &back, c->packets[i].flags,
                          &flow);
        known = governor_sketch_peek(sketch, &flow, 1000);
        assert_int_equal(governor_sketch_see(sketch, &flow, 1000), known);
    }
    return known;
}

static void
test_proofs(void **state)
{
    (void) state;
    struct governor_sketch *sketch = calloc(1, sizeof *sketch);
    assert_non_null(sketch);
    unsigned n_wrong = 0;
    for (unsigned i = 0; i < sizeof proofs / sizeof proofs[0]; i++) {
        enum governor_evidence known = play(sketch, &proofs[i], 100 + i);
        if (known != proofs[i].known) {
            print_message("# %s: %d, not %d\n", proofs[i].what, known, proofs[i].known);
            n_wrong++;
        }
    }
    free(sketch);
    assert_int_equal(n_wrong, 0);
}

/* What makes another flow, and what does not. */
static void
test_identity(void **state)
{
    (void) state;
    struct flow_key base = key_of(1, 2, 3, 4, 17), other;
    struct governor_flow a, b;
    governor_identify(SECRET, &base, NONE, &a);
#define DIFFERS(CHANGE)                                                       \
    other = base;                                                             \
    CHANGE;                                                                   \
    governor_identify(SECRET, &other, NONE, &b);                              \
    assert_true(a.id != b.id)
    DIFFERS(other.dl_src[5]++);
    DIFFERS(other.dl_dst[0]++);
    DIFFERS(other.nw_src.ip4.raw++);
    DIFFERS(other.nw_dst.bytes[15]++);
    DIFFERS(other.tp_src.raw++);
    DIFFERS(other.tp_dst.raw++);
    DIFFERS(other.nw_proto++);
    DIFFERS(other.dl_type.raw++);
    DIFFERS(other.nw_frag |= FLOW_FRAG_LATER);
    DIFFERS(other.tun_key.raw++);
    DIFFERS(other.vlan_tci = be16_from_host(FLOW_VLAN_PRESENT | 7));
    governor_identify(SECRET + 1, &base, NONE, &b);
    assert_true(a.id != b.id);
#undef DIFFERS
    struct flow_key back = key_of(2, 1, 4, 3, 17);
    back.in_port = 5;
    back.nw_tos = 0x20;
    governor_identify(SECRET, &back, NONE, &b);
    assert_true(a.id == b.id);
    assert_int_not_equal(a.direction, b.direction);
}

static struct governor_flow
number(uint64_t i)
{
    struct flow_key key = key_of((uint32_t) (i >> 16), 9, (uint16_t) i, 80, 6);
    struct governor_flow flow;
    governor_identify(SECRET, &key, SYN, &flow);
    return flow;
}

/* New flows that are taken for seen ones, in a sketch that is full: few. */
static void
test_false_positives(void **state)
{
    (void) state;
    struct governor_sketch *sketch = calloc(1, sizeof *sketch);
    unsigned n_wrong = 0;
    const unsigned n = GOVERNOR_SKETCH_SETS * GOVERNOR_SKETCH_WAYS;
    for (unsigned i = 0; i < 2 * n; i++) {
        struct governor_flow flow = number(i);
        n_wrong += governor_sketch_see(sketch, &flow, 1000 + i / 1000) != GOVERNOR_NEW;
    }
    free(sketch);
    print_message("# %u of %u new flows taken for seen ones\n", n_wrong, 2 * n);
    assert_true(n_wrong < 2 * n / 5000);
}

static void
test_memory_of_flows(void **state)
{
    (void) state;
    struct governor_sketch *sketch = calloc(1, sizeof *sketch);
    struct governor_flow mine = number(1);
    assert_int_equal(governor_sketch_see(sketch, &mine, 1000), GOVERNOR_NEW);
    /* It is remembered while a quarter of what there is room for comes by. */
    for (unsigned i = 0; i < GOVERNOR_SKETCH_SETS * GOVERNOR_SKETCH_WAYS / 4; i++) {
        struct governor_flow flow = number(1000 + i);
        governor_sketch_see(sketch, &flow, 1200);
    }
    assert_int_equal(governor_sketch_peek(sketch, &mine, 2000), GOVERNOR_SEEN);
    /* And for a minute, not longer. */
    assert_int_equal(governor_sketch_peek(sketch, &mine, 59000), GOVERNOR_SEEN);
    assert_int_equal(governor_sketch_peek(sketch, &mine, 63000), GOVERNOR_NEW);
    /* A proven flow outlives any number of first packets. */
    mine.kind = GOVERNOR_LIVE;
    assert_int_equal(governor_sketch_see(sketch, &mine, 2000), GOVERNOR_PROVEN);
    for (unsigned i = 0; i < GOVERNOR_SKETCH_SETS * GOVERNOR_SKETCH_WAYS * 4; i++) {
        struct governor_flow flow = number(10000000 + i);
        governor_sketch_see(sketch, &flow, 3000);
    }
    assert_int_equal(governor_sketch_peek(sketch, &mine, 4000), GOVERNOR_PROVEN);
    free(sketch);
}

/* --- sources ---------------------------------------------------------------------------------- */

static const struct governor_source *
find_source(const struct governor_sources *sources, uint64_t key)
{
    for (unsigned i = 0; i < GOVERNOR_SOURCES; i++) {
        if (sources->at[i].key == key) {
            return &sources->at[i];
        }
    }
    return NULL;
}

/* Two that send a third and a quarter, among any number that send one packet each. */
static void
test_sources(void **state)
{
    (void) state;
    struct governor_sources sources = { 0 };
    uint32_t a = 0, b = 0;
    for (uint32_t i = 0; i < 120000; i++) {
        uint64_t key = i % 3 == 0 ? 7 : i % 4 == 1 ? 8 : 1000 + i;
        a += key == 7;
        b += key == 8;
        governor_sources_add(&sources, key);
    }
    const struct governor_source *first = find_source(&sources, 7), *second = find_source(&sources, 8);
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first->count >= a && first->count - first->error <= a);
    assert_true(second->count >= b && second->count - second->error <= b);
    assert_int_equal(sources.total, 120000);
    for (unsigned i = 0; i < GOVERNOR_SOURCES; i++) {
        const struct governor_source *s = &sources.at[i];
        assert_true(s == first || s == second || s->error * 2 > s->count);
    }
    for (unsigned i = 0; i < 40; i++) {
        governor_sources_age(&sources);
    }
    assert_int_equal(sources.total, 0);
    assert_null(find_source(&sources, 7));
}

/* --- budgets ------------------------------------------------------------------------------------ */

enum { MAX_PORTS = 8 };

/* Runs 'ms' of ports that ask for 'per_ms' each ms; counts what they are given. */
struct share_case {
    const char *what;
    uint32_t rate;
    uint32_t per_ms[MAX_PORTS];      /* asked for; the first 'n' count */
    uint32_t n;
    uint32_t expected[MAX_PORTS];    /* given in ten seconds, by a twentieth */
};

static const struct share_case shares[] = {
    { "one port has everything", 1000, { 100 }, 1, { 10000 } },
    { "what others don't use as well", 1000, { 100, 0, 0, 0 }, 4, { 10000 } },
    { "two that want all halve it", 1000, { 100, 100 }, 2, { 5000, 5000 } },
    { "who asks more often gets no more", 1000, { 2, 200 }, 2, { 5000, 5000 } },
    { "what little is asked for is given", 4000, { 1, 200, 0, 0 }, 4, { 10000, 30000 } },
    { "four floods and a share in peace", 8000, { 1, 99, 99, 99, 99 }, 5,
      { 10000, 17500, 17500, 17500, 17500 } },
    { "a rate below one a tick", 20, { 5, 5 }, 2, { 100, 100 } },
};

static void
run_share(const struct share_case *c, uint32_t got[MAX_PORTS])
{
    struct governor_budget budget;
    struct governor_bucket buckets[MAX_PORTS] = { 0 };
    const struct governor_bounds bounds = { c->rate, c->rate };
    governor_budget_init(&budget, &bounds, 1000);
    budget.spare = 0;
    for (uint64_t now = 1000; now < 11000; now++) {
        if (governor_budget_refill(&budget, c->n, now)) {
            for (uint32_t p = 0; p < c->n; p++) {
                governor_budget_credit(&budget, &buckets[p]);
            }
        }
        for (uint32_t p = 0; p < c->n; p++) {
            for (uint32_t i = 0; i < c->per_ms[p]; i++) {
                got[p] += governor_budget_take(&budget, &buckets[p], GOVERNOR_PROVEN)
                          == GOVERNOR_TAKEN;
            }
        }
    }
}

static void
test_shares(void **state)
{
    (void) state;
    unsigned n_wrong = 0;
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        const struct share_case *c = &shares[i];
        uint32_t got[MAX_PORTS] = { 0 };
        run_share(c, got);
        for (uint32_t p = 0; p < c->n; p++) {
            uint32_t slack = c->expected[p] / 20 + 10;
            if (got[p] + slack < c->expected[p] || got[p] > c->expected[p] + slack) {
                print_message("# %s: port %u has %u, not %u\n", c->what, p, got[p], c->expected[p]);
                n_wrong++;
            }
        }
    }
    assert_int_equal(n_wrong, 0);
}

/* What is held for those who have shown more. */
static void
test_reserve(void **state)
{
    (void) state;
    struct governor_budget budget;
    struct governor_bucket bucket = { 0 };
    governor_budget_init(&budget, &(struct governor_bounds) { 1600, 1600 }, 1000);
    assert_true(governor_budget_refill(&budget, 1, 1010));
    assert_false(governor_budget_refill(&budget, 1, 1011));
    unsigned n_new = 0, n_seen = 0, n_proven = 0;
    while (governor_budget_take(&budget, &bucket, GOVERNOR_NEW) == GOVERNOR_TAKEN) {
        n_new++;
    }
    assert_int_equal(n_new, 600);    /* three quarters of 250 ms, of its own and of the spare */
    assert_int_equal(governor_budget_take(&budget, &bucket, GOVERNOR_NEW), GOVERNOR_RESERVED);
    while (governor_budget_take(&budget, &bucket, GOVERNOR_SEEN) == GOVERNOR_TAKEN) {
        n_seen++;
    }
    assert_int_equal(n_seen, 100);
    while (governor_budget_take(&budget, &bucket, GOVERNOR_PROVEN) == GOVERNOR_TAKEN) {
        n_proven++;
    }
    assert_int_equal(n_proven, 100);
    assert_int_equal(governor_budget_take(&budget, &bucket, GOVERNOR_PROVEN), GOVERNOR_SHORT);
}

static void
test_adaptation(void **state)
{
    (void) state;
    struct governor_budget budget;
    governor_budget_init(&budget, &(struct governor_bounds) { 1000, 100000 }, 0);
    assert_int_equal(budget.rate, 100000);
    governor_budget_adapt(&budget, true);
    assert_int_equal(budget.rate, 75000);
    for (unsigned i = 0; i < 40; i++) {
        governor_budget_adapt(&budget, true);
        assert_true(budget.rate >= 1000);
    }
    assert_int_equal(budget.rate, 1000);
    for (unsigned i = 0; i < 17; i++) {
        governor_budget_adapt(&budget, false);
    }
    assert_int_equal(budget.rate, 100000);
    governor_budget_set_bounds(&budget, &(struct governor_bounds) { 10, 20 });
    assert_int_equal(budget.rate, 20);
    governor_budget_adapt(&budget, true);
    assert_int_equal(budget.rate, 15);
    governor_budget_set_bounds(&budget, &(struct governor_bounds) { 50, 50 });
    assert_int_equal(budget.rate, 50);
    governor_budget_adapt(&budget, true);
    governor_budget_adapt(&budget, false);
    assert_int_equal(budget.rate, 50);
}

/* A pause earns a burst and no more. */
static void
test_pause(void **state)
{
    (void) state;
    struct governor_budget budget;
    struct governor_bucket bucket = { 0 };
    governor_budget_init(&budget, &(struct governor_bounds) { 1000, 1000 }, 1000);
    for (uint64_t now = 1010; now < 3600000; now += 60000) {
        governor_budget_refill(&budget, 1, now);
        governor_budget_credit(&budget, &bucket);
    }
    unsigned n = 0;
    while (governor_budget_take(&budget, &bucket, GOVERNOR_PROVEN) == GOVERNOR_TAKEN) {
        n++;
    }
    assert_int_equal(n, 500);        /* its own 250 ms, and the spare bucket's */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_false_positives),
        cmocka_unit_test(test_memory_of_flows),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_adaptation),
        cmocka_unit_test(test_pause),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
