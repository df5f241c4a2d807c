/* SPDX-License-Identifier: Apache-2.0 */
/* Flows in Nicira's dialect over a socket: that they are the same flows as in 1.0's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/flow_text.h"
#include "ofagent/nicira.h"
#include "ofagent/nx_match.h"
#include "tests/unit/agent_rig.h"

static struct rig rig;
static struct peer peer;

static int
set_up(void **state)
{
    (void) state;
    rig_init(&rig, NULL);
    peer_hello(&peer, &rig, rig.path);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    peer_close(&peer);
    rig_fini(&rig);
    return 0;
}

/* --- what is sent ------------------------------------------------------------------------- */

static void
send_nxm(const struct ofp_flow_mod *fm)
{
    nx_encode_flow_mod(&peer.out, 0xf11, fm);
    peer_send(&peer);
}

static struct ofp_flow_mod *
nxm_flow(uint16_t command, const char *match, uint64_t cookie, uint16_t port)
{
    struct ofp_flow_mod *fm = flow_mod_of(command, match, port);
    fm->cookie = cookie;
    return fm;
}

static void
add(const char *match, uint64_t cookie)
{
    send_nxm(nxm_flow(OFPFC_ADD, match, cookie, 2));
    peer_barrier(&peer);
}

static void
change(uint16_t command, const char *match, uint64_t cookie, uint64_t only, uint64_t mask)
{
    struct ofp_flow_mod *fm = nxm_flow(command, match, cookie,
                                       command >= OFPFC_DELETE ? PORT_NONE : 3);
    fm->only = (struct ofp_cookie_filter) { only, mask };
    send_nxm(fm);
    peer_barrier(&peer);
}

static void
flag_message(uint32_t subtype, uint32_t value)
{
    if (subtype == NXT_SET_FLOW_FORMAT) {
        nx_encode_flow_format(&peer.out, 9, value);
    } else if (subtype == NXT_SET_PACKET_IN_FORMAT) {
        nx_encode_packet_in_format(&peer.out, 9, value);
    } else {
        nx_encode_flow_mod_table_id(&peer.out, 9, value);
    }
    peer_send(&peer);
}

/* --- what comes back ----------------------------------------------------------------------- */

static struct action actions[ACTION_LIST_MAX];

static struct nx_message
expect_nx(uint8_t type, uint32_t subtype)
{
    struct nx_message nx;
    struct ofp_refusal refusal;
    const uint8_t *msg = peer_expect(&peer, type);
    assert_int_equal(nx_decode(msg, peer.header.length, &nx, &refusal), 0);
    assert_int_equal(nx.subtype, subtype);
    return nx;
}

static void
ask(uint16_t type, const char *match, uint64_t only, uint64_t mask)
{
    struct ofp_stats_request request = {
        .type = type, .table_id = 0xff, .out_port = PORT_NONE, .only = { only, mask },
    };
    assert_int_equal(flow_match_parse(match, NULL, &request.match.match, NULL), 0);
    nx_encode_flow_request(&peer.out, 0x57a, &request);
    peer_send(&peer);
}

/* All flows, in the order of their ADDs: "MATCH cookie;...". */
static const char *
flows(const char *match, uint64_t only, uint64_t mask)
{
    static struct strbuf text;
    struct ofp_flow_stats flow;
    struct ofp_refusal refusal;
    struct reader r;
    strbuf_fini(&text);
    ask(OFPST_FLOW, match, only, mask);
    struct nx_message nx = expect_nx(OFPT_STATS_REPLY, NXST_FLOW);
    assert_int_equal(peer.header.xid, 0x57a);
    reader_init(&r, nx.body, nx.body_size);
    while (reader_left(&r)) {
        assert_int_equal(nx_take_flow(&r, &flow, actions, &refusal), 0);
        flow_match_print(&text, &flow.match.match, NULL);
        strbuf_printf(&text, " %llu:%u;", (unsigned long long) flow.cookie,
                      flow.n_actions ? actions[0].output.port : 0);
    }
    return strbuf_text(&text);
}

static void
expect_flows(const char *wanted)
{
    assert_string_equal(flows("", 0, 0), wanted);
}

/* --- tests --------------------------------------------------------------------------------- */

