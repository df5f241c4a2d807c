/* SPDX-License-Identifier: Apache-2.0 */
/* A whole switch in this process, and controllers that talk to it over sockets: memory
 * ports, no threads unless asked for, a clock that stands still. Failing helpers fail the test. */
#ifndef TESTS_UNIT_AGENT_RIG_H
#define TESTS_UNIT_AGENT_RIG_H 1

#include <stdbool.h>
#include <stdint.h>

#include "ofagent/agent_private.h"
#include "ofagent/ofp_peer.h"

enum { RIG_PORTS = 3 };

struct rig {
    struct event_base *base;
    struct dp *dp;
    struct agent *agent;
    bool threads;
    char dir[64];
    char path[80], target[96];         /* controllers connect here */
    char mgmt_path[80], mgmt_target[96];
};

/* What agent_config is unless a test changes it: secure, probes after 5 s. */
extern const struct agent_config rig_config;

void rig_init(struct rig *, const struct agent_config *);
/* The same with a packet worker in a thread of its own. */
void rig_init_threads(struct rig *, const struct agent_config *);
void rig_fini(struct rig *);
/* One turn of the event loop and, without threads, of the datapath. */
void rig_turn(struct rig *);
/* Lets the clock go on in small steps, with a turn and the agent's timer at each. */
void rig_pass_ms(struct rig *, uint64_t ms);
/* From now on the clock goes on by this with each look at it, as real ones do. */
void rig_creep(uint64_t ns);
/* Puts a frame into a port; takes one that was sent there (its size, or 0). */
void rig_inject(struct rig *, uint16_t port, const void *frame, uint32_t size);
uint32_t rig_take(struct rig *, uint16_t port, void *frame, uint32_t capacity);
/* A TCP frame of 'size' bytes (at least 60) from host a to host b. */
void rig_frame(uint8_t *frame, uint32_t size, uint8_t a, uint8_t b, uint16_t tp_dst);
unsigned rig_n_sessions(const struct rig *);

struct peer {
    struct rig *rig;
    int fd;
    struct writer out;
    uint8_t *in;
    size_t have, taken;
    bool closed;
    struct ofp_header header;          /* of the last message */
};

/* Connects; peer_hello() also does the handshake. */
void peer_connect(struct peer *, struct rig *, const char *path);
void peer_hello(struct peer *, struct rig *, const char *path);
void peer_adopt(struct peer *, struct rig *, int fd);
void peer_close(struct peer *);
/* Sends bytes, as fast as the switch takes them. */
void peer_send_bytes(struct peer *, const void *, size_t);
/* Sends what peer->out has. */
void peer_send(struct peer *);
/* Sends a message without a body. */
void peer_send_header(struct peer *, uint8_t type, uint32_t xid);
/* The next message: NULL when none comes. Valid until the next call. */
const uint8_t *peer_next(struct peer *);
/* The next message, which must be of this type. */
const uint8_t *peer_expect(struct peer *, uint8_t type);
/* The next message must be this error for 'xid'. */
void peer_expect_error(struct peer *, uint16_t type, uint16_t code, uint32_t xid);
/* The same of one of Nicira's errors. */
void peer_expect_nx_error(struct peer *, uint16_t type, uint16_t code, uint32_t xid);
/* Nothing comes, and the connection stays. */
void peer_expect_nothing(struct peer *);
/* The switch closes the connection; messages before that are thrown away. */
void peer_expect_closed(struct peer *);
/* Sends a barrier and expects its reply next: all before it was accepted silently. */
void peer_barrier(struct peer *);

/* FLOW_MOD with one output; 'match' in ovs-ofctl's syntax. */
void put_flow_mod(struct peer *, uint16_t command, const char *match, uint16_t port);
struct ofp_flow_mod *flow_mod_of(uint16_t command, const char *match, uint16_t port);

#endif /* tests/unit/agent_rig.h */
