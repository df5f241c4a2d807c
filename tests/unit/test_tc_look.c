/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev/link_detail.h"
#include "lib/netdev/rtnl.h"
#include "lib/netdev/tc_look.h"
#include "tests/unit/golden_discovery.h"

static const struct nlmsghdr *
message(const uint8_t *bytes)
{
    return (const void *) bytes;
}

static void
a_filter_has_a_place(void **state)
{
    (void) state;
    struct tc_filter filter;
    assert_int_equal(tc_look_parse_filter(message(golden_filter), &filter), 0);
    assert_string_equal(filter.kind, "flower");
    assert_int_equal(filter.prio, 1);
    assert_int_equal(filter.protocol, 0x0800);
    assert_int_equal(filter.chain, 0);
    assert_int_equal(filter.handle, 1);
    assert_false(filter.ours);
    /* What stands for a priority is no filter. */
    assert_int_equal(tc_look_parse_filter(message(golden_filter_chain), &filter), -EINVAL);
    assert_int_equal(tc_look_parse_filter(message(golden_qdisc_clsact), &filter), -EINVAL);
}

/* A flower filter whose second action has a cookie. */
static bool
is_ours(const void *cookie, int size)
{
    struct tcmsg tc = { .tcm_handle = 1, .tcm_info = 0x00050008 };
    struct nl_msg *msg = rtnl_msg_new(RTM_NEWTFILTER, 0, &tc, sizeof tc);
    struct tc_filter filter;
    nla_put_string(msg, TCA_KIND, "flower");
    struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
    struct nlattr *actions = nla_nest_start(msg, TCA_FLOWER_ACT);
    for (int i = 1; i <= 2; i++) {
        struct nlattr *action = nla_nest_start(msg, i);
        nla_put_string(msg, TCA_ACT_KIND, "gact");
        if (i == 2) {
            nla_put(msg, TCA_ACT_COOKIE, size, cookie);
        }
        nla_nest_end(msg, action);
    }
    nla_nest_end(msg, actions);
    nla_nest_end(msg, options);
    assert_int_equal(tc_look_parse_filter(nlmsg_hdr(msg), &filter), 0);
    nlmsg_free(msg);
    return filter.ours;
}

static void
a_cookie_says_whose_it_is(void **state)
{
    (void) state;
    assert_true(is_ours("TRNT\1\0\0\0" "12345678", 16));
    assert_true(is_ours("TRNT", 4));
    assert_false(is_ours("TRN", 3));
    assert_false(is_ours("OVS!\1\0\0\0" "12345678", 16));
}

static void
qdiscs_are_told_apart(void **state)
{
    (void) state;
    struct tc_look look = { .ingress = TC_INGRESS_NONE };
    assert_int_equal(tc_look_parse_qdisc(message(golden_qdisc_root), 2, &look), -EINVAL);
    assert_int_equal(tc_look_parse_qdisc(message(golden_qdisc_clsact), 3, &look), -EINVAL);
    assert_int_equal(look.ingress, TC_INGRESS_NONE);
    assert_int_equal(tc_look_parse_qdisc(message(golden_qdisc_clsact), 2, &look), 0);
    assert_int_equal(look.ingress, TC_INGRESS_CLSACT);
    assert_int_equal(look.ingress_block, 0);
}

static void
a_link_says_whose_port_it_is(void **state)
{
    (void) state;
    struct link_detail link;
    assert_int_equal(link_detail_parse(message(golden_link), &link), 0);
    assert_string_equal(link.info.name, "p2");
    assert_true(link.info.up);
    assert_false(link.loopback);
    assert_string_equal(link.port_name, "pf0vf2");
    assert_int_equal(link.switch_id_len, 4);
    assert_memory_equal(link.switch_id, "SIM\1", 4);
    assert_string_equal(link.parent_bus, "platform");
    assert_string_equal(link.parent_dev, "simnic.0");
    assert_int_equal(link.xdp_mode, 0);
    assert_string_equal(link.master_kind, "");
    assert_int_equal(link_detail_parse(message(golden_filter), &link), -EINVAL);
}

static void
read_as_all(const uint8_t *bytes, size_t size)
{
    struct nlmsghdr *copy = malloc(size);
    struct tc_filter filter;
    struct tc_look look;
    struct link_detail link;
    memcpy(copy, bytes, size);
    copy->nlmsg_len = (uint32_t) size;
    tc_look_parse_filter(copy, &filter);
    tc_look_parse_qdisc(copy, 2, &look);
    link_detail_parse(copy, &link);
    free(copy);
}

static void
cut_and_broken_messages_do_no_harm(void **state)
{
    (void) state;
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } all[] = {
        { golden_filter, sizeof golden_filter }, { golden_qdisc_clsact, sizeof golden_qdisc_clsact },
        { golden_link, sizeof golden_link },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t size = sizeof(struct nlmsghdr); size <= all[i].size; size++) {
            read_as_all(all[i].bytes, size);
        }
        for (size_t at = sizeof(struct nlmsghdr); at < all[i].size; at++) {
            static const uint8_t wrong[] = { 0, 1, 3, 0x7f, 0xff };
            uint8_t bytes[1024];
            assert_true(all[i].size <= sizeof bytes);
            for (size_t k = 0; k < sizeof wrong; k++) {
                memcpy(bytes, all[i].bytes, all[i].size);
                bytes[at] = wrong[k];
                read_as_all(bytes, all[i].size);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_has_a_place),
        cmocka_unit_test(a_cookie_says_whose_it_is),
        cmocka_unit_test(qdiscs_are_told_apart),
        cmocka_unit_test(a_link_says_whose_port_it_is),
        cmocka_unit_test(cut_and_broken_messages_do_no_harm),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
