/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow 1.0 on the wire: the layouts of section 5 of the specification 1.0.0.
 *
 * Only the codec includes this. Fields have byte-order types, so that a missing swap does
 * not compile; a message in a buffer may be at any address, so the codec copies a struct
 * out with memcpy() and never points one into a buffer. Numbers that the rest of the agent
 * uses as well (message types, error codes, flags) are in ofp.h.
 *
 * Padding is named 'pad'; it is ignored on receipt and zero when sent.
 */
#ifndef OFAGENT_OPENFLOW10_H
#define OFAGENT_OPENFLOW10_H 1

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "turnout/byteorder.h"

#define OF10_ASSERT_SIZE(STRUCT, SIZE) \
    static_assert(sizeof(struct STRUCT) == (SIZE), #STRUCT " has its size on the wire")

/* 5.1: every message begins with this. */
struct of10_header {
    uint8_t version, type;
    struct be16 length;          /* of the whole message */
    struct be32 xid;
};
OF10_ASSERT_SIZE(of10_header, 8);

/* 5.2.1: a port. */
enum { OF10_ETH_ALEN = 6, OF10_PORT_NAME_SIZE = 16 };
struct of10_phy_port {
    struct be16 port_no;
    uint8_t hw_addr[OF10_ETH_ALEN];
    char name[OF10_PORT_NAME_SIZE]; /* terminated */
    struct be32 config, state;
    struct be32 curr, advertised, supported, peer;
};
OF10_ASSERT_SIZE(of10_phy_port, 48);

/* 5.2.2: queues. */
enum { OF10_QUEUE_PROP_NONE, OF10_QUEUE_PROP_MIN_RATE };
enum { OF10_QUEUE_MIN_RATE_UNKNOWN = 0xffff };
struct of10_packet_queue {
    struct be32 queue_id;
    struct be16 len;             /* this and its properties */
    uint8_t pad[2];
};
OF10_ASSERT_SIZE(of10_packet_queue, 8);

struct of10_queue_prop {
    struct be16 property, len;   /* len includes this header */
    uint8_t pad[4];
};
OF10_ASSERT_SIZE(of10_queue_prop, 8);

struct of10_queue_prop_min_rate {
    struct of10_queue_prop prop;
    struct be16 rate;            /* tenths of a per cent; above 1000: disabled */
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(of10_queue_prop_min_rate, 16);

/* 5.2.3: the match. */
enum {
    OFPFW_IN_PORT = 1 << 0,
    OFPFW_DL_VLAN = 1 << 1,
    OFPFW_DL_SRC = 1 << 2,
    OFPFW_DL_DST = 1 << 3,
    OFPFW_DL_TYPE = 1 << 4,
    OFPFW_NW_PROTO = 1 << 5,
    OFPFW_TP_SRC = 1 << 6,
    OFPFW_TP_DST = 1 << 7,
    OFPFW_NW_SRC_SHIFT = 8,      /* how many low bits don't count; 32 and more: all */
    OFPFW_NW_DST_SHIFT = 14,
    OFPFW_NW_BITS = 0x3f,
    OFPFW_DL_VLAN_PCP = 1 << 20,
    OFPFW_NW_TOS = 1 << 21,
    OFPFW_ALL = (1 << 22) - 1,
};
enum { OFP_VLAN_NONE = 0xffff };

struct of10_match {
    struct be32 wildcards;
    struct be16 in_port;
    uint8_t dl_src[OF10_ETH_ALEN], dl_dst[OF10_ETH_ALEN];
    struct be16 dl_vlan;
    uint8_t dl_vlan_pcp;
    uint8_t pad;
    struct be16 dl_type;
    uint8_t nw_tos, nw_proto;
    uint8_t pad2[2];
    struct be32 nw_src, nw_dst;
    struct be16 tp_src, tp_dst;
};
OF10_ASSERT_SIZE(of10_match, 40);

/* 5.2.4: actions. The types that a switch may have are OFPAT_* in ofp.h. */
enum { OF10_ACTION_ALIGN = 8, OF10_ACTION_VENDOR = 0xffff };

struct of10_action {             /* the first word of each */
    struct be16 type, len;
    uint8_t arg[4];
};
OF10_ASSERT_SIZE(of10_action, 8);

struct of10_action_output {
    struct be16 type, len, port, max_len;
};
OF10_ASSERT_SIZE(of10_action_output, 8);

struct of10_action_dl_addr {
    struct be16 type, len;
    uint8_t addr[OF10_ETH_ALEN];
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(of10_action_dl_addr, 16);

struct of10_action_enqueue {
    struct be16 type, len, port;
    uint8_t pad[6];
    struct be32 queue_id;
};
OF10_ASSERT_SIZE(of10_action_enqueue, 16);

/* 5.3.1: FEATURES_REPLY; ports follow. */
struct of10_switch_features {
    struct of10_header header;
    struct be64 datapath_id;
    struct be32 n_buffers;
    uint8_t n_tables;
    uint8_t pad[3];
    struct be32 capabilities, actions;
};
OF10_ASSERT_SIZE(of10_switch_features, 32);

/* 5.3.2: GET_CONFIG_REPLY, SET_CONFIG. */
struct of10_switch_config {
    struct of10_header header;
    struct be16 flags, miss_send_len;
};
OF10_ASSERT_SIZE(of10_switch_config, 12);

/* 5.3.3: FLOW_MOD; actions follow. */
struct of10_flow_mod {
    struct of10_header header;
    struct of10_match match;
    struct be64 cookie;
    struct be16 command, idle_timeout, hard_timeout, priority;
    struct be32 buffer_id;
    struct be16 out_port, flags;
};
OF10_ASSERT_SIZE(of10_flow_mod, 72);

struct of10_port_mod {
    struct of10_header header;
    struct be16 port_no;
    uint8_t hw_addr[OF10_ETH_ALEN];
    struct be32 config, mask, advertise;
    uint8_t pad[4];
};
OF10_ASSERT_SIZE(of10_port_mod, 32);

/* 5.3.4: QUEUE_GET_CONFIG. */
struct of10_queue_config_request {
    struct of10_header header;
    struct be16 port;
    uint8_t pad[2];
};
OF10_ASSERT_SIZE(of10_queue_config_request, 12);

struct of10_queue_config_reply { /* queues follow */
    struct of10_header header;
    struct be16 port;
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(of10_queue_config_reply, 16);

/* 5.3.5: statistics, requests and replies; a body follows. */
struct of10_stats {
    struct of10_header header;
    struct be16 type, flags;
};
OF10_ASSERT_SIZE(of10_stats, 12);

enum { OF10_DESC_SIZE = 256, OF10_SERIAL_SIZE = 32, OF10_TABLE_NAME_SIZE = 32 };
struct of10_desc_stats {
    char mfr_desc[OF10_DESC_SIZE], hw_desc[OF10_DESC_SIZE], sw_desc[OF10_DESC_SIZE];
    char serial_num[OF10_SERIAL_SIZE];
    char dp_desc[OF10_DESC_SIZE];
};
OF10_ASSERT_SIZE(of10_desc_stats, 1056);

struct of10_flow_stats_request { /* of AGGREGATE as well */
    struct of10_match match;
    uint8_t table_id;
    uint8_t pad;
    struct be16 out_port;
};
OF10_ASSERT_SIZE(of10_flow_stats_request, 44);

struct of10_flow_stats {         /* actions follow */
    struct be16 length;          /* this and its actions */
    uint8_t table_id;
    uint8_t pad;
    struct of10_match match;
    struct be32 duration_sec, duration_nsec;
    struct be16 priority, idle_timeout, hard_timeout;
    uint8_t pad2[6];
    struct be64 cookie, packet_count, byte_count;
};
OF10_ASSERT_SIZE(of10_flow_stats, 88);

struct of10_aggregate_stats {
    struct be64 packet_count, byte_count;
    struct be32 flow_count;
    uint8_t pad[4];
};
OF10_ASSERT_SIZE(of10_aggregate_stats, 24);

struct of10_table_stats {
    uint8_t table_id;
    uint8_t pad[3];
    char name[OF10_TABLE_NAME_SIZE];
    struct be32 wildcards, max_entries, active_count;
    struct be64 lookup_count, matched_count;
};
OF10_ASSERT_SIZE(of10_table_stats, 64);

struct of10_port_stats_request {
    struct be16 port_no;
    uint8_t pad[6];
};
OF10_ASSERT_SIZE(of10_port_stats_request, 8);

struct of10_port_stats {
    struct be16 port_no;
    uint8_t pad[6];
    struct be64 rx_packets, tx_packets, rx_bytes, tx_bytes;
    struct be64 rx_dropped, tx_dropped, rx_errors, tx_errors;
    struct be64 rx_frame_err, rx_over_err, rx_crc_err, collisions;
};
OF10_ASSERT_SIZE(of10_port_stats, 104);

struct of10_queue_stats_request {
    struct be16 port_no;
    uint8_t pad[2];
    struct be32 queue_id;
};
OF10_ASSERT_SIZE(of10_queue_stats_request, 8);

struct of10_queue_stats {
    struct be16 port_no;
    uint8_t pad[2];
    struct be32 queue_id;
    struct be64 tx_bytes, tx_packets, tx_errors;
};
OF10_ASSERT_SIZE(of10_queue_stats, 32);

/* 5.3.6: PACKET_OUT; actions, then the frame follow. */
struct of10_packet_out {
    struct of10_header header;
    struct be32 buffer_id;
    struct be16 in_port, actions_len;
};
OF10_ASSERT_SIZE(of10_packet_out, 16);

/* 5.4.1: PACKET_IN; the frame follows at offset 18. The struct is packed because its size
 * would be 20 otherwise. */
struct of10_packet_in {
    struct of10_header header;
    struct be32 buffer_id;
    struct be16 total_len, in_port;
    uint8_t reason;
    uint8_t pad;
} __attribute__((packed));
OF10_ASSERT_SIZE(of10_packet_in, 18);

/* 5.4.2 */
struct of10_flow_removed {
    struct of10_header header;
    struct of10_match match;
    struct be64 cookie;
    struct be16 priority;
    uint8_t reason;
    uint8_t pad;
    struct be32 duration_sec, duration_nsec;
    struct be16 idle_timeout;
    uint8_t pad2[2];
    struct be64 packet_count, byte_count;
};
OF10_ASSERT_SIZE(of10_flow_removed, 88);

/* 5.4.3 */
struct of10_port_status {
    struct of10_header header;
    uint8_t reason;
    uint8_t pad[7];
    struct of10_phy_port desc;
};
OF10_ASSERT_SIZE(of10_port_status, 64);

/* 5.4.4: ERROR; the refused message's first bytes follow. */
struct of10_error {
    struct of10_header header;
    struct be16 type, code;
};
OF10_ASSERT_SIZE(of10_error, 12);

/* 5.5.4: VENDOR, in both directions; the vendor's own bytes follow. */
struct of10_vendor {
    struct of10_header header;
    struct be32 vendor;
};
OF10_ASSERT_SIZE(of10_vendor, 12);

#endif /* ofagent/openflow10.h */
