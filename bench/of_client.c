/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench/of_client.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

unsigned long n_errors;

void
die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

double
seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int
connect_tcp(const char *target)
{
    char host[64];
    const char *colon = strrchr(target, ':');
    snprintf(host, sizeof host, "%.*s", (int) (colon - target), target);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(colon + 1)) };
    inet_pton(AF_INET, host, &sin.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd < 0 || connect(fd, (struct sockaddr *) &sin, sizeof sin)) {
        die(target);
    }
    return fd;
}

int
connect_to(const char *target)
{
    if (*target != '/') {
        return connect_tcp(target);
    }
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", target);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        die(target);
    }
    return fd;
}

void
send_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size) {
        ssize_t n = write(fd, p, size);
        if (n <= 0) {
            die("write");
        }
        p += n;
        size -= (size_t) n;
    }
}

void
recv_all(int fd, void *data, size_t size)
{
    uint8_t *p = data;
    while (size) {
        ssize_t n = read(fd, p, size);
        if (n <= 0) {
            die("read");
        }
        p += n;
        size -= (size_t) n;
    }
}

void
put_header(uint8_t *msg, uint8_t type, uint16_t length, uint32_t xid)
{
    msg[0] = 1;
    msg[1] = type;
    length = htobe16(length);
    memcpy(msg + 2, &length, 2);
    xid = htobe32(xid);
    memcpy(msg + 4, &xid, 4);
}

/* Reads until a message of 'type' comes; answers echoes, counts errors. */
void
wait_for(int fd, uint8_t type)
{
    static uint8_t msg[65536];
    for (;;) {
        recv_all(fd, msg, 8);
        uint16_t length = (uint16_t) (msg[2] << 8 | msg[3]);
        recv_all(fd, msg + 8, length - 8u);
        if (msg[1] == type) {
            return;
        }
        if (msg[1] == ERROR && !n_errors++) {
            fprintf(stderr, "error type %d code %d\n", msg[9], msg[11]);
        }
        if (msg[1] == ECHO_REQUEST) {
            msg[1] = ECHO_REPLY;
            send_all(fd, msg, length);
        }
    }
}

/* in_port, dl_type=ip, nw_src=i, nw_dst, nw_proto=udp, ports wild: one mask, N values. */
void
put_flow_mod(uint8_t *msg, uint16_t command, uint32_t i)
{
    memset(msg, 0, FLOW_MOD_SIZE);
    put_header(msg, FLOW_MOD, FLOW_MOD_SIZE, i);
    uint32_t wildcards = htobe32(command ? 0x3fffff : 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 20 | 1 << 21);
    memcpy(msg + 8, &wildcards, 4);
    msg[13] = 1;                             /* in_port */
    msg[30] = 0x08;                          /* dl_type */
    msg[33] = 17;                            /* nw_proto */
    uint32_t src = htobe32(0x14000000 + i), dst = htobe32(0x1e000001);
    memcpy(msg + 36, &src, 4);
    memcpy(msg + 40, &dst, 4);
    msg[57] = (uint8_t) command;
    msg[62] = 0x80;                          /* priority */
    memset(msg + 64, 0xff, 6);               /* no buffer, out_port none */
    msg[73] = 0, msg[75] = 8, msg[77] = 2;   /* output:2 */
    put_header(msg, FLOW_MOD, command ? 72 : FLOW_MOD_SIZE, i);
}

void
put_barrier(uint8_t *msg)
{
    put_header(msg, BARRIER_REQUEST, 8, 0xffffffff);
}

int
of_connect(const char *target)
{
    int fd = connect_to(target);
    uint8_t hello[8];
    put_header(hello, HELLO, 8, 1);
    send_all(fd, hello, sizeof hello);
    wait_for(fd, HELLO);
    return fd;
}

void
send_flow_mods(int fd, uint32_t n, uint32_t offset)
{
    static uint8_t chunk[FLOW_MOD_CHUNK * FLOW_MOD_SIZE];
    uint8_t barrier[8];
    for (uint32_t i = 0; i < n; i += FLOW_MOD_CHUNK) {
        uint32_t k = n - i < FLOW_MOD_CHUNK ? n - i : FLOW_MOD_CHUNK;
        for (uint32_t j = 0; j < k; j++) {
            put_flow_mod(chunk + j * FLOW_MOD_SIZE, 0, offset + i + j);
        }
        send_all(fd, chunk, k * FLOW_MOD_SIZE);
    }
    put_barrier(barrier);
    send_all(fd, barrier, sizeof barrier);
}

int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}
