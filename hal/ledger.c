/* SPDX-License-Identifier: Apache-2.0 */
/* What devices counted: read in turn, credited in steps that never go back. */
#include <stdlib.h>
#include <string.h>

#include "hal/contract.h"
#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal_ledger);

uint64_t
ledger_step(const struct hal_device *device, uint64_t *before, uint64_t now)
{
    static struct log_limit limit;
    if (now == UINT64_MAX) {
        return 0;                    /* the table does not count this */
    }
    if (now < *before) {
        counter_inc(COUNTER_hal_counters_backwards);
        log_error_limited(&limit, "%s: a counter went back from %llu to %llu; it is not believed",
                          device->driver->name, (unsigned long long) *before,
                          (unsigned long long) now);
        return 0;
    }
    uint64_t n = now - *before;
    *before = now;
    return n;
}

void
ledger_credit(struct hal *hal, struct entry *e, const struct hal_counters *now, uint64_t now_ms)
{
    const struct hal_device *device = hal->devices[e->device];
    uint64_t packets = ledger_step(device, &e->packets, now->packets);
    uint64_t bytes = ledger_step(device, &e->bytes, now->bytes);
    const struct entry_owner *owner = entry_owner(hal->store, e);
    struct hal_bridge *bridge = hal->bridges[e->bridge];
    uint32_t ms = (uint32_t) now_ms - e->read_ms;
    if (packets) {
        e->used_ms = (uint32_t) now_ms;
        port_counters_derive(hal, e, packets, bytes);
    }
    if (owner && (packets || bytes)) {
        hal->devices[e->device]->packets += packets;
        bridge->source->credit(bridge->aux, owner->owner, packets, bytes, now_ms);
    }
    if (owner && packets && e->flags & ENTRY_DEP_ADDRESS && bridge->source->used) {
        struct flow_match match;
        entry_get_match(hal->store, e, &match);
        bridge->source->used(bridge->aux, owner->owner, &match, now_ms);
    }
    if (ms) {
        uint64_t pps = packets * 1000 / ms;
        e->pps = (uint32_t) ((e->pps + (pps < UINT32_MAX ? pps : UINT32_MAX)) / 2);
        e->read_ms = (uint32_t) now_ms;
    }
}

/* --- readings ------------------------------------------------------------------------------- */

struct reading {
    struct hal_job job;
    size_t n;
    int error;
    bool last;                   /* of its round */
    uint64_t cookies[HAL_STATS_BATCH], handles[HAL_STATS_BATCH];
    struct hal_counters counters[HAL_STATS_BATCH];
};

static void
run_reading(struct hal_job *job, struct hal_device *device)
{
    struct reading *r = (struct reading *) job;
    r->error = device->driver->stats(device->state, r->cookies, r->handles, r->n, r->counters);
}

static bool
is_unknown(const struct hal_counters *c)
{
    return c->packets == UINT64_MAX && c->bytes == UINT64_MAX;
}

static bool
is_slow(const struct hal *hal, const struct entry *e, uint32_t now_ms)
{
    uint32_t age_ms = now_ms - e->created_ms, unused_ms = e->used_ms ? now_ms - e->used_ms : age_ms;
    return hal->keep_used_ms ? unused_ms >= hal->keep_used_ms && age_ms >= hal->keep_used_ms
                             : e->pps < hal->config.demote_pps && age_ms >= 1000;
}

static void
credit_one(struct hal_device *device, uint64_t cookie, const struct hal_counters *counters,
           uint64_t now_ms)
{
    struct hal *hal = device->hal;
    uint32_t index = hal_entry_of(hal, cookie);
    struct entry *e = index ? entry_at(hal->store, index) : NULL;
    if (!e || !e->has || is_unknown(counters)) {
        return;
    }
    ledger_credit(hal, e, counters, now_ms);
    if (idle_counted(hal, index, now_ms)) {
        return;
    }
    if (is_slow(hal, e, (uint32_t) now_ms) && e->wanted && !(e->flags & (ENTRY_EXACT_RULE | ENTRY_WHOLE | ENTRY_LIMBO))
        && engine_may_move(hal)) {
        counter_inc(COUNTER_hal_demoted);
        device->moves++;
        device->demoted++;
        hal->moves_left -= hal->moves_left > 0;
        engine_want_nothing(hal, index, HAL_REASON_NOT_WORTH_IT);
    }
}

