/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow 1.0 messages, decoded: what the agent works with.
 *
 * The codec (ofp_*.c) is the only code that knows the wire layout (openflow10.h). It is
 * strict in both directions: a message whose length, reserved values or contents are not
 * what the specification says is refused with the error that the specification names, and
 * nothing that it encodes would be refused by its own decoder. docs/OPENFLOW.md lists what
 * is checked, and where it is lenient because real controllers need it.
 *
 * This header has what a switch needs; the controller's side (encoders of requests,
 * decoders of replies) is in ofp_peer.h, one readable line a message in ofp_print.h.
 *
 * Everything here is host order except struct be16/be32/be64 and addresses.
 *
 * Decoders return 0; or OFP_REFUSED with *refusal set: the caller answers with that
 * error and the connection lives on. Output is unspecified when refused. An ERROR is
 * never answered with an error, however wrong it is: two peers could go on for ever.
 *
 * 'msg' may be at any address, and is only read. 'size' bytes are there; a decoder reads
 * no further whatever the message says. No function keeps state: any thread.
 */
#ifndef OFAGENT_OFP_H
#define OFAGENT_OFP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "lib/wire.h"
#include "turnout/action.h"
#include "turnout/flow.h"
#include "turnout/port.h"

enum { OFP_VERSION = 0x01, OFP_HEADER_SIZE = 8, OFP_MAX_SIZE = 65535 };

enum ofp_type {
    OFPT_HELLO, OFPT_ERROR, OFPT_ECHO_REQUEST, OFPT_ECHO_REPLY, OFPT_VENDOR,
    OFPT_FEATURES_REQUEST, OFPT_FEATURES_REPLY, OFPT_GET_CONFIG_REQUEST,
    OFPT_GET_CONFIG_REPLY, OFPT_SET_CONFIG, OFPT_PACKET_IN, OFPT_FLOW_REMOVED,
    OFPT_PORT_STATUS, OFPT_PACKET_OUT, OFPT_FLOW_MOD, OFPT_PORT_MOD,
    OFPT_STATS_REQUEST, OFPT_STATS_REPLY, OFPT_BARRIER_REQUEST, OFPT_BARRIER_REPLY,
    OFPT_QUEUE_GET_CONFIG_REQUEST, OFPT_QUEUE_GET_CONFIG_REPLY,
    N_OFP_TYPES
};

enum { OFP_REFUSED = 1 };

/* Action types (5.2.4); FEATURES_REPLY has a bit 1 << OFPAT_* for each. */
enum ofp_action_type {
    OFPAT_OUTPUT, OFPAT_SET_VLAN_VID, OFPAT_SET_VLAN_PCP, OFPAT_STRIP_VLAN, OFPAT_SET_DL_SRC,
    OFPAT_SET_DL_DST, OFPAT_SET_NW_SRC, OFPAT_SET_NW_DST, OFPAT_SET_NW_TOS, OFPAT_SET_TP_SRC,
    OFPAT_SET_TP_DST, OFPAT_ENQUEUE,
    N_OFP_ACTION_TYPES,
    OFPAT_ALL = (1 << N_OFP_ACTION_TYPES) - 1, /* every one of 1.0's own */
};

