/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: why it can't be run goes to 'report', which closes when it is. */
static void __attribute__((noreturn))
become(const char *const argv[], const char *directory, int out, int report)
{
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0
        && dup2(out, STDERR_FILENO) >= 0 && !chdir(directory)) {
        execv(argv[0], (char *const *) argv);
    }
    int error = errno;
    ssize_t n = write(report, &error, sizeof error);
    (void) n;
    _exit(127);
}

/* Reads to the end; keeps what fits. */
static void
read_text(int fd, char *text, size_t size)
{
    size_t len = 0;
    char piece[512];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        size_t keep = n < 0 ? 0 : (size_t) n < size - 1 - len ? (size_t) n : size - 1 - len;
        memcpy(text + len, piece, keep);
        len += keep;
    }
    while (len && text[len - 1] == '\n') {
        len--;
    }
    text[len] = '\0';
}

int
run_program(const char *const argv[], const char *directory, char *text, size_t size,
            struct errmsg *err)
{
    int out[2], report[2], error = 0, status;
    if (pipe2(out, O_CLOEXEC)) {
        error = -errno;
        errmsg_set(err, "pipe: %s", strerror(-error));
        return error;
    }
    if (pipe2(report, O_CLOEXEC)) {
        error = -errno;
        errmsg_set(err, "pipe: %s", strerror(-error));
        close(out[0]);
        close(out[1]);
        return error;
    }
    pid_t pid = fork();
    if (!pid) {
        become(argv, directory, out[1], report[1]);
    }
    error = pid < 0 ? errno : 0;
    close(out[1]);
    close(report[1]);
    read_text(out[0], text, size);
    if (!error && read(report[0], &error, sizeof error) < 0) {
        error = errno;
    }
    close(out[0]);
    close(report[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (error) {
        errmsg_set(err, "can't run %s in %s: %s", argv[0], directory, strerror(error));
        return -error;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
