/* SPDX-License-Identifier: Apache-2.0 */
/* NORMAL in hardware: entries follow what is learnt, and keep it from ageing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/epoch.h"
#include "tests/unit/offload_rig.h"

/* Hosts a, b, c, ... are 1, 2, 3, ...: 02:00:00:00:00:0n. */
enum { A = 1, B, C, D, E, F, N_HOSTS = 6, GROUP = 0xff };
enum { AGE_S = 300 };

struct way {
    uint16_t port;
    uint8_t src, dst;
    uint16_t vid;                /* 0: untagged */
};

static const struct dp_bridge_config config = { .fdb_max = 64, .fdb_age_s = AGE_S };

static void
put_address(uint8_t at[6], uint8_t host)
{
    memset(at, host == GROUP ? 0xff : 0, 6);
    at[0] = host == GROUP ? 0xff : 2;
    at[5] = host;
}

static void
send(struct rig *rig, struct way way, unsigned n)
{
    uint8_t frame[RIG_FRAME_SIZE] = { 0 };
    static const uint8_t type[2] = { 0x88, 0xb5 };
    put_address(frame, way.dst);
    put_address(frame + 6, way.src);
    if (way.vid) {
        frame[12] = 0x81;
        frame[14] = (uint8_t) (way.vid >> 8);
        frame[15] = (uint8_t) way.vid;
    }
    memcpy(frame + (way.vid ? 16 : 12), type, sizeof type);
    rig_send(rig, way.port, frame, n);
}

static struct flow_key
key_of(struct way way)
{
    struct flow_key key = { .in_port = way.port, .dl_type.raw = htobe16(0x88b5) };
    put_address(key.dl_dst, way.dst);
    put_address(key.dl_src, way.src);
    key.vlan_tci.raw = htobe16(way.vid ? FLOW_VLAN_PRESENT | way.vid : 0);
    return key;
}

/* The flow is busy. Returns why it is not in hardware, or 0. */
static unsigned
offer(struct rig *rig, struct way way)
{
    struct hal_verdict verdict;
    struct flow_key key = key_of(way);
    hal_offer(dp_bridge_hal(rig->bridge), &key, 1000, &verdict);
    rig_settle(rig);
    return verdict.reason;
}

static bool
is_in_hardware(struct rig *rig, struct way way)
{
    struct hal_entry_info entry;
    struct flow_key key = key_of(way);
    rig_settle(rig);
    return hal_find(dp_bridge_hal(rig->bridge), &key, &entry) && entry.state == HAL_IN_HARDWARE;
}

/* Packets that went out by each port since the last time: a bit a port. */
static unsigned
ports_that_sent(struct rig *rig)
{
    unsigned ports = 0;
    for (uint16_t port = 1; port <= RIG_PORTS; port++) {
        ports |= (unsigned) (rig_n_sent(rig, port) > 0) << port;
    }
    return ports;
}

/* Sends once and says which ports it went to. */
static unsigned
goes_to(struct rig *rig, struct way way)
{
    ports_that_sent(rig);
    send(rig, way, 1);
    return ports_that_sent(rig);
}

struct operations {
    uint64_t added, changed, removed;
};

static struct operations
operations(struct rig *rig)
{
    rig_n_in_hardware(rig);
    return (struct operations) { rig_info.added, rig_info.changed, rig_info.removed };
}

static void
assert_operations(struct rig *rig, struct operations before, unsigned n_added, unsigned n_changed,
                  unsigned n_removed)
{
    struct operations now = operations(rig);
    assert_int_equal(now.added - before.added, n_added);
    assert_int_equal(now.changed - before.changed, n_changed);
    assert_int_equal(now.removed - before.removed, n_removed);
}

static const struct flow_match anything;

/* A learning switch without LOCAL, which is no port of the device and would keep floods in
 * software. */
