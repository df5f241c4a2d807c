/* SPDX-License-Identifier: Apache-2.0 */
/* Logging: levels a module, one destination, rate-limited event paths.
 *
 * A message says what happened, to which object, why, and what happens now. It is
 * logged once, where it is handled. A .c file that logs says LOG_MODULE(name) at its
 * top; the name is what `--log MODULE:LEVEL` takes, and several files may share one.
 *
 * Any thread, but not the packet path: writing takes a lock and may wait for the disk.
 * What is written to stderr or a file is one line,
 *
 *     2026-11-22T10:11:12.123Z LEVEL module: message
 *
 * Bytes of the message that are not printable ASCII are written as \xHH, so that text
 * that came from a peer can't forge a line or drive a terminal. A message longer than
 * LOG_MESSAGE_MAX bytes is cut and ends in "...". errno is left as it was. */
#ifndef LIB_LOG_H
#define LIB_LOG_H 1

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib/errmsg.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, N_LOG_LEVELS };

/* Longest message, escaped, without its time, level and module. */
enum { LOG_MESSAGE_MAX = 1024 };

struct log_module {
    const char *name;
    _Atomic int level;          /* messages above this level are not written */
    struct log_module *next;
};

/* Holds an event path to 'burst' messages in each minute that begins with a message; what
 * was held back is counted and said with the next message. A static, zeroed limit has a
 * burst of LOG_LIMIT_BURST. One limit may serve several threads. */
struct log_limit {
    _Atomic unsigned long long window_ns;  /* clock_ns() when the minute began; 0: never */
    _Atomic unsigned used, suppressed;
    unsigned burst;                        /* 0: LOG_LIMIT_BURST */
};
enum { LOG_LIMIT_BURST = 10 };

#define LOG_MODULE(NAME)                                                      \
    static struct log_module this_log_module = { .name = #NAME, .level = -1 };  \
    __attribute__((constructor)) static void log_register_this(void)          \
    {                                                                         \
        log_register(&this_log_module);                                       \
    }                                                                         \
    static_assert(sizeof #NAME > 1, "a module has a name")

/* Makes a module known; LOG_MODULE() does it before main(). The module must live as long
 * as the process. Not thread-safe. */
void log_register(struct log_module *);

/* True if a message of this level would be written. For messages that cost something to
 * make; the macros below look by themselves. */
static inline bool
log_is_on(const struct log_module *module, enum log_level level)
{
    return (int) level <= atomic_load_explicit(&module->level, memory_order_relaxed);
}

void log_write(struct log_module *, enum log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_write_limited(struct log_module *, struct log_limit *, enum log_level,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The arguments are not evaluated when the level is off. */
#define log_at(LEVEL, ...)                                                    \
    (log_is_on(&this_log_module, LEVEL)                                       \
     ? log_write(&this_log_module, LEVEL, __VA_ARGS__) : (void) 0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For paths that traffic or a peer can repeat at will. */
#define log_at_limited(LIMIT, LEVEL, ...)                                     \
    (log_is_on(&this_log_module, LEVEL)                                       \
     ? log_write_limited(&this_log_module, LIMIT, LEVEL, __VA_ARGS__) : (void) 0)
#define log_error_limited(LIMIT, ...) log_at_limited(LIMIT, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn_limited(LIMIT, ...) log_at_limited(LIMIT, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info_limited(LIMIT, ...) log_at_limited(LIMIT, LOG_LEVEL_INFO, __VA_ARGS__)

/* "LEVEL" (all modules, those set before included) or "MODULE:LEVEL". The default is info.
 * Returns 0, or -EINVAL with the valid names in 'err'. Any thread. */
int log_set_level(const char *spec, struct errmsg *err);

/* "stderr" (the default), "syslog", "journal" or a file's path (one with a slash),
 * which is appended to. Returns 0, or -errno with the target as it was. Any thread. */
int log_set_target(const char *target, struct errmsg *err);

/* Opens the log file again (after it was rotated); for the other targets there is nothing
 * to do. Returns 0, or -errno, and then the old file goes on being used. Any thread. */
int log_reopen(struct errmsg *err);

/* The journal's socket, for tests: the path must outlive its use. NULL for the system's. */
void log_set_journal_socket(const char *path);

#endif /* lib/log.h */