static void
masked_flows_come_back_as_they_went(void **state)
{
    (void) state;
    add("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", 1);
    add("tcp,tp_src=0x10/0xfff0,nw_src=10.0.0.0/255.0.255.0", 2);
    add("vlan_tci=0x1000/0x1000", 3);
    add("ip,nw_frag=later", 4);
    expect_flows("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 1:2;"
                 "tcp,nw_src=10.0.0.0/255.0.255.0,tp_src=0x10/0xfff0 2:2;"
                 "vlan_tci=0x1000/0x1000 3:2;"
                 "ip,nw_frag=later 4:2;");
    assert_string_equal(flows("ip", 0, 0), "tcp,nw_src=10.0.0.0/255.0.255.0,tp_src=0x10/0xfff0 2:2;"
                        "ip,nw_frag=later 4:2;");
    assert_string_equal(flows("tcp,tp_src=0x10/0xff00", 0, 0),
                        "tcp,nw_src=10.0.0.0/255.0.255.0,tp_src=0x10/0xfff0 2:2;");
    assert_string_equal(flows("tcp,tp_src=0x10", 0, 0), "");
}

static void
both_dialects_see_the_same_flows(void **state)
{
    (void) state;
    put_flow_mod(&peer, OFPFC_ADD, "tcp,nw_dst=10.0.0.0/8,tp_dst=80", 2);
    put_flow_mod(&peer, OFPFC_ADD, "dl_vlan=0xffff", 2);
    put_flow_mod(&peer, OFPFC_ADD, "arp,arp_op=1", 2);
    peer_send(&peer);
    peer_barrier(&peer);
    expect_flows("tcp,nw_dst=10.0.0.0/8,tp_dst=80 0:2;vlan_tci=0x0000 0:2;arp,arp_op=1 0:2;");
    add("tcp,nw_dst=10.0.0.0/8,tp_dst=80", 7);
    change(OFPFC_MODIFY_STRICT, "vlan_tci=0/0x1000", 8, 0, 0);
    change(OFPFC_DELETE_STRICT, "arp,arp_op=1", 0, 0, 0);
    expect_flows("tcp,nw_dst=10.0.0.0/8,tp_dst=80 7:2;vlan_tci=0x0000 8:3;");
    put_flow_mod(&peer, OFPFC_DELETE_STRICT, "dl_vlan=0xffff", PORT_NONE);
    put_flow_mod(&peer, OFPFC_DELETE, "ip", PORT_NONE);
    peer_send(&peer);
    peer_barrier(&peer);
    expect_flows("");
}

static const char full[] =
    "in_port=1,dl_src=2:0:0:0:0:1,dl_dst=2:0:0:0:0:2,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,"
    "tcp,tp_src=1,tp_dst=2";

static void
add_exact(uint16_t priority, uint16_t port)
{
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, full, port);
    fm->match.match.mask.bits.vlan_tci = be16_from_host(0xffff);
    fm->match.exact = true;
    fm->priority = priority;
    ofp_encode_flow_mod(&peer.out, 0xf12, fm);
    peer_send(&peer);
    peer_barrier(&peer);
}

/* A flow without wildcards whose lack of them nx_match can't say (it is untagged). */
static void
a_flow_without_wildcards_is_named_by_match_and_priority(void **state)
{
    (void) state;
    char untagged[200];
    snprintf(untagged, sizeof untagged, "vlan_tci=0,%s", full);
    add_exact(100, 1);
    change(OFPFC_MODIFY_STRICT, untagged, 5, 0, 0);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 1);
    add(untagged, 6);                                  /* replaces it, and keeps its rank */
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 1);
    struct ofp_flow_mod *fm = nxm_flow(OFPFC_ADD, untagged, 9, 3);
    fm->priority = 200;                                /* another one, below it */
    send_nxm(fm);
    peer_barrier(&peer);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 2);
    change(OFPFC_DELETE_STRICT, untagged, 0, 0, 0);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 1);
    assert_non_null(strstr(flows("", 0, 0), " 9:3;"));
}

/* One with a tag has every field: it is without wildcards in both dialects. */
static void
all_fields_are_no_wildcards_in_both_dialects(void **state)
{
    (void) state;
    char tagged[200];
    snprintf(tagged, sizeof tagged, "dl_vlan=5,dl_vlan_pcp=3,%s", full);
    struct ofp_flow_mod *fm = nxm_flow(OFPFC_ADD, tagged, 1, 2);
    fm->priority = 7;
    send_nxm(fm);
    peer_barrier(&peer);
    fm = flow_mod_of(OFPFC_DELETE_STRICT, tagged, PORT_NONE);
    fm->priority = 9;                                  /* counts for nothing, as ever */
    fm->match.exact = true;
    ofp_encode_flow_mod(&peer.out, 1, fm);
    peer_send(&peer);
    peer_barrier(&peer);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 0);
}

