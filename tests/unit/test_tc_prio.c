/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/tc.h"

enum { ANY_TYPE = 0x0800, OTHER_TYPE = 0x0806 };

static struct tc_port port;

static uint16_t
put(uint16_t protocol, uint16_t priority)
{
    uint16_t prio = tc_prio_rule(&port, protocol, priority);
    if (prio) {
        assert_in_range(prio, TC_PRIO_RULES, TC_PRIO_LAST);
        assert_true(tc_prio_hold(&port, prio, protocol, priority));
    }
    return prio;
}

static void
check_order(void)
{
    for (unsigned i = 0; i < port.n_prios; i++) {
        for (unsigned k = 0; k < port.n_prios; k++) {
            const struct tc_prio *a = &port.prio[i], *b = &port.prio[k];
            assert_true(i == k || a->prio != b->prio);
            if (a->protocol == b->protocol && a->priority > b->priority) {
                assert_true(a->prio < b->prio);
            }
        }
    }
}

/* Whatever comes and goes: of one protocol a higher priority has a lower tc priority. */
static void
whole_rules_are_in_openflows_order(void **state)
{
    (void) state;
    unsigned n_refused = 0;
    memset(&port, 0, sizeof port);
    srand(1);
    for (unsigned i = 0; i < 3000; i++) {
        /* Crowds at both ends and in the middle, and anything. */
        static const int around[] = { 0, 30000, 65280, 0 };
        unsigned place = (unsigned) rand() % 4;
        uint16_t priority = (uint16_t) (place == 3 ? rand() : around[place] + rand() % 256);
        if (rand() % 3 && port.n_prios < 200) {
            n_refused += !put(rand() % 4 ? ANY_TYPE : OTHER_TYPE, priority);
        } else if (port.n_prios) {
            tc_prio_release(&port, port.prio[(unsigned) rand() % port.n_prios].prio);
        }
        check_order();
    }
    assert_true(port.n_prios > 50 && n_refused <= 3);
}

static void
one_priority_is_one_place(void **state)
{
    (void) state;
    memset(&port, 0, sizeof port);
    uint16_t first = put(ANY_TYPE, 100);
    assert_int_equal(put(ANY_TYPE, 100), first);
    assert_int_not_equal(put(OTHER_TYPE, 100), first);
    assert_true(put(ANY_TYPE, UINT16_MAX) < first && put(ANY_TYPE, 0) > first);
    check_order();
    port.taken[port.n_taken++] = first;      /* a stranger is there, too */
    uint16_t second = put(ANY_TYPE, 100);
    assert_true(second && second != first);
    check_order();
}

/* Where there is nothing between two, it is said. */
static void
no_room_is_refused(void **state)
{
    (void) state;
    memset(&port, 0, sizeof port);
    assert_true(tc_prio_hold(&port, 20000, ANY_TYPE, 12) && tc_prio_hold(&port, 20001, ANY_TYPE, 10));
    assert_int_equal(tc_prio_rule(&port, ANY_TYPE, 11), 0);
    assert_true(put(ANY_TYPE, 13) && put(ANY_TYPE, 9) && put(OTHER_TYPE, 11));
    check_order();
}

/* Rules with a priority each, as many as there may be: exact entries find theirs. */
static void
rules_leave_room_for_exact_entries(void **state)
{
    (void) state;
    memset(&port, 0, sizeof port);
    unsigned n = 0;
    for (uint16_t priority = 100; priority < 100 + 2 * TC_N_RULES; priority++) {
        n += put(ANY_TYPE, priority) != 0;
    }
    assert_int_equal(n, TC_N_RULES);
    assert_int_equal(put(OTHER_TYPE, 7), 0);
    for (unsigned i = 0; i < TC_N_EXACT; i++) {
        uint16_t type = (uint16_t) (0x0800 + i), prio = tc_prio_exact(&port, type);
        assert_in_range(prio, TC_PRIO_EXACT, TC_PRIO_EXACT + TC_N_EXACT - 1);
        assert_true(tc_prio_hold(&port, prio, type, 0));
    }
    assert_int_equal(tc_prio_exact(&port, 0x0799), 0);
    tc_prio_release(&port, tc_prio_rule(&port, ANY_TYPE, 100));
    assert_true(put(OTHER_TYPE, 7));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_rules_are_in_openflows_order),
        cmocka_unit_test(one_priority_is_one_place),
        cmocka_unit_test(no_room_is_refused),
        cmocka_unit_test(rules_leave_room_for_exact_entries),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
