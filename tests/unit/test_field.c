/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/field.h"
#include "tests/unit/random_flow.h"

static void
rows_describe_the_key(void **state)
{
    (void) state;
    uint8_t used[sizeof(struct flow_key)] = { 0 };
    for (int id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        assert_non_null(f->name);
        assert_non_null(f->print);
        assert_non_null(f->parse);
        assert_non_null(f->names[0].name);
        assert_in_range(f->size, 1, FIELD_MAX_SIZE);
        assert_true(f->offset + f->size <= (int) sizeof(struct flow_key));
        assert_true(f->openflow10 <= f->maskable);
        for (unsigned i = 0; i < f->size; i++) {
            assert_false(used[f->offset + i]++);
        }
    }
    /* All of the key is in some row, but for its zeros and the room for IPv6. */
    memset(used + offsetof(struct flow_key, zero), 1, 3);
    memset(used + offsetof(struct flow_key, nw_src) + 4, 1, 12);
    memset(used + offsetof(struct flow_key, nw_dst) + 4, 1, 12);
    for (size_t i = 0; i < sizeof used; i++) {
        assert_true(used[i]);
    }
}

static void
names_are_unique_and_found(void **state)
{
    (void) state;
    for (int id = 0; id < N_FIELDS; id++) {
        for (const struct field_name *n = fields[id].names; n->name; n++) {
            const struct field_name *alias;
            assert_ptr_equal(field_find(n->name, &alias), &fields[id]);
            assert_ptr_equal(alias, n);
        }
    }
    assert_null(field_find("nothing", NULL));
    assert_null(field_find("", NULL));
    assert_ptr_equal(field_find("arp_tpa", NULL), &fields[FIELD_NW_DST]);
}

static enum field_mask_mode
mode_of(enum field_id id, const uint8_t *bytes)
{
    struct flow_mask mask;
    memset(&mask, 0, sizeof mask);
    memcpy(field_bytes_mutable(&fields[id], &mask.bits), bytes, fields[id].size);
    return field_mask_mode(&fields[id], &mask);
}

static void
masks_have_modes(void **state)
{
    (void) state;
#define MODE(ID, ...) mode_of(ID, (const uint8_t[]) { __VA_ARGS__ })
    assert_int_equal(MODE(FIELD_NW_SRC, 0, 0, 0, 0), FIELD_MASK_NONE);
    assert_int_equal(MODE(FIELD_NW_SRC, 255, 255, 255, 255), FIELD_MASK_EXACT);
    assert_int_equal(MODE(FIELD_NW_SRC, 128, 0, 0, 0), FIELD_MASK_PREFIX);
    assert_int_equal(MODE(FIELD_NW_SRC, 255, 255, 255, 254), FIELD_MASK_PREFIX);
    assert_int_equal(MODE(FIELD_NW_SRC, 255, 240, 0, 0), FIELD_MASK_PREFIX);
    assert_int_equal(MODE(FIELD_NW_SRC, 255, 240, 1, 0), FIELD_MASK_ANY);
    assert_int_equal(MODE(FIELD_NW_SRC, 0, 255, 0, 0), FIELD_MASK_ANY);
    assert_int_equal(MODE(FIELD_NW_SRC, 127, 255, 255, 255), FIELD_MASK_ANY);
    /* Bits that mean nothing do not count. */
    assert_int_equal(MODE(FIELD_NW_TOS, 0xfc), FIELD_MASK_EXACT);
    assert_int_equal(MODE(FIELD_NW_TOS, 0xff), FIELD_MASK_EXACT);
    assert_int_equal(MODE(FIELD_NW_TOS, 0x03), FIELD_MASK_NONE);
    assert_int_equal(MODE(FIELD_NW_TOS, 0xf0), FIELD_MASK_PREFIX);
    assert_int_equal(MODE(FIELD_NW_TOS, 0x0c), FIELD_MASK_ANY);
    assert_int_equal(MODE(FIELD_NW_FRAG, 3), FIELD_MASK_EXACT);
    for (int id = 0; id < N_FIELDS; id++) {
        struct flow_mask mask;
        memset(&mask, 0, sizeof mask);
        assert_int_equal(field_mask_mode(&fields[id], &mask), FIELD_MASK_NONE);
        field_mask_exact(&fields[id], &mask);
        assert_int_equal(field_mask_mode(&fields[id], &mask), FIELD_MASK_EXACT);
    }
}

