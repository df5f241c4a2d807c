/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's dialect in trials: matches in nx_match, NXT_FLOW_MODs, and flows as both dialects
 * tell of them. */
#include <string.h>

#include "tests/property/trial.h"

enum { NXT_FLOW_MOD = 13, NXM_ENTRY = 4 };

void
trial_nxm_match(struct trial *t, const uint8_t wire[40], bool thin, struct ref_match *m)
{
    uint8_t entries[GEN_NXM_MAX];
    size_t size = gen_nxm_of(&t->g, wire, thin, entries);
    ref_match_nxm(m, entries, size);
}

void
trial_nxm_widen(struct trial *t, struct ref_match *m)
{
    size_t starts[32], n = 0;
    for (size_t at = 0; at < m->size; at += NXM_ENTRY + m->bytes[at + 3]) {
        starts[n++] = at;
    }
    if (n) {
        m->size = (uint16_t) starts[gen_below(&t->g, (uint32_t) n)];
    }
}

void
trial_nxm_cookie(struct trial *t, struct ref_match *m)
{
    const struct ref_table *table = &t->ref->table;
    static const uint64_t masks[] = { UINT64_MAX, 0x0f, 0x7, 0xffff00000000, 1 };
    uint64_t mask = masks[gen_below(&t->g, 5)], cookie = gen_below(&t->g, 1 << 16);
    if (table->n_flows && !once_in(&t->g, 4)) {
        cookie = table->flows[gen_below(&t->g, (uint32_t) table->n_flows)].cookie;
    }
    m->size += (uint16_t) gen_nxm_cookie(cookie, mask, m->bytes + m->size);
}

size_t
trial_nxm_flow_mod(uint8_t *msg, size_t size, const struct ref_match *m)
{
    uint8_t out[MESSAGE_MAX] = { 1, 4 };
    size_t actions = 48 + (m->size + 7u) / 8 * 8, actions_size = size - 72;
    memcpy(out + 4, msg + 4, 4);
    wire_put(out + 8, 4, 0x2320);
    wire_put(out + 12, 4, NXT_FLOW_MOD);
    memcpy(out + 16, msg + 48, 16);      /* cookie, command, time-outs, priority */
    memcpy(out + 32, msg + 64, 8);       /* buffer, out_port, flags */
    wire_put(out + 40, 2, m->size);
    memcpy(out + 48, m->bytes, m->size);
    memcpy(out + actions, msg + 72, actions_size);
    wire_put(out + 2, 2, actions + actions_size);
    memcpy(msg, out, actions + actions_size);
    return actions + actions_size;
}

bool
told_read(const uint8_t *e, size_t left, bool nxm, struct told *told)
{
    size_t fixed = nxm ? 48 : 88;
    told->size = left < fixed ? 0 : wire_get(e, 2);
    if (told->size < fixed || told->size > left) {
        return false;
    }
    told->table = e[2];
    if (!nxm) {
        const uint8_t *p = e + 44;
        ref_match_openflow10(&told->match, e + 4);
        *told = (struct told) {
            told->size, told->table, told->match, wire_get(p, 4) * 1000 + wire_get(p + 4, 4) / 1000000,
            0, 0, (uint16_t) wire_get(p + 8, 2), (uint16_t) wire_get(p + 10, 2),
            (uint16_t) wire_get(p + 12, 2), wire_get(p + 20, 8), wire_get(p + 28, 8),
            wire_get(p + 36, 8), e + fixed, told->size - fixed,
        };
        return true;
    }
    size_t match_size = wire_get(e + 18, 2), padded = (match_size + 7) / 8 * 8;
    if (match_size > REF_MATCH_MAX || fixed + padded > told->size) {
        return false;
    }
    ref_match_nxm(&told->match, e + fixed, match_size);
    *told = (struct told) {
        told->size, told->table, told->match, wire_get(e + 4, 4) * 1000 + wire_get(e + 8, 4) / 1000000,
        wire_get(e + 20, 2), wire_get(e + 22, 2), (uint16_t) wire_get(e + 12, 2),
        (uint16_t) wire_get(e + 14, 2), (uint16_t) wire_get(e + 16, 2), wire_get(e + 24, 8),
        wire_get(e + 32, 8), wire_get(e + 40, 8), e + fixed + padded, told->size - fixed - padded,
    };
    return true;
}

/* Seconds plus one. */
static bool
age_is(const struct trial *t, uint64_t age, uint64_t since_ms)
{
    return age == (t->now_ms - since_ms) / 1000 + 1;
}

bool
told_is(const struct trial *t, const struct told *told, const struct ref_flow *flow)
{
    return ref_match_is_told_as(&flow->match, &told->match)
           && (told->match.is_nxm || ref_match_is_exact(&told->match) == flow->exact)
           && told->priority == flow->priority && told->idle == flow->idle_timeout
           && told->hard == flow->hard_timeout && told->cookie == flow->cookie
           && told->packets == flow->packets && told->bytes == flow->bytes
           && told->duration_ms == t->now_ms - flow->created_ms
           && (!told->match.is_nxm || (age_is(t, told->idle_age, flow->used_ms)
                                       && age_is(t, told->hard_age, flow->changed_ms)));
}
