/* SPDX-License-Identifier: Apache-2.0 */
/* Which asynchronous message goes to which connection: each reason, by mask, role and id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/agent_rig.h"

static struct rig rig;
static struct peer peer;             /* whose messages are looked at */
static struct peer other;            /* who makes them happen */
static uint8_t frame[100];

static int
set_up(void **state)
{
    (void) state;
    rig_init(&rig, NULL);
    peer_hello(&peer, &rig, rig.path);
    peer_hello(&other, &rig, rig.path);
    const struct nx_async_config quiet = { 0 };
    nx_encode_async_config(&other.out, 1, &quiet);
    peer_send(&other);
    peer_barrier(&other);
    rig_frame(frame, sizeof frame, 1, 2, 80);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    peer_close(&peer);
    peer_close(&other);
    rig_fini(&rig);
    return 0;
}

static void
set_async(struct peer *p, const struct nx_async_config *config)
{
    nx_encode_async_config(&p->out, 2, config);
    peer_send(p);
    peer_barrier(p);
}

static void
set_role(struct peer *p, enum nx_role role)
{
    nx_encode_role_request(&p->out, 3, role);
    peer_send(p);
    peer_expect(p, OFPT_VENDOR);
}

/* --- one event for each kind and reason ------------------------------------------------------ */

static void
miss(void)
{
    rig_inject(&rig, 1, frame, sizeof frame);
}

static void
action(void)
{
    put_flow_mod(&other, OFPFC_ADD, "in_port=2", PORT_CONTROLLER);
    peer_send(&other);
    peer_barrier(&other);
    rig_inject(&rig, 2, frame, sizeof frame);
}

static void
add_port(void)
{
    struct errmsg err;
    uint16_t no;
    assert_int_equal(dp_port_add(agent_bridge(rig.agent), "m9", 9, PKTIO_MEMORY, &no, &err), 0);
}

static void
delete_port(void)
{
    struct errmsg err;
    assert_int_equal(dp_port_del(agent_bridge(rig.agent), 3, &err), 0);
}

static void
modify_port(void)
{
    assert_true(dp_port_set_config(agent_bridge(rig.agent), 2, PORT_CONFIG_NO_FLOOD,
                                   PORT_CONFIG_NO_FLOOD));
}

/* A flow that tells its end. */
static void
add_flow(uint16_t idle, uint16_t hard)
{
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "in_port=3", 1);
    fm->flags = OFPFF_SEND_FLOW_REM;
    fm->idle_timeout = idle;
    fm->hard_timeout = hard;
    ofp_encode_flow_mod(&other.out, 4, fm);
    peer_send(&other);
    peer_barrier(&other);
}

static void
idle_timeout(void)
{
    add_flow(1, 0);
    rig_pass_ms(&rig, 1500);
}

static void
hard_timeout(void)
{
    add_flow(0, 1);
    rig_pass_ms(&rig, 1500);
}

static void
delete_flow(void)
{
    add_flow(0, 0);
    put_flow_mod(&other, OFPFC_DELETE, "in_port=3", PORT_NONE);
    peer_send(&other);
    peer_barrier(&other);
}

static const struct event_of {
    enum nx_async what;
    unsigned reason;
    uint8_t type;
    void (*make)(void);
} events[] = {
    { NX_PACKET_IN, OFPR_NO_MATCH, OFPT_PACKET_IN, miss },
    { NX_PACKET_IN, OFPR_ACTION, OFPT_PACKET_IN, action },
    { NX_PORT_STATUS, OFPPR_ADD, OFPT_PORT_STATUS, add_port },
    { NX_PORT_STATUS, OFPPR_DELETE, OFPT_PORT_STATUS, delete_port },
    { NX_PORT_STATUS, OFPPR_MODIFY, OFPT_PORT_STATUS, modify_port },
    { NX_FLOW_REMOVED, OFPRR_IDLE_TIMEOUT, OFPT_FLOW_REMOVED, idle_timeout },
    { NX_FLOW_REMOVED, OFPRR_HARD_TIMEOUT, OFPT_FLOW_REMOVED, hard_timeout },
    { NX_FLOW_REMOVED, OFPRR_DELETE, OFPT_FLOW_REMOVED, delete_flow },
};

enum { N_EVENTS = sizeof events / sizeof events[0] };

/* --- tests --------------------------------------------------------------------------------------- */

static void
others_and_masters_are_told_everything(void **state)
{
    (void) state;
    for (int i = 0; i < N_EVENTS; i++) {
        events[i].make();
        peer_expect(&peer, events[i].type);
    }
    peer_expect_nothing(&peer);
}

static void
slaves_are_told_of_ports_only(void **state)
{
    (void) state;
    set_role(&peer, NX_ROLE_SLAVE);
    for (int i = 0; i < N_EVENTS; i++) {
        events[i].make();
        if (events[i].what == NX_PORT_STATUS) {
            peer_expect(&peer, OFPT_PORT_STATUS);
        }
    }
    peer_expect_nothing(&peer);
}

