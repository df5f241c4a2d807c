/* SPDX-License-Identifier: Apache-2.0 */
/* Whole rules in the simulated ASIC's TCAM, step by step: what is forwarded by whom while changes
 * are on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/counters.h"
#include "tests/unit/offload_rig.h"

enum { STEP_NS = 500000 };

struct found {
    unsigned n;
    uint16_t priority;           /* of those looked for; 0: any */
};

static bool
count_whole(const struct hal_entry_info *info, void *aux)
{
    struct found *found = aux;
    found->n += info->is_whole && info->state == HAL_IN_HARDWARE
                && (!found->priority || found->priority == info->priority);
    return true;
}

/* Rules that are in the device as a whole; of this priority, or (0) all. */
static unsigned
n_whole(struct rig *f, uint16_t priority)
{
    struct found found = { .priority = priority };
    uint64_t position = 0;
    hal_visit(f->hal, NULL, NULL, &position, count_whole, &found);
    return found.n;
}

/* Half a millisecond, and a packet to port 80 in it. */
static void
step(struct rig *f)
{
    rig_now_ns += STEP_NS;
    hal_step(f->hal);
    rig_send_udp(f, 1, 80, 1);
}

static enum hal_reason
why_not(struct rig *f, uint16_t tp_dst)
{
    struct flow_match match = rig_udp_to(tp_dst);
    struct hal_verdict verdict;
    bool is;
    struct flow_key key = match.value;
    assert_true(dp_check_whole(f->bridge, &key, &is, &verdict));
    return is ? 0 : (enum hal_reason) verdict.reason;
}

/* --- tests ------------------------------------------------------------------------------- */

static void
a_rule_is_there_before_its_first_packet(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes");
    struct flow_match match = rig_udp_to(0);
    struct rule *rule = rig_add_rule(&f, &match, 5, 2);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 5), 1);
    uint64_t before = rig_n_in_software(&f);
    rig_send_udp(&f, 1, 80, 3);
    rig_send_udp(&f, 1, 81, 3);
    assert_int_equal(rig_n_sent(&f, 2), 6);
    assert_int_equal(rig_n_in_software(&f), before);
    rig_remove_rule(&f, rule);
    assert_int_equal(rig_packets_of(rule), 6);
    assert_int_equal(n_whole(&f, 0), 0);
    rig_end(&f);
}

/* The rule below is never faster than the one above: neither when both come, nor when the one above
 * goes back to software. */
static void
guards_come_first_and_go_last(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes,latency-us=3000");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *above = rig_add_rule(&f, &narrow, 6, 3);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    for (unsigned i = 0; i < 60; i++) {
        step(&f);
        assert_true(!n_whole(&f, 5) || n_whole(&f, 6));
        assert_int_equal(rig_n_sent(&f, 2), 0);
        assert_int_equal(rig_n_sent(&f, 3), 1);
    }
    assert_int_equal(n_whole(&f, 0), 2);
    rig_set_output(&f, above, PORT_LOCAL);
    for (unsigned i = 0; i < 60; i++) {
        step(&f);
        assert_true(!n_whole(&f, 5) || n_whole(&f, 6) || i < 60);
        assert_int_equal(rig_n_sent(&f, 2), 0);
    }
    assert_int_equal(n_whole(&f, 0), 0);
    assert_int_equal(why_not(&f, 81), HAL_REASON_OVERLAPPED);
    /* It is deleted: the rule below is right for its packets, and whole again. */
    rig_remove_rule(&f, above);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 5), 1);
    rig_send_udp(&f, 1, 80, 4);
    assert_int_equal(rig_n_sent(&f, 2), 4);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

