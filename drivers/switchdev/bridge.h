/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's bridge in the kernel: made, found again, its ports and its entries. Each function
 * asks the kernel and waits for its answer; any thread. */
#ifndef DRIVERS_SWITCHDEV_BRIDGE_H
#define DRIVERS_SWITCHDEV_BRIDGE_H 1

#include "drivers/switchdev/msg.h"
#include "lib/errmsg.h"

/* What every mark of a bridge of ours (its IFLA_IFALIAS) begins with. */
#define SWITCHDEV_MARK "turnout switchdev "

enum { SWITCHDEV_VLANS = 4096 };

/* How a port is to be in the bridge. */
struct switchdev_membership {
    uint64_t vlans[SWITCHDEV_VLANS / 64];    /* bits: whose frames have tags */
    uint16_t pvid;                           /* of frames without one */
    bool may_flood;                          /* a device that can't be told not to will do */
};

/* 0 or -errno. */
int switchdev_link_get(int ifindex, struct switchdev_link *, struct errmsg *);
/* Calls visit for each device; again for those that were told, if the kernel had to begin again. */
int switchdev_each_link(void (*visit)(const struct switchdev_link *, void *aux), void *aux,
                        struct errmsg *);

/* The first bridge whose mark begins with this one, or is it ('exact'); ifindex 0 if there is none. */
int switchdev_bridge_find(const char *mark, bool exact, struct switchdev_link *, struct errmsg *);
/* Makes a bridge with the mark, under the first name tnbrN that is free, and brings it up. */
int switchdev_bridge_make(const char *mark, struct switchdev_link *, struct errmsg *);
/* Deletes it; its ports are nobody's then. */
int switchdev_bridge_delete(int bridge, struct errmsg *);

/* Makes the device a port of the bridge, which learns and floods nothing from it. If it can't be so
 * it is taken out again. */
int switchdev_bridge_join(int bridge, int ifindex, const struct switchdev_membership *,
                          struct errmsg *);
int switchdev_bridge_leave(int ifindex, struct errmsg *);
/* Switches the port off, as a spanning tree would; it stays in the bridge. The kernel takes one
 * request for it, whatever the bridge has; its driver hears of it a moment later. -ENETDOWN: the
 * device is down. */
int switchdev_bridge_disable(int ifindex, struct errmsg *);
/* Takes all ports out of the bridge that 'keep' does not say yes to. */
int switchdev_bridge_clean(int bridge, bool (*keep)(int ifindex, const void *aux), const void *aux,
                           struct errmsg *);

/* -EEXIST: there is an entry for the address and VLAN. */
int switchdev_fdb_add(const struct switchdev_fdb *, struct errmsg *);
/* -ENOENT: there is none. */
int switchdev_fdb_del(const struct switchdev_fdb *, struct errmsg *);
int switchdev_fdb_get(int bridge, const uint8_t addr[6], uint16_t vid, struct switchdev_fdb *,
                      struct errmsg *);
/* Calls visit for each static entry of the bridge; until it returns a negative value. */
int switchdev_fdb_each(int bridge, int (*visit)(const struct switchdev_fdb *, void *aux), void *aux,
                       struct errmsg *);

#endif /* drivers/switchdev/bridge.h */
