/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/ofp_internal.h"
#include "tests/wire/samples.h"

static struct of10_match
wire_of_tcp(uint32_t wildcards)
{
    return (struct of10_match) {
        .wildcards = be32_from_host(wildcards),
        .in_port = be16_from_host(7),
        .dl_src = { 2, 0, 0, 0, 0, 1 },
        .dl_dst = { 2, 0, 0, 0, 0, 2 },
        .dl_vlan = be16_from_host(100),
        .dl_vlan_pcp = 5,
        .dl_type = be16_from_host(0x0800),
        .nw_tos = 0xb8,
        .nw_proto = 6,
        .nw_src = be32_from_host(0x0a010203),
        .nw_dst = be32_from_host(0xc0a80164),
        .tp_src = be16_from_host(1234),
        .tp_dst = be16_from_host(80),
    };
}

static struct ofp_match
decode(const struct of10_match *wire)
{
    struct ofp_match match;
    memset(&match, 0xaa, sizeof match);
    of10_decode_match(wire, &match);
    /* Nothing in the value that the mask leaves out. */
    for (int i = 0; i < FLOW_LANES; i++) {
        assert_int_equal(match.match.value.lane[i] & ~match.match.mask.bits.lane[i], 0);
    }
    return match;
}

static uint32_t
encoded_wildcards(const struct ofp_match *match)
{
    struct of10_match wire;
    of10_encode_match(match, &wire);
    return be32_to_host(wire.wildcards);
}

static void
every_field_of_an_exact_match_counts(void **state)
{
    (void) state;
    struct of10_match wire = wire_of_tcp(0);
    struct ofp_match m = decode(&wire);
    const struct flow_key *v = &m.match.value, *k = &m.match.mask.bits;
    assert_true(m.exact);
    assert_int_equal(v->in_port, 7);
    assert_int_equal(k->in_port, 0xffff);
    assert_memory_equal(v->dl_src, wire.dl_src, 6);
    assert_memory_equal(v->dl_dst, wire.dl_dst, 6);
    assert_int_equal(be16_to_host(v->vlan_tci), 0x1000 | 5 << 13 | 100);
    assert_int_equal(be16_to_host(k->vlan_tci), 0xffff);
    assert_int_equal(be16_to_host(v->dl_type), 0x0800);
    assert_int_equal(v->nw_tos, 0xb8);
    assert_int_equal(k->nw_tos, 0xfc);
    assert_int_equal(v->nw_proto, 6);
    assert_int_equal(be32_to_host(v->nw_src.ip4), 0x0a010203);
    assert_int_equal(be32_to_host(k->nw_src.ip4), UINT32_MAX);
    assert_int_equal(be32_to_host(v->nw_dst.ip4), 0xc0a80164);
    assert_int_equal(be16_to_host(v->tp_src), 1234);
    assert_int_equal(be16_to_host(v->tp_dst), 80);
    assert_int_equal(be16_to_host(k->tp_dst), 0xffff);
    assert_int_equal(k->tun_key.raw, 0);
    assert_int_equal(k->nw_frag, 0);

    struct of10_match back;
    of10_encode_match(&m, &back);
    assert_memory_equal(&back, &wire, sizeof wire);
}

static void
wildcards_above_the_defined_ones_are_ignored(void **state)
{
    (void) state;
    struct of10_match wire = wire_of_tcp(0xffc00000);
    assert_true(decode(&wire).exact);
    wire = wire_of_tcp(UINT32_MAX);
    struct ofp_match m = decode(&wire), empty = { 0 };
    assert_memory_equal(&m.match, &empty.match, sizeof m.match);
    assert_false(m.exact);
    assert_int_equal(encoded_wildcards(&m), 0x3820ff);
}

static void
padding_is_ignored(void **state)
{
    (void) state;
    struct of10_match wire = wire_of_tcp(0), padded = wire;
    padded.pad = 0xff;
    padded.pad2[0] = padded.pad2[1] = 0xff;
    struct ofp_match a = decode(&wire), b = decode(&padded);
    assert_memory_equal(&a, &b, sizeof a);
}

static void
check_vlan(uint32_t wildcards, uint16_t dl_vlan, uint8_t pcp, uint16_t value, uint16_t mask)
{
    struct of10_match wire = wire_of_tcp(wildcards | OFPFW_IN_PORT);
    wire.dl_vlan = be16_from_host(dl_vlan);
    wire.dl_vlan_pcp = pcp;
    struct ofp_match m = decode(&wire);
    assert_int_equal(be16_to_host(m.match.value.vlan_tci), value);
    assert_int_equal(be16_to_host(m.match.mask.bits.vlan_tci), mask);

    struct of10_match back;
    of10_encode_match(&m, &back);
    struct ofp_match again = decode(&back);
    assert_memory_equal(&again, &m, sizeof m);
}

