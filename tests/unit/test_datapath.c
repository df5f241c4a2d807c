/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath as a whole, on memory ports, without threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/epoch.h"
#include "sw-datapath/datapath.h"
#include "sw-datapath/packet.h"

enum { N_PORTS = 4, FRAME_SIZE = 60 };

struct fixture {
    struct event_base *base;
    struct dp *dp;
    struct dp_bridge *bridge;
    unsigned n_packet_ins;
    struct dp_packet_in last;
    uint32_t last_size;
    unsigned n_events[3];
    struct rule *rules[16];
    unsigned n_rules;
};

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct fixture *f = aux;
    f->n_packet_ins++;
    f->last = *in;
    f->last_size = in->packet->size;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    struct fixture *f = aux;
    assert_true(info->port_no > 0);
    f->n_events[event]++;
}

static const struct dp_bridge_ops ops = { on_packet_in, on_port_event };

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->base = event_base_new();
    const struct dp_config config = { .cache_entries = 1024, .threads = false };
    f->dp = dp_new(f->base, &config, NULL);
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, NULL);
    for (unsigned i = 1; i <= N_PORTS; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(f->bridge, name, 0, PKTIO_MEMORY, &no, NULL), 0);
        assert_int_equal(no, i);
    }
    *state = f;
    return 0;
}

static void
free_rule(void *rule)
{
    free((void *) atomic_load(&((struct rule *) rule)->actions));
    free(rule);
}

static void
remove_rule(struct fixture *f, unsigned i)
{
    classifier_remove(dp_bridge_classifier(f->bridge), f->rules[i]);
    epoch_defer(free_rule, f->rules[i]);
    f->rules[i] = NULL;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < f->n_rules; i++) {
        if (f->rules[i]) {
            remove_rule(f, i);
        }
    }
    epoch_drain();
    dp_free(f->dp);
    event_base_free(f->base);
    free(f);
    return 0;
}

static const struct action_list *
list_new(const struct action *actions, unsigned n)
{
    struct action_list *list = calloc(1, sizeof *list + n * sizeof *actions);
    list->len = n;
    if (n) {
        memcpy(list->actions, actions, n * sizeof *actions);
    }
    return list;
}

static struct action
output_to(uint16_t port)
{
    struct action action;
    memset(&action, 0, sizeof action);
    action.type = ACTION_OUTPUT;
    action.output.port = port;
    action.output.max_len = port == PORT_CONTROLLER ? 77 : 0;
    return action;
}

static unsigned
add_rule(struct fixture *f, const struct flow_match *match, uint32_t rank,
         const struct action *actions, unsigned n)
{
    struct classifier *classifier = dp_bridge_classifier(f->bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, match));
    assert_int_equal(classifier_rule_init(classifier, rule, match, rank, list_new(actions, n)), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    f->rules[f->n_rules] = rule;
    return f->n_rules++;
}

static unsigned
add_output(struct fixture *f, uint16_t in_port, uint16_t out_port)
{
    struct flow_match match = { 0 };
    if (in_port) {
        match.value.in_port = in_port;
        match.mask.bits.in_port = UINT16_MAX;
    }
    struct action action = output_to(out_port);
    return add_rule(f, &match, 100, &action, 1);
}

static void
inject(struct fixture *f, uint16_t port, uint8_t dst, uint8_t src)
{
    uint8_t frame[FRAME_SIZE] = { 0x02, 0, 0, 0, 0, dst, 0x02, 0, 0, 0, 0, src, 0x88, 0xb5 };
    assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, port), frame, sizeof frame), 0);
}

static unsigned
received(struct fixture *f, uint16_t port)
{
    uint8_t frame[PACKET_MAX_SIZE];
    unsigned n = 0;
    while (pktio_memory_take(dp_port_pktio(f->bridge, port), frame, sizeof frame)) {
        n++;
    }
    return n;
}

