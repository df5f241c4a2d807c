/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/samples_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ofagent/nx.h"
#include "ofagent/ofp_peer.h"

void
sample_done(struct maker *m, const char *name)
{
    if (m->w.failed) {
        abort();
    }
    m->visit(name, m->w.data, m->w.size, m->aux);
    writer_clear(&m->w);
}

static void
make_symmetric(struct maker *m)
{
    static const uint8_t hello_1_3[] = { 4, 0, 0, 16, 0, 0, 0, 7, 0, 1, 0, 8, 0, 0, 0, 0x12 };
    ofp_encode_header_only(&m->w, OFPT_HELLO, 1);
    sample_done(m, "hello");
    writer_bytes(&m->w, hello_1_3, sizeof hello_1_3);
    sample_done(m, "hello-bitmap");
    ofp_encode_echo(&m->w, OFPT_ECHO_REQUEST, 2, "are you there", 13);
    sample_done(m, "echo-request");
    ofp_encode_echo(&m->w, OFPT_ECHO_REPLY, 3, NULL, 0);
    sample_done(m, "echo-reply");
}

static void
make_without_body(struct maker *m)
{
    static const struct { uint8_t type; const char *name; } messages[] = {
        { OFPT_FEATURES_REQUEST, "features-request" },
        { OFPT_GET_CONFIG_REQUEST, "get-config-request" },
        { OFPT_BARRIER_REQUEST, "barrier-request" },
        { OFPT_BARRIER_REPLY, "barrier-reply" },
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        ofp_encode_header_only(&m->w, messages[i].type, (uint32_t) i + 100);
        sample_done(m, messages[i].name);
    }
}

static void
make_config(struct maker *m)
{
    ofp_encode_config(&m->w, 5, &(struct ofp_switch_config) { OFPC_FRAG_DROP, 128 });
    sample_done(m, "get-config-reply");
    ofp_encode_set_config(&m->w, 6, &(struct ofp_switch_config) { OFPC_FRAG_NORMAL, 65535 });
    sample_done(m, "set-config");
    ofp_encode_config(&m->w, 5, &(struct ofp_switch_config) {
                      OFPC_FRAG_NORMAL | OFPC_INVALID_TTL_TO_CONTROLLER, 128 });
    sample_done(m, "get-config-reply-1");
}

static void
make_errors(struct maker *m)
{
    static const uint16_t nx_codes[][2] = {
        { OFPET_BAD_REQUEST, NXBRC_NXM_INVALID }, { OFPET_BAD_REQUEST, NXBRC_NXM_BAD_TYPE },
        { OFPET_BAD_REQUEST, NXBRC_BAD_VALUE }, { OFPET_BAD_REQUEST, NXBRC_BAD_MASK },
        { OFPET_BAD_REQUEST, NXBRC_BAD_PREREQ }, { OFPET_BAD_REQUEST, NXBRC_DUP_FIELD },
        { OFPET_BAD_REQUEST, NXBRC_BAD_WILDCARDS }, { OFPET_BAD_REQUEST, NXBRC_BAD_TABLE_ID },
        { OFPET_BAD_REQUEST, NXBRC_BAD_ROLE }, { OFPET_BAD_REQUEST, NXBRC_BAD_PORT },
        { OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO }, { OFPET_BAD_ACTION, NXBAC_MUST_BE_ZERO },
        { OFPET_FLOW_MOD_FAILED, NXFMFC_BAD_FLAGS }, { NXET_TABLE, NXTC_HARDWARE },
        { NXET_TABLE, NXTC_BAD_TABLE_ID },
    };
    struct writer request;
    writer_init(&request);
    ofp_encode_echo(&request, OFPT_ECHO_REQUEST, 0x1234, "0123456789", 10);
    for (uint16_t type = OFPET_HELLO_FAILED; type <= OFPET_QUEUE_OP_FAILED; type++) {
        char name[32];
        struct ofp_refusal refusal = { type, 1, "only version 1 is spoken here" };
        ofp_encode_error(&m->w, &refusal, request.data, request.size);
        snprintf(name, sizeof name, "error-%u", type);
        sample_done(m, name);
    }
    for (unsigned i = 0; i < sizeof nx_codes / sizeof nx_codes[0]; i++) {
        char name[32];
        struct ofp_refusal refusal = { nx_codes[i][0], nx_codes[i][1], "why", NX_VENDOR };
        ofp_encode_error(&m->w, &refusal, request.data, request.size);
        snprintf(name, sizeof name, "nx-error-%u", i);
        sample_done(m, name);
    }
    writer_fini(&request);
}

