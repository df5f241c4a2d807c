/* SPDX-License-Identifier: Apache-2.0 */
/* The store of entries against a plain list: what is found by key and by owner, what a match
 * overlaps, and how few entries are looked at for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hal/entry.h"

enum { N_MODEL = 400, N_OWNERS = 5, N_LISTS = 4 };

struct row {
    bool used, flood;
    uint32_t index;
    uint16_t bridge, output;
    struct flow_match match;
    void *owner;
};

static struct row rows[N_MODEL];
static char owners[N_OWNERS];
static struct entry_store *store;
static uint64_t random_state;

static uint32_t
below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (random_state >> 33) % n;
}

/* Few values, so that chains are shared and matches overlap. */
static struct flow_match
random_match(bool entry)
{
    struct flow_match m = { 0 };
    if (entry || below(2)) {
        m.mask.bits.in_port = 0xffff;
        m.mask.bits.dl_type.raw = 0xffff;
    }
    if (below(3) == 0) {
        m.mask.bits.nw_proto = 0xff;
        m.mask.bits.tp_dst.raw = 0xffff;
    }
    if (below(3) == 0) {
        m.mask.bits.tp_src.raw = 0xffff;
    }
    if (below(2)) {
        static const uint32_t prefixes[] = { 8, 23, 24, 28, 32, 1, 15, 16, 17 };
        m.mask.bits.nw_dst.ip4.raw = htobe32(UINT32_MAX << (32 - prefixes[below(9)]));
    }
    if (below(3) == 0) {
        m.mask.bits.nw_src.ip4.raw = htobe32(UINT32_MAX);
    }
    if (below(3) == 0) {
        memset(m.mask.bits.dl_dst, 0xff, 6);
    }
    if (below(4) == 0) {
        memset(m.mask.bits.dl_src, 0xff, 5);
    }
    struct flow_key key = {
        .in_port = (uint16_t) (1 + below(2)), .dl_type.raw = htobe16(0x0800),
        .nw_proto = below(2) ? 6 : 17, .dl_dst = { 2, 0, 0, 0, 0, (uint8_t) below(3) },
        .dl_src = { 2, 0, 0, 0, 1, (uint8_t) below(3) },
        .nw_src.ip4.raw = htobe32(0x0a000000 + below(3)),
        .nw_dst.ip4.raw = htobe32(0x0a000000 + (below(3) << 8 << below(3) * 4) + below(3)),
        .tp_src.raw = htobe16((uint16_t) below(3)), .tp_dst.raw = htobe16((uint16_t) below(3)),
    };
    flow_key_mask(&key, &m.mask, &m.value);
    return m;
}

static uint32_t
list_to(uint16_t bridge, uint16_t port)
{
    union { struct action_list list; uint64_t words[3]; } raw = { .list = { .len = 2 } };
    raw.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = port };
    raw.list.actions[1] = raw.list.actions[0];
    return entry_actions_get(store, bridge, &raw.list);
}

/* Other actions, as they are wanted or as the device has them; sometimes none. */
static void
set_list(struct row *row)
{
    struct entry *e = entry_at(store, row->index);
    uint32_t before[2] = { e->wanted, e->has };
    row->output = (uint16_t) below(4);
    row->flood = below(10) == 0;
    uint32_t list = row->output ? list_to(row->bridge, row->output) : 0;
    bool wanted = below(2);
    e->wanted = wanted ? list : 0;
    e->has = wanted ? 0 : list;
    e->flags = (uint16_t) (row->flood ? e->flags | ENTRY_DEP_FLOOD : e->flags & ~ENTRY_DEP_FLOOD);
    entry_regroup(store, row->index);
    entry_actions_put(store, before[0]);
    entry_actions_put(store, before[1]);
}

