/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the parser and the rewrites.
 *
 * Input: a byte of flags, two bytes that choose the actions, the frame. The frame lies in
 * a buffer that ends with it, so a read or write past it is seen. After each rewrite the
 * layers must be what the parser finds, the key what the action made of it, and checksums
 * that were right must be right still. */
#include <string.h>

#include "sw-datapath/checksum.h"
#include "sw-datapath/execute.h"
#include "sw-datapath/parse.h"
#include "tests/fuzz/fuzz.h"

enum { FLAG_PARTIAL = 0x08, FLAG_GSO = 0x10, N_ACTIONS_MASK = 0x07 };

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static struct action
make_action(uint32_t *random)
{
    struct action action = { .type = ACTION_SET_VLAN_VID
                             + next_random(random) % (N_ACTION_TYPES - ACTION_SET_VLAN_VID) };
    uint32_t value = next_random(random);
    switch (action.type) {
    case ACTION_SET_VLAN_VID:
        action.vlan_vid.vid = value & 0xfff;
        break;
    case ACTION_SET_VLAN_PCP:
        action.vlan_pcp.pcp = value & 7;
        break;
    case ACTION_SET_NW_TOS:
        action.nw_tos.tos = value & 0xfc;
        break;
    case ACTION_STRIP_VLAN:
    case ACTION_DEC_TTL:
        break;
    default:
        memcpy(action.bytes + (action.type == ACTION_SET_NW_SRC
                               || action.type == ACTION_SET_NW_DST ? 2 : 0), &value, 4);
        if (action.type == ACTION_SET_TP_SRC || action.type == ACTION_SET_TP_DST) {
            memset(action.bytes + 2, 0, 4);
        }
        break;
    }
    return action;
}

static void
expect_tci(struct flow_key *key, uint16_t bits, uint16_t mask)
{
    uint16_t tci = be16_to_host(key->vlan_tci);
    key->vlan_tci = be16_from_host((tci & ~mask) | bits | FLOW_VLAN_PRESENT);
}

/* What the key should be after the action. False if that needs a parser. */
static bool
expect(const struct action *action, const struct packet *before, struct flow_key *key)
{
    bool is_ip = before->l3 == PACKET_L3_IPV4;
    bool has_ports = before->l4 == PACKET_L4_TCP || before->l4 == PACKET_L4_UDP;

    switch ((enum action_type) action->type) {
    case ACTION_SET_VLAN_VID:
        expect_tci(key, action->vlan_vid.vid, 0x0fff);
        return true;
    case ACTION_SET_VLAN_PCP:
        expect_tci(key, action->vlan_pcp.pcp << 13, 0xe000);
        return true;
    case ACTION_STRIP_VLAN:
        if (before->tagged && be16_to_host(key->dl_type) == 0x8100) {
            return false;
        }
        key->vlan_tci = (struct be16) { 0 };
        return true;
    case ACTION_SET_DL_SRC:
        memcpy(key->dl_src, action->dl.addr, 6);
        return true;
    case ACTION_SET_DL_DST:
        memcpy(key->dl_dst, action->dl.addr, 6);
        return true;
    case ACTION_SET_NW_SRC:
        key->nw_src.ip4 = is_ip ? action->nw.addr : key->nw_src.ip4;
        return true;
    case ACTION_SET_NW_DST:
        key->nw_dst.ip4 = is_ip ? action->nw.addr : key->nw_dst.ip4;
        return true;
    case ACTION_SET_NW_TOS:
        key->nw_tos = is_ip ? action->nw_tos.tos : key->nw_tos;
        return true;
    case ACTION_SET_TP_SRC:
        key->tp_src = has_ports ? action->tp.port : key->tp_src;
        return true;
    case ACTION_SET_TP_DST:
        key->tp_dst = has_ports ? action->tp.port : key->tp_dst;
        return true;
    case ACTION_DEC_TTL:
        return true;
    case ACTION_OUTPUT:
    case ACTION_ENQUEUE:
    case ACTION_CONTROLLER:
    case ACTION_SET_QUEUE:
    case ACTION_POP_QUEUE:
    case N_ACTION_TYPES:
        break;
    }
    return false;
}

static void
check_layers(const struct packet *a, const struct packet *b)
{
    FUZZ_CHECK(a->l3 == b->l3);
    FUZZ_CHECK(a->l4 == b->l4);
    FUZZ_CHECK(a->nw_frag == b->nw_frag);
    FUZZ_CHECK(a->tagged == b->tagged);
    FUZZ_CHECK(a->l3_offset == b->l3_offset);
    FUZZ_CHECK(a->l4_offset == b->l4_offset);
    FUZZ_CHECK(a->l4_limit == b->l4_limit);
    FUZZ_CHECK(a->l3 == PACKET_L3_NONE || a->l3_offset < a->size);
    if (a->l3 == PACKET_L3_IPV4) {
        FUZZ_CHECK(a->l3_offset + 20 <= a->l4_offset);
        FUZZ_CHECK(a->l4_offset <= a->l4_limit);
        FUZZ_CHECK(a->l4_limit <= a->size);
    }
}

