/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch's matches, of both dialects. */
#include <string.h>

#include "tests/property/reference.h"

static uint64_t
get(const uint8_t *p, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value * 256 + p[i];
    }
    return value;
}

/* A match as a list of (value, bits that count): one a field. */
enum {
    F_IN_PORT, F_DL_SRC, F_DL_DST, F_TAGGED, F_VID, F_PCP, F_DL_TYPE, F_TOS, F_PROTO, F_NW_SRC,
    F_NW_DST, F_TP_SRC, F_TP_DST, F_FRAG, N_F
};
struct plain {
    uint64_t value[N_F], mask[N_F];
};

static void
want(struct plain *p, int field, uint64_t value, uint64_t mask)
{
    p->value[field] = value & mask;
    p->mask[field] = mask;
}

static void
want_vlan(struct plain *p, const uint8_t *m, bool vlan_counts, bool pcp_counts)
{
    uint16_t vlan = get(m + 18, 2);
    if (vlan_counts && vlan == 0xffff) {
        want(p, F_TAGGED, 0, 1);
        want(p, F_VID, 0, 0xfff);
        want(p, F_PCP, 0, 7);
        return;
    }
    if (vlan_counts) {
        want(p, F_TAGGED, 1, 1);
        want(p, F_VID, vlan, 0xfff);
    }
    if (pcp_counts) {
        want(p, F_TAGGED, 1, 1);
        want(p, F_PCP, m[20], 7);
    }
}

static void
want_address(struct plain *p, int field, uint64_t address, uint32_t wild_bits)
{
    if (wild_bits < 32) {
        want(p, field, address, 0xffffffffu << wild_bits & 0xffffffffu);
    }
}

/* struct ofp_match, normalised. */
static void
read_openflow10(const uint8_t m[40], struct plain *p)
{
    uint32_t wild = get(m, 4);
    uint32_t type = get(m + 22, 2), proto = m[25];
    bool type_counts = !(wild & 1 << 4), proto_counts = !(wild & 1 << 5);

    memset(p, 0, sizeof *p);
    if (!(wild & 1 << 0)) {
        want(p, F_IN_PORT, get(m + 4, 2), 0xffff);
    }
    if (!(wild & 1 << 2)) {
        want(p, F_DL_SRC, get(m + 6, 6), 0xffffffffffff);
    }
    if (!(wild & 1 << 3)) {
        want(p, F_DL_DST, get(m + 12, 6), 0xffffffffffff);
    }
    want_vlan(p, m, !(wild & 1 << 1), !(wild & 1 << 20));
    if (type_counts) {
        want(p, F_DL_TYPE, type, 0xffff);
    }
    if (type_counts && (type == 0x0800 || type == 0x0806)) {
        want_address(p, F_NW_SRC, get(m + 28, 4), wild >> 8 & 63);
        want_address(p, F_NW_DST, get(m + 32, 4), wild >> 14 & 63);
        if (proto_counts) {
            want(p, F_PROTO, proto, 0xff);
        }
    }
    if (type_counts && type == 0x0800 && !(wild & 1 << 21)) {
        want(p, F_TOS, m[24], 0xfc);
    }
    if (type_counts && type == 0x0800 && proto_counts && (proto == 1 || proto == 6 || proto == 17)) {
        if (!(wild & 1 << 6)) {
            want(p, F_TP_SRC, get(m + 36, 2), 0xffff);
        }
        if (!(wild & 1 << 7)) {
            want(p, F_TP_DST, get(m + 38, 2), 0xffff);
        }
    }
}

/* --- nx_match ----------------------------------------------------------------------- */

/* A TCI: bit 12 says that there is a tag, and a frame without one has no other bits. */
static void
want_tci(struct plain *p, uint64_t value, uint64_t mask)
{
    value &= mask;
    if (value && !(mask & 0x1000)) {
        value |= 0x1000;
        mask |= 0x1000;
    }
    if (!value && mask & 0x1000) {
        mask = 0xffff;
    }
    want(p, F_TAGGED, value >> 12, mask >> 12 & 1);
    want(p, F_VID, value & 0xfff, mask & 0xfff);
    want(p, F_PCP, value >> 13, mask >> 13);
}

/* Bit 0: a fragment, bit 1: a later one, which is one. */
static void
want_frag(struct plain *p, uint64_t value, uint64_t mask)
{
    mask &= 3;
    value &= mask;
    if (mask == 2 && value) {
        value = mask = 3;
    } else if (mask == 1 && !value) {
        mask = 3;
    }
    want(p, F_FRAG, value, mask);
}

