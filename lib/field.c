/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/field.h"

#include <errno.h>
#include <string.h>

#include "lib/field_value.h"

#define PLACE(MEMBER, SIZE) \
    .offset = offsetof(struct flow_key, MEMBER), .size = (SIZE), .bits = 0xff
#define PLACE_BITS(MEMBER, SIZE, BITS) \
    .offset = offsetof(struct flow_key, MEMBER), .size = (SIZE), .bits = (BITS)

const struct field fields[N_FIELDS] = {
    [FIELD_TUN_KEY] = {
        .name = "tun_id", PLACE(tun_key, 4),
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_NONE,
        .flow = FIELD_MASK_NONE,
        .print = field_print_hex, .parse = field_parse_number,
        .names = { { "tun_id" }, { "tunnel_id", .parse_only = true } },
    },
    [FIELD_IN_PORT] = {
        .name = "in_port", PLACE(in_port, 2),
        .maskable = FIELD_MASK_EXACT, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_EXACT,
        .print = field_print_port, .parse = field_parse_port,
        .names = { { "in_port" } },
    },
    [FIELD_VLAN] = {
        .name = "vlan", PLACE(vlan_tci, 2),
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_ANY,
        .flow = FIELD_MASK_ANY,
        .print = field_print_vlan, .parse = field_parse_number,
        .names = { { "vlan_tci" },
                   { "dl_vlan", .parse = field_parse_dl_vlan },
                   { "dl_vlan_pcp", .parse = field_parse_dl_vlan_pcp },
                   { "vlan_vid", .parse = field_parse_vlan_vid },
                   { "vlan_pcp", .parse = field_parse_dl_vlan_pcp } },
    },
    [FIELD_DL_SRC] = {
        .name = "dl_src", PLACE(dl_src, 6),
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_ANY,
        .print = field_print_mac, .parse = field_parse_mac,
        .names = { { "dl_src" }, { "eth_src", .parse_only = true } },
    },
    [FIELD_DL_DST] = {
        .name = "dl_dst", PLACE(dl_dst, 6),
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_ANY,
        .print = field_print_mac, .parse = field_parse_mac,
        .names = { { "dl_dst" }, { "eth_dst", .parse_only = true } },
    },
    [FIELD_DL_TYPE] = {
        .name = "dl_type", PLACE(dl_type, 2),
        .maskable = FIELD_MASK_EXACT, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_EXACT,
        .print = field_print_hex4, .parse = field_parse_number,
        .names = { { "dl_type" }, { "eth_type", .parse_only = true } },
    },
    [FIELD_NW_SRC] = {
        .name = "nw_src", PLACE(nw_src, 4), .prereq = FIELD_PREREQ_IP_OR_ARP,
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_PREFIX,
        .flow = FIELD_MASK_ANY,
        .print = field_print_ip4, .parse = field_parse_ip4,
        .names = { { "arp_spa", FIELD_PREREQ_ARP }, { "nw_src" },
                   { "ip_src", FIELD_PREREQ_IP, .parse_only = true } },
    },
    [FIELD_NW_DST] = {
        .name = "nw_dst", PLACE(nw_dst, 4), .prereq = FIELD_PREREQ_IP_OR_ARP,
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_PREFIX,
        .flow = FIELD_MASK_ANY,
        .print = field_print_ip4, .parse = field_parse_ip4,
        .names = { { "arp_tpa", FIELD_PREREQ_ARP }, { "nw_dst" },
                   { "ip_dst", FIELD_PREREQ_IP, .parse_only = true } },
    },
    [FIELD_NW_PROTO] = {
        .name = "nw_proto", PLACE(nw_proto, 1), .prereq = FIELD_PREREQ_IP_OR_ARP,
        .maskable = FIELD_MASK_EXACT, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_EXACT,
        .print = field_print_decimal, .parse = field_parse_number,
        .names = { { "arp_op", FIELD_PREREQ_ARP }, { "nw_proto" },
                   { "ip_proto", FIELD_PREREQ_IP, .parse_only = true } },
    },
    [FIELD_NW_TOS] = {
        .name = "nw_tos", PLACE_BITS(nw_tos, 1, 0xfc), .prereq = FIELD_PREREQ_IP,
        .maskable = FIELD_MASK_EXACT, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_EXACT,
        .print = field_print_decimal, .parse = field_parse_number,
        .names = { { "nw_tos" }, { "ip_dscp", .parse = field_parse_dscp, .parse_only = true } },
    },
    [FIELD_NW_FRAG] = {
        .name = "nw_frag", PLACE_BITS(nw_frag, 1, FLOW_FRAG_ANY | FLOW_FRAG_LATER),
        .prereq = FIELD_PREREQ_IP,
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_NONE,
        .flow = FIELD_MASK_ANY,
        .print = field_print_frag, .parse = field_parse_frag,
        .names = { { "nw_frag" }, { "ip_frag", .parse_only = true } },
    },
    [FIELD_TP_SRC] = {
        .name = "tp_src", PLACE(tp_src, 2), .prereq = FIELD_PREREQ_PORTS,
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_ANY,
        .print = field_print_decimal, .parse = field_parse_number,
        .names = { { "icmp_type", FIELD_PREREQ_ICMP, .max = 255, .exact = true }, { "tp_src" },
                   { "tcp_src", FIELD_PREREQ_TCP, .parse_only = true },
                   { "udp_src", FIELD_PREREQ_UDP, .parse_only = true } },
    },
    [FIELD_TP_DST] = {
        .name = "tp_dst", PLACE(tp_dst, 2), .prereq = FIELD_PREREQ_PORTS,
        .maskable = FIELD_MASK_ANY, .openflow10 = FIELD_MASK_EXACT,
        .flow = FIELD_MASK_ANY,
        .print = field_print_decimal, .parse = field_parse_number,
        .names = { { "icmp_code", FIELD_PREREQ_ICMP, .max = 255, .exact = true }, { "tp_dst" },
                   { "tcp_dst", FIELD_PREREQ_TCP, .parse_only = true },
                   { "udp_dst", FIELD_PREREQ_UDP, .parse_only = true } },
    },
};

