/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/tc_look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "lib/netdev/htb.h"
#include "lib/netdev/ingress_drop.h"
#include "lib/netdev/rtnl.h"

#define PARENT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define PARENT_EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

enum { MAX_TRIES = 8, MAGIC_SIZE = 4 };

static struct nl_msg *
question(int type, int ifindex, uint32_t parent)
{
    struct tcmsg tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent };
    return rtnl_msg_new(type, NLM_F_DUMP, &tc, sizeof tc);
}

/* Attributes of a tc message of 'type', which has a kind. */
static const struct tcmsg *
parse(const struct nlmsghdr *hdr, int type, struct nlattr *attrs[TCA_MAX + 1])
{
    static struct nla_policy policy[TCA_MAX + 1] = {
        [TCA_KIND] = { .type = NLA_STRING, .maxlen = TC_KIND_SIZE },
        [TCA_CHAIN] = { .type = NLA_U32 },
        [TCA_INGRESS_BLOCK] = { .type = NLA_U32 },
    };
    if (hdr->nlmsg_type != type
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct tcmsg), attrs, TCA_MAX,
                       policy) < 0
        || !attrs[TCA_KIND]) {
        return NULL;
    }
    return NLMSG_DATA(hdr);
}

/* --- filters -------------------------------------------------------------------------- */

/* True if an action of the list has our cookie. */
static bool
has_our_cookie(struct nlattr *actions)
{
    const uint8_t magic[MAGIC_SIZE] = { TC_COOKIE_MAGIC >> 24, TC_COOKIE_MAGIC >> 16 & 0xff,
                                        TC_COOKIE_MAGIC >> 8 & 0xff, TC_COOKIE_MAGIC & 0xff };
    struct nlattr *action;
    int left;
    nla_for_each_nested(action, actions, left) {
        const struct nlattr *cookie = nla_find(nla_data(action), nla_len(action), TCA_ACT_COOKIE);
        if (cookie && nla_len(cookie) >= MAGIC_SIZE
            && !memcmp(nla_data(cookie), magic, sizeof magic)) {
            return true;
        }
    }
    return false;
}

static bool
is_our_flower(const char *kind, struct nlattr *options)
{
    struct nlattr *actions = options && !strcmp(kind, "flower")
                             ? nla_find(nla_data(options), nla_len(options), TCA_FLOWER_ACT) : NULL;
    return actions && has_our_cookie(actions);
}

int
tc_look_parse_filter(const struct nlmsghdr *hdr, struct tc_filter *out)
{
    struct nlattr *attrs[TCA_MAX + 1];
    const struct tcmsg *tc = parse(hdr, RTM_NEWTFILTER, attrs);
    /* A message without a handle stands for the filters of a priority together. */
    if (!tc || !tc->tcm_handle) {
        return -EINVAL;
    }
    struct tc_filter filter = {
        .chain = attrs[TCA_CHAIN] ? nla_get_u32(attrs[TCA_CHAIN]) : 0,
        .prio = (uint16_t) (tc->tcm_info >> 16),
        .protocol = ntohs((uint16_t) tc->tcm_info),
        .handle = tc->tcm_handle,
    };
    nla_strlcpy(filter.kind, attrs[TCA_KIND], sizeof filter.kind);
    filter.ours = is_our_flower(filter.kind, attrs[TCA_OPTIONS]);
    *out = filter;
    return 0;
}

struct filters {
    unsigned n_ours, n_foreign;
    bool isolated;               /* a filter with the isolation's priority is ours */
    struct tc_filter foreign;
};

static int
got_filter(const struct nlmsghdr *hdr, void *filters_)
{
    struct filters *filters = filters_;
    struct tc_filter filter;
    if (tc_look_parse_filter(hdr, &filter)) {
        return 0;
    }
    if (filter.ours || (filters->isolated && filter.prio == TC_PRIO_ISOLATION)) {
        filters->n_ours++;
    } else if (!filters->n_foreign++) {
        filters->foreign = filter;
    }
    return 0;
}