static bool
ip_checksum_is_right(const struct packet *packet)
{
    return packet->l3 == PACKET_L3_IPV4
           && !checksum_finish(checksum_add(0, packet->data + packet->l3_offset,
                                            packet->l4_offset - packet->l3_offset)).raw;
}

static bool
is_udp_without_checksum(const struct packet *packet)
{
    const uint8_t *field = packet->data + packet->l4_offset + 6;
    return packet->l4 == PACKET_L4_UDP && !field[0] && !field[1];
}

/* Whether TCP's or UDP's (complete) checksum is there and right. */
static bool
l4_checksum_is_right(const struct packet *packet)
{
    uint32_t size = packet->l4_limit - packet->l4_offset;
    uint32_t needed = packet->l4 == PACKET_L4_TCP ? 18 : 8;
    if ((packet->l4 != PACKET_L4_TCP && packet->l4 != PACKET_L4_UDP) || size < needed
        || is_udp_without_checksum(packet)) {
        return false;
    }
    uint64_t sum = checksum_add(0, packet->data + packet->l3_offset + 12, 8);
    sum = checksum_add_pseudo(sum, packet->l4 == PACKET_L4_TCP ? 6 : 17, size);
    sum = checksum_add(sum, packet->data + packet->l4_offset, size);
    return !checksum_finish(sum).raw;
}

static void
rewrite(struct packet *packet, const struct action *action)
{
    struct packet before = *packet, after;
    struct flow_key want, key;
    bool ip_was_right = ip_checksum_is_right(packet), l4_was_right = l4_checksum_is_right(packet);

    FUZZ_CHECK(packet_parse(&before, &want) == 0);
    bool is_known = expect(action, &before, &want);
    execute_rewrite(action, packet);
    after = *packet;
    FUZZ_CHECK(packet_parse(&after, &key) == 0);
    check_layers(packet, &after);
    FUZZ_CHECK(!is_known || flow_key_equal(&key, &want));
    if (action->type != ACTION_STRIP_VLAN) {
        FUZZ_CHECK(!ip_was_right || ip_checksum_is_right(packet));
        FUZZ_CHECK(!l4_was_right || packet->offload.csum_partial || l4_checksum_is_right(packet));
    }
    int grown = (int) packet->size - (int) before.size;
    FUZZ_CHECK(grown == 0 || grown == 4 || grown == -4);
}

static void
set_offload(struct packet *packet, uint8_t flags, uint32_t *random)
{
    struct packet_offload *offload = &packet->offload;
    if (flags & FLAG_PARTIAL) {
        offload->csum_partial = true;
        offload->csum_start = next_random(random) % 128;
        offload->csum_offset = next_random(random) & 1 ? 16 : 6;
    }
    if (flags & FLAG_GSO) {
        static const uint8_t types[] = { 1, 3, 4, 5, 0x81, 0x84, 0x7f };
        offload->gso_type = types[next_random(random) % sizeof types];
        offload->gso_size = next_random(random) % 64;
        offload->hdr_len = next_random(random) % 128;
    }
}

static void
check_super_frame(const struct packet *packet)
{
    uint8_t out[2048];
    uint32_t n = packet_n_segments(packet);
    FUZZ_CHECK(n >= 1);
    FUZZ_CHECK(packet_wire_bytes(packet) >= packet->size);
    FUZZ_CHECK(packet_segment(packet, 0, out, sizeof out) <= sizeof out);
    /* Behind IPv6 only a partial checksum tells both of them where TCP is. */
    if (packet->offload.csum_partial) {
        FUZZ_CHECK(packet_segment(packet, n, out, sizeof out) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PREFIX = 3, MAX_FRAME = 2000 };
    if (size < PREFIX || size > PREFIX + MAX_FRAME) {
        return 0;
    }
    uint32_t frame_size = (uint32_t) size - PREFIX;
    uint32_t random = (uint32_t) data[1] << 8 | data[2];
    uint8_t *buffer = malloc(PACKET_HEADROOM + frame_size);
    memcpy(buffer + PACKET_HEADROOM, data + PREFIX, frame_size);
    struct packet packet = { .data = buffer + PACKET_HEADROOM, .size = frame_size };
    struct flow_key key;

    set_offload(&packet, data[0], &random);
    if (packet_parse(&packet, &key) == 0) {
        for (int i = 0; i < (data[0] & N_ACTIONS_MASK); i++) {
            struct action action = make_action(&random);
            rewrite(&packet, &action);
        }
        check_super_frame(&packet);
        packet_complete_checksum(&packet);
    }
    free(buffer);
    return 0;
}
