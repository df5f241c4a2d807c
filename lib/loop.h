/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: a thin adapter over libevent for timers, signals, file descriptors and
 * deferred calls. Connections (lib/stream.h) and bufferevents use libevent with loop_base().
 *
 * One thread runs a loop, and all functions are for that thread, but for loop_call() and
 * loop_stop(), which any thread may call. Callbacks run from loop_run(), one at a time; a
 * callback may free or stop anything, its own object included. Time is the kernel's
 * monotonic clock: what must be tested without waiting asks lib/clock.h when it is called.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/errmsg.h"

struct event_base;
struct loop;

/* NULL and *err on failure. */
struct loop *loop_new(struct errmsg *err);

/* Frees the loop; its timers, watches and signals must have been freed. Deferred calls that
 * have not run are dropped. NULL does nothing. */
void loop_free(struct loop *);

/* libevent's base, for bufferevents and listeners. Lives as long as the loop. */
struct event_base *loop_base(struct loop *);

/* Runs callbacks until loop_stop(). Returns 0, or -EIO if the loop itself broke. */
int loop_run(struct loop *);

/* Runs what is due without waiting. For tests, and for work between two long steps. 0 or
 * -EIO. */
int loop_poll(struct loop *);

/* Makes loop_run() return soon: callbacks that are due already may still run. When it does
 * not run, the next loop_run() returns at once. Any thread. */
void loop_stop(struct loop *);

/* Timers: embedded in, or owned by, whoever uses them. */
struct loop_timer;

/* A timer that is not set yet. NULL without memory. */
struct loop_timer *loop_timer_new(struct loop *, void (*callback)(void *aux), void *aux);
void loop_timer_free(struct loop_timer *);

/* Calls back once, 'ms' from now; replaces what was set before. */
void loop_timer_set(struct loop_timer *, uint64_t ms);

/* Calls back each 'ms' (at least 1) from now on. */
void loop_timer_set_periodic(struct loop_timer *, uint64_t ms);

void loop_timer_cancel(struct loop_timer *);
bool loop_timer_is_set(const struct loop_timer *);

/* Signals: calls back in the loop, not in a signal handler, for each signal until freed. One
 * loop of a process may have them. NULL without memory. */
struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *, int signal,
                                    void (*callback)(void *aux, int signal), void *aux);
void loop_signal_free(struct loop_signal *);

/* File descriptors: calls back while 'fd' is readable (or has an error to read), level
 * triggered. The fd stays the caller's; free the watch before it is closed. NULL without
 * memory. */
struct loop_watch;
struct loop_watch *loop_watch_new(struct loop *, int fd, void (*callback)(void *aux, int fd),
                                  void *aux);
void loop_watch_free(struct loop_watch *);

/* Deferred calls: callback(aux) runs once, from the loop, after the callback that runs now.
 * Calls run in the order in which they were made; one made by a deferred call runs in the
 * next round. Any thread; wakes the loop. 0, or -ENOMEM. */
int loop_call(struct loop *, void (*callback)(void *aux), void *aux);

/* Forgets the calls of this callback and aux that have not run. The loop's thread. */
void loop_call_cancel(struct loop *, void (*callback)(void *aux), void *aux);

#endif /* lib/loop.h */