/* Handles what was injected; then port i must have sent expect[i - 1] frames, LOCAL the last. */
static void
expect_out(struct fixture *f, const unsigned expect[N_PORTS + 1])
{
    while (dp_run_once(f->dp)) {
        continue;
    }
    for (unsigned i = 1; i <= N_PORTS; i++) {
        assert_int_equal(received(f, (uint16_t) i), expect[i - 1]);
    }
    assert_int_equal(received(f, PORT_LOCAL), expect[N_PORTS]);
}

#define EXPECT(...) expect_out(f, (const unsigned[N_PORTS + 1]) { __VA_ARGS__ })

static void
a_rule_sends_to_its_port_and_counts(void **state)
{
    struct fixture *f = *state;
    unsigned rule = add_output(f, 1, 2);
    inject(f, 1, 2, 1);
    inject(f, 1, 2, 1);
    EXPECT(0, 2, 0, 0, 0);
    struct rule_counters counters;
    rule_get_counters(f->rules[rule], &counters);
    assert_int_equal(counters.packets, 2);
    assert_int_equal(counters.bytes, 2 * FRAME_SIZE);
    struct port_counters port;
    assert_true(dp_port_get_counters(f->bridge, 1, &port));
    assert_int_equal(port.rx_packets, 2);
    assert_true(dp_port_get_counters(f->bridge, 2, &port));
    assert_int_equal(port.tx_bytes, 2 * FRAME_SIZE);
    assert_int_equal(f->n_packet_ins, 0);
}

static void
reserved_ports_mean_what_the_specification_says(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint16_t out;
        unsigned expect[N_PORTS + 1];
    } cases[] = {
        { PORT_IN_PORT, { 1, 0, 0, 0, 0 } },
        { PORT_ALL, { 0, 1, 1, 1, 1 } },
        { PORT_FLOOD, { 0, 1, 0, 1, 1 } },
        { PORT_NORMAL, { 0, 1, 0, 1, 1 } },
        { PORT_LOCAL, { 0, 0, 0, 0, 1 } },
        { 1, { 0, 0, 0, 0, 0 } },
        { 4, { 0, 0, 0, 1, 0 } },
        { 9, { 0, 0, 0, 0, 0 } },
        { PORT_CONTROLLER, { 0, 0, 0, 0, 0 } },
    };
    assert_true(dp_port_set_config(f->bridge, 3, PORT_CONFIG_NO_FLOOD, PORT_CONFIG_NO_FLOOD));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned rule = add_output(f, 1, cases[i].out);
        inject(f, 1, 99, 1);
        expect_out(f, cases[i].expect);
        remove_rule(f, rule);
    }
    assert_int_equal(f->n_packet_ins, 1);
    assert_int_equal(f->last.reason, DP_ACTION);
    assert_int_equal(f->last.max_len, 77);
}

/* An IPv4 frame with this TTL goes into port 1. */
static void
inject_ip(struct fixture *f, uint8_t ttl)
{
    uint8_t frame[FRAME_SIZE] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46,
                                  0, 0, 0, 0, ttl, 17 };
    assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, 1), frame, sizeof frame), 0);
    dp_run_once(f->dp);
}

static void
a_ttl_at_its_end_ends_the_list(void **state)
{
    struct fixture *f = *state;
    const struct flow_match all = { 0 };
    struct action actions[] = {
        output_to(2), { .type = ACTION_DEC_TTL, .n_ids = 2, .dec_ttl.ids = { 5, 6 } }, output_to(3),
    };
    uint64_t before = counter_read(COUNTER_ttl_expired);
    add_rule(f, &all, 100, actions, 3);
    inject_ip(f, 2);
    EXPECT(0, 1, 1, 0, 0);
    inject_ip(f, 1);                         /* nobody wants to know */
    EXPECT(0, 1, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 0);
    assert_int_equal(counter_read(COUNTER_ttl_expired), before + 1);
    dp_bridge_set_invalid_ttl(f->bridge, true);
    inject_ip(f, 0);
    EXPECT(0, 1, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 2);    /* one for each id */
    assert_int_equal(f->last.reason, DP_INVALID_TTL);
    assert_int_equal(f->last.controller_id, 6);
    assert_int_equal(f->last.in_port, 1);
    assert_int_equal(f->last_size, FRAME_SIZE);
    assert_int_equal(counter_read(COUNTER_ttl_expired), before + 2);
}

