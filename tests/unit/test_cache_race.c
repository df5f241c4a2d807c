/* SPDX-License-Identifier: Apache-2.0 */
/* A worker and the control thread in every order that chance finds: at each of their
 * race points the one that runs decides by a seed whether the other goes on. So a wrong
 * order of two stores fails here again and again, on any number of processors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "lib/epoch.h"
#include "sw-datapath/cache.h"
#include "sw-datapath/classifier_race.h"
#include "sw-datapath/packet.h"
#include "tests/unit/classifier_model.h"

enum { CONTROL, WORKER };

/* One of the two runs at a time; the semaphores order all that is shared. */
static struct {
    bool on;
    int running;
    sem_t turn[2];
    uint64_t random;
    unsigned rarely;                /* the other goes on at one point in 2^(64 - rarely) */
} baton;

static struct model model;
static struct cache *cache;
static bool stop, worker_is_done;
static unsigned change_number;      /* odd while a change is being made */
static unsigned n_bad, n_settled;

static void
pass_baton(void)
{
    int me = baton.running;
    baton.running = !me;
    sem_post(&baton.turn[!me]);
    while (sem_wait(&baton.turn[me])) {
    }
}

void
race_point(void)
{
    if (!baton.on || worker_is_done) {
        return;
    }
    baton.random = baton.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if (baton.random >> baton.rarely == 0) {
        pass_baton();
    }
}

/* --- the worker ----------------------------------------------------------------- */

static struct flow_key
udp_key(unsigned addr, uint16_t tp_dst)
{
    struct flow_key key = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17 };
    key.dl_dst[5] = (uint8_t) addr;
    key.nw_dst.ip4.raw = htobe32(addr);
    key.tp_dst.raw = htobe16(tp_dst);
    return key;
}

/* What the packet's rule may be, whatever change is under way: rank 1 has all; 2 has port
 * 80, now and then; 3 and 4 some addresses, now and then; 7 address 9. */
static bool
may_be(const struct flow_key *key, const struct rule *rule)
{
    unsigned addr = be32_to_host(key->nw_dst.ip4), port = be16_to_host(key->tp_dst);
    if (addr == 9) {
        return rule && rule->rank == 7;
    }
    bool few = addr >= 2 && addr < 6;
    return rule && (rule->rank == 1 || (rule->rank == 2 && port == 80)
                    || ((rule->rank == 3 || rule->rank == 4) && few));
}

/* The address changes now and then, so that there is something to install; both ports of
 * it are looked up, in either order, in a batch or in one after the other. */
static void
make_keys(unsigned i, struct flow_key keys[8])
{
    unsigned flip = i * 2654435761u >> 13;
    for (unsigned j = 0; j < 8; j++) {
        unsigned address = j == 7 ? 9 : j >= 5 ? 2 + (i + j) % 4 : 10 + (i / 3 + j % 2) % 12;
        keys[j] = udp_key(address, (flip >> j & 1) ? 80 : 22);
    }
}

static void
one_batch(unsigned i)
{
    struct flow_key keys[8];
    const struct flow_key *pointers[8];
    struct cache_hit hits[8];
    unsigned n = 1 + i % 8;
    make_keys(i, keys);
    for (unsigned j = 0; j < n; j++) {
        pointers[j] = &keys[(i + j) % 8];
    }
    unsigned before = change_number;
    cache_lookup_batch(cache, NULL, pointers, n, hits, 1000);
    bool settled = before == change_number && before % 2 == 0;
    n_settled += settled;
    for (unsigned j = 0; j < n; j++) {
        n_bad += !may_be(pointers[j], hits[j].rule);
        n_bad += settled && !model_is_right_wildcarded(&model, pointers[j], hits[j].rule);
        cache_count(cache, hits[j].entry, 1, 60, 1000);
    }
}

static void *
work(void *arg)
{
    struct epoch_reader *reader = arg;
    while (sem_wait(&baton.turn[WORKER])) {
    }
    for (unsigned i = 0; !stop; i++) {
        epoch_online(reader);
        one_batch(i);
        cache_sweep(cache, 2, 1000, 10000);
        epoch_quiescent(reader);
        epoch_offline(reader);
        race_point();
    }
    worker_is_done = true;
    baton.running = CONTROL;
    sem_post(&baton.turn[CONTROL]);
    return NULL;
}

