/* SPDX-License-Identifier: Apache-2.0 */
/* In-band control: what gets through to LOCAL and back whatever the flow table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_text.h"
#include "tests/unit/agent_rig.h"

/* The controller, on loopback, as far as connecting to it goes; nobody listens there. */
#define CONTROLLER "tcp:127.0.0.9:7"

enum { CONTROLLER_PORT = 7, SIZE = 100, DHCP_SIZE = 320 };

static const uint8_t remote[6] = { 2, 0, 0, 0, 0, 9 };
static const uint8_t group[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

struct fixture {
    struct rig rig;
    struct peer peer;              /* a controller that is reached otherwise */
    uint8_t local[6];              /* LOCAL's address */
    uint8_t frame[400], got[400];
};

static int
set_up_with(void **state, bool in_band)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct agent_config config = rig_config;
    struct port_info local;
    struct errmsg err;
    config.in_band = in_band;
    rig_init(&f->rig, &config);
    assert_int_equal(agent_add_target(f->rig.agent, CONTROLLER, &err), 0);
    peer_hello(&f->peer, &f->rig, f->rig.path);
    assert_true(dp_port_get(agent_bridge(f->rig.agent), PORT_LOCAL, &local));
    memcpy(f->local, local.hw_addr, sizeof f->local);
    *state = f;
    return 0;
}

static int
set_up(void **state)
{
    return set_up_with(state, true);
}

static int
set_up_off(void **state)
{
    return set_up_with(state, false);
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    peer_close(&f->peer);
    rig_fini(&f->rig);
    free(f);
    return 0;
}

/* --- frames --------------------------------------------------------------------------------- */

static void
put_ethernet(struct fixture *f, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
    memset(f->frame, 0, sizeof f->frame);
    memcpy(f->frame, dst, 6);
    memcpy(f->frame + 6, src, 6);
    f->frame[12] = (uint8_t) (type >> 8);
    f->frame[13] = (uint8_t) type;
}

static void
put_ip(struct fixture *f, uint16_t size, uint8_t proto, uint32_t src, uint32_t dst,
       uint16_t tp_src, uint16_t tp_dst)
{
    uint8_t *ip = f->frame + 14;
    ip[0] = 0x45;
    ip[2] = (uint8_t) ((size - 14) >> 8);
    ip[3] = (uint8_t) (size - 14);
    ip[8] = 64;
    ip[9] = proto;
    for (int i = 0; i < 4; i++) {
        ip[12 + i] = (uint8_t) (src >> (24 - 8 * i));
        ip[16 + i] = (uint8_t) (dst >> (24 - 8 * i));
    }
    ip[20] = (uint8_t) (tp_src >> 8);
    ip[21] = (uint8_t) tp_src;
    ip[22] = (uint8_t) (tp_dst >> 8);
    ip[23] = (uint8_t) tp_dst;
    ip[32] = 0x50;
}

/* TCP between LOCAL and the controller. */
static void
tcp(struct fixture *f, bool to_local, uint16_t port)
{
    const uint32_t controller = 0x7f000009, here = 0x0a000064;
    put_ethernet(f, to_local ? f->local : remote, to_local ? remote : f->local, 0x0800);
    if (to_local) {
        put_ip(f, SIZE, 6, controller, here, port, 40000);
    } else {
        put_ip(f, SIZE, 6, here, controller, 40000, port);
    }
}

static void
arp(struct fixture *f, uint8_t op, const uint8_t dst[6], const uint8_t src[6])
{
    static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0 };
    put_ethernet(f, dst, src, 0x0806);
    memcpy(f->frame + 14, head, sizeof head);
    f->frame[21] = op;
    memcpy(f->frame + 22, src, 6);
}

static void
dhcp_answer(struct fixture *f, const uint8_t dst[6], const uint8_t chaddr[6])
{
    put_ethernet(f, dst, remote, 0x0800);
    put_ip(f, DHCP_SIZE, 17, 0x0a000001, 0xffffffff, 67, 68);
    f->frame[34 + 8] = 2;
    memcpy(f->frame + 34 + 8 + 28, chaddr, 6);
}

/* Sends the frame into 'port'; returns a bit for each port that it left by, LOCAL's is 1. */
static unsigned
send_to(struct fixture *f, uint16_t port, uint32_t size)
{
    unsigned ports = 0;
    rig_inject(&f->rig, port, f->frame, size);
    for (uint16_t i = 0; i <= RIG_PORTS; i++) {
        while (rig_take(&f->rig, i ? i : PORT_LOCAL, f->got, sizeof f->got)) {
            assert_memory_equal(f->got, f->frame, size);
            assert_false(ports & 1u << i);
            ports |= 1u << i;
        }
    }
    return ports;
}

enum { LOCAL = 1, P1 = 2, P2 = 4, P3 = 8 };

