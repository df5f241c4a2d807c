/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/nx_match.h"

#include "lib/field.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_internal.h"

/* An entry's header: class, field, whether there is a mask, and the bytes that follow. */
enum {
    CLASS_SHIFT = 16, FIELD_SHIFT = 9, FIELD_BITS = 0x7f, HAS_MASK = 1 << 8, LENGTH_BITS = 0xff,
    HEADER_SIZE = 4,
};

enum { CLASS_OF = 0, CLASS_NX = 1 };
enum { NX_IP_FRAG = 26, NX_COOKIE = 30 };

/* What an entry of each field holds. A field of ours can have several, by the protocol. */
struct nxm_field {
    uint8_t class, number;
    uint8_t size;                /* of the value, on the wire */
    bool maskable;
    uint8_t id;                  /* enum field_id */
    uint8_t prereq;              /* enum field_prereq */
};

/* In an order in which nothing comes before what it depends on; CLASS_OF's by number. */
static const struct nxm_field table[] = {
    { CLASS_OF, 0, 2, false, FIELD_IN_PORT, FIELD_PREREQ_NONE },
    { CLASS_OF, 1, 6, true, FIELD_DL_DST, FIELD_PREREQ_NONE },
    { CLASS_OF, 2, 6, true, FIELD_DL_SRC, FIELD_PREREQ_NONE },
    { CLASS_OF, 3, 2, false, FIELD_DL_TYPE, FIELD_PREREQ_NONE },
    { CLASS_OF, 4, 2, true, FIELD_VLAN, FIELD_PREREQ_NONE },
    { CLASS_OF, 5, 1, false, FIELD_NW_TOS, FIELD_PREREQ_IP },
    { CLASS_OF, 6, 1, false, FIELD_NW_PROTO, FIELD_PREREQ_IP },
    { CLASS_OF, 7, 4, true, FIELD_NW_SRC, FIELD_PREREQ_IP },
    { CLASS_OF, 8, 4, true, FIELD_NW_DST, FIELD_PREREQ_IP },
    { CLASS_OF, 9, 2, true, FIELD_TP_SRC, FIELD_PREREQ_TCP },
    { CLASS_OF, 10, 2, true, FIELD_TP_DST, FIELD_PREREQ_TCP },
    { CLASS_OF, 11, 2, true, FIELD_TP_SRC, FIELD_PREREQ_UDP },
    { CLASS_OF, 12, 2, true, FIELD_TP_DST, FIELD_PREREQ_UDP },
    { CLASS_OF, 13, 1, false, FIELD_TP_SRC, FIELD_PREREQ_ICMP },
    { CLASS_OF, 14, 1, false, FIELD_TP_DST, FIELD_PREREQ_ICMP },
    { CLASS_OF, 15, 2, false, FIELD_NW_PROTO, FIELD_PREREQ_ARP },
    { CLASS_OF, 16, 4, true, FIELD_NW_SRC, FIELD_PREREQ_ARP },
    { CLASS_OF, 17, 4, true, FIELD_NW_DST, FIELD_PREREQ_ARP },
    { CLASS_NX, NX_IP_FRAG, 1, true, FIELD_NW_FRAG, FIELD_PREREQ_IP },
};
enum { N_TABLE = sizeof table / sizeof table[0], N_CLASS_OF = 18, N_SEEN_COOKIE = N_TABLE };
static_assert(N_TABLE == N_CLASS_OF + 1, "class 0, and fragments");
static_assert(N_SEEN_COOKIE < 32, "a bit a field, and one for the cookie");

/* --- decoding ---------------------------------------------------------------------------- */

struct entry {
    uint16_t class;
    uint8_t number, size;        /* size: of the value */
    const uint8_t *value;
    const uint8_t *mask;         /* NULL: none */
};

struct decoder {
    struct flow_match match;
    struct ofp_cookie_filter *cookie;
    uint32_t seen;               /* rows of the table, and the cookie */
    struct ofp_refusal *refusal;
};

static int
refuse(const struct decoder *d, uint16_t code, const char *why)
{
    return nx_refuse(d->refusal, OFPET_BAD_REQUEST, code, why);
}

static int
take_entry(struct reader *r, struct entry *entry, const struct decoder *d)
{
    uint32_t header = reader_u32(r);
    size_t length = header & LENGTH_BITS;
    const uint8_t *payload = reader_take(r, length);
    if (r->failed) {
        return refuse(d, NXBRC_NXM_INVALID, "an entry reaches past the end of its nx_match");
    }
    bool has_mask = header & HAS_MASK;
    *entry = (struct entry) {
        .class = (uint16_t) (header >> CLASS_SHIFT),
        .number = header >> FIELD_SHIFT & FIELD_BITS,
        .size = (uint8_t) (has_mask ? length / 2 : length),
        .value = payload,
        .mask = has_mask ? payload + length / 2 : NULL,
    };
    if (has_mask && length % 2) {
        return refuse(d, NXBRC_NXM_BAD_TYPE, "a value and mask of an odd length");
    }
    for (unsigned i = 0; has_mask && i < entry->size; i++) {
        if (entry->value[i] & ~entry->mask[i]) {
            return refuse(d, NXBRC_BAD_WILDCARDS, "a value has bits that its mask leaves out");
        }
    }
    return 0;
}

