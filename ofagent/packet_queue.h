/* SPDX-License-Identifier: Apache-2.0 */
/* The packet-ins of one controller: how many it may get a second, and which of them wait
 * when there are more, or when it does not read.
 *
 * *Rate.* A token bucket: 'rate' packet-ins a second, and up to 'burst' at once after a
 * pause. A rate of 0 is no limit.
 *
 * *Waiting.* What can't be sent now waits in a queue of its reason (table miss, action of a
 * flow, ...) and source: ingress port, and of table misses whether the governor has seen the
 * flow before. The reasons take turns, and within each its sources do, so neither a flood of
 * misses nor one by a single port keeps the others waiting, nor one of new flows those that go
 * on. Within a source the order stays.
 *
 * *Bounds.* PACKET_QUEUE_PORT_MAX messages of a reason and port, PACKET_QUEUE_MAX in all and
 * no more than a second's worth at the rate. When all are in use, the longest queue of the
 * reason that has most gives its newest up for a message that has waited in none; a message
 * of that very queue is dropped before anybody made it. Bytes have a bound, too, of one
 * controller and of all: above it a queue takes only its first message.
 *
 * Control thread only. Times are clock_ms(). */
#ifndef OFAGENT_PACKET_QUEUE_H
#define OFAGENT_PACKET_QUEUE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sw-datapath/datapath.h"

enum {
    PACKET_QUEUE_PORT_MAX = 64,
    PACKET_QUEUE_MAX = 256,
    PACKET_QUEUE_MIN = 8,                         /* of what a slow rate leaves of it */
    PACKET_QUEUE_MAX_BYTES = 1024 * 1024,
    PACKET_QUEUE_TOTAL_BYTES = 32 * 1024 * 1024,  /* of all controllers */
};

struct packet_queue;

/* Told of a message that was pushed out. */
typedef void packet_queue_dropped(void *aux, enum dp_packet_in_reason, uint16_t in_port);

/* The source of a packet-in. */
static inline uint32_t
packet_queue_source(const struct dp_packet_in *in)
{
    return in->in_port | (uint32_t) in->seen << 16;
}

/* Without a limit, until packet_queue_set_rate(). NULL without memory. */
struct packet_queue *packet_queue_new(packet_queue_dropped *, void *aux);
void packet_queue_free(struct packet_queue *);

/* 'burst' 0: a quarter of a second's. It is at least 1, and 10 ms worth. What waits stays. */
void packet_queue_set_rate(struct packet_queue *, uint32_t rate, uint32_t burst);

/* What is to become of a packet-in: it is to be sent now, pushed, or dropped. 'room': its
 * connection takes it now. Takes a token for one that is to be sent. */
enum packet_queue_verdict { PACKET_QUEUE_SEND, PACKET_QUEUE_WAIT, PACKET_QUEUE_DROP };
enum packet_queue_verdict packet_queue_admit(struct packet_queue *, enum dp_packet_in_reason,
                                             uint32_t source, bool room, uint64_t now_ms);

/* Keeps a copy of the message, pushing another one out if need be. False: dropped, for its
 * size or without memory. */
bool packet_queue_push(struct packet_queue *, enum dp_packet_in_reason, uint32_t source,
                       const void *message, size_t size);

/* The next message, for the caller to free(), and its size: NULL if none waits, or the rate
 * allows none now. The message begins at 'data'. */
struct packet_queue_message {
    struct packet_queue_message *older, *newer;
    enum dp_packet_in_reason reason;
    size_t size;
    uint8_t data[];
};
struct packet_queue_message *packet_queue_take(struct packet_queue *, uint64_t now_ms);

/* Ms until packet_queue_take() gives the next; UINT32_MAX: none waits. */
uint32_t packet_queue_wait_ms(struct packet_queue *, uint64_t now_ms);

uint32_t packet_queue_len(const struct packet_queue *);
size_t packet_queue_size(const struct packet_queue *);
/* Drops all that waits, telling dropped(). */
void packet_queue_clear(struct packet_queue *);

#endif /* ofagent/packet_queue.h */
