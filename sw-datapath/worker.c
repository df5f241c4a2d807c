/* SPDX-License-Identifier: Apache-2.0 */
/* A packet worker: batches from its ports, one after the other, and sleep when there are
 * none. Between batches it is quiescent; asleep it is offline (lib/epoch.h). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/hash.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/heat.h"
#include "sw-datapath/in_band.h"
#include "sw-datapath/offload.h"
#include "sw-datapath/parse.h"

/* Rounds without a frame before the worker sleeps: a few microseconds, so that a reply
 * that is about to come does not cost a wake-up. */
enum { IDLE_ROUNDS = 64 };

/* Cache entries unused for this long go; looked for while there is something to do, and
 * once a second while there are entries. */
enum { CACHE_IDLE_MS = 10000, SWEEP_SLOTS = 256, SWEEP_IDLE = 256, SWEEP_EVERY_MS = 1000 };

/* Parses what was received; keys[i] belongs to packets[i]. Refused frames are taken out
 * of the batch. Returns how many are left. */
static unsigned
parse_batch(struct worker *w, struct dp_bridge *bridge, struct dp_port *port, unsigned n)
{
    bool drop_fragments = atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed);
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        struct packet *packet = &w->packets[kept];
        if (kept != i) {
            *packet = w->packets[i];
        }
        packet->in_port = port->no;
        if (packet_parse(packet, &w->keys[kept])) {
            counter_inc(COUNTER_rx_short);
            slot_add(&port->slots[w->thread.slot].rx_dropped, 1);
            continue;
        }
        if (!forward_admit(&w->thread, port, packet)) {
            continue;
        }
        if (drop_fragments && packet->nw_frag) {
            counter_inc(COUNTER_rx_fragment_dropped);
            continue;
        }
        kept++;
    }
    return kept;
}

/* An exact rule has no entry in the cache: it tells by its own counter. */
static bool
is_exact_step(const struct rule *rule, unsigned slot, uint32_t n_segments)
{
    uint64_t before = atomic_load_explicit(&rule_slot(rule, slot)->packets, memory_order_relaxed);
    return (before + n_segments) / HEAT_STEP != before / HEAT_STEP;
}

/* The flow that a packet of a cache entry, or of an exact rule, belongs to, as far as hardware
 * goes: NORMAL has one for each two addresses and their VLAN, which in the cache share an entry.
 * Of these each HEAT_STEP-th packet is a sample: the busy ones come often. */
static uint32_t
flow_of(const struct cache_hit *hit, const struct flow_key *key, uint32_t entry)
{
    if (!hit->rule
        || !derive_learns(atomic_load_explicit(&hit->rule->actions, memory_order_acquire))) {
        return entry;
    }
    return (uint32_t) hash_word(key->lane[0], hash_word(key->lane[1], entry));
}

/* Counts for the display, and tells of flows that are worth a place in hardware: of exact rules
 * that have none yet, too, for something may have stood in the way when they were added. */
static void
count_hit(struct worker *w, const struct rx_port *rx, const struct packet *packet,
          const struct flow_key *key, const struct cache_hit *hit, bool offered)
{
    struct cache *cache = rx->bridge->caches[w->thread.slot];
    uint32_t n_segments = packet_n_segments(packet), entry = hit->entry;
    bool step = cache_count(cache, entry, n_segments, packet_wire_bytes(packet), w->thread.now_ms);
    bool exact = hit->rule && hit->rule->rank == RULE_RANK_EXACT;
    if (exact && entry == UINT32_MAX) {
        step = is_exact_step(hit->rule, w->thread.slot, n_segments);
        entry = ~hit->rule->hash;
    }
    if (offered && step) {
        entry = flow_of(hit, key, entry);
        offload_heat(w, rx, key, entry, exact ? 1 : w->thread.dp->config.promote_pps, exact);
    } else if (offered && hit->result == CACHE_MISS && govern_offers_first(w)) {
        offload_heat(w, rx, key, entry, 0, false);
    }
}

