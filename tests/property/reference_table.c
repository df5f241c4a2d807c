/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch's flow table: actions' checks, FLOW_MODs in both dialects. */
#include <stdlib.h>
#include <string.h>

#include "tests/property/reference.h"

static uint64_t
get(const uint8_t *p, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value * 256 + p[i];
    }
    return value;
}

static bool
refuse(struct ref_error *error, uint16_t type, uint16_t code)
{
    *error = (struct ref_error) { type, code, false };
    return false;
}

/* --- actions ------------------------------------------------------------------------ */

static bool
is_physical(uint16_t port)
{
    return port >= 1 && port < 0xff00;
}

static bool
check_output_port(uint16_t port, bool in_packet_out)
{
    return is_physical(port) || (port >= 0xfff8 && port <= 0xfffe && (port != 0xfff9 || in_packet_out));
}

/* One action, whose length is right for its type. */
static bool
check_action(const uint8_t *a, bool in_packet_out, struct ref_error *error)
{
    uint16_t value = get(a + 4, 2);
    switch (get(a, 2)) {
    case 0:
        return check_output_port(value, in_packet_out) || refuse(error, 2, 4);
    case 11:
        return is_physical(value) || value == 0xfff8 || refuse(error, 2, 4);
    case 1:
        return value <= 4095 || refuse(error, 2, 5);
    case 2:
        return a[4] <= 7 || refuse(error, 2, 5);
    case 8:
        return a[4] % 4 == 0 || refuse(error, 2, 5);
    default:
        return true;
    }
}

static bool
refuse_nicira(struct ref_error *error, uint16_t type, uint16_t code)
{
    *error = (struct ref_error) { type, code, true };
    return false;
}

static bool
check_dec_ttl_ids(const uint8_t *a, size_t length, struct ref_error *error)
{
    size_t n = get(a + 10, 2);
    if (get(a + 12, 4)) {
        return refuse_nicira(error, 1, 515);
    }
    if (length != (16 + 2 * n + 7) / 8 * 8) {
        return refuse(error, 2, 1);
    }
    return n > 3 ? refuse(error, 2, 7) : n > 0 || refuse(error, 2, 5);
}

static bool
check_vendor_action(const uint8_t *a, size_t length, struct ref_error *error)
{
    if (get(a + 4, 4) != 0x2320) {
        return refuse(error, 2, 2);
    }
    if (length < 16) {
        return refuse(error, 2, 1);
    }
    switch (get(a + 8, 2)) {
    case 4:
    case 5:
    case 18:
        return length == 16 || refuse(error, 2, 1);
    case 20:
        if (length == 16 && a[15]) {
            return refuse_nicira(error, 2, 256);
        }
        return length != 16 ? refuse(error, 2, 1) : a[14] <= 31 || refuse(error, 2, 5);
    case 21:
        return check_dec_ttl_ids(a, length, error);
    default:
        return refuse(error, 2, 3);
    }
}

bool
ref_check_actions(const uint8_t *actions, size_t size, bool in_packet_out, struct ref_error *error)
{
    static const uint8_t sizes[] = { 8, 8, 8, 8, 16, 16, 8, 8, 8, 8, 8, 16 };
    size_t n = 0;

    if (size % 8) {
        return refuse(error, 1, 6);
    }
    while (size) {
        size_t type = get(actions, 2), length = get(actions + 2, 2);
        if (length < 8 || length % 8 || length > size) {
            return refuse(error, 2, 1);
        }
        if (type != 0xffff && type >= sizeof sizes) {
            return refuse(error, 2, 0);
        }
        if (type != 0xffff && length != sizes[type]) {
            return refuse(error, 2, 1);
        }
        if (!(type == 0xffff ? check_vendor_action(actions, length, error)
                             : check_action(actions, in_packet_out, error))) {
            return false;
        }
        if (++n > 1024) {
            return refuse(error, 2, 7);
        }
        actions += length;
        size -= length;
    }
    return true;
}

static bool
has_output_to(const struct ref_flow *flow, uint16_t port)
{
    for (size_t at = 0; at < flow->actions_size; at += get(flow->actions + at + 2, 2)) {
        const uint8_t *a = flow->actions + at;
        if ((get(a, 2) == 0 || get(a, 2) == 11) && get(a + 4, 2) == port) {
            return true;
        }
        if (get(a, 2) == 0xffff && get(a + 8, 2) == 20 && port == 0xfffd) {
            return true;
        }
    }
    return false;
}

