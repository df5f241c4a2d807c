/* SPDX-License-Identifier: Apache-2.0 */
/* The product's parser and rewrites against the naive switch's, on random frames. Seed
 * and number of rounds may be given: tests/property/test_frames [SEED [ROUNDS]]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sw-datapath/execute.h"
#include "sw-datapath/parse.h"
#include "tests/property/generate.h"
#include "tests/property/reference.h"

static uint64_t seed = 1;
static uint64_t n_rounds = 300000;

/* Bugs planted on one side, which the comparison must find. */
enum plant {
    PLANT_NONE,
    PLANT_PRODUCT_KEEPS_L4_CHECKSUM,
    PLANT_PRODUCT_TOS_TAKES_ECN,
    PLANT_PRODUCT_KEY_HAS_CFI,
    PLANT_REFERENCE_CUTS_PCP,
    PLANT_REFERENCE_FORGETS_LATER_FRAGMENTS,
};

/* A wire action as the product has it. Not the codec's code, which has its own tests. */
static struct action
product_action(const uint8_t *a)
{
    static const uint8_t types[] = {
        ACTION_OUTPUT, ACTION_SET_VLAN_VID, ACTION_SET_VLAN_PCP, ACTION_STRIP_VLAN,
        ACTION_SET_DL_SRC, ACTION_SET_DL_DST, ACTION_SET_NW_SRC, ACTION_SET_NW_DST,
        ACTION_SET_NW_TOS, ACTION_SET_TP_SRC, ACTION_SET_TP_DST, ACTION_ENQUEUE,
    };
    struct action action = { .type = ACTION_DEC_TTL };
    if (a[1] == 0xff) {
        action.type = a[9] == 20 ? ACTION_CONTROLLER : a[9] == 4 ? ACTION_SET_QUEUE
                      : a[9] == 5 ? ACTION_POP_QUEUE : ACTION_DEC_TTL;
        return action;
    }
    action.type = types[a[1]];
    switch (action.type) {
    case ACTION_SET_VLAN_VID:
        action.vlan_vid.vid = (uint16_t) (a[4] << 8 | a[5]);
        break;
    case ACTION_SET_DL_SRC:
    case ACTION_SET_DL_DST:
        memcpy(action.dl.addr, a + 4, 6);
        break;
    case ACTION_SET_NW_SRC:
    case ACTION_SET_NW_DST:
        memcpy(&action.nw.addr, a + 4, 4);
        break;
    default: /* one byte, or a port in network order */
        memcpy(action.bytes, a + 4, 2);
        break;
    }
    return action;
}

/* False if the packet goes no further. */
static bool
product_rewrite(struct packet *packet, const uint8_t *wire, enum plant plant)
{
    struct action action = product_action(wire);
    if (action_is_output(&action)) {
        return true;
    }
    uint8_t *field = packet->data + packet->l4_offset + (packet->l4 == PACKET_L4_TCP ? 16 : 6);
    uint8_t old[2] = { 0 };
    bool keep = plant == PLANT_PRODUCT_KEEPS_L4_CHECKSUM && action.type == ACTION_SET_NW_DST
                && packet->l4 == PACKET_L4_TCP && packet->l4_limit >= packet->l4_offset + 18u;
    if (keep) {
        memcpy(old, field, 2);
    }
    bool goes_on = execute_rewrite(&action, packet);
    if (keep) {
        memcpy(field, old, 2);
    }
    if (plant == PLANT_PRODUCT_TOS_TAKES_ECN && action.type == ACTION_SET_NW_TOS
        && packet->l3 == PACKET_L3_IPV4) {
        packet->data[packet->l3_offset + 1] &= 0xfc;
    }
    return goes_on;
}

static bool
reference_rewrite(struct ref_frame *frame, const uint8_t *wire, enum plant plant)
{
    uint8_t action[24];
    memcpy(action, wire, wire[3]);
    if (wire[1] == 0xff && (wire[9] == 18 || wire[9] == 21) && ref_ttl_is_over(frame)) {
        return false;
    }
    if (plant == PLANT_REFERENCE_CUTS_PCP && action[1] == 2) {
        action[4] &= 3;
    }
    ref_rewrite(frame, action);
    return true;
}

