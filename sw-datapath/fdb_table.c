/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/fdb_table.h"

#include <stdlib.h>

#include "lib/hash.h"

/* A chain's last link is this bit and the number of its bucket. */
#define CHAIN_END 0x80000000u

/* A reader gives up after so many starts, or links of a chain: bounds that only a
 * writer racing with it all the time could reach. */
enum { FIND_MAX_STARTS = 4, FIND_MAX_LINKS = 1024 };

/* Entries that eviction looks at before it takes the oldest of them. */
enum { EVICT_LOOKS = 16 };

enum { N_PORTS = 65536 };

struct slot {
    _Atomic uint64_t key;      /* 0: free */
    _Atomic uint64_t value;
    _Atomic uint32_t sequence; /* odd while the slot is given to another key */
    _Atomic uint32_t next;     /* of the chain; kept when the slot leaves it */
    uint32_t older, newer;     /* of the port's list; 'newer' also links free slots */
    uint64_t listed_ms;        /* time of use when it was put where it is in the list */
    uint32_t moved_ms;         /* when it last moved to another port, wraps; 0: never */
    bool restless;             /* then it had moved not long before, too */
    bool watched;
};

struct port {
    uint32_t n;                /* entries */
    uint32_t oldest, newest;   /* slots */
    uint16_t prev, next;       /* ports that have as many entries */
};

struct fdb_table {
    uint32_t max;
    _Atomic uint32_t n;
    uint32_t n_touched;        /* slots 1 .. n_touched have been used */
    uint32_t free;             /* first free slot among them */
    uint32_t largest;          /* most entries that any port has */
    uint32_t bucket_mask;
    uint64_t seed;
    _Atomic uint32_t *buckets;
    struct slot *slots;
    struct port *ports;
    uint16_t *by_size;         /* [n]: a port that has n entries; 0: none has */
};

static uint32_t
n_buckets_for(uint32_t max)
{
    uint32_t n = 1;
    while (n < max) {
        n *= 2;
    }
    return n;
}

struct fdb_table *
fdb_table_new(uint32_t max)
{
    struct fdb_table *table = calloc(1, sizeof *table);
    if (!table) {
        return NULL;
    }
    uint32_t n_buckets = n_buckets_for(max);
    table->max = max;
    table->bucket_mask = n_buckets - 1;
    table->seed = hash_seed();
    table->buckets = calloc(n_buckets, sizeof *table->buckets);
    table->slots = calloc((size_t) max + 1, sizeof *table->slots);
    table->ports = calloc(N_PORTS, sizeof *table->ports);
    table->by_size = calloc((size_t) max + 1, sizeof *table->by_size);
    if (!table->buckets || !table->slots || !table->ports || !table->by_size) {
        fdb_table_free(table);
        return NULL;
    }
    for (uint32_t i = 0; i < n_buckets; i++) {
        atomic_init(&table->buckets[i], CHAIN_END | i);
    }
    return table;
}

void
fdb_table_free(void *ptr)
{
    struct fdb_table *table = ptr;
    if (table) {
        free(table->buckets);
        free(table->slots);
        free(table->ports);
        free(table->by_size);
        free(table);
    }
}

uint32_t
fdb_table_max(const struct fdb_table *table)
{
    return table->max;
}

uint32_t
fdb_table_count(const struct fdb_table *table)
{
    return atomic_load_explicit(&table->n, memory_order_relaxed);
}

static uint32_t
bucket_of(const struct fdb_table *table, uint64_t key)
{
    return (uint32_t) hash_word(key, table->seed) & table->bucket_mask;
}

bool
fdb_table_read(const struct fdb_table *table, uint32_t i, uint64_t *key, uint64_t *value)
{
    const struct slot *slot = &table->slots[i];
    uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    uint64_t k = atomic_load_explicit(&slot->key, memory_order_acquire);
    uint64_t v = atomic_load_explicit(&slot->value, memory_order_acquire);
    uint32_t after = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    if (before & 1 || before != after || !k) {
        return false;
    }
    *key = k;
    *value = v;
    return true;
}

