/* SPDX-License-Identifier: Apache-2.0 */
/* Subtables: made with the first rule of a mask, gone with the last. */
#include "sw-datapath/classifier_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/epoch.h"

static unsigned
mask_hash(const struct classifier *cls, const struct flow_mask *mask, bool exact)
{
    return lane_hash_key(&cls->hash, &mask->bits, exact) % MASK_HASH_SLOTS;
}

struct subtable *
subtable_find(const struct classifier *cls, const struct flow_mask *mask, bool exact)
{
    struct subtable *st = cls->by_mask[mask_hash(cls, mask, exact)];
    while (st && !(st->exact == exact && flow_key_equal(&st->mask.bits, &mask->bits))) {
        st = st->mask_next;
    }
    return st;
}

/* An id that no reader may still take for another subtable's; or -ENOSPC. */
static int
free_id(struct classifier *cls)
{
    if (cls->id_limit < CLASSIFIER_MAX_SUBTABLES && cls->n_subtables == cls->id_limit) {
        return (int) cls->id_limit++;
    }
    for (unsigned id = 0; id < cls->id_limit; id++) {
        if (cls->retired[id] && epoch_passed(cls->retired[id])) {
            cls->retired[id] = 0;
            return (int) id;
        }
    }
    return cls->id_limit < CLASSIFIER_MAX_SUBTABLES ? (int) cls->id_limit++ : -ENOSPC;
}

static void
give_id_back(struct classifier *cls, unsigned id)
{
    cls->retired[id] = epoch_advance();
}

static struct subtable *
subtable_new(const struct flow_mask *mask, bool exact, unsigned id)
{
    struct subtable *st = aligned_alloc(64, (sizeof *st + 63) / 64 * 64);
    if (!st) {
        return NULL;
    }
    memset(st, 0, sizeof *st);
    st->id = (uint16_t) id;
    st->exact = exact;
    st->mask = *mask;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        if (mask->bits.lane[i]) {
            st->lanes.index[st->lanes.n++] = (uint8_t) i;
        }
    }
    return st;
}

/* Lets look-ups and profiles know of it; not of one whose rules are in the exact table. */
static int
subtable_link(struct classifier *cls, struct subtable *st)
{
    atomic_store_explicit(&cls->by_id[st->id], st, memory_order_release);
    if (!st->exact) {
        int error = classifier_index_add(cls, st);
        if (error) {
            return error;
        }
        profile_add_source(&cls->profiles, st->id, &st->mask);
    }
    unsigned h = mask_hash(cls, &st->mask, st->exact);
    st->mask_next = cls->by_mask[h];
    cls->by_mask[h] = st;
    cls->n_subtables++;
    return 0;
}

int
subtable_get(struct classifier *cls, const struct flow_mask *mask, bool exact,
             struct subtable **out)
{
    struct subtable *st = subtable_find(cls, mask, exact);
    if (!st) {
        int id = free_id(cls);
        if (id < 0) {
            return id;
        }
        st = subtable_new(mask, exact, (unsigned) id);
        int error = st ? subtable_link(cls, st) : -ENOMEM;
        if (error) {
            give_id_back(cls, (unsigned) id);
            if (st) {
                epoch_defer(free, st);
            }
            return error;
        }
    }
    st->refs++;
    *out = st;
    return 0;
}

static void
subtable_unlink(struct classifier *cls, struct subtable *st)
{
    struct subtable **p = &cls->by_mask[mask_hash(cls, &st->mask, st->exact)];
    while (*p != st) {
        p = &(*p)->mask_next;
    }
    *p = st->mask_next;
    cls->n_subtables--;
    if (!st->exact) {
        profile_remove_source(&cls->profiles, st->id);
        classifier_index_remove(cls, st);
    }
}

void
subtable_put(struct classifier *cls, struct subtable *st)
{
    if (--st->refs) {
        return;
    }
    /* by_id goes on pointing here: readers may still hold rules that are gone. */
    subtable_unlink(cls, st);
    rule_table_trim(&st->table);
    give_id_back(cls, st->id);
    epoch_defer(free, st);
}
