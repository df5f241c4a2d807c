/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/log.h"
#include "mgmt/control_hello.h"

LOG_MODULE(control);

struct client {
    struct control *control;
    struct client *next, **prev;
    struct method_env env;
    struct method_session session;
    struct bufferevent *bev;
    struct event *turn;            /* there may be another request in the input */
    bool greeted;
    bool eof;                      /* it sends nothing more */
    bool closing;                  /* goes when what it has to be sent is sent */
};

struct control {
    struct event_base *base;
    struct event *accept;
    struct event *resume;          /* of accepting, after a pause */
    struct method_env env;
    struct client *clients;
    unsigned n_clients;
    struct timeval hello_timeout, send_timeout;
};

static void
client_free(struct client *client)
{
    *client->prev = client->next;
    if (client->next) {
        client->next->prev = client->prev;
    }
    client->control->n_clients--;
    method_session_fini(&client->session);
    event_free(client->turn);
    bufferevent_free(client->bev);
    free(client);
}

static size_t
output_size(const struct client *client)
{
    return evbuffer_get_length(bufferevent_get_output(client->bev));
}

/* Nothing more is taken from the client; it goes when it has its answers. */
static void
client_close(struct client *client)
{
    client->closing = true;
    method_session_fini(&client->session);
    bufferevent_disable(client->bev, EV_READ);
}

static void
send_text(struct client *client, char *text)
{
    if (text) {
        bufferevent_write(client->bev, text, strlen(text));
        free(text);
    } else {
        log_warn("no memory for an answer; the client is cut off");
        client_close(client);
    }
}

static void
append_output(void *client_, const char *text, size_t len)
{
    struct client *client = client_;
    bufferevent_write(client->bev, text, len);
}

static size_t
output_queued(const void *client)
{
    return output_size(client);
}

static void
send_error(struct client *client, const json_t *id, enum rpc_code code, const char *message)
{
    counter_inc(code == RPC_FAILED ? COUNTER_control_failed : COUNTER_control_refused);
    send_text(client, rpc_error_response(id, code, message));
}

static enum rpc_code
call_method(struct client *client, const struct rpc_request *request, json_t **result,
            struct errmsg *err)
{
    if (!strcmp(request->method, "hello")) {
        enum rpc_code code = control_hello(request->params, result, err);
        client->greeted = client->greeted || !code;
        if (!code) {
            bufferevent_set_timeouts(client->bev,
                                     &(struct timeval) { CONTROL_IDLE_SECONDS, 0 },
                                     &client->control->send_timeout);
        }
        return code;
    }
    const struct method *method = method_find(request->method);
    if (!client->greeted) {
        errmsg_set(err, "say \"hello\" first");
        return RPC_HELLO_FIRST;
    }
    if (!method) {
        errmsg_set(err, "there is no method '%.40s'", request->method);
        return RPC_UNKNOWN_METHOD;
    }
    enum rpc_code code = method->call(&client->env, request->params, result, err);
    if (!code && !*result) {
        errmsg_set(err, "no memory for the answer");
        code = RPC_INTERNAL_ERROR;
    }
    return code;
}

static void
handle_request(struct client *client, const char *text, size_t size)
{
    struct rpc_request request;
    struct errmsg err = { "" };
    json_t *result = NULL;
    enum rpc_code code = rpc_request_parse(&request, text, size, &err);
    bool well_formed = !code;
    if (!code) {
        code = call_method(client, &request, &result, &err);
    }
    if (well_formed && !request.id) {
        json_decref(result);       /* a notification: done, and not answered */
    } else if (code) {
        send_error(client, request.id, code, err.text);
    } else {
        send_text(client, rpc_response(request.id, result));
    }
    rpc_request_fini(&request);
}

/* Takes one request from the input, if there is a whole one and room for the answer. */
static void
take_turn(struct client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->bev);
    if (client->closing || output_size(client) > CONTROL_OUTPUT_PAUSE) {
        return;                    /* on_written() comes back to it */
    }
    size_t size;
    char *line = evbuffer_readln(input, &size, EVBUFFER_EOL_LF);
    if (line) {
        if (size) {
            handle_request(client, line, size);
        }
        free(line);
        /* The next one after everybody else had a turn. */
        event_add(client->turn, &(struct timeval) { 0, 0 });
    } else if (evbuffer_get_length(input) >= CONTROL_MAX_REQUEST) {
        send_error(client, NULL, RPC_INVALID_REQUEST, "the request is longer than 65536 bytes");
        client_close(client);
    } else if (client->eof) {
        client_close(client);
    }
    if (client->closing && !output_size(client)) {
        client_free(client);
    }
}

static void
on_turn(evutil_socket_t fd, short what, void *client)
{
    (void) fd;
    (void) what;
    take_turn(client);
}

static void
on_read(struct bufferevent *bev, void *aux)
{
    (void) bev;
    struct client *client = aux;
    if (!event_pending(client->turn, EV_TIMEOUT, NULL)) {
        take_turn(client);
    }
}

static void
on_written(struct bufferevent *bev, void *aux)
{
    (void) bev;
    struct client *client = aux;
    if (client->closing) {
        client_free(client);
    } else {
        method_session_written(&client->session);
        event_add(client->turn, &(struct timeval) { 0, 0 });
    }
}

