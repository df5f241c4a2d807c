/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/classifier_log.h"

#include "lib/hash.h"

/* Up to so many changes, comparing records is cheaper than looking at stamps. */
enum { FEW_CHANGES = 8 };

/* Fields to file changes under, the most telling first. */
static const struct flow_key fields[N_STAMP_FIELDS] = {
    { .nw_dst.bytes = { 0xff, 0xff, 0xff, 0xff } },
    { .nw_src.bytes = { 0xff, 0xff, 0xff, 0xff } },
    { .dl_dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { .dl_src = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { .nw_dst.bytes = { 0xff, 0xff, 0xff } },
    { .nw_src.bytes = { 0xff, 0xff, 0xff } },
    { .tp_dst = { 0xffff } },
    { .tp_src = { 0xffff } },
    { .nw_dst.bytes = { 0xff, 0xff } },
    { .nw_src.bytes = { 0xff, 0xff } },
    { .in_port = 0xffff },
};
static const uint8_t field_lane[N_STAMP_FIELDS] = { 6, 4, 0, 1, 6, 4, 2, 2, 6, 4, 0 };

static bool
mask_has_field(const struct flow_mask *mask, unsigned f)
{
    uint64_t bits = fields[f].lane[field_lane[f]];
    return (mask->bits.lane[field_lane[f]] & bits) == bits;
}

static unsigned
stamp_index(const struct change_log *log, const struct flow_key *key, unsigned f)
{
    uint64_t value = key->lane[field_lane[f]] & fields[f].lane[field_lane[f]];
    return (unsigned) (hash_word(value, log->seed) >> (64 - STAMP_BITS));
}

void
change_log_init(struct change_log *log)
{
    log->seed = hash_seed();
    atomic_store_explicit(&log->version, 1, memory_order_release);
}

static void
file_stamp(struct change_log *log, const struct flow_match *match, uint64_t number)
{
    unsigned f = 0;
    while (f < N_STAMP_FIELDS && !mask_has_field(&match->mask, f)) {
        f++;
    }
    if (f < N_STAMP_FIELDS) {
        atomic_store_explicit(&log->stamp[f][stamp_index(log, &match->value, f)], number,
                              memory_order_release);
    }
    atomic_store_explicit(&log->latest[f], number, memory_order_release);
}

void
change_log_add(struct change_log *log, const struct flow_match *match)
{
    uint64_t number = atomic_load_explicit(&log->version, memory_order_relaxed) + 1;
    struct change_record *r = &log->record[number % CHANGE_LOG_LEN];
    /* Each store of contents releases, so whoever sees new contents sees that the
     * number is 0 or the new one, and does not take them for the old record. */
    atomic_store_explicit(&r->number, 0, memory_order_relaxed);
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        atomic_store_explicit(&r->value[i], match->value.lane[i], memory_order_release);
        atomic_store_explicit(&r->mask[i], match->mask.bits.lane[i], memory_order_release);
    }
    atomic_store_explicit(&r->number, number, memory_order_release);
    file_stamp(log, match, number);
    atomic_store_explicit(&log->version, number, memory_order_release);
}

/* True if the stamps prove that no change after 'version' overlaps. */
static bool
stamps_are_older(const struct change_log *log, const struct flow_key *key,
                 const struct flow_mask *mask, uint64_t version)
{
    if (atomic_load_explicit(&log->latest[N_STAMP_FIELDS], memory_order_acquire) > version) {
        return false;
    }
    for (unsigned f = 0; f < N_STAMP_FIELDS; f++) {
        if (atomic_load_explicit(&log->latest[f], memory_order_acquire) <= version) {
            continue;
        }
        if (!mask_has_field(mask, f)
            || atomic_load_explicit(&log->stamp[f][stamp_index(log, key, f)], memory_order_acquire)
               > version) {
            return false;
        }
    }
    return true;
}

static enum classifier_change
check_record(const struct change_log *log, const struct flow_key *key,
             const struct flow_mask *mask, uint64_t number)
{
    const struct change_record *r = &log->record[number % CHANGE_LOG_LEN];
    if (atomic_load_explicit(&r->number, memory_order_acquire) != number) {
        return CLASSIFIER_UNKNOWN;
    }
    uint64_t diff = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        uint64_t value = atomic_load_explicit(&r->value[i], memory_order_acquire);
        uint64_t bits = atomic_load_explicit(&r->mask[i], memory_order_acquire);
        diff |= (key->lane[i] ^ value) & bits & mask->bits.lane[i];
    }
    if (atomic_load_explicit(&r->number, memory_order_relaxed) != number) {
        return CLASSIFIER_UNKNOWN;
    }
    return diff ? CLASSIFIER_UNCHANGED : CLASSIFIER_OVERLAPPED;
}

enum classifier_change
change_log_check(const struct change_log *log, const struct flow_key *key,
                 const struct flow_mask *mask, uint64_t version, uint64_t *now)
{
    uint64_t latest = atomic_load_explicit(&log->version, memory_order_acquire);
    *now = latest;
    if (latest == version) {
        return CLASSIFIER_UNCHANGED;
    }
    if (latest - version > FEW_CHANGES && stamps_are_older(log, key, mask, version)) {
        return CLASSIFIER_UNCHANGED;
    }
    if (latest - version > CHANGE_LOG_LEN) {
        return CLASSIFIER_UNKNOWN;
    }
    for (uint64_t number = latest; number > version; number--) {
        enum classifier_change change = check_record(log, key, mask, number);
        if (change != CLASSIFIER_UNCHANGED) {
            return change;
        }
    }
    return CLASSIFIER_UNCHANGED;
}
