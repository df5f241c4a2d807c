/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as flower filters: what is refused and why, what is left out, and what the kernel
 * says. The bytes are in test_flower_bytes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "drivers/tc/flower.h"
#include "hal/text.h"
#include "drivers/tc/tc.h"
#include "tests/unit/flower_rig.h"
#include "turnout/field_id.h"
#include "turnout/port.h"

static struct flower_rig_bytes bytes;

/* --- refusals ---------------------------------------------------------------------------------- */

enum { NONE = HAL_OBJECT_NONE };

static const struct flower_options usual = { .num_of_vlans = true };
static const struct flower_options in_hardware = { .num_of_vlans = true, .flags = TCA_CLS_FLAGS_SKIP_SW };
static const struct flower_options overlapping = { .num_of_vlans = true, .whole = true };
static const struct flower_options apart = { .num_of_vlans = true, .whole = true,
                                             .fragments_apart = true };

#define UNTAGGED "in_port=1,vlan_tci=0x0000,"

static const struct refusal {
    const struct flower_options *options;
    const char *match, *actions;
    uint16_t reason;
    uint8_t field, action;
} refusals[] = {
    /* what the dissector does not know */
    { &usual, UNTAGGED "dl_type=0x05ff", "output:2", HAL_REASON_FIELD_UNSUPPORTED, FIELD_DL_TYPE, NONE },
    { &usual, "ip,in_port=1", "output:2", HAL_REASON_FIELD_REQUIRED, FIELD_VLAN, NONE },
    { NULL, "in_port=1,vlan_tci=0x0000", "output:2", HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE, NONE },
    { &usual, UNTAGGED "dl_type=0x8100", "output:2", HAL_REASON_FIELD_UNSUPPORTED, FIELD_DL_TYPE, NONE },
    { &usual, "in_port=1,vlan_tci=0x1005/0x100f", "output:2", HAL_REASON_MASK_UNSUPPORTED, FIELD_VLAN,
      NONE },
    { &usual, "arp," UNTAGGED "arp_op=3", "output:2", HAL_REASON_FIELD_UNSUPPORTED, FIELD_NW_PROTO, NONE },
    { &usual, "tcp," UNTAGGED "nw_frag=first,tp_dst=80", "output:2", HAL_REASON_FRAGMENT, FIELD_TP_DST,
      NONE },
    { &usual, "ip," UNTAGGED "nw_frag=not_later", "output:2", HAL_REASON_FRAGMENT, FIELD_NW_FRAG, NONE },
    { &usual, "in_port=2", "output:3", HAL_REASON_FIELD_UNSUPPORTED, FIELD_IN_PORT, NONE },
    /* where entries overlap, what a filter leaves would go to another */
    { &overlapping, "in_port=1", "output:2", HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE, NONE },
    { &overlapping, "tcp," UNTAGGED "tp_dst=80", "output:2", HAL_REASON_FRAGMENT, FIELD_TP_DST, NONE },
    { &overlapping, "tcp," UNTAGGED, "mod_nw_dst:1.2.3.4,output:2", HAL_REASON_FRAGMENT, NONE,
      ACTION_SET_NW_DST },
    { &apart, "arp," UNTAGGED "arp_spa=10.0.0.1", "output:2", HAL_REASON_FIELD_REQUIRED, FIELD_NW_PROTO,
      NONE },
    /* where it goes */
    { &usual, "in_port=1", "controller", HAL_REASON_OUTPUT_SPECIAL, NONE, ACTION_OUTPUT },
    { &usual, "in_port=1", "output:2,local", HAL_REASON_OUTPUT_SPECIAL, NONE, ACTION_OUTPUT },
    { &usual, "in_port=1", "normal", HAL_REASON_OUTPUT_SPECIAL, NONE, ACTION_OUTPUT },
    { &usual, "in_port=1", "flood", HAL_REASON_OUTPUT_SPECIAL, NONE, ACTION_OUTPUT },
    { &usual, "in_port=1", "controller(max_len=9,id=4)", HAL_REASON_OUTPUT_SPECIAL, NONE,
      ACTION_CONTROLLER },
    { &usual, "in_port=1", "output:77", HAL_REASON_DEVICE_GONE, NONE, ACTION_OUTPUT },
    { &usual, "in_port=1", "enqueue:3:1", HAL_REASON_OUTPUT_QUEUE, NONE, ACTION_ENQUEUE },
    { &usual, "in_port=1", "set_queue:9,output:2", HAL_REASON_OUTPUT_QUEUE, NONE, ACTION_OUTPUT },
    /* rewrites */
    { &usual, "ip," UNTAGGED, "dec_ttl,output:2", HAL_REASON_PER_PACKET, NONE, ACTION_DEC_TTL },
    { &usual, "in_port=1", "mod_vlan_vid:5,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
      ACTION_SET_VLAN_VID },
    { &usual, "in_port=1", "strip_vlan,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
      ACTION_STRIP_VLAN },
    { &usual, "in_port=1,dl_vlan_pcp=2", "mod_vlan_pcp:5,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
      ACTION_SET_VLAN_PCP },
    { &usual, "ip,in_port=1,dl_vlan=4095", "mod_vlan_pcp:4,output:2", HAL_REASON_ACTION_UNSUPPORTED, NONE,
      ACTION_SET_VLAN_PCP },
    { &in_hardware, "ip,in_port=1,dl_vlan=3", "mod_vlan_vid:5,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
      ACTION_SET_VLAN_VID },
    { &usual, "ip," UNTAGGED, "mod_vlan_vid:4095,output:2", HAL_REASON_ACTION_UNSUPPORTED, NONE,
      ACTION_SET_VLAN_VID },
    { &usual, "in_port=1", "mod_nw_dst:1.2.3.4,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE,
      ACTION_SET_NW_DST },
    { &usual, "in_port=1,dl_vlan=5,dl_type=0x8100", "strip_vlan,mod_nw_tos:4,output:2",
      HAL_REASON_FIELD_REQUIRED, FIELD_DL_TYPE, ACTION_SET_NW_TOS },
    { &usual, "ip," UNTAGGED, "mod_tp_dst:80,output:2", HAL_REASON_FIELD_REQUIRED, FIELD_NW_PROTO,
      ACTION_SET_TP_DST },
    { &usual, "tcp," UNTAGGED "nw_frag=yes", "mod_nw_dst:1.2.3.4,output:2", HAL_REASON_FRAGMENT, NONE,
      ACTION_SET_NW_DST },
    { &usual, "udp," UNTAGGED "nw_frag=later", "mod_tp_dst:80,output:2", HAL_REASON_FRAGMENT, NONE,
      ACTION_SET_TP_DST },
};

