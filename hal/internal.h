/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the HAL share.
 *
 * An entry has what is *wanted* (a list of actions, or nothing), what the device *has* (a
 * list, or nothing), and at most one change on its way between the two. Whatever happens
 * only changes what is wanted; then settle() brings the entry nearer to it. So events may
 * come in any order and as often as they like, and the device ends with what was wanted
 * last. An entry that passes to another rule goes out first and comes in again, so that
 * each rule is credited with its own packets.
 *
 * An entry *owes* while packets may still be forwarded by something that was replaced. A
 * barrier closes the present account of entries that owe, and is over when this account and
 * all before it are paid. */
#ifndef HAL_INTERNAL_H
#define HAL_INTERNAL_H 1

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "hal/entry.h"
#include "hal/hal.h"
#include "hal/place.h"

enum {
    HAL_MAX_DEVICES = 16,
    HAL_MAX_BRIDGES = 1024,
    HAL_WINDOW = 1024,           /* changes on their way to one device */
    HAL_STATS_BATCH = 1000,
    HAL_YIELD_MS = 5000,         /* longest time that counters wait for an audit */
    HAL_TICK_MS = 50,
    HAL_RETRY_MS = 20,
    HAL_DRAIN_MS = 10,           /* an entry waits so long for packets before it to leave */
    HAL_OP_MS = 1000,            /* how long the control thread waits for an op of the device's
                                  * thread to be over */
    HAL_OPEN_MS = 5000,          /* ... for open(), at the start */
    HAL_PROBE_MS = 10000,        /* ... for probe(), at the start; it is HAL_OP_MS later */
    HAL_FENCE_OP_MS = 100,       /* ... before it fences, or shows */
    HAL_STOP_MS = 3000,          /* ... at the end */
    HAL_NO_WHOLE_SLOTS = 1024,
    HAL_REFUSED_MS = 1000,       /* what was refused is not tried again sooner */
    HAL_IDLE_RETRY_MS = 30000,   /* ... nor what its device did not use */
    HAL_FULL_MS = 5000,          /* how long a table is held for full at what it had then */
};

/* --- devices ------------------------------------------------------------------------ */

/* Work for a device's thread, and what becomes of it in the control thread. */
struct hal_job {
    struct hal_job *next;
    void (*run)(struct hal_job *, struct hal_device *);   /* device's thread */
    void (*done)(struct hal_job *, struct hal_device *);  /* control thread; frees it */
};

/* Indexes of entries, first in, first out. */
struct entry_fifo {
    uint32_t *at;
    uint32_t head, n, max;
};

/* False without memory. */
bool fifo_push(struct entry_fifo *, uint32_t index);
/* The oldest, or ENTRY_NONE. */
uint32_t fifo_pop(struct entry_fifo *);

/* What a driver said, on its way to the control thread. */
struct hal_said {
    struct hal_completion *completions;
    size_t n, max;
    uint32_t events;             /* 1 << enum hal_event_kind */
    char why[HAL_WORDS_SIZE];    /* of the latest event */
    bool lost;                   /* no memory for a completion */
    char broken[HAL_WORDS_SIZE]; /* how the driver broke its contract, first; "": it did not */
};

/* A change on its way. */
struct hal_slot {
    struct flow_match match;
    uint64_t sent_ms;
    uint32_t entry;              /* ENTRY_NONE: free */
    uint16_t order;              /* slots[i].order for i >= n_in_flight are the free ones */
};

/* An entry that waits for packets to leave software. */
struct hal_held {
    uint64_t since_ms;
    uint32_t entry, mark;
    uint16_t port;
};

struct hal_device {
    struct hal_host host;        /* first: the driver's handle of us */
    struct hal *hal;
    const struct hal_driver *driver;
    void *state;
    char *options;
    uint8_t index;
    struct hal_caps caps;

    bool in_op;                  /* a thread is in the driver; under 'lock' */
    pthread_cond_t op_ended, call_ended;
    _Atomic uint64_t op_began_ms;    /* the device's thread's; 0: it is in none */
    _Atomic uint64_t sign_ms;        /* when the driver last said host->working() */
    _Atomic uint32_t n_signs;
    pthread_t thread;
    bool threaded;