static void
the_controller_action_says_who_and_why(void **state)
{
    struct fixture *f = *state;
    const struct flow_match all = { 0 };
    const struct action action = {
        .type = ACTION_CONTROLLER, .controller = { .max_len = 9, .id = 7, .reason = 3 },
    };
    unsigned rule = add_rule(f, &all, 100, &action, 1);
    inject_ip(f, 9);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 1);
    assert_int_equal(f->last.reason, DP_ACTION);
    assert_int_equal(f->last.said, 3);
    assert_int_equal(f->last.controller_id, 7);
    assert_int_equal(f->last.max_len, 9);
    remove_rule(f, rule);
    add_output(f, 0, PORT_CONTROLLER);
    inject_ip(f, 9);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(f->last.said, 1);
    assert_int_equal(f->last.controller_id, 0);
}

static void
normal_learns(void **state)
{
    struct fixture *f = *state;
    add_output(f, 0, PORT_NORMAL);
    inject(f, 1, 0xbb, 0xaa);
    EXPECT(0, 1, 1, 1, 1);
    inject(f, 2, 0xaa, 0xbb);
    EXPECT(1, 0, 0, 0, 0);
    inject(f, 3, 0xaa, 0xaa); /* aa has moved to port 3, and talks to itself */
    EXPECT(0, 0, 0, 0, 0);
    inject(f, 2, 0xaa, 0xbb);
    EXPECT(0, 0, 1, 0, 0);
}

/* Four segments that are not sent, or not received, are four. */
static void
a_dropped_super_frame_counts_as_its_segments(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[54 + 400] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0x01, 0xb8 };
    frame[23] = 6;       /* TCP */
    frame[46] = 5 << 4;
    const struct packet packet = {
        .data = frame, .size = sizeof frame,
        .offload = { .gso_type = 1, .gso_size = 100, .csum_partial = true, .csum_start = 34,
                     .csum_offset = 16 },
    };
    struct port_counters port;
    add_output(f, 1, 2);
    assert_true(dp_port_set_config(f->bridge, 2, PORT_CONFIG_NO_FWD, PORT_CONFIG_NO_FWD));
    assert_int_equal(pktio_memory_inject_packet(dp_port_pktio(f->bridge, 1), &packet), 0);
    EXPECT(0, 0, 0, 0, 0);
    assert_true(dp_port_get_counters(f->bridge, 2, &port));
    assert_int_equal(port.tx_dropped, 4);
    assert_true(dp_port_set_config(f->bridge, 1, PORT_CONFIG_NO_RECV, PORT_CONFIG_NO_RECV));
    assert_int_equal(pktio_memory_inject_packet(dp_port_pktio(f->bridge, 1), &packet), 0);
    EXPECT(0, 0, 0, 0, 0);
    assert_true(dp_port_get_counters(f->bridge, 1, &port));
    assert_int_equal(port.rx_packets, 8);
    assert_int_equal(port.rx_dropped, 4);
}

static void
a_removed_port_is_not_learnt_again(void **state)
{
    struct fixture *f = *state;
    static const uint8_t addr[6] = { 2, 0, 0, 0, 0, 0xaa };
    struct fdb *fdb = dp_bridge_fdb(f->bridge);
    assert_int_equal(dp_port_del(f->bridge, 2, NULL), 0);
    /* As a worker does whose batch began before. */
    assert_true(fdb_learn(fdb, addr, 0, 2, 1));
    epoch_drain();
    assert_int_equal(fdb_lookup(fdb, addr, 0, 1), 0);
}