static const struct nxm_field *
find_field(const struct entry *entry)
{
    const struct nxm_field *f = NULL;
    if (entry->class == CLASS_OF && entry->number < N_CLASS_OF) {
        f = &table[entry->number];
    } else if (entry->class == CLASS_NX && entry->number == NX_IP_FRAG) {
        f = &table[N_CLASS_OF];
    }
    return f && f->size == entry->size ? f : NULL;
}

static bool
is_all(const uint8_t *bytes, size_t size, uint8_t byte)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != byte) {
            return false;
        }
    }
    return true;
}

/* Copies a value as on the wire to a field of the key; both are aligned at their last byte. */
static void
to_key(const struct nxm_field *f, const uint8_t *wire, uint8_t *key)
{
    size_t size = fields[f->id].size;
    for (size_t i = 0; i < size; i++) {
        size_t missing = size > f->size ? size - f->size : 0;
        key[i] = i < missing ? 0 : wire[i + f->size - size];
    }
    if (f->id == FIELD_IN_PORT) {
        struct be16 port;
        memcpy(&port, key, sizeof port);
        uint16_t host = be16_to_host(port);
        memcpy(key, &host, sizeof host);
    }
}

/* True if a packet can have the value: no bits but those that the field has. */
static bool
is_possible(const struct nxm_field *f, const uint8_t *wire)
{
    const struct field *field = &fields[f->id];
    for (size_t i = 0; i < f->size; i++) {
        bool beyond = i + field->size < f->size;
        if (wire[i] & (beyond ? 0xff : (uint8_t) ~field->bits)) {
            return false;
        }
    }
    return true;
}

/* The mask as the key has it; one of all ones is an exact match. */
static int
set_mask(struct decoder *d, const struct nxm_field *f, const struct entry *entry)
{
    const struct field *field = &fields[f->id];
    uint8_t *mask = field_bytes_mutable(field, &d->match.mask.bits);
    if (!entry->mask || is_all(entry->mask, entry->size, 0xff)) {
        field_mask_exact(field, &d->match.mask);
        return 0;
    }
    if (!f->maskable && !is_all(entry->mask, entry->size, 0)) {
        return refuse(d, NXBRC_BAD_MASK, "a mask of a field that is matched whole");
    }
    memcpy(mask, entry->mask, field->size);
    for (size_t i = 0; i < field->size; i++) {
        mask[i] &= field->bits;
    }
    return 0;
}

/* Marks the field as seen, or refuses it. */
static int
see(struct decoder *d, unsigned bit)
{
    if (d->seen & 1u << bit) {
        return refuse(d, NXBRC_DUP_FIELD, "a field comes twice");
    }
    d->seen |= 1u << bit;
    return 0;
}

static int
take_field(struct decoder *d, const struct nxm_field *f, const struct entry *entry)
{
    if (!is_possible(f, entry->value)) {
        return refuse(d, NXBRC_BAD_VALUE, "a value that the field can't have");
    }
    if (!field_prereq_met((enum field_prereq) f->prereq, &d->match)) {
        return refuse(d, NXBRC_BAD_PREREQ, "a field without the fields before it that it needs");
    }
    int error = see(d, (unsigned) (f - table));
    if (!error) {
        error = set_mask(d, f, entry);
    }
    if (!error) {
        const struct field *field = &fields[f->id];
        uint8_t *value = field_bytes_mutable(field, &d->match.value);
        const uint8_t *mask = field_bytes(field, &d->match.mask.bits);
        to_key(f, entry->value, value);
        for (size_t i = 0; i < field->size; i++) {
            value[i] &= mask[i];
        }
    }
    return error;
}

static int
take_cookie(struct decoder *d, const struct entry *entry)
{
    struct be64 value, mask = { UINT64_MAX };
    memcpy(&value, entry->value, sizeof value);
    if (entry->mask) {
        memcpy(&mask, entry->mask, sizeof mask);
    }
    d->cookie->value = be64_to_host(value);
    d->cookie->mask = be64_to_host(mask);
    return see(d, N_SEEN_COOKIE);
}

static int
decode_entry(struct decoder *d, struct reader *r)
{
    struct entry entry;
    int error = take_entry(r, &entry, d);
    if (error) {
        return error;
    }
    if (d->cookie && entry.class == CLASS_NX && entry.number == NX_COOKIE
        && entry.size == sizeof(struct be64)) {
        return take_cookie(d, &entry);
    }
    const struct nxm_field *f = find_field(&entry);
    return f ? take_field(d, f, &entry)
             : refuse(d, NXBRC_NXM_BAD_TYPE, "a field that this switch does not match, or of a "
                      "length that it does not have");
}

