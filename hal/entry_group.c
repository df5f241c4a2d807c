/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: entries of one owner with one list of actions. An entry is in one group, by one
 * pair of links, and is found by its owner and by the ports that it outputs to through it.
 *
 * Which list: the one that is wanted, or the one that the device has where nothing is. Where
 * both are there and differ, the entry owes already: nobody needs to find it by what it had. */
#include "hal/entry_private.h"

#include <stdlib.h>

#include "lib/hash.h"

enum { OF_OWNER, OF_LIST };

static bool
is_ingress(const struct entry_store *store, const struct entry *e, uint16_t port)
{
    struct flow_match match;
    entry_get_match(store, e, &match);
    return match.mask.bits.in_port == UINT16_MAX && match.value.in_port == port;
}

/* --- groups in lists of groups ------------------------------------------------------- */

/* Where the group's owner, or its list, or flooding has its first group; NULL: nowhere. */
static uint32_t *
group_head(struct entry_store *store, const struct entry_group *g, unsigned by)
{
    if (by == OF_OWNER) {
        return g->owner ? &store->owners[g->owner].first_group : NULL;
    }
    return g->flood ? &store->flood_groups : g->list ? &store->actions[g->list].first_group : NULL;
}

static void
link_group(struct entry_store *store, uint32_t group, unsigned by)
{
    struct entry_group *g = &store->groups[group];
    uint32_t *head = group_head(store, g, by);
    g->links[by] = (struct entry_links) { head ? *head : 0, 0 };
    if (g->links[by].next) {
        store->groups[*head].links[by].prev = group;
    }
    if (head) {
        *head = group;
    }
}

static void
unlink_group(struct entry_store *store, uint32_t group, unsigned by)
{
    struct entry_group *g = &store->groups[group];
    uint32_t *head = group_head(store, g, by);
    if (g->links[by].next) {
        store->groups[g->links[by].next].links[by].prev = g->links[by].prev;
    }
    if (g->links[by].prev) {
        store->groups[g->links[by].prev].links[by].next = g->links[by].next;
    } else if (head) {
        *head = g->links[by].next;
    }
}

/* --- finding and making them --------------------------------------------------------- */

static uint32_t *
hash_head(const struct entry_store *store, uint32_t owner, uint32_t list, bool flood)
{
    uint64_t hash = hash_word((uint64_t) owner << 32 | list, store->seed + flood);
    return &store->by_group.heads[hash & store->by_group.mask];
}

static uint32_t
find_group(const struct entry_store *store, uint32_t owner, uint32_t list, bool flood)
{
    uint32_t i = *hash_head(store, owner, list, flood);
    while (i && !(store->groups[i].owner == owner && store->groups[i].list == list
                  && store->groups[i].flood == flood)) {
        i = store->groups[i].next_in_hash;
    }
    return i;
}

static void
make_room(struct entry_store *store)
{
    bool grown = false;
    hash_heads_grow(&store->by_group, &grown);
    for (uint32_t i = 1; grown && i < store->n_groups; i++) {
        struct entry_group *g = &store->groups[i];
        if (g->n) {
            uint32_t *head = hash_head(store, g->owner, g->list, g->flood);
            g->next_in_hash = *head;
            *head = i;
        }
    }
}

/* There are never more of them than entries and one, so there is always room. */
static uint32_t
new_group(struct entry_store *store, uint32_t owner, uint32_t list, bool flood)
{
    make_room(store);
    uint32_t i = store->free_group;
    if (i) {
        store->free_group = store->groups[i].next_in_hash;
    } else {
        i = store->n_groups++;
    }
    uint32_t *head = hash_head(store, owner, list, flood);
    store->groups[i] = (struct entry_group) { .owner = owner, .list = list, .flood = flood,
                                              .next_in_hash = *head };
    *head = i;
    store->by_group.n++;
    link_group(store, i, OF_OWNER);
    link_group(store, i, OF_LIST);
    return i;
}

static void
free_group(struct entry_store *store, uint32_t group)
{
    struct entry_group *g = &store->groups[group];
    uint32_t *at = hash_head(store, g->owner, g->list, g->flood);
    while (*at != group) {
        at = &store->groups[*at].next_in_hash;
    }
    *at = g->next_in_hash;
    unlink_group(store, group, OF_OWNER);
    unlink_group(store, group, OF_LIST);
    g->next_in_hash = store->free_group;
    store->free_group = group;
    store->by_group.n--;
}

/* --- entries in groups ------------------------------------------------------------------ */

