/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ofagent/ofp.h"
#include "ofagent/pktbuf.h"

static uint8_t frame[PACKET_MAX_SIZE];

static uint32_t
save(struct pktbuf *pb, uint32_t size, uint16_t in_port, uint8_t fill)
{
    memset(frame, fill, size);
    struct packet packet = {
        .data = frame, .size = size, .in_port = in_port,
        .offload = { .csum_partial = true, .csum_start = 34, .csum_offset = 16 },
    };
    return pktbuf_save(pb, &packet);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_comes_back_whole),
        cmocka_unit_test(a_buffer_is_used_once),
        cmocka_unit_test(an_id_never_given_is_unknown),
        cmocka_unit_test(a_reused_slot_is_empty_for_the_old_id),
        cmocka_unit_test(bytes_are_bounded_and_the_oldest_go_first),
        cmocka_unit_test(packets_of_a_port_that_goes_are_dropped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