static struct rule *
begin(struct rig *rig, const char *driver)
{
    rig_begin(rig, driver);
    dp_bridge_set_config(rig->bridge, &config);
    dp_port_set_config(rig->bridge, PORT_LOCAL, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    return rig_add_rule(rig, &anything, 1, PORT_NORMAL);
}

static void
end(struct rig *rig, struct rule *rule)
{
    rig_remove_rule(rig, rule);
    assert_int_equal(rig_n_in_hardware(rig), 0);
    rig_end(rig);
}

/* Hosts 1 .. n speak, each behind the port of its number. */
static void
introduce(struct rig *rig, uint8_t n)
{
    for (uint8_t host = 1; host <= n; host++) {
        send(rig, (struct way) { host, host, GROUP, 0 }, 1);
    }
    ports_that_sent(rig);
}

/* --- where packets go ------------------------------------------------------------------------ */

static const struct way a_to_b = { 1, A, B, 0 }, b_to_a = { 2, B, A, 0 }, c_to_d = { 3, C, D, 0 },
                        d_to_c = { 4, D, C, 0 };

static void
learnt_destinations_are_for_hardware(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    introduce(&rig, 1);
    assert_int_equal(offer(&rig, a_to_b), HAL_REASON_PER_PACKET);
    send(&rig, a_to_b, 40);
    assert_int_equal(rig_n_in_hardware(&rig), 0);
    assert_int_equal(ports_that_sent(&rig), 1 << 2 | 1 << 3 | 1 << 4);
    introduce(&rig, 2);
    rig_now_ns += UINT64_C(200000000);
    send(&rig, a_to_b, 40);
    assert_int_equal(rig_n_in_hardware(&rig), 1);
    uint64_t before = rig_n_in_software(&rig);
    ports_that_sent(&rig);
    send(&rig, a_to_b, 100);
    assert_int_equal(rig_n_sent(&rig, 2), 100);
    assert_int_equal(ports_that_sent(&rig), 0);
    assert_int_equal(rig_n_in_software(&rig), before);
    /* Another source, or the same elsewhere, is to be learnt from. */
    assert_int_equal(goes_to(&rig, (struct way) { 3, C, B, 0 }), 1 << 2);
    assert_int_equal(rig_n_in_software(&rig), before + 1);
    assert_int_equal(goes_to(&rig, (struct way) { 3, B, C, 0 }), 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 3);
    end(&rig, rule);
}

static void
moves_touch_what_depends_on_them(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    const struct way ways[] = { a_to_b, b_to_a, c_to_d, d_to_c, { 4, D, B, 0 } };
    introduce(&rig, 4);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        assert_int_equal(offer(&rig, ways[i]), 0);
    }
    assert_int_equal(rig_n_in_hardware(&rig), 5);
    /* B speaks from port 3: A and D now find it there; what came from port 2 as B's has gone. */
    struct operations before = operations(&rig);
    assert_int_equal(goes_to(&rig, (struct way) { 3, B, GROUP, 0 }), 1 << 1 | 1 << 2 | 1 << 4);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 2, 1);
    assert_false(is_in_hardware(&rig, b_to_a));
    uint64_t in_software = rig_n_in_software(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 3);
    assert_int_equal(goes_to(&rig, (struct way) { 4, D, B, 0 }), 1 << 3);
    assert_int_equal(goes_to(&rig, d_to_c), 1 << 3);
    assert_int_equal(rig_n_in_software(&rig), in_software);
    /* One frame from port 2 moves it back. */
    rig_now_ns += UINT64_C(2000000000);
    before = operations(&rig);
    assert_int_equal(goes_to(&rig, b_to_a), 1 << 1);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 2, 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    end(&rig, rule);
}

/* The barrier that comes after the packet, with no turn in between. */
static void
a_barrier_covers_what_was_learnt(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim:latency-us=5000");
    introduce(&rig, 3);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_true(is_in_hardware(&rig, a_to_b));
    uint8_t b[6];
    put_address(b, B);
    for (uint16_t port = 4; port >= 3; port--) {
        assert_true(fdb_learn(dp_bridge_fdb(rig.bridge), b, 0, port, clock_ms()));
        rig_barrier(&rig);
        assert_int_equal(goes_to(&rig, a_to_b), 1 << port);
        rig_now_ns += UINT64_C(2000000000);
    }
    assert_true(is_in_hardware(&rig, a_to_b));
    end(&rig, rule);
}

static void
flapping_addresses_stay_in_software_for_a_while(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    struct operations before = operations(&rig);
    for (unsigned i = 0; i < 10; i++) {
        send(&rig, (struct way) { (uint16_t) (3 - i % 2), B, GROUP, 0 }, 1);
    }
    assert_operations(&rig, before, 0, 1, 1);
    assert_int_equal(offer(&rig, a_to_b), HAL_REASON_PER_PACKET);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    rig_now_ns += UINT64_C(1000000000);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_true(is_in_hardware(&rig, a_to_b));
    end(&rig, rule);
}

