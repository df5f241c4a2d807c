/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ofagent/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static const char *const prefixes[] = {
    [TARGET_TCP] = "tcp:",
    [TARGET_SSL] = "ssl:",
    [TARGET_UNIX] = "unix:",
    [TARGET_PTCP] = "ptcp:",
    [TARGET_PSSL] = "pssl:",
    [TARGET_PUNIX] = "punix:",
};

/* --- text -------------------------------------------------------------------------- */

static int
parse_path(const char *text, const char *path, struct target *t, struct errmsg *err)
{
    if (!*path) {
        errmsg_set(err, "\"%s\": a path is missing after \"%s\"", text, prefixes[t->kind]);
        return -EINVAL;
    }
    if (strlen(path) >= sizeof t->addr.un.sun_path) {
        errmsg_set(err, "\"%.100s...\": a socket's path has at most %zu bytes", text,
                   sizeof t->addr.un.sun_path - 1);
        return -EINVAL;
    }
    t->addr.un.sun_family = AF_UNIX;
    strcpy(t->addr.un.sun_path, path);
    t->addr_size = sizeof t->addr.un;
    return 0;
}

/* 'min' .. 65535, or -1. */
static int
parse_port(const char *text, size_t len, int min)
{
    int port = 0;
    if (!len || len > 5) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        port = port * 10 + (text[i] - '0');
    }
    return port >= min && port <= 65535 ? port : -1;
}

/* Labels of letters, digits, '-' and '_', the last not a number: that would be an address
 * with a mistake. */
static bool
is_name(const char *host)
{
    static const char allowed[] = "0123456789-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *last = host;
    for (const char *label = host; *label;) {
        size_t len = strspn(label, allowed);
        if (!len || len > 63 || (label[len] && label[len] != '.')) {
            return false;
        }
        last = label;
        label += len + (label[len] == '.');
    }
    return *host && strspn(last, "0123456789") != strcspn(last, ".");
}

/* Host of 'len' bytes, "" for any. */
static bool
parse_host(const char *text, size_t len, struct target *t)
{
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    text += brackets;
    len -= brackets ? 2 : 0;
    if (len >= sizeof t->host || (brackets && !len)) {
        return false;
    }
    memcpy(t->host, text, len);
    t->host[len] = '\0';
    if (brackets) {
        t->addr.in6.sin6_family = AF_INET6;
        t->addr_size = sizeof t->addr.in6;
        return inet_pton(AF_INET6, t->host, &t->addr.in6.sin6_addr) == 1;
    }
    const char *address = !len ? "0.0.0.0" : !strcmp(t->host, "localhost") ? "127.0.0.1" : t->host;
    if (inet_pton(AF_INET, address, &t->addr.in.sin_addr) == 1) {
        t->addr.in.sin_family = AF_INET;
        t->addr_size = sizeof t->addr.in;
        return true;
    }
    return !target_listens(t) && is_name(t->host);
}

static int
bad_host(const char *text, const char *host, size_t len, struct errmsg *err)
{
    errmsg_set(err, "\"%s\": \"%.*s\" is not an address%s; give an IPv4 address, or an IPv6 "
               "address in brackets", text, (int) len, host,
               strncmp(text, "p", 1) ? " or a name" : " to listen at");
    return -EINVAL;
}

static int
bad_port(const char *text, const char *port, int min, struct errmsg *err)
{
    errmsg_set(err, "\"%s\": \"%s\" is not a port (%d to 65535)", text, port, min);
    return -EINVAL;
}

static void
set_port(struct target *t, int port)
{
    t->port = (uint16_t) port;
    if (!t->addr_size) {
        return;                      /* when it is known */
    }
    if (t->addr.sa.sa_family == AF_INET6) {
        t->addr.in6.sin6_port = htons((uint16_t) port);
    } else {
        t->addr.in.sin_port = htons((uint16_t) port);
    }
}

