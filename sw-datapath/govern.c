/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/govern.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/hash.h"

enum { VIEW_WORDS = sizeof(struct governor_port) / 8, READ_TRIES = 1000 };
static_assert(sizeof(struct governor_port) % 8 == 0, "a view is whole words");

struct govern_port {
    struct governor_port policy;         /* the worker's */
    /* What others see: odd while it is being written. */
    _Atomic uint32_t seq;
    _Atomic uint64_t view[VIEW_WORDS];
    _Atomic uint64_t n_changes;          /* of flood mode */
};

struct govern {
    struct cache_gate gate;              /* first: it is what the cache hands back */
    struct worker *worker;
    struct govern_port *port;            /* whose batch it is */
    uint64_t began_ns;                   /* when set-ups of this batch began; 0: there are none */
    uint64_t judged, seen;               /* bits of the batch's packets */
    uint64_t version;                    /* of the settings in use */
    uint64_t next_ms;
    uint32_t n_ports;
    _Atomic uint32_t rate, n_flooded;    /* for others */
    struct governor policy;
};

/* --- settings ------------------------------------------------------------------------------- */

int
govern_settings_publish(struct dp *dp, const struct governor_config *config)
{
    struct govern_settings *settings = malloc(sizeof *settings);
    if (!settings) {
        return -ENOMEM;
    }
    struct govern_settings *old = atomic_load(&dp->governor);
    *settings = (struct govern_settings) { *config, old ? old->version + 1 : 1 };
    atomic_store_explicit(&dp->governor, settings, memory_order_release);
    if (old) {
        epoch_defer(free, old);
    }
    return 0;
}

void
govern_settings_free(struct dp *dp)
{
    free(atomic_exchange(&dp->governor, NULL));
}

const struct governor_config *
dp_get_governor(const struct dp *dp)
{
    return &atomic_load(&dp->governor)->config;
}

static void
take_up_settings(struct govern *g)
{
    const struct govern_settings *settings =
        atomic_load_explicit(&g->worker->thread.dp->governor, memory_order_acquire);
    if (settings->version != g->version) {
        g->version = settings->version;
        governor_set_config(&g->policy, &settings->config);
    }
}

/* --- life ----------------------------------------------------------------------------------- */

static cache_gate_fn judge_batch;

/* Its pages are there when they are touched: without new flows it takes next to nothing. */
struct govern *
govern_new(struct worker *w)
{
    struct govern *g = mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                            -1, 0);
    if (g == MAP_FAILED) {
        return NULL;
    }
    const struct govern_settings *settings = atomic_load(&w->thread.dp->governor);
    g->gate.judge = judge_batch;
    g->worker = w;
    g->version = settings->version;
    governor_init(&g->policy, &settings->config, hash_word(0x676f7665726e, hash_seed()),
                  clock_ms());
    atomic_store(&g->rate, g->policy.setups.rate);
    return g;
}

void
govern_free(struct govern *g)
{
    if (g) {
        munmap(g, sizeof *g);
    }
}

struct govern_port *
govern_port_new(void)
{
    return calloc(1, sizeof(struct govern_port));
}

void
govern_port_free(struct govern_port *port)
{
    free(port);
}

/* --- views ---------------------------------------------------------------------------------- */

