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
        said->n += n;
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

static uint64_t
host_clock_ms(struct hal_host *host)
{
    (void) host;
    return clock_ms();
}

void
device_init(struct hal_device *device)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&device->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&device->lock, NULL);
    pthread_mutex_init(&device->op, NULL);
    device->jobs_tail = &device->jobs;
    device->finished_tail = &device->finished;
    device->host = (struct hal_host) { host_complete, host_event, host_log, host_clock_ms };
}

/* --- the device's thread ---------------------------------------------------------------- */

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

/* Offers the driver the next of what it has not accepted yet; false if there is nothing more.
 * *refused: it does not take more now. */
static bool
submit_some(struct hal_device *device, bool *refused)
{
    pthread_mutex_lock(&device->op);
    size_t n = device->n_taking - device->n_taken;
    n = n < HAL_SUBMIT_MAX ? n : HAL_SUBMIT_MAX;
    size_t accepted = n ? device->driver->submit(device->state, &device->taking[device->n_taken], n) : 0;
    *refused = accepted < n;
    device->n_taken += accepted < n ? accepted : n;
    bool more = device->n_taken < device->n_taking && !*refused;
    pthread_mutex_unlock(&device->op);
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
    struct hal_job *job = device->jobs;
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
        pthread_mutex_lock(&device->op);
        job->run(job, device);
        pthread_mutex_unlock(&device->op);
        finish_job(device, job);
    }
    if (device->driver->step) {
        pthread_mutex_lock(&device->op);
        int ms = device->driver->step(device->state);
        pthread_mutex_unlock(&device->op);
        again = again < 0 || (ms >= 0 && ms < again) ? ms : again;
    }
    return again;
}

static void
wait_for_work(struct hal_device *device, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t) until.tv_nsec + (uint64_t) (ms > 0 ? ms : 0) * 1000000;
    until.tv_sec += (time_t) (ns / 1000000000);
    until.tv_nsec = (long) (ns % 1000000000);
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

static bool
should_stop(struct hal_device *device)
{
    pthread_mutex_lock(&device->lock);
    bool stop = device->stop;
    pthread_mutex_unlock(&device->lock);
    return stop;
}

static void *
device_main(void *aux)
{
    struct hal_device *device = aux;
    while (!should_stop(device)) {
        wait_for_work(device, device_work(device));
    }
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

void
device_fini(struct hal_device *device)
{
    if (device->threaded) {
        pthread_mutex_lock(&device->lock);
        device->stop = true;
        pthread_cond_signal(&device->work);
        pthread_mutex_unlock(&device->lock);
        pthread_join(device->thread, NULL);
        device->threaded = false;
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
    pthread_mutex_destroy(&device->op);
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
    empty.why[0] = '\0';
    device->said = empty;
    *jobs = device->finished;
    device->finished = NULL;
    device->finished_tail = &device->finished;
    pthread_mutex_unlock(&device->lock);
}
