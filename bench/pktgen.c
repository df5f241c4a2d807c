/* SPDX-License-Identifier: Apache-2.0 */
/* Load generator: makes frames arrive at a device as if its wire had delivered them.
 *
 * Uses the kernel's live-frame test runs (BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES, linux/bpf.h): a two-counter XDP program gives each frame
 * the addresses and port of the next flow and passes it to the stack of DEVICE, so that
 * packet sockets, tc and bridges there see it. Nothing leaves the machine. Run it in the
 * switch's network namespace, pinned to a CPU of its own.
 *
 * usage: pktgen DEVICE FLOWS FRAMES SECONDS [RANDOM-SEED]
 * Sends FRAMES frames of 60 bytes (0: until SECONDS are over), one flow after the other;
 * prints "sent N in S s".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_SIZE = 60, FRAMES_A_CALL = 262144, BATCH = 64 };

/* Offsets in the frame: Ethernet, IPv4 without options, UDP. */
enum { IP_SRC = 26, IP_DST = 30, UDP_SRC = 34 };

static int
bpf_call(int command, union bpf_attr *attr)
{
    return (int) syscall(SYS_bpf, command, attr, sizeof *attr);
}

static double
seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

#define INSN(CODE, DST, SRC, OFF, IMM) \
    (struct bpf_insn) { .code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (IMM) }

/* r0 = map_lookup(map, &0); n = *r0; *r0 = (n + 1) % flows; then the low 16 bits of n go
 * into the source address and, negated, into the UDP source port's and the destination
 * address's place such that the IP header's checksum stays right; bits above 16 go into
 * the second byte of the source address and, negated, of the destination address. */
static int
load_program(int map_fd, uint32_t flows)
{
    struct bpf_insn code[] = {
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
        INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
        INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 2, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_DROP),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        /* r7 = n; *r0 = n + 1 == flows ? 0 : n + 1 */
        INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_7, BPF_REG_0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_7, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, 1),
        INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 1, (int32_t) flows),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0),
        INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_0, BPF_REG_3, 0, 0),
        /* r1 = data, r2 = data_end; 60 bytes there? */
        INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_6, 0, 0),
        INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_6, 4, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_1, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, FRAME_SIZE),
        INSN(BPF_JMP | BPF_JLE | BPF_X, BPF_REG_3, BPF_REG_2, 2, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_DROP),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        /* source address, low half: n; destination address, low half: ~n */
        INSN(BPF_STX | BPF_MEM | BPF_H, BPF_REG_1, BPF_REG_7, IP_SRC + 2, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_7, 0, 0),
        INSN(BPF_ALU64 | BPF_XOR | BPF_K, BPF_REG_3, 0, 0, -1),
        INSN(BPF_STX | BPF_MEM | BPF_H, BPF_REG_1, BPF_REG_3, IP_DST + 2, 0),
        /* high half: n >> 16 in the source's second byte, its complement in the other's */
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_7, 0, 0),
        INSN(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16),
        INSN(BPF_STX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_3, IP_SRC + 1, 0),
        INSN(BPF_ALU64 | BPF_XOR | BPF_K, BPF_REG_3, 0, 0, -1),
        INSN(BPF_STX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_3, IP_DST + 1, 0),
        INSN(BPF_STX | BPF_MEM | BPF_H, BPF_REG_1, BPF_REG_7, UDP_SRC, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    static char verifier_log[16384];
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_XDP,
        .insns = (uintptr_t) code,
        .insn_cnt = sizeof code / sizeof code[0],
        .license = (uintptr_t) "Apache-2.0",
        .log_buf = (uintptr_t) verifier_log,
        .log_size = sizeof verifier_log,
        .log_level = 1,
    };
    int fd = bpf_call(BPF_PROG_LOAD, &attr);
    if (fd < 0) {
        fprintf(stderr, "pktgen: the kernel refuses the program: %s\n%s", strerror(errno),
                verifier_log);
    }
    return fd;
}

static int
make_counter(void)
{
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1,
    };
    return bpf_call(BPF_MAP_CREATE, &attr);
}

static void
make_frame(uint8_t *frame)
{
    static const uint8_t headers[] = {
        0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x0a, 0x08, 0x00,
        0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 0, 11, 0xff, 0xff, 0xff,
        0, 0, 0x13, 0x88, 0, 26, 0, 0,
    };
    memset(frame, 0, FRAME_SIZE);
    memcpy(frame, headers, sizeof headers);
    uint32_t sum = 0;
    for (int i = 14; i < 34; i += 2) {
        sum += (uint32_t) (frame[i] << 8 | frame[i + 1]);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame[24] = (uint8_t) (sum >> 8);
    frame[25] = (uint8_t) sum;
}

static int
run(int prog_fd, unsigned ifindex, uint32_t n)
{
    uint8_t frame[FRAME_SIZE];
    make_frame(frame);
    struct xdp_md context = { .data_end = FRAME_SIZE, .ingress_ifindex = ifindex };
    union bpf_attr attr = {
        .test = {
            .prog_fd = (uint32_t) prog_fd,
            .data_in = (uintptr_t) frame,
            .data_size_in = sizeof frame,
            .ctx_in = (uintptr_t) &context,
            .ctx_size_in = sizeof context,
            .repeat = n,
            .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
            .batch_size = BATCH,
        },
    };
    return bpf_call(BPF_PROG_TEST_RUN, &attr);
}

int
main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: pktgen DEVICE FLOWS FRAMES SECONDS\n");
        return 2;
    }
    unsigned ifindex = if_nametoindex(argv[1]);
    uint32_t flows = (uint32_t) strtoul(argv[2], NULL, 0);
    uint64_t frames = strtoull(argv[3], NULL, 0);
    double limit = strtod(argv[4], NULL);
    if (!ifindex || !flows || flows > 1 << 24) {
        fprintf(stderr, "pktgen: %s: no such device, or flows not in 1 to 16777216\n", argv[1]);
        return 2;
    }
    int map_fd = make_counter();
    int prog_fd = map_fd < 0 ? -1 : load_program(map_fd, flows);
    if (prog_fd < 0) {
        return 1;
    }
    uint64_t sent = 0;
    double start = seconds(), now = start;
    while ((!frames || sent < frames) && now - start < limit) {
        uint32_t n = FRAMES_A_CALL;
        if (frames && frames - sent < n) {
            n = (uint32_t) (frames - sent);
        }
        if (run(prog_fd, ifindex, n)) {
            fprintf(stderr, "pktgen: test run: %s\n", strerror(errno));
            return 1;
        }
        sent += n;
        now = seconds();
    }
    printf("sent %llu in %.3f s\n", (unsigned long long) sent, now - start);
    return 0;
}
