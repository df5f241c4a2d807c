/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's messages: headers, sizes, errors, and the small ones, against bytes by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/strbuf.h"
#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_print.h"

static struct ofp_refusal refusal;
static struct nx_message nx;

/* A VENDOR message of 'size' bytes with Nicira's number. */
static const uint8_t *
message(uint32_t subtype, size_t size)
{
    static uint8_t msg[128];
    const uint8_t head[] = { 1, OFPT_VENDOR, 0, (uint8_t) size, 0, 0, 0, 9, 0, 0, 0x23, 0x20,
                             (uint8_t) (subtype >> 24), 0, 0, (uint8_t) subtype };
    memset(msg, 0, sizeof msg);
    memcpy(msg, head, sizeof head);
    return msg;
}

static const uint8_t *
request(uint32_t subtype, size_t size)
{
    static uint8_t msg[128];
    const uint8_t head[] = { 1, OFPT_STATS_REQUEST, 0, (uint8_t) size, 0, 0, 0, 9, 0xff, 0xff,
                             0, 0, 0, 0, 0x23, 0x20, 0, 0, 0, (uint8_t) subtype };
    memset(msg, 0, sizeof msg);
    memcpy(msg, head, sizeof head);
    return msg;
}

static void
assert_refused(int error, uint32_t vendor, uint16_t type, uint16_t code)
{
    assert_int_equal(error, OFP_REFUSED);
    assert_int_equal(refusal.vendor, vendor);
    assert_int_equal(refusal.type, type);
    assert_int_equal(refusal.code, code);
    assert_non_null(refusal.why);
}

static void
headers_are_read(void **state)
{
    (void) state;
    const uint8_t *msg = message(NXT_FLOW_MOD, 48);
    assert_int_equal(nx_decode(msg, 48, &nx, &refusal), 0);
    assert_false(nx.stats);
    assert_int_equal(nx.subtype, NXT_FLOW_MOD);
    assert_ptr_equal(nx.body, msg + 16);
    assert_int_equal(nx.body_size, 32);
    msg = request(NXST_AGGREGATE, 40);
    assert_int_equal(nx_decode(msg, 40, &nx, &refusal), 0);
    assert_true(nx.stats);
    assert_int_equal(nx.subtype, NXST_AGGREGATE);
    assert_ptr_equal(nx.body, msg + 24);
    assert_int_equal(nx.body_size, 16);
}

