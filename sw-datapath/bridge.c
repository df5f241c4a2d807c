/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges: a classifier, a forwarding database, ports, and a cache a worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sw-datapath/dp_internal.h"
#include "sw-datapath/offload.h"

LOG_MODULE(bridge);

static void
bridge_destroy(void *arg)
{
    struct dp_bridge *bridge = arg;
    for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
        cache_free(bridge->caches[i]);
    }
    classifier_free(bridge->classifier);
    classifier_free(bridge->hidden);
    fdb_free(bridge->fdb);
    free(atomic_load(&bridge->map));
    free(bridge->slots);
    free(bridge);
}

static int
bridge_init(struct dp_bridge *bridge)
{
    struct dp *dp = bridge->dp;
    unsigned n_slots = dp_n_slots(dp);
    bridge->classifier = classifier_new(n_slots);
    bridge->fdb = fdb_new(bridge->config.fdb_max, bridge->config.fdb_age_s * UINT64_C(1000));
    bridge->slots = aligned_alloc(64, n_slots * sizeof *bridge->slots);
    atomic_store(&bridge->map, calloc(1, sizeof(struct port_map)));
    if (!bridge->classifier || !bridge->fdb || !bridge->slots || !atomic_load(&bridge->map)) {
        return -ENOMEM;
    }
    memset(bridge->slots, 0, n_slots * sizeof *bridge->slots);
    for (unsigned i = 0; i < dp->n_workers; i++) {
        bridge->caches[i] = cache_new(bridge->classifier, dp->config.cache_entries);
        if (!bridge->caches[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

struct dp_bridge *
dp_bridge_new(struct dp *dp, const char *name, const struct dp_bridge_config *config,
              enum pktio_kind local_kind, const struct dp_bridge_ops *ops, void *aux,
              struct errmsg *err)
{
    if (!*name || strlen(name) >= PORT_NAME_SIZE) {
        errmsg_set(err, "bridge '%s': a name has 1 to %d characters", name, PORT_NAME_SIZE - 1);
        return NULL;
    }
    struct dp_bridge *bridge = calloc(1, sizeof *bridge);
    if (!bridge) {
        errmsg_set(err, "bridge %s: no memory", name);
        return NULL;
    }
    bridge->dp = dp;
    bridge->id = ++dp->next_bridge_id;
    bridge->config = *config;
    atomic_init(&bridge->forward_bpdu, config->forward_bpdu);
    bridge->ops = ops;
    bridge->ops_aux = aux;
    memcpy(bridge->name, name, strlen(name) + 1);
    if (bridge_init(bridge)) {
        errmsg_set(err, "bridge %s: no memory", name);
        bridge_destroy(bridge);
        return NULL;
    }
    if (port_open_local(bridge, local_kind, err)) {
        errmsg_prefix(err, "bridge %s", name);
        bridge_destroy(bridge);
        return NULL;
    }
    if (offload_bridge_added(bridge)) {
        errmsg_set(err, "bridge %s: no memory for offload", name);
        port_close_all(bridge);
        epoch_defer(bridge_destroy, bridge);
        return NULL;
    }
    bridge->next = dp->bridges;
    dp->bridges = bridge;
    dp_publish_rx(dp);
    log_info("bridge %s: added", name);
    return bridge;
}

void
dp_bridge_free(struct dp_bridge *bridge)
{
    if (!bridge) {
        return;
    }
    struct dp *dp = bridge->dp;
    struct dp_bridge **p = &dp->bridges;
    while (*p != bridge) {
        p = &(*p)->next;
    }
    *p = bridge->next;
    log_info("bridge %s: removed", bridge->name);
    capture_bridge_gone(bridge);
    offload_bridge_removed(bridge);
    dp_publish_rx(dp);
    port_close_all(bridge);
    epoch_defer(bridge_destroy, bridge);
}

struct dp_bridge *
dp_find_bridge(const struct dp *dp, uint32_t id)
{
    struct dp_bridge *bridge = dp->bridges;
    while (bridge && bridge->id != id) {
        bridge = bridge->next;
    }
    return bridge;
}

const char *
dp_bridge_name(const struct dp_bridge *bridge)
{
    return bridge->name;
}

void
dp_bridge_set_config(struct dp_bridge *bridge, const struct dp_bridge_config *config)
{
    struct dp_bridge_config now = *config;
    if (fdb_set_limits(bridge->fdb, config->fdb_max, config->fdb_age_s * UINT64_C(1000))) {
        log_warn("bridge %s: no memory for %u learnt addresses; the limit stays at %u",
                 bridge->name, config->fdb_max, bridge->config.fdb_max);
        now.fdb_max = bridge->config.fdb_max;
        now.fdb_age_s = bridge->config.fdb_age_s;
    }
    bridge->config = now;
    port_update_all(bridge);
    offload_addresses_changed(bridge);
    if (atomic_exchange(&bridge->forward_bpdu, now.forward_bpdu) != now.forward_bpdu) {
        offload_config_changed(bridge);
    }
}

bool
dp_bridge_has_stp(const struct dp_bridge *bridge)
{
    return bridge->config.stp;
}

bool
dp_bridge_forwards_bpdu(const struct dp_bridge *bridge)
{
    return bridge->config.forward_bpdu;
}

uint32_t
dp_bridge_flush_fdb(struct dp_bridge *bridge, uint16_t port_no)
{
    uint32_t n = port_no ? fdb_flush_port(bridge->fdb, port_no) : fdb_flush(bridge->fdb);
    offload_addresses_changed(bridge);
    return n;
}

struct classifier *
dp_bridge_classifier(struct dp_bridge *bridge)
{
    return bridge->classifier;
}

struct fdb *
dp_bridge_fdb(struct dp_bridge *bridge)
{
    return bridge->fdb;
}

void
dp_bridge_set_miss_mode(struct dp_bridge *bridge, enum dp_miss_mode mode)
{
    atomic_store_explicit(&bridge->miss_mode, mode, memory_order_relaxed);
}

enum dp_miss_mode
dp_bridge_miss_mode(const struct dp_bridge *bridge)
{
    return atomic_load_explicit(&bridge->miss_mode, memory_order_relaxed);
}

void
dp_bridge_set_drop_fragments(struct dp_bridge *bridge, bool drop)
{
    if (atomic_exchange(&bridge->drop_fragments, drop) != drop) {
        offload_config_changed(bridge);
    }
}

bool
dp_bridge_drop_fragments(const struct dp_bridge *bridge)
{
    return atomic_load_explicit(&bridge->drop_fragments, memory_order_relaxed);
}

void
dp_bridge_set_invalid_ttl(struct dp_bridge *bridge, bool tell)
{
    atomic_store_explicit(&bridge->invalid_ttl, tell, memory_order_relaxed);
}

static void
add_cache_stats(struct cache_stats *sum, const struct cache *cache)
{
    struct cache_stats one;
    cache_get_stats(cache, &one);
    sum->hits += one.hits;
    sum->revalidated += one.revalidated;
    sum->rederived += one.rederived;
    sum->misses += one.misses;
    sum->evictions += one.evictions;
    sum->promoted += one.promoted;
    sum->entries += one.entries;
    sum->capacity += one.capacity;
}

void
dp_bridge_get_stats(const struct dp_bridge *bridge, struct dp_bridge_stats *out)
{
    *out = (struct dp_bridge_stats) { 0 };
    for (unsigned i = 0; i < bridge->dp->n_workers; i++) {
        add_cache_stats(&out->cache, bridge->caches[i]);
    }
    for (unsigned i = 0; i < dp_n_slots(bridge->dp); i++) {
        const struct bridge_slot *slot = &bridge->slots[i];
        out->lookups += atomic_load_explicit(&slot->lookups, memory_order_relaxed);
        out->matched += atomic_load_explicit(&slot->matched, memory_order_relaxed);
        out->lost += atomic_load_explicit(&slot->lost, memory_order_relaxed);
    }
    out->hits = out->cache.hits;
    out->misses = out->cache.misses + out->cache.rederived;
}

/* --- the cache as its user sees it ------------------------------------------------ */

struct dump {
    const struct dp_bridge *bridge;
    unsigned worker;
    bool (*visit)(const struct dp_cache_entry *, void *aux);
    void *aux;
    bool stopped;
};

/* The rule that the entry stands for now; false if changes have overtaken the entry. */
static bool
current_rule(const struct classifier *classifier, const struct cache_dump_entry *entry,
             const struct rule **rule)
{
    uint64_t now;
    switch (classifier_changed(classifier, &entry->match.value, &entry->match.mask,
                               entry->version, &now)) {
    case CLASSIFIER_UNCHANGED:
        *rule = entry->rule;
        return true;
    case CLASSIFIER_OVERLAPPED:
        return false;
    case CLASSIFIER_UNKNOWN:
        break;
    }
    *rule = classifier_lookup(classifier, &entry->match.value);
    if (!*rule) {
        return !entry->rule;
    }
    struct flow_match match;
    classifier_rule_match(classifier, *rule, &match);
    return flow_match_covers(&match, &entry->match);
}

static bool
dump_entry(const struct cache_dump_entry *entry, void *aux)
{
    struct dump *dump = aux;
    const struct rule *rule;
    if (!current_rule(dump->bridge->classifier, entry, &rule)) {
        return true;
    }
    struct dp_cache_entry out = {
        .worker = dump->worker,
        .match = entry->match,
        .packets = entry->packets,
        .bytes = entry->bytes,
        .used_ms = entry->used_ms,
        .actions = rule ? atomic_load(&rule->actions) : NULL,
    };
    dump->stopped = !dump->visit(&out, dump->aux);
    return !dump->stopped;
}

static bool
dump_exact_rule(struct rule *rule, void *aux)
{
    struct dump *dump = aux;
    struct rule_counters counters;
    if (rule->rank != RULE_RANK_EXACT) {
        return true;
    }
    rule_get_counters(rule, &counters);
    if (!counters.packets) {
        return true;
    }
    struct dp_cache_entry out = {
        .packets = counters.packets,
        .bytes = counters.bytes,
        .used_ms = counters.used_ms,
        .actions = atomic_load(&rule->actions),
    };
    classifier_rule_match(dump->bridge->classifier, rule, &out.match);
    dump->stopped = !dump->visit(&out, dump->aux);
    return !dump->stopped;
}

void
dp_bridge_dump_cache(const struct dp_bridge *bridge,
                     bool (*visit)(const struct dp_cache_entry *, void *aux), void *aux)
{
    struct dump dump = { .bridge = bridge, .visit = visit, .aux = aux };
    if (classifier_has_exact(bridge->classifier)) {
        static const struct flow_match all;
        classifier_for_each_covered(bridge->classifier, &all, dump_exact_rule, &dump);
    }
    for (unsigned i = 0; i < bridge->dp->n_workers && !dump.stopped; i++) {
        dump.worker = i;
        cache_dump(bridge->caches[i], dump_entry, &dump);
    }
}
