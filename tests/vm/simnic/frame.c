// SPDX-License-Identifier: GPL-2.0
/* The chip's parser: from a frame to the key that the table is asked for. */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <net/ip.h>

#include "simnic.h"

struct vlan_tag {
	__be16 tci, type;
};

/* The addresses of ARP for Ethernet and IPv4. */
struct arp_body {
	u8 sha[ETH_ALEN];
	u8 sip[4];
	u8 tha[ETH_ALEN];
	u8 tip[4];
} __packed;

struct two_words {
	__be16 first, second;
};

static void parse_l4(struct sk_buff *skb, int at, struct simnic_key *key)
{
	struct two_words buffer, *words;
	u8 codes[2], *icmp;

	switch (key->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		words = skb_header_pointer(skb, at, sizeof(buffer), &buffer);
		if (words) {
			key->sport = words->first;
			key->dport = words->second;
		}
		break;
	case IPPROTO_ICMP:
		icmp = skb_header_pointer(skb, at, sizeof(codes), codes);
		if (icmp) {
			key->sport = htons(icmp[0]);
			key->dport = htons(icmp[1]);
		}
		break;
	}
}

static void parse_ip(struct sk_buff *skb, int at, struct simnic_key *key)
{
	struct iphdr buffer, *ip = skb_header_pointer(skb, at, sizeof(buffer), &buffer);

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return;
	key->proto = ip->protocol;
	key->tos = ip->tos;
	key->sip = ip->saddr;
	key->dip = ip->daddr;
	key->fragment = ip_is_fragment(ip);
	at += ip->ihl * 4;
	skb_set_transport_header(skb, at);
	if (!key->fragment)
		parse_l4(skb, at, key);
}

static void parse_arp(struct sk_buff *skb, int at, struct simnic_key *key)
{
	struct arphdr head_buffer, *head;
	struct arp_body body_buffer, *body;

	head = skb_header_pointer(skb, at, sizeof(head_buffer), &head_buffer);
	if (!head || head->ar_hrd != htons(ARPHRD_ETHER) || head->ar_pro != htons(ETH_P_IP) ||
	    head->ar_hln != ETH_ALEN || head->ar_pln != 4 || ntohs(head->ar_op) > 255)
		return;
	body = skb_header_pointer(skb, at + sizeof(*head), sizeof(body_buffer), &body_buffer);
	if (!body)
		return;
	key->proto = ntohs(head->ar_op);
	memcpy(&key->sip, body->sip, sizeof(key->sip));
	memcpy(&key->dip, body->tip, sizeof(key->dip));
}

void simnic_frame_parse(struct sk_buff *skb, const struct simnic_port *port,
			struct simnic_key *key)
{
	struct vlan_tag buffer, *tag;
	int at = ETH_HLEN;

	memset(key, 0, sizeof(*key));
	skb_reset_mac_header(skb);
	ether_addr_copy(key->dst, eth_hdr(skb)->h_dest);
	ether_addr_copy(key->src, eth_hdr(skb)->h_source);
	key->port = port->id;
	key->type = eth_hdr(skb)->h_proto;
	if (key->type == htons(ETH_P_8021Q)) {
		tag = skb_header_pointer(skb, at, sizeof(buffer), &buffer);
		if (tag) {
			key->tci = (ntohs(tag->tci) & ~VLAN_CFI_MASK) | SIMNIC_TAGGED;
			key->type = tag->type;
			at += sizeof(*tag);
		}
	}
	if (!eth_proto_is_802_3(key->type))
		key->type = htons(ETH_P_802_2);
	skb_set_network_header(skb, at);
	skb_set_transport_header(skb, at);
	if (key->type == htons(ETH_P_IP))
		parse_ip(skb, at, key);
	else if (key->type == htons(ETH_P_ARP))
		parse_arp(skb, at, key);
}
