/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/switchdev/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/netdev/ipv6.h"
#include "lib/netdev/link.h"
#include "lib/netdev/rtnl.h"

enum { MAX_NAMES = 1000, TRIES = 8 };

/* --- links -------------------------------------------------------------------------------- */

static int
take_link(const struct nlmsghdr *hdr, void *out)
{
    switchdev_msg_read_link(hdr, out);
    return 0;
}

int
switchdev_link_get(int ifindex, struct switchdev_link *out, struct errmsg *err)
{
    *out = (struct switchdev_link) { .ifindex = 0 };
    int error = rtnl_request(switchdev_msg_get_link(ifindex), take_link, out, err);
    return error ? error : out->ifindex == ifindex ? 0 : -ENODEV;
}

struct search {
    const char *mark;
    bool exact;
    struct switchdev_link found;
};

struct link_visit {
    void (*visit)(const struct switchdev_link *, void *aux);
    void *aux;
};

static int
visit_link(const struct nlmsghdr *hdr, void *visit)
{
    const struct link_visit *v = visit;
    struct switchdev_link link;
    if (switchdev_msg_read_link(hdr, &link)) {
        v->visit(&link, v->aux);
    }
    return 0;
}

int
switchdev_each_link(void (*visit)(const struct switchdev_link *, void *aux), void *aux,
                    struct errmsg *err)
{
    struct link_visit v = { visit, aux };
    int error = -EINTR;
    for (int i = 0; error == -EINTR && i < TRIES; i++) {    /* it was not one state */
        error = rtnl_request(switchdev_msg_dump_links(), visit_link, &v, err);
    }
    return error;
}

static void
look(const struct switchdev_link *link, void *search)
{
    struct search *s = search;
    if (!s->found.ifindex && !strcmp(link->kind, "bridge")
        && (s->exact ? !strcmp(link->alias, s->mark)
                     : !strncmp(link->alias, s->mark, strlen(s->mark)))) {
        s->found = *link;
    }
}

int
switchdev_bridge_find(const char *mark, bool exact, struct switchdev_link *out, struct errmsg *err)
{
    struct search search = { mark, exact, { .ifindex = 0 } };
    int error = switchdev_each_link(look, &search, err);
    if (!error) {
        *out = search.found;
    }
    return error;
}

/* --- the bridge ----------------------------------------------------------------------------- */

/* It is to send nothing of its own: no addresses, no neighbours asked for. */
static int
set_up_bridge(const char *name, const char *mark, struct switchdev_link *out, struct errmsg *err)
{
    struct link_info link;
    int error = link_get(name, &link, err);
    error = error ? error : rtnl_request(switchdev_msg_set_alias(link.ifindex, mark), NULL, NULL, err);
    if (!error && ipv6_is_enabled(name) > 0) {
        error = ipv6_set_enabled(name, false, err);
    }
    error = error ? error : link_set_up(link.ifindex, true, err);
    if (error && link.ifindex) {
        switchdev_bridge_delete(link.ifindex, NULL);
    }
    return error ? error : switchdev_link_get(link.ifindex, out, err);
}

int
switchdev_bridge_make(const char *mark, struct switchdev_link *out, struct errmsg *err)
{
    char name[PORT_NAME_SIZE];
    int error = -EEXIST;
    for (int i = 0; error == -EEXIST && i < MAX_NAMES; i++) {
        snprintf(name, sizeof name, "tnbr%d", i);
        error = rtnl_request(switchdev_msg_add_bridge(name), NULL, NULL, err);
    }
    error = error ? error : set_up_bridge(name, mark, out, err);
    if (error) {
        errmsg_prefix(err, "a bridge can't be made");
    }
    return error;
}

int
switchdev_bridge_delete(int bridge, struct errmsg *err)
{
    return rtnl_request(switchdev_msg_del_link(bridge), NULL, NULL, err);
}

/* --- its ports -------------------------------------------------------------------------------- */

static bool
has_vlan(const struct switchdev_membership *m, unsigned vid)
{
    return vid != m->pvid && m->vlans[vid / 64] >> (vid % 64) & 1;
}

static int
add_vlans(int ifindex, const struct switchdev_membership *m, struct errmsg *err)
{
    int error = rtnl_request(switchdev_msg_add_vlans(ifindex, m->pvid, m->pvid, true), NULL, NULL,
                             err);
    for (unsigned vid = 1, last; !error && vid < SWITCHDEV_VLANS - 1; vid = last + 1) {
        for (last = vid; has_vlan(m, last) && last < SWITCHDEV_VLANS - 2 && has_vlan(m, last + 1); ) {
            last++;
        }
        if (has_vlan(m, vid)) {
            error = rtnl_request(switchdev_msg_add_vlans(ifindex, (uint16_t) vid, (uint16_t) last,
                                                         false), NULL, NULL, err);
        }
    }
    if (error) {
        errmsg_prefix(err, "it does not take the VLANs");
    }
    return error;
}

