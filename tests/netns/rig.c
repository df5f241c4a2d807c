/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>    /* _GNU_SOURCE, for setns() */

#include "tests/netns/rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int namespaces[3] = { -1, -1, -1 };

uint64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

void
enter(enum place place)
{
    assert_int_equal(setns(namespaces[place], CLONE_NEWNET), 0);
}

static void
command(char *out, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(out, size, format, args);
    assert_in_range(n, 1, size - 1);
}

int
run_status(enum place place, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    command(line, sizeof line, format, args);
    va_end(args);
    enter(place);
    int status = system(line);
    enter(AT_S);
    if (status) {
        print_message("# `%s` ended with %d\n", line, WEXITSTATUS(status));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool
output_has(enum place place, const char *text, const char *format, ...)
{
    char line[1024], output[16384];
    va_list args;
    va_start(args, format);
    command(line, sizeof line, format, args);
    va_end(args);
    enter(place);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t n = fread(output, 1, sizeof output - 1, pipe);
    pclose(pipe);
    enter(AT_S);
    output[n] = '\0';
    return strstr(output, text);
}

static void
make_namespace(enum place place)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    namespaces[place] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(namespaces[place] >= 0);
}

static void
make_cable(enum place place, const char *port, char last, int net)
{
    run(AT_S, "ip link add %s type veth peer name e0 netns /proc/%d/fd/%d", port, (int) getpid(),
        namespaces[place]);
    run(AT_S, "ip link set %s up", port);
    /* Nobody but the tests talks. */
    run(place, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && "
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    run(place, "ip link set lo up && ip link set e0 address 02:00:00:00:00:0%c && "
        "ip addr add 10.9.0.%d/24 dev e0 && ip link set e0 up", last, net);
}

int
rig_set_up(void **state)
{
    (void) state;
    make_namespace(AT_A);
    make_namespace(AT_B);
    make_namespace(AT_S);
    run(AT_S, "ip link set lo up");
    make_cable(AT_A, "p1", 'a', 1);
    make_cable(AT_B, "p2", 'b', 2);
    return 0;
}

int
rig_tear_down(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        close(namespaces[i]);
        namespaces[i] = -1;
    }
    return 0;
}

int
rig_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    if (unshare(CLONE_NEWNET)) {
        printf("1..0 # SKIP %s needs to be root\n", name);
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int
raw_socket(enum place place, const char *device, bool vnet)
{
    enter(place);
    int on = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int) if_nametoindex(device),
    };
    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0);
    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on), 0);
    if (vnet) {
        assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
    }
    assert_int_equal(bind(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    enter(AT_S);
    return fd;
}

void
make_frame(uint8_t *frame, uint32_t size, uint8_t seed)
{
    static const uint8_t header[] = { 2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5 };
    memcpy(frame, header, sizeof header);
    for (uint32_t i = sizeof header; i < size; i++) {
        frame[i] = (uint8_t) (seed + i * 7 + (i >> 8));
    }
}

void
send_frame(int fd, const void *frame, uint32_t size)
{
    assert_int_equal(send(fd, frame, size, 0), size);
}

struct pktio *
open_port(enum pktio_kind kind, const char *name)
{
    struct errmsg err = { "" };
    struct pktio *io = NULL;
    if (pktio_open(kind, name, &io, &err)) {
        fail_msg("%s", err.text);
    }
    return io;
}

static void
wait_readable(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
}

struct packet
receive_packet(struct pktio *io)
{
    struct packet packet = { 0 };
    uint64_t end = now_ms() + DEADLINE_MS;
    while (!pktio_rx(io, &packet, 1)) {
        assert_true(now_ms() < end);
        wait_readable(pktio_fd(io));
    }
    return packet;
}

uint32_t
receive_frame(int fd, void *buffer, uint32_t capacity)
{
    wait_readable(fd);
    ssize_t n = recv(fd, buffer, capacity, 0);
    assert_true(n >= 0);
    return (uint32_t) n;
}

void
wire_open(struct wire *wire, enum pktio_kind first_kind, const char *first,
          enum pktio_kind second_kind, const char *second)
{
    *wire = (struct wire) { { NULL } };
    wire->port[0] = open_port(first_kind, first);
    wire->port[1] = open_port(second_kind, second);
    wire->tx = pktio_tx_new(NULL);
    assert_non_null(wire->tx);
}

void
wire_close(struct wire *wire)
{
    pktio_tx_free(wire->tx);
    pktio_close(wire->port[0]);
    pktio_close(wire->port[1]);
}

unsigned
wire_run(struct wire *wire)
{
    unsigned total = 0;
    for (int i = 0; i < 2; i++) {
        struct packet packets[PACKET_BATCH_MAX];
        unsigned n = pktio_rx(wire->port[i], packets, PACKET_BATCH_MAX);
        for (unsigned j = 0; j < n; j++) {
            wire->n_super += packets[j].offload.gso_type != 0;
            wire->n_tagged += packets[j].data[12] == 0x81 && packets[j].data[13] == 0;
            pktio_tx(wire->tx, wire->port[!i], &packets[j], false);
        }
        pktio_tx_flush(wire->tx);
        pktio_rx_release(wire->port[i]);
        total += n;
    }
    wire->n_frames += total;
    return total;
}
