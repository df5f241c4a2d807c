/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/link.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "lib/netdev/link_parse.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

static void
parse_kind(struct nlattr *linkinfo, char *kind, size_t size)
{
    struct nlattr *attr = nla_find(nla_data(linkinfo), nla_len(linkinfo), IFLA_INFO_KIND);
    if (attr) {
        nla_strlcpy(kind, attr, size);
    }
}

int
link_parse(const struct nlmsghdr *hdr, struct link_info *out)
{
    static struct nla_policy policy[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = { .type = NLA_STRING, .maxlen = IFNAMSIZ },
        [IFLA_MTU] = { .type = NLA_U32 },
        [IFLA_MASTER] = { .type = NLA_U32 },
        [IFLA_LINKINFO] = { .type = NLA_NESTED },
    };
    struct nlattr *attrs[IFLA_MAX + 1];
    if ((hdr->nlmsg_type != RTM_NEWLINK && hdr->nlmsg_type != RTM_DELLINK)
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct ifinfomsg), attrs,
                       IFLA_MAX, policy) < 0) {
        return -EINVAL;
    }
    const struct ifinfomsg *ifi = NLMSG_DATA(hdr);
    if (ifi->ifi_family != AF_UNSPEC || !attrs[IFLA_IFNAME]) {
        return -EINVAL;
    }
    *out = (struct link_info) {
        .ifindex = ifi->ifi_index,
        .type = ifi->ifi_type,
        .up = ifi->ifi_flags & IFF_UP,
        .running = ifi->ifi_flags & IFF_LOWER_UP,
        .mtu = attrs[IFLA_MTU] ? nla_get_u32(attrs[IFLA_MTU]) : 0,
        .master = attrs[IFLA_MASTER] ? (int) nla_get_u32(attrs[IFLA_MASTER]) : 0,
    };
    nla_strlcpy(out->name, attrs[IFLA_IFNAME], sizeof out->name);
    if (attrs[IFLA_ADDRESS] && nla_len(attrs[IFLA_ADDRESS]) == sizeof out->hw_addr) {
        memcpy(out->hw_addr, nla_data(attrs[IFLA_ADDRESS]), sizeof out->hw_addr);
    }
    if (attrs[IFLA_LINKINFO]) {
        parse_kind(attrs[IFLA_LINKINFO], out->kind, sizeof out->kind);
    }
    return 0;
}

int
link_dump(rtnl_reply_fn *reply, void *aux, struct errmsg *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
    struct nl_msg *msg = rtnl_msg_new(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof ifi);
    if (msg) {
        nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    return rtnl_request(msg, reply, aux, err);
}

static int
got_link(const struct nlmsghdr *hdr, void *aux)
{
    return link_parse(hdr, aux);
}

/* By its number or, if that is 0, its name. */
static int
get(int ifindex, const char *name, struct link_info *out, struct errmsg *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
    struct nl_msg *msg = rtnl_msg_new(RTM_GETLINK, 0, &ifi, sizeof ifi);
    if (msg) {
        if (!ifindex) {
            nla_put_string(msg, IFLA_IFNAME, name);
        }
        nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    struct link_info link;
    int rc = rtnl_request(msg, got_link, &link, err);
    if (!rc) {
        *out = link;
    }
    return rc;
}

int
link_get(const char *name, struct link_info *out, struct errmsg *err)
{
    int rc = get(0, name, out, err);
    if (rc) {
        errmsg_prefix(err, "%s", name);
    }
    return rc;
}

int
link_get_by_index(int ifindex, struct link_info *out, struct errmsg *err)
{
    int rc = get(ifindex, NULL, out, err);
    if (rc) {
        errmsg_prefix(err, "device %d", ifindex);
    }
    return rc;
}

static int
got_stats(const struct nlmsghdr *hdr, void *aux)
{
    struct nlattr *attr = nlmsg_find_attr((struct nlmsghdr *) (uintptr_t) hdr,
                                          sizeof(struct ifinfomsg), IFLA_STATS64);
    struct rtnl_link_stats64 stats = { 0 };
    if (hdr->nlmsg_type != RTM_NEWLINK || !attr) {
        return -EINVAL;
    }
    memcpy(&stats, nla_data(attr),
           (size_t) nla_len(attr) < sizeof stats ? (size_t) nla_len(attr) : sizeof stats);
    *(uint64_t *) aux = stats.tx_dropped;
    return 0;
}

int
link_get_tx_dropped(int ifindex, uint64_t *n, struct errmsg *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
    return rtnl_request(rtnl_msg_new(RTM_GETLINK, 0, &ifi, sizeof ifi), got_stats, n, err);
}

int
link_set_address(int ifindex, const uint8_t addr[6], struct errmsg *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
    struct nl_msg *msg = rtnl_msg_new(RTM_NEWLINK, 0, &ifi, sizeof ifi);
    if (msg) {
        nla_put(msg, IFLA_ADDRESS, 6, addr);
    }
    int rc = rtnl_request(msg, NULL, NULL, err);
    if (rc) {
        errmsg_prefix(err, "device %d: cannot set its address", ifindex);
    }
    return rc;
}

int
link_set_up(int ifindex, bool up, struct errmsg *err)
{
    struct ifinfomsg ifi = {
        .ifi_family = AF_UNSPEC,
        .ifi_index = ifindex,
        .ifi_flags = up ? IFF_UP : 0,
        .ifi_change = IFF_UP,
    };
    int rc = rtnl_request(rtnl_msg_new(RTM_NEWLINK, 0, &ifi, sizeof ifi), NULL, NULL, err);
    if (rc) {
        errmsg_prefix(err, "device %d: cannot bring it %s", ifindex, up ? "up" : "down");
    }
    return rc;
}
