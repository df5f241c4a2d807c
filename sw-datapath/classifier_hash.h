/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of masked lanes that classifier and cache share.
 *
 * Pairs of lanes, each lane with a secret of its own, are multiplied and folded; the
 * pairs do not wait for each other, so a whole key costs a few multiplications side by
 * side. The secrets come from hash_seed(): who does not know them can't choose
 * collisions. */
#ifndef SW_DATAPATH_CLASSIFIER_HASH_H
#define SW_DATAPATH_CLASSIFIER_HASH_H 1

#include "lib/hash.h"
#include "turnout/flow.h"

struct lane_hash {
    uint64_t secret[FLOW_LANES];
    uint64_t final;
};

static inline void
lane_hash_init(struct lane_hash *lh)
{
    uint64_t seed = hash_seed();
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        lh->secret[i] = hash_word(i + 1, seed);
    }
    lh->final = hash_word(FLOW_LANES + 1, seed) | 1;
}

/* Hash of 'n' words. 'salt' makes one table's hash differ from another's. */
static inline uint64_t
lane_hash_words(const struct lane_hash *lh, const uint64_t *words, unsigned n, uint64_t salt)
{
    uint64_t h = salt;
    unsigned i;
    for (i = 0; i + 1 < n; i += 2) {
        h ^= hash_fold(words[i] ^ lh->secret[i], words[i + 1] ^ lh->secret[i + 1]);
    }
    if (i < n) {
        h ^= hash_fold(words[i] ^ lh->secret[i], lh->final);
    }
    return hash_fold(h ^ lh->secret[0], lh->final);
}

#endif /* sw-datapath/classifier_hash.h */
