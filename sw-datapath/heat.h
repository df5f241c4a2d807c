/* SPDX-License-Identifier: Apache-2.0 */
/* Which cached flows are busy: a worker's sketch of fixed size.
 *
 * It is asked only about each HEAT_STEP-th packet of a cache entry, and remembers when that
 * entry was last asked about: so rates cost next to nothing, and a flood of flows with a
 * packet each does not touch it. Two entries that share a place forget each other; the
 * busier one comes again sooner.
 *
 * One thread. */
#ifndef SW_DATAPATH_HEAT_H
#define SW_DATAPATH_HEAT_H 1

#include <stdint.h>

enum {
    HEAT_STEP = 16,              /* packets */
    HEAT_AGAIN_MS = 100,         /* a flow is reported at most once in this time */
};

struct heat;

/* NULL without memory. */
struct heat *heat_new(void);
void heat_free(struct heat *);

/* HEAT_STEP more packets of the entry: its packets a second, if it should be reported now
 * (they are at least 'threshold'), or 0. 'entry' is an entry of bridge 'bridge'. */
uint32_t heat_step(struct heat *, uint32_t bridge, uint32_t entry, uint64_t now_ms,
                   uint32_t threshold);
/* Packets of the entry since it has been busy, as far as it is known. */
uint32_t heat_packets(const struct heat *, uint32_t bridge, uint32_t entry);

#endif /* sw-datapath/heat.h */
