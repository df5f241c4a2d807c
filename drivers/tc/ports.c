/* SPDX-License-Identifier: Apache-2.0 */
/* The devices behind ports: which switch they belong to, whether they take filters, and whose
 * filters are there already. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "drivers/tc/tc.h"
#include "lib/netdev/ingress_drop.h"
#include "lib/netdev/offload_feature.h"

struct tc_port *
tc_port_find(struct tc *tc, uint16_t no)
{
    for (unsigned i = 0; no && i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no == no) {
            return &tc->ports[i];
        }
    }
    return NULL;
}

struct tc_port *
tc_port_of_device(struct tc *tc, int ifindex)
{
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no && tc->ports[i].ifindex == ifindex) {
            return &tc->ports[i];
        }
    }
    return NULL;
}

static int
view_ifindex(const void *aux, uint16_t no)
{
    const struct tc *tc = aux;
    for (unsigned i = 0; no && i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no == no) {
            return tc->ports[i].gone ? 0 : tc->ports[i].ifindex;
        }
    }
    return 0;
}

static uint16_t
view_port(const void *aux, int ifindex)
{
    const struct tc *tc = aux;
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no && tc->ports[i].ifindex == ifindex) {
            return tc->ports[i].no;
        }
    }
    return 0;
}

void
tc_ports_view(struct tc *tc)
{
    tc->view = (struct flower_ports) { .ifindex = view_ifindex, .port = view_port, .aux = tc };
}

/* --- priorities ---------------------------------------------------------------------------------- */

static bool
is_taken(const struct tc_port *port, uint16_t prio)
{
    for (unsigned i = 0; i < port->n_taken; i++) {
        if (port->taken[i] == prio) {
            return true;
        }
    }
    return false;
}

static bool
is_used(const struct tc_port *port, uint16_t prio)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        if (port->prio[i].prio == prio) {
            return true;
        }
    }
    return false;
}

uint16_t
tc_prio_exact(struct tc_port *port, uint16_t protocol)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        if (port->prio[i].protocol == protocol && port->prio[i].prio < TC_PRIO_EXACT + TC_N_EXACT) {
            return port->prio[i].prio;
        }
    }
    uint16_t prio = TC_PRIO_EXACT;
    while (prio < TC_PRIO_EXACT + TC_N_EXACT && (is_taken(port, prio) || is_used(port, prio))) {
        prio++;
    }
    if (prio == TC_PRIO_EXACT + TC_N_EXACT || port->n_prios == TC_MAX_PROTOCOLS) {
        return 0;
    }
    port->prio[port->n_prios++] = (struct tc_prio) { .prio = prio, .protocol = protocol };
    return prio;
}

/* --- what is there already ------------------------------------------------------------------------- */

struct survey {
    struct tc *tc;
    struct tc_port *port;
    unsigned n_ours;
};

static void
note_stranger(struct survey *survey, const struct flower_filter *filter)
{
    struct tc_port *port = survey->port;
    uint16_t prio = filter->place.prio;
    port->n_foreign++;
    if (prio < TC_PRIO_FENCE || prio > TC_PRIO_LAST || is_taken(port, prio)) {
        return;
    }
    if (port->n_taken == sizeof port->taken / sizeof port->taken[0]) {
        return;                      /* adding one says that it is taken, too */
    }
    port->taken[port->n_taken++] = prio;
    survey->tc->host->log(survey->tc->host, LOG_INFO, "port %u, %s: a stranger's %s filter has "
                          "priority %u: another one is used instead", port->no, port->name,
                          filter->kind, prio);
}

