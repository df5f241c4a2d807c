/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sw-datapath/parse.h"

#define ARRAY_SIZE(a) (sizeof (a) / sizeof *(a))

/* A frame made by scapy, and its key in host order. */
struct golden_parse {
    const char *name;
    uint32_t size;
    const char *frame;
    uint8_t dl_dst[6], dl_src[6];
    uint16_t vlan_tci, dl_type;
    uint8_t nw_proto, nw_tos, nw_frag;
    uint16_t tp_src, tp_dst;
    uint32_t nw_src, nw_dst;
};

#include "tests/unit/golden_parses.h"

/* Parses a copy in a buffer of exactly its size, where ASan sees every read past it. */
static int
parse_exact(const void *frame, uint32_t size, uint8_t gso_type, struct packet *packet,
            struct flow_key *key)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, frame, size);
    *packet = (struct packet) { .data = copy, .size = size, .in_port = 7 };
    packet->offload.gso_type = gso_type;
    int error = packet_parse(packet, key);
    assert_memory_equal(copy, frame, size);
    free(copy);
    packet->data = NULL;
    return error;
}

static void
key_of(const struct golden_parse *golden, struct flow_key *key)
{
    memset(key, 0, sizeof *key);
    key->in_port = 7;
    memcpy(key->dl_dst, golden->dl_dst, 6);
    memcpy(key->dl_src, golden->dl_src, 6);
    key->vlan_tci = be16_from_host(golden->vlan_tci);
    key->dl_type = be16_from_host(golden->dl_type);
    key->nw_proto = golden->nw_proto;
    key->nw_tos = golden->nw_tos;
    key->nw_frag = golden->nw_frag;
    key->tp_src = be16_from_host(golden->tp_src);
    key->tp_dst = be16_from_host(golden->tp_dst);
    key->nw_src.ip4 = be32_from_host(golden->nw_src);
    key->nw_dst.ip4 = be32_from_host(golden->nw_dst);
}

static void
assert_key_equal(const struct flow_key *key, const struct flow_key *want, const char *name)
{
    const uint8_t *a = (const uint8_t *) key, *b = (const uint8_t *) want;
    for (size_t i = 0; i < sizeof *key; i++) {
        if (a[i] != b[i]) {
            fail_msg("%s: key byte %zu is %02x, not %02x", name, i, a[i], b[i]);
        }
    }
}

static void
goldens_have_their_keys(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE(golden_parses); i++) {
        const struct golden_parse *golden = &golden_parses[i];
        struct packet packet;
        struct flow_key key, want;
        memset(&key, 0xa5, sizeof key);
        key_of(golden, &want);
        assert_int_equal(parse_exact(golden->frame, golden->size, 0, &packet, &key), 0);
        assert_key_equal(&key, &want, golden->name);
    }
}

static bool
is_zero_or(const void *field, const void *whole, size_t size)
{
    static const uint8_t zeros[16];
    return !memcmp(field, zeros, size) || !memcmp(field, whole, size);
}

/* Of a frame that is cut, fields are as in the whole frame or 0; the type may become one
 * that says less. */
static void
assert_no_invention(const struct flow_key *key, const struct flow_key *whole, const char *name,
                    uint32_t size)
{
    if (memcmp(key, whole, offsetof(struct flow_key, vlan_tci))
        || !is_zero_or(&key->vlan_tci, &whole->vlan_tci, 2)
        || !is_zero_or(&key->nw_proto, &whole->nw_proto, 1)
        || !is_zero_or(&key->nw_tos, &whole->nw_tos, 1)
        || !is_zero_or(&key->nw_frag, &whole->nw_frag, 1)
        || !is_zero_or(&key->tp_src, &whole->tp_src, 2)
        || !is_zero_or(&key->tp_dst, &whole->tp_dst, 2)
        || !is_zero_or(&key->nw_src, &whole->nw_src, 16)
        || !is_zero_or(&key->nw_dst, &whole->nw_dst, 16)) {
        fail_msg("%s cut to %u bytes has a field that the whole has not", name, size);
    }
}

