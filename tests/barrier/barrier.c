/* SPDX-License-Identifier: Apache-2.0 */
/* Is a barrier the truth?
 *
 * Over and over: change where a flow goes, from one port to another; send a barrier; the
 * moment its reply is there, send a numbered packet of that flow; see by which port it
 * leaves. A packet at the old port means that something still used what the barrier had
 * replaced. Meanwhile packets of the same flow, and of others, keep the switch busy.
 *
 * On purpose this shares no code with the switch: the OpenFlow messages and the frames
 * are written out here.
 *
 * usage: barrier --connect PATH --in NETNS:DEV --a NETNS:DEV --b NETNS:DEV
 *                [--rounds N] [--rate FRAMES/S] [--exact] [--overtakes]
 * With --exact the flow has no wildcards. PATH is a Unix socket on which the switch takes OpenFlow 1.0. Ports 1, 2 and 3 of the
 * switch are the far ends of the devices in, a and b. With --overtakes packets that hardware
 * forwards may go past those that wait for software: a probe that was sent while the flow went
 * nowhere may be taken in rounds later, and go where the flow goes then. Prints TAP. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/barrier/openflow.h"

enum { FRAME_SIZE = 64, PAYLOAD_OFFSET = 42, MAGIC = 0x54626172 };
enum { PROBE_MS = 250 };

static int in_fd, load_fd;    /* into the switch: probes, background */
static int out_fd[2];         /* out of the switch: a, b */
static atomic_bool stop_load;
static atomic_ulong n_load;
static unsigned load_rate = 40000;
static bool overtakes;

/* --- sockets ------------------------------------------------------------------ */

/* Takes only frames with MAGIC where their payload begins. */
static void
keep_probes_only(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PAYLOAD_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAGIC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)) {
        bail_out("SO_ATTACH_FILTER");
    }
}

/* A packet socket on "NETNS:DEV". */
static int
open_device(const char *where, bool receive)
{
    char name[64], path[128];
    const char *device = strchr(where, ':');
    if (!device || (size_t) (device - where) >= sizeof name) {
        errno = EINVAL;
        bail_out("%s", where);
    }
    memcpy(name, where, (size_t) (device - where));
    name[device++ - where] = '\0';
    snprintf(path, sizeof path, "/run/netns/%s", name);
    int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int new = open(path, O_RDONLY | O_CLOEXEC);
    if (old < 0 || new < 0 || setns(new, CLONE_NEWNET)) {
        bail_out("%s", path);
    }
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(receive ? ETH_P_ALL : 0),
        .sll_ifindex = (int) if_nametoindex(device),
    };
    if (fd < 0 || !address.sll_ifindex) {
        bail_out("%s", where);
    }
    if (receive) {
        keep_probes_only(fd);
    }
    if (bind(fd, (struct sockaddr *) &address, sizeof address) || setns(old, CLONE_NEWNET)) {
        bail_out("%s", where);
    }
    close(old);
    close(new);
    return fd;
}

/* --- frames ------------------------------------------------------------------- */