static void
add_row(struct row *row)
{
    struct flow_match m = random_match(true);
    uint16_t bridge = (uint16_t) below(2);
    uint32_t there = entry_find(store, bridge, &m);
    for (unsigned i = 0; i < N_MODEL; i++) {
        bool same = rows[i].used && rows[i].bridge == bridge
                    && !memcmp(&rows[i].match, &m, sizeof m);
        assert_int_equal(same && rows[i].index == there, same);
        if (same) {
            return;
        }
    }
    assert_int_equal(there, ENTRY_NONE);
    void *owner = &owners[below(N_OWNERS)];
    *row = (struct row) { .used = true, .index = entry_new(store, bridge, &m), .bridge = bridge,
                          .match = m, .owner = owner };
    assert_int_not_equal(row->index, ENTRY_NONE);
    set_list(row);
    assert_true(entry_set_owner(store, row->index, owner, 7));
    assert_int_equal(entry_find(store, bridge, &m), row->index);
}

static uint8_t visited[N_MODEL * 4];

static void
visit(uint32_t index, void *aux)
{
    (void) aux;
    assert_in_range(index, 1, sizeof visited - 1);
    visited[index]++;
}

static void
check_overlaps(void)
{
    struct flow_match m = random_match(false);
    memset(visited, 0, sizeof visited);
    entry_for_each_overlap(store, 1, &m, visit, NULL);
    unsigned n = 0, expected = 0;
    for (unsigned i = 0; i < sizeof visited; i++) {
        n += visited[i];
    }
    for (unsigned i = 0; i < N_MODEL; i++) {
        bool overlaps = rows[i].used && rows[i].bridge == 1 && flow_match_overlaps(&rows[i].match, &m);
        expected += overlaps;
        assert_true(!overlaps || visited[rows[i].index] == 1);
    }
    assert_int_equal(n, expected);
}

static void
check_owner_of(uint32_t index, void *owner)
{
    assert_ptr_equal(entry_owner(store, entry_at(store, index))->owner, owner);
}

static void
check_owner(void)
{
    void *owner = &owners[below(N_OWNERS)];
    unsigned expected = 0, n = entry_for_each_of_owner(store, 0, owner, check_owner_of, owner);
    assert_int_equal(entry_owner_is_used(store, 0, owner), n != 0);
    for (unsigned i = 0; i < N_MODEL; i++) {
        expected += rows[i].used && rows[i].bridge == 0 && rows[i].owner == owner;
    }
    assert_int_equal(n, expected);
}

static void
check_port(void)
{
    uint16_t port = (uint16_t) (1 + below(3));
    memset(visited, 0, sizeof visited);
    entry_for_each_on_port(store, 1, port, visit, NULL);
    unsigned n = 0, expected = 0;
    for (unsigned i = 0; i < sizeof visited; i++) {
        n += visited[i];
    }
    for (unsigned i = 0; i < N_MODEL; i++) {
        const struct row *r = &rows[i];
        bool in = r->match.value.in_port == port && r->match.mask.bits.in_port;
        bool named = r->used && r->bridge == 1 && (in || r->output == port || r->flood);
        expected += named;
        assert_true(!named || visited[r->index] == 1);
    }
    assert_int_equal(n, expected);
}

static void
finds_what_a_list_finds(void **state)
{
    (void) state;
    random_state = 1;
    store = entry_store_new(1);
    assert_non_null(store);
    unsigned n_overlapping = 0;
    for (unsigned step = 0; step < 40000; step++) {
        struct row *row = &rows[below(N_MODEL)];
        if (!row->used) {
            add_row(row);
        } else if (below(4) == 0) {
            entry_free(store, row->index);
            row->used = false;
        } else if (below(4) == 0) {
            row->owner = &owners[below(N_OWNERS)];
            assert_true(entry_set_owner(store, row->index, row->owner, 9));
        } else if (below(4) == 0) {
            set_list(row);
        }
        if (step % 8 == 0) {
            check_overlaps();
            check_owner();
            check_port();
        }
        struct flow_match m;
        if (row->used) {
            entry_get_match(store, entry_at(store, row->index), &m);
            assert_memory_equal(&m, &row->match, sizeof m);
            n_overlapping++;
        }
    }
    assert_in_range(n_overlapping, 10000, 40000);
    for (unsigned i = 0; i < N_MODEL; i++) {
        if (rows[i].used) {
            entry_free(store, rows[i].index);
        }
    }
    assert_int_equal(entry_count(store), 0);
    entry_store_free(store);
    memset(rows, 0, sizeof rows);
}

static void
ignore(uint32_t index, void *aux)
{
    (void) index;
    (void) aux;
}