static void
other_vendors_and_half_headers_are_refused(void **state)
{
    (void) state;
    uint8_t msg[24];
    memcpy(msg, message(10, 20), sizeof msg);
    for (size_t size = 12; size < 16; size++) {
        assert_refused(nx_decode(msg, size, &nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN);
    }
    msg[11]++;
    for (size_t size = 12; size <= 20; size++) {
        assert_refused(nx_decode(msg, size, &nx, &refusal), 0, OFPET_BAD_REQUEST,
                       OFPBRC_BAD_VENDOR);
    }
    memcpy(msg, request(0, 24), sizeof msg);
    for (size_t size = 12; size < 24; size++) {
        assert_refused(nx_decode(msg, size, &nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN);
    }
    msg[12]++;
    assert_refused(nx_decode(msg, 15, &nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN);
    assert_refused(nx_decode(msg, 16, &nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR);
}

/* Whole messages' sizes, headers included, as Open vSwitch has them. */
static void
sizes_are_those_of_the_subtypes(void **state)
{
    (void) state;
    static const struct {
        uint32_t subtype;
        size_t size;
        bool longer;                 /* by multiples of 8 */
    } cases[] = {
        { 10, 20, false }, { 12, 20, false }, { 13, 48, true }, { 15, 24, false },
        { 16, 20, false }, { 18, 16, false }, { 19, 40, false }, { 20, 24, false },
        { 21, 20, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t size = 16; size < 80; size++) {
            bool good = size == cases[i].size
                        || (cases[i].longer && size > cases[i].size
                            && (size - cases[i].size) % 8 == 0);
            assert_int_equal(nx_decode(message(cases[i].subtype, size), size, &nx, &refusal), 0);
            int error = nx_check_size(&nx, &refusal);
            if (good) {
                assert_int_equal(error, 0);
            } else {
                assert_refused(error, 0, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN);
            }
        }
    }
    for (uint32_t subtype = 0; subtype < 2; subtype++) {
        for (size_t size = 24; size < 64; size++) {
            assert_int_equal(nx_decode(request(subtype, size), size, &nx, &refusal), 0);
            assert_int_equal(nx_check_size(&nx, &refusal) == 0, size >= 32 && size % 8 == 0);
        }
    }
}

static void
what_a_switch_sends_is_no_request(void **state)
{
    (void) state;
    static const uint32_t subtypes[] = { 0, 1, 9, 11, 14, 17, 22, 23, 24, 200, 0x0100000a };
    for (size_t i = 0; i < sizeof subtypes / sizeof subtypes[0]; i++) {
        assert_int_equal(nx_decode(message(subtypes[i], 20), 20, &nx, &refusal), 0);
        assert_refused(nx_check_size(&nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE);
    }
    assert_int_equal(nx_decode(request(3, 32), 32, &nx, &refusal), 0);
    assert_refused(nx_check_size(&nx, &refusal), 0, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE);
}

static void
a_role_is_four_bytes(void **state)
{
    (void) state;
    static const uint8_t wire[] = { 1, 4, 0, 20, 0, 0, 0, 7, 0, 0, 0x23, 0x20, 0, 0, 0, 10,
                                    0, 0, 0, 2 };
    struct writer w;
    enum nx_role role;
    writer_init(&w);
    nx_encode_role_request(&w, 7, NX_ROLE_SLAVE);
    assert_int_equal(w.size, sizeof wire);
    assert_memory_equal(w.data, wire, sizeof wire);
    assert_int_equal(nx_decode(wire, sizeof wire, &nx, &refusal), 0);
    assert_int_equal(nx_decode_role(&nx, &role, &refusal), 0);
    assert_int_equal(role, NX_ROLE_SLAVE);
    writer_fini(&w);
    uint8_t bad[sizeof wire];
    memcpy(bad, wire, sizeof wire);
    for (unsigned byte = 16; byte < 20; byte++) {
        bad[byte] = 3;
        assert_int_equal(nx_decode(bad, sizeof bad, &nx, &refusal), 0);
        assert_refused(nx_decode_role(&nx, &role, &refusal), NX_VENDOR, OFPET_BAD_REQUEST,
                       NXBRC_BAD_ROLE);
        bad[byte] = wire[byte];
    }
}

static void
masks_go_by_kind_and_role(void **state)
{
    (void) state;
    static const uint8_t wire[] = { 1, 4, 0, 40, 0, 0, 0, 7, 0, 0, 0x23, 0x20, 0, 0, 0, 19,
                                    0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4,
                                    0, 0, 0, 5, 0x80, 0, 0, 6 };
    struct nx_async_config config;
    struct writer w;
    assert_int_equal(nx_decode(wire, sizeof wire, &nx, &refusal), 0);
    assert_int_equal(nx_decode_async_config(&nx, &config, &refusal), 0);
    assert_int_equal(config.masks[NX_PACKET_IN][0], 1);
    assert_int_equal(config.masks[NX_PACKET_IN][1], 2);
    assert_int_equal(config.masks[NX_PORT_STATUS][0], 3);
    assert_int_equal(config.masks[NX_PORT_STATUS][1], 4);
    assert_int_equal(config.masks[NX_FLOW_REMOVED][0], 5);
    assert_int_equal(config.masks[NX_FLOW_REMOVED][1], 0x80000006);
    writer_init(&w);
    nx_encode_async_config(&w, 7, &config);
    assert_int_equal(w.size, sizeof wire);
    assert_memory_equal(w.data, wire, sizeof wire);
    writer_fini(&w);
}

static void
an_id_follows_six_zeros(void **state)
{
    (void) state;
    uint8_t wire[24] = { 1, 4, 0, 24, 0, 0, 0, 7, 0, 0, 0x23, 0x20, 0, 0, 0, 20 };
    uint16_t id;
    wire[22] = 0x12;
    wire[23] = 0x34;
    assert_int_equal(nx_decode(wire, sizeof wire, &nx, &refusal), 0);
    assert_int_equal(nx_decode_controller_id(&nx, &id, &refusal), 0);
    assert_int_equal(id, 0x1234);
    for (int i = 16; i < 22; i++) {
        wire[i] = 1;
        assert_refused(nx_decode_controller_id(&nx, &id, &refusal), NX_VENDOR, OFPET_BAD_REQUEST,
                       NXBRC_MUST_BE_ZERO);
        wire[i] = 0;
    }
}

/* The vendor, its type and code, then the request: at most 64 bytes of it. */
static void
an_error_of_niciras_says_so(void **state)
{
    (void) state;
    static const uint8_t head[] = { 1, 1, 0, 84, 0, 0, 0, 9, 0xb0, 0xc2, 0, 0, 0, 0, 0x23, 0x20,
                                    0, 1, 2, 1 };
    const struct ofp_refusal sent = { OFPET_BAD_REQUEST, NXBRC_BAD_ROLE, "why", NX_VENDOR };
    struct ofp_refusal what;
    struct reader data;
    struct writer w;
    uint64_t before = counter_read(COUNTER_openflow_nx_error);
    uint64_t bad_requests = counter_read(COUNTER_openflow_bad_request);
    writer_init(&w);
    ofp_encode_error(&w, &sent, message(10, 100), 100);
    assert_int_equal(w.size, sizeof head + 64);
    assert_memory_equal(w.data, head, sizeof head);
    assert_memory_equal(w.data + sizeof head, message(10, 100), 64);
    assert_int_equal(counter_read(COUNTER_openflow_nx_error), before + 1);
    assert_int_equal(counter_read(COUNTER_openflow_bad_request), bad_requests);

    assert_int_equal(ofp_decode_any_error(w.data, w.size, &what, &data, &refusal), 0);
    assert_int_equal(what.vendor, NX_VENDOR);
    assert_string_equal(ofp_refusal_name(&what), "NX_BAD_REQUEST/BAD_ROLE");
    assert_int_equal(reader_left(&data), 64);
    /* Too short for a vendor's: as it stands. */
    assert_int_equal(ofp_decode_any_error(w.data, 19, &what, &data, &refusal), 0);
    assert_int_equal(what.vendor, 0);
    assert_int_equal(what.type, NXET_VENDOR);
    assert_int_equal(reader_left(&data), 7);
    writer_fini(&w);
    assert_string_equal(nx_error_name(1, 999), "NX type 1/code 999");
    assert_string_equal(nx_error_name(NXET_TABLE, NXTC_BAD_TABLE_ID),
                        "NX_FLOW_MOD_FAILED/BAD_TABLE_ID");
}

static void
check_text(const uint8_t *msg, size_t size, const char *expected)
{
    struct strbuf text = { 0 };
    ofp_print(&text, msg, size);
    assert_string_equal(text.text, expected);
    strbuf_fini(&text);
}

static void
messages_are_printed_by_name(void **state)
{
    (void) state;
    check_text(message(10, 20), 20, "VENDOR xid=0x9: NXT_ROLE_REQUEST role=other");
    uint8_t config[40];
    memcpy(config, message(19, 40), sizeof config);
    config[19] = 0x0f;
    config[27] = 4;
    config[39] = 3;
    check_text(config, sizeof config, "VENDOR xid=0x9: NXT_SET_ASYNC_CONFIG master:"
               " packet_in=no_match,action,invalid_ttl,3 port_status=modify flow_removed=none"
               " slave: packet_in=none port_status=none flow_removed=idle,hard");
    check_text(message(20, 24), 24, "VENDOR xid=0x9: NXT_SET_CONTROLLER_ID id=0");
    check_text(message(13, 48), 48, "VENDOR xid=0x9: NXT_FLOW_MOD ADD priority=0 any cookie=0x0"
               " idle=0 hard=0 buffer=0x0 actions=drop");
    check_text(message(12, 20), 20, "VENDOR xid=0x9: NXT_SET_FLOW_FORMAT format=openflow10");
    check_text(message(15, 24), 24, "VENDOR xid=0x9: NXT_FLOW_MOD_TABLE_ID off");
    check_text(message(18, 16), 16, "VENDOR xid=0x9: NXT_FLOW_AGE");
    check_text(message(99, 16), 16, "VENDOR xid=0x9: NXT subtype 99 malformed:"
               " BAD_REQUEST/BAD_SUBTYPE, an unknown one of Nicira's messages (16 bytes)");
    check_text(message(10, 24), 24, "VENDOR xid=0x9: NXT_ROLE_REQUEST malformed:"
               " BAD_REQUEST/BAD_LEN, the message's length is not one that its type can have"
               " (24 bytes)");
    check_text(request(1, 32), 32, "STATS_REQUEST xid=0x9: NXST_AGGREGATE table=0 any"
               " out_port=0");
    uint8_t other[16];
    memcpy(other, message(1, 16), sizeof other);
    other[8] = 1;
    check_text(other, 16, "VENDOR xid=0x9: vendor=0x01002320 data=4 bytes");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(other_vendors_and_half_headers_are_refused),
        cmocka_unit_test(sizes_are_those_of_the_subtypes),
        cmocka_unit_test(what_a_switch_sends_is_no_request),
        cmocka_unit_test(a_role_is_four_bytes),
        cmocka_unit_test(masks_go_by_kind_and_role),
        cmocka_unit_test(an_id_follows_six_zeros),
        cmocka_unit_test(an_error_of_niciras_says_so),
        cmocka_unit_test(messages_are_printed_by_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
