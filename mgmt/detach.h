/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background, with the first process waiting until the last one is ready. */
#ifndef MGMT_DETACH_H
#define MGMT_DETACH_H 1

#include "lib/errmsg.h"

struct detach;

/* Forks twice, into a session of its own. Returns 0 in the process that goes on, with
 * *out to tell by; the first process does not return: it exits with the status that
 * detach_tell() is given, or 1 if the other dies before. -errno and *err if it can't
 * fork. Before there are threads. Messages to stderr are seen until detach_tell(0). */
int detach_start(struct detach **out, struct errmsg *err);

/* Ends the wait: the first process exits with 'status'. With 0 the standard descriptors
 * go to /dev/null. Frees. NULL does nothing. */
void detach_tell(struct detach *, int status);

#endif /* mgmt/detach.h */
