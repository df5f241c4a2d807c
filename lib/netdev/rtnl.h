/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to rtnetlink, with the kernel's own words when it refuses (extended acks).
 * Messages are built with libnl; each request has a socket of its own, so any thread may
 * make one. */
#ifndef LIB_NETDEV_RTNL_H
#define LIB_NETDEV_RTNL_H 1

#include <linux/netlink.h>
#include <netlink/msg.h>

#include "lib/errmsg.h"

/* Called for each message of the answer; a negative return ends the request with it. */
typedef int rtnl_reply_fn(const struct nlmsghdr *, void *aux);

/* A message of 'type' with NLM_F_REQUEST and 'flags', beginning with 'header'. NULL
 * without memory. Freed with nlmsg_free(). */
struct nl_msg *rtnl_msg_new(int type, int flags, const void *header, size_t size);

/* Sends 'msg' (consumed, also on failure; NULL is -ENOMEM) and waits for the end of the
 * answer: of a dump if it has NLM_F_DUMP, else an acknowledgement. 'reply' may be NULL.
 * Returns 0 or -errno; -EINTR when a dump was not one state, to be asked for again. */
int rtnl_request(struct nl_msg *msg, rtnl_reply_fn *reply, void *aux, struct errmsg *err);

/* The same to another protocol of netlink's than NETLINK_ROUTE, such as NETLINK_GENERIC. */
int rtnl_request_of(int protocol, struct nl_msg *msg, rtnl_reply_fn *reply, void *aux,
                    struct errmsg *err);

/* A socket for rtnetlink in 'groups' (RTMGRP_*), or -errno. */
int rtnl_socket(unsigned groups, int flags);

#endif /* lib/netdev/rtnl.h */
