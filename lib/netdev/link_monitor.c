/* SPDX-License-Identifier: Apache-2.0 */
/* Watches links. What the kernel said last is kept, so that after lost events a dump tells
 * what has gone. */
#include <errno.h>
#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netdev/link.h"
#include "lib/netdev/link_parse.h"

enum {
    BUFFER_SIZE = 32 << 10,
    DATAGRAMS_A_TURN = 64,       /* other events get their turn then */
    DUMP_TRIES = 8,
};

struct link_list {
    struct link_info *links;
    size_t n, capacity;
};

struct link_monitor {
    int fd;
    struct event *event;
    void (*changed)(void *aux, const struct link_info *, bool gone);
    void *aux;
    struct link_list known;
    bool stale;                  /* 'known' misses events, and could not be made new */
    void *buffer;
};

static struct link_info *
list_find(const struct link_list *list, int ifindex)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->links[i].ifindex == ifindex) {
            return &list->links[i];
        }
    }
    return NULL;
}

static int
list_put(struct link_list *list, const struct link_info *link)
{
    struct link_info *old = list_find(list, link->ifindex);
    if (old) {
        *old = *link;
        return 0;
    }
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct link_info *links = realloc(list->links, capacity * sizeof *links);
        if (!links) {
            return -ENOMEM;
        }
        list->links = links;
        list->capacity = capacity;
    }
    list->links[list->n++] = *link;
    return 0;
}

static void
list_remove(struct link_list *list, int ifindex)
{
    struct link_info *link = list_find(list, ifindex);
    if (link) {
        *link = list->links[--list->n];
    }
}

static int
add_to_list(const struct nlmsghdr *hdr, void *list)
{
    struct link_info link;
    return link_parse(hdr, &link) ? 0 : list_put(list, &link);
}

/* All links there are; *list is empty before, and after a failure. */
static int
dump_all(struct link_list *list, struct errmsg *err)
{
    int rc = -EINTR;
    for (int i = 0; rc == -EINTR && i < DUMP_TRIES; i++) {
        list->n = 0;
        rc = link_dump(add_to_list, list, err);
    }
    if (rc) {
        free(list->links);
        *list = (struct link_list) { 0 };
    }
    return rc;
}

/* Events were lost: tells what has gone, then all that is there. */
static void
resynchronise(struct link_monitor *monitor)
{
    /* What is still queued is older than the dump, and could bring a dead link back. */
    while (recv(monitor->fd, monitor->buffer, BUFFER_SIZE, MSG_DONTWAIT) > 0
           || errno == ENOBUFS || errno == EINTR) {
        continue;
    }
    struct link_list now = { 0 }, before = monitor->known;
    monitor->stale = dump_all(&now, NULL) != 0;
    if (monitor->stale) {
        return;    /* no memory: again with the next event */
    }
    monitor->known = now;
    for (size_t i = 0; i < before.n; i++) {
        if (!list_find(&now, before.links[i].ifindex)) {
            monitor->changed(monitor->aux, &before.links[i], true);
        }
    }
    for (size_t i = 0; i < now.n; i++) {
        monitor->changed(monitor->aux, &now.links[i], false);
    }
    free(before.links);
}

static void
handle_message(struct link_monitor *monitor, const struct nlmsghdr *hdr)
{
    struct link_info link;
    if (link_parse(hdr, &link)) {
        return;
    }
    bool gone = hdr->nlmsg_type == RTM_DELLINK;
    if (gone) {
        list_remove(&monitor->known, link.ifindex);
    } else {
        /* Without memory for it, its end would go unnoticed after lost events only. */
        (void) list_put(&monitor->known, &link);
    }
    monitor->changed(monitor->aux, &link, gone);
}

static void
readable(evutil_socket_t fd, short what, void *aux)
{
    (void) what;
    struct link_monitor *monitor = aux;
    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        ssize_t n = recv(fd, monitor->buffer, BUFFER_SIZE, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n > BUFFER_SIZE || (n < 0 && errno == ENOBUFS) || (n > 0 && monitor->stale)) {
            resynchronise(monitor);
            return;
        }
        if (n <= 0) {
            return;
        }
        int len = (int) n;
        for (struct nlmsghdr *hdr = monitor->buffer; nlmsg_ok(hdr, len);
             hdr = nlmsg_next(hdr, &len)) {
            handle_message(monitor, hdr);
        }
    }
}

static int
start(struct link_monitor *monitor, struct event_base *base, struct errmsg *err)
{
    /* Listening begins before the dump, so no change falls between them. */
    monitor->fd = rtnl_socket(RTMGRP_LINK, SOCK_NONBLOCK);
    if (monitor->fd < 0) {
        errmsg_set(err, "cannot watch links: %s", strerror(-monitor->fd));
        return monitor->fd;
    }
    monitor->buffer = malloc(BUFFER_SIZE);
    monitor->event = event_new(base, monitor->fd, EV_READ | EV_PERSIST, readable, monitor);
    if (!monitor->buffer || !monitor->event || event_add(monitor->event, NULL)) {
        errmsg_set(err, "cannot watch links: out of memory");
        return -ENOMEM;
    }
    int rc = dump_all(&monitor->known, err);
    if (rc) {
        errmsg_prefix(err, "cannot list links");
    }
    return rc;
}

struct link_monitor *
link_monitor_new(struct event_base *base,
                 void (*changed)(void *aux, const struct link_info *, bool gone), void *aux,
                 struct errmsg *err)
{
    struct link_monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor) {
        errmsg_set(err, "cannot watch links: out of memory");
        return NULL;
    }
    *monitor = (struct link_monitor) { .fd = -1, .changed = changed, .aux = aux };
    if (start(monitor, base, err)) {
        link_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void
link_monitor_free(struct link_monitor *monitor)
{
    if (!monitor) {
        return;
    }
    if (monitor->event) {
        event_free(monitor->event);
    }
    if (monitor->fd >= 0) {
        close(monitor->fd);
    }
    free(monitor->known.links);
    free(monitor->buffer);
    free(monitor);
}
