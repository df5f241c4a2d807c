/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/counters.h"
#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"
#include "tests/wire/samples.h"

static struct writer w;
static struct ofp_refusal refusal;

static int
set_up(void **state)
{
    (void) state;
    writer_init(&w);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    assert_false(w.failed);
    writer_fini(&w);
    return 0;
}

#define assert_written(...)                                                      \
    do {                                                                         \
        static const uint8_t expect[] = { __VA_ARGS__ };                         \
        assert_int_equal(w.size, sizeof expect);                                 \
        assert_memory_equal(w.data, expect, sizeof expect);                      \
    } while (0)

static void
an_error_carries_the_requests_beginning(void **state)
{
    (void) state;
    struct writer request;
    writer_init(&request);
    static const char text[100] = "a request of a hundred and eight bytes";
    ofp_encode_echo(&request, OFPT_ECHO_REQUEST, 0xdeadbeef, text, sizeof text);
    refusal = (struct ofp_refusal) { OFPET_BAD_ACTION, OFPBAC_TOO_MANY, "why" };

    for (size_t size = 0; size <= request.size; size++) {
        writer_clear(&w);
        ofp_encode_error(&w, &refusal, request.data, size);
        size_t data_size = size < 64 ? size : 64;
        assert_int_equal(w.size, 12 + data_size);
        struct ofp_header header;
        ofp_header_decode(w.data, &header);
        assert_int_equal(header.version, 1);
        assert_int_equal(header.type, OFPT_ERROR);
        assert_int_equal(header.length, w.size);
        assert_int_equal(header.xid, size < 8 ? 0 : 0xdeadbeef);
        assert_memory_equal(w.data + 12, request.data, data_size);
        uint16_t type, code;
        assert_int_equal(ofp_decode_error(w.data, w.size, &type, &code, &refusal), 0);
        assert_int_equal(type, OFPET_BAD_ACTION);
        assert_int_equal(code, OFPBAC_TOO_MANY);
    }
    writer_fini(&request);
}

static void
a_failed_hello_says_why_in_words(void **state)
{
    (void) state;
    static const uint8_t hello[] = { 0, 0, 0, 8, 1, 2, 3, 4 };
    refusal = (struct ofp_refusal) { OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE, "no" };
    ofp_encode_error(&w, &refusal, hello, sizeof hello);
    assert_written(1, 1, 0, 14, 1, 2, 3, 4, 0, 0, 0, 0, 'n', 'o');
}

static void
each_refusal_is_counted(void **state)
{
    (void) state;
    static const enum counter counters[] = {
        COUNTER_openflow_hello_failed, COUNTER_openflow_bad_request,
        COUNTER_openflow_bad_action, COUNTER_openflow_flow_mod_failed,
        COUNTER_openflow_port_mod_failed, COUNTER_openflow_queue_op_failed,
    };
    for (uint16_t type = OFPET_HELLO_FAILED; type <= OFPET_QUEUE_OP_FAILED; type++) {
        uint64_t before = counter_read(counters[type]);
        refusal = (struct ofp_refusal) { type, 0, "why" };
        ofp_encode_error(&w, &refusal, (const uint8_t *) "", 0);
        assert_int_equal(counter_read(counters[type]), before + 1);
    }
}

static void
a_port_is_48_bytes(void **state)
{
    (void) state;
    struct port_info port = {
        .name = "eth0", .hw_addr = { 1, 2, 3, 4, 5, 6 }, .port_no = 0x0102,
        .config = 0x11, .state = 0x201, .current = 0x21, .advertised = 0x31, .supported = 0x41,
        .peer = 0x51, .speed_mbps = 1000,
    };
    ofp_encode_port_status(&w, OFPPR_MODIFY, &port);
    assert_written(1, 12, 0, 64, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
                   1, 2, 1, 2, 3, 4, 5, 6, 'e', 't', 'h', '0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0, 0, 0, 0x11, 0, 0, 2, 1, 0, 0, 0, 0x21, 0, 0, 0, 0x31, 0, 0, 0, 0x41,
                   0, 0, 0, 0x51);
    struct port_info back;
    uint8_t reason;
    assert_int_equal(ofp_decode_port_status(w.data, w.size, &reason, &back, &refusal), 0);
    port.speed_mbps = 0;
    assert_memory_equal(&back, &port, sizeof port);
}

