/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated ASIC: an exact-match table of buckets and a TCAM, in front of the software
 * datapath on its ports.
 *
 * Packet workers look up without locks; the device's thread changes the tables. Before an entry
 * that was taken out is freed, and its removal acknowledged, that thread waits until every
 * worker has been outside of process(), which is at most a batch: so a removal that is
 * acknowledged is one that no packet can hit.
 *
 * Changes are done in the order of their acceptance, each after the latency, no faster than
 * the rate. With a seed, and stepped, the same calls give the same run. */
#ifndef DRIVERS_SIM_SIM_H
#define DRIVERS_SIM_SIM_H 1

#include <stdalign.h>
#include <stdatomic.h>

#include "hal/driver.h"

enum {
    SIM_EXACT, SIM_TCAM, SIM_N_TABLES,
    SIM_WAYS = 4,                /* entries in a bucket of the exact table */
    SIM_MAX_MASKS = 16,          /* of the exact table: a look-up for each */
    SIM_MAX_ACTIONS = 16,
    SIM_MAX_WORKERS = 64,
    SIM_MAX_TCAM = 4096,
    SIM_MAX_EXACT = 1 << 22,
};

/* What can go wrong. Numbers are of changes, or of ms. */
enum sim_fault {
    SIM_REFUSE,                  /* additions are refused */
    SIM_LOSE_ACK,                /* changes are done, and never completed */
    SIM_ACK_ONLY,                /* changes are completed, and not done: only an audit can tell */
    SIM_LOSE_ENTRY,              /* an entry gets lost with a change; the device says so */
    SIM_LOSE_NOW,                /* entries get lost now */
    SIM_IO_ERROR,                /* additions are done, and reported as failed */
    SIM_IDLE,                    /* entries are added, and shown, and no packet hits them */
    SIM_STALL,                   /* nothing is done for so long */
    SIM_COUNT_LATE,              /* counters stay as they are for so long */
    SIM_RESET,                   /* all is forgotten, what waits too */
    SIM_N_FAULTS
};
enum { SIM_MAX_FAULTS = 1000000 };

extern const char *const sim_fault_names[SIM_N_FAULTS];
/* SIM_N_FAULTS: there is none of that name. */
unsigned sim_fault_find(const char *name, size_t length);
bool sim_fault_is_timed(unsigned fault);

/* Everything that options say. */
struct sim_options {
    uint32_t exact, tcam;        /* entries */
    uint32_t masks;              /* distinct masks of the exact table */
    uint32_t latency_us, rate;   /* of a change; changes a second, 0: no limit */
    uint32_t lag_ms;             /* counters are shown this late */
    uint32_t seed;
    uint32_t max_actions, max_outputs;
    uint32_t faults;             /* percent of the changes that go wrong in some way */
    uint16_t plan[SIM_N_FAULTS]; /* of a thousand changes, so many bring the fault */
    uint8_t counters;            /* enum hal_counter_kind */
    bool file;                   /* the tables are in a file that outlives the process ... */
    char path[256];              /* ... of this name; "": where the HAL says */
    bool changes;                /* HAL_CHANGE is atomic */
    bool rules;                  /* the TCAM gets whole rules by default */
    uint32_t without_fields;     /* 1 << enum field_id */
    uint32_t without_actions;    /* 1 << enum action_type */
};

/* NAME=VALUE,...: 0, or -EINVAL and *error (HAL_ERROR_SIZE). */
int sim_options_parse(const char *text, struct sim_options *, char *error);
extern const char sim_options_help[];

/* --- tables -------------------------------------------------------------------------- */

struct sim_count {
    _Atomic uint64_t packets, bytes;
};