static bool
survey_filter(void *aux, const struct flower_filter *filter)
{
    struct survey *survey = aux;
    struct tc_port *port = survey->port;
    uint64_t cookie;
    unsigned table;
    uint16_t priority;
    if (!flower_is_ingress(filter)
        || (filter->place.prio == INGRESS_DROP_PRIO && !strcmp(filter->kind, "bpf"))) {
        return true;                 /* the latter keeps the host's stack from the port's frames */
    }
    if (!tc_cookie_read(filter->cookie, filter->cookie_size, &cookie, &table, &priority)) {
        note_stranger(survey, filter);
        return true;
    }
    survey->n_ours++;
    if (!is_used(port, filter->place.prio) && port->n_prios < TC_MAX_PROTOCOLS) {
        port->prio[port->n_prios++] = (struct tc_prio) {
            .prio = filter->place.prio, .protocol = filter->place.protocol, .of_priority = priority,
        };
    }
    struct tc_rule *rule = tc_rule_take(survey->tc, filter->place.handle);
    if (rule) {
        *rule = (struct tc_rule) { .cookie = cookie, .port = port->no, .prio = filter->place.prio,
                                   .protocol = filter->place.protocol,
                                   .tagged = filter->place.protocol == ETH_P_8021Q };
    }
    return true;
}

/* --- links ------------------------------------------------------------------------------------------ */

static int
read_switch_id(const struct nlattr *attr, void *aux)
{
    struct tc_port *port = aux;
    if (mnl_attr_get_type(attr) == IFLA_PHYS_SWITCH_ID) {
        const uint8_t *bytes = mnl_attr_get_payload(attr);
        unsigned n = mnl_attr_get_payload_len(attr);
        for (unsigned i = 0; i < n && i < (sizeof port->switch_id - 1) / 2; i++) {
            snprintf(&port->switch_id[2 * i], 3, "%02x", bytes[i]);
        }
    }
    return MNL_CB_OK;
}

static void
read_link(void *aux, const struct nlmsghdr *message)
{
    if (message->nlmsg_type == RTM_NEWLINK) {
        mnl_attr_parse(message, sizeof(struct ifinfomsg), read_switch_id, aux);
    }
}

static int
look_at_link(struct tc *tc, struct tc_port *port, char *error)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETLINK;
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof *info);
    info->ifi_index = port->ifindex;
    port->switch_id[0] = '\0';
    int result = tc_request(tc->looks, request, read_link, port);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%s: %s", port->name, strerror(-result));
    }
    return result == -ENODEV || !result ? result : -EOPNOTSUPP;
}

static int
check_feature(const struct tc *tc, const struct tc_port *port, char *error)
{
    enum offload_feature on = offload_feature_get(port->name);
    if (tc->mode == TC_SKIP_HW || on == OFFLOAD_FEATURE_ON) {
        return 0;
    }
    if (on == OFFLOAD_FEATURE_OFF) {
        snprintf(error, HAL_ERROR_SIZE, "%s has hw-tc-offload switched off: ethtool -K %s hw-tc-offload on",
                 port->name, port->name);
    } else {
        snprintf(error, HAL_ERROR_SIZE, "%s takes no filters into hardware: its kernel driver has no "
                 "hw-tc-offload", port->name);
    }
    return -EOPNOTSUPP;
}

/* --- life --------------------------------------------------------------------------------------------- */

static int
prepare(struct tc *tc, struct tc_port *port, char *error)
{
    struct errmsg err = { "" };
    int result = look_at_link(tc, port, error);
    result = result ? result : check_feature(tc, port, error);
    if (result || tc->looks_only) {
        return result;
    }
    result = ingress_drop_add_qdisc(port->ifindex, &err);
    port->made_qdisc = !result;
    if (result && result != -EEXIST) {
        snprintf(error, HAL_ERROR_SIZE, "%s: no clsact qdisc: %s", port->name, err.text);
        return result == -ENODEV ? result : -EOPNOTSUPP;
    }
    struct survey survey = { tc, port, 0 };
    result = tc_look_at_port(tc, port, false, survey_filter, &survey);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%s: its filters can't be read: %s", port->name, strerror(-result));
        return -EOPNOTSUPP;
    }
    if (survey.n_ours) {
        tc->host->log(tc->host, LOG_INFO, "port %u, %s: %u filters of ours are there from before",
                      port->no, port->name, survey.n_ours);
    }
    return 0;
}

