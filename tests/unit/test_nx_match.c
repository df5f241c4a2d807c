/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/field.h"
#include "lib/flow_text.h"
#include "ofagent/nx.h"
#include "ofagent/nx_match.h"
#include "tests/unit/random_flow.h"

static struct ofp_match match;
static struct ofp_cookie_filter cookie;
static struct ofp_refusal refusal;

/* "00000002 0001": spaces are only for the eye. */
static size_t
bytes_of(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    for (; *hex; hex += 2) {
        hex += *hex == ' ';
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        out[n++] = (uint8_t) byte;
    }
    return n;
}

/* A copy on the heap, so that a read past its end is seen. */
static int
decode_bytes(const uint8_t *data, size_t size, struct ofp_cookie_filter *c)
{
    uint8_t *copy = test_malloc(size + 1);
    if (size) {
        memcpy(copy + 1, data, size);
    }
    memset(&refusal, 0, sizeof refusal);
    int error = nx_match_decode(copy + 1, size, &match, c, &refusal);
    test_free(copy);
    return error;
}

static int
decode(const char *hex, struct ofp_cookie_filter *c)
{
    uint8_t data[256];
    return decode_bytes(data, bytes_of(hex, data), c);
}

static void
expect_text(const char *hex, const char *text)
{
    struct strbuf out = { 0 };
    if (decode(hex, &cookie)) {
        fail_msg("%s: %s", hex, refusal.why);
    }
    flow_match_print(&out, &match.match, NULL);
    assert_string_equal(strbuf_text(&out), text);
    strbuf_fini(&out);
}

static void
expect_refused(const char *hex, uint16_t code)
{
    assert_int_equal(decode(hex, NULL), OFP_REFUSED);
    if (refusal.vendor != NX_VENDOR || refusal.type != OFPET_BAD_REQUEST || refusal.code != code) {
        fail_msg("%s: refused with %s (%s), not %s", hex, ofp_refusal_name(&refusal), refusal.why,
                 nx_error_name(OFPET_BAD_REQUEST, code));
    }
}

static const struct { const char *hex, *text; } fields_on_the_wire[] = {
    { "", "" },
    { "00000002 0007", "in_port=7" },
    { "00000206 020000000001", "dl_dst=02:00:00:00:00:01" },
    { "0000030c 010000000000 010000000000", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00" },
    { "00000406 020000000001", "dl_src=02:00:00:00:00:01" },
    { "00000602 88cc", "dl_type=0x88cc" },
    { "00000802 1005", "dl_vlan=5,dl_vlan_pcp=0" },
    { "00000802 0000", "vlan_tci=0x0000" },
    { "00000904 1005 1fff", "dl_vlan=5" },
    { "00000904 1000 1000", "vlan_tci=0x1000/0x1000" },
    { "00000602 0800 00000a01 20", "ip,nw_tos=32" },
    { "00000602 0800 00000c01 2f", "ip,nw_proto=47" },
    { "00000602 0800 00000e04 0a000001", "ip,nw_src=10.0.0.1" },
    { "00000602 0800 00000f08 0a000200 ff00ff00", "ip,nw_src=10.0.2.0/255.0.255.0" },
    { "00000602 0800 00001108 0a000000 ff000000", "ip,nw_dst=10.0.0.0/8" },
    { "00000602 0800 00000c01 06 00001202 0050", "tcp,tp_src=80" },
    { "00000602 0800 00000c01 06 00001504 0010 fff0", "tcp,tp_dst=0x10/0xfff0" },
    { "00000602 0800 00000c01 11 00001602 0035", "udp,tp_src=53" },
    { "00000602 0800 00000c01 11 00001802 0035", "udp,tp_dst=53" },
    { "00000602 0800 00000c01 01 00001a01 08 00001c01 00", "icmp,icmp_type=8,icmp_code=0" },
    { "00000602 0806 00001e02 0002", "arp,arp_op=2" },
    { "00000602 0806 00002004 0a000001", "arp,arp_spa=10.0.0.1" },
    { "00000602 0806 00002308 00000001 000000ff", "arp,arp_tpa=0.0.0.1/0.0.0.255" },
    { "00000602 0800 00013401 00", "ip,nw_frag=no" },
    { "00000602 0800 00013502 01 01", "ip,nw_frag=yes" },
    { "00000602 0800 00013502 00 02", "ip,nw_frag=not_later" },
};

static void
each_field_is_read_and_written(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof fields_on_the_wire / sizeof fields_on_the_wire[0]; i++) {
        const char *hex = fields_on_the_wire[i].hex;
        uint8_t data[64];
        size_t size = bytes_of(hex, data);
        expect_text(hex, fields_on_the_wire[i].text);
        assert_false(match.exact);
        assert_int_equal(cookie.mask, 0);

        struct writer w;
        uint16_t len;
        writer_init(&w);
        assert_true(nx_match_encode(&w, &match.match, NULL, &len));
        assert_int_equal(len, size);
        assert_memory_equal(w.data, data, size);
        assert_int_equal(w.size, (size + 7) / 8 * 8);
        for (size_t at = size; at < w.size; at++) {
            assert_int_equal(w.data[at], 0);
        }
        writer_fini(&w);
    }
}

