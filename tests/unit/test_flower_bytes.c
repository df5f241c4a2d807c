/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as flower filters, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "drivers/tc/flower.h"
#include "hal/text.h"
#include "tests/unit/flower_rig.h"

#include "tests/unit/golden_flower.h"

/* Everything is in the byte order of the machine. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

enum { HEAD_SIZE = 16 + 20, N_GOLDEN = sizeof golden_filters / sizeof golden_filters[0] };

static void
encode(const struct golden_filter *g, struct flower_rig_bytes *bytes)
{
    const struct flower_options options = { .num_of_vlans = g->num_of_vlans };
    struct hal_verdict verdict;
    if (flower_rig_encode(g->match, g->actions, &options, bytes, &verdict)) {
        fail_msg("%s -> %s: %s", g->match, g->actions, verdict.words);
    }
}

static void
each_match_and_action_has_its_bytes(void **state)
{
    (void) state;
    static struct flower_rig_bytes bytes;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        const struct golden_filter *g = &golden_filters[i];
        encode(g, &bytes);
        if (bytes.size != HEAD_SIZE + g->size
            || memcmp(bytes.bytes + HEAD_SIZE, g->bytes, g->size)) {
            fail_msg("%s -> %s: other bytes", g->match, g->actions);
        }
    }
}

/* A shorter buffer is never written behind, and never enough. */
static void
a_buffer_that_is_too_small_is_refused(void **state)
{
    (void) state;
    static struct flower_rig_bytes bytes;
    struct flow_match match;
    union flower_rig_list list;
    struct hal_verdict verdict;
    const struct golden_filter *g = &golden_filters[N_GOLDEN - 1];
    flower_rig_match(g->match, &match);
    flower_rig_actions(g->actions, &list);
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    const struct flower_place place = { .ifindex = 11, .in_port = 1 };
    const struct flower_request request = { .command = FLOWER_ADD, .place = &place, .entry = &entry,
                                            .ports = &flower_rig_ports };
    size_t whole, size = 77;
    assert_int_equal(flower_encode(&request, bytes.nlh, sizeof bytes.bytes, &whole, &verdict), 0);
    for (size_t room = 0; room < whole; room++) {
        memset(&bytes, 0xee, sizeof bytes);
        assert_int_equal(flower_encode(&request, bytes.nlh, room, &size, &verdict), -EMSGSIZE);
        assert_int_equal(bytes.bytes[room], 0xee);
        assert_int_equal(size, 77);
    }
    assert_int_equal(flower_encode(&request, bytes.nlh, whole, &size, &verdict), 0);
    assert_int_equal(size, whole);
}

/* --- heads ------------------------------------------------------------------------------------- */

static void
expect(const struct flower_request *request, const void *expected, size_t expected_size)
{
    static struct flower_rig_bytes bytes;
    struct hal_verdict verdict;
    memset(&bytes, 0, sizeof bytes);
    assert_int_equal(flower_encode(request, bytes.nlh, sizeof bytes.bytes, &bytes.size, &verdict), 0);
    assert_int_equal(bytes.size, expected_size);
    assert_memory_equal(bytes.bytes, expected, expected_size);
}

#define KIND 11, 0, 1, 0, 'f', 'l', 'o', 'w', 'e', 'r', 0, 0
#define CHAIN_3 8, 0, 11, 0, 3, 0, 0, 0

static void
a_filter_is_asked_for_and_deleted_by_its_place(void **state)
{
    (void) state;
    const struct flower_place here = { .ifindex = 11, .prio = 7, .protocol = 0x800, .handle = 0x42 };
    const struct flower_place block = { .block = 5, .prio = 0xc000, .protocol = 0x8100, .chain = 3,
                                        .handle = 0x1000001 };
    static const uint8_t get[] = { 48, 0, 0, 0, 46, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 11, 0, 0, 0, 0x42, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff,
                                   8, 0, 7, 0, KIND };
    static const uint8_t del[] = { 56, 0, 0, 0, 45, 0, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 1, 5, 0, 0, 0,
                                   0x81, 0, 0, 0xc0, KIND, CHAIN_3 };
    struct flower_request request = { .command = FLOWER_GET, .place = &here, .seq = 9 };
    expect(&request, get, sizeof get);
    request = (struct flower_request) { .command = FLOWER_DELETE, .place = &block, .seq = 9,
                                        .nl_flags = NLM_F_ACK };
    expect(&request, del, sizeof del);
}