static void
on_event(struct bufferevent *bev, short what, void *aux)
{
    struct client *client = aux;
    bool unread = output_size(client);
    if (what & BEV_EVENT_TIMEOUT && (client->session.snoop || client->session.capture)) {
        /* It listens, and may take its time: what it does not read is left out. */
        bufferevent_enable(bev, EV_READ | EV_WRITE);
        return;
    } else if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_WRITING) {
        counter_inc(COUNTER_control_slow);
        log_warn("control client dropped: it does not read its answers");
    } else if (what & BEV_EVENT_TIMEOUT && unread) {
        /* Silent because it is busy reading. */
        bufferevent_enable(bev, EV_READ);
        return;
    } else if (what & BEV_EVENT_EOF) {
        /* It has asked all it wanted: what it did ask is answered. */
        client->eof = true;
        event_add(client->turn, &(struct timeval) { 0, 0 });
        return;
    }
    client_free(client);
}

static struct client *
client_new(struct control *control, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    struct bufferevent *bev =
        client ? bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    struct event *turn = bev ? evtimer_new(control->base, on_turn, client) : NULL;
    if (!turn) {
        if (bev) {
            bufferevent_free(bev);
        } else {
            close(fd);
        }
        free(client);
        return NULL;
    }
    *client = (struct client) {
        .control = control, .env = control->env, .bev = bev, .turn = turn,
        .next = control->clients, .prev = &control->clients,
    };
    client->env.session = &client->session;
    client->session.output = (struct method_output) { append_output, output_queued, client };
    if (client->next) {
        client->next->prev = &client->next;
    }
    control->clients = client;
    control->n_clients++;
    return client;
}

/* Without descriptors or memory the socket would be ready all the time. */
static void
pause_accepting(struct control *control, int error)
{
    static struct log_limit limit;
    static const struct timeval pause = { 0, CONTROL_ACCEPT_PAUSE_MS * 1000 };
    counter_inc(COUNTER_control_accept_failed);
    log_warn_limited(&limit, "control socket: can't accept: %s; trying again in %d ms",
                     strerror(error), CONTROL_ACCEPT_PAUSE_MS);
    event_del(control->accept);
    event_add(control->resume, &pause);
}

static void
on_resume(evutil_socket_t fd, short what, void *aux)
{
    (void) fd;
    (void) what;
    struct control *control = aux;
    event_add(control->accept, NULL);
}

/* Tells the client why, if it can be told at once, and closes. */
static void
refuse(int fd)
{
    static struct log_limit limit;
    struct errmsg err;
    counter_inc(COUNTER_control_too_many);
    log_warn_limited(&limit, "control client refused: there are %d", CONTROL_MAX_CLIENTS);
    errmsg_set(&err, "turnoutd has %d control clients, and takes no more; try again when one has "
               "ended", CONTROL_MAX_CLIENTS);
    char *text = rpc_error_response(NULL, RPC_BUSY, err.text);
    if (text) {
        ssize_t n = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void) n;   /* a new socket has room; one that is gone needs none */
    }
    free(text);
    close(fd);
}

static void
on_accept(evutil_socket_t listen_fd, short what, void *aux)
{
    (void) what;
    struct control *control = aux;
    static struct log_limit limit;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(control, errno);
        }
        return;
    }
    if (control->n_clients == CONTROL_MAX_CLIENTS) {
        refuse(fd);
        return;
    }
    struct client *client = client_new(control, fd);
    if (!client) {
        log_warn_limited(&limit, "no memory for a control client");
        return;
    }
    bufferevent_setcb(client->bev, on_read, on_written, on_event, client);
    bufferevent_setwatermark(client->bev, EV_READ, 0, CONTROL_MAX_REQUEST);
    bufferevent_set_timeouts(client->bev, &control->hello_timeout, &control->send_timeout);
    bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

struct control *
control_new(struct event_base *base, struct control_socket *socket, const struct method_env *env,
            struct errmsg *err)
{
    struct control *control = calloc(1, sizeof *control);
    if (control) {
        control->base = base;
        control->env = *env;
        control_set_timeouts(control, CONTROL_HELLO_SECONDS * 1000, CONTROL_SEND_SECONDS * 1000);
        control->accept = event_new(base, control_socket_fd(socket), EV_READ | EV_PERSIST,
                                    on_accept, control);
        control->resume = evtimer_new(base, on_resume, control);
    }
    if (!control || !control->accept || !control->resume || event_add(control->accept, NULL)) {
        errmsg_set(err, "control socket: no memory");
        control_free(control);
        return NULL;
    }
    return control;
}

void
control_free(struct control *control)
{
    if (!control) {
        return;
    }
    while (control->clients) {
        client_free(control->clients);
    }
    if (control->accept) {
        event_free(control->accept);
    }
    if (control->resume) {
        event_free(control->resume);
    }
    free(control);
}

unsigned
control_n_clients(const struct control *control)
{
    return control->n_clients;
}

void
control_set_timeouts(struct control *control, unsigned hello_ms, unsigned send_ms)
{
    control->hello_timeout = (struct timeval) { hello_ms / 1000, hello_ms % 1000 * 1000 };
    control->send_timeout = (struct timeval) { send_ms / 1000, send_ms % 1000 * 1000 };
}
