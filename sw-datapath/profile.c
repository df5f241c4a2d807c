/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/profile_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/counters.h"
#include "lib/epoch.h"

enum { ANY_PORT = 0x10000 };    /* in a count's key: rules that do not name one port */

/* What every profile has: what picks the class and port, and what modes decide by. */
static struct flow_mask
base_mask(void)
{
    struct flow_mask base = { 0 };
    base.bits.in_port = 0xffff;
    base.bits.vlan_tci.raw = htobe16(FLOW_VLAN_PRESENT);
    base.bits.dl_type.raw = 0xffff;
    base.bits.nw_proto = 0xff;
    base.bits.nw_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    return base;
}

static void
mask_or(struct flow_mask *mask, const struct flow_mask *other)
{
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        mask->bits.lane[i] |= other->bits.lane[i];
    }
}

/* Without what every profile has anyway. */
static struct flow_mask
mask_beyond_base(const struct flow_mask *mask)
{
    struct flow_mask base = base_mask(), out;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        out.bits.lane[i] = mask->bits.lane[i] & ~base.bits.lane[i];
    }
    return out;
}

static bool
mask_equal(const struct flow_mask *a, const struct flow_mask *b)
{
    return flow_key_equal(&a->bits, &b->bits);
}

/* --- groups --------------------------------------------------------------------- */

static const struct profile_list *
group_list(const struct profile_set *set, unsigned c, unsigned k)
{
    return atomic_load_explicit(&set->group[c][k], memory_order_relaxed);
}

/* Publishes a copy of 'list' (NULL: nothing) as the group's; the full profile stands in
 * when there is no memory for it. */
static void
group_publish(struct profile_set *set, unsigned c, unsigned k, const struct profile_list *list)
{
    const struct profile_list *old = group_list(set, c, k);
    const struct profile_list *publish = list ? &set->full : NULL;
    struct profile_list *copy = list ? malloc(sizeof *copy) : NULL;
    if (copy) {
        *copy = *list;
        publish = copy;
        for (unsigned i = 0; i < copy->n; i++) {
            set->refs[copy->profile[i]->id]++;
        }
    }
    atomic_store_explicit(&set->group[c][k], publish, memory_order_release);
    profile_list_release(set, old);
}

static void reclaim_groups(struct profile_set *);

/* The profile with this mask; the full one when that can't be. */
static struct mask_profile *
intern_or_full(struct profile_set *set, const struct flow_mask *mask)
{
    struct mask_profile *profile = profile_intern(set, mask);
    if (!profile) {
        reclaim_groups(set);
        profile = profile_intern(set, mask);
    }
    if (!profile) {
        counter_inc(COUNTER_mask_profile_full);
        profile = profile_at(set, 0);
    }
    return profile;
}

/* Brings a group up to date. 'from' is the list of the group that a port comes from, or
 * NULL: its newest profile has entries that go on serving. */
static void
group_update(struct profile_set *set, unsigned c, unsigned k, const struct profile_list *from)
{
    struct flow_mask mask = base_mask();
    mask_or(&mask, &set->global[c]);
    mask_or(&mask, &set->contribution[k]);
    const struct profile_list *current = group_list(set, c, k);
    struct mask_profile *newest = intern_or_full(set, &mask);
    struct profile_list list = { 1, { newest } };
    if (from) {
        profile_list_append(&list, from->profile[0]);
    }
    for (unsigned i = 0; current && i < current->n; i++) {
        profile_list_append(&list, current->profile[i]);
    }
    if (!current || !profile_list_equal(current, &list)) {
        group_publish(set, c, k, &list);
    }
    if (newest->id && !set->refs[newest->id]) {
        set->refs[newest->id]++;      /* nobody took it: no memory for the list */
        profile_unref(set, newest);
    }
}

static void
reclaim_group(struct profile_set *set, unsigned c, unsigned k)
{
    struct profile_group *state = &set->state[c][k];
    if (state->retired && epoch_passed(state->retired)) {
        group_publish(set, c, k, NULL);
        state->retired = 0;
    }
}

static void
reclaim_groups(struct profile_set *set)
{
    for (unsigned c = 0; c < N_TRAFFIC_CLASSES; c++) {
        for (unsigned k = 0; k < PROFILE_MAX_CONTRIBUTIONS; k++) {
            reclaim_group(set, c, k);
        }
    }
}

/* --- contributions -------------------------------------------------------------- */

/* True if no group has the contribution, not even a stale one. */
static bool
contribution_is_free(const struct profile_set *set, unsigned k)
{
    bool is_free = true;
    for (unsigned c = 0; c < N_TRAFFIC_CLASSES; c++) {
        is_free = is_free && !set->state[c][k].refs && !set->state[c][k].retired;
    }
    return is_free;
}

static unsigned
free_contribution(const struct profile_set *set)
{
    unsigned k = PROFILE_FULL_CONTRIBUTION + 1;
    while (k < PROFILE_MAX_CONTRIBUTIONS && !contribution_is_free(set, k)) {
        k++;
    }
    return k;
}

