/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct detach {
    int fd;              /* the pipe's writing end */
};

/* The first process: its child has ended, its grandchild writes when it is ready. */
static void __attribute__((noreturn))
wait_and_exit(int fd)
{
    unsigned char status;
    ssize_t n;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);   /* this process ends on any signal */
    do {
        n = read(fd, &status, 1);
    } while (n < 0 && errno == EINTR);
    /* Without atexit() handlers: what they would undo belongs to the other process. */
    _exit(n == 1 ? status : 1);
}

static int
fork_failed(int fds[2], struct errmsg *err)
{
    int error = errno;
    errmsg_set(err, "can't detach: %s", strerror(error));
    close(fds[0]);
    close(fds[1]);
    return -error;
}

int
detach_start(struct detach **out, struct errmsg *err)
{
    struct detach *detach = malloc(sizeof *detach);
    int fds[2];
    if (!detach || pipe2(fds, O_CLOEXEC)) {
        errmsg_set(err, "can't detach: %s", strerror(errno));
        free(detach);
        return -ENOMEM;
    }
    pid_t pid = fork();
    if (pid < 0) {
        free(detach);
        return fork_failed(fds, err);
    }
    if (pid > 0) {
        close(fds[1]);
        waitpid(pid, NULL, 0);
        wait_and_exit(fds[0]);
    }
    close(fds[0]);
    setsid();
    /* Not a session leader any more: no terminal that it opens becomes its own. */
    pid = fork();
    if (pid) {
        _exit(pid < 0);
    }
    if (chdir("/")) {
        /* The working directory stays busy; nothing depends on it. */
    }
    detach->fd = fds[1];
    *out = detach;
    return 0;
}

static void
close_standard(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++) {
        dup2(null, fd);
    }
    if (null > 2) {
        close(null);
    }
}

void
detach_tell(struct detach *detach, int status)
{
    if (!detach) {
        return;
    }
    unsigned char byte = status;
    if (write(detach->fd, &byte, 1) != 1) {
        /* The first process was killed meanwhile: there is nobody to tell. */
    }
    close(detach->fd);
    free(detach);
    if (!status) {
        close_standard();
    }
}
