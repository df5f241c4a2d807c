// SPDX-License-Identifier: GPL-2.0
/* A rule's actions: taken from tc, and executed on frames. */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/pkt_cls.h>

#include "simnic.h"

#define refuse(extack, words)				\
	({						\
		NL_SET_ERR_MSG_MOD(extack, words);	\
		-EOPNOTSUPP;				\
	})

static struct simnic_port *next_port(struct simnic_port *port)
{
	struct simnic_asic *asic = port->asic;

	return &asic->ports[(port - asic->ports + 1) % asic->n_ports];
}

static int parse_output(struct simnic_port *port, const struct flow_action_entry *entry,
			struct simnic_action *action, struct netlink_ext_ack *extack)
{
	action->port = simnic_port_of(entry->dev);
	if (!action->port || action->port->asic != port->asic)
		return refuse(extack, "output device is not a port of this switch");
	if (simnic_knobs.alter == SIMNIC_ALTER_WRONG_PORT)
		action->port = next_port(action->port);
	return 0;
}

static int parse_mangle(const struct flow_action_entry *entry, struct simnic_action *action,
			struct netlink_ext_ack *extack)
{
	switch (entry->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		break;
	default:
		return refuse(extack, "this header can't be rewritten");
	}
	action->mangle.base = entry->mangle.htype;
	action->mangle.offset = entry->mangle.offset;
	action->mangle.mask = entry->mangle.mask;
	action->mangle.value = entry->mangle.val;
	return 0;
}

static int parse_action(struct simnic_port *port, const struct flow_action_entry *entry,
			struct simnic_action *action, struct netlink_ext_ack *extack)
{
	action->id = entry->id;
	switch (entry->id) {
	case FLOW_ACTION_DROP:
	case FLOW_ACTION_TRAP:
	case FLOW_ACTION_VLAN_POP:
		return 0;
	case FLOW_ACTION_REDIRECT:
	case FLOW_ACTION_MIRRED:
		return parse_output(port, entry, action, extack);
	case FLOW_ACTION_VLAN_PUSH:
	case FLOW_ACTION_VLAN_MANGLE:
		if (entry->vlan.proto != htons(ETH_P_8021Q))
			return refuse(extack, "only TPID 0x8100 is known");
		action->tci = entry->vlan.vid | entry->vlan.prio << VLAN_PRIO_SHIFT;
		return 0;
	case FLOW_ACTION_MANGLE:
		return parse_mangle(entry, action, extack);
	case FLOW_ACTION_CSUM:
		action->csum_flags = entry->csum_flags;
		return 0;
	default:
		return refuse(extack, "unsupported action");
	}
}

/* Fills 'actions', which has room for all; returns how many, or a negative errno with words. */
int simnic_actions_parse(struct simnic_port *port, struct flow_cls_offload *flower,
			 struct simnic_action *actions)
{
	struct flow_action *list = &flow_cls_offload_flow_rule(flower)->action;
	struct netlink_ext_ack *extack = flower->common.extack;
	struct flow_action_entry *entry;
	int i, err;

	if (!flow_action_has_entries(list))
		return refuse(extack, "there is no action");
	if ((int)list->num_entries > simnic_knobs.max_actions)
		return refuse(extack, "too many actions");
	if (!flow_action_basic_hw_stats_check(list, extack))
		return -EOPNOTSUPP;
	flow_action_for_each(i, entry, list) {
		err = parse_action(port, entry, &actions[i], extack);
		if (err)
			return err;
	}
	return simnic_knobs.alter == SIMNIC_ALTER_FIRST_ACTION ? 1 : i;
}

static int vlan_modify(struct sk_buff *skb, u16 tci)
{
	if (eth_hdr(skb)->h_proto != htons(ETH_P_8021Q))
		return 0;
	if (skb_ensure_writable(skb, VLAN_ETH_HLEN))
		return -ENOMEM;
	/* the drop-eligible bit is not named by the action, and stays */
	tci |= ntohs(skb_vlan_eth_hdr(skb)->h_vlan_TCI) & VLAN_CFI_MASK;
	skb_vlan_eth_hdr(skb)->h_vlan_TCI = htons(tci);
	return 0;
}

static int vlan_pop(struct sk_buff *skb)
{
	u16 tci;

	return eth_hdr(skb)->h_proto == htons(ETH_P_8021Q) ? __skb_vlan_pop(skb, &tci) : 0;
}

