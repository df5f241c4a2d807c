/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's extension, decoded. What ofp.h says of messages, decoders, refusals and threads
 * holds here too. docs/OPENFLOW.md lists what is done with each message. */
#ifndef OFAGENT_NX_H
#define OFAGENT_NX_H 1

#include "ofagent/ofp.h"

/* Codes that Nicira adds; a refusal with one has ofp_refusal.vendor = NX_VENDOR. The types
 * are 1.0's, but for NXET_TABLE, which has 1.0's number of QUEUE_OP_FAILED. */
enum { NX_VENDOR = 0x00002320 };
enum {                               /* OFPET_BAD_REQUEST */
    NXBRC_NXM_INVALID = 256, NXBRC_NXM_BAD_TYPE = 257, NXBRC_BAD_VALUE = 258,
    NXBRC_BAD_MASK = 259, NXBRC_BAD_PREREQ = 260, NXBRC_DUP_FIELD = 261,
    NXBRC_BAD_WILDCARDS = 262, NXBRC_BAD_TABLE_ID = 512, NXBRC_BAD_ROLE = 513,
    NXBRC_BAD_PORT = 514, NXBRC_MUST_BE_ZERO = 515,
};
enum { NXBAC_MUST_BE_ZERO = 256 };   /* OFPET_BAD_ACTION */
enum { NXFMFC_BAD_FLAGS = 258 };     /* OFPET_FLOW_MOD_FAILED */
enum { NXET_TABLE = 5 };
enum { NXTC_HARDWARE = 256, NXTC_BAD_TABLE_ID = 257 };

/* "NX_BAD_REQUEST/BAD_ROLE"; one without a name is written out, as ofp_error_name() does. */
const char *nx_error_name(uint16_t type, uint16_t code);

/* One of Nicira's messages: a VENDOR message, or statistics of type VENDOR. */
struct nx_message {
    bool stats;
    uint32_t subtype;                /* NXT_*, or NXST_* in statistics */
    const uint8_t *body;             /* in 'msg': what follows the headers */
    uint32_t body_size;
};

/* Reads the headers of a VENDOR message or of vendor statistics, whose ofp_check_size() is
 * good. Refuses other vendors (BAD_VENDOR), and what is shorter than its headers. */
int nx_decode(const uint8_t *msg, size_t size, struct nx_message *, struct ofp_refusal *);
/* Refuses a subtype that is unknown or that only a switch sends (BAD_SUBTYPE), and a body
 * that the subtype can't have (BAD_LEN). nx_check_any() takes those of switches as well. */
int nx_check_size(const struct nx_message *, struct ofp_refusal *);
int nx_check_any(const struct nx_message *, bool from_switch, struct ofp_refusal *);
/* "NXT_ROLE_REQUEST", or the number, to a buffer of the thread's own. */
const char *nx_name(const struct nx_message *);

/* Begins a message; its body is appended, then ofp_end() ends it. */
size_t nx_begin(struct writer *w, uint32_t xid, uint32_t subtype);

/* --- roles ------------------------------------------------------------------------------- */

enum nx_role { NX_ROLE_OTHER, NX_ROLE_MASTER, NX_ROLE_SLAVE, N_NX_ROLES };
const char *nx_role_name(enum nx_role);      /* "other" */
int nx_decode_role(const struct nx_message *, enum nx_role *, struct ofp_refusal *);
void nx_encode_role_request(struct writer *w, uint32_t xid, enum nx_role);
void nx_encode_role_reply(struct writer *w, uint32_t xid, enum nx_role);

/* --- asynchronous messages ------------------------------------------------------------------ */

/* What a switch sends by itself, in the order of NXT_SET_ASYNC_CONFIG. */
enum nx_async { NX_PACKET_IN, NX_PORT_STATUS, NX_FLOW_REMOVED, N_NX_ASYNC };

/* Which of it, by reason: a bit 1 << OFPR_*, OFPPR_*, OFPRR_*. [0]: in the roles other and
 * master, [1]: as slave. */
struct nx_async_config {
    uint32_t masks[N_NX_ASYNC][2];
};
/* As a connection begins: as other and master everything but invalid TTLs; as slave only
 * PORT_STATUS. */
