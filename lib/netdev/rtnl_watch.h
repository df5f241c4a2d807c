/* SPDX-License-Identifier: Apache-2.0 */
/* What others do, as rtnetlink tells of it, for who must not be woken by polling: a thread waits for
 * the socket and says when there is something; it is read by who owns the watch, when it suits. */
#ifndef LIB_NETDEV_RTNL_WATCH_H
#define LIB_NETDEV_RTNL_WATCH_H 1

#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdbool.h>

struct rtnl_watch;

struct rtnl_watch_config {
    const int *groups;                   /* RTNLGRP_* */
    unsigned n_groups;
    const struct sock_fprog *filter;     /* of messages that are wanted; NULL: all */
    bool threaded;                       /* false: nobody calls 'wake', rtnl_watch_run() looks */
    void (*wake)(void *aux);             /* in the watch's thread; once, until rtnl_watch_run() */
    void (*event)(const struct nlmsghdr *, void *aux);
    /* More happened than was read in time: anything may have. Events after it are newer. */
    void (*overrun)(void *aux);
    void *aux;
};

/* A watch in the caller's network namespace, or NULL with errno. What 'config' points to but for
 * 'aux' is needed for the call only. */
struct rtnl_watch *rtnl_watch_new(const struct rtnl_watch_config *);
/* NULL is all right. 'wake' is not called after it. */
void rtnl_watch_free(struct rtnl_watch *);
/* Whether messages of this group come; those that wait to be read stay. */
void rtnl_watch_listen(struct rtnl_watch *, int group, bool on);
/* Reads what there is, calling 'event' and 'overrun' in the caller's thread; waits for nothing. */
void rtnl_watch_run(struct rtnl_watch *);

#endif /* lib/netdev/rtnl_watch.h */
