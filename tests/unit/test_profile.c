/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/epoch.h"
#include "sw-datapath/classifier_private.h"
#include "tests/unit/classifier_model.h"

static struct model model;

static const struct profile_list *
list_of(const struct flow_key *key)
{
    return classifier_profiles(model.cls, key);
}

/* A random key that is the same as 'key' under the mask. */
static void
same_under(const struct flow_key *key, const struct flow_mask *mask, struct flow_key *out)
{
    struct flow_match match = { .mask = *mask };
    flow_key_mask(key, mask, &match.value);
    model_key_in(&model, &match, out);
}

static void
lists_are_sound(const struct flow_key *key)
{
    const struct profile_list *list = list_of(key);
    assert_in_range(list->n, 1, CLASSIFIER_PROFILE_GENERATIONS);
    for (unsigned i = 0; i < list->n; i++) {
        assert_ptr_equal(classifier_profile(model.cls, list->profile[i]->id), list->profile[i]);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(list->profile[i]->serial, list->profile[j]->serial);
        }
    }
    const struct flow_key *mask = &list->profile[0]->mask.bits;
    assert_int_equal(mask->in_port, 0xffff);
    assert_true(mask->vlan_tci.raw & htobe16(FLOW_VLAN_PRESENT));
    assert_int_equal(mask->dl_type.raw, 0xffff);
    assert_int_equal(mask->nw_proto, 0xff);
    assert_int_equal(mask->nw_frag & 3, 3);
}

/* What profiles are for: two packets that are the same under one get the same answer. */
static void
the_profile_decides(void **state)
{
    (void) state;
    unsigned n_different = 0;
    for (unsigned round = 0; round < 4; round++) {
        model_init(&model, 100 + round, round % 2 ? 12 : 120);
        for (unsigned step = 0; step < 5000; step++) {
            model_change(&model);
            struct flow_key key, other;
            model_key(&model, &key);
            lists_are_sound(&key);
            same_under(&key, &list_of(&key)->profile[0]->mask, &other);
            n_different += !flow_key_equal(&key, &other);
            assert_ptr_equal(list_of(&key), list_of(&other));
            const struct flow_key *keys[] = { &key, &other };
            struct rule *rules[2];
            classifier_lookup_wildcard_batch(model.cls, keys, 2, rules);
            assert_int_equal(rules[0] ? (long) rules[0]->rank : -1,
                             rules[1] ? (long) rules[1]->rank : -1);
            epoch_poll();
        }
        model_fini(&model);
    }
    assert_true(n_different > 1000);
}

static struct flow_key
tcp_key(uint16_t in_port)
{
    return (struct flow_key) {
        .in_port = in_port, .dl_type.raw = htobe16(0x0800), .nw_proto = 6,
    };
}

/* A match on the TCP destination port, on one port or (0) on all. */
static struct flow_match
tcp_match(uint16_t in_port, uint16_t tp_dst)
{
    struct flow_match match = { .value = tcp_key(in_port) };
    match.value.tp_dst.raw = htobe16(tp_dst);
    match.mask.bits.in_port = in_port ? 0xffff : 0;
    match.mask.bits.dl_type.raw = match.mask.bits.tp_dst.raw = 0xffff;
    match.mask.bits.nw_proto = 0xff;
    return match;
}

static bool
looks_at_tp_dst(const struct flow_key *key)
{
    return list_of(key)->profile[0]->mask.bits.tp_dst.raw == 0xffff;
}

static void
one_ports_rules_widen_that_port_and_class_alone(void **state)
{
    (void) state;
    model_init(&model, 1, 10);
    struct flow_match match = tcp_match(7, 80);
    struct flow_key tcp7 = tcp_key(7), tcp8 = tcp_key(8), udp7 = tcp_key(7);
    udp7.nw_proto = 17;
    model_put(&model, &match, 5);
    assert_true(looks_at_tp_dst(&tcp7));
    assert_false(looks_at_tp_dst(&tcp8));
    assert_false(looks_at_tp_dst(&udp7));
    match = tcp_match(0, 80);
    model_put(&model, &match, 5);
    assert_true(looks_at_tp_dst(&tcp8));
    assert_false(looks_at_tp_dst(&udp7));
    model_remove(&model, 1);
    assert_false(looks_at_tp_dst(&tcp8));
    assert_true(looks_at_tp_dst(&tcp7));
    model_remove(&model, 0);
    assert_false(looks_at_tp_dst(&tcp7));
    model_fini(&model);
}

static void
exact_rules_widen_nothing(void **state)
{
    (void) state;
    model_init(&model, 1, 10);
    struct flow_key key = tcp_key(7);
    struct flow_match match;
    model_exact_match(&key, &match);
    const struct profile_list *before = list_of(&key);
    model_put(&model, &match, RULE_RANK_EXACT);
    assert_ptr_equal(list_of(&key), before);
    model_fini(&model);
}

