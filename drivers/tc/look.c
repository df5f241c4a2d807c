/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel has: counters by terse dumps, entries by full ones. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/tc.h"
#include "lib/clock.h"
#include "lib/counters.h"

enum { DUMP_TRIES = 8 };

/* A dump of the filters at a port's ingress. */
static struct nlmsghdr *
dump_request(char *buffer, int ifindex, bool terse)
{
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETTFILTER;
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(request, sizeof *tc);
    tc->tcm_ifindex = ifindex;
    tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    if (terse) {
        struct nla_bitfield32 flags = { TCA_DUMP_FLAGS_TERSE, TCA_DUMP_FLAGS_TERSE };
        mnl_attr_put(request, TCA_DUMP_FLAGS, sizeof flags, &flags);
    }
    return request;
}

int
tc_look_at_port(struct tc *tc, const struct tc_port *port, bool terse,
                bool (*visit)(void *aux, const struct flower_filter *), void *aux)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct nlmsghdr *message;
    int result = tc_dump_begin(tc->looks, dump_request(buffer, port->ifindex, terse));
    while (!result && (result = tc_dump_next(tc->looks, &message)) > 0) {
        int error = flower_decode(message, message->nlmsg_len, &tc->made);
        result = 0;
        if (error == -EBADMSG) {
            counter_inc(COUNTER_tc_malformed);
        } else if (!error && !visit(aux, &tc->made)) {
            break;
        }
    }
    return result == -EINVAL ? 0 : result;   /* no qdisc: nothing is there */
}

/* --- counters ------------------------------------------------------------------------------------- */

void
tc_count(const struct tc *tc, const struct tc_rule *rule, const struct flower_stats *stats,
         struct hal_counters *out)
{
    struct hal_counters hardware, software;
    flower_counters(stats, rule->tagged, tc->hw_has_header, &hardware, &software);
    out->packets = rule->base_packets + hardware.packets + software.packets;
    out->bytes = rule->base_bytes + hardware.bytes + software.bytes;
    out->packets = out->packets > rule->packets ? out->packets : rule->packets;
    out->bytes = out->bytes > rule->bytes ? out->bytes : rule->bytes;
}

/* False: the filter is none that is known. */
static bool
read_one(struct tc *tc, const struct tc_port *port, const struct tc_reading *filter)
{
    struct tc_rule *rule = filter->handle < tc->n_rules ? &tc->rules[filter->handle] : NULL;
    if (!rule || !rule->cookie || rule->prio != filter->prio || rule->port != port->no
        || !tc_cookie_is_ours(filter->cookie, filter->cookie_size)) {
        return false;
    }
    if (!filter->stats.known) {
        return true;
    }
    struct hal_counters now;
    tc_count(tc, rule, &filter->stats, &now);
    rule->packets = now.packets;
    rule->bytes = now.bytes;
    rule->found = true;
    return true;
}

/* One that is not known of is a stranger's, or came before us. */
static void
note_other(struct tc *tc, struct tc_port *port, const struct nlmsghdr *message)
{
    if (!flower_decode(message, message->nlmsg_len, &tc->made) && flower_is_ingress(&tc->made)) {
        tc_note_stranger(tc, port, &tc->made, true);
    }
}

/* One dump. Kernels without terse ones send all, of which the same is read. */
static int
read_all(struct tc *tc, struct tc_port *port)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct nlmsghdr *message;
    struct tc_reading filter;
    int result = tc_dump_begin(tc->looks, dump_request(buffer, port->ifindex, tc->kernel_has_terse));
    port->n_foreign = tc->has_missed ? 0 : port->n_foreign;
    while (!result && (result = tc_dump_next(tc->looks, &message)) > 0) {
        result = 0;
        if (tc_read_terse(message, &filter) && !read_one(tc, port, &filter) && tc->has_missed) {
            note_other(tc, port, message);
        }
    }
    return result == -EINVAL ? 0 : result;   /* no qdisc: nothing is there */
}

/* The filters that a dump did not show are not there any more. */
static void
forget_gone(struct tc *tc, uint16_t no)
{
    for (uint32_t i = 1; i < tc->n_rules; i++) {
        const struct tc_rule *rule = &tc->rules[i];
        if (rule->cookie && rule->port == no && !rule->found && !rule->deleted) {
            tc_rule_free(tc, i);
        }
    }
}

static void
forget_found(struct tc *tc, uint16_t no)
{
    for (uint32_t i = 1; i < tc->n_rules; i++) {
        if (tc->rules[i].port == no) {
            tc->rules[i].found = tc->rules[i].is_new = false;
        }
    }
}

