/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/epoch.h"
#include "sw-datapath/fdb.h"

static const uint8_t *
addr_of(uint32_t n)
{
    static _Thread_local uint8_t addr[6];
    addr[0] = 0x02;
    addr[1] = 0;
    for (int i = 0; i < 4; i++) {
        addr[2 + i] = (uint8_t) (n >> (24 - 8 * i));
    }
    return addr;
}

static void
what_is_learnt_is_found(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(100, 1000);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 5), 0);
    assert_true(fdb_learn(fdb, addr_of(1), 0, 7, 5));
    assert_false(fdb_learn(fdb, addr_of(1), 0, 7, 6));
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 6), 7);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 1, 6), 0);
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 6), 0);
    assert_true(fdb_learn(fdb, addr_of(1), 4095, 0xfffe, 6));
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 4095, 6), 0xfffe);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 6), 7);
    assert_true(fdb_learn(fdb, addr_of(1), 0, 8, 7));
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 7), 8);
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, 2);
    assert_int_equal(stats.max_entries, 100);
    assert_int_equal(stats.learned, 2);
    assert_int_equal(stats.moved, 1);
    fdb_free(fdb);
}

static void
groups_and_port_0_are_not_learnt(void **state)
{
    (void) state;
    static const uint8_t group[6] = { 0x01, 0, 0x5e, 0, 0, 1 };
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct fdb *fdb = fdb_new(100, 1000);
    assert_false(fdb_learn(fdb, group, 0, 1, 1));
    assert_false(fdb_learn(fdb, all, 0, 1, 1));
    assert_false(fdb_learn(fdb, addr_of(1), 0, 0, 1));
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, 0);
    fdb_free(fdb);
}

static void
entries_age(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(100, 10000);
    fdb_learn(fdb, addr_of(1), 0, 1, 1000);
    fdb_learn(fdb, addr_of(2), 0, 1, 2000);
    fdb_learn(fdb, addr_of(1), 0, 1, 1999);  /* too soon to store */
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 10999), 1);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 11000), 0);
    assert_int_equal(fdb_expire(fdb, 11000), 1);
    assert_int_equal(fdb_expire(fdb, 11000), 0);
    fdb_learn(fdb, addr_of(2), 0, 1, 3000);
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 12999), 1);
    /* Aged but not removed yet: it is new again. */
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 13000), 0);
    assert_true(fdb_learn(fdb, addr_of(2), 0, 1, 13000));
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 13000), 1);
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.learned, 3);
    assert_int_equal(stats.expired, 2);
    assert_int_equal(stats.entries, 1);
    /* A clock that is behind, on another thread, ages nothing. */
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 1), 1);
    assert_int_equal(fdb_set_limits(fdb, 100, 0), 0);
    assert_int_equal(fdb_lookup(fdb, addr_of(2), 0, 1u << 30), 1);
    assert_int_equal(fdb_expire(fdb, 1u << 30), 0);
    fdb_free(fdb);
}

/* The next changes are to just these addresses, in VLAN 0. */
static void
assert_changes(struct fdb *fdb, const uint32_t wanted[], unsigned n)
{
    struct fdb_address changes[FDB_MAX_CHANGES];
    bool all;
    assert_int_equal(fdb_has_changes(fdb), n > 0);
    assert_int_equal(fdb_take_changes(fdb, changes, &all), n);
    assert_false(all);
    assert_false(fdb_has_changes(fdb));
    for (unsigned i = 0; i < n; i++) {
        assert_memory_equal(changes[i].addr, addr_of(wanted[i]), 6);
        assert_int_equal(changes[i].vid, 0);
    }
}

