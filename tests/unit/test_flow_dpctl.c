/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "lib/flow_text.h"
#include "tests/unit/random_flow.h"

static void
expect(const char *match, const char *printed)
{
    struct flow_match m;
    struct errmsg err = { "" };
    struct strbuf out = { 0 };
    if (flow_match_parse(match, NULL, &m, &err)) {
        fail_msg("\"%s\": %s", match, err.text);
    }
    strbuf_puts(&out, "(before)");
    flow_key_print_dpctl(&out, &m);
    assert_string_equal(out.text + strlen("(before)"), printed);
    strbuf_fini(&out);
}

static void
attributes_nest_as_in_ovs_dpctl(void **state)
{
    (void) state;
    static const struct { const char *match, *printed; } rows[] = {
        { "", "" },
        { "in_port=1", "in_port(1)" },
        { "icmp,in_port=1,dl_src=0:0:0:0:0:1,dl_dst=0:0:0:0:0:2,vlan_tci=0/0xffff,nw_src=10.0.0.1,"
          "nw_dst=10.0.0.2,nw_tos=0,ip_frag=no,icmp_type=8,icmp_code=0",
          "in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x0800),"
          "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,tos=0,frag=no),icmp(type=8,code=0)" },
        { "arp,in_port=2,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1",
          "in_port(2),eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1)" },
        { "tcp,dl_vlan=5,dl_vlan_pcp=3,tp_dst=80",
          "eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x0800),ipv4(proto=6),tcp(dst=80))" },
        { "dl_vlan=5,in_port=1", "in_port(1),eth_type(0x8100),vlan(vid=5),encap()" },
        { "vlan_tci=0x1000/0x1000", "eth_type(0x8100),vlan(),encap()" },
        { "vlan_tci=0x1005/0x10ff", "eth_type(0x8100),vlan(vid=5/0xff),encap()" },
        { "udp,nw_dst=10.0.0.0/8,nw_tos=32,tp_src=53/0xfff0",
          "eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,proto=17,tos=0x20),udp(src=0x30/0xfff0)" },
        { "dl_dst=1:0:0:0:0:0/1:0:0:0:0:0",
          "eth(dst=01:00:00:00:00:00/01:00:00:00:00:00)" },
        { "ip,ip_frag=later,nw_proto=6", "eth_type(0x0800),ipv4(proto=6,frag=later)" },
        { "dl_type=0x86dd,tun_id=5", "tunnel(tun_id=0x5),eth_type(0x86dd)" },
        { "sctp", "eth_type(0x0800),ipv4(proto=132)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(rows[i].match, rows[i].printed);
    }
}

/* A cache entry of a frame that is not IP has zeros where the mask has network bits. */
static void
bits_of_fields_that_the_packet_lacks_are_left_out(void **state)
{
    (void) state;
    struct flow_match m;
    assert_int_equal(flow_match_parse("dl_type=0x88cc,in_port=1", NULL, &m, NULL), 0);
    memset(&m.mask, 0xff, sizeof m.mask);
    struct strbuf out = { 0 };
    flow_key_print_dpctl(&out, &m);
    assert_string_equal(out.text, "tunnel(tun_id=0x0),in_port(1),eth(src=00:00:00:00:00:00,"
                        "dst=00:00:00:00:00:00),eth_type(0x88cc)");
    strbuf_fini(&out);
}

static void
parentheses_close_and_commas_separate(void **state)
{
    (void) state;
    uint64_t rng = random_seed();
    for (int i = 0; i < 5000; i++) {
        struct flow_match m;
        struct strbuf out = { 0 };
        random_match(&rng, RANDOM_ANY, &m);
        flow_key_print_dpctl(&out, &m);
        int depth = 0;
        for (const char *p = strbuf_text(&out); *p; p++) {
            depth += (*p == '(') - (*p == ')');
            assert_true(depth >= 0);
            assert_false(*p == ',' && (p == out.text || strchr("(,", p[-1]) || strchr("),", p[1])));
        }
        assert_int_equal(depth, 0);
        strbuf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_nest_as_in_ovs_dpctl),
        cmocka_unit_test(bits_of_fields_that_the_packet_lacks_are_left_out),
        cmocka_unit_test(parentheses_close_and_commas_separate),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
