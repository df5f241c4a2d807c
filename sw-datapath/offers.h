/* SPDX-License-Identifier: Apache-2.0 */
/* Offers of busy flows to hardware: from the workers, which find them (heat.h) and ask their
 * governor, through a ring each to the control thread, which has the budget for entries.
 *
 * The budget is shared by the ports that have a device, and adapts to what the devices manage. A
 * flow that is held back says so again every HEAT_AGAIN_MS as long as it is busy. The latest of
 * them are remembered, in a table of fixed size, for who asks why a flow is not in hardware. */
#ifndef SW_DATAPATH_OFFERS_H
#define SW_DATAPATH_OFFERS_H 1

#include "sw-datapath/offload.h"

struct offers;

enum { OFFERS_RING_BYTES = 1 << 18 };

/* NULL without memory. Control thread, as the rest but where it is said. */
struct offers *offers_new(struct dp *, struct hal *, struct action_list *room);
void offers_free(struct offers *);
/* Takes over what the configuration says about entries. */
void offers_set_config(struct offers *, const struct governor_config *);
/* Entries a second that the budget has now. */
uint32_t offers_rate(const struct offers *);

/* Handles up to 'n' of one worker. True if there are more. */
bool offers_take(struct offers *, struct worker *, unsigned n);

/* Why the flow was held back in the last OFFERS_HELD_MS: GOVERNOR_NO_REASON if it was not. */
enum { OFFERS_HELD_MS = 10000 };
enum governor_reason offers_find_held(struct offers *, struct dp_bridge *, const struct flow_key *);

#endif /* sw-datapath/offers.h */