static void
reading_done(struct hal_job *job, struct hal_device *device)
{
    static struct log_limit limit;
    struct reading *r = (struct reading *) job;
    uint64_t now_ms = clock_ms();
    device->reading = false;
    if (!contract_error_is_possible(r->error)) {
        device_broken(device, "stats() said %d, which is no error", r->error);
    } else if (r->error) {
        log_warn_limited(&limit, "%s: its counters can't be read: %s", device->driver->name,
                         strerror(-r->error));
    }
    if (r->error) {
        device->read_hand = 0;       /* the round begins again */
    } else if (r->last) {
        device->counted_ms = device->round_ms;
        device->has_yielded = false;
    }
    for (size_t i = 0; !r->error && !device->gone && !device->fenced && i < r->n; i++) {
        credit_one(device, r->cookies[i], &r->counters[i], now_ms);
    }
    free(r);
}

/* The next entries of the round. */
static void
fill_reading(struct hal_device *device, struct reading *r)
{
    struct hal *hal = device->hal;
    uint32_t limit = entry_limit(hal->store);
    if (!device->read_hand) {
        device->read_hand = 1;
        device->round_ms = clock_ms();
    }
    for (; device->read_hand < limit && r->n < HAL_STATS_BATCH; device->read_hand++) {
        uint32_t index = device->read_hand;
        const struct entry *e = entry_at(hal->store, index);
        if (e->flags & ENTRY_USED && e->has && hal->devices[e->device] == device
            && !(e->flags & ENTRY_LIMBO)) {
            r->cookies[r->n] = hal_cookie(hal, index);
            r->handles[r->n++] = e->handle;
        }
    }
    r->last = device->read_hand >= limit;
    device->read_hand = r->last ? 0 : device->read_hand;
}

void
ledger_yield(struct hal_device *device)
{
    if (!device->has_yielded) {
        device->has_yielded = true;
        device->yielded_ms = clock_ms();
    }
}

static bool
yields(const struct hal_device *device)
{
    return device->audit && clock_ms() - device->yielded_ms < HAL_YIELD_MS;
}

void
ledger_tick(struct hal_device *device)
{
    if (yields(device) || device->reading || device->fenced || device->gone) {
        return;
    }
    struct reading *r = malloc(sizeof *r);
    if (!r) {
        return;                      /* the next tick tries again */
    }
    r->job = (struct hal_job) { NULL, run_reading, reading_done };
    r->n = 0;
    fill_reading(device, r);
    if (!r->n) {
        device->counted_ms = device->round_ms;
        device->has_yielded = false;
        free(r);
        return;
    }
    device->reading = true;
    device_run_job(device, &r->job);
}

static uint64_t
counted_by(const struct hal_device *device)
{
    uint32_t lag_ms = HAL_TICK_MS;
    for (unsigned t = 0; t < device->caps.n_tables; t++) {
        uint32_t table_ms = device->caps.table[t].counter_lag_ms + HAL_TICK_MS;
        lag_ms = table_ms > lag_ms ? table_ms : lag_ms;
    }
    return device->counted_ms > lag_ms ? device->counted_ms - lag_ms : 0;
}

uint64_t
hal_counted_until(const struct hal_bridge *bridge)
{
    uint64_t until = clock_ms();
    for (unsigned i = 0; i < bridge->n_ports; i++) {
        const struct hal_device *device = bridge->ports[i].device;
        bool counts = device && !device->gone && !device->fenced;
        uint64_t by = counts ? counted_by(device) : until;
        until = by < until ? by : until;
    }
    return until;
}
