/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "lib/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const int priorities[] = {
    [LOG_LEVEL_ERROR] = LOG_ERR,
    [LOG_LEVEL_WARN] = LOG_WARNING,
    [LOG_LEVEL_INFO] = LOG_INFO,
    [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};
static_assert(sizeof priorities / sizeof priorities[0] == N_LOG_LEVELS, "a priority a level");

static bool write_stderr(const struct log_entry *);

static bool (*write_entry)(const struct log_entry *) = write_stderr;
static int target_fd = -1;          /* file or journal socket */
static char *file_path;             /* file target only */
static const char *journal_socket = JOURNAL_SOCKET;

static bool
write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            data += n;
            size -= (size_t) n;
        }
    }
    return true;
}

/* One write a line, so that lines of several processes that append do not mix. */
static bool
write_line(int fd, const struct log_entry *entry)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);

    char line[LOG_MESSAGE_MAX + 128];
    int n = snprintf(line, sizeof line, "%s.%03ldZ %s %.40s: %s\n", stamp, now.tv_nsec / 1000000,
                     entry->level_name, entry->module, entry->text);
    return n > 0 && (size_t) n < sizeof line && write_all(fd, line, (size_t) n);
}

static bool
write_stderr(const struct log_entry *entry)
{
    return write_line(STDERR_FILENO, entry);
}

static bool
write_file(const struct log_entry *entry)
{
    return write_line(target_fd, entry);
}

static bool
write_syslog(const struct log_entry *entry)
{
    syslog(priorities[entry->level], "%s: %s", entry->module, entry->text);
    return true;
}

/* The journal's native protocol: one datagram of FIELD=VALUE lines (values are escaped,
 * so none has a newline in it). Addressed each time, so a journal that was restarted is
 * found again; not waited for, so a stuck one does not stop the switch. */
static bool
write_journal(const struct log_entry *entry)
{
    char data[LOG_MESSAGE_MAX + 256];
    int n = snprintf(data, sizeof data,
                     "MESSAGE=%.40s: %s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\n"
                     "SYSLOG_IDENTIFIER=%.32s\nSYSLOG_PID=%ld\nTURNOUT_MODULE=%.40s\n",
                     entry->module, entry->text, priorities[entry->level], LOG_DAEMON >> 3,
                     program_invocation_short_name, (long) getpid(), entry->module);
    if (n < 0 || (size_t) n >= sizeof data) {
        return false;
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", journal_socket);
    return sendto(target_fd, data, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *) &address, sizeof address) == n;
}

/* Makes (fd, path) the target; takes both over. */
static void
become(bool (*writer)(const struct log_entry *), int fd, char *path)
{
    if (write_entry == write_syslog) {
        closelog();
    }
    if (target_fd >= 0) {
        close(target_fd);
    }
    free(file_path);
    write_entry = writer;
    target_fd = fd;
    file_path = path;
}

static int
open_file(const char *path, struct errmsg *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        int error = errno;
        errmsg_set(err, "log file %s: %s", path, strerror(error));
        return -error;
    }
    return fd;
}

static int
target_file(const char *path, struct errmsg *err)
{
    char *copy = strdup(path);
    if (!copy) {
        errmsg_set(err, "log file %s: %s", path, strerror(ENOMEM));
        return -ENOMEM;
    }
    int fd = open_file(path, err);
    if (fd < 0) {
        free(copy);
        return fd;
    }
    become(write_file, fd, copy);
    return 0;
}

static int
target_journal(struct errmsg *err)
{
    if (access(journal_socket, W_OK)) {
        int error = errno;
        errmsg_set(err, "journal (%s): %s", journal_socket, strerror(error));
        return -error;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        int error = errno;
        errmsg_set(err, "journal: %s", strerror(error));
        return -error;
    }
    become(write_journal, fd, NULL);
    return 0;
}

int
log_target_open(const char *target, struct errmsg *err)
{
    if (strchr(target, '/')) {
        return target_file(target, err);
    } else if (!strcmp(target, "journal")) {
        return target_journal(err);
    } else if (!strcmp(target, "syslog")) {
        become(write_syslog, -1, NULL);
        openlog(program_invocation_short_name, LOG_PID, LOG_DAEMON);
        return 0;
    } else if (!strcmp(target, "stderr")) {
        become(write_stderr, -1, NULL);
        return 0;
    }
    errmsg_set(err, "%s: not a log target; valid are stderr, syslog, journal and a file's path "
               "(with a slash)", target);
    return -EINVAL;
}

int
log_target_reopen(struct errmsg *err)
{
    if (!file_path) {
        return 0;
    }
    int fd = open_file(file_path, err);
    if (fd < 0) {
        return fd;
    }
    close(target_fd);
    target_fd = fd;
    return 0;
}

bool
log_target_write(const struct log_entry *entry)
{
    return write_entry(entry);
}

void
log_set_journal_socket(const char *path)
{
    journal_socket = path ? path : JOURNAL_SOCKET;
}
