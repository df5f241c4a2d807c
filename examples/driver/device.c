/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <stdlib.h>

bool
device_init(struct device_table *t, uint32_t capacity)
{
    *t = (struct device_table) { .capacity = capacity };
    t->entries = calloc(capacity, sizeof *t->entries);
    t->buckets = calloc(capacity, sizeof *t->buckets);
    pthread_rwlock_init(&t->lock, NULL);
    for (uint32_t i = capacity; t->entries && i-- > 0;) {
        t->entries[i].next = t->unused;
        t->unused = &t->entries[i];
    }
    return t->entries && t->buckets;
}

void
device_fini(struct device_table *t)
{
    pthread_rwlock_destroy(&t->lock);
    free(t->entries);
    free(t->buckets);
}

static struct device_entry **
bucket_of(const struct device_table *t, const struct flow_key *key)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        hash = (hash ^ key->lane[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return &t->buckets[hash % t->capacity];
}

/* A mask that is there, or, if it is not, a free place; NULL: there is neither. */
static struct device_mask *
find_mask(struct device_table *t, const struct flow_mask *wanted)
{
    struct device_mask *vacant = NULL;
    for (unsigned i = 0; i < DEVICE_MASKS; i++) {
        struct device_mask *mask = &t->masks[i];
        if (!mask->n_entries) {
            vacant = mask;
        } else if (flow_key_equal(&mask->mask.bits, &wanted->bits)) {
            return mask;
        }
    }
    return vacant;
}

static void
set_actions(struct device_entry *e, const struct action_list *list)
{
    e->actions.list.len = list->len;
    memcpy(e->actions.list.actions, list->actions, list->len * sizeof list->actions[0]);
}

int
device_add(struct device_table *t, const struct hal_entry *entry, uint64_t cookie, uint64_t *handle,
           enum hal_reason *reason)
{
    struct device_mask *mask = find_mask(t, &entry->match->mask);
    struct device_entry **bucket = bucket_of(t, &entry->match->value), *e = t->unused;
    if (!e || !mask) {
        *reason = mask ? HAL_REASON_TABLE_FULL : HAL_REASON_TOO_MANY_MASKS;
        return -ENOSPC;
    }
    pthread_rwlock_wrlock(&t->lock);
    t->unused = e->next;
    e->used = true;
    e->cookie = cookie;
    e->match = *entry->match;
    set_actions(e, entry->actions);
    atomic_store(&e->packets, 0);
    atomic_store(&e->bytes, 0);
    e->next = *bucket;
    *bucket = e;
    mask->mask = e->match.mask;
    mask->n_entries++;
    t->n_entries++;
    pthread_rwlock_unlock(&t->lock);
    *handle = (uint64_t) (e - t->entries) + 1;
    return 0;
}

void
device_change(struct device_table *t, struct device_entry *e, const struct action_list *list)
{
    pthread_rwlock_wrlock(&t->lock);
    set_actions(e, list);
    pthread_rwlock_unlock(&t->lock);
}

void
device_remove(struct device_table *t, struct device_entry *e, struct hal_counters *final)
{
    struct device_entry **link = bucket_of(t, &e->match.value);
    pthread_rwlock_wrlock(&t->lock);
    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    e->next = t->unused;
    t->unused = e;
    e->used = false;
    find_mask(t, &e->match.mask)->n_entries--;
    t->n_entries--;
    pthread_rwlock_unlock(&t->lock);
    *final = device_counters(e);
}

struct device_entry *
device_at(const struct device_table *t, uint64_t handle)
{
    struct device_entry *e = handle && handle <= t->capacity ? &t->entries[handle - 1] : NULL;
    return e && e->used ? e : NULL;
}

struct hal_counters
device_counters(const struct device_entry *e)
{
    return (struct hal_counters) { atomic_load(&e->packets), atomic_load(&e->bytes) };
}

struct device_entry *
device_look_up(const struct device_table *t, const struct flow_key *key)
{
    for (unsigned i = 0; i < DEVICE_MASKS; i++) {
        const struct device_mask *mask = &t->masks[i];
        struct flow_key masked;
        if (!mask->n_entries) {
            continue;
        }
        flow_key_mask(key, &mask->mask, &masked);
        for (struct device_entry *e = *bucket_of(t, &masked); e; e = e->next) {
            if (flow_key_equal(&e->match.value, &masked)
                && flow_key_equal(&e->match.mask.bits, &mask->mask.bits)) {
                return e;
            }
        }
    }
    return NULL;
}