static void
who_watches_is_told_once(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(4, 10000);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 1), 0);
    for (uint32_t i = 1; i <= 4; i++) {
        fdb_learn(fdb, addr_of(i), 0, (uint16_t) i, 100);
        assert_int_equal(fdb_watch(fdb, addr_of(i), 0, 100), i);
    }
    fdb_learn(fdb, addr_of(2), 0, 2, 3000);         /* the same port: only its time */
    assert_changes(fdb, NULL, 0);
    fdb_learn(fdb, addr_of(2), 0, 9, 4000);
    fdb_learn(fdb, addr_of(2), 0, 8, 8000);         /* nobody has looked again */
    assert_changes(fdb, (const uint32_t[]) { 2 }, 1);
    assert_int_equal(fdb_flush_port(fdb, 4), 1);
    fdb_flush_port(fdb, 8);
    assert_changes(fdb, (const uint32_t[]) { 4 }, 1);
    assert_int_equal(fdb_expire(fdb, 10100), 2);
    assert_changes(fdb, (const uint32_t[]) { 1, 3 }, 2);
    /* An eviction, by another address of the same port. */
    for (uint32_t i = 1; i <= 4; i++) {
        fdb_learn(fdb, addr_of(i), 0, 7, 11000 + i);
    }
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 12000), 7);
    fdb_learn(fdb, addr_of(5), 0, 7, 12000);
    assert_changes(fdb, (const uint32_t[]) { 1 }, 1);
    /* What has aged is not known. */
    assert_int_equal(fdb_watch(fdb, addr_of(3), 0, 90000), 0);
    fdb_free(fdb);
}

static void
refreshing_learns_nothing(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(4, 10000);
    fdb_refresh(fdb, addr_of(1), 0, 3, 100);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 100), 0);
    fdb_learn(fdb, addr_of(1), 0, 3, 100);
    fdb_refresh(fdb, addr_of(1), 0, 4, 9000);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 9000), 3);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 10100), 0);
    fdb_refresh(fdb, addr_of(1), 0, 3, 9000);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 10100), 3);
    fdb_free(fdb);
}

/* An address that moves again and again is not there for who watches, until it has rested. */
static void
what_flaps_is_not_watched(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(4, 0);
    fdb_learn(fdb, addr_of(1), 0, 1, 5000);
    fdb_learn(fdb, addr_of(1), 0, 2, 5100);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 5100), 2);
    fdb_learn(fdb, addr_of(1), 0, 1, 6050);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 6050), 0);
    assert_int_equal(fdb_lookup(fdb, addr_of(1), 0, 6050), 1);
    assert_changes(fdb, (const uint32_t[]) { 1 }, 1);
    fdb_learn(fdb, addr_of(1), 0, 2, 6060);
    assert_changes(fdb, NULL, 0);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 7059), 0);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 7060), 2);
    fdb_learn(fdb, addr_of(1), 0, 3, 8060);
    assert_int_equal(fdb_watch(fdb, addr_of(1), 0, 8060), 3);
    fdb_free(fdb);
}

static void
too_many_changes_are_told_as_such(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(1000, 0);
    struct fdb_address changes[FDB_MAX_CHANGES];
    bool all;
    for (uint32_t i = 0; i <= FDB_MAX_CHANGES; i++) {
        fdb_learn(fdb, addr_of(i), 0, 1, 1);
        fdb_watch(fdb, addr_of(i), 0, 1);
    }
    fdb_flush(fdb);
    assert_true(fdb_has_changes(fdb));
    fdb_take_changes(fdb, changes, &all);
    assert_true(all);
    assert_changes(fdb, NULL, 0);
    assert_int_equal(fdb_set_limits(fdb, 500, 0), 0);
    assert_int_equal(fdb_take_changes(fdb, changes, &all), 0);
    assert_true(all);
    fdb_free(fdb);
}

static void
flushes_take_what_they_should(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(1000, 0);
    for (uint32_t i = 0; i < 900; i++) {
        fdb_learn(fdb, addr_of(i), 0, 1 + i % 3, 1);
    }
    assert_int_equal(fdb_flush_port(fdb, 2), 300);
    assert_int_equal(fdb_flush_port(fdb, 2), 0);
    assert_int_equal(fdb_flush_port(fdb, 0), 0);
    for (uint32_t i = 0; i < 900; i++) {
        assert_int_equal(fdb_lookup(fdb, addr_of(i), 0, 1), i % 3 == 1 ? 0 : 1 + i % 3);
    }
    assert_int_equal(fdb_flush(fdb), 600);
    assert_int_equal(fdb_lookup(fdb, addr_of(0), 0, 1), 0);
    fdb_learn(fdb, addr_of(0), 0, 9, 1);
    assert_int_equal(fdb_lookup(fdb, addr_of(0), 0, 1), 9);
    fdb_free(fdb);
}