static void
masks_of_all_and_nothing_are_no_masks(void **state)
{
    (void) state;
    expect_text("00000104 0007 ffff", "in_port=7");
    expect_text("00000104 0000 0000", "");
    expect_text("00000704 0800 ffff 00000b02 20 ff", "ip,nw_tos=32");
    expect_text("00000602 0800 00000d02 06 ff 00001304 0000 0000", "tcp");
    expect_text("0000030c 000000000000 000000000000", "");
    expect_text("00000904 0005 0fff", "dl_vlan=5");
    expect_text("00000904 0000 1000", "vlan_tci=0x0000");
    expect_text("00000602 0800 00013502 02 02", "ip,nw_frag=later");
}

static void
cookies_are_taken_where_they_may_be(void **state)
{
    (void) state;
    assert_int_equal(decode("00013c08 0000000000000011", &cookie), 0);
    assert_true(cookie.value == 0x11 && cookie.mask == UINT64_MAX);
    assert_int_equal(decode("00000002 0001 00013d10 0000000000000010 00000000000000f0", &cookie), 0);
    assert_true(cookie.value == 0x10 && cookie.mask == 0xf0);
    assert_true(ofp_cookie_fits(&cookie, 0x51f) == ((0x51f & 0xf0) == 0x10));
    assert_true(ofp_cookie_fits(&cookie, 0x20) == false);
    assert_int_equal(decode("", &cookie), 0);
    assert_true(ofp_cookie_fits(&cookie, 0x1234));

    expect_refused("00013c08 0000000000000011", NXBRC_NXM_BAD_TYPE);
    assert_int_equal(decode("00013d10 0000000000000011 00000000000000f0", &cookie), OFP_REFUSED);
    assert_int_equal(refusal.code, NXBRC_BAD_WILDCARDS);
    assert_int_equal(decode("00013c08 0000000000000000 00013c08 0000000000000001", &cookie),
                     OFP_REFUSED);
    assert_int_equal(refusal.code, NXBRC_DUP_FIELD);
    assert_int_equal(decode("00013c04 00000000", &cookie), OFP_REFUSED);
    assert_int_equal(refusal.code, NXBRC_NXM_BAD_TYPE);

    struct writer w;
    uint16_t len;
    uint8_t golden[32];
    cookie = (struct ofp_cookie_filter) { 0x10, 0xf0 };
    memset(&match, 0, sizeof match);
    writer_init(&w);
    assert_true(nx_match_encode(&w, &match.match, &cookie, &len));
    assert_int_equal(len, bytes_of("00013d10 0000000000000010 00000000000000f0", golden));
    assert_memory_equal(w.data, golden, len);
    writer_fini(&w);
}

