/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/stream_transport.h"

/* Bytes of one attempt to write: as many as a socket's buffer usually takes, since each
 * attempt may wake the reader. */
enum { WRITE_CHUNK = 262144 };

/* --- the plain transport -------------------------------------------------------------- */

static enum stream_result
broken_by_errno(struct stream *s)
{
    snprintf(s->why, sizeof s->why, "%s", strerror(errno));
    return STREAM_BROKEN;
}

static bool
would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* evbuffer_read() would ask for the size first, and take 4 KiB at most. */
static ssize_t
read_socket(struct stream *s)
{
    struct evbuffer_iovec space[2];
    int n_spaces = evbuffer_reserve_space(s->in, STREAM_CHUNK, space, 2);
    if (n_spaces <= 0) {
        errno = ENOMEM;
        return -1;
    }
    struct iovec iov[2];
    size_t room = STREAM_CHUNK;            /* there may be more space than was asked for */
    for (int i = 0; i < n_spaces; i++) {
        iov[i].iov_base = space[i].iov_base;
        iov[i].iov_len = space[i].iov_len < room ? space[i].iov_len : room;
        room -= iov[i].iov_len;
    }
    ssize_t n = readv(s->fd, iov, n_spaces);
    size_t left = n > 0 ? (size_t) n : 0;
    for (int i = 0; i < n_spaces; i++) {
        space[i].iov_len = left < space[i].iov_len ? left : space[i].iov_len;
        left -= space[i].iov_len;
    }
    int error = errno;
    evbuffer_commit_space(s->in, space, n_spaces);
    errno = error;
    return n;
}

static enum stream_result
plain_read(struct stream *s)
{
    ssize_t n = read_socket(s);
    if (n > 0) {
        return STREAM_MOVED;
    }
    if (!n) {
        snprintf(s->why, sizeof s->why, "closed by the peer");
        return STREAM_ENDED;
    }
    return would_block() ? STREAM_WANTS_READ : broken_by_errno(s);
}

static enum stream_result
plain_write(struct stream *s)
{
    int n = evbuffer_write_atmost(s->out, s->fd, WRITE_CHUNK);
    if (n > 0) {
        return STREAM_MOVED;
    }
    return !n || would_block() ? STREAM_WANTS_WRITE : broken_by_errno(s);
}

static enum stream_result
plain_shut_down(struct stream *s)
{
    return shutdown(s->fd, SHUT_WR) ? broken_by_errno(s) : STREAM_MOVED;
}

static const struct stream_transport plain = {
    .read = plain_read,
    .write = plain_write,
    .shut_down = plain_shut_down,
};

/* --- what is waited for ----------------------------------------------------------------- */

static short
wanted(const struct stream *s)
{
    if (s->stopped) {
        return 0;
    }
    switch (s->state) {
    case STREAM_CONNECTING:
        return EV_WRITE;
    case STREAM_SECURING:
        return s->gated ? 0 : s->handshake_waits;
    case STREAM_OPEN:
        break;
    }
    short what = s->write_waits;
    if (s->reading && !s->ended) {
        what |= s->read_waits;
    }
    return what;
}

static void
set_armed(struct stream *s, short what)
{
    struct event *const events[] = { s->readable, s->writable };
    static const short bits[] = { EV_READ, EV_WRITE };
    for (int i = 0; i < 2; i++) {
        if (what & ~s->armed & bits[i]) {
            event_add(events[i], NULL);
        } else if (s->armed & ~what & bits[i]) {
            event_del(events[i]);
        }
    }
    s->armed = what;
}

static void
arm(struct stream *s)
{
    short what = wanted(s);
    if (what != s->armed) {
        set_armed(s, what);
    }
}

static void
in_this_turn(struct stream *s)
{
    if (!s->stopped && s->ops) {
        event_active(s->turn, EV_TIMEOUT, 1);
    }
}

/* --- moving bytes --------------------------------------------------------------------------- */

void
stream_stop(struct stream *s)
{
    s->stopped = true;
    event_del(s->turn);
    arm(s);
}

static void
broken(struct stream *s)
{
    stream_stop(s);
    s->ops->failed(s->aux, s->why);
}

void
stream_break(struct stream *s, const char *why)
{
    if (!s->stopped) {
        snprintf(s->why, sizeof s->why, "%s", why);
        broken(s);
    }
}

static void
read_some(struct stream *s)
{
    enum stream_result result = s->transport->read(s);
    s->read_waits = result == STREAM_WANTS_WRITE ? EV_WRITE : EV_READ;
    switch (result) {
    case STREAM_MOVED:
        if (s->transport->has_more && s->transport->has_more(s)) {
            in_this_turn(s);
        }
        s->ops->input(s->aux);
        break;
    case STREAM_WANTS_READ:
    case STREAM_WANTS_WRITE:
        break;
    case STREAM_ENDED:
        s->ended = true;
        s->ops->ended(s->aux, s->why);
        break;
    case STREAM_BROKEN:
        broken(s);
        break;
    }
}

static short
events_of(enum stream_result result)
{
    return result == STREAM_WANTS_READ ? EV_READ : result == STREAM_WANTS_WRITE ? EV_WRITE : 0;
}

/* One attempt; what is left then waits until the socket is writable, so that others have
 * their turn. */
static void
write_some(struct stream *s)
{
    size_t before = stream_queued(s);
    enum stream_result result = s->transport->write(s);
    size_t left = stream_queued(s);
    s->write_waits = left && result == STREAM_MOVED ? EV_WRITE : events_of(result);
    if (result == STREAM_BROKEN) {
        broken(s);
        return;
    }
    if (left < before) {
        s->ops->taken(s->aux, before - left);
        if (left <= s->low_mark && !s->stopped) {
            s->ops->drained(s->aux);
        }
    }
}

