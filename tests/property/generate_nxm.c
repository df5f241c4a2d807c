/* SPDX-License-Identifier: Apache-2.0 */
/* nx_match for property tests: what a wire match says, under masks. */
#include "tests/property/generate.h"

static uint64_t
get48(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 6; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static uint32_t
get16(const uint8_t *p)
{
    return (uint32_t) p[0] << 8 | p[1];
}

static void
put(uint8_t *p, int n, uint64_t value)
{
    for (int i = n - 1; i >= 0; i--) {
        p[i] = (uint8_t) value;
        value >>= 8;
    }
}

static bool
one_in(struct gen *g, uint32_t n)
{
    return gen_below(g, n) == 0;
}

static uint32_t
anything(struct gen *g)
{
    return gen_below(g, UINT32_MAX);
}

struct entries {
    uint8_t *p;
    size_t size;
};

/* An entry of 'n' bytes; a mask of all of them is left out. */
static void
put_entry(struct entries *out, uint32_t class, uint32_t number, int n, uint64_t value,
          uint64_t mask)
{
    uint64_t all = UINT64_MAX >> (64 - 8 * n);
    bool has_mask = (mask & all) != all;
    uint8_t *e = out->p + out->size;
    put(e, 2, class);
    e[2] = (uint8_t) (number << 1 | (has_mask ? 1 : 0));
    e[3] = (uint8_t) (has_mask ? 2 * n : n);
    put(e + 4, n, value & mask & all);
    if (has_mask) {
        put(e + 4 + n, n, mask & all);
    }
    out->size += 4u + e[3];
}

static uint64_t
thinned(struct gen *g, bool thin, uint64_t mask)
{
    if (!thin || one_in(g, 2)) {
        return mask;
    }
    uint64_t some = (uint64_t) anything(g) << 32 | anything(g);
    return mask & (one_in(g, 2) ? some : some | (uint64_t) anything(g) << 16 | 0xff);
}

static void
put_link(struct gen *g, const uint8_t *m, uint32_t wild, bool thin, struct entries *out)
{
    uint64_t tci = 0, bits = 0;
    bool vlan = !(wild & 1 << 1), pcp = !(wild & 1 << 20), none = vlan && get16(m + 18) == 0xffff;
    if (!(wild & 1 << 0)) {
        put_entry(out, 0, 0, 2, get16(m + 4), 0xffff);
    }
    if (!(wild & 1 << 3)) {
        put_entry(out, 0, 1, 6, get48(m + 12), thinned(g, thin, UINT64_MAX));
    }
    if (!(wild & 1 << 2)) {
        put_entry(out, 0, 2, 6, get48(m + 6), thinned(g, thin, UINT64_MAX));
    }
    if (none) {
        static const uint16_t untagged[] = { 0xffff, 0x1fff, 0x1000 };
        bits = untagged[gen_below(g, 3)];
    } else if (vlan || pcp) {
        tci = 0x1000 | (vlan ? get16(m + 18) & 0xfff : 0u) | (pcp ? (m[20] & 7u) << 13 : 0u);
        bits = 0x1000 | (vlan ? 0xfff : 0) | (pcp ? 0xe000 : 0);
    }
    if (bits) {
        put_entry(out, 0, 4, 2, tci, thinned(g, thin, bits));
    }
}

static void
put_ports(struct gen *g, const uint8_t *m, uint32_t wild, bool thin, struct entries *out)
{
    static const uint8_t numbers[18] = { [1] = 13, [6] = 9, [17] = 11 };
    uint32_t number = numbers[m[25]];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t port = get16(m + 36 + 2 * i);
        if (wild & 1u << (6 + i) || (number == 13 && port > 0xff)) {
            continue;
        }
        put_entry(out, 0, number + i, number == 13 ? 1 : 2, port,
                  number == 13 ? 0xff : thinned(g, thin, 0xffff));
    }
}

static void
put_network(struct gen *g, const uint8_t *m, uint32_t wild, bool thin, struct entries *out)
{
    bool arp = get16(m + 22) == 0x0806, proto = !(wild & 1 << 5);
    uint32_t src_wild = wild >> 8 & 63, dst_wild = wild >> 14 & 63;
    if (src_wild < 32) {
        put_entry(out, 0, arp ? 16 : 7, 4, get32(m + 28),
                  thinned(g, thin, UINT64_C(0xffffffff) << src_wild));
    }
    if (dst_wild < 32) {
        put_entry(out, 0, arp ? 17 : 8, 4, get32(m + 32),
                  thinned(g, thin, UINT64_C(0xffffffff) << dst_wild));
    }
    if (proto) {
        put_entry(out, 0, arp ? 15 : 6, arp ? 2 : 1, m[25], UINT64_MAX);
    }
    if (!arp && !(wild & 1 << 21)) {
        put_entry(out, 0, 5, 1, m[24] & 0xfc, 0xff);
    }
    size_t before = out->size;
    if (!arp && proto && (m[25] == 1 || m[25] == 6 || m[25] == 17)) {
        put_ports(g, m, wild, thin, out);
    }
    if (!arp && thin && one_in(g, 3)) {
        /* Value and mask. Later fragments, which are last, have no ports. */
        static const uint8_t frags[] = { 0x03, 0x11, 0x13, 0x02, 0x01, 0x33, 0x22 };
        uint32_t frag = frags[gen_below(g, out->size == before ? 7 : 5)];
        put_entry(out, 1, 26, 1, frag >> 4, (frag & 0xf) == 3 ? 0xff : frag & 0xf);
    }
}

size_t
gen_nxm_of(struct gen *g, const uint8_t match[40], bool thin, uint8_t entries[GEN_NXM_MAX])
{
    struct entries out = { .p = entries };
    uint32_t wild = get32(match), type = get16(match + 22);
    put_link(g, match, wild, thin, &out);
    if (!(wild & 1 << 4)) {
        put_entry(&out, 0, 3, 2, type, 0xffff);
        if (type == 0x0800 || type == 0x0806) {
            put_network(g, match, wild, thin, &out);
        }
    }
    return out.size;
}

size_t
gen_nxm_cookie(uint64_t value, uint64_t mask, uint8_t *entry)
{
    struct entries out = { .p = entry };
    put_entry(&out, 1, 30, 8, value, mask);
    return out.size;
}
