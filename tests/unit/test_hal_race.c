/* SPDX-License-Identifier: Apache-2.0 */
/* Offers against changes against barriers against packets, with a device's real thread and real
 * packet workers. Each change of a rule has a number, which the output port of its entries tells; a
 * worker notes which change of the packet's rule barriers have settled, then sends the packet
 * through the device: what it gets must not be older. Afterwards every packet that the device
 * forwarded has been credited once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "drivers/sim/sim.h"
#include "hal/hal.h"
#include "lib/log.h"

enum {
    N_RULES = 8, KEYS_OF_RULE = 4, N_WORKERS = 2, BATCH = 16, SIZE = 100,
    ROUNDS = 1500, MAX_CHANGES = ROUNDS + 2, MAX_OWNERS = N_RULES + ROUNDS, BARRIERS = 64,
};

/* Whom packets are credited to: another one when a rule is replaced. */
struct owner {
    uint64_t packets, bytes;
};

struct rule {
    bool there;
    uint32_t change;             /* control thread */
    struct owner *owner;
    _Atomic uint32_t settled;    /* packets get this change or a later one */
};

static struct rule rules[N_RULES];
static struct owner owners[MAX_OWNERS];
static unsigned n_owners;
static struct hal *hal;
static struct hal_bridge *bridge;
static struct hal_device *device;
static atomic_bool stop;
static _Atomic uint64_t n_hits, n_packets, n_stale;
static uint64_t random_state = 1;

static uint32_t
below(uint64_t *state, uint32_t n)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (*state >> 33) % n;
}

/* --- the source ------------------------------------------------------------------------- */

static struct flow_key
key_of(unsigned rule, unsigned i)
{
    return (struct flow_key) { .in_port = 1, .nw_dst.ip4.raw = htobe32(rule << 8 | i) };
}

static struct flow_match
match_of(unsigned rule)
{
    struct flow_match match = { .mask.bits.nw_dst.ip4.raw = htobe32(0xffffff00) };
    match.value.nw_dst.ip4.raw = htobe32(rule << 8);
    return match;
}

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    static union { struct action_list list; uint64_t words[2]; } actions = { .list.len = 1 };
    (void) aux;
    const struct rule *rule = &rules[be32toh(key->nw_dst.ip4.raw) >> 8];
    if (!rule->there) {
        return false;
    }
    d->match.mask.bits = (struct flow_key) { .in_port = 0xffff, .nw_dst.ip4.raw = UINT32_MAX };
    flow_key_mask(key, &d->match.mask, &d->match.value);
    actions.list.actions[0] = (struct action) {
        .type = ACTION_OUTPUT, .output.port = (uint16_t) (2 + rule->change) };
    d->actions = &actions.list;
    d->owner = rule->owner;
    return true;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) used_ms;
    ((struct owner *) owner)->packets += packets;
    ((struct owner *) owner)->bytes += bytes;
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    fail_msg("port %u failed: %s", port, why);
}

static const struct hal_source source = { .derive = derive, .credit = credit,
                                          .port_failed = port_failed };

/* --- packets ------------------------------------------------------------------------------ */

/* A batch of a worker, and what is known of its packets. */
struct batch {
    struct hal_packet_out out;           /* first */
    uint32_t settled[BATCH];
    struct hal_packet packets[BATCH];
    struct flow_key keys[BATCH];
    uint64_t random;
};

static void
execute(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    const struct batch *batch = (const struct batch *) (const void *) out;
    uint32_t got = list->actions[0].output.port - 2u;
    atomic_fetch_add(&n_stale, got < batch->settled[packet - batch->packets]);
    atomic_fetch_add_explicit(&n_hits, 1, memory_order_relaxed);
}

static void
send_batch(struct batch *batch)
{
    bool miss[BATCH] = { false };
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned rule = below(&batch->random, N_RULES);
        batch->keys[i] = key_of(rule, below(&batch->random, KEYS_OF_RULE));
        batch->settled[i] = atomic_load(&rules[rule].settled);
        batch->packets[i] = (struct hal_packet) { .size = SIZE, .n_segments = 1, .wire_bytes = SIZE,
                                                  .key = &batch->keys[i] };
    }
    hal_process(device, 1, batch->packets, BATCH, miss, &batch->out);
    atomic_fetch_add_explicit(&n_packets, BATCH, memory_order_relaxed);
}

static void *
worker(void *number)
{
    struct batch batch = { .out = { .execute = execute, .worker = *(unsigned *) number } };
    batch.random = 77 + batch.out.worker;
    while (!atomic_load(&stop)) {
        send_batch(&batch);
    }
    return NULL;
}

/* --- the control thread --------------------------------------------------------------------- */

/* A barrier, and the changes that it is to settle. */
struct settling {
    bool waits;
    uint32_t change[N_RULES];
};

static struct settling settlings[BARRIERS];
static unsigned n_waiting, n_barriers;

static void
settled(void *aux, int error)
{
    struct settling *s = aux;
    assert_int_equal(error, 0);
    for (unsigned i = 0; i < N_RULES; i++) {
        atomic_store(&rules[i].settled, s->change[i]);
    }
    s->waits = false;
    n_waiting--;
    n_barriers++;
}

static void
step(void)
{
    struct pollfd fd = { .fd = hal_fd(hal), .events = POLLIN };
    int ms = hal_step(hal);
    poll(&fd, 1, ms < 0 || ms > 1 ? 1 : ms);
}

