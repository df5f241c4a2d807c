/* SPDX-License-Identifier: Apache-2.0 */
/* Flows as text: ovs-ofctl's flow syntax (ovs-fields(7)) for the fields and actions
 * of OpenFlow 1.0, and ovs-dpctl's syntax for cache entries.
 *
 * What is printed here parses back to the same match and actions, and ovs-ofctl reads it
 * as the same. Parsing is stricter than ovs-ofctl's where that one changes silently what
 * was asked for: a field without its prerequisite, a value out of range, ECN bits in a ToS,
 * and a field given twice with values that contradict are errors. */
#ifndef LIB_FLOW_TEXT_H
#define LIB_FLOW_TEXT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/port_text.h"
#include "lib/strbuf.h"
#include "turnout/action.h"
#include "turnout/flow.h"

/* Prints a match as `ovs-ofctl dump-flows` does: "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80";
 * shorthands (ip, arp, icmp, tcp, udp, ...) where type and protocol are exact; "" matches
 * all. */
void flow_match_print(struct strbuf *, const struct flow_match *, const struct flow_text_ports *);

/* Appends ",FIELD=0" for each field of OpenFlow 1.0 that means nothing in the match: how a
 * match without wildcards is told from one that has wildcards there. */
void flow_match_print_meaningless(struct strbuf *, const struct flow_match *);

/* Parses a match: comma- or space-separated fields, shorthands included; prerequisites
 * are checked, masks only where the field takes one (addresses: /LEN or /MASK); "FIELD=*"
 * says that any value will do. Fields may come in any order. 0, or -EINVAL with a message
 * that names the field and the position (from 1), and *match as it was. */
int flow_match_parse(const char *, const struct flow_text_ports *, struct flow_match *,
                     struct errmsg *);

/* Prints "output:2,mod_vlan_vid:5,..." or "drop". */
void flow_actions_print(struct strbuf *, const struct action *actions, size_t len,
                        const struct flow_text_ports *);

/* Parses up to 'max' actions, in ovs-ofctl's names and forms (output:N, a bare port
 * number or name, drop, normal, flood, all, local, in_port, table, controller[:N],
 * enqueue:P:Q, set_queue:Q, pop_queue, mod_vlan_vid, mod_vlan_pcp, strip_vlan, mod_dl_src, mod_dl_dst,
 * mod_nw_src, mod_nw_dst, mod_nw_tos, mod_tp_src, mod_tp_dst, and of Nicira's dec_ttl[(ID,..)]
 * and controller(max_len=N,id=N,reason=NAME)). Returns the number, or
 * -EINVAL, -E2BIG. All bytes of the actions returned are initialised. */
int flow_actions_parse(const char *, const struct flow_text_ports *, struct action *actions,
                       size_t max, struct errmsg *);

/* Prints a cache entry's match as ovs-dpctl does: "in_port(1),eth(src=..,dst=..),
 * eth_type(0x0800),ipv4(src=..,dst=..,proto=1,tos=0,frag=no),icmp(type=8,code=0)"; a
 * field that the mask leaves out is not printed, a partly masked one has "/MASK". A tagged
 * frame has eth_type(0x8100),vlan(vid=..,pcp=..) and the rest in encap(..). */
void flow_key_print_dpctl(struct strbuf *, const struct flow_match *);

/* The packet that a flow in ovs-ofctl's syntax describes, for `trace`: fields that are
 * not given are 0, except that prerequisites given by shorthands are set. Masks are
 * refused: a packet has one value (ip_frag=yes is a first fragment). 0 or -EINVAL. */
int flow_key_parse(const char *, const struct flow_text_ports *, struct flow_key *,
                   struct errmsg *);

#endif /* lib/flow_text.h */
