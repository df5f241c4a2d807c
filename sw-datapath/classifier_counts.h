/* SPDX-License-Identifier: Apache-2.0 */
/* Reference counts by 64-bit key, for what the classifier derives from its rules.
 *
 * "How many rules of subtable 7 have the value hash 1234 in nw_dst" and the like: a
 * summary's bit, or a field of a mask profile, goes when its count does. Keys with a
 * count of 0 are not stored, so memory follows what is there. Writer only. */
#ifndef SW_DATAPATH_CLASSIFIER_COUNTS_H
#define SW_DATAPATH_CLASSIFIER_COUNTS_H 1

#include <stdint.h>

struct count {
    uint64_t key;     /* 0: empty */
    uint64_t n;
};

struct counts {
    struct count *slots;
    uint32_t mask;    /* number of slots - 1 */
    uint32_t len;     /* keys */
};

/* Zeroed memory is an empty set. */
void counts_fini(struct counts *);

/* Makes room for 'n' new keys, so that as many counts_add() can't fail. 0 or -ENOMEM. */
int counts_reserve(struct counts *, uint32_t n);

/* Adds 'n'; returns the count after, as the next. */
uint64_t counts_add_n(struct counts *, uint64_t key, uint64_t n);
/* Adds or takes one; returns the count after. 'key' is not 0; room must be reserved;
 * what is taken must have been added. */
uint64_t counts_add(struct counts *, uint64_t key);
uint64_t counts_sub(struct counts *, uint64_t key);

uint64_t counts_get(const struct counts *, uint64_t key);

#endif /* sw-datapath/classifier_counts.h */