/* --- the table ---------------------------------------------------------------------- */

/* A FLOW_MOD's fields. */
struct mod {
    struct ref_match match;
    struct ref_cookies only;
    const uint8_t *actions;
    size_t actions_size;
    uint64_t cookie;
    uint16_t command, idle, hard, priority, out_port, flags;
    bool exact;
    bool keeps_cookie;             /* MODIFY leaves it, and adds nothing */
};

enum { SEND_FLOW_REM = 1, CHECK_OVERLAP = 2, EMERG = 4 };

static bool
same_rank(bool a_exact, uint16_t a_priority, bool b_exact, uint16_t b_priority)
{
    return a_exact == b_exact && (a_exact || a_priority == b_priority);
}

static bool
is_strictly(const struct ref_flow *flow, const struct mod *mod)
{
    return same_rank(flow->exact, flow->priority, mod->exact, mod->priority)
           && ref_match_equal(&flow->match, &mod->match);
}

static bool
has_cookie(const struct ref_flow *flow, const struct ref_cookies *only)
{
    return (flow->cookie & only->mask) == (only->value & only->mask);
}

/* Whether the flow that a match and a priority name is one without wildcards. An nx_match
 * may not be able to tell: then it is if there is such a flow, and no other. */
static bool
names_exact(const struct ref_table *t, const struct ref_match *match, uint16_t priority)
{
    bool found = false;
    if (!match->is_nxm || ref_match_is_exact(match)) {
        return ref_match_is_exact(match);
    }
    for (size_t i = 0; i < t->n_flows; i++) {
        const struct ref_flow *flow = &t->flows[i];
        if (flow->priority == priority && ref_match_equal(&flow->match, match)) {
            if (!flow->exact) {
                return false;
            }
            found = true;
        }
    }
    return found;
}

static void
set_actions(struct ref_flow *flow, const struct mod *mod)
{
    free(flow->actions);
    flow->actions = malloc(mod->actions_size + 1);
    memcpy(flow->actions, mod->actions, mod->actions_size);
    flow->actions_size = mod->actions_size;
}

static void
remove_flow(struct ref_table *t, size_t i, bool tell, uint8_t reason)
{
    struct ref_flow *flow = &t->flows[i];
    free(flow->actions);
    flow->actions = NULL;
    if (tell && flow->flags & SEND_FLOW_REM && t->n_removed < REF_MAX_FLOWS) {
        t->removed[t->n_removed].flow = *flow;
        t->removed[t->n_removed].reason = reason;
        t->n_removed++;
    }
    t->n_flows--;
    memmove(flow, flow + 1, (t->n_flows - i) * sizeof *flow);
}

bool
ref_table_overlaps(const struct ref_table *t, const struct ref_match *match, uint16_t priority)
{
    bool exact = names_exact(t, match, priority);
    for (size_t i = 0; i < t->n_flows; i++) {
        const struct ref_flow *flow = &t->flows[i];
        if (same_rank(flow->exact, flow->priority, exact, priority)
            && ref_match_overlaps(&flow->match, match)) {
            return true;
        }
    }
    return false;
}

static bool
add(struct ref_table *t, const struct mod *mod, uint64_t now_ms, struct ref_error *error)
{
    if (mod->flags & CHECK_OVERLAP && ref_table_overlaps(t, &mod->match, mod->priority)) {
        return refuse(error, 3, 1);
    }
    for (size_t i = 0; i < t->n_flows; i++) {
        if (is_strictly(&t->flows[i], mod)) {
            remove_flow(t, i, false, 0);
            break;
        }
    }
    if (t->n_flows >= t->max_flows) {
        return refuse(error, 3, 0);
    }
    struct ref_flow *flow = &t->flows[t->n_flows++];
    memset(flow, 0, sizeof *flow);
    flow->match = mod->match;
    flow->exact = mod->exact;
    flow->priority = mod->priority;
    flow->cookie = mod->cookie;
    flow->idle_timeout = mod->idle;
    flow->hard_timeout = mod->hard;
    flow->flags = mod->flags;
    flow->created_ms = flow->used_ms = flow->changed_ms = now_ms;
    set_actions(flow, mod);
    return true;
}

