/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch's flow table: matches, actions' checks, FLOW_MOD. */
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

/* --- matches ------------------------------------------------------------------------ */

/* A match as a list of (value, bits that count): one a field. */
enum {
    F_IN_PORT, F_DL_SRC, F_DL_DST, F_TAGGED, F_VID, F_PCP, F_DL_TYPE, F_TOS, F_PROTO, F_NW_SRC,
    F_NW_DST, F_TP_SRC, F_TP_DST, N_F
};
struct plain {
    uint64_t value[N_F], mask[N_F];
};

static void
want(struct plain *p, int field, uint64_t value, uint64_t mask)
{
    p->value[field] = value & mask;
    p->mask[field] = mask;
}

static void
want_vlan(struct plain *p, const uint8_t *m, bool vlan_counts, bool pcp_counts)
{
    uint16_t vlan = get(m + 18, 2);
    if (vlan_counts && vlan == 0xffff) {
        want(p, F_TAGGED, 0, 1);
        return;
    }
    if (vlan_counts) {
        want(p, F_TAGGED, 1, 1);
        want(p, F_VID, vlan, 0xfff);
    }
    if (pcp_counts) {
        want(p, F_TAGGED, 1, 1);
        want(p, F_PCP, m[20], 7);
    }
}

static void
want_address(struct plain *p, int field, uint64_t address, uint32_t wild_bits)
{
    if (wild_bits < 32) {
        want(p, field, address, 0xffffffffu << wild_bits & 0xffffffffu);
    }
}

/* struct ofp_match, normalised. */
static void
read_match(const uint8_t m[40], struct plain *p)
{
    uint32_t wild = get(m, 4);
    uint32_t type = get(m + 22, 2), proto = m[25];
    bool type_counts = !(wild & 1 << 4), proto_counts = !(wild & 1 << 5);

    memset(p, 0, sizeof *p);
    if (!(wild & 1 << 0)) {
        want(p, F_IN_PORT, get(m + 4, 2), 0xffff);
    }
    if (!(wild & 1 << 2)) {
        want(p, F_DL_SRC, get(m + 6, 6), 0xffffffffffff);
    }
    if (!(wild & 1 << 3)) {
        want(p, F_DL_DST, get(m + 12, 6), 0xffffffffffff);
    }
    want_vlan(p, m, !(wild & 1 << 1), !(wild & 1 << 20));
    if (type_counts) {
        want(p, F_DL_TYPE, type, 0xffff);
    }
    if (type_counts && (type == 0x0800 || type == 0x0806)) {
        want_address(p, F_NW_SRC, get(m + 28, 4), wild >> 8 & 63);
        want_address(p, F_NW_DST, get(m + 32, 4), wild >> 14 & 63);
        if (proto_counts) {
            want(p, F_PROTO, proto, 0xff);
        }
    }
    if (type_counts && type == 0x0800 && !(wild & 1 << 21)) {
        want(p, F_TOS, m[24], 0xfc);
    }
    if (type_counts && type == 0x0800 && proto_counts && (proto == 1 || proto == 6 || proto == 17)) {
        if (!(wild & 1 << 6)) {
            want(p, F_TP_SRC, get(m + 36, 2), 0xffff);
        }
        if (!(wild & 1 << 7)) {
            want(p, F_TP_DST, get(m + 38, 2), 0xffff);
        }
    }
}

bool
ref_match_is_exact(const uint8_t m[40])
{
    return get(m, 4) % (1 << 22) == 0;
}

bool
ref_match_packet(const uint8_t match[40], const struct ref_fields *f)
{
    struct plain p;
    read_match(match, &p);
    const uint64_t has[N_F] = {
        [F_IN_PORT] = f->in_port, [F_DL_SRC] = get(f->dl_src, 6), [F_DL_DST] = get(f->dl_dst, 6),
        [F_TAGGED] = f->dl_vlan != 0xffff, [F_VID] = f->dl_vlan, [F_PCP] = f->dl_vlan_pcp,
        [F_DL_TYPE] = f->dl_type, [F_TOS] = f->nw_tos, [F_PROTO] = f->nw_proto,
        [F_NW_SRC] = f->nw_src, [F_NW_DST] = f->nw_dst, [F_TP_SRC] = f->tp_src,
        [F_TP_DST] = f->tp_dst,
    };
    for (int i = 0; i < N_F; i++) {
        if ((has[i] & p.mask[i]) != p.value[i]) {
            return false;
        }
    }
    return true;
}

bool
ref_match_equal(const uint8_t a[40], const uint8_t b[40])
{
    return ref_match_covers(a, b) && ref_match_covers(b, a);
}

bool
ref_match_covers(const uint8_t a[40], const uint8_t b[40])
{
    struct plain pa, pb;
    read_match(a, &pa);
    read_match(b, &pb);
    for (int i = 0; i < N_F; i++) {
        bool b_has_the_bits = (pa.mask[i] & pb.mask[i]) == pa.mask[i];
        if (!b_has_the_bits || (pb.value[i] & pa.mask[i]) != pa.value[i]) {
            return false;
        }
    }
    return true;
}

