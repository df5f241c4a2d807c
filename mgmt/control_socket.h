/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket as a file: made with its permissions, one daemon at a time. */
#ifndef MGMT_CONTROL_SOCKET_H
#define MGMT_CONTROL_SOCKET_H 1

#include "lib/errmsg.h"

struct control_socket;

/* Makes a listening, non-blocking stream socket at 'path', of mode 0600, or with 'group'
 * 0660 and that group. A socket that a dead process left is replaced; anything else that
 * has the name is left alone.
 * Returns 0 and *out; -EALREADY if a process listens there, whose id is in *err; or
 * -errno. */
int control_socket_open(const char *path, const char *group, struct control_socket **out,
                        struct errmsg *err);
int control_socket_fd(const struct control_socket *);
/* Closes, removes the file if it is still ours, and frees. NULL does nothing. */
void control_socket_close(struct control_socket *);

#endif /* mgmt/control_socket.h */