int
tc_read_port(struct tc *tc, struct tc_port *port)
{
    int error = -EINTR;
    for (unsigned i = 0; i < DUMP_TRIES && (error == -EINTR || error == -ENOBUFS); i++) {
        if (i) {
            counter_inc(COUNTER_tc_again);
        }
        forget_found(tc, port->no);
        error = read_all(tc, port);
    }
    if (!error) {
        forget_gone(tc, port->no);
    }
    for (uint32_t i = 1; error && i < tc->n_rules; i++) {
        tc->rules[i].found |= tc->rules[i].port == port->no;
    }
    return error;
}

/* How long to wait before all is read: a dump of many filters takes its time, and is not made again
 * before four times that, but for the lag that is promised. */
static uint64_t
wait_ms(const struct tc *tc, uint64_t now_ms)
{
    uint64_t pause = tc->read_for_ms * 4 > TC_LAG_MS ? tc->read_for_ms * 4 : TC_LAG_MS;
    pause = pause < TC_MAX_LAG_MS ? pause : TC_MAX_LAG_MS;
    return tc->read_ms && now_ms < tc->read_ms + pause ? tc->read_ms + pause - now_ms : 0;
}

/* A port that others may have changed unheard. */
static void
read_unheard(struct tc *tc, struct tc_port *port)
{
    tc_watch_mend_qdisc(tc, port);
    uint32_t before = tc->n_used;
    if (!tc_read_port(tc, port) && tc->n_used < before) {
        tc_watch_tell_gone(tc, port);
    }
}

static void
read_counters(struct tc *tc)
{
    uint64_t now_ms = clock_ms();
    if (wait_ms(tc, now_ms)) {
        return;
    }
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        struct tc_port *port = &tc->ports[i];
        if (port->no && !port->gone && tc->has_missed) {
            read_unheard(tc, port);
        } else if (port->no && !port->gone) {
            tc_read_port(tc, port);
        }
    }
    tc->has_missed &= tc->in_burst;
    tc->read_ms = clock_ms();
    tc->read_for_ms = tc->read_ms - now_ms;
}

int
tc_catch_up(struct tc *tc)
{
    uint64_t ms = wait_ms(tc, clock_ms());
    if (!ms) {
        read_counters(tc);
    }
    return ms ? (int) ms : -1;
}

int
tc_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
         struct hal_counters *out)
{
    struct tc *tc = device;
    read_counters(tc);
    for (size_t i = 0; i < n; i++) {
        const struct tc_rule *rule = tc_rule_find(tc, handles[i], cookies[i]);
        bool there = rule && (rule->found || rule->is_new);
        out[i] = there ? (struct hal_counters) { rule->packets, rule->bytes }
                 : (struct hal_counters) { UINT64_MAX, UINT64_MAX };
    }
    return 0;
}

/* --- entries ----------------------------------------------------------------------------------------- */

struct shown {
    struct hal_dumped dumped;
    struct flow_match match;
    char more[2 * FLOWER_WORDS_SIZE + 32];
    union {
        struct action_list list;
        uint64_t room[1 + FLOWER_MAX_ACTIONS];
    } actions;
};

/* What OpenFlow's words leave out of a filter: "also matches ct; also does tunnel_key". */
static void
tell_more(const struct flower_filter *filter, const char *more, struct shown *s)
{
    s->more[0] = '\0';
    if (strcmp(filter->kind, "flower")) {
        snprintf(s->more, sizeof s->more, "a %s filter", filter->kind);
    } else if (filter->more[0] || more[0]) {
        snprintf(s->more, sizeof s->more, "%s%s%s%s%s", filter->more[0] ? "also matches " : "",
                 filter->more, filter->more[0] && more[0] ? "; " : "", more[0] ? "also does " : "", more);
    }
}

/* The rule that a filter of ours has; NULL: it is not known of. */
static const struct tc_rule *
rule_of(const struct tc *tc, const struct tc_port *port, const struct flower_filter *filter)
{
    uint32_t handle = filter->place.handle;
    const struct tc_rule *rule = handle < tc->n_rules ? &tc->rules[handle] : NULL;
    return rule && rule->cookie && !rule->deleted && rule->port == port->no
           && rule->prio == filter->place.prio ? rule : NULL;
}