static void
shut_down_some(struct stream *s)
{
    enum stream_result result = s->transport->shut_down(s);
    s->write_waits = events_of(result);
    s->shutting = result != STREAM_MOVED;
    if (result == STREAM_BROKEN) {
        broken(s);
    }
}

/* The socket is ready for 'what', or 0: some of it was not tried yet. */
static void
move(struct stream *s, short what)
{
    bool may_read = s->reading && !s->ended;
    bool has_more = s->transport->has_more && s->transport->has_more(s);
    if (may_read && (what & s->read_waits || has_more)) {
        read_some(s);
    }
    if (!s->stopped && (!s->write_waits || what & s->write_waits)) {
        if (s->shutting) {
            shut_down_some(s);
        } else if (stream_queued(s) || s->unsent) {
            write_some(s);
        } else {
            s->write_waits = 0;
        }
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static void
open_up(struct stream *s)
{
    s->state = STREAM_OPEN;
    s->ops->opened(s->aux);
    if (!s->stopped) {
        move(s, 0);
    }
}

void
stream_shake_hands(struct stream *s)
{
    enum stream_result result = s->transport->handshake(s);
    s->handshake_waits = events_of(result);
    if (result == STREAM_MOVED) {
        open_up(s);
    } else if (result == STREAM_BROKEN || result == STREAM_ENDED) {
        broken(s);
    }
    arm(s);
}

/* The socket is connected. */
static void
secure(struct stream *s)
{
    if (s->transport->handshake) {
        s->state = STREAM_SECURING;
        stream_shake_hands(s);
    } else {
        open_up(s);
    }
}

static void
connected(struct stream *s)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
        error = errno;
    }
    if (error) {
        errno = error;
        broken_by_errno(s);
        broken(s);
    } else {
        secure(s);
    }
}

static void
progress(struct stream *s, short what)
{
    s->moving = true;
    switch (s->state) {
    case STREAM_CONNECTING:
        if (what & EV_WRITE) {
            connected(s);
        }
        break;
    case STREAM_SECURING:
        if (what & s->handshake_waits || !s->handshake_waits) {
            stream_shake_hands(s);
        }
        break;
    case STREAM_OPEN:
        move(s, what);
        break;
    }
    s->moving = false;
    if ((stream_queued(s) || s->unsent) && !s->write_waits) {
        s->write_waits = EV_WRITE;   /* more was sent meanwhile: others have their turn first */
    }
    arm(s);
}

static void
on_socket(evutil_socket_t fd, short what, void *s)
{
    (void) fd;
    progress(s, what);
}

static void
on_turn(evutil_socket_t fd, short what, void *s)
{
    (void) fd;
    (void) what;
    progress(s, 0);
}

/* --- life --------------------------------------------------------------------------------------- */

struct stream *
stream_new(struct event_base *base, int fd, bool connecting)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        return NULL;
    }
    s->fd = fd;
    s->transport = &plain;
    s->state = connecting ? STREAM_CONNECTING : STREAM_OPEN;
    s->reading = true;
    s->read_waits = EV_READ;
    s->in = evbuffer_new();
    s->out = evbuffer_new();
    s->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_socket, s);
    s->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_socket, s);
    s->turn = event_new(base, -1, 0, on_turn, s);
    if (!s->in || !s->out || !s->readable || !s->writable || !s->turn) {
        stream_free(s);
        return NULL;
    }
    return s;
}

static void
free_event(struct event *event)
{
    if (event) {
        event_free(event);
    }
}

void
stream_free(struct stream *s)
{
    if (!s) {
        return;
    }
    if (s->transport->close) {
        s->transport->close(s);
    }
    free_event(s->readable);
    free_event(s->writable);
    free_event(s->turn);
    if (s->in) {
        evbuffer_free(s->in);
    }
    if (s->out) {
        evbuffer_free(s->out);
    }
    close(s->fd);
    free(s);
}

void
stream_start(struct stream *s, const struct stream_ops *ops, void *aux)
{
    s->ops = ops;
    s->aux = aux;
    if (s->state != STREAM_CONNECTING) {
        in_this_turn(s);
    }
    arm(s);
}

/* --- what the user asks and says ------------------------------------------------------------------ */

enum stream_state
stream_state(const struct stream *s)
{
    return s->state;
}

int
stream_fd(const struct stream *s)
{
    return s->fd;
}

struct evbuffer *
stream_input(struct stream *s)
{
    return s->in;
}

size_t
stream_queued(const struct stream *s)
{
    return evbuffer_get_length(s->out);
}

bool
stream_send(struct stream *s, const void *data, size_t size)
{
    if (evbuffer_add(s->out, data, size)) {
        return false;
    }
    if (s->state == STREAM_OPEN && !s->write_waits && !s->moving) {
        in_this_turn(s);
    }
    return true;
}

void
stream_set_reading(struct stream *s, bool on)
{
    s->reading = on;
    if (on && s->transport->has_more && s->transport->has_more(s)) {
        in_this_turn(s);
    }
    arm(s);
}

void
stream_set_low_mark(struct stream *s, size_t low_mark)
{
    s->low_mark = low_mark;
}

bool
stream_shut_down(struct stream *s)
{
    if (s->stopped || s->state != STREAM_OPEN) {
        return false;
    }
    enum stream_result result = s->transport->shut_down(s);
    s->write_waits = events_of(result);
    s->shutting = s->write_waits;
    arm(s);
    return result != STREAM_BROKEN;
}