uint32_t
fdb_table_find(const struct fdb_table *table, uint64_t key, uint64_t *value)
{
    uint32_t bucket = bucket_of(table, key);

    for (int start = 0; start < FIND_MAX_STARTS; start++) {
        uint32_t i = atomic_load_explicit(&table->buckets[bucket], memory_order_acquire);
        for (int n = 0; !(i & CHAIN_END) && n < FIND_MAX_LINKS; n++) {
            const struct slot *slot = &table->slots[i];
            uint64_t found;
            if (atomic_load_explicit(&slot->key, memory_order_acquire) == key
                && fdb_table_read(table, i, &found, value) && found == key) {
                return i;
            }
            i = atomic_load_explicit(&slot->next, memory_order_acquire);
        }
        if (i == (CHAIN_END | bucket)) {
            return 0;
        }
    }
    return 0;
}

bool
fdb_table_refresh(struct fdb_table *table, uint32_t i, uint64_t old, uint64_t now)
{
    /* If the slot has been given to another key meanwhile, with the same port at the same
     * moment, then that one is refreshed: it was seen just now anyhow. */
    return atomic_compare_exchange_strong_explicit(&table->slots[i].value, &old, now,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* Ports by their number of entries. */

static void
size_list_remove(struct fdb_table *table, uint16_t number)
{
    struct port *port = &table->ports[number];
    if (port->prev) {
        table->ports[port->prev].next = port->next;
    } else {
        table->by_size[port->n] = port->next;
    }
    if (port->next) {
        table->ports[port->next].prev = port->prev;
    }
}

static void
size_list_add(struct fdb_table *table, uint16_t number)
{
    struct port *port = &table->ports[number];
    uint16_t first = table->by_size[port->n];
    port->prev = 0;
    port->next = first;
    if (first) {
        table->ports[first].prev = number;
    }
    table->by_size[port->n] = number;
}

/* A port has one entry more or less. The largest size moves by one at most. */
static void
port_resize(struct fdb_table *table, uint16_t number, int by)
{
    struct port *port = &table->ports[number];

    if (port->n) {
        size_list_remove(table, number);
    }
    port->n += by;
    if (port->n) {
        size_list_add(table, number);
    }
    if (port->n > table->largest) {
        table->largest = port->n;
    } else if (table->largest && !table->by_size[table->largest]) {
        table->largest--;
    }
}

/* A port's entries, oldest first. */

static void
port_list_add(struct fdb_table *table, uint16_t number, uint32_t i, uint64_t used_ms)
{
    struct port *port = &table->ports[number];
    struct slot *slot = &table->slots[i];

    slot->listed_ms = used_ms;
    slot->older = port->newest;
    slot->newer = 0;
    if (port->newest) {
        table->slots[port->newest].newer = i;
    } else {
        port->oldest = i;
    }
    port->newest = i;
}

static void
port_list_remove(struct fdb_table *table, uint16_t number, uint32_t i)
{
    struct port *port = &table->ports[number];
    const struct slot *slot = &table->slots[i];

    if (slot->older) {
        table->slots[slot->older].newer = slot->newer;
    } else {
        port->oldest = slot->newer;
    }
    if (slot->newer) {
        table->slots[slot->newer].older = slot->older;
    } else {
        port->newest = slot->older;
    }
}

static uint64_t
slot_value(const struct fdb_table *table, uint32_t i)
{
    return atomic_load_explicit(&table->slots[i].value, memory_order_relaxed);
}

static uint32_t
take_free_slot(struct fdb_table *table)
{
    uint32_t i = table->free;
    if (i) {
        table->free = table->slots[i].newer;
        return i;
    }
    return ++table->n_touched;
}

void
fdb_table_insert(struct fdb_table *table, uint64_t key, uint64_t value)
{
    uint32_t i = take_free_slot(table);
    struct slot *slot = &table->slots[i];
    _Atomic uint32_t *bucket = &table->buckets[bucket_of(table, key)];
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    /* Release on each: who sees one of these words sees the odd number before it. */
    slot->moved_ms = 0;
    slot->restless = slot->watched = false;
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_relaxed);
    atomic_store_explicit(&slot->key, key, memory_order_release);
    atomic_store_explicit(&slot->value, value, memory_order_release);
    atomic_store_explicit(&slot->next, atomic_load_explicit(bucket, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
    atomic_store_explicit(bucket, i, memory_order_release);

    port_list_add(table, fdb_value_port(value), i, fdb_value_used(value));
    port_resize(table, fdb_value_port(value), 1);
    atomic_store_explicit(&table->n, fdb_table_count(table) + 1, memory_order_relaxed);
}

bool
fdb_table_watch(struct fdb_table *table, uint32_t i, uint64_t now_ms)
{
    struct slot *slot = &table->slots[i];
    slot->watched = !slot->restless || (uint32_t) now_ms - slot->moved_ms >= FDB_RESTLESS_MS;
    return slot->watched;
}

/* The entry is not what it was: who is to be told. */
static uint64_t
unwatch(struct fdb_table *table, uint32_t i)
{
    bool was_watched = table->slots[i].watched;
    table->slots[i].watched = false;
    return was_watched ? atomic_load_explicit(&table->slots[i].key, memory_order_relaxed) : 0;
}

static void
note_move(struct slot *slot, uint64_t now_ms)
{
    uint32_t now = (uint32_t) now_ms;
    slot->restless = slot->moved_ms && now - slot->moved_ms < FDB_RESTLESS_MS;
    slot->moved_ms = now ? now : 1;
}

uint64_t
fdb_table_move(struct fdb_table *table, uint32_t i, uint64_t value)
{
    /* Workers refresh the time only, so the port is the one that the lists have. */
    uint16_t from = fdb_value_port(atomic_exchange(&table->slots[i].value, value));
    uint16_t to = fdb_value_port(value);

    port_list_remove(table, from, i);
    port_list_add(table, to, i, fdb_value_used(value));
    if (from == to) {
        return 0;
    }
    port_resize(table, from, -1);
    port_resize(table, to, 1);
    note_move(&table->slots[i], fdb_value_used(value));
    return unwatch(table, i);
}

static void
chain_remove(struct fdb_table *table, uint32_t i)
{
    struct slot *slot = &table->slots[i];
    uint64_t key = atomic_load_explicit(&slot->key, memory_order_relaxed);
    _Atomic uint32_t *link = &table->buckets[bucket_of(table, key)];
    uint32_t at;

    while ((at = atomic_load_explicit(link, memory_order_relaxed)) != i) {
        link = &table->slots[at].next;
    }
    atomic_store_explicit(link, atomic_load_explicit(&slot->next, memory_order_relaxed),
                          memory_order_release);
}

uint64_t
fdb_table_remove(struct fdb_table *table, uint32_t i)
{
    struct slot *slot = &table->slots[i];
    uint16_t port = fdb_value_port(slot_value(table, i));
    uint64_t watched = unwatch(table, i);

    chain_remove(table, i);
    atomic_store_explicit(&slot->key, 0, memory_order_release);
    port_list_remove(table, port, i);
    port_resize(table, port, -1);
    slot->newer = table->free;
    table->free = i;
    atomic_store_explicit(&table->n, fdb_table_count(table) - 1, memory_order_relaxed);
    return watched;
}

uint64_t
fdb_table_evict(struct fdb_table *table, uint16_t number)
{
    if (table->ports[number].n < table->largest) {
        number = table->by_size[table->largest];
    }
    const struct port *port = &table->ports[number];
    uint32_t victim = 0;
    uint64_t victim_used = UINT64_MAX;
    for (int looks = 0; looks < EVICT_LOOKS; looks++) {
        uint32_t i = port->oldest;
        uint64_t used = fdb_value_used(slot_value(table, i));
        if (used < victim_used) {
            victim = i;
            victim_used = used;
        }
        if (used <= table->slots[i].listed_ms) {
            break;
        }
        port_list_remove(table, number, i);
        port_list_add(table, number, i, used);
    }
    return fdb_table_remove(table, victim);
}

void
fdb_table_copy(struct fdb_table *table, const struct fdb_table *from)
{
    for (uint32_t number = 0; number < N_PORTS; number++) {
        for (uint32_t i = from->ports[number].oldest; i; i = from->slots[i].newer) {
            fdb_table_insert(table,
                             atomic_load_explicit(&from->slots[i].key, memory_order_relaxed),
                             slot_value(from, i));
        }
    }
}
