/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as bytes. What the kernel says of an entry was recorded from a Linux 6.1 (x86-64). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "drivers/switchdev/msg.h"

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
#define IFINFO(FAMILY, INDEX) FAMILY, 0, 0, 0, INDEX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
/* Of the family of bridges (7). */
#define NDMSG(INDEX, STATE, FLAGS) 7, 0, 0, 0, INDEX, 0, 0, 0, STATE, 0, FLAGS, 0
#define ADDRESS 10, 0, 2, 0, 2, 0, 0, 0, 0, 2, 0, 0
#define VLAN_10 6, 0, 5, 0, 10, 0, 0, 0
#define OF_BRIDGE_9 8, 0, 9, 0, 9, 0, 0, 0

static const struct switchdev_fdb entry = { .addr = { 2, 0, 0, 0, 0, 2 }, .vid = 10, .ifindex = 7 };

static void
the_bridge_does_nothing_by_itself(void **state)
{
    (void) state;
    /* CREATE and EXCL; no spanning tree, VLANs told apart, no snooping, no VLAN for new ports. */
    expect_message(switchdev_msg_add_bridge("tnbr0"), HEADER(96, 16, 1, 6), IFINFO(0, 0),
                   10, 0, 3, 0, 't', 'n', 'b', 'r', '0', 0, 0, 0, 52, 0, 18, 0x80,
                   11, 0, 1, 0, 'b', 'r', 'i', 'd', 'g', 'e', 0, 0, 36, 0, 2, 0x80,
                   8, 0, 5, 0, 0, 0, 0, 0, 5, 0, 7, 0, 1, 0, 0, 0,
                   5, 0, 23, 0, 0, 0, 0, 0, 6, 0, 39, 0, 0, 0, 0, 0);
    expect_message(switchdev_msg_set_alias(9, "ours"), HEADER(44, 19, 1, 0), IFINFO(0, 9),
                   9, 0, 20, 0, 'o', 'u', 'r', 's', 0, 0, 0, 0);
    expect_message(switchdev_msg_del_link(9), HEADER(32, 17, 1, 0), IFINFO(0, 9));
    expect_message(switchdev_msg_get_link(7), HEADER(32, 18, 1, 0), IFINFO(0, 7));
}

static void
its_ports_learn_and_flood_nothing(void **state)
{
    (void) state;
    expect_message(switchdev_msg_set_master(7, 9), HEADER(40, 19, 1, 0), IFINFO(0, 7),
                   8, 0, 10, 0, 9, 0, 0, 0);
    expect_message(switchdev_msg_set_learning(7, false), HEADER(44, 19, 1, 0), IFINFO(7, 7),
                   12, 0, 12, 0x80, 5, 0, 8, 0, 0, 0, 0, 0);
    expect_message(switchdev_msg_set_flooding(7, false), HEADER(60, 19, 1, 0), IFINFO(7, 7),
                   28, 0, 12, 0x80, 5, 0, 9, 0, 0, 0, 0, 0, 5, 0, 27, 0, 0, 0, 0, 0,
                   5, 0, 30, 0, 0, 0, 0, 0);
    /* IFLA_BRPORT_STATE: BR_STATE_DISABLED. */
    expect_message(switchdev_msg_disable(7), HEADER(44, 19, 1, 0), IFINFO(7, 7),
                   12, 0, 12, 0x80, 5, 0, 1, 0, 0, 0, 0, 0);
    /* PVID and UNTAGGED; a range, whose frames have tags. */
    expect_message(switchdev_msg_add_vlans(7, 1, 1, true), HEADER(44, 19, 1, 0), IFINFO(7, 7),
                   12, 0, 26, 0x80, 8, 0, 2, 0, 6, 0, 1, 0);
    expect_message(switchdev_msg_add_vlans(7, 10, 19, false), HEADER(52, 19, 1, 0), IFINFO(7, 7),
                   20, 0, 26, 0x80, 8, 0, 2, 0, 8, 0, 10, 0, 8, 0, 2, 0, 16, 0, 19, 0);
}

static void
entries_are_static_and_never_replace_another(void **state)
{
    (void) state;
    /* NUD_NOARP, NTF_MASTER. */
    expect_message(switchdev_msg_add_fdb(&entry), HEADER(48, 28, 1, 6), NDMSG(7, 64, 4), ADDRESS,
                   VLAN_10);
    expect_message(switchdev_msg_del_fdb(&entry), HEADER(48, 29, 1, 0), NDMSG(7, 0, 4), ADDRESS,
                   VLAN_10);
    expect_message(switchdev_msg_get_fdb(9, entry.addr, 10), HEADER(56, 30, 1, 0), NDMSG(0, 0, 0),
                   ADDRESS, VLAN_10, OF_BRIDGE_9);
    expect_message(switchdev_msg_dump_fdb(9), HEADER(36, 30, 1, 3), NDMSG(0, 0, 0), OF_BRIDGE_9);
}

