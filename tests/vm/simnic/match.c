// SPDX-License-Identifier: GPL-2.0
/* From what tc flower matches to a key and its mask, or to words that say what the chip lacks. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/flow_dissector.h>
#include <net/pkt_cls.h>

#include "simnic.h"

#define KEY(name) BIT(FLOW_DISSECTOR_KEY_##name)

/* All that the parser knows. The two kinds of addresses share their place in flower's keys, so both bits
 * are there when one is used. */
#define ALL_KEYS (KEY(CONTROL) | KEY(BASIC) | KEY(META) | KEY(ETH_ADDRS) | KEY(VLAN) |		\
		  KEY(IPV4_ADDRS) | KEY(IPV6_ADDRS) | KEY(PORTS) | KEY(IP) | KEY(ICMP) | KEY(ARP) |		\
		  KEY(NUM_OF_VLANS))
/* What can be matched whatever the knob says. */
#define FIXED_KEYS (KEY(CONTROL) | KEY(BASIC) | KEY(META) | KEY(IPV6_ADDRS))

struct match {
	const struct simnic_port *port;
	struct flow_rule *rule;
	struct netlink_ext_ack *extack;
	struct simnic_key *key, *mask;
};

static bool has(const struct match *m, enum flow_dissector_key_id id)
{
	return flow_rule_match_key(m->rule, id);
}

#define refuse(m, words)						\
	({								\
		NL_SET_ERR_MSG_MOD((m)->extack, words);			\
		-EOPNOTSUPP;						\
	})

static int match_keys(const struct match *m)
{
	unsigned int used = m->rule->match.dissector->used_keys;

	if (used & ~ALL_KEYS)
		return refuse(m, "unsupported match key");
	/* The address bit is also there for IPv6 or for no addresses at all. */
	if (used & ~(simnic_knobs.keys | FIXED_KEYS | KEY(IPV4_ADDRS)))
		return refuse(m, "match key is not supported by this chip");
	return 0;
}

static int match_meta(struct match *m)
{
	struct flow_match_meta meta;

	if (!has(m, FLOW_DISSECTOR_KEY_META))
		return 0;
	flow_rule_match_meta(m->rule, &meta);
	if (meta.mask->ingress_ifindex &&
	    meta.key->ingress_ifindex != rtnl_dereference(m->port->rep)->ifindex)
		return refuse(m, "indev is another port");
	return 0;
}

static int match_control(struct match *m)
{
	struct flow_match_control control;

	if (!has(m, FLOW_DISSECTOR_KEY_CONTROL))
		return 0;
	flow_rule_match_control(m->rule, &control);
	if (control.key->addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS)
		return refuse(m, "IPv6 addresses can't be matched");
	if (!control.mask->flags)
		return 0;
	if (control.mask->flags & ~FLOW_DIS_IS_FRAGMENT)
		return refuse(m, "of ip_flags, only frag can be matched");
	if (!(simnic_knobs.keys & KEY(CONTROL)))
		return refuse(m, "fragments can't be told from whole packets by this chip");
	m->mask->fragment = 0xff;
	m->key->fragment = !!(control.key->flags & FLOW_DIS_IS_FRAGMENT);
	return 0;
}

static void match_basic(struct match *m)
{
	struct flow_match_basic basic;

	if (!has(m, FLOW_DISSECTOR_KEY_BASIC))
		return;
	flow_rule_match_basic(m->rule, &basic);
	m->key->type = basic.key->n_proto;
	m->mask->type = basic.mask->n_proto;
	m->key->proto = basic.key->ip_proto;
	m->mask->proto = basic.mask->ip_proto;
}

static void match_eth(struct match *m)
{
	struct flow_match_eth_addrs eth;

	if (!has(m, FLOW_DISSECTOR_KEY_ETH_ADDRS))
		return;
	flow_rule_match_eth_addrs(m->rule, &eth);
	ether_addr_copy(m->key->dst, eth.key->dst);
	ether_addr_copy(m->mask->dst, eth.mask->dst);
	ether_addr_copy(m->key->src, eth.key->src);
	ether_addr_copy(m->mask->src, eth.mask->src);
}

/* A protocol that is not 802.1Q is that of a frame without a tag; "all" is any frame. */
static int match_vlan(struct match *m, __be16 protocol)
{
	struct flow_match_vlan vlan;

	if (protocol != htons(ETH_P_ALL))
		m->mask->tci = SIMNIC_TAGGED;
	if (protocol != htons(ETH_P_8021Q))
		return has(m, FLOW_DISSECTOR_KEY_VLAN) ? refuse(m, "only TPID 0x8100 is known") : 0;
	m->key->tci = SIMNIC_TAGGED;
	if (m->key->type == htons(ETH_P_8021Q))
		m->mask->type = 0;
	if (!has(m, FLOW_DISSECTOR_KEY_VLAN))
		return 0;
	flow_rule_match_vlan(m->rule, &vlan);
	if (vlan.mask->vlan_tpid && vlan.key->vlan_tpid != htons(ETH_P_8021Q))
		return refuse(m, "only TPID 0x8100 is known");
	m->key->tci |= vlan.key->vlan_id | vlan.key->vlan_priority << VLAN_PRIO_SHIFT;
	m->mask->tci |= vlan.mask->vlan_id | vlan.mask->vlan_priority << VLAN_PRIO_SHIFT;
	if (vlan.mask->vlan_eth_type) {
		m->key->type = vlan.key->vlan_eth_type;
		m->mask->type = vlan.mask->vlan_eth_type;
	}
	return 0;
}

