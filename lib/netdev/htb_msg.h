/* SPDX-License-Identifier: Apache-2.0 */
/* The rtnetlink messages of lib/netdev/htb.c: made and read, nothing sent. Pure. */
#ifndef LIB_NETDEV_HTB_MSG_H
#define LIB_NETDEV_HTB_MSG_H 1

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <stdbool.h>

#include "lib/netdev/htb.h"

/* Class numbers that queues do not get. */
enum { HTB_MINOR_INNER = 0xfffe, HTB_MINOR_DEFAULT = 0xffff };

/* Messages to send, or NULL without memory. */
struct nl_msg *htb_msg_get_root(int ifindex);
struct nl_msg *htb_msg_add_root(int ifindex);
struct nl_msg *htb_msg_del_root(int ifindex);
/* Makes a class below the inner one, or below the root the inner class itself; with 'change'
 * alters one that is there. */
struct nl_msg *htb_msg_class(int ifindex, uint16_t minor, const struct htb_rates *, bool change);
struct nl_msg *htb_msg_del_class(int ifindex, uint16_t minor);
struct nl_msg *htb_msg_dump_classes(int ifindex);

/* Reads the qdisc that the kernel describes. */
void htb_msg_read_root(const struct nlmsghdr *, struct htb_root *);

/* Reads a class: false if it is none of ours. */
bool htb_msg_read_class(const struct nlmsghdr *, struct htb_class_stats *);

#endif /* lib/netdev/htb_msg.h */