static bool
keys_agree(const struct flow_key *key, const struct ref_fields *f)
{
    uint16_t tci = be16_to_host(key->vlan_tci);
    uint16_t vlan = tci & FLOW_VLAN_PRESENT ? tci & FLOW_VLAN_VID_MASK : 0xffff;
    uint8_t frag = (f->is_fragment ? FLOW_FRAG_ANY : 0) | (f->is_later_fragment ? FLOW_FRAG_LATER : 0);

    return key->in_port == f->in_port && !memcmp(key->dl_src, f->dl_src, 6)
           && !memcmp(key->dl_dst, f->dl_dst, 6) && vlan == f->dl_vlan
           && tci >> FLOW_VLAN_PCP_SHIFT == f->dl_vlan_pcp && (tci || vlan == 0xffff)
           && be16_to_host(key->dl_type) == f->dl_type && key->nw_proto == f->nw_proto
           && key->nw_tos == f->nw_tos && be32_to_host(key->nw_src.ip4) == f->nw_src
           && be32_to_host(key->nw_dst.ip4) == f->nw_dst && be16_to_host(key->tp_src) == f->tp_src
           && be16_to_host(key->tp_dst) == f->tp_dst && key->nw_frag == frag;
}

/* One frame through both sides, with every step compared. */
static bool
round_agrees(struct gen *g, enum plant plant)
{
    enum { ROOM = PACKET_HEADROOM };
    struct ref_frame frame;
    struct ref_fields fields;
    struct flow_key key;
    frame.size = gen_frame(g, frame.data);
    uint8_t *buffer = malloc(ROOM + frame.size);
    memcpy(buffer + ROOM, frame.data, frame.size);
    struct packet packet = { .data = buffer + ROOM, .size = frame.size, .in_port = 3 };
    bool agrees = packet_parse(&packet, &key) == 0;
    uint8_t actions[GEN_ACTIONS_MAX];
    size_t size = gen_actions(g, 4, actions);

    for (size_t at = 0; agrees; at += actions[at + 3]) {
        ref_parse(&frame, 3, &fields);
        if (plant == PLANT_REFERENCE_FORGETS_LATER_FRAGMENTS) {
            fields.is_later_fragment = false;
        }
        if (plant == PLANT_PRODUCT_KEY_HAS_CFI && packet.tagged && packet.data[14] & 0x10) {
            key.vlan_tci.raw = 0;
        }
        agrees = keys_agree(&key, &fields) && packet.size == frame.size
                 && !memcmp(packet.data, frame.data, frame.size);
        if (at == size) {
            break;
        }
        bool goes_on = product_rewrite(&packet, actions + at, plant);
        agrees = goes_on == reference_rewrite(&frame, actions + at, plant);
        packet_parse(&packet, &key);
    }
    free(buffer);
    return agrees;
}

/* The first round in which the sides differ, or n_rounds. */
static uint64_t
first_difference(enum plant plant)
{
    for (uint64_t round = 0; round < n_rounds; round++) {
        struct gen g;
        gen_init(&g, seed + round);
        if (!round_agrees(&g, plant)) {
            return round;
        }
    }
    return n_rounds;
}

static void
both_sides_agree(void **state)
{
    (void) state;
    uint64_t round = first_difference(PLANT_NONE);
    if (round < n_rounds) {
        fail_msg("they differ; replay with: test_frames %llu 1",
                 (unsigned long long) (seed + round));
    }
}

static void
planted_bugs_are_found(void **state)
{
    (void) state;
    for (int plant = PLANT_NONE + 1; plant <= PLANT_REFERENCE_FORGETS_LATER_FRAGMENTS; plant++) {
        if (n_rounds > 1000 && first_difference((enum plant) plant) == n_rounds) {
            fail_msg("planted bug %d was not found", plant);
        }
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(planted_bugs_are_found),
    };
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed;
    n_rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : n_rounds;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
