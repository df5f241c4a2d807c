/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log_target.h"

#define MINUTE_NS UINT64_C(60000000000)

static const struct {
    const char *name, *printed;
} levels[] = {
    [LOG_LEVEL_ERROR] = { "error", "ERROR" },
    [LOG_LEVEL_WARN] = { "warn", "WARN" },
    [LOG_LEVEL_INFO] = { "info", "INFO" },
    [LOG_LEVEL_DEBUG] = { "debug", "DEBUG" },
};
static_assert(sizeof levels / sizeof levels[0] == N_LOG_LEVELS, "a name a level");

/* Sorted by name. Written before main() only; levels are atomic. */
static struct log_module *modules;
static _Atomic int default_level = LOG_LEVEL_INFO;

/* One line at a time, to one target. */
static pthread_mutex_t target_lock = PTHREAD_MUTEX_INITIALIZER;

void
log_register(struct log_module *module)
{
    struct log_module **p = &modules;
    while (*p && strcmp((*p)->name, module->name) < 0) {
        p = &(*p)->next;
    }
    module->next = *p;
    *p = module;
    atomic_store(&module->level, atomic_load(&default_level));
}

static int
level_parse(const char *name)
{
    for (int i = 0; i < N_LOG_LEVELS; i++) {
        if (!strcmp(name, levels[i].name)) {
            return i;
        }
    }
    return -1;
}

/* Appends to 'err' " NAME NAME..." of all modules, each once. */
static void
list_modules(struct errmsg *err)
{
    size_t n = strlen(err->text);
    for (const struct log_module *m = modules; m; m = m->next) {
        bool again = m->next && !strcmp(m->name, m->next->name);
        if (!again && n < sizeof err->text) {
            n += (size_t) snprintf(err->text + n, sizeof err->text - n, " %s", m->name);
        }
    }
}

static int
refuse_level(const char *spec, const char *what, struct errmsg *err)
{
    if (err) {
        errmsg_set(err, "log level \"%.60s\": no such %s; give LEVEL or MODULE:LEVEL; levels: "
                   "error warn info debug; modules:", spec, what);
        list_modules(err);
    }
    return -EINVAL;
}

int
log_set_level(const char *spec, struct errmsg *err)
{
    const char *colon = strchr(spec, ':');
    int level = level_parse(colon ? colon + 1 : spec);
    if (level < 0) {
        return refuse_level(spec, "level", err);
    }
    if (!colon) {
        atomic_store(&default_level, level);
    }
    bool found = !colon;
    for (struct log_module *m = modules; m; m = m->next) {
        size_t len = strlen(m->name);
        if (!colon || ((size_t) (colon - spec) == len && !memcmp(m->name, spec, len))) {
            atomic_store(&m->level, level);
            found = true;
        }
    }
    return found ? 0 : refuse_level(spec, "module", err);
}

/* Copies 'in' to out[LOG_MESSAGE_MAX + 1] with everything but printable ASCII escaped.
 * False if it had to be cut. */
static bool
escape(const char *in, char *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (; *in; in++) {
        unsigned char c = (unsigned char) *in;
        bool plain = c >= 0x20 && c < 0x7f;
        if (n + (plain ? 1 : 4) > LOG_MESSAGE_MAX - 3) {
            memcpy(out + n, "...", sizeof "...");
            return false;
        }
        if (plain) {
            out[n++] = (char) c;
        } else {
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = '\0';
    return true;
}

/* 'suppressed': how many messages before this one were held back. */
static void __attribute__((format(printf, 4, 0)))
write_message(const struct log_module *module, enum log_level level, unsigned suppressed,
              const char *format, va_list args)
{
    int saved_errno = errno;
    char raw[LOG_MESSAGE_MAX + 2];
    size_t prefix = 0;
    if (suppressed) {
        prefix = (size_t) snprintf(raw, sizeof raw, "(%u like this held back) ", suppressed);
    }
    errno = saved_errno;       /* for %m */
    if (vsnprintf(raw + prefix, sizeof raw - prefix, format, args) < 0) {
        snprintf(raw + prefix, sizeof raw - prefix, "%s", format);
    }
    char text[LOG_MESSAGE_MAX + 1];
    if (!escape(raw, text)) {
        counter_inc(COUNTER_log_cut);
    }

    struct log_entry entry = { level, levels[level].printed, module->name, text };
    pthread_mutex_lock(&target_lock);
    if (!log_target_write(&entry)) {
        counter_inc(COUNTER_log_lost);
    }
    pthread_mutex_unlock(&target_lock);
    errno = saved_errno;
}

void
log_write(struct log_module *module, enum log_level level, const char *format, ...)
{
    if (!log_is_on(module, level)) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_message(module, level, 0, format, args);
    va_end(args);
}

/* True if a message may be written now; then *suppressed is how many were not. */
static bool
limit_pass(struct log_limit *limit, unsigned *suppressed)
{
    unsigned burst = limit->burst ? limit->burst : LOG_LIMIT_BURST;
    uint64_t now = clock_ns();
    unsigned long long window = atomic_load(&limit->window_ns);
    if ((!window || now - window >= MINUTE_NS)
        && atomic_compare_exchange_strong(&limit->window_ns, &window, now)) {
        atomic_store(&limit->used, 0);
    }
    /* Look first, so that a flood can't make the count wrap. */
    if (atomic_load(&limit->used) >= burst || atomic_fetch_add(&limit->used, 1) >= burst) {
        atomic_fetch_add(&limit->suppressed, 1);
        counter_inc(COUNTER_log_suppressed);
        return false;
    }
    *suppressed = atomic_exchange(&limit->suppressed, 0);
    return true;
}

void
log_write_limited(struct log_module *module, struct log_limit *limit, enum log_level level,
                  const char *format, ...)
{
    unsigned suppressed;
    if (!log_is_on(module, level) || !limit_pass(limit, &suppressed)) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_message(module, level, suppressed, format, args);
    va_end(args);
}

int
log_set_target(const char *target, struct errmsg *err)
{
    pthread_mutex_lock(&target_lock);
    int retval = log_target_open(target, err);
    pthread_mutex_unlock(&target_lock);
    return retval;
}

int
log_reopen(struct errmsg *err)
{
    pthread_mutex_lock(&target_lock);
    int retval = log_target_reopen(err);
    pthread_mutex_unlock(&target_lock);
    return retval;
}