static void
what_can_not_be_said_is_refused_with_its_reason(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct hal_verdict v = { 0 };
        int result = flower_rig_encode(r->match, r->actions, r->options, &bytes, &v);
        if (result != -EOPNOTSUPP || v.reason != r->reason || v.field != r->field
            || v.action != r->action || !*v.words) {
            fail_msg("%s -> %s: %d, reason %s, field %s, action %s: %s", r->match, r->actions, result,
                     hal_reason_name(v.reason), hal_field_name(v.field), hal_action_name(v.action),
                     v.words);
        }
    }
}

static void
a_refusal_names_the_port(void **state)
{
    (void) state;
    struct hal_verdict v;
    assert_int_equal(flower_rig_encode("in_port=1", "output:2,output:77", NULL, &bytes, &v), -EOPNOTSUPP);
    assert_int_equal(v.port, 77);
    assert_int_equal(flower_rig_encode("in_port=1", "local", NULL, &bytes, &v), -EOPNOTSUPP);
    assert_int_equal(v.port, PORT_LOCAL);
}

/* Without "output to the ingress port" a shared block could send nothing back, and it has several. */
static void
a_shared_block_has_no_ingress_port(void **state)
{
    (void) state;
    struct flow_match match;
    union flower_rig_list list;
    struct hal_verdict v;
    flower_rig_match("dl_dst=02:00:00:00:00:01", &match);
    flower_rig_actions("IN_PORT", &list);
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    assert_int_equal(flower_check(&entry, 0, &flower_rig_ports, NULL, &v), -EOPNOTSUPP);
    assert_int_equal(v.reason, HAL_REASON_OUTPUT_SPECIAL);
    assert_int_equal(flower_check(&entry, 1, &flower_rig_ports, NULL, &v), 0);
    assert_int_equal(flower_check(&entry, 1, NULL, NULL, &v), 0);
}

