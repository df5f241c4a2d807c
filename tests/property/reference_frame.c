/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch's view of frames: fields out of bytes, and rewrites of bytes. */
#include <string.h>

#include "tests/property/reference.h"

static uint32_t
get(const uint8_t *p, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value * 256 + p[i];
    }
    return value;
}

static void
put(uint8_t *p, int n, uint32_t value)
{
    for (int i = n - 1; i >= 0; i--) {
        p[i] = value % 256;
        value /= 256;
    }
}

/* Where things are in a frame; 0: not there. */
struct layout {
    bool tagged;
    uint32_t type;         /* the type that OpenFlow sees */
    uint32_t arp;
    uint32_t ip, ip_end;   /* header; end of the datagram or of the frame */
    uint32_t l4;           /* just behind the IP header */
    bool is_fragment, is_later;
    uint32_t ports;        /* TCP's and UDP's ports, or ICMP's type and code */
};

static void
find_ip(const struct ref_frame *f, uint32_t at, uint32_t end, struct layout *l)
{
    if (end < at + 20 || f->data[at] / 16 != 4) {
        return;
    }
    uint32_t header = f->data[at] % 16 * 4, total = get(f->data + at + 2, 2);
    if (header < 20 || total < header || end < at + header) {
        return;
    }
    l->ip = at;
    l->ip_end = at + total < end ? at + total : end;
    l->l4 = at + header;
    uint32_t fragment = get(f->data + at + 6, 2);
    l->is_later = fragment % 0x2000 != 0;
    l->is_fragment = l->is_later || fragment / 0x2000 % 2 == 1;

    int proto = f->data[at + 9];
    uint32_t needed = proto == 6 || proto == 17 ? 4 : proto == 1 ? 2 : 0;
    if (needed && !l->is_later && l->ip_end >= l->l4 + needed) {
        l->ports = l->l4;
    }
}

static void
find_layout(const struct ref_frame *f, struct layout *l)
{
    memset(l, 0, sizeof *l);
    uint32_t at = 14, end = f->size;
    l->type = get(f->data + 12, 2);
    if (l->type == 0x8100 && f->size >= 18) {
        l->tagged = true;
        l->type = get(f->data + 16, 2);
        at = 18;
    }
    if (l->type < 0x600) {
        /* An 802.3 length, perhaps with SNAP behind it. */
        if (at + l->type < end) {
            end = at + l->type;
        }
        l->type = 0x5ff;
        if (end >= at + 8 && !memcmp(f->data + at, "\xaa\xaa\x03\0\0\0", 6)
            && get(f->data + at + 6, 2) >= 0x600) {
            l->type = get(f->data + at + 6, 2);
            at += 8;
        }
    }
    if (l->type == 0x0800) {
        find_ip(f, at, end, l);
    }
    if (l->type == 0x0806 && end >= at + 28 && !memcmp(f->data + at, "\0\1\x08\0\6\4", 6)) {
        l->arp = at;
    }
}

void
ref_parse(const struct ref_frame *f, uint16_t in_port, struct ref_fields *out)
{
    struct layout l;
    find_layout(f, &l);
    memset(out, 0, sizeof *out);
    out->in_port = in_port;
    memcpy(out->dl_dst, f->data, 6);
    memcpy(out->dl_src, f->data + 6, 6);
    out->dl_vlan = 0xffff;
    if (l.tagged) {
        out->dl_vlan = get(f->data + 14, 2) % 4096;
        out->dl_vlan_pcp = f->data[14] / 32;
    }
    out->dl_type = l.type;
    if (l.arp) {
        out->nw_proto = f->data[l.arp + 7];
        out->nw_src = get(f->data + l.arp + 14, 4);
        out->nw_dst = get(f->data + l.arp + 24, 4);
    }
    if (l.ip) {
        out->nw_tos = f->data[l.ip + 1] / 4 * 4;
        out->nw_proto = f->data[l.ip + 9];
        out->nw_src = get(f->data + l.ip + 12, 4);
        out->nw_dst = get(f->data + l.ip + 16, 4);
        out->is_fragment = l.is_fragment;
        out->is_later_fragment = l.is_later;
    }
    if (l.ports && out->nw_proto == 1) {
        out->tp_src = f->data[l.ports];
        out->tp_dst = f->data[l.ports + 1];
    } else if (l.ports) {
        out->tp_src = get(f->data + l.ports, 2);
        out->tp_dst = get(f->data + l.ports + 2, 2);
    }
}

/* Checksums. What they cover is summed as a number modulo 65535, which is what one's
 * complement arithmetic is; the field is the value that makes the sum 0 (65535). */

static uint32_t
sum(const uint8_t *p, uint32_t size)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < size; i++) {
        total = (total + (i % 2 ? p[i] : p[i] * 256u)) % 65535;
    }
    return total;
}

/* The field's value for a sum over all the rest. */
static uint32_t
field_for(uint32_t total)
{
    return total ? 65535 - total : 0;
}