static void
cookies_select_flows(void **state)
{
    (void) state;
    add("in_port=1", 0x11);
    add("in_port=2", 0x21);
    add("in_port=3", 0x22);
    assert_string_equal(flows("", 0x20, 0xf0), "in_port=2 33:2;in_port=3 34:2;");
    assert_string_equal(flows("in_port=3", 0x22, UINT64_MAX), "in_port=3 34:2;");
    assert_string_equal(flows("", 0x99, UINT64_MAX), "");
    change(OFPFC_MODIFY, "", UINT64_MAX, 0x01, 0x0f);
    expect_flows("in_port=1 17:3;in_port=2 33:3;in_port=3 34:2;");
    change(OFPFC_MODIFY, "", 0x23, 0x22, UINT64_MAX);
    expect_flows("in_port=1 17:3;in_port=2 33:3;in_port=3 35:3;");
    change(OFPFC_MODIFY_STRICT, "in_port=2", 0x99, 0x11, UINT64_MAX);
    expect_flows("in_port=1 17:3;in_port=2 33:3;in_port=3 35:3;");
    change(OFPFC_DELETE_STRICT, "in_port=3", 0, 0x22, UINT64_MAX);
    change(OFPFC_DELETE, "", 0, 0x21, UINT64_MAX);
    expect_flows("in_port=1 17:3;in_port=3 35:3;");
    change(OFPFC_DELETE, "", 0, 0, 0);
    expect_flows("");
    /* What asks for flows that are there does not add one. */
    change(OFPFC_MODIFY, "in_port=9", 1, 1, 1);
    change(OFPFC_MODIFY_STRICT, "in_port=9", UINT64_MAX, 0, 0);
    expect_flows("");
    change(OFPFC_MODIFY, "in_port=9", 4, 0, 0);
    expect_flows("in_port=9 4:3;");
}

static void
aggregates_are_of_the_same_flows(void **state)
{
    (void) state;
    add("in_port=1", 0x11);
    add("in_port=2", 0x21);
    add("tcp,tp_dst=0/1", 0x21);
    ask(OFPST_AGGREGATE, "", 0x21, UINT64_MAX);
    struct nx_message nx = expect_nx(OFPT_STATS_REPLY, NXST_AGGREGATE);
    struct ofp_aggregate_stats aggregate;
    struct ofp_refusal refusal;
    struct reader r;
    reader_init(&r, nx.body, nx.body_size);
    assert_int_equal(ofp_take_aggregate(&r, &aggregate, &refusal), 0);
    assert_int_equal(aggregate.flows, 2);
}

static void
many_flows_come_in_several_parts(void **state)
{
    (void) state;
    enum { N = 2000 };
    for (unsigned i = 0; i < N; i++) {
        char match[80];
        snprintf(match, sizeof match, "ip,nw_src=10.0.%u.%u,nw_dst=0.0.0.%u/0.0.0.255", i >> 8,
                 i & 255, i & 255);
        nx_encode_flow_mod(&peer.out, 1, nxm_flow(OFPFC_ADD, match, i, 2));
        peer_send(&peer);
    }
    peer_barrier(&peer);
    ask(OFPST_FLOW, "", 0, 0);
    unsigned n = 0, parts = 0;
    bool more = true;
    while (more) {
        const uint8_t *msg = peer_expect(&peer, OFPT_STATS_REPLY);
        struct ofp_stats_part part;
        struct nx_message nx;
        struct ofp_refusal refusal;
        struct reader r;
        assert_int_equal(ofp_decode_stats_reply(msg, peer.header.length, &part, &refusal), 0);
        assert_int_equal(nx_decode(msg, peer.header.length, &nx, &refusal), 0);
        assert_int_equal(nx.subtype, NXST_FLOW);
        more = part.more;
        parts++;
        for (reader_init(&r, nx.body, nx.body_size); reader_left(&r); n++) {
            struct ofp_flow_stats flow;
            assert_int_equal(nx_take_flow(&r, &flow, actions, &refusal), 0);
            assert_int_equal(flow.cookie, n);
        }
    }
    assert_int_equal(n, N);
    assert_in_range(parts, 3, 6);
}

