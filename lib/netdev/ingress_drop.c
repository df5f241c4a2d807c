/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/ingress_drop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/netdev/rtnl.h"

enum { FILTER_PRIO = INGRESS_DROP_PRIO, FILTER_HANDLE = 1 };

/* "trnO", and loads of constants that no program has a use for. */
enum { MAGIC = 0x74726e4f, PROGRAM_LEN = 5 };

/* What the program returns to have the filter's actions run. */
#define MATCHES UINT32_MAX

#define PARENT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define PARENT_EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static void
make_program(const struct ingress_drop *drop, struct sock_filter program[PROGRAM_LEN])
{
    program[0] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_IMM, MAGIC);
    program[1] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_IMM, drop->pid);
    program[2] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_IMM, drop->start_time);
    program[3] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_IMM, drop->changes);
    program[4] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K,
                                               drop->redirect_to ? MATCHES : TC_ACT_SHOT);
}

/* True if the program is one of ours, with what it says. */
static bool
read_program(const struct sock_filter program[PROGRAM_LEN], struct ingress_drop *out)
{
    struct ingress_drop drop = { program[1].k, program[2].k, program[3].k,
                                 program[4].k == MATCHES };
    struct sock_filter expected[PROGRAM_LEN];
    make_program(&drop, expected);
    if (memcmp(program, expected, sizeof expected)) {
        return false;
    }
    drop.redirect_to = 0;
    *out = drop;
    return true;
}

/* ---- Processes ---- */

/* Field 22 of /proc/PID/stat, cut to 32 bits; 0 if there is no such process. */
static uint32_t
process_start_time(uint32_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    /* The name, field 2, may have anything in it but ends at the last parenthesis. */
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    return p ? (uint32_t) strtoull(p, NULL, 10) : 0;
}

void
ingress_drop_self(struct ingress_drop *drop)
{
    drop->pid = (uint32_t) getpid();
    drop->start_time = process_start_time(drop->pid);
    drop->redirect_to = 0;
}

bool
ingress_drop_maker_lives(const struct ingress_drop *drop)
{
    uint32_t start_time = process_start_time(drop->pid);
    return start_time && start_time == drop->start_time;
}

/* ---- Filters ---- */

static struct nl_msg *
tc_msg(int type, int flags, int ifindex, uint32_t parent, uint32_t handle, uint32_t info)
{
    struct tcmsg tc = {
        .tcm_family = AF_UNSPEC,
        .tcm_ifindex = ifindex,
        .tcm_handle = handle,
        .tcm_parent = parent,
        .tcm_info = info,
    };
    return rtnl_msg_new(type, flags, &tc, sizeof tc);
}

static uint32_t
filter_info(void)
{
    return TC_H_MAKE((uint32_t) FILTER_PRIO << 16, htons(ETH_P_ALL));
}

/* True if the filter that the kernel describes is ours. */
static bool
parse_ours(const struct tcmsg *tc, struct nlattr *attrs[], struct ingress_drop *out)
{
    if (tc->tcm_info != filter_info() || tc->tcm_handle != FILTER_HANDLE
        || strcmp(nla_get_string(attrs[TCA_KIND]), "bpf") || !attrs[TCA_OPTIONS]) {
        return false;
    }
    struct nlattr *options[TCA_BPF_MAX + 1];
    if (nla_parse_nested(options, TCA_BPF_MAX, attrs[TCA_OPTIONS], NULL) < 0
        || !options[TCA_BPF_OPS]
        || nla_len(options[TCA_BPF_OPS]) != PROGRAM_LEN * sizeof(struct sock_filter)) {
        return false;
    }
    struct sock_filter program[PROGRAM_LEN];
    memcpy(program, nla_data(options[TCA_BPF_OPS]), sizeof program);
    return read_program(program, out);
}

static int
got_filter(const struct nlmsghdr *hdr, void *aux)
{
    struct ingress_filters *filters = aux;
    struct nlattr *attrs[TCA_MAX + 1];
    if (hdr->nlmsg_type != RTM_NEWTFILTER
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct tcmsg), attrs,
                       TCA_MAX, NULL) < 0
        || !attrs[TCA_KIND]) {
        return 0;
    }
    const struct tcmsg *tc = NLMSG_DATA(hdr);
    if (parse_ours(tc, attrs, &filters->ours)) {
        filters->found = true;
    } else if (tc->tcm_handle) {
        /* A message without a handle stands for the filters of one priority together. */
        filters->n_others++;
    }
    return 0;
}

