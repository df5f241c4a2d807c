/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers that a switch has a lot to tell, for any OpenFlow 1.0 switch.
 *
 * usage: of_controllers SOCKET-PATH packet-ins SECONDS   takes PACKET_INs as fast as they come
 *        of_controllers SOCKET-PATH stall SECONDS        asks for them, and reads nothing
 *        of_controllers SOCKET-PATH dump N               N times the statistics of all flows
 *        of_controllers SOCKET-PATH echoes N FLOWS       N controllers' echoes while another one
 *                                                        loads FLOWS flows, one barrier behind
 * SOCKET-PATH is a unix socket, or HOST:PORT for TCP. Prints one line of NAME=VALUE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/of_client.h"

/* What comes in on a connection, message by message. */
struct input {
    int fd;
    uint8_t *data;
    size_t size, used;
};

enum { INPUT_SIZE = 1 << 20 };

static void
input_init(struct input *in, int fd)
{
    *in = (struct input) { .fd = fd, .data = malloc(INPUT_SIZE) };
    if (!in->data) {
        die("malloc");
    }
}

/* Reads once; false if nothing came within 'ms'. */
static bool
input_fill(struct input *in, int ms)
{
    struct pollfd pollfd = { .fd = in->fd, .events = POLLIN };
    memmove(in->data, in->data + in->used, in->size - in->used);
    in->size -= in->used;
    in->used = 0;
    if (poll(&pollfd, 1, ms) < 1) {
        return false;
    }
    ssize_t n = read(in->fd, in->data + in->size, INPUT_SIZE - in->size);
    if (n <= 0) {
        die("read");
    }
    in->size += (size_t) n;
    return true;
}

/* The next whole message that is there, or NULL. */
static const uint8_t *
input_next(struct input *in, size_t *size)
{
    const uint8_t *msg = in->data + in->used;
    size_t left = in->size - in->used;
    *size = left < 8 ? 0 : (size_t) msg[2] << 8 | msg[3];
    if (left < 8 || left < *size) {
        return NULL;
    }
    in->used += *size;
    return msg;
}

static void
answer_echo(int fd, const uint8_t *msg, size_t size)
{
    uint8_t reply[65536];
    memcpy(reply, msg, size);
    reply[1] = ECHO_REPLY;
    send_all(fd, reply, size);
}

/* --- packet-ins ------------------------------------------------------------------------------ */

/* Asks for packet-ins of 128 bytes, as a controller does. */
static void
ask_for_packet_ins(int fd)
{
    uint8_t msg[8 + 12];
    put_header(msg, FEATURES_REQUEST, 8, 2);
    put_header(msg + 8, SET_CONFIG, 12, 3);
    msg[16] = msg[17] = msg[18] = 0;
    msg[19] = 128;
    send_all(fd, msg, sizeof msg);
    wait_for(fd, FEATURES_REPLY);
}

static void
packet_ins(int fd, double duration)
{
    struct input in;
    unsigned long n = 0;
    uint64_t bytes = 0;
    input_init(&in, fd);
    ask_for_packet_ins(fd);
    double begin = seconds(), start = 0, now;
    while ((now = seconds()) - begin < duration + 0.5) {
        if (!start && now - begin >= 0.5) {      /* queues have filled: counting begins */
            start = now;
            n = 0;
            bytes = 0;
        }
        input_fill(&in, 10);
        const uint8_t *msg;
        size_t size;
        while ((msg = input_next(&in, &size))) {
            n += msg[1] == PACKET_IN;
            bytes += size;
            if (msg[1] == ECHO_REQUEST) {
                answer_echo(fd, msg, size);
            }
        }
    }
    printf("packet_ins=%lu rate=%.0f bytes=%.0f\n", n, (double) n / (now - start),
           n ? (double) bytes / (double) n : 0.0);
    free(in.data);
}

static void
stall(int fd, double duration)
{
    ask_for_packet_ins(fd);
    usleep((useconds_t) (duration * 1e6));
    printf("seconds=%.1f\n", duration);
}

/* --- dump ------------------------------------------------------------------------------------ */

/* Reads the reply; returns how many flows it has. */
static unsigned long
read_flows(struct input *in)
{
    unsigned long n = 0;
    for (;;) {
        const uint8_t *msg;
        size_t size;
        while (!(msg = input_next(in, &size))) {
            input_fill(in, 60000);
        }
        if (msg[1] == ECHO_REQUEST) {
            answer_echo(in->fd, msg, size);
        }
        if (msg[1] != STATS_REPLY) {
            continue;
        }
        for (size_t at = 12; at < size; at += (size_t) msg[at] << 8 | msg[at + 1]) {
            n++;
        }
        if (!(msg[11] & 1)) {
            return n;
        }
    }
}