static void
each_fault_has_its_error(void **state)
{
    (void) state;
    static const struct { const char *hex; uint16_t code; } rows[] = {
        /* Lengths. */
        { "00", NXBRC_NXM_INVALID },
        { "000000", NXBRC_NXM_INVALID },
        { "00000002", NXBRC_NXM_INVALID },
        { "00000002 00", NXBRC_NXM_INVALID },
        { "00000002 0001 00", NXBRC_NXM_INVALID },
        { "0000030c 010000000000 0100000000", NXBRC_NXM_INVALID },
        { "00ff00ff 00", NXBRC_NXM_INVALID },
        /* Types: unknown, and known ones of another length. */
        { "00000001 00", NXBRC_NXM_BAD_TYPE },
        { "00000004 00000001", NXBRC_NXM_BAD_TYPE },
        { "00000000", NXBRC_NXM_BAD_TYPE },
        { "00000103 000001", NXBRC_NXM_BAD_TYPE },
        { "00002401 00", NXBRC_NXM_BAD_TYPE },
        { "00010004 00000000", NXBRC_NXM_BAD_TYPE },          /* a register */
        { "00012008 0000000000000005", NXBRC_NXM_BAD_TYPE },  /* tunnel id */
        { "00000602 0806 00012206 020000000001", NXBRC_NXM_BAD_TYPE },  /* ARP_SHA */
        { "00000602 0806 00012406 020000000001", NXBRC_NXM_BAD_TYPE },  /* ARP_THA */
        { "00000602 0800 00013801 01", NXBRC_NXM_BAD_TYPE },  /* ECN */
        { "80000004 00000001", NXBRC_NXM_BAD_TYPE },          /* OXM */
        { "ffff0004 4f4e4600", NXBRC_NXM_BAD_TYPE },          /* an experimenter's */
        /* Values. */
        { "00000602 0800 00000a01 21", NXBRC_BAD_VALUE },
        { "00000602 0806 00001e02 0102", NXBRC_BAD_VALUE },
        { "00000602 0800 00013401 04", NXBRC_BAD_VALUE },
        { "00000602 0800 00013502 04 04", NXBRC_BAD_VALUE },
        /* Masks. */
        { "00000104 0000 00ff", NXBRC_BAD_MASK },
        { "00000704 0800 ff00", NXBRC_BAD_MASK },
        { "00000602 0800 00000b02 20 fc", NXBRC_BAD_MASK },
        { "00000602 0800 00000d02 06 0f", NXBRC_BAD_MASK },
        { "00000602 0800 00000c01 01 00001b02 08 0f", NXBRC_BAD_MASK },
        { "00000602 0806 00001f04 0001 00ff", NXBRC_BAD_MASK },
        { "0000030c 030000000000 010000000000", NXBRC_BAD_WILDCARDS },
        { "00000904 1005 1000", NXBRC_BAD_WILDCARDS },
        /* Prerequisites: missing, of another kind, wild, later than what needs them. */
        { "00000c01 06", NXBRC_BAD_PREREQ },
        { "00000602 0806 00000c01 06", NXBRC_BAD_PREREQ },
        { "00000602 86dd 00000c01 06", NXBRC_BAD_PREREQ },
        { "00000704 0000 0000 00000c01 06", NXBRC_BAD_PREREQ },
        { "00000c01 06 00000602 0800", NXBRC_BAD_PREREQ },
        { "00000602 0800 00001202 0050", NXBRC_BAD_PREREQ },
        { "00000602 0800 00000c01 11 00001202 0050", NXBRC_BAD_PREREQ },
        { "00000602 0800 00000d02 00 00 00001202 0050", NXBRC_BAD_PREREQ },
        { "00000602 0800 00000c01 06 00001a01 08", NXBRC_BAD_PREREQ },
        { "00000602 0800 00001e02 0001", NXBRC_BAD_PREREQ },
        { "00000602 0800 00002004 0a000001", NXBRC_BAD_PREREQ },
        { "00000602 8035 00001e02 0001", NXBRC_BAD_PREREQ },
        { "00013401 00", NXBRC_BAD_PREREQ },
        { "00000602 0800 00000c01 06 00001202 0050 00013401 03", NXBRC_BAD_PREREQ },
        { "00000602 0800 00000c01 06 00013502 02 02 00001202 0050", NXBRC_BAD_PREREQ },
        /* Twice. */
        { "00000002 0001 00000002 0001", NXBRC_DUP_FIELD },
        { "00000002 0001 00000104 0001 ffff", NXBRC_DUP_FIELD },
        { "00000904 0000 0000 00000802 0000", NXBRC_DUP_FIELD },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_refused(rows[i].hex, rows[i].code);
    }
}