/* What the HAL is told of a filter. */
static void
describe(struct tc *tc, const struct tc_port *port, const struct flower_filter *filter, struct shown *s)
{
    char more[FLOWER_WORDS_SIZE];
    struct tc_identity identity = { 0 };
    bool ours = tc_cookie_read(filter, &identity);
    const struct tc_rule *rule = ours ? rule_of(tc, port, filter) : NULL;
    s->match = filter->match;
    s->match.value.in_port = port->no;
    s->match.mask.bits.in_port = UINT16_MAX;
    if (ours) {
        tc_restore_match(&identity, &s->match);
    }
    s->actions.list.len = 0;
    bool whole = flower_actions(&filter->ops, port->no, &tc->view, &s->actions.list, more) && !filter->more[0];
    tell_more(filter, more, s);
    s->dumped = (struct hal_dumped) {
        .more = whole ? NULL : s->more,
        .cookie = rule ? rule->cookie : identity.cookie,
        .handle = (uint64_t) port->no << 48 | (uint64_t) filter->place.prio << 32 | filter->place.handle,
        .entry = { &s->match, &s->actions.list, identity.priority,
                   identity.table < TC_N_TABLES ? identity.table : 0 },
        .foreign = !ours,
        .in_hardware = filter->flags & TCA_CLS_FLAGS_IN_HW,
        .as_told = rule && rule->print == tc_print(&filter->ops),
    };
    struct tc_rule as_found = { .tagged = tc_is_tagged(filter->place.protocol) };
    if (filter->stats.known) {
        tc_count(tc, rule ? rule : &as_found, &filter->stats, &s->dumped.counters);
    }
}

static struct tc_port *
port_number(struct tc *tc, unsigned at)
{
    while (at < TC_MAX_PORTS && (!tc->ports[at].no || tc->ports[at].gone)) {
        at++;
    }
    return at < TC_MAX_PORTS ? &tc->ports[at] : NULL;
}

/* The position is 1 + the port's place in the table, in the high half, and how many of its filters
 * were shown; a dump that another one was begun after begins again. */
static int
begin_at(struct tc *tc, uint64_t position)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct tc_port *port = port_number(tc, (unsigned) (position >> 32) - 1);
    const struct nlmsghdr *message;
    if (!port) {
        return 0;
    }
    int result = tc_dump_begin(tc->slow, dump_request(buffer, port->ifindex, false));
    for (uint32_t skip = (uint32_t) position; !result && skip; skip--) {
        result = tc_dump_next(tc->slow, &message);
        result = result == 1 ? 0 : -EINTR;
    }
    return result;
}

/* Shows the rest of a port's filters. 1: there are none left; 0: visit had enough. */
static int
visit_port(struct tc *tc, const struct tc_port *port, uint64_t *position,
           bool (*visit)(const struct hal_dumped *, void *), void *aux)
{
    static _Thread_local struct shown shown;
    const struct nlmsghdr *message;
    int result;
    while ((result = tc_dump_next(tc->slow, &message)) > 0) {
        ++*position;
        int error = flower_decode(message, message->nlmsg_len, &tc->made);
        if (error || !flower_is_ingress(&tc->made) || tc_is_a_guard(&tc->made)) {
            continue;
        }
        describe(tc, port, &tc->made, &shown);
        if (!visit(&shown.dumped, aux)) {
            return 0;
        }
    }
    return result == 0 || result == -EINVAL ? 1 : result;
}

int
tc_visit(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *), void *aux)
{
    struct tc *tc = device;
    if (!*position || *position != tc->visit_at) {
        *position = *position ? *position : UINT64_C(1) << 32;
        int error = begin_at(tc, *position);
        if (error) {
            return error == -ENOBUFS ? -EINTR : error;
        }
    }
    const struct tc_port *port;
    int result = 1;
    while (result == 1 && (port = port_number(tc, (unsigned) (*position >> 32) - 1))) {
        *position = (uint64_t) (port - tc->ports + 1) << 32 | (uint32_t) *position;
        result = visit_port(tc, port, position, visit, aux);
        if (result == 1) {
            *position = (uint64_t) (port - tc->ports + 2) << 32;
            int error = begin_at(tc, *position);
            result = error ? error : 1;
        }
    }
    tc->visit_at = *position;
    return result < 0 ? (result == -ENOBUFS ? -EINTR : result) : 0;
}

void
tc_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    const struct tc *tc = device;
    entries[TC_EXACT] = tc->n_used;
    entries[TC_RULES] = 0;
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        const struct tc_port *port = &tc->ports[i];
        entries[TC_EXACT] += port->no ? port->n_foreign : 0;
        for (unsigned k = 0; port->no && k < port->n_prios; k++) {
            uint32_t rules = port->prio[k].prio >= TC_PRIO_RULES ? port->prio[k].n : 0;
            entries[TC_EXACT] -= rules;
            entries[TC_RULES] += rules;
        }
    }
}
