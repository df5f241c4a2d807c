/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch itself, on cases small enough to be checked by hand: a reference that
 * is wrong in the same way as the product would hide it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/property/reference.h"

enum { ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT };
enum { WILD_ALL = 0x3fffff, IN_PORT = 0xfff8, TABLE, NORMAL, FLOOD, ALL, CONTROLLER, LOCAL, NONE };

static struct ref_switch *sw;
static struct ref_output *out;

/* A message under construction. */
struct message {
    uint8_t bytes[512];
    size_t size;
};

static void
put(uint8_t *p, int n, uint64_t value)
{
    while (n--) {
        p[n] = (uint8_t) value;
        value >>= 8;
    }
}

static struct message
flow_mod(int command, uint16_t priority)
{
    struct message m = { .bytes = { 1, 14 }, .size = 72 };
    put(m.bytes + 8, 4, WILD_ALL);
    put(m.bytes + 56, 2, (uint64_t) command);
    put(m.bytes + 62, 2, priority);
    put(m.bytes + 64, 8, 0xffffffffffff0000);
    return m;
}

static struct message
packet_out(uint16_t in_port)
{
    struct message m = { .bytes = { 1, 13 }, .size = 16 };
    put(m.bytes + 8, 4, UINT32_MAX);
    put(m.bytes + 12, 2, in_port);
    return m;
}

static void
act(struct message *m, uint16_t type, uint16_t value)
{
    put(m->bytes + m->size, 2, type);
    put(m->bytes + m->size + 2, 2, 8);
    put(m->bytes + m->size + 4, 2, value);
    put(m->bytes + m->size + 6, 2, 64);
    m->size += 8;
}

static void
want_in_port(struct message *m, uint16_t port)
{
    m->bytes[11] &= 0xfe;
    put(m->bytes + 12, 2, port);
}

/* TCP to a port; source and destination type as OpenFlow wants them. */
static void
want_tcp(struct message *m, uint16_t tp_dst)
{
    put(m->bytes + 8, 4, WILD_ALL & ~(0x10u | 0x20u | 0x80u));
    put(m->bytes + 30, 2, 0x0800);
    m->bytes[33] = 6;
    put(m->bytes + 46, 2, tp_dst);
}

/* 0: accepted; else the error, type * 256 + code. */
static int
send_mod(struct message *m)
{
    struct ref_error error = { 0 };
    put(m->bytes + 2, 2, m->size);
    return ref_flow_mod(sw, m->bytes, m->size, &error) ? 0 : error.type * 256 + error.code;
}

static void
add_output(uint16_t priority, uint16_t port)
{
    struct message m = flow_mod(ADD, priority);
    act(&m, 0, port);
    assert_int_equal(send_mod(&m), 0);
}

/* TCP from ...:0a to ...:0b, port 80. */
static const uint8_t tcp[60] = {
    2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a, 8, 0,
    0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0x66, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2,
    0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0x6b, 0x2b,
};

static void
receive(uint16_t in_port)
{
    ref_receive(sw, in_port, tcp, sizeof tcp, out);
}

/* Receives and compares where it went: ports in order, ended by 0. */
static void
assert_goes_to(uint16_t in_port, const uint16_t *ports)
{
    receive(in_port);
    size_t n = 0;
    while (ports[n]) {
        assert_true(n < out->n);
        assert_int_equal(out->sent[n].port, ports[n]);
        n++;
    }
    assert_int_equal(out->n, n);
}
#define TO(...) ((const uint16_t[]) { __VA_ARGS__, 0 })
#define NOWHERE ((const uint16_t[]) { 0 })

static int
setup(void **state)
{
    (void) state;
    sw = ref_switch_new();
    out = calloc(1, sizeof *out);
    for (uint16_t port = 1; port <= 3; port++) {
        ref_add_port(sw, port, 0);
    }
    ref_add_port(sw, LOCAL, 0);
    return sw && out ? 0 : -1;
}

static int
teardown(void **state)
{
    (void) state;
    ref_switch_free(sw);
    free(out);
    return 0;
}

