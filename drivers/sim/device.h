/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated device: its queue of changes, its faults. All in the device's thread, or in ops
 * that are never called beside it, but for what is atomic. */
#ifndef DRIVERS_SIM_DEVICE_H
#define DRIVERS_SIM_DEVICE_H 1

#include "drivers/sim/sim.h"

enum { SIM_QUEUE = 4096, SIM_PORTS = PORT_MAX };

/* What goes wrong next, and how often or until when. */
struct sim_faults {
    uint32_t refuse, lose_ack, ack_only, lose_entry, io_error, idle;
    uint64_t stall_until_ms, late_until_ms;
};

/* A change that was accepted. */
struct sim_pending {
    struct hal_change change;
    struct flow_match match;
    uint64_t actions[1 + SIM_MAX_ACTIONS];   /* a struct action_list */
    uint64_t due_us;
};

struct sim {
    struct hal_host *host;
    struct sim_tables tables;
    struct sim_file *file;
    bool looks_only;             /* the tables were read from a file, for dump() alone */
    struct sim_pending *queue;   /* a ring */
    unsigned head, n;
    uint64_t free_us;            /* when it can begin the next change: the rate */
    uint64_t random;
    struct sim_faults faults;
    uint64_t shown_ms;           /* when counters were last taken for stats() */
    _Atomic bool fenced;
    _Atomic uint8_t ports[SIM_PORTS];   /* 1: ours; 2: fenced */
};

uint32_t sim_random_below(struct sim *, uint32_t n);
unsigned sim_first_table(const struct sim *);

/* --- changes -------------------------------------------------------------------------- */

size_t sim_submit(void *device, const struct hal_change *, size_t n);
int sim_step(void *device);
/* The entry is gone; *final is what it counted. */
void sim_remove_entry(struct sim *, struct sim_entry *, struct hal_counters *final);
/* All entries are gone. */
void sim_remove_all(struct sim *);
/* Forgets the changes that wait. */
void sim_forget_changes(struct sim *);
/* Takes all counters as they are now for stats() to show. */
void sim_take_counters(struct sim *);

/* --- faults --------------------------------------------------------------------------- */

/* True once for each of the fault's occurrences that are due. */
bool sim_happens(uint32_t *count);
/* Rolls the dice of the plan for one change. */
void sim_plan_faults(struct sim *);
void sim_lose_an_entry(struct sim *);
int sim_fault(void *device, const char *what, char *error);

#endif /* drivers/sim/device.h */
