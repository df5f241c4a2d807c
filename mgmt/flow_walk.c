/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/flow_walk.h"

#include <errno.h>
#include <stdlib.h>

#include "mgmt/bridges.h"

int
flow_walk_open(struct flow_walk **owner, struct bridge *bridge, struct flow_table *table,
               const struct ofp_match *match)
{
    flow_walk_close(*owner);
    struct flow_walk *walk = calloc(1, sizeof *walk);
    if (!walk) {
        return -ENOMEM;
    }
    walk->bridge = bridge;
    walk->table = table;
    walk->owner = owner;
    walk->next = bridge->walks;
    walk->prev = &bridge->walks;
    if (walk->next) {
        walk->next->prev = &walk->next;
    }
    bridge->walks = walk;
    flow_cursor_open(table, &walk->cursor, match, PORT_NONE);
    *owner = walk;
    return 0;
}

void
flow_walk_close(struct flow_walk *walk)
{
    if (!walk) {
        return;
    }
    flow_cursor_close(&walk->cursor);
    *walk->prev = walk->next;
    if (walk->next) {
        walk->next->prev = walk->prev;
    }
    *walk->owner = NULL;
    free(walk);
}

void
flow_walk_close_all(struct bridge *bridge)
{
    while (bridge->walks) {
        flow_walk_close(bridge->walks);
    }
}
