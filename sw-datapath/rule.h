/* SPDX-License-Identifier: Apache-2.0 */
/* A rule: what the classifier finds and the datapath executes.
 *
 * ofagent's flow entry embeds a rule as its last member; the masked key and the
 * counters follow it in the same allocation, so a flow costs one. The key is kept
 * packed: only the lanes in which its subtable's mask has bits.
 *
 * Threads: the control thread makes, publishes, unpublishes and frees (after a grace
 * period) rules. Workers read them between epoch_online() and epoch_quiescent(), and
 * each adds to its own counter slot; the control thread has the last slot. 'actions' is
 * replaced by one pointer store: a packet uses the list before or after, never a mix.
 */
#ifndef SW_DATAPATH_RULE_H
#define SW_DATAPATH_RULE_H 1

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "turnout/action.h"
#include "turnout/flow.h"

/* Rank of a rule without wildcards: above every priority (OpenFlow 1.0, 3.4). */
#define RULE_RANK_EXACT 0x10000u

/* One thread's share of a rule's counters. Written by that thread alone. */
struct rule_slot {
    _Atomic uint64_t packets;
    _Atomic uint64_t bytes;
    _Atomic uint64_t used_ms;    /* clock_ms() of the last packet; 0: never */
};

struct rule {
    _Atomic(struct rule *) next; /* same key, lower rank */
    _Atomic(const struct action_list *) actions;
    uint32_t hash;               /* of the key: its lower half */
    uint16_t subtable;           /* id of its mask's, in its classifier */
    uint8_t n_lanes;             /* 64-bit words of key in 'words' */
    uint8_t n_slots;             /* counter slots behind the key */
    uint32_t published;          /* control thread only: 1 while look-ups can find it */
    uint32_t rank;               /* RULE_RANK_EXACT, or the priority */
    uint64_t words[];            /* key lanes, then n_slots * struct rule_slot */
};

static inline struct rule_slot *
rule_slot(const struct rule *rule, unsigned slot)
{
    return (struct rule_slot *) (uintptr_t) &rule->words[rule->n_lanes] + slot;
}

struct rule_counters {
    uint64_t packets, bytes, used_ms;
};

/* Sums over the slots. Control thread; the rule need not be published. */
void rule_get_counters(const struct rule *, struct rule_counters *);

/* Adds one thread's packets. Only the slot's own thread. */
static inline void
rule_count(const struct rule *rule, unsigned slot, uint64_t packets, uint64_t bytes, uint64_t now_ms)
{
    struct rule_slot *s = rule_slot(rule, slot);
    atomic_store_explicit(&s->packets,
                          atomic_load_explicit(&s->packets, memory_order_relaxed) + packets,
                          memory_order_relaxed);
    atomic_store_explicit(&s->bytes,
                          atomic_load_explicit(&s->bytes, memory_order_relaxed) + bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&s->used_ms, now_ms, memory_order_relaxed);
}

#endif /* sw-datapath/rule.h */
