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
#include "lib/netdev/feature.h"
#include "lib/netdev/ingress_drop.h"

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

/* --- what is there already ------------------------------------------------------------------------- */

struct survey {
    struct tc *tc;
    struct tc_port *port;
    unsigned n_ours;
};

static bool
count_stranger(void *aux, const struct flower_filter *filter)
{
    struct survey *survey = aux;
    if (flower_is_ingress(filter)) {
        tc_note_stranger(survey->tc, survey->port, filter, true);
    }
    return true;
}

int
tc_look_for_strangers(struct tc *tc, struct tc_port *port)
{
    struct survey survey = { tc, port, 0 };
    port->n_foreign = 0;
    return tc_look_at_port(tc, port, tc->kernel_has_terse, count_stranger, &survey);
}

static bool
survey_filter(void *aux, const struct flower_filter *filter)
{
    struct survey *survey = aux;
    struct tc_port *port = survey->port;
    struct tc_identity identity;
    if (!flower_is_ingress(filter)) {
        return true;
    }
    if (!tc_cookie_read(filter, &identity)) {
        tc_note_stranger(survey->tc, port, filter, true);
        return true;
    }
    struct tc_rule *rule = tc_rule_take(survey->tc, filter->place.handle);
    if (rule && tc_prio_hold(port, filter->place.prio, filter->place.protocol, identity.priority)) {
        survey->n_ours++;
        *rule = (struct tc_rule) { .cookie = identity.cookie, .port = port->no, .prio = filter->place.prio,
                                   .protocol = filter->place.protocol,
                                   .tagged = tc_is_tagged(filter->place.protocol),
                                   .print = tc_print(&filter->ops) };
    } else if (rule) {
        tc_rule_free(survey->tc, filter->place.handle);
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
    struct feature feature = { .known = false };
    if (tc->mode == TC_SKIP_HW
        || (!feature_get(port->name, "hw-tc-offload", &feature, NULL) && feature.on)) {
        return 0;
    }
    if (feature.can) {
        snprintf(error, HAL_ERROR_SIZE, "%s has hw-tc-offload switched off: ethtool -K %s hw-tc-offload on",
                 port->name, port->name);
    } else {
        snprintf(error, HAL_ERROR_SIZE, "%s takes no filters into hardware: its kernel driver has no "
                 "hw-tc-offload", port->name);
    }
    return -EOPNOTSUPP;
}

/* --- abilities ---------------------------------------------------------------------------------------- */

/* What another port that is of the same driver and firmware was found to take. */
static bool
copy_abilities(const struct tc *tc, struct tc_port *port)
{
    struct driver_info info, its;
    if (driver_info_get(port->name, &info, NULL) || !info.driver[0]) {
        return false;
    }
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        const struct tc_port *other = &tc->ports[i];
        if (other->no && other != port && other->tried && !other->gone
            && !driver_info_get(other->name, &its, NULL)
            && !strcmp(info.driver, its.driver) && !strcmp(info.firmware, its.firmware)) {
            port->able = other->able;
            return true;
        }
    }
    return false;
}

static int
try_port(struct tc *tc, struct tc_port *port, char *words)
{
    bool sure = false;
    if (tc->mode == TC_SKIP_HW) {
        tc_abilities_of_software(&port->able);
        return 0;
    }
    port->tried = copy_abilities(tc, port) || tc_probe_recall(tc, port, &port->able);
    if (port->tried) {
        return 0;
    }
    int result = tc_probe_port(tc, port, &sure, words);
    port->tried = !result;
    if (result) {
        tc_abilities_of_software(&port->able);
    } else if (sure) {
        tc_probe_remember(tc, port);
    }
    return result == -EAGAIN ? 0 : result;
}

/* What all can do, of which the HAL is told if it is not what it was. */
static void
sum_abilities(struct tc *tc)
{
    struct tc_abilities all;
    struct tc_limits limits = { 0 };
    bool tried = true;
    tc_abilities_of_software(&all);
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no) {
            tc_abilities_both(&all, &tc->ports[i].able);
            tc_limits_both(&limits, &tc->ports[i].limits);
            tried &= tc->ports[i].tried;
        }
    }
    if (tried != tc->tried || memcmp(&all, &tc->able, sizeof all)
        || memcmp(&limits, &tc->limits, sizeof limits)) {
        tc->able = all;
        tc->limits = limits;
        tc->num_of_vlans = all.num_of_vlans;
        tc->tried = tried;
        tc->host->event(tc->host, HAL_EVENT_CAPS, "the ports are others");
    }
}

/* A port that came may be what another one was lacking to be tried. */
static int
find_abilities(struct tc *tc, struct tc_port *port, char *error)
{
    char words[HAL_WORDS_SIZE] = "";
    int result = try_port(tc, port, words);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%s takes no filters into hardware: %s", port->name, words);
        return result;
    }
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no && !tc->ports[i].tried && !tc->ports[i].gone && &tc->ports[i] != port) {
            try_port(tc, &tc->ports[i], words);
        }
    }
    sum_abilities(tc);
    return 0;
}

/* What the driver does not say when it is tried. */
static void
look_up_limits(const struct tc *tc, struct tc_port *port)
{
    struct driver_info info;
    if (tc->mode == TC_SKIP_SW && !driver_info_get(port->name, &info, NULL)) {
        port->limits = tc_limits_of(info.driver, info.firmware);
    }
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
    look_up_limits(tc, port);
    result = find_abilities(tc, port, error);
    if (result) {
        return result;
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
        tc_forget_port(tc, port);
        port->no = 0;
    }
    return result;
}

/* A port that is down has a fence: its entries are on their way out, but not before it is said that
 * it is down. Where there is no room for one they go at once. */
static void
follow_config(struct tc *tc, struct tc_port *port, uint32_t config)
{
    bool down = config & PORT_CONFIG_DOWN, was_down = port->config & PORT_CONFIG_DOWN;
    port->config = config;
    if (down != was_down && !port->gone && tc_fence_port(tc, port, down) && down) {
        tc_flush_port(tc, port);
    }
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
    if (port->ifindex == from->ifindex || !from->ifindex) {
        port->gone |= !from->ifindex;
        follow_config(tc, port, from->config);
        return 0;
    }
    /* Another device of the name: nothing of the old one is left. */
    tc_forget_port(tc, port);
    struct tc_port again = { .no = port->no, .ifindex = from->ifindex, .config = from->config };
    snprintf(again.name, sizeof again.name, "%s", from->name);
    *port = again;
    int result = prepare(tc, port, error);
    port->gone = result != 0;
    sum_abilities(tc);
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
    if (!port->gone && !tc_prio_is_taken(port, TC_PRIO_FENCE)) {
        tc_fence_port(tc, port, false);      /* nothing of ours is left that it would stop */
    }
    if (port->made_qdisc && !port->gone) {
        ingress_drop_del_qdisc(port->ifindex);
    }
    port->no = 0;
    sum_abilities(tc);
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
