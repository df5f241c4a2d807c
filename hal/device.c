/* SPDX-License-Identifier: Apache-2.0 */
/* A device's thread, and the mailboxes between it and the control thread. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/log.h"

LOG_MODULE(hal);

/* --- what a driver calls ------------------------------------------------------------- */

static struct hal_device *
device_of(struct hal_host *host)
{
    return (struct hal_device *) host;
}

static bool
make_room_for(struct hal_said *said, size_t n)
{
    size_t max = said->max ? said->max : 64;
    while (max < said->n + n) {
        max *= 2;
    }
    if (max == said->max) {
        return true;
    }
    void *more = realloc(said->completions, max * sizeof *said->completions);
    if (more) {
        said->completions = more;
        said->max = max;
    }
    return more;
}

static void
host_complete(struct hal_host *host, const struct hal_completion *completions, size_t n)
{
    struct hal_device *device = device_of(host);
    pthread_mutex_lock(&device->lock);
    struct hal_said *said = &device->said;
    bool first = !said->n;           /* later ones are heard with it */
    if (make_room_for(said, n)) {
        memcpy(&said->completions[said->n], completions, n * sizeof *completions);
        for (size_t i = 0; i < n; i++) {
            said->completions[said->n++].verdict.words[HAL_WORDS_SIZE - 1] = '\0';
        }
    } else {
        said->lost = true;
    }
    pthread_mutex_unlock(&device->lock);
    if (first) {
        hal_wake(device->hal);
    }
}

static void
host_event(struct hal_host *host, enum hal_event_kind kind, const char *why)
{
    struct hal_device *device = device_of(host);
    if (kind > HAL_EVENT_CAPS) {
        device_broken(device, "it told of an event of kind %u, which is none", (unsigned) kind);
        return;
    }
    pthread_mutex_lock(&device->lock);
    device->said.events |= 1u << kind;
    if (why) {
        snprintf(device->said.why, sizeof device->said.why, "%s", why);
    }
    pthread_cond_signal(&device->work);
    pthread_mutex_unlock(&device->lock);
    hal_wake(device->hal);
}

static void
host_log(struct hal_host *host, int level, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    enum log_level to = level <= LOG_ERR ? LOG_LEVEL_ERROR : level == LOG_WARNING ? LOG_LEVEL_WARN
                        : level == LOG_DEBUG ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    log_at(to, "%s: %s", device_of(host)->driver->name, text);
}

void
device_broken(struct hal_device *device, const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&device->lock);
    if (!device->said.broken[0]) {
        va_start(args, format);
        vsnprintf(device->said.broken, sizeof device->said.broken, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&device->lock);
    hal_wake(device->hal);
}

static uint64_t
host_clock_ms(struct hal_host *host)
{
    (void) host;
    return clock_ms();
}

/* Told of by whom waits for the op, see device_wait(), and by engine_check_mute(). */
static void
host_working(struct hal_host *host)
{
    struct hal_device *device = device_of(host);
    atomic_store(&device->sign_ms, clock_ms());
    atomic_fetch_add(&device->n_signs, 1);
}

void
device_init(struct hal_device *device)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&device->work, &attr);
    pthread_cond_init(&device->op_ended, &attr);
    pthread_cond_init(&device->call_ended, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&device->lock, NULL);
    device->jobs_tail = &device->jobs;
    device->finished_tail = &device->finished;
    device->host = (struct hal_host) { host_complete, host_event, host_log, host_clock_ms,
                                       host_working };
}

/* --- the device's thread ---------------------------------------------------------------- */

struct timespec
device_deadline(unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t) until.tv_nsec + (uint64_t) ms * 1000000;
    until.tv_sec += (time_t) (ns / 1000000000);
    until.tv_nsec = (long) (ns % 1000000000);
    return until;
}

static bool
is_over(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > t->tv_sec || (now.tv_sec == t->tv_sec && now.tv_nsec >= t->tv_nsec);
}

void
device_wait(struct hal_device *device, pthread_cond_t *cond, const bool *flag, bool value, unsigned ms)
{
    struct timespec last = device_deadline(ms > HAL_WORKING_MS ? ms : HAL_WORKING_MS);
    struct timespec until = device_deadline(ms);
    uint32_t signs = atomic_load(&device->n_signs);
    while (*flag != value) {
        if (!pthread_cond_timedwait(cond, &device->lock, &until)) {
            continue;
        }
        uint32_t now = atomic_load(&device->n_signs);
        if (now == signs || is_over(&last)) {
            return;
        }
        signs = now;
        until = device_deadline(ms);
    }
}

