/* SPDX-License-Identifier: Apache-2.0 */
/* Placement, as a table: a device with an exact table and a small TCAM, one thing changed in
 * each row, and where the entry then belongs, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hal/place.h"

enum { EXACT, TCAM };

static struct hal_caps caps;
static struct hal_room room[2];
static struct hal_place_input in;
static struct flow_match match;
static union { struct action_list list; uint64_t words[9]; } actions;

/* Ports: 1 to 9 are the device's, 10 to 19 another's, 20 down, 21 bypassed, others software's. */
static enum hal_port_kind
kind_of(const void *aux, uint16_t port)
{
    (void) aux;
    return port < 10 ? HAL_PORT_HERE : port < 20 ? HAL_PORT_ELSEWHERE : port == 20 ? HAL_PORT_DOWN
           : port == 21 ? HAL_PORT_BYPASSED : HAL_PORT_SOFTWARE;
}

static const struct hal_ports_view ports = { kind_of, NULL };

static void
table_caps(struct hal_table_caps *t, const char *name, enum field_mask_mode mode)
{
    *t = (struct hal_table_caps) {
        .counters = HAL_COUNT_BOTH,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE,
        .actions = 1 << ACTION_OUTPUT | 1 << ACTION_SET_DL_DST | 1 << ACTION_SET_TP_DST,
        .max_actions = 4, .max_outputs = 2, .capacity = 100,
    };
    strcpy(t->name, name);
    memset(t->field, (int) mode, sizeof t->field);
    t->field[FIELD_TUN_KEY] = FIELD_MASK_NONE;
}

static void
output(uint16_t port)
{
    actions.list.actions[actions.list.len++] = (struct action) { .type = ACTION_OUTPUT, .output.port = port };
}

static void
begin(void)
{
    caps = (struct hal_caps) { .n_tables = 2 };
    table_caps(&caps.table[EXACT], "exact", FIELD_MASK_EXACT);
    caps.table[EXACT].required = 1 << FIELD_IN_PORT | 1 << FIELD_NW_PROTO;
    table_caps(&caps.table[TCAM], "tcam", FIELD_MASK_PREFIX);
    caps.table[TCAM].max_masks = 2;
    room[EXACT] = room[TCAM] = (struct hal_room) { .entries = 10, .coldest_pps = 50 };
    memset(&match, 0, sizeof match);
    match.mask.bits.in_port = 0xffff;
    match.value.in_port = 1;
    match.mask.bits.nw_proto = 0xff;
    match.value.nw_proto = 6;
    memset(&actions, 0, sizeof actions);
    output(2);
    in = (struct hal_place_input) {
        .caps = &caps, .room = room, .match = &match, .actions = &actions.list, .ports = &ports,
        .may_move = true, .pps = 200, .promote_pps = 100, .demote_pps = 20,
    };
}

