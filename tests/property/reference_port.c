/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch's ports: configuration, link and spanning tree; what was learnt behind
 * them. */
#include "tests/property/reference.h"

#include <string.h>

enum { PC_DOWN = 1, PC_NO_STP = 2, P_LOCAL = 0xfffe };

/* --- ports -------------------------------------------------------------------------- */

static bool
is_down(const struct ref_port *port)
{
    return port->is_link_down || port->config & PC_DOWN;
}

uint32_t
ref_stp(const struct ref_switch *sw, const struct ref_port *port)
{
    return sw->has_stp && port->number != P_LOCAL && !(port->config & PC_NO_STP)
           ? port->stp : REF_STP_FORWARD;
}

static bool
learns(const struct ref_switch *sw, const struct ref_port *port)
{
    uint32_t stp = ref_stp(sw, port);
    return !is_down(port) && (stp == REF_STP_LEARN || stp == REF_STP_FORWARD);
}

uint32_t
ref_port_state(const struct ref_switch *sw, const struct ref_port *port)
{
    return (port->is_link_down ? 1 : 0) | (sw->has_stp ? ref_stp(sw, port) << 8 : 0);
}

/* After a change: who goes down, or is not in the tree, will begin anew; who ceases to learn
 * is forgotten. */
static void
settle(struct ref_switch *sw, struct ref_port *port, bool was_down)
{
    if ((is_down(port) && !was_down) || port->config & PC_NO_STP) {
        port->stp = REF_STP_LISTEN;
    }
    if (!learns(sw, port)) {
        ref_fdb_flush(sw, port->number);
    }
}

void
ref_set_config(struct ref_switch *sw, struct ref_port *port, uint32_t config)
{
    bool was_down = is_down(port);
    port->config = config;
    settle(sw, port, was_down);
}

void
ref_set_link(struct ref_switch *sw, struct ref_port *port, bool is_up)
{
    bool was_down = is_down(port);
    port->is_link_down = !is_up;
    settle(sw, port, was_down);
}

bool
ref_set_stp(struct ref_switch *sw, struct ref_port *port, uint32_t stp)
{
    bool passes = stp == REF_STP_LEARN || stp == REF_STP_FORWARD;
    if (!sw->has_stp || port->number == P_LOCAL || port->config & PC_NO_STP
        || (is_down(port) && passes)) {
        return false;
    }
    port->stp = stp;
    settle(sw, port, is_down(port));
    return true;
}

void
ref_add_port(struct ref_switch *sw, uint16_t number, uint32_t config)
{
    struct ref_port port = { .number = number, .config = config };
    if (sw->n_ports < REF_MAX_PORTS) {
        sw->ports[sw->n_ports++] = port;
        settle(sw, &sw->ports[sw->n_ports - 1], false);
    }
}

struct ref_port *
ref_find_port(struct ref_switch *sw, uint16_t number)
{
    for (size_t i = 0; i < sw->n_ports; i++) {
        if (sw->ports[i].number == number) {
            return &sw->ports[i];
        }
    }
    return NULL;
}

/* --- learning ----------------------------------------------------------------------- */

static bool
fdb_is(const struct ref_switch *sw, size_t i, const uint8_t addr[6], uint16_t vid)
{
    return sw->fdb[i].vid == vid && !memcmp(sw->fdb[i].addr, addr, 6);
}

uint16_t
ref_fdb_find(const struct ref_switch *sw, const uint8_t addr[6], uint16_t vid)
{
    for (size_t i = 0; i < sw->n_fdb; i++) {
        if (fdb_is(sw, i, addr, vid)
            && (!sw->fdb_age_ms || sw->now_ms - sw->fdb[i].used_ms < sw->fdb_age_ms)) {
            return sw->fdb[i].port;
        }
    }
    return 0;
}

void
ref_fdb_learn(struct ref_switch *sw, const uint8_t addr[6], uint16_t vid,
              const struct ref_port *port)
{
    bool may = learns(sw, port);
    if (addr[0] % 2 || (!may && sw->plant != REF_PLANT_LEARNS_BEHIND_BLOCKED)) {
        return;
    }
    size_t i = 0;
    while (i < sw->n_fdb && !fdb_is(sw, i, addr, vid)) {
        i++;
    }
    if (i == sw->n_fdb) {
        if (sw->n_fdb == REF_MAX_FLOWS) {
            return;
        }
        sw->n_fdb++;
    }
    memcpy(sw->fdb[i].addr, addr, 6);
    sw->fdb[i].vid = vid;
    sw->fdb[i].port = port->number;
    sw->fdb[i].used_ms = sw->now_ms;
}

void
ref_remove_port(struct ref_switch *sw, uint16_t number)
{
    struct ref_port *port = ref_find_port(sw, number);
    if (port) {
        ref_fdb_flush(sw, number);
        sw->n_ports--;
        memmove(port, port + 1, (size_t) (&sw->ports[sw->n_ports] - port) * sizeof *port);
    }
}

void
ref_fdb_flush(struct ref_switch *sw, uint16_t port)
{
    size_t kept = 0;
    for (size_t i = 0; i < sw->n_fdb; i++) {
        if (port && sw->fdb[i].port != port) {
            sw->fdb[kept++] = sw->fdb[i];
        }
    }
    sw->n_fdb = kept;
}
