/* SPDX-License-Identifier: Apache-2.0 */
/* Matches in ovs-dpctl's syntax: nested attributes, "name(key=value,...)". */
#include "lib/field.h"
#include "lib/field_value.h"
#include "lib/flow_text.h"

/* One value of an attribute. */
struct member {
    const char *key;
    enum field_id id;
    field_print_fn *print;
};

/* ovs-dpctl writes an address' mask as an address. */
static void
print_ip4(struct strbuf *out, const struct field *field, const char *name, const uint8_t *value,
          const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) field, (void) ports;
    strbuf_printf(out, "%s=%u.%u.%u.%u", name, value[0], value[1], value[2], value[3]);
    if ((mask[0] & mask[1] & mask[2] & mask[3]) != 0xff) {
        strbuf_printf(out, "/%u.%u.%u.%u", mask[0], mask[1], mask[2], mask[3]);
    }
}

static void
print_tos(struct strbuf *out, const struct field *field, const char *name, const uint8_t *value,
          const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "%s=%#x", name, value[0]);
    if ((mask[0] & field->bits) != field->bits) {
        strbuf_printf(out, "/%#x", mask[0]);
    }
}

static const struct member tunnel_members[] = {
    { "tun_id", FIELD_TUN_KEY, field_print_hex },
};
static const struct member eth_members[] = {
    { "src", FIELD_DL_SRC, field_print_mac },
    { "dst", FIELD_DL_DST, field_print_mac },
};
static const struct member ipv4_members[] = {
    { "src", FIELD_NW_SRC, print_ip4 },
    { "dst", FIELD_NW_DST, print_ip4 },
    { "proto", FIELD_NW_PROTO, field_print_decimal },
    { "tos", FIELD_NW_TOS, print_tos },
    { "frag", FIELD_NW_FRAG, field_print_frag },
};
static const struct member arp_members[] = {
    { "sip", FIELD_NW_SRC, print_ip4 },
    { "tip", FIELD_NW_DST, print_ip4 },
    { "op", FIELD_NW_PROTO, field_print_decimal },
};
static const struct member port_members[] = {
    { "src", FIELD_TP_SRC, field_print_decimal },
    { "dst", FIELD_TP_DST, field_print_decimal },
};
static const struct member icmp_members[] = {
    { "type", FIELD_TP_SRC, field_print_decimal },
    { "code", FIELD_TP_DST, field_print_decimal },
};

/* Puts a comma in front of what follows, unless it is the first in its list. */
static void
separate(struct strbuf *out)
{
    if (out->len && out->text[out->len - 1] != '(') {
        strbuf_putc(out, ',');
    }
}

static bool
is_matched(const struct flow_match *match, enum field_id id)
{
    return field_mask_mode(&fields[id], &match->mask) != FIELD_MASK_NONE;
}

/* Prints "NAME(KEY=VALUE,...)" of the members that are matched; nothing if none is. */
static void
print_attribute(struct strbuf *out, const struct flow_match *match, const char *name,
                const struct member *members, size_t n)
{
    bool open = false;
    for (size_t i = 0; i < n; i++) {
        if (is_matched(match, members[i].id)) {
            if (!open) {
                separate(out);
                strbuf_printf(out, "%s(", name);
                open = true;
            }
            separate(out);
            const struct field *f = &fields[members[i].id];
            members[i].print(out, f, members[i].key, field_bytes(f, &match->value),
                             field_bytes(f, &match->mask.bits), NULL);
        }
    }
    if (open) {
        strbuf_putc(out, ')');
    }
}
#define PRINT_ATTRIBUTE(OUT, MATCH, NAME, MEMBERS) \
    print_attribute(OUT, MATCH, NAME, MEMBERS, sizeof(MEMBERS) / sizeof((MEMBERS)[0]))

