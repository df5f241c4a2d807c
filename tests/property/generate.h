/* SPDX-License-Identifier: Apache-2.0 */
/* Random frames, matches, actions and FLOW_MODs, as raw bytes, for property tests.
 *
 * Values come from small pools, so that matches hit, flows are alike and overlap, and
 * addresses are seen again; now and then they are anything. The same seed gives the same
 * sequence. */
#ifndef TESTS_PROPERTY_GENERATE_H
#define TESTS_PROPERTY_GENERATE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GEN_NXM_MAX = 256 };
enum { GEN_FRAME_MAX = 400, GEN_ACTIONS_MAX = 384, GEN_FLOW_MOD_MAX = 72 + GEN_ACTIONS_MAX };

struct gen {
    uint64_t state;
};

void gen_init(struct gen *, uint64_t seed);
/* 0 .. n - 1. */
uint32_t gen_below(struct gen *, uint32_t n);

/* A frame of 14 bytes or more; returns its size. Most are whole, with right checksums; the
 * rest are fragments, have options, lie about lengths, are cut, padded, or damaged. */
uint32_t gen_frame(struct gen *, uint8_t frame[GEN_FRAME_MAX]);

/* A list of actions that the switch accepts, as on the wire; returns its size, at least
 * one action. Outputs go to ports 1 .. n_ports and to reserved ports, those that
 * PACKET_OUT alone may have left out. */
size_t gen_actions(struct gen *, uint16_t n_ports, uint8_t actions[GEN_ACTIONS_MAX]);

/* struct ofp_match. Often without wildcards, made from a frame's fields. */
void gen_match(struct gen *, uint16_t n_ports, uint8_t match[40]);

/* The match that a packet with these fields is in, but for what is in 'wildcards'. */
struct ref_fields;
void gen_match_of(const struct ref_fields *, uint32_t wildcards, uint8_t match[40]);

/* The entries of an nx_match that says what a wire match does, but for what nx_match can't
 * (ICMP types above 255), which is left out; with 'thin' under random masks, and sometimes
 * of fragments. Returns their size. */
size_t gen_nxm_of(struct gen *, const uint8_t match[40], bool thin, uint8_t entries[GEN_NXM_MAX]);
/* The entry of a cookie under a mask; 20 bytes. */
size_t gen_nxm_cookie(uint64_t value, uint64_t mask, uint8_t *entry);

/* A FLOW_MOD of any command, with few priorities; returns its size. One in eight is one
 * that must be refused. Time-outs are 0. */
size_t gen_flow_mod(struct gen *, uint16_t n_ports, uint8_t msg[GEN_FLOW_MOD_MAX]);

#endif /* tests/property/generate.h */
