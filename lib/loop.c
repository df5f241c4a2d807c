/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"

LOG_MODULE(loop);

struct call {
    struct call *next;
    void (*callback)(void *aux);
    void *aux;
};

/* libevent's own locking is not used (it costs each event of a single-threaded loop), so
 * other threads come in through an eventfd. */
struct loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    _Atomic bool stopping;

    pthread_mutex_t lock;      /* guards what follows */
    struct call *first, **last;

    struct call *running;      /* what is left of the round of calls; the loop's thread */
};

struct loop_timer {
    struct event *event;
    void (*callback)(void *aux);
    void *aux;
};

struct loop_signal {
    struct event *event;
    void (*callback)(void *aux, int signal);
    void *aux;
};

struct loop_watch {
    struct event *event;
    void (*callback)(void *aux, int fd);
    void *aux;
};

static struct call *
take_calls(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct call *first = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static void
wake_up(struct loop *loop)
{
    uint64_t one = 1;
    /* It can only fail when the count is at its maximum, and then the fd is readable. */
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void) n;
}

static void
woken(evutil_socket_t fd, short what, void *arg)
{
    (void) what;
    struct loop *loop = arg;
    if (atomic_exchange(&loop->stopping, false)) {
        /* What was deferred waits for the next run: the fd stays readable. */
        event_base_loopbreak(loop->base);
        return;
    }
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void) n;
    loop->running = take_calls(loop);
    while (loop->running) {
        struct call *call = loop->running;
        loop->running = call->next;
        void (*callback)(void *) = call->callback;
        void *aux = call->aux;
        free(call);
        callback(aux);
    }
}

static void
libevent_says(int severity, const char *message)
{
    if (severity == EVENT_LOG_DEBUG) {
        log_debug("libevent: %s", message);
    } else if (severity == EVENT_LOG_MSG) {
        log_info("libevent: %s", message);
    } else {
        log_warn("libevent: %s", message);
    }
}

struct loop *
loop_new(struct errmsg *err)
{
    event_set_log_callback(libevent_says);
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        errmsg_set(err, "event loop: %s", strerror(ENOMEM));
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->last = &loop->first;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        errmsg_set(err, "event loop: eventfd: %s", strerror(errno));
        loop_free(loop);
        return NULL;
    }
    loop->base = event_base_new();
    loop->wake = loop->base ? event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, woken,
                                        loop) : NULL;
    if (!loop->wake || event_add(loop->wake, NULL)) {
        errmsg_set(err, "event loop: libevent can't be set up");
        loop_free(loop);
        return NULL;
    }
    return loop;
}

static void
free_calls(struct call *call)
{
    while (call) {
        struct call *next = call->next;
        free(call);
        call = next;
    }
}

void
loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    free_calls(loop->first);
    free_calls(loop->running);
    if (loop->wake) {
        event_free(loop->wake);
    }
    if (loop->base) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
    return loop->base;
}

static int
run(struct loop *loop, int flags)
{
    if (atomic_exchange(&loop->stopping, false)) {
        return 0;
    }
    return event_base_loop(loop->base, flags) < 0 ? -EIO : 0;
}

int
loop_run(struct loop *loop)
{
    return run(loop, EVLOOP_NO_EXIT_ON_EMPTY);
}

int
loop_poll(struct loop *loop)
{
    return run(loop, EVLOOP_NONBLOCK);
}

void
loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake_up(loop);
}

/* --- timers --- */

static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
    (void) fd, (void) what;
    struct loop_timer *timer = arg;
    timer->callback(timer->aux);
}

struct loop_timer *
loop_timer_new(struct loop *loop, void (*callback)(void *aux), void *aux)
{
    struct loop_timer *timer = malloc(sizeof *timer);
    if (!timer) {
        return NULL;
    }
    *timer = (struct loop_timer) {
        event_new(loop->base, -1, 0, timer_fired, timer), callback, aux
    };
    if (!timer->event) {
        free(timer);
        return NULL;
    }
    return timer;
}

void
loop_timer_free(struct loop_timer *timer)
{
    if (timer) {
        event_free(timer->event);
        free(timer);
    }
}

