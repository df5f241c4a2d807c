/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/key_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "turnout/port.h"

enum { ETH_TYPE_IPV4 = 0x0800, ETH_TYPE_ARP = 0x0806 };

static bool
is_ipv4(const struct flow_key *key)
{
    return be16_to_host(key->dl_type) == ETH_TYPE_IPV4;
}

static bool
has_ports(const struct flow_key *key)
{
    return is_ipv4(key) && !(key->nw_frag & FLOW_FRAG_LATER)
           && (key->nw_proto == IPPROTO_TCP || key->nw_proto == IPPROTO_UDP);
}

/* Sets the bits of the TCI in 'mask'; a packet without a tag gets one. */
static void
set_tci(struct flow_key *key, uint16_t value, uint16_t mask)
{
    uint16_t tci = be16_to_host(key->vlan_tci) | FLOW_VLAN_PRESENT;
    key->vlan_tci = be16_from_host((tci & ~mask) | value);
}

bool
key_rewrite(struct flow_key *key, const struct action *action)
{
    switch ((enum action_type) action->type) {
    case ACTION_OUTPUT:
    case ACTION_ENQUEUE:
    case ACTION_CONTROLLER:
    case ACTION_SET_QUEUE:
    case ACTION_POP_QUEUE:
    case N_ACTION_TYPES:
        return true;
    case ACTION_DEC_TTL:      /* the key has no TTL */
        return is_ipv4(key);
    case ACTION_SET_VLAN_VID:
        set_tci(key, action->vlan_vid.vid, FLOW_VLAN_VID_MASK);
        return true;
    case ACTION_SET_VLAN_PCP:
        set_tci(key, action->vlan_pcp.pcp << FLOW_VLAN_PCP_SHIFT, FLOW_VLAN_PCP_MASK);
        return true;
    case ACTION_STRIP_VLAN: {
        bool tagged = key->vlan_tci.raw;
        key->vlan_tci.raw = 0;
        return tagged;
    }
    case ACTION_SET_DL_SRC:
        memcpy(key->dl_src, action->dl.addr, sizeof key->dl_src);
        return true;
    case ACTION_SET_DL_DST:
        memcpy(key->dl_dst, action->dl.addr, sizeof key->dl_dst);
        return true;
    case ACTION_SET_NW_SRC:
    case ACTION_SET_NW_DST:
        if (is_ipv4(key)) {
            *(action->type == ACTION_SET_NW_SRC ? &key->nw_src.ip4 : &key->nw_dst.ip4) =
                action->nw.addr;
        }
        return is_ipv4(key);
    case ACTION_SET_NW_TOS:
        if (is_ipv4(key)) {
            key->nw_tos = action->nw_tos.tos;
        }
        return is_ipv4(key);
    case ACTION_SET_TP_SRC:
    case ACTION_SET_TP_DST:
        if (has_ports(key)) {
            *(action->type == ACTION_SET_TP_SRC ? &key->tp_src : &key->tp_dst) = action->tp.port;
        }
        return has_ports(key);
    }
    return true;
}

void
key_to_match(const struct flow_key *key, struct flow_match *match)
{
    memset(match, 0, sizeof *match);
    struct flow_key *mask = &match->mask.bits;
    mask->in_port = 0xffff;
    memset(mask->dl_src, 0xff, sizeof mask->dl_src);
    memset(mask->dl_dst, 0xff, sizeof mask->dl_dst);
    mask->vlan_tci = be16_from_host(key->vlan_tci.raw ? 0xffff : FLOW_VLAN_PRESENT
                                                               | FLOW_VLAN_VID_MASK);
    mask->dl_type.raw = 0xffff;
    uint16_t type = be16_to_host(key->dl_type);
    if (type == ETH_TYPE_IPV4 || type == ETH_TYPE_ARP) {
        mask->nw_proto = 0xff;
        mask->nw_src.ip4.raw = mask->nw_dst.ip4.raw = UINT32_MAX;
    }
    if (type == ETH_TYPE_IPV4) {
        mask->nw_tos = 0xfc;
        mask->nw_frag = 0xff;
        if (has_ports(key) || key->nw_proto == IPPROTO_ICMP) {
            mask->tp_src.raw = mask->tp_dst.raw = 0xffff;
        }
    }
    flow_key_mask(key, &match->mask, &match->value);
}

