/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"
#include "tests/wire/samples.h"

static struct ofp_refusal refusal;

#define assert_refused(TYPE, CODE, CALL)             \
    do {                                             \
        refusal = (struct ofp_refusal) { 0 };        \
        assert_int_equal(CALL, OFP_REFUSED);         \
        assert_int_equal(refusal.type, TYPE);        \
        assert_int_equal(refusal.code, CODE);        \
        assert_non_null(refusal.why);                \
    } while (0)

/* A message of 'size' bytes, zero behind its header; the caller frees it. */
static uint8_t *
make(uint8_t version, uint8_t type, size_t size)
{
    uint8_t *msg = calloc(1, size < 8 ? 8 : size);
    msg[0] = version;
    msg[1] = type;
    msg[2] = (uint8_t) (size >> 8);
    msg[3] = (uint8_t) size;
    return msg;
}

static int
check_size(uint8_t version, uint8_t type, size_t size)
{
    uint8_t *msg = make(version, type, size);
    int error = ofp_check_size(msg, size, &refusal);
    free(msg);
    return error;
}

static void
only_version_1_is_spoken(void **state)
{
    (void) state;
    assert_int_equal(check_size(1, OFPT_BARRIER_REQUEST, 8), 0);
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION, check_size(4, OFPT_BARRIER_REQUEST, 8));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION, check_size(0, OFPT_ECHO_REQUEST, 8));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION, check_size(4, 200, 8));
    assert_int_equal(check_size(6, OFPT_HELLO, 16), 0);
    assert_int_equal(check_size(4, OFPT_ERROR, 12), 0);
}

static void
unknown_types_and_a_switchs_own_are_refused(void **state)
{
    (void) state;
    for (unsigned type = 0; type < 256; type++) {
        bool from_switch = type == OFPT_FEATURES_REPLY || type == OFPT_GET_CONFIG_REPLY
                           || type == OFPT_PACKET_IN || type == OFPT_FLOW_REMOVED
                           || type == OFPT_PORT_STATUS || type == OFPT_STATS_REPLY
                           || type == OFPT_BARRIER_REPLY || type == OFPT_QUEUE_GET_CONFIG_REPLY;
        if (type >= N_OFP_TYPES || from_switch) {
            assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE,
                           check_size(1, (uint8_t) type, 200));
        }
    }
}

static void
sizes_are_those_of_the_type(void **state)
{
    (void) state;
    static const struct { uint8_t type; uint16_t min; bool longer; } cases[] = {
        { OFPT_HELLO, 8, true }, { OFPT_ERROR, 12, true }, { OFPT_ECHO_REQUEST, 8, true },
        { OFPT_ECHO_REPLY, 8, true }, { OFPT_VENDOR, 12, true },
        { OFPT_FEATURES_REQUEST, 8, false }, { OFPT_GET_CONFIG_REQUEST, 8, false },
        { OFPT_SET_CONFIG, 12, false }, { OFPT_PACKET_OUT, 16, true },
        { OFPT_FLOW_MOD, 72, true }, { OFPT_PORT_MOD, 32, false },
        { OFPT_STATS_REQUEST, 12, true }, { OFPT_BARRIER_REQUEST, 8, false },
        { OFPT_QUEUE_GET_CONFIG_REQUEST, 12, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t size = 8; size < 100; size++) {
            int expect = size == cases[i].min || (size > cases[i].min && cases[i].longer)
                         ? 0 : OFP_REFUSED;
            assert_int_equal(check_size(1, cases[i].type, size), expect);
            if (expect) {
                assert_int_equal(refusal.type, OFPET_BAD_REQUEST);
                assert_int_equal(refusal.code, OFPBRC_BAD_LEN);
            }
        }
    }
    /* A length that lies. */
    uint8_t *msg = make(1, OFPT_ECHO_REQUEST, 20);
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, ofp_check_size(msg, 19, &refusal));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, ofp_check_size(msg, 4, &refusal));
    free(msg);
}