static void
a_port_of_the_same_number_keeps_what_it_learns(void **state)
{
    struct fixture *f = *state;
    uint16_t no;
    add_output(f, 0, PORT_NORMAL);
    assert_int_equal(dp_port_del(f->bridge, 2, NULL), 0);
    assert_int_equal(dp_port_add(f->bridge, "m2", 2, PKTIO_MEMORY, &no, NULL), 0);
    inject(f, 2, 99, 0xaa);
    EXPECT(1, 0, 1, 1, 1);
    epoch_drain();
    inject(f, 1, 0xaa, 0xbb);
    EXPECT(0, 1, 0, 0, 0);
}

static void
a_table_miss_does_what_the_mode_says(void **state)
{
    struct fixture *f = *state;
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 1);
    assert_int_equal(f->last.reason, DP_TABLE_MISS);
    assert_int_equal(f->last.in_port, 1);
    assert_int_equal(f->last_size, FRAME_SIZE);

    dp_bridge_set_miss_mode(f->bridge, DP_MISS_DROP);
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 0, 0);
    dp_bridge_set_miss_mode(f->bridge, DP_MISS_NORMAL);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 1, 1, 1);
    assert_int_equal(f->n_packet_ins, 1);

    dp_bridge_set_miss_mode(f->bridge, DP_MISS_CONTROLLER);
    dp_port_set_config(f->bridge, 1, PORT_CONFIG_NO_PACKET_IN, PORT_CONFIG_NO_PACKET_IN);
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 1);
}

static void
port_flags_act(void **state)
{
    struct fixture *f = *state;
    add_output(f, 0, PORT_ALL);
    dp_port_set_config(f->bridge, 1, PORT_CONFIG_NO_RECV, PORT_CONFIG_NO_RECV);
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 0, 0);
    dp_port_set_config(f->bridge, 1, 0, PORT_CONFIG_NO_RECV);
    dp_port_set_config(f->bridge, 2, PORT_CONFIG_NO_FWD, PORT_CONFIG_NO_FWD);
    dp_port_set_config(f->bridge, 3, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 1, 1);
    assert_int_equal(f->n_events[DP_PORT_MODIFIED], 4);
    struct port_counters port;
    dp_port_get_counters(f->bridge, 1, &port);
    assert_int_equal(port.rx_dropped, 1);
}

static void
rewrites_between_outputs_are_seen_by_the_later_only(void **state)
{
    struct fixture *f = *state;
    struct action vlan = { .type = ACTION_SET_VLAN_VID };
    vlan.vlan_vid.vid = 7;
    struct action actions[] = { output_to(2), vlan, output_to(3) };
    struct flow_match all = { 0 };
    add_rule(f, &all, 1, actions, 3);
    inject(f, 1, 2, 1);
    inject(f, 1, 2, 1);
    dp_run_once(f->dp);
    uint8_t frame[PACKET_MAX_SIZE];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pktio_memory_take(dp_port_pktio(f->bridge, 2), frame, sizeof frame), 60);
        assert_int_equal(frame[12], 0x88);
        assert_int_equal(pktio_memory_take(dp_port_pktio(f->bridge, 3), frame, sizeof frame), 64);
        assert_int_equal(frame[12], 0x81);
        assert_int_equal(frame[15], 7);
    }
}

static void
a_removed_rule_is_not_used_and_the_cache_tells(void **state)
{
    struct fixture *f = *state;
    unsigned low = add_output(f, 0, 2);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 0, 0, 0);
    unsigned high = add_output(f, 1, 3);
    classifier_rule_match(dp_bridge_classifier(f->bridge), f->rules[high], &(struct flow_match) { 0 });
    inject(f, 1, 2, 1);
    unsigned expect[N_PORTS + 1] = { 0 };
    struct flow_key key = { .in_port = 1, .dl_type = be16_from_host(0x88b5) };
    const struct rule *now = classifier_lookup(dp_bridge_classifier(f->bridge), &key);
    expect[now == f->rules[high] ? 2 : 1] = 1; /* same rank: either, but the classifier's */
    expect_out(f, expect);
    remove_rule(f, high);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 0, 0, 0);
    remove_rule(f, low);
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(f->n_packet_ins, 1);
}

