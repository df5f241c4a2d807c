/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MOD: the five commands on the flow table. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/flow_table_private.h"

static int
refuse(struct ofp_refusal *refusal, enum counter counter, uint16_t code, const char *why)
{
    counter_inc(counter);
    *refusal = (struct ofp_refusal) { OFPET_FLOW_MOD_FAILED, code, why };
    return OFP_REFUSED;
}

static int
refuse_full(struct ofp_refusal *refusal, const char *why)
{
    return refuse(refusal, COUNTER_flow_table_full, OFPFMFC_ALL_TABLES_FULL, why);
}

/* The rank of the one flow that the message names; see flow_table.h about nx_match. */
static uint32_t
rank_of(const struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    const struct classifier *cls = ft->classifier;
    const struct flow_match *match = &fm->match.match;
    uint32_t rank = flow_rank(&fm->match, fm->priority);
    if (!fm->nxm || rank == RULE_RANK_EXACT || !classifier_has_exact(cls)
        || classifier_find(cls, match, rank)) {
        return rank;
    }
    const struct rule *exact = classifier_find(cls, match, RULE_RANK_EXACT);
    return exact && flow_of_rule(exact)->priority == fm->priority ? RULE_RANK_EXACT : rank;
}

struct flow *
flow_table_find(const struct flow_table *ft, const struct flow_match *match, uint32_t rank)
{
    struct rule *rule = classifier_find(ft->classifier, match, rank);
    return rule ? flow_of_rule(rule) : NULL;
}

static struct flow *
find(const struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    return flow_table_find(ft, &fm->match.match, rank_of(ft, fm));
}

struct flow *
flow_table_make(struct flow_table *ft, const struct flow_match *match, uint32_t rank,
                uint16_t priority, const struct action *list, uint32_t n_actions,
                struct ofp_refusal *refusal)
{
    const struct action_list *actions = action_intern_get(ft->actions, list, n_actions);
    if (!actions) {
        refuse_full(refusal, "no memory for the actions");
        return NULL;
    }
    size_t size = offsetof(struct flow, rule) + classifier_rule_size(ft->classifier, match);
    struct flow *flow = malloc(size);
    if (flow) {
        /* malloc() and memset(): calloc() does not use the allocator's fast path. */
        memset(flow, 0, size);
        if (!classifier_rule_init(ft->classifier, &flow->rule, match, rank, actions)) {
            flow->created_ns = clock_ns();
            flow->changed_ns = flow->created_ns;
            flow->priority = priority;
            return flow;
        }
        free(flow);
    }
    action_intern_put(ft->actions, actions);
    refuse_full(refusal, "no memory, or too many different masks");
    return NULL;
}

/* A flow as the message says, in nothing yet but initialised for the classifier. Nobody is told
 * when an emergency flow goes. */
static struct flow *
flow_new(struct flow_table *ft, const struct ofp_flow_mod *fm, struct ofp_refusal *refusal)
{
    struct flow *flow = flow_table_make(ft, &fm->match.match, rank_of(ft, fm), fm->priority,
                                        fm->actions, fm->n_actions, refusal);
    if (flow) {
        flow->cookie = fm->cookie;
        flow->idle_timeout = fm->idle_timeout;
        flow->hard_timeout = fm->hard_timeout;
        flow->flags = ft->acting ? 0 : fm->flags & OFPFF_SEND_FLOW_REM;
    }
    return flow;
}

/* A flow that was made but is in nothing goes again. */
static void
unmake(struct flow_table *ft, struct flow *flow)
{
    classifier_rule_fini(ft->classifier, &flow->rule);
    action_intern_put(ft->actions, flow_actions(flow));
    free(flow);
}

