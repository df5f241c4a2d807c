/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's notifications of ethtool settings: group "monitor" of generic netlink's family
 * "ethtool". All of them name the device in the same way, and what has changed is asked for
 * by others, so which of the settings it was does not matter. */
/* First, because linux/ethtool.h has macros of the names of our constants. */
#include "lib/netdev/link.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 32 << 10,
    DATAGRAMS_A_TURN = 64,
    HEADER_ATTR = 1,             /* ETHTOOL_A_*_HEADER: the same in every message */
};

struct ethtool_monitor {
    int fd;
    uint16_t family;
    struct event *event;
    void (*changed)(void *aux, int ifindex);
    void *aux;
    void *buffer;
};

/* --- finding the group --------------------------------------------------------------- */

static uint32_t
find_group(struct nlattr *groups, const char *name)
{
    struct nlattr *group;
    int left;
    nla_for_each_nested(group, groups, left) {
        struct nlattr *attrs[CTRL_ATTR_MCAST_GRP_MAX + 1];
        if (!nla_parse_nested(attrs, CTRL_ATTR_MCAST_GRP_MAX, group, NULL)
            && attrs[CTRL_ATTR_MCAST_GRP_NAME] && attrs[CTRL_ATTR_MCAST_GRP_ID]
            && !strcmp(nla_get_string(attrs[CTRL_ATTR_MCAST_GRP_NAME]), name)) {
            return nla_get_u32(attrs[CTRL_ATTR_MCAST_GRP_ID]);
        }
    }
    return 0;
}

static int
send_question(int fd)
{
    const struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
    struct nl_msg *msg = nlmsg_alloc();
    int rc = -ENOMEM;
    if (msg && nlmsg_put(msg, 0, 1, GENL_ID_CTRL, 0, NLM_F_REQUEST)
        && !nlmsg_append(msg, (void *) (uintptr_t) &header, sizeof header, NLMSG_ALIGNTO)
        && !nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, "ethtool")) {
        rc = send(fd, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0) < 0 ? -errno : 0;
    }
    nlmsg_free(msg);
    return rc;
}

/* Learns the numbers of family and group. */
static int
ask(struct ethtool_monitor *monitor, uint32_t *group)
{
    int rc = send_question(monitor->fd);
    ssize_t n = rc ? 0 : recv(monitor->fd, monitor->buffer, BUFFER_SIZE, 0);
    struct nlmsghdr *hdr = monitor->buffer;
    struct nlattr *attrs[CTRL_ATTR_MAX + 1];
    if (rc || n < 0) {
        return rc ? rc : -errno;
    }
    if (!nlmsg_ok(hdr, (int) n) || hdr->nlmsg_type != GENL_ID_CTRL
        || nlmsg_parse(hdr, sizeof(struct genlmsghdr), attrs, CTRL_ATTR_MAX, NULL) < 0
        || !attrs[CTRL_ATTR_FAMILY_ID] || !attrs[CTRL_ATTR_MCAST_GROUPS]) {
        return -EOPNOTSUPP;
    }
    monitor->family = nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
    *group = find_group(attrs[CTRL_ATTR_MCAST_GROUPS], "monitor");
    return *group ? 0 : -EOPNOTSUPP;
}

/* --- notifications ------------------------------------------------------------------- */

static void
handle_message(struct ethtool_monitor *monitor, struct nlmsghdr *hdr)
{
    if (hdr->nlmsg_type != monitor->family
        || !nlmsg_valid_hdr(hdr, sizeof(struct genlmsghdr))) {
        return;
    }
    struct nlattr *header = nlmsg_find_attr(hdr, sizeof(struct genlmsghdr), HEADER_ATTR);
    struct nlattr *index = header ? nla_find(nla_data(header), nla_len(header),
                                             ETHTOOL_A_HEADER_DEV_INDEX) : NULL;
    if (index) {
        monitor->changed(monitor->aux, (int) nla_get_u32(index));
    }
}

static void
readable(evutil_socket_t fd, short what, void *aux)
{
    (void) what;
    struct ethtool_monitor *monitor = aux;
    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        ssize_t n = recv(fd, monitor->buffer, BUFFER_SIZE, MSG_DONTWAIT | MSG_TRUNC);
        if (n > BUFFER_SIZE || (n < 0 && errno == ENOBUFS)) {
            monitor->changed(monitor->aux, 0);
            continue;
        }
        if (n <= 0) {
            return;
        }
        int len = (int) n;
        for (struct nlmsghdr *hdr = monitor->buffer; nlmsg_ok(hdr, len);
             hdr = nlmsg_next(hdr, &len)) {
            handle_message(monitor, hdr);
        }
    }
}

/* --- life ---------------------------------------------------------------------------- */

static int
start(struct ethtool_monitor *monitor, struct event_base *base)
{
    uint32_t group;
    monitor->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    monitor->buffer = malloc(BUFFER_SIZE);
    if (monitor->fd < 0 || !monitor->buffer) {
        return monitor->fd < 0 ? -errno : -ENOMEM;
    }
    int rc = ask(monitor, &group);
    if (!rc && setsockopt(monitor->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                          sizeof group)) {
        rc = -errno;
    }
    if (rc) {
        return rc;
    }
    monitor->event = event_new(base, monitor->fd, EV_READ | EV_PERSIST, readable, monitor);
    return monitor->event && !event_add(monitor->event, NULL) ? 0 : -ENOMEM;
}

struct ethtool_monitor *
ethtool_monitor_new(struct event_base *base, void (*changed)(void *aux, int ifindex), void *aux,
                    struct errmsg *err)
{
    struct ethtool_monitor *monitor = calloc(1, sizeof *monitor);
    int rc = -ENOMEM;
    if (monitor) {
        *monitor = (struct ethtool_monitor) { .fd = -1, .changed = changed, .aux = aux };
        rc = start(monitor, base);
    }
    if (rc) {
        errmsg_set(err, "cannot watch ethtool's settings: %s", strerror(-rc));
        ethtool_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void
ethtool_monitor_free(struct ethtool_monitor *monitor)
{
    if (!monitor) {
        return;
    }
    if (monitor->event) {
        event_free(monitor->event);
    }
    if (monitor->fd >= 0) {
        close(monitor->fd);
    }
    free(monitor->buffer);
    free(monitor);
}