static void
every_truncation_is_safe(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE(golden_parses); i++) {
        const struct golden_parse *golden = &golden_parses[i];
        struct flow_key whole;
        key_of(golden, &whole);
        for (uint32_t size = 0; size <= golden->size; size++) {
            struct packet packet;
            struct flow_key key, before;
            memset(&key, 0xa5, sizeof key);
            before = key;
            int error = parse_exact(golden->frame, size, 0, &packet, &key);
            assert_int_equal(error, size < 14 ? -EINVAL : 0);
            if (error) {
                assert_memory_equal(&key, &before, sizeof key);
            } else {
                assert_no_invention(&key, &whole, golden->name, size);
            }
        }
    }
}

/* Bytes behind what IP's total length, or 802.3's length, covers decide nothing. */
static void
padding_is_never_looked_at(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE(golden_parses); i++) {
        const struct golden_parse *golden = &golden_parses[i];
        struct packet packet;
        struct flow_key key, again;
        parse_exact(golden->frame, golden->size, 0, &packet, &key);
        if (packet.l3 != PACKET_L3_IPV4) {
            continue;
        }
        uint8_t *frame = malloc(golden->size);
        memcpy(frame, golden->frame, golden->size);
        memset(frame + packet.l4_limit, 0xff, golden->size - packet.l4_limit);
        parse_exact(frame, golden->size, 0, &packet, &again);
        assert_key_equal(&again, &key, golden->name);
        free(frame);
    }
}

static const struct golden_parse *
find_golden(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(golden_parses); i++) {
        if (!strcmp(golden_parses[i].name, name)) {
            return &golden_parses[i];
        }
    }
    fail_msg("no golden %s", name);
    return NULL;
}

static void
layers_are_where_they_are(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint8_t l3, l4;
        uint16_t l3_offset, l4_offset;
        uint32_t l4_limit;
        bool tagged;
    } cases[] = {
        { "tcp_bare", PACKET_L3_IPV4, PACKET_L4_TCP, 14, 34, 54, false },
        { "udp_padded", PACKET_L3_IPV4, PACKET_L4_UDP, 14, 34, 44, false },
        { "vlan", PACKET_L3_IPV4, PACKET_L4_TCP, 18, 38, 58, true },
        { "ip_options_60_bytes", PACKET_L3_IPV4, PACKET_L4_UDP, 14, 74, 125, false },
        { "later_fragment", PACKET_L3_IPV4, PACKET_L4_NONE, 14, 34, 66, false },
        { "total_length_beyond_frame", PACKET_L3_IPV4, PACKET_L4_TCP, 14, 34, 54, false },
        { "snap_length_cuts_ports", PACKET_L3_IPV4, PACKET_L4_NONE, 22, 42, 45, false },
        { "snap_vlan_ip", PACKET_L3_IPV4, PACKET_L4_UDP, 26, 46, 54, true },
        { "arp_request", PACKET_L3_ARP, PACKET_L4_NONE, 14, 0, 0, false },
        { "vlan_arp", PACKET_L3_ARP, PACKET_L4_NONE, 18, 0, 0, true },
        { "ihl_beyond_frame", PACKET_L3_NONE, PACKET_L4_NONE, 0, 0, 0, false },
        { "vlan_without_type", PACKET_L3_NONE, PACKET_L4_NONE, 0, 0, 0, false },
        { "two_tags", PACKET_L3_NONE, PACKET_L4_NONE, 0, 0, 0, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct golden_parse *golden = find_golden(cases[i].name);
        struct packet packet;
        struct flow_key key;
        parse_exact(golden->frame, golden->size, 0, &packet, &key);
        assert_int_equal(packet.l3, cases[i].l3);
        assert_int_equal(packet.l4, cases[i].l4);
        assert_int_equal(packet.l3_offset, cases[i].l3_offset);
        assert_int_equal(packet.l4_offset, cases[i].l4_offset);
        assert_int_equal(packet.l4_limit, cases[i].l4_limit);
        assert_int_equal(packet.tagged, cases[i].tagged);
    }
}