int
flow_table_publish(struct flow_table *ft, struct flow *flow, struct flow *old,
                   struct ofp_refusal *refusal)
{
    if (old) {
        flow_table_set_acting(ft, old, false);
        classifier_replace(ft->classifier, &old->rule, &flow->rule);
        if (ft->bridge) {
            dp_rule_removed(ft->bridge, &old->rule, NULL);
        }
        flow_list_replace(ft, old, flow);
        flow_timer_remove(&ft->timer, old);
        flow_table_dispose(ft, old);
    } else if (classifier_insert(ft->classifier, &flow->rule)) {
        unmake(ft, flow);
        return refuse_full(refusal, "no memory for the classifier");
    } else {
        flow_list_append(ft, flow);
        ft->n_flows++;
    }
    if (flow->idle_timeout || flow->hard_timeout) {
        flow_timer_add(&ft->timer, flow);
    }
    if (ft->bridge) {
        dp_rule_added(ft->bridge, &flow->rule);
    }
    return 0;
}

static int
add(struct flow_table *ft, const struct ofp_flow_mod *fm, struct flow **out,
    struct ofp_refusal *refusal)
{
    if (fm->flags & OFPFF_CHECK_OVERLAP
        && classifier_find_overlap(ft->classifier, &fm->match.match, rank_of(ft, fm))) {
        return refuse(refusal, COUNTER_flow_mod_overlap, OFPFMFC_OVERLAP,
                      "overlaps a flow of the same priority");
    }
    struct flow *old = find(ft, fm);
    if (!old && ft->n_flows >= ft->max_flows) {
        return refuse_full(refusal, "the flow table is full");
    }
    struct flow *flow = flow_new(ft, fm, refusal);
    if (!flow) {
        return OFP_REFUSED;
    }
    if (flow_table_check_hardware(ft, &flow->rule, flow->cookie, flow_actions(flow), refusal)) {
        unmake(ft, flow);
        return OFP_REFUSED;
    }
    int error = flow_table_publish(ft, flow, old, refusal);
    if (error) {
        return error;
    }
    if (ft->acting) {
        flow_emergency_added(ft, flow);
    }
    *out = flow;
    return 0;
}

void
flow_table_set_actions(struct flow_table *ft, struct flow *flow, const struct action_list *actions)
{
    const struct action_list *old = flow_actions(flow);
    if (old != actions) {
        action_intern_ref(actions);
        atomic_store_explicit(&flow->rule.actions, actions, memory_order_release);
        action_intern_put(ft->actions, old);
        if (ft->bridge) {
            dp_rule_changed(ft->bridge, &flow->rule);
        }
    }
}

/* What a MODIFY or DELETE does to the flows that it finds. */
struct change {
    struct flow_table *ft;
    const struct ofp_flow_mod *fm;
    const struct action_list *actions;
    uint64_t now_ns;
    struct flow *first;              /* the first that was changed */
    struct ofp_refusal *refusal;     /* of a check that comes before */
    bool refused;
};

/* In Nicira's MODIFY a cookie of all ones is none. */
static bool
keeps_cookie(const struct ofp_flow_mod *fm)
{
    return fm->nxm && fm->cookie == OFP_NO_COOKIE;
}

/* Whether a MODIFY may do what it would to a flow that it finds. Changes nothing. */
static bool
check_rule(struct rule *rule, void *change_)
{
    struct change *change = change_;
    const struct flow *flow = flow_of_rule(rule);
    uint64_t cookie = keeps_cookie(change->fm) ? flow->cookie : change->fm->cookie;
    change->refused = ofp_cookie_fits(&change->fm->only, flow->cookie)
                      && flow_table_check_hardware(change->ft, rule, cookie, change->actions,
                                                   change->refusal);
    return !change->refused;
}

/* False: no flow that the MODIFY would change, or add, has to be checked. */
static bool
has_to_check(const struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    return fm->command == OFPFC_MODIFY && ft->bridge
           && (keeps_cookie(fm) ? dp_may_require_hardware(ft->bridge)
                                : dp_requires_hardware(ft->bridge, fm->cookie));
}

static bool
modify_rule(struct rule *rule, void *change_)
{
    struct change *change = change_;
    struct flow *flow = flow_of_rule(rule);
    if (!ofp_cookie_fits(&change->fm->only, flow->cookie)) {
        return true;
    }
    bool same_actions = flow_actions(flow) == change->actions;
    bool same_cookie = keeps_cookie(change->fm) || flow->cookie == change->fm->cookie;
    flow->cookie = same_cookie ? flow->cookie : change->fm->cookie;
    flow_table_set_actions(change->ft, flow, change->actions);
    if (same_actions && !same_cookie && change->ft->bridge) {
        dp_rule_changed(change->ft->bridge, rule);     /* its policy may be another one */
    }
    flow->changed_ns = change->now_ns;
    flow_table_set_acting(change->ft, flow, false);   /* it is the controller's now */
    if (change->ft->acting) {
        flow_emergency_modified(change->ft, flow);
    }
    if (!change->first) {
        change->first = flow;
    }
    return true;
}

