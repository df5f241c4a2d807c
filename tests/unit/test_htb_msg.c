/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as bytes. Those that the kernel sends were recorded from a Linux 6.18 (x86-64). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/gen_stats.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "lib/netdev/htb_msg.h"
#include "lib/netdev/rtnl.h"

/* Everything is in the byte order of the machine. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#define expect_message(MSG, ...)                                                          \
    do {                                                                                  \
        static const uint8_t expected[] = { __VA_ARGS__ };                                \
        struct nl_msg *message = (MSG);                                                   \
        assert_non_null(message);                                                         \
        assert_int_equal(nlmsg_hdr(message)->nlmsg_len, sizeof expected);                 \
        assert_memory_equal(nlmsg_hdr(message), expected, sizeof expected);               \
        nlmsg_free(message);                                                              \
    } while (0)

/* The sequence number is 1, no port: lib/netdev/rtnl.c. */
#define HEADER(SIZE, TYPE, FLAGS_LOW, FLAGS_HIGH)                                         \
    SIZE, 0, 0, 0, TYPE, 0, FLAGS_LOW, FLAGS_HIGH, 1, 0, 0, 0, 0, 0, 0, 0
/* Device 7. */
#define TCMSG(HANDLE_MINOR, HANDLE_MAJOR, PARENT_MINOR, PARENT_MAJOR)                     \
    0, 0, 0, 0, 7, 0, 0, 0, HANDLE_MINOR, HANDLE_MAJOR, PARENT_MINOR, PARENT_MAJOR, 0, 0, 0, 0
#define U16(HIGH, LOW) LOW, HIGH
#define OURS U16(0x74, 0x72)
#define NOTHING U16(0, 0)
#define ROOT U16(0xff, 0xff)
#define KIND_HTB 8, 0, 1, 0, 'h', 't', 'b', 0