/* What 1.0 says with no wildcard bit, or could: it is the same match in both dialects. */
static bool
has_no_wildcards(const struct flow_match *match)
{
    const struct ofp_match m = { .match = *match };
    struct of10_match wire;
    of10_encode_match(&m, &wire);
    return wire.wildcards.raw == 0;
}

int
nx_match_decode(const uint8_t *data, size_t size, struct ofp_match *out,
                struct ofp_cookie_filter *cookie, struct ofp_refusal *refusal)
{
    struct decoder d = { .cookie = cookie, .refusal = refusal };
    struct reader r;
    if (cookie) {
        *cookie = (struct ofp_cookie_filter) { 0, 0 };
    }
    reader_init(&r, data, size);
    while (reader_left(&r)) {
        int error = decode_entry(&d, &r);
        if (error) {
            return error;
        }
    }
    field_canonicalize(&d.match);
    const struct flow_key *mask = &d.match.mask.bits;
    if (d.match.value.nw_frag & FLOW_FRAG_LATER && (mask->tp_src.raw || mask->tp_dst.raw)) {
        return refuse(&d, NXBRC_BAD_PREREQ, "ports of later fragments, which have none");
    }
    out->match = d.match;
    out->exact = has_no_wildcards(&d.match);
    return 0;
}

/* --- encoding ---------------------------------------------------------------------------- */

static void
put_header(struct writer *w, uint8_t class, uint8_t number, bool has_mask, size_t size)
{
    writer_u32(w, (uint32_t) class << CLASS_SHIFT | (uint32_t) number << FIELD_SHIFT
                  | (has_mask ? HAS_MASK : 0) | (uint32_t) (has_mask ? 2 * size : size));
}

static void
put_entry(struct writer *w, const struct nxm_field *f, const void *value, const void *mask)
{
    put_header(w, f->class, f->number, mask != NULL, f->size);
    writer_bytes(w, value, f->size);
    if (mask) {
        writer_bytes(w, mask, f->size);
    }
}

/* The value of a field that is matched whole, as on the wire. False: it does not fit. */
static bool
from_key(const struct nxm_field *f, const uint8_t *key, uint8_t *wire)
{
    size_t size = fields[f->id].size;
    for (size_t i = 0; i + f->size < size; i++) {
        if (key[i]) {
            return false;
        }
    }
    for (size_t i = 0; i < f->size; i++) {
        wire[i] = i + size < f->size ? 0 : key[i + size - f->size];
    }
    if (f->id == FIELD_IN_PORT) {
        uint16_t host;
        memcpy(&host, key, sizeof host);
        struct be16 port = be16_from_host(host);
        memcpy(wire, &port, sizeof port);
    }
    return true;
}

/* False if nx_match can't say what the match says of the field. */
static bool
put_field(struct writer *w, const struct nxm_field *f, const struct flow_match *match)
{
    const struct field *field = &fields[f->id];
    const uint8_t *value = field_bytes(field, &match->value);
    const uint8_t *mask = field_bytes(field, &match->mask.bits);
    uint8_t wire[FIELD_MAX_SIZE];
    bool exact = field_mask_mode(field, &match->mask) == FIELD_MASK_EXACT;
    if ((!exact && !f->maskable) || !from_key(f, value, wire)) {
        return false;
    }
    put_entry(w, f, wire, exact ? NULL : mask);
    return true;
}

static uint32_t
fields_matched(const struct flow_match *match)
{
    uint32_t matched = 0;
    for (int id = 0; id < N_FIELDS; id++) {
        if (!is_all(field_bytes(&fields[id], &match->mask.bits), fields[id].size, 0)) {
            matched |= 1u << id;
        }
    }
    return matched;
}

bool
nx_match_encode(struct writer *w, const struct flow_match *match,
                const struct ofp_cookie_filter *cookie, uint16_t *match_len)
{
    size_t begin = w->size;
    uint32_t left = fields_matched(match);
    for (size_t i = 0; i < N_TABLE; i++) {
        const struct nxm_field *f = &table[i];
        if (left & 1u << f->id && field_prereq_met((enum field_prereq) f->prereq, match)
            && put_field(w, f, match)) {
            left &= ~(1u << f->id);
        }
    }
    if (cookie && cookie->mask) {
        bool has_mask = cookie->mask != UINT64_MAX;
        put_header(w, CLASS_NX, NX_COOKIE, has_mask, sizeof(uint64_t));
        writer_u64(w, cookie->value);
        if (has_mask) {
            writer_u64(w, cookie->mask);
        }
    }
    *match_len = (uint16_t) (w->size - begin);
    writer_zeros(w, nx_match_padded(*match_len) - *match_len);
    return !left;
}