static void
vlan_has_four_forms(void **state)
{
    (void) state;
    check_vlan(0, 100, 5, 0x1000 | 5 << 13 | 100, 0xffff);
    check_vlan(OFPFW_DL_VLAN_PCP, 100, 5, 0x1000 | 100, 0x1fff);
    check_vlan(OFPFW_DL_VLAN, 100, 5, 0x1000 | 5 << 13, 0xf000);
    check_vlan(OFPFW_DL_VLAN | OFPFW_DL_VLAN_PCP, 100, 5, 0, 0);
    check_vlan(0, OFP_VLAN_NONE, 5, 0, 0xffff);
    check_vlan(OFPFW_DL_VLAN_PCP, OFP_VLAN_NONE, 0, 0, 0xffff);
    check_vlan(OFPFW_DL_VLAN, OFP_VLAN_NONE, 1, 0x1000 | 1 << 13, 0xf000);
    /* Bits above the VID and above the PCP mean nothing. */
    check_vlan(0, 0xf064, 0xfd, 0x1000 | 5 << 13 | 100, 0xffff);
    check_vlan(0, 0xfffe, 0, 0x1ffe, 0xffff);
    check_vlan(0, 0, 0, 0x1000, 0xffff);
}

static void
an_untagged_match_with_a_wildcard_keeps_one(void **state)
{
    (void) state;
    /* Only the PCP is wild, and it does not count: the flow still does not outrank. */
    struct of10_match wire = wire_of_tcp(OFPFW_DL_VLAN_PCP), back;
    wire.dl_vlan = be16_from_host(OFP_VLAN_NONE);
    struct ofp_match m = decode(&wire);
    assert_false(m.exact);
    assert_int_equal(encoded_wildcards(&m), OFPFW_DL_VLAN_PCP);

    wire.wildcards = be32_from_host(0);
    m = decode(&wire);
    assert_true(m.exact);
    of10_encode_match(&m, &back);
    assert_int_equal(be32_to_host(back.wildcards), 0);
    assert_int_equal(be16_to_host(back.dl_vlan), OFP_VLAN_NONE);
    assert_int_equal(back.dl_vlan_pcp, 0);
}

static void
addresses_match_by_prefix(void **state)
{
    (void) state;
    for (uint32_t bits = 0; bits < 64; bits++) {
        struct of10_match wire = wire_of_tcp(bits << OFPFW_NW_SRC_SHIFT
                                             | (63 - bits) << OFPFW_NW_DST_SHIFT);
        struct ofp_match m = decode(&wire);
        uint32_t src = bits < 32 ? UINT32_MAX << bits : 0;
        uint32_t dst = 63 - bits < 32 ? UINT32_MAX << (63 - bits) : 0;
        assert_int_equal(be32_to_host(m.match.mask.bits.nw_src.ip4), src);
        assert_int_equal(be32_to_host(m.match.value.nw_src.ip4), 0x0a010203 & src);
        assert_int_equal(be32_to_host(m.match.mask.bits.nw_dst.ip4), dst);
        assert_int_equal(be32_to_host(m.match.value.nw_dst.ip4), 0xc0a80164 & dst);
        uint32_t wildcards = encoded_wildcards(&m);
        assert_int_equal(wildcards >> OFPFW_NW_SRC_SHIFT & 0x3f, bits < 32 ? bits : 32);
        assert_int_equal(wildcards >> OFPFW_NW_DST_SHIFT & 0x3f, 63 - bits < 32 ? 63 - bits : 32);
    }
}

/* Which of the network and transport fields count. */
enum { TOS = 1, PROTO = 2, ADDRESSES = 4, PORTS = 8 };

