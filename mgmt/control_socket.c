/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control_socket {
    int fd;
    dev_t dev;               /* of the file, to tell ours from a successor's */
    ino_t ino;
    char path[sizeof ((struct sockaddr_un *) 0)->sun_path];
};

/* Locks the directory that 'path' is in, so that two daemons that start together do not
 * both find the socket stale. The descriptor to close, or -errno. */
static int
lock_directory(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX)) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static pid_t
peer_pid(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0 : peer.pid;
}

/* Makes sure that nothing has the name: 0, -EALREADY, or -errno. */
static int
remove_stale(const struct sockaddr_un *address, struct errmsg *err)
{
    struct stat info;
    if (lstat(address->sun_path, &info)) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(info.st_mode)) {
        errmsg_set(err, "control socket %s: the file that is there is not a socket, and is left "
                   "alone", address->sun_path);
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = 0;
    if (!connect(fd, (const struct sockaddr *) address, sizeof *address)) {
        errmsg_set(err, "already running as process %ld, which listens on %s",
                   (long) peer_pid(fd), address->sun_path);
        error = -EALREADY;
    } else if (errno == EAGAIN) {
        errmsg_set(err, "already running: a process listens on %s", address->sun_path);
        error = -EALREADY;
    } else if (errno == ECONNREFUSED) {
        error = unlink(address->sun_path) ? -errno : 0;
    } else {
        error = -errno;
    }
    close(fd);
    return error;
}

static int
give_to_group(const char *path, const char *group, struct errmsg *err)
{
    const struct group *entry = getgrnam(group);
    if (!entry) {
        errmsg_set(err, "--control-group: there is no group '%.40s'", group);
        return -EINVAL;
    }
    if (chown(path, -1, entry->gr_gid) || chmod(path, 0660)) {
        return -errno;
    }
    return 0;
}

static int
bind_and_listen(struct control_socket *s, const struct sockaddr_un *address, const char *group,
                struct errmsg *err)
{
    mode_t mask = umask(0177);
    int failed = bind(s->fd, (const struct sockaddr *) address, sizeof *address);
    int error = failed ? -errno : 0;
    umask(mask);
    if (error) {
        return error;
    }
    struct stat info;
    if (!lstat(s->path, &info)) {
        s->dev = info.st_dev;
        s->ino = info.st_ino;
    }
    if (group) {
        error = give_to_group(s->path, group, err);
    }
    if (!error && listen(s->fd, 16)) {
        error = -errno;
    }
    return error;
}

static int
open_locked(struct control_socket *s, const char *group, struct errmsg *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, s->path, sizeof s->path);
    int error = remove_stale(&address, err);
    if (error) {
        return error;
    }
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return s->fd < 0 ? -errno : bind_and_listen(s, &address, group, err);
}

int
control_socket_open(const char *path, const char *group, struct control_socket **out,
                    struct errmsg *err)
{
    struct control_socket *s = calloc(1, sizeof *s);
    if (!s) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    s->fd = -1;
    struct errmsg why = { "" };
    int error = strlen(path) < sizeof s->path ? 0 : -ENAMETOOLONG;
    if (!error) {
        strcpy(s->path, path);
        int lock = lock_directory(path);
        error = lock < 0 ? lock : open_locked(s, group, &why);
        if (lock >= 0) {
            close(lock);
        }
    }
    if (error) {
        if (why.text[0]) {
            errmsg_set(err, "%s", why.text);
        } else {
            errmsg_set(err, "control socket %s: %s", path, strerror(-error));
        }
        control_socket_close(s);
        return error;
    }
    *out = s;
    return 0;
}

int
control_socket_fd(const struct control_socket *s)
{
    return s->fd;
}

void
control_socket_close(struct control_socket *s)
{
    struct stat info;
    if (!s) {
        return;
    }
    if (s->ino && !lstat(s->path, &info) && info.st_ino == s->ino && info.st_dev == s->dev) {
        unlink(s->path);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s);
}