static unsigned n_counted;

static void
count(uint32_t index, void *aux)
{
    (void) aux;
    n_counted += index != 0;
}

/* 100,000 connections to one address: a change for one source, or one port, looks at few. */
static void
changes_look_at_few(void **state)
{
    (void) state;
    store = entry_store_new(1);
    struct flow_match m = { .mask.bits = { .in_port = 0xffff, .dl_type.raw = 0xffff,
                                           .nw_proto = 0xff, .tp_src.raw = 0xffff,
                                           .nw_src.ip4.raw = UINT32_MAX } };
    for (uint32_t i = 0; i < 100000; i++) {
        m.value = (struct flow_key) { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 6,
                                      .nw_src.ip4.raw = htobe32(0x0a000000 + i * 7),
                                      .tp_src.raw = htobe16((uint16_t) i) };
        assert_int_not_equal(entry_new(store, 0, &m), ENTRY_NONE);
    }
    struct flow_match change = { .mask.bits.nw_src.ip4.raw = UINT32_MAX,
                                 .value.nw_src.ip4.raw = htobe32(0x0a000007) };
    uint32_t seen = entry_for_each_overlap(store, 0, &change, ignore, NULL);
    assert_in_range(seen, 1, 200);
    change = (struct flow_match) { .mask.bits.tp_src.raw = UINT16_MAX, .value.tp_src.raw = htobe16(70) };
    seen = entry_for_each_overlap(store, 0, &change, ignore, NULL);
    assert_in_range(seen, 1, 80);      /* heads are shared by chance */
    for (unsigned bits = 1; bits < 24; bits++) {     /* a short prefix, where nobody is */
        change = (struct flow_match) { .mask.bits.nw_src.ip4.raw = htobe32(UINT32_MAX << (32 - bits)),
                                       .value.nw_src.ip4.raw = htobe32(0xac000000 & UINT32_MAX
                                                                       << (32 - bits)) };
        assert_int_equal(entry_for_each_overlap(store, 0, &change, ignore, NULL), 0);
    }
    for (unsigned bits = 17; bits < 24; bits++) {    /* and where few are */
        change = (struct flow_match) { .mask.bits.nw_src.ip4.raw = htobe32(UINT32_MAX << (32 - bits)),
                                       .value.nw_src.ip4.raw = htobe32(0x0a030000) };
        memset(visited, 0, sizeof visited);
        seen = entry_for_each_overlap(store, 0, &change, count, NULL);
        assert_in_range(n_counted, (1u << (32 - bits)) / 7, (1u << (32 - bits)) / 7 + 1);
        assert_in_range(seen, n_counted, 256 * 40);
        n_counted = 0;
    }
    memset(&change.mask, 0xff, sizeof change.mask);  /* a rule without wildcards: by key */
    entry_get_match(store, entry_at(store, 777), &m);
    change.value = m.value;
    change.value.nw_dst.ip4.raw = htobe32(0x0a000001);
    memset(visited, 0, sizeof visited);
    assert_int_equal(entry_for_each_overlap(store, 0, &change, visit, NULL), 1);
    assert_int_equal(visited[777], 1);
    assert_int_equal(entry_for_each_overlap(store, 1, &change, ignore, NULL), 0);
    change.value.tp_src.raw ^= 1;
    assert_int_equal(entry_for_each_overlap(store, 0, &change, ignore, NULL), 1);
    change = (struct flow_match) { .mask.bits.dl_type.raw = UINT16_MAX,
                                   .value.dl_type.raw = htobe16(0x0806) };
    assert_int_equal(entry_for_each_overlap(store, 0, &change, ignore, NULL), 0);
    entry_store_free(store);
}

