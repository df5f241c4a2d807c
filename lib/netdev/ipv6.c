/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/ipv6.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/netdev/rtnl.h"

/* The setting's file, or -errno: -ENOENT without IPv6 in the kernel. */
static int
open_setting(const char *device, int flags)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", device);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
ipv6_is_enabled(const char *device)
{
    int fd = open_setting(device, O_RDONLY);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    char c;
    ssize_t n = read(fd, &c, 1);
    int rc = n == 1 ? c == '0' : n < 0 ? -errno : -EIO;
    close(fd);
    return rc;
}

int
ipv6_set_enabled(const char *device, bool enabled, struct errmsg *err)
{
    int fd = open_setting(device, O_WRONLY), rc = fd < 0 ? fd : 0;
    if (!rc && write(fd, enabled ? "0" : "1", 1) != 1) {
        rc = -errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (rc) {
        errmsg_set(err, "cannot switch IPv6 %s by /proc/sys/net/ipv6/conf/%s/disable_ipv6: %s",
                   enabled ? "on" : "off", device, strerror(-rc));
    }
    return rc;
}

/* ---- Addresses: kept as the kernel describes them, which is also how they are set ---- */

struct ipv6_addresses {
    struct ipv6_addresses *next;
    size_t size;
    char payload[];              /* struct ifaddrmsg and attributes */
};

struct save {
    int ifindex;
    struct ipv6_addresses *first;
};

static int
got_address(const struct nlmsghdr *hdr, void *aux)
{
    struct save *save = aux;
    const struct ifaddrmsg *ifa = NLMSG_DATA(hdr);
    if (hdr->nlmsg_type != RTM_NEWADDR || hdr->nlmsg_len < NLMSG_LENGTH(sizeof *ifa)
        || (int) ifa->ifa_index != save->ifindex || ifa->ifa_family != AF_INET6
        || ifa->ifa_scope == RT_SCOPE_LINK || !(ifa->ifa_flags & IFA_F_PERMANENT)) {
        return 0;
    }
    size_t size = hdr->nlmsg_len - NLMSG_HDRLEN;
    struct ipv6_addresses *address = malloc(sizeof *address + size);
    if (!address) {
        return -ENOMEM;
    }
    address->next = save->first;
    address->size = size;
    memcpy(address->payload, NLMSG_DATA(hdr), size);
    save->first = address;
    return 0;
}

void
ipv6_free_addresses(struct ipv6_addresses *address)
{
    while (address) {
        struct ipv6_addresses *next = address->next;
        free(address);
        address = next;
    }
}

int
ipv6_save_addresses(int ifindex, struct ipv6_addresses **out, struct errmsg *err)
{
    struct save save = { .ifindex = ifindex };
    int rc = -EINTR;
    for (int i = 0; rc == -EINTR && i < 8; i++) {
        ipv6_free_addresses(save.first);
        save.first = NULL;
        struct ifaddrmsg ifa = { .ifa_family = AF_INET6 };
        rc = rtnl_request(rtnl_msg_new(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), got_address,
                          &save, err);
    }
    if (rc) {
        ipv6_free_addresses(save.first);
        return rc;
    }
    *out = save.first;
    return 0;
}

void
ipv6_restore_addresses(struct ipv6_addresses *addresses)
{
    for (struct ipv6_addresses *a = addresses; a; a = a->next) {
        rtnl_request(rtnl_msg_new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, a->payload,
                                  a->size), NULL, NULL, NULL);
    }
    ipv6_free_addresses(addresses);
}
