/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* What is left to be said is said in this time, or its reader does not take it. */
enum { LAST_SECONDS = 1 };

static int pipe_fds[2] = { -1, -1 };
static volatile sig_atomic_t requested;

static void
on_signal(int number)
{
    int saved_errno = errno;
    (void) number;
    requested = 1;
    /* A full pipe is readable as well. */
    ssize_t n = write(pipe_fds[1], "", 1);
    (void) n;
    alarm(LAST_SECONDS);
    errno = saved_errno;
}

static void
on_alarm(int number)
{
    (void) number;
    _exit(EXIT_FAILURE);
}

int
stop_catch(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    if (pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK)) {
        return -1;
    }
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
    sigaction(SIGALRM, &(struct sigaction) { .sa_handler = on_alarm }, NULL);
    for (int i = 0; i < 3; i++) {
        struct sigaction before;
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN) {
            sigaction(numbers[i], &action, NULL);
        }
    }
    return pipe_fds[0];
}

bool
stop_requested(void)
{
    return requested;
}
