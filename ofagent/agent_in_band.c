/* SPDX-License-Identifier: Apache-2.0 */
/* In-band control: which hidden rules a controller that is reached through LOCAL needs.
 *
 * What LOCAL says for itself leaves as NORMAL has it; what is said to it comes in at LOCAL alone:
 *
 *   DHCP      requests of LOCAL's; answers for its hardware address
 *   ARP       all of LOCAL's; answers to it; requests for one of its addresses
 *   TCP       to and from each controller that the switch connects to, address and port; and each
 *             port that it listens on for controllers, at LOCAL's addresses
 *
 * They follow targets, LOCAL's hardware address and its IPv4 addresses as these change. Addresses
 * of gateways need not be known: ARP goes by LOCAL's side of it. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/flow_text.h"
#include "lib/netdev/address.h"
#include "ofagent/endpoint_private.h"

LOG_MODULE(agent);

enum { MAX_RULES = 65536, MAX_ADDRESSES = 64 };

/* Where OpenFlow goes. */
struct in_band_target {
    bool listens;
    struct be32 address;             /* the controller's, or where we listen (0: anywhere) */
    uint16_t port;
};

struct in_band_rule {
    struct flow_match match;
    uint16_t rank, port;             /* DP_HIDDEN_*; where it outputs */
};

/* The rules that there should be. */
struct in_band_rules {
    struct in_band_rule *rules;
    size_t n, capacity;
    bool failed;                     /* no memory */
    char local[18];                  /* LOCAL's hardware address */
    struct be32 addresses[MAX_ADDRESSES];
    size_t n_addresses;
};

/* --- what there should be ------------------------------------------------------------------ */

static struct in_band_rule *
append(struct in_band_rules *list)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        struct in_band_rule *rules = realloc(list->rules, capacity * sizeof *rules);
        if (!rules) {
            list->failed = true;
            return NULL;
        }
        list->rules = rules;
        list->capacity = capacity;
    }
    return &list->rules[list->n++];
}

/* 'format' gives the match, as ovs-ofctl writes it, without LOCAL's part. */
static void __attribute__((format(printf, 3, 4)))
want(struct in_band_rules *list, uint16_t rank, const char *format, ...)
{
    char text[160], match[200];
    struct errmsg err;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct in_band_rule *rule = append(list);
    if (rule) {
        bool from = rank == DP_HIDDEN_FROM_LOCAL;
        snprintf(match, sizeof match, "%s%s", text, from ? ",in_port=65534" : "");
        rule->rank = rank;
        rule->port = from ? PORT_NORMAL : PORT_LOCAL;
        int error = flow_match_parse(match, NULL, &rule->match, &err);
        assert(!error);
        (void) error;
    }
}

static void
want_basics(struct in_band_rules *list)
{
    const char *local = list->local;
    want(list, DP_HIDDEN_FROM_LOCAL, "udp,dl_src=%s,tp_src=68,tp_dst=67", local);
    want(list, DP_HIDDEN_TO_LOCAL, "udp,dl_dst=%s,tp_src=67,tp_dst=68", local);
    want(list, DP_HIDDEN_TO_LOCAL, "udp,dl_dst=ff:ff:ff:ff:ff:ff,tp_src=67,tp_dst=68");
    want(list, DP_HIDDEN_FROM_LOCAL, "arp,dl_src=%s", local);
    want(list, DP_HIDDEN_TO_LOCAL, "arp,arp_op=2,dl_dst=%s", local);
    for (size_t i = 0; i < list->n_addresses; i++) {
        char address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &list->addresses[i].raw, address, sizeof address);
        want(list, DP_HIDDEN_TO_LOCAL, "arp,arp_op=1,arp_tpa=%s", address);
    }
}

static void
want_controller(struct in_band_rules *list, const struct in_band_target *target)
{
    char address[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &target->address.raw, address, sizeof address);
    want(list, DP_HIDDEN_FROM_LOCAL, "tcp,dl_src=%s,nw_dst=%s,tp_dst=%u", list->local, address,
         target->port);
    want(list, DP_HIDDEN_TO_LOCAL, "tcp,dl_dst=%s,nw_src=%s,tp_src=%u", list->local, address,
         target->port);
}

