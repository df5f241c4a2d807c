// SPDX-License-Identifier: GPL-2.0
/* What tc asks of the driver: rules in, rules out, counters. All under the RTNL. */
#include <linux/delay.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "simnic.h"

static LIST_HEAD(block_cb_list);

static int injected_failure(struct netlink_ext_ack *extack)
{
	static unsigned int n;
	bool fail = false;

	if (simnic_knobs.fail_next > 0) {
		simnic_knobs.fail_next--;
		fail = true;
	}
	if (simnic_knobs.fail_every > 0 && ++n % simnic_knobs.fail_every == 0)
		fail = true;
	if (!fail)
		return 0;
	NL_SET_ERR_MSG_MOD(extack, "injected hardware failure");
	return -abs(simnic_knobs.fail_errno);
}

static int chip_state(const struct simnic_asic *asic, struct netlink_ext_ack *extack)
{
	if (READ_ONCE(asic->legacy)) {
		NL_SET_ERR_MSG_MOD(extack, "the eswitch is in legacy mode");
		return -EOPNOTSUPP;
	}
	if (READ_ONCE(asic->faulty)) {
		NL_SET_ERR_MSG_MOD(extack, "the firmware does not answer");
		return -EIO;
	}
	return 0;
}

static int insert(struct simnic_port *port, struct flow_cls_offload *flower)
{
	struct netlink_ext_ack *extack = flower->common.extack;
	struct flow_rule *asked = flow_cls_offload_flow_rule(flower);
	struct simnic_rule *rule;
	struct simnic_key mask;
	int err;

	rule = kzalloc(struct_size(rule, actions, asked->action.num_entries), GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	rule->port = port;
	rule->cookie = flower->cookie;
	rule->prio = flower->common.prio;
	err = simnic_match_parse(port, flower, &rule->key, &mask);
	if (err)
		goto failed;
	err = simnic_actions_parse(port, flower, rule->actions);
	if (err < 0)
		goto failed;
	rule->n_actions = err;
	if (simnic_knobs.insert_delay_us > 0)
		fsleep(simnic_knobs.insert_delay_us);
	err = injected_failure(extack);
	if (!err)
		err = simnic_table_insert(&port->asic->table, rule, &mask, extack);
	if (!err)
		return 0;
failed:
	kfree(rule);
	return err;
}

static int flower_command(struct simnic_port *port, struct flow_cls_offload *flower)
{
	struct net_device *rep = rtnl_dereference(port->rep);
	struct simnic_table *table = &port->asic->table;
	struct simnic_rule *rule;
	int err;

	ASSERT_RTNL();
	if (flower->command == FLOW_CLS_REPLACE) {
		if (!tc_cls_can_offload_and_chain0(rep, &flower->common))
			return -EOPNOTSUPP;
		err = chip_state(port->asic, flower->common.extack);
		if (err)
			return err;
		return insert(port, flower);
	}
	rule = simnic_table_find(table, port, flower->cookie);
	switch (flower->command) {
	case FLOW_CLS_DESTROY:
		if (!rule)
			return -ENOENT;
		if (simnic_knobs.delete_delay_us > 0)
			fsleep(simnic_knobs.delete_delay_us);
		simnic_table_remove(table, rule);
		return 0;
	case FLOW_CLS_STATS:
		if (!rule)
			return -ENOENT;
		simnic_rule_read(rule, &flower->stats);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int block_cb(enum tc_setup_type type, void *data, void *port)
{
	return type == TC_SETUP_CLSFLOWER ? flower_command(port, data) : -EOPNOTSUPP;
}

int simnic_setup_tc(struct net_device *dev, enum tc_setup_type type, void *data)
{
	struct simnic_port *port = simnic_port_of(dev);

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	return flow_block_cb_setup_simple(data, &block_cb_list, block_cb, port, port, true);
}
