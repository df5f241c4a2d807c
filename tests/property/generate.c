/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/generate.h"

#include <string.h>

#include "tests/property/reference.h"

void
gen_init(struct gen *g, uint64_t seed)
{
    g->state = seed * 0x9e3779b97f4a7c15 + 1;
}

/* xorshift64*. */
uint32_t
gen_below(struct gen *g, uint32_t n)
{
    g->state ^= g->state >> 12;
    g->state ^= g->state << 25;
    g->state ^= g->state >> 27;
    return (uint32_t) ((g->state * 0x2545f4914f6cdd1d >> 32) * n >> 32);
}

static bool
one_in(struct gen *g, uint32_t n)
{
    return gen_below(g, n) == 0;
}

static void
put(uint8_t *p, int n, uint64_t value)
{
    for (int i = n - 1; i >= 0; i--) {
        p[i] = (uint8_t) value;
        value >>= 8;
    }
}

static uint32_t
anything(struct gen *g)
{
    return gen_below(g, UINT32_MAX);
}

#define PICK(G, ...) pick(G, (const uint32_t[]) { __VA_ARGS__ }, \
                          sizeof((const uint32_t[]) { __VA_ARGS__ }) / sizeof(uint32_t))

static uint32_t
pick(struct gen *g, const uint32_t *pool, size_t n)
{
    return pool[gen_below(g, (uint32_t) n)];
}

/* --- field values ------------------------------------------------------------------- */

static void
gen_addr(struct gen *g, uint8_t addr[6], bool is_dst)
{
    static const uint8_t groups[4][6] = {
        { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x05 },
        { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 }, { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e },
    };
    if (is_dst && one_in(g, 4)) {
        memcpy(addr, groups[gen_below(g, 4)], 6);
        return;
    }
    put(addr, 6, 0x020000000000 + 1 + gen_below(g, one_in(g, 8) ? 1 << 24 : 5));
}

static uint32_t
gen_ip(struct gen *g)
{
    return one_in(g, 16) ? anything(g) : PICK(g, 0x0a000001, 0x0a000002, 0x0a000102, 0xc0a80001);
}

static uint16_t
gen_port(struct gen *g)
{
    return (uint16_t) (one_in(g, 16) ? anything(g) : PICK(g, 0, 8, 53, 80, 443, 65535));
}

static uint16_t
gen_vid(struct gen *g)
{
    return (uint16_t) PICK(g, 0, 1, 5, 5, 100, 4095);
}

static uint8_t
gen_tos(struct gen *g)
{
    return (uint8_t) PICK(g, 0, 0, 0x20, 0xb8, 0xfc);
}

static uint8_t
gen_proto(struct gen *g)
{
    return (uint8_t) (one_in(g, 16) ? anything(g) : PICK(g, 1, 6, 6, 6, 17, 17, 17, 47));
}

/* --- frames ------------------------------------------------------------------------- */

static uint16_t
checksum(const uint8_t *p, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++) {
        sum += i % 2 ? p[i] : p[i] * 256u;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) ~sum;
}

static uint32_t
gen_payload(struct gen *g, uint8_t *p, uint32_t max)
{
    uint32_t size = gen_below(g, max);
    for (uint32_t i = 0; i < size; i++) {
        p[i] = (uint8_t) anything(g);
    }
    return size;
}

/* A transport header and payload of a datagram between the addresses at 'addrs'; returns
 * its size. */
static uint32_t
gen_transport(struct gen *g, uint8_t proto, const uint8_t *addrs, uint8_t *p)
{
    uint32_t header = proto == 6 ? 20 : 8;
    memset(p, 0, header);
    if (proto == 1) {
        p[0] = (uint8_t) PICK(g, 0, 3, 8);
        p[1] = (uint8_t) PICK(g, 0, 0, 1, 80);
    } else {
        put(p, 2, gen_port(g));
        put(p + 2, 2, gen_port(g));
    }
    if (proto == 6) {
        put(p + 4, 4, anything(g));
        put(p + 12, 2, 0x5018);
    }
    uint32_t size = header + gen_payload(g, p + header, 60);
    if (proto == 17) {
        put(p + 4, 2, size);
    }
    uint8_t pseudo[12];
    memcpy(pseudo, addrs, 8);
    put(pseudo + 8, 2, proto);
    put(pseudo + 10, 2, size);
    uint32_t field = proto == 6 ? 16 : proto == 17 ? 6 : 2;
    uint16_t sum = checksum(p, size, proto == 1 ? 0 : (uint16_t) ~checksum(pseudo, 12, 0));
    put(p + field, 2, proto == 17 && !sum ? 0xffff : sum);
    if (proto == 17 && one_in(g, 4)) {
        put(p + field, 2, 0);
    }
    return size;
}

