/* SPDX-License-Identifier: Apache-2.0 */
/* One OpenFlow connection: framing, HELLO, probes, and queues with bounds.
 *
 * The transport is a stream that the caller makes (lib/stream.h): plain or TLS, it is the
 * same to a connection.
 *
 * *Nobody waits for a peer.* What a peer sends is handled in slices: a bounded number of
 * messages and microseconds, then the others have their turn. When the peer does not
 * read, its output grows to a mark; from there on its requests are not handled (so its
 * input fills up and TCP slows it down) until the output has drained to a lower mark.
 * What the switch has to say by itself is dropped, counted, above a mark of its kind. A
 * peer that takes nothing for three probe intervals is dropped. So a connection's memory
 * has a bound whatever the peer does.
 *
 * A connection is *parked* while one of its requests is not finished (a barrier, or a
 * job): its further messages wait, in order. A *job* makes output step by step, as the
 * peer takes it: long statistics.
 *
 * Control thread only. Times are clock_ms(). */
#ifndef OFAGENT_CONN_H
#define OFAGENT_CONN_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ofagent/ofp.h"

struct conn;
struct event_base;
struct stream;

enum {
    CONN_INPUT_MAX = 72 * 1024,          /* read from the peer and not handled */
    CONN_HIGH_WATER = 128 * 1024,        /* output at which requests and PACKET_INs stop */
    CONN_LOW_WATER = 32 * 1024,          /* and at which they go on */
    CONN_STATE_MARK = 8 * 1024 * 1024,   /* output at which FLOW_REMOVED, PORT_STATUS stop */
    CONN_HARD_LIMIT = 16 * 1024 * 1024,  /* output at which the connection is dropped */
    CONN_TOTAL_MAX = 64 * 1024 * 1024,   /* output of all connections at which only
                                          * the lowest mark counts */
    CONN_SLICE_MESSAGES = 256,
    CONN_SLICE_US = 1000,
    CONN_STALL_PROBES = 3,               /* probe intervals without output taken */
    CONN_DEFAULT_PROBE_MS = 5000,        /* for time-outs, when probes are off */
    CONN_FINISH_MS = 1000,               /* to take the last words in */
    CONN_SECURING_MS = 15000,            /* at most, for a TLS handshake */
};

enum conn_state { CONN_CONNECTING, CONN_SECURING, CONN_HELLO, CONN_ACTIVE };

struct conn_ops {
    /* Versions are agreed. */
    void (*ready)(void *aux);
    /* A message of version 1 and of a size that its type may have; HELLO, ERROR and ECHO
     * are not passed on. */
    void (*message)(void *aux, const struct ofp_header *, const uint8_t *msg);
    /* At the end of a slice in which there were messages. */
    void (*slice_end)(void *aux);
    /* A message was received, or queued to be sent. Called while snoop_is_active(); NULL:
     * nobody may watch. Must not touch the connection. */
    void (*seen)(void *aux, bool sent, const uint8_t *msg, size_t size);
    /* The output has drained to the low mark: what waited for room may be sent. */
    void (*room)(void *aux);
    /* The connection is at its end; it is freed when this returns. */
    void (*closed)(void *aux, const char *why);
};

struct conn_config {
    const char *name;             /* for the log; must outlive the connection */
    uint32_t probe_ms;            /* idle time before an echo request; 0: never */
    const struct conn_ops *ops;
    void *aux;
};

/* Takes the stream over, and starts it. NULL without memory; the stream is freed then too. */
struct conn *conn_new(struct event_base *, struct stream *, const struct conn_config *);
/* Closes at once, without telling closed(). NULL does nothing. Not from its own ops. */
void conn_free(struct conn *);

/* Closes soon, from the event loop, and tells closed(). */
void conn_fail(struct conn *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Time passes: probes and time-outs. Returns the ms until it wants to be called again. */
uint32_t conn_run(struct conn *, uint64_t now_ms);
void conn_set_probe(struct conn *, uint32_t probe_ms);

/* Appends whole messages to the output: what the peer asked for. */
void conn_send(struct conn *, const void *messages, size_t size);
/* Answers 'msg' with an error. */
void conn_send_error(struct conn *, const struct ofp_refusal *, const uint8_t *msg, size_t size);

/* Messages that nobody asked for. False if the message was dropped, and counted. */
enum conn_async { CONN_ASYNC_PACKET_IN, CONN_ASYNC_STATE };
bool conn_has_room(const struct conn *, enum conn_async);
bool conn_send_async(struct conn *, enum conn_async, const void *message, size_t size);
/* One was dropped before it was made, for want of room or by a rate. */
void conn_count_dropped(struct conn *);

void conn_park(struct conn *);
void conn_unpark(struct conn *);

/* Calls step(aux) until it returns true (the job is done), as long as the output is below
 * the mark. A step counts as 'cost' messages in its slice. One job at a time; the
 * connection is as if parked. */
void conn_set_job(struct conn *, unsigned cost, bool (*step)(void *aux), void *aux);

struct conn_info {
    enum conn_state state;
    uint64_t since_ms;            /* when the state began; CONN_SECURING counts from the start */
    uint64_t heard_ms;            /* when the peer last sent something */
    uint64_t used_ms;             /* the same, other than an ECHO_REPLY */
    uint64_t messages_in, messages_out, errors_sent, dropped;
    uint32_t queued_bytes;
};
void conn_get_info(const struct conn *, struct conn_info *);
static_assert((int) CONN_INPUT_MAX > (int) OFP_MAX_SIZE, "a whole message must fit");

#endif /* ofagent/conn.h */
