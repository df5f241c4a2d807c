/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of Nicira's messages about flows and packets. */
#include <stdio.h>
#include <stdlib.h>

#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "ofagent/nx_match.h"
#include "tests/wire/samples_private.h"

static bool
one_in(struct sample_rng *rng, uint32_t n)
{
    return sample_below(rng, n) == 0;
}

/* Takes bits out of a mask, and out of the value under it. */
static void
thin(struct sample_rng *rng, void *value_, void *mask_, size_t size)
{
    uint8_t *value = value_, *mask = mask_;
    for (size_t i = 0; i < size; i++) {
        mask[i] &= (uint8_t) sample_u32(rng);
        value[i] &= mask[i];
    }
}

static void
thin_match(struct sample_rng *rng, struct flow_match *match)
{
    struct flow_key *value = &match->value, *mask = &match->mask.bits;
    if (one_in(rng, 3)) {
        thin(rng, value->dl_src, mask->dl_src, 6);
    }
    if (one_in(rng, 3)) {
        thin(rng, value->dl_dst, mask->dl_dst, 6);
    }
    if (one_in(rng, 3)) {
        thin(rng, &value->vlan_tci, &mask->vlan_tci, 2);
    }
    if (one_in(rng, 3)) {
        thin(rng, &value->nw_src.ip4, &mask->nw_src.ip4, 4);
        thin(rng, &value->nw_dst.ip4, &mask->nw_dst.ip4, 4);
    }
    if (one_in(rng, 3) && value->nw_proto != 1) {
        thin(rng, &value->tp_src, &mask->tp_src, 2);
        thin(rng, &value->tp_dst, &mask->tp_dst, 2);
    }
    if (one_in(rng, 3) && be16_to_host(value->dl_type) == 0x0800) {
        value->nw_frag = (uint8_t) sample_below(rng, 2);
        mask->nw_frag = 3;
    }
}

void
sample_nx_match(struct sample_rng *rng, struct ofp_match *out)
{
    struct ofp_refusal refusal;
    struct writer w;
    uint16_t len;
    sample_match(rng, out);
    thin_match(rng, &out->match);
    writer_init(&w);
    if (!nx_match_encode(&w, &out->match, NULL, &len)
        || nx_match_decode(w.data, len, out, NULL, &refusal)) {
        abort();
    }
    writer_fini(&w);
}

static struct ofp_cookie_filter
sample_filter(struct sample_rng *rng)
{
    struct ofp_cookie_filter filter = { 0, 0 };
    if (one_in(rng, 2)) {
        filter.mask = one_in(rng, 2) ? UINT64_MAX : sample_u32(rng) | 1;
        filter.value = sample_u32(rng) & filter.mask;
    }
    return filter;
}

static void
make_formats(struct maker *m)
{
    for (uint32_t format = 0; format < 3; format++) {
        char name[40];
        nx_encode_flow_format(&m->w, 70, format);
        snprintf(name, sizeof name, "nx-flow-format-%u", format);
        if (format != 1) {
            sample_done(m, name);
        }
        writer_clear(&m->w);
        nx_encode_packet_in_format(&m->w, 71, format);
        snprintf(name, sizeof name, "nx-packet-in-format-%u", format);
        if (format != NXPIF_NXT_PACKET_IN2) {
            sample_done(m, name);
        }
        writer_clear(&m->w);
    }
    nx_encode_flow_mod_table_id(&m->w, 72, false);
    sample_done(m, "nx-table-id-0");
    nx_encode_flow_mod_table_id(&m->w, 73, true);
    sample_done(m, "nx-table-id-1");
    ofp_end(&m->w, nx_begin(&m->w, 74, NXT_FLOW_AGE));
    sample_done(m, "nx-flow-age");
}

static void
make_flow_mods(struct maker *m)
{
    static struct ofp_flow_mod mod;
    for (unsigned i = 0; i < 16; i++) {
        char name[32];
        sample_flow_mod(&m->rng, &mod);
        sample_nx_match(&m->rng, &mod.match);
        mod.nxm = true;
        mod.command = i % 5;
        mod.only = mod.command == OFPFC_ADD ? (struct ofp_cookie_filter) { 0, 0 }
                                            : sample_filter(&m->rng);
        if (mod.command >= OFPFC_DELETE) {
            mod.n_actions = 0;
            mod.buffer_id = OFP_NO_BUFFER;
        } else {
            mod.out_port = PORT_NONE;
        }
        nx_encode_flow_mod(&m->w, 1300 + i, &mod);
        snprintf(name, sizeof name, "nx-flow-mod-%u", i);
        sample_done(m, name);
    }
}

static void
make_flow_requests(struct maker *m)
{
    for (unsigned i = 0; i < 4; i++) {
        char name[40];
        bool aggregate = i & 1;
        struct ofp_stats_request request = {
            .type = aggregate ? OFPST_AGGREGATE : OFPST_FLOW,
            .table_id = i & 2 ? 0 : 0xff,
            .out_port = i & 2 ? 7 : PORT_NONE,
            .only = sample_filter(&m->rng),
        };
        sample_nx_match(&m->rng, &request.match);
        nx_encode_flow_request(&m->w, 1400 + i, &request);
        snprintf(name, sizeof name, "nx-%s-request-%u", aggregate ? "aggregate" : "flow", i);
        sample_done(m, name);
    }
}

static void
make_replies(struct maker *m)
{
    struct ofp_stats_reply reply;
    struct action actions[8];
    nx_stats_begin(&reply, &m->w, 80, NXST_FLOW);
    for (int i = 0; i < 4; i++) {
        struct ofp_flow_stats flow = { 0 };
        sample_flow_stats(&m->rng, &flow, actions);
        sample_nx_match(&m->rng, &flow.match);
        flow.idle_age_s = sample_below(&m->rng, 1000);
        flow.hard_age_s = flow.duration_s;
        nx_put_flow(&reply, &flow);
    }
    ofp_stats_end(&reply);
    sample_done(m, "nx-flow-reply");
    nx_stats_begin(&reply, &m->w, 81, NXST_AGGREGATE);
    ofp_put_aggregate(&reply, UINT64_C(0x123456789a), UINT64_C(0xfedcba98765), 77);
    ofp_stats_end(&reply);
    sample_done(m, "nx-aggregate-reply");
}

static void
make_events(struct maker *m)
{
    static const uint8_t frame[60] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1,
        2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    };
    for (uint8_t reason = OFPRR_IDLE_TIMEOUT; reason <= OFPRR_DELETE; reason++) {
        char name[32];
        struct ofp_flow_removed removed = {
            .cookie = sample_u32(&m->rng), .packets = sample_u32(&m->rng),
            .bytes = sample_u32(&m->rng), .priority = (uint16_t) sample_u32(&m->rng),
            .idle_timeout = 30, .reason = reason, .duration_s = 12, .duration_ns = 345000000,
        };
        sample_nx_match(&m->rng, &removed.match);
        nx_encode_flow_removed(&m->w, &removed);
        snprintf(name, sizeof name, "nx-flow-removed-%u", reason);
        sample_done(m, name);
    }
    struct ofp_packet_in in = {
        .buffer_id = 0x101, .total_len = 1500, .in_port = 3, .reason = OFPR_ACTION,
        .cookie = 0x1234, .data = frame, .data_size = sizeof frame,
    };
    nx_encode_packet_in(&m->w, &in);
    sample_done(m, "nx-packet-in");
}

void
sample_make_nx_flows(struct maker *m)
{
    make_formats(m);
    make_flow_mods(m);
    make_flow_requests(m);
    make_replies(m);
    make_events(m);
}
