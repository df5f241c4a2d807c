/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct pidfile {
    int fd;
    char *path;
};

/* True if the file that 'fd' has open is still the one at 'path': whoever had it before
 * us may have removed it between our open() and our lock. */
static bool
is_same_file(int fd, const char *path)
{
    struct stat opened, named;
    return !fstat(fd, &opened) && !stat(path, &named) && opened.st_ino == named.st_ino
           && opened.st_dev == named.st_dev;
}

/* Opens and locks. The descriptor, or -errno. */
static int
open_locked(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0) {
            return -errno;
        }
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            int error = errno == EWOULDBLOCK ? -EALREADY : -errno;
            close(fd);
            return error;
        }
        if (is_same_file(fd, path)) {
            return fd;
        }
        close(fd);
    }
}

/* The process id in the file, or 0. */
static long
read_pid(const char *path)
{
    long pid = 0;
    FILE *stream = fopen(path, "re");
    if (stream) {
        if (fscanf(stream, "%ld", &pid) != 1) {
            pid = 0;
        }
        fclose(stream);
    }
    return pid;
}

static int
write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long) getpid());
    if (ftruncate(fd, 0) || pwrite(fd, text, len, 0) != len) {
        return errno ? -errno : -EIO;
    }
    return 0;
}

int
pidfile_take(const char *path, struct pidfile **out, struct errmsg *err)
{
    int fd = open_locked(path);
    if (fd == -EALREADY) {
        errmsg_set(err, "already running as process %ld, which holds %s", read_pid(path), path);
        return fd;
    }
    int error = fd < 0 ? fd : write_pid(fd);
    struct pidfile *pidfile = error ? NULL : malloc(sizeof *pidfile);
    char *copy = error ? NULL : strdup(path);
    if (!error && (!pidfile || !copy)) {
        error = -ENOMEM;
    }
    if (error) {
        errmsg_set(err, "pid file %s: %s", path, strerror(-error));
        free(pidfile);
        free(copy);
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *pidfile = (struct pidfile) { .fd = fd, .path = copy };
    *out = pidfile;
    return 0;
}

void
pidfile_release(struct pidfile *pidfile)
{
    if (pidfile) {
        /* While the lock is held, so that it is ours that goes. */
        unlink(pidfile->path);
        close(pidfile->fd);
        free(pidfile->path);
        free(pidfile);
    }
}
