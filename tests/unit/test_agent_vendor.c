/* SPDX-License-Identifier: Apache-2.0 */
/* VENDOR messages and vendor statistics over a socket: what is dispatched, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/agent_rig.h"

static struct rig rig;
static struct peer peer;

static int
set_up(void **state)
{
    (void) state;
    rig_init(&rig, NULL);
    peer_hello(&peer, &rig, rig.path);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    peer_close(&peer);
    rig_fini(&rig);
    return 0;
}

/* A VENDOR message with a body of zeros. */
static void
send_vendor(uint32_t vendor, uint32_t subtype, size_t body_size)
{
    uint8_t data[256] = { 0, 0, 0, (uint8_t) subtype };
    assert_true(body_size <= sizeof data - 4);
    ofp_encode_vendor(&peer.out, 77, &(struct ofp_vendor) { vendor, data,
                                                            (uint32_t) body_size + 4 });
    peer_send(&peer);
}

static void
send_statistics(uint32_t vendor, uint32_t subtype, size_t body_size)
{
    uint8_t msg[256] = { 1, OFPT_STATS_REQUEST, 0, (uint8_t) (24 + body_size), 0, 0, 0, 77,
                         0xff, 0xff, 0, 0, 0, 0, (uint8_t) (vendor >> 8), (uint8_t) vendor,
                         0, 0, 0, (uint8_t) subtype };
    peer_send_bytes(&peer, msg, 24 + body_size);
}

static void
an_unknown_vendor_is_refused(void **state)
{
    (void) state;
    static const uint32_t vendors[] = { 0, 0x2321, 0x00232000, 0xffffffff };
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        send_vendor(vendors[i], 10, 4);
        peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR, 77);
    }
    send_statistics(0x1234, 0, 8);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_VENDOR, 77);
}

static void
an_unknown_subtype_is_refused(void **state)
{
    (void) state;
    static const uint8_t subtypes[] = { 0, 1, 9, 11, 14, 17, 21, 22, 23, 24, 28, 30, 255 };
    for (size_t i = 0; i < sizeof subtypes; i++) {
        for (size_t size = 0; size < 64; size += 4) {
            send_vendor(NX_VENDOR, subtypes[i], size);
            peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE, 77);
        }
    }
    send_statistics(NX_VENDOR, 2, 16);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE, 77);
    send_statistics(NX_VENDOR, 9, 0);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE, 77);
}

static void
a_wrong_length_is_refused(void **state)
{
    (void) state;
    send_vendor(NX_VENDOR, 10, 3);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 77);
    send_vendor(NX_VENDOR, 10, 16);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 77);
    const uint8_t no_subtype[] = { 1, OFPT_VENDOR, 0, 12, 0, 0, 0, 77, 0, 0, 0x23, 0x20 };
    peer_send_bytes(&peer, no_subtype, sizeof no_subtype);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 77);
    const uint8_t half[] = { 1, OFPT_STATS_REQUEST, 0, 20, 0, 0, 0, 77, 0xff, 0xff, 0, 0,
                             0, 0, 0x23, 0x20, 0, 0, 0, 0 };
    peer_send_bytes(&peer, half, sizeof half);
    peer_expect_error(&peer, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, 77);
    peer_barrier(&peer);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_vendor_is_refused),
        TEST(an_unknown_subtype_is_refused),
        TEST(a_wrong_length_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