static void
drop_all(struct fixture *f)
{
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "", PORT_NONE);
    fm->priority = 0xffff;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
}

/* --- what gets through --------------------------------------------------------------------------- */

static void
check_all(struct fixture *f)
{
    tcp(f, false, CONTROLLER_PORT);
    unsigned out = send_to(f, PORT_LOCAL, SIZE);
    assert_true(out == (P1 | P2 | P3) || out == P2);      /* until it is learnt */
    tcp(f, true, CONTROLLER_PORT);
    assert_int_equal(send_to(f, 2, SIZE), LOCAL);
    tcp(f, false, CONTROLLER_PORT);
    assert_int_equal(send_to(f, PORT_LOCAL, SIZE), P2);
    arp(f, 1, group, f->local);
    assert_int_equal(send_to(f, PORT_LOCAL, SIZE), P1 | P2 | P3);
    arp(f, 2, f->local, remote);
    assert_int_equal(send_to(f, 2, SIZE), LOCAL);
    arp(f, 2, remote, f->local);
    assert_int_equal(send_to(f, PORT_LOCAL, SIZE), P2);
    put_ethernet(f, group, f->local, 0x0800);
    put_ip(f, DHCP_SIZE, 17, 0, 0xffffffff, 68, 67);
    assert_int_equal(send_to(f, PORT_LOCAL, DHCP_SIZE), P1 | P2 | P3);
    dhcp_answer(f, group, f->local);
    assert_int_equal(send_to(f, 2, DHCP_SIZE), LOCAL);
    dhcp_answer(f, f->local, f->local);
    assert_int_equal(send_to(f, 2, DHCP_SIZE), LOCAL);
}

static void
it_works_before_there_is_a_flow(void **state)
{
    check_all(*state);
}

static void
no_flow_can_lock_it_out(void **state)
{
    struct fixture *f = *state;
    drop_all(f);
    check_all(f);
    /* Nor one without wildcards, which is above all priorities. */
    struct ofp_flow_mod *fm = flow_mod_of(OFPFC_ADD, "", PORT_NONE);
    tcp(f, true, CONTROLLER_PORT);
    struct errmsg err;
    char text[300];
    snprintf(text, sizeof text, "in_port=2,dl_vlan=0xffff,dl_src=02:00:00:00:00:09,"
             "dl_dst=%02x:%02x:%02x:%02x:%02x:%02x,tcp,nw_tos=0,nw_src=127.0.0.9,"
             "nw_dst=10.0.0.100,tp_src=7,tp_dst=40000", f->local[0], f->local[1], f->local[2],
             f->local[3], f->local[4], f->local[5]);
    assert_int_equal(flow_match_parse(text, NULL, &fm->match.match, &err), 0);
    fm->match.exact = true;
    ofp_encode_flow_mod(&f->peer.out, 1, fm);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    assert_int_equal(send_to(f, 2, SIZE), LOCAL);
    put_flow_mod(&f->peer, OFPFC_DELETE, "", PORT_NONE);
    peer_send(&f->peer);
    peer_barrier(&f->peer);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
    check_all(f);
}

static void
off_it_is_as_any_other_packet(void **state)
{
    struct fixture *f = *state;
    drop_all(f);
    for (int to_local = 0; to_local < 2; to_local++) {
        tcp(f, to_local, CONTROLLER_PORT);
        assert_int_equal(send_to(f, to_local ? 2 : PORT_LOCAL, SIZE), 0);
    }
    arp(f, 2, f->local, remote);
    assert_int_equal(send_to(f, 2, SIZE), 0);
    dhcp_answer(f, group, f->local);
    assert_int_equal(send_to(f, 2, DHCP_SIZE), 0);
    assert_null(agent_in_band_flows(f->rig.agent));
}