    pthread_mutex_t lock;        /* guards from here ... */
    pthread_cond_t work;
    bool stop, ended;            /* the thread is to end, and has */
    struct hal_change *submitted;
    size_t n_submitted, max_submitted;
    struct hal_job *jobs, **jobs_tail;
    struct hal_job *finished, **finished_tail;
    struct hal_said said;        /* ... to here */

    struct hal_change *taking;   /* device's thread, holding 'op': what it submits now */
    size_t n_taking, n_taken, max_taking;

    /* Control thread. */
    struct entry_fifo urgent, normal;
    struct hal_held *held;
    uint32_t n_held, max_held;
    struct hal_change out[HAL_SUBMIT_MAX];   /* being put together */
    struct hal_slot *slots;      /* of changes on their way: HAL_WINDOW of them */
    uint32_t n_in_flight;
    uint32_t n_wanted[HAL_MAX_TABLES];       /* entries that it is to have in the end */
    uint32_t entries[HAL_MAX_TABLES], full_at[HAL_MAX_TABLES], n_masks[HAL_MAX_TABLES];
    uint64_t full_ms[HAL_MAX_TABLES];        /* when it last refused one for lack of room */
    uint32_t n_removing;         /* removals on their way */
    uint32_t mask_refs[HAL_MAX_TABLES][1024];
    uint32_t read_hand;          /* whose counters are read next; 0: a round begins */
    uint64_t round_ms;           /* when the round under way began */
    uint64_t counted_ms;         /* when the last one began that is over */
    bool reading, reading_ports;
    bool fenced, gone;
    bool hung;                   /* an op does not return: the driver is left alone for good */
    _Atomic bool bypassed;       /* packets don't go to the driver: it is fenced */
    uint32_t occupied[HAL_MAX_TABLES];       /* by the driver's own count, when last seen */
    enum hal_reason fenced_for;
    char why_fenced[HAL_WORDS_SIZE];
    uint64_t added, changed, removed, refused, lost, repaired, moves, promoted, demoted;
    uint64_t packets;            /* credited to owners */
    struct hal_audit_run *audit; /* NULL: none is under way */
    struct hal_audit_run *audit_next;    /* asked for meanwhile; one at most */
    bool audit_again;            /* losses were told of, and not repaired since */
    uint64_t audited_ms;
    bool has_yielded;            /* the round of the counters under way has waited for an audit */
    uint64_t yielded_ms;         /* when it began to */
    uint32_t n_audits;           /* that were begun */
    uint32_t loss_debt;          /* the account that waits for the losses to be repaired */
    struct hal_said heard;       /* being handled */
};

/* The mailboxes, and the driver's handle of us. */
void device_init(struct hal_device *);
/* Makes the device's thread (unless stepped). 0 or -errno. */
int device_start(struct hal_device *);
/* Ends the thread, if there is one, closes the driver's side ('keep': entries stay), and ends the
 * mailboxes. False: something hangs in the driver; nothing of the device may be freed. */
bool device_fini(struct hal_device *, bool keep);
/* Asks what the device can do; device->caps is that, or as it was. 0, or -errno and *error. */
int device_probe(struct hal_device *, char *error);
/* Closes the driver's side too. False: it hangs, and nothing is freed. */
bool device_free(struct hal_device *, bool keep);
/* Gives changes to the device's thread. False without memory. */
bool device_submit(struct hal_device *, const struct hal_change *, size_t n);
/* Control thread: enters the driver for an op, unless another op is not over within some ms:
 * then false, and *error (HAL_ERROR_SIZE; may be NULL) says so. */
bool device_enter(struct hal_device *, unsigned ms, char *error);
void device_leave(struct hal_device *);
/* The same after a device_call(), if that came to an end. */
void device_leave_unless_hung(struct hal_device *);
/* CLOCK_MONOTONIC in so many ms. */
struct timespec device_deadline(unsigned ms);
/* Waits until the flag, which 'lock' guards, has the value, or so long after the driver last said
 * host->working(), up to HAL_WORKING_MS. Holding 'lock'. */