static int
change_init(struct change *change, struct flow_table *ft, const struct ofp_flow_mod *fm,
            struct ofp_refusal *refusal)
{
    *change = (struct change) { .ft = ft, .fm = fm, .now_ns = clock_ns() };
    change->actions = action_intern_get(ft->actions, fm->actions, fm->n_actions);
    return change->actions ? 0 : refuse_full(refusal, "no memory for the actions");
}

/* What a MODIFY that has found nothing does. */
static int
modify_nothing(struct flow_table *ft, const struct ofp_flow_mod *fm, struct flow **out,
               struct ofp_refusal *refusal)
{
    return fm->only.mask || keeps_cookie(fm) ? 0 : add(ft, fm, out, refusal);
}

static int
modify(struct flow_table *ft, const struct ofp_flow_mod *fm, struct flow **out,
       struct ofp_refusal *refusal)
{
    struct change change;
    if (change_init(&change, ft, fm, refusal)) {
        return OFP_REFUSED;
    }
    change.refusal = refusal;
    if (fm->command == OFPFC_MODIFY) {
        if (has_to_check(ft, fm)) {
            classifier_for_each_covered(ft->classifier, &fm->match.match, check_rule, &change);
        }
        if (!change.refused) {
            classifier_for_each_covered(ft->classifier, &fm->match.match, modify_rule, &change);
        }
    } else {
        struct flow *flow = find(ft, fm);
        if (flow && check_rule(&flow->rule, &change)) {
            modify_rule(&flow->rule, &change);
        }
    }
    action_intern_put(ft->actions, change.actions);
    *out = change.first;
    return change.refused ? OFP_REFUSED : change.first ? 0 : modify_nothing(ft, fm, out, refusal);
}

static bool
delete_rule(struct rule *rule, void *change_)
{
    struct change *change = change_;
    struct flow *flow = flow_of_rule(rule);
    if (flow_actions_output_to(flow_actions(flow), change->fm->out_port)
        && ofp_cookie_fits(&change->fm->only, flow->cookie)) {
        flow_table_remove(change->ft, flow, OFPRR_DELETE);
    }
    return true;
}

/* Every flow that the DELETE covers is gone, by its match: that holds for hardware as well. */
static void
tell_deleted(struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    if (ft->bridge && fm->out_port == PORT_NONE && !fm->only.mask) {
        dp_rules_deleted(ft->bridge, &fm->match.match);
    }
}

static void
delete(struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    struct change change = { .ft = ft, .fm = fm };
    if (fm->command == OFPFC_DELETE) {
        classifier_for_each_covered(ft->classifier, &fm->match.match, delete_rule, &change);
        tell_deleted(ft, fm);
        return;
    }
    struct flow *flow = find(ft, fm);
    if (flow) {
        delete_rule(&flow->rule, &change);
    } else {
        tell_deleted(ft, fm);     /* hardware may have it from before a restart */
    }
}

int
flow_table_mod(struct flow_table *ft, const struct ofp_flow_mod *fm, struct flow **flow,
               struct ofp_refusal *refusal)
{
    bool is_delete = fm->command == OFPFC_DELETE || fm->command == OFPFC_DELETE_STRICT;
    *flow = NULL;
    if (ft->acting && !is_delete && (fm->idle_timeout || fm->hard_timeout)) {
        return refuse(refusal, COUNTER_flow_mod_emergency, OFPFMFC_BAD_EMERG_TIMEOUT,
                      "an emergency flow with a time-out");
    }
    switch (fm->command) {
    case OFPFC_ADD:
        return add(ft, fm, flow, refusal);
    case OFPFC_MODIFY:
    case OFPFC_MODIFY_STRICT:
        return modify(ft, fm, flow, refusal);
    case OFPFC_DELETE:
    case OFPFC_DELETE_STRICT:
        delete(ft, fm);
        return 0;
    default:
        return refuse(refusal, COUNTER_flow_mod_bad_command, OFPFMFC_BAD_COMMAND,
                      "no such command");
    }
}