/* Nicira's messages. */
static void
make_nx(struct maker *m)
{
    char name[32];
    for (enum nx_role role = NX_ROLE_OTHER; role < N_NX_ROLES; role++) {
        nx_encode_role_request(&m->w, 50 + role, role);
        snprintf(name, sizeof name, "nx-role-request-%d", role);
        sample_done(m, name);
        nx_encode_role_reply(&m->w, 60 + role, role);
        snprintf(name, sizeof name, "nx-role-reply-%d", role);
        sample_done(m, name);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct nx_async_config config = nx_async_default;
        for (enum nx_async what = 0; i && what < N_NX_ASYNC; what++) {
            config.masks[what][0] = sample_below(&m->rng, 8);
            config.masks[what][1] = sample_below(&m->rng, 8);
        }
        nx_encode_async_config(&m->w, 70 + i, &config);
        snprintf(name, sizeof name, "nx-async-config-%u", i);
        sample_done(m, name);
        nx_encode_controller_id(&m->w, 80 + i, (uint16_t) sample_u32(&m->rng));
        snprintf(name, sizeof name, "nx-controller-id-%u", i);
        sample_done(m, name);
    }
}

static void
make_features(struct maker *m)
{
    struct ofp_features features = {
        .datapath_id = 0x0000020304050607,
        .n_buffers = 256,
        .n_tables = 1,
        .capabilities = OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS | OFPC_ARP_MATCH_IP,
        .actions = OFPAT_ALL,
    };
    size_t begin = ofp_begin_features(&m->w, 7, &features);
    for (int i = 0; i < 3; i++) {
        struct port_info port;
        sample_port(&m->rng, &port);
        ofp_put_phy_port(&m->w, begin, &port);
    }
    ofp_end(&m->w, begin);
    sample_done(m, "features-reply");
}

static void
make_flow_mods(struct maker *m)
{
    static struct ofp_flow_mod mod;
    for (unsigned i = 0; i < 16; i++) {
        char name[32];
        sample_flow_mod(&m->rng, &mod);
        mod.command = i % 5;
        if (mod.command >= OFPFC_DELETE) {
            mod.n_actions = 0;
            mod.buffer_id = OFP_NO_BUFFER;
        } else {
            mod.out_port = PORT_NONE;
        }
        ofp_encode_flow_mod(&m->w, 1000 + i, &mod);
        snprintf(name, sizeof name, "flow-mod-%u", i);
        sample_done(m, name);
    }
    /* One with every action. */
    sample_flow_mod(&m->rng, &mod);
    mod.command = OFPFC_ADD;
    mod.out_port = PORT_NONE;
    do {
        mod.n_actions = 2 * N_ACTION_TYPES;
        sample_actions(&m->rng, false, mod.actions, mod.n_actions);
        uint32_t seen = 0;
        for (uint32_t i = 0; i < mod.n_actions; i++) {
            seen |= 1u << mod.actions[i].type;
        }
        if (seen == (1u << N_ACTION_TYPES) - 1) {
            break;
        }
    } while (true);
    ofp_encode_flow_mod(&m->w, 1100, &mod);
    sample_done(m, "flow-mod-all-actions");
}

