/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's extension of OpenFlow 1.0 on the wire, as Open vSwitch 3.1 and its tools speak it.
 *
 * Its messages are VENDOR messages and vendor statistics with Nicira's number; a subtype
 * says which. The structs below are bodies: what follows the headers. As with openflow10.h,
 * only code of ofagent/ includes this, fields have byte-order types, and a struct is copied
 * out of a message with memcpy(). A field 'pad' is ignored on receipt and zero when sent; a
 * field 'zero' is refused unless it is zero.
 */
#ifndef OFAGENT_NICIRA_H
#define OFAGENT_NICIRA_H 1

#include <assert.h>
#include <stdint.h>

#include "ofagent/openflow10.h"
#include "turnout/byteorder.h"

/* --- headers ---------------------------------------------------------------------------- */

enum { NICIRA_VENDOR_ID = 0x00002320 };

struct nicira_header {               /* of a VENDOR message */
    struct of10_vendor vendor;
    struct be32 subtype;             /* NXT_* */
};
OF10_ASSERT_SIZE(nicira_header, 16);

struct nicira_stats {                /* of a statistics request or reply of type VENDOR */
    struct of10_stats stats;
    struct be32 vendor;
    struct be32 subtype;             /* NXST_* */
    uint8_t pad[4];
};
OF10_ASSERT_SIZE(nicira_stats, 24);

enum {
    NXT_ROLE_REQUEST = 10, NXT_ROLE_REPLY = 11, NXT_SET_FLOW_FORMAT = 12, NXT_FLOW_MOD = 13,
    NXT_FLOW_REMOVED = 14, NXT_FLOW_MOD_TABLE_ID = 15, NXT_SET_PACKET_IN_FORMAT = 16,
    NXT_PACKET_IN = 17, NXT_FLOW_AGE = 18, NXT_SET_ASYNC_CONFIG = 19, NXT_SET_CONTROLLER_ID = 20,
    NXT_FLOW_MONITOR_CANCEL = 21, NXT_FLOW_MONITOR_PAUSED = 22, NXT_FLOW_MONITOR_RESUMED = 23,
    N_NXT
};
enum { NXST_FLOW = 0, NXST_AGGREGATE = 1, NXST_FLOW_MONITOR = 2, N_NXST };

/* --- errors ------------------------------------------------------------------------------ */

/* An ERROR of this type and code says a vendor's type and code in its data, before the
 * first bytes of the refused message. */
enum { NXET_VENDOR = 0xb0c2, NXVC_VENDOR_ERROR = 0 };

struct nicira_error {
    struct be32 vendor;
    struct be16 type, code;
};
OF10_ASSERT_SIZE(nicira_error, 8);

/* --- roles and asynchronous messages ------------------------------------------------------ */

struct nicira_role {                 /* NXT_ROLE_REQUEST, NXT_ROLE_REPLY */
    struct be32 role;                /* NX_ROLE_* in nx.h */
};
OF10_ASSERT_SIZE(nicira_role, 4);

/* A bit 1 << reason for each reason. [0]: while the connection's role is other or master,
 * [1]: while it is slave. */
struct nicira_async_config {
    struct be32 packet_in_mask[2];
    struct be32 port_status_mask[2];
    struct be32 flow_removed_mask[2];
};
OF10_ASSERT_SIZE(nicira_async_config, 24);

struct nicira_controller_id {
    uint8_t zero[6];
    struct be16 controller_id;
};
OF10_ASSERT_SIZE(nicira_controller_id, 8);

/* --- flows ------------------------------------------------------------------------------- */

enum { NXFF_OPENFLOW10 = 0, NXFF_NXM = 2 };
struct nicira_set_flow_format {
    struct be32 format;              /* NXFF_* */
};
OF10_ASSERT_SIZE(nicira_set_flow_format, 4);

struct nicira_flow_mod_table_id {
    uint8_t set;                     /* not 0: the upper byte of 'command' is a table */
    uint8_t pad[7];
};
OF10_ASSERT_SIZE(nicira_flow_mod_table_id, 8);

/* Where a match follows, it has match_len bytes and then zeros up to a multiple of 8. */

