/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: placement as it would be, over tables as they are and what was planned before. */
#include <stdlib.h>

#include "hal/internal.h"

struct plan_table {
    uint32_t now;                /* entries in it, strangers' included */
    uint32_t added, evicted;
    uint32_t expected;           /* entries at least, if all that waits for traffic gets it */
    uint32_t evictable;          /* entries that are there for their traffic */
    struct flow_mask *masks;     /* of planned entries, each once */
    uint32_t n_masks, max_masks;
};

struct hal_plan {
    struct hal *hal;
    struct plan_table table[HAL_MAX_DEVICES][HAL_MAX_TABLES];
};

static void
count_entries(struct hal_plan *plan)
{
    const struct entry_store *store = plan->hal->store;
    for (uint32_t i = 1; i < entry_limit(store); i++) {
        const struct entry *e = entry_at(store, i);
        if (e->flags & ENTRY_USED && e->wanted && !(e->flags & (ENTRY_EXACT_RULE | ENTRY_WHOLE))) {
            plan->table[e->device][e->table].evictable++;
        }
    }
    for (unsigned d = 0; d < plan->hal->n_devices; d++) {
        const struct hal_device *device = plan->hal->devices[d];
        for (unsigned t = 0; t < device->caps.n_tables; t++) {
            plan->table[d][t].now = device->n_wanted[t];
        }
    }
}

struct hal_plan *
hal_plan_new(struct hal *hal)
{
    struct hal_plan *plan = calloc(1, sizeof *plan);
    if (plan) {
        plan->hal = hal;
        count_entries(plan);
    }
    return plan;
}

void
hal_plan_free(struct hal_plan *plan)
{
    if (plan) {
        for (unsigned i = 0; i < HAL_MAX_DEVICES * HAL_MAX_TABLES; i++) {
            free(plan->table[i / HAL_MAX_TABLES][i % HAL_MAX_TABLES].masks);
        }
        free(plan);
    }
}

/* --- what is planned ------------------------------------------------------------------------ */

static bool
has_mask(const struct plan_table *table, const struct flow_mask *mask)
{
    uint32_t i = 0;
    while (i < table->n_masks && !flow_key_equal(&table->masks[i].bits, &mask->bits)) {
        i++;
    }
    return i < table->n_masks;
}

/* Masks that the device's table has got now need not be counted again. */
static uint32_t
count_new_masks(const struct plan_table *planned, const struct hal_device *device, unsigned table)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < planned->n_masks; i++) {
        uint32_t id = entry_mask_find(device->hal->store, &planned->masks[i]);
        n += !id || !device->mask_refs[table][id - 1];
    }
    return n;
}

void
plan_fill_rooms(const struct hal_plan *plan, const struct hal_device *device,
                const struct flow_mask *mask, struct hal_room room[])
{
    for (unsigned t = 0; t < device->caps.n_tables; t++) {
        const struct plan_table *planned = &plan->table[device->index][t];
        room[t].entries += planned->added;
        room[t].coldest_pps = planned->evicted < planned->evictable ? 0 : UINT32_MAX;
        room[t].n_masks += count_new_masks(planned, device, t);
        room[t].has_mask |= has_mask(planned, mask);
    }
}

static bool
remember_mask(struct plan_table *table, const struct flow_mask *mask)
{
    if (has_mask(table, mask)) {
        return true;
    }
    if (table->n_masks == table->max_masks) {
        uint32_t max = table->max_masks ? table->max_masks * 2 : 8;
        struct flow_mask *more = realloc(table->masks, max * sizeof *more);
        if (!more) {
            return false;
        }
        table->masks = more;
        table->max_masks = max;
    }
    table->masks[table->n_masks++] = *mask;
    return true;
}

static bool
take_place(struct plan_table *table, const struct flow_mask *mask, bool evict)
{
    if (!remember_mask(table, mask)) {
        return false;
    }
    table->evicted += evict;
    table->added++;
    return true;
}

bool
hal_plan_add(struct hal_plan *plan, struct hal_bridge *bridge, const struct hal_derivation *d,
             bool expect, struct hal_planned *out)
{
    struct hal_placement placed;
    struct hal_device *device;
    *out = (struct hal_planned) { .verdict = d->verdict };
    if (!d->actions) {
        return true;
    }
    const struct entry *at = stream_place_anew(bridge, d, plan, &placed, &device);
    out->verdict = placed.verdict;
    if (placed.table < 0) {
        return true;
    }
    out->device = device->driver->name;
    out->table = device->caps.table[placed.table].name;
    out->there = at && at->device == device->index && at->table == placed.table;
    out->evicts = placed.evict;
    struct plan_table *table = &plan->table[device->index][placed.table];
    if (out->there || !d->exact_rule) {
        table->expected += expect && !out->there;
        return true;
    }
    return take_place(table, &d->match.mask, placed.evict);
}

void
hal_plan_visit(const struct hal_plan *plan, void (*visit)(const char *device,
               const struct hal_table_caps *, const struct hal_plan_table *, void *aux), void *aux)
{
    for (unsigned d = 0; d < plan->hal->n_devices; d++) {
        const struct hal_device *device = plan->hal->devices[d];
        for (unsigned t = 0; t < device->caps.n_tables; t++) {
            const struct plan_table *table = &plan->table[d][t];
            const struct hal_plan_table sums = { table->now, table->added, table->evicted,
                                                 table->expected };
            visit(device->driver->name, &device->caps.table[t], &sums, aux);
        }
    }
}
