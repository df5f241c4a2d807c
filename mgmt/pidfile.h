/* SPDX-License-Identifier: Apache-2.0 */
/* The pid file: says which process runs, and its lock proves that it does. */
#ifndef MGMT_PIDFILE_H
#define MGMT_PIDFILE_H 1

#include <sys/types.h>

#include "lib/errmsg.h"

struct pidfile;

/* Takes the lock of the file at 'path', made if need be, and writes our process id. A file
 * that a dead process left is taken over.
 * Returns 0 and *out; -EALREADY if another process has it, whose id is in *err; or -errno. */
int pidfile_take(const char *path, struct pidfile **out, struct errmsg *err);

/* Removes the file and frees. NULL does nothing. */
void pidfile_release(struct pidfile *);

#endif /* mgmt/pidfile.h */
