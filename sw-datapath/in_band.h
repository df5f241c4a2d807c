/* SPDX-License-Identifier: Apache-2.0 */
/* In-band control: a few hidden rules above all others, so that a controller that is reached
 * through LOCAL can be reached whatever the flow table says.
 *
 * The hidden rules are in a classifier of their own, which the flow table knows nothing of. While
 * there are any, a packet that may be LOCAL's (from LOCAL, to its address, or to a group) is looked
 * up there first; only if none matches does it go on to the cache. So no rule can shadow them, no
 * entry of the cache is made from them, and other packets pay for a comparison of addresses.
 *
 * A packet that a hidden rule takes is learnt like NORMAL's. An answer of a DHCP server counts
 * only if it is for LOCAL's own hardware address. What hardware does by itself never overlaps a
 * hidden rule: see in_band_narrow(). */
#ifndef SW_DATAPATH_IN_BAND_H
#define SW_DATAPATH_IN_BAND_H 1

#include "sw-datapath/dp_internal.h"

/* dp_bridge.in_band while it is on: LOCAL's address in the lower 48 bits. */
#define IN_BAND_ON (UINT64_C(1) << 63)

static inline uint64_t
in_band_state(const struct dp_bridge *bridge)
{
    return atomic_load_explicit(&bridge->in_band, memory_order_acquire);
}

/* The hidden rule that takes a parsed packet, or NULL. 'state' is in_band_state(), not 0. Any
 * thread that forwards. */
struct rule *in_band_find(const struct dp_bridge *, uint64_t state, const struct packet *,
                          const struct flow_key *);

/* For a derivation: true if a packet with this key may be a hidden rule's. Otherwise adds to
 * 'mask' what keeps them apart: the fields that hidden rules look at. Control thread. */
bool in_band_narrow(const struct dp_bridge *, const struct flow_key *, struct flow_mask *mask);

/* True if some packet of the match, which does not come from LOCAL, may be a hidden rule's. Control
 * thread. */
bool in_band_overlaps(const struct dp_bridge *, const struct flow_match *);

#endif /* sw-datapath/in_band.h */
