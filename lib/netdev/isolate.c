/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/isolate.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev/ingress_drop.h"
#include "lib/netdev/ipv6.h"
#include "lib/netdev/link.h"

struct isolation {
    int ifindex;
    uint32_t changes;                /* INGRESS_DROP_*: what is to be undone */
    int redirect_to;                 /* 0: frames are dropped */
    bool taken_over;                 /* from a process that has ended */
    struct ipv6_addresses *addresses;
    struct errmsg note;              /* "" if there is nothing to say */
};

/* Looks at what is there, and takes over what a process that has ended left. */
static int
take_over(struct isolation *isolation, struct errmsg *err)
{
    struct ingress_filters filters;
    int rc = ingress_drop_find(isolation->ifindex, &filters, err);
    if (rc || !filters.found) {
        return rc;
    }
    if (ingress_drop_maker_lives(&filters.ours)) {
        errmsg_set(err, "it is a port already, of process %u", filters.ours.pid);
        return -EBUSY;
    }
    isolation->changes = filters.ours.changes;
    isolation->taken_over = true;
    return 0;
}

static int
add_qdisc(struct isolation *isolation, struct errmsg *err)
{
    int rc = ingress_drop_add_qdisc(isolation->ifindex, err);
    if (!rc) {
        isolation->changes |= INGRESS_DROP_MADE_QDISC;
    }
    return rc == -EEXIST ? 0 : rc;
}

static int
put_filter(struct isolation *isolation, struct errmsg *err)
{
    struct ingress_drop drop;
    ingress_drop_self(&drop);
    drop.changes = isolation->changes;
    int rc = ingress_drop_put(isolation->ifindex, &drop, isolation->taken_over, err);
    struct ingress_filters filters;
    if (!rc && !ingress_drop_find(isolation->ifindex, &filters, NULL) && filters.n_others) {
        errmsg_set(&isolation->note, "%u ingress filter(s) of others run first: what they accept "
                   "or redirect also reaches the host's stack", filters.n_others);
    }
    return rc;
}

/* The filter is to say that IPv6 was on before it is switched off: a crash in between must
 * not lose that. */
static int
note_ipv6(struct isolation *isolation, const char *device, struct errmsg *err)
{
    if (ipv6_is_enabled(device) != 1) {
        return 0;
    }
    isolation->changes |= INGRESS_DROP_STOPPED_IPV6;
    return ipv6_save_addresses(isolation->ifindex, &isolation->addresses, err);
}

/* Where /proc/sys can't be written the port still works: nothing comes in, only the host's
 * own IPv6 may send. */
static void
stop_ipv6(struct isolation *isolation, const char *device)
{
    if (isolation->changes & INGRESS_DROP_STOPPED_IPV6) {
        ipv6_set_enabled(device, false, &isolation->note);
    }
}

static int
isolate(struct isolation *isolation, const char *device, struct errmsg *err)
{
    int rc = add_qdisc(isolation, err);
    rc = rc ? rc : note_ipv6(isolation, device, err);
    return rc ? rc : put_filter(isolation, err);
}

/* Back to what was there before, which may be what another process left. */
static void
give_up(struct isolation *isolation)
{
    if (!isolation->taken_over && (isolation->changes & INGRESS_DROP_MADE_QDISC)) {
        ingress_drop_del_qdisc(isolation->ifindex);
    }
    ipv6_free_addresses(isolation->addresses);
    free(isolation);
}

int
port_isolate(const char *device, int ifindex, struct isolation **out, struct errmsg *err)
{
    struct isolation *isolation = calloc(1, sizeof *isolation);
    if (!isolation) {
        errmsg_set(err, "%s: out of memory", device);
        return -ENOMEM;
    }
    isolation->ifindex = ifindex;
    int rc = take_over(isolation, err);
    rc = rc ? rc : isolate(isolation, device, err);
    if (rc) {
        errmsg_prefix(err, "%s: cannot keep its frames from the host's stack", device);
        give_up(isolation);
        return rc;
    }
    stop_ipv6(isolation, device);
    if (isolation->changes & INGRESS_DROP_TOOK_DOWN) {
        isolation_set_up(isolation, true, &isolation->note);
    }
    *out = isolation;
    return 0;
}

/* Writes down what is to be undone. */
static int
note_changes(const struct isolation *isolation, struct errmsg *err)
{
    struct ingress_drop drop;
    ingress_drop_self(&drop);
    drop.changes = isolation->changes;
    drop.redirect_to = isolation->redirect_to;
    return ingress_drop_put(isolation->ifindex, &drop, true, err);
}

int
isolation_redirect(struct isolation *isolation, int ifindex, struct errmsg *err)
{
    int before = isolation->redirect_to;
    isolation->redirect_to = ifindex;
    int rc = note_changes(isolation, err);
    if (rc) {
        isolation->redirect_to = before;
    }
    return rc;
}

int
isolation_mend(struct isolation *isolation, struct errmsg *err)
{
    int there = ingress_drop_is_there(isolation->ifindex);
    if (there) {
        return there == 1 || there == -ENODEV ? 0 : there;
    }
    struct ingress_drop drop;
    int rc = add_qdisc(isolation, err);
    ingress_drop_self(&drop);
    drop.changes = isolation->changes;
    drop.redirect_to = isolation->redirect_to;
    rc = rc ? rc : ingress_drop_put(isolation->ifindex, &drop, false, err);
    return rc == -ENODEV ? 0 : rc ? rc : 1;
}

int
isolation_set_up(struct isolation *isolation, bool up, struct errmsg *err)
{
    int rc = 0;
    if (!up && !(isolation->changes & INGRESS_DROP_TOOK_DOWN)) {
        isolation->changes |= INGRESS_DROP_TOOK_DOWN;
        rc = note_changes(isolation, err);     /* first: a crash must not leave it down */
    }
    rc = rc ? rc : link_set_up(isolation->ifindex, up, err);
    if (up && !rc && isolation->changes & INGRESS_DROP_TOOK_DOWN) {
        isolation->changes &= ~(uint32_t) INGRESS_DROP_TOOK_DOWN;
        rc = note_changes(isolation, err);
    }
    return rc;
}

const char *
isolation_note(const struct isolation *isolation)
{
    return isolation->note.text[0] ? isolation->note.text : NULL;
}

void
port_unisolate(struct isolation *isolation)
{
    if (!isolation) {
        return;
    }
    /* By its number: the name may have changed, or be another device's by now. */
    char name[IF_NAMESIZE];
    if (if_indextoname((unsigned) isolation->ifindex, name)) {
        if (isolation->changes & INGRESS_DROP_STOPPED_IPV6) {
            ipv6_set_enabled(name, true, NULL);
            ipv6_restore_addresses(isolation->addresses);
            isolation->addresses = NULL;
        }
        if (isolation->changes & INGRESS_DROP_TOOK_DOWN) {
            link_set_up(isolation->ifindex, true, NULL);
        }
        ingress_drop_del(isolation->ifindex);
        if (isolation->changes & INGRESS_DROP_MADE_QDISC) {
            ingress_drop_del_qdisc(isolation->ifindex);
        }
    }
    ipv6_free_addresses(isolation->addresses);
    free(isolation);
}
