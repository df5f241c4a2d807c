/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath as the HAL's source: what it derives for hardware, what it offers, and how its
 * changes reach the HAL.
 *
 * Workers find busy flows (heat.h) and offer their keys through a ring each; the control
 * thread derives what becomes of such packets from the rules as they are, and the HAL
 * places it. Whatever changes what would be derived is told to the HAL in the same turn, and
 * dp_barrier() waits for the HAL first. Packets of a port whose device is in the packet path
 * pass through the device before the cache.
 *
 * Control thread, but for what is said to be the workers'. */
#ifndef SW_DATAPATH_OFFLOAD_H
#define SW_DATAPATH_OFFLOAD_H 1

#include "hal/hal.h"
#include "sw-datapath/dp_internal.h"

struct offload;

/* The datapath's part with this HAL, which must outlive it. NULL and *err. */
struct offload *offload_new(struct dp *, struct hal *, struct errmsg *err);
void offload_free(struct offload *);

/* Where a derivation's actions may be made; good until the next. */
struct action_list *offload_room(struct offload *);
/* ... that of a whole rule: it does not disturb another one. */
struct action_list *offload_room_of_whole(struct offload *);

/* A bridge comes, and goes. 0 or -ENOMEM. */
int offload_bridge_added(struct dp_bridge *);
void offload_bridge_removed(struct dp_bridge *);

/* A port's configuration or state changed, or it goes. */
void offload_port_changed(struct dp_port *);
void offload_port_removed(struct dp_port *);
/* Addresses may have moved, or been forgotten: in the turn in which the control thread did it,
 * or was told of it by a worker that learnt. Until then, and until the device has answered,
 * hardware goes on as before; a barrier waits for what was learnt before it. False: nothing has
 * changed. */
bool offload_addresses_changed(struct dp_bridge *);
/* Fragment mode, what a table miss does, or whether NORMAL forwards to reserved addresses. */
void offload_config_changed(struct dp_bridge *);

/* Handles what workers offered: up to 'n' of each. True if there is more. */
bool offload_take_offers(struct dp *, unsigned n);

/* Calls next() once the HAL's barrier is over. The barrier's done() can still be cancelled. */
void offload_barrier(struct dp *, struct dp_barrier *, void (*next)(struct dp *, struct dp_barrier *));
void offload_barrier_cancel(struct dp *, struct dp_barrier *);

/* --- workers ---------------------------------------------------------------------------- */

/* Passes a batch through the port's device, if it has one in the packet path. Packets that
 * it forwards leave the batch; returns how many are left, in packets[] and keys[]. */
unsigned offload_process(struct dp_thread *, const struct rx_port *, const struct port_map *,
                         struct packet packets[], struct flow_key keys[], unsigned n);

/* A flow ('entry' names it) that came in by a port with a device had HEAT_STEP more packets: offers
 * it (offers.c) if it has at least 'threshold' a second, 0: in any case, and the governor lets it.
 * The governor has no say about exact rules. The key is one of w->keys. */
void offload_heat(struct worker *, const struct rx_port *, const struct flow_key *, uint32_t entry,
                  uint32_t threshold, bool exact_rule);

/* --- derivations (derive.c) --------------------------------------------------------------- */

enum { DERIVE_MAX_ACTIONS = 256 };

/* What becomes of packets with this key, for hardware: hal_source.derive. 'room' has room for
 * DERIVE_MAX_ACTIONS; the derivation's actions are there. */
bool derive_entry(const struct dp_bridge *, const struct flow_key *, struct action_list *room,
                  struct hal_derivation *);

/* Packets of 'match' were forwarded in hardware by an entry of the rule: what software would
 * have learnt from them, had it not been known, does not age. */
void derive_refresh(const struct dp_bridge *, const struct rule *, const struct flow_match *,
                    uint64_t used_ms);

/* A rule, in the table or not. */
struct derive_rule {
    const struct flow_match *match;    /* looked at for rank RULE_RANK_EXACT only */
    uint32_t rank;
    uint64_t cookie;
    const struct action_list *actions;
    const struct flow_mask *also;      /* what else would be looked at in packets with the key, by
                                        * the rule and others that are not in the table; or NULL */
    bool has_exact;                    /* among those are some without wildcards */
    bool is_sample;                    /* the key stands for many: NORMAL is taken to have learnt
                                        * where its addresses are */
};

/* The same if packets with the key got this rule; the owner is NULL. */
void derive_from(const struct dp_bridge *, const struct flow_key *, const struct derive_rule *,
                 struct action_list *room, struct hal_derivation *);
/* The rule without wildcards as the match of its entry. */
void derive_exact_match(const struct dp_bridge *, const struct flow_match *, struct flow_match *);
/* A rule as a whole, where rule->match is offload_whole_match()'s; the owner is NULL. */
void derive_whole(const struct dp_bridge *, const struct derive_rule *, struct action_list *room,
                  struct hal_derivation *);
/* The list has NORMAL: packets are learnt from, and go where addresses were learnt. */
bool derive_learns(const struct action_list *);

#endif /* sw-datapath/offload.h */
