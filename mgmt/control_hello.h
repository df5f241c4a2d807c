/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of the control protocol. */
#ifndef MGMT_CONTROL_HELLO_H
#define MGMT_CONTROL_HELLO_H 1

#include "mgmt/rpc.h"

/* Answers "hello": {"protocol": the version to speak, "version": ours}. RPC_NO_VERSION if
 * the client has none that we have. */
enum rpc_code control_hello(json_t *params, json_t **result, struct errmsg *err);

#endif /* mgmt/control_hello.h */
