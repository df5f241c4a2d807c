/* SPDX-License-Identifier: Apache-2.0 */
/* What devices forwarded by themselves, port by port: what the driver says, or, if it does not say,
 * what its entries say that they did. */
#include <stdlib.h>

#include "hal/internal.h"

struct port_reading {
    uint16_t bridge, port;
    int error;
    struct hal_port_counters counters;
};

struct reading {
    struct hal_job job;
    size_t n;
    struct port_reading ports[];
};

static void
run_reading(struct hal_job *job, struct hal_device *device)
{
    struct reading *r = (struct reading *) job;
    for (size_t i = 0; i < r->n; i++) {
        struct port_reading *p = &r->ports[i];
        p->error = device->driver->port_stats(device->state, p->port, &p->counters);
    }
}

static void
add_steps(struct hal_port_rec *rec, const struct hal_port_counters *now)
{
    rec->counted.rx_packets += ledger_step(rec->device, &rec->said.rx_packets, now->rx_packets);
    rec->counted.rx_bytes += ledger_step(rec->device, &rec->said.rx_bytes, now->rx_bytes);
    rec->counted.tx_packets += ledger_step(rec->device, &rec->said.tx_packets, now->tx_packets);
    rec->counted.tx_bytes += ledger_step(rec->device, &rec->said.tx_bytes, now->tx_bytes);
}

static void
reading_done(struct hal_job *job, struct hal_device *device)
{
    struct reading *r = (struct reading *) job;
    device->reading_ports = false;
    for (size_t i = 0; i < r->n; i++) {
        const struct port_reading *p = &r->ports[i];
        const struct hal_bridge *bridge = device->hal->bridges[p->bridge];
        struct hal_port_rec *rec = bridge ? bridge_port(bridge, p->port) : NULL;
        if (rec && rec->device == device && !p->error && !device->gone) {
            add_steps(rec, &p->counters);
        }
    }
    free(r);
}

static size_t
list_ports(const struct hal_device *device, struct port_reading *out)
{
    size_t n = 0;
    for (unsigned b = 0; b < HAL_MAX_BRIDGES; b++) {
        const struct hal_bridge *bridge = device->hal->bridges[b];
        for (unsigned i = 0; bridge && i < bridge->n_ports; i++) {
            if (bridge->ports[i].device != device) {
                continue;
            }
            if (out) {
                out[n] = (struct port_reading) { .bridge = bridge->id,
                                                 .port = bridge->ports[i].port.no };
            }
            n++;
        }
    }
    return n;
}

void
port_counters_tick(struct hal_device *device)
{
    if (!device->driver->port_stats || device->reading_ports || device->gone) {
        return;
    }
    size_t n = list_ports(device, NULL);
    struct reading *r = n ? malloc(sizeof *r + n * sizeof r->ports[0]) : NULL;
    if (!r) {
        return;                      /* the next tick tries again */
    }
    r->job = (struct hal_job) { NULL, run_reading, reading_done };
    r->n = list_ports(device, r->ports);
    device->reading_ports = true;
    device_run_job(device, &r->job);
}

/* --- drivers that don't tell ------------------------------------------------------------------- */

/* The list's effect on the size of frames so far. */
struct tagging {
    bool tagged, tagged_again;   /* there is a tag, and one behind it */
    int grown;                   /* bytes */
};

static void
tagging_step(struct tagging *t, enum action_type type)
{
    if (type == ACTION_STRIP_VLAN && t->tagged) {
        t->tagged = t->tagged_again;
        t->tagged_again = false;
        t->grown -= 4;
    } else if ((type == ACTION_SET_VLAN_VID || type == ACTION_SET_VLAN_PCP) && !t->tagged) {
        t->tagged = true;
        t->grown += 4;
    }
}

static void
count_output(struct hal_bridge *bridge, uint16_t port, uint64_t packets, uint64_t bytes)
{
    struct hal_port_rec *rec = bridge_port(bridge, port);
    if (rec) {
        rec->counted.tx_packets += packets;
        rec->counted.tx_bytes += bytes;
    }
}

void
port_counters_derive(struct hal *hal, const struct entry *e, uint64_t packets, uint64_t bytes)
{
    const struct hal_driver *driver = hal->devices[e->device]->driver;
    const struct action_list *list = entry_actions_list(hal->store, e->has);
    struct hal_bridge *bridge = hal->bridges[e->bridge];
    struct flow_match match;
    if (driver->port_stats || driver->process || !list) {
        return;
    }
    entry_get_match(hal->store, e, &match);
    const struct flow_key *key = &match.value;
    struct hal_port_rec *in = bridge_port(bridge, key->in_port);
    if (in) {
        in->counted.rx_packets += packets;
        in->counted.rx_bytes += bytes;
    }
    struct tagging tagging = { .tagged = be16_to_host(key->vlan_tci) & FLOW_VLAN_PRESENT };
    tagging.tagged_again = tagging.tagged && be16_to_host(key->dl_type) == 0x8100;
    for (uint32_t i = 0; i < list->len; i++) {
        const struct action *a = &list->actions[i];
        tagging_step(&tagging, (enum action_type) a->type);
        if (a->type == ACTION_OUTPUT || a->type == ACTION_ENQUEUE) {
            uint16_t port = a->type == ACTION_OUTPUT ? a->output.port : a->enqueue.port;
            uint64_t size = bytes ? bytes + packets * (uint64_t) (int64_t) tagging.grown : 0;
            count_output(bridge, port == PORT_IN_PORT ? key->in_port : port, packets, size);
        }
    }
}

void
hal_get_port_counters(const struct hal_bridge *bridge, uint16_t port, struct hal_port_counters *out)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    *out = rec ? rec->counted : (struct hal_port_counters) { 0 };
}