/* --- in pieces -------------------------------------------------------------------------- */

struct flow_mod_walk {
    struct flow_cursor cursor;
    struct flow_cursor check;        /* goes first over the same flows, if they are to be checked */
    bool checking;
    struct change change;
    struct ofp_refusal refusal;
    bool found;                      /* a flow was changed */
    struct ofp_flow_mod fm;
};

bool
flow_table_mod_is_long(const struct flow_table *ft, const struct ofp_flow_mod *fm, size_t n)
{
    return (fm->command == OFPFC_MODIFY || fm->command == OFPFC_DELETE) && ft->n_flows > n
           && classifier_count_candidates(ft->classifier, &fm->match.match) > n;
}

struct flow_mod_walk *
flow_mod_walk_new(struct flow_table *ft, const struct ofp_flow_mod *fm,
                  struct ofp_refusal *refusal)
{
    struct flow_mod_walk *walk = malloc(sizeof *walk);
    if (!walk) {
        refuse_full(refusal, "no memory");
        return NULL;
    }
    memcpy(&walk->fm, fm, offsetof(struct ofp_flow_mod, actions)
                          + fm->n_actions * sizeof fm->actions[0]);
    if (change_init(&walk->change, ft, &walk->fm, refusal)) {
        free(walk);
        return NULL;
    }
    walk->found = false;
    walk->change.refusal = &walk->refusal;
    flow_cursor_open(ft, &walk->cursor, &fm->match, fm->out_port);
    walk->checking = has_to_check(ft, fm);
    if (walk->checking) {
        flow_cursor_open(ft, &walk->check, &fm->match, fm->out_port);
    }
    return walk;
}

/* True if all flows were, or one was refused. */
static bool
check_some(struct flow_mod_walk *walk, uint32_t n)
{
    struct flow *flow;
    while ((flow = flow_cursor_next(walk->change.ft, &walk->check, &n))
           && check_rule(&flow->rule, &walk->change)) {
        continue;
    }
    return n > 0 || walk->change.refused;
}

bool
flow_mod_walk_step(struct flow_mod_walk *walk, uint32_t n, struct flow **first)
{
    bool (*act)(struct rule *, void *) = walk->fm.command == OFPFC_MODIFY ? modify_rule
                                                                          : delete_rule;
    struct flow *flow;
    *first = NULL;
    if (walk->checking) {
        if (!check_some(walk, n)) {
            return false;
        }
        flow_cursor_close(&walk->check);
        walk->checking = false;
        return walk->change.refused || (n == UINT32_MAX && flow_mod_walk_step(walk, n, first));
    }
    walk->change.first = NULL;
    while ((flow = flow_cursor_next(walk->change.ft, &walk->cursor, &n))) {
        act(&flow->rule, &walk->change);
    }
    *first = walk->found ? NULL : walk->change.first;
    walk->found = walk->found || walk->change.first;
    return n > 0;
}

int
flow_mod_walk_finish(struct flow_mod_walk *walk, struct flow **flow, struct ofp_refusal *refusal)
{
    *flow = NULL;
    if (walk->change.refused) {
        *refusal = walk->refusal;
        return OFP_REFUSED;
    }
    if (walk->fm.command == OFPFC_DELETE) {
        tell_deleted(walk->change.ft, &walk->fm);
        return 0;
    }
    return walk->found ? 0 : modify_nothing(walk->change.ft, &walk->fm, flow, refusal);
}

const struct ofp_flow_mod *
flow_mod_walk_message(const struct flow_mod_walk *walk)
{
    return &walk->fm;
}

void
flow_mod_walk_free(struct flow_mod_walk *walk)
{
    if (walk) {
        flow_cursor_close(&walk->cursor);
        if (walk->checking) {
            flow_cursor_close(&walk->check);
        }
        action_intern_put(walk->change.ft->actions, walk->change.actions);
        free(walk);
    }
}