static void
the_highest_rank_decides(void **state)
{
    (void) state;
    assert_goes_to(1, TO(CONTROLLER));
    assert_int_equal(out->sent[0].reason, 0);
    assert_int_equal(out->sent[0].prefix, 60);
    add_output(5, 2);
    assert_goes_to(1, TO(2));
    add_output(6, 3);
    assert_goes_to(1, TO(3));
    assert_false(out->ambiguous);
    struct message exact = flow_mod(ADD, 0);
    struct ref_fields fields;
    struct ref_frame frame = { .size = sizeof tcp };
    memcpy(frame.data, tcp, sizeof tcp);
    ref_parse(&frame, 1, &fields);
    put(exact.bytes + 8, 4, 0);
    put(exact.bytes + 12, 2, 1);
    memcpy(exact.bytes + 14, tcp + 6, 6);
    memcpy(exact.bytes + 20, tcp, 6);
    put(exact.bytes + 26, 2, 0xffff);
    put(exact.bytes + 30, 2, 0x800);
    exact.bytes[33] = 6;
    memcpy(exact.bytes + 36, tcp + 26, 8);
    memcpy(exact.bytes + 44, tcp + 34, 4);
    act(&exact, 0, LOCAL);
    assert_int_equal(send_mod(&exact), 0);
    assert_goes_to(1, TO(LOCAL));
    assert_goes_to(2, TO(3));
    struct message same = flow_mod(ADD, 6);
    want_in_port(&same, 2);
    assert_int_equal(send_mod(&same), 0);
    receive(2);
    assert_true(out->ambiguous);
}

static void
add_modify_and_delete_do_what_they_should(void **state)
{
    (void) state;
    struct message m = flow_mod(MODIFY, 7);
    act(&m, 0, 2);
    assert_int_equal(send_mod(&m), 0);             /* nothing there: adds */
    assert_goes_to(1, TO(2));
    struct message modify = flow_mod(MODIFY, 99);
    act(&modify, 0, 3);
    assert_int_equal(send_mod(&modify), 0);
    assert_goes_to(1, TO(3));
    assert_int_equal(sw->table.flows[0].packets, 2);
    assert_int_equal(sw->table.flows[0].bytes, 120);
    struct message strict = flow_mod(MODIFY_STRICT, 8);
    act(&strict, 0, 2);
    assert_int_equal(send_mod(&strict), 0);        /* another priority: adds */
    assert_int_equal(sw->table.n_flows, 2);
    add_output(7, 2);                              /* replaces, counters from 0 */
    assert_int_equal(sw->table.n_flows, 2);
    assert_int_equal(sw->table.flows[1].packets, 0);

    m = flow_mod(ADD, 9);
    want_tcp(&m, 80);
    m.bytes[71] = 1;                               /* wants FLOW_REMOVED */
    act(&m, 0, 3);
    send_mod(&m);
    struct message delete = flow_mod(DELETE, 0);
    put(delete.bytes + 68, 2, 1);
    send_mod(&delete);                             /* none has an output to 1 */
    assert_int_equal(sw->table.n_flows, 3);
    put(delete.bytes + 68, 2, 3);
    send_mod(&delete);
    assert_int_equal(sw->table.n_flows, 2);
    assert_int_equal(sw->table.n_removed, 1);
    assert_int_equal(sw->table.removed[0].reason, 2);
    assert_int_equal(sw->table.removed[0].flow.priority, 9);
    delete = flow_mod(DELETE_STRICT, 7);
    put(delete.bytes + 68, 2, NONE);
    send_mod(&delete);
    assert_int_equal(sw->table.n_flows, 1);
    delete = flow_mod(DELETE, 0);
    put(delete.bytes + 68, 2, NONE);
    send_mod(&delete);
    assert_int_equal(sw->table.n_flows, 0);
    assert_int_equal(sw->table.n_removed, 1);
}

