/* SPDX-License-Identifier: Apache-2.0 */
/* BR.snoop, where `ovs-ofctl snoop BR` listens in.
 *
 * To a client it looks like a switch: a HELLO, and then the messages that the bridge and its
 * controllers exchange, in both directions, one after the other. OpenFlow has no place for
 * whose they are; `turnoutctl snoop` tells that. When a client does not read, what is more
 * than SNOOP_QUEUE_MAX is left out, and an ECHO_REQUEST with a text says how much that was.
 * What a client sends is thrown away. */
#include "config.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"
#include "ofagent/agent_private.h"
#include "ofagent/snoop.h"

LOG_MODULE(snoop);

enum {
    SNOOP_MAX_CLIENTS = 16,
    SNOOP_QUEUE_MAX = 1024 * 1024,     /* bytes that wait for a client */
    SNOOP_INPUT_MAX = 4096,            /* read from it at a time */
    ACCEPT_PAUSE_MS = 100,
};

struct client {
    struct snooper snooper;            /* first, so that it is the client */
    struct snoop_socket *socket;
    struct client *next, **prev;
    struct bufferevent *bev;
    uint64_t n_dropped;                /* not told yet */
};

struct snoop_socket {
    struct agent *agent;
    struct target target;
    struct target_file file;
    int fd;
    struct event *accept, *resume;
    struct client *clients;
    unsigned n_clients;
};

static void
client_free(struct client *client)
{
    snoop_remove(&client->snooper);
    *client->prev = client->next;
    if (client->next) {
        client->next->prev = client->prev;
    }
    client->socket->n_clients--;
    bufferevent_free(client->bev);
    free(client);
}

static size_t
queued(const struct client *client)
{
    return evbuffer_get_length(bufferevent_get_output(client->bev));
}

static void
send_hello(struct client *client)
{
    struct writer w;
    writer_init(&w);
    ofp_encode_header_only(&w, OFPT_HELLO, 0);
    bufferevent_write(client->bev, w.data, w.size);
    writer_fini(&w);
}

/* Says how many messages are missing at this place, if any are. */
static void
tell_dropped(struct client *client)
{
    char text[80];
    struct writer w;
    if (!client->n_dropped) {
        return;
    }
    int len = snprintf(text, sizeof text, "turnoutd: %"PRIu64" messages left out here",
                       client->n_dropped);
    writer_init(&w);
    ofp_encode_echo(&w, OFPT_ECHO_REQUEST, 0, (const uint8_t *) text, (size_t) len);
    if (!w.failed && !bufferevent_write(client->bev, w.data, w.size)) {
        client->n_dropped = 0;
    }
    writer_fini(&w);
}

static void
on_message(struct snooper *snooper, const struct snooped *snooped, bool sent, const uint8_t *msg,
           size_t size)
{
    (void) sent;
    struct client *client = (struct client *) snooper;
    if (snooped->management || strcmp(snooped->bridge,
                                      dp_bridge_name(client->socket->agent->bridge))) {
        return;
    }
    if (queued(client) + size > SNOOP_QUEUE_MAX) {
        client->n_dropped++;
        counter_inc(COUNTER_snoop_dropped);
        return;
    }
    tell_dropped(client);
    if (bufferevent_write(client->bev, msg, size)) {
        client->n_dropped++;
        counter_inc(COUNTER_snoop_dropped);
    }
}

/* --- the clients' ends ----------------------------------------------------------------- */

static void
on_read(struct bufferevent *bev, void *client)
{
    (void) client;
    struct evbuffer *input = bufferevent_get_input(bev);
    evbuffer_drain(input, evbuffer_get_length(input));
}

/* It has read everything. */
static void
on_written(struct bufferevent *bev, void *client)
{
    (void) bev;
    tell_dropped(client);
}

static void
on_event(struct bufferevent *bev, short what, void *client)
{
    (void) bev;
    (void) what;
    client_free(client);
}

static bool
client_new(struct snoop_socket *s, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    struct bufferevent *bev =
        client ? bufferevent_socket_new(s->agent->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!bev) {
        counter_inc(COUNTER_conn_no_memory);
        close(fd);
        free(client);
        return false;
    }
    *client = (struct client) {
        .snooper.message = on_message, .socket = s, .bev = bev,
        .next = s->clients, .prev = &s->clients,
    };
    if (client->next) {
        client->next->prev = &client->next;
    }
    s->clients = client;
    s->n_clients++;
    snoop_add(&client->snooper);
    bufferevent_setcb(bev, on_read, on_written, on_event, client);
    bufferevent_setwatermark(bev, EV_READ, 0, SNOOP_INPUT_MAX);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    send_hello(client);
    return true;
}

/* --- listening -------------------------------------------------------------------------- */

static void
on_connection(evutil_socket_t listen_fd, short what, void *socket_)
{
    static const struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
    static struct log_limit limit;
    struct snoop_socket *s = socket_;
    const char *bridge = dp_bridge_name(s->agent->bridge);
    (void) what;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
            counter_inc(COUNTER_conn_accept_failed);
            log_warn_limited(&limit, "%s: cannot accept a connection to the snoop socket: %s",
                             bridge, strerror(errno));
            event_del(s->accept);
            evtimer_add(s->resume, &pause);
        }
    } else if (s->n_clients == SNOOP_MAX_CLIENTS) {
        counter_inc(COUNTER_snoop_too_many);
        log_warn_limited(&limit, "%s: a connection to the snoop socket refused: there are %d",
                         bridge, SNOOP_MAX_CLIENTS);
        close(fd);
    } else {
        client_new(s, fd);
    }
}

static void
on_resume(evutil_socket_t fd, short what, void *socket_)
{
    struct snoop_socket *s = socket_;
    (void) fd;
    (void) what;
    event_add(s->accept, NULL);
}

static int
start_listening(struct snoop_socket *s, struct errmsg *err)
{
    int fd = target_listen(&s->target, &s->file, err);
    if (fd < 0) {
        return fd;
    }
    s->fd = fd;
    s->accept = event_new(s->agent->base, fd, EV_READ | EV_PERSIST, on_connection, s);
    s->resume = evtimer_new(s->agent->base, on_resume, s);
    if (!s->accept || !s->resume || event_add(s->accept, NULL)) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    return 0;
}

int
agent_add_snoop_socket(struct agent *agent, const char *name, struct errmsg *err)
{
    struct snoop_socket *s = calloc(1, sizeof *s);
    if (!s) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    s->agent = agent;
    s->fd = -1;
    int error = target_parse(name, &s->target, err);
    error = error ? error : start_listening(s, err);
    if (error) {
        errmsg_prefix(err, "%s", name);
        snoop_socket_free(s);
        return error;
    }
    agent->snoop_socket = s;
    return 0;
}

void
snoop_socket_free(struct snoop_socket *s)
{
    if (!s) {
        return;
    }
    while (s->clients) {
        client_free(s->clients);
    }
    if (s->accept) {
        event_free(s->accept);
    }
    if (s->resume) {
        event_free(s->resume);
    }
    if (s->fd >= 0) {
        close(s->fd);
        target_unlisten(&s->target, &s->file);
    }
    free(s);
}
