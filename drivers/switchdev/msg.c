/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/switchdev/msg.h"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "lib/netdev/rtnl.h"

/* NULL, and the message freed, if not everything fitted. */
static struct nl_msg *
finish(struct nl_msg *msg, int error)
{
    if (error) {
        nlmsg_free(msg);
        return NULL;
    }
    return msg;
}

static struct nl_msg *
link_msg(int type, int flags, unsigned char family, int ifindex)
{
    struct ifinfomsg ifi = { .ifi_family = family, .ifi_index = ifindex };
    return rtnl_msg_new(type, flags, &ifi, sizeof ifi);
}

/* --- links -------------------------------------------------------------------------------- */

struct nl_msg *
switchdev_msg_get_link(int ifindex)
{
    return link_msg(RTM_GETLINK, 0, AF_UNSPEC, ifindex);
}

struct nl_msg *
switchdev_msg_dump_links(void)
{
    return link_msg(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 0);
}

static int
put_bridge(struct nl_msg *msg, const char *name)
{
    struct nlattr *info, *data;
    if (nla_put_string(msg, IFLA_IFNAME, name) || !(info = nla_nest_start(msg, IFLA_LINKINFO))
        || nla_put_string(msg, IFLA_INFO_KIND, "bridge")
        || !(data = nla_nest_start(msg, IFLA_INFO_DATA))
        || nla_put_u32(msg, IFLA_BR_STP_STATE, 0)
        || nla_put_u8(msg, IFLA_BR_VLAN_FILTERING, 1)
        || nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0)
        || nla_put_u16(msg, IFLA_BR_VLAN_DEFAULT_PVID, 0)) {
        return -1;
    }
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    return 0;
}

struct nl_msg *
switchdev_msg_add_bridge(const char *name)
{
    struct nl_msg *msg = link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, AF_UNSPEC, 0);
    return msg ? finish(msg, put_bridge(msg, name)) : NULL;
}

struct nl_msg *
switchdev_msg_set_alias(int ifindex, const char *alias)
{
    struct nl_msg *msg = link_msg(RTM_SETLINK, 0, AF_UNSPEC, ifindex);
    return msg ? finish(msg, nla_put_string(msg, IFLA_IFALIAS, alias)) : NULL;
}

struct nl_msg *
switchdev_msg_del_link(int ifindex)
{
    return link_msg(RTM_DELLINK, 0, AF_UNSPEC, ifindex);
}

struct nl_msg *
switchdev_msg_set_master(int ifindex, int master)
{
    struct nl_msg *msg = link_msg(RTM_SETLINK, 0, AF_UNSPEC, ifindex);
    return msg ? finish(msg, nla_put_u32(msg, IFLA_MASTER, (uint32_t) master)) : NULL;
}

/* --- ports of the bridge ------------------------------------------------------------------- */

static struct nl_msg *
set_flags(int ifindex, const int *flags, size_t n, bool on)
{
    struct nl_msg *msg = link_msg(RTM_SETLINK, 0, AF_BRIDGE, ifindex);
    struct nlattr *info = msg ? nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED) : NULL;
    int error = info ? 0 : -1;
    for (size_t i = 0; !error && i < n; i++) {
        error = nla_put_u8(msg, flags[i], on);
    }
    if (!error) {
        nla_nest_end(msg, info);
    }
    return msg ? finish(msg, error) : NULL;
}

struct nl_msg *
switchdev_msg_set_learning(int ifindex, bool on)
{
    static const int flags[] = { IFLA_BRPORT_LEARNING };
    return set_flags(ifindex, flags, 1, on);
}

struct nl_msg *
switchdev_msg_set_flooding(int ifindex, bool on)
{
    static const int flags[] = { IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD,
                                 IFLA_BRPORT_BCAST_FLOOD };
    return set_flags(ifindex, flags, 3, on);
}

static int
put_vlan(struct nl_msg *msg, uint16_t vid, uint16_t flags)
{
    struct bridge_vlan_info info = { .flags = flags, .vid = vid };
    return nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof info, &info);
}

struct nl_msg *
switchdev_msg_disable(int ifindex)
{
    static const int state[] = { IFLA_BRPORT_STATE };
    _Static_assert(BR_STATE_DISABLED == false, "what is put for 'off'");
    return set_flags(ifindex, state, 1, false);
}

