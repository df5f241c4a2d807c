/* SPDX-License-Identifier: Apache-2.0 */
/* The rewrites of execute.h: one action on one packet. */
#include <string.h>

#include "sw-datapath/checksum.h"
#include "sw-datapath/execute.h"
#include "sw-datapath/frame.h"
#include "sw-datapath/parse.h"

/* An offset that the frame's sender gave, moved; left alone where that makes no sense. */
static uint16_t
moved(uint16_t offset, int by)
{
    int to = offset + by;
    return to < 0 || to > UINT16_MAX ? offset : (uint16_t) to;
}

/* Everything that counts from the start of the frame moves by the size of a tag. */
static void
shift_layers(struct packet *packet, int by)
{
    struct packet_offload *offload = &packet->offload;

    packet->data -= by;
    packet->size += by;
    if (packet->l3 != PACKET_L3_NONE) {
        packet->l3_offset += by;
    }
    if (packet->l3 == PACKET_L3_IPV4) {
        packet->l4_offset += by;
        packet->l4_limit += by;
    }
    if (offload->csum_partial) {
        offload->csum_start = moved(offload->csum_start, by);
    }
    if (offload->hdr_len) {
        offload->hdr_len = moved(offload->hdr_len, by);
    }
}

static void
push_tag(struct packet *packet, uint16_t tci)
{
    uint8_t *addrs = packet->data;

    shift_layers(packet, FRAME_TAG_SIZE);
    memmove(packet->data, addrs, FRAME_ETH_ADDRS_SIZE);
    frame_put_u16(packet->data + FRAME_ETH_TYPE, FRAME_TYPE_TAG);
    frame_put_u16(packet->data + FRAME_TAG_TCI, tci);
    packet->tagged = true;
}

static void
strip_tag(struct packet *packet)
{
    uint8_t *addrs = packet->data;

    if (!packet->tagged) {
        return;
    }
    shift_layers(packet, -FRAME_TAG_SIZE);
    memmove(packet->data, addrs, FRAME_ETH_ADDRS_SIZE);
    packet->tagged = false;
    if (frame_get_u16(packet->data + FRAME_ETH_TYPE) == FRAME_TYPE_TAG) {
        /* The inner tag is the frame's tag now, and there may be layers behind it. */
        packet_find_layers(packet);
    }
}

static void
set_tci(struct packet *packet, uint16_t bits, uint16_t mask)
{
    if (packet->tagged) {
        uint8_t *tci = packet->data + FRAME_TAG_TCI;
        frame_put_u16(tci, (frame_get_u16(tci) & ~mask) | bits);
    } else {
        push_tag(packet, bits);
    }
}

/* The packet's TCP or UDP checksum; NULL if it has none, or not within what is there. */
static uint8_t *
l4_checksum(const struct packet *packet)
{
    uint32_t offset = packet->l4_offset;

    if (packet->l4 == PACKET_L4_TCP) {
        offset += FRAME_TCP_CSUM;
    } else if (packet->l4 == PACKET_L4_UDP) {
        offset += FRAME_UDP_CSUM;
    } else {
        return NULL;
    }
    return offset + 2 <= packet->l4_limit ? packet->data + offset : NULL;
}

/* True if 'field' is the checksum that the sender left to the device. Of a tunnelled
 * packet that is an inner one, while the outer is complete. */
static bool
is_partial(const struct packet *packet, const uint8_t *field)
{
    const struct packet_offload *offload = &packet->offload;

    return offload->csum_partial
           && field - packet->data == offload->csum_start + offload->csum_offset;
}

/* Stores a complete checksum after an update. */
static void
put_l4_checksum(const struct packet *packet, uint8_t *field, struct be16 sum)
{
    /* In UDP 0 stands for "none", and a sum of 0 is sent as its other form. */
    if (packet->l4 == PACKET_L4_UDP && !sum.raw) {
        sum.raw = 0xffff;
    }
    frame_put_be16(field, sum);
}

static bool
has_no_checksum(const struct packet *packet, struct be16 sum)
{
    return packet->l4 == PACKET_L4_UDP && !sum.raw;
}

static void
update_l4_for_address(struct packet *packet, struct be32 old, struct be32 now)
{
    uint8_t *field = l4_checksum(packet);

    if (!field) {
        return;
    }
    struct be16 sum = frame_get_be16(field);
    if (is_partial(packet, field)) {
        frame_put_be16(field, checksum_sum_update_be32(sum, old, now));
    } else if (!has_no_checksum(packet, sum)) {
        put_l4_checksum(packet, field, checksum_update_be32(sum, old, now));
    }
}

