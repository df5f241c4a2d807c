/* SPDX-License-Identifier: Apache-2.0 */
/* What devices forwarded by themselves, port by port. */
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

void
hal_get_port_counters(const struct hal_bridge *bridge, uint16_t port, struct hal_port_counters *out)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    *out = rec ? rec->counted : (struct hal_port_counters) { 0 };
}
