/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/place.h"

static void
software(struct hal_placement *out, enum hal_reason reason)
{
    *out = (struct hal_placement) { .table = -1 };
    out->verdict.reason = reason;
    out->verdict.field = out->verdict.action = HAL_OBJECT_NONE;
}

static bool
is_worth_it(const struct hal_place_input *in)
{
    return in->exact_rule || in->whole || in->pps >= (in->placed ? in->demote_pps : in->promote_pps);
}

bool
hal_room_is_full(const struct hal_table_caps *caps, const struct hal_room *room)
{
    uint32_t capacity = caps->capacity;
    if (room->full_at && (!capacity || room->full_at < capacity)) {
        capacity = room->full_at;
    }
    return capacity && room->entries >= capacity;
}

/* Whether a table that could hold the entry has room for it now; sets *evict, or *why. */
static bool
has_room(const struct hal_place_input *in, unsigned table, bool *evict, enum hal_reason *why)
{
    const struct hal_table_caps *caps = &in->caps->table[table];
    const struct hal_room *room = &in->room[table];
    *evict = false;
    if (caps->max_masks && !room->has_mask && room->n_masks >= caps->max_masks) {
        *why = HAL_REASON_TOO_MANY_MASKS;
        return false;
    }
    if (in->placed || !hal_room_is_full(caps, room)) {
        return true;
    }
    *evict = room->coldest_pps != UINT32_MAX
             && (in->exact_rule || in->whole || in->pps / HAL_EVICT_FACTOR > room->coldest_pps);
    *why = HAL_REASON_TABLE_FULL;
    return *evict;
}

/* Reasons that more room could cure outrank those of the entry itself: they come from a
 * table that could hold it. Among the others the first table's counts. */
static void
remember(struct hal_placement *out, const struct hal_verdict *verdict, unsigned table, bool room)
{
    if (!out->verdict.reason || room) {
        out->verdict = *verdict;
        out->verdict.table = (uint8_t) table;
        out->verdict.has_table = true;
    }
}

/* Why the table takes no whole rules; 0: it does. */
static enum hal_reason
refuses_whole(const struct hal_place_input *in, const struct hal_table_caps *caps)
{
    if (!caps->priorities) {
        return HAL_REASON_NO_PRIORITIES;
    }
    bool wanted = in->whole_rules == HAL_WHOLE_DEFAULT ? caps->whole_rules
                                                       : in->whole_rules == HAL_WHOLE_YES;
    return wanted ? 0 : HAL_REASON_POLICY_EXACT;
}

static bool
try_table(const struct hal_place_input *in, unsigned table, struct hal_placement *out)
{
    struct hal_verdict verdict = { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    enum hal_reason why;
    bool evict;
    why = in->whole ? refuses_whole(in, &in->caps->table[table]) : 0;
    if (why) {
        verdict.reason = (uint16_t) why;
        remember(out, &verdict, table, in->caps->table[table].priorities);
        return false;
    }
    if (!hal_fits(&in->caps->table[table], in->match, in->actions, in->ports, &verdict)) {
        remember(out, &verdict, table, false);
        return false;
    }
    if (in->caps->table[table].counters == HAL_COUNT_NONE && !in->allow_uncounted) {
        verdict.reason = HAL_REASON_UNCOUNTED;
        remember(out, &verdict, table, true);
        return false;
    }
    if (!has_room(in, table, &evict, &why)) {
        verdict.reason = (uint16_t) why;
        remember(out, &verdict, table, true);
        return false;
    }
    *out = (struct hal_placement) { .table = (int) table, .evict = evict };
    return true;
}

void
hal_place(const struct hal_place_input *in, struct hal_placement *out)
{
    software(out, 0);
    if (!in->caps) {
        software(out, HAL_REASON_INGRESS_SOFTWARE);
        return;
    }
    if (in->policy == HAL_SW_ONLY) {
        software(out, HAL_REASON_POLICY_SOFTWARE);
        return;
    }
    for (unsigned t = 0; t < in->caps->n_tables; t++) {
        if (try_table(in, t, out)) {
            /* It would fit: whether it is worth it comes last, since nothing about the
             * entry has to change for that. */
            if (!is_worth_it(in)) {
                software(out, HAL_REASON_NOT_WORTH_IT);
            } else if (!in->placed && !in->may_move && !in->exact_rule && !in->whole) {
                software(out, HAL_REASON_CHURN_LIMIT);
            }
            return;
        }
    }
}