static void
make_packet_outs(struct maker *m)
{
    static struct ofp_packet_out out;
    static const uint8_t frame[60] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1,
        2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    };
    for (unsigned i = 0; i < 4; i++) {
        char name[32];
        bool buffered = i & 1;
        out.buffer_id = buffered ? 0x100 + i : OFP_NO_BUFFER;
        out.in_port = i & 2 ? PORT_NONE : 3;
        out.n_actions = i;
        sample_actions(&m->rng, true, out.actions, out.n_actions);
        out.data = buffered ? NULL : frame;
        out.data_size = buffered ? 0 : sizeof frame;
        ofp_encode_packet_out(&m->w, 1200 + i, &out);
        snprintf(name, sizeof name, "packet-out-%u", i);
        sample_done(m, name);
    }
    struct ofp_packet_in in = {
        .buffer_id = 0x101, .total_len = 1500, .in_port = 3, .reason = OFPR_ACTION,
        .data = frame, .data_size = sizeof frame,
    };
    ofp_encode_packet_in(&m->w, &in);
    sample_done(m, "packet-in");
}

static void
make_ports(struct maker *m)
{
    struct port_info port;
    for (uint8_t reason = OFPPR_ADD; reason <= OFPPR_MODIFY; reason++) {
        char name[32];
        sample_port(&m->rng, &port);
        ofp_encode_port_status(&m->w, reason, &port);
        snprintf(name, sizeof name, "port-status-%u", reason);
        sample_done(m, name);
    }
    struct ofp_port_mod mod = {
        .port_no = 3, .config = PORT_CONFIG_NO_FLOOD, .mask = PORT_CONFIG_NO_FLOOD,
        .hw_addr = { 2, 0, 0, 0, 0, 3 },
    };
    ofp_encode_port_mod(&m->w, 8, &mod);
    sample_done(m, "port-mod");
}

static void
make_flow_removed(struct maker *m)
{
    for (uint8_t reason = OFPRR_IDLE_TIMEOUT; reason <= OFPRR_DELETE; reason++) {
        char name[32];
        struct ofp_flow_removed removed = {
            .cookie = sample_u32(&m->rng), .packets = sample_u32(&m->rng),
            .bytes = sample_u32(&m->rng), .priority = (uint16_t) sample_u32(&m->rng),
            .idle_timeout = 30, .reason = reason, .duration_s = 12, .duration_ns = 345000000,
        };
        sample_match(&m->rng, &removed.match);
        ofp_encode_flow_removed(&m->w, &removed);
        snprintf(name, sizeof name, "flow-removed-%u", reason);
        sample_done(m, name);
    }
}

static void
make_stats_requests(struct maker *m)
{
    static const char *const names[] = {
        [OFPST_DESC] = "desc-request", [OFPST_FLOW] = "flow-request",
        [OFPST_AGGREGATE] = "aggregate-request", [OFPST_TABLE] = "table-request",
        [OFPST_PORT] = "port-request", [OFPST_QUEUE] = "queue-request",
    };
    for (uint16_t type = OFPST_DESC; type <= OFPST_QUEUE; type++) {
        struct ofp_stats_request request = {
            .type = type, .table_id = 0xff, .out_port = PORT_NONE, .port_no = PORT_NONE,
            .queue_id = UINT32_MAX,
        };
        if (type == OFPST_QUEUE) {
            request.port_no = PORT_ALL;
        }
        sample_match(&m->rng, &request.match);
        ofp_encode_stats_request(&m->w, 20u + type, &request);
        sample_done(m, names[type]);
    }
}

static void
make_flow_stats(struct maker *m)
{
    struct ofp_stats_reply reply;
    struct action actions[8];
    ofp_stats_begin(&reply, &m->w, 31, OFPST_FLOW);
    for (int i = 0; i < 4; i++) {
        struct ofp_flow_stats flow;
        sample_flow_stats(&m->rng, &flow, actions);
        ofp_put_flow(&reply, &flow);
    }
    ofp_stats_end(&reply);
    sample_done(m, "flow-reply");
}