/* An event's flags can be changed only while it is not pending. */
static void
timer_set(struct loop_timer *timer, uint64_t ms, short flags)
{
    enum { MAX_SECONDS = 1000000000 };   /* some 30 years: keeps time_t sums in range */
    uint64_t seconds = ms / 1000 < MAX_SECONDS ? ms / 1000 : MAX_SECONDS;
    struct timeval tv = { .tv_sec = (time_t) seconds, .tv_usec = (suseconds_t) (ms % 1000 * 1000) };
    event_del(timer->event);
    event_assign(timer->event, event_get_base(timer->event), -1, flags, timer_fired, timer);
    event_add(timer->event, &tv);
}

void
loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
    timer_set(timer, ms, 0);
}

void
loop_timer_set_periodic(struct loop_timer *timer, uint64_t ms)
{
    timer_set(timer, ms ? ms : 1, EV_PERSIST);
}

void
loop_timer_cancel(struct loop_timer *timer)
{
    event_del(timer->event);
}

bool
loop_timer_is_set(const struct loop_timer *timer)
{
    return event_pending(timer->event, EV_TIMEOUT, NULL);
}

/* --- signals --- */

static void
signal_came(evutil_socket_t number, short what, void *arg)
{
    (void) what;
    struct loop_signal *signal = arg;
    signal->callback(signal->aux, (int) number);
}

struct loop_signal *
loop_signal_new(struct loop *loop, int number, void (*callback)(void *aux, int signal), void *aux)
{
    struct loop_signal *signal = malloc(sizeof *signal);
    if (!signal) {
        return NULL;
    }
    *signal = (struct loop_signal) {
        event_new(loop->base, number, EV_SIGNAL | EV_PERSIST, signal_came, signal), callback, aux
    };
    if (!signal->event || event_add(signal->event, NULL)) {
        loop_signal_free(signal);
        return NULL;
    }
    return signal;
}

void
loop_signal_free(struct loop_signal *signal)
{
    if (signal) {
        if (signal->event) {
            event_free(signal->event);
        }
        free(signal);
    }
}

/* --- file descriptors --- */

static void
watch_readable(evutil_socket_t fd, short what, void *arg)
{
    (void) what;
    struct loop_watch *watch = arg;
    watch->callback(watch->aux, (int) fd);
}

struct loop_watch *
loop_watch_new(struct loop *loop, int fd, void (*callback)(void *aux, int fd), void *aux)
{
    struct loop_watch *watch = malloc(sizeof *watch);
    if (!watch) {
        return NULL;
    }
    *watch = (struct loop_watch) {
        event_new(loop->base, fd, EV_READ | EV_PERSIST, watch_readable, watch), callback, aux
    };
    if (!watch->event || event_add(watch->event, NULL)) {
        loop_watch_free(watch);
        return NULL;
    }
    return watch;
}

void
loop_watch_free(struct loop_watch *watch)
{
    if (watch) {
        if (watch->event) {
            event_free(watch->event);
        }
        free(watch);
    }
}

/* --- deferred calls --- */

int
loop_call(struct loop *loop, void (*callback)(void *aux), void *aux)
{
    struct call *call = malloc(sizeof *call);
    if (!call) {
        return -ENOMEM;
    }
    *call = (struct call) { NULL, callback, aux };
    pthread_mutex_lock(&loop->lock);
    *loop->last = call;
    loop->last = &call->next;
    pthread_mutex_unlock(&loop->lock);
    wake_up(loop);
    return 0;
}

/* Removes the matching calls from a list; returns where its last link is. */
static struct call **
remove_calls(struct call **p, void (*callback)(void *aux), void *aux)
{
    while (*p) {
        struct call *call = *p;
        if (call->callback == callback && call->aux == aux) {
            *p = call->next;
            free(call);
        } else {
            p = &call->next;
        }
    }
    return p;
}

void
loop_call_cancel(struct loop *loop, void (*callback)(void *aux), void *aux)
{
    remove_calls(&loop->running, callback, aux);
    pthread_mutex_lock(&loop->lock);
    loop->last = remove_calls(&loop->first, callback, aux);
    pthread_mutex_unlock(&loop->lock);
}
