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
 *                [--rounds N] [--rate FRAMES/S]
 * PATH is a Unix socket on which the switch takes OpenFlow 1.0. Ports 1, 2 and 3 of the
 * switch are the far ends of the devices in, a and b. Prints TAP. */
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
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_SIZE = 64, PAYLOAD_OFFSET = 42, MAGIC = 0x54626172 };
enum { PORT_IN = 1, PORT_A = 2, PORT_B = 3 };
enum { OF_ADD, OF_MODIFY, OF_MODIFY_STRICT, OF_DELETE, OF_DELETE_STRICT };
enum { REPLY_SECONDS = 30, PROBE_MS = 250, SPIN_NS = 50000 };

static int of_fd;             /* OpenFlow */
static int in_fd, load_fd;    /* into the switch: probes, background */
static int out_fd[2];         /* out of the switch: a, b */
static uint32_t last_xid;
static atomic_bool stop_load;
static atomic_ulong n_load;
static unsigned load_rate = 40000;

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("Bail out! ");
    vprintf(format, args);
    printf(": %s\n", strerror(errno));
    va_end(args);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

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
        die("SO_ATTACH_FILTER");
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
        die("%s", where);
    }
    memcpy(name, where, (size_t) (device - where));
    name[device++ - where] = '\0';
    snprintf(path, sizeof path, "/run/netns/%s", name);
    int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int new = open(path, O_RDONLY | O_CLOEXEC);
    if (old < 0 || new < 0 || setns(new, CLONE_NEWNET)) {
        die("%s", path);
    }
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(receive ? ETH_P_ALL : 0),
        .sll_ifindex = (int) if_nametoindex(device),
    };
    if (fd < 0 || !address.sll_ifindex) {
        die("%s", where);
    }
    if (receive) {
        keep_probes_only(fd);
    }
    if (bind(fd, (struct sockaddr *) &address, sizeof address) || setns(old, CLONE_NEWNET)) {
        die("%s", where);
    }
    close(old);
    close(new);
    return fd;
}

static void
connect_to_switch(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    of_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(of_fd, (struct sockaddr *) &address, sizeof address)) {
        die("%s", path);
    }
}

/* --- OpenFlow 1.0, as far as it is needed here ---------------------------------- */

static uint8_t *
put16(uint8_t *p, unsigned x)
{
    p[0] = (uint8_t) (x >> 8);
    p[1] = (uint8_t) x;
    return p + 2;
}

static uint8_t *
put32(uint8_t *p, uint32_t x)
{
    return put16(put16(p, x >> 16), x & 0xffff);
}

static uint8_t *
put_header(uint8_t *p, unsigned type, unsigned size)
{
    *p++ = 1;
    *p++ = (uint8_t) type;
    return put32(put16(p, size), ++last_xid);
}

static void
send_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = send(of_fd, data, size, MSG_NOSIGNAL);
        if (n < 0) {
            die("sending to the switch");
        }
        data += n;
        size -= (size_t) n;
    }
}

/* What the rule of the flow matches. */
enum match {
    MATCH_ALL,    /* everything */
    MATCH_FLOW,   /* in_port, IPv4, UDP, destination */
    MATCH_WIDER,  /* in_port, IPv4: overlaps MATCH_FLOW */
};

static uint8_t *
put_match(uint8_t *p, enum match match)
{
    uint32_t wildcards = match == MATCH_ALL    ? 0x3fffff
                         : match == MATCH_FLOW ? 0x3fffff & ~(1u | 1u << 4 | 1u << 5 | 63u << 14)
                                               : 0x3fffff & ~(1u | 1u << 4);
    bool flow = match == MATCH_FLOW;
    memset(p, 0, 40);
    put32(p, wildcards);
    put16(p + 4, match == MATCH_ALL ? 0 : PORT_IN);
    put16(p + 22, match == MATCH_ALL ? 0 : ETHERTYPE_IP);
    p[25] = flow ? IPPROTO_UDP : 0;
    put32(p + 32, flow ? 0x0a000002 : 0);
    return p + 40;
}

