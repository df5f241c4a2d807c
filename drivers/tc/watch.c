/* SPDX-License-Identifier: Apache-2.0 */
/* What others do to the devices and filters of ours, as the kernel tells of it (RTNLGRP_TC,
 * RTNLGRP_LINK). What we did ourselves is left out by a filter on the socket, by the number of the
 * socket that asked for it; otherwise each filter of ours would be heard of twice.
 *
 * A thread waits for the socket and wakes the device's, which reads it in step(): so nothing polls,
 * and rules are touched in ops only. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "drivers/tc/tc.h"
#include "lib/counters.h"
#include "lib/netdev/feature.h"
#include "lib/netdev/ingress_drop.h"
#include "lib/netdev/rtnl_watch.h"

enum { MAX_OURS = 8 };

struct tc_watch {
    struct tc *tc;
    struct rtnl_watch *rtnl;
    struct flower_filter seen;
};

/* --- links ------------------------------------------------------------------------------------------ */

static void
tell_lost(struct tc *tc, const struct tc_port *port, const char *what)
{
    char why[128];
    snprintf(why, sizeof why, "port %u, %s: %s", port->no, port->name, what);
    tc->host->event(tc->host, HAL_EVENT_LOST, why);
}

static void
feature_switched(struct tc *tc, struct tc_port *port)
{
    struct feature feature = { .known = false };
    bool on = !feature_get(port->name, "hw-tc-offload", &feature, NULL) && feature.on;
    if (tc->mode == TC_SKIP_HW || on == !port->off) {
        return;
    }
    port->off = !on;
    if (on) {
        tc->host->log(tc->host, LOG_INFO, "port %u, %s: hw-tc-offload is on again", port->no, port->name);
        tc->host->event(tc->host, HAL_EVENT_CAPS, "hw-tc-offload is on again");
        return;
    }
    counter_inc(COUNTER_tc_feature_off);
    tc_read_port(tc, port);
    tc_flush_port(tc, port);
    tc_forget_port(tc, port);
    tell_lost(tc, port, "hw-tc-offload was switched off: its flows are software's");
}

static void
link_event(struct tc *tc, const struct nlmsghdr *message)
{
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg)) {
        counter_inc(COUNTER_tc_malformed);
        return;
    }
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    struct tc_port *port = tc_port_of_device(tc, link->ifi_index);
    if (!port || port->gone || link->ifi_family != AF_UNSPEC) {
        return;
    }
    if (message->nlmsg_type == RTM_DELLINK) {
        port->gone = true;
        tc_forget_port(tc, port);
        counter_inc(COUNTER_tc_device_gone);
        tell_lost(tc, port, "its device is gone, with its filters");
    } else {
        feature_switched(tc, port);
    }
}

/* --- filters and qdiscs -------------------------------------------------------------------------------- */

/* 0, -EEXIST: it is there; or another -errno, which was logged. */
static int
make_qdisc(struct tc *tc, struct tc_port *port)
{
    struct errmsg err = { "" };
    int result = ingress_drop_add_qdisc(port->ifindex, &err);
    if (result && result != -EEXIST && result != -ENODEV) {
        tc->host->log(tc->host, LOG_WARNING, "port %u, %s: no clsact qdisc: %s", port->no, port->name,
                      err.text);
    }
    port->made_qdisc |= !result;
    return result;
}

static void
qdisc_was_lost(struct tc *tc, struct tc_port *port)
{
    counter_inc(COUNTER_tc_qdisc_lost);
    tc_read_port(tc, port);
    tell_lost(tc, port, "somebody deleted its clsact qdisc, with the filters");
}

void
tc_watch_mend_qdisc(struct tc *tc, struct tc_port *port)
{
    if (!make_qdisc(tc, port)) {
        qdisc_was_lost(tc, port);
    }
}

/* Somebody deleted the qdisc, and with it all filters. It is made again at once. */
static void
qdisc_event(struct tc *tc, const struct nlmsghdr *message)
{
    const struct tcmsg *at = mnl_nlmsg_get_payload(message);
    struct tc_port *port = mnl_nlmsg_get_payload_len(message) < sizeof *at ? NULL
                           : tc_port_of_device(tc, at->tcm_ifindex);
    if (!port || port->gone || at->tcm_parent != TC_H_CLSACT || message->nlmsg_type != RTM_DELQDISC) {
        return;
    }
    int result = make_qdisc(tc, port);
    if (!result || result == -EEXIST) {
        qdisc_was_lost(tc, port);
    }
}

void
tc_watch_tell_gone(struct tc *tc, const struct tc_port *port)
{
    tc->n_foreign_changes++;
    counter_inc(COUNTER_tc_stranger_changed);
    tell_lost(tc, port, "somebody else deleted or replaced filters of ours");
}

