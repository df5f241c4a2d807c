/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/offload_rule.h"

/* A protocol and a type that are of no other class. */
enum { SAMPLE_PROTO = 253, SAMPLE_TYPE = 0x88b5 };

/* A packet of the match and class; what both leave open is 0. */
static struct flow_key
sample_of(const struct flow_match *match, enum traffic_class c)
{
    static const struct { uint16_t type; uint8_t proto; } classes[N_TRAFFIC_CLASSES] = {
        [TRAFFIC_TCP] = { 0x0800, IPPROTO_TCP }, [TRAFFIC_UDP] = { 0x0800, IPPROTO_UDP },
        [TRAFFIC_ICMP] = { 0x0800, IPPROTO_ICMP }, [TRAFFIC_IPV4] = { 0x0800, SAMPLE_PROTO },
        [TRAFFIC_ARP] = { 0x0806, 0 }, [TRAFFIC_OTHER] = { SAMPLE_TYPE, 0 },
    };
    struct flow_key key = match->value;
    if (match->mask.bits.dl_type.raw != 0xffff) {
        key.dl_type.raw = htobe16(classes[c].type);
    }
    if (match->mask.bits.nw_proto != 0xff) {
        key.nw_proto = classes[c].proto;
    }
    return key;
}

bool
offload_each_sample(const struct dp_bridge *bridge, const struct flow_match *match, uint32_t rank,
                    bool (*visit)(const struct flow_key *, enum traffic_class, void *), void *aux)
{
    const struct port_map *map = atomic_load_explicit(&bridge->map, memory_order_relaxed);
    bool one_port = match->mask.bits.in_port == UINT16_MAX;
    if (rank == RULE_RANK_EXACT) {
        return visit(&match->value, traffic_class_of(&match->value), aux);
    }
    for (unsigned left = profile_classes_of(match); left; left &= left - 1) {
        enum traffic_class c = (enum traffic_class) __builtin_ctz(left);
        struct flow_key key = sample_of(match, c);
        if (one_port && !visit(&key, c, aux)) {
            return false;
        }
        for (unsigned i = 0; !one_port && i < map->n; i++) {
            key.in_port = map->ports[i]->no;
            if (!visit(&key, c, aux)) {
                return false;
            }
        }
    }
    return true;
}
