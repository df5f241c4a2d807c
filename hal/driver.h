/* SPDX-License-Identifier: Apache-2.0 */
/* The contract between the HAL and an offload driver.
 *
 * A driver makes *devices*: sets of ports that forward among themselves, with tables of
 * entries. The HAL decides what goes where; the driver does as it is told, truthfully, and
 * says what it did. A driver is built in, or is a shared object that exports one symbol,
 *
 *     const struct hal_driver turnout_driver = { .abi = HAL_DRIVER_ABI, .name = "acme", ... };
 *
 * The ABI is unstable while its number is 0: a driver works with the HAL that it was built
 * with, and is refused if struct hal_driver has another size. The name is 1 to 31 of a-z, 0-9,
 * _ and -; it is what people write after --driver. A driver includes this header and those
 * under turnout/, nothing else of the project.
 *
 * Threads. Each device has a thread of the HAL's, its *worker*: submit(), stats(), dump()
 * and step() are called by that thread; the other ops by any thread of the HAL's. Two
 * ops of a device are never called at the same time, unless an op says otherwise. A slow
 * device delays nobody but itself. Calls back into the HAL (struct hal_host) may come from any thread of
 * the driver's, also from inside an op.
 *
 * Time. Each op says how long it may take. A driver that needs longer for a change accepts
 * it and completes it later. One that does not complete in time (HAL_COMPLETE_MS) is
 * *mute*: the HAL fences the ports, and takes them down if that fails too. An op whose work grows
 * with the number of entries, such as flush(), says host->working() now and then.
 *
 * Errors are 0 or a negative errno. What each means is said with the op; any other value
 * means that the driver is broken, and fences it off. So does what else is no truth: a
 * completion of a change that is not on its way, more accepted than was offered, an entry of
 * no table. The log says which; what the device counts is not believed when it goes back.
 * Packets are software's from then on.
 *
 * Strangers. A device may hold entries, queues or programs that were not made through the
 * HAL. A driver reports them in dump(), marked foreign, and never changes them.
 */
#ifndef HAL_DRIVER_H
#define HAL_DRIVER_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/capability.h"
#include "hal/verdict.h"
#include "turnout/action.h"
#include "turnout/flow.h"
#include "turnout/port.h"

#define HAL_DRIVER_ABI 0

enum {
    HAL_SUBMIT_MAX = 256,        /* most changes in one submit() */
    HAL_COMPLETE_MS = 2000,      /* a change that was accepted completes within this time */
    HAL_WORKING_MS = 10000,      /* the longest that an op may take that gives signs of life */
    HAL_ERROR_SIZE = 256,
};

/* --- what is said to a driver ----------------------------------------------------- */

/* A port of a device. Owned by the HAL, valid in the call. */
struct hal_port {
    uint16_t no;                 /* as in flow_key.in_port and in output actions; host order;
                                  * no other port of the device has it, whatever its bridge */
    char name[PORT_NAME_SIZE];   /* the network device */
    int ifindex;                 /* 0: none, the driver's own */
    uint32_t config;             /* PORT_CONFIG_* */
    bool has_queues;             /* queues of ours, which what the device forwards goes past */
};

/* An entry: packets of 'match' get 'actions'. Values have the meaning and byte order of
 * struct flow_key; the match always names the ingress port. Outputs are ports of devices,
 * or PORT_IN_PORT; an empty list drops. Owned by the HAL; both stay, unchanged, until the
 * change has completed: what the driver needs for longer, it copies. */
struct hal_entry {
    const struct flow_match *match;
    const struct action_list *actions;
    uint16_t priority;           /* counts in tables with priorities */
    uint8_t table;               /* index into hal_caps.table */
};

enum hal_change_kind {
    HAL_ADD,                     /* a new entry; its counters start at 0 */
    HAL_CHANGE,                  /* other actions; counters go on. Packets get the list
                                  * before or the list after, never a mix, never a miss */
    HAL_REMOVE,                  /* completes when no later packet can match it */
    HAL_ADOPT,                   /* the entry that dump() showed with 'handle' has this cookie
                                  * from now on; its counters go on */
};

/* One change. 'cookie' is the HAL's name for the entry: it is in completions, counters and
 * dumps, and a device that can store it does. 'handle' is the driver's own, from the
 * completion of HAL_ADD. Of HAL_REMOVE the actions tell nothing. */
struct hal_change {
    uint64_t cookie;
    uint64_t handle;
    enum hal_change_kind kind;
    struct hal_entry entry;
};

/* --- what a driver says ----------------------------------------------------------- */

/* What a device counted for an entry since its HAL_ADD; never goes back while the entry is
 * there. 'bytes' is Ethernet header to payload, without FCS; UINT64_MAX where the table
 * counts packets only. */
struct hal_counters {
    uint64_t packets, bytes;
};

/* What a device forwarded by itself since a port's port_add(), without the datapath's having
 * seen it: what came in by the port and hit an entry, and what left by it. Counted as in
 * hal_counters; never goes back while the port is there. */
