/* SPDX-License-Identifier: Apache-2.0 */
/* A sender that keeps a rate: frames go out of a device (the host's end of a veth pair) a
 * millisecond's worth at a time, by a packet socket. bench/pktgen is faster and keeps none.
 *
 * usage: pace DEVICE RATE SECONDS steady|syn
 * Sends RATE frames of 60 bytes a second: UDP of one flow, or TCP SYNs of a new flow each, whose
 * addresses and ports do not repeat; prints "sent N in S s". */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
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

enum { FRAME_SIZE = 60, BATCH = 64, TICK_NS = 1000000 };

/* Offsets in the frame: Ethernet, IPv4 without options. */
enum { SUM_AT = 24, SRC_AT = 26, L4_AT = 34 };

static uint64_t
nanoseconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static void
put_checksum(uint8_t *frame)
{
    uint32_t sum = 0;
    frame[SUM_AT] = frame[SUM_AT + 1] = 0;
    for (int i = 14; i < L4_AT; i += 2) {
        sum += (uint32_t) (frame[i] << 8 | frame[i + 1]);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame[SUM_AT] = (uint8_t) (sum >> 8);
    frame[SUM_AT + 1] = (uint8_t) sum;
}

/* Frame number n: of a flow of its own if 'syn'. The number is spread over source address and
 * port. */
static void
make_frame(uint8_t frame[FRAME_SIZE], bool syn, uint32_t n)
{
    static const uint8_t headers[] = {
        0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x0a, 0x08, 0x00,
        0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 172, 16, 0, 0, 10, 9, 0, 2,
        0x13, 0x88, 0x13, 0x88, 0, 26, 0, 0,
    };
    static const uint8_t tcp[] = { 0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 4, 0 };
    memset(frame, 0, FRAME_SIZE);
    memcpy(frame, headers, sizeof headers);
    if (syn) {
        frame[23] = 6;
        memcpy(frame + L4_AT, tcp, sizeof tcp);
        frame[SRC_AT + 1] = (uint8_t) (16 | (n >> 28));
        frame[SRC_AT + 2] = (uint8_t) (n >> 20);
        frame[SRC_AT + 3] = (uint8_t) (n >> 12);
        frame[L4_AT] = (uint8_t) (0x40 | (n >> 8 & 0x0f));
        frame[L4_AT + 1] = (uint8_t) n;
    }
    put_checksum(frame);
}

/* Sends frames first .. first + n - 1. False, with a message, if it can't. */
static bool
send_frames(int fd, bool syn, uint32_t first, unsigned n)
{
    static uint8_t frames[BATCH][FRAME_SIZE];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    for (unsigned i = 0; i < n; i++) {
        make_frame(frames[i], syn, first + i);
        vectors[i] = (struct iovec) { frames[i], FRAME_SIZE };
        messages[i].msg_hdr = (struct msghdr) { .msg_iov = &vectors[i], .msg_iovlen = 1 };
    }
    for (unsigned sent = 0; sent < n;) {
        int result = sendmmsg(fd, messages + sent, n - sent, 0);
        if (result < 0 && errno != ENOBUFS && errno != EINTR) {
            fprintf(stderr, "pace: send: %s\n", strerror(errno));
            return false;
        }
        sent += result > 0 ? (unsigned) result : 0;
    }
    return true;
}

/* Sends until the time is over; returns how many, 0 if it can't. */
static uint64_t
run(int fd, bool syn, uint64_t rate, uint64_t limit_ns)
{
    uint64_t start = nanoseconds(), now = start, sent = 0;
    while (now - start < limit_ns) {
        uint64_t due = (now - start) * rate / 1000000000;
        while (sent < due) {
            unsigned n = due - sent < BATCH ? (unsigned) (due - sent) : BATCH;
            if (!send_frames(fd, syn, (uint32_t) sent, n)) {
                return 0;
            }
            sent += n;
        }
        struct timespec tick = { .tv_nsec = TICK_NS };
        nanosleep(&tick, NULL);
        now = nanoseconds();
    }
    printf("sent %llu in %.3f s\n", (unsigned long long) sent, (double) (now - start) / 1e9);
    return sent;
}

int
main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[4], "syn") && strcmp(argv[4], "steady"))) {
        fprintf(stderr, "usage: pace DEVICE RATE SECONDS steady|syn\n");
        return 2;
    }
    uint64_t rate = strtoull(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_ifindex = (int) if_nametoindex(argv[1]),
    };
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (!address.sll_ifindex || fd < 0
        || bind(fd, (struct sockaddr *) &address, sizeof address)) {
        fprintf(stderr, "pace: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    uint64_t sent = run(fd, !strcmp(argv[4], "syn"), rate, (uint64_t) (seconds * 1e9));
    close(fd);
    return sent ? 0 : 1;
}