static void
dump(int fd, uint32_t n)
{
    uint8_t msg[56] = { 0 };
    double *t = calloc(n, sizeof *t);
    struct input in;
    unsigned long flows = 0;
    input_init(&in, fd);
    put_header(msg, STATS_REQUEST, sizeof msg, 7);
    msg[9] = 1;                              /* FLOW */
    memcpy(msg + 12, "\0\x3f\xff\xff", 4);   /* all */
    msg[52] = msg[54] = msg[55] = 0xff;      /* all tables, any output */
    for (uint32_t i = 0; i < n; i++) {
        double start = seconds();
        send_all(fd, msg, sizeof msg);
        flows = read_flows(&in);
        t[i] = seconds() - start;
    }
    qsort(t, n, sizeof *t, compare_doubles);
    printf("flows=%lu seconds=%.4f rate=%.0f\n", flows, t[n / 2], (double) flows / t[n / 2]);
    free(t);
    free(in.data);
}

/* --- echoes ---------------------------------------------------------------------------------- */

struct load {
    int fd;
    uint32_t n_flows;
    double took;
    _Atomic bool done;
};

static void *
drain(void *load_)
{
    struct load *load = load_;
    double start = seconds();
    wait_for(load->fd, BARRIER_REPLY);
    load->took = seconds() - start;
    load->done = true;
    return NULL;
}

static void *
push(void *load_)
{
    struct load *load = load_;
    send_flow_mods(load->fd, load->n_flows, 0);
    return NULL;
}

/* One echo on each connection; their times in microseconds. */
static void
echo_round(int epoll, const int *fds, uint32_t n, double *times)
{
    struct epoll_event events[256];
    uint8_t msg[8];
    double *sent = calloc(n, sizeof *sent);
    put_header(msg, ECHO_REQUEST, sizeof msg, 9);
    for (uint32_t i = 0; i < n; i++) {
        sent[i] = seconds();
        send_all(fds[i], msg, sizeof msg);
    }
    for (uint32_t answered = 0; answered < n;) {
        int ready = epoll_wait(epoll, events, 256, 60000);
        if (ready < 1) {
            errno = ETIMEDOUT;
            die("echoes");
        }
        for (int k = 0; k < ready; k++) {
            uint32_t i = events[k].data.u32;
            uint8_t reply[8];
            recv_all(fds[i], reply, sizeof reply);
            if (reply[1] == ECHO_REQUEST) {
                answer_echo(fds[i], reply, sizeof reply);
            } else if (reply[1] == ECHO_REPLY) {
                times[answered++] = (seconds() - sent[i]) * 1e6;
            }
        }
    }
    free(sent);
}

static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Rounds of echoes until the flows are in, and one more. */
static void
echoes(int fd, const char *target, uint32_t n, uint32_t n_flows)
{
    enum { MAX_ROUNDS = 1000 };
    struct load load = { .fd = fd, .n_flows = n_flows };
    pthread_t reader, writer;
    raise_descriptor_limit();
    int *fds = calloc(n, sizeof *fds), epoll = epoll_create1(0);
    double *times = calloc((size_t) n * MAX_ROUNDS, sizeof *times);
    for (uint32_t i = 0; i < n; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
        fds[i] = of_connect(target);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    pthread_create(&reader, NULL, drain, &load);
    pthread_create(&writer, NULL, push, &load);
    size_t total = 0;
    for (bool last = false; !last && total < (size_t) n * MAX_ROUNDS; total += n) {
        last = load.done;
        echo_round(epoll, fds, n, times + total);
    }
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    qsort(times, total, sizeof *times, compare_doubles);
    printf("echoes=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f seconds=%.4f errors=%lu\n", total,
           times[total / 2], times[total * 99 / 100], times[total - 1], load.took, n_errors);
    free(times);
    free(fds);
}

int
main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: of_controllers SOCKET packet-ins SECONDS | stall SECONDS | dump N | "
                "echoes N FLOWS\n");
        return 2;
    }
    int fd = of_connect(argv[1]);
    if (!strcmp(argv[2], "packet-ins")) {
        packet_ins(fd, atof(argv[3]));
    } else if (!strcmp(argv[2], "stall")) {
        stall(fd, atof(argv[3]));
    } else if (!strcmp(argv[2], "dump")) {
        dump(fd, (uint32_t) strtoul(argv[3], NULL, 0));
    } else {
        echoes(fd, argv[1], (uint32_t) strtoul(argv[3], NULL, 0),
               argc > 4 ? (uint32_t) strtoul(argv[4], NULL, 0) : 100000);
    }
    return 0;
}