static void
hello_agrees_on_version_1(void **state)
{
    (void) state;
    static const uint8_t plain[] = { 1, 0, 0, 8, 0, 0, 0, 0 };
    static const uint8_t higher[] = { 4, 0, 0, 8, 0, 0, 0, 0 };
    static const uint8_t zero[] = { 0, 0, 0, 8, 0, 0, 0, 0 };
    static const uint8_t with_1[] = { 4, 0, 0, 16, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x12 };
    static const uint8_t without_1[] = { 4, 0, 0, 16, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x10 };
    static const uint8_t second[] = { 4, 0, 0, 32, 0, 0, 0, 0, 0, 9, 0, 10, 1, 2, 3, 4, 5, 6, 0,
                                      0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x10 };
    static const uint8_t garbage[] = { 1, 0, 0, 13, 0, 0, 0, 0, 0, 1, 0, 3, 9 };
    static const uint8_t cut[] = { 1, 0, 0, 14, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0 };
    static const uint8_t text[] = { 1, 0, 0, 13, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o' };
    assert_int_equal(ofp_decode_hello(plain, sizeof plain), 1);
    assert_int_equal(ofp_decode_hello(higher, sizeof higher), 1);
    assert_int_equal(ofp_decode_hello(zero, sizeof zero), 0);
    assert_int_equal(ofp_decode_hello(with_1, sizeof with_1), 1);
    assert_int_equal(ofp_decode_hello(without_1, sizeof without_1), 0);
    assert_int_equal(ofp_decode_hello(second, sizeof second), 0);
    assert_int_equal(ofp_decode_hello(garbage, sizeof garbage), 1);
    assert_int_equal(ofp_decode_hello(cut, sizeof cut), 1);
    assert_int_equal(ofp_decode_hello(text, sizeof text), 1);
    assert_int_equal(ofp_decode_hello(plain, 7), 0);
}

static void
set_config_keeps_what_has_a_meaning(void **state)
{
    (void) state;
    static const uint8_t msg[] = { 1, 9, 0, 12, 0, 0, 0, 0, 0xff, 0xfd, 0x12, 0x34 };
    struct ofp_switch_config config;
    assert_int_equal(ofp_decode_set_config(msg, sizeof msg, &config, &refusal), 0);
    assert_int_equal(config.flags, OFPC_FRAG_DROP | OFPC_INVALID_TTL_TO_CONTROLLER);
    assert_int_equal(config.miss_send_len, 0x1234);
}

/* --- FLOW_MOD -------------------------------------------------------------------- */

static struct ofp_flow_mod mod;

/* A FLOW_MOD with one output, with 16 bits at 'offset' replaced. */
static int
decode_flow_mod_with(size_t offset, uint16_t value)
{
    static struct ofp_flow_mod sent;
    struct sample_rng rng = { 3 };
    sample_match(&rng, &sent.match);
    sent.command = OFPFC_ADD;
    sent.out_port = PORT_NONE;
    sent.buffer_id = OFP_NO_BUFFER;
    sent.n_actions = 1;
    sent.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = 5 };
    struct writer w;
    writer_init(&w);
    ofp_encode_flow_mod(&w, 9, &sent);
    writer_patch_u16(&w, offset, value);
    int error = ofp_decode_flow_mod(w.data, w.size, &mod, &refusal);
    writer_fini(&w);
    return error;
}

enum {
    AT_COMMAND = offsetof(struct of10_flow_mod, command),
    AT_IDLE = offsetof(struct of10_flow_mod, idle_timeout),
    AT_HARD = offsetof(struct of10_flow_mod, hard_timeout),
    AT_OUT_PORT = offsetof(struct of10_flow_mod, out_port),
    AT_FLAGS = offsetof(struct of10_flow_mod, flags),
    AT_ACTION = sizeof(struct of10_flow_mod),
};

static void
flow_mod_commands_are_checked(void **state)
{
    (void) state;
    for (uint16_t command = OFPFC_ADD; command <= OFPFC_DELETE_STRICT; command++) {
        assert_int_equal(decode_flow_mod_with(AT_COMMAND, command), 0);
        assert_int_equal(mod.command, command);
        assert_int_equal(mod.n_actions, command < OFPFC_DELETE ? 1 : 0);
    }
    assert_refused(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND, decode_flow_mod_with(AT_COMMAND, 5));
    assert_refused(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND,
                   decode_flow_mod_with(AT_COMMAND, 0xffff));
}

