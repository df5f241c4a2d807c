/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/pktbuf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/hash.h"
#include "ofagent/ofp.h"

#define SLOT_BITS 8
static_assert(PKTBUF_SLOTS == 1 << SLOT_BITS, "an id has SLOT_BITS bits of slot number");

/* 24 bits, without 0 (never used) and all ones (so that no id is OFP_NO_BUFFER). */
#define GENERATION_MAX 0xfffffeu

/* Slots and bytes are both scarce: a packet costs its bytes and what a slot is worth. */
enum { SLOT_COST = PKTBUF_MAX_BYTES / PKTBUF_SLOTS };

/* No slot, no holder. */
enum { NONE = PKTBUF_SLOTS };

/* What one owner holds of one ingress port: a list of slots, oldest first. */
struct holder {
    struct pktbuf_owner *owner;
    uint16_t in_port;
    uint16_t oldest, newest;     /* slots */
    uint16_t chain;              /* the next holder with this hash, or the next free one */
    uint16_t at;                 /* its place among the active ones */
    uint32_t cost;               /* of its packets; 0: not in use */
};

/* A place for a packet. Lists of slots: by age, all of them and each holder's. */
struct slot {
    uint8_t *memory;             /* headroom, frame, tailroom; NULL: empty */
    uint32_t size;
    uint32_t generation;         /* of the packet that is or was last here; 0: none yet */
    bool wrapped;                /* every generation was given out */
    uint16_t holder;
    uint16_t older, newer;       /* of all; 'newer' links the free ones */
    uint16_t held_older, held_newer;
    struct packet_offload offload;
    uint64_t saved_ms;
};

struct pktbuf {
    struct slot slots[PKTBUF_SLOTS];
    struct holder holders[PKTBUF_SLOTS];
    uint16_t chains[PKTBUF_SLOTS];       /* holders by hash */
    uint16_t active[PKTBUF_SLOTS];       /* holders in use */
    unsigned n_active;
    uint16_t free_slot, free_holder;
    uint16_t oldest, newest;
    size_t bytes;
    struct pktbuf_owner nobody;          /* has what ended owners had */
};

struct pktbuf *
pktbuf_new(void)
{
    struct pktbuf *pb = calloc(1, sizeof *pb);
    for (unsigned i = 0; pb && i < PKTBUF_SLOTS; i++) {
        pb->slots[i].newer = (uint16_t) (i + 1);
        pb->holders[i].chain = (uint16_t) (i + 1);
        pb->chains[i] = NONE;
    }
    if (pb) {
        pb->oldest = pb->newest = NONE;
    }
    return pb;
}

void
pktbuf_free(struct pktbuf *pb)
{
    for (unsigned i = 0; pb && i < PKTBUF_SLOTS; i++) {
        free(pb->slots[i].memory);
    }
    free(pb);
}

/* --- holders --------------------------------------------------------------------------- */

static uint16_t *
chain_of(struct pktbuf *pb, const struct pktbuf_owner *owner, uint16_t in_port)
{
    return &pb->chains[hash_word((uintptr_t) owner ^ (uint64_t) in_port << 48, hash_seed())
                       % PKTBUF_SLOTS];
}

/* There are as many holders as slots, so one is free whenever a slot is. */
static struct holder *
get_holder(struct pktbuf *pb, struct pktbuf_owner *owner, uint16_t in_port)
{
    uint16_t *chain = chain_of(pb, owner, in_port);
    for (uint16_t i = *chain; i != NONE; i = pb->holders[i].chain) {
        if (pb->holders[i].owner == owner && pb->holders[i].in_port == in_port) {
            return &pb->holders[i];
        }
    }
    uint16_t i = pb->free_holder;
    assert(i != NONE);
    struct holder *h = &pb->holders[i];
    pb->free_holder = h->chain;
    *h = (struct holder) {
        .owner = owner, .in_port = in_port, .oldest = NONE, .newest = NONE,
        .chain = *chain, .at = (uint16_t) pb->n_active,
    };
    *chain = i;
    pb->active[pb->n_active++] = i;
    return h;
}

