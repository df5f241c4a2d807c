/* SPDX-License-Identifier: Apache-2.0 */
/* What a port is told to do and what its link is: what the packet path may do with it.
 *
 * Spanning tree: dp_port.stp_state is what an implementation of 802.1D said last. It counts
 * only if the bridge has spanning tree, and not for LOCAL or with NO_STP, which forward
 * always. In a bridge without it a port's state says 0 on the wire, as OpenFlow has it. */
#include <errno.h>
#include <string.h>

#include "sw-datapath/offload.h"
#include "sw-datapath/port_private.h"

static bool
is_down(const struct dp_port *port)
{
    return port->info.config & PORT_CONFIG_DOWN || port->info.state & PORT_STATE_LINK_DOWN;
}

static bool
is_outside_tree(const struct dp_port *port)
{
    return port->no == PORT_LOCAL || port->info.config & PORT_CONFIG_NO_STP;
}

/* --- what the packet path may do ----------------------------------------------------- */

/* The state that counts for the packet path. */
static enum port_stp_state
stp_state(const struct dp_port *port)
{
    return !port->bridge->config.stp || is_outside_tree(port) ? PORT_STP_FORWARD
                                                              : port->stp_state;
}

static uint32_t
choose_path(const struct dp_port *port)
{
    uint32_t config = port->info.config;
    uint32_t path = config & PORT_CONFIG_NO_PACKET_IN ? 0 : PORT_PATH_PACKET_IN;
    enum port_stp_state stp = stp_state(port);
    if (!(config & PORT_CONFIG_DOWN)) {
        path |= config & PORT_CONFIG_NO_RECV ? 0 : PORT_PATH_RX;
        path |= config & PORT_CONFIG_NO_RECV_STP ? 0 : PORT_PATH_RX_STP;
    }
    if (!is_down(port)) {
        path |= config & PORT_CONFIG_NO_FWD ? 0 : PORT_PATH_TX;
        path |= stp == PORT_STP_LEARN || stp == PORT_STP_FORWARD ? PORT_PATH_LEARN : 0;
    }
    if (stp == PORT_STP_FORWARD) {
        path |= PORT_PATH_RELAY | (config & PORT_CONFIG_NO_FLOOD ? 0 : PORT_PATH_FLOOD);
    }
    return path;
}

/* After the grace period: a batch that was on its way may have taught addresses. */
static void
forget_again(void *port_)
{
    const struct dp_port *port = port_;
    if (!(atomic_load_explicit(&port->path, memory_order_relaxed) & PORT_PATH_LEARN)) {
        fdb_flush_port(port->bridge->fdb, port->no);
    }
}

void
port_update_path(struct dp_port *port)
{
    bool goes_down = is_down(port) && !port->was_down;
    port->was_down = is_down(port);
    if (goes_down || is_outside_tree(port) || !port->bridge->config.stp) {
        port->stp_state = PORT_STP_LISTEN;
    }
    port->info.state &= ~(uint32_t) PORT_STATE_STP_MASK;
    if (port->bridge->config.stp) {
        port->info.state |= (uint32_t) stp_state(port) << PORT_STATE_STP_SHIFT;
    }
    uint32_t path = choose_path(port);
    uint32_t before = atomic_exchange_explicit(&port->path, path, memory_order_relaxed);
    if (before & ~path & PORT_PATH_LEARN) {
        fdb_flush_port(port->bridge->fdb, port->no);
        epoch_defer(forget_again, port);
    }
    if (before != path) {
        offload_port_changed(port);
    }
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
    info->state &= ~(uint32_t) PORT_STATE_LINK_DOWN;
    info->state |= port->link.running ? 0 : PORT_STATE_LINK_DOWN;
    port_update_path(port);
}

/* --- telling of changes -------------------------------------------------------------- */

void
port_tell(const struct dp_port *port, enum dp_port_event event)
{
    port->bridge->ops->port_event(port->bridge->ops_aux, event, &port->info);
}

