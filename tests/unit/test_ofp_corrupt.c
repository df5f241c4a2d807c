/* SPDX-License-Identifier: Apache-2.0 */
/* Every truncation and every corruption of a byte of every message, through every decoder
 * and the printer. The buffers are on the heap and no longer than the message, so that a
 * sanitizer sees a read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/ofp_peer.h"
#include "tests/wire/exercise.h"
#include "tests/wire/samples.h"

enum { SEED = 20 };

static void
visit_samples(void (*visit)(const char *name, const uint8_t *msg, size_t size, void *aux))
{
    samples_for_each(SEED, visit, NULL);
}

static void
exercise_copy(const uint8_t *msg, size_t size, bool true_length)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, msg, size);
    if (true_length && size >= 4) {
        copy[2] = (uint8_t) (size >> 8);
        copy[3] = (uint8_t) size;
    }
    ofp_exercise(copy, size);
    free(copy);
}

static void
take_sample(const char *name, const uint8_t *msg, size_t size, void *aux)
{
    (void) aux;
    struct ofp_refusal refusal;
    if (ofp_check_size(msg, size, &refusal)
        && ofp_check_size_from_switch(msg, size, &refusal)) {
        fail_msg("%s is refused: %s", name, refusal.why);
    }
    exercise_copy(msg, size, false);
}

static void
every_sample_is_taken(void **state)
{
    (void) state;
    visit_samples(take_sample);
}

static void
truncate_sample(const char *name, const uint8_t *msg, size_t size, void *aux)
{
    (void) name;
    (void) aux;
    for (size_t cut = 0; cut < size; cut++) {
        struct ofp_refusal refusal;
        assert_int_equal(ofp_check_size(msg, cut, &refusal), OFP_REFUSED);
        exercise_copy(msg, cut, false);
        exercise_copy(msg, cut, true);
    }
}

static void
every_truncation_is_survived(void **state)
{
    (void) state;
    visit_samples(truncate_sample);
}

static void
corrupt_sample(const char *name, const uint8_t *msg, size_t size, void *aux)
{
    (void) name;
    (void) aux;
    uint8_t *copy = malloc(size);
    memcpy(copy, msg, size);
    for (size_t i = 0; i < size; i++) {
        for (unsigned change = 1; change < 256; change++) {
            copy[i] = (uint8_t) (msg[i] ^ change);
            bool one_bit = !(change & (change - 1));
            if (one_bit) {
                ofp_exercise(copy, size);
            } else if (size < 300) { /* longer ones are text that means nothing */
                ofp_exercise_decoders(copy, size);
            }
        }
        copy[i] = msg[i];
    }
    free(copy);
}

static void
every_corruption_of_a_byte_is_survived(void **state)
{
    (void) state;
    visit_samples(corrupt_sample);
}

/* Two bytes anywhere, one of them often a length. */
static void
shuffle_sample(const char *name, const uint8_t *msg, size_t size, void *aux)
{
    (void) name;
    (void) aux;
    struct sample_rng rng = { size };
    uint8_t *copy = malloc(size);
    for (int i = 0; i < 500; i++) {
        memcpy(copy, msg, size);
        for (int j = 0; j < 2; j++) {
            copy[sample_below(&rng, (uint32_t) size)] = (uint8_t) sample_u32(&rng);
        }
        ofp_exercise(copy, size);
    }
    free(copy);
}

static void
corruptions_of_two_bytes_are_survived(void **state)
{
    (void) state;
    visit_samples(shuffle_sample);
}

static void
random_flow_mods_come_back(void **state)
{
    (void) state;
    static struct ofp_flow_mod sent, got;
    struct sample_rng rng = { 21 };
    struct ofp_refusal refusal;
    struct writer w;
    writer_init(&w);
    for (int i = 0; i < 50000; i++) {
        sample_flow_mod(&rng, &sent);
        writer_clear(&w);
        ofp_encode_flow_mod(&w, (uint32_t) i, &sent);
        assert_int_equal(ofp_check_size(w.data, w.size, &refusal), 0);
        assert_int_equal(ofp_decode_flow_mod(w.data, w.size, &got, &refusal), 0);
        assert_true(flow_mod_equal(&got, &sent));
    }
    writer_fini(&w);
}

static void
random_flow_statistics_come_back(void **state)
{
    (void) state;
    struct sample_rng rng = { 22 };
    struct ofp_refusal refusal;
    struct action sent_actions[8], got_actions[ACTION_LIST_MAX];
    struct ofp_flow_stats sent, got;
    struct writer w;
    writer_init(&w);
    for (int i = 0; i < 50000; i++) {
        struct ofp_stats_reply reply;
        struct ofp_stats_part part;
        sample_flow_stats(&rng, &sent, sent_actions);
        writer_clear(&w);
        ofp_stats_begin(&reply, &w, 1, OFPST_FLOW);
        ofp_put_flow(&reply, &sent);
        ofp_stats_end(&reply);
        assert_int_equal(ofp_decode_stats_reply(w.data, w.size, &part, &refusal), 0);
        assert_int_equal(ofp_take_flow(&part.body, &got, got_actions, &refusal), 0);
        assert_int_equal(reader_left(&part.body), 0);
        assert_true(match_equal(&got.match, &sent.match));
        assert_int_equal(got.n_actions, sent.n_actions);
        assert_memory_equal(got_actions, sent_actions, sent.n_actions * sizeof got_actions[0]);
        got.match = sent.match;
        got.actions = sent.actions;
        assert_true(got.cookie == sent.cookie && got.packets == sent.packets
                    && got.bytes == sent.bytes && got.duration_s == sent.duration_s
                    && got.duration_ns == sent.duration_ns && got.priority == sent.priority
                    && got.idle_timeout == sent.idle_timeout
                    && got.hard_timeout == sent.hard_timeout);
    }
    writer_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_taken),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(every_corruption_of_a_byte_is_survived),
        cmocka_unit_test(corruptions_of_two_bytes_are_survived),
        cmocka_unit_test(random_flow_mods_come_back),
        cmocka_unit_test(random_flow_statistics_come_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
