/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "sw-datapath/execute.h"
#include "sw-datapath/parse.h"

#define BE16(x) { (uint16_t) ((x) >> 8 | ((x) & 0xff) << 8) }
#define BE32(x) { __builtin_bswap32(x) }
#define ARRAY_SIZE(a) (sizeof (a) / sizeof *(a))

/* A frame made by scapy, actions, and the frame that scapy makes of the result. */
struct golden_rewrite {
    const char *name;
    uint32_t before_size, after_size, n_actions;
    const char *before, *after;
    struct action actions[8];
};

#include "tests/unit/golden_rewrites.h"

/* A packet in a buffer of its own, which begins PACKET_HEADROOM before it and ends with
 * it, so that ASan sees what goes beyond. */
static void
packet_make(struct packet *packet, const void *frame, uint32_t size)
{
    uint8_t *buffer = calloc(1, PACKET_HEADROOM + size);
    memcpy(buffer + PACKET_HEADROOM, frame, size);
    *packet = (struct packet) { .data = buffer + PACKET_HEADROOM, .size = size, .in_port = 1 };
    struct flow_key key;
    assert_int_equal(packet_parse(packet, &key), 0);
}

static void
assert_layers_agree_with_parser(const struct packet *packet)
{
    struct packet again = *packet;
    struct flow_key key;
    assert_int_equal(packet_parse(&again, &key), 0);
    assert_int_equal(packet->l3, again.l3);
    assert_int_equal(packet->l4, again.l4);
    assert_int_equal(packet->tagged, again.tagged);
    assert_int_equal(packet->nw_frag, again.nw_frag);
    assert_int_equal(packet->l3_offset, again.l3_offset);
    assert_int_equal(packet->l4_offset, again.l4_offset);
    assert_int_equal(packet->l4_limit, again.l4_limit);
}

static void
goldens_become_what_scapy_makes_of_them(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE(golden_rewrites); i++) {
        const struct golden_rewrite *golden = &golden_rewrites[i];
        struct packet packet;
        packet_make(&packet, golden->before, golden->before_size);
        uint8_t *buffer = packet.data - PACKET_HEADROOM;
        for (uint32_t j = 0; j < golden->n_actions; j++) {
            execute_rewrite(&golden->actions[j], &packet);
            assert_layers_agree_with_parser(&packet);
        }
        if (packet.size != golden->after_size
            || memcmp(packet.data, golden->after, packet.size)) {
            fail_msg("%s: the frame is not what it should be", golden->name);
        }
        free(buffer);
    }
}

/* A model of a frame: fields from which the frame, its checksums too, is made from
 * scratch. Rewrites are assignments. */
struct model {
    uint8_t dst[6], src[6];
    bool tagged;
    uint16_t tci;
    uint8_t tos, ttl, proto, ip_size; /* of the header, with options */
    uint16_t frag;
    uint32_t nw_src, nw_dst;
    uint16_t tp_src, tp_dst;
    bool no_udp_checksum;
    bool partial;
    uint16_t payload_size;         /* behind the transport header */
    uint8_t seed;                  /* of options, payload and the rest */
};

struct bytes {
    uint8_t data[512];
    uint32_t size;
};

static void
put(struct bytes *out, uint32_t value, int size)
{
    while (size--) {
        out->data[out->size++] = (uint8_t) (value >> (8 * size));
    }
}

static void
put_filler(struct bytes *out, uint8_t seed, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        out->data[out->size++] = (uint8_t) (seed * (i + 7) + (i >> 1));
    }
}

static uint32_t
sum_words(const uint8_t *data, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum += i & 1 ? data[i] : (uint32_t) data[i] << 8;
    }
    return sum;
}

static uint16_t
fold_words(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) sum;
}

static uint32_t
model_l4_size(const struct model *m)
{
    static const uint8_t header[] = { [1] = 8, [6] = 20, [17] = 8 };
    return (m->proto < sizeof header ? header[m->proto] : 0) + m->payload_size;
}

/* Returns the offset of the transport header. */
static uint32_t
model_put_headers(const struct model *m, struct bytes *out)
{
    memcpy(out->data, m->dst, 6);
    memcpy(out->data + 6, m->src, 6);
    out->size = 12;
    if (m->tagged) {
        put(out, 0x8100, 2);
        put(out, m->tci, 2);
    }
    put(out, 0x0800, 2);
    uint32_t ip = out->size;
    put(out, 0x40 | m->ip_size / 4, 1);
    put(out, m->tos, 1);
    put(out, m->ip_size + model_l4_size(m), 2);
    put(out, m->seed * 257, 2);
    put(out, m->frag, 2);
    put(out, m->ttl, 1);
    put(out, m->proto, 1);
    put(out, 0, 2);
    put(out, m->nw_src, 4);
    put(out, m->nw_dst, 4);
    put_filler(out, m->seed, m->ip_size - 20);
    uint16_t sum = (uint16_t) ~fold_words(sum_words(out->data + ip, m->ip_size));
    out->data[ip + 10] = sum >> 8;
    out->data[ip + 11] = sum & 0xff;
    return out->size;
}