/* A match that 1.0 would send without wildcards has none here either. */
static void
all_of_openflow10s_fields_are_no_wildcards(void **state)
{
    (void) state;
    static const char *const full = "tcp,in_port=1,dl_vlan=5,dl_vlan_pcp=3,dl_src=2:0:0:0:0:1,"
        "dl_dst=2:0:0:0:0:2,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,tp_src=1,tp_dst=2";
    static const struct { const char *text; bool exact; } rows[] = {
        { "", true },
        { ",ip_frag=no", true },
        { "!in_port=1,", false }, { "!dl_vlan_pcp=3,", false }, { "!nw_tos=0,", false },
        { "!tp_src=1,", false }, { "!dl_src=2:0:0:0:0:1,", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        const char *out = rows[i].text[0] == '!' ? strstr(full, rows[i].text + 1) : NULL;
        snprintf(text, sizeof text, "%.*s%s", out ? (int) (out - full) : (int) strlen(full), full,
                 out ? out + strlen(rows[i].text) - 1 : rows[i].text);
        struct flow_match m;
        assert_int_equal(flow_match_parse(text, NULL, &m, NULL), 0);
        struct writer w;
        uint16_t len;
        writer_init(&w);
        assert_true(nx_match_encode(&w, &m, NULL, &len));
        assert_int_equal(decode_bytes(w.data, len, NULL), 0);
        assert_memory_equal(&match.match, &m, sizeof m);
        assert_int_equal(match.exact, rows[i].exact);
        writer_fini(&w);
    }
}

static void
what_can_not_be_said_is_left_out(void **state)
{
    (void) state;
    static const struct { const char *text, *wider; } rows[] = {
        { "icmp,tp_src=0x108,icmp_code=3", "icmp,icmp_code=3" },
        { "icmp,tp_src=8/0xf", "icmp" },
        { "tun_id=5,in_port=1", "in_port=1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct flow_match m;
        struct writer w;
        struct strbuf out = { 0 };
        uint16_t len;
        assert_int_equal(flow_match_parse(rows[i].text, NULL, &m, NULL), 0);
        writer_init(&w);
        assert_false(nx_match_encode(&w, &m, NULL, &len));
        assert_int_equal(decode_bytes(w.data, len, NULL), 0);
        flow_match_print(&out, &match.match, NULL);
        assert_string_equal(strbuf_text(&out), rows[i].wider);
        strbuf_fini(&out);
        writer_fini(&w);
    }
}

static void
random_matches_survive_the_wire(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 20000; i++) {
        struct flow_match m;
        struct writer w;
        uint16_t len;
        random_match(&rng, i % 2 ? RANDOM_FLOW : RANDOM_OPENFLOW10, &m);
        writer_init(&w);
        assert_true(nx_match_encode(&w, &m, NULL, &len));
        if (decode_bytes(w.data, len, NULL) || memcmp(&match.match, &m, sizeof m)) {
            struct strbuf out = { 0 };
            flow_match_print(&out, &m, NULL);
            fail_msg("round %d: %s: %s", i, strbuf_text(&out), refusal.why);
        }
        writer_fini(&w);
    }
}

/* Each match cut at each byte, and with each byte changed. */
static void
damaged_matches_are_read_or_refused(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 300; i++) {
        struct flow_match m;
        struct writer w;
        uint16_t len;
        random_match(&rng, RANDOM_FLOW, &m);
        writer_init(&w);
        nx_match_encode(&w, &m, &(struct ofp_cookie_filter) { 1, 3 }, &len);
        for (size_t cut = 0; cut < len; cut++) {
            decode_bytes(w.data, cut, &cookie);
        }
        for (size_t at = 0; at < len; at++) {
            uint8_t was = w.data[at];
            w.data[at] = (uint8_t) random_below(&rng, 256);
            if (!decode_bytes(w.data, len, &cookie)) {
                assert_int_equal(field_check_flow(&match.match, NULL), 0);
                assert_int_equal(field_check_prereqs(&match.match, NULL), 0);
            } else {
                assert_int_equal(refusal.vendor, NX_VENDOR);
                assert_non_null(refusal.why);
            }
            w.data[at] = was;
        }
        writer_fini(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_read_and_written),
        cmocka_unit_test(masks_of_all_and_nothing_are_no_masks),
        cmocka_unit_test(cookies_are_taken_where_they_may_be),
        cmocka_unit_test(each_fault_has_its_error),
        cmocka_unit_test(all_of_openflow10s_fields_are_no_wildcards),
        cmocka_unit_test(what_can_not_be_said_is_left_out),
        cmocka_unit_test(random_matches_survive_the_wire),
        cmocka_unit_test(damaged_matches_are_read_or_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