enum { TYPE_IP = 0x0800, TYPE_ARP = 0x0806 };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

/* Zeros end the lists; an empty list asks for nothing. */
static const struct {
    const char *text;
    uint16_t dl_type[2];
    uint8_t nw_proto[3];
} prereqs[] = {
    [FIELD_PREREQ_NONE] = { "nothing", { 0 }, { 0 } },
    [FIELD_PREREQ_IP_OR_ARP] = { "ip or arp", { TYPE_IP, TYPE_ARP }, { 0 } },
    [FIELD_PREREQ_IP] = { "ip", { TYPE_IP }, { 0 } },
    [FIELD_PREREQ_ARP] = { "arp", { TYPE_ARP }, { 0 } },
    [FIELD_PREREQ_PORTS] = { "tcp, udp or icmp", { TYPE_IP },
                             { PROTO_TCP, PROTO_UDP, PROTO_ICMP } },
    [FIELD_PREREQ_TCP] = { "tcp", { TYPE_IP }, { PROTO_TCP } },
    [FIELD_PREREQ_UDP] = { "udp", { TYPE_IP }, { PROTO_UDP } },
    [FIELD_PREREQ_ICMP] = { "icmp", { TYPE_IP }, { PROTO_ICMP } },
};
static_assert(sizeof prereqs / sizeof prereqs[0] == N_FIELD_PREREQS, "a row a prerequisite");

const struct field *
field_find(const char *name, const struct field_name **alias)
{
    for (int id = 0; id < N_FIELDS; id++) {
        for (const struct field_name *n = fields[id].names; n->name; n++) {
            if (!strcmp(n->name, name)) {
                if (alias) {
                    *alias = n;
                }
                return &fields[id];
            }
        }
    }
    return NULL;
}

