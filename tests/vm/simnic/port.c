// SPDX-License-Identifier: GPL-2.0
/* A port's two network devices, and the way of a frame through the chip. */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>

#include "simnic.h"

/* The private part of both devices. */
struct end {
	struct simnic_port *port;
};

static const struct net_device_ops rep_ops;

static struct simnic_port *port_of_end(const struct net_device *dev)
{
	return ((struct end *)netdev_priv(dev))->port;
}

/* NULL if the device is no representor of ours. */
struct simnic_port *simnic_port_of(const struct net_device *rep)
{
	return rep->netdev_ops == &rep_ops ? port_of_end(rep) : NULL;
}

/* Out of the chip, onto the cable. Consumes 'skb'. Called under RCU. */
void simnic_port_send(struct simnic_port *port, struct sk_buff *skb)
{
	struct net_device *wire = rcu_dereference(port->wire);
	struct net_device *rep = rcu_dereference(port->rep);

	if (!wire || !rep || !netif_running(wire) || !netif_running(rep)) {
		atomic64_inc(&port->dropped);
		kfree_skb(skb);
		return;
	}
	atomic64_inc(&port->tx_packets);
	atomic64_add(skb->len, &port->tx_bytes);
	if (dev_forward_skb(wire, skb) != NET_RX_SUCCESS)
		atomic64_inc(&port->dropped);
}

/* Up to the processor, by the representor. Consumes 'skb'. Called under RCU. */
void simnic_port_trap(struct simnic_port *port, struct sk_buff *skb)
{
	struct net_device *rep = rcu_dereference(port->rep);

	if (!rep) {
		kfree_skb(skb);
		return;
	}
	atomic64_inc(&port->cpu_packets);
	atomic64_add(skb->len, &port->cpu_bytes);
	if (dev_forward_skb(rep, skb) != NET_RX_SUCCESS)
		atomic64_inc(&port->dropped);
}

static bool chip_forwards(const struct simnic_asic *asic, const struct net_device *rep)
{
	return !simnic_knobs.inert && !READ_ONCE(asic->legacy) && rep->features & NETIF_F_HW_TC;
}

static void enter_chip(struct simnic_port *port, struct sk_buff *skb)
{
	struct net_device *rep = rcu_dereference(port->rep);
	struct simnic_rule *rule = NULL;
	struct simnic_key key;

	if (!rep || !netif_running(rep)) {
		kfree_skb(skb);
		return;
	}
	atomic64_inc(&port->rx_packets);
	atomic64_add(skb->len, &port->rx_bytes);
	simnic_frame_parse(skb, port, &key);
	if (chip_forwards(port->asic, rep))
		rule = simnic_table_lookup(&port->asic->table, &key);
	if (rule) {
		simnic_rule_count(rule, skb);
		simnic_actions_execute(rule, skb);
	} else {
		simnic_port_trap(port, skb);
	}
}

static struct sk_buff *with_tag_inside(struct sk_buff *skb)
{
	return skb_vlan_tag_present(skb) ? __vlan_hwaccel_push_inside(skb) : skb;
}

static netdev_tx_t wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb = with_tag_inside(skb);
	if (skb) {
		rcu_read_lock();
		enter_chip(port_of_end(dev), skb);
		rcu_read_unlock();
	}
	return NETDEV_TX_OK;
}

static netdev_tx_t rep_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb = with_tag_inside(skb);
	if (skb) {
		rcu_read_lock();
		simnic_port_send(port_of_end(dev), skb);
		rcu_read_unlock();
	}
	return NETDEV_TX_OK;
}

static void set_carrier(struct simnic_port *port, bool on)
{
	struct net_device *rep = rtnl_dereference(port->rep);

	if (rep && on)
		netif_carrier_on(rep);
	else if (rep)
		netif_carrier_off(rep);
}

static int end_open(struct net_device *dev)
{
	netif_start_queue(dev);
	if (!simnic_port_of(dev))
		set_carrier(port_of_end(dev), true);
	return 0;
}

static int end_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	if (!simnic_port_of(dev))
		set_carrier(port_of_end(dev), false);
	return 0;
}

/* The chip's counters of the port: what the processor never saw is in them. */
static void rep_stats(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct simnic_port *port = port_of_end(dev);

	stats->rx_packets = atomic64_read(&port->rx_packets);
	stats->rx_bytes = atomic64_read(&port->rx_bytes);
	stats->tx_packets = atomic64_read(&port->tx_packets);
	stats->tx_bytes = atomic64_read(&port->tx_bytes);
	stats->tx_dropped = atomic64_read(&port->dropped);
}

static void wire_stats(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct simnic_port *port = port_of_end(dev);

	stats->rx_packets = atomic64_read(&port->tx_packets);
	stats->rx_bytes = atomic64_read(&port->tx_bytes);
	stats->tx_packets = atomic64_read(&port->rx_packets);
	stats->tx_bytes = atomic64_read(&port->rx_bytes);
}