/* --- lists ----------------------------------------------------------------------------------------- */

static int
translate(const char *match, const char *actions, struct flower_filter *f)
{
    struct hal_verdict v;
    int result = flower_rig_encode(match, actions, NULL, &bytes, &v);
    result = result ? result : flower_decode(bytes.nlh, bytes.size, f);
    if (!result) {
        assert_int_equal(tc_print(&f->ops), tc_print(&flower_rig_ops));
    }
    return result;
}

/* The kernel runs 32 and forgets the others: 33 are refused, each way that makes them. */
static void
actions_are_counted(void **state)
{
    (void) state;
    char list[2048] = "";
    struct flower_filter f;
    struct hal_verdict v;
    for (int i = 0; i < 32; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "%soutput:2", i ? "," : "");
    }
    assert_int_equal(translate("in_port=1", list, &f), 0);
    assert_int_equal(f.ops.n_ops, 32);
    assert_int_equal(f.ops.op[31].kind, FLOWER_OP_REDIRECT);
    strcat(list, ",output:3");
    assert_int_equal(flower_rig_encode("in_port=1", list, NULL, &bytes, &v), -EOPNOTSUPP);
    assert_int_equal(v.reason, HAL_REASON_TOO_MANY_ACTIONS);
    /* 11 rewrites, each a pedit, a csum and a mirror. */
    *list = '\0';
    for (int i = 0; i < 11; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "%smod_nw_dst:1.2.3.%d,output:2",
                 i ? "," : "", i);
    }
    assert_int_equal(flower_rig_encode("tcp," UNTAGGED, list, NULL, &bytes, &v), -EOPNOTSUPP);
    assert_int_equal(v.reason, HAL_REASON_TOO_MANY_ACTIONS);
    const struct flower_options two = { .max_ops = 2 };
    assert_int_equal(flower_rig_encode("in_port=1", "output:2,output:3", &two, &bytes, &v), 0);
    assert_int_equal(flower_rig_encode("in_port=1", "output:2,output:3,output:4", &two, &bytes, &v),
                     -EOPNOTSUPP);
    assert_int_equal(v.reason, HAL_REASON_TOO_MANY_ACTIONS);
}