enum field_mask_mode
field_mask_mode(const struct field *field, const struct flow_mask *mask)
{
    const uint8_t *bytes = field_bytes(field, &mask->bits);
    bool none = true, exact = true, prefix = true, ended = false;
    for (size_t i = 0; i < field->size; i++) {
        uint8_t byte = bytes[i] & field->bits;
        uint8_t missing = byte ^ field->bits;
        none = none && !byte;
        exact = exact && !missing;
        /* Leading ones: nothing after the end, and what is missing is the low bits. */
        unsigned low = (uint8_t) (missing | ~field->bits);
        prefix = prefix && !(ended && byte) && (low & (low + 1)) == 0;
        ended = ended || missing;
    }
    return none ? FIELD_MASK_NONE : exact ? FIELD_MASK_EXACT
           : prefix ? FIELD_MASK_PREFIX : FIELD_MASK_ANY;
}

void
field_mask_exact(const struct field *field, struct flow_mask *mask)
{
    memset(field_bytes_mutable(field, &mask->bits), field->bits, field->size);
}

bool
field_prereq_met(enum field_prereq prereq, const struct flow_match *match)
{
    const uint16_t *type = prereqs[prereq].dl_type;
    const uint8_t *proto = prereqs[prereq].nw_proto;
    if (type[0]) {
        uint16_t dl_type = be16_to_host(match->value.dl_type);
        bool fits = dl_type == type[0] || (type[1] && dl_type == type[1]);
        if (match->mask.bits.dl_type.raw != 0xffff || !fits) {
            return false;
        }
    }
    return !proto[0] || (match->mask.bits.nw_proto == 0xff && match->value.nw_proto
                         && memchr(proto, match->value.nw_proto, sizeof prereqs[0].nw_proto));
}

const char *
field_prereq_text(enum field_prereq prereq)
{
    return prereqs[prereq].text;
}

int
field_check_prereqs(const struct flow_match *match, struct errmsg *err)
{
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (field_mask_mode(f, &match->mask) != FIELD_MASK_NONE
            && !field_prereq_met(f->prereq, match)) {
            errmsg_set(err, "%s needs %s in the match", f->name, field_prereq_text(f->prereq));
            return -EINVAL;
        }
    }
    return 0;
}

int
field_check_openflow10(const struct flow_match *match, struct errmsg *err)
{
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        enum field_mask_mode mode = field_mask_mode(f, &match->mask);
        bool fits = id == FIELD_VLAN
            ? field_vlan_fits_openflow10(be16_to_host(match->value.vlan_tci),
                                         be16_to_host(match->mask.bits.vlan_tci))
            : mode <= f->openflow10;
        if (!fits) {
            errmsg_set(err, "%s: OpenFlow 1.0 can't match it%s", f->name,
                       f->openflow10 == FIELD_MASK_NONE ? "" : " under this mask");
            return -EINVAL;
        }
    }
    return 0;
}

/* A type or code of ICMP is matched whole; later fragments have no ports. */
static bool
fits_transport(const struct field *field, const struct flow_match *match)
{
    enum field_mask_mode mode = field_mask_mode(field, &match->mask);
    if (field->prereq != FIELD_PREREQ_PORTS || mode == FIELD_MASK_NONE) {
        return true;
    }
    return !(match->value.nw_frag & FLOW_FRAG_LATER)
           && (mode == FIELD_MASK_EXACT || !field_prereq_met(FIELD_PREREQ_ICMP, match));
}

int
field_check_flow(const struct flow_match *match, struct errmsg *err)
{
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (field_mask_mode(f, &match->mask) > f->flow || !fits_transport(f, match)) {
            errmsg_set(err, "%s: a flow can't match it%s", f->name,
                       f->flow == FIELD_MASK_NONE ? "" : " under this mask");
            return -EINVAL;
        }
    }
    return 0;
}

static void
canonicalize_frag(uint8_t *value, uint8_t *mask)
{
    if (*mask == FLOW_FRAG_LATER && *value) {
        *value = *mask = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    } else if (*mask == FLOW_FRAG_ANY && !*value) {
        *mask = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    }
}

void
field_canonicalize(struct flow_match *match)
{
    uint16_t value = be16_to_host(match->value.vlan_tci);
    uint16_t mask = be16_to_host(match->mask.bits.vlan_tci);
    field_canonicalize_vlan(&value, &mask);
    match->value.vlan_tci = be16_from_host(value);
    match->mask.bits.vlan_tci = be16_from_host(mask);
    canonicalize_frag(&match->value.nw_frag, &match->mask.bits.nw_frag);
}