static void
a_flood_evicts_its_own(void **state)
{
    (void) state;
    enum { MAX = 1000, HOSTS = 100 };
    struct fdb *fdb = fdb_new(MAX, 0);
    for (uint32_t i = 0; i < HOSTS; i++) {
        fdb_learn(fdb, addr_of(i), 0, 1 + i % 4, 1);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        fdb_learn(fdb, addr_of(1000 + i), 0, 9, 2);
    }
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(fdb_lookup(fdb, addr_of(i), 0, 2), 1 + i % 4);
    }
    /* The flood's own latest are there, its oldest are not. */
    assert_int_equal(fdb_lookup(fdb, addr_of(1000 + 99999), 0, 2), 9);
    assert_int_equal(fdb_lookup(fdb, addr_of(1000 + 100000 - (MAX - HOSTS)), 0, 2), 9);
    assert_int_equal(fdb_lookup(fdb, addr_of(1000 + 99999 - (MAX - HOSTS)), 0, 2), 0);
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, MAX);
    assert_int_equal(stats.evicted, 100000 - (MAX - HOSTS));
    /* A newcomer takes the flood's place, not a neighbour's. */
    fdb_learn(fdb, addr_of(500), 0, 1, 3);
    for (uint32_t i = 0; i < HOSTS; i++) {
        assert_int_equal(fdb_lookup(fdb, addr_of(i), 0, 3), 1 + i % 4);
    }
    fdb_free(fdb);
}

/* A host on the flood's own port that is seen now and then stays. */
static void
eviction_spares_what_is_in_use(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(64, 0);
    for (uint32_t i = 0; i < 8; i++) {
        fdb_learn(fdb, addr_of(i), 0, 9, 0);
    }
    uint64_t now = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        now += 100;
        fdb_learn(fdb, addr_of(1000 + i), 0, 9, now);
        fdb_learn(fdb, addr_of(i % 8), 0, 9, now);
        for (uint32_t j = 0; j < 8; j++) {
            assert_int_equal(fdb_lookup(fdb, addr_of(j), 0, now), 9);
        }
    }
    fdb_free(fdb);
}

/* A model: every address's port and time, in an array. */
enum { MODEL_ADDRS = 300, MODEL_PORTS = 5 };
struct model {
    struct { uint16_t port; uint64_t used; } at[MODEL_ADDRS];
    uint32_t max;
    uint64_t age;
};

static uint32_t
model_count(const struct model *m, uint16_t port)
{
    uint32_t n = 0;
    for (int i = 0; i < MODEL_ADDRS; i++) {
        n += m->at[i].port && (!port || m->at[i].port == port);
    }
    return n;
}

static bool
model_aged(const struct model *m, uint32_t i, uint64_t now)
{
    return m->age && now - m->at[i].used >= m->age;
}

struct listing {
    uint32_t n;
    uint16_t port[MODEL_ADDRS];
    uint64_t used[MODEL_ADDRS];
};

static bool
list_entry(const struct fdb_entry *entry, void *aux)
{
    struct listing *listing = aux;
    uint32_t i = (uint32_t) entry->addr[4] << 8 | entry->addr[5];
    assert_true(i < MODEL_ADDRS);
    assert_int_equal(listing->port[i], 0);
    assert_int_equal(entry->vid, i % 3);
    listing->port[i] = entry->port;
    listing->used[i] = entry->used_ms;
    listing->n++;
    return true;
}

/* After an insertion into a full table, finds out what went: it must have been of the port
 * with most entries, and none of that port's that went unseen longer stays, as long as no
 * entry was refreshed since. */
static void
model_evict(struct model *m, const struct fdb *fdb, uint16_t to_port, bool is_refreshed)
{
    struct listing listing = { 0 };
    fdb_for_each(fdb, list_entry, &listing);
    int victim = -1;
    for (int i = 0; i < MODEL_ADDRS; i++) {
        if (m->at[i].port && !listing.port[i]) {
            assert_int_equal(victim, -1);
            victim = i;
        }
    }
    assert_true(victim >= 0);
    uint16_t port = m->at[victim].port;
    for (uint16_t other = 1; other <= MODEL_PORTS; other++) {
        assert_true(model_count(m, port) >= model_count(m, other));
    }
    if (model_count(m, to_port) == model_count(m, port)) {
        assert_int_equal(port, to_port);
    }
    for (int i = 0; i < MODEL_ADDRS && !is_refreshed; i++) {
        assert_true(m->at[i].port != port || m->at[i].used >= m->at[victim].used);
    }
    m->at[victim].port = 0;
}

