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
 *
 * How AF_PACKET is used, from measurements:
 *
 *  - Frames come by a TPACKET_V2 ring: a slot is handed over as soon as it is filled, so
 *    there is no block time-out to wait for. A frame too long for a slot (a super-frame
 *    of a local sender) comes whole by recvmsg() (PACKET_COPY_THRESH), in its turn.
 *  - Frames leave by a transmit ring of the thread's own: one system call hands over all
 *    that go to one port, and each frame is copied once. That took a fifth less time a
 *    frame than sendmmsg(). A virtio_net_hdr whose hdr_len is the whole frame makes the
 *    kernel copy it into the buffer's linear part; the pages that it attaches otherwise
 *    are copied again by veth, page by page.
 *  - A device that keeps frames after the call would block the ring for the thread's
 *    other ports, so it gets its frames by sendmmsg() through a socket of its own; so do
 *    super-frames, and frames longer than the MTU that is known, for the kernel to judge.
 *    The system call has put what it was given into the device's queue when it returns,
 *    so a port's frames stay in order over all of these.
 *  - So does what goes through a queue (below), of which each has a socket a thread: its
 *    SO_PRIORITY names the queue's class.
 *  - Where the kernel forwards some frames by itself, behind packet sockets (PKTIO_BEHIND), they come
 *    by a TAP instead: pktio_behind.c.
 *  - Frames go through the device's queueing discipline and can be captured: bypassing
 *    them saves 4 % and would silently ignore what was configured.
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
    PKTIO_BEHIND,     /* the same, of which the kernel forwards some frames by filters of somebody's:
                       * gets those that no filter takes, by a TAP "tnmN", N its number */
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
/* That of the TAP of PKTIO_BEHIND; 0 for others. If it goes, nothing is received any more. */
int pktio_miss_ifindex(const struct pktio *);

/* A descriptor that polls readable when there are frames; -1 if there is none, also once
 * pktio_error() is set. It stays the same, and a level-triggered epoll set that it is in
 * does not have to be told of an error: the first calls of pktio_rx() after it silence
 * the descriptor. Closed by pktio_close(): take it out of the set before. */
int pktio_fd(const struct pktio *);

/* 0, or -ENODEV once the device is gone for good: nothing comes in any more and what is
 * sent is counted as tx_errors. A device that is only down is not an error: it goes on
 * when it is up again. Any thread; a system call. */
int pktio_error(struct pktio *);

/* Takes the device down or brings it up, administratively; what was taken down comes up again
 * when the pktio is closed, or, after a crash, opened. Nothing for PKTIO_MEMORY. 0 or -errno.
 * Control thread. */
int pktio_set_up(struct pktio *, bool up, struct errmsg *err);

/* The device's MTU has changed (the user of link_monitor says so). Any thread. Without
 * this call nothing breaks: frames longer than the MTU known take a slower way, and if
 * it is now smaller the device drops what is too long in silence. */
void pktio_set_mtu(struct pktio *, unsigned mtu);

/* Receives up to 'max' frames (at most PACKET_BATCH_MAX) without waiting; fills data,
 * size, offload; nothing else. Tags that the kernel held in metadata are back in the
 * frame. Own transmissions are never received. Gives the frames of the call before back,
 * if pktio_rx_release() was not called. Returns how many; 0 also when the device is down
 * or gone. Worker. */
unsigned pktio_rx(struct pktio *, struct packet *packets, unsigned max);

/* Gives the frames of the last pktio_rx() back. Worker. */
void pktio_rx_release(struct pktio *);

/* Most transmit contexts at a time. */
enum { PKTIO_MAX_TX = 64 };

/* A thread's transmit context. NULL and *err on failure. Control thread, as is freeing;
 * what was queued and not flushed is lost with it. */
struct pktio_tx *pktio_tx_new(struct errmsg *err);
void pktio_tx_free(struct pktio_tx *);

/* Queues 'packet' (data, size, offload, layers) to leave by 'port'; flushes by itself when the
 * queue is full, so a frame queued before may leave earlier, never later, than the flush. */
void pktio_tx(struct pktio_tx *, struct pktio *port, const struct packet *, bool copy);

/* The same, through a queue of the port; NULL is none. Frames of one queue stay in order. */
struct pktio_queue;
void pktio_tx_queued(struct pktio_tx *, struct pktio *port, struct pktio_queue *,
                     const struct packet *, bool copy);