static void
features_take_as_many_ports_as_fit(void **state)
{
    (void) state;
    struct ofp_features features = {
        .datapath_id = UINT64_C(0x0123456789abcdef), .n_buffers = 256, .n_tables = 1,
        .capabilities = 0x87, .actions = OFPAT_ALL,
    };
    assert_int_equal(OFPAT_ALL, 0xfff);
    writer_u32(&w, 0); /* something in front */
    size_t begin = ofp_begin_features(&w, 7, &features);
    struct sample_rng rng = { 4 };
    struct port_info sent, back;
    unsigned n = 0;
    uint64_t left_out = counter_read(COUNTER_openflow_features_ports_left_out);
    do {
        sample_port(&rng, &sent);
        sent.port_no = (uint16_t) (n + 1);
    } while (ofp_put_phy_port(&w, begin, &sent) && ++n);
    ofp_end(&w, begin);
    assert_int_equal(n, (65535 - 32) / 48);
    assert_int_equal(counter_read(COUNTER_openflow_features_ports_left_out), left_out + 1);
    assert_int_equal(w.size - begin, 32 + 48 * n);

    struct ofp_features got;
    struct reader ports;
    assert_int_equal(ofp_check_size_from_switch(w.data + begin, w.size - begin, &refusal), 0);
    assert_int_equal(ofp_decode_features(w.data + begin, w.size - begin, &got, &ports, &refusal),
                     0);
    assert_int_equal(got.datapath_id, features.datapath_id);
    assert_int_equal(got.actions, features.actions);
    unsigned found = 0;
    while (ofp_take_phy_port(&ports, &back)) {
        assert_int_equal(back.port_no, ++found);
    }
    assert_int_equal(found, n);
}

static void
a_packet_in_is_18_bytes_and_the_frame(void **state)
{
    (void) state;
    struct ofp_packet_in in = {
        .buffer_id = 0x01020304, .total_len = 1500, .in_port = PORT_LOCAL, .reason = OFPR_ACTION,
        .data = (const uint8_t *) "frame", .data_size = 5,
    };
    ofp_encode_packet_in(&w, &in);
    assert_written(1, 10, 0, 23, 0, 0, 0, 0, 1, 2, 3, 4, 0x05, 0xdc, 0xff, 0xfe, 1, 0,
                   'f', 'r', 'a', 'm', 'e');
}

static void
a_frame_too_long_for_a_message_is_cut(void **state)
{
    (void) state;
    static const uint8_t frame[65535];
    struct ofp_packet_in in = {
        .buffer_id = OFP_NO_BUFFER, .total_len = 65535, .data = frame, .data_size = sizeof frame,
    };
    uint64_t before = counter_read(COUNTER_openflow_packet_in_cut);
    ofp_encode_packet_in(&w, &in);
    assert_int_equal(w.size, 65535);
    assert_int_equal(counter_read(COUNTER_openflow_packet_in_cut), before + 1);
    assert_int_equal(ofp_check_size_from_switch(w.data, w.size, &refusal), 0);
    struct ofp_packet_in back;
    assert_int_equal(ofp_decode_packet_in(w.data, w.size, &back, &refusal), 0);
    assert_int_equal(back.data_size, OFP_PACKET_IN_MAX);
}

static void
text_is_cut_and_terminated(void **state)
{
    (void) state;
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &w, 1, OFPST_DESC);
    ofp_put_desc(&reply, &(struct ofp_desc) { longest, "hw", "", longest, "dp" });
    ofp_stats_end(&reply);
    assert_int_equal(w.size, 12 + 1056);
    struct ofp_stats_part part;
    struct ofp_desc_text desc;
    assert_int_equal(ofp_decode_stats_reply(w.data, w.size, &part, &refusal), 0);
    assert_int_equal(ofp_take_desc(&part.body, &desc, &refusal), 0);
    assert_int_equal(strlen(desc.mfr), 255);
    assert_string_equal(desc.hw, "hw");
    assert_string_equal(desc.sw, "");
    assert_int_equal(strlen(desc.serial), 31);
    assert_string_equal(desc.dp, "dp");
}

static void
unknown_counters_are_all_ones(void **state)
{
    (void) state;
    struct port_counters counters;
    memset(&counters, 0xff, sizeof counters);
    counters.tx_bytes = 5;
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &w, 1, OFPST_PORT);
    ofp_put_port(&reply, 3, &counters);
    ofp_stats_end(&reply);
    struct ofp_stats_part part;
    struct ofp_port_stats port;
    assert_int_equal(ofp_decode_stats_reply(w.data, w.size, &part, &refusal), 0);
    assert_int_equal(ofp_take_port(&part.body, &port, &refusal), 0);
    assert_int_equal(port.port_no, 3);
    assert_memory_equal(&port.counters, &counters, sizeof counters);
    for (size_t i = 12 + 8; i < w.size; i++) {
        if (i < 12 + 8 + 24 || i >= 12 + 8 + 32) {
            assert_int_equal(w.data[i], 0xff);
        }
    }
}

