/* SPDX-License-Identifier: Apache-2.0 */
/* What others do to the bridge, its ports and its entries, as the kernel tells of it (RTNLGRP_NEIGH,
 * RTNLGRP_LINK). What we did ourselves is heard of, too, and late: so a message is only where to look,
 * and what the kernel says when it is asked then is what counts.
 *
 * The kernel does not tell when an entry's flag `offload` goes (Linux 6.1, net/bridge/br_fdb.c,
 * br_fdb_offloaded_set()): that is seen when all is read, in a dump. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "drivers/switchdev/device.h"
#include "lib/counters.h"
#include "lib/netdev/rtnl_watch.h"

/* --- entries --------------------------------------------------------------------------------------- */

static bool
is_right(const struct switchdev *d, const struct switchdev_group *g, const struct switchdev_fdb *f)
{
    const struct switchdev_port *port = switchdev_port_find(d, g->output);
    return port && port->joined && f->ifindex == port->ifindex && f->is_static && f->offloaded;
}

/* The HAL is told of all that one look brings to light at once: a port that leaves, say, takes many
 * entries along. */
static void
entry_changed(struct switchdev *d, struct switchdev_group *g, bool still_ours, const char *what)
{
    counter_inc(COUNTER_switchdev_entry_changed);
    switchdev_lose_group(d, g, still_ours);
    if (!d->n_changed++) {
        snprintf(d->changed, sizeof d->changed, "%02x:%02x:%02x:%02x:%02x:%02x of VLAN %u: %s", g->addr[0],
                 g->addr[1], g->addr[2], g->addr[3], g->addr[4], g->addr[5], g->vid, what);
    }
}

static void
tell_changed(struct switchdev *d)
{
    char why[HAL_ERROR_SIZE];
    if (d->n_changed) {
        snprintf(why, sizeof why, "%u entries of %s are not as they were; %s", d->n_changed, d->bridge.name,
                 d->changed);
        d->n_changed = 0;
        d->host->event(d->host, HAL_EVENT_LOST, why);
    }
}

static void
look_at_group(struct switchdev *d, struct switchdev_group *g)
{
    const struct switchdev_port *port = switchdev_port_find(d, g->output);
    struct switchdev_fdb f;
    struct errmsg err;
    int error = switchdev_fdb_get(d->bridge.ifindex, g->addr, g->vid, &f, &err);
    if (error == -ENOENT) {
        entry_changed(d, g, false, "somebody else deleted it");
    } else if (!error && !is_right(d, g, &f)) {
        bool ours = port && f.ifindex == port->ifindex && f.is_static;
        entry_changed(d, g, ours, ours ? "the device does not have it any more"
                                       : "somebody else replaced it");
    }
}

void
switchdev_note_in_the_way(struct switchdev *d, const struct switchdev_group *g)
{
    struct switchdev_fdb *f = &d->in_the_way[d->n_in_the_way++ % SWITCHDEV_IN_THE_WAY];
    *f = (struct switchdev_fdb) { .vid = g->vid };
    memcpy(f->addr, g->addr, sizeof f->addr);
}

/* What was refused because of it is placed again, with all else. */
static void
look_in_the_way(struct switchdev *d, const struct switchdev_fdb *gone)
{
    for (unsigned i = 0; gone->vid && i < SWITCHDEV_IN_THE_WAY; i++) {
        struct switchdev_fdb *f = &d->in_the_way[i];
        if (f->vid == gone->vid && !memcmp(f->addr, gone->addr, sizeof f->addr)) {
            *f = (struct switchdev_fdb) { .vid = 0 };
            d->host->event(d->host, HAL_EVENT_CAPS, "a stranger's entry has gone");
        }
    }
}

static void
fdb_event(struct switchdev *d, const struct nlmsghdr *message)
{
    struct switchdev_fdb f;
    if (!switchdev_msg_read_fdb(message, &f) || f.bridge != d->bridge.ifindex) {
        return;
    }
    if (message->nlmsg_type == RTM_DELNEIGH) {
        look_in_the_way(d, &f);
    }
    struct switchdev_group *g = switchdev_group_find(&d->table, f.vid, f.addr, false);
    bool as_it_should_be = g && message->nlmsg_type == RTM_NEWNEIGH && is_right(d, g, &f);
    if (g && g->state == SWITCHDEV_IN_DEVICE && !as_it_should_be) {
        look_at_group(d, g);         /* what is asked for only now is looked at by change.c */
    }
}

void
switchdev_note_seen(struct switchdev *d, const struct switchdev_fdb *f)
{
    struct switchdev_group *g = switchdev_group_find(&d->table, f->vid, f->addr, false);
    if (g && is_right(d, g, f)) {
        g->seen = d->round;
    }
}

static void
look_if_unseen(struct switchdev_group *g, void *device)
{
    struct switchdev *d = device;
    if (g->state == SWITCHDEV_IN_DEVICE && g->seen != d->round) {
        look_at_group(d, g);
    }
}

void
switchdev_look_at_unseen(struct switchdev *d)
{
    switchdev_table_each(&d->table, look_if_unseen, d);
    tell_changed(d);
}

/* --- the bridge and its ports ------------------------------------------------------------------------ */

static struct switchdev_port *
port_of_device(struct switchdev *d, int ifindex)
{
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (d->ports[i].ifindex == ifindex) {
            return &d->ports[i];
        }
    }
    return NULL;
}

/* A joined port's device is not in the bridge. It comes back if it is nobody's, and else is its new
 * master's, and in software. */
