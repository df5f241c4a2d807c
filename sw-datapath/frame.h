/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are in the headers that we read and rewrite, and access to them at any
 * alignment. Offsets count from the start of their own header; sizes are bytes. */
#ifndef SW_DATAPATH_FRAME_H
#define SW_DATAPATH_FRAME_H 1

#include <stdint.h>
#include <string.h>

#include "turnout/byteorder.h"

/* Ethernet and 802.1Q. A tag sits between the addresses and the type. */
enum {
    FRAME_ETH_DST = 0,
    FRAME_ETH_SRC = 6,
    FRAME_ETH_TYPE = 12,
    FRAME_ETH_ADDRS_SIZE = 12,
    FRAME_ETH_SIZE = 14,
    FRAME_TAG_TCI = 14,        /* from the start of the frame */
    FRAME_TAG_SIZE = 4,
    FRAME_TCI_CFI = 0x1000,

    FRAME_TYPE_MIN = 0x0600,   /* below it, the field is an 802.3 length */
    FRAME_TYPE_IPV4 = 0x0800,
    FRAME_TYPE_ARP = 0x0806,
    FRAME_TYPE_TAG = 0x8100,
    FRAME_TYPE_IPV6 = 0x86dd,

    FRAME_SNAP_TYPE = 6,       /* from the LLC header on */
    FRAME_SNAP_SIZE = 8,
};

/* ARP for IPv4 over Ethernet. */
enum {
    FRAME_ARP_OPCODE = 6,
    FRAME_ARP_SPA = 14,
    FRAME_ARP_TPA = 24,
    FRAME_ARP_SIZE = 28,
};

/* IPv4; IPv6 as far as segmentation needs it. */
enum {
    FRAME_IP4_TOS = 1,
    FRAME_IP4_TOTAL = 2,
    FRAME_IP4_ID = 4,
    FRAME_IP4_FRAG = 6,
    FRAME_IP4_TTL = 8,         /* with the protocol behind it one word of the checksum */
    FRAME_IP4_PROTO = 9,
    FRAME_IP4_CSUM = 10,
    FRAME_IP4_SRC = 12,
    FRAME_IP4_DST = 16,
    FRAME_IP4_SIZE = 20,       /* without options */
    FRAME_IP4_MORE = 0x2000,
    FRAME_IP4_OFFSET = 0x1fff,

    FRAME_IP6_PAYLOAD = 4,
    FRAME_IP6_PROTO = 6,
    FRAME_IP6_SRC = 8,
    FRAME_IP6_SIZE = 40,

    FRAME_PROTO_ICMP = 1,
    FRAME_PROTO_TCP = 6,
    FRAME_PROTO_UDP = 17,
};

/* TCP, UDP, ICMP. */
enum {
    FRAME_TP_SRC = 0,          /* both TCP and UDP */
    FRAME_TP_DST = 2,
    FRAME_TP_PORTS_SIZE = 4,
    FRAME_TCP_SEQ = 4,
    FRAME_TCP_OFFSET = 12,
    FRAME_TCP_FLAGS = 13,
    FRAME_TCP_CSUM = 16,
    FRAME_TCP_SIZE = 20,       /* without options */
    FRAME_UDP_CSUM = 6,
    FRAME_UDP_SIZE = 8,
    FRAME_ICMP_CODES_SIZE = 2, /* type and code */
};

static inline struct be16
frame_get_be16(const uint8_t *p)
{
    struct be16 x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline struct be32
frame_get_be32(const uint8_t *p)
{
    struct be32 x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void
frame_put_be16(uint8_t *p, struct be16 x)
{
    memcpy(p, &x, sizeof x);
}

static inline void
frame_put_be32(uint8_t *p, struct be32 x)
{
    memcpy(p, &x, sizeof x);
}

/* The same as host-order numbers. */
static inline uint16_t
frame_get_u16(const uint8_t *p)
{
    return be16_to_host(frame_get_be16(p));
}

static inline uint32_t
frame_get_u32(const uint8_t *p)
{
    return be32_to_host(frame_get_be32(p));
}

static inline void
frame_put_u16(uint8_t *p, uint16_t x)
{
    frame_put_be16(p, be16_from_host(x));
}

static inline void
frame_put_u32(uint8_t *p, uint32_t x)
{
    frame_put_be32(p, be32_from_host(x));
}

#endif /* sw-datapath/frame.h */
