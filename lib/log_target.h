/* SPDX-License-Identifier: Apache-2.0 */
/* Where log messages go. Only lib/log.c calls this, under its lock. */
#ifndef LIB_LOG_TARGET_H
#define LIB_LOG_TARGET_H 1

#include <stdbool.h>

#include "lib/errmsg.h"
#include "lib/log.h"

/* One message; 'text' is escaped already. */
struct log_entry {
    enum log_level level;
    const char *level_name;   /* "INFO" */
    const char *module;
    const char *text;
};

int log_target_open(const char *target, struct errmsg *err);
int log_target_reopen(struct errmsg *err);

/* False if the message is lost. */
bool log_target_write(const struct log_entry *);

#endif /* lib/log_target.h */
