/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/epoch.h"
#include "sw-datapath/classifier_private.h"
#include "tests/unit/classifier_model.h"

static struct model model;

static void
lookups_agree(struct model *m, unsigned n)
{
    struct flow_key keys[150];
    const struct flow_key *pointers[150];
    struct rule *rules[150];
    for (unsigned i = 0; i < n; i++) {
        if (m->n && model_below(m, 2)) {
            model_key_in(m, &m->rules[model_below(m, m->n)].match, &keys[i]);
        } else {
            model_key(m, &keys[i]);
        }
        pointers[i] = &keys[i];
    }
    classifier_lookup_batch(m->cls, pointers, n, rules);
    for (unsigned i = 0; i < n; i++) {
        assert_true(model_is_right(m, &keys[i], rules[i]));
        assert_true(model_is_right(m, &keys[i], classifier_lookup(m->cls, &keys[i])));
    }
    classifier_lookup_wildcard_batch(m->cls, pointers, n, rules);
    for (unsigned i = 0; i < n; i++) {
        assert_true(model_is_right_wildcarded(m, &keys[i], rules[i]));
    }
}

static void
lookups_agree_with_the_list(void **state)
{
    (void) state;
    for (unsigned round = 0; round < 3; round++) {
        model_init(&model, 11 + round, round == 0 ? 40 : round == 1 ? 300 : 1500);
        for (unsigned step = 0; step < 8000; step++) {
            model_change(&model);
            assert_int_equal(classifier_count(model.cls), model.n);
            if (step % 4 == 0) {
                lookups_agree(&model, step % 400 == 0 ? 150 : 3);
            }
            epoch_poll();
        }
        model_fini(&model);
    }
}

static void
matches_come_back_as_given(void **state)
{
    (void) state;
    model_init(&model, 5, 600);
    for (unsigned step = 0; step < 3000; step++) {
        model_change(&model);
        if (!model.n) {
            continue;
        }
        unsigned i = model_below(&model, model.n);
        struct flow_match match;
        classifier_rule_match(model.cls, model.rules[i].rule, &match);
        assert_memory_equal(&match, &model.rules[i].match, sizeof match);
        assert_ptr_equal(classifier_find(model.cls, &match, model.rules[i].rank),
                         model.rules[i].rule);
        model_match(&model, &match);
        uint32_t rank = model_below(&model, 3);
        int found = model_find(&model, &match, rank);
        assert_ptr_equal(classifier_find(model.cls, &match, rank),
                         found < 0 ? NULL : model.rules[found].rule);
    }
    model_fini(&model);
}

/* --- covered and overlapping rules ---------------------------------------------- */

struct visit {
    unsigned n, stop_at;
    bool remove;
};

static bool
visit_rule(struct rule *rule, void *visit_)
{
    struct visit *v = visit_;
    v->n++;
    for (unsigned i = 0; v->remove; i++) {
        assert_true(i < model.n);
        if (model.rules[i].rule == rule) {
            model_remove(&model, i);
            break;
        }
    }
    return v->n != v->stop_at;
}

static unsigned
count_covered(const struct flow_match *match)
{
    unsigned n = 0;
    for (unsigned i = 0; i < model.n; i++) {
        n += flow_match_covers(match, &model.rules[i].match);
    }
    return n;
}

static void
random_query(struct flow_match *match)
{
    if (model.n && model_below(&model, 2)) {
        *match = model.rules[model_below(&model, model.n)].match;
    } else {
        model_match(&model, match);
    }
}

static void
covered_rules_are_visited_once_each(void **state)
{
    (void) state;
    model_init(&model, 21, 500);
    for (unsigned step = 0; step < 6000; step++) {
        model_change(&model);
        struct flow_match match;
        random_query(&match);
        unsigned expected = count_covered(&match);
        assert_in_range(classifier_count_candidates(model.cls, &match), expected, model.n);
        struct visit all = { 0 };
        classifier_for_each_covered(model.cls, &match, visit_rule, &all);
        assert_int_equal(all.n, expected);
        struct visit one = { .stop_at = 1 };
        classifier_for_each_covered(model.cls, &match, visit_rule, &one);
        assert_int_equal(one.n, expected != 0);
        if (step % 16 == 0) {
            struct visit removing = { .remove = true };
            classifier_for_each_covered(model.cls, &match, visit_rule, &removing);
            assert_int_equal(removing.n, expected);
            assert_int_equal(count_covered(&match), 0);
            lookups_agree(&model, 3);
        }
        epoch_poll();
    }
    struct visit removing = { .remove = true };
    struct flow_match everything = { 0 };
    classifier_for_each_covered(model.cls, &everything, visit_rule, &removing);
    assert_int_equal(model.n, 0);
    model_fini(&model);
}

