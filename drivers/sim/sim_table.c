/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/sim/sim.h"
#include "lib/hash.h"

/* --- entries ---------------------------------------------------------------------------- */

struct sim_entry *
sim_entry_new(const struct sim_tables *t, const struct hal_entry *from, uint64_t cookie)
{
    size_t size = sizeof *from->actions + from->actions->len * sizeof from->actions->actions[0];
    struct sim_entry *e = calloc(1, sizeof *e + size);
    struct sim_count *counts = calloc(t->n_workers ? t->n_workers : 1, sizeof *counts);
    if (!e || !counts) {
        free(e);
        free(counts);
        return NULL;
    }
    e->actions = (struct action_list *) (void *) (e + 1);
    memcpy(e->actions, from->actions, size);
    e->cookie = cookie;
    e->match = *from->match;
    e->priority = from->priority;
    e->table = from->table;
    e->counts = counts;
    return e;
}

void
sim_entry_free(struct sim_entry *e, bool counts_too)
{
    if (counts_too) {
        free(e->counts);
    }
    free(e);
}

void
sim_sum(const struct sim_tables *t, const struct sim_entry *e, struct hal_counters *out)
{
    *out = e->base;
    for (unsigned i = 0; i < t->n_workers; i++) {
        out->packets += atomic_load_explicit(&e->counts[i].packets, memory_order_relaxed);
        out->bytes += atomic_load_explicit(&e->counts[i].bytes, memory_order_relaxed);
    }
    if (t->options.counters != HAL_COUNT_BOTH) {
        out->bytes = UINT64_MAX;
    }
    if (t->options.counters == HAL_COUNT_NONE) {
        out->packets = UINT64_MAX;
    }
}

/* --- life ------------------------------------------------------------------------------- */

int
sim_tables_init(struct sim_tables *t, const struct sim_options *options, unsigned n_workers)
{
    memset(t, 0, sizeof *t);
    t->options = *options;
    t->n_workers = n_workers;
    t->secret = hash_word(options->seed, UINT64_C(0x5177));
    t->n_buckets = (options->exact + SIM_WAYS - 1) / SIM_WAYS;
    t->n_slots = options->exact + options->tcam;
    t->exact = calloc((size_t) t->n_buckets * SIM_WAYS + 1, sizeof *t->exact);
    t->tcam = calloc(options->tcam + 1, sizeof *t->tcam);
    t->slots = calloc(t->n_slots + 1, sizeof *t->slots);
    if (!t->exact || !t->tcam || !t->slots) {
        sim_tables_fini(t);
        return -ENOMEM;
    }
    return 0;
}

void
sim_tables_fini(struct sim_tables *t)
{
    for (uint32_t i = 0; t->slots && i < t->n_slots; i++) {
        if (t->slots[i]) {
            sim_entry_free(t->slots[i], true);
        }
    }
    free(t->exact);
    free(t->tcam);
    free(t->slots);
    t->exact = NULL;
    t->tcam = NULL;
    t->slots = NULL;
}

/* --- look-ups ------------------------------------------------------------------------------- */

static uint32_t
bucket_of(const struct sim_tables *t, const struct flow_key *masked, unsigned mask)
{
    uint64_t hash = t->secret + mask;
    for (unsigned i = 0; i < FLOW_LANES; i += 2) {
        hash = hash_fold(masked->lane[i] ^ hash, masked->lane[i + 1] ^ UINT64_C(0x9e3779b97f4a7c15))
               + hash;
    }
    return (uint32_t) (((hash >> 32) * t->n_buckets) >> 32);
}

static struct sim_entry *
look_up_exact(const struct sim_tables *t, const struct flow_key *key)
{
    for (unsigned m = 0; m < t->options.masks && t->n_buckets; m++) {
        struct flow_key masked;
        if (!atomic_load_explicit(&t->masks[m].used, memory_order_acquire)) {
            continue;
        }
        flow_key_mask(key, &t->masks[m].mask, &masked);
        const _Atomic(struct sim_entry *) *bucket
            = &t->exact[(size_t) bucket_of(t, &masked, m) * SIM_WAYS];
        for (unsigned w = 0; w < SIM_WAYS; w++) {
            struct sim_entry *e = atomic_load_explicit(&bucket[w], memory_order_acquire);
            if (e && e->mask == m && flow_key_equal(&e->match.value, &masked)) {
                return e;
            }
        }
    }
    return NULL;
}