static void
ages_are_told(void **state)
{
    (void) state;
    struct ofp_flow_stats flow;
    struct ofp_refusal refusal;
    struct nx_message nx;
    struct reader r;
    ofp_end(&peer.out, nx_begin(&peer.out, 5, NXT_FLOW_AGE));
    peer_send(&peer);
    peer_barrier(&peer);
    add("in_port=1", 1);
    rig_pass_ms(&rig, 3000);
    change(OFPFC_MODIFY, "in_port=1", UINT64_MAX, 0, 0);
    rig_pass_ms(&rig, 1000);
    ask(OFPST_FLOW, "", 0, 0);
    nx = expect_nx(OFPT_STATS_REPLY, NXST_FLOW);
    reader_init(&r, nx.body, nx.body_size);
    assert_int_equal(nx_take_flow(&r, &flow, actions, &refusal), 0);
    assert_in_range(flow.duration_s, 4, 5);
    assert_in_range(flow.idle_age_s, 4, 5);
    assert_in_range(flow.hard_age_s, 1, 2);
}

static void
flow_removed_is_in_the_format_asked_for(void **state)
{
    (void) state;
    struct ofp_flow_removed removed;
    struct ofp_refusal refusal;
    struct nx_message nx;
    struct peer other;
    peer_hello(&other, &rig, rig.path);
    flag_message(NXT_SET_FLOW_FORMAT, NXFF_NXM);
    struct ofp_flow_mod *fm = nxm_flow(OFPFC_ADD, "ip,nw_src=10.0.0.1/255.0.0.255", 5, 2);
    fm->flags = OFPFF_SEND_FLOW_REM;
    send_nxm(fm);
    peer_barrier(&peer);
    uint64_t widened = counter_read(COUNTER_openflow_match_widened);
    fm = nxm_flow(OFPFC_DELETE, "ip,nw_src=10.0.0.1/255.0.0.255", 0, PORT_NONE);
    nx_encode_flow_mod(&peer.out, 1, fm);
    peer_send(&peer);
    nx = expect_nx(OFPT_VENDOR, NXT_FLOW_REMOVED);
    assert_int_equal(nx_decode_flow_removed(&nx, &removed, &refusal), 0);
    assert_int_equal(removed.cookie, 5);
    assert_int_equal(removed.reason, OFPRR_DELETE);
    assert_int_equal(be32_to_host(removed.match.match.mask.bits.nw_src.ip4), 0xff0000ff);
    assert_int_equal(nx.body[11], 1);                  /* table 0, plus one */
    /* In 1.0 the nearest wider match stands for it, and is counted. */
    const uint8_t *msg = peer_expect(&other, OFPT_FLOW_REMOVED);
    assert_int_equal(ofp_decode_flow_removed(msg, other.header.length, &removed, &refusal), 0);
    assert_int_equal(be32_to_host(removed.match.match.mask.bits.nw_src.ip4), 0xff000000);
    assert_int_equal(counter_read(COUNTER_openflow_match_widened), widened + 1);
    peer_close(&other);
    flag_message(NXT_SET_FLOW_FORMAT, NXFF_OPENFLOW10);
    fm = nxm_flow(OFPFC_ADD, "in_port=1", 5, 2);
    fm->flags = OFPFF_SEND_FLOW_REM;
    send_nxm(fm);
    nx_encode_flow_mod(&peer.out, 1, nxm_flow(OFPFC_DELETE, "", 0, PORT_NONE));
    peer_send(&peer);
    peer_expect(&peer, OFPT_FLOW_REMOVED);
}

static void
a_1_0_dump_shows_the_nearest_wider_match(void **state)
{
    (void) state;
    struct ofp_stats_request request = { .type = OFPST_FLOW, .table_id = 0xff,
                                         .out_port = PORT_NONE };
    struct ofp_refusal refusal;
    struct ofp_stats_part part;
    struct ofp_flow_stats flow;
    add("tcp,in_port=1,tp_src=0x10/0xfff0,nw_src=10.0.0.0/255.0.255.0,dl_src=2:0:0:0:0:0/ff:0:0:0:0:0",
        2);
    uint64_t widened = counter_read(COUNTER_openflow_match_widened);
    ofp_encode_stats_request(&peer.out, 1, &request);
    peer_send(&peer);
    const uint8_t *msg = peer_expect(&peer, OFPT_STATS_REPLY);
    assert_int_equal(ofp_decode_stats_reply(msg, peer.header.length, &part, &refusal), 0);
    assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &refusal), 0);
    struct strbuf text = { 0 };
    flow_match_print(&text, &flow.match.match, NULL);
    assert_string_equal(strbuf_text(&text), "tcp,in_port=1,nw_src=10.0.0.0/8");
    assert_int_equal(counter_read(COUNTER_openflow_match_widened), widened + 1);
    strbuf_fini(&text);
}

