/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up what a switch does not need. */
#ifndef MGMT_PRIVILEGES_H
#define MGMT_PRIVILEGES_H 1

#include "lib/errmsg.h"

/* Of our capabilities keeps CAP_NET_ADMIN and CAP_NET_RAW, in the bounding set too where
 * we may change that, and sets no_new_privs. For good, and for every thread started from
 * now on, so call it before there are any.
 *
 * Returns 0, or -EPERM if we lack one of the two that a switch can't do without. */
int privileges_drop(struct errmsg *err);

#endif /* mgmt/privileges.h */