/* What a list becomes, in OpenFlow's words again. */
static const struct simpler {
    const char *match, *actions, *becomes;
} simpler[] = {
    /* never out of the ingress port by its number; dead rewrites */
    { "in_port=1", "output:1", "drop" },
    { "in_port=1", "output:2,output:1", "output:2" },
    { "in_port=1", "enqueue:1:1,output:2", "output:2" },
    { "in_port=1", "output:2,mod_dl_dst:02:00:00:00:00:09", "output:2" },
    { "in_port=1", "mod_nw_dst:1.2.3.4", "drop" },
    { "in_port=1", "output:2,strip_vlan", "output:2" },
    /* the last of several counts */
    { "ip," UNTAGGED, "mod_nw_tos:4,mod_nw_tos:8,output:2", "mod_nw_tos:8,output:2" },
    { "ip," UNTAGGED, "mod_vlan_vid:4,mod_vlan_vid:8,output:2", "mod_vlan_vid:8,output:2" },
    { "ip," UNTAGGED, "mod_vlan_vid:4,strip_vlan,output:2", "output:2" },
    { "ip,in_port=1,dl_vlan=3", "mod_vlan_vid:4,strip_vlan,output:2", "strip_vlan,output:2" },
    { "ip,in_port=1,dl_vlan=3", "mod_vlan_pcp:2,output:2", "mod_vlan_vid:3,mod_vlan_pcp:2,output:2" },
    { "in_port=1,dl_vlan_pcp=3", "mod_vlan_vid:4,output:2", "mod_vlan_vid:4,mod_vlan_pcp:3,output:2" },
    { "in_port=1,dl_vlan_pcp=3", "mod_vlan_vid:4,mod_vlan_pcp:2,output:2",
      "mod_vlan_vid:4,mod_vlan_pcp:2,output:2" },
    { "in_port=1,dl_vlan=5,dl_type=0x8100", "strip_vlan,mod_vlan_vid:6,output:2",
      "strip_vlan,mod_vlan_vid:6,output:2" },
    { "ip," UNTAGGED, "strip_vlan,output:2", "output:2" },
    /* a header that is not there is not rewritten (OpenFlow 1.0, 5.2.4) */
    { "arp," UNTAGGED, "mod_nw_dst:1.2.3.4,mod_tp_dst:5,output:2", "output:2" },
    { UNTAGGED "dl_type=0x86dd", "mod_nw_tos:4,output:2", "output:2" },
    { "icmp," UNTAGGED, "mod_tp_dst:5,output:2", "output:2" },
    /* between outputs each has its own */
    { "ip," UNTAGGED, "mod_nw_tos:4,output:2,output:3,mod_nw_tos:8,IN_PORT",
      "mod_nw_tos:4,output:2,output:3,mod_nw_tos:8,IN_PORT" },
};

static void
lists_become_what_is_seen_of_them(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof simpler / sizeof simpler[0]; i++) {
        struct flower_filter f;
        union flower_rig_list list;
        char more[FLOWER_WORDS_SIZE], text[256];
        assert_int_equal(translate(simpler[i].match, simpler[i].actions, &f), 0);
        assert_true(flower_actions(&f.ops, 1, &flower_rig_ports, &list.list, more));
        hal_actions_text(&list.list, text, sizeof text);
        assert_string_equal(text, simpler[i].becomes);
    }
}

static void
queues_are_priorities(void **state)
{
    (void) state;
    struct flower_filter f;
    assert_int_equal(translate("in_port=1", "enqueue:2:1,output:2,set_queue:2,output:2,pop_queue,output:3",
                               &f), 0);
    static const struct { uint8_t kind; uint32_t priority; } expected[] = {
        { FLOWER_OP_SKBEDIT, 0x74720001 }, { FLOWER_OP_MIRROR, 0 }, { FLOWER_OP_SKBEDIT, 0 },
        { FLOWER_OP_MIRROR, 0 }, { FLOWER_OP_SKBEDIT, 0x74720002 }, { FLOWER_OP_MIRROR, 0 },
        { FLOWER_OP_SKBEDIT, 0 }, { FLOWER_OP_REDIRECT, 0 },
    };
    assert_int_equal(f.ops.n_ops, sizeof expected / sizeof expected[0]);
    for (unsigned i = 0; i < f.ops.n_ops; i++) {
        assert_int_equal(f.ops.op[i].kind, expected[i].kind);
        assert_int_equal(f.ops.op[i].priority, expected[i].priority);
    }
}

/* Ports, and checksums over more than a fragment: the filter says "no fragment" of itself. */
static void
filters_of_ports_take_no_fragments(void **state)
{
    (void) state;
    static const char *const with[][2] = {
        { "tcp," UNTAGGED "tp_dst=80", "output:2" }, { "udp," UNTAGGED, "mod_nw_src:1.2.3.4,output:2" },
        { "ip," UNTAGGED, "mod_nw_src:1.2.3.4,output:2" }, { "tcp," UNTAGGED, "mod_tp_src:4,output:2" },
    };
    static const char *const without[][2] = {
        { "tcp," UNTAGGED, "output:2" }, { "icmp," UNTAGGED, "mod_nw_src:1.2.3.4,output:2" },
        { "udp," UNTAGGED, "mod_nw_tos:4,output:2" },
    };
    struct flower_filter f;
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        assert_int_equal(translate(with[i][0], with[i][1], &f), 0);
        assert_int_equal(f.match.mask.bits.nw_frag, FLOW_FRAG_ANY | FLOW_FRAG_LATER);
        assert_int_equal(f.match.value.nw_frag, 0);
    }
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        assert_int_equal(translate(without[i][0], without[i][1], &f), 0);
        assert_int_equal(f.match.mask.bits.nw_frag, 0);
    }
}

