/* SPDX-License-Identifier: Apache-2.0 */
/* Which flows have been seen before, and which have proven themselves: a table of fixed size.
 *
 * A flow leaves a tag in the table with its first packet. It is proven by a later one: any, for
 * what is not TCP; for TCP one with ACK, so that somebody must have answered, or by the answer
 * itself (SYN+ACK the other way), which counts from the next packet on. A SYN that is not answered
 * proves nothing, however often it comes.
 *
 * A flow has one tag for both directions. Tags are of a keyed hash: two flows that share one
 * (about one packet of a new flow in 16,000) count as one, which costs a cache entry. Where a
 * set is full the oldest tag goes, those of flows that have proven nothing first: so a flood
 * shortens the memory of first packets, to a second at half a million a second, and of little
 * else.
 *
 * Pure: no clock, no allocation, 64-bit integers only; a set is one cache line. */
#ifndef LIB_GOVERNOR_SKETCH_H
#define LIB_GOVERNOR_SKETCH_H 1

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "turnout/flow.h"

enum {
    GOVERNOR_SKETCH_WAYS = 16,
    GOVERNOR_SKETCH_SETS = 1 << 15,
    GOVERNOR_TICK_SHIFT = 7,         /* ages are in units of 128 ms ... */
    GOVERNOR_MEMORY_TICKS = 468,     /* ... and a tag counts for a minute */
};

/* All zero: nothing was seen. One thread. */
struct governor_sketch {
    uint32_t way[GOVERNOR_SKETCH_SETS][GOVERNOR_SKETCH_WAYS];
};
static_assert(sizeof(struct governor_sketch) == 2 << 20, "memory is stated in docs/GOVERNOR.md");

/* What a packet says about its flow. */
enum governor_kind {
    GOVERNOR_DATAGRAM,   /* not TCP, or a fragment without a TCP header */
    GOVERNOR_SYN,        /* asks for a connection */
    GOVERNOR_SYN_ACK,    /* answers */
    GOVERNOR_LIVE,       /* ACK: there was an answer */
    GOVERNOR_DEAD,       /* RST, or neither SYN nor ACK */
};

/* A packet as the sketch sees it. */
struct governor_flow {
    uint64_t id;         /* the same for both directions */
    uint8_t direction;   /* 0 or 1 */
    uint8_t kind;        /* enum governor_kind */
};

enum governor_evidence {
    GOVERNOR_NEW,        /* never seen, as far as is known */
    GOVERNOR_SEEN,       /* seen, not proven */
    GOVERNOR_PROVEN,
};

enum { GOVERNOR_NOT_TCP = -1 };

/* Makes *flow of a packet: 'tcp_flags' is the flags byte of its TCP header, or
 * GOVERNOR_NOT_TCP. All of the key that a sender can vary freely is in the identity, so that
 * what makes new cache entries makes new flows. 'secret' keys the hash. */
void governor_identify(uint64_t secret, const struct flow_key *, int tcp_flags,
                       struct governor_flow *flow);

/* The flow is asked about soon. */
static inline void
governor_sketch_prefetch(const struct governor_sketch *sketch, const struct governor_flow *flow)
{
    __builtin_prefetch(sketch->way[flow->id & (GOVERNOR_SKETCH_SETS - 1)], 1);
}

/* What is known of the packet's flow, now that this packet came at 'now_ms'. */
enum governor_evidence governor_sketch_see(struct governor_sketch *, const struct governor_flow *,
                                           uint64_t now_ms);
/* The same without the packet counting. */
enum governor_evidence governor_sketch_peek(const struct governor_sketch *,
                                            const struct governor_flow *, uint64_t now_ms);

#endif /* lib/governor/sketch.h */