static void
model_put_l4_checksum(const struct model *m, struct bytes *out, uint32_t l4)
{
    uint32_t field = l4 + (m->proto == 6 ? 16 : 6);
    uint32_t pseudo = (m->nw_src >> 16) + (m->nw_src & 0xffff) + (m->nw_dst >> 16)
                      + (m->nw_dst & 0xffff) + m->proto + model_l4_size(m);
    uint16_t sum = fold_words(pseudo);
    if (m->proto == 17 && m->no_udp_checksum) {
        sum = 0;
    } else if (!m->partial) {
        sum = (uint16_t) ~fold_words(pseudo + sum_words(out->data + l4, out->size - l4));
        sum = m->proto == 17 && !sum ? 0xffff : sum;
    }
    out->data[field] = sum >> 8;
    out->data[field + 1] = sum & 0xff;
}

/* The frame from scratch. A later fragment has filler where the ports would be. */
static void
model_serialise(const struct model *m, struct bytes *out)
{
    uint32_t l4 = model_put_headers(m, out);

    if (m->frag & 0x1fff || (m->proto != 6 && m->proto != 17)) {
        put_filler(out, m->seed, model_l4_size(m));
        return;
    }
    put(out, m->tp_src, 2);
    put(out, m->tp_dst, 2);
    if (m->proto == 6) {
        put_filler(out, m->seed, 8);
        put(out, 0x5018, 2);
        put(out, 1000, 2);
        put(out, 0, 4);
    } else {
        put(out, 8 + m->payload_size, 2);
        put(out, 0, 2);
    }
    put_filler(out, m->seed, m->payload_size);
    model_put_l4_checksum(m, out, l4);
}

static uint32_t
any(void)
{
    return (uint32_t) rand() << 16 ^ (uint32_t) rand();
}

static void
model_make(struct model *m)
{
    static const uint8_t protos[] = { 6, 6, 17, 17, 1, 132 };
    static const uint16_t frags[] = { 0, 0, 0, 0x4000, 0x2000, 0x2005, 0x0010 };

    *m = (struct model) {
        .tagged = any() & 1, .tci = any(),.tos = any(), .ttl = any() % 4 ? any() % 6 : any(), .proto = protos[any() % 6],
        .ip_size = 20 + any() % 3 * 4, .frag = frags[any() % 7], .nw_src = any(), .nw_dst = any(),
        .tp_src = any(), .tp_dst = any(), .no_udp_checksum = any() % 4 == 0,
        .payload_size = any() % 100, .seed = any(),
    };
    for (int i = 0; i < 6; i++) {
        m->dst[i] = any();
        m->src[i] = any();
    }
    bool whole = !(m->frag & 0x3fff);
    m->partial = whole && (m->proto == 6 || m->proto == 17) && !m->no_udp_checksum
                 && any() % 3 == 0;
}

/* Makes up an action and does it to the model. */
static struct action
model_act(struct model *m)
{
    struct action a = { .type = ACTION_SET_VLAN_VID + any() % (N_ACTION_TYPES - ACTION_SET_VLAN_VID) };
    bool has_ports = (m->proto == 6 || m->proto == 17) && !(m->frag & 0x1fff);
    uint16_t tag = m->tagged ? m->tci : 0;

    switch (a.type) {
    case ACTION_SET_VLAN_VID:
        a.vlan_vid.vid = any() & 0xfff;
        m->tci = (tag & 0xf000) | a.vlan_vid.vid;
        m->tagged = true;
        break;
    case ACTION_SET_VLAN_PCP:
        a.vlan_pcp.pcp = any() & 7;
        m->tci = (tag & 0x1fff) | a.vlan_pcp.pcp << 13;
        m->tagged = true;
        break;
    case ACTION_STRIP_VLAN:
        m->tagged = false;
        break;
    case ACTION_SET_DL_SRC:
        memset(a.dl.addr, (int) any(), 6);
        memcpy(m->src, a.dl.addr, 6);
        break;
    case ACTION_SET_DL_DST:
        memset(a.dl.addr, (int) any(), 6);
        memcpy(m->dst, a.dl.addr, 6);
        break;
    case ACTION_SET_NW_SRC:
        m->nw_src = any();
        a.nw.addr = be32_from_host(m->nw_src);
        break;
    case ACTION_SET_NW_DST:
        m->nw_dst = any() & 1 ? any() : m->nw_src;
        a.nw.addr = be32_from_host(m->nw_dst);
        break;
    case ACTION_SET_NW_TOS:
        a.nw_tos.tos = any() & 0xfc;
        m->tos = a.nw_tos.tos | (m->tos & 3);
        break;
    case ACTION_SET_TP_SRC:
        a.tp.port = be16_from_host(any());
        m->tp_src = has_ports ? be16_to_host(a.tp.port) : m->tp_src;
        break;
    case ACTION_SET_TP_DST:
        a.tp.port = be16_from_host(any());
        m->tp_dst = has_ports ? be16_to_host(a.tp.port) : m->tp_dst;
        break;
    case ACTION_DEC_TTL:
        m->ttl -= m->ttl > 1;
        break;
    }
    return a;
}