static void
packet_in_is_in_the_format_asked_for(void **state)
{
    (void) state;
    uint8_t frame[60];
    struct ofp_packet_in in;
    struct ofp_refusal refusal;
    struct nx_message nx;
    rig_frame(frame, sizeof frame, 1, 2, 80);
    flag_message(NXT_SET_PACKET_IN_FORMAT, NXPIF_NXM);
    peer_barrier(&peer);
    rig_inject(&rig, 2, frame, sizeof frame);
    nx = expect_nx(OFPT_VENDOR, NXT_PACKET_IN);
    assert_int_equal(nx_decode_packet_in(&nx, &in, &refusal), 0);
    assert_int_equal(in.in_port, 2);
    assert_int_equal(in.reason, OFPR_NO_MATCH);
    assert_true(in.cookie == UINT64_MAX);
    assert_int_equal(in.total_len, sizeof frame);
    assert_int_equal(in.data_size, sizeof frame);
    assert_memory_equal(in.data, frame, sizeof frame);
    flag_message(NXT_SET_PACKET_IN_FORMAT, NXPIF_OPENFLOW10);
    peer_barrier(&peer);
    rig_inject(&rig, 2, frame, sizeof frame);
    peer_expect(&peer, OFPT_PACKET_IN);
}

static void
a_packet_in_tells_the_cookie_of_its_flow(void **state)
{
    (void) state;
    uint8_t frame[60];
    struct ofp_packet_in in;
    struct ofp_refusal refusal;
    struct nx_message nx;
    rig_frame(frame, sizeof frame, 1, 2, 80);
    flag_message(NXT_SET_PACKET_IN_FORMAT, NXPIF_NXM);
    send_nxm(nxm_flow(OFPFC_ADD, "in_port=2", 0x1234567890, PORT_CONTROLLER));
    peer_barrier(&peer);
    for (uint64_t cookie = 0x1234567890;; cookie = 7) {
        rig_inject(&rig, 2, frame, sizeof frame);
        nx = expect_nx(OFPT_VENDOR, NXT_PACKET_IN);
        assert_int_equal(nx_decode_packet_in(&nx, &in, &refusal), 0);
        assert_int_equal(in.reason, OFPR_ACTION);
        assert_true(in.cookie == cookie);
        if (cookie == 7) {
            break;
        }
        send_nxm(nxm_flow(OFPFC_MODIFY_STRICT, "in_port=2", 7, PORT_CONTROLLER));
        peer_barrier(&peer);
    }
}

static void
formats_that_are_not_there_are_refused(void **state)
{
    (void) state;
    flag_message(NXT_SET_FLOW_FORMAT, 1);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_EPERM, 9);
    flag_message(NXT_SET_FLOW_FORMAT, 3);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_EPERM, 9);
    flag_message(NXT_SET_PACKET_IN_FORMAT, NXPIF_NXT_PACKET_IN2);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_EPERM, 9);
}

static void
a_command_can_name_the_table(void **state)
{
    (void) state;
    static const uint16_t tables[] = { 0, 0xff };
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD | 0xff00, "in_port=1", 2);
    send_nxm(fm);
    peer_expect_error(&peer, OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND, 0xf11);
    flag_message(NXT_FLOW_MOD_TABLE_ID, 1);
    for (unsigned i = 0; i < 2; i++) {
        fm->command = (uint16_t) (OFPFC_ADD | tables[i] << 8);
        send_nxm(fm);
        ofp_encode_flow_mod(&peer.out, 1, fm);
        peer_send(&peer);
        peer_barrier(&peer);
    }
    fm->command = OFPFC_ADD | 1 << 8;
    send_nxm(fm);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_BAD_TABLE_ID, 0xf11);
    ofp_encode_flow_mod(&peer.out, 2, fm);
    peer_send(&peer);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_BAD_TABLE_ID, 2);
    flag_message(NXT_FLOW_MOD_TABLE_ID, 0);
    fm->command = OFPFC_ADD | 0xff << 8;
    send_nxm(fm);
    peer_expect_error(&peer, OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND, 0xf11);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 1);
}

