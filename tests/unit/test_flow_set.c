/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "ofagent/flow_set.h"

static struct ofp_flow_mod mod;

/* An ADD that matches a destination of IPv4. */
static const struct ofp_flow_mod *
flow(uint32_t address, uint16_t priority, uint16_t out_port)
{
    memset(&mod, 0, offsetof(struct ofp_flow_mod, actions) + sizeof mod.actions[0]);
    mod.match.match.value.dl_type = be16_from_host(0x0800);
    mod.match.match.mask.bits.dl_type = be16_from_host(0xffff);
    mod.match.match.value.nw_dst.ip4 = be32_from_host(address);
    mod.match.match.mask.bits.nw_dst.ip4 = be32_from_host(UINT32_MAX);
    mod.priority = priority;
    mod.n_actions = 1;
    mod.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = out_port };
    return &mod;
}

static const struct flow_copy *
find(const struct flow_set *set, uint32_t address, uint16_t priority)
{
    flow(address, priority, 0);
    return flow_set_find(set, &mod.match, priority, false);
}

static void
flows_are_found_by_match_and_priority(void **state)
{
    (void) state;
    struct flow_set *set = flow_set_new(SIZE_MAX);
    assert_null(find(set, 1, 5));
    assert_null(flow_set_first(set));
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(flow_set_add(set, i + 1, flow(i, (uint16_t) (i % 7), 1)), 0);
    }
    assert_int_equal(flow_set_count(set), 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        const struct flow_copy *copy = find(set, i, (uint16_t) (i % 7));
        assert_non_null(copy);
        assert_int_equal(copy->line, i + 1);
    }
    assert_null(find(set, 1, 2));
    assert_null(find(set, 100000, 100000 % 7));
    flow_set_free(set);
}

static void
a_later_one_takes_the_place(void **state)
{
    (void) state;
    struct flow_set *set = flow_set_new(SIZE_MAX);
    flow_set_add(set, 1, flow(1, 5, 1));
    flow_set_add(set, 2, flow(2, 5, 1));
    flow_set_add(set, 3, flow(1, 5, 9));
    assert_int_equal(flow_set_count(set), 2);
    const struct flow_copy *copy = find(set, 1, 5);
    assert_int_equal(copy->line, 3);
    assert_int_equal(copy->actions[0].output.port, 9);
    const struct flow_copy *first = flow_set_first(set);
    assert_true(first->superseded);
    assert_false(first->next->superseded);
    assert_ptr_equal(first->next->next, copy);
    assert_null(copy->next);
    flow_set_free(set);
}

static void
without_wildcards_the_priority_counts_for_nothing(void **state)
{
    (void) state;
    struct flow_set *set = flow_set_new(SIZE_MAX);
    flow(1, 5, 1);
    mod.match.exact = true;
    flow_set_add(set, 1, &mod);
    assert_null(find(set, 1, 5));
    flow(1, 6, 1);
    mod.match.exact = true;
    assert_non_null(flow_set_find(set, &mod.match, 6, false));
    flow_set_add(set, 2, &mod);
    assert_int_equal(flow_set_count(set), 1);
    assert_int_equal(flow_set_find(set, &mod.match, 7, false)->priority, 6);
    flow_set_free(set);
}

static void
emergency_flows_are_apart(void **state)
{
    (void) state;
    struct flow_set *set = flow_set_new(SIZE_MAX);
    flow(1, 5, 1);
    mod.flags = OFPFF_EMERG | OFPFF_SEND_FLOW_REM;
    flow_set_add(set, 1, &mod);
    assert_null(find(set, 1, 5));
    flow_set_add(set, 2, flow(1, 5, 2));
    assert_int_equal(flow_set_count(set), 2);
    assert_int_equal(find(set, 1, 5)->line, 2);
    assert_int_equal(flow_set_find(set, &mod.match, 5, true)->line, 1);
    assert_int_equal(flow_set_first(set)->flags, OFPFF_EMERG);
    flow_set_free(set);
}

static void
memory_has_a_bound(void **state)
{
    (void) state;
    struct flow_set *set = flow_set_new(100 * (sizeof(struct flow_copy) + 16));
    int error = 0;
    uint32_t n = 0;
    while (!error && n < 1000) {
        error = flow_set_add(set, 0, flow(n++, 1, 1));
    }
    assert_int_equal(error, -E2BIG);
    assert_true(n > 90 && n <= 110);
    assert_int_equal(flow_set_count(set), n - 1);
    assert_null(find(set, n - 1, 1));
    assert_non_null(find(set, n - 2, 1));
    flow_set_free(set);
}

static void
what_is_copied_is_asked_for_again(void **state)
{
    (void) state;
    static struct ofp_flow_mod again;
    struct flow_set *set = flow_set_new(SIZE_MAX);
    flow(7, 8, 9);
    mod.cookie = 10;
    mod.idle_timeout = 11;
    mod.hard_timeout = 12;
    mod.flags = OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP;
    flow_set_add(set, 1, &mod);
    flow_copy_to_mod(flow_set_first(set), &again);
    assert_memory_equal(&again.match, &mod.match, sizeof mod.match);
    assert_int_equal(again.cookie, 10);
    assert_int_equal(again.idle_timeout, 11);
    assert_int_equal(again.hard_timeout, 12);
    assert_int_equal(again.priority, 8);
    assert_int_equal(again.flags, OFPFF_SEND_FLOW_REM);
    assert_int_equal(again.command, OFPFC_ADD);
    assert_int_equal(again.out_port, PORT_NONE);
    assert_int_equal(again.buffer_id, OFP_NO_BUFFER);
    assert_int_equal(again.n_actions, 1);
    assert_int_equal(again.actions[0].output.port, 9);
    flow_set_free(set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_are_found_by_match_and_priority),
        cmocka_unit_test(a_later_one_takes_the_place),
        cmocka_unit_test(without_wildcards_the_priority_counts_for_nothing),
        cmocka_unit_test(emergency_flows_are_apart),
        cmocka_unit_test(memory_has_a_bound),
        cmocka_unit_test(what_is_copied_is_asked_for_again),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