static void
packet_out_reaches_table_and_ports(void **state)
{
    struct fixture *f = *state;
    unsigned rule = add_output(f, 3, 4);
    uint8_t buffer[PACKET_HEADROOM + FRAME_SIZE + PACKET_TAILROOM] = { 0 };
    buffer[PACKET_HEADROOM + 12] = 0x88;
    buffer[PACKET_HEADROOM + 13] = 0xb5;
    struct packet packet = { .data = buffer + PACKET_HEADROOM, .size = FRAME_SIZE, .in_port = 3 };
    struct action actions[] = { output_to(PORT_TABLE), output_to(1) };
    const struct action_list *list = list_new(actions, 2);
    dp_execute(f->bridge, &packet, list);
    free((void *) list);
    EXPECT(1, 0, 0, 1, 0);
    struct rule_counters counters;
    rule_get_counters(f->rules[rule], &counters);
    assert_int_equal(counters.packets, 1);
    assert_true(counters.used_ms > 0);
}

/* Bytes 0 to 5 of the only frame that the port sent. */
static void
expect_dst(struct fixture *f, uint16_t port, uint8_t last)
{
    uint8_t frame[PACKET_MAX_SIZE];
    struct pktio *io = dp_port_pktio(f->bridge, port);
    assert_int_equal(pktio_memory_take(io, frame, sizeof frame), FRAME_SIZE);
    assert_int_equal(frame[5], last);
    assert_int_equal(pktio_memory_take(io, frame, sizeof frame), 0);
}

static void
what_the_table_does_to_a_packet_out_stays_there(void **state)
{
    struct fixture *f = *state;
    struct flow_match match = { .value.in_port = 3, .mask.bits.in_port = UINT16_MAX };
    struct action in_flow[] = { { .type = ACTION_SET_DL_DST, .dl.addr = { 2, 0, 0, 0, 0, 0x44 } },
                                output_to(4) };
    struct action in_list[] = { output_to(1), output_to(PORT_TABLE), output_to(2) };
    add_rule(f, &match, 100, in_flow, 2);
    uint8_t buffer[PACKET_HEADROOM + FRAME_SIZE + PACKET_TAILROOM] = { 0 };
    memcpy(buffer + PACKET_HEADROOM, "\2\0\0\0\0\x11\2\0\0\0\0\x22\x88\xb5", 14);
    struct packet packet = { .data = buffer + PACKET_HEADROOM, .size = FRAME_SIZE, .in_port = 3 };
    const struct action_list *list = list_new(in_list, 3);
    dp_execute(f->bridge, &packet, list);
    free((void *) list);
    expect_dst(f, 1, 0x11);
    expect_dst(f, 2, 0x11);
    expect_dst(f, 4, 0x44);
}

static void
fragments_of_a_packet_out_are_dropped_by_the_table(void **state)
{
    struct fixture *f = *state;
    add_output(f, 3, 4);
    dp_bridge_set_drop_fragments(f->bridge, true);
    uint8_t buffer[PACKET_HEADROOM + FRAME_SIZE + PACKET_TAILROOM] = { 0 };
    memcpy(buffer + PACKET_HEADROOM + 12, "\x08\0\x45\0\0\x2e\0\0\x20\0\x40\x11", 12);
    struct packet packet = { .data = buffer + PACKET_HEADROOM, .size = FRAME_SIZE, .in_port = 3 };
    struct action actions[] = { output_to(PORT_TABLE), output_to(1) };
    const struct action_list *list = list_new(actions, 2);
    dp_execute(f->bridge, &packet, list);
    free((void *) list);
    EXPECT(1, 0, 0, 0, 0);
}