/* --- replies in parts ----------------------------------------------------------------- */

/* Reads the parts in 'w', which begin with flow number *next; all but the last have MORE. */
static void
read_parts(size_t end, bool last_is_last, unsigned *next)
{
    static struct action actions[ACTION_LIST_MAX];
    struct ofp_header header;
    for (size_t at = 0; at < end; at += header.length) {
        ofp_header_decode(w.data + at, &header);
        assert_int_equal(header.xid, 99);
        assert_true(header.length <= 65535 && at + header.length <= end);
        assert_int_equal(ofp_check_size_from_switch(w.data + at, header.length, &refusal), 0);
        struct ofp_stats_part part;
        assert_int_equal(ofp_decode_stats_reply(w.data + at, header.length, &part, &refusal), 0);
        assert_int_equal(part.type, OFPST_FLOW);
        assert_int_equal(part.more, !(last_is_last && at + header.length == end));
        while (reader_left(&part.body)) {
            struct ofp_flow_stats flow;
            assert_int_equal(ofp_take_flow(&part.body, &flow, actions, &refusal), 0);
            assert_int_equal(flow.cookie, (*next)++);
        }
    }
}

static void
put_flows(struct ofp_stats_reply *reply, unsigned first, unsigned n)
{
    struct sample_rng rng = { first };
    struct action actions[8];
    for (unsigned i = 0; i < n; i++) {
        struct ofp_flow_stats flow;
        sample_flow_stats(&rng, &flow, actions);
        flow.cookie = first + i;
        ofp_put_flow(reply, &flow);
    }
}

static void
a_long_reply_comes_in_parts(void **state)
{
    (void) state;
    struct ofp_stats_reply reply;
    unsigned next = 0;
    ofp_stats_begin(&reply, &w, 99, OFPST_FLOW);
    put_flows(&reply, 0, 5000);
    ofp_stats_end(&reply);
    assert_true(w.size > 5 * 65536);
    read_parts(w.size, true, &next);
    assert_int_equal(next, 5000);
}

static void
a_reply_can_be_sent_as_it_grows(void **state)
{
    (void) state;
    struct ofp_stats_reply reply;
    unsigned next = 0, i;
    size_t most = 0;
    ofp_stats_begin(&reply, &w, 99, OFPST_FLOW);
    for (i = 0; i < 5000; i += 10) {
        put_flows(&reply, i, 10);
        most = w.size > most ? w.size : most;
        if (i % 50 == 0) {
            read_parts(reply.begin, false, &next);
            ofp_stats_flush(&reply);
            assert_int_equal(reply.begin, 0);
        }
    }
    ofp_stats_end(&reply);
    assert_true(most < 2 * 65536);
    read_parts(w.size, true, &next);
    assert_int_equal(next, 5000);
}

static void
a_part_is_filled_to_its_last_byte(void **state)
{
    (void) state;
    /* 12 + 630 * 104 is 65532: three bytes are left, no entry is that short. */
    struct port_counters counters = { 0 };
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &w, 99, OFPST_PORT);
    for (uint16_t i = 0; i < 630; i++) {
        ofp_put_port(&reply, i, &counters);
    }
    assert_int_equal(reply.begin, 0);
    ofp_put_port(&reply, 630, &counters);
    assert_int_equal(reply.begin, 12 + 630 * 104);
    ofp_stats_end(&reply);
    struct ofp_header header;
    ofp_header_decode(w.data, &header);
    assert_int_equal(header.length, 12 + 630 * 104);
    assert_int_equal(w.data[11], OFPSF_REPLY_MORE);
    assert_int_equal(w.data[reply.begin + 11], 0);
}

static void
an_empty_reply_is_one_part(void **state)
{
    (void) state;
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &w, 0x01020304, OFPST_FLOW);
    ofp_stats_end(&reply);
    assert_written(1, 17, 0, 12, 1, 2, 3, 4, 0, 1, 0, 0);
}

