/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath with the simulated ASIC in front of it: memory ports, all of them the ASIC's
 * but LOCAL, no threads, a clock that goes on only in rig_settle(), entries that stay however
 * slow they are. Failing helpers fail the test. */
#ifndef TESTS_UNIT_OFFLOAD_RIG_H
#define TESTS_UNIT_OFFLOAD_RIG_H 1

#include <stdbool.h>
#include <stdint.h>

#include "hal/hal.h"
#include "sw-datapath/datapath.h"

enum { RIG_PORTS = 4, RIG_FRAME_SIZE = 60, RIG_PROMOTE_PPS = 10 };

struct rig {
    struct event_base *base;
    struct hal *hal;
    struct hal_device *device;
    struct dp *dp;
    struct dp_bridge *bridge;
    unsigned n_packet_ins;
};

extern uint64_t rig_now_ns;

/* 'driver': what follows --driver. */
void rig_begin(struct rig *, const char *driver);
void rig_end(struct rig *);
/* Lets everything happen that is due; 20 ms pass. */
void rig_settle(struct rig *);

/* Puts a frame into a port n times: any; UDP from address 1 to address 2 (02:00:00:00:00:0x). */
void rig_send(struct rig *, uint16_t port, const uint8_t frame[RIG_FRAME_SIZE], unsigned n);
void rig_send_udp(struct rig *, uint16_t port, uint16_t tp_dst, unsigned n);
/* Frames that the port has sent since the last time. */
unsigned rig_n_sent(struct rig *, uint16_t port);

/* Matches UDP from port 1, to a port (0: any). */
struct flow_match rig_udp_to(uint16_t tp_dst);
/* A list with one output, or (0) none; to be freed. */
const struct action_list *rig_output_list(uint16_t port);
struct rule *rig_add_rule(struct rig *, const struct flow_match *, uint32_t rank, uint16_t port);
void rig_set_output(struct rig *, struct rule *, uint16_t port);
/* Takes it out, and waits for a barrier. */
void rig_remove_rule(struct rig *, struct rule *);
void rig_barrier(struct rig *);

/* What the rule has counted; all frames have RIG_FRAME_SIZE. */
uint64_t rig_packets_of(const struct rule *);
/* Entries that are there once everything is settled; and what the device says, in rig_info. */
extern struct hal_device_info rig_info;
uint32_t rig_n_in_hardware(struct rig *);
/* Packets that were looked up in software. */
uint64_t rig_n_in_software(struct rig *);

#endif /* tests/unit/offload_rig.h */
