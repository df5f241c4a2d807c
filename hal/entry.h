/* SPDX-License-Identifier: Apache-2.0 */
/* Entries and how they are found: by key, by owner, and by what a change overlaps.
 *
 * A million of them have at most 200 bytes each, so keys are packed, what many share
 * (masks, action lists, owners) is kept once, and links are 32-bit indexes.
 *
 * Finding what a match overlaps takes no scan of the table: entries are chained by class
 * (ingress port, VLAN, ethertype, protocol) and by the value of each of six fields. A match
 * names some of these; the shortest of the chains that it leads to is walked. By owner, and
 * by the ports that they output to, they are found through groups (hal/entry_group.c).
 *
 * Control thread only. */
#ifndef HAL_ENTRY_H
#define HAL_ENTRY_H 1

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/driver.h"

enum {
    ENTRY_NONE = 0,              /* no entry, list, mask, owner: indexes begin at 1 */
    ENTRY_N_CHAINS = 7,
    ENTRY_KEY_WORDS = 5,
};

enum entry_flag {
    ENTRY_USED = 1 << 0,
    ENTRY_QUEUED = 1 << 1,       /* its device has to be told something */
    ENTRY_IN_FLIGHT = 1 << 2,    /* its device was told, and has not answered */
    ENTRY_LIMBO = 1 << 3,        /* found at start: nobody has derived it yet */
    ENTRY_EXACT_RULE = 1 << 4,
    ENTRY_DEP_ADDRESS = 1 << 5,
    ENTRY_DEP_FLOOD = 1 << 6,
    ENTRY_SEEN = 1 << 7,         /* by the comparison that is under way */
    ENTRY_DRAINED = 1 << 15,     /* packets that came before it have left software */
    ENTRY_OLD = 1 << 14,         /* the device had it when that began */
    ENTRY_AGAIN = 1 << 8,        /* derive again once it is out of the device */
    ENTRY_UNKNOWN = 1 << 9,      /* a change failed: the device may or may not have it */
    ENTRY_REFUSED = 1 << 10,     /* see its verdict */
    ENTRY_ADOPT = 1 << 11,       /* its device has yet to be told its cookie */
    ENTRY_WHOLE = 1 << 12,       /* a rule as a whole */
    ENTRY_RULE_GONE = 1 << 13,   /* its rule was deleted: nothing below relies on it */
};

struct entry_links {
    uint32_t next, prev;
};

struct entry {
    uint64_t key[ENTRY_KEY_WORDS];       /* masked; lanes 0 to 3, and the IPv4 addresses */
    union {
        uint64_t handle;                 /* the driver's */
        uint32_t verdict;                /* ENTRY_REFUSED: with the driver's words; 0: none */
    };
    uint64_t packets, bytes;             /* counted by the device, and credited */
    struct entry_links chain[ENTRY_N_CHAINS];
    struct entry_links by_group;
    uint32_t next_in_hash;
    uint32_t group;                      /* of its owner, and its list of actions; 0: none */
    uint32_t wanted, has, sent;          /* lists of actions; 0: no entry in the device */
    uint32_t debt;                       /* sequence number of the barrier; 0: owes nothing */
    uint32_t created_ms, used_ms, read_ms;
    uint32_t pps;
    uint16_t serial;                     /* of the slot: tells its uses apart */
    uint16_t mask;
    uint16_t flags;                      /* enum entry_flag */
    uint16_t priority;
    uint16_t bridge;
    uint8_t device, table;
    uint8_t reason;                      /* why it is not placed; 0 */
    uint8_t in_flight;                   /* enum hal_change_kind */
    uint16_t slot;                       /* of the device's, while in flight */
};
static_assert(sizeof(struct entry) <= 184, "a million entries have 200 bytes each, indexes included");

/* A list of actions that entries share. */
struct entry_actions {
    uint32_t refs, next;
    uint64_t hash;
    struct action_list *list;
    uint32_t first_group;        /* of entries that have it */
    uint32_t first_output;       /* of its outputs */
    uint16_t bridge;
};

struct entry_mask {
    struct flow_mask mask;
    uint32_t refs;
};