static void
ports_have_numbers_names_and_one_bridge(void **state)
{
    struct fixture *f = *state;
    uint16_t no;
    struct errmsg err;
    assert_int_equal(dp_port_add(f->bridge, "m9", 2, PKTIO_MEMORY, &no, &err), -EEXIST);
    assert_non_null(strstr(err.text, "m2"));
    assert_int_equal(dp_port_add(f->bridge, "m2", 0, PKTIO_MEMORY, &no, &err), -EBUSY);
    assert_int_equal(dp_port_add(f->bridge, "m9", PORT_MAX, PKTIO_MEMORY, &no, &err), -EINVAL);
    assert_int_equal(dp_port_add(f->bridge, "averyverylongname", 0, PKTIO_MEMORY, &no, &err), -EINVAL);
    assert_int_equal(dp_port_del(f->bridge, 2, &err), 0);
    assert_int_equal(f->n_events[DP_PORT_REMOVED], 1);
    assert_int_equal(dp_port_del(f->bridge, 2, &err), -ENODEV);
    assert_int_equal(dp_port_del(f->bridge, PORT_LOCAL, &err), -EPERM);
    assert_int_equal(dp_port_add(f->bridge, "m9", 0, PKTIO_MEMORY, &no, &err), 0);
    assert_int_equal(no, 2);
    assert_true(dp_port_find(f->bridge, "m9", &no));
    struct port_info info;
    assert_true(dp_port_get(f->bridge, PORT_LOCAL, &info));
    assert_string_equal(info.name, "br0");
    assert_int_equal(dp_port_reserve(f->bridge, "later", 0, PKTIO_AFPACKET, &no, &err), 0);
    assert_true(dp_port_get(f->bridge, no, &info));
    assert_int_equal(info.state & PORT_STATE_LINK_DOWN, PORT_STATE_LINK_DOWN);
}

static void
set_stp(struct fixture *f, bool stp)
{
    dp_bridge_set_config(f->bridge, &(struct dp_bridge_config) {
        .fdb_max = 64, .fdb_age_s = 300, .stp = stp });
}

static uint32_t
state_of(struct fixture *f, uint16_t port_no)
{
    struct port_info info;
    assert_true(dp_port_get(f->bridge, port_no, &info));
    return info.state;
}

static void
spanning_tree_states_hold_back_flood_and_normal(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    assert_int_equal(dp_port_set_stp_state(f->bridge, 2, PORT_STP_LEARN, &err), -EOPNOTSUPP);
    set_stp(f, true);
    assert_int_equal(f->n_events[DP_PORT_MODIFIED], 1);       /* LOCAL: 0 is LISTEN */
    assert_int_equal(state_of(f, 2), 0);
    assert_int_equal(state_of(f, PORT_LOCAL), PORT_STP_FORWARD << PORT_STATE_STP_SHIFT);
    for (uint16_t no = 1; no <= N_PORTS; no++) {
        assert_int_equal(dp_port_set_stp_state(f->bridge, no, PORT_STP_FORWARD, &err), 0);
    }
    assert_int_equal(dp_port_set_stp_state(f->bridge, 3, PORT_STP_BLOCK, &err), 0);
    assert_int_equal(state_of(f, 3), PORT_STATE_STP_MASK);
    unsigned rule = add_output(f, 0, PORT_FLOOD);
    inject(f, 1, 99, 1);
    EXPECT(0, 1, 0, 1, 1);
    inject(f, 3, 99, 1);
    EXPECT(1, 1, 0, 1, 1);
    remove_rule(f, rule);
    add_output(f, 0, PORT_NORMAL);
    inject(f, 3, 99, 0xcc);
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 3, PORT_STP_LEARN, &err), 0);
    inject(f, 3, 99, 0xcc);
    EXPECT(0, 0, 0, 0, 0);
    inject(f, 1, 0xcc, 1);      /* known, but not to be sent there */
    EXPECT(0, 0, 0, 0, 0);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 3, PORT_STP_FORWARD, &err), 0);
    inject(f, 1, 0xcc, 1);
    EXPECT(0, 0, 1, 0, 0);
    set_stp(f, false);
    assert_int_equal(state_of(f, 3), 0);
    inject(f, 1, 99, 1);
    EXPECT(0, 1, 1, 1, 1);
}