/* Error types and codes (5.4.4). */
enum ofp_error_type {
    OFPET_HELLO_FAILED, OFPET_BAD_REQUEST, OFPET_BAD_ACTION, OFPET_FLOW_MOD_FAILED,
    OFPET_PORT_MOD_FAILED, OFPET_QUEUE_OP_FAILED,
};
enum { OFPHFC_INCOMPATIBLE, OFPHFC_EPERM };
enum {
    OFPBRC_BAD_VERSION, OFPBRC_BAD_TYPE, OFPBRC_BAD_STAT, OFPBRC_BAD_VENDOR, OFPBRC_BAD_SUBTYPE,
    OFPBRC_EPERM, OFPBRC_BAD_LEN, OFPBRC_BUFFER_EMPTY, OFPBRC_BUFFER_UNKNOWN,
};
enum {
    OFPBAC_BAD_TYPE, OFPBAC_BAD_LEN, OFPBAC_BAD_VENDOR, OFPBAC_BAD_VENDOR_TYPE,
    OFPBAC_BAD_OUT_PORT, OFPBAC_BAD_ARGUMENT, OFPBAC_EPERM, OFPBAC_TOO_MANY, OFPBAC_BAD_QUEUE,
};
enum {
    OFPFMFC_ALL_TABLES_FULL, OFPFMFC_OVERLAP, OFPFMFC_EPERM, OFPFMFC_BAD_EMERG_TIMEOUT,
    OFPFMFC_BAD_COMMAND, OFPFMFC_UNSUPPORTED,
};
enum { OFPPMFC_BAD_PORT, OFPPMFC_BAD_HW_ADDR };
enum { OFPQOFC_BAD_PORT, OFPQOFC_BAD_QUEUE, OFPQOFC_EPERM };

struct ofp_refusal {
    uint16_t type, code;      /* OFPET_*, and its code */
    const char *why;          /* for the log: static string, what was wrong and where */
    uint32_t vendor;          /* whose type and code: 0: OpenFlow's; NX_VENDOR: those of nx.h */
};

struct ofp_header {
    uint8_t version, type;
    uint16_t length;
    uint32_t xid;
};
/* Reads a header from 8 bytes. Checks nothing. */
void ofp_header_decode(const uint8_t *, struct ofp_header *);

/* Names. A number without one is written out ("type 99"; "type 1/code 99"), to a buffer
 * of the thread's own that lasts until its next call. */
const char *ofp_type_name(uint8_t type);                      /* "FLOW_MOD" */
const char *ofp_error_name(uint16_t type, uint16_t code);     /* "BAD_ACTION/BAD_LEN" */
const char *ofp_refusal_name(const struct ofp_refusal *);     /* of any vendor */

/* Whole messages ('msg' has 'size' bytes, header included, size == header length).
 * ofp_check_size() refuses a version other than 1 (but in HELLO, and in ERROR, which a
 * peer of another version may send), an unknown type, a type that only a switch sends,
 * and sizes that the type can't have. Call it first. */
int ofp_check_size(const uint8_t *msg, size_t size, struct ofp_refusal *);

/* --- controller to switch ------------------------------------------------------ */

/* 'flags' is one of OFPC_FRAG_*, of which the value 3 means nothing, and perhaps
 * OFPC_INVALID_TTL_TO_CONTROLLER, which is later than 1.0 but in use; other bits are left
 * out. */
struct ofp_switch_config { uint16_t flags, miss_send_len; };
enum {
    OFPC_FRAG_NORMAL, OFPC_FRAG_DROP, OFPC_FRAG_REASM, OFPC_FRAG_MASK = 3,
    OFPC_INVALID_TTL_TO_CONTROLLER = 4,
};
int ofp_decode_set_config(const uint8_t *msg, size_t size, struct ofp_switch_config *,
                          struct ofp_refusal *);

enum ofp_flow_mod_command {
    OFPFC_ADD, OFPFC_MODIFY, OFPFC_MODIFY_STRICT, OFPFC_DELETE, OFPFC_DELETE_STRICT,
};
enum { OFPFF_SEND_FLOW_REM = 1, OFPFF_CHECK_OVERLAP = 2, OFPFF_EMERG = 4 };
enum { OFP_NO_BUFFER = 0xffffffff, OFP_DEFAULT_PRIORITY = 0x8000 };

/* A match as 1.0 has it: normalised, and whether it had no wildcards on the wire (then
 * the flow outranks every wildcarded one). */
struct ofp_match {
    struct flow_match match;
    bool exact;
};

/* The flows that a request is about, by cookie: those whose cookie is 'value' under 'mask'.
 * Only Nicira's requests have one; no mask, all flows. */
struct ofp_cookie_filter {
    uint64_t value, mask;
};
static inline bool
ofp_cookie_fits(const struct ofp_cookie_filter *filter, uint64_t cookie)
{
    return ((cookie ^ filter->value) & filter->mask) == 0;
}