/* Every store releases, so whoever sees one of them sees that 'seq' is odd, or has moved on. */
static void
publish(struct govern_port *port)
{
    uint64_t words[VIEW_WORDS];
    port->policy.changed = false;
    memcpy(words, &port->policy, sizeof words);
    uint32_t seq = atomic_load_explicit(&port->seq, memory_order_relaxed);
    atomic_store_explicit(&port->seq, seq + 1, memory_order_relaxed);
    for (unsigned i = 0; i < VIEW_WORDS; i++) {
        atomic_store_explicit(&port->view[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&port->seq, seq + 2, memory_order_release);
    const struct governor_totals *t = &port->policy.totals;
    atomic_store_explicit(&port->n_changes, t->floods + t->flood_ended, memory_order_release);
}

uint64_t
govern_port_n_changes(const struct govern_port *port)
{
    return atomic_load_explicit(&port->n_changes, memory_order_acquire);
}

/* False, which is rare, if the worker wrote all the time. */
static bool
view(const struct govern_port *port, struct governor_port *out)
{
    uint64_t words[VIEW_WORDS];
    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        uint32_t seq = atomic_load_explicit(&port->seq, memory_order_acquire);
        for (unsigned i = 0; i < VIEW_WORDS; i++) {
            words[i] = atomic_load_explicit(&port->view[i], memory_order_acquire);
        }
        if (!(seq & 1) && atomic_load_explicit(&port->seq, memory_order_relaxed) == seq) {
            memcpy(out, words, sizeof *out);
            return true;
        }
    }
    return false;
}

bool
dp_port_get_governor(const struct dp_bridge *bridge, uint16_t port_no,
                     struct dp_port_governor *out)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    struct governor_port state;
    if (!port || !view(port->governed, &state)) {
        return false;
    }
    const struct worker *w = port->worker;
    uint32_t n_ports = w->n_ports ? w->n_ports : 1;
    *out = (struct dp_port_governor) {
        .worker = w->thread.slot, .flood = state.flood, .since_ms = state.since_ms,
        .share = atomic_load(&w->thread.govern->rate) / n_ports, .totals = state.totals,
        .macs = state.macs, .addresses = state.addresses,
    };
    return true;
}

void
dp_worker_get_governor(const struct dp *dp, unsigned worker, struct dp_worker_governor *out)
{
    const struct worker *w = dp->workers[worker];
    *out = (struct dp_worker_governor) {
        .rate = atomic_load(&w->thread.govern->rate), .n_ports = w->n_ports,
        .n_flooded = atomic_load(&w->thread.govern->n_flooded),
    };
}

bool
dp_port_is_flooded(const struct dp_bridge *bridge, uint16_t port_no)
{
    struct dp_port_governor state;
    return dp_port_get_governor(bridge, port_no, &state) && state.flood;
}

/* --- time ----------------------------------------------------------------------------------- */

void
govern_tick(struct worker *w, uint64_t now_ms)
{
    struct govern *g = w->thread.govern;
    const struct rx_list *list = atomic_load_explicit(&w->ports, memory_order_acquire);
    take_up_settings(g);
    g->next_ms = now_ms + GOVERNOR_REFILL_MS;
    g->n_ports = list->n_ports;
    if (!governor_roll(&g->policy, list->n_ports, now_ms)) {
        return;
    }
    for (unsigned i = 0; i < list->n_ports; i++) {
        struct govern_port *port = list->ports[i].port->governed;
        governor_roll_port(&g->policy, &port->policy, now_ms);
        if (g->policy.n_windows && port->policy.changed) {
            publish(port);
        }
    }
    atomic_store_explicit(&g->rate, g->policy.setups.rate, memory_order_relaxed);
    atomic_store_explicit(&g->n_flooded, g->policy.n_flooded, memory_order_relaxed);
}

bool
govern_is_busy(const struct worker *w)
{
    const struct govern *g = w->thread.govern;
    return g->n_ports && governor_is_busy(&g->policy);
}

/* --- packets -------------------------------------------------------------------------------- */

enum { TCP_FLAGS_OFFSET = 13 };

static int
tcp_flags(const struct packet *packet)
{
    uint32_t at = packet->l4_offset + TCP_FLAGS_OFFSET;
    bool has = packet->l4 == PACKET_L4_TCP && at < packet->l4_limit;
    return has ? packet->data[at] : GOVERNOR_NOT_TCP;
}