static void
port_left(struct switchdev *d, struct switchdev_port *port, const struct switchdev_link *link)
{
    char why[HAL_ERROR_SIZE];
    struct errmsg err = { "" };
    counter_inc(COUNTER_switchdev_port_left);
    port->joined = false;
    int error = link->master ? 0 : switchdev_port_follow(d, port, &err);
    if (link->master) {
        port->taken = true;
        switchdev_settle_all(d);
    }
    snprintf(why, sizeof why, "port %u, %s: somebody took it out of %s: %s%.100s", port->no, port->name,
             d->bridge.name, link->master ? "it is another device's now, and its flows stay in software"
             : error ? "it stays out: " : "it is in again", error ? err.text : "");
    d->host->log(d->host, LOG_WARNING, "%s", why);
    d->host->event(d->host, HAL_EVENT_LOST, "a port left the bridge");
}

/* Who took a port has let it go. */
static void
port_is_free(struct switchdev *d, struct switchdev_port *port)
{
    struct errmsg err = { "" };
    if (switchdev_port_follow(d, port, &err)) {
        d->host->log(d->host, LOG_WARNING, "port %u, %s: it is nobody's, but stays out: %s", port->no,
                     port->name, err.text);
        return;
    }
    d->host->log(d->host, LOG_INFO, "port %u, %s: it is nobody's; it is in the bridge again", port->no,
                 port->name);
    d->host->event(d->host, HAL_EVENT_CAPS, "a port is in the bridge again");
}

static void
link_event(struct switchdev *d, int ifindex)
{
    struct switchdev_port *port = port_of_device(d, ifindex);
    struct switchdev_link link;
    if (!port || !(port->joined || port->taken) || switchdev_link_get(port->ifindex, &link, NULL)) {
        return;
    }
    if (port->taken && !link.master) {
        port_is_free(d, port);
    } else if (port->joined && link.master != d->bridge.ifindex) {
        port_left(d, port, &link);
    }
}

/* With all that was in it. It is made again, and the ports are put into it. */
static void
bridge_gone(struct switchdev *d)
{
    struct errmsg err;
    counter_inc(COUNTER_switchdev_bridge_gone);
    d->host->log(d->host, LOG_WARNING, "somebody deleted the bridge %s; it is made again", d->bridge.name);
    switchdev_forget_bridge(d);
    for (unsigned i = 0; i < d->n_ports; i++) {
        d->ports[i].joined = false;
    }
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (switchdev_port_follow(d, &d->ports[i], &err)) {
            d->host->log(d->host, LOG_WARNING, "%s: %s; its flows stay in software", d->ports[i].name,
                         err.text);
        }
    }
    d->host->event(d->host, HAL_EVENT_LOST, "somebody deleted the bridge");
}

/* Ports hear of the end of their bridge before it does. */
static bool
bridge_is_there(const struct switchdev *d)
{
    struct switchdev_link link;
    return switchdev_link_get(d->bridge.ifindex, &link, NULL) != -ENODEV;
}

/* --- all ------------------------------------------------------------------------------------------------ */

static void
event(const struct nlmsghdr *message, void *device)
{
    struct switchdev *d = device;
    const struct ifinfomsg *ifi = NLMSG_DATA(message);
    bool of_link = message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK;
    if (!d->bridge.ifindex || !d->imported) {
        return;                      /* nothing is ours yet */
    }
    if (!of_link) {
        fdb_event(d, message);
        return;
    }
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *ifi) || ifi->ifi_family != AF_UNSPEC) {
        return;
    }
    bool of_bridge = ifi->ifi_index == d->bridge.ifindex;
    if ((of_bridge || port_of_device(d, ifi->ifi_index)) && !bridge_is_there(d)) {
        bridge_gone(d);
    } else if (!of_bridge) {
        link_event(d, ifi->ifi_index);
    }
}

static int
note_seen(const struct switchdev_fdb *f, void *device)
{
    switchdev_note_seen(device, f);
    return 0;
}

/* Some of what happened was not heard of: anything may have. */
static void
overrun(void *device)
{
    struct switchdev *d = device;
    struct errmsg err = { "" };
    counter_inc(COUNTER_switchdev_overrun);
    if (!d->bridge.ifindex || !d->imported) {
        return;
    }
    if (!bridge_is_there(d)) {
        bridge_gone(d);
        return;
    }
    for (unsigned i = 0; i < d->n_ports; i++) {
        link_event(d, d->ports[i].ifindex);
    }
    d->round++;
    if (!switchdev_fdb_each(d->bridge.ifindex, note_seen, d, &err)) {
        switchdev_look_at_unseen(d);
    }
    d->host->event(d->host, HAL_EVENT_LOST, "the kernel told of more changes than were read in time");
}

void
switchdev_watch_run(struct switchdev *d)
{
    rtnl_watch_run(d->watch);
    tell_changed(d);
}

static void
wake(void *device)
{
    struct switchdev *d = device;
    d->host->event(d->host, HAL_EVENT_AGAIN, NULL);
}

/* The neighbours of a host's own are not heard of: an address family is what links and neighbours
 * begin with, and theirs is IP's. */
static struct sock_filter of_links_and_bridges[] = {
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNSPEC, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, 0),
    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
};

_Static_assert(offsetof(struct ndmsg, ndm_family) == 0 && offsetof(struct ifinfomsg, ifi_family) == 0,
               "where the filter looks");

int
switchdev_watch_begin(struct switchdev *d, bool threaded)
{
    static const int groups[] = { RTNLGRP_NEIGH, RTNLGRP_LINK };
    const struct sock_fprog filter = { sizeof of_links_and_bridges / sizeof of_links_and_bridges[0],
                                       of_links_and_bridges };
    d->watch = rtnl_watch_new(&(struct rtnl_watch_config) {
        .groups = groups, .n_groups = 2, .filter = &filter, .threaded = threaded, .wake = wake,
        .event = event, .overrun = overrun, .aux = d,
    });
    return d->watch ? 0 : -errno;
}
