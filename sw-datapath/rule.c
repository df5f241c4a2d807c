/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/rule.h"

void
rule_get_counters(const struct rule *rule, struct rule_counters *out)
{
    *out = (struct rule_counters) { 0 };
    for (unsigned i = 0; i < rule->n_slots; i++) {
        const struct rule_slot *slot = rule_slot(rule, i);
        uint64_t used = atomic_load_explicit(&slot->used_ms, memory_order_relaxed);
        out->packets += atomic_load_explicit(&slot->packets, memory_order_relaxed);
        out->bytes += atomic_load_explicit(&slot->bytes, memory_order_relaxed);
        out->used_ms = used > out->used_ms ? used : out->used_ms;
    }
}