/* A match on an ethertype and, if not 0, a protocol. */
static struct flow_match
match_on(uint16_t dl_type, uint8_t nw_proto)
{
    struct flow_match m;
    memset(&m, 0, sizeof m);
    m.value.dl_type = be16_from_host(dl_type);
    m.mask.bits.dl_type = be16_from_host(0xffff);
    if (nw_proto) {
        m.value.nw_proto = nw_proto;
        m.mask.bits.nw_proto = 0xff;
    }
    return m;
}

static void
prerequisites_need_exact_types(void **state)
{
    (void) state;
    struct flow_match tcp = match_on(0x0800, 6), arp = match_on(0x0806, 1);
    struct flow_match ip = match_on(0x0800, 0), sctp = match_on(0x0800, 132);
    struct flow_match any;
    memset(&any, 0, sizeof any);
    assert_true(field_prereq_met(FIELD_PREREQ_NONE, &any));
    assert_false(field_prereq_met(FIELD_PREREQ_IP_OR_ARP, &any));
    assert_true(field_prereq_met(FIELD_PREREQ_IP_OR_ARP, &arp));
    assert_true(field_prereq_met(FIELD_PREREQ_IP_OR_ARP, &ip));
    assert_true(field_prereq_met(FIELD_PREREQ_ARP, &arp));
    assert_false(field_prereq_met(FIELD_PREREQ_IP, &arp));
    /* An ARP opcode of 1 is no ICMP. */
    assert_false(field_prereq_met(FIELD_PREREQ_ICMP, &arp));
    assert_false(field_prereq_met(FIELD_PREREQ_PORTS, &arp));
    assert_true(field_prereq_met(FIELD_PREREQ_PORTS, &tcp));
    assert_true(field_prereq_met(FIELD_PREREQ_TCP, &tcp));
    assert_false(field_prereq_met(FIELD_PREREQ_UDP, &tcp));
    assert_false(field_prereq_met(FIELD_PREREQ_PORTS, &ip));
    assert_false(field_prereq_met(FIELD_PREREQ_PORTS, &sctp));
    /* No type at all is not one of them. */
    struct flow_match zero = match_on(0, 6);
    for (int prereq = 1; prereq < N_FIELD_PREREQS; prereq++) {
        assert_false(field_prereq_met((enum field_prereq) prereq, &zero));
    }
    tcp.mask.bits.dl_type = be16_from_host(0xff00);
    assert_false(field_prereq_met(FIELD_PREREQ_TCP, &tcp));

    struct errmsg err;
    tcp = match_on(0x0800, 6);
    field_mask_exact(&fields[FIELD_TP_SRC], &tcp.mask);
    assert_int_equal(field_check_prereqs(&tcp, &err), 0);
    field_mask_exact(&fields[FIELD_TP_SRC], &ip.mask);
    assert_int_equal(field_check_prereqs(&ip, &err), -EINVAL);
    assert_string_equal(err.text, "tp_src needs tcp, udp or icmp in the match");
}

static void
set_vlan(struct flow_match *m, uint16_t value, uint16_t mask)
{
    memset(m, 0, sizeof *m);
    m->value.vlan_tci = be16_from_host(value);
    m->mask.bits.vlan_tci = be16_from_host(mask);
}

static void
openflow10_takes_its_own_masks_only(void **state)
{
    (void) state;
    struct flow_match m;
    struct errmsg err;
    const uint16_t good[][2] = { { 0, 0 }, { 0, 0xffff }, { 0x1005, 0x1fff }, { 0x7000, 0xf000 },
                                 { 0x7005, 0xffff }, { 0x1000, 0x1fff } };
    const uint16_t bad[][2] = { { 0x1000, 0x1000 }, { 0, 0x1fff }, { 5, 0x0fff }, { 5, 0x1fff },
                                { 0x1005, 0x10ff }, { 0x2000, 0xe000 }, { 0, 0x1000 } };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        set_vlan(&m, good[i][0], good[i][1]);
        assert_int_equal(field_check_openflow10(&m, &err), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set_vlan(&m, bad[i][0], bad[i][1]);
        assert_int_equal(field_check_openflow10(&m, &err), -EINVAL);
    }
    m = match_on(0x0800, 0);
    m.mask.bits.nw_src.ip4 = be32_from_host(0xffff0000);
    assert_int_equal(field_check_openflow10(&m, &err), 0);
    m.mask.bits.nw_src.ip4 = be32_from_host(0xffff00ff);
    assert_int_equal(field_check_openflow10(&m, &err), -EINVAL);
    assert_string_equal(err.text, "nw_src: OpenFlow 1.0 can't match it under this mask");
    m = match_on(0x0800, 0);
    m.mask.bits.nw_frag = 1;
    assert_int_equal(field_check_openflow10(&m, &err), -EINVAL);
    assert_string_equal(err.text, "nw_frag: OpenFlow 1.0 can't match it");
    memset(&m, 0, sizeof m);
    m.mask.bits.dl_dst[0] = 1;
    assert_int_equal(field_check_openflow10(&m, &err), -EINVAL);

    uint64_t rng = random_seed();
    for (int i = 0; i < 2000; i++) {
        random_match(&rng, RANDOM_OPENFLOW10, &m);
        assert_int_equal(field_check_openflow10(&m, &err), 0);
        assert_int_equal(field_check_prereqs(&m, &err), 0);
    }
}