/* With one bit set in one role's mask, that event is told in that role and no other is. */
static void
a_bit_is_one_reason(enum nx_role role, const struct event_of *event)
{
    bool slave = role == NX_ROLE_SLAVE;
    for (int i = 0; i < 2; i++) {
        struct nx_async_config config = { 0 };
        if (i) {                                     /* everything but this */
            memset(&config, 0xff, sizeof config);
        }
        config.masks[event->what][slave] ^= 1u << event->reason;
        config.masks[event->what][!slave] = i ? UINT32_MAX : 0;
        set_up(NULL);
        set_role(&peer, role);
        set_async(&peer, &config);
        for (int k = 0; k < N_EVENTS; k++) {
            events[k].make();
            if ((&events[k] == event) != i) {
                peer_expect(&peer, events[k].type);
            }
        }
        peer_expect_nothing(&peer);
        tear_down(NULL);
    }
}

static void
each_bit_is_one_reason(void **state)
{
    (void) state;
    for (enum nx_role role = 0; role < N_NX_ROLES; role++) {
        for (int i = 0; i < N_EVENTS; i++) {
            a_bit_is_one_reason(role, &events[i]);
        }
    }
}

/* The masks stay when the role changes; a new connection has the default ones. */
static void
masks_belong_to_the_connection(void **state)
{
    (void) state;
    struct nx_async_config config = nx_async_default;
    config.masks[NX_PORT_STATUS][0] = 0;
    config.masks[NX_PORT_STATUS][1] = 1 << OFPPR_MODIFY;
    set_async(&peer, &config);
    modify_port();
    set_role(&peer, NX_ROLE_SLAVE);
    dp_port_set_config(agent_bridge(rig.agent), 2, 0, PORT_CONFIG_NO_FLOOD);
    peer_expect(&peer, OFPT_PORT_STATUS);
    delete_port();
    peer_expect_nothing(&peer);
    peer_close(&peer);
    peer_hello(&peer, &rig, rig.path);
    modify_port();
    peer_expect(&peer, OFPT_PORT_STATUS);
}

static void
a_controller_with_another_id_gets_no_misses(void **state)
{
    (void) state;
    nx_encode_controller_id(&peer.out, 5, 7);
    peer_send(&peer);
    peer_barrier(&peer);
    miss();
    action();
    peer_expect_nothing(&peer);
    modify_port();                                   /* the id is for packets only */
    peer_expect(&peer, OFPT_PORT_STATUS);
    nx_encode_controller_id(&peer.out, 5, 0);
    peer_send(&peer);
    peer_barrier(&peer);
    miss();
    peer_expect(&peer, OFPT_PACKET_IN);
}

/* Nobody would be told: the worker drops it, and makes no packet-in. */
static void
misses_that_nobody_wants_are_dropped_at_once(void **state)
{
    (void) state;
    struct dp_bridge *bridge = agent_bridge(rig.agent);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_CONTROLLER);
    set_role(&peer, NX_ROLE_SLAVE);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_DROP);
    set_role(&peer, NX_ROLE_MASTER);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_CONTROLLER);
    set_role(&other, NX_ROLE_MASTER);                /* the peer is slave now */
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_DROP);
    set_async(&other, &nx_async_default);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_CONTROLLER);
    nx_encode_controller_id(&other.out, 5, 1);
    peer_send(&other);
    peer_barrier(&other);
    assert_int_equal(dp_bridge_miss_mode(bridge), DP_MISS_DROP);
}

static void
expect_config(struct peer *p, uint16_t flags, uint16_t miss_send_len)
{
    struct ofp_switch_config config;
    struct ofp_refusal refusal;
    peer_send_header(p, OFPT_GET_CONFIG_REQUEST, 6);
    const uint8_t *msg = peer_expect(p, OFPT_GET_CONFIG_REPLY);
    assert_int_equal(ofp_decode_set_config(msg, p->header.length, &config, &refusal), 0);
    assert_int_equal(config.flags, flags);
    assert_int_equal(config.miss_send_len, miss_send_len);
}

static void
send_actions(const struct action *actions, uint32_t n)
{
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "ip,in_port=1", PORT_NONE);
    fm->n_actions = n;
    memcpy(fm->actions, actions, n * sizeof *actions);
    ofp_encode_flow_mod(&other.out, 8, fm);
    peer_send(&other);
    peer_barrier(&other);
}

static uint8_t
packet_in_reason(struct peer *p)
{
    struct ofp_packet_in in;
    struct ofp_refusal refusal;
    const uint8_t *msg = peer_expect(p, OFPT_PACKET_IN);
    assert_int_equal(ofp_decode_packet_in(msg, p->header.length, &in, &refusal), 0);
    return in.reason;
}

