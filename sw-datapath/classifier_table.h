/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of the rules under one mask: one writer, readers that never wait.
 *
 * Extendible hashing: a directory, indexed by the upper bits of the hash, of segments,
 * which are small tables with linear probing. A full segment is split in two, so no
 * insertion ever does work in proportion to the table, and readers never meet a table
 * that is being rebuilt.
 *
 * A slot is a pointer to a rule with 16 bits of the hash in its upper bits, which user
 * addresses do not use. Rules of one key are a chain, by descending rank, whose head is
 * in the slot.
 *
 * Why a reader can't miss a rule that is there throughout: a rule's slot never changes
 * place within its segment; a removed rule leaves a tombstone, so the way to later ones
 * stays unbroken; a tombstone becomes empty only when the next slot is empty, that is
 * when no way leads over it. Split and rebuilt segments are new memory, complete before
 * they are published, and the old ones are frozen until a grace period has passed.
 *
 * All rules of a table have the same number of key words. */
#ifndef SW_DATAPATH_CLASSIFIER_TABLE_H
#define SW_DATAPATH_CLASSIFIER_TABLE_H 1

#include <stddef.h>

#include "sw-datapath/rule.h"

/* Which lanes of a key a rule's words are, in this order. */
struct key_lanes {
    uint8_t n;
    uint8_t index[FLOW_LANES];
};

struct rule_table {
    /* 0: nothing allocated. Else bits 0..47 point to a segment, or to a directory if
     * TABLE_REF_DIRECTORY is set; bits 48..53 are the log2 of its length. */
    _Atomic uint64_t root;
    size_t n_rules;             /* writer only */
};

#define TABLE_REF_DIRECTORY (UINT64_C(1) << 63)
#define TABLE_REF_POINTER ((UINT64_C(1) << 48) - 1)

struct table_segment {
    uint32_t n_slots, n_live, n_used;  /* used: live and tombstones */
    uint32_t depth;                    /* upper bits that all hashes in here share */
    uint64_t zero[6];
    _Atomic uint64_t slot[];           /* begins a cache line */
};

enum { TABLE_SLOT_EMPTY = 0, TABLE_SLOT_TOMBSTONE = 1 };

/* Zeroed memory is an empty table. fini: without readers. The rules are not freed. */
void rule_table_fini(struct rule_table *);

/* Makes sure that one rule of 'hash' can be added. 0 or -ENOMEM. May move all of a
 * segment's rules to new memory. Writer. */
int rule_table_reserve(struct rule_table *, uint64_t hash);

/* Publishes: room must be reserved. Behind rules of its key of a higher or equal rank. */
void rule_table_add(struct rule_table *, struct rule *, uint64_t hash);
/* Readers find one or the other. Same key and rank. */
void rule_table_replace(struct rule_table *, struct rule *old, struct rule *rule, uint64_t hash);
void rule_table_remove(struct rule_table *, struct rule *, uint64_t hash);

/* Gives back all memory of an empty table, once readers have left it. */
void rule_table_trim(struct rule_table *);

/* Calls visit for each rule. It may remove that rule, nothing else. False if visit
 * returned false. Writer. */
bool rule_table_for_each(const struct rule_table *, bool (*visit)(struct rule *, void *aux),
                         void *aux);

/* Number of bytes that the table has allocated. Writer. */
size_t rule_table_size(const struct rule_table *);

static inline uint64_t
table_tag(uint64_t hash)
{
    return (hash >> 48 | 1) << 48;     /* never that of a tombstone or an empty slot */
}

static inline struct rule *
table_slot_rule(uint64_t slot)
{
    return (struct rule *) (uintptr_t) (slot & TABLE_REF_POINTER);
}

/* The segment for 'hash' of a table that is not empty. Readers. */
static inline const struct table_segment *
table_segment_of(uint64_t ref, uint64_t hash, uint32_t *mask)
{
    if (ref & TABLE_REF_DIRECTORY) {
        const _Atomic uint64_t *directory
            = (const _Atomic uint64_t *) (uintptr_t) (ref & TABLE_REF_POINTER);
        unsigned depth = ref >> 48 & 63;
        ref = atomic_load_explicit(&directory[(uint32_t) hash >> (32 - depth)],
                                   memory_order_acquire);
    }
    *mask = (UINT32_C(1) << (ref >> 48 & 63)) - 1;
    return (const struct table_segment *) (uintptr_t) (ref & TABLE_REF_POINTER);
}

/* Where a look-up for 'hash' begins, to prefetch it. NULL if the table is empty. */
static inline const void *
rule_table_home(const struct rule_table *table, uint64_t hash)
{
    uint64_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    if (!root) {
        return NULL;
    }
    uint32_t mask;
    const struct table_segment *segment = table_segment_of(root, hash, &mask);
    return &segment->slot[hash & mask];
}

/* The rule that the first slot with the hash's tag points to, which is prefetched, not read;
 * NULL if there is none. Readers. */
static inline struct rule *
rule_table_guess(const struct rule_table *table, uint64_t hash)
{
    uint64_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    uint32_t mask;
    if (!root) {
        return NULL;
    }
    const struct table_segment *segment = table_segment_of(root, hash, &mask);
    uint64_t tag = table_tag(hash), slot;
    uint32_t i = (uint32_t) hash;
    do {
        slot = atomic_load_explicit(&segment->slot[i++ & mask], memory_order_acquire);
    } while (slot != TABLE_SLOT_EMPTY && (slot & ~TABLE_REF_POINTER) != tag);
    uintptr_t rule = slot & TABLE_REF_POINTER;
    __builtin_prefetch((const void *) (rule + offsetof(struct rule, rank)));
    __builtin_prefetch((const void *) (rule + offsetof(struct rule, words) + 32));
    return (struct rule *) rule;
}

static inline bool
rule_has_key(const struct rule *rule, const struct flow_key *key, const struct key_lanes *lanes)
{
    uint64_t diff = 0;
    for (unsigned i = 0; i < lanes->n; i++) {
        diff |= rule->words[i] ^ key->lane[lanes->index[i]];
    }
    return diff == 0;
}

/* The rule of highest rank with this key, or NULL. Readers. */
static inline struct rule *
rule_table_find(const struct rule_table *table, uint64_t hash, const struct flow_key *key,
                const struct key_lanes *lanes)
{
    uint64_t root = atomic_load_explicit(&table->root, memory_order_acquire);
    if (!root) {
        return NULL;
    }
    uint32_t mask;
    const struct table_segment *segment = table_segment_of(root, hash, &mask);
    uint64_t tag = table_tag(hash);
    for (uint32_t i = (uint32_t) hash; ; i++) {
        uint64_t slot = atomic_load_explicit(&segment->slot[i & mask], memory_order_acquire);
        if (slot == TABLE_SLOT_EMPTY) {
            return NULL;
        }
        if ((slot & ~TABLE_REF_POINTER) == tag && rule_has_key(table_slot_rule(slot), key, lanes)) {
            return table_slot_rule(slot);
        }
    }
}

#endif /* sw-datapath/classifier_table.h */