struct ofp_flow_mod {
    struct ofp_match match;
    uint64_t cookie;
    uint16_t command, idle_timeout, hard_timeout, priority, out_port, flags;
    uint32_t buffer_id;
    bool nxm;                  /* Nicira's: see nx_decode_flow_mod() for what it says else */
    struct ofp_cookie_filter only; /* MODIFY, DELETE: of these flows */
    uint32_t n_actions;
    struct action actions[ACTION_LIST_MAX];
};
/* Checks everything that needs no state, each action's argument and port number
 * included (DELETEs ignore their actions). Whether a port exists is the agent's. What a
 * command does not use comes out neutral: out_port is PORT_NONE in ADD and MODIFY;
 * buffer_id is OFP_NO_BUFFER and n_actions 0 in DELETE. Only the first n_actions of
 * 'actions' are written. */
int ofp_decode_flow_mod(const uint8_t *msg, size_t size, struct ofp_flow_mod *,
                        struct ofp_refusal *);
/* The same from a connection with NXT_FLOW_MOD_TABLE_ID: the upper byte of the command is a
 * table, of which there is only 0; 0xff is any. */
int ofp_decode_flow_mod_table_id(const uint8_t *msg, size_t size, struct ofp_flow_mod *,
                                 struct ofp_refusal *);

/* Checks the actions of a flow that did not come in a message as those of one that did. 0 or
 * OFP_REFUSED. */
int ofp_check_actions(const struct action *, uint32_t n_actions, struct ofp_refusal *);

struct ofp_packet_out {
    uint32_t buffer_id;
    uint16_t in_port;          /* physical, PORT_LOCAL, PORT_CONTROLLER or PORT_NONE (0 too) */
    const uint8_t *data;       /* in 'msg'; only without a buffer */
    uint32_t data_size;
    uint32_t n_actions;
    struct action actions[ACTION_LIST_MAX];
};
int ofp_decode_packet_out(const uint8_t *msg, size_t size, struct ofp_packet_out *,
                          struct ofp_refusal *);

struct ofp_port_mod {
    uint16_t port_no;
    uint8_t hw_addr[6];
    uint32_t config, mask, advertise;
};
int ofp_decode_port_mod(const uint8_t *msg, size_t size, struct ofp_port_mod *,
                        struct ofp_refusal *);

enum ofp_stats_type {
    OFPST_DESC, OFPST_FLOW, OFPST_AGGREGATE, OFPST_TABLE, OFPST_PORT, OFPST_QUEUE,
    OFPST_VENDOR = 0xffff,
};
enum { OFPSF_REPLY_MORE = 1 };
struct ofp_stats_request {
    uint16_t type;
    struct ofp_match match;    /* FLOW, AGGREGATE */
    struct ofp_cookie_filter only; /* FLOW, AGGREGATE */
    uint8_t table_id;          /* FLOW, AGGREGATE */
    uint16_t out_port;         /* FLOW, AGGREGATE */
    uint16_t port_no;          /* PORT, QUEUE */
    uint32_t queue_id;         /* QUEUE */
};
/* The type of a request or reply, which may be unknown; 0 of one that is too short. */
uint16_t ofp_stats_type(const uint8_t *msg, size_t size);
/* Refuses VENDOR: nx_decode() (nx.h) reads those. */
int ofp_decode_stats_request(const uint8_t *msg, size_t size, struct ofp_stats_request *,
                             struct ofp_refusal *);

int ofp_decode_queue_get_config(const uint8_t *msg, size_t size, uint16_t *port_no,
                                struct ofp_refusal *);

/* VENDOR, of any vendor; nx.h has the one that the agent knows. 'data' is in 'msg'. */
struct ofp_vendor {
    uint32_t vendor;
    const uint8_t *data;       /* what follows the vendor's number */
    uint32_t data_size;
};
int ofp_decode_vendor(const uint8_t *msg, size_t size, struct ofp_vendor *, struct ofp_refusal *);

/* HELLO: the highest version both sides have, from its header and an optional version
 * bitmap; 0 if there is none in common. */
