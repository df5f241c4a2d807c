/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/in_band.h"

#include <netinet/in.h>
#include <string.h>

#include "sw-datapath/offload.h"

enum { ETH_TYPE_IPV4 = 0x0800, ETH_TYPE_ARP = 0x0806 };
enum { DHCP_SERVER = 67, DHCP_CLIENT = 68 };
/* RFC 2131, figure 1, behind the UDP header. */
enum { UDP_HEADER = 8, DHCP_OP = 0, DHCP_REPLY = 2, DHCP_CHADDR = 28 };

static void
get_local(uint64_t state, uint8_t addr[6])
{
    for (int i = 0; i < 6; i++) {
        addr[i] = (uint8_t) (state >> (8 * (5 - i)));
    }
}

/* Most packets are not, and that must be cheap to tell. */
static bool
may_be_locals(uint64_t state, const struct flow_key *key)
{
    uint8_t local[6];
    uint16_t type = be16_to_host(key->dl_type);
    if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_ARP) {
        return false;
    }
    if (key->in_port == PORT_LOCAL || key->dl_dst[0] & 1) {
        return true;
    }
    get_local(state, local);
    return !memcmp(key->dl_dst, local, sizeof local);
}

static bool
is_dhcp_answer(const struct flow_key *key)
{
    return be16_to_host(key->dl_type) == ETH_TYPE_IPV4 && key->nw_proto == IPPROTO_UDP
           && be16_to_host(key->tp_src) == DHCP_SERVER && be16_to_host(key->tp_dst) == DHCP_CLIENT;
}

static bool
dhcp_answer_is_for(const struct packet *packet, const uint8_t local[6])
{
    uint32_t at = packet->l4_offset + UDP_HEADER;
    return packet->l4 == PACKET_L4_UDP && packet->l4_limit >= at + DHCP_CHADDR + 6
           && packet->data[at + DHCP_OP] == DHCP_REPLY
           && !memcmp(packet->data + at + DHCP_CHADDR, local, 6);
}

/* By the key alone. */
static struct rule *
find_by_key(const struct dp_bridge *bridge, uint64_t state, const struct flow_key *key)
{
    if (!may_be_locals(state, key)) {
        return NULL;
    }
    struct rule *rule = classifier_lookup(bridge->hidden, key);
    /* What LOCAL sends is not for LOCAL. */
    bool from_local = key->in_port == PORT_LOCAL;
    return rule && from_local == (rule->rank == DP_HIDDEN_FROM_LOCAL) ? rule : NULL;
}

struct rule *
in_band_find(const struct dp_bridge *bridge, uint64_t state, const struct packet *packet,
             const struct flow_key *key)
{
    uint8_t local[6];
    struct rule *rule = find_by_key(bridge, state, key);
    if (!rule || key->in_port == PORT_LOCAL || !is_dhcp_answer(key)) {
        return rule;
    }
    get_local(state, local);
    return dhcp_answer_is_for(packet, local) ? rule : NULL;
}

/* --- hardware ----------------------------------------------------------------------------- */

struct narrowing {
    const struct classifier *hidden;
    struct flow_mask *mask;
};

static bool
add_mask(struct rule *rule, void *narrowing_)
{
    const struct narrowing *n = narrowing_;
    struct flow_match match;
    classifier_rule_match(n->hidden, rule, &match);
    for (int i = 0; i < FLOW_LANES; i++) {
        n->mask->bits.lane[i] |= match.mask.bits.lane[i];
    }
    return true;
}

bool
in_band_narrow(const struct dp_bridge *bridge, const struct flow_key *key, struct flow_mask *mask)
{
    static const struct flow_match all;
    uint64_t state = in_band_state(bridge);
    if (!state) {
        return false;
    }
    if (find_by_key(bridge, state, key)) {
        return true;
    }
    struct narrowing n = { bridge->hidden, mask };
    classifier_for_each_covered(bridge->hidden, &all, add_mask, &n);
    return false;
}

static bool
is_from_local(struct rule *rule, void *aux)
{
    (void) aux;
    return rule->rank == DP_HIDDEN_FROM_LOCAL;   /* what comes from elsewhere is not it */
}

bool
in_band_overlaps(const struct dp_bridge *bridge, const struct flow_match *match)
{
    enum { MAX_HIDDEN = 256 };
    return in_band_state(bridge)
           && !classifier_for_each_overlap(bridge->hidden, match, 0, RULE_RANK_EXACT, MAX_HIDDEN,
                                           is_from_local, NULL);
}

/* --- the user's side ------------------------------------------------------------------------ */

struct classifier *
dp_bridge_hidden(struct dp_bridge *bridge)
{
    if (!bridge->hidden) {
        bridge->hidden = classifier_new(dp_n_slots(bridge->dp));
    }
    return bridge->hidden;
}

void
dp_bridge_set_in_band(struct dp_bridge *bridge, const uint8_t local[6])
{
    uint64_t state = local ? IN_BAND_ON : 0;
    for (int i = 0; i < 6 && local; i++) {
        state |= (uint64_t) local[i] << (8 * (5 - i));
    }
    atomic_store_explicit(&bridge->in_band, state, memory_order_release);
    offload_config_changed(bridge);
}

const struct rule *
dp_bridge_find_hidden(const struct dp_bridge *bridge, const struct flow_key *key)
{
    uint64_t state = in_band_state(bridge);
    return state ? find_by_key(bridge, state, key) : NULL;
}