static bool rep_has_offload_stats(const struct net_device *dev, int id)
{
	return id == IFLA_OFFLOAD_XSTATS_CPU_HIT;
}

static int rep_get_offload_stats(int id, const struct net_device *dev, void *data)
{
	struct simnic_port *port = port_of_end(dev);
	struct rtnl_link_stats64 *stats = data;

	memset(stats, 0, sizeof(*stats));
	stats->rx_packets = atomic64_read(&port->cpu_packets);
	stats->rx_bytes = atomic64_read(&port->cpu_bytes);
	return 0;
}

static int rep_set_features(struct net_device *dev, netdev_features_t features)
{
	bool off = dev->features & ~features & NETIF_F_HW_TC;

	if (off && simnic_knobs.feature_busy && port_of_end(dev)->asic->table.n_rules) {
		netdev_err(dev, "hw-tc-offload can't be switched off while there are rules\n");
		return -EBUSY;
	}
	return 0;
}

/* devlink knows the port's name and the switch's id. */
static struct devlink_port *rep_devlink_port(struct net_device *dev)
{
	return &port_of_end(dev)->devlink;
}

static const struct net_device_ops rep_ops = {
	.ndo_open = end_open,
	.ndo_stop = end_stop,
	.ndo_start_xmit = rep_xmit,
	.ndo_setup_tc = simnic_setup_tc,
	.ndo_set_features = rep_set_features,
	.ndo_get_devlink_port = rep_devlink_port,
	.ndo_get_stats64 = rep_stats,
	.ndo_has_offload_stats = rep_has_offload_stats,
	.ndo_get_offload_stats = rep_get_offload_stats,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static const struct net_device_ops wire_ops = {
	.ndo_open = end_open,
	.ndo_stop = end_stop,
	.ndo_start_xmit = wire_xmit,
	.ndo_get_stats64 = wire_stats,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static void end_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "simnic", sizeof(info->driver));
	strscpy(info->bus_info, dev_name(dev->dev.parent), sizeof(info->bus_info));
	simnic_fw_version(info->fw_version, sizeof(info->fw_version));
}

static int end_link_settings(struct net_device *dev, struct ethtool_link_ksettings *settings)
{
	settings->base.speed = SPEED_10000;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_FIBRE;
	return 0;
}

static const struct ethtool_ops end_ethtool_ops = {
	.get_drvinfo = end_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = end_link_settings,
};

static void set_address(struct net_device *dev, int id, bool is_rep)
{
	u8 address[ETH_ALEN] = { 0x02, 0x53, 0x49, 0x4d, is_rep, id };

	eth_hw_addr_set(dev, address);
}

static struct net_device *new_end(struct simnic_port *port, bool is_rep)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct end));

	if (!dev)
		return NULL;
	snprintf(dev->name, IFNAMSIZ, "%c%d", is_rep ? 'p' : 'w', port->id);
	((struct end *)netdev_priv(dev))->port = port;
	dev->netdev_ops = is_rep ? &rep_ops : &wire_ops;
	dev->ethtool_ops = &end_ethtool_ops;
	dev->max_mtu = 9216;
	dev->features |= NETIF_F_LLTX;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;	/* frames are changed and passed on */
	if (is_rep) {
		dev->features |= NETIF_F_HW_TC;
		dev->hw_features |= NETIF_F_HW_TC;
	}
	set_address(dev, port->id, is_rep);
	SET_NETDEV_DEV(dev, port->asic->dev);
	return dev;
}

static int register_end(struct simnic_port *port, struct net_device __rcu **place, bool is_rep)
{
	struct net_device *dev = new_end(port, is_rep);
	int err;

	if (!dev)
		return -ENOMEM;
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	if (is_rep)
		netif_carrier_off(dev);
	rcu_assign_pointer(*place, dev);
	return 0;
}

static void unregister_end(struct net_device __rcu **place)
{
	struct net_device *dev = rcu_dereference_protected(*place, true);

	if (!dev)
		return;
	unregister_netdev(dev);
	RCU_INIT_POINTER(*place, NULL);
	synchronize_net();
	free_netdev(dev);
}

/* Makes the two devices, if they are not there. */
int simnic_port_plug(struct simnic_port *port)
{
	int err;

	if (rcu_access_pointer(port->rep))
		return 0;
	err = simnic_devlink_add_port(port);
	if (err)
		return err;
	err = register_end(port, &port->rep, true);
	if (err) {
		devl_port_unregister(&port->devlink);
		return err;
	}
	devlink_port_type_eth_set(&port->devlink, rcu_dereference_protected(port->rep, true));
	err = register_end(port, &port->wire, false);
	if (err)
		simnic_port_unplug(port);
	return err;
}

/* The representor's rules go with its queueing discipline, before the pointer to it does. */
void simnic_port_unplug(struct simnic_port *port)
{
	if (!rcu_access_pointer(port->rep))
		return;
	unregister_end(&port->wire);
	devlink_port_type_clear(&port->devlink);
	unregister_end(&port->rep);
	devl_port_unregister(&port->devlink);
}
