/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the tc driver share.
 *
 * Each entry of the HAL is one flower filter at the ingress of its port's clsact. The driver
 * keeps a *rule* for each: where the filter is, and what it counted when it was last read. A
 * rule's index is its filter's handle, so a handle is never used twice at a time, on whatever
 * port; after a restart the filters that are found keep theirs.
 *
 * A filter says by the cookie of its first action whose it is (struct tc_cookie); what has none
 * of ours is a stranger's, and is shown, and left alone.
 *
 * Threads: the device's, but for tc_check(), which looks at what does not change. */
#ifndef DRIVERS_TC_TC_H
#define DRIVERS_TC_TC_H 1

#include <assert.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

#include "drivers/tc/exchange.h"
#include "drivers/tc/flower.h"
#include "hal/driver.h"

enum {
    TC_MAX_PORTS = 256,
    TC_MAX_RULES = 1 << 22,
    TC_MAX_TAKEN = 64,
    TC_FENCE_HANDLE = 1,
    TC_EXACT = 0, TC_RULES,      /* tables */
    TC_N_TABLES,
    /* Priorities of ours. Those of tc's own choice are 49152 and downwards, in their order. */
    TC_PRIO_FENCE = 16383,
    TC_PRIO_EXACT = 16384,       /* TC_N_EXACT of them, one for each ethertype */
    TC_N_EXACT = 256,
    TC_N_RULES = 256,            /* of whole rules, in use on a port */
    TC_MAX_PRIOS = TC_N_EXACT + TC_N_RULES,
    TC_PRIO_PROBE = 16640,
    TC_PRIO_RULES = 16641,       /* whole rules: the higher their priority, the lower this */
    TC_PRIO_LAST = 32767,
    TC_RECEIVE_SIZE = 16 << 20,
    TC_LAG_MS = 100,             /* counters are read again after this, at the soonest */
    TC_MAX_LAG_MS = 1000,        /* ... and at the latest, if reading them takes long */
};

enum { TC_MAX_SHAPES = 256 };

/* The cookie of a filter's first action. */
struct tc_cookie {
    uint8_t magic[4];            /* "TRNT" */
    uint8_t version;             /* 1 */
    uint8_t table;               /* bit 0; the others: see rules.c */
    uint8_t priority[2];         /* OpenFlow's, big-endian */
    uint8_t cookie[8];           /* the HAL's, big-endian */
};

/* A filter of ours. */
struct tc_rule {
    uint64_t cookie;             /* the HAL's; 0: free */
    uint64_t packets, bytes;     /* when it was last read; with those of filters that it replaced */
    uint64_t base_packets, base_bytes;
    uint64_t print;              /* tc_print() of what the filter does; 0: not known */
    uint16_t port, prio, protocol;
    bool tagged;                 /* its packets come with a tag */
    bool found;                  /* in the last dump */
    bool is_new;                 /* it was made since */
    bool deleted;                /* with its port; the HAL has not asked for its last counts yet */
};

/* A priority of ours on a port: one protocol each, and from TC_PRIO_RULES on one priority of OpenFlow's. */
struct tc_prio {
    uint16_t prio, protocol, priority;
    uint32_t n;                  /* filters */
};

/* What a device takes into hardware. */
struct tc_abilities {
    uint8_t field[N_FIELDS];     /* enum field_mask_mode */
    uint8_t outputs;             /* HAL_OUTPUT_* */
    bool num_of_vlans;           /* "no tag" can be said of frames of every type */
    uint16_t max_ops;            /* actions of a filter */
    uint32_t actions;            /* 1 << enum action_type */
};

/* What is known of a NIC's driver and can't be found out by trying (drivers/quirks), of which some is never
 * said: actions are left out, or counters come late. 0: nothing. */
struct tc_limits {
    uint16_t max_actions, max_outputs;   /* of an entry */
    uint32_t lag_ms;                     /* of counters */
    bool uncounted;
};