static void
what_is_wrong_is_refused(void **state)
{
    (void) state;
    struct message m = flow_mod(5, 1);
    assert_int_equal(send_mod(&m), 3 * 256 + 4);
    add_output(3, 2);
    m = flow_mod(ADD, 3);
    want_tcp(&m, 80);
    m.bytes[71] = 2;
    assert_int_equal(send_mod(&m), 3 * 256 + 1);
    put(m.bytes + 62, 2, 4);                       /* another priority does not overlap */
    assert_int_equal(send_mod(&m), 0);
    m = flow_mod(ADD, 3);
    m.bytes[71] = 4;
    m.bytes[59] = 1;
    assert_int_equal(send_mod(&m), 3 * 256 + 3);
    static const struct { uint16_t type, value; int error; } actions[] = {
        { 0, 0, 2 * 256 + 4 }, { 0, TABLE, 2 * 256 + 4 }, { 0, NONE, 2 * 256 + 4 },
        { 0, 0xff00, 2 * 256 + 4 }, { 0, 0xfeff, 0 }, { 1, 4096, 2 * 256 + 5 },
        { 2, 0x0800, 2 * 256 + 5 }, { 8, 0x0100, 2 * 256 + 5 }, { 12, 0, 2 * 256 },
        { 0xffff, 0, 2 * 256 + 2 }, { 4, 0, 2 * 256 + 1 },
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        m = flow_mod(ADD, 3);
        act(&m, actions[i].type, actions[i].value);
        assert_int_equal(send_mod(&m), actions[i].error);
    }
    sw->table.max_flows = sw->table.n_flows;
    m = flow_mod(ADD, 77);
    assert_int_equal(send_mod(&m), 3 * 256);
}

static void
outputs_obey_ports(void **state)
{
    (void) state;
    add_output(1, ALL);
    ref_set_config(sw, ref_find_port(sw, 2), 16);             /* NO_FLOOD */
    assert_goes_to(1, TO(2, 3, LOCAL));
    add_output(1, FLOOD);
    assert_goes_to(1, TO(3, LOCAL));
    add_output(1, 1);
    assert_goes_to(1, NOWHERE);
    add_output(1, IN_PORT);
    assert_goes_to(1, TO(1));
    ref_set_config(sw, ref_find_port(sw, 1), 32);             /* NO_FWD */
    assert_goes_to(1, NOWHERE);
    add_output(1, ALL);
    assert_goes_to(3, TO(2, LOCAL));
    ref_set_config(sw, ref_find_port(sw, 3), 4);              /* NO_RECV */
    assert_goes_to(3, NOWHERE);
    assert_int_equal(ref_find_port(sw, 3)->rx_packets, 2);
    assert_int_equal(ref_find_port(sw, 2)->tx_packets, 2);
    assert_int_equal(ref_find_port(sw, 2)->tx_bytes, 120);
    struct message delete = flow_mod(DELETE, 0);
    put(delete.bytes + 68, 2, NONE);
    send_mod(&delete);
    ref_set_config(sw, ref_find_port(sw, 2), 64);             /* NO_PACKET_IN: of misses */
    assert_goes_to(2, NOWHERE);
    add_output(1, CONTROLLER);
    assert_goes_to(2, TO(CONTROLLER));
    assert_int_equal(out->sent[0].reason, 1);
}

static void
normal_learns(void **state)
{
    (void) state;
    add_output(1, NORMAL);
    assert_goes_to(1, TO(2, 3, LOCAL));
    uint8_t back[60];
    memcpy(back, tcp, sizeof back);
    memcpy(back, tcp + 6, 6);
    memcpy(back + 6, tcp, 6);
    ref_receive(sw, 3, back, sizeof back, out);
    assert_int_equal(out->n, 1);
    assert_int_equal(out->sent[0].port, 1);
    assert_goes_to(1, TO(3));
    assert_goes_to(3, NOWHERE);                    /* it is behind the same port */
    assert_int_equal(ref_fdb_find(sw, tcp + 6, 0), 3);
    assert_int_equal(ref_fdb_find(sw, tcp + 6, 5), 0);
    ref_fdb_flush(sw, 3);
    assert_goes_to(1, TO(2, 3, LOCAL));
    memcpy(back, "\x01\x80\xc2\0\0\x03", 6);
    ref_receive(sw, 2, back, sizeof back, out);
    assert_int_equal(out->n, 0);
}

