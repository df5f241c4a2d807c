/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to turnoutd's control socket: blocking, one call at a time. */
#ifndef TOOLS_TURNOUTCTL_CLIENT_H
#define TOOLS_TURNOUTCTL_CLIENT_H 1

#include <jansson.h>

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

#endif /* tools/turnoutctl/client.h */
