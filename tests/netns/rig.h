/* SPDX-License-Identifier: Apache-2.0 */
/* Three network namespaces without names, which go with the process: S, in which the test
 * runs and which is the switch's, and A and B, each with a device e0 (MAC 02:..:0a and
 * 02:..:0b) at the other end of S's p1 and p2. Addresses: A 10.9.0.1, B 10.9.0.2. IPv6 is
 * off in A and B, on in S. Offloads are at their defaults. */
#ifndef TESTS_NETNS_RIG_H
#define TESTS_NETNS_RIG_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sw-datapath/pktio.h"

enum place { AT_S, AT_A, AT_B };

/* cmocka set-up and tear-down of one test: the namespaces and veths, new each time. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Runs the group, or skips it all where there are no rights for it. */
int rig_run(const char *name, const struct CMUnitTest *tests, size_t n);
#define RIG_TEST(FN) cmocka_unit_test_setup_teardown(FN, rig_set_up, rig_tear_down)

/* Runs a shell command in a namespace; its exit status. */
int run_status(enum place, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, which must succeed. */
#define run(...) assert_int_equal(run_status(__VA_ARGS__), 0)
/* True if the command's output contains 'text'. */
bool output_has(enum place, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The namespace in which sockets are made from now on; back to S before the test ends. */
void enter(enum place);

/* A raw socket on a device of a namespace, non-blocking; 'vnet': with virtio_net_hdr. It
 * does not see what it or its namespace sends. */
int raw_socket(enum place, const char *device, bool vnet);

/* Milliseconds that something that must happen may take. */
enum { DEADLINE_MS = 10000 };
uint64_t now_ms(void);

/* A frame for tests: 'size' bytes from A to B of ethertype 0x88b5 with a pattern that
 * depends on 'seed'. */
void make_frame(uint8_t *frame, uint32_t size, uint8_t seed);

void send_frame(int fd, const void *frame, uint32_t size);

/* Opens, and fails the test with the words if that fails. */
struct pktio *open_port(enum pktio_kind, const char *name);

/* Receives one frame from a port, waiting for it; fails the test when none comes. Valid
 * until the port's next receive. */
struct packet receive_packet(struct pktio *);

/* Receives a frame from a raw socket, waiting; its size. */
uint32_t receive_frame(int fd, void *buffer, uint32_t capacity);

/* A switch of two ports: what comes in by one leaves by the other. */
struct wire {
    struct pktio *port[2];
    struct pktio_tx *tx;
    unsigned long n_frames, n_super, n_tagged;
};
void wire_open(struct wire *, enum pktio_kind, const char *first, enum pktio_kind,
               const char *second);
void wire_close(struct wire *);
/* Forwards what is there; returns how many frames. */
unsigned wire_run(struct wire *);

#endif /* tests/netns/rig.h */
