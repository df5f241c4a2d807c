/* SPDX-License-Identifier: Apache-2.0 */
/* What controllers ask about flows in Nicira's messages: formats, NXT_FLOW_MOD, and requests
 * for statistics. */
#include "ofagent/nicira.h"
#include "ofagent/nx_match.h"
#include "ofagent/ofp_internal.h"

/* --- formats ----------------------------------------------------------------------------- */

/* A format is a number of four bytes: that of 1.0, or 'nxm'. */
static int
decode_format(const struct nx_message *nx, uint32_t openflow10, uint32_t nxm, bool *is_nxm,
              struct ofp_refusal *refusal)
{
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    uint32_t format = reader_u32(&r);
    if (r.failed || reader_left(&r)) {
        return ofp_refuse_size(refusal);
    }
    if (format != openflow10 && format != nxm) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_EPERM,
                          "a format that this switch does not have");
    }
    *is_nxm = format == nxm;
    return 0;
}

int
nx_decode_flow_format(const struct nx_message *nx, bool *nxm, struct ofp_refusal *refusal)
{
    return decode_format(nx, NXFF_OPENFLOW10, NXFF_NXM, nxm, refusal);
}

int
nx_decode_packet_in_format(const struct nx_message *nx, bool *nxm, struct ofp_refusal *refusal)
{
    return decode_format(nx, NXPIF_OPENFLOW10, NXPIF_NXM, nxm, refusal);
}

int
nx_decode_flow_mod_table_id(const struct nx_message *nx, bool *on, struct ofp_refusal *refusal)
{
    struct nicira_flow_mod_table_id wire;
    if (nx->body_size != sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, nx->body, sizeof wire);
    *on = wire.set;
    return 0;
}

static void
encode_number(struct writer *w, uint32_t xid, uint32_t subtype, uint32_t number)
{
    size_t begin = nx_begin(w, xid, subtype);
    writer_u32(w, number);
    ofp_end(w, begin);
}

void
nx_encode_flow_format(struct writer *w, uint32_t xid, uint32_t format)
{
    encode_number(w, xid, NXT_SET_FLOW_FORMAT, format);
}

void
nx_encode_packet_in_format(struct writer *w, uint32_t xid, uint32_t format)
{
    encode_number(w, xid, NXT_SET_PACKET_IN_FORMAT, format);
}

void
nx_encode_flow_mod_table_id(struct writer *w, uint32_t xid, bool on)
{
    size_t begin = nx_begin(w, xid, NXT_FLOW_MOD_TABLE_ID);
    struct nicira_flow_mod_table_id wire = { .set = on };
    writer_bytes(w, &wire, sizeof wire);
    ofp_end(w, begin);
}

/* --- matches in messages ------------------------------------------------------------------ */

/* Takes a match of 'len' bytes and what pads it. */
static int
take_match(struct reader *r, size_t len, struct ofp_match *match, struct ofp_cookie_filter *cookie,
           struct ofp_refusal *refusal)
{
    const uint8_t *data = reader_take(r, nx_match_padded(len));
    if (r->failed) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID,
                         "an nx_match reaches past the end of its message");
    }
    return nx_match_decode(data, len, match, cookie, refusal);
}

/* --- NXT_FLOW_MOD ------------------------------------------------------------------------- */

static void
decode_fixed(const struct nicira_flow_mod *wire, struct ofp_flow_mod *out)
{
    out->cookie = be64_to_host(wire->cookie);
    out->command = be16_to_host(wire->command);
    out->idle_timeout = be16_to_host(wire->idle_timeout);
    out->hard_timeout = be16_to_host(wire->hard_timeout);
    out->priority = be16_to_host(wire->priority);
    out->buffer_id = be32_to_host(wire->buffer_id);
    out->out_port = be16_to_host(wire->out_port);
    out->flags = be16_to_host(wire->flags);
    out->nxm = true;
    out->n_actions = 0;
}