static bool
should_stop(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    bool stop = device->stop;
    pthread_mutex_unlock(&device->lock);
    return stop;
}

/* Takes over what was submitted. Locked. */
static void
take_changes(struct hal_device *device)
{
    if (device->n_taken == device->n_taking && device->n_submitted) {
        struct hal_change *empty = device->taking;
        size_t max = device->max_taking;
        device->taking = device->submitted;
        device->n_taking = device->n_submitted;
        device->max_taking = device->max_submitted;
        device->n_taken = 0;
        device->submitted = empty;
        device->max_submitted = max;
        device->n_submitted = 0;
    }
}

/* Around the ops of the device's thread: it is seen when one does not return. */
static void
begin_op(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    while (device->in_op) {
        pthread_cond_wait(&device->op_ended, &device->lock);
    }
    device->in_op = true;
    pthread_mutex_unlock(&device->lock);
    atomic_store(&device->op_began_ms, clock_ms());
}

static void
end_op(struct hal_device *device)
{
    atomic_store(&device->op_began_ms, 0);
    device_leave(device);
}

/* Offers the driver the next of what it has not accepted yet; false if there is nothing more.
 * *refused: it does not take more now. */
static bool
submit_some(struct hal_device *device, bool *refused)
{
    begin_op(device);
    size_t n = device->n_taking - device->n_taken;
    n = n < HAL_SUBMIT_MAX ? n : HAL_SUBMIT_MAX;
    n = should_stop(device) ? 0 : n;
    size_t accepted = n ? device->driver->submit(device->state, &device->taking[device->n_taken], n) : 0;
    if (accepted > n) {
        device_broken(device, "it accepted %zu changes of %zu", accepted, n);
    }
    *refused = accepted < n;
    device->n_taken += accepted < n ? accepted : n;
    bool more = n && device->n_taken < device->n_taking && !*refused;
    end_op(device);
    return more;
}

/* True if the driver has left some. */
static bool
submit_taken(struct hal_device *device)
{
    bool refused;
    while (submit_some(device, &refused)) {
        continue;
    }
    return refused;
}

static struct hal_job *
take_job(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    struct hal_job *job = device->stop ? NULL : device->jobs;
    if (job) {
        device->jobs = job->next;
        device->jobs_tail = device->jobs ? device->jobs_tail : &device->jobs;
        job->next = NULL;
    }
    pthread_mutex_unlock(&device->lock);
    return job;
}

static void
finish_job(struct hal_device *device, struct hal_job *job)
{
    pthread_mutex_lock(&device->lock);
    *device->finished_tail = job;
    device->finished_tail = &job->next;
    pthread_mutex_unlock(&device->lock);
    hal_wake(device->hal);
}

int
device_work(struct hal_device *device)
{
    int again = -1;
    pthread_mutex_lock(&device->lock);
    take_changes(device);
    pthread_mutex_unlock(&device->lock);
    if (submit_taken(device)) {
        again = HAL_RETRY_MS;
    }
    for (struct hal_job *job; (job = take_job(device));) {
        begin_op(device);
        job->run(job, device);
        end_op(device);
        finish_job(device, job);
    }
    if (device->driver->step && !should_stop(device)) {
        begin_op(device);
        int ms = device->driver->step(device->state);
        end_op(device);
        again = again < 0 || (ms >= 0 && ms < again) ? ms : again;
    }
    return again;
}

static void
wait_for_work(struct hal_device *device, int ms)
{
    struct timespec until = device_deadline(ms > 0 ? (unsigned) ms : 0);
    pthread_mutex_lock(&device->lock);
    while (!device->stop && !device->n_submitted && !device->jobs
           && !(device->said.events >> HAL_EVENT_AGAIN & 1)) {
        if (ms < 0) {
            pthread_cond_wait(&device->work, &device->lock);
        } else if (pthread_cond_timedwait(&device->work, &device->lock, &until)) {
            break;
        }
    }
    device->said.events &= ~(1u << HAL_EVENT_AGAIN);
    pthread_mutex_unlock(&device->lock);
}

/* --- ops by the control thread ------------------------------------------------------------ */

