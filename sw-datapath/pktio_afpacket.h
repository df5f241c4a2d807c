/* SPDX-License-Identifier: Apache-2.0 */
/* A port on an existing Ethernet device: what receiving and sending share. */
#ifndef SW_DATAPATH_PKTIO_AFPACKET_H
#define SW_DATAPATH_PKTIO_AFPACKET_H 1

#include "sw-datapath/pktio_impl.h"

struct isolation;

struct afpacket {
    struct pktio io;                 /* fd: the socket with the receive ring */
    struct isolation *isolation;

    /* Receiving: the worker alone. */
    uint8_t *ring;
    uint32_t slot_size;              /* both powers of two */
    uint32_t n_slots;
    uint32_t head;                   /* slot to look at next */
    uint32_t n_held;                 /* slots before it that are not given back yet */
    uint32_t n_empty;                /* calls in a row that found nothing */
    struct frame_buffers buffers;    /* for frames longer than a slot */
    unsigned n_buffers_used;

    /* Sending. Entry i belongs to the thread with context slot i: descriptor + 1, 0 while
     * there is none. */
    _Atomic int tx_socket[PKTIO_MAX_TX];
    _Atomic bool holds_frames;       /* the device keeps frames after the system call */
};

static inline struct afpacket *
afpacket_cast(struct pktio *io)
{
    return (struct afpacket *) io;
}

/* pktio_ops.tx of the kind. */
void afpacket_tx(struct pktio_tx *, struct pktio *, struct tx_frame *const frames[],
                 unsigned n);

/* Asks the kernel for the device's MTU. Any thread. */
void afpacket_refresh_mtu(struct afpacket *);

#endif /* sw-datapath/pktio_afpacket.h */
