/* SPDX-License-Identifier: Apache-2.0 */
/* What "no wildcards" means: OpenFlow 1.0's twelve fields, as far as packets have them. */
#include "sw-datapath/classifier_private.h"

const struct key_lanes exact_lanes = { 5, { 0, 1, 2, 4, 6 } };

const struct flow_mask exact_mask = { .bits = {
    .in_port = 0xffff,
    .dl_dst = { 255, 255, 255, 255, 255, 255 },
    .dl_src = { 255, 255, 255, 255, 255, 255 },
    .vlan_tci = { 0xffff },
    .dl_type = { 0xffff },
    .nw_proto = 0xff,
    .nw_tos = 0xfc,
    .tp_src = { 0xffff },
    .tp_dst = { 0xffff },
    .nw_src.bytes = { 255, 255, 255, 255 },
    .nw_dst.bytes = { 255, 255, 255, 255 },
} };

/* True if 'mask' has all bits of 'part'. */
static bool
mask_has(const struct flow_mask *mask, const struct flow_key *part)
{
    uint64_t missing = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        missing |= part->lane[i] & ~mask->bits.lane[i];
    }
    return missing == 0;
}

/* The part of the twelve fields that packets of this match have, as far as it fixes
 * their type and protocol. */
static struct flow_key
fields_of_packets(const struct flow_match *match)
{
    struct flow_key need = exact_mask.bits;
    bool ipv4 = match->value.dl_type.raw == htobe16(0x0800);
    bool arp = match->value.dl_type.raw == htobe16(0x0806);
    uint8_t proto = match->value.nw_proto;
    if (!(match->value.vlan_tci.raw & htobe16(FLOW_VLAN_PRESENT))) {
        need.vlan_tci.raw = htobe16(FLOW_VLAN_PRESENT);
    }
    if (!ipv4 || !(proto == 1 || proto == 6 || proto == 17)) {
        need.tp_src.raw = need.tp_dst.raw = 0;
    }
    if (!ipv4) {
        need.nw_tos = 0;
    }
    if (!ipv4 && !arp) {
        need.nw_proto = 0;
        need.nw_src = need.nw_dst = (union flow_addr) { .bytes = { 0 } };
    }
    return need;
}

bool
match_is_exact(const struct flow_match *match)
{
    struct flow_key need = fields_of_packets(match);
    return mask_has(&match->mask, &need) && mask_has(&exact_mask, &match->mask.bits);
}