static void
the_longest_flow_fits(void **state)
{
    (void) state;
    static struct action actions[ACTION_LIST_MAX], back[ACTION_LIST_MAX];
    for (size_t i = 0; i < ACTION_LIST_MAX; i++) {
        actions[i] = (struct action) { .type = ACTION_SET_DL_DST, .dl.addr = { 1, 2, 3, 4, 5, 6 } };
    }
    struct ofp_flow_stats flow = { .actions = actions, .n_actions = ACTION_LIST_MAX };
    struct ofp_stats_reply reply;
    ofp_stats_begin(&reply, &w, 1, OFPST_FLOW);
    ofp_put_flow(&reply, &flow);
    ofp_stats_end(&reply);
    struct ofp_stats_part part;
    assert_int_equal(ofp_decode_stats_reply(w.data, w.size, &part, &refusal), 0);
    assert_int_equal(ofp_take_flow(&part.body, &flow, back, &refusal), 0);
    assert_int_equal(flow.n_actions, ACTION_LIST_MAX);
    assert_memory_equal(back, actions, sizeof actions);
}

static void
queues_come_with_their_rates(void **state)
{
    (void) state;
    size_t begin = ofp_begin_queue_config(&w, 1, 3);
    assert_true(ofp_put_queue_config(&w, begin, &(struct ofp_queue) { 7, 500 }));
    assert_true(ofp_put_queue_config(&w, begin, &(struct ofp_queue) { 8, OFP_MIN_RATE_NONE }));
    ofp_end(&w, begin);
    assert_written(1, 21, 0, 48, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0,
                   0, 0, 0, 7, 0, 24, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 1, 244, 0, 0, 0, 0, 0, 0,
                   0, 0, 0, 8, 0, 8, 0, 0);
    struct reader queues;
    struct ofp_queue queue;
    uint16_t port_no;
    assert_int_equal(ofp_decode_queue_config(w.data, w.size, &port_no, &queues, &refusal), 0);
    assert_int_equal(port_no, 3);
    assert_int_equal(ofp_take_queue_config(&queues, &queue, &refusal), 0);
    assert_int_equal(queue.queue_id, 7);
    assert_int_equal(queue.min_rate, 500);
    assert_int_equal(ofp_take_queue_config(&queues, &queue, &refusal), 0);
    assert_int_equal(queue.min_rate, OFP_MIN_RATE_NONE);
    assert_int_equal(reader_left(&queues), 0);

    unsigned n = 2;
    while (ofp_put_queue_config(&w, begin, &(struct ofp_queue) { n, 1 })) {
        n++;
    }
    ofp_end(&w, begin);
    assert_true(w.size <= 65535 && w.size > 65535 - 24);
}

static void
short_messages_are_as_they_should_be(void **state)
{
    (void) state;
    ofp_encode_config(&w, 1, &(struct ofp_switch_config) { OFPC_FRAG_DROP, 128 });
    assert_written(1, 8, 0, 12, 0, 0, 0, 1, 0, 1, 0, 128);
    writer_clear(&w);
    ofp_encode_header_only(&w, OFPT_BARRIER_REPLY, 0xabcdef01);
    assert_written(1, 19, 0, 8, 0xab, 0xcd, 0xef, 0x01);
    writer_clear(&w);
    ofp_encode_echo(&w, OFPT_ECHO_REPLY, 2, "hi", 2);
    assert_written(1, 3, 0, 10, 0, 0, 0, 2, 'h', 'i');
    writer_clear(&w);
    ofp_end(&w, ofp_begin_queue_config(&w, 3, PORT_MAX - 1));
    assert_written(1, 21, 0, 16, 0, 0, 0, 3, 0xfe, 0xff, 0, 0, 0, 0, 0, 0);
}

#define WITH_WRITER(TEST) cmocka_unit_test_setup_teardown(TEST, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WRITER(an_error_carries_the_requests_beginning),
        WITH_WRITER(a_failed_hello_says_why_in_words),
        WITH_WRITER(each_refusal_is_counted),
        WITH_WRITER(a_port_is_48_bytes),
        WITH_WRITER(features_take_as_many_ports_as_fit),
        WITH_WRITER(a_packet_in_is_18_bytes_and_the_frame),
        WITH_WRITER(a_frame_too_long_for_a_message_is_cut),
        WITH_WRITER(text_is_cut_and_terminated),
        WITH_WRITER(unknown_counters_are_all_ones),
        WITH_WRITER(a_long_reply_comes_in_parts),
        WITH_WRITER(a_reply_can_be_sent_as_it_grows),
        WITH_WRITER(a_part_is_filled_to_its_last_byte),
        WITH_WRITER(an_empty_reply_is_one_part),
        WITH_WRITER(the_longest_flow_fits),
        WITH_WRITER(queues_come_with_their_rates),
        WITH_WRITER(short_messages_are_as_they_should_be),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