static void
print_output(struct strbuf *out, uint16_t port, uint16_t max_len)
{
    static const struct {
        uint16_t port;
        const char *name;
    } names[] = {
        { PORT_IN_PORT, "in_port" }, { PORT_TABLE, "table" },   { PORT_NORMAL, "normal" },
        { PORT_FLOOD, "flood" },     { PORT_ALL, "all" },       { PORT_NONE, "none" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].port == port) {
            strbuf_printf(out, "%s", names[i].name);
            return;
        }
    }
    if (port == PORT_CONTROLLER) {
        strbuf_printf(out, "controller(max_len=%u)", max_len);
    } else {
        strbuf_printf(out, "%u", port);
    }
}

static void
print_controller(struct strbuf *out, const struct action *action)
{
    strbuf_printf(out, "controller(reason=%u,max_len=%u,id=%u)", action->controller.reason,
                  action->controller.max_len, action->controller.id);
}

static void
print_vlan(struct strbuf *out, const struct action *action, bool tagged)
{
    bool vid = action->type == ACTION_SET_VLAN_VID;
    if (!tagged) {
        strbuf_printf(out, "push_vlan(vid=%u,pcp=%u)", vid ? action->vlan_vid.vid : 0,
                      vid ? 0 : action->vlan_pcp.pcp);
    } else if (vid) {
        strbuf_printf(out, "set(vlan(vid=%u))", action->vlan_vid.vid);
    } else {
        strbuf_printf(out, "set(vlan(pcp=%u))", action->vlan_pcp.pcp);
    }
}

static void
print_ethernet(struct strbuf *out, const char *field, const uint8_t a[6])
{
    strbuf_printf(out, "set(eth(%s=%02x:%02x:%02x:%02x:%02x:%02x))", field, a[0], a[1], a[2],
                  a[3], a[4], a[5]);
}

static void
print_network(struct strbuf *out, const char *field, struct be32 addr)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &addr.raw, text, sizeof text);
    strbuf_printf(out, "set(ipv4(%s=%s))", field, text);
}

static void
print_transport(struct strbuf *out, const char *field, const struct action *action,
                const struct flow_key *key)
{
    strbuf_printf(out, "set(%s(%s=%u))", key->nw_proto == IPPROTO_TCP ? "tcp" : "udp", field,
                  be16_to_host(action->tp.port));
}

static void
print_action(struct strbuf *out, const struct action *action, const struct flow_key *key)
{
    switch ((enum action_type) action->type) {
    case ACTION_OUTPUT:
        print_output(out, action->output.port, action->output.max_len);
        break;
    case ACTION_ENQUEUE:
        strbuf_printf(out, "set_queue(%u),",
                      (unsigned) action->enqueue.queue_hi << 16 | action->enqueue.queue_lo);
        print_output(out, action->enqueue.port, 0);
        break;
    case ACTION_CONTROLLER:
        print_controller(out, action);
        break;
    case ACTION_SET_QUEUE:
        strbuf_printf(out, "set_queue(%u)", (unsigned) action->queue.hi << 16 | action->queue.lo);
        break;
    case ACTION_POP_QUEUE:
        strbuf_puts(out, "pop_queue");
        break;
    case ACTION_DEC_TTL:
        strbuf_printf(out, "dec_ttl");
        break;
    case ACTION_SET_VLAN_VID:
    case ACTION_SET_VLAN_PCP:
        print_vlan(out, action, key->vlan_tci.raw);
        break;
    case ACTION_STRIP_VLAN:
        strbuf_printf(out, "pop_vlan");
        break;
    case ACTION_SET_DL_SRC:
        print_ethernet(out, "src", action->dl.addr);
        break;
    case ACTION_SET_DL_DST:
        print_ethernet(out, "dst", action->dl.addr);
        break;
    case ACTION_SET_NW_SRC:
        print_network(out, "src", action->nw.addr);
        break;
    case ACTION_SET_NW_DST:
        print_network(out, "dst", action->nw.addr);
        break;
    case ACTION_SET_NW_TOS:
        strbuf_printf(out, "set(ipv4(tos=0x%x))", action->nw_tos.tos);
        break;
    case ACTION_SET_TP_SRC:
        print_transport(out, "src", action, key);
        break;
    case ACTION_SET_TP_DST:
        print_transport(out, "dst", action, key);
        break;
    case N_ACTION_TYPES:
        break;
    }
}

void
key_print_actions(struct strbuf *out, const struct action_list *actions,
                  const struct flow_key *key)
{
    struct flow_key now = *key;
    bool any = false;
    for (uint32_t i = 0; i < actions->len; i++) {
        const struct action *action = &actions->actions[i];
        struct flow_key before = now;
        if (key_rewrite(&now, action)) {
            strbuf_printf(out, "%s", any ? "," : "");
            print_action(out, action, &before);
            any = true;
        }
    }
    if (!any) {
        strbuf_printf(out, "drop");
    }
}