/* Sum of what the transport checksum covers, the field itself included. */
static uint32_t
transport_sum(const struct ref_frame *f, const struct layout *l)
{
    uint32_t size = l->ip_end - l->l4;
    return (sum(f->data + l->ip + 12, 8) + f->data[l->ip + 9] + size
            + sum(f->data + l->l4, size)) % 65535;
}

/* Puts a checksum right, after a change that made what it covers sum to 'now', which was
 * 'before'. One that was wrong, or covers what is not here (the rest of a fragmented
 * datagram), is left wrong by the same amount. Both sums include the old field. */
static void
fix_field(uint8_t *field, uint32_t before, uint32_t now)
{
    uint32_t old = get(field, 2);
    uint32_t total = (now + 65535 - old % 65535) % 65535;
    put(field, 2, field_for((total + 65535 - before) % 65535));
}

/* Writes 'n' bytes into the IP or transport header and puts the checksums right. */
static void
write_covered(struct ref_frame *f, const struct layout *l, uint32_t at, int n, uint32_t value,
              bool transport_covers_it)
{
    if (get(f->data + at, n) == value) {
        return;
    }
    uint32_t ip_before = sum(f->data + l->ip, l->l4 - l->ip);
    uint32_t l4_before = transport_sum(f, l);
    put(f->data + at, n, value);

    if (at < l->l4) {
        fix_field(f->data + l->ip + 10, ip_before, sum(f->data + l->ip, l->l4 - l->ip));
    }
    int proto = f->data[l->ip + 9];
    uint32_t field = l->l4 + (proto == 6 ? 16 : 6);
    if (!transport_covers_it || !l->ports || (proto != 6 && proto != 17)
        || field + 2 > l->ip_end) {
        return;
    }
    if (proto == 17 && get(f->data + field, 2) == 0) {
        return;   /* the sender made none */
    }
    fix_field(f->data + field, l4_before, transport_sum(f, l));
    if (proto == 17 && get(f->data + field, 2) == 0) {
        put(f->data + field, 2, 0xffff);
    }
}

static void
set_tag(struct ref_frame *f, const struct layout *l, uint32_t clear, uint32_t set)
{
    if (!l->tagged) {
        memmove(f->data + 16, f->data + 12, f->size - 12);
        f->size += 4;
        put(f->data + 12, 2, 0x8100);
        put(f->data + 14, 2, 0);
    }
    put(f->data + 14, 2, (get(f->data + 14, 2) & ~clear) | set);
}

static void
strip_tag(struct ref_frame *f, const struct layout *l)
{
    if (l->tagged) {
        memmove(f->data + 12, f->data + 16, f->size - 16);
        f->size -= 4;
    }
}

static void
set_tos(struct ref_frame *f, const struct layout *l, uint8_t tos)
{
    uint8_t ecn = f->data[l->ip + 1] % 4;
    write_covered(f, l, l->ip, 2, f->data[l->ip] * 256u + tos / 4 * 4 + ecn, false);
}

bool
ref_ttl_is_over(const struct ref_frame *f)
{
    struct layout l;
    find_layout(f, &l);
    return l.ip && f->data[l.ip + 8] <= 1;
}

void
ref_rewrite(struct ref_frame *f, const uint8_t *action)
{
    struct layout l;
    find_layout(f, &l);
    bool has_ports = l.ports && f->data[l.ip + 9] != 1;

    switch (get(action, 2)) {
    case 1: /* SET_VLAN_VID */
        set_tag(f, &l, 0x0fff, get(action + 4, 2) % 4096);
        break;
    case 2: /* SET_VLAN_PCP */
        set_tag(f, &l, 0xe000, action[4] % 8 * 0x2000u);
        break;
    case 3: /* STRIP_VLAN */
        strip_tag(f, &l);
        break;
    case 4: /* SET_DL_SRC */
        memcpy(f->data + 6, action + 4, 6);
        break;
    case 5: /* SET_DL_DST */
        memcpy(f->data, action + 4, 6);
        break;
    case 6: /* SET_NW_SRC */
        if (l.ip) {
            write_covered(f, &l, l.ip + 12, 4, get(action + 4, 4), true);
        }
        break;
    case 7: /* SET_NW_DST */
        if (l.ip) {
            write_covered(f, &l, l.ip + 16, 4, get(action + 4, 4), true);
        }
        break;
    case 8: /* SET_NW_TOS */
        if (l.ip) {
            set_tos(f, &l, action[4]);
        }
        break;
    case 9: /* SET_TP_SRC */
        if (has_ports) {
            write_covered(f, &l, l.ports, 2, get(action + 4, 2), true);
        }
        break;
    case 10: /* SET_TP_DST */
        if (has_ports) {
            write_covered(f, &l, l.ports + 2, 2, get(action + 4, 2), true);
        }
        break;
    case 0xffff: /* Nicira's: DEC_TTL, with ids and without */
        if ((get(action + 8, 2) == 18 || get(action + 8, 2) == 21) && l.ip
            && f->data[l.ip + 8] > 0) {
            write_covered(f, &l, l.ip + 8, 2, get(f->data + l.ip + 8, 2) - 256, false);
        }
        break;
    default:
        break;
    }
}
