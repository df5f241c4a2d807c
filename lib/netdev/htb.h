/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of a device as classes of the kernel's hierarchical token bucket (sch_htb).
 *
 * Below a root qdisc of ours there is one inner class without a limit, from which its
 * children borrow: the default class, for frames that are in no queue, and one class a
 * queue. A class has its 'rate' before any other gets more than its own, and up to 'ceil'
 * if there is something left. A frame gets into a class by its socket's SO_PRIORITY, which
 * is then the class's number: htb_priority().
 *
 * The qdisc is ours if its kind, its handle and a parameter that nobody else sets so
 * ("rate2quantum", of no use as every class has a quantum) all say so: what a process that
 * crashed left is known by that. Whether its maker lives is not said here; a device that is
 * a port of a living process is refused before (lib/netdev/isolate.h). A root qdisc that
 * somebody else made is never touched: the kernel is not asked to replace one, and is asked
 * to remove one by our handle only.
 *
 * Each call is one or two requests to rtnetlink, synchronous. Any thread. CAP_NET_ADMIN. */
#ifndef LIB_NETDEV_HTB_H
#define LIB_NETDEV_HTB_H 1

#include <stdint.h>

#include "lib/errmsg.h"

/* What a class may send, in bytes a second. */
struct htb_rates {
    uint64_t rate;              /* at least this; 0: nothing for sure */
    uint64_t ceil;              /* at most this; 0: no limit */
    uint32_t burst;             /* bytes that may leave at once; 0: 10 ms' worth, or 16 KiB */
};

/* Who made a device's root qdisc. */
enum htb_owner {
    HTB_OWNER_KERNEL,           /* it is the default one */
    HTB_OWNER_US,
    HTB_OWNER_OTHER,
};

struct htb_root {
    enum htb_owner owner;
    char kind[16];              /* "pfifo_fast", "tbf", ...; "" if the kernel does not say */
    uint32_t handle;            /* MAJOR << 16; 0 of the default one */
};

/* 0 or -errno. */
int htb_find_root(int ifindex, struct htb_root *, struct errmsg *);

/* Makes the root, with the inner and the default class. One of ours that is there already is
 * what a process that ended left: it goes. 0; -EBUSY and its name if somebody else's root is
 * there; another -errno and nothing changed. */
int htb_add_root(int ifindex, struct errmsg *);

/* Removes the root and all that is in it, if it is ours. Errors are of no use to anybody: the
 * device has gone, or somebody else has changed it. */
void htb_del_root(int ifindex);

/* Makes class 'minor' (1 to HTB_MINOR_MAX), or changes it. 0 or -errno. */
enum { HTB_MINOR_MAX = 0xff00 };
int htb_add_class(int ifindex, uint16_t minor, const struct htb_rates *, struct errmsg *);
int htb_change_class(int ifindex, uint16_t minor, const struct htb_rates *, struct errmsg *);

/* Removes it, with the frames that wait in it. */
void htb_del_class(int ifindex, uint16_t minor);

/* The SO_PRIORITY of frames for class 'minor'. */
int htb_priority(uint16_t minor);

struct htb_class_stats {
    uint16_t minor;
    uint64_t packets, bytes;    /* that have left; a super-frame counts as its segments */
};

/* Calls back for each of our classes. 0 or -errno (0 if there are none). */
int htb_for_each_class(int ifindex, void (*visit)(const struct htb_class_stats *, void *aux),
                       void *aux, struct errmsg *);

#endif /* lib/netdev/htb.h */
