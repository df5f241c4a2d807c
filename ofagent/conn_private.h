/* SPDX-License-Identifier: Apache-2.0 */
/* What conn.c and conn_input.c share. */
#ifndef OFAGENT_CONN_PRIVATE_H
#define OFAGENT_CONN_PRIVATE_H 1

#include <event2/buffer.h>
#include <event2/event.h>

#include "lib/log.h"
#include "lib/stream.h"
#include "ofagent/conn.h"
#include "ofagent/snoop.h"

struct conn {
    struct conn_config config;
    struct stream *stream;
    struct event *again;          /* comes up in the next turn of the loop */
    struct conn_info info;
    bool throttled;               /* output went over the high mark */
    bool reading;                 /* from the transport, while the input has room */
    bool working;                 /* inside a slice */
    bool eof;                     /* the peer sends no more: */
    char eof_why[64];             /* it said so in this way */
    bool failed;                  /* closes in the next turn */
    bool finishing;               /* closes when the output is gone, or at a time */
    unsigned parked;
    bool (*step)(void *aux);      /* the job, or NULL */
    void *step_aux;
    unsigned step_cost;           /* in messages */
    uint64_t probe_ms;            /* when the echo request went out; 0: none is out */
    uint64_t taken_ms;            /* when the peer last took output, or it began to wait */
    uint64_t finish_ms;           /* when finishing ends */
    char why[192];
};

/* Handles what there is to handle within the bounds of a slice. */
void conn_work(struct conn *);
/* As conn_fail(), but what is in the output goes out first, within a second. */
void conn_finish(struct conn *, const char *why);

/* Shows a whole message to those who watch, if there are any. */
static inline void
conn_show(const struct conn *c, bool sent, const uint8_t *msg, size_t size)
{
    if (__builtin_expect(snoop_is_active(), 0) && c->config.ops->seen) {
        c->config.ops->seen(c->config.aux, sent, msg, size);
    }
}

#define log_debug_limited(LIMIT, ...) log_at_limited(LIMIT, LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif /* ofagent/conn_private.h */
