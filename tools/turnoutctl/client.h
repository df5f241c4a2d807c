/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to turnoutd's control socket: blocking, one call at a time, or listening to
 * what the daemon says by itself. */
#ifndef TOOLS_TURNOUTCTL_CLIENT_H
#define TOOLS_TURNOUTCTL_CLIENT_H 1

#include <jansson.h>
#include <stdbool.h>

#include "lib/errmsg.h"

struct client;

/* Connects and shakes hands. NULL and *err on failure. */
struct client *client_connect(const char *path, struct errmsg *err);
/* NULL does nothing. */
void client_free(struct client *);

/* Calls a method; 'params' (NULL: none) is taken. 0 and *result, for the caller to free;
 * an error code of the protocol (rpc.h) if the daemon refused, with its words in *err; or
 * -EIO if there was no valid answer. */
int client_call(struct client *, const char *method, json_t *params, json_t **result,
                struct errmsg *err);

/* Waits for the next thing that the daemon says by itself: 0 and *message, for the caller to
 * free; 1 if 'stop_fd' became readable first; or -EIO and *err. */
int client_next(struct client *, int stop_fd, json_t **message, struct errmsg *err);
/* True if client_next() would not have to wait. */
bool client_has_next(const struct client *);

#endif /* tools/turnoutctl/client.h */
