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

/* Two lanes, as vector instructions take them. */
typedef uint64_t lane_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* As flow_key_mask(), without a loop: it is done for every packet and subtable. */
static inline void
lanes_mask(const struct flow_key *key, const struct flow_mask *mask, struct flow_key *out)
{
    const lane_pair *k = (const lane_pair *) (const void *) key->lane;
    const lane_pair *m = (const lane_pair *) (const void *) mask->bits.lane;
    lane_pair *o = (lane_pair *) (void *) out->lane;
    o[0] = k[0] & m[0];
    o[1] = k[1] & m[1];
    o[2] = k[2] & m[2];
    o[3] = k[3] & m[3];
}

/* Hash of a masked key. 'salt' makes one table's hash differ from another's. Always all
 * lanes: what a mask leaves out is 0, and no branch depends on the mask. */
static inline uint64_t
lane_hash_key(const struct lane_hash *lh, const struct flow_key *key, uint64_t salt)
{
    const uint64_t *lane = key->lane, *secret = lh->secret;
    uint64_t a = hash_fold(lane[0] ^ secret[0], lane[1] ^ secret[1]);
    uint64_t b = hash_fold(lane[2] ^ secret[2], lane[4] ^ secret[4]);
    uint64_t c = hash_fold(lane[6] ^ secret[6], lane[3] ^ secret[3]);
    uint64_t d = hash_fold(lane[5] ^ secret[5], lane[7] ^ secret[7]);
    return hash_fold(a ^ b ^ c ^ d ^ salt, lh->final);
}

#endif /* sw-datapath/classifier_hash.h */
