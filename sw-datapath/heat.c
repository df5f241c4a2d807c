/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/heat.h"

#include <stdlib.h>

#include "lib/hash.h"

enum { HEAT_SLOTS = 1 << 14 };

struct heat_slot {
    uint32_t bridge, entry;
    uint32_t since_ms;           /* when it was last asked about; wraps */
    uint32_t reported_ms;        /* 0: never */
    uint32_t n_steps;
};

struct heat {
    struct heat_slot slots[HEAT_SLOTS];
};

struct heat *
heat_new(void)
{
    return calloc(1, sizeof(struct heat));
}

void
heat_free(struct heat *heat)
{
    free(heat);
}

static size_t
slot_of(uint32_t bridge, uint32_t entry)
{
    return hash_fold((uint64_t) bridge << 32 | entry, UINT64_C(0x9e3779b97f4a7c15)) % HEAT_SLOTS;
}

uint32_t
heat_packets(const struct heat *heat, uint32_t bridge, uint32_t entry)
{
    const struct heat_slot *slot = &heat->slots[slot_of(bridge, entry)];
    return slot->bridge == bridge && slot->entry == entry ? slot->n_steps * HEAT_STEP : 0;
}

uint32_t
heat_step(struct heat *heat, uint32_t bridge, uint32_t entry, uint64_t now_ms, uint32_t threshold)
{
    struct heat_slot *slot = &heat->slots[slot_of(bridge, entry)];
    uint32_t now = (uint32_t) now_ms;
    if (slot->bridge != bridge || slot->entry != entry || !slot->since_ms) {
        *slot = (struct heat_slot) { bridge, entry, now ? now : 1, 0, 1 };
        return 0;
    }
    uint32_t ms = now - slot->since_ms;
    uint32_t pps = HEAT_STEP * 1000u / (ms ? ms : 1);
    slot->since_ms = now ? now : 1;
    slot->n_steps = pps < threshold ? 1 : slot->n_steps + (slot->n_steps < UINT32_MAX / HEAT_STEP);
    if (pps < threshold || (slot->reported_ms && now - slot->reported_ms < HEAT_AGAIN_MS)) {
        return 0;
    }
    slot->reported_ms = now ? now : 1;
    return pps;
}