/* An entry. Immutable while workers can see it, but for its counters. */
struct sim_entry {
    uint64_t cookie;
    uint64_t handle;             /* its slot in sim_tables.slots, plus 1 */
    struct flow_match match;
    uint16_t priority;
    uint8_t table, mask;         /* index into sim_tables.masks: exact table */
    _Atomic bool idle;           /* packets miss it */
    struct hal_counters base;    /* counted by what it replaced, or before a restart */
    struct hal_counters shown;   /* what stats() says, with a lag */
    uint32_t place;              /* exact: bucket * SIM_WAYS + way; TCAM: index */
    struct sim_count *counts;    /* a worker each; shared by what replaces it */
    struct action_list *actions; /* SIM_MAX_ACTIONS at most; behind the entry */
};

struct sim_mask {
    struct flow_mask mask;
    uint32_t refs;               /* device's thread */
    _Atomic bool used;
};

struct sim_gate {
    alignas(64) _Atomic uint64_t count;   /* odd: the worker is inside */
};

struct sim_tables {
    struct sim_options options;
    unsigned n_workers;
    uint64_t secret;
    struct sim_mask masks[SIM_MAX_MASKS];
    _Atomic(struct sim_entry *) *exact;   /* buckets of SIM_WAYS */
    uint32_t n_buckets;
    _Atomic(struct sim_entry *) *tcam;    /* by descending priority, then age */
    _Atomic uint32_t n_tcam;
    _Atomic uint32_t tcam_shifts;         /* odd: entries are moving to the front */
    uint32_t n_exact;
    struct sim_entry **slots;    /* by handle */
    uint32_t n_slots, free_hint;
    struct sim_gate gates[SIM_MAX_WORKERS];
};

int sim_tables_init(struct sim_tables *, const struct sim_options *, unsigned n_workers);
void sim_tables_fini(struct sim_tables *);

/* Around a worker's look-ups and the use of what they found. Sequentially consistent. */
void sim_enter(struct sim_tables *, unsigned worker);
void sim_leave(struct sim_tables *, unsigned worker);
/* Waits until every worker has been outside since the call. */
void sim_quiesce(struct sim_tables *);

/* Worker, between sim_enter() and sim_leave(). NULL: a miss. */
struct sim_entry *sim_lookup(const struct sim_tables *, const struct flow_key *);

/* Makes room and puts an entry in. 0 and *entry, or -ENOSPC with *reason, or -ENOMEM. */
int sim_insert(struct sim_tables *, const struct hal_change *, struct sim_entry **entry,
               enum hal_reason *reason);
/* Takes one out of look-ups; not freed. */
void sim_unlink(struct sim_tables *, struct sim_entry *);
/* Puts 'entry' in place of 'old', of the same match: packets get one or the other. */
void sim_replace(struct sim_tables *, struct sim_entry *old, struct sim_entry *entry);
struct sim_entry *sim_entry_new(const struct sim_tables *, const struct hal_entry *, uint64_t cookie);
void sim_entry_free(struct sim_entry *, bool counts_too);
struct sim_entry *sim_by_handle(const struct sim_tables *, uint64_t handle, uint64_t cookie);
void sim_sum(const struct sim_tables *, const struct sim_entry *, struct hal_counters *);

/* --- the file ---------------------------------------------------------------------------- */

struct sim_file;

/* Opens or makes the file; what it has is put into the tables. NULL and *error. */
struct sim_file *sim_file_open(const char *dir, struct sim_tables *, char *error);
void sim_file_close(struct sim_file *);
/* Where the file is: as the options say, or in 'dir'. */
void sim_file_path(const char *dir, const struct sim_options *, char *path, size_t size);
/* Makes tables of what the file has, to be dumped only; nothing is written. The sizes in the options
 * become those of the file. 0, or -errno and *error. */
int sim_file_look(const char *dir, struct sim_options *, struct sim_tables *, char *error);
/* The slot of the entry's handle has what the entry has now, or nothing. */
void sim_file_store(struct sim_file *, const struct sim_tables *, const struct sim_entry *);
void sim_file_clear(struct sim_file *, uint64_t handle);

extern const struct hal_driver sim_driver;

#endif /* drivers/sim/sim.h */