/* All that waited on the port has been taken, and sent: offload_drained() looks at this. */
static void
note_emptied(const struct rx_port *rx, bool offered)
{
    if (offered) {
        uint32_t n = atomic_load_explicit(&rx->port->emptied, memory_order_relaxed);
        atomic_store_explicit(&rx->port->emptied, n + 1, memory_order_release);
    }
}

static unsigned
receive(struct worker *w, const struct rx_port *rx)
{
    unsigned n = pktio_rx(rx->io, w->packets, PACKET_BATCH_MAX);
    bool offered = atomic_load_explicit(&rx->port->device, memory_order_relaxed) != NULL;
    if (!n) {
        note_emptied(rx, offered);
        return 0;
    }
    struct dp_bridge *bridge = rx->bridge;
    struct dp_thread *thread = &w->thread;
    thread->now_ms = clock_ms();
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_acquire);
    unsigned kept = parse_batch(w, bridge, rx->port, n);
    if (offered) {
        kept = offload_process(thread, rx, map, w->packets, w->keys, kept);
    }
    struct dp_capture *capture = atomic_load_explicit(&bridge->capture, memory_order_acquire);
    if (capture) {
        capture_take(thread, capture, w->packets, w->keys, kept);
    }

    struct cache_hit hits[PACKET_BATCH_MAX];
    govern_lookup(w, rx, kept, hits);
    uint64_t in_band = in_band_state(bridge);
    for (unsigned i = 0; i < kept; i++) {
        struct packet *packet = &w->packets[i];
        struct rule *hidden = in_band ? in_band_find(bridge, in_band, packet, &w->keys[i]) : NULL;
        if (hidden) {
            forward_hidden(thread, bridge, map, packet, hidden);
            continue;
        }
        if (hits[i].result == CACHE_DROPPED) {
            slot_add(&rx->port->slots[thread->slot].rx_dropped, packet_n_segments(packet));
            continue;
        }
        count_hit(w, rx, packet, &w->keys[i], &hits[i], offered);
        forward_packet(thread, bridge, map, packet, hits[i].rule);
    }
    pktio_tx_flush(thread->tx);
    pktio_rx_release(rx->io);
    note_emptied(rx, offered && n < PACKET_BATCH_MAX);
    return n;
}

unsigned
worker_round(struct worker *w)
{
    const struct rx_list *list = atomic_load_explicit(&w->ports, memory_order_acquire);
    unsigned n = 0;
    for (unsigned i = 0; i < list->n_ports; i++) {
        n += receive(w, &list->ports[i]);
        if (i + 1 < list->n_ports) {
            /* The list stays: it is freed only after this worker was quiescent, so look
             * at it again after each time. */
            epoch_quiescent(w->reader);
            const struct rx_list *now = atomic_load_explicit(&w->ports, memory_order_acquire);
            if (now != list) {
                break;
            }
        }
    }
    epoch_quiescent(w->reader);
    if (atomic_load_explicit(&w->notify, memory_order_relaxed)
        && atomic_exchange(&w->notify, false)) {
        dp_notify(w->thread.dp);
    }
    if (!n && atomic_load_explicit(&w->drain_rounds, memory_order_relaxed)
        && atomic_fetch_sub(&w->drain_rounds, 1) == 1) {
        dp_notify(w->thread.dp);
    }
    return n;
}

/* Frees cache entries that are no longer used, looking at 'n_slots' of each cache. Returns
 * true if entries are left. */
static bool
sweep(struct worker *w, uint32_t n_slots)
{
    const struct rx_list *list = atomic_load_explicit(&w->ports, memory_order_acquire);
    uint64_t now_ms = clock_ms();
    uint32_t left = 0;
    for (unsigned i = 0; i < list->n_bridges; i++) {
        left += cache_sweep(list->bridges[i]->caches[w->thread.slot], n_slots, now_ms,
                            CACHE_IDLE_MS);
    }
    return left > 0;
}

/* How long a worker sleeps that has ports it can't poll, for lack of memory. */
enum { BLIND_MS = 10 };

/* Polls the worker's ports and its wake-up descriptor. */
struct poll_set {
    struct pollfd *fds;
    unsigned capacity;
    bool complete;              /* there was room for all ports */
    struct pollfd few[16];      /* 'fds' until more are wanted */
};