static void
check_prerequisites(uint16_t dl_type, uint8_t nw_proto, uint32_t wildcards, int counts)
{
    struct of10_match wire = wire_of_tcp(wildcards);
    wire.dl_type = be16_from_host(dl_type);
    wire.nw_proto = nw_proto;
    struct ofp_match m = decode(&wire);
    const struct flow_key *k = &m.match.mask.bits;
    assert_int_equal(k->nw_tos, counts & TOS ? 0xfc : 0);
    assert_int_equal(k->nw_proto, counts & PROTO ? 0xff : 0);
    assert_int_equal(k->nw_src.ip4.raw, counts & ADDRESSES ? UINT32_MAX : 0);
    assert_int_equal(k->nw_dst.ip4.raw, counts & ADDRESSES ? UINT32_MAX : 0);
    assert_int_equal(k->tp_src.raw, counts & PORTS ? 0xffff : 0);
    assert_int_equal(k->tp_dst.raw, counts & PORTS ? 0xffff : 0);
    assert_int_equal(m.exact, !wildcards);
    uint32_t back = encoded_wildcards(&m);
    assert_int_equal(!back, m.exact);
    if (!m.exact) {
        assert_int_equal(!(back & OFPFW_NW_TOS), !!(counts & TOS));
        assert_int_equal(!(back & OFPFW_NW_PROTO), !!(counts & PROTO));
        assert_int_equal(!(back & OFPFW_TP_SRC), !!(counts & PORTS));
        assert_int_equal(back >> OFPFW_NW_SRC_SHIFT & 0x3f, counts & ADDRESSES ? 0 : 32);
    }
}

static void
fields_without_their_prerequisites_do_not_count(void **state)
{
    (void) state;
    for (uint32_t wild = 0; wild <= OFPFW_IN_PORT; wild += OFPFW_IN_PORT) {
        check_prerequisites(0x0800, 1, wild, TOS | PROTO | ADDRESSES | PORTS);
        check_prerequisites(0x0800, 6, wild, TOS | PROTO | ADDRESSES | PORTS);
        check_prerequisites(0x0800, 17, wild, TOS | PROTO | ADDRESSES | PORTS);
        check_prerequisites(0x0800, 132, wild, TOS | PROTO | ADDRESSES);
        check_prerequisites(0x0800, 0, wild, TOS | PROTO | ADDRESSES);
        check_prerequisites(0x0806, 1, wild, PROTO | ADDRESSES);
        check_prerequisites(0x0806, 6, wild, PROTO | ADDRESSES);
        check_prerequisites(0x8035, 6, wild, 0);
        check_prerequisites(0x86dd, 6, wild, 0);
        check_prerequisites(FLOW_DL_TYPE_NONE, 6, wild, 0);
        check_prerequisites(0, 6, wild, 0);
    }
    check_prerequisites(0x0800, 6, OFPFW_NW_PROTO, TOS | ADDRESSES);
    check_prerequisites(0x0800, 6, OFPFW_DL_TYPE, 0);
}

static void
tos_is_its_upper_six_bits(void **state)
{
    (void) state;
    struct of10_match wire = wire_of_tcp(0);
    wire.nw_tos = 0xff;
    assert_int_equal(decode(&wire).match.value.nw_tos, 0xfc);
}

static void
two_ways_to_say_a_match_are_one(void **state)
{
    (void) state;
    struct of10_match a = wire_of_tcp(OFPFW_NW_PROTO | OFPFW_IN_PORT);
    struct of10_match b = wire_of_tcp(OFPFW_NW_PROTO | OFPFW_IN_PORT | OFPFW_TP_SRC | OFPFW_TP_DST);
    b.in_port = be16_from_host(99);
    b.nw_proto = 17;
    b.tp_dst = be16_from_host(53);
    struct ofp_match x = decode(&a), y = decode(&b);
    assert_memory_equal(&x, &y, sizeof x);
}

static void
random_matches_come_back(void **state)
{
    (void) state;
    struct sample_rng rng = { 1 };
    for (int i = 0; i < 200000; i++) {
        struct of10_match wire, back;
        struct ofp_match match, decoded;
        sample_match(&rng, &match);
        of10_encode_match(&match, &wire);
        of10_decode_match(&wire, &decoded);
        assert_memory_equal(&decoded, &match, sizeof match);

        /* Any bytes at all: the second time round nothing changes any more. */
        uint8_t *bytes = (uint8_t *) &wire;
        for (size_t j = 0; j < sizeof wire; j++) {
            bytes[j] = (uint8_t) sample_u32(&rng);
        }
        wire.dl_type = be16_from_host(i & 1 ? 0x0800 : 0x0806);
        wire.nw_proto = i & 2 ? 6 : 1;
        of10_decode_match(&wire, &match);
        of10_encode_match(&match, &back);
        of10_decode_match(&back, &decoded);
        assert_memory_equal(&decoded, &match, sizeof match);
    }
}