static void
groups_are_flooded_by_hardware(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    const struct way to_all = { 1, A, GROUP, 0 };
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, to_all), 0);
    assert_int_equal(offer(&rig, c_to_d), 0);
    struct operations before = operations(&rig);
    dp_port_set_config(rig.bridge, 3, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 1, 0);
    uint64_t in_software = rig_n_in_software(&rig);
    assert_int_equal(goes_to(&rig, to_all), 1 << 2 | 1 << 4);
    dp_port_set_config(rig.bridge, 3, 0, PORT_CONFIG_NO_FLOOD);
    rig_barrier(&rig);
    assert_int_equal(goes_to(&rig, to_all), 1 << 2 | 1 << 3 | 1 << 4);
    assert_int_equal(rig_n_in_software(&rig), in_software);
    /* With a port that only software has, all of it is software's. */
    dp_port_set_config(rig.bridge, PORT_LOCAL, 0, PORT_CONFIG_NO_FLOOD);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 2, 1);
    assert_int_equal(goes_to(&rig, to_all), 1 << 2 | 1 << 3 | 1 << 4);
    assert_int_equal(rig_n_in_software(&rig), in_software + 1);
    end(&rig, rule);
}

static void
reserved_addresses_follow_the_configuration(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    struct hal_verdict verdict;
    uint8_t frame[RIG_FRAME_SIZE] = { 0x01, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
    struct flow_key key = key_of(a_to_b);
    memcpy(key.dl_dst, frame, sizeof key.dl_dst);
    introduce(&rig, 2);
    for (unsigned i = 0; i < 4; i++) {
        struct dp_bridge_config now = config;
        now.forward_bpdu = i % 2;
        dp_bridge_set_config(rig.bridge, &now);
        rig_barrier(&rig);
        ports_that_sent(&rig);
        rig_send(&rig, 1, frame, 1);
        assert_int_equal(ports_that_sent(&rig), i % 2 ? 1 << 2 | 1 << 3 | 1 << 4 : 0);
        hal_offer(dp_bridge_hal(rig.bridge), &key, 1000, &verdict);
        assert_int_equal(rig_n_in_hardware(&rig), 1);
    }
    end(&rig, rule);
}

/* In the cache they are one: each is found to be busy for itself. */
static void
every_busy_pair_of_addresses_moves(void **state)
{
    (void) state;
    enum { N_SOURCES = 12 };
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    introduce(&rig, 2);
    for (uint8_t n = 0; n < N_SOURCES; n++) {
        send(&rig, (struct way) { 1, (uint8_t) (0x20 + n), GROUP, 0 }, 1);
    }
    /* One after the other, a packet each, 20 times in 100 ms. */
    for (unsigned round = 0; round < 20; round++) {
        for (uint8_t n = 0; n < N_SOURCES; n++) {
            send(&rig, (struct way) { 1, (uint8_t) (0x20 + n), B, 0 }, 16);
        }
        rig_now_ns += UINT64_C(5000000);
    }
    assert_int_equal(rig_n_in_hardware(&rig), N_SOURCES);
    end(&rig, rule);
}

/* --- VLANs ------------------------------------------------------------------------------------ */

static void
addresses_are_looked_up_in_their_vlan(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    const struct way in_10 = { 1, A, B, 10 };
    introduce(&rig, 2);
    send(&rig, (struct way) { 1, A, GROUP, 10 }, 1);
    send(&rig, (struct way) { 3, B, GROUP, 10 }, 1);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(offer(&rig, in_10), 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    assert_int_equal(goes_to(&rig, in_10), 1 << 3);
    struct operations before = operations(&rig);
    send(&rig, (struct way) { 4, B, GROUP, 10 }, 1);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 1, 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    assert_int_equal(goes_to(&rig, in_10), 1 << 4);
    end(&rig, rule);
}

static void
set_list(struct rig *rig, struct rule *rule, const struct action actions[], uint32_t n)
{
    const struct action_list *old = atomic_load(&rule->actions);
    struct action_list *list = calloc(1, sizeof *list + n * sizeof *actions);
    list->len = n;
    memcpy(list->actions, actions, n * sizeof *actions);
    atomic_store(&rule->actions, list);
    dp_rule_changed(rig->bridge, rule);
    epoch_defer(free, (void *) (uintptr_t) old);
    rig_barrier(rig);
}

static void
what_actions_did_before_counts(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    const struct action normal = { .type = ACTION_OUTPUT, .output.port = PORT_NORMAL };
    const struct action tagged[] = { { .type = ACTION_SET_VLAN_VID, .vlan_vid.vid = 20 }, normal };
    const struct action other[] = { { .type = ACTION_SET_DL_DST, .dl.addr = { 2, 0, 0, 0, 0, C } },
                                    normal };
    const struct action stripped[] = { { .type = ACTION_STRIP_VLAN }, normal };
    introduce(&rig, 4);
    set_list(&rig, rule, tagged, 2);
    send(&rig, a_to_b, 1);
    send(&rig, (struct way) { 4, B, GROUP, 0 }, 1);
    assert_int_equal(offer(&rig, a_to_b), 0);
    uint64_t in_software = rig_n_in_software(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 4);
    assert_int_equal(rig_n_in_software(&rig), in_software);
    /* In VLAN 20 the source is kept from ageing, too. */
    for (unsigned s = 0; s < 2 * AGE_S; s += 10) {
        rig_now_ns += UINT64_C(10000000000);
        send(&rig, (struct way) { 4, B, GROUP, 0 }, 1);
        send(&rig, a_to_b, 1);
        rig_settle(&rig);
        fdb_expire(dp_bridge_fdb(rig.bridge), clock_ms());
    }
    assert_true(is_in_hardware(&rig, a_to_b));
    set_list(&rig, rule, other, 2);
    assert_int_equal(offer(&rig, a_to_b), HAL_REASON_PER_PACKET);
    set_list(&rig, rule, stripped, 2);
    struct way tagged_way = a_to_b;
    tagged_way.vid = 7;
    send(&rig, b_to_a, 1);
    send(&rig, tagged_way, 1);
    assert_int_equal(offer(&rig, tagged_way), 0);
    struct flow_key key = key_of(tagged_way);
    struct hal_verdict verdict;
    key.dl_type.raw = htobe16(0x8100);
    hal_offer(dp_bridge_hal(rig.bridge), &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_PER_PACKET);
    end(&rig, rule);
}

/* --- time --------------------------------------------------------------------------------------- */

static void
pass_s(struct rig *rig, unsigned s)
{
    rig_now_ns += s * UINT64_C(1000000000);
    fdb_expire(dp_bridge_fdb(rig->bridge), clock_ms());
    rig_settle(rig);
}

static void
traffic_in_hardware_keeps_addresses(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim:lag-ms=1000");
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(offer(&rig, b_to_a), 0);
    assert_int_equal(offer(&rig, c_to_d), 0);
    uint64_t in_software = rig_n_in_software(&rig);
    for (unsigned s = 0; s < 3 * AGE_S; s += 10) {
        send(&rig, a_to_b, 20);
        send(&rig, b_to_a, 20);
        for (unsigned i = 0; i < 10; i++) {
            pass_s(&rig, 1);
        }
    }
    assert_int_equal(rig_n_in_software(&rig), in_software);
    assert_true(is_in_hardware(&rig, a_to_b));
    /* D was silent, and so was C. */
    assert_false(is_in_hardware(&rig, c_to_d));
    assert_int_equal(goes_to(&rig, c_to_d), 1 << 1 | 1 << 2 | 1 << 4);
    /* And then everybody is. */
    for (unsigned s = 0; s < AGE_S + 10; s++) {
        pass_s(&rig, 1);
    }
    assert_int_equal(rig_n_in_hardware(&rig), 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2 | 1 << 3 | 1 << 4);
    end(&rig, rule);
}

static void
forgotten_addresses_leave(void **state)
{
    (void) state;
    struct rig rig;
    struct rule *rule = begin(&rig, "sim");
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(offer(&rig, b_to_a), 0);
    assert_int_equal(offer(&rig, c_to_d), 0);
    assert_int_equal(dp_bridge_flush_fdb(rig.bridge, 2), 1);
    rig_barrier(&rig);
    assert_true(is_in_hardware(&rig, c_to_d));
    assert_int_equal(rig_n_in_hardware(&rig), 1);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2 | 1 << 3 | 1 << 4);
    assert_int_equal(dp_bridge_flush_fdb(rig.bridge, 0), 3);
    rig_barrier(&rig);
    assert_int_equal(rig_n_in_hardware(&rig), 0);
    /* New limits make a new table: everything is looked at again. */
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    struct dp_bridge_config small = config;
    small.fdb_max = 1;
    dp_bridge_set_config(rig.bridge, &small);
    rig_barrier(&rig);
    assert_int_equal(rig_n_in_hardware(&rig), 0);
    assert_true(counter_read(COUNTER_offload_addresses_all) > 0);
    end(&rig, rule);
}

/* --- ports -------------------------------------------------------------------------------------- */

static void
spanning_tree_states_count(void **state)
{
    (void) state;
    struct rig rig;
    struct errmsg err;
    struct rule *rule = begin(&rig, "sim:latency-us=3000");
    struct dp_bridge_config with_stp = config;
    with_stp.stp = true;
    dp_bridge_set_config(rig.bridge, &with_stp);
    for (uint16_t port = 1; port <= RIG_PORTS; port++) {
        assert_int_equal(dp_port_set_stp_state(rig.bridge, port, PORT_STP_FORWARD, &err), 0);
    }
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(offer(&rig, c_to_d), 0);
    struct operations before = operations(&rig);
    /* Learning, but not forwarding: it goes nowhere, in hardware too, ... */
    assert_int_equal(dp_port_set_stp_state(rig.bridge, 2, PORT_STP_LEARN, &err), 0);
    rig_barrier(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 0);
    assert_operations(&rig, before, 0, 1, 0);
    /* ... and back. */
    assert_int_equal(dp_port_set_stp_state(rig.bridge, 2, PORT_STP_FORWARD, &err), 0);
    rig_barrier(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    assert_operations(&rig, before, 0, 2, 0);
    /* The ingress. */
    assert_int_equal(dp_port_set_stp_state(rig.bridge, 1, PORT_STP_LEARN, &err), 0);
    rig_barrier(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 0);
    /* Addresses behind a port that blocks are forgotten. */
    assert_int_equal(dp_port_set_stp_state(rig.bridge, 2, PORT_STP_BLOCK, &err), 0);
    assert_int_equal(dp_port_set_stp_state(rig.bridge, 1, PORT_STP_FORWARD, &err), 0);
    rig_barrier(&rig);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 3 | 1 << 4);
    assert_true(is_in_hardware(&rig, c_to_d));
    end(&rig, rule);
}

static void
ports_that_go_take_their_addresses_along(void **state)
{
    (void) state;
    struct rig rig;
    struct errmsg err;
    struct rule *rule = begin(&rig, "sim");
    introduce(&rig, 4);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(offer(&rig, c_to_d), 0);
    struct operations before = operations(&rig);
    assert_int_equal(dp_port_del(rig.bridge, 2, &err), 0);
    rig_barrier(&rig);
    assert_operations(&rig, before, 0, 0, 1);
    for (uint16_t port = 3; port <= 4; port++) {
        rig_n_sent(&rig, port);
        send(&rig, a_to_b, 1);
        assert_int_equal(rig_n_sent(&rig, port), 1);
    }
    uint16_t no;
    assert_int_equal(dp_port_add(rig.bridge, "m2", 2, PKTIO_MEMORY, &no, &err), 0);
    assert_int_equal(dp_port_set_device(rig.bridge, 2, rig.device, &err), 0);
    introduce(&rig, 2);
    assert_int_equal(offer(&rig, a_to_b), 0);
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 2);
    dp_port_set_memory_link(rig.bridge, 2, false);
    rig_barrier(&rig);
    assert_false(is_in_hardware(&rig, a_to_b));
    assert_true(is_in_hardware(&rig, c_to_d));
    assert_int_equal(goes_to(&rig, a_to_b), 1 << 3 | 1 << 4);
    end(&rig, rule);
}