static void
requests_are_as_the_kernel_wants_them(void **state)
{
    (void) state;
    expect_message(htb_msg_get_root(7), HEADER(36, 38, 0x09, 0),
                   TCMSG(NOTHING, NOTHING, ROOT, ROOT));
    expect_message(htb_msg_del_root(7), HEADER(36, 37, 1, 0), TCMSG(NOTHING, OURS, ROOT, ROOT));
    expect_message(htb_msg_del_class(7, 3), HEADER(36, 41, 1, 0),
                   TCMSG(U16(0, 3), OURS, NOTHING, NOTHING));
    expect_message(htb_msg_dump_classes(7), HEADER(36, 42, 1, 3),
                   TCMSG(NOTHING, NOTHING, NOTHING, OURS));
    /* CREATE and EXCL: never in place of another's. Version 3, the mark, default ffff. */
    expect_message(htb_msg_add_root(7), HEADER(72, 36, 1, 6), TCMSG(NOTHING, OURS, ROOT, ROOT),
                   KIND_HTB, 28, 0, 2, 0x80, 24, 0, 2, 0, 3, 0, 0, 0, 'Q', 'n', 'r', 't',
                   0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void
a_class_has_rates_and_bursts(void **state)
{
    (void) state;
    /* 1 and 10 Mbit/s; 16384 bytes take 131.072 and 13.1072 ms, in ticks of 64 ns. */
    const struct htb_rates both = { .rate = 125000, .ceil = 1250000 };
    expect_message(htb_msg_class(7, 3, &both, false), HEADER(96, 40, 1, 6),
                   TCMSG(U16(0, 3), OURS, U16(0xff, 0xfe), OURS), KIND_HTB, 52, 0, 2, 0x80,
                   48, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x48, 0xe8, 1, 0,
                   0, 1, 0, 0, 0, 0, 0, 0, 0xd0, 0x12, 0x13, 0, 0, 0x40, 0x1f, 0, 0, 0x20, 3, 0,
                   0x40, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    /* Nothing for sure is 1000 bytes a second; 40 Gbit/s is more than 32 bits of bytes. */
    const struct htb_rates fast = { .ceil = UINT64_C(5000000000), .burst = 1500 };
    expect_message(htb_msg_class(7, 3, &fast, true), HEADER(108, 40, 1, 0),
                   TCMSG(U16(0, 3), OURS, U16(0xff, 0xfe), OURS), KIND_HTB, 64, 0, 2, 0x80,
                   48, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0,
                   0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xa0, 0x65, 1, 4, 0, 0, 0,
                   0x40, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   12, 0, 7, 0, 0, 0xf2, 5, 0x2a, 1, 0, 0, 0);
}

static void
the_inner_class_is_below_the_root(void **state)
{
    (void) state;
    static const struct htb_rates none;
    struct nl_msg *msg = htb_msg_class(7, HTB_MINOR_INNER, &none, false);
    const struct tcmsg *tc = nlmsg_data(nlmsg_hdr(msg));
    assert_int_equal(tc->tcm_handle, 0x7472fffe);
    assert_int_equal(tc->tcm_parent, 0x74720000);
    nlmsg_free(msg);
    assert_int_equal(htb_priority(3), 0x74720003);
}

/* What the kernel says of "noqueue", ours, and "tbf". */
static const uint8_t of_noqueue[] = {
    0x38, 0, 0, 0, 0x24, 0, 0, 0, 1, 0, 0, 0, 0x50, 0x5d, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
    0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 12, 0, 1, 0, 'n', 'o', 'q', 'u', 'e', 'u', 'e',
    0, 5, 0, 12, 0, 0, 0, 0, 0,
};
static const uint8_t of_ours[] = {
    0x58, 0, 0, 0, 0x24, 0, 0, 0, 1, 0, 0, 0, 0xa9, 0x5d, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
    0, 0, 0x72, 0x74, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 8, 0, 1, 0, 'h', 't', 'b', 0,
    0x24, 0, 2, 0, 0x18, 0, 2, 0, 0x11, 0, 3, 0, 0x51, 0x6e, 0x72, 0x74,
    0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 5, 0, 0xe8, 3, 0, 0, 5, 0, 12, 0, 0, 0, 0, 0,
};
static const uint8_t of_tbf[] = {
    0x34, 0, 0, 0, 0x24, 0, 0, 0, 1, 0, 0, 0, 0xd3, 0x5d, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
    0, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 8, 0, 1, 0, 't', 'b', 'f', 0,
    5, 0, 12, 0, 0, 0, 0, 0,
};

/* Reads a copy with the byte at 'at' changed, which says if it is still ours. */
static enum htb_owner
read_root(const uint8_t *bytes, size_t size, size_t at, uint8_t change, struct htb_root *root)
{
    _Alignas(8) uint8_t copy[128] = { 0 };
    memcpy(copy, bytes, size);
    copy[at] ^= change;
    *root = (struct htb_root) { .owner = HTB_OWNER_KERNEL };
    htb_msg_read_root((struct nlmsghdr *) copy, root);
    return root->owner;
}

static void
a_root_qdisc_has_an_owner(void **state)
{
    (void) state;
    struct htb_root root;
    assert_int_equal(read_root(of_noqueue, sizeof of_noqueue, 0, 0, &root), HTB_OWNER_KERNEL);
    assert_string_equal(root.kind, "noqueue");
    assert_int_equal(read_root(of_tbf, sizeof of_tbf, 0, 0, &root), HTB_OWNER_OTHER);
    assert_string_equal(root.kind, "tbf");
    assert_int_equal(root.handle, 0x50000);
    assert_int_equal(read_root(of_ours, sizeof of_ours, 0, 0, &root), HTB_OWNER_US);
    assert_int_equal(root.handle, 0x74720000);
}

static void
what_only_resembles_ours_is_another(void **state)
{
    (void) state;
    struct htb_root root;
    enum { HANDLE = 26, KIND = 40, SIZE_OF_INIT = 48, MARK = 56, DEFAULT_CLASS = 60 };
    static const size_t places[] = { HANDLE, KIND, SIZE_OF_INIT, MARK, DEFAULT_CLASS };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        assert_int_equal(read_root(of_ours, sizeof of_ours, places[i], 0x10, &root),
                         HTB_OWNER_OTHER);
    }
    /* Not a qdisc at all. */
    assert_int_equal(read_root(of_ours, sizeof of_ours, 4, 4, &root), HTB_OWNER_KERNEL);
    assert_string_equal(root.kind, "");
}

static const uint8_t of_class[] = {
    0xec, 0, 0, 0, 0x28, 0, 2, 0, 1, 0, 0, 0, 0xa9, 0x5d, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
    3, 0, 0x72, 0x74, 0xfe, 0xff, 0x72, 0x74, 0, 0, 0, 0, 8, 0, 1, 0, 'h', 't', 'b', 0,
    0x34, 0, 2, 0, 0x30, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x48, 0xe8, 1, 0,
    0, 1, 0, 0, 0, 0, 0, 0, 0xd0, 0x12, 0x13, 0, 0, 0x40, 0x1f, 0, 0, 0x20, 3, 0,
    0x40, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x48, 0, 7, 0, 0x14, 0, 1, 0, 0xf4, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
    0x18, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x18, 0, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 0x4c, 0x1e, 0, 0xb6, 8, 3, 0,
    0x2c, 0, 3, 0, 0xf4, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x18, 0, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 0x4c, 0x1e, 0, 0xb6, 8, 3, 0,
};

static void
a_class_tells_what_it_has_sent(void **state)
{
    (void) state;
    _Alignas(8) uint8_t copy[sizeof of_class];
    struct htb_class_stats stats;
    assert_int_equal(sizeof of_class, 0xec);
    memcpy(copy, of_class, sizeof copy);
    assert_true(htb_msg_read_class((struct nlmsghdr *) copy, &stats));
    assert_int_equal(stats.minor, 3);
    assert_int_equal(stats.packets, 5);
    assert_int_equal(stats.bytes, 500);
    /* Another message or qdisc, no kind, no statistics, no or too short basic ones. */
    static const struct {
        size_t at;
        uint8_t change;
    } places[] = { { 4, 4 }, { 26, 4 }, { 38, 4 }, { 98, 4 }, { 102, 4 }, { 100, 0x18 } };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        copy[places[i].at] ^= places[i].change;
        assert_false(htb_msg_read_class((struct nlmsghdr *) copy, &stats));
        copy[places[i].at] ^= places[i].change;
    }
}

static void
packets_beyond_32_bits_are_all_told(void **state)
{
    (void) state;
    const struct tcmsg tc = { .tcm_handle = 0x74720005 };
    struct nl_msg *msg = rtnl_msg_new(RTM_NEWTCLASS, 0, &tc, sizeof tc);
    nla_put_string(msg, TCA_KIND, "htb");
    struct nlattr *nest = nla_nest_start(msg, TCA_STATS2);
    const struct gnet_stats_basic basic = { .bytes = UINT64_C(1) << 40, .packets = 7 };
    nla_put(msg, TCA_STATS_BASIC, sizeof basic, &basic);
    nla_put_u64(msg, TCA_STATS_PKT64, (UINT64_C(1) << 32) + 7);
    nla_nest_end(msg, nest);
    struct htb_class_stats stats;
    assert_true(htb_msg_read_class(nlmsg_hdr(msg), &stats));
    assert_true(stats.packets == (UINT64_C(1) << 32) + 7);
    assert_true(stats.bytes == UINT64_C(1) << 40);
    nlmsg_free(msg);
}

#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        cmocka_unit_test(requests_are_as_the_kernel_wants_them),
        cmocka_unit_test(a_class_has_rates_and_bursts),
        cmocka_unit_test(the_inner_class_is_below_the_root),
        cmocka_unit_test(a_root_qdisc_has_an_owner),
        cmocka_unit_test(what_only_resembles_ours_is_another),
        cmocka_unit_test(a_class_tells_what_it_has_sent),
        cmocka_unit_test(packets_beyond_32_bits_are_all_told),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