static void
masks_that_1_0_cannot_say_are_widened(void **state)
{
    (void) state;
    struct ofp_match m = { 0 };
    m.match.mask.bits.dl_src[0] = 0xff;
    m.match.mask.bits.nw_src.ip4 = be32_from_host(0xffff00ff);
    m.match.value.nw_src.ip4 = be32_from_host(0x0a010002);
    m.match.mask.bits.vlan_tci = be16_from_host(0x1000);
    m.match.value.vlan_tci = be16_from_host(0x1000);
    struct of10_match wire;
    of10_encode_match(&m, &wire);
    uint32_t expect = OFPFW_IN_PORT | OFPFW_DL_SRC | OFPFW_DL_DST | OFPFW_DL_VLAN
                      | OFPFW_DL_VLAN_PCP | OFPFW_DL_TYPE | OFPFW_NW_TOS | OFPFW_NW_PROTO
                      | 16 << OFPFW_NW_SRC_SHIFT | 32 << OFPFW_NW_DST_SHIFT | OFPFW_TP_SRC
                      | OFPFW_TP_DST;
    assert_int_equal(be32_to_host(wire.wildcards), expect);
    assert_int_equal(be32_to_host(wire.nw_src), 0x0a010000);
}

static void
a_reader_with_too_little_is_refused(void **state)
{
    (void) state;
    struct of10_match wire = wire_of_tcp(0);
    struct ofp_match m;
    struct reader r;
    reader_init(&r, &wire, sizeof wire);
    assert_int_equal(ofp_decode_match(&r, &m), 0);
    assert_int_equal(reader_left(&r), 0);
    reader_init(&r, &wire, sizeof wire - 1);
    assert_int_equal(ofp_decode_match(&r, &m), OFP_REFUSED);
    assert_true(r.failed);
}

/* Flows of a dump: one remembered answer serves for all that are like the one before. */
static void
whether_a_match_gets_wider_is_remembered_rightly(void **state)
{
    (void) state;
    static const uint16_t dl_types[] = { 0x0800, 0x0806, 0x86dd, 0x88b5 };
    static const uint8_t protocols[] = { 6, 17, 1, 47 };
    static const uint16_t vlans[] = { 0, FLOW_VLAN_PRESENT, FLOW_VLAN_PRESENT | 5 };
    struct ofp_width width = { 0 };
    unsigned n_wider = 0;
    srand(3);
    for (int i = 0; i < 20000; i++) {
        struct ofp_match match = { .exact = rand() % 8 == 0 };
        struct flow_key *value = &match.match.value, *mask = &match.match.mask.bits;
        mask->dl_type = be16_from_host(0xffff);
        value->dl_type = be16_from_host(dl_types[rand() % 4]);
        if (rand() % 2) {
            mask->nw_proto = 0xff;
            value->nw_proto = protocols[rand() % 4];
            mask->tp_src = be16_from_host(rand() % 2 ? 0xffff : 0);
        }
        if (rand() % 2) {
            mask->vlan_tci = be16_from_host(FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK
                                            | (rand() % 2 ? FLOW_VLAN_PCP_MASK : 0));
            value->vlan_tci = be16_from_host(vlans[rand() % 3]);
        }
        struct of10_match wire;
        of10_encode_match(&match, &wire);
        bool wider = of10_match_is_wider(&wire, &match);
        assert_int_equal(of10_match_is_wider_again(&width, &wire, &match), wider);
        assert_int_equal(of10_match_is_wider_again(&width, &wire, &match), wider);
        n_wider += wider;
    }
    assert_in_range(n_wider, 1000, 19000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_an_exact_match_counts),
        cmocka_unit_test(wildcards_above_the_defined_ones_are_ignored),
        cmocka_unit_test(padding_is_ignored),
        cmocka_unit_test(vlan_has_four_forms),
        cmocka_unit_test(an_untagged_match_with_a_wildcard_keeps_one),
        cmocka_unit_test(addresses_match_by_prefix),
        cmocka_unit_test(fields_without_their_prerequisites_do_not_count),
        cmocka_unit_test(tos_is_its_upper_six_bits),
        cmocka_unit_test(two_ways_to_say_a_match_are_one),
        cmocka_unit_test(random_matches_come_back),
        cmocka_unit_test(masks_that_1_0_cannot_say_are_widened),
        cmocka_unit_test(a_reader_with_too_little_is_refused),
        cmocka_unit_test(whether_a_match_gets_wider_is_remembered_rightly),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