bool
ref_match_overlaps(const uint8_t a[40], const uint8_t b[40])
{
    struct plain pa, pb;
    read_match(a, &pa);
    read_match(b, &pb);
    for (int i = 0; i < N_F; i++) {
        uint64_t common = pa.mask[i] & pb.mask[i];
        if ((pa.value[i] & common) != (pb.value[i] & common)) {
            return false;
        }
    }
    return true;
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
    const uint8_t *match, *actions;
    size_t actions_size;
    uint64_t cookie;
    uint16_t command, idle, hard, priority, out_port, flags;
    bool exact;
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
           && ref_match_equal(flow->match, mod->match);
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
ref_table_overlaps(const struct ref_table *t, const uint8_t match[40], uint16_t priority)
{
    bool exact = ref_match_is_exact(match);
    for (size_t i = 0; i < t->n_flows; i++) {
        const struct ref_flow *flow = &t->flows[i];
        if (same_rank(flow->exact, flow->priority, exact, priority)
            && ref_match_overlaps(flow->match, match)) {
            return true;
        }
    }
    return false;
}

static bool
add(struct ref_table *t, const struct mod *mod, uint64_t now_ms, struct ref_error *error)
{
    if (mod->flags & CHECK_OVERLAP && ref_table_overlaps(t, mod->match, mod->priority)) {
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
    memcpy(flow->match, mod->match, 40);
    flow->exact = mod->exact;
    flow->priority = mod->priority;
    flow->cookie = mod->cookie;
    flow->idle_timeout = mod->idle;
    flow->hard_timeout = mod->hard;
    flow->flags = mod->flags;
    flow->created_ms = flow->used_ms = now_ms;
    set_actions(flow, mod);
    return true;
}

static bool
modify(struct ref_table *t, const struct mod *mod, uint64_t now_ms, struct ref_error *error)
{
    bool found = false;
    for (size_t i = 0; i < t->n_flows; i++) {
        struct ref_flow *flow = &t->flows[i];
        if (mod->command == 1 ? ref_match_covers(mod->match, flow->match) : is_strictly(flow, mod)) {
            found = true;
            set_actions(flow, mod);
            if (t->plant == REF_PLANT_MODIFY_ZEROES) {
                flow->packets = flow->bytes = 0;
            }
            flow->cookie = mod->cookie;
        }
    }
    return found || add(t, mod, now_ms, error);
}

static bool
delete(struct ref_table *t, const struct mod *mod, bool tell)
{
    for (size_t i = t->n_flows; i-- > 0;) {
        const struct ref_flow *flow = &t->flows[i];
        bool matches = mod->command == 3 ? ref_match_covers(mod->match, flow->match)
                                         : is_strictly(flow, mod);
        if (matches && (mod->out_port == 0xffff || has_output_to(flow, mod->out_port))) {
            remove_flow(t, i, tell, 2);
        }
    }
    return true;
}

bool
ref_table_mod(struct ref_table *table, struct ref_table *emergency, const uint8_t *msg, size_t size,
              uint64_t now_ms, struct ref_error *error)
{
    if (size < 72 || get(msg + 2, 2) != size) {
        return refuse(error, 1, 6);
    }
    struct mod mod = {
        .match = msg + 8, .cookie = get(msg + 48, 8), .command = get(msg + 56, 2),
        .idle = get(msg + 58, 2), .hard = get(msg + 60, 2), .priority = get(msg + 62, 2),
        .out_port = get(msg + 68, 2), .flags = get(msg + 70, 2), .actions = msg + 72,
        .actions_size = size - 72, .exact = ref_match_is_exact(msg + 8),
    };
    if (mod.command > 4) {
        return refuse(error, 3, 4);
    }
    bool is_delete = mod.command == 3 || mod.command == 4;
    bool is_emergency = mod.flags & EMERG;
    if (!is_delete && mod.flags > (SEND_FLOW_REM | CHECK_OVERLAP | EMERG)) {
        return refuse(error, 3, 5);
    }
    if (!is_delete && is_emergency && (mod.idle || mod.hard)) {
        return refuse(error, 3, 3);
    }
    if (!is_delete && !ref_check_actions(mod.actions, mod.actions_size, false, error)) {
        return false;
    }
    uint16_t in_port = get(mod.match, 4) & 1 ? 0 : get(mod.match + 4, 2);
    if (!is_delete && table->queues_of
        && !ref_check_enqueues(table->queues_of, in_port, mod.actions, mod.actions_size, error)) {
        return false;
    }
    struct ref_table *t = is_emergency ? emergency : table;
    if (is_delete) {
        return delete(t, &mod, !is_emergency);
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
        if (!ref_match_packet(flow->match, fields)) {
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
ref_table_find(struct ref_table *t, const uint8_t match[40], uint16_t priority)
{
    bool exact = ref_match_is_exact(match);
    for (size_t i = 0; i < t->n_flows; i++) {
        struct ref_flow *flow = &t->flows[i];
        if (same_rank(flow->exact, flow->priority, exact, priority)
            && ref_match_equal(flow->match, match)) {
            return flow;
        }
    }
    return NULL;
}

bool
ref_flow_is_asked_for(const struct ref_flow *flow, const uint8_t match[40], uint16_t out_port)
{
    return ref_match_covers(match, flow->match)
           && (out_port == 0xffff || has_output_to(flow, out_port));
}

void
ref_table_aggregate(const struct ref_table *t, const uint8_t match[40], uint16_t out_port,
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