static void
spanning_tree_holds_flood_and_normal(void **state)
{
    (void) state;
    struct ref_port *two = ref_find_port(sw, 2), *local = ref_find_port(sw, LOCAL);
    assert_false(ref_set_stp(sw, two, REF_STP_FORWARD));
    assert_int_equal(ref_port_state(sw, two), 0);
    sw->has_stp = true;
    assert_false(ref_set_stp(sw, local, REF_STP_BLOCK));
    assert_int_equal(ref_port_state(sw, local), 0x200);
    add_output(1, FLOOD);
    assert_goes_to(1, TO(LOCAL));
    assert_true(ref_set_stp(sw, two, REF_STP_FORWARD));
    assert_goes_to(1, TO(2, LOCAL));
    add_output(1, ALL);
    assert_goes_to(1, TO(2, 3, LOCAL));
    add_output(1, NORMAL);
    assert_goes_to(1, NOWHERE);
    assert_int_equal(sw->n_fdb, 0);
    assert_true(ref_set_stp(sw, ref_find_port(sw, 1), REF_STP_LEARN));
    assert_goes_to(1, NOWHERE);
    assert_int_equal(ref_fdb_find(sw, tcp + 6, 0), 1);
    assert_goes_to(2, TO(LOCAL));
    ref_set_config(sw, two, 2);                    /* NO_STP */
    assert_false(ref_set_stp(sw, two, REF_STP_BLOCK));
    assert_goes_to(LOCAL, TO(2));
    ref_set_link(sw, two, false);
    assert_int_equal(sw->n_fdb, 1);                /* LOCAL */
    assert_int_equal(ref_port_state(sw, two), 0x201);
    ref_set_config(sw, two, 0);
    assert_false(ref_set_stp(sw, two, REF_STP_FORWARD));
    assert_true(ref_set_stp(sw, two, REF_STP_BLOCK));
    ref_set_link(sw, two, true);
    assert_int_equal(ref_port_state(sw, two), 0x300);
    add_output(1, 2);
    assert_goes_to(3, TO(2));
}

static void
actions_act_in_order(void **state)
{
    (void) state;
    struct message m = flow_mod(ADD, 1);
    act(&m, 0, 2);
    act(&m, 1, 5);
    act(&m, 0, 3);
    act(&m, 3, 0);
    act(&m, 10, 81);
    act(&m, 0, LOCAL);
    assert_int_equal(send_mod(&m), 0);
    assert_goes_to(1, TO(2, 3, LOCAL));
    assert_int_equal(out->sent[0].frame.size, 60);
    assert_memory_equal(out->sent[0].frame.data, tcp, 60);
    assert_int_equal(out->sent[1].frame.size, 64);
    assert_memory_equal(out->sent[1].frame.data + 12, "\x81\0\0\x05\x08\0", 6);
    assert_memory_equal(out->sent[1].frame.data + 18, tcp + 14, 46);
    assert_int_equal(out->sent[2].frame.size, 60);
    assert_memory_equal(out->sent[2].frame.data, tcp, 36);
    assert_memory_equal(out->sent[2].frame.data + 36, "\0\x51", 2);
    /* One more in a word that is summed, so one less in the sum's complement. */
    assert_memory_equal(out->sent[2].frame.data + 50, "\x6b\x2a", 2);
}

static void
packet_outs_run(void **state)
{
    (void) state;
    struct ref_error error = { 0 };
    struct message m = packet_out(NONE);
    act(&m, 0, ALL);
    act(&m, 0, TABLE);
    put(m.bytes + 14, 2, 16);
    memcpy(m.bytes + m.size, tcp, sizeof tcp);
    m.size += sizeof tcp;
    put(m.bytes + 2, 2, m.size);
    add_output(1, 3);
    assert_true(ref_packet_out(sw, m.bytes, m.size, out, &error));
    assert_int_equal(out->n, 5);
    assert_int_equal(out->sent[0].port, 1);
    assert_int_equal(out->sent[4].port, 3);
    assert_int_equal(sw->table.flows[0].packets, 1);
    put(m.bytes + 14, 2, m.size);
    assert_false(ref_packet_out(sw, m.bytes, m.size, out, &error));
    assert_int_equal(error.type, 1);
    assert_int_equal(error.code, 6);
}