void device_wait(struct hal_device *, pthread_cond_t *, const bool *flag, bool value, unsigned ms);
/* An op that is called by the control thread, in the device; and what it said. */
struct hal_call {
    void (*run)(struct hal_call *, struct hal_device *);
    const char *op;              /* its name */
    int result;
    char error[HAL_ERROR_SIZE];
    struct hal_port port;
    bool on;                     /* of fence(); 'keep' of close() */
    void *state;                 /* what open() made */
    struct hal_open open;
    struct hal_caps caps;
    uint32_t occupied[HAL_MAX_TABLES];
    char what[HAL_ERROR_SIZE];   /* of fault() */
    struct hal_facts *facts;     /* from describe(): facts_free() them */
};
/* The control thread has entered the driver (or it is fence()). Waits for the op so many ms; without
 * threads, as long as it takes. False: it does not return. Then the device is hung, call->error says
 * so, and the driver must not be left: whoever called fences it. */
bool device_call(struct hal_device *, unsigned ms, struct hal_call *);
enum hal_port_op { HAL_PORT_ADD, HAL_PORT_CHANGE, HAL_PORT_DEL };
struct hal_call call_port(enum hal_port_op, const struct hal_port *);
struct hal_call call_flush(void);
struct hal_call call_fence(bool on);
struct hal_call call_close(bool keep);
struct hal_call call_open(const struct hal_open *);
struct hal_call call_probe(void);
struct hal_call call_occupancy(void);
struct hal_call call_fault(const char *what);
/* NULL facts: there was no memory for them. */
struct hal_call call_describe(void);
void facts_visit(const struct hal_facts *, void (*fact)(const char *name, const char *value, void *aux), void *aux);
void facts_free(struct hal_facts *);
/* Reads device->occupied anew, if it can. */
void device_read_occupancy(struct hal_device *);
/* The driver broke its contract: the control thread will fence it. Any thread. */
void device_broken(struct hal_device *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void device_run_job(struct hal_device *, struct hal_job *);
/* Device's thread, or hal_step(): does what waits. Returns ms until it wants to again. */
int device_work(struct hal_device *);
/* Takes what the driver said and the jobs that are done. */
void device_listen(struct hal_device *, struct hal_said *, struct hal_job **);
/* Forgets the changes that the driver has not taken, and what it completed and nobody has
 * heard. The caller holds 'op'. */
void device_discard(struct hal_device *);

/* --- the whole ---------------------------------------------------------------------- */

struct hal_port_rec {
    struct hal_bridge *bridge;
    struct hal_port port;
    struct hal_device *device;
    struct hal_port_counters said, counted;  /* by the device last; in all */
};

struct hal_bridge {
    struct hal *hal;
    uint16_t id;
    char name[PORT_NAME_SIZE];
    const struct hal_source *source;
    void *aux;
    struct hal_port_rec *ports;  /* ascending by number */
    unsigned n_ports, max_ports;
    struct hal_policy_rule policies[HAL_MAX_POLICIES];
    unsigned n_policies;
    struct flow_match captured;  /* if is_capturing: what stays out of hardware meanwhile */
    bool is_capturing;
    bool is_gone;                /* freed once its last entries are out */
};

/* Entries that owe since the barrier before. */
struct hal_account {
    struct hal_account *next;    /* younger */
    uint32_t number;
    uint32_t n_owed;
    int error;
    void (*done)(void *aux, int error);
    void *aux;
};

/* A guard that is not wanted any more: what it was, and the account that is held for it. */
struct hal_unguarded {
    struct flow_match match;
    uint32_t debt;
    uint16_t bridge, priority;
    uint8_t device, table;
};

/* A whole rule that can't be, as the source was at 'version'. */
struct hal_no_whole {
    uint64_t hash, version, when_ms;
    enum hal_reason reason;
};

struct hal {
    struct hal_config config;
    int event_fd;
    bool held;                               /* hal_hold() */
    bool hung;                               /* a driver is in an op for good: nothing is freed */
    struct entry_store *store;
    struct hal_verdict *verdicts;            /* of refused entries; 0 is not used */
    uint32_t n_verdicts, max_verdicts, free_verdict;
    struct hal_device *devices[HAL_MAX_DEVICES];
    unsigned n_devices;
    struct hal_bridge *bridges[HAL_MAX_BRIDGES];
    const struct hal_driver *drivers[HAL_MAX_DEVICES];
    void *loaded[HAL_MAX_DEVICES];           /* handles of shared objects */
    unsigned n_drivers;
    struct hal_account *oldest, *youngest;
    uint32_t owe_to;                         /* the account that entries owe to; 0: the youngest */
    uint64_t version;                        /* of what the source has said */
    bool has_whole;                          /* there were whole rules: the next are there, too */
    uint32_t *first_waiter, *next_waiter;    /* by entry: those that wait for it */
    struct hal_no_whole *no_whole;
    struct hal_unguarded *unguarded;
    uint32_t n_unguarded, max_unguarded;
    bool unguarded_lost;                     /* there was no memory for one */
    struct hal_suspect *suspects;            /* see hal/idle.c; NULL: there were none */
    uint16_t boot;                           /* in cookies: tells this run's from others' */
    uint64_t tick_ms;
    uint64_t limbo_ends_ms;                  /* 0: not begun */
    uint32_t keep_used_ms;                   /* see hal_keep_while_used() */
    uint32_t moves_left;
    uint64_t moves_ms;
    uint64_t random;
};

/* Wakes whoever runs hal_step(). Any thread. */
void hal_wake(struct hal *);

struct hal_port_rec *bridge_port(const struct hal_bridge *, uint16_t port);

/* --- the engine --------------------------------------------------------------------- */

/* Brings an entry nearer to what is wanted of it; may free it. */
void engine_settle(struct hal *, uint32_t index);
/* Whether nothing has to be done about the entry; and what becomes of it then: one that is
 * nowhere, and has nothing to remember, is freed. */
bool engine_is_at_rest(const struct entry *);
void engine_at_rest(struct hal *, uint32_t index);
/* Sets what is wanted (a reference is taken over), what the device has (one is taken), why it
 * refused (NULL: it did not). */
void engine_set_wanted(struct hal *, struct entry *, uint32_t actions);
void engine_set_has(struct hal_device *, struct entry *, uint32_t actions);
void engine_set_verdict(struct hal *, struct entry *, const struct hal_verdict *);
/* A flow with fewer packets a second does not keep its entry for its rate. */
uint32_t engine_demote_pps(const struct hal *);
/* Derives an entry again, and settles it. */
void engine_rederive(struct hal *, uint32_t index);
/* True if the entry was refused, and it is too early to try again. */
bool engine_is_refused_yet(const struct entry *);
/* Takes over what the entry depends on. */
void engine_note_dependencies(struct entry *, const struct hal_derivation *);
/* The entry leaves its device; 'again': then it is derived and offered again. */
void engine_leave(struct hal *, uint32_t index, bool again, enum hal_reason reason);
/* The entry is to be in no device. 'reason': why. */
void engine_want_nothing(struct hal *, uint32_t index, enum hal_reason reason);
/* Hands out what waits in a device's queues. */
void engine_pump(struct hal_device *);
void engine_complete(struct hal_device *, const struct hal_completion *);
/* Stops a device that does not do what it should. */
void engine_fence(struct hal_device *, enum hal_reason, const char *why);
void engine_check_mute(struct hal_device *, uint64_t now_ms);
void engine_place(struct hal *, uint32_t index, const struct hal_derivation *,
                  struct hal_verdict *verdict);
/* True if the budget for moves is not used up. */
bool engine_may_move(struct hal *);
void engine_count_table(struct hal_device *, const struct entry *, int change);
/* Accounts. False without memory. */
bool accounts_init(struct hal *);
void accounts_fini(struct hal *);
/* The entry owes: to hal->owe_to, if that is set. */
void account_owe(struct hal *, struct entry *);
/* The account (0: none) stays open until account_pay(). */
void account_hold(struct hal *, uint32_t debt);
/* What it owes, of which it is relieved; 0: nothing. */
uint32_t account_take(struct entry *);
/* 'debt' is from account_take(). It may end barriers, whose callbacks may call anything: it
 * comes last, when the entry has left its owner. */
void account_pay(struct hal *, uint32_t debt, int error);

/* The device does not have the entry any more; it is put back. */
void engine_lost(struct hal_device *, uint32_t index);
/* The device lost everything. */
void engine_reset(struct hal_device *);
void engine_probe_again(struct hal_device *);
/* Tries a fenced device again, from nothing. */
void engine_unfence(struct hal_device *);
bool bridge_has_entries(const struct hal *, unsigned bridge);

/* --- whole rules (hal/whole.c) ----------------------------------------------------------------- */

/* Others may rely on the entry. */
static inline bool
whole_is_guard(const struct entry *e)
{
    return e->flags & (ENTRY_WHOLE | ENTRY_EXACT_RULE);
}

/* Packets of both get the guard's, not what has this place. */
static inline bool
whole_outranks(const struct entry *guard, unsigned table, unsigned priority)
{
    return guard->table < table || (guard->table == table && guard->priority > priority);
}

/* Whether all that is above it would be in the device, if the whole rule were in this table. */
bool whole_would_be_guarded(struct hal_bridge *, const struct hal_derivation *,
                            const struct hal_device *, unsigned table);
/* Whether the whole rule, of which the source says this, has all that it needs above it; what is
 * still on its way owes if the device has the rule already. */
bool whole_is_guarded(struct hal *, uint32_t index, const struct hal_derivation *);
/* The entry is not wanted any more: what relied on it goes with the next whole_settle(), which
 * comes before barriers and before changes are handed out. */
void whole_unguard(struct hal *, const struct entry *);
void whole_settle(struct hal *);
/* True if the change has to wait for that of another entry; or if it is not the one any more. */
bool whole_must_wait(struct hal *, uint32_t index, enum hal_change_kind);
/* Who waited for the entry need not. */
void whole_release(struct hal *, uint32_t index);
/* The entry goes, and all that could wait for it. */
void whole_forget(struct hal *, uint32_t index);
/* The device lost the entry: what is below owes until it is back. */
void whole_lost(struct hal *, uint32_t index);
/* True if the entry is in limbo, and a rule's as a whole: *d is what becomes of it. */
bool whole_is_limbo(struct hal *, uint32_t index, struct hal_derivation *);
/* A rule came that overlaps a whole one. */
void whole_rule_above(struct hal *, uint32_t index, const void *owner, uint32_t rank);
/* A rule overlaps an entry in limbo, of whose packets the rule has some, in the source: true if the
 * rule gets them nevertheless, since it is above, in the device too. */
bool whole_stays_in_limbo(struct hal *, uint32_t index, const void *owner, uint32_t rank);
void whole_fini(struct hal *);

/* --- entries that are not used (hal/idle.c) ------------------------------------------------------ */

/* Packets of the entry came to software. */
void idle_offered(struct hal *, uint32_t index);
/* The entry's counters were read. True: it is a suspect, or is on its way out now as idle; if so,
 * nothing else is to be concluded from how few packets it has. */
bool idle_counted(struct hal *, uint32_t index, uint64_t now_ms);
/* An entry that was idle has left its device: it stays, to say why. */
void idle_is_out(struct hal *, uint32_t index);
void idle_fini(struct hal *);

/* --- order (hal/order.c) ----------------------------------------------------------------------- */

/* True if the change waits, for packets that came before it. */
bool order_holds(struct hal_device *, uint32_t index, enum hal_change_kind, uint64_t now_ms);
/* Those that need not wait any more are queued again. */
void order_release(struct hal_device *, uint64_t now_ms);

/* --- policy --------------------------------------------------------------------------------- */

/* What counts for a cookie in a list, and whether two place entries alike. */
const struct hal_policy_rule *hal_policy_in(const struct hal_policy_rule rules[], unsigned n,
                                            uint64_t cookie);
bool hal_policy_same(const struct hal_policy_rule *, const struct hal_policy_rule *);

/* --- placement ------------------------------------------------------------------------------ */

/* Places a derivation, which changes nothing: by capabilities, room and policy, and by the
 * driver's own word. 'at': where the entry is, NULL if it is in no table; 'plan': what else is
 * taken to be in the tables, NULL: nothing. *device is NULL if the ingress port has none.
 * Returns the entry that has to make room, or ENTRY_NONE. */
uint32_t stream_place(struct hal_bridge *, const struct hal_derivation *, uint32_t packets_per_s,
                      const struct entry *at, const struct hal_plan *plan, struct hal_placement *,
                      struct hal_device **device);
/* The same, however busy it is. Returns the entry of that match that is wanted now, or NULL. */
const struct entry *stream_place_anew(struct hal_bridge *, const struct hal_derivation *,
                                      const struct hal_plan *plan, struct hal_placement *,
                                      struct hal_device **device);
/* An entry where it was placed; 'cold' makes room. False without memory. */
bool stream_take_place(struct hal_bridge *, const struct hal_derivation *, struct hal_device *,
                       unsigned table, uint32_t cold);
/* Adds what the plan has put into the device's tables. */
void plan_fill_rooms(const struct hal_plan *, const struct hal_device *, const struct flow_mask *,
                     struct hal_room room[]);

/* --- audit, limbo, display -------------------------------------------------------------- */

void limbo_tick(struct hal *, uint64_t now_ms);
void audit_tick(struct hal_device *, uint64_t now_ms);
/* The device does not answer any more. */
void audit_abandon(struct hal_device *);
/* With the next tick. */
void audit_soon(struct hal_device *);
/* Entries may be lost: it is compared at once if others may rely on those, and barriers wait. */
void audit_losses(struct hal_device *);
/* The device is out of use: nothing is to be repaired. */
void audit_forget_losses(struct hal_device *);
void show_entry(const struct hal *, uint32_t index, struct hal_entry_info *);

/* --- counters ------------------------------------------------------------------------- */

/* Credits what the device counted since the last time. */
void ledger_credit(struct hal *, struct entry *, const struct hal_counters *, uint64_t now_ms);
/* Asks devices for counters, in turn. */
void ledger_tick(struct hal_device *);
/* An audit begins: its reading goes first for a while, once in a round of the counters'. */
void ledger_yield(struct hal_device *);
/* The step to 'now' from *before, which becomes 'now'; a counter that goes back is not believed. */
uint64_t ledger_step(const struct hal_device *, uint64_t *before, uint64_t now);
/* Asks a device for the counters of its ports. */
void port_counters_tick(struct hal_device *);
/* So much more was forwarded by the entry as it is now: counts it for its ports, if its driver does
 * not tell of ports. */
void port_counters_derive(struct hal *, const struct entry *, uint64_t packets, uint64_t bytes);

/* The HAL's name for an entry, as devices keep it. */
static inline uint64_t
hal_cookie(const struct hal *hal, uint32_t index)
{
    return (uint64_t) hal->boot << 48 | (uint64_t) entry_at(hal->store, index)->serial << 32 | index;
}

/* The entry that a cookie names, or ENTRY_NONE: there is none any more. */
static inline uint32_t
hal_entry_of(const struct hal *hal, uint64_t cookie)
{
    uint32_t index = (uint32_t) cookie;
    bool ours = cookie >> 48 == hal->boot && index && index < entry_limit(hal->store);
    const struct entry *e = ours ? entry_at(hal->store, index) : NULL;
    return e && e->flags & ENTRY_USED && e->serial == (uint16_t) (cookie >> 32) ? index : ENTRY_NONE;
}

#endif /* hal/internal.h */
