/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of ours, by their handles. */
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/tc.h"
#include "lib/field.h"

static bool
grow(struct tc *tc, uint32_t n)
{
    uint32_t max = tc->max_rules ? tc->max_rules : 1024;
    while (max < n) {
        max *= 2;
    }
    if (max == tc->max_rules) {
        return true;
    }
    struct tc_rule *rules = realloc(tc->rules, max * sizeof *rules);
    if (rules) {
        memset(&rules[tc->max_rules], 0, (max - tc->max_rules) * sizeof *rules);
        tc->rules = rules;
    }
    uint32_t *unused = rules ? realloc(tc->free, max * sizeof *unused) : NULL;
    if (!unused) {
        return false;                /* the larger table of rules does no harm */
    }
    tc->free = unused;
    tc->max_rules = max;
    return true;
}

uint32_t
tc_rule_new(struct tc *tc)
{
    tc->n_rules = tc->n_rules ? tc->n_rules : 1;
    if (tc->n_free) {
        tc->n_used++;
        return tc->free[--tc->n_free];
    }
    if (tc->n_rules >= TC_MAX_RULES || !grow(tc, tc->n_rules + 1)) {
        return 0;
    }
    tc->n_used++;
    return tc->n_rules++;
}

/* A free handle that is not to be given away any more. */
static void
remove_free(struct tc *tc, uint32_t handle)
{
    uint32_t i = tc->n_free;
    while (i && tc->free[i - 1] != handle) {
        i--;
    }
    if (i) {
        tc->free[i - 1] = tc->free[--tc->n_free];
    }
}

struct tc_rule *
tc_rule_take(struct tc *tc, uint32_t handle)
{
    if (!handle || handle >= TC_MAX_RULES || !grow(tc, handle + 1)) {
        return NULL;
    }
    tc->n_rules = tc->n_rules ? tc->n_rules : 1;
    if (handle < tc->n_rules && !tc->rules[handle].cookie) {
        remove_free(tc, handle);
    }
    for (; tc->n_rules <= handle; tc->n_rules++) {
        if (tc->n_rules < handle) {
            tc->free[tc->n_free++] = tc->n_rules;
        }
    }
    tc->n_used += !tc->rules[handle].cookie;
    return &tc->rules[handle];
}

void
tc_rule_free(struct tc *tc, uint32_t handle)
{
    struct tc_port *port = tc->rules[handle].cookie && !tc->rules[handle].deleted
                           ? tc_port_find(tc, tc->rules[handle].port) : NULL;
    if (port) {
        tc_prio_release(port, tc->rules[handle].prio);
    }
    tc->rules[handle] = (struct tc_rule) { .cookie = 0 };
    tc->free[tc->n_free++] = handle;
    tc->n_used--;
}

struct tc_rule *
tc_rule_find(struct tc *tc, uint64_t handle, uint64_t cookie)
{
    uint32_t index = (uint32_t) handle;
    struct tc_rule *rule = index && index < tc->n_rules ? &tc->rules[index] : NULL;
    return rule && rule->cookie == cookie ? rule : NULL;
}

void
tc_rules_fini(struct tc *tc)
{
    free(tc->rules);
    free(tc->free);
}

/* --- cookies -------------------------------------------------------------------------------------- */

static const uint8_t magic[4] = { 'T', 'R', 'N', 'T' };

/* The fields that a filter need not say, and the bits of 'asked' that say that the entry did. */
static const uint8_t unsaid[] = { FIELD_NW_FRAG, FIELD_NW_PROTO, FIELD_NW_TOS, FIELD_NW_SRC, FIELD_NW_DST,
                                  FIELD_TP_SRC, FIELD_TP_DST };

static_assert(sizeof unsaid == 7, "they share a byte with the table's number");

static uint8_t *
bytes_of(enum field_id id, struct flow_key *key)
{
    return (uint8_t *) key + fields[id].offset;
}

