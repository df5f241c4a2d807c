/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/ofp_internal.h"
#include "tests/wire/samples.h"

static struct action actions[ACTION_LIST_MAX];
static uint32_t n_actions;
static struct ofp_refusal refusal;

/* Decodes from a heap buffer of exactly 'size' bytes. */
static int
decode_in(enum of10_action_place place, const uint8_t *wire, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, wire, size);
    memset(actions, 0xaa, sizeof actions);
    n_actions = UINT32_MAX;
    int error = of10_decode_actions(copy, size, place, actions, &n_actions, &refusal);
    free(copy);
    return error;
}

#define DECODE(...) \
    decode_in(OF10_IN_FLOW, (const uint8_t[]) { __VA_ARGS__ }, sizeof((uint8_t[]) { __VA_ARGS__ }))
#define DECODE_OUT(...) \
    decode_in(OF10_IN_PACKET_OUT, (const uint8_t[]) { __VA_ARGS__ }, \
              sizeof((uint8_t[]) { __VA_ARGS__ }))
#define assert_refused(CODE, CALL)                   \
    do {                                             \
        assert_int_equal(CALL, OFP_REFUSED);         \
        assert_int_equal(refusal.type, OFPET_BAD_ACTION); \
        assert_int_equal(refusal.code, CODE);        \
        assert_non_null(refusal.why);                \
    } while (0)
#define assert_action(...) \
    assert_memory_equal(&actions[0], ((const uint8_t[]) { __VA_ARGS__ }), 8)