uint8_t ofp_decode_hello(const uint8_t *msg, size_t size);

/* ERROR from the peer, for the log. */
int ofp_decode_error(const uint8_t *msg, size_t size, uint16_t *type, uint16_t *code,
                     struct ofp_refusal *);
/* The same with a vendor's type and code looked for: *what is the error that was sent, why
 * is NULL, and *data (in 'msg') the beginning of the message that it refuses. */
int ofp_decode_any_error(const uint8_t *msg, size_t size, struct ofp_refusal *what,
                         struct reader *data, struct ofp_refusal *);

/* --- switch to controller ------------------------------------------------------ */
/* Each appends one whole message to 'w'. */

void ofp_encode_header_only(struct writer *w, uint8_t type, uint32_t xid);
/* As much of a refused message as the specification asks for; more would let a peer make us
 * send more than it did. */
enum { OFP_ERROR_DATA = 64 };
/* 'request': the message refused; its first 64 bytes, or all of it, go along (with
 * HELLO_FAILED: refusal->why as text, as 5.4.4 has it). The xid is the request's. Counts
 * the refusal by its type. */
void ofp_encode_error(struct writer *w, const struct ofp_refusal *, const uint8_t *request,
                      size_t size);
void ofp_encode_echo(struct writer *w, uint8_t type, uint32_t xid, const void *data, size_t size);

struct ofp_features {
    uint64_t datapath_id;
    uint32_t n_buffers;
    uint8_t n_tables;
    uint32_t capabilities, actions;   /* OFPC_* and 1 << OFPAT_* */
};
enum {
    OFPC_FLOW_STATS = 1 << 0, OFPC_TABLE_STATS = 1 << 1, OFPC_PORT_STATS = 1 << 2, OFPC_STP = 1 << 3,
    OFPC_IP_REASM = 1 << 5, OFPC_QUEUE_STATS = 1 << 6, OFPC_ARP_MATCH_IP = 1 << 7,
};
/* The message is begun, ports are added one by one (at most 1364 fit: the rest are left
 * out, and the function returns false), then it is ended. */
size_t ofp_begin_features(struct writer *w, uint32_t xid, const struct ofp_features *);
bool ofp_put_phy_port(struct writer *w, size_t begin, const struct port_info *);
void ofp_end(struct writer *w, size_t begin);

void ofp_encode_config(struct writer *w, uint32_t xid, const struct ofp_switch_config *);

enum { OFPR_NO_MATCH, OFPR_ACTION, OFPR_INVALID_TTL }; /* the last one is later than 1.0 */
enum { OFP_PACKET_IN_MAX = OFP_MAX_SIZE - 18 };  /* bytes of frame that one can carry */
#define OFP_NO_COOKIE UINT64_MAX
struct ofp_packet_in {
    uint32_t buffer_id;
    uint16_t total_len, in_port;
    uint8_t reason;
    uint64_t cookie;           /* of the flow, for Nicira's format; OFP_NO_COOKIE: there is none */
    const uint8_t *data;
    uint32_t data_size;        /* what is above OFP_PACKET_IN_MAX is cut off, and counted */
};
void ofp_encode_packet_in(struct writer *w, const struct ofp_packet_in *);
/* The reason that a PACKET_IN, or an NXT_PACKET_IN, of our own says. */
uint8_t ofp_packet_in_reason(const uint8_t *msg, size_t size);

enum { OFPRR_IDLE_TIMEOUT, OFPRR_HARD_TIMEOUT, OFPRR_DELETE };
struct ofp_flow_removed {
    struct ofp_match match;
    uint64_t cookie, packets, bytes;
    uint16_t priority, idle_timeout;
    uint8_t reason;
    uint32_t duration_s, duration_ns;
};
void ofp_encode_flow_removed(struct writer *w, const struct ofp_flow_removed *);

enum { OFPPR_ADD, OFPPR_DELETE, OFPPR_MODIFY };
void ofp_encode_port_status(struct writer *w, uint8_t reason, const struct port_info *);