static int
parse_active(const char *text, const char *host, struct target *t, struct errmsg *err)
{
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    size_t len = bracket ? (size_t) (bracket + 1 - host) : strcspn(host, ":");
    if (!len) {
        errmsg_set(err, "\"%s\": a host is missing", text);
        return -EINVAL;
    }
    if (!parse_host(host, len, t)) {
        return bad_host(text, host, len, err);
    }
    int port = TARGET_DEFAULT_PORT;
    if (host[len]) {
        port = host[len] == ':' ? parse_port(host + len + 1, strlen(host + len + 1), 1) : -1;
        if (port < 0) {
            return bad_port(text, host + len + (host[len] == ':'), 1, err);
        }
    }
    set_port(t, port);
    return 0;
}

static int
parse_passive(const char *text, const char *rest, struct target *t, struct errmsg *err)
{
    size_t len = strcspn(rest, ":");
    int port = len ? parse_port(rest, len, 0) : TARGET_DEFAULT_PORT;
    if (port < 0) {
        return bad_port(text, rest, 0, err);
    }
    const char *host = rest[len] ? rest + len + 1 : "";
    if ((rest[len] && !*host) || !parse_host(host, strlen(host), t)) {
        return bad_host(text, host, strlen(host), err);
    }
    set_port(t, port);
    return 0;
}

int
target_parse(const char *text, struct target *t, struct errmsg *err)
{
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(text, prefixes[i], len)) {
            continue;
        }
        t->kind = (enum target_kind) i;
        switch (t->kind) {
        case TARGET_TCP:
        case TARGET_SSL:
            return parse_active(text, text + len, t, err);
        case TARGET_PTCP:
        case TARGET_PSSL:
            return parse_passive(text, text + len, t, err);
        case TARGET_UNIX:
        case TARGET_PUNIX:
            return parse_path(text, text + len, t, err);
        }
    }
    errmsg_set(err, "\"%s\" is not a target: tcp:HOST[:PORT], ssl:HOST[:PORT], unix:PATH, "
               "ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH", text);
    return -EINVAL;
}

bool
target_listens(const struct target *t)
{
    return t->kind == TARGET_PTCP || t->kind == TARGET_PSSL || t->kind == TARGET_PUNIX;
}

bool
target_has_tls(const struct target *t)
{
    return t->kind == TARGET_SSL || t->kind == TARGET_PSSL;
}

bool
target_needs_look_up(const struct target *t)
{
    return (t->kind == TARGET_TCP || t->kind == TARGET_SSL) && t->host[0]
           && strcmp(t->host, "localhost") && is_name(t->host);
}

void
target_set_address(struct target *t, const struct sockaddr *address, socklen_t size)
{
    memcpy(&t->addr, address, size < sizeof t->addr ? size : sizeof t->addr);
    t->addr_size = size;
    set_port(t, t->port);
}

/* --- sockets ------------------------------------------------------------------------ */

static int
new_socket(const struct target *t, struct errmsg *err)
{
    int fd = socket(t->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        int error = -errno;
        errmsg_set(err, "no socket: %s", strerror(-error));
        return error;
    }
    return fd;
}

static int
fail(int fd, const char *what, struct errmsg *err)
{
    int error = -errno;
    errmsg_set(err, "%s: %s", what, strerror(-error));
    close(fd);
    return error;
}

int
target_connect(const struct target *t, struct errmsg *err)
{
    int fd = new_socket(t, err);
    if (fd < 0) {
        return fd;
    }
    if (t->kind != TARGET_UNIX) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (connect(fd, &t->addr.sa, t->addr_size) && errno != EINPROGRESS) {
        return fail(fd, "connect", err);
    }
    return fd;
}

/* A file of that name: 0 if there is none any more. */
static int
clear_path(const struct target *t, struct errmsg *err)
{
    const char *path = t->addr.un.sun_path;
    struct stat st;
    if (lstat(path, &st)) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        errmsg_set(err, "%s is there and not a socket", path);
        return -EEXIST;
    }
    int fd = new_socket(t, err);
    if (fd < 0) {
        return fd;
    }
    bool stale = connect(fd, &t->addr.sa, t->addr_size) && errno == ECONNREFUSED;
    close(fd);
    if (!stale) {
        errmsg_set(err, "%s is in use by another process", path);
        return -EADDRINUSE;
    }
    return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* Zeros if there is no such file. */
