/* SPDX-License-Identifier: Apache-2.0 */
/* The tc filter that drops what comes in behind the packet sockets, or gives it to another
 * device. It is its own record of who made it and of what that process changed on the device.
 * For isolate.c. */
#ifndef LIB_NETDEV_INGRESS_DROP_H
#define LIB_NETDEV_INGRESS_DROP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/errmsg.h"

/* The filter's place: behind those of others (tc chooses 49152 and downwards). */
enum { INGRESS_DROP_PRIO = 64222 };

/* What its maker changed, and is to be undone with it. */
enum {
    INGRESS_DROP_MADE_QDISC = 1 << 0,
    INGRESS_DROP_STOPPED_IPV6 = 1 << 1,
    INGRESS_DROP_TOOK_DOWN = 1 << 2,
};

/* What a filter of ours says. */
struct ingress_drop {
    uint32_t pid;            /* of its maker, and that process's start time, in clock ticks */
    uint32_t start_time;
    uint32_t changes;        /* INGRESS_DROP_* */
    int redirect_to;         /* the device that gets the frames instead; 0: they are dropped. Not
                              * told of a filter that was found */
};

/* What there is at the ingress of a device. */
struct ingress_filters {
    bool found;              /* one of ours, with 'ours' */
    struct ingress_drop ours;
    unsigned n_others;
};

/* Looks at the device's ingress. 0 or -errno (none of ours and no qdisc is 0). */
int ingress_drop_find(int ifindex, struct ingress_filters *out, struct errmsg *);

/* Whether our filter is there, without a look at others, of which there may be very many: 1, 0, or
 * -errno. */
int ingress_drop_is_there(int ifindex);

/* Makes a clsact qdisc: 0, -EEXIST if there is a qdisc of this kind, or another -errno. */
int ingress_drop_add_qdisc(int ifindex, struct errmsg *);

/* Removes the clsact qdisc, unless a filter is left in it. */
void ingress_drop_del_qdisc(int ifindex);

/* Installs our filter, or, with 'replace', puts it in place of the one of ours that was
 * found. -EEXIST if another's filter has its place. */
int ingress_drop_put(int ifindex, const struct ingress_drop *, bool replace, struct errmsg *);

/* Removes our filter. */
void ingress_drop_del(int ifindex);

/* Who this process is, as in struct ingress_drop; a filter that drops. */
void ingress_drop_self(struct ingress_drop *);

/* True if the maker still runs (this process is one). */
bool ingress_drop_maker_lives(const struct ingress_drop *);

#endif /* lib/netdev/ingress_drop.h */