/* --- asked and made ----------------------------------------------------------------------------------- */

static void
compare(const char *match, const char *actions, unsigned field, unsigned action)
{
    struct flower_filter asked, made;
    struct hal_verdict v;
    assert_int_equal(translate("tcp," UNTAGGED "nw_dst=10.0.0.1,tp_dst=80",
                               "output:2,mod_nw_tos:4,output:3", &asked), 0);
    assert_int_equal(flower_compare(&asked, &asked, &v), 0);
    assert_int_equal(translate(match, actions, &made), 0);
    assert_int_equal(flower_compare(&asked, &made, &v), -EOPNOTSUPP);
    assert_int_equal(v.reason, HAL_REASON_DRIVER_REFUSED);
    assert_int_equal(v.field, field);
    assert_int_equal(v.action, action);
    assert_non_null(strstr(v.words, "another filter"));
}

static void
differences_are_named(void **state)
{
    (void) state;
    const char *actions = "output:2,mod_nw_tos:4,output:3";
    compare("tcp," UNTAGGED "nw_dst=10.0.0.2,tp_dst=80", actions, FIELD_NW_DST, NONE);
    compare("tcp," UNTAGGED "nw_dst=10.0.0.0/31,tp_dst=80", actions, FIELD_NW_DST, NONE);
    compare("tcp,in_port=1,dl_vlan=4,nw_dst=10.0.0.1,tp_dst=80", actions, FIELD_VLAN, NONE);
    compare("tcp," UNTAGGED "nw_dst=10.0.0.1", actions, FIELD_NW_FRAG, NONE);
    const char *match = "tcp," UNTAGGED "nw_dst=10.0.0.1,tp_dst=80";
    compare(match, "output:2,mod_nw_tos:8,output:3", NONE, ACTION_SET_NW_SRC);
    compare(match, "output:4,mod_nw_tos:4,output:3", NONE, ACTION_OUTPUT);
    compare(match, "output:2", NONE, ACTION_OUTPUT);
    compare(match, "output:2,mod_nw_tos:4,output:3,output:4", NONE, ACTION_OUTPUT);
}

/* --- what was counted -------------------------------------------------------------------------------- */

static void
parts_are_told_apart_and_bytes_have_their_header(void **state)
{
    (void) state;
    struct hal_counters hw, sw;
    const struct flower_stats s = { .packets = 10, .bytes = 1000, .hw_packets = 4, .hw_bytes = 500,
                                    .known = true };
    flower_counters(&s, false, true, &hw, &sw);
    assert_int_equal(hw.packets, 4);
    assert_int_equal(hw.bytes, 500);
    assert_int_equal(sw.packets, 6);
    assert_int_equal(sw.bytes, 500 + 6 * 14);
    flower_counters(&s, true, false, &hw, &sw);
    assert_int_equal(hw.bytes, 500 + 4 * 18);
    assert_int_equal(sw.bytes, 500 + 6 * 18);
}

/* A terse dump's filter: flags, and an action with a cookie and statistics; more than 32 bits of
 * packets have a number behind each part. */
