/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "lib/field.h"
#include "lib/flow_match_parser.h"
#include "lib/flow_text.h"
#include "lib/text_token.h"

/* Words that stand for an ethertype, or for IPv4 and a protocol. */
static const struct shorthand {
    const char *name;
    uint16_t dl_type;
    uint8_t nw_proto;     /* 0: any */
} shorthands[] = {
    { "icmp", 0x0800, 1 },
    { "tcp", 0x0800, 6 },
    { "udp", 0x0800, 17 },
    { "sctp", 0x0800, 132 },
    { "ip", 0x0800, 0 },
    { "arp", 0x0806, 0 },
    { "rarp", 0x8035, 0 },
    { "ipv6", 0x86dd, 0 },
    { "mpls", 0x8847, 0 },
    { "mplsm", 0x8848, 0 },
};
enum { N_SHORTHANDS = sizeof shorthands / sizeof shorthands[0] };

/* The most specific shorthand that the match implies, or NULL. */
static const struct shorthand *
shorthand_of(const struct flow_match *match)
{
    if (match->mask.bits.dl_type.raw != 0xffff) {
        return NULL;
    }
    for (size_t i = 0; i < N_SHORTHANDS; i++) {
        const struct shorthand *s = &shorthands[i];
        if (be16_to_host(match->value.dl_type) == s->dl_type
            && (!s->nw_proto || (match->mask.bits.nw_proto == 0xff
                                 && match->value.nw_proto == s->nw_proto))) {
            return s;
        }
    }
    return NULL;
}

static const char *
name_for(const struct field *field, const struct flow_match *match)
{
    for (const struct field_name *n = field->names; n->name; n++) {
        if (!n->parse_only && field_prereq_met(n->prereq, match)) {
            return n->name;
        }
    }
    return field->name;
}

void
flow_match_print(struct strbuf *out, const struct flow_match *match,
                 const struct flow_text_ports *ports)
{
    const char *separator = "";
    const struct shorthand *s = shorthand_of(match);
    if (s) {
        strbuf_puts(out, s->name);
        separator = ",";
    }
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        bool said = s && (id == FIELD_DL_TYPE || (id == FIELD_NW_PROTO && s->nw_proto));
        if (!said && field_mask_mode(f, &match->mask) != FIELD_MASK_NONE) {
            strbuf_puts(out, separator);
            f->print(out, f, name_for(f, match), field_bytes(f, &match->value),
                     field_bytes(f, &match->mask.bits), ports);
            separator = ",";
        }
    }
}

/* Adds one field's bytes. -EINVAL if they contradict what the match says already. */
static int
merge(const struct field *field, const uint8_t *value, const uint8_t *mask,
      struct flow_match *match)
{
    uint8_t *old_value = field_bytes_mutable(field, &match->value);
    uint8_t *old_mask = field_bytes_mutable(field, &match->mask.bits);
    for (size_t i = 0; i < field->size; i++) {
        if ((old_value[i] ^ value[i]) & old_mask[i] & mask[i]) {
            return -EINVAL;
        }
    }
    for (size_t i = 0; i < field->size; i++) {
        old_value[i] |= value[i] & mask[i];
        old_mask[i] |= mask[i];
    }
    return 0;
}

static int
refuse(const struct text_token *token, const char *why, struct errmsg *err)
{
    errmsg_set(err, "%.60s at %zu: %s", token->key, token->at, why);
    return -EINVAL;
}

static int
add_shorthand(struct flow_match_parser *parser, const struct shorthand *s)
{
    static const uint8_t exact[] = { 0xff, 0xff };
    struct be16 dl_type = be16_from_host(s->dl_type);
    struct flow_match *match = &parser->match;
    int error = merge(&fields[FIELD_DL_TYPE], (const uint8_t *) &dl_type, exact, match);
    if (!error && s->nw_proto) {
        error = merge(&fields[FIELD_NW_PROTO], &s->nw_proto, exact, match);
    }
    return error;
}

static int
add_field(struct flow_match_parser *parser, const struct text_token *token,
          const struct field *field, const struct field_name *name, struct errmsg *err)
{
    uint8_t value[FIELD_MAX_SIZE], mask[FIELD_MAX_SIZE];
    char text[sizeof token->value];
    memcpy(text, token->value, sizeof text);
    int error = (name->parse ? name->parse : field->parse)(field, name, text, parser->ports,
                                                           value, mask, err);
    if (error) {
        errmsg_prefix(err, "%s at %zu", token->key, token->at);
        return error;
    }
    enum field_prereq prereq = name->prereq ? name->prereq : field->prereq;
    if (!parser->needs[prereq].name) {
        parser->needs[prereq].name = name->name;
        parser->needs[prereq].at = token->at;
    }
    return merge(field, value, mask, &parser->match)
           ? refuse(token, "contradicts what was given before it", err) : 0;
}

void
flow_match_parser_init(struct flow_match_parser *parser, const struct flow_text_ports *ports)
{
    memset(parser, 0, sizeof *parser);
    parser->ports = ports;
}

