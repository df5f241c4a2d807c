/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up the addresses of a host name while everything else goes on.
 *
 * The system's resolver blocks, for as long as its servers are silent, and asks who the
 * administrator wants asked (nsswitch.conf). So each question has a thread of its own, which
 * tells the event loop when there is an answer. A question that is given up is forgotten at
 * once; its thread ends when the resolver lets it. There are at most RESOLVER_MAX threads.
 *
 * All functions are for the event loop's thread. */
#ifndef LIB_RESOLVER_H
#define LIB_RESOLVER_H 1

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/errmsg.h"

struct event_base;
struct resolver_query;

enum { RESOLVER_MAX = 8, RESOLVER_MAX_ADDRESSES = 8 };

struct resolver_answer {
    int n_addresses;               /* 0: there is none, because of 'why' */
    struct {
        struct sockaddr_storage addr;
        socklen_t size;
    } addresses[RESOLVER_MAX_ADDRESSES];   /* best first; their ports are 0 */
    char why[80];
};

/* Asks for the addresses of 'name' for a TCP connection, and calls back with the answer, once,
 * from the loop; then the query is gone. NULL and *err if too many are under way. */
struct resolver_query *resolver_ask(struct event_base *, const char *name,
                                    void (*done)(void *aux, const struct resolver_answer *),
                                    void *aux, struct errmsg *err);
/* Gives up: done() is not called. NULL does nothing. */
void resolver_cancel(struct resolver_query *);

/* Replaces the system's resolver, for tests; NULL puts it back. Called in other threads. */
void resolver_set_source(void (*look_up)(const char *name, struct resolver_answer *));

#endif /* lib/resolver.h */
