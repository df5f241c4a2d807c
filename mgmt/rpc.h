/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0 messages, one JSON object a line: taking requests apart and making
 * responses. No state, no I/O. turnout-control(7) documents the protocol. */
#ifndef MGMT_RPC_H
#define MGMT_RPC_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/errmsg.h"

/* Error codes: JSON-RPC's, and ours in the range that it leaves to applications. */
enum rpc_code {
    RPC_OK = 0,
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_UNKNOWN_METHOD = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL_ERROR = -32603,
    RPC_FAILED = -32000,           /* the switch could not do it; the message says why */
    RPC_HELLO_FIRST = -32001,      /* a method before "hello" */
    RPC_NO_VERSION = -32002,       /* no protocol version in common */
    RPC_BUSY = -32003,             /* too many clients; the connection is closed */
};

struct rpc_request {
    json_t *root;                  /* owns the others */
    json_t *id;                    /* NULL: a notification, which gets no response */
    const char *method;
    json_t *params;                /* an object; NULL: there are none */
};

/* Takes 'size' bytes of text apart. RPC_OK; or RPC_PARSE_ERROR or RPC_INVALID_REQUEST and
 * *err: then only request->root and ->id are of use. rpc_request_fini() in any case. */
enum rpc_code rpc_request_parse(struct rpc_request *, const char *text, size_t size,
                                struct errmsg *err);
void rpc_request_fini(struct rpc_request *);

/* The response's text with its newline, for the caller to free(); NULL without memory.
 * 'id' NULL is JSON's null. rpc_response() takes the reference to 'result'. */
char *rpc_response(const json_t *id, json_t *result);
char *rpc_error_response(const json_t *id, enum rpc_code, const char *message);

/* A string that may not be UTF-8: then everything beyond ASCII in it is '?'. NULL without
 * memory. */
json_t *rpc_string(const char *text);

#endif /* mgmt/rpc.h */