/* "No tag" is all that can be said. */
static int match_n_tags(struct match *m)
{
	const struct flow_match *match = &m->rule->match;
	const struct flow_dissector_key_num_of_vlans *key;

	if (!has(m, FLOW_DISSECTOR_KEY_NUM_OF_VLANS))
		return 0;
	key = skb_flow_dissector_target(match->dissector, FLOW_DISSECTOR_KEY_NUM_OF_VLANS, match->key);
	if (key->num_of_vlans)
		return refuse(m, "tags can't be counted");
	m->mask->tci |= SIMNIC_TAGGED;
	return 0;
}

static int match_ip(struct match *m)
{
	struct flow_match_ipv4_addrs addrs;
	struct flow_match_ip ip;

	if (has(m, FLOW_DISSECTOR_KEY_IPV4_ADDRS)) {
		flow_rule_match_ipv4_addrs(m->rule, &addrs);
		m->key->sip = addrs.key->src;
		m->mask->sip = addrs.mask->src;
		m->key->dip = addrs.key->dst;
		m->mask->dip = addrs.mask->dst;
		if ((m->mask->sip || m->mask->dip) && !(simnic_knobs.keys & KEY(IPV4_ADDRS)))
			return refuse(m, "match key is not supported by this chip");
	}
	if (has(m, FLOW_DISSECTOR_KEY_IP)) {
		flow_rule_match_ip(m->rule, &ip);
		if (ip.mask->ttl)
			return refuse(m, "TTL can't be matched");
		m->key->tos = ip.key->tos;
		m->mask->tos = ip.mask->tos;
	}
	return 0;
}

static void match_l4(struct match *m)
{
	struct flow_match_ports ports;
	struct flow_match_icmp icmp;

	if (has(m, FLOW_DISSECTOR_KEY_PORTS)) {
		flow_rule_match_ports(m->rule, &ports);
		m->key->sport = ports.key->src;
		m->mask->sport = ports.mask->src;
		m->key->dport = ports.key->dst;
		m->mask->dport = ports.mask->dst;
	}
	if (has(m, FLOW_DISSECTOR_KEY_ICMP)) {
		flow_rule_match_icmp(m->rule, &icmp);
		m->key->sport = htons(icmp.key->type);
		m->mask->sport = htons(icmp.mask->type ? 0xff00 | icmp.mask->type : 0);
		m->key->dport = htons(icmp.key->code);
		m->mask->dport = htons(icmp.mask->code ? 0xff00 | icmp.mask->code : 0);
	}
}

static int match_arp(struct match *m)
{
	struct flow_dissector *dissector = m->rule->match.dissector;
	struct flow_dissector_key_arp *key, *mask;

	if (!has(m, FLOW_DISSECTOR_KEY_ARP))
		return 0;
	key = skb_flow_dissector_target(dissector, FLOW_DISSECTOR_KEY_ARP, m->rule->match.key);
	mask = skb_flow_dissector_target(dissector, FLOW_DISSECTOR_KEY_ARP, m->rule->match.mask);
	if (!is_zero_ether_addr(mask->sha) || !is_zero_ether_addr(mask->tha))
		return refuse(m, "hardware addresses of ARP can't be matched");
	m->key->proto = key->op;
	m->mask->proto = mask->op;
	m->key->sip = key->sip;
	m->mask->sip = mask->sip;
	m->key->dip = key->tip;
	m->mask->dip = mask->tip;
	return 0;
}

static bool is_all_or_none(const void *mask, size_t size)
{
	return !memchr_inv(mask, 0, size) || !memchr_inv(mask, 0xff, size);
}

static bool is_prefix(__be32 mask)
{
	u32 rest = ~ntohl(mask);

	return !(rest & (rest + 1));
}

/* ToS counts as a whole without its ECN bits, too. */
static bool tos_is_whole(u8 mask)
{
	return mask == 0 || mask == 0xff || mask == 0xfc;
}

static int match_masks(const struct match *m)
{
	const struct simnic_key *mask = m->mask;

	if (simnic_knobs.masks == SIMNIC_MASKS_ANY)
		return 0;
	if (!is_all_or_none(mask->dst, ETH_ALEN) || !is_all_or_none(mask->src, ETH_ALEN) ||
	    !is_all_or_none(&mask->sport, 2) || !is_all_or_none(&mask->dport, 2) ||
	    !tos_is_whole(mask->tos))
		return refuse(m, "this chip matches whole fields only");
	if (simnic_knobs.masks == SIMNIC_MASKS_EXACT &&
	    (!is_all_or_none(&mask->sip, 4) || !is_all_or_none(&mask->dip, 4)))
		return refuse(m, "this chip matches whole fields only");
	if (!is_prefix(mask->sip) || !is_prefix(mask->dip))
		return refuse(m, "this chip matches prefixes of addresses only");
	return 0;
}

int simnic_match_parse(const struct simnic_port *port, struct flow_cls_offload *flower,
		       struct simnic_key *key, struct simnic_key *mask)
{
	struct match m = {
		.port = port,
		.rule = flow_cls_offload_flow_rule(flower),
		.extack = flower->common.extack,
		.key = key,
		.mask = mask,
	};
	int err;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	key->port = port->id;
	mask->port = 0xff;
	match_basic(&m);
	match_eth(&m);
	match_l4(&m);
	err = match_keys(&m) ?: match_meta(&m) ?: match_control(&m) ?:
	      match_vlan(&m, flower->common.protocol) ?: match_n_tags(&m) ?: match_ip(&m) ?:
	      match_arp(&m) ?: match_masks(&m);
	if (!err && simnic_knobs.alter == SIMNIC_ALTER_IGNORE_TOS)
		mask->tos = 0;
	return err;
}
