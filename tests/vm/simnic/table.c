// SPDX-License-Identifier: GPL-2.0
/*
 * The chip's table: a hash of masked keys for each mask. Of the rules that match, the one of the lowest
 * tc prio wins; within a prio the oldest mask, and within a mask the youngest rule: tc replaces
 * a rule by adding the new one before it deletes the old.
 */
#include <linux/delay.h>
#include <linux/if_vlan.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "simnic.h"

#define KEY_WORDS (sizeof(struct simnic_key) / sizeof(u32))

static void mask_key(struct simnic_key *out, const struct simnic_key *key,
		     const struct simnic_key *mask)
{
	const u32 *a = (const u32 *)key, *b = (const u32 *)mask;
	u32 *o = (u32 *)out;
	int i;

	for (i = 0; i < KEY_WORDS; i++)
		o[i] = a[i] & b[i];
}

static struct hlist_head *key_bucket(const struct simnic_table *table,
				     const struct simnic_key *key, const struct simnic_mask *mask)
{
	u32 hash = jhash2((const u32 *)key, KEY_WORDS, (u32)(unsigned long)mask);

	return &table->by_key[hash >> (32 - SIMNIC_HASH_BITS)];
}

static struct hlist_head *cookie_bucket(const struct simnic_table *table, unsigned long cookie)
{
	return &table->by_cookie[hash_long(cookie, SIMNIC_HASH_BITS)];
}

int simnic_table_init(struct simnic_table *table)
{
	INIT_LIST_HEAD(&table->masks);
	INIT_LIST_HEAD(&table->rules);
	table->by_key = kvcalloc(1 << SIMNIC_HASH_BITS, sizeof(*table->by_key), GFP_KERNEL);
	table->by_cookie = kvcalloc(1 << SIMNIC_HASH_BITS, sizeof(*table->by_cookie), GFP_KERNEL);
	if (table->by_key && table->by_cookie)
		return 0;
	simnic_table_fini(table);
	return -ENOMEM;
}

/* All rules have gone with the ports' queueing disciplines. */
void simnic_table_fini(struct simnic_table *table)
{
	WARN_ON(table->n_rules);
	kvfree(table->by_key);
	kvfree(table->by_cookie);
}

struct simnic_rule *simnic_table_lookup(const struct simnic_table *table,
					const struct simnic_key *key)
{
	struct simnic_rule *rule, *best = NULL;
	struct simnic_mask *mask;
	struct simnic_key masked;

	list_for_each_entry_rcu(mask, &table->masks, node) {
		mask_key(&masked, key, &mask->bits);
		hlist_for_each_entry_rcu(rule, key_bucket(table, &masked, mask), by_key) {
			if (rule->mask != mask || READ_ONCE(rule->lost) ||
			    memcmp(&rule->key, &masked, sizeof(masked)))
				continue;
			if (!best || (simnic_knobs.priorities && rule->prio < best->prio))
				best = rule;
		}
	}
	return best;
}

struct simnic_rule *simnic_table_find(const struct simnic_table *table,
				      const struct simnic_port *port, unsigned long cookie)
{
	struct simnic_rule *rule;

	hlist_for_each_entry(rule, cookie_bucket(table, cookie), by_cookie) {
		if (rule->cookie == cookie && rule->port == port)
			return rule;
	}
	return NULL;
}

static void put_mask(struct simnic_table *table, struct simnic_mask *mask)
{
	if (--mask->n_rules)
		return;
	list_del_rcu(&mask->node);
	table->n_masks--;
	synchronize_net();
	kfree(mask);
}

static struct simnic_mask *get_mask(struct simnic_table *table, const struct simnic_key *bits,
				    struct netlink_ext_ack *extack)
{
	struct simnic_mask *mask;