struct tc_port {
    uint16_t no;                 /* 0: free */
    int ifindex;
    char name[PORT_NAME_SIZE];
    uint32_t config;             /* PORT_CONFIG_* */
    char switch_id[2 * 32 + 1];  /* phys_switch_id, hexadecimal; "" if it has none */
    struct tc_prio prio[TC_MAX_PRIOS];
    unsigned n_prios;
    uint16_t taken[TC_MAX_TAKEN];          /* priorities of our range that strangers have */
    unsigned n_taken;
    uint32_t n_foreign;          /* filters */
    bool made_qdisc;
    bool gone;                   /* its device is */
    bool off;                    /* somebody switched hw-tc-offload off */
    bool tried;                  /* 'able' was found out by trying */
    struct tc_abilities able;
    struct tc_limits limits;
};

static_assert(sizeof(struct tc_cookie) == FLOWER_COOKIE_SIZE, "TC_COOKIE_MAX_SIZE");

/* True if the kernel takes a tag out of the frames of a filter of this protocol before it counts
 * their bytes: an outer 802.1ad tag, which OpenFlow 1.0 sees as a type, too. */
static inline bool
tc_is_tagged(uint16_t protocol)
{
    return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

enum tc_mode { TC_SKIP_SW, TC_SKIP_HW };

struct tc {
    struct hal_host *host;
    struct tc_socket *nl;        /* requests */
    struct tc_socket *looks;     /* dumps of a port */
    struct tc_socket *slow;      /* the dump that tc_visit() goes on with */
    struct tc_batch batch;
    struct tc_watch *watch;
    const char *state_dir;       /* NULL: nothing is remembered */
    enum tc_mode mode;
    bool looks_only;
    bool whole_rules;            /* unless a policy says otherwise */
    bool kernel_has_terse, num_of_vlans;
    bool hw_has_header;          /* hardware counts the Ethernet header */
    struct tc_limits limits;     /* of all ports together */
    uint32_t counter_lag_ms;
    struct tc_port ports[TC_MAX_PORTS];
    struct tc_rule *rules;       /* by handle; [0] is none */
    uint32_t n_rules, max_rules; /* n_rules: 1 + the highest that was ever used */
    uint32_t *free;              /* handles that are free below n_rules */
    uint32_t n_free, max_free;
    uint32_t n_used;
    uint64_t read_ms;            /* when the counters were last read; 0: never */
    uint64_t read_for_ms;        /* how long that took */
    uint64_t visit_at;           /* where tc_visit() is; 0: nowhere */
    struct flower_ports view;
    struct flower_filter asked, made;    /* being compared */
    uint64_t n_altered, n_foreign_changes;
    uint64_t shapes[TC_MAX_SHAPES];      /* of filters that the kernel makes as asked; see verify.c */
    uint32_t n_unseen;           /* filters of these shapes, that were not looked at */
    bool in_burst;               /* the watch does not listen to filters; see burst.c */
    bool has_missed;             /* ... and did not, since the ports were read */
    uint64_t burst_ms;           /* when there were last many changes */
    struct tc_abilities able;    /* what all ports take */
    bool tried;                  /* ... which was found out by trying */
};

/* --- ports (ports.c) ---------------------------------------------------------------------------- */

int tc_port_add(void *device, const struct hal_port *, char *error);
int tc_port_change(void *device, const struct hal_port *, char *error);
void tc_port_del(void *device, uint16_t port);
/* NULL: there is none. */
struct tc_port *tc_port_find(struct tc *, uint16_t port);
struct tc_port *tc_port_of_device(struct tc *, int ifindex);
void tc_ports_view(struct tc *);
/* Counts the filters of strangers, and sees which priorities they have. 0 or -errno. */
int tc_look_for_strangers(struct tc *, struct tc_port *);
/* Its filters are gone: forgets the rules. */
void tc_forget_port(struct tc *, const struct tc_port *);
/* -EOPNOTSUPP with the verdict if an output is a port of another switch. */
int tc_check_outputs(const struct tc *, const struct hal_entry *, struct hal_verdict *);

/* --- priorities (prio.c) ---------------------------------------------------------------------------- */

/* The priority for exact filters of a protocol on a port; 0: there are none left. */
uint16_t tc_prio_exact(struct tc_port *, uint16_t protocol);
/* The one for whole rules of a protocol and a priority of OpenFlow's: behind those of higher priority that
 * may match the same packets, and before those of lower; 0: there is none between. */
uint16_t tc_prio_rule(struct tc_port *, uint16_t protocol, uint16_t priority);
/* One filter more, or less, has it. hold() is false if too many are in use. 'priority' is OpenFlow's, of
 * whole rules. */
bool tc_prio_hold(struct tc_port *, uint16_t prio, uint16_t protocol, uint16_t priority);
void tc_prio_release(struct tc_port *, uint16_t prio);
bool tc_prio_is_taken(const struct tc_port *, uint16_t prio);
/* A fence, or what keeps the host's stack from the port's frames: no entry. */
bool tc_is_a_guard(const struct flower_filter *);
/* By its cookie, or a guard. */
bool tc_is_ours(const struct flower_filter *);

bool tc_prio_is_used(const struct tc_port *, uint16_t prio);
/* A filter that is not ours came ('is_there') or went. */
void tc_note_stranger(struct tc *, struct tc_port *, const struct flower_filter *, bool is_there);

/* --- what a device can do (probe.c, probe_cache.c) ------------------------------------------------- */

/* Tries what the port takes, with filters that are gone again when it returns, into port->able. 0;
 * -EAGAIN: it takes another port of the same switch to find out; -EOPNOTSUPP: it takes nothing, 'words'
 * (HAL_WORDS_SIZE) are its driver's. *sure: all answers were clear. */
int tc_probe_port(struct tc *, struct tc_port *, bool *sure, char *words);
/* All that tc itself can do. */
void tc_abilities_of_software(struct tc_abilities *);
/* Takes away what one can't do. */
void tc_abilities_both(struct tc_abilities *, const struct tc_abilities *one);
/* What was found before for a device of this kind. */
bool tc_probe_recall(struct tc *, const struct tc_port *, struct tc_abilities *);
void tc_probe_remember(struct tc *, const struct tc_port *);

/* --- rules (rules.c) ------------------------------------------------------------------------------ */

/* A free handle, taken; 0 without memory, or if there are TC_MAX_RULES. */
uint32_t tc_rule_new(struct tc *);
/* Takes this one, for a filter that was found. NULL: it can't be ours. */
struct tc_rule *tc_rule_take(struct tc *, uint32_t handle);
void tc_rule_free(struct tc *, uint32_t handle);
/* The rule that a handle of the HAL's and a cookie name; NULL: there is none. */
struct tc_rule *tc_rule_find(struct tc *, uint64_t handle, uint64_t cookie);
void tc_rules_fini(struct tc *);

/* What is told from the cookie of a filter, besides that it is ours. */
struct tc_identity {
    uint64_t cookie;             /* the HAL's */
    uint8_t table, asked;        /* 'asked' is for tc_restore_match() */
    uint16_t priority;           /* OpenFlow's */
};

void tc_cookie_write(uint8_t cookie[FLOWER_COOKIE_SIZE], uint64_t hal_cookie, const struct hal_entry *);
/* False: a stranger's. */
bool tc_cookie_read(const struct flower_filter *, struct tc_identity *);
bool tc_cookie_is_ours(const uint8_t *cookie, size_t size);
/* Makes of a filter's match the one that the entry had: a filter does not say what its protocol says
 * already (no ports in ARP), and says "no fragment" where ports are looked at. */
void tc_restore_match(const struct tc_identity *, struct flow_match *);
/* A number that two filters have in common if they do the same. Never 0. */
uint64_t tc_print(const struct flower_ops *);

/* --- changes (change.c) --------------------------------------------------------------------------- */

int tc_check(const void *device, const struct hal_entry *, struct hal_verdict *);
size_t tc_submit(void *device, const struct hal_change *, size_t n);
/* Those of a driver and its firmware, as ETHTOOL_GDRVINFO tells. Pure. */
struct tc_limits tc_limits_of(const char *driver, const char *firmware);
/* Makes 'all' those of both. */
void tc_limits_both(struct tc_limits *all, const struct tc_limits *);
int tc_flush(void *device);
/* Removes the filters of a port that are ours. */
void tc_flush_port(struct tc *, struct tc_port *);

/* --- looking at what was made (verify.c) -------------------------------------------------------------- */

/* The shape of the entry's filter if it should be looked at when it is made, otherwise 0. */
uint64_t tc_shape_to_verify(struct tc *, const struct hal_entry *);
/* A filter of this shape was made as asked. 0 does nothing. */
void tc_shape_is_verified(struct tc *, uint64_t shape);

/* --- many changes at once (burst.c) -------------------------------------------------------------------- */

/* So many changes are about to be made. */
void tc_burst_note(struct tc *, size_t n);
/* Does what is due after it; the ms until there is something again, -1: nothing. */
int tc_burst_step(struct tc *);

/* --- looking (look.c) -------------------------------------------------------------------------------- */

int tc_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
             struct hal_counters *out);
