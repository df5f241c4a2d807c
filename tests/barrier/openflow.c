/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/barrier/openflow.h"

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { REPLY_SECONDS = 30, SPIN_NS = 50000 };

bool of_exact_flow;

static int of_fd;
static uint32_t last_xid;
static uint8_t addresses[4][6];   /* of the ports */

void
bail_out(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("Bail out! ");
    vprintf(format, args);
    printf(": %s\n", strerror(errno));
    va_end(args);
    exit(1);
}

uint64_t
time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

uint8_t *
of_put16(uint8_t *p, unsigned x)
{
    p[0] = (uint8_t) (x >> 8);
    p[1] = (uint8_t) x;
    return p + 2;
}

uint8_t *
of_put32(uint8_t *p, uint32_t x)
{
    return of_put16(of_put16(p, x >> 16), x & 0xffff);
}

uint8_t *
of_put_header(uint8_t *p, unsigned type, unsigned size)
{
    *p++ = 1;
    *p++ = (uint8_t) type;
    return of_put32(of_put16(p, size), ++last_xid);
}

static void
send_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = send(of_fd, data, size, MSG_NOSIGNAL);
        if (n < 0) {
            bail_out("sending to the switch");
        }
        data += n;
        size -= (size_t) n;
    }
}

/* The flow of make_frame() in barrier.c, every field. */
static uint8_t *
put_exact_match(uint8_t *p)
{
    static const uint8_t match[40] = {
        0, 0, 0, 0, 0, PORT_IN, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0xff, 0xff, 0, 0, 8, 0,
        0, IPPROTO_UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 7, 208,
    };
    memcpy(p, match, sizeof match);
    return p + sizeof match;
}

static uint8_t *
put_match(uint8_t *p, enum of_match match)
{
    if (match == OF_MATCH_FLOW && of_exact_flow) {
        return put_exact_match(p);
    }
    uint32_t wildcards = match == OF_MATCH_ALL    ? 0x3fffff
                         : match == OF_MATCH_FLOW ? 0x3fffff & ~(1u | 1u << 4 | 1u << 5 | 63u << 14)
                                               : 0x3fffff & ~(1u | 1u << 4);
    bool flow = match == OF_MATCH_FLOW;
    memset(p, 0, 40);
    of_put32(p, wildcards);
    of_put16(p + 4, match == OF_MATCH_ALL ? 0 : PORT_IN);
    of_put16(p + 22, match == OF_MATCH_ALL ? 0 : ETHERTYPE_IP);
    p[25] = flow ? IPPROTO_UDP : 0;
    of_put32(p + 32, flow ? 0x0a000002 : 0);
    return p + 40;
}

uint8_t *
of_put_flow_mod(uint8_t *p, unsigned command, enum of_match match, unsigned priority, unsigned port)
{
    p = of_put_header(p, 14, port ? 80 : 72);
    p = put_match(p, match);
    memset(p, 0, 8);           /* cookie */
    p = of_put16(p + 8, command);
    p = of_put32(p, 0);           /* no time-outs */
    p = of_put16(p, priority);
    p = of_put32(p, 0xffffffff);  /* no buffer */
    p = of_put16(p, 0xffff);      /* any out_port */
    p = of_put16(p, 0);
    if (port) {
        p = of_put16(of_put16(of_put16(of_put16(p, 0), 8), port), 0);
    }
    return p;
}

uint8_t *
of_put_port_mod(uint8_t *p, unsigned port, uint32_t config, uint32_t mask)
{
    p = of_put16(of_put_header(p, 15, 32), port);
    memcpy(p, addresses[port], 6);
    p = of_put32(of_put32(p + 6, config), mask);
    memset(p, 0, 8);           /* advertise nothing else, padding */
    return p + 8;
}

static bool
wait_readable(int fd, int ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    return poll(&poll_fd, 1, ms) > 0;
}

static void
read_exactly(uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = recv(of_fd, data, size, 0);
        if (n <= 0) {
            errno = n ? errno : ECONNRESET;
            bail_out("reading from the switch");
        }
        data += n;
        size -= (size_t) n;
    }
}

static void
take_features(const uint8_t *body, size_t size)
{
    for (size_t at = 24; at + 48 <= size; at += 48) {
        unsigned number = (unsigned) body[at] << 8 | body[at + 1];
        if (number < sizeof addresses / sizeof addresses[0]) {
            memcpy(addresses[number], body + at + 2, 6);
        }
    }
}

/* Reads messages until the reply to barrier 'xid' is there; looks hard for a moment, so
 * that the probe leaves at once. */
static void
wait_for_barrier(uint32_t xid)
{
    static uint8_t body[65536];
    uint64_t spin_until = time_ns() + SPIN_NS;
    for (;;) {
        uint8_t header[8];
        while (recv(of_fd, header, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
            if (time_ns() > spin_until && !wait_readable(of_fd, REPLY_SECONDS * 1000)) {
                errno = ETIMEDOUT;
                bail_out("no reply to barrier %u", xid);
            }
        }
        read_exactly(header, sizeof header);
        size_t size = (size_t) header[2] << 8 | header[3];
        read_exactly(body, size - sizeof header);
        uint32_t reply = (uint32_t) header[4] << 24 | (uint32_t) header[5] << 16
                         | (uint32_t) header[6] << 8 | header[7];
        if (header[1] == 1) {
            errno = EPROTO;
            bail_out("the switch answered with error %u/%u", body[1], body[3]);
        }
        if (header[1] == 2) {  /* its probe of us */
            header[1] = 3;
            send_all(header, sizeof header);
            send_all(body, size - sizeof header);
        }
        if (header[1] == 6) {
            take_features(body, size - sizeof header);
        }
        if (header[1] == 19 && reply == xid) {
            return;
        }
    }
}

void
of_send_with_barrier(uint8_t *data, uint8_t *end)
{
    end = of_put_header(end, 18, 8);
    send_all(data, (size_t) (end - data));
    wait_for_barrier(last_xid);
}

void
of_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    of_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(of_fd, (struct sockaddr *) &address, sizeof address)) {
        bail_out("%s", path);
    }
    uint8_t hello[64];
    uint8_t *end = of_put_header(hello, 0, 8);
    of_send_with_barrier(hello, of_put_header(end, 5, 8));
}
