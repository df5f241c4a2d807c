/* SPDX-License-Identifier: Apache-2.0 */
/* Targets: sockets that we listen on, and what they have in common with those that we connect
 * to. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/resolver.h"
#include "lib/stream.h"
#include "ofagent/endpoint_private.h"

LOG_MODULE(agent);

enum { ACCEPTS_A_TURN = 16, LISTEN_PAUSE_MS = 100 };

bool
endpoint_is_management(const struct endpoint *e)
{
    return e->management;
}

const char *
endpoint_name(const struct endpoint *e)
{
    return e->name;
}

struct endpoint *
endpoint_find(struct agent *agent, const char *name)
{
    for (struct endpoint *e = agent->endpoints; e; e = e->next) {
        if (!strcmp(e->name, name)) {
            return e;
        }
    }
    return NULL;
}

bool
agent_has_controllers(const struct agent *agent)
{
    for (const struct endpoint *e = agent->endpoints; e; e = e->next) {
        if (!e->management) {
            return true;
        }
    }
    return false;
}

bool
endpoint_listens(const struct endpoint *e)
{
    return target_listens(&e->target);
}

uint16_t
endpoint_tcp_port(const struct endpoint *e)
{
    struct sockaddr_in6 addr;        /* the port is at the same place in both families */
    socklen_t size = sizeof addr;
    if ((e->target.kind != TARGET_PTCP && e->target.kind != TARGET_PSSL)
        || getsockname(e->listen_fd, (struct sockaddr *) &addr, &size)) {
        return 0;
    }
    return ntohs(addr.sin6_port);
}

struct session *
endpoint_begin_session(struct endpoint *e, int fd, bool connecting, struct errmsg *err)
{
    struct stream *stream = stream_new(e->agent->base, fd, connecting);
    if (!stream) {
        counter_inc(COUNTER_conn_no_memory);
        errmsg_set(err, "no memory");
        return NULL;
    }
    if (target_has_tls(&e->target)
        && tls_secure(e->agent->tls, stream, connecting ? TLS_CLIENT : TLS_SERVER,
                      connecting ? e->target.host : NULL, err)) {
        stream_free(stream);
        return NULL;
    }
    struct session *session = session_new(e, e->agent, stream);
    if (!session) {
        errmsg_set(err, "no memory");
        return NULL;
    }
    e->n_sessions++;
    return session;
}

/* --- listening ----------------------------------------------------------------------- */

/* Closes a connection to the bridge's listeners (or, for a management socket's, to that)
 * that may be closed for another. False if all are in use. */
static bool
make_room(struct endpoint *e, bool controllers)
{
    static struct log_limit limit;
    struct session *s = agent_least_worth(e->agent, e->management, controllers);
    if (!s) {
        return false;
    }
    counter_inc(COUNTER_conn_evicted);
    log_warn_limited(&limit, "%s: %s: too many connections; the one from %s, idle for longest "
                     "of the least known, goes", dp_bridge_name(e->agent->bridge),
                     s->endpoint->name, s->peer);
    s->endpoint->n_sessions--;
    session_free(s);
    return true;
}

static uint32_t
n_connections(const struct endpoint *e)
{
    uint32_t n = 0;
    for (const struct endpoint *i = e->agent->endpoints; i; i = i->next) {
        n += endpoint_listens(i) && i->management == e->management ? i->n_sessions : 0;
    }
    return n;
}

static void
pause_listening(struct endpoint *e, int error)
{
    static struct log_limit limit;
    counter_inc(COUNTER_conn_accept_failed);
    log_warn_limited(&limit, "%s: %s: cannot accept a connection: %s",
                     dp_bridge_name(e->agent->bridge), e->name, strerror(error));
    make_room(e, false);
    event_del(e->listen_event);
    e->resume_ms = clock_ms() + LISTEN_PAUSE_MS;
    agent_run_within(e->agent, LISTEN_PAUSE_MS);
}