struct hal_port_counters {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* A change is done, or is refused. Exactly one for each that submit() accepted. */
struct hal_completion {
    uint64_t cookie;
    uint64_t handle;             /* of HAL_ADD: what the driver wants to be told later; with -EIO
                                  * too, if something may be there */
    enum hal_change_kind kind;
    /* 0, or why not:
     * -ENOSPC     no room (verdict: TABLE_FULL, COLLISION or TOO_MANY_MASKS)
     * -EOPNOTSUPP never possible as it is (verdict says what and why)
     * -EEXIST     a stranger has an entry for the match
     * -ENOENT     of all but HAL_ADD: the entry is not there; that is done, too
     * -EAGAIN     not now; the HAL asks again later
     * -EIO        the device failed; the entry is in an unknown state until reconciled */
    int error;
    struct hal_verdict verdict;  /* with an error */
    /* Of HAL_REMOVE that succeeded: nothing counts after these. Of HAL_CHANGE: what was counted
     * until then, zeros if that is not known. */
    struct hal_counters final;
};

/* An entry as a device has it. */
struct hal_dumped {
    uint64_t cookie;             /* 0: the device does not store it */
    uint64_t handle;
    struct hal_entry entry;      /* valid in the call */
    struct hal_counters counters;
    bool foreign;                /* a stranger's */
    bool in_hardware;            /* false: the device has it in software only */
    const char *more;            /* of a stranger's: what else it matches or does, in words; valid in
                                  * the call; NULL: nothing */
    bool as_told;                /* what it does is, unaltered, what the driver was told last under
                                  * this cookie, maybe in other words: a device need not give back
                                  * each list as it was */
};

enum hal_event_kind {
    HAL_EVENT_LOST,              /* events or entries may have been lost: reconcile */
    HAL_EVENT_RESET,             /* the device forgot everything: it is flushed, and all is added
                                  * again; changes that were on their way need not complete */
    HAL_EVENT_GONE,              /* the device is gone: no op but close() will work */
    HAL_EVENT_AGAIN,             /* there is room again after -EAGAIN or -EBUSY; or step() is due */
    HAL_EVENT_CAPS,              /* what the device can do has changed, its ports for example: it is
                                  * probed again, and all that is wanted is looked at again. The
                                  * entries that it has stay. Tables only ever get more */
};

/* The HAL, as a driver sees it. Any thread of the driver's; none of them blocks. */
struct hal_host {
    void (*complete)(struct hal_host *, const struct hal_completion *, size_t n);
    void (*event)(struct hal_host *, enum hal_event_kind, const char *why);
    /* 'level' is that of syslog(3): LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG. */
    void (*log)(struct hal_host *, int level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    uint64_t (*clock_ms)(struct hal_host *);    /* may be an injected one */
    /* Inside an op that has much to do: it goes on. Its time begins anew with each such sign, up to
     * HAL_WORKING_MS in all. Never NULL. */
    void (*working)(struct hal_host *);
};

/* --- packets ---------------------------------------------------------------------- */

/* A frame that a driver in the packet path gets first. */
struct hal_packet {
    uint8_t *data;               /* Ethernet header; may be changed in place */
    uint32_t size;               /* bytes */
    uint32_t n_segments;         /* it counts as so many packets (a super-frame) */
    uint64_t wire_bytes;         /* of all segments */
    const struct flow_key *key;  /* parsed */
    void *frame;                 /* the caller's */
};

/* How a driver in the packet path sends. Valid in the call. */
struct hal_packet_out {
    /* Sends the frame as it is now; 'data' may be changed afterwards. */
    void (*output)(struct hal_packet_out *, const struct hal_packet *, uint16_t port);
    /* Executes a list on the frame, with the datapath's own code, and sends. */
    void (*execute)(struct hal_packet_out *, struct hal_packet *, const struct action_list *);
    unsigned worker;             /* which of the packet workers calls: 0 .. n_workers - 1 */
    uint64_t now_ms;
};

/* --- the driver ------------------------------------------------------------------- */

struct hal_open {
    const char *options;         /* "K=V,K=V" after the driver's name, "" if none; K are names that
                                  * options_help has */
    struct hal_host *host;       /* until close() has returned */
    unsigned n_workers;          /* packet workers that may call process() */
    bool stepped;                /* no threads: everything happens in ops and in step() */
    const char *state_dir;       /* where a driver may keep files, NULL: nowhere */
    bool read_only;              /* look only: see hal_driver.reads_only */
};

struct hal_driver {
    uint32_t abi;                /* HAL_DRIVER_ABI */
    const char *name;            /* "sim" */
    const char *summary;         /* one line for --help */
    const char *options_help;    /* "NAME=VALUE: what it is\n" for each, "" if there are none;
                                  * lines that begin with a space go on with it */