static void
put_holder(struct pktbuf *pb, struct holder *h)
{
    uint16_t i = (uint16_t) (h - pb->holders);
    uint16_t *p = chain_of(pb, h->owner, h->in_port);
    while (*p != i) {
        p = &pb->holders[*p].chain;
    }
    *p = h->chain;
    uint16_t last = pb->active[--pb->n_active];
    pb->active[h->at] = last;
    pb->holders[last].at = h->at;
    h->chain = pb->free_holder;
    pb->free_holder = i;
}

static uint32_t
cost_of(const struct slot *slot)
{
    return slot->size + SLOT_COST;
}

/* Charges the newest packet, which has no holder, to 'owner'. */
static void
charge(struct pktbuf *pb, uint16_t i, struct pktbuf_owner *owner, uint16_t in_port)
{
    struct slot *slot = &pb->slots[i];
    struct holder *h = get_holder(pb, owner, in_port);
    slot->holder = (uint16_t) (h - pb->holders);
    slot->held_older = h->newest;
    slot->held_newer = NONE;
    *(h->newest == NONE ? &h->oldest : &pb->slots[h->newest].held_newer) = i;
    h->newest = i;
    h->cost += cost_of(slot);
    owner->cost += cost_of(slot);
}

static void
discharge(struct pktbuf *pb, struct slot *slot)
{
    struct holder *h = &pb->holders[slot->holder];
    *(slot->held_older == NONE ? &h->oldest : &pb->slots[slot->held_older].held_newer)
        = slot->held_newer;
    *(slot->held_newer == NONE ? &h->newest : &pb->slots[slot->held_newer].held_older)
        = slot->held_older;
    h->cost -= cost_of(slot);
    h->owner->cost -= cost_of(slot);
    if (!h->cost) {
        put_holder(pb, h);
    }
}

/* --- slots ----------------------------------------------------------------------------- */

/* Takes the packet out of all lists; its memory is the caller's now. */
static uint8_t *
detach(struct pktbuf *pb, uint16_t i)
{
    struct slot *slot = &pb->slots[i];
    uint8_t *memory = slot->memory;
    discharge(pb, slot);
    *(slot->older == NONE ? &pb->oldest : &pb->slots[slot->older].newer) = slot->newer;
    *(slot->newer == NONE ? &pb->newest : &pb->slots[slot->newer].older) = slot->older;
    slot->newer = pb->free_slot;
    pb->free_slot = i;
    pb->bytes -= slot->size;
    slot->memory = NULL;
    return memory;
}

/* What ended owners left gives way first, then whoever holds most. */
static bool
gives_way_before(const struct pktbuf *pb, const struct holder *a, const struct holder *b)
{
    if (a->owner != b->owner) {
        return a->owner == &pb->nobody
               || (b->owner != &pb->nobody && a->owner->cost > b->owner->cost);
    }
    return a->cost > b->cost;
}

static void
make_room(struct pktbuf *pb, uint32_t size)
{
    while (pb->n_active && (pb->free_slot == NONE || pb->bytes + size > PKTBUF_MAX_BYTES)) {
        const struct holder *worst = &pb->holders[pb->active[0]];
        for (unsigned i = 1; i < pb->n_active; i++) {
            const struct holder *h = &pb->holders[pb->active[i]];
            worst = gives_way_before(pb, h, worst) ? h : worst;
        }
        counter_inc(COUNTER_pktbuf_overwritten);
        free(detach(pb, worst->oldest));
    }
}

