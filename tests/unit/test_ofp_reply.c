/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "ofagent/openflow10.h"
#include "ofagent/ofp_peer.h"

static struct ofp_refusal refusal;
static struct action actions[ACTION_LIST_MAX];

#define assert_bad_len(CALL)                              \
    do {                                                  \
        assert_int_equal(CALL, OFP_REFUSED);              \
        assert_int_equal(refusal.type, OFPET_BAD_REQUEST); \
        assert_int_equal(refusal.code, OFPBRC_BAD_LEN);   \
    } while (0)

/* Takes a flow of 'size' bytes that says 'length' of itself, its actions STRIP_VLAN. */
static int
take_flow(size_t size, size_t length)
{
    uint8_t *bytes = calloc(1, size);
    struct of10_flow_stats wire = { .length = be16_from_host((uint16_t) length) };
    memcpy(bytes, &wire, size < sizeof wire ? size : sizeof wire);
    for (size_t i = sizeof wire; i + 8 <= size; i += 8) {
        memcpy(bytes + i, "\0\x03\0\x08", 4);
    }
    struct reader r;
    struct ofp_flow_stats flow;
    reader_init(&r, bytes, size);
    int error = ofp_take_flow(&r, &flow, actions, &refusal);
    if (!error) {
        assert_int_equal(flow.n_actions, (length - sizeof wire) / 8);
        assert_int_equal(reader_left(&r), size - length);
    }
    free(bytes);
    return error;
}

static void
a_flow_is_as_long_as_it_says(void **state)
{
    (void) state;
    assert_int_equal(take_flow(88, 88), 0);
    assert_int_equal(take_flow(104, 104), 0);
    assert_int_equal(take_flow(104, 88), 0);
    assert_int_equal(take_flow(104, 96), 0);
    assert_bad_len(take_flow(104, 112));
    assert_bad_len(take_flow(104, 0));
    assert_bad_len(take_flow(104, 87));
    assert_bad_len(take_flow(104, 0xffff));
    assert_bad_len(take_flow(104, 100));
    assert_bad_len(take_flow(87, 88));
}

/* Takes a queue of 24 bytes with one property, whose lengths are as given. */
static int
take_queue(uint16_t len, uint16_t prop, uint16_t prop_len, struct ofp_queue *queue)
{
    struct { struct of10_packet_queue queue; struct of10_queue_prop_min_rate rate; } wire = {
        .queue = { .queue_id = be32_from_host(9), .len = be16_from_host(len) },
        .rate = { { be16_from_host(prop), be16_from_host(prop_len), { 0 } },
                  be16_from_host(300), { 0 } },
    };
    struct reader r;
    reader_init(&r, &wire, sizeof wire);
    return ofp_take_queue_config(&r, queue, &refusal);
}

static void
a_queue_is_as_long_as_it_says(void **state)
{
    (void) state;
    struct ofp_queue queue;
    assert_int_equal(take_queue(24, OF10_QUEUE_PROP_MIN_RATE, 16, &queue), 0);
    assert_int_equal(queue.queue_id, 9);
    assert_int_equal(queue.min_rate, 300);
    assert_int_equal(take_queue(24, 77, 16, &queue), 0);
    assert_int_equal(queue.min_rate, OFP_MIN_RATE_NONE);
    assert_int_equal(take_queue(8, 0, 0, &queue), 0);
    assert_bad_len(take_queue(7, 1, 16, &queue));
    assert_bad_len(take_queue(25, 1, 16, &queue));
    assert_bad_len(take_queue(24, 1, 17, &queue));
    assert_bad_len(take_queue(24, 1, 7, &queue));
    assert_bad_len(take_queue(24, 1, 0, &queue));
    assert_bad_len(take_queue(16, 1, 8, &queue));
    assert_bad_len(take_queue(12, 1, 16, &queue));
}

static void
text_without_an_end_gets_one(void **state)
{
    (void) state;
    struct ofp_desc_text desc;
    struct of10_desc_stats wire_desc;
    memset(&wire_desc, 'x', sizeof wire_desc);
    struct reader r;
    reader_init(&r, &wire_desc, sizeof wire_desc);
    assert_int_equal(ofp_take_desc(&r, &desc, &refusal), 0);
    assert_int_equal(strnlen(desc.mfr, sizeof desc.mfr), 255);
    assert_int_equal(strnlen(desc.serial, sizeof desc.serial), 31);
    assert_int_equal(strnlen(desc.dp, sizeof desc.dp), 255);

    struct of10_phy_port wire_port;
    struct port_info port;
    memset(&wire_port, 'x', sizeof wire_port);
    reader_init(&r, &wire_port, sizeof wire_port);
    assert_true(ofp_take_phy_port(&r, &port));
    assert_int_equal(strnlen(port.name, sizeof port.name), 15);
    assert_false(ofp_take_phy_port(&r, &port));

    struct of10_table_stats wire_table;
    struct ofp_table_stats table;
    memset(&wire_table, 'x', sizeof wire_table);
    reader_init(&r, &wire_table, sizeof wire_table);
    assert_int_equal(ofp_take_table(&r, &table, &refusal), 0);
    assert_int_equal(strnlen(table.name, sizeof table.name), 31);
}

static void
entries_need_all_their_bytes(void **state)
{
    (void) state;
    static const uint8_t zeros[1056];
    struct reader r;
    struct ofp_desc_text desc;
    struct ofp_aggregate_stats aggregate;
    struct ofp_table_stats table;
    struct ofp_port_stats port;
    struct ofp_queue_stats queue;
    reader_init(&r, zeros, 1055);
    assert_bad_len(ofp_take_desc(&r, &desc, &refusal));
    reader_init(&r, zeros, 23);
    assert_bad_len(ofp_take_aggregate(&r, &aggregate, &refusal));
    reader_init(&r, zeros, 63);
    assert_bad_len(ofp_take_table(&r, &table, &refusal));
    reader_init(&r, zeros, 103);
    assert_bad_len(ofp_take_port(&r, &port, &refusal));
    reader_init(&r, zeros, 31);
    assert_bad_len(ofp_take_queue(&r, &queue, &refusal));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_is_as_long_as_it_says),
        cmocka_unit_test(a_queue_is_as_long_as_it_says),
        cmocka_unit_test(text_without_an_end_gets_one),
        cmocka_unit_test(entries_need_all_their_bytes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
