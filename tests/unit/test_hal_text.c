/* SPDX-License-Identifier: Apache-2.0 */
/* Names of actions and fields are complete, distinct and stable; flows to text and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hal/driver.h"
#include "hal/text.h"

static void
every_action_and_field_has_a_name_of_its_own(void **state)
{
    (void) state;
    for (unsigned i = 0; i < N_ACTION_TYPES; i++) {
        assert_non_null(hal_action_name(i));
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(hal_action_name(i), hal_action_name(k));
        }
    }
    for (unsigned i = 0; i < N_FIELDS; i++) {
        assert_non_null(hal_field_name(i));
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(hal_field_name(i), hal_field_name(k));
        }
    }
    assert_null(hal_action_name(N_ACTION_TYPES));
    assert_null(hal_action_name(HAL_OBJECT_NONE));
    assert_null(hal_field_name(N_FIELDS));
    assert_null(hal_field_name(HAL_OBJECT_NONE));
}

static void
names_are_those_of_the_actions(void **state)
{
    static const struct { enum action_type type; const char *name; } rows[] = {
        { ACTION_OUTPUT, "output" }, { ACTION_ENQUEUE, "enqueue" },
        { ACTION_CONTROLLER, "controller" }, { ACTION_SET_QUEUE, "set-queue" },
        { ACTION_POP_QUEUE, "pop-queue" }, { ACTION_SET_VLAN_VID, "set-vlan-vid" },
        { ACTION_SET_VLAN_PCP, "set-vlan-pcp" }, { ACTION_STRIP_VLAN, "strip-vlan" },
        { ACTION_SET_DL_SRC, "set-dl-src" }, { ACTION_SET_DL_DST, "set-dl-dst" },
        { ACTION_SET_NW_SRC, "set-nw-src" }, { ACTION_SET_NW_DST, "set-nw-dst" },
        { ACTION_SET_NW_TOS, "set-nw-tos" }, { ACTION_SET_TP_SRC, "set-tp-src" },
        { ACTION_SET_TP_DST, "set-tp-dst" }, { ACTION_DEC_TTL, "dec-ttl" },
    };
    (void) state;
    assert_int_equal(sizeof rows / sizeof rows[0], N_ACTION_TYPES);
    for (size_t i = 0; i < N_ACTION_TYPES; i++) {
        assert_string_equal(hal_action_name(rows[i].type), rows[i].name);
    }
}

static void
text_is_cut_to_fit_and_its_length_told(void **state)
{
    struct flow_key key;
    char error[HAL_ERROR_SIZE] = "", text[200], piece[8];
    (void) state;
    assert_int_equal(hal_key_from_text("tcp,in_port=1,tp_dst=80", &key, error), 0);
    struct flow_match match = { key, { { .lane = { UINT64_MAX, 0, 0, 0, 0, 0, 0, 0 } } } };
    memset(match.value.lane + 1, 0, 7 * sizeof match.value.lane[0]);
    size_t len = hal_match_text(&match, text, sizeof text);
    assert_string_equal(text, "in_port=1,dl_dst=00:00:00:00:00:00");
    assert_int_equal(len, strlen(text));
    assert_int_equal(hal_match_text(&match, piece, sizeof piece), len);
    assert_string_equal(piece, "in_port");
    assert_int_equal(hal_match_text(&match, NULL, 0), len);
    assert_int_equal(hal_actions_text(NULL, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void
actions_come_back_from_text(void **state)
{
    union { struct action_list list; uint64_t words[3]; } actions;
    char error[HAL_ERROR_SIZE] = "", text[100];
    (void) state;
    assert_int_equal(hal_actions_from_text("strip_vlan,output:2", &actions.list, 2, error), 0);
    hal_actions_text(&actions.list, text, sizeof text);
    assert_string_equal(text, "strip_vlan,output:2");
    assert_int_equal(hal_actions_from_text("output:1,output:2,output:3", &actions.list, 2, error), -E2BIG);
    assert_int_equal(hal_actions_from_text("paint:red", &actions.list, 2, error), -EINVAL);
    assert_non_null(strstr(error, "paint"));
    assert_int_equal(hal_actions_from_text("drop", &actions.list, 2, error), 0);
    assert_int_equal(actions.list.len, 0);
}

static void
what_is_wrong_is_said(void **state)
{
    struct flow_key key = { .in_port = 7 };
    char error[HAL_ERROR_SIZE] = "";
    (void) state;
    assert_int_equal(hal_key_from_text("colour=red", &key, error), -EINVAL);
    assert_non_null(strstr(error, "colour"));
    assert_int_equal(key.in_port, 7);
    assert_int_equal(hal_set_log(NULL, "loud", error), -EINVAL);
    assert_non_null(strstr(error, "loud"));
    assert_true(hal_set_log("/nonexistent/log", NULL, error) < 0);
    assert_non_null(strstr(error, "/nonexistent"));
    assert_int_equal(hal_set_log(NULL, NULL, error), 0);
}

static uint64_t
five_seconds(void)
{
    return 5000000000u;
}

static void
the_clock_can_be_replaced(void **state)
{
    (void) state;
    hal_set_clock(five_seconds);
    assert_int_equal(hal_now_ms(), 5000);
    hal_set_clock(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_and_field_has_a_name_of_its_own),
        cmocka_unit_test(names_are_those_of_the_actions),
        cmocka_unit_test(text_is_cut_to_fit_and_its_length_told),
        cmocka_unit_test(actions_come_back_from_text),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(the_clock_can_be_replaced),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