/* A port that 20 of 100,000 entries name: no other is looked at. */
static void
a_port_change_touches_what_names_the_port(void **state)
{
    (void) state;
    store = entry_store_new(1);
    struct flow_match m = { .mask.bits = { .in_port = 0xffff, .dl_type.raw = 0xffff,
                                           .nw_src.ip4.raw = UINT32_MAX } };
    for (uint32_t i = 0; i < 100020; i++) {
        m.value = (struct flow_key) { .in_port = 1, .dl_type.raw = htobe16(0x0800),
                                      .nw_src.ip4.raw = htobe32(0x0a000000 + i) };
        m.value.in_port = i >= 100000 && i % 2 ? 7 : 1;
        uint16_t output = i >= 100000 && i % 2 == 0 ? 7 : (uint16_t) (20 + i % 5);
        uint32_t index = entry_new(store, (uint16_t) (i % 3), &m);
        assert_int_not_equal(index, ENTRY_NONE);
        entry_at(store, index)->wanted = list_to((uint16_t) (i % 3), output);
        assert_true(entry_set_owner(store, index, &owners[i % N_OWNERS], 1));
    }
    unsigned seen[3];
    for (uint16_t bridge = 0; bridge < 3; bridge++) {
        seen[bridge] = entry_for_each_on_port(store, bridge, 7, ignore, NULL);
    }
    assert_in_range(seen[0], 6, 7);
    assert_int_equal(seen[0] + seen[1] + seen[2], 20);
    assert_int_equal(entry_for_each_on_port(store, 0, 8, ignore, NULL), 0);
    entry_store_free(store);
}

static void
count_entry(uint32_t index, void *n)
{
    assert_int_not_equal(index, ENTRY_NONE);
    ++*(unsigned *) n;
}

/* Two of 50,000 pairs of addresses, and none of as many entries without addresses. */
static void
an_address_that_moves_touches_what_names_it(void **state)
{
    (void) state;
    store = entry_store_new(1);
    struct flow_match ip = { .mask.bits = { .in_port = 0xffff, .nw_dst.ip4.raw = UINT32_MAX } };
    struct flow_match ether = { .mask.bits = { .in_port = 0xffff } };
    memset(ether.mask.bits.dl_dst, 0xff, 6);
    memset(ether.mask.bits.dl_src, 0xff, 6);
    for (uint32_t i = 0; i < 50000; i++) {
        ip.value.in_port = ether.value.in_port = 1;
        ip.value.nw_dst.ip4.raw = htobe32(i);
        memcpy(ether.value.dl_dst, &i, sizeof i);
        uint32_t src = i + 2;
        memcpy(ether.value.dl_src, &src, sizeof src);
        assert_int_not_equal(entry_new(store, 0, &ip), ENTRY_NONE);
        assert_int_not_equal(entry_new(store, i % 2 ? 0 : 1, &ether), ENTRY_NONE);
    }
    for (uint32_t addr = 1000; addr < 1100; addr++) {
        uint8_t bytes[6] = { 0 };
        unsigned n = 0;
        memcpy(bytes, &addr, sizeof addr);
        assert_in_range(entry_for_each_of_address(store, 0, bytes, count_entry, &n), 2, 200);
        assert_int_equal(n, addr % 2 ? 2 : 0);
    }
    entry_store_free(store);
}

static void
lists_are_shared(void **state)
{
    (void) state;
    store = entry_store_new(1);
    union { struct action_list list; uint64_t words[3]; } raw = { .list = { .len = 1 } };
    uint32_t ids[200];
    for (unsigned i = 0; i < 200; i++) {
        raw.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = (uint16_t) i };
        ids[i] = entry_actions_get(store, 0, &raw.list);
        assert_int_not_equal(ids[i], 0);
        assert_int_equal(entry_actions_get(store, 0, &raw.list), ids[i]);
        assert_int_equal(entry_actions_list(store, ids[i])->actions[0].output.port, i);
    }
    for (unsigned i = 0; i < 200; i++) {
        entry_actions_put(store, ids[i]);
        assert_int_equal(entry_actions_list(store, ids[i])->len, 1);
        entry_actions_put(store, ids[i]);
    }
    raw.list.len = 0;
    uint32_t drop = entry_actions_get(store, 0, &raw.list);
    assert_in_range(drop, 1, 200);
    assert_int_equal(entry_actions_list(store, drop)->len, 0);
    entry_actions_put(store, drop);
    entry_store_free(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_list_finds),
        cmocka_unit_test(changes_look_at_few),
        cmocka_unit_test(a_port_change_touches_what_names_the_port),
        cmocka_unit_test(an_address_that_moves_touches_what_names_it),
        cmocka_unit_test(lists_are_shared),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
