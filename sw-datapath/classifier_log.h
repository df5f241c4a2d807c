/* SPDX-License-Identifier: Apache-2.0 */
/* The numbered changes of a classifier, and what overlaps what.
 *
 * Two ways to find out that nothing since a version overlaps an entry:
 *
 *  - *Stamps.* Each change is filed under the most telling field that its match has
 *    entirely (say nw_dst), in a small table by the hash of the field's value, as the
 *    number of the latest change there. An entry whose mask has that field too looks
 *    at one stamp a field; a million changes to other addresses cost it nothing.
 *  - *Records.* The last CHANGE_LOG_LEN matches, compared one by one, when stamps
 *    collide or a change has no telling field.
 *
 * Both are written before the version that numbers them is stored. A record is guarded
 * by its number: 0 while it is being written. */
#ifndef SW_DATAPATH_CLASSIFIER_LOG_H
#define SW_DATAPATH_CLASSIFIER_LOG_H 1

#include "sw-datapath/classifier.h"

enum {
    CHANGE_LOG_LEN = 64,
    N_STAMP_FIELDS = 11,
    STAMP_BITS = 10,
};

struct change_record {
    _Atomic uint64_t number;
    _Atomic uint64_t value[FLOW_LANES], mask[FLOW_LANES];
};

struct change_log {
    _Atomic uint64_t version;
    uint64_t seed;
    _Atomic uint64_t latest[N_STAMP_FIELDS + 1];  /* per field; last: changes without one */
    struct change_record record[CHANGE_LOG_LEN];
    _Atomic uint64_t stamp[N_STAMP_FIELDS][1 << STAMP_BITS];
};

/* Begins at version 1; the memory must be zeroed. */
void change_log_init(struct change_log *);

/* Numbers a change to the packets of 'match', which must be published already. Writer. */
void change_log_add(struct change_log *, const struct flow_match *);

/* As classifier_changed(). Readers. */
enum classifier_change change_log_check(const struct change_log *, const struct flow_key *,
                                        const struct flow_mask *, uint64_t version,
                                        uint64_t *now);

#endif /* sw-datapath/classifier_log.h */