static void
refuse(struct endpoint *e, int fd)
{
    static struct log_limit limit;
    char peer[TARGET_PEER_SIZE];
    target_peer(fd, peer);
    counter_inc(COUNTER_conn_refused);
    log_warn_limited(&limit, "%s: %s: the connection from %s is closed: there are %u, all in use",
                     dp_bridge_name(e->agent->bridge), e->name, peer, n_connections(e));
    close(fd);
}

static void
on_connection(evutil_socket_t listen_fd, short what, void *endpoint_)
{
    struct endpoint *e = endpoint_;
    uint32_t max = e->agent->config.max_connections;
    max = max ? max : AGENT_DEFAULT_MAX_CONNECTIONS;
    (void) what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) {
            return;
        }
        if (fd < 0) {
            pause_listening(e, errno);
            return;
        }
        if (n_connections(e) >= max && !make_room(e, true)) {
            refuse(e, fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* unix: fails */
        struct errmsg err;
        if (!endpoint_begin_session(e, fd, false, &err)) {
            static struct log_limit limit;
            snprintf(e->last_error, sizeof e->last_error, "%s", err.text);
            log_warn_limited(&limit, "%s: %s: a connection is refused: %s",
                             dp_bridge_name(e->agent->bridge), e->name, err.text);
        }
    }
}

static int
start_listening(struct endpoint *e, struct errmsg *err)
{
    int fd = target_listen(&e->target, &e->file, err);
    if (fd < 0) {
        return fd;
    }
    e->listen_fd = fd;
    e->listen_event = event_new(e->agent->base, fd, EV_READ | EV_PERSIST, on_connection, e);
    if (!e->listen_event || event_add(e->listen_event, NULL)) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    return 0;
}

/* --- both ------------------------------------------------------------------------------ */

