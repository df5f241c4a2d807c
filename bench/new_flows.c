/* SPDX-License-Identifier: Apache-2.0 */
/* New flows, and how soon they are in hardware: frames of many UDP flows go into a device, and the
 * simulated chip says what rules it has. In the virtual machine; bench/in_vm.py starts it.
 *
 * usage: new_flows DEVICE rate N FRAMES/S
 *        new_flows DEVICE delay N
 * Flow i is from 10.1.x.y, where x.y is i. "rate" sends frames of N flows in turn until the table has
 * N rules more, 60 s at most, and prints "rules R in S s, sent F, mean M ms": how long a flow waited on average
 * from its first frame on until it was in hardware (those that wait, summed over time, by flow). "delay" sends one frame of a flow after
 * another, each once the one before is in hardware, and prints "in_hardware H of N p50 U p90 U p99 U max U":
 * microseconds from a frame's send() until the chip had its rule, by the chip's own clock. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_SIZE = 60, LIMIT_S = 60, GIVE_UP_MS = 3000, BATCH = 16, LOOK_NS = 2000000 };

/* Offsets in the frame: Ethernet, IPv4 without options. */
enum { IP_AT = 14, SUM_AT = 24, SRC_AT = 26, L4_AT = 34 };

static int device_fd, used_fd, inserted_fd;

static void
die(const char *what)
{
    fprintf(stderr, "new_flows: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double
now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
rest(long ns)
{
    struct timespec tick = { .tv_nsec = ns };
    nanosleep(&tick, NULL);
}

/* A parameter of the chip's. */
static int
open_knob(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/module/simnic/parameters/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        die(path);
    }
    return fd;
}

/* Its numbers. */
static void
read_knob(int fd, unsigned long long *first, unsigned long long *second)
{
    char text[64] = "", *end;
    if (pread(fd, text, sizeof text - 1, 0) <= 0) {
        die("the chip");
    }
    *first = strtoull(text, &end, 10);
    *second = strtoull(end, NULL, 10);
}

static long
used(void)
{
    unsigned long long n, none;
    read_knob(used_fd, &n, &none);
    return (long) n;
}

static void
send_frame(unsigned flow)
{
    uint8_t frame[FRAME_SIZE] = {
        0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
        0x45, 0, 0, FRAME_SIZE - IP_AT, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, (uint8_t) (flow >> 8), (uint8_t) flow,
        10, 0, 0, 2, 0, 7, 0, 9, 0, FRAME_SIZE - L4_AT, 0, 0,
    };
    uint32_t sum = 0;
    for (int i = IP_AT; i < L4_AT; i += 2) {
        sum += (uint32_t) (frame[i] << 8 | frame[i + 1]);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame[SUM_AT] = (uint8_t) (sum >> 8);
    frame[SUM_AT + 1] = (uint8_t) sum;
    while (send(device_fd, frame, sizeof frame, 0) < 0) {
        if (errno != ENOBUFS && errno != EINTR && errno != EAGAIN) {
            die("send");
        }
    }
}

static int
run_rate(unsigned n, double rate)
{
    long wanted = used() + (long) n, there = 0;
    double begin = now_s(), now = begin, waited = 0;
    uint64_t sent = 0;
    while ((there = used()) < wanted && now - begin < LIMIT_S) {
        uint64_t due = (uint64_t) ((now - begin) * rate) + BATCH;
        /* After a stall it does not catch up all at once. */
        for (unsigned i = 0; sent < due && i < 16 * BATCH; i++) {
            send_frame((unsigned) (sent++ % n));
        }
        rest(LOOK_NS);
        double since = now, n_seen = sent < n ? (double) sent : n;
        now = now_s();
        waited += (now - since) * (n_seen - (double) (there - wanted + (long) n));
    }
    printf("rules %ld in %.3f s, sent %llu, mean %.1f ms\n", there - wanted + (long) n, now - begin,
           (unsigned long long) sent, waited / n * 1000);
    return there < wanted;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static int
run_delay(unsigned n)
{
    double *took = calloc(n, sizeof *took);
    unsigned done = 0;
    for (unsigned i = 0; took && i < n; i++) {
        unsigned long long before, now, at_ns;
        read_knob(inserted_fd, &before, &at_ns);
        double begin = now_s();
        send_frame(i);
        do {
            rest(10 * LOOK_NS);      /* seldom, so that who is measured has the machine */
            read_knob(inserted_fd, &now, &at_ns);
        } while (now == before && now_s() - begin < GIVE_UP_MS / 1e3);
        took[done] = (double) at_ns / 1e9 - begin;
        done += now != before;
    }
    if (!done) {
        fprintf(stderr, "new_flows: none came into hardware\n");
        return 1;
    }
    qsort(took, done, sizeof *took, compare);
    printf("in_hardware %u of %u p50 %.0f p90 %.0f p99 %.0f max %.0f\n", done, n, took[done / 2] * 1e6,
           took[done * 9 / 10] * 1e6, took[done * 99 / 100] * 1e6, took[done - 1] * 1e6);
    free(took);
    return done < n;
}

int
main(int argc, char **argv)
{
    bool by_rate = argc == 5 && !strcmp(argv[2], "rate");
    if (!by_rate && !(argc == 4 && !strcmp(argv[2], "delay"))) {
        fprintf(stderr, "usage: new_flows DEVICE rate N FRAMES/S | delay N\n");
        return 2;
    }
    unsigned n = (unsigned) strtoul(argv[3], NULL, 10);
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = (int) if_nametoindex(argv[1]) };
    device_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    used_fd = open_knob("used");
    inserted_fd = open_knob("inserted");
    if (!address.sll_ifindex || device_fd < 0 || bind(device_fd, (struct sockaddr *) &address, sizeof address)) {
        die(argv[1]);
    }
    if (!n) {
        fprintf(stderr, "new_flows: N is a number from 1 on\n");
        return 2;
    }
    return by_rate ? run_rate(n, strtod(argv[4], NULL)) : run_delay(n);
}