struct nicira_flow_mod {             /* the match, then the actions follow */
    struct be64 cookie;
    struct be16 command, idle_timeout, hard_timeout, priority;
    struct be32 buffer_id;
    struct be16 out_port, flags, match_len;
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(nicira_flow_mod, 32);

struct nicira_flow_removed {         /* the match follows */
    struct be64 cookie;
    struct be16 priority;
    uint8_t reason;
    uint8_t table_id;                /* plus one; 0: not known */
    struct be32 duration_sec, duration_nsec;
    struct be16 idle_timeout, match_len;
    struct be64 packet_count, byte_count;
};
OF10_ASSERT_SIZE(nicira_flow_removed, 40);

struct nicira_flow_stats_request {   /* NXST_FLOW, NXST_AGGREGATE; the match follows */
    struct be16 out_port, match_len;
    uint8_t table_id;                /* 0xff: all */
    uint8_t pad[3];
};
OF10_ASSERT_SIZE(nicira_flow_stats_request, 8);

struct nicira_flow_stats {           /* the match, then the actions follow */
    struct be16 length;              /* this, its match and its actions */
    uint8_t table_id;
    uint8_t pad;
    struct be32 duration_sec, duration_nsec;
    struct be16 priority, idle_timeout, hard_timeout, match_len;
    struct be16 idle_age, hard_age;  /* seconds plus one; 0: not known; 65535: that or more */
    struct be64 cookie, packet_count, byte_count;
};
OF10_ASSERT_SIZE(nicira_flow_stats, 48);

/* NXST_AGGREGATE's reply has struct of10_aggregate_stats. */

enum {
    NXFMF_INITIAL = 1 << 0, NXFMF_ADD = 1 << 1, NXFMF_DELETE = 1 << 2, NXFMF_MODIFY = 1 << 3,
    NXFMF_ACTIONS = 1 << 4, NXFMF_OWN = 1 << 5,
};
struct nicira_flow_monitor_request { /* one or more; the match follows each */
    struct be32 id;
    struct be16 flags;               /* NXFMF_* */
    struct be16 out_port, match_len;
    uint8_t table_id;                /* 0xff: all */
    uint8_t zero[5];
};
OF10_ASSERT_SIZE(nicira_flow_monitor_request, 16);

struct nicira_flow_monitor_cancel {
    struct be32 id;
};
OF10_ASSERT_SIZE(nicira_flow_monitor_cancel, 4);

/* --- packets ----------------------------------------------------------------------------- */

enum { NXPIF_OPENFLOW10 = 0, NXPIF_NXM = 1, NXPIF_NXT_PACKET_IN2 = 2 };
struct nicira_set_packet_in_format {
    struct be32 format;              /* NXPIF_* */
};
OF10_ASSERT_SIZE(nicira_set_packet_in_format, 4);

struct nicira_packet_in {            /* the match, two bytes of zeros, and the frame follow */
    struct be32 buffer_id;
    struct be16 total_len;
    uint8_t reason;
    uint8_t table_id;
    struct be64 cookie;              /* all ones: there is none */
    struct be16 match_len;
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(nicira_packet_in, 24);

/* --- actions ----------------------------------------------------------------------------- */

enum {
    NXAST_SET_QUEUE = 4, NXAST_POP_QUEUE = 5, NXAST_DEC_TTL = 18, NXAST_CONTROLLER = 20,
    NXAST_DEC_TTL_CNT_IDS = 21,
};

struct nicira_action {               /* the first two words of each; all of DEC_TTL, POP_QUEUE */
    struct be16 type, len;           /* OF10_ACTION_VENDOR */
    struct be32 vendor;
    struct be16 subtype;             /* NXAST_* */
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(nicira_action, 16);

struct nicira_action_set_queue {
    struct be16 type, len;
    struct be32 vendor;
    struct be16 subtype;
    uint8_t pad[2];
    struct be32 queue_id;
};
OF10_ASSERT_SIZE(nicira_action_set_queue, 16);

struct nicira_action_controller {
    struct be16 type, len;
    struct be32 vendor;
    struct be16 subtype;
    struct be16 max_len, controller_id;
    uint8_t reason;                  /* OFPR_* */
    uint8_t zero;
};
OF10_ASSERT_SIZE(nicira_action_controller, 16);

struct nicira_action_cnt_ids {       /* n_controllers ids of two bytes, and padding, follow */
    struct be16 type, len;
    struct be32 vendor;
    struct be16 subtype;
    struct be16 n_controllers;       /* one or more */
    uint8_t zero[4];
};
OF10_ASSERT_SIZE(nicira_action_cnt_ids, 16);

#endif /* ofagent/nicira.h */
