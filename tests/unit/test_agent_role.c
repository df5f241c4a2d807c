/* SPDX-License-Identifier: Apache-2.0 */
/* Roles over sockets: who is what, and what a slave may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "lib/counters.h"
#include "tests/unit/agent_rig.h"

enum { N_PEERS = 3 };

static struct rig rig;
static struct peer peers[N_PEERS];

static int
set_up(void **state)
{
    (void) state;
    rig_init(&rig, NULL);
    for (int i = 0; i < N_PEERS; i++) {
        peer_hello(&peers[i], &rig, rig.path);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    for (int i = 0; i < N_PEERS; i++) {
        peer_close(&peers[i]);
    }
    rig_fini(&rig);
    return 0;
}

static void
set_role(struct peer *peer, enum nx_role role)
{
    struct nx_message nx;
    struct ofp_refusal refusal;
    enum nx_role got;
    nx_encode_role_request(&peer->out, 0x401e, role);
    peer_send(peer);
    const uint8_t *msg = peer_expect(peer, OFPT_VENDOR);
    assert_int_equal(peer->header.xid, 0x401e);
    assert_int_equal(nx_decode(msg, peer->header.length, &nx, &refusal), 0);
    assert_string_equal(nx_name(&nx), "NXT_ROLE_REPLY");
    assert_int_equal(nx_decode_role(&nx, &got, &refusal), 0);
    assert_int_equal(got, role);
}

/* True if the peer may write; if not it gets EPERM. */
static bool
may_write(struct peer *peer)
{
    put_flow_mod(peer, OFPFC_ADD, "in_port=1", 2);
    peer_send(peer);
    peer_send_header(peer, OFPT_BARRIER_REQUEST, 0xba);
    const uint8_t *msg = peer_next(peer);
    assert_non_null(msg);
    if (peer->header.type == OFPT_BARRIER_REPLY) {
        return true;
    }
    uint16_t type, code;
    struct ofp_refusal refusal;
    assert_int_equal(ofp_decode_error(msg, peer->header.length, &type, &code, &refusal), 0);
    assert_string_equal(ofp_error_name(type, code), "BAD_REQUEST/EPERM");
    peer_expect(peer, OFPT_BARRIER_REPLY);
    return false;
}

static void
a_new_master_demotes_the_old(void **state)
{
    (void) state;
    set_role(&peers[0], NX_ROLE_MASTER);
    set_role(&peers[1], NX_ROLE_SLAVE);
    assert_true(may_write(&peers[0]));
    assert_false(may_write(&peers[1]));
    assert_true(may_write(&peers[2]));
    set_role(&peers[1], NX_ROLE_MASTER);
    assert_false(may_write(&peers[0]));
    assert_true(may_write(&peers[1]));
    assert_true(may_write(&peers[2]));
    set_role(&peers[1], NX_ROLE_MASTER);     /* once more is no change */
    assert_true(may_write(&peers[1]));
    set_role(&peers[2], NX_ROLE_MASTER);
    set_role(&peers[0], NX_ROLE_OTHER);      /* that does not touch the master */
    assert_true(may_write(&peers[0]));
    assert_false(may_write(&peers[1]));
    assert_true(may_write(&peers[2]));
}

static void
a_master_that_goes_leaves_the_place_empty(void **state)
{
    (void) state;
    set_role(&peers[0], NX_ROLE_MASTER);
    set_role(&peers[1], NX_ROLE_SLAVE);
    peer_close(&peers[0]);
    while (rig_n_sessions(&rig) > N_PEERS - 1) {
        rig_turn(&rig);
    }
    assert_null(rig.agent->master);
    assert_false(may_write(&peers[1]));
    peer_hello(&peers[0], &rig, rig.path);   /* comes back as other */
    assert_true(may_write(&peers[0]));
    set_role(&peers[1], NX_ROLE_MASTER);
    assert_true(may_write(&peers[0]));
    set_role(&peers[1], NX_ROLE_OTHER);      /* a master can give it up */
    assert_null(rig.agent->master);
    set_role(&peers[1], NX_ROLE_MASTER);
    set_role(&peers[1], NX_ROLE_SLAVE);
    assert_null(rig.agent->master);
}