/* The port is in no VLAN before these are off, so that nothing is ever flooded to it. */
static int
set_flags(int ifindex, const struct switchdev_membership *m, struct errmsg *err)
{
    int error = rtnl_request(switchdev_msg_set_learning(ifindex, false), NULL, NULL, err);
    if (error) {
        errmsg_prefix(err, "its learning can't be switched off");
        return error;
    }
    error = rtnl_request(switchdev_msg_set_flooding(ifindex, false), NULL, NULL, err);
    if (error && m->may_flood) {
        return 0;
    }
    if (error) {
        errmsg_prefix(err, "it floods by itself what no entry is for, and can't be told not to");
    }
    return error;
}

int
switchdev_bridge_join(int bridge, int ifindex, const struct switchdev_membership *m,
                      struct errmsg *err)
{
    int error = rtnl_request(switchdev_msg_set_master(ifindex, bridge), NULL, NULL, err);
    if (error) {
        errmsg_prefix(err, "it can't be a port of the bridge");
        return error;
    }
    error = set_flags(ifindex, m, err);
    error = error ? error : add_vlans(ifindex, m, err);
    if (error) {
        switchdev_bridge_leave(ifindex, NULL);
    }
    return error;
}

int
switchdev_bridge_leave(int ifindex, struct errmsg *err)
{
    return rtnl_request(switchdev_msg_set_master(ifindex, 0), NULL, NULL, err);
}

int
switchdev_bridge_disable(int ifindex, struct errmsg *err)
{
    return rtnl_request(switchdev_msg_disable(ifindex), NULL, NULL, err);
}

struct strays {
    int bridge;
    bool (*keep)(int ifindex, const void *aux);
    const void *aux;
    int found[64];
    unsigned n;
};

static void
note_stray(const struct switchdev_link *link, void *strays)
{
    struct strays *s = strays;
    if (link->master == s->bridge && s->n < sizeof s->found / sizeof s->found[0]
        && !s->keep(link->ifindex, s->aux)) {
        s->found[s->n++] = link->ifindex;
    }
}

int
switchdev_bridge_clean(int bridge, bool (*keep)(int ifindex, const void *aux), const void *aux,
                       struct errmsg *err)
{
    struct strays strays = { bridge, keep, aux, { 0 }, 0 };
    int error = switchdev_each_link(note_stray, &strays, err);
    for (unsigned i = 0; !error && i < strays.n; i++) {
        error = switchdev_bridge_leave(strays.found[i], err);
    }
    return error;
}

/* --- its entries -------------------------------------------------------------------------------- */

int
switchdev_fdb_add(const struct switchdev_fdb *f, struct errmsg *err)
{
    return rtnl_request(switchdev_msg_add_fdb(f), NULL, NULL, err);
}

int
switchdev_fdb_del(const struct switchdev_fdb *f, struct errmsg *err)
{
    return rtnl_request(switchdev_msg_del_fdb(f), NULL, NULL, err);
}

static int
take_fdb(const struct nlmsghdr *hdr, void *out)
{
    switchdev_msg_read_fdb(hdr, out);
    return 0;
}

int
switchdev_fdb_get(int bridge, const uint8_t addr[6], uint16_t vid, struct switchdev_fdb *out,
                  struct errmsg *err)
{
    *out = (struct switchdev_fdb) { .ifindex = 0 };
    int error = rtnl_request(switchdev_msg_get_fdb(bridge, addr, vid), take_fdb, out, err);
    return error ? error : out->ifindex ? 0 : -ENOENT;
}

struct each {
    int bridge;
    int (*visit)(const struct switchdev_fdb *, void *aux);
    void *aux;
};

static int
visit_fdb(const struct nlmsghdr *hdr, void *each)
{
    const struct each *e = each;
    struct switchdev_fdb f;
    if (!switchdev_msg_read_fdb(hdr, &f) || f.bridge != e->bridge || !f.is_static) {
        return 0;
    }
    return e->visit(&f, e->aux);
}

int
switchdev_fdb_each(int bridge, int (*visit)(const struct switchdev_fdb *, void *aux), void *aux,
                   struct errmsg *err)
{
    struct each each = { bridge, visit, aux };
    return rtnl_request(switchdev_msg_dump_fdb(bridge), visit_fdb, &each, err);
}
