/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch tells of flows and packets in Nicira's messages, to the wire and back. */
#include "lib/counters.h"
#include "ofagent/nicira.h"
#include "ofagent/nx_match.h"
#include "ofagent/ofp_internal.h"

/* Appends a flow's match, and counts it if it is not all of it. */
static void
put_match(struct writer *w, const struct ofp_match *match, uint16_t *match_len)
{
    if (!nx_match_encode(w, &match->match, NULL, match_len)) {
        counter_inc(COUNTER_openflow_match_widened);
    }
}

static int
take_match(struct reader *r, struct be16 match_len, struct ofp_match *match,
           struct ofp_refusal *refusal)
{
    size_t len = be16_to_host(match_len);
    const uint8_t *data = reader_take(r, nx_match_padded(len));
    if (r->failed) {
        return ofp_refuse_size(refusal);
    }
    return nx_match_decode(data, len, match, NULL, refusal);
}

/* --- NXT_FLOW_REMOVED ---------------------------------------------------------------------- */

void
nx_encode_flow_removed(struct writer *w, const struct ofp_flow_removed *removed)
{
    uint16_t match_len;
    size_t begin = nx_begin(w, 0, NXT_FLOW_REMOVED), at = w->size;
    struct nicira_flow_removed wire = {
        .cookie = be64_from_host(removed->cookie),
        .priority = be16_from_host(removed->priority),
        .reason = removed->reason,
        .table_id = 1,           /* table 0, plus one */
        .duration_sec = be32_from_host(removed->duration_s),
        .duration_nsec = be32_from_host(removed->duration_ns),
        .idle_timeout = be16_from_host(removed->idle_timeout),
        .packet_count = be64_from_host(removed->packets),
        .byte_count = be64_from_host(removed->bytes),
    };
    writer_bytes(w, &wire, sizeof wire);
    put_match(w, &removed->match, &match_len);
    writer_patch_u16(w, at + offsetof(struct nicira_flow_removed, match_len), match_len);
    ofp_end(w, begin);
}

int
nx_decode_flow_removed(const struct nx_message *nx, struct ofp_flow_removed *out,
                       struct ofp_refusal *refusal)
{
    struct nicira_flow_removed wire;
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    reader_bytes(&r, &wire, sizeof wire);
    if (r.failed) {
        return ofp_refuse_size(refusal);
    }
    *out = (struct ofp_flow_removed) {
        .cookie = be64_to_host(wire.cookie),
        .packets = be64_to_host(wire.packet_count),
        .bytes = be64_to_host(wire.byte_count),
        .priority = be16_to_host(wire.priority),
        .idle_timeout = be16_to_host(wire.idle_timeout),
        .reason = wire.reason,
        .duration_s = be32_to_host(wire.duration_sec),
        .duration_ns = be32_to_host(wire.duration_nsec),
    };
    int error = take_match(&r, wire.match_len, &out->match, refusal);
    return !error && reader_left(&r) ? ofp_refuse_size(refusal) : error;
}

/* --- NXST_FLOW ----------------------------------------------------------------------------- */

/* Seconds plus one, as many as fit. */
static uint16_t
age_to_wire(uint32_t seconds)
{
    return seconds < UINT16_MAX - 1 ? (uint16_t) (seconds + 1) : UINT16_MAX;
}

static uint32_t
age_from_wire(struct be16 wire)
{
    uint16_t age = be16_to_host(wire);
    return age ? age - 1u : 0;
}

void
nx_put_flow(struct ofp_stats_reply *r, const struct ofp_flow_stats *flow)
{
    struct writer *w = r->w;
    size_t begin = w->size;
    uint16_t match_len;
    struct nicira_flow_stats wire = {
        .table_id = flow->table_id,
        .duration_sec = be32_from_host(flow->duration_s),
        .duration_nsec = be32_from_host(flow->duration_ns),
        .priority = be16_from_host(flow->priority),
        .idle_timeout = be16_from_host(flow->idle_timeout),
        .hard_timeout = be16_from_host(flow->hard_timeout),
        .idle_age = be16_from_host(age_to_wire(flow->idle_age_s)),
        .hard_age = be16_from_host(age_to_wire(flow->hard_age_s)),
        .cookie = be64_from_host(flow->cookie),
        .packet_count = be64_from_host(flow->packets),
        .byte_count = be64_from_host(flow->bytes),
    };
    writer_bytes(w, &wire, sizeof wire);
    put_match(w, &flow->match, &match_len);
    writer_patch_u16(w, begin + offsetof(struct nicira_flow_stats, match_len), match_len);
    uint8_t *actions = writer_reserve(w, of10_actions_size(flow->actions, flow->n_actions));
    if (actions) {
        of10_encode_actions(flow->actions, flow->n_actions, actions);
    }
    writer_patch_u16(w, begin + offsetof(struct nicira_flow_stats, length),
                     (uint16_t) (w->size - begin));
    of10_stats_fit(r, begin);
}