static void
flow_mod_flags_are_checked(void **state)
{
    (void) state;
    for (uint16_t flags = 0; flags < 8; flags++) {
        assert_int_equal(decode_flow_mod_with(AT_FLAGS, flags), 0);
        assert_int_equal(mod.flags, flags);
    }
    assert_refused(OFPET_FLOW_MOD_FAILED, OFPFMFC_UNSUPPORTED, decode_flow_mod_with(AT_FLAGS, 8));
}

static void
an_emergency_flow_has_no_time_outs(void **state)
{
    (void) state;
    static struct ofp_flow_mod sent;
    for (int i = 0; i < 4; i++) {
        sent.flags = OFPFF_EMERG;
        sent.idle_timeout = i & 1;
        sent.hard_timeout = i & 2;
        sent.out_port = PORT_NONE;
        struct writer w;
        writer_init(&w);
        ofp_encode_flow_mod(&w, 9, &sent);
        if (i) {
            assert_refused(OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_EMERG_TIMEOUT,
                           ofp_decode_flow_mod(w.data, w.size, &mod, &refusal));
        } else {
            assert_int_equal(ofp_decode_flow_mod(w.data, w.size, &mod, &refusal), 0);
        }
        writer_fini(&w);
    }
}

static void
what_a_command_does_not_use_is_neutral(void **state)
{
    (void) state;
    assert_int_equal(decode_flow_mod_with(AT_OUT_PORT, 7), 0);
    assert_int_equal(mod.out_port, PORT_NONE);
    static struct ofp_flow_mod sent;
    sent.command = OFPFC_DELETE;
    sent.out_port = 7;
    sent.buffer_id = 5;
    sent.n_actions = 1;
    sent.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = 0 };
    struct writer w;
    writer_init(&w);
    ofp_encode_flow_mod(&w, 9, &sent);
    writer_u8(&w, 0); /* nor does the list's length matter */
    ofp_end(&w, 0);
    assert_int_equal(ofp_decode_flow_mod(w.data, w.size, &mod, &refusal), 0);
    assert_int_equal(mod.out_port, 7);
    assert_int_equal(mod.buffer_id, OFP_NO_BUFFER);
    assert_int_equal(mod.n_actions, 0);
    writer_fini(&w);
}

static void
flow_mod_actions_are_checked(void **state)
{
    (void) state;
    assert_refused(OFPET_BAD_ACTION, OFPBAC_BAD_TYPE, decode_flow_mod_with(AT_ACTION, 12));
    assert_refused(OFPET_BAD_ACTION, OFPBAC_BAD_LEN, decode_flow_mod_with(AT_ACTION + 2, 16));
    assert_refused(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT,
                   decode_flow_mod_with(AT_ACTION + 4, PORT_TABLE));
}

/* --- PACKET_OUT --------------------------------------------------------------------- */

static struct ofp_packet_out out;

static int
decode_packet_out_with(uint32_t buffer_id, uint16_t in_port, uint16_t actions_len, size_t size)
{
    uint8_t *msg = make(1, OFPT_PACKET_OUT, size);
    struct of10_packet_out wire = {
        .header = of10_header(OFPT_PACKET_OUT, size, 1),
        .buffer_id = be32_from_host(buffer_id),
        .in_port = be16_from_host(in_port),
        .actions_len = be16_from_host(actions_len),
    };
    memcpy(msg, &wire, sizeof wire);
    if (size >= 24) {
        memcpy(msg + 16, "\0\0\0\x08\0\x01\0\0", 8);
    }
    int error = ofp_decode_packet_out(msg, size, &out, &refusal);
    if (!error && out.data) {
        assert_ptr_equal(out.data, msg + 16 + actions_len);
    }
    free(msg);
    return error;
}

static void
packet_out_has_actions_then_data(void **state)
{
    (void) state;
    assert_int_equal(decode_packet_out_with(OFP_NO_BUFFER, 1, 8, 84), 0);
    assert_int_equal(out.n_actions, 1);
    assert_int_equal(out.data_size, 60);
    assert_int_equal(decode_packet_out_with(OFP_NO_BUFFER, 1, 0, 84), 0);
    assert_int_equal(out.n_actions, 0);
    assert_int_equal(out.data_size, 68);
    assert_int_equal(decode_packet_out_with(OFP_NO_BUFFER, 1, 0, 16), 0);
    assert_int_equal(out.data_size, 0);
    /* With a buffer, data is not looked at. */
    assert_int_equal(decode_packet_out_with(7, 1, 8, 84), 0);
    assert_int_equal(out.data_size, 0);
    assert_null(out.data);

    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                   decode_packet_out_with(OFP_NO_BUFFER, 1, 72, 84));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                   decode_packet_out_with(OFP_NO_BUFFER, 1, 0xffff, 84));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN,
                   decode_packet_out_with(OFP_NO_BUFFER, 1, 4, 84));
}