void
port_tell_change(const struct dp_port *port, const struct port_info *before)
{
    if (memcmp(before, &port->info, sizeof *before)) {
        port_tell(port, DP_PORT_MODIFIED);
    }
}

void
port_update_all(struct dp_bridge *bridge)
{
    const struct port_map *map = atomic_load(&bridge->map);
    for (unsigned i = 0; i <= map->n; i++) {
        struct dp_port *port = i < map->n ? map->ports[i] : map->local;
        if (port) {
            struct port_info before = port->info;
            port_update_path(port);
            port_tell_change(port, &before);
        }
    }
}

/* --- changes ------------------------------------------------------------------------- */

static struct dp_port *
find(const struct dp_bridge *bridge, uint16_t port_no)
{
    return port_map_find(atomic_load(&bridge->map), port_no);
}

bool
dp_port_set_config(struct dp_bridge *bridge, uint16_t port_no, uint32_t config, uint32_t mask)
{
    struct dp_port *port = find(bridge, port_no);
    if (!port) {
        return false;
    }
    struct port_info before = port->info;
    port->info.config ^= (port->info.config ^ config) & mask;
    port_update_path(port);
    if (mask & PORT_CONFIG_DOWN) {
        port_follow_config(port);
    }
    port_tell_change(port, &before);
    return true;
}

static int
check_stp_state(const struct dp_port *port, enum port_stp_state state, struct errmsg *err)
{
    const char *name = port->info.name;
    if ((unsigned) state >= N_PORT_STP_STATES) {
        errmsg_set(err, "%u is not a spanning tree state", (unsigned) state);
        return -EINVAL;
    }
    if (!port->bridge->config.stp) {
        errmsg_set(err, "bridge %s has no spanning tree: it is not set to 'stp external'",
                   port->bridge->name);
        return -EOPNOTSUPP;
    }
    if (is_outside_tree(port)) {
        errmsg_set(err, port->no == PORT_LOCAL ? "%s is LOCAL, which is not part of the spanning "
                   "tree" : "%s is configured no-stp, so it always forwards", name);
        return -EINVAL;
    }
    if (is_down(port) && (state == PORT_STP_LEARN || state == PORT_STP_FORWARD)) {
        errmsg_set(err, "%s is down: when it comes up it begins in state listen", name);
        return -ENETDOWN;
    }
    return 0;
}

int
dp_port_set_stp_state(struct dp_bridge *bridge, uint16_t port_no, enum port_stp_state state,
                      struct errmsg *err)
{
    struct dp_port *port = find(bridge, port_no);
    if (!port) {
        errmsg_set(err, "bridge %s has no port %u", bridge->name, port_no);
        return -ENODEV;
    }
    int error = check_stp_state(port, state, err);
    if (error) {
        return error;
    }
    struct port_info before = port->info;
    port->stp_state = state;
    port_update_path(port);
    port_tell_change(port, &before);
    return 0;
}

int
dp_port_advertise(struct dp_bridge *bridge, uint16_t port_no, uint32_t features,
                  struct errmsg *err)
{
    struct dp_port *port = find(bridge, port_no);
    if (!port || !port->link.ifindex) {
        errmsg_set(err, "bridge %s: port %u has no device", bridge->name, port_no);
        return -ENODEV;
    }
    int error = link_set_advertised(port->info.name, features, err);
    if (!error) {
        struct port_info before = port->info;
        port_update_info(port);
        port_tell_change(port, &before);
    }
    return error;
}


static void
settings_visit(struct dp_port *port, void *aux)
{
    const int *ifindex = aux;
    if (port->link.ifindex && (!*ifindex || *ifindex == port->link.ifindex)) {
        struct port_info before = port->info;
        port_update_info(port);
        port_tell_change(port, &before);
    }
}

void
port_features_changed(struct dp *dp, int ifindex)
{
    dp_visit_ports(dp, settings_visit, &ifindex);
}
