/* SPDX-License-Identifier: Apache-2.0 */
/* When flows of single ports are what an entry of a bridge does for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "drivers/switchdev/table.h"

static const uint8_t addr[] = { 2, 0, 0, 0, 0, 2 };
static const uint16_t ports[] = { 1, 2, 3 };

static int
setup(void **state)
{
    *state = calloc(1, sizeof(struct switchdev_table));
    return *state ? 0 : -1;
}

static int
teardown(void **state)
{
    switchdev_table_clear(*state);
    free(*state);
    return 0;
}

static struct switchdev_group *
group(struct switchdev_table *t)
{
    return switchdev_group_find(t, 10, addr, true);
}

static struct switchdev_entry *
put(struct switchdev_table *t, uint16_t in_port, uint16_t output)
{
    struct switchdev_entry *e = switchdev_entry_new(t, group(t), in_port, output);
    assert_non_null(e);
    return e;
}

/* 0: it agrees; else the port that does not. */
static uint16_t
odd_one(struct switchdev_table *t, uint16_t wanted_output)
{
    uint16_t output, odd;
    bool agrees = switchdev_group_agrees(group(t), ports, 3, &output, &odd);
    assert_int_equal(output, wanted_output);
    assert_int_equal(agrees, output && !odd);
    return odd;
}

static void
all_ports_have_to_send_to_the_same(void **state)
{
    struct switchdev_table *t = *state;
    assert_int_equal(odd_one(t, 0), 0);
    put(t, 1, 2);
    assert_int_equal(odd_one(t, 2), 2);      /* nobody knows what its own frames get */
    put(t, 2, 0);
    assert_int_equal(odd_one(t, 2), 3);
    struct switchdev_entry *third = put(t, 3, 2);
    assert_int_equal(odd_one(t, 2), 0);
    switchdev_entry_set_state(t, third, SWITCHDEV_LOST);
    assert_int_equal(odd_one(t, 2), 3);
    assert_int_equal(t->n_lost, 1);
    switchdev_entry_free(t, third);
    assert_int_equal(t->n_lost, 0);
    put(t, 3, 1);
    assert_int_not_equal(odd_one(t, 1), 0);
}

static void
a_port_that_sends_back_is_not_alike(void **state)
{
    struct switchdev_table *t = *state;
    put(t, 1, 2);
    put(t, 3, 2);
    put(t, 2, 3);
    assert_int_not_equal(odd_one(t, 3), 0);
}

static void
nothing_leads_to_a_port_that_is_not_there(void **state)
{
    struct switchdev_table *t = *state;
    put(t, 1, 9);
    put(t, 2, 9);
    put(t, 3, 9);
    assert_int_equal(odd_one(t, 9), 9);
}

static void
drops_lead_nowhere(void **state)
{
    struct switchdev_table *t = *state;
    put(t, 1, 0);
    put(t, 2, 0);
    put(t, 3, 0);
    assert_int_equal(odd_one(t, 0), 0);
}

static void
a_handle_is_of_one_entry(void **state)
{
    struct switchdev_table *t = *state;
    struct switchdev_entry *first = put(t, 1, 2);
    uint64_t handle = first->handle;
    assert_ptr_equal(switchdev_entry_of_handle(t, handle), first);
    switchdev_entry_free(t, first);
    assert_null(switchdev_entry_of_handle(t, handle));
    put(t, 1, 2);
    assert_null(switchdev_entry_of_handle(t, handle));
    assert_null(switchdev_entry_of_handle(t, UINT32_MAX));
}

static void
empty_groups_go(void **state)
{
    struct switchdev_table *t = *state;
    struct switchdev_entry *e = put(t, 1, 2);
    switchdev_group_release(t, group(t));
    assert_int_equal(t->n_groups, 1);
    switchdev_group_open(t, group(t));
    switchdev_entry_free(t, e);
    switchdev_group_release(t, group(t));    /* it is to be looked at */
    assert_int_equal(t->n_groups, 1);
    assert_ptr_equal(switchdev_table_take_open(t), group(t));
    switchdev_group_release(t, group(t));
    assert_int_equal(t->n_groups, 0);
    assert_null(switchdev_group_find(t, 10, addr, false));
}

static void
count(struct switchdev_group *g, void *n)
{
    (void) g;
    ++*(unsigned *) n;
}

static void
many_are_found_again(void **state)
{
    enum { N = 20000 };
    struct switchdev_table *t = *state;
    uint8_t at[6] = { 2 };
    unsigned n = 0;
    for (unsigned i = 0; i < N; i++) {
        at[4] = (uint8_t) (i >> 8);
        at[5] = (uint8_t) i;
        assert_non_null(switchdev_entry_new(t, switchdev_group_find(t, 10, at, true), 1, 2));
    }
    switchdev_table_each(t, count, &n);
    assert_int_equal(n, N);
    assert_int_equal(t->n_entries, N);
    assert_null(switchdev_group_find(t, 11, at, false));
    assert_int_equal(switchdev_entry_of_port(switchdev_group_find(t, 10, at, false), 1)->output, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_ports_have_to_send_to_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_that_sends_back_is_not_alike, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_leads_to_a_port_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_lead_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handle_is_of_one_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_groups_go, setup, teardown),
        cmocka_unit_test_setup_teardown(many_are_found_again, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
