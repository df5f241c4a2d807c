/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges on memory ports, without threads, for the tests of mgmt/. */
#ifndef TESTS_UNIT_MGMT_WORLD_H
#define TESTS_UNIT_MGMT_WORLD_H 1

#include "mgmt/bridges.h"

struct loop;

struct world {
    struct loop *loop;
    struct dp *dp;
    struct bridges *bridges;
    struct config *config;         /* in force; NULL: none yet */
};

/* Makes the world, with the bridges of the configuration file 'text' (NULL: none). */
void world_init(struct world *, const char *text);
void world_fini(struct world *);

/* Reads the text and applies it as SIGHUP would. Returns how many things failed. */
unsigned world_apply(struct world *, const char *text, struct errmsg *err);

/* Adds a flow in ovs-ofctl's syntax. 'exact': it has no wildcards. */
void world_add_flow(struct world *, const char *bridge, const char *text, bool exact);

/* A frame of 60 bytes and type 0x88b5 comes in by the port, and goes its way. */
void world_receive(struct world *, const char *bridge, uint16_t port_no, const uint8_t dst[6],
                   const uint8_t src[6]);

/* The bridge's struct, which must be there. */
struct bridge *world_bridge(struct world *, const char *name);

/* Runs the event loop until 'done' (at most some seconds); false if it never was. */
bool world_run_until(struct world *, bool (*done)(void *aux), void *aux);

#endif /* tests/unit/mgmt_world.h */