static bool
modify(struct ref_table *t, const struct mod *mod, uint64_t now_ms, struct ref_error *error)
{
    bool found = false;
    for (size_t i = 0; i < t->n_flows; i++) {
        struct ref_flow *flow = &t->flows[i];
        bool matches = mod->command == 1 ? ref_match_covers(&mod->match, &flow->match)
                                         : is_strictly(flow, mod);
        if (matches && has_cookie(flow, &mod->only)) {
            found = true;
            set_actions(flow, mod);
            if (t->plant == REF_PLANT_MODIFY_ZEROES) {
                flow->packets = flow->bytes = 0;
            }
            flow->cookie = mod->keeps_cookie ? flow->cookie : mod->cookie;
            flow->changed_ms = now_ms;
        }
    }
    return found || mod->only.mask || mod->keeps_cookie || add(t, mod, now_ms, error);
}

static bool
delete(struct ref_table *t, const struct mod *mod, bool tell)
{
    for (size_t i = t->n_flows; i-- > 0;) {
        const struct ref_flow *flow = &t->flows[i];
        bool matches = mod->command == 3 ? ref_match_covers(&mod->match, &flow->match)
                                         : is_strictly(flow, mod);
        if (matches && has_cookie(flow, &mod->only) && (mod->out_port == 0xffff || has_output_to(flow, mod->out_port))) {
            remove_flow(t, i, tell, 2);
        }
    }
    return true;
}

/* 1.0's FLOW_MOD. */
static void
read_flow_mod(const uint8_t *msg, size_t size, struct mod *mod)
{
    ref_match_openflow10(&mod->match, msg + 8);
    mod->cookie = get(msg + 48, 8);
    mod->command = get(msg + 56, 2);
    mod->idle = get(msg + 58, 2);
    mod->hard = get(msg + 60, 2);
    mod->priority = get(msg + 62, 2);
    mod->out_port = get(msg + 68, 2);
    mod->flags = get(msg + 70, 2);
    mod->actions = msg + 72;
    mod->actions_size = size - 72;
}

/* NXT_FLOW_MOD; its match is good. */
static void
read_nxt_flow_mod(const uint8_t *msg, size_t size, struct mod *mod)
{
    size_t match_size = get(msg + 40, 2), actions = 48 + (match_size + 7) / 8 * 8;
    ref_match_nxm(&mod->match, msg + 48, match_size);
    ref_match_cookies(&mod->match, &mod->only);
    mod->cookie = get(msg + 16, 8);
    mod->command = get(msg + 24, 2);
    mod->idle = get(msg + 26, 2);
    mod->hard = get(msg + 28, 2);
    mod->priority = get(msg + 30, 2);
    mod->out_port = get(msg + 36, 2);
    mod->flags = get(msg + 38, 2);
    mod->actions = msg + actions;
    mod->actions_size = size - actions;
    mod->keeps_cookie = mod->cookie == UINT64_MAX;
}

static bool
read_mod(const uint8_t *msg, size_t size, struct mod *mod, struct ref_error *error)
{
    bool is_nxt = msg[1] == 4;
    memset(mod, 0, sizeof *mod);
    if (size < (is_nxt ? 48 : 72) || get(msg + 2, 2) != size) {
        return refuse(error, 1, 6);
    }
    if (is_nxt) {
        read_nxt_flow_mod(msg, size, mod);
    } else {
        read_flow_mod(msg, size, mod);
    }
    return true;
}

void
ref_read_flow_mod(const uint8_t *msg, size_t size, struct ref_flow_mod *out)
{
    struct mod mod;
    struct ref_error ignored;
    read_mod(msg, size, &mod, &ignored);
    out->match = mod.match;
    out->command = mod.command;
    out->priority = mod.priority;
    out->flags = mod.flags;
    out->buffer_id = (uint32_t) get(msg + (msg[1] == 4 ? 32 : 64), 4);
}

/* The only port that the match has packets of; 0: any. */
static uint16_t
only_port(const struct ref_match *m)
{
    if (!m->is_nxm) {
        return get(m->bytes, 4) & 1 ? 0 : get(m->bytes + 4, 2);
    }
    for (size_t at = 0; at < m->size; at += 4 + m->bytes[at + 3]) {
        const uint8_t *e = m->bytes + at;
        if (get(e, 2) == 0 && e[2] == 0) {
            return get(e + 4, 2);
        }
    }
    return 0;
}

