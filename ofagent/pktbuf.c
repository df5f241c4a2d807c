/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/pktbuf.h"

#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "ofagent/ofp.h"

#define SLOT_BITS 8
static_assert(PKTBUF_SLOTS == 1 << SLOT_BITS, "an id has SLOT_BITS bits of slot number");

/* 24 bits, without 0 (never used) and all ones (so that no id is OFP_NO_BUFFER). */
#define GENERATION_MAX 0xfffffeu

struct slot {
    uint8_t *memory;         /* headroom, frame, tailroom; NULL: empty */
    uint32_t size;
    uint32_t generation;     /* of the packet that is or was last here; 0: none yet */
    bool wrapped;            /* every generation was given out */
    uint16_t in_port;
    struct packet_offload offload;
};

struct pktbuf {
    struct slot slots[PKTBUF_SLOTS];
    unsigned next;           /* slot to use next: the oldest packet */
    unsigned oldest;         /* slots from here to 'next' may hold packets */
    size_t bytes;
};

struct pktbuf *
pktbuf_new(void)
{
    return calloc(1, sizeof(struct pktbuf));
}

static void
empty(struct pktbuf *pb, struct slot *slot)
{
    if (slot->memory) {
        pb->bytes -= slot->size;
        free(slot->memory);
        slot->memory = NULL;
    }
}

void
pktbuf_free(struct pktbuf *pb)
{
    for (unsigned i = 0; pb && i < PKTBUF_SLOTS; i++) {
        empty(pb, &pb->slots[i]);
    }
    free(pb);
}

/* Drops the oldest packets until 'size' more bytes fit. */
static void
make_room(struct pktbuf *pb, uint32_t size)
{
    while (pb->bytes && pb->bytes + size > PKTBUF_MAX_BYTES) {
        struct slot *slot = &pb->slots[pb->oldest];
        if (slot->memory) {
            counter_inc(COUNTER_pktbuf_overwritten);
            empty(pb, slot);
        }
        pb->oldest = (pb->oldest + 1) % PKTBUF_SLOTS;
    }
}

uint32_t
pktbuf_save(struct pktbuf *pb, const struct packet *packet)
{
    uint8_t *memory = malloc(PACKET_HEADROOM + packet->size + PACKET_TAILROOM);
    if (!memory) {
        counter_inc(COUNTER_pktbuf_no_memory);
        return OFP_NO_BUFFER;
    }
    make_room(pb, packet->size);
    struct slot *slot = &pb->slots[pb->next];
    if (slot->memory) {
        counter_inc(COUNTER_pktbuf_overwritten);
        empty(pb, slot);
        pb->oldest = (pb->next + 1) % PKTBUF_SLOTS;
    }
    memcpy(memory + PACKET_HEADROOM, packet->data, packet->size);
    slot->memory = memory;
    slot->size = packet->size;
    slot->in_port = packet->in_port;
    slot->offload = packet->offload;
    if (++slot->generation > GENERATION_MAX) {
        slot->generation = 1;
        slot->wrapped = true;
    }
    pb->bytes += packet->size;
    uint32_t id = slot->generation << SLOT_BITS | pb->next;
    pb->next = (pb->next + 1) % PKTBUF_SLOTS;
    return id;
}

enum pktbuf_result
pktbuf_take(struct pktbuf *pb, uint32_t id, struct pktbuf_packet *out)
{
    struct slot *slot = &pb->slots[id & (PKTBUF_SLOTS - 1)];
    uint32_t generation = id >> SLOT_BITS;
    if (!generation || generation > GENERATION_MAX
        || (generation > slot->generation && !slot->wrapped)) {
        return PKTBUF_UNKNOWN;
    }
    if (generation != slot->generation || !slot->memory) {
        return PKTBUF_EMPTY;
    }
    out->memory = slot->memory;
    out->packet = (struct packet) {
        .data = slot->memory + PACKET_HEADROOM,
        .size = slot->size,
        .in_port = slot->in_port,
        .offload = slot->offload,
    };
    pb->bytes -= slot->size;
    slot->memory = NULL;
    return PKTBUF_FOUND;
}

void
pktbuf_drop_port(struct pktbuf *pb, uint16_t in_port)
{
    for (unsigned i = 0; i < PKTBUF_SLOTS; i++) {
        if (pb->slots[i].memory && pb->slots[i].in_port == in_port) {
            counter_inc(COUNTER_pktbuf_port_gone);
            empty(pb, &pb->slots[i]);
        }
    }
}
