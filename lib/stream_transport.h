/* SPDX-License-Identifier: Apache-2.0 */
/* How a stream's bytes get over its socket: the plain way in lib/stream.c, TLS in
 * lib/tls_stream.c.
 *
 * An attempt moves something, or says for what the socket must be ready before it is made
 * again. That may be the other direction: TLS reads in order to write, and the reverse. */
#ifndef LIB_STREAM_TRANSPORT_H
#define LIB_STREAM_TRANSPORT_H 1

#include <event2/buffer.h>
#include <event2/event.h>

#include "lib/stream.h"

enum stream_result {
    STREAM_MOVED,          /* something was done, there may be more at once */
    STREAM_WANTS_READ,     /* nothing can be done before the socket is readable, */
    STREAM_WANTS_WRITE,    /* or writable */
    STREAM_ENDED,          /* the peer sends no more; stream->why says how that was said */
    STREAM_BROKEN,         /* stream->why has the reason */
};

struct stream_transport {
    /* Goes on with the handshake: STREAM_MOVED when it is done. NULL: there is none. */
    enum stream_result (*handshake)(struct stream *);
    /* Reads some bytes into stream->in. */
    enum stream_result (*read)(struct stream *);
    /* Writes from stream->out and drains what was written. Called when that is not empty, or
     * stream->unsent. */
    enum stream_result (*write)(struct stream *);
    /* Tells the peer that no more comes. STREAM_MOVED when it is told. stream->out is empty. */
    enum stream_result (*shut_down)(struct stream *);
    /* Bytes that were read from the socket and wait within the transport. NULL: never. */
    bool (*has_more)(const struct stream *);
    /* The stream is freed; the socket is still open. NULL: nothing to do. */
    void (*close)(struct stream *);
};

struct stream {
    int fd;
    struct evbuffer *in, *out;
    const struct stream_transport *transport;
    void *session;                 /* the transport's */
    char why[192];                 /* with STREAM_ENDED and STREAM_BROKEN */

    struct event *readable, *writable;
    struct event *turn;            /* goes on in this turn of the loop */
    const struct stream_ops *ops;
    void *aux;
    size_t low_mark;
    enum stream_state state;
    bool reading;                  /* wanted by the user */
    bool ended, stopped, shutting;
    bool unsent;                   /* the transport has bytes of its own to write */
    bool moving;                   /* bytes are on their way: no need to ask for a turn */
    bool gated;                    /* the handshake waits for its turn */
    short handshake_waits;         /* EV_READ, EV_WRITE: before the next attempt; */
    short read_waits;
    short write_waits;             /* 0: not waiting */
    short armed;                   /* events that are added */
};

enum { STREAM_CHUNK = 16384 };     /* bytes of one attempt to read */

/* Makes another attempt at the handshake: a transport that defers those calls it. */
void stream_shake_hands(struct stream *);
/* Breaks the stream from outside, with why. The user is told. */
void stream_break(struct stream *, const char *why);

#endif /* lib/stream_transport.h */
