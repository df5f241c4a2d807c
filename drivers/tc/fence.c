/* SPDX-License-Identifier: Apache-2.0 */
/* Fences: a filter in front of all others by which every packet misses, one a port. It has a
 * socket and a thread of its own, because it must work while a request hangs: then the thread is
 * left to wait, and the caller is told that the fence failed, and takes the ports down. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_gact.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drivers/tc/tc.h"
#include "lib/counters.h"

enum { WAIT_MS = 10 };

/* What the thread is to do; freed by who is last. */
struct fencing {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over, is_left;
    int error;
    bool on, in_software;
    unsigned n;
    int ifindex[TC_MAX_PORTS];
};

static void
put_trap(struct nlmsghdr *message, bool in_software)
{
    struct tc_gact gact = { .action = in_software ? TC_ACT_OK : TC_ACT_TRAP };
    uint16_t any = htons(ETH_P_ALL);
    mnl_attr_put_strz(message, TCA_KIND, "flower");
    struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);
    mnl_attr_put_u32(message, TCA_FLOWER_FLAGS, in_software ? TCA_CLS_FLAGS_SKIP_HW : TCA_CLS_FLAGS_SKIP_SW);
    mnl_attr_put(message, TCA_FLOWER_KEY_ETH_TYPE, sizeof any, &any);
    struct nlattr *actions = mnl_attr_nest_start(message, TCA_FLOWER_ACT);
    struct nlattr *first = mnl_attr_nest_start(message, 1);
    mnl_attr_put_strz(message, TCA_ACT_KIND, "gact");
    struct nlattr *parameters = mnl_attr_nest_start(message, TCA_ACT_OPTIONS);
    mnl_attr_put(message, TCA_GACT_PARMS, sizeof gact, &gact);
    mnl_attr_nest_end(message, parameters);
    mnl_attr_nest_end(message, first);
    mnl_attr_nest_end(message, actions);
    mnl_attr_nest_end(message, options);
}

static int
fence_device(struct tc_socket *nl, int ifindex, bool on, bool in_software)
{
    char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = on ? RTM_NEWTFILTER : RTM_DELTFILTER;
    message->nlmsg_flags = on ? NLM_F_CREATE : 0;
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(message, sizeof *tc);
    tc->tcm_ifindex = ifindex;
    tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    tc->tcm_handle = TC_FENCE_HANDLE;
    tc->tcm_info = TC_H_MAKE((uint32_t) TC_PRIO_FENCE << 16, htons(ETH_P_ALL));
    if (on) {
        put_trap(message, in_software);
    } else {
        mnl_attr_put_strz(message, TCA_KIND, "flower");
    }
    int error = tc_request(nl, message, NULL, NULL);
    return error == -ENODEV || (!on && (error == -ENOENT || error == -EINVAL)) ? 0 : error;
}

int
tc_fence_port(struct tc *tc, const struct tc_port *port, bool on)
{
    return fence_device(tc->nl, port->ifindex, on, tc->mode == TC_SKIP_HW);
}

static void
leave(struct fencing *f)
{
    pthread_mutex_unlock(&f->lock);
    pthread_cond_destroy(&f->over);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void *
fence_main(void *aux)
{
    struct fencing *f = aux;
    struct tc_socket *nl = tc_socket_new(TC_RECEIVE_SIZE / 64);
    int error = nl ? 0 : -EIO;
    for (unsigned i = 0; nl && i < f->n; i++) {
        int result = fence_device(nl, f->ifindex[i], f->on, f->in_software);
        error = error ? error : result;
    }
    tc_socket_free(nl);
    pthread_mutex_lock(&f->lock);
    f->error = error;
    f->is_over = true;
    if (f->is_left) {
        leave(f);
        return NULL;
    }
    pthread_cond_signal(&f->over);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* Waits for the thread, within the bound. Frees, or leaves it to the thread. */
static int
wait_for(struct fencing *f, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long) ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int timed_out = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->is_over && !timed_out) {
        timed_out = pthread_cond_timedwait(&f->over, &f->lock, &until);
    }
    if (!f->is_over) {
        f->is_left = true;
        pthread_mutex_unlock(&f->lock);
        return -EIO;
    }
    int error = f->error;
    leave(f);
    return error;
}

int
tc_fence(void *device, uint16_t no, bool on)
{
    const struct tc *tc = device;
    pthread_t thread;
    struct fencing *f = calloc(1, sizeof *f);
    if (!f) {
        return -EIO;
    }
    f->on = on;
    f->in_software = tc->mode == TC_SKIP_HW;
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        const struct tc_port *port = &tc->ports[i];
        bool down = !on && port->config & PORT_CONFIG_DOWN;
        if (port->no && !port->gone && (!no || port->no == no) && !down) {
            f->ifindex[f->n++] = port->ifindex;
        }
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->over, NULL);
    if (pthread_create(&thread, NULL, fence_main, f)) {
        pthread_mutex_lock(&f->lock);
        leave(f);
        return -EIO;
    }
    pthread_detach(thread);
    int error = wait_for(f, on ? WAIT_MS : 50 * WAIT_MS);
    if (error) {
        counter_inc(COUNTER_tc_fence_failed);
    }
    return error ? -EIO : 0;
}
