/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/entry.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "hal/entry_private.h"
#include "lib/hash.h"

bool
hash_heads_grow(struct hash_heads *h, bool *grown)
{
    uint32_t size = h->heads ? h->mask + 1 : 0;
    *grown = h->n >= size;
    if (!*grown) {
        return true;
    }
    uint32_t *heads = calloc(size ? size * 2 : 64, sizeof *heads);
    if (!heads) {
        *grown = false;
        return size != 0;        /* it goes on with longer chains */
    }
    free(h->heads);
    h->heads = heads;
    h->mask = (size ? size * 2 : 64) - 1;
    return true;
}

void *
slots_grow(void *slots, uint32_t n, uint32_t *max, size_t size)
{
    if (n < *max) {
        return slots;
    }
    uint32_t wanted = *max ? *max * 2 : 64;
    void *more = realloc(slots, wanted * size);
    *max = more ? wanted : *max;
    return more;
}

void *
pages_reserve(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void
pages_release(void *pages, size_t size)
{
    if (pages) {
        munmap(pages, size);
    }
}

/* --- keys --------------------------------------------------------------------------- */

/* False: there are addresses longer than IPv4's. */
static bool
pack(const struct flow_key *key, uint64_t word[ENTRY_KEY_WORDS])
{
    memcpy(word, key->lane, 4 * sizeof word[0]);
    word[4] = (uint32_t) key->lane[4] | key->lane[6] << 32;
    return !(key->lane[4] >> 32 | key->lane[5] | key->lane[6] >> 32 | key->lane[7]);
}

void
entry_unpack(const struct entry *e, struct flow_key *key)
{
    memcpy(key->lane, e->key, 4 * sizeof e->key[0]);
    key->lane[4] = (uint32_t) e->key[4];
    key->lane[6] = e->key[4] >> 32;
    key->lane[5] = key->lane[7] = 0;
}

static uint32_t
hash_key(const struct entry_store *store, const uint64_t word[ENTRY_KEY_WORDS], uint32_t mask,
         uint16_t bridge)
{
    uint64_t hash = hash_fold(word[0] ^ store->seed, word[1] ^ (mask + UINT64_C(0x9e3779b97f4a7c15)));
    hash ^= hash_fold(word[2] ^ store->seed >> 1, word[3] ^ UINT64_C(0xd6e8feb86659fd93));
    return (uint32_t) (hash_fold(hash ^ bridge, word[4] ^ store->seed << 1) >> 16);
}

static bool
same_key(const struct entry *e, const uint64_t word[ENTRY_KEY_WORDS], uint32_t mask, uint16_t bridge)
{
    return e->mask == mask && e->bridge == bridge && !memcmp(e->key, word, sizeof e->key);
}

static uint32_t *
head_of(const struct entry_store *store, const uint64_t word[ENTRY_KEY_WORDS], uint32_t mask,
        uint16_t bridge)
{
    return &store->by_key[bucket_of(&store->key_buckets, hash_key(store, word, mask, bridge))];
}

static uint32_t
find(const struct entry_store *store, uint16_t bridge, const uint64_t word[ENTRY_KEY_WORDS],
     uint32_t mask)
{
    uint32_t index = *head_of(store, word, mask, bridge);
    while (index && !same_key(&store->entries[index], word, mask, bridge)) {
        index = store->entries[index].next_in_hash;
    }
    return index;
}

static void
link_by_key(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    uint32_t *head = head_of(store, e->key, e->mask, e->bridge);
    e->next_in_hash = *head;
    *head = index;
}

static void
unlink_by_key(struct entry_store *store, uint32_t index)
{
    const struct entry *e = &store->entries[index];
    uint32_t *at = head_of(store, e->key, e->mask, e->bridge);
    while (*at != index) {
        at = &store->entries[*at].next_in_hash;
    }
    *at = e->next_in_hash;
}

static void
make_room_by_key(struct entry_store *store)
{
    if (store->count < store->key_buckets.n || store->key_buckets.n == ENTRY_MAX) {
        return;
    }
    uint32_t from = bucket_add(&store->key_buckets), i = store->by_key[from];
    store->by_key[from] = ENTRY_NONE;
    for (uint32_t next; i; i = next) {
        next = store->entries[i].next_in_hash;
        link_by_key(store, i);
    }
}

/* --- entries ------------------------------------------------------------------------ */

struct entry_store *
entry_store_new(uint64_t seed)
{
    struct entry_store *store = calloc(1, sizeof *store);
    if (!store) {
        return NULL;
    }
    store->seed = seed;
    store->limit = 1;
    store->n_actions = store->n_owners = store->n_classes = store->n_outputs = 1;
    store->entries = pages_reserve(ENTRY_MAX * sizeof *store->entries);
    store->by_key = pages_reserve(ENTRY_MAX * sizeof *store->by_key);
    if (store->entries) {            /* a million are looked at in no order */
        madvise(store->entries, ENTRY_MAX * sizeof *store->entries, MADV_HUGEPAGE);
    }
    store->key_buckets = (struct buckets) { 64, 64 };
    if (!store->entries || !store->by_key || !chains_init(store) || !groups_init(store)
        || !shared_init(store)) {
        entry_store_free(store);
        return NULL;
    }
    return store;
}

void
entry_store_free(struct entry_store *store)
{
    if (store) {
        chains_fini(store);
        groups_fini(store);
        shared_fini(store);
        pages_release(store->by_key, ENTRY_MAX * sizeof *store->by_key);
        pages_release(store->entries, ENTRY_MAX * sizeof *store->entries);
        free(store);
    }
}

struct entry *
entry_at(const struct entry_store *store, uint32_t index)
{
    return &store->entries[index];
}

uint32_t
entry_index(const struct entry_store *store, const struct entry *e)
{
    return (uint32_t) (e - store->entries);
}

uint32_t
entry_limit(const struct entry_store *store)
{
    return store->limit;
}

uint32_t
entry_count(const struct entry_store *store)
{
    return store->count;
}

static uint32_t
take_slot(struct entry_store *store)
{
    uint32_t index = store->free;
    if (index) {
        store->free = store->entries[index].next_in_hash;
    } else if (store->limit < ENTRY_MAX) {
        index = store->limit++;
    }
    return index;
}

static void
give_slot(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    *e = (struct entry) { .serial = (uint16_t) (e->serial + 1), .next_in_hash = store->free };
    store->free = index;
}

uint32_t
entry_new(struct entry_store *store, uint16_t bridge, const struct flow_match *match)
{
    uint64_t word[ENTRY_KEY_WORDS];
    if (!pack(&match->value, word)) {
        return ENTRY_NONE;
    }
    uint32_t mask = masks_get(store, &match->mask);
    if (mask == ENTRY_MAX_MASKS) {
        return ENTRY_NONE;
    }
    uint32_t index = take_slot(store);
    if (!index) {
        masks_put(store, mask);
        return ENTRY_NONE;
    }
    struct entry *e = &store->entries[index];
    *e = (struct entry) { .serial = e->serial, .mask = (uint16_t) mask, .bridge = bridge,
                          .flags = ENTRY_USED };
    memcpy(e->key, word, sizeof e->key);
    if (!chains_add(store, index)) {
        give_slot(store, index);
        masks_put(store, mask);
        return ENTRY_NONE;
    }
    make_room_by_key(store);
    link_by_key(store, index);
    store->count++;
    return index;
}

void
entry_free(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    entry_set_owner(store, index, NULL, 0);
    groups_leave(store, index);
    entry_actions_put(store, e->wanted);
    entry_actions_put(store, e->has);
    entry_actions_put(store, e->sent);
    unlink_by_key(store, index);
    chains_remove(store, index);
    masks_put(store, e->mask);
    give_slot(store, index);
    store->count--;
}

void
entry_get_match(const struct entry_store *store, const struct entry *e, struct flow_match *match)
{
    entry_unpack(e, &match->value);
    match->mask = store->masks[e->mask].mask;
}

const struct flow_mask *
entry_mask(const struct entry_store *store, const struct entry *e)
{
    return &store->masks[e->mask].mask;
}

uint32_t
entry_find(const struct entry_store *store, uint16_t bridge, const struct flow_match *match)
{
    uint64_t word[ENTRY_KEY_WORDS];
    if (!pack(&match->value, word)) {
        return ENTRY_NONE;
    }
    uint32_t mask = entry_mask_find(store, &match->mask);
    return mask ? find(store, bridge, word, mask - 1) : ENTRY_NONE;
}

/* Whether packets of both get 'a' rather than 'b'. */
static bool
comes_first(const struct entry *a, const struct entry *b)
{
    if (!a->has != !b->has) {
        return a->has;
    }
    return a->table < b->table || (a->table == b->table && a->priority > b->priority);
}

uint32_t
entry_find_key(const struct entry_store *store, uint16_t bridge, const struct flow_key *key)
{
    uint32_t best = ENTRY_NONE;
    for (uint32_t i = 0; i < store->n_masks; i++) {
        uint64_t word[ENTRY_KEY_WORDS];
        struct flow_key masked;
        flow_key_mask(key, &store->masks[i].mask, &masked);
        uint32_t index = store->masks[i].refs && pack(&masked, word) ? find(store, bridge, word, i)
                                                                     : ENTRY_NONE;
        if (index && (!best || comes_first(&store->entries[index], &store->entries[best]))) {
            best = index;
        }
    }
    return best;
}
