/* SPDX-License-Identifier: Apache-2.0 */
/* Logging: levels a module, one destination, rate-limited event paths.
 *
 * A message says what happened, to which object, why, and what happens now. It is
 * logged once, where it is handled. A .c file that logs says LOG_MODULE(name) at its
 * top; the name is what `--log MODULE:LEVEL` takes. Any thread. */
#ifndef LIB_LOG_H
#define LIB_LOG_H 1

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/errmsg.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, N_LOG_LEVELS };

struct log_module {
    const char *name;
    _Atomic int level;          /* messages above this level are not written */
    struct log_module *next;
};

/* At most 'burst' messages at once and 'burst' a minute after that; what was held
 * back is counted and said with the next message. */
struct log_limit {
    _Atomic unsigned long long window_ns;
    _Atomic unsigned used, suppressed;
};

#define LOG_MODULE(NAME)                                                      \
    static struct log_module this_log_module = { .name = #NAME, .level = -1 };  \
    __attribute__((constructor)) static void log_register_this(void)          \
    {                                                                         \
        log_register(&this_log_module);                                       \
    }                                                                         \
    static_assert(sizeof #NAME > 1, "a module has a name")

void log_register(struct log_module *);

void log_write(struct log_module *, enum log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_write_limited(struct log_module *, struct log_limit *, enum log_level,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(...) log_write(&this_log_module, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(&this_log_module, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(&this_log_module, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(&this_log_module, LOG_LEVEL_DEBUG, __VA_ARGS__)
/* For paths that traffic or a peer can repeat at will. */
#define log_warn_limited(LIMIT, ...) \
    log_write_limited(&this_log_module, LIMIT, LOG_LEVEL_WARN, __VA_ARGS__)

/* "LEVEL" (all modules) or "MODULE:LEVEL". Returns 0, or -EINVAL with the valid
 * names in 'err'. */
int log_set_level(const char *spec, struct errmsg *err);

/* "stderr" (the default), "syslog", "journal" or a file's path (one with a slash),
 * which is appended to. Returns 0 or -errno. */
int log_set_target(const char *target, struct errmsg *err);

/* Opens the log file again (after it was rotated). */
int log_reopen(struct errmsg *err);

#endif /* lib/log.h */