/* While entries move to the front one can be missed on the way up, and one of lower priority found
 * in its place: then it is a miss, and software knows better. */
static struct sim_entry *
look_up_tcam(const struct sim_tables *t, const struct flow_key *key)
{
    uint32_t shifts = atomic_load(&t->tcam_shifts);
    uint32_t n = atomic_load_explicit(&t->n_tcam, memory_order_acquire);
    struct sim_entry *found = NULL;
    for (uint32_t i = 0; i < n && !found; i++) {
        struct sim_entry *e = atomic_load_explicit(&t->tcam[i], memory_order_acquire);
        found = e && flow_match_contains(&e->match, key) ? e : NULL;
    }
    bool moved = shifts & 1 || atomic_load(&t->tcam_shifts) != shifts;
    return moved ? NULL : found;
}

struct sim_entry *
sim_lookup(const struct sim_tables *t, const struct flow_key *key)
{
    struct sim_entry *e = look_up_exact(t, key);
    return e ? e : look_up_tcam(t, key);
}

/* --- workers ---------------------------------------------------------------------------------- */

void
sim_enter(struct sim_tables *t, unsigned worker)
{
    atomic_fetch_add(&t->gates[worker].count, 1);
}

void
sim_leave(struct sim_tables *t, unsigned worker)
{
    atomic_fetch_add(&t->gates[worker].count, 1);
}

void
sim_quiesce(struct sim_tables *t)
{
    for (unsigned i = 0; i < t->n_workers; i++) {
        /* Not a plain load, which the stores before it could overtake: a worker that comes in
         * after this sees them. */
        uint64_t seen = atomic_fetch_add(&t->gates[i].count, 0);
        while (seen & 1 && atomic_load(&t->gates[i].count) == seen) {
            sched_yield();
        }
    }
}

/* --- changes -------------------------------------------------------------------------------- */

static int
take_mask(struct sim_tables *t, const struct flow_mask *mask)
{
    int free_one = -1;
    for (unsigned m = 0; m < t->options.masks; m++) {
        struct sim_mask *have = &t->masks[m];
        if (have->refs && flow_key_equal(&have->mask.bits, &mask->bits)) {
            have->refs++;
            return (int) m;
        }
        free_one = free_one < 0 && !have->refs ? (int) m : free_one;
    }
    if (free_one >= 0) {
        /* A worker that came in before may still look at what was there. */
        atomic_store_explicit(&t->masks[free_one].used, false, memory_order_release);
        sim_quiesce(t);
        t->masks[free_one].mask = *mask;
        t->masks[free_one].refs = 1;
        atomic_store_explicit(&t->masks[free_one].used, true, memory_order_release);
    }
    return free_one;
}

static int
link_exact(struct sim_tables *t, struct sim_entry *e, enum hal_reason *reason)
{
    int mask = take_mask(t, &e->match.mask);
    if (mask < 0) {
        *reason = HAL_REASON_TOO_MANY_MASKS;
        return -ENOSPC;
    }
    e->mask = (uint8_t) mask;
    uint32_t first = t->n_buckets ? bucket_of(t, &e->match.value, e->mask) * SIM_WAYS : 0;
    for (uint32_t p = first; t->n_exact < t->options.exact && p < first + SIM_WAYS; p++) {
        if (!atomic_load_explicit(&t->exact[p], memory_order_relaxed)) {
            e->place = p;
            t->n_exact++;
            atomic_store_explicit(&t->exact[p], e, memory_order_release);
            return 0;
        }
    }
    t->masks[mask].refs--;
    *reason = t->n_exact < t->options.exact ? HAL_REASON_COLLISION : HAL_REASON_TABLE_FULL;
    return -ENOSPC;
}