/* What is behind the fixed part, once the command is known to be good. */
static int
decode_rest(struct reader *r, size_t match_len, struct ofp_flow_mod *out,
            struct ofp_refusal *refusal)
{
    int error = take_match(r, match_len, &out->match, &out->only, refusal);
    if (error) {
        return error;
    }
    if (out->command >= OFPFC_DELETE) {
        out->buffer_id = OFP_NO_BUFFER;
        return 0;
    }
    if (out->command == OFPFC_ADD && out->only.mask) {
        return nx_refuse(refusal, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID,
                         "an ADD that asks for flows by cookie");
    }
    out->out_port = PORT_NONE;
    return of10_decode_actions(r->p, reader_left(r), OF10_IN_FLOW, out->actions, &out->n_actions,
                               refusal);
}

int
nx_decode_flow_mod(const struct nx_message *nx, bool table_id, struct ofp_flow_mod *out,
                   struct ofp_refusal *refusal)
{
    struct nicira_flow_mod wire;
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    reader_bytes(&r, &wire, sizeof wire);
    if (r.failed) {
        return ofp_refuse_size(refusal);
    }
    decode_fixed(&wire, out);
    int error = table_id ? of10_take_table_id(&out->command, refusal) : 0;
    if (!error) {
        error = of10_check_flow_mod(out, refusal);
    }
    return error ? error : decode_rest(&r, be16_to_host(wire.match_len), out, refusal);
}

void
nx_encode_flow_mod(struct writer *w, uint32_t xid, const struct ofp_flow_mod *mod)
{
    uint16_t match_len;
    size_t begin = nx_begin(w, xid, NXT_FLOW_MOD), at = w->size;
    struct nicira_flow_mod wire = {
        .cookie = be64_from_host(mod->cookie),
        .command = be16_from_host(mod->command),
        .idle_timeout = be16_from_host(mod->idle_timeout),
        .hard_timeout = be16_from_host(mod->hard_timeout),
        .priority = be16_from_host(mod->priority),
        .buffer_id = be32_from_host(mod->buffer_id),
        .out_port = be16_from_host(mod->out_port),
        .flags = be16_from_host(mod->flags),
    };
    writer_bytes(w, &wire, sizeof wire);
    nx_match_encode(w, &mod->match.match, &mod->only, &match_len);
    writer_patch_u16(w, at + offsetof(struct nicira_flow_mod, match_len), match_len);
    uint8_t *actions = writer_reserve(w, of10_actions_size(mod->actions, mod->n_actions));
    if (actions) {
        of10_encode_actions(mod->actions, mod->n_actions, actions);
    }
    ofp_end(w, begin);
}

/* --- requests for statistics --------------------------------------------------------------- */

int
nx_decode_flow_request(const struct nx_message *nx, struct ofp_stats_request *out,
                       struct ofp_refusal *refusal)
{
    struct nicira_flow_stats_request wire;
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    reader_bytes(&r, &wire, sizeof wire);
    if (r.failed) {
        return ofp_refuse_size(refusal);
    }
    memset(out, 0, sizeof *out);
    out->type = nx->subtype == NXST_FLOW ? OFPST_FLOW : OFPST_AGGREGATE;
    out->table_id = wire.table_id;
    out->out_port = be16_to_host(wire.out_port);
    int error = take_match(&r, be16_to_host(wire.match_len), &out->match, &out->only, refusal);
    return !error && reader_left(&r) ? ofp_refuse_size(refusal) : error;
}

void
nx_encode_flow_request(struct writer *w, uint32_t xid, const struct ofp_stats_request *request)
{
    uint16_t match_len;
    size_t begin = w->size;
    struct nicira_stats header = {
        .stats.header = of10_header(OFPT_STATS_REQUEST, 0, xid),
        .stats.type = be16_from_host(OFPST_VENDOR),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be32_from_host(request->type == OFPST_FLOW ? NXST_FLOW : NXST_AGGREGATE),
    };
    struct nicira_flow_stats_request wire = {
        .out_port = be16_from_host(request->out_port),
        .table_id = request->table_id,
    };
    writer_bytes(w, &header, sizeof header);
    size_t at = w->size;
    writer_bytes(w, &wire, sizeof wire);
    nx_match_encode(w, &request->match.match, &request->only, &match_len);
    writer_patch_u16(w, at + offsetof(struct nicira_flow_stats_request, match_len), match_len);
    ofp_end(w, begin);
}
