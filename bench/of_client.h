/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough OpenFlow 1.0 to be a controller of any switch, so that benches measure every
 * switch alike. What goes wrong ends the program. */
#ifndef BENCH_OF_CLIENT_H
#define BENCH_OF_CLIENT_H 1

#include <stddef.h>
#include <stdint.h>

enum {
    HELLO = 0, ERROR = 1, ECHO_REQUEST = 2, ECHO_REPLY = 3, FEATURES_REQUEST = 5,
    FEATURES_REPLY = 6, SET_CONFIG = 9, PACKET_IN = 10, FLOW_MOD = 14, STATS_REQUEST = 16,
    STATS_REPLY = 17, BARRIER_REQUEST = 18, BARRIER_REPLY = 19,
};
enum { FLOW_MOD_SIZE = 80, FLOW_MOD_CHUNK = 800 };

/* ERROR messages that came in. */
extern unsigned long n_errors;

void die(const char *what) __attribute__((noreturn));
double seconds(void);

/* A unix socket's path, or HOST:PORT for TCP. of_connect() also says HELLO. */
int connect_to(const char *target);
int of_connect(const char *target);
void send_all(int fd, const void *data, size_t size);
void recv_all(int fd, void *data, size_t size);

void put_header(uint8_t *msg, uint8_t type, uint16_t length, uint32_t xid);
/* in_port, dl_type=ip, nw_src=i, nw_dst, nw_proto=udp, ports wild: one mask, N values.
 * FLOW_MOD_SIZE bytes; 72 of them are a DELETE. */
void put_flow_mod(uint8_t *msg, uint16_t command, uint32_t i);
void put_barrier(uint8_t *msg);

/* Reads until a message of 'type' comes; answers echoes, counts errors. */
void wait_for(int fd, uint8_t type);
/* Sends 'n' pipelined ADDs, the first is number 'offset', and a barrier behind them. */
void send_flow_mods(int fd, uint32_t n, uint32_t offset);

int compare_doubles(const void *a, const void *b);

#endif /* bench/of_client.h */
