/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec's files share, and nobody else: matches, actions and headers on the wire. */
#ifndef OFAGENT_OFP_INTERNAL_H
#define OFAGENT_OFP_INTERNAL_H 1

#include "ofagent/nx.h"
#include "ofagent/ofp.h"
#include "ofagent/openflow10.h"

/* Sets the refusal, and is what a decoder returns. 'why' is a static string. */
static inline int
ofp_refuse(struct ofp_refusal *refusal, uint16_t type, uint16_t code, const char *why)
{
    *refusal = (struct ofp_refusal) { .type = type, .code = code, .why = why };
    return OFP_REFUSED;
}

/* The same with one of Nicira's codes (ofagent/nx.h). */
static inline int
nx_refuse(struct ofp_refusal *refusal, uint16_t type, uint16_t code, const char *why)
{
    *refusal = (struct ofp_refusal) { .type = type, .code = code, .why = why,
                                      .vendor = NX_VENDOR };
    return OFP_REFUSED;
}

static inline int
ofp_refuse_size(struct ofp_refusal *refusal)
{
    return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                      "the message's length is not one that its type can have");
}

/* A header of this version. */
static inline struct of10_header
of10_header(uint8_t type, size_t size, uint32_t xid)
{
    return (struct of10_header) {
        .version = OFP_VERSION,
        .type = type,
        .length = be16_from_host((uint16_t) size),
        .xid = be32_from_host(xid),
    };
}

/* Copies text to a field of fixed size: cut if it is too long, terminated, zero to its end. */
static inline void
of10_put_text(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);
    memcpy(out, text, len);
    memset(out + len, 0, size - len);
}

void of10_decode_match(const struct of10_match *, struct ofp_match *);
void of10_encode_match(const struct ofp_match *, struct of10_match *);

/* True if the wire match stands for more packets than the match that it was made from. */
bool of10_match_is_wider(const struct of10_match *, const struct ofp_match *);
/* The same, remembering the answer for others like it. */
bool of10_match_is_wider_again(struct ofp_width *, const struct of10_match *,
                               const struct ofp_match *);

/* Checks command and flags, before anything that only some commands have is looked at. */
int of10_check_flow_mod(const struct ofp_flow_mod *, struct ofp_refusal *);
/* Takes the table out of a command's upper byte; refuses tables that are not there. */
int of10_take_table_id(uint16_t *command, struct ofp_refusal *);

/* Where a list of actions is: OFPP_TABLE is for PACKET_OUT alone. */
enum of10_action_place { OF10_IN_FLOW, OF10_IN_PACKET_OUT };

/* Decodes the whole of the 'size' bytes at 'wire', up to ACTION_LIST_MAX actions. */
int of10_decode_actions(const uint8_t *wire, size_t size, enum of10_action_place,
                        struct action *actions, uint32_t *n_actions, struct ofp_refusal *);
/* Bytes that the actions take on the wire. */
size_t of10_actions_size(const struct action *, uint32_t n_actions);
/* Writes them, of10_actions_size() bytes; 'out' may be at any address. */
void of10_encode_actions(const struct action *, uint32_t n_actions, uint8_t *out);

/* Nicira's actions (nx_actions.c). 'p' has 'len' bytes, 8 or more and as many as the action
 * says; 'out' is zeroed. */
int nx_decode_action(const uint8_t *p, size_t len, struct action *out, struct ofp_refusal *);
bool nx_is_action(const struct action *);
size_t nx_action_size(const struct action *);
void nx_encode_action(const struct action *, uint8_t *out);

void of10_encode_phy_port(const struct port_info *, struct of10_phy_port *);
void of10_decode_phy_port(const struct of10_phy_port *, struct port_info *);

/* An entry of a statistics reply was appended, from 'entry' on: if its part does not hold it,
 * it begins the next one. */
void of10_stats_fit(struct ofp_stats_reply *, size_t entry);

/* As ofp_check_size(), for either direction. */
enum of10_sender { OF10_CONTROLLER = 1 << 0, OF10_SWITCH = 1 << 1 };
int of10_check_size(const uint8_t *msg, size_t size, enum of10_sender, struct ofp_refusal *);

#endif /* ofagent/ofp_internal.h */