static void
it_is_for_nothing_else(void **state)
{
    struct fixture *f = *state;
    static const uint8_t other[6] = { 2, 0, 0, 0, 0, 8 };
    drop_all(f);
    for (int to_local = 0; to_local < 2; to_local++) {
        tcp(f, to_local, CONTROLLER_PORT + 1);
        assert_int_equal(send_to(f, to_local ? 2 : PORT_LOCAL, SIZE), 0);
        tcp(f, to_local, CONTROLLER_PORT);
        f->frame[23] = 17;                               /* UDP */
        assert_int_equal(send_to(f, to_local ? 2 : PORT_LOCAL, SIZE), 0);
        tcp(f, to_local, CONTROLLER_PORT);
        f->frame[to_local ? 29 : 33] = 8;                /* another host's */
        assert_int_equal(send_to(f, to_local ? 2 : PORT_LOCAL, SIZE), 0);
    }
    tcp(f, true, CONTROLLER_PORT);
    memcpy(f->frame, other, 6);                           /* to somebody else */
    assert_int_equal(send_to(f, 2, SIZE), 0);
    tcp(f, false, CONTROLLER_PORT);
    memcpy(f->frame + 6, other, 6);                       /* not LOCAL's own */
    assert_int_equal(send_to(f, PORT_LOCAL, SIZE), 0);
    tcp(f, false, CONTROLLER_PORT);                       /* not by LOCAL */
    assert_int_equal(send_to(f, 1, SIZE), 0);
    arp(f, 1, group, remote);                             /* not for an address of LOCAL's */
    assert_int_equal(send_to(f, 2, SIZE), 0);
    arp(f, 2, other, remote);
    assert_int_equal(send_to(f, 2, SIZE), 0);
    dhcp_answer(f, group, other);
    assert_int_equal(send_to(f, 2, DHCP_SIZE), 0);
    dhcp_answer(f, f->local, other);
    assert_int_equal(send_to(f, 2, DHCP_SIZE), 0);
    dhcp_answer(f, group, f->local);                      /* cut short */
    assert_int_equal(send_to(f, 2, 34 + 8 + 28), 0);
    dhcp_answer(f, group, f->local);                      /* LOCAL's own answers are a server's */
    memcpy(f->frame + 6, f->local, 6);
    assert_int_equal(send_to(f, PORT_LOCAL, DHCP_SIZE), 0);
}

/* --- what is seen of it ---------------------------------------------------------------------------- */

static void
it_is_in_no_statistics(void **state)
{
    struct fixture *f = *state;
    struct dp_bridge_stats before, after;
    dp_bridge_get_stats(agent_bridge(f->rig.agent), &before);
    check_all(f);
    dp_bridge_get_stats(agent_bridge(f->rig.agent), &after);
    assert_int_equal(flow_table_count(agent_flows(f->rig.agent)), 0);
    assert_int_equal(after.lookups, before.lookups);
    assert_int_equal(after.matched, before.matched);
    struct flow_cursor cursor;
    const struct ofp_match all = { .exact = false };
    struct flow_table *hidden = agent_in_band_flows(f->rig.agent);
    uint32_t budget = 1000;
    uint64_t packets = 0;
    const struct flow *flow;
    flow_cursor_open(hidden, &cursor, &all, PORT_NONE);
    while ((flow = flow_cursor_next(hidden, &cursor, &budget))) {
        struct flow_stats stats;
        flow_get_stats(flow, &stats);
        packets += stats.packets;
    }
    flow_cursor_close(&cursor);
    assert_int_equal(packets, 9);
}

static void
rules_follow_targets_and_configuration(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    struct agent_config config = rig_config;
    struct flow_table *hidden = agent_in_band_flows(f->rig.agent);
    size_t with_one = flow_table_count(hidden);
    drop_all(f);
    assert_int_equal(agent_add_target(f->rig.agent, "tcp:127.0.0.8:7", &err), 0);
    assert_int_equal(flow_table_count(hidden), with_one + 2);
    tcp(f, true, CONTROLLER_PORT);
    f->frame[29] = 8;
    assert_int_equal(send_to(f, 2, SIZE), LOCAL);
    assert_int_equal(agent_del_target(f->rig.agent, "tcp:127.0.0.8:7"), 0);
    assert_int_equal(flow_table_count(hidden), with_one);
    assert_int_equal(send_to(f, 2, SIZE), 0);
    agent_set_config(f->rig.agent, &config);              /* off */
    assert_int_equal(flow_table_count(hidden), 0);
    tcp(f, true, CONTROLLER_PORT);
    assert_int_equal(send_to(f, 2, SIZE), 0);
    config.in_band = true;
    agent_set_config(f->rig.agent, &config);
    assert_int_equal(flow_table_count(hidden), with_one);
    assert_int_equal(send_to(f, 2, SIZE), LOCAL);
}

/* A blocked port is blocked for it as well: that is no flow. */
static void
port_flags_hold_for_it(void **state)
{
    struct fixture *f = *state;
    struct dp_bridge *bridge = agent_bridge(f->rig.agent);
    tcp(f, true, CONTROLLER_PORT);
    assert_true(dp_port_set_config(bridge, 2, PORT_CONFIG_NO_RECV, PORT_CONFIG_NO_RECV));
    assert_int_equal(send_to(f, 2, SIZE), 0);
    assert_true(dp_port_set_config(bridge, 2, PORT_CONFIG_NO_FLOOD, UINT32_MAX));
    arp(f, 1, group, f->local);
    assert_int_equal(send_to(f, PORT_LOCAL, SIZE), P1 | P3);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_works_before_there_is_a_flow),
        TEST(no_flow_can_lock_it_out),
        cmocka_unit_test_setup_teardown(off_it_is_as_any_other_packet, set_up_off, tear_down),
        TEST(it_is_for_nothing_else),
        TEST(it_is_in_no_statistics),
        TEST(rules_follow_targets_and_configuration),
        TEST(port_flags_hold_for_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
