/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/resolver.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/counters.h"

/* What the thread and the loop share. Whoever is last frees it. */
struct question {
    _Atomic int n_users;
    int fd;                        /* readable when there is an answer */
    char name[256];
    void (*look_up)(const char *name, struct resolver_answer *);
    struct resolver_answer answer;
};

struct resolver_query {
    struct question *question;
    struct event *event;
    void (*done)(void *aux, const struct resolver_answer *);
    void *aux;
};

static _Atomic int n_running;

static void
ask_system(const char *name, struct resolver_answer *answer)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int error = getaddrinfo(name, NULL, &hints, &list);
    if (error) {
        snprintf(answer->why, sizeof answer->why, "%s",
                 error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
        return;
    }
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        if (answer->n_addresses < RESOLVER_MAX_ADDRESSES
            && a->ai_addrlen <= sizeof answer->addresses[0].addr) {
            int i = answer->n_addresses++;
            memcpy(&answer->addresses[i].addr, a->ai_addr, a->ai_addrlen);
            answer->addresses[i].size = a->ai_addrlen;
        }
    }
    if (!answer->n_addresses) {
        snprintf(answer->why, sizeof answer->why, "it has no address");
    }
    freeaddrinfo(list);
}

static void (*source)(const char *name, struct resolver_answer *) = ask_system;

void
resolver_set_source(void (*look_up)(const char *name, struct resolver_answer *))
{
    source = look_up ? look_up : ask_system;
}

static void
let_go(struct question *q)
{
    /* The other's writes come before its own let_go(). */
    if (atomic_fetch_sub_explicit(&q->n_users, 1, memory_order_acq_rel) == 1) {
        close(q->fd);
        free(q);
    }
}

static void *
run(void *question)
{
    struct question *q = question;
    uint64_t one = 1;
    q->look_up(q->name, &q->answer);
    atomic_fetch_sub(&n_running, 1);
    ssize_t n = write(q->fd, &one, sizeof one);
    (void) n;                      /* a count of 1 always fits */
    let_go(q);
    return NULL;
}

static void
query_free(struct resolver_query *query)
{
    event_free(query->event);
    let_go(query->question);
    free(query);
}

static void
on_answer(evutil_socket_t fd, short what, void *query_)
{
    struct resolver_query *query = query_;
    uint64_t count;
    (void) what;
    if (read(fd, &count, sizeof count) == sizeof count) {
        const struct resolver_answer answer = query->question->answer;
        void (*done)(void *, const struct resolver_answer *) = query->done;
        void *aux = query->aux;
        query_free(query);
        done(aux, &answer);
    }
}

/* A detached thread that no signal goes to. */
static int
start(struct question *q)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attr, run, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error;
}

static struct question *
question_new(const char *name)
{
    struct question *q = calloc(1, sizeof *q);
    if (!q) {
        return NULL;
    }
    q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->fd < 0) {
        free(q);
        return NULL;
    }
    q->n_users = 2;
    q->look_up = source;
    snprintf(q->name, sizeof q->name, "%s", name);
    return q;
}

static struct resolver_query *
query_new(struct event_base *base, const char *name)
{
    struct resolver_query *query = calloc(1, sizeof *query);
    struct question *q = query ? question_new(name) : NULL;
    if (!q) {
        free(query);
        return NULL;
    }
    query->question = q;
    query->event = event_new(base, q->fd, EV_READ | EV_PERSIST, on_answer, query);
    if (!query->event || event_add(query->event, NULL) || start(q)) {
        if (query->event) {
            event_free(query->event);
        }
        let_go(q);
        let_go(q);                 /* there is no thread to do it */
        free(query);
        return NULL;
    }
    return query;
}

struct resolver_query *
resolver_ask(struct event_base *base, const char *name,
             void (*done)(void *aux, const struct resolver_answer *), void *aux,
             struct errmsg *err)
{
    if (atomic_fetch_add(&n_running, 1) >= RESOLVER_MAX) {
        atomic_fetch_sub(&n_running, 1);
        counter_inc(COUNTER_resolver_busy);
        errmsg_set(err, "looking up %s: %d questions have no answer yet", name, RESOLVER_MAX);
        return NULL;
    }
    struct resolver_query *query = query_new(base, name);
    if (!query) {
        atomic_fetch_sub(&n_running, 1);
        errmsg_set(err, "looking up %s: no memory, descriptor or thread", name);
        return NULL;
    }
    query->done = done;
    query->aux = aux;
    return query;
}

void
resolver_cancel(struct resolver_query *query)
{
    if (query) {
        query_free(query);
    }
}