static void
set_nw_addr(struct packet *packet, uint32_t offset, struct be32 now)
{
    if (packet->l3 != PACKET_L3_IPV4) {
        return;
    }
    uint8_t *ip = packet->data + packet->l3_offset;
    struct be32 old = frame_get_be32(ip + offset);
    if (be32_equal(old, now)) {
        return;
    }
    frame_put_be32(ip + offset, now);
    frame_put_be16(ip + FRAME_IP4_CSUM,
                   checksum_update_be32(frame_get_be16(ip + FRAME_IP4_CSUM), old, now));
    update_l4_for_address(packet, old, now);
}

static void
set_nw_tos(struct packet *packet, uint8_t tos)
{
    if (packet->l3 != PACKET_L3_IPV4) {
        return;
    }
    uint8_t *ip = packet->data + packet->l3_offset;
    struct be16 old = frame_get_be16(ip);
    ip[FRAME_IP4_TOS] = (tos & 0xfc) | (ip[FRAME_IP4_TOS] & 0x03);
    struct be16 now = frame_get_be16(ip);
    if (!be16_equal(old, now)) {
        frame_put_be16(ip + FRAME_IP4_CSUM,
                       checksum_update_be16(frame_get_be16(ip + FRAME_IP4_CSUM), old, now));
    }
}

static void
set_tp_port(struct packet *packet, uint32_t offset, struct be16 now)
{
    if (packet->l4 != PACKET_L4_TCP && packet->l4 != PACKET_L4_UDP) {
        return;
    }
    uint8_t *port = packet->data + packet->l4_offset + offset;
    struct be16 old = frame_get_be16(port);
    if (be16_equal(old, now)) {
        return;
    }
    frame_put_be16(port, now);
    uint8_t *field = l4_checksum(packet);
    /* A partial checksum covers the pseudo-header only, which has no ports. */
    if (field && !is_partial(packet, field)) {
        struct be16 sum = frame_get_be16(field);
        if (!has_no_checksum(packet, sum)) {
            put_l4_checksum(packet, field, checksum_update_be16(sum, old, now));
        }
    }
}

/* False if there is nothing left to take from. */
static bool
dec_ttl(struct packet *packet)
{
    if (packet->l3 != PACKET_L3_IPV4) {
        return true;
    }
    uint8_t *ip = packet->data + packet->l3_offset;
    struct be16 old = frame_get_be16(ip + FRAME_IP4_TTL);
    if (ip[FRAME_IP4_TTL] <= 1) {
        return false;
    }
    ip[FRAME_IP4_TTL]--;
    frame_put_be16(ip + FRAME_IP4_CSUM,
                   checksum_update_be16(frame_get_be16(ip + FRAME_IP4_CSUM), old,
                                        frame_get_be16(ip + FRAME_IP4_TTL)));
    return true;
}

bool
execute_rewrite(const struct action *action, struct packet *packet)
{
    switch ((enum action_type) action->type) {
    case ACTION_SET_VLAN_VID:
        set_tci(packet, action->vlan_vid.vid & FLOW_VLAN_VID_MASK, FLOW_VLAN_VID_MASK);
        break;
    case ACTION_SET_VLAN_PCP:
        set_tci(packet, (action->vlan_pcp.pcp << FLOW_VLAN_PCP_SHIFT) & FLOW_VLAN_PCP_MASK,
                FLOW_VLAN_PCP_MASK);
        break;
    case ACTION_STRIP_VLAN:
        strip_tag(packet);
        break;
    case ACTION_SET_DL_SRC:
        memcpy(packet->data + FRAME_ETH_SRC, action->dl.addr, sizeof action->dl.addr);
        break;
    case ACTION_SET_DL_DST:
        memcpy(packet->data + FRAME_ETH_DST, action->dl.addr, sizeof action->dl.addr);
        break;
    case ACTION_SET_NW_SRC:
        set_nw_addr(packet, FRAME_IP4_SRC, action->nw.addr);
        break;
    case ACTION_SET_NW_DST:
        set_nw_addr(packet, FRAME_IP4_DST, action->nw.addr);
        break;
    case ACTION_SET_NW_TOS:
        set_nw_tos(packet, action->nw_tos.tos);
        break;
    case ACTION_SET_TP_SRC:
        set_tp_port(packet, FRAME_TP_SRC, action->tp.port);
        break;
    case ACTION_SET_TP_DST:
        set_tp_port(packet, FRAME_TP_DST, action->tp.port);
        break;
    case ACTION_DEC_TTL:
        return dec_ttl(packet);
    case ACTION_OUTPUT:
    case ACTION_ENQUEUE:
    case ACTION_CONTROLLER:
    case ACTION_SET_QUEUE:
    case ACTION_POP_QUEUE:
    case N_ACTION_TYPES:
        break;
    }
    return true;
}