static bool
is_asked(enum field_id id, const struct flow_match *match)
{
    return field_mask_mode(&fields[id], &match->mask) != FIELD_MASK_NONE;
}

void
tc_restore_match(const struct tc_identity *identity, struct flow_match *match)
{
    for (unsigned i = 0; i < sizeof unsaid; i++) {
        const struct field *f = &fields[unsaid[i]];
        bool asked = identity->asked >> i & 1, said = is_asked(unsaid[i], match);
        if (asked == said || (said && unsaid[i] != FIELD_NW_FRAG)) {
            continue;
        }
        memset(bytes_of(unsaid[i], &match->value), 0, f->size);
        memset(bytes_of(unsaid[i], &match->mask.bits), asked ? f->bits : 0, f->size);
    }
}

void
tc_cookie_write(uint8_t out[FLOWER_COOKIE_SIZE], uint64_t hal_cookie, const struct hal_entry *entry)
{
    struct tc_cookie cookie = { .version = 1, .table = entry->table & 1 };
    for (unsigned i = 0; i < sizeof unsaid; i++) {
        cookie.table |= (uint8_t) (is_asked(unsaid[i], entry->match) << (i + 1));
    }
    memcpy(cookie.magic, magic, sizeof magic);
    cookie.priority[0] = (uint8_t) (entry->priority >> 8);
    cookie.priority[1] = (uint8_t) entry->priority;
    for (unsigned i = 0; i < sizeof cookie.cookie; i++) {
        cookie.cookie[i] = (uint8_t) (hal_cookie >> (56 - 8 * i));
    }
    memcpy(out, &cookie, sizeof cookie);
}

bool
tc_cookie_is_ours(const uint8_t *bytes, size_t size)
{
    struct tc_cookie cookie;
    if (size != sizeof cookie) {
        return false;
    }
    memcpy(&cookie, bytes, sizeof cookie);
    return !memcmp(cookie.magic, magic, sizeof magic) && cookie.version == 1;
}

bool
tc_cookie_read(const struct flower_filter *filter, struct tc_identity *out)
{
    struct tc_cookie cookie;
    if (!tc_cookie_is_ours(filter->cookie, filter->cookie_size)) {
        return false;
    }
    memcpy(&cookie, filter->cookie, sizeof cookie);
    *out = (struct tc_identity) {
        .table = cookie.table & 1, .asked = cookie.table >> 1,
        .priority = (uint16_t) (cookie.priority[0] << 8 | cookie.priority[1]),
    };
    for (unsigned i = 0; i < sizeof cookie.cookie; i++) {
        out->cookie = out->cookie << 8 | cookie.cookie[i];
    }
    return true;
}

/* --- what a filter does ------------------------------------------------------------------------------ */

static uint64_t
mix(uint64_t print, uint64_t word)
{
    print = (print ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return print ^ print >> 29;
}

static uint64_t
mix_op(uint64_t print, const struct flower_ops *ops, const struct flower_op *op)
{
    print = mix(print, op->kind | (uint64_t) op->ingress << 8 | (uint64_t) op->has_pcp << 9
                | (uint64_t) op->pcp << 16 | (uint64_t) op->vid << 32 | (uint64_t) op->tpid << 48);
    print = mix(print, (uint32_t) op->ifindex | (uint64_t) op->flags << 32);
    print = mix(print, op->priority | (uint64_t) op->name[0] << 32);
    for (unsigned i = op->first_edit; i < op->first_edit + op->n_edits; i++) {
        const struct flower_edit *e = &ops->edit[i];
        print = mix(print, e->header | (uint64_t) e->add << 8 | (uint64_t) e->offset << 16);
        print = mix(print, e->mask.raw | (uint64_t) e->value.raw << 32);
    }
    return print;
}

uint64_t
tc_print(const struct flower_ops *ops)
{
    uint64_t print = ops->n_ops;
    for (unsigned i = 0; i < ops->n_ops; i++) {
        print = mix_op(print, ops, &ops->op[i]);
    }
    return print ? print : 1;
}
