/* SPDX-License-Identifier: Apache-2.0 */
/* A device of the switchdev driver: the ports of one switch chip, the bridge over them, and what
 * is to be in the chip. All in the device's thread, or in ops that are never called beside it, but
 * for what is atomic. */
#ifndef DRIVERS_SWITCHDEV_DEVICE_H
#define DRIVERS_SWITCHDEV_DEVICE_H 1

#include <stdatomic.h>

#include "drivers/switchdev/bridge.h"
#include "drivers/switchdev/table.h"
#include "hal/driver.h"

enum {
    SWITCHDEV_MAX_PORTS = 256,
    SWITCHDEV_QUEUE = 2048,              /* changes that wait */
    SWITCHDEV_BATCH = 128,               /* ... taken in one step */
    SWITCHDEV_ALIKE_MS = 700,            /* so long an entry waits for those of other ports */
    SWITCHDEV_ASK_MS = 700,              /* so long the chip may take to say that it has one */
    SWITCHDEV_SYNC_MS = 1500,            /* ... to work off what was asked before */
    SWITCHDEV_LOST_MS = 200,             /* entries that are removed anyway are not told as lost */
    SWITCHDEV_LEAVE_MS = 400,            /* ports that are fenced may take to leave the bridge */
    SWITCHDEV_IN_THE_WAY = 16,           /* entries of strangers that are remembered */
    SWITCHDEV_POLL_MS = 2,
};

struct switchdev_options {
    struct switchdev_membership membership;
    bool any_port;                       /* take ports of no switch, too */
};

extern const char switchdev_options_help[];

/* 0, or -EINVAL and what is wrong. */
int switchdev_options_parse(const char *text, struct switchdev_options *, char *error);

struct switchdev_port {
    char name[PORT_NAME_SIZE];
    int ifindex;
    uint16_t no;
    bool down, fenced;
    bool joined;                         /* it is in the bridge */
    bool taken;                          /* it was, and somebody took it out */
};

/* A change that was accepted. */
struct switchdev_change {
    uint64_t cookie, handle;
    uint16_t in_port, output, priority, vid;
    uint8_t addr[6];
    uint8_t kind;                        /* enum hal_change_kind */
};

struct switchdev {
    struct hal_host *host;
    struct switchdev_options options;
    struct switchdev_link bridge;        /* ifindex 0: none yet */
    _Atomic int bridge_ifindex;          /* the same, for any thread */
    uint8_t switch_id[SWITCHDEV_ID_SIZE];
    unsigned switch_id_size;
    char state_dir[80];                  /* "": none */
    bool looks_only;
    struct switchdev_port ports[SWITCHDEV_MAX_PORTS];
    unsigned n_ports;

    struct switchdev_table table;
    uint32_t n_in_device;                /* entries of the bridge that the chip has */
    uint32_t n_remembered;               /* lines of the file of state.c */
    bool imported;                       /* what was there from before is in the table */
    bool has_offloaded;                  /* the chip has taken an entry before */
    bool must_sync;                      /* the chip may still have what was deleted */
    bool syncing;
    uint64_t sync_deadline_ms, lost_ms;
    struct switchdev_fdb sentinel;

    struct switchdev_change *queue;      /* a ring */
    unsigned head, n;
    uint64_t removed[SWITCHDEV_BATCH];   /* cookies: taken out, the HAL has yet to be told */
    unsigned n_removed;

    struct switchdev_shown *shown;       /* of the dump under way */
    size_t n_shown, max_shown;

    struct switchdev_leaving *leaving;   /* the last fence of all ports, or NULL */
    struct rtnl_watch *watch;            /* NULL: it looks only */
    struct switchdev_fdb in_the_way[SWITCHDEV_IN_THE_WAY];  /* a ring: theirs, for which ours were refused */
    unsigned n_in_the_way;
    unsigned n_changed;                  /* entries, by others; the HAL has yet to be told */
    char changed[96];                    /* the first of them, and what happened to it */
    uint32_t round;                      /* of looks at all entries; switchdev_group.seen */
};

/* --- ports (ports.c) ----------------------------------------------------------------------- */