static void nothing(void) { }
static void no_device(void) { in.caps = NULL; }
static void sw_only(void) { in.policy = HAL_SW_ONLY; }
static void slow(void) { in.pps = 99; }
static void slow_but_there(void) { in.pps = 20; in.placed = true; }
static void cold(void) { in.pps = 19; in.placed = true; }
static void slow_but_exact(void) { in.pps = 0; in.exact_rule = true; }
static void no_moves(void) { in.may_move = false; }
static void no_moves_but_there(void) { in.may_move = false; in.placed = true; }
static void tunnel(void) { match.mask.bits.tun_key.raw = UINT32_MAX; }
static void prefix(void) { match.mask.bits.nw_dst.ip4.raw = htobe32(0xffffff00); }
static void odd_mask(void) { match.mask.bits.nw_dst.ip4.raw = htobe32(0xff00ff00); }
static void required(void) { match.mask.bits.nw_proto = 0; match.value.nw_proto = 0; }
static void third_mask(void) { prefix(); room[TCAM].n_masks = 2; }
static void known_mask(void) { third_mask(); room[TCAM].has_mask = true; }
static void to_controller(void) { output(PORT_CONTROLLER); }
static void to_local(void) { output(PORT_LOCAL); }
static void to_software_port(void) { output(30); }
static void to_other_device(void) { output(11); }
static void may_other_device(void) { output(11); caps.table[EXACT].outputs |= HAL_OUTPUT_OTHER_DEVICE; }
static void to_down(void) { output(20); }
static void to_bypassed(void) { output(21); }
static void to_in_port(void) { output(PORT_IN_PORT); }
static void to_nowhere(void) { actions.list.len = 0; }
static void cannot_drop(void) { to_nowhere(); caps.table[0].outputs = caps.table[1].outputs = HAL_OUTPUT_PORT; }
static void many_outputs(void) { output(3); output(4); }
static void strange_action(void) { actions.list.actions[0].type = ACTION_SET_NW_TOS; }
static void dec_ttl(void) { actions.list.actions[0].type = ACTION_DEC_TTL; }
static void tell_controller(void)
{
    actions.list.actions[0] = (struct action) { .type = ACTION_CONTROLLER };
    caps.table[EXACT].actions = caps.table[TCAM].actions = UINT32_MAX;
}
static void queue(void) { actions.list.actions[0] = (struct action) { .type = ACTION_ENQUEUE, .enqueue.port = 2 }; }
static void late_rewrite(void) { actions.list.actions[1].type = ACTION_SET_DL_DST; actions.list.len = 2; }
static void may_late_rewrite(void) { late_rewrite(); caps.table[TCAM].ordered = 1 << ACTION_SET_DL_DST; }
static void fragment(void) { match.mask.bits.nw_frag = 3; match.value.nw_frag = 1; }
static void rewritten_fragment(void)
{
    fragment();
    actions.list.actions[1] = actions.list.actions[0];
    actions.list.actions[0].type = ACTION_SET_TP_DST;
    actions.list.len = 2;
}
static void blind_to_fragments(void)
{
    fragment();
    caps.table[0].field[FIELD_NW_FRAG] = caps.table[1].field[FIELD_NW_FRAG] = FIELD_MASK_NONE;
}
static void uncounted(void) { caps.table[0].counters = caps.table[1].counters = HAL_COUNT_NONE; }
static void may_uncounted(void) { uncounted(); in.allow_uncounted = true; }
static void exact_full(void) { room[EXACT].entries = 100; room[EXACT].coldest_pps = 150; }
static void both_full(void) { exact_full(); room[TCAM] = room[EXACT]; }
static void full_of_cold(void) { exact_full(); room[EXACT].coldest_pps = 60; }
static void full_of_pinned(void) { both_full(); room[0].coldest_pps = room[1].coldest_pps = UINT32_MAX; in.exact_rule = true; }
static void full_but_there(void) { both_full(); in.placed = true; }
static void smaller_than_said(void) { room[EXACT].full_at = 10; room[EXACT].coldest_pps = 150; }
static void unknown_capacity(void) { both_full(); caps.table[EXACT].capacity = 0; }

