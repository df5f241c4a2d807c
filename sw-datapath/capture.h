/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of some flows, copied for a bounded time.
 *
 * A capture is a match that workers compare the keys of what they receive with, once a device
 * in front of them has had its turn. Without one it costs them a load a batch. Entries of hardware
 * that the match overlaps go, and none come, until it ends; so from the next barrier on it sees
 * every packet of the flows. Copies go to the control thread through a ring a worker, made
 * for the capture; a full ring drops the copy, never the packet, and counts.
 *
 * Control thread, but for capture_take(). */
#ifndef SW_DATAPATH_CAPTURE_H
#define SW_DATAPATH_CAPTURE_H 1

#include "sw-datapath/datapath.h"

struct dp_capture;

/* A packet as it came in: checksums completed, a super-frame as one. Valid in the call. */
struct dp_captured {
    uint64_t time_ns;            /* since 1970 */
    uint16_t in_port;
    const uint8_t *data;         /* Ethernet header */
    uint32_t size;               /* bytes */
};

/* What the user is told, from the event loop. 'ended' is the last. */
struct dp_capture_ops {
    void (*begun)(void *aux);    /* from now on every packet of the flows is seen */
    void (*packet)(const struct dp_captured *, void *aux);    /* in the order of their port */
    /* All that was taken was handed out; or the bridge is gone. */
    void (*ended)(void *aux, bool gone);
};

/* Begins one, which ends 'ms' after ops->begun(). There is one a bridge. NULL and *err: another
 * is under way, or there is no memory. */
struct dp_capture *dp_capture_new(struct dp_bridge *, const struct flow_match *, uint32_t ms,
                                  const struct dp_capture_ops *, void *aux, struct errmsg *err);
/* Ends it now: no more is taken, hardware may have the flows again, ops->ended() comes. */
void dp_capture_end(struct dp_capture *);
/* Frees it, ended or not; nothing more is called. Not from within ops->packet(). NULL does
 * nothing. */
void dp_capture_free(struct dp_capture *);
/* Packets that were not copied for lack of room. */
uint64_t dp_capture_dropped(const struct dp_capture *);

#endif /* sw-datapath/capture.h */
