/* SPDX-License-Identifier: Apache-2.0 */
/* Where OpenFlow connections come from and go to.
 *
 *   tcp:HOST[:PORT]     we connect          ptcp:[PORT][:HOST]  we listen
 *   ssl:HOST[:PORT]     the same with TLS   pssl:[PORT][:HOST]
 *   unix:PATH           we connect          punix:PATH          we listen
 *
 * HOST is an IPv4 address, an IPv6 address in brackets, or, where we connect, a name: whoever
 * connects looks it up first, without waiting for the answer (lib/resolver.h). "localhost"
 * is 127.0.0.1 without a question. PORT defaults to 6653. Control thread only. */
#ifndef OFAGENT_TARGET_H
#define OFAGENT_TARGET_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/errmsg.h"

enum { TARGET_DEFAULT_PORT = 6653, TARGET_PEER_SIZE = 64, TARGET_HOST_SIZE = 254 };

enum target_kind { TARGET_TCP, TARGET_SSL, TARGET_UNIX, TARGET_PTCP, TARGET_PSSL, TARGET_PUNIX };

struct target {
    enum target_kind kind;
    char host[TARGET_HOST_SIZE];   /* as written, without brackets; "": any, or a path */
    uint16_t port;                 /* of tcp and ssl */
    socklen_t addr_size;           /* 0: the host's name must be looked up */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } addr;
};

/* 0 and *target; or -EINVAL, *target unspecified, and 'err' says what is wrong. */
int target_parse(const char *text, struct target *, struct errmsg *err);
bool target_listens(const struct target *);
bool target_has_tls(const struct target *);

/* True if the host is a name: target_set_address() must be called before it is connected
 * to. */
bool target_needs_look_up(const struct target *);
/* The address that the name stands for now; its port is the target's. */
void target_set_address(struct target *, const struct sockaddr *, socklen_t size);

/* Begins to connect: a non-blocking socket on which the connection is made or under way,
 * or -errno. */
int target_connect(const struct target *, struct errmsg *err);

/* What identifies the socket file that we made, so that only our own is removed. Numbers
 * of inodes are reused at once; the time of birth tells them apart. */
struct target_file {
    uint64_t dev, ino, born_ns;
};

/* A non-blocking listening socket, or -errno: -EADDRINUSE when somebody listens there. A
 * socket file that nobody listens on any more is replaced; another file is not. */
int target_listen(const struct target *, struct target_file *, struct errmsg *err);
/* Removes the socket file if it is still the one that target_listen() made. */
void target_unlisten(const struct target *, const struct target_file *);

/* The address of a connected socket's other end: "192.0.2.1:5000", "[2001:db8::1]:5000",
 * or "unix" with the peer's process id. */
void target_peer(int fd, char name[TARGET_PEER_SIZE]);
/* The address of our own end, in the same form; "unix" for a Unix socket. */
void target_local(int fd, char name[TARGET_PEER_SIZE]);

#endif /* ofagent/target.h */
