/* SPDX-License-Identifier: Apache-2.0 */
/* What a port is told to do and what its link is: what the packet path may do with it. */
#include <string.h>

#include "sw-datapath/port_private.h"

void
port_update_path(struct dp_port *port)
{
    uint32_t config = port->info.config;
    uint32_t path = 0;
    if (!(config & PORT_CONFIG_DOWN)) {
        path |= config & PORT_CONFIG_NO_RECV ? 0 : PORT_PATH_RX;
        path |= config & PORT_CONFIG_NO_RECV_STP ? 0 : PORT_PATH_RX_STP;
        if (!(config & PORT_CONFIG_NO_FWD) && !(port->info.state & PORT_STATE_LINK_DOWN)) {
            path |= PORT_PATH_TX;
        }
    }
    path |= config & PORT_CONFIG_NO_FLOOD ? 0 : PORT_PATH_FLOOD;
    path |= config & PORT_CONFIG_NO_PACKET_IN ? 0 : PORT_PATH_PACKET_IN;
    atomic_store_explicit(&port->path, path, memory_order_relaxed);
}

void
port_update_info(struct dp_port *port)
{
    struct port_info *info = &port->info;
    struct link_features features = { 0 };
    if (port->link.ifindex) {
        link_get_features(info->name, &features, NULL);
        memcpy(info->hw_addr, port->link.hw_addr, sizeof info->hw_addr);
    }
    info->current = features.current;
    info->advertised = features.advertised;
    info->supported = features.supported;
    info->peer = features.peer;
    info->speed_mbps = features.speed_mbps;
    bool up = port->kind == PKTIO_MEMORY || (port->link.ifindex && port->link.running);
    info->state = up ? 0 : PORT_STATE_LINK_DOWN;
    port_update_path(port);
}

void
port_tell(const struct dp_port *port, enum dp_port_event event)
{
    port->bridge->ops->port_event(port->bridge->ops_aux, event, &port->info);
}

bool
dp_port_set_config(struct dp_bridge *bridge, uint16_t port_no, uint32_t config, uint32_t mask)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port) {
        return false;
    }
    uint32_t changed = (port->info.config ^ config) & mask;
    if (changed) {
        port->info.config ^= changed;
        port_update_path(port);
        port_tell(port, DP_PORT_MODIFIED);
    }
    return true;
}
