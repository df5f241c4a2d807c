/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/flow_text.h"
#include "ofagent/ofp_peer.h"
#include "ofagent/ofp_print.h"

static void
check(const uint8_t *msg, size_t size, const char *expect)
{
    struct strbuf text = { 0 };
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, msg, size);
    ofp_print(&text, copy, size);
    free(copy);
    assert_string_equal(text.text, expect);
    strbuf_fini(&text);
}

#define CHECK(EXPECT, ...) \
    check((const uint8_t[]) { __VA_ARGS__ }, sizeof((uint8_t[]) { __VA_ARGS__ }), EXPECT)

static void
what_is_malformed_is_said_to_be(void **state)
{
    (void) state;
    check((const uint8_t *) "", 0, "malformed: 0 bytes, less than a header");
    CHECK("malformed: 7 bytes, less than a header", 1, 0, 0, 8, 0, 0, 0);
    CHECK("type 200 xid=0x1: malformed: BAD_REQUEST/BAD_TYPE, unknown message type (8 bytes)",
          1, 200, 0, 8, 0, 0, 0, 1);
    CHECK("BARRIER_REQUEST xid=0x1: malformed: BAD_REQUEST/BAD_VERSION, not a message of"
          " OpenFlow 1.0 (8 bytes)", 4, 18, 0, 8, 0, 0, 0, 1);
    CHECK("BARRIER_REQUEST xid=0x1: malformed: BAD_REQUEST/BAD_LEN, the message's length is not"
          " one that its type can have (9 bytes)", 1, 18, 0, 9, 0, 0, 0, 1, 0);
    CHECK("PACKET_OUT xid=0x1: malformed: BAD_ACTION/BAD_TYPE, unknown action type (24 bytes)",
          1, 13, 0, 24, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 8, 0, 99, 0, 8, 0, 0, 0, 0);
}

static void
words_of_a_peer_are_made_harmless(void **state)
{
    (void) state;
    CHECK("ERROR xid=0x2: HELLO_FAILED/INCOMPATIBLE, \"go.away..now.\"", 1, 1, 0, 25, 0, 0, 0, 2,
          0, 0, 0, 0, 'g', 'o', '\n', 'a', 'w', 'a', 'y', 0x1b, 0, 'n', 'o', 'w', '"');
    CHECK("ERROR xid=0x2: type 45250/code 7, 2 bytes of the request", 4, 1, 0, 14, 0, 0, 0, 2,
          0xb0, 0xc2, 0, 7, 1, 2);
}

static void
long_lists_are_cut(void **state)
{
    (void) state;
    struct writer w;
    struct strbuf text = { 0 };
    struct port_counters counters = { 0 };
    struct ofp_stats_reply reply;
    writer_init(&w);
    ofp_stats_begin(&reply, &w, 1, OFPST_PORT);
    for (uint16_t i = 1; i <= OFP_PRINT_MAX_ENTRIES + 3; i++) {
        ofp_put_port(&reply, i, &counters);
    }
    ofp_stats_end(&reply);
    ofp_print(&text, w.data, w.size);
    assert_non_null(strstr(text.text, "[16 rx_packets=0"));
    assert_null(strstr(text.text, "[17 "));
    assert_non_null(strstr(text.text, " and 312 bytes of more"));
    strbuf_fini(&text);

    writer_clear(&w);
    size_t begin = ofp_begin_features(&w, 1, &(struct ofp_features) { 0 });
    for (uint16_t i = 1; i <= OFP_PRINT_MAX_ENTRIES + 3; i++) {
        ofp_put_phy_port(&w, begin, &(struct port_info) { .port_no = i, .name = "x" });
    }
    ofp_end(&w, begin);
    text = (struct strbuf) { 0 };
    ofp_print(&text, w.data, w.size);
    assert_non_null(strstr(text.text, "[16 \"x\""));
    assert_null(strstr(text.text, "[17 "));
    assert_non_null(strstr(text.text, " and 3 more"));
    strbuf_fini(&text);
    writer_fini(&w);
}

static void
a_broken_entry_ends_the_line(void **state)
{
    (void) state;
    struct writer w;
    struct strbuf text = { 0 };
    struct ofp_stats_reply reply;
    writer_init(&w);
    ofp_stats_begin(&reply, &w, 1, OFPST_AGGREGATE);
    ofp_put_aggregate(&reply, 1, 2, 3);
    writer_u8(&w, 0);
    ofp_stats_end(&reply);
    ofp_print(&text, w.data, w.size);
    assert_string_equal(text.text, "STATS_REPLY xid=0x1: AGGREGATE [packets=1 bytes=2 flows=3] []"
                        " malformed: BAD_REQUEST/BAD_LEN, an entry reaches past the end of its"
                        " message (37 bytes)");
    strbuf_fini(&text);
    writer_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_malformed_is_said_to_be),
        cmocka_unit_test(words_of_a_peer_are_made_harmless),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(a_broken_entry_ends_the_line),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