/* Appends a FLOW_MOD; 'port' 0 means no action. */
static uint8_t *
put_flow_mod(uint8_t *p, unsigned command, enum match match, unsigned priority, unsigned port)
{
    p = put_header(p, 14, port ? 80 : 72);
    p = put_match(p, match);
    memset(p, 0, 8);           /* cookie */
    p = put16(p + 8, command);
    p = put32(p, 0);           /* no time-outs */
    p = put16(p, priority);
    p = put32(p, 0xffffffff);  /* no buffer */
    p = put16(p, 0xffff);      /* any out_port */
    p = put16(p, 0);
    if (port) {
        p = put16(put16(put16(put16(p, 0), 8), port), 0);
    }
    return p;
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
            die("reading from the switch");
        }
        data += n;
        size -= (size_t) n;
    }
}

/* Reads messages until the reply to barrier 'xid' is there; looks hard for a moment, so
 * that the probe leaves at once. */
static void
wait_for_barrier(uint32_t xid)
{
    static uint8_t body[65536];
    uint64_t spin_until = now_ns() + SPIN_NS;
    for (;;) {
        uint8_t header[8];
        while (recv(of_fd, header, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
            if (now_ns() > spin_until && !wait_readable(of_fd, REPLY_SECONDS * 1000)) {
                errno = ETIMEDOUT;
                die("no reply to barrier %u", xid);
            }
        }
        read_exactly(header, sizeof header);
        size_t size = (size_t) header[2] << 8 | header[3];
        read_exactly(body, size - sizeof header);
        uint32_t reply = (uint32_t) header[4] << 24 | (uint32_t) header[5] << 16
                         | (uint32_t) header[6] << 8 | header[7];
        if (header[1] == 1) {
            errno = EPROTO;
            die("the switch answered with error %u/%u", body[1], body[3]);
        }
        if (header[1] == 2) {  /* its probe of us */
            header[1] = 3;
            send_all(header, sizeof header);
            send_all(body, size - sizeof header);
        }
        if (header[1] == 19 && reply == xid) {
            return;
        }
    }
}

/* Sends what is in 'data' up to 'end' with a barrier behind it, and waits for the reply. */
static void
send_with_barrier(uint8_t *data, uint8_t *end)
{
    end = put_header(end, 18, 8);
    send_all(data, (size_t) (end - data));
    wait_for_barrier(last_xid);
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
    put16(p + 24, ~sum & 0xffff);
    put32(p + PAYLOAD_OFFSET, payload);
    put32(p + PAYLOAD_OFFSET + 4, number);
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
    uint64_t next = now_ns();
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
    unsigned right, wrong, lost, late;
    uint64_t *barrier_ns;
};

/* Takes in what has arrived at a (0) and b (1). Probe n belongs to output n % 2. Returns
 * true when probe 'number' was among it. */
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
            } else {
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
probe(struct tally *tally, uint32_t number)
{
    uint8_t frame[FRAME_SIZE];
    make_frame(frame, MAGIC, number, 0);
    if (send(in_fd, frame, sizeof frame, 0) < 0) {
        die("sending a probe");
    }
    uint64_t end = now_ns() + PROBE_MS * 1000000ull;
    while (!take_arrivals(tally, number)) {
        struct pollfd fds[2] = { { out_fd[0], POLLIN, 0 }, { out_fd[1], POLLIN, 0 } };
        uint64_t now = now_ns();
        if (now >= end) {
            tally->lost++;
            return;
        }
        poll(fds, 2, (int) ((end - now) / 1000000) + 1);
    }
}

/* The ways to move the flow to 'port'. Each appends its messages. */
static uint8_t *
by_replacing(uint8_t *p, unsigned port)
{
    return put_flow_mod(p, OF_ADD, MATCH_FLOW, 100, port);
}

static uint8_t *
by_delete_and_add(uint8_t *p, unsigned port)
{
    p = put_flow_mod(p, OF_DELETE_STRICT, MATCH_FLOW, 100, 0);
    return put_flow_mod(p, OF_ADD, MATCH_FLOW, 100, port);
}

static uint8_t *
by_modify(uint8_t *p, unsigned port)
{
    return put_flow_mod(p, OF_MODIFY, MATCH_FLOW, 100, port);
}

/* A wider rule of higher priority comes (to b) and goes (back to a). */
static uint8_t *
by_overlap(uint8_t *p, unsigned port)
{
    if (port == PORT_B) {
        return put_flow_mod(p, OF_ADD, MATCH_WIDER, 200, PORT_B);
    }
    return put_flow_mod(p, OF_DELETE_STRICT, MATCH_WIDER, 200, 0);
}

static int
compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

/* Runs 'rounds' of one way; returns true if no probe was wrong and most arrived. */
static bool
run_way(const char *name, uint8_t *(*change)(uint8_t *, unsigned), unsigned rounds, unsigned index)
{
    static uint32_t number;
    uint8_t buffer[512];
    struct tally tally = { .barrier_ns = calloc(rounds, sizeof(uint64_t)) };
    unsigned long load_before = atomic_load(&n_load);
    uint64_t begin = now_ns();

    uint8_t *end = put_flow_mod(buffer, OF_DELETE, MATCH_ALL, 0, 0);
    end = put_flow_mod(end, OF_ADD, MATCH_ALL, 1, 0);
    end = put_flow_mod(end, OF_ADD, MATCH_FLOW, 100, PORT_A);
    send_with_barrier(buffer, end);
    number += number % 2;  /* an even number came before: the flow goes to a */
    for (unsigned i = 0; i < rounds; i++) {
        number++;
        uint64_t sent = now_ns();
        send_with_barrier(buffer, change(buffer, number % 2 ? PORT_B : PORT_A));
        tally.barrier_ns[i] = now_ns() - sent;
        probe(&tally, number);
    }
    double seconds = (double) (now_ns() - begin) / 1e9;
    qsort(tally.barrier_ns, rounds, sizeof(uint64_t), compare_times);
    bool ok = tally.wrong == 0 && tally.lost <= rounds / 20;
    printf("%s %u - %s: %u rounds, %u wrong\n", ok ? "ok" : "not ok", index, name, rounds,
           tally.wrong);
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

static const struct way {
    const char *name;
    uint8_t *(*change)(uint8_t *, unsigned);
} ways[] = {
    { "an ADD that replaces", by_replacing },
    { "DELETE_STRICT and ADD", by_delete_and_add },
    { "MODIFY", by_modify },
    { "an overlapping rule above", by_overlap },
};
enum { N_WAYS = sizeof ways / sizeof ways[0] };

static void
open_all(const char *path, const char *in, const char *a, const char *b)
{
    connect_to_switch(path);
    in_fd = open_device(in, false);
    load_fd = open_device(in, false);
    out_fd[0] = open_device(a, true);
    out_fd[1] = open_device(b, true);
    uint8_t hello[64];
    send_with_barrier(hello, put_header(hello, 0, 8));
}

int
main(int argc, char *argv[])
{
    static const struct option options[] = {
        { "connect", required_argument, NULL, 'c' }, { "in", required_argument, NULL, 'i' },
        { "a", required_argument, NULL, 'a' },       { "b", required_argument, NULL, 'b' },
        { "rounds", required_argument, NULL, 'n' },  { "rate", required_argument, NULL, 'r' },
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
        case 'r': load_rate = (unsigned) strtoul(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (!path || !in || !a || !b || !rounds || !load_rate) {
        fprintf(stderr, "usage: barrier --connect PATH --in NETNS:DEV --a NETNS:DEV"
                        " --b NETNS:DEV [--rounds N] [--rate FRAMES/S]\n");
        return 2;
    }
    open_all(path, in, a, b);
    printf("1..%d\n", N_WAYS);
    pthread_t thread;
    if (pthread_create(&thread, NULL, load, NULL)) {
        die("pthread_create");
    }
    bool ok = true;
    for (unsigned i = 0; i < N_WAYS; i++) {
        ok &= run_way(ways[i].name, ways[i].change, rounds, i + 1);
    }
    atomic_store(&stop_load, true);
    pthread_join(thread, NULL);
    return ok ? 0 : 1;
}