static bool
check_mod(const struct ref_table *table, const struct mod *mod, struct ref_error *error)
{
    bool is_delete = mod->command == 3 || mod->command == 4;
    if (mod->command > 4) {
        return refuse(error, 3, 4);
    }
    if (is_delete) {
        return true;
    }
    if (mod->flags > (SEND_FLOW_REM | CHECK_OVERLAP | EMERG)) {
        return refuse(error, 3, 5);
    }
    if (mod->flags & EMERG && (mod->idle || mod->hard)) {
        return refuse(error, 3, 3);
    }
    return ref_check_actions(mod->actions, mod->actions_size, false, error)
           && (!table->queues_of || ref_check_enqueues(table->queues_of, only_port(&mod->match),
                                                       mod->actions, mod->actions_size, error));
}

bool
ref_table_mod(struct ref_table *table, struct ref_table *emergency, const uint8_t *msg, size_t size,
              uint64_t now_ms, struct ref_error *error)
{
    struct mod mod;
    if (!read_mod(msg, size, &mod, error) || !check_mod(table, &mod, error)) {
        return false;
    }
    struct ref_table *t = mod.flags & EMERG ? emergency : table;
    mod.exact = names_exact(t, &mod.match, mod.priority);
    if (mod.command == 3 || mod.command == 4) {
        return delete(t, &mod, t == table);
    }
    return mod.command == 0 ? add(t, &mod, now_ms, error) : modify(t, &mod, now_ms, error);
}

void
ref_table_expire(struct ref_table *t, uint64_t now_ms)
{
    for (size_t i = t->n_flows; i-- > 0;) {
        const struct ref_flow *flow = &t->flows[i];
        if (flow->hard_timeout && now_ms >= flow->created_ms + flow->hard_timeout * 1000u) {
            remove_flow(t, i, true, 1);
        } else if (flow->idle_timeout && now_ms >= flow->used_ms + flow->idle_timeout * 1000u) {
            remove_flow(t, i, true, 0);
        }
    }
}

static bool
outranks(const struct ref_table *t, const struct ref_flow *a, const struct ref_flow *b)
{
    if (t->plant == REF_PLANT_EXACT_HAS_PRIORITY) {
        return a->priority > b->priority;
    }
    return a->exact ? !b->exact : !b->exact && a->priority > b->priority;
}

struct ref_flow *
ref_table_lookup(struct ref_table *t, const struct ref_fields *fields, bool *ambiguous)
{
    struct ref_flow *best = NULL;
    *ambiguous = false;
    for (size_t i = 0; i < t->n_flows; i++) {
        struct ref_flow *flow = &t->flows[i];
        if (!ref_match_packet(&flow->match, fields)) {
            continue;
        }
        if (!best || outranks(t, flow, best)) {
            best = flow;
            *ambiguous = false;
        } else if (!outranks(t, best, flow)) {
            *ambiguous = true;
        }
    }
    return best;
}

struct ref_flow *
ref_table_find(struct ref_table *t, const struct ref_match *match, uint16_t priority)
{
    bool exact = names_exact(t, match, priority);
    for (size_t i = 0; i < t->n_flows; i++) {
        struct ref_flow *flow = &t->flows[i];
        if (same_rank(flow->exact, flow->priority, exact, priority)
            && ref_match_equal(&flow->match, match)) {
            return flow;
        }
    }
    return NULL;
}

bool
ref_flow_is_asked_for(const struct ref_flow *flow, const struct ref_match *match, uint16_t out_port)
{
    struct ref_cookies only;
    ref_match_cookies(match, &only);
    return ref_match_covers(match, &flow->match) && has_cookie(flow, &only)
           && (out_port == 0xffff || has_output_to(flow, out_port));
}

void
ref_table_aggregate(const struct ref_table *t, const struct ref_match *match, uint16_t out_port,
                    uint64_t *packets, uint64_t *bytes, uint32_t *flows)
{
    *packets = *bytes = *flows = 0;
    for (size_t i = 0; i < t->n_flows; i++) {
        const struct ref_flow *flow = &t->flows[i];
        if (ref_flow_is_asked_for(flow, match, out_port)) {
            *packets += flow->packets;
            *bytes += flow->bytes;
            *flows += 1;
        }
    }
}

void
ref_table_clear(struct ref_table *t)
{
    while (t->n_flows) {
        remove_flow(t, t->n_flows - 1, false, 0);
    }
}
