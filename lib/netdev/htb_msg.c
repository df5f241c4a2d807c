/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/htb_msg.h"

#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "lib/netdev/rtnl.h"

/* "tr": tc chooses 0x8001 and upwards, people choose small ones. "trnQ": the mark. */
enum { MAJOR = 0x7472, MARK = 0x74726e51 };
#define ROOT_HANDLE ((uint32_t) MAJOR << 16)

enum {
    HTB_VERSION = 3,
    TICK_NS = 64,                    /* the unit of the buffers */
    LINK_LAYER_ETHERNET = 1,         /* computed rates: no table is wanted */
    MIN_BURST = 16384,
    MIN_QUANTUM = 1600, MAX_QUANTUM = 60000,
};

/* What "no limit" and "nothing for sure" are, in bytes a second: the kernel wants a number. */
#define RATE_UNLIMITED UINT64_C(125000000000)
#define RATE_NOTHING UINT64_C(1000)

static uint32_t
class_id(uint16_t minor)
{
    return ROOT_HANDLE | minor;
}

int
htb_priority(uint16_t minor)
{
    return (int) class_id(minor);
}

static struct nl_msg *
tc_msg(int type, int flags, int ifindex, uint32_t parent, uint32_t handle)
{
    struct tcmsg tc = {
        .tcm_family = AF_UNSPEC,
        .tcm_ifindex = ifindex,
        .tcm_handle = handle,
        .tcm_parent = parent,
    };
    return rtnl_msg_new(type, flags, &tc, sizeof tc);
}

struct nl_msg *
htb_msg_get_root(int ifindex)
{
    /* Without ECHO the answer goes only to those who listen to all changes. */
    return tc_msg(RTM_GETQDISC, NLM_F_ECHO, ifindex, TC_H_ROOT, 0);
}

struct nl_msg *
htb_msg_del_root(int ifindex)
{
    return tc_msg(RTM_DELQDISC, 0, ifindex, TC_H_ROOT, ROOT_HANDLE);
}

struct nl_msg *
htb_msg_del_class(int ifindex, uint16_t minor)
{
    return tc_msg(RTM_DELTCLASS, 0, ifindex, 0, class_id(minor));
}

struct nl_msg *
htb_msg_dump_classes(int ifindex)
{
    return tc_msg(RTM_GETTCLASS, NLM_F_DUMP, ifindex, ROOT_HANDLE, 0);
}

/* Appends the kind and the options; NULL, and the message freed, if there is no room. */
static struct nl_msg *
put_htb(struct nl_msg *msg, int option, int size, const void *value,
        const struct htb_rates *rates)
{
    struct nlattr *options;
    if (!msg || nla_put_string(msg, TCA_KIND, "htb")
        || !(options = nla_nest_start(msg, TCA_OPTIONS)) || nla_put(msg, option, size, value)
        || (rates && rates->rate > UINT32_MAX
            && nla_put_u64(msg, TCA_HTB_RATE64, rates->rate))
        || (rates && rates->ceil > UINT32_MAX
            && nla_put_u64(msg, TCA_HTB_CEIL64, rates->ceil))) {
        nlmsg_free(msg);
        return NULL;
    }
    nla_nest_end(msg, options);
    return msg;
}

struct nl_msg *
htb_msg_add_root(int ifindex)
{
    struct tc_htb_glob glob = {
        .version = HTB_VERSION,
        .rate2quantum = MARK,
        .defcls = HTB_MINOR_DEFAULT,
    };
    return put_htb(tc_msg(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_ROOT, ROOT_HANDLE),
                   TCA_HTB_INIT, sizeof glob, &glob, NULL);
}

/* How long 'burst' bytes take at 'rate', in ticks. */
static uint32_t
burst_ticks(uint64_t rate, uint32_t burst)
{
    uint64_t bytes = burst;
    if (!bytes) {
        bytes = rate / 100 > MIN_BURST ? rate / 100 : MIN_BURST;
    }
    long double ticks = (long double) bytes * 1e9L / (long double) rate / TICK_NS;
    return ticks < 1 ? 1 : ticks >= UINT32_MAX ? UINT32_MAX : (uint32_t) ticks;
}

static struct tc_ratespec
rate_spec(uint64_t rate)
{
    return (struct tc_ratespec) {
        .linklayer = LINK_LAYER_ETHERNET,
        .rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t) rate,
    };
}

/* What a class sends in its turn, when several borrow: by the rates that they have. */
static uint32_t
quantum(uint64_t rate)
{
    uint64_t bytes = rate / 1000;
    return bytes < MIN_QUANTUM ? MIN_QUANTUM : bytes > MAX_QUANTUM ? MAX_QUANTUM
                                                                   : (uint32_t) bytes;
}

