/* SPDX-License-Identifier: Apache-2.0 */
/* A fence for all ports at once: they leave the bridge, so that what comes in by them is software's.
 *
 * To leave takes a port as long as it has VLANs and entries, and a chip's firmware may be asked about
 * each of them. So each port is first switched off as the spanning tree would, which is one request
 * whatever is in the bridge: from then on the chip drops its frames. A thread takes them out then;
 * if it is not ready soon, the fence stands without it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "drivers/switchdev/device.h"

struct switchdev_leaving {
    struct hal_host *host;
    pthread_t thread;
    bool threaded;               /* and not waited for */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;                   /* with the lock */
    int error;                   /* of the last that could not leave; with the lock */
    bool all_off;                /* each is switched off */
    unsigned n;
    int ifindex[SWITCHDEV_MAX_PORTS];
};

static void
leave_all(struct switchdev_leaving *l)
{
    struct errmsg err;
    int result = 0;
    for (unsigned i = 0; i < l->n; i++) {
        int error = switchdev_bridge_leave(l->ifindex[i], &err);
        if (error && error != -ENODEV) {
            l->host->log(l->host, LOG_WARNING, "device %d can't leave its bridge: %s", l->ifindex[i],
                         err.text);
            result = error;
        }
    }
    pthread_mutex_lock(&l->lock);
    l->done = true;
    l->error = result;
    pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->lock);
}

static void *
leaving_main(void *leaving)
{
    leave_all(leaving);
    return NULL;
}

void
switchdev_leaving_end(struct switchdev *d)
{
    struct switchdev_leaving *l = d->leaving;
    if (l && l->threaded) {
        pthread_join(l->thread, NULL);
    }
    if (l) {
        pthread_cond_destroy(&l->ended);
        pthread_mutex_destroy(&l->lock);
    }
    free(l);
    d->leaving = NULL;
}

/* NULL without memory. */
static struct switchdev_leaving *
leaving_new(struct switchdev *d)
{
    struct switchdev_leaving *l = calloc(1, sizeof *l);
    pthread_condattr_t attr;
    if (l) {
        l->host = d->host;
        l->all_off = true;
        pthread_mutex_init(&l->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&l->ended, &attr);
        pthread_condattr_destroy(&attr);
    }
    return l;
}

/* 0 if all have left, or if they have not yet and are switched off. */
static int
wait_a_while(struct switchdev_leaving *l)
{
    struct timespec until;
    int timeout = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SWITCHDEV_LEAVE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&l->lock);
    while (!l->done && !timeout) {
        timeout = pthread_cond_timedwait(&l->ended, &l->lock, &until);
    }
    int result = l->done ? l->error : l->all_off ? 0 : -EIO;
    pthread_mutex_unlock(&l->lock);
    return result;
}

/* A device that is down is off. */
static bool
switch_off(const struct switchdev_port *port)
{
    int error = switchdev_bridge_disable(port->ifindex, NULL);
    return !error || error == -ENETDOWN || error == -ENODEV;
}

int
switchdev_fence_all(struct switchdev *d)
{
    switchdev_leaving_end(d);
    struct switchdev_leaving *l = d->leaving = leaving_new(d);
    bool off = true;
    for (unsigned i = 0; i < d->n_ports; i++) {
        struct switchdev_port *port = &d->ports[i];
        port->fenced = true;
        if (port->joined) {
            off = switch_off(port) && off;
            port->joined = false;
            if (l) {
                l->ifindex[l->n++] = port->ifindex;
            }
        }
    }
    if (!l) {
        return off ? 0 : -EIO;
    }
    l->all_off = off;
    l->threaded = l->n && !pthread_create(&l->thread, NULL, leaving_main, l);
    if (!l->threaded) {
        leave_all(l);
    }
    return wait_a_while(l);
}