/* A first fragment's checksum covers bytes that are not there: make what is there sum
 * up, as if the rest were zeros; incremental updates keep it so. */
static void
random_lists_equal_frames_made_from_scratch(void **state)
{
    (void) state;
    srand(4);
    for (int round = 0; round < 50000; round++) {
        struct model m;
        struct bytes bytes;
        struct packet packet;
        model_make(&m);
        model_serialise(&m, &bytes);
        packet_make(&packet, bytes.data, bytes.size);
        uint8_t *buffer = packet.data - PACKET_HEADROOM;
        if (m.partial) {
            packet.offload.csum_partial = true;
            packet.offload.csum_start = packet.l4_offset;
            packet.offload.csum_offset = m.proto == 6 ? 16 : 6;
        }
        for (int i = any() % 8; i >= 0; i--) {
            uint8_t ttl = m.ttl;
            struct action action = model_act(&m);
            bool goes_on = execute_rewrite(&action, &packet);
            assert_int_equal(goes_on, action.type != ACTION_DEC_TTL || ttl > 1);
            assert_layers_agree_with_parser(&packet);
        }
        model_serialise(&m, &bytes);
        assert_int_equal(packet.size, bytes.size);
        assert_memory_equal(packet.data, bytes.data, bytes.size);
        if (m.partial) {
            assert_int_equal(packet.offload.csum_start, packet.l4_offset);
            assert_true(packet_complete_checksum(&packet));
            assert_false(packet.offload.csum_partial);
            m.partial = false;
            model_serialise(&m, &bytes);
            assert_memory_equal(packet.data, bytes.data, bytes.size);
        }
        free(buffer);
    }
}

static void
a_tag_moves_what_the_sender_left_to_the_device(void **state)
{
    (void) state;
    struct model m = { .proto = 6, .ip_size = 20, .payload_size = 90, .partial = true };
    struct bytes bytes;
    struct packet packet;
    model_serialise(&m, &bytes);
    packet_make(&packet, bytes.data, bytes.size);
    uint8_t *buffer = packet.data - PACKET_HEADROOM;
    packet.offload = (struct packet_offload) {
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_partial = true, .gso_size = 30,
        .hdr_len = 54, .csum_start = 34, .csum_offset = 16,
    };
    const struct action push = { .type = ACTION_SET_VLAN_VID, .vlan_vid.vid = 1 };
    const struct action strip = { .type = ACTION_STRIP_VLAN };
    execute_rewrite(&push, &packet);
    assert_ptr_equal(packet.data, buffer + PACKET_HEADROOM - 4);
    assert_int_equal(packet.offload.csum_start, 38);
    assert_int_equal(packet.offload.csum_offset, 16);
    assert_int_equal(packet.offload.hdr_len, 58);
    assert_int_equal(packet_wire_bytes(&packet), bytes.size + 4 + 2 * 58);
    execute_rewrite(&push, &packet);
    assert_ptr_equal(packet.data, buffer + PACKET_HEADROOM - 4);
    execute_rewrite(&strip, &packet);
    assert_int_equal(packet.offload.csum_start, 34);
    assert_int_equal(packet.offload.hdr_len, 54);
    assert_memory_equal(packet.data, bytes.data, bytes.size);
    free(buffer);
}

/* Of a tunnelled packet the sender leaves the inner checksum: the outer one is complete
 * and must stay so. */