int
flow_match_parser_add(struct flow_match_parser *parser, const struct text_token *token,
                      struct errmsg *err)
{
    const struct field_name *name;
    const struct field *field = field_find(token->key, &name);
    if (field) {
        if (!token->has_value || !token->value[0]) {
            return refuse(token, "a value is missing", err);
        }
        bool any = !strcmp(token->value, "*");
        return any ? 0 : add_field(parser, token, field, name, err);
    }
    for (size_t i = 0; i < N_SHORTHANDS; i++) {
        if (!token->has_value && !strcmp(token->key, shorthands[i].name)) {
            return add_shorthand(parser, &shorthands[i])
                   ? refuse(token, "contradicts what was given before it", err) : 0;
        }
    }
    refuse(token, "no such field", err);
    return 1;
}

/* True if every field of OpenFlow 1.0, and nothing else, is matched exactly, whether or not it
 * means something. A frame without a tag has no more bits to ask for. */
static bool
has_no_wildcards(const struct flow_match *match)
{
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        enum field_mask_mode wanted = f->openflow10 == FIELD_MASK_NONE ? FIELD_MASK_NONE
                                                                      : FIELD_MASK_EXACT;
        bool untagged = id == FIELD_VLAN && !match->value.vlan_tci.raw
                        && be16_to_host(match->mask.bits.vlan_tci) & FLOW_VLAN_PRESENT;
        if (!untagged && field_mask_mode(f, &match->mask) != wanted) {
            return false;
        }
    }
    return true;
}

static bool
is_zero(const struct field *field, const struct flow_key *key)
{
    static const uint8_t zeros[FIELD_MAX_SIZE];
    return !memcmp(field_bytes(field, key), zeros, field->size);
}

static void
drop_what_means_nothing(struct flow_match *match)
{
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (!field_prereq_met(f->prereq, match) && is_zero(f, &match->value)) {
            memset(field_bytes_mutable(f, &match->mask.bits), 0, f->size);
        }
    }
}

void
flow_match_print_meaningless(struct strbuf *out, const struct flow_match *match)
{
    static const uint8_t zeros[FIELD_MAX_SIZE];
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (f->openflow10 != FIELD_MASK_NONE && !field_prereq_met(f->prereq, match)) {
            struct flow_mask mask = { 0 };
            field_mask_exact(f, &mask);
            strbuf_putc(out, ',');
            f->print(out, f, f->name, zeros, field_bytes(f, &mask.bits), NULL);
        }
    }
}

/* Whether a field's prerequisite, and not one of the name that it was given under, is 'prereq':
 * what a match without wildcards may lack. */
static bool
is_of_a_field(enum field_prereq prereq)
{
    return prereq == FIELD_PREREQ_IP_OR_ARP || prereq == FIELD_PREREQ_IP
           || prereq == FIELD_PREREQ_PORTS;
}

int
flow_match_parser_end(struct flow_match_parser *parser, struct errmsg *err)
{
    parser->no_wildcards = has_no_wildcards(&parser->match);
    if (parser->no_wildcards) {
        drop_what_means_nothing(&parser->match);
        if (field_check_prereqs(&parser->match, err)) {
            return -EINVAL;
        }
    }
    for (int prereq = 0; prereq < N_FIELD_PREREQS; prereq++) {
        if (parser->no_wildcards && is_of_a_field(prereq)) {
            continue;
        }
        if (parser->needs[prereq].name && !field_prereq_met(prereq, &parser->match)) {
            errmsg_set(err, "%s at %zu: needs %s", parser->needs[prereq].name,
                       parser->needs[prereq].at, field_prereq_text(prereq));
            return -EINVAL;
        }
    }
    field_canonicalize(&parser->match);
    return 0;
}

int
flow_match_parse(const char *text, const struct flow_text_ports *ports, struct flow_match *match,
                 struct errmsg *err)
{
    struct flow_match_parser parser;
    struct text_cursor cursor;
    struct text_token token;
    flow_match_parser_init(&parser, ports);
    text_cursor_init(&cursor, text);
    int got;
    while ((got = text_token_next(&cursor, &token, err)) == 1) {
        if (flow_match_parser_add(&parser, &token, err)) {
            return -EINVAL;
        }
    }
    if (got || flow_match_parser_end(&parser, err)) {
        return -EINVAL;
    }
    *match = parser.match;
    return 0;
}

/* True if the mask leaves no doubt about the packet. A VLAN does not: dl_vlan without
 * dl_vlan_pcp is priority 0. */
static bool
is_one_value(int id, const struct flow_mask *mask)
{
    enum field_mask_mode mode = field_mask_mode(&fields[id], mask);
    return mode == FIELD_MASK_NONE || mode == FIELD_MASK_EXACT || id == FIELD_VLAN
           || id == FIELD_NW_FRAG;
}

int
flow_key_parse(const char *text, const struct flow_text_ports *ports, struct flow_key *key,
               struct errmsg *err)
{
    struct flow_match match;
    int error = flow_match_parse(text, ports, &match, err);
    if (error) {
        return error;
    }
    for (int id = 0; id < N_FIELDS; id++) {
        if (!is_one_value(id, &match.mask)) {
            errmsg_set(err, "%s: a packet has one value, not a mask", fields[id].name);
            return -EINVAL;
        }
    }
    if ((match.value.nw_frag & FLOW_FRAG_LATER)
        && (match.mask.bits.tp_src.raw || match.mask.bits.tp_dst.raw)) {
        errmsg_set(err, "a later fragment has no ports");
        return -EINVAL;
    }
    *key = match.value;
    return 0;
}