static struct target_file
identify(const char *path)
{
    struct statx stx;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &stx)) {
        return (struct target_file) { 0 };
    }
    bool has_birth = stx.stx_mask & STATX_BTIME;
    return (struct target_file) {
        .dev = (uint64_t) stx.stx_dev_major << 32 | stx.stx_dev_minor,
        .ino = stx.stx_ino,
        .born_ns = has_birth ? (uint64_t) stx.stx_btime.tv_sec * 1000000000u
                               + stx.stx_btime.tv_nsec : 0,
    };
}

static int
bind_path(int fd, const struct target *t, struct target_file *file, struct errmsg *err)
{
    int error = clear_path(t, err);
    if (error) {
        close(fd);
        return error;
    }
    mode_t old = umask(0177);
    int r = bind(fd, &t->addr.sa, t->addr_size);
    int bind_errno = errno;
    umask(old);
    errno = bind_errno;
    if (r) {
        return fail(fd, t->addr.un.sun_path, err);
    }
    *file = identify(t->addr.un.sun_path);
    return 0;
}

static int
bind_port(int fd, const struct target *t, struct errmsg *err)
{
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, &t->addr.sa, t->addr_size) ? fail(fd, "bind", err) : 0;
}

int
target_listen(const struct target *t, struct target_file *file, struct errmsg *err)
{
    int fd = new_socket(t, err);
    if (fd < 0) {
        return fd;
    }
    *file = (struct target_file) { 0 };
    int error = t->kind == TARGET_PUNIX ? bind_path(fd, t, file, err) : bind_port(fd, t, err);
    if (error) {
        return error;
    }
    if (listen(fd, BACKLOG)) {
        error = fail(fd, "listen", err);
        target_unlisten(t, file);
        return error;
    }
    return fd;
}

void
target_unlisten(const struct target *t, const struct target_file *file)
{
    if (t->kind != TARGET_PUNIX || !file->ino) {
        return;
    }
    struct target_file now = identify(t->addr.un.sun_path);
    if (now.dev == file->dev && now.ino == file->ino && now.born_ns == file->born_ns) {
        unlink(t->addr.un.sun_path);
    }
}

static void
unix_peer(int fd, char name[TARGET_PEER_SIZE])
{
    struct ucred cred;
    socklen_t size = sizeof cred;
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) && cred.pid > 0) {
        snprintf(name, TARGET_PEER_SIZE, "unix (process %ld)", (long) cred.pid);
    } else {
        snprintf(name, TARGET_PEER_SIZE, "unix");
    }
}

/* False if it is not an Internet address; 'name' is "" then. */
static bool
name_address(const struct target *t, char name[TARGET_PEER_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    name[0] = '\0';
    switch (t->addr.sa.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &t->addr.in.sin_addr, host, sizeof host);
        snprintf(name, TARGET_PEER_SIZE, "%s:%u", host, ntohs(t->addr.in.sin_port));
        return true;
    case AF_INET6:
        inet_ntop(AF_INET6, &t->addr.in6.sin6_addr, host, sizeof host);
        snprintf(name, TARGET_PEER_SIZE, "[%s]:%u", host, ntohs(t->addr.in6.sin6_port));
        return true;
    default:
        return false;
    }
}

void
target_peer(int fd, char name[TARGET_PEER_SIZE])
{
    struct target peer = { .addr_size = sizeof peer.addr };
    name[0] = '\0';
    if (!getpeername(fd, &peer.addr.sa, &peer.addr_size) && !name_address(&peer, name)) {
        unix_peer(fd, name);
    }
}

void
target_local(int fd, char name[TARGET_PEER_SIZE])
{
    struct target local = { .addr_size = sizeof local.addr };
    name[0] = '\0';
    if (!getsockname(fd, &local.addr.sa, &local.addr_size) && !name_address(&local, name)) {
        snprintf(name, TARGET_PEER_SIZE, "unix");
    }
}