/* --- as software does ----------------------------------------------------------------------------- */

struct random {
    uint64_t state;
};

static unsigned
below(struct random *r, unsigned n)
{
    r->state = r->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned) (r->state >> 33) % n;
}

/* Something that is not a packet happens to both. */
static void
disturb(struct random *r, struct rig *rigs[2])
{
    unsigned what = below(r, 8);
    uint16_t port = (uint16_t) (1 + below(r, RIG_PORTS));
    uint32_t flag = below(r, 2) ? PORT_CONFIG_NO_FLOOD : 0u;
    bool all = below(r, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct dp_bridge *bridge = rigs[i]->bridge;
        if (what < 4) {
            dp_port_set_config(bridge, port, flag, PORT_CONFIG_NO_FLOOD);
        } else if (what == 4) {
            dp_bridge_flush_fdb(bridge, all ? 0 : port);
        } else if (what == 5) {
            dp_port_set_memory_link(bridge, port, false);
            dp_port_set_memory_link(bridge, port, true);
        }
    }
    if (what == 6) {
        /* What was counted is read, long before anything ages. */
        for (unsigned i = 0; i < 8; i++) {
            rig_settle(rigs[0]);
        }
        rig_now_ns += (AGE_S + 100) * UINT64_C(1000000000);
        fdb_expire(dp_bridge_fdb(rigs[0]->bridge), clock_ms());
        fdb_expire(dp_bridge_fdb(rigs[1]->bridge), clock_ms());
    }
    for (unsigned i = 0; i < 2; i++) {
        rig_settle(rigs[i]);
    }
}