struct nl_msg *
switchdev_msg_add_vlans(int ifindex, uint16_t first, uint16_t last, bool untagged)
{
    uint16_t flags = untagged ? BRIDGE_VLAN_INFO_UNTAGGED | BRIDGE_VLAN_INFO_PVID : 0;
    struct nl_msg *msg = link_msg(RTM_SETLINK, 0, AF_BRIDGE, ifindex);
    struct nlattr *spec = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
    int error = spec ? 0 : -1;
    if (!error && first == last) {
        error = put_vlan(msg, first, flags);
    } else if (!error) {
        error = put_vlan(msg, first, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
        error = error ? error : put_vlan(msg, last, flags | BRIDGE_VLAN_INFO_RANGE_END);
    }
    if (!error) {
        nla_nest_end(msg, spec);
    }
    return msg ? finish(msg, error) : NULL;
}

/* --- forwarding entries ---------------------------------------------------------------------- */

static struct nl_msg *
fdb_msg(int type, int flags, int ifindex, uint8_t ndm_flags, uint16_t state, const uint8_t addr[6],
        uint16_t vid)
{
    struct ndmsg ndm = { .ndm_family = AF_BRIDGE, .ndm_ifindex = ifindex, .ndm_state = state,
                         .ndm_flags = ndm_flags };
    struct nl_msg *msg = rtnl_msg_new(type, flags, &ndm, sizeof ndm);
    int error = 0;
    if (msg && addr) {
        error = nla_put(msg, NDA_LLADDR, 6, addr);
        error = error || !vid ? error : nla_put_u16(msg, NDA_VLAN, vid);
    }
    return msg ? finish(msg, error) : NULL;
}

struct nl_msg *
switchdev_msg_add_fdb(const struct switchdev_fdb *f)
{
    return fdb_msg(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, f->ifindex, NTF_MASTER, NUD_NOARP,
                   f->addr, f->vid);
}

struct nl_msg *
switchdev_msg_del_fdb(const struct switchdev_fdb *f)
{
    return fdb_msg(RTM_DELNEIGH, 0, f->ifindex, NTF_MASTER, 0, f->addr, f->vid);
}

/* NDA_MASTER narrows a question to one bridge. */
static struct nl_msg *
of_bridge(struct nl_msg *msg, int bridge)
{
    return msg ? finish(msg, nla_put_u32(msg, NDA_MASTER, (uint32_t) bridge)) : NULL;
}

struct nl_msg *
switchdev_msg_get_fdb(int bridge, const uint8_t addr[6], uint16_t vid)
{
    return of_bridge(fdb_msg(RTM_GETNEIGH, 0, 0, 0, 0, addr, vid), bridge);
}

struct nl_msg *
switchdev_msg_dump_fdb(int bridge)
{
    return of_bridge(fdb_msg(RTM_GETNEIGH, NLM_F_DUMP, 0, 0, 0, NULL, 0), bridge);
}

/* --- what the kernel says -------------------------------------------------------------------- */

static void
read_bytes(struct nlattr *attr, size_t max, uint8_t *out, unsigned *size)
{
    *size = attr && (size_t) nla_len(attr) <= max ? (unsigned) nla_len(attr) : 0;
    if (*size) {
        memcpy(out, nla_data(attr), *size);
    }
}

static void
read_string(struct nlattr *attr, char *out, size_t size)
{
    out[0] = '\0';
    if (attr) {
        nla_strlcpy(out, attr, size);
    }
}

bool
switchdev_msg_read_link(const struct nlmsghdr *hdr, struct switchdev_link *out)
{
    static struct nla_policy policy[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = { .type = NLA_STRING }, [IFLA_IFALIAS] = { .type = NLA_STRING },
        [IFLA_PHYS_PORT_NAME] = { .type = NLA_STRING }, [IFLA_MASTER] = { .type = NLA_U32 },
        [IFLA_LINKINFO] = { .type = NLA_NESTED },
    };
    struct nlattr *attrs[IFLA_MAX + 1];
    if (hdr->nlmsg_type != RTM_NEWLINK
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct ifinfomsg), attrs, IFLA_MAX,
                       policy) < 0) {
        return false;
    }
    const struct ifinfomsg *ifi = NLMSG_DATA(hdr);
    if (ifi->ifi_family != AF_UNSPEC || !attrs[IFLA_IFNAME]) {
        return false;
    }
    struct nlattr *info = attrs[IFLA_LINKINFO];
    *out = (struct switchdev_link) {
        .ifindex = ifi->ifi_index, .up = ifi->ifi_flags & IFF_UP,
        .master = attrs[IFLA_MASTER] ? (int) nla_get_u32(attrs[IFLA_MASTER]) : 0,
    };
    read_string(attrs[IFLA_IFNAME], out->name, sizeof out->name);
    read_string(attrs[IFLA_IFALIAS], out->alias, sizeof out->alias);
    read_string(attrs[IFLA_PHYS_PORT_NAME], out->port_name, sizeof out->port_name);
    read_string(info ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND) : NULL, out->kind,
                sizeof out->kind);
    read_bytes(attrs[IFLA_PHYS_SWITCH_ID], sizeof out->switch_id, out->switch_id,
               &out->switch_id_size);
    return true;
}

bool
switchdev_msg_read_fdb(const struct nlmsghdr *hdr, struct switchdev_fdb *out)
{
    static struct nla_policy policy[NDA_MAX + 1] = {
        [NDA_LLADDR] = { .minlen = 6, .maxlen = 6 }, [NDA_VLAN] = { .type = NLA_U16 },
        [NDA_MASTER] = { .type = NLA_U32 },
    };
    struct nlattr *attrs[NDA_MAX + 1];
    if ((hdr->nlmsg_type != RTM_NEWNEIGH && hdr->nlmsg_type != RTM_DELNEIGH)
        || nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct ndmsg), attrs, NDA_MAX,
                       policy) < 0) {
        return false;
    }
    const struct ndmsg *ndm = NLMSG_DATA(hdr);
    if (ndm->ndm_family != AF_BRIDGE || !attrs[NDA_LLADDR]) {
        return false;
    }
    *out = (struct switchdev_fdb) {
        .vid = attrs[NDA_VLAN] ? nla_get_u16(attrs[NDA_VLAN]) : 0, .ifindex = ndm->ndm_ifindex,
        .bridge = attrs[NDA_MASTER] ? (int) nla_get_u32(attrs[NDA_MASTER]) : 0,
        .is_static = ndm->ndm_state == NUD_NOARP, .offloaded = ndm->ndm_flags & NTF_OFFLOADED,
    };
    memcpy(out->addr, nla_data(attrs[NDA_LLADDR]), sizeof out->addr);
    return true;
}