static void
decode_flow_fixed(const struct nicira_flow_stats *wire, struct ofp_flow_stats *out)
{
    *out = (struct ofp_flow_stats) {
        .table_id = wire->table_id,
        .cookie = be64_to_host(wire->cookie),
        .packets = be64_to_host(wire->packet_count),
        .bytes = be64_to_host(wire->byte_count),
        .duration_s = be32_to_host(wire->duration_sec),
        .duration_ns = be32_to_host(wire->duration_nsec),
        .priority = be16_to_host(wire->priority),
        .idle_timeout = be16_to_host(wire->idle_timeout),
        .hard_timeout = be16_to_host(wire->hard_timeout),
        .idle_age_s = age_from_wire(wire->idle_age),
        .hard_age_s = age_from_wire(wire->hard_age),
    };
}

int
nx_take_flow(struct reader *r, struct ofp_flow_stats *out, struct action *actions,
             struct ofp_refusal *refusal)
{
    struct nicira_flow_stats wire;
    reader_bytes(r, &wire, sizeof wire);
    size_t size = be16_to_host(wire.length);
    if (r->failed || size < sizeof wire || size - sizeof wire > reader_left(r)) {
        return ofp_refuse(refusal, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                          "a flow's length is not that of its contents");
    }
    decode_flow_fixed(&wire, out);
    out->actions = actions;
    struct reader rest = reader_sub(r, size - sizeof wire);
    int error = take_match(&rest, wire.match_len, &out->match, refusal);
    return error ? error : of10_decode_actions(rest.p, reader_left(&rest), OF10_IN_FLOW, actions,
                                               &out->n_actions, refusal);
}

/* --- NXT_PACKET_IN -------------------------------------------------------------------------- */

/* Two bytes behind the match, so that the IP header of an untagged frame is aligned. */
enum { FRAME_PAD = 2 };

void
nx_encode_packet_in(struct writer *w, const struct ofp_packet_in *in)
{
    uint16_t match_len;
    size_t begin = nx_begin(w, 0, NXT_PACKET_IN), at = w->size;
    struct nicira_packet_in wire = {
        .buffer_id = be32_from_host(in->buffer_id),
        .total_len = be16_from_host(in->total_len),
        .reason = in->reason,
        .cookie = be64_from_host(in->cookie),
    };
    struct flow_match match = { .value.in_port = in->in_port, .mask.bits.in_port = 0xffff };
    writer_bytes(w, &wire, sizeof wire);
    nx_match_encode(w, &match, NULL, &match_len);
    writer_patch_u16(w, at + offsetof(struct nicira_packet_in, match_len), match_len);
    writer_zeros(w, FRAME_PAD);
    size_t room = OFP_MAX_SIZE - (w->size - begin), size = in->data_size;
    if (size > room) {
        size = room;
        counter_inc(COUNTER_openflow_packet_in_cut);
    }
    writer_bytes(w, in->data, size);
    ofp_end(w, begin);
}

int
nx_decode_packet_in(const struct nx_message *nx, struct ofp_packet_in *out,
                    struct ofp_refusal *refusal)
{
    struct nicira_packet_in wire;
    struct ofp_match match;
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    reader_bytes(&r, &wire, sizeof wire);
    if (r.failed) {
        return ofp_refuse_size(refusal);
    }
    int error = take_match(&r, wire.match_len, &match, refusal);
    if (error) {
        return error;
    }
    reader_skip(&r, FRAME_PAD);
    *out = (struct ofp_packet_in) {
        .buffer_id = be32_to_host(wire.buffer_id),
        .total_len = be16_to_host(wire.total_len),
        .in_port = match.match.mask.bits.in_port ? match.match.value.in_port : PORT_NONE,
        .reason = wire.reason,
        .cookie = be64_to_host(wire.cookie),
        .data = r.p,
        .data_size = (uint32_t) reader_left(&r),
    };
    return r.failed ? ofp_refuse_size(refusal) : 0;
}
