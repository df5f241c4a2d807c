/* SPDX-License-Identifier: GPL-2.0 */
/*
 * simnic: a simulated switch chip that takes tc flower rules.
 *
 * A chip ("asic") has ports. Port N has two network devices: pN, the representor that a switch's
 * software sees, with hw-tc-offload; and wN, the other end of its cable, for a test's host.
 * A frame that is sent into wN enters the chip: if a rule of its table matches, the chip does
 * what the rule says and pN's stack never sees the frame; else it comes up pN. What is sent
 * into pN leaves at wN. The table is finite, and the knobs (module parameters, to be changed at
 * any time) make the chip as poor or as faulty as a test wants it.
 *
 * Rules come and go under the RTNL. Frames look them up under RCU.
 */
#ifndef SIMNIC_H
#define SIMNIC_H

#include <linux/atomic.h>
#include <linux/if_ether.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <net/devlink.h>
#include <net/flow_offload.h>

#define SIMNIC_MAX_PORTS 64
#define SIMNIC_HASH_BITS 16
#define SIMNIC_TAGGED VLAN_CFI_MASK	/* in simnic_key.tci: there is a tag */

struct simnic_asic;

/* What the parser takes from a frame and a rule matches: the same 32 bytes, compared as such. */
struct simnic_key {
	u8 dst[ETH_ALEN];
	u8 src[ETH_ALEN];
	__be16 type;			/* what is behind the tag, if there is one */
	u16 tci;			/* priority and VLAN, host order; SIMNIC_TAGGED */
	u8 port;
	u8 proto;			/* of IP; of ARP the operation */
	u8 tos;
	u8 fragment;			/* 1: of IP, and a fragment */
	__be32 sip, dip;		/* of IP or ARP */
	__be16 sport, dport;		/* of TCP, UDP, SCTP; of ICMP type and code */
};

static_assert(sizeof(struct simnic_key) == 32);

struct simnic_port {
	struct simnic_asic *asic;
	int id;				/* unique in the module: the N of pN and wN */
	struct net_device __rcu *rep;	/* NULL while it is unplugged */
	struct net_device __rcu *wire;
	struct devlink_port devlink;
	/* What went through the chip, and what of it went up to the processor. */
	atomic64_t rx_packets, rx_bytes, tx_packets, tx_bytes, dropped;
	atomic64_t cpu_packets, cpu_bytes;
};

struct simnic_mask {
	struct list_head node;
	unsigned int n_rules;
	struct simnic_key bits;
};

struct simnic_action {
	enum flow_action_id id;
	union {
		struct simnic_port *port;
		u16 tci;		/* host order */
		u32 csum_flags;
		struct {
			enum flow_action_mangle_base base;
			u32 offset, mask, value;
		} mangle;
	};
};

struct simnic_rule {
	struct hlist_node by_key;
	struct hlist_node by_cookie;
	struct list_head node;		/* in the order of insertion */
	struct rcu_head rcu;
	unsigned long cookie;
	struct simnic_port *port;
	struct simnic_mask *mask;
	struct simnic_key key;
	u32 prio;			/* of tc: the lower goes first */
	bool lost;			/* the chip has forgotten it, nobody else knows */
	atomic64_t packets, bytes;
	unsigned long used;		/* jiffies */
	/* What the driver last read from the chip, and what of it tc was told. */
	u64 read_packets, read_bytes, told_packets, told_bytes;
	unsigned long read_at;
	unsigned int n_actions;
	struct simnic_action actions[];
};

struct simnic_table {
	u64 n_inserted, inserted_ns;	/* so far; when the last one was (CLOCK_MONOTONIC) */
	struct hlist_head *by_key;
	struct hlist_head *by_cookie;
	struct list_head masks;
	struct list_head rules;
	unsigned int n_rules, n_masks;
};

struct simnic_asic {
	struct device *dev;
	int id;
	unsigned int n_ports;
	bool legacy;			/* the eswitch forwards nothing and takes no rules */
	bool faulty;			/* the firmware has broken down */
	struct devlink_health_reporter *health;
	struct simnic_port *ports;
	struct simnic_table table;
};

