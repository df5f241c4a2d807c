/* SPDX-License-Identifier: Apache-2.0 */
/* Looking without a daemon: every device that has a place for filters at its ingress is a port, of
 * the number that the device has. */
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "drivers/tc/tc.h"
#include "lib/netdev/ingress_drop.h"
#include "turnout/port.h"

/* The kinds of qdisc whose ingress takes filters. */
static int
is_ingress_kind(const struct nlattr *attr, void *aux)
{
    bool *found = aux;
    if (mnl_attr_get_type(attr) == TCA_KIND && mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0) {
        const char *kind = mnl_attr_get_payload(attr);
        size_t len = mnl_attr_get_payload_len(attr);
        *found = !strncmp(kind, "clsact", len) || !strncmp(kind, "ingress", len);
    }
    return MNL_CB_OK;
}

static void
add_device(struct tc *tc, int ifindex, unsigned *n)
{
    struct tc_port *port = *n < TC_MAX_PORTS ? &tc->ports[*n] : NULL;
    char name[IF_NAMESIZE];
    if (ifindex <= 0 || ifindex >= PORT_MAX || !if_indextoname((unsigned) ifindex, name)) {
        return;
    }
    if (!port) {
        tc->host->log(tc->host, LOG_WARNING, "%s is left out: there are %d devices already", name,
                      TC_MAX_PORTS);
        return;
    }
    *port = (struct tc_port) { .no = (uint16_t) ifindex, .ifindex = ifindex };
    snprintf(port->name, sizeof port->name, "%s", name);
    ++*n;
}

static int
find_devices(struct tc *tc)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    const struct nlmsghdr *message;
    unsigned n = 0;
    int result;
    request->nlmsg_type = RTM_GETQDISC;
    mnl_nlmsg_put_extra_header(request, sizeof(struct tcmsg));
    result = tc_dump_begin(tc->looks, request);
    while (!result && (result = tc_dump_next(tc->looks, &message)) > 0) {
        bool found = false;
        result = 0;
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct tcmsg)) {
            const struct tcmsg *qdisc = mnl_nlmsg_get_payload(message);
            mnl_attr_parse(message, sizeof *qdisc, is_ingress_kind, &found);
            if (found) {
                add_device(tc, qdisc->tcm_ifindex, &n);
            }
        }
    }
    return result;
}

struct counting {
    struct tc *tc;
    struct tc_port *port;
};

static bool
count(void *aux, const struct flower_filter *filter)
{
    struct counting *c = aux;
    struct tc_identity identity;
    bool ours = tc_cookie_read(filter, &identity);
    if (flower_is_ingress(filter)) {
        c->tc->n_used += ours;
        c->port->n_foreign += !ours && !tc_is_ingress_drop(filter);
    }
    return true;
}

bool
tc_is_ingress_drop(const struct flower_filter *filter)
{
    return filter->place.prio == INGRESS_DROP_PRIO && !strcmp(filter->kind, "bpf");
}

int
tc_look_around(struct tc *tc)
{
    int result = find_devices(tc);
    for (unsigned i = 0; i < TC_MAX_PORTS && tc->ports[i].no && !result; i++) {
        struct counting counting = { tc, &tc->ports[i] };
        result = tc_look_at_port(tc, &tc->ports[i], false, count, &counting);
    }
    return result;
}
