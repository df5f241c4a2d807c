/* SPDX-License-Identifier: Apache-2.0 */
/* Which filters are to be looked at as the kernel made them. That costs as much as making them, and
 * what a kernel makes of a filter depends on which keys and actions it has, not on their values: so of
 * each such shape the first is looked at, and then one of many. */
#include "drivers/tc/tc.h"

enum { ONE_OF = 64 };

static uint64_t
mix(uint64_t shape, uint64_t word)
{
    shape = (shape ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return shape ^ shape >> 29;
}

static uint64_t
shape_of(const struct hal_entry *entry)
{
    const struct flow_key *value = &entry->match->value;
    uint64_t shape = value->dl_type.raw | (uint64_t) value->nw_proto << 16
                     | (uint64_t) (value->vlan_tci.raw != 0) << 24 | (uint64_t) value->nw_frag << 32;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        shape = mix(shape, entry->match->mask.bits.lane[i]);
    }
    for (unsigned i = 0; i < entry->actions->len; i++) {
        shape = mix(shape, entry->actions->actions[i].type);
    }
    return shape ? shape : 1;
}

uint64_t
tc_shape_to_verify(struct tc *tc, const struct hal_entry *entry)
{
    uint64_t shape = shape_of(entry);
    bool known = tc->shapes[shape % TC_MAX_SHAPES] == shape;
    return known && ++tc->n_unseen % ONE_OF ? 0 : shape;
}

void
tc_shape_is_verified(struct tc *tc, uint64_t shape)
{
    if (shape) {
        tc->shapes[shape % TC_MAX_SHAPES] = shape;
    }
}