/* Hands everything queued to the kernel, in order for each port. What the kernel does
 * not take is dropped and counted (pktio_stats.tx_dropped or tx_errors). */
void pktio_tx_flush(struct pktio_tx *);

/* What the backend knows: what it could send, and the drops that only it sees. Atomics
 * inside: any thread may read. */
struct pktio_stats {
    uint64_t tx_packets;   /* frames on the wire that the kernel took: segments count */
    uint64_t tx_bytes;     /* their bytes, each segment with its headers */
    uint64_t rx_dropped;   /* the kernel had no room in the ring */
    uint64_t rx_errors;    /* truncated or malformed on the way to us */
    uint64_t tx_dropped;   /* the device took no more; segments count in these two, too */
    uint64_t tx_errors;    /* refused: too long for the device, device down, ... */
};
void pktio_get_stats(struct pktio *, struct pktio_stats *);

/* ---- Queues of a port ----
 *
 * On a device a queue is a class of lib/netdev/htb.h, with a packet socket for each thread
 * that sends to it: a queue that is slow holds up nobody but itself, and a port without
 * queues sends as if there were none anywhere. A port in memory keeps frames with their
 * queue's number. A TAP has no queues. All of this but pktio_tx_queued() is the control
 * thread's. */

/* Rates are in bits a second. */
struct pktio_queue_config {
    uint32_t id;
    uint64_t min_rate;     /* has this before others get more than their own; 0: nothing */
    uint64_t max_rate;     /* 0: no limit */
    uint32_t burst;        /* bytes that may leave at once; 0: chosen from the rates */
};
enum { PKTIO_MAX_QUEUES = 256 };

struct pktio_queue_stats {
    uint64_t tx_packets;   /* that have left; UINT64_MAX if the device does not say any more */
    uint64_t tx_bytes;
    uint64_t tx_errors;    /* did not get in: the queue was full, the device down, ... */
};

/* Makes a queue on the port. 0 and *out, or -errno: -EOPNOTSUPP (a TAP), -EBUSY (the device
 * has a queueing discipline of somebody else), -ENOSPC, ... */
int pktio_queue_new(struct pktio *, const struct pktio_queue_config *, struct pktio_queue **out,
                    struct errmsg *);
/* Other rates for it. 0 or -errno with nothing changed. */
int pktio_queue_change(struct pktio_queue *, const struct pktio_queue_config *, struct errmsg *);
/* Removes it with the frames that wait in it; with the last one everything that was done to
 * the device for queues is undone. After a grace period in which no thread could find it,
 * and before pktio_close(). NULL does nothing. */
void pktio_queue_free(struct pktio_queue *);

/* Puts back what others took away from the device: the filter that keeps its frames from the host's stack.
 * Control thread, now and then. */
void pktio_mend(struct pktio *);

/* Asks the device for what its queues have sent: one request for all of them. Then
 * pktio_queue_get_stats() tells that; it never goes back while the queue is there. */
void pktio_queues_collect(struct pktio *);
void pktio_queue_get_stats(const struct pktio_queue *, struct pktio_queue_stats *);
/* What the queue has taken, which is what it has sent and what waits in it: the last that can
 * be said of it when the device is gone. */
void pktio_queue_get_taken(const struct pktio_queue *, struct pktio_queue_stats *);

/* The port it belongs to. Any thread that sends. */
const struct pktio *pktio_queue_port(const struct pktio_queue *);

/* PKTIO_MEMORY only: puts a frame into the receive queue (copied); 0, -ENOBUFS when it
 * is full (counted as rx_dropped), -EMSGSIZE. Any thread. */
int pktio_memory_inject(struct pktio *, const void *frame, uint32_t size);
/* The same with the packet's offload (data, size and offload count). */
int pktio_memory_inject_packet(struct pktio *, const struct packet *);
/* PKTIO_MEMORY only: takes the oldest sent frame; its size, or 0 if there is none. A
 * frame longer than 'capacity' is cut; the size is that of the whole. */
uint32_t pktio_memory_take(struct pktio *, void *frame, uint32_t capacity);
/* The same, with the number of the queue that it was sent through, UINT32_MAX if none. */
uint32_t pktio_memory_take_queued(struct pktio *, void *frame, uint32_t capacity,
                                  uint32_t *queue_id);

#endif /* sw-datapath/pktio.h */