static void
want_listener(struct in_band_rules *list, const struct in_band_target *target)
{
    for (size_t i = 0; i < list->n_addresses; i++) {
        char address[INET_ADDRSTRLEN];
        if (target->address.raw && target->address.raw != list->addresses[i].raw) {
            continue;
        }
        inet_ntop(AF_INET, &list->addresses[i].raw, address, sizeof address);
        want(list, DP_HIDDEN_FROM_LOCAL, "tcp,dl_src=%s,nw_src=%s,tp_src=%u", list->local,
             address, target->port);
        want(list, DP_HIDDEN_TO_LOCAL, "tcp,dl_dst=%s,nw_dst=%s,tp_dst=%u", list->local, address,
             target->port);
    }
}

/* False if it is not TCP over IPv4, or its address is not known yet. */
static bool
describe(const struct endpoint *e, struct in_band_target *out)
{
    const struct target *t = &e->target;
    if (t->kind == TARGET_UNIX || t->kind == TARGET_PUNIX || !t->addr_size) {
        return false;
    }
    out->listens = endpoint_listens(e);
    out->port = out->listens ? endpoint_tcp_port(e) : t->port;
    if (t->addr.sa.sa_family == AF_INET) {
        out->address.raw = t->addr.in.sin_addr.s_addr;
        return true;
    }
    out->address.raw = 0;
    if (out->listens && IN6_IS_ADDR_UNSPECIFIED(&t->addr.in6.sin6_addr)) {
        return true;                 /* anywhere, of IPv4 as well */
    }
    static struct log_limit limit;
    counter_inc(COUNTER_in_band_incomplete);
    log_warn_limited(&limit, "%s: %s: in-band control is for IPv4 only",
                     dp_bridge_name(e->agent->bridge), e->name);
    return false;
}

static void
find_addresses(const struct agent *agent, struct in_band_rules *list)
{
    struct errmsg err;
    int n = address_list(dp_bridge_name(agent->bridge), list->addresses, MAX_ADDRESSES, &err);
    if (n > MAX_ADDRESSES) {
        static struct log_limit limit;
        counter_inc(COUNTER_in_band_incomplete);
        log_warn_limited(&limit, "%s: LOCAL has %d addresses; in-band control is for %d of them",
                         dp_bridge_name(agent->bridge), n, MAX_ADDRESSES);
    }
    list->n_addresses = n < 0 ? 0 : n > MAX_ADDRESSES ? MAX_ADDRESSES : (size_t) n;
}

static void
make_list(const struct agent *agent, const uint8_t local[6], struct in_band_rules *list)
{
    snprintf(list->local, sizeof list->local, "%02x:%02x:%02x:%02x:%02x:%02x", local[0], local[1],
             local[2], local[3], local[4], local[5]);
    find_addresses(agent, list);
    want_basics(list);
    for (const struct endpoint *e = agent->endpoints; e; e = e->next) {
        struct in_band_target target;
        if (describe(e, &target)) {
            (target.listens ? want_listener : want_controller)(list, &target);
        }
    }
}

/* --- and how it comes to be ------------------------------------------------------------------- */

static bool
is_wanted(const struct in_band_rules *list, const struct flow_table *table, const struct flow *flow)
{
    struct ofp_match match;
    flow_get_match(table, flow, &match);
    for (size_t i = 0; i < list->n; i++) {
        if (list->rules[i].rank == flow->priority
            && !memcmp(&list->rules[i].match, &match.match, sizeof match.match)) {
            return true;
        }
    }
    return false;
}

static bool
change(struct agent *agent, struct ofp_flow_mod *fm)
{
    struct flow *flow;
    struct ofp_refusal refusal;
    if (!flow_table_mod(agent->hidden, fm, &flow, &refusal)) {
        return true;
    }
    static struct log_limit limit;
    counter_inc(COUNTER_in_band_incomplete);
    log_warn_limited(&limit, "%s: in-band control is incomplete: %s",
                     dp_bridge_name(agent->bridge), refusal.why);
    return false;
}