static int mangle_at(const struct sk_buff *skb, const struct simnic_action *action)
{
	switch (action->mangle.base) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		return skb_network_offset(skb) + action->mangle.offset;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		return skb_transport_offset(skb) + action->mangle.offset;
	default:
		return (int)action->mangle.offset;
	}
}

static int mangle(struct sk_buff *skb, const struct simnic_action *action)
{
	int at = mangle_at(skb, action);
	u32 word;

	if (at < 0 || at + sizeof(word) > skb->len || skb_ensure_writable(skb, at + sizeof(word)))
		return -EINVAL;
	memcpy(&word, skb->data + at, sizeof(word));
	word = (word & action->mangle.mask) ^ action->mangle.value;
	memcpy(skb->data + at, &word, sizeof(word));
	return 0;
}

static void csum_l4(struct sk_buff *skb, struct iphdr *ip, u32 flags)
{
	int len = ntohs(ip->tot_len) - ip->ihl * 4;
	u8 *l4 = (u8 *)ip + ip->ihl * 4;
	__sum16 *sum;

	if (ip_is_fragment(ip) || len < 0 || l4 + len > skb_tail_pointer(skb))
		return;
	if (ip->protocol == IPPROTO_TCP && len >= sizeof(struct tcphdr) &&
	    flags & TCA_CSUM_UPDATE_FLAG_TCP)
		sum = &((struct tcphdr *)l4)->check;
	else if (ip->protocol == IPPROTO_UDP && len >= sizeof(struct udphdr) &&
		 flags & TCA_CSUM_UPDATE_FLAG_UDP && ((struct udphdr *)l4)->check)
		sum = &((struct udphdr *)l4)->check;
	else
		return;
	*sum = 0;
	*sum = csum_tcpudp_magic(ip->saddr, ip->daddr, len, ip->protocol,
				 csum_partial(l4, len, 0));
	if (ip->protocol == IPPROTO_UDP && !*sum)
		*sum = CSUM_MANGLED_0;
}

/* Sums are made anew. A UDP sum of 0 stays. */
static int csum(struct sk_buff *skb, u32 flags)
{
	int at = skb_network_offset(skb);
	struct iphdr *ip;

	if (at + sizeof(*ip) > skb->len)
		return 0;
	if (skb_linearize_cow(skb))
		return -ENOMEM;
	ip = ip_hdr(skb);
	if (ip->version != 4 || ip->ihl < 5 || at + ip->ihl * 4 > skb->len)
		return 0;
	if (flags & TCA_CSUM_UPDATE_FLAG_IPV4HDR)
		ip_send_check(ip);
	csum_l4(skb, ip, flags);
	return 0;
}

static bool is_rewrite(enum flow_action_id id)
{
	return id == FLOW_ACTION_MANGLE || id == FLOW_ACTION_CSUM;
}

/* 0: go on with the next action; else the frame is to be dropped. */
static int change_frame(struct sk_buff *skb, const struct simnic_action *action)
{
	if (is_rewrite(action->id) && simnic_knobs.alter == SIMNIC_ALTER_IGNORE_REWRITE)
		return 0;
	switch (action->id) {
	case FLOW_ACTION_VLAN_POP:
		return vlan_pop(skb);
	case FLOW_ACTION_VLAN_PUSH:
		return __vlan_insert_tag(skb, htons(ETH_P_8021Q), action->tci);
	case FLOW_ACTION_VLAN_MANGLE:
		return vlan_modify(skb, action->tci);
	case FLOW_ACTION_MANGLE:
		return mangle(skb, action);
	case FLOW_ACTION_CSUM:
		return csum(skb, action->csum_flags);
	default:
		return -EINVAL;
	}
}

/* Consumes 'skb'. Called under RCU. */
void simnic_actions_execute(const struct simnic_rule *rule, struct sk_buff *skb)
{
	const struct simnic_action *action;
	struct sk_buff *copy;

	for (action = rule->actions; action < rule->actions + rule->n_actions; action++) {
		switch (action->id) {
		case FLOW_ACTION_REDIRECT:
			simnic_port_send(action->port, skb);
			return;
		case FLOW_ACTION_TRAP:
			simnic_port_trap(rule->port, skb);
			return;
		case FLOW_ACTION_MIRRED:
			copy = skb_copy(skb, GFP_ATOMIC);
			if (copy)
				simnic_port_send(action->port, copy);
			break;
		default:
			if (change_frame(skb, action))
				goto drop;
		}
	}
drop:
	kfree_skb(skb);
}