/* A UDP datagram of the flow, to 10.0.0.2; 'other' makes it one of 200 other flows. */
static void
make_frame(uint8_t *p, uint32_t payload, uint32_t number, unsigned other)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, FRAME_SIZE - 14, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        3, 232, 7, 208, 0, FRAME_SIZE - 34, 0, 0,
    };
    memset(p, 0, FRAME_SIZE);
    memcpy(p, head, sizeof head);
    if (other) {
        p[32] = 1;
        p[33] = (uint8_t) other;
    }
    uint32_t sum = 0;
    for (int i = 14; i < 34; i += 2) {
        sum += (uint32_t) p[i] << 8 | p[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    of_put16(p + 24, ~sum & 0xffff);
    of_put32(p + PAYLOAD_OFFSET, payload);
    of_put32(p + PAYLOAD_OFFSET + 4, number);
}

/* The background: bursts of 32 frames, half of them of the flow itself, at 'load_rate'. */
static void *
load(void *arg)
{
    (void) arg;
    enum { BURST = 32 };
    static uint8_t frames[BURST][FRAME_SIZE];
    struct iovec iov[BURST];
    struct mmsghdr messages[BURST] = { 0 };
    for (unsigned i = 0; i < BURST; i++) {
        make_frame(frames[i], 0, 0, i % 2 ? i : 0);
        iov[i] = (struct iovec) { frames[i], FRAME_SIZE };
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t next = time_ns();
    while (!atomic_load(&stop_load)) {
        for (unsigned i = 1; i < BURST; i += 2) {
            make_frame(frames[i], 0, 0, 1 + (unsigned) (atomic_load(&n_load) + i) % 200);
        }
        int n = sendmmsg(load_fd, messages, BURST, 0);
        atomic_fetch_add(&n_load, n > 0 ? (unsigned) n : 0);
        next += (uint64_t) BURST * 1000000000 / load_rate;
        struct timespec until = { (time_t) (next / 1000000000), (long) (next % 1000000000) };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return NULL;
}

/* --- the test ----------------------------------------------------------------- */

struct tally {
    uint32_t round;              /* the first probe of this one */
    uint32_t given_up;           /* the last one that was not waited for any longer */
    unsigned right, wrong, lost, late;
    uint64_t *barrier_ns;
};

/* Takes in what has arrived at a (0) and b (1). Probe n belongs to output n % 2, unless it was given
 * up: taken by the switch in a later round, it goes where the flow goes then. Returns true when probe
 * 'number' was among it. */
static bool
take_arrivals(struct tally *tally, uint32_t number)
{
    bool arrived = false;
    for (unsigned side = 0; side < 2; side++) {
        uint8_t frame[256];
        ssize_t n;
        while ((n = recv(out_fd[side], frame, sizeof frame, MSG_DONTWAIT)) > 0) {
            if (n < PAYLOAD_OFFSET + 8) {
                continue;
            }
            const uint8_t *p = frame + PAYLOAD_OFFSET + 4;
            uint32_t got = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
                           | (uint32_t) p[2] << 8 | p[3];
            if (got % 2 == side) {
                tally->right++;
            } else if (got > tally->given_up && (!overtakes || got >= tally->round)) {
                tally->wrong++;
                printf("# probe %u left by the old port\n", got);
            }
            if (got == number) {
                arrived = true;
            } else {
                tally->late++;
            }
        }
    }
    return arrived;
}

static void
send_probe(uint32_t number)
{
    uint8_t frame[FRAME_SIZE];
    make_frame(frame, MAGIC, number, 0);
    if (send(in_fd, frame, sizeof frame, 0) < 0) {
        bail_out("sending a probe");
    }
}

static void
probe(struct tally *tally, uint32_t number)
{
    send_probe(number);
    uint64_t end = time_ns() + PROBE_MS * 1000000ull;
    while (!take_arrivals(tally, number)) {
        struct pollfd fds[2] = { { out_fd[0], POLLIN, 0 }, { out_fd[1], POLLIN, 0 } };
        uint64_t now = time_ns();
        if (now >= end) {
            tally->lost++;
            tally->given_up = number;
            return;
        }
        poll(fds, 2, (int) ((end - now) / 1000000) + 1);
    }
}

/* The ways to move the flow to 'port'. Each appends its messages. */
static uint8_t *
by_replacing(uint8_t *p, unsigned port)
{
    return of_put_flow_mod(p, OF_ADD, OF_MATCH_FLOW, 100, port);
}

static uint8_t *
by_delete_and_add(uint8_t *p, unsigned port)
{
    p = of_put_flow_mod(p, OF_DELETE_STRICT, OF_MATCH_FLOW, 100, 0);
    return of_put_flow_mod(p, OF_ADD, OF_MATCH_FLOW, 100, port);
}

static uint8_t *
by_modify(uint8_t *p, unsigned port)
{
    return of_put_flow_mod(p, OF_MODIFY, OF_MATCH_FLOW, 100, port);
}

/* A wider rule of higher priority comes (to b) and goes (back to a). */
static uint8_t *
by_overlap(uint8_t *p, unsigned port)
{
    if (port == PORT_B) {
        return of_put_flow_mod(p, OF_ADD, OF_MATCH_WIDER, 200, PORT_B);
    }
    return of_put_flow_mod(p, OF_DELETE_STRICT, OF_MATCH_WIDER, 200, 0);
}

/* The flow goes to both, of which one sends nothing, or is not flooded to. */
static uint8_t *
by_flag(uint8_t *p, unsigned port, uint32_t flag)
{
    p = of_put_port_mod(p, port == PORT_A ? PORT_B : PORT_A, flag, flag);
    return of_put_port_mod(p, port, 0, flag);
}

static uint8_t *
by_no_fwd(uint8_t *p, unsigned port)
{
    return by_flag(p, port, OF_NO_FWD);
}

static uint8_t *
by_no_flood(uint8_t *p, unsigned port)
{
    return by_flag(p, port, OF_NO_FLOOD);
}

/* The ways to make the flow go nowhere. */
static uint8_t *
shut_by_delete(uint8_t *p)
{
    return of_put_flow_mod(p, OF_DELETE, OF_MATCH_FLOW, 0, 0);
}

static uint8_t *
shut_by_no_recv(uint8_t *p)
{
    return of_put_port_mod(p, PORT_IN, OF_NO_RECV, OF_NO_RECV);
}

static uint8_t *
shut_by_no_fwd(uint8_t *p)
{
    return of_put_port_mod(p, PORT_A, OF_NO_FWD, OF_NO_FWD);
}

static uint8_t *
shut_by_port_down(uint8_t *p)
{
    return of_put_port_mod(p, PORT_A, OF_PORT_DOWN, OF_PORT_DOWN);
}

static int
compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

static const struct way {
    const char *name;
    uint8_t *(*change)(uint8_t *, unsigned);
    uint8_t *(*shut)(uint8_t *);    /* instead: the flow goes nowhere */
    unsigned port;           /* to which the flow goes at first */
    unsigned slower;         /* so many times fewer rounds */
} ways[] = {
    { "an ADD that replaces", by_replacing, NULL, PORT_A, 1 },
    { "DELETE_STRICT and ADD", by_delete_and_add, NULL, PORT_A, 1 },
    { "MODIFY", by_modify, NULL, PORT_A, 1 },
    { "an overlapping rule above", by_overlap, NULL, PORT_A, 1 },
    { "NO_FWD of a port that ALL sends to", by_no_fwd, NULL, PORT_ALL, 1 },
    { "NO_FLOOD of a port that FLOOD sends to", by_no_flood, NULL, PORT_FLOOD, 1 },
    { "DELETE", NULL, shut_by_delete, PORT_A, 1 },
    { "NO_RECV of the port that it comes in by", NULL, shut_by_no_recv, PORT_A, 1 },
    { "NO_FWD of the port that it goes to", NULL, shut_by_no_fwd, PORT_A, 1 },
    { "PORT_DOWN of the port that it goes to", NULL, shut_by_port_down, PORT_A, 50 },
};
enum { N_WAYS = sizeof ways / sizeof ways[0] };

/* Both ports without flags, and the flow where the way has it first. */
static void
begin_way(const struct way *way)
{
    uint8_t buffer[512];
    uint8_t *end = of_put_flow_mod(buffer, OF_DELETE, OF_MATCH_ALL, 0, 0);
    end = of_put_port_mod(end, PORT_A, 0, OF_NO_FWD | OF_NO_FLOOD);
    end = of_put_port_mod(end, PORT_B, 0, OF_NO_FWD | OF_NO_FLOOD);
    end = of_put_port_mod(end, PORT_IN, 0, OF_NO_RECV);
    end = of_put_flow_mod(end, OF_ADD, OF_MATCH_ALL, 1, 0);
    end = of_put_flow_mod(end, OF_ADD, OF_MATCH_FLOW, 100, way->port);
    of_send_with_barrier(buffer, end);
}

/* From a to b, or the other way. Returns how long change and barrier took. */
static uint64_t
run_move(const struct way *way, struct tally *tally, uint32_t number)
{
    uint8_t buffer[512];
    uint64_t sent = time_ns();
    of_send_with_barrier(buffer, way->change(buffer, number % 2 ? PORT_B : PORT_A));
    uint64_t took = time_ns() - sent;
    probe(tally, number);
    return took;
}

/* To a, then nowhere, then to b: the probe in between (its number is odd) must not leave by a.
 * It may leave by b, if the switch takes it in so late. */
static uint64_t
run_shut(const struct way *way, struct tally *tally, uint32_t number)
{
    uint8_t buffer[512];
    of_send_with_barrier(buffer, of_put_flow_mod(buffer, OF_ADD, OF_MATCH_FLOW, 100, PORT_A));
    uint64_t sent = time_ns();
    of_send_with_barrier(buffer, way->shut(buffer));
    uint64_t took = time_ns() - sent;
    send_probe(number);
    of_send_with_barrier(buffer, of_put_flow_mod(buffer, OF_ADD, OF_MATCH_FLOW, 100, PORT_B));
    uint8_t *end = of_put_port_mod(buffer, PORT_IN, 0, OF_NO_RECV);
    of_send_with_barrier(buffer, of_put_port_mod(end, PORT_A, 0, OF_NO_FWD | OF_PORT_DOWN));
    probe(tally, number + 2);
    return took;
}

/* Runs 'rounds' of one way; returns true if no probe was wrong and most arrived. */
static bool
run_way(const struct way *way, unsigned rounds, unsigned index)
{
    static uint32_t number;
    rounds = rounds / way->slower > 10 ? rounds / way->slower : 10;
    struct tally tally = { .barrier_ns = calloc(rounds, sizeof(uint64_t)) };
    unsigned long load_before = atomic_load(&n_load);
    uint64_t begin = time_ns();

    begin_way(way);
    number += number % 2;  /* an even number came before: the flow goes to a */
    for (unsigned i = 0; i < rounds; i++) {
        tally.round = ++number;
        tally.barrier_ns[i] = way->shut ? run_shut(way, &tally, number) : run_move(way, &tally, number);
        number += way->shut ? 3 : 0;
    }
    double seconds = (double) (time_ns() - begin) / 1e9;
    qsort(tally.barrier_ns, rounds, sizeof(uint64_t), compare_times);
    bool ok = tally.wrong == 0 && tally.lost <= rounds / 20;
    printf("%s %u - %s: %u rounds, %u wrong\n", ok ? "ok" : "not ok", index, way->name,
           rounds, tally.wrong);
    printf("# right %u, wrong %u, lost %u, late %u; background %.0f frames/s; %.1f s\n", tally.right,
           tally.wrong, tally.lost, tally.late,
           (double) (atomic_load(&n_load) - load_before) / seconds, seconds);
    printf("# change and barrier: p50 %.1f us, p99 %.1f us, max %.1f us\n",
           (double) tally.barrier_ns[rounds / 2] / 1e3,
           (double) tally.barrier_ns[rounds * 99ull / 100] / 1e3,
           (double) tally.barrier_ns[rounds - 1] / 1e3);
    free(tally.barrier_ns);
    fflush(stdout);
    return ok;
}

static void
open_all(const char *path, const char *in, const char *a, const char *b)
{
    of_connect(path);
    in_fd = open_device(in, false);
    load_fd = open_device(in, false);
    out_fd[0] = open_device(a, true);
    out_fd[1] = open_device(b, true);
}

int
main(int argc, char *argv[])
{
    static const struct option options[] = {
        { "connect", required_argument, NULL, 'c' }, { "in", required_argument, NULL, 'i' },
        { "a", required_argument, NULL, 'a' },       { "b", required_argument, NULL, 'b' },
        { "rounds", required_argument, NULL, 'n' },  { "rate", required_argument, NULL, 'r' },
        { "exact", no_argument, NULL, 'e' },         { "overtakes", no_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    const char *path = NULL, *in = NULL, *a = NULL, *b = NULL;
    unsigned rounds = 10000;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c': path = optarg; break;
        case 'i': in = optarg; break;
        case 'a': a = optarg; break;
        case 'b': b = optarg; break;
        case 'n': rounds = (unsigned) strtoul(optarg, NULL, 10); break;
        case 'e': of_exact_flow = true; break;
        case 'o': overtakes = true; break;
        case 'r': load_rate = (unsigned) strtoul(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (!path || !in || !a || !b || !rounds || !load_rate) {
        fprintf(stderr, "usage: barrier --connect PATH --in NETNS:DEV --a NETNS:DEV"
                        " --b NETNS:DEV [--rounds N] [--rate FRAMES/S] [--exact] [--overtakes]\n");
        return 2;
    }
    open_all(path, in, a, b);
    /* A flow without wildcards is above all others: no rule overlaps it. */
    printf("1..%d\n", of_exact_flow ? N_WAYS - 1 : N_WAYS);
    pthread_t thread;
    if (pthread_create(&thread, NULL, load, NULL)) {
        bail_out("pthread_create");
    }
    bool ok = true;
    for (unsigned i = 0, n = 0; i < N_WAYS; i++) {
        if (!of_exact_flow || ways[i].change != by_overlap) {
            ok &= run_way(&ways[i], rounds, ++n);
        }
    }
    atomic_store(&stop_load, true);
    pthread_join(thread, NULL);
    return ok ? 0 : 1;
}