/* Of class 0, by number: which field it is, and its bits. The rest are odd. */
static const struct { uint8_t field; uint64_t bits; } nxm_fields[18] = {
    [0] = { F_IN_PORT, 0xffff }, [1] = { F_DL_DST, 0xffffffffffff },
    [2] = { F_DL_SRC, 0xffffffffffff }, [3] = { F_DL_TYPE, 0xffff }, [5] = { F_TOS, 0xfc },
    [6] = { F_PROTO, 0xff }, [7] = { F_NW_SRC, 0xffffffff }, [8] = { F_NW_DST, 0xffffffff },
    [9] = { F_TP_SRC, 0xffff }, [10] = { F_TP_DST, 0xffff }, [11] = { F_TP_SRC, 0xffff },
    [12] = { F_TP_DST, 0xffff }, [13] = { F_TP_SRC, 0xff }, [14] = { F_TP_DST, 0xff },
    [15] = { F_PROTO, 0xffff }, [16] = { F_NW_SRC, 0xffffffff }, [17] = { F_NW_DST, 0xffffffff },
};

/* A good nx_match. An ICMP type has the two bytes of a port. */
static void
read_nxm(const struct ref_match *m, struct plain *p, struct ref_cookies *cookies)
{
    memset(p, 0, sizeof *p);
    memset(cookies, 0, sizeof *cookies);
    for (size_t at = 0; at < m->size;) {
        const uint8_t *e = m->bytes + at;
        unsigned class = (unsigned) get(e, 2), number = e[2] >> 1, size = e[3];
        int width = (int) (e[2] & 1 ? size / 2 : size);
        uint64_t value = get(e + 4, width);
        uint64_t mask = e[2] & 1 ? get(e + 4 + width, width) : UINT64_MAX;
        if (class == 1 && number == 30) {
            cookies->value = value;
            cookies->mask = mask;
        } else if (class == 1) {
            want_frag(p, value, mask);
        } else if (number == 4) {
            want_tci(p, value, mask & 0xffff);
        } else {
            uint64_t bits = mask & nxm_fields[number].bits;
            want(p, nxm_fields[number].field, value, bits);
            if (bits && (number == 13 || number == 14)) {
                p->mask[nxm_fields[number].field] = 0xffff;
            }
            if (bits && number == 15) {
                p->mask[F_PROTO] = 0xff;
            }
        }
        at += 4 + size;
    }
}

static void
read_match(const struct ref_match *m, struct plain *p)
{
    struct ref_cookies ignored;
    if (m->is_nxm) {
        read_nxm(m, p, &ignored);
    } else {
        read_openflow10(m->bytes, p);
    }
}

void
ref_match_openflow10(struct ref_match *m, const uint8_t wire[40])
{
    m->is_nxm = false;
    m->size = 40;
    memcpy(m->bytes, wire, 40);
}

void
ref_match_nxm(struct ref_match *m, const uint8_t *entries, size_t size)
{
    m->is_nxm = true;
    m->size = (uint16_t) size;
    memcpy(m->bytes, entries, size);
}

void
ref_match_cookies(const struct ref_match *m, struct ref_cookies *cookies)
{
    struct plain p;
    memset(cookies, 0, sizeof *cookies);
    if (m->is_nxm) {
        read_nxm(m, &p, cookies);
    }
}

/* --- what they mean ------------------------------------------------------------------ */

/* All bits of each field that 1.0 has. */
static const uint64_t all_bits[N_F] = {
    [F_IN_PORT] = 0xffff, [F_DL_SRC] = 0xffffffffffff, [F_DL_DST] = 0xffffffffffff, [F_TAGGED] = 1,
    [F_VID] = 0xfff, [F_PCP] = 7, [F_DL_TYPE] = 0xffff, [F_TOS] = 0xfc, [F_PROTO] = 0xff,
    [F_NW_SRC] = 0xffffffff, [F_NW_DST] = 0xffffffff, [F_TP_SRC] = 0xffff, [F_TP_DST] = 0xffff,
};

/* In nx_match: every field that 1.0 has is there, whole. */
bool
ref_match_is_exact(const struct ref_match *m)
{
    struct plain p;
    if (!m->is_nxm) {
        return get(m->bytes, 4) % (1 << 22) == 0;
    }
    read_match(m, &p);
    for (int i = 0; i < F_FRAG; i++) {
        if (p.mask[i] != all_bits[i]) {
            return false;
        }
    }
    return p.value[F_TAGGED];
}