int
endpoint_new(struct agent *agent, const char *name, bool management, struct errmsg *err)
{
    struct target target;
    int error = target_parse(name, &target, err);
    if (error) {
        return error;
    }
    struct endpoint *e = calloc(1, sizeof *e);
    if (!e || !(e->name = strdup(name))) {
        free(e);
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    e->agent = agent;
    e->target = target;
    e->management = management;
    e->since_ms = e->retry_ms = clock_ms();
    e->backoff_ms = AGENT_FIRST_BACKOFF_MS;
    e->listen_fd = -1;
    if (!management && !agent_has_controllers(agent)) {
        agent->live_ms = clock_ms();   /* it has its time to come */
    }
    e->next = agent->endpoints;
    agent->endpoints = e;
    error = target_listens(&target) ? start_listening(e, err) : 0;
    if (error) {
        errmsg_prefix(err, "%s", name);
        endpoint_free(e);
        return error;
    }
    agent_run_within(agent, 0);
    return 0;
}

void
endpoint_free(struct endpoint *e)
{
    struct endpoint **link = &e->agent->endpoints;
    for (struct session *s = e->agent->sessions, *next; s; s = next) {
        next = s->next;
        if (s->endpoint == e) {
            session_free(s);
        }
    }
    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    resolver_cancel(e->query);
    if (e->listen_event) {
        event_free(e->listen_event);
    }
    if (e->listen_fd >= 0) {
        close(e->listen_fd);
        target_unlisten(&e->target, &e->file);
    }
    free(e->name);
    free(e);
}

/* A peer did not get as far as to speak OpenFlow, because of TLS: who runs it looks for the
 * reason here. */
static void
tell_tls_failure(struct endpoint *e, const char *peer, const char *why)
{
    static struct log_limit limit;
    snprintf(e->last_error, sizeof e->last_error, "%s: %s", peer, why);
    log_warn_limited(&limit, "%s: %s: %s: %s", dp_bridge_name(e->agent->bridge), e->name, peer,
                     why);
}

void
endpoint_session_ended(struct endpoint *e, const char *peer, bool was_active, const char *why)
{
    e->n_sessions--;
    snprintf(e->last_error, sizeof e->last_error, "%s", why);
    if (!target_listens(&e->target)) {
        endpoint_back_off(e, was_active, why);
    } else if (target_has_tls(&e->target) && !was_active) {
        tell_tls_failure(e, peer, why);
    } else {
        log_debug("%s: %s: a connection ended: %s", dp_bridge_name(e->agent->bridge), e->name, why);
    }
}

/* Returns the ms until there is something to do. */
static uint32_t
listener_run(struct endpoint *e, uint64_t now)
{
    if (!e->resume_ms) {
        return UINT32_MAX;
    }
    if (now < e->resume_ms) {
        return (uint32_t) (e->resume_ms - now);
    }
    e->resume_ms = 0;
    event_add(e->listen_event, NULL);
    return UINT32_MAX;
}

uint32_t
endpoints_run(struct agent *agent, uint64_t now)
{
    uint32_t wait = UINT32_MAX;
    for (struct endpoint *e = agent->endpoints; e; e = e->next) {
        uint32_t ms = target_listens(&e->target) ? listener_run(e, now)
                                                 : endpoint_connect_run(e, now);
        wait = ms < wait ? ms : wait;
    }
    return wait;
}

/* --- what `turnoutctl controllers` shows ------------------------------------------------- */

static void
describe_session(const struct session *s, struct agent_connection_info *info)
{
    static const char *const states[] = {
        [CONN_CONNECTING] = "connecting", [CONN_SECURING] = "tls-handshake",
        [CONN_HELLO] = "hello", [CONN_ACTIVE] = "active",
    };
    struct conn_info conn;
    conn_get_info(s->conn, &conn);
    info->state = states[conn.state];
    info->live = session_is_live(s);
    info->since_ms = conn.since_ms;
    info->messages_in = conn.messages_in;
    info->messages_out = conn.messages_out;
    info->errors_sent = conn.errors_sent;
    info->dropped = conn.dropped;
    info->queued_bytes = conn.queued_bytes;
    info->packet_ins = s->n_packet_ins;
    info->packet_ins_waiting = packet_queue_len(s->packet_ins);
    memcpy(info->packet_ins_dropped, s->n_packet_ins_dropped, sizeof info->packet_ins_dropped);
    info->role = conn.state == CONN_ACTIVE ? nx_role_name(s->role) : NULL;
    info->controller_id = s->controller_id;
    info->async = s->async;
    info->slave = s->role == NX_ROLE_SLAVE;
    if (conn.state != CONN_CONNECTING) {
        snprintf(info->peer, sizeof info->peer, "%s", s->peer);
    }
    info->has_tls = tls_get_info(s->stream, &info->tls);
}

static bool
visit_endpoint(const struct agent *agent, const struct endpoint *e,
               bool (*visit)(const struct agent_connection_info *, void *aux), void *aux)
{
    bool listens = target_listens(&e->target);
    struct agent_connection_info info = {
        .target = e->name,
        .state = listens ? "listening" : e->query ? "resolving" : "backoff",
        .listener = listens,
        .management = e->management,
        .since_ms = e->since_ms,
    };
    memcpy(info.last_error, e->last_error, sizeof info.last_error);
    if ((listens || !e->n_sessions) && !visit(&info, aux)) {
        return false;
    }
    info.listener = false;
    for (const struct session *s = agent->sessions; s; s = s->next) {
        if (s->endpoint == e) {
            describe_session(s, &info);
            if (!visit(&info, aux)) {
                return false;
            }
        }
    }
    return true;
}

void
agent_for_each_connection(const struct agent *agent,
                          bool (*visit)(const struct agent_connection_info *, void *aux), void *aux)
{
    for (const struct endpoint *e = agent->endpoints; e; e = e->next) {
        if (!visit_endpoint(agent, e, visit, aux)) {
            return;
        }
    }
}