/* By its bit and by its id; the datapath is told only while somebody wants to know. */
static void
a_ttl_at_its_end_is_told_to_who_asks(void **state)
{
    (void) state;
    const struct action dec_ttl = { .type = ACTION_DEC_TTL, .n_ids = 1, .dec_ttl.ids = { 4 } };
    struct nx_async_config config = nx_async_default;
    frame[22] = 1;
    send_actions(&dec_ttl, 1);
    miss();
    peer_expect_nothing(&peer);
    config.masks[NX_PACKET_IN][0] = 1 << OFPR_INVALID_TTL;
    set_async(&peer, &config);
    miss();
    peer_expect_nothing(&peer);
    nx_encode_controller_id(&peer.out, 5, 4);
    peer_send(&peer);
    peer_barrier(&peer);
    miss();
    assert_int_equal(packet_in_reason(&peer), OFPR_INVALID_TTL);
    set_role(&peer, NX_ROLE_SLAVE);
    miss();
    peer_expect_nothing(&peer);
}

/* The reason that the action gives has a bit like others. */
static void
the_controller_action_has_its_own_reasons(void **state)
{
    (void) state;
    struct nx_async_config config = nx_async_default;
    struct action actions[4];
    for (int i = 0; i < 4; i++) {
        actions[i] = (struct action) {
            .type = ACTION_CONTROLLER,
            .controller = { .max_len = 0xffff, .id = i == 2, .reason = i == 3 ? 31 : i == 1 ? 9 : 0 },
        };
    }
    send_actions(actions, 4);
    miss();
    assert_int_equal(packet_in_reason(&peer), OFPR_NO_MATCH);
    peer_expect_nothing(&peer);
    config.masks[NX_PACKET_IN][0] = 1u << 31 | 1 << 9;
    set_async(&peer, &config);
    miss();
    assert_int_equal(packet_in_reason(&peer), 9);
    assert_int_equal(packet_in_reason(&peer), 31);
    peer_expect_nothing(&peer);
}

static void
the_flag_for_invalid_ttls_is_a_bit_of_the_mask(void **state)
{
    (void) state;
    struct nx_async_config config = nx_async_default;
    expect_config(&peer, 0, 128);
    ofp_encode_set_config(&peer.out, 7, &(struct ofp_switch_config) {
                          OFPC_INVALID_TTL_TO_CONTROLLER | OFPC_FRAG_DROP, 99 });
    peer_send(&peer);
    expect_config(&peer, OFPC_INVALID_TTL_TO_CONTROLLER | OFPC_FRAG_DROP, 99);
    expect_config(&other, OFPC_FRAG_DROP, 128);
    set_async(&peer, &config);
    expect_config(&peer, OFPC_FRAG_DROP, 99);
    config.masks[NX_PACKET_IN][0] |= 1 << OFPR_INVALID_TTL;
    set_async(&peer, &config);
    expect_config(&peer, OFPC_INVALID_TTL_TO_CONTROLLER | OFPC_FRAG_DROP, 99);
    ofp_encode_set_config(&peer.out, 7, &(struct ofp_switch_config) { 0, 99 });
    peer_send(&peer);
    expect_config(&peer, 0, 99);
}

/* Without SET_CONFIG a tool is told nothing; saying what it wants is asking as well. */
static void
management_asks_by_a_mask_too(void **state)
{
    (void) state;
    struct peer tool;
    peer_hello(&tool, &rig, rig.mgmt_path);
    modify_port();
    peer_expect_nothing(&tool);
    expect_config(&tool, 0, 0);
    set_async(&tool, &nx_async_default);
    expect_config(&tool, 0, 128);
    delete_port();
    peer_expect(&tool, OFPT_PORT_STATUS);
    miss();
    peer_expect(&tool, OFPT_PACKET_IN);
    peer_close(&tool);
}

static void
what_does_not_fit_changes_nothing(void **state)
{
    (void) state;
    uint8_t id[24] = { 1, OFPT_VENDOR, 0, 24, 0, 0, 0, 9, 0, 0, 0x23, 0x20, 0, 0, 0, 20, 1 };
    id[23] = 5;
    peer_send_bytes(&peer, id, sizeof id);
    peer_expect_nx_error(&peer, OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO, 9);
    uint8_t mask[36] = { 1, OFPT_VENDOR, 0, 36, 0, 0, 0, 9, 0, 0, 0x23, 0x20, 0, 0, 0, 19 };
    peer_send_bytes(&peer, mask, sizeof mask);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 9);
    miss();
    peer_expect(&peer, OFPT_PACKET_IN);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(others_and_masters_are_told_everything),
        TEST(slaves_are_told_of_ports_only),
        cmocka_unit_test(each_bit_is_one_reason),
        TEST(masks_belong_to_the_connection),
        TEST(a_controller_with_another_id_gets_no_misses),
        TEST(misses_that_nobody_wants_are_dropped_at_once),
        TEST(a_ttl_at_its_end_is_told_to_who_asks),
        TEST(the_controller_action_has_its_own_reasons),
        TEST(the_flag_for_invalid_ttls_is_a_bit_of_the_mask),
        TEST(management_asks_by_a_mask_too),
        TEST(what_does_not_fit_changes_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