static void
poll_set_init(struct poll_set *set)
{
    set->fds = set->few;
    set->capacity = sizeof set->few / sizeof set->few[0];
}

static void
poll_set_fini(struct poll_set *set)
{
    if (set->fds != set->few) {
        free(set->fds);
    }
}

static void
poll_set_grow(struct poll_set *set, unsigned capacity)
{
    struct pollfd *fds = malloc(capacity * sizeof *fds);
    if (fds) {
        poll_set_fini(set);
        set->fds = fds;
        set->capacity = capacity;
    }
}

static unsigned
poll_set_fill(struct poll_set *set, const struct worker *w)
{
    const struct rx_list *list = atomic_load_explicit(&w->ports, memory_order_acquire);
    if (set->capacity < list->n_ports + 1) {
        poll_set_grow(set, list->n_ports + 16);
    }
    set->complete = set->capacity >= list->n_ports + 1;
    unsigned n = 0;
    set->fds[n++] = (struct pollfd) { .fd = w->wake_fd, .events = POLLIN };
    for (unsigned i = 0; i < list->n_ports && n < set->capacity; i++) {
        int fd = pktio_fd(list->ports[i].io);
        if (fd >= 0) {
            set->fds[n++] = (struct pollfd) { .fd = fd, .events = POLLIN };
        }
    }
    return n;
}

/* The sweep of a worker that has nothing else to do, once a second: in pieces, with a
 * quiescent state after each, so that a barrier does not wait for the whole. */
static bool
idle_sweep(struct worker *w, uint64_t *swept_ms)
{
    uint64_t now_ms = clock_ms();
    if (now_ms - *swept_ms < SWEEP_EVERY_MS) {
        return sweep(w, 0);
    }
    *swept_ms = now_ms;
    bool entries = true;
    for (int i = 0; i < SWEEP_IDLE && entries; i++) {
        entries = sweep(w, SWEEP_SLOTS);
        epoch_quiescent(w->reader);
    }
    return entries;
}

static void
worker_sleep(struct worker *w, struct poll_set *set, uint64_t *swept_ms)
{
    govern_tick(w, clock_ms());
    bool entries = idle_sweep(w, swept_ms);
    unsigned n = poll_set_fill(set, w);
    epoch_offline(w->reader);
    bool barrier = atomic_exchange(&w->notify, false), drain = atomic_exchange(&w->drain_rounds, 0);
    if (barrier || drain) {
        dp_notify(w->thread.dp);
    }
    int timeout = !set->complete ? BLIND_MS : govern_is_busy(w) ? GOVERNOR_WINDOW_MS
                  : entries ? SWEEP_EVERY_MS : -1;
    if (atomic_load(&w->stop)) {
        timeout = 0;
    }
    if (poll(set->fds, n, timeout) > 0 && set->fds[0].revents) {
        uint64_t count;
        ssize_t r = read(w->wake_fd, &count, sizeof count);
        (void) r; /* nothing to read is as good: somebody else woke us */
    }
    epoch_online(w->reader);
}

void *
worker_main(void *arg)
{
    struct worker *w = arg;
    struct poll_set set;
    poll_set_init(&set);
    counters_thread_register(w->thread.slot + 1);
    epoch_online(w->reader);
    unsigned idle = 0;
    uint64_t swept_ms = 0;
    while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
        if (!worker_round(w)) {
            if (++idle >= IDLE_ROUNDS) {
                worker_sleep(w, &set, &swept_ms);
                idle = 0;
            }
            continue;
        }
        idle = 0;
        if (w->thread.now_ms != swept_ms) {
            swept_ms = w->thread.now_ms;
            sweep(w, SWEEP_SLOTS);
        }
    }
    epoch_offline(w->reader);
    poll_set_fini(&set);
    return NULL;
}

void
worker_wake(struct worker *w)
{
    uint64_t one = 1;
    ssize_t r = write(w->wake_fd, &one, sizeof one);
    (void) r; /* full: it is awake anyway */
}
