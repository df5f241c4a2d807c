/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of ours, by their handles. */
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/tc.h"

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

void
tc_cookie_write(uint8_t out[FLOWER_COOKIE_SIZE], uint64_t hal_cookie, unsigned table, uint16_t priority)
{
    struct tc_cookie cookie = { .version = 1, .table = (uint8_t) table };
    memcpy(cookie.magic, magic, sizeof magic);
    cookie.priority[0] = (uint8_t) (priority >> 8);
    cookie.priority[1] = (uint8_t) priority;
    for (unsigned i = 0; i < sizeof cookie.cookie; i++) {
        cookie.cookie[i] = (uint8_t) (hal_cookie >> (56 - 8 * i));
    }
    memcpy(out, &cookie, sizeof cookie);
}

bool
tc_cookie_read(const uint8_t *bytes, size_t size, uint64_t *hal_cookie, unsigned *table,
               uint16_t *priority)
{
    struct tc_cookie cookie;
    if (size != sizeof cookie) {
        return false;
    }
    memcpy(&cookie, bytes, sizeof cookie);
    if (memcmp(cookie.magic, magic, sizeof magic) || cookie.version != 1) {
        return false;
    }
    *table = cookie.table;
    *priority = (uint16_t) (cookie.priority[0] << 8 | cookie.priority[1]);
    *hal_cookie = 0;
    for (unsigned i = 0; i < sizeof cookie.cookie; i++) {
        *hal_cookie = *hal_cookie << 8 | cookie.cookie[i];
    }
    return true;
}
