/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the store of entries. */
#ifndef HAL_ENTRY_PRIVATE_H
#define HAL_ENTRY_PRIVATE_H 1

#include "hal/entry.h"

enum {
    ENTRY_MAX = 1 << 22,
    ENTRY_MAX_MASKS = 1024,
    CHAIN_CLASS = 0,             /* the others are by field */
    CHAIN_FIELDS = ENTRY_N_CHAINS - 1,
    CHAIN_LOAD = 16,             /* entries a head, where values differ */
    CHAIN_MAX = ENTRY_MAX / CHAIN_LOAD,
};

/* Entries with one value of a field, and others whose values hash the same. */
struct chain_head {
    uint32_t first, n;
};

/* How many buckets there are, and which of them a hash leads to. One more at a time, with the
 * entries of one bucket linked anew: nobody waits while a million are. */
struct buckets {
    uint32_t n;
    uint32_t low;                /* the largest power of two that is no larger than n */
};

static inline uint32_t
bucket_of(const struct buckets *b, uint64_t hash)
{
    uint32_t i = (uint32_t) hash & (b->low * 2 - 1);
    return i < b->n ? i : (uint32_t) hash & (b->low - 1);
}

/* Adds the bucket n - 1; returns the one whose entries may belong there from now on. */
static inline uint32_t
bucket_add(struct buckets *b)
{
    uint32_t from = b->n - b->low;
    b->n++;
    b->low *= b->n == b->low * 2 ? 2 : 1;
    return from;
}

/* The chains of one field. */
struct chain_table {
    struct chain_head *heads;    /* reserved addresses */
    struct chain_head wild;      /* of entries that do not look at it */
    struct buckets buckets;
    uint32_t n;
    uint32_t *by_prefix;         /* of an address: entries that look at it, by its first 16 bits */
};

/* Entries of the same ingress port, VLAN, ethertype and protocol, as far as they look. */
struct entry_class {
    struct flow_match match;
    struct chain_head head;      /* n: 0: free */
    uint32_t next;               /* in the hash table; of free ones, the next free */
    uint16_t bridge;
};

/* Entries with the same owner and list of actions. */
struct entry_group {
    uint32_t owner, list;        /* 0: none */
    uint32_t first, n;           /* entries */
    struct entry_links links[2]; /* the owner's other groups; the list's, or those that flood */
    uint32_t next_in_hash;       /* of free ones, the next free */
    bool flood;
};

/* A port that a list outputs to. */
struct entry_output {
    uint32_t list;
    uint32_t next, prev;         /* of the same port; of free ones, the next free */
    uint32_t next_of_list;
    uint16_t port;
};

struct hash_heads {
    uint32_t *heads;
    uint32_t mask;
    uint32_t n;
};

struct entry_store {
    struct entry *entries;       /* reserved addresses; touched as it fills */
    uint32_t limit, count, free; /* 'free' by next_in_hash */
    uint64_t seed;
    uint32_t *by_key;            /* heads; reserved addresses */
    struct buckets key_buckets;

    struct entry_class *classes; /* 0 is not used */
    uint32_t n_classes, max_classes, free_class;
    struct hash_heads by_class;
    struct chain_table fields[CHAIN_FIELDS];

    struct entry_mask masks[ENTRY_MAX_MASKS];
    uint32_t n_masks;            /* none at or above */

    struct entry_actions *actions;
    uint32_t n_actions, max_actions, free_actions;
    struct hash_heads by_list;

    struct entry_owner *owners;
    uint32_t n_owners, max_owners, free_owner;
    struct hash_heads by_owner;

    struct entry_output *outputs;
    uint32_t n_outputs, max_outputs, free_output;
    uint32_t *outputs_of;        /* of each port */

    struct entry_group *groups;  /* reserved addresses */
    uint32_t n_groups, free_group;
    uint32_t flood_groups;
    struct hash_heads by_group;
};

/* --- tables of heads --------------------------------------------------------------- */

/* Makes room for one more; 'moved' is called for nothing: the caller links everything anew
 * when this returns true with *grown set. False without memory, nothing changed. */
bool hash_heads_grow(struct hash_heads *, bool *grown);

/* Room for one more behind 'n' of them: where they are from now on, or NULL without memory: they
 * stay where they are. */
void *slots_grow(void *slots, uint32_t n, uint32_t *max, size_t size);

/* --- memory ------------------------------------------------------------------------ */

/* Zeroed pages that take memory when they are touched. NULL: there are no addresses. */
void *pages_reserve(size_t size);
/* 'pages' may be NULL. */
void pages_release(void *pages, size_t size);

/* --- chains ------------------------------------------------------------------------ */

bool chains_init(struct entry_store *);
/* Puts an entry into its chains. False without memory: it is in none. */
bool chains_add(struct entry_store *, uint32_t index);
void chains_remove(struct entry_store *, uint32_t index);
void chains_fini(struct entry_store *);

/* --- shared things ------------------------------------------------------------------ */

/* An index into masks, with a reference; ENTRY_MAX_MASKS: there are too many. */
uint32_t masks_get(struct entry_store *, const struct flow_mask *);
void masks_put(struct entry_store *, uint32_t);
uint32_t owners_find(const struct entry_store *, uint16_t bridge, const void *owner);
bool shared_init(struct entry_store *);
void shared_fini(struct entry_store *);

/* --- groups -------------------------------------------------------------------------- */

/* Puts the entry where it belongs with that owner. */
void groups_move(struct entry_store *, uint32_t index, uint32_t owner);
void groups_leave(struct entry_store *, uint32_t index);
bool groups_init(struct entry_store *);
void groups_fini(struct entry_store *);

void entry_unpack(const struct entry *, struct flow_key *);

#endif /* hal/entry_private.h */