static void
overlaps_are_found(void **state)
{
    (void) state;
    unsigned n_found = 0;
    model_init(&model, 31, 60);
    for (unsigned step = 0; step < 6000; step++) {
        model_change(&model);
        struct flow_match match;
        random_query(&match);
        static const uint32_t ranks[] = { 0, 1, 255, 256, 0xffff, RULE_RANK_EXACT };
        uint32_t rank = ranks[model_below(&model, 6)];
        bool expected = false;
        for (unsigned i = 0; i < model.n; i++) {
            expected = expected || (model.rules[i].rank == rank
                                    && flow_match_overlaps(&match, &model.rules[i].match));
        }
        const struct rule *rule = classifier_find_overlap(model.cls, &match, rank);
        assert_int_equal(rule != NULL, expected);
        if (rule) {
            struct flow_match found;
            classifier_rule_match(model.cls, rule, &found);
            assert_true(flow_match_overlaps(&match, &found));
            assert_int_equal(rule->rank, rank);
            n_found++;
        }
    }
    assert_true(n_found > 500);
    model_fini(&model);
}

/* --- many rules, many masks ----------------------------------------------------- */

static void
nth_match(unsigned i, struct flow_match *match)
{
    *match = (struct flow_match) { 0 };
    match->mask.bits.dl_type.raw = 0xffff;
    match->mask.bits.nw_dst.ip4.raw = 0xffffffff;
    match->value.dl_type.raw = htobe16(0x0800);
    match->value.nw_dst.ip4.raw = htobe32(i);
}

