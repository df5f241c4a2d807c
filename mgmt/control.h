/* SPDX-License-Identifier: Apache-2.0 */
/* The server behind the control socket: JSON-RPC 2.0, a request and a response a line.
 *
 * A client says "hello" with the protocol versions that it speaks, and then calls methods
 * (method.h). Everything has a bound: clients, a request's size, what waits to be sent. A
 * client's requests are answered one by one, one in a turn of the event loop; while it
 * does not read its answers, its requests wait; when it reads nothing for some seconds it
 * is dropped. Control thread. */
#ifndef MGMT_CONTROL_H
#define MGMT_CONTROL_H 1

#include "lib/errmsg.h"
#include "mgmt/control_socket.h"
#include "mgmt/method.h"

struct event_base;
struct control;

enum {
    CONTROL_MAX_CLIENTS = 32,            /* another one is told so and closed */
    CONTROL_ACCEPT_PAUSE_MS = 100,       /* when no client can be accepted */
    CONTROL_MAX_REQUEST = 64 * 1024,     /* bytes, newline included */
    CONTROL_OUTPUT_PAUSE = 64 * 1024,    /* bytes that wait: no request is taken above */
    CONTROL_HELLO_SECONDS = 10,          /* a client that says nothing is dropped */
    CONTROL_IDLE_SECONDS = 600,
    CONTROL_SEND_SECONDS = 10,           /* one that reads nothing too */
};

/* Serves on the socket, which stays the caller's, as 'env', which is copied and has no
 * session: each client has its own. NULL and *err on failure. Free it before the
 * bridges. */
struct control *control_new(struct event_base *, struct control_socket *,
                            const struct method_env *env, struct errmsg *err);
/* Cuts all clients off. NULL does nothing. */
void control_free(struct control *);
unsigned control_n_clients(const struct control *);

/* Other times than CONTROL_HELLO_SECONDS and CONTROL_SEND_SECONDS, for clients that
 * connect from now on. For tests. */
void control_set_timeouts(struct control *, unsigned hello_ms, unsigned send_ms);

#endif /* mgmt/control.h */