static void
a_super_frame_too_long_for_ip_ends_with_the_frame(void **state)
{
    (void) state;
    const struct golden_parse *tcp = find_golden("tcp_bare");
    uint32_t size = PACKET_MAX_SIZE;
    uint8_t *frame = calloc(1, size);
    memcpy(frame, tcp->frame, tcp->size);
    frame[16] = frame[17] = 0;
    struct packet packet;
    struct flow_key key;
    assert_int_equal(parse_exact(frame, size, VIRTIO_NET_HDR_GSO_TCPV4, &packet, &key), 0);
    assert_int_equal(be16_to_host(key.tp_dst), 80);
    assert_int_equal(packet.l4_limit, size);

    parse_exact(frame, size, 0, &packet, &key);
    assert_int_equal(packet.l3, PACKET_L3_NONE);
    assert_int_equal(key.nw_proto, 0);
    free(frame);
}

/* What the key's comment promises, whatever the bytes are. */
static void
assert_key_is_sound(const struct flow_key *key, const struct packet *packet)
{
    uint16_t type = be16_to_host(key->dl_type);
    static const uint8_t zeros[32];

    assert_int_equal(key->tun_key.raw, 0);
    assert_memory_equal(key->zero, zeros, sizeof key->zero);
    assert_memory_equal(key->nw_src.bytes + 4, zeros, 12);
    assert_memory_equal(key->nw_dst.bytes + 4, zeros, 12);
    assert_int_equal(key->nw_tos & 3, 0);
    assert_true(type >= 0x600 || type == FLOW_DL_TYPE_NONE);
    assert_int_equal(key->vlan_tci.raw != 0, packet->tagged);
    if (type != 0x800 && type != 0x806) {
        assert_memory_equal(&key->nw_src, zeros, 32);
        assert_int_equal(key->nw_proto, 0);
    }
    if (type != 0x800 || key->nw_frag & FLOW_FRAG_LATER
        || (key->nw_proto != 1 && key->nw_proto != 6 && key->nw_proto != 17)) {
        assert_int_equal(key->tp_src.raw, 0);
        assert_int_equal(key->tp_dst.raw, 0);
    }
}

static void
garbage_is_parsed_soundly(void **state)
{
    (void) state;
    srand(1);
    for (int round = 0; round < 200000; round++) {
        uint8_t frame[128];
        const struct golden_parse *golden = &golden_parses[rand() % ARRAY_SIZE(golden_parses)];
        uint32_t size = 14 + (uint32_t) rand() % (sizeof frame - 14);
        for (uint32_t i = 0; i < size; i++) {
            frame[i] = (uint8_t) rand();
        }
        /* Half of them are a damaged golden, so that the garbage gets deep. */
        if (round & 1) {
            uint32_t n = size < golden->size ? size : golden->size;
            memcpy(frame, golden->frame, n);
            for (int i = rand() % 4; i > 0; i--) {
                frame[12 + (uint32_t) rand() % (size - 12)] = (uint8_t) rand();
            }
        }
        struct packet packet;
        struct flow_key key;
        assert_int_equal(parse_exact(frame, size, 0, &packet, &key), 0);
        assert_key_is_sound(&key, &packet);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_have_their_keys),
        cmocka_unit_test(every_truncation_is_safe),
        cmocka_unit_test(padding_is_never_looked_at),
        cmocka_unit_test(layers_are_where_they_are),
        cmocka_unit_test(a_super_frame_too_long_for_ip_ends_with_the_frame),
        cmocka_unit_test(garbage_is_parsed_soundly),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