static unsigned
contribution_intern(struct profile_set *set, const struct flow_mask *mask)
{
    for (unsigned k = 0; k < PROFILE_MAX_CONTRIBUTIONS; k++) {
        if (mask_equal(&set->contribution[k], mask)
            && (k <= PROFILE_FULL_CONTRIBUTION || !contribution_is_free(set, k))) {
            return k;
        }
    }
    unsigned k = free_contribution(set);
    if (k == PROFILE_MAX_CONTRIBUTIONS) {
        reclaim_groups(set);
        k = free_contribution(set);
    }
    if (k == PROFILE_MAX_CONTRIBUTIONS) {
        counter_inc(COUNTER_mask_profile_full);
        return PROFILE_FULL_CONTRIBUTION;
    }
    set->contribution[k] = *mask;
    return k;
}

static struct port_page *
page_of(const struct profile_set *set, uint16_t port)
{
    return atomic_load_explicit(&set->page[port >> 8], memory_order_relaxed);
}

static uint64_t
port_contributions(const struct profile_set *set, uint16_t port)
{
    return atomic_load_explicit(&page_of(set, port)->contributions[port & 0xff],
                                memory_order_relaxed);
}

static unsigned
port_contribution(const struct profile_set *set, uint16_t port, unsigned c)
{
    return port_contributions(set, port) >> (8 * c) & 0xff;
}

/* The port's page for writing; NULL without memory. */
static struct port_page *
own_page(struct profile_set *set, uint16_t port)
{
    struct port_page *page = page_of(set, port);
    if (page == &set->no_ports) {
        page = calloc(1, sizeof *page);
        if (page) {
            atomic_store_explicit(&set->page[port >> 8], page, memory_order_release);
        }
    }
    return page;
}

static void
port_move(struct profile_set *set, struct port_page *page, uint16_t port, unsigned c, unsigned k)
{
    unsigned old = port_contribution(set, port, c);
    set->state[c][k].refs++;
    set->state[c][k].retired = 0;
    group_update(set, c, k, group_list(set, c, old));
    uint64_t bytes = port_contributions(set, port);
    bytes ^= (uint64_t) (old ^ k) << (8 * c);
    atomic_store_explicit(&page->contributions[port & 0xff], bytes, memory_order_release);
    if (old != PROFILE_NO_CONTRIBUTION && !--set->state[c][old].refs) {
        set->state[c][old].retired = epoch_advance();
    }
}

static void global_update(struct profile_set *, unsigned c, const struct flow_mask *);

static void
port_update(struct profile_set *set, uint16_t port, unsigned c, const struct flow_mask *mask)
{
    if (mask_equal(&set->contribution[port_contribution(set, port, c)], mask)) {
        return;
    }
    struct port_page *page = own_page(set, port);
    if (!page) {
        /* Nowhere to keep it: every port's traffic of the class gets these fields. */
        mask_or(&set->forced[c], mask);
        mask_or(&set->global[c], mask);
        global_update(set, c, &set->global[c]);
        return;
    }
    unsigned k = contribution_intern(set, mask);
    if (k != port_contribution(set, port, c)) {
        port_move(set, page, port, c, k);
    }
}

static void
global_update(struct profile_set *set, unsigned c, const struct flow_mask *mask)
{
    set->global[c] = *mask;
    for (unsigned k = 0; k < PROFILE_MAX_CONTRIBUTIONS; k++) {
        if (k == PROFILE_NO_CONTRIBUTION || set->state[c][k].refs) {
            group_update(set, c, k, NULL);
        }
    }
}

/* --- rules ---------------------------------------------------------------------- */

/* True if some packet with this type and protocol could match. */
static bool
allows(const struct flow_match *match, uint16_t dl_type, int nw_proto)
{
    uint16_t type_diff = (match->value.dl_type.raw ^ htobe16(dl_type))
                         & match->mask.bits.dl_type.raw;
    uint8_t proto_diff = (match->value.nw_proto ^ (uint8_t) nw_proto) & match->mask.bits.nw_proto;
    return !type_diff && (nw_proto < 0 || !proto_diff);
}

unsigned
profile_classes_of(const struct flow_match *match)
{
    bool one_type = match->mask.bits.dl_type.raw == 0xffff;
    bool one_proto = match->mask.bits.nw_proto == 0xff;
    bool tcp = allows(match, 0x0800, IPPROTO_TCP);
    bool udp = allows(match, 0x0800, IPPROTO_UDP);
    bool icmp = allows(match, 0x0800, IPPROTO_ICMP);
    bool arp = allows(match, 0x0806, -1);
    bool ipv4 = allows(match, 0x0800, -1) && !(one_proto && (tcp || udp || icmp));
    bool other = !(one_type && (arp || allows(match, 0x0800, -1)));
    return (unsigned) (tcp << TRAFFIC_TCP | udp << TRAFFIC_UDP | icmp << TRAFFIC_ICMP
                       | ipv4 << TRAFFIC_IPV4 | arp << TRAFFIC_ARP | other << TRAFFIC_OTHER);
}

