/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the HAL, by what a bridge's forwarding entry can say.
 *
 * An entry of the HAL is about one ingress port; one of a bridge is about all ports of a VLAN. So
 * entries of one VLAN and destination are a *group*, and the group *agrees* when an entry of the
 * bridge would do, for every port, what the HAL wants for it: each port sends to the same port, and
 * that port itself sends nowhere (a bridge never sends back). Nothing here knows the kernel.
 *
 * One thread at a time. */
#ifndef DRIVERS_SWITCHDEV_TABLE_H
#define DRIVERS_SWITCHDEV_TABLE_H 1

#include <stdbool.h>
#include <stdint.h>

enum { SWITCHDEV_BUCKETS = 4096 };

enum switchdev_entry_state {
    SWITCHDEV_WAITING,           /* accepted; the HAL has yet to be told what becomes of it */
    SWITCHDEV_THERE,             /* the HAL was told that the device has it */
    SWITCHDEV_LOST,              /* ... which is true no more */
};

enum switchdev_group_state {
    SWITCHDEV_UNWRITTEN,         /* the bridge has no entry */
    SWITCHDEV_ASKED,             /* it has; the device has not said so */
    SWITCHDEV_IN_DEVICE,
};

struct switchdev_entry {
    struct switchdev_entry *next;         /* of the group */
    struct switchdev_group *group;
    uint64_t cookie, handle;
    uint64_t deadline_ms;                 /* while it waits */
    uint16_t in_port, output;             /* output 0: nowhere */
    uint16_t priority;
    uint8_t state;                        /* enum switchdev_entry_state */
};

struct switchdev_group {
    struct switchdev_group *next;         /* of the bucket */
    struct switchdev_group *next_open;
    struct switchdev_entry *entries;
    uint64_t deadline_ms;                 /* while it is asked for */
    uint32_t seen;                        /* the last round of looks in which it was as it should be */
    uint16_t vid, output;                 /* output: of the bridge's entry */
    uint8_t addr[6];
    uint8_t state;                        /* enum switchdev_group_state */
    bool open;                            /* in the list of those that want to be looked at */
};

struct switchdev_table {
    struct switchdev_group *bucket[SWITCHDEV_BUCKETS];
    struct switchdev_group *open;
    struct switchdev_entry **slots;       /* by handle */
    uint32_t n_slots, n_entries, n_groups, n_lost;
    uint32_t free_slot;                   /* where to begin to look for a free one */
    uint32_t serial;                      /* upper half of the next handle */
};

/* Forgets all. */
void switchdev_table_clear(struct switchdev_table *);

/* The group, or NULL: there is none, or ('make') no memory for one. */
struct switchdev_group *switchdev_group_find(struct switchdev_table *, uint16_t vid,
                                             const uint8_t addr[6], bool make);
/* A group without entries that is not written goes; others stay. */
void switchdev_group_release(struct switchdev_table *, struct switchdev_group *);
/* It is to be looked at by the next switchdev_table_take_open(). */
void switchdev_group_open(struct switchdev_table *, struct switchdev_group *);
/* Takes the list of open groups, by next_open; none of them is open any more. */
struct switchdev_group *switchdev_table_take_open(struct switchdev_table *);
/* Each group, in any order; visit may release the group. */
void switchdev_table_each(struct switchdev_table *,
                          void (*visit)(struct switchdev_group *, void *aux), void *aux);

/* A new entry that waits, with a handle. NULL without memory. */
struct switchdev_entry *switchdev_entry_new(struct switchdev_table *, struct switchdev_group *,
                                            uint16_t in_port, uint16_t output);
void switchdev_entry_free(struct switchdev_table *, struct switchdev_entry *);
void switchdev_entry_set_state(struct switchdev_table *, struct switchdev_entry *,
                               enum switchdev_entry_state);
struct switchdev_entry *switchdev_entry_of_port(const struct switchdev_group *, uint16_t in_port);
struct switchdev_entry *switchdev_entry_of_handle(const struct switchdev_table *, uint64_t handle);

/* Whether the group agrees for the ports of the bridge: *output is where to. If not, *odd is a port
 * for which nothing, or something else, is wanted; 0: none of them sends anywhere. */
bool switchdev_group_agrees(const struct switchdev_group *, const uint16_t *ports, unsigned n,
                            uint16_t *output, uint16_t *odd);

#endif /* drivers/switchdev/table.h */