/* asic.c: the chips that are bound; the lock goes before devlink's and the RTNL. Ports are plugged
 * and unplugged under devl_lock(). */
extern struct simnic_asic *simnic_asics[];
extern struct mutex simnic_asics_lock;
int simnic_asic_plug(struct simnic_asic *asic);
void simnic_asic_unplug(struct simnic_asic *asic);

/* devlink.c */
struct simnic_asic *simnic_devlink_alloc(struct device *dev);
void simnic_devlink_free(struct simnic_asic *asic);
int simnic_devlink_init(struct simnic_asic *asic);
void simnic_devlink_fini(struct simnic_asic *asic);
int simnic_devlink_add_port(struct simnic_port *port);
void simnic_devlink_fault(struct simnic_asic *asic, const char *words);

/* port.c */
int simnic_port_plug(struct simnic_port *port);
void simnic_port_unplug(struct simnic_port *port);
struct simnic_port *simnic_port_of(const struct net_device *rep);
void simnic_port_send(struct simnic_port *port, struct sk_buff *skb);
void simnic_port_trap(struct simnic_port *port, struct sk_buff *skb);

/* flower.c */
int simnic_setup_tc(struct net_device *dev, enum tc_setup_type type, void *data);

/* match.c: what a flower rule on 'port' matches, as a key and its mask. */
int simnic_match_parse(const struct simnic_port *port, struct flow_cls_offload *flower,
		       struct simnic_key *key, struct simnic_key *mask);

/* action.c */
int simnic_actions_parse(struct simnic_port *port, struct flow_cls_offload *flower,
			 struct simnic_action *actions);
void simnic_actions_execute(const struct simnic_rule *rule, struct sk_buff *skb);

/* frame.c: sets the header offsets of 'skb', too. */
void simnic_frame_parse(struct sk_buff *skb, const struct simnic_port *port,
			struct simnic_key *key);

/* table.c */
int simnic_table_init(struct simnic_table *table);
void simnic_table_fini(struct simnic_table *table);
struct simnic_rule *simnic_table_lookup(const struct simnic_table *table,
					const struct simnic_key *key);
struct simnic_rule *simnic_table_find(const struct simnic_table *table,
				      const struct simnic_port *port, unsigned long cookie);
int simnic_table_insert(struct simnic_table *table, struct simnic_rule *rule,
			const struct simnic_key *mask, struct netlink_ext_ack *extack);
void simnic_table_remove(struct simnic_table *table, struct simnic_rule *rule);
void simnic_table_lose(struct simnic_table *table, unsigned int n);
void simnic_rule_count(struct simnic_rule *rule, const struct sk_buff *skb);
void simnic_rule_read(struct simnic_rule *rule, struct flow_stats *stats);

/* knobs.c: the module's parameters. */
enum simnic_masks {
	SIMNIC_MASKS_EXACT,		/* a field is matched as a whole or not at all */
	SIMNIC_MASKS_PREFIX,		/* prefixes of IPv4 addresses as well */
	SIMNIC_MASKS_ANY,
};

enum simnic_alter {
	SIMNIC_ALTER_NONE,
	SIMNIC_ALTER_IGNORE_TOS,	/* the match on ToS is left out */
	SIMNIC_ALTER_IGNORE_REWRITE,	/* headers stay as they are */
	SIMNIC_ALTER_WRONG_PORT,	/* outputs go to the port after */
	SIMNIC_ALTER_FIRST_ACTION,	/* the other actions are left out */
};

struct simnic_knobs {
	int ports, asics, first_port;
	int table_size, max_masks, max_actions;
	int insert_delay_us, delete_delay_us, stats_delay_us;
	int fail_next, fail_every, fail_errno;
	int lose_every;
	int counter_lag_ms;
	bool count_header, count_fcs;
	bool inert;
	bool priorities;
	bool feature_busy;
	unsigned int keys;		/* BIT(enum flow_dissector_key_id) */
	enum simnic_masks masks;
	enum simnic_alter alter;
	char fw_version[32];
	char flavours[SIMNIC_MAX_PORTS + 1];
};

extern struct simnic_knobs simnic_knobs;
char simnic_port_flavour(unsigned int number);
void simnic_fw_version(char *out, size_t size);

#endif