/* The frame behind a PACKET_OUT's actions, and 0 or the error, type * 256 + code. */
static int
send_out(struct message *m)
{
    struct ref_error error = { 0 };
    put(m->bytes + 14, 2, m->size - 16);
    memcpy(m->bytes + m->size, tcp, sizeof tcp);
    m->size += sizeof tcp;
    put(m->bytes + 2, 2, m->size);
    return ref_packet_out(sw, m->bytes, m->size, out, &error) ? 0 : error.type * 256 + error.code;
}

static void
the_table_gets_a_copy(void **state)
{
    (void) state;
    struct message m = flow_mod(ADD, 1);
    act(&m, 1, 5);
    act(&m, 0, 2);
    assert_int_equal(send_mod(&m), 0);
    m = packet_out(3);
    act(&m, 0, TABLE);
    act(&m, 0, 1);
    assert_int_equal(send_out(&m), 0);
    assert_int_equal(out->n, 2);
    assert_int_equal(out->sent[0].port, 2);
    assert_int_equal(out->sent[0].frame.size, 64);
    assert_int_equal(out->sent[1].frame.size, 60);
    assert_int_equal(sw->lookups, 1);
    assert_int_equal(sw->matched, 1);
}

static void
packet_outs_need_their_ports(void **state)
{
    (void) state;
    struct message m = packet_out(NONE);
    act(&m, 0, 77);
    assert_int_equal(send_out(&m), 0x204);
    m = packet_out(0xff00);
    act(&m, 0, 1);
    assert_int_equal(send_out(&m), 0x204);
    m = packet_out(77);
    act(&m, 0, CONTROLLER);
    assert_int_equal(send_out(&m), 0);
    assert_int_equal(out->sent[0].in_port, NONE);
    ref_remove_port(sw, 2);
    assert_int_equal(sw->n_ports, 3);
    assert_null(ref_find_port(sw, 2));
    assert_non_null(ref_find_port(sw, 3));
    m = packet_out(NONE);
    act(&m, 0, ALL);
    assert_int_equal(send_out(&m), 0);
    assert_int_equal(out->n, 3);
}

static void
flows_are_found_by_match_and_rank(void **state)
{
    (void) state;
    struct message m = flow_mod(ADD, 7), narrow = flow_mod(ADD, 7);
    struct ref_match wide_match, narrow_match;
    want_in_port(&narrow, 1);
    ref_match_openflow10(&wide_match, m.bytes + 8);
    ref_match_openflow10(&narrow_match, narrow.bytes + 8);
    assert_int_equal(send_mod(&m), 0);
    assert_ptr_equal(ref_table_find(&sw->table, &wide_match, 7), &sw->table.flows[0]);
    assert_null(ref_table_find(&sw->table, &wide_match, 8));
    assert_null(ref_table_find(&sw->table, &narrow_match, 7));
    assert_true(ref_table_overlaps(&sw->table, &narrow_match, 7));
    assert_false(ref_table_overlaps(&sw->table, &narrow_match, 8));
    struct ref_frame frame = { .size = sizeof tcp };
    memcpy(frame.data, tcp, sizeof tcp);
    ref_run_flow(sw, &sw->table.flows[0], 1, &frame, out);
    assert_int_equal(sw->table.flows[0].bytes, sizeof tcp);
    m.bytes[71] = 8;
    assert_int_equal(send_mod(&m), 0x305);
}