static void
model_learn(struct model *m, struct fdb *fdb, uint64_t now, bool *is_refreshed)
{
    uint32_t i = (uint32_t) rand() % MODEL_ADDRS;
    uint16_t port = 1 + (uint16_t) (rand() % (rand() % MODEL_PORTS + 1));
    bool is_new = !m->at[i].port || m->at[i].port != port || model_aged(m, i, now);
    bool is_full = !m->at[i].port && model_count(m, 0) == m->max;
    uint64_t every = m->age && m->age < 4000 ? m->age / 4 : 1000;

    assert_int_equal(fdb_learn(fdb, addr_of(i), i % 3, port, now), is_new);
    if (is_full) {
        model_evict(m, fdb, port, *is_refreshed);
    }
    if (m->at[i].port == port && now - m->at[i].used >= every) {
        *is_refreshed = true;
    }
    if (m->at[i].port != port || now - m->at[i].used >= every) {
        m->at[i].port = port;
        m->at[i].used = now;
    }
}

static void
model_compare(const struct model *m, const struct fdb *fdb, uint64_t now)
{
    struct listing listing = { 0 };
    fdb_for_each(fdb, list_entry, &listing);
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, listing.n);
    for (uint32_t i = 0; i < MODEL_ADDRS; i++) {
        assert_int_equal(listing.port[i], m->at[i].port);
        if (m->at[i].port) {
            assert_int_equal(listing.used[i], m->at[i].used);
        }
        assert_int_equal(fdb_lookup(fdb, addr_of(i), i % 3, now),
                         model_aged(m, i, now) ? 0 : m->at[i].port);
    }
}

static uint32_t
model_remove(struct model *m, uint16_t port, bool aged_only, uint64_t now)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < MODEL_ADDRS; i++) {
        if (m->at[i].port && (!port || m->at[i].port == port)
            && (!aged_only || model_aged(m, i, now))) {
            m->at[i].port = 0;
            n++;
        }
    }
    return n;
}

static void
model_run(uint32_t max, uint64_t age, unsigned seed)
{
    struct model m = { .max = max, .age = age };
    struct fdb *fdb = fdb_new(max, age);
    uint64_t now = 1000;
    bool is_refreshed = false;

    srand(seed);
    for (int step = 0; step < 20000; step++) {
        now += (uint64_t) (rand() % 4 ? 0 : rand() % 50);
        int what = rand() % 1000;
        if (what < 985) {
            model_learn(&m, fdb, now, &is_refreshed);
        } else if (what < 990) {
            assert_int_equal(fdb_expire(fdb, now), age ? model_remove(&m, 0, true, now) : 0);
        } else if (what < 995) {
            uint16_t port = 1 + (uint16_t) (rand() % MODEL_PORTS);
            assert_int_equal(fdb_flush_port(fdb, port), model_remove(&m, port, false, now));
        } else if (what < 996) {
            assert_int_equal(fdb_flush(fdb), model_remove(&m, 0, false, now));
            is_refreshed = false;
        }
        if (step % 16 == 0) {
            model_compare(&m, fdb, now);
        }
    }
    fdb_free(fdb);
}

static void
it_does_what_the_model_does(void **state)
{
    (void) state;
    static const uint32_t maxima[] = { 1, 2, 10, 64, 100, 299, 300 };
    for (size_t i = 0; i < sizeof maxima / sizeof *maxima; i++) {
        model_run(maxima[i], 0, 10 + (unsigned) i);
        model_run(maxima[i], 2000, 20 + (unsigned) i);
        model_run(maxima[i], 20000, 30 + (unsigned) i);
    }
}

static void
new_limits_keep_what_fits(void **state)
{
    (void) state;
    struct fdb *fdb = fdb_new(0, 0);
    struct fdb_stats stats;
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.max_entries, 1);
    assert_int_equal(fdb_set_limits(fdb, 100, 0), 0);
    for (uint32_t i = 0; i < 100; i++) {
        fdb_learn(fdb, addr_of(i), 0, i < 20 ? 1 : 2, i);
    }
    assert_int_equal(fdb_set_limits(fdb, 50, 0), 0);
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, 50);
    assert_int_equal(stats.max_entries, 50);
    /* Port 2 had more: its oldest 50 went. */
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(fdb_lookup(fdb, addr_of(i), 0, 100), i < 20 ? 1 : i < 70 ? 0 : 2);
    }
    assert_int_equal(fdb_set_limits(fdb, 200, 0), 0);
    fdb_learn(fdb, addr_of(200), 0, 3, 100);
    fdb_get_stats(fdb, &stats);
    assert_int_equal(stats.entries, 51);
    epoch_drain();
    fdb_free(fdb);
}

