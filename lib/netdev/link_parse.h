/* SPDX-License-Identifier: Apache-2.0 */
/* Link messages of rtnetlink. For lib/netdev/link*.c. */
#ifndef LIB_NETDEV_LINK_PARSE_H
#define LIB_NETDEV_LINK_PARSE_H 1

#include <linux/netlink.h>

#include "lib/netdev/link.h"
#include "lib/netdev/rtnl.h"

/* RTM_NEWLINK or RTM_DELLINK of the device itself: 0. -EINVAL for anything else, such as
 * a bridge telling about its port. */
int link_parse(const struct nlmsghdr *, struct link_info *out);

/* Calls 'reply' with a message for each link there is. */
int link_dump(rtnl_reply_fn *reply, void *aux, struct errmsg *);

#endif /* lib/netdev/link_parse.h */