struct nl_msg *
htb_msg_class(int ifindex, uint16_t minor, const struct htb_rates *rates, bool change)
{
    struct htb_rates r = *rates;
    r.ceil = r.ceil ? r.ceil : RATE_UNLIMITED;
    r.rate = r.rate ? r.rate : r.ceil < RATE_NOTHING ? r.ceil : RATE_NOTHING;
    struct tc_htb_opt opt = {
        .rate = rate_spec(r.rate),
        .ceil = rate_spec(r.ceil),
        .buffer = burst_ticks(r.rate, r.burst),
        /* Where there is no limit, a burst must not make one. */
        .cbuffer = burst_ticks(r.ceil, rates->ceil ? r.burst : 0),
        .quantum = quantum(r.rate),
    };
    uint32_t parent = minor == HTB_MINOR_INNER ? ROOT_HANDLE : class_id(HTB_MINOR_INNER);
    return put_htb(tc_msg(RTM_NEWTCLASS, change ? 0 : NLM_F_CREATE | NLM_F_EXCL, ifindex, parent,
                          class_id(minor)),
                   TCA_HTB_PARMS, sizeof opt, &opt, &r);
}

/* --- what the kernel tells ------------------------------------------------------------ */

/* The attributes of a qdisc or class; false if it is not well-formed. */
static bool
parse(const struct nlmsghdr *hdr, int type, struct nlattr *attrs[TCA_MAX + 1])
{
    return hdr->nlmsg_type == type
           && nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct tcmsg), attrs,
                          TCA_MAX, NULL) >= 0
           && attrs[TCA_KIND];
}

static bool
has_mark(struct nlattr *attr)
{
    struct nlattr *options[TCA_HTB_MAX + 1];
    struct tc_htb_glob glob;
    if (!attr || nla_parse_nested(options, TCA_HTB_MAX, attr, NULL) < 0 || !options[TCA_HTB_INIT]
        || nla_len(options[TCA_HTB_INIT]) < (int) sizeof glob) {
        return false;
    }
    memcpy(&glob, nla_data(options[TCA_HTB_INIT]), sizeof glob);
    return glob.rate2quantum == MARK && glob.defcls == HTB_MINOR_DEFAULT;
}

void
htb_msg_read_root(const struct nlmsghdr *hdr, struct htb_root *root)
{
    struct nlattr *attrs[TCA_MAX + 1];
    if (!parse(hdr, RTM_NEWQDISC, attrs)) {
        return;
    }
    const struct tcmsg *tc = NLMSG_DATA(hdr);
    *root = (struct htb_root) { .handle = tc->tcm_handle };
    nla_strlcpy(root->kind, attrs[TCA_KIND], sizeof root->kind);
    if (!root->handle) {
        root->owner = HTB_OWNER_KERNEL;
    } else if (root->handle == ROOT_HANDLE && !strcmp(root->kind, "htb")
               && has_mark(attrs[TCA_OPTIONS])) {
        root->owner = HTB_OWNER_US;
    } else {
        root->owner = HTB_OWNER_OTHER;
    }
}

bool
htb_msg_read_class(const struct nlmsghdr *hdr, struct htb_class_stats *out)
{
    struct nlattr *attrs[TCA_MAX + 1], *stats[TCA_STATS_MAX + 1];
    if (!parse(hdr, RTM_NEWTCLASS, attrs)) {
        return false;
    }
    const struct tcmsg *tc = NLMSG_DATA(hdr);
    struct gnet_stats_basic basic;
    if ((tc->tcm_handle & TC_H_MAJ_MASK) != ROOT_HANDLE || !attrs[TCA_STATS2]
        || nla_parse_nested(stats, TCA_STATS_MAX, attrs[TCA_STATS2], NULL) < 0
        || !stats[TCA_STATS_BASIC]
        || nla_len(stats[TCA_STATS_BASIC]) < (int) offsetof(struct gnet_stats_basic, packets)
                                                   + (int) sizeof basic.packets) {
        return false;
    }
    memcpy(&basic, nla_data(stats[TCA_STATS_BASIC]),
           offsetof(struct gnet_stats_basic, packets) + sizeof basic.packets);
    *out = (struct htb_class_stats) {
        .minor = (uint16_t) (tc->tcm_handle & TC_H_MIN_MASK),
        .packets = basic.packets,
        .bytes = basic.bytes,
    };
    /* The whole number, once 32 bits are too few. */
    if (stats[TCA_STATS_PKT64] && nla_len(stats[TCA_STATS_PKT64]) == (int) sizeof out->packets) {
        memcpy(&out->packets, nla_data(stats[TCA_STATS_PKT64]), sizeof out->packets);
    }
    return true;
}
