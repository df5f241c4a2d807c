/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's side of OpenFlow 1.0: encoders of requests, decoders of what a switch
 * sends. The agent needs none of it; tests, fuzzers, the printer and tools that talk to a
 * switch do. The rules of ofp.h hold here too. */
#ifndef OFAGENT_OFP_PEER_H
#define OFAGENT_OFP_PEER_H 1

#include "ofagent/ofp.h"

/* --- encoders of requests ------------------------------------------------------- */
/* Each appends one whole message to 'w'. FLOW_MOD and PACKET_OUT are in ofp.h, messages
 * without a body are ofp_encode_header_only()'s. */

void ofp_encode_set_config(struct writer *w, uint32_t xid, const struct ofp_switch_config *);
void ofp_encode_port_mod(struct writer *w, uint32_t xid, const struct ofp_port_mod *);
/* Only the members that the request's type has are used. */
void ofp_encode_stats_request(struct writer *w, uint32_t xid, const struct ofp_stats_request *);
void ofp_encode_queue_get_config(struct writer *w, uint32_t xid, uint16_t port_no);

/* --- decoders of what a switch sends --------------------------------------------- */

/* As ofp_check_size(), for messages from a switch. Call it first. */
int ofp_check_size_from_switch(const uint8_t *msg, size_t size, struct ofp_refusal *);

/* '*ports' is what ofp_take_phy_port() reads. */
int ofp_decode_features(const uint8_t *msg, size_t size, struct ofp_features *,
                        struct reader *ports, struct ofp_refusal *);
/* Takes the next port; false when there is none. Its speed is not on the wire: 0. */
bool ofp_take_phy_port(struct reader *ports, struct port_info *);

/* GET_CONFIG_REPLY is laid out as SET_CONFIG is: ofp_decode_set_config(). */

/* 'data' is in 'msg'. */
int ofp_decode_packet_in(const uint8_t *msg, size_t size, struct ofp_packet_in *,
                         struct ofp_refusal *);
int ofp_decode_flow_removed(const uint8_t *msg, size_t size, struct ofp_flow_removed *,
                            struct ofp_refusal *);
int ofp_decode_port_status(const uint8_t *msg, size_t size, uint8_t *reason, struct port_info *,
                           struct ofp_refusal *);

/* One part of a statistics reply. The entries in 'body' are taken one by one, by the
 * function for the type, while reader_left() says that there are more. */
struct ofp_stats_part {
    uint16_t type;
    bool more;                 /* another part follows */
    struct reader body;
};
int ofp_decode_stats_reply(const uint8_t *msg, size_t size, struct ofp_stats_part *,
                           struct ofp_refusal *);

struct ofp_desc_text { char mfr[256], hw[256], sw[256], serial[32], dp[256]; };
struct ofp_aggregate_stats { uint64_t packets, bytes; uint32_t flows; };
struct ofp_table_stats {
    uint8_t id;
    char name[32];
    uint32_t wildcards, max, active;
    uint64_t lookups, matched;
};
struct ofp_port_stats { uint16_t port_no; struct port_counters counters; };

/* Each is 0, or OFP_REFUSED when what is left is no such entry. Text is terminated. */
int ofp_take_desc(struct reader *, struct ofp_desc_text *, struct ofp_refusal *);
/* The flow's actions go to 'actions', room for ACTION_LIST_MAX, and flow->actions points
 * there. */
int ofp_take_flow(struct reader *, struct ofp_flow_stats *, struct action *actions,
                  struct ofp_refusal *);
int ofp_take_aggregate(struct reader *, struct ofp_aggregate_stats *, struct ofp_refusal *);
int ofp_take_table(struct reader *, struct ofp_table_stats *, struct ofp_refusal *);
int ofp_take_port(struct reader *, struct ofp_port_stats *, struct ofp_refusal *);
int ofp_take_queue(struct reader *, struct ofp_queue_stats *, struct ofp_refusal *);

/* '*queues' is what ofp_take_queue_config() reads. */
int ofp_decode_queue_config(const uint8_t *msg, size_t size, uint16_t *port_no,
                            struct reader *queues, struct ofp_refusal *);
/* Properties that are not known are skipped. */
int ofp_take_queue_config(struct reader *queues, struct ofp_queue *, struct ofp_refusal *);

#endif /* ofagent/ofp_peer.h */
