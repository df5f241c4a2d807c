/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/link_detail.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev/link_parse.h"

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

enum { MAX_TRIES = 8 };

static void
take_text(char *out, size_t size, const struct nlattr *attr)
{
    if (attr) {
        nla_strlcpy(out, attr, size);
    }
}

static void
parse_linkinfo(struct nlattr *linkinfo, struct link_detail *out)
{
    static struct nla_policy policy[IFLA_INFO_MAX + 1] = {
        [IFLA_INFO_SLAVE_KIND] = { .type = NLA_STRING },
    };
    struct nlattr *attrs[IFLA_INFO_MAX + 1];
    if (linkinfo && nla_parse_nested(attrs, IFLA_INFO_MAX, linkinfo, policy) >= 0) {
        take_text(out->master_kind, sizeof out->master_kind, attrs[IFLA_INFO_SLAVE_KIND]);
    }
}

static void
parse_xdp(struct nlattr *xdp, struct link_detail *out)
{
    static struct nla_policy policy[IFLA_XDP_MAX + 1] = {
        [IFLA_XDP_ATTACHED] = { .type = NLA_U8 },
        [IFLA_XDP_PROG_ID] = { .type = NLA_U32 },
    };
    struct nlattr *attrs[IFLA_XDP_MAX + 1];
    if (!xdp || nla_parse_nested(attrs, IFLA_XDP_MAX, xdp, policy) < 0) {
        return;
    }
    if (attrs[IFLA_XDP_ATTACHED]) {
        out->xdp_mode = nla_get_u8(attrs[IFLA_XDP_ATTACHED]);
    }
    if (attrs[IFLA_XDP_PROG_ID]) {
        out->xdp_prog_id = nla_get_u32(attrs[IFLA_XDP_PROG_ID]);
    }
}

static void
parse_switch(struct nlattr *attrs[], struct link_detail *out)
{
    const struct nlattr *id = attrs[IFLA_PHYS_SWITCH_ID];
    if (id && nla_len(id) > 0 && nla_len(id) <= LINK_SWITCH_ID_MAX) {
        out->switch_id_len = (size_t) nla_len(id);
        memcpy(out->switch_id, nla_data(id), out->switch_id_len);
    }
    take_text(out->port_name, sizeof out->port_name, attrs[IFLA_PHYS_PORT_NAME]);
    take_text(out->parent_bus, sizeof out->parent_bus, attrs[IFLA_PARENT_DEV_BUS_NAME]);
    take_text(out->parent_dev, sizeof out->parent_dev, attrs[IFLA_PARENT_DEV_NAME]);
}

int
link_detail_parse(const struct nlmsghdr *hdr, struct link_detail *out)
{
    static struct nla_policy policy[IFLA_MAX + 1] = {
        [IFLA_PHYS_PORT_NAME] = { .type = NLA_STRING },
        [IFLA_PARENT_DEV_NAME] = { .type = NLA_STRING },
        [IFLA_PARENT_DEV_BUS_NAME] = { .type = NLA_STRING },
        [IFLA_LINKINFO] = { .type = NLA_NESTED },
        [IFLA_XDP] = { .type = NLA_NESTED },
    };
    struct nlattr *attrs[IFLA_MAX + 1];
    struct link_detail detail = { .loopback = false };
    int rc = link_parse(hdr, &detail.info);
    if (rc || hdr->nlmsg_type != RTM_NEWLINK
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct ifinfomsg), attrs,
                       IFLA_MAX, policy) < 0) {
        return -EINVAL;
    }
    const struct ifinfomsg *ifi = NLMSG_DATA(hdr);
    detail.loopback = ifi->ifi_flags & IFF_LOOPBACK;
    parse_linkinfo(attrs[IFLA_LINKINFO], &detail);
    parse_xdp(attrs[IFLA_XDP], &detail);
    parse_switch(attrs, &detail);
    *out = detail;
    return 0;
}

static int
got_one(const struct nlmsghdr *hdr, void *out)
{
    return link_detail_parse(hdr, out);
}

int
link_detail_get(const char *name, struct link_detail *out, struct errmsg *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
    struct nl_msg *msg = rtnl_msg_new(RTM_GETLINK, 0, &ifi, sizeof ifi);
    if (msg) {
        nla_put_string(msg, IFLA_IFNAME, name);
        nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    struct link_detail detail = { .loopback = false };
    int rc = rtnl_request(msg, got_one, &detail, err);
    if (rc) {
        errmsg_prefix(err, "%s", name);
    } else {
        *out = detail;
    }
    return rc;
}

struct list {
    struct link_detail *at;
    size_t n, max;
};

static int
got_another(const struct nlmsghdr *hdr, void *list_)
{
    struct list *list = list_;
    if (list->n == list->max) {
        size_t max = list->max ? list->max * 2 : 16;
        struct link_detail *at = realloc(list->at, max * sizeof *at);
        if (!at) {
            return -ENOMEM;
        }
        list->at = at;
        list->max = max;
    }
    /* What is not a device's own message is of no use, and no error. */
    list->n += !link_detail_parse(hdr, &list->at[list->n]);
    return 0;
}

int
link_detail_list(struct link_detail **out, size_t *n, struct errmsg *err)
{
    struct list list = { NULL, 0, 0 };
    int rc = -EINTR;
    for (int tries = 0; rc == -EINTR && tries < MAX_TRIES; tries++) {
        list.n = 0;
        rc = link_dump(got_another, &list, err);
    }
    if (rc) {
        errmsg_prefix(err, "can't list the devices");
        free(list.at);
        return rc;
    }
    *out = list.at;
    *n = list.n;
    return 0;
}
