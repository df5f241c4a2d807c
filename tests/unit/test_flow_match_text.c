/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/flow_text.h"
#include "tests/unit/random_flow.h"
#include "turnout/port.h"

/* Checks that 'text' is printed as 'printed'. */
static void
expect(const char *text, const char *printed)
{
    struct flow_match match;
    struct errmsg err = { "" };
    struct strbuf out = { 0 };
    if (flow_match_parse(text, NULL, &match, &err)) {
        fail_msg("\"%s\": %s", text, err.text);
    }
    flow_match_print(&out, &match, NULL);
    assert_string_equal(strbuf_text(&out), printed);
    strbuf_fini(&out);
}

/* What ovs-ofctl 3.1 prints for the same text (parse-flows, with -F nxm where OpenFlow 1.0
 * has no such match). test_flow_text_ovs.sh asks it again where it is installed. */
static void
matches_are_printed_as_ovs_ofctl_does(void **state)
{
    (void) state;
    static const struct { const char *text, *printed; } rows[] = {
        { "", "" },
        { "in_port=1", "in_port=1" },
        { "in_port=any", "in_port=ANY" },
        { "in_port=65534", "in_port=LOCAL" },
        { "in_port=65280", "in_port=65280" },
        { "tp_dst=80,nw_dst=10.1.2.3/8,in_port=1,tcp",
          "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80" },
        { "dl_type=0x800,nw_proto=17,tp_src=53", "udp,tp_src=53" },
        { "ip,nw_proto=47", "ip,nw_proto=47" },
        { "ip,nw_proto=1,tp_src=8", "icmp,icmp_type=8" },
        { "icmp,icmp_code=0", "icmp,icmp_code=0" },
        { "sctp", "sctp" },
        { "arp,nw_src=10.0.0.1,nw_proto=2", "arp,arp_spa=10.0.0.1,arp_op=2" },
        { "arp,arp_op=1,arp_tpa=1.2.0.0/16", "arp,arp_tpa=1.2.0.0/16,arp_op=1" },
        { "dl_type=0x5ff", "dl_type=0x05ff" },
        { "dl_type=0x86dd", "ipv6" },
        { "rarp", "rarp" },
        { "dl_vlan=5", "dl_vlan=5" },
        { "dl_vlan=0xffff", "vlan_tci=0x0000" },
        { "dl_vlan_pcp=3,dl_vlan=5", "dl_vlan=5,dl_vlan_pcp=3" },
        { "dl_vlan_pcp=3", "dl_vlan_pcp=3" },
        { "vlan_tci=0x1005", "dl_vlan=5,dl_vlan_pcp=0" },
        { "vlan_tci=0x1005/0x1fff", "dl_vlan=5" },
        { "vlan_tci=0x7000/0xf000", "dl_vlan_pcp=3" },
        { "vlan_tci=0x7005/0xf0ff", "vlan_tci=0x7005/0xf0ff" },
        { "vlan_tci=0x1000/0x1000", "vlan_tci=0x1000/0x1000" },
        { "vlan_vid=0x1005,vlan_pcp=1", "dl_vlan=5,dl_vlan_pcp=1" },
        { "dl_src=1:2:3:4:5:6", "dl_src=01:02:03:04:05:06" },
        { "dl_dst=1:0:0:0:0:0/1:0:0:0:0:0", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00" },
        { "ip,nw_src=1.2.3.4/255.0.255.0", "ip,nw_src=1.0.3.0/255.0.255.0" },
        { "ip,nw_src=10.0.0.1/0", "ip" },
        { "ip,nw_src=10.0.0.1/32", "ip,nw_src=10.0.0.1" },
        { "tcp,tp_src=80/0xfff0", "tcp,tp_src=0x50/0xfff0" },
        { "tcp,tp_src=80/0", "tcp" },
        { "ip,nw_tos=0x20", "ip,nw_tos=32" },
        { "ip,ip_dscp=8", "ip,nw_tos=32" },
        { "ip,ip_frag=no", "ip,nw_frag=no" },
        { "ip,ip_frag=yes,tun_id=5,in_port=1", "ip,tun_id=0x5,in_port=1,nw_frag=yes" },
        { "tun_id=0x5/0xff", "tun_id=0x5/0xff" },
        { "eth_src=0:0:0:0:0:1,eth_type=0x800,ip_proto=6", "tcp,dl_src=00:00:00:00:00:01" },
        { "dl_vlan=*,in_port=*", "" },
        { "ip,nw_dst=10.0.0.0/8,nw_src=1.0.0.0/8,dl_src=1:1:1:1:1:1,dl_dst=2:2:2:2:2:2,dl_vlan=5,"
          "in_port=7,nw_tos=4,nw_proto=50",
          "ip,in_port=7,dl_vlan=5,dl_src=01:01:01:01:01:01,dl_dst=02:02:02:02:02:02,"
          "nw_src=1.0.0.0/8,nw_dst=10.0.0.0/8,nw_proto=50,nw_tos=4" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(rows[i].text, rows[i].printed);
        expect(rows[i].printed, rows[i].printed);
    }
}

static void
the_vlan_is_as_the_key_has_it(void **state)
{
    (void) state;
    static const struct { const char *text; uint16_t value, mask; } rows[] = {
        { "dl_vlan=5", 0x1005, 0x1fff },
        { "dl_vlan=0", 0x1000, 0x1fff },
        { "dl_vlan=4095", 0x1fff, 0x1fff },
        { "dl_vlan=0xffff", 0, 0xffff },
        { "dl_vlan=65535", 0, 0xffff },
        { "vlan_vid=0", 0, 0xffff },
        { "dl_vlan_pcp=7", 0xf000, 0xf000 },
        { "dl_vlan=1,dl_vlan_pcp=7", 0xf001, 0xffff },
        { "vlan_tci=0", 0, 0xffff },
        /* Other ways to say "untagged", and that a VLAN ID of 5 implies a tag. */
        { "vlan_tci=0/0xffff", 0, 0xffff },
        { "vlan_tci=0/0x1000", 0, 0xffff },
        { "vlan_tci=5/0xfff", 0x1005, 0x1fff },
        { "vlan_tci=0/0xfff", 0, 0x0fff },
        { "vlan_tci=0x1000/0x1000", 0x1000, 0x1000 },
        { "vlan_tci=5", 5, 0xffff },
        { "vlan_tci=0xf001", 0xf001, 0xffff },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct flow_match m;
        assert_int_equal(flow_match_parse(rows[i].text, NULL, &m, NULL), 0);
        assert_int_equal(be16_to_host(m.value.vlan_tci), rows[i].value);
        assert_int_equal(be16_to_host(m.mask.bits.vlan_tci), rows[i].mask);
    }
}

static void
full_masks_are_the_meaningful_bits(void **state)
{
    (void) state;
    struct flow_match m;
    assert_int_equal(flow_match_parse("tcp,in_port=0x102,nw_tos=252,tp_src=0x304,nw_src=1.2.3.4",
                                      NULL, &m, NULL), 0);
    assert_int_equal(m.value.in_port, 0x102);
    assert_int_equal(m.mask.bits.in_port, 0xffff);
    assert_int_equal(m.mask.bits.nw_tos, 0xfc);
    assert_int_equal(m.value.nw_proto, 6);
    assert_int_equal(m.mask.bits.nw_proto, 0xff);
    assert_int_equal(be16_to_host(m.value.tp_src), 0x304);
    assert_int_equal(be32_to_host(m.value.nw_src.ip4), 0x01020304);
    assert_int_equal(m.mask.bits.nw_src.ip4.raw, UINT32_MAX);
    assert_int_equal(m.mask.bits.nw_src.bytes[4], 0);
    assert_int_equal(m.mask.bits.tp_dst.raw, 0);
}

static void
what_is_wrong_is_said_with_its_place(void **state)
{
    (void) state;
    static const struct { const char *text, *says; } rows[] = {
        { "foo=1", "foo at 1: no such field" },
        { "tcp,foo", "foo at 5: no such field" },
        { "actions=drop", "actions at 1: no such field" },
        { "tcp=1", "tcp at 1: no such field" },
        { "in_port", "in_port at 1: a value is missing" },
        { "in_port=", "in_port at 1: a value is missing" },
        { "in_port=foo", "in_port at 1: \"foo\" is no port" },
        { "in_port=1/1", "in_port at 1: \"1/1\" is no port" },
        { "in_port=1,in_port=2", "in_port at 11: contradicts" },
        { "tcp,udp", "udp at 5: contradicts" },
        { "arp,dl_type=0x800", "dl_type at 5: contradicts" },
        { "dl_vlan=0xffff,dl_vlan_pcp=3", "dl_vlan_pcp at 16: contradicts" },
        { "nw_src=1.2.3.4", "nw_src at 1: needs ip or arp" },
        { "ip, tp_src=80", "tp_src at 5: needs tcp, udp or icmp" },
        { "sctp,tp_src=80", "tp_src at 6: needs tcp, udp or icmp" },
        { "arp_op=1,ip", "arp_op at 1: needs arp" },
        { "arp,ip_src=1.2.3.4", "ip_src at 5: needs ip" },
        { "udp,tcp_dst=1", "tcp_dst at 5: needs tcp" },
        { "tcp,icmp_type=1", "icmp_type at 5: needs icmp" },
        { "icmp,icmp_type=256", "icmp_type at 6: \"256\" is not a number from 0 to 255" },
        { "dl_type=65536", "dl_type at 1: \"65536\" is not a number from 0 to 65535" },
        { "dl_type=0x800/0xffff", "dl_type at 1: takes no mask" },
        { "ip,nw_proto=6/1", "nw_proto at 4: takes no mask" },
        { "icmp,icmp_type=8/0xf", "icmp_type at 6: takes no mask" },
        { "ip,nw_tos=33", "nw_tos at 4: 33 sets bits outside of 0xfc" },
        { "ip,ip_dscp=64", "ip_dscp at 4: \"64\" is not a number from 0 to 63" },
        { "dl_vlan=4096", "dl_vlan at 1: \"4096\" is not a VLAN ID" },
        { "dl_vlan_pcp=8", "dl_vlan_pcp at 1: \"8\" is not a priority" },
        { "vlan_vid=5", "vlan_vid at 1: \"5\" is not 0x1000 plus" },
        { "vlan_vid=0x1005/0x2000", "vlan_vid at 1: \"0x2000\" is not a mask" },
        { "vlan_tci=1/0x10000", "vlan_tci at 1: \"0x10000\" is not a mask" },
        { "dl_src=1:2:3", "dl_src at 1: an Ethernet address is wanted" },
        { "ip,nw_dst=10.0.0.1/33", "nw_dst at 4: \"33\" is not a prefix length" },
        { "ip,nw_dst=10.0.0.1/255.0", "nw_dst at 4: \"255.0\" is not a mask" },
        { "ip,nw_dst=10.0.1", "nw_dst at 4: \"10.0.1\" is not an IPv4 address" },
        { "ip,ip_frag=maybe", "ip_frag at 4: \"maybe\" is none of" },
        { "tcp,tp_src=(1", "at 5: a parenthesis or quote is not closed" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct flow_match m, before;
        memset(&m, 0x5a, sizeof m);
        before = m;
        struct errmsg err = { "" };
        assert_int_equal(flow_match_parse(rows[i].text, NULL, &m, &err), -EINVAL);
        if (strncmp(err.text, rows[i].says, strlen(rows[i].says))) {
            fail_msg("\"%s\": %s", rows[i].text, err.text);
        }
        assert_memory_equal(&m, &before, sizeof m);
        assert_int_equal(flow_match_parse(rows[i].text, NULL, &m, NULL), -EINVAL);
    }
}

static void
the_same_said_twice_is_no_contradiction(void **state)
{
    (void) state;
    expect("ip,tcp,nw_proto=6,dl_type=0x800", "tcp");
    expect("ip,nw_src=10.0.0.0/8,nw_src=10.1.0.0/16", "ip,nw_src=10.1.0.0/16");
}

static void
random_matches_survive_text(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 20000; i++) {
        struct flow_match match, again;
        struct strbuf out = { 0 };
        struct errmsg err = { "" };
        uint64_t seed = rng;
        random_match(&rng, i % 2 ? RANDOM_OPENFLOW10 : RANDOM_ANY, &match);
        flow_match_print(&out, &match, NULL);
        int error = flow_match_parse(strbuf_text(&out), NULL, &again, &err);
        if (error || memcmp(&match, &again, sizeof match)) {
            fail_msg("TEST_SEED=%llu: %s: %s", (unsigned long long) seed, strbuf_text(&out),
                     err.text);
        }
        strbuf_fini(&out);
    }
}

/* Each text cut at each place: what is left is read or refused, never more than that. */
static void
every_truncation_is_read_or_refused(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 200; i++) {
        struct flow_match match;
        struct strbuf out = { 0 };
        random_match(&rng, RANDOM_ANY, &match);
        flow_match_print(&out, &match, NULL);
        while (out.len) {
            out.text[--out.len] = '\0';
            struct errmsg err = { "" };
            int error = flow_match_parse(out.text, NULL, &match, &err);
            assert_true(error == 0 || (error == -EINVAL && err.text[0]));
        }
        strbuf_fini(&out);
    }
}

static void
a_packet_for_trace_has_single_values(void **state)
{
    (void) state;
    struct flow_key key;
    assert_int_equal(flow_key_parse("in_port=3,icmp,nw_src=1.2.3.4,icmp_type=8,dl_vlan=5", NULL,
                                    &key, NULL), 0);
    struct flow_key expected;
    memset(&expected, 0, sizeof expected);
    expected.in_port = 3;
    expected.vlan_tci = be16_from_host(0x1005);
    expected.dl_type = be16_from_host(0x0800);
    expected.nw_proto = 1;
    expected.nw_src.ip4 = be32_from_host(0x01020304);
    expected.tp_src = be16_from_host(8);
    assert_memory_equal(&key, &expected, sizeof key);

    assert_int_equal(flow_key_parse("dl_vlan=0xffff", NULL, &key, NULL), 0);
    assert_int_equal(key.vlan_tci.raw, 0);
    assert_int_equal(flow_key_parse("tcp,ip_frag=yes,tp_dst=80", NULL, &key, NULL), 0);
    assert_int_equal(key.nw_frag, FLOW_FRAG_ANY);
    assert_int_equal(flow_key_parse("tcp,ip_frag=later", NULL, &key, NULL), 0);
    assert_int_equal(key.nw_frag, FLOW_FRAG_ANY | FLOW_FRAG_LATER);

    struct errmsg err;
    assert_int_equal(flow_key_parse("ip,nw_src=10.0.0.0/8", NULL, &key, &err), -EINVAL);
    assert_string_equal(err.text, "nw_src: a packet has one value, not a mask");
    assert_int_equal(flow_key_parse("tcp,ip_frag=later,tp_dst=80", NULL, &key, &err), -EINVAL);
    assert_int_equal(flow_key_parse("nw_src=10.0.0.1", NULL, &key, &err), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_are_printed_as_ovs_ofctl_does),
        cmocka_unit_test(the_vlan_is_as_the_key_has_it),
        cmocka_unit_test(full_masks_are_the_meaningful_bits),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(the_same_said_twice_is_no_contradiction),
        cmocka_unit_test(random_matches_survive_text),
        cmocka_unit_test(every_truncation_is_read_or_refused),
        cmocka_unit_test(a_packet_for_trace_has_single_values),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