/* Whether matches like the last one get wider on the wire. Flows that come one after the
 * other mostly have the same fields. */
struct ofp_width {
    struct flow_key mask;
    uint32_t like;             /* what else of a match it depends on; 0: not known yet */
    bool wider;
};

/* Statistics replies: a reply is begun, entries are appended, and when the next one does
 * not fit below 64 KiB the reply is closed with the MORE flag and another begun. The
 * caller may send what is in 'w' before 'begin' (whole messages) between entries, and then
 * drop it with ofp_stats_flush(), so that a long reply needs no more than 128 KiB. */
struct ofp_stats_reply {
    struct writer *w;
    size_t begin;
    uint32_t xid;
    uint16_t type;
    uint32_t subtype;          /* of Nicira's, whose type is OFPST_VENDOR */
    struct ofp_width width;    /* of the last flow's match */
};
void ofp_stats_begin(struct ofp_stats_reply *, struct writer *w, uint32_t xid, uint16_t type);
void ofp_stats_end(struct ofp_stats_reply *);
/* Drops the bytes before 'begin', which the caller has sent; 'begin' is 0 then. */
void ofp_stats_flush(struct ofp_stats_reply *);

struct ofp_desc { const char *mfr, *hw, *sw, *serial, *dp; };
void ofp_put_desc(struct ofp_stats_reply *, const struct ofp_desc *);

struct ofp_flow_stats {
    uint8_t table_id;
    struct ofp_match match;
    uint64_t cookie, packets, bytes;
    uint32_t duration_s, duration_ns;
    uint16_t priority, idle_timeout, hard_timeout;
    uint32_t idle_age_s, hard_age_s; /* since it was used, and changed; Nicira's replies alone */
    const struct action *actions;
    uint32_t n_actions;
};
void ofp_put_flow(struct ofp_stats_reply *, const struct ofp_flow_stats *);
void ofp_put_aggregate(struct ofp_stats_reply *, uint64_t packets, uint64_t bytes, uint32_t flows);
void ofp_put_table(struct ofp_stats_reply *, uint8_t id, const char *name, uint32_t wildcards,
                   uint32_t max, uint32_t active, uint64_t lookups, uint64_t matched);
/* A counter that is UINT64_MAX is sent as all ones, which says "not available". */
void ofp_put_port(struct ofp_stats_reply *, uint16_t port_no, const struct port_counters *);
struct ofp_queue_stats {
    uint16_t port_no;
    uint32_t queue_id;
    uint64_t bytes, packets, errors;
};
void ofp_put_queue(struct ofp_stats_reply *, const struct ofp_queue_stats *);

/* QUEUE_GET_CONFIG_REPLY: begun, queues added, ended with ofp_end(). */
enum { OFP_MIN_RATE_NONE = 0xffff };
struct ofp_queue {
    uint32_t queue_id;
    uint16_t min_rate;         /* tenths of a per cent; OFP_MIN_RATE_NONE: no such property */
};
size_t ofp_begin_queue_config(struct writer *w, uint32_t xid, uint16_t port_no);
bool ofp_put_queue_config(struct writer *w, size_t begin, const struct ofp_queue *);

/* VENDOR, in either direction. */
void ofp_encode_vendor(struct writer *w, uint32_t xid, const struct ofp_vendor *);

/* --- for tests, fuzzers and snooping: the other direction ----------------------- */

void ofp_encode_flow_mod(struct writer *w, uint32_t xid, const struct ofp_flow_mod *);
void ofp_encode_packet_out(struct writer *w, uint32_t xid, const struct ofp_packet_out *);
/* Wire match of 40 bytes. 1.0 matches a field whole or not at all, network addresses by
 * prefix; what a mask has beyond that is wild: the narrowest match that covers it.
 * Fields that don't count are wild, or, in a match without wildcards, zero. Decoding
 * returns 0, or OFP_REFUSED when there are fewer bytes: every match has a meaning. */
void ofp_encode_match(struct writer *w, const struct ofp_match *);
int ofp_decode_match(struct reader *, struct ofp_match *);

#endif /* ofagent/ofp.h */
