/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait in the switch for a controller's decision.
 *
 * A fixed number of slots, and a bound on their bytes; the oldest packet makes room for a
 * new one. A buffer id is a slot number and, above it, the slot's generation, which
 * changes each time the slot is used: an id from before never finds another packet.
 * Control thread only. */
#ifndef OFAGENT_PKTBUF_H
#define OFAGENT_PKTBUF_H 1

#include "sw-datapath/packet.h"

enum { PKTBUF_SLOTS = 256, PKTBUF_MAX_BYTES = 4 * 1024 * 1024 };

struct pktbuf;

/* NULL without memory. */
struct pktbuf *pktbuf_new(void);
void pktbuf_free(struct pktbuf *);

/* Keeps a copy of the packet, its offload state included. Returns its id, or
 * OFP_NO_BUFFER without memory. */
uint32_t pktbuf_save(struct pktbuf *, const struct packet *);

enum pktbuf_result {
    PKTBUF_FOUND,
    PKTBUF_EMPTY,       /* was given out, but used or dropped since */
    PKTBUF_UNKNOWN,     /* was never given out */
};

/* A packet taken out: 'packet' with the room around it that packet.h asks for, in
 * 'memory', which the caller frees. */
struct pktbuf_packet {
    struct packet packet;
    void *memory;
};
enum pktbuf_result pktbuf_take(struct pktbuf *, uint32_t id, struct pktbuf_packet *);

/* Drops every packet that came in by 'in_port', which is gone. */
void pktbuf_drop_port(struct pktbuf *, uint16_t in_port);

#endif /* ofagent/pktbuf.h */
