/* SPDX-License-Identifier: Apache-2.0 */
/* Rules with wildcards as a whole, for devices whose tables have masks and priorities.
 *
 * A whole rule's entry names one ingress port, so a rule that does not has one for each port with
 * a device; and it has no fragments, whose ports and checksums no table can be trusted with: they
 * get exact matches, or software. Only a device that does not look into IP packets at all says that
 * its entries are of fragments, too. What is above a rule is asked of the classifier, with a bound on
 * the rules that are looked at: beyond it the rule's flows get exact matches.
 *
 * Control thread. */
#ifndef SW_DATAPATH_OFFLOAD_WHOLE_H
#define SW_DATAPATH_OFFLOAD_WHOLE_H 1

#include "sw-datapath/offload.h"

enum {
    WHOLE_MAX_PORTS = 32,        /* entries that a rule gets when it comes; others with traffic */
    WHOLE_MAX_ABOVE = 1024,      /* rules that are looked at to find what is above one */
    WHOLE_MAX_BELOW = 256,       /* ... and what is below one that goes */
};

/* What the entry of a rule's packets from a port matches. False: the rule has none there. */
bool offload_whole_match(const struct dp_bridge *, const struct flow_match *rule, uint16_t in_port,
                         struct flow_match *whole);

/* hal_source.derive_whole and each_above. */
bool offload_derive_whole(void *bridge, const struct flow_match *whole, uint16_t priority,
                          struct hal_derivation *);
bool offload_each_above(void *bridge, const struct flow_match *whole, uint16_t priority,
                        const void *owner, bool (*visit)(const struct hal_above *, void *aux),
                        void *aux);

/* Offers a rule with wildcards, on its ports, where it is worth asking. */
void offload_offer_whole(struct dp_bridge *, const struct rule *);
/* Offers what is below or beside a rule that went, or changed: it may have stood in the way. */
void offload_offer_below(struct dp_bridge *, const struct flow_match *, uint32_t rank);

#endif /* sw-datapath/offload_whole.h */