static void
leave(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    struct entry_group *g = &store->groups[e->group];
    if (e->by_group.prev) {
        store->entries[e->by_group.prev].by_group.next = e->by_group.next;
    } else {
        g->first = e->by_group.next;
    }
    if (e->by_group.next) {
        store->entries[e->by_group.next].by_group.prev = e->by_group.prev;
    }
    if (!--g->n) {
        free_group(store, e->group);
    }
    e->group = 0;
}

static void
join(struct entry_store *store, uint32_t index, uint32_t group)
{
    struct entry *e = &store->entries[index];
    struct entry_group *g = &store->groups[group];
    e->group = group;
    e->by_group = (struct entry_links) { g->first, 0 };
    if (g->first) {
        store->entries[g->first].by_group.prev = index;
    }
    g->first = index;
    g->n++;
}

void
groups_move(struct entry_store *store, uint32_t index, uint32_t owner)
{
    struct entry *e = &store->entries[index];
    const struct entry_group *now = e->group ? &store->groups[e->group] : NULL;
    uint32_t list = e->wanted ? e->wanted : e->has;
    bool flood = e->flags & ENTRY_DEP_FLOOD;
    if (now && now->owner == owner && now->list == list && now->flood == flood) {
        return;
    }
    uint32_t to = 0;
    if (owner || list || flood) {
        to = find_group(store, owner, list, flood);
        to = to ? to : new_group(store, owner, list, flood);
        store->groups[to].n++;           /* it must not go while the other one is left */
    }
    if (e->group) {
        leave(store, index);
    }
    if (to) {
        store->groups[to].n--;
        join(store, index, to);
    }
}

void
entry_regroup(struct entry_store *store, uint32_t index)
{
    const struct entry *e = &store->entries[index];
    groups_move(store, index, e->group ? store->groups[e->group].owner : 0);
}

void
groups_leave(struct entry_store *store, uint32_t index)
{
    if (store->entries[index].group) {
        leave(store, index);
    }
}

bool
groups_init(struct entry_store *store)
{
    bool grown;
    store->groups = pages_reserve((ENTRY_MAX + 2) * sizeof *store->groups);
    store->n_groups = 1;
    return store->groups && hash_heads_grow(&store->by_group, &grown);
}

void
groups_fini(struct entry_store *store)
{
    pages_release(store->groups, (ENTRY_MAX + 2) * sizeof *store->groups);
    free(store->by_group.heads);
}

/* --- walks ---------------------------------------------------------------------------- */

uint32_t
entry_for_each_of_owner(struct entry_store *store, uint16_t bridge, const void *owner,
                        void (*visit)(uint32_t index, void *aux), void *aux)
{
    uint32_t n = 0, o = owners_find(store, bridge, owner);
    for (uint32_t g = o ? store->owners[o].first_group : 0; g; g = store->groups[g].links[OF_OWNER].next) {
        for (uint32_t i = store->groups[g].first; i; i = store->entries[i].by_group.next) {
            visit(i, aux);
            n++;
        }
    }
    return n;
}

struct on_port {
    struct entry_store *store;
    uint16_t bridge, port;
    void (*visit)(uint32_t index, void *aux);
    void *aux;
    uint32_t n_seen;
};

/* Those that come in by the port have been visited. */
static void
walk_group(struct on_port *on, uint32_t group)
{
    for (uint32_t i = on->store->groups[group].first; i; i = on->store->entries[i].by_group.next) {
        const struct entry *e = &on->store->entries[i];
        on->n_seen++;
        if (e->bridge == on->bridge && !is_ingress(on->store, e, on->port)) {
            on->visit(i, on->aux);
        }
    }
}

uint32_t
entry_for_each_on_port(struct entry_store *store, uint16_t bridge, uint16_t port,
                       void (*visit)(uint32_t index, void *aux), void *aux)
{
    struct flow_match from = { .value.in_port = port, .mask.bits.in_port = UINT16_MAX };
    struct on_port on = { store, bridge, port, visit, aux,
                          entry_for_each_overlap(store, bridge, &from, visit, aux) };
    for (uint32_t o = store->outputs_of[port]; o; o = store->outputs[o].next) {
        const struct entry_actions *list = &store->actions[store->outputs[o].list];
        for (uint32_t g = list->bridge == bridge ? list->first_group : 0; g;
             g = store->groups[g].links[OF_LIST].next) {
            walk_group(&on, g);
        }
    }
    for (uint32_t g = store->flood_groups; g; g = store->groups[g].links[OF_LIST].next) {
        const struct entry *first = &store->entries[store->groups[g].first];
        if (first->bridge == bridge) {   /* an owner, or a list, is one bridge's */
            walk_group(&on, g);
        }
    }
    return on.n_seen;
}
