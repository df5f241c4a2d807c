/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of traffic and of rules that belong together, so that random rules are hit by
 * random frames, again and again: a small universe of frames, and matches made from them. */
#ifndef TESTS_PROPERTY_SHAPES_H
#define TESTS_PROPERTY_SHAPES_H 1

#include "tests/property/generate.h"
#include "tests/property/reference.h"

enum shape_id {
    SHAPE_MIXED,
    SHAPE_L2,
    SHAPE_L3L4,
    SHAPE_ACL,           /* prefixes and many different masks */
    SHAPE_EXACT,         /* mostly flows without wildcards */
    SHAPE_NORMAL,        /* the learning switch */
    SHAPE_VLAN,
    SHAPE_FRAGMENTS,
    N_SHAPES
};

enum { SHAPE_MAX_UNIVERSE = 128, SHAPE_MAX_SIZE = 1514 };

struct shape_item {
    uint16_t in_port;
    uint32_t size;
    uint8_t data[GEN_FRAME_MAX];
};

struct shape {
    enum shape_id id;
    uint16_t n_ports;
    uint8_t plain_percent;   /* of action lists: outputs to ports, and simple rewrites. Not 0:
                              * fewer odd frames, too */
    unsigned n;
    struct shape_item item[SHAPE_MAX_UNIVERSE];
};

const char *shape_name(enum shape_id);
/* N_SHAPES if there is none of this name. */
enum shape_id shape_find(const char *name);

/* Draws a universe. */
void shape_init(struct shape *, enum shape_id, uint16_t n_ports, struct gen *);

/* A port that a frame may come in by: 1 .. n_ports or LOCAL. */
uint16_t shape_in_port(const struct shape *, struct gen *);
/* Mostly one of the universe's, or one much like it; rarely anything, down to one byte and up
 * to SHAPE_MAX_SIZE. Returns its size and the port that it is for. */
uint32_t shape_frame(const struct shape *, struct gen *, uint8_t frame[SHAPE_MAX_SIZE],
                     uint16_t *in_port);
/* struct ofp_match. */
void shape_match(const struct shape *, struct gen *, uint8_t match[40]);
/* A list of actions, perhaps empty, that is good if ENQUEUE's queues are there; its size. */
size_t shape_actions(const struct shape *, struct gen *, uint8_t actions[GEN_ACTIONS_MAX]);

/* True once in n times. */
static inline bool
once_in(struct gen *g, uint32_t n)
{
    return gen_below(g, n) == 0;
}

#endif /* tests/property/shapes.h */