static void
count(enum governor_reason reason, bool shed)
{
    static const enum counter counters[GOVERNOR_N_REASONS] = {
        [GOVERNOR_NOT_PROVEN] = COUNTER_governor_not_proven,
        [GOVERNOR_OVER_BUDGET] = COUNTER_governor_over_budget,
        [GOVERNOR_FLOOD] = COUNTER_governor_flood,
    };
    if (reason != GOVERNOR_NO_REASON) {
        counter_inc(counters[reason]);
    }
    if (shed) {
        counter_inc(COUNTER_governor_dropped);
    }
}

/* What is to become of packets that have no cache entry. */
static void
judge_batch(struct cache_gate *gate, const struct flow_key *const keys[], unsigned n,
            uint8_t verdicts[])
{
    static const enum cache_verdict verdict_of[] = {
        [GOVERNOR_INSTALL] = CACHE_ADMIT, [GOVERNOR_PASS] = CACHE_PASS, [GOVERNOR_SHED] = CACHE_SHED,
    };
    struct govern *g = (struct govern *) (void *) gate;
    struct worker *w = g->worker;
    struct governor_flow flows[PACKET_BATCH_MAX];
    g->began_ns = clock_ns();
    for (unsigned i = 0; i < n; i++) {
        governor_prepare(&g->policy, keys[i], tcp_flags(&w->packets[keys[i] - w->keys]), &flows[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        size_t at = (size_t) (keys[i] - w->keys);
        struct governor_judgement j = governor_judge(&g->policy, &g->port->policy, keys[i],
                                                     &flows[i], w->thread.now_ms);
        verdicts[i] = (uint8_t) verdict_of[j.verdict];
        g->judged |= UINT64_C(1) << at;
        g->seen |= (uint64_t) j.seen << at;
        count(j.reason, j.verdict == GOVERNOR_SHED);
    }
}

void
govern_lookup(struct worker *w, const struct rx_port *rx, unsigned n, struct cache_hit hits[])
{
    struct govern *g = w->thread.govern;
    const struct flow_key *keys[PACKET_BATCH_MAX];
    const struct rx_list *list = atomic_load_explicit(&w->ports, memory_order_acquire);
    struct cache *cache = rx->bridge->caches[w->thread.slot];
    uint64_t now_ms = w->thread.now_ms;
    for (unsigned i = 0; i < n; i++) {
        keys[i] = &w->keys[i];
    }
    if (now_ms >= g->next_ms || list->n_ports != g->n_ports) {
        govern_tick(w, now_ms);
    }
    g->port = rx->port->governed;
    g->judged = g->seen = g->began_ns = 0;
    bool off = g->policy.config.mode == GOVERNOR_OFF;
    cache_lookup_batch(cache, off ? NULL : &g->gate, keys, n, hits, now_ms);
    governor_note_batch(&g->policy, n, n == PACKET_BATCH_MAX,
                        g->began_ns ? clock_ns() - g->began_ns : 0);
}

bool
govern_miss(struct dp_thread *thread, const struct packet *packet)
{
    struct govern *g = thread->govern;
    if (!g || g->policy.config.mode == GOVERNOR_OFF) {
        return false;
    }
    size_t at = (size_t) (packet - g->worker->packets);
    uint64_t bit = UINT64_C(1) << at;
    if (g->judged & bit) {
        return g->seen & bit;
    }
    return governor_miss(&g->policy, &g->port->policy, &g->worker->keys[at], tcp_flags(packet),
                         thread->now_ms);
}

bool
govern_offers_first(const struct worker *w)
{
    return w->thread.govern->policy.config.mode == GOVERNOR_FIRST_PACKET;
}

enum governor_reason
govern_worth(struct worker *w, const struct rx_port *rx, const struct flow_key *key,
             uint32_t n_packets)
{
    const struct packet *packet = &w->packets[key - w->keys];
    return governor_worth(&w->thread.govern->policy, &rx->port->governed->policy, key,
                          tcp_flags(packet), n_packets, w->thread.now_ms);
}