static const struct row {
    const char *name;
    void (*set_up)(void);
    int table;
    bool evict;
    enum hal_reason reason;
} rows[] = {
#define ROW(SET_UP, TABLE, EVICT, REASON) { #SET_UP, SET_UP, TABLE, EVICT, REASON }
    ROW(nothing, EXACT, false, 0),
    ROW(no_device, -1, false, HAL_REASON_INGRESS_SOFTWARE),
    ROW(sw_only, -1, false, HAL_REASON_POLICY_SOFTWARE),
    ROW(slow, -1, false, HAL_REASON_NOT_WORTH_IT),
    ROW(slow_but_there, EXACT, false, 0),
    ROW(cold, -1, false, HAL_REASON_NOT_WORTH_IT),
    ROW(slow_but_exact, EXACT, false, 0),
    ROW(no_moves, -1, false, HAL_REASON_CHURN_LIMIT),
    ROW(no_moves_but_there, EXACT, false, 0),
    ROW(tunnel, -1, false, HAL_REASON_FIELD_UNSUPPORTED),
    ROW(prefix, TCAM, false, 0),
    ROW(odd_mask, -1, false, HAL_REASON_MASK_UNSUPPORTED),
    ROW(required, TCAM, false, 0),
    ROW(third_mask, -1, false, HAL_REASON_TOO_MANY_MASKS),
    ROW(known_mask, TCAM, false, 0),
    ROW(to_controller, -1, false, HAL_REASON_OUTPUT_SPECIAL),
    ROW(to_local, -1, false, HAL_REASON_OUTPUT_SPECIAL),
    ROW(to_software_port, -1, false, HAL_REASON_OUTPUT_SPECIAL),
    ROW(to_other_device, -1, false, HAL_REASON_OUTPUT_OTHER_DEVICE),
    ROW(may_other_device, EXACT, false, 0),
    ROW(to_down, -1, false, HAL_REASON_OUTPUT_DOWN),
    ROW(to_bypassed, -1, false, HAL_REASON_BYPASS),
    ROW(to_in_port, -1, false, HAL_REASON_ACTION_UNSUPPORTED),
    ROW(to_nowhere, EXACT, false, 0),
    ROW(cannot_drop, -1, false, HAL_REASON_OUTPUT_NONE),
    ROW(many_outputs, -1, false, HAL_REASON_TOO_MANY_ACTIONS),
    ROW(strange_action, -1, false, HAL_REASON_ACTION_UNSUPPORTED),
    ROW(dec_ttl, -1, false, HAL_REASON_PER_PACKET),
    ROW(tell_controller, -1, false, HAL_REASON_OUTPUT_SPECIAL),
    ROW(queue, -1, false, HAL_REASON_OUTPUT_QUEUE),
    ROW(late_rewrite, -1, false, HAL_REASON_ACTION_ORDER),
    ROW(may_late_rewrite, TCAM, false, 0),
    ROW(fragment, EXACT, false, 0),
    ROW(rewritten_fragment, -1, false, HAL_REASON_FRAGMENT),
    ROW(blind_to_fragments, -1, false, HAL_REASON_FRAGMENT),
    ROW(uncounted, -1, false, HAL_REASON_UNCOUNTED),
    ROW(may_uncounted, EXACT, false, 0),
    ROW(exact_full, TCAM, false, 0),
    ROW(both_full, -1, false, HAL_REASON_TABLE_FULL),
    ROW(full_of_cold, EXACT, true, 0),
    ROW(full_of_pinned, -1, false, HAL_REASON_TABLE_FULL),
    ROW(full_but_there, EXACT, false, 0),
    ROW(smaller_than_said, TCAM, false, 0),
    ROW(unknown_capacity, EXACT, false, 0),
};

static void
rows_are_placed(void **state)
{
    (void) state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hal_placement out;
        begin();
        rows[i].set_up();
        hal_place(&in, &out);
        if (out.table != rows[i].table || out.evict != rows[i].evict
            || out.verdict.reason != rows[i].reason) {
            fail_msg("%s: table %d, evict %d, reason %s", rows[i].name, out.table, out.evict,
                     out.verdict.reason ? hal_reason_name(out.verdict.reason) : "none");
        }
    }
}

static void
verdicts_name_what_is_at_fault(void **state)
{
    (void) state;
    struct hal_placement out;
    begin();
    tunnel();
    hal_place(&in, &out);
    assert_int_equal(out.verdict.field, FIELD_TUN_KEY);
    assert_int_equal(out.verdict.action, HAL_OBJECT_NONE);
    begin();
    to_other_device();
    hal_place(&in, &out);
    assert_int_equal(out.verdict.port, 11);
    assert_int_equal(out.verdict.action, ACTION_OUTPUT);
    begin();
    strange_action();
    hal_place(&in, &out);
    assert_int_equal(out.verdict.action, ACTION_SET_NW_TOS);
    assert_int_equal(out.verdict.field, HAL_OBJECT_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_placed),
        cmocka_unit_test(verdicts_name_what_is_at_fault),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