static void
flows_take_every_mask_that_nx_match_has(void **state)
{
    (void) state;
    struct flow_match m;
    struct errmsg err;
    uint64_t rng = random_seed();
    for (int i = 0; i < 2000; i++) {
        random_match(&rng, RANDOM_FLOW, &m);
        assert_int_equal(field_check_flow(&m, &err), 0);
        assert_int_equal(field_check_prereqs(&m, &err), 0);
    }
    m = match_on(0x0800, 1);
    m.mask.bits.tp_dst = be16_from_host(0x00ff);
    assert_int_equal(field_check_flow(&m, &err), -EINVAL);
    assert_string_equal(err.text, "tp_dst: a flow can't match it under this mask");
    m = match_on(0x0800, 6);
    m.mask.bits.tp_dst = be16_from_host(0x00ff);
    assert_int_equal(field_check_flow(&m, &err), 0);
    m.value.nw_frag = m.mask.bits.nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    assert_int_equal(field_check_flow(&m, &err), -EINVAL);
    m.value.nw_frag = FLOW_FRAG_ANY;
    assert_int_equal(field_check_flow(&m, &err), 0);
    m.mask.bits.nw_tos = 0x40;
    assert_int_equal(field_check_flow(&m, &err), -EINVAL);
    memset(&m, 0, sizeof m);
    m.mask.bits.tun_key = be32_from_host(1);
    assert_int_equal(field_check_flow(&m, &err), -EINVAL);
    assert_string_equal(err.text, "tun_id: a flow can't match it");
}

static void
what_means_the_same_becomes_the_same(void **state)
{
    (void) state;
    static const uint16_t vlans[][4] = {
        { 0, 0x1fff, 0, 0xffff }, { 0, 0x1000, 0, 0xffff }, { 0, 0xf000, 0, 0xffff },
        { 5, 0x0fff, 0x1005, 0x1fff }, { 0x2000, 0xe000, 0x3000, 0xf000 },
        { 0, 0x0fff, 0, 0x0fff }, { 0x1000, 0x1000, 0x1000, 0x1000 }, { 5, 0xffff, 5, 0xffff },
        { 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof vlans / sizeof vlans[0]; i++) {
        struct flow_match m;
        set_vlan(&m, vlans[i][0], vlans[i][1]);
        field_canonicalize(&m);
        assert_int_equal(be16_to_host(m.value.vlan_tci), vlans[i][2]);
        assert_int_equal(be16_to_host(m.mask.bits.vlan_tci), vlans[i][3]);
    }
    static const uint8_t frags[][4] = {
        { 2, 2, 3, 3 }, { 0, 1, 0, 3 }, { 1, 1, 1, 1 }, { 0, 2, 0, 2 }, { 1, 3, 1, 3 },
        { 2, 3, 2, 3 }, { 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof frags / sizeof frags[0]; i++) {
        struct flow_match m = match_on(0x0800, 0);
        m.value.nw_frag = frags[i][0];
        m.mask.bits.nw_frag = frags[i][1];
        field_canonicalize(&m);
        assert_int_equal(m.value.nw_frag, frags[i][2]);
        assert_int_equal(m.mask.bits.nw_frag, frags[i][3]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_describe_the_key),
        cmocka_unit_test(names_are_unique_and_found),
        cmocka_unit_test(masks_have_modes),
        cmocka_unit_test(prerequisites_need_exact_types),
        cmocka_unit_test(openflow10_takes_its_own_masks_only),
        cmocka_unit_test(flows_take_every_mask_that_nx_match_has),
        cmocka_unit_test(what_means_the_same_becomes_the_same),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