/* --- the control thread --------------------------------------------------------- */

static struct flow_match
udp_match(unsigned addr, uint16_t tp_dst)
{
    struct flow_match match = { .value = udp_key(0, tp_dst) };
    match.value.in_port = 0;
    match.mask.bits.dl_type.raw = 0xffff;
    match.mask.bits.nw_proto = 0xff;
    match.value.nw_dst.ip4.raw = htobe32(addr);
    match.mask.bits.nw_dst.ip4.raw = addr ? 0xffffffff : 0;
    match.mask.bits.tp_dst.raw = tp_dst ? 0xffff : 0;
    return match;
}

static void
toggle(const struct flow_match *match, uint32_t rank, bool replace)
{
    int i = model_find(&model, match, rank);
    change_number++;
    if (i >= 0 && !replace) {
        model_remove(&model, (unsigned) i);
    } else {
        model_put(&model, match, rank);
    }
    change_number++;
}

static bool
check_dumped(const struct cache_dump_entry *entry, void *aux)
{
    (void) aux;
    const struct flow_key *value = &entry->match.value, *mask = &entry->match.mask.bits;
    if (mask->dl_dst[5] && mask->nw_dst.ip4.raw) {
        assert_int_equal(value->dl_dst[5], be32_to_host(value->nw_dst.ip4));
    }
    struct flow_key masked;
    flow_key_mask(value, &entry->match.mask, &masked);
    assert_true(flow_key_equal(&masked, value));
    assert_true(entry->version <= classifier_version(model.cls));
    return true;
}

static void
one_change(void)
{
    struct flow_match match = udp_match(0, 80);
    unsigned what = model_below(&model, 5);
    if (what < 2) {
        toggle(&match, 2, false);
    } else if (what == 2) {
        match = udp_match(2 + model_below(&model, 4), 0);
        toggle(&match, 3, false);
    } else if (what == 3) {     /* names the port, and looks at addresses of its own */
        match = udp_match(2 + model_below(&model, 4), 0);
        match.value.in_port = 1;
        match.mask.bits.in_port = 0xffff;
        match.mask.bits.dl_dst[5] = 0xff;
        match.value.dl_dst[5] = (uint8_t) be32_to_host(match.value.nw_dst.ip4);
        toggle(&match, 4, false);
    } else {
        struct model_rule rule = model.rules[model_below(&model, model.n)];
        toggle(&rule.match, rule.rank, true);
    }
}

static void
run(uint64_t seed)
{
    struct epoch_reader *reader = epoch_reader_new();
    pthread_t thread;
    model_init(&model, seed, 100);
    cache = cache_new(model.cls, 16);
    struct flow_match match = udp_match(0, 0);
    model_put(&model, &match, 1);
    match = udp_match(9, 0);
    model_put(&model, &match, 7);
    stop = worker_is_done = false;
    baton.random = seed;
    baton.rarely = 63 - seed % 5;
    baton.running = CONTROL;
    sem_init(&baton.turn[CONTROL], 0, 0);
    sem_init(&baton.turn[WORKER], 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, work, reader), 0);
    baton.on = true;
    for (unsigned i = 0; i < 200; i++) {
        one_change();
        if (model_below(&model, 2)) {
            pass_baton();
        }
        cache_dump(cache, check_dumped, NULL);
        epoch_poll();
    }
    stop = true;
    while (!worker_is_done) {
        pass_baton();
    }
    baton.on = false;
    pthread_join(thread, NULL);
    epoch_reader_free(reader);
    cache_free(cache);
    model_fini(&model);
}

static void
answers_are_right_in_any_order(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run(seed);
        if (n_bad) {
            print_message("# seed %llu\n", (unsigned long long) seed);
        }
        assert_int_equal(n_bad, 0);
    }
    assert_true(n_settled > 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_right_in_any_order),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
