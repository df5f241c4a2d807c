/* SPDX-License-Identifier: Apache-2.0 */
/* Ports are kept from the host's stack while open, and given back as they were. */
#include "tests/netns/rig.h"

#include <cap-ng.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/netdev/isolate.h"

static const char IPV6_OF_P1[] = "cat /proc/sys/net/ipv6/conf/p1/disable_ipv6";

/* Who has 10.9.0.100? Tell A. */
static const uint8_t arp_request[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0xa, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
    2, 0, 0, 0, 0, 0xa, 10, 9, 0, 1, 0, 0, 0, 0, 0, 0, 10, 9, 0, 100,
};

static void
send_by(struct pktio *port, const void *frame, uint32_t size)
{
    struct pktio_tx *tx = pktio_tx_new(NULL);
    struct packet packet = { .data = (uint8_t *) (uintptr_t) frame, .size = size };
    pktio_tx(tx, port, &packet, true);
    pktio_tx_flush(tx);
    pktio_tx_free(tx);
}

/* What comes to 'fd' before a frame that is sent now by 'port': the host's stack answers
 * before that, for it handles a frame while the sender still sends it. */
static unsigned
count_before_sentinel(int fd, struct pktio *port)
{
    uint8_t sentinel[77], got[2000];
    make_frame(sentinel, sizeof sentinel, 99);
    send_by(port, sentinel, sizeof sentinel);
    unsigned n = 0;
    while (receive_frame(fd, got, sizeof got) != sizeof sentinel
           || memcmp(got, sentinel, sizeof sentinel)) {
        n++;
    }
    return n;
}

