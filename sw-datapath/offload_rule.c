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

/* --- what has to be in hardware ------------------------------------------------------------- */

struct requirement {
    struct dp_bridge *bridge;
    const struct derive_rule *rule;
    struct hal_verdict *verdict;
    bool names_port;
    unsigned n;                  /* kinds of packets that were looked at */
};

/* The table could hold the entry, and may not just now. */
static bool
is_about_room(unsigned reason)
{
    return reason == HAL_REASON_TABLE_FULL || reason == HAL_REASON_TOO_MANY_MASKS
           || reason == HAL_REASON_CHURN_LIMIT;
}

static bool
require_sample(const struct flow_key *sample, enum traffic_class c, void *aux)
{
    struct requirement *r = aux;
    struct hal_derivation d;
    (void) c;
    if (!r->names_port && !hal_port_device(r->bridge->hal, sample->in_port)) {
        return true;                 /* of all ports: those that have hardware */
    }
    r->n++;
    derive_from(r->bridge, sample, r->rule, offload_room(r->bridge->dp->offload), &d);
    hal_check(r->bridge->hal, &d, r->verdict);
    if (!d.exact_rule && is_about_room(r->verdict->reason)) {
        r->verdict->reason = 0;
    }
    /* From a port that receives nothing there is nothing to forward. */
    return !r->verdict->reason || r->verdict->reason == HAL_REASON_INGRESS_BLOCKED;
}

bool
dp_requires_hardware(const struct dp_bridge *bridge, uint64_t cookie)
{
    return bridge->hal && hal_policy_of(bridge->hal, cookie)->policy == HAL_REQUIRE_HW;
}

bool
dp_may_require_hardware(const struct dp_bridge *bridge)
{
    unsigned n = 0;
    const struct hal_policy_rule *rules = bridge->hal ? hal_policies(bridge->hal, &n) : NULL;
    while (n > 0 && rules[n - 1].policy != HAL_REQUIRE_HW) {
        n--;
    }
    return n > 0;
}

static bool
refuse(struct hal_verdict *verdict, enum hal_reason reason, unsigned action)
{
    *verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                      .action = (uint8_t) action };
    return false;
}

bool
dp_rule_may_be(struct dp_bridge *bridge, const struct flow_match *match, uint32_t rank,
               uint64_t cookie, const struct action_list *actions, struct hal_verdict *verdict)
{
    *verdict = (struct hal_verdict) { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    if (!dp_requires_hardware(bridge, cookie)) {
        return true;
    }
    if (derive_learns(actions)) {
        /* Packets that something is learnt from, or whose destination is not known. */
        return refuse(verdict, HAL_REASON_PER_PACKET, ACTION_OUTPUT);
    }
    const struct derive_rule rule = { .match = match, .rank = rank, .cookie = cookie,
                                      .actions = actions, .also = &match->mask };
    struct requirement r = { bridge, &rule, verdict,
                             match->mask.bits.in_port == UINT16_MAX, 0 };
    if (!offload_each_sample(bridge, match, rank, require_sample, &r)) {
        return false;
    }
    return r.n || refuse(verdict, HAL_REASON_INGRESS_SOFTWARE, HAL_OBJECT_NONE);
}
