/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed hash of 64-bit lanes: fast on short inputs, seeded so that somebody who
 * chooses the keys but does not know the seed can't choose the hash. Multiply-fold:
 * each step multiplies two seeded lanes to 128 bits and folds the halves. */
#ifndef LIB_HASH_H
#define LIB_HASH_H 1

#include <stdint.h>

static inline uint64_t
hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128) a * b;
    return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/* Hash of one word: every bit of the key changes half of the result's, so any bits of it
 * serve as an index. The multipliers are fixed because some that a seed would make spread
 * regular keys badly; a second round does what one leaves undone on consecutive keys. */
static inline uint64_t
hash_word(uint64_t x, uint64_t seed)
{
    return hash_fold(hash_fold(x ^ seed, UINT64_C(0x9e3779b97f4a7c15)) ^ seed,
                     UINT64_C(0xd6e8feb86659fd93));
}

/* A random seed from the kernel; the same for the life of the process. */
uint64_t hash_seed(void);

#endif /* lib/hash.h */