static void
a_port_that_goes_down_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    set_stp(f, true);
    dp_port_set_stp_state(f->bridge, 2, PORT_STP_FORWARD, &err);
    dp_port_set_memory_link(f->bridge, 2, false);
    assert_int_equal(state_of(f, 2), PORT_STATE_LINK_DOWN);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 2, PORT_STP_FORWARD, &err), -ENETDOWN);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 2, PORT_STP_BLOCK, &err), 0);
    dp_port_set_memory_link(f->bridge, 2, true);
    assert_int_equal(state_of(f, 2), PORT_STATE_STP_MASK);    /* as was said meanwhile */
    dp_port_set_stp_state(f->bridge, 2, PORT_STP_FORWARD, &err);
    dp_port_set_config(f->bridge, 2, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
    dp_port_set_config(f->bridge, 2, 0, PORT_CONFIG_DOWN);
    assert_int_equal(state_of(f, 2), 0);
    dp_port_set_config(f->bridge, 2, PORT_CONFIG_NO_STP, PORT_CONFIG_NO_STP);
    assert_int_equal(state_of(f, 2), PORT_STP_FORWARD << PORT_STATE_STP_SHIFT);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 2, PORT_STP_BLOCK, &err), -EINVAL);
    assert_int_equal(dp_port_set_stp_state(f->bridge, PORT_LOCAL, PORT_STP_BLOCK, &err), -EINVAL);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 3, N_PORT_STP_STATES, &err), -EINVAL);
    assert_int_equal(dp_port_set_stp_state(f->bridge, 77, PORT_STP_BLOCK, &err), -ENODEV);
}

/* As a worker does whose batch began before. */
static void
a_port_that_ceases_to_learn_is_forgotten(void **state)
{
    struct fixture *f = *state;
    static const uint8_t addr[6] = { 2, 0, 0, 0, 0, 0xaa };
    struct fdb *fdb = dp_bridge_fdb(f->bridge);
    assert_true(fdb_learn(fdb, addr, 0, 2, 1));
    dp_port_set_memory_link(f->bridge, 2, false);
    assert_int_equal(fdb_lookup(fdb, addr, 0, 1), 0);
    assert_true(fdb_learn(fdb, addr, 0, 2, 1));
    epoch_drain();
    assert_int_equal(fdb_lookup(fdb, addr, 0, 1), 0);
    /* But not what it learns when it is up again. */
    dp_port_set_memory_link(f->bridge, 2, true);
    dp_port_set_memory_link(f->bridge, 2, false);
    dp_port_set_memory_link(f->bridge, 2, true);
    assert_true(fdb_learn(fdb, addr, 0, 2, 1));
    epoch_drain();
    assert_int_equal(fdb_lookup(fdb, addr, 0, 1), 2);
    assert_int_equal(dp_bridge_flush_fdb(f->bridge, 3), 0);
    assert_int_equal(dp_bridge_flush_fdb(f->bridge, 2), 1);
}

static void
a_port_whose_link_is_down_sends_nothing(void **state)
{
    struct fixture *f = *state;
    struct dp_port_device device;
    add_output(f, 0, PORT_ALL);
    dp_port_set_memory_link(f->bridge, 2, false);
    assert_int_equal(f->n_events[DP_PORT_MODIFIED], 1);
    assert_true(dp_port_get_device(f->bridge, 2, &device));
    assert_true(device.present && device.up && !device.carrier);
    assert_false(dp_port_get_device(f->bridge, 77, &device));
    inject(f, 1, 2, 1);
    EXPECT(0, 0, 1, 1, 1);
    dp_port_set_memory_link(f->bridge, 2, true);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 1, 1, 1);
}

static void
normal_forwards_bpdus_only_when_told(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[FRAME_SIZE] = { 0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
    add_output(f, 0, PORT_NORMAL);
    for (int forward = 0; forward < 2; forward++) {
        dp_bridge_set_config(f->bridge, &(struct dp_bridge_config) {
            .fdb_max = 64, .fdb_age_s = 300, .forward_bpdu = forward });
        assert_int_equal(dp_bridge_forwards_bpdu(f->bridge), forward);
        assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, 1), frame, sizeof frame), 0);
        EXPECT(0, forward, forward, forward, forward);
    }
}