static struct way
random_way(struct random *r)
{
    struct way way = { .src = (uint8_t) (1 + below(r, N_HOSTS)), .vid = below(r, 3) ? 0 : 10 };
    way.dst = below(r, 8) ? (uint8_t) (1 + below(r, N_HOSTS)) : GROUP;
    /* Mostly where it belongs. */
    way.port = (uint16_t) (1 + (below(r, 50) ? way.src : below(r, RIG_PORTS)) % RIG_PORTS);
    return way;
}

/* The same frames to a switch with hardware and to one without: the same frames come out. */
static void
random_traffic_goes_where_software_sends_it(void **state)
{
    (void) state;
    struct rig hard, soft;
    const char *given = getenv("TURNOUT_SEED");
    struct random r = { given ? strtoull(given, NULL, 0) : 1 };
    struct rule *rules[2] = { begin(&soft, "sim:exact=0,tcam=0"), begin(&hard, "sim:exact=64") };
    struct rig *rigs[2] = { &hard, &soft };
    unsigned n_frames = 0;
    for (unsigned step = 0; step < 6000; step++) {
        if (!below(&r, 120)) {
            disturb(&r, rigs);
            ports_that_sent(&hard);
            ports_that_sent(&soft);
        }
        struct way way = random_way(&r);
        unsigned n = 1 + below(&r, 4);
        for (unsigned i = 0; i < 2; i++) {
            send(rigs[i], way, n);
            rig_settle(rigs[i]);
        }
        for (uint16_t port = 1; port <= RIG_PORTS; port++) {
            unsigned n_hard = rig_n_sent(&hard, port), n_soft = rig_n_sent(&soft, port);
            if (n_hard != n_soft) {
                fail_msg("step %u: %u frames from %u (vlan %u) by %u to %u: port %u sent %u, not %u",
                         step, n, way.src, way.vid, way.port, way.dst, port, n_hard, n_soft);
            }
        }
        offer(&hard, way);
        n_frames += n;
    }
    assert_true(rig_n_in_software(&soft) == n_frames);
    assert_in_range(rig_n_in_software(&hard), n_frames / 20, n_frames / 2);
    for (unsigned i = 0; i < 10; i++) {
        rig_settle(&hard);
    }
    assert_int_equal(rig_packets_of(rules[1]), rig_packets_of(rules[0]));
    rig_remove_rule(&soft, rules[0]);
    rig_remove_rule(&hard, rules[1]);
    rig_end(&soft);
    rig_end(&hard);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learnt_destinations_are_for_hardware),
        cmocka_unit_test(moves_touch_what_depends_on_them),
        cmocka_unit_test(a_barrier_covers_what_was_learnt),
        cmocka_unit_test(flapping_addresses_stay_in_software_for_a_while),
        cmocka_unit_test(groups_are_flooded_by_hardware),
        cmocka_unit_test(reserved_addresses_follow_the_configuration),
        cmocka_unit_test(every_busy_pair_of_addresses_moves),
        cmocka_unit_test(addresses_are_looked_up_in_their_vlan),
        cmocka_unit_test(what_actions_did_before_counts),
        cmocka_unit_test(traffic_in_hardware_keeps_addresses),
        cmocka_unit_test(forgotten_addresses_leave),
        cmocka_unit_test(spanning_tree_states_count),
        cmocka_unit_test(ports_that_go_take_their_addresses_along),
        cmocka_unit_test(random_traffic_goes_where_software_sends_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