static int
find_filters(int ifindex, uint32_t parent, struct ingress_filters *out, struct errmsg *err)
{
    struct ingress_filters filters;
    int rc = -EINTR;
    for (int i = 0; rc == -EINTR && i < 8; i++) {
        filters = (struct ingress_filters) { 0 };
        rc = rtnl_request(tc_msg(RTM_GETTFILTER, NLM_F_DUMP, ifindex, parent, 0, 0), got_filter,
                          &filters, err);
    }
    if (!rc) {
        *out = filters;
    }
    return rc;
}

int
ingress_drop_find(int ifindex, struct ingress_filters *out, struct errmsg *err)
{
    return find_filters(ifindex, PARENT_INGRESS, out, err);
}

int
ingress_drop_is_there(int ifindex)
{
    struct ingress_filters filters = { 0 };
    int rc = rtnl_request(tc_msg(RTM_GETTFILTER, 0, ifindex, PARENT_INGRESS, FILTER_HANDLE, filter_info()),
                          got_filter, &filters, NULL);
    /* EINVAL: there is no qdisc, or the priority is another kind's. */
    return rc == -ENOENT || rc == -EINVAL ? 0 : rc ? rc : filters.found;
}

/* The action that gives a frame, its tag, checksum and segments as they are, to a device. */
static void
put_redirect(struct nl_msg *msg, int to)
{
    const struct tc_mirred mirred = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t) to,
    };
    struct nlattr *actions = nla_nest_start(msg, TCA_BPF_ACT);
    struct nlattr *first = actions ? nla_nest_start(msg, 1) : NULL;
    nla_put_string(msg, TCA_ACT_KIND, "mirred");
    struct nlattr *options = first ? nla_nest_start(msg, TCA_ACT_OPTIONS) : NULL;
    nla_put(msg, TCA_MIRRED_PARMS, sizeof mirred, &mirred);
    if (options) {
        nla_nest_end(msg, options);
        nla_nest_end(msg, first);
        nla_nest_end(msg, actions);
    }
}

int
ingress_drop_put(int ifindex, const struct ingress_drop *drop, bool replace, struct errmsg *err)
{
    struct nl_msg *msg = tc_msg(RTM_NEWTFILTER, NLM_F_CREATE | (replace ? 0 : NLM_F_EXCL),
                                ifindex, PARENT_INGRESS, FILTER_HANDLE, filter_info());
    if (msg) {
        struct sock_filter program[PROGRAM_LEN];
        make_program(drop, program);
        nla_put_string(msg, TCA_KIND, "bpf");
        struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
        nla_put_u16(msg, TCA_BPF_OPS_LEN, PROGRAM_LEN);
        nla_put(msg, TCA_BPF_OPS, sizeof program, program);
        if (drop->redirect_to) {
            put_redirect(msg, drop->redirect_to);
        } else {
            nla_put_u32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
        }
        if (options) {
            nla_nest_end(msg, options);
        }
    }
    return rtnl_request(msg, NULL, NULL, err);
}

void
ingress_drop_del(int ifindex)
{
    struct ingress_filters filters;
    if (!ingress_drop_find(ifindex, &filters, NULL) && filters.found) {
        rtnl_request(tc_msg(RTM_DELTFILTER, 0, ifindex, PARENT_INGRESS, FILTER_HANDLE,
                            filter_info()), NULL, NULL, NULL);
    }
}

/* ---- Qdiscs ---- */

int
ingress_drop_add_qdisc(int ifindex, struct errmsg *err)
{
    struct nl_msg *msg = tc_msg(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_CLSACT,
                                TC_H_MAKE(TC_H_CLSACT, 0), 0);
    if (msg) {
        nla_put_string(msg, TCA_KIND, "clsact");
    }
    return rtnl_request(msg, NULL, NULL, err);
}

void
ingress_drop_del_qdisc(int ifindex)
{
    struct ingress_filters in, out;
    if (find_filters(ifindex, PARENT_INGRESS, &in, NULL)
        || find_filters(ifindex, PARENT_EGRESS, &out, NULL)
        || in.found || in.n_others || out.n_others) {
        return;
    }
    rtnl_request(tc_msg(RTM_DELQDISC, 0, ifindex, TC_H_CLSACT, TC_H_MAKE(TC_H_CLSACT, 0), 0),
                 NULL, NULL, NULL);
}