/* The header of an addition: flags, place, protocol of the match, offload flags. */
static void
a_filter_is_added_or_replaced(void **state)
{
    (void) state;
    static struct flower_rig_bytes bytes;
    struct flow_match match;
    union flower_rig_list list;
    struct hal_verdict verdict;
    flower_rig_match("tcp,dl_vlan=5", &match);
    flower_rig_actions("drop", &list);
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    const struct flower_place block = { .block = 5, .prio = 2, .handle = 1 };
    const struct flower_options options = {
        .flags = TCA_CLS_FLAGS_SKIP_SW | TCA_CLS_FLAGS_VERBOSE,
    };
    struct flower_request request = { .command = FLOWER_ADD, .place = &block, .options = &options,
                                      .entry = &entry, .nl_flags = NLM_F_ACK | NLM_F_ECHO };
    assert_int_equal(flower_encode(&request, bytes.nlh, sizeof bytes.bytes, &bytes.size, &verdict), 0);
    assert_int_equal(bytes.nlh->nlmsg_type, RTM_NEWTFILTER);
    assert_int_equal(bytes.nlh->nlmsg_flags,
                     NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO | NLM_F_CREATE | NLM_F_EXCL);
    static const uint8_t flags[] = { 8, 0, TCA_FLOWER_FLAGS, 0, 0x12, 0, 0, 0 };
    assert_memory_equal(bytes.bytes + bytes.size - sizeof flags, flags, sizeof flags);
    struct flower_filter f;
    assert_int_equal(flower_decode(bytes.nlh, bytes.size, &f), 0);
    assert_int_equal(f.place.ifindex, 0);
    assert_int_equal(f.place.block, 5);
    assert_int_equal(f.place.protocol, 0x8100);
    assert_true(flower_is_ingress(&f));
    request.command = FLOWER_REPLACE;
    assert_int_equal(flower_encode(&request, bytes.nlh, sizeof bytes.bytes, &bytes.size, &verdict), 0);
    assert_int_equal(bytes.nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO | NLM_F_CREATE);
}

/* --- and back ----------------------------------------------------------------------------------- */

static void
each_comes_back_as_it_went(void **state)
{
    (void) state;
    static struct flower_rig_bytes bytes;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        const struct golden_filter *g = &golden_filters[i];
        struct flower_filter f;
        union flower_rig_list list;
        char more[FLOWER_WORDS_SIZE], text[512];
        encode(g, &bytes);
        assert_int_equal(flower_decode(bytes.nlh, bytes.size, &f), 0);
        assert_string_equal(f.more, "");
        assert_int_equal(f.place.ifindex, 11);
        assert_int_equal(f.place.prio, 7);
        assert_int_equal(f.place.handle, 0x42);
        assert_int_equal(f.cookie_size, FLOWER_COOKIE_SIZE);
        assert_memory_equal(f.cookie, "TRNT\1\2\3\4\5\6\7\10\11\12\13\14", FLOWER_COOKIE_SIZE);
        assert_true(flower_actions(&f.ops, 1, &flower_rig_ports, &list.list, more));
        hal_actions_text(&list.list, text, sizeof text);
        assert_string_equal(text, g->actions);
        f.match.value.in_port = 1;
        f.match.mask.bits.in_port = UINT16_MAX;
        hal_match_text(&f.match, text, sizeof text);
        assert_string_equal(text, g->match);
    }
}

/* Whatever is cut off, and however the rest claims to be whole: refused, or read within. */
static void
cut_messages_are_read_within_their_bounds(void **state)
{
    (void) state;
    static struct flower_rig_bytes bytes, cut;
    struct flower_filter f;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        encode(&golden_filters[i], &bytes);
        for (size_t size = 0; size < bytes.size; size++) {
            memcpy(cut.bytes, bytes.bytes, size);
            memset(cut.bytes + size, 0xff, bytes.size - size);
            assert_int_equal(flower_decode(cut.nlh, size, &f), -EBADMSG);
            if (size >= sizeof *cut.nlh) {
                cut.nlh->nlmsg_len = (uint32_t) size;
                int result = flower_decode(cut.nlh, size, &f);
                assert_true(result == -EBADMSG || !result);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_match_and_action_has_its_bytes),
        cmocka_unit_test(a_buffer_that_is_too_small_is_refused),
        cmocka_unit_test(a_filter_is_asked_for_and_deleted_by_its_place),
        cmocka_unit_test(a_filter_is_added_or_replaced),
        cmocka_unit_test(each_comes_back_as_it_went),
        cmocka_unit_test(cut_messages_are_read_within_their_bounds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int
main(void)
{
    return 77;
}
#endif