/* Appends an NXT_FLOW_MOD whose match is these bytes, said to be 'match_len' long. */
static void
raw_flow_mod(const void *match, size_t size, uint16_t match_len, uint16_t flags)
{
    size_t begin = nx_begin(&peer.out, 0x66, NXT_FLOW_MOD);
    struct nicira_flow_mod wire = {
        .buffer_id = be32_from_host(OFP_NO_BUFFER), .out_port = be16_from_host(PORT_NONE),
        .flags = be16_from_host(flags), .match_len = be16_from_host(match_len),
    };
    writer_bytes(&peer.out, &wire, sizeof wire);
    writer_bytes(&peer.out, match, size);
    ofp_end(&peer.out, begin);
    peer_send(&peer);
}

static void
faults_of_the_message_are_refused(void **state)
{
    (void) state;
    static const uint8_t in_port[8] = { 0, 0, 0, 2, 0, 1, 0, 0 };
    static const uint8_t cookie[16] = { 0, 1, 0x3c, 8, 0, 0, 0, 0, 0, 0, 0, 1 };
    raw_flow_mod(in_port, 8, 6, 0);
    peer_barrier(&peer);
    raw_flow_mod(in_port, 8, 9, 0);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, 0x66);
    raw_flow_mod(in_port, 8, 5, 0);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, 0x66);
    raw_flow_mod(in_port, 8, 0xffff, 0);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, 0x66);
    raw_flow_mod(in_port, 8, 8, 0);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, 0x66);
    raw_flow_mod(cookie, 16, 12, 0);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, 0x66);
    raw_flow_mod(in_port, 8, 6, 8);
    peer_expect_nx_error(&peer, OFPET_FLOW_MOD_FAILED, NXFMFC_BAD_FLAGS, 0x66);
    raw_flow_mod(in_port, 8, 0, 0);                    /* the match's bytes are no action */
    peer_expect_error(&peer, OFPET_BAD_ACTION, OFPBAC_BAD_LEN, 0x66);
    assert_int_equal(flow_table_count(agent_flows(rig.agent)), 1);
}

static void
overlaps_are_found_under_any_mask(void **state)
{
    (void) state;
    add("ip,nw_src=10.0.0.1/255.0.0.255", 1);
    struct ofp_flow_mod *fm = nxm_flow(OFPFC_ADD, "ip,nw_src=0.0.5.0/0.0.255.0", 2, 2);
    fm->flags = OFPFF_CHECK_OVERLAP;
    send_nxm(fm);
    peer_expect_error(&peer, OFPET_FLOW_MOD_FAILED, OFPFMFC_OVERLAP, 0xf11);
    fm = nxm_flow(OFPFC_ADD, "ip,nw_src=0.0.5.2/0.0.255.255", 2, 2);
    fm->flags = OFPFF_CHECK_OVERLAP;
    send_nxm(fm);
    peer_barrier(&peer);
}

static void
packets_follow_masked_flows(void **state)
{
    (void) state;
    uint8_t frame[60], out[200];
    add("tcp,tp_dst=0x50/0xfff0", 1);
    rig_frame(frame, sizeof frame, 1, 2, 0x5f);
    rig_inject(&rig, 1, frame, sizeof frame);
    rig_turn(&rig);
    assert_int_equal(rig_take(&rig, 2, out, sizeof out), sizeof frame);
    rig_frame(frame, sizeof frame, 1, 2, 0x60);
    rig_inject(&rig, 1, frame, sizeof frame);
    rig_turn(&rig);
    assert_int_equal(rig_take(&rig, 2, out, sizeof out), 0);
    peer_expect(&peer, OFPT_PACKET_IN);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(masked_flows_come_back_as_they_went),
        TEST(both_dialects_see_the_same_flows),
        TEST(a_flow_without_wildcards_is_named_by_match_and_priority),
        TEST(all_fields_are_no_wildcards_in_both_dialects),
        TEST(cookies_select_flows),
        TEST(aggregates_are_of_the_same_flows),
        TEST(many_flows_come_in_several_parts),
        TEST(ages_are_told),
        TEST(flow_removed_is_in_the_format_asked_for),
        TEST(a_1_0_dump_shows_the_nearest_wider_match),
        TEST(packet_in_is_in_the_format_asked_for),
        TEST(a_packet_in_tells_the_cookie_of_its_flow),
        TEST(formats_that_are_not_there_are_refused),
        TEST(a_command_can_name_the_table),
        TEST(faults_of_the_message_are_refused),
        TEST(overlaps_are_found_under_any_mask),
        TEST(packets_follow_masked_flows),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
