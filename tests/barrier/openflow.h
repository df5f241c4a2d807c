/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow 1.0 as far as barrier.c needs it, written out: nothing of the switch's own. One
 * connection; failures end the program. */
#ifndef TESTS_BARRIER_OPENFLOW_H
#define TESTS_BARRIER_OPENFLOW_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORT_IN = 1, PORT_A = 2, PORT_B = 3, PORT_FLOOD = 0xfffb, PORT_ALL = 0xfffc };
enum { OF_ADD, OF_MODIFY, OF_MODIFY_STRICT, OF_DELETE, OF_DELETE_STRICT };
enum { OF_PORT_DOWN = 1 << 0, OF_NO_RECV = 1 << 2, OF_NO_FLOOD = 1 << 4, OF_NO_FWD = 1 << 5 };

/* What the rule of the flow matches. */
enum of_match {
    OF_MATCH_ALL,    /* everything */
    OF_MATCH_FLOW,   /* in_port, IPv4, UDP, destination; or all that there is: of_exact_flow */
    OF_MATCH_WIDER,  /* in_port, IPv4: overlaps OF_MATCH_FLOW */
};

/* OF_MATCH_FLOW has no wildcards. */
extern bool of_exact_flow;

/* Prints TAP's "Bail out!" with errno's words, and exits. */
void bail_out(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t time_ns(void);

/* Connects, and learns the ports' addresses. */
void of_connect(const char *path);

/* Append to what is at 'p', and return its end. */
uint8_t *of_put16(uint8_t *p, unsigned x);
uint8_t *of_put32(uint8_t *p, uint32_t x);
uint8_t *of_put_header(uint8_t *p, unsigned type, unsigned size);
/* 'port' 0 means no action. */
uint8_t *of_put_flow_mod(uint8_t *p, unsigned command, enum of_match match, unsigned priority,
                         unsigned port);
uint8_t *of_put_port_mod(uint8_t *p, unsigned port, uint32_t config, uint32_t mask);

/* Sends what is in 'data' up to 'end' with a barrier behind it, and waits for the reply. */
void of_send_with_barrier(uint8_t *data, uint8_t *end);

#endif /* tests/barrier/openflow.h */