static void
a_slave_may_look_but_not_touch(void **state)
{
    (void) state;
    struct peer *peer = &peers[0];
    uint64_t before = counter_read(COUNTER_slave_refused);
    set_role(peer, NX_ROLE_SLAVE);
    put_flow_mod(peer, OFPFC_DELETE, "", PORT_NONE);
    ofp_encode_set_config(&peer->out, 0xf10, &(struct ofp_switch_config) { OFPC_FRAG_DROP, 9 });
    ofp_encode_port_mod(&peer->out, 0xf10, &(struct ofp_port_mod) { .port_no = 1 });
    ofp_encode_packet_out(&peer->out, 0xf10, &(struct ofp_packet_out) {
                          .buffer_id = OFP_NO_BUFFER, .in_port = PORT_NONE });
    peer_send(peer);
    for (int i = 0; i < 4; i++) {
        peer_expect_error(peer, OFPET_BAD_REQUEST, OFPBRC_EPERM, 0xf10);
    }
    assert_int_equal(counter_read(COUNTER_slave_refused), before + 4);
    peer_send_header(peer, OFPT_GET_CONFIG_REQUEST, 3);
    struct ofp_switch_config config;
    struct ofp_refusal refusal;
    const uint8_t *msg = peer_expect(peer, OFPT_GET_CONFIG_REPLY);
    assert_int_equal(ofp_decode_set_config(msg, peer->header.length, &config, &refusal), 0);
    assert_int_equal(config.flags, OFPC_FRAG_NORMAL);
    assert_int_equal(config.miss_send_len, 128);
    peer_send_header(peer, OFPT_FEATURES_REQUEST, 3);
    peer_expect(peer, OFPT_FEATURES_REPLY);
    ofp_encode_stats_request(&peer->out, 4, &(struct ofp_stats_request) {
                             .type = OFPST_AGGREGATE, .table_id = 0xff, .out_port = PORT_NONE });
    ofp_encode_queue_get_config(&peer->out, 5, 1);
    peer_send(peer);
    peer_expect(peer, OFPT_STATS_REPLY);
    peer_expect(peer, OFPT_QUEUE_GET_CONFIG_REPLY);
    peer_barrier(peer);
}

static void
an_unknown_role_is_refused(void **state)
{
    (void) state;
    set_role(&peers[0], NX_ROLE_SLAVE);
    for (uint8_t role = 3; role < 10; role++) {
        const uint8_t msg[] = { 1, OFPT_VENDOR, 0, 20, 0, 0, 0, 8, 0, 0, 0x23, 0x20, 0, 0, 0, 10,
                                0, 0, 0, role };
        peer_send_bytes(&peers[0], msg, sizeof msg);
        peer_expect_nx_error(&peers[0], OFPET_BAD_REQUEST, NXBRC_BAD_ROLE, 8);
    }
    assert_false(may_write(&peers[0]));      /* it is what it was */
}

/* A tool is no controller: it must not take the master's place. */
static void
management_has_no_role(void **state)
{
    (void) state;
    struct peer tool;
    peer_hello(&tool, &rig, rig.mgmt_path);
    set_role(&peers[0], NX_ROLE_MASTER);
    for (enum nx_role role = NX_ROLE_MASTER; role <= NX_ROLE_SLAVE; role++) {
        nx_encode_role_request(&tool.out, 6, role);
        peer_send(&tool);
        peer_expect_error(&tool, OFPET_BAD_REQUEST, OFPBRC_EPERM, 6);
    }
    set_role(&tool, NX_ROLE_OTHER);
    assert_true(may_write(&tool));
    assert_true(may_write(&peers[0]));
    peer_close(&tool);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_master_demotes_the_old),
        TEST(a_master_that_goes_leaves_the_place_empty),
        TEST(a_slave_may_look_but_not_touch),
        TEST(an_unknown_role_is_refused),
        TEST(management_has_no_role),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
