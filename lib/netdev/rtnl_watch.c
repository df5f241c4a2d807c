/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/rtnl_watch.h"

#include <errno.h>
#include <netlink/msg.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netdev/rtnl.h"

enum { RECEIVE_SIZE = 64 << 10, QUEUE_SIZE = 4 << 20 };

struct rtnl_watch {
    struct rtnl_watch_config config;
    int fd;
    int go_fd;                   /* the socket was read, or it is the end */
    pthread_t thread;
    bool threaded;
    _Atomic bool stop;
    _Atomic bool ready;          /* there is something to read */
    union {
        struct nlmsghdr first;
        char bytes[RECEIVE_SIZE];
    } buffer;
};

/* Nothing comes that the filter is not asked about: it is there before the groups are. */
static int
open_socket(const struct rtnl_watch_config *config)
{
    int size = QUEUE_SIZE, fd = rtnl_socket(0, SOCK_NONBLOCK), error = fd < 0 ? -fd : 0;
    if (!error && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (!error && config->filter
        && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, config->filter, sizeof *config->filter)) {
        error = errno;
    }
    for (unsigned i = 0; !error && i < config->n_groups; i++) {
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &config->groups[i],
                       sizeof config->groups[i])) {
            error = errno;
        }
    }
    if (error && fd >= 0) {
        close(fd);
    }
    errno = error;
    return error ? -1 : fd;
}

static void *
watch_main(void *aux)
{
    struct rtnl_watch *w = aux;
    struct pollfd fds[] = { { .fd = w->fd, .events = POLLIN }, { .fd = w->go_fd, .events = POLLIN } };
    uint64_t ignored;
    while (!atomic_load(&w->stop)) {
        fds[0].fd = atomic_load(&w->ready) ? -1 : w->fd;    /* POLLERR comes unasked */
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[1].revents && read(w->go_fd, &ignored, sizeof ignored) < 0) {
            continue;
        }
        if (fds[0].fd >= 0 && fds[0].revents && !atomic_exchange(&w->ready, true)) {
            w->config.wake(w->config.aux);
        }
    }
    return NULL;
}

static void
tell_thread(struct rtnl_watch *w)
{
    uint64_t one = 1;
    if (write(w->go_fd, &one, sizeof one) < 0) {
        return;                      /* it is told already */
    }
}

struct rtnl_watch *
rtnl_watch_new(const struct rtnl_watch_config *config)
{
    struct rtnl_watch *w = calloc(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->config = *config;
    w->go_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->fd = w->go_fd < 0 ? -1 : open_socket(config);
    bool ok = w->fd >= 0;
    if (ok && config->threaded) {
        errno = pthread_create(&w->thread, NULL, watch_main, w);
        ok = w->threaded = !errno;
    }
    if (!ok) {
        int error = errno;
        rtnl_watch_free(w);
        errno = error;
        return NULL;
    }
    return w;
}

void
rtnl_watch_free(struct rtnl_watch *w)
{
    if (!w) {
        return;
    }
    if (w->threaded) {
        atomic_store(&w->stop, true);
        tell_thread(w);
        pthread_join(w->thread, NULL);
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->go_fd >= 0) {
        close(w->go_fd);
    }
    free(w);
}

void
rtnl_watch_listen(struct rtnl_watch *w, int group, bool on)
{
    (void) setsockopt(w->fd, SOL_NETLINK, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP,
                      &group, sizeof group);
}

void
rtnl_watch_run(struct rtnl_watch *w)
{
    ssize_t n;
    do {
        n = recv(w->fd, &w->buffer, sizeof w->buffer, MSG_DONTWAIT);
        if (n < 0 && errno == ENOBUFS) {
            w->config.overrun(w->config.aux);
            errno = ENOBUFS;             /* as it was before the call */
        }
        int left = n > 0 ? (int) n : 0;
        for (struct nlmsghdr *m = &w->buffer.first; nlmsg_ok(m, left); m = nlmsg_next(m, &left)) {
            w->config.event(m, w->config.aux);
        }
    } while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
    if (atomic_exchange(&w->ready, false)) {
        tell_thread(w);
    }
}
