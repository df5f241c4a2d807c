/* SPDX-License-Identifier: Apache-2.0 */
/* What there is of tc on a device, for a report: qdiscs, and the filters of ingress and egress,
 * by who made them. Nothing is changed but by tc_add_clsact(). */
#ifndef LIB_NETDEV_TC_LOOK_H
#define LIB_NETDEV_TC_LOOK_H 1

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"

enum {
    TC_KIND_SIZE = 16,
    /* The first bytes of the cookie on the actions of a filter of Turnout's. */
    TC_COOKIE_MAGIC = 0x54524e54,    /* "TRNT" */
    /* The priority of the filter that isolates ports: lib/netdev/ingress_drop.c. */
    TC_PRIO_ISOLATION = 64222,
};

/* A filter, by what tells it from others. */
struct tc_filter {
    char kind[TC_KIND_SIZE];     /* "flower", "bpf", ... */
    uint32_t chain;
    uint16_t prio;
    uint16_t protocol;           /* an Ethernet type, host order; 3: all */
    uint32_t handle;
    bool ours;                   /* Turnout made it */
};

enum tc_ingress { TC_INGRESS_NONE, TC_INGRESS_CLSACT, TC_INGRESS_INGRESS };

/* Counts are of filters, not of priorities. */
struct tc_look {
    enum tc_ingress ingress;     /* the qdisc that ingress filters are in */
    uint32_t ingress_block;      /* the block that it shares with others; 0: its own */
    char root[TC_KIND_SIZE];     /* the root qdisc, if somebody made it; else "" */
    uint32_t root_handle;
    bool root_ours;
    unsigned n_ours;             /* filters of Turnout's at ingress */
    unsigned n_foreign;          /* of strangers' there */
    unsigned n_foreign_egress;
    struct tc_filter foreign;    /* the strangers' first, with n_foreign */
};

/* 0 or -errno. Any thread. */
int tc_look(int ifindex, struct tc_look *, struct errmsg *);

/* One message of each dump. 0, or -EINVAL if it is none: then *out is as it was. Pure. */
int tc_look_parse_filter(const struct nlmsghdr *, struct tc_filter *out);
/* Of a qdisc at the ingress of 'ifindex': fills 'ingress' and 'ingress_block'. */
int tc_look_parse_qdisc(const struct nlmsghdr *, int ifindex, struct tc_look *out);

/* Makes a clsact: 0, -EEXIST if there is one or an ingress qdisc, another -errno. */
int tc_add_clsact(int ifindex, struct errmsg *);

#endif /* lib/netdev/tc_look.h */
