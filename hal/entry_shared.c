/* SPDX-License-Identifier: Apache-2.0 */
/* What entries share: masks, lists of actions, owners. */
#include "hal/entry_private.h"

#include <stdlib.h>

#include "lib/hash.h"

/* --- masks --------------------------------------------------------------------------- */

uint32_t
masks_get(struct entry_store *store, const struct flow_mask *mask)
{
    uint32_t free_one = ENTRY_MAX_MASKS;
    for (uint32_t i = store->n_masks; i-- > 0;) {
        if (!store->masks[i].refs) {
            free_one = i;
        } else if (flow_key_equal(&store->masks[i].mask.bits, &mask->bits)) {
            store->masks[i].refs++;
            return i;
        }
    }
    if (free_one == ENTRY_MAX_MASKS && store->n_masks < ENTRY_MAX_MASKS) {
        free_one = store->n_masks++;
    }
    if (free_one < ENTRY_MAX_MASKS) {
        store->masks[free_one] = (struct entry_mask) { *mask, 1 };
    }
    return free_one;
}

uint32_t
entry_mask_find(const struct entry_store *store, const struct flow_mask *mask)
{
    for (uint32_t i = 0; i < store->n_masks; i++) {
        if (store->masks[i].refs && flow_key_equal(&store->masks[i].mask.bits, &mask->bits)) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t
entry_n_masks(const struct entry_store *store)
{
    return store->n_masks;
}

void
masks_put(struct entry_store *store, uint32_t i)
{
    store->masks[i].refs--;
    while (store->n_masks && !store->masks[store->n_masks - 1].refs) {
        store->n_masks--;
    }
}

/* --- lists of actions ------------------------------------------------------------------ */

static uint64_t
hash_list(const struct entry_store *store, uint16_t bridge, const struct action_list *list)
{
    uint64_t hash = store->seed ^ list->len ^ (uint64_t) bridge << 32;
    for (uint32_t i = 0; i < list->len; i++) {
        uint64_t word;
        memcpy(&word, &list->actions[i], sizeof word);
        hash = hash_fold(hash ^ UINT64_C(0x9e3779b97f4a7c15), word ^ store->seed) ^ hash >> 7;
    }
    return hash_word(hash, store->seed);
}

static size_t
list_size(const struct action_list *list)
{
    return sizeof *list + list->len * sizeof list->actions[0];
}

static bool
make_room_for_list(struct entry_store *store)
{
    bool grown;
    void *more = store->actions;
    if (!store->free_actions) {
        more = slots_grow(more, store->n_actions, &store->max_actions, sizeof *store->actions);
    }
    if (!more) {
        return false;
    }
    store->actions = more;
    if (!hash_heads_grow(&store->by_list, &grown)) {
        return false;
    }
    for (uint32_t i = 1; grown && i < store->n_actions; i++) {
        if (store->actions[i].refs) {
            uint32_t *head = &store->by_list.heads[store->actions[i].hash & store->by_list.mask];
            store->actions[i].next = *head;
            *head = i;
        }
    }
    return true;
}

static bool
make_room_for_outputs(struct entry_store *store, uint32_t n)
{
    if (store->n_outputs + n > store->max_outputs) {
        uint32_t max = (store->n_outputs + n) * 2;
        void *more = realloc(store->outputs, max * sizeof *store->outputs);
        if (!more) {
            return false;
        }
        store->outputs = more;
        store->max_outputs = max;
    }
    return true;
}

static void
add_output(struct entry_store *store, uint32_t list, uint16_t port)
{
    uint32_t *first = &store->actions[list].first_output, *head = &store->outputs_of[port];
    for (uint32_t o = *first; o; o = store->outputs[o].next_of_list) {
        if (store->outputs[o].port == port) {
            return;
        }
    }
    uint32_t o = store->free_output;
    if (o) {
        store->free_output = store->outputs[o].next;
    } else {
        o = store->n_outputs++;
    }
    store->outputs[o] = (struct entry_output) { list, *head, 0, *first, port };
    if (*head) {
        store->outputs[*head].prev = o;
    }
    *first = *head = o;
}

static void
index_outputs(struct entry_store *store, uint32_t list, const struct action_list *from)
{
    for (uint32_t i = 0; i < from->len; i++) {
        const struct action *a = &from->actions[i];
        if (a->type == ACTION_OUTPUT) {
            add_output(store, list, a->output.port);
        } else if (a->type == ACTION_ENQUEUE) {
            add_output(store, list, a->enqueue.port);
        }
    }
}

static void
forget_outputs(struct entry_store *store, uint32_t list)
{
    for (uint32_t o = store->actions[list].first_output, next; o; o = next) {
        struct entry_output *out = &store->outputs[o];
        next = out->next_of_list;
        if (out->next) {
            store->outputs[out->next].prev = out->prev;
        }
        if (out->prev) {
            store->outputs[out->prev].next = out->next;
        } else {
            store->outputs_of[out->port] = out->next;
        }
        out->next = store->free_output;
        store->free_output = o;
    }
}

static uint32_t
new_list(struct entry_store *store, uint16_t bridge, const struct action_list *list, uint64_t hash)
{
    struct action_list *copy = malloc(list_size(list));
    if (!copy || !make_room_for_list(store) || !make_room_for_outputs(store, list->len)) {
        free(copy);
        return 0;
    }
    memcpy(copy, list, list_size(list));
    uint32_t i = store->free_actions;
    if (i) {
        store->free_actions = store->actions[i].next;
    } else {
        i = store->n_actions++;
    }
    uint32_t *head = &store->by_list.heads[hash & store->by_list.mask];
    store->actions[i] = (struct entry_actions) { .refs = 1, .next = *head, .hash = hash,
                                                 .list = copy, .bridge = bridge };
    *head = i;
    index_outputs(store, i, copy);
    store->by_list.n++;
    return i;
}

uint32_t
entry_actions_get(struct entry_store *store, uint16_t bridge, const struct action_list *list)
{
    uint64_t hash = hash_list(store, bridge, list);
    uint32_t i = store->by_list.heads ? store->by_list.heads[hash & store->by_list.mask] : 0;
    for (; i; i = store->actions[i].next) {
        const struct entry_actions *a = &store->actions[i];
        if (a->hash == hash && a->bridge == bridge && a->list->len == list->len
            && !memcmp(a->list->actions, list->actions, list->len * sizeof list->actions[0])) {
            store->actions[i].refs++;
            return i;
        }
    }
    return new_list(store, bridge, list, hash);
}

void
entry_actions_ref(struct entry_store *store, uint32_t i)
{
    if (i) {
        store->actions[i].refs++;
    }
}

void
entry_actions_put(struct entry_store *store, uint32_t i)
{
    if (!i || --store->actions[i].refs) {
        return;
    }
    uint32_t *at = &store->by_list.heads[store->actions[i].hash & store->by_list.mask];
    while (*at != i) {
        at = &store->actions[*at].next;
    }
    *at = store->actions[i].next;
    forget_outputs(store, i);
    free(store->actions[i].list);
    store->actions[i].list = NULL;
    store->actions[i].next = store->free_actions;
    store->free_actions = i;
    store->by_list.n--;
}

const struct action_list *
entry_actions_list(const struct entry_store *store, uint32_t i)
{
    return i ? store->actions[i].list : NULL;
}

/* --- owners ---------------------------------------------------------------------------- */

static uint32_t *
owner_head(const struct entry_store *store, uint16_t bridge, const void *owner)
{
    return &store->by_owner.heads[hash_word((uintptr_t) owner + bridge, store->seed)
                                  & store->by_owner.mask];
}

uint32_t
owners_find(const struct entry_store *store, uint16_t bridge, const void *owner)
{
    uint32_t i = store->by_owner.heads ? *owner_head(store, bridge, owner) : 0;
    while (i && !(store->owners[i].owner == owner && store->owners[i].bridge == bridge)) {
        i = store->owners[i].next;
    }
    return i;
}

static bool
make_room_for_owner(struct entry_store *store)
{
    bool grown;
    void *more = store->owners;
    if (!store->free_owner) {
        more = slots_grow(more, store->n_owners, &store->max_owners, sizeof *store->owners);
    }
    if (!more) {
        return false;
    }
    store->owners = more;
    if (!hash_heads_grow(&store->by_owner, &grown)) {
        return false;
    }
    for (uint32_t i = 1; grown && i < store->n_owners; i++) {
        if (store->owners[i].owner) {
            uint32_t *head = owner_head(store, store->owners[i].bridge, store->owners[i].owner);
            store->owners[i].next = *head;
            *head = i;
        }
    }
    return true;
}

static uint32_t
new_owner(struct entry_store *store, uint16_t bridge, void *owner, uint64_t cookie)
{
    if (!make_room_for_owner(store)) {
        return 0;
    }
    uint32_t i = store->free_owner;
    if (i) {
        store->free_owner = store->owners[i].next;
    } else {
        i = store->n_owners++;
    }
    uint32_t *head = owner_head(store, bridge, owner);
    store->owners[i] = (struct entry_owner) { owner, cookie, *head, 0, bridge };
    *head = i;
    store->by_owner.n++;
    return i;
}

/* Frees it if no entry has it any more. */
static void
leave_owner(struct entry_store *store, uint32_t i)
{
    struct entry_owner *owner = &store->owners[i];
    if (!i || owner->first_group) {
        return;
    }
    uint32_t *at = owner_head(store, owner->bridge, owner->owner);
    while (*at != i) {
        at = &store->owners[*at].next;
    }
    *at = owner->next;
    owner->owner = NULL;
    owner->next = store->free_owner;
    store->free_owner = i;
    store->by_owner.n--;
}

bool
entry_set_owner(struct entry_store *store, uint32_t index, void *owner, uint64_t cookie)
{
    const struct entry *e = &store->entries[index];
    uint32_t before = e->group ? store->groups[e->group].owner : 0, i = 0;
    if (owner) {
        i = owners_find(store, e->bridge, owner);
        i = i ? i : new_owner(store, e->bridge, owner, cookie);
        if (!i) {
            return false;
        }
        store->owners[i].cookie = cookie;
    }
    groups_move(store, index, i);
    if (before != i) {
        leave_owner(store, before);
    }
    return true;
}

const struct entry_owner *
entry_owner(const struct entry_store *store, const struct entry *e)
{
    uint32_t i = e->group ? store->groups[e->group].owner : 0;
    return i ? &store->owners[i] : NULL;
}

bool
entry_owner_is_used(const struct entry_store *store, uint16_t bridge, const void *owner)
{
    return owners_find(store, bridge, owner) != 0;
}

bool
shared_init(struct entry_store *store)
{
    store->outputs_of = calloc(UINT16_MAX + 1, sizeof *store->outputs_of);
    return store->outputs_of;
}

void
shared_fini(struct entry_store *store)
{
    for (uint32_t i = 1; i < store->n_actions; i++) {
        if (store->actions[i].refs) {
            free(store->actions[i].list);
        }
    }
    free(store->actions);
    free(store->by_list.heads);
    free(store->owners);
    free(store->by_owner.heads);
    free(store->outputs);
    free(store->outputs_of);
}