/* Takes out what is not wanted. Returns how many. */
static unsigned
remove_others(struct agent *agent, const struct in_band_rules *list, struct ofp_flow_mod *fm)
{
    static const struct ofp_match all;
    struct flow_cursor cursor;
    uint32_t budget = UINT32_MAX;
    unsigned n = 0;
    struct flow *flow;
    flow_cursor_open(agent->hidden, &cursor, &all, PORT_NONE);
    while ((flow = flow_cursor_next(agent->hidden, &cursor, &budget))) {
        if (!is_wanted(list, agent->hidden, flow)) {
            flow_get_match(agent->hidden, flow, &fm->match);
            fm->command = OFPFC_DELETE_STRICT;
            fm->priority = flow->priority;
            n += change(agent, fm);
        }
    }
    flow_cursor_close(&cursor);
    return n;
}

/* Adds what is missing. Returns how many. */
static unsigned
add_missing(struct agent *agent, const struct in_band_rules *list, struct ofp_flow_mod *fm)
{
    unsigned n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct in_band_rule *rule = &list->rules[i];
        if (classifier_find(dp_bridge_hidden(agent->bridge), &rule->match, rule->rank)) {
            continue;
        }
        fm->match = (struct ofp_match) { .match = rule->match };
        fm->command = OFPFC_ADD;
        fm->priority = rule->rank;
        fm->n_actions = 1;
        fm->actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = rule->port };
        n += change(agent, fm);
        dp_rules_deleted(agent->bridge, &rule->match);   /* hardware has no say in it either */
    }
    return n;
}

static void
make_it_so(struct agent *agent, const struct in_band_rules *list, const uint8_t *local)
{
    struct ofp_flow_mod *fm = calloc(1, sizeof *fm);
    if (!fm || list->failed) {
        counter_inc(COUNTER_in_band_incomplete);
        log_warn("%s: no memory for in-band control; it stays as it was",
                 dp_bridge_name(agent->bridge));
        free(fm);
        return;
    }
    fm->out_port = PORT_NONE;
    fm->buffer_id = OFP_NO_BUFFER;
    unsigned n_added = add_missing(agent, list, fm);
    unsigned n_removed = remove_others(agent, list, fm);
    free(fm);
    if (n_added || n_removed) {
        dp_bridge_set_in_band(agent->bridge, local);
        log_info("%s: in-band control: %u rules added, %u removed; there are %zu",
                 dp_bridge_name(agent->bridge), n_added, n_removed,
                 flow_table_count(agent->hidden));
    }
}

static void
on_addresses(void *agent)
{
    agent_update_in_band(agent);
}

/* What is only needed once it is on. */
static bool
prepare(struct agent *agent)
{
    struct errmsg err = { "no memory" };
    if (!agent->hidden) {
        agent->hidden = flow_table_new_hidden(agent->dp, agent->bridge, MAX_RULES);
    }
    if (!agent->addresses) {
        agent->addresses = address_monitor_new(agent->base, on_addresses, agent, &err);
    }
    if (!agent->hidden || !agent->addresses) {
        counter_inc(COUNTER_in_band_incomplete);
        log_error("%s: no in-band control: %s", dp_bridge_name(agent->bridge), err.text);
    }
    return agent->hidden && agent->addresses;
}

void
agent_update_in_band(struct agent *agent)
{
    struct port_info info;
    struct in_band_rules list = { .n = 0 };
    if (agent->config.in_band && dp_port_get(agent->bridge, PORT_LOCAL, &info)
        && prepare(agent)) {
        make_list(agent, info.hw_addr, &list);
        make_it_so(agent, &list, info.hw_addr);
    } else if (agent->hidden) {
        make_it_so(agent, &list, NULL);
    }
    free(list.rules);
}

void
agent_free_in_band(struct agent *agent)
{
    agent->config.in_band = false;
    address_monitor_free(agent->addresses);
    agent->addresses = NULL;
    flow_table_free(agent->hidden);
    agent->hidden = NULL;
}

struct flow_table *
agent_in_band_flows(struct agent *agent)
{
    return agent->hidden;
}
