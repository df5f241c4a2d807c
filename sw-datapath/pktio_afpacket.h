/* SPDX-License-Identifier: Apache-2.0 */
/* A port on an existing Ethernet device: what receiving and sending share. */
#ifndef SW_DATAPATH_PKTIO_AFPACKET_H
#define SW_DATAPATH_PKTIO_AFPACKET_H 1

#include "sw-datapath/pktio_impl.h"

struct isolation;

/* A queue: a class on the device. */
struct afpacket_queue {
    struct pktio_queue queue;
    struct afpacket_queue *next;     /* of the port; control thread, as 'minor' */
    uint16_t minor;
    bool seen;                       /* by the collection under way */
    _Atomic int tx_socket[PKTIO_MAX_TX];    /* as afpacket.tx_socket */
};

struct afpacket {
    struct pktio io;                 /* fd: the socket with the receive ring */
    int device_fd;                   /* a packet socket, to ask about the device; the same one */
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
    struct afpacket_queue *queues;   /* control thread */
};

static inline struct afpacket *
afpacket_cast(struct pktio *io)
{
    return (struct afpacket *) io;
}

/* pktio_ops.tx of the kind. */
void afpacket_tx(struct pktio_tx *, struct pktio *, struct tx_frame *const frames[],
                 unsigned n);

/* Closes the sockets of an array of PKTIO_MAX_TX. */
void afpacket_close_sockets(_Atomic int tx_socket[]);

/* pktio_ops of the kind. */
void afpacket_error(struct pktio *);
void afpacket_mend(struct pktio *);
int afpacket_set_up(struct pktio *, bool up, struct errmsg *);
int afpacket_queue_new(struct pktio *, const struct pktio_queue_config *, struct pktio_queue **out,
                       struct errmsg *);
int afpacket_queue_change(struct pktio_queue *, const struct pktio_queue_config *,
                          struct errmsg *);
void afpacket_queue_free(struct pktio_queue *);
void afpacket_queues_collect(struct pktio *);

/* Removes from the device what a process that crashed left of its queues. */
void afpacket_clear_queues(struct afpacket *);

/* A packet socket that receives nothing yet, for an Ethernet device. The interface index, or
 * -errno. */
int afpacket_open_device(const char *name, int *fd, struct errmsg *);
/* Keeps the device's frames from the host's stack; a note is logged. 0 or -errno. */
int afpacket_isolate(struct afpacket *, struct errmsg *);

/* Asks the kernel for the device's MTU. Any thread. */
void afpacket_refresh_mtu(struct afpacket *);

#endif /* sw-datapath/pktio_afpacket.h */