    /* open() heeds hal_open.read_only: then nothing of the device changes, though a program may be
     * using it, and probe(), dump(), occupancy(), describe() and close() are all that is called.
     * Without it the device can't be looked at past the HAL ('turnoutctl hw --direct'). */
    bool reads_only;

    /* Makes a device. Returns the driver's state for it, or NULL with *error (HAL_ERROR_SIZE
     * bytes: what is wrong with which option, and the valid ones). Control thread; may take
     * a second. */
    void *(*open)(const struct hal_open *, char *error);

    /* The end: completes nothing any more. 'keep': entries stay in the device. 1 s. */
    void (*close)(void *device, bool keep);

    /* What the device can do. Called once after open(), and after HAL_EVENT_RESET and _CAPS. 10 s. */
    int (*probe)(void *device, struct hal_caps *);

    /* A port comes, changes ('config'), or goes. 0, -EOPNOTSUPP (not a port of this device,
     * *error says why), -EBUSY (a stranger has it, *error says who), -ENODEV. After
     * port_del() no packet of the port is forwarded by the device. 1 s. */
    int (*port_add)(void *device, const struct hal_port *, char *error);
    int (*port_change)(void *device, const struct hal_port *, char *error);
    void (*port_del)(void *device, uint16_t port);

    /* Whether the network device with this index was made by the driver, such as a bridge that its
     * ports have to be in: a port that is its slave is nobody else's. NULL: it makes none. Any
     * thread; 10 us. */
    bool (*owns_link)(const void *device, int ifindex);

    /* Whether an entry would fit, apart from room: what capabilities can't say. 0 or
     * -EOPNOTSUPP with the verdict. NULL: capabilities say all. Any thread; pure; 10 us. */
    int (*check)(const void *device, const struct hal_entry *, struct hal_verdict *);

    /* Takes changes, in order; those of one entry are never in flight together. Returns how
     * many it accepted, from the first on; the rest are offered again after HAL_EVENT_AGAIN
     * or a completion. The array is the HAL's and is valid in the call only. 10 ms. */
    size_t (*submit)(void *device, const struct hal_change *, size_t n);

    /* Stops matching at once: packets of the port (0: of all) miss, or are dropped, until
     * the fence is lifted. Must work when the device answers nothing else; O(1). For all ports
     * it is also called while another op of the device runs, if that one does not return: then
     * it is the last call, close() never comes. Otherwise what changes pointed to is the HAL's
     * again once all ports are fenced, completed or not. 0 or -EIO. 10 ms. */
    int (*fence)(void *device, uint16_t port, bool on);

    /* Reads counters. For each of the n cookies and handles, in order, out[i], or UINT64_MAX
     * in both where the device does not know the entry. 10 ms for each thousand. */
    int (*stats)(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
                 struct hal_counters *out);

    /* Reads a port's counters, which PORT statistics add to what the datapath counts. 0, or
     * -EIO: ask again later. NULL: they follow from what entries counted, and from their lists;
     * of a driver in the packet path there are none, since the datapath receives and sends its
     * packets. 1 ms. */
    int (*port_stats)(void *device, uint16_t port, struct hal_port_counters *);

    /* Shows entries, foreign ones too, from *position (0 at first) on; stops when visit
     * returns false, with *position such that the next call goes on there. 0, or -EINTR
     * (the table changed too much: begin again). 10 ms for each thousand. */
    int (*dump)(void *device, uint64_t *position,
                bool (*visit)(const struct hal_dumped *, void *aux), void *aux);

    /* Removes every entry that was made through the HAL, and forgets the changes that wait:
     * none completes, now or later. 1 s. */
    int (*flush)(void *device);

    /* Facts for people: calls fact(name, value) for each. */
    void (*describe)(void *device, void (*fact)(const char *name, const char *value, void *aux),
                     void *aux);

    /* Entries in each of the tables, as the device counts them; foreign ones included. */
    void (*occupancy)(const void *device, uint32_t entries[HAL_MAX_TABLES]);

    /* Does what is due: polls for answers, advances a stepped device. Returns the ms until
     * it wants to be called again, or -1 for "only after submit()". NULL: never needed. */
    int (*step)(void *device);

    /* A driver in the packet path: n (at most 64) frames that came in on 'port', before
     * anybody else sees them. Forwards and counts hits; miss[i] is set for the others. What
     * misses is forwarded after the call: an entry that comes meanwhile must not have packets
     * behind one of its own that missed.
     * Packet workers, each for its own ports, at the same time as the device's worker. */
    void (*process)(void *device, uint16_t port, struct hal_packet packets[], size_t n,
                    bool miss[], struct hal_packet_out *);

    /* Misbehaves on demand, for tests: what, in words of the driver's own. 0, or -EINVAL
     * with *error. NULL: it never does. */
    int (*fault)(void *device, const char *what, char *error);
};

/* What a shared object exports. */
#ifdef __cplusplus
extern "C" {
#endif
extern const struct hal_driver turnout_driver __attribute__((visibility("default")));
#ifdef __cplusplus
}
#endif

#endif /* hal/driver.h */
