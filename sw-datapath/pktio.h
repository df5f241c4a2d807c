/* SPDX-License-Identifier: Apache-2.0 */
/* Packet I/O: one batch interface over AF_PACKET rings, TAPs and later backends.
 *
 * A 'struct pktio' is one device open for receiving; exactly one worker receives from
 * it. Any thread may send to it, through a transmit context of its own (struct
 * pktio_tx), so no lock is shared: the control thread sends PACKET_OUTs while workers
 * forward.
 *
 * Buffers: frames that pktio_rx() gives stay valid, and may be changed in place, until
 * pktio_rx_release(). A frame queued with pktio_tx() must stay as it is until
 * pktio_tx_flush() returns, unless it is queued with 'copy', when it may be changed or
 * freed at once.
 *
 * While a device is open the host's stack does not see its frames: see port_isolate()
 * in lib/netdev/isolate.h, which opening does and closing undoes.
 */
#ifndef SW_DATAPATH_PKTIO_H
#define SW_DATAPATH_PKTIO_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "sw-datapath/packet.h"

struct pktio;
struct pktio_tx;

enum pktio_kind {
    PKTIO_AFPACKET,   /* an existing Ethernet device */
    PKTIO_TAP,        /* a TAP that we make, named as asked: a bridge's LOCAL port */
    PKTIO_MEMORY,     /* in-process queues, for property tests and benches */
};

/* Opens 'name'. Control thread.
 * Returns 0 and *out, or -errno with the reason in 'err': -ENODEV (no such device),
 * -EBUSY (a TAP of that name is in use), -EOPNOTSUPP (not an Ethernet device), ... */
int pktio_open(enum pktio_kind, const char *name, struct pktio **out, struct errmsg *err);

/* Undoes what opening did to the device, and frees. NULL does nothing. Control thread,
 * after a grace period in which no worker could reach it. */
void pktio_close(struct pktio *);

const char *pktio_name(const struct pktio *);
int pktio_ifindex(const struct pktio *);   /* 0 for PKTIO_MEMORY */

/* A descriptor that polls readable when there are frames; -1 if there is none. */
int pktio_fd(const struct pktio *);

/* Receives up to 'max' frames (at most PACKET_BATCH_MAX) without waiting; fills data,
 * size, offload; nothing else. Tags that the kernel held in metadata are back in the
 * frame. Own transmissions are never received. Returns how many. Worker. */
unsigned pktio_rx(struct pktio *, struct packet *packets, unsigned max);

/* Gives the frames of the last pktio_rx() back. Worker. */
void pktio_rx_release(struct pktio *);

/* A thread's transmit context. NULL and *err on failure. */
struct pktio_tx *pktio_tx_new(struct errmsg *err);
void pktio_tx_free(struct pktio_tx *);

/* Queues 'packet' to leave by 'port'; flushes by itself when the queue is full, so a
 * frame queued before may leave earlier, never later, than the flush. */
void pktio_tx(struct pktio_tx *, struct pktio *port, const struct packet *, bool copy);

/* Hands everything queued to the kernel, in order for each port. What the kernel does
 * not take is dropped and counted (pktio_stats.tx_dropped or tx_errors). */
void pktio_tx_flush(struct pktio_tx *);

/* Drops that only the backend sees. Atomics inside: any thread may read. */
struct pktio_stats {
    uint64_t rx_dropped;   /* the kernel had no room in the ring */
    uint64_t rx_errors;    /* truncated or malformed on the way to us */
    uint64_t tx_dropped;   /* the device took no more */
    uint64_t tx_errors;    /* refused: too long for the device, device down, ... */
};
void pktio_get_stats(struct pktio *, struct pktio_stats *);

/* PKTIO_MEMORY only: puts a frame into the receive queue (copied); 0 or -ENOBUFS. */
int pktio_memory_inject(struct pktio *, const void *frame, uint32_t size);
/* PKTIO_MEMORY only: takes the oldest sent frame; its size, or 0 if there is none. */
uint32_t pktio_memory_take(struct pktio *, void *frame, uint32_t capacity);

#endif /* sw-datapath/pktio.h */