static void
begin_barrier(void)
{
    unsigned i = 0;
    while (i < BARRIERS && settlings[i].waits) {
        i++;
    }
    if (i == BARRIERS) {
        return;
    }
    settlings[i].waits = true;
    for (unsigned r = 0; r < N_RULES; r++) {
        settlings[i].change[r] = rules[r].change;
    }
    n_waiting++;
    hal_barrier(hal, settled, &settlings[i]);
}

static void
finish_barriers(void)
{
    while (n_waiting) {
        step();
    }
}

static void
new_owner(struct rule *rule)
{
    assert_true(n_owners < MAX_OWNERS);
    rule->owner = &owners[n_owners++];
}

static void
remove_rule(unsigned i)
{
    struct flow_match match = match_of(i);
    rules[i].there = false;
    rules[i].change++;
    hal_owner_gone(bridge, rules[i].owner);
    hal_deleted_match(bridge, &match);
}

static void
change_something(void)
{
    unsigned i = below(&random_state, N_RULES), kind = below(&random_state, 4);
    struct rule *rule = &rules[i];
    struct flow_match match = match_of(i);
    if (rule->there && kind == 0) {
        remove_rule(i);
    } else if (rule->there && kind < 3) {
        rule->change++;
        hal_changed_owner(bridge, rule->owner);
    } else {
        struct owner *old = rule->there ? rule->owner : NULL;
        rule->there = true;
        rule->change++;
        new_owner(rule);
        if (old) {
            hal_owner_gone(bridge, old);
        }
        hal_changed_match(bridge, &match);
    }
}

static void
offer_some(void)
{
    for (unsigned n = 1 + below(&random_state, 8); n; n--) {
        const struct flow_key key = key_of(below(&random_state, N_RULES),
                                           below(&random_state, KEYS_OF_RULE));
        hal_offer(bridge, &key, 1000, NULL);
    }
}

static void
begin(const char *driver)
{
    char error[HAL_ERROR_SIZE];
    const struct hal_config config = { .n_workers = N_WORKERS, .promote_pps = 1 };
    memset(rules, 0, sizeof rules);
    memset(owners, 0, sizeof owners);
    n_owners = n_barriers = 0;
    n_hits = n_packets = n_stale = 0;
    hal = hal_new(&config);
    assert_int_equal(hal_add_driver(hal, &sim_driver, error), 0);
    assert_int_equal(hal_device_open(hal, driver, &device, error), 0);
    bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no < 2 + MAX_CHANGES; no++) {
        const struct hal_port port = { .no = no };
        assert_int_equal(hal_port_add(bridge, device, &port, error), 0);
    }
}

static void
end(void)
{
    hal_bridge_free(bridge);
    hal_free(hal, false);
}

/* What goes wrong now and then; each of it is over by itself. */
static void
disturb(void)
{
    static const char *const faults[] = { "reset", "stall=20", "refuse=3", "io-error=1", "lose-now=1" };
    char error[HAL_ERROR_SIZE];
    hal_fault(device, faults[below(&random_state, sizeof faults / sizeof faults[0])], error);
}

static void
race(const char *driver, bool faults)
{
    pthread_t threads[N_WORKERS];
    unsigned numbers[N_WORKERS];
    begin(driver);
    atomic_store(&stop, false);
    for (unsigned i = 0; i < N_WORKERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &numbers[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        offer_some();
        change_something();
        if (below(&random_state, 4) == 0) {
            begin_barrier();
        }
        if (faults && below(&random_state, 100) == 0) {
            disturb();
        }
        if (below(&random_state, 50) == 0) {
            finish_barriers();
        }
        step();
    }
    for (unsigned i = 0; i < N_RULES; i++) {
        if (rules[i].there) {
            remove_rule(i);
        }
    }
    begin_barrier();
    finish_barriers();
    uint64_t hits = atomic_load(&n_hits);
    for (unsigned i = 0; i < 100; i++) {
        step();                          /* all is settled: the workers hit nothing any more */
    }
    assert_int_equal(atomic_load(&n_hits), hits);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < N_WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* In all; 'whole': nothing was lost between the two halves of a reading. */
static uint64_t
credited(bool whole)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n_owners; i++) {
        assert_false(hal_owner_is_used(bridge, &owners[i]));
        assert_true(!whole || owners[i].bytes == owners[i].packets * SIZE);
        sum += owners[i].packets;
    }
    return sum;
}

static void
check(const char *driver)
{
    printf("# %s: %llu packets, %llu of them forwarded by the device; %u barriers\n", driver,
           (unsigned long long) n_packets, (unsigned long long) n_hits, n_barriers);
    assert_int_equal(n_stale, 0);
    assert_true(n_hits > 1000);
    assert_true(n_barriers > ROUNDS / 10);
}

static void
no_packet_gets_what_a_barrier_replaced(void **state)
{
    static const char *const drivers[] = {
        "sim", "sim:latency-us=300", "sim:changes=no,latency-us=100,lag-ms=20", "sim:exact=12,tcam=4",
    };
    (void) state;
    for (unsigned i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        race(drivers[i], false);
        check(drivers[i]);
        assert_int_equal(credited(true), n_hits);
        end();
    }
}

static void
nor_when_the_device_misbehaves(void **state)
{
    (void) state;
    race("sim:latency-us=200", true);
    check("faults");
    assert_true(credited(false) <= n_hits);       /* a reset forgets what was not read */
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_packet_gets_what_a_barrier_replaced),
        cmocka_unit_test(nor_when_the_device_misbehaves),
    };
    struct errmsg err;
    log_set_level("error", &err);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