static void
filter_event(struct tc *tc, struct tc_watch *w, const struct nlmsghdr *message)
{
    const struct tcmsg *at = mnl_nlmsg_get_payload(message);
    struct tc_port *port = mnl_nlmsg_get_payload_len(message) < sizeof *at ? NULL
                           : tc_port_of_device(tc, at->tcm_ifindex);
    if (!port || port->gone || at->tcm_parent != TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) {
        return;
    }
    bool deleted = message->nlmsg_type == RTM_DELTFILTER;
    int error = flower_decode(message, message->nlmsg_len, &w->seen);
    if (error == -EBADMSG) {
        counter_inc(COUNTER_tc_malformed);
    }
    uint16_t prio = (uint16_t) (TC_H_MAJ(at->tcm_info) >> 16);
    const struct tc_rule *rule = at->tcm_handle && at->tcm_handle < tc->n_rules
                                 ? &tc->rules[at->tcm_handle] : NULL;
    bool was_ours = rule && rule->cookie && rule->port == port->no && rule->prio == prio;
    if (was_ours || (deleted && !at->tcm_handle && (!prio || tc_prio_is_used(port, prio)))) {
        tc_read_port(tc, port);
        tc_watch_tell_gone(tc, port);
    } else if (!error) {
        tc_note_stranger(tc, port, &w->seen, !deleted);
    }
}

/* --- all ------------------------------------------------------------------------------------------------ */

static void
event(const struct nlmsghdr *message, void *watch)
{
    struct tc_watch *w = watch;
    switch (message->nlmsg_type) {
    case RTM_NEWLINK: case RTM_DELLINK: link_event(w->tc, message); break;
    case RTM_NEWQDISC: case RTM_DELQDISC: qdisc_event(w->tc, message); break;
    case RTM_NEWTFILTER: case RTM_DELTFILTER: filter_event(w->tc, w, message); break;
    default: break;
    }
}

/* Some of what happened was not heard of: anything may have. */
static void
overrun(void *watch)
{
    struct tc *tc = ((struct tc_watch *) watch)->tc;
    counter_inc(COUNTER_tc_overrun);
    tc->has_missed = true;           /* strangers' are counted anew, too */
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        struct tc_port *port = &tc->ports[i];
        if (port->no && !port->gone) {
            feature_switched(tc, port);
            tc_watch_mend_qdisc(tc, port);
            port->gone = tc_read_port(tc, port) == -ENODEV;
            if (port->gone) {
                tc_forget_port(tc, port);
            }
        }
    }
    tc->host->event(tc->host, HAL_EVENT_LOST, "the kernel told of more changes than were read in time");
}

static void
wake(void *watch)
{
    struct tc *tc = ((struct tc_watch *) watch)->tc;
    tc->host->event(tc->host, HAL_EVENT_AGAIN, NULL);
}

/* A filter for the socket: nothing that the sockets with these numbers asked for. The kernel loads in
 * network order. */
static struct sock_fprog
leave_out(struct sock_filter program[MAX_OURS + 3], const unsigned *portids, unsigned n)
{
    unsigned short len = 0;
    program[len++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                   offsetof(struct nlmsghdr, nlmsg_pid));
    for (unsigned i = 0; i < n; i++) {
        program[len++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portids[i]),
                                                       (uint8_t) (n - i), 0);
    }
    program[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    program[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, 0);
    return (struct sock_fprog) { len, program };
}

struct tc_watch *
tc_watch_new(struct tc *tc, bool threaded)
{
    static const int groups[] = { RTNLGRP_TC, RTNLGRP_LINK };
    const unsigned ours[] = { tc_socket_portid(tc->nl), tc_socket_portid(tc->looks),
                              tc_socket_portid(tc->slow) };
    struct sock_filter program[MAX_OURS + 3];
    struct sock_fprog filter = leave_out(program, ours, sizeof ours / sizeof ours[0]);
    struct tc_watch *w = calloc(1, sizeof *w);
    if (w) {
        w->tc = tc;
        w->rtnl = rtnl_watch_new(&(struct rtnl_watch_config) {
            .groups = groups, .n_groups = 2, .filter = &filter, .threaded = threaded, .wake = wake,
            .event = event, .overrun = overrun, .aux = w,
        });
        if (!w->rtnl) {
            free(w);
            w = NULL;
        }
    }
    return w;
}

void
tc_watch_free(struct tc_watch *w)
{
    if (w) {
        rtnl_watch_free(w->rtnl);
        free(w);
    }
}

void
tc_watch_listen(struct tc_watch *w, bool on)
{
    rtnl_watch_listen(w->rtnl, RTNLGRP_TC, on);
}

void
tc_watch_run(struct tc *tc, struct tc_watch *w)
{
    (void) tc;
    rtnl_watch_run(w->rtnl);
}
