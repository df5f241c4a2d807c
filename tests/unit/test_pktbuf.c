/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ofagent/ofp.h"
#include "ofagent/pktbuf.h"
#include "tests/unit/fake_clock.h"

static uint8_t frame[PACKET_MAX_SIZE];
static struct pktbuf_owner somebody;

static uint32_t
save_for(struct pktbuf *pb, struct pktbuf_owner *owner, uint32_t size, uint16_t in_port,
         uint8_t fill)
{
    memset(frame, fill, size);
    struct packet packet = {
        .data = frame, .size = size, .in_port = in_port,
        .offload = { .csum_partial = true, .csum_start = 34, .csum_offset = 16 },
    };
    return pktbuf_save(pb, &packet, owner);
}

static uint32_t
save(struct pktbuf *pb, uint32_t size, uint16_t in_port, uint8_t fill)
{
    return save_for(pb, &somebody, size, in_port, fill);
}

static enum pktbuf_result
take(struct pktbuf *pb, uint32_t id)
{
    struct pktbuf_packet held;
    enum pktbuf_result result = pktbuf_take(pb, id, &held);
    if (result == PKTBUF_FOUND) {
        free(held.memory);
    }
    return result;
}

static void
what_was_saved_comes_back_whole(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_packet held;
    uint32_t id = save(pb, 1000, 7, 0xab);
    memset(frame, 0, sizeof frame);
    assert_int_equal(pktbuf_take(pb, id, &held), PKTBUF_FOUND);
    assert_int_equal(held.packet.size, 1000);
    assert_int_equal(held.packet.in_port, 7);
    assert_true(held.packet.offload.csum_partial);
    assert_int_equal(held.packet.offload.csum_start, 34);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(held.packet.data[i], 0xab);
    }
    /* The room that a VLAN tag needs is ours to write. */
    memset(held.packet.data - PACKET_HEADROOM, 1, PACKET_HEADROOM);
    memset(held.packet.data + held.packet.size, 1, PACKET_TAILROOM);
    free(held.memory);
    pktbuf_free(pb);
}

static void
a_buffer_is_used_once(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    uint32_t id = save(pb, 60, 1, 1);
    assert_int_equal(take(pb, id), PKTBUF_FOUND);
    assert_int_equal(take(pb, id), PKTBUF_EMPTY);
    pktbuf_free(pb);
}

static void
an_id_never_given_is_unknown(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    uint32_t id = save(pb, 60, 1, 1);
    assert_int_equal(take(pb, 0), PKTBUF_UNKNOWN);
    assert_int_equal(take(pb, id + 1), PKTBUF_UNKNOWN);
    assert_int_equal(take(pb, id + PKTBUF_SLOTS), PKTBUF_UNKNOWN);
    assert_int_equal(take(pb, 0xfffffffe), PKTBUF_UNKNOWN);
    assert_int_equal(take(pb, OFP_NO_BUFFER), PKTBUF_UNKNOWN);
    pktbuf_free(pb);
}

static void
a_reused_slot_is_empty_for_the_old_id(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    uint32_t first = save(pb, 60, 1, 1);
    uint32_t last = 0;
    for (int i = 0; i < PKTBUF_SLOTS; i++) {
        last = save(pb, 60, 1, 2);
        assert_int_not_equal(last, first);
    }
    assert_int_equal(take(pb, first), PKTBUF_EMPTY);
    assert_int_equal(take(pb, last), PKTBUF_FOUND);
    pktbuf_free(pb);
}

static void
bytes_are_bounded_and_the_oldest_go_first(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    enum { N = 200, SIZE = 65536 };
    uint32_t ids[N];
    for (int i = 0; i < N; i++) {
        ids[i] = save(pb, SIZE, 1, 3);
    }
    unsigned kept = 0;
    for (int i = 0; i < N; i++) {
        bool expected = i >= N - PKTBUF_MAX_BYTES / SIZE;
        bool found = take(pb, ids[i]) == PKTBUF_FOUND;
        assert_int_equal(found, expected);
        kept += found;
    }
    assert_int_equal(kept, PKTBUF_MAX_BYTES / SIZE);
    assert_int_equal(take(pb, save(pb, SIZE, 1, 4)), PKTBUF_FOUND);
    pktbuf_free(pb);
}

