// SPDX-License-Identifier: GPL-2.0
/*
 * What devlink shows of a chip and sets: its ports' flavours, the eswitch's mode, the table's size and
 * occupancy, the firmware's version and health. The chip is in devlink's private memory.
 */
#include <linux/device.h>
#include <linux/rtnetlink.h>
#include <net/devlink.h>

#include "simnic.h"

enum { RESOURCE_FLOWS = 1 };

static int eswitch_mode_get(struct devlink *devlink, u16 *mode)
{
	struct simnic_asic *asic = devlink_priv(devlink);

	*mode = asic->legacy ? DEVLINK_ESWITCH_MODE_LEGACY : DEVLINK_ESWITCH_MODE_SWITCHDEV;
	return 0;
}

/* The representors go and come again, as with chips that are sold. */
static int eswitch_mode_set(struct devlink *devlink, u16 mode, struct netlink_ext_ack *extack)
{
	struct simnic_asic *asic = devlink_priv(devlink);
	bool legacy = mode == DEVLINK_ESWITCH_MODE_LEGACY;

	if (legacy == asic->legacy)
		return 0;
	simnic_asic_unplug(asic);
	WRITE_ONCE(asic->legacy, legacy);
	return simnic_asic_plug(asic);
}

static int info_get(struct devlink *devlink, struct devlink_info_req *req,
		    struct netlink_ext_ack *extack)
{
	struct simnic_asic *asic = devlink_priv(devlink);
	char serial[16], version[sizeof(simnic_knobs.fw_version)];

	snprintf(serial, sizeof(serial), "SIM%05d", asic->id + 1);
	simnic_fw_version(version, sizeof(version));
	return devlink_info_driver_name_put(req, "simnic") ?:
	       devlink_info_serial_number_put(req, serial) ?:
	       devlink_info_version_fixed_put(req, DEVLINK_INFO_VERSION_GENERIC_BOARD_ID,
					      "simulated") ?:
	       devlink_info_version_running_put(req, DEVLINK_INFO_VERSION_GENERIC_FW, version);
}

static const struct devlink_ops devlink_ops = {
	.eswitch_mode_get = eswitch_mode_get,
	.eswitch_mode_set = eswitch_mode_set,
	.info_get = info_get,
};

static u64 flows_occupied(void *asic)
{
	return READ_ONCE(((struct simnic_asic *)asic)->table.n_rules);
}

static int register_resources(struct simnic_asic *asic, struct devlink *devlink)
{
	struct devlink_resource_size_params params;
	int err;

	devlink_resource_size_params_init(&params, simnic_knobs.table_size, simnic_knobs.table_size,
					  1, DEVLINK_RESOURCE_UNIT_ENTRY);
	err = devl_resource_register(devlink, "flows", simnic_knobs.table_size, RESOURCE_FLOWS,
				     DEVLINK_RESOURCE_ID_PARENT_TOP, &params);
	if (!err)
		devl_resource_occ_get_register(devlink, RESOURCE_FLOWS, flows_occupied, asic);
	return err;
}

static int health_recover(struct devlink_health_reporter *reporter, void *context,
			  struct netlink_ext_ack *extack)
{
	struct simnic_asic *asic = devlink_health_reporter_priv(reporter);

	WRITE_ONCE(asic->faulty, false);
	return 0;
}

static int health_diagnose(struct devlink_health_reporter *reporter, struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	struct simnic_asic *asic = devlink_health_reporter_priv(reporter);

	return devlink_fmsg_bool_pair_put(fmsg, "faulty", READ_ONCE(asic->faulty));
}

static const struct devlink_health_reporter_ops health_ops = {
	.name = "fw",
	.recover = health_recover,
	.diagnose = health_diagnose,
};

/*
 * The firmware breaks down: it has forgotten all rules, and takes none until it is recovered; that
 * is at once, unless auto_recover is off.
 */
void simnic_devlink_fault(struct simnic_asic *asic, const char *words)
{
	rtnl_lock();
	WRITE_ONCE(asic->faulty, true);
	simnic_table_lose(&asic->table, UINT_MAX);
	rtnl_unlock();
	devlink_health_report(asic->health, words, NULL);
}

/* A chip with nothing in it, or NULL. */
struct simnic_asic *simnic_devlink_alloc(struct device *dev)
{
	struct devlink *devlink = devlink_alloc(&devlink_ops, sizeof(struct simnic_asic), dev);

	return devlink ? devlink_priv(devlink) : NULL;
}

void simnic_devlink_free(struct simnic_asic *asic)
{
	devlink_free(priv_to_devlink(asic));
}

/* Before the ports are plugged, under devl_lock(). */
int simnic_devlink_init(struct simnic_asic *asic)
{
	struct devlink *devlink = priv_to_devlink(asic);
	int err = register_resources(asic, devlink);

	if (err)
		return err;
	asic->health = devlink_health_reporter_create(devlink, &health_ops, 0, asic);
	if (IS_ERR(asic->health)) {
		devl_resources_unregister(devlink);
		return PTR_ERR(asic->health);
	}
	return 0;
}

void simnic_devlink_fini(struct simnic_asic *asic)
{
	devlink_health_reporter_destroy(asic->health);
	devl_resources_unregister(priv_to_devlink(asic));
}

/* In legacy mode the ports are those of no switch. */
static void set_switch_id(const struct simnic_asic *asic, struct netdev_phys_item_id *id)
{
	const u8 bytes[] = { 'S', 'I', 'M', asic->id + 1 };

	if (asic->legacy)
		return;
	id->id_len = sizeof(bytes);
	memcpy(id->id, bytes, sizeof(bytes));
}

/* Under devl_lock(); the devices come after it. */
int simnic_devlink_add_port(struct simnic_port *port)
{
	struct devlink_port_attrs *attrs = &port->devlink.attrs;
	int number = port - port->asic->ports;

	memset(&port->devlink, 0, sizeof(port->devlink));
	set_switch_id(port->asic, &attrs->switch_id);
	switch (simnic_port_flavour(number)) {
	case 'f':
		devlink_port_attrs_pci_pf_set(&port->devlink, 0, number, false);
		break;
	case 'v':
		devlink_port_attrs_pci_vf_set(&port->devlink, 0, 0, number, false);
		break;
	default:
		attrs->flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL;
		attrs->phys.port_number = port->id;
		devlink_port_attrs_set(&port->devlink, attrs);
	}
	return devl_port_register(priv_to_devlink(port->asic), &port->devlink, port->id);
}