/* Lies, fragments: changes to a header that is right so far. */
static void
spoil_ip(struct gen *g, uint8_t *ip)
{
    switch (gen_below(g, 24)) {
    case 0:
        put(ip + 6, 2, 0x2000);                      /* a first fragment */
        break;
    case 1:
        put(ip + 6, 2, 1 + gen_below(g, 0x3fff));    /* mostly a later one */
        break;
    case 2:
        put(ip + 2, 2, gen_below(g, 64));
        break;
    case 3:
        put(ip + 2, 2, 1000 + gen_below(g, 1000));
        break;
    case 4:
        ip[0] = (uint8_t) PICK(g, 0x44, 0x4f, 0x65, 0x40);
        break;
    case 5:
        put(ip + 6, 2, 0x4000);                      /* don't fragment */
        break;
    default:
        break;
    }
}

static uint32_t
gen_ipv4(struct gen *g, uint8_t *ip)
{
    uint32_t header = 20 + (one_in(g, 6) ? 4 * gen_below(g, 11) : 0);
    memset(ip, 1, header);                           /* options: no operation */
    memset(ip, 0, 20);
    ip[0] = (uint8_t) (0x40 + header / 4);
    ip[1] = (uint8_t) (gen_tos(g) | gen_below(g, 4));
    ip[8] = (uint8_t) PICK(g, 64, 64, 64, 64, 255, 3, 2, 1, 1, 0);
    ip[9] = gen_proto(g);
    put(ip + 12, 4, gen_ip(g));
    put(ip + 16, 4, gen_ip(g));
    uint32_t size = header;
    if (ip[9] == 1 || ip[9] == 6 || ip[9] == 17) {
        size += gen_transport(g, ip[9], ip + 12, ip + header);
    } else {
        size += gen_payload(g, ip + header, 60);
    }
    put(ip + 2, 2, size);
    spoil_ip(g, ip);
    put(ip + 10, 2, checksum(ip, header, 0));
    return size;
}

static uint32_t
gen_arp(struct gen *g, uint8_t *arp)
{
    static const uint8_t start[6] = { 0, 1, 8, 0, 6, 4 };
    memset(arp, 0, 28);
    memcpy(arp, start, 6);
    put(arp + 6, 2, PICK(g, 1, 1, 2, 3, 0x101));
    gen_addr(g, arp + 8, false);
    put(arp + 14, 4, gen_ip(g));
    put(arp + 24, 4, gen_ip(g));
    if (one_in(g, 12)) {
        arp[gen_below(g, 6)] ^= 1;
    }
    return 28;
}

/* What is behind a type; returns the type and the size. */
static uint16_t
gen_body(struct gen *g, uint8_t *p, uint32_t *size)
{
    uint16_t type = (uint16_t) PICK(g, 0x800, 0x800, 0x800, 0x800, 0x806, 0x86dd, 0x88cc, 0x8100);
    if (type == 0x800) {
        *size = gen_ipv4(g, p);
    } else if (type == 0x806) {
        *size = gen_arp(g, p);
    } else {
        *size = gen_payload(g, p, 60);
    }
    return type;
}

/* The body in 802.3, with SNAP or without; returns the size with the length field. */
static uint32_t
gen_llc(struct gen *g, uint8_t *p)
{
    static const uint8_t snap[6] = { 0xaa, 0xaa, 3, 0, 0, 0 };
    uint32_t size;
    uint16_t type = gen_body(g, p + 10, &size);
    memcpy(p + 2, snap, 6);
    put(p + 8, 2, type);
    put(p, 2, one_in(g, 8) ? gen_below(g, 0x600) : 8 + size);
    if (one_in(g, 4)) {
        p[2 + gen_below(g, 6)] ^= (uint8_t) PICK(g, 1, 0x80);
    }
    return 10 + size;
}

