/* SPDX-License-Identifier: Apache-2.0 */
/* What is where, for people. */
#include <assert.h>
#include <stdio.h>

#include "hal/internal.h"
#include "lib/clock.h"

static enum hal_state
state_of(const struct entry *e)
{
    if (e->flags & ENTRY_LIMBO) {
        return HAL_LIMBO;
    }
    if (e->flags & ENTRY_REFUSED) {
        return HAL_FAILED;
    }
    if (e->has) {
        return e->has == e->wanted && !(e->flags & ENTRY_UNKNOWN) ? HAL_IN_HARDWARE : HAL_LEAVING;
    }
    return e->wanted ? HAL_PENDING : HAL_ABSENT;
}

/* Why the entry is not in hardware; 0 if it is. */
static unsigned
reason_of(const struct hal *hal, const struct entry *e, enum hal_state state)
{
    const struct hal_device *device = hal->devices[e->device];
    if (e->flags & ENTRY_REFUSED && e->verdict) {
        return hal->verdicts[e->verdict].reason;
    }
    if (state == HAL_PENDING && e->flags & ENTRY_QUEUED && device->n_in_flight >= HAL_WINDOW) {
        return HAL_REASON_DEVICE_BUSY;
    }
    return state == HAL_IN_HARDWARE ? 0 : e->reason;
}

void
show_entry(const struct hal *hal, uint32_t index, struct hal_entry_info *info)
{
    const struct entry *e = entry_at(hal->store, index);
    const struct entry_owner *owner = entry_owner(hal->store, e);
    const struct hal_device *device = hal->devices[e->device];
    uint32_t now_ms = (uint32_t) clock_ms();
    memset(info, 0, sizeof *info);
    entry_get_match(hal->store, e, &info->match);
    info->actions = entry_actions_list(hal->store, e->has ? e->has : e->wanted);
    info->device = device->driver->name;
    info->table = device->caps.table[e->table].name;
    info->state = state_of(e);
    info->verdict.field = info->verdict.action = HAL_OBJECT_NONE;
    if (e->flags & ENTRY_REFUSED && e->verdict) {
        info->verdict = hal->verdicts[e->verdict];
    }
    info->verdict.reason = (uint16_t) reason_of(hal, e, info->state);
    info->verdict.table = e->table;
    info->verdict.has_table = true;
    info->cookie = owner ? owner->cookie : 0;
    info->owner = owner ? owner->owner : NULL;
    info->priority = e->priority;
    info->is_whole = e->flags & ENTRY_WHOLE;
    info->packets = e->packets;
    info->bytes = e->bytes;
    info->age_ms = e->created_ms ? now_ms - e->created_ms : 0;
    info->used_ms = e->used_ms ? now_ms - e->used_ms : UINT64_MAX;
    info->packets_per_s = e->pps;
}

void
hal_visit(const struct hal *hal, const struct hal_bridge *bridge, const void *owner,
          uint64_t *position, bool (*visit)(const struct hal_entry_info *, void *aux), void *aux)
{
    uint32_t i = *position ? (uint32_t) *position : 1;
    for (bool more = true; more && i < entry_limit(hal->store); i++) {
        const struct entry *e = entry_at(hal->store, i);
        const struct entry_owner *of = entry_owner(hal->store, e);
        if (e->flags & ENTRY_USED && (!bridge || e->bridge == bridge->id)
            && (!owner || (of && of->owner == owner))) {
            struct hal_entry_info info;
            show_entry(hal, i, &info);
            more = visit(&info, aux);
        }
    }
    *position = i;
}

bool
hal_find(const struct hal_bridge *bridge, const struct flow_key *key, struct hal_entry_info *info)
{
    uint32_t index = entry_find_key(bridge->hal->store, bridge->id, key);
    if (index) {
        show_entry(bridge->hal, index, info);
    }
    return index != ENTRY_NONE;
}

#define HAL_REASON(NUMBER, ID, NAME, SUMMARY, REMEDY) \
    static_assert(NUMBER < HAL_MAX_REASONS, "counted by number");
#include "hal/reasons.def"
#undef HAL_REASON

struct counting {
    const struct hal *hal;
    const struct hal_bridge *bridge;
    const struct hal_selection *which;
    struct hal_census *census;
};

static void
count_entry(uint32_t index, void *aux)
{
    const struct counting *c = aux;
    const struct entry *e = entry_at(c->hal->store, index);
    const struct entry_owner *owner = entry_owner(c->hal->store, e);
    if (!(e->flags & ENTRY_USED) || e->bridge != c->bridge->id
        || (c->which->by_cookie && (!owner || owner->cookie != c->which->cookie))) {
        return;
    }
    enum hal_state state = state_of(e);
    c->census->in_state[state]++;
    if (state != HAL_IN_HARDWARE) {
        c->census->by_reason[reason_of(c->hal, e, state) % HAL_MAX_REASONS]++;
    }
}

void
hal_count(const struct hal_bridge *bridge, const struct hal_selection *which,
          struct hal_census *census)
{
    struct counting counting = { bridge->hal, bridge, which, census };
    struct entry_store *store = bridge->hal->store;
    memset(census, 0, sizeof *census);
    if (which->owner) {
        entry_for_each_of_owner(store, bridge->id, which->owner, count_entry, &counting);
        return;
    }
    for (uint32_t i = 1; i < entry_limit(store); i++) {
        count_entry(i, &counting);
    }
}

const char *
hal_device_driver(const struct hal_device *device)
{
    return device->driver->name;
}

const struct hal_caps *
hal_device_caps(const struct hal_device *device)
{
    return &device->caps;
}

static void
count_states(const struct hal *hal, const struct hal_device *device, struct hal_device_info *info)
{
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        const struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && e->device == device->index) {
            info->pending += state_of(e) == HAL_PENDING;
            info->limbo += state_of(e) == HAL_LIMBO;
            info->failed += state_of(e) == HAL_FAILED;
        }
    }
}

void
hal_visit_devices(const struct hal *hal, void (*visit)(struct hal_device *,
                  const struct hal_device_info *, void *aux), void *aux)
{
    for (unsigned i = 0; i < hal->n_devices; i++) {
        struct hal_device *d = hal->devices[i];
        device_read_occupancy(d);
        struct hal_device_info info = {
            .driver = d->driver->name, .options = d->options, .caps = &d->caps, .added = d->added,
            .changed = d->changed, .removed = d->removed, .refused = d->refused, .lost = d->lost,
            .repaired = d->repaired, .moves = d->moves, .promoted = d->promoted,
            .demoted = d->demoted, .packets = d->packets, .fenced = d->fenced,
        };
        const uint32_t *occupied = d->occupied;
        for (unsigned t = 0; t < d->caps.n_tables; t++) {
            uint32_t foreign = occupied[t] > d->entries[t] ? occupied[t] - d->entries[t] : 0;
            info.table[t] = (struct hal_table_info) { &d->caps.table[t], d->entries[t], foreign };
        }
        snprintf(info.why_fenced, sizeof info.why_fenced, "%s", d->why_fenced);
        count_states(hal, d, &info);
        visit(d, &info, aux);
    }
}

void
hal_get_load(const struct hal *hal, struct hal_load *load)
{
    *load = (struct hal_load) { 0 };
    for (unsigned i = 0; i < hal->n_devices; i++) {
        const struct hal_device *d = hal->devices[i];
        load->waiting += d->urgent.n + d->normal.n + d->n_held + d->n_in_flight;
        load->refused += d->refused;
    }
}