int tc_visit(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *),
             void *aux);
/* What a rule's filter counted, and those that it replaced; never less than it was. */
void tc_count(const struct tc *, const struct tc_rule *, const struct flower_stats *,
              struct hal_counters *);
void tc_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES]);
/* Reads what the filters of a port counted, and forgets those that are gone. 0 or -errno. */
int tc_read_port(struct tc *, struct tc_port *);
/* After a burst: reads all ports and sees what others did, unless that was done just now: the ms
 * until it may be done, or -1. */
int tc_catch_up(struct tc *);
/* What a terse dump says of a filter. */
struct tc_reading {
    uint32_t handle;
    uint16_t prio;
    uint8_t cookie_size, cookie[FLOWER_COOKIE_SIZE];
    struct flower_stats stats;
};
/* False: the message is of no filter. What of it is not well-formed is left out. (terse.c) */
bool tc_read_terse(const struct nlmsghdr *, struct tc_reading *);
/* Visits the filters at a port's ingress. 0 or -errno. */
int tc_look_at_port(struct tc *, const struct tc_port *, bool terse,
                    bool (*visit)(void *aux, const struct flower_filter *), void *aux);

/* --- without a daemon (around.c) ---------------------------------------------------------------------- */

/* Makes a port of each device whose ingress takes filters, and counts those. 0 or -errno. */
int tc_look_around(struct tc *);
/* The filter that keeps the host's stack from a port's frames (lib/netdev/ingress_drop.h). */
bool tc_is_ingress_drop(const struct flower_filter *);

/* --- fences (fence.c) ------------------------------------------------------------------------------- */

int tc_fence(void *device, uint16_t port, bool on);
/* The same for a port that is down, or comes up: waits for it. 0 or -errno. */
int tc_fence_port(struct tc *, const struct tc_port *, bool on);

/* --- what others do (watch.c) -------------------------------------------------------------------------- */

/* NULL with errno set. Not 'threaded': nobody wakes the device's thread. */
struct tc_watch *tc_watch_new(struct tc *, bool threaded);
void tc_watch_free(struct tc_watch *);
/* Looks at what happened since the last call. */
void tc_watch_run(struct tc *, struct tc_watch *);
/* Whether it hears of filters and qdiscs; it does at first. */
void tc_watch_listen(struct tc_watch *, bool);
/* Filters of ours are not there any more, and it was not us. */
void tc_watch_tell_gone(struct tc *, const struct tc_port *);
/* Makes the port's qdisc again if it is gone. */
void tc_watch_mend_qdisc(struct tc *, struct tc_port *);

#endif /* drivers/tc/tc.h */