/* Workers learn and look up while the control thread sweeps and resizes. Addresses of the
 * stable part are always on their port and always refreshed: they must be found at every
 * look-up, but when a flush took them. */
enum { STRESS_STABLE = 64, STRESS_ADDRS = 4096, STRESS_ROUNDS = 60000, STRESS_SWEEPS = 20 };
static struct fdb *shared;
static _Atomic unsigned n_running, n_sweeps;

static uint16_t
stable_port(uint32_t n)
{
    return (uint16_t) (1 + n % 7);
}

struct worker {
    struct epoch_reader *reader;
    uint32_t seed;
    size_t n_wrong;
};

static void *
stress_worker(void *arg)
{
    struct worker *worker = arg;
    uint32_t random = worker->seed;

    epoch_online(worker->reader);
    /* Until the control thread has had its turns as well, whatever the scheduler does. */
    for (uint32_t i = 0; i < STRESS_ROUNDS || atomic_load(&n_sweeps) < STRESS_SWEEPS; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t n = random >> 8;
        uint64_t now = 1000 + i;
        fdb_learn(shared, addr_of(1000 + n % STRESS_ADDRS), 0, (uint16_t) (8 + n % 3), now);
        uint16_t port = fdb_lookup(shared, addr_of(n % STRESS_STABLE), 0, now);
        worker->n_wrong += port != 0 && port != stable_port(n % STRESS_STABLE);
        fdb_learn(shared, addr_of(n % STRESS_STABLE), 0, stable_port(n % STRESS_STABLE), now);
        port = fdb_lookup(shared, addr_of(1000 + n % STRESS_ADDRS), 0, now);
        worker->n_wrong += port != 0 && (port < 8 || port > 10);
        epoch_quiescent(worker->reader);
    }
    epoch_offline(worker->reader);
    atomic_fetch_sub(&n_running, 1);
    return NULL;
}

static bool
check_entry(const struct fdb_entry *entry, void *aux)
{
    uint32_t n = (uint32_t) entry->addr[4] << 8 | entry->addr[5];
    bool is_right = n < STRESS_STABLE ? entry->port == stable_port(n)
                                      : entry->port >= 8 && entry->port <= 10;
    *(size_t *) aux += !is_right;
    return true;
}

static void
threads_agree(void **state)
{
    (void) state;
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    size_t n_wrong = 0;

    shared = fdb_new(1024, 0);
    atomic_store(&n_running, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .reader = epoch_reader_new(), .seed = i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, stress_worker, &workers[i]), 0);
    }
    for (uint32_t round = 0; atomic_load(&n_running); round++) {
        fdb_for_each(shared, check_entry, &n_wrong);
        fdb_flush_port(shared, (uint16_t) (8 + round % 3));
        fdb_set_limits(shared, round & 1 ? 512 : 1024, 0);
        fdb_expire(shared, 0);
        epoch_poll();
        atomic_fetch_add(&n_sweeps, 1);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        epoch_reader_free(workers[i].reader);
        n_wrong += workers[i].n_wrong;
    }
    fdb_for_each(shared, check_entry, &n_wrong);
    assert_int_equal(n_wrong, 0);
    struct fdb_stats stats;
    fdb_get_stats(shared, &stats);
    /* How many were learnt is the scheduler's: the lock's holder may have slept long. */
    assert_true(stats.learned + stats.moved + stats.skipped > STRESS_ADDRS);
    assert_true(stats.entries <= stats.max_entries);
    assert_true(fdb_learn(shared, addr_of(99999), 0, 1, 1000));
    epoch_drain();
    fdb_free(shared);
}

/* An entry that stays is found at every look-up, however the chains around it change. */
static void *
look_up_one(void *arg)
{
    struct worker *worker = arg;
    epoch_online(worker->reader);
    while (atomic_load(&n_running)) {
        for (uint32_t n = 0; n < 16; n++) {
            worker->n_wrong += fdb_lookup(shared, addr_of(n), 0, 1) != 1;
        }
        epoch_quiescent(worker->reader);
    }
    epoch_offline(worker->reader);
    return NULL;
}

