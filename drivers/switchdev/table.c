/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/switchdev/table.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_SLOTS = 256 };

static uint32_t
bucket_of(uint16_t vid, const uint8_t addr[6])
{
    uint64_t key = vid;
    for (unsigned i = 0; i < 6; i++) {
        key = key << 8 | addr[i];
    }
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t) (key >> 52);
}

/* --- groups -------------------------------------------------------------------------------- */

struct switchdev_group *
switchdev_group_find(struct switchdev_table *t, uint16_t vid, const uint8_t addr[6], bool make)
{
    struct switchdev_group **bucket = &t->bucket[bucket_of(vid, addr)];
    struct switchdev_group *g = *bucket;
    while (g && (g->vid != vid || memcmp(g->addr, addr, sizeof g->addr))) {
        g = g->next;
    }
    if (!g && make && (g = calloc(1, sizeof *g))) {
        g->vid = vid;
        memcpy(g->addr, addr, sizeof g->addr);
        g->next = *bucket;
        *bucket = g;
        t->n_groups++;
    }
    return g;
}

void
switchdev_group_release(struct switchdev_table *t, struct switchdev_group *g)
{
    struct switchdev_group **at = &t->bucket[bucket_of(g->vid, g->addr)];
    if (g->entries || g->state != SWITCHDEV_UNWRITTEN || g->open) {
        return;
    }
    while (*at != g) {
        at = &(*at)->next;
    }
    *at = g->next;
    t->n_groups--;
    free(g);
}

void
switchdev_group_open(struct switchdev_table *t, struct switchdev_group *g)
{
    if (!g->open) {
        g->open = true;
        g->next_open = t->open;
        t->open = g;
    }
}

struct switchdev_group *
switchdev_table_take_open(struct switchdev_table *t)
{
    struct switchdev_group *first = t->open;
    for (struct switchdev_group *g = first; g; g = g->next_open) {
        g->open = false;
    }
    t->open = NULL;
    return first;
}

void
switchdev_table_each(struct switchdev_table *t, void (*visit)(struct switchdev_group *, void *aux),
                     void *aux)
{
    for (unsigned i = 0; i < SWITCHDEV_BUCKETS; i++) {
        for (struct switchdev_group *g = t->bucket[i], *next; g; g = next) {
            next = g->next;
            visit(g, aux);
        }
    }
}

static void
free_group(struct switchdev_group *g, void *table)
{
    struct switchdev_table *t = table;
    while (g->entries) {
        switchdev_entry_free(t, g->entries);
    }
    g->state = SWITCHDEV_UNWRITTEN;
    switchdev_group_release(t, g);
}

void
switchdev_table_clear(struct switchdev_table *t)
{
    switchdev_table_take_open(t);
    switchdev_table_each(t, free_group, t);
    free(t->slots);
    t->slots = NULL;
    t->n_slots = t->free_slot = 0;
}

/* --- entries -------------------------------------------------------------------------------- */

/* A free slot; n_slots if there is no memory for more. */
static uint32_t
find_slot(struct switchdev_table *t)
{
    uint32_t slot = t->free_slot;
    while (slot < t->n_slots && t->slots[slot]) {
        slot++;
    }
    if (slot == t->n_slots) {
        uint32_t n = t->n_slots ? t->n_slots * 2 : MIN_SLOTS;
        struct switchdev_entry **more = realloc(t->slots, n * sizeof *more);
        if (!more) {
            return t->n_slots;
        }
        memset(more + t->n_slots, 0, (n - t->n_slots) * sizeof *more);
        t->slots = more;
        t->n_slots = n;
    }
    return slot;
}

struct switchdev_entry *
switchdev_entry_new(struct switchdev_table *t, struct switchdev_group *g, uint16_t in_port,
                    uint16_t output)
{
    uint32_t slot = find_slot(t);
    struct switchdev_entry *e = slot < t->n_slots ? calloc(1, sizeof *e) : NULL;
    if (e) {
        e->group = g;
        e->in_port = in_port;
        e->output = output;
        e->handle = (uint64_t) ++t->serial << 32 | slot;
        e->next = g->entries;
        g->entries = e;
        t->slots[slot] = e;
        t->free_slot = slot + 1;
        t->n_entries++;
    }
    return e;
}

void
switchdev_entry_free(struct switchdev_table *t, struct switchdev_entry *e)
{
    struct switchdev_entry **at = &e->group->entries;
    uint32_t slot = (uint32_t) e->handle;
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    t->slots[slot] = NULL;
    t->free_slot = slot < t->free_slot ? slot : t->free_slot;
    t->n_entries--;
    t->n_lost -= e->state == SWITCHDEV_LOST;
    free(e);
}

void
switchdev_entry_set_state(struct switchdev_table *t, struct switchdev_entry *e,
                          enum switchdev_entry_state state)
{
    t->n_lost += (state == SWITCHDEV_LOST) - (e->state == SWITCHDEV_LOST);
    e->state = (uint8_t) state;
}

struct switchdev_entry *
switchdev_entry_of_port(const struct switchdev_group *g, uint16_t in_port)
{
    struct switchdev_entry *e = g->entries;
    while (e && e->in_port != in_port) {
        e = e->next;
    }
    return e;
}

struct switchdev_entry *
switchdev_entry_of_handle(const struct switchdev_table *t, uint64_t handle)
{
    uint32_t slot = (uint32_t) handle;
    struct switchdev_entry *e = slot < t->n_slots ? t->slots[slot] : NULL;
    return e && e->handle == handle ? e : NULL;
}

/* --- agreement -------------------------------------------------------------------------------- */

static uint16_t
first_output(const struct switchdev_group *g)
{
    uint16_t output = 0;
    for (const struct switchdev_entry *e = g->entries; e && !output; e = e->next) {
        output = e->state == SWITCHDEV_LOST ? 0 : e->output;
    }
    return output;
}

bool
switchdev_group_agrees(const struct switchdev_group *g, const uint16_t *ports, unsigned n,
                       uint16_t *output, uint16_t *odd)
{
    bool has_output = false;
    *output = first_output(g);
    *odd = 0;
    for (unsigned i = 0; *output && !*odd && i < n; i++) {
        const struct switchdev_entry *e = switchdev_entry_of_port(g, ports[i]);
        has_output = has_output || ports[i] == *output;
        if (!e || e->state == SWITCHDEV_LOST
            || e->output != (ports[i] == *output ? 0 : *output)) {
            *odd = ports[i];
        }
    }
    if (*output && !*odd && !has_output) {
        *odd = *output;
    }
    return *output && !*odd;
}
