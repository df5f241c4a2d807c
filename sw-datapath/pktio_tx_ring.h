/* SPDX-License-Identifier: Apache-2.0 */
/* A transmit ring of AF_PACKET, one a thread, for whichever device the frames go to.
 *
 * Only devices that are done with a frame when the system call returns may use it (veth
 * and its kind copy or consume it): a slot that a device holds stops the ring for all. */
#ifndef SW_DATAPATH_PKTIO_TX_RING_H
#define SW_DATAPATH_PKTIO_TX_RING_H 1

#include "sw-datapath/pktio_impl.h"

/* NULL if the kernel has no room for it. */
struct tx_ring *tx_ring_new(void);
void tx_ring_free(struct tx_ring *);

/* True if the frame is one for the ring: it fits a slot and is not a super-frame. */
bool tx_ring_takes(const struct tx_frame *);

/* What became of a run of frames. */
struct tx_ring_result {
    unsigned n_sent;      /* how many, from the first on, the device took */
    int error;            /* errno for the one after them; 0: no slot is free for it */
    bool held;            /* the device has not let go of what it took */
};

/* Sends frames that the ring takes, in order, to the device. */
struct tx_ring_result tx_ring_send(struct tx_ring *, int ifindex,
                                   struct tx_frame *const frames[], unsigned n);

#endif /* sw-datapath/pktio_tx_ring.h */