/* The kernel's answer to the question above; the flags say whether a device has the entry. */
#define ANSWER(TYPE, STATE, FLAGS)                                                        \
    { 76, 0, 0, 0, TYPE, 0, 0, 0, 1, 0, 0, 0, 125, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, STATE, 0, FLAGS, \
      0, ADDRESS, 8, 0, 9, 0, 2, 0, 0, 0, 20, 0, 3, 0, 0, 0, 0, 0, 146, 0, 0, 0, 146, 0, 0, 0, 0, 0, \
      0, 0, VLAN_10 }

static void
what_the_kernel_says_of_an_entry_is_read(void **state)
{
    (void) state;
    static const uint8_t answers[][76] __attribute__((aligned(4))) = {
        ANSWER(28, 64, 0), ANSWER(28, 64, 1 << 5), ANSWER(28, 2, 0), ANSWER(29, 64, 0),
        ANSWER(24, 64, 0) };
    struct switchdev_fdb f;
    assert_true(switchdev_msg_read_fdb((const void *) answers[0], &f));
    assert_memory_equal(f.addr, entry.addr, sizeof f.addr);
    assert_int_equal(f.vid, 10);
    assert_int_equal(f.ifindex, 4);
    assert_int_equal(f.bridge, 2);
    assert_true(f.is_static);
    assert_false(f.offloaded);
    assert_true(switchdev_msg_read_fdb((const void *) answers[1], &f));
    assert_true(f.offloaded);
    assert_true(switchdev_msg_read_fdb((const void *) answers[2], &f));
    assert_false(f.is_static);                   /* learnt */
    f.vid = 0;
    assert_true(switchdev_msg_read_fdb((const void *) answers[3], &f));
    assert_int_equal(f.vid, 10);                 /* it is gone */
    assert_false(switchdev_msg_read_fdb((const void *) answers[4], &f));
}

static void
what_is_cut_off_is_no_entry(void **state)
{
    (void) state;
    static const uint8_t whole[] __attribute__((aligned(4))) = ANSWER(28, 64, 0);
    for (uint8_t size = 16; size < sizeof whole; size += 4) {
        uint8_t *cut = test_malloc(size);
        struct switchdev_fdb f = { .vid = 77 };
        memcpy(cut, whole, size);
        cut[0] = size;
        bool read = switchdev_msg_read_fdb((const void *) cut, &f);
        assert_true(read ? size >= 40 && f.ifindex == 4 : f.vid == 77);
        test_free(cut);
    }
}

/* Of what the kernel says of a device, what is looked at: a port of a switch. */
static void
what_the_kernel_says_of_a_port_is_read(void **state)
{
    (void) state;
    static const uint8_t link[] __attribute__((aligned(4))) = {
        HEADER(92, 16, 0, 0), IFINFO(0, 7), 9, 0, 3, 0, 's', 'w', 'p', '1', 0, 0, 0, 0,
        8, 0, 10, 0, 9, 0, 0, 0, 12, 0, 36, 0, 2, 0x52, 0x4f, 0x43, 0, 1, 0, 0,
        7, 0, 38, 0, 'p', '1', 0, 0, 16, 0, 18, 0x80, 11, 0, 1, 0, 'b', 'r', 'i', 'd', 'g', 'e', 0, 0,
        4, 0, 50, 0 };
    static const uint8_t id[] = { 2, 0x52, 0x4f, 0x43, 0, 1, 0, 0 };
    struct switchdev_link l;
    assert_true(switchdev_msg_read_link((const void *) link, &l));
    assert_string_equal(l.name, "swp1");
    assert_string_equal(l.kind, "bridge");
    assert_string_equal(l.alias, "");
    assert_string_equal(l.port_name, "p1");
    assert_int_equal(l.switch_id_size, sizeof id);
    assert_memory_equal(l.switch_id, id, sizeof id);
    assert_int_equal(l.ifindex, 7);
    assert_int_equal(l.master, 9);
    assert_false(l.up);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bridge_does_nothing_by_itself),
        cmocka_unit_test(its_ports_learn_and_flood_nothing),
        cmocka_unit_test(entries_are_static_and_never_replace_another),
        cmocka_unit_test(what_the_kernel_says_of_an_entry_is_read),
        cmocka_unit_test(what_is_cut_off_is_no_entry),
        cmocka_unit_test(what_the_kernel_says_of_a_port_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int
main(void)
{
    return 77;      /* the bytes above are those of a little-endian machine */
}

#endif
