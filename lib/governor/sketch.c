/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/governor/sketch.h"

/* A way: tag (18 bits, never 0), what was seen (4), tick (10); 0 is free. */
enum {
    TICK_BITS = 10,
    TICK_MASK = (1 << TICK_BITS) - 1,
    STATE_BITS = 4,
    TAG_SHIFT = TICK_BITS + STATE_BITS,
    SEEN_0 = 1 << TICK_BITS,         /* a packet in direction 0 */
    SEEN_1 = 2 << TICK_BITS,
    PROVEN = 4 << TICK_BITS,
    STATE_MASK = 15 << TICK_BITS,
};

enum { TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

/* A round of Murmur's finaliser: 64-bit multiplications only, as every target has them. */
static uint64_t
mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t
address_word(const uint8_t mac[6], uint16_t port)
{
    uint64_t word = port;
    for (unsigned i = 0; i < 6; i++) {
        word = word << 8 | mac[i];
    }
    return word;
}

/* One end of a conversation: addresses and port. */
static uint64_t
endpoint(uint64_t secret, const uint8_t mac[6], uint64_t address_0, uint64_t address_1,
         struct be16 port)
{
    uint64_t hash = mix(address_word(mac, port.raw) ^ secret);
    hash = mix(hash ^ address_0 ^ secret);
    return address_1 ? mix(hash ^ address_1) : hash;
}

static enum governor_kind
kind_of(int tcp_flags)
{
    if (tcp_flags == GOVERNOR_NOT_TCP) {
        return GOVERNOR_DATAGRAM;
    }
    switch (tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) {
    case TCP_SYN:
        return GOVERNOR_SYN;
    case TCP_SYN | TCP_ACK:
        return GOVERNOR_SYN_ACK;
    case TCP_ACK:
        return GOVERNOR_LIVE;
    default:
        return GOVERNOR_DEAD;
    }
}

void
governor_identify(uint64_t secret, const struct flow_key *key, int tcp_flags,
                  struct governor_flow *flow)
{
    uint64_t from = endpoint(secret, key->dl_src, key->lane[4], key->lane[5], key->tp_src);
    uint64_t to = endpoint(secret, key->dl_dst, key->lane[6], key->lane[7], key->tp_dst);
    uint16_t vid = be16_to_host(key->vlan_tci) & (FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK);
    uint64_t rest = (uint64_t) key->tun_key.raw << 32 | (uint64_t) vid << 16 | key->dl_type.raw;
    uint64_t kind = (uint64_t) key->nw_proto << 8 | (key->nw_frag & FLOW_FRAG_LATER);
    /* The sum does not tell the ends apart, so both directions have it. */
    flow->id = mix(from + to + mix(rest ^ mix(kind ^ secret)));
    flow->direction = from > to;
    flow->kind = (uint8_t) kind_of(tcp_flags);
}

static uint32_t
tag_of(uint64_t id)
{
    uint32_t tag = (uint32_t) (id >> (64 - 32 + TAG_SHIFT));
    return (tag ? tag : 1) << TAG_SHIFT;
}

static uint32_t
age_of(uint32_t way, uint32_t tick)
{
    return (tick - way) & TICK_MASK;
}

static uint32_t
tick_of(uint64_t now_ms)
{
    return (uint32_t) (now_ms >> GOVERNOR_TICK_SHIFT) & TICK_MASK;
}

/* Where the tag is, GOVERNOR_SKETCH_WAYS for nowhere. */
static unsigned
find(const uint32_t set[GOVERNOR_SKETCH_WAYS], uint32_t tag, uint32_t tick)
{
    for (unsigned w = 0; w < GOVERNOR_SKETCH_WAYS; w++) {
        if ((set[w] ^ tag) >> TAG_SHIFT == 0 && age_of(set[w], tick) <= GOVERNOR_MEMORY_TICKS) {
            return w;
        }
    }
    return GOVERNOR_SKETCH_WAYS;
}

/* Which goes: what is free or forgotten, else the oldest of those that proved nothing, else the
 * oldest. */
static unsigned
find_victim(const uint32_t set[GOVERNOR_SKETCH_WAYS], uint32_t tick)
{
    unsigned victim = 0;
    uint32_t most = 0;
    for (unsigned w = 0; w < GOVERNOR_SKETCH_WAYS; w++) {
        uint32_t age = age_of(set[w], tick);
        if (!set[w] || age > GOVERNOR_MEMORY_TICKS) {
            return w;
        }
        uint32_t rank = 1 + age + (set[w] & PROVEN ? 0 : TICK_MASK);
        if (rank > most) {
            most = rank;
            victim = w;
        }
    }
    return victim;
}

static uint32_t
seen_bit(const struct governor_flow *flow)
{
    return flow->direction ? SEEN_1 : SEEN_0;
}

/* What this packet of a flow that was seen before makes of it. */
static bool
proves(uint32_t state, const struct governor_flow *flow)
{
    uint32_t other = flow->direction ? SEEN_0 : SEEN_1;
    switch (flow->kind) {
    case GOVERNOR_DATAGRAM:
    case GOVERNOR_LIVE:
        return true;
    case GOVERNOR_SYN_ACK:
        return state & other;
    default:
        return false;
    }
}

/* The answer is no better than what it answers until somebody goes on. */
static enum governor_evidence
evidence(uint32_t state, const struct governor_flow *flow)
{
    if (state & PROVEN) {
        return GOVERNOR_PROVEN;
    }
    return flow->kind != GOVERNOR_SYN_ACK && proves(state, flow) ? GOVERNOR_PROVEN : GOVERNOR_SEEN;
}

enum governor_evidence
governor_sketch_see(struct governor_sketch *sketch, const struct governor_flow *flow,
                    uint64_t now_ms)
{
    uint32_t *set = sketch->way[flow->id & (GOVERNOR_SKETCH_SETS - 1)];
    uint32_t tag = tag_of(flow->id), tick = tick_of(now_ms);
    unsigned w = find(set, tag, tick);
    if (w == GOVERNOR_SKETCH_WAYS) {
        set[find_victim(set, tick)] = tag | seen_bit(flow) | tick;
        return GOVERNOR_NEW;
    }
    uint32_t state = set[w] & STATE_MASK;
    enum governor_evidence known = evidence(state, flow);
    if (proves(state, flow)) {
        state |= PROVEN;
    }
    set[w] = tag | state | seen_bit(flow) | tick;
    return known;
}

enum governor_evidence
governor_sketch_peek(const struct governor_sketch *sketch, const struct governor_flow *flow,
                     uint64_t now_ms)
{
    const uint32_t *set = sketch->way[flow->id & (GOVERNOR_SKETCH_SETS - 1)];
    unsigned w = find(set, tag_of(flow->id), tick_of(now_ms));
    return w == GOVERNOR_SKETCH_WAYS ? GOVERNOR_NEW : evidence(set[w] & STATE_MASK, flow);
}