static void
quiet_ipv6(void)
{
    run(AT_S, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
}

static void
the_host_does_not_answer_arp(void **state)
{
    (void) state;
    quiet_ipv6();
    run(AT_S, "ip addr add 10.9.0.100/24 dev p1");
    int a = raw_socket(AT_A, "e0", false);
    struct pktio *port = open_port(PKTIO_AFPACKET, "p1");
    send_frame(a, arp_request, sizeof arp_request);
    assert_int_equal(receive_packet(port).size, sizeof arp_request);
    assert_int_equal(count_before_sentinel(a, port), 0);
    pktio_close(port);

    /* The same with the port given back, or the test would prove nothing. */
    send_frame(a, arp_request, sizeof arp_request);
    uint8_t got[100];
    assert_int_equal(receive_frame(a, got, sizeof got), sizeof arp_request);
    assert_int_equal(got[21], 2);
    close(a);
}

/* A datagram from A to 10.8.0.5, which is behind p2, by the host: to p1's MAC address. */
static void
make_routed(uint8_t frame[60])
{
    make_frame(frame, 60, 0);
    static const uint8_t rest[] = {
        8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0x65, 0xac, 10, 9, 0, 1, 10, 8, 0, 5,
    };
    memcpy(frame, (uint8_t[]) { 2, 0, 0, 0, 0, 0xc }, 6);
    memcpy(frame + 12, rest, sizeof rest);
    uint32_t sum = 0;
    frame[24] = frame[25] = 0;
    for (int i = 14; i < 34; i += 2) {
        sum += (uint32_t) frame[i] << 8 | frame[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    frame[24] = (uint8_t) (~sum >> 8);
    frame[25] = (uint8_t) ~sum;
}

static void
the_host_does_not_route(void **state)
{
    (void) state;
    quiet_ipv6();
    run(AT_S, "echo 1 > /proc/sys/net/ipv4/ip_forward");
    run(AT_S, "ip link set p1 address 02:00:00:00:00:0c && ip addr add 10.9.0.100/24 dev p1 && "
        "ip addr add 10.8.0.1/24 dev p2 && "
        "ip neigh add 10.8.0.5 lladdr 02:00:00:00:00:0b dev p2");
    int a = raw_socket(AT_A, "e0", false), b = raw_socket(AT_B, "e0", false);
    struct pktio *p1 = open_port(PKTIO_AFPACKET, "p1"), *p2 = open_port(PKTIO_AFPACKET, "p2");
    uint8_t frame[60], got[100];
    make_routed(frame);
    send_frame(a, frame, sizeof frame);
    assert_int_equal(receive_packet(p1).size, sizeof frame);
    assert_int_equal(count_before_sentinel(b, p2), 0);
    pktio_close(p1);
    pktio_close(p2);

    send_frame(a, frame, sizeof frame);
    assert_int_equal(receive_frame(b, got, sizeof got), sizeof frame);
    assert_int_equal(got[22], 63);
    close(a);
    close(b);
}

static void
the_host_does_not_speak_ipv6(void **state)
{
    (void) state;
    run(AT_S, "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    run(AT_S, "ip -6 addr add 2001:db8::1/64 dev p1 nodad");
    struct pktio *port = open_port(PKTIO_AFPACKET, "p1");
    assert_true(output_has(AT_S, "1", IPV6_OF_P1));
    assert_false(output_has(AT_S, "inet6", "ip addr show dev p1"));
    int a = raw_socket(AT_A, "e0", false);
    run(AT_S, "ip link set p1 down && ip link set p1 up");
    assert_int_equal(count_before_sentinel(a, port), 0);
    pktio_close(port);

    assert_true(output_has(AT_S, "0", IPV6_OF_P1));
    assert_true(output_has(AT_S, "2001:db8::1/64", "ip addr show dev p1"));
    /* Now it speaks again: router solicitation, neighbours, groups. */
    uint8_t got[1000];
    assert_true(receive_frame(a, got, sizeof got) > 0);
    assert_int_equal(got[12] << 8 | got[13], 0x86dd);
    close(a);
}

static void
ipv6_that_was_off_stays_off(void **state)
{
    (void) state;
    run(AT_S, "echo 1 > /proc/sys/net/ipv6/conf/p1/disable_ipv6");
    pktio_close(open_port(PKTIO_AFPACKET, "p1"));
    assert_true(output_has(AT_S, "1", IPV6_OF_P1));
}

static void
nothing_is_left_behind(void **state)
{
    (void) state;
    struct pktio *port = open_port(PKTIO_AFPACKET, "p1");
    assert_true(output_has(AT_S, "clsact", "tc qdisc show dev p1"));
    assert_true(output_has(AT_S, "promiscuity 1", "ip -d link show dev p1"));
    pktio_close(port);
    assert_false(output_has(AT_S, "clsact", "tc qdisc show dev p1"));
    assert_true(output_has(AT_S, "promiscuity 0", "ip -d link show dev p1"));
    assert_true(output_has(AT_S, "0", IPV6_OF_P1));
}

static void
strangers_filters_stay_and_are_told_of(void **state)
{
    (void) state;
    struct errmsg err = { "" };
    struct isolation *isolation;
    int ifindex = (int) if_nametoindex("p1");
    assert_int_equal(port_isolate("p1", ifindex, &isolation, &err), 0);
    assert_null(isolation_note(isolation));
    /* One that comes while we are there keeps the qdisc that we made. */
    run(AT_S, "tc filter add dev p1 egress prio 7 protocol ip u32 match u32 0 0 classid 1:7");
    port_unisolate(isolation);
    assert_true(output_has(AT_S, "pref 7 u32", "tc filter show dev p1 egress"));
    assert_false(output_has(AT_S, "bpf", "tc filter show dev p1 ingress"));

    run(AT_S, "tc filter add dev p1 ingress prio 5 protocol all bpf da bytecode '1,6 0 0 4294967295'");
    assert_int_equal(port_isolate("p1", ifindex, &isolation, &err), 0);
    assert_non_null(isolation_note(isolation));
    assert_true(output_has(AT_S, "pref 64222 bpf", "tc filter show dev p1 ingress"));
    port_unisolate(isolation);
    assert_false(output_has(AT_S, "pref 64222", "tc filter show dev p1 ingress"));
    assert_true(output_has(AT_S, "pref 5 bpf", "tc filter show dev p1 ingress"));
    assert_true(output_has(AT_S, "pref 7 u32", "tc filter show dev p1 egress"));
}

static void
a_strangers_filter_in_our_place_is_not_ours(void **state)
{
    (void) state;
    run(AT_S, "tc qdisc add dev p1 clsact && tc filter add dev p1 ingress prio 64222 "
        "handle 1 protocol all bpf da bytecode '1,6 0 0 2'");
    struct errmsg err = { "" };
    struct isolation *isolation = NULL;
    assert_true(port_isolate("p1", (int) if_nametoindex("p1"), &isolation, &err) < 0);
    assert_non_null(strstr(err.text, "p1"));
    assert_true(output_has(AT_S, "pref 64222 bpf", "tc filter show dev p1 ingress"));
    assert_true(output_has(AT_S, "0", IPV6_OF_P1));
}

static void
a_qdisc_that_was_there_stays(void **state)
{
    (void) state;
    run(AT_S, "tc qdisc add dev p1 clsact");
    pktio_close(open_port(PKTIO_AFPACKET, "p1"));
    assert_true(output_has(AT_S, "clsact", "tc qdisc show dev p1"));
    assert_false(output_has(AT_S, "filter", "tc filter show dev p1 ingress"));
}

/* Opens p1 in a process of its own; returns it once that is done. It ends when the
 * descriptor in *hold is closed. */
static pid_t
open_elsewhere(int *hold)
{
    int ready[2], end[2];
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t pid = fork();
    if (!pid) {
        struct pktio *port;
        char c = pktio_open(PKTIO_AFPACKET, "p1", &port, NULL) ? 'n' : 'y';
        close(end[1]);
        if (write(ready[1], &c, 1) == 1 && read(end[0], &c, 1) == 0) {
            _exit(0);    /* as if it had crashed: nothing undone */
        }
        _exit(1);
    }
    char c = 0;
    close(end[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    close(ready[0]);
    *hold = end[1];
    return pid;
}

static void
what_a_crash_left_is_taken_over_and_undone(void **state)
{
    (void) state;
    int hold, status;
    pid_t pid = open_elsewhere(&hold);
    struct pktio *port = NULL;
    struct errmsg err = { "" };
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "p1", &port, &err), -EBUSY);
    assert_non_null(strstr(err.text, "process"));
    close(hold);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(output_has(AT_S, "pref 64222 bpf", "tc filter show dev p1 ingress"));
    assert_true(output_has(AT_S, "1", IPV6_OF_P1));

    port = open_port(PKTIO_AFPACKET, "p1");
    assert_int_equal(pktio_open(PKTIO_AFPACKET, "p1", &(struct pktio *) { NULL }, &err), -EBUSY);
    pktio_close(port);
    assert_false(output_has(AT_S, "clsact", "tc qdisc show dev p1"));
    assert_true(output_has(AT_S, "0", IPV6_OF_P1));
}

static void
a_device_with_another_name_is_still_undone(void **state)
{
    (void) state;
    struct pktio *port = open_port(PKTIO_AFPACKET, "p1");
    run(AT_S, "ip link set p1 down && ip link set p1 name p9 && ip link set p9 up");
    pktio_close(port);
    assert_false(output_has(AT_S, "clsact", "tc qdisc show dev p9"));
    assert_true(output_has(AT_S, "0", "cat /proc/sys/net/ipv6/conf/p9/disable_ipv6"));
}

static void
two_capabilities_are_enough_to_undo(void **state)
{
    (void) state;
    run(AT_S, "ip -6 addr add 2001:db8::1/64 dev p1 nodad");
    pid_t pid = fork();
    if (!pid) {
        struct pktio *port;
        int rc = pktio_open(PKTIO_AFPACKET, "p1", &port, NULL);
        capng_clear(CAPNG_SELECT_BOTH);
        rc |= capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN,
                            CAP_NET_RAW, -1);
        rc |= capng_apply(CAPNG_SELECT_CAPS);
        if (rc) {
            _exit(1);
        }
        pktio_close(port);
        /* And to open another one. */
        _exit(pktio_open(PKTIO_AFPACKET, "p2", &port, NULL) != 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(output_has(AT_S, "clsact", "tc qdisc show dev p1"));
    assert_true(output_has(AT_S, "0", IPV6_OF_P1));
    assert_true(output_has(AT_S, "2001:db8::1/64", "ip addr show dev p1"));
    assert_true(output_has(AT_S, "pref 64222 bpf", "tc filter show dev p2 ingress"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_host_does_not_answer_arp),
        RIG_TEST(the_host_does_not_route),
        RIG_TEST(the_host_does_not_speak_ipv6),
        RIG_TEST(ipv6_that_was_off_stays_off),
        RIG_TEST(nothing_is_left_behind),
        RIG_TEST(strangers_filters_stay_and_are_told_of),
        RIG_TEST(a_strangers_filter_in_our_place_is_not_ours),
        RIG_TEST(a_qdisc_that_was_there_stays),
        RIG_TEST(what_a_crash_left_is_taken_over_and_undone),
        RIG_TEST(a_device_with_another_name_is_still_undone),
        RIG_TEST(two_capabilities_are_enough_to_undo),
    };
    return rig_run("isolate", tests, sizeof tests / sizeof *tests);
}
