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
};

/* Entries with one value of a field, and others whose values hash the same. */
struct chain_head {
    uint32_t first, n;
};

/* The chains of one field. The last bucket is for entries that do not look at it. */
struct chain_table {
    struct chain_head *heads;
    uint32_t mask;               /* buckets less one; 'heads' has one more */
    uint32_t n;
};

/* Entries of the same ingress port, VLAN, ethertype and protocol, as far as they look. */
struct entry_class {
    struct flow_match match;
    struct chain_head head;
    uint16_t bridge;
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
    struct hash_heads by_key;

    struct entry_class *classes;
    uint32_t n_classes, max_classes;
    struct chain_table fields[CHAIN_FIELDS];

    struct entry_mask masks[ENTRY_MAX_MASKS];
    uint32_t n_masks;            /* none at or above */

    struct entry_actions *actions;
    uint32_t n_actions, max_actions, free_actions;
    struct hash_heads by_list;

    struct entry_owner *owners;
    uint32_t n_owners, max_owners, free_owner;
    struct hash_heads by_owner;
};

/* --- tables of heads --------------------------------------------------------------- */

/* Makes room for one more; 'moved' is called for nothing: the caller links everything anew
 * when this returns true with *grown set. False without memory, nothing changed. */
bool hash_heads_grow(struct hash_heads *, bool *grown);

/* --- chains ------------------------------------------------------------------------ */

/* Puts an entry into its chains. False without memory: it is in none. */
bool chains_add(struct entry_store *, uint32_t index);
void chains_remove(struct entry_store *, uint32_t index);
void chains_fini(struct entry_store *);

/* --- shared things ------------------------------------------------------------------ */

/* An index into masks, with a reference; ENTRY_MAX_MASKS: there are too many. */
uint32_t masks_get(struct entry_store *, const struct flow_mask *);
void masks_put(struct entry_store *, uint32_t);
void shared_fini(struct entry_store *);

void entry_unpack(const struct entry *, struct flow_key *);

#endif /* hal/entry_private.h */
