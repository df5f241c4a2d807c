/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the printer share. Printers of a message return 0, or OFP_REFUSED
 * with the reason, after what they could print. */
#ifndef OFAGENT_OFP_PRINT_INTERNAL_H
#define OFAGENT_OFP_PRINT_INTERNAL_H 1

#include "ofagent/nx.h"

struct strbuf;

void ofp_print_port(struct strbuf *, uint16_t port);
void ofp_print_text(struct strbuf *, const char *text);
void ofp_print_match(struct strbuf *, const struct ofp_match *);
void ofp_print_cookie_filter(struct strbuf *, const struct ofp_cookie_filter *);
void ofp_print_actions(struct strbuf *, const struct action *, uint32_t n_actions);
/* What was decoded, whichever dialect it was in. */
void ofp_print_flow_mod(struct strbuf *, const struct ofp_flow_mod *);
void ofp_print_flow_removed(struct strbuf *, const struct ofp_flow_removed *);
void ofp_print_packet_in(struct strbuf *, const struct ofp_packet_in *);
void ofp_print_flow(struct strbuf *, const struct ofp_flow_stats *);
void ofp_print_aggregate(struct strbuf *, uint64_t packets, uint64_t bytes, uint32_t flows);
void ofp_print_flow_request(struct strbuf *, const struct ofp_stats_request *);

int ofp_print_stats_request(struct strbuf *, const uint8_t *msg, size_t size,
                            struct ofp_refusal *);
int ofp_print_stats_reply(struct strbuf *, const uint8_t *msg, size_t size, struct ofp_refusal *);
/* One of Nicira's messages; 'from_switch' tells a reply from a request in statistics. */
int nx_print(struct strbuf *, const struct nx_message *, bool from_switch, struct ofp_refusal *);

#endif /* ofagent/ofp_print_internal.h */
