/* SPDX-License-Identifier: Apache-2.0 */
/* The rtnetlink messages of the switchdev driver: made and read, nothing sent. Pure. */
#ifndef DRIVERS_SWITCHDEV_MSG_H
#define DRIVERS_SWITCHDEV_MSG_H 1

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#include "turnout/port.h"

enum { SWITCHDEV_ID_SIZE = 32 };

/* A network device as RTM_NEWLINK tells it. */
struct switchdev_link {
    char name[PORT_NAME_SIZE];
    char kind[16];               /* IFLA_INFO_KIND, "" for hardware */
    char alias[160];             /* IFLA_IFALIAS, cut to fit */
    char port_name[32];          /* phys_port_name, "" if it has none */
    uint8_t switch_id[SWITCHDEV_ID_SIZE];
    unsigned switch_id_size;     /* bytes; 0: the device is no port of a switch */
    int ifindex, master;         /* master: 0, or whose slave it is */
    bool up;
};

/* An entry of a bridge's forwarding table, at one of the bridge's ports. */
struct switchdev_fdb {
    uint8_t addr[6];
    uint16_t vid;                /* 0: of no VLAN */
    int ifindex;                 /* the port that it leads to */
    int bridge;
    bool is_static;              /* neither learnt nor an address of the host's own */
    bool offloaded;              /* the device has it */
};

/* Messages to send, or NULL without memory. */
struct nl_msg *switchdev_msg_get_link(int ifindex);
struct nl_msg *switchdev_msg_dump_links(void);
/* A bridge that tells VLANs apart, snoops no groups, runs no spanning tree and puts ports into no
 * VLAN by itself. */
struct nl_msg *switchdev_msg_add_bridge(const char *name);
struct nl_msg *switchdev_msg_set_alias(int ifindex, const char *alias);
struct nl_msg *switchdev_msg_del_link(int ifindex);
/* Makes the device a slave of 'master'; 0: of nobody. */
struct nl_msg *switchdev_msg_set_master(int ifindex, int master);
struct nl_msg *switchdev_msg_set_learning(int ifindex, bool on);
struct nl_msg *switchdev_msg_set_flooding(int ifindex, bool on);
/* The state of a port that forwards nothing (BR_STATE_DISABLED). */
struct nl_msg *switchdev_msg_disable(int ifindex);
/* The port is in the VLANs from 'first' to 'last', whose frames have tags on its wire, or else, if
 * 'untagged', in the VLAN of frames without one. */
struct nl_msg *switchdev_msg_add_vlans(int ifindex, uint16_t first, uint16_t last, bool untagged);
/* A static entry; made only if there is none. */
struct nl_msg *switchdev_msg_add_fdb(const struct switchdev_fdb *);
struct nl_msg *switchdev_msg_del_fdb(const struct switchdev_fdb *);
/* Asks for the entry of the address and VLAN of a bridge. */
struct nl_msg *switchdev_msg_get_fdb(int bridge, const uint8_t addr[6], uint16_t vid);
/* The kernel may tell of other bridges, too. */
struct nl_msg *switchdev_msg_dump_fdb(int bridge);

/* Reads what the kernel says. False: it is no such message. */
bool switchdev_msg_read_link(const struct nlmsghdr *, struct switchdev_link *);
/* An entry that is there (RTM_NEWNEIGH), or is gone (RTM_DELNEIGH). */
bool switchdev_msg_read_fdb(const struct nlmsghdr *, struct switchdev_fdb *);

#endif /* drivers/switchdev/msg.h */
