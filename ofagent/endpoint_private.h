/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoint.c (listening, and what is common) and endpoint_connect.c share. */
#ifndef OFAGENT_ENDPOINT_PRIVATE_H
#define OFAGENT_ENDPOINT_PRIVATE_H 1

#include "ofagent/agent_private.h"

struct resolver_query;

struct endpoint {
    struct endpoint *next;
    struct agent *agent;
    char *name;                      /* as configured */
    struct target target;
    bool management;
    uint32_t n_sessions;
    uint64_t since_ms;
    char last_error[AGENT_ERROR_SIZE];

    /* We connect. */
    struct resolver_query *query;    /* its name is being looked up, */
    uint64_t asked_ms;               /* since then */
    unsigned n_tries;                /* of one address after the other */
    uint32_t backoff_ms;             /* the wait after the next loss */
    uint64_t retry_ms;               /* while there is no session: when to try */
    uint64_t tried_ms;               /* when the session was begun */

    /* We listen. */
    int listen_fd;                   /* -1 if we connect */
    struct event *listen_event;
    struct target_file file;
    uint64_t resume_ms;              /* 0: not paused */
};

/* Takes the socket over. A session, or NULL and *err. */
struct session *endpoint_begin_session(struct endpoint *, int fd, bool connecting,
                                       struct errmsg *err);

/* The connection is lost, or was not made: when to try again. */
void endpoint_back_off(struct endpoint *, bool was_active, const char *why);
/* Time passes, for one that connects. Returns the ms until there is something to do. */
uint32_t endpoint_connect_run(struct endpoint *, uint64_t now_ms);

#endif /* ofagent/endpoint_private.h */