static const uint8_t terse[] __attribute__((aligned(8))) = {
    160, 0, 0, 0, RTM_NEWTFILTER, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0,
    0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff, 8, 0, 2, 0,
    11, 0, TCA_KIND, 0, 'f', 'l', 'o', 'w', 'e', 'r', 0, 0,
    112, 0, TCA_OPTIONS, 0,
    8, 0, TCA_FLOWER_FLAGS, 0, 6, 0, 0, 0,
    100, 0, TCA_FLOWER_ACT, 0, 96, 0, 1, 0,
    9, 0, TCA_ACT_KIND, 0, 'g', 'a', 'c', 't', 0, 0, 0, 0,
    68, 0, TCA_ACT_STATS, 0,
    20, 0, 1, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
    12, 0, 8, 0, 5, 0, 0, 0, 1, 0, 0, 0,
    20, 0, 7, 0, 0xf4, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    12, 0, 8, 0, 3, 0, 0, 0, 1, 0, 0, 0,
    12, 0, TCA_ACT_COOKIE, 0, 'T', 'R', 'N', 'T', 1, 0, 0, 9,
};

static void
terse_dumps_have_cookie_and_statistics(void **state)
{
    (void) state;
    struct flower_filter f;
    assert_int_equal(sizeof terse, 160);
    assert_int_equal(flower_decode((const struct nlmsghdr *) terse, sizeof terse, &f), 0);
    assert_true(f.terse);
    assert_int_equal(f.place.ifindex, 9);
    assert_int_equal(f.place.handle, 3);
    assert_int_equal(f.place.prio, 2);
    assert_int_equal(f.place.protocol, 0x800);
    assert_int_equal(f.flags, TCA_CLS_FLAGS_SKIP_SW | TCA_CLS_FLAGS_IN_HW);
    assert_int_equal(f.ops.n_ops, 0);
    assert_int_equal(f.cookie_size, 8);
    assert_memory_equal(f.cookie, "TRNT\1\0\0\11", 8);
    assert_int_equal(f.stats.packets, (UINT64_C(1) << 32) + 5);
    assert_int_equal(f.stats.bytes, 1000);
    assert_int_equal(f.stats.hw_packets, (UINT64_C(1) << 32) + 3);
    assert_int_equal(f.stats.hw_bytes, 500);
}

/* --- the kernel's words ------------------------------------------------------------------------------ */

/* The kernel's answer to a skip_sw filter that a NIC's driver refused. The request is left out but for its header. */
static const uint8_t refusal_of_a_nic[] __attribute__((aligned(8))) = {
    56, 0, 0, 0, 2, 0, 0, 3, 5, 0, 0, 0, 1, 0, 0, 0,
    0xa1, 0xff, 0xff, 0xff, 120, 0, 0, 0, RTM_NEWTFILTER, 0, 5, 6, 5, 0, 0, 0, 0, 0, 0, 0,
    20, 0, NLMSGERR_ATTR_MSG, 0, 'n', 'o', ' ', 's', 'u', 'c', 'h', ' ', 'f', 'i', 'e', 'l', 'd', 's', '!', 0,
};
/* One about an attribute: the request is there. */
static const uint8_t refusal_of_an_attribute[] __attribute__((aligned(8))) = {
    52, 0, 0, 0, 2, 0, 0, 2, 6, 0, 0, 0, 1, 0, 0, 0,
    0xea, 0xff, 0xff, 0xff, 24, 0, 0, 0, RTM_NEWTFILTER, 0, 5, 6, 6, 0, 0, 0, 0, 0, 0, 0,
    1, 2, 3, 4, 5, 6, 7, 8, 8, 0, NLMSGERR_ATTR_OFFS, 0, 36, 0, 0, 0,
};

static void
errors_have_the_words_of_who_refused(void **state)
{
    (void) state;
    struct flower_error e;
    const struct nlmsghdr *nlh = (const struct nlmsghdr *) refusal_of_a_nic;
    assert_int_equal(flower_error_decode(nlh, sizeof refusal_of_a_nic, &e), 0);
    assert_int_equal(e.error, EOPNOTSUPP);
    assert_int_equal(e.seq, 5);
    assert_string_equal(e.words, "no such fields!");
    assert_false(e.has_offset);
    nlh = (const struct nlmsghdr *) refusal_of_an_attribute;
    assert_int_equal(flower_error_decode(nlh, sizeof refusal_of_an_attribute, &e), 0);
    assert_int_equal(e.error, EINVAL);
    assert_true(e.has_offset);
    assert_int_equal(e.offset, 36);
    assert_string_equal(e.words, "");
}