static void
an_inner_partial_checksum_is_not_the_outer_one(void **state)
{
    (void) state;
    struct model m = { .proto = 17, .ip_size = 20, .payload_size = 90 };
    struct bytes bytes;
    struct packet packet;
    model_serialise(&m, &bytes);
    packet_make(&packet, bytes.data, bytes.size);
    uint8_t *buffer = packet.data - PACKET_HEADROOM;
    packet.offload = (struct packet_offload) {
        .csum_partial = true, .csum_start = 84, .csum_offset = 16 };
    m.nw_dst = 0x0a000001;
    m.tp_dst = 99;
    const struct action dst = { .type = ACTION_SET_NW_DST, .nw.addr = BE32(0x0a000001) };
    const struct action port = { .type = ACTION_SET_TP_DST, .tp.port = BE16(99) };
    execute_rewrite(&dst, &packet);
    execute_rewrite(&port, &packet);
    model_serialise(&m, &bytes);
    assert_memory_equal(packet.data, bytes.data, bytes.size);
    free(buffer);
}

/* A tiny first fragment has ports, and its checksum in the next fragment. */
static void
a_checksum_that_is_not_there_is_not_written(void **state)
{
    (void) state;
    struct model m = { .proto = 6, .ip_size = 20 };
    struct bytes bytes;
    model_serialise(&m, &bytes);
    for (uint32_t l4_size = 4; l4_size < 18; l4_size++) {
        struct packet packet;
        bytes.data[17] = (uint8_t) (20 + l4_size);
        packet_make(&packet, bytes.data, bytes.size);
        uint8_t *buffer = packet.data - PACKET_HEADROOM;
        assert_int_equal(packet.l4, PACKET_L4_TCP);
        const struct action port = { .type = ACTION_SET_TP_DST, .tp.port = BE16(99) };
        execute_rewrite(&port, &packet);
        assert_int_equal(packet.data[37], 99);
        assert_memory_equal(packet.data + 38, bytes.data + 38, bytes.size - 38);
        free(buffer);
    }
}

struct seen {
    unsigned n;
    struct { uint16_t port; bool copy; uint8_t dst_last; } output[8];
};

static void
remember_output(void *aux, struct packet *packet, const struct action *action, bool copy)
{
    struct seen *seen = aux;
    seen->output[seen->n].port = action->output.port;
    seen->output[seen->n].copy = copy;
    seen->output[seen->n].dst_last = packet->data[5];
    seen->n++;
}

static struct action_list *
list_of(const struct action *actions, uint32_t len)
{
    struct action_list *list = calloc(1, sizeof *list + len * sizeof *actions);
    list->len = len;
    memcpy(list->actions, actions, len * sizeof *actions);
    return list;
}

static void
outputs_see_the_packet_as_it_is_then(void **state)
{
    (void) state;
    static const struct action actions[] = {
        { .type = ACTION_OUTPUT, .output.port = 1 },
        { .type = ACTION_SET_DL_DST, .dl.addr = { 0, 0, 0, 0, 0, 5 } },
        { .type = ACTION_ENQUEUE, .enqueue.port = 2 },
        { .type = ACTION_SET_DL_DST, .dl.addr = { 0, 0, 0, 0, 0, 6 } },
        { .type = ACTION_OUTPUT, .output.port = 3 },
        { .type = ACTION_ENQUEUE, .enqueue.port = 4 },
    };
    static const struct execute_ops ops = { .output = remember_output };
    struct model m = { .proto = 6, .ip_size = 20 };
    struct bytes bytes;
    struct packet packet;
    model_serialise(&m, &bytes);
    for (uint32_t len = 0; len <= ARRAY_SIZE(actions); len++) {
        struct action_list *list = list_of(actions, len);
        struct seen seen = { 0 };
        packet_make(&packet, bytes.data, bytes.size);
        execute_actions(list, &packet, &ops, &seen);
        static const unsigned n_outputs[] = { 0, 1, 1, 2, 2, 3, 4 };
        assert_int_equal(seen.n, n_outputs[len]);
        for (unsigned i = 0; i < seen.n; i++) {
            static const uint8_t last[] = { 0, 5, 6, 6 };
            static const uint32_t changed_by[] = { 2, 4, 99, 99 };
            assert_int_equal(seen.output[i].port, i + 1);
            assert_int_equal(seen.output[i].dst_last, last[i]);
            assert_int_equal(seen.output[i].copy, len >= changed_by[i]);
        }
        free(packet.data - PACKET_HEADROOM);
        free(list);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_become_what_scapy_makes_of_them),
        cmocka_unit_test(random_lists_equal_frames_made_from_scratch),
        cmocka_unit_test(a_tag_moves_what_the_sender_left_to_the_device),
        cmocka_unit_test(an_inner_partial_checksum_is_not_the_outer_one),
        cmocka_unit_test(a_checksum_that_is_not_there_is_not_written),
        cmocka_unit_test(outputs_see_the_packet_as_it_is_then),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