extern const struct nx_async_config nx_async_default;

const char *nx_async_name(enum nx_async);    /* "packet_in" */
/* "no_match", "add", "idle"; NULL of a reason without a name. */
const char *nx_reason_name(enum nx_async, unsigned reason);

int nx_decode_async_config(const struct nx_message *, struct nx_async_config *,
                           struct ofp_refusal *);
void nx_encode_async_config(struct writer *w, uint32_t xid, const struct nx_async_config *);

int nx_decode_controller_id(const struct nx_message *, uint16_t *id, struct ofp_refusal *);
void nx_encode_controller_id(struct writer *w, uint32_t xid, uint16_t id);
/* --- flows ------------------------------------------------------------------------------- */

/* NXT_SET_FLOW_FORMAT: whether nx_match is what flows are told in. Others than 1.0's own and
 * nx_match are refused (EPERM, as Open vSwitch does). */
int nx_decode_flow_format(const struct nx_message *, bool *nxm, struct ofp_refusal *);
/* NXT_FLOW_MOD_TABLE_ID: whether a FLOW_MOD's command has a table's number. */
int nx_decode_flow_mod_table_id(const struct nx_message *, bool *on, struct ofp_refusal *);

/* NXT_FLOW_MOD; 'table_id': it may name a table. As ofp_decode_flow_mod(), and:
 *  - a cookie in the match is the filter of MODIFY and DELETE, and refused in ADD;
 *  - a MODIFY's cookie of all ones leaves the flows' as they are, and finding none adds
 *    none; nor does a MODIFY with a filter;
 *  - it can't say of a match that 1.0 can't write without wildcards whether it has some: a
 *    flow without, of this match and priority, is meant as well. */
int nx_decode_flow_mod(const struct nx_message *, bool table_id, struct ofp_flow_mod *,
                       struct ofp_refusal *);

/* NXST_FLOW or NXST_AGGREGATE: 'type' is the OFPST_* that they are like. */
int nx_decode_flow_request(const struct nx_message *, struct ofp_stats_request *,
                           struct ofp_refusal *);

void nx_encode_flow_removed(struct writer *w, const struct ofp_flow_removed *);

/* As ofp_stats_begin(); NXST_AGGREGATE's entry is ofp_put_aggregate()'s. */
void nx_stats_begin(struct ofp_stats_reply *, struct writer *w, uint32_t xid, uint32_t subtype);
void nx_put_flow(struct ofp_stats_reply *, const struct ofp_flow_stats *);

/* --- packets ----------------------------------------------------------------------------- */

/* NXT_SET_PACKET_IN_FORMAT: whether it is NXT_PACKET_IN. Others than that and 1.0's own are
 * refused (EPERM). */
int nx_decode_packet_in_format(const struct nx_message *, bool *nxm, struct ofp_refusal *);
/* The port is in the match; the cookie is told. What does not fit is cut off, and counted. */
void nx_encode_packet_in(struct writer *w, const struct ofp_packet_in *);

/* --- for tests, fuzzers and snooping: the other direction --------------------------------- */

void nx_encode_flow_format(struct writer *w, uint32_t xid, uint32_t format);
void nx_encode_flow_mod_table_id(struct writer *w, uint32_t xid, bool on);
void nx_encode_packet_in_format(struct writer *w, uint32_t xid, uint32_t format);
void nx_encode_flow_mod(struct writer *w, uint32_t xid, const struct ofp_flow_mod *);
void nx_encode_flow_request(struct writer *w, uint32_t xid, const struct ofp_stats_request *);
int nx_decode_flow_removed(const struct nx_message *, struct ofp_flow_removed *,
                           struct ofp_refusal *);
int nx_decode_packet_in(const struct nx_message *, struct ofp_packet_in *, struct ofp_refusal *);
/* Takes the next flow of a reply, as ofp_take_flow(). */
int nx_take_flow(struct reader *, struct ofp_flow_stats *, struct action *actions,
                 struct ofp_refusal *);

#endif /* ofagent/nx.h */