static void
packet_out_comes_in_by_a_port_or_none(void **state)
{
    (void) state;
    for (uint32_t port = 0; port <= 0xffff; port += port < 0xfe00 && port > 4 ? 251 : 1) {
        bool good = port < PORT_MAX || port == PORT_LOCAL || port == PORT_CONTROLLER
                    || port == PORT_NONE;
        if (good) {
            assert_int_equal(decode_packet_out_with(OFP_NO_BUFFER, (uint16_t) port, 0, 16), 0);
            assert_int_equal(out.in_port, port ? port : PORT_NONE);
        } else {
            assert_refused(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT,
                           decode_packet_out_with(OFP_NO_BUFFER, (uint16_t) port, 0, 16));
        }
    }
}

/* --- statistics requests --------------------------------------------------------------- */

static int
decode_stats(uint16_t type, size_t body)
{
    uint8_t *msg = make(1, OFPT_STATS_REQUEST, 12 + body);
    struct ofp_stats_request request;
    msg[8] = (uint8_t) (type >> 8);
    msg[9] = (uint8_t) type;
    msg[11] = 0xff; /* no flag of a request means anything */
    int error = ofp_decode_stats_request(msg, 12 + body, &request, &refusal);
    if (!error) {
        assert_int_equal(request.type, type);
    }
    free(msg);
    return error;
}

static void
statistics_requests_have_a_body_each(void **state)
{
    (void) state;
    static const size_t bodies[] = { 0, 44, 44, 0, 8, 8 };
    for (uint16_t type = OFPST_DESC; type <= OFPST_QUEUE; type++) {
        for (size_t body = 0; body < 60; body++) {
            if (body == bodies[type]) {
                assert_int_equal(decode_stats(type, body), 0);
            } else {
                assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, decode_stats(type, body));
            }
        }
    }
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_STAT, decode_stats(6, 0));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_STAT, decode_stats(0xfffe, 44));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR, decode_stats(0xffff, 4));
    assert_refused(OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, decode_stats(0xffff, 3));
}

static void
names_are_known_or_numbers(void **state)
{
    (void) state;
    assert_string_equal(ofp_type_name(OFPT_FLOW_MOD), "FLOW_MOD");
    assert_string_equal(ofp_type_name(99), "type 99");
    assert_string_equal(ofp_error_name(OFPET_BAD_ACTION, OFPBAC_BAD_LEN), "BAD_ACTION/BAD_LEN");
    assert_string_equal(ofp_error_name(OFPET_HELLO_FAILED, 2), "type 0/code 2");
    assert_string_equal(ofp_error_name(0xb0c2, 0), "type 45250/code 0");
    for (uint8_t type = 0; type < N_OFP_TYPES; type++) {
        assert_non_null(ofp_type_name(type));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_version_1_is_spoken),
        cmocka_unit_test(unknown_types_and_a_switchs_own_are_refused),
        cmocka_unit_test(sizes_are_those_of_the_type),
        cmocka_unit_test(hello_agrees_on_version_1),
        cmocka_unit_test(set_config_keeps_what_has_a_meaning),
        cmocka_unit_test(flow_mod_commands_are_checked),
        cmocka_unit_test(flow_mod_flags_are_checked),
        cmocka_unit_test(an_emergency_flow_has_no_time_outs),
        cmocka_unit_test(what_a_command_does_not_use_is_neutral),
        cmocka_unit_test(flow_mod_actions_are_checked),
        cmocka_unit_test(packet_out_has_actions_then_data),
        cmocka_unit_test(packet_out_comes_in_by_a_port_or_none),
        cmocka_unit_test(statistics_requests_have_a_body_each),
        cmocka_unit_test(names_are_known_or_numbers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