static void
a_big_subtable_grows_and_shrinks(void **state)
{
    (void) state;
    enum { N = 60000 };
    struct classifier *cls = classifier_new(1);
    struct rule **rules = calloc(N, sizeof *rules);
    struct flow_match match;
    for (unsigned i = 0; i < N; i++) {
        nth_match(i, &match);
        rules[i] = model_rule_new(cls, &match, 7);
        assert_int_equal(classifier_insert(cls, rules[i]), 0);
        assert_ptr_equal(classifier_lookup(cls, &match.value), rules[i]);
    }
    const struct subtable *st = subtable_find(cls, &match.mask, false);
    assert_true(rule_table_size(&st->table) <= (size_t) N * 22);
    for (unsigned i = 0; i < N; i += 2) {
        classifier_remove(cls, rules[i]);
        epoch_defer(free, rules[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        nth_match(i, &match);
        assert_ptr_equal(classifier_lookup(cls, &match.value), i % 2 ? rules[i] : NULL);
    }
    for (unsigned i = 1; i < N; i += 2) {
        classifier_remove(cls, rules[i]);
        epoch_defer(free, rules[i]);
    }
    assert_int_equal(classifier_n_subtables(cls), 0);
    epoch_drain();
    free(rules);
    classifier_free(cls);
}

/* The i-th of many masks. */
static void
match_of_mask(unsigned i, struct flow_match *match)
{
    *match = (struct flow_match) { 0 };
    match->mask.bits.dl_type.raw = 0xffff;
    match->value.dl_type.raw = htobe16(0x0800);
    match->mask.bits.nw_src.ip4.raw = htobe32(i + 1);
    match->value.nw_src.ip4.raw = htobe32(i + 1);
}

static void
the_number_of_masks_is_bounded(void **state)
{
    (void) state;
    struct classifier *cls = classifier_new(1);
    struct rule **rules = calloc(CLASSIFIER_MAX_SUBTABLES, sizeof *rules);
    struct flow_match match;
    for (unsigned i = 0; i < CLASSIFIER_MAX_SUBTABLES; i++) {
        match_of_mask(i, &match);
        rules[i] = model_rule_new(cls, &match, i);
        assert_int_equal(classifier_insert(cls, rules[i]), 0);
    }
    match_of_mask(CLASSIFIER_MAX_SUBTABLES, &match);
    struct rule *rule = calloc(1, classifier_rule_size(cls, &match));
    assert_int_equal(classifier_rule_init(cls, rule, &match, 1, NULL), -ENOSPC);

    struct flow_key key = { .dl_type.raw = htobe16(0x0800) };
    key.nw_src.ip4.raw = htobe32(0xfff);
    assert_ptr_equal(classifier_lookup(cls, &key), rules[0xffe]);
    for (unsigned i = 0; i < CLASSIFIER_MAX_SUBTABLES; i++) {
        classifier_remove(cls, rules[i]);
        epoch_defer(free, rules[i]);
    }
    assert_int_equal(classifier_rule_init(cls, rule, &match, 1, NULL), 0);
    classifier_rule_fini(cls, rule);
    free(rule);
    free(rules);
    epoch_drain();
    classifier_free(cls);
}

/* --- versions ------------------------------------------------------------------- */

/* A random change of wildcarded rules; its match is what it may have touched. */
static void
change_and_tell(struct flow_match *match)
{
    if (model.n == model.max) {
        unsigned i = model_below(&model, model.n);
        *match = model.rules[i].match;
        model_remove(&model, i);
    } else {
        model_match(&model, match);
        model_put(&model, match, model_below(&model, 3));
    }
}

static bool
any_overlaps(const struct flow_key *key, const struct flow_mask *mask,
             const struct flow_match *changes, unsigned n)
{
    struct flow_match entry = { .mask = *mask };
    flow_key_mask(key, mask, &entry.value);
    bool overlaps = false;
    for (unsigned i = 0; i < n; i++) {
        overlaps = overlaps || flow_match_overlaps(&entry, &changes[i]);
    }
    return overlaps;
}

/* classifier_changed() against the list of all changes: never wrong, and UNKNOWN only
 * for more changes than the log has. */
static void
changes_are_told(void **state)
{
    (void) state;
    enum { STEPS = 3000 };
    struct flow_match *log = calloc(STEPS, sizeof *log);
    unsigned counts[3] = { 0 };
    model_init(&model, 41, 200);
    uint64_t version = classifier_version(model.cls);
    for (unsigned step = 0; step < STEPS; step++) {
        change_and_tell(&log[step]);
        assert_int_equal(classifier_version(model.cls), ++version);
        for (unsigned i = 0; i < 10; i++) {
            struct flow_key key;
            model_key(&model, &key);
            const struct flow_mask *mask = &classifier_profiles(model.cls, &key)->profile[0]->mask;
            unsigned back = model_below(&model, model_below(&model, 2) ? 10 : 300);
            back = back <= step + 1 ? back : step + 1;
            bool overlaps = any_overlaps(&key, mask, &log[step + 1 - back], back);
            uint64_t now;
            enum classifier_change change
                = classifier_changed(model.cls, &key, mask, version - back, &now);
            counts[change]++;
            assert_int_equal(now, version);
            assert_true(change != CLASSIFIER_UNCHANGED || !overlaps);
            assert_true(change != CLASSIFIER_OVERLAPPED || overlaps);
            assert_true(change != CLASSIFIER_UNKNOWN || back > CHANGE_LOG_LEN);
        }
    }
    assert_true(counts[CLASSIFIER_UNCHANGED] && counts[CLASSIFIER_OVERLAPPED]);
    free(log);
    model_fini(&model);
}

/* However many changes to other addresses there are, an entry is hardly ever in doubt. */
static void
changes_elsewhere_are_told_apart(void **state)
{
    (void) state;
    enum { N = 2000 };
    model_init(&model, 51, MODEL_MAX_RULES);
    struct flow_match match;
    nth_match(N, &match);
    model_put(&model, &match, 5);
    struct flow_key key = match.value;
    uint64_t version = classifier_version(model.cls);
    const struct flow_mask *mask = &classifier_profiles(model.cls, &key)->profile[0]->mask;
    unsigned n_doubts = 0;
    for (unsigned i = 0; i < N; i++) {
        nth_match(i, &match);
        model_put(&model, &match, 5);
        model_remove(&model, 1);
        uint64_t now;
        if (classifier_changed(model.cls, &key, mask, version, &now) != CLASSIFIER_UNCHANGED) {
            n_doubts++;
            version = now;
        }
    }
    assert_true(n_doubts < 20);
    model_fini(&model);
}

/* Without wildcards: not cached, so not numbered. */
static void
exact_rules_are_not_numbered(void **state)
{
    (void) state;
    model_init(&model, 61, 10);
    struct flow_key key = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 6 };
    struct flow_match match;
    model_exact_match(&key, &match);
    uint64_t version = classifier_version(model.cls);
    assert_false(classifier_has_exact(model.cls));
    model_put(&model, &match, RULE_RANK_EXACT);
    assert_true(classifier_has_exact(model.cls));
    assert_ptr_equal(classifier_lookup_exact(model.cls, &key), model.rules[0].rule);
    assert_int_equal(classifier_version(model.cls), version);
    model_fini(&model);
}

/* --- readers beside a writer ---------------------------------------------------- */

enum { N_LASTING = 300, N_READERS = 2 };

static struct flow_key lasting_keys[N_LASTING];
static uint32_t lasting_ranks[N_LASTING];
static _Atomic bool stop;

/* Counts look-ups that missed a rule which was there throughout. */
static void *
read_all_the_time(void *arg)
{
    struct epoch_reader *reader = arg;
    size_t n_bad = 0;
    epoch_online(reader);
    for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
        const struct flow_key *keys[32];
        struct rule *rules[32];
        for (unsigned j = 0; j < 32; j++) {
            keys[j] = &lasting_keys[(i * 32 + j) % N_LASTING];
        }
        uint64_t now, version = classifier_version(model.cls);
        classifier_lookup_batch(model.cls, keys, 32, rules);
        for (unsigned j = 0; j < 32; j++) {
            const struct profile_list *list = classifier_profiles(model.cls, keys[j]);
            n_bad += !rules[j] || rules[j]->rank != lasting_ranks[(i * 32 + j) % N_LASTING];
            classifier_changed(model.cls, keys[j], &list->profile[0]->mask, version, &now);
            n_bad += now < version;
        }
        epoch_quiescent(reader);
    }
    epoch_offline(reader);
    return (void *) n_bad;
}