int switchdev_port_add(void *device, const struct hal_port *, char *error);
int switchdev_port_change(void *device, const struct hal_port *, char *error);
void switchdev_port_del(void *device, uint16_t port);
int switchdev_fence(void *device, uint16_t port, bool on);
struct switchdev_port *switchdev_port_find(const struct switchdev *, uint16_t no);
/* Brings a port to where it should be, in the bridge or not. 0 or -errno. */
int switchdev_port_follow(struct switchdev *, struct switchdev_port *, struct errmsg *);
/* The bridge is not there any more: what was in it is lost, and the next port to come has one made. */
void switchdev_forget_bridge(struct switchdev *);
/* The numbers of those that are in the bridge. */
unsigned switchdev_joined(const struct switchdev *, uint16_t ports[SWITCHDEV_MAX_PORTS]);

/* --- changes (change.c) -------------------------------------------------------------------- */

size_t switchdev_submit(void *device, const struct hal_change *, size_t n);
int switchdev_step(void *device);
/* Looks at every group again: the ports of the bridge have changed. */
void switchdev_settle_all(struct switchdev *);
/* The bridge's entry is not there, or not ours, or not in the chip: what the HAL was told of it is not
 * true any more. One that is still ours is taken out. The HAL is yet to be told. */
void switchdev_lose_group(struct switchdev *, struct switchdev_group *, bool still_ours);
/* Takes all entries out of the bridge, and waits until the chip has done so, or for a while. Those
 * that the HAL was told of are lost. 0 or -EIO. */
int switchdev_withdraw_all(struct switchdev *);
int switchdev_flush(void *device);

/* --- how far the chip is (sync.c) --------------------------------------------------------------- */

/* Asks. False: there is nothing to wait for. */
bool switchdev_sync_begin(struct switchdev *);
/* 1: the chip has done what was asked before; 0: not yet; -EIO: it took too long. */
int switchdev_sync_poll(struct switchdev *);
/* True for the address that the driver asks the chip for. */
bool switchdev_is_sentinel(const struct switchdev *, const struct switchdev_fdb *);

/* --- what is there (look.c) ---------------------------------------------------------------- */

/* One entry of a dump. */
struct switchdev_shown {
    uint64_t cookie, handle;
    uint16_t in_port, output, vid, priority;
    uint8_t addr[6];
    bool foreign, offloaded;
};

/* What an entry of the HAL's for this matches. */
void switchdev_match(uint16_t in_port, uint16_t vid, const uint8_t addr[6], struct flow_match *);
int switchdev_dump(void *device, uint64_t *position,
                   bool (*visit)(const struct hal_dumped *, void *aux), void *aux);

/* --- a fence of all ports (fence.c) ------------------------------------------------------------ */

/* Ports forward nothing any more, whatever other op is under way. 0 or -errno. */
int switchdev_fence_all(struct switchdev *);
/* Waits until the ports of such a fence have left the bridge. */
void switchdev_leaving_end(struct switchdev *);

/* --- what others do (watch.c) ---------------------------------------------------------------- */

/* 0, or -errno and no watch. Not 'threaded': nobody wakes the device's thread. */
int switchdev_watch_begin(struct switchdev *, bool threaded);
/* Looks at what happened since the last call, and tells the HAL. */
void switchdev_watch_run(struct switchdev *);
/* A stranger has an entry for the group's address: when it goes, the HAL is to ask again. */
void switchdev_note_in_the_way(struct switchdev *, const struct switchdev_group *);
/* For looks at all entries of the bridge, after another 'round': each that is there; then the kernel
 * is asked for those of the table that were not seen as they should be. */
void switchdev_note_seen(struct switchdev *, const struct switchdev_fdb *);
void switchdev_look_at_unseen(struct switchdev *);

/* --- what outlives a process (state.c) ------------------------------------------------------- */

/* Remembers the priority of an entry that is about to be written; without a folder, or if that
 * fails, it is not adopted after a restart. */
void switchdev_state_add(struct switchdev *, const struct switchdev_group *, uint16_t priority);
/* Writes down all entries that are in the bridge, and nothing else. */
void switchdev_state_rewrite(struct switchdev *);
/* Calls visit for each entry that is remembered; the last word about one counts. */
void switchdev_state_each(const struct switchdev *,
                          void (*visit)(uint16_t vid, const uint8_t addr[6], uint16_t priority,
                                        void *aux), void *aux);
void switchdev_state_delete(const struct switchdev *);

#endif /* drivers/switchdev/device.h */
