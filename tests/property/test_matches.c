/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MODs and matches: the product's codec and match code against the naive switch's.
 * tests/property/test_matches [SEED [ROUNDS]]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ofagent/nx_match.h"
#include "sw-datapath/parse.h"
#include "tests/property/generate.h"
#include "tests/property/reference.h"

enum { N_PORTS = 4 };

static uint64_t seed = 1;
static uint64_t n_rounds = 200000;
static struct ref_table *table, *emergency;

static void
decode_match(const uint8_t wire[40], struct ofp_match *match)
{
    struct reader reader;
    reader_init(&reader, wire, 40);
    assert_int_equal(ofp_decode_match(&reader, match), 0);
    assert_false(reader.failed);
}

/* A match in one dialect or the other, as both sides read it. */
static void
read_both(struct gen *g, const uint8_t wire[40], struct ref_match *ref, struct ofp_match *product)
{
    uint8_t entries[GEN_NXM_MAX];
    struct ofp_refusal refusal;
    if (gen_below(g, 2)) {
        ref_match_openflow10(ref, wire);
        decode_match(wire, product);
        return;
    }
    size_t size = gen_nxm_of(g, wire, gen_below(g, 4), entries);
    ref_match_nxm(ref, entries, size);
    if (nx_match_decode(entries, size, product, NULL, &refusal)) {
        fail_msg("a match is refused: %s", refusal.why);
    }
}

static void
assert_same(bool product, bool reference, const char *what, uint64_t round)
{
    if (product != reference) {
        fail_msg("%s: the product says %d, the reference %d; replay with: test_matches %llu 1",
                 what, product, reference, (unsigned long long) (seed + round));
    }
}

/* What the product writes of a match, in either dialect, is what it should. */
static void
assert_told_alike(const struct ref_match *ref, const struct ofp_match *product, uint64_t round)
{
    struct ref_match told;
    struct writer w;
    uint16_t size;
    writer_init(&w);
    ofp_encode_match(&w, product);
    ref_match_openflow10(&told, w.data);
    assert_same(ref_match_is_told_as(ref, &told), true, "told in 1.0", round);
    assert_same(ref_match_is_exact(&told), ref_match_is_exact(ref), "told exact", round);
    writer_clear(&w);
    bool whole = nx_match_encode(&w, &product->match, NULL, &size);
    ref_match_nxm(&told, w.data, size);
    assert_same(ref_match_is_told_as(ref, &told), true, "told in nx_match", round);
    assert_same(whole, ref_match_equal(ref, &told), "all of it", round);
    writer_fini(&w);
}

/* A second match: half of the time the first with a few bits changed, so that covering
 * and equality are not rare. */
static void
related_match(struct gen *g, const uint8_t a[40], uint8_t b[40])
{
    if (gen_below(g, 2)) {
        gen_match(g, N_PORTS, b);
        return;
    }
    memcpy(b, a, 40);
    for (uint32_t i = gen_below(g, 3); i > 0; i--) {
        b[gen_below(g, 2) ? 1 + gen_below(g, 3) : gen_below(g, 40)] ^= (uint8_t) (1 << gen_below(g, 8));
    }
}

static void
matches_mean_the_same(void **state)
{
    (void) state;
    uint64_t n_covers = 0, n_overlaps = 0, n_hits = 0;

    for (uint64_t round = 0; round < n_rounds; round++) {
        struct gen g;
        uint8_t a[40], b[40];
        struct ofp_match ma, mb;
        struct ref_match ra, rb;
        struct ref_frame frame;
        struct ref_fields fields;
        struct flow_key key;
        gen_init(&g, seed + round);
        gen_match(&g, N_PORTS, a);
        related_match(&g, a, b);
        read_both(&g, a, &ra, &ma);
        read_both(&g, b, &rb, &mb);
        assert_same(ma.exact, ref_match_is_exact(&ra), "exact", round);
        assert_same(mb.exact, ref_match_is_exact(&rb), "exact", round);
        bool covers = ref_match_covers(&ra, &rb), overlaps = ref_match_overlaps(&ra, &rb);
        assert_same(flow_match_covers(&ma.match, &mb.match), covers, "covers", round);
        assert_same(flow_match_overlaps(&ma.match, &mb.match), overlaps, "overlaps", round);
        assert_same(!memcmp(&ma.match, &mb.match, sizeof ma.match), ref_match_equal(&ra, &rb),
                    "equal", round);
        assert_told_alike(&ra, &ma, round);

        frame.size = gen_frame(&g, frame.data);
        uint16_t in_port = (uint16_t) (1 + gen_below(&g, N_PORTS));
        struct packet packet = { .data = frame.data, .size = frame.size, .in_port = in_port };
        assert_int_equal(packet_parse(&packet, &key), 0);
        ref_parse(&frame, in_port, &fields);
        bool hit = ref_match_packet(&ra, &fields);
        assert_same(flow_match_contains(&ma.match, &key), hit, "match", round);
        n_covers += covers;
        n_overlaps += overlaps;
        n_hits += hit;
    }
    /* The comparison is worth something only if both answers occur. */
    if (n_rounds > 1000) {
        assert_in_range(n_covers, n_rounds / 20, n_rounds / 20 * 19);
        assert_in_range(n_overlaps, n_rounds / 20, n_rounds / 20 * 19);
        assert_in_range(n_hits, n_rounds / 100, n_rounds / 100 * 99);
    }
}

/* What needs no table is refused with the same error, and nothing else is. */
static void
flow_mods_are_refused_alike(void **state)
{
    (void) state;
    struct ofp_flow_mod *mod = malloc(sizeof *mod);
    uint64_t n_refused = 0;

    for (uint64_t round = 0; round < n_rounds; round++) {
        struct gen g;
        uint8_t msg[GEN_FLOW_MOD_MAX];
        struct ofp_refusal refusal = { 0 };
        struct ref_error error = { 0 };
        gen_init(&g, seed + round);
        size_t size = gen_flow_mod(&g, N_PORTS, msg);
        msg[71] &= (uint8_t) ~2; /* overlaps are the table's */
        ref_table_clear(table);
        table->n_removed = 0;
        bool is_good = ref_table_mod(table, emergency, msg, size, 0, &error);
        int product = ofp_decode_flow_mod(msg, size, mod, &refusal);
        assert_same(product == 0, is_good, "FLOW_MOD accepted", round);
        if (!is_good && (refusal.type != error.type || refusal.code != error.code)) {
            fail_msg("refused with %u/%u and %u/%u; replay with: test_matches %llu 1", refusal.type,
                     refusal.code, error.type, error.code, (unsigned long long) (seed + round));
        }
        n_refused += !is_good;
    }
    if (n_rounds > 1000) {
        assert_in_range(n_refused, n_rounds / 20, n_rounds / 2);
    }
    free(mod);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_mean_the_same),
        cmocka_unit_test(flow_mods_are_refused_alike),
    };
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed;
    n_rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : n_rounds;
    table = calloc(1, sizeof *table);
    emergency = calloc(1, sizeof *emergency);
    table->max_flows = emergency->max_flows = REF_MAX_FLOWS;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ref_table_clear(table);
    ref_table_clear(emergency);
    free(table);
    free(emergency);
    return failed;
}