bool
ref_match_packet(const struct ref_match *match, const struct ref_fields *f)
{
    struct plain p;
    read_match(match, &p);
    const uint64_t has[N_F] = {
        [F_IN_PORT] = f->in_port, [F_DL_SRC] = get(f->dl_src, 6), [F_DL_DST] = get(f->dl_dst, 6),
        [F_TAGGED] = f->dl_vlan != 0xffff, [F_VID] = f->dl_vlan != 0xffff ? f->dl_vlan : 0,
        [F_PCP] = f->dl_vlan_pcp, [F_DL_TYPE] = f->dl_type, [F_TOS] = f->nw_tos,
        [F_PROTO] = f->nw_proto, [F_NW_SRC] = f->nw_src, [F_NW_DST] = f->nw_dst,
        [F_TP_SRC] = f->tp_src, [F_TP_DST] = f->tp_dst,
        [F_FRAG] = (f->is_fragment ? 1 : 0) | (f->is_later_fragment ? 2 : 0),
    };
    for (int i = 0; i < N_F; i++) {
        if ((has[i] & p.mask[i]) != p.value[i]) {
            return false;
        }
    }
    return true;
}

static bool
plain_covers(const struct plain *a, const struct plain *b)
{
    for (int i = 0; i < N_F; i++) {
        bool b_has_the_bits = (a->mask[i] & b->mask[i]) == a->mask[i];
        if (!b_has_the_bits || (b->value[i] & a->mask[i]) != a->value[i]) {
            return false;
        }
    }
    return true;
}

static bool
plain_equal(const struct plain *a, const struct plain *b)
{
    return plain_covers(a, b) && plain_covers(b, a);
}

bool
ref_match_covers(const struct ref_match *a, const struct ref_match *b)
{
    struct plain pa, pb;
    read_match(a, &pa);
    read_match(b, &pb);
    return plain_covers(&pa, &pb);
}

bool
ref_match_equal(const struct ref_match *a, const struct ref_match *b)
{
    return ref_match_covers(a, b) && ref_match_covers(b, a);
}

bool
ref_match_overlaps(const struct ref_match *a, const struct ref_match *b)
{
    struct plain pa, pb;
    read_match(a, &pa);
    read_match(b, &pb);
    for (int i = 0; i < N_F; i++) {
        uint64_t common = pa.mask[i] & pb.mask[i];
        if ((pa.value[i] & common) != (pb.value[i] & common)) {
            return false;
        }
    }
    return true;
}

/* --- how they are told --------------------------------------------------------------- */

static void
keep(struct plain *p, int field, uint64_t mask)
{
    p->mask[field] &= mask;
    p->value[field] &= mask;
}

/* The leading ones of a mask of 32 bits. */
static uint64_t
prefix_of(uint64_t mask)
{
    uint64_t prefix = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit && mask & bit; bit >>= 1) {
        prefix |= bit;
    }
    return prefix;
}

/* What 1.0 can say of it: fields as a whole, addresses by prefix; of a tag its id or its
 * priority, or that there is none. */
static void
widen_to_openflow10(struct plain *p)
{
    for (int i = 0; i < N_F; i++) {
        bool address = i == F_NW_SRC || i == F_NW_DST;
        uint64_t all = i == F_FRAG ? 4 : all_bits[i];
        keep(p, i, address ? prefix_of(p->mask[i]) : p->mask[i] == all ? all : 0);
    }
    if (!p->mask[F_TAGGED]) {
        keep(p, F_VID, 0);
        keep(p, F_PCP, 0);
    } else if (!p->value[F_TAGGED]) {
        want(p, F_VID, 0, 0xfff);
        want(p, F_PCP, 0, 7);
    } else if (!p->mask[F_VID] && !p->mask[F_PCP]) {
        keep(p, F_TAGGED, 0);
    }
}

/* What nx_match can: an ICMP type has one byte there. */
static void
widen_to_nxm(struct plain *p)
{
    bool icmp = p->value[F_DL_TYPE] == 0x0800 && p->mask[F_PROTO] && p->value[F_PROTO] == 1;
    for (int i = F_TP_SRC; icmp && i <= F_TP_DST; i++) {
        keep(p, i, p->value[i] > 0xff ? 0 : UINT64_MAX);
    }
}

bool
ref_match_is_told_as(const struct ref_match *flow, const struct ref_match *told)
{
    struct plain p, pt;
    read_match(flow, &p);
    read_match(told, &pt);
    if (told->is_nxm) {
        widen_to_nxm(&p);
    } else {
        widen_to_openflow10(&p);
    }
    return plain_equal(&p, &pt);
}