uint32_t
gen_frame(struct gen *g, uint8_t frame[GEN_FRAME_MAX])
{
    gen_addr(g, frame, true);
    gen_addr(g, frame + 6, false);
    uint32_t at = 12;
    if (one_in(g, 3)) {
        put(frame + 12, 2, one_in(g, 16) ? 0x88a8 : 0x8100);
        put(frame + 14, 2, gen_vid(g) | PICK(g, 0, 0, 0x2000, 0xe000, 0x1000, 0xb000));
        at += 4;
    }
    uint32_t size;
    if (one_in(g, 8)) {
        at += gen_llc(g, frame + at);
    } else {
        uint16_t type = gen_body(g, frame + at + 2, &size);
        put(frame + at, 2, type);
        at += 2 + size;
    }
    if (one_in(g, 8)) {
        at += gen_payload(g, frame + at, 30);        /* padding, not zeros */
    }
    if (one_in(g, 8)) {
        at = 14 + gen_below(g, at - 13);             /* cut */
    }
    if (one_in(g, 16)) {
        frame[12 + gen_below(g, at - 12)] = (uint8_t) anything(g);
    }
    return at;
}

/* --- actions ------------------------------------------------------------------------ */

static uint16_t
gen_out_port(struct gen *g, uint16_t n_ports)
{
    return (uint16_t) (one_in(g, 2) ? 1 + gen_below(g, n_ports)
                                    : PICK(g, 0xfff8, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe,
                                           0xfffa, 77));
}

static void
gen_argument(struct gen *g, uint32_t type, uint16_t n_ports, uint8_t *a)
{
    switch (type) {
    case 0:
        put(a + 4, 2, gen_out_port(g, n_ports));
        put(a + 6, 2, PICK(g, 0, 20, 128, 65535));
        break;
    case 1:
        put(a + 4, 2, gen_vid(g));
        break;
    case 2:
        a[4] = (uint8_t) gen_below(g, 8);
        break;
    case 4:
    case 5:
        gen_addr(g, a + 4, type == 5);
        break;
    case 6:
    case 7:
        put(a + 4, 4, gen_ip(g));
        break;
    case 8:
        a[4] = gen_tos(g);
        break;
    case 9:
    case 10:
        put(a + 4, 2, gen_port(g));
        break;
    case 11:
        put(a + 4, 2, one_in(g, 4) ? 0xfff8 : 1 + gen_below(g, n_ports));
        put(a + 12, 4, gen_below(g, 8));
        break;
    default:
        break;
    }
}

/* One of Nicira's: SET_QUEUE, POP_QUEUE, DEC_TTL, CONTROLLER, DEC_TTL_CNT_IDS. Returns its
 * length. */
static size_t
gen_vendor_action(struct gen *g, uint8_t *a)
{
    uint32_t subtype = PICK(g, 4, 4, 5, 18, 18, 18, 20, 21), n = 1 + gen_below(g, 3);
    size_t length = subtype == 21 ? 24 : 16;
    memset(a, 0, length);
    put(a, 2, 0xffff);
    put(a + 2, 2, length);
    put(a + 4, 4, 0x2320);
    put(a + 8, 2, subtype);
    if (subtype == 4) {
        put(a + 12, 4, gen_below(g, 9));
    } else if (subtype == 20) {
        put(a + 10, 2, PICK(g, 0, 20, 128, 65535));
        a[14] = (uint8_t) PICK(g, 0, 1, 2, 9);
        put(a + 12, 2, a[14] == 1 ? 1 : gen_below(g, 2));    /* else it is an OUTPUT */
    } else if (subtype == 21) {
        put(a + 10, 2, n);
        while (n--) {
            put(a + 16 + 2 * n, 2, gen_below(g, 3));
        }
    }
    return length;
}

size_t
gen_actions(struct gen *g, uint16_t n_ports, uint8_t actions[GEN_ACTIONS_MAX])
{
    size_t size = 0;
    uint32_t n = 1 + gen_below(g, one_in(g, 8) ? 15 : 4);
    while (n--) {
        uint32_t type = one_in(g, 2) ? 0 : gen_below(g, 14);
        if (type >= 12) {
            size += gen_vendor_action(g, actions + size);
            continue;
        }
        size_t length = type == 4 || type == 5 || type == 11 ? 16 : 8;
        memset(actions + size, 0, length);
        put(actions + size, 2, type);
        put(actions + size + 2, 2, length);
        gen_argument(g, type, n_ports, actions + size);
        size += length;
    }
    return size;
}

/* --- matches ------------------------------------------------------------------------ */

