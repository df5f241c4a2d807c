/* SPDX-License-Identifier: Apache-2.0 */
/* Packets as keys: what actions do to them, and how keys and actions are shown. */
#ifndef MGMT_KEY_TEXT_H
#define MGMT_KEY_TEXT_H 1

#include <stdbool.h>

#include "lib/flow_text.h"

/* Does to a key what the rewrite 'action' does to its packet (sw-datapath/execute.h).
 * False if the packet has no such layer, so nothing is done. Outputs do nothing and give
 * true. */
bool key_rewrite(struct flow_key *, const struct action *);

/* The match that only packets like this have: every field that the packet has, exactly. */
void key_to_match(const struct flow_key *, struct flow_match *);

/* Prints actions on packets of 'key' as ovs-dpctl shows them: "2", "push_vlan(vid=5,pcp=0),2",
 * "set(ipv4(src=10.0.0.1)),3", "drop". What the datapath decides by packet has a name:
 * normal, flood, all, in_port, controller. */
void key_print_actions(struct strbuf *, const struct action_list *, const struct flow_key *key);

#endif /* mgmt/key_text.h */
