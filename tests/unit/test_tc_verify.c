/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/tc/tc.h"
#include "tests/unit/flower_rig.h"

static struct tc tc;

/* The shape of an entry if it is to be looked at. */
static uint64_t
wanted(const char *match_text, const char *actions)
{
    struct flow_match match;
    union flower_rig_list list;
    flower_rig_match(match_text, &match);
    flower_rig_actions(actions, &list);
    return tc_shape_to_verify(&tc, &(struct hal_entry) { .match = &match, .actions = &list.list });
}

static int
forget(void **state)
{
    (void) state;
    tc = (struct tc) { .n_unseen = 0 };
    return 0;
}

static void
until_one_was_right_all_are_looked_at(void **state)
{
    (void) state;
    const char *one = "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7";
    const char *other = "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.2,tp_src=8";
    uint64_t shape = wanted(one, "output:2");
    assert_true(shape);
    assert_int_equal(wanted(one, "output:2"), shape);
    assert_int_equal(wanted(other, "output:3"), shape);
    tc_shape_is_verified(&tc, 0);
    assert_int_equal(wanted(one, "output:2"), shape);
    tc_shape_is_verified(&tc, shape);
    assert_false(wanted(one, "output:2"));
    assert_false(wanted(other, "output:3"));
}

static void
another_shape_is_looked_at(void **state)
{
    (void) state;
    static const char *const others[][2] = {
        { "tcp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7", "output:2" },
        { "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.0/24,tp_src=7", "output:2" },
        { "udp,in_port=1,dl_vlan=5,nw_src=10.0.0.1,tp_src=7", "output:2" },
        { "udp,in_port=1,vlan_tci=0,nw_dst=10.0.0.1,tp_src=7", "output:2" },
        { "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7", "output:2,output:3" },
        { "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7", "mod_nw_tos:4,output:2" },
        { "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7", "" },
    };
    tc_shape_is_verified(&tc, wanted("udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7", "output:2"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_true(wanted(others[i][0], others[i][1]));
    }
}

static void
now_and_then_one_is_looked_at(void **state)
{
    (void) state;
    const char *match = "udp,in_port=1,vlan_tci=0,nw_src=10.0.0.1,tp_src=7";
    tc_shape_is_verified(&tc, wanted(match, "output:2"));
    unsigned n = 0;
    for (unsigned i = 0; i < 640; i++) {
        n += wanted(match, "output:2") != 0;
    }
    assert_int_equal(n, 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(until_one_was_right_all_are_looked_at, forget),
        cmocka_unit_test_setup(another_shape_is_looked_at, forget),
        cmocka_unit_test_setup(now_and_then_one_is_looked_at, forget),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