static void
answers_that_are_none_are_told_apart(void **state)
{
    (void) state;
    struct flower_error e;
    struct flower_filter f;
    _Alignas(8) uint8_t copy[sizeof refusal_of_a_nic];
    struct nlmsghdr *nlh = (struct nlmsghdr *) copy;
    memcpy(copy, refusal_of_a_nic, sizeof copy);
    for (size_t size = 0; size < sizeof copy; size++) {
        assert_int_equal(flower_error_decode(nlh, size, &e), -EBADMSG);
    }
    assert_int_equal(flower_decode(nlh, sizeof copy, &f), -ENOMSG);
    copy[19] = 0;                         /* an error that is positive */
    assert_int_equal(flower_error_decode(nlh, sizeof copy, &e), -EBADMSG);
    memset(copy + 16, 0, 4);              /* done, with a warning */
    assert_int_equal(flower_error_decode(nlh, sizeof copy, &e), 0);
    assert_int_equal(e.error, 0);
    assert_string_equal(e.words, "no such fields!");
    copy[40] = '\n';                      /* nothing that a terminal would obey */
    copy[55] = 'x';
    assert_int_equal(flower_error_decode(nlh, sizeof copy, &e), 0);
    assert_string_equal(e.words, "?o such fields!x");
    assert_int_equal(flower_error_decode((const struct nlmsghdr *) terse, sizeof terse, &e), -ENOMSG);
}

/* A filter that was added without skip_sw, with the reason why hardware has it not. */
static void
a_warning_comes_with_the_filter(void **state)
{
    (void) state;
    _Alignas(8) uint8_t with[sizeof terse + 24] = { 0 };
    static const uint8_t warning[24] = { 22, 0, 16, 0, 's', 'i', 'm', 'n', 'i', 'c', ':', ' ', 'n', 'o',
                                         ' ', 'r', 'o', 'o', 'm', '.', '.', '\0' };
    struct nlmsghdr *nlh = (struct nlmsghdr *) with;
    struct flower_filter f;
    memcpy(with, terse, sizeof terse);
    memcpy(with + sizeof terse, warning, sizeof warning);
    nlh->nlmsg_len = sizeof with;
    assert_int_equal(flower_decode(nlh, sizeof with, &f), 0);
    assert_string_equal(f.warning, "simnic: no room..");
}

/* Chains and prios come without a handle, other classifiers with nothing that is read. */
static void
what_is_no_flower_is_only_named(void **state)
{
    (void) state;
    _Alignas(8) uint8_t copy[sizeof terse];
    struct nlmsghdr *nlh = (struct nlmsghdr *) copy;
    struct flower_filter f;
    memcpy(copy, terse, sizeof copy);
    memset(copy + 24, 0, 4);
    assert_int_equal(flower_decode(nlh, sizeof copy, &f), -ENOMSG);
    memcpy(copy, terse, sizeof copy);
    memcpy(copy + 40, "matchl", 6);
    assert_int_equal(flower_decode(nlh, sizeof copy, &f), 0);
    assert_string_equal(f.kind, "matchl");
    assert_false(f.stats.known);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_said_is_refused_with_its_reason),
        cmocka_unit_test(a_refusal_names_the_port),
        cmocka_unit_test(a_shared_block_has_no_ingress_port),
        cmocka_unit_test(actions_are_counted),
        cmocka_unit_test(lists_become_what_is_seen_of_them),
        cmocka_unit_test(queues_are_priorities),
        cmocka_unit_test(filters_of_ports_take_no_fragments),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(parts_are_told_apart_and_bytes_have_their_header),
        cmocka_unit_test(terse_dumps_have_cookie_and_statistics),
        cmocka_unit_test(errors_have_the_words_of_who_refused),
        cmocka_unit_test(answers_that_are_none_are_told_apart),
        cmocka_unit_test(a_warning_comes_with_the_filter),
        cmocka_unit_test(what_is_no_flower_is_only_named),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
