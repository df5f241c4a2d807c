// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameters, each a file in /sys/module/simnic/parameters. Those that make ports are
 * for insmod only; the others hold from the next rule, frame or reading on.
 */
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>

#include "simnic.h"

#define KEY(name) BIT(FLOW_DISSECTOR_KEY_##name)

struct simnic_knobs simnic_knobs = {
	.ports = 4,
	.asics = 1,
	.table_size = 1024,
	.max_masks = 16,
	.max_actions = 32,
	.fail_errno = EIO,
	.count_header = true,
	.priorities = true,
	.feature_busy = true,
	.keys = ~0,
	.masks = SIMNIC_MASKS_ANY,
	.fw_version = "1.0.0",
};

#define KNOB(name, type, mode, text)						\
	module_param_named(name, simnic_knobs.name, type, mode);		\
	MODULE_PARM_DESC(name, text)

KNOB(ports, int, 0444, "ports of each chip");
KNOB(asics, int, 0444, "chips, each with a switch id and a table of its own");
KNOB(first_port, int, 0444, "the number of the first port");
KNOB(table_size, int, 0644, "most rules in a table");
KNOB(max_masks, int, 0644, "most different masks in a table");
KNOB(max_actions, int, 0644, "most actions of a rule");
KNOB(insert_delay_us, int, 0644, "how long an insertion takes");
KNOB(delete_delay_us, int, 0644, "how long a deletion takes");
KNOB(stats_delay_us, int, 0644, "how long reading a rule's counters takes");
KNOB(fail_next, int, 0644, "this many of the next insertions fail");
KNOB(fail_every, int, 0644, "each n-th insertion fails; 0: none");
KNOB(fail_errno, int, 0644, "with this error number");
KNOB(lose_every, int, 0644, "each n-th rule is accepted and then forgotten; 0: none");
KNOB(counter_lag_ms, int, 0644, "counters are read from the chip this seldom");
KNOB(count_header, bool, 0644, "bytes have the Ethernet header and tag");
KNOB(count_fcs, bool, 0644, "bytes have the frame check sequence");
KNOB(inert, bool, 0644, "the chip accepts rules and does nothing with frames");
KNOB(priorities, bool, 0644, "of several rules that match, the one of lowest tc prio wins");
KNOB(feature_busy, bool, 0644, "hw-tc-offload can't be switched off while there are rules");
module_param_string(flavours, simnic_knobs.flavours, sizeof(simnic_knobs.flavours), 0444);
MODULE_PARM_DESC(flavours, "a letter for each port of a chip: p physical, f PCI PF, v PCI VF");
module_param_string(fw_version, simnic_knobs.fw_version, sizeof(simnic_knobs.fw_version), 0644);
MODULE_PARM_DESC(fw_version, "what the chip says that its firmware is");

char simnic_port_flavour(unsigned int number)
{
	return number < strlen(simnic_knobs.flavours) ? simnic_knobs.flavours[number] : 'p';
}

/* Without the line's end that a shell's echo leaves. */
void simnic_fw_version(char *out, size_t size)
{
	strscpy(out, simnic_knobs.fw_version, size);
	strim(out);
}

/* A parameter whose values have names. */
static int set_named(const char *value, const char *const *names, int n, int *out)
{
	int i = __sysfs_match_string(names, n, value);

	if (i < 0)
		return i;
	*out = i;
	return 0;
}

static const char *const mask_names[] = { "exact", "prefix", "any" };
static const char *const alter_names[] = { "none", "ignore-tos", "ignore-rewrite", "wrong-port",
					   "first-action" };

static int masks_set(const char *value, const struct kernel_param *param)
{
	return set_named(value, mask_names, ARRAY_SIZE(mask_names), (int *)&simnic_knobs.masks);
}

static int masks_get(char *out, const struct kernel_param *param)
{
	return sysfs_emit(out, "%s\n", mask_names[simnic_knobs.masks]);
}

static int alter_set(const char *value, const struct kernel_param *param)
{
	return set_named(value, alter_names, ARRAY_SIZE(alter_names), (int *)&simnic_knobs.alter);
}

static int alter_get(char *out, const struct kernel_param *param)
{
	return sysfs_emit(out, "%s\n", alter_names[simnic_knobs.alter]);
}

static const struct kernel_param_ops masks_ops = { .set = masks_set, .get = masks_get };
static const struct kernel_param_ops alter_ops = { .set = alter_set, .get = alter_get };

module_param_cb(masks, &masks_ops, NULL, 0644);
MODULE_PARM_DESC(masks, "which masks the table takes: exact, prefix (of IPv4 addresses), any");
module_param_cb(alter, &alter_ops, NULL, 0644);
MODULE_PARM_DESC(alter, "rules are changed without a word: none, ignore-tos, ignore-rewrite, "
			"wrong-port, first-action");

static const struct {
	const char *name;
	unsigned int bits;
} key_names[] = {
	{ "eth", KEY(ETH_ADDRS) },
	{ "vlan", KEY(VLAN) },
	{ "ipv4", KEY(IPV4_ADDRS) },
	{ "tos", KEY(IP) },
	{ "ports", KEY(PORTS) },
	{ "icmp", KEY(ICMP) },
	{ "arp", KEY(ARP) },
	{ "frag", KEY(CONTROL) },
	{ "untagged", KEY(NUM_OF_VLANS) },
};

static unsigned int key_bits(const char *name, size_t len)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(key_names); i++) {
		if (strlen(key_names[i].name) == len && !strncmp(key_names[i].name, name, len))
			return key_names[i].bits;
	}
	return 0;
}

