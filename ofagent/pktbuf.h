/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait in the switch for a controller's decision.
 *
 * A fixed number of slots, and a bound on their bytes. A buffer id is a slot number and,
 * above it, the slot's generation, which changes each time the slot is used: an id from
 * before never finds another packet. A packet that nobody asked for within
 * PKTBUF_LIFETIME_MS is gone as if it had been used.
 *
 * *Shares.* Each packet is charged to an owner, one controller's connection; when a packet
 * goes to several, to the one of them that holds least. If there is no room for a new one,
 * the owner that holds most gives way, and of its packets the oldest of the ingress port
 * that holds most: neither a greedy controller nor a flood by one port costs the others
 * theirs.
 *
 * Control thread only. Time is clock_ms(). */
#ifndef OFAGENT_PKTBUF_H
#define OFAGENT_PKTBUF_H 1

#include <stdint.h>

#include "sw-datapath/packet.h"

enum {
    PKTBUF_SLOTS = 256,
    PKTBUF_MAX_BYTES = 4 * 1024 * 1024,
    PKTBUF_LIFETIME_MS = 5000,
};

struct pktbuf;

/* Somebody who holds packets: in the caller's object, zeroed before its first use. */
struct pktbuf_owner {
    uint32_t cost;       /* pktbuf.c: slots and bytes in one measure */
};

/* NULL without memory. */
struct pktbuf *pktbuf_new(void);
void pktbuf_free(struct pktbuf *);

/* Keeps a copy of the packet, its offload state included, charged to 'owner'. Returns its
 * id, or OFP_NO_BUFFER without memory. */
uint32_t pktbuf_save(struct pktbuf *, const struct packet *, struct pktbuf_owner *owner);

/* The packet that was just saved goes to this owner too. OFP_NO_BUFFER does nothing. */
void pktbuf_share(struct pktbuf *, uint32_t id, struct pktbuf_owner *);

/* The owner ends. Its packets stay for those who have their ids, and give way first. */
void pktbuf_disown(struct pktbuf *, struct pktbuf_owner *);

enum pktbuf_result {
    PKTBUF_FOUND,
    PKTBUF_EMPTY,       /* was given out, but used, dropped or expired since */
    PKTBUF_UNKNOWN,     /* was never given out */
};

/* A packet taken out: 'packet' with the room around it that packet.h asks for, in
 * 'memory', which the caller frees. */
struct pktbuf_packet {
    struct packet packet;
    void *memory;
};
enum pktbuf_result pktbuf_take(struct pktbuf *, uint32_t id, struct pktbuf_packet *);

/* Frees what has expired. Returns the ms until more does; UINT32_MAX: nothing is held. */
uint32_t pktbuf_expire(struct pktbuf *, uint64_t now_ms);

/* Drops every packet that came in by 'in_port', which is gone. */
void pktbuf_drop_port(struct pktbuf *, uint16_t in_port);

#endif /* ofagent/pktbuf.h */