/* Without changes in place a rule that gets other actions goes out and comes in again. */
static void
a_change_by_removal_takes_what_is_below_along(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes,changes=no,latency-us=2000");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *above = rig_add_rule(&f, &narrow, 6, 3);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_settle(&f);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 0), 2);
    rig_n_sent(&f, 3);
    rig_set_output(&f, above, 4);
    unsigned sent = 0;
    for (unsigned i = 0; i < 80; i++) {
        step(&f);
        assert_int_equal(rig_n_sent(&f, 2), 0);
        sent += rig_n_sent(&f, 4);
    }
    assert_true(sent > 40);
    assert_int_equal(n_whole(&f, 6), 1);
    rig_remove_rule(&f, above);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

/* The barrier after a rule whose entry is refused waits until what is below has left. */
static void
a_refused_guard_is_no_guard(void **state)
{
    char error[HAL_ERROR_SIZE];
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes,latency-us=2000");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 5), 1);
    assert_int_equal(hal_fault(f.device, "refuse=1", error), 0);
    struct rule *above = rig_add_rule(&f, &narrow, 6, 3);
    rig_barrier(&f);
    rig_n_sent(&f, 2);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_sent(&f, 3), 5);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    assert_int_equal(n_whole(&f, 5), 0);
    rig_remove_rule(&f, above);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

static void
rules_of_one_rank_are_not_whole(void **state)
{
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *one = rig_add_rule(&f, &wide, 5, 2);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 0), 1);
    struct rule *other = rig_add_rule(&f, &narrow, 5, 3);
    rig_barrier(&f);
    assert_int_equal(n_whole(&f, 0), 0);
    assert_int_equal(why_not(&f, 81), HAL_REASON_OVERLAPPED);
    rig_remove_rule(&f, other);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 5), 1);
    rig_remove_rule(&f, one);
    rig_end(&f);
}

/* More rules above than are looked at: it is not asked for ever. */
static void
too_much_above_is_told_in_time(void **state)
{
    enum { N = 1100 };
    static struct rule *rules[N];
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes,tcam=4096");
    for (unsigned i = 0; i < N; i++) {
        struct flow_match match = rig_udp_to((uint16_t) (1000 + i));
        rules[i] = rig_add_rule(&f, &match, 10, 3);
    }
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 10), N);
    struct flow_match wide = rig_udp_to(0);
    uint64_t before = counter_read(COUNTER_offload_whole_too_many);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 5), 0);
    assert_true(counter_read(COUNTER_offload_whole_too_many) > before);
    assert_int_equal(why_not(&f, 80), HAL_REASON_OVERLAPPED);
    rig_send_udp(&f, 1, 80, 40);     /* exact matches, then */
    assert_int_equal(rig_n_in_hardware(&f), N + 1);
    for (unsigned i = 0; i < N; i++) {
        rig_remove_rule(&f, rules[i]);
    }
    rig_remove_rule(&f, below);
    rig_end(&f);
}

/* A device that may have lost entries may forward by a rule below: barriers wait for the comparison. */
static void
a_lost_guard_is_found_before_the_next_barrier(void **state)
{
    char error[HAL_ERROR_SIZE];
    (void) state;
    struct rig f;
    rig_begin(&f, "sim:rules=yes");
    struct flow_match wide = rig_udp_to(0), narrow = rig_udp_to(80);
    struct rule *above = rig_add_rule(&f, &narrow, 6, 3);
    struct rule *below = rig_add_rule(&f, &wide, 5, 2);
    rig_settle(&f);
    assert_int_equal(n_whole(&f, 0), 2);
    assert_int_equal(hal_fault(f.device, "lose-entry=2", error), 0);
    struct flow_match other = rig_udp_to(443);
    struct rule *lossy = rig_add_rule(&f, &other, 7, 4);
    rig_barrier(&f);
    rig_n_sent(&f, 2);
    rig_send_udp(&f, 1, 80, 5);
    assert_int_equal(rig_n_sent(&f, 2), 0);
    rig_remove_rule(&f, lossy);
    rig_remove_rule(&f, above);
    rig_remove_rule(&f, below);
    rig_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_there_before_its_first_packet),
        cmocka_unit_test(guards_come_first_and_go_last),
        cmocka_unit_test(a_change_by_removal_takes_what_is_below_along),
        cmocka_unit_test(a_refused_guard_is_no_guard),
        cmocka_unit_test(rules_of_one_rank_are_not_whole),
        cmocka_unit_test(too_much_above_is_told_in_time),
        cmocka_unit_test(a_lost_guard_is_found_before_the_next_barrier),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
