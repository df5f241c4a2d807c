/* SPDX-License-Identifier: Apache-2.0 */
/* What rtnetlink tells of a device beyond what every port needs: what it belongs to, what it is
 * a port of, and what strangers have put on it. All of it comes in one message, in the namespace
 * that asks; /sys/class/net would show the namespace that mounted it. */
#ifndef LIB_NETDEV_LINK_DETAIL_H
#define LIB_NETDEV_LINK_DETAIL_H 1

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/netdev/link.h"

enum {
    LINK_SWITCH_ID_MAX = 32,         /* MAX_PHYS_ITEM_ID_LEN of linux/netdevice.h */
    LINK_PORT_NAME_SIZE = 32,
    LINK_KIND_SIZE = 16,
    LINK_PARENT_SIZE = 64,
};

/* Texts are "" where the kernel says nothing. */
struct link_detail {
    struct link_info info;
    bool loopback;
    char master_kind[LINK_KIND_SIZE];   /* "bridge", "bond", "openvswitch", ... */
    uint8_t xdp_mode;                /* XDP_ATTACHED_* of linux/if_link.h */
    uint32_t xdp_prog_id;            /* 0: not told, or none */
    uint8_t switch_id[LINK_SWITCH_ID_MAX];
    size_t switch_id_len;            /* bytes; 0: it is no port of a switch */
    char port_name[LINK_PORT_NAME_SIZE];    /* phys_port_name: "p0", "pf0vf1", ... */
    char parent_bus[LINK_PARENT_SIZE];      /* "pci", "platform" */
    char parent_dev[LINK_PARENT_SIZE];      /* "0000:03:00.0" */
};

/* RTM_NEWLINK of the device itself: 0. -EINVAL for anything else. Pure. */
int link_detail_parse(const struct nlmsghdr *, struct link_detail *out);

/* By name. 0, -ENODEV or another -errno. Any thread. */
int link_detail_get(const char *name, struct link_detail *, struct errmsg *);

/* All devices of this namespace, in the kernel's order: 0 and *out, for the caller to free(), with
 * *n of them; or -errno. */
int link_detail_list(struct link_detail **out, size_t *n, struct errmsg *);

#endif /* lib/netdev/link_detail.h */
