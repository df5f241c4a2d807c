/* SPDX-License-Identifier: Apache-2.0 */
/* Network devices: what they are, when they change (rtnetlink, ethtool). */
#ifndef LIB_NETDEV_LINK_H
#define LIB_NETDEV_LINK_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "turnout/port.h"

struct event_base;

/* A device as the kernel describes it now. */
struct link_info {
    char name[PORT_NAME_SIZE];
    char kind[16];          /* IFLA_INFO_KIND: "veth", "tun", ...; "" for hardware */
    int ifindex;
    unsigned type;          /* ARPHRD_* */
    uint8_t hw_addr[6];
    unsigned mtu;
    bool up;                /* IFF_UP */
    bool running;           /* carrier (IFF_LOWER_UP) */
    int master;             /* ifindex of what it is enslaved to, or 0 */
};

/* By name: 0, -ENODEV, or another -errno. */
int link_get(const char *name, struct link_info *, struct errmsg *);

/* The same by its number. */
int link_get_by_index(int ifindex, struct link_info *, struct errmsg *);

/* Frames that the device did not take for sending (IFLA_STATS64). 0 or -errno. */
int link_get_tx_dropped(int ifindex, uint64_t *n, struct errmsg *);

/* Gives the device another Ethernet address. 0 or -errno. */
int link_set_address(int ifindex, const uint8_t addr[6], struct errmsg *);

/* Administratively up or down. */
int link_set_up(int ifindex, bool up, struct errmsg *);

/* Speed and features by ethtool (link settings first, then the old ioctl form), in
 * OpenFlow's bits; zeros where the device can't tell. 0 or -errno. */
struct link_features {
    uint32_t current, advertised, supported, peer;  /* PORT_FEATURE_* */
    uint32_t speed_mbps;
};
int link_get_features(const char *name, struct link_features *, struct errmsg *);

/* Makes the device advertise those of PORT_FEATURE_* 'features' that it supports, and no
 * others, by autonegotiation. 0 or -errno: -EOPNOTSUPP if it can't, or has none of them. */
int link_set_advertised(const char *name, uint32_t features, struct errmsg *);

/* Watches the settings that ethtool changes, of which link_monitor does not tell: calls back,
 * in the event loop, with the device's number, or with 0 (any may have changed) after
 * notifications were lost. NULL and *err if the kernel does not tell of them. */
struct ethtool_monitor;
struct ethtool_monitor *ethtool_monitor_new(struct event_base *,
                                            void (*changed)(void *aux, int ifindex), void *aux,
                                            struct errmsg *);
void ethtool_monitor_free(struct ethtool_monitor *);

/* Watches all links in this network namespace: calls back, in the event loop, for each
 * that appears, changes or goes ('gone'), and for all of them once after events were
 * lost. NULL and *err on failure. */
struct link_monitor;
struct link_monitor *link_monitor_new(struct event_base *,
                                      void (*changed)(void *aux, const struct link_info *, bool gone),
                                      void *aux, struct errmsg *);
void link_monitor_free(struct link_monitor *);

#endif /* lib/netdev/link.h */