static int keys_set(const char *value, const struct kernel_param *param)
{
	unsigned int keys = 0, bits;
	size_t len;

	while (*value && *value != '\n') {
		len = strcspn(value, ",\n");
		bits = key_bits(value, len);
		if (!bits)
			return -EINVAL;
		keys |= bits;
		value += len;
		value += *value == ',';
	}
	simnic_knobs.keys = keys;
	return 0;
}

static int keys_get(char *out, const struct kernel_param *param)
{
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(key_names); i++) {
		if (simnic_knobs.keys & key_names[i].bits)
			len += sysfs_emit_at(out, len, "%s%s", len ? "," : "", key_names[i].name);
	}
	return len + sysfs_emit_at(out, len, "\n");
}

static const struct kernel_param_ops keys_ops = { .set = keys_set, .get = keys_get };

module_param_cb(keys, &keys_ops, NULL, 0644);
MODULE_PARM_DESC(keys, "what can be matched besides port, type and protocol: a list of eth, vlan, "
		       "ipv4, tos, ports, icmp, arp, frag, untagged");

/* Calls act() for each chip that is bound. */
static void for_each_asic(void (*act)(struct simnic_asic *asic, void *data), void *data)
{
	int i;

	mutex_lock(&simnic_asics_lock);
	for (i = 0; i < simnic_knobs.asics; i++) {
		if (simnic_asics[i])
			act(simnic_asics[i], data);
	}
	mutex_unlock(&simnic_asics_lock);
}

static void add_used(struct simnic_asic *asic, void *n)
{
	*(unsigned int *)n += READ_ONCE(asic->table.n_rules);
}

static int used_get(char *out, const struct kernel_param *param)
{
	unsigned int n = 0;

	for_each_asic(add_used, &n);
	return sysfs_emit(out, "%u\n", n);
}

static const struct kernel_param_ops used_ops = { .get = used_get };

module_param_cb(used, &used_ops, NULL, 0444);
MODULE_PARM_DESC(used, "rules that are in tables now");

static void add_inserted(struct simnic_asic *asic, void *aux)
{
	u64 *sums = aux;

	rtnl_lock();
	sums[0] += asic->table.n_inserted;
	sums[1] = max(sums[1], asic->table.inserted_ns);
	rtnl_unlock();
}

static int inserted_get(char *out, const struct kernel_param *param)
{
	u64 sums[2] = { 0, 0 };

	for_each_asic(add_inserted, sums);
	return sysfs_emit(out, "%llu %llu\n", sums[0], sums[1]);
}

static const struct kernel_param_ops inserted_ops = { .get = inserted_get };

module_param_cb(inserted, &inserted_ops, NULL, 0444);
MODULE_PARM_DESC(inserted, "rules that were inserted so far, and when the last was, in ns of CLOCK_MONOTONIC");

static void lose(struct simnic_asic *asic, void *n)
{
	rtnl_lock();
	simnic_table_lose(&asic->table, *(unsigned int *)n);
	rtnl_unlock();
}

static int lose_set(const char *value, const struct kernel_param *param)
{
	unsigned int n;
	int err = kstrtouint(value, 0, &n);

	if (!err)
		for_each_asic(lose, &n);
	return err;
}

static const struct kernel_param_ops lose_ops = { .set = lose_set };

module_param_cb(lose, &lose_ops, NULL, 0200);
MODULE_PARM_DESC(lose, "write N: each chip forgets its N oldest rules, and nobody is told");

static void fault(struct simnic_asic *asic, void *words)
{
	simnic_devlink_fault(asic, words);
}

static int fault_set(const char *value, const struct kernel_param *param)
{
	for_each_asic(fault, (void *)value);
	return 0;
}

static const struct kernel_param_ops fault_ops = { .set = fault_set };

module_param_cb(fault, &fault_ops, NULL, 0200);
MODULE_PARM_DESC(fault, "write words: the firmware breaks down and forgets its rules; it takes none "
			"until devlink's health reporter fw has recovered it");

struct plugging {
	int id;				/* of the port */
	bool plug;
	int err;
};

static void plug(struct simnic_asic *asic, void *data)
{
	struct devlink *devlink = priv_to_devlink(asic);
	struct plugging *p = data;
	int number = p->id - asic->ports[0].id;

	if (number < 0 || number >= asic->n_ports)
		return;
	devl_lock(devlink);
	p->err = 0;
	if (p->plug)
		p->err = simnic_port_plug(&asic->ports[number]);
	else
		simnic_port_unplug(&asic->ports[number]);
	devl_unlock(devlink);
}

static int plug_by_name(const char *value, bool is_plug)
{
	struct plugging p = { .plug = is_plug, .err = -ENODEV };
	int err = kstrtoint(value, 0, &p.id);

	if (err)
		return err;
	for_each_asic(plug, &p);
	return p.err;
}

static int plug_set(const char *value, const struct kernel_param *param)
{
	return plug_by_name(value, true);
}

static int unplug_set(const char *value, const struct kernel_param *param)
{
	return plug_by_name(value, false);
}

static const struct kernel_param_ops plug_ops = { .set = plug_set };
static const struct kernel_param_ops unplug_ops = { .set = unplug_set };

module_param_cb(plug, &plug_ops, NULL, 0200);
MODULE_PARM_DESC(plug, "write N: pN and wN come back");
module_param_cb(unplug, &unplug_ops, NULL, 0200);
MODULE_PARM_DESC(unplug, "write N: pN and wN vanish");