/* Opens a gap from the end down, so that a reader that goes up never misses one: it may see
 * one twice. */
static int
link_tcam(struct sim_tables *t, struct sim_entry *e, enum hal_reason *reason)
{
    uint32_t n = atomic_load_explicit(&t->n_tcam, memory_order_relaxed), at = n;
    if (n == t->options.tcam) {
        *reason = HAL_REASON_TABLE_FULL;
        return -ENOSPC;
    }
    atomic_store_explicit(&t->tcam[n], NULL, memory_order_relaxed);
    atomic_store_explicit(&t->n_tcam, n + 1, memory_order_release);
    while (at) {
        struct sim_entry *before = atomic_load_explicit(&t->tcam[at - 1], memory_order_relaxed);
        if (before->priority >= e->priority) {
            break;
        }
        before->place = at;
        atomic_store_explicit(&t->tcam[at], before, memory_order_release);
        at--;
    }
    e->place = at;
    atomic_store_explicit(&t->tcam[at], e, memory_order_release);
    return 0;
}

static void
unlink_tcam(struct sim_tables *t, const struct sim_entry *e)
{
    uint32_t n = atomic_load_explicit(&t->n_tcam, memory_order_relaxed);
    atomic_fetch_add(&t->tcam_shifts, 1);
    for (uint32_t i = e->place; i + 1 < n; i++) {
        struct sim_entry *after = atomic_load_explicit(&t->tcam[i + 1], memory_order_relaxed);
        after->place = i;
        atomic_store_explicit(&t->tcam[i], after, memory_order_release);
    }
    atomic_store_explicit(&t->n_tcam, n - 1, memory_order_release);
    atomic_fetch_add(&t->tcam_shifts, 1);
}

static uint32_t
free_slot(struct sim_tables *t)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        uint32_t slot = (t->free_hint + i) % t->n_slots;
        if (!t->slots[slot]) {
            t->free_hint = slot + 1;
            return slot;
        }
    }
    return t->n_slots;
}

int
sim_insert(struct sim_tables *t, const struct hal_change *change, struct sim_entry **out,
           enum hal_reason *reason)
{
    uint32_t slot = free_slot(t);
    struct sim_entry *e = sim_entry_new(t, &change->entry, change->cookie);
    if (!e) {
        return -ENOMEM;
    }
    *reason = HAL_REASON_TABLE_FULL;
    int error = slot == t->n_slots ? -ENOSPC : e->table == SIM_TCAM ? link_tcam(t, e, reason)
                                                                    : link_exact(t, e, reason);
    if (error) {
        sim_entry_free(e, true);
        return error;
    }
    e->handle = slot + UINT64_C(1);
    t->slots[slot] = e;
    *out = e;
    return 0;
}

void
sim_unlink(struct sim_tables *t, struct sim_entry *e)
{
    if (e->table == SIM_TCAM) {
        unlink_tcam(t, e);
    } else {
        atomic_store_explicit(&t->exact[e->place], NULL, memory_order_release);
        t->n_exact--;
        t->masks[e->mask].refs--;
    }
    t->slots[e->handle - 1] = NULL;
}

void
sim_replace(struct sim_tables *t, struct sim_entry *old, struct sim_entry *e)
{
    e->place = old->place;
    e->mask = old->mask;
    e->handle = old->handle;
    e->base = old->base;
    e->shown = old->shown;
    free(e->counts);
    e->counts = old->counts;
    atomic_store_explicit(e->table == SIM_TCAM ? &t->tcam[e->place] : &t->exact[e->place], e,
                          memory_order_release);
    t->slots[e->handle - 1] = e;
}

struct sim_entry *
sim_by_handle(const struct sim_tables *t, uint64_t handle, uint64_t cookie)
{
    struct sim_entry *e = handle && handle <= t->n_slots ? t->slots[handle - 1] : NULL;
    return e && (e->cookie == cookie || !cookie) ? e : NULL;
}