static bool
count_cache(const struct dp_cache_entry *entry, void *aux)
{
    unsigned *n = aux;
    if (entry->actions && entry->packets) {
        ++*n;
    }
    return true;
}

static void
the_cache_dump_shows_what_is_valid(void **state)
{
    struct fixture *f = *state;
    unsigned rule = add_output(f, 1, 2);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 0, 0, 0);
    unsigned n = 0;
    dp_bridge_dump_cache(f->bridge, count_cache, &n);
    assert_int_equal(n, 1);
    remove_rule(f, rule);
    n = 0;
    dp_bridge_dump_cache(f->bridge, count_cache, &n);
    assert_int_equal(n, 0);
}

static void
count_done(void *aux)
{
    ++*(unsigned *) aux;
}

static void
a_barrier_waits_for_a_busy_worker_only(void **state)
{
    struct fixture *f = *state;
    unsigned n_done = 0;
    struct dp_barrier idle = { .done = count_done, .aux = &n_done };
    dp_barrier(f->dp, &idle);
    assert_int_equal(n_done, 1);

    struct epoch_reader *busy = epoch_reader_new();
    epoch_online(busy);
    struct dp_barrier first = { .done = count_done, .aux = &n_done };
    struct dp_barrier second = first, cancelled = first;
    dp_barrier(f->dp, &first);
    dp_barrier(f->dp, &cancelled);
    dp_barrier(f->dp, &second);
    dp_barrier_cancel(f->dp, &cancelled);
    dp_run_once(f->dp);
    assert_int_equal(n_done, 1);
    epoch_quiescent(busy);
    dp_run_once(f->dp);
    assert_int_equal(n_done, 3);
    epoch_offline(busy);
    epoch_reader_free(busy);
}

static void
short_frames_are_dropped_and_counted(void **state)
{
    struct fixture *f = *state;
    add_output(f, 0, PORT_ALL);
    pktio_memory_inject(dp_port_pktio(f->bridge, 1), "\1\2\3", 3);
    inject(f, 1, 2, 1);
    EXPECT(0, 1, 1, 1, 1);
    struct port_counters port;
    dp_port_get_counters(f->bridge, 1, &port);
    assert_int_equal(port.rx_dropped, 1);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_rule_sends_to_its_port_and_counts),
        TEST(reserved_ports_mean_what_the_specification_says),
        TEST(normal_learns),
        TEST(a_removed_port_is_not_learnt_again),
        TEST(a_port_of_the_same_number_keeps_what_it_learns),
        TEST(a_dropped_super_frame_counts_as_its_segments),
        TEST(a_table_miss_does_what_the_mode_says),
        TEST(port_flags_act),
        TEST(rewrites_between_outputs_are_seen_by_the_later_only),
        TEST(a_removed_rule_is_not_used_and_the_cache_tells),
        TEST(packet_out_reaches_table_and_ports),
        TEST(what_the_table_does_to_a_packet_out_stays_there),
        TEST(fragments_of_a_packet_out_are_dropped_by_the_table),
        TEST(ports_have_numbers_names_and_one_bridge),
        TEST(spanning_tree_states_hold_back_flood_and_normal),
        TEST(a_port_that_goes_down_begins_anew),
        TEST(a_port_that_ceases_to_learn_is_forgotten),
        TEST(a_port_whose_link_is_down_sends_nothing),
        TEST(normal_forwards_bpdus_only_when_told),
        TEST(a_ttl_at_its_end_ends_the_list),
        TEST(the_controller_action_says_who_and_why),
        TEST(the_cache_dump_shows_what_is_valid),
        TEST(a_barrier_waits_for_a_busy_worker_only),
        TEST(short_frames_are_dropped_and_counted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