static int
look_at_filters(int ifindex, uint32_t parent, struct filters *out, struct errmsg *err)
{
    struct filters filters;
    int rc = -EINTR;
    for (int tries = 0; rc == -EINTR && tries < MAX_TRIES; tries++) {
        filters = (struct filters) { .isolated = out->isolated };
        rc = rtnl_request(question(RTM_GETTFILTER, ifindex, parent), got_filter, &filters, err);
    }
    if (!rc) {
        *out = filters;
    }
    return rc;
}

/* --- qdiscs ---------------------------------------------------------------------------- */

int
tc_look_parse_qdisc(const struct nlmsghdr *hdr, int ifindex, struct tc_look *out)
{
    struct nlattr *attrs[TCA_MAX + 1];
    const struct tcmsg *tc = parse(hdr, RTM_NEWQDISC, attrs);
    if (!tc || tc->tcm_ifindex != ifindex || tc->tcm_parent != TC_H_INGRESS) {
        return -EINVAL;
    }
    out->ingress = strcmp(nla_get_string(attrs[TCA_KIND]), "clsact") ? TC_INGRESS_INGRESS
                                                                     : TC_INGRESS_CLSACT;
    out->ingress_block = attrs[TCA_INGRESS_BLOCK] ? nla_get_u32(attrs[TCA_INGRESS_BLOCK]) : 0;
    return 0;
}

struct qdiscs {
    int ifindex;
    struct tc_look *look;
};

static int
got_qdisc(const struct nlmsghdr *hdr, void *qdiscs_)
{
    const struct qdiscs *qdiscs = qdiscs_;
    /* What is not at ingress is not asked for here. */
    tc_look_parse_qdisc(hdr, qdiscs->ifindex, qdiscs->look);
    return 0;
}

static int
look_at_qdiscs(int ifindex, struct tc_look *look, struct errmsg *err)
{
    struct qdiscs qdiscs = { ifindex, look };
    struct htb_root root;
    int rc = -EINTR;
    for (int tries = 0; rc == -EINTR && tries < MAX_TRIES; tries++) {
        look->ingress = TC_INGRESS_NONE;
        rc = rtnl_request(question(RTM_GETQDISC, ifindex, 0), got_qdisc, &qdiscs, err);
    }
    rc = rc ? rc : htb_find_root(ifindex, &root, err);
    if (!rc && root.owner != HTB_OWNER_KERNEL) {
        memcpy(look->root, root.kind, sizeof look->root);
        look->root_handle = root.handle;
        look->root_ours = root.owner == HTB_OWNER_US;
    }
    return rc;
}

int
tc_look(int ifindex, struct tc_look *out, struct errmsg *err)
{
    struct tc_look look = { .ingress = TC_INGRESS_NONE };
    struct filters in = { 0 }, egress = { 0 };
    struct ingress_filters isolation = { .found = false };
    int rc = look_at_qdiscs(ifindex, &look, err);
    if (!rc && look.ingress != TC_INGRESS_NONE) {
        rc = ingress_drop_find(ifindex, &isolation, err);
        in.isolated = isolation.found;
        rc = rc ? rc : look_at_filters(ifindex, PARENT_INGRESS, &in, err);
    }
    if (!rc && look.ingress == TC_INGRESS_CLSACT) {
        rc = look_at_filters(ifindex, PARENT_EGRESS, &egress, err);
    }
    if (rc) {
        errmsg_prefix(err, "device %d: can't tell what tc has", ifindex);
        return rc;
    }
    look.n_ours = in.n_ours;
    look.n_foreign = in.n_foreign;
    look.foreign = in.foreign;
    look.n_foreign_egress = egress.n_foreign;
    *out = look;
    return 0;
}

int
tc_add_clsact(int ifindex, struct errmsg *err)
{
    return ingress_drop_add_qdisc(ifindex, err);
}