/* What entries of nx_match say of the TCP frame that the other tests send, by hand. */
static void
an_nx_match_is_read_entry_by_entry(void **state)
{
    (void) state;
    static const struct { const char *entries; size_t size; bool takes; } rows[] = {
        { "", 0, true },
        { "\0\0\0\2\0\1", 6, true },
        { "\0\0\0\2\0\2", 6, false },
        { "\0\0\6\2\x08\0", 6, true },
        { "\0\0\6\2\x08\6", 6, false },
        { "\0\0\x09\4\x10\0\x10\0", 8, false },                   /* a tag */
        { "\0\0\x08\2\0\0", 6, true },                           /* none */
        { "\0\0\x09\4\0\0\xf\xff", 8, true },                   /* none, or VID 0 */
        { "\0\0\6\2\x08\0\0\0\xc\1\6", 11, true },
        { "\0\0\6\2\x08\0\0\0\xc\1\x11", 11, false },
        { "\0\0\6\2\x08\0\0\1\x34\1\0", 11, true },            /* no fragment */
        { "\0\0\6\2\x08\0\0\1\x35\2\1\1", 12, false },         /* any */
    };
    struct ref_frame frame = { .size = sizeof tcp };
    struct ref_fields fields;
    memcpy(frame.data, tcp, sizeof tcp);
    ref_parse(&frame, 1, &fields);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ref_match m;
        ref_match_nxm(&m, (const uint8_t *) rows[i].entries, rows[i].size);
        if (ref_match_packet(&m, &fields) != rows[i].takes) {
            fail_msg("row %zu", i);
        }
    }
    struct ref_match none, wire;
    ref_match_nxm(&none, (const uint8_t *) "\0\0\x09\4\0\0\x10\0", 8);
    struct message m = flow_mod(ADD, 7);
    memset(m.bytes + 8, 0, 40);
    m.bytes[8 + 1] = 0x3f;
    m.bytes[8 + 2] = 0xff;
    m.bytes[8 + 3] = 0xfd;
    m.bytes[8 + 18] = m.bytes[8 + 19] = 0xff;
    ref_match_openflow10(&wire, m.bytes + 8);
    assert_true(ref_match_equal(&none, &wire));
    assert_true(ref_match_is_told_as(&none, &wire));
    assert_false(ref_match_is_exact(&none));
}

static void
flows_time_out_and_fragments_drop(void **state)
{
    (void) state;
    struct message m = flow_mod(ADD, 1);
    m.bytes[59] = 2;
    m.bytes[71] = 1;
    act(&m, 0, 2);
    send_mod(&m);
    sw->now_ms = 1500;
    assert_goes_to(1, TO(2));
    sw->now_ms = 3499;
    ref_table_expire(&sw->table, sw->now_ms);
    assert_int_equal(sw->table.n_flows, 1);
    sw->now_ms = 3500;
    ref_table_expire(&sw->table, sw->now_ms);
    assert_int_equal(sw->table.n_flows, 0);
    assert_int_equal(sw->table.removed[0].reason, 0);
    assert_int_equal(sw->table.removed[0].flow.packets, 1);

    add_output(1, 2);
    uint8_t fragment[60];
    memcpy(fragment, tcp, sizeof fragment);
    fragment[20] = 0x20;
    ref_receive(sw, 1, fragment, sizeof fragment, out);
    assert_int_equal(out->n, 1);
    sw->drop_fragments = true;
    ref_receive(sw, 1, fragment, sizeof fragment, out);
    assert_int_equal(out->n, 0);
    assert_goes_to(1, TO(2));
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_highest_rank_decides),
        CASE(add_modify_and_delete_do_what_they_should),
        CASE(what_is_wrong_is_refused),
        CASE(outputs_obey_ports),
        CASE(normal_learns),
        CASE(spanning_tree_holds_flood_and_normal),
        CASE(actions_act_in_order),
        CASE(packet_outs_run),
        CASE(the_table_gets_a_copy),
        CASE(packet_outs_need_their_ports),
        CASE(flows_are_found_by_match_and_rank),
        CASE(an_nx_match_is_read_entry_by_entry),
        CASE(flows_time_out_and_fragments_drop),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