static void
each_type_is_read(void **state)
{
    (void) state;
    assert_int_equal(DECODE(0, 0, 0, 8, 0x12, 0x34, 0xff, 0xff), 0);
    assert_int_equal(n_actions, 1);
    assert_int_equal(actions[0].type, ACTION_OUTPUT);
    assert_int_equal(actions[0].output.port, 0x1234);
    assert_int_equal(actions[0].output.max_len, 0);
    assert_int_equal(actions[0].output.zero, 0);

    assert_int_equal(DECODE(0, 0, 0, 8, 0xff, 0xfd, 0x01, 0x02), 0);
    assert_int_equal(actions[0].output.port, PORT_CONTROLLER);
    assert_int_equal(actions[0].output.max_len, 0x0102);

    assert_int_equal(DECODE(0, 1, 0, 8, 0x0f, 0xff, 9, 9), 0);
    assert_int_equal(actions[0].type, ACTION_SET_VLAN_VID);
    assert_int_equal(actions[0].vlan_vid.vid, 4095);
    assert_int_equal(actions[0].vlan_vid.zero[0] | actions[0].vlan_vid.zero[1], 0);

    assert_int_equal(DECODE(0, 2, 0, 8, 7, 9, 9, 9), 0);
    assert_action(ACTION_SET_VLAN_PCP, 0, 7, 0, 0, 0, 0, 0);
    assert_int_equal(DECODE(0, 3, 0, 8, 9, 9, 9, 9), 0);
    assert_action(ACTION_STRIP_VLAN, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(DECODE(0, 4, 0, 16, 1, 2, 3, 4, 5, 6, 9, 9, 9, 9, 9, 9), 0);
    assert_action(ACTION_SET_DL_SRC, 0, 1, 2, 3, 4, 5, 6);
    assert_int_equal(DECODE(0, 5, 0, 16, 1, 2, 3, 4, 5, 6, 9, 9, 9, 9, 9, 9), 0);
    assert_action(ACTION_SET_DL_DST, 0, 1, 2, 3, 4, 5, 6);
    assert_int_equal(DECODE(0, 6, 0, 8, 10, 0, 0, 1), 0);
    assert_action(ACTION_SET_NW_SRC, 0, 0, 0, 10, 0, 0, 1);
    assert_int_equal(DECODE(0, 7, 0, 8, 10, 0, 0, 2), 0);
    assert_action(ACTION_SET_NW_DST, 0, 0, 0, 10, 0, 0, 2);
    assert_int_equal(DECODE(0, 8, 0, 8, 0xfc, 9, 9, 9), 0);
    assert_action(ACTION_SET_NW_TOS, 0, 0xfc, 0, 0, 0, 0, 0);
    assert_int_equal(DECODE(0, 9, 0, 8, 1, 2, 9, 9), 0);
    assert_action(ACTION_SET_TP_SRC, 0, 1, 2, 0, 0, 0, 0);
    assert_int_equal(DECODE(0, 10, 0, 8, 1, 2, 9, 9), 0);
    assert_action(ACTION_SET_TP_DST, 0, 1, 2, 0, 0, 0, 0);

    assert_int_equal(DECODE(0, 11, 0, 16, 0, 2, 9, 9, 9, 9, 9, 9, 1, 2, 3, 4), 0);
    assert_int_equal(actions[0].type, ACTION_ENQUEUE);
    assert_int_equal(actions[0].enqueue.port, 2);
    assert_int_equal(actions[0].enqueue.queue_hi, 0x0102);
    assert_int_equal(actions[0].enqueue.queue_lo, 0x0304);
}

static void
an_empty_list_is_a_list(void **state)
{
    (void) state;
    assert_int_equal(decode_in(OF10_IN_FLOW, (const uint8_t *) "", 0), 0);
    assert_int_equal(n_actions, 0);
}

static void
lengths_are_checked(void **state)
{
    (void) state;
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0, 0, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0, 4, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0, 7, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0, 9, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0, 16, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 0, 0xff, 0xf8, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 4, 0, 8, 1, 2, 3, 4));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 4, 0, 16, 1, 2, 3, 4));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0, 11, 0, 8, 0, 1, 0, 0));
    assert_refused(OFPBAC_BAD_LEN,
                   DECODE(0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 8, 0, 2, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0xff, 0xff, 0, 12, 0, 0, 0x23, 0x20));
    /* A length that is no multiple of 8 is the message's fault. */
    for (size_t size = 1; size < 24; size++) {
        uint8_t wire[24] = { 0, 3, 0, 8, 0, 0, 0, 0, 0, 3, 0, 8, 0, 0, 0, 0, 0, 3, 0, 8 };
        if (size % 8) {
            assert_int_equal(decode_in(OF10_IN_FLOW, wire, size), OFP_REFUSED);
            assert_int_equal(refusal.type, OFPET_BAD_REQUEST);
            assert_int_equal(refusal.code, OFPBRC_BAD_LEN);
        }
    }
}

