/* SPDX-License-Identifier: Apache-2.0 */
/* What the backends of pktio share. Included by sw-datapath/pktio*.c alone. */
#ifndef SW_DATAPATH_PKTIO_IMPL_H
#define SW_DATAPATH_PKTIO_IMPL_H 1

#include <stdatomic.h>
#include <stddef.h>

#include "lib/counters.h"
#include "sw-datapath/pktio.h"
#include "turnout/port.h"

/* A frame that waits to be sent. The bytes are the caller's, or the context's copy. */
struct tx_frame {
    struct pktio *port;
    struct pktio_queue *queue;   /* NULL: none */
    const uint8_t *data;
    uint32_t size;
    uint32_t n_segments;         /* what it counts for on the wire */
    uint64_t wire_bytes;
    bool lost;                   /* it was not sent, and that was counted */
    struct packet_offload offload;
};

/* A queue: the first member of each backend's own struct. */
struct pktio_queue {
    struct pktio *port;
    uint32_t id;
    uint64_t tx_packets, tx_bytes;   /* that have left, as last collected */
    bool lost;                       /* the device does not have it any more */
    /* What it has taken: frames, the segments of super-frames, bytes; and what it has not. */
    _Atomic uint64_t taken_frames, taken_segments, taken_bytes, tx_errors;
};

/* A backend. 'tx' sends n frames for 'port', all through one queue or none, in order and counts those that it could not
 * send; 'collect' brings the statistics up to date and may be NULL, as may 'mtu_changed', 'error', which
 * looks whether the device still exists, 'set_up', and 'mend', which puts back what others took away from the
 * device. 'close' frees the pktio. */
struct pktio_ops {
    unsigned (*rx)(struct pktio *, struct packet *, unsigned max);
    void (*rx_release)(struct pktio *);
    void (*tx)(struct pktio_tx *, struct pktio *, struct tx_frame *const frames[], unsigned n);
    void (*collect)(struct pktio *);
    void (*mtu_changed)(struct pktio *, unsigned mtu);
    void (*error)(struct pktio *);
    int (*set_up)(struct pktio *, bool up, struct errmsg *);
    void (*mend)(struct pktio *);
    void (*close)(struct pktio *);
    /* As the functions of pktio.h; all NULL where there are no queues. */
    int (*queue_new)(struct pktio *, const struct pktio_queue_config *, struct pktio_queue **,
                     struct errmsg *);
    int (*queue_change)(struct pktio_queue *, const struct pktio_queue_config *, struct errmsg *);
    void (*queue_free)(struct pktio_queue *);
    void (*queues_collect)(struct pktio *);
};

/* The first member of each backend's own struct. */
struct pktio {
    const struct pktio_ops *ops;
    char name[PORT_NAME_SIZE];
    int ifindex;
    int fd;                      /* -1: none */
    _Atomic int error;           /* 0 or -errno, for good */
    _Atomic unsigned mtu;
    struct {
        _Atomic uint64_t rx_dropped, rx_errors, tx_dropped, tx_errors, tx_packets, tx_bytes;
    } stats;
};

int pktio_afpacket_open(const char *name, struct pktio **out, struct errmsg *err);
int pktio_behind_open(const char *name, struct pktio **out, struct errmsg *err);
/* 'prepare' (may be NULL) is called before the TAP is up, with a socket to make ioctls with. */
int pktio_tap_open(const char *name, void (*prepare)(int fd, const char *name), struct pktio **out,
                   struct errmsg *err);
int pktio_memory_open(const char *name, struct pktio **out, struct errmsg *err);

/* Sets the members that all kinds have. */
void pktio_init(struct pktio *, const struct pktio_ops *, const char *name, int ifindex, int fd);

/* Counts a frame in the port and in the named counter. Any thread. */
void pktio_count_rx_error(struct pktio *, enum counter);

/* The n frames are not sent: marks them lost and counts them, in the port as the frames on the
 * wire that they would have been. */
void pktio_lose_dropped(struct pktio *, enum counter, struct tx_frame *const frames[], unsigned n);
void pktio_lose_error(struct pktio *, enum counter, struct tx_frame *const frames[], unsigned n);
/* The same for frames that a system call refused with 'error' (a positive errno). */
void pktio_lose_errno(struct pktio *, int error, struct tx_frame *const frames[], unsigned n);

/* Counts those of the n frames, all of one queue or none, that are not lost as sent. */
void pktio_count_sent(struct pktio *, struct tx_frame *const frames[], unsigned n);

/* True for an errno that says that the device is down or gone: the next frame will not
 * fare better. */
bool pktio_is_device_error(int error);

/* The number of a transmit context, below PKTIO_MAX_TX: each port has a socket for each. */
unsigned pktio_tx_slot(const struct pktio_tx *);

/* The transmit ring of the context, opened when first asked for; NULL if that failed. */
struct tx_ring;
struct tx_ring *pktio_tx_ring(struct pktio_tx *);

/* Buffers for frames of any size: n of them, each with head- and tailroom, on pages that
 * take memory only once they are written to. */
struct frame_buffers {
    uint8_t *base;
    unsigned n;
};
/* 0 or -ENOMEM. */
int frame_buffers_init(struct frame_buffers *, unsigned n);
void frame_buffers_fini(struct frame_buffers *);
/* Where the frame in buffer i begins, when it is put there without a tag that it will get:
 * PACKET_MAX_SIZE bytes of room. */
uint8_t *frame_buffers_get(const struct frame_buffers *, unsigned i);

#endif /* sw-datapath/pktio_impl.h */
