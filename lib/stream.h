/* SPDX-License-Identifier: Apache-2.0 */
/* A byte stream to a peer over a non-blocking socket, with a queue in each direction.
 *
 * What is sent goes out in the same turn of the event loop, together with all else that was
 * sent in it; what comes in is read in pieces, one a turn, while reading is on. The queues
 * have no bounds of their own: who uses a stream stops reading, or sending. How bytes get
 * over the socket is a transport (lib/stream_transport.h); without another one they do as
 * they are.
 *
 * One thread, that of the event loop. The operations are called from the loop only, never
 * from within a function of this header, and must not free the stream. */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H 1

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;
struct event_base;
struct stream;

enum stream_state {
    STREAM_CONNECTING,     /* the socket is being connected */
    STREAM_SECURING,       /* the transport shakes hands */
    STREAM_OPEN,
};

struct stream_ops {
    /* It is STREAM_OPEN now. Not called for one that was open from the start. */
    void (*opened)(void *aux);
    /* There is more in stream_input(). */
    void (*input)(void *aux);
    /* The peer's system took so many bytes of the output. */
    void (*taken)(void *aux, size_t n);
    /* Some was taken, and no more than the low mark is left. */
    void (*drained)(void *aux);
    /* The peer sends no more; it may still read. */
    void (*ended)(void *aux, const char *why);
    /* It is broken. Nothing further is called. */
    void (*failed)(void *aux, const char *why);
};

/* Takes the socket over, which is connected, or being connected. NULL without memory, and
 * the socket is closed then too. */
struct stream *stream_new(struct event_base *, int fd, bool connecting);
/* Closes. What has not been sent is lost. NULL does nothing. */
void stream_free(struct stream *);

/* Begins: to connect, to shake hands, to read. Once. */
void stream_start(struct stream *, const struct stream_ops *, void *aux);

enum stream_state stream_state(const struct stream *);
int stream_fd(const struct stream *);

/* What has come in and was not drained: to look at and to drain. */
struct evbuffer *stream_input(struct stream *);
/* Bytes that wait to go out. */
size_t stream_queued(const struct stream *);

/* Appends to the output. False without memory: nothing was appended. */
bool stream_send(struct stream *, const void *, size_t size);
void stream_set_reading(struct stream *, bool on);
/* 'low_mark' in bytes; 0 at first. */
void stream_set_low_mark(struct stream *, size_t low_mark);

/* Tells the peer, behind what was sent, that no more comes; it can go on sending. False if
 * it can't be told. Only with an empty output. */
bool stream_shut_down(struct stream *);
/* Nothing moves any more and no operation is called: until it is freed. */
void stream_stop(struct stream *);

#endif /* lib/stream.h */