static _Atomic bool moved_enough;

/* Addresses 0 .. 15 wander about 4 ports, until moved_enough: who has the lock may sleep for
 * long, and then nothing is learnt. */
static void *
move_about(void *worker_)
{
    struct worker *worker = worker_;
    uint32_t random = worker->seed;
    epoch_online(worker->reader);
    for (uint32_t i = 0; i < 200000 || !atomic_load(&moved_enough); i++) {
        random = random * 1664525 + 1013904223;
        fdb_learn(shared, addr_of(random >> 16 & 15), 0, (uint16_t) (1 + (random >> 24 & 3)), i);
        epoch_quiescent(worker->reader);
    }
    epoch_offline(worker->reader);
    atomic_fetch_sub(&n_running, 1);
    return NULL;
}

/* Whatever was watched and of which nobody told is where it was. */
static void
watched_addresses_never_move_unseen(void **state)
{
    (void) state;
    enum { THREADS = 2, ADDRS = 16 };
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    uint16_t seen_at[ADDRS] = { 0 };
    uint64_t n_told = 0, now_ms = 1000000;
    bool over = false;

    shared = fdb_new(64, 0);
    for (uint32_t i = 0; i < ADDRS; i++) {
        fdb_learn(shared, addr_of(i), 0, 9, 0);
        seen_at[i] = fdb_watch(shared, addr_of(i), 0, 0);
    }
    atomic_store(&n_running, THREADS);
    atomic_store(&moved_enough, false);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .reader = epoch_reader_new(), .seed = i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &workers[i]), 0);
    }
    while (!over) {
        over = !atomic_load(&n_running);      /* once more after they have ended */
        struct fdb_address changes[FDB_MAX_CHANGES];
        bool all;
        unsigned n = fdb_take_changes(shared, changes, &all);
        assert_false(all);
        for (unsigned i = 0; i < n; i++) {
            assert_true(seen_at[changes[i].addr[5]] != 0);
            seen_at[changes[i].addr[5]] = 0;
        }
        n_told += n;
        atomic_store(&moved_enough, n_told >= ADDRS);
        for (uint32_t i = 0; i < ADDRS; i++) {
            /* Long after they came to rest, as far as the table can know. */
            seen_at[i] = seen_at[i] ? seen_at[i] : fdb_watch(shared, addr_of(i), 0, now_ms += 2000);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        epoch_reader_free(workers[i].reader);
    }
    for (uint32_t i = 0; i < ADDRS; i++) {
        assert_int_equal(fdb_lookup(shared, addr_of(i), 0, 0), seen_at[i]);
    }
    fdb_free(shared);
}

static void
readers_find_what_stays(void **state)
{
    (void) state;
    pthread_t thread;
    struct worker worker = { .reader = epoch_reader_new() };

    shared = fdb_new(64, 0);
    for (uint32_t n = 0; n < 16; n++) {
        fdb_learn(shared, addr_of(n), 0, 1, 1);
    }
    atomic_store(&n_running, 1);
    assert_int_equal(pthread_create(&thread, NULL, look_up_one, &worker), 0);
    for (uint32_t i = 0; i < 300000; i++) {
        fdb_learn(shared, addr_of(1000 + i), 0, 2, 1);
    }
    atomic_store(&n_running, 0);
    pthread_join(thread, NULL);
    epoch_reader_free(worker.reader);
    /* A look-up that a writer races with on each of its starts gives up; that is rare. */
    assert_true(worker.n_wrong <= 10);
    fdb_free(shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_learnt_is_found),
        cmocka_unit_test(groups_and_port_0_are_not_learnt),
        cmocka_unit_test(entries_age),
        cmocka_unit_test(who_watches_is_told_once),
        cmocka_unit_test(refreshing_learns_nothing),
        cmocka_unit_test(what_flaps_is_not_watched),
        cmocka_unit_test(too_many_changes_are_told_as_such),
        cmocka_unit_test(flushes_take_what_they_should),
        cmocka_unit_test(a_flood_evicts_its_own),
        cmocka_unit_test(eviction_spares_what_is_in_use),
        cmocka_unit_test(it_does_what_the_model_does),
        cmocka_unit_test(new_limits_keep_what_fits),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(watched_addresses_never_move_unseen),
        cmocka_unit_test(readers_find_what_stays),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