static void
packets_of_a_port_that_goes_are_dropped(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    uint32_t a = save(pb, 60, 1, 1), b = save(pb, 60, 2, 1);
    pktbuf_drop_port(pb, 1);
    assert_int_equal(take(pb, a), PKTBUF_EMPTY);
    assert_int_equal(take(pb, b), PKTBUF_FOUND);
    pktbuf_free(pb);
}

static void
packets_expire(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    assert_int_equal(pktbuf_expire(pb, clock_ms()), UINT32_MAX);
    uint32_t a = save(pb, 60, 1, 1);
    fake_clock_advance_ms(1000);
    uint32_t b = save(pb, 60, 1, 1);
    fake_clock_advance_ms(PKTBUF_LIFETIME_MS - 1001);
    assert_int_equal(pktbuf_expire(pb, clock_ms()), 1);
    fake_clock_advance_ms(1);
    assert_int_equal(take(pb, a), PKTBUF_EMPTY);       /* nobody need call pktbuf_expire() */
    assert_int_equal(pktbuf_expire(pb, clock_ms()), 1000);
    uint32_t c = save(pb, 60, 1, 1);                   /* in the slot of a */
    assert_int_equal(c % PKTBUF_SLOTS, a % PKTBUF_SLOTS);
    assert_int_equal(take(pb, a), PKTBUF_EMPTY);
    assert_int_equal(take(pb, b), PKTBUF_FOUND);
    assert_int_equal(take(pb, c), PKTBUF_FOUND);
    pktbuf_free(pb);
}

static void
a_greedy_owner_does_not_take_what_another_has(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_owner greedy = { 0 }, modest = { 0 };
    uint32_t few[10];
    for (int i = 0; i < 10; i++) {
        few[i] = save_for(pb, &modest, 60, 1, 1);
    }
    for (int i = 0; i < 10 * PKTBUF_SLOTS; i++) {
        save_for(pb, &greedy, 60, (uint16_t) (1 + i % 100), 2);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(take(pb, few[i]), PKTBUF_FOUND);
    }
    assert_int_equal(modest.cost, 0);
    pktbuf_free(pb);
}

static void
two_greedy_owners_have_half_each(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_owner a = { 0 }, b = { 0 };
    for (int i = 0; i < PKTBUF_SLOTS; i++) {
        save_for(pb, &a, 60, 1, 1);
    }
    for (int i = 0; i < 3 * PKTBUF_SLOTS; i++) {
        save_for(pb, &b, 60, 1, 1);
    }
    uint32_t two_packets = (a.cost + b.cost) / PKTBUF_SLOTS * 2;
    assert_in_range(a.cost, b.cost - two_packets, b.cost);
    pktbuf_free(pb);
}

static void
a_flood_by_one_port_does_not_take_what_another_has(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    uint32_t first = save(pb, 60, 1, 1), other = save(pb, 60, 2, 1);
    for (int i = 0; i < 10 * PKTBUF_SLOTS; i++) {
        save(pb, 1500, 1, 2);
    }
    assert_int_equal(take(pb, first), PKTBUF_EMPTY);
    assert_int_equal(take(pb, other), PKTBUF_FOUND);
    pktbuf_free(pb);
}

static void
what_several_have_is_charged_to_who_holds_least(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_owner greedy = { 0 }, modest = { 0 };
    for (int i = 0; i < PKTBUF_SLOTS / 2; i++) {
        save_for(pb, &greedy, 60, 1, 1);
    }
    uint32_t id = save_for(pb, &greedy, 60, 1, 1);
    pktbuf_share(pb, id, &modest);
    assert_int_not_equal(modest.cost, 0);
    for (int i = 0; i < 2 * PKTBUF_SLOTS; i++) {
        save_for(pb, &greedy, 60, 1, 1);
    }
    assert_int_equal(take(pb, id), PKTBUF_FOUND);
    pktbuf_share(pb, OFP_NO_BUFFER, &modest);
    pktbuf_free(pb);
}