uint32_t
pktbuf_save(struct pktbuf *pb, const struct packet *packet, struct pktbuf_owner *owner)
{
    uint64_t now_ms = clock_ms();
    uint8_t *memory = malloc(PACKET_HEADROOM + packet->size + PACKET_TAILROOM);
    if (!memory) {
        counter_inc(COUNTER_pktbuf_no_memory);
        return OFP_NO_BUFFER;
    }
    pktbuf_expire(pb, now_ms);
    make_room(pb, packet->size);
    memcpy(memory + PACKET_HEADROOM, packet->data, packet->size);
    uint16_t i = pb->free_slot;
    struct slot *slot = &pb->slots[i];
    pb->free_slot = slot->newer;
    slot->memory = memory;
    slot->size = packet->size;
    slot->offload = packet->offload;
    slot->saved_ms = now_ms;
    slot->older = pb->newest;
    slot->newer = NONE;
    *(pb->newest == NONE ? &pb->oldest : &pb->slots[pb->newest].newer) = i;
    pb->newest = i;
    pb->bytes += packet->size;
    charge(pb, i, owner, packet->in_port);
    if (++slot->generation > GENERATION_MAX) {
        slot->generation = 1;
        slot->wrapped = true;
    }
    return slot->generation << SLOT_BITS | i;
}

void
pktbuf_share(struct pktbuf *pb, uint32_t id, struct pktbuf_owner *owner)
{
    if (id == OFP_NO_BUFFER) {
        return;
    }
    uint16_t i = id % PKTBUF_SLOTS;
    struct slot *slot = &pb->slots[i];
    const struct holder *h = &pb->holders[slot->holder];
    assert(i == pb->newest);
    if (owner->cost + cost_of(slot) < h->owner->cost) {
        uint16_t in_port = h->in_port;
        discharge(pb, slot);
        charge(pb, i, owner, in_port);
    }
}

void
pktbuf_disown(struct pktbuf *pb, struct pktbuf_owner *owner)
{
    uint16_t newer;
    for (uint16_t i = pb->oldest; owner->cost && i != NONE; i = newer) {
        struct slot *slot = &pb->slots[i];
        const struct holder *h = &pb->holders[slot->holder];
        newer = slot->newer;
        if (h->owner == owner) {
            uint16_t in_port = h->in_port;
            discharge(pb, slot);
            charge(pb, i, &pb->nobody, in_port);
        }
    }
}

enum pktbuf_result
pktbuf_take(struct pktbuf *pb, uint32_t id, struct pktbuf_packet *out)
{
    uint16_t i = id % PKTBUF_SLOTS;
    struct slot *slot = &pb->slots[i];
    uint32_t generation = id >> SLOT_BITS;
    if (!generation || generation > GENERATION_MAX
        || (generation > slot->generation && !slot->wrapped)) {
        return PKTBUF_UNKNOWN;
    }
    pktbuf_expire(pb, clock_ms());
    if (generation != slot->generation || !slot->memory) {
        return PKTBUF_EMPTY;
    }
    uint16_t in_port = pb->holders[slot->holder].in_port;
    out->memory = detach(pb, i);
    out->packet = (struct packet) {
        .data = (uint8_t *) out->memory + PACKET_HEADROOM,
        .size = slot->size,
        .in_port = in_port,
        .offload = slot->offload,
    };
    return PKTBUF_FOUND;
}

uint32_t
pktbuf_expire(struct pktbuf *pb, uint64_t now_ms)
{
    while (pb->oldest != NONE) {
        uint64_t end_ms = pb->slots[pb->oldest].saved_ms + PKTBUF_LIFETIME_MS;
        if (now_ms < end_ms) {
            return (uint32_t) (end_ms - now_ms);
        }
        counter_inc(COUNTER_pktbuf_expired);
        free(detach(pb, pb->oldest));
    }
    return UINT32_MAX;
}

void
pktbuf_drop_port(struct pktbuf *pb, uint16_t in_port)
{
    uint16_t newer;
    for (uint16_t i = pb->oldest; i != NONE; i = newer) {
        newer = pb->slots[i].newer;
        if (pb->holders[pb->slots[i].holder].in_port == in_port) {
            counter_inc(COUNTER_pktbuf_port_gone);
            free(detach(pb, i));
        }
    }
}
