/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/classifier_counts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/hash.h"

enum { MIN_SLOTS = 64 };

void
counts_fini(struct counts *c)
{
    free(c->slots);
    *c = (struct counts) { 0 };
}

static uint32_t
home(const struct counts *c, uint64_t key)
{
    return (uint32_t) hash_fold(key, UINT64_C(0x9e3779b97f4a7c15)) & c->mask;
}

/* The slot that has 'key', or the empty one where it belongs. */
static struct count *
slot_of(const struct counts *c, uint64_t key)
{
    uint32_t i = home(c, key);
    while (c->slots[i].key && c->slots[i].key != key) {
        i = (i + 1) & c->mask;
    }
    return &c->slots[i];
}

int
counts_reserve(struct counts *c, uint32_t n)
{
    uint64_t n_slots = c->slots ? (uint64_t) c->mask + 1 : 0;
    uint64_t want = n_slots ? n_slots : MIN_SLOTS;
    while (((uint64_t) c->len + n) * 3 > want * 2) {
        want *= 2;
    }
    if (want == n_slots) {
        return 0;
    }
    struct counts grown = { calloc(want, sizeof *grown.slots), (uint32_t) (want - 1), c->len };
    if (!grown.slots) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < n_slots; i++) {
        if (c->slots[i].key) {
            *slot_of(&grown, c->slots[i].key) = c->slots[i];
        }
    }
    free(c->slots);
    *c = grown;
    return 0;
}

uint64_t
counts_add_n(struct counts *c, uint64_t key, uint64_t n)
{
    struct count *slot = slot_of(c, key);
    c->len += !slot->key;
    slot->key = key;
    slot->n += n;
    return slot->n;
}

uint64_t
counts_add(struct counts *c, uint64_t key)
{
    return counts_add_n(c, key, 1);
}

/* Empties slot i and closes the gap: later members of its cluster that may move
 * nearer to their homes do, so that no look-up stops short. */
static void
close_gap(struct counts *c, uint32_t i)
{
    for (uint32_t j = (i + 1) & c->mask; c->slots[j].key; j = (j + 1) & c->mask) {
        uint32_t distance = (j - home(c, c->slots[j].key)) & c->mask;
        if (distance >= ((j - i) & c->mask)) {
            c->slots[i] = c->slots[j];
            i = j;
        }
    }
    c->slots[i] = (struct count) { 0 };
}

uint64_t
counts_sub(struct counts *c, uint64_t key)
{
    struct count *slot = slot_of(c, key);
    assert(slot->key);
    uint64_t left = --slot->n;
    if (!left) {
        c->len--;
        close_gap(c, (uint32_t) (slot - c->slots));
    }
    return left;
}

uint64_t
counts_get(const struct counts *c, uint64_t key)
{
    return c->slots ? slot_of(c, key)->n : 0;
}