	list_for_each_entry(mask, &table->masks, node) {
		if (!memcmp(&mask->bits, bits, sizeof(*bits))) {
			mask->n_rules++;
			return mask;
		}
	}
	if (table->n_masks >= simnic_knobs.max_masks) {
		NL_SET_ERR_MSG_MOD(extack, "out of mask profiles");
		return ERR_PTR(-ENOSPC);
	}
	mask = kzalloc(sizeof(*mask), GFP_KERNEL);
	if (!mask)
		return ERR_PTR(-ENOMEM);
	mask->bits = *bits;
	mask->n_rules = 1;
	table->n_masks++;
	list_add_tail_rcu(&mask->node, &table->masks);
	return mask;
}

static bool is_to_be_lost(void)
{
	static unsigned int n;

	return simnic_knobs.lose_every > 0 && ++n % simnic_knobs.lose_every == 0;
}

/* The table owns 'rule' from then on; on failure it stays the caller's. */
int simnic_table_insert(struct simnic_table *table, struct simnic_rule *rule,
			const struct simnic_key *mask, struct netlink_ext_ack *extack)
{
	ASSERT_RTNL();
	if ((int)table->n_rules >= simnic_knobs.table_size) {
		NL_SET_ERR_MSG_MOD(extack, "flow table is full");
		return -ENOSPC;
	}
	rule->mask = get_mask(table, mask, extack);
	if (IS_ERR(rule->mask))
		return PTR_ERR(rule->mask);
	mask_key(&rule->key, &rule->key, mask);
	rule->used = rule->read_at = jiffies;
	rule->lost = is_to_be_lost();
	table->n_rules++;
	table->n_inserted++;
	table->inserted_ns = ktime_get_ns();
	list_add_tail(&rule->node, &table->rules);
	hlist_add_head(&rule->by_cookie, cookie_bucket(table, rule->cookie));
	hlist_add_head_rcu(&rule->by_key, key_bucket(table, &rule->key, rule->mask));
	return 0;
}

void simnic_table_remove(struct simnic_table *table, struct simnic_rule *rule)
{
	ASSERT_RTNL();
	list_del(&rule->node);
	hlist_del(&rule->by_cookie);
	hlist_del_rcu(&rule->by_key);
	table->n_rules--;
	put_mask(table, rule->mask);
	kfree_rcu(rule, rcu);
}

/* The n oldest rules that are still in the chip are no more. */
void simnic_table_lose(struct simnic_table *table, unsigned int n)
{
	struct simnic_rule *rule;

	ASSERT_RTNL();
	list_for_each_entry(rule, &table->rules, node) {
		if (!n)
			return;
		if (!rule->lost) {
			WRITE_ONCE(rule->lost, true);
			n--;
		}
	}
}

void simnic_rule_count(struct simnic_rule *rule, const struct sk_buff *skb)
{
	unsigned int size = skb->len;

	if (!simnic_knobs.count_header)
		size -= ETH_HLEN + (eth_hdr(skb)->h_proto == htons(ETH_P_8021Q) ? VLAN_HLEN : 0);
	if (simnic_knobs.count_fcs)
		size += ETH_FCS_LEN;
	atomic64_inc(&rule->packets);
	atomic64_add(size, &rule->bytes);
	WRITE_ONCE(rule->used, jiffies);
}

/* Tells tc what has been counted since the last time, as far as it has been read. */
void simnic_rule_read(struct simnic_rule *rule, struct flow_stats *stats)
{
	unsigned long lag = msecs_to_jiffies(simnic_knobs.counter_lag_ms);

	if (simnic_knobs.stats_delay_us > 0)
		fsleep(simnic_knobs.stats_delay_us);
	if (time_after_eq(jiffies, rule->read_at + lag)) {
		rule->read_packets = atomic64_read(&rule->packets);
		rule->read_bytes = atomic64_read(&rule->bytes);
		rule->read_at = jiffies;
	}
	flow_stats_update(stats, rule->read_bytes - rule->told_bytes,
			  rule->read_packets - rule->told_packets, 0, READ_ONCE(rule->used),
			  FLOW_ACTION_HW_STATS_DELAYED);
	rule->told_packets = rule->read_packets;
	rule->told_bytes = rule->read_bytes;
}
