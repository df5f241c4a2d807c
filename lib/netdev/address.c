/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/address.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netdev/rtnl.h"

enum { DUMP_TRIES = 8, READS_A_TURN = 64 };

struct listing {
    unsigned ifindex;
    struct be32 *out;
    size_t max;
    int n;
};

static int
take_address(const struct nlmsghdr *hdr, void *listing_)
{
    struct listing *listing = listing_;
    const struct ifaddrmsg *ifa = NLMSG_DATA(hdr);
    if (hdr->nlmsg_type != RTM_NEWADDR || ifa->ifa_family != AF_INET
        || ifa->ifa_index != listing->ifindex) {
        return 0;
    }
    /* The address itself is IFA_LOCAL; on a point-to-point link IFA_ADDRESS is the peer's. */
    const struct nlattr *attr = nlmsg_find_attr((struct nlmsghdr *) (uintptr_t) hdr, sizeof *ifa,
                                                IFA_LOCAL);
    if (!attr || nla_len(attr) != sizeof listing->out->raw) {
        return 0;
    }
    if ((size_t) listing->n < listing->max) {
        memcpy(&listing->out[listing->n].raw, nla_data(attr), sizeof listing->out->raw);
    }
    listing->n++;
    return 0;
}

int
address_list(const char *device, struct be32 *out, size_t max, struct errmsg *err)
{
    struct listing listing = { if_nametoindex(device), out, max, 0 };
    if (!listing.ifindex) {
        errmsg_set(err, "%s: %s", device, strerror(ENODEV));
        return -ENODEV;
    }
    int rc = -EINTR;
    for (int i = 0; rc == -EINTR && i < DUMP_TRIES; i++) {
        const struct ifaddrmsg ifa = { .ifa_family = AF_INET };
        listing.n = 0;
        rc = rtnl_request(rtnl_msg_new(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), take_address,
                          &listing, err);
    }
    return rc ? rc : listing.n;
}

struct address_monitor {
    int fd;
    struct event *event;
    void (*changed)(void *aux);
    void *aux;
};

/* What changed is not looked at: who wants to know asks for the list. Lost events (ENOBUFS) are
 * events too. */
static void
readable(evutil_socket_t fd, short what, void *monitor_)
{
    struct address_monitor *monitor = monitor_;
    char byte;
    (void) what;
    for (int i = 0; i < READS_A_TURN; i++) {
        if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EINTR) {
            break;
        }
    }
    monitor->changed(monitor->aux);
}

struct address_monitor *
address_monitor_new(struct event_base *base, void (*changed)(void *aux), void *aux,
                    struct errmsg *err)
{
    struct address_monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor) {
        errmsg_set(err, "cannot watch addresses: out of memory");
        return NULL;
    }
    monitor->changed = changed;
    monitor->aux = aux;
    monitor->fd = rtnl_socket(RTMGRP_IPV4_IFADDR, SOCK_NONBLOCK);
    if (monitor->fd < 0) {
        errmsg_set(err, "cannot watch addresses: %s", strerror(-monitor->fd));
        free(monitor);
        return NULL;
    }
    monitor->event = event_new(base, monitor->fd, EV_READ | EV_PERSIST, readable, monitor);
    if (!monitor->event || event_add(monitor->event, NULL)) {
        errmsg_set(err, "cannot watch addresses: out of memory");
        address_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void
address_monitor_free(struct address_monitor *monitor)
{
    if (!monitor) {
        return;
    }
    if (monitor->event) {
        event_free(monitor->event);
    }
    close(monitor->fd);
    free(monitor);
}