void
gen_match_of(const struct ref_fields *f, uint32_t wildcards, uint8_t match[40])
{
    memset(match, 0, 40);
    put(match, 4, wildcards);
    put(match + 4, 2, f->in_port);
    memcpy(match + 6, f->dl_src, 6);
    memcpy(match + 12, f->dl_dst, 6);
    put(match + 18, 2, f->dl_vlan);
    match[20] = f->dl_vlan_pcp;
    put(match + 22, 2, f->dl_type);
    match[24] = f->nw_tos;
    match[25] = f->nw_proto;
    put(match + 28, 4, f->nw_src);
    put(match + 32, 4, f->nw_dst);
    put(match + 36, 2, f->tp_src);
    put(match + 38, 2, f->tp_dst);
}

static uint32_t
gen_wildcards(struct gen *g)
{
    if (one_in(g, 4)) {
        return 0;
    }
    if (one_in(g, 16)) {
        return UINT32_MAX;
    }
    /* Few fields count, more of them or less. */
    uint32_t keep = anything(g) & anything(g) & (one_in(g, 2) ? anything(g) : UINT32_MAX);
    uint32_t wildcards = 0x3000ff & ~keep;
    if (one_in(g, 2)) {
        wildcards &= ~(uint32_t) (1 << 4);           /* a type, which others need */
    }
    wildcards |= PICK(g, 0, 1, 8, 16, 24, 31, 32, 32, 32, 63) << 8;
    wildcards |= PICK(g, 0, 1, 8, 16, 24, 31, 32, 32, 32, 63) << 14;
    return wildcards;
}

void
gen_match(struct gen *g, uint16_t n_ports, uint8_t match[40])
{
    struct ref_frame frame;
    struct ref_fields fields;
    frame.size = gen_frame(g, frame.data);
    ref_parse(&frame, (uint16_t) (1 + gen_below(g, n_ports)), &fields);
    gen_match_of(&fields, gen_wildcards(g), match);
    if (one_in(g, 8)) {
        match[4 + gen_below(g, 36)] = (uint8_t) anything(g);
    }
}

/* --- FLOW_MOD ----------------------------------------------------------------------- */

/* Makes an ADD or MODIFY with one action or more into one that must be refused. */
static size_t
spoil_flow_mod(struct gen *g, uint8_t *msg, size_t size)
{
    switch (gen_below(g, 8)) {
    case 0:
        put(msg + 56, 2, 5 + gen_below(g, 100));
        break;
    case 1:
        put(msg + 72, 2, PICK(g, 12, 13, 0x1234, 0xffff));
        break;
    case 2:
        put(msg + 74, 2, PICK(g, 0, 4, 9, 24, 1024));
        break;
    case 3:
        memcpy(msg + 72, "\0\0\0\x08", 4);
        put(msg + 76, 2, PICK(g, 0, 0xff00, 0xfff7, 0xfff9, 0xffff));
        put(msg + 78, 2, 0);
        size = 80;
        break;
    case 4:
        memcpy(msg + 72, "\0\1\0\x08\x10\0\0", 8);
        size = 80;
        break;
    case 5:
        memcpy(msg + 72, "\0\2\0\x08\x08\0\0", 8);
        size = 80;
        break;
    case 6:
        memcpy(msg + 72, "\0\x08\0\x08\x21\0\0", 8);
        size = 80;
        break;
    case 7:
        size -= 4;
        break;
    }
    put(msg + 2, 2, size);
    return size;
}

size_t
gen_flow_mod(struct gen *g, uint16_t n_ports, uint8_t msg[GEN_FLOW_MOD_MAX])
{
    size_t actions_size = gen_actions(g, n_ports, msg + 72);
    size_t size = 72 + actions_size;
    uint32_t command = PICK(g, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 4);

    memset(msg, 0, 72);
    gen_match(g, n_ports, msg + 8);
    msg[0] = 1;
    msg[1] = 14;
    put(msg + 48, 8, gen_below(g, 1000));
    put(msg + 56, 2, command);
    put(msg + 62, 2, PICK(g, 0, 1, 2, 0x8000, 0xffff));
    put(msg + 64, 4, UINT32_MAX);
    put(msg + 68, 2, command >= 3 && one_in(g, 3) ? gen_out_port(g, n_ports) : 0xffff);
    put(msg + 70, 2, PICK(g, 0, 0, 0, 1, 1, 2, 3));
    put(msg + 2, 2, size);
    return command < 3 && one_in(g, 8) ? spoil_flow_mod(g, msg, size) : size;
}