static void
insert_lasting_rules(void)
{
    for (unsigned i = 0; i < N_LASTING; i++) {
        struct flow_match match;
        model_match(&model, &match);
        model_key_in(&model, &match, &lasting_keys[i]);
        if (i % 5 == 0) {
            model_exact_match(&lasting_keys[i], &match);
        }
        model_put(&model, &match, i % 5 ? 0xffff : RULE_RANK_EXACT);
    }
    for (unsigned i = 0; i < N_LASTING; i++) {
        lasting_ranks[i] = (uint32_t) model_best_rank(&model, &lasting_keys[i], false);
    }
}

/* Lower ranks come and go in waves, so that tables grow and subtables vanish; lasting
 * rules are replaced. */
static void
write_for_a_while(void)
{
    unsigned n_lasting = model.n;
    for (unsigned step = 0; step < 30000; step++) {
        struct flow_match match;
        bool grow = step / 1500 % 2 == 0;
        if (step % 50 == 0) {
            const struct model_rule *r = &model.rules[model_below(&model, n_lasting)];
            match = r->match;
            model_put(&model, &match, r->rank);
        } else if (grow && model.n < MODEL_MAX_RULES) {
            model_match(&model, &match);
            model_put(&model, &match, model_below(&model, 0xffff));
        } else if (model.n > n_lasting) {
            model_remove(&model, model.n - 1);
        }
        if (step % 16 == 0) {
            epoch_poll();
        }
    }
}

static void
readers_never_miss_what_is_there(void **state)
{
    (void) state;
    struct epoch_reader *readers[N_READERS];
    pthread_t threads[N_READERS];
    model_init(&model, 71, MODEL_MAX_RULES);
    insert_lasting_rules();
    atomic_store(&stop, false);
    for (unsigned i = 0; i < N_READERS; i++) {
        readers[i] = epoch_reader_new();
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, readers[i]), 0);
    }
    write_for_a_while();
    atomic_store(&stop, true);
    for (unsigned i = 0; i < N_READERS; i++) {
        void *n_bad;
        pthread_join(threads[i], &n_bad);
        assert_int_equal((size_t) n_bad, 0);
        epoch_reader_free(readers[i]);
    }
    model_fini(&model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_agree_with_the_list),
        cmocka_unit_test(matches_come_back_as_given),
        cmocka_unit_test(covered_rules_are_visited_once_each),
        cmocka_unit_test(overlaps_are_found),
        cmocka_unit_test(a_big_subtable_grows_and_shrinks),
        cmocka_unit_test(the_number_of_masks_is_bounded),
        cmocka_unit_test(changes_are_told),
        cmocka_unit_test(changes_elsewhere_are_told_apart),
        cmocka_unit_test(exact_rules_are_not_numbered),
        cmocka_unit_test(readers_never_miss_what_is_there),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