bool
device_enter(struct hal_device *device, unsigned ms, char *error)
{
    pthread_mutex_lock(&device->lock);
    if (!device->hung) {
        device_wait(device, &device->op_ended, &device->in_op, false, ms);
    }
    bool entered = !device->in_op && !device->hung;
    device->in_op |= entered;
    pthread_mutex_unlock(&device->lock);
    if (!entered && error) {
        snprintf(error, HAL_ERROR_SIZE, "the driver does not return from what it was asked before");
    }
    return entered;
}

void
device_leave(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->in_op = false;
    pthread_cond_signal(&device->op_ended);
    pthread_mutex_unlock(&device->lock);
}

/* --- life ------------------------------------------------------------------------------------ */

static void *
device_main(void *aux)
{
    struct hal_device *device = aux;
    while (!should_stop(device)) {
        wait_for_work(device, device_work(device));
    }
    pthread_mutex_lock(&device->lock);
    device->ended = true;
    pthread_cond_broadcast(&device->work);
    pthread_mutex_unlock(&device->lock);
    return NULL;
}

int
device_start(struct hal_device *device)
{
    if (device->hal->config.stepped) {
        return 0;
    }
    int error = pthread_create(&device->thread, NULL, device_main, device);
    device->threaded = !error;
    return -error;
}

static void
free_jobs(struct hal_device *device, struct hal_job *job)
{
    for (struct hal_job *next; job; job = next) {
        next = job->next;
        job->done(job, device);
    }
}

/* False if the thread does not end. */
static bool
end_thread(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->stop = true;
    pthread_cond_broadcast(&device->work);
    device_wait(device, &device->work, &device->ended, true, device->hung ? 0 : HAL_STOP_MS);
    bool ended = device->ended;
    pthread_mutex_unlock(&device->lock);
    return ended && !pthread_join(device->thread, NULL);
}

bool
device_fini(struct hal_device *device, bool keep)
{
    if (device->threaded && !end_thread(device)) {
        log_error("%s: it does not return from what it was asked; its device stays as it is",
                  device->driver->name);
        device->hung = true;
    }
    struct hal_call close = call_close(keep);
    if (!device->hung && device->state && !device_call(device, HAL_STOP_MS, &close)) {
        log_error("%s: %s; its device stays as it is", device->driver->name, close.error);
    }
    if (device->hung) {
        return false;
    }
    device->gone = true;             /* jobs that are handed back find that nothing is to be done */
    free_jobs(device, device->finished);
    free_jobs(device, device->jobs);
    device->finished = device->jobs = NULL;
    free(device->submitted);
    free(device->taking);
    free(device->said.completions);
    pthread_cond_destroy(&device->work);
    pthread_mutex_destroy(&device->lock);
    pthread_cond_destroy(&device->op_ended);
    pthread_cond_destroy(&device->call_ended);
    return true;
}

/* --- the control thread's side ------------------------------------------------------------ */

bool
device_submit(struct hal_device *device, const struct hal_change *changes, size_t n)
{
    pthread_mutex_lock(&device->lock);
    bool ok = device->n_submitted + n <= device->max_submitted;
    if (!ok) {
        size_t max = (device->n_submitted + n) * 2;
        void *more = realloc(device->submitted, max * sizeof *device->submitted);
        if (more) {
            device->submitted = more;
            device->max_submitted = max;
            ok = true;
        }
    }
    if (ok) {
        memcpy(&device->submitted[device->n_submitted], changes, n * sizeof *changes);
        device->n_submitted += n;
        pthread_cond_signal(&device->work);
    }
    pthread_mutex_unlock(&device->lock);
    return ok;
}

void
device_run_job(struct hal_device *device, struct hal_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&device->lock);
    *device->jobs_tail = job;
    device->jobs_tail = &job->next;
    pthread_cond_signal(&device->work);
    pthread_mutex_unlock(&device->lock);
}

void
device_discard(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->n_submitted = device->n_taking = device->n_taken = 0;
    device->said.n = 0;
    pthread_mutex_unlock(&device->lock);
}

void
device_listen(struct hal_device *device, struct hal_said *said, struct hal_job **jobs)
{
    pthread_mutex_lock(&device->lock);
    struct hal_said empty = *said;
    *said = device->said;
    empty.n = 0;
    empty.events = said->events & 1u << HAL_EVENT_AGAIN;   /* the device's thread takes that one */
    empty.lost = false;
    empty.broken[0] = '\0';
    empty.why[0] = '\0';
    device->said = empty;
    *jobs = device->finished;
    device->finished = NULL;
    device->finished_tail = &device->finished;
    pthread_mutex_unlock(&device->lock);
}
