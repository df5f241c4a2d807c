/* SPDX-License-Identifier: Apache-2.0 */
/* nx_match: a packet of any fields, then a match of any bytes. A match that is taken must
 * say of the packet what its entries say one by one, come back from the wire and from text
 * as it went, and be one that a flow can have. */
#include <string.h>

#include "lib/field.h"
#include "lib/flow_text.h"
#include "ofagent/nx.h"
#include "ofagent/nx_match.h"
#include "tests/fuzz/fuzz.h"

/* What an entry can look at, as on the wire; what the packet does not have is 0. */
struct packet_fields {
    uint8_t in_port[2], dst[6], src[6], type[2], tci[2], tos, proto, ip_src[4], ip_dst[4];
    uint8_t tcp[2][2], udp[2][2], icmp[2], arp_op[2], spa[4], tpa[4], frag;
};

static void
make_ip(struct reader *r, struct packet_fields *f)
{
    static const uint8_t protos[] = { 6, 17, 1 };
    uint8_t which = reader_u8(r), other = reader_u8(r);
    uint8_t ports[4];
    f->proto = which % 4 < 3 ? protos[which % 4] : other;
    f->tos = reader_u8(r) & 0xfc;
    reader_bytes(r, f->ip_src, 4);
    reader_bytes(r, f->ip_dst, 4);
    f->frag = (uint8_t[]) { 0, 1, 3 }[reader_u8(r) % 3];
    reader_bytes(r, ports, 4);
    if (f->frag == 3) {
        return;
    }
    if (f->proto == 6) {
        memcpy(f->tcp, ports, 4);
    } else if (f->proto == 17) {
        memcpy(f->udp, ports, 4);
    } else if (f->proto == 1) {
        memcpy(f->icmp, ports, 2);
    }
}

static void
make_packet(struct reader *r, struct packet_fields *f)
{
    static const uint16_t types[] = { 0x0800, 0x0800, 0x0806 };
    uint8_t which = reader_u8(r);
    uint16_t other = reader_u16(r), tci = reader_u16(r);
    memset(f, 0, sizeof *f);
    struct be16 type = be16_from_host(which % 4 < 3 ? types[which % 4] : other);
    struct be16 tag = be16_from_host(which & 0x80 ? tci | 0x1000 : 0);
    memcpy(f->type, &type, 2);
    memcpy(f->tci, &tag, 2);
    reader_bytes(r, f->in_port, 2);
    reader_bytes(r, f->dst, 6);
    reader_bytes(r, f->src, 6);
    if (be16_to_host(type) == 0x0800) {
        make_ip(r, f);
    } else if (be16_to_host(type) == 0x0806) {
        f->arp_op[1] = reader_u8(r);
        reader_bytes(r, f->spa, 4);
        reader_bytes(r, f->tpa, 4);
    }
}

static void
make_key(const struct packet_fields *f, struct flow_key *key)
{
    memset(key, 0, sizeof *key);
    key->in_port = (uint16_t) (f->in_port[0] << 8 | f->in_port[1]);
    memcpy(key->dl_dst, f->dst, 6);
    memcpy(key->dl_src, f->src, 6);
    memcpy(&key->vlan_tci, f->tci, 2);
    memcpy(&key->dl_type, f->type, 2);
    key->nw_proto = f->proto | f->arp_op[1];
    key->nw_tos = f->tos;
    key->nw_frag = f->frag;
    for (int i = 0; i < 4; i++) {
        key->nw_src.bytes[i] = f->ip_src[i] | f->spa[i];
        key->nw_dst.bytes[i] = f->ip_dst[i] | f->tpa[i];
    }
    key->tp_src = be16_from_host((uint16_t) ((f->tcp[0][0] | f->udp[0][0]) << 8
                                             | f->tcp[0][1] | f->udp[0][1] | f->icmp[0]));
    key->tp_dst = be16_from_host((uint16_t) ((f->tcp[1][0] | f->udp[1][0]) << 8
                                             | f->tcp[1][1] | f->udp[1][1] | f->icmp[1]));
}

/* The bytes that an entry compares with: of class 0 by number, then of fragments. */
static const uint8_t *
field_of(const struct packet_fields *f, unsigned class, unsigned number)
{
    const uint8_t *const class_0[] = {
        f->in_port, f->dst, f->src, f->type, f->tci, &f->tos, &f->proto, f->ip_src, f->ip_dst,
        f->tcp[0], f->tcp[1], f->udp[0], f->udp[1], &f->icmp[0], &f->icmp[1], f->arp_op, f->spa,
        f->tpa,
    };
    FUZZ_CHECK(class ? number == 26 : number < sizeof class_0 / sizeof class_0[0]);
    return class ? &f->frag : class_0[number];
}

/* True if each entry takes the packet. Only for matches that were not refused. */
static bool
is_taken(const struct packet_fields *f, const uint8_t *p, size_t size)
{
    bool taken = true;
    for (size_t at = 0; at < size;) {
        const uint8_t *entry = p + at;
        bool has_mask = entry[2] & 1;
        unsigned length = entry[3], width = has_mask ? length / 2 : length;
        const uint8_t *field = field_of(f, (unsigned) (entry[0] << 8 | entry[1]), entry[2] >> 1);
        for (unsigned i = 0; i < width; i++) {
            uint8_t mask = has_mask ? entry[4 + width + i] : 0xff;
            taken = taken && !((field[i] ^ entry[4 + i]) & mask);
        }
        at += 4 + length;
    }
    return taken;
}

static void
check_wire(const struct ofp_match *match)
{
    struct ofp_refusal refusal;
    struct ofp_match again;
    struct writer w;
    uint16_t len;
    writer_init(&w);
    FUZZ_CHECK(nx_match_encode(&w, &match->match, NULL, &len));
    FUZZ_CHECK(!nx_match_decode(w.data, len, &again, NULL, &refusal));
    FUZZ_CHECK(!memcmp(&again.match, &match->match, sizeof again.match));
    FUZZ_CHECK(again.exact == match->exact);
    writer_fini(&w);
}

static void
check_text(const struct ofp_match *match)
{
    struct strbuf text = { 0 };
    struct flow_match again;
    flow_match_print(&text, &match->match, NULL);
    FUZZ_CHECK(!flow_match_parse(strbuf_text(&text), NULL, &again, NULL));
    FUZZ_CHECK(!memcmp(&again, &match->match, sizeof again));
    strbuf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PACKET_BYTES = 40 };
    struct packet_fields packet;
    struct ofp_cookie_filter cookie;
    struct ofp_refusal refusal;
    struct ofp_match match;
    struct flow_key key;
    struct reader r;
    if (size < PACKET_BYTES) {
        return 0;
    }
    reader_init(&r, data, PACKET_BYTES);
    make_packet(&r, &packet);
    make_key(&packet, &key);
    data += PACKET_BYTES;
    size -= PACKET_BYTES;
    if (!nx_match_decode(data, size, &match, &cookie, &refusal)) {
        check_wire(&match);
        check_text(&match);
        FUZZ_CHECK(!field_check_flow(&match.match, NULL));
        FUZZ_CHECK(!field_check_prereqs(&match.match, NULL));
    }
    if (nx_match_decode(data, size, &match, NULL, &refusal)) {
        FUZZ_CHECK(refusal.vendor == NX_VENDOR && refusal.type == OFPET_BAD_REQUEST);
        return 0;
    }
    FUZZ_CHECK(is_taken(&packet, data, size) == flow_match_contains(&match.match, &key));
    return 0;
}
