/* SPDX-License-Identifier: Apache-2.0 */
/* The device of the example driver: what silicon and a vendor's library are elsewhere. Memory
 * of this process, in the packet path: a table of exact matches, a hash look-up for each of a
 * few masks.
 *
 * Packets look entries up while the driver changes them, so a lock stands between: packets
 * take it for reading. The rest is called by one thread at a time. */
#ifndef EXAMPLE_DEVICE_H
#define EXAMPLE_DEVICE_H 1

#include <pthread.h>
#include <stdatomic.h>

#include "hal/driver.h"

enum { DEVICE_ACTIONS = 4, DEVICE_MASKS = 8 };

struct device_entry {
    struct device_entry *next;   /* of the same bucket, or unused too */
    bool used;
    uint64_t cookie;
    struct flow_match match;
    _Atomic uint64_t packets, bytes;
    union { struct action_list list; uint64_t words[1 + DEVICE_ACTIONS]; } actions;
};

struct device_mask {
    struct flow_mask mask;
    uint32_t n_entries;          /* 0: free */
};

struct device_table {
    pthread_rwlock_t lock;
    uint32_t n_entries, capacity;
    struct device_entry *entries, **buckets;     /* 'capacity' of each */
    struct device_entry *unused;
    struct device_mask masks[DEVICE_MASKS];
};

bool device_init(struct device_table *, uint32_t capacity);
void device_fini(struct device_table *);

/* 0 and *handle (from 1 on), or -ENOSPC and *reason. The entry is copied. */
int device_add(struct device_table *, const struct hal_entry *, uint64_t cookie, uint64_t *handle,
               enum hal_reason *reason);
/* Packets get the actions before, or these. */
void device_change(struct device_table *, struct device_entry *, const struct action_list *);
/* When it returns, no packet matches the entry any more, and *final is its last word. */
void device_remove(struct device_table *, struct device_entry *, struct hal_counters *final);

/* The entry in use with this handle; NULL: there is none. */
struct device_entry *device_at(const struct device_table *, uint64_t handle);
struct hal_counters device_counters(const struct device_entry *);

/* What packets with this key match, NULL: nothing. With the lock held for reading, which is
 * also for how long the entry may be used. */
struct device_entry *device_look_up(const struct device_table *, const struct flow_key *);

#endif /* device.h */
