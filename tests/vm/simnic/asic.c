// SPDX-License-Identifier: GPL-2.0
/* The module: chips as platform devices, which can be unbound and bound like any device. */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "simnic.h"

#define MAX_ASICS 8

static struct platform_device *devices[MAX_ASICS];
struct simnic_asic *simnic_asics[MAX_ASICS];
DEFINE_MUTEX(simnic_asics_lock);

static void publish(int id, struct simnic_asic *asic)
{
	mutex_lock(&simnic_asics_lock);
	simnic_asics[id] = asic;
	mutex_unlock(&simnic_asics_lock);
}

void simnic_asic_unplug(struct simnic_asic *asic)
{
	unsigned int i;

	for (i = 0; i < asic->n_ports; i++)
		simnic_port_unplug(&asic->ports[i]);
}

int simnic_asic_plug(struct simnic_asic *asic)
{
	unsigned int i;
	int err;

	for (i = 0; i < asic->n_ports; i++) {
		err = simnic_port_plug(&asic->ports[i]);
		if (err) {
			simnic_asic_unplug(asic);
			return err;
		}
	}
	return 0;
}

static void number_ports(struct simnic_asic *asic)
{
	unsigned int i;

	for (i = 0; i < asic->n_ports; i++) {
		asic->ports[i].asic = asic;
		asic->ports[i].id = simnic_knobs.first_port + asic->id * asic->n_ports + i;
	}
}

static int start(struct simnic_asic *asic)
{
	struct devlink *devlink = priv_to_devlink(asic);
	int err;

	devl_lock(devlink);
	err = simnic_devlink_init(asic);
	if (err)
		goto unlock;
	err = simnic_asic_plug(asic);
	if (err)
		simnic_devlink_fini(asic);
unlock:
	devl_unlock(devlink);
	return err;
}

static int simnic_probe(struct platform_device *device)
{
	struct simnic_asic *asic = simnic_devlink_alloc(&device->dev);
	int err = -ENOMEM;

	if (!asic)
		return -ENOMEM;
	asic->dev = &device->dev;
	asic->id = device->id;
	asic->n_ports = simnic_knobs.ports;
	asic->ports = kcalloc(asic->n_ports, sizeof(*asic->ports), GFP_KERNEL);
	if (!asic->ports)
		goto no_ports;
	number_ports(asic);
	err = simnic_table_init(&asic->table);
	if (err)
		goto no_table;
	err = start(asic);
	if (err)
		goto no_start;
	platform_set_drvdata(device, asic);
	devlink_register(priv_to_devlink(asic));
	publish(asic->id, asic);
	return 0;
no_start:
	simnic_table_fini(&asic->table);
no_table:
	kfree(asic->ports);
no_ports:
	simnic_devlink_free(asic);
	return err;
}

static int simnic_remove(struct platform_device *device)
{
	struct simnic_asic *asic = platform_get_drvdata(device);
	struct devlink *devlink = priv_to_devlink(asic);

	publish(asic->id, NULL);
	devlink_unregister(devlink);
	devl_lock(devlink);
	simnic_asic_unplug(asic);
	simnic_devlink_fini(asic);
	devl_unlock(devlink);
	rcu_barrier();
	simnic_table_fini(&asic->table);
	kfree(asic->ports);
	simnic_devlink_free(asic);
	return 0;
}

static struct platform_driver simnic_driver = {
	.probe = simnic_probe,
	.remove = simnic_remove,
	.driver = { .name = "simnic" },
};

static void unregister_devices(void)
{
	int i;

	for (i = 0; i < MAX_ASICS; i++) {
		if (devices[i])
			platform_device_unregister(devices[i]);
	}
}

static int __init simnic_init(void)
{
	int i, err;

	if (simnic_knobs.asics < 1 || simnic_knobs.asics > MAX_ASICS || simnic_knobs.ports < 1 ||
	    simnic_knobs.ports * simnic_knobs.asics > SIMNIC_MAX_PORTS ||
	    simnic_knobs.first_port < 0 || simnic_knobs.first_port > SIMNIC_MAX_PORTS)
		return -EINVAL;
	err = platform_driver_register(&simnic_driver);
	if (err)
		return err;
	for (i = 0; i < simnic_knobs.asics; i++) {
		devices[i] = platform_device_register_simple("simnic", i, NULL, 0);
		if (IS_ERR(devices[i])) {
			err = PTR_ERR(devices[i]);
			devices[i] = NULL;
			unregister_devices();
			platform_driver_unregister(&simnic_driver);
			return err;
		}
	}
	return 0;
}

static void __exit simnic_exit(void)
{
	unregister_devices();
	platform_driver_unregister(&simnic_driver);
	rcu_barrier();
}

module_init(simnic_init);
module_exit(simnic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("simulated switch chip that takes tc flower rules");
