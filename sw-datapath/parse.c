/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/parse.h"

#include <errno.h>
#include <string.h>

#include "sw-datapath/frame.h"

/* What the Ethernet header and tag say: where the payload is and where it ends. */
struct payload {
    uint32_t offset;
    uint32_t limit;
    uint16_t dl_type;
};

static inline uint32_t
min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* An 802.3 frame: its length bounds it, and SNAP may give it a type after all. */
static void
enter_llc(const struct packet *packet, struct payload *payload)
{
    static const uint8_t snap[] = { 0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00 };
    const uint8_t *llc = packet->data + payload->offset;

    payload->limit = min_u32(packet->size, payload->offset + payload->dl_type);
    payload->dl_type = FLOW_DL_TYPE_NONE;
    if (payload->limit - payload->offset < FRAME_SNAP_SIZE || memcmp(llc, snap, sizeof snap)) {
        return;
    }
    uint16_t type = frame_get_u16(llc + FRAME_SNAP_TYPE);
    if (type >= FRAME_TYPE_MIN) {
        payload->dl_type = type;
        payload->offset += FRAME_SNAP_SIZE;
    }
}

static inline struct payload
enter_ethernet(struct packet *packet)
{
    struct payload payload = {
        .offset = FRAME_ETH_SIZE,
        .limit = packet->size,
        .dl_type = frame_get_u16(packet->data + FRAME_ETH_TYPE),
    };
    packet->tagged = payload.dl_type == FRAME_TYPE_TAG
                     && packet->size >= FRAME_ETH_SIZE + FRAME_TAG_SIZE;
    if (packet->tagged) {
        payload.offset += FRAME_TAG_SIZE;
        payload.dl_type = frame_get_u16(packet->data + FRAME_ETH_TYPE + FRAME_TAG_SIZE);
    }
    if (payload.dl_type < FRAME_TYPE_MIN) {
        enter_llc(packet, &payload);
    }
    return payload;
}

static void
find_arp(struct packet *packet, const struct payload *payload)
{
    static const uint8_t ipv4_over_ethernet[] = { 0x00, 0x01, 0x08, 0x00, 6, 4 };

    if (payload->limit - payload->offset >= FRAME_ARP_SIZE
        && !memcmp(packet->data + payload->offset, ipv4_over_ethernet,
                   sizeof ipv4_over_ethernet)) {
        packet->l3 = PACKET_L3_ARP;
        packet->l3_offset = payload->offset;
    }
}

/* The transport layer, whose ports must lie below l4_limit. */
static inline void
find_l4(struct packet *packet, uint8_t proto)
{
    uint32_t there = packet->l4_limit - packet->l4_offset;

    if (proto == FRAME_PROTO_TCP && there >= FRAME_TP_PORTS_SIZE) {
        packet->l4 = PACKET_L4_TCP;
    } else if (proto == FRAME_PROTO_UDP && there >= FRAME_TP_PORTS_SIZE) {
        packet->l4 = PACKET_L4_UDP;
    } else if (proto == FRAME_PROTO_ICMP && there >= FRAME_ICMP_CODES_SIZE) {
        packet->l4 = PACKET_L4_ICMP;
    }
}

static inline void
find_ipv4(struct packet *packet, const struct payload *payload)
{
    const uint8_t *ip = packet->data + payload->offset;
    uint32_t there = payload->limit - payload->offset;

    if (there < FRAME_IP4_SIZE || ip[0] >> 4 != 4) {
        return;
    }
    uint32_t header_size = (ip[0] & 0x0f) * 4u;
    uint32_t total = frame_get_u16(ip + FRAME_IP4_TOTAL);
    if (!total && packet->offload.gso_type) {
        total = there;
    }
    if (header_size < FRAME_IP4_SIZE || header_size > there || header_size > total) {
        return;
    }
    packet->l3 = PACKET_L3_IPV4;
    packet->l3_offset = payload->offset;
    packet->l4_offset = payload->offset + header_size;
    packet->l4_limit = payload->offset + min_u32(total, there);

    uint16_t frag = frame_get_u16(ip + FRAME_IP4_FRAG);
    if (frag & FRAME_IP4_OFFSET) {
        packet->nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
        return;
    }
    if (frag & FRAME_IP4_MORE) {
        packet->nw_frag = FLOW_FRAG_ANY;
    }
    find_l4(packet, ip[FRAME_IP4_PROTO]);
}

static inline uint16_t
find_layers(struct packet *packet)
{
    struct payload payload = enter_ethernet(packet);

    packet->l3 = PACKET_L3_NONE;
    packet->l4 = PACKET_L4_NONE;
    packet->nw_frag = 0;
    packet->l3_offset = 0;
    packet->l4_offset = 0;
    packet->l4_limit = 0;
    if (payload.dl_type == FRAME_TYPE_IPV4) {
        find_ipv4(packet, &payload);
    } else if (payload.dl_type == FRAME_TYPE_ARP) {
        find_arp(packet, &payload);
    }
    return payload.dl_type;
}

uint16_t
packet_find_layers(struct packet *packet)
{
    return find_layers(packet);
}

static inline void
fill_l3(const struct packet *packet, struct flow_key *key)
{
    const uint8_t *l3 = packet->data + packet->l3_offset;

    if (packet->l3 == PACKET_L3_IPV4) {
        key->nw_proto = l3[FRAME_IP4_PROTO];
        key->nw_tos = l3[FRAME_IP4_TOS] & 0xfc;
        key->nw_src.ip4 = frame_get_be32(l3 + FRAME_IP4_SRC);
        key->nw_dst.ip4 = frame_get_be32(l3 + FRAME_IP4_DST);
        key->nw_frag = packet->nw_frag;
    } else if (packet->l3 == PACKET_L3_ARP) {
        key->nw_proto = l3[FRAME_ARP_OPCODE + 1];
        key->nw_src.ip4 = frame_get_be32(l3 + FRAME_ARP_SPA);
        key->nw_dst.ip4 = frame_get_be32(l3 + FRAME_ARP_TPA);
    }
}

static inline void
fill_l4(const struct packet *packet, struct flow_key *key)
{
    const uint8_t *l4 = packet->data + packet->l4_offset;

    if (packet->l4 == PACKET_L4_ICMP) {
        key->tp_src = be16_from_host(l4[0]);
        key->tp_dst = be16_from_host(l4[1]);
    } else if (packet->l4 != PACKET_L4_NONE) {
        key->tp_src = frame_get_be16(l4 + FRAME_TP_SRC);
        key->tp_dst = frame_get_be16(l4 + FRAME_TP_DST);
    }
}

int
packet_parse(struct packet *packet, struct flow_key *key)
{
    if (packet->size < FRAME_ETH_SIZE) {
        return -EINVAL;
    }
    uint16_t dl_type = find_layers(packet);

    memset(key, 0, sizeof *key);
    key->in_port = packet->in_port;
    memcpy(key->dl_dst, packet->data + FRAME_ETH_DST, sizeof key->dl_dst);
    memcpy(key->dl_src, packet->data + FRAME_ETH_SRC, sizeof key->dl_src);
    if (packet->tagged) {
        uint16_t tci = frame_get_u16(packet->data + FRAME_TAG_TCI);
        key->vlan_tci = be16_from_host(tci | FLOW_VLAN_PRESENT);
    }
    key->dl_type = be16_from_host(dl_type);
    fill_l3(packet, key);
    fill_l4(packet, key);
    return 0;
}