/* A rule that entries follow from. */
struct entry_owner {
    void *owner;
    uint64_t cookie;
    uint32_t next;               /* in the hash table; of free ones, the next free */
    uint32_t first_group;        /* 0: none; of free ones too */
    uint16_t bridge;
};

struct entry_store;

/* NULL without memory. */
struct entry_store *entry_store_new(uint64_t seed);
void entry_store_free(struct entry_store *);

/* The entry with this index, which is below entry_limit(). */
struct entry *entry_at(const struct entry_store *, uint32_t index);
uint32_t entry_index(const struct entry_store *, const struct entry *);
/* All indexes that were ever used are below. */
uint32_t entry_limit(const struct entry_store *);
uint32_t entry_count(const struct entry_store *);

/* A new entry for the match, or ENTRY_NONE: no memory, too many masks, or a key that can't
 * be packed (IPv6 addresses). No entry of the bridge has that match yet. */
uint32_t entry_new(struct entry_store *, uint16_t bridge, const struct flow_match *);
void entry_free(struct entry_store *, uint32_t index);
void entry_get_match(const struct entry_store *, const struct entry *, struct flow_match *);

/* The one with exactly this match. */
uint32_t entry_find(const struct entry_store *, uint16_t bridge, const struct flow_match *);
/* One that packets with the key match: of the first table, and there of the highest priority;
 * one that is in its device rather than one that is not. */
uint32_t entry_find_key(const struct entry_store *, uint16_t bridge, const struct flow_key *);

/* Calls visit for each entry of the bridge that some packet of 'match' hits. visit may free
 * the entry it is given, nothing else. Returns how many entries were looked at. */
uint32_t entry_for_each_overlap(struct entry_store *, uint16_t bridge, const struct flow_match *,
                                void (*visit)(uint32_t index, void *aux), void *aux);

/* Some entry of the bridge that 'match' overlaps and that 'is_wanted' says yes to, or ENTRY_NONE. */
uint32_t entry_find_overlap(struct entry_store *, uint16_t bridge, const struct flow_match *,
                            bool (*is_wanted)(const struct entry *, const void *aux),
                            const void *aux);

/* The same for entries whose match names this address, whole, as its dl_dst or its dl_src... */
uint32_t entry_for_each_of_address(struct entry_store *, uint16_t bridge, const uint8_t addr[6],
                                   void (*visit)(uint32_t index, void *aux), void *aux);
/* ... for the entries of an owner... */
uint32_t entry_for_each_of_owner(struct entry_store *, uint16_t bridge, const void *owner,
                                 void (*visit)(uint32_t index, void *aux), void *aux);
/* ... and for those that come in by a port, go out to it, or flood. */
uint32_t entry_for_each_on_port(struct entry_store *, uint16_t bridge, uint16_t port,
                                void (*visit)(uint32_t index, void *aux), void *aux);

/* Sharing, among the entries of one bridge. 0 without memory. */
uint32_t entry_actions_get(struct entry_store *, uint16_t bridge, const struct action_list *);
void entry_actions_ref(struct entry_store *, uint32_t);
void entry_actions_put(struct entry_store *, uint32_t);
const struct action_list *entry_actions_list(const struct entry_store *, uint32_t);

/* Gives the entry an owner (NULL: none). False without memory. */
bool entry_set_owner(struct entry_store *, uint32_t index, void *owner, uint64_t cookie);
const struct entry_owner *entry_owner(const struct entry_store *, const struct entry *);
bool entry_owner_is_used(const struct entry_store *, uint16_t bridge, const void *owner);
/* To be called when 'wanted', 'has' or ENTRY_DEP_FLOOD has changed, before the list that the
 * entry had is put. */
void entry_regroup(struct entry_store *, uint32_t index);

const struct flow_mask *entry_mask(const struct entry_store *, const struct entry *);
/* One more than the number (entry.mask) by which entries have this mask; 0: none has it. */
uint32_t entry_n_masks(const struct entry_store *);
uint32_t entry_mask_find(const struct entry_store *, const struct flow_mask *);

#endif /* hal/entry.h */