int
tc_port_add(void *device, const struct hal_port *from, char *error)
{
    struct tc *tc = device;
    struct tc_port *port = NULL;
    for (unsigned i = 0; i < TC_MAX_PORTS && !port; i++) {
        port = tc->ports[i].no ? NULL : &tc->ports[i];
    }
    if (!port || !from->ifindex) {
        snprintf(error, HAL_ERROR_SIZE, from->ifindex ? "there are %d ports already"
                 : "%d: only network devices take filters", from->ifindex ? TC_MAX_PORTS : from->no);
        return -EOPNOTSUPP;
    }
    *port = (struct tc_port) { .no = from->no, .ifindex = from->ifindex, .config = from->config };
    snprintf(port->name, sizeof port->name, "%s", from->name);
    int result = prepare(tc, port, error);
    if (result) {
        if (port->made_qdisc) {
            ingress_drop_del_qdisc(port->ifindex);
        }
        port->no = 0;
    }
    return result;
}

int
tc_port_change(void *device, const struct hal_port *from, char *error)
{
    struct tc *tc = device;
    struct tc_port *port = tc_port_find(tc, from->no);
    if (!port) {
        snprintf(error, HAL_ERROR_SIZE, "no port %u", from->no);
        return -ENODEV;
    }
    port->config = from->config;
    if (port->ifindex == from->ifindex || !from->ifindex) {
        port->gone |= !from->ifindex;
        return 0;
    }
    /* Another device of the name: nothing of the old one is left. */
    tc_forget_port(tc, port);
    struct tc_port again = { .no = port->no, .ifindex = from->ifindex, .config = from->config };
    snprintf(again.name, sizeof again.name, "%s", from->name);
    *port = again;
    int result = prepare(tc, port, error);
    port->gone = result != 0;
    return result;
}

void
tc_port_del(void *device, uint16_t no)
{
    struct tc *tc = device;
    struct tc_port *port = tc_port_find(tc, no);
    if (!port) {
        return;
    }
    tc_flush_port(tc, port);
    if (port->made_qdisc && !port->gone) {
        ingress_drop_del_qdisc(port->ifindex);
    }
    port->no = 0;
}

void
tc_forget_port(struct tc *tc, const struct tc_port *port)
{
    for (uint32_t i = 1; i < tc->n_rules; i++) {
        if (tc->rules[i].cookie && tc->rules[i].port == port->no) {
            tc_rule_free(tc, i);
        }
    }
}

/* --- outputs ------------------------------------------------------------------------------------------ */

static const struct tc_port *
find(const struct tc *tc, uint16_t no)
{
    for (unsigned i = 0; no && i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no == no) {
            return &tc->ports[i];
        }
    }
    return NULL;
}

int
tc_check_outputs(const struct tc *tc, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    const struct tc_port *in = find(tc, entry->match->value.in_port);
    for (uint32_t i = 0; in && tc->mode == TC_SKIP_SW && i < entry->actions->len; i++) {
        const struct action *a = &entry->actions->actions[i];
        const struct tc_port *out = a->type == ACTION_OUTPUT ? find(tc, a->output.port)
                                    : a->type == ACTION_ENQUEUE ? find(tc, a->enqueue.port) : NULL;
        if (out && strcmp(in->switch_id, out->switch_id)) {
            *verdict = (struct hal_verdict) { .reason = HAL_REASON_OUTPUT_OTHER_DEVICE,
                                              .field = HAL_OBJECT_NONE, .action = a->type,
                                              .port = out->no };
            snprintf(verdict->words, sizeof verdict->words, "%s is of switch %.40s, %s of %.40s",
                     in->name, in->switch_id[0] ? in->switch_id : "none", out->name,
                     out->switch_id[0] ? out->switch_id : "none");
            return -EOPNOTSUPP;
        }
    }
    return 0;
}
