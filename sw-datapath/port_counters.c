/* SPDX-License-Identifier: Apache-2.0 */
/* What a port has received, sent and dropped: the workers count, and the devices do. */
#include "hal/hal.h"
#include "sw-datapath/port_private.h"

void
port_stats_add(struct pktio_stats *sum, const struct pktio_stats *now, const struct pktio_stats *then)
{
    sum->tx_packets += now->tx_packets - then->tx_packets;
    sum->tx_bytes += now->tx_bytes - then->tx_bytes;
    sum->rx_dropped += now->rx_dropped - then->rx_dropped;
    sum->rx_errors += now->rx_errors - then->rx_errors;
    sum->tx_dropped += now->tx_dropped - then->tx_dropped;
    sum->tx_errors += now->tx_errors - then->tx_errors;
}

static uint64_t
load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* What a device forwarded by itself never came here. */
static void
add_hardware(const struct dp_port *port, struct port_counters *out)
{
    struct hal_port_counters hardware;
    if (port->bridge->hal) {
        hal_get_port_counters(port->bridge->hal, port->no, &hardware);
        out->rx_packets += hardware.rx_packets;
        out->rx_bytes += hardware.rx_bytes;
        out->tx_packets += hardware.tx_packets;
        out->tx_bytes += hardware.tx_bytes;
    }
}

bool
dp_port_get_counters(const struct dp_bridge *bridge, uint16_t port_no, struct port_counters *out)
{
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        return false;
    }
    struct pktio_stats io = { 0 };
    if (atomic_load(&port->io)) {
        pktio_get_stats(atomic_load(&port->io), &io);
    }
    *out = (struct port_counters) {
        .rx_dropped = io.rx_dropped + port->gone.rx_dropped,
        .tx_packets = io.tx_packets + port->gone.tx_packets,
        .tx_bytes = io.tx_bytes + port->gone.tx_bytes,
        .tx_dropped = io.tx_dropped + port->gone.tx_dropped,
        .rx_errors = io.rx_errors + port->gone.rx_errors,
        .tx_errors = io.tx_errors + port->gone.tx_errors,
        .rx_frame_err = UINT64_MAX,
        .rx_over_err = UINT64_MAX,
        .rx_crc_err = UINT64_MAX,
        .collisions = UINT64_MAX,
    };
    add_hardware(port, out);
    for (unsigned i = 0; i < dp_n_slots(bridge->dp); i++) {
        const struct port_slot *slot = &port->slots[i];
        out->rx_packets += load(&slot->rx_packets);
        out->rx_bytes += load(&slot->rx_bytes);
        out->rx_dropped += load(&slot->rx_dropped);
        out->tx_dropped += load(&slot->tx_dropped);
    }
    return true;
}