/* "vid=5/0xff": each part only as far as it is matched. */
static void
print_vlan_part(struct strbuf *out, const char *key, unsigned value, unsigned mask, unsigned all)
{
    if (mask) {
        separate(out);
        strbuf_printf(out, "%s=%u", key, value);
        if (mask != all) {
            strbuf_printf(out, "/0x%x", mask);
        }
    }
}

/* Prints a tag's attributes up to the parenthesis of encap. An untagged frame has none. */
static bool
begin_vlan(struct strbuf *out, const struct flow_match *match)
{
    unsigned tci = be16_to_host(match->value.vlan_tci);
    unsigned mask = be16_to_host(match->mask.bits.vlan_tci);
    if (!(tci & FLOW_VLAN_PRESENT)) {
        return false;
    }
    separate(out);
    strbuf_puts(out, "eth_type(0x8100),vlan(");
    print_vlan_part(out, "vid", tci & FLOW_VLAN_VID_MASK, mask & FLOW_VLAN_VID_MASK,
                    FLOW_VLAN_VID_MASK);
    print_vlan_part(out, "pcp", tci >> FLOW_VLAN_PCP_SHIFT, mask >> FLOW_VLAN_PCP_SHIFT, 7);
    strbuf_puts(out, "),encap(");
    return true;
}

static void
print_eth_type(struct strbuf *out, const struct flow_match *match)
{
    if (is_matched(match, FIELD_DL_TYPE)) {
        separate(out);
        strbuf_printf(out, "eth_type(0x%04x", be16_to_host(match->value.dl_type));
        if (match->mask.bits.dl_type.raw != 0xffff) {
            strbuf_printf(out, "/0x%x", be16_to_host(match->mask.bits.dl_type));
        }
        strbuf_putc(out, ')');
    }
}

static void
print_transport(struct strbuf *out, const struct flow_match *match)
{
    if (field_prereq_met(FIELD_PREREQ_ICMP, match)) {
        PRINT_ATTRIBUTE(out, match, "icmp", icmp_members);
    } else if (field_prereq_met(FIELD_PREREQ_TCP, match)) {
        PRINT_ATTRIBUTE(out, match, "tcp", port_members);
    } else if (field_prereq_met(FIELD_PREREQ_UDP, match)) {
        PRINT_ATTRIBUTE(out, match, "udp", port_members);
    } else {
        PRINT_ATTRIBUTE(out, match, "tp", port_members);
    }
}

/* A packet that is neither IPv4 nor ARP has no network fields, so a mask that has their
 * bits says nothing about it. */
static void
print_network(struct strbuf *out, const struct flow_match *match)
{
    if (field_prereq_met(FIELD_PREREQ_ARP, match)) {
        PRINT_ATTRIBUTE(out, match, "arp", arp_members);
    } else if (field_prereq_met(FIELD_PREREQ_IP, match)) {
        PRINT_ATTRIBUTE(out, match, "ipv4", ipv4_members);
        print_transport(out, match);
    } else if (!is_matched(match, FIELD_DL_TYPE)) {
        PRINT_ATTRIBUTE(out, match, "nw", ipv4_members);
        print_transport(out, match);
    }
}

void
flow_key_print_dpctl(struct strbuf *out, const struct flow_match *match)
{
    /* Apart, so that a separator looks at this text alone and not at what 'out' held. */
    struct strbuf text = { 0 };
    PRINT_ATTRIBUTE(&text, match, "tunnel", tunnel_members);
    if (is_matched(match, FIELD_IN_PORT)) {
        separate(&text);
        strbuf_printf(&text, "in_port(%u)", (unsigned) match->value.in_port);
    }
    PRINT_ATTRIBUTE(&text, match, "eth", eth_members);
    bool tagged = begin_vlan(&text, match);
    print_eth_type(&text, match);
    print_network(&text, match);
    if (tagged) {
        strbuf_putc(&text, ')');
    }
    strbuf_puts(out, strbuf_text(&text));
    out->failed = out->failed || text.failed;
    strbuf_fini(&text);
}