static bool
names_port(const struct flow_mask *mask)
{
    return mask->bits.in_port == 0xffff;
}

static uint64_t
count_key(unsigned source, unsigned port, unsigned c)
{
    return (uint64_t) (source + 1) << 32 | port << 8 | c;
}

/* The union over the sources that have rules for this port (or ANY_PORT) and class. */
static struct flow_mask
mask_union(const struct profile_set *set, unsigned port, unsigned c)
{
    struct flow_mask mask = { 0 };
    for (unsigned id = 0; id < set->n_sources; id++) {
        if (set->source[id] && names_port(set->source[id]) == (port != ANY_PORT)
            && counts_get(&set->counts, count_key(id, port, c))) {
            mask_or(&mask, set->source[id]);
        }
    }
    if (port == ANY_PORT) {
        mask_or(&mask, &set->forced[c]);
    }
    return mask_beyond_base(&mask);
}

static void
update(struct profile_set *set, unsigned port, unsigned c, const struct flow_mask *mask)
{
    if (port != ANY_PORT) {
        port_update(set, (uint16_t) port, c, mask);
    } else if (!mask_equal(&set->global[c], mask)) {
        global_update(set, c, mask);
    }
}

/* The first rule of 'source' for this port and class. */
static void
widen(struct profile_set *set, unsigned source, unsigned port, unsigned c)
{
    struct flow_mask mask = port == ANY_PORT ? set->global[c]
                            : set->contribution[port_contribution(set, (uint16_t) port, c)];
    struct flow_mask more = mask_beyond_base(set->source[source]);
    mask_or(&mask, &more);
    update(set, port, c, &mask);
}

int
profile_reserve(struct profile_set *set)
{
    return counts_reserve(&set->counts, N_TRAFFIC_CLASSES);
}

void
profile_add_rule(struct profile_set *set, unsigned source, const struct flow_match *match)
{
    unsigned port = names_port(&match->mask) ? match->value.in_port : ANY_PORT;
    for (unsigned left = profile_classes_of(match); left; left &= left - 1) {
        unsigned c = (unsigned) __builtin_ctz(left);
        if (counts_add(&set->counts, count_key(source, port, c)) == 1) {
            widen(set, source, port, c);
        }
    }
}

void
profile_remove_rule(struct profile_set *set, unsigned source, const struct flow_match *match)
{
    unsigned port = names_port(&match->mask) ? match->value.in_port : ANY_PORT;
    for (unsigned left = profile_classes_of(match); left; left &= left - 1) {
        unsigned c = (unsigned) __builtin_ctz(left);
        if (counts_sub(&set->counts, count_key(source, port, c)) == 0) {
            struct flow_mask mask = mask_union(set, port, c);
            update(set, port, c, &mask);
        }
    }
}

void
profile_add_source(struct profile_set *set, unsigned id, const struct flow_mask *mask)
{
    set->source[id] = mask;
    if (id >= set->n_sources) {
        set->n_sources = id + 1;
    }
}

void
profile_remove_source(struct profile_set *set, unsigned id)
{
    set->source[id] = NULL;
    while (set->n_sources && !set->source[set->n_sources - 1]) {
        set->n_sources--;
    }
}

/* --- the whole ------------------------------------------------------------------ */

int
profile_set_init(struct profile_set *set)
{
    memset(set, 0, sizeof *set);
    struct flow_mask full;
    memset(&full, 0xff, sizeof full);
    struct mask_profile *profile = profile_new(set, 0, &full);
    if (!profile) {
        return -ENOMEM;
    }
    set->full = (struct profile_list) { 1, { profile } };
    set->contribution[PROFILE_FULL_CONTRIBUTION] = mask_beyond_base(&full);
    for (unsigned i = 0; i < 256; i++) {
        atomic_init(&set->page[i], &set->no_ports);
    }
    for (unsigned c = 0; c < N_TRAFFIC_CLASSES; c++) {
        group_update(set, c, PROFILE_NO_CONTRIBUTION, NULL);
    }
    return 0;
}

void
profile_set_fini(struct profile_set *set)
{
    for (unsigned c = 0; c < N_TRAFFIC_CLASSES; c++) {
        for (unsigned k = 0; k < PROFILE_MAX_CONTRIBUTIONS; k++) {
            const struct profile_list *list = group_list(set, c, k);
            if (list && list != &set->full) {
                free((void *) (uintptr_t) list);
            }
        }
    }
    for (unsigned id = 0; id < CLASSIFIER_MAX_PROFILES; id++) {
        free(profile_at(set, id));
    }
    for (unsigned i = 0; i < 256; i++) {
        if (page_of(set, (uint16_t) (i << 8)) != &set->no_ports) {
            free(page_of(set, (uint16_t) (i << 8)));
        }
    }
    counts_fini(&set->counts);
}
