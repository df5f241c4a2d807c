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
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "drivers/tc/tc.h"
#include "lib/counters.h"
#include "lib/netdev/ingress_drop.h"
#include "lib/netdev/offload_feature.h"

enum { RECEIVE_SIZE = 64 << 10, QUEUE_SIZE = 4 << 20, MAX_OURS = 8 };

struct tc_watch {
    struct tc *tc;
    struct mnl_socket *nl;
    pthread_t thread;
    bool threaded;
    int go_fd;                   /* the socket was read, or it is the end */
    _Atomic bool stop;
    _Atomic bool ready;          /* there is something to read */
    struct flower_filter seen;
    char buffer[RECEIVE_SIZE];
};

/* --- the socket ------------------------------------------------------------------------------------ */

/* Nothing that the sockets with these numbers asked for. The kernel loads in network order. */
static int
leave_out(int fd, const unsigned *portids, unsigned n)
{
    struct sock_filter program[MAX_OURS + 3];
    unsigned len = 0;
    program[len++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                   offsetof(struct nlmsghdr, nlmsg_pid));
    for (unsigned i = 0; i < n; i++) {
        program[len++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portids[i]),
                                                       (uint8_t) (n - i), 0);
    }
    program[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    program[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = { (unsigned short) len, program };
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

static bool
listen_to(struct tc_watch *w, struct tc *tc)
{
    const unsigned ours[] = { tc_socket_portid(tc->nl), tc_socket_portid(tc->looks),
                              tc_socket_portid(tc->slow) };
    int groups[] = { RTNLGRP_TC, RTNLGRP_LINK }, size = QUEUE_SIZE;
    int fd = mnl_socket_get_fd(w->nl);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (leave_out(fd, ours, sizeof ours / sizeof ours[0]) || mnl_socket_bind(w->nl, 0, MNL_SOCKET_AUTOPID)) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (mnl_socket_setsockopt(w->nl, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i])) {
            return false;
        }
    }
    return true;
}

/* --- the thread ------------------------------------------------------------------------------------- */

static void *
watch_main(void *aux)
{
    struct tc_watch *w = aux;
    struct pollfd fds[] = { { .fd = mnl_socket_get_fd(w->nl), .events = POLLIN },
                            { .fd = w->go_fd, .events = POLLIN } };
    uint64_t ignored;
    while (!atomic_load(&w->stop)) {
        fds[0].events = atomic_load(&w->ready) ? 0 : POLLIN;
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[1].revents && read(w->go_fd, &ignored, sizeof ignored) < 0) {
            continue;
        }
        if (fds[0].revents && !atomic_exchange(&w->ready, true)) {
            w->tc->host->event(w->tc->host, HAL_EVENT_AGAIN, NULL);
        }
    }
    return NULL;
}

static void
tell_thread(struct tc_watch *w)
{
    uint64_t one = 1;
    if (write(w->go_fd, &one, sizeof one) < 0) {
        return;                      /* it is told already */
    }
}

struct tc_watch *
tc_watch_new(struct tc *tc, bool threaded)
{
    struct tc_watch *w = calloc(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->tc = tc;
    w->go_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bool ok = w->go_fd >= 0 && w->nl && listen_to(w, tc);
    if (ok && threaded) {
        errno = pthread_create(&w->thread, NULL, watch_main, w);
        ok = w->threaded = !errno;
    }
    if (!ok) {
        int error = errno;
        tc_watch_free(w);
        errno = error;
        return NULL;
    }
    return w;
}

void
tc_watch_free(struct tc_watch *w)
{
    if (!w) {
        return;
    }
    if (w->threaded) {
        atomic_store(&w->stop, true);
        tell_thread(w);
        pthread_join(w->thread, NULL);
    }
    if (w->nl) {
        mnl_socket_close(w->nl);
    }
    if (w->go_fd >= 0) {
        close(w->go_fd);
    }
    free(w);
}

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
    bool on = offload_feature_get(port->name) == OFFLOAD_FEATURE_ON;
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
    struct errmsg err = { "" };
    int result = ingress_drop_add_qdisc(port->ifindex, &err);
    if (result && result != -EEXIST) {
        if (result != -ENODEV) {
            tc->host->log(tc->host, LOG_WARNING, "port %u, %s: no clsact qdisc: %s", port->no,
                          port->name, err.text);
        }
        return;
    }
    port->made_qdisc |= !result;
    counter_inc(COUNTER_tc_qdisc_lost);
    tc_read_port(tc, port);
    tell_lost(tc, port, "somebody deleted its clsact qdisc, with the filters");
}

/* Filters of ours that are not there any more. */
static void
filters_are_gone(struct tc *tc, struct tc_port *port)
{
    tc->n_foreign_changes++;
    counter_inc(COUNTER_tc_stranger_changed);
    tc_read_port(tc, port);
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
        filters_are_gone(tc, port);
    } else if (!error) {
        tc_note_stranger(tc, port, &w->seen, !deleted);
    }
}

/* --- all ------------------------------------------------------------------------------------------------ */

static void
event(struct tc *tc, struct tc_watch *w, const struct nlmsghdr *message)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK: case RTM_DELLINK: link_event(tc, message); break;
    case RTM_NEWQDISC: case RTM_DELQDISC: qdisc_event(tc, message); break;
    case RTM_NEWTFILTER: case RTM_DELTFILTER: filter_event(tc, w, message); break;
    default: break;
    }
}

/* Some of what happened was not heard of: anything may have. */
static void
overrun(struct tc *tc)
{
    counter_inc(COUNTER_tc_overrun);
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        struct tc_port *port = &tc->ports[i];
        if (port->no && !port->gone) {
            feature_switched(tc, port);
            port->gone = tc_read_port(tc, port) == -ENODEV;
            if (port->gone) {
                tc_forget_port(tc, port);
            }
        }
    }
    tc->host->event(tc->host, HAL_EVENT_LOST, "the kernel told of more changes than were read in time");
}

void
tc_watch_run(struct tc *tc, struct tc_watch *w)
{
    ssize_t n;
    do {
        n = recv(mnl_socket_get_fd(w->nl), w->buffer, sizeof w->buffer, MSG_DONTWAIT);
        if (n < 0 && errno == ENOBUFS) {
            overrun(tc);
        }
        int left = n > 0 ? (int) n : 0;
        for (const struct nlmsghdr *m = (const void *) w->buffer; mnl_nlmsg_ok(m, left);
             m = mnl_nlmsg_next(m, &left)) {
            event(tc, w, m);
        }
    } while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
    if (atomic_exchange(&w->ready, false)) {
        tell_thread(w);
    }
}