static void
what_an_ended_owner_had_is_there_but_goes_first(void **state)
{
    (void) state;
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_owner ended = { 0 }, other = { 0 };
    uint32_t a = save_for(pb, &ended, 60, 1, 1), b = save_for(pb, &ended, 60, 2, 1);
    uint32_t first = 0;
    for (int i = 0; i < PKTBUF_SLOTS - 2; i++) {
        uint32_t id = save_for(pb, &other, 60, 1, 1);
        first = first ? first : id;
    }
    pktbuf_disown(pb, &ended);
    assert_int_equal(ended.cost, 0);
    memset(&ended, 0xff, sizeof ended);      /* nobody looks at it any more */
    assert_int_equal(take(pb, b), PKTBUF_FOUND);
    save_for(pb, &other, 60, 1, 1);
    save_for(pb, &other, 60, 1, 1);
    assert_int_equal(take(pb, a), PKTBUF_EMPTY);
    assert_int_equal(take(pb, first), PKTBUF_FOUND);
    pktbuf_free(pb);
}

/* Random use against the plainest bookkeeping: what is found was saved and not given up
 * without a count, and a pool that is taken empty has nothing charged to anybody. */
static void
the_books_balance(void **state)
{
    (void) state;
    enum { N_OWNERS = 5, N_IDS = 1024 };
    struct pktbuf *pb = pktbuf_new();
    struct pktbuf_owner owners[N_OWNERS] = { { 0 } };
    static uint32_t ids[N_IDS];
    srand(42);
    for (int i = 0; i < 200000; i++) {
        struct pktbuf_owner *owner = &owners[rand() % N_OWNERS];
        uint16_t port = (uint16_t) (rand() % 7);
        switch (rand() % 64) {
        case 0:
            pktbuf_drop_port(pb, port);
            break;
        case 1:
            pktbuf_disown(pb, owner);
            break;
        case 2:
            fake_clock_advance_ms(700);
            break;
        case 3: case 4: case 5: case 6: case 7: case 8: case 9: case 10: case 11: case 12:
            take(pb, ids[rand() % N_IDS]);
            break;
        default:
            ids[i % N_IDS] = save_for(pb, owner, 60 + (uint32_t) rand() % 60000, port, 1);
            pktbuf_share(pb, ids[i % N_IDS], &owners[rand() % N_OWNERS]);
            break;
        }
    }
    fake_clock_advance_ms(PKTBUF_LIFETIME_MS);
    assert_int_equal(pktbuf_expire(pb, clock_ms()), UINT32_MAX);
    for (int i = 0; i < N_OWNERS; i++) {
        assert_int_equal(owners[i].cost, 0);
    }
    for (int i = 0; i < PKTBUF_SLOTS; i++) {
        assert_int_equal(take(pb, save(pb, 60, (uint16_t) i, 1)), PKTBUF_FOUND);
    }
    pktbuf_free(pb);
}

int
main(void)
{
    fake_clock_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_comes_back_whole),
        cmocka_unit_test(a_buffer_is_used_once),
        cmocka_unit_test(an_id_never_given_is_unknown),
        cmocka_unit_test(a_reused_slot_is_empty_for_the_old_id),
        cmocka_unit_test(bytes_are_bounded_and_the_oldest_go_first),
        cmocka_unit_test(packets_of_a_port_that_goes_are_dropped),
        cmocka_unit_test(packets_expire),
        cmocka_unit_test(a_greedy_owner_does_not_take_what_another_has),
        cmocka_unit_test(two_greedy_owners_have_half_each),
        cmocka_unit_test(a_flood_by_one_port_does_not_take_what_another_has),
        cmocka_unit_test(what_several_have_is_charged_to_who_holds_least),
        cmocka_unit_test(what_an_ended_owner_had_is_there_but_goes_first),
        cmocka_unit_test(the_books_balance),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
