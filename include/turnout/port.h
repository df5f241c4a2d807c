/* SPDX-License-Identifier: Apache-2.0 */
/* Port numbers, port configuration and port state.
 *
 * The numbers and bits are those of OpenFlow 1.0 (section 5.2.1), which the
 * datapath uses as its own; they are host order everywhere but on the wire.
 */
#ifndef TURNOUT_PORT_H
#define TURNOUT_PORT_H 1

#include <stdint.h>

/* Physical ports are 1 .. PORT_MAX - 1; the rest are reserved or invalid. */
enum {
    PORT_MAX = 0xff00,
    PORT_IN_PORT = 0xfff8,    /* back out of the ingress port, only if asked for */
    PORT_TABLE = 0xfff9,      /* PACKET_OUT only: run the packet through the flow table */
    PORT_NORMAL = 0xfffa,     /* learning switch */
    PORT_FLOOD = 0xfffb,      /* every port but the ingress and NO_FLOOD ones */
    PORT_ALL = 0xfffc,        /* every port but the ingress */
    PORT_CONTROLLER = 0xfffd,
    PORT_LOCAL = 0xfffe,      /* the bridge's own interface */
    PORT_NONE = 0xffff,
};

/* Port configuration bits (ofp_port_config). */
enum {
    PORT_CONFIG_DOWN = 1 << 0,
    PORT_CONFIG_NO_STP = 1 << 1,
    PORT_CONFIG_NO_RECV = 1 << 2,
    PORT_CONFIG_NO_RECV_STP = 1 << 3,
    PORT_CONFIG_NO_FLOOD = 1 << 4,
    PORT_CONFIG_NO_FWD = 1 << 5,
    PORT_CONFIG_NO_PACKET_IN = 1 << 6,
};

/* Port state bits (ofp_port_state); the two STP bits are a number, enum port_stp_state. */
enum {
    PORT_STATE_LINK_DOWN = 1 << 0,
    PORT_STATE_STP_SHIFT = 8,
    PORT_STATE_STP_MASK = 3 << 8,
};

/* What IEEE 802.1D says of a port. */
enum port_stp_state {
    PORT_STP_LISTEN,     /* neither learns nor relays; a port begins here when it comes up */
    PORT_STP_LEARN,      /* learns, does not relay */
    PORT_STP_FORWARD,
    PORT_STP_BLOCK,      /* not part of the tree */
    N_PORT_STP_STATES
};

/* Port features (ofp_port_features). */
enum {
    PORT_FEATURE_10MB_HD = 1 << 0,
    PORT_FEATURE_10MB_FD = 1 << 1,
    PORT_FEATURE_100MB_HD = 1 << 2,
    PORT_FEATURE_100MB_FD = 1 << 3,
    PORT_FEATURE_1GB_HD = 1 << 4,
    PORT_FEATURE_1GB_FD = 1 << 5,
    PORT_FEATURE_10GB_FD = 1 << 6,
    PORT_FEATURE_COPPER = 1 << 7,
    PORT_FEATURE_FIBER = 1 << 8,
    PORT_FEATURE_AUTONEG = 1 << 9,
    PORT_FEATURE_PAUSE = 1 << 10,
    PORT_FEATURE_PAUSE_ASYM = 1 << 11,
};

/* Longest name of a port or bridge, with its terminator (IFNAMSIZ). */
#define PORT_NAME_SIZE 16

/* What is known about a port, as FEATURES and PORT_STATUS tell it. */
struct port_info {
    char name[PORT_NAME_SIZE];
    uint8_t hw_addr[6];
    uint16_t port_no;
    uint32_t config;     /* PORT_CONFIG_* */
    uint32_t state;      /* PORT_STATE_* */
    uint32_t current;    /* PORT_FEATURE_* of the link as it is */
    uint32_t advertised;
    uint32_t supported;
    uint32_t peer;
    uint32_t speed_mbps; /* 0 where the device does not know */
};

/* A port's counters; UINT64_MAX stands for "this port cannot tell". */
struct port_counters {
    uint64_t rx_packets, tx_packets;
    uint64_t rx_bytes, tx_bytes;
    uint64_t rx_dropped, tx_dropped;
    uint64_t rx_errors, tx_errors;
    uint64_t rx_frame_err, rx_over_err, rx_crc_err;
    uint64_t collisions;
};

#endif /* turnout/port.h */
