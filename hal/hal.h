/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware abstraction layer: which flows are in which device, why, and what they counted.
 *
 * The HAL has devices (a driver's, hal/driver.h) with ports, and *entries*: exact matches
 * derived from somebody's flow table, the *source*. The flow table stays the only truth.
 * The HAL holds for each entry what is wanted and what the device is known to have, side by
 * side, and works on the difference; it never guesses. What an entry was derived from (its
 * owner rule, a learnt address, ports, the bridge's configuration) it keeps in indexes, so
 * that a change finds exactly the entries that depend on it, without a scan.
 *
 * One ordered stream. Everything that the source says (offers, changes, barriers) takes
 * effect in the order of the calls. Entries are derived by asking the source when they are
 * offered and when something that they depend on changes, so no derivation is ever older
 * than a change that overlaps it.
 *
 * A barrier is over when no packet is forwarded in hardware by what calls before it
 * replaced: the entries that the changes overlap are removed or rewritten, the device has
 * said so, and their final counters are credited. A device that stays mute is fenced, which
 * is the same for packets; if even that fails its ports are reported failed and the
 * barrier ends with an error, never with a false yes.
 *
 * Counters. What devices count is credited to the owner in steps that never go back and
 * never count a packet twice; the last step of an entry comes before its barrier.
 *
 * Threads: everything here is called by one thread, the control thread, which also runs
 * the callbacks, from hal_step(); but for hal_process(), which is the packet workers'.
 * Devices work in threads of their own. With 'stepped' there are none: hal_step() does
 * everything, and the same calls give the same run.
 *
 * The library can be used without the daemon: see docs/DRIVER-GUIDE.md.
 */
#ifndef HAL_HAL_H
#define HAL_HAL_H 1

#include "hal/driver.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hal;
struct hal_device;
struct hal_bridge;

/* --- entries as the source derives them ----------------------------------------------- */

/* What an entry depends on, besides its owner and the ports that it names. */
struct hal_depends {
    bool address;                 /* where its dl_src or its dl_dst was learnt */
    bool flood;                   /* every port of the bridge, its flags and state */
};

/* An exact match and what becomes of its packets, as the source is now. */
struct hal_derivation {
    struct flow_match match;      /* a packet's key under a mask made from rules alone */
    const struct action_list *actions; /* outputs are physical ports or IN_PORT: NORMAL, FLOOD
                                        * and ALL are resolved. Copied. NULL: see 'verdict' */
    void *owner;                  /* the rule it follows from; never followed by the HAL */
    uint64_t cookie;              /* the rule's OpenFlow cookie: policies and explain go by it */
    uint16_t priority;
    bool exact_rule;              /* the rule itself has no wildcards: place at once */
    bool is_whole;                /* all that the rule has on the ingress port: place at once, in a
                                   * table with priorities */
    bool has_whole;               /* of a rule that has wildcards: 'whole' is to be asked about */
    struct flow_match whole;      /* by derive_whole() */
    struct hal_depends depends;
    struct hal_verdict verdict;   /* reason 0, or why it can't be in any hardware */
};

/* A rule above another: what an entry for it on the same ingress port matches. */
struct hal_above {
    const struct flow_match *match;
    const void *owner;
};

/* What the HAL asks of the source. Control thread. */
struct hal_source {
    /* Derives the entry for packets with 'key' as the source is now. False: there is no
     * rule for them any more. */
    bool (*derive)(void *aux, const struct flow_key *key, struct hal_derivation *);
    /* Whole rules, which a device's table with priorities may have; NULL, both: there are none.
     * 'whole' is what the entry for a rule with wildcards has to match on one ingress port, all
     * but what no such entry can have (fragments). Derives it as the source is now. False: there
     * is no such rule of that priority. The actions may be made where derive() does not. */
    bool (*derive_whole)(void *aux, const struct flow_match *whole, uint16_t priority,
                         struct hal_derivation *);
    /* Calls visit for each rule that some packet of 'whole' also matches, of this or a higher
     * priority, but for 'owner' itself; until visit returns false. False if it did, or if there
     * are too many rules to tell. */
    bool (*each_above)(void *aux, const struct flow_match *whole, uint16_t priority,
                       const void *owner, bool (*visit)(const struct hal_above *, void *aux2),
                       void *aux2);
    /* Packets that hardware forwarded for the owner since the last credit. used_ms:
     * hal_now_ms() of the last packet, as well as it is known. */
    void (*credit)(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms);
    /* Order: a mark of what waits in software of 'port' now, before anybody looks at it; and whether
     * all that came before the mark has left, or been dropped. NULL, both: nothing ever waits. Not
     * asked about devices in the packet path. */
    uint32_t (*queued)(void *aux, uint16_t port);
    bool (*drained)(void *aux, uint16_t port, uint32_t mark);
    /* Packets of an entry that depends on an address were forwarded, as in credit(). NULL: it
     * does not matter. */
    void (*used)(void *aux, void *owner, const struct flow_match *, uint64_t used_ms);
    /* A device failed in a way that packets of 'port' may be forwarded wrongly: the port
     * must be taken down. */
    void (*port_failed)(void *aux, uint16_t port, const char *why);
};

/* --- life --------------------------------------------------------------------------- */

struct hal_config {
    bool stepped;
    bool read_only;               /* devices are looked at only (hal/look.h): no bridges, no start */
    unsigned n_workers;           /* packet workers that may call hal_process() */
    const char *state_dir;        /* where drivers may keep files; NULL: nowhere */
    uint32_t restart_grace_ms;    /* limbo ends so long after hal_limbo_countdown() */
    uint32_t promote_pps, demote_pps; /* a flow is worth an entry from the one on, and keeps it
                                       * down to the other */
    uint32_t max_moves_per_s;     /* entries that come or go for their traffic; 0: no limit */
};

/* NULL without memory. */
struct hal *hal_new(const struct hal_config *);
/* From now on no change goes to devices: what they have stays, whatever is said about it.
 * Before bridges are freed, when hal_free() is to keep entries. */
void hal_hold(struct hal *);
/* From now on an entry keeps its place as long as it has had a packet within so many ms, however slow
 * its flow is; 0 (as at first): down to demote_pps. Control thread. */
void hal_keep_while_used(struct hal *, uint32_t ms);
/* Closes the devices. 'keep': entries stay in them. What a driver that does not return may still
 * look at is not freed. */
void hal_free(struct hal *, bool keep);
/* Handles what devices said, and what is due by the clock (hal/text.h); without threads it
 * lets the devices work first. Returns the ms until it should be called again at the
 * latest, -1 for "when hal_fd() is readable". */
int hal_step(struct hal *);
/* A descriptor that is readable while hal_step() has something to do. The HAL's own. */
int hal_fd(const struct hal *);

/* Drivers by name: built-in ones, and those of hal_load_driver(). */
const struct hal_driver *hal_find_driver(const struct hal *, const char *name);
void hal_visit_drivers(const struct hal *, void (*visit)(const struct hal_driver *, void *), void *);
/* Makes a built-in driver known. 0, -EPROTO (another ABI), -EEXIST, -ENOSPC with *error. */
int hal_add_driver(struct hal *, const struct hal_driver *, char *error);
/* Loads a shared object. 0, or -errno with *error (HAL_ERROR_SIZE): no file, no symbol
 * turnout_driver, another ABI, a name that is taken. */
int hal_load_driver(struct hal *, const char *path, char *error);

/* 'name': what follows "--driver", as in "sim:exact=1024,seed=1". Errors: -ENOENT (unknown
 * driver; *error names the valid ones), -EEXIST, what open() said. */
int hal_device_open(struct hal *, const char *name, struct hal_device **, char *error);
struct hal_device *hal_device_find(const struct hal *, const char *driver);
/* Whether the network device was made by a driver (hal_driver.owns_link). */
bool hal_owns_link(const struct hal_bridge *, int ifindex);

/* A source and its ports. */
struct hal_bridge *hal_bridge_new(struct hal *, const char *name, const struct hal_source *,
                                  void *aux);
/* Removes its entries; over when it returns for the source: nothing is called back. */
void hal_bridge_free(struct hal_bridge *);
/* 0, what the driver's port_add() said, or -EEXIST: the bridge, or another with a port on the
 * device, has that number already. */
int hal_port_add(struct hal_bridge *, struct hal_device *, const struct hal_port *, char *error);
void hal_port_del(struct hal_bridge *, uint16_t port);
struct hal_device *hal_port_device(const struct hal_bridge *, uint16_t port);
/* The name of a device's driver, and what the device can do. The device's. */
const char *hal_device_driver(const struct hal_device *);
const struct hal_caps *hal_device_caps(const struct hal_device *);

/* All ports are there: what devices have from before is read, and is in limbo. */
void hal_start(struct hal *);

/* --- policy ------------------------------------------------------------------------- */

enum hal_policy { HAL_PREFER_HW, HAL_REQUIRE_HW, HAL_SW_ONLY, HAL_N_POLICIES };

/* Whether a rule with wildcards goes to a table with priorities as a whole, or exact matches of its
 * flows do as they come. By default the table's capabilities say. */
enum hal_whole { HAL_WHOLE_DEFAULT, HAL_WHOLE_YES, HAL_WHOLE_NO };

/* For the flows whose cookies are 'cookie' in the bits of 'mask', where 'cookie' has no others:
 * mask 0, all of the bridge's; all ones, one cookie's. */
struct hal_policy_rule {
    uint64_t cookie, mask;
    enum hal_policy policy;
    bool allow_uncounted;        /* also in tables without counters */
    enum hal_whole whole_rules;
};

enum { HAL_MAX_POLICIES = 64 };

/* "prefer-hw"; and back, false for what is none. */
const char *hal_policy_name(enum hal_policy);
bool hal_policy_parse(const char *name, enum hal_policy *);

/* The bridge has these from now on: of those that cover a cookie the last counts, and
 * HAL_PREFER_HW if none does. Entries whose policy is another one are derived again, and hold
 * with the next barrier. What has no entry is to be offered by the caller. -ENOSPC: too many. */
int hal_policies_set(struct hal_bridge *, const struct hal_policy_rule rules[], unsigned n);
/* They are the bridge's, until they are set again. */
const struct hal_policy_rule *hal_policies(const struct hal_bridge *, unsigned *n);
/* What counts for a flow with this cookie. */
const struct hal_policy_rule *hal_policy_of(const struct hal_bridge *, uint64_t cookie);

/* --- captures ----------------------------------------------------------------------- */

/* From the next barrier on no packet of 'match' is forwarded in hardware, until another match,
 * or NULL for none, takes its place. */
void hal_capture(struct hal_bridge *, const struct flow_match *match);

/* --- the stream --------------------------------------------------------------------- */

/* Packets with this key were seen so often a second, by software: derives, and places what is worth
 * it. 0: for a rule's sake, no packet was. An entry that should have taken them is watched: see
 * hal/idle.c. Says in *verdict (may be NULL) why not. */
void hal_offer(struct hal_bridge *, const struct flow_key *, uint32_t packets_per_s,
               struct hal_verdict *);

/* The rule that 'whole' names (hal_source.derive_whole) is to have an entry, if a table with
 * priorities takes it, and the policy wants it, and all rules above it that overlap it are in the
 * table, too, or go there before it. True: it has, or will have one; else *verdict (may be NULL) is
 * why not, and its flows are to get exact matches. */
bool hal_offer_whole(struct hal_bridge *, const struct flow_match *whole, uint16_t priority,
                     struct hal_verdict *);
/* The same for what hal_offer_whole() would say now; nothing changes. */
bool hal_check_whole(struct hal_bridge *, const struct flow_match *whole, uint16_t priority,
                     struct hal_verdict *);
/* False: no table of the port's device takes whole rules of flows with the cookie. Cheap. */
bool hal_takes_whole(const struct hal_bridge *, uint16_t port, uint64_t cookie);
/* ... of none, whatever the policy. */
bool hal_has_priorities(const struct hal_bridge *, uint16_t port);
/* Whole rules on the port are of fragments, too (hal_table_caps.fragments). */
bool hal_whole_has_fragments(const struct hal_bridge *, uint16_t port);

/* A rule is in the source, and was offered; rank: its priority, 0x10000 without wildcards. Entries
 * that 'match' overlaps are derived again; whole rules below it stay if it goes to hardware. */
void hal_rule_added(struct hal_bridge *, const void *owner, const struct flow_match *,
                    uint32_t rank);
/* The source has changed; entries that the change overlaps are derived again. Those that
 * 'match' overlaps... */
void hal_changed_match(struct hal_bridge *, const struct flow_match *);
/* ... the same for a removal that was asked for by name, which also ends limbo for what it
 * overlaps ... */
void hal_deleted_match(struct hal_bridge *, const struct flow_match *);
/* ... those of one rule, whose actions changed ... */
void hal_changed_owner(struct hal_bridge *, void *owner);
/* ... or which is gone: it is not derived from any more, but it may still be credited, until
 * a barrier from now on is over or hal_owner_is_used() says no ... */
void hal_owner_gone(struct hal_bridge *, void *owner);
/* ... the same if another rule of the same match and rank is there already ... */
void hal_owner_replaced(struct hal_bridge *, void *owner);
bool hal_owner_is_used(const struct hal_bridge *, const void *owner);
/* ... those to or from an address that moved, was learnt, or is not known any more; those that come in by or go out to a port, which may be new;
 * all, because the fragment mode or the like changed. */
void hal_changed_address(struct hal_bridge *, const uint8_t addr[6]);
void hal_changed_port(struct hal_bridge *, const struct hal_port *);
void hal_changed_config(struct hal_bridge *);

/* Calls 'done' (now or later) when everything said before holds for packets and counters.
 * 'error' is 0, or -EIO: a device failed, see source.port_failed(). */
void hal_barrier(struct hal *, void (*done)(void *aux, int error), void *aux);

/* What devices forwarded until this time (clock_ms()'s) has been credited: they tell late, by
 * hal_table_caps.counter_lag_ms and the time that a round of readings takes (20000 entries a
 * second). The present if nothing is in hardware. */
uint64_t hal_counted_until(const struct hal_bridge *);

/* What devices forwarded by themselves on a port since it was added (hal_driver.port_stats), as
 * late as the counters of entries. Zeros if that is nothing. */
void hal_get_port_counters(const struct hal_bridge *, uint16_t port, struct hal_port_counters *);

/* Whether an entry could be in hardware, however busy it is: the verdict of the tables that it
 * would go to, reason 0 if it is there or one has room, or makes room, for it; nothing
 * changes. What is offered in the same turn gets its place. True if the table that the
 * verdict names is full, so that only busier flows get in. */
bool hal_check(struct hal_bridge *, const struct hal_derivation *, struct hal_verdict *);

/* --- plans ------------------------------------------------------------------------------ */

/* What would become of entries if they were placed now, one after the other; no device is told
 * of it, and nothing changes. */
struct hal_plan;
struct hal_planned {
    const char *device, *table;   /* NULL: software, see the verdict */
    bool there;                   /* it has its place already */
    bool evicts;                  /* an entry that came with traffic would make room */
    struct hal_verdict verdict;
};

/* NULL without memory. It must not outlive the HAL. */
struct hal_plan *hal_plan_new(struct hal *);
void hal_plan_free(struct hal_plan *);
/* Entries of rules without wildcards take their place in the plan; of others, however busy,
 * it is only told where they could go. 'expect': one of those is counted as expected there.
 * False: no memory to remember it. */
bool hal_plan_add(struct hal_plan *, struct hal_bridge *, const struct hal_derivation *,
                  bool expect, struct hal_planned *);
/* A table: entries now, those that the plan adds, how many of those that are there now would
 * have to go for them, and how many more are expected at least, if all get traffic. */
struct hal_plan_table {
    uint32_t now, added, evicted, expected;
};
void hal_plan_visit(const struct hal_plan *, void (*visit)(const char *device,
                    const struct hal_table_caps *, const struct hal_plan_table *, void *aux),
                    void *aux);

/* --- restarts --------------------------------------------------------------------------- */

/* The first controller is there: limbo ends in restart_grace_ms. */
void hal_limbo_countdown(struct hal *);

/* --- packets: drivers in the packet path ---------------------------------------------- */

/* True if the device wants to see packets first. Any thread. */
bool hal_device_in_path(const struct hal_device *);
/* Passes frames through it. Packet workers. */
void hal_process(struct hal_device *, uint16_t port, struct hal_packet packets[], size_t n,
                 bool miss[], struct hal_packet_out *);

/* --- what is where ------------------------------------------------------------------- */

enum hal_state {
    HAL_ABSENT,                   /* wanted in software only: see the verdict */
    HAL_PENDING,                  /* on its way into hardware */
    HAL_IN_HARDWARE,
    HAL_LEAVING,                  /* on its way out, or being rewritten */
    HAL_FAILED,                   /* refused: see the verdict */
    HAL_LIMBO,                    /* found at start, not adopted yet */
    HAL_N_STATES
};

struct hal_entry_info {
    struct flow_match match;
    const struct action_list *actions;   /* valid in the call */
    const char *device, *table;          /* "" if none */
    enum hal_state state;
    struct hal_verdict verdict;
    uint64_t cookie;                     /* of the rule */
    void *owner;
    uint16_t priority;
    bool is_whole;                       /* a rule as a whole; else an exact match */
    uint64_t packets, bytes;             /* in hardware, all its life */
    uint64_t age_ms, used_ms;
    uint32_t packets_per_s;
};

/* Visits entries (of 'bridge' and 'owner', NULL for all) from *position on, until visit
 * returns false; *position is then where to go on. */
void hal_visit(const struct hal *, const struct hal_bridge *, const void *owner, uint64_t *position,
               bool (*visit)(const struct hal_entry_info *, void *aux), void *aux);

/* The entry that packets with 'key' would hit. False: none. */
bool hal_find(const struct hal_bridge *, const struct flow_key *, struct hal_entry_info *);

/* Entries, counted: those of an owner, of a cookie, or all. */
enum { HAL_MAX_REASONS = 64 };
struct hal_selection {
    void *owner;                         /* NULL: of all */
    bool by_cookie;
    uint64_t cookie;
};
struct hal_census {
    uint32_t in_state[HAL_N_STATES];
    uint32_t by_reason[HAL_MAX_REASONS]; /* of those that are not in hardware, by number */
};
/* One pass over all entries, without an owner; some 20 ns for each. */
void hal_count(const struct hal_bridge *, const struct hal_selection *, struct hal_census *);

struct hal_table_info {
    const struct hal_table_caps *caps;
    uint32_t entries, foreign;
};
struct hal_device_info {
    const char *driver, *options;
    const struct hal_caps *caps;
    struct hal_table_info table[HAL_MAX_TABLES];
    uint32_t pending, limbo, failed;
    uint64_t added, changed, removed, refused, lost, repaired, moves;
    uint64_t promoted, demoted;          /* for their traffic; to make room, too */
    uint64_t packets;                    /* forwarded by entries of rules, as far as it was read */
    bool fenced;
    char why_fenced[HAL_WORDS_SIZE];
};
void hal_visit_devices(const struct hal *, void (*visit)(struct hal_device *,
                       const struct hal_device_info *, void *aux), void *aux);

/* How all devices keep up: changes that wait or are on their way, and refusals so far. Cheap. */
struct hal_load {
    uint64_t waiting, refused;
};
void hal_get_load(const struct hal *, struct hal_load *);

/* Compares devices with what is wanted, in steps: 'difference' for each, "missing", "stale",
 * "altered" or "foreign"; then 'done'. 'repair': puts right what is ours. */
void hal_audit(struct hal *, bool repair,
               void (*difference)(const char *kind, const char *device, const struct hal_entry_info *,
                                  void *aux),
               void (*done)(unsigned n_differences, void *aux), void *aux);

/* Misbehaviour on demand (tests): passes 'what' to the driver. */
int hal_fault(struct hal_device *, const char *what, char *error);

#ifdef __cplusplus
}
#endif

#endif /* hal/hal.h */