static void
unknown_types_and_vendors_are_refused(void **state)
{
    (void) state;
    assert_refused(OFPBAC_BAD_TYPE, DECODE(0, 12, 0, 8, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_TYPE, DECODE(0x0f, 0xff, 0, 8, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_TYPE, DECODE(0xff, 0xfe, 0, 8, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_VENDOR, DECODE(0xff, 0xff, 0, 8, 0, 0, 0x23, 0x21));
    assert_refused(OFPBAC_BAD_VENDOR, DECODE(0xff, 0xff, 0, 16, 0, 0x10, 0x23, 0x20, 0, 18,
                                             0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, DECODE(0xff, 0xff, 0, 8, 0, 0, 0x23, 0x20));
    for (unsigned subtype = 0; subtype < 0x200; subtype++) {
        uint8_t wire[24] = { 0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, (uint8_t) (subtype >> 8),
                             (uint8_t) subtype };
        if (subtype != 4 && subtype != 5 && subtype != 18 && subtype != 20 && subtype != 21) {
            assert_refused(OFPBAC_BAD_VENDOR_TYPE, decode_in(OF10_IN_FLOW, wire, 24));
        }
    }
}

#define NX(...) DECODE(0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, __VA_ARGS__)
#define NX24(...) DECODE(0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, __VA_ARGS__)

static void
actions_of_nicira_are_read(void **state)
{
    (void) state;
    assert_int_equal(NX(0, 4, 9, 9, 1, 2, 3, 4), 0);
    assert_action(ACTION_SET_QUEUE, 0, 2, 1, 4, 3, 0, 0);
    assert_int_equal(NX(0, 5, 9, 9, 9, 9, 9, 9), 0);
    assert_action(ACTION_POP_QUEUE, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(NX(0, 18, 9, 9, 9, 9, 9, 9), 0);
    assert_action(ACTION_DEC_TTL, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(n_actions, 1);
    assert_int_equal(NX(0, 20, 1, 2, 3, 4, 0, 0), 0);
    assert_int_equal(actions[0].type, ACTION_CONTROLLER);
    assert_int_equal(actions[0].controller.max_len, 0x0102);
    assert_int_equal(actions[0].controller.id, 0x0304);
    assert_int_equal(actions[0].controller.reason, OFPR_NO_MATCH);
    assert_int_equal(NX(0, 20, 1, 2, 0, 0, 31, 0), 0);
    assert_int_equal(actions[0].controller.reason, 31);
    assert_int_equal(NX(0, 20, 1, 2, 0, 0, OFPR_ACTION, 0), 0);   /* an output, then */
    assert_int_equal(actions[0].type, ACTION_OUTPUT);
    assert_int_equal(actions[0].output.port, PORT_CONTROLLER);
    assert_int_equal(actions[0].output.max_len, 0x0102);
    assert_int_equal(NX24(0, 21, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 9, 9), 0);
    assert_int_equal(actions[0].type, ACTION_DEC_TTL);
    assert_int_equal(actions[0].n_ids, 3);
    assert_int_equal(actions[0].dec_ttl.ids[0], 1);
    assert_int_equal(actions[0].dec_ttl.ids[1], 0xffff);
    assert_int_equal(actions[0].dec_ttl.ids[2], 0);
}

static void
assert_must_be_zero(uint16_t type, uint16_t code)
{
    assert_int_equal(refusal.vendor, NX_VENDOR);
    assert_int_equal(refusal.type, type);
    assert_int_equal(refusal.code, code);
}

static void
actions_of_nicira_are_checked(void **state)
{
    (void) state;
    assert_refused(OFPBAC_BAD_LEN, NX24(0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, NX24(0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, NX(0, 20, 0, 0, 0, 0, 32, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, NX(0, 21, 0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, NX(0, 21, 0, 1, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, NX24(0, 21, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_BAD_LEN, NX24(0, 21, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_refused(OFPBAC_TOO_MANY, NX24(0, 21, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3));
    assert_int_equal(NX(0, 20, 0, 0, 0, 0, 0, 1), OFP_REFUSED);
    assert_must_be_zero(OFPET_BAD_ACTION, NXBAC_MUST_BE_ZERO);
    assert_int_equal(NX24(0, 21, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), OFP_REFUSED);
    assert_must_be_zero(OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO);
}

static void
arguments_are_checked(void **state)
{
    (void) state;
    assert_refused(OFPBAC_BAD_ARGUMENT, DECODE(0, 1, 0, 8, 0x10, 0, 0, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, DECODE(0, 1, 0, 8, 0xff, 0xff, 0, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, DECODE(0, 2, 0, 8, 8, 0, 0, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, DECODE(0, 8, 0, 8, 1, 0, 0, 0));
    assert_refused(OFPBAC_BAD_ARGUMENT, DECODE(0, 8, 0, 8, 0xfe, 0, 0, 0));
}

static void
every_output_port_is_allowed_or_refused(void **state)
{
    (void) state;
    for (uint32_t port = 0; port <= 0xffff; port++) {
        uint8_t wire[8] = { 0, 0, 0, 8, (uint8_t) (port >> 8), (uint8_t) port, 0, 0 };
        bool physical = port >= 1 && port < 0xff00;
        bool reserved = port >= 0xfff8 && port != 0xfff9 && port != 0xffff;
        int expect = physical || reserved ? 0 : OFP_REFUSED;
        n_actions = 0;
        assert_int_equal(of10_decode_actions(wire, 8, OF10_IN_FLOW, actions, &n_actions, &refusal),
                         expect);
        if (expect) {
            assert_int_equal(refusal.type, OFPET_BAD_ACTION);
            assert_int_equal(refusal.code, OFPBAC_BAD_OUT_PORT);
        } else {
            assert_int_equal(actions[0].output.port, port);
        }
        assert_int_equal(of10_decode_actions(wire, 8, OF10_IN_PACKET_OUT, actions, &n_actions,
                                             &refusal),
                         port == PORT_TABLE ? 0 : expect);
    }
}

static void
queues_are_on_physical_ports(void **state)
{
    (void) state;
    assert_int_equal(DECODE(0, 11, 0, 16, 0xff, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 0);
    assert_refused(OFPBAC_BAD_OUT_PORT,
                   DECODE(0, 11, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    assert_refused(OFPBAC_BAD_OUT_PORT,
                   DECODE(0, 11, 0, 16, 0xff, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    assert_refused(OFPBAC_BAD_OUT_PORT,
                   DECODE(0, 11, 0, 16, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    assert_refused(OFPBAC_BAD_OUT_PORT,
                   DECODE_OUT(0, 11, 0, 16, 0xff, 0xf9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
}

static void
the_first_fault_refuses_the_list(void **state)
{
    (void) state;
    assert_refused(OFPBAC_BAD_ARGUMENT,
                   DECODE(0, 3, 0, 8, 0, 0, 0, 0, 0, 2, 0, 8, 9, 0, 0, 0, 0, 99, 0, 8, 0, 0, 0, 0));
}

static void
a_list_has_a_limit(void **state)
{
    (void) state;
    uint8_t *wire = calloc(ACTION_LIST_MAX + 1, 8);
    for (size_t i = 0; i <= ACTION_LIST_MAX; i++) {
        wire[8 * i + 1] = OFPAT_STRIP_VLAN;
        wire[8 * i + 3] = 8;
    }
    assert_int_equal(decode_in(OF10_IN_FLOW, wire, ACTION_LIST_MAX * 8), 0);
    assert_int_equal(n_actions, ACTION_LIST_MAX);
    assert_refused(OFPBAC_TOO_MANY, decode_in(OF10_IN_FLOW, wire, (ACTION_LIST_MAX + 1) * 8));
    free(wire);
}

static void
random_lists_come_back(void **state)
{
    (void) state;
    struct sample_rng rng = { 2 };
    static struct action sent[32];
    static uint8_t wire[32 * 24];
    for (int i = 0; i < 20000; i++) {
        bool packet_out = i & 1;
        uint32_t n = sample_below(&rng, 33);
        sample_actions(&rng, packet_out, sent, n);
        size_t size = of10_actions_size(sent, n);
        assert_true(size <= sizeof wire && size % 8 == 0);
        of10_encode_actions(sent, n, wire);
        assert_int_equal(decode_in(packet_out ? OF10_IN_PACKET_OUT : OF10_IN_FLOW, wire, size), 0);
        assert_int_equal(n_actions, n);
        if (n) {
            assert_memory_equal(actions, sent, n * sizeof sent[0]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_read),
        cmocka_unit_test(an_empty_list_is_a_list),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(unknown_types_and_vendors_are_refused),
        cmocka_unit_test(actions_of_nicira_are_read),
        cmocka_unit_test(actions_of_nicira_are_checked),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(every_output_port_is_allowed_or_refused),
        cmocka_unit_test(queues_are_on_physical_ports),
        cmocka_unit_test(the_first_fault_refuses_the_list),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(random_lists_come_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
