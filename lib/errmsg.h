/* SPDX-License-Identifier: Apache-2.0 */
/* A message for a person: what happened, to which object, and why.
 *
 * Functions that can fail for a reason a person must hear take a 'struct errmsg *'
 * as their last parameter. It may be NULL. It is written where the failure happens
 * and only on failure. */
#ifndef LIB_ERRMSG_H
#define LIB_ERRMSG_H 1

#include <stdarg.h>

struct errmsg {
    char text[640];
};

/* Writes the message; cut at the end if too long. NULL 'err' does nothing. */
void errmsg_set(struct errmsg *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "PREFIX: " in front of the message that is there. */
void errmsg_prefix(struct errmsg *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* lib/errmsg.h */