/* A rule that comes and goes makes two profiles that take turns, not ever new ones. */
static void
generations_are_kept(void **state)
{
    (void) state;
    model_init(&model, 1, 10);
    struct flow_key key = tcp_key(7);
    struct flow_match match = tcp_match(0, 80);
    uint64_t narrow = list_of(&key)->profile[0]->serial;
    model_put(&model, &match, 5);
    uint64_t wide = list_of(&key)->profile[0]->serial;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(list_of(&key)->n, 2);
        assert_int_equal(list_of(&key)->profile[0]->serial, i % 2 ? narrow : wide);
        assert_int_equal(list_of(&key)->profile[1]->serial, i % 2 ? wide : narrow);
        if (i % 2) {
            model_put(&model, &match, 5);
        } else {
            model_remove(&model, 0);
        }
    }
    model_fini(&model);
}

/* A port that gets its first rules keeps the profile that it had as an older one. */
static void
a_ports_own_rules_keep_its_old_generation(void **state)
{
    (void) state;
    model_init(&model, 1, 10);
    struct flow_key key = tcp_key(7);
    const struct mask_profile *before = list_of(&key)->profile[0];
    struct flow_match match = tcp_match(7, 80);
    model_put(&model, &match, 5);
    assert_int_equal(list_of(&key)->n, 2);
    assert_ptr_equal(list_of(&key)->profile[1], before);
    model_fini(&model);
}

/* Each port with another set of fields: more contributions than there may be. Answers
 * stay right, and memory is bounded. */
static void
many_different_ports_fall_back_to_the_full_mask(void **state)
{
    (void) state;
    enum { N = 120 };
    model_init(&model, 1, N);
    unsigned n_full = 0;
    for (unsigned i = 0; i < N; i++) {
        struct flow_match match = tcp_match((uint16_t) (i + 1), 80);
        match.mask.bits.nw_src.ip4.raw = match.value.nw_src.ip4.raw = htobe32(i + 1);
        model_put(&model, &match, 5);
    }
    for (unsigned i = 0; i < N; i++) {
        struct flow_key key = tcp_key((uint16_t) (i + 1));
        const struct flow_key *mask = &list_of(&key)->profile[0]->mask.bits;
        assert_int_equal(mask->nw_src.ip4.raw & htobe32(i + 1), htobe32(i + 1));
        assert_int_equal(mask->tp_dst.raw, 0xffff);
        n_full += list_of(&key)->profile[0]->id == 0;
    }
    assert_in_range(n_full, N - PROFILE_MAX_CONTRIBUTIONS, N - 10);
    while (model.n) {
        model_remove(&model, model.n - 1);
    }
    struct flow_key key = tcp_key(3);
    assert_false(looks_at_tp_dst(&key));
    model_fini(&model);
}

/* Ids run out when masks change all the time while a reader holds the old ones. */
static void
ids_are_not_reused_under_a_reader(void **state)
{
    (void) state;
    model_init(&model, 1, 2000);
    struct epoch_reader *reader = epoch_reader_new();
    struct flow_key key = tcp_key(3);
    for (unsigned round = 0; round < 2; round++) {
        epoch_online(reader);
        const struct profile_list *list = list_of(&key);
        struct mask_profile held = *list->profile[0];
        for (unsigned i = 0; i < 600; i++) {
            struct flow_match match = tcp_match(3, 80);
            match.mask.bits.nw_src.ip4.raw = match.value.nw_src.ip4.raw = htobe32(i + 1);
            model_put(&model, &match, 5);
            model_remove(&model, 0);
            const struct mask_profile *now = classifier_profile(model.cls, held.id);
            assert_true(!now || now->serial == held.serial);
            assert_memory_equal(list->profile[0], &held, sizeof held);
        }
        epoch_quiescent(reader);
        epoch_poll();
    }
    epoch_offline(reader);
    epoch_reader_free(reader);
    model_fini(&model);
}

static void
all_ports_may_have_rules(void **state)
{
    (void) state;
    enum { N = 0xff00 };
    struct classifier *cls = classifier_new(1);
    struct rule **rules = calloc(N, sizeof *rules);
    for (unsigned i = 0; i < N; i++) {
        struct flow_match match = tcp_match((uint16_t) (i + 1), (uint16_t) i);
        rules[i] = model_rule_new(cls, &match, 5);
        assert_int_equal(classifier_insert(cls, rules[i]), 0);
    }
    struct flow_key first = tcp_key(1), last = tcp_key(N);
    assert_ptr_equal(classifier_profiles(cls, &first), classifier_profiles(cls, &last));
    for (unsigned i = 0; i < N; i++) {
        classifier_remove(cls, rules[i]);
        free(rules[i]);
    }
    free(rules);
    epoch_drain();
    classifier_free(cls);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profile_decides),
        cmocka_unit_test(one_ports_rules_widen_that_port_and_class_alone),
        cmocka_unit_test(exact_rules_widen_nothing),
        cmocka_unit_test(generations_are_kept),
        cmocka_unit_test(a_ports_own_rules_keep_its_old_generation),
        cmocka_unit_test(many_different_ports_fall_back_to_the_full_mask),
        cmocka_unit_test(ids_are_not_reused_under_a_reader),
        cmocka_unit_test(all_ports_may_have_rules),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
