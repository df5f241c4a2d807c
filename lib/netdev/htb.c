/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/htb.h"

#include <errno.h>

#include "lib/netdev/htb_msg.h"
#include "lib/netdev/rtnl.h"

static int
got_root(const struct nlmsghdr *hdr, void *root)
{
    htb_msg_read_root(hdr, root);
    return 0;
}

int
htb_find_root(int ifindex, struct htb_root *out, struct errmsg *err)
{
    struct htb_root root = { .owner = HTB_OWNER_KERNEL };
    int rc = rtnl_request(htb_msg_get_root(ifindex), got_root, &root, err);
    /* Of built-in qdiscs (noqueue, noop) the kernel says nothing, or one of these. */
    if (!rc || rc == -EINVAL || rc == -ENOENT) {
        *out = root;
        return 0;
    }
    return rc;
}

/* The two classes that are always there. */
static int
add_base(int ifindex, struct errmsg *err)
{
    static const struct htb_rates no_limit = { .rate = UINT64_C(125000000000) };
    static const struct htb_rates nothing_for_sure = { .rate = 0 };
    int rc = rtnl_request(htb_msg_class(ifindex, HTB_MINOR_INNER, &no_limit, false), NULL, NULL,
                          err);
    return rc ? rc : rtnl_request(htb_msg_class(ifindex, HTB_MINOR_DEFAULT, &nothing_for_sure,
                                                false), NULL, NULL, err);
}

int
htb_add_root(int ifindex, struct errmsg *err)
{
    struct htb_root root;
    int rc = htb_find_root(ifindex, &root, err);
    if (!rc && root.owner == HTB_OWNER_OTHER) {
        errmsg_set(err, "it has a root qdisc that is not ours, %s %x:", root.kind,
                   root.handle >> 16);
        return -EBUSY;
    }
    if (!rc && root.owner == HTB_OWNER_US) {
        rc = rtnl_request(htb_msg_del_root(ifindex), NULL, NULL, err);
    }
    rc = rc ? rc : rtnl_request(htb_msg_add_root(ifindex), NULL, NULL, err);
    if (rc) {
        return rc;
    }
    rc = add_base(ifindex, err);
    if (rc) {
        htb_del_root(ifindex);
    }
    return rc;
}

void
htb_del_root(int ifindex)
{
    struct htb_root root;
    if (!htb_find_root(ifindex, &root, NULL) && root.owner == HTB_OWNER_US) {
        rtnl_request(htb_msg_del_root(ifindex), NULL, NULL, NULL);
    }
}

int
htb_add_class(int ifindex, uint16_t minor, const struct htb_rates *rates, struct errmsg *err)
{
    return rtnl_request(htb_msg_class(ifindex, minor, rates, false), NULL, NULL, err);
}

int
htb_change_class(int ifindex, uint16_t minor, const struct htb_rates *rates, struct errmsg *err)
{
    return rtnl_request(htb_msg_class(ifindex, minor, rates, true), NULL, NULL, err);
}

void
htb_del_class(int ifindex, uint16_t minor)
{
    rtnl_request(htb_msg_del_class(ifindex, minor), NULL, NULL, NULL);
}

struct visit {
    void (*fn)(const struct htb_class_stats *, void *aux);
    void *aux;
};

static int
got_class(const struct nlmsghdr *hdr, void *visit_)
{
    const struct visit *visit = visit_;
    struct htb_class_stats stats;
    if (htb_msg_read_class(hdr, &stats) && stats.minor <= HTB_MINOR_MAX) {
        visit->fn(&stats, visit->aux);
    }
    return 0;
}

int
htb_for_each_class(int ifindex, void (*fn)(const struct htb_class_stats *, void *aux), void *aux,
                   struct errmsg *err)
{
    struct visit visit = { fn, aux };
    int rc = -EINTR;
    for (int i = 0; rc == -EINTR && i < 8; i++) {
        rc = rtnl_request(htb_msg_dump_classes(ifindex), got_class, &visit, err);
    }
    return rc;
}