static void
put_ports(struct ofp_stats_reply *reply)
{
    struct port_counters counters = {
        .rx_packets = 1, .tx_packets = 2, .rx_bytes = 3, .tx_bytes = 4, .rx_dropped = 5,
        .tx_dropped = 6, .rx_errors = 7, .tx_errors = 8, .rx_frame_err = 9, .rx_over_err = 10,
        .rx_crc_err = 11, .collisions = 12,
    };
    ofp_put_port(reply, 1, &counters);
    memset(&counters, 0xff, sizeof counters);
    ofp_put_port(reply, PORT_LOCAL, &counters);
}

static void
make_stats_replies(struct maker *m)
{
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &m->w, 30, OFPST_DESC);
    ofp_put_desc(&reply, &(struct ofp_desc) { "Turnout", "veth", "0.1.0", "None", "br0" });
    ofp_stats_end(&reply);
    sample_done(m, "desc-reply");

    make_flow_stats(m);

    ofp_stats_begin(&reply, &m->w, 32, OFPST_AGGREGATE);
    ofp_put_aggregate(&reply, UINT64_C(0x123456789a), UINT64_C(0xfedcba98765), 77);
    ofp_stats_end(&reply);
    sample_done(m, "aggregate-reply");

    ofp_stats_begin(&reply, &m->w, 33, OFPST_TABLE);
    ofp_put_table(&reply, 0, "main", 0x3fffff, 1000000, 5, 600, 500);
    ofp_put_table(&reply, 0xfe, "emergency", 0x3fffff, 1000, 0, 0, 0);
    ofp_stats_end(&reply);
    sample_done(m, "table-reply");

    ofp_stats_begin(&reply, &m->w, 34, OFPST_PORT);
    put_ports(&reply);
    ofp_stats_end(&reply);
    sample_done(m, "port-reply");

    ofp_stats_begin(&reply, &m->w, 35, OFPST_QUEUE);
    ofp_put_queue(&reply, &(struct ofp_queue_stats) { 2, 5, 6400, 100, 3 });
    ofp_put_queue(&reply, &(struct ofp_queue_stats) { 3, 6, UINT64_MAX, UINT64_MAX, UINT64_MAX });
    ofp_stats_end(&reply);
    sample_done(m, "queue-reply");
}

static void
make_queue_config(struct maker *m)
{
    ofp_encode_queue_get_config(&m->w, 40, 2);
    sample_done(m, "queue-config-request");
    ofp_end(&m->w, ofp_begin_queue_config(&m->w, 41, 2));
    sample_done(m, "queue-config-reply-empty");
    size_t begin = ofp_begin_queue_config(&m->w, 42, 2);
    ofp_put_queue_config(&m->w, begin, &(struct ofp_queue) { 5, 250 });
    ofp_put_queue_config(&m->w, begin, &(struct ofp_queue) { 6, OFP_MIN_RATE_NONE });
    ofp_end(&m->w, begin);
    sample_done(m, "queue-config-reply");
}

void
samples_for_each(uint64_t seed,
                 void (*visit)(const char *name, const uint8_t *msg, size_t size, void *aux),
                 void *aux)
{
    struct maker m = { .rng = { seed }, .visit = visit, .aux = aux };
    writer_init(&m.w);
    make_symmetric(&m);
    make_without_body(&m);
    make_config(&m);
    make_errors(&m);
    make_nx(&m);
    sample_make_nx_flows(&m);
    make_features(&m);
    make_flow_mods(&m);
    make_packet_outs(&m);
    make_ports(&m);
    make_flow_removed(&m);
    make_stats_requests(&m);
    make_stats_replies(&m);
    make_queue_config(&m);
    writer_fini(&m.w);
}
